//! `Stress<H>`: collects at every n-th allocation, fails a chosen one.
//!
//! While it is active every allocation takes the slow path, so that the count is exact.

use crate::heap::{
    Cause, CheckOptions, Collection, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Region,
    Roots, Safepoint, Usage,
};
use crate::object::{Obj, ObjectLayout};
use crate::value::Value;

/// A heap under stress.
#[derive(Debug)]
pub struct Stress<H> {
    inner: H,
    options: CheckOptions,
}

/// Its mutator.
#[derive(Debug)]
pub struct StressMutator<M> {
    inner: M,
    every: Option<u64>,
    fail_nth: Option<u64>,
    allocations: u64,
}

// SAFETY: objects are the wrapped heap's.
unsafe impl<H: Heap> Heap for Stress<H> {
    type Mutator = StressMutator<H::Mutator>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        Ok(Stress { inner: H::new(config)?, options: config.checks })
    }
    fn mutator(&self) -> Self::Mutator {
        StressMutator {
            inner: self.inner.mutator(),
            every: self.options.stress,
            fail_nth: self.options.fail_nth,
            allocations: 0,
        }
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
}

// SAFETY: as the heap.
unsafe impl<M: Mutator> Mutator for StressMutator<M> {
    const COUNTS: bool = M::COUNTS;

    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        if self.every.is_some() || self.fail_nth.is_some() {
            return None;
        }
        self.inner.try_alloc(layout)
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.allocations += 1;
        if self.fail_nth == Some(self.allocations) {
            return Err(Oom);
        }
        if self.every.is_some_and(|n| self.allocations.is_multiple_of(n)) {
            self.inner.flush();
            at.collect(Cause::Stress);
        }
        match self.inner.try_alloc(layout) {
            Some(o) => Ok(o),
            None => self.inner.alloc_slow(layout, at),
        }
    }
    super::forward_access!(inner);
}
