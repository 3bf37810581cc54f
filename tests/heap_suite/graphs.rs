//! Shapes that break collectors: long, deep, wide, cyclic, of every size.

use menagerie::heap::{Barrier, Mutator};
use menagerie::object::{ObjectKind, ObjectLayout};
use menagerie::value::Value;

use crate::model::{From, Machine};
use crate::{cases, collecting_cases};

/// Runs on a stack on which recursion over the graph would be noticed.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 << 10).spawn(f).unwrap().join().unwrap();
}

/// Links a million objects, the link in slot `link` of three, then collects twice.
fn million(link: usize) {
    const N: i64 = 1_000_000;
    for case in cases() {
        let mut m = Machine::new(&case.config, 1).unwrap();
        let layout = ObjectLayout::new(ObjectKind::Tuple, 3);
        for n in 0..N {
            let o = m.alloc_unmodelled(layout).unwrap();
            let rest = m.root(0);
            for i in 0..3 {
                let v = if i == link { rest } else { Value::small(n) };
                m.mutator().init(o, i, v);
            }
            m.set_unmodelled(0, Value::object(o));
        }
        m.collect();
        m.collect();
        if case.info.collects {
            assert_eq!(m.usage().live_bytes, N as usize * layout.size());
        }
        let (mut at, mut n) = (m.root(0), N);
        while let Some(o) = at.as_object() {
            n -= 1;
            assert_eq!(m.mutator().load(o, (link + 1) % 3), Value::small(n));
            at = m.mutator().load(o, link);
        }
        assert_eq!(n, 0, "{}", case.name);
    }
}

#[test]
fn a_million_objects_in_a_row_need_no_recursion() {
    for link in 0..3 {
        on_a_small_stack(move || million(link));
    }
}

#[test]
fn deep_trees_and_combs() {
    on_a_small_stack(|| {
        for case in cases() {
            let mut m = Machine::new(&case.config, 3).unwrap();
            for n in 0..30_000 {
                // A comb: every tooth is an object of its own.
                m.new_values(1, ObjectKind::Tuple, &[From::Int(n), From::Root(0)]).unwrap();
                let slots = [From::Root(1), From::Root(2), From::Root(0)];
                m.new_values(0, ObjectKind::Record, &slots).unwrap();
            }
            m.collect_and_check();
        }
    });
}

#[test]
fn wide_objects() {
    for case in cases() {
        let mut m = Machine::new(&case.config, 2).unwrap();
        m.new_values(0, ObjectKind::Buffer, &[From::Int(0); 300_000]).unwrap();
        for i in 0..20_000 {
            m.new_values(1, ObjectKind::Cell, &[From::Root(0)]).unwrap();
            m.store(0, i * 15, From::Root(1));
        }
        m.collect_and_check();
    }
}

#[test]
fn cyclic_garbage_goes_and_live_cycles_stay() {
    for case in collecting_cases() {
        let config = case.with(|config| config.limit_bytes = 600 << 10);
        let mut m = Machine::new(&config, 4).unwrap();
        // Alive: a ring.
        m.new_values(0, ObjectKind::Cell, &[From::Int(0)]).unwrap();
        m.new_values(1, ObjectKind::Cell, &[From::Root(0)]).unwrap();
        m.store(0, 0, From::Root(1));
        m.set(1, From::Int(0));
        for _ in 0..20_000 {
            // Dead: an object that refers to itself, a pair, a pair that refers to the living.
            m.new_values(1, ObjectKind::Tuple, &[From::Root(0); 2]).unwrap();
            m.store(1, 1, From::Root(1));
            m.new_values(2, ObjectKind::Tuple, &[From::Root(1); 2]).unwrap();
            m.new_values(3, ObjectKind::Tuple, &[From::Root(2), From::Root(0)]).unwrap();
            m.store(2, 1, From::Root(3));
        }
        m.collect_and_check();
        m.clear_roots();
        m.collect_and_check();
        assert_eq!(m.usage().live_bytes, 0, "{}", case.name);
    }
}

#[test]
fn objects_of_every_size_keep_their_content() {
    for case in cases() {
        let mut m = Machine::new(&case.config, 1400).unwrap();
        for round in 0..3 {
            for r in 0..1400 {
                // Sizes around every class boundary, up to 11 KiB; a third changes each round.
                if round == 0 || r % 3 == round {
                    let made = match r % 2 {
                        0 => m.new_raw(r, ObjectKind::Bytes, (r * 8 + round) as u32),
                        _ => m.new_values(r, ObjectKind::Buffer, &vec![From::Root(r - 1); r]),
                    };
                    made.unwrap();
                }
            }
            m.collect_and_check();
        }
    }
}

#[test]
fn objects_move_exactly_where_the_heap_says_so() {
    for case in cases() {
        let mut m = Machine::new(&case.config, 2).unwrap();
        m.new_values(0, ObjectKind::Tuple, &[From::Int(1)]).unwrap();
        m.new_raw(1, ObjectKind::Bytes, 100_000).unwrap();
        for _ in 0..3 {
            let before = [m.root(0), m.root(1)];
            m.collect_and_check();
            let moved = [m.root(0), m.root(1)].iter().zip(before).any(|(&now, was)| now != was);
            assert!(!moved || case.info.moves, "{} says that it does not move", case.name);
            assert!(moved || case.info.name != "semispace");
        }
    }
}

#[test]
fn phases_are_reported() {
    for case in collecting_cases() {
        let mut m = Machine::new(&case.config, 1).unwrap();
        m.new_values(0, ObjectKind::Tuple, &[From::Int(1), From::Int(2)]).unwrap();
        m.new_values(0, ObjectKind::Tuple, &[From::Root(0), From::Int(2)]).unwrap();
        m.new_values(0, ObjectKind::Tuple, &[]).unwrap();
        m.collect();
        let (_, c) = m.collections().last().unwrap();
        assert_eq!(c.after_bytes, 8, "{}", case.name);
        if case.info.barrier != Barrier::Counting {
            // A counting heap has freed the dead before, and does not trace the living.
            assert_eq!((c.before_bytes, c.traced_objects), (56, 1), "{}", case.name);
        }
        assert_eq!(c.copied_bytes, if case.info.moves { 8 } else { 0 });
        assert!(c.phases.iter().any(|(name, _)| *name == "weak"), "{:?}", c.phases);
    }
}

#[test]
#[should_panic(expected = "one worker, one mutator")]
fn a_second_mutator_is_refused() {
    use menagerie::heap::Heap;
    let m = Machine::new(&cases()[0].config, 0).unwrap();
    m.heap().mutator();
}
