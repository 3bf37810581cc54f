//! A heap with a model of its graph beside it.

use std::cell::RefCell;
use std::collections::HashMap;

use menagerie::check::Wrapped;
use menagerie::class::ClassId;
use menagerie::heap::{
    Cause, Collection, Dirty, Heap, HeapConfig, HeapError, LiveRegisters, Liveness, Mutator, Oom,
    Region, Roots, Safepoint, Stop, Usage, Watch,
};
use menagerie::ir::Program;
use menagerie::object::{Obj, ObjectKind, ObjectLayout, slots};
use menagerie::value::Value;
use menagerie::world::World;

/// What a slot or root holds in the model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Word {
    Is(Value),
    Node(usize),
}
pub(crate) const NIL: Word = Word::Is(Value::NIL);

/// Where a word comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum From {
    Root(usize),
    Int(i64),
}

/// An object in the model.
#[derive(Debug)]
struct Node {
    layout: ObjectLayout,
    slots: Vec<Word>,
    raw: Vec<u64>,
}

/// The heap, its only mutator, and the model. The roots are the world's globals; the first half of
/// them are the registers of the only task.
pub(crate) struct Machine {
    mutator: <Wrapped as Heap>::Mutator,
    heap: Wrapped,
    world: World,
    collections: Vec<(Cause, Collection)>,
    nodes: Vec<Node>,
    roots: Vec<Word>,
    /// What [`World::pins`] holds.
    pins: Vec<Word>,
    /// Weak references, as the world's list: also dead ones until a collection.
    weak: Vec<usize>,
    /// Weak maps, as the world's list.
    weak_maps: Vec<usize>,
    finalizers: Vec<(usize, Value)>,
    ready: Vec<(usize, Value)>,
    allocated_bytes: u64,
    /// Collections that the model knows of.
    modelled: usize,
    collects: bool,
    /// Regions that have been entered, outermost first.
    regions: Vec<Region>,
}

/// The machine as the one that stops the world.
struct WorldStop<'a> {
    heap: &'a Wrapped,
    world: &'a RefCell<&'a mut World>,
    log: &'a mut Vec<(Cause, Collection)>,
}
impl Stop for WorldStop<'_> {
    fn collect(&mut self, why: Cause) {
        let world = &mut **self.world.borrow_mut();
        self.log.push((why, self.heap.collect(&mut WorldRoots(world), why)));
    }
    fn roots(&mut self, f: &mut dyn FnMut(&mut dyn Roots)) {
        f(&mut WorldRoots(&mut self.world.borrow_mut()));
    }
}

struct WorldRoots<'a>(&'a mut World);
impl Roots for WorldRoots<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.0.root_slices(f);
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.0.process_weak(live)
    }
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.0.weak_values(f);
    }
}

