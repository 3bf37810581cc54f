//! What `src/sync/native.rs` is to the program, made of shuttle's types: every use of an atomic, of a
//! lock, of a sleep is a point at which shuttle may let another thread go on. All orders are sequentially
//! consistent here: what weaker ones allow is the models' business.

use std::cell::UnsafeCell;
use std::fmt::Debug;
use std::sync::{OnceLock, PoisonError};

pub use std::sync::Arc;

pub use shuttle::sync::{Mutex, MutexGuard, atomic};

include!(concat!(env!("OUT_DIR"), "/mistakes.rs"));

static MADE: OnceLock<String> = OnceLock::new();

/// From now on, this mistake is made.
///
/// # Panics
/// When another one has been chosen.
pub fn make(mistake: &str) {
    MADE.set(mistake.to_owned()).expect("one mistake per process");
}
/// Whether this one is made.
pub fn mistaken(name: &str) -> bool {
    MADE.get().is_some_and(|made| made == name)
}

/// A lock without a guard: shuttle's mutex, and the guard beside it.
pub struct RawLock {
    // Before the mutex that it borrows: fields are dropped in this order.
    held: UnsafeCell<Option<MutexGuard<'static, ()>>>,
    mutex: Mutex<()>,
}

// SAFETY: `held` is used by the thread that has the mutex; and shuttle's threads are one of the system's.
unsafe impl Send for RawLock {}
// SAFETY: as above.
unsafe impl Sync for RawLock {}

impl Debug for RawLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawLock")
    }
}
impl Default for RawLock {
    fn default() -> Self {
        RawLock { held: UnsafeCell::new(None), mutex: Mutex::new(()) }
    }
}

impl RawLock {
    /// Waits for the lock and takes it.
    pub fn lock(&self) {
        let guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: only the lifetime is widened. A lock that is held is not moved: the gate is in an `Arc`.
        let guard =
            unsafe { std::mem::transmute::<MutexGuard<'_, ()>, MutexGuard<'static, ()>>(guard) };
        // SAFETY: this thread has the mutex.
        unsafe { *self.held.get() = Some(guard) };
    }
    /// Gives it back.
    ///
    /// # Safety
    /// The caller has it.
    pub unsafe fn unlock(&self) {
        // SAFETY: by the caller, this thread has the mutex until the guard is dropped, below.
        let guard = unsafe { (*self.held.get()).take() };
        drop(guard.expect("given back by who has it"));
        // Shuttle switches before a lock is given back; another thread may also come right after that.
        shuttle::thread::sleep(std::time::Duration::ZERO);
    }
}

/// One turn of a loop that waits for another thread.
pub fn pause(turns: &mut u32) {
    *turns += 1;
    shuttle::thread::yield_now();
}

/// Starting, sleeping and waking, with wake-ups without reason.
pub mod thread {
    use std::time::Duration;

    pub use shuttle::thread::{Scope, Thread, current, scope};

    /// Starts a thread that ends before the scope does.
    ///
    /// # Errors
    /// None: the system has that of real threads.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        _: &str,
        run: impl FnOnce() + Send + 'scope,
    ) -> std::io::Result<()> {
        scope.spawn(run);
        Ok(())
    }

    /// Sleeps until another thread wakes this one; sometimes less. A limited sleep is over at once: for
    /// a schedule any moment is as good as another.
    pub fn park(wait: Option<Duration>) {
        match wait {
            Some(_) => shuttle::thread::yield_now(),
            None => shuttle::thread::park(),
        }
    }
}
