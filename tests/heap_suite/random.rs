//! Random programs: whatever a program does to its objects, whenever a collection happens, the graph
//! is the one that the program built.

#![allow(clippy::unit_arg, reason = "a table of steps that give Result<(), _>")]

use menagerie::check::property_cases;
use menagerie::heap::{CheckOptions, HeapConfig};
use menagerie::object::ObjectKind;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::model::{From, Machine};
use crate::{SIZERS, cases};

const ROOTS: usize = 10;

/// One step of a program; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    Values {
        to: u8,
        kind: u8,
        len: u16,
        from: u8,
    },
    Raw {
        to: u8,
        kind: u8,
        len: u16,
    },
    Garbage {
        len: u8,
        count: u8,
    },
    Store {
        root: u8,
        slot: u16,
        from: u8,
    },
    Load {
        root: u8,
        slot: u16,
        to: u8,
    },
    Set {
        to: u8,
        from: u8,
    },
    Take {
        to: u8,
        from: u8,
    },
    Drop {
        root: u8,
    },
    Weak {
        to: u8,
        target: u8,
    },
    WeakMap {
        to: u8,
        entries: u8,
    },
    Entry {
        map: u8,
        entry: u8,
        key: u8,
        from: u8,
    },
    Finalizer {
        root: u8,
    },
    Pin {
        root: u8,
    },
    Unpin {
        pin: u8,
    },
    RunFinalizers,
    Check,
    Collect,
    Return,
    Enter,
    /// The roots in `drop` go out of use first: a region from which nothing escapes is simple.
    Leave {
        root: u8,
        drop: u16,
    },
    Switch,
}

const VALUE_KINDS: [ObjectKind; 5] = [
    ObjectKind::Record,
    ObjectKind::Tuple,
    ObjectKind::Cons,
    ObjectKind::Buffer,
    ObjectKind::Closure,
];
const RAW_KINDS: [ObjectKind; 3] = [ObjectKind::Str, ObjectKind::F64Array, ObjectKind::Index];

fn op() -> impl Strategy<Value = Op> {
    let (a, b) = (any::<u8>(), any::<u8>());
    let raw =
        |len| (any::<u8>(), any::<u8>(), len).prop_map(|(to, kind, len)| Op::Raw { to, kind, len });
    let values =
        |len| {
            (any::<u8>(), any::<u8>(), len, any::<u8>())
                .prop_map(|(to, kind, len, from)| Op::Values { to, kind, len, from })
        };
    prop_oneof![
        25 => values(0..8u16),
        5 => values(0..80),
        2 => values(500..3000),
        6 => raw(0..100u16),
        2 => raw(0..20_000),
        4 => (0..16u8, 0..200u8).prop_map(|(len, count)| Op::Garbage { len, count }),
        18 => (a, any::<u16>(), b).prop_map(|(root, slot, from)| Op::Store { root, slot, from }),
        10 => (a, any::<u16>(), b).prop_map(|(root, slot, to)| Op::Load { root, slot, to }),
        6 => (a, b).prop_map(|(to, from)| Op::Set { to, from }),
        3 => (a, b).prop_map(|(to, from)| Op::Take { to, from }),
        5 => a.prop_map(|root| Op::Drop { root }),
        4 => (a, b).prop_map(|(to, target)| Op::Weak { to, target }),
        2 => (a, 0..6u8).prop_map(|(to, entries)| Op::WeakMap { to, entries }),
        9 => (a, 0..6u8, b, any::<u8>())
            .prop_map(|(map, entry, key, from)| Op::Entry { map, entry, key, from }),
        3 => a.prop_map(|root| Op::Finalizer { root }),
        2 => a.prop_map(|root| Op::Pin { root }),
        2 => a.prop_map(|pin| Op::Unpin { pin }),
        1 => Just(Op::RunFinalizers),
        2 => Just(Op::Check),
        3 => Just(Op::Collect),
        1 => Just(Op::Return),
        5 => Just(Op::Enter),
        5 => (a, any::<u16>()).prop_map(|(root, drop)| Op::Leave { root, drop }),
        1 => Just(Op::Switch),
    ]
}

/// A root, or a small number.
fn source(from: u8) -> From {
    if from % 4 == 3 { From::Int(from.into()) } else { From::Root(from as usize / 4 % ROOTS) }
}

