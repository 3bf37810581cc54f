//! Channels and `select`: see [`crate::concurrency::channel`].

use crate::concurrency::channel::{self, Attempt};
use crate::concurrency::waiter::{self, Resumed, State};
use crate::concurrency::{Critical, queue};
use crate::host::{Exit, Native, NativeResult, On, Until, Wait};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::support::*;
use super::waiting::{closed, deadline, new_waiter, running, waits_on};

/// `channel(capacity)`; without a capacity a rendezvous.
pub(super) fn channel(cx: &mut Native<'_>) -> NativeResult {
    let capacity = match cx.arg_count() {
        0 => 0,
        _ => size_arg(cx, "`channel`", 0)?,
    };
    let ring = match capacity {
        0 => None,
        n => {
            let ring = cx.alloc(ObjectKind::Buffer, n)?.object().expect("just allocated");
            Some(cx.root(ring))
        }
    };
    let channel = cx.alloc(ObjectKind::Channel, slots::CHANNEL_LEN as usize)?;
    let channel = channel.object().expect("just allocated");
    let number = new_number(cx);
    cx.init(channel, slots::HANDLE_NUMBER, number);
    for slot in [slots::BUFFERED, slots::BUFFER_START] {
        cx.init(channel, slot, Value::small(0));
    }
    cx.init(channel, slots::CAPACITY, Value::small(capacity as i64));
    cx.init(channel, slots::CLOSED, Value::FALSE);
    if let Some(ring) = ring {
        cx.init(channel, slots::CHANNEL_BUFFER, cx.get(ring));
    }
    Ok(Value::object(channel))
}

/// The next number for a channel or mutex.
pub(super) fn new_number(cx: &mut Native<'_>) -> Value {
    let world = cx.world();
    world.handles += 1;
    Value::small(world.handles as i64)
}

/// One attempt, within a section.
#[inline(always)]
fn attempt(cs: &mut Critical<'_>, side: usize, channel: Obj, v: Value) -> Attempt {
    match side {
        slots::SENDERS => channel::send(cs, channel, v),
        _ => channel::receive(cs, channel),
    }
}

/// Sends argument 1 to the channel in argument 0, or receives from it; waits if it has to. What it gives
/// is `end` of what was received, or of `None`: the channel is closed.
#[inline(always)]
fn operate(
    cx: &mut Native<'_>,
    side: usize,
    end: impl FnOnce(&mut Native<'_>, Option<Value>) -> NativeResult,
) -> NativeResult {
    let (task, channel, v) = (running(cx), receiver(cx), cx.arg(1).value());
    let cs = &mut cx.critical();
    let happened = match waiter::resume(cs, task) {
        Resumed::Fresh => match attempt(cs, side, channel, v) {
            Attempt::Done(v) => Some(v),
            Attempt::Closed => None,
            Attempt::Wait => {
                channel::wait(cs, channel, side, task, v);
                return Err(Exit::Block(Wait::Event(On::Channel, Until::NEVER)));
            }
        },
        Resumed::Completed(_, State::Closed, _) => None,
        Resumed::Completed(_, _, v) => Some(v),
        found => return Err(waits_on(cx, On::Channel, found)),
    };
    end(cx, happened)
}

fn or_closed(cx: &mut Native<'_>, happened: Option<Value>) -> NativeResult {
    happened.ok_or_else(|| closed(cx))
}

/// `ch.send(v)`
pub(super) fn send(cx: &mut Native<'_>) -> NativeResult {
    operate(cx, slots::SENDERS, or_closed)
}
/// `ch.recv()`
pub(super) fn recv(cx: &mut Native<'_>) -> NativeResult {
    operate(cx, slots::RECEIVERS, or_closed)
}
/// (channel, place) → is there no further element? If there is, it goes into the place, which
/// `for` reads it from.
pub(super) fn iter_done(cx: &mut Native<'_>) -> NativeResult {
    operate(cx, slots::RECEIVERS, |cx, received| {
        let Some(v) = received else { return Ok(Value::TRUE) };
        if let Some(place) = cx.arg(1).object() {
            cx.store(place, 0, v);
        }
        Ok(Value::FALSE)
    })
}

/// `ch.try_send(v)`: whether it was sent.
pub(super) fn try_send(cx: &mut Native<'_>) -> NativeResult {
    let (channel, v) = (receiver(cx), cx.arg(1).value());
    match channel::send(&mut cx.critical(), channel, v) {
        Attempt::Done(_) => Ok(Value::TRUE),
        Attempt::Wait => Ok(Value::FALSE),
        Attempt::Closed => Err(closed(cx)),
    }
}
/// `ch.try_recv()`: nil when nothing is there.
pub(super) fn try_recv(cx: &mut Native<'_>) -> NativeResult {
    let channel = receiver(cx);
    match channel::receive(&mut cx.critical(), channel) {
        Attempt::Done(v) => Ok(v),
        Attempt::Wait => Ok(Value::NIL),
        Attempt::Closed => Err(closed(cx)),
    }
}
/// `ch.close()`
pub(super) fn close(cx: &mut Native<'_>) -> NativeResult {
    let channel = receiver(cx);
    channel::close(&mut cx.critical(), channel);
    Ok(Value::NIL)
}
/// `ch.is_closed()`
pub(super) fn is_closed(cx: &mut Native<'_>) -> NativeResult {
    let channel = receiver(cx);
    Ok(Value::bool(channel::is_closed(&mut cx.critical(), channel)))
}
/// `ch.len()`: how many values are buffered.
pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    size_result(int_slot(cx, receiver(cx), slots::BUFFERED))
}
/// `ch.capacity()`
pub(super) fn capacity(cx: &mut Native<'_>) -> NativeResult {
    size_result(int_slot(cx, receiver(cx), slots::CAPACITY))
}

