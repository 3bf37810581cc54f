//! The strategies: one file per heap, one per scheduler, and the registry: one line each.
//!
//! From the registry come `menagerie list`, the command line's names, the conformance matrix, and
//! the colour and marker of every plot.

use menagerie::bytecode::verify::Verified;
use menagerie::check::Wrapped;
use menagerie::event::{FnSink, NullSink};
use menagerie::heap::{Factory, Heap, HeapInfo, Mutator, Usage};
use menagerie::report::Ending;
use menagerie::sched::{Scheduler, SchedulerInfo};
use menagerie::stats::Stats;
use menagerie::sync::{ManyThreads, OneThread};
use menagerie::vm::{Threads, Vm, VmConfig, VmError};
use menagerie::world::World;

pub mod heaps;
pub mod parts;
pub mod schedulers;

/// Protocol sources name atomics, locks and grace periods by this path, so that the models can
/// replace them.
pub(crate) mod sync {
    pub(crate) use crossbeam_epoch as epoch;
    pub(crate) use menagerie::sync::*;
}

/// What a run gave: how it ended, and its statistics.
pub type RunResult = Result<(Ending, Stats), VmError>;

/// A run, and what its heap still held when every root was gone.
type Done = Result<(Ending, Stats, Option<Usage>), VmError>;

/// How plots draw a strategy: colour-blind safe colours (Okabe & Ito) and a marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Red, green, blue.
    pub colour: (u8, u8, u8),
    /// A marker's name.
    pub marker: &'static str,
}

macro_rules! heaps {
    ($($heap:ty, $colour:expr, $marker:literal $(, shared $shared:ty)?;)*) => {
        /// Attributes of all heaps, in the order of tables and legends.
        pub const HEAPS: &[(HeapInfo, Style)] = &[$((
            <$heap as Heap>::INFO,
            Style { colour: $colour, marker: $marker },
        )),*];

        /// The heaps that parallel schedulers can run, each with the name of the flavour that runs
        /// there: the same, or another heap of the registry.
        pub const SHARED_HEAPS: &[(&str, &str)] =
            &[$($((<$heap as Heap>::INFO.name, <$shared as Heap>::INFO.name),)?)*];

        /// Whether the named heap gives local objects memory of their own, so that the code is to mark
        /// frames that make some.
        pub fn has_frames(heap: &str) -> bool {
            $((heap == <$heap as Heap>::INFO.name && <<$heap as Heap>::Mutator as Mutator>::FRAMES))||*
        }

        /// How to make the named heap behind `dyn`: for wrappers, and for tests that run on all.
        pub fn factory(heap: &str) -> Option<Factory> {
            $(if heap == <$heap as Heap>::INFO.name {
                return Some(Factory::of::<$heap>());
            })*
            None
        }

        /// Runs a heap on a scheduler with one worker.
        fn run_one<S: Scheduler<Threads = OneThread>>(heap: &str, job: Job<'_>) -> Done {
            $(if heap == <$heap as Heap>::INFO.name {
                return if job.config.heap.checks.any() {
                    job.wrapped::<Wrapped, S>(Factory::of::<$heap>())
                } else {
                    job.run::<$heap, S>()
                };
            })*
            Err(unknown("heap", heap, HEAPS.iter().map(|(info, _)| info.name)))
        }

        /// Runs a shared heap on a parallel scheduler.
        fn run_many<S>(heap: &str, job: Job<'_>) -> Done
        where
            S: Scheduler<Threads = ManyThreads, Local: Send> + Sync,
        {
            $($(if heap == <$heap as Heap>::INFO.name {
                return if job.config.heap.checks.any() {
                    job.wrapped::<Wrapped<ManyThreads>, S>(Factory::shared::<$shared>())
                } else {
                    job.run::<$shared, S>()
                };
            })?)*
            Err(VmError(not_shared(heap)))
        }
    };
}
macro_rules! schedulers {
    ($($scheduler:ty, $run:ident, $colour:expr, $marker:literal;)*) => {
        /// Attributes of all schedulers.
        pub const SCHEDULERS: &[(SchedulerInfo, Style)] = &[$((
            <$scheduler as Scheduler>::INFO,
            Style { colour: $colour, marker: $marker },
        )),*];

        fn dispatch(heap: &str, scheduler: &str, job: Job<'_>) -> Done {
            $(if scheduler == <$scheduler as Scheduler>::INFO.name {
                return $run::<$scheduler>(heap, job);
            })*
            Err(unknown("scheduler", scheduler, SCHEDULERS.iter().map(|(info, _)| info.name)))
        }
    };
}

/// Runs verified code on the named heap and scheduler.
///
/// # Errors
/// An unknown name, a bad parameter, a heap too small to load the program, a pair that cannot be.
pub fn run(
    heap: &str,
    scheduler: &str,
    config: &VmConfig,
    code: Verified,
    world: World,
    events: Option<FnSink>,
) -> RunResult {
    let job = Job { config, code, world, events, drop_roots: false };
    dispatch(heap, scheduler, job).map(|(ending, stats, _)| (ending, stats))
}

/// As [`run`]; afterwards drops every root and collects. What the heap then still holds has leaked.
///
/// # Errors
/// As [`run`].
pub fn run_and_drop_roots(
    heap: &str,
    scheduler: &str,
    config: &VmConfig,
    code: Verified,
    world: World,
    events: Option<FnSink>,
) -> Result<(Ending, Stats, Usage), VmError> {
    let job = Job { config, code, world, events, drop_roots: true };
    let (ending, stats, left) = dispatch(heap, scheduler, job)?;
    Ok((ending, stats, left.expect("asked for")))
}

/// What to run.
struct Job<'a> {
    config: &'a VmConfig,
    code: Verified,
    world: World,
    events: Option<FnSink>,
    drop_roots: bool,
}

