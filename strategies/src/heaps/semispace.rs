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
//! Parameter `sizer`: when to collect (sizing.rs).
//! Source: Cheney 1970. Large objects are copied like all others; that is what the strategy costs.

use std::cell::RefCell;
use std::rc::Rc;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Roots,
    Safepoint, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;

use crate::parts::bump::Bump;
use crate::parts::copy::ToSpace;
use crate::parts::memory::{Pages, Reservation, poison};
use crate::parts::phases::Phases;
use crate::parts::pinned::{PinnedSpace, place_bytes};
use crate::parts::sizing::{SIZER, Sizing};

const MINIMUM_HALF: usize = 4 << 10;

#[derive(Debug)]
struct State {
    limit_bytes: usize,
    sizer: Sizing,
    poison: bool,
    halves: [Reservation; 2],
    half_bytes: usize,
    active: usize,
    /// The free part of the active half, up to the soft limit.
    rest: Bump,
    pinned: PinnedSpace,
    /// Whether the mutator has a newer copy of it.
    lent: bool,
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
    fn used_bytes(&self) -> usize {
        self.rest.cursor() - self.start()
    }
    /// A half without what is kept for pinned objects (pinned.rs, P2).
    fn room_bytes(&self) -> usize {
        self.half_bytes - self.pinned.kept_bytes().min(self.half_bytes)
    }
    fn soft_limit_bytes(&self) -> usize {
        self.rest.limit() - self.start()
    }
    /// Moves the soft limit to where the sizer wants the next collection, in any case far enough
    /// for `wanted` bytes, if the half has them.
    fn set_soft_limit(&mut self, wanted: usize) {
        let (cursor, used) = (self.rest.cursor(), self.used_bytes());
        let allowance = self.sizer.allowance(used).max(wanted);
        let limit = (used + allowance).max(MINIMUM_HALF).min(self.room_bytes()).max(used) & !7;
        // SAFETY: the rest of the active half belongs to this heap's only buffer (I1).
        self.rest = unsafe { Bump::new(cursor, self.start() + limit) };
    }
    fn collect(&mut self, roots: &mut dyn Roots) -> Collection {
        assert!(!self.lent, "collections begin with the mutator flushed");
        let mut phases = Phases::start();
        let used_before = self.used_bytes();
        let before_bytes = used_before + self.pinned.bytes();
        self.sizer.begin(used_before - self.live_bytes);
        let to = &self.halves[1 - self.active];
        // SAFETY: the other half is empty (I1) and as large as the active one (I3).
        let mut space = unsafe { ToSpace::new(to.start(), to.start() + self.half_bytes) };
        self.pinned.evacuate_slots(&mut space);
        roots.slices(&mut |slice, _| space.evacuate_all(slice));
        space.scan();
        phases.end("copy");
        while self.pinned.show(&mut space, |live| roots.weak(live)) {
            space.scan();
        }
        phases.end("weak");
        self.pinned.finish(self.poison);
        self.sizer.end(space.cursor() - to.start());
        self.flip(&space);
        self.allocated_before += (used_before - self.live_bytes) as u64;
        self.live_bytes = self.used_bytes();
        self.collections += 1;
        Collection {
            before_bytes,
            after_bytes: self.live_bytes + self.pinned.bytes(),
            traced_objects: space.objects() + self.pinned.objects(),
            copied_bytes: self.live_bytes,
            phases: phases.finish(),
            minor: false,
        }
    }
    /// The halves change roles. What the new soft limit leaves out of the old half goes back to the
    /// system, so that the pages in use are what `usage` says.
    fn flip(&mut self, space: &ToSpace) {
        let (start, cursor) = (self.start(), self.rest.cursor());
        if self.poison {
            // SAFETY: everything that lived there has been copied (I2).
            unsafe { poison(start, cursor) };
        }
        self.active = 1 - self.active;
        // SAFETY: the new active half is free from the cursor on.
        self.rest = unsafe { Bump::new(space.cursor(), space.cursor()) };
        self.set_soft_limit(0);
        let kept = start + self.soft_limit_bytes();
        if kept < cursor && !self.poison {
            self.halves[1 - self.active].release(kept, cursor);
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
        parameters: &[SIZER],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let half = (config.limit_bytes / 2) & !15;
        if half < MINIMUM_HALF {
            return Err(HeapError(format!(
                "semispace needs at least {} bytes for its two halves, not {}: raise the limit",
                2 * MINIMUM_HALF,
                config.limit_bytes
            )));
        }
        let reserve = || {
            let refused = "the system refuses to reserve twice";
            Reservation::new(half, Pages::Large)
                .ok_or_else(|| HeapError(format!("{refused} {half} bytes: lower the limit")))
        };
        let halves = [reserve()?, reserve()?];
        let start = halves[0].start();
        let mut state = State {
            limit_bytes: config.limit_bytes,
            sizer: Sizing::new(config, &Self::INFO, half)?,
            poison: config.poison,
            halves,
            half_bytes: half,
            active: 0,
            // SAFETY: the start of a fresh reservation.
            rest: unsafe { Bump::new(start, start) },
            pinned: PinnedSpace::new(config.limit_bytes),
            lent: false,
            live_bytes: 0,
            allocated_before: 0,
            collections: 0,
        };
        state.set_soft_limit(0);
        Ok(SemiSpace(Rc::new(RefCell::new(state))))
    }
    fn mutator(&self) -> SemiSpaceMutator {
        assert_eq!(Rc::strong_count(&self.0), 1, "one worker, one mutator");
        SemiSpaceMutator { bump: Bump::EMPTY, state: self.0.clone() }
    }
    fn collect(&self, roots: &mut dyn Roots, _: Cause) -> Collection {
        self.0.borrow_mut().collect(roots)
    }
    fn usage(&self) -> Usage {
        let state = self.0.borrow();
        let used_bytes = state.used_bytes();
        Usage {
            limit_bytes: state.limit_bytes,
            reserved_bytes: 2 * state.soft_limit_bytes() + state.pinned.taken_bytes(),
            used_bytes: used_bytes + state.pinned.bytes(),
            live_bytes: state.live_bytes + state.pinned.bytes(),
            allocated_bytes: state.allocated_before + (used_bytes - state.live_bytes) as u64,
            collections: state.collections,
        }
    }
}

impl SemiSpaceMutator {
    /// Borrows the rest of the half and tries; leaves nothing lent when there is no room.
    fn refill(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let mut state = self.state.borrow_mut();
        let mut rest = state.rest;
        let o = rest.alloc(layout)?;
        state.lent = true;
        self.bump = rest;
        Some(o)
    }
    /// As `refill`, after moving the soft limit for this object.
    fn refill_beyond(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.state.borrow_mut().set_soft_limit(layout.size());
        self.refill(layout)
    }
    /// Which limit is in the way.
    fn cause(&self, layout: ObjectLayout) -> Cause {
        let state = self.state.borrow();
        let room = state.room_bytes().saturating_sub(state.used_bytes());
        if room < layout.size() { Cause::AllocationFailure } else { Cause::Threshold }
    }
}

// SAFETY: as the heap.
unsafe impl Mutator for SemiSpaceMutator {
    const PLAIN_LOADS: bool = true;

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
        at.collect(self.cause(layout));
        if let Some(o) = self.refill(layout).or_else(|| self.refill_beyond(layout)) {
            return Ok(o);
        }
        at.collect(Cause::LastResort);
        self.refill_beyond(layout).ok_or(Oom)
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
    /// A collection takes the object out of the halves; the next one after `unpin` takes it back.
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
        if self.state.borrow_mut().pinned.pin_again(o) {
            return Ok(());
        }
        self.flush();
        {
            let mut state = self.state.borrow_mut();
            // A small object may keep more bytes than it has.
            let kept = state.pinned.kept_bytes() + place_bytes(o.size());
            if state.used_bytes() - o.size() + kept > state.half_bytes {
                return Err(Oom);
            }
            state.pinned.pin_next(o);
        }
        at.collect(Cause::Pin);
        if self.state.borrow().pinned.was_refused() { Err(Oom) } else { Ok(()) }
    }
    fn unpin(&mut self, o: Obj) {
        self.state.borrow_mut().pinned.unpin(o);
    }
    /// Gives the buffer back: the next allocation is a slow one that takes it again.
    fn flush(&mut self) {
        if self.bump.limit() != 0 {
            let mut state = self.state.borrow_mut();
            (state.rest, state.lent) = (self.bump, false);
            self.bump = Bump::EMPTY;
        }
    }
}

impl Drop for SemiSpaceMutator {
    fn drop(&mut self) {
        self.flush();
    }
}
