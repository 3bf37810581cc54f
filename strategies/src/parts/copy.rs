//! Evacuation into a to-space, with the copies as the queue (Cheney).
//!
//! Invariants
//! - C1. The header of an evacuated object is `new address << 8 | 0xff`; 0xff is no kind, and
//!   addresses have at most 48 bits.
//! - C2. `start <= scan <= cursor <= end`; objects below `scan` refer to to-space only, those
//!   between `scan` and `cursor` still hold the words of the original.

use menagerie::heap::Liveness;
use menagerie::object::Obj;
use menagerie::value::{OBJECT_BIAS, Value};

use super::memory::prefetch;

const FORWARDED: u64 = 0xff;

/// The new place of an object, if it has been evacuated.
#[inline(always)]
pub fn forwarded(o: Obj) -> Option<Obj> {
    let header = o.header();
    // SAFETY: C1: the address of a copy.
    (header & 0xff == FORWARDED).then(|| unsafe { Obj::from_address((header >> 8) as usize) })
}
/// Copies an object to `to` and leaves the forwarding address behind.
///
/// # Safety
/// `o.size()` bytes at `to` are the caller's and do not overlap with the object.
#[inline(always)]
pub unsafe fn forward(o: Obj, to: Obj) {
    // SAFETY: by the caller.
    unsafe {
        let (from, words) = (o.address() as *const u64, o.size() / 8);
        std::ptr::copy_nonoverlapping(from, to.address() as *mut u64, words);
    }
    leave_forwarding(o, to);
}
/// Leaves only the forwarding address behind (C1).
#[inline(always)]
pub fn leave_forwarding(o: Obj, to: Obj) {
    o.set_header((to.address() as u64) << 8 | FORWARDED);
}
/// How far ahead of the scan originals are prefetched, bytes.
const AHEAD: usize = 256;

/// Where survivors go.
#[derive(Debug)]
pub struct ToSpace {
    scan: usize,
    cursor: usize,
    end: usize,
    objects: u64,
}

impl ToSpace {
    /// An empty to-space.
    ///
    /// # Safety
    /// The range is free, 8-aligned, and large enough for everything that will be evacuated.
    pub unsafe fn new(start: usize, end: usize) -> ToSpace {
        ToSpace { scan: start, cursor: start, end, objects: 0 }
    }
    /// The end of the copies.
    pub fn cursor(&self) -> usize {
        self.cursor
    }
    /// How many objects were copied.
    pub fn objects(&self) -> u64 {
        self.objects
    }
    /// The new place of an object of from-space, if it has been evacuated.
    pub fn forwarded(&self, o: Obj) -> Option<Obj> {
        forwarded(o)
    }
    /// Copies an object, or finds its copy.
    #[inline]
    pub fn evacuate(&mut self, o: Obj) -> Obj {
        if let Some(copy) = self.forwarded(o) {
            return copy;
        }
        let size = o.size();
        assert!(size <= self.end - self.cursor, "to-space is too small: {o:?} has {size} bytes");
        let to = self.cursor;
        // SAFETY: `size` bytes are free at `to` (C2); they do not overlap with from-space.
        let copy = unsafe {
            let copy = Obj::from_address(to);
            forward(o, copy);
            copy
        };
        self.cursor += size;
        self.objects += 1;
        copy
    }
    /// Evacuates what the words refer to and updates them.
    #[inline]
    pub fn evacuate_all(&mut self, words: &mut [Value]) {
        for word in words {
            if let Some(o) = word.as_object() {
                *word = Value::object(self.evacuate(o));
            }
        }
    }
    /// Evacuates everything that the copies refer to (C2: `scan` meets `cursor`). What lies a
    /// little ahead is prefetched: in the order of copying, the next originals may be anywhere.
    pub fn scan(&mut self) {
        while self.scan < self.cursor {
            // SAFETY: copies lie back to back from the start on.
            let o = unsafe { Obj::from_address(self.scan) };
            for i in 0..o.traced_slots() {
                self.prefetch_ahead(self.scan + 8 * i);
                if let Some(target) = o.slot(i).as_object() {
                    let copy = self.evacuate(target);
                    o.set_slot(i, Value::object(copy));
                }
            }
            self.scan += o.size();
        }
    }
}

impl ToSpace {
    /// Prefetches what the word some way behind `at` refers to. That word may be no value at all: a
    /// wrong address does no harm.
    #[inline(always)]
    fn prefetch_ahead(&self, at: usize) {
        let ahead = at + AHEAD;
        if ahead < self.cursor {
            // SAFETY: an aligned word between the start and the cursor (C2).
            let word = unsafe { *(ahead as *const u64) };
            if word % 8 == OBJECT_BIAS {
                prefetch((word - OBJECT_BIAS) as usize);
            }
        }
    }
}

impl Liveness for ToSpace {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        self.forwarded(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.evacuate(o)
    }
}
