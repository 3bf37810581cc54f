//! Weak references, weak maps and finalizers.

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

// ---- weak maps ----

const GONE: (Value, Value) = (Value::UNDEFINED, Value::NIL);

#[test]
fn entries_live_as_long_as_their_keys() {
    on_every_heap(|m| {
        m.new_weak_map(0, 3).unwrap();
        object(m, 1, &[From::Int(1)]);
        object(m, 2, &[From::Int(2)]);
        for (entry, key) in [1, 2].into_iter().enumerate() {
            object(m, 3, &[From::Int(key as i64 * 10)]);
            m.set_entry(0, entry, key, From::Root(3));
        }
        m.set_entry(0, 2, 1, From::Int(5));
        m.set(3, From::Int(0));
        m.set(2, From::Int(0));
        m.collect_and_check();
        let (key, value) = m.entry(0, 0);
        assert!(key == m.root(1) && value.as_object().is_some());
        assert_eq!(m.entry(0, 1), GONE);
        assert_eq!(m.entry(0, 2), (m.root(1), Value::small(5)));
        m.set(1, From::Int(0));
        m.collect_and_check();
        assert_eq!([m.entry(0, 0), m.entry(0, 2)], [GONE; 2]);
    });
}

#[test]
fn a_value_that_refers_to_its_own_key_does_not_keep_it() {
    on_every_heap(|m| {
        m.new_weak_map(0, 2).unwrap();
        object(m, 1, &[From::Int(1)]);
        object(m, 2, &[From::Root(1), From::Root(0)]);
        m.set_entry(0, 0, 1, From::Root(2));
        // The key is its own value, too.
        m.set_entry(0, 1, 1, From::Root(1));
        m.set(2, From::Int(0));
        m.collect_and_check();
        assert_eq!(m.entry(0, 1), (m.root(1), m.root(1)));
        m.set(1, From::Int(0));
        m.collect_and_check();
        assert_eq!([m.entry(0, 0), m.entry(0, 1)], [GONE; 2]);
    });
}

/// `n` entries, each value the key of the next, written in this order; only the first key is held.
fn chain(m: &mut Machine, n: usize, backwards: bool) {
    m.new_weak_map(0, n as u32).unwrap();
    object(m, 1, &[From::Int(0)]);
    m.set(2, From::Root(1));
    for i in 0..n {
        object(m, 3, &[From::Int(i as i64 + 1)]);
        m.set_entry(0, if backwards { n - 1 - i } else { i }, 2, From::Root(3));
        m.take(2, 3);
    }
    m.set(2, From::Int(0));
}

#[test]
fn chains_of_entries_in_either_order() {
    for backwards in [false, true] {
        on_every_heap(|m| {
            chain(m, 50, backwards);
            m.collect_and_check();
            assert!((0..50).all(|entry| m.entry(0, entry).0.is_object()));
            m.set(1, From::Int(0));
            m.collect_and_check();
            assert!((0..50).all(|entry| m.entry(0, entry) == GONE));
        });
    }
}

#[test]
fn cycles_of_entries_through_two_maps() {
    on_every_heap(|m| {
        m.new_weak_map(0, 1).unwrap();
        m.new_weak_map(1, 1).unwrap();
        object(m, 2, &[From::Int(2)]);
        object(m, 3, &[From::Int(3)]);
        // Each key is held by the entry of the other.
        m.set_entry(0, 0, 2, From::Root(3));
        m.set_entry(1, 0, 3, From::Root(2));
        m.set(3, From::Int(0));
        m.collect_and_check();
        assert!(m.entry(1, 0).0.is_object());
        m.set(2, From::Int(0));
        m.collect_and_check();
        assert_eq!([m.entry(0, 0), m.entry(1, 0)], [GONE; 2]);
    });
}

#[test]
fn a_map_that_dies_lets_its_values_go() {
    on_every_heap(|m| {
        m.new_weak_map(0, 2).unwrap();
        object(m, 1, &[From::Int(1)]);
        object(m, 2, &[From::Root(1), From::Root(0)]);
        m.new_weak(3, 2).unwrap();
        m.set_entry(0, 0, 1, From::Root(2));
        m.set(2, From::Int(0));
        // The value refers to the map, and the key is alive; but nothing else refers to the map.
        m.set(0, From::Int(0));
        m.collect_and_check();
        assert_eq!(m.weak_target(3), Value::NIL);
    });
}

#[test]
fn a_map_of_maps() {
    on_every_heap(|m| {
        m.new_weak_map(0, 1).unwrap();
        m.new_weak_map(1, 1).unwrap();
        object(m, 2, &[From::Int(1)]);
        object(m, 3, &[From::Int(2)]);
        m.set_entry(1, 0, 2, From::Root(3));
        m.set_entry(0, 0, 2, From::Root(1));
        // The inner map, and with it its entry, is held by the outer one's alone.
        m.new_weak(4, 3).unwrap();
        m.set(1, From::Int(0));
        m.set(3, From::Int(0));
        m.collect_and_check();
        assert!(m.weak_target(4).is_object());
        m.set(2, From::Int(0));
        m.collect_and_check();
        assert_eq!(m.weak_target(4), Value::NIL);
        assert_eq!(m.entry(0, 0), GONE);
    });
}

#[test]
fn a_finalized_key_finds_its_entry_gone() {
    on_every_heap(|m| {
        m.new_weak_map(0, 1).unwrap();
        object(m, 1, &[From::Int(1)]);
        object(m, 2, &[From::Int(2)]);
        m.set_entry(0, 0, 1, From::Root(2));
        m.add_finalizer(1, 7);
        m.set(1, From::Int(0));
        m.set(2, From::Int(0));
        m.collect_and_check();
        // As weak references to it: cleared before the finalizer runs, also if that keeps the key.
        assert_eq!(m.entry(0, 0), GONE);
        m.keep_ready(0, 3);
        assert_eq!(m.finish_finalizers(), [7]);
        m.collect_and_check();
    });
}

#[test]
fn a_finalizer_that_revives_a_map_revives_its_values() {
    on_every_heap(|m| {
        m.new_weak_map(0, 2).unwrap();
        object(m, 1, &[From::Int(1)]);
        object(m, 2, &[From::Int(2)]);
        object(m, 3, &[From::Root(2)]);
        m.set_entry(0, 0, 1, From::Root(3));
        // The value of the first entry leads to the key of the second.
        object(m, 4, &[From::Int(4)]);
        m.set_entry(0, 1, 2, From::Root(4));
        m.add_finalizer(0, 9);
        [0, 2, 3, 4].into_iter().for_each(|r| m.set(r, From::Int(0)));
        m.collect_and_check();
        m.keep_ready(0, 0);
        assert_eq!(m.finish_finalizers(), [9]);
        let (key, value) = m.entry(0, 0);
        assert!(key == m.root(1) && value.is_object());
        m.collect_and_check();
    });
}

#[test]
fn values_with_finalizers_are_finalized_once_their_key_is_dead() {
    on_every_heap(|m| {
        m.new_weak_map(0, 1).unwrap();
        object(m, 1, &[From::Int(1)]);
        object(m, 2, &[From::Root(1)]);
        m.add_finalizer(2, 3);
        m.set_entry(0, 0, 1, From::Root(2));
        m.set(2, From::Int(0));
        m.collect_and_check();
        assert!(m.finish_finalizers().is_empty());
        m.set(1, From::Int(0));
        m.collect_and_check();
        assert_eq!(m.finish_finalizers(), [3]);
        assert_eq!(m.entry(0, 0), GONE);
    });
}