impl Job<'_> {
    fn run<H: Heap, S: Scheduler>(self) -> Done
    where
        S::Threads: Threads<H, S, NullSink> + Threads<H, S, FnSink>,
    {
        let Job { config, code, world, events, drop_roots } = self;
        match events {
            None => launch(Vm::<H, S, NullSink>::new(config, code, world, NullSink)?, drop_roots),
            Some(sink) => launch(Vm::<H, S, FnSink>::new(config, code, world, sink)?, drop_roots),
        }
    }
    fn wrapped<H: Heap, S: Scheduler>(self, factory: Factory) -> Done
    where
        S::Threads: Threads<H, S, FnSink>,
    {
        let Job { config, code, world, events, drop_roots } = self;
        let mut config = config.clone();
        config.heap.wrapped = Some(factory);
        config.heap.poison |= config.heap.checks.check;
        let sink = events.unwrap_or_else(|| FnSink(Box::new(|_, _| {})));
        launch(Vm::<H, S, FnSink>::new(&config, code, world, sink)?, drop_roots)
    }
}

heaps! {
    heaps::nogc::NoGc, (0x00, 0x00, 0x00), "cross", shared heaps::nogc::NoGc<ManyThreads>;
    heaps::mark_sweep::MarkSweep, (0x00, 0x72, 0xb2), "circle",
        shared heaps::mark_sweep::MarkSweep<ManyThreads>;
    heaps::semispace::SemiSpace, (0xd5, 0x5e, 0x00), "triangle";
    heaps::generational::Generational, (0xe6, 0x9f, 0x00), "diamond";
    heaps::rc::Rc, (0xcc, 0x79, 0xa7), "square", shared heaps::arc::Arc;
    heaps::arc::Arc, (0x88, 0x22, 0x55), "plus", shared heaps::arc::Arc;
    heaps::arena::Arena<heaps::mark_sweep::MarkSweep>, (0x56, 0xb4, 0xe9), "down-triangle";
    heaps::hybrid::Hybrid, (0x99, 0x99, 0x33), "star";
}
schedulers! {
    schedulers::green::Green, run_one, (0x00, 0x9e, 0x73), "circle";
    schedulers::inline::Inline, run_one, (0x00, 0x00, 0x00), "cross";
    schedulers::deterministic::Deterministic, run_one, (0x99, 0x99, 0x99), "plus";
    schedulers::work_sharing::WorkSharing, run_many, (0x56, 0xb4, 0xe9), "triangle";
    schedulers::work_stealing::WorkStealing, run_many, (0xd5, 0x5e, 0x00), "square";
    schedulers::threads::Threads, run_many, (0xcc, 0x79, 0xa7), "diamond";
}

fn is_parallel(scheduler: &str) -> bool {
    SCHEDULERS.iter().any(|(info, _)| info.name == scheduler && info.parallel)
}

/// The heap that runs when this one is asked for under this scheduler: `rc` is `arc` where several
/// workers run.
pub fn flavour<'a>(heap: &'a str, scheduler: &str) -> &'a str {
    let shared = SHARED_HEAPS.iter().find(|(name, _)| is_parallel(scheduler) && *name == heap);
    shared.map_or(heap, |&(_, flavour)| flavour)
}

/// Why a heap and a scheduler do not go together; `None` when they do.
pub fn hole(heap: &str, scheduler: &str) -> Option<String> {
    let shared = SHARED_HEAPS.iter().any(|&(name, _)| name == heap);
    (is_parallel(scheduler) && !shared).then(|| not_shared(heap))
}

fn not_shared(heap: &str) -> String {
    format!(
        "heap `{heap}` has one mutator and a parallel scheduler several workers: take one of {}, or a \
         scheduler with one worker",
        SHARED_HEAPS.iter().map(|&(name, _)| name).collect::<Vec<_>>().join(", ")
    )
}

/// Checks names and parameters without building anything.
///
/// # Errors
/// An unknown name, a parameter that the heap or scheduler does not have.
pub fn check(heap: &str, scheduler: &str, config: &VmConfig) -> Result<(), VmError> {
    let (info, _) = HEAPS
        .iter()
        .find(|(info, _)| info.name == heap)
        .ok_or_else(|| unknown("heap", heap, HEAPS.iter().map(|(info, _)| info.name)))?;
    config.heap.check(info).map_err(|e| VmError(e.0))?;
    if let Some(why) = hole(heap, scheduler) {
        return Err(VmError(why));
    }
    let (info, _) =
        SCHEDULERS.iter().find(|(info, _)| info.name == scheduler).ok_or_else(|| {
            unknown("scheduler", scheduler, SCHEDULERS.iter().map(|(info, _)| info.name))
        })?;
    config.scheduler.check(info).map_err(|e| VmError(e.0))
}

fn launch<H, S, E>(mut vm: Vm<H, S, E>, drop_roots: bool) -> Done
where
    H: Heap,
    S: Scheduler<Threads: Threads<H, S, E>>,
    E: menagerie::event::Sink,
{
    let ending = vm.run();
    let stats = vm.stats();
    Ok((ending, stats, drop_roots.then(|| vm.drop_roots())))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> VmError {
    let known: Vec<_> = known.collect();
    VmError(format!("unknown {what} `{name}`; there are: {}", known.join(", ")))
}
