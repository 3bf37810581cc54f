//! Every program holds under every explorer's schedules; every mistake is shown by its program.
//!
//! Each in a process of its own: a mistake may end in a deadlock, or corrupt the heap.

use std::process::{Command, Output};

use menagerie::sync::native::MISTAKES;

extern crate strategies_under_shuttle as menagerie_strategies;

/// Schedules per program, heap, scheduler and explorer. `MENAGERIE_SCHEDULES=20000` hunts.
fn schedules() -> String {
    std::env::var("MENAGERIE_SCHEDULES").unwrap_or_else(|_| "60".into())
}

fn explore(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schedules"));
    command.args(arguments).env("SHUTTLE_SILENCE_WARNINGS", "1");
    command.output().expect("the program of this package can be started")
}

fn programs() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");
    let entries = std::fs::read_dir(folder).expect("the programs");
    let names = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        path.file_stem().expect("a name").to_string_lossy().into_owned()
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert!(names.len() > 5, "{names:?}");
    names
}

fn hold_under(explorer: &str) {
    let schedules = schedules();
    for program in programs() {
        for heap in menagerie_strategies::SHARED_HEAPS {
            for (info, _) in
                menagerie_strategies::SCHEDULERS.iter().filter(|(info, _)| info.parallel)
            {
                let run = explore(&[&program, heap, info.name, explorer, &schedules]);
                let report = String::from_utf8_lossy(&run.stderr);
                assert!(
                    run.status.success(),
                    "{program}, {heap}, {}, {explorer}:\n{report}",
                    info.name
                );
                let held = String::from_utf8_lossy(&run.stdout);
                assert_eq!(held.trim(), schedules, "{program}: schedules that were tried");
            }
        }
    }
}

#[test]
fn programs_hold_under_random_schedules() {
    hold_under("random");
}
#[test]
fn programs_hold_under_few_preemptions_at_the_worst_moments() {
    hold_under("pct");
}
#[test]
fn programs_hold_under_uniform_walks() {
    hold_under("urw");
}

/// A program that no mistake makes fail shows nothing.
#[test]
fn mistakes_are_shown() {
    let lives = |&&(mistake, program): &&(&str, &str)| {
        ["random", "pct", "urw"].iter().all(|explorer| {
            let run = explore(&[program, "mark-sweep", "work-stealing", explorer, "2000", mistake]);
            // 2: the arguments are wrong.
            assert_ne!(run.status.code(), Some(2), "{}", String::from_utf8_lossy(&run.stderr));
            run.status.success()
        })
    };
    let alive: Vec<_> = MISTAKES.iter().filter(lives).collect();
    assert!(alive.is_empty(), "no schedule shows {alive:?}");
}
