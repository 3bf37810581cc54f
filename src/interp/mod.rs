//! The interpreter: fast bodies in `handlers`, everything cold in `slow`, what leaves fast code most often
//! in `shortcuts`, two dispatch engines in [`engine`] over the same bodies.
//!
//! Rules
//! - E1. A fast body has no side effect before its last check. When it cannot go on it answers
//!   [`R::Slow`], and `slow` redoes the *whole* instruction from its word and pc.
//! - E2. The address of the state ([`St`]) never reaches a function that is not inlined; slow paths
//!   take scalars and return a new state. (One call in a fast body makes LLVM spill at every entry.)
//! - E3. Operands are trusted: only code that `bytecode::verify` has passed can be loaded, and T2
//!   holds for every frame.
//! - E4. The poll counts reductions up to a limit word; a slice ends when they meet. That one
//!   compare is preemption, step limit and stop request at once.
//! - E5. Before anything that may collect, pc and window are written back to the task (T1).
//! - E6. Under a parallel scheduler ([`Mutator::PARALLEL`]) fast bodies run beside those of other
//!   workers: shared words are accessed one relaxed atomic at a time, and what two words say about one
//!   another (a list's length, its buffer) is checked against the object itself. Slow paths run with
//!   the gate held ([`crate::gate`]), so they need no care.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::gate::{Gate, Lane};
use crate::heap::{Cause, Heap, Mutator, Oom, Roots, Safepoint, Stop, Usage};
use crate::host::{Fatal, Wait};
use crate::limit::Limit;
use crate::object::{Obj, ObjectLayout};
use crate::task::{Frame, Task, TaskId};
use crate::value::Value;
use crate::world::World;

mod calls;
pub mod engine;
mod handlers;
mod host_impl;
pub mod loaded;
mod shortcuts;
mod slow;

pub use calls::TRACE_FRAMES;
pub use engine::Engine;
pub use loaded::Loaded;

/// How a slice ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// The task's function returned this.
    Done(Value),
    /// Nobody caught this.
    Failed(Value),
    /// The limit word was reached.
    Preempted,
    /// It waits; [`Task::wait`] says for what.
    Blocked(Wait),
    /// The program ends.
    Fatal(Fatal),
}

/// What the interpreter needs from the VM that drives it; all cold.
pub trait Driver {
    /// Stops the world and collects; `running` is the task of the calling worker.
    fn collect(&mut self, running: &mut Task, why: Cause);
    /// Stops the world and shows its roots.
    fn roots(&mut self, running: &mut Task, f: &mut dyn FnMut(&mut dyn Roots));
    /// A task, with an id of its own, that will run this function; `None` when there are too many, or all
    /// together would take more memory outside of the heap than the heap's limit.
    fn new_task(&mut self, f: &FuncInfo) -> Option<Box<Task>>;
    /// Asks for the memory by which a task's stack has grown; `false` as above.
    fn charge(&mut self, task: &mut Task) -> bool;
    /// Takes over a new task; whether the running one should give way to it.
    fn spawned(&mut self, task: Box<Task>) -> bool;
    /// Makes a task ready that waits.
    fn wake(&mut self, task: TaskId);
    /// Where a task that waits gets the result of its instruction, which is not executed again then: the
    /// caller writes it before it wakes the task. The task waits for the end of `joined`, or else in one
    /// queue. `None`: it has to execute its instruction again, which does more than to give the result.
    fn result_place(&mut self, task: TaskId, joined: Option<TaskId>) -> Option<NonNull<Value>>;
    /// The heap's use of memory.
    fn usage(&self) -> Usage;
    /// The slice was asked to leave fast code, which may have been for something that does not end it.
    fn attend(&mut self, running: &mut Task);
    /// The shared state; valid as long as the driver is.
    fn world_ptr(&mut self) -> *mut World;
}

/// What calls need to know of a function.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct FuncInfo {
    /// Its first word.
    pub code: *const u64,
    /// Registers it uses.
    pub registers: u16,
    /// Parameters.
    pub params: u8,
    /// Captured values.
    pub captures: u8,
    /// Its number.
    pub id: u32,
}

