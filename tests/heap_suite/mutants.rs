//! Broken heaps and broken programs that the checker must catch: a checker that lets its mutants
//! live proves nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use menagerie::heap::{
    Cause, CheckOptions, Collection, Dirty, Factory, Heap, HeapConfig, HeapError, HeapInfo,
    Liveness, Mutator, Oom, Roots, Safepoint, Sizer, Usage,
};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;
use menagerie_strategies::heaps::mark_sweep::MarkSweep;
use menagerie_strategies::heaps::semispace::SemiSpace;

use crate::model::{From, Machine};

/// What is wrong with the heap.
mod bug {
    pub(super) const NONE: u8 = 0;
    /// The last root of every slice is not traced.
    pub(super) const SKIPPED_ROOT: u8 = 1;
    /// Two live objects of the same shape change places.
    pub(super) const WRONG_FORWARDING: u8 = 2;
    /// A live object's memory is freed (overwritten).
    pub(super) const FREED_LIVE: u8 = 3;
    /// A live object loses a reference.
    pub(super) const LOST_SLOT: u8 = 4;
    /// A byte of a live string changes.
    pub(super) const CHANGED_BYTE: u8 = 5;
    /// A shared object is copied twice.
    pub(super) const LOST_SHARING: u8 = 6;
    /// An object's length changes.
    pub(super) const CHANGED_LENGTH: u8 = 7;
    /// The same memory is handed out twice.
    pub(super) const HANDED_OUT_TWICE: u8 = 8;
}

/// A heap with a bug.
struct Broken<H, const BUG: u8>(H);
struct BrokenMutator<M, const BUG: u8> {
    inner: M,
    last: Option<Obj>,
}

/// The roots without the last one of each slice.
struct Skipping<'a>(&'a mut dyn Roots);
impl Roots for Skipping<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.0.slices(&mut |slice, dirty| {
            let len = slice.len().saturating_sub(1);
            f(&mut slice[..len], dirty);
        });
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.0.weak(live)
    }
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.0.weak_values(f);
    }
}

/// The first slice of roots: the program's.
fn first_roots(roots: &mut dyn Roots, f: impl FnOnce(&mut [Value])) {
    let mut f = Some(f);
    roots.slices(&mut |slice, _| {
        if let Some(f) = f.take() {
            f(slice);
        }
    });
}

// SAFETY: it is not; that is the point. Memory outside of the heap stays untouched.
unsafe impl<H: Heap, const BUG: u8> Heap for Broken<H, BUG> {
    type Mutator = BrokenMutator<H::Mutator, BUG>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        H::new(config).map(Broken)
    }
    fn mutator(&self) -> Self::Mutator {
        BrokenMutator { inner: self.0.mutator(), last: None }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        if BUG == bug::SKIPPED_ROOT {
            return self.0.collect(&mut Skipping(roots), why);
        }
        let collection = self.0.collect(roots, why);
        first_roots(roots, |slice| sabotage(BUG, slice));
        collection
    }
    fn usage(&self) -> Usage {
        self.0.usage()
    }
}

/// Roots: 0 and 1 = tuples of two, 0 → 2 (shared by 1), 2 = string.
fn sabotage(bug: u8, roots: &mut [Value]) {
    let object = |r: usize| roots[r].as_object().expect("set up by `graph`");
    match bug {
        bug::WRONG_FORWARDING => {
            object(3).set_slot(0, roots[1]);
            object(3).set_slot(1, roots[0]);
        }
        bug::FREED_LIVE => {
            let string = object(0).slot(0).as_object().expect("set up by `graph`");
            string.set_header(0xdbdb_dbdb_dbdb_dbdb);
        }
        bug::LOST_SLOT => object(0).set_slot(0, Value::NIL),
        bug::CHANGED_BYTE => object(2).set_byte(0, b'X'),
        bug::LOST_SHARING => object(0).set_slot(0, roots[4]),
        bug::CHANGED_LENGTH => object(2).set_header(object(2).header() - (1 << 32)),
        _ => {}
    }
}

