//! Every program holds under every explorer's schedules; every mistake is shown by its program.
//!
//! Each in a process of its own: a mistake may end in a deadlock, or corrupt the heap.

use std::process::{Command, Output};

use menagerie::sync::native::MISTAKES;
use strategies_under_shuttle::{HEAPS, SCHEDULERS, SHARED_HEAPS};

/// Schedules per program, heap, scheduler and explorer. `MENAGERIE_SCHEDULES=20000` hunts.
fn schedules() -> String {
    std::env::var("MENAGERIE_SCHEDULES").unwrap_or_else(|_| "60".into())
}

fn explore(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schedules"));
    command.args(arguments).env("SHUTTLE_SILENCE_WARNINGS", "1");
    command.output().expect("the program of this package can be started")
}

const EXPLORERS: [&str; 3] = ["random", "pct", "urw"];

/// A program, and what its header says.
struct Program {
    name: String,
    /// The explorers that are fair enough for it.
    explorers: Vec<&'static str>,
    needs_collection: bool,
}

fn programs() -> Vec<Program> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");
    let entries = std::fs::read_dir(folder).expect("the programs");
    let programs = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let named = text.lines().find_map(|line| line.strip_prefix("// explorers: "));
        let is_named = |e: &&str| named.is_none_or(|n| n.split(' ').any(|name| name == *e));
        Program {
            name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
            explorers: EXPLORERS.into_iter().filter(is_named).collect(),
            needs_collection: text.contains("// needs: collection"),
        }
    });
    let mut programs: Vec<_> = programs.collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(programs.len() > 5 && programs.iter().all(|p| !p.explorers.is_empty()));
    programs
}

fn hold_under(explorer: &str) {
    let schedules = schedules();
    let parallel = || SCHEDULERS.iter().map(|(info, _)| info).filter(|info| info.parallel);
    for program in programs().iter().filter(|p| p.explorers.contains(&explorer)) {
        for &(heap, _) in SHARED_HEAPS.iter().filter(|(heap, flavour)| heap == flavour) {
            let collects = HEAPS.iter().any(|(info, _)| info.name == heap && info.collects);
            if program.needs_collection && !collects {
                continue;
            }
            for scheduler in parallel() {
                let what = [&program.name, heap, scheduler.name, explorer, &schedules];
                let run = explore(&what);
                let report = String::from_utf8_lossy(&run.stderr);
                assert!(run.status.success(), "{what:?}:\n{report}");
                let held = String::from_utf8_lossy(&run.stdout);
                assert_eq!(held.trim(), schedules, "{what:?}: schedules that were tried");
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

/// Clocks, addresses and the like decide nothing: what shuttle decides is a schedule.
#[test]
fn a_schedule_is_all_that_decides() {
    for program in programs() {
        let run = explore(&[&program.name, "mark-sweep", "work-stealing", "twice", "20"]);
        let report = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{}:\n{report}", program.name);
    }
}

/// A program that no mistake makes fail shows nothing.
#[test]
fn mistakes_are_shown() {
    let programs = programs();
    let lives = |&&(mistake, name): &&(&str, &str)| {
        let program = programs.iter().find(|p| p.name == name).expect("a program of that name");
        // What is wrong where each worker has tasks of its own need not be where all look everywhere.
        ["work-stealing", "threads"].iter().all(|scheduler| {
            program.explorers.iter().all(|explorer| {
                let run = explore(&[name, "mark-sweep", scheduler, explorer, "1000", mistake]);
                // 2: the arguments are wrong.
                assert_ne!(run.status.code(), Some(2), "{}", String::from_utf8_lossy(&run.stderr));
                run.status.success()
            })
        })
    };
    let alive: Vec<_> = MISTAKES.iter().filter(lives).collect();
    assert!(alive.is_empty(), "no schedule shows {alive:?}");
}
