//! Tasks: join, sleep, scopes. What waits says so by `Exit::Block`; a join is redone on waking.

use super::operators::float_arg;
use super::{lists, mismatch};
use crate::host::{Exit, Native, NativeResult, Wait};
use crate::object::{Obj, ObjectKind, TaskState, slots};
use crate::value::Value;

fn state(cx: &Native<'_>, task: Obj) -> i64 {
    cx.load(task, slots::TASK_STATE).value().as_int().unwrap_or(0)
}
fn is_pending(cx: &Native<'_>, task: Obj) -> bool {
    state(cx, task) == TaskState::Pending as i64
}
fn wait_for(cx: &Native<'_>, task: Obj) -> Exit {
    let id = cx.load(task, slots::TASK_ID).value().as_int().unwrap_or(0);
    Exit::Block(Wait::Join(id as u64))
}
/// The result of a task that has ended: its value, or its error thrown again.
fn result(cx: &Native<'_>, task: Obj) -> NativeResult {
    cx.store(task, slots::TASK_OBSERVED, Value::TRUE);
    let v = cx.load(task, slots::TASK_RESULT).value();
    if state(cx, task) == TaskState::Failed as i64 { Err(Exit::Throw(v)) } else { Ok(v) }
}
/// `t.join()`
pub(super) fn join(cx: &mut Native<'_>) -> NativeResult {
    let task = lists::receiver(cx);
    if is_pending(cx, task) { Err(wait_for(cx, task)) } else { result(cx, task) }
}
/// `t.is_done()`
pub(super) fn is_done(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(!is_pending(cx, lists::receiver(cx))))
}
/// `sleep(ms)`
pub(super) fn sleep(cx: &mut Native<'_>) -> NativeResult {
    let ms = float_arg(cx, 0, "a duration")?;
    if ms.is_nan() || ms < 0.0 {
        let v = cx.arg(0).value();
        return Err(mismatch(cx, "a duration must be 0 or more", v));
    }
    // `as` saturates: beyond 584 years is for ever.
    Err(Exit::Block(Wait::Sleep((ms * 1e6) as u64)))
}

// ---- scopes: the list of the tasks spawned in one ----

/// A scope.
pub(super) fn scope_new(cx: &mut Native<'_>) -> NativeResult {
    let list = lists::new_list(cx, 0)?;
    Ok(cx.get(list).value())
}
/// (scope, task): notes a task.
pub(super) fn scope_add(cx: &mut Native<'_>) -> NativeResult {
    lists::append(cx, cx.arg_root(0), cx.arg_root(1))?;
    Ok(Value::NIL)
}
fn tasks<'a>(cx: &'a Native<'_>) -> impl Iterator<Item = Obj> + 'a {
    let scope = lists::receiver(cx);
    let element = move |i| super::operators::element(cx, scope, i);
    (0..lists::len(cx, scope)).filter_map(move |i| element(i).as_object())
}
/// (scope): waits until all its tasks have ended.
pub(super) fn scope_join(cx: &mut Native<'_>) -> NativeResult {
    debug_assert!(tasks(cx).all(|t| t.kind() == ObjectKind::Task));
    let pending = tasks(cx).find(|&t| is_pending(cx, t));
    if let Some(task) = pending {
        return Err(wait_for(cx, task));
    }
    // Whatever failed is the scope's business now.
    tasks(cx).for_each(|t| cx.store(t, slots::TASK_OBSERVED, Value::TRUE));
    Ok(Value::NIL)
}
/// (scope): throws the error of the first failed task, in spawn order.
pub(super) fn scope_check(cx: &mut Native<'_>) -> NativeResult {
    let failed = tasks(cx).find(|&t| state(cx, t) == TaskState::Failed as i64);
    failed.map_or(Ok(Value::NIL), |task| result(cx, task))
}
