//! What `menagerie::sync` is to the program, made of loom's types: the protocols' sources, included here,
//! name this module and cannot tell the difference.

use loom::cell::UnsafeCell;

/// Words of objects and tables: loom's, too.
pub use loom::sync::atomic as words;
pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard, atomic};

/// A lock without a guard: loom's mutex, and the guard beside it.
#[derive(Debug)]
pub struct RawLock {
    // Before the mutex that it borrows: fields are dropped in this order.
    held: UnsafeCell<Option<MutexGuard<'static, ()>>>,
    mutex: Mutex<()>,
}

// SAFETY: `held` is used by the thread that has the mutex; loom checks it.
unsafe impl Send for RawLock {}
// SAFETY: as above.
unsafe impl Sync for RawLock {}

impl Default for RawLock {
    fn default() -> Self {
        RawLock { held: UnsafeCell::new(None), mutex: Mutex::new(()) }
    }
}

impl RawLock {
    /// Waits for the lock and takes it.
    pub fn lock(&self) {
        let guard = self.mutex.lock().expect("loom's mutexes are not poisoned");
        // SAFETY: only the lifetime is widened. A lock that is held is not moved: the models keep theirs
        // in an `Arc`.
        let guard =
            unsafe { std::mem::transmute::<MutexGuard<'_, ()>, MutexGuard<'static, ()>>(guard) };
        // SAFETY: this thread has the mutex.
        self.held.with_mut(|held| unsafe { *held = Some(guard) });
    }
    /// Takes the lock if nobody has it; whether it did.
    pub fn try_lock(&self) -> bool {
        let Ok(guard) = self.mutex.try_lock() else { return false };
        // SAFETY: as in `lock`.
        let guard =
            unsafe { std::mem::transmute::<MutexGuard<'_, ()>, MutexGuard<'static, ()>>(guard) };
        // SAFETY: as in `lock`.
        self.held.with_mut(|held| unsafe { *held = Some(guard) });
        true
    }
    /// Gives it back.
    ///
    /// # Safety
    /// The caller has it.
    pub unsafe fn unlock(&self) {
        // SAFETY: by the caller, this thread has the mutex until the guard is dropped, below.
        let guard = self.held.with_mut(|held| unsafe { (*held).take() });
        drop(guard.expect("given back by who has it"));
    }
}

/// No model measures a time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch;

impl Stopwatch {
    /// From now on.
    pub fn start() -> Stopwatch {
        Stopwatch
    }
    /// Until now.
    pub fn ns(self) -> u64 {
        0
    }
}

/// One turn of a loop that waits for another thread.
pub fn pause(turns: &mut u32) {
    *turns += 1;
    loom::thread::yield_now();
}

/// Threads, their sleep and their waking, with wake-ups without reason.
pub mod thread {
    use std::cell::Cell;
    use std::time::Duration;

    use loom::sync::{Arc, Notify};
    pub use loom::thread::JoinHandle;

    /// Starts a thread.
    pub fn spawn<F: FnOnce() + 'static>(_name: &str, f: F) -> Option<JoinHandle<()>> {
        Some(loom::thread::spawn(f))
    }

    std::thread_local! {
        /// Loom runs all threads of a model on one: they see the same.
        static THREADS_LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// How many threads the system gives from now on: the first thing that a model says.
    pub fn limit(threads: usize) {
        THREADS_LEFT.set(threads);
    }
    /// Starts a thread that nobody waits for; whether the system gave one.
    pub fn start(_name: &str, body: impl FnOnce() + 'static) -> bool {
        let left = THREADS_LEFT.get();
        if left > 0 {
            THREADS_LEFT.set(left - 1);
            loom::thread::spawn(body);
        }
        left > 0
    }

    loom::thread_local! {
        static TOKEN: Arc<Notify> = Arc::new(Notify::new());
    }

    /// A thread that can be woken.
    #[derive(Clone, Debug)]
    pub struct Thread(Arc<Notify>);

    impl Thread {
        /// Wakes it, or the next time it would sleep.
        pub fn unpark(&self) {
            self.0.notify();
        }
    }

    /// The calling thread.
    pub fn current() -> Thread {
        Thread(TOKEN.with(Arc::clone))
    }

    /// Sleeps until another thread wakes this one; sometimes less. A limited sleep is over at once: in a
    /// model any moment is as good as another.
    pub fn park(wait: Option<Duration>) {
        match wait {
            Some(_) => loom::thread::yield_now(),
            None => TOKEN.with(Arc::clone).wait(),
        }
    }
}

