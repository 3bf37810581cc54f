//! `arc`: reference counting for several workers.
//!
//! It is rc.rs over [`ManyThreads`]: counts are atomic, slots are overwritten by a swap, and what a
//! shared slot held is dropped after a grace period, because another worker may have read it and be
//! about to count it. Under a parallel scheduler `rc` becomes this heap.
//!
//! ```text
//!   worker 1   v = slot ───────────────────── count(v) += 1
//!   worker 2            slot = w, v ─► overwritten ─► batch ─► all workers were quiescent ─► drop(v)
//! ```
//!
//! Invariants: those of rc.rs, of which I5 to I9 are about this heap alone. In one sentence:
//! - I1. While any worker can still come to an object, its count is not zero; so a count that is zero
//!   is final, and what dies belongs to the worker by whose hand it died.
//!
//! Costs: rc.rs's, with locked instructions for the counts, and one for each store to a slot. Deaths and
//! overwritten references are dealt with in batches, under the heap's lock.
//! Source: as rc.rs; grace periods after Fraser 2004 (crossbeam-epoch).
//! It does not bias counts towards a worker, and keeps what a slot held for a moment longer than `rc`.

use menagerie::sync::ManyThreads;

use super::rc::Rc;

/// Counts references from several workers.
pub type Arc = Rc<ManyThreads>;
