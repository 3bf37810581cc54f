//! One wait of one task: from the waiters it leaves behind to the result it finds.
//!
//! ```text
//!             begin                 complete (by another task)
//!   (no wait) ─────► pending ───────────────────────────────► completed ──resume──► (no wait)
//!                      │  ▲ resume, nothing happened: wait on
//!                      └──┴─ resume after the deadline or a cancellation: abandon ──► (no wait)
//! ```

use super::{Critical, queue};
use crate::object::{Obj, slots};
use crate::value::Value;

/// What became of a waiter's operation; [`slots::WAITER_STATE`] as a small int.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing yet.
    Pending = 0,
    /// It happened; the waiter's value is its result.
    Done = 1,
    /// The channel was closed first.
    Closed = 2,
    /// It failed; the waiter's value is the error.
    Failed = 3,
}

impl State {
    /// That of a waiter.
    pub fn of(cs: &mut Critical<'_>, waiter: Obj) -> State {
        const ALL: [State; 4] = [State::Pending, State::Done, State::Closed, State::Failed];
        ALL[cs.int(waiter, slots::WAITER_STATE)]
    }
}

/// What a task finds when it begins or redoes an operation that waits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Resumed {
    /// It has not waited yet.
    Fresh,
    /// Its wait is over: which case, how, and the value.
    Completed(usize, State, Value),
    /// The deadline has passed and nothing happened.
    TimedOut,
    /// Nothing happened; the deadline, if there is one.
    Pending(Option<u64>),
    /// The task was cancelled: the operation does not happen.
    Cancelled,
}

/// The latest deadline (nanoseconds) that fits a slot: 36 years.
pub const DEADLINE_MAX: u64 = (1 << 60) - 1;

/// Makes a task wait: for its queued waiters, linked by their siblings, for a deadline, or both.
pub fn begin(cs: &mut Critical<'_>, task: Obj, first: Option<Obj>, deadline: Option<u64>) {
    debug_assert_eq!(cs.load(task, slots::TASK_WAIT), Value::NIL, "C3");
    let deadline = deadline.map_or(Value::NIL, |at| Value::small(at.min(DEADLINE_MAX) as i64));
    match first {
        Some(first) => {
            cs.store(first, slots::WAITER_DEADLINE, deadline);
            cs.store(task, slots::TASK_WAIT, Value::object(first));
        }
        None => cs.store(task, slots::TASK_WAIT, deadline),
    }
}

/// Completes a pending waiter of another task and wakes that task.
pub fn complete(cs: &mut Critical<'_>, waiter: Obj, state: State, value: Value) {
    debug_assert_eq!(State::of(cs, waiter), State::Pending, "C2");
    let task = cs.object(waiter, slots::WAITER_TASK).expect("somebody waits");
    if cs.load(waiter, slots::WAITER_SIBLING) == Value::NIL
        && cs.load(task, slots::TASK_WAIT) == Value::object(waiter)
    {
        // Its only one: the task's slot has it already.
        queue::unlink(cs, waiter);
        cs.store(waiter, slots::WAITER_TASK, Value::NIL);
    } else {
        abandon(cs, task);
        cs.store(task, slots::TASK_WAIT, Value::object(waiter));
    }
    cs.store_int(waiter, slots::WAITER_STATE, state as usize);
    cs.store(waiter, slots::WAITER_VALUE, value);
    cs.wake(task);
}

/// Ends a wait without a result: all waiters of the task leave their queues.
pub fn abandon(cs: &mut Critical<'_>, task: Obj) {
    let mut at = cs.object(task, slots::TASK_WAIT);
    cs.store(task, slots::TASK_WAIT, Value::NIL);
    while let Some(waiter) = at {
        queue::unlink(cs, waiter);
        at = cs.object(waiter, slots::WAITER_SIBLING);
        cs.store(waiter, slots::WAITER_SIBLING, Value::NIL);
        cs.store(waiter, slots::WAITER_TASK, Value::NIL);
    }
}

/// What the running task finds; ends the wait unless that is [`Resumed::Pending`].
pub fn resume(cs: &mut Critical<'_>, task: Obj) -> Resumed {
    let wait = cs.load(task, slots::TASK_WAIT);
    let first = wait.as_object();
    if let Some(waiter) = first {
        let state = State::of(cs, waiter);
        if state != State::Pending {
            let case = cs.int(waiter, slots::WAITER_CASE);
            let value = cs.load(waiter, slots::WAITER_VALUE);
            cs.store(task, slots::TASK_WAIT, Value::NIL);
            return Resumed::Completed(case, state, value);
        }
    }
    if take_cancellation(cs, task) {
        abandon(cs, task);
        return Resumed::Cancelled;
    }
    if wait == Value::NIL {
        return Resumed::Fresh;
    }
    let deadline = match first {
        Some(waiter) => cs.load(waiter, slots::WAITER_DEADLINE).as_int(),
        None => wait.as_int(),
    };
    let deadline = deadline.map(|at| at as u64);
    if deadline.is_some_and(|at| at <= cs.now_ns()) {
        abandon(cs, task);
        return Resumed::TimedOut;
    }
    Resumed::Pending(deadline)
}

/// Whether the task was cancelled; each cancellation is delivered once.
pub fn take_cancellation(cs: &mut Critical<'_>, task: Obj) -> bool {
    let cancelled = cs.load(task, slots::TASK_CANCEL).truthy();
    if cancelled {
        cs.store(task, slots::TASK_CANCEL, Value::NIL);
    }
    cancelled
}
