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

use locals::Locals;

use super::{
    BinaryOp, Block, BlockId, Const, FuncId, Function, Inst, Op, Program, Terminator, UnaryOp,
    ValueId,
};
use crate::builtins::{self, operators};
use crate::check::test_heap::TestHost;
use crate::class::{ClassId, RecordClass};
use crate::concurrency::{Critical, report, scope};
use crate::host::{Exit, Fatal, Host, NativeFn, Wait, new_error};
use crate::input::Input;
use crate::lang::ast::Span;
use crate::names::Name;
use crate::object::{Obj, ObjectKind, ObjectLayout, TaskState, slots};
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
const ENTRY: TaskId = 1;

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
    world.output = Box::new(output.clone());
    world.error_output = Box::new(error_output.clone());
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
        last_task: 0,
        timer_count: 0,
        failures: Vec::new(),
        steps: 0,
        step_limit: config.step_limit,
        depth_max: config.depth_max,
    };
    let ending = oracle.program();
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
    last_task: TaskId,
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
        self.last_task += 1;
        let id = self.last_task;
        self.host.init(handle, slots::TASK_ID, Value::small(id as i64));
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
        self.tasks.get(&id).is_some_and(|task| task.wait == Some(Wait::Event(Some(due))))
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
            task: task.id,
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
            Some(Wait::Event(_)) => report::waits_for(Value::object(task.handle)),
            Some(Wait::Call(what)) => (what.to_owned(), None),
            Some(Wait::Turn) | None => ("its turn".to_owned(), None),
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
            Wait::Turn => self.ready.push_back(id),
            Wait::Event(None) => {}
            Wait::Event(Some(due)) => {
                self.timer_count += 1;
                self.timers.push(Reverse((due, self.timer_count, id)));
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
        if state == TaskState::Failed && (task.id == ENTRY || !cancelled) {
            let ending = describe_error(&self.host.world, value, task.trace);
            // The entry task's failure ends the program; others wait for a join.
            if task.id == ENTRY {
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

    // ---- One step ---------------------------------------------------------------------------

    /// Runs one instruction or terminator. `Some`: the task's result.
    fn step(&mut self, task: &mut Task<'p>) -> Result<Option<Value>, Exit> {
        let frame = task.top();
        let block = frame.block();
        let (step, is_term) = match block.insts.get(frame.inst) {
            Some(inst) => (self.inst(task, inst), false),
            None => (self.term(task, &block.term), true),
        };
        // A turn is over when the task runs again, and gave nil. Anything else is done again.
        let (step, wait) = match step {
            Err(Exit::Block(wait)) if !wait.is_redone() => {
                (Ok(Step::Value(Value::NIL)), Some(wait))
            }
            step => (step, None),
        };
        let ended = match step? {
            Step::Value(value) if is_term => self.return_from(task, value),
            Step::Value(value) => {
                task.top().finish(value);
                None
            }
            Step::Called | Step::Gone => None,
        };
        match (wait, ended) {
            (Some(wait), None) => Err(Exit::Block(wait)),
            (_, ended) => Ok(ended),
        }
    }

    /// The function at the top returns `value`.
    fn return_from(&mut self, task: &mut Task<'p>, value: Value) -> Option<Value> {
        task.top().locals.end_frame();
        task.frames.pop();
        match task.frames.last_mut() {
            Some(caller) => {
                caller.finish(value);
                None
            }
            None => Some(value),
        }
    }

    /// Counts a call or a jump backwards.
    fn count(&mut self) -> Result<(), Exit> {
        self.steps += 1;
        if self.step_limit.is_some_and(|limit| self.steps >= limit) {
            return Err(Exit::Fatal(Fatal::StepLimit));
        }
        Ok(())
    }

    fn term(&mut self, task: &mut Task<'p>, term: &'p Terminator) -> Result<Step, Exit> {
        let frame = task.top();
        match term {
            Terminator::Jump(target, args) => {
                let args = frame.list(args);
                self.jump(task, *target, &args)
            }
            Terminator::Branch { cond, then, otherwise } => {
                let target = if frame.get(*cond).truthy() { *then } else { *otherwise };
                self.jump(task, target, &[])
            }
            Terminator::Switch { value, min, targets, default } => {
                let number = int_of(frame.get(*value));
                let index = number.and_then(|number| number.checked_sub(*min));
                let index = index.and_then(|index| usize::try_from(index).ok());
                let target = index.and_then(|index| targets.get(index)).unwrap_or(default);
                self.jump(task, *target, &[])
            }
            Terminator::Try { body, .. } => self.jump(task, *body, &[]),
            Terminator::Return(value) => Ok(Step::Value(frame.get(*value))),
            Terminator::Throw(value) => Err(Exit::Throw(frame.get(*value))),
            Terminator::TailCall(callee, args) => {
                let (callee, args) = (frame.get(*callee), frame.list(args));
                self.count()?;
                let f = self.callable(callee, args.len())?;
                self.replace(task, f, args, callee)
            }
            Terminator::TailCallDirect(f, args) => {
                let args = frame.list(args);
                self.count()?;
                self.replace(task, *f, args, Value::NIL)
            }
            Terminator::TailCallMethod(receiver, name, args) => {
                let args = with_receiver(frame, *receiver, args);
                self.count()?;
                match self.method(*name, &args)? {
                    Method::Mena(f) => self.replace(task, f, args, Value::NIL),
                    Method::Native(f) => self.native(f, args),
                }
            }
            Terminator::Unreachable => panic!("an unreachable place is reached"),
        }
    }

    fn jump(&mut self, task: &mut Task<'p>, to: BlockId, args: &[Value]) -> Result<Step, Exit> {
        if to <= task.top().block {
            self.count()?;
        }
        task.top().go(to, args);
        Ok(Step::Gone)
    }

    fn inst(&mut self, task: &mut Task<'p>, inst: &'p Inst) -> Result<Step, Exit> {
        let frame = task.top();
        let get = |value: &ValueId| frame.get(*value);
        let value = match &inst.op {
            Op::Const(constant) => self.constant(constant)?,
            Op::Unary(op, a) => return self.native(unary(*op), vec![get(a)]),
            Op::Binary(op, a, b) => {
                return self.native(binary(*op), vec![get(a), get(b)]);
            }
            Op::GlobalGet(global) => self.host.world.globals[global.index()],
            Op::GlobalSet(global, a) => {
                self.host.world.globals[global.index()] = get(a);
                Value::NIL
            }
            Op::SlotGet(slot) => frame.slots[slot.index()],
            Op::SlotSet(slot, a) => {
                frame.slots[slot.index()] = frame.get(*a);
                Value::NIL
            }
            Op::CellNew(a) => {
                let a = get(a);
                let cell = self.alloc(ObjectLayout::new(ObjectKind::Cell, 1))?;
                self.host.init(cell, slots::CELL, a);
                Value::object(cell)
            }
            Op::CellGet(cell) => self.host.load(cell_of(get(cell)), slots::CELL),
            Op::CellSet(cell, a) => {
                self.host.store(cell_of(get(cell)), slots::CELL, get(a));
                Value::NIL
            }
            Op::Closure(f, captures) => {
                let captures = frame.list(captures);
                self.closure(*f, &captures)?
            }
            Op::Capture(n) => {
                let closure = frame.closure.as_object().expect("a closure with captures runs");
                self.host.load(closure, slots::CAPTURES + *n as usize)
            }
            Op::Call(callee, args) => {
                let (callee, args) = (get(callee), frame.list(args));
                self.count()?;
                let f = self.callable(callee, args.len())?;
                return self.call(task, f, args, callee);
            }
            Op::CallDirect(f, args) => {
                let args = frame.list(args);
                self.count()?;
                return self.call(task, *f, args, Value::NIL);
            }
            Op::CallMethod(receiver, name, args) => {
                let args = with_receiver(frame, *receiver, args);
                self.count()?;
                return match self.method(*name, &args)? {
                    Method::Mena(f) => self.call(task, f, args, Value::NIL),
                    Method::Native(f) => self.native(f, args),
                };
            }
            Op::CallNative(native, args) => {
                let args = frame.list(args);
                return self.native(builtins::FUNCTIONS[native.index()].run, args);
            }
            Op::Field(a, name) => {
                let record = get(a);
                let slot = self.field_slot(record, *name)?;
                self.host.load(object_of(record), slot)
            }
            Op::SetField(a, name, b) => {
                let (record, b) = (get(a), get(b));
                let slot = self.field_slot(record, *name)?;
                self.host.store(object_of(record), slot, b);
                Value::NIL
            }
            Op::Index(a, b) => return self.native(operators::index, vec![get(a), get(b)]),
            Op::SetIndex(a, b, c) => {
                return self.native(operators::set_index, vec![get(a), get(b), get(c)]);
            }
            Op::TupleField(a, n) => {
                return self.native(operators::tuple_field, vec![get(a), number(*n)]);
            }
            Op::Elem(a, n) => self.host.load(object_of(get(a)), *n as usize),
            Op::MakeTuple(args) => return self.native(operators::make_tuple, frame.list(args)),
            Op::MakeList(args) => return self.native(operators::make_list, frame.list(args)),
            Op::MakeMap(args) => return self.native(operators::make_map, frame.list(args)),
            Op::MakeSet(args) => return self.native(operators::make_set, frame.list(args)),
            Op::MakeRecord(class, args) => {
                let args = frame.list(args);
                self.record(*class, &args)?
            }
            Op::UpdateRecord(class, base, updates) => {
                let base = get(base);
                let updates: Vec<_> = updates.iter().map(|(n, v)| (*n, get(v))).collect();
                self.update_record(*class, base, &updates)?
            }
            Op::MakeRange { start, end, inclusive } => {
                let args = vec![get(start), get(end), Value::bool(*inclusive)];
                return self.native(operators::make_range, args);
            }
            Op::Concat(args) => return self.native(operators::concat, frame.list(args)),
            Op::IsClass(a, class) => Value::bool(builtins::class_of(get(a)) == *class),
            Op::IsTuple(a, len) => {
                let tuple = of_kind(get(a), ObjectKind::Tuple);
                Value::bool(tuple.is_some_and(|tuple| tuple.len() == *len as usize))
            }
            Op::IsList { value, len, at_least } => {
                let wanted = i64::from(*len);
                let have = of_kind(get(value), ObjectKind::List)
                    .map(|list| self.host.load(list, slots::LEN).int_unchecked());
                let is = |have| if *at_least { have >= wanted } else { have == wanted };
                Value::bool(have.is_some_and(is))
            }
            Op::Matches(a, b) => return self.native(operators::matches, vec![get(a), get(b)]),
            Op::ListElem { list, index, from_end } => {
                let args = vec![get(list), number(*index), Value::bool(*from_end)];
                return self.native(operators::list_elem, args);
            }
            Op::ListRest { list, before, after } => {
                let args = vec![get(list), number(*before), number(*after)];
                return self.native(operators::list_rest, args);
            }
            Op::IterStart(a) => return self.native(operators::iter_start, vec![get(a)]),
            Op::IterDone(a, b) => return self.native(operators::iter_done, vec![get(a), get(b)]),
            Op::IterGet(a, b) => return self.native(operators::iter_get, vec![get(a), get(b)]),
            Op::IterNext(a, b) => return self.native(operators::iter_next, vec![get(a), get(b)]),
            Op::Spawn(callee, args) => {
                let (callee, args, at) = (get(callee), frame.list(args), frame.place());
                let f = self.callable(callee, args.len())?;
                self.spawn(f, args, callee, Some(at)).map_err(Exit::Throw)?
            }
            Op::Yield => return self.native(builtins::give_way, vec![]),
            // Nothing is freed, so nothing needs to be promoted.
            Op::RegionEnter => task.top().locals.enter(),
            Op::RegionLeave(region, a) => {
                let (region, value) = (get(region), get(a));
                task.top().locals.leave(region);
                value
            }
        };
        Ok(Step::Value(value))
    }

    // ---- Parts of instructions --------------------------------------------------------------

    fn native(&mut self, f: NativeFn, args: Vec<Value>) -> Result<Step, Exit> {
        let result = self.host.call(f, &args);
        self.wake_all();
        result.map(Step::Value)
    }

    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Exit> {
        self.host.alloc(layout).map_err(Exit::Throw)
    }

    fn constant(&mut self, constant: &Const) -> Result<Value, Exit> {
        let key = match constant {
            Const::Nil => return Ok(Value::NIL),
            Const::Bool(value) => return Ok(Value::bool(*value)),
            Const::Char(value) => return Ok(Value::char(*value)),
            Const::Keyword(name) => return Ok(Value::keyword(*name)),
            Const::Int(value) => match Value::int(*value) {
                Some(word) => return Ok(word),
                None => ConstKey::Int(*value),
            },
            Const::Float(value) => match Value::float(*value) {
                Some(word) => return Ok(word),
                None => ConstKey::Float(value.to_bits()),
            },
            Const::Str(text) => ConstKey::Str(text.clone()),
            Const::Func(f) => ConstKey::Func(*f),
        };
        if let Some(&value) = self.constants.get(&key) {
            return Ok(value);
        }
        let value = match &key {
            ConstKey::Int(value) => self.boxed(ObjectKind::BoxedInt, *value as u64)?,
            ConstKey::Float(bits) => self.boxed(ObjectKind::BoxedFloat, *bits)?,
            ConstKey::Str(text) => {
                let o = self.alloc(ObjectLayout::new(ObjectKind::Str, text.len() as u32))?;
                o.copy_bytes(0, text.as_bytes());
                Value::object(o)
            }
            ConstKey::Func(f) => self.closure(*f, &[])?,
        };
        self.constants.insert(key, value);
        Ok(value)
    }

    fn boxed(&mut self, kind: ObjectKind, word: u64) -> Result<Value, Exit> {
        let o = self.alloc(ObjectLayout::new(kind, 8))?;
        o.set_raw_word(0, word);
        Ok(Value::object(o))
    }

    fn closure(&mut self, f: FuncId, captures: &[Value]) -> Result<Value, Exit> {
        let len = captures.len() + slots::CAPTURES;
        let o = self.alloc(ObjectLayout::new(ObjectKind::Closure, len as u32))?;
        self.host.init(o, slots::FUNC, number(f.0));
        for (n, &capture) in captures.iter().enumerate() {
            self.host.init(o, slots::CAPTURES + n, capture);
        }
        Ok(Value::object(o))
    }

    fn record(&mut self, class: ClassId, fields: &[Value]) -> Result<Value, Exit> {
        let record = self.alloc(ObjectLayout::record(class, fields.len() as u32))?;
        for (n, &field) in fields.iter().enumerate() {
            self.host.init(record, n, field);
        }
        Ok(Value::object(record))
    }

    /// The declaration of the class, if it is a record's.
    fn record_class(&self, class: ClassId) -> Option<&'p RecordClass> {
        let index = class.0.checked_sub(ClassId::FIRST_RECORD)?;
        self.program.classes.get(usize::from(index))
    }

    /// Where the field is, if the value is a record that has it.
    fn field_slot(&mut self, record: Value, name: Name) -> Result<usize, Exit> {
        let class = self.record_class(builtins::class_of(record));
        let slot = class.and_then(|class| class.fields.iter().position(|&field| field == name));
        slot.ok_or_else(|| {
            let on = builtins::type_name(&mut self.host, record);
            let name = self.program.names.text(name);
            self.error("TypeMismatch", &format!("no field `{name}` on {on}"))
        })
    }

    fn update_record(
        &mut self,
        class: ClassId,
        base: Value,
        updates: &[(u32, Value)],
    ) -> Result<Value, Exit> {
        let record = self.record_class(class).expect("an update is of a record class");
        if builtins::class_of(base) != class {
            let found = builtins::type_name(&mut self.host, base);
            let name = self.program.names.text(record.name);
            let message = format!("`..` of a {name} literal needs a {name}, not a {found}");
            return Err(self.error("TypeMismatch", &message));
        }
        let mut fields: Vec<Value> =
            (0..record.fields.len()).map(|n| self.host.load(object_of(base), n)).collect();
        // Of one slot given twice, the first counts.
        for &(slot, value) in updates.iter().rev() {
            fields[slot as usize] = value;
        }
        self.record(class, &fields)
    }

    // ---- Calls ------------------------------------------------------------------------------

    fn frame(&self, f: FuncId, args: Vec<Value>, closure: Value) -> Frame<'p> {
        let function = &self.program.funcs[f.index()];
        assert_eq!(function.params.len(), args.len(), "a call passes what its function takes");
        let mut values = vec![Value::UNDEFINED; function.value_count as usize];
        for (param, arg) in function.params.iter().zip(args) {
            values[param.index()] = arg;
        }
        let slots = vec![Value::NIL; function.slot_count as usize];
        let locals = Locals::default();
        Frame { function, block: BlockId(0), inst: 0, values, slots, closure, locals }
    }

    fn call(
        &mut self,
        task: &mut Task<'p>,
        f: FuncId,
        args: Vec<Value>,
        closure: Value,
    ) -> Result<Step, Exit> {
        if task.frames.len() >= self.depth_max {
            return Err(Exit::Throw(self.host.world.stack_overflow));
        }
        task.frames.push(self.frame(f, args, closure));
        Ok(Step::Called)
    }

    /// A tail call: the new frame takes the place of the caller's.
    fn replace(
        &mut self,
        task: &mut Task<'p>,
        f: FuncId,
        args: Vec<Value>,
        closure: Value,
    ) -> Result<Step, Exit> {
        task.top().locals.end_frame();
        *task.top() = self.frame(f, args, closure);
        Ok(Step::Called)
    }

    /// The function of a callable value, if it takes that many arguments.
    fn callable(&mut self, callee: Value, given: usize) -> Result<FuncId, Exit> {
        let closure = callee.as_object().filter(|o| o.kind() == ObjectKind::Closure);
        let Some(closure) = closure else {
            let found = builtins::type_name(&mut self.host, callee);
            return Err(self.error("TypeMismatch", &format!("a {found} cannot be called")));
        };
        let f = FuncId(self.host.load(closure, slots::FUNC).int_unchecked() as u32);
        let function = &self.program.funcs[f.index()];
        if function.params.len() == given {
            return Ok(f);
        }
        Err(self.arity_error(function.name, function.params.len(), given))
    }

    fn arity_error(&mut self, name: Name, expected: usize, given: usize) -> Exit {
        let name = self.program.names.text(name);
        let s = if expected == 1 { "" } else { "s" };
        let message = format!("`{name}` takes {expected} argument{s}, not {given}");
        self.error("ArityMismatch", &message)
    }

    /// The method `name` of the first argument, if it takes that many arguments.
    fn method(&mut self, name: Name, args: &[Value]) -> Result<Method, Exit> {
        let class = builtins::class_of(args[0]);
        let given = args.len();
        if let Some(&f) = self.methods.get(&(class, name)) {
            let expected = self.program.funcs[f.index()].params.len();
            if expected != given {
                return Err(self.arity_error(name, expected - 1, given - 1));
            }
            return Ok(Method::Mena(f));
        }
        let text = self.program.names.text(name);
        let native = builtins::METHODS.iter().rfind(|m| m.class == class && m.name == text);
        let Some(native) = native else {
            let on = builtins::type_name(&mut self.host, args[0]);
            return Err(self.error("TypeMismatch", &format!("no method `{text}` on {on}")));
        };
        let (min, max) = (usize::from(native.min_args), usize::from(native.max_args));
        if given < min || (given > max && native.max_args != u8::MAX) {
            let expected = if given < min { min } else { max };
            return Err(self.arity_error(name, expected - 1, given - 1));
        }
        Ok(Method::Native(native.run))
    }
}

