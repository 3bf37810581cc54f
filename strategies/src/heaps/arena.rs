//! `arena`: regions for `arena { }` over a parent heap.
//!
//! What a task allocates while it is in a region goes to the region's chunks, by bumping a pointer;
//! everything else goes to the parent: mark-sweep here, reference counting in hybrid.rs. When the
//! region ends, its chunks go back to the pool in one step. What outlives it is promoted first: copied
//! into the parent, once, and every reference to it leads to the copy.
//!
//! ```text
//!   task:    arena {            region 1   [ooooooo][ooo......]      chunks of the pool
//!              arena {            region 2   [oo.......]
//!                x.f = y  ───────────────►  remembered: (x, f)       x is older than y's region
//!              }  ◄── leave:  y and what it reaches in region 2 are copied to the parent;
//!            }                x.f, the block's value and live registers get the new addresses
//! ```
//!
//! Invariants
//! - I1. A region belongs to one task; its objects are used by others only after an escape.
//! - I2. A slot that refers into a region, and lies neither in it nor in a region inside of it, is
//!   *remembered*: (object, slot number), or in the log of what has to be looked at (parts/regions/log.rs).
//!   Remembered objects are roots until the region ends.
//! - I3. Roots other than the registers of the region's own task refer into it only if it is
//!   `shared`: `escape` said so, or its task gave way while something was remembered. When a shared
//!   region ends, all roots are looked at.
//! - I4. The parent never sees a reference into a region. Such words are not handed to its hooks;
//!   during a collection they are cut out of root slices, and remembered slots hold nil.
//! - I5. References from a region's objects to the parent's are the parent's business like any: its
//!   roots (tracing), counted (counting).
//!   A region's own objects are not counted.
//! - I6. Tasks, channels, mutexes, actors, waiters, weak references, weak maps and their entries are never
//!   in a region.
//! - I7. Local objects (over a parent that does not count) are in their task's stack: a region that is
//!   popped frame by frame and never promoted from (parts/regions/frames.rs, F1–F5).
//!
//! - I8. A region that nobody but its mutator knows of is *open* (parts/regions/entry.rs): it ends without
//!   any of the steps when neither the block's value nor a live word refers into it.
//!
//! Leaving a region
//! 1. Sources: the block's value, live words of the task, remembered slots, watched objects; all
//!    roots if it is shared. None: go to 6.
//! 2. What they reach inside the region is marked, and each gets a copy, empty. This may collect; the
//!    originals are still whole. If there is no memory, the region is *retired* instead: it stays until
//!    a collection finds nothing in it alive, or has made room for the copies: then steps 1 to 6 are
//!    done at the next slow allocation, with all roots as sources.
//!    A region with a pinned object is retired, too.
//! 3. Contents are copied, originals are left with the address of their copy.
//! 4. Slots of the copies get the addresses of copies, through the parent's barrier.
//! 5. So do all words of step 1.
//! 6. Counting parents: what the region's objects hold is dropped. The chunks go back.
//!
//! Costs: allocation as in the parent's nursery-less best case, one compare more outside of regions;
//! a store = one compare, and three loads if it stores a reference into a region; a write to the log if
//! that is one from outside. Entering and leaving are some thirty instructions each while a region fits its
//! first chunk and nothing escapes, and O(chunks) after that (a counting parent: O(objects), when one of
//! them held a counted reference), else in proportion to what did, plus all roots if the region is shared.
//! Source: Tofte, Talpin 1997 (regions); Hanson 1990 (chunks); promotion as in the request arenas of
//! servers, with a remembered set as in Ungar 1984. Departs from all: escapes need not be known
//! statically, and identity is kept.
//! Parameters: `regions`, `frames`, `frame-words`, and the parent's.
//! Its steps are in parts/regions/: entry.rs, remembered.rs, promotion.rs, collection.rs, over table.rs.
//! It does not promote into an outer region, and does not free inside of a region.

use std::cell::RefCell;
use std::rc::Rc;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, LiveRegisters, LiveWords,
    Mutator, Oom, Parameter, Region, Roots, Safepoint, Usage, Watch,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;

