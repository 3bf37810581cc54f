//! `generational`: a copying nursery over a mark-sweep mature space.
//!
//! New objects are bump-allocated in the nursery. When it is full, a minor collection copies what
//! lives there into the mature space's size-class blocks, all of it: nothing is copied twice. It
//! looks at the roots of tasks that ran since the last one, and at the old objects that the barrier
//! has noted for getting a reference to a young one. Mature garbage waits for a full collection,
//! which marks and sweeps as `mark-sweep` does.
//!
//! ```text
//!   nursery   [ young objects ──►        ]      store(old, young): old goes into the remembered set
//!                  │ minor: promote
//!                  ▼
//!   mature    [ class 3 │ class 7 │ … ]  + large objects, one by one
//! ```
//!
//! Invariants
//! - I1. Between collections every old object with a reference to a young one is REMEMBERED and in
//!   the set. Objects born old are in it from birth, since filling them is no store.
//! - I2. After a collection the nursery is empty, or the mature space had no room: then the young
//!   that are left lie below the cursor, and the next minor collection visits all roots.
//! - I3. The budget is charged for the nursery, for blocks, and for large objects.
//! - I4. A task that did not run since the last collection refers to no young object (its registers
//!   were promoted with all others), unless I2's exception holds.
//!
//! Phases: minor: promote, weak. Full: mark, weak, sweep, promote, weak.
//! Costs: allocation = one compare, header store. A store = four compares at worst, and a push the
//! first time. A minor collection is proportional to the young that live, not to the nursery, the
//! old, or the parked tasks.
//! Source: Lieberman, Hewitt 1983; Ungar 1984; en-masse promotion and an object-remembering barrier
//! as in Jikes RVM's GenMS.
//! Parameters: `nursery`, its size; `sizer`, when full collections are due (sizing.rs); `gc-threads`, how
//! many threads mark in those (mark.rs). It does not age objects before promoting them, and promotes on
//! one thread.

use std::cell::RefCell;
use std::rc::Rc;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Liveness, Mutator, Oom,
    Parameter, Roots, Safepoint, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;

use crate::parts::blocks::{BlockSpace, CHARGE};
use crate::parts::bump::Bump;
use crate::parts::bytes::bytes_of;
use crate::parts::copy::{forward, forwarded};
use crate::parts::counts::ObjectList;
use crate::parts::crew::Crew;
use crate::parts::mark::{GC_THREADS, Marker, crew};
use crate::parts::memory::{Budget, Pages, Reservation, Source, poison};
use crate::parts::objects::ObjectTable;
use crate::parts::phases::Phases;
use crate::parts::size_class::{COUNT, LARGEST, cell_size, class_of};
use crate::parts::sizing::{SIZER, Sizing};

/// Flags in the header's gc byte; bit 0 is the marker's.
const REMEMBERED: u8 = 2;
/// A young object that lives, but could not be promoted.
const RETAINED: u8 = 4;

/// The smallest nursery, bytes, and the smallest limit.
const MINIMUM_NURSERY: usize = 4 << 10;
const MINIMUM: usize = 4 * CHARGE + MINIMUM_NURSERY;

#[derive(Debug)]
struct State {
    budget: Budget,
    sizer: Sizing,
    poison: bool,
    nursery: Nursery,
    mature: Mature,
    crew: Option<Crew>,
    /// The remembered set (I1), as of the last flush.
    remembered: Vec<Obj>,
    live_bytes: usize,
    /// Allocated up to the last collection, and large objects since.
    allocated_before: u64,
    collections: u64,
}

#[derive(Debug)]
struct Nursery {
    memory: Reservation,
    /// What the mutator has not used; lent to it between collections.
    rest: Bump,
    /// Where the mutator began after the last collection: below are the retained (I2).
    base: usize,
    retained: Vec<Obj>,
    lent: bool,
}

