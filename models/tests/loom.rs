//! Every model holds; every mutant is killed, by the failure that it names. One test each, written by the
//! build script from `mutants.rs`. `LOOM_MAX_PREEMPTIONS` raises the bound from 2.

use std::process::{Command, Output};

use menagerie_models::variants::Variant;

fn explore(model: &str, mutant: Option<&str>) -> Output {
    let bound = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "2".into());
    let mut command = Command::new(env!("CARGO_BIN_EXE_explore"));
    command.args([model, &bound]).args(mutant);
    command.output().expect("the program of this package can be started")
}

fn holds(model: &str) {
    let output = explore(model, None);
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{model} fails:\n{report}");
}

fn is_killed(model: &str, mutant: &str) {
    let failure = Variant::find(model, Some(mutant)).expect("generated with the table").failure;
    let output = explore(model, Some(mutant));
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success(),
        "{model} lets the mutant {mutant} live: it proves less than it says"
    );
    assert!(report.contains(failure), "{model}, {mutant}: expected `{failure}`, got\n{report}");
}

include!(concat!(env!("OUT_DIR"), "/tests.rs"));
