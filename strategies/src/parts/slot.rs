//! The slot for a worker's newest task, which others may steal.
//!
//! Invariants
//! - L1. A task that was put in comes out once: as what the next `put` displaces, or by one `take`.
//! - L2. Everything written before `put` is seen by who gets the task: puts release, takes acquire, and a
//!   swap is both.

use crate::sync::atomic::{AtomicU64, Ordering};

/// No task's word.
const NO_TASK: u64 = 0;

/// A worker's newest task, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Slot(AtomicU64);

impl Slot {
    /// Puts a task in; gives what was there.
    pub fn put(&self, task: u64) -> Option<u64> {
        let displaced = self.0.swap(task, Ordering::AcqRel);
        (displaced != NO_TASK).then_some(displaced)
    }
    /// Takes what is there.
    pub fn take(&self) -> Option<u64> {
        // A look costs a tenth of a swap, and slots are empty more often than not.
        if self.0.load(Ordering::Relaxed) == NO_TASK {
            return None;
        }
        let task = self.0.swap(NO_TASK, Ordering::AcqRel);
        (task != NO_TASK).then_some(task)
    }
    /// Whether there is nothing, at some time during the call.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) == NO_TASK
    }
}
