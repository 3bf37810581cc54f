//! Atomics, locks and threads of the system.

use std::fmt::Debug;

use parking_lot::lock_api::RawMutex as _;

/// Atomics that are words of objects and of heaps' tables: as large as what they stand for.
pub use std::sync::atomic as words;
pub use std::sync::{Arc, Condvar, Mutex, MutexGuard, atomic};

/// A lock without a guard: taken and given back in different functions.
pub struct RawLock(parking_lot::RawMutex);

impl Debug for RawLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawLock")
    }
}

impl Default for RawLock {
    fn default() -> Self {
        RawLock(parking_lot::RawMutex::INIT)
    }
}
impl RawLock {
    /// Waits for the lock and takes it.
    #[inline]
    pub fn lock(&self) {
        self.0.lock();
    }
    /// Takes the lock if nobody has it; whether it did.
    #[inline]
    pub fn try_lock(&self) -> bool {
        self.0.try_lock()
    }
    /// Gives it back.
    ///
    /// # Safety
    /// The caller has it.
    #[inline]
    pub unsafe fn unlock(&self) {
        // SAFETY: by the caller.
        unsafe { self.0.unlock() };
    }
}

/// One turn of a loop that waits for another thread: short ones spin, long ones give way.
pub fn pause(turns: &mut u32) {
    *turns += 1;
    if *turns < 64 {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

/// Threads, their sleep and their waking.
pub mod thread {
    use std::time::Duration;

    pub use std::thread::{JoinHandle, Thread, current};

    /// Starts a thread; `None` when the system refuses.
    pub fn spawn<F: FnOnce() + Send + 'static>(name: &str, f: F) -> Option<JoinHandle<()>> {
        std::thread::Builder::new().name(name.to_owned()).spawn(f).ok()
    }

    /// Starts a thread with a stack of this many bytes.
    ///
    /// # Errors
    /// The system refuses.
    pub fn spawn_with_stack(
        name: &str,
        bytes: usize,
        f: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(name.to_owned()).stack_size(bytes).spawn(f)
    }

    /// Starts a thread that nobody waits for; whether the system gave one.
    pub fn start(name: &str, body: impl FnOnce() + Send + 'static) -> bool {
        spawn(name, body).is_some()
    }

    /// Sleeps until another thread wakes this one, at most as long as given; sometimes less.
    pub fn park(wait: Option<Duration>) {
        match wait {
            Some(wait) => std::thread::park_timeout(wait),
            None => std::thread::park(),
        }
    }
}
