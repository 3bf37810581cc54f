//! The clock for the phases of a collection.

use std::time::Instant;

/// Times the phases of a collection.
#[derive(Debug)]
pub struct Phases {
    last: Instant,
    done: Vec<(&'static str, u64)>,
}

impl Phases {
    /// Starts the first phase.
    pub fn start() -> Phases {
        Phases { last: Instant::now(), done: Vec::with_capacity(4) }
    }
    /// The running phase, called `name`, is over.
    pub fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.done.push((name, (now - self.last).as_nanos() as u64));
        self.last = now;
    }
    /// All phases, in order.
    pub fn finish(self) -> Vec<(&'static str, u64)> {
        self.done
    }
}
