//! A worker: runs slices of tasks and settles how they end.

use std::ptr::NonNull;
use std::time::Duration;

use super::port::Port;
use super::shared::Shared;
use crate::concurrency::{Critical, scope};
use crate::event::{Event, Sink};
use crate::heap::{Heap, Mutator, Region};
use crate::host::{Fatal, Host, Wait};
use crate::idle::Idle;
use crate::interp::{Driver, Interpreter, Outcome};
use crate::ir::FuncId;
use crate::metrics::{Activity, Clock, WorkerCounts, WorkerStats};
use crate::object::{Obj, ObjectKind, ObjectLayout, TaskState, slots};
use crate::report::{Ending, describe_error, trace_of};
use crate::sched::{Pick, Ready, Scheduler};
use crate::sync::Stopwatch;
use crate::task::{Task, TaskId};
use crate::value::Value;

/// The id of what is no task: builtins that are called outside of any see one.
const NOBODY: TaskId = TaskId::new(TaskId::NUMBER_MAX, TaskId::PLACES - 1);

/// How long a slice takes in virtual time.
const VIRTUAL_SLICE_NS: u64 = 1_000;

/// One worker.
pub(super) struct Worker<H: Heap, S: Scheduler, E: Sink> {
    pub(super) interpreter: Interpreter<H>,
    pub(super) port: Port<H, S, E>,
    /// What of the interpreter's waits is on the clock already.
    waits_ns: (u64, u64),
}

impl<H: Heap, S: Scheduler, E: Sink> Worker<H, S, E> {
    /// One more worker, with a mutator and a lane of its own. The calling thread holds the gate, or no
    /// worker runs yet.
    pub(super) fn join(number: usize, local: S::Local, shared: NonNull<Shared<H, S, E>>) -> Self {
        // SAFETY: the VM owns it and outlives its workers; by the caller, nobody else uses it now.
        let all = unsafe { &mut *shared.as_ptr() };
        let (engine, max_stack_words) = all.setup;
        let (loaded, mutator) = (all.loaded.clone(), all.heap.mutator());
        let mut interpreter =
            Interpreter::new(loaded, mutator, engine, max_stack_words, all.gate.clone());
        let me = interpreter.peer();
        all.peers.push(me);
        all.stats.scheduler.workers_max = all.stats.scheduler.workers_max.max(all.peers.len());
        let port = Port {
            number,
            shared,
            local,
            me,
            running: None,
            child: None,
            woken: false,
            woken_ns: 0,
            counts: WorkerCounts::default(),
            clock: Clock::new(all.stats.delays.is_some()),
        };
        Worker { interpreter, port, waits_ns: (0, 0) }
    }
    /// The worker does nothing any more: what it has counted stays, and nobody stops it from now on. The
    /// calling thread holds the gate.
    pub(super) fn leave(&mut self) {
        self.interpreter.mutator().flush();
        let stats = self.stats();
        let shared = self.shared();
        shared.stats.worker(self.port.number, &stats);
        shared.peers.retain(|&peer| peer != self.port.me);
    }
    /// What it has done so far.
    pub(super) fn stats(&mut self) -> WorkerStats {
        self.count_waits();
        let mut counts = self.port.counts;
        counts.reductions = self.interpreter.reductions;
        counts.add(&self.shared().scheduler.counts(&self.port.local));
        WorkerStats { counts, times: self.port.clock.times() }
    }
    /// Puts the interpreter's waits on the clock.
    fn count_waits(&mut self) {
        let (gate, stops) = self.interpreter.waits_ns();
        let (gate_before, stops_before) = std::mem::replace(&mut self.waits_ns, (gate, stops));
        self.port.clock.add(Activity::GateWait, gate - gate_before);
        self.port.clock.add(Activity::SafepointWait, stops - stops_before);
    }
    #[allow(clippy::mut_from_ref, reason = "see `Port::shared`")]
    pub(super) fn shared<'a>(&self) -> &'a mut Shared<H, S, E> {
        self.port.shared()
    }

    /// Runs `f` with the facade of builtins, outside of any task.
    pub(super) fn with_host<T>(&mut self, f: impl FnOnce(&mut dyn Host) -> T) -> T {
        let halt = self.shared().loaded.halt();
        let mut nobody = Task::new(NOBODY, halt, halt, 1);
        self.interpreter.with_host(&mut self.port, &mut nobody, f)
    }

