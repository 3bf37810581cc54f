//! `nogc`: bump allocation, nothing is ever freed: the floor of every comparison.
//!
//! Memory comes in chunks that double from 64 KiB up to 4 MiB (larger ones for larger objects); the
//! mutator bumps a cursor through the current chunk. A "collection" does nothing, so the program
//! ends with OutOfMemory when the limit is reached. (Epsilon, JEP 318.)
//!
//! ```text
//!   chunk 0             chunk 1                           chunk 2 (current)
//!  [oooooooooooooo.]   [ooooooooooooooooooooooooooooo.]  [oooooooo│            ]
//!                                                                 cursor       limit
//! ```
//!
//! Invariants
//! - I1. Objects lie back to back from each chunk's start; only the current chunk has room.
//! - I2. The sum of the chunks is what the budget was charged, at most the limit.
//!
//! Phases: none. Events: collections that do nothing.
//! Costs: allocation = one compare and the header store; `load`, `store` = one move.
//! Departs from bumpalo's arena (whose chunk policy it follows) in that the cursor lives in the
//! mutator, one load away from the interpreter. It does not run finalizers or clear weak references.

use std::cell::RefCell;
use std::rc::Rc;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Roots,
    Safepoint, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;

use crate::parts::bump::Bump;
use crate::parts::memory::{Block, Budget};

const FIRST_CHUNK: usize = 64 << 10;
const LARGEST_CHUNK: usize = 4 << 20;

/// The shared part.
#[derive(Debug)]
struct Space {
    budget: Budget,
    chunks: RefCell<Vec<Block>>,
    /// Bytes in chunks that are no longer current.
    full_bytes: RefCell<usize>,
    current: RefCell<Bump>,
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

impl Space {
    /// A chunk with room for `size` bytes: doubling, smaller when the budget runs out.
    fn chunk(&self, size: usize) -> Option<Bump> {
        let mut chunks = self.chunks.borrow_mut();
        let wanted = (FIRST_CHUNK << chunks.len().min(6)).min(LARGEST_CHUNK).max(size);
        let bytes = wanted.min(self.budget.left() & !15).max(size);
        let block = Block::new(&self.budget, bytes)?;
        // SAFETY: the block is new and kept in `chunks` for as long as the heap lives.
        let bump = unsafe { Bump::new(block.start(), block.end() & !7) };
        chunks.push(block);
        Some(bump)
    }
}

// SAFETY: objects come from `Bump`s over disjoint blocks that live as long as the heap; nothing is
// freed or moved.
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
        Ok(NoGc(Rc::new(Space {
            budget: Budget::new(config.limit_bytes),
            chunks: RefCell::default(),
            full_bytes: RefCell::new(0),
            current: RefCell::new(Bump::EMPTY),
        })))
    }
    fn mutator(&self) -> NoGcMutator {
        NoGcMutator { bump: Bump::EMPTY, space: self.0.clone() }
    }
    fn collect(&self, _: &mut dyn Roots, _: Cause) -> Collection {
        let used = self.usage().used_bytes;
        Collection {
            before_bytes: used,
            after_bytes: used,
            traced_objects: 0,
            copied_bytes: 0,
            phases: Vec::new(),
        }
    }
    fn usage(&self) -> Usage {
        let chunks = self.0.chunks.borrow();
        let current = *self.0.current.borrow();
        let in_current = chunks.last().map_or(0, |c| current.cursor().saturating_sub(c.start()));
        let used_bytes = *self.0.full_bytes.borrow() + in_current;
        Usage {
            limit_bytes: self.0.budget.limit(),
            reserved_bytes: self.0.budget.taken(),
            used_bytes,
            live_bytes: used_bytes,
            allocated_bytes: used_bytes as u64,
            ..Usage::default()
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
        let chunk = self.space.chunk(layout.size()).ok_or(Oom)?;
        let left_start = self.space.chunks.borrow().iter().rev().nth(1).map(Block::start);
        if let Some(start) = left_start {
            *self.space.full_bytes.borrow_mut() += self.bump.cursor() - start;
        }
        self.bump = chunk;
        self.flush();
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
        *self.space.current.borrow_mut() = self.bump;
    }
}
