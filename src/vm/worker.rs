//! A worker: runs slices of tasks and settles how they end.

use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::roots::VmRoots;
use super::shared::Shared;
use crate::concurrency::{Critical, scope};
use crate::event::{Event, Sink};
use crate::heap::{Barrier, Cause, Heap, Mutator, Region, Roots, Usage};
use crate::host::{Fatal, Host, Wait};
use crate::idle::Idle;
use crate::interp::{Driver, Interpreter, Outcome, Peer};
use crate::ir::FuncId;
use crate::object::{ObjectKind, ObjectLayout, TaskState, slots};
use crate::report::{Ending, describe_error, trace_of};
use crate::sched::{Notify, Pick, Ready, Scheduler, SpawnOrder};
use crate::stats::{Pause, task_clock_ns};
use crate::task::{Task, TaskId};
use crate::value::Value;
use crate::world::World;

/// How long a slice takes in virtual time.
const VIRTUAL_SLICE_NS: u64 = 1_000;

/// One worker.
pub(super) struct Worker<H: Heap, S: Scheduler, E: Sink> {
    pub(super) interpreter: Interpreter<H>,
    pub(super) port: Port<H, S, E>,
}

/// What its interpreter needs of it ([`Driver`]): the shared state, and its part of the scheduler.
pub(super) struct Port<H: Heap, S: Scheduler, E: Sink> {
    number: usize,
    shared: NonNull<Shared<H, S, E>>,
    local: S::Local,
    running: Option<TaskId>,
    /// Children first: the child that the running task has spawned, queued when the slice ends.
    child: Option<TaskId>,
    slices: u64,
}

impl<H: Heap, S: Scheduler, E: Sink> Port<H, S, E> {
    /// The shared state. The lifetime is the caller's choice: it ends before the next call that
    /// reaches the state by another way.
    #[allow(clippy::mut_from_ref, reason = "one worker at a time; short borrows")]
    pub(super) fn shared<'a>(&self) -> &'a mut Shared<H, S, E> {
        // SAFETY: the VM owns it and outlives its workers. Callers hold the gate or are the only
        // worker; borrows are short and do not overlap.
        unsafe { &mut *self.shared.as_ptr() }
    }

    fn push(&mut self, id: TaskId, why: Ready) {
        let shared = self.shared();
        let notified = match shared.scheduler.push(Some(&mut self.local), id, why) {
            Notify::No => false,
            Notify::One => shared.idle.wake_one(),
            Notify::Worker(number) => shared.idle.wake(number),
        };
        shared.stats.scheduler.notifications += u64::from(notified);
    }
    fn wake(&mut self, id: TaskId) {
        let shared = self.shared();
        if shared.table.word(id).is_some_and(|word| word.wake()) {
            shared.emit(|| Event::TaskWake { task: id });
            self.push(id, Ready::Wake);
        }
    }
    fn push_child(&mut self) {
        if let Some(child) = self.child.take() {
            self.push(child, Ready::Spawn);
        }
    }
    fn fire_timers(&mut self) {
        while let Some(id) = self.shared().due_timer() {
            self.wake(id);
        }
    }