    /// A new task that calls a function. The values must be roots of the world meanwhile.
    pub(super) fn spawn_function(&mut self, f: FuncId, values: &[Value]) -> Result<TaskId, Value> {
        let info = self.shared().loaded.funcs()[f.index()];
        let layout = ObjectLayout::new(ObjectKind::Task, slots::TASK_LEN);
        let handle = self.with_host(|host| host.alloc(layout))?;
        let shared = self.port.shared();
        let halt = shared.loaded.halt();
        let task = shared.table.new_task(info.code, halt, info.registers as usize);
        let mut task = task.ok_or(shared.world.out_of_memory)?;
        let id = task.id;
        let mutator = self.interpreter.mutator();
        mutator.init(handle, slots::TASK_ID, id.value());
        mutator.init(handle, slots::TASK_STATE, Value::small(TaskState::Pending as i64));
        mutator.init(handle, slots::TASK_OBSERVED, Value::FALSE);
        mutator.set(&mut task.handle, Value::object(handle));
        for (n, &v) in values.iter().enumerate() {
            // SAFETY: parameters are registers of the new task.
            mutator.set(unsafe { &mut *task.base.add(n) }, v);
        }
        self.port.spawned(task);
        Ok(id)
    }

    /// Works until the program ends, or until the scheduler lets this worker go. The calling thread holds
    /// the gate before and afterwards.
    pub(super) fn work(&mut self) {
        let (dumps, limit) = (self.shared().dumps.clone(), self.interpreter.limit());
        self.interpreter.attach(&mut self.port);
        // SAFETY: the interpreter is there for longer than this.
        let _on_list = dumps.map(|dumps| unsafe { dumps.join(limit) });
        self.interpreter.mutator().online();
        self.work_until_the_end();
        self.interpreter.mutator().offline();
    }
    fn work_until_the_end(&mut self) {
        while self.shared().ending.is_none() {
            self.port.answer_dumps(None);
            self.port.fire_timers();
            if self.shared().calling > 0 {
                self.port.finish_calls();
            }
            self.start_finalizers();
            let pick = Pick { tick: self.port.counts.slices };
            let shared = self.shared();
            let next = match shared.steps_left {
                // Others have all that is left of the step limit: they give back what they spare.
                Some(0) if !shared.idle.nobody_runs() => None,
                _ => shared.scheduler.next(&mut self.port.local, pick),
            };
            let ending = match next {
                Some(id) => self.run_slice(id),
                None if S::DEDICATED && self.retires() => return,
                None => self.wait_for_work(),
            };
            if let Some(ending) = ending {
                self.shared().finish(ending);
            }
        }
    }

    /// Nothing to run for this worker: whether it ends, which is the scheduler's choice.
    fn retires(&mut self) -> bool {
        let shared = self.shared();
        let leaves = shared.idle.may_leave() && shared.scheduler.retire(&mut self.port.local);
        if leaves && shared.expects() && shared.idle.lacks_watcher() {
            shared.idle.wake_one();
        }
        leaves
    }
    /// Nothing to run for this worker. Sleeps until there may be; if nobody else runs anything
    /// either, no timer is set, and no task waits for a call, the program has ended.
    fn wait_for_work(&mut self) -> Option<Ending> {
        let shared = self.shared();
        let due = shared.next_timer();
        if shared.idle.nothing_runs() && shared.calling == 0 {
            match (due, shared.world.virtual_ns) {
                (None, _) => return Some(self.nothing_runs()),
                (Some((due, _)), Some(now)) => {
                    shared.world.virtual_ns = Some(now.max(due));
                    return None;
                }
                _ => {}
            }
        }
        if shared.idle.nobody_runs() && !shared.writing && !shared.world.output.try_write() {
            self.port.write_output();
            if !self.shared().writing {
                // Much may have happened meanwhile.
                return None;
            }
        }
        let shared = self.shared();
        let me = self.port.number;
        let due = due.filter(|_| shared.world.virtual_ns.is_none()).map(|(due, _)| due);
        let watches =
            (due.is_some() || shared.calling > 0) && shared.idle.watch(me, due.unwrap_or(u64::MAX));
        if watches && !shared.calls.listen() {
            shared.idle.watch_no_more();
            return None;
        }
        let wait = due.filter(|_| watches);
        let wait = wait.map(|due| Duration::from_nanos(due.saturating_sub(shared.world.now_ns())));
        self.port.counts.vain_wakes += u64::from(self.port.woken);
        self.port.counts.parks += 1;
        self.port.clock.lap(Activity::Search);
        let watch = Stopwatch::start();
        let gate = shared.gate.clone();
        shared.emit(|| Event::WorkerPark { worker: me });
        self.interpreter.mutator().offline();
        // SAFETY: this worker holds the gate; no reference into shared state is used until it
        // is taken again.
        self.port.woken = unsafe { Idle::sleep(&gate, me, wait, || &mut self.shared().idle) };
        self.interpreter.mutator().online();
        let (park_ns, woken) = (watch.ns(), self.port.woken);
        self.port.clock.add(Activity::Park, park_ns);
        let shared = self.shared();
        shared.emit(|| Event::WorkerUnpark { worker: me, woken });
        if let Some(delays) = &mut shared.stats.delays {
            delays.park += park_ns;
            self.port.woken_ns = shared.world.start.elapsed().as_nanos() as u64;
        }
        None
    }