/// Raw word `i` of node `n`.
fn pattern(n: usize, i: usize) -> u64 {
    (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i as u64
}

impl Machine {
    pub(crate) fn new(config: &HeapConfig, roots: usize) -> Result<Machine, HeapError> {
        let heap = <Wrapped>::new(config)?;
        let mut world = World::new(Program::default());
        world.globals = vec![Value::NIL; roots];
        Ok(Machine {
            mutator: heap.mutator(),
            collects: heap.info().collects,
            heap,
            world,
            collections: Vec::new(),
            nodes: Vec::new(),
            roots: vec![NIL; roots],
            pins: Vec::new(),
            weak: Vec::new(),
            weak_maps: Vec::new(),
            finalizers: Vec::new(),
            ready: Vec::new(),
            allocated_bytes: 0,
            modelled: 0,
            regions: Vec::new(),
        })
    }

    // ---- what a program does ----

    /// A new object; the body is not initialised.
    fn alloc(&mut self, layout: ObjectLayout, local: bool) -> Result<Obj, Oom> {
        let object = if local { self.alloc_local(layout) } else { self.alloc_unmodelled(layout) };
        self.model_collections();
        let object = object?;
        assert_eq!(object.layout(), layout);
        self.allocated_bytes += layout.size() as u64;
        Ok(object)
    }
    /// For tests that need no model and many objects.
    pub(crate) fn alloc_unmodelled(&mut self, layout: ObjectLayout) -> Result<Obj, Oom> {
        if let Some(o) = self.mutator.try_alloc(layout) {
            return Ok(o);
        }
        let world = &RefCell::new(&mut self.world);
        let mut stop = WorldStop { heap: &self.heap, world, log: &mut self.collections };
        self.mutator.alloc_slow(layout, &mut Safepoint::new(&mut stop))
    }
    fn alloc_local(&mut self, layout: ObjectLayout) -> Result<Obj, Oom> {
        if let Some(o) = self.mutator.try_alloc_local(layout) {
            return Ok(o);
        }
        let world = &RefCell::new(&mut self.world);
        let mut stop = WorldStop { heap: &self.heap, world, log: &mut self.collections };
        self.mutator.alloc_local_slow(layout, &mut Safepoint::new(&mut stop))
    }
    /// A function is called that makes local objects.
    pub(crate) fn begin_frame(&mut self) {
        if !self.mutator.try_push_frame() {
            self.mutator.push_frame();
        }
    }
    /// It returns.
    pub(crate) fn end_frame(&mut self) {
        if !self.mutator.try_pop_frame() {
            self.mutator.pop_frame();
        }
    }
    /// `arena {`
    pub(crate) fn enter(&mut self) {
        let fast = self.mutator.try_enter();
        self.regions.push(fast.unwrap_or_else(|| self.mutator.enter()));
    }
    /// `}` of the innermost region, with `roots[r]` as its value; nothing when there is none.
    pub(crate) fn leave(&mut self, r: usize) {
        let Some(&region) = self.regions.last() else { return };
        let registers = self.world.globals.len() / 2;
        let mut result = self.world.globals[r];
        let (window, live) = (&self.world.globals[..registers], (1 << registers) - 1);
        if self.mutator.try_leave(region, LiveRegisters { window, live, other: result }) {
            self.regions.pop();
            return;
        }
        let world = &RefCell::new(&mut self.world);
        let mut live = |f: &mut dyn FnMut(&mut Value)| {
            world.borrow_mut().globals[..registers].iter_mut().for_each(f);
        };
        let mut stop = WorldStop { heap: &self.heap, world, log: &mut self.collections };
        self.mutator.leave(region, &mut result, &mut live, &mut Safepoint::new(&mut stop));
        self.model_collections();
        self.regions.pop();
        let word = self.roots[r];
        self.set_root(r, result, word);
    }
    /// Another task runs, which has no region.
    pub(crate) fn switch(&mut self) {
        let innermost = self.mutator.suspend();
        self.mutator.resume(Region::NONE);
        self.mutator.suspend();
        self.mutator.resume(innermost);
    }
    /// Another task runs for a while, which has no region.
    pub(crate) fn switch_to(&mut self, other: impl FnOnce(&mut Machine)) {
        let innermost = self.mutator.suspend();
        self.mutator.resume(Region::NONE);
        other(self);
        assert_eq!(self.mutator.suspend(), Region::NONE);
        self.mutator.resume(innermost);
    }
    /// Publishes the mutator's counters.
    pub(crate) fn mutator_flush(&mut self) {
        self.mutator.flush();
    }
    pub(crate) fn in_region(&self) -> bool {
        !self.regions.is_empty()
    }
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.heap.counters().into_iter().find(|&(n, _)| n == name).map_or(0, |(_, count)| count)
    }
    /// Whether a collection may keep what is dead: until a region has ended.
    fn keeps_dead(&self) -> bool {
        self.heap.info().collects && (self.in_region() || self.counter("region_retired") > 0)
    }
    fn value(&self, from: From) -> Value {
        match from {
            From::Root(r) => self.world.globals[r],
            From::Int(i) => Value::small(i),
        }
    }
    fn word(&self, from: From) -> Word {
        match from {
            From::Root(r) => self.roots[r],
            From::Int(i) => Word::Is(Value::small(i)),
        }
    }
    fn set_root(&mut self, r: usize, v: Value, word: Word) {
        if r >= self.roots.len() / 2 {
            self.mutator.escape(v);
        }
        self.mutator.set(&mut self.world.globals[r], v);
        self.roots[r] = word;
        self.drain();
    }
    fn drain(&mut self) {
        if self.mutator.pending() {
            self.mutator.drain();
        }
    }
    fn node(&mut self, layout: ObjectLayout, slots: Vec<Word>, raw: Vec<u64>) -> usize {
        self.nodes.push(Node { layout, slots, raw });
        self.nodes.len() - 1
    }

    /// `roots[r] = a new object with these slots`
    pub(crate) fn new_values(
        &mut self,
        r: usize,
        kind: ObjectKind,
        slots: &[From],
    ) -> Result<(), Oom> {
        self.new_object(r, kind, slots, false)
    }
    /// As `new_values`; the object does not outlive its frame.
    pub(crate) fn new_local(
        &mut self,
        r: usize,
        kind: ObjectKind,
        slots: &[From],
    ) -> Result<(), Oom> {
        self.new_object(r, kind, slots, true)
    }
    fn new_object(
        &mut self,
        r: usize,
        kind: ObjectKind,
        slots: &[From],
        local: bool,
    ) -> Result<(), Oom> {
        assert!(!kind.is_raw() && kind != ObjectKind::Weak);
        let len = slots.len() as u32;
        let layout = match kind {
            ObjectKind::Record => ObjectLayout::record(ClassId(ClassId::FIRST_RECORD + 7), len),
            _ => ObjectLayout::new(kind, len),
        };
        let o = self.alloc(layout, local)?;
        for (i, &from) in slots.iter().enumerate() {
            let v = self.value(from);
            self.mutator.init(o, i, v);
            // No instruction fills more at once; builtins say so after each.
            if i % 256 == 255 {
                self.mutator.relieve();
            }
        }
        let words = slots.iter().map(|&from| self.word(from)).collect();
        let n = self.node(layout, words, Vec::new());
        self.set_root(r, Value::object(o), Word::Node(n));
        Ok(())
    }
    /// `roots[r] = a new raw object of len bytes`, filled with a pattern.
    pub(crate) fn new_raw(&mut self, r: usize, kind: ObjectKind, len: u32) -> Result<(), Oom> {
        assert!(kind.is_raw());
        let layout = ObjectLayout::new(kind, len);
        let o = self.alloc(layout, false)?;
        let n = self.nodes.len();
        let raw: Vec<_> = (0..layout.body_bytes() / 8).map(|i| pattern(n, i)).collect();
        raw.iter().enumerate().for_each(|(i, &word)| o.set_raw_word(i, word));
        self.node(layout, Vec::new(), raw);
        self.set_root(r, Value::object(o), Word::Node(n));
        Ok(())
    }
    /// `roots[r] = weak(roots[target])`; nothing when the target is no object.
    pub(crate) fn new_weak(&mut self, r: usize, target: usize) -> Result<(), Oom> {
        if let Word::Is(_) = self.roots[target] {
            return Ok(());
        }
        let layout = ObjectLayout::new(ObjectKind::Weak, 1);
        let o = self.alloc(layout, false)?;
        // As the interpreter's host does: no barrier, no count.
        o.set_slot(slots::TARGET, self.world.globals[target]);
        let watched = self.world.globals[target].as_object().expect("the model says so");
        self.mutator.watch(watched, Watch::Weak);
        let n = self.node(layout, vec![self.roots[target]], Vec::new());
        self.world.weak_references.push(Value::object(o));
        self.weak.push(n);
        self.set_root(r, Value::object(o), Word::Node(n));
        Ok(())
    }
    /// `roots[r] = weak_map()` with room for so many entries, which have numbers here: no index.
    pub(crate) fn new_weak_map(&mut self, r: usize, entries: u32) -> Result<(), Oom> {
        let capacity = entries.next_power_of_two();
        let layout = ObjectLayout::new(EPHEMERONS, slots::ENTRIES_FIRST as u32 + 4 * capacity);
        let o = self.alloc(layout, false)?;
        let word = |i| match i {
            slots::ENTRIES_LEN => Value::small(0),
            slots::ENTRIES_USED => Value::small(capacity.into()),
            _ => Value::NIL,
        };
        (0..o.len()).for_each(|i| self.mutator.init(o, i, word(i)));
        let store = self.node(layout, (0..o.len()).map(|i| Word::Is(word(i))).collect(), vec![]);
        self.set_root(r, Value::object(o), Word::Node(store));
        let layout = ObjectLayout::new(ObjectKind::WeakMap, 1);
        let o = self.alloc(layout, false)?;
        self.mutator.init(o, slots::EPHEMERONS, self.root(r));
        let n = self.node(layout, vec![Word::Node(store)], Vec::new());
        self.world.weak_maps.push(Value::object(o));
        self.weak_maps.push(n);
        self.set_root(r, Value::object(o), Word::Node(n));
        Ok(())
    }
    /// `roots[r].set(roots[key], from)`, as this entry; nothing when there is no such map or key.
    pub(crate) fn set_entry(&mut self, r: usize, entry: usize, key: usize, from: From) {
        let (Word::Node(n), Word::Node(_)) = (self.roots[r], self.roots[key]) else { return };
        let Some((store, capacity)) = self.entries_of(n) else { return };
        let (v, word, key_word) = (self.value(from), self.word(from), self.roots[key]);
        let at = key_slot(entry % capacity);
        let map = self.world.globals[r].as_object().expect("the model says so");
        let o = self.mutator.load(map, slots::EPHEMERONS).as_object().expect("the model says so");
        self.mutator.store(o, at + 1, v);
        // As the interpreter's host does: no barrier, no count.
        o.set_slot(at, self.world.globals[key]);
        let watched = self.world.globals[key].as_object().expect("the model says so");
        self.mutator.watch(watched, Watch::Weak);
        let was = std::mem::replace(&mut self.nodes[store].slots[at], key_word);
        self.nodes[store].slots[at + 1] = word;
        if node_of(was).is_none() {
            let len = self.count_entries(store, 1);
            self.mutator.store(o, slots::ENTRIES_LEN, len);
        }
        self.drain();
    }
    /// The store of a weak map, and how many entries it has room for.
    fn entries_of(&self, map: usize) -> Option<(usize, usize)> {
        let is_map = self.nodes[map].layout.kind == ObjectKind::WeakMap;
        let store = node_of(*self.nodes[map].slots.first()?).filter(|_| is_map)?;
        Some((store, (self.nodes[store].slots.len() - slots::ENTRIES_FIRST) / 4))
    }
    fn count_entries(&mut self, store: usize, by: i64) -> Value {
        let len = &mut self.nodes[store].slots[slots::ENTRIES_LEN];
        let Word::Is(v) = *len else { unreachable!("a number") };
        let v = Value::small(v.as_int().expect("a number") + by);
        *len = Word::Is(v);
        v
    }
    /// The entries of all weak maps: map, store, slot of the key.
    fn entries(&self) -> Vec<(usize, usize, usize)> {
        let stores = self.weak_maps.iter().filter_map(|&n| Some((n, self.entries_of(n)?)));
        stores
            .flat_map(|(n, (store, len))| (0..len).map(move |e| (n, store, key_slot(e))))
            .collect()
    }
    fn forget_entry(&mut self, store: usize, at: usize) {
        self.nodes[store].slots[at] = Word::Is(Value::UNDEFINED);
        self.nodes[store].slots[at + 1] = NIL;
        self.count_entries(store, -1);
    }
    /// The key and the value of an entry.
    pub(crate) fn entry(&mut self, r: usize, entry: usize) -> (Value, Value) {
        let map = self.world.globals[r].as_object().expect("a weak map");
        let o = self.mutator.load(map, slots::EPHEMERONS).as_object().expect("it has room");
        (self.mutator.load_weak(o, key_slot(entry)), self.mutator.load(o, key_slot(entry) + 1))
    }
    /// `finalizer(roots[r], tag)`
    pub(crate) fn add_finalizer(&mut self, r: usize, tag: i64) {
        if let Word::Node(n) = self.roots[r] {
            let o = self.world.globals[r].as_object().expect("the model says so");
            self.mutator.watch(o, Watch::Finalizer);
            self.world.finalizers.push((self.world.globals[r], Value::small(tag)));
            self.finalizers.push((n, Value::small(tag)));
        }
    }
    /// Pins the object in a root; where it is from now on. `None` when there is no object.
    pub(crate) fn pin(&mut self, r: usize) -> Option<Result<Obj, Oom>> {
        let o = self.world.globals[r].as_object()?;
        let place = self.world.pins.iter().position(|&pin| pin == Value::NIL);
        let place = place.unwrap_or(self.world.pins.len());
        self.world.pins.resize(self.world.pins.len().max(place + 1), Value::NIL);
        self.mutator.escape(Value::object(o));
        self.mutator.set(&mut self.world.pins[place], Value::object(o));
        self.pins.resize(self.world.pins.len(), NIL);
        self.pins[place] = self.roots[r];
        let world = &RefCell::new(&mut self.world);
        let mut stop = WorldStop { heap: &self.heap, world, log: &mut self.collections };
        let done = self.mutator.pin(o, &mut Safepoint::new(&mut stop));
        self.model_collections();
        if done.is_err() {
            self.forget_pin(place);
        }
        Some(done.map(|()| self.world.pins[place].as_object().expect("pinned")))
    }
    /// Takes the `i`-th of all pins back; nothing when there is none.
    pub(crate) fn unpin(&mut self, i: usize) {
        let places: Vec<_> =
            (0..self.pins.len()).filter(|&place| self.pins[place] != NIL).collect();
        if let Some(&place) = places.get(i % places.len().max(1)) {
            let o = self.world.pins[place].as_object().expect("pinned");
            self.mutator.unpin(o);
            self.forget_pin(place);
        }
    }
    pub(crate) fn is_pinning(&self) -> bool {
        self.pins.iter().any(|&pin| pin != NIL)
    }
    fn forget_pin(&mut self, place: usize) {
        self.mutator.set(&mut self.world.pins[place], Value::NIL);
        self.pins[place] = NIL;
        self.drain();
    }
    /// The slots of the object in a root that can be read and written.
    fn slots_of(&self, r: usize) -> Option<(Obj, usize, usize)> {
        let Word::Node(n) = self.roots[r] else { return None };
        let node = &self.nodes[n];
        let kind = node.layout.kind;
        let usable = !node.slots.is_empty() && kind.is_traced() && kind != ObjectKind::WeakMap;
        let o = self.world.globals[r].as_object().expect("the model says so");
        usable.then_some((o, n, node.slots.len()))
    }
    /// `roots[r][slot] = from`; the slot wraps around; nothing when there is none.
    pub(crate) fn store(&mut self, r: usize, slot: usize, from: From) {
        if let Some((o, n, len)) = self.slots_of(r) {
            let (v, word) = (self.value(from), self.word(from));
            if !self.mutator.try_store(o, slot % len, v) {
                self.mutator.store(o, slot % len, v);
            }
            self.nodes[n].slots[slot % len] = word;
            self.drain();
        }
    }
    /// `roots[to] = roots[r][slot]`
    pub(crate) fn load(&mut self, r: usize, slot: usize, to: usize) {
        if let Some((o, n, len)) = self.slots_of(r) {
            let v = self.mutator.load(o, slot % len);
            let word = self.nodes[n].slots[slot % len];
            self.set_root(to, v, word);
        }
    }
    /// `roots[to] = from`
    pub(crate) fn set(&mut self, to: usize, from: From) {
        self.set_root(to, self.value(from), self.word(from));
    }
    /// `roots[to] = roots[from]; roots[from] = nil`
    pub(crate) fn take(&mut self, to: usize, from: usize) {
        if to != from {
            let mut dead = std::mem::replace(&mut self.world.globals[from], Value::NIL);
            if to >= self.roots.len() / 2 {
                self.mutator.escape(dead);
            }
            self.mutator.take(&mut self.world.globals[to], &mut dead);
            self.roots[to] = std::mem::replace(&mut self.roots[from], NIL);
            self.drain();
        }
    }
    /// All roots become nil, as registers of a frame that returns.
    pub(crate) fn clear_roots(&mut self) {
        self.mutator.clear(&mut self.world.globals);
        self.world.globals.fill(Value::NIL);
        self.roots.fill(NIL);
        self.drain();
    }
    /// The finalizers that were found due are over.
    pub(crate) fn finish_finalizers(&mut self) -> Vec<i64> {
        self.mutator.clear(&mut self.world.ready_finalizers);
        self.world.ready_finalizers.clear();
        self.drain();
        self.ready.drain(..).map(|(_, tag)| tag.as_int().unwrap()).collect()
    }
    /// The `i`-th due finalizer keeps its object: `roots[r] = it`.
    pub(crate) fn keep_ready(&mut self, i: usize, r: usize) {
        let (v, n) = (self.world.ready_finalizers[2 * i], self.ready[i].0);
        self.set_root(r, v, Word::Node(n));
    }
    pub(crate) fn collect(&mut self) {
        self.mutator.flush();
        let collection = self.heap.collect(&mut WorldRoots(&mut self.world), Cause::Explicit);
        self.collections.push((Cause::Explicit, collection));
        self.model_collections();
    }

    // ---- what a test asks ----

    pub(crate) fn usage(&mut self) -> Usage {
        self.mutator.flush();
        self.heap.usage()
    }
    pub(crate) fn collections(&self) -> &[(Cause, Collection)] {
        &self.collections
    }
    pub(crate) fn root(&self, r: usize) -> Value {
        self.world.globals[r]
    }
    pub(crate) fn set_unmodelled(&mut self, r: usize, v: Value) {
        self.mutator.set(&mut self.world.globals[r], v);
    }
    /// Behind the mutator's back.
    pub(crate) fn set_root_unchecked(&mut self, r: usize, v: Value) {
        self.world.globals[r] = v;
    }
    pub(crate) fn mutator(&mut self) -> &mut <Wrapped as Heap>::Mutator {
        &mut self.mutator
    }
    pub(crate) fn heap(&self) -> &Wrapped {
        &self.heap
    }
    /// Bytes of the model's live objects.
    pub(crate) fn live_bytes(&self) -> usize {
        let live = self.reachable();
        let sizes = self.nodes.iter().zip(live).filter(|(_, live)| *live);
        sizes.map(|(node, _)| node.layout.size()).sum()
    }
    /// What the weak reference in a root holds.
    pub(crate) fn weak_target(&mut self, r: usize) -> Value {
        let o = self.world.globals[r].as_object().unwrap();
        self.mutator.load_weak(o, slots::TARGET)
    }

    // ---- the model ----

    fn reachable(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        let ready = self.ready.iter().map(|&(n, _)| n);
        let mut queue: Vec<usize> =
            self.roots.iter().chain(&self.pins).filter_map(|w| node_of(*w)).chain(ready).collect();
        loop {
            while let Some(n) = queue.pop() {
                if !std::mem::replace(&mut live[n], true) && self.nodes[n].layout.kind.is_traced() {
                    queue.extend(self.nodes[n].slots.iter().filter_map(|w| node_of(*w)));
                }
            }
            for (map, store, at) in self.entries() {
                let words = &self.nodes[store].slots;
                let held = live[map] && node_of(words[at]).is_some_and(|key| live[key]);
                queue.extend(node_of(words[at + 1]).filter(|&value| held && !live[value]));
            }
            if queue.is_empty() {
                return live;
            }
        }
    }
    /// What every collection since the last call did to weak references and finalizers.
    fn model_collections(&mut self) {
        let new = self.collections.len() > self.modelled && self.collects;
        let news = &self.collections[self.modelled..];
        let minor = news.iter().any(|(_, c)| c.minor) || self.keeps_dead();
        let full = news.iter().any(|(_, c)| !c.minor) && !self.keeps_dead();
        self.modelled = self.collections.len();
        if !new {
            return;
        }
        if minor {
            self.model_minor();
        }
        if !full {
            return;
        }
        let mut live = self.reachable();
        for (_, store, at) in self.entries() {
            if node_of(self.nodes[store].slots[at]).is_some_and(|key| !live[key]) {
                self.forget_entry(store, at);
            }
        }
        for &holder in &self.weak {
            let slot = &mut self.nodes[holder].slots[slots::TARGET];
            if node_of(*slot).is_some_and(|target| !live[target]) {
                *slot = NIL;
            }
        }
        let ready = &mut self.ready;
        self.finalizers.retain(|&(n, tag)| {
            let alive = std::mem::replace(&mut live[n], true);
            if !alive {
                ready.push((n, tag));
            }
            alive
        });
        let live = self.reachable();
        self.weak.retain(|&holder| live[holder]);
        self.weak_maps.retain(|&map| live[map]);
    }
    /// A minor collection notices the death of some: which, is the heap's business. What it did must
    /// be right, though.
    fn model_minor(&mut self) {
        if self.weak.is_empty() && self.weak_maps.is_empty() && self.finalizers.is_empty() {
            return;
        }
        let live = self.reachable();
        for pair in self.world.ready_finalizers[2 * self.ready.len()..].chunks(2) {
            let of_tag = |&(n, tag): &(usize, Value)| tag == pair[1] && !live[n];
            let at = self.finalizers.iter().position(of_tag).expect("a dead object's finalizer");
            self.ready.push(self.finalizers.remove(at));
        }
        let mut walk = Walk { place: vec![None; self.nodes.len()], ..Walk::default() };
        for (&v, &word) in self.world.globals.iter().zip(&self.roots) {
            walk.pair(v, word, &|| "a root".into());
        }
        for (&v, &word) in self.world.pins.iter().zip(&self.pins) {
            walk.pair(v, word, &|| "a pin".into());
        }
        for (pair, &(n, _)) in self.world.ready_finalizers.chunks(2).zip(&self.ready) {
            walk.pair(pair[0], Word::Node(n), &|| "a due finalizer's object".into());
        }
        // An entry whose key was dead may have gone, although a finalizer keeps the key now.
        let dead_key = |store: usize, at: usize| {
            node_of(self.nodes[store].slots[at]).is_some_and(|key| !live[key])
        };
        let mut entries = self.entries();
        entries.retain(|&(_, store, at)| !dead_key(store, at));
        walk.all(entries, &self.nodes, &mut self.mutator);
        for &holder in &self.weak {
            let slot = &mut self.nodes[holder].slots[slots::TARGET];
            let dead = node_of(*slot).is_some_and(|target| !live[target]);
            if dead && walk.place[holder].is_some_and(|o| o.slot(slots::TARGET) == Value::NIL) {
                *slot = NIL;
            }
        }
        for (_, store, at) in self.entries() {
            let dead = node_of(self.nodes[store].slots[at]).is_some_and(|key| !live[key]);
            if dead && walk.place[store].is_some_and(|o| o.slot(at) == Value::UNDEFINED) {
                self.forget_entry(store, at);
            }
        }
    }
    /// The heap's graph is the model's: same shape, same sharing, same content; and the counters
    /// are right.
    pub(crate) fn check(&mut self) {
        let usage = self.usage();
        assert!(usage.reserved_bytes <= usage.limit_bytes, "{usage:?}");
        assert!(usage.used_bytes <= usage.reserved_bytes, "{usage:?}");
        assert!(usage.live_bytes <= usage.used_bytes, "{usage:?}");
        assert_eq!(usage.allocated_bytes, self.allocated_bytes);
        assert_eq!(usage.collections as usize, self.collections.len());
        let mut walk = Walk { place: vec![None; self.nodes.len()], ..Walk::default() };
        for (r, (&v, &word)) in self.world.globals.iter().zip(&self.roots).enumerate() {
            walk.pair(v, word, &|| format!("root {r}"));
        }
        for (&v, &word) in self.world.pins.iter().zip(&self.pins) {
            walk.pair(v, word, &|| "a pin".into());
        }
        let ready = &self.world.ready_finalizers;
        assert_eq!(ready.len(), 2 * self.ready.len());
        for (pair, &(n, tag)) in ready.chunks(2).zip(&self.ready) {
            walk.pair(pair[0], Word::Node(n), &|| "a due finalizer's object".into());
            assert_eq!(pair[1], tag, "a finalizer of {}", self.heap.info().name);
        }
        walk.all(self.entries(), &self.nodes, &mut self.mutator);
        walk.entry_counts(self.entries(), &self.nodes, &mut self.mutator);
        walk.weak_targets(&self.nodes, &mut self.mutator);
    }
    /// `check` after a collection; on heaps that collect, live means live.
    pub(crate) fn collect_and_check(&mut self) {
        self.collect();
        self.check();
        if self.collects && !self.keeps_dead() {
            assert_eq!(self.usage().live_bytes, self.live_bytes());
        }
    }
}

