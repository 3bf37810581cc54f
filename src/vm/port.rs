//! What a worker's interpreter needs of it ([`Driver`]): the shared state, and its part of the scheduler.

use std::ptr::NonNull;
use std::time::Instant;

use super::roots::VmRoots;
use super::shared::Shared;
use crate::bytecode::ops::Op;
use crate::calls::{Calls, Job, Ticket};
use crate::event::{Event, Sink};
use crate::heap::{Barrier, Cause, Heap, Mutator, Roots, Usage};
use crate::host::{On, Wait};
use crate::interp::{Driver, FuncInfo, Peer};
use crate::metrics::{Activity, Clock, WorkerCounts};
use crate::sched::{Notify, Ready, Scheduler, SpawnOrder};
use crate::stats::{Pause, task_clock_ns};
use crate::sync::Stopwatch;
use crate::task::{Task, TaskId};
use crate::value::Value;
use crate::world::World;

/// The ticket of what writes what was printed; a task's is its id.
const WRITTEN: Ticket = 0;

/// See the file's head.
pub(super) struct Port<H: Heap, S: Scheduler, E: Sink> {
    pub(super) number: usize,
    pub(super) shared: NonNull<Shared<H, S, E>>,
    pub(super) local: S::Local,
    /// What others see of this worker.
    pub(super) me: Peer<H>,
    pub(super) running: Option<TaskId>,
    /// Children first: the child that the running task has spawned, queued when the slice ends.
    pub(super) child: Option<TaskId>,
    /// Whether another worker has ended this one's last sleep, and it has run nothing since.
    pub(super) woken: bool,
    /// When that was, if delays are measured, nanoseconds since the start.
    pub(super) woken_ns: u64,
    pub(super) counts: WorkerCounts,
    pub(super) clock: Clock,
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

    pub(super) fn push(&mut self, id: TaskId, why: Ready) {
        let shared = self.shared();
        if S::INFO.parallel {
            shared.idle.task_queued();
        }
        if let Some(delays) = &mut shared.stats.delays {
            delays.is_ready(id, shared.world.start.elapsed().as_nanos() as u64);
        }
        let notified = match shared.scheduler.push(Some(&mut self.local), id, why) {
            Notify::No => return,
            Notify::One => shared.idle.wake_one(),
            Notify::Worker(number) => shared.idle.wake(number),
            Notify::Start => match self.start_worker() {
                None => return,
                Some(notified) => notified,
            },
            Notify::Share => self.share(),
        };
        let count = match notified {
            true => &mut self.counts.notifications,
            false => &mut self.counts.notifications_suppressed,
        };
        *count += 1;
    }
    /// A thread for one more worker. If there is none to be had: whether an old one was woken instead.
    #[cold]
    fn start_worker(&mut self) -> Option<bool> {
        let shared = self.shared();
        if shared.ending.is_some() {
            return None;
        }
        let (number, local) = shared.scheduler.grow().expect("it has asked for a worker");
        let started = shared.start_worker(self.shared, number, local);
        if started.is_err() {
            shared.scheduler.refused(number);
            shared.stats.scheduler.threads_refused += 1;
            return Some(self.share());
        }
        None
    }
    /// There are more tasks than threads: those that run must end their slices, to begin with.
    #[cold]
    fn share(&mut self) -> bool {
        // SAFETY: this worker holds the gate; the others are on the list for as long as they exist.
        self.others().for_each(|peer| unsafe { peer.end_slice() });
        // SAFETY: as above.
        unsafe { self.me.end_slice() };
        self.shared().idle.wake_one()
    }
    pub(super) fn wake(&mut self, id: TaskId) {
        let shared = self.shared();
        if let Some(task) = shared.table.wake(id) {
            // A worker that is alone knows without looking.
            if S::INFO.parallel && task.worker != self.number as u16 {
                self.counts.wakes_remote += 1;
            } else {
                self.counts.wakes_local += 1;
            }
            shared.emit(|| Event::TaskWake { task: id });
            self.push(id, Ready::Wake);
        }
    }
    pub(super) fn push_child(&mut self) {
        if let Some(child) = self.child.take() {
            self.push(child, Ready::Spawn);
        }
    }
    pub(super) fn fire_timers(&mut self) {
        while let Some((id, late_ns)) = self.shared().due_timer() {
            self.counts.timers_fired += 1;
            let shared = self.shared();
            if let Some(delays) = &mut shared.stats.delays {
                delays.timer_lateness += late_ns;
            }
            shared.emit(|| Event::TimerFire { task: id, late_ns });
            self.wake(id);
        }
    }

