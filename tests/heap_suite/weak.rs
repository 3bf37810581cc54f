//! Weak references and finalizers.

use menagerie::object::ObjectKind;
use menagerie::value::Value;

use crate::collecting_cases;
use crate::model::{From, Machine};

fn on_every_heap(f: impl Fn(&mut Machine)) {
    for case in collecting_cases() {
        let mut m = Machine::new(&case.config, 6).unwrap();
        f(&mut m);
        m.collect_and_check();
    }
}

fn object(m: &mut Machine, r: usize, slots: &[From]) {
    m.new_values(r, ObjectKind::Tuple, slots).unwrap();
}

#[test]
fn weak_references_follow_the_living_and_forget_the_dead() {
    on_every_heap(|m| {
        object(m, 0, &[From::Int(1)]);
        object(m, 1, &[From::Int(2)]);
        m.new_weak(2, 0).unwrap();
        m.new_weak(3, 1).unwrap();
        m.set(1, From::Int(0));
        m.collect_and_check();
        assert_eq!(m.weak_target(2), m.root(0));
        assert_eq!(m.weak_target(3), Value::NIL);
    });
}

#[test]
fn chains_of_weak_references() {
    on_every_heap(|m| {
        object(m, 0, &[From::Int(1)]);
        for r in 1..5 {
            m.new_weak(r, r - 1).unwrap();
        }
        // Holder 2 is reachable weakly only: it goes, and holder 3 forgets it.
        m.set(2, From::Int(0));
        m.collect_and_check();
        assert_eq!(m.weak_target(1), m.root(0));
        assert_eq!(m.weak_target(3), Value::NIL);
        assert_eq!(m.weak_target(4), m.root(3));
    });
}

#[test]
fn a_weak_reference_to_itself_dies_with_it() {
    on_every_heap(|m| {
        object(m, 0, &[From::Int(1)]);
        m.new_weak(1, 0).unwrap();
        m.set(0, From::Root(1));
        object(m, 2, &[From::Root(1)]);
        m.clear_roots();
    });
}

#[test]
fn finalizers_get_their_object_whole_and_once() {
    on_every_heap(|m| {
        object(m, 1, &[From::Int(7)]);
        object(m, 0, &[From::Root(1), From::Int(1)]);
        m.add_finalizer(0, 5);
        m.collect_and_check();
        assert!(m.finish_finalizers().is_empty());
        m.clear_roots();
        // The object is revived with all that it refers to: the model compares.
        m.collect_and_check();
        m.collect_and_check();
        assert_eq!(m.finish_finalizers(), [5]);
        m.collect_and_check();
        assert_eq!(m.live_bytes(), 0);
        assert!(m.finish_finalizers().is_empty());
    });
}

#[test]
fn weak_references_to_a_finalized_object_are_clear() {
    on_every_heap(|m| {
        object(m, 1, &[From::Int(7)]);
        object(m, 0, &[From::Root(1)]);
        m.new_weak(2, 0).unwrap();
        m.new_weak(3, 1).unwrap();
        m.add_finalizer(0, 1);
        m.set(0, From::Int(0));
        m.set(1, From::Int(0));
        m.collect_and_check();
        // Also the one to what only the finalized object keeps.
        assert_eq!([m.weak_target(2), m.weak_target(3)], [Value::NIL; 2]);
        assert_eq!(m.finish_finalizers(), [1]);
    });
}

#[test]
fn finalizable_cycles_are_revived_together() {
    on_every_heap(|m| {
        object(m, 0, &[From::Int(0)]);
        object(m, 1, &[From::Root(0)]);
        m.store(0, 0, From::Root(1));
        m.add_finalizer(0, 1);
        m.add_finalizer(1, 2);
        m.new_weak(2, 0).unwrap();
        object(m, 3, &[From::Root(2)]);
        m.clear_roots();
        m.collect_and_check();
        assert_eq!(m.finish_finalizers(), [1, 2]);
        m.collect_and_check();
        assert_eq!(m.live_bytes(), 0);
    });
}

#[test]
fn an_object_may_have_several_finalizers() {
    on_every_heap(|m| {
        object(m, 0, &[From::Int(0)]);
        m.add_finalizer(0, 1);
        m.add_finalizer(0, 2);
        m.clear_roots();
        let mut run = Vec::new();
        for _ in 0..3 {
            m.collect_and_check();
            run.extend(m.finish_finalizers());
        }
        assert_eq!(run, [1, 2]);
    });
}

#[test]
fn a_finalizer_may_keep_its_object() {
    on_every_heap(|m| {
        object(m, 0, &[From::Int(3)]);
        m.add_finalizer(0, 1);
        m.clear_roots();
        m.collect_and_check();
        m.keep_ready(0, 4);
        assert_eq!(m.finish_finalizers(), [1]);
        m.collect_and_check();
        assert_eq!(m.live_bytes(), 16);
    });
}
