//! What `src/sync/native.rs` is to the program, made of shuttle's types: every use of an atomic, of a
//! lock, of a sleep is a point at which shuttle may let another thread go on. All orders are sequentially
//! consistent here: what weaker ones allow is the models' business.

use std::cell::UnsafeCell;
use std::fmt::Debug;
use std::sync::{OnceLock, PoisonError, TryLockError};

pub use std::sync::Arc;

pub use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
/// Words of objects: the system's, because shuttle's are larger. Using one is no point to switch at.
pub use std::sync::atomic as words;

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
        self.keep(self.mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    /// Takes the lock if nobody has it; whether it did.
    pub fn try_lock(&self) -> bool {
        match self.mutex.try_lock() {
            Ok(guard) => self.keep(guard),
            Err(TryLockError::Poisoned(guard)) => self.keep(guard.into_inner()),
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }
    fn keep(&self, guard: MutexGuard<'_, ()>) {
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    pub use shuttle::thread::{Thread, current};

    /// A thread that can be waited for.
    #[derive(Debug)]
    pub struct JoinHandle<T> {
        handle: shuttle::thread::JoinHandle<T>,
        finished: Arc<AtomicBool>,
    }
    impl<T> JoinHandle<T> {
        /// Waits for its end.
        pub fn join(self) -> std::thread::Result<T> {
            self.handle.join()
        }
        /// Whether it has ended.
        pub fn is_finished(&self) -> bool {
            self.finished.load(Ordering::Relaxed)
        }
        /// The thread.
        pub fn thread(&self) -> &Thread {
            self.handle.thread()
        }
    }

    /// Starts a thread; never refused.
    pub fn spawn<F: FnOnce() + Send + 'static>(_: &str, f: F) -> Option<JoinHandle<()>> {
        let finished = Arc::new(AtomicBool::new(false));
        let end = finished.clone();
        let handle = shuttle::thread::spawn(move || {
            f();
            end.store(true, Ordering::Relaxed);
        });
        Some(JoinHandle { handle, finished })
    }

    /// Starts a thread; all have the stack that the explorer asks for.
    ///
    /// # Errors
    /// None: the system has that of real threads.
    pub fn spawn_with_stack(
        name: &str,
        _: usize,
        f: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        Ok(spawn(name, f).expect("never refused"))
    }

    /// Starts a thread that nobody waits for.
    pub fn start(name: &str, body: impl FnOnce() + Send + 'static) -> bool {
        spawn(name, body).is_some()
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
