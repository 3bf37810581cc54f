//! How the workers of a VM are run: in the calling thread, or each in a thread of its own.
//!
//! A scheduler names one of the two as [`Scheduler::Threads`]. Only [`OneThread`] runs every heap:
//! that a parallel scheduler has a shared heap is a bound, so an invalid pair does not compile.
//!
//! ```compile_fail,E0277
//! use menagerie::heap::Heap;
//! use menagerie::sched::Scheduler;
//! use menagerie::sync::ManyThreads;
//! use menagerie::vm::Vm;
//!
//! // A heap that is not shared, and a scheduler that is parallel.
//! fn run<H: Heap, S: Scheduler<Threads = ManyThreads>>(vm: &mut Vm<H, S>) {
//!     vm.run();
//! }
//! ```

use super::Vm;
use super::worker::Worker;
use crate::event::Sink;
use crate::heap::{Heap, SharedHeap};
use crate::sched::Scheduler;
use crate::sync::{ManyThreads, OneThread, thread};

/// Where workers run.
pub trait Threads<H: Heap, S: Scheduler, E: Sink> {
    /// Lets all workers work until the program ends.
    fn run(vm: &mut Vm<H, S, E>);
}

impl<H: Heap, S: Scheduler, E: Sink> Threads<H, S, E> for OneThread {
    fn run(vm: &mut Vm<H, S, E>) {
        assert_eq!(vm.workers.len(), 1, "one thread, one worker");
        work(&mut vm.workers[0]);
    }
}

/// A worker on its way to its thread.
struct Moved<'a, H: Heap, S: Scheduler, E: Sink>(&'a mut Worker<H, S, E>);

// SAFETY: the worker's mutator and its part of the scheduler may move between threads; what it
// points to is shared under the gate, and its parts may be used from any thread.
unsafe impl<H, S, E> Send for Moved<'_, H, S, E>
where
    H: SharedHeap,
    S: Scheduler<Local: Send> + Sync,
    E: Sink + Send,
{
}

impl<H, S, E> Threads<H, S, E> for ManyThreads
where
    H: SharedHeap,
    S: Scheduler<Local: Send> + Sync,
    E: Sink + Send,
{
    fn run(vm: &mut Vm<H, S, E>) {
        let (first, others) = vm.workers.split_first_mut().expect("at least one worker");
        thread::scope(|scope| {
            for worker in others {
                let moved = Moved(worker);
                let start = move || {
                    // The whole of it moves, not the field alone.
                    let moved = moved;
                    work(moved.0);
                };
                // Fewer threads than asked for: the others do the work.
                if let Err(e) = thread::start(scope, "menagerie-worker", start) {
                    eprintln!("menagerie: a worker's thread cannot be started: {e}");
                }
            }
            work(first);
        });
    }
}

fn work<H: Heap, S: Scheduler, E: Sink>(worker: &mut Worker<H, S, E>) {
    let gate = worker.shared().gate.clone();
    gate.lock();
    worker.work();
    // SAFETY: taken above; `work` gives it back as it was.
    unsafe { gate.unlock() };
}
