//! The gate: mutual exclusion of everything cold, and stopping the world.
//!
//! A worker is in one of three places:
//!
//! ```text
//!             leave                lock
//!    fast ───────────► waiting ───────────► cold          fast:  runs instructions' fast bodies
//!      ▲                                     │            cold:  holds the gate; the one worker
//!      └─────────────────────────────────────┘                   that may touch shared state
//!                       enter
//! ```
//!
//! Fast bodies touch their task's registers and heap objects (through relaxed atomic words); all
//! else (slow paths, builtins, slices' ends, scheduling, collections) happens in cold.
//!
//! Rules
//! - G1. A worker leaves fast only at the boundary of an instruction, with its state saved (E5).
//! - G2. It enters fast only while it holds the gate, and gives the gate up by entering.
//! - G3. To stop the world: hold the gate, ask every worker in fast to leave (limit word 0), wait
//!   until none is in fast. By G2 none can come back before the gate is given up, and by G1 every
//!   register is where a collector finds it.
//!
//! So one flag per worker and one lock are the whole protocol: a worker that sleeps, waits for the
//! gate or runs nothing is stopped already. Memory order: `leave` releases what the worker wrote,
//! the stopper acquires it; `enter` is ordered by the lock.
//!
//! Source: the handshake of CPython's free-threading build and of OCaml 5, reduced to the case where
//! everything cold is exclusive.

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{RawLock, Stopwatch, pause};

/// Mutual exclusion of everything cold.
#[derive(Debug, Default)]
pub struct Gate {
    lock: RawLock,
    /// Whether there is one worker and will be no other: it keeps the gate, and no read-modify-write is
    /// spent on that, which would cost as much as the rest of a spawn.
    alone: bool,
    /// Counts beginnings and ends of stops of the world: odd while it is stopped.
    stops: AtomicU64,
}

/// A worker's flag: whether it is in fast code. On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Lane {
    fast: AtomicBool,
    /// How long its worker has waited for the gate, nanoseconds; written by that worker alone.
    waited_ns: AtomicU64,
    /// As far as the world was stopped meanwhile.
    stopped_ns: AtomicU64,
}

impl Lane {
    /// Whether its worker is in fast code.
    pub fn is_fast(&self) -> bool {
        self.fast.load(Ordering::Acquire)
    }
    /// How long its worker has waited for the gate, and while the world was stopped, nanoseconds.
    pub fn waits_ns(&self) -> (u64, u64) {
        (self.waited_ns.load(Ordering::Relaxed), self.stopped_ns.load(Ordering::Relaxed))
    }
}

impl Gate {
    /// The gate of one worker, which stays alone.
    pub fn of_one() -> Gate {
        Gate { alone: true, ..Gate::default() }
    }
    /// Waiting to cold: from outside of any slice.
    pub fn lock(&self) {
        if !self.alone {
            self.lock.lock();
        }
    }
    /// Cold to waiting: before sleeping.
    ///
    /// # Safety
    /// The calling worker holds the gate.
    #[inline]
    pub unsafe fn unlock(&self) {
        if !self.alone {
            // SAFETY: by the caller.
            unsafe { self.lock.unlock() };
        }
    }
    /// Cold to fast.
    ///
    /// # Safety
    /// The calling worker holds the gate, and `lane` is its own.
    #[inline]
    pub unsafe fn enter(&self, lane: &Lane) {
        // Before the unlock: whoever gets the gate next sees it (G3).
        lane.fast.store(true, Ordering::Relaxed);
        // SAFETY: by the caller.
        unsafe { self.unlock() };
    }
    /// Fast to cold; may wait for a collection to end. State is saved (G1).
    #[inline]
    pub fn leave(&self, lane: &Lane) {
        // Before the lock: the one who holds it may wait for this.
        lane.fast.store(false, Ordering::Release);
        if !self.alone && !self.lock.try_lock() {
            self.wait(lane);
        }
    }
    /// As long as one waits, one can as well look at the clock.
    #[cold]
    fn wait(&self, lane: &Lane) {
        // Relaxed: statistics.
        let (stops, watch) = (self.stops.load(Ordering::Relaxed), Stopwatch::start());
        self.lock.lock();
        let stopped = stops % 2 == 1 || self.stops.load(Ordering::Relaxed) != stops;
        let sum = if stopped { &lane.stopped_ns } else { &lane.waited_ns };
        sum.store(sum.load(Ordering::Relaxed) + watch.ns(), Ordering::Relaxed);
    }
    /// The calling worker, which holds the gate, begins or ends a stop of the world: what others wait for
    /// is told from other waits.
    pub fn count_stop(&self) {
        self.stops.fetch_add(1, Ordering::Relaxed);
    }
    /// The last step of stopping the world (G3): waits until the worker of `lane` is out of fast.
    /// The calling worker holds the gate and has asked that worker to leave.
    pub fn await_stopped(&self, lane: &Lane) {
        let mut turns = 0;
        while lane.is_fast() {
            pause(&mut turns);
        }
    }
}
