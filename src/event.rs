//! What happens in a VM, as events: one enum, one name each. The same word is the event, the
//! counter, the CSV column and the plot's label (architecture.md, invariant 3).
//!
//! The VM is generic over its [`Sink`]; under [`NullSink`] every `emit` is dead code, and a test
//! counts instructions to prove it.

use crate::heap::Cause;
use crate::task::TaskId;

/// A field as text; `None` leaves it out.
trait Shown {
    fn shown(&self) -> Option<String>;
}
macro_rules! shown {
    ($($t:ty)*) => { $(impl Shown for $t {
        fn shown(&self) -> Option<String> {
            Some(self.to_string())
        }
    })* };
}
shown! { u64 usize bool &'static str TaskId }
impl Shown for Option<TaskId> {
    fn shown(&self) -> Option<String> {
        self.map(|task| task.to_string())
    }
}
impl Shown for Cause {
    fn shown(&self) -> Option<String> {
        Some(self.name().to_owned())
    }
}

/// The one table of events: enum, names, text and docs/events.md are made of it.
macro_rules! events {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal { $($field:ident: $t:ty),* };)*) => {
        /// Something that happened.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Event {
            $($(#[doc = $doc])+ $variant { $($field: $t),* },)*
        }

        impl Event {
            /// The event's one name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Event::$variant { .. } => $name,)*
                }
            }
            /// All fields, in order; those that have no value are left out.
            fn fields(&self) -> Vec<(&'static str, String)> {
                match self {
                    $(Event::$variant { $($field),* } => [
                        $(($field.shown().map(|text| (stringify!($field), text)))),*
                    ].into_iter().flatten().collect(),)*
                }
            }
        }

        /// Name, meaning and fields of every event, for the document.
        #[cfg(test)]
        const TABLE: &[(&str, &[&str], &[(&str, &str)])] = &[$((
            $name,
            &[$($doc),+],
            &[$((stringify!($field), stringify!($t))),*],
        )),*];
    };
}

events! {
    /// The world has stopped, the collector starts.
    CollectionBegin "collection_begin" { cause: Cause };
    /// A phase of the collection that is about to end.
    CollectionPhase "collection_phase" { phase: &'static str, wall_ns: u64 };
    /// The world resumes.
    CollectionEnd "collection_end" {
        before_bytes: usize, after_bytes: usize, traced_objects: u64, wall_ns: u64
    };
    /// A task has been made.
    TaskSpawn "task_spawn" { task: TaskId, parent: Option<TaskId> };
    /// A worker starts to run a task.
    SliceBegin "slice_begin" { task: TaskId, worker: usize };
    /// The slice is over.
    SliceEnd "slice_end" { task: TaskId, reductions: u64 };
    /// The task's quantum was used up.
    TaskPreempt "task_preempt" { task: TaskId };
    /// The task waits.
    TaskBlock "task_block" { task: TaskId, on: &'static str };
    /// What the task waited for has happened.
    TaskWake "task_wake" { task: TaskId };
    /// The task has ended.
    TaskEnd "task_end" { task: TaskId, failed: bool };
    /// A timer that the task has set fires, so long after its time.
    TimerFire "timer_fire" { task: TaskId, late_ns: u64 };
    /// A worker takes a task from another one, and runs it next.
    TaskSteal "task_steal" { task: TaskId, worker: usize, victim: usize };
    /// A worker without work goes to sleep.
    WorkerPark "worker_park" { worker: usize };
    /// It is awake again: another worker has woken it, or not.
    WorkerUnpark "worker_unpark" { worker: usize, woken: bool };
    /// Nothing can run any more.
    Deadlock "deadlock" { tasks: usize };
}

impl Event {
    /// The task it is about.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Event::TaskSpawn { task, .. }
            | Event::SliceBegin { task, .. }
            | Event::SliceEnd { task, .. }
            | Event::TaskPreempt { task }
            | Event::TaskBlock { task, .. }
            | Event::TaskWake { task }
            | Event::TimerFire { task, .. }
            | Event::TaskSteal { task, .. }
            | Event::TaskEnd { task, .. } => Some(*task),
            _ => None,
        }
    }
    /// All but the task, as `key=value` words.
    pub fn detail(&self) -> String {
        let fields = self.fields().into_iter().filter(|&(name, _)| name != "task");
        let words: Vec<_> = fields.map(|(name, text)| format!("{name}={text}")).collect();
        words.join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn markdown() -> String {
        let mut out = String::from(
            "# Events\n\nGenerated from the table in `src/event.rs`; `UPDATE_EXPECT=1 cargo test event::` \
             writes it anew.\n`menagerie exec --events FILE` writes what happened, one line each: \
             time in nanoseconds, name, task, fields.\nUnits come last in a name; times are wall time.\n\n\
             | event | means | fields |\n|---|---|---|\n",
        );
        for (name, doc, fields) in TABLE {
            let doc: String = doc.concat();
            let fields: Vec<_> = fields.iter().map(|(field, _)| format!("`{field}`")).collect();
            _ = writeln!(out, "| `{name}` |{doc} | {} |", fields.join(" "));
        }
        out.push_str("\nA collection's `cause` is one of:\n\n");
        for (cause, doc) in Cause::TABLE {
            _ = writeln!(out, "- `{}`:{doc}", cause.name());
        }
        out
    }

    #[test]
    fn the_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
        let now = markdown();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, &now).expect("the document is writable");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == now, "docs/events.md is stale: UPDATE_EXPECT=1 cargo test event::");
    }

    #[test]
    fn details_leave_out_the_task_and_what_is_not_there() {
        let (parent, task) = (TaskId::new(1, 0), TaskId::new(7, 1));
        let spawn = |parent| Event::TaskSpawn { task, parent };
        let details = (spawn(None).detail(), spawn(Some(parent)).detail());
        assert_eq!(details, ("".into(), "parent=1".into()));
        let end = Event::SliceEnd { task, reductions: 3 };
        assert_eq!(
            (end.name(), end.task(), end.detail()),
            ("slice_end", Some(task), "reductions=3".into())
        );
        let begin = Event::CollectionBegin { cause: Cause::LastResort };
        assert_eq!(begin.detail(), "cause=last_resort");
    }
}
