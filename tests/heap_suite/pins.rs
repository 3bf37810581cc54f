//! Pinned objects stay where they are, on every heap, whatever is collected.

use menagerie::heap::CheckOptions;
use menagerie::object::ObjectKind;

use crate::model::{From, Machine};
use crate::{Case, cases};

/// Every heap, checked, collecting at every allocation.
fn stressed(f: impl Fn(&mut Machine)) {
    let check = CheckOptions { check: true, stress: Some(1), ..CheckOptions::default() };
    for case in cases() {
        let mut m = machine(&case, 16 << 20, check);
        f(&mut m);
        m.check();
    }
}
fn machine(case: &Case, limit: usize, checks: CheckOptions) -> Machine {
    let config = case.with(|config| (config.checks, config.limit_bytes) = (checks, limit));
    Machine::new(&config, 8).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}
/// Moves what can move, as often as there are objects made here.
fn churn(m: &mut Machine) {
    for n in 0..20 {
        m.new_values(7, ObjectKind::Tuple, &[From::Int(n)]).unwrap();
    }
    m.collect();
}

#[test]
fn pinned_objects_stay() {
    stressed(|m| {
        m.new_values(1, ObjectKind::Tuple, &[From::Int(1)]).unwrap();
        m.new_values(0, ObjectKind::Record, &[From::Root(1), From::Int(0)]).unwrap();
        m.new_raw(2, ObjectKind::Bytes, 100).unwrap();
        m.store(0, 1, From::Root(0));
        let places = [m.pin(0).unwrap().unwrap(), m.pin(2).unwrap().unwrap()];
        churn(m);
        let now = |m: &Machine, r| m.root(r).as_object().unwrap();
        assert_eq!([now(m, 0), now(m, 2)], places);
        // A pinned object is written to like any other, and keeps what it refers to.
        m.new_values(3, ObjectKind::Tuple, &[From::Root(0)]).unwrap();
        m.store(0, 0, From::Root(3));
        m.set(3, From::Int(0));
        m.set(1, From::Int(0));
        churn(m);
        assert_eq!([now(m, 0), now(m, 2)], places);
        m.check();
        m.unpin(0);
        m.unpin(0);
        churn(m);
        m.check();
    });
}

#[test]
fn a_pin_keeps_its_object_alive_and_the_last_unpin_lets_it_go() {
    stressed(|m| {
        m.new_values(0, ObjectKind::Tuple, &[From::Int(5)]).unwrap();
        let first = m.pin(0).unwrap().unwrap();
        assert_eq!(m.pin(0).unwrap().unwrap(), first, "pinned twice, in one place");
        m.new_weak(1, 0).unwrap();
        m.set(0, From::Int(0));
        churn(m);
        assert_eq!(m.weak_target(1).as_object(), Some(first));
        m.unpin(0);
        churn(m);
        assert_eq!(m.weak_target(1).as_object(), Some(first), "there is another pin");
        m.unpin(0);
        churn(m);
        m.collect_and_check();
    });
}

#[test]
fn pinned_in_a_region_and_beyond_its_end() {
    stressed(|m| {
        m.enter();
        m.new_values(0, ObjectKind::Tuple, &[From::Int(5)]).unwrap();
        m.new_values(1, ObjectKind::Tuple, &[From::Root(0)]).unwrap();
        let place = m.pin(0).unwrap().unwrap();
        m.set(0, From::Int(0));
        m.leave(1);
        churn(m);
        m.load(1, 0, 0);
        assert_eq!(m.root(0).as_object(), Some(place));
        m.unpin(0);
        m.clear_roots();
        churn(m);
    });
}

#[test]
fn pins_in_a_full_heap_fail_or_hold() {
    for case in cases() {
        let mut m =
            machine(&case, 1 << 20, CheckOptions { check: true, ..CheckOptions::default() });
        m.new_values(0, ObjectKind::Tuple, &[From::Int(0), From::Int(0)]).unwrap();
        // A list that fills the heap, all of it pinned from time to time.
        for n in 0.. {
            if m.new_values(1, ObjectKind::Buffer, &[From::Root(0); 900]).is_err() {
                break;
            }
            m.take(0, 1);
            if n % 5 == 0 && m.pin(0).is_some_and(|pinned| pinned.is_err()) {
                break;
            }
        }
        m.check();
        while m.is_pinning() {
            m.unpin(0);
        }
        m.clear_roots();
        m.collect_and_check();
    }
}
