//! Regions: what is left behind goes at once, what escapes keeps its identity, in each of the places
//! from which it can be seen; and heaps that get this wrong are noticed.

use menagerie::heap::{
    Cause, CheckOptions, Factory, HeapConfig, LiveRegisters, Mutator, Safepoint, Sizer,
};
use menagerie::object::ObjectKind;
use menagerie::value::Value;
use menagerie_strategies::heaps::arena::Arena;
use menagerie_strategies::heaps::hybrid::Hybrid;
use menagerie_strategies::heaps::mark_sweep::MarkSweep;

use crate::broken::{Broken, bug};
use crate::model::{From, Machine};
use crate::mutants::{caught, checked};

/// Registers are roots 0 to 5, 6 and more are globals.
const ROOTS: usize = 12;
const GLOBAL: usize = 8;
const TUPLE: ObjectKind = ObjectKind::Tuple;

fn machines(change: impl Fn(&mut HeapConfig)) -> impl Iterator<Item = Machine> {
    [Factory::of::<Arena<MarkSweep>>(), Factory::of::<Hybrid>()].into_iter().map(move |factory| {
        let mut config = HeapConfig {
            limit_bytes: 16 << 20,
            sizer: Sizer::Fixed,
            poison: true,
            checks: CheckOptions { check: true, seed: 77, ..CheckOptions::default() },
            wrapped: Some(factory),
            ..HeapConfig::default()
        };
        change(&mut config);
        Machine::new(&config, ROOTS).unwrap()
    })
}

/// `roots[r] = a tuple of (n, nil)`
fn pair(m: &mut Machine, r: usize, n: i64) {
    m.new_values(r, TUPLE, &[From::Int(n), From::Int(0)]).unwrap();
}

fn drop_registers(m: &mut Machine) {
    (0..6).for_each(|r| m.set(r, From::Int(0)));
}

#[test]
fn what_does_not_escape_never_reaches_the_parent() {
    for mut m in machines(|_| {}) {
        for _ in 0..100 {
            m.enter();
            for n in 0..500 {
                pair(&mut m, 0, n);
                m.store(0, 1, From::Root(1));
                m.set(1, From::Root(0));
            }
            drop_registers(&mut m);
            m.leave(5);
            m.check();
        }
        let usage = m.usage();
        assert_eq!((usage.collections, usage.used_bytes), (0, 0), "bounded, without collections");
        assert_eq!((m.counter("promoted_objects"), m.counter("region_bytes")), (0, 50_000 * 24));
    }
}

/// Every way out at once; afterwards each alias sees what is written through another.
#[test]
fn promotion_keeps_identity() {
    for mut m in machines(|_| {}) {
        pair(&mut m, 5, 5); // older, in the parent
        m.enter();
        pair(&mut m, 4, 4); // in an outer region
        m.enter();
        pair(&mut m, 0, 0);
        m.store(0, 1, From::Root(0)); // a cycle
        pair(&mut m, 1, 1);
        m.store(1, 1, From::Root(0)); // from another region object
        m.set(2, From::Root(0)); // a second register
        m.store(4, 1, From::Root(0)); // from the outer region
        m.store(5, 1, From::Root(0)); // from the parent
        m.set(GLOBAL, From::Root(0)); // a root of the world
        m.new_weak(3, 0).unwrap();
        m.leave(1);
        m.check();
        for alias in [0, 2, GLOBAL] {
            m.store(alias, 0, From::Int(alias as i64 + 100));
            m.check();
        }
        m.set(0, From::Int(0));
        m.set(2, From::Int(0));
        m.collect();
        m.leave(4);
        m.check();
        drop_registers(&mut m);
        m.set(GLOBAL, From::Int(0));
        m.collect();
        assert_eq!(m.usage().live_bytes, 0);
    }
}

#[test]
fn tasks_that_saw_it_see_the_copy() {
    for mut m in machines(|_| {}) {
        pair(&mut m, 5, 5);
        m.enter();
        pair(&mut m, 0, 0);
        m.store(5, 1, From::Root(0));
        m.switch();
        // What another task would do: read it out of the older object, into its own register.
        let (older, other) = (m.root(5).as_object().unwrap(), GLOBAL + 1);
        let seen = m.mutator().load(older, 1);
        m.set(other, From::Int(0));
        m.set_unmodelled(other, seen);
        m.leave(4);
        assert_eq!(m.root(other), m.mutator().load(older, 1));
        assert_eq!(m.root(other), m.root(0));
        m.set_unmodelled(other, Value::small(0));
        m.check();
    }
}

