//! All models, of the originals and of the mutants, and how one is run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A model with the source that it checks.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Protocol and model: `gate::stop`.
    pub model: &'static str,
    /// The mutant's name; `None` for the original.
    pub mutant: Option<&'static str>,
    /// What loom's report must say of a mutant.
    pub failure: &'static str,
    run: fn(),
}

/// What a run of a model cost.
#[derive(Clone, Copy, Debug)]
pub struct Explored {
    /// Executions.
    pub iterations: u64,
    /// Wall-clock time.
    pub seconds: f64,
}

include!(concat!(env!("OUT_DIR"), "/variants.rs"));

impl Variant {
    /// The variant of this name; `mutant` is `None` for the original.
    pub fn find(model: &str, mutant: Option<&str>) -> Option<&'static Variant> {
        VARIANTS.iter().find(|v| v.model == model && v.mutant == mutant)
    }

    /// Explores all executions with at most `bound` preemptions. Panics when one fails; a deadlock may
    /// abort the process.
    pub fn explore(&self, bound: usize) -> Explored {
        static ITERATIONS: AtomicU64 = AtomicU64::new(0);
        let (before, start) = (ITERATIONS.load(Ordering::Relaxed), Instant::now());
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(bound);
        let run = self.run;
        builder.check(move || {
            ITERATIONS.fetch_add(1, Ordering::Relaxed);
            run();
        });
        let iterations = ITERATIONS.load(Ordering::Relaxed) - before;
        Explored { iterations, seconds: start.elapsed().as_secs_f64() }
    }
}
