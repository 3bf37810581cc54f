//! `Stress`: collects at every n-th allocation, and lets the n-th allocation fail.
//!
//! The collection goes through the safepoint ([`Cause::Stress`]), so that wrappers outside see it.
//! With n = 1 every allocation collects: whatever is not a root is stale at once.
//!
//! Invariants
//! - X1. Allocations are numbered from 1, over all mutators, in the order in which they end,
//!   whether they succeed or not. A `try_alloc` that answers `None` has not ended: the caller goes
//!   on to `alloc_slow` with the same number.
//! - X2. With both options off the wrapper only counts allocations.
//!
//! Several mutators may see the same number at the same time; then both act on it.
//!
//! A failure is injected without the last collection that H4 asks for: it stands for a heap that
//! was full anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::heap::*;
use crate::object::{Obj, ObjectLayout};
use crate::value::Value;

#[derive(Debug)]
struct Plan {
    every: Option<u64>,
    fail_nth: Option<u64>,
    /// Added to the allocation's number before it is divided by `every`.
    shift: u64,
    /// Allocations that have ended (X1).
    allocations: AtomicU64,
}

/// What happens at an allocation.
enum Turn {
    Plain,
    Collect,
    Fail,
}

impl Plan {
    fn new(options: &CheckOptions) -> Result<Plan, HeapError> {
        if options.stress == Some(0) || options.fail_nth == Some(0) {
            return Err(HeapError("allocations are numbered from 1: 0 names none".into()));
        }
        Ok(Plan {
            every: options.stress,
            fail_nth: options.fail_nth,
            shift: options.stress.map_or(0, |n| options.seed % n),
            allocations: AtomicU64::new(0),
        })
    }
    #[inline]
    fn turn(&self) -> Turn {
        let number = self.allocations.load(Relaxed) + 1;
        if self.fail_nth == Some(number) {
            Turn::Fail
        } else if self.every.is_some_and(|n| (number + self.shift).is_multiple_of(n)) {
            Turn::Collect
        } else {
            Turn::Plain
        }
    }
    #[inline]
    fn end(&self) {
        self.allocations.fetch_add(1, Relaxed);
    }
}

/// A heap that collects, or fails, on purpose.
#[derive(Debug)]
pub struct Stress<H> {
    inner: H,
    plan: Arc<Plan>,
}

/// Its mutator.
#[derive(Debug)]
pub struct StressMutator<M> {
    inner: M,
    plan: Arc<Plan>,
}

// SAFETY: everything is the wrapped heap's work.
unsafe impl<H: Heap> Heap for Stress<H> {
    type Mutator = StressMutator<H::Mutator>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let plan = Arc::new(Plan::new(&config.checks)?);
        Ok(Stress { inner: H::new(config)?, plan })
    }
    fn mutator(&self) -> Self::Mutator {
        StressMutator { inner: self.inner.mutator(), plan: self.plan.clone() }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.inner.collect(roots, why)
    }
    fn usage(&self) -> Usage {
        self.inner.usage()
    }
    fn info(&self) -> HeapInfo {
        self.inner.info()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.inner.counters()
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        self.inner.reference_count(o)
    }
}

// SAFETY: the wrapped heap is shared, and what the wrapper adds is atomic or behind a lock.
unsafe impl<H: SharedHeap> SharedHeap for Stress<H> {}

impl<M: Mutator> StressMutator<M> {
    #[inline]
    fn attempt(&mut self, alloc: impl FnOnce(&mut M) -> Option<Obj>) -> Option<Obj> {
        let Turn::Plain = self.plan.turn() else { return None };
        let o = alloc(&mut self.inner)?;
        self.plan.end();
        Some(o)
    }
    /// What the number of this allocation asks for; whether that was a collection.
    fn turn_at(&mut self, at: &mut Safepoint<'_>) -> Result<bool, Oom> {
        let turn = self.plan.turn();
        self.plan.end();
        match turn {
            Turn::Plain => Ok(false),
            Turn::Fail => Err(Oom),
            Turn::Collect => {
                self.inner.flush();
                at.collect(Cause::Stress);
                Ok(true)
            }
        }
    }
}

// SAFETY: as the wrapped mutator; the extra collection is inside of `alloc_slow`, where H1 allows
// it, and after a flush.
unsafe impl<M: Mutator> Mutator for StressMutator<M> {
    const COUNTS: bool = M::COUNTS;
    const PARALLEL: bool = M::PARALLEL;
    const PLAIN_LOADS: bool = M::PLAIN_LOADS;
    const INLINE: bool = false;
    const REGIONS: bool = M::REGIONS;
    const FRAMES: bool = M::FRAMES;

    #[inline]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.attempt(|inner| inner.try_alloc(layout))
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        if self.turn_at(at)?
            && let Some(o) = self.inner.try_alloc(layout)
        {
            return Ok(o);
        }
        self.inner.alloc_slow(layout, at)
    }
    #[inline]
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.attempt(|inner| inner.try_alloc_local(layout))
    }
    #[cold]
    fn alloc_local_slow(
        &mut self,
        layout: ObjectLayout,
        at: &mut Safepoint<'_>,
    ) -> Result<Obj, Oom> {
        if self.turn_at(at)?
            && let Some(o) = self.inner.try_alloc_local(layout)
        {
            return Ok(o);
        }
        self.inner.alloc_local_slow(layout, at)
    }
    super::forward_access!(inner);
}