impl Nursery {
    fn has(&self, o: Obj) -> bool {
        o.address().wrapping_sub(self.memory.start()) < self.memory.bytes()
    }
    /// Bytes allocated since the last collection.
    fn fresh_bytes(&self) -> usize {
        self.rest.cursor() - self.base
    }
}

#[derive(Debug)]
struct Mature {
    blocks: BlockSpace,
    singles: ObjectTable,
    /// Where promotion goes on, by class.
    holes: [Bump; COUNT],
    /// Bytes of objects, garbage that is not yet found included.
    bytes: usize,
    /// Of these, since the last full collection.
    fresh_bytes: usize,
    /// How many of them make the next full collection due.
    allowance: usize,
}

impl Mature {
    /// Room for an object within the budget.
    fn cell(&mut self, layout: ObjectLayout, budget: &Budget) -> Option<Obj> {
        let size = layout.size();
        let o = if size > LARGEST {
            self.singles.alloc(layout, budget)?
        } else {
            let class = class_of(size);
            match self.holes[class].alloc_cell(layout, cell_size(class)) {
                Some(o) => o,
                None => {
                    let hole = self.blocks.next_hole(class);
                    let (start, stop) = match hole {
                        Some(hole) => hole,
                        None => self.blocks.fresh(class, budget)?,
                    };
                    // SAFETY: a hole is handed out once (blocks.rs, K3).
                    self.holes[class] = unsafe { Bump::new(start, stop) };
                    self.holes[class].alloc_cell(layout, cell_size(class))?
                }
            }
        };
        self.bytes += size;
        self.fresh_bytes += size;
        Some(o)
    }
}

/// A minor collection.
struct Promotion<'a> {
    nursery: &'a mut Nursery,
    mature: &'a mut Mature,
    budget: &'a Budget,
    remembered: &'a mut Vec<Obj>,
    /// Promoted or retained, and not yet scanned.
    stack: Vec<Obj>,
    objects: u64,
    bytes: usize,
}

impl Promotion<'_> {
    /// Where an object is after the collection.
    #[inline]
    fn promote(&mut self, o: Obj) -> Obj {
        if !self.nursery.has(o) {
            return o;
        }
        if let Some(copy) = forwarded(o) {
            return copy;
        }
        if o.gc_byte() & RETAINED != 0 {
            return o;
        }
        self.objects += 1;
        match self.mature.cell(o.layout(), self.budget) {
            Some(to) => {
                self.bytes += o.size();
                // SAFETY: `to` is a fresh cell for an object of this layout.
                unsafe { forward(o, to) };
                to.set_gc_byte(0);
                self.stack.push(to);
                to
            }
            None => {
                o.set_gc_byte(RETAINED);
                self.nursery.retained.push(o);
                self.stack.push(o);
                o
            }
        }
    }
    fn promote_all(&mut self, words: &mut [Value]) {
        for word in words {
            if let Some(o) = word.as_object() {
                *word = Value::object(self.promote(o));
            }
        }
    }
    /// Updates what an object refers to; an old one that still refers to young ones is remembered.
    fn scan(&mut self, o: Obj) {
        let mut young = false;
        for i in 0..o.traced_slots() {
            if let Some(target) = o.slot(i).as_object() {
                let now = self.promote(target);
                o.set_slot(i, Value::object(now));
                young |= self.nursery.has(now);
            }
        }
        if young && !self.nursery.has(o) && o.gc_byte() & REMEMBERED == 0 {
            o.set_gc_byte(o.gc_byte() | REMEMBERED);
            self.remembered.push(o);
        }
    }
    fn drain(&mut self) {
        while let Some(o) = self.stack.pop() {
            self.scan(o);
        }
    }
}

impl Liveness for Promotion<'_> {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        if !self.nursery.has(o) || o.gc_byte() & RETAINED != 0 && forwarded(o).is_none() {
            return Some(o);
        }
        forwarded(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.promote(o)
    }
}

