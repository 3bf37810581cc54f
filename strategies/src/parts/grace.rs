//! Grace periods: when is a reference that was overwritten in a shared slot really gone?
//!
//! A worker reads a slot and counts what it finds there: two steps. Between them another one may
//! overwrite the slot. So who overwrites does not drop the old reference at once, but *retires* it,
//! still counted, until every worker has come to a point where it holds no uncounted references:
//!
//! ```text
//!   reader:   online ── load slot ── increment ──────────── quiescent ──────────
//!   writer:        ── swap slot ── retire: ticket 7 ── announce(7)             ·  over() = 7: decrement
//!                                                       └── grace period ──────┘
//! ```
//!
//! Rules
//! - G1. A worker that holds a reference which no counted word holds is online, and has been since it
//!   read the reference.
//! - G2. Tickets are given out in the order of retiring, under the heap's lock. [`Member::announce`] of a
//!   ticket comes after it was given out.
//! - G3. When [`Grace::over`] reaches a ticket, every worker that was online when the ticket, or one
//!   before it, was announced has been quiescent since. What it did before is visible to who reads
//!   `over`.
//!
//! Why a ticket stands for those before it: whoever was online when an earlier one was retired has
//! been quiescent since, or is still online in the same way when the later one is announced.
//!
//! The grace periods themselves are crossbeam's (epochs after Fraser 2004): a member that is online is
//! pinned, and the announcement is a function deferred under a guard. It only notes the ticket, so it
//! does not matter which thread runs it, or that it never runs when the heap ends first.
//! Departs from crossbeam's usual use in that nothing is freed by it.

use crate::sync::Arc;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use crate::sync::epoch::{Collector, Guard, LocalHandle};

/// The grace periods of a heap.
#[derive(Debug)]
pub struct Grace {
    collector: Collector,
    over: Arc<AtomicU64>,
}

/// A worker, as a member of them.
#[derive(Debug)]
pub struct Member {
    // Before the handle: guards are given back first.
    guard: Option<Guard>,
    handle: LocalHandle,
    over: Arc<AtomicU64>,
}

// SAFETY: a handle is bound to no thread (only the default collector, which is not used here, keeps
// handles in thread-local storage); it and its guard must not be used by two threads at a time, and
// a member has one owner.
unsafe impl Send for Member {}

impl Default for Grace {
    fn default() -> Self {
        Grace { collector: Collector::new(), over: Arc::new(AtomicU64::new(0)) }
    }
}

impl Grace {
    /// A new member, offline.
    pub fn member(&self) -> Member {
        Member { guard: None, handle: self.collector.register(), over: self.over.clone() }
    }
    /// Up to which ticket grace periods are over (G3).
    pub fn over(&self) -> u64 {
        // Acquire: what every worker did before it was quiescent (pairs with the release below).
        self.over.load(Acquire)
    }
}

impl Member {
    /// From now on it may hold uncounted references (G1).
    pub fn online(&mut self) {
        self.guard = Some(self.handle.pin());
    }
    /// It holds none until it is online again.
    pub fn offline(&mut self) {
        self.guard = None;
    }
    /// It holds none at this moment.
    pub fn quiescent(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.repin();
        }
    }
    /// A grace period for everything up to this ticket begins (G2).
    pub fn announce(&self, ticket: u64) {
        let guard = self.handle.pin();
        let over = self.over.clone();
        guard.defer(move || {
            over.fetch_max(ticket, Release);
        });
        // Others shall hear of it now, not when this thread has deferred many more.
        guard.flush();
    }
    /// Lets grace periods end that can: what `announce` does besides, for those with nothing to
    /// announce.
    pub fn advance(&self) {
        self.handle.pin().flush();
    }
}
