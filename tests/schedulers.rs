//! Every program on every valid pair of heap and scheduler; races; seeds; replays.

mod common;

use std::path::Path;

use common::{How, Workload, collects, compile, end_of_into, events_of, heaps, run, workloads};
use menagerie::event::Event;
use menagerie::metrics::Activity;
use menagerie::report::Ending;
use menagerie::sched::SchedulerInfo;
use menagerie_strategies::{SCHEDULERS, SHARED_HEAPS, flavour, hole};

const SHARDS: usize = 4;

fn schedulers() -> impl Iterator<Item = &'static SchedulerInfo> {
    SCHEDULERS.iter().map(|(info, _)| info).filter(|info| info.name != "green")
}

fn pairs() -> impl Iterator<Item = (&'static str, &'static SchedulerInfo)> {
    schedulers()
        .flat_map(|s| heaps().map(move |h| (h, s)))
        .filter(|(h, s)| hole(h, s.name).is_none() && flavour(h, s.name) == *h)
}

fn on(heap: &'static str, scheduler: &SchedulerInfo) -> How {
    let name =
        SCHEDULERS.iter().find(|(info, _)| info.name == scheduler.name).expect("it is").0.name;
    How { scheduler: name, workers: if scheduler.parallel { 3 } else { 1 }, ..How::on(heap) }
}

fn runs(workload: &Workload, heap: &str) -> bool {
    !workload.says_first_in_first_out() && (collects(heap) || !workload.says_needs_collection())
}

/// Whether it has tasks. What does not is seen on every heap by `programs.rs`.
fn concurrent(workload: &Workload) -> bool {
    ["spawn", "actor(", "par_map(", "every(", "finalizer("]
        .iter()
        .any(|word| workload.source.contains(word))
}

