//! FIFO queues of waiters, doubly linked through the waiters themselves: a waiter leaves from
//! anywhere in O(1). A queue is two slots of the object that it belongs to: first, then last.

use super::Critical;
use crate::object::{Obj, slots};
use crate::value::Value;

/// Appends a waiter to the queue at slot `side` of `owner`.
pub fn push(cs: &mut Critical<'_>, owner: Obj, side: usize, waiter: Obj) {
    debug_assert!(!is_queued(cs, waiter), "a waiter is in one queue");
    let last = cs.object(owner, side + 1);
    cs.store(waiter, slots::WAITER_OF, Value::object(owner));
    cs.store_int(waiter, slots::WAITER_SIDE, side);
    cs.store_object(waiter, slots::WAITER_PREVIOUS, last);
    match last {
        Some(last) => cs.store(last, slots::WAITER_NEXT, Value::object(waiter)),
        None => cs.store(owner, side, Value::object(waiter)),
    }
    cs.store(owner, side + 1, Value::object(waiter));
}

/// The waiter that has been in the queue for longest.
pub fn first(cs: &mut Critical<'_>, owner: Obj, side: usize) -> Option<Obj> {
    cs.object(owner, side)
}

/// Whether the waiter is in a queue.
pub fn is_queued(cs: &mut Critical<'_>, waiter: Obj) -> bool {
    cs.load(waiter, slots::WAITER_SIDE) != Value::NIL
}

/// Takes a waiter out of the queue it is in, if any. It still says what it waits for.
pub fn unlink(cs: &mut Critical<'_>, waiter: Obj) {
    if !is_queued(cs, waiter) {
        return;
    }
    let owner = cs.object(waiter, slots::WAITER_OF).expect("a queued waiter has a queue");
    let side = cs.int(waiter, slots::WAITER_SIDE);
    let next = cs.object(waiter, slots::WAITER_NEXT);
    let previous = cs.object(waiter, slots::WAITER_PREVIOUS);
    match previous {
        Some(previous) => {
            cs.store_object(previous, slots::WAITER_NEXT, next);
            cs.store(waiter, slots::WAITER_PREVIOUS, Value::NIL);
        }
        None => cs.store_object(owner, side, next),
    }
    match next {
        Some(next) => {
            cs.store_object(next, slots::WAITER_PREVIOUS, previous);
            cs.store(waiter, slots::WAITER_NEXT, Value::NIL);
        }
        None => cs.store_object(owner, side + 1, previous),
    }
    cs.store(waiter, slots::WAITER_SIDE, Value::NIL);
}
