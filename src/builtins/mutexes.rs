//! Mutexes: see [`crate::concurrency::mutex`]. The methods that take functions are in the prelude.

use crate::concurrency::mutex;
use crate::concurrency::waiter::{self, Resumed};
use crate::host::{Exit, Native, NativeResult, On, Until, Wait};
use crate::object::{ObjectKind, slots};
use crate::value::Value;

use super::channels::new_number;
use super::support::*;
use super::waiting::{running, waits_on};

/// `mutex(v)`
pub(super) fn mutex(cx: &mut Native<'_>) -> NativeResult {
    let mutex = cx.alloc(ObjectKind::Mutex, slots::MUTEX_LEN as usize)?;
    let mutex = mutex.object().expect("just allocated");
    let number = new_number(cx);
    cx.init(mutex, slots::HANDLE_NUMBER, number);
    cx.init(mutex, slots::MUTEX_VALUE, cx.arg(0));
    Ok(Value::object(mutex))
}

/// `%mutex_lock(m)`: its value, once the running task owns it.
pub(super) fn lock(cx: &mut Native<'_>) -> NativeResult {
    let (mutex, task) = (receiver(cx), running(cx));
    let cs = &mut cx.critical();
    match waiter::resume(cs, task) {
        Resumed::Fresh => {}
        Resumed::Completed(_, _, v) => return Ok(v),
        found => return Err(waits_on(cx, On::Mutex, found)),
    }
    if let Some(v) = mutex::lock(cs, mutex, task) {
        return Ok(v);
    }
    mutex::wait(cs, mutex, task);
    Err(Exit::Block(Wait::Event(On::Mutex, Until::NEVER)))
}

/// `%mutex_set(m, v)`: by its owner.
pub(super) fn set(cx: &mut Native<'_>) -> NativeResult {
    cx.store(receiver(cx), slots::MUTEX_VALUE, cx.arg(1));
    Ok(cx.arg(1).value())
}

/// `%mutex_unlock(m)`: by its owner.
pub(super) fn unlock(cx: &mut Native<'_>) -> NativeResult {
    let mutex = receiver(cx);
    mutex::unlock(&mut cx.critical(), mutex);
    Ok(Value::NIL)
}
