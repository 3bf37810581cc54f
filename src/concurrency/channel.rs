//! Channels: a ring buffer of fixed capacity between a queue of receivers and one of senders.
//!
//! Invariants, between sections
//! - Receivers wait only while the buffer is empty, senders only while it is full (always, when the
//!   capacity is 0: a rendezvous). Both queues hold entries only where one `select` offers to send
//!   and to receive on the same channel: a task never meets itself.
//! - A closed channel has no waiters. What was buffered before `close` is still received.

use super::waiter::{self, State};
use super::{Critical, queue};
use crate::object::{Obj, slots};
use crate::value::Value;

/// What an attempt to send or receive gave.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Attempt {
    /// It happened: the received value, nil when sending.
    Done(Value),
    /// The channel is closed (and, when receiving, drained).
    Closed,
    /// It has to wait.
    Wait,
}

/// Sends if a receiver waits or the buffer has room.
#[inline(always)]
pub fn send(cs: &mut Critical<'_>, channel: Obj, v: Value) -> Attempt {
    if let Some(receiver) = queue::first(cs, channel, slots::RECEIVERS) {
        waiter::complete_first(cs, channel, slots::RECEIVERS, receiver, State::Done, v);
        return Attempt::Done(Value::NIL);
    }
    if is_closed(cs, channel) {
        return Attempt::Closed;
    }
    if cs.int(channel, slots::BUFFERED) < cs.int(channel, slots::CAPACITY) {
        push(cs, channel, v);
        return Attempt::Done(Value::NIL);
    }
    Attempt::Wait
}

/// Receives if something is buffered or a sender waits.
#[inline(always)]
pub fn receive(cs: &mut Critical<'_>, channel: Obj) -> Attempt {
    let sender = queue::first(cs, channel, slots::SENDERS);
    let buffered = cs.int(channel, slots::BUFFERED) > 0;
    let received = if buffered { Some(pop(cs, channel)) } else { None };
    if let Some(sender) = sender {
        let offered = cs.load(sender, slots::WAITER_VALUE);
        waiter::complete_first(cs, channel, slots::SENDERS, sender, State::Done, Value::NIL);
        match received {
            // The longest waiting sender's value takes the place that became free.
            Some(_) => push(cs, channel, offered),
            None => return Attempt::Done(offered),
        }
    }
    match received {
        Some(v) => Attempt::Done(v),
        None if is_closed(cs, channel) => Attempt::Closed,
        None => Attempt::Wait,
    }
}

/// A task that finds nobody, and no room or no value, waits on this side; a sender offers `v`.
#[inline(always)]
pub fn wait(cs: &mut Critical<'_>, channel: Obj, side: usize, task: Obj, v: Value) {
    waiter::begin_one(cs, task, channel, side);
    if side == slots::SENDERS {
        cs.store(task, slots::WAITER_VALUE, v);
    }
}

/// Closes: everybody who waits is told. Closing again does nothing.
pub fn close(cs: &mut Critical<'_>, channel: Obj) {
    cs.store(channel, slots::CLOSED, Value::TRUE);
    for side in [slots::RECEIVERS, slots::SENDERS] {
        while let Some(waiter) = queue::first(cs, channel, side) {
            waiter::complete_first(cs, channel, side, waiter, State::Closed, Value::NIL);
        }
    }
}

/// Whether it was closed.
pub fn is_closed(cs: &mut Critical<'_>, channel: Obj) -> bool {
    cs.load(channel, slots::CLOSED).truthy()
}

fn buffer(cs: &mut Critical<'_>, channel: Obj) -> Obj {
    cs.object(channel, slots::CHANNEL_BUFFER).expect("a channel with a capacity has a buffer")
}

fn push(cs: &mut Critical<'_>, channel: Obj, v: Value) {
    let ring = buffer(cs, channel);
    let (start, len) = (cs.int(channel, slots::BUFFER_START), cs.int(channel, slots::BUFFERED));
    cs.store(ring, (start + len) % ring.len(), v);
    cs.store_int(channel, slots::BUFFERED, len + 1);
}

fn pop(cs: &mut Critical<'_>, channel: Obj) -> Value {
    let ring = buffer(cs, channel);
    let (start, len) = (cs.int(channel, slots::BUFFER_START), cs.int(channel, slots::BUFFERED));
    let v = cs.take(ring, start);
    cs.store_int(channel, slots::BUFFER_START, (start + 1) % ring.len());
    cs.store_int(channel, slots::BUFFERED, len - 1);
    v
}
