//! The task table: every live task by number, whatever its state. It is also the list of roots.

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::concurrency;
use crate::host::Wait;
use crate::interp::{Loaded, TRACE_FRAMES};
use crate::report::{self, Place};
use crate::sched::{TaskWord, Workers};
use crate::task::{Task, TaskId};
use crate::world::World;

/// One live task.
#[derive(Debug)]
struct Entry {
    word: TaskWord,
    /// Absent while it runs.
    task: Option<Box<Task>>,
}

/// All live tasks.
#[derive(Debug)]
pub struct TaskTable {
    workers: Workers,
    entries: HashMap<TaskId, Entry>,
    /// Who joins a task that is running right now.
    late: HashMap<TaskId, Vec<TaskId>>,
    last_id: TaskId,
    /// The dirty tasks: those that ran since the last collection.
    recent: Vec<TaskId>,
    /// Tasks that have ended, for new ones: spawning then takes no memory from the system's allocator.
    #[allow(clippy::vec_box, reason = "tasks live in boxes; unboxing would copy one")]
    spares: Vec<Box<Task>>,
}

/// How many ended tasks are kept, and how large a block (words) each may have: 64 KiB together.
const SPARES_MAX: usize = 64;
const SPARE_WORDS_MAX: usize = 128;

/// The number of the program's entry task.
const ENTRY: TaskId = 1;

