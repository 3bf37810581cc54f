//! The scheduler contract. Read this second.
//!
//! A [`Scheduler`] decides policy only: where a new, yielded or woken task goes, which task a
//! worker runs next, and when a slice ends. The mechanisms that every policy shares belong to the
//! driver ([`crate::vm`]): the task table (= roots), join lists, timers, the task word, the poll
//! word, stopping the world, deadlock detection.
//!
//! Rules
//! - S1. Every task that was pushed is given out by `next` exactly once.
//! - S2. `next` never blocks; a worker without work is the driver's business.
//! - S3. A scheduler never looks into a task and never calls the interpreter.
//! - S4. The driver calls it with the gate held: one call at a time.
//!
//! Most policies have as many workers as they were given. One with [`Scheduler::DEDICATED`] has them come
//! and go with its tasks: `push` asks for one by [`Notify::Start`], `grow` describes it, `refused` says that
//! the system gave no thread, `ended` that a task is over, and `retire` lets an idle one go.

use crate::heap::Parameter;
use crate::metrics::WorkerCounts;
use crate::task::TaskId;

pub use crate::task_word::{TaskWord, Workers};

/// Why a task is ready.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ready {
    /// It is new.
    Spawn,
    /// What it waited for has happened.
    Wake,
    /// Its quantum is used up, or its child goes first.
    Preempt,
    /// It gave way by `yield`.
    Yield,
}

/// Whether pushing made work that an idle worker should be told of. The policy knows, because it
/// sees whether its queue was empty; the waking is the driver's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// Nobody need wake.
    No,
    /// One idle worker should look.
    One,
    /// This worker should look, if it is idle: nobody else can run the task.
    Worker(usize),
    /// A worker should be started for it.
    Start,
    /// No worker is to be had for it any more: one that is idle should look, and slices that were given
    /// no end should have one.
    Share,
}

/// Which of parent and child goes on after a spawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnOrder {
    /// The child is queued.
    ParentFirst,
    /// The parent is queued, the child runs at once (Cilk).
    ChildFirst,
}

/// A scheduler's attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SchedulerInfo {
    /// Its name on the command line, in tables and plots.
    pub name: &'static str,
    /// One line for `menagerie list`.
    pub summary: &'static str,
    /// Whether it runs Mena on more than one OS thread: then the heap must be shared.
    pub parallel: bool,
    /// Whether time passes only while nothing can run: then no clock decides a schedule.
    pub virtual_time: bool,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

/// What to build a scheduler from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SchedulerConfig {
    /// OS threads that run Mena; 1 for policies that are not parallel.
    pub workers: usize,
    /// Values for [`SchedulerInfo::parameters`].
    pub parameters: Vec<(String, String)>,
}

impl SchedulerConfig {
    /// The text of a parameter: as given, else its default.
    ///
    /// # Panics
    /// When `info` declares no such parameter.
    pub fn parameter<'a>(&'a self, info: &SchedulerInfo, name: &str) -> &'a str {
        let given = self.parameters.iter().rev().find(|(n, _)| n == name);
        given.map(|(_, v)| v.as_str()).unwrap_or_else(|| {
            let declared = info.parameters.iter().find(|p| p.name == name);
            declared.unwrap_or_else(|| panic!("{} declares no {name}", info.name)).default
        })
    }
    /// Checks that every given parameter is declared.
    pub fn check(&self, info: &SchedulerInfo) -> Result<(), SchedulerError> {
        let unknown = self
            .parameters
            .iter()
            .find(|(name, _)| !info.parameters.iter().any(|p| p.name == name));
        match unknown {
            None => Ok(()),
            Some((name, _)) => {
                let known: Vec<_> = info.parameters.iter().map(|p| p.name).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                Err(SchedulerError(format!(
                    "scheduler `{}` has no parameter `{name}` (it has: {known})",
                    info.name
                )))
            }
        }
    }
}

/// Why a scheduler cannot be built. Shown to the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchedulerError(pub String);

impl std::fmt::Display for SchedulerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for SchedulerError {}

/// What the driver tells `next`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pick {
    /// How many slices this worker has run: every k-th may look elsewhere first.
    pub tick: u64,
}

/// A scheduling policy.
pub trait Scheduler: Sized + 'static {
    /// What one worker owns: a deque, a slot, a random number generator.
    type Local;
    /// [`OneThread`](crate::sync::OneThread), or [`ManyThreads`](crate::sync::ManyThreads) for a
    /// parallel policy, which then runs shared heaps only.
    type Threads;
    /// Which of parent and child goes on after a spawn.
    const ORDER: SpawnOrder = SpawnOrder::ParentFirst;
    /// Whether workers come and go with the tasks. The system then says who runs: who yields gives way to
    /// other threads.
    const DEDICATED: bool = false;
    /// Attributes.
    const INFO: SchedulerInfo;

    /// The shared part, and one local part per worker.
    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<Self::Local>), SchedulerError>;
    /// Takes a ready task; `local` is the pushing worker's, `None` for pushes from outside.
    fn push(&self, local: Option<&mut Self::Local>, task: TaskId, why: Ready) -> Notify;
    /// The task to run next on this worker.
    fn next(&self, local: &mut Self::Local, pick: Pick) -> Option<TaskId>;
    /// Whether `next` would find something: the re-check before a worker sleeps.
    fn has_work(&self, local: &Self::Local) -> bool;
    /// Reductions of a slice; `u64::MAX` = cooperative.
    fn quantum(&self) -> u64;
    /// After [`Notify::Start`]: the number and the part of one more worker. Numbers of workers that have
    /// retired are used again.
    fn grow(&self) -> Option<(usize, Self::Local)> {
        None
    }
    /// The system has given no thread to the worker that `grow` described.
    fn refused(&self, _worker: usize) {}
    /// A task that this worker ran has ended.
    fn ended(&self, _local: &mut Self::Local, _task: TaskId) {}
    /// Whether this worker, for which `next` has nothing, should end.
    fn retire(&self, _local: &mut Self::Local) -> bool {
        false
    }
    /// The worker from which `next` has just taken a task for this one; `None`: from none in particular.
    fn stolen_from(&self, _local: &Self::Local) -> Option<usize> {
        None
    }
    /// What the policy has counted on this worker: fields that the driver counts are zero.
    fn counts(&self, _local: &Self::Local) -> WorkerCounts {
        WorkerCounts::default()
    }
    /// Gives out everything that is queued: shutdown and dumps.
    fn drain(&self, local: &mut Self::Local, f: &mut dyn FnMut(TaskId));
}
