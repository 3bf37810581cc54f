//! Work shared among threads that each have a stack of their own: a part of a stack changes hands only
//! when somebody has nothing to do.
//!
//! ```text
//!   thread 0   stack [ o o o o o o ]     somebody waits: gives the older half
//!                      └───┬───┘
//!                          ▼
//!   pool       batches [ooo] [oo]        threads 3, waiting 1
//!                          │
//!   thread 2   stack [ ]  ◄┘             has nothing: takes a batch, waits for one, or for the end
//! ```
//!
//! Protocol of a thread
//! 1. It enters: from now on the end waits for it.
//! 2. It works on its own stack. From time to time it looks whether somebody waits (one relaxed load); if
//!    so, and it has two elements or more, it gives the older half to the pool and wakes one.
//! 3. With an empty stack it takes the lock and counts itself as waiting. If there is a batch, it takes
//!    it, is counted no longer, and goes on at 2.
//! 4. If all that have entered wait, the work is over: it leaves and wakes the others.
//! 5. Else it sleeps. Whatever wakes it, it looks again, from 3 on.
//!
//! Why nothing is lost: batches and counts change with the lock held only. A thread that is counted as
//! waiting has an empty stack. So when all wait and there is no batch, there is no element anywhere, and
//! nobody who could make one. A thread that enters after that finds the same and leaves.
//! The race it prevents: a batch given between a look and a sleep would wake nobody; but the lock is held
//! from the one to the other.
//! A thread that unwinds leaves, too, so that the others do not wait for it.
//!
//! Source: Acar, Charguéraud, Rainey: Scheduling Parallel Programs by Work Stealing with Private Deques,
//! PPoPP 2013: elements that stay with their thread cost no atomic operation and no fence. Departs from
//! it: those who have nothing wait for anybody instead of asking one, which makes the end exact.

use std::sync::PoisonError;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What threads that work together share.
#[derive(Debug)]
pub struct WorkPool<T> {
    state: Mutex<State<T>>,
    /// A batch has come, or the end.
    changed: Condvar,
    /// How many wait for whom there is no batch. A hint: written with the lock held, read without.
    wanted: AtomicUsize,
}

#[derive(Debug)]
struct State<T> {
    batches: Vec<Vec<T>>,
    /// How many have entered and not left.
    threads: usize,
    /// Of these, how many have an empty stack and are in `take`.
    waiting: usize,
}

/// A thread's place at the pool.
#[derive(Debug)]
pub struct Seat<'a, T> {
    pool: &'a WorkPool<T>,
    /// Whether it has left already.
    left: bool,
}

impl<T> WorkPool<T> {
    /// A pool with a first batch of work.
    pub fn new(first: Vec<T>) -> WorkPool<T> {
        WorkPool {
            state: Mutex::new(State { batches: vec![first], threads: 0, waiting: 0 }),
            changed: Condvar::new(),
            wanted: AtomicUsize::new(0),
        }
    }
    /// Step 1.
    pub fn enter(&self) -> Seat<'_, T> {
        self.lock().threads += 1;
        Seat { pool: self, left: false }
    }
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn update_hint(&self, state: &State<T>) {
        let wanted = state.waiting.saturating_sub(state.batches.len());
        self.wanted.store(wanted, Ordering::Relaxed);
    }
}

impl<T> Seat<'_, T> {
    /// Whether somebody waits for work, as far as this thread knows.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.pool.wanted.load(Ordering::Relaxed) > 0
    }
    /// Step 2: gives the older half of a stack away.
    pub fn give(&self, stack: &mut Vec<T>) {
        if stack.len() < 2 {
            return;
        }
        let newer = stack.split_off(stack.len() / 2);
        let older = std::mem::replace(stack, newer);
        let mut state = self.pool.lock();
        state.batches.push(older);
        self.pool.update_hint(&state);
        drop(state);
        self.pool.changed.notify_one();
    }
    /// Steps 3 to 5: fills an empty stack. `false`: the work is over, this thread has left.
    pub fn take(&mut self, stack: &mut Vec<T>) -> bool {
        debug_assert!(stack.is_empty());
        let pool = self.pool;
        let mut state = pool.lock();
        state.waiting += 1;
        loop {
            if let Some(batch) = state.batches.pop() {
                state.waiting -= 1;
                pool.update_hint(&state);
                *stack = batch;
                return true;
            }
            if state.waiting == state.threads {
                state.waiting -= 1;
                state.threads -= 1;
                self.left = true;
                pool.changed.notify_all();
                return false;
            }
            pool.update_hint(&state);
            state = pool.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        if !self.left {
            self.pool.lock().threads -= 1;
            self.pool.changed.notify_all();
        }
    }
}
