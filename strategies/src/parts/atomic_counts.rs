//! Counting references from several threads: what happens to a count, one atomic step at a time.
//!
//! ```text
//!                 increment                      decrement
//!   [count n] ──────────────► [n + 1] ──────────────────────────► [n]
//!                                        n = 0: the *last* one; who took it owns the object
//! ```
//!
//! Rules
//! - A1. Who increments holds a reference already: a counted word of its own, or one that a grace
//!   period protects (`grace.rs`). So a count that is zero stays zero, for everyone but the worker
//!   that made it so.
//! - A2. A decrement releases what its worker did with the object, and the last one acquires what all
//!   others did: to free it, or to give its memory a new use, comes after every use.
//! - A3. Exactly one decrement is the last. From then on the object belongs to the worker that did it.
//! - A4. Whoever drops a reference that is not the last may have dropped the last way into a cycle.
//!   It says so (`candidate`) *before* it gives its reference up: afterwards the object may be gone.
//!   So the last one finds the mark, and leaves the memory of an object that is in a list alone.
//! - A5. A weak reference is no reference: it becomes one by [`AtomicCount::increment_unless_zero`].
//!
//! Why a decrement may look at the count before (A4): it wants to know whether others are left. If it
//! reads 1 it holds the only counted reference, so no slot refers to the object, none of its own
//! either. If it reads more, the mark is at worst set in vain.
//!
//! Source: the orders of Boost's and `std`'s `Arc`; candidates as in Bacon, Rajan 2001, but marked
//! while the object is still held.

use crate::sync::words::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// A count that several threads change.
#[repr(transparent)]
#[derive(Debug)]
pub struct AtomicCount(AtomicU64);

/// What giving up a reference has brought about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Released {
    /// It was the last one (A3).
    pub last: bool,
    /// This call has marked the object as a candidate: it belongs in a list.
    pub candidate: bool,
}

impl AtomicCount {
    /// A count.
    pub fn new(count: u64) -> AtomicCount {
        AtomicCount(AtomicU64::new(count))
    }
    /// How many references are counted.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
    /// One more (A1).
    #[inline(always)]
    pub fn increment(&self) {
        // Nothing to order: the reference that the caller holds came with all that is needed.
        self.0.fetch_add(1, Relaxed);
    }
    /// One more, unless the object is dead (A5).
    pub fn increment_unless_zero(&self) -> bool {
        let more = |count: u64| (count != 0).then_some(count + 1);
        self.0.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
    /// One less; whether it was the last.
    #[inline(always)]
    pub fn decrement(&self) -> bool {
        // Release, with the fence: A2.
        let before = self.0.fetch_sub(1, Release);
        debug_assert!(before != 0, "a reference was dropped twice");
        if before == 1 {
            fence(Acquire);
        }
        before == 1
    }
    /// Gives up a reference to an object that could be part of a cycle; `candidate` is its mark in
    /// the word of flags (A4).
    #[inline(always)]
    pub fn release(&self, flags: &AtomicU64, candidate: u64) -> Released {
        let marks = self.get() > 1 && flags.load(Relaxed) & candidate == 0;
        // Of several that mark it at once, one has done it.
        let candidate = marks && flags.fetch_or(candidate, Relaxed) & candidate == 0;
        Released { last: self.decrement(), candidate }
    }
}