// SAFETY: as the heap.
unsafe impl<M: Mutator, const BUG: u8> Mutator for BrokenMutator<M, BUG> {
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        if BUG == bug::HANDED_OUT_TWICE
            && let Some(o) = self.last.take()
            && o.layout() == layout
        {
            return Some(o);
        }
        self.last = self.inner.try_alloc(layout);
        self.last
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.inner.alloc_slow(layout, at)
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.inner.load(o, i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.inner.load_weak(o, i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.inner.init(o, i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.inner.store(o, i, v);
    }
    fn flush(&mut self) {
        self.inner.flush();
    }
}

pub(crate) fn checked(wrapped: Factory) -> Machine {
    let config = HeapConfig {
        limit_bytes: 1 << 20,
        sizer: Sizer::Fixed,
        poison: true,
        checks: CheckOptions { check: true, seed: 77, ..CheckOptions::default() },
        wrapped: Some(wrapped),
        ..HeapConfig::default()
    };
    Machine::new(&config, 6).unwrap()
}

/// The graph that the bugs are made for; see [`sabotage`].
fn graph(m: &mut Machine) {
    m.new_raw(2, ObjectKind::Str, 20).unwrap();
    m.new_raw(4, ObjectKind::Str, 20).unwrap();
    m.new_values(0, ObjectKind::Tuple, &[From::Root(2), From::Int(1)]).unwrap();
    m.new_values(1, ObjectKind::Tuple, &[From::Root(2), From::Int(2)]).unwrap();
    m.new_values(3, ObjectKind::Tuple, &[From::Root(0), From::Root(1)]).unwrap();
    m.new_values(5, ObjectKind::Tuple, &[From::Int(5), From::Int(5)]).unwrap();
}

fn message(f: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(f)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default())
}

/// The checker must end this with a message that contains the text and the seed.
pub(crate) fn caught(name: &str, text: &str, f: impl FnOnce()) {
    let message = message(f).unwrap_or_else(|| panic!("mutant `{name}` lives"));
    assert!(message.contains(text), "{name}: {message}");
    assert!(message.contains("seed 77"), "{name}: {message}");
}

fn heap_bug<const BUG: u8>(name: &str, text: &str) {
    let both = [Factory::of::<Broken<MarkSweep, BUG>>(), Factory::of::<Broken<SemiSpace, BUG>>()];
    for factory in both {
        caught(name, text, || {
            let mut m = checked(factory);
            graph(&mut m);
            m.collect();
        });
    }
}

#[test]
fn broken_heaps_are_caught() {
    heap_bug::<{ bug::SKIPPED_ROOT }>("skipped root", "root slice 0[5] → ");
    heap_bug::<{ bug::WRONG_FORWARDING }>("wrong forwarding", "other references find");
    heap_bug::<{ bug::FREED_LIVE }>("freed live object", "(freed memory)");
    heap_bug::<{ bug::LOST_SLOT }>("lost slot", "was an object at");
    heap_bug::<{ bug::CHANGED_BYTE }>("changed byte", "raw word was");
    heap_bug::<{ bug::LOST_SHARING }>("lost sharing", "other references find");
    heap_bug::<{ bug::CHANGED_LENGTH }>("changed length", "header was");
    heap_bug::<{ bug::HANDED_OUT_TWICE }>("handed out twice", "handed out twice");
}

#[test]
fn the_edge_to_a_freed_object_is_named() {
    caught("freed live object", "[0] → Str/32[20]@", || {
        let mut m = checked(Factory::of::<Broken<MarkSweep, { bug::FREED_LIVE }>>());
        graph(&mut m);
        // Only the tuples refer to the string now.
        m.set(2, From::Int(0));
        m.collect();
    });
}

#[test]
fn sound_heaps_pass() {
    type Sound<H> = Broken<H, { bug::NONE }>;
    for factory in [Factory::of::<Sound<MarkSweep>>(), Factory::of::<Sound<SemiSpace>>()] {
        let mut m = checked(factory);
        graph(&mut m);
        for _ in 0..3 {
            m.collect_and_check();
        }
    }
}

/// What a broken interpreter does.
#[test]
fn broken_programs_are_caught() {
    let program = |name: &str, text: &str, f: fn(&mut Machine, Obj)| {
        for factory in [Factory::of::<MarkSweep>(), Factory::of::<SemiSpace>()] {
            caught(name, text, || {
                let mut m = checked(factory);
                graph(&mut m);
                let stale = m.root(5).as_object().unwrap();
                m.set(5, From::Int(0));
                m.collect();
                f(&mut m, stale);
            });
        }
    };
    fn live(m: &mut Machine) -> Obj {
        m.root(0).as_object().unwrap()
    }
    program("load from the dead", "not an object that is in use", |m, stale| {
        m.mutator().load(stale, 0);
    });
    program("store to the dead", "not an object that is in use", |m, stale| {
        m.mutator().store(stale, 0, Value::NIL)
    });
    program("store of the dead", "not an object that is in use", |m, stale| {
        let o = live(m);
        m.mutator().store(o, 0, Value::object(stale));
    });
    program("set to the dead", "not an object that is in use", |m, stale| {
        let mut register = Value::NIL;
        m.mutator().set(&mut register, Value::object(stale));
    });
    program("late init", "since the last safepoint", |m, _| {
        let o = live(m);
        m.mutator().init(o, 0, Value::NIL);
    });
    program("load beyond the end", "slot 2 of 2", |m, _| {
        let o = live(m);
        m.mutator().load(o, 2);
    });
    program("store into a string", "slot 0 of raw bytes", |m, _| {
        let o = m.root(2).as_object().unwrap();
        m.mutator().store(o, 0, Value::NIL);
    });
    program("an unrooted object", "root slice 0[5] → ", |m, stale| {
        // The program kept a stale reference and made it a root again.
        m.set_root_unchecked(5, Value::object(stale));
        m.collect();
    });
}
