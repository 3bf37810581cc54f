//! What the builtins that wait have in common: cancellation, redo, waiters.
//!
//! Such a builtin is executed again, with the same arguments, whenever its task wakes, until its
//! operation has happened ([`crate::concurrency`]):
//! 1. [`waiter::resume`] gives the result of a completed operation; or the task was cancelled, or waits
//!    on ([`waits_on`]);
//! 2. if the task has not waited yet, try; when that succeeds, nothing is left behind;
//! 3. otherwise the task's handle waits, in the same section. Who waits for several things allocates
//!    waiters (a safepoint), tries again, and waits in that section.

use crate::concurrency::waiter::{self, DEADLINE_MAX, Resumed};
use crate::host::{Exit, Native, NativeResult, On, Root, Wait};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::describe;
use super::support::{int_arg, number_arg, size_result};

/// The handle of the running task.
pub(super) fn running(cx: &Native<'_>) -> Obj {
    cx.task().expect("builtins that wait are called by tasks")
}

/// What ends the slice, or the operation, of a task that neither begins nor has a result.
#[cold]
pub(super) fn waits_on(cx: &mut Native<'_>, on: On, found: Resumed) -> Exit {
    match found {
        Resumed::Pending(until) => Exit::Block(Wait::Event(on, until.into())),
        Resumed::Cancelled => cancelled(cx),
        Resumed::Fresh | Resumed::Completed(..) | Resumed::TimedOut => {
            unreachable!("{found:?} is what the caller waits for")
        }
    }
}

/// Throws `Cancelled` if the running task was cancelled: for what waits in another way.
pub(crate) fn cancellation_point(cx: &mut Native<'_>) -> Result<(), Exit> {
    match cx.task() {
        Some(task) if waiter::take_cancellation(&mut cx.critical(), task) => Err(cancelled(cx)),
        _ => Ok(()),
    }
}

/// `Cancelled`.
#[cold]
pub(super) fn cancelled(cx: &mut Native<'_>) -> Exit {
    cx.throw("Cancelled", "the task was cancelled")
}

/// `Closed`.
#[cold]
pub(super) fn closed(cx: &mut Native<'_>) -> Exit {
    cx.throw("Closed", "the channel is closed")
}

/// A waiter of the running task. A safepoint.
pub(super) fn new_waiter(cx: &mut Native<'_>) -> Result<Root, Exit> {
    let waiter = cx.alloc(ObjectKind::Waiter, slots::WAITER_LEN as usize)?;
    let waiter = waiter.object().expect("just allocated");
    cx.init(waiter, slots::WAITER_TASK, running(cx));
    Ok(cx.root(waiter))
}

/// The point in time that is argument `i`, in milliseconds, from now.
pub(super) fn deadline(cx: &mut Native<'_>, what: &str, i: usize) -> Result<u64, Exit> {
    let ms = number_arg(cx, what, i)?.to_float();
    if ms.is_nan() || ms < 0.0 {
        let found = describe(cx.world_ref(), cx.arg(i).value());
        let message = format!("{what} needs at least 0 milliseconds, not {found} of {ms:?}");
        return Err(cx.throw("InvalidArgument", &message));
    }
    // Saturates: what is beyond is for ever.
    Ok(cx.world_ref().now_ns().saturating_add((ms * 1e6) as u64).min(DEADLINE_MAX))
}

/// `sleep(ms)`
pub(super) fn sleep(cx: &mut Native<'_>) -> NativeResult {
    let until = deadline(cx, "`sleep`", 0)?;
    wait_until(cx, until)
}

fn wait_until(cx: &mut Native<'_>, until: u64) -> NativeResult {
    let task = running(cx);
    let cs = &mut cx.critical();
    match waiter::resume(cs, task) {
        Resumed::Fresh => {
            waiter::begin(cs, task, None, Some(until));
            Err(Exit::Block(Wait::Event(On::Sleep, Some(until).into())))
        }
        Resumed::TimedOut => Ok(Value::NIL),
        found => Err(waits_on(cx, On::Sleep, found)),
    }
}

/// `%period_ns(ms)`: the time between two ticks.
pub(super) fn period_ns(cx: &mut Native<'_>) -> NativeResult {
    let ms = number_arg(cx, "`every`", 0)?.to_float();
    if ms.is_nan() || ms <= 0.0 {
        let message = format!("`every` needs more than 0 milliseconds, not {ms:?}");
        return Err(cx.throw("InvalidArgument", &message));
    }
    size_result(((ms * 1e6).clamp(1.0, DEADLINE_MAX as f64) as usize).min(DEADLINE_MAX as usize))
}

/// `%sleep_until(ns)`: on the clock of `clock_ns`.
pub(super) fn sleep_until(cx: &mut Native<'_>) -> NativeResult {
    let until = int_arg(cx, "`sleep_until`", 0)?;
    wait_until(cx, (until.max(0) as u64).min(DEADLINE_MAX))
}

/// `yield`: a turn for the others.
pub fn give_way(cx: &mut Native<'_>) -> NativeResult {
    cancellation_point(cx)?;
    Err(Exit::Block(Wait::Turn))
}
