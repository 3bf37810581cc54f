//! Model of helpers that sleep between jobs.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::protocol::Crew;

/// What a job refers to: the collector's own, which it changes between two jobs.
struct Collector {
    round: UnsafeCell<u32>,
    worked: AtomicU32,
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for Collector {}

impl Collector {
    fn job(&self, round: u32) {
        // SAFETY: loom fails the model when the collector writes it meanwhile.
        let seen = self.round.with(|r| unsafe { *r });
        assert_eq!(seen, round, "a job of another round");
        self.worked.fetch_add(1, Relaxed);
    }
}

/// A crew of one helper, two jobs: it is inside of none of them when `run` returns, and ends when the crew
/// does.
pub fn two_jobs() {
    let collector = Collector { round: UnsafeCell::new(0), worked: AtomicU32::new(0) };
    // They outlive the crew: a mutant that uses one too late finds it.
    let jobs = [1, 2].map(|round| {
        let collector = &collector;
        (round, move || collector.job(round))
    });
    let mut crew = Crew::new(1);
    for (round, job) in &jobs {
        // SAFETY: loom fails the model when a helper still reads it.
        collector.round.with_mut(|r| unsafe { *r = *round });
        collector.worked.store(0, Relaxed);
        crew.run(job);
        let worked = collector.worked.load(Relaxed);
        assert!(worked == 1 || worked == 2, "{worked} threads did what two can do once");
    }
    // SAFETY: as above.
    collector.round.with_mut(|r| unsafe { *r = 0 });
}
