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
//!
//! The first worker runs in the calling thread. Another one's thread
//! 1. takes the gate, makes the worker with its mutator and its lane, and joins the others' list,
//! 2. works until the program ends or the scheduler lets it go ([`Scheduler::retire`]),
//! 3. leaves the list, drops the worker, and gives the gate up.
//!
//! All of 1 and 3 happens with the gate held, so nobody stops the world around half a worker. The calling
//! thread ends last: it waits for all others before the state that they point to can go.

use std::io;
use std::ptr::NonNull;

use super::Vm;
use super::shared::Shared;
use super::worker::Worker;
use crate::event::Sink;
use crate::heap::{Heap, SharedHeap};
use crate::sched::Scheduler;
use crate::sync::{ManyThreads, OneThread, thread};

/// The stack of a worker's thread, bytes. Neither the interpreter nor a heap recurses; but with debug
/// assertions a slow op of the tail engine leaves a frame until the slice ends.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 16 << 20 } else { 512 << 10 };

/// Where workers run.
pub trait Threads<H: Heap, S: Scheduler, E: Sink> {
    /// Lets all workers work until the program ends.
    fn run(vm: &mut Vm<H, S, E>);
}

impl<H: Heap, S: Scheduler, E: Sink> Threads<H, S, E> for OneThread {
    fn run(vm: &mut Vm<H, S, E>) {
        assert!(vm.others.is_empty(), "one thread, one worker");
        work(vm.first());
    }
}

impl<H, S, E> Threads<H, S, E> for ManyThreads
where
    H: SharedHeap,
    S: Scheduler<Local: Send> + Sync,
    E: Sink + Send,
{
    fn run(vm: &mut Vm<H, S, E>) {
        let shared = vm.shared;
        let others = std::mem::take(&mut vm.others);
        let gate = vm.shared().gate.clone();
        gate.lock();
        vm.shared_mut().start = Some(start::<H, S, E>);
        for (number, local) in (1..).zip(others) {
            // Fewer threads than asked for: the others do the work.
            if let Err(e) = vm.shared_mut().start_worker(shared, number, local) {
                eprintln!("menagerie: a worker's thread cannot be started: {e}");
            }
        }
        // SAFETY: taken above.
        unsafe { gate.unlock() };
        // A test may want to see the panic of a worker that is alone.
        let alone = vm.shared().threads.is_empty() && !S::DEDICATED;
        let dies = (!alone).then_some(DiesWhenItPanics);
        work(vm.first());
        drop(dies);
        loop {
            // One that ends may have started others before.
            gate.lock();
            let threads = std::mem::take(&mut vm.shared_mut().threads);
            // SAFETY: as above.
            unsafe { gate.unlock() };
            if threads.is_empty() {
                return;
            }
            threads.into_iter().for_each(|thread| thread.join().expect("it would have aborted"));
        }
    }
}

fn work<H: Heap, S: Scheduler, E: Sink>(worker: &mut Worker<H, S, E>) {
    let gate = worker.shared().gate.clone();
    gate.lock();
    worker.work();
    // SAFETY: taken above; `work` gives it back as it was.
    unsafe { gate.unlock() };
}

/// Starts the thread of one more worker.
pub(super) type Start<H, S, E> = fn(
    NonNull<Shared<H, S, E>>,
    usize,
    <S as Scheduler>::Local,
) -> io::Result<thread::JoinHandle<()>>;

/// What a worker is made of, on its way to its thread.
struct Moved<H: Heap, S: Scheduler, E: Sink> {
    shared: NonNull<Shared<H, S, E>>,
    number: usize,
    local: S::Local,
}

// SAFETY: the scheduler's part may move between threads; what the pointer leads to is shared under the
// gate, its parts may be used from any thread, and it outlives the thread, which `run` waits for.
unsafe impl<H, S, E> Send for Moved<H, S, E>
where
    H: SharedHeap,
    S: Scheduler<Local: Send> + Sync,
    E: Sink + Send,
{
}

fn start<H, S, E>(
    shared: NonNull<Shared<H, S, E>>,
    number: usize,
    local: S::Local,
) -> io::Result<thread::JoinHandle<()>>
where
    H: SharedHeap,
    S: Scheduler<Local: Send> + Sync,
    E: Sink + Send,
{
    let moved = Moved { shared, number, local };
    let body = move || {
        // The whole of it moves, not its fields.
        let Moved { shared, number, local } = { moved };
        let _dies = DiesWhenItPanics;
        // SAFETY: the state outlives this thread; this field of it never changes.
        let gate = unsafe { (*shared.as_ptr()).gate.clone() };
        gate.lock();
        let mut worker = Worker::join(number, local, shared);
        worker.work();
        worker.leave();
        drop(worker);
        // SAFETY: taken above; `work` gives it back as it was.
        unsafe { gate.unlock() };
    };
    thread::spawn_with_stack("menagerie-worker", STACK_BYTES, body)
}

/// A worker that panics may hold the gate, for which all others would wait for ever: the message is out,
/// and the process ends.
struct DiesWhenItPanics;

impl Drop for DiesWhenItPanics {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("menagerie: a worker has panicked; the others cannot go on");
            std::process::abort();
        }
    }
}
