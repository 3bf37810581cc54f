//! Models of jobs on helper threads. The loop of the worker that waits for them is that of
//! `vm/worker.rs`.

use loom::thread;

use super::protocol::Calls;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::thread as threads;

/// A worker that waits until this many jobs are done.
fn wait_for(calls: &Calls, jobs: usize) {
    let mut done = 0;
    loop {
        done += calls.take_done().len();
        if done == jobs {
            return;
        }
        if calls.listen() {
            threads::park(None);
        }
    }
}

/// Submits a job that counts; runs it here if there is no thread. How many are to be waited for.
fn submit(calls: &Arc<Calls>, ran: &Arc<AtomicUsize>, ticket: u64) -> usize {
    let counts = ran.clone();
    let job = Box::new(move || {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    match Calls::submit(calls, ticket, job) {
        Ok(()) => 1,
        Err(job) => {
            job();
            0
        }
    }
}

/// Two jobs, `helpers` helpers at most, of which the system gives `given`.
fn two_jobs(helpers: usize, given: usize) {
    threads::limit(given);
    let (calls, ran) = (Arc::new(Calls::new(helpers)), Arc::new(AtomicUsize::new(0)));
    let first = submit(&calls, &ran, 1);
    let second = submit(&calls, &ran, 2);
    wait_for(&calls, first + second);
    assert_eq!(ran.load(Ordering::Relaxed), 2, "a job has run twice, or not at all");
    calls.close();
}

/// Both jobs are done by one helper, which sleeps before, between or after them, or not at all.
pub fn cap_of_one() {
    two_jobs(1, 1);
}

/// One helper waits already when two jobs come of which the first ends only after the second has begun:
/// they are not both left to it.
pub fn two_helpers() {
    threads::limit(2);
    let (calls, ran) = (Arc::new(Calls::new(2)), Arc::new(AtomicUsize::new(0)));
    let warm = submit(&calls, &ran, 0);
    wait_for(&calls, warm);
    let waiter = Arc::new(loom::sync::Notify::new());
    let (wakes, sleeps) = (waiter.clone(), waiter);
    let first = Calls::submit(&calls, 1, Box::new(move || sleeps.wait()));
    let second = Calls::submit(&calls, 2, Box::new(move || wakes.notify()));
    assert!(first.is_ok() && second.is_ok(), "the system has given two threads");
    wait_for(&calls, 2);
    calls.close();
}

/// The system gives no thread: the caller runs both.
pub fn no_thread() {
    two_jobs(2, 0);
}

/// The system gives one thread of two: its helper, or the caller, runs each job once.
pub fn no_second_thread() {
    two_jobs(2, 1);
}

/// The end comes from another thread, while the helper takes a job or waits for one: the helper ends.
pub fn end() {
    threads::limit(1);
    let (calls, ran) = (Arc::new(Calls::new(1)), Arc::new(AtomicUsize::new(0)));
    submit(&calls, &ran, 1);
    let closes = calls.clone();
    let other = thread::spawn(move || closes.close());
    other.join().unwrap();
    assert!(ran.load(Ordering::Relaxed) <= 1, "a job has run twice");
}