use super::mark_sweep::MarkSweep;
use crate::parts::bump::Bump;
use crate::parts::bytes::bytes_of;
use crate::parts::regions::collection::{LIVE, ParentRoots, mark_live};
use crate::parts::regions::entry::Entry;
use crate::parts::regions::frames::{Frames, Limits};
use crate::parts::regions::log::SlotLog;
use crate::parts::regions::mutator::{RegionMutator, may_be_local};
use crate::parts::regions::promotion::Leaving;
use crate::parts::regions::table::{Counters, RegionTable};
use crate::parts::regions::{CHUNK, ChunkPool, NOBODY};

/// A heap that regions can be put over.
pub trait Parent: Heap {
    /// The attributes of the two together.
    const ARENA: HeapInfo;
}

/// How much of the heap regions may take.
pub const REGIONS: Parameter = Parameter {
    name: "regions",
    default: "16MiB",
    doc: "bytes of all regions together (also as KiB, MiB); at most an eighth of the limit; 0 = none",
};

/// How much of that a task's frames may take.
const FRAMES: Parameter = Parameter {
    name: "frames",
    default: "32KiB",
    doc: "bytes of a task's local objects (also as KiB); at most a quarter of the regions; 0 = none",
};
/// How much of that one frame may take.
const FRAME_WORDS: Parameter = Parameter {
    name: "frame-words",
    default: "64",
    doc: "words of a frame's local objects, headers included; what does not fit is made as ever",
};

impl Parent for MarkSweep {
    const ARENA: HeapInfo = HeapInfo {
        name: "arena",
        summary: "regions for arena blocks over mark-sweep, promotion of what escapes",
        barrier: Barrier::Remembering,
        parameters: &[
            REGIONS,
            FRAMES,
            FRAME_WORDS,
            <MarkSweep>::INFO.parameters[0],
            <MarkSweep>::INFO.parameters[1],
            <MarkSweep>::INFO.parameters[2],
        ],
        ..<MarkSweep>::INFO
    };
}

/// Regions over a parent heap.
#[derive(Debug)]
pub struct Arena<P: Heap> {
    parent: P,
    frames: Limits,
    table: Rc<RefCell<RegionTable>>,
}

