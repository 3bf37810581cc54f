//! One wait of one task: from the waiters it leaves behind to the result it finds.
//!
//! ```text
//!             begin                 complete (by another task)
//!   (no wait) ─────► pending ───────────────────────────────► completed ──resume──► (no wait)
//!                      │  ▲ resume, nothing happened: wait on
//!                      └──┴─ resume after the deadline or a cancellation: abandon ──► (no wait)
//! ```
//!
//! Where the result of the operation is that of the task's instruction, it goes into the task's register
//! and the wait is over with `complete`: the task goes on behind the instruction ([`Critical::give`]).
//!
//! Who waits for one thing needs no waiter but its handle, which has the slots of one: nothing is
//! allocated. What the states say is in two slots of the handle:
//!
//! ```text
//!                word                      wait
//!   (no wait)    nil                       no reference
//!   pending      pending, in a queue       whose queue it is in: the handle is the waiter
//!                pending, in no queue      its first waiter; or the deadline, of a wait for time alone
//!   completed    how, which case           the result
//! ```

use super::{Critical, queue};
use crate::object::{Obj, slots};
use crate::value::Value;

/// What became of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing yet.
    Pending = 0,
    /// It happened, and has a result.
    Done = 1,
    /// The channel was closed first.
    Closed = 2,
    /// It failed; its result is the error.
    Failed = 3,
}

impl State {
    /// That of a waiter.
    pub fn of(cs: &mut Critical<'_>, waiter: Obj) -> State {
        Word::of(cs, waiter).map_or(State::Pending, Word::state)
    }
}

/// [`slots::WAITER_WORD`], a small int: `state | side << 2 | case << 6`, of an operation's state, the
/// slot of the queue that the waiter is in (0: in none), and the number of its case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word(i64);

const SIDE_SHIFT: u32 = 2;
const CASE_SHIFT: u32 = 6;
const SIDE_MASK: i64 = (1 << CASE_SHIFT) - (1 << SIDE_SHIFT);
// Slot 0 is a number, so that no queue is there; the others fit.
const _: () = assert!(slots::HANDLE_NUMBER == 0);
const _: () = assert!(slots::CHANNEL_LEN <= 16 && slots::MUTEX_LEN <= 16 && slots::ACTOR_LEN <= 16);

impl Word {
    const PENDING: Word = Word(State::Pending as i64);