const WEAK: ObjectKind = ObjectKind::Weak;
const EPHEMERONS: ObjectKind = ObjectKind::Ephemerons;

fn node_of(word: Word) -> Option<usize> {
    match word {
        Word::Node(n) => Some(n),
        Word::Is(_) => None,
    }
}

fn key_slot(entry: usize) -> usize {
    slots::ENTRIES_FIRST + 2 * entry
}

/// A walk over both graphs at once.
#[derive(Default)]
struct Walk {
    /// Where a node is.
    place: Vec<Option<Obj>>,
    /// Which node is there.
    node: HashMap<usize, usize>,
    queue: Vec<usize>,
}

impl Walk {
    fn pair(&mut self, v: Value, word: Word, at: &dyn Fn() -> String) {
        let n = match word {
            Word::Is(expected) => return assert_eq!(v, expected, "{}", at()),
            Word::Node(n) => n,
        };
        let o = v.as_object().unwrap_or_else(|| panic!("{}: {v:?}, not object {n}", at()));
        match self.place[n] {
            Some(known) => assert_eq!(o, known, "{}: object {n} is in two places", at()),
            None => {
                let other = self.node.insert(o.address(), n);
                assert_eq!(other, None, "{}: {o:?} is two objects, {n} too", at());
                self.place[n] = Some(o);
                self.queue.push(n);
            }
        }
    }
    /// Everything that is reachable, also through weak maps; then what these hold.
    fn all(
        &mut self,
        entries: Vec<(usize, usize, usize)>,
        nodes: &[Node],
        mutator: &mut impl Mutator,
    ) {
        loop {
            self.objects(nodes, mutator);
            for &(_, store, at) in &entries {
                let key = node_of(nodes[store].slots[at]).and_then(|key| self.place[key]);
                if let (Some(o), Some(_)) = (self.place[store], key) {
                    let v = mutator.load(o, at + 1);
                    self.pair(v, nodes[store].slots[at + 1], &|| format!("value {store}[{at}]"));
                }
            }
            if self.queue.is_empty() {
                break;
            }
        }
        for &(_, store, at) in &entries {
            let Some(o) = self.place[store] else { continue };
            let v = mutator.load_weak(o, at);
            match nodes[store].slots[at] {
                Word::Is(expected) => assert_eq!(v, expected, "key {store}[{at}]"),
                Word::Node(key) => {
                    let place = self.place[key].map(Value::object);
                    assert!(place.is_none_or(|p| p == v), "key {store}[{at}]: {v:?}");
                }
            }
        }
    }
    /// After a minor collection these are the heap's business.
    fn entry_counts(
        &self,
        entries: Vec<(usize, usize, usize)>,
        nodes: &[Node],
        mutator: &mut impl Mutator,
    ) {
        for (_, store, _) in entries {
            let Some(o) = self.place[store] else { continue };
            let len = mutator.load_weak(o, slots::ENTRIES_LEN);
            assert_eq!(Word::Is(len), nodes[store].slots[slots::ENTRIES_LEN], "entries of {store}");
        }
    }
    fn objects(&mut self, nodes: &[Node], mutator: &mut impl Mutator) {
        while let Some(n) = self.queue.pop() {
            let (node, o) = (&nodes[n], self.place[n].expect("queued with its place"));
            assert_eq!(o.layout(), node.layout, "object {n}");
            for (i, &word) in node.raw.iter().enumerate() {
                assert_eq!(o.raw_word(i), word, "raw word {i} of object {n}");
            }
            if node.layout.kind.is_traced() {
                for (i, &word) in node.slots.iter().enumerate() {
                    let v = mutator.load(o, i);
                    self.pair(v, word, &|| format!("object {n}[{i}]"));
                }
            }
        }
    }
    /// Weak references to what was found otherwise.
    fn weak_targets(&mut self, nodes: &[Node], mutator: &mut impl Mutator) {
        for (n, node) in nodes.iter().enumerate().filter(|(_, node)| node.layout.kind == WEAK) {
            let Some(holder) = self.place[n] else { continue };
            let v = mutator.load_weak(holder, slots::TARGET);
            match node.slots[slots::TARGET] {
                Word::Is(expected) => assert_eq!(v, expected, "weak reference {n}"),
                Word::Node(target) => {
                    let place = self.place[target].map(Value::object);
                    assert!(place.is_none_or(|p| p == v), "weak reference {n}: {v:?}");
                }
            }
        }
    }
}
