//! `deterministic`: one OS thread; an oracle decides who runs next and for how long, so that a run can
//! be repeated exactly: to look for schedules that break a program, and to keep the one that did.
//!
//! | `oracle` | who runs next | for how long |
//! |---|---|---|
//! | `random` | any ready task, with equal chance | 1 … `quantum` reductions, with equal chance |
//! | `pct` | the ready task of the highest priority | `quantum` |
//! | `round-robin` | the one that has waited longest | `quantum` |
//! | `replay` | as the file `schedule` says | as it says |
//!
//! PCT gives every task a random priority, and at `depth - 1` random slices among the first `slices`
//! puts the running task below all others. A bug that `depth` ordered events of n tasks trigger then
//! shows with a chance of at least 1 / (n × slices^(depth-1)), at the granularity of safepoints.
//!
//! `record=FILE` writes the schedule, a line per slice (task, reductions granted), as it is made: a run
//! that dies leaves what led there. A replay goes on first in, first out, where the file ends or names
//! a task that is not ready (the program has been edited), and says so.
//!
//! Time is virtual: it passes only while nothing can run, so no clock decides anything.
//!
//! Invariants
//! - I1. The same program, heap, oracle and seed give the same schedule.
//! - I2. A recorded schedule, replayed, gives the same slices.
//!
//! Events: none of its own.
//! Costs: next is O(ready tasks).
//! Source: Burckhardt, Kothari, Musuvathi, Nagarakatte (ASPLOS 2010) for PCT; shuttle.
//! What it does not do: run two workers; interleave within an instruction.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use menagerie::heap::Parameter;
use menagerie::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo,
};
use menagerie::sync::OneThread;
use menagerie::task::TaskId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One slice of a schedule: the number of the task that runs, and how many reductions it is granted.
type Step = (u64, u64);

/// What decides.
#[derive(Debug)]
enum Oracle {
    Random,
    Pct {
        /// The larger runs first; drawn when a task is first seen.
        priorities: HashMap<TaskId, u64>,
        /// Slices at which the running task falls below all others, the next one last.
        changes: Vec<u64>,
        /// The next lowest priority.
        floor: u64,
    },
    RoundRobin,
    Replay {
        /// What is left, the next one last.
        steps: Vec<Step>,
        lost: bool,
    },
}

#[derive(Debug)]
struct State {
    oracle: Oracle,
    rng: ChaCha8Rng,
    /// In the order in which they became ready.
    ready: Vec<TaskId>,
    slices: u64,
    quantum: u64,
    /// What the slice that begins is granted.
    granted: u64,
    record: Option<BufWriter<File>>,
}

/// Exploration and replay.
#[derive(Debug)]
pub struct Deterministic(RefCell<State>);

/// Priorities that were drawn are above those of tasks that fell.
const DRAWN: u64 = 1 << 62;

impl State {
    fn below(&mut self, n: u64) -> u64 {
        // The bias of a remainder is below 2^-32 for what is asked here.
        self.rng.next_u64() % n
    }
    fn choose(&mut self) -> usize {
        self.granted = self.quantum;
        match &mut self.oracle {
            Oracle::RoundRobin => 0,
            Oracle::Random => {
                self.granted = 1 + self.below(self.quantum.min(1 << 32));
                self.below(self.ready.len() as u64) as usize
            }
            Oracle::Pct { priorities, changes, floor } => {
                let rng = &mut self.rng;
                let mut priority = |task| {
                    *priorities.entry(task).or_insert_with(|| DRAWN + rng.next_u64() % DRAWN)
                };
                let best = (0..self.ready.len()).max_by_key(|&i| priority(self.ready[i]));
                let best = best.expect("the caller has looked");
                if changes.last().is_some_and(|&at| at <= self.slices) {
                    changes.pop();
                    *floor -= 1;
                    priorities.insert(self.ready[best], *floor);
                }
                best
            }
            Oracle::Replay { steps, lost } => {
                if !*lost && let Some((task, granted)) = steps.pop() {
                    if let Some(i) = self.ready.iter().position(|t| t.number() == task) {
                        self.granted = granted;
                        return i;
                    }
                    *lost = true;
                    eprintln!(
                        "menagerie: slice {} of the replay names task {task}, which is not ready: \
                         from here on first in, first out",
                        self.slices + 1
                    );
                }
                0
            }
        }
    }
}

