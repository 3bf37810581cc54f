//! `work-stealing`: a deque per worker; who has nothing steals.
//!
//! ```text
//!    worker 0                 worker 1                     from outside, yielded, preempted
//!   [slot] t8                [slot] –                               │
//!   [deque] t5 t3 t1         [deque] –   ◄─── steals t1             ▼
//!      ▲ pop      ▲ steal                  injector [ t9 t7 … ] ──► any worker
//! ```
//!
//! A new or woken task goes to its worker's *slot*, what was there to the deque's bottom: the newest
//! runs next, on the worker whose cache has its data. Who yields or was preempted goes to the injector,
//! first in, first out, so that nobody starves behind a stream of new tasks. A worker looks into slot,
//! deque, injector, then at the others' deques; into their slots only in its last pass, and nobody is
//! woken for a slot: its owner comes to it at the end of the slice (tokio #4941, #8065).
//!
//! Invariants
//! - I1. A task is in one slot, deque or the injector at most.
//! - I2. Every `injector-every`-th slice looks into the injector first: with a finite quantum nobody
//!   starves.
//! - I3. `next` answers `None` only after a pass over everything that met no race.
//!
//! Events: none of its own; the driver emits `task_steal`.
//! Costs: push and pop are a few atomics on lines of the worker itself; a
//! steal is one compare-and-swap on the victim's. Context switch = the end of one slice.
//! Source: Blumofe and Leiserson 1999; Chase and Lev 2005; slot, injector and last pass as in Go and
//! tokio.
//! What it does not do: run the child first; move a task back to where its data is.

use menagerie::heap::Parameter;
use menagerie::metrics::WorkerCounts;
use menagerie::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo,
};
use menagerie::sync::ManyThreads;
use menagerie::task::TaskId;

use crate::parts::deque::{Deque, DequeKind, Injector, Steal, Stealer};
use crate::parts::slot::Slot;

/// How often a worker without work goes over the others; the last time also over their slots.
const PASSES: usize = 4;

/// What all workers share.
#[derive(Debug)]
pub struct WorkStealing {
    injector: Injector,
    stealers: Vec<Stealer>,
    slots: Vec<Slot>,
    use_slots: bool,
    random_victims: bool,
    batch: bool,
    notify_each: bool,
    injector_every: u64,
    quantum: u64,
}

/// A worker's own part.
#[derive(Debug)]
pub struct Local {
    number: usize,
    deque: Deque,
    rng: fastrand::Rng,
    counts: WorkerCounts,
    /// Whose the last task was, if it was stolen.
    victim: Option<usize>,
}

impl WorkStealing {
    /// What `attempt` finds. Who insists tries again when it meets a race.
    fn take(attempt: impl Fn() -> Steal, insists: bool, retries: &mut u64) -> Option<TaskId> {
        loop {
            match attempt() {
                Steal::Success(task) => return Some(task),
                Steal::Empty => return None,
                Steal::Retry => *retries += 1,
            }
            if !insists {
                return None;
            }
            std::hint::spin_loop();
        }
    }
    fn take_injected(&self, local: &mut Local) -> Option<TaskId> {
        let counts = &mut local.counts;
        let task = Self::take(|| self.injector.steal(), true, &mut counts.steal_retries)?;
        counts.injector_pops += 1;
        Some(task)
    }
    /// For a task that others may take; `first`: no other was there. Where one was, somebody has been told,
    /// and whoever looks for work looks there again before it sleeps.
    fn notify(&self, first: bool) -> Notify {
        if first || self.notify_each { Notify::One } else { Notify::No }
    }
    fn take_slot(&self, worker: usize) -> Option<TaskId> {
        self.slots[worker].take().and_then(TaskId::from_bits)
    }
    fn steal(&self, local: &mut Local) -> Option<TaskId> {
        let workers = self.stealers.len();
        for pass in 1..=PASSES {
            let first = if self.random_victims { local.rng.usize(..workers) } else { 0 };
            for victim in (0..workers).map(|n| (first + n) % workers) {
                if victim == local.number {
                    continue;
                }
                let stealer = &self.stealers[victim];
                local.counts.steal_attempts += 1;
                let attempt = || stealer.steal(&local.deque, self.batch);
                let retries = &mut local.counts.steal_retries;
                let stolen = Self::take(attempt, pass == PASSES, retries);
                if stolen.is_some() {
                    local.victim = Some(victim);
                    // A batch's other tasks are in the thief's deque, which was empty.
                    local.counts.steals += 1;
                    local.counts.stolen_tasks += 1 + local.deque.len() as u64;
                    return stolen;
                }
                if pass == PASSES
                    && let Some(task) = self.take_slot(victim)
                {
                    local.victim = Some(victim);
                    local.counts.slot_steals += 1;
                    return Some(task);
                }
            }
        }
        None
    }
}