    pub(super) fn block(&mut self, task: Box<Task>, wait: Wait) {
        let id = task.id;
        let shared = self.shared();
        shared.emit(|| Event::TaskBlock { task: id, on: wait.name() });
        self.counts.suspended(wait);
        let must_wait = match wait {
            Wait::Turn => {
                shared.table.requeue(task);
                self.push(id, Ready::Yield);
                if S::DEDICATED {
                    self.give_way();
                }
                return;
            }
            Wait::Event(_, until) => {
                if let Some(due) = until.ns() {
                    shared.add_timer(due, id);
                }
                true
            }
            // A task that joins itself waits for ever: the deadlock report says so.
            Wait::Join(other) => other == id || shared.table.add_waiter(other, id),
            Wait::Call(_) => {
                shared.calling += 1;
                true
            }
            Wait::Output => {
                shared.printers.push(id);
                true
            }
        };
        let job = shared.world.call.take();
        if !shared.table.suspend(task, wait) {
            self.counts.wakes_while_running += 1;
            self.push(id, Ready::Wake);
        } else if !must_wait && shared.table.wake(id).is_some() {
            self.push(id, Ready::Wake);
        }
        match (job, wait) {
            (Some(job), _) => self.call(id, job),
            (None, Wait::Output) => self.write_output(),
            _ => {}
        }
    }
    /// A helper does the job of a task that waits for it.
    #[cold]
    fn call(&mut self, id: TaskId, job: Job) {
        if let Some(job) = self.hand_over(id.bits(), job) {
            self.call_here(job);
            self.wake(id);
        }
    }
    /// A helper does the job, if there is one to be had. Where time is virtual, nothing else happens
    /// meanwhile: when a call ends must not decide a schedule.
    fn hand_over(&self, ticket: Ticket, job: Job) -> Option<Job> {
        match S::INFO.virtual_time {
            true => Some(job),
            false => Calls::submit(&self.shared().calls, ticket, job).err(),
        }
    }
    fn call_here(&mut self, job: Job) {
        let watch = Stopwatch::start();
        self.without_gate(job);
        self.clock.add(Activity::Native, watch.ns());
    }
    /// Tasks whose calls have ended go on.
    #[cold]
    pub(super) fn finish_calls(&mut self) {
        let calls = self.shared().calls.clone();
        if calls.any_done() {
            for (ticket, result) in calls.take_done() {
                if let Err(panic) = result {
                    std::panic::resume_unwind(panic);
                }
                match TaskId::from_bits(ticket) {
                    None => self.output_is_written(),
                    Some(id) => self.wake(id),
                }
            }
        }
    }
    /// Somebody writes what was printed, unless somebody does so already: a helper, or this worker, which
    /// then gives up the gate meanwhile.
    #[cold]
    pub(super) fn write_output(&mut self) {
        let shared = self.shared();
        if std::mem::replace(&mut shared.writing, true) {
            return;
        }
        shared.calling += 1;
        let output = shared.world.output.clone();
        let job = Box::new(move || output.write_for_another());
        if let Some(job) = self.hand_over(WRITTEN, job) {
            self.call_here(job);
            self.output_is_written();
        }
    }
    /// Those that wait for that may print, or will ask again.
    fn output_is_written(&mut self) {
        let shared = self.shared();
        shared.writing = false;
        shared.calling -= 1;
        for id in std::mem::take(&mut shared.printers) {
            self.wake(id);
        }
    }
    /// The system says whose turn it is.
    fn give_way(&self) {
        self.without_gate(std::thread::yield_now);
    }
    /// Whoever calls this uses no reference from before afterwards.
    fn without_gate(&self, f: impl FnOnce()) {
        let gate = self.shared().gate.clone();
        // SAFETY: this worker holds the gate, and is in no slice; no reference into shared state is used
        // until it is taken again. Its own interpreter is used by nobody meanwhile.
        unsafe {
            self.me.offline();
            gate.unlock();
            f();
            gate.lock();
            self.me.online();
        }
    }
    /// Shows what all tasks do, if somebody asks. `running` is the task of this worker's slice.
    #[inline]
    pub(super) fn answer_dumps(&self, running: Option<&mut Task>) {
        if self.shared().dumps.as_ref().is_some_and(|dumps| dumps.take()) {
            self.dump(running);
        }
    }
    #[cold]
    fn dump(&self, running: Option<&mut Task>) {
        let running = self.stop_others(running);
        let shared = self.shared();
        let standings = shared.table.standings(&running, &shared.loaded, &shared.world);
        if let Some(dumps) = &shared.dumps {
            dumps.show(&standings);
        }
        self.resume_others();
    }
    /// Stops the world: this worker holds the gate already. The tasks in slices.
    fn stop_others<'t>(&self, running: Option<&'t mut Task>) -> Vec<&'t mut Task> {
        let mut tasks = Vec::from_iter(running);
        let watch = self.shared().stats.delays.is_some().then(Stopwatch::start);
        if H::Mutator::PARALLEL {
            self.shared().gate.count_stop();
            // SAFETY: this worker holds the gate; the others are on the list for as long as they exist.
            // Rule G3.
            unsafe {
                self.others().for_each(|peer| peer.request());
                for peer in self.others() {
                    peer.await_stopped();
                    peer.flush();
                    tasks.extend(peer.task());
                }
            }
        }
        if let Some((watch, delays)) = watch.zip(self.shared().stats.delays.as_mut()) {
            delays.safepoint += watch.ns();
        }
        tasks
    }
    /// Slices go on when this worker gives the gate up, unless the program has ended.
    fn resume_others(&self) {
        if H::Mutator::PARALLEL {
            // SAFETY: they are stopped and cannot have come back.
            self.others().for_each(|peer| unsafe { peer.resume() });
            self.shared().gate.count_stop();
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
        self.shared().peers.iter().copied().filter(|&peer| peer != self.me)
    }
}

