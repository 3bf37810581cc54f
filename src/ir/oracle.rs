//! The slow reference interpreter: runs the IR as its rules read, one instruction after the other.
//!
//! It is what the compiler and the fast VM are compared with, so it is written for obviousness.
//! A frame holds a table of its values; operators and methods are the builtins themselves; the heap
//! never collects ([`TestHost`]); tasks take turns in the order in which they became ready and keep
//! running until they wait or end; time is virtual. There are no caches, no fused instructions, no
//! pre-emption, and nothing recurses on the host stack.
//!
//! What a run of the VM may differ in: the order of effects between tasks that do not wait for each
//! other, statistics and clocks, when a stack overflows, and everything that depends on
//! collections (finalizers never run here, weak references never clear).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io::{Cursor, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap as HashMap;

mod locals;
mod step;

use locals::Locals;
use step::is_observed;

use super::{Block, BlockId, FuncId, Function, Program, ValueId};
use crate::check::test_heap::TestHost;
use crate::class::ClassId;
use crate::concurrency::{Critical, report, scope};
use crate::host::{Exit, Fatal, Host, Wait, new_error};
use crate::input::Input;
use crate::lang::ast::Span;
use crate::names::Name;
use crate::object::{Obj, ObjectKind, ObjectLayout, TaskState, slots};
use crate::output::Output;
use crate::report::{Ending, Place, describe_error, own_place};
use crate::table::Stuck;
use crate::task::TaskId;
use crate::value::Value;
use crate::world::World;

/// How many places a stack trace keeps.
const TRACE_FRAMES: usize = 64;
/// How long a turn takes: virtual time has to go on for tasks that wait actively for a sleeper.
const TURN_NS: u64 = 1_000;
/// The number of the program's entry task.
const ENTRY: u64 = 1;

/// What a run starts from.
#[derive(Clone, Debug)]
pub struct OracleConfig {
    /// Calls and jumps backwards after which the program ends; `None` = no limit.
    pub step_limit: Option<u64>,
    /// How many frames a task may have.
    pub depth_max: usize,
    /// Bytes that the program may allocate; nothing is ever freed.
    pub limit_bytes: usize,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Values of `param`.
    pub params: BTreeMap<String, String>,
    /// What `read_line` reads.
    pub input: Vec<u8>,
}

impl Default for OracleConfig {
    fn default() -> Self {
        OracleConfig {
            step_limit: None,
            depth_max: 200_000,
            limit_bytes: 1 << 30,
            args: Vec::new(),
            params: BTreeMap::new(),
            input: Vec::new(),
        }
    }
}

/// What a run did.
#[derive(Clone, PartialEq, Debug)]
pub struct OracleRun {
    /// What the program printed.
    pub output: String,
    /// What it printed as errors.
    pub error_output: String,
    /// How it ended.
    pub ending: Ending,
    /// Calls and jumps backwards.
    pub steps: u64,
}

/// Runs a well-formed program from its entry to its end.
///
/// # Panics
/// When the program is not well formed.
pub fn run(program: &Program, config: &OracleConfig) -> OracleRun {
    let (output, error_output) = (Captured::default(), Captured::default());
    let mut world = World::new(program.clone());
    world.output = Output::immediate(output.clone(), error_output.clone());
    world.input = Input::new(Cursor::new(config.input.clone()));
    world.args.clone_from(&config.args);
    world.params.clone_from(&config.params);
    world.virtual_ns = Some(0);
    let mut oracle = Oracle {
        program,
        host: TestHost::new(world, config.limit_bytes),
        methods: program.methods.iter().map(|&(class, name, f)| ((class, name), f)).collect(),
        constants: HashMap::default(),
        tasks: BTreeMap::new(),
        ready: VecDeque::new(),
        timers: BinaryHeap::new(),
        last_number: 0,
        timer_count: 0,
        failures: Vec::new(),
        steps: 0,
        step_limit: config.step_limit,
        depth_max: config.depth_max,
    };
    let ending = oracle.program();
    oracle.host.world.output.write().expect("memory can be written");
    OracleRun {
        output: output.text(),
        error_output: error_output.text(),
        ending,
        steps: oracle.steps,
    }
}

/// A stream into memory.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("writing does not panic")).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("writing does not panic").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A call in progress.
struct Frame<'p> {
    function: &'p Function,
    /// The block that runs, and the instruction in it that runs or waits for its call to return;
    /// one past the last is the terminator.
    block: BlockId,
    inst: usize,
    /// By value number. `UNDEFINED` until the definition has run.
    values: Vec<Value>,
    slots: Vec<Value>,
    /// The running closure.
    closure: Value,
    locals: Locals,
}

