//! `semispace`: Cheney's copying collector.
//!
//! Objects are bumped into one half. When it is full, everything reachable is copied to the other
//! half, breadth first, with the copies themselves as the queue: no mark stack, no recursion. What
//! stays behind is garbage and costs nothing.
//!
//! ```text
//!  from-space  [ooooooooooooooooooo]      each header of a copied object now holds its new address
//!                      │ evacuate
//!                      ▼
//!  to-space    [done│to scan│              ]
//!                   scan    cursor         limit
//! ```
//!
//! Invariants
//! - I1. Between collections objects lie back to back from the start of the active half to the
//!   cursor; the other half is empty.
//! - I2. During a collection everything below `scan` in to-space refers to to-space only.
//! - I3. `half × 2 <= limit`: there is always room to copy everything. Halves are reserved once, as
//!   large as the limit allows (untouched pages cost nothing); the sizer's soft limit says how much
//!   of the active half is used, and twice that counts as reserved.
//!
//! Phases: copy (roots, then Cheney's scan), weak. Events: the driver's, with these phases.
//! Costs: allocation = one compare and the header store; `load`, `store` = one move; a collection
//! is proportional to what lives. Moves everything at every collection.
//! Source: Cheney 1970. Large objects are copied like all others; that is what the strategy costs.

use std::cell::RefCell;
use std::rc::Rc;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Roots,
    Safepoint, Sizer, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;

use crate::parts::bump::Bump;
use crate::parts::copy::ToSpace;
use crate::parts::memory::{Block, Budget};
use crate::parts::phases::Phases;

const MINIMUM_HALF: usize = 4 << 10;

#[derive(Debug)]
struct State {
    budget: Budget,
    sizer: Sizer,
    poison: bool,
    halves: [Block; 2],
    active: usize,
    /// The mutator's flushed cursor, and the soft limit.
    bump: Bump,
    live_bytes: usize,
    /// Allocated up to the last collection.
    allocated_before: u64,
    collections: u64,
}

/// Copies what lives.
#[derive(Debug)]
pub struct SemiSpace(Rc<RefCell<State>>);

/// Its mutator: the cursor.
#[derive(Debug)]
pub struct SemiSpaceMutator {
    bump: Bump,
    state: Rc<RefCell<State>>,
}

impl State {
    fn start(&self) -> usize {
        self.halves[self.active].start()
    }
    fn half(&self) -> usize {
        self.halves[0].bytes()
    }
    fn used(&self) -> usize {
        self.bump.cursor() - self.start()
    }
    fn soft_limit(&self) -> usize {
        self.bump.limit() - self.start()
    }
    /// Sets the soft limit so that at least `wanted` bytes are free, if the half has them.
    fn set_soft_limit(&mut self, wanted: usize) {
        let cursor = self.bump.cursor();
        let used = cursor - self.start();
        let allowance = self.sizer.allowance(used, self.half()).max(wanted);
        let limit = (used + allowance).max(MINIMUM_HALF).min(self.half()) & !7;
        // SAFETY: the rest of the active half belongs to this heap's only buffer (I1).
        self.bump = unsafe { Bump::new(cursor, self.start() + limit) };
    }
    fn collect(&mut self, roots: &mut dyn Roots) -> Collection {
        let mut phases = Phases::start();
        let before = self.used();
        let to = &self.halves[1 - self.active];
        // SAFETY: the other half is empty (I1) and as large as the active one (I3).
        let mut space = unsafe { ToSpace::new(to.start(), to.end()) };
        roots.slices(&mut |slice, _| space.evacuate_all(slice));
        space.scan();
        phases.end("copy");
        while roots.weak(&mut space) {
            space.scan();
        }
        phases.end("weak");
        let (start, end) = (self.start(), self.bump.cursor());
        if self.poison {
            self.halves[self.active].poison(start, end);
        }
        self.active = 1 - self.active;
        self.allocated_before += (before - self.live_bytes) as u64;
        self.live_bytes = space.cursor() - self.start();
        self.collections += 1;
        // SAFETY: from the cursor on the new active half is free.
        self.bump = unsafe { Bump::new(space.cursor(), space.cursor()) };
        self.set_soft_limit(0);
        Collection {
            before_bytes: before,
            after_bytes: self.live_bytes,
            traced_objects: space.objects(),
            copied_bytes: self.live_bytes,
            phases: phases.finish(),
        }
    }
}