// SAFETY: a region's objects are disjoint from the parent's. They go only when their region ends,
// after everything that refers to them (I2, I3) has been given the address of a copy.
unsafe impl<P: Parent> Heap for Arena<P> {
    type Mutator = RegionMutator<P::Mutator>;
    const INFO: HeapInfo = P::ARENA;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let bytes_in = |parameter: Parameter| {
            let text = config.parameter(&Self::INFO, parameter.name);
            bytes_of(text).ok_or_else(|| {
                HeapError(format!("{}={text}: expected bytes, also as KiB or MiB", parameter.name))
            })
        };
        let bytes = bytes_in(REGIONS)?.min(config.limit_bytes / 8) / CHUNK * CHUNK;
        let mut frames = Limits::default();
        if Self::Mutator::LOCALS {
            let text = config.parameter(&Self::INFO, FRAME_WORDS.name);
            let words = text.parse::<u32>().map_err(|_| {
                HeapError(format!("frame-words={text}: expected a number of words"))
            })?;
            frames.frame_bytes = words as usize * 8;
            frames.stack_chunks = bytes_in(FRAMES)?.min(bytes / 4) / CHUNK;
        }
        let mut parent = config.clone();
        parent.limit_bytes -= bytes;
        let own = [REGIONS.name, FRAMES.name, FRAME_WORDS.name];
        parent.parameters.retain(|(name, _)| !own.contains(&name.as_str()));
        let parent = P::new(&parent)?;
        let pool = ChunkPool::new(bytes, config.poison).ok_or_else(|| {
            HeapError(format!("the system refuses to reserve {bytes} bytes: lower `regions`"))
        })?;
        let table = RegionTable {
            limit: config.limit_bytes,
            pool,
            regions: Vec::new(),
            free: Vec::new(),
            serial: 0,
            copies: Vec::new(),
            live_bytes: 0,
            finished: Vec::new(),
            retry: Vec::new(),
            counters: Counters::default(),
        };
        Ok(Arena { parent, frames, table: Rc::new(RefCell::new(table)) })
    }
    fn mutator(&self) -> Self::Mutator {
        let table = self.table.borrow();
        RegionMutator {
            bump: Bump::EMPTY,
            has_room: false,
            holds: false,
            current: NOBODY,
            entry: Entry::NONE,
            log: SlotLog::new(),
            start: table.pool.start(),
            bytes: table.pool.bytes(),
            parent: self.parent.mutator(),
            owners: table.pool.owners(),
            promoted: Vec::new(),
            table: self.table.clone(),
            frames: Frames::NONE,
            frame_limits: self.frames,
            enters: 0,
            region_bytes: 0,
            frame_bytes: 0,
            frame_fallbacks: 0,
            poisons: table.pool.poisons(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        if self.table.borrow().is_idle() {
            return self.parent.collect(roots, why);
        }
        let (live, mut held, copies) = {
            let table = &mut *self.table.borrow_mut();
            let sources = table.sources(roots);
            let live = mark_live(table, sources);
            let copies = table.copies.len();
            (live, table.hide(), copies)
        };
        let mut seen = ParentRoots { roots, table: &self.table, live: &live, held: &mut held };
        let mut collection = self.parent.collect(&mut seen, why);
        let table = &mut *self.table.borrow_mut();
        table.unhide(held, copies);
        table.clear_dead_locals();
        let limit_bytes = self.parent.usage().limit_bytes;
        table.finish_retired(&live, limit_bytes.saturating_sub(collection.after_bytes));
        live.iter().for_each(|o| o.set_gc_byte(o.gc_byte() & !LIVE));
        let bytes = table.used_bytes();
        table.live_bytes = bytes;
        collection.before_bytes += bytes;
        collection.after_bytes += bytes;
        collection
    }
    fn usage(&self) -> Usage {
        let (table, parent) = (self.table.borrow(), self.parent.usage());
        let (used, counters) = (table.used_bytes(), table.counters);
        let regions = table.region_bytes() + counters.region_bytes;
        let local = regions + table.local_bytes() + counters.frame_bytes;
        Usage {
            limit_bytes: table.limit,
            reserved_bytes: parent.reserved_bytes + table.pool.taken_bytes(),
            used_bytes: parent.used_bytes + used,
            live_bytes: parent.live_bytes + used.min(table.live_bytes),
            allocated_bytes: parent.allocated_bytes + local - counters.promoted_bytes,
            collections: parent.collections,
        }
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let table = self.table.borrow();
        let c = table.counters;
        let mut counters = vec![
            ("region_enters", c.region_enters),
            ("region_escapes", c.region_escapes),
            ("region_retired", c.region_retired),
            ("region_bytes", c.region_bytes + table.region_bytes()),
            ("region_fallbacks", c.region_fallbacks),
            ("promoted_objects", c.promoted_objects),
            ("promoted_bytes", c.promoted_bytes),
        ];
        if Self::Mutator::LOCALS {
            counters.push(("frame_bytes", c.frame_bytes + table.local_bytes()));
            counters.push(("frame_fallbacks", c.frame_fallbacks));
        }
        counters.extend(self.parent.counters());
        counters
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        let local = self.table.borrow().owner_of(o) != NOBODY;
        if local { None } else { self.parent.reference_count(o) }
    }
}

// SAFETY: as the heap.
unsafe impl<M: Mutator> Mutator for RegionMutator<M> {
    const COUNTS: bool = M::COUNTS;
    const PLAIN_LOADS: bool = M::PLAIN_LOADS;
    const REGIONS: bool = true;
    const FRAMES: bool = Self::LOCALS;

    #[inline(always)]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        if may_be_local(layout.kind) {
            if let Some(o) = self.bump.alloc(layout) {
                return Some(o);
            }
            if self.has_room {
                return None;
            }
        }
        self.parent.try_alloc(layout)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.promoted.clear();
        // Without a region, a full log has asked for this.
        self.has_room &= self.current != NOBODY;
        if self.has_room
            && may_be_local(layout.kind)
            && let Some(o) = self.alloc_in_region(layout)
        {
            return Ok(o);
        }
        self.flush_region();
        let result = match self.parent.try_alloc(layout) {
            Some(o) => Ok(o),
            None => self.parent.alloc_slow(layout, at),
        };
        self.release_finished();
        if result.is_ok() {
            self.retry_retired(at);
        }
        result
    }
    #[inline(always)]
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj> {
        if Self::LOCALS {
            if let Some(o) = self.frames.bump.alloc(layout) {
                return Some(o);
            }
            self.frame_fallbacks += 1;
        }
        self.try_alloc(layout)
    }
    #[inline(always)]
    fn try_push_frame(&mut self) -> bool {
        self.try_push()
    }
    #[cold]
    fn push_frame(&mut self) {
        self.push_slow();
    }
    #[inline(always)]
    fn try_pop_frame(&mut self) -> bool {
        self.try_pop()
    }
    #[cold]
    fn pop_frame(&mut self) {
        self.pop_slow();
    }
    #[inline(always)]
    fn set(&mut self, register: &mut Value, v: Value) {
        self.set_word(register, v);
    }
    #[inline(always)]
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        if Self::COUNTS && self.is_local(*register) {
            *register = Value::NIL;
        }
        self.parent.take(register, dead);
    }
    #[inline(always)]
    fn clear(&mut self, registers: &mut [Value]) {
        if Self::COUNTS {
            for register in registers {
                if self.is_local(*register) {
                    *register = Value::NIL;
                } else {
                    self.parent.clear(std::slice::from_mut(register));
                }
            }
        }
    }
    #[inline(always)]
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.parent.load(o, i)
    }
    #[inline(always)]
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.parent.load_weak(o, i)
    }
    #[inline(always)]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.note_init(o, i, v);
        if Self::COUNTS && self.is_local(v) {
            o.set_slot(i, v);
        } else {
            self.parent.init(o, i, v);
        }
    }
    #[inline(always)]
    fn init_local_slots(&mut self, o: Obj, first: usize, values: &[Value]) {
        if !Self::LOCALS || !self.frames.contain(o) {
            return self.init_slots(o, first, values);
        }
        // F4. (An iterator's `fold` would be a call.)
        for (n, &v) in values.iter().enumerate() {
            o.set_slot(first + n, v);
        }
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        if !self.try_store(o, i, v) {
            self.drain_log();
            let done = self.try_store(o, i, v);
            debug_assert!(done, "the log is empty");
        }
    }
    #[inline(always)]
    fn try_store(&mut self, o: Obj, i: usize, v: Value) -> bool {
        if !self.note_store(o, i, v) {
            return false;
        }
        if Self::COUNTS {
            let mut word = o.slot(i);
            if self.is_local(word) {
                o.set_slot(i, Value::NIL);
                word = Value::NIL;
            }
            if self.is_local(v) {
                o.set_slot(i, v);
                self.parent.clear(std::slice::from_mut(&mut word));
            } else {
                self.parent.store(o, i, v);
            }
        } else if self.is_local_object(o) || self.is_local(v) {
            // No barrier of the parent: it does not know one of the two (I4, I5).
            o.set_slot(i, v);
        } else {
            self.parent.store(o, i, v);
        }
        true
    }
    #[inline(always)]
    fn relieve(&mut self) {
        if self.log.is_full() {
            self.drain_log();
        }
        self.parent.relieve();
    }
    #[inline(always)]
    fn pending(&self) -> bool {
        self.parent.pending()
    }
    fn drain(&mut self) {
        self.parent.drain();
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.parent.wants_collection()
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        if self.is_local_object(o) {
            self.settle();
            let owner = self.owner(o);
            let mut table = self.table.borrow_mut();
            let region = table.region(owner);
            assert!(!region.is_stack, "{o:?} is watched, but local: escape analysis is wrong");
            region.watched.push((o, why));
        } else {
            self.parent.watch(o, why);
        }
    }
    #[inline(always)]
    fn try_enter(&mut self) -> Option<Region> {
        self.try_enter_prepared()
    }
    #[inline(always)]
    fn try_leave(&mut self, region: Region, live: LiveRegisters<'_>) -> bool {
        self.try_leave_open(region, live)
    }
    fn enter(&mut self) -> Region {
        self.settle();
        self.flush_bump();
        self.release_finished();
        let (owner, token) = {
            let mut table = self.table.borrow_mut();
            let owner = table.open(self.current);
            (owner, table.token(owner))
        };
        if self.entry.owner == NOBODY {
            self.entry = Entry::new(owner, token, Bump::EMPTY);
            if let Some(token) = self.try_enter_prepared() {
                return token;
            }
            self.entry = Entry::NONE;
        }
        self.enters += 1;
        let locals = Self::LOCALS.then(|| self.locals_at_enter());
        self.table.borrow_mut().region(owner).locals_before = locals;
        self.enter_owner(owner);
        token
    }
    fn leave(
        &mut self,
        region: Region,
        result: &mut Value,
        live: &mut LiveWords<'_>,
        at: &mut Safepoint<'_>,
    ) {
        self.settle();
        let owner = self.table.borrow().of_token(region);
        assert_eq!(owner, self.current, "regions are left innermost first");
        self.drain_log();
        if Self::LOCALS {
            let locals = self.table.borrow_mut().region(owner).locals_before.take();
            self.end_locals_since(locals.expect("kept since `enter`"));
        }
        self.promoted.clear();
        self.flush_region();
        let mut leaving = Leaving { owner, live };
        let sources = self.sources(&mut leaving, *result, at);
        let (outer, pinned) = {
            let mut table = self.table.borrow_mut();
            let region = table.region(owner);
            (region.outer, region.pins > 0)
        };
        // Copies go to the parent, also where the outer region would have room.
        if pinned || !(sources.is_empty() || self.promote(&mut leaving, sources, result, at)) {
            self.retire(owner);
        } else if outer == NOBODY && self.entry.owner == NOBODY && !self.poisons {
            self.renew(owner);
        } else {
            self.release(owner);
        }
        self.enter_owner(outer);
        if outer == NOBODY {
            self.frames.holds = false;
        }
    }
    fn promoted(&self, f: &mut dyn FnMut(Obj)) {
        self.promoted.iter().for_each(|&o| f(o));
    }
    #[inline(always)]
    fn escape(&mut self, v: Value) {
        if self.is_local(v) {
            self.share(v);
        }
    }
    #[inline(always)]
    fn try_escape(&mut self, v: Value) -> bool {
        !self.is_local(v)
    }
    #[inline(always)]
    fn suspend(&mut self) -> Region {
        let nothing = self.current == NOBODY && !(Self::LOCALS && self.frames.are_open());
        if nothing { Region::NONE } else { self.suspend_slow() }
    }
    #[inline(always)]
    fn resume(&mut self, innermost: Region) {
        debug_assert_eq!(self.current, NOBODY);
        if innermost != Region::NONE {
            self.resume_slow(innermost);
        }
    }
    fn abandon(&mut self, innermost: Region) {
        if innermost == Region::NONE {
            return;
        }
        self.drain_log();
        let first = self.table.borrow().of_token(innermost);
        let (mut owner, stack) = self.table.borrow_mut().region_and_stack(first);
        while owner != NOBODY {
            let (outer, pins) = {
                let mut table = self.table.borrow_mut();
                let region = table.region(owner);
                (region.outer, region.pins)
            };
            if pins > 0 {
                self.retire(owner);
            } else {
                self.release(owner);
            }
            owner = outer;
        }
        if stack != NOBODY {
            self.table.borrow_mut().close(stack);
        }
    }
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
        if !self.is_local_object(o) {
            return self.parent.pin(o, at);
        }
        self.settle();
        let owner = self.owner(o);
        self.table.borrow_mut().region(owner).pins += 1;
        Ok(())
    }
    fn unpin(&mut self, o: Obj) {
        if !self.is_local_object(o) {
            return self.parent.unpin(o);
        }
        let owner = self.owner(o);
        self.table.borrow_mut().region(owner).pins -= 1;
    }
    fn flush(&mut self) {
        self.promoted.clear();
        self.flush_region();
        self.put_prepared_away();
        {
            let counters = &mut self.table.borrow_mut().counters;
            counters.region_enters += std::mem::take(&mut self.enters);
            counters.region_bytes += std::mem::take(&mut self.region_bytes);
        }
        if Self::LOCALS {
            self.publish_frames();
        }
        self.parent.flush();
    }
}
