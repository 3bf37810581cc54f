//! Actors: a state, a handler, and a mailbox of messages that are handled one at a time.
//!
//! An actor has no task of its own while it is idle. Whoever posts a message to an idle actor
//! starts a task that handles messages until the mailbox is empty (the loop is Mena code, in the
//! prelude, so a handler can wait and is preempted like any function):
//!
//! ```text
//!            post: a task is to be started           next: nothing there
//!   idle ─────────────────────────────► running ───────────────────────────► idle
//!                                        │   ▲ next: a message; handled: state and reply
//!                                        └───┘
//!                                        │ the handler fails
//!                                        ▼
//!                                      failed: every ask and tell throws `Closed`
//! ```
//!
//! A message is a waiter. That of an `ask` names the task that waits for the reply; it stays the
//! task's waiter while it is handled, although it is in no queue then. A cancelled asker takes its
//! message back, or, if it is being handled, does not get the reply.
//!
//! Invariants
//! - A mailbox that is not empty has a runner: `post` and `next` decide in one section each, so no
//!   message is left behind in an idle actor.
//! - A failing handler ends its actor. The error goes to the task that asked; if none did, to the
//!   end of the runner, which is reported like that of any task. Nothing keeps a state of which
//!   its handler may have been in the middle.

use super::waiter::{self, State};
use super::{Critical, queue};
use crate::object::{Obj, slots};
use crate::value::Value;

/// What posting a message gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Posted {
    /// Its actor is running.
    Queued,
    /// Its actor was idle: the poster starts a runner.
    Start,
    /// Its actor has failed.
    Failed,
}

/// Puts a message into the mailbox.
pub fn post(cs: &mut Critical<'_>, actor: Obj, message: Obj) -> Posted {
    if has_failed(cs, actor) {
        return Posted::Failed;
    }
    queue::push(cs, actor, slots::ACTOR_MAILBOX, message, 0);
    if cs.load(actor, slots::ACTOR_RUNNER) != Value::NIL {
        return Posted::Queued;
    }
    cs.store(actor, slots::ACTOR_RUNNER, Value::TRUE);
    Posted::Start
}

/// No runner could be started: the message is taken back.
pub fn unpost(cs: &mut Critical<'_>, actor: Obj, message: Obj) {
    withdraw(cs, message);
    cs.store(actor, slots::ACTOR_RUNNER, Value::NIL);
}

/// The asker does not want the reply any more.
pub fn withdraw(cs: &mut Critical<'_>, message: Obj) {
    queue::unlink(cs, message);
    cs.store(message, slots::WAITER_TASK, Value::NIL);
}

/// The next message for the runner; without one the actor is idle.
pub fn next(cs: &mut Critical<'_>, actor: Obj, runner: Obj) -> Option<Obj> {
    let message = queue::first(cs, actor, slots::ACTOR_MAILBOX);
    if let Some(message) = message {
        queue::unlink(cs, message);
    }
    cs.store_object(actor, slots::ACTOR_RUNNER, message.map(|_| runner));
    message
}

/// Answers a message; whether somebody waits, or will wait, for the answer.
pub fn answer(cs: &mut Critical<'_>, message: Obj, state: State, v: Value) -> bool {
    let Some(asker) = cs.object(message, slots::WAITER_TASK) else { return false };
    if waiter::waits_by(cs, asker, message) {
        waiter::complete(cs, message, state, v);
    } else {
        // It has posted the message and does not wait yet.
        waiter::keep(cs, message, state, v);
    }
    true
}

/// The handler has failed at a message: the actor ends. Whether its asker was told.
pub fn fail(cs: &mut Critical<'_>, actor: Obj, message: Obj, error: Value) -> bool {
    cs.store(actor, slots::ACTOR_FAILED, Value::TRUE);
    cs.store(actor, slots::ACTOR_ERROR, error);
    for slot in [slots::ACTOR_STATE, slots::ACTOR_HANDLER, slots::ACTOR_RUNNER] {
        cs.store(actor, slot, Value::NIL);
    }
    while let Some(left) = queue::first(cs, actor, slots::ACTOR_MAILBOX) {
        queue::unlink(cs, left);
        answer(cs, left, State::Closed, Value::NIL);
    }
    answer(cs, message, State::Failed, error)
}

/// Whether its handler has failed.
pub fn has_failed(cs: &mut Critical<'_>, actor: Obj) -> bool {
    cs.load(actor, slots::ACTOR_FAILED).truthy()
}