impl<'p> Frame<'p> {
    fn block(&self) -> &'p Block {
        &self.function.blocks[self.block.index()]
    }

    fn place(&self) -> Place {
        let block = self.block();
        let span = block.insts.get(self.inst).map_or(block.term_span, |inst| inst.span);
        // What the compiler made up stands where its function does.
        let span = if span == Span::default() { self.function.span } else { span };
        Place { function: self.function.name, span }
    }

    fn get(&self, value: ValueId) -> Value {
        let word = self.values[value.index()];
        assert_ne!(word, Value::UNDEFINED, "{value} is read before it is defined");
        word
    }

    fn list(&self, values: &[ValueId]) -> Vec<Value> {
        values.iter().map(|&value| self.get(value)).collect()
    }

    /// Goes to the start of a block with these arguments for its parameters.
    fn go(&mut self, target: BlockId, args: &[Value]) {
        self.block = target;
        self.inst = 0;
        let params = &self.block().params;
        assert_eq!(params.len(), args.len(), "a jump passes what its target takes (R3)");
        for (&param, &arg) in params.iter().zip(args) {
            self.values[param.index()] = arg;
        }
    }

    /// The instruction at hand is done and gave `value`.
    fn finish(&mut self, value: Value) {
        if let Some(result) = self.block().insts[self.inst].result {
            self.values[result.index()] = value;
        }
        self.locals.note(&self.function.blocks[self.block.index()].insts[self.inst], value);
        self.inst += 1;
    }
}

/// A task.
struct Task<'p> {
    id: TaskId,
    /// Outermost first.
    frames: Vec<Frame<'p>>,
    handle: Obj,
    /// Tasks that wait for the end of this one.
    waiters: Vec<TaskId>,
    wait: Option<Wait>,
    spawned_at: Option<Place>,
    /// Where the last error came from, and which error that was.
    trace: Vec<Place>,
    trace_of: Value,
}

impl<'p> Task<'p> {
    fn top(&mut self) -> &mut Frame<'p> {
        self.frames.last_mut().expect("a task that runs has a frame")
    }
}

/// What became of an instruction or terminator.
enum Step {
    /// It is done; this is its result.
    Value(Value),
    /// It called: the frame is there, the result comes when it returns.
    Called,
    /// It went elsewhere.
    Gone,
}

/// How a task's turn ended.
enum Turn {
    /// Its function returned this.
    Done(Value),
    /// Nobody caught this.
    Failed(Value),
    Waits(Wait),
    /// The program is over.
    Over(Ending),
}

struct Oracle<'p> {
    program: &'p Program,
    host: TestHost,
    /// The last of the same class and name wins.
    methods: HashMap<(ClassId, Name), FuncId>,
    /// Equal constants of a program are one object.
    constants: HashMap<ConstKey, Value>,
    /// All tasks that have not ended, except the running one.
    tasks: BTreeMap<TaskId, Task<'p>>,
    ready: VecDeque<TaskId>,
    /// (due time, sequence, task)
    timers: BinaryHeap<Reverse<(u64, u64, TaskId)>>,
    last_number: u64,
    timer_count: u64,
    /// Tasks that failed: handle and what to report if nobody joins.
    failures: Vec<(Obj, Ending)>,
    steps: u64,
    step_limit: Option<u64>,
    depth_max: usize,
}

/// A constant that is an object.
#[derive(PartialEq, Eq, Hash)]
enum ConstKey {
    Int(i64),
    Float(u64),
    Str(Rc<str>),
    Func(FuncId),
}

impl<'p> Oracle<'p> {
    // ---- Tasks ------------------------------------------------------------------------------

    fn program(&mut self) -> Ending {
        self.host.world.out_of_memory =
            new_error(&mut self.host, "OutOfMemory", "the heap is exhausted");
        self.host.world.stack_overflow =
            new_error(&mut self.host, "StackOverflow", "calls are nested too deeply");
        if let Some(entry) = self.program.entry
            && let Err(error) = self.spawn(entry, vec![], Value::NIL, None)
        {
            return describe_error(&self.host.world, error, vec![]);
        }
        loop {
            self.fire_timers();
            if let Some(id) = self.ready.pop_front() {
                if let Some(ending) = self.run_task(id) {
                    return ending;
                }
            } else if let Some(Reverse((due, _, id))) = self.timers.pop() {
                if self.is_due(id, due) {
                    self.go_on_until(due);
                    self.wake(id);
                }
            } else {
                return self.nothing_runs();
            }
        }
    }

