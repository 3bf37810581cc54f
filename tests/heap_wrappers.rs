//! The heap wrappers, over a small heap that can be told to be wrong: every planted fault must be
//! caught, and with the options off nothing may be observable.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use menagerie::check::Wrapped;
use menagerie::check::checked::Checked;
use menagerie::check::counted::Counted;
use menagerie::check::stress::Stress;
use menagerie::class::ClassId;
use menagerie::heap::*;
use menagerie::object::{Obj, ObjectKind, ObjectLayout, slots};
use menagerie::value::Value;

const POISON: u64 = 0xdbdb_dbdb_dbdb_dbdb;

// ---- a heap: one block per object; a collection marks, or copies, block by block ----

/// The root that `skip-root` skips: a weak reference object, which nothing else reaches.
const SKIPPED: usize = 3;

type Block = Rc<[AtomicU64]>;

struct State {
    config: HeapConfig,
    blocks: HashMap<usize, Block>,
    /// Freed blocks stay readable, so that planted faults are no undefined behaviour.
    graveyard: Vec<Block>,
    usage: Usage,
}

impl State {
    fn is(&self, fault: &str) -> bool {
        self.config.parameter(&Moving::INFO, "fault") == fault
    }
    fn create(&mut self, layout: ObjectLayout) -> Obj {
        let block: Block = (0..layout.size() / 8).map(|_| AtomicU64::new(0)).collect();
        let address = block.as_ptr() as usize;
        self.blocks.insert(address, block);
        // SAFETY: the block has `layout.size()` bytes.
        unsafe { Obj::create_header(address, layout) }
    }
    fn alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let size = layout.size();
        if self.usage.used_bytes + size > self.usage.limit_bytes {
            return None;
        }
        self.usage.used_bytes += size;
        self.usage.allocated_bytes += size as u64;
        let twice = self.blocks.values().find(|b| self.is("twice") && b.len() * 8 == size);
        if let Some(block) = twice {
            // SAFETY: the block has as many bytes.
            return Some(unsafe { Obj::create_header(block.as_ptr() as usize, layout) });
        }
        Some(self.create(layout))
    }
    fn free(&mut self, address: usize) {
        let block = self.blocks.remove(&address).expect("freed once");
        if self.config.poison {
            block.iter().for_each(|word| word.store(POISON, Relaxed));
        }
        self.graveyard.push(block);
    }
}

struct Tracer<'a> {
    state: &'a mut State,
    moves: bool,
    new: HashMap<usize, Obj>,
    queue: Vec<Obj>,
    copied_bytes: usize,
}

impl Tracer<'_> {
    fn reach(&mut self, o: Obj) -> Obj {
        if let Some(&now) = self.new.get(&o.address()) {
            let split = self.state.is("split") && o.kind() == ObjectKind::Cell;
            return if split { self.copy(o) } else { now };
        }
        let now = if self.moves { self.copy(o) } else { o };
        let swap = self.state.is("wrong-forwarding") && o.kind() == ObjectKind::Tuple;
        let other = self.new.values().find(|n| swap && n.layout() == now.layout()).copied();
        self.new.insert(o.address(), other.unwrap_or(now));
        self.queue.push(now);
        other.unwrap_or(now)
    }
    fn copy(&mut self, o: Obj) -> Obj {
        let now = self.state.create(o.layout());
        (0..o.len()).filter(|_| !o.is_raw()).for_each(|i| now.set_slot(i, o.slot(i)));
        let lost = usize::from(self.state.is("lost-byte"));
        let raw = if o.is_raw() { o.len() } else { 0 };
        (0..raw.saturating_sub(lost)).for_each(|i| now.set_byte(i, o.byte(i)));
        self.copied_bytes += o.size();
        now
    }
    fn trace(&mut self) {
        while let Some(o) = self.queue.pop() {
            for i in 0..o.traced_slots() {
                let Some(target) = o.slot(i).as_object() else { continue };
                let now = self.reach(target);
                if !(self.state.is("stale-slot") && o.kind() == ObjectKind::Tuple) {
                    o.set_slot(i, Value::object(now));
                }
            }
        }
    }
}

impl Liveness for Tracer<'_> {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        self.new.get(&o.address()).copied()
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.reach(o)
    }
}