fn language(shard: usize, how: impl Fn(&'static str, &SchedulerInfo) -> How, stress: bool) {
    for workload in workloads("language").iter().skip(shard).step_by(SHARDS) {
        if !concurrent(workload) || stress && workload.says("stress") {
            continue;
        }
        for (heap, scheduler) in pairs().filter(|(heap, _)| runs(workload, heap)) {
            workload.check(how(heap, scheduler));
        }
    }
}

macro_rules! sharded {
    ($($name:ident $shard:literal;)*) => { $( mod $name {
        #[test]
        fn language_programs_on_every_pair() {
            super::language($shard, super::on, false);
        }
        #[test]
        fn language_programs_with_tiny_quanta_checked_with_frequent_collections() {
            let how = |heap, scheduler: &_| {
                let mut how = super::How { quantum: "7", ..super::on(heap, scheduler) };
                how.checks.check = true;
                how.checks.stress = Some(5);
                how
            };
            super::language($shard, how, true);
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
fn real_programs_on_every_pair() {
    for workload in ["awfy", "memory", "forkjoin"].into_iter().flat_map(workloads) {
        let how = How { params: workload.small_params(), ..How::on("nogc") };
        let want = run(&workload.path, &workload.source, &how).output;
        for (heap, scheduler) in pairs() {
            let how = How { params: workload.small_params(), ..on(heap, scheduler) };
            let got = run(&workload.path, &workload.source, &how).output;
            assert_eq!(got, want, "{}: {heap}, {}", workload.path.display(), scheduler.name);
        }
    }
}

/// Programs whose tasks write to the same objects without any order: they end, and what they print is
/// true of every order.
#[test]
fn racy_programs_never_corrupt_a_shared_heap() {
    let racy = workloads("racy");
    assert!(!racy.is_empty());
    for workload in &racy {
        for scheduler in schedulers().filter(|s| s.parallel) {
            for &(heap, _) in SHARED_HEAPS.iter().filter(|(heap, flavour)| heap == flavour) {
                for (check, stress) in [(false, None), (true, Some(101))] {
                    for quantum in ["4000", "3"] {
                        let mut how = How { quantum, workers: 4, ..on(heap, scheduler) };
                        (how.checks.check, how.checks.stress) = (check, stress);
                        how.params = workload.small_params();
                        how.nursery_bytes = Some(64 << 10);
                        workload.check(how);
                    }
                }
            }
        }
    }
}

#[test]
fn two_hundred_seeds_on_every_heap() {
    let with_tasks: Vec<_> = workloads("language")
        .into_iter()
        .filter(|w| !w.says_first_in_first_out() && concurrent(w) && !w.says("stress"))
        .collect();
    let seeds = menagerie::check::property_cases(200);
    for heap in heaps() {
        for seed in 0..seeds as usize {
            let workload = &with_tasks[seed % with_tasks.len()];
            if !runs(workload, heap) {
                continue;
            }
            let oracle = ["random", "pct"][seed / with_tasks.len() % 2];
            let sched_params =
                vec![("oracle".into(), oracle.into()), ("seed".into(), seed.to_string())];
            let how =
                How { scheduler: "deterministic", quantum: "20", sched_params, ..How::on(heap) };
            workload.check(how);
        }
    }
}

#[test]
fn a_seed_or_a_schedule_repeats_a_run_exactly() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("UTF-8").to_owned();
    for workload in &workloads("schedules") {
        let with = |params: &[(&str, &str)]| {
            let sched_params =
                params.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>();
            let how = How { scheduler: "deterministic", sched_params, ..How::on("mark-sweep") };
            let outcome = run(&workload.path, &workload.source, &How { quantum: "5", ..how });
            (outcome.output, outcome.reductions)
        };
        let recorded = with(&[("seed", "42"), ("record", &path)]);
        assert_eq!(with(&[("seed", "42")]), recorded);
        assert_eq!(with(&[("oracle", "replay"), ("schedule", &path)]), recorded);
        let others: Vec<_> = (0..20).map(|seed| with(&[("seed", &seed.to_string())])).collect();
        assert!(others.iter().any(|o| o.0 != recorded.0), "the schedule decides the output");
    }
}

/// Other than 1:1: fewer threads than tasks, and a thread for each task alone.
#[test]
fn tasks_share_threads_when_there_are_too_few() {
    for (threads, spare) in [("1", "64"), ("2", "0"), ("1000", "0")] {
        let sched_params =
            vec![("threads".into(), threads.into()), ("spare".to_owned(), spare.to_owned())];
        for workload in workloads("language").iter().filter(|w| concurrent(w)) {
            if runs(workload, "mark-sweep") {
                let sched_params = sched_params.clone();
                let how = How { scheduler: "threads", sched_params, ..How::on("mark-sweep") };
                workload.check(how);
            }
        }
    }
}

/// It sets the timer, then takes a task that never gives way; the others have gone to sleep before.
#[test]
fn a_timer_fires_while_the_worker_that_has_set_it_is_busy() {
    let source = "var woke = false
let spins = spawn { var n = 0; while !woke { n = n + 1 } }
sleep(5)
woke = true
spins.join()
print(\"woke\")";
    for scheduler in schedulers().filter(|s| s.parallel) {
        for _ in 0..20 {
            let how = How { quantum: "max", workers: 2, ..on("mark-sweep", scheduler) };
            let how = How { real_time: true, ..how };
            let outcome = run(Path::new("timer.mena"), source, &how);
            assert_eq!((outcome.output.as_str(), outcome.error), ("woke\n", None));
        }
    }
}

/// What a program counts by hand is what the VM has counted.
#[test]
fn every_slice_and_its_end_are_counted() {
    let source = "let c = channel(0)
let tasks = (0..10).map(|i| spawn { for _ in 0..5 { yield }; c.send(i) })
for _ in 0..10 { c.recv() }
sleep(1)
print(tasks.map(|t| t.join()).len(), read_line())";
    let compiled = compile(Path::new("counts.mena"), source).expect("it compiles");
    for scheduler in SCHEDULERS.iter().map(|(info, _)| info) {
        for measure in [false, true] {
            let how = How { quantum: "max", measure, ..on("mark-sweep", scheduler) };
            let (ending, stats) = end_of_into(&compiled, &how, Box::new(std::io::sink())).unwrap();
            assert_eq!(ending, Ending::Finished, "{}", scheduler.name);
            let all = stats.all_workers();
            let counts = all.counts;
            assert_eq!((stats.tasks_spawned, counts.spawns), (11, 11));
            assert_eq!((stats.reductions, counts.reductions > 50), (counts.reductions, true));
            assert_eq!(counts.timers_fired, 1);
            assert_eq!((counts.yields, counts.sleep_waits, counts.call_waits), (50, 1, 1));
            assert!(counts.channel_waits > 0, "a channel without room: {counts:?}");
            assert_eq!(counts.select_waits + counts.mutex_waits + counts.actor_waits, 0);
            assert_eq!(counts.slices, stats.slices);
            // A slice ends with its task, or for one of these reasons; a child that goes first is one more.
            let ended = counts.suspensions();
            let gave_way = if scheduler.name == "inline" { 10 } else { 0 };
            if scheduler.name != "deterministic" {
                assert_eq!(stats.preemptions, 0, "{}", scheduler.name);
                assert_eq!(stats.slices, 11 + ended + gave_way, "{}", scheduler.name);
            }
            let delays = stats.delays.as_ref();
            assert_eq!(delays.map(|d| d.run_delay.len()), measure.then_some(stats.slices));
            assert_eq!(delays.map(|d| d.slice.len()), measure.then_some(stats.slices));
            assert_eq!(delays.map(|d| d.queue_length.len()), measure.then_some(stats.slices));
            assert_eq!(delays.map(|d| d.timer_lateness.len()), measure.then_some(1));
            // With several workers what is joined may end before the wait begins.
            if !scheduler.parallel {
                let joins = delays.map(|d| d.join_delay.len());
                assert_eq!(joins, measure.then_some(counts.join_waits), "{}", scheduler.name);
            }
            assert_eq!(delays.map(|d| d.park.len()), measure.then_some(counts.parks));
            let ran = all.times.of(Activity::Run) > 0;
            assert_eq!(ran, measure, "{}", scheduler.name);
        }
    }
}

/// Each way to wait has a counter of its own, and that one alone counts it.
#[test]
fn waits_are_counted_by_what_the_task_waits_for() {
    // What runs first differs, so each program waits whoever does: for a child that sleeps.
    let programs = [
        ("join_waits", "spawn { sleep(2) }.join()"),
        ("channel_waits", "let c = channel()\nspawn { sleep(2); c.send(1) }\nc.recv()"),
        (
            "select_waits",
            "let c = channel()\nspawn { sleep(2); c.send(1) }\nselect { c.recv() => 1 }",
        ),
        (
            "mutex_waits",
            "let m = mutex(0)\nlet t = spawn { m.lock(|v| { sleep(2); v }) }\nsleep(1)\nm.get()",
        ),
        ("actor_waits", "actor(0, |s, x| { sleep(2); (s, x) }).ask(1)"),
        ("call_waits", "read_line()"),
        ("yields", "yield"),
    ];
    for scheduler in SCHEDULERS.iter().map(|(info, _)| info) {
        for (counter, source) in programs {
            let compiled = compile(Path::new("waits.mena"), source).expect("it compiles");
            let how = How { quantum: "max", ..on("mark-sweep", scheduler) };
            let (ending, stats) = end_of_into(&compiled, &how, Box::new(std::io::sink())).unwrap();
            assert_eq!(ending, Ending::Finished, "{}: {source}", scheduler.name);
            let waits = stats.all_workers().counts.table().into_iter();
            let waits = waits.filter(|(name, ..)| name.ends_with("_waits") || *name == "yields");
            let seen: Vec<_> = waits.filter(|&(_, n, _)| n > 0).map(|(name, ..)| name).collect();
            let sleeps = !["call_waits", "yields"].contains(&counter);
            let mut wanted = Vec::from_iter(sleeps.then_some("sleep_waits"));
            wanted.push(counter);
            let all_there = wanted.iter().all(|name| seen.contains(name));
            // A task may have to wait for its child's end in passing.
            let no_other = seen.iter().all(|name| wanted.contains(name) || *name == "join_waits");
            assert!(all_there && no_other, "{}: {source}: {seen:?}", scheduler.name);
        }
    }
}

/// What is waited for by hand: four timers, three channels, one join.
#[test]
fn every_wake_is_counted_by_the_worker_that_ran_the_task_before() {
    let source = "let c = channel(0)
let t = spawn { for _ in 0..3 { sleep(1); c.send(1) } }
for _ in 0..3 { c.recv() }
t.join()
sleep(1)";
    let compiled = compile(Path::new("wakes.mena"), source).expect("it compiles");
    for scheduler in SCHEDULERS.iter().map(|(info, _)| info) {
        let how = How { quantum: "max", ..on("mark-sweep", scheduler) };
        let (events, stats) = events_of(&compiled, &how);
        let counts = stats.all_workers().counts;
        let wakes = events.iter().filter(|e| matches!(e, Event::TaskWake { .. })).count() as u64;
        assert_eq!((counts.wakes(), counts.timers_fired), (wakes, 4), "{}", scheduler.name);
        if !scheduler.parallel {
            assert_eq!(counts.wakes_remote, 0, "{}", scheduler.name);
        }
        if scheduler.name == "threads" {
            // Each task has a worker of its own; the timers are fired by whoever watches.
            assert!(counts.wakes_remote >= 3, "{counts:?}");
        }
        // What fired belongs to the task that is woken next.
        let fired: Vec<_> =
            (1..).zip(&events).filter(|(_, e)| matches!(e, Event::TimerFire { .. })).collect();
        assert_eq!(fired.len(), 4, "{}", scheduler.name);
        for (next, timer) in fired {
            assert_eq!(events[next], Event::TaskWake { task: timer.task().expect("it has one") });
        }
    }
}

/// A task that wakes itself, by cancelling itself: its next wait is over as it begins.
#[test]
fn a_wake_of_a_running_task_is_counted_where_it_would_wait() {
    let source = "let c = channel(1)
let t = spawn { let me = c.recv(); me.cancel(); try { sleep(1) } catch e { }; sleep(1) }
c.send(t)
t.join()";
    let compiled = compile(Path::new("itself.mena"), source).expect("it compiles");
    for scheduler in SCHEDULERS.iter().map(|(info, _)| info).filter(|info| !info.parallel) {
        let how = How { quantum: "max", ..on("mark-sweep", scheduler) };
        let counts = events_of(&compiled, &how).1.all_workers().counts;
        assert_eq!(counts.wakes_while_running, 1, "{}", scheduler.name);
    }
}

/// Two workers, of which the first gives its task no end before the other has run one.
#[test]
fn what_workers_do_is_counted_and_told() {
    let source = "var elsewhere = false
let first = (0..5).map(|i| spawn { elsewhere = true })
while !elsewhere { }
first.each(|t| t.join())
for _ in 0..20 {
    let tasks = (0..20).map(|i| spawn { sleep(0.2); i })
    tasks.each(|t| t.join())
}
gc()";
    let compiled = compile(Path::new("steals.mena"), source).expect("it compiles");
    for scheduler in schedulers().filter(|s| s.parallel) {
        let how = How { workers: 2, quantum: "max", ..on("mark-sweep", scheduler) };
        let how = How { measure: true, real_time: true, ..how };
        let (events, stats) = events_of(&compiled, &how);
        let name = scheduler.name;
        let counts = stats.all_workers().counts;
        let count = |is: fn(&Event) -> bool| events.iter().filter(|e| is(e)).count() as u64;
        let parks = count(|e| matches!(e, Event::WorkerPark { .. }));
        let ends = count(|e| matches!(e, Event::WorkerUnpark { .. }));
        assert_eq!((parks, ends), (counts.parks, counts.parks), "{name}");
        let woken = count(|e| matches!(e, Event::WorkerUnpark { woken: true, .. }));
        // The end of the program, and timers that somebody must watch, wake workers as well.
        assert!(0 < counts.notifications && counts.notifications <= woken, "{name}: {counts:?}");
        assert!(counts.notifications_suppressed > 0, "{name}: {counts:?}");
        let steals = count(|e| matches!(e, Event::TaskSteal { .. }));
        assert_eq!(steals, counts.steals + counts.slot_steals, "{name}");
        assert_eq!(steals > 0, name == "work-stealing", "{name}");
        for (next, event) in (1..).zip(&events) {
            if let Event::TaskSteal { task, worker, victim } = *event {
                assert_eq!(events[next], Event::SliceBegin { task, worker });
                assert_eq!(worker + victim, 1, "the other one");
            }
        }
        let mut slices = vec![0; stats.workers.len()];
        for event in &events {
            if let Event::SliceBegin { worker, .. } = event {
                slices[*worker] += 1;
            }
        }
        assert!(slices.iter().eq(stats.workers.iter().map(|w| &w.counts.slices)), "{name}");
        let delays = stats.delays.expect("they were measured");
        let lengths = [&delays.park, &delays.steal, &delays.timer_lateness];
        let lengths = lengths.map(|histogram| histogram.len());
        assert_eq!(lengths, [counts.parks, steals, counts.timers_fired], "{name}");
        let joins = delays.join_delay.len();
        assert!(0 < joins && joins <= counts.join_waits, "{name}: {joins} of {counts:?}");
        assert_eq!(delays.safepoint.len(), stats.pauses.len() as u64, "{name}");
        assert!(delays.park.max() > 0 && delays.safepoint.max() > 0, "{name}");
        assert!(delays.queue_length.max() > 0 && delays.timer_lateness.max() > 0, "{name}");
        assert_eq!(delays.steal.max() > 0, steals > 0, "{name}");
    }
}