/// The state of one worker's interpreter. Hot fields first: two cache lines.
#[allow(missing_debug_implementations, reason = "raw pointers, private to a running slice")]
#[repr(C)]
pub(crate) struct Ctx<H: Heap> {
    /// When the slice leaves fast code; others may ask for it (E4).
    pub limit: Limit,
    frame_top: *mut Frame,
    funcs: *const FuncInfo,
    constants: *const Value,
    globals: *const AtomicU64,
    sites: *const AtomicU64,
    /// By value: the allocation pointer is one load away.
    pub mutator: H::Mutator,
    // cold
    task: *mut Task,
    world: *mut World,
    driver: *mut dyn Driver,
    loaded: *const Loaded,
    scratch: *mut Value,
    /// Registers to keep free above a new window (counting heaps, else 0): callers' registers may
    /// reach there, dead, but counted.
    red_zone: usize,
    max_stack_words: usize,
    outcome: Outcome,
    /// Where the run goes on after a slow path.
    resume: Resume,
    gate: Arc<Gate>,
    lane: Lane,
}

/// Where a run goes on, in memory.
#[derive(Clone, Copy, Debug)]
struct Resume {
    pc: *const u64,
    base: *mut Value,
    reds: u64,
}

/// Where a run is. Copied, never borrowed by a function that is not inlined (E2).
#[allow(missing_debug_implementations, reason = "lives in machine registers")]
pub(crate) struct St<H: Heap> {
    pc: *const u64,
    base: *mut Value,
    reds: u64,
    ctx: *mut Ctx<H>,
}

impl<H: Heap> Clone for St<H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H: Heap> Copy for St<H> {}

/// What a fast body answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum R {
    /// Go on at the state's pc.
    Next,
    /// Redo the instruction in the slow path.
    Slow,
    /// Redo it, a `CallNative` or a `CallMethod`: it probably calls a builtin.
    Builtin,
    /// The slice is over; the context holds the outcome.
    Halt,
}

/// An interpreter for one worker.
pub struct Interpreter<H: Heap> {
    ctx: Box<Ctx<H>>,
    loaded: Arc<Loaded>,
    engine: Engine,
    /// Reductions of all slices.
    pub reductions: u64,
}

impl<H: Heap> std::fmt::Debug for Interpreter<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Interpreter<{}>({:?})", H::INFO.name, self.engine)
    }
}

/// Stands in for the driver between slices.
struct NoDriver;
impl Driver for NoDriver {
    fn collect(&mut self, _: &mut Task, _: Cause) {
        unreachable!("no slice is running")
    }
    fn roots(&mut self, _: &mut Task, _: &mut dyn FnMut(&mut dyn Roots)) {
        unreachable!("no slice is running")
    }
    fn new_task(&mut self, _: &FuncInfo) -> Option<Box<Task>> {
        unreachable!("no slice is running")
    }
    fn charge(&mut self, _: &mut Task) -> bool {
        unreachable!("no slice is running")
    }
    fn spawned(&mut self, _: Box<Task>) -> bool {
        unreachable!("no slice is running")
    }
    fn wake(&mut self, _: TaskId) {
        unreachable!("no slice is running")
    }
    fn result_place(&mut self, _: TaskId, _: Option<TaskId>) -> Option<NonNull<Value>> {
        unreachable!("no slice is running")
    }
    fn usage(&self) -> Usage {
        unreachable!("no slice is running")
    }
    fn attend(&mut self, _: &mut Task) {
        unreachable!("no slice is running")
    }
    fn world_ptr(&mut self) -> *mut World {
        unreachable!("no slice is running")
    }
}

