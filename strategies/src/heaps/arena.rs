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
//!   *remembered*: (object, slot number). Remembered objects are roots until the region ends.
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
//!
//! Leaving a region
//! 1. Sources: the block's value, live words of the task, remembered slots, watched objects; all
//!    roots if it is shared. None: go to 6.
//! 2. What they reach inside the region is marked, and each gets a copy, empty. This may collect; the
//!    originals are still whole. If there is no memory, the region is *retired* instead: it stays,
//!    and goes when a collection finds nothing in it alive.
//! 3. Contents are copied, originals are left with the address of their copy.
//! 4. Slots of the copies get the addresses of copies, through the parent's barrier.
//! 5. So do all words of step 1.
//! 6. Counting parents: what the region's objects hold is dropped. The chunks go back.
//!
//! Costs: allocation as in the parent's nursery-less best case, one compare more outside of regions;
//! a store = one compare, and a load if it stores a reference into a region. Leaving is O(1) when
//! nothing escaped (a counting parent: O(objects), when one of them held a counted reference), else
//! in proportion to what did, plus all roots if the region is shared.
//! Source: Tofte, Talpin 1997 (regions); Hanson 1990 (chunks); promotion as in the request arenas of
//! servers, with a remembered set as in Ungar 1984. Departs from all: escapes need not be known
//! statically, and identity is kept.
//! Parameters: `regions`, and the parent's.
//! It does not promote into an outer region, and does not free inside of a region. The remembered
//! objects of a retired region stay roots, so what they reach stays as long as they refer to it.

use std::cell::RefCell;
use std::rc::Rc as Shared;

use menagerie::heap::{
    Barrier, Cause, Collection, Dirty, Heap, HeapConfig, HeapError, HeapInfo, LiveWords, Liveness,
    Mutator, Oom, Parameter, Region, Roots, Safepoint, Usage, Watch,
};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;

use super::mark_sweep::MarkSweep;
use crate::parts::bump::Bump;
use crate::parts::bytes::bytes_of;
use crate::parts::copy::{forwarded, leave_forwarding};
use crate::parts::regions::{CHUNK, ChunkPool, NOBODY, Owner, Owners, RegionMemory, slots_mut};

/// In an object's gc byte: reached from outside of the regions (collections).
const LIVE: u8 = 1;
/// To be promoted.
const LEAVING: u8 = 2;
/// How many remembered slots a region has before they are looked through for repetitions.
const TIDY: usize = 1024;

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

impl Parent for MarkSweep {
    const ARENA: HeapInfo = HeapInfo {
        name: "arena",
        summary: "regions for arena blocks over mark-sweep, promotion of what escapes",
        barrier: Barrier::Remembering,
        parameters: &[
            REGIONS,
            <MarkSweep>::INFO.parameters[0],
            <MarkSweep>::INFO.parameters[1],
            <MarkSweep>::INFO.parameters[2],
        ],
        ..<MarkSweep>::INFO
    };
}
/// A remembered slot (I2); the object is in [`RegionState::holders`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Remembered {
    slot: u32,
    /// The region that the object is in, by its serial number; 0 = the parent's.
    serial: u64,
    /// What the slot held, during a collection (I4).
    hidden: Value,
}

#[derive(Debug, Default)]
struct RegionState {
    /// 0 = not in use. Never the same for two regions.
    serial: u64,
    generation: u32,
    outer: u32,
    memory: RegionMemory,
    /// The objects of `remembered`: words, so that the parent can update them.
    holders: Vec<Value>,
    remembered: Vec<Remembered>,
    /// When to look for repetitions among them.
    tidy_at: usize,
    shared: bool,
    retired: bool,
    /// How many pins its objects have: then it is retired at its end, nothing moves.
    pins: usize,
    /// Weak references point at these, or they have finalizers: promoted whatever happens.
    watched: Vec<(Obj, Watch)>,
}

/// Counters, by the names that statistics show.
#[derive(Clone, Copy, Default, Debug)]
struct Counters {
    region_enters: u64,
    region_escapes: u64,
    region_retired: u64,
    region_bytes: u64,
    region_fallbacks: u64,
    promoted_objects: u64,
    promoted_bytes: u64,
}