fn collect(state: &mut State, roots: &mut dyn Roots, moves: bool) -> Collection {
    let before_bytes = state.usage.used_bytes;
    if state.is("keep-all") {
        let after_bytes = before_bytes;
        let phases = Vec::new();
        return Collection {
            before_bytes,
            after_bytes,
            traced_objects: 0,
            copied_bytes: 0,
            phases,
            minor: false,
        };
    }
    let old: Vec<usize> = state.blocks.keys().copied().collect();
    let skip = state.is("skip-root");
    let mut tracer =
        Tracer { state, moves, new: HashMap::new(), queue: Vec::new(), copied_bytes: 0 };
    let mut n = 0;
    roots.slices(&mut |slice, _| {
        for root in slice {
            n += 1;
            if let Some(o) = root.as_object().filter(|_| !skip || n != SKIPPED) {
                *root = Value::object(tracer.reach(o));
            }
        }
    });
    tracer.trace();
    while roots.weak(&mut tracer) {
        tracer.trace();
    }
    let (mut new, copied_bytes) = (tracer.new, tracer.copied_bytes);
    if state.is("free-live") {
        new.retain(|_, o| o.kind() != ObjectKind::Cell);
    }
    old.iter().filter(|&a| moves || !new.contains_key(a)).for_each(|&a| state.free(a));
    let size = |b: &Block| b.len() * 8;
    let usage = &mut state.usage;
    usage.used_bytes = state.blocks.values().map(size).sum();
    usage.live_bytes = usage.used_bytes;
    usage.collections += 1;
    let under = if state.is("under-reported") { 8 } else { 0 };
    Collection {
        before_bytes,
        after_bytes: state.usage.live_bytes - under,
        traced_objects: new.len() as u64,
        copied_bytes,
        phases: vec![("trace", 0)],
        minor: false,
    }
}

type Shared = Rc<RefCell<State>>;
struct TinyMutator(Shared);

macro_rules! tiny_heap {
    ($name:ident, $text:literal, says it moves: $says:literal, moves: $moves:literal) => {
        struct $name(Shared);

        // SAFETY: every object is a block of its own (unless a fault is asked for).
        unsafe impl Heap for $name {
            type Mutator = TinyMutator;
            const INFO: HeapInfo = HeapInfo {
                name: $text,
                summary: "for tests",
                moves: $says,
                collects: true,
                prefix_words: 0,
                barrier: Barrier::None,
                parameters: &[Parameter { name: "fault", default: "none", doc: "planted" }],
            };
            fn new(config: &HeapConfig) -> Result<Self, HeapError> {
                config.check(&Self::INFO)?;
                let usage = Usage { limit_bytes: config.limit_bytes, ..Usage::default() };
                let (blocks, graveyard) = (HashMap::new(), Vec::new());
                let state = State { config: config.clone(), blocks, graveyard, usage };
                Ok($name(Rc::new(RefCell::new(state))))
            }
            fn mutator(&self) -> TinyMutator {
                TinyMutator(self.0.clone())
            }
            fn collect(&self, roots: &mut dyn Roots, _: Cause) -> Collection {
                collect(&mut self.0.borrow_mut(), roots, $moves)
            }
            fn usage(&self) -> Usage {
                self.0.borrow().usage
            }
            fn counters(&self) -> Vec<(&'static str, u64)> {
                vec![("own", 7)]
            }
        }
    };
}

tiny_heap!(Moving, "moving", says it moves: true, moves: true);
tiny_heap!(Marking, "marking", says it moves: false, moves: false);
tiny_heap!(Liar, "liar", says it moves: false, moves: true);

// SAFETY: as the heaps.
unsafe impl Mutator for TinyMutator {
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.0.borrow_mut().alloc(layout)
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        at.collect(Cause::AllocationFailure);
        self.try_alloc(layout).ok_or(Oom)
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
}

// ---- a program: registers, weak references, finalizers ----

/// As a VM's roots: registers, functions of finalizers one by one, ready finalizers, a task.
#[derive(Default)]
struct World {
    registers: Vec<Value>,
    ready: Vec<Value>,
    finalizers: Vec<(Value, Value)>,
    weak: Vec<Value>,
    task: Vec<Value>,
}

