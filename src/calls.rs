//! Calls that may block the system's thread, such as reading from a terminal: they run on helper threads
//! outside of the VM, while the task that asked waits like any other.
//!
//! A builtin that would block hands over a job and ends the slice ([`Wait::Call`](crate::host::Wait)). The
//! job touches no heap and no state of the VM: it prepares what the builtin finds when the task wakes and
//! redoes the instruction. So nothing is lost when the task has been cancelled meanwhile, no worker and no
//! stop of the world waits for the call, and the end of the VM does not either: its helper is left alone.
//!
//! Protocol
//! 1. [`Calls::submit`] queues the job. If more jobs are queued than helpers wait, and there are fewer
//!    helpers than there may be, it starts one. If the system gives no thread and there is no helper at
//!    all, the caller gets the job back and runs it itself: no job is ever left to nobody.
//! 2. A helper takes the first job, runs it, puts its ticket on the list of those that are done, and wakes
//!    the listener, if there is one.
//! 3. A worker looks for tickets between slices ([`Calls::any_done`], [`Calls::take_done`]); before it
//!    sleeps, [`Calls::listen`] makes it the listener, unless there is a ticket already.
//!
//! The race it prevents: a job that is done between the look and the sleep would wake nobody. Steps 2 and 3
//! are under one lock: the ticket is seen by `listen`, or the listener by the helper; waking before the
//! sleep leaves a token. And a helper that was told of a job counts as waiting until it takes the lock, but
//! so long the job is in the queue: both are compared under the lock, so two jobs never count on one helper.
//!
//! Jobs that wait for one another's stream occupy a helper each: at the cap the rest queue.
//!
//! Source: tokio's blocking pool and its failures at the cap (tokio #8056, #8406).

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, Thread};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What a helper does.
pub type Job = Box<dyn FnOnce() + Send>;

/// Says whose job it was.
pub type Ticket = u64;

/// How a job ended: the payload of its panic, if it panicked.
pub type Done = (Ticket, Result<(), Box<dyn Any + Send>>);

/// The jobs and the helpers.
pub struct Calls {
    state: Mutex<State>,
    /// There is a job, or the end.
    work: Condvar,
    /// A hint for step 3: whether the list may have tickets.
    done: AtomicBool,
    threads_max: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Ticket, Job)>,
    /// Helpers that wait for a job.
    waiting: usize,
    helpers: usize,
    done: Vec<Done>,
    listener: Option<Thread>,
    closed: bool,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Calls(at most {} helpers)", self.threads_max)
    }
}

impl Calls {
    /// Nothing to do; at most this many helpers.
    pub fn new(threads_max: usize) -> Calls {
        Calls {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            done: AtomicBool::new(false),
            threads_max,
        }
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside of the lock, so nothing can panic in it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Step 1.
    ///
    /// # Errors
    /// There is no thread to run it: the job, for the caller to run.
    pub fn submit(calls: &Arc<Calls>, ticket: Ticket, job: Job) -> Result<(), Job> {
        let mut state = calls.lock();
        state.queue.push_back((ticket, job));
        if state.queue.len() <= state.waiting {
            calls.work.notify_one();
        } else if state.helpers < calls.threads_max {
            let helped = calls.clone();
            let started = thread::start("menagerie-call", move || helped.help());
            state.helpers += usize::from(started);
        }
        if state.helpers == 0 {
            let (_, job) = state.queue.pop_back().expect("just queued");
            return Err(job);
        }
        Ok(())
    }
    /// Step 2.
    fn help(&self) {
        let mut state = self.lock();
        loop {
            while state.queue.is_empty() && !state.closed {
                state.waiting += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
            }
            let Some((ticket, job)) = state.queue.pop_front() else { return };
            drop(state);
            let result = catch_unwind(AssertUnwindSafe(job));
            state = self.lock();
            state.done.push((ticket, result));
            self.done.store(true, Ordering::Relaxed);
            if let Some(listener) = state.listener.take() {
                listener.unpark();
            }
        }
    }
    /// Step 3: whether it is worth while to call `take_done`. A hint: who goes to sleep calls `listen`.
    pub fn any_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
    /// The tickets of what is done.
    pub fn take_done(&self) -> Vec<Done> {
        let mut state = self.lock();
        self.done.store(false, Ordering::Relaxed);
        std::mem::take(&mut state.done)
    }
    /// Makes the calling thread the one that is woken; `false` when something is done already.
    #[must_use]
    pub fn listen(&self) -> bool {
        let mut state = self.lock();
        let nothing = state.done.is_empty();
        if nothing {
            state.listener = Some(thread::current());
        }
        nothing
    }
    /// Jobs that have not begun never will, and helpers go as soon as they can.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queue.clear();
        self.work.notify_all();
    }
}
