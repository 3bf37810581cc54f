//! Counters of a run, for `--stats`.

use std::collections::BTreeMap;

use crate::heap::{Cause, Collection, Usage};

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
    /// Collections by cause.
    pub collections: BTreeMap<&'static str, u64>,
    /// Wall nanoseconds of each pause, in order.
    pub pauses_ns: Vec<u64>,
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
    /// Notes a collection.
    pub fn collection(&mut self, why: Cause, wall_ns: u64, collection: &Collection) {
        let why = match why {
            Cause::AllocationFailure => "allocation_failure",
            Cause::Threshold => "threshold",
            Cause::Explicit => "explicit",
            Cause::Stress => "stress",
            Cause::LastResort => "last_resort",
            Cause::NurseryFull => "nursery_full",
            Cause::Candidates => "candidates",
            Cause::Finalization => "finalization",
        };
        *self.collections.entry(why).or_default() += 1;
        self.pauses_ns.push(wall_ns);
        self.traced_objects += collection.traced_objects;
        self.copied_bytes += collection.copied_bytes as u64;
    }

    /// The pause below which the given share of pauses lies (nearest rank); 0 without pauses.
    pub fn pause_ns_at(&self, share: f64) -> u64 {
        let mut sorted = self.pauses_ns.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }
}