#[derive(Debug)]
struct State {
    limit: usize,
    pool: ChunkPool,
    regions: Vec<RegionState>,
    free: Vec<Owner>,
    serial: u64,
    /// Fresh copies that a collection must keep, and the block's value before them.
    copies: Vec<Value>,
    /// Of the regions, after the last collection.
    live_bytes: usize,
    /// Retired regions that hold nothing alive any more.
    finished: Vec<Owner>,
    counters: Counters,
}

impl State {
    /// Whether there is no region.
    fn is_idle(&self) -> bool {
        self.free.len() == self.regions.len()
    }
    fn region(&mut self, owner: Owner) -> &mut RegionState {
        &mut self.regions[owner as usize - 1]
    }
    fn owner_of(&self, o: Obj) -> Owner {
        self.pool.owner_at(o.address())
    }
    fn is_in(&self, v: Value, owner: Owner) -> Option<Obj> {
        v.as_object().filter(|&o| self.owner_of(o) == owner)
    }
    fn is_local(&self, v: Value) -> bool {
        v.as_object().is_some_and(|o| self.owner_of(o) != NOBODY)
    }
    fn open(&mut self, outer: Owner) -> Owner {
        self.serial += 1;
        self.counters.region_enters += 1;
        let owner = self.free.pop().unwrap_or_else(|| {
            self.regions.push(RegionState::default());
            self.regions.len() as Owner
        });
        let serial = self.serial;
        let region = self.region(owner);
        (region.serial, region.outer, region.tidy_at) = (serial, outer, TIDY);
        owner
    }
    fn token(&self, owner: Owner) -> Region {
        match owner {
            NOBODY => Region::NONE,
            _ => {
                let generation = self.regions[owner as usize - 1].generation;
                Region(u64::from(owner) | u64::from(generation) << 32)
            }
        }
    }
    /// The region's number; a token of a region that has ended is an error of the interpreter.
    fn of_token(&self, token: Region) -> Owner {
        let owner = token.0 as Owner;
        assert_eq!(
            self.token(owner),
            token,
            "the region has ended: leave it once, innermost first"
        );
        owner
    }
    /// Whether region `inner` lies in region `outer`, or is it.
    fn is_inside(&self, mut inner: Owner, outer: Owner) -> bool {
        while inner != NOBODY && inner != outer {
            inner = self.regions[inner as usize - 1].outer;
        }
        inner == outer
    }
    fn used_bytes(&self) -> usize {
        self.regions.iter().map(|region| region.memory.bytes(&self.pool)).sum()
    }
    /// The chunks go back; the region's place is free for another.
    fn close(&mut self, owner: Owner) {
        let region = &mut self.regions[owner as usize - 1];
        self.counters.region_bytes += region.memory.bytes(&self.pool) as u64;
        region.memory.release(&mut self.pool);
        region.generation = region.generation.wrapping_add(1);
        region.holders.clear();
        region.remembered.clear();
        region.watched.clear();
        (region.serial, region.shared, region.retired) = (0, false, false);
        self.free.push(owner);
    }
    /// Whether the object of a remembered slot is still there.
    fn is_current(&self, holder: Value, remembered: &Remembered) -> bool {
        let o = holder.as_object().expect("holders are objects");
        match self.owner_of(o) {
            NOBODY => remembered.serial == 0,
            owner => self.regions[owner as usize - 1].serial == remembered.serial,
        }
    }
}

// ---- collections of the parent ----

/// Every object of a region that the program can reach, marked `LIVE`.
fn mark_live(state: &State, sources: Vec<Obj>) -> Vec<Obj> {
    let mut stack = sources;
    let mut live = Vec::new();
    while let Some(o) = stack.pop() {
        if o.gc_byte() & LIVE == 0 {
            o.set_gc_byte(o.gc_byte() | LIVE);
            live.push(o);
            let children = (0..o.traced_slots()).filter_map(|i| o.slot(i).as_object());
            stack.extend(children.filter(|&child| state.owner_of(child) != NOBODY));
        }
    }
    live
}

/// The roots as the parent sees them (I4, I5).
struct ParentRoots<'a> {
    roots: &'a mut dyn Roots,
    state: &'a RefCell<State>,
    live: &'a [Obj],
    /// Remembered objects and fresh copies.
    held: &'a mut [Value],
}

/// Calls `f` on the runs of words between references into regions.
fn runs(state: &State, mut words: &mut [Value], f: &mut dyn FnMut(&mut [Value])) {
    while !words.is_empty() {
        let end = words.iter().position(|&v| state.is_local(v)).unwrap_or(words.len());
        let (run, rest) = words.split_at_mut(end);
        if !run.is_empty() {
            f(run);
        }
        words = rest.get_mut(1..).unwrap_or_default();
    }
}

