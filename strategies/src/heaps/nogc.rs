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
//! - I1. With one mutator objects lie back to back from the start to the cursor; with several, each
//!   fills chunks of its own, and only ends of chunks stay empty.
//! - I2. The cursor never passes the limit: with one mutator exactly `limit_bytes` bytes of objects fit.
//!
//! Phases: none. Events: collections that do nothing.
//! Costs: allocation = one compare and the header store; `load`, `store` = one move.
//! Source: Epsilon (JEP 318). Bump arenas such as bumpalo chain chunks instead; one range needs no
//! chunk policy, wastes no chunk ends and takes large pages where the system has them.
//! What it does not do: run finalizers, clear weak references, reuse anything.

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Roots,
    Safepoint, SharedHeap, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::sync::{ManyThreads, OneThread, Shared, Sharing};
use menagerie::value::Value;

use crate::parts::bump::Bump;
use crate::parts::memory::{Pages, Reservation};

/// What a mutator takes at a time when there are several, bytes.
const CHUNK: usize = 256 << 10;

/// What its mutators share.
#[derive(Debug)]
pub struct Space {
    memory: Reservation,
    limit_bytes: usize,
    /// Where no mutator has been yet.
    cursor: usize,
    end: usize,
    /// Ends of chunks that nothing fitted into.
    wasted_bytes: usize,
    collections: u64,
}

impl Space {
    fn used_bytes(&self) -> usize {
        self.cursor - self.memory.start() - self.wasted_bytes
    }
    /// Memory for at least one object of `size` bytes; with one mutator, all there is.
    fn chunk(&mut self, size: usize, parallel: bool) -> Option<Bump> {
        let left = self.end - self.cursor;
        let bytes = if parallel { CHUNK.max(size).min(left) } else { left };
        if size > bytes {
            return None;
        }
        let start = self.cursor;
        self.cursor += bytes;
        // SAFETY: the range is ours, and the cursor has passed it.
        Some(unsafe { Bump::new(start, start + bytes) })
    }
    fn give_back(&mut self, rest: Bump) {
        if rest.limit() == self.cursor {
            self.cursor = rest.cursor();
        } else {
            self.wasted_bytes += rest.left();
        }
    }
}

/// Never frees.
#[derive(Debug)]
pub struct NoGc<L: Sharing = OneThread>(L::Cell<Space>);

/// Its mutator: the cursor.
#[derive(Debug)]
pub struct NoGcMutator<L: Sharing = OneThread> {
    bump: Bump,
    space: L::Cell<Space>,
}

// SAFETY: objects come from disjoint `Bump`s over a range that lives as long as the heap and its
// mutators; nothing is freed or moved.
unsafe impl<L: Sharing> Heap for NoGc<L> {
    type Mutator = NoGcMutator<L>;
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
        let (cursor, end) = (memory.start(), (memory.start() + limit_bytes) & !7);
        let space = Space { memory, limit_bytes, cursor, end, wasted_bytes: 0, collections: 0 };
        Ok(NoGc(Shared::new(space)))
    }
    fn mutator(&self) -> NoGcMutator<L> {
        assert!(L::PARALLEL || self.0.holders() == 1, "one worker, one mutator");
        NoGcMutator { bump: Bump::EMPTY, space: self.0.clone() }
    }
    fn collect(&self, _: &mut dyn Roots, _: Cause) -> Collection {
        self.0.lock().collections += 1;
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
        let space = self.0.lock();
        let used_bytes = space.used_bytes();
        Usage {
            limit_bytes: space.limit_bytes,
            reserved_bytes: used_bytes,
            used_bytes,
            live_bytes: used_bytes,
            allocated_bytes: used_bytes as u64,
            collections: space.collections,
        }
    }
}

// SAFETY: mutators own disjoint chunks; what they share is behind a lock.
unsafe impl SharedHeap for NoGc<ManyThreads> {}

// SAFETY: as the heap.
unsafe impl<L: Sharing> Mutator for NoGcMutator<L> {
    const PARALLEL: bool = L::PARALLEL;
    const PLAIN_LOADS: bool = true;

    #[inline(always)]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.bump.alloc(layout)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, _: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.flush();
        let chunk = self.space.lock().chunk(layout.size(), L::PARALLEL);
        self.bump = chunk.ok_or(Oom)?;
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
        if L::PARALLEL { o.publish_slot(i, v) } else { o.set_slot(i, v) }
    }
    fn flush(&mut self) {
        let rest = std::mem::replace(&mut self.bump, Bump::EMPTY);
        if rest.limit() != 0 {
            self.space.lock().give_back(rest);
        }
    }
}

impl<L: Sharing> Drop for NoGcMutator<L> {
    fn drop(&mut self) {
        self.flush();
    }
}
