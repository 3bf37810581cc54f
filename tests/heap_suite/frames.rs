//! Local objects: they go with their frame, never reach the parent, and everything that they hold is
//! safe until then; heaps and compilers that get this wrong are noticed.

use menagerie::heap::{CheckOptions, Factory, HeapConfig, Sizer};
use menagerie::object::ObjectKind;
use menagerie_strategies::heaps::arena::Arena;
use menagerie_strategies::heaps::mark_sweep::MarkSweep;

use crate::broken::{Broken, bug};
use crate::model::{From, Machine};
use crate::mutants::caught;

/// Registers are roots 0 to 5.
const ROOTS: usize = 12;
const TUPLE: ObjectKind = ObjectKind::Tuple;
/// Of a pair.
const BYTES: u64 = 24;

fn machine_of(factory: Factory, parameters: &[(&str, &str)]) -> Machine {
    let config = HeapConfig {
        limit_bytes: 16 << 20,
        sizer: Sizer::Fixed,
        poison: true,
        checks: CheckOptions { check: true, seed: 77, ..CheckOptions::default() },
        wrapped: Some(factory),
        parameters: parameters.iter().map(|&(n, v)| (n.into(), v.into())).collect(),
    };
    Machine::new(&config, ROOTS).unwrap()
}

fn machine(parameters: &[(&str, &str)]) -> Machine {
    machine_of(Factory::of::<Arena<MarkSweep>>(), parameters)
}

/// `roots[r] = a local tuple of (n, nil)`
fn local(m: &mut Machine, r: usize, n: i64) {
    m.new_local(r, TUPLE, &[From::Int(n), From::Int(0)]).unwrap();
}

fn pair(m: &mut Machine, r: usize, n: i64) {
    m.new_values(r, TUPLE, &[From::Int(n), From::Int(0)]).unwrap();
}

fn drop_registers(m: &mut Machine) {
    (0..6).for_each(|r| m.set(r, From::Int(0)));
}

#[test]
fn locals_go_with_their_frame() {
    let mut m = machine(&[]);
    for n in 0..1000 {
        m.begin_frame();
        local(&mut m, 0, n);
        m.begin_frame();
        for _ in 0..5 {
            local(&mut m, 1, n);
            m.store(1, 1, From::Root(0));
        }
        m.check();
        m.set(1, From::Int(0));
        m.end_frame();
        m.store(0, 1, From::Root(0));
        drop_registers(&mut m);
        m.end_frame();
    }
    m.check();
    let usage = m.usage();
    assert_eq!((usage.used_bytes, usage.collections), (0, 0), "nothing reaches the parent");
    assert_eq!((m.counter("frame_bytes"), m.counter("frame_fallbacks")), (6000 * BYTES, 0));
}

/// L8: 64 words of a frame, headers included; the rest is made as ever, and counted.
#[test]
fn what_exceeds_the_budget_is_made_as_ever() {
    let mut m = machine(&[]);
    m.begin_frame();
    for n in 0..20 {
        m.new_local(1, TUPLE, &[From::Root(0), From::Int(n), From::Int(n)]).unwrap();
        m.set(0, From::Root(1));
        let fallbacks = if n < 16 { 0 } else { n as u64 - 15 };
        m.mutator_flush();
        assert_eq!(m.counter("frame_fallbacks"), fallbacks, "16 objects of 4 words fit");
    }
    m.check();
    m.collect();
    m.check();
    drop_registers(&mut m);
    m.end_frame();
    m.collect_and_check();
    assert_eq!(m.usage().used_bytes, 0);
}

/// Locals hold the only references to objects of the parent, and the other way round.
#[test]
fn collections_look_through_locals() {
    let mut m = machine(&[]);
    pair(&mut m, 5, 5);
    m.begin_frame();
    local(&mut m, 0, 0);
    pair(&mut m, 1, 1);
    m.store(0, 1, From::Root(1)); // local → parent
    pair(&mut m, 2, 2);
    m.store(1, 1, From::Root(2)); // → parent
    local(&mut m, 3, 3);
    m.store(2, 1, From::Root(3)); // → local
    m.store(5, 1, From::Root(3)); // an older object → local
    (1..4).for_each(|r| m.set(r, From::Int(0)));
    for _ in 0..3 {
        m.collect();
        m.check();
    }
    m.store(5, 1, From::Int(0));
    drop_registers(&mut m);
    m.end_frame();
    m.collect_and_check();
    assert_eq!(m.usage().used_bytes, 0);
}

