//! The task table: every live task at the place that its id names, whatever its state. It is also the list
//! of roots.

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::concurrency;
use crate::host::Wait;
use crate::interp::{Loaded, TRACE_FRAMES};
use crate::report::{self, Place};
use crate::sched::{TaskWord, Workers};
use crate::task::{Task, TaskId};
use crate::world::World;

/// A place for a live task. Most tasks are joined by one other at most: that one is here.
#[derive(Debug)]
struct Entry {
    /// Whose place it is; `None`: nobody's.
    id: Option<TaskId>,
    /// Absent while it runs, and before it is added.
    task: Option<Box<Task>>,
    /// The first task that waits for its end.
    waiter: Option<TaskId>,
    word: TaskWord,
}

/// All live tasks, each at the place that its id names.
#[derive(Debug)]
pub struct TaskTable {
    workers: Workers,
    /// Whether the heap asks for the dirty tasks alone.
    minor: bool,
    entries: Vec<Entry>,
    /// Places of tasks that have ended, the last one used next: its cache lines are warm.
    free: Vec<u32>,
    live: usize,
    last_number: u64,
    /// Further tasks that wait for an end, after the first.
    more_waiters: HashMap<TaskId, Vec<TaskId>>,
    /// The dirty tasks: those that ran since the last collection. Without minor collections all count as
    /// dirty, and there is no list of them.
    recent: Vec<TaskId>,
    /// Tasks that have ended, for new ones: spawning then takes no memory from the system's allocator.
    #[allow(clippy::vec_box, reason = "tasks live in boxes; unboxing would copy one")]
    spares: Vec<Box<Task>>,
}

/// How many ended tasks are kept, and how large a block (words) each may have: 64 KiB together.
const SPARES_MAX: usize = 64;
const SPARE_WORDS_MAX: usize = 128;

/// The program's entry task is the first one, and keeps its place to the end.
const ENTRY: TaskId = TaskId::new(1, 0);

