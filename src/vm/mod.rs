//! `Vm<H, S, E>`: loads a program and drives its tasks.
//!
//! The driver owns the mechanisms: task table, task words, join lists, timers, collections,
//! finalizers, deadlock detection. The scheduler says who runs next; the interpreter runs a slice.
//!
//! A slice ends with an [`Outcome`]: done, failed, preempted, blocked, or the end of the program.
//! Each worker runs one loop that turns outcomes into pushes until nothing is left:
//!
//! ```text
//!   fire timers ──► next task? ──yes──► run slice ──► settle outcome ──┐
//!        ▲                │ no                                          │
//!        │        timers? ├─yes──► sleep until the earliest ────────────┤
//!        │         tasks? ├─yes──► Deadlock                             │
//!        │                └─no───► finished                             │
//!        └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! Several workers run fast bodies at the same time; everything in the picture above happens with
//! the gate held ([`crate::gate`]). `worker` is the loop, `port` what a slice reaches of it, `shared` what
//! all work on, `roots` what a collector sees of it, `threads` where workers run.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::bytecode::verify::Verified;
use crate::calls::Calls;
use crate::event::{NullSink, Sink};
use crate::heap::{Cause, Heap, HeapConfig, Mutator, Usage};
use crate::host::Host;
use crate::interp::{Engine, Loaded};
use crate::ir::FuncId;
use crate::report::Ending;
use crate::sched::{Scheduler, SchedulerConfig, Workers};
use crate::stats::Stats;
use crate::value::Value;
use crate::world::World;

mod dump;
mod port;
mod roots;
mod shared;
mod threads;
mod worker;

pub use dump::Dumps;
use shared::Shared;
pub use threads::Threads;
use worker::{Worker, drop_references};

/// What to build a VM from.
#[derive(Clone, Debug, Default)]
pub struct VmConfig {
    /// The heap's part.
    pub heap: HeapConfig,
    /// The scheduler's part.
    pub scheduler: SchedulerConfig,
    /// Which dispatch engine.
    pub engine: Engine,
    /// Reductions (calls and back-edges) after which the program ends; `None` = no limit.
    pub step_limit: Option<u64>,
    /// The longest stack of a task, in words; `None` = 2 Mi words (16 MiB).
    pub max_stack_words: Option<usize>,
    /// The most threads that run calls which may block ([`crate::calls`]); `None` = 64.
    pub call_threads: Option<usize>,
    /// Who asks what all tasks do, while the program runs.
    pub dumps: Option<Arc<Dumps>>,
    /// Whether to measure how long workers run and search, and how long tasks wait for their turn
    /// ([`crate::metrics`]).
    pub measure: bool,
    /// Virtual time: `sleep` ends as soon as nothing else can run.
    pub virtual_time: bool,
}

/// Why a VM cannot be built. Shown to the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmError(pub String);

impl std::fmt::Display for VmError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for VmError {}

const DEFAULT_CALL_THREADS: usize = 64;
const DEFAULT_STACK_WORDS: usize = 2 << 20;

/// A virtual machine with one heap and one scheduler.
pub struct Vm<H: Heap, S: Scheduler, E: Sink = NullSink> {
    /// The worker of the calling thread; always there, but while the VM is made or dropped.
    first: Option<Worker<H, S, E>>,
    /// The scheduler's parts of further workers, numbered from 1, until these are started.
    others: Vec<S::Local>,
    /// Made by `Box::leak`, because workers point to it.
    shared: NonNull<Shared<H, S, E>>,
}