// ---- select ----
//
// `%select(side, channel, value, side, channel, value, …, otherwise, ms)` gives the number of the
// case that happened, in source order; `after` and `else` are the last one. What a case received
// is handed over in the result slot of the task's handle, which is not used before the task ends:
// so an operation that has happened needs no allocation that could fail.

/// Argument `otherwise` of `%select`: what happens when no case is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Otherwise {
    /// It waits.
    Wait = 0,
    /// It goes on with `else`.
    Else = 1,
    /// It waits for so many milliseconds, then goes on with `after`.
    After = 2,
}

/// Argument `side` of `%select`: what a case does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// `ch.recv()`
    Receive = 0,
    /// `ch.send(v)`
    Send = 1,
}

const CASE_WORDS: usize = 3;

fn case_count(cx: &Native<'_>) -> usize {
    cx.arg_count() / CASE_WORDS
}

/// Side, channel and value of a case.
fn case(cx: &Native<'_>, n: usize) -> (usize, Obj, Value) {
    let at = CASE_WORDS * n;
    let side = match cx.arg(at).value().as_int() {
        Some(side) if side == Side::Send as i64 => slots::SENDERS,
        _ => slots::RECEIVERS,
    };
    let channel = cx.arg(at + 1).object().expect("checked at the start");
    (side, channel, cx.arg(at + 2).value())
}

/// The compiler's function behind `select { … }`.
pub(super) fn select(cx: &mut Native<'_>) -> NativeResult {
    let count = case_count(cx);
    for n in 0..count {
        let at = CASE_WORDS * n + 1;
        kind_arg(cx, "a case of `select`", at, ObjectKind::Channel, "a channel")?;
    }
    let at = CASE_WORDS * count;
    let otherwise = cx.arg(at).value().as_int();
    let until = match otherwise {
        Some(after) if after == Otherwise::After as i64 => Some(deadline(cx, "`after`", at + 1)?),
        _ => None,
    };
    let task = running(cx);
    match waiter::resume(&mut cx.critical(), task) {
        Resumed::Fresh => {}
        Resumed::Completed(n, state, v) => return chosen(cx, n, state, v),
        Resumed::TimedOut => return size_result(count),
        found => return Err(waits_on(cx, On::Select, found)),
    }
    let cases: Vec<_> = (0..count).map(|n| case(cx, n)).collect();
    if let Some((n, tried)) = first_ready(&mut cx.critical(), &cases) {
        return ready(cx, n, tried);
    }
    if otherwise == Some(Otherwise::Else as i64) {
        return size_result(count);
    }
    wait_for_one(cx, count, until)
}

/// Leaves a waiter in every channel's queue, unless a case is ready by now.
fn wait_for_one(cx: &mut Native<'_>, count: usize, until: Option<u64>) -> NativeResult {
    let mut first = None;
    for n in (0..count).rev() {
        let waiter = new_waiter(cx)?;
        let o = object_at(cx, waiter);
        cx.init(o, slots::WAITER_VALUE, case(cx, n).2);
        if let Some(next) = first.replace(waiter) {
            cx.init(o, slots::WAITER_SIBLING, cx.get(next));
        }
    }
    let cases: Vec<_> = (0..count).map(|n| case(cx, n)).collect();
    let (task, first) = (running(cx), first.map(|first| object_at(cx, first)));
    let cs = &mut cx.critical();
    if let Some((n, tried)) = first_ready(cs, &cases) {
        return ready(cx, n, tried);
    }
    let mut waiter = first;
    for (n, &(side, channel, _)) in cases.iter().enumerate() {
        let at = waiter.expect("one per case");
        queue::push(cs, channel, side, at, n);
        waiter = cs.object(at, slots::WAITER_SIBLING);
    }
    waiter::begin(cs, task, first, until);
    Err(Exit::Block(Wait::Event(On::Select, until.into())))
}

/// The first case, in source order, that does not have to wait.
fn first_ready(cs: &mut Critical<'_>, cases: &[(usize, Obj, Value)]) -> Option<(usize, Attempt)> {
    let mut tried = cases.iter().map(|&(side, channel, v)| attempt(cs, side, channel, v));
    let ready = tried.by_ref().enumerate().find(|(_, tried)| *tried != Attempt::Wait);
    drop(tried);
    ready
}

fn ready(cx: &mut Native<'_>, n: usize, tried: Attempt) -> NativeResult {
    match tried {
        Attempt::Done(v) => chosen(cx, n, State::Done, v),
        Attempt::Closed | Attempt::Wait => Err(closed(cx)),
    }
}

fn chosen(cx: &mut Native<'_>, n: usize, state: State, v: Value) -> NativeResult {
    if state == State::Closed {
        return Err(closed(cx));
    }
    cx.store(running(cx), slots::TASK_RESULT, v);
    size_result(n)
}

/// `%select_value()`: what the chosen case received.
pub(super) fn select_value(cx: &mut Native<'_>) -> NativeResult {
    let task = running(cx);
    Ok(cx.critical().take(task, slots::TASK_RESULT))
}