impl<H: Heap> Interpreter<H> {
    /// An interpreter for `loaded` that allocates through `mutator`.
    pub fn new(
        loaded: Arc<Loaded>,
        mutator: H::Mutator,
        engine: Engine,
        max_stack_words: usize,
        gate: Arc<Gate>,
    ) -> Self {
        let no_driver: *mut dyn Driver = std::ptr::from_mut(Box::leak(Box::new(NoDriver)));
        let ctx = Box::new(Ctx {
            limit: Limit::default(),
            frame_top: std::ptr::null_mut(),
            funcs: loaded.funcs().as_ptr(),
            constants: std::ptr::null(),
            globals: std::ptr::null(),
            sites: loaded.sites().as_ptr(),
            mutator,
            task: std::ptr::null_mut(),
            world: std::ptr::null_mut(),
            driver: no_driver,
            loaded: Arc::as_ptr(&loaded),
            scratch: std::ptr::null_mut(),
            red_zone: if <H::Mutator as Mutator>::COUNTS {
                loaded.funcs().iter().map(|f| f.registers as usize).max().unwrap_or(0)
            } else {
                0
            },
            max_stack_words,
            outcome: Outcome::Preempted,
            resume: Resume { pc: std::ptr::null(), base: std::ptr::null_mut(), reds: 0 },
            gate,
            lane: Lane::default(),
        });
        Interpreter { ctx, loaded, engine, reductions: 0 }
    }

    /// The worker's allocator, between slices.
    pub fn mutator(&mut self) -> &mut H::Mutator {
        &mut self.ctx.mutator
    }

    /// Gives `f` the facade that builtins use, outside of any task (loading, reports).
    pub fn with_host<T>(
        &mut self,
        driver: &mut dyn Driver,
        task: &mut Task,
        f: impl FnOnce(&mut dyn crate::host::Host) -> T,
    ) -> T {
        self.attach(driver);
        self.enter(task, driver);
        let result = f(&mut *self.ctx);
        self.ctx.save(task.pc, task.base);
        self.ctx.task = std::ptr::null_mut();
        result
    }

    /// How long the worker has waited for the gate, and while the world was stopped, nanoseconds.
    pub(crate) fn waits_ns(&self) -> (u64, u64) {
        self.ctx.lane.waits_ns()
    }

    /// The limit word, which stays where it is.
    pub(crate) fn limit(&self) -> NonNull<Limit> {
        NonNull::from(&self.ctx.limit)
    }

    /// What other workers may do to this one.
    pub(crate) fn peer(&mut self) -> Peer<H> {
        Peer(NonNull::from(&mut *self.ctx))
    }

    /// Where the shared state is. Its tables do not move once the program is loaded, so this is done once
    /// before a worker's first slice.
    pub(crate) fn attach(&mut self, driver: &mut dyn Driver) {
        let ctx = &mut *self.ctx;
        ctx.world = driver.world_ptr();
        let world = ctx.world();
        let (constants, globals) = (world.constants.as_ptr(), world.globals.as_mut_ptr().cast());
        let scratch = world.scratch.as_mut_ptr();
        ctx.constants = constants;
        ctx.globals = globals;
        ctx.scratch = scratch;
    }
    fn enter(&mut self, task: &mut Task, driver: &mut dyn Driver) {
        let ctx = &mut *self.ctx;
        ctx.frame_top = task.frame_top;
        ctx.task = task;
        // SAFETY: only the lifetime is widened; the pointer is used within this slice alone.
        ctx.driver = unsafe {
            std::mem::transmute::<*mut (dyn Driver + '_), *mut (dyn Driver + 'static)>(driver)
        };
    }

