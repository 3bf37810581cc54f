//! Mistakes that the soak must notice: a soak that cannot fail shows nothing. They are planted around a heap
//! and a scheduler of the registry, so that the machine itself pays nothing for them.
//!
//! `MENAGERIE_SOAK_MISTAKE=task_run_twice cargo test --test soak` shows what the soak says of one.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};

use menagerie::bytecode::verify::Verified;
use menagerie::event::FnSink;
use menagerie::heap::{
    Cause, Collection, Dirty, Heap, HeapConfig, HeapError, HeapInfo, Liveness, Mutator, Oom, Roots,
    Safepoint, SharedHeap, Usage,
};
use menagerie::metrics::WorkerCounts;
use menagerie::object::{Obj, ObjectKind, ObjectLayout, slots};
use menagerie::report::Ending;
use menagerie::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo, SpawnOrder,
};
use menagerie::stats::Stats;
use menagerie::sync::ManyThreads;
use menagerie::task::TaskId;
use menagerie::value::Value;
use menagerie::vm::{Vm, VmConfig, VmError};
use menagerie::world::World;
use menagerie_strategies::heaps::mark_sweep::MarkSweep;
use menagerie_strategies::schedulers::work_stealing::WorkStealing;

/// Mistakes, and the words by which the soak must complain, one of them. The first is none, and must pass.
const MISTAKES: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("wake_up_lost", &["not over"]),
    ("task_run_twice", &["give out live tasks (S1)", "a task that was not queued", "the task was"]),
    ("cancellation_forgotten", &["not over"]),
    ("root_leaked", &["bytes have leaked"]),
];

/// The mistake that is asked for, if any.
pub(crate) static ASKED: LazyLock<Option<String>> = LazyLock::new(|| {
    let asked = std::env::var("MENAGERIE_SOAK_MISTAKE").ok()?;
    let known = MISTAKES.iter().any(|(name, _)| *name == asked);
    assert!(known, "MENAGERIE_SOAK_MISTAKE={asked}: there are {MISTAKES:?}");
    Some(asked)
});

/// The heap and the scheduler that it is planted around.
pub(crate) const AROUND: (&str, &str) = ("mark-sweep", "work-stealing");

fn is_made(name: &str) -> bool {
    ASKED.as_deref() == Some(name)
}
/// Whether it is the `n`th time, or a multiple of it.
fn every(n: u64, count: &AtomicU64) -> bool {
    count.fetch_add(1, Relaxed) % n == n - 1
}

/// As the registry's function of the same name, with the mistake.
pub(crate) fn run_and_drop_roots(
    config: &VmConfig,
    code: Verified,
    world: World,
    sink: FnSink,
) -> Result<(Ending, Stats, Usage), VmError> {
    let mut vm = Vm::<Around<MarkSweep<ManyThreads>>, Around<WorkStealing>, FnSink>::new(
        config, code, world, sink,
    )?;
    let ending = vm.run();
    let stats = vm.stats();
    Ok((ending, stats, vm.drop_roots()))
}

/// A heap, its mutator or a scheduler, and how often something was done that may be done wrong.
struct Around<T> {
    inner: T,
    count: AtomicU64,
    /// What the leak keeps.
    kept: Mutex<Value>,
}

impl<T> Around<T> {
    fn new(inner: T) -> Self {
        Around { inner, count: AtomicU64::new(0), kept: Mutex::new(Value::NIL) }
    }
}

impl<S: Scheduler> Scheduler for Around<S> {
    type Local = S::Local;
    type Threads = S::Threads;
    const ORDER: SpawnOrder = S::ORDER;
    const INFO: SchedulerInfo = S::INFO;

