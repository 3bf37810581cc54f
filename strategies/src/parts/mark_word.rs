//! Setting a mark in a word that holds other objects' marks, while other threads do the same.
//!
//! Invariants
//! - W1. A mark that was set stays, whatever is done to its neighbours.
//! - W2. Of the threads that mark an object, exactly one is told that it came first: that one scans it.
//!
//! Relaxed order is enough: objects were written before the threads that mark were woken, and nobody
//! writes to them meanwhile; an object that is found goes from thread to thread through a lock.

use crate::sync::words::{AtomicU64, Ordering::Relaxed};

/// Sets a bit; whether it was clear.
#[inline(always)]
pub fn set(word: &AtomicU64, bit: u64) -> bool {
    // Most references lead to what is marked already: looking first leaves the line to all who read it.
    word.load(Relaxed) & bit == 0 && word.fetch_or(bit, Relaxed) & bit == 0
}