    /// Runs `task` until it ends, waits, or has used `quantum` reductions. The calling worker holds
    /// the gate before and afterwards.
    pub fn run_slice(&mut self, task: &mut Task, driver: &mut dyn Driver, quantum: u64) -> Outcome {
        self.enter(task, driver);
        self.ctx.mutator.resume(task.region);
        self.ctx.limit.start(quantum);
        let (pc, base) = (task.pc, task.base);
        let ctx: *mut Ctx<H> = &mut *self.ctx;
        self.ctx.enter_fast();
        // SAFETY: the task's state is that of verified code (E3), and everything that `ctx` points
        // to outlives the slice.
        let reds = unsafe { engine::run(self.engine, St { pc, base, reds: 0, ctx }) };
        self.reductions += reds;
        let ctx = &mut *self.ctx;
        if ctx.lane.is_fast() {
            // The task has returned. Its result must be where a collector finds it while this worker
            // waits for the gate: in the outermost frame's first register (G1).
            let (halt, low) = (ctx.loaded().halt(), ctx.task().low());
            ctx.save(halt, low);
            ctx.leave_fast();
            // SAFETY: a block has at least one register.
            ctx.outcome = Outcome::Done(unsafe { *low });
        }
        task.region = ctx.mutator.suspend();
        ctx.task = std::ptr::null_mut();
        ctx.outcome
    }

    /// The program.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }
}

/// Stops the world around the running slice: its task and its driver, which are valid for the slice
/// and disjoint from the mutator.
struct SliceStop {
    task: *mut Task,
    driver: *mut dyn Driver,
}

impl Stop for SliceStop {
    fn collect(&mut self, why: Cause) {
        // SAFETY: valid for the slice; short borrows.
        unsafe { (*self.driver).collect(&mut *self.task, why) };
    }
    fn roots(&mut self, f: &mut dyn FnMut(&mut dyn Roots)) {
        // SAFETY: as `collect`.
        unsafe { (*self.driver).roots(&mut *self.task, f) };
    }
}

impl<H: Heap> Ctx<H> {
    fn task(&mut self) -> &mut Task {
        // SAFETY: set for the slice by `enter`; one thread, short borrows.
        unsafe { &mut *self.task }
    }
    fn world(&mut self) -> &mut World {
        // SAFETY: as `task`.
        unsafe { &mut *self.world }
    }
    fn loaded(&self) -> &'static Loaded {
        // SAFETY: the interpreter keeps its Arc for as long as the context lives.
        unsafe { &*self.loaded }
    }
    /// Writes the run's place back to the task (E5).
    fn save(&mut self, pc: *const u64, base: *mut Value) {
        let frame_top = self.frame_top;
        let task = self.task();
        task.pc = pc;
        task.base = base;
        task.frame_top = frame_top;
    }
    /// Gives the gate up: fast bodies may run. The calling worker holds it.
    #[inline(always)]
    fn enter_fast(&mut self) {
        if <H::Mutator as Mutator>::PARALLEL {
            // What cold code has found dead is not left lying about for other workers to meet.
            if <H::Mutator as Mutator>::COUNTS && self.mutator.unsettled() {
                self.mutator.drain();
            }
            // SAFETY: by the caller.
            unsafe { self.gate.enter(&self.lane) };
        }
    }
    /// Takes the gate; collections may happen meanwhile. The task's state is saved (G1).
    #[inline(always)]
    fn leave_fast(&mut self) {
        if <H::Mutator as Mutator>::PARALLEL {
            self.mutator.offline();
            self.gate.leave(&self.lane);
            self.mutator.online();
        }
    }
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Value> {
        if let Some(o) = self.mutator.try_alloc(layout) {
            return Ok(o);
        }
        let mut stop = self.stop();
        let result = self.mutator.alloc_slow(layout, &mut Safepoint::new(&mut stop));
        self.allocated(result)
    }
    /// A local object, after the fast body's attempt.
    fn alloc_local(&mut self, layout: ObjectLayout) -> Result<Obj, Value> {
        let mut stop = self.stop();
        let result = self.mutator.alloc_local_slow(layout, &mut Safepoint::new(&mut stop));
        self.allocated(result)
    }
    fn allocated(&mut self, result: Result<Obj, Oom>) -> Result<Obj, Value> {
        self.end_slice_for_finalizers();
        result.map_err(|_| self.world().out_of_memory)
    }
    /// Whether a slice that has left fast code because of its limit is to end. The gate is held.
    #[cold]
    fn is_over(&mut self, reductions: u64) -> bool {
        // Whoever asked without a reason, or for something that does not end the slice (L3).
        self.limit.resume();
        let (task, driver) = (self.task, self.driver);
        // SAFETY: valid for the slice; disjoint from the limit.
        unsafe { (*driver).attend(&mut *task) };
        self.limit.reached(reductions)
    }
    /// Who stops the world for the running slice.
    fn stop(&self) -> SliceStop {
        SliceStop { task: self.task, driver: self.driver }
    }
    /// Between two instructions, counting heaps only: frees the dead, and collects if that is due.
    #[cold]
    fn drain(&mut self, pc: *const u64, base: *mut Value) {
        self.mutator.drain();
        if let Some(why) = self.mutator.wants_collection() {
            self.save(pc, base);
            let fast = self.lane.is_fast();
            if fast {
                self.leave_fast();
            }
            crate::host::Host::collect(self, why);
            if fast {
                self.enter_fast();
            }
        }
    }
    /// Finalizers that a collection found due run in tasks of their own: the slice ends soon, so
    /// that the driver can start them.
    fn end_slice_for_finalizers(&mut self) {
        if !self.world().ready_finalizers.is_empty() {
            self.limit.end();
        }
    }
}