impl State {
    fn used_bytes(&self) -> usize {
        let retained: usize = self.nursery.retained.iter().map(|o| o.size()).sum();
        self.mature.bytes + retained + self.nursery.fresh_bytes()
    }
    /// Whether the next collection should be a full one.
    fn full_is_due(&self) -> bool {
        self.mature.fresh_bytes > self.mature.allowance
            || self.budget.left() < self.nursery.memory.bytes()
            || !self.nursery.retained.is_empty()
    }
    /// Empties the nursery as far as the mature space has room (I2). Gives objects and bytes.
    fn minor(&mut self, roots: &mut dyn Roots, phases: &mut Phases) -> (u64, usize) {
        assert!(!self.nursery.lent, "collections begin with the mutator flushed");
        let visit_all = !self.nursery.retained.is_empty();
        for o in self.nursery.retained.drain(..) {
            o.set_gc_byte(0);
        }
        let remembered = std::mem::take(&mut self.remembered);
        let mut promotion = Promotion {
            nursery: &mut self.nursery,
            mature: &mut self.mature,
            budget: &self.budget,
            remembered: &mut self.remembered,
            stack: Vec::new(),
            objects: 0,
            bytes: 0,
        };
        if visit_all {
            roots.slices(&mut |slice, _| promotion.promote_all(slice));
        } else {
            roots.recent(&mut |slice| promotion.promote_all(slice));
        }
        for o in remembered {
            o.set_gc_byte(o.gc_byte() & !REMEMBERED);
            promotion.scan(o);
        }
        promotion.drain();
        phases.end("promote");
        while roots.weak(&mut promotion) {
            promotion.drain();
        }
        phases.end("weak");
        let done = (promotion.objects, promotion.bytes);
        self.reset_nursery();
        done
    }
    /// What was not retained is free from here on.
    fn reset_nursery(&mut self) {
        let nursery = &mut self.nursery;
        self.allocated_before += nursery.fresh_bytes() as u64;
        nursery.retained.sort_unstable_by_key(|o| o.address());
        let (start, end) = (nursery.memory.start(), nursery.rest.cursor());
        if self.poison {
            let mut from = start;
            for o in &nursery.retained {
                // SAFETY: between two retained objects nothing lives.
                unsafe { poison(from, o.address()) };
                from = o.address() + o.size();
            }
            // SAFETY: as above.
            unsafe { poison(from, end) };
        }
        nursery.base = nursery.retained.last().map_or(start, |o| o.address() + o.size());
        // SAFETY: nothing lives from there on; the nursery belongs to one buffer.
        nursery.rest = unsafe { Bump::new(nursery.base, start + nursery.memory.bytes()) };
    }
    /// Marks everything, sweeps the mature space, then promotes what is young and lives.
    fn full(&mut self, roots: &mut dyn Roots, phases: &mut Phases) -> (u64, usize) {
        self.sizer.begin(self.mature.fresh_bytes);
        let mature = &mut self.mature;
        for (class, hole) in mature.holes.iter_mut().enumerate() {
            if hole.limit() != 0 {
                mature.blocks.give_back(class, hole.cursor(), hole.limit());
                *hole = Bump::EMPTY;
            }
        }
        mature.blocks.clear_marks();
        // What no bitmap covers is marked in its header: large objects, and the young.
        let mut marker = Marker::new(mature.blocks.marks(), self.crew.as_mut());
        roots.slices(&mut |slice, _| marker.push_all(slice));
        marker.drain();
        phases.end("mark");
        while roots.weak(&mut marker) {
            marker.drain();
        }
        self.remembered.retain(|&o| marker.current(o).is_some());
        phases.end("weak");
        let (objects, bytes) = (marker.objects(), marker.bytes());
        self.mature.blocks.begin_sweep(self.poison);
        self.mature.singles.sweep(&self.budget, self.poison);
        phases.end("sweep");
        self.mature.bytes = bytes;
        let (_, copied) = self.minor(roots, phases);
        // The young were counted twice: marked, and promoted.
        let retained: usize = self.nursery.retained.iter().map(|o| o.size()).sum();
        self.mature.bytes -= copied + retained;
        self.mature.fresh_bytes = 0;
        self.sizer.end(bytes);
        self.mature.allowance = self.sizer.allowance(bytes);
        (objects, copied)
    }
    fn collect(&mut self, roots: &mut dyn Roots, minor: bool) -> Collection {
        let before_bytes = self.used_bytes();
        let mut phases = Phases::start();
        let (traced_objects, copied_bytes) =
            if minor { self.minor(roots, &mut phases) } else { self.full(roots, &mut phases) };
        self.collections += 1;
        self.live_bytes = self.used_bytes();
        Collection {
            before_bytes,
            after_bytes: self.live_bytes,
            traced_objects,
            copied_bytes,
            phases: phases.finish(),
            minor,
        }
    }
    /// An object that is born old: it may be filled with references to young ones (I1).
    fn alloc_old(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = match self.mature.cell(layout, &self.budget) {
            None if self.mature.blocks.release_free(&self.budget) => {
                self.mature.cell(layout, &self.budget)
            }
            o => o,
        }?;
        o.set_gc_byte(REMEMBERED);
        self.remembered.push(o);
        self.allocated_before += layout.size() as u64;
        Some(o)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.mature.singles.clear(&self.budget);
    }
}

