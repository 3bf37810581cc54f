//! `green`: all tasks on one OS thread, first in, first out (M:1 green threads). With several workers
//! over the same queue it is [`work_sharing`](super::work_sharing).
//!
//! A new, woken, yielded or preempted task goes to the back of one queue; workers take from the
//! front. Cooperative, a task runs until it waits, yields or ends; preemptive, also until its
//! quantum of reductions (calls and back-edges) is used up, as in the BEAM.
//!
//! ```text
//!   spawn, wake, yield, preempt                         next
//!  ───────────────────────────► [ t9 t4 t7 … t2 ] ───────────────► worker 0 (1, 2, …)
//!                               back        front
//! ```
//!
//! Invariants
//! - I1. A task is in the queue at most once: the driver pushes only what its task word allows.
//! - I2. FIFO: a ready task runs after at most one slice of each task that was ready before it, so
//!   with a finite quantum nobody starves.
//!
//! Events: none of its own; the driver emits `slice_begin`, `slice_end`, `task_preempt`.
//! Costs: push and next are O(1); with one worker no atomics, with several one lock. Context switch =
//! the end of one slice.
//! Source: classic; the reduction-counted quantum is the BEAM's.
//! What it does not do: keep a task near its cache, prefer interactive tasks.

use std::collections::VecDeque;

use menagerie::heap::Parameter;
use menagerie::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo,
};
use menagerie::sync::{OneThread, Shared, Sharing};
use menagerie::task::TaskId;

const PARAMETERS: &[Parameter] = &[Parameter {
    name: "quantum",
    default: "4000",
    doc: "reductions (calls and back-edges) of a slice, at least 1; `max` = cooperative",
}];

/// One queue for all workers.
#[derive(Debug)]
pub struct Fifo<L: Sharing> {
    queue: L::Cell<VecDeque<TaskId>>,
    quantum: u64,
}

/// M:1 green threads.
pub type Green = Fifo<OneThread>;

impl<L: Sharing> Scheduler for Fifo<L> {
    type Local = ();
    type Threads = L;
    const INFO: SchedulerInfo = if L::PARALLEL {
        SchedulerInfo {
            name: "work-sharing",
            summary: "workers over one queue, first in, first out",
            parallel: true,
            virtual_time: false,
            parameters: PARAMETERS,
        }
    } else {
        SchedulerInfo {
            name: "green",
            summary: "green threads on one OS thread, first in, first out",
            parallel: false,
            virtual_time: false,
            parameters: PARAMETERS,
        }
    };

    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<()>), SchedulerError> {
        if !L::PARALLEL {
            super::one_worker(config, &Self::INFO)?;
        }
        let quantum = super::quantum(config, &Self::INFO)?;
        let queue = Shared::new(VecDeque::new());
        Ok((Fifo { queue, quantum }, vec![(); config.workers.max(1)]))
    }
    fn push(&self, _: Option<&mut ()>, task: TaskId, _: Ready) -> Notify {
        self.queue.lock().push_back(task);
        // Every queued task is one that an idle worker, if there is more than this one, could run at once.
        if L::PARALLEL { Notify::One } else { Notify::No }
    }
    fn next(&self, _: &mut (), _: Pick) -> Option<TaskId> {
        self.queue.lock().pop_front()
    }
    fn has_work(&self, _: &()) -> bool {
        !self.queue.lock().is_empty()
    }
    fn quantum(&self) -> u64 {
        self.quantum
    }
    fn drain(&self, _: &mut (), f: &mut dyn FnMut(TaskId)) {
        let queue = std::mem::take(&mut *self.queue.lock());
        queue.into_iter().for_each(f);
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbered::*;
    use super::*;

    #[test]
    fn tasks_come_out_in_the_order_they_went_in() {
        let config = SchedulerConfig { workers: 1, parameters: Vec::new() };
        let (green, _) = Green::new(&config).unwrap();
        push(&green, &mut (), 1, Ready::Spawn);
        push(&green, &mut (), 2, Ready::Wake);
        assert!(green.has_work(&()));
        assert_eq!(next(&green, &mut (), 0), Some(1));
        push(&green, &mut (), 1, Ready::Preempt);
        let mut rest = Vec::new();
        green.drain(&mut (), &mut |t| rest.push(t.number()));
        assert_eq!(rest, [2, 1]);
        assert_eq!(next(&green, &mut (), 0), None);
    }

    #[test]
    fn a_bad_quantum_is_refused() {
        for bad in ["0", "-1", "fast"] {
            let parameters = vec![("quantum".to_owned(), bad.to_owned())];
            assert!(Green::new(&SchedulerConfig { workers: 1, parameters }).is_err(), "{bad}");
        }
    }
}
