//! What a task that waits for an event waits for, in words: for the report of a deadlock, when
//! nothing runs.

use super::waiter::Word;
use crate::class::ClassId;
use crate::object::{Obj, slots};
use crate::task::TaskId;
use crate::value::Value;

/// What a task waits for, and the task that alone can end the wait, if there is one.
pub fn waits_for(handle: Value) -> (String, Option<TaskId>) {
    let Some(first) = waiters(handle).next() else {
        return ("a point in time".into(), None);
    };
    if waiters(handle).count() == 1 {
        return one(first);
    }
    let cases: Vec<String> = waiters(handle).map(|waiter| one(waiter).0).collect();
    (format!("one of: {}", cases.join("; ")), None)
}

/// The waiters of a task, in the order of their cases; its handle, if that waits in a queue itself.
fn waiters(handle: Value) -> impl Iterator<Item = Obj> {
    let first = handle.as_object().and_then(|handle| match side(handle) {
        Some(_) => Some(handle),
        None => handle.slot(slots::TASK_WAIT).as_object(),
    });
    std::iter::successors(first, |o| match o.class() {
        ClassId::WAITER => o.slot(slots::WAITER_SIBLING).as_object(),
        _ => None,
    })
}

fn side(waiter: Obj) -> Option<usize> {
    Word::read(waiter).and_then(Word::side)
}

fn int(o: Obj, slot: usize) -> i64 {
    o.slot(slot).as_int().unwrap_or(0)
}

fn one(waiter: Obj) -> (String, Option<TaskId>) {
    let of =
        waiter.slot(slots::WAITER_OF).as_object().expect("a pending waiter waits for something");
    let number = int(of, slots::HANDLE_NUMBER);
    match of.class() {
        ClassId::CHANNEL => {
            let capacity = int(of, slots::CAPACITY);
            let text = match side(waiter) {
                Some(slots::RECEIVERS) => {
                    format!("a message on channel {number} (capacity {capacity}, no sender waits)")
                }
                _ if capacity == 0 => {
                    format!("a receiver on channel {number} (capacity 0, no receiver waits)")
                }
                _ => format!("room in channel {number} (capacity {capacity}, full)"),
            };
            (text, None)
        }
        ClassId::MUTEX => match task_of(of, slots::MUTEX_OWNER) {
            Some(owner) => (format!("mutex {number}, which task {owner} holds"), Some(owner)),
            None => (format!("mutex {number}"), None),
        },
        ClassId::ACTOR => match task_of(of, slots::ACTOR_RUNNER) {
            Some(runner) => {
                (format!("the reply of actor {number}, which task {runner} runs"), Some(runner))
            }
            None => (format!("the reply of actor {number}"), None),
        },
        _ => unreachable!("{of:?} has no queue of waiters"),
    }
}

fn task_of(o: Obj, slot: usize) -> Option<TaskId> {
    let handle = o.slot(slot).as_object()?;
    TaskId::from_value(handle.slot(slots::TASK_ID))
}
