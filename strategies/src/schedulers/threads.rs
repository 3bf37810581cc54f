//! `threads`: one thread of the operating system per task (1:1). The system says who runs and for how long.
//!
//! A task is bound to a thread of its own from its first slice to its end. It runs until it waits or ends;
//! then its thread sleeps until the task is woken. Whose turn it is, on which processor, and when another
//! thread takes over, is the system's business: the limit word is used to stop the world and to end the
//! program, nothing else.
//!
//! ```text
//!    spawn ──► is a spare thread there? ──yes──► bound to it, woken
//!                      │ no
//!                      ├── fewer than `threads`? ──yes──► a thread is started, bound to it
//!                      │ no, or the system gives none
//!                      ▼
//!             [ t9 t8 … ]  any thread whose own task waits, or between its slices
//! ```
//!
//! A thread whose task has ended is kept for another one, while fewer than `spare` are kept. With
//! `spare=0` every task pays for the start and the end of a thread.
//!
//! When there are no more threads, no task may be left to wait for one for ever: the task that would end a
//! bound one's wait could be among them. So from then on, tasks without a thread are *guests*: threads
//! run them while their own task waits, else in the order in which all became ready, and every slice has a
//! quantum. Programs end as they do elsewhere, but what is measured is no longer 1:1: the statistics tell.
//!
//! Invariants
//! - I1. A ready task is ready in its own thread's seat, or in the queue, once.
//! - I2. A bound task is given to its own thread alone.
//! - I3. The queue is empty, or a thread is about to be asked for, or all threads may take guests.
//!
//! Events: none of its own.
//! Costs: push and next are O(1), one lock. A context switch = the system's: a sleep, a wake-up of a thread.
//! Source: the 1:1 model of NPTL (Drepper and Molnar 2003).
//! What it does not do: block a thread in a call (that is the driver's [`menagerie::calls`]); priorities.

use std::collections::{HashMap, VecDeque};

use menagerie::heap::Parameter;
use menagerie::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo,
};
use menagerie::sync::{ManyThreads, Shared, Sharing};
use menagerie::task::TaskId;

/// Reductions of a slice once threads are shared.
const SHARED_QUANTUM: u64 = 4000;

/// The thread that calls: it is there from the beginning to the end.
const FIRST: usize = 0;

/// A thread's place.
#[derive(Clone, Copy, Debug, Default)]
struct Seat {
    /// The task that is bound to it.
    task: Option<TaskId>,
    /// When that became ready, in the order of all that did, if it is.
    ready: Option<u64>,
}

#[derive(Debug)]
struct State {
    /// By a thread's number.
    seats: Vec<Seat>,
    /// Each bound task's thread.
    bound: HashMap<TaskId, usize>,
    /// Ready tasks without a thread, and when they became ready.
    queue: VecDeque<(TaskId, u64)>,
    /// How often a task became ready.
    pushes: u64,
    /// Threads without a task, the last one used last.
    spare: Vec<usize>,
    /// Numbers of threads that have ended.
    vacant: Vec<usize>,
    threads: usize,
    /// As asked for, or as many as the system gave.
    threads_max: usize,
    /// Whether there have been tasks for which no thread was to be had.
    shared: bool,
}

/// 1:1.
#[derive(Debug)]
pub struct Threads {
    state: <ManyThreads as Sharing>::Cell<State>,
    spare_max: usize,
}