    fn block(&mut self, task: Box<Task>, wait: Wait) {
        let id = task.id;
        let shared = self.shared();
        shared.emit(|| Event::TaskBlock { task: id, on: wait_name(wait) });
        let must_wait = match wait {
            Wait::Turn => {
                shared.table.park(task, None);
                shared.table.word(id).expect("just parked").requeue();
                self.push(id, Ready::Yield);
                return;
            }
            Wait::Event(until) => {
                if let Some(due) = until {
                    shared.add_timer(due, id);
                }
                true
            }
            // A task that joins itself waits for ever: the deadlock report says so.
            Wait::Join(other) if other == id => true,
            Wait::Join(other) => shared.table.add_waiter(other, id),
        };
        shared.table.park(task, Some(wait));
        let word = shared.table.word(id).expect("just parked");
        if !word.suspend() || (!must_wait && word.wake()) {
            self.push(id, Ready::Wake);
        }
    }
    /// Stops the world: this worker holds the gate already. The tasks in slices.
    fn stop_others<'t>(&self, running: &'t mut Task) -> Vec<&'t mut Task> {
        let mut tasks = vec![running];
        if H::Mutator::PARALLEL {
            // SAFETY: this worker holds the gate; workers live as long as the VM. Rule G3.
            unsafe {
                self.others().for_each(|peer| peer.request());
                for peer in self.others() {
                    peer.await_stopped();
                    peer.flush();
                    tasks.extend(peer.task());
                }
            }
        }
        tasks
    }
    /// Slices go on when this worker gives the gate up, unless the program has ended.
    fn resume_others(&self) {
        if H::Mutator::PARALLEL {
            // SAFETY: they are stopped and cannot have come back.
            self.others().for_each(|peer| unsafe { peer.resume() });
        }
    }
    fn roots_of<'t>(shared: &'t mut Shared<H, S, E>, running: Vec<&'t mut Task>) -> VmRoots<'t> {
        let counts = shared.heap.info().barrier == Barrier::Counting;
        let (table, world) = (&mut shared.table, &mut shared.world);
        VmRoots {
            table,
            running,
            world,
            failures: &mut shared.failures,
            loaded: &shared.loaded,
            counts,
        }
    }
    fn others(&self) -> impl Iterator<Item = Peer<H>> + use<'_, H, S, E> {
        let peers = self.shared().peers.iter().enumerate();
        peers.filter(|&(n, _)| n != self.number).map(|(_, &peer)| peer)
    }
}

