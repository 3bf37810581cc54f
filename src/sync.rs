//! The only place that names `std`'s atomics, locks and threads for concurrent protocols. The package of
//! models includes the protocols' sources and puts a module of the same name, made of loom's types, in
//! this one's place.
//!
//! [`Sharing`] is how a strategy is written once and used on one thread at no cost, or on many.

use parking_lot::lock_api::RawMutex as _;
use std::cell::{RefCell, RefMut};
use std::fmt::Debug;
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Instant;

pub use std::sync::{Arc, Condvar, Mutex, MutexGuard, atomic};

/// What state shared between a heap and its mutators is kept in.
pub trait Sharing: Copy + Debug + 'static {
    /// Whether several threads may use it.
    const PARALLEL: bool;
    /// A counted pointer to the state.
    type Cell<T: Debug + 'static>: Shared<T>;
}

/// A counted pointer to state that is changed through it.
pub trait Shared<T>: Clone + Debug {
    /// Access to the state, until it is dropped.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;
    /// New state.
    fn new(state: T) -> Self;
    /// The state. The same thread must not ask twice.
    fn lock(&self) -> Self::Guard<'_>;
    /// How many pointers there are.
    fn holders(&self) -> usize;
}

/// One thread: no atomics, no locks.
#[derive(Clone, Copy, Debug)]
pub struct OneThread;

/// Any number of threads.
#[derive(Clone, Copy, Debug)]
pub struct ManyThreads;

impl Sharing for OneThread {
    const PARALLEL: bool = false;
    type Cell<T: Debug + 'static> = Rc<RefCell<T>>;
}
impl Sharing for ManyThreads {
    const PARALLEL: bool = true;
    type Cell<T: Debug + 'static> = Arc<Mutex<T>>;
}

impl<T: Debug> Shared<T> for Rc<RefCell<T>> {
    type Guard<'a>
        = RefMut<'a, T>
    where
        T: 'a;
    fn new(state: T) -> Self {
        Rc::new(RefCell::new(state))
    }
    #[inline]
    fn lock(&self) -> RefMut<'_, T> {
        self.borrow_mut()
    }
    fn holders(&self) -> usize {
        Rc::strong_count(self)
    }
}
impl<T: Debug> Shared<T> for Arc<Mutex<T>> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;
    fn new(state: T) -> Self {
        Arc::new(Mutex::new(state))
    }
    #[inline]
    fn lock(&self) -> MutexGuard<'_, T> {
        // A panic in a worker ends the process's run anyway; the first one is what counts.
        Mutex::lock(self).unwrap_or_else(PoisonError::into_inner)
    }
    fn holders(&self) -> usize {
        Arc::strong_count(self)
    }
}

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

/// Measures a wait.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }
    /// Until now, nanoseconds.
    pub fn ns(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
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