impl Roots for World {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        f(&mut self.registers, Dirty::Yes);
        f(&mut self.ready, Dirty::Yes);
        for (_, function) in &mut self.finalizers {
            f(std::slice::from_mut(function), Dirty::Yes);
        }
        f(&mut self.task, Dirty::Yes);
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        for reference in &self.weak {
            let old = reference.as_object().unwrap();
            let holder = live.current(old).unwrap_or(old);
            let target = holder.slot(slots::TARGET).as_object();
            if target.is_some_and(|t| live.current(t).is_none()) {
                holder.set_slot(slots::TARGET, Value::NIL);
            }
        }
        let (before, ready) = (self.finalizers.len(), &mut self.ready);
        self.finalizers.retain(|&(object, function)| {
            let o = object.as_object().unwrap();
            let dead = live.current(o).is_none();
            if dead {
                ready.extend([Value::object(live.keep(o)), function]);
            }
            !dead
        });
        if self.finalizers.len() < before {
            return true;
        }
        self.weak.retain_mut(|reference| {
            let Some(holder) = live.current(reference.as_object().unwrap()) else { return false };
            *reference = Value::object(holder);
            let target = holder.slot(slots::TARGET).as_object();
            if let Some(now) = target.and_then(|t| live.current(t)) {
                holder.set_slot(slots::TARGET, Value::object(now));
            }
            true
        });
        for (object, _) in &mut self.finalizers {
            *object = Value::object(live.current(object.as_object().unwrap()).unwrap());
        }
        false
    }
}

/// What an interpreter does with a heap.
struct Machine<H: Heap> {
    heap: H,
    mutator: H::Mutator,
    world: World,
    causes: Vec<Cause>,
}

const RECORD: ClassId = ClassId(ClassId::FIRST_RECORD + 3);

impl<H: Heap> Machine<H> {
    fn new(config: &HeapConfig) -> Self {
        let heap = H::new(config).unwrap();
        let mutator = heap.mutator();
        let world = World { registers: vec![Value::NIL; 8], ..World::default() };
        Machine { heap, mutator, world, causes: Vec::new() }
    }
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Oom> {
        if let Some(o) = self.mutator.try_alloc(layout) {
            return Ok(o);
        }
        let (heap, world, causes) = (&self.heap, &mut self.world, &mut self.causes);
        let mut collect = |why| {
            causes.push(why);
            heap.collect(world, why);
        };
        self.mutator.alloc_slow(layout, &mut Safepoint::new(&mut collect))
    }
    fn collect(&mut self) -> Collection {
        self.mutator.flush();
        self.causes.push(Cause::Explicit);
        self.heap.collect(&mut self.world, Cause::Explicit)
    }
    /// An object of values from registers (or immediates) into register `to`.
    fn make(&mut self, to: usize, layout: ObjectLayout, from: &[usize]) -> Obj {
        let o = self.alloc(layout).unwrap();
        for i in 0..layout.len as usize {
            let v = from.get(i).map_or(Value::small(i as i64), |&r| self.world.registers[r]);
            self.mutator.init(o, i, v);
        }
        self.mutator.set(&mut self.world.registers[to], Value::object(o));
        o
    }
    fn text(&mut self, to: usize, text: &str) {
        let o = self.alloc(ObjectLayout::new(ObjectKind::Str, text.len() as u32)).unwrap();
        o.copy_bytes(0, text.as_bytes());
        self.mutator.set(&mut self.world.registers[to], Value::object(o));
    }
    fn object(&self, register: usize) -> Obj {
        self.world.registers[register].as_object().unwrap()
    }
    fn clear(&mut self, register: usize) {
        self.mutator.clear(&mut self.world.registers[register..register + 1]);
        self.world.registers[register] = Value::NIL;
    }
}

const CELL: ObjectLayout = ObjectLayout::new(ObjectKind::Cell, 1);
const PAIR: ObjectLayout = ObjectLayout::new(ObjectKind::Tuple, 2);

