//! Threads that sleep between collections and help in them.
//!
//! ```text
//!   collector   ──publish──► works, too ──withdraw──► waits until nobody is inside ──►
//!   helper      ─ sleeps ─► inside: works ─► out ─ sleeps ─────────────────────────────►
//! ```
//!
//! Protocol, all of it with the lock held but the work itself
//! 1. The collector publishes the job under a new number and wakes the helpers.
//! 2. A helper that sees a job whose number is new to it goes inside, works, and comes out.
//! 3. The collector does the same work. When it is done, it withdraws the job: who has not gone inside by
//!    now never will. So a helper that the system does not run costs nothing but its help.
//! 4. It waits until nobody is inside. Only then may what the job refers to go.
//!
//! The end of a crew: `quit` instead of a job, and the threads are joined.
//! A helper that panics comes out like any other and the collector panics in its turn.

use std::fmt;
use std::sync::PoisonError;

use crate::sync::thread::{JoinHandle, spawn};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What is to be done, by everybody at the same time.
type Job<'a> = dyn Fn() + Sync + 'a;

#[derive(Default)]
struct State {
    job: Option<&'static Job<'static>>,
    /// The job's number.
    round: u64,
    /// How many helpers work on it.
    inside: usize,
    panicked: bool,
    quit: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a job, or it is time to quit.
    begin: Condvar,
    /// Nobody is inside.
    end: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn helper(&self) {
        let mut seen = 0;
        let mut state = self.lock();
        while !state.quit {
            match state.job {
                Some(job) if state.round != seen => {
                    seen = state.round;
                    state.inside += 1;
                    drop(state);
                    let out = Out { shared: self, panicked: true };
                    job();
                    out.leave();
                    state = self.lock();
                }
                _ => state = self.begin.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A helper's way out, also when it unwinds.
struct Out<'a> {
    shared: &'a Shared,
    panicked: bool,
}

impl Out<'_> {
    fn leave(mut self) {
        self.panicked = false;
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.inside -= 1;
        state.panicked |= self.panicked;
        if state.inside == 0 {
            self.shared.end.notify_one();
        }
    }
}

/// Steps 3 and 4, also when the collector unwinds.
struct Withdraw<'a>(&'a Shared);

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.job = None;
        while state.inside > 0 {
            state = self.0.end.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The threads. They are started at the first job.
pub struct Crew {
    helpers: usize,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crew({} helpers)", self.helpers)
    }
}

impl Crew {
    /// A crew of so many threads besides the one that collects.
    pub fn new(helpers: usize) -> Crew {
        Crew { helpers, shared: Arc::default(), threads: Vec::new() }
    }
    /// A system that refuses threads gets on with those there are.
    fn start(&mut self) {
        for _ in self.threads.len()..self.helpers {
            let shared = self.shared.clone();
            self.threads.extend(spawn("collector", move || shared.helper()));
        }
        self.helpers = self.threads.len();
    }
    /// Runs a job here and, at the same time, on every helper that comes in time.
    ///
    /// # Panics
    /// When the job panics, here or on a helper.
    pub fn run(&mut self, job: &Job<'_>) {
        self.start();
        // SAFETY: only the lifetime is widened. Helpers use the job between going inside and coming out;
        // `Withdraw` waits for that before `job` goes out of use, also on unwinding (steps 3 and 4).
        let published = unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
        let mut state = self.shared.lock();
        state.round += 1;
        state.job = Some(published);
        drop(state);
        let withdraw = Withdraw(&self.shared);
        self.shared.begin.notify_all();
        job();
        drop(withdraw);
        assert!(!self.shared.lock().panicked, "a helper has panicked, see above");
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.lock().quit = true;
        self.shared.begin.notify_all();
        for thread in self.threads.drain(..) {
            // A panic has been reported by `run`.
            drop(thread.join());
        }
    }
}
