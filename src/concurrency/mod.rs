//! The state machines of channels, `select`, mutexes, actors, cancellation and scopes.
//!
//! All state is in heap objects: a channel, mutex or actor holds queues of *waiters*. The handle of a
//! task, which is what `spawn` gave, is a waiter itself, and the only one that a task needs that waits for
//! one thing; each case of a `select` and each message to an actor has one of its own, and the handle
//! holds the first. Nothing is kept in side tables, so what waits nowhere and is reached from nowhere is
//! collected, and values in transit are traced like any other slot.
//!
//! ```text
//!   channel ─ receivers ─► handle ◄─next/previous─► waiter ─ sibling ─► waiter (in another queue)
//!      ▲                     │ wait                 │ │ ▲
//!      ├─────────────────────┘                   of │ │ └─ wait ─┐
//!      └────────────────────────────────────────────┘ └─ task ─► handle
//! ```
//!
//! Hand-off, or redo. An operation that must wait leaves waiters in the queues, and its
//! instruction ends the slice with [`Wait::Event`](crate::host::Wait). Whoever makes the operation
//! possible *completes* it in the handle (the value it sends, the ownership it hands over), takes
//! all waiters of that task out of their queues, and wakes the task. The task then redoes the
//! instruction, finds its operation completed and takes the result. So queues are FIFO-fair, no
//! third task can steal a value, and a spurious wake-up is harmless: the redone instruction finds its
//! wait pending and waits on. Where the instruction gives what the operation gives and nothing else
//! (`recv`, `send`, a lock), the result is written into the task's register instead, and nothing is
//! redone ([`Critical::give`]).
//!
//! Rules
//! - C1. Queues and waiters are read and written only through [`Critical`], in one section per
//!   step. A section does not allocate, so it holds no safepoint: plain objects stay valid in it.
//!   What a step needs is allocated before: only `select` and messages need anything.
//! - C2. A waiter in a queue is pending. Completing one case of a `select` takes the others out too,
//!   so a queue holds no stale entries and a task completes at most once per wait.
//! - C3. The word of a handle ([`waiter::Word`]) is nil unless the task stands in an operation that
//!   waits. While it is nil, `wait` is no reference: a handle keeps nothing alive for which its task does
//!   not wait.
//! - C4. Every operation that may wait is a cancellation point. A completed operation gives its
//!   result even when the task was cancelled meanwhile (nothing in transit is lost); the
//!   cancellation stays pending until the next such operation.
//! - C5. Slots are written through the heap's barriers; cycles among waiters and what they wait for are
//!   undone when the wait ends, so counting heaps free them. No handle holds itself: that a handle is its
//!   own waiter is known by the number of the task, which is where a waiter has the task's handle.
//!
//! Parallel drivers: one lock taken by [`Critical::enter`] and released when the section is dropped
//! makes all of this atomic; the task word orders a wake-up against the suspension.

pub mod actor;
pub mod channel;
pub mod mutex;
pub mod queue;
pub mod report;
pub mod scope;
pub mod waiter;

use crate::host::Host;
use crate::object::{Obj, slots};
use crate::task::TaskId;
use crate::value::Value;

/// A section in which queues and waiters are consistent and nobody else sees them (C1).
pub struct Critical<'a> {
    host: &'a mut dyn Host,
    /// Whether the host need not be asked for what a slot holds, which is most of what a section does.
    loads_plainly: bool,
}

impl std::fmt::Debug for Critical<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Critical")
    }
}

impl<'a> Critical<'a> {
    /// Begins a section; it ends when the value is dropped.
    #[inline]
    pub fn enter(host: &'a mut dyn Host) -> Critical<'a> {
        let loads_plainly = host.loads_plainly();
        Critical { host, loads_plainly }
    }
    /// As [`Critical::enter`], of a host that has been asked what its loads are.
    #[inline(always)]
    pub(crate) fn of(host: &'a mut dyn Host, loads_plainly: bool) -> Critical<'a> {
        Critical { host, loads_plainly }
    }
    /// Reads a slot.
    #[inline(always)]
    pub fn load(&mut self, o: Obj, i: usize) -> Value {
        if self.loads_plainly { o.slot(i) } else { self.load_by_host(o, i) }
    }
    #[cold]
    #[inline(never)]
    fn load_by_host(&mut self, o: Obj, i: usize) -> Value {
        self.host.load(o, i)
    }
    /// Reads a slot that holds an object or nil.
    #[inline(always)]
    pub fn object(&mut self, o: Obj, i: usize) -> Option<Obj> {
        self.load(o, i).as_object()
    }
    /// Reads a slot that holds a small int.
    #[inline(always)]
    pub fn int(&mut self, o: Obj, i: usize) -> usize {
        self.load(o, i).as_int().map_or(0, |i| i as usize)
    }
    /// Writes a slot.
    #[inline(always)]
    pub fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.host.store(o, i, v);
    }
    /// Writes a slot that holds a small int.
    pub fn store_int(&mut self, o: Obj, i: usize, n: usize) {
        self.store(o, i, Value::small(n as i64));
    }
    /// Writes a slot that holds an object or nil.
    pub fn store_object(&mut self, o: Obj, i: usize, to: Option<Obj>) {
        self.store(o, i, to.map_or(Value::NIL, Value::object));
    }
    /// Moves the value out of a slot: it becomes nil.
    pub fn take(&mut self, o: Obj, i: usize) -> Value {
        // Counting heaps free at the end of the instruction (H5), so the value outlives its slot.
        let v = self.load(o, i);
        self.store(o, i, Value::NIL);
        v
    }
    /// Makes a task ready that waits, by its handle.
    #[inline]
    pub fn wake(&mut self, handle: Obj) {
        let id = self.task_id(handle);
        self.host.wake(id);
    }
    /// Gives a task that waits in one queue its result and makes it ready, if it need not execute its
    /// instruction again for that; whether it did.
    #[inline]
    pub fn give(&mut self, handle: Obj, result: Value) -> bool {
        let id = self.task_id(handle);
        self.host.give(id, result)
    }
    /// The number of a task, by its handle.
    pub fn task_id(&mut self, handle: Obj) -> TaskId {
        TaskId::from_value(self.load(handle, slots::TASK_ID)).expect("a handle names its task")
    }
    /// The time, nanoseconds since the start.
    pub fn now_ns(&mut self) -> u64 {
        self.host.world().now_ns()
    }
}
