//! Workers without work: who sleeps, who is woken, and when nothing can happen any more.
//!
//! Everything here is touched with the gate held, except the sleep itself.
//!
//! Protocol of a worker that finds nothing to run
//! 1. No slice runs and no task is queued ([`Idle::nothing_runs`]), no timer is set and no call is in
//!    flight: nothing can make a task ready any more. This worker, and no other, reports the end of the
//!    program, or the deadlock.
//! 2. Else it puts itself on the list, 3. gives the gate up, 4. sleeps, 5. takes the gate, 6. leaves the
//!    list, and looks again.
//!
//! Protocol of a worker that has queued a task: it takes a sleeper off the list and wakes it. Where one
//! worker alone can run the task, that one.
//!
//! The race it prevents: a task queued between the look and the sleep would find nobody to wake. But the
//! gate is held from the look to step 3, so a task is queued before the look (then it is found) or after
//! step 2 (then the sleeper is on the list). Waking before step 4 leaves a token, which ends that sleep at
//! once. A sleep may end without reason; step 6 keeps such a worker from being woken in another's place.
//! A task counts as queued until its slice begins: where it is another worker's, that one may still be on
//! its way to it.
//!
//! The *watcher* is the one sleeper that waits for what comes from outside of the workers: timers and the
//! ends of calls. It is woken for a task only when nobody else sleeps. There is one while anybody sleeps
//! and something is to come: the worker that goes to sleep takes the part if it is vacant, and a worker
//! that is about to run a slice wakes another when it finds it vacant ([`Idle::lacks_watcher`]).

use std::time::Duration;

use crate::gate::Gate;
use crate::sync::thread::{self, Thread};

/// How many workers run, and which sleep.
#[derive(Debug, Default)]
pub struct Idle {
    /// Workers in slices.
    busy: usize,
    /// Tasks in queues.
    queued: usize,
    sleepers: Vec<(usize, Thread)>,
    /// By a worker's number: its place among the sleepers.
    places: Vec<Option<usize>>,
    /// The watcher's number, and when it will look by itself.
    watcher: Option<(usize, u64)>,
}

impl Idle {
    /// A task has been put into a queue.
    pub fn task_queued(&mut self) {
        self.queued += 1;
    }
    /// A worker runs a slice of a task that was queued from now on.
    pub fn slice_begins(&mut self) {
        self.queued -= 1;
        self.busy += 1;
    }
    /// It has ended.
    pub fn slice_ends(&mut self) {
        self.busy -= 1;
    }
    /// Whether no worker runs a slice.
    pub fn nobody_runs(&self) -> bool {
        self.busy == 0
    }
    /// Whether no worker runs a slice, nor will for a task that is queued (step 1).
    pub fn nothing_runs(&self) -> bool {
        self.busy == 0 && self.queued == 0
    }
    /// Whether a worker that finds nothing may end instead of sleeping: another one will look after it. If
    /// nothing runs, it is the one that has to report that (step 1).
    pub fn may_leave(&self) -> bool {
        !self.nothing_runs()
    }
    /// Wakes a sleeper, the watcher last; whether there was one.
    #[inline]
    pub fn wake_one(&mut self) -> bool {
        !self.sleepers.is_empty() && self.wake_last()
    }
    #[cold]
    fn wake_last(&mut self) -> bool {
        let last = self.sleepers.len().checked_sub(1);
        let is_watcher = |i: usize| self.watcher.is_some_and(|(w, _)| w == self.sleepers[i].0);
        let place = match last {
            Some(i) if i > 0 && is_watcher(i) => Some(i - 1),
            place => place,
        };
        place.inspect(|&i| self.take(i).unpark()).is_some()
    }
    /// Wakes this worker; whether it slept.
    pub fn wake(&mut self, worker: usize) -> bool {
        let place = self.places.get(worker).copied().flatten();
        place.inspect(|&i| self.take(i).unpark()).is_some()
    }
    /// Wakes all that sleep.
    pub fn wake_all(&mut self) {
        while let Some(last) = self.sleepers.len().checked_sub(1) {
            self.take(last).unpark();
        }
    }

    /// The worker `me`, which is about to sleep, takes the watcher's part until `due`, if it is vacant.
    #[must_use]
    pub fn watch(&mut self, me: usize, due: u64) -> bool {
        let vacant = self.watcher.is_none();
        if vacant {
            self.watcher = Some((me, due));
        }
        vacant
    }
    /// It does not sleep after all.
    pub fn watch_no_more(&mut self) {
        self.watcher = None;
    }
    /// Whether somebody could be the watcher, and nobody is.
    pub fn lacks_watcher(&self) -> bool {
        self.watcher.is_none() && !self.sleepers.is_empty()
    }
    /// There is something to come at `due`: wakes the watcher if it would look later.
    pub fn sooner(&mut self, due: u64) {
        if let Some((watcher, until)) = self.watcher
            && due < until
        {
            self.wake(watcher);
        }
    }

    /// Takes a sleeper off the list; it is no watcher any more.
    fn take(&mut self, place: usize) -> Thread {
        let (number, thread) = self.sleepers.swap_remove(place);
        self.places[number] = None;
        if let Some(&(moved, _)) = self.sleepers.get(place) {
            self.places[moved] = Some(place);
        }
        self.watcher = self.watcher.filter(|&(watcher, _)| watcher != number);
        thread
    }
    fn list(&mut self, me: usize) {
        if self.places.len() <= me {
            self.places.resize(me + 1, None);
        }
        self.places[me] = Some(self.sleepers.len());
        self.sleepers.push((me, thread::current()));
    }
    /// Step 6: whether another worker has done it already, that is, has woken this one.
    fn unlist(&mut self, me: usize) -> bool {
        let place = self.places[me];
        place.inspect(|&i| drop(self.take(i))).is_none()
    }

    /// Steps 2 to 6; whether another worker ended the sleep. `idle` gives the list; it is called with the
    /// gate held.
    ///
    /// # Safety
    /// The calling worker, whose number is `me`, holds the gate, and uses nothing the gate guards by a
    /// reference from before.
    pub unsafe fn sleep<'a>(
        gate: &Gate,
        me: usize,
        wait: Option<Duration>,
        mut idle: impl FnMut() -> &'a mut Idle,
    ) -> bool {
        idle().list(me);
        // SAFETY: by the caller.
        unsafe { gate.unlock() };
        thread::park(wait);
        gate.lock();
        idle().unlist(me)
    }
}
