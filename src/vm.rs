//! `Vm<H, S, E>`: loads a program and drives its tasks.
//!
//! The driver owns the mechanisms: task table, task words, join lists, timers, collections,
//! finalizers, deadlock detection. The scheduler says who runs next; the interpreter runs a slice.
//!
//! A slice ends with an [`Outcome`]: done, failed, preempted, blocked, or the end of the program.
//! One loop, [`Vm::run`], turns outcomes into pushes until nothing is left:
//!
//! ```text
//!   fire timers ──► next task? ──yes──► run slice ──► settle outcome ──┐
//!        ▲                │ no                                          │
//!        │        timers? ├─yes──► sleep until the earliest ────────────┤
//!        │         tasks? ├─yes──► Deadlock                             │
//!        │                └─no───► finished                             │
//!        └──────────────────────────────────────────────────────────────┘
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bytecode::verify::Verified;
use crate::concurrency::{Critical, scope};
use crate::event::{Event, NullSink, Sink};
use crate::heap::{
    Barrier, Cause, Dirty, Heap, HeapConfig, Liveness, Mutator, Region, Roots, Usage,
};
use crate::host::{Fatal, Host, Wait};
use crate::interp::{Driver, Engine, Interpreter, Loaded, Outcome};
use crate::ir::FuncId;
use crate::object::{ObjectKind, ObjectLayout, TaskState, slots};
use crate::report::{Ending, describe_error, trace_of};
use crate::sched::{Pick, Ready, Scheduler, SchedulerConfig};
use crate::stats::{Pause, Stats, task_clock_ns};
use crate::table::TaskTable;
use crate::task::{Task, TaskId};
use crate::value::Value;
use crate::world::World;

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

/// How long a slice takes in virtual time.
const VIRTUAL_SLICE_NS: u64 = 1_000;
const DEFAULT_STACK_WORDS: usize = 2 << 20;

/// A virtual machine with one heap and one scheduler.
pub struct Vm<H: Heap, S: Scheduler, E: Sink = NullSink> {
    interpreter: Interpreter<H>,
    shared: Shared<H, S, E>,
    step_limit: Option<u64>,
}

/// Everything but the interpreter: what [`Driver`] calls work on.
struct Shared<H: Heap, S: Scheduler, E: Sink> {
    heap: H,
    scheduler: S,
    local: S::Local,
    sink: E,
    /// Behind a pointer, because the running slice uses it too (one thread, short borrows).
    world: NonNull<World>,
    loaded: Arc<Loaded>,
    table: TaskTable,
    /// (due time, sequence, task): the sequence keeps equal times in order.
    timers: BinaryHeap<Reverse<(u64, u64, TaskId)>>,
    timer_sequence: u64,
    running: Option<TaskId>,
    stats: Stats,
    /// Failed tasks that nobody may have joined: (handle, description).
    failures: Vec<(Value, Ending)>,
}

impl<H: Heap, S: Scheduler, E: Sink> std::fmt::Debug for Vm<H, S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vm<{}, {}>({} tasks)", H::INFO.name, S::INFO.name, self.shared.table.len())
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Drop for Shared<H, S, E> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `Vm::new`, freed once, here.
        drop(unsafe { Box::from_raw(self.world.as_ptr()) });
    }
}

/// The roots of a stopped VM.
struct VmRoots<'a> {
    table: &'a mut TaskTable,
    running: &'a mut Task,
    world: &'a mut World,
    failures: &'a mut Vec<(Value, Ending)>,
    loaded: &'a Loaded,
    /// Whether the heap counts references in registers: then every register that is not nil holds
    /// a counted reference, and only the mutator may drop it.
    counts: bool,
}