/// What a method call ends up in.
enum Method {
    Mena(FuncId),
    Native(NativeFn),
}

fn with_receiver(frame: &Frame<'_>, receiver: ValueId, args: &[ValueId]) -> Vec<Value> {
    [receiver].iter().chain(args).map(|&value| frame.get(value)).collect()
}

fn number(n: u32) -> Value {
    Value::small(i64::from(n))
}

fn object_of(v: Value) -> Obj {
    v.as_object().expect("a test has shown that it is an object")
}

fn of_kind(v: Value, kind: ObjectKind) -> Option<Obj> {
    v.as_object().filter(|o| o.kind() == kind)
}

fn cell_of(v: Value) -> Obj {
    of_kind(v, ObjectKind::Cell).expect("a cell (R5)")
}

/// The int, inline or boxed.
fn int_of(v: Value) -> Option<i64> {
    v.as_int().or_else(|| of_kind(v, ObjectKind::BoxedInt).map(|o| o.raw_word(0) as i64))
}

fn unary(op: UnaryOp) -> NativeFn {
    match op {
        UnaryOp::Neg => operators::neg,
        UnaryOp::Not => operators::not,
        UnaryOp::BitNot => operators::bit_not,
    }
}

fn binary(op: BinaryOp) -> NativeFn {
    match op {
        BinaryOp::Add => operators::add,
        BinaryOp::Sub => operators::sub,
        BinaryOp::Mul => operators::mul,
        BinaryOp::Div => operators::div,
        BinaryOp::Rem => operators::rem,
        BinaryOp::BitAnd => operators::bit_and,
        BinaryOp::BitOr => operators::bit_or,
        BinaryOp::BitXor => operators::bit_xor,
        BinaryOp::Shl => operators::shl,
        BinaryOp::Shr => operators::shr,
        BinaryOp::ShrLogical => operators::shr_logical,
        BinaryOp::Eq => operators::eq,
        BinaryOp::Ne => operators::ne,
        BinaryOp::Lt => operators::lt,
        BinaryOp::Le => operators::le,
        BinaryOp::Gt => operators::gt,
        BinaryOp::Ge => operators::ge,
    }
}

fn is_observed(handle: Obj) -> bool {
    handle.slot(slots::TASK_OBSERVED).truthy()
}

mod locals;
#[cfg(test)]
mod tests;