fn wait_name(wait: Wait) -> &'static str {
    match wait {
        Wait::Turn => "yield",
        Wait::Join(_) => "join",
        Wait::Event(_) => "event",
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Driver for Port<H, S, E> {
    fn collect(&mut self, running: &mut Task, why: Cause) {
        let asked = Instant::now();
        let running = self.stop_others(running);
        let safepoint_ns = asked.elapsed().as_nanos() as u64;
        let shared = self.shared();
        shared.emit(|| Event::CollectionBegin { cause: why });
        let (start, start_clock_ns) = (Instant::now(), task_clock_ns());
        shared.stats.usage(shared.heap.usage());
        // Real time, even when the program sees virtual time.
        let start_ns = start.duration_since(shared.world.start).as_nanos() as u64;
        let mut roots = Self::roots_of(self.shared(), running);
        let collection = shared.heap.collect(&mut roots, why);
        shared.table.all_seen();
        shared.stats.usage(shared.heap.usage());
        let wall_ns = start.elapsed().as_nanos() as u64;
        let pause = Pause {
            cause: why,
            start_ns,
            wall_ns,
            task_clock_ns: task_clock_ns() - start_clock_ns,
            safepoint_ns,
            before_bytes: collection.before_bytes,
            after_bytes: collection.after_bytes,
            copied_bytes: collection.copied_bytes,
        };
        shared.stats.collection(pause, &collection);
        for &(phase, wall_ns) in &collection.phases {
            shared.emit(|| Event::CollectionPhase { phase, wall_ns });
        }
        shared.emit(|| Event::CollectionEnd {
            before_bytes: collection.before_bytes,
            after_bytes: collection.after_bytes,
            traced_objects: collection.traced_objects,
            wall_ns,
        });
        self.resume_others();
    }
    fn roots(&mut self, running: &mut Task, f: &mut dyn FnMut(&mut dyn Roots)) {
        let running = self.stop_others(running);
        f(&mut Self::roots_of(self.shared(), running));
        self.resume_others();
    }
    fn fresh_id(&mut self) -> TaskId {
        self.shared().table.reserve()
    }
    fn charge(&mut self, task: &mut Task) -> bool {
        let shared = self.shared();
        let wanted = task.bytes() - task.charged;
        let fits = shared.task_bytes + wanted <= shared.heap.usage().limit_bytes;
        if fits {
            shared.task_bytes += wanted;
            task.charged += wanted;
        }
        fits
    }
    fn spawned(&mut self, task: Task) -> bool {
        let (id, parent) = (task.id, self.running);
        let shared = self.shared();
        shared.stats.tasks_spawned += 1;
        shared.emit(|| Event::TaskSpawn { task: id, parent });
        shared.table.add(Box::new(task));
        let child_first = parent.is_some() && S::ORDER == SpawnOrder::ChildFirst;
        if child_first {
            self.push_child();
            self.child = Some(id);
        } else {
            self.push(id, Ready::Spawn);
        }
        child_first
    }
    fn wake(&mut self, task: TaskId) {
        Port::wake(self, task);
    }
    fn usage(&self) -> Usage {
        // What others have allocated counts: stopping them flushes it.
        let halt = self.shared().loaded.halt();
        self.stop_others(&mut Task::new(0, halt, halt, 1, &[]));
        self.resume_others();
        self.shared().heap.usage()
    }
    fn world_ptr(&mut self) -> *mut World {
        &mut self.shared().world
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Worker<H, S, E> {
    pub(super) fn new(
        number: usize,
        interpreter: Interpreter<H>,
        local: S::Local,
        shared: NonNull<Shared<H, S, E>>,
    ) -> Self {
        let port = Port { number, shared, local, running: None, child: None, slices: 0 };
        Worker { interpreter, port }
    }
    #[allow(clippy::mut_from_ref, reason = "see `Port::shared`")]
    pub(super) fn shared<'a>(&self) -> &'a mut Shared<H, S, E> {
        self.port.shared()
    }

    /// Runs `f` with the facade of builtins, outside of any task.
    pub(super) fn with_host<T>(&mut self, f: impl FnOnce(&mut dyn Host) -> T) -> T {
        let halt = self.shared().loaded.halt();
        let mut nobody = Task::new(0, halt, halt, 1, &[]);
        self.interpreter.with_host(&mut self.port, &mut nobody, f)
    }

    /// A new task that calls a function. The values must be roots of the world meanwhile.
    pub(super) fn spawn_function(&mut self, f: FuncId, values: &[Value]) -> Result<TaskId, Value> {
        let info = self.shared().loaded.funcs()[f.index()];
        let id = self.shared().table.reserve();
        let handle = self.with_host(|host| {
            let layout = ObjectLayout::new(ObjectKind::Task, slots::TASK_LEN);
            let handle = host.alloc(layout)?;
            host.init(handle, slots::TASK_ID, Value::small(id as i64));
            host.init(handle, slots::TASK_STATE, Value::small(TaskState::Pending as i64));
            host.init(handle, slots::TASK_OBSERVED, Value::FALSE);
            Ok::<_, Value>(Value::object(handle))
        });
        let handle = handle.inspect_err(|_| self.shared().table.forget(id))?;
        let halt = self.shared().loaded.halt();
        let mut task = Task::new(id, info.code, halt, info.registers as usize, &[]);
        let mutator = self.interpreter.mutator();
        mutator.set(&mut task.handle, handle);
        for (n, &v) in values.iter().enumerate() {
            // SAFETY: parameters are registers of the new task.
            mutator.set(unsafe { &mut *task.base.add(n) }, v);
        }
        self.port.spawned(task);
        Ok(id)
    }

    /// Works until the program ends. The calling thread holds the gate before and afterwards, unless
    /// this is the only worker.
    pub(super) fn work(&mut self) {
        self.interpreter.mutator().online();
        while self.shared().ending.is_none() {
            self.port.fire_timers();
            self.start_finalizers();
            let pick = Pick { tick: self.port.slices };
            let shared = self.shared();
            let next = match shared.steps_left {
                // Others have all that is left of the step limit: they give back what they spare.
                Some(0) if !shared.idle.nobody_runs() => None,
                _ => shared.scheduler.next(&mut self.port.local, pick),
            };
            let ending = match next {
                Some(id) => self.run_slice(id),
                None => self.wait_for_work(),
            };
            if let Some(ending) = ending {
                self.shared().finish(ending);
            }
        }
        self.interpreter.mutator().offline();
    }

    /// Nothing to run for this worker. Sleeps until there may be; if nobody else runs anything
    /// either, and no timer is set, the program has ended.
    fn wait_for_work(&mut self) -> Option<Ending> {
        let shared = self.shared();
        let due = shared.next_timer();
        let alone = shared.idle.nobody_runs();
        match (due, shared.world.virtual_ns) {
            (None, _) if alone => return Some(self.nothing_runs()),
            (Some((due, _)), Some(now)) if alone => {
                shared.world.virtual_ns = Some(now.max(due));
                return None;
            }
            _ => {}
        }
        let real_due = due.filter(|_| shared.world.virtual_ns.is_none());
        let wait = real_due
            .map(|(due, _)| Duration::from_nanos(due.saturating_sub(shared.world.now_ns())));
        if alone {
            // A failing write shows again at the end of the run, where it is reported.
            let _ = shared.world.output.flush();
        }
        let me = self.port.number;
        if !H::Mutator::PARALLEL {
            std::thread::sleep(wait.expect("alone, and not at the end: there is a timer"));
            return None;
        }
        shared.stats.scheduler.parks += 1;
        let gate = shared.gate.clone();
        self.interpreter.mutator().offline();
        // SAFETY: this worker holds the gate; no reference into shared state is used until it
        // is taken again.
        unsafe { Idle::sleep(&gate, me, wait, || &mut self.shared().idle) };
        self.interpreter.mutator().online();
        None
    }

    /// No task can run and no timer is set: the end, or a deadlock.
    fn nothing_runs(&mut self) -> Ending {
        let shared = self.shared();
        let waiting = shared.table.len();
        if waiting > 0 {
            shared.emit(|| Event::Deadlock { tasks: waiting });
            return Ending::Deadlock(shared.table.deadlock_report(&shared.loaded, &shared.world));
        }
        let unobserved = shared.failures.iter().position(|(handle, _)| !observed(*handle));
        match unobserved {
            Some(i) => {
                let (mut handle, failure) = shared.failures.swap_remove(i);
                self.interpreter.mutator().clear(std::slice::from_mut(&mut handle));
                failure
            }
            None => Ending::Finished,
        }
    }

    fn run_slice(&mut self, id: TaskId) -> Option<Ending> {
        let shared = self.shared();
        let mut task = shared.table.take(id).expect("schedulers give out live tasks (S1)");
        shared.table.word(id).expect("live").start();
        task.wait = None;
        let mut quantum = shared.scheduler.quantum();
        if let Some(left) = &mut shared.steps_left {
            quantum = quantum.min((*left).max(1));
            *left = left.saturating_sub(quantum);
        }
        self.port.running = Some(id);
        shared.idle.slice_begins();
        shared.emit(|| Event::SliceBegin { task: id });
        let before = self.interpreter.reductions;
        let outcome = self.interpreter.run_slice(&mut task, &mut self.port, quantum);
        let shared = self.shared();
        shared.idle.slice_ends();
        self.port.running = None;
        self.port.slices += 1;
        let reductions = self.interpreter.reductions - before;
        if let Some(left) = &mut shared.steps_left {
            *left += quantum.saturating_sub(reductions);
        }
        shared.stats.slices += 1;
        if let Some(now) = &mut shared.world.virtual_ns {
            // A task that spins with `yield` must not stop the clock for those that sleep.
            *now = now.saturating_add(VIRTUAL_SLICE_NS);
        }
        shared.emit(|| Event::SliceEnd { task: id, reductions });
        let ending = self.settle(task, outcome);
        self.port.push_child();
        ending
    }

    fn settle(&mut self, task: Box<Task>, outcome: Outcome) -> Option<Ending> {
        let id = task.id;
        let shared = self.shared();
        match outcome {
            Outcome::Preempted => {
                if shared.steps_left == Some(0) && shared.idle.nobody_runs() {
                    let trace = vec![shared.loaded.index_of(task.pc)];
                    shared.table.park(task, None);
                    return Some(Ending::StepLimit(trace_of(&shared.loaded, &trace)));
                }
                shared.emit(|| Event::TaskPreempt { task: id });
                shared.stats.preemptions += 1;
                shared.table.park(task, None);
                shared.table.word(id).expect("live").requeue();
                self.port.push(id, Ready::Preempt);
                None
            }
            Outcome::Blocked(wait) => {
                self.port.block(task, wait);
                None
            }
            Outcome::Done(v) => self.end(task, TaskState::Done, v),
            Outcome::Failed(v) => self.end(task, TaskState::Failed, v),
            Outcome::Fatal(fatal) => {
                shared.table.park(task, None);
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
        let shared = self.port.shared();
        let mutator = self.interpreter.mutator();
        mutator.store(handle, slots::TASK_RESULT, v);
        mutator.store(handle, slots::TASK_STATE, Value::small(state as i64));
        let scope = mutator.load(handle, slots::TASK_SCOPE).as_object();
        mutator.store(handle, slots::TASK_SCOPE, Value::NIL);
        // Being cancelled is no failure, except for the program itself.
        let cancelled = scope::is_cancellation(&shared.world, v);
        if failed && (!cancelled || shared.table.is_entry(id)) {
            let frames = trace_of(&shared.loaded, &task.trace);
            let description = describe_error(&shared.world, v, frames);
            // The entry task's failure ends the program; others wait for a join.
            if shared.table.is_entry(id) {
                drop_references(mutator, &mut task);
                return Some(description);
            }
            shared.failures.retain_mut(|(handle, _)| {
                let observed = observed(*handle);
                if observed {
                    mutator.clear(std::slice::from_mut(handle));
                }
                !observed
            });
            shared.failures.push((Value::NIL, description));
            let (place, _) = shared.failures.last_mut().expect("just pushed");
            mutator.set(place, task.handle);
            if let Some(scope) = scope {
                self.with_host(|host| scope::task_failed(&mut Critical::enter(host), scope));
            }
        }
        drop_references(self.interpreter.mutator(), &mut task);
        let shared = self.port.shared();
        shared.emit(|| Event::TaskEnd { task: id, failed });
        let waiters = std::mem::take(&mut task.waiters);
        shared.task_bytes -= task.charged;
        for waiter in waiters.into_iter().chain(shared.table.remove(id)) {
            self.port.wake(waiter);
        }
        None
    }

    /// Finalizers that the last collection found due run in tasks of their own.
    fn start_finalizers(&mut self) {
        while self.shared().world.ready_finalizers.len() >= 2 {
            let ready = &self.shared().world.ready_finalizers;
            let (object, function) = (ready[ready.len() - 2], ready[ready.len() - 1]);
            let closure = function.as_object().expect("finalizer() checks its argument");
            let id = closure.slot(slots::FUNC).int_unchecked() as u32;
            let captures = self.shared().loaded.funcs()[id as usize].captures > 0;
            let values = [object, function];
            let values = &values[..1 + usize::from(captures)];
            if self.spawn_finalizer(FuncId(id), values).is_err() {
                return; // No memory now; tried again after the next slice.
            }
            let ready = &mut self.port.shared().world.ready_finalizers;
            let len = ready.len();
            self.interpreter.mutator().clear(&mut ready[len - 2..]);
            ready.truncate(len - 2);
        }
    }
    fn spawn_finalizer(&mut self, f: FuncId, values: &[Value]) -> Result<(), Value> {
        // The handle's allocation may move what `values` names: it is read again from the roots.
        let count = values.len();
        let id = self.spawn_function(f, &[])?;
        let ready = &self.shared().world.ready_finalizers;
        let values = [ready[ready.len() - 2], ready[ready.len() - 1]];
        let base = self.shared().table.parked(id).expect("just spawned").base;
        for (n, &v) in values[..count].iter().enumerate() {
            // SAFETY: parameters (and the closure's own register) of the new task.
            self.interpreter.mutator().set(unsafe { &mut *base.add(n) }, v);
        }
        Ok(())
    }
}

/// A task that has ended holds nothing any more (counting heaps).
pub(super) fn drop_references<M: Mutator>(mutator: &mut M, task: &mut Task) {
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