/// A graph with sharing, a cycle, raw bytes, weak references and finalizers; some garbage.
fn graph<H: Heap>(m: &mut Machine<H>) {
    m.text(0, "shared text");
    m.make(1, CELL, &[0]);
    m.make(2, CELL, &[0]);
    m.make(3, PAIR, &[1, 2]);
    m.make(4, PAIR, &[3, 3]);
    m.make(5, ObjectLayout::record(RECORD, 3), &[4, 1]);
    m.make(6, CELL, &[5]);
    // The cycle: a cell that refers back to the record that holds it.
    let (cell, record) = (m.object(6), m.object(5));
    m.mutator.store(record, 2, Value::object(cell));
    m.clear(1);
    m.clear(2);
    m.clear(3);
    m.make(1, CELL, &[]); // garbage after the next line
    m.make(1, CELL, &[]);
    for target in [0, 1] {
        let o = m.alloc(ObjectLayout::new(ObjectKind::Weak, 1)).unwrap();
        o.set_slot(slots::TARGET, m.world.registers[target]);
        m.world.weak.push(Value::object(o));
        m.mutator.set(&mut m.world.registers[2 + target], Value::object(o));
    }
    for object in [1, 6] {
        m.make(7, ObjectLayout::new(ObjectKind::Closure, 1), &[]);
        let pair = (m.world.registers[object], m.world.registers[7]);
        m.world.finalizers.push(pair);
    }
    m.clear(1);
    m.clear(7);
}

fn config<H: Heap>(checks: CheckOptions, fault: &str) -> HeapConfig {
    let parameters = vec![("fault".into(), fault.into())];
    let wrapped = Some(Factory::of::<H>());
    HeapConfig { limit_bytes: 1 << 20, checks, parameters, wrapped, ..HeapConfig::default() }
}

const CHECK: CheckOptions =
    CheckOptions { check: true, stress: None, fail_nth: None, count: false, seed: 42 };

fn with_fault<H: Heap>(fault: &str) {
    let mut m = Machine::<Wrapped>::new(&config::<H>(CHECK, fault));
    graph(&mut m);
    m.collect();
}

// ---- Checked ----

#[test]
fn right_heaps_pass() {
    for stress in [None, Some(1), Some(3)] {
        with_options::<Moving>(CheckOptions { stress, ..CHECK });
        with_options::<Marking>(CheckOptions { stress, ..CHECK });
    }
}
fn with_options<H: Heap>(checks: CheckOptions) {
    let mut m = Machine::<Wrapped>::new(&config::<H>(checks, "none"));
    graph(&mut m);
    m.collect();
    m.collect();
    // The cell of register 1 died: its weak reference is nil, its finalizer is ready.
    let text = Value::object(m.object(0));
    assert_eq!(m.mutator.load_weak(m.world.registers[2].as_object().unwrap(), 0), text);
    assert_eq!(m.mutator.load_weak(m.world.registers[3].as_object().unwrap(), 0), Value::NIL);
    assert_eq!(m.world.ready.len(), 2);
    assert_eq!(m.world.finalizers.len(), 1);
    // Now the other one's object dies, together with the cycle.
    m.clear(5);
    m.clear(6);
    m.collect();
    assert_eq!(m.world.ready.len(), 4);
    m.world.ready.clear();
    m.collect();
}

#[test]
fn random_programs_pass() {
    for seed in 0..20 {
        random_program::<Moving>(seed);
        random_program::<Marking>(seed);
    }
}
fn random_program<H: Heap>(seed: u64) {
    let checks = CheckOptions { stress: Some(1 + seed % 7), seed, ..CHECK };
    let mut config = config::<H>(checks, "none");
    config.limit_bytes = 8 << 10;
    let mut m = Machine::<Wrapped>::new(&config);
    let mut state = seed.wrapping_mul(2) + 1;
    let mut random = move |n: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 33) as usize % n
    };
    for _ in 0..500 {
        let (a, b, to) = (random(8), random(8), random(8));
        match random(5) {
            0 | 1 => {
                m.make(to, PAIR, &[a, b]);
            }
            2 => m.text(to, &"text and more text"[..random(18)]),
            3 => m.clear(to),
            _ => {
                let (v, o) = (m.world.registers[a], m.world.registers[to].as_object());
                if let Some(o) = o.filter(|o| !o.is_raw()) {
                    m.mutator.store(o, random(2), v);
                }
            }
        }
    }
    assert!(m.heap.usage().collections > 10);
}

#[test]
fn slices_are_found_again_after_finalizers_became_ready() {
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(CHECK, "none"));
    // Equal functions, dying objects at both ends, words that look alike in neighbours.
    m.make(7, ObjectLayout::new(ObjectKind::Closure, 1), &[]);
    for i in 0..5 {
        m.make(0, CELL, &[]);
        m.world.finalizers.push((m.world.registers[0], m.world.registers[7]));
        if i % 2 == 1 {
            m.world.task.push(m.world.registers[0]);
        }
    }
    m.world.task.insert(0, m.world.registers[7]);
    m.clear(0);
    m.collect();
    assert_eq!((m.world.ready.len(), m.world.finalizers.len()), (6, 2));
    m.collect();
}

