//! Workers without work: who sleeps, who is woken, and when nothing can happen any more.
//!
//! Everything here is touched with the gate held, except the sleep itself.
//!
//! Protocol of a worker that finds nothing to run
//! 1. Nobody runs a slice ([`Idle::nobody_runs`]) and no timer is set: nothing can make a task ready any
//!    more. This worker, and no other, reports the end of the program, or the deadlock.
//! 2. Else it puts itself on the list, 3. gives the gate up, 4. sleeps, 5. takes the gate, 6. leaves the
//!    list, and looks again.
//!
//! Protocol of a worker that has queued a task: it takes a sleeper off the list and wakes it.
//!
//! The race it prevents: a task queued between the look and the sleep would find nobody to wake. But the
//! gate is held from the look to step 3, so a task is queued before the look (then it is found) or after
//! step 2 (then the sleeper is on the list). Waking before step 4 leaves a token, which ends that sleep at
//! once. A sleep may end without reason; step 6 keeps such a worker from being woken in another's place.

use std::time::Duration;

use crate::gate::Gate;
use crate::sync::thread::{self, Thread};

/// How many workers run, and which sleep.
#[derive(Debug, Default)]
pub struct Idle {
    busy: usize,
    sleepers: Vec<(usize, Thread)>,
}

impl Idle {
    /// A worker runs a slice from now on.
    pub fn slice_begins(&mut self) {
        self.busy += 1;
    }
    /// It has ended.
    pub fn slice_ends(&mut self) {
        self.busy -= 1;
    }
    /// Whether no worker runs a slice (step 1).
    pub fn nobody_runs(&self) -> bool {
        self.busy == 0
    }
    /// Wakes a sleeper; whether there was one.
    pub fn wake_one(&mut self) -> bool {
        let sleeper = self.sleepers.pop();
        sleeper.as_ref().inspect(|(_, thread)| thread.unpark()).is_some()
    }
    /// Wakes this worker; whether it slept.
    pub fn wake(&mut self, worker: usize) -> bool {
        let place = self.sleepers.iter().position(|&(number, _)| number == worker);
        let sleeper = place.map(|i| self.sleepers.swap_remove(i));
        sleeper.inspect(|(_, thread)| thread.unpark()).is_some()
    }
    /// Wakes all that sleep.
    pub fn wake_all(&mut self) {
        for (_, thread) in self.sleepers.drain(..) {
            thread.unpark();
        }
    }

    /// Steps 2 to 6. `idle` gives the list; it is called with the gate held.
    ///
    /// # Safety
    /// The calling worker, whose number is `me`, holds the gate, and uses nothing the gate guards by a
    /// reference from before.
    pub unsafe fn sleep<'a>(
        gate: &Gate,
        me: usize,
        wait: Option<Duration>,
        mut idle: impl FnMut() -> &'a mut Idle,
    ) {
        idle().sleepers.push((me, thread::current()));
        // SAFETY: by the caller.
        unsafe { gate.unlock() };
        thread::park(wait);
        gate.lock();
        idle().sleepers.retain(|&(number, _)| number != me);
    }
}
