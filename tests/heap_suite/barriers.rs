//! Mutants of barriers and counts: each must be noticed, by the checker or by the law that nothing
//! is left.

use menagerie::heap::{
    Cause, Collection, Factory, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Roots,
    Safepoint, Usage, Watch,
};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;
use menagerie_strategies::heaps::generational::Generational;
use menagerie_strategies::heaps::rc::Rc;

use crate::model::{From, Machine};
use crate::mutants::{caught, checked};

/// What is wrong with the mutator.
mod bug {
    pub(super) const NONE: u8 = 0;
    /// `store` writes the slot and tells nobody: no remembering, no counting.
    pub(super) const NO_BARRIER: u8 = 1;
    /// `set` drops what the register held twice.
    pub(super) const DROPPED_TWICE: u8 = 2;
    /// `set` does not drop what the register held.
    pub(super) const NEVER_DROPPED: u8 = 3;
}

struct Broken<H, const BUG: u8>(H);
struct BrokenMutator<M, const BUG: u8>(M);

// SAFETY: it is not; that is the point.
unsafe impl<H: Heap, const BUG: u8> Heap for Broken<H, BUG> {
    type Mutator = BrokenMutator<H::Mutator, BUG>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        H::new(config).map(Broken)
    }
    fn mutator(&self) -> Self::Mutator {
        BrokenMutator(self.0.mutator())
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.0.collect(roots, why)
    }
    fn usage(&self) -> Usage {
        self.0.usage()
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        self.0.reference_count(o)
    }
}

// SAFETY: as the heap.
unsafe impl<M: Mutator, const BUG: u8> Mutator for BrokenMutator<M, BUG> {
    const COUNTS: bool = M::COUNTS;

    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.0.try_alloc(layout)
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.0.alloc_slow(layout, at)
    }
    fn set(&mut self, register: &mut Value, v: Value) {
        let mut old = *register;
        if BUG == bug::NEVER_DROPPED {
            *register = Value::NIL;
        }
        self.0.set(register, v);
        if BUG == bug::DROPPED_TWICE {
            self.0.clear(std::slice::from_mut(&mut old));
        }
    }
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        self.0.take(register, dead);
    }
    fn clear(&mut self, registers: &mut [Value]) {
        self.0.clear(registers);
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.0.load(o, i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.0.load_weak(o, i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.0.init(o, i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        if BUG == bug::NO_BARRIER {
            o.set_slot(i, v);
        } else {
            self.0.store(o, i, v);
        }
    }
    fn pending(&self) -> bool {
        self.0.pending()
    }
    fn drain(&mut self) {
        self.0.drain();
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.0.wants_collection()
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        self.0.watch(o, why);
    }
    fn flush(&mut self) {
        self.0.flush();
    }
}

/// An old object gets the only reference to a new one.
fn old_to_new(m: &mut Machine) {
    m.new_values(0, ObjectKind::Tuple, &[From::Int(0)]).unwrap();
    m.collect();
    m.new_values(1, ObjectKind::Tuple, &[From::Int(1)]).unwrap();
    m.store(0, 0, From::Root(1));
    m.set(1, From::Int(0));
    m.collect();
}

/// Two registers share an object, one gives it up.
fn shared(m: &mut Machine) {
    m.new_values(0, ObjectKind::Tuple, &[From::Int(0)]).unwrap();
    m.set(1, From::Root(0));
    m.set(1, From::Int(0));
    m.collect();
}

#[test]
fn a_missing_write_barrier_is_caught() {
    caught("no barrier", "(freed memory)", || {
        old_to_new(&mut checked(Factory::of::<Broken<Generational, { bug::NO_BARRIER }>>()));
    });
}

#[test]
fn a_lost_count_is_caught() {
    caught("lost count", "(freed memory)", || {
        old_to_new(&mut checked(Factory::of::<Broken<Rc, { bug::NO_BARRIER }>>()));
    });
}

#[test]
fn a_reference_that_is_dropped_twice_is_caught() {
    caught("dropped twice", "(freed memory)", || {
        shared(&mut checked(Factory::of::<Broken<Rc, { bug::DROPPED_TWICE }>>()));
    });
}

/// Bytes that are left when a program's roots are gone.
fn left(factory: Factory) -> usize {
    let mut m = checked(factory);
    shared(&mut m);
    m.clear_roots();
    m.collect();
    m.usage().used_bytes
}

#[test]
fn a_count_that_is_never_dropped_leaves_bytes() {
    assert_ne!(left(Factory::of::<Broken<Rc, { bug::NEVER_DROPPED }>>()), 0);
}

#[test]
fn sound_mutators_pass() {
    type Sound<H> = Broken<H, { bug::NONE }>;
    for factory in [Factory::of::<Sound<Rc>>(), Factory::of::<Sound<Generational>>()] {
        let mut m = checked(factory);
        old_to_new(&mut m);
        shared(&mut m);
        m.collect_and_check();
        assert_eq!(left(factory), 0);
    }
}
