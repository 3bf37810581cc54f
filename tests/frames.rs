//! Local objects in whole programs: where they go, that their memory is bounded, and that a wrong
//! verdict of escape analysis is noticed.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::{Compiled, How, run_for_counters, workloads};
use menagerie::compile::{Compilation, PRELUDE_FILE};
use menagerie::ir::{Lifetime, Op, Program, escape};

/// Compiles for a heap that marks frames, with a change to the IR.
fn compile(source: &str, mode: escape::Mode, change: impl FnOnce(&mut Program)) -> Compiled {
    let mut compilation = Compilation::new(escape::Options { mode, ..escape::Options::default() });
    compilation.mark_frames = true;
    let program = compilation.program(Path::new("frames.mena"), source.as_bytes());
    let mut program = program.expect("a correct program");
    change(&mut program);
    let code = compilation.code(&program).expect("it fits");
    Compiled { program, code }
}

fn counters(source: &str, mode: escape::Mode, how: &How) -> impl Fn(&str) -> u64 + use<> {
    let (output, counters) = run_for_counters(&compile(source, mode, |_| {}), how);
    assert!(!output.is_empty(), "the program prints");
    move |name| counters.iter().find(|(n, _)| *n == name).map_or(0, |&(_, count)| count)
}

fn counted() -> How {
    let mut how = How::on("arena");
    how.checks.count = true;
    how
}

/// L7: records that do not outlive their frame are never the parent's, and their memory is there again
/// when the frame is left.
#[test]
fn local_records_never_reach_the_parent() {
    let source = "struct P { x, y }
        fn total(p) { p.x + p.y }
        fn f(i) { let p = P { x: i, y: 1 }; total(p) + 0 }
        fn main() { var sum = 0; for i in 0..10000 { sum += f(i) }; print(sum) }";
    let count = counters(source, escape::Mode::Frame, &counted());
    assert_eq!((count("local_allocations"), count("frame_fallbacks")), (10_000, 0));
    assert_eq!(count("frame_bytes"), 10_000 * 24);
    let off = counters(source, escape::Mode::Off, &counted());
    assert_eq!(count("allocations"), off("allocations"), "as many objects");
    assert_eq!((off("local_allocations"), off("frame_bytes")), (0, 0));
}

/// L8: a frame has room for 64 words; a loop in one frame makes the rest as ever.
#[test]
fn a_loop_in_one_frame_takes_bounded_memory() {
    let source = "struct P { x, y, z }
        fn total(p) { p.x + p.y + p.z }
        fn main() {
            var sum = 0
            for i in 0..1000 { let p = P { x: i, y: 1, z: 1 }; sum += total(p) }
            print(sum)
        }";
    let count = counters(source, escape::Mode::Frame, &counted());
    assert_eq!((count("local_allocations"), count("frame_fallbacks")), (1000, 1000 - 16));
    assert_eq!(count("frame_bytes"), 16 * 32);
}

/// The bar of the runtime lex: of the records that a program makes in its requests, at least 85 % by
/// bytes are never the parent heap's business.
#[test]
fn most_records_of_requests_never_reach_the_parent() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("experiments/workloads/memory/response_build.mena");
    let source = std::fs::read_to_string(path).expect("UTF-8");
    let mut how = counted();
    how.params = vec![("n".into(), "2000".into())];
    let all = counters(&source, escape::Mode::Off, &{
        let mut how = how.clone();
        how.heap = "nogc";
        how
    })("allocated_bytes");
    for mode in escape::Mode::ALL {
        let count = counters(&source, mode, &how);
        let spared = count("region_bytes") + count("frame_bytes") - count("promoted_bytes");
        let reached = count("allocated_bytes") - spared;
        assert!(reached * 100 <= all * 15, "{}: {reached} of {all} bytes", mode.name());
    }
}

/// Preempted at every poll, or with collections all the time, whatever the analysis is told.
#[test]
fn programs_with_local_objects_run_under_every_stress() {
    let names = ["frame_locals", "arenas", "escape_scalars", "dl6_nested_arenas"];
    let programs: Vec<_> = workloads("language")
        .into_iter()
        .filter(|w| names.iter().any(|name| w.path.file_stem().is_some_and(|stem| stem == *name)))
        .collect();
    assert_eq!(programs.len(), names.len());
    for workload in programs {
        for (quantum, stress) in [("1", Some(11)), ("4000", Some(3))] {
            for escape in [escape::Mode::Frame, escape::Mode::FrameRegion] {
                let mut how = How { escape, quantum, ..How::on("arena") };
                how.checks.check = true;
                how.checks.stress = stress;
                workload.check(how);
            }
        }
    }
}

/// The record of `made_in` is called local, whatever becomes of it.
fn mutant(source: &str, made_in: &str) -> String {
    let compiled = compile(source, escape::Mode::Frame, |program| {
        let name =
            |program: &Program, n: usize| program.names.text(program.funcs[n].name).to_owned();
        let n = (0..program.funcs.len())
            .find(|&n| program.funcs[n].span.file != PRELUDE_FILE && name(program, n) == made_in)
            .expect("such a function");
        let blocks = &mut program.funcs[n].blocks;
        let site = blocks
            .iter_mut()
            .flat_map(|block| &mut block.insts)
            .find(|inst| matches!(inst.op, Op::MakeRecord(..)))
            .expect("a record");
        assert_eq!(site.lifetime, Lifetime::Heap, "the analysis is right");
        site.lifetime = Lifetime::Frame;
    });
    let mut how = How::on("arena");
    how.checks.check = true;
    let panic = catch_unwind(AssertUnwindSafe(|| run_for_counters(&compiled, &how)));
    let Err(panic) = panic else { panic!("the mutant in `{made_in}` lives") };
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn wrong_verdicts_are_caught() {
    let source = "struct P { x, y }
        let kept = []
        var global = nil
        fn returned(i) { P { x: i, y: 1 } }
        fn stored(i) { kept.push(P { x: i, y: 1 }); kept.len() }
        fn thrown(i) { throw P { x: i, y: 1 } }
        fn to_a_global(i) { global = P { x: i, y: 1 }; i }
        fn below(i) { stored(i); thrown(i) }
        fn main() {
            returned(1).x
            try { below(2) } catch p { p.x }
            to_a_global(3)
            gc()
            print(kept, global)
        }";
    let gone = "a local one, after its frame";
    for (made_in, text) in [
        ("returned", gone),
        ("thrown", gone),
        ("to_a_global", gone),
        ("stored", "it held a local object at the end of its frame"),
    ] {
        let message = mutant(source, made_in);
        assert!(message.contains(text), "{made_in}: {message}");
    }
}
