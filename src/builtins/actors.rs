//! Actors and their registry: see [`crate::concurrency::actor`]. `ask`, `tell` and the loop that
//! handles messages are in the prelude.

use crate::concurrency::actor::{self, Posted};
use crate::concurrency::waiter::{self, Resumed, State};
use crate::host::{Exit, Native, NativeResult, On, Until, Wait};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::channels::new_number;
use super::format::brief;
use super::support::*;
use super::waiting::{cancelled, new_waiter, running};

/// `actor(init, handler)`
pub(super) fn actor(cx: &mut Native<'_>) -> NativeResult {
    kind_arg(cx, "`actor`", 1, ObjectKind::Closure, "a function (state, message)")?;
    let actor = cx.alloc(ObjectKind::Actor, slots::ACTOR_LEN as usize)?;
    let actor = actor.object().expect("just allocated");
    let number = new_number(cx);
    cx.init(actor, slots::HANDLE_NUMBER, number);
    cx.init(actor, slots::ACTOR_STATE, cx.arg(0));
    cx.init(actor, slots::ACTOR_HANDLER, cx.arg(1));
    cx.init(actor, slots::ACTOR_FAILED, Value::FALSE);
    Ok(Value::object(actor))
}

fn message_arg(cx: &Native<'_>, i: usize) -> Obj {
    cx.arg(i).of_kind(ObjectKind::Waiter).expect("the prelude passes a message")
}

#[cold]
fn failed(cx: &mut Native<'_>, actor: Obj) -> Exit {
    let error = cx.load(actor, slots::ACTOR_ERROR).value();
    let message = format!("the actor has failed: {}", brief(cx, error));
    cx.throw("Closed", &message)
}

/// `%actor_message(v, asks)`: a message; the running task may wait for its reply.
pub(super) fn message(cx: &mut Native<'_>) -> NativeResult {
    let message = new_waiter(cx)?;
    let message = object_at(cx, message);
    cx.init(message, slots::WAITER_VALUE, cx.arg(0));
    if !cx.arg(1).value().truthy() {
        cx.store(message, slots::WAITER_TASK, Value::NIL);
    }
    Ok(Value::object(message))
}

/// `%actor_post(a, message)`: whether a runner has to be started.
pub(super) fn post(cx: &mut Native<'_>) -> NativeResult {
    let (actor, message) = (receiver(cx), message_arg(cx, 1));
    match actor::post(&mut cx.critical(), actor, message) {
        Posted::Queued => Ok(Value::FALSE),
        Posted::Start => Ok(Value::TRUE),
        Posted::Failed => Err(failed(cx, actor)),
    }
}
/// `%actor_unpost(a, message)`
pub(super) fn unpost(cx: &mut Native<'_>) -> NativeResult {
    let (actor, message) = (receiver(cx), message_arg(cx, 1));
    actor::unpost(&mut cx.critical(), actor, message);
    Ok(Value::NIL)
}

/// `%actor_reply(message)`: waits for it.
pub(super) fn reply(cx: &mut Native<'_>) -> NativeResult {
    let (message, task) = (message_arg(cx, 0), running(cx));
    let cs = &mut cx.critical();
    let state = State::of(cs, message);
    if state != State::Pending && !waiter::is_waiting(cs, task) {
        // It was answered before this task began to wait.
        let v = cs.load(message, slots::WAITER_VALUE);
        return outcome(cx, message, state, v);
    }
    match waiter::resume(cs, task) {
        Resumed::Completed(_, state, v) => return outcome(cx, message, state, v),
        Resumed::Cancelled => {
            actor::withdraw(cs, message);
            return Err(cancelled(cx));
        }
        Resumed::Fresh => waiter::begin(cs, task, Some(message), None),
        Resumed::Pending(_) | Resumed::TimedOut => {}
    }
    Err(Exit::Block(Wait::Event(On::Actor, Until::NEVER)))
}

fn outcome(cx: &mut Native<'_>, message: Obj, state: State, v: Value) -> NativeResult {
    match state {
        State::Failed => Err(Exit::Throw(v)),
        State::Closed => {
            let actor = cx.load(message, slots::WAITER_OF).object().expect("it was posted");
            Err(failed(cx, actor))
        }
        State::Done | State::Pending => Ok(v),
    }
}

