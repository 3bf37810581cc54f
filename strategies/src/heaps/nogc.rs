//! `nogc`: bump allocation, nothing is ever freed: the floor of every comparison.
//!
//! The limit's worth of addresses is reserved at once (untouched pages cost nothing) and the mutator
//! bumps a cursor from its start to its end. A "collection" does nothing, so the program ends with
//! OutOfMemory when the limit is reached.
//!
//! ```text
//!   reservation  [ooooooooooooooooooooooooooo│                        ]
//!                start                       cursor                   start + limit
//! ```
//!
//! Invariants
//! - I1. Objects lie back to back from the start to the cursor.
//! - I2. The cursor never passes the limit: exactly `limit_bytes` bytes of objects fit.
//!
//! Phases: none. Events: collections that do nothing.
//! Costs: allocation = one compare and the header store; `load`, `store` = one move.
//! Source: Epsilon (JEP 318). Bump arenas such as bumpalo chain chunks instead; one range needs no
//! chunk policy, wastes no chunk ends and takes large pages where the system has them.
//! What it does not do: run finalizers, clear weak references, reuse anything.

use std::cell::Cell;
use std::rc::Rc;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Roots,
    Safepoint, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;

use crate::parts::bump::Bump;
use crate::parts::memory::{Pages, Reservation};

#[derive(Debug)]
struct Space {
    memory: Reservation,
    limit_bytes: usize,
    /// The buffer as the mutator gave it back.
    rest: Cell<Bump>,
    collections: Cell<u64>,
}

/// Never frees.
#[derive(Debug)]
pub struct NoGc(Rc<Space>);

/// Its mutator: the cursor.
#[derive(Debug)]
pub struct NoGcMutator {
    bump: Bump,
    space: Rc<Space>,
}

// SAFETY: objects come from one `Bump` over a range that lives as long as the heap and its mutator;
// nothing is freed or moved.
unsafe impl Heap for NoGc {
    type Mutator = NoGcMutator;
    const INFO: HeapInfo = HeapInfo {
        name: "nogc",
        summary: "bump allocation, never frees: the floor of every comparison",
        moves: false,
        collects: false,
        prefix_words: 0,
        barrier: Barrier::None,
        parameters: &[],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let limit_bytes = config.limit_bytes;
        let memory = Reservation::new(limit_bytes, Pages::Large).ok_or_else(|| {
            HeapError(format!("the system refuses to reserve {limit_bytes} bytes: lower the limit"))
        })?;
        let (start, end) = (memory.start(), (memory.start() + limit_bytes) & !7);
        // SAFETY: the range is ours and nobody else has a buffer over it.
        let rest = Cell::new(unsafe { Bump::new(start, end) });
        Ok(NoGc(Rc::new(Space { memory, limit_bytes, rest, collections: Cell::new(0) })))
    }
    fn mutator(&self) -> NoGcMutator {
        assert_eq!(Rc::strong_count(&self.0), 1, "one worker, one mutator");
        NoGcMutator { bump: self.0.rest.get(), space: self.0.clone() }
    }
    fn collect(&self, _: &mut dyn Roots, _: Cause) -> Collection {
        self.0.collections.set(self.0.collections.get() + 1);
        let used = self.usage().used_bytes;
        Collection {
            before_bytes: used,
            after_bytes: used,
            traced_objects: 0,
            copied_bytes: 0,
            phases: Vec::new(),
            minor: false,
        }
    }
    fn usage(&self) -> Usage {
        let used_bytes = self.0.rest.get().cursor() - self.0.memory.start();
        Usage {
            limit_bytes: self.0.limit_bytes,
            reserved_bytes: used_bytes,
            used_bytes,
            live_bytes: used_bytes,
            allocated_bytes: used_bytes as u64,
            collections: self.0.collections.get(),
        }
    }
}

// SAFETY: as the heap.
unsafe impl Mutator for NoGcMutator {
    #[inline(always)]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.bump.alloc(layout)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, _: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.bump.alloc(layout).ok_or(Oom)
    }
    #[inline(always)]
    fn load(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    #[inline(always)]
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    #[inline(always)]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    #[inline(always)]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    fn flush(&mut self) {
        self.space.rest.set(self.bump);
    }
}

impl Drop for NoGcMutator {
    fn drop(&mut self) {
        self.flush();
    }
}
