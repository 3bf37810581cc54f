//! Cancellation, and the scopes that cancel.
//!
//! `t.cancel()` marks the task's handle and wakes the task; its next cancellation point (C4) throws
//! `Cancelled`, once per call. What ends with `Cancelled` has not failed: nobody is told.
//!
//! A scope is a list: its control object, then the handles of its tasks in spawn order. Every task
//! knows its scope until it ends, so that a failure reaches the others:
//!
//! ```text
//!   body ──normal end, break, return──► join ──► check: the first failure is thrown
//!    │ ▲ interrupted: a task has failed   ▲
//!    └─┴──error──► cancel the tasks ──────┘ then the error, or the failure that interrupted
//! ```
//!
//! 1. The first task that fails cancels the others and, while the body runs, its owner.
//! 2. An error that leaves the body cancels the tasks.
//! 3. The scope ends when all its tasks have ended, whatever happens. A cancellation of the owner
//!    that comes while it joins is passed to the tasks and thrown at the end.

use super::Critical;
use crate::class::ClassId;
use crate::object::{Obj, TaskState, slots};
use crate::value::{Kind, Value};
use crate::world::World;

/// Slots of a scope's control object, the first element of its list.
mod control {
    /// The handle of the task that runs the body.
    pub(super) const OWNER: usize = 0;
    /// How many tasks have been joined.
    pub(super) const JOINED: usize = 1;
    /// True once the body has ended.
    pub(super) const JOINING: usize = 2;
    /// True once the tasks have been cancelled.
    pub(super) const CANCELLED: usize = 3;
    /// True once the owner has been interrupted because a task failed.
    pub(super) const INTERRUPTED: usize = 4;
    /// True when the owner was cancelled while it joined.
    pub(super) const OWNER_CANCELLED: usize = 5;
}

/// Slots of a control object.
pub const CONTROL_LEN: usize = 6;

/// Fills the control object of a new scope; all its slots are nil.
pub fn begin(cs: &mut Critical<'_>, control: Obj, owner: Obj) {
    cs.store(control, control::OWNER, Value::object(owner));
    cs.store_int(control, control::JOINED, 0);
}

fn control(cs: &mut Critical<'_>, scope: Obj) -> Obj {
    element(cs, scope, 0).expect("the first element of a scope is its control object")
}

fn element(cs: &mut Critical<'_>, scope: Obj, i: usize) -> Option<Obj> {
    let elements = cs.object(scope, slots::BUFFER)?;
    if i < elements.len() { cs.object(elements, i) } else { None }
}

fn is_set(cs: &mut Critical<'_>, scope: Obj, flag: usize) -> bool {
    let control = control(cs, scope);
    cs.load(control, flag).truthy()
}

fn set(cs: &mut Critical<'_>, scope: Obj, flag: usize) {
    let control = control(cs, scope);
    cs.store(control, flag, Value::TRUE);
}

/// Cancels a task, unless it has ended.
pub fn cancel(cs: &mut Critical<'_>, task: Obj) {
    if state(cs, task) == TaskState::Pending {
        cs.store(task, slots::TASK_CANCEL, Value::TRUE);
        cs.wake(task);
    }
}

/// How far a task is.
pub fn state(cs: &mut Critical<'_>, task: Obj) -> TaskState {
    match cs.int(task, slots::TASK_STATE) {
        i if i == TaskState::Done as usize => TaskState::Done,
        i if i == TaskState::Failed as usize => TaskState::Failed,
        _ => TaskState::Pending,
    }
}

/// Whether this error says that a task was cancelled.
pub fn is_cancellation(world: &World, error: Value) -> bool {
    let error = error.as_object().filter(|o| o.class() == ClassId::ERROR);
    error.is_some_and(|error| match error.slot(0).kind() {
        Kind::Keyword(kind) => world.program.names.text(kind) == "Cancelled",
        _ => false,
    })
}

/// A task that has just been put into the scope.
pub fn added(cs: &mut Critical<'_>, scope: Obj, task: Obj, failed: bool) {
    if failed {
        return task_failed(cs, scope);
    }
    if state(cs, task) == TaskState::Pending {
        cs.store(task, slots::TASK_SCOPE, Value::object(scope));
    }
    if is_set(cs, scope, control::CANCELLED) {
        cancel(cs, task);
    }
}

/// Rule 1.
pub fn task_failed(cs: &mut Critical<'_>, scope: Obj) {
    cancel_tasks(cs, scope);
    let interrupt = !is_set(cs, scope, control::JOINING);
    if !interrupt || is_set(cs, scope, control::INTERRUPTED) {
        return;
    }
    let control = control(cs, scope);
    let owner = cs.object(control, control::OWNER).expect("a scope has an owner");
    // A cancellation of the owner itself is stronger.
    if cs.load(owner, slots::TASK_CANCEL) != Value::TRUE {
        set(cs, scope, control::INTERRUPTED);
        cs.store(owner, slots::TASK_CANCEL, Value::object(scope));
        cs.wake(owner);
    }
}

/// Rule 2: the tasks that have not ended are cancelled, once.
pub fn cancel_tasks(cs: &mut Critical<'_>, scope: Obj) {
    if is_set(cs, scope, control::CANCELLED) {
        return;
    }
    set(cs, scope, control::CANCELLED);
    for i in 1..cs.int(scope, slots::LEN) {
        if let Some(task) = element(cs, scope, i) {
            cancel(cs, task);
        }
    }
}

/// The owner begins, or goes on, to join (rule 3).
pub fn joins(cs: &mut Critical<'_>, scope: Obj, owner: Obj) {
    set(cs, scope, control::JOINING);
    let cancelled = cs.take(owner, slots::TASK_CANCEL);
    // An interruption that was not delivered is not needed any more; another scope's is.
    if cancelled == Value::TRUE {
        set(cs, scope, control::OWNER_CANCELLED);
        cancel_tasks(cs, scope);
    } else if cancelled != Value::object(scope) {
        cs.store(owner, slots::TASK_CANCEL, cancelled);
    }
}

/// How many tasks have been joined.
pub fn joined(cs: &mut Critical<'_>, scope: Obj) -> usize {
    let control = control(cs, scope);
    cs.int(control, control::JOINED)
}

/// So many tasks have been joined.
pub fn set_joined(cs: &mut Critical<'_>, scope: Obj, count: usize) {
    let control = control(cs, scope);
    cs.store_int(control, control::JOINED, count);
}

/// Whether a failed task has interrupted the body.
pub fn was_interrupted(cs: &mut Critical<'_>, scope: Obj) -> bool {
    is_set(cs, scope, control::INTERRUPTED)
}

/// Whether the owner was cancelled while it joined.
pub fn owner_was_cancelled(cs: &mut Critical<'_>, scope: Obj) -> bool {
    is_set(cs, scope, control::OWNER_CANCELLED)
}
