//! Task dumps: what every task does, shown while the program goes on.
//!
//! Whoever wants one asks from a thread of its own. A worker answers, at its next poll or before its next
//! slice, with the world stopped, and the slices go on as if nothing had happened: a dump changes no
//! schedule.
//!
//! Protocol
//! 1. The asker sets `asked`, then pokes: it asks every worker's slice to leave fast code, and wakes every
//!    worker that sleeps. The list of workers has a lock of its own, because with one worker the gate is
//!    never given up; a worker takes itself off the list before its limit word goes.
//! 2. A worker that leaves fast code, or is about to look for work, takes `asked` back and answers.
//! 3. A poke can be lost: the limit word is the gate holder's to write, who may overwrite it. The asker
//!    pokes again until it is answered. A poke can come too late: the slice finds nobody asking, and goes
//!    on (L3).

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crate::limit::Limit;
use crate::table::Standing;

/// How long the asker waits before it pokes again.
const PATIENCE: Duration = Duration::from_millis(5);

/// Asks for dumps, and shows them.
pub struct Dumps {
    asked: AtomicBool,
    workers: Mutex<Vec<Listed>>,
    show: Box<Show>,
}

/// Shows what every task does; on the thread of a worker, while the world is stopped.
type Show = dyn Fn(&[Standing]) + Send + Sync;

/// A worker on the list.
struct Listed {
    limit: NonNull<Limit>,
    thread: Thread,
}

// SAFETY: a limit's words are atomic, and it is there as long as it is on the list.
unsafe impl Send for Listed {}

impl std::fmt::Debug for Dumps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dumps({} workers)", self.workers().len())
    }
}

impl Dumps {
    /// Dumps that are shown in this way. The VM whose tasks they show is built with a clone.
    pub fn new(show: impl Fn(&[Standing]) + Send + Sync + 'static) -> Arc<Dumps> {
        Arc::new(Dumps {
            asked: AtomicBool::new(false),
            workers: Mutex::default(),
            show: Box::new(show),
        })
    }
    fn workers(&self) -> MutexGuard<'_, Vec<Listed>> {
        // Nothing panics in the lock.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Asks for a dump and waits until it was shown; whether it was: not when no program runs.
    pub fn ask(&self) -> bool {
        self.asked.store(true, Ordering::Release);
        loop {
            let workers = self.workers();
            for Listed { limit, thread } in workers.iter() {
                // SAFETY: on the list, which is locked (step 1).
                unsafe { limit.as_ref() }.request();
                thread.unpark();
            }
            let nobody = workers.is_empty();
            drop(workers);
            if nobody || !self.asked.load(Ordering::Acquire) {
                return !self.asked.swap(false, Ordering::AcqRel);
            }
            std::thread::sleep(PATIENCE);
        }
    }
    /// Step 2: whether the calling worker has to answer.
    #[inline]
    pub(super) fn take(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::AcqRel)
    }
    pub(super) fn show(&self, tasks: &[Standing]) {
        (self.show)(tasks);
    }
    /// The calling thread's worker can be poked from now on.
    ///
    /// # Safety
    /// The limit is there until what this gives is dropped.
    pub(super) unsafe fn join(self: &Arc<Self>, limit: NonNull<Limit>) -> OnList {
        self.workers().push(Listed { limit, thread: std::thread::current() });
        OnList(self.clone(), limit)
    }
}

/// A worker is on the list until this is dropped.
pub(super) struct OnList(Arc<Dumps>, NonNull<Limit>);

impl Drop for OnList {
    fn drop(&mut self) {
        self.0.workers().retain(|listed| listed.limit != self.1);
    }
}
