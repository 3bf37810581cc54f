//! Soak: random programs of tasks on every shared heap and parallel scheduler, seed after seed.
//!
//! `experiments/workloads/racy/soak.mena` does everything that tasks can do to one another. A round runs
//! it with a seed, which also chooses workers, quantum, checks and clock, and then asks:
//! - what it prints: nothing was torn, counts under a mutex are exact, every task that it spawned has
//!   finished, failed or been cancelled;
//! - the ledger, kept from the VM's events: every task was spawned once, ran on one worker at a time, did
//!   not run after its end, and ended once;
//! - the heap: when every root is dropped, nothing is left.
//!
//! `MENAGERIE_SOAK_SECONDS=600 cargo test --test soak` soaks for ten minutes, `MENAGERIE_SOAK_SEED=n`
//! begins at that seed. `mutants` shows that it can fail.

mod common;
#[path = "soak/mutants.rs"]
mod mutants;

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Capture, Compiled, collects, compile};
use menagerie::event::{Event, FnSink};
use menagerie::heap::{CheckOptions, HeapConfig, Parameter, Sizer};
use menagerie::input::Input;
use menagerie::output::Output;
use menagerie::report::Ending;
use menagerie::sched::SchedulerConfig;
use menagerie::task::TaskId;
use menagerie::vm::VmConfig;
use menagerie::world::World;
use menagerie_strategies::{SCHEDULERS, SHARED_HEAPS, run_and_drop_roots};

/// A round that takes longer than this many seconds, on any machine, has lost a wake-up.
const ROUND_SECONDS: u64 = 100;

/// Where a task is, as the events tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Outside,
    InSlice,
    Ended,
}

/// Every task, and what the events said of it that cannot be.
#[derive(Default)]
struct Ledger {
    tasks: HashMap<TaskId, Place>,
    failed: u64,
    ended: u64,
    complaints: Vec<String>,
}

impl Ledger {
    fn note(&mut self, event: &Event) {
        let (task, must_be, becomes) = match *event {
            Event::TaskSpawn { task, .. } => (task, None, Place::Outside),
            Event::SliceBegin { task, .. } => (task, Some(Place::Outside), Place::InSlice),
            Event::SliceEnd { task, .. } => (task, Some(Place::InSlice), Place::Outside),
            Event::TaskWake { task } => {
                if self.tasks.get(&task).is_none_or(|&place| place == Place::Ended) {
                    self.complaints.push(format!("{event:?}: there is no such task"));
                }
                return;
            }
            Event::TaskEnd { task, failed } => {
                self.failed += u64::from(failed);
                self.ended += 1;
                (task, Some(Place::Outside), Place::Ended)
            }
            _ => return,
        };
        let was = self.tasks.insert(task, becomes);
        if was != must_be {
            self.complaints.push(format!("{event:?}: the task was {was:?}, not {must_be:?}"));
        }
    }
}

/// What a seed chooses.
#[derive(Debug)]
struct Round {
    seed: u64,
    heap: &'static str,
    scheduler: &'static str,
    /// Those that the scheduler has.
    parameters: &'static [Parameter],
    workers: usize,
    quantum: &'static str,
    deque: &'static str,
    notify: &'static str,
    stress: Option<u64>,
    virtual_time: bool,
}

/// Each once: where two names are one heap under a parallel scheduler, that one's own.
fn shared_heaps() -> impl Iterator<Item = &'static str> {
    SHARED_HEAPS.iter().filter(|(heap, flavour)| heap == flavour).map(|&(heap, _)| heap)
}

impl Round {
    fn new(seed: u64) -> Round {
        let parallel: Vec<_> = SCHEDULERS.iter().filter(|(info, _)| info.parallel).collect();
        let mut rest = seed;
        let mut choose = |n: usize| {
            let chosen = rest as usize % n;
            rest /= n as u64;
            chosen
        };
        // Seeds in a row go over all pairs.
        let heaps: Vec<_> = shared_heaps().collect();
        let heap = heaps[choose(heaps.len())];
        let scheduler = &parallel[choose(parallel.len())].0;
        let mut rng = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let mut draw = |n: u64| {
            let drawn = rng % n;
            rng /= n;
            drawn
        };
        let round = Round {
            seed,
            heap,
            scheduler: scheduler.name,
            parameters: scheduler.parameters,
            workers: 2 + draw(3) as usize,
            quantum: ["4000", "50", "3"][draw(3) as usize],
            deque: ["chase-lev", "crossbeam"][draw(2) as usize],
            notify: ["each", "first"][draw(2) as usize],
            stress: [None, None, None, Some(101)][draw(4) as usize],
            virtual_time: draw(2) == 0,
        };
        if mutants::ASKED.is_none() {
            return round;
        }
        // Mistakes are planted around one heap and one scheduler.
        let (heap, name) = mutants::AROUND;
        let around = parallel.iter().find(|(info, _)| info.name == name);
        let parameters = around.expect("it is registered").0.parameters;
        Round { heap, scheduler: name, parameters, stress: None, ..round }
    }