    /// No task can run and no timer is set: the end, a failure that nobody saw, or a deadlock.
    fn nothing_runs(&mut self) -> Ending {
        let shared = self.shared();
        if let Some(i) = shared.failures.iter().position(|(handle, _)| !observed(*handle)) {
            // What the others wait for may be what it would have done.
            let (mut handle, failure) = shared.failures.swap_remove(i);
            self.interpreter.mutator().clear(std::slice::from_mut(&mut handle));
            return failure;
        }
        let waiting = shared.table.len();
        if waiting > 0 {
            shared.emit(|| Event::Deadlock { tasks: waiting });
            return Ending::Deadlock(shared.table.deadlock_report(&shared.loaded, &shared.world));
        }
        Ending::Finished
    }

    fn run_slice(&mut self, id: TaskId) -> Option<Ending> {
        let shared = self.shared();
        let mut task = shared.table.start(id).expect("schedulers give out live tasks (S1)");
        if let Some(Wait::Call(_)) = task.wait.take() {
            shared.calling -= 1;
        }
        self.port.woken = false;
        if H::Mutator::PARALLEL && shared.expects() && shared.idle.lacks_watcher() {
            // This worker may not look at timers and calls for a long time.
            shared.idle.wake_one();
        }
        let mut quantum = shared.scheduler.quantum();
        if let Some(left) = &mut shared.steps_left {
            quantum = quantum.min((*left).max(1));
            *left = left.saturating_sub(quantum);
        }
        self.port.running = Some(id);
        // A worker that is alone knows without counting.
        if S::INFO.parallel {
            shared.idle.slice_begins();
            task.worker = self.port.number as u16;
        }
        if let Some(victim) = shared.scheduler.stolen_from(&self.port.local) {
            self.has_stolen(id, victim);
        }
        self.port.clock.lap(Activity::Search);
        if let Some(delays) = &mut shared.stats.delays {
            let now_ns = shared.world.start.elapsed().as_nanos() as u64;
            delays.begins(id, self.port.woken_ns, now_ns);
        }
        shared.emit(|| Event::SliceBegin { task: id, worker: self.port.number });
        let before = self.interpreter.reductions;
        let outcome = self.interpreter.run_slice(&mut task, &mut self.port, quantum);
        let shared = self.shared();
        if S::INFO.parallel {
            shared.idle.slice_ends();
        }
        self.port.running = None;
        self.port.counts.slices += 1;
        if shared.stats.delays.is_some() {
            self.count_waits();
            let slice_ns = self.port.clock.lap(Activity::Run);
            if let Some(delays) = &mut shared.stats.delays {
                delays.slice += slice_ns;
            }
        }
        let reductions = self.interpreter.reductions - before;
        if let Some(left) = &mut shared.steps_left {
            *left += quantum.saturating_sub(reductions);
            if S::DEDICATED {
                // Those that alone can run their task, and slept because no steps were left.
                shared.idle.wake_all();
            }
        }
        if let Some(now) = &mut shared.world.virtual_ns {
            // A task that spins with `yield` must not stop the clock for those that sleep.
            *now = now.saturating_add(VIRTUAL_SLICE_NS);
        }
        shared.emit(|| Event::SliceEnd { task: id, reductions });
        let ending = self.settle(task, outcome);
        self.port.push_child();
        ending
    }

    #[cold]
    fn has_stolen(&mut self, task: TaskId, victim: usize) {
        let (shared, worker) = (self.shared(), self.port.number);
        shared.emit(|| Event::TaskSteal { task, worker, victim });
        let clock = &mut self.port.clock;
        let before_ns = clock.times().of(Activity::Search);
        clock.lap(Activity::Search);
        if let Some(delays) = &mut shared.stats.delays {
            delays.steal += clock.times().of(Activity::Search) - before_ns;
        }
    }