// ---- the runner ----

/// `%actor_next(a)`: the next message, or nil.
pub(super) fn next(cx: &mut Native<'_>) -> NativeResult {
    let (actor, runner) = (receiver(cx), running(cx));
    let message = actor::next(&mut cx.critical(), actor, runner);
    Ok(message.map_or(Value::NIL, Value::object))
}
/// `%actor_state(a)`
pub(super) fn state(cx: &mut Native<'_>) -> NativeResult {
    Ok(cx.load(receiver(cx), slots::ACTOR_STATE).value())
}
/// `%actor_handler(a)`
pub(super) fn handler(cx: &mut Native<'_>) -> NativeResult {
    Ok(cx.load(receiver(cx), slots::ACTOR_HANDLER).value())
}
/// `%actor_value(message)`
pub(super) fn value(cx: &mut Native<'_>) -> NativeResult {
    Ok(cx.load(message_arg(cx, 0), slots::WAITER_VALUE).value())
}
/// `%actor_done(a, message, state, reply)`
pub(super) fn done(cx: &mut Native<'_>) -> NativeResult {
    let (actor, message) = (receiver(cx), message_arg(cx, 1));
    let (state, reply) = (cx.arg(2).value(), cx.arg(3).value());
    let cs = &mut cx.critical();
    cs.store(actor, slots::ACTOR_STATE, state);
    actor::answer(cs, message, State::Done, reply);
    Ok(Value::NIL)
}
/// `%actor_fail(a, message, error)`: whether somebody is told of the error.
pub(super) fn fail(cx: &mut Native<'_>) -> NativeResult {
    let (actor, message, error) = (receiver(cx), message_arg(cx, 1), cx.arg(2).value());
    let told = actor::fail(&mut cx.critical(), actor, message, error);
    Ok(Value::bool(told))
}
/// `%actor_no_pair(v)`: TypeMismatch, because the handler gave this instead of a pair.
pub(super) fn no_pair(cx: &mut Native<'_>) -> NativeResult {
    let v = brief(cx, cx.arg(0).value());
    let message = format!("an actor's handler gives (state, reply), not {v}");
    Err(cx.throw("TypeMismatch", &message))
}

// ---- the registry: one per virtual machine ----

/// `register(a, name)`
pub(super) fn register(cx: &mut Native<'_>) -> NativeResult {
    kind_arg(cx, "`register`", 0, ObjectKind::Actor, "an actor")?;
    let name = string_arg(cx, "`register`", 1)?;
    if cx.world().registry.contains_key(&name) {
        let message = format!("there is an actor named {name:?} already");
        return Err(cx.throw("AlreadyRegistered", &message));
    }
    cx.set_registered(name, Some(cx.arg_root(0)));
    Ok(Value::NIL)
}
/// `lookup(name)`: nil when there is none.
pub(super) fn lookup(cx: &mut Native<'_>) -> NativeResult {
    let name = string_arg(cx, "`lookup`", 0)?;
    Ok(cx.world().registry.get(&name).copied().unwrap_or(Value::NIL))
}
/// `unregister(name)`
pub(super) fn unregister(cx: &mut Native<'_>) -> NativeResult {
    let name = string_arg(cx, "`unregister`", 0)?;
    if !cx.world().registry.contains_key(&name) {
        return Err(cx.throw("NotRegistered", &format!("there is no actor named {name:?}")));
    }
    cx.set_registered(name, None);
    Ok(Value::NIL)
}
/// `registered()`: all names, sorted.
pub(super) fn registered(cx: &mut Native<'_>) -> NativeResult {
    let names: Vec<String> = cx.world().registry.keys().cloned().collect();
    let list = super::lists::new_list(cx, names.len())?;
    for name in &names {
        let name = cx.new_str(name)?.value();
        let name = cx.root(name);
        super::lists::push_root(cx, list, name)?;
    }
    Ok(Value::object(object_at(cx, list)))
}
