//! `Checked`: compares the heap's graph before and after every collection, and watches every
//! access in between. A violation panics with the offending edge and the seed.
//!
//! ```text
//!            before                                    after
//!   roots ─► 0 ─► 1 ─► 2       collect       roots ─► 0' ─► 1' ─► 2'     same shape, kinds,
//!             └───────►┘      ────────►                └────────►┘       classes, words, sharing
//! ```
//!
//! Before a collection the graph is walked from the roots, objects numbered in the order of
//! discovery, and their headers and words written down, references as numbers (a snapshot).
//! Afterwards a second walk pairs every number with the object that took its place: one number has
//! one object and the other way round, so that sharing must be the same, too.
//!
//! Invariants
//! - K1. `live` holds every address the program may use: what the heap handed out since the last
//!   collection, and what that collection left reachable. No other address is ever dereferenced,
//!   except after a collection of a moving heap, which may have put objects anywhere.
//! - K2. `fresh` holds what was allocated since the last safepoint: only that may be `init`ed. Its
//!   bodies are filled with [`POISON`], which no reachable slot may contain.
//! - K3. Weak slots are no part of the graph. After a collection the target of a reachable weak
//!   reference is nil or alive. A collection that does not ask the world about weak references has
//!   freed nothing: all that was in use remains so.
//! - K4. Weak processing may append to root slices and drop some (finalizers become ready).
//!   `Watched` follows which slice is which; words that were there before are compared, what was
//!   appended, and what the heap reported alive to the world, is validated only.
//! - K5. `pinned` has the places of pinned objects. No collection moves them; who unpins one finds it
//!   there.
//! - K6. A local object is not in use any more once its frame or region has ended (H11), whether or not
//!   the heap has its memory back by then. Slots that refer to one at its end are in garbage, or are
//!   written before the next collection.
//!
//! Between collections addresses may come back only after `drain` (a counting heap frees) or
//! `leave` (regions end). `poison` is forced on, so that what is freed looks freed. Costs: a hash
//! look-up per access, two walks of the graph per collection.
//!
//! Not checked: which unreachable objects are kept; uses of stale references by code that reads
//! slots without the mutator; when the poll is a safepoint that did not collect.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::locals::{Ended, Locals};
pub use super::shadow::POISON;
use super::shadow::{AddressMap, Edge, Shadow, held};
use super::walks::{After, Before, Watched, words_of};
use crate::heap::*;
use crate::object::{Obj, ObjectLayout};
use crate::value::Value;

/// A heap under observation.
#[derive(Debug)]
pub struct Checked<H> {
    inner: H,
    /// `None`: the option is off.
    shadow: Option<Arc<Mutex<Shadow>>>,
}

/// Its mutator.
#[derive(Debug)]
pub struct CheckedMutator<M> {
    inner: M,
    number: usize,
    shadow: Option<Arc<Mutex<Shadow>>>,
    /// Of the running task.
    locals: Locals,
    /// Of tasks that have given way, by their tokens.
    suspended: HashMap<u64, Locals>,
}