    fn settle(&mut self, task: Box<Task>, outcome: Outcome) -> Option<Ending> {
        let id = task.id;
        let shared = self.shared();
        match outcome {
            // Its child goes first.
            Outcome::Preempted if self.port.child.is_some() => {
                shared.table.requeue(task);
                self.port.push(id, Ready::Preempt);
                None
            }
            Outcome::Preempted => {
                if shared.steps_left == Some(0) && shared.idle.nobody_runs() {
                    let trace = vec![shared.loaded.index_of(task.pc)];
                    shared.table.put_back(task, None);
                    return Some(Ending::StepLimit(trace_of(&shared.loaded, &trace)));
                }
                shared.emit(|| Event::TaskPreempt { task: id });
                self.port.counts.preemptions += 1;
                shared.table.requeue(task);
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
                shared.table.put_back(task, None);
                Some(match fatal {
                    Fatal::StepLimit => Ending::StepLimit(Vec::new()),
                    Fatal::Exit(status) => Ending::Exit(status),
                })
            }
        }
    }

    /// The task's result goes into its handle, its waiters wake, its memory goes.
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
        let is_failure =
            failed && (shared.table.is_entry(id) || !scope::is_cancellation(&shared.world, v));
        if is_failure {
            let frames = task.trace.as_ref().map_or(&[][..], |trace| &trace.frames);
            let frames = trace_of(&shared.loaded, frames);
            let description = describe_error(&shared.world, v, frames);
            // The entry task's failure ends the program; others wait for a join.
            if shared.table.is_entry(id) {
                drop_references(mutator, &mut task);
                return Some(description);
            }
            // Those that somebody has seen by now go, each time that the number has doubled.
            if shared.failures.len() >= shared.failures_kept {
                shared.failures.retain_mut(|(handle, _)| {
                    let observed = observed(*handle);
                    if observed {
                        mutator.clear(std::slice::from_mut(handle));
                    }
                    !observed
                });
                shared.failures_kept = (2 * shared.failures.len()).max(16);
            }
            shared.failures.push((Value::NIL, description));
            let (place, _) = shared.failures.last_mut().expect("just pushed");
            mutator.set(place, task.handle);
            if let Some(scope) = scope {
                self.with_host(|host| scope::task_failed(&mut Critical::enter(host), scope));
            }
        }
        let shared = self.port.shared();
        shared.emit(|| Event::TaskEnd { task: id, failed });
        shared.scheduler.ended(&mut self.port.local, id);
        shared.task_bytes -= task.charged();
        let (first, others) = shared.table.remove(id);
        if shared.stats.delays.is_some() {
            shared.has_ended(id, first.iter().chain(&others));
        }
        if let Some(first) = first {
            self.wake_joiner(first, id, handle, failed);
            others.into_iter().for_each(|other| self.wake_joiner(other, id, handle, failed));
        }
        drop_references(self.interpreter.mutator(), &mut task);
        self.shared().table.recycle(task);
        None
    }
    /// Wakes a task that waits for the end of another one, whose handle this is. Where it stands at a `join`
    /// of a task that has not failed, and was not cancelled, it gets the result at once and goes on behind
    /// it (C4). Else it executes its instruction again.
    fn wake_joiner(&mut self, waiter: TaskId, joined: TaskId, handle: Obj, failed: bool) {
        let waits =
            self.port.shared().table.parked(waiter).and_then(|task| task.handle.as_object());
        let mutator = self.interpreter.mutator();
        if !failed
            && waits.is_some_and(|waits| mutator.load(waits, slots::TASK_CANCEL) == Value::NIL)
            && let Some(mut place) = self.port.result_place(waiter, Some(joined))
        {
            let result = mutator.load(handle, slots::TASK_RESULT);
            // SAFETY: a register of a task that nobody runs.
            mutator.set(unsafe { place.as_mut() }, result);
        }
        self.port.wake(waiter);
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
    task.handle = Value::NIL;
    if let Some(mut trace) = task.trace.take() {
        mutator.clear(std::slice::from_mut(&mut trace.of));
    }
}

fn observed(handle: Value) -> bool {
    handle.as_object().is_some_and(|o| o.slot(slots::TASK_OBSERVED).truthy())
}