    fn new(config: &SchedulerConfig) -> Result<(Self, Vec<S::Local>), SchedulerError> {
        S::new(config).map(|(scheduler, locals)| (Around::new(scheduler), locals))
    }
    fn push(&self, mut local: Option<&mut S::Local>, task: TaskId, why: Ready) -> Notify {
        let wakes = why == Ready::Wake;
        if wakes && is_made("wake_up_lost") && every(200, &self.count) {
            return Notify::No;
        }
        if wakes && is_made("task_run_twice") && every(200, &self.count) {
            self.inner.push(local.as_deref_mut(), task, why);
        }
        self.inner.push(local, task, why)
    }
    fn next(&self, local: &mut S::Local, pick: Pick) -> Option<TaskId> {
        self.inner.next(local, pick)
    }
    fn has_work(&self, local: &S::Local) -> bool {
        self.inner.has_work(local)
    }
    fn quantum(&self) -> u64 {
        self.inner.quantum()
    }
    fn stolen_from(&self, local: &S::Local) -> Option<usize> {
        self.inner.stolen_from(local)
    }
    fn counts(&self, local: &S::Local) -> WorkerCounts {
        self.inner.counts(local)
    }
    fn drain(&self, local: &mut S::Local, f: &mut dyn FnMut(TaskId)) {
        self.inner.drain(local, f);
    }
}

/// The roots, and one that nobody drops.
struct Leaking<'a>(&'a mut dyn Roots, Value);
impl Roots for Leaking<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        f(std::slice::from_mut(&mut self.1), Dirty::Yes);
        self.0.slices(f);
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.0.weak(live)
    }
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.0.weak_values(f);
    }
}

// SAFETY: it is as sound as the heap inside: a root more, or a store that is not made, breaks no rule.
unsafe impl<H: Heap> Heap for Around<H> {
    type Mutator = Around<H::Mutator>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        H::new(config).map(Around::new)
    }
    fn mutator(&self) -> Self::Mutator {
        Around::new(self.inner.mutator())
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        let mut kept = self.kept.lock().unwrap();
        if is_made("root_leaked") && *kept == Value::NIL {
            // Whatever is a root of the program in the middle of its run.
            roots.slices(&mut |slice, _| {
                let object = slice.iter().find(|v| v.as_object().is_some());
                if let (Some(&object), true) = (object, every(5, &self.count)) {
                    *kept = object;
                }
            });
        }
        self.inner.collect(&mut Leaking(roots, *kept), why)
    }
    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
// SAFETY: as the heap inside; what is added is atomic or behind a lock.
unsafe impl<H: SharedHeap> SharedHeap for Around<H> {}

// SAFETY: as the heap. What the default of a method does is right for a heap that does not count.
unsafe impl<M: Mutator> Mutator for Around<M> {
    const PARALLEL: bool = M::PARALLEL;

    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.inner.try_alloc(layout)
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.inner.alloc_slow(layout, at)
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.inner.load(o, i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.inner.load_weak(o, i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.inner.init(o, i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        let cancels = o.kind() == ObjectKind::Task && i == slots::TASK_CANCEL && v == Value::TRUE;
        if cancels && is_made("cancellation_forgotten") && every(3, &self.count) {
            return;
        }
        self.inner.store(o, i, v);
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.inner.wants_collection()
    }
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
        self.inner.pin(o, at)
    }
    fn unpin(&mut self, o: Obj) {
        self.inner.unpin(o);
    }
    fn online(&mut self) {
        self.inner.online();
    }
    fn offline(&mut self) {
        self.inner.offline();
    }
    fn flush(&mut self) {
        self.inner.flush();
    }
}

/// Each in a process of its own: a mistake may end in an abort.
#[test]
fn mistakes_are_noticed() {
    let me = std::env::current_exe().expect("the path of this program");
    for (mistake, words) in MISTAKES {
        let mut command = Command::new(&me);
        command.args(["--exact", "shared_heaps_and_parallel_schedulers_soak", "--nocapture"]);
        command.env("MENAGERIE_SOAK_MISTAKE", mistake).env("MENAGERIE_SOAK_SECONDS", "5");
        command.env("MENAGERIE_SOAK_ROUND_SECONDS", "15");
        let ran = command.output().expect("this program can be started once more");
        let said = String::from_utf8_lossy(&ran.stderr) + String::from_utf8_lossy(&ran.stdout);
        let noticed = words.iter().any(|word| said.contains(word));
        let wanted = (words.is_empty(), !words.is_empty());
        assert_eq!((ran.status.success(), noticed), wanted, "{mistake}:\n{said}");
    }
}