/// What referred to a local object is garbage when the frame ends, and may stay for long.
#[test]
fn garbage_may_refer_to_what_has_ended() {
    let mut m = machine(&[]);
    m.enter();
    pair(&mut m, 4, 4); // of the region: kept until it ends
    for n in 0..100 {
        m.begin_frame();
        local(&mut m, 0, n);
        m.begin_frame();
        pair(&mut m, 1, n);
        m.store(1, 1, From::Root(0));
        m.store(4, 1, From::Root(1));
        m.set(1, From::Int(0));
        m.end_frame();
        m.collect();
        m.check();
        m.store(4, 1, From::Int(0));
        drop_registers_but(&mut m, 4);
        m.end_frame();
        m.begin_frame();
        // Other objects take its place.
        m.new_local(0, TUPLE, &[From::Int(n)]).unwrap();
        m.collect();
        m.check();
        drop_registers_but(&mut m, 4);
        m.end_frame();
    }
    m.leave(4);
    m.check();
}

fn drop_registers_but(m: &mut Machine, kept: usize) {
    (0..6).filter(|&r| r != kept).for_each(|r| m.set(r, From::Int(0)));
}

/// A local object keeps what was made in a region.
#[test]
fn promotion_reaches_locals() {
    let mut m = machine(&[]);
    m.begin_frame();
    local(&mut m, 0, 0);
    m.enter();
    pair(&mut m, 1, 1);
    m.store(1, 1, From::Root(1)); // a cycle
    m.store(0, 1, From::Root(1)); // local → region
    local(&mut m, 2, 2); // ends with the region
    m.store(2, 1, From::Root(1));
    m.set(2, From::Int(0));
    m.collect();
    m.check();
    m.leave(4);
    m.check();
    assert_eq!(m.counter("promoted_objects"), 1);
    m.store(1, 0, From::Int(7));
    m.collect();
    m.check();
    drop_registers(&mut m);
    m.end_frame();
    m.collect_and_check();
    assert_eq!(m.usage().used_bytes, 0);
}

/// A task gives way in the middle of a frame, in a region or not; another one has frames of its own.
#[test]
fn each_task_has_its_frames() {
    let mut m = machine(&[]);
    for in_region in [false, true] {
        if in_region {
            m.enter();
        }
        m.begin_frame();
        local(&mut m, 0, 0);
        m.switch_to(|m| {
            m.begin_frame();
            local(m, 1, 1);
            m.store(1, 1, From::Root(1));
            m.collect();
            m.check();
            m.set(1, From::Int(0));
            m.end_frame();
        });
        m.check();
        local(&mut m, 1, 2);
        m.store(1, 1, From::Root(0));
        m.check();
        drop_registers(&mut m);
        m.end_frame();
        m.leave(4);
        m.check();
    }
    assert_eq!(m.counter("frame_fallbacks"), 0);
}

#[test]
fn deep_recursion_finds_no_room_and_does_without() {
    for parameters in [&[][..], &[("frames", "0")], &[("regions", "0")], &[("frames", "8KiB")]] {
        let mut m = machine(parameters);
        for round in 0..3 {
            for n in 0..5000 {
                m.begin_frame();
                local(&mut m, 1, n);
                m.store(1, 1, From::Root(0));
                m.set(0, From::Root(1));
            }
            m.set(1, From::Int(0));
            m.check();
            m.mutator_flush();
            let some = m.counter("frame_fallbacks");
            assert!(some > round, "{parameters:?}: {some}");
            for _ in 0..5000 {
                // The innermost object is the first in the chain.
                m.load(0, 1, 0);
                m.end_frame();
            }
            m.check();
        }
        m.collect_and_check();
        assert_eq!(m.usage().used_bytes, 0, "{parameters:?}");
    }
}

#[test]
fn broken_frames_are_caught() {
    // What a wrong verdict of escape analysis does.
    caught("use after the frame", "a local one, after its frame", || {
        let mut m = machine(&[]);
        m.begin_frame();
        local(&mut m, 0, 0);
        m.end_frame();
        m.load(0, 1, 1);
    });
    caught("a reference survives its frame", "it held a local object", || {
        let mut m = machine(&[]);
        pair(&mut m, 5, 5);
        m.begin_frame();
        local(&mut m, 0, 0);
        m.store(5, 1, From::Root(0));
        m.set(0, From::Int(0));
        m.end_frame();
        m.collect();
    });
    caught("lost frame", "(freed memory)", || {
        let mut m = machine_of(Factory::of::<Broken<Arena<MarkSweep>, { bug::LOST_FRAME }>>(), &[]);
        m.begin_frame();
        local(&mut m, 0, 0);
        m.begin_frame();
        local(&mut m, 1, 1);
        m.set(1, From::Int(0));
        m.end_frame();
        m.load(0, 0, 1);
    });
}