impl TaskTable {
    /// An empty one. `minor`: whether the heap's collections may want the dirty tasks alone.
    pub fn new(workers: Workers, minor: bool) -> TaskTable {
        TaskTable {
            workers,
            minor,
            entries: Vec::new(),
            free: Vec::new(),
            live: 0,
            last_number: 0,
            more_waiters: HashMap::default(),
            recent: Vec::new(),
            spares: Vec::new(),
        }
    }
    /// Drops all tasks.
    pub fn clear(&mut self) {
        *self = TaskTable::new(self.workers, self.minor);
    }
    /// Whether this is the program's entry task.
    pub fn is_entry(&self, id: TaskId) -> bool {
        id == ENTRY
    }
    /// How many tasks are live.
    pub fn len(&self) -> usize {
        self.live
    }
    /// Whether no task is live.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }
    fn entry(&self, id: TaskId) -> Option<&Entry> {
        self.entries.get(id.place()).filter(|entry| entry.id == Some(id))
    }
    fn entry_mut(&mut self, id: TaskId) -> Option<&mut Entry> {
        self.entries.get_mut(id.place()).filter(|entry| entry.id == Some(id))
    }
    /// A task, with an id of its own, that will run the function at `entry`, which uses `registers`. It is
    /// live from here on. `None`: [`TaskId::PLACES`] tasks are.
    pub fn new_task(
        &mut self,
        entry: *const u64,
        halt: *const u64,
        registers: usize,
    ) -> Option<Box<Task>> {
        let id = self.reserve()?;
        if let Some(mut task) = self.spares.pop()
            && task.restart(id, entry, halt, registers)
        {
            return Some(task);
        }
        Some(Box::new(Task::new(id, entry, halt, registers)))
    }
    #[inline]
    fn reserve(&mut self) -> Option<TaskId> {
        let place = match self.free.pop() {
            Some(place) => place as usize,
            None => self.new_place()?,
        };
        self.last_number = self.last_number % TaskId::NUMBER_MAX + 1;
        let id = TaskId::new(self.last_number, place);
        let entry = &mut self.entries[place];
        (entry.id, entry.word) = (Some(id), TaskWord::queued());
        self.live += 1;
        Some(id)
    }
    #[cold]
    fn new_place(&mut self) -> Option<usize> {
        let place = self.entries.len();
        if place == TaskId::PLACES {
            return None;
        }
        self.entries.push(Entry { id: None, task: None, waiter: None, word: TaskWord::queued() });
        Some(place)
    }
    /// Keeps the memory of a task that has ended.
    pub fn recycle(&mut self, task: Box<Task>) {
        if self.spares.len() < SPARES_MAX && task.stack_words() <= SPARE_WORDS_MAX {
            self.spares.push(task);
        }
    }
    /// Adds a new task, which its caller queues.
    pub fn add(&mut self, task: Box<Task>) {
        let id = task.id;
        if self.minor {
            self.recent.push(id);
        }
        self.entry_mut(id).expect("made by `new_task`").task = Some(task);
    }
    /// Takes a queued task out to run it.
    pub fn start(&mut self, id: TaskId) -> Option<Box<Task>> {
        let workers = self.workers;
        let entry = self.entry_mut(id)?;
        let mut task = entry.task.take()?;
        entry.word.start(workers);
        if !task.dirty {
            task.dirty = true;
            self.recent.push(id);
        }
        Some(task)
    }
    /// The parked ones among the dirty tasks.
    pub fn recent_mut(&mut self, f: &mut dyn FnMut(&mut Task)) {
        if !self.minor {
            return self.parked_mut().for_each(f);
        }
        for i in 0..self.recent.len() {
            let id = self.recent[i];
            if let Some(task) = self.entry_mut(id).and_then(|entry| entry.task.as_deref_mut()) {
                f(task);
            }
        }
    }
    /// After a collection: only what runs from here on can hold references that the next minor one
    /// must see.
    pub fn all_seen(&mut self) {
        if !self.minor {
            return;
        }
        let mut recent = std::mem::take(&mut self.recent);
        recent.retain(|&id| match self.entry_mut(id).map(|entry| &mut entry.task) {
            Some(Some(task)) => {
                task.dirty = false;
                false
            }
            running => running.is_some(),
        });
        self.recent = recent;
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
        let entry = self.entry_mut(task.id).expect("running tasks stay in the table");
        task.wait = wait;
        entry.task = Some(task);
        &entry.word
    }
    /// Wakes a task; gives it when the caller must queue it.
    #[must_use]
    pub fn wake(&self, id: TaskId) -> Option<&Task> {
        let entry = self.entry(id)?;
        // What neither runs nor is queued is here.
        if entry.word.wake(self.workers) { entry.task.as_deref() } else { None }
    }
    /// A task that does not run.
    #[inline]
    pub fn parked(&self, id: TaskId) -> Option<&Task> {
        self.entry(id)?.task.as_deref()
    }
    /// A task that does not run, to be given something: it counts as one that ran.
    pub fn waiting(&mut self, id: TaskId) -> Option<&mut Task> {
        let entry = self.entries.get_mut(id.place()).filter(|entry| entry.id == Some(id))?;
        let task = entry.task.as_deref_mut()?;
        if !std::mem::replace(&mut task.dirty, true) {
            self.recent.push(id);
        }
        Some(task)
    }
    /// All tasks that do not run.
    pub fn parked_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.entries.iter_mut().filter_map(|entry| entry.task.as_deref_mut())
    }
    /// Makes `waiter` wait for the end of `id`; `false` when that has ended already.
    pub fn add_waiter(&mut self, id: TaskId, waiter: TaskId) -> bool {
        let Some(entry) = self.entry_mut(id) else { return false };
        if entry.waiter.is_none() {
            entry.waiter = Some(waiter);
        } else {
            self.more_waiters.entry(id).or_default().push(waiter);
        }
        true
    }
    /// Removes a task that has ended: who has joined it, the first one and the others.
    pub fn remove(&mut self, id: TaskId) -> (Option<TaskId>, Vec<TaskId>) {
        let entry = self.entry_mut(id).expect("it was live");
        let first = entry.waiter.take();
        entry.id = None;
        self.free.push(id.place() as u32);
        self.live -= 1;
        let none = first.is_none() || self.more_waiters.is_empty();
        (first, if none { Vec::new() } else { self.more_waiters.remove(&id).unwrap_or_default() })
    }

    /// The tasks that do not run, and their places.
    fn tasks(&self) -> impl Iterator<Item = (&Entry, &Task)> {
        self.entries.iter().filter_map(|entry| Some((entry, entry.task.as_deref()?)))
    }
    /// Bytes of all tasks outside of the heap.
    pub fn bytes(&self) -> usize {
        let places = self.entries.capacity() * size_of::<Entry>();
        places + self.tasks().map(|(_, task)| task.bytes()).sum::<usize>()
    }

    /// Every blocked task, where it stands and what it waits for; members of a cycle first.
    pub fn deadlock_report(&self, loaded: &Loaded, world: &World) -> Vec<Stuck> {
        let mut ids: Vec<TaskId> = self.entries.iter().filter_map(|entry| entry.id).collect();
        ids.sort_unstable();
        let cycle = self.wait_cycle(&ids, world);
        ids.sort_by_key(|id| (!cycle.contains(id), *id));
        ids.into_iter().map(|id| self.stuck(id, cycle.contains(&id), loaded, world)).collect()
    }
    fn stuck(&self, id: TaskId, in_cycle: bool, loaded: &Loaded, world: &World) -> Stuck {
        let task = self.parked(id).expect("nothing runs");
        let at = place_of(task, loaded);
        let (waits_for, _) = self.waits_for(id, world);
        let name = at.map(|place| world.program.names.text(place.function).to_owned());
        Stuck {
            task: id.number(),
            function: name.unwrap_or_default(),
            at,
            spawned_at: task.spawned_at().and_then(|i| Place::of(loaded, i)),
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
            let spawned_at = task.spawned_at().and_then(|i| Place::of(loaded, i));
            Standing {
                task: task.id.number(),
                function: name.unwrap_or_default(),
                at,
                spawned_at,
                doing,
            }
        };
        let parked = self.tasks().map(|(entry, task)| {
            let queued = task.wait.is_none() || entry.word.is_queued();
            let doing = match queued {
                true => Doing::WaitsForItsTurn,
                false => Doing::WaitsFor(self.waits_for(task.id, world).0),
            };
            standing(task, doing)
        });
        let running = running.iter().map(|task| standing(task, Doing::Runs));
        let mut all: Vec<_> = parked.chain(running).collect();
        all.sort_unstable_by_key(|standing| standing.task);
        all
    }
    /// What a task waits for, and the task that alone can end the wait.
    fn waits_for(&self, id: TaskId, world: &World) -> (String, Option<TaskId>) {
        match self.parked(id).and_then(|task| Some((task, task.wait?))) {
            Some((_, Wait::Join(other))) if other == id => ("its own end".into(), Some(id)),
            Some((_, Wait::Join(other))) => (format!("the end of task {other}"), Some(other)),
            Some((task, Wait::Event(..))) => concurrency::report::waits_for(task.handle),
            Some((_, Wait::Call(what))) => (world.call_name(what).into(), None),
            Some((_, Wait::Output)) => ("what was printed to be written".into(), None),
            Some((_, Wait::Turn)) | None => ("its turn".into(), None),
        }
    }
    /// The members of a cycle of waits, if there is one: a task waits for at most one other.
    fn wait_cycle(&self, ids: &[TaskId], world: &World) -> HashSet<TaskId> {
        let next = |id| self.waits_for(id, world).1.filter(|other| self.entry(*other).is_some());
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
    /// The task's number.
    pub task: u64,
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
    /// The task's number.
    pub task: u64,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(table: &mut TaskTable) -> TaskId {
        let nowhere = std::ptr::null();
        let task = table.new_task(nowhere, nowhere, 4).expect("there are few");
        let id = task.id;
        table.add(task);
        id
    }
    fn end(table: &mut TaskTable, id: TaskId) -> (Option<TaskId>, Vec<TaskId>) {
        let task = table.start(id).expect("it is queued");
        let joined = table.remove(id);
        table.recycle(task);
        joined
    }

    #[test]
    fn a_place_is_used_again_and_the_old_id_names_nothing() {
        let mut table = TaskTable::new(Workers::One, true);
        let (first, second) = (spawn(&mut table), spawn(&mut table));
        assert!(table.is_entry(first) && !table.is_entry(second));
        end(&mut table, second);
        let third = spawn(&mut table);
        assert_eq!((third.place(), third.number()), (second.place(), 3));
        assert!(table.start(second).is_none() && table.parked(second).is_none());
        assert!(table.wake(second).is_none() && table.waiting(second).is_none());
        assert!(!table.add_waiter(second, first));
        assert_eq!((table.len(), table.parked(third).map(|task| task.id)), (2, Some(third)));
    }

    #[test]
    fn all_who_join_are_told_first_come_first_served() {
        let mut table = TaskTable::new(Workers::Several, false);
        let tasks: Vec<_> = (0..5).map(|_| spawn(&mut table)).collect();
        for &waiter in &tasks[1..] {
            assert!(table.add_waiter(tasks[0], waiter));
        }
        assert_eq!(end(&mut table, tasks[0]), (Some(tasks[1]), tasks[2..].to_vec()));
        // Nobody has joined the next one at that place.
        let again = spawn(&mut table);
        assert_eq!(again.place(), tasks[0].place());
        assert_eq!(end(&mut table, again), (None, Vec::new()));
    }
}
