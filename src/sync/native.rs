//! Atomics, locks and threads of the system.

use std::fmt::Debug;

use parking_lot::lock_api::RawMutex as _;

pub(super) use std::sync::MutexGuard;
pub use std::sync::{Arc, Mutex, atomic};

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

/// Starting, sleeping and waking.
pub mod thread {
    use std::time::Duration;

    pub use std::thread::{Scope, Thread, current, scope};

    /// Starts a thread that ends before the scope does.
    ///
    /// # Errors
    /// The system refuses.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        run: impl FnOnce() + Send + 'scope,
    ) -> std::io::Result<()> {
        std::thread::Builder::new().name(name.into()).spawn_scoped(scope, run).map(drop)
    }

    /// Sleeps until another thread wakes this one, at most as long as given; sometimes less.
    pub fn park(wait: Option<Duration>) {
        match wait {
            Some(wait) => std::thread::park_timeout(wait),
            None => std::thread::park(),
        }
    }
}