#[test]
fn a_heap_that_keeps_everything_keeps_weak_targets() {
    let mut m = Machine::<Wrapped>::new(&config::<Marking>(CHECK, "keep-all"));
    m.make(0, CELL, &[]);
    m.make(1, ObjectLayout::new(ObjectKind::Weak, 1), &[0]);
    m.clear(0);
    m.collect();
    m.collect();
    let target = m.mutator.load_weak(m.object(1), slots::TARGET).as_object().unwrap();
    assert_eq!(m.mutator.load(target, 0), Value::small(0));
}

macro_rules! caught {
    ($($name:ident: $heap:ident, $fault:literal, $expected:literal;)*) => {
        $(#[test]
        #[should_panic(expected = $expected)]
        fn $name() {
            with_fault::<$heap>($fault);
        })*
    };
}

caught! {
    a_skipped_root_is_caught_moving: Moving, "skip-root", "(freed memory)";
    a_skipped_root_is_caught_marking: Marking, "skip-root", "(freed memory)";
    a_stale_slot_is_caught: Moving, "stale-slot", "Tuple/2[2]@";
    wrong_forwarding_is_caught: Moving, "wrong-forwarding", "two objects have become one";
    lost_sharing_is_caught: Moving, "split", "other references find this object at";
    a_lost_byte_is_caught: Moving, "lost-byte", "raw word was";
    a_freed_live_object_is_caught: Marking, "free-live", "(freed memory)";
    an_address_handed_out_twice_is_caught: Marking, "twice", "handed out twice";
    under_reported_live_bytes_are_caught: Marking, "under-reported", "live bytes reported";
    undeclared_moving_is_caught: Liar, "none", "the heap does not move";
    the_seed_is_printed: Moving, "stale-slot", "broken heap `moving` (seed 42), after";
}

#[test]
#[should_panic(expected = "root slice 0[1] → ")]
fn a_root_that_nobody_handed_out_is_caught() {
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(CHECK, "none"));
    let mut foreign = Machine::<Moving>::new(&config::<Moving>(CHECK, "none"));
    m.world.registers[1] = Value::object(foreign.make(0, CELL, &[]));
    m.collect();
}

#[test]
#[should_panic(expected = "[1]: was never initialised")]
fn an_uninitialised_slot_is_caught() {
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(CHECK, "none"));
    let o = m.alloc(PAIR).unwrap();
    m.mutator.init(o, 0, Value::NIL);
    m.world.registers[0] = Value::object(o);
    m.collect();
}

#[test]
#[should_panic(expected = "not allocated since the last safepoint")]
fn a_late_init_is_caught() {
    let mut m = Machine::<Wrapped>::new(&config::<Marking>(CHECK, "none"));
    let o = m.make(0, PAIR, &[]);
    m.collect();
    m.mutator.init(o, 0, Value::NIL);
}

#[test]
#[should_panic(expected = "load → ")]
fn a_load_through_a_stale_reference_is_caught() {
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(CHECK, "none"));
    let o = m.make(0, PAIR, &[]);
    m.collect();
    m.mutator.load(o, 0);
}

#[test]
#[should_panic(expected = "slot 2 of 2")]
fn a_store_out_of_bounds_is_caught() {
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(CHECK, "none"));
    let o = m.make(0, PAIR, &[]);
    m.mutator.store(o, 2, Value::NIL);
}

#[test]
#[should_panic(expected = "the weak target is dead")]
fn a_weak_target_that_was_not_cleared_is_caught() {
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(CHECK, "none"));
    m.make(0, CELL, &[]);
    m.make(1, ObjectLayout::new(ObjectKind::Weak, 1), &[0]);
    m.clear(0);
    m.collect();
}

// ---- Stress ----

fn stressed(checks: CheckOptions, allocations: usize) -> Machine<Wrapped> {
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(checks, "none"));
    for _ in 0..allocations {
        m.make(0, CELL, &[]);
    }
    m
}

