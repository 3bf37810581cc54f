//! Task handles, scopes, and the compiler's own functions (names with `%`).
//!
//! Waiting is written in retry style: a builtin that finds a pending task returns
//! `Block(Wait::Join(id))` and is called again, with the same arguments, when that task has ended.

use crate::host::{Exit, Native, NativeResult, Wait};
use crate::object::{Obj, ObjectKind, TaskState, slots};
use crate::value::Value;

use super::format::brief;
use super::items::Items;
use super::support::*;
use super::waiting::cancellation_point;
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
    cx.store(task, slots::TASK_OBSERVED, Value::TRUE);
    match state(cx, task) {
        TaskState::Pending => {
            Err(Exit::Block(Wait::Join(int_slot(cx, task, slots::TASK_ID) as u64)))
        }
        ended => Ok(ended),
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

// ---- scopes: a list whose first element counts the tasks that have been joined ----

/// `%scope_new()`
pub(super) fn scope_new(cx: &mut Native<'_>) -> NativeResult {
    let list = lists::new_list(cx, 4)?;
    let list = object_at(cx, list);
    if let Some(store) = buffer(cx, list) {
        cx.init(store, 0, Value::small(0));
    }
    set_int_slot(cx, list, slots::LEN, 1);
    Ok(Value::object(list))
}
/// `%scope_add(scope, task)`
pub(super) fn scope_add(cx: &mut Native<'_>) -> NativeResult {
    lists::push(cx)
}
/// The scope's list: the count, then its tasks.
fn scope(cx: &mut Native<'_>) -> Result<Items, Exit> {
    let list = kind_arg(cx, "a scope", 0, ObjectKind::List, "its list")?;
    Ok(Items::list(cx, list))
}
fn task_at(cx: &Native<'_>, items: Items, i: usize) -> Option<Obj> {
    items.get(cx, i).as_object().filter(|o| o.kind() == ObjectKind::Task)
}
/// `%scope_join(scope)`: nil when all tasks have ended.
pub(super) fn scope_join(cx: &mut Native<'_>) -> NativeResult {
    let items = scope(cx)?;
    if items.len == 0 {
        return Ok(Value::NIL);
    }
    let (store, count_at) = items.place(0);
    let joined = items.get(cx, 0).as_int().map_or(0, |i| i as usize);
    for i in joined + 1..items.len {
        if let Some(task) = task_at(cx, items, i) {
            wait(cx, task)?;
        }
        cx.store(store, count_at, Value::small(i as i64));
    }
    Ok(Value::NIL)
}
/// `%scope_check(scope)`: throws the first failed task's error, in spawn order.
pub(super) fn scope_check(cx: &mut Native<'_>) -> NativeResult {
    let items = scope(cx)?;
    let mut tasks = (1..items.len).filter_map(|i| task_at(cx, items, i));
    match tasks.find(|&task| state(cx, task) == TaskState::Failed) {
        Some(task) => Err(Exit::Throw(cx.load(task, slots::TASK_RESULT).value())),
        None => Ok(Value::NIL),
    }
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