impl ParentRoots<'_> {
    fn own(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        let state = self.state.borrow();
        for &o in self.live {
            if o.traced_slots() > 0 {
                // SAFETY: alive; the world is stopped.
                runs(&state, unsafe { slots_mut(o) }, f);
            }
        }
        runs(&state, self.held, f);
    }
}

impl Roots for ParentRoots<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        let state = self.state.borrow();
        self.roots.slices(&mut |slice, dirty| runs(&state, slice, &mut |run| f(run, dirty)));
        drop(state);
        self.own(&mut |run| f(run, Dirty::Yes));
    }
    fn recent(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        let state = self.state.borrow();
        self.roots.recent(&mut |slice| runs(&state, slice, f));
        drop(state);
        self.own(f);
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.roots.weak(&mut RegionsLive { parent: live, state: self.state })
    }
    /// Values in regions are hidden (I4).
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.roots.weak_values(f);
    }
}

/// What the world asks of is alive in a region: it is watched, so it was a source.
struct RegionsLive<'a> {
    parent: &'a mut dyn Liveness,
    state: &'a RefCell<State>,
}

impl Liveness for RegionsLive<'_> {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        if self.state.borrow().owner_of(o) != NOBODY {
            return Some(o);
        }
        self.parent.current(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.parent.keep(o)
    }
    fn hold(&mut self, o: Obj) -> Obj {
        self.parent.hold(o)
    }
}

impl State {
    /// What outside words hold in regions; remembered slots that lead nowhere any more are ignored.
    fn sources(&mut self, roots: &mut dyn Roots) -> Vec<Obj> {
        let mut sources = Vec::new();
        let mut visit = |v: Value| sources.extend(v.as_object().filter(|_| self.is_local(v)));
        roots.slices(&mut |slice, _| slice.iter().for_each(|&v| visit(v)));
        for region in &self.regions {
            region.watched.iter().for_each(|&(o, _)| visit(Value::object(o)));
            for (&holder, remembered) in region.holders.iter().zip(&region.remembered) {
                if remembered.serial == 0 {
                    let holder = holder.as_object().expect("holders are objects");
                    visit(holder.slot(remembered.slot as usize));
                }
            }
        }
        sources
    }
    /// Takes references into regions out of the parent's objects (I4).
    fn hide(&mut self) -> Vec<Value> {
        let mut held = std::mem::take(&mut self.copies);
        let mut regions = std::mem::take(&mut self.regions);
        for region in &mut regions {
            for (&holder, remembered) in region.holders.iter().zip(&mut region.remembered) {
                if remembered.serial == 0 {
                    let (o, slot) =
                        (holder.as_object().expect("an object"), remembered.slot as usize);
                    // A slot that is remembered twice is hidden once: nil stays nil.
                    remembered.hidden = o.slot(slot);
                    if self.is_local(remembered.hidden) {
                        o.set_slot(slot, Value::NIL);
                    }
                }
            }
            held.extend(&region.holders);
        }
        self.regions = regions;
        held
    }
    fn unhide(&mut self, held: Vec<Value>, copies: usize) {
        let mut rest = held[copies..].iter();
        let mut regions = std::mem::take(&mut self.regions);
        for region in &mut regions {
            for (holder, remembered) in region.holders.iter_mut().zip(&mut region.remembered) {
                *holder = *rest.next().expect("as many as before");
                let hidden = std::mem::replace(&mut remembered.hidden, Value::NIL);
                if self.is_local(hidden) {
                    let o = holder.as_object().expect("an object");
                    o.set_slot(remembered.slot as usize, hidden);
                }
            }
        }
        self.regions = regions;
        self.copies = held;
        self.copies.truncate(copies);
    }
    /// Retired regions without a live object have ended.
    fn finish_retired(&mut self, live: &[Obj]) {
        let alive: Vec<Owner> = live.iter().map(|&o| self.owner_of(o)).collect();
        for owner in 1..=self.regions.len() as Owner {
            if self.region(owner).retired && !alive.contains(&owner) {
                self.region(owner).retired = false;
                self.finished.push(owner);
            }
        }
    }
}

/// Regions over a parent heap.
#[derive(Debug)]
pub struct Arena<P: Heap> {
    parent: P,
    state: Shared<RefCell<State>>,
}