#[test]
fn stress_collects_at_every_nth_allocation() {
    for (every, expected) in [(1, 12), (2, 6), (5, 2), (13, 0)] {
        let checks = CheckOptions { stress: Some(every), ..CheckOptions::default() };
        let m = stressed(checks, 12);
        assert_eq!(m.causes, vec![Cause::Stress; expected]);
        assert_eq!(m.heap.usage().collections, expected as u64);
    }
}

#[test]
fn the_seed_shifts_the_stress() {
    let checks = CheckOptions { stress: Some(5), seed: 2, ..CheckOptions::default() };
    assert_eq!(stressed(checks, 2).causes, []);
    assert_eq!(stressed(checks, 3).causes, [Cause::Stress]);
    assert_eq!(stressed(checks, 8).causes, [Cause::Stress; 2]);
}

#[test]
fn the_nth_allocation_fails_once() {
    let checks = CheckOptions { fail_nth: Some(3), ..CheckOptions::default() };
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(checks, "none"));
    let results: Vec<bool> = (0..5).map(|_| m.alloc(CELL).is_ok()).collect();
    assert_eq!(results, [true, true, false, true, true]);
    assert_eq!(m.causes, []);
}

#[test]
fn number_zero_is_refused() {
    for (stress, fail_nth) in [(Some(0), None), (None, Some(0))] {
        let checks = CheckOptions { stress, fail_nth, ..CheckOptions::default() };
        assert!(Stress::<Moving>::new(&config::<Moving>(checks, "none")).is_err());
    }
}

// ---- Counted ----

#[test]
fn counts_are_exact() {
    let checks = CheckOptions { count: true, stress: Some(2), ..CheckOptions::default() };
    let mut m = Machine::<Wrapped>::new(&config::<Moving>(checks, "none"));
    m.make(0, CELL, &[]);
    m.make(1, PAIR, &[0, 0]);
    m.text(2, "nine byte");
    let (cell, pair) = (m.object(0), m.object(1));
    m.mutator.load(pair, 0);
    m.mutator.load_weak(pair, 1);
    m.mutator.store(cell, 0, Value::TRUE);
    let [a, b, ..] = &mut m.world.registers[..] else { unreachable!() };
    m.mutator.take(a, b);
    m.mutator.clear(&mut m.world.registers[1..4]);
    let expected = [
        ("allocations", 3),
        ("allocated_bytes", 16 + 24 + 24),
        ("local_allocations", 0),
        ("loads", 2),
        ("stores", 1),
        ("inits", 3),
        ("sets", 3),
        ("takes", 1),
        ("clears", 3),
        ("increments", 0),
        ("decrements", 0),
        ("own", 7),
    ];
    assert_eq!(m.heap.counters(), expected);
}

// ---- Erased, and nothing at all ----

#[test]
fn with_all_off_nothing_is_observable() {
    let off = config::<Moving>(CheckOptions::default(), "none");
    assert!(!off.checks.any());
    assert!(CHECK.any());
    let mut wrapped = Machine::<Wrapped>::new(&off);
    let mut plain = Machine::<Moving>::new(&off);
    graph(&mut wrapped);
    graph(&mut plain);
    assert_eq!(wrapped.collect(), plain.collect());
    assert_eq!(wrapped.heap.usage(), plain.heap.usage());
    assert_eq!(wrapped.heap.counters(), plain.heap.counters());
    assert_eq!(wrapped.causes, plain.causes);
    // Faults go unnoticed: nobody looks.
    let off = config::<Moving>(CheckOptions::default(), "lost-byte");
    let mut m = Machine::<Wrapped>::new(&off);
    graph(&mut m);
    m.collect();
}

#[test]
fn wrappers_answer_for_the_wrapped_heap() {
    let config = config::<Marking>(CHECK, "none");
    let heap = <Wrapped>::new(&config).unwrap();
    assert_eq!(heap.info(), Marking::INFO);
    let unknown = HeapConfig { parameters: vec![("no".into(), "such".into())], ..config };
    assert!(<Wrapped>::new(&unknown).is_err(), "parameters are checked against the heap inside");
    assert!(<Wrapped>::new(&HeapConfig::default()).is_err(), "nothing to wrap");
    // The wrappers also work one by one over a static heap.
    assert_eq!(Counted::<Checked<Stress<Moving>>>::INFO, Moving::INFO);
    const { assert!(<Wrapped as Heap>::Mutator::COUNTS) };
    const { assert!(!<Counted<Checked<Stress<Moving>>> as Heap>::Mutator::COUNTS) };
}

