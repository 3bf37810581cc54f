//! Mutants of barriers and counts: each must be noticed, by the checker or by the law that nothing
//! is left.

use menagerie::heap::Factory;
use menagerie::object::ObjectKind;
use menagerie_strategies::heaps::generational::Generational;
use menagerie_strategies::heaps::rc::Rc;

use crate::broken::{Broken, bug};
use crate::model::{From, Machine};
use crate::mutants::{caught, checked};

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
