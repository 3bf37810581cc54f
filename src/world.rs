//! The state that a VM's workers share, apart from the heap: the program, globals, weak
//! references, finalizers, output, clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap as HashMap;

use crate::calls::Job;
use crate::heap::Dirty;
use crate::host::CallName;
use crate::host::functions::Pending;
use crate::input::Input;
use crate::ir::Program;
use crate::output::Output;
use crate::requests::RequestLog;
use crate::task::TaskId;
use crate::value::Value;

/// Words of [`World::scratch`].
pub const SCRATCH: usize = 8;

/// Shared state. Everything that holds values is visited by [`World::root_slices`].
pub struct World {
    /// Functions, classes, names.
    pub program: Program,
    /// Global variables.
    pub globals: Vec<Value>,
    /// Constants that are objects (strings, boxed numbers, functions as values).
    pub constants: Vec<Value>,
    /// Temporary roots of the running builtins (a stack).
    pub temporaries: Vec<Value>,
    /// Argument words of the builtin that an instruction without a window calls: a fixed block, so
    /// that pointers to it hold.
    pub scratch: Box<[Value; SCRATCH]>,
    /// Pinned objects; nil where there is none.
    pub pins: Vec<Value>,
    /// The preallocated OutOfMemory error.
    pub out_of_memory: Value,
    /// The preallocated StackOverflow error.
    pub stack_overflow: Value,
    /// All weak reference objects; the list itself does not keep them alive.
    pub weak_references: Vec<Value>,
    /// All weak maps; the list itself does not keep them alive.
    pub weak_maps: Vec<Value>,
    /// In which direction the last turn of weak processing went.
    pub(crate) weak_backwards: bool,
    /// (object, function) pairs whose object is still alive; the pair does not keep it alive.
    pub finalizers: Vec<(Value, Value)>,
    /// Registered actors by name.
    pub registry: BTreeMap<String, Value>,
    /// How many channels, mutexes and actors there have been: their numbers.
    pub handles: u64,
    /// (object, function) pairs flattened: found dead, revived, to be called at the next poll.
    pub ready_finalizers: Vec<Value>,
    /// Where `print` and `eprint` write.
    pub output: Arc<Output>,
    /// Where `read_line` reads.
    pub input: Arc<Input>,
    /// What the builtin that has just said [`Wait::Call`](crate::host::Wait) asks for.
    pub call: Option<Job>,
    /// Calls of the host's blocking functions that have not been given their result, by task.
    pub host_calls: HashMap<TaskId, Pending>,
    /// What calls do, in words: as many as there are functions that call.
    pub call_names: Vec<&'static str>,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// `--param name=value`.
    pub params: BTreeMap<String, String>,
    /// What `note_request` notes; whoever runs the VM keeps a clone.
    pub requests: RequestLog,
    /// When the VM started.
    pub start: Instant,
    /// Virtual time: when set, `clock_ns` and `sleep` use it instead of the real clock.
    pub virtual_ns: Option<u64>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({} functions)", self.program.funcs.len())
    }
}

impl World {
    /// The world of a program, writing to the process's own streams.
    pub fn new(program: Program) -> World {
        let globals = vec![Value::NIL; program.globals.len()];
        World {
            program,
            globals,
            constants: Vec::new(),
            temporaries: Vec::new(),
            scratch: Box::new([Value::NIL; SCRATCH]),
            pins: Vec::new(),
            out_of_memory: Value::NIL,
            stack_overflow: Value::NIL,
            weak_references: Vec::new(),
            weak_maps: Vec::new(),
            weak_backwards: true,
            finalizers: Vec::new(),
            registry: BTreeMap::new(),
            handles: 0,
            ready_finalizers: Vec::new(),
            output: Output::of_process(),
            input: Input::new(std::io::stdin()),
            call: None,
            host_calls: HashMap::default(),
            call_names: Vec::new(),
            args: Vec::new(),
            params: BTreeMap::new(),
            requests: RequestLog::default(),
            start: Instant::now(),
            virtual_ns: None,
        }
    }

    /// What a call does, in words.
    pub fn call_name(&self, name: CallName) -> &'static str {
        self.call_names[name.0 as usize]
    }
    /// Nanoseconds since the start, real or virtual.
    pub fn now_ns(&self) -> u64 {
        self.virtual_ns.unwrap_or_else(|| self.start.elapsed().as_nanos() as u64)
    }

    /// A place for one more pinned object.
    pub(crate) fn pin_place(&mut self) -> usize {
        self.pins.iter().position(|&pin| pin == Value::NIL).unwrap_or_else(|| {
            self.pins.push(Value::NIL);
            self.pins.len() - 1
        })
    }
    /// Calls `f` on every slice of roots held here.
    pub fn root_slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        f(&mut self.globals, Dirty::Yes);
        f(&mut self.constants, Dirty::Yes);
        f(&mut self.temporaries, Dirty::Yes);
        f(&mut self.pins, Dirty::Yes);
        f(&mut *self.scratch, Dirty::Yes);
        f(&mut self.ready_finalizers, Dirty::Yes);
        f(std::slice::from_mut(&mut self.out_of_memory), Dirty::Yes);
        f(std::slice::from_mut(&mut self.stack_overflow), Dirty::Yes);
        for actor in self.registry.values_mut() {
            f(std::slice::from_mut(actor), Dirty::Yes);
        }
        // A finalizer's function is held strongly, its object is not.
        for (_, function) in &mut self.finalizers {
            f(std::slice::from_mut(function), Dirty::Yes);
        }
    }
}