    /// Runs it; what is wrong.
    fn run(&self, compiled: &Compiled) -> Vec<String> {
        let capture = Capture::default();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let mut world = World::new(compiled.program.clone());
        world.output = Output::immediate(capture.clone(), std::io::sink());
        world.input = Input::new(std::io::empty());
        world.params = [("seed", self.seed), ("n", if self.stress.is_some() { 20 } else { 60 })]
            .map(|(name, value)| (name.to_owned(), value.to_string()))
            .into();
        let parameters =
            [("quantum", self.quantum), ("deque", self.deque), ("notify", self.notify)]
                .into_iter()
                .filter(|(name, _)| self.parameters.iter().any(|p| p.name == *name))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
        let checks = CheckOptions {
            check: self.stress.is_some(),
            stress: self.stress,
            seed: self.seed,
            ..CheckOptions::default()
        };
        let config = VmConfig {
            heap: HeapConfig {
                sizer: Sizer::Growable { min_bytes: 64 << 10, factor: 1.5 },
                checks,
                ..HeapConfig::default()
            },
            scheduler: SchedulerConfig { workers: self.workers, parameters },
            virtual_time: self.virtual_time,
            ..VmConfig::default()
        };
        let sink = {
            let ledger = ledger.clone();
            FnSink(Box::new(move |_, event| ledger.lock().unwrap().note(event)))
        };
        let code = compiled.code.clone();
        let done = match *mutants::ASKED {
            Some(_) => mutants::run_and_drop_roots(&config, code, world, sink),
            None => run_and_drop_roots(self.heap, self.scheduler, &config, code, world, Some(sink)),
        };
        let (ending, stats, left) = done.expect("the program can be loaded");

        let mut ledger = std::mem::take(&mut *ledger.lock().unwrap());
        let mut complaints = std::mem::take(&mut ledger.complaints);
        let mut demand = |holds: bool, what: String| {
            if !holds {
                complaints.push(what);
            }
        };
        demand(ending == Ending::Finished, format!("it ends with {ending:?}"));
        let output = capture.text();
        demand(output == "sound\ntrue\n", format!("it prints {output:?}"));
        let spawned = ledger.tasks.len() as u64;
        demand(stats.tasks_spawned == spawned, format!("{spawned} tasks in events, {stats:?}"));
        demand(
            ledger.ended == spawned,
            format!("{spawned} tasks were spawned, {} have ended", ledger.ended),
        );
        // A run without cancelled tasks would not show what it is to show.
        demand(
            spawned > 20 && ledger.failed > 0,
            format!("{spawned} tasks, {} failed", ledger.failed),
        );
        if collects(self.heap) {
            demand(left.used_bytes == 0, format!("{} bytes have leaked", left.used_bytes));
        }
        complaints
    }
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_string());
    text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a whole number"))
}

#[test]
fn shared_heaps_and_parallel_schedulers_soak() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/workloads/racy/soak.mena");
    let source = std::fs::read_to_string(&path).expect("the program");
    let compiled = compile(&path, &source).unwrap_or_else(|text| panic!("{text}"));
    let time = Duration::from_secs(number("MENAGERIE_SOAK_SECONDS", 60));
    let first = number("MENAGERIE_SOAK_SEED", 1);

    // A lost wake-up hangs; the seed must be told all the same.
    let (tell, told) = channel::<String>();
    let round_max = Duration::from_secs(number("MENAGERIE_SOAK_ROUND_SECONDS", ROUND_SECONDS));
    let watch = std::thread::spawn(move || {
        let mut last = String::new();
        loop {
            match told.recv_timeout(round_max) {
                Ok(round) => last = round,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("soak: after {round_max:?} not over: {last}");
                    std::process::abort();
                }
            }
        }
    });
    let start = Instant::now();
    let pairs =
        shared_heaps().count() * SCHEDULERS.iter().filter(|(info, _)| info.parallel).count();
    let mut rounds = 0;
    while start.elapsed() < time || rounds < pairs as u64 {
        let round = Round::new(first + rounds);
        tell.send(format!("{round:?}")).expect("the watch runs");
        let complaints = round.run(&compiled);
        assert!(
            complaints.is_empty(),
            "{round:?}\nMENAGERIE_SOAK_SEED={} repeats the choices, though not the threads.\n{}",
            round.seed,
            complaints.join("\n")
        );
        rounds += 1;
    }
    drop(tell);
    watch.join().expect("the watch has nothing to complain of");
    println!("{rounds} rounds");
}