    /// That of a waiter in a queue.
    pub(super) fn queued(side: usize, case: usize) -> Word {
        Word((side as i64) << SIDE_SHIFT | (case as i64) << CASE_SHIFT)
    }
    /// That of a waiter whose operation is over.
    fn over(state: State, case: usize) -> Word {
        Word(state as i64 | (case as i64) << CASE_SHIFT)
    }
    /// Reads it; `None` in a handle whose task does not wait, and in a message that was not posted.
    #[inline(always)]
    pub(super) fn of(cs: &mut Critical<'_>, waiter: Obj) -> Option<Word> {
        cs.load(waiter, slots::WAITER_WORD).as_int().map(Word)
    }
    /// As [`Word::of`], for reports.
    pub(super) fn read(waiter: Obj) -> Option<Word> {
        waiter.slot(slots::WAITER_WORD).as_int().map(Word)
    }
    #[inline(always)]
    pub(super) fn write(self, cs: &mut Critical<'_>, waiter: Obj) {
        cs.store(waiter, slots::WAITER_WORD, Value::small(self.0));
    }
    /// What became of the operation.
    fn state(self) -> State {
        match self.0 & 3 {
            0 => State::Pending,
            1 => State::Done,
            2 => State::Closed,
            _ => State::Failed,
        }
    }
    /// The queue that the waiter is in.
    pub(super) fn side(self) -> Option<usize> {
        Some((self.0 & SIDE_MASK) as usize >> SIDE_SHIFT).filter(|&side| side != 0)
    }
    fn case(self) -> usize {
        (self.0 >> CASE_SHIFT) as usize
    }
    pub(super) fn in_no_queue(self) -> Word {
        Word(self.0 & !SIDE_MASK)
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

/// Whether the task stands in an operation that waits (C3).
#[inline(always)]
pub fn is_waiting(cs: &mut Critical<'_>, task: Obj) -> bool {
    cs.load(task, slots::WAITER_WORD) != Value::NIL
}

/// Makes a task wait in one queue.
#[inline(always)]
pub fn begin_one(cs: &mut Critical<'_>, task: Obj, owner: Obj, side: usize) {
    debug_assert!(!is_waiting(cs, task), "C3");
    queue::push(cs, owner, side, task, 0);
}

/// Makes a task wait: for its waiters, linked by their siblings, for a deadline, or both.
pub fn begin(cs: &mut Critical<'_>, task: Obj, first: Option<Obj>, deadline: Option<u64>) {
    debug_assert!(!is_waiting(cs, task), "C3");
    let deadline = deadline.map(|at| Value::small(at.min(DEADLINE_MAX) as i64));
    if let (Some(first), Some(deadline)) = (first, deadline) {
        cs.store(first, slots::WAITER_DEADLINE, deadline);
    }
    let wait = first.map(Value::object).or(deadline).expect("it waits for something");
    cs.store(task, slots::TASK_WAIT, wait);
    Word::PENDING.write(cs, task);
}

/// Completes the first waiter of a queue and wakes its task.
#[inline(always)]
pub fn complete_first(
    cs: &mut Critical<'_>,
    owner: Obj,
    side: usize,
    first: Obj,
    state: State,
    result: Value,
) {
    queue::pop(cs, owner, side, first);
    complete(cs, first, state, result);
}

/// Completes a waiter that was pending and is in no queue any more, and wakes its task.
pub fn complete(cs: &mut Critical<'_>, waiter: Obj, state: State, result: Value) {
    debug_assert_eq!(State::of(cs, waiter), State::Pending, "C2");
    let others = cs.object(waiter, slots::WAITER_TASK);
    let task = others.unwrap_or(waiter);
    withdraw_offer(cs, task);
    if others.is_none() && state == State::Done && cs.give(task, result) {
        return end(cs, task);
    }
    let case = others.map_or(0, |task| leave_others(cs, waiter, state, task));
    cs.store(task, slots::TASK_WAIT, result);
    Word::over(state, case).write(cs, task);
    cs.wake(task);
}

/// One waiter of a task is completed, so none of them waits any more: the number of its case.
fn leave_others(cs: &mut Critical<'_>, waiter: Obj, state: State, task: Obj) -> usize {
    let case = Word::of(cs, waiter).map_or(0, Word::case);
    Word::over(state, case).write(cs, waiter);
    leave_queues(cs, task);
    case
}

/// Completes a message to whose asker, who does not wait yet, there is nothing to tell.
pub fn keep(cs: &mut Critical<'_>, message: Obj, state: State, result: Value) {
    Word::over(state, 0).write(cs, message);
    cs.store(message, slots::WAITER_VALUE, result);
}

/// Whether the task waits, and this is its first waiter.
pub fn waits_by(cs: &mut Critical<'_>, task: Obj, waiter: Obj) -> bool {
    is_waiting(cs, task) && cs.load(task, slots::TASK_WAIT) == Value::object(waiter)
}

/// The task does not offer a value any more.
fn withdraw_offer(cs: &mut Critical<'_>, task: Obj) {
    if cs.load(task, slots::WAITER_VALUE).is_object() {
        cs.store(task, slots::WAITER_VALUE, Value::NIL);
    }
}

/// All waiters of the task, which waits by them, leave their queues and are its waiters no more.
fn leave_queues(cs: &mut Critical<'_>, task: Obj) {
    let mut at = cs.object(task, slots::TASK_WAIT);
    while let Some(waiter) = at {
        queue::unlink(cs, waiter);
        at = cs.object(waiter, slots::WAITER_SIBLING);
        cs.store(waiter, slots::WAITER_SIBLING, Value::NIL);
        cs.store(waiter, slots::WAITER_TASK, Value::NIL);
    }
}

/// Ends a wait without a result.
fn abandon(cs: &mut Critical<'_>, task: Obj, word: Word) {
    match word.side() {
        Some(_) => queue::unlink(cs, task),
        None => leave_queues(cs, task),
    }
    withdraw_offer(cs, task);
    end(cs, task);
}

/// The task does not wait any more, and has its result.
#[inline]
fn end(cs: &mut Critical<'_>, task: Obj) {
    if cs.load(task, slots::TASK_WAIT).is_object() {
        cs.store(task, slots::TASK_WAIT, Value::NIL);
    }
    cs.store(task, slots::WAITER_WORD, Value::NIL);
}

/// What the running task finds; ends the wait unless that is [`Resumed::Pending`].
#[inline(always)]
pub fn resume(cs: &mut Critical<'_>, task: Obj) -> Resumed {
    match Word::of(cs, task) {
        None if cs.load(task, slots::TASK_CANCEL) == Value::NIL => Resumed::Fresh,
        Some(word) if word.state() != State::Pending => {
            let result = cs.load(task, slots::TASK_WAIT);
            end(cs, task);
            Resumed::Completed(word.case(), word.state(), result)
        }
        word => resume_pending(cs, task, word),
    }
}

/// As [`resume`], when the task was cancelled or nothing has happened.
fn resume_pending(cs: &mut Critical<'_>, task: Obj, word: Option<Word>) -> Resumed {
    if take_cancellation(cs, task) {
        if let Some(word) = word {
            abandon(cs, task, word);
        }
        return Resumed::Cancelled;
    }
    let Some(word) = word else { return Resumed::Fresh };
    let deadline = deadline(cs, task, word);
    if deadline.is_some_and(|at| at <= cs.now_ns()) {
        abandon(cs, task, word);
        return Resumed::TimedOut;
    }
    Resumed::Pending(deadline)
}

fn deadline(cs: &mut Critical<'_>, task: Obj, word: Word) -> Option<u64> {
    if word.side().is_some() {
        return None;
    }
    let wait = cs.load(task, slots::TASK_WAIT);
    let deadline = match wait.as_object() {
        Some(first) => cs.load(first, slots::WAITER_DEADLINE),
        None => wait,
    };
    deadline.as_int().map(|at| at as u64)
}

/// Whether the task was cancelled; each cancellation is delivered once.
pub fn take_cancellation(cs: &mut Critical<'_>, task: Obj) -> bool {
    let cancelled = cs.load(task, slots::TASK_CANCEL).truthy();
    if cancelled {
        cs.store(task, slots::TASK_CANCEL, Value::NIL);
    }
    cancelled
}