impl State {
    fn bind(&mut self, (task, ready): (TaskId, u64), thread: usize) {
        self.bound.insert(task, thread);
        self.seats[thread] = Seat { task: Some(task), ready: Some(ready) };
    }
    fn push(&mut self, task: TaskId) -> Notify {
        self.pushes += 1;
        let ready = self.pushes;
        if let Some(&thread) = self.bound.get(&task) {
            debug_assert!(self.seats[thread].ready.is_none(), "I1");
            self.seats[thread].ready = Some(ready);
            return Notify::Worker(thread);
        }
        if let Some(thread) = self.spare.pop() {
            self.bind((task, ready), thread);
            return Notify::Worker(thread);
        }
        self.queue.push_back((task, ready));
        if self.threads < self.threads_max {
            Notify::Start
        } else if std::mem::replace(&mut self.shared, true) {
            Notify::One
        } else {
            Notify::Share
        }
    }
    fn next(&mut self, thread: usize) -> Option<TaskId> {
        let Seat { task, ready } = self.seats[thread];
        if task.is_none() {
            let first = self.queue.pop_front()?;
            self.spare.retain(|&other| other != thread);
            self.bind(first, thread);
        } else if self.shared
            && let Some(&(guest, since)) = self.queue.front()
            && ready.is_none_or(|ready| since < ready)
        {
            self.queue.pop_front();
            return Some(guest);
        }
        let seat = &mut self.seats[thread];
        seat.ready.take().and(seat.task)
    }
    fn has_work(&self, thread: usize) -> bool {
        let seat = self.seats[thread];
        seat.ready.is_some() || !self.queue.is_empty() && (seat.task.is_none() || self.shared)
    }
    fn grow(&mut self) -> Option<usize> {
        let first = self.queue.pop_front()?;
        let thread = self.vacant.pop().unwrap_or_else(|| {
            self.seats.push(Seat::default());
            self.seats.len() - 1
        });
        self.threads += 1;
        self.bind(first, thread);
        Some(thread)
    }
    /// The thread is no more, or never was.
    fn forget(&mut self, thread: usize) {
        self.threads -= 1;
        self.vacant.push(thread);
    }
    fn refused(&mut self, thread: usize) {
        let Seat { task, ready } = std::mem::take(&mut self.seats[thread]);
        let first = task.zip(ready).expect("bound by `grow`");
        self.bound.remove(&first.0);
        self.queue.push_front(first);
        self.forget(thread);
        self.threads_max = self.threads;
        self.shared = true;
    }
    fn ended(&mut self, task: TaskId) {
        if let Some(thread) = self.bound.remove(&task) {
            self.seats[thread] = Seat::default();
            self.spare.push(thread);
        }
    }
    fn retire(&mut self, thread: usize, spare_max: usize) -> bool {
        let leaves = thread != FIRST
            && self.seats[thread].task.is_none()
            // The calling thread's place among them does not count: it cannot leave.
            && self.spare.iter().filter(|&&other| other != FIRST).count() > spare_max;
        if leaves {
            self.spare.retain(|&other| other != thread);
            self.forget(thread);
        }
        leaves
    }
}

