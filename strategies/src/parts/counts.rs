//! What every counted object carries: the count in its prefix word, flags in its header's gc byte.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use menagerie::object::{Obj, ObjectKind};

use super::atomic_counts::{AtomicCount, Released};
use super::memory::{Pages, Reservation};

/// It is in a list of the dead.
pub const LISTED: u8 = 1;
/// It is in a list of candidates: possible roots of a garbage cycle ("purple").
pub const CANDIDATE: u8 = 2;
/// Trial deletion has subtracted the references it holds.
pub const GRAY: u8 = 4;
/// Nothing outside of what was visited refers to it.
pub const WHITE: u8 = 8;
/// Both colour bits: part of a garbage cycle, about to be freed.
pub const GARBAGE: u8 = GRAY | WHITE;
/// A weak reference points at it.
pub const WEAK: u8 = 16;
/// It has a finalizer.
pub const FINALIZER: u8 = 32;
/// Its count is zero and its death has been noticed; the memory is still needed.
pub const DEAD: u8 = 64;
/// It is in limbo: the world is to be told of its death.
pub const LIMBO: u8 = 128;

/// Kinds from here on have no traced slots.
const FIRST_UNTRACED: u8 = ObjectKind::Weak as u8;
const _: () = assert!(!ObjectKind::Weak.is_traced() && ObjectKind::Waiter.is_traced());

#[inline(always)]
fn word(o: Obj) -> &'static AtomicU64 {
    // SAFETY: counted objects have one prefix word (`HeapInfo::prefix_words`), and live as long as
    // the reference is used (O1).
    unsafe { &*((o.address() - 8) as *const AtomicU64) }
}
/// How many references there are.
#[inline(always)]
pub fn count(o: Obj) -> u64 {
    word(o).load(Relaxed)
}
/// Sets the count.
#[inline(always)]
pub fn set_count(o: Obj, count: u64) {
    word(o).store(count, Relaxed);
}
/// One more.
#[inline(always)]
pub fn increment(o: Obj) {
    set_count(o, count(o) + 1);
}
/// One less; how many are left.
#[inline(always)]
pub fn decrement(o: Obj) -> u64 {
    let left = count(o).wrapping_sub(1);
    debug_assert!(left != u64::MAX, "a reference to {o:?} was dropped twice");
    set_count(o, left);
    left
}

// ---- beside other threads (atomic_counts.rs has the rules) ----

#[inline(always)]
fn shared(o: Obj) -> &'static AtomicCount {
    // SAFETY: as `word`; an `AtomicCount` is an atomic word.
    unsafe { &*((o.address() - 8) as *const AtomicCount) }
}
/// Where the gc byte lies in the header word.
const fn in_header(flags: u8) -> u64 {
    (flags as u64) << 8
}
/// One more (A1).
#[inline(always)]
pub fn increment_shared(o: Obj) {
    shared(o).increment();
}
/// One more, unless the object is dead (A5).
pub fn increment_unless_dead(o: Obj) -> bool {
    shared(o).increment_unless_zero()
}
/// One less. `cycles`: whether possible roots of garbage cycles are looked for.
#[inline(always)]
pub fn release_shared(o: Obj, cycles: bool) -> Released {
    if cycles && may_be_cyclic(o) {
        shared(o).release(o.header_atomic(), in_header(CANDIDATE))
    } else {
        Released { last: shared(o).decrement(), candidate: false }
    }
}
/// Sets flags.
pub fn add_shared(o: Obj, flags: u8) {
    o.header_atomic().fetch_or(in_header(flags), Relaxed);
}
/// Clears flags.
pub fn remove_shared(o: Obj, flags: u8) {
    o.header_atomic().fetch_and(!in_header(flags), Relaxed);
}

// ---- flags ----

/// Whether any of these flags is set.
#[inline(always)]
pub fn has(o: Obj, flags: u8) -> bool {
    o.gc_byte() & flags != 0
}
/// Sets flags.
#[inline(always)]
pub fn add(o: Obj, flags: u8) {
    o.set_gc_byte(o.gc_byte() | flags);
}
/// Clears flags.
#[inline(always)]
pub fn remove(o: Obj, flags: u8) {
    o.set_gc_byte(o.gc_byte() & !flags);
}
/// Whether an object could be part of a cycle: those without traced slots are not ("green").
#[inline(always)]
pub fn may_be_cyclic(o: Obj) -> bool {
    let kind = o.header() as u8;
    kind < FIRST_UNTRACED && kind != ObjectKind::Range as u8
}

/// A list of objects that pushing to is no call: the fast path of a counting heap. Its addresses are
/// reserved for as many objects as its owner ever puts into it.
#[derive(Debug)]
pub struct ObjectList {
    memory: Reservation,
    len: usize,
}

impl ObjectList {
    /// For a heap of `limit` bytes, whose objects take at least 16 and are in the list at most once
    /// each (a flag says so); `None` when the system refuses.
    pub fn new(limit: usize) -> Option<ObjectList> {
        Self::with_room(limit / 16 + 1)
    }
    /// For so many objects.
    pub fn with_room(count: usize) -> Option<ObjectList> {
        let memory = Reservation::new(count * size_of::<Obj>(), Pages::Small)?;
        Some(ObjectList { memory, len: 0 })
    }
    /// Whether there is nothing in it.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// How many objects are in it.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }
    /// Adds an object. There is room, by the owner's invariant.
    #[inline(always)]
    pub fn push(&mut self, o: Obj) {
        debug_assert!((self.len + 1) * size_of::<Obj>() <= self.memory.bytes());
        // SAFETY: there is room.
        unsafe { *(self.memory.start() as *mut Obj).add(self.len) = o };
        self.len += 1;
    }
    /// Moves everything to `to`.
    pub fn move_to(&mut self, to: &mut Vec<Obj>) {
        // SAFETY: `len` objects were pushed.
        let all =
            unsafe { std::slice::from_raw_parts(self.memory.start() as *const Obj, self.len) };
        to.extend_from_slice(all);
        self.len = 0;
    }
}