/// Another worker's interpreter, as one that stops the world sees it.
pub(crate) struct Peer<H: Heap>(NonNull<Ctx<H>>);

impl<H: Heap> Clone for Peer<H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H: Heap> Copy for Peer<H> {}
impl<H: Heap> PartialEq for Peer<H> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<H: Heap> Peer<H> {
    /// Its slice ends at the next poll (L2).
    ///
    /// # Safety
    /// The interpreter exists, and the caller holds the gate.
    pub(crate) unsafe fn end_slice(self) {
        // SAFETY: by the caller; atomic words.
        unsafe { (*self.0.as_ptr()).limit.end() };
    }
    /// It leaves fast code at the next poll (L1).
    ///
    /// # Safety
    /// The interpreter exists, and the caller holds the gate.
    pub(crate) unsafe fn request(self) {
        // SAFETY: by the caller; an atomic word.
        unsafe { (*self.0.as_ptr()).limit.request() };
    }
    /// Waits until it is out of fast code.
    ///
    /// # Safety
    /// The interpreter exists, the caller holds the gate and has called `request`.
    pub(crate) unsafe fn await_stopped(self) {
        // SAFETY: by the caller; an atomic word and the gate, which do not change.
        let (gate, lane) = unsafe { (&(*self.0.as_ptr()).gate, &(*self.0.as_ptr()).lane) };
        gate.await_stopped(lane);
    }
    /// Its worker is about to give the gate up outside of a slice; see [`Mutator::offline`].
    ///
    /// # Safety
    /// The caller is its worker, and nobody else uses the interpreter.
    pub(crate) unsafe fn offline(self) {
        // SAFETY: by the caller.
        unsafe { (*self.0.as_ptr()).mutator.offline() };
    }
    /// It has the gate again.
    ///
    /// # Safety
    /// As [`Peer::offline`].
    pub(crate) unsafe fn online(self) {
        // SAFETY: by the caller.
        unsafe { (*self.0.as_ptr()).mutator.online() };
    }
    /// Publishes what its allocator holds.
    ///
    /// # Safety
    /// It is stopped (G3).
    pub(crate) unsafe fn flush(self) {
        // SAFETY: by the caller: its worker does not touch it.
        unsafe { (*self.0.as_ptr()).mutator.flush() };
    }
    /// The task that it runs.
    ///
    /// # Safety
    /// It is stopped (G3), and the caller uses one reference at a time.
    pub(crate) unsafe fn task<'a>(self) -> Option<&'a mut Task> {
        // SAFETY: by the caller; the task is owned by the stopped worker's slice.
        unsafe { (*self.0.as_ptr()).task.as_mut() }
    }
    /// Its slice goes on for as long as it was given, unless it is to end (L2).
    ///
    /// # Safety
    /// It is stopped (G3).
    pub(crate) unsafe fn resume(self) {
        // SAFETY: by the caller; atomic words.
        unsafe { (*self.0.as_ptr()).limit.resume() };
    }
}