// SAFETY: objects come from a bump range over the active half; a collection copies everything
// reachable and updates every root and slot (I2).
unsafe impl Heap for SemiSpace {
    type Mutator = SemiSpaceMutator;
    const INFO: HeapInfo = HeapInfo {
        name: "semispace",
        summary: "Cheney's copying collector: bump allocation, moves everything that lives",
        moves: true,
        collects: true,
        prefix_words: 0,
        barrier: Barrier::None,
        parameters: &[],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let half = (config.limit_bytes / 2) & !15;
        if half < MINIMUM_HALF {
            return Err(HeapError(format!(
                "semispace needs at least {} bytes for its two halves, not {}",
                2 * MINIMUM_HALF,
                config.limit_bytes
            )));
        }
        let budget = Budget::new(config.limit_bytes);
        let block = || {
            let refused = format!("the system has no {half} bytes for half of the heap");
            Block::new(&budget, half).ok_or(HeapError(refused))
        };
        let halves = [block()?, block()?];
        let start = halves[0].start();
        // SAFETY: the start of a fresh block.
        let bump = unsafe { Bump::new(start, start) };
        let mut state = State {
            budget,
            sizer: config.sizer,
            poison: config.poison,
            halves,
            active: 0,
            bump,
            live_bytes: 0,
            allocated_before: 0,
            collections: 0,
        };
        state.set_soft_limit(0);
        Ok(SemiSpace(Rc::new(RefCell::new(state))))
    }
    fn mutator(&self) -> SemiSpaceMutator {
        SemiSpaceMutator { bump: Bump::EMPTY, state: self.0.clone() }
    }
    fn collect(&self, roots: &mut dyn Roots, _: Cause) -> Collection {
        self.0.borrow_mut().collect(roots)
    }
    fn usage(&self) -> Usage {
        let state = self.0.borrow();
        let used_bytes = state.used();
        Usage {
            limit_bytes: state.budget.limit(),
            reserved_bytes: 2 * state.soft_limit(),
            used_bytes,
            live_bytes: state.live_bytes,
            allocated_bytes: state.allocated_before + (used_bytes - state.live_bytes) as u64,
            collections: state.collections,
        }
    }
}

impl SemiSpaceMutator {
    /// Takes the shared buffer and tries again.
    fn refill(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.bump = self.state.borrow().bump;
        self.bump.alloc(layout)
    }
    /// As `refill`, after moving the soft limit as far as the half allows.
    fn refill_to_the_end(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.state.borrow_mut().set_soft_limit(layout.size());
        self.refill(layout)
    }
}

// SAFETY: as the heap.
unsafe impl Mutator for SemiSpaceMutator {
    #[inline(always)]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.bump.alloc(layout)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.flush();
        if let Some(o) = self.refill(layout) {
            return Ok(o);
        }
        let full = self.state.borrow().half() - self.state.borrow().used() < layout.size();
        at.collect(if full { Cause::AllocationFailure } else { Cause::Threshold });
        if let Some(o) = self.refill(layout) {
            return Ok(o);
        }
        // Every collection here is a full one: if finalizers revived nothing, a last one would
        // find no more. It is still made once, because they may just have let go (H4).
        if let Some(o) = self.refill_to_the_end(layout) {
            return Ok(o);
        }
        self.flush();
        at.collect(Cause::LastResort);
        self.refill_to_the_end(layout).ok_or(Oom)
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
    /// Gives the buffer back: the next allocation is a slow one that takes it again.
    fn flush(&mut self) {
        if self.bump.limit() != 0 {
            self.state.borrow_mut().bump = self.bump;
            self.bump = Bump::EMPTY;
        }
    }
}