impl<H: Heap, S: Scheduler, E: Sink> std::fmt::Debug for Vm<H, S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vm<{}, {}>({} tasks)", H::INFO.name, S::INFO.name, self.shared().table.len())
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Drop for Vm<H, S, E> {
    fn drop(&mut self) {
        // Before what it points to: its drop flushes into the heap.
        self.first = None;
        // SAFETY: made by `Box::leak` in `new`, freed once, here; no worker is left.
        drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Vm<H, S, E> {
    /// A VM with the program of `code` loaded and its entry task ready.
    ///
    /// `world` holds the IR program that `code` was emitted from.
    pub fn new(
        config: &VmConfig,
        code: Verified,
        mut world: World,
        sink: E,
    ) -> Result<Self, VmError> {
        if config.heap.wrapped.is_none() {
            config.heap.check(&H::INFO).map_err(|e| VmError(e.0))?;
        }
        config.scheduler.check(&S::INFO).map_err(|e| VmError(e.0))?;
        let heap = H::new(&config.heap).map_err(|e| VmError(e.0))?;
        let (scheduler, locals) = S::new(&config.scheduler).map_err(|e| VmError(e.0))?;
        let entry = code.code().entry;
        let loaded = Loaded::new(code, &mut world.program);
        if config.virtual_time || S::INFO.virtual_time {
            world.virtual_ns = Some(0);
        }
        let parts = (heap, scheduler, sink);
        let setup = (config.engine, config.max_stack_words.unwrap_or(DEFAULT_STACK_WORDS));
        let calls = Calls::new(config.call_threads.unwrap_or(DEFAULT_CALL_THREADS));
        let how = (setup, calls, config.measure);
        let workers = match locals.len() {
            1 if !S::DEDICATED => Workers::One,
            _ => Workers::Several,
        };
        let mut shared = Shared::new(parts, world, loaded, how, config.step_limit, workers);
        shared.dumps.clone_from(&config.dumps);
        let shared = NonNull::from(Box::leak(Box::new(shared)));
        let mut locals = locals.into_iter();
        let first = locals.next().expect("a scheduler has at least one worker");
        let mut vm = Vm { first: None, others: locals.collect(), shared };
        vm.first = Some(Worker::join(0, first, shared));
        vm.load(entry)?;
        Ok(vm)
    }

    fn first(&mut self) -> &mut Worker<H, S, E> {
        self.first.as_mut().expect("there from `new` to `drop`")
    }
    fn shared(&self) -> &Shared<H, S, E> {
        // SAFETY: valid until drop; no worker runs meanwhile.
        unsafe { self.shared.as_ref() }
    }
    fn shared_mut(&mut self) -> &mut Shared<H, S, E> {
        // SAFETY: as `shared`.
        unsafe { self.shared.as_mut() }
    }

    fn load(&mut self, entry: Option<FuncId>) -> Result<(), VmError> {
        let too_small =
            |_| VmError("the heap is too small to load the program: raise its limit".into());
        let loaded = self.shared().loaded.clone();
        let worker = self.first();
        worker
            .with_host(|host| {
                loaded.make_constants(host)?;
                let error = preallocated_error(host, "OutOfMemory", "the heap is exhausted")?;
                let place: *mut Value = &mut host.world().out_of_memory;
                host.set_root(place, error);
                let text = "calls are nested too deeply";
                let error = preallocated_error(host, "StackOverflow", text)?;
                let place: *mut Value = &mut host.world().stack_overflow;
                host.set_root(place, error);
                Ok(())
            })
            .map_err(too_small)?;
        if let Some(entry) = entry {
            worker.spawn_function(entry, &[]).map_err(too_small)?;
        }
        Ok(())
    }

    /// Runs until the program ends.
    pub fn run(&mut self) -> Ending
    where
        S::Threads: Threads<H, S, E>,
    {
        S::Threads::run(self);
        // Those that still run are left alone: nothing waits for them.
        self.shared().calls.close();
        self.first().interpreter.mutator().flush();
        let shared = self.shared_mut();
        let flushed = shared.world.output.write();
        match (shared.ending.take().expect("workers stop at the end"), flushed) {
            (Ending::Finished, Err(e)) => Ending::OutputFailed(e.to_string()),
            (ending, _) => ending,
        }
    }

    /// Drops every root, as if the program had never been loaded, and collects: what the heap then
    /// still holds has leaked. The VM cannot run afterwards.
    pub fn drop_roots(&mut self) -> Usage {
        let worker = self.first();
        let shared = worker.port.shared();
        let mutator = worker.interpreter.mutator();
        for task in shared.table.parked_mut() {
            drop_references(mutator, task);
        }
        shared.table.clear();
        for (handle, _) in &mut shared.failures {
            mutator.clear(std::slice::from_mut(handle));
        }
        shared.failures.clear();
        let world = &mut shared.world;
        for (_, function) in &mut world.finalizers {
            mutator.clear(std::slice::from_mut(function));
        }
        world.finalizers.clear();
        world.root_slices(&mut |slice, _| {
            mutator.clear(slice);
            slice.fill(Value::NIL);
        });
        if mutator.unsettled() {
            mutator.drain();
        }
        worker.with_host(|host| host.collect(Cause::Explicit));
        worker.with_host(|host| host.usage())
    }

    /// Statistics so far.
    pub fn stats(&mut self) -> Stats {
        let first = self.first();
        first.interpreter.mutator().flush();
        let worker = first.stats();
        let shared = self.shared();
        let mut stats = shared.stats.clone();
        stats.worker(0, &worker);
        let all = stats.all_workers().counts;
        (stats.reductions, stats.tasks_spawned) = (all.reductions, all.spawns);
        (stats.slices, stats.preemptions) = (all.slices, all.preemptions);
        stats.usage(shared.heap.usage());
        stats.counters = shared.heap.counters();
        stats
    }

    /// The shared state.
    pub fn world(&mut self) -> &mut World {
        &mut self.shared_mut().world
    }
    /// The heap.
    pub fn heap(&self) -> &H {
        &self.shared().heap
    }
}

fn preallocated_error(host: &mut dyn Host, kind: &str, message: &str) -> Result<Value, Value> {
    // Built like any other; if even that fails, the word in the world is still nil.
    let error = crate::host::new_error(host, kind, message);
    if error == Value::NIL { Err(error) } else { Ok(error) }
}