/// The `n`-th step: a finalizer is told from others by its number.
fn step(m: &mut Machine, n: usize, op: &Op) {
    let root = |n: u8| n as usize % ROOTS;
    // An allocation that fails leaves everything as it was: the model notices if not.
    let _ = match *op {
        Op::Values { to, kind, len, from } => {
            let slot = |i: u16| source((i as u8).wrapping_mul(5).wrapping_add(from));
            let slots: Vec<_> = (0..len).map(slot).collect();
            m.new_values(root(to), VALUE_KINDS[kind as usize % VALUE_KINDS.len()], &slots)
        }
        Op::Raw { to, kind, len } => {
            let kind = RAW_KINDS[kind as usize % RAW_KINDS.len()];
            // Index and f64 arrays have whole words.
            let len = if kind == ObjectKind::Str { len } else { len & !7 };
            m.new_raw(root(to), kind, len.into())
        }
        Op::Garbage { len, count } => (0..count).try_for_each(|_| {
            m.new_values(ROOTS, ObjectKind::Tuple, &vec![From::Int(0); len as usize])
        }),
        Op::Store { root: r, slot, from } => Ok(m.store(root(r), slot.into(), source(from))),
        Op::Load { root: r, slot, to } => Ok(m.load(root(r), slot.into(), root(to))),
        Op::Set { to, from } => Ok(m.set(root(to), source(from))),
        Op::Take { to, from } => Ok(m.take(root(to), root(from))),
        Op::Drop { root: r } => Ok(m.set(root(r), From::Int(0))),
        Op::Weak { to, target } => m.new_weak(root(to), root(target)),
        Op::WeakMap { to, entries } => m.new_weak_map(root(to), entries.into()),
        Op::Entry { map, entry, key, from } => {
            Ok(m.set_entry(root(map), entry.into(), root(key), source(from)))
        }
        Op::Finalizer { root: r } => Ok(m.add_finalizer(root(r), n as i64)),
        Op::Pin { root: r } => m.pin(root(r)).transpose().map(drop),
        Op::Unpin { pin } => Ok(m.unpin(pin.into())),
        Op::RunFinalizers => Ok(drop(m.finish_finalizers())),
        Op::Check => Ok(m.check()),
        Op::Collect => Ok(m.collect_and_check()),
        Op::Return => Ok(m.clear_roots()),
        Op::Enter => Ok(m.enter()),
        Op::Leave { root: r, drop } => {
            let dropped = (0..ROOTS).filter(|&i| drop >> i & 1 != 0);
            dropped.for_each(|i| m.set(i, From::Int(0)));
            Ok(m.leave(root(r)))
        }
        Op::Switch => Ok(m.switch()),
    };
}

fn run(config: &HeapConfig, ops: &[Op]) {
    // One more root: for garbage.
    let mut m = Machine::new(config, ROOTS + 1).unwrap();
    ops.iter().enumerate().for_each(|(n, op)| step(&mut m, n, op));
    m.check();
    while m.in_region() {
        m.leave(0);
        m.check();
    }
    while m.is_pinning() {
        m.unpin(0);
    }
    m.collect_and_check();
    m.collect_and_check();
}

/// Random programs on every heap with this change of its configuration.
fn check(cases_each: u32, length: usize, change: impl Fn(&mut HeapConfig)) {
    for case in cases() {
        let mut config = case.with(&change);
        if Machine::new(&config, 0).is_err() {
            config.limit_bytes = case.config.limit_bytes; // Below the heap's minimum.
        }
        let cases = property_cases(cases_each);
        let runner = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
        let mut runner = TestRunner::new_with_rng(runner, TestRng::deterministic_rng(RNG));
        let programs = prop::collection::vec(op(), 1..length);
        let result = runner.run(&programs, |ops| {
            run(&config, &ops);
            Ok(())
        });
        result.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
}
const RNG: RngAlgorithm = RngAlgorithm::ChaCha;

#[test]
fn programs_see_no_collection() {
    for sizer in SIZERS {
        check(40, 200, |config| config.sizer = sizer);
    }
}

/// Checkers poison, and then regions and frames end on the slow path.
#[test]
fn programs_see_no_fast_end_of_a_region() {
    for sizer in SIZERS {
        check(40, 200, |config| (config.sizer, config.poison) = (sizer, false));
    }
}

#[test]
fn programs_see_no_collection_in_tight_heaps() {
    for kib in [8, 40, 100, 300] {
        for sizer in SIZERS {
            check(15, 300, |config| (config.limit_bytes, config.sizer) = (kib << 10, sizer));
        }
    }
}

#[test]
fn programs_see_no_collection_under_stress() {
    for n in [1, 3] {
        check(15, 200, |config| {
            config.checks =
                CheckOptions { check: true, stress: Some(n), ..CheckOptions::default() };
        });
    }
}

#[test]
fn programs_survive_the_failure_of_any_allocation() {
    for n in [1, 2, 7, 30] {
        check(8, 100, |config| config.checks.fail_nth = Some(n));
    }
}