// SAFETY: a region's objects are disjoint from the parent's. They go only when their region ends,
// after everything that refers to them (I2, I3) has been given the address of a copy.
unsafe impl<P: Parent> Heap for Arena<P> {
    type Mutator = ArenaMutator<P>;
    const INFO: HeapInfo = P::ARENA;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let text = config.parameter(&Self::INFO, REGIONS.name);
        let asked = bytes_of(text).ok_or_else(|| {
            HeapError(format!("regions={text}: expected bytes, also as KiB or MiB"))
        })?;
        let bytes = asked.min(config.limit_bytes / 8) / CHUNK * CHUNK;
        let mut parent = config.clone();
        parent.limit_bytes -= bytes;
        parent.parameters.retain(|(name, _)| name != REGIONS.name);
        let parent = P::new(&parent)?;
        let pool = ChunkPool::new(bytes, config.poison).ok_or_else(|| {
            HeapError(format!("the system refuses to reserve {bytes} bytes: lower `regions`"))
        })?;
        let state = State {
            limit: config.limit_bytes,
            pool,
            regions: Vec::new(),
            free: Vec::new(),
            serial: 0,
            copies: Vec::new(),
            live_bytes: 0,
            finished: Vec::new(),
            counters: Counters::default(),
        };
        Ok(Arena { parent, state: Shared::new(RefCell::new(state)) })
    }
    fn mutator(&self) -> ArenaMutator<P> {
        let state = self.state.borrow();
        ArenaMutator {
            bump: Bump::EMPTY,
            has_room: false,
            holds: false,
            current: NOBODY,
            start: state.pool.start(),
            bytes: state.pool.bytes(),
            parent: self.parent.mutator(),
            owners: state.pool.owners(),
            promoted: Vec::new(),
            state: self.state.clone(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        if self.state.borrow().is_idle() {
            return self.parent.collect(roots, why);
        }
        let (live, mut held, copies) = {
            let state = &mut *self.state.borrow_mut();
            let sources = state.sources(roots);
            let live = mark_live(state, sources);
            let copies = state.copies.len();
            (live, state.hide(), copies)
        };
        let mut seen = ParentRoots { roots, state: &self.state, live: &live, held: &mut held };
        let mut collection = self.parent.collect(&mut seen, why);
        let state = &mut *self.state.borrow_mut();
        state.unhide(held, copies);
        state.finish_retired(&live);
        live.iter().for_each(|o| o.set_gc_byte(o.gc_byte() & !LIVE));
        let bytes = state.used_bytes();
        state.live_bytes = bytes;
        collection.before_bytes += bytes;
        collection.after_bytes += bytes;
        collection
    }
    fn usage(&self) -> Usage {
        let (state, parent) = (self.state.borrow(), self.parent.usage());
        let (used, counters) = (state.used_bytes(), state.counters);
        let local = used as u64 + counters.region_bytes;
        Usage {
            limit_bytes: state.limit,
            reserved_bytes: parent.reserved_bytes + state.pool.taken_bytes(),
            used_bytes: parent.used_bytes + used,
            live_bytes: parent.live_bytes + used.min(state.live_bytes),
            allocated_bytes: parent.allocated_bytes + local - counters.promoted_bytes,
            collections: parent.collections,
        }
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let state = self.state.borrow();
        let c = state.counters;
        let mut counters = vec![
            ("region_enters", c.region_enters),
            ("region_escapes", c.region_escapes),
            ("region_retired", c.region_retired),
            ("region_bytes", c.region_bytes + state.used_bytes() as u64),
            ("region_fallbacks", c.region_fallbacks),
            ("promoted_objects", c.promoted_objects),
            ("promoted_bytes", c.promoted_bytes),
        ];
        counters.extend(self.parent.counters());
        counters
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        let local = self.state.borrow().owner_of(o) != NOBODY;
        if local { None } else { self.parent.reference_count(o) }
    }
}

/// Its mutator: the buffer of the running task's innermost region, and the parent's mutator.
#[derive(Debug)]
pub struct ArenaMutator<P: Heap> {
    bump: Bump,
    /// Whether the slow path may find room in the region.
    has_room: bool,
    /// Whether an object of a region may hold a counted reference.
    holds: bool,
    current: Owner,
    start: usize,
    bytes: usize,
    parent: P::Mutator,
    owners: Owners,
    /// What the last `leave` promoted.
    promoted: Vec<Obj>,
    state: Shared<RefCell<State>>,
}

/// Whether objects of a kind may be in a region (I6).
#[inline(always)]
fn may_be_local(kind: ObjectKind) -> bool {
    use ObjectKind::{Actor, Channel, Ephemerons, Mutex, Task, Waiter, Weak, WeakMap};
    !matches!(kind, Task | Channel | Mutex | Actor | Waiter | Weak | WeakMap | Ephemerons)
}

impl<P: Parent> ArenaMutator<P> {
    const COUNTS: bool = <P::Mutator as Mutator>::COUNTS;

    #[inline(always)]
    fn is_local_object(&self, o: Obj) -> bool {
        o.address().wrapping_sub(self.start) < self.bytes
    }
    #[inline(always)]
    fn is_local(&self, v: Value) -> bool {
        // SAFETY: just tested.
        v.is_object() && self.is_local_object(unsafe { v.object_unchecked() })
    }
    #[inline(always)]
    fn owner(&self, o: Obj) -> Owner {
        self.owners[(o.address() - self.start) / CHUNK].get()
    }
    /// The slot is going to refer into a region; must that be remembered (I2)?
    #[inline(always)]
    fn note(&mut self, o: Obj, i: usize, v: Value) {
        if self.is_local(v) {
            // SAFETY: just tested.
            let target = self.owner(unsafe { v.object_unchecked() });
            if !self.is_local_object(o) || self.owner(o) != target {
                self.remember(o, i, target);
            }
        } else if Self::COUNTS && v.is_object() {
            self.holds = true;
        }
    }
    #[cold]
    #[inline(never)]
    fn remember(&mut self, o: Obj, i: usize, target: Owner) {
        let shared = self.state.clone();
        let state = &mut *shared.borrow_mut();
        let owner = state.owner_of(o);
        if owner != NOBODY && state.is_inside(owner, target) {
            return;
        }
        let serial = if owner == NOBODY { 0 } else { state.region(owner).serial };
        let mut holder = Value::object(o);
        if state.region(target).remembered.len() >= state.region(target).tidy_at {
            self.tidy(state, target);
        }
        if Self::COUNTS && owner == NOBODY {
            holder = Value::NIL;
            self.parent.set(&mut holder, Value::object(o));
        }
        let region = state.region(target);
        region.holders.push(holder);
        region.remembered.push(Remembered { slot: i as u32, serial, hidden: Value::NIL });
    }
    /// Forgets repetitions among remembered slots, and slots that refer elsewhere by now.
    fn tidy(&mut self, state: &mut State, owner: Owner) {
        let region = state.region(owner);
        let holders = std::mem::take(&mut region.holders);
        let remembered = std::mem::take(&mut region.remembered);
        let mut seen = std::collections::HashSet::new();
        for (mut holder, slot) in holders.into_iter().zip(remembered) {
            let needed = state.is_current(holder, &slot) && {
                let o = holder.as_object().expect("an object");
                state.is_in(o.slot(slot.slot as usize), owner).is_some()
                    && seen.insert((holder, slot.slot))
            };
            if needed {
                let region = state.region(owner);
                region.holders.push(holder);
                region.remembered.push(slot);
            } else {
                self.forget(&mut holder, slot);
            }
        }
        let region = state.region(owner);
        region.tidy_at = TIDY.max(2 * region.remembered.len());
    }
    /// A holder goes out of use.
    fn forget(&mut self, holder: &mut Value, remembered: Remembered) {
        if Self::COUNTS && remembered.serial == 0 {
            self.parent.clear(std::slice::from_mut(holder));
        }
    }
    /// The buffer goes back to the region.
    fn flush_region(&mut self) {
        if self.bump.limit() != 0 {
            let bump = std::mem::replace(&mut self.bump, Bump::EMPTY);
            self.state.borrow_mut().region(self.current).memory.suspend(bump);
        }
    }
    /// An object of the current region, if the pool has room.
    fn alloc_in_region(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.flush_region();
        let state = &mut *self.state.borrow_mut();
        let memory = &mut state.regions[self.current as usize - 1].memory;
        self.bump = memory.resume(&state.pool);
        if let Some(o) = self.bump.alloc(layout) {
            return Some(o);
        }
        if self.bump.limit() != 0 {
            memory.suspend(self.bump);
        }
        let o = memory.alloc(self.current, layout, &mut state.pool);
        self.bump = memory.resume(&state.pool);
        if o.is_none() {
            state.counters.region_fallbacks += 1;
            self.has_room = layout.size() > CHUNK;
        }
        o
    }
    fn enter_owner(&mut self, owner: Owner) {
        self.current = owner;
        self.has_room = owner != NOBODY;
    }
    /// Writes a word that may hold a reference into a region, and is no slot.
    #[inline(always)]
    fn set_word(&mut self, word: &mut Value, v: Value) {
        if !Self::COUNTS {
            return self.parent.set(word, v);
        }
        if self.is_local(*word) {
            *word = Value::NIL;
        }
        if self.is_local(v) {
            self.parent.clear(std::slice::from_mut(word));
            *word = v;
        } else {
            self.parent.set(word, v);
        }
    }
}

// ---- leaving ----

/// What `leave` works on.
struct Leaving<'a, 'b> {
    owner: Owner,
    live: &'a mut LiveWords<'b>,
}

impl<P: Parent> ArenaMutator<P> {
    /// Step 1.
    fn sources(
        &mut self,
        leaving: &mut Leaving<'_, '_>,
        result: Value,
        at: &mut Safepoint<'_>,
    ) -> Vec<Obj> {
        let state = self.state.borrow();
        let region = &state.regions[leaving.owner as usize - 1];
        let mut sources = Vec::new();
        let mut visit = |v: Value| sources.extend(state.is_in(v, leaving.owner));
        visit(result);
        (leaving.live)(&mut |word| visit(*word));
        for (&holder, remembered) in region.holders.iter().zip(&region.remembered) {
            if state.is_current(holder, remembered) {
                let o = holder.as_object().expect("an object");
                visit(o.slot(remembered.slot as usize));
            }
        }
        region.watched.iter().for_each(|&(o, _)| visit(Value::object(o)));
        if region.shared {
            at.roots(&mut |roots| {
                roots.slices(&mut |slice, _| slice.iter().for_each(|&v| visit(v)));
            });
        }
        sources
    }
    /// Step 2: the originals. Their copies are in [`State::copies`], behind the result.
    fn make_copies(
        &mut self,
        owner: Owner,
        sources: Vec<Obj>,
        result: Value,
        at: &mut Safepoint<'_>,
    ) -> Result<Vec<Obj>, Vec<Obj>> {
        let mut originals = Vec::new();
        let mut stack = sources;
        {
            let mut state = self.state.borrow_mut();
            while let Some(o) = stack.pop() {
                if o.gc_byte() & LEAVING == 0 {
                    o.set_gc_byte(o.gc_byte() | LEAVING);
                    originals.push(o);
                    stack.extend(
                        (0..o.traced_slots()).filter_map(|i| state.is_in(o.slot(i), owner)),
                    );
                }
            }
            let other = result.as_object().is_some_and(|o| state.owner_of(o) == NOBODY);
            state.copies.push(if other { result } else { Value::NIL });
        }
        for o in &originals {
            let layout = o.layout();
            let copy = match self.parent.try_alloc(layout) {
                Some(copy) => copy,
                None => match self.parent.alloc_slow(layout, at) {
                    Ok(copy) => copy,
                    Err(Oom) => return Err(originals),
                },
            };
            if layout.kind.is_raw() {
                (0..layout.body_bytes() / 8).for_each(|i| copy.set_raw_word(i, o.raw_word(i)));
            } else {
                (0..copy.len()).for_each(|i| self.parent.init(copy, i, Value::NIL));
            }
            self.state.borrow_mut().copies.push(Value::object(copy));
        }
        Ok(originals)
    }
    /// Steps 3 and 4.
    fn fill_copies(&mut self, originals: &[Obj], copies: &[Obj]) {
        for (o, copy) in originals.iter().zip(copies) {
            (0..o.traced_slots()).for_each(|i| copy.set_slot(i, o.slot(i)));
            leave_forwarding(*o, *copy);
        }
        for &copy in copies {
            for i in 0..copy.traced_slots() {
                let v = copy.slot(i);
                if v.is_object() {
                    copy.set_slot(i, Value::NIL);
                    self.store(copy, i, self.resolve(v));
                }
            }
        }
    }
    /// A word's new value after promotion.
    fn resolve(&self, v: Value) -> Value {
        if !self.is_local(v) {
            return v;
        }
        v.as_object().and_then(forwarded).map_or(v, Value::object)
    }
    fn fix_word(&mut self, word: &mut Value) {
        let now = self.resolve(*word);
        if now != *word {
            self.set_word(word, now);
        }
    }
    /// Step 5, but for the result.
    fn fix(&mut self, leaving: &mut Leaving<'_, '_>, at: &mut Safepoint<'_>) {
        (leaving.live)(&mut |word| self.fix_word(word));
        let (holders, remembered, watched, shared) = {
            let mut state = self.state.borrow_mut();
            let region = state.region(leaving.owner);
            (
                std::mem::take(&mut region.holders),
                std::mem::take(&mut region.remembered),
                std::mem::take(&mut region.watched),
                region.shared,
            )
        };
        for (mut holder, slot) in holders.into_iter().zip(remembered) {
            if self.state.borrow().is_current(holder, &slot) {
                let (o, i) = (holder.as_object().expect("an object"), slot.slot as usize);
                let now = self.resolve(o.slot(i));
                if now != o.slot(i) {
                    o.set_slot(i, Value::NIL);
                    self.store(o, i, now);
                }
            }
            self.forget(&mut holder, slot);
        }
        if shared || !watched.is_empty() {
            at.roots(&mut |roots| {
                roots.slices(&mut |slice, _| slice.iter_mut().for_each(|v| self.fix_word(v)));
                let revived = roots.weak(&mut Forwarded { start: self.start, bytes: self.bytes });
                debug_assert!(!revived, "nothing has died");
            });
        }
        for (o, why) in watched {
            self.parent.watch(forwarded(o).expect("watched objects are promoted"), why);
        }
    }
    /// Steps 2 to 5; `false`: no memory.
    fn promote(
        &mut self,
        leaving: &mut Leaving<'_, '_>,
        sources: Vec<Obj>,
        result: &mut Value,
        at: &mut Safepoint<'_>,
    ) -> bool {
        let made = self.make_copies(leaving.owner, sources, *result, at);
        let copies = std::mem::take(&mut self.state.borrow_mut().copies);
        let objects = copies[1..].iter().filter_map(|v| v.as_object());
        let mut promoted = std::mem::take(&mut self.promoted);
        promoted.extend(objects);
        if copies[0] != Value::NIL {
            *result = copies[0];
        }
        match &made {
            Ok(originals) => {
                self.fill_copies(originals, &promoted);
                *result = self.resolve(*result);
                self.fix(leaving, at);
                let counters = &mut self.state.borrow_mut().counters;
                counters.region_escapes += 1;
                counters.promoted_objects += promoted.len() as u64;
            }
            Err(originals) => originals.iter().for_each(|o| o.set_gc_byte(o.gc_byte() & !LEAVING)),
        }
        let bytes: usize = promoted.iter().map(|o| o.size()).sum();
        self.state.borrow_mut().counters.promoted_bytes += bytes as u64;
        // A copy that nothing refers to (a watched object) dies like any.
        for &copy in promoted.iter().filter(|_| Self::COUNTS) {
            let mut word = Value::NIL;
            self.parent.set(&mut word, Value::object(copy));
            self.parent.clear(std::slice::from_mut(&mut word));
        }
        self.promoted = promoted;
        made.is_ok()
    }
    /// Step 6.
    fn release(&mut self, owner: Owner) {
        let shared = self.state.clone();
        let state = &mut *shared.borrow_mut();
        if Self::COUNTS && self.holds {
            let region = &state.regions[owner as usize - 1];
            region.memory.references(&state.pool, |mut v| {
                if !self.is_local(v) {
                    self.parent.clear(std::slice::from_mut(&mut v));
                }
            });
        }
        let region = state.region(owner);
        let holders = std::mem::take(&mut region.holders);
        for (mut holder, slot) in holders.into_iter().zip(std::mem::take(&mut region.remembered)) {
            self.forget(&mut holder, slot);
        }
        state.close(owner);
        self.holds &= !state.is_idle();
    }
    /// The region has ended, its objects stay.
    fn retire(&mut self, owner: Owner) {
        let mut state = self.state.borrow_mut();
        state.counters.region_retired += 1;
        let region = state.region(owner);
        (region.retired, region.outer) = (true, NOBODY);
    }
    /// Retired regions that a collection found empty.
    fn release_finished(&mut self) {
        loop {
            let Some(owner) = self.state.borrow_mut().finished.pop() else { return };
            self.release(owner);
        }
    }
}

/// The world's tables, after promotion.
struct Forwarded {
    start: usize,
    bytes: usize,
}

impl Liveness for Forwarded {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        let local = o.address().wrapping_sub(self.start) < self.bytes;
        Some(if local { forwarded(o).unwrap_or(o) } else { o })
    }
    fn keep(&mut self, o: Obj) -> Obj {
        unreachable!("{o:?} is alive")
    }
}