impl<H: Heap, S: Scheduler, E: Sink> Driver for Port<H, S, E> {
    fn collect(&mut self, running: &mut Task, why: Cause) {
        let asked = Instant::now();
        let running = self.stop_others(Some(running));
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
        self.clock.add(Activity::SafepointWait, safepoint_ns);
        self.clock.add(Activity::Collect, wall_ns);
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
        let running = self.stop_others(Some(running));
        f(&mut Self::roots_of(self.shared(), running));
        self.resume_others();
    }
    fn new_task(&mut self, f: &FuncInfo) -> Option<Box<Task>> {
        let shared = self.shared();
        let mut task = shared.table.new_task(f.code, shared.loaded.halt(), f.registers as usize)?;
        if self.charge(&mut task) {
            return Some(task);
        }
        self.shared().table.remove(task.id);
        None
    }
    fn charge(&mut self, task: &mut Task) -> bool {
        let shared = self.shared();
        let wanted = task.uncharged();
        let fits = shared.task_bytes + wanted <= shared.heap.usage().limit_bytes;
        if fits {
            shared.task_bytes += wanted;
            task.set_charged();
        }
        fits
    }
    fn spawned(&mut self, task: Box<Task>) -> bool {
        let (id, parent) = (task.id, self.running);
        self.counts.spawns += 1;
        let shared = self.shared();
        shared.emit(|| Event::TaskSpawn { task: id, parent });
        shared.table.add(task);
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
    fn result_place(&mut self, id: TaskId, joined: Option<TaskId>) -> Option<NonNull<Value>> {
        let task = self.shared().table.waiting(id)?;
        // Methods of tasks and channels, the prelude's lock. Scopes join by another function, and tail calls
        // have to return as well.
        let op = match (task.wait, joined) {
            (Some(Wait::Join(other)), Some(joined)) if other == joined => Op::CallMethod,
            (Some(Wait::Event(On::Channel, _)), None) => Op::CallMethod,
            (Some(Wait::Event(On::Mutex, _)), None) => Op::CallNative,
            _ => return None,
        };
        // SAFETY: between slices the pc is that of an instruction (T1).
        let [found, a, ..] = unsafe { *task.pc }.to_le_bytes();
        if found != op as u8 {
            return None;
        }
        // It may be on another list still, where it waited before.
        task.wait = None;
        // SAFETY: verified code: a word follows, and the register is one of the window (E3).
        unsafe {
            task.pc = task.pc.add(1);
            Some(NonNull::new_unchecked(task.base.add(a as usize)))
        }
    }
    fn usage(&self) -> Usage {
        // What others have allocated counts: stopping them flushes it.
        self.stop_others(None);
        self.resume_others();
        self.shared().heap.usage()
    }
    fn attend(&mut self, running: &mut Task) {
        self.answer_dumps(Some(running));
    }
    fn world_ptr(&mut self) -> *mut World {
        &mut self.shared().world
    }
}