#[test]
fn a_slot_remembered_ten_thousand_times_is_remembered_once() {
    for mut m in machines(|config| config.checks = CheckOptions::default()) {
        pair(&mut m, 5, 5);
        m.enter();
        for n in 0..10_000 {
            pair(&mut m, 0, n);
            m.store(5, (n % 2) as usize, From::Root(0));
        }
        m.leave(4);
        m.check();
        assert_eq!(m.counter("promoted_objects"), 2);
    }
}

/// The log of stores is as long as it is: the rest is done by the slow path, whatever is stored or made.
#[test]
fn more_stores_than_the_log_has_room_for() {
    for mut m in machines(|config| config.checks = CheckOptions::default()) {
        pair(&mut m, 5, 5);
        m.enter();
        pair(&mut m, 0, 0);
        let (older, inner) = (m.root(5).as_object().unwrap(), m.root(0));
        let mut refused = 0;
        for _ in 0..5000 {
            for v in [Value::NIL, inner] {
                let done = m.mutator().try_store(older, 1, v);
                if !done {
                    refused += 1;
                    m.mutator().store(older, 1, v);
                }
            }
        }
        assert!(refused < 10, "a full log is emptied, not passed by: {refused}");
        m.store(5, 1, From::Root(0));
        // Objects of an inner region that refer to the outer one: noted, too, and there is always room.
        m.enter();
        for n in 0..5000 {
            m.new_values(1, TUPLE, &[From::Root(0), From::Int(n)]).unwrap();
        }
        m.set(1, From::Int(0));
        m.leave(0);
        m.leave(5);
        m.check();
        assert_eq!((m.counter("promoted_objects"), m.counter("region_enters")), (1, 2));
    }
}

/// A region that ends on the fast path leaves its chunk and its place to the next one, and its token to
/// nobody.
#[test]
fn regions_that_let_nothing_out_cost_nothing() {
    for mut m in
        machines(|config| (config.checks, config.poison) = (CheckOptions::default(), false))
    {
        for n in 0..100 {
            m.enter();
            pair(&mut m, 0, n);
            m.set(0, From::Int(0));
            m.leave(5);
        }
        let used = |m: &mut Machine| {
            let nothing = LiveRegisters { window: &[], live: 0, other: Value::NIL };
            let region = m.mutator().try_enter().expect("one is prepared");
            (region, m.mutator().try_leave(region, nothing), nothing)
        };
        let (first, left, nothing) = used(&mut m);
        assert!(left && !m.mutator().try_leave(first, nothing), "left once");
        let (second, left, _) = used(&mut m);
        assert!(left && first != second && !m.mutator().try_leave(first, nothing));
        // One live word, a watch, or a slot outside: each takes the slow path.
        pair(&mut m, 4, 4);
        for way in 0..3 {
            m.enter();
            pair(&mut m, 0, 7);
            match way {
                0 => m.set(1, From::Root(0)),
                1 => m.new_weak(2, 0).unwrap(),
                _ => m.store(4, 0, From::Root(0)),
            }
            m.set(0, From::Int(0));
            m.leave(5);
        }
        m.check();
        assert_eq!(m.counter("promoted_objects"), 3);
    }
}

#[test]
fn more_than_the_pool_goes_to_the_parent() {
    for mut m in machines(|config| config.parameters = vec![("regions".into(), "32KiB".into())]) {
        m.enter();
        for n in 0..5000 {
            pair(&mut m, 0, n);
            m.store(0, 1, From::Root(1));
            m.set(1, From::Root(0));
        }
        assert!(m.counter("region_fallbacks") > 0);
        m.leave(4);
        m.check();
        drop_registers(&mut m);
        m.collect();
        assert_eq!(m.usage().live_bytes, 0);
    }
}

#[test]
fn without_memory_for_the_copies_the_region_stays() {
    let config = |config: &mut HeapConfig| config.limit_bytes = 1 << 20;
    for mut m in machines(config) {
        // The parent is full of what cannot go.
        while m.new_values(2, TUPLE, &[From::Root(3), From::Int(0)]).is_ok() {
            m.set(3, From::Root(2));
        }
        m.enter();
        for n in 0..2000 {
            pair(&mut m, 0, n);
            m.store(0, 1, From::Root(1));
            m.set(1, From::Root(0));
        }
        m.leave(0);
        m.check();
        assert_eq!(m.counter("region_retired"), 1);
        drop_registers(&mut m);
        m.collect();
        m.enter();
        m.leave(4);
        assert_eq!(m.usage().used_bytes, 0, "a collection has found it empty");
    }
}

