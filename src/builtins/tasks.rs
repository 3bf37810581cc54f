//! Task handles, scopes, and the compiler's own functions (names with `%`).
//!
//! Waiting is written in retry style: a builtin that finds a pending task returns
//! `Block(Wait::Join(id))` and is called again, with the same arguments, when that task has ended; or,
//! if that has not failed, the driver gives `join` the result.

use crate::concurrency::scope;
use crate::host::{Exit, Native, NativeResult, Wait};
use crate::object::{Obj, ObjectKind, TaskState, slots};
use crate::task::TaskId;
use crate::value::Value;

use super::format::brief;
use super::items::Items;
use super::support::*;
use super::waiting::{cancellation_point, cancelled, running};
use super::{describe, lists};

fn state(cx: &Native<'_>, task: Obj) -> TaskState {
    match cx.load(task, slots::TASK_STATE).value().as_int() {
        Some(i) if i == TaskState::Done as i64 => TaskState::Done,
        Some(i) if i == TaskState::Failed as i64 => TaskState::Failed,
        _ => TaskState::Pending,
    }
}

/// Waits for the end of the task, whose failure counts as seen from now on.
fn wait(cx: &mut Native<'_>, task: Obj) -> Result<TaskState, Exit> {
    match state(cx, task) {
        TaskState::Pending => {
            let id = cx.load(task, slots::TASK_ID).value();
            Err(Exit::Block(Wait::Join(TaskId::from_value(id).expect("a handle names its task"))))
        }
        ended => {
            cx.store(task, slots::TASK_OBSERVED, Value::TRUE);
            Ok(ended)
        }
    }
}

/// `t.join()`
pub(super) fn join(cx: &mut Native<'_>) -> NativeResult {
    cancellation_point(cx)?;
    let task = receiver(cx);
    let ended = wait(cx, task)?;
    let result = cx.load(task, slots::TASK_RESULT).value();
    if ended == TaskState::Failed { Err(Exit::Throw(result)) } else { Ok(result) }
}

/// `t.is_done()`
pub(super) fn is_done(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(state(cx, receiver(cx)) != TaskState::Pending))
}

/// `t.cancel()`
pub(super) fn cancel(cx: &mut Native<'_>) -> NativeResult {
    let task = receiver(cx);
    scope::cancel(&mut cx.critical(), task);
    Ok(Value::NIL)
}

// ---- scopes: see `concurrency::scope` ----

/// `%scope_new()`
pub(super) fn scope_new(cx: &mut Native<'_>) -> NativeResult {
    let list = lists::new_list(cx, 4)?;
    let control = cx.alloc(ObjectKind::Buffer, scope::CONTROL_LEN)?;
    let control = control.object().expect("just allocated");
    let owner = running(cx);
    scope::begin(&mut cx.critical(), control, owner);
    let list = object_at(cx, list);
    if let Some(store) = buffer(cx, list) {
        cx.store(store, 0, control);
    }
    set_int_slot(cx, list, slots::LEN, 1);
    Ok(Value::object(list))
}
/// `%scope_add(scope, task)`
pub(super) fn scope_add(cx: &mut Native<'_>) -> NativeResult {
    lists::push(cx)?;
    let (list, task) = (receiver(cx), cx.arg(1).of_kind(ObjectKind::Task));
    if let Some(task) = task {
        let failed = failure(cx, task).is_some();
        scope::added(&mut cx.critical(), list, task, failed);
    }
    Ok(Value::NIL)
}
fn task_at(cx: &Native<'_>, items: Items, i: usize) -> Option<Obj> {
    items.get(cx, i).as_object().filter(|o| o.kind() == ObjectKind::Task)
}
/// The error of a task that has failed; being cancelled is none.
fn failure(cx: &Native<'_>, task: Obj) -> Option<Value> {
    let error = cx.load(task, slots::TASK_RESULT).value();
    let failed = state(cx, task) == TaskState::Failed;
    (failed && !scope::is_cancellation(cx.world_ref(), error)).then_some(error)
}
/// The error of the first failed task in spawn order.
fn first_failure(cx: &Native<'_>) -> Option<Value> {
    let items = Items::list(cx, receiver(cx));
    let tasks = (1..items.len).filter_map(|i| task_at(cx, items, i));
    tasks.filter_map(|task| failure(cx, task)).next()
}
/// `%scope_cancel(scope)`: an error leaves its body.
pub(super) fn scope_cancel(cx: &mut Native<'_>) -> NativeResult {
    let list = receiver(cx);
    scope::cancel_tasks(&mut cx.critical(), list);
    Ok(Value::NIL)
}
/// `%scope_join(scope)`: nil when all tasks have ended.
pub(super) fn scope_join(cx: &mut Native<'_>) -> NativeResult {
    let (list, owner) = (receiver(cx), running(cx));
    scope::joins(&mut cx.critical(), list, owner);
    let items = Items::list(cx, list);
    for i in scope::joined(&mut cx.critical(), list) + 1..items.len {
        if let Some(task) = task_at(cx, items, i) {
            wait(cx, task)?;
        }
        scope::set_joined(&mut cx.critical(), list, i);
    }
    Ok(Value::NIL)
}
/// `%scope_check(scope)`: after a body without an error.
pub(super) fn scope_check(cx: &mut Native<'_>) -> NativeResult {
    if let Some(error) = first_failure(cx) {
        return Err(Exit::Throw(error));
    }
    let list = receiver(cx);
    match scope::owner_was_cancelled(&mut cx.critical(), list) {
        true => Err(cancelled(cx)),
        false => Ok(Value::NIL),
    }
}
/// `%scope_error(scope, error)`: what an error of the body becomes. Where the scope itself has
/// interrupted the body, that is the failure for which it did.
pub(super) fn scope_error(cx: &mut Native<'_>) -> NativeResult {
    let (list, error) = (receiver(cx), cx.arg(1).value());
    let interrupted = scope::was_interrupted(&mut cx.critical(), list)
        && scope::is_cancellation(cx.world_ref(), error);
    let failure = if interrupted { first_failure(cx) } else { None };
    Ok(failure.unwrap_or(error))
}

// ---- checks ----

/// `%match_failure(v)`
pub(super) fn match_failure(cx: &mut Native<'_>) -> NativeResult {
    let v = brief(cx, cx.arg(0).value());
    Err(cx.throw("MatchFailure", &format!("no arm matches {v}")))
}
/// `%check_range(a, b)`: both ends are ints.
pub(super) fn check_range(cx: &mut Native<'_>) -> NativeResult {
    match [0, 1].map(|i| int_of(cx.arg(i).value())) {
        [Some(_), Some(_)] => Ok(Value::NIL),
        _ => {
            let world = cx.world_ref();
            let [a, b] = [0, 1].map(|i| describe(world, cx.arg(i).value()));
            Err(cx.throw("TypeMismatch", &format!("a range needs two ints, not {a} and {b}")))
        }
    }
}