/// What `crossbeam_epoch` promises, made of a mutex: a deferred function runs when every guard that was
/// there when it was deferred is gone. (The real one orders threads no less: a guard's end comes before
/// the function that waited for it, and a fence stands at every pin.)
pub mod epoch {
    use loom::sync::{Arc, Mutex};

    type Deferred = Box<dyn FnOnce() + Send>;

    #[derive(Default)]
    struct State {
        clock: u64,
        /// For each handle, when it was pinned, and how many guards it has.
        pinned: Vec<(u64, usize)>,
        deferred: Vec<(u64, Deferred)>,
    }

    impl State {
        fn tick(&mut self) -> u64 {
            self.clock += 1;
            self.clock
        }
    }

    /// A set of handles.
    #[derive(Clone, Default)]
    pub struct Collector(Arc<Mutex<State>>);

    /// A participant.
    #[derive(Debug)]
    pub struct LocalHandle {
        collector: Collector,
        number: usize,
    }

    /// While it is there, what is deferred waits.
    #[derive(Debug)]
    pub struct Guard {
        collector: Collector,
        number: usize,
    }

    impl std::fmt::Debug for Collector {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Collector")
        }
    }

    impl Collector {
        /// No participants.
        pub fn new() -> Collector {
            Collector::default()
        }
        /// One more.
        pub fn register(&self) -> LocalHandle {
            let number = self.with(|state| {
                state.pinned.push((0, 0));
                state.pinned.len() - 1
            });
            LocalHandle { collector: self.clone(), number }
        }
        fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
            f(&mut self.0.lock().expect("loom's mutexes are not poisoned"))
        }
        /// Runs what no guard holds back.
        fn run(&self) {
            let ready = self.with(|state| {
                let pinned = state.pinned.iter().filter(|(_, guards)| *guards > 0);
                let oldest = pinned.map(|&(since, _)| since).min().unwrap_or(u64::MAX);
                let waits = |&(at, _): &(u64, Deferred)| at >= oldest;
                let all = std::mem::take(&mut state.deferred);
                let (waiting, ready) = all.into_iter().partition::<Vec<_>, _>(waits);
                state.deferred = waiting;
                ready
            });
            ready.into_iter().for_each(|(_, f)| f());
        }
    }

    impl LocalHandle {
        /// A guard.
        pub fn pin(&self) -> Guard {
            self.collector.with(|state| {
                let now = state.tick();
                let (since, guards) = &mut state.pinned[self.number];
                if *guards == 0 {
                    *since = now;
                }
                *guards += 1;
            });
            Guard { collector: self.collector.clone(), number: self.number }
        }
    }

    impl Guard {
        /// Runs the function when all guards that are there now are gone.
        pub fn defer<R>(&self, f: impl FnOnce() -> R + Send + 'static) {
            let run = Box::new(move || drop(f()));
            self.collector.with(|state| {
                let now = state.tick();
                state.deferred.push((now, run));
            });
        }
        /// Runs what can run.
        pub fn flush(&self) {
            self.collector.run();
        }
        /// As if it were dropped and made anew, if it is its handle's only one.
        pub fn repin(&mut self) {
            self.collector.with(|state| {
                let now = state.tick();
                let (since, guards) = &mut state.pinned[self.number];
                if *guards == 1 {
                    *since = now;
                }
            });
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            self.collector.with(|state| state.pinned[self.number].1 -= 1);
            self.collector.run();
        }
    }
}