// SAFETY: as the heap.
unsafe impl<P: Parent> Mutator for ArenaMutator<P> {
    const COUNTS: bool = <P::Mutator as Mutator>::COUNTS;
    const REGIONS: bool = true;

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
        if self.has_room
            && may_be_local(layout.kind)
            && let Some(o) = self.alloc_in_region(layout)
        {
            return Ok(o);
        }
        self.flush_region();
        match self.parent.try_alloc(layout) {
            Some(o) => Ok(o),
            None => self.parent.alloc_slow(layout, at),
        }
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
        self.note(o, i, v);
        if Self::COUNTS && self.is_local(v) {
            o.set_slot(i, v);
        } else {
            self.parent.init(o, i, v);
        }
    }
    #[inline(always)]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.note(o, i, v);
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
            let owner = self.owner(o);
            self.state.borrow_mut().region(owner).watched.push((o, why));
        } else {
            self.parent.watch(o, why);
        }
    }
    fn enter(&mut self) -> Region {
        self.flush_region();
        self.release_finished();
        let mut state = self.state.borrow_mut();
        let owner = state.open(self.current);
        let token = state.token(owner);
        drop(state);
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
        self.flush_region();
        let owner = self.state.borrow().of_token(region);
        assert_eq!(owner, self.current, "regions are left innermost first");
        self.promoted.clear();
        let mut leaving = Leaving { owner, live };
        let sources = self.sources(&mut leaving, *result, at);
        let outer = self.state.borrow_mut().region(owner).outer;
        // Copies go to the parent, also where the outer region would have room.
        let pinned = self.state.borrow_mut().region(owner).pins > 0;
        if !pinned && (sources.is_empty() || self.promote(&mut leaving, sources, result, at)) {
            self.release(owner);
        } else {
            self.retire(owner);
        }
        self.enter_owner(outer);
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
    fn suspend(&mut self) -> Region {
        if self.current == NOBODY { Region::NONE } else { self.suspend_region() }
    }
    #[inline(always)]
    fn resume(&mut self, innermost: Region) {
        debug_assert_eq!(self.current, NOBODY);
        if innermost != Region::NONE {
            let owner = self.state.borrow().of_token(innermost);
            self.enter_owner(owner);
        }
    }
    fn abandon(&mut self, innermost: Region) {
        let mut owner = innermost.0 as Owner;
        while owner != NOBODY {
            let (outer, pins) = {
                let mut state = self.state.borrow_mut();
                let region = state.region(owner);
                (region.outer, region.pins)
            };
            if pins > 0 {
                self.retire(owner);
            } else {
                self.release(owner);
            }
            owner = outer;
        }
    }
    /// A region with a pinned object is retired at its end: it goes when nothing in it is alive.
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
        if !self.is_local_object(o) {
            return self.parent.pin(o, at);
        }
        let owner = self.owner(o);
        self.state.borrow_mut().region(owner).pins += 1;
        Ok(())
    }
    fn unpin(&mut self, o: Obj) {
        if !self.is_local_object(o) {
            return self.parent.unpin(o);
        }
        let owner = self.owner(o);
        self.state.borrow_mut().region(owner).pins -= 1;
    }
    fn flush(&mut self) {
        self.flush_region();
        self.parent.flush();
    }
}

impl<P: Parent> ArenaMutator<P> {
    #[cold]
    #[inline(never)]
    fn share(&mut self, v: Value) {
        let owner = self.owner(v.as_object().expect("an object"));
        self.state.borrow_mut().region(owner).shared = true;
    }
    /// From here on other tasks may find what is remembered or watched (I3).
    #[cold]
    fn suspend_region(&mut self) -> Region {
        self.flush_region();
        let mut state = self.state.borrow_mut();
        let mut owner = self.current;
        let token = state.token(owner);
        while owner != NOBODY {
            let region = state.region(owner);
            region.shared |= !region.remembered.is_empty() || !region.watched.is_empty();
            owner = region.outer;
        }
        drop(state);
        self.enter_owner(NOBODY);
        token
    }
}
