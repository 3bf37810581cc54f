//! Mutexes with hand-off: the task that unlocks makes the longest waiting one the owner, so nobody
//! overtakes the queue and a woken task never finds the mutex taken.

use super::waiter::{self, State};
use super::{Critical, queue};
use crate::object::{Obj, slots};
use crate::value::Value;

/// Takes the mutex for `task` if it is free: its value.
pub fn lock(cs: &mut Critical<'_>, mutex: Obj, task: Obj) -> Option<Value> {
    if cs.object(mutex, slots::MUTEX_OWNER).is_some() {
        return None;
    }
    cs.store(mutex, slots::MUTEX_OWNER, Value::object(task));
    Some(cs.load(mutex, slots::MUTEX_VALUE))
}

/// Gives the mutex to the longest waiting task, or frees it.
pub fn unlock(cs: &mut Critical<'_>, mutex: Obj) {
    let Some(next) = queue::first(cs, mutex, slots::MUTEX_WAITERS) else {
        return cs.store(mutex, slots::MUTEX_OWNER, Value::NIL);
    };
    // Who waits for a mutex waits for nothing else: the waiter is a handle.
    cs.store(mutex, slots::MUTEX_OWNER, Value::object(next));
    let value = cs.load(mutex, slots::MUTEX_VALUE);
    waiter::complete_first(cs, mutex, slots::MUTEX_WAITERS, next, State::Done, value);
}

/// A task that finds the mutex taken waits for it.
pub fn wait(cs: &mut Critical<'_>, mutex: Obj, task: Obj) {
    waiter::begin_one(cs, task, mutex, slots::MUTEX_WAITERS);
}
