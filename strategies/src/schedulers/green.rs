//! `green`: all tasks on one OS thread, first in, first out (M:1 green threads).
//!
//! A new, woken, yielded or preempted task goes to the back of one queue; the worker takes from the
//! front. Cooperative, a task runs until it waits, yields or ends; preemptive, also until its
//! quantum of reductions (calls and back-edges) is used up, as in the BEAM.
//!
//! ```text
//!   spawn, wake, yield, preempt                         next
//!  ───────────────────────────► [ t9 t4 t7 … t2 ] ───────────────► worker 0
//!                               back        front
//! ```
//!
//! Invariants
//! - I1. A task is in the queue at most once: the driver pushes only what its task word allows.
//! - I2. FIFO: a ready task runs after at most one slice of each task that was ready before it, so
//!   with a finite quantum nobody starves.
//!
//! Events: none of its own; the driver emits `slice_begin`, `slice_end`, `task_preempt`.
//! Costs: push and next are O(1), no atomics. Context switch = the end of one slice.
//! Source: classic; the reduction-counted quantum is the BEAM's.
//! What it does not do: use a second core, prefer interactive tasks.

use std::cell::RefCell;
use std::collections::VecDeque;

use menagerie::heap::Parameter;
use menagerie::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo,
};
use menagerie::task::TaskId;

/// M:1 green threads.
#[derive(Debug)]
pub struct Green {
    queue: RefCell<VecDeque<TaskId>>,
    quantum: u64,
}

impl Scheduler for Green {
    type Local = ();
    const INFO: SchedulerInfo = SchedulerInfo {
        name: "green",
        summary: "green threads on one OS thread, first in, first out",
        parallel: false,
        parameters: &[Parameter {
            name: "quantum",
            default: "4000",
            doc: "reductions (calls and back-edges) of a slice, at least 1; `max` = cooperative",
        }],
    };

    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<()>), SchedulerError> {
        if config.workers > 1 {
            let message = format!("`green` has one worker, not {}", config.workers);
            return Err(SchedulerError(message));
        }
        let text = config.parameter(&Self::INFO, "quantum");
        let quantum = match text {
            "max" => u64::MAX,
            _ => text.parse().ok().filter(|&q| q > 0).ok_or_else(|| {
                SchedulerError(format!("quantum={text}: not a number from 1 on, nor `max`"))
            })?,
        };
        Ok((Green { queue: RefCell::default(), quantum }, vec![()]))
    }
    fn push(&self, _: Option<&mut ()>, task: TaskId, _: Ready) -> Notify {
        let mut queue = self.queue.borrow_mut();
        queue.push_back(task);
        if queue.len() == 1 { Notify::One } else { Notify::No }
    }
    fn next(&self, _: &mut (), _: Pick) -> Option<TaskId> {
        self.queue.borrow_mut().pop_front()
    }
    fn has_work(&self, _: &()) -> bool {
        !self.queue.borrow().is_empty()
    }
    fn quantum(&self) -> u64 {
        self.quantum
    }
    fn drain(&self, _: &mut (), f: &mut dyn FnMut(TaskId)) {
        self.queue.take().into_iter().for_each(f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_come_out_in_the_order_they_went_in() {
        let config = SchedulerConfig { workers: 1, parameters: Vec::new() };
        let (green, _) = Green::new(&config).unwrap();
        assert_eq!(green.push(None, 1, Ready::Spawn), Notify::One);
        assert_eq!(green.push(None, 2, Ready::Wake), Notify::No);
        assert!(green.has_work(&()));
        assert_eq!(green.next(&mut (), Pick::default()), Some(1));
        green.push(None, 1, Ready::Preempt);
        let mut rest = Vec::new();
        green.drain(&mut (), &mut |t| rest.push(t));
        assert_eq!(rest, [2, 1]);
        assert_eq!(green.next(&mut (), Pick::default()), None);
    }

    #[test]
    fn a_bad_quantum_is_refused() {
        for bad in ["0", "-1", "fast"] {
            let parameters = vec![("quantum".to_owned(), bad.to_owned())];
            assert!(Green::new(&SchedulerConfig { workers: 1, parameters }).is_err(), "{bad}");
        }
    }
}
