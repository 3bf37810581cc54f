//! `schedules` runs programs under schedules that shuttle draws.
//!
//! usage: `schedules PROGRAM HEAP SCHEDULER EXPLORER SCHEDULES [MISTAKE]`
//!
//! PROGRAM is a file of `schedules/programs`; EXPLORER is `random`, `pct` (three ordered events), `urw`
//! (uniform among the threads' next steps) or `twice`: random, each schedule two times, which must offer
//! the same choices. A failure ends it with shuttle's report. The seed is fixed, so the same command
//! fails in the same way; `SHUTTLE_RANDOM_SEED=n` takes another one. Prints how many schedules held.

use std::cell::OnceCell;
use std::path::Path;
use std::process::ExitCode;

use menagerie::sync::native::make;
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, Scheduler, UncontrolledNondeterminismCheckScheduler,
    UrwRandomScheduler,
};
use shuttle::{Config, MaxSteps, Runner};

extern crate strategies_under_shuttle as menagerie_strategies;

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::{Compiled, How, Workload, run_compiled};

/// More steps of one execution than any program of ours takes: something waits for ever.
const STEPS_MAX: usize = 300_000;
/// Any.
const SEED: u64 = 1;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (what, mistake) = match arguments[..] {
        [a, b, c, d, e] => ([a, b, c, d, e], None),
        [a, b, c, d, e, mistake] => ([a, b, c, d, e], Some(mistake)),
        _ => {
            eprintln!(
                "usage: schedules PROGRAM HEAP SCHEDULER random|pct|urw|twice SCHEDULES [MISTAKE]"
            );
            return ExitCode::from(2);
        }
    };
    if let Some(mistake) = mistake {
        make(mistake);
    }
    match explore(what) {
        Ok(held) => {
            println!("{held}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("schedules: {what}");
            ExitCode::from(2)
        }
    }
}

fn explore([program, heap, scheduler, explorer, schedules]: [&str; 5]) -> Result<usize, String> {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let path = programs.join(program).with_extension("mena");
    let source = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let workload = Workload { path, source };
    let heap = named(heap, menagerie_strategies::SHARED_HEAPS.iter().map(|&(name, _)| name))?;
    let parallel = menagerie_strategies::SCHEDULERS.iter().filter(|(info, _)| info.parallel);
    let scheduler = named(scheduler, parallel.map(|(info, _)| info.name))?;
    let schedules: usize =
        schedules.parse().map_err(|_| format!("SCHEDULES is a number, not `{schedules}`"))?;
    let random = RandomScheduler::new_from_seed(SEED, schedules);
    match explorer {
        "random" => Ok(run(random, workload, heap, scheduler)),
        "pct" => {
            let pct = PctScheduler::new_from_seed(SEED, 3, schedules);
            Ok(run(pct, workload, heap, scheduler))
        }
        "urw" => {
            let urw = UrwRandomScheduler::new_from_seed(SEED, schedules);
            Ok(run(urw, workload, heap, scheduler))
        }
        "twice" => {
            let twice = UncontrolledNondeterminismCheckScheduler::new(random);
            Ok(run(twice, workload, heap, scheduler))
        }
        _ => Err(format!("unknown explorer `{explorer}`: random, pct, urw or twice")),
    }
}

fn named(name: &str, mut of: impl Iterator<Item = &'static str>) -> Result<&'static str, String> {
    of.find(|n| *n == name)
        .ok_or_else(|| format!("no shared heap, or parallel scheduler, `{name}`"))
}

thread_local! {
    /// The program. Shuttle's threads are all this one, so what cannot be shared need not be.
    static COMPILED: OnceCell<Compiled> = const { OnceCell::new() };
}

/// Runs the program under each schedule; panics when one does not give what the program says.
fn run(
    explorer: impl Scheduler + 'static,
    workload: Workload,
    heap: &'static str,
    scheduler: &'static str,
) -> usize {
    let compiled =
        common::compile(&workload.path, &workload.source).unwrap_or_else(|e| panic!("{e}"));
    COMPILED.with(|cell| cell.set(compiled).unwrap_or_else(|_| panic!("one program per process")));
    // Checked, with frequent collections, and preempted often; `max` where only a stop ends a slice.
    let quantum = if workload.says("expect-error") { "max" } else { "5" };
    let mut how = How { scheduler, quantum, workers: 3, ..How::on(heap) };
    (how.checks.check, how.checks.stress) = (true, Some(5));
    how.limit_bytes = 256 << 20;
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    Runner::new(explorer, config).run(move || {
        let outcome = COMPILED.with(|compiled| {
            let compiled = compiled.get().expect("compiled above");
            run_compiled(compiled, &how).expect("a heap that is large enough")
        });
        workload.compare(&outcome, &format!("{heap}, {scheduler}"));
    })
}
