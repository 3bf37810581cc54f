//! The only place that names `std`'s atomics, locks and threads for concurrent protocols. Packages that
//! look at interleavings put something else in its place: `models` includes the protocols' sources beside
//! a module of this name made of loom's types, `schedules` builds the whole crate with a `native` made of
//! shuttle's.
//!
//! [`Sharing`] is how a strategy is written once and used on one thread at no cost, or on many.

use std::cell::{RefCell, RefMut};
use std::fmt::Debug;
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Instant;

mod native;

pub use native::{Arc, Condvar, Mutex, MutexGuard, RawLock, atomic, pause, thread, words};

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
