//! `work-sharing`: several workers over one queue, first in, first out.
//!
//! The same type as [`green`](super::green) with more than one worker: what the two differ in is the
//! number of threads alone, so a comparison of them shows what parallelism gives, and what the one
//! queue costs.
//!
//! ```text
//!                                             ┌──► worker 0
//!   push ──► [ t9 t4 t7 … t2 ] ── lock ── next┼──► worker 1
//!                                             └──► worker 2
//! ```
//!
//! Invariants
//! - I1. As `green`: the queue is the same, behind a lock.
//!
//! Events: as `green`.
//! Costs: every push and next takes the lock of the queue.
//! Source: Eager, Lazowska, Zahorjan 1986 for the comparison with stealing.
//! What it does not do: keep a task where it ran last.

use menagerie::sync::ManyThreads;

use super::green::Fifo;

/// Workers over one queue.
pub type WorkSharing = Fifo<ManyThreads>;
