//! What all workers of a VM share. Whoever touches it holds the gate, or is the only worker.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use super::dump::Dumps;
use super::threads::Start;

use crate::calls::Calls;
use crate::event::{Event, Sink};
use crate::gate::Gate;
use crate::heap::{Barrier, Heap};
use crate::host::Wait;
use crate::idle::Idle;
use crate::interp::{Engine, Loaded, Peer};
use crate::report::Ending;
use crate::sched::{Scheduler, Workers};
use crate::stats::Stats;
use crate::sync::thread::JoinHandle;
use crate::table::TaskTable;
use crate::task::TaskId;
use crate::value::Value;
use crate::world::World;

/// Everything but the workers.
pub(super) struct Shared<H: Heap, S: Scheduler, E: Sink> {
    pub(super) heap: H,
    pub(super) scheduler: S,
    pub(super) sink: E,
    pub(super) world: World,
    pub(super) loaded: Arc<Loaded>,
    pub(super) table: TaskTable,
    /// (due time, sequence, task): the sequence keeps equal times in order.
    timers: BinaryHeap<Reverse<(u64, u64, TaskId)>>,
    timer_sequence: u64,
    /// What all tasks take outside of the heap, bytes: at most as much as the heap's limit.
    pub(super) task_bytes: usize,
    pub(super) stats: Stats,
    /// Failed tasks that nobody may have joined: (handle, description).
    pub(super) failures: Vec<(Value, Ending)>,
    /// How many there may be before those that were seen are looked for.
    pub(super) failures_kept: usize,
    pub(super) gate: Arc<Gate>,
    /// All workers that there are.
    pub(super) peers: Vec<Peer<H>>,
    /// What a new worker's interpreter is made with: the engine, and the longest stack of a task, words.
    pub(super) setup: (Engine, usize),
    /// How more workers are started, where there may be several.
    pub(super) start: Option<Start<H, S, E>>,
    /// The threads of all workers but the first; some may have ended.
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Who asks what all tasks do.
    pub(super) dumps: Option<Arc<Dumps>>,
    /// What runs outside of the VM.
    pub(super) calls: Arc<Calls>,
    /// Tasks that wait for a call, and one more while somebody writes what was printed.
    pub(super) calling: usize,
    /// Whether somebody writes what was printed.
    pub(super) writing: bool,
    /// Tasks that wait for that.
    pub(super) printers: Vec<TaskId>,
    /// Which workers are in a slice, and which sleep because there was nothing to run.
    pub(super) idle: Idle,
    /// How the program has ended; workers stop when they see it.
    pub(super) ending: Option<Ending>,
    /// Reductions that may still be given to slices (the step limit).
    pub(super) steps_left: Option<u64>,
}

impl<H: Heap, S: Scheduler, E: Sink> Shared<H, S, E> {
    pub(super) fn new(
        (heap, scheduler, sink): (H, S, E),
        world: World,
        loaded: Arc<Loaded>,
        (setup, calls, measure): ((Engine, usize), Calls, bool),
        steps_left: Option<u64>,
        workers: Workers,
    ) -> Self {
        let minor = heap.info().barrier == Barrier::Remembering;
        let stats = Stats { delays: measure.then(Box::default), ..Stats::default() };
        Shared {
            heap,
            scheduler,
            sink,
            world,
            loaded,
            table: TaskTable::new(workers, minor),
            timers: BinaryHeap::new(),
            timer_sequence: 0,
            task_bytes: 0,
            stats,
            failures: Vec::new(),
            failures_kept: 16,
            gate: Arc::new(match workers {
                Workers::One => Gate::of_one(),
                Workers::Several => Gate::default(),
            }),
            peers: Vec::new(),
            setup,
            start: None,
            threads: Vec::new(),
            calls: Arc::new(calls),
            calling: 0,
            writing: false,
            printers: Vec::new(),
            dumps: None,
            idle: Idle::default(),
            ending: None,
            steps_left,
        }
    }

    #[inline(always)]
    pub(super) fn emit(&mut self, event: impl FnOnce() -> Event) {
        #[cfg(feature = "events")]
        if E::ENABLED {
            let at = self.world.now_ns();
            self.sink.emit(at, &event());
        }
        #[cfg(not(feature = "events"))]
        let _ = (event, &self.sink);
    }

    /// Sets a timer for a task that waits until `due`.
    pub(super) fn add_timer(&mut self, due: u64, id: TaskId) {
        if self.world.virtual_ns.is_none() {
            self.idle.sooner(due);
        }
        self.timer_sequence += 1;
        self.timers.push(Reverse((due, self.timer_sequence, id)));
    }
    /// Real time, even when the program sees virtual time, nanoseconds since the start.
    pub(super) fn real_ns(&self) -> u64 {
        self.world.start.elapsed().as_nanos() as u64
    }
    /// Whether something may come from outside of the workers: a timer that a clock fires, the end of a
    /// call.
    pub(super) fn expects(&self) -> bool {
        self.calling > 0 || !self.timers.is_empty() && self.world.virtual_ns.is_none()
    }
    /// The next task whose time has come, and by how many nanoseconds it is late.
    pub(super) fn due_timer(&mut self) -> Option<(TaskId, u64)> {
        if self.timers.is_empty() {
            return None;
        }
        let now = self.world.now_ns();
        let (due, id) = self.next_timer()?;
        (due <= now).then(|| {
            self.timers.pop();
            (id, now - due)
        })
    }
    /// The earliest timer that a task still waits for; those of waits that are over are dropped.
    pub(super) fn next_timer(&mut self) -> Option<(u64, TaskId)> {
        while let Some(&Reverse((due, _, id))) = self.timers.peek() {
            let wait = self.table.parked(id).and_then(|task| task.wait);
            if matches!(wait, Some(Wait::Event(_, until)) if until.ns() == Some(due)) {
                return Some((due, id));
            }
            self.timers.pop();
        }
        None
    }
    /// Measures: of those that wait for this task, how long after its end they go on.
    #[cold]
    pub(super) fn has_ended<'a>(&mut self, id: TaskId, waiters: impl Iterator<Item = &'a TaskId>) {
        let now_ns = self.real_ns();
        let Some(delays) = &mut self.stats.delays else { return };
        for &waiter in waiters {
            // It may have been woken before, and wait for something else by now.
            if self.table.parked(waiter).is_some_and(|task| task.wait == Some(Wait::Join(id))) {
                delays.joins(waiter, now_ns);
            }
        }
    }
    /// Starts the thread of one more worker. `this` is where this state lies.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start_worker(
        &mut self,
        this: NonNull<Self>,
        number: usize,
        local: S::Local,
    ) -> io::Result<()> {
        let start = self.start.expect("set where several threads may run");
        let thread = start(this, number, local)?;
        // Threads that come and go must not fill the list.
        if self.threads.len() > 2 * self.peers.len() + 16 {
            self.threads.retain(|thread| !thread.is_finished());
        }
        self.threads.push(thread);
        Ok(())
    }
    /// Ends the program: all workers hear of it.
    pub(super) fn finish(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        for peer in &self.peers {
            // SAFETY: workers live as long as the VM; the one that calls this holds the gate.
            unsafe { peer.end_slice() };
        }
        self.idle.wake_all();
    }
}