impl TaskTable {
    /// An empty one.
    pub fn new(workers: Workers) -> TaskTable {
        TaskTable {
            workers,
            entries: HashMap::default(),
            late: HashMap::default(),
            last_id: 0,
            recent: Vec::new(),
            spares: Vec::new(),
        }
    }
    /// Drops all tasks.
    pub fn clear(&mut self) {
        *self = TaskTable::new(self.workers);
    }
    /// A number for a new task, counting from 1.
    pub fn reserve(&mut self) -> TaskId {
        self.last_id += 1;
        self.last_id
    }
    /// Gives back a number that was not used.
    pub fn forget(&mut self, id: TaskId) {
        if id == self.last_id {
            self.last_id -= 1;
        }
    }
    /// Whether this is the program's entry task.
    pub fn is_entry(&self, id: TaskId) -> bool {
        id == ENTRY
    }
    /// How many tasks are live.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    /// Whether no task is live.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// A task with this number that will run the function at `entry`, which uses `registers`.
    pub fn new_task(
        &mut self,
        id: TaskId,
        entry: *const u64,
        halt: *const u64,
        registers: usize,
    ) -> Box<Task> {
        if let Some(mut task) = self.spares.pop()
            && task.restart(id, entry, halt, registers)
        {
            return task;
        }
        Box::new(Task::new(id, entry, halt, registers))
    }
    /// Keeps the memory of a task that has ended.
    pub fn recycle(&mut self, task: Box<Task>) {
        if self.spares.len() < SPARES_MAX && task.stack_words() <= SPARE_WORDS_MAX {
            self.spares.push(task);
        }
    }
    /// Adds a task that its caller queues.
    pub fn add(&mut self, task: Box<Task>) {
        self.recent.push(task.id);
        self.entries.insert(task.id, Entry { word: TaskWord::queued(), task: Some(task) });
    }
    /// Takes a queued task out to run it.
    pub fn start(&mut self, id: TaskId) -> Option<Box<Task>> {
        let entry = self.entries.get_mut(&id)?;
        let mut task = entry.task.take()?;
        entry.word.start(self.workers);
        if !task.dirty {
            task.dirty = true;
            self.recent.push(id);
        }
        Some(task)
    }
    /// The parked ones among the tasks that ran since the last collection.
    pub fn recent_mut(&mut self, f: &mut dyn FnMut(&mut Task)) {
        for id in &self.recent {
            if let Some(task) = self.entries.get_mut(id).and_then(|e| e.task.as_deref_mut()) {
                f(task);
            }
        }
    }
    /// After a collection: only what runs from here on can hold references that the next minor one
    /// must see.
    pub fn all_seen(&mut self) {
        let entries = &mut self.entries;
        self.recent.retain(|id| match entries.get_mut(id) {
            Some(Entry { task: Some(task), .. }) => {
                task.dirty = false;
                false
            }
            running => running.is_some(),
        });
    }
    /// Puts a task back whose slice is over although it could go on; the caller queues it.
    pub fn requeue(&mut self, task: Box<Task>) {
        let workers = self.workers;
        self.put_back(task, None).requeue(workers);
    }
    /// Puts a task back that waits; `false` when it was woken meanwhile: the caller queues it.
    #[must_use]
    pub fn suspend(&mut self, task: Box<Task>, wait: Wait) -> bool {
        let workers = self.workers;
        self.put_back(task, Some(wait)).suspend(workers)
    }
    /// Puts a task back after its slice; its word.
    pub fn put_back(&mut self, mut task: Box<Task>, wait: Option<Wait>) -> &TaskWord {
        let entry = self.entries.get_mut(&task.id).expect("running tasks stay in the table");
        task.wait = wait;
        if !self.late.is_empty() {
            task.waiters.extend(self.late.remove(&task.id).into_iter().flatten());
        }
        entry.task = Some(task);
        &entry.word
    }
    /// Wakes a task; `true` when the caller must queue it.
    #[must_use]
    pub fn wake(&self, id: TaskId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.word.wake(self.workers))
    }
    /// A task that does not run.
    pub fn parked(&self, id: TaskId) -> Option<&Task> {
        self.entries.get(&id)?.task.as_deref()
    }
    /// All tasks that do not run.
    pub fn parked_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.entries.values_mut().filter_map(|e| e.task.as_deref_mut())
    }
    /// A task was queued at this time, nanoseconds since the start; for whoever measures delays.
    pub fn set_ready_ns(&mut self, id: TaskId, now_ns: u64) {
        if let Some(task) = self.entries.get_mut(&id).and_then(|entry| entry.task.as_mut()) {
            task.ready_ns = now_ns;
        }
    }
    /// Makes `waiter` wait for the end of `id`; `false` when that has ended already.
    pub fn add_waiter(&mut self, id: TaskId, waiter: TaskId) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        match &mut entry.task {
            Some(task) => task.waiters.push(waiter),
            None => self.late.entry(id).or_default().push(waiter),
        }
        true
    }
    /// Removes a task that has ended: who has joined it while it ran.
    pub fn remove(&mut self, id: TaskId) -> Vec<TaskId> {
        self.entries.remove(&id);
        if self.late.is_empty() { Vec::new() } else { self.late.remove(&id).unwrap_or_default() }
    }

    /// Bytes of all tasks outside of the heap.
    pub fn bytes(&self) -> usize {
        self.entries.values().filter_map(|e| e.task.as_deref()).map(Task::bytes).sum()
    }

    /// Every blocked task, where it stands and what it waits for; members of a cycle first.
    pub fn deadlock_report(&self, loaded: &Loaded, world: &World) -> Vec<Stuck> {
        let mut ids: Vec<TaskId> = self.entries.keys().copied().collect();
        ids.sort_unstable();
        let cycle = self.wait_cycle(&ids);
        ids.sort_by_key(|id| (!cycle.contains(id), *id));
        ids.into_iter().map(|id| self.stuck(id, cycle.contains(&id), loaded, world)).collect()
    }
    fn stuck(&self, id: TaskId, in_cycle: bool, loaded: &Loaded, world: &World) -> Stuck {
        let task = self.parked(id).expect("nothing runs");
        let at = place_of(task, loaded);
        let (waits_for, _) = self.waits_for(id);
        let name = at.map(|place| world.program.names.text(place.function).to_owned());
        Stuck {
            task: id,
            function: name.unwrap_or_default(),
            at,
            spawned_at: task.spawned_at.and_then(|i| Place::of(loaded, i)),
            waits_for,
            in_cycle,
        }
    }
    /// Every task, by number: where it stands and what it does. `running` are those in slices; the world
    /// is stopped.
    pub fn standings(
        &self,
        running: &[&mut Task],
        loaded: &Loaded,
        world: &World,
    ) -> Vec<Standing> {
        let standing = |task: &Task, doing| {
            let at = place_of(task, loaded);
            let name = at.map(|place| world.program.names.text(place.function).to_owned());
            let spawned_at = task.spawned_at.and_then(|i| Place::of(loaded, i));
            Standing { task: task.id, function: name.unwrap_or_default(), at, spawned_at, doing }
        };
        let parked = self.entries.iter().filter_map(|(&id, entry)| {
            let task = entry.task.as_deref()?;
            let queued = task.wait.is_none() || entry.word.is_queued();
            let doing = match queued {
                true => Doing::WaitsForItsTurn,
                false => Doing::WaitsFor(self.waits_for(id).0),
            };
            Some(standing(task, doing))
        });
        let running = running.iter().map(|task| standing(task, Doing::Runs));
        let mut all: Vec<_> = parked.chain(running).collect();
        all.sort_unstable_by_key(|standing| standing.task);
        all
    }
    /// What a task waits for, and the task that alone can end the wait.
    fn waits_for(&self, id: TaskId) -> (String, Option<TaskId>) {
        match self.parked(id).and_then(|task| Some((task, task.wait?))) {
            Some((_, Wait::Join(other))) if other == id => ("its own end".into(), Some(id)),
            Some((_, Wait::Join(other))) => (format!("the end of task {other}"), Some(other)),
            Some((task, Wait::Event(..))) => concurrency::report::waits_for(task.handle),
            Some((_, Wait::Call(what))) => (what.into(), None),
            Some((_, Wait::Output)) => ("what was printed to be written".into(), None),
            Some((_, Wait::Turn)) | None => ("its turn".into(), None),
        }
    }
    /// The members of a cycle of waits, if there is one: a task waits for at most one other.
    fn wait_cycle(&self, ids: &[TaskId]) -> HashSet<TaskId> {
        let next = |id| self.waits_for(id).1.filter(|other| self.entries.contains_key(other));
        let mut done = HashSet::default();
        for &start in ids {
            let mut path = Vec::new();
            let mut at = Some(start);
            while let Some(id) = at {
                if let Some(i) = path.iter().position(|&p| p == id) {
                    return path[i..].iter().copied().collect();
                }
                if !done.insert(id) {
                    break;
                }
                path.push(id);
                at = next(id);
            }
        }
        HashSet::default()
    }
}

