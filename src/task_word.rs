//! The task word: who may queue a task, and whether a wake-up came while it ran.
//!
//! States: idle (0), `RUNNING`, `NOTIFIED` (queued), both (woken while running).
//! Protocol:
//! 1. `wake` sets `NOTIFIED`; its caller queues the task iff neither bit was set before.
//! 2. A worker that takes the task from a queue calls `start`: `NOTIFIED` becomes `RUNNING`.
//! 3. At the end of a slice that waits it calls `suspend`: `RUNNING` becomes idle; if a wake came in
//!    between, the word was `RUNNING | NOTIFIED`, `suspend` answers false, and the worker queues the
//!    task itself.
//!
//! The race it prevents: a wake-up between the check of a condition and the suspension would be
//! lost. Either the waker sees `RUNNING` (then the worker sees `NOTIFIED` in 3) or it sees idle (then
//! it queues). Acquire/release on both sides order the task's memory between slices.

use crate::sync::atomic::{AtomicU8, Ordering};

/// The word; see the file's head.
#[derive(Debug)]
pub struct TaskWord(AtomicU8);

const RUNNING: u8 = 1;
const NOTIFIED: u8 = 2;

impl TaskWord {
    /// The word of a task that is about to be queued.
    pub fn queued() -> TaskWord {
        TaskWord(AtomicU8::new(NOTIFIED))
    }
    /// Step 1: `true` when the caller must queue the task.
    #[must_use]
    pub fn wake(&self, by: Workers) -> bool {
        // Release: what the waker wrote is seen by the worker that starts the task (step 2).
        let was = match by {
            Workers::Several => self.0.fetch_or(NOTIFIED, Ordering::AcqRel),
            Workers::One => self.replace(self.0.load(Ordering::Relaxed) | NOTIFIED),
        };
        was & (RUNNING | NOTIFIED) == 0
    }
    /// Whether it is in a queue, at some time during the call: for reports.
    pub fn is_queued(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTIFIED
    }
    /// Step 2.
    pub fn start(&self, by: Workers) {
        let was = match by {
            Workers::Several => self.0.swap(RUNNING, Ordering::AcqRel),
            Workers::One => self.replace(RUNNING),
        };
        debug_assert_eq!(was, NOTIFIED, "started a task that was not queued");
    }
    /// Step 3: `false` when the task was woken meanwhile and the caller must queue it.
    #[must_use]
    pub fn suspend(&self, by: Workers) -> bool {
        let idle = match by {
            Workers::Several => {
                self.0.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
            }
            Workers::One => {
                let running = self.0.load(Ordering::Relaxed) == RUNNING;
                if running {
                    self.replace(0);
                }
                running
            }
        };
        if !idle {
            self.requeue(by);
        }
        idle
    }
    /// At the end of a slice that goes back to the queue (preempted, yielded).
    pub fn requeue(&self, by: Workers) {
        match by {
            // A swap, not a store: it acquires what a waker released meanwhile and hands it on to the
            // worker that starts the task. A store would cover it up: the next slice could miss what it
            // was woken for, and wait for ever.
            Workers::Several => {
                self.0.swap(NOTIFIED, Ordering::AcqRel);
            }
            Workers::One => {
                self.replace(NOTIFIED);
            }
        }
    }
    /// For one worker.
    fn replace(&self, to: u8) -> u8 {
        let was = self.0.load(Ordering::Relaxed);
        self.0.store(to, Ordering::Relaxed);
        was
    }
}

/// How many workers use a word. One needs no atomic read-modify-write, of which a switch between tasks
/// takes two and costs as much as the rest of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workers {
    /// One thread does everything.
    One,
    /// Any thread may do any step.
    Several,
}
