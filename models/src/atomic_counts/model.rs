//! Models of counting.

use loom::cell::UnsafeCell;
use loom::thread;

use super::protocol::{AtomicCount, Released};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The mark of a candidate.
const MARK: u64 = 1;
/// What the flags of freed memory become: those of a new object.
const REUSED: u64 = 4;

/// An object.
struct Object {
    count: AtomicCount,
    flags: AtomicU64,
    /// How often it was freed: its memory, as far as loom checks who uses it when.
    freed: UnsafeCell<u32>,
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for Object {}

impl Object {
    fn new(count: u64) -> Arc<Object> {
        let (count, flags) = (AtomicCount::new(count), AtomicU64::new(0));
        Arc::new(Object { count, flags, freed: UnsafeCell::new(0) })
    }
    fn read(&self) {
        // SAFETY: loom fails the model when another thread writes the cell meanwhile.
        let freed = self.freed.with(|freed| unsafe { *freed });
        assert_eq!(freed, 0, "an object is used after it was freed");
    }
    fn free(&self) {
        // SAFETY: loom fails the model when another thread accesses the cell meanwhile.
        self.freed.with_mut(|freed| unsafe { *freed += 1 });
        self.flags.store(REUSED, Relaxed);
    }
    fn release(&self) -> Released {
        self.count.release(&self.flags, MARK)
    }
    fn times_freed(&self) -> u32 {
        // SAFETY: as in `read`.
        self.freed.with(|freed| unsafe { *freed })
    }
}

/// Two threads with a reference each make another one, use both and drop both: the object is freed once,
/// after all of that.
pub fn count_or_free() {
    let object = Object::new(2);
    let work = |object: &Object| {
        object.count.increment();
        object.read();
        for _ in 0..2 {
            if object.count.decrement() {
                object.free();
            }
        }
    };
    let other = {
        let object = object.clone();
        thread::spawn(move || work(&object))
    };
    work(&object);
    other.join().unwrap();
    assert_eq!(object.times_freed(), 1, "not freed exactly once");
}

/// Three threads drop a reference each to what may be part of a cycle: it is in one list of candidates
/// at most; who drops the last one knows whether it is, and only frees it if not; nobody marks it
/// afterwards.
pub fn candidate_or_last() {
    let object = Object::new(3);
    let work = |object: &Object| {
        object.read();
        let released = object.release();
        let free = released.last && object.flags.load(Relaxed) & MARK == 0;
        if free {
            object.free();
        }
        (released, free)
    };
    let others: Vec<_> = (0..2)
        .map(|_| {
            let object = object.clone();
            thread::spawn(move || work(&object))
        })
        .collect();
    let mut all = vec![work(&object)];
    all.extend(others.into_iter().map(|other| other.join().unwrap()));
    let lists = all.iter().filter(|(released, _)| released.candidate).count();
    let last = all.iter().filter(|(released, _)| released.last).count();
    let freed = all.iter().any(|&(_, free)| free);
    assert_eq!(last, 1, "not freed exactly once");
    assert!(lists <= 1, "a candidate is in two lists");
    assert!(lists == 0 || !freed, "a candidate's memory was freed");
    assert!(!freed || object.flags.load(Relaxed) == REUSED, "freed memory was marked");
}

/// One thread drops the last reference while another one follows a weak reference: it gets the object
/// alive, or not at all.
pub fn weak_or_last() {
    let object = Object::new(1);
    let other = {
        let object = object.clone();
        thread::spawn(move || {
            if object.count.increment_unless_zero() {
                object.read();
                if object.count.decrement() {
                    object.free();
                }
            }
        })
    };
    object.read();
    if object.count.decrement() {
        object.free();
    }
    other.join().unwrap();
    assert_eq!(object.times_freed(), 1, "not freed exactly once");
}