/// Where a task stands that is in no fast code.
fn place_of(task: &Task, loaded: &Loaded) -> Option<Place> {
    let callers = task.frames().filter(|frame| frame.pc != loaded.halt());
    // Frames return behind their call.
    let calls = callers.map(|frame| loaded.index_of(frame.pc.wrapping_sub(1)));
    let indices = std::iter::once(loaded.index_of(task.pc)).chain(calls).take(TRACE_FRAMES);
    let places: Vec<_> = indices.filter_map(|index| Place::of(loaded, index)).collect();
    report::own_place(&places)
}

/// What a task does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Doing {
    /// A worker runs it.
    Runs,
    /// It is ready.
    WaitsForItsTurn,
    /// It waits for this, in words.
    WaitsFor(String),
}

/// One task of a dump.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// The task.
    pub task: TaskId,
    /// The function it stands in.
    pub function: String,
    /// Where it stands.
    pub at: Option<Place>,
    /// Where it was spawned.
    pub spawned_at: Option<Place>,
    /// What it does there.
    pub doing: Doing,
}

/// One line of a deadlock report.
#[derive(Clone, PartialEq, Debug)]
pub struct Stuck {
    /// The task.
    pub task: TaskId,
    /// The function it stands in.
    pub function: String,
    /// Where it stands.
    pub at: Option<Place>,
    /// Where it was spawned.
    pub spawned_at: Option<Place>,
    /// What it waits for, in words.
    pub waits_for: String,
    /// Whether it is part of the cycle.
    pub in_cycle: bool,
}