impl Scheduler for Threads {
    type Local = usize;
    type Threads = ManyThreads;
    const DEDICATED: bool = true;
    const INFO: SchedulerInfo = SchedulerInfo {
        name: "threads",
        summary: "one thread of the operating system per task (1:1)",
        parallel: true,
        virtual_time: false,
        parameters: &[
            Parameter {
                name: "threads",
                default: "1000",
                doc: "threads at most, at least 1: tasks beyond share them",
            },
            Parameter {
                name: "spare",
                default: "64",
                doc: "threads kept when their task has ended; 0: every task starts and ends one",
            },
        ],
    };

    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<usize>), SchedulerError> {
        let number = |name, least| {
            let text = config.parameter(&Self::INFO, name);
            text.parse().ok().filter(|&n: &usize| n >= least).ok_or_else(|| {
                SchedulerError(format!("{name}={text}: expected a whole number from {least} on"))
            })
        };
        let state = State {
            seats: vec![Seat::default()],
            bound: HashMap::new(),
            queue: VecDeque::new(),
            pushes: 0,
            spare: vec![FIRST],
            vacant: Vec::new(),
            threads: 1,
            threads_max: number("threads", 1)?,
            shared: false,
        };
        let threads = Threads { state: Shared::new(state), spare_max: number("spare", 0)? };
        Ok((threads, vec![FIRST]))
    }
    fn push(&self, _: Option<&mut usize>, task: TaskId, _: Ready) -> Notify {
        self.state.lock().push(task)
    }
    fn next(&self, local: &mut usize, _: Pick) -> Option<TaskId> {
        self.state.lock().next(*local)
    }
    fn has_work(&self, local: &usize) -> bool {
        self.state.lock().has_work(*local)
    }
    fn quantum(&self) -> u64 {
        if self.state.lock().shared { SHARED_QUANTUM } else { u64::MAX }
    }
    fn grow(&self) -> Option<(usize, usize)> {
        self.state.lock().grow().map(|thread| (thread, thread))
    }
    fn refused(&self, worker: usize) {
        self.state.lock().refused(worker);
    }
    fn ended(&self, _: &mut usize, task: TaskId) {
        self.state.lock().ended(task);
    }
    fn retire(&self, local: &mut usize) -> bool {
        self.state.lock().retire(*local, self.spare_max)
    }
    fn drain(&self, _: &mut usize, f: &mut dyn FnMut(TaskId)) {
        let state = &mut *self.state.lock();
        for seat in &mut state.seats {
            seat.ready.take().and(seat.task).into_iter().for_each(&mut *f);
        }
        state.queue.drain(..).for_each(|(task, _)| f(task));
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbered::*;
    use super::*;

    fn with(threads: &str, spare: &str) -> Threads {
        let parameters = [("threads", threads), ("spare", spare)];
        let parameters = parameters.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
        Threads::new(&SchedulerConfig { workers: 1, parameters }).unwrap().0
    }
    fn wake(sched: &Threads, number: u64) -> Notify {
        push(sched, &mut 0, number, Ready::Wake)
    }
    fn run(sched: &Threads, mut thread: usize) -> Option<u64> {
        next(sched, &mut thread, 0)
    }

    #[test]
    fn a_task_comes_out_on_its_own_thread_alone() {
        let sched = with("10", "1");
        assert_eq!(wake(&sched, 1), Notify::Worker(0), "the first thread is spare");
        assert_eq!(wake(&sched, 2), Notify::Start);
        assert_eq!(sched.grow(), Some((1, 1)));
        assert_eq!((run(&sched, 1), run(&sched, 0)), (Some(2), Some(1)));
        assert_eq!((run(&sched, 0), run(&sched, 1)), (None, None));
        assert_eq!(wake(&sched, 1), Notify::Worker(0));
        assert_eq!((run(&sched, 1), run(&sched, 0)), (None, Some(1)));
        assert_eq!(sched.quantum(), u64::MAX);
    }

    #[test]
    fn threads_are_kept_for_later_tasks_as_long_as_few_are() {
        let sched = with("10", "1");
        for task in 1..=4 {
            wake(&sched, task);
            sched.grow();
        }
        for thread in [0, 1, 2, 3] {
            let number = run(&sched, thread).unwrap();
            sched.ended(&mut { thread }, task(number));
        }
        let retire = |thread: usize| sched.retire(&mut { thread });
        assert_eq!([0, 1, 2, 3].map(retire), [false, true, true, false]);
        assert_eq!(wake(&sched, 5), Notify::Worker(3));
        assert_eq!(wake(&sched, 6), Notify::Worker(0));
        assert_eq!((wake(&sched, 7), sched.grow()), (Notify::Start, Some((2, 2))), "used again");
    }

    #[test]
    fn tasks_beyond_the_last_thread_are_guests_of_the_others() {
        for refused in [false, true] {
            let sched = with(if refused { "10" } else { "2" }, "1");
            wake(&sched, 1);
            wake(&sched, 2);
            assert_eq!(sched.grow(), Some((1, 1)));
            assert_eq!((run(&sched, 0), run(&sched, 1)), (Some(1), Some(2)));
            if refused {
                assert_eq!(wake(&sched, 3), Notify::Start);
                let (thread, _) = sched.grow().unwrap();
                sched.refused(thread);
            } else {
                assert_eq!(wake(&sched, 3), Notify::Share);
            }
            assert_eq!(wake(&sched, 4), Notify::One);
            assert_eq!(sched.quantum(), SHARED_QUANTUM);
            // First in, first out, with a thread's own task among them.
            assert_eq!(wake(&sched, 1), Notify::Worker(0));
            assert_eq!(wake(&sched, 5), Notify::One);
            assert_eq!((run(&sched, 0), run(&sched, 1)), (Some(3), Some(4)));
            assert_eq!((run(&sched, 0), run(&sched, 1)), (Some(1), Some(5)));
            assert_eq!((run(&sched, 0), run(&sched, 1)), (None, None));
            // A thread whose task has ended takes one for good.
            wake(&sched, 3);
            sched.ended(&mut 1, task(2));
            assert_eq!(run(&sched, 1), Some(3));
            assert_eq!(wake(&sched, 3), Notify::Worker(1));
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for bad in [("threads", "0"), ("threads", "many"), ("spare", "-1")] {
            let parameters = vec![(bad.0.to_owned(), bad.1.to_owned())];
            assert!(Threads::new(&SchedulerConfig { workers: 1, parameters }).is_err(), "{bad:?}");
        }
    }
}
