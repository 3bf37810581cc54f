//! The workloads on the oracle: what their comments expect, with and without passes.

#[path = "support/ir.rs"]
mod support;

use menagerie::builtins::FUNCTIONS;
use menagerie::ir::text::{Style, parse, print};
use menagerie::ir::verify::{assert_well_formed, verify};
use menagerie::ir::{Program, oracle, passes};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use support::{compile_text, complaint, expected, programs_below, workloads};

/// Every workload that is a program: path, text and IR.
fn compiled() -> Vec<(PathBuf, String, Program)> {
    let mut all = Vec::new();
    for path in programs_below(&workloads()) {
        let text = std::fs::read_to_string(&path).expect("a workload");
        let program = compile_text(&path, &text).unwrap_or_else(|errors| panic!("{errors}"));
        all.push((path, text, program));
    }
    assert!(all.len() > 80, "only {} workloads", all.len());
    all
}

#[test]
fn every_pass_keeps_every_workload_well_formed() {
    for (path, _, mut program) in compiled() {
        assert_well_formed(&program, FUNCTIONS.len());
        for pass in passes::PASSES {
            (pass.run)(&mut program);
            let errors = verify(&program, FUNCTIONS.len());
            assert!(errors.is_empty(), "{} after {}: {errors:?}", path.display(), pass.name);
        }
    }
}

#[test]
fn every_workload_survives_the_text_form() {
    for (path, _, program) in compiled() {
        let text = print(&program, Style::EXACT);
        let again = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(again.funcs == program.funcs, "{}", path.display());
        assert_eq!(print(&again, Style::EXACT), text, "{}", path.display());
    }
}

#[test]
fn the_oracle_gives_what_the_workloads_expect() {
    let mut wrong = String::new();
    for (path, text, mut program) in compiled() {
        let expected = expected(&text);
        if expected.skipped {
            continue;
        }
        // A broken contract in one program does not hide the others.
        let Ok(plain) = catch_unwind(AssertUnwindSafe(|| oracle::run(&program, &expected.config)))
        else {
            wrong += &format!("{}: panic\n", path.display());
            continue;
        };
        if let Some(complaint) = complaint(&expected, &plain) {
            wrong += &format!("{}: {complaint}\n", path.display());
        }
        if plain.steps > 1_000_000 {
            continue;
        }
        passes::run_all(&mut program, menagerie::ir::escape::Options::default());
        let improved = oracle::run(&program, &expected.config);
        if (&improved.output, &improved.ending) != (&plain.output, &plain.ending) {
            let (before, after) = (plain.ending, improved.ending);
            wrong += &format!("{}: passes turn {before:?} into {after:?}\n", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
