//! Limits: nothing beyond them, everything up to them, and life after them.

use menagerie::heap::{HeapConfig, Oom};
use menagerie::object::{ObjectKind, ObjectLayout};
use menagerie::value::Value;

use crate::model::{From, Machine};
use crate::{Case, SIZERS, cases, collecting_cases};

/// Conses onto root 0 until the heap is full; how many.
fn fill(m: &mut Machine) -> usize {
    let mut n = 0;
    while m.new_values(0, ObjectKind::Cons, &[From::Int(n as i64), From::Root(0)]).is_ok() {
        n += 1;
    }
    n
}

fn limited(case: &Case, limit_bytes: usize) -> HeapConfig {
    case.with(|config| config.limit_bytes = limit_bytes)
}

const CONS_BYTES: usize = ObjectLayout::new(ObjectKind::Cons, 2).size();

#[test]
fn a_full_heap_is_an_error_and_dropping_its_data_heals_it() {
    for case in cases() {
        for sizer in SIZERS {
            let mut config = limited(&case, 150_000);
            config.sizer = sizer;
            let mut m = Machine::new(&config, 1).unwrap();
            let n = fill(&mut m);
            assert!(n * CONS_BYTES > config.limit_bytes * 2 / 5, "{}: {n} conses", case.name);
            m.check();
            if case.info.collects {
                for _ in 0..3 {
                    m.clear_roots();
                    let again = fill(&mut m);
                    assert!(again.abs_diff(n) < n / 50, "{}: {again}, not {n}", case.name);
                }
                m.collect_and_check();
            }
        }
    }
}

#[test]
fn limits_of_a_few_kib_work_or_are_refused_with_a_remedy() {
    for case in cases() {
        for limit in [0, 1, 100, 1 << 10, 4 << 10, 8 << 10, 20 << 10, 66_000, 100 << 10, 300_001] {
            match Machine::new(&limited(&case, limit), 1) {
                Err(e) => {
                    assert!(limit < 100 << 10, "{} refuses {limit}", case.name);
                    assert!(e.0.contains("at least"), "{}", e.0);
                }
                Ok(mut m) => {
                    let n = fill(&mut m);
                    assert!(n * CONS_BYTES <= limit);
                    m.check();
                    if case.info.collects {
                        m.clear_roots();
                        assert!(fill(&mut m).abs_diff(n) <= 1 + n / 50);
                        m.check();
                    }
                }
            }
        }
    }
}

#[test]
fn garbage_never_exhausts_a_collecting_heap() {
    for case in collecting_cases() {
        let mut m = Machine::new(&limited(&case, 1 << 20), 2).unwrap();
        for i in 0..60_000 {
            let len = [2, 3, 5, 30, 200][i % 5] * if i % 1000 == 999 { 50 } else { 1 };
            let from = if i % 2 == 0 { From::Root(1) } else { From::Int(1) };
            // The latest and the one before live.
            m.set(1, From::Root(0));
            m.store(1, 0, From::Int(0));
            m.new_values(0, ObjectKind::Buffer, &vec![from; len]).unwrap();
        }
        assert!(!m.collections().is_empty());
        m.collect_and_check();
    }
}

#[test]
fn objects_beyond_the_limit_are_refused_and_leave_no_trace() {
    for case in cases() {
        let mut m = Machine::new(&limited(&case, 1 << 20), 1).unwrap();
        m.new_values(0, ObjectKind::Tuple, &[From::Int(1)]).unwrap();
        for len in [200_000, 1 << 25, u32::MAX - 1, u32::MAX] {
            for kind in [ObjectKind::Buffer, ObjectKind::Bytes] {
                if ObjectLayout::new(kind, len).size() > 1 << 20 {
                    assert_eq!(m.alloc_unmodelled(ObjectLayout::new(kind, len)), Err(Oom));
                }
            }
        }
        m.new_values(0, ObjectKind::Tuple, &[From::Root(0)]).unwrap();
        m.check();
    }
}

#[test]
fn nogc_takes_the_limit_to_the_byte() {
    let case = cases().into_iter().find(|case| case.info.name == "nogc").unwrap();
    let mut m = Machine::new(&limited(&case, 1000), 1).unwrap();
    assert_eq!(fill(&mut m), 1000 / CONS_BYTES);
    assert_eq!(m.usage().used_bytes, 984);
    m.new_values(0, ObjectKind::Cell, &[From::Root(0)]).unwrap();
    assert_eq!(m.usage().used_bytes, 1000);
    assert_eq!(m.new_values(0, ObjectKind::Tuple, &[]), Err(Oom));
    m.check();
}

#[test]
fn a_semispace_holds_half_of_the_limit() {
    let case = cases().into_iter().find(|case| case.info.name == "semispace").unwrap();
    let mut m = Machine::new(&limited(&case, 96_000), 1).unwrap();
    assert_eq!(fill(&mut m), 48_000 / CONS_BYTES);
}

/// Large objects come and go; small ones take their place, and the other way round.
#[test]
fn memory_moves_between_sizes() {
    for case in collecting_cases() {
        let mut m = Machine::new(&limited(&case, 2 << 20), 200).unwrap();
        for round in 0..3 {
            for words in [3, 40, 300, 900, 3000, 30_000] {
                let room = 700_000 / (words * 8 + 8);
                for r in 0..room.min(200) {
                    let filler = vec![From::Int(round); words];
                    let made = m.new_values(r, ObjectKind::Buffer, &filler);
                    assert_eq!(made, Ok(()), "{}: {words} words, number {r}", case.name);
                }
                m.check();
                m.clear_roots();
            }
        }
    }
}

#[test]
fn the_system_gets_its_memory_back() {
    for case in collecting_cases() {
        for _ in 0..100 {
            let mut m = Machine::new(&limited(&case, 64 << 20), 1).unwrap();
            for _ in 0..3 {
                m.new_raw(0, ObjectKind::Bytes, 1 << 20).unwrap();
            }
            m.set_unmodelled(0, Value::NIL);
        }
    }
}
