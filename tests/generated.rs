//! Generated programs have one outcome: on the oracle, on every heap, on both engines, preempted at
//! every poll, with a collection at every allocation; and, as far as memory reaches, in tiny heaps.
//!
//! A failure prints the shrunk program. `MENAGERIE_CASES=5000` runs more of them; the seed of a failure
//! is kept in `tests/generated.proptest-regressions` and is run first from then on.

mod common;
#[path = "support/generator.rs"]
mod generator;

use std::path::Path;

use common::{
    Compiled, How, Outcome, compile, compile_with, heaps, run_compiled, run_oracle_compiled,
};
use generator::{Generated, programs};
use menagerie::check::property_cases;
use menagerie::heap::CheckOptions;
use menagerie::interp::Engine;
use menagerie::ir::escape;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseResult};

/// More than any generated program takes: reaching it means that one does not end.
const STEPS_MAX: u64 = 1_000_000;
/// Heaps in which some programs fit and some do not.
const TINY_BYTES: [usize; 3] = [64 << 10, 128 << 10, 256 << 10];

fn cases(default: u32) -> ProptestConfig {
    // A shrunk program is worth some waiting.
    let seeds = FileFailurePersistence::Direct("tests/generated.proptest-regressions");
    ProptestConfig {
        cases: property_cases(default),
        max_shrink_iters: 4_000,
        failure_persistence: Some(Box::new(seeds)),
        ..ProptestConfig::default()
    }
}

/// Compiles a program and runs it on the oracle.
fn reference(program: &Generated) -> Result<(Compiled, Outcome), TestCaseError> {
    let compiled = compile(Path::new("generated.mena"), &program.text)
        .map_err(|text| TestCaseError::fail(format!("it does not compile:\n{text}")))?;
    let how = How { step_limit: Some(STEPS_MAX), ..How::on("oracle") };
    let outcome = run_oracle_compiled(&compiled, &how);
    prop_assert_ne!(outcome.error.as_deref(), Some("StepLimit"), "it does not end");
    Ok((compiled, outcome))
}

fn run_as(compiled: &Compiled, how: &How) -> Result<Outcome, TestCaseError> {
    let how = How { step_limit: Some(STEPS_MAX), ..how.clone() };
    run_compiled(compiled, &how).map_err(|e| TestCaseError::fail(format!("{how:?}: {e}")))
}

fn same(got: &Outcome, want: &Outcome, how: &How) -> TestCaseResult {
    prop_assert_eq!(&got.output, &want.output, "output, {:?}", how);
    prop_assert_eq!(&got.error, &want.error, "ending, {:?}", how);
    Ok(())
}

/// The outcome is the reference's, or memory ran out on the way there.
fn same_until_exhausted(got: &Outcome, want: &Outcome, how: &How) -> TestCaseResult {
    if got.error.as_deref() != Some("OutOfMemory") {
        return same(got, want, how);
    }
    prop_assert!(
        want.output.starts_with(&got.output),
        "before memory ran out, {how:?}\n{}is no beginning of\n{}",
        got.output,
        want.output
    );
    Ok(())
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn every_heap_and_engine_does_what_the_oracle_does(program in programs()) {
        let (compiled, want) = reference(&program)?;
        for heap in heaps() {
            let mut reductions = Vec::new();
            for &engine in Engine::ALL {
                let how = How { engine, ..How::on(heap) };
                let got = run_as(&compiled, &how)?;
                same(&got, &want, &how)?;
                reductions.push(got.reductions);
            }
            prop_assert!(
                reductions.iter().all(|n| *n == reductions[0]),
                "{heap}: the engines count {reductions:?} reductions"
            );
        }
    }

    #[test]
    fn escape_analysis_changes_nothing(program in programs()) {
        let compiled = |mode, mark_frames| {
            let options = escape::Options { mode, ..escape::Options::default() };
            let path = Path::new("generated.mena");
            compile_with(path, &program.text, options, mark_frames).expect("it compiles")
        };
        let how = How { step_limit: Some(STEPS_MAX), ..How::on("mark-sweep") };
        let arena = How { step_limit: how.step_limit, ..How::stressed("arena") };
        let want = run_oracle_compiled(&compiled(escape::Mode::Off, false), &how);
        for mode in escape::Mode::ALL {
            let marked = compiled(mode, true);
            let got = Outcome { reductions: 0, ..run_as(&marked, &arena)? };
            prop_assert_eq!(&got, &want, "arena, {}", mode.name());
            let compiled = compiled(mode, false);
            // The oracle destroys what is said to be local where that has to end.
            let oracle = run_oracle_compiled(&compiled, &how);
            let vm = Outcome { reductions: 0, ..run_as(&compiled, &how)? };
            for got in [oracle, vm] {
                prop_assert_eq!(&got, &want, "{}", mode.name());
            }
        }
    }

    #[test]
    fn preemption_at_every_poll_changes_nothing(program in programs()) {
        let (compiled, want) = reference(&program)?;
        for heap in heaps() {
            let how = How { quantum: "1", nursery_bytes: Some(4096), ..How::on(heap) };
            same(&run_as(&compiled, &how)?, &want, &how)?;
        }
    }

    #[test]
    fn tiny_heaps_change_nothing_but_memory_running_out(program in programs()) {
        let (compiled, want) = reference(&program)?;
        for heap in heaps() {
            for limit_bytes in TINY_BYTES {
                let how = How { limit_bytes, ..How::on(heap) };
                // Too small even to load the program: said before anything runs.
                let Ok(got) = run_compiled(&compiled, &how) else { continue };
                same_until_exhausted(&got, &want, &how)?;
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn collections_at_every_allocation_change_nothing(program in programs()) {
        let (compiled, want) = reference(&program)?;
        for heap in heaps() {
            for quantum in ["1", "4000"] {
                let how = How { quantum, ..How::stressed(heap) };
                same(&run_as(&compiled, &how)?, &want, &how)?;
            }
        }
    }

    #[test]
    fn a_failing_allocation_changes_nothing_but_what_follows(
        program in programs(), nth in 1u64..2_000
    ) {
        let (compiled, want) = reference(&program)?;
        for heap in heaps() {
            let checks = CheckOptions { fail_nth: Some(nth), check: true, ..Default::default() };
            let how = How { checks, ..How::on(heap) };
            let Ok(got) = run_compiled(&compiled, &how) else { continue };
            same_until_exhausted(&got, &want, &how)?;
        }
    }
}