    /// A new task that calls `f`; gives its handle.
    fn spawn(
        &mut self,
        f: FuncId,
        args: Vec<Value>,
        closure: Value,
        spawned_at: Option<Place>,
    ) -> Result<Value, Value> {
        let layout = ObjectLayout::new(ObjectKind::Task, slots::TASK_LEN);
        let handle = self.host.alloc(layout)?;
        self.last_number += 1;
        // A map finds its tasks: places are not needed.
        let id = TaskId::new(self.last_number, 0);
        self.host.init(handle, slots::TASK_ID, id.value());
        self.host.init(handle, slots::TASK_STATE, Value::small(TaskState::Pending as i64));
        self.host.init(handle, slots::TASK_OBSERVED, Value::FALSE);
        let task = Task {
            id,
            frames: vec![self.frame(f, args, closure)],
            handle,
            waiters: vec![],
            wait: None,
            spawned_at,
            trace: vec![],
            trace_of: Value::UNDEFINED,
        };
        self.tasks.insert(id, task);
        self.ready.push_back(id);
        Ok(Value::object(handle))
    }

    fn go_on_until(&mut self, time_ns: u64) {
        let now = self.host.world.now_ns();
        self.host.world.virtual_ns = Some(now.max(time_ns));
    }

    fn fire_timers(&mut self) {
        let now = self.host.world.now_ns();
        while let Some(&Reverse((_, _, id))) = self.timers.peek().filter(|t| t.0.0 <= now) {
            self.timers.pop();
            self.wake(id);
        }
    }

    /// Makes a task ready that waits for an end or an event.
    fn wake(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.wait.is_some_and(Wait::is_redone) {
            task.wait = None;
            self.ready.push_back(id);
        }
    }

    /// Wakes those whom a builtin has woken.
    fn wake_all(&mut self) {
        for id in std::mem::take(&mut self.host.woken) {
            self.wake(id);
        }
    }

    /// Whether a task still waits for a timer.
    fn is_due(&self, id: TaskId, due: u64) -> bool {
        self.tasks.get(&id).is_some_and(
            |task| matches!(task.wait, Some(Wait::Event(_, until)) if until.ns() == Some(due)),
        )
    }

    /// No task is ready and no timer is set: the end, or a deadlock.
    fn nothing_runs(&mut self) -> Ending {
        if let Some((_, failure)) = self.failures.iter().find(|(handle, _)| !is_observed(*handle)) {
            // What the others wait for may be what it would have done.
            return failure.clone();
        }
        if !self.tasks.is_empty() {
            let mut stuck: Vec<_> = self.tasks.values().map(|task| self.stuck(task)).collect();
            stuck.sort_by_key(|task| (!task.in_cycle, task.task));
            return Ending::Deadlock(stuck);
        }
        Ending::Finished
    }

    fn stuck(&self, task: &Task<'p>) -> Stuck {
        let places: Vec<Place> =
            task.frames.iter().rev().take(TRACE_FRAMES).map(Frame::place).collect();
        let at = own_place(&places).expect("a task that waits has a frame");
        let (waits_for, _) = self.waits_for(task);
        Stuck {
            task: task.id.number(),
            function: self.program.names.text(at.function).to_owned(),
            at: Some(at),
            spawned_at: task.spawned_at,
            waits_for,
            in_cycle: self.waits_for_itself(task.id),
        }
    }

    /// What a task waits for, and the task that alone can end the wait.
    fn waits_for(&self, task: &Task<'p>) -> (String, Option<TaskId>) {
        match task.wait {
            Some(Wait::Join(other)) if other == task.id => ("its own end".to_owned(), Some(other)),
            Some(Wait::Join(other)) => (format!("the end of task {other}"), Some(other)),
            Some(Wait::Event(..)) => report::waits_for(Value::object(task.handle)),
            Some(Wait::Call(what)) => (self.host.world.call_name(what).to_owned(), None),
            Some(Wait::Turn | Wait::Output) | None => ("its turn".to_owned(), None),
        }
    }

