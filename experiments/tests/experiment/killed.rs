//! A run that is killed at any moment, again and again, ends up complete: nothing is lost, nothing
//! is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};

use super::bench::Bench;

const KILLS: u32 = 50;
const INVOCATIONS: usize = 125;
const ITERATIONS: usize = 2;

#[test]
fn killed_fifty_times_and_resumed() {
    let bench = Bench::new();
    bench.spec(
        "workloads = [\"memory/churn\", \"forkjoin/tasks\"]\nheaps = [\"mark-sweep\", \"rc\"]\n\
         heap_bytes = [\"256KiB\"]",
        &format!("invocations = {INVOCATIONS}\niterations = {ITERATIONS}\nfsync = \"never\""),
    );
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut writing = 0;
    for kill in 0..KILLS {
        let before = recorded(&bench);
        let mut run = bench.command(&["run", "test"]).spawn().expect("the binary starts");
        // Every other one at any time, also while the run is starting; the rest while it writes.
        if kill % 2 == 0 {
            std::thread::sleep(Duration::from_micros(random.random_range(0..250_000)));
        } else {
            let wanted = before + random.random_range(1..8);
            wait_for(|| recorded(&bench) >= wanted);
            std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
        }
        run.kill().expect("it can be killed");
        run.wait().expect("it ends");
        let after = recorded(&bench);
        assert!(after >= before, "{after} invocations after {before}");
        writing += u32::from(after > before);
    }
    assert!(writing >= KILLS / 2, "only {writing} kills hit a run that was writing");
    assert!(recorded(&bench) < 4 * INVOCATIONS, "nothing was left to resume");
    bench.run(&["run", "test"]).ok();

    let planned = planned(&bench);
    assert_eq!(planned.len(), 4 * INVOCATIONS);
    let invocations = bench.rows("invocations.csv");
    let ids: BTreeSet<String> = invocations.iter().map(|r| r["run_id"].clone()).collect();
    assert_eq!(invocations.len(), ids.len(), "an invocation is there twice");
    assert_eq!(ids, planned, "not what was planned");
    assert!(invocations.iter().all(|r| r["status"] == "ok"));
    let order: BTreeSet<&str> = invocations.iter().map(|r| r["order_idx"].as_str()).collect();
    assert_eq!(order.len(), invocations.len(), "two invocations have one position");

    let mut iterations: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in bench.rows("iterations.csv") {
        iterations.entry(row["run_id"].clone()).or_default().push(row["iteration"].clone());
    }
    assert_eq!(iterations.keys().cloned().collect::<BTreeSet<_>>(), planned);
    assert!(iterations.values().all(|n| *n == ["0", "1"]), "iterations are lost or doubled");

    let mut pauses = BTreeSet::new();
    for row in bench.rows("pauses.csv") {
        let pause = ["run_id", "iteration", "seq"].map(|c| row[c].clone());
        assert!(planned.contains(&pause[0]), "a pause of no invocation");
        assert!(pauses.insert(pause), "a pause is there twice");
    }
    for row in bench.rows("invocations.csv").iter().filter(|r| r["workload"] == "memory/churn") {
        assert!(pauses.iter().any(|p| p[0] == row["run_id"]), "the pauses of a run are lost");
    }
    let again = bench.run(&["status", "test"]).ok();
    assert!(again.stdout.contains("0 of 500 left"), "{}", again.stdout);
}

fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not go on");
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// How many invocations the journal holds.
fn recorded(bench: &Bench) -> usize {
    let journal = std::fs::read_to_string(bench.path("results/local/test/journal.csv"));
    journal.map_or(0, |text| text.lines().count().saturating_sub(1))
}

/// The ids of the plan.
fn planned(bench: &Bench) -> BTreeSet<String> {
    let plan = bench.run(&["plan", "test", "--json"]).ok().stdout;
    let id = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        value["run_id"].as_str().expect("an id").to_owned()
    };
    plan.lines().map(id).collect()
}