impl VmRoots<'_> {
    fn shared_slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.world.root_slices(f);
        for (handle, _) in self.failures.iter_mut() {
            f(std::slice::from_mut(handle), Dirty::Yes);
        }
    }
    fn task(
        (loaded, counts): (&Loaded, bool),
        task: &mut Task,
        f: &mut dyn FnMut(&mut [Value], Dirty),
    ) {
        // SAFETY: the world is stopped: every task's state is saved and nobody runs it. `top` is
        // within the task's block.
        let registers = unsafe {
            let top = if counts {
                task.frame_top.cast::<Value>()
            } else {
                loaded.clear_dead_registers(task)
            };
            task.registers_below(top)
        };
        // Lifetimes: the slice is used before the task is touched again.
        let registers: *mut [Value] = registers;
        let dirty = if task.dirty { Dirty::Yes } else { Dirty::No };
        // SAFETY: see above.
        f(unsafe { &mut *registers }, dirty);
        f(std::slice::from_mut(&mut task.handle), dirty);
        f(std::slice::from_mut(&mut task.trace_of), dirty);
    }
}

impl Roots for VmRoots<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.shared_slices(f);
        let how = (self.loaded, self.counts);
        Self::task(how, self.running, f);
        for task in self.table.parked_mut() {
            Self::task(how, task, f);
        }
    }
    fn recent(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        let mut visit = |slice: &mut [Value], _| f(slice);
        self.shared_slices(&mut visit);
        let how = (self.loaded, self.counts);
        Self::task(how, self.running, &mut visit);
        self.table.recent_mut(&mut |task| Self::task(how, task, &mut visit));
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.world.process_weak(live)
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Shared<H, S, E> {
    #[allow(clippy::mut_from_ref, reason = "one thread, short borrows; see `world`'s field")]
    fn world(&self) -> &mut World {
        // SAFETY: valid until drop; borrows are short and do not overlap.
        unsafe { &mut *self.world.as_ptr() }
    }

    #[inline(always)]
    fn emit(&mut self, event: impl FnOnce() -> Event) {
        #[cfg(feature = "events")]
        if E::ENABLED {
            let at = self.world().now_ns();
            self.sink.emit(at, &event());
        }
        #[cfg(not(feature = "events"))]
        let _ = (event, &self.sink);
    }

    fn push(&mut self, id: TaskId, why: Ready) {
        // One worker: nobody sleeps who could be told.
        let _ = self.scheduler.push(Some(&mut self.local), id, why);
    }

    fn wake(&mut self, id: TaskId) {
        if self.table.word(id).is_some_and(|word| word.wake()) {
            self.emit(|| Event::TaskWake { task: id });
            self.push(id, Ready::Wake);
        }
    }

    fn fire_timers(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now = self.world().now_ns();
        while let Some((due, id)) = self.next_timer() {
            if due > now {
                break;
            }
            self.timers.pop();
            self.wake(id);
        }
    }

    /// The earliest timer that a task still waits for; those of waits that are over are dropped.
    fn next_timer(&mut self) -> Option<(u64, TaskId)> {
        while let Some(&Reverse((due, _, id))) = self.timers.peek() {
            let wait = self.table.parked(id).and_then(|task| task.wait);
            if wait == Some(Wait::Event(Some(due))) {
                return Some((due, id));
            }
            self.timers.pop();
        }
        None
    }

    /// Waits for the earliest timer; `false` when there is none.
    fn sleep_until_timer(&mut self) -> bool {
        let Some((due, _)) = self.next_timer() else { return false };
        let world = self.world();
        if let Some(now) = &mut world.virtual_ns {
            *now = (*now).max(due);
        } else {
            // A failing write shows again at the end of the run, where it is reported.
            let _ = world.output.flush();
            let wait = due.saturating_sub(world.now_ns());
            std::thread::sleep(Duration::from_nanos(wait));
        }
        true
    }

    fn block(&mut self, task: Box<Task>, wait: Wait) {
        let id = task.id;
        self.emit(|| Event::TaskBlock { task: id, on: wait_name(wait) });
        let must_wait = match wait {
            Wait::Turn => {
                self.table.park(task, None);
                self.table.word(id).expect("just parked").requeue();
                self.push(id, Ready::Yield);
                return;
            }
            Wait::Event(until) => {
                if let Some(due) = until {
                    self.timer_sequence += 1;
                    self.timers.push(Reverse((due, self.timer_sequence, id)));
                }
                true
            }
            // A task that joins itself waits for ever: the deadlock report says so.
            Wait::Join(other) if other == id => true,
            Wait::Join(other) => self.table.add_waiter(other, id),
        };
        self.table.park(task, Some(wait));
        let word = self.table.word(id).expect("just parked");
        if !word.suspend() || (!must_wait && word.wake()) {
            self.push(id, Ready::Wake);
        }
    }
}

fn wait_name(wait: Wait) -> &'static str {
    match wait {
        Wait::Turn => "yield",
        Wait::Join(_) => "join",
        Wait::Event(_) => "event",
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Driver for Shared<H, S, E> {
    fn collect(&mut self, running: &mut Task, why: Cause) {
        self.emit(|| Event::CollectionBegin { cause: why });
        let (start, start_clock_ns) = (Instant::now(), task_clock_ns());
        self.stats.usage(self.heap.usage());
        // Real time, even when the program sees virtual time.
        let start_ns = start.duration_since(self.world().start).as_nanos() as u64;
        let mut roots = VmRoots {
            table: &mut self.table,
            running,
            // SAFETY: as `Shared::world`; the world is stopped.
            world: unsafe { self.world.as_mut() },
            failures: &mut self.failures,
            loaded: &self.loaded,
            counts: self.heap.info().barrier == Barrier::Counting,
        };
        let collection = self.heap.collect(&mut roots, why);
        self.table.all_seen();
        self.stats.usage(self.heap.usage());
        let wall_ns = start.elapsed().as_nanos() as u64;
        let pause = Pause {
            cause: why,
            start_ns,
            wall_ns,
            task_clock_ns: task_clock_ns() - start_clock_ns,
            before_bytes: collection.before_bytes,
            after_bytes: collection.after_bytes,
            copied_bytes: collection.copied_bytes,
        };
        self.stats.collection(pause, &collection);
        for &(phase, wall_ns) in &collection.phases {
            self.emit(|| Event::CollectionPhase { phase, wall_ns });
        }
        self.emit(|| Event::CollectionEnd {
            before_bytes: collection.before_bytes,
            after_bytes: collection.after_bytes,
            traced_objects: collection.traced_objects,
            wall_ns,
        });
    }
    fn roots(&mut self, running: &mut Task, f: &mut dyn FnMut(&mut dyn Roots)) {
        f(&mut VmRoots {
            table: &mut self.table,
            running,
            // SAFETY: as `Shared::world`; the world is stopped.
            world: unsafe { self.world.as_mut() },
            failures: &mut self.failures,
            loaded: &self.loaded,
            counts: self.heap.info().barrier == Barrier::Counting,
        });
    }
    fn fresh_id(&mut self) -> TaskId {
        self.table.reserve()
    }
    fn spawned(&mut self, task: Task) {
        let (id, parent) = (task.id, self.running);
        self.stats.tasks_spawned += 1;
        self.emit(|| Event::TaskSpawn { task: id, parent });
        self.table.add(Box::new(task));
        self.push(id, Ready::Spawn);
    }
    fn wake(&mut self, task: TaskId) {
        Shared::wake(self, task);
    }
    fn usage(&self) -> Usage {
        self.heap.usage()
    }
    fn world_ptr(&mut self) -> *mut World {
        self.world.as_ptr()
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
        let local = locals.into_iter().next().expect("a scheduler has at least one worker");
        let entry = code.code().entry;
        let loaded = Loaded::new(code, &mut world.program);
        if config.virtual_time {
            world.virtual_ns = Some(0);
        }
        let mutator = heap.mutator();
        let max_stack_words = config.max_stack_words.unwrap_or(DEFAULT_STACK_WORDS);
        let interpreter = Interpreter::new(loaded.clone(), mutator, config.engine, max_stack_words);
        let shared = Shared {
            heap,
            scheduler,
            local,
            sink,
            world: NonNull::from(Box::leak(Box::new(world))),
            loaded,
            table: TaskTable::default(),
            timers: BinaryHeap::new(),
            timer_sequence: 0,
            running: None,
            stats: Stats::default(),
            failures: Vec::new(),
        };
        let mut vm = Vm { interpreter, shared, step_limit: config.step_limit };
        vm.load(entry)?;
        Ok(vm)
    }

    fn load(&mut self, entry: Option<FuncId>) -> Result<(), VmError> {
        let too_small =
            |_| VmError("the heap is too small to load the program: raise its limit".into());
        let loaded = self.shared.loaded.clone();
        self.with_host(|host| {
            loaded.make_constants(host)?;
            let error = preallocated_error(host, "OutOfMemory", "the heap is exhausted")?;
            let place: *mut Value = &mut host.world().out_of_memory;
            host.set_root(place, error);
            let error = preallocated_error(host, "StackOverflow", "calls are nested too deeply")?;
            let place: *mut Value = &mut host.world().stack_overflow;
            host.set_root(place, error);
            Ok(())
        })
        .map_err(too_small)?;
        if let Some(entry) = entry {
            self.spawn_function(entry, &[]).map_err(too_small)?;
        }
        Ok(())
    }

    /// Runs `f` with the facade of builtins, outside of any task.
    fn with_host<T>(&mut self, f: impl FnOnce(&mut dyn Host) -> T) -> T {
        let halt = self.shared.loaded.halt();
        let mut nobody = Task::new(0, halt, halt, 1, &[]);
        self.interpreter.with_host(&mut self.shared, &mut nobody, f)
    }

    /// A new task that calls a function. The values must be roots of the world meanwhile.
    fn spawn_function(&mut self, f: FuncId, values: &[Value]) -> Result<TaskId, Value> {
        let info = self.shared.loaded.funcs()[f.index()];
        let id = self.shared.table.reserve();
        let handle = self.with_host(|host| {
            let layout = ObjectLayout::new(ObjectKind::Task, slots::TASK_LEN);
            let handle = host.alloc(layout)?;
            host.init(handle, slots::TASK_ID, Value::small(id as i64));
            host.init(handle, slots::TASK_STATE, Value::small(TaskState::Pending as i64));
            host.init(handle, slots::TASK_OBSERVED, Value::FALSE);
            Ok::<_, Value>(Value::object(handle))
        });
        let handle = handle.inspect_err(|_| self.shared.table.forget(id))?;
        let halt = self.shared.loaded.halt();
        let mut task = Task::new(id, info.code, halt, info.registers as usize, &[]);
        let mutator = self.interpreter.mutator();
        mutator.set(&mut task.handle, handle);
        for (n, &v) in values.iter().enumerate() {
            // SAFETY: parameters are registers of the new task.
            mutator.set(unsafe { &mut *task.base.add(n) }, v);
        }
        self.shared.spawned(task);
        Ok(id)
    }

    /// Runs until the program ends.
    pub fn run(&mut self) -> Ending {
        let ending = self.run_tasks();
        self.interpreter.mutator().flush();
        let flushed = self.shared.world().output.flush();
        match (ending, flushed) {
            (Ending::Finished, Err(e)) => Ending::OutputFailed(e.to_string()),
            (ending, _) => ending,
        }
    }

    fn run_tasks(&mut self) -> Ending {
        loop {
            self.shared.fire_timers();
            self.start_finalizers();
            let pick = Pick { tick: self.shared.stats.slices };
            if let Some(id) = self.shared.scheduler.next(&mut self.shared.local, pick) {
                if let Some(ending) = self.run_slice(id) {
                    return ending;
                }
            } else if !self.shared.sleep_until_timer() {
                return self.nothing_runs();
            }
        }
    }

    /// No task can run and no timer is set: the end, or a deadlock.
    fn nothing_runs(&mut self) -> Ending {
        let waiting = self.shared.table.len();
        if waiting > 0 {
            self.shared.emit(|| Event::Deadlock { tasks: waiting });
            let world = self.shared.world();
            return Ending::Deadlock(self.shared.table.deadlock_report(&self.shared.loaded, world));
        }
        let unobserved = self.shared.failures.iter().position(|(handle, _)| !observed(*handle));
        match unobserved {
            Some(i) => {
                let (mut handle, failure) = self.shared.failures.swap_remove(i);
                self.interpreter.mutator().clear(std::slice::from_mut(&mut handle));
                failure
            }
            None => Ending::Finished,
        }
    }

    fn run_slice(&mut self, id: TaskId) -> Option<Ending> {
        let mut task = self.shared.table.take(id).expect("schedulers give out live tasks (S1)");
        self.shared.table.word(id).expect("live").start();
        task.wait = None;
        let mut quantum = self.shared.scheduler.quantum();
        if let Some(limit) = self.step_limit {
            quantum = quantum.min(limit.saturating_sub(self.interpreter.reductions).max(1));
        }
        self.shared.running = Some(id);
        self.shared.emit(|| Event::SliceBegin { task: id });
        let before = self.interpreter.reductions;
        let outcome = self.interpreter.run_slice(&mut task, &mut self.shared, quantum);
        self.shared.running = None;
        let reductions = self.interpreter.reductions - before;
        self.shared.stats.slices += 1;
        if let Some(now) = &mut self.shared.world().virtual_ns {
            // A task that spins with `yield` must not stop the clock for those that sleep.
            *now = now.saturating_add(VIRTUAL_SLICE_NS);
        }
        self.shared.emit(|| Event::SliceEnd { task: id, reductions });
        self.settle(task, outcome)
    }

    fn settle(&mut self, task: Box<Task>, outcome: Outcome) -> Option<Ending> {
        let id = task.id;
        match outcome {
            Outcome::Preempted => {
                if self.step_limit.is_some_and(|limit| self.interpreter.reductions >= limit) {
                    let trace = vec![self.shared.loaded.index_of(task.pc)];
                    self.shared.table.park(task, None);
                    return Some(Ending::StepLimit(trace_of(&self.shared.loaded, &trace)));
                }
                self.shared.emit(|| Event::TaskPreempt { task: id });
                self.shared.stats.preemptions += 1;
                self.shared.table.park(task, None);
                self.shared.table.word(id).expect("live").requeue();
                self.shared.push(id, Ready::Preempt);
                None
            }
            Outcome::Blocked(wait) => {
                self.shared.block(task, wait);
                None
            }
            Outcome::Done(v) => self.end(task, TaskState::Done, v),
            Outcome::Failed(v) => self.end(task, TaskState::Failed, v),
            Outcome::Fatal(fatal) => {
                self.shared.table.park(task, None);
                Some(match fatal {
                    Fatal::StepLimit => Ending::StepLimit(Vec::new()),
                    Fatal::Exit(status) => Ending::Exit(status),
                })
            }
        }
    }

    /// The task's result goes into its handle, its waiters wake, its memory goes.
    #[allow(clippy::boxed_local, reason = "tasks live in boxes; unboxing would copy one")]
    fn end(&mut self, mut task: Box<Task>, state: TaskState, v: Value) -> Option<Ending> {
        let id = task.id;
        let failed = state == TaskState::Failed;
        let handle = task.handle.as_object().expect("every task has a handle");
        let mutator = self.interpreter.mutator();
        mutator.store(handle, slots::TASK_RESULT, v);
        mutator.store(handle, slots::TASK_STATE, Value::small(state as i64));
        let scope = mutator.load(handle, slots::TASK_SCOPE).as_object();
        mutator.store(handle, slots::TASK_SCOPE, Value::NIL);
        // Being cancelled is no failure, except for the program itself.
        let cancelled = scope::is_cancellation(self.shared.world(), v);
        if failed && (!cancelled || self.shared.table.is_entry(id)) {
            let description = {
                let world = self.shared.world();
                let frames = trace_of(&self.shared.loaded, &task.trace);
                describe_error(world, v, frames)
            };
            // The entry task's failure ends the program; others wait for a join.
            if self.shared.table.is_entry(id) {
                drop_references(mutator, &mut task);
                return Some(description);
            }
            self.shared.failures.retain_mut(|(handle, _)| {
                let observed = observed(*handle);
                if observed {
                    mutator.clear(std::slice::from_mut(handle));
                }
                !observed
            });
            self.shared.failures.push((Value::NIL, description));
            let (place, _) = self.shared.failures.last_mut().expect("just pushed");
            mutator.set(place, task.handle);
            if let Some(scope) = scope {
                self.with_host(|host| scope::task_failed(&mut Critical::enter(host), scope));
            }
        }
        drop_references(self.interpreter.mutator(), &mut task);
        self.shared.emit(|| Event::TaskEnd { task: id, failed });
        let waiters = std::mem::take(&mut task.waiters);
        self.shared.table.remove(id);
        for waiter in waiters {
            self.shared.wake(waiter);
        }
        None
    }

    /// Finalizers that the last collection found due run in tasks of their own.
    fn start_finalizers(&mut self) {
        while self.shared.world().ready_finalizers.len() >= 2 {
            let ready = &self.shared.world().ready_finalizers;
            let (object, function) = (ready[ready.len() - 2], ready[ready.len() - 1]);
            let closure = function.as_object().expect("finalizer() checks its argument");
            let id = closure.slot(slots::FUNC).int_unchecked() as u32;
            let captures = self.shared.loaded.funcs()[id as usize].captures > 0;
            let values = [object, function];
            let values = &values[..1 + usize::from(captures)];
            if self.spawn_finalizer(FuncId(id), values).is_err() {
                return; // No memory now; tried again after the next slice.
            }
            let ready = &mut self.shared.world().ready_finalizers;
            let len = ready.len();
            self.interpreter.mutator().clear(&mut ready[len - 2..]);
            ready.truncate(len - 2);
        }
    }
    fn spawn_finalizer(&mut self, f: FuncId, values: &[Value]) -> Result<(), Value> {
        // The handle's allocation may move what `values` names: it is read again from the roots.
        let count = values.len();
        let id = self.spawn_function(f, &[])?;
        let ready = &self.shared.world().ready_finalizers;
        let values = [ready[ready.len() - 2], ready[ready.len() - 1]];
        let base = self.shared.table.parked(id).expect("just spawned").base;
        for (n, &v) in values[..count].iter().enumerate() {
            // SAFETY: parameters (and the closure's own register) of the new task.
            self.interpreter.mutator().set(unsafe { &mut *base.add(n) }, v);
        }
        Ok(())
    }

    /// Drops every root, as if the program had never been loaded, and collects: what the heap then
    /// still holds has leaked. The VM cannot run afterwards.
    pub fn drop_roots(&mut self) -> Usage {
        let mutator = self.interpreter.mutator();
        for task in self.shared.table.parked_mut() {
            drop_references(mutator, task);
        }
        self.shared.table = TaskTable::default();
        for (handle, _) in &mut self.shared.failures {
            mutator.clear(std::slice::from_mut(handle));
        }
        self.shared.failures.clear();
        let world = self.shared.world();
        for (_, function) in &mut world.finalizers {
            mutator.clear(std::slice::from_mut(function));
        }
        world.finalizers.clear();
        world.root_slices(&mut |slice, _| {
            mutator.clear(slice);
            slice.fill(Value::NIL);
        });
        if mutator.pending() {
            mutator.drain();
        }
        self.with_host(|host| host.collect(Cause::Explicit));
        self.with_host(|host| host.usage())
    }

    /// Statistics so far.
    pub fn stats(&mut self) -> Stats {
        self.interpreter.mutator().flush();
        let mut stats = self.shared.stats.clone();
        stats.reductions = self.interpreter.reductions;
        stats.usage(self.shared.heap.usage());
        stats.counters = self.shared.heap.counters();
        stats
    }

    /// The shared state.
    pub fn world(&mut self) -> &mut World {
        self.shared.world()
    }
    /// The heap.
    pub fn heap(&self) -> &H {
        &self.shared.heap
    }
}

/// A task that has ended holds nothing any more (counting heaps).
fn drop_references<M: Mutator>(mutator: &mut M, task: &mut Task) {
    mutator.abandon(std::mem::replace(&mut task.region, Region::NONE));
    if M::COUNTS {
        // SAFETY: nobody runs the task; `frame_top` lies within its block.
        mutator.clear(unsafe { task.registers_below(task.frame_top.cast()) });
    }
    mutator.clear(std::slice::from_mut(&mut task.handle));
    mutator.clear(std::slice::from_mut(&mut task.trace_of));
}

fn observed(handle: Value) -> bool {
    handle.as_object().is_some_and(|o| o.slot(slots::TASK_OBSERVED).truthy())
}

fn preallocated_error(host: &mut dyn Host, kind: &str, message: &str) -> Result<Value, Value> {
    // Built like any other; if even that fails, the word in the world is still nil.
    let error = crate::host::new_error(host, kind, message);
    if error == Value::NIL { Err(error) } else { Ok(error) }
}
