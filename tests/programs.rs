//! Every program on every heap, as it is and under stress, gives what it says and what the oracle
//! gives; on both engines; with preemption at every poll.

mod common;

use common::{How, Workload, collects, heaps, run, run_oracle, workloads};
use menagerie::interp::Engine;
use menagerie::ir::escape::Mode;

fn runs_on(workload: &Workload, heap: &str) -> bool {
    collects(heap) || !workload.says_needs_collection()
}

/// The real programs, with small parameters.
fn real() -> Vec<(Workload, Vec<(String, String)>)> {
    let all = ["awfy", "memory", "forkjoin", "actors", "latency"].into_iter().flat_map(workloads);
    all.map(|w| {
        let small = w.small_params();
        assert!(!small.is_empty(), "{}: no parameters with a small value", w.path.display());
        (w, small)
    })
    .collect()
}

fn on_every_heap(shard: usize, how: fn(&'static str) -> How, stress: bool) {
    for workload in workloads("language").iter().skip(shard).step_by(SHARDS) {
        if stress && workload.says("stress") {
            continue;
        }
        for heap in heaps().filter(|heap| runs_on(workload, heap)) {
            workload.check(how(heap));
        }
    }
}
const SHARDS: usize = 4;

/// A collection at every allocation; on heaps over another one, which each collection asks for all their
/// regions, at every eleventh.
fn stressed(heap: &'static str) -> How {
    let mut how = How::stressed(heap);
    if matches!(heap, "arena" | "hybrid") {
        how.checks.stress = Some(11);
    }
    how
}

/// The default is what all other tests run with.
fn with_escape_analysis(shard: usize) {
    for workload in workloads("language").iter().skip(shard).step_by(SHARDS) {
        for escape in [Mode::Off, Mode::FrameRegion] {
            workload.check(How { escape, ..How::on("mark-sweep") });
        }
        if !workload.says("stress") {
            let escape = Mode::FrameRegion;
            workload.check(How { escape, ..How::stressed("mark-sweep") });
        }
        if !workload.says_needs_collection() && !workload.says("heap-bytes") {
            // It destroys what is said to be local when it has to have ended.
            let mut how = How { escape: Mode::FrameRegion, ..How::on("nogc") };
            workload.adjust(&mut how);
            let outcome = run_oracle(&workload.path, &workload.source, &how);
            workload.compare(&outcome, "oracle, frame+region");
        }
    }
}

macro_rules! sharded {
    ($($name:ident $shard:literal;)*) => { $( mod $name {
        #[test]
        fn language_programs_on_every_heap() {
            super::on_every_heap($shard, super::How::on, false);
        }
        #[test]
        fn language_programs_checked_with_a_collection_at_every_allocation() {
            super::on_every_heap($shard, super::stressed, true);
        }
        #[test]
        fn language_programs_whatever_escape_analysis_does() {
            super::with_escape_analysis($shard);
        }
        #[test]
        fn language_programs_with_tiny_nurseries() {
            let how = |heap| super::How { nursery_bytes: Some(4096), ..super::How::on(heap) };
            super::on_every_heap($shard, how, false);
        }
    } )* };
}
sharded! {
    shard0 0;
    shard1 1;
    shard2 2;
    shard3 3;
}

#[test]
fn language_programs_equal_the_oracle() {
    for workload in workloads("language") {
        if workload.says_needs_collection() || workload.says("heap-bytes") {
            continue; // Nothing is ever collected there.
        }
        let mut how = How::on("nogc");
        workload.adjust(&mut how);
        let outcome = run_oracle(&workload.path, &workload.source, &how);
        workload.compare(&outcome, "oracle");
    }
}

#[test]
fn real_programs_equal_the_oracle_on_every_heap() {
    for (workload, params) in real() {
        let how = How { params: params.clone(), ..How::on("nogc") };
        let want = run_oracle(&workload.path, &workload.source, &how);
        assert_eq!(want.error, None, "{}", workload.path.display());
        for heap in heaps() {
            let how = How { params: params.clone(), ..How::on(heap) };
            let got = run(&workload.path, &workload.source, &how);
            assert_eq!(got.output, want.output, "{} on {heap}", workload.path.display());
        }
    }
}

#[test]
fn real_programs_under_stress_on_every_heap() {
    for (workload, params) in real() {
        let how = How { params: params.clone(), ..How::on("nogc") };
        let want = run(&workload.path, &workload.source, &how);
        for heap in heaps().filter(|heap| collects(heap)) {
            // A prime, so that collections do not fall on the same allocation of every iteration.
            let mut how = How { params: params.clone(), ..How::stressed(heap) };
            how.checks.stress = Some(97);
            let got = run(&workload.path, &workload.source, &how);
            assert_eq!(got.output, want.output, "{} on {heap}", workload.path.display());
        }
    }
}

#[test]
fn both_engines_do_the_same_in_as_many_steps() {
    let small = real().into_iter().map(|(w, params)| (w, params, true));
    let language = workloads("language").into_iter().map(|w| (w, Vec::new(), false));
    for (workload, params, _) in small.chain(language) {
        let outcomes: Vec<_> = Engine::ALL
            .iter()
            .map(|&engine| {
                let mut how = How { engine, params: params.clone(), ..How::on("mark-sweep") };
                workload.adjust(&mut how);
                run(&workload.path, &workload.source, &how)
            })
            .collect();
        assert!(outcomes.windows(2).all(|w| w[0] == w[1]), "{}", workload.path.display());
    }
}

#[test]
fn preemption_at_every_poll_changes_no_deterministic_program() {
    for workload in workloads("language") {
        if workload.source.contains("spawn") || workload.source.contains("finalizer") {
            continue;
        }
        workload.check(How { quantum: "1", ..How::on("semispace") });
    }
    for (workload, params) in real() {
        let how = How { params: params.clone(), ..How::on("mark-sweep") };
        let want = run(&workload.path, &workload.source, &how);
        let got = run(&workload.path, &workload.source, &How { quantum: "1", ..how });
        assert_eq!(got.output, want.output, "{}", workload.path.display());
    }
}
