//! `inline`: children first, depth first, on one OS thread: the order of ordinary calls.
//!
//! A spawned task runs at once, its parent waits on a stack. A child that must wait gives way to the
//! task below it. So a fork-join program runs in the order of its sequential elision (Cilk's serial
//! order): the baseline that speed-ups of fork-join programs are taken from.
//!
//! ```text
//!   spawn: parent pushed, then child      next: from the top
//!
//!      │ child  │ ◄── top                 │ grandchild │ ◄── top
//!      │ parent │                         │ child      │
//!      └────────┘                         │ parent     │
//! ```
//!
//! Invariants
//! - I1. A task is on the stack or in the queue behind it at most once.
//! - I2. A task that yields goes behind all others ([`Ready::Yield`]): spinning with `yield` cannot
//!   starve what it waits for.
//!
//! Events: none of its own.
//! Costs: push and next are O(1), no atomics; a spawn ends the parent's slice.
//! Source: Cilk's work-first order on one worker (Frigo, Leiserson, Randall 1998).
//! What it does not do: preempt; be fair.

use std::cell::RefCell;
use std::collections::VecDeque;

use menagerie::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo, SpawnOrder,
};
use menagerie::sync::OneThread;
use menagerie::task::TaskId;

/// Child first, depth first.
#[derive(Debug)]
pub struct Inline {
    /// The next task is the last.
    stack: RefCell<VecDeque<TaskId>>,
}

impl Scheduler for Inline {
    type Local = ();
    type Threads = OneThread;
    const ORDER: SpawnOrder = SpawnOrder::ChildFirst;
    const INFO: SchedulerInfo = SchedulerInfo {
        name: "inline",
        summary: "children first, depth first, on one OS thread: the serial order",
        parallel: false,
        virtual_time: false,
        parameters: &[],
    };

    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<()>), SchedulerError> {
        super::one_worker(config, &Self::INFO)?;
        Ok((Inline { stack: RefCell::default() }, vec![()]))
    }
    fn push(&self, _: Option<&mut ()>, task: TaskId, why: Ready) -> Notify {
        let mut stack = self.stack.borrow_mut();
        match why {
            Ready::Yield => stack.push_front(task),
            Ready::Spawn | Ready::Wake | Ready::Preempt => stack.push_back(task),
        }
        Notify::No
    }
    fn next(&self, _: &mut (), _: Pick) -> Option<TaskId> {
        self.stack.borrow_mut().pop_back()
    }
    fn has_work(&self, _: &()) -> bool {
        !self.stack.borrow().is_empty()
    }
    fn quantum(&self) -> u64 {
        u64::MAX
    }
    fn drain(&self, _: &mut (), f: &mut dyn FnMut(TaskId)) {
        self.stack.take().into_iter().for_each(f);
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbered::*;
    use super::*;

    #[test]
    fn the_youngest_comes_first_and_the_yielding_last() {
        let (inline, _) = Inline::new(&SchedulerConfig::default()).unwrap();
        for task in [1, 2, 3] {
            push(&inline, &mut (), task, Ready::Spawn);
        }
        push(&inline, &mut (), 4, Ready::Yield);
        let order: Vec<_> = std::iter::from_fn(|| next(&inline, &mut (), 0)).collect();
        assert_eq!(order, [3, 2, 1, 4]);
    }
}