// SAFETY: everything is the wrapped heap's work; bodies of fresh objects, which nobody has
// initialised yet, are filled.
unsafe impl<H: Heap> Heap for Checked<H> {
    type Mutator = CheckedMutator<H::Mutator>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        if !config.checks.check {
            return Ok(Checked { inner: H::new(config)?, shadow: None });
        }
        let inner = H::new(&HeapConfig { poison: true, ..config.clone() })?;
        let shadow = Shadow {
            info: inner.info(),
            seed: config.checks.seed,
            live: AddressMap::default(),
            fresh: AddressMap::default(),
            mutators: 0,
            may_reuse: false,
            ended: AddressMap::default(),
            left_behind: HashSet::new(),
            pinned: AddressMap::default(),
            pinning: None,
            doing: "between collections",
        };
        Ok(Checked { inner, shadow: Some(Arc::new(Mutex::new(shadow))) })
    }
    fn mutator(&self) -> Self::Mutator {
        let number = self.shadow.as_deref().map_or(0, |shadow| {
            let mut shadow = held(shadow);
            shadow.mutators += 1;
            shadow.mutators
        });
        CheckedMutator {
            inner: self.inner.mutator(),
            number,
            shadow: self.shadow.clone(),
            locals: Locals::default(),
            suspended: HashMap::new(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        let Some(shadow) = &self.shadow else { return self.inner.collect(roots, why) };
        let mut shadow = held(shadow);
        shadow.doing = "before a collection";
        let before = Before::walk(&shadow, roots);
        shadow.left_behind.clear();
        let slices = (0..before.slices.len()).map(Some).collect();
        let mut watched = Watched { roots, slices, survivors: Vec::new(), asked: false };
        let collection = self.inner.collect(&mut watched, why);
        shadow.doing = match why {
            Cause::AllocationFailure => "after a collection (allocation failure)",
            Cause::Threshold => "after a collection (threshold)",
            Cause::Explicit => "after a collection (explicit)",
            Cause::Stress => "after a collection (stress)",
            Cause::LastResort => "after a collection (last resort)",
            Cause::NurseryFull => "after a collection (nursery full)",
            Cause::Candidates => "after a collection (candidates)",
            Cause::Finalization => "after a collection (finalization)",
            Cause::Pin => "after a collection (pin)",
        };
        let now = words_of(watched.roots);
        let mut after = After::new(&shadow, &before);
        after.walk(&now, &watched.slices, &watched.survivors);
        after.weak_targets(watched.asked);
        if shadow.info.barrier == Barrier::Counting {
            after.counts(|o| self.inner.reference_count(o), &now);
        }
        let pinning = shadow.pinning.and_then(|place| {
            let number = before.objects.iter().position(|p| p.address == place)?;
            after.places[number]
        });
        let (reported, reached) = (collection.after_bytes, after.live_bytes());
        if reported < reached {
            let why = format_args!("{reported} live bytes reported, {reached} reachable");
            shadow.broken(Edge::Operation("usage"), None, why);
        }
        let live = after.live;
        shadow.pinning = pinning;
        if watched.asked {
            shadow.live = live;
            shadow.may_reuse = false;
        } else {
            shadow.live.extend(live);
            // A counting heap frees without asking the world what it does not know of.
            shadow.may_reuse |= shadow.info.barrier == Barrier::Counting;
        }
        shadow.fresh.clear();
        shadow.doing = "between collections";
        collection
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
unsafe impl<H: SharedHeap> SharedHeap for Checked<H> {}

impl<M> CheckedMutator<M> {
    /// Asks the shadow, if the option is on.
    #[inline(always)]
    fn check(&self, f: impl FnOnce(&Shadow)) {
        if let Some(shadow) = &self.shadow {
            f(&held(shadow));
        }
    }
    /// Tells the shadow.
    #[inline(always)]
    fn tell(&self, f: impl FnOnce(&mut Shadow)) {
        if let Some(shadow) = &self.shadow {
            f(&mut held(shadow));
        }
    }
    /// A new local object: it ends with the innermost scope.
    fn local(&mut self, o: Obj, layout: ObjectLayout) -> Obj {
        let number = self.number;
        self.tell(|shadow| shadow.admit(o, layout, number));
        if self.shadow.is_some() {
            self.locals.add(o);
        }
        o
    }
    fn begin_scope(&mut self) {
        if self.shadow.is_some() {
            self.locals.begin();
        }
    }
    /// Before the heap has ended them: a scope's local objects.
    fn end_scope(&mut self, end: impl FnOnce(&mut Locals, &dyn Fn(Obj) -> bool) -> Ended) {
        if let Some(shadow) = &self.shadow {
            let mut shadow = held(shadow);
            let ended = end(&mut self.locals, &|o| shadow.live.contains_key(&o.address()));
            shadow.end_locals(ended.objects);
            shadow.left_behind.extend(ended.places);
        }
    }
    /// The slot is about to hold this value.
    fn note_local(&mut self, o: Obj, slot: usize, v: Value) {
        if !self.locals.is_empty() {
            self.locals.note(o, slot, v);
        }
        self.tell(|shadow| {
            shadow.left_behind.remove(&(o.address(), slot));
        });
    }
}

// SAFETY: as the wrapped mutator. No lock on the shadow is held while the wrapped mutator runs:
// it may collect, and the collection comes back to this wrapper.
unsafe impl<M: Mutator> Mutator for CheckedMutator<M> {
    const COUNTS: bool = M::COUNTS;
    const PARALLEL: bool = M::PARALLEL;
    const INLINE: bool = false;
    const REGIONS: bool = M::REGIONS;
    const FRAMES: bool = M::FRAMES;

    #[inline]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.inner.try_alloc(layout)?;
        let number = self.number;
        self.tell(|shadow| shadow.admit(o, layout, number));
        Some(o)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        // A safepoint, whether it collects or not (H1).
        let number = self.number;
        self.tell(|shadow| {
            shadow.safepoint(number);
            // A counting heap drains before it gives up.
            shadow.may_reuse |= M::PARALLEL && shadow.info.barrier == Barrier::Counting;
        });
        let o = self.inner.alloc_slow(layout, at)?;
        self.inner.promoted(&mut |o| self.tell(|shadow| shadow.promoted(o)));
        self.tell(|shadow| shadow.admit(o, layout, number));
        Ok(o)
    }
    #[inline]
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.inner.try_alloc_local(layout)?;
        Some(self.local(o, layout))
    }
    #[cold]
    fn alloc_local_slow(
        &mut self,
        layout: ObjectLayout,
        at: &mut Safepoint<'_>,
    ) -> Result<Obj, Oom> {
        let number = self.number;
        self.tell(|shadow| shadow.safepoint(number));
        let o = self.inner.alloc_local_slow(layout, at)?;
        self.inner.promoted(&mut |o| self.tell(|shadow| shadow.promoted(o)));
        Ok(self.local(o, layout))
    }
    #[inline]
    fn try_push_frame(&mut self) -> bool {
        let done = self.inner.try_push_frame();
        if done {
            self.begin_scope();
        }
        done
    }
    fn push_frame(&mut self) {
        self.inner.push_frame();
        self.begin_scope();
    }
    #[inline]
    fn try_pop_frame(&mut self) -> bool {
        // Checked heaps poison, so they need the other way, which comes after the look at slots.
        self.shadow.is_none() && self.inner.try_pop_frame()
    }
    fn pop_frame(&mut self) {
        self.end_scope(|locals, is_used| locals.end(is_used));
        self.inner.pop_frame();
    }
    #[inline]
    fn set(&mut self, register: &mut Value, v: Value) {
        self.check(|shadow| shadow.known_value(Edge::Operation("set"), v));
        self.inner.set(register, v);
    }
    #[inline]
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        self.check(|shadow| shadow.known_value(Edge::Operation("take"), *dead));
        self.inner.take(register, dead);
    }
    #[inline]
    fn clear(&mut self, registers: &mut [Value]) {
        self.inner.clear(registers);
    }
    #[inline]
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.check(|shadow| shadow.known_slot("load", o, i));
        let v = self.inner.load(o, i);
        self.check(|shadow| shadow.known_value(Edge::Slot { parent: o, slot: i }, v));
        v
    }
    #[inline]
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.check(|shadow| shadow.known_slot("load_weak", o, i));
        let v = self.inner.load_weak(o, i);
        self.check(|shadow| shadow.known_value(Edge::Slot { parent: o, slot: i }, v));
        v
    }
    #[inline]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.check(|shadow| {
            shadow.known_slot("init", o, i);
            shadow.known_value(Edge::Operation("init"), v);
            if !shadow.fresh.contains_key(&o.address()) {
                let why = format_args!("not allocated since the last safepoint");
                shadow.broken(Edge::Operation("init"), Some(o.address()), why);
            }
        });
        self.note_local(o, i, v);
        self.inner.init(o, i, v);
    }
    #[inline]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.check(|shadow| {
            shadow.known_slot("store", o, i);
            shadow.known_value(Edge::Operation("store"), v);
        });
        self.note_local(o, i, v);
        self.inner.store(o, i, v);
    }
    fn store_word(&mut self, word: &AtomicU64, v: Value) {
        self.check(|shadow| shadow.known_value(Edge::Operation("store_word"), v));
        self.inner.store_word(word, v);
    }
    fn load_word(&mut self, register: &mut Value, word: &AtomicU64) {
        self.inner.load_word(register, word);
        self.check(|shadow| shadow.known_value(Edge::Operation("load_word"), *register));
    }
    super::forward_counting!(inner);
    fn drain(&mut self) {
        // Before: another worker may be given what this frees at once.
        self.tell(|shadow| shadow.may_reuse = true);
        self.inner.drain();
    }
    fn offline(&mut self) {
        if self.inner.unsettled() {
            self.drain();
        }
        self.inner.offline();
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        self.check(|shadow| {
            shadow.known(Edge::Operation("watch"), o);
        });
        self.inner.watch(o, why);
    }
    fn try_enter(&mut self) -> Option<Region> {
        let region = self.inner.try_enter()?;
        if self.shadow.is_some() {
            self.locals.enter(region);
        }
        Some(region)
    }
    #[inline]
    fn try_leave(&mut self, region: Region, live: LiveRegisters<'_>) -> bool {
        // Checked heaps poison, so they need the other way, which comes after the look at slots.
        self.shadow.is_none() && self.inner.try_leave(region, live)
    }
    fn enter(&mut self) -> Region {
        let region = self.inner.enter();
        if self.shadow.is_some() {
            self.locals.enter(region);
        }
        region
    }
    fn leave(
        &mut self,
        region: Region,
        result: &mut Value,
        live: &mut LiveWords<'_>,
        at: &mut Safepoint<'_>,
    ) {
        let number = self.number;
        self.tell(|shadow| shadow.safepoint(number));
        self.end_scope(|locals, is_used| locals.leave(region, is_used));
        self.inner.leave(region, result, live, at);
        self.tell(|shadow| shadow.may_reuse = true);
        self.inner.promoted(&mut |o| self.tell(|shadow| shadow.promoted(o)));
        self.check(|shadow| shadow.known_value(Edge::Operation("leave"), *result));
    }
    fn promoted(&self, f: &mut dyn FnMut(Obj)) {
        self.inner.promoted(f);
    }
    fn escape(&mut self, v: Value) {
        self.inner.escape(v);
    }
    fn suspend(&mut self) -> Region {
        let innermost = self.inner.suspend();
        let locals = std::mem::take(&mut self.locals);
        if !locals.is_empty() && innermost != Region::NONE {
            self.suspended.insert(innermost.0, locals);
        }
        innermost
    }
    fn resume(&mut self, innermost: Region) {
        self.inner.resume(innermost);
        self.locals = self.suspended.remove(&innermost.0).unwrap_or_default();
    }
    fn abandon(&mut self, innermost: Region) {
        self.inner.abandon(innermost);
        let gone = self.suspended.remove(&innermost.0).unwrap_or_default().abandon();
        self.tell(|shadow| shadow.end_locals(gone));
    }
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
        let number = self.number;
        self.tell(|shadow| {
            shadow.known(Edge::Operation("pin"), o);
            shadow.safepoint(number);
            shadow.pinning = Some(o.address());
        });
        let done = self.inner.pin(o, at);
        self.tell(|shadow| {
            let place = shadow.pinning.take().expect("set above");
            if done.is_ok() {
                *shadow.pinned.entry(place).or_default() += 1;
            }
        });
        done
    }
    fn unpin(&mut self, o: Obj) {
        self.tell(|shadow| shadow.unpinned(o));
        self.inner.unpin(o);
    }
    fn flush(&mut self) {
        self.inner.flush();
    }
}