/// An inner region is retired and refers to the outer one, which ends in order.
#[test]
fn a_retired_region_gets_the_copies_of_what_was_around_it() {
    for mut m in machines(|config| config.limit_bytes = 1 << 20) {
        while m.new_values(2, TUPLE, &[From::Root(3), From::Int(0)]).is_ok() {
            m.set(3, From::Root(2));
        }
        m.enter();
        pair(&mut m, 4, 4);
        m.enter();
        for n in 0..2000 {
            pair(&mut m, 0, n);
            m.store(0, 1, From::Root(1));
            m.set(1, From::Root(0));
        }
        pair(&mut m, 0, 0);
        m.store(0, 1, From::Root(4));
        m.set(4, From::Root(1));
        m.leave(0);
        assert_eq!(m.counter("region_retired"), 1);
        // Now there is memory.
        [2, 3].into_iter().for_each(|r| m.set(r, From::Int(0)));
        m.collect();
        m.leave(5);
        m.check();
        m.load(0, 1, 1);
        m.store(1, 0, From::Int(7));
        m.check();
    }
}

/// An object that refers to a retired region is gone with its own region, the slot is still remembered.
#[test]
fn a_slot_that_is_gone_with_its_region_is_no_root() {
    for mut m in machines(|config| config.poison = false) {
        m.enter();
        pair(&mut m, 4, 4);
        m.pin(4).unwrap().unwrap();
        m.leave(5);
        assert_eq!(m.counter("region_retired"), 1);
        m.enter();
        m.new_values(0, TUPLE, &[From::Root(4), From::Int(0)]).unwrap();
        m.leave(0);
        m.collect_and_check();
        m.unpin(0);
        drop_registers(&mut m);
        m.collect_and_check();
    }
}

/// Retired regions are promoted when a collection has made room; remembered slots, that keep them from
/// being found empty, get the copies.
#[test]
fn copies_that_found_no_memory_are_made_later() {
    for mut m in machines(|config| config.limit_bytes = 1 << 20) {
        pair(&mut m, 5, 5);
        while m.new_values(2, TUPLE, &[From::Root(3), From::Int(0)]).is_ok() {
            m.set(3, From::Root(2));
        }
        m.enter();
        for n in 0..2000 {
            pair(&mut m, 0, n);
            m.store(0, 1, From::Root(1));
            m.set(1, From::Root(0));
        }
        m.store(5, 1, From::Root(0));
        m.set(GLOBAL, From::Root(0));
        m.leave(0);
        assert_eq!((m.counter("region_retired"), m.counter("promoted_objects")), (1, 0));
        // A collection without room changes nothing, one with room does.
        m.collect();
        m.check();
        assert_eq!(m.counter("promoted_objects"), 0);
        [2, 3].into_iter().for_each(|r| m.set(r, From::Int(0)));
        m.collect();
        m.new_values(4, TUPLE, &[From::Int(0); 50]).unwrap();
        assert_eq!(m.counter("promoted_objects"), 2000);
        m.store(GLOBAL, 0, From::Int(77));
        m.check();
        // Only the older object's slot is left.
        m.set(GLOBAL, From::Int(0));
        [0, 1, 4].into_iter().for_each(|r| m.set(r, From::Int(0)));
        m.collect();
        m.check();
        m.set(5, From::Int(0));
        m.collect();
        assert_eq!(m.usage().used_bytes, 0, "neither the region nor its copies are left");
    }
}

#[test]
#[should_panic(expected = "the region has ended")]
fn a_region_is_left_once() {
    let mut m = machines(|_| {}).next().unwrap();
    let region = m.mutator().enter();
    let mut collect = |_: Cause| {};
    for _ in 0..2 {
        let at = &mut Safepoint::new(&mut collect);
        m.mutator().leave(region, &mut Value::small(1), &mut |_| {}, at);
    }
}

// ---- mutants ----

/// The object that `escapes` put somewhere is used after its region.
fn mutant<const BUG: u8>(name: &str, text: &str, escapes: fn(&mut Machine)) {
    let both =
        [Factory::of::<Broken<Arena<MarkSweep>, BUG>>(), Factory::of::<Broken<Hybrid, BUG>>()];
    for factory in both {
        caught(name, text, || {
            let mut m = checked(factory);
            pair(&mut m, 2, 2);
            m.enter();
            pair(&mut m, 1, 1);
            escapes(&mut m);
            m.collect();
        });
    }
}

#[test]
fn broken_regions_are_caught() {
    mutant::<{ bug::DANGLING_RESULT }>("dangling result", "(freed memory)", |m| m.leave(1));
    mutant::<{ bug::DANGLING_REGISTER }>("dangling register", "(freed memory)", |m| m.leave(2));
    mutant::<{ bug::NO_BARRIER }>("missed promotion", "(freed memory)", |m| {
        m.store(2, 1, From::Root(1));
        m.set(1, From::Int(0));
        m.leave(2);
        m.load(2, 1, 1);
    });
    mutant::<{ bug::NOT_ANNOUNCED }>("unannounced root", "(freed memory)", |m| {
        m.set(4, From::Root(1));
        m.set(1, From::Int(0));
        m.leave(2);
    });
}