/// A heap that says what its mutator is asked for.
struct Loud(Rc<Cell<u64>>);
struct LoudMutator(Rc<Cell<u64>>);

// SAFETY: never allocates.
unsafe impl Heap for Loud {
    type Mutator = LoudMutator;
    const INFO: HeapInfo = HeapInfo { name: "loud", ..Moving::INFO };
    fn new(_: &HeapConfig) -> Result<Self, HeapError> {
        Ok(Loud(Rc::default()))
    }
    fn mutator(&self) -> LoudMutator {
        LoudMutator(self.0.clone())
    }
    fn collect(&self, _: &mut dyn Roots, _: Cause) -> Collection {
        unreachable!()
    }
    fn usage(&self) -> Usage {
        Usage { allocated_bytes: self.0.get(), ..Usage::default() }
    }
}

// SAFETY: as above.
unsafe impl Mutator for LoudMutator {
    const COUNTS: bool = true;
    fn try_alloc(&mut self, _: ObjectLayout) -> Option<Obj> {
        None
    }
    fn alloc_slow(&mut self, _: ObjectLayout, _: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        Err(Oom)
    }
    fn load(&mut self, _: Obj, _: usize) -> Value {
        Value::NIL
    }
    fn load_weak(&mut self, _: Obj, _: usize) -> Value {
        Value::NIL
    }
    fn init(&mut self, _: Obj, _: usize, _: Value) {}
    fn store(&mut self, _: Obj, _: usize, _: Value) {}
    fn set(&mut self, register: &mut Value, v: Value) {
        *register = v;
        self.0.set(self.0.get() + 1);
    }
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        *register = std::mem::replace(dead, Value::UNDEFINED);
        self.0.set(self.0.get() + 10);
    }
    fn clear(&mut self, registers: &mut [Value]) {
        registers.fill(Value::UNDEFINED);
        self.0.set(self.0.get() + 100);
    }
    fn pending(&self) -> bool {
        self.0.get() % 2 == 1
    }
    fn drain(&mut self) {
        self.0.set(0);
    }
    fn enter(&mut self) -> Region {
        Region(9)
    }
    fn leave(
        &mut self,
        region: Region,
        result: &mut Value,
        live: &mut LiveWords<'_>,
        _: &mut Safepoint<'_>,
    ) {
        *result = Value::small(region.0 as i64);
        live(&mut |word| *word = Value::TRUE);
    }
    fn escape(&mut self, _: Value) {
        self.0.set(self.0.get() + 10_000);
    }
    fn suspend(&mut self) -> Region {
        Region(8)
    }
    fn resume(&mut self, innermost: Region) {
        self.0.set(self.0.get() + innermost.0);
    }
    fn abandon(&mut self, _: Region) {
        self.0.set(0);
    }
    fn flush(&mut self) {
        self.0.set(self.0.get() + 1000);
    }
}

#[test]
fn every_hook_reaches_the_heap() {
    let wrapped = Some(Factory::of::<Loud>());
    let config = HeapConfig { wrapped, ..HeapConfig::default() };
    let heap = <Wrapped>::new(&config).unwrap();
    let mut m = heap.mutator();
    let (mut a, mut b) = (Value::NIL, Value::NIL);
    m.set(&mut a, Value::TRUE);
    assert!(m.pending());
    m.take(&mut b, &mut a);
    assert_eq!((a, b), (Value::UNDEFINED, Value::TRUE));
    m.clear(std::slice::from_mut(&mut b));
    assert_eq!(b, Value::UNDEFINED);
    m.flush();
    assert_eq!(heap.usage().allocated_bytes, 1111);
    m.drain();
    assert_eq!(heap.usage().allocated_bytes, 0);
    let region = m.enter();
    let (mut word, mut collect) = (Value::NIL, |_| {});
    m.leave(region, &mut b, &mut |f| f(&mut word), &mut Safepoint::new(&mut collect));
    assert_eq!((b, word), (Value::small(9), Value::TRUE));
    m.escape(b);
    let innermost = m.suspend();
    m.resume(innermost);
    assert_eq!(heap.usage().allocated_bytes, 10_008);
    m.abandon(innermost);
    assert_eq!(heap.usage().allocated_bytes, 0);
    assert_eq!(m.try_alloc_local(CELL), None);
}