fn number(config: &SchedulerConfig, name: &str, least: u64) -> Result<u64, SchedulerError> {
    let text = config.parameter(&Deterministic::INFO, name);
    text.parse().ok().filter(|&n| n >= least).ok_or_else(|| {
        SchedulerError(format!("{name}={text}: expected a whole number from {least} on"))
    })
}

fn read_schedule(path: &str) -> Result<Vec<Step>, SchedulerError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| SchedulerError(format!("schedule={path}: cannot be read: {e}")))?;
    let mut steps = Vec::new();
    for (n, line) in (1..).zip(text.lines()) {
        let step = line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        steps.push(step.ok_or_else(|| {
            SchedulerError(format!("{path}:{n}: expected `task reductions`, not `{line}`"))
        })?);
    }
    steps.reverse();
    Ok(steps)
}

impl Scheduler for Deterministic {
    type Local = ();
    type Threads = OneThread;
    const INFO: SchedulerInfo = SchedulerInfo {
        name: "deterministic",
        summary: "one OS thread, an oracle decides: exploration, record and replay",
        parallel: false,
        virtual_time: true,
        parameters: &[
            Parameter {
                name: "oracle",
                default: "random",
                doc: "who decides: random, pct, round-robin, replay",
            },
            Parameter { name: "seed", default: "0", doc: "of random and pct: any whole number" },
            Parameter {
                name: "quantum",
                default: "200",
                doc: "reductions of a slice, at least 1 (random: at most)",
            },
            Parameter {
                name: "depth",
                default: "3",
                doc: "pct: ordered events to hit, at least 1",
            },
            Parameter {
                name: "slices",
                default: "1000",
                doc: "pct: slices among which the changes of priority are drawn, at least 1",
            },
            Parameter { name: "schedule", default: "", doc: "replay: the file to follow" },
            Parameter { name: "record", default: "", doc: "the file to write the schedule to" },
        ],
    };

    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<()>), SchedulerError> {
        super::one_worker(config, &Self::INFO)?;
        let mut rng = ChaCha8Rng::seed_from_u64(number(config, "seed", 0)?);
        let oracle = match config.parameter(&Self::INFO, "oracle") {
            "random" => Oracle::Random,
            "round-robin" => Oracle::RoundRobin,
            "pct" => {
                let (depth, slices) = (number(config, "depth", 1)?, number(config, "slices", 1)?);
                let mut changes: Vec<u64> = (1..depth).map(|_| rng.next_u64() % slices).collect();
                changes.sort_unstable_by(|a, b| b.cmp(a));
                Oracle::Pct { priorities: HashMap::new(), changes, floor: DRAWN }
            }
            "replay" => match config.parameter(&Self::INFO, "schedule") {
                "" => {
                    let message = "oracle=replay needs schedule=FILE, as record=FILE wrote it";
                    return Err(SchedulerError(message.into()));
                }
                path => Oracle::Replay { steps: read_schedule(path)?, lost: false },
            },
            other => {
                let known = "random, pct, round-robin or replay";
                return Err(SchedulerError(format!("oracle={other}: expected {known}")));
            }
        };
        let record =
            match config.parameter(&Self::INFO, "record") {
                "" => None,
                path => Some(BufWriter::new(File::create(path).map_err(|e| {
                    SchedulerError(format!("record={path}: cannot be written: {e}"))
                })?)),
            };
        let quantum = super::quantum(config, &Self::INFO)?;
        let ready = Vec::new();
        let state = State { oracle, rng, ready, slices: 0, quantum, granted: quantum, record };
        Ok((Deterministic(RefCell::new(state)), vec![()]))
    }
    fn push(&self, _: Option<&mut ()>, task: TaskId, why: Ready) -> Notify {
        let mut state = self.0.borrow_mut();
        // Who gives way goes below all others: a loop of `yield` must not starve what it waits for.
        if let Oracle::Pct { priorities, floor, .. } = &mut state.oracle
            && why == Ready::Yield
        {
            *floor -= 1;
            priorities.insert(task, *floor);
        }
        state.ready.push(task);
        Notify::No
    }
    fn next(&self, _: &mut (), _: Pick) -> Option<TaskId> {
        let mut state = self.0.borrow_mut();
        if state.ready.is_empty() {
            return None;
        }
        let chosen = state.choose();
        let task = state.ready.remove(chosen);
        state.slices += 1;
        let granted = state.granted;
        if let Some(file) = &mut state.record
            && let Err(e) = writeln!(file, "{task} {granted}")
        {
            eprintln!("menagerie: the schedule cannot be written: {e}");
            state.record = None;
        }
        Some(task)
    }
    fn has_work(&self, _: &()) -> bool {
        !self.0.borrow().ready.is_empty()
    }
    #[allow(clippy::misnamed_getters, reason = "the oracle says how much of it a slice is granted")]
    fn quantum(&self) -> u64 {
        self.0.borrow().granted
    }
    fn drain(&self, _: &mut (), f: &mut dyn FnMut(TaskId)) {
        std::mem::take(&mut self.0.borrow_mut().ready).into_iter().for_each(f);
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbered::*;
    use super::*;

    fn with(parameters: &[(&str, &str)]) -> Result<Deterministic, SchedulerError> {
        let parameters = parameters.iter().map(|&(n, v)| (n.into(), v.into())).collect();
        let config = SchedulerConfig { workers: 1, parameters };
        Deterministic::new(&config).map(|(sched, _)| sched)
    }
    /// Ten tasks that go on for ever: the first slices.
    fn schedule(sched: &Deterministic, slices: usize) -> Vec<Step> {
        (1..=10).for_each(|task| {
            push(sched, &mut (), task, Ready::Spawn);
        });
        let slice = |_| {
            let task = next(sched, &mut (), 0).unwrap();
            push(sched, &mut (), task, Ready::Preempt);
            (task, sched.quantum())
        };
        (0..slices).map(slice).collect()
    }

    #[test]
    fn a_seed_is_a_schedule() {
        for oracle in ["random", "pct", "round-robin"] {
            let run = |seed| schedule(&with(&[("oracle", oracle), ("seed", seed)]).unwrap(), 200);
            assert_eq!(run("7"), run("7"), "{oracle}");
            assert!(oracle == "round-robin" || run("7") != run("8"), "{oracle}");
        }
    }

    #[test]
    fn pct_changes_as_often_as_its_depth_says() {
        for depth in ["1", "2", "5"] {
            let sched = with(&[("oracle", "pct"), ("depth", depth), ("slices", "150")]).unwrap();
            let tasks: Vec<_> = schedule(&sched, 400).iter().map(|step| step.0).collect();
            let switches = tasks.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(switches < depth.parse().unwrap(), "{switches} switches at depth {depth}");
        }
    }

    #[test]
    fn what_was_recorded_is_replayed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let recorded = schedule(&with(&[("seed", "3"), ("record", path)]).unwrap(), 100);
        let replay = with(&[("oracle", "replay"), ("schedule", path)]).unwrap();
        assert_eq!(schedule(&replay, 100), recorded);
    }

    #[test]
    fn bad_parameters_are_refused() {
        for bad in [
            ("oracle", "coin"),
            ("oracle", "replay"),
            ("seed", "x"),
            ("quantum", "0"),
            ("record", "/no/such/folder/file"),
        ] {
            assert!(with(&[bad]).is_err(), "{bad:?}");
        }
        assert!(with(&[("oracle", "pct"), ("depth", "0")]).is_err());
    }
}
