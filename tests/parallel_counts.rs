//! Counting references from several workers: when a program has ended and every root is dropped, every
//! byte that was allocated has been freed, once.

mod common;

use std::path::Path;

use common::{How, compile, workloads};
use menagerie::event::NullSink;
use menagerie::heap::HeapConfig;
use menagerie::report::Ending;
use menagerie::sched::{Scheduler, SchedulerConfig};
use menagerie::stats::Stats;
use menagerie::sync::ManyThreads;
use menagerie::vm::{Vm, VmConfig};
use menagerie::world::World;
use menagerie_strategies::heaps::rc::Rc;
use menagerie_strategies::schedulers::{work_sharing::WorkSharing, work_stealing::WorkStealing};

type Arc = Rc<ManyThreads>;

/// What a program leaves on `arc` when its roots are gone, bytes; how it ended; what was counted.
fn left_over<S>(
    path: &Path,
    source: &str,
    params: Vec<(String, String)>,
    quantum: &str,
) -> (usize, Ending, Stats)
where
    S: Scheduler<Threads = ManyThreads, Local: Send> + Sync,
{
    let compiled = compile(path, source).expect("a correct program");
    let mut world = World::new(compiled.program);
    world.output = menagerie::output::Output::immediate(std::io::sink(), std::io::sink());
    world.params = params.into_iter().collect();
    let config = VmConfig {
        heap: HeapConfig { limit_bytes: 64 << 20, ..HeapConfig::default() },
        scheduler: SchedulerConfig {
            workers: 4,
            parameters: vec![("quantum".into(), quantum.into())],
        },
        ..VmConfig::default()
    };
    let mut vm = Vm::<Arc, S, NullSink>::new(&config, compiled.code, world, NullSink).unwrap();
    let ending = vm.run();
    let stats = vm.stats();
    (vm.drop_roots().used_bytes, ending, stats)
}

fn nothing_is_left<S>(path: &Path, source: &str, params: Vec<(String, String)>) -> Vec<Stats>
where
    S: Scheduler<Threads = ManyThreads, Local: Send> + Sync,
{
    ["4000", "3"]
        .map(|quantum| {
            let (left, ending, stats) = left_over::<S>(path, source, params.clone(), quantum);
            let at = format!("{} on {}, quantum {quantum}", path.display(), S::INFO.name);
            assert_eq!(ending, Ending::Finished, "{at}");
            assert_eq!(left, 0, "bytes that nobody has freed: {at}");
            stats
        })
        .into()
}

/// Eight tasks overwrite the same slots, elements, captured variables and globals with new objects, read
/// and keep what the others wrote, tie cycles, and follow weak references to what is about to die.
const STORM: &str = "
    struct Node { left, right, seen }

    var shared = nil

    fn churn(cell, list, id, n, say) {
        let kept = []
        for i in 0..n {
            let mine = Node { left: cell.left, right: (id, i), seen: weak(cell) }
            cell.left = (i, mine.right)
            cell.right = mine
            mine.left = cell.right
            list[i % 8] = mine
            let other = list[(i * 3 + id) % 8]
            if other != nil {
                if other.right != nil { kept.push(other.right) }
                other.seen = weak(list[(i * 5) % 8])
                let seen = other.seen
                if seen != nil { shared = seen.get() }
            }
            shared = (shared, i)
            if i % 4 == 0 { shared = nil }
            say((mine, i))
            if i % 64 == 0 { kept.clear() }
        }
        kept.len()
    }

    fn main() {
        let cell = Node { left: nil, right: nil, seen: nil }
        let list = []
        for _ in 0..8 { list.push(cell) }
        var last = nil
        let say = |x| {
            last = x
            last
        }
        let tasks = []
        for id in 0..8 { tasks.push(spawn churn(cell, list, id, param(\"n\", 1000), say)) }
        for t in tasks { t.join() }
    }";

fn storm<S>()
where
    S: Scheduler<Threads = ManyThreads, Local: Send> + Sync,
{
    let params = vec![("n".to_owned(), "3000".to_owned())];
    for stats in nothing_is_left::<S>(Path::new("storm.mena"), STORM, params) {
        let counter = |name| {
            let found = stats.counters.iter().find(|(n, _)| *n == name);
            found.unwrap_or_else(|| panic!("no counter {name}")).1
        };
        assert!(counter("overwritten_references") > 8 * 3000 * 4);
        assert!(counter("freed_objects") > 8 * 3000 * 4);
        assert!(counter("suspected_objects") > 0);
    }
}

#[test]
fn eight_tasks_in_a_storm_leave_nothing_on_work_sharing() {
    storm::<WorkSharing>();
}
#[test]
fn eight_tasks_in_a_storm_leave_nothing_on_work_stealing() {
    storm::<WorkStealing>();
}

#[test]
fn racy_programs_leave_nothing() {
    let racy = workloads("racy");
    assert!(!racy.is_empty());
    for workload in &racy {
        let (path, source) = (&workload.path, &workload.source);
        nothing_is_left::<WorkSharing>(path, source, workload.small_params());
        nothing_is_left::<WorkStealing>(path, source, workload.small_params());
    }
}

/// A heap that is far too small for what waits for its grace period: exhaustion comes only when what is
/// alive does not fit.
#[test]
fn what_waits_for_a_grace_period_is_no_reason_to_give_up() {
    let source = "
        struct Cell { a }
        fn main() {
            let cell = Cell { a: nil }
            let tasks = []
            for _ in 0..4 {
                tasks.push(spawn fill(cell))
            }
            for t in tasks { t.join() }
        }
        fn fill(cell) {
            for i in 0..200 { cell.a = list(20000, i) }
        }";
    let how =
        How { limit_bytes: 3 << 20, scheduler: "work-stealing", workers: 4, ..How::on("arc") };
    let outcome = common::run(Path::new("tight.mena"), source, &how);
    assert_eq!(outcome.error, None);
}