fn choice<'a>(
    config: &'a SchedulerConfig,
    name: &str,
    of: &[&str],
) -> Result<&'a str, SchedulerError> {
    let text = config.parameter(&WorkStealing::INFO, name);
    if of.contains(&text) {
        return Ok(text);
    }
    Err(SchedulerError(format!("{name}={text}: expected {}", of.join(" or "))))
}

impl Scheduler for WorkStealing {
    type Local = Local;
    type Threads = ManyThreads;
    const INFO: SchedulerInfo = SchedulerInfo {
        name: "work-stealing",
        summary: "a deque per worker; who has nothing steals",
        parallel: true,
        virtual_time: false,
        parameters: &[
            Parameter {
                name: "deque",
                default: "chase-lev",
                doc: "chase-lev (ours, model-checked) or crossbeam (crossbeam-deque)",
            },
            Parameter {
                name: "slot",
                default: "on",
                doc: "on: the newest task runs next on its worker; off: all go to the deque",
            },
            Parameter {
                name: "steal",
                default: "one",
                doc: "one, or batch: about half of the victim's deque",
            },
            Parameter {
                name: "victims",
                default: "random",
                doc: "random, or sequential from worker 0",
            },
            Parameter {
                name: "notify",
                default: "each",
                doc: "each: every task that others may take wakes a worker; first: only where none waited",
            },
            Parameter {
                name: "injector-every",
                default: "61",
                doc: "every how many slices the injector comes first, at least 1",
            },
            Parameter {
                name: "quantum",
                default: "4000",
                doc: "reductions (calls and back-edges) of a slice, at least 1; `max` = cooperative",
            },
        ],
    };

    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<Local>), SchedulerError> {
        let kind = match choice(config, "deque", &["chase-lev", "crossbeam"])? {
            "crossbeam" => DequeKind::Crossbeam,
            _ => DequeKind::ChaseLev,
        };
        let every = config.parameter(&Self::INFO, "injector-every");
        let injector_every = every.parse().ok().filter(|&n| n > 0).ok_or_else(|| {
            SchedulerError(format!("injector-every={every}: not a number from 1 on"))
        })?;
        let workers = config.workers.max(1);
        let (deques, stealers): (Vec<_>, Vec<_>) = (0..workers).map(|_| kind.deque()).unzip();
        let shared = WorkStealing {
            injector: Injector::default(),
            stealers,
            slots: (0..workers).map(|_| Slot::default()).collect(),
            use_slots: choice(config, "slot", &["on", "off"])? == "on",
            random_victims: choice(config, "victims", &["random", "sequential"])? == "random",
            batch: choice(config, "steal", &["one", "batch"])? == "batch",
            notify_each: choice(config, "notify", &["each", "first"])? == "each",
            injector_every,
            quantum: super::quantum(config, &Self::INFO)?,
        };
        let local = |(number, deque)| Local {
            number,
            deque,
            rng: fastrand::Rng::with_seed(number as u64 + 1),
            counts: WorkerCounts::default(),
            victim: None,
        };
        Ok((shared, deques.into_iter().enumerate().map(local).collect()))
    }
    fn push(&self, local: Option<&mut Local>, task: TaskId, why: Ready) -> Notify {
        let Some(local) = local.filter(|_| matches!(why, Ready::Spawn | Ready::Wake)) else {
            let first = self.injector.is_empty();
            self.injector.push(task);
            return self.notify(first);
        };
        let displaced = match self.use_slots {
            true => self.slots[local.number].put(task.bits()).and_then(TaskId::from_bits),
            false => Some(task),
        };
        let Some(displaced) = displaced else { return Notify::No };
        local.counts.slot_expiries += u64::from(self.use_slots);
        let first = local.deque.is_empty();
        local.deque.push(displaced);
        self.notify(first)
    }
    fn next(&self, local: &mut Local, pick: Pick) -> Option<TaskId> {
        local.victim = None;
        if pick.tick.is_multiple_of(self.injector_every)
            && let Some(task) = self.take_injected(local)
        {
            return Some(task);
        }
        if let Some(task) = self.take_slot(local.number) {
            local.counts.slot_hits += 1;
            return Some(task);
        }
        if let Some(task) = local.deque.pop() {
            local.counts.deque_pops += 1;
            return Some(task);
        }
        self.take_injected(local).or_else(|| self.steal(local))
    }
    fn stolen_from(&self, local: &Local) -> Option<usize> {
        local.victim
    }
    fn counts(&self, local: &Local) -> WorkerCounts {
        local.counts
    }
    fn has_work(&self, _: &Local) -> bool {
        !self.injector.is_empty()
            || self.stealers.iter().any(|stealer| !stealer.is_empty())
            || self.slots.iter().any(|slot| !slot.is_empty())
    }
    fn quantum(&self) -> u64 {
        self.quantum
    }
    fn drain(&self, local: &mut Local, f: &mut dyn FnMut(TaskId)) {
        while let Some(task) = self.next(local, Pick::default()) {
            f(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbered::*;
    use super::*;

    fn with(parameters: &[(&str, &str)]) -> (WorkStealing, Vec<Local>) {
        let parameters = parameters.iter().map(|&(n, v)| (n.into(), v.into())).collect();
        WorkStealing::new(&SchedulerConfig { workers: 3, parameters }).unwrap()
    }

    #[test]
    fn every_task_comes_out_once_whoever_asks() {
        for deque in ["chase-lev", "crossbeam"] {
            for slot in ["on", "off"] {
                for steal in ["one", "batch"] {
                    let (sched, mut locals) =
                        with(&[("deque", deque), ("slot", slot), ("steal", steal)]);
                    for task in 1..=100 {
                        let why = if task % 7 == 0 { Ready::Yield } else { Ready::Spawn };
                        push(&sched, &mut locals[0], task, why);
                    }
                    let mut seen = Vec::new();
                    for turn in 0.. {
                        match next(&sched, &mut locals[turn % 3], turn as u64) {
                            Some(task) => seen.push(task),
                            None => break,
                        }
                    }
                    seen.sort_unstable();
                    assert_eq!(seen, (1..=100).collect::<Vec<_>>(), "{deque} {slot} {steal}");
                    assert!(!sched.has_work(&locals[0]));
                }
            }
        }
    }

    #[test]
    fn nobody_is_woken_for_a_slot_but_it_can_be_stolen() {
        let (sched, mut locals) = with(&[]);
        assert_eq!(push(&sched, &mut locals[0], 1, Ready::Spawn), Notify::No);
        assert_eq!(push(&sched, &mut locals[0], 2, Ready::Spawn), Notify::One);
        // The deque's task is stolen before the slot's.
        assert_eq!(next(&sched, &mut locals[1], 1), Some(1));
        assert_eq!(next(&sched, &mut locals[1], 2), Some(2));
    }

    #[test]
    fn a_lost_race_is_counted_and_who_insists_tries_again() {
        for (insists, found, lost) in [(false, None, 1), (true, TaskId::from_bits(7), 2)] {
            let attempts = std::cell::Cell::new(0);
            let attempt = || {
                attempts.set(attempts.get() + 1);
                match attempts.get() {
                    1 | 2 => Steal::Retry,
                    _ => TaskId::from_bits(7).map_or(Steal::Empty, Steal::Success),
                }
            };
            let mut retries = 0;
            assert_eq!(WorkStealing::take(attempt, insists, &mut retries), found);
            assert_eq!(retries, lost);
        }
    }

    #[test]
    fn the_victim_is_known_until_the_next_task() {
        let (sched, mut locals) = with(&[]);
        for task in [1, 2, 3] {
            push(&sched, &mut locals[0], task, Ready::Spawn);
        }
        push(&sched, &mut locals[1], 4, Ready::Yield);
        let thief = &mut locals[2];
        // The injector's, two of the deque, the slot's.
        for victim in [None, Some(0), Some(0), Some(0)] {
            assert!(next(&sched, thief, 1).is_some());
            assert_eq!(sched.stolen_from(thief), victim);
        }
        assert_eq!(next(&sched, thief, 1), None);
        assert_eq!(sched.stolen_from(thief), None);
        assert_eq!((thief.counts.steals, thief.counts.slot_steals), (2, 1));
    }

    /// `each` wakes somebody for every task in the deque or the injector, `first` for the first there.
    #[test]
    fn the_rule_says_for_which_tasks_somebody_is_woken() {
        for (rule, second) in [("each", Notify::One), ("first", Notify::No)] {
            let (sched, mut locals) = with(&[("notify", rule), ("slot", "off")]);
            for why in [Ready::Spawn, Ready::Yield] {
                let mut add = |task| push(&sched, &mut locals[0], task, why);
                assert_eq!([add(1), add(2)], [Notify::One, second], "{rule} {why:?}");
                sched.drain(&mut locals[1], &mut |_| ());
                assert_eq!(push(&sched, &mut locals[0], 3, why), Notify::One, "{rule} {why:?}");
                sched.drain(&mut locals[1], &mut |_| ());
            }
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for bad in [
            ("deque", "list"),
            ("slot", "maybe"),
            ("steal", "all"),
            ("notify", "all"),
            ("injector-every", "0"),
        ] {
            let parameters = vec![(bad.0.to_owned(), bad.1.to_owned())];
            let config = SchedulerConfig { workers: 2, parameters };
            assert!(WorkStealing::new(&config).is_err(), "{bad:?}");
        }
    }
}