    fn waits_for_itself(&self, id: TaskId) -> bool {
        let mut at = id;
        for _ in 0..self.tasks.len() {
            match self.tasks.get(&at).and_then(|task| self.waits_for(task).1) {
                Some(other) if other == id => return true,
                Some(other) => at = other,
                None => return false,
            }
        }
        false
    }

    /// Runs a task until it ends or waits. An ending is that of the program.
    fn run_task(&mut self, id: TaskId) -> Option<Ending> {
        let mut task = self.tasks.remove(&id).expect("ready tasks are alive");
        task.wait = None;
        self.host.task = Some(task.handle);
        let turn = self.turn(&mut task);
        self.go_on_until(self.host.world.now_ns().saturating_add(TURN_NS));
        match turn {
            Turn::Done(value) => self.end(task, TaskState::Done, value),
            Turn::Failed(error) => self.end(task, TaskState::Failed, error),
            Turn::Waits(wait) => {
                self.wait(task, wait);
                None
            }
            Turn::Over(ending) => Some(ending),
        }
    }

    fn turn(&mut self, task: &mut Task<'p>) -> Turn {
        loop {
            match self.step(task) {
                Ok(None) => {}
                Ok(Some(value)) => return Turn::Done(value),
                Err(Exit::Throw(error)) => {
                    if !self.unwind(task, error) {
                        return Turn::Failed(error);
                    }
                }
                Err(Exit::Block(wait)) => return Turn::Waits(wait),
                Err(Exit::Fatal(Fatal::StepLimit)) => {
                    return Turn::Over(Ending::StepLimit(vec![task.top().place()]));
                }
                Err(Exit::Fatal(Fatal::Exit(status))) => return Turn::Over(Ending::Exit(status)),
            }
        }
    }

    fn wait(&mut self, mut task: Task<'p>, wait: Wait) {
        let id = task.id;
        task.wait = Some(wait);
        self.tasks.insert(id, task);
        match wait {
            // What it prints never waits.
            Wait::Turn | Wait::Output => self.ready.push_back(id),
            Wait::Event(_, until) => {
                if let Some(due) = until.ns() {
                    self.timer_count += 1;
                    self.timers.push(Reverse((due, self.timer_count, id)));
                }
            }
            Wait::Join(other) => match self.tasks.get_mut(&other) {
                // A task that joins itself waits for ever.
                Some(other) => other.waiters.push(id),
                None => self.ready.push_back(id),
            },
            Wait::Call(_) => {
                let job = self.host.world().call.take().expect("set with the wait");
                job();
                self.ready.push_back(id);
            }
        }
    }

    fn end(&mut self, task: Task<'p>, state: TaskState, value: Value) -> Option<Ending> {
        self.host.store(task.handle, slots::TASK_RESULT, value);
        self.host.store(task.handle, slots::TASK_STATE, Value::small(state as i64));
        let scope = self.host.load(task.handle, slots::TASK_SCOPE).as_object();
        self.host.store(task.handle, slots::TASK_SCOPE, Value::NIL);
        let cancelled = scope::is_cancellation(&self.host.world, value);
        if state == TaskState::Failed && (task.id.number() == ENTRY || !cancelled) {
            let ending = describe_error(&self.host.world, value, task.trace);
            // The entry task's failure ends the program; others wait for a join.
            if task.id.number() == ENTRY {
                return Some(ending);
            }
            self.failures.push((task.handle, ending));
            if let Some(scope) = scope {
                scope::task_failed(&mut Critical::enter(&mut self.host), scope);
                self.wake_all();
            }
        }
        task.waiters.iter().for_each(|&waiter| self.wake(waiter));
        None
    }

    // ---- Errors -----------------------------------------------------------------------------

    fn error(&mut self, kind: &str, message: &str) -> Exit {
        Exit::Throw(new_error(&mut self.host, kind, message))
    }

    /// Takes an error to the handler of the innermost block that has one, leaving the frames in
    /// between. `false`: there is none.
    fn unwind(&mut self, task: &mut Task<'p>, error: Value) -> bool {
        // A rethrow of the same value keeps its first place.
        if task.trace_of != error || task.trace.is_empty() {
            task.trace = task.frames.iter().rev().take(TRACE_FRAMES).map(Frame::place).collect();
            task.trace_of = error;
        }
        while let Some(frame) = task.frames.last_mut() {
            if let Some(handler) = frame.block().handler {
                frame.go(handler, &[error]);
                return true;
            }
            frame.locals.end_frame();
            task.frames.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests;
