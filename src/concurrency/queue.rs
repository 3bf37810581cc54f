//! FIFO queues of waiters, linked through the waiters themselves: one enters, and leaves from
//! anywhere, in O(1). A queue is one slot of the object that it belongs to, which holds the first:
//!
//! ```text
//!   owner ─ side ─► first ─next─► second ─next─► last            (the last has no next)
//!                   │  ▲            │ ▲            │ ▲
//!                   │  └─ previous ─┘ └─ previous ─┘ │
//!                   └─────────── previous ───────────┘           (none, if it is alone)
//! ```
//!
//! So a waiter that is alone, which is the rule, has no links, and entering and leaving write one slot
//! of the owner.

use super::Critical;
use super::waiter::Word;
use crate::object::{Obj, slots};
use crate::value::Value;

/// Appends a waiter, for this case of its task's operation, to the queue at slot `side` of `owner`.
#[inline(always)]
pub fn push(cs: &mut Critical<'_>, owner: Obj, side: usize, waiter: Obj, case: usize) {
    debug_assert!(!is_queued(cs, waiter), "a waiter is in one queue");
    cs.store(waiter, slots::WAITER_OF, Value::object(owner));
    Word::queued(side, case).write(cs, waiter);
    match first(cs, owner, side) {
        None => cs.store(owner, side, Value::object(waiter)),
        Some(first) => append(cs, first, waiter),
    }
}

fn append(cs: &mut Critical<'_>, first: Obj, waiter: Obj) {
    let last = cs.object(first, slots::WAITER_PREVIOUS).unwrap_or(first);
    cs.store(last, slots::WAITER_NEXT, Value::object(waiter));
    cs.store(waiter, slots::WAITER_PREVIOUS, Value::object(last));
    cs.store(first, slots::WAITER_PREVIOUS, Value::object(waiter));
}

/// The waiter that has been in the queue for longest.
#[inline(always)]
pub fn first(cs: &mut Critical<'_>, owner: Obj, side: usize) -> Option<Obj> {
    cs.object(owner, side)
}

/// Whether the waiter is in a queue.
fn is_queued(cs: &mut Critical<'_>, waiter: Obj) -> bool {
    Word::of(cs, waiter).is_some_and(|word| word.side().is_some())
}

/// Takes the first waiter out of its queue. Its word still says that it is in there: the caller
/// writes another one.
#[inline(always)]
pub fn pop(cs: &mut Critical<'_>, owner: Obj, side: usize, first: Obj) {
    debug_assert_eq!(self::first(cs, owner, side), Some(first));
    match cs.object(first, slots::WAITER_NEXT) {
        None => cs.store(owner, side, Value::NIL),
        Some(next) => {
            cs.store(owner, side, Value::object(next));
            promote(cs, first, next);
        }
    }
}

/// The second waiter becomes the first.
fn promote(cs: &mut Critical<'_>, first: Obj, second: Obj) {
    let last = cs.object(first, slots::WAITER_PREVIOUS).filter(|&last| last != second);
    cs.store_object(second, slots::WAITER_PREVIOUS, last);
    cs.store(first, slots::WAITER_NEXT, Value::NIL);
    cs.store(first, slots::WAITER_PREVIOUS, Value::NIL);
}

/// Takes a waiter out of the queue it is in, if any. It still says what it waits for.
pub fn unlink(cs: &mut Critical<'_>, waiter: Obj) {
    let Some(word) = Word::of(cs, waiter) else { return };
    let Some(side) = word.side() else { return };
    let owner = cs.object(waiter, slots::WAITER_OF).expect("a queued waiter has a queue");
    let first = first(cs, owner, side).expect("a queue with a waiter has a first one");
    if waiter == first {
        pop(cs, owner, side, waiter);
    } else {
        bypass(cs, first, waiter);
    }
    word.in_no_queue().write(cs, waiter);
}

/// Takes out one that is not the first.
fn bypass(cs: &mut Critical<'_>, first: Obj, waiter: Obj) {
    let previous = cs.object(waiter, slots::WAITER_PREVIOUS).expect("it is not the first");
    match cs.object(waiter, slots::WAITER_NEXT) {
        Some(next) => {
            cs.store(previous, slots::WAITER_NEXT, Value::object(next));
            cs.store(next, slots::WAITER_PREVIOUS, Value::object(previous));
            cs.store(waiter, slots::WAITER_NEXT, Value::NIL);
        }
        None => {
            cs.store(previous, slots::WAITER_NEXT, Value::NIL);
            let last = Some(previous).filter(|&previous| previous != first);
            cs.store_object(first, slots::WAITER_PREVIOUS, last);
        }
    }
    cs.store(waiter, slots::WAITER_PREVIOUS, Value::NIL);
}