/// Promotes what lives.
#[derive(Debug)]
pub struct Generational(Rc<RefCell<State>>);

/// Its mutator: the nursery's cursor and what its barrier has noted.
#[derive(Debug)]
pub struct GenerationalMutator {
    bump: Bump,
    start: usize,
    bytes: usize,
    remembered: ObjectList,
    state: Rc<RefCell<State>>,
}

// SAFETY: the nursery's bump range, cells and large objects are disjoint. A minor collection visits
// everything that may refer to the nursery (I1, I4), a full one everything.
unsafe impl Heap for Generational {
    type Mutator = GenerationalMutator;
    const INFO: HeapInfo = HeapInfo {
        name: "generational",
        summary: "copying nursery, en-masse promotion into a mark-sweep mature space",
        moves: true,
        collects: true,
        prefix_words: 0,
        barrier: Barrier::Remembering,
        parameters: &[
            Parameter {
                name: "nursery",
                default: "1MiB",
                doc: "bytes of the nursery (also as KiB, MiB), from 4 KiB on; at most an eighth of the limit",
            },
            SIZER,
            GC_THREADS,
        ],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let text = config.parameter(&Self::INFO, "nursery");
        let asked = bytes_of(text).filter(|&n| n >= MINIMUM_NURSERY).ok_or_else(|| {
            HeapError(format!("nursery={text}: expected at least {MINIMUM_NURSERY} bytes"))
        })?;
        if config.limit_bytes < MINIMUM {
            return Err(HeapError(format!(
                "generational needs at least {MINIMUM} bytes (a nursery and a few blocks), not {}: \
                 raise the limit",
                config.limit_bytes
            )));
        }
        let nursery_bytes = asked.min(config.limit_bytes / 8).max(MINIMUM_NURSERY) & !4095;
        let refused = || {
            let limit = config.limit_bytes;
            HeapError(format!("the system refuses to reserve {limit} bytes: lower the limit"))
        };
        let memory = Reservation::new(nursery_bytes, Pages::Small).ok_or_else(refused)?;
        let budget = Budget::new(config.limit_bytes);
        assert!(budget.charge(memory.bytes()), "an eighth of the limit");
        let start = memory.start();
        // SAFETY: the range of a fresh reservation.
        let rest = unsafe { Bump::new(start, memory.end()) };
        let sizer = Sizing::new(config, &Self::INFO, config.limit_bytes)?;
        Ok(Generational(Rc::new(RefCell::new(State {
            poison: config.poison,
            nursery: Nursery { memory, rest, base: start, retained: Vec::new(), lent: false },
            mature: Mature {
                blocks: BlockSpace::new(budget.left()).ok_or_else(refused)?,
                singles: ObjectTable::new(Source::System),
                holes: [Bump::EMPTY; COUNT],
                bytes: 0,
                fresh_bytes: 0,
                allowance: sizer.allowance(0),
            },
            sizer,
            budget,
            crew: crew(config, &Self::INFO)?,
            remembered: Vec::new(),
            live_bytes: 0,
            allocated_before: 0,
            collections: 0,
        }))))
    }
    fn mutator(&self) -> GenerationalMutator {
        assert_eq!(Rc::strong_count(&self.0), 1, "one worker, one mutator");
        let state = self.0.borrow();
        let memory = &state.nursery.memory;
        GenerationalMutator {
            bump: Bump::EMPTY,
            start: memory.start(),
            bytes: memory.bytes(),
            remembered: ObjectList::new(state.budget.limit()).expect("an address range"),
            state: self.0.clone(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.0.borrow_mut().collect(roots, matches!(why, Cause::NurseryFull | Cause::Pin))
    }
    fn usage(&self) -> Usage {
        let state = self.0.borrow();
        Usage {
            limit_bytes: state.budget.limit(),
            reserved_bytes: state.budget.taken(),
            used_bytes: state.used_bytes(),
            live_bytes: state.live_bytes,
            allocated_bytes: state.allocated_before + state.nursery.fresh_bytes() as u64,
            collections: state.collections,
        }
    }
}

impl GenerationalMutator {
    /// Takes the nursery back and tries; leaves nothing lent when there is no room.
    fn refill(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let mut state = self.state.borrow_mut();
        if layout.size() > LARGEST || layout.size() > self.bytes / 4 {
            return state.alloc_old(layout);
        }
        let mut rest = state.nursery.rest;
        let o = rest.alloc(layout)?;
        state.nursery.lent = true;
        self.bump = rest;
        Some(o)
    }
    #[inline(always)]
    fn is_young(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.bytes
    }
}

// SAFETY: as the heap.
unsafe impl Mutator for GenerationalMutator {
    const PLAIN_LOADS: bool = true;

    #[inline(always)]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.bump.alloc(layout)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.flush();
        let large = layout.size() > LARGEST;
        let mut due = self.state.borrow().full_is_due();
        if !(large && due)
            && let Some(o) = self.refill(layout)
        {
            return Ok(o);
        }
        if !due {
            at.collect(Cause::NurseryFull);
            if let Some(o) = self.refill(layout) {
                return Ok(o);
            }
            due = true;
        }
        debug_assert!(due);
        for why in [Cause::Threshold, Cause::LastResort] {
            at.collect(why);
            if let Some(o) = self.refill(layout) {
                return Ok(o);
            }
        }
        // The nursery may be full of what could not be promoted.
        self.state.borrow_mut().alloc_old(layout).ok_or(Oom)
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
        if v.is_object() {
            // SAFETY: just tested.
            let target = unsafe { v.object_unchecked() };
            if self.is_young(target.address())
                && !self.is_young(o.address())
                && o.gc_byte() & REMEMBERED == 0
            {
                o.set_gc_byte(o.gc_byte() | REMEMBERED);
                self.remembered.push(o);
            }
        }
    }
    /// The old do not move: a young object is promoted.
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
        if !self.is_young(o.address()) {
            return Ok(());
        }
        self.flush();
        for why in [Cause::Pin, Cause::LastResort] {
            at.collect(why);
            // What had to be left in the nursery is still where it was (I2).
            if !self.state.borrow().nursery.retained.contains(&o) {
                return Ok(());
            }
        }
        Err(Oom)
    }
    /// Gives the nursery and the remembered set back: the next allocation takes the nursery again.
    fn flush(&mut self) {
        let mut state = self.state.borrow_mut();
        self.remembered.move_to(&mut state.remembered);
        if self.bump.limit() != 0 {
            (state.nursery.rest, state.nursery.lent) = (self.bump, false);
            self.bump = Bump::EMPTY;
        }
    }
}

impl Drop for GenerationalMutator {
    fn drop(&mut self) {
        self.flush();
    }
}
