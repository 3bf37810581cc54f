//! Counters of a run, for `--stats` and for the result records of experiments.

use std::collections::BTreeMap;

use crate::heap::{Cause, Collection, Usage};
use crate::metrics::{Delays, WorkerStats};

/// One stop of the world. Both clocks are read at both ends, inside of the stop, so that a run's
/// total minus its pauses is what the collector did not do (the distilled cost of LBO).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pause {
    /// Why.
    pub cause: Cause,
    /// When it began, nanoseconds after the start of the world.
    pub start_ns: u64,
    /// How long it took.
    pub wall_ns: u64,
    /// Processor time of all threads of the process meanwhile.
    pub task_clock_ns: u64,
    /// How long it took before until every worker had stopped (time to safepoint), wall time.
    pub safepoint_ns: u64,
    /// Used before, bytes.
    pub before_bytes: usize,
    /// Live after, bytes.
    pub after_bytes: usize,
    /// Copied, bytes.
    pub copied_bytes: usize,
}

/// Processor time of all threads of this process so far, in nanoseconds.
///
/// # Panics
/// When the system has no such clock.
pub fn task_clock_ns() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a processor time clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// Which workers there were.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SchedulerCounts {
    /// The most workers that there were at a time.
    pub workers_max: usize,
    /// Threads that the system did not give.
    pub threads_refused: u64,
}

/// What a VM has counted.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Calls and back-edges.
    pub reductions: u64,
    /// Slices run.
    pub slices: u64,
    /// Slices that ended at the quantum.
    pub preemptions: u64,
    /// Tasks made, the entry included.
    pub tasks_spawned: u64,
    /// Which workers there were.
    pub scheduler: SchedulerCounts,
    /// What each worker did, by number.
    pub workers: Vec<WorkerStats>,
    /// How long tasks waited for their turn, if that was measured.
    pub delays: Option<Box<Delays>>,
    /// Collections by cause.
    pub collections: BTreeMap<&'static str, u64>,
    /// Every pause, in order.
    pub pauses: Vec<Pause>,
    /// The most that the heap was seen to have reserved, at pauses and at the end.
    pub reserved_bytes_max: usize,
    /// Objects traced by all collections.
    pub traced_objects: u64,
    /// Bytes copied by all collections.
    pub copied_bytes: u64,
    /// The heap's use at the end.
    pub usage: Usage,
    /// What wrappers counted.
    pub counters: Vec<(&'static str, u64)>,
}

impl Stats {
    /// Notes what the worker of this number has done.
    pub fn worker(&mut self, number: usize, stats: &WorkerStats) {
        if self.workers.len() <= number {
            self.workers.resize(number + 1, WorkerStats::default());
        }
        self.workers[number].add(stats);
    }
    /// What all workers together have done.
    pub fn all_workers(&self) -> WorkerStats {
        let mut all = WorkerStats::default();
        self.workers.iter().for_each(|worker| all.add(worker));
        all
    }

    /// Notes a collection.
    pub fn collection(&mut self, pause: Pause, collection: &Collection) {
        *self.collections.entry(pause.cause.name()).or_default() += 1;
        self.traced_objects += collection.traced_objects;
        self.copied_bytes += collection.copied_bytes as u64;
        self.pauses.push(pause);
    }

    /// Notes the heap's use, for the maximum.
    pub fn usage(&mut self, usage: Usage) {
        self.reserved_bytes_max = self.reserved_bytes_max.max(usage.reserved_bytes);
        self.usage = usage;
    }

    /// The pause below which the given share of pauses lies (nearest rank); 0 without pauses.
    pub fn pause_ns_at(&self, share: f64) -> u64 {
        let mut sorted: Vec<_> = self.pauses.iter().map(|p| p.wall_ns).collect();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }
}
