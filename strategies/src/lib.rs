//! The strategies: one file per heap, one per scheduler, and the registry: one line each.
//!
//! From the registry come `menagerie list`, the command line's names, the conformance matrix, and
//! the colour and marker of every plot.

use menagerie::bytecode::verify::Verified;
use menagerie::check::{Wrapped, erased::Erased};
use menagerie::event::{FnSink, NullSink};
use menagerie::heap::{Factory, HeapInfo};
use menagerie::report::Ending;
use menagerie::sched::SchedulerInfo;
use menagerie::stats::Stats;
use menagerie::vm::{Vm, VmConfig, VmError};
use menagerie::world::World;

pub mod heaps;
pub mod parts;
pub mod schedulers;

/// What a run gave: how it ended, its statistics, and the world for reports.
pub type RunResult = Result<(Ending, Stats), VmError>;

/// How plots draw a strategy: colour-blind safe colours (Okabe & Ito) and a marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Red, green, blue.
    pub colour: (u8, u8, u8),
    /// A marker's name.
    pub marker: &'static str,
}

macro_rules! heaps {
    ($($heap:path, $colour:expr, $marker:literal;)*) => {
        /// Attributes of all heaps, in the order of tables and legends.
        pub const HEAPS: &[(HeapInfo, Style)] = &[$((
            <$heap as menagerie::heap::Heap>::INFO,
            Style { colour: $colour, marker: $marker },
        )),*];

        /// How to make the named heap behind `dyn`: for wrappers, and for tests that run on all.
        pub fn factory(heap: &str) -> Option<Factory> {
            $(if heap == <$heap as menagerie::heap::Heap>::INFO.name {
                return Some(Erased::factory::<$heap>);
            })*
            None
        }

        fn run_heap<S: menagerie::sched::Scheduler>(
            heap: &str,
            config: &VmConfig,
            code: Verified,
            world: World,
            events: Option<FnSink>,
        ) -> RunResult {
            $(if heap == <$heap as menagerie::heap::Heap>::INFO.name {
                if config.heap.checks.any() {
                    let mut config = config.clone();
                    config.heap.wrapped = Some(Erased::factory::<$heap>);
                    config.heap.poison |= config.heap.checks.check;
                    let sink = events.unwrap_or_else(|| FnSink(Box::new(|_, _| {})));
                    return launch(Vm::<Wrapped, S, FnSink>::new(&config, code, world, sink)?);
                }
                return match events {
                    None => launch(Vm::<$heap, S, NullSink>::new(config, code, world, NullSink)?),
                    Some(sink) => launch(Vm::<$heap, S, FnSink>::new(config, code, world, sink)?),
                };
            })*
            Err(unknown("heap", heap, HEAPS.iter().map(|(info, _)| info.name)))
        }
    };
}
macro_rules! schedulers {
    ($($scheduler:path, $colour:expr, $marker:literal;)*) => {
        /// Attributes of all schedulers.
        pub const SCHEDULERS: &[(SchedulerInfo, Style)] = &[$((
            <$scheduler as menagerie::sched::Scheduler>::INFO,
            Style { colour: $colour, marker: $marker },
        )),*];

        /// Runs verified code on the named heap and scheduler.
        ///
        /// # Errors
        /// An unknown name, a bad parameter, a heap too small to load the program.
        pub fn run(
            heap: &str,
            scheduler: &str,
            config: &VmConfig,
            code: Verified,
            world: World,
            events: Option<FnSink>,
        ) -> RunResult {
            $(if scheduler == <$scheduler as menagerie::sched::Scheduler>::INFO.name {
                return run_heap::<$scheduler>(heap, config, code, world, events);
            })*
            Err(unknown("scheduler", scheduler, SCHEDULERS.iter().map(|(info, _)| info.name)))
        }
    };
}

heaps! {
    heaps::nogc::NoGc, (0x00, 0x00, 0x00), "cross";
    heaps::mark_sweep::MarkSweep, (0x00, 0x72, 0xb2), "circle";
    heaps::semispace::SemiSpace, (0xd5, 0x5e, 0x00), "triangle";
    heaps::generational::Generational, (0xe6, 0x9f, 0x00), "diamond";
    heaps::rc::Rc, (0xcc, 0x79, 0xa7), "square";
    heaps::arena::Arena<heaps::mark_sweep::MarkSweep>, (0x56, 0xb4, 0xe9), "pentagon";
    heaps::arena::Hybrid, (0xf0, 0xe4, 0x42), "star";
}
schedulers! {
    schedulers::green::Green, (0x00, 0x9e, 0x73), "circle";
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
    let (info, _) =
        SCHEDULERS.iter().find(|(info, _)| info.name == scheduler).ok_or_else(|| {
            unknown("scheduler", scheduler, SCHEDULERS.iter().map(|(info, _)| info.name))
        })?;
    config.scheduler.check(info).map_err(|e| VmError(e.0))
}

fn launch<H, S, E>(mut vm: Vm<H, S, E>) -> RunResult
where
    H: menagerie::heap::Heap,
    S: menagerie::sched::Scheduler,
    E: menagerie::event::Sink,
{
    let ending = vm.run();
    Ok((ending, vm.stats()))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> VmError {
    let known: Vec<_> = known.collect();
    VmError(format!("unknown {what} `{name}`; there are: {}", known.join(", ")))
}
