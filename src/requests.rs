//! Requests that a program says it has served: latency is measured from when each was to arrive,
//! not from when the program got round to it.
//!
//! The log lies outside of the heap, and whoever runs the VM keeps a handle to it: measuring
//! changes neither what the heap holds nor what has to be read back from a VM that has ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One request. Times are nanoseconds on the clock of `clock_ns`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// When it was to arrive.
    pub intended_ns: u64,
    /// When its handling began.
    pub start_ns: u64,
    /// When it was answered.
    pub end_ns: u64,
    /// When it had to be answered.
    pub deadline_ns: Option<u64>,
}

/// Requests in the order in which they were answered; clones share it.
#[derive(Clone, Default, Debug)]
pub struct RequestLog(Arc<Mutex<Vec<Request>>>);

impl RequestLog {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        // A push either happened or did not: what a panicking thread left is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Notes one.
    pub fn note(&self, request: Request) {
        self.requests().push(request);
    }
    /// Takes all that were noted.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests())
    }
}
