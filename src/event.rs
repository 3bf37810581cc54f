//! What happens in a VM, as events: one enum, one name each. The same word is the event, the
//! counter, the CSV column and the plot's label (architecture.md, invariant 3).
//!
//! The VM is generic over its [`Sink`]; under [`NullSink`] every `emit` is dead code, and a test
//! counts instructions to prove it.

use crate::heap::Cause;
use crate::task::TaskId;

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The world has stopped, the collector starts.
    CollectionBegin { cause: Cause },
    /// A phase of the collection that is about to end.
    CollectionPhase { phase: &'static str, wall_ns: u64 },
    /// The world resumes.
    CollectionEnd { before_bytes: usize, after_bytes: usize, traced_objects: u64, wall_ns: u64 },
    /// A task has been made.
    TaskSpawn { task: TaskId, parent: Option<TaskId> },
    /// A worker starts to run a task.
    SliceBegin { task: TaskId },
    /// The slice is over.
    SliceEnd { task: TaskId, reductions: u64 },
    /// The task's quantum was used up.
    TaskPreempt { task: TaskId },
    /// The task waits.
    TaskBlock { task: TaskId, on: &'static str },
    /// What the task waited for has happened.
    TaskWake { task: TaskId },
    /// The task has ended.
    TaskEnd { task: TaskId, failed: bool },
    /// Nothing can run any more.
    Deadlock { tasks: usize },
}

impl Event {
    /// The event's one name.
    pub fn name(&self) -> &'static str {
        match self {
            Event::CollectionBegin { .. } => "collection_begin",
            Event::CollectionPhase { .. } => "collection_phase",
            Event::CollectionEnd { .. } => "collection_end",
            Event::TaskSpawn { .. } => "task_spawn",
            Event::SliceBegin { .. } => "slice_begin",
            Event::SliceEnd { .. } => "slice_end",
            Event::TaskPreempt { .. } => "task_preempt",
            Event::TaskBlock { .. } => "task_block",
            Event::TaskWake { .. } => "task_wake",
            Event::TaskEnd { .. } => "task_end",
            Event::Deadlock { .. } => "deadlock",
        }
    }
    /// The task it is about.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Event::TaskSpawn { task, .. }
            | Event::SliceBegin { task }
            | Event::SliceEnd { task, .. }
            | Event::TaskPreempt { task }
            | Event::TaskBlock { task, .. }
            | Event::TaskWake { task }
            | Event::TaskEnd { task, .. } => Some(*task),
            _ => None,
        }
    }
    /// The rest, as `key=value` words.
    pub fn detail(&self) -> String {
        match self {
            Event::CollectionBegin { cause } => format!("cause={cause:?}"),
            Event::CollectionPhase { phase, wall_ns } => format!("phase={phase} wall_ns={wall_ns}"),
            Event::CollectionEnd { before_bytes, after_bytes, traced_objects, wall_ns } => format!(
                "before_bytes={before_bytes} after_bytes={after_bytes} \
                 traced_objects={traced_objects} wall_ns={wall_ns}"
            ),
            Event::TaskSpawn { parent: Some(parent), .. } => format!("parent={parent}"),
            Event::SliceEnd { reductions, .. } => format!("reductions={reductions}"),
            Event::TaskBlock { on, .. } => format!("on={on}"),
            Event::TaskEnd { failed, .. } => format!("failed={failed}"),
            Event::Deadlock { tasks } => format!("tasks={tasks}"),
            _ => String::new(),
        }
    }
}

/// Where events go.
pub trait Sink: 'static {
    /// Whether anything is listening: `false` makes every emission dead code.
    const ENABLED: bool;
    /// Takes an event that happened `at_ns` nanoseconds after the VM's start.
    fn emit(&mut self, at_ns: u64, event: &Event);
}

/// Nobody listens.
#[derive(Clone, Copy, Default, Debug)]
pub struct NullSink;
impl Sink for NullSink {
    const ENABLED: bool = false;
    fn emit(&mut self, _: u64, _: &Event) {}
}

/// What a [`FnSink`] calls: nanoseconds since the VM's start, and what happened.
pub type Listener = dyn FnMut(u64, &Event) + Send;

/// Hands every event to a function.
pub struct FnSink(pub Box<Listener>);
impl std::fmt::Debug for FnSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FnSink")
    }
}
impl Sink for FnSink {
    const ENABLED: bool = true;
    fn emit(&mut self, at_ns: u64, event: &Event) {
        (self.0)(at_ns, event);
    }
}
