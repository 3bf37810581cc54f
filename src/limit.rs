//! The limit word: how one compare per call and back-edge is preemption, step limit and stop request
//! at once (E4).
//!
//! A slice counts its reductions and looks at the word at every poll; it leaves fast code when it has
//! counted more than the word says. Whoever writes the word holds the gate, but for L3.
//!
//! ```text
//!               start(q)        request, by another worker             end
//!   no slice ───────────► q ──────────────────────────────► 0      q ──────► 0, for good
//!                         ▲                                 │
//!                         └───────────── resume ────────────┘
//! ```
//!
//! Rules
//! - L1. `request` makes a worker in fast code leave it at its next poll (then G3 holds); `resume` takes
//!   that back, and the slice goes on as if nothing had happened.
//! - L2. `end` is for good: nobody's `resume` takes it back, only the next slice's `start`. So the end of
//!   a program, and a slice that is to give way, outlast a collection by another worker.
//!
//! - L3. A task dump is asked for from outside, without the gate ([`crate::vm::Dumps`]): a `request` that
//!   may come at any time, be overwritten, or have no reason. A slice that is asked to stop therefore
//!   calls `resume` itself once it has the gate, and ends only if the word still says so.
//!
//! The word is read without any order: what a slice must see, it sees by taking the gate.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The limit of a worker's slice.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Limit {
    /// What polls look at: `quantum`, or 0 while the slice is asked to stop.
    word: AtomicU64,
    /// What was given to the slice; 0 once it is to end. Read and written with the gate held.
    quantum: AtomicU64,
}

impl Limit {
    /// Whether a slice that has counted this many reductions must leave fast code.
    #[inline(always)]
    pub fn reached(&self, reductions: u64) -> bool {
        reductions > self.word.load(Relaxed)
    }
    /// A slice begins: it may take `quantum` reductions.
    pub fn start(&self, quantum: u64) {
        self.quantum.store(quantum, Relaxed);
        self.word.store(quantum, Relaxed);
    }
    /// The slice leaves fast code at its next poll (L1).
    pub fn request(&self) {
        self.word.store(0, Relaxed);
    }
    /// Takes `request` back.
    pub fn resume(&self) {
        self.word.store(self.quantum.load(Relaxed), Relaxed);
    }
    /// The slice ends at its next poll (L2).
    pub fn end(&self) {
        self.quantum.store(0, Relaxed);
        self.word.store(0, Relaxed);
    }
}
