//! Functions that the host adds to the language: Rust, called by name.
//!
//! A *direct* function is a [`NativeFn`], as builtins are. It runs on the worker, with the gate held: nothing
//! else that is cold happens meanwhile, so it must not wait for anything.
//!
//! A *blocking* function may wait for as long as it likes. It sees no heap: its arguments are copied into
//! [`Data`], it runs on a helper thread outside of the VM ([`crate::calls`]) while the task that called it
//! waits like any other, and the data or the [`Failure`] that it gives becomes a value or an `Error` that
//! the program can catch. Other tasks and collections go on, on one worker too.
//!
//! ```
//! use menagerie::host::functions::{Data, Failure, HostFunctions};
//!
//! let functions = HostFunctions::default().blocking("read_file", 1, 1, |arguments| {
//!     let [Data::Text(path)] = &arguments[..] else {
//!         return Err(Failure::new("TypeMismatch", "`read_file` needs a path"));
//!     };
//!     let text = std::fs::read_to_string(path);
//!     text.map(Data::Text).map_err(|e| Failure::new("Io", format!("{path}: {e}")))
//! });
//! assert_eq!(functions.len(), 1);
//! // Programs that are compiled with them may call them.
//! let mut compilation = menagerie::compile::Compilation::default();
//! compilation.functions = functions;
//! let text = b"print(try { read_file(\"notes\") } catch Error { kind } { kind })";
//! let program = compilation.program("main.mena".as_ref(), text).expect("`read_file` is known");
//! compilation.code(&program).expect("it verifies");
//! ```
//!
//! A call of a blocking function
//! 1. Copies its arguments, hands over the job, and ends the slice ([`Wait::Call`](super::Wait)).
//! 2. A helper runs the function and leaves the result in the call's place. At the cap of helpers, calls
//!    queue; without any, the worker runs the function itself, without the gate.
//! 3. The task wakes and redoes its instruction, which finds the call in [`World::host_calls`]: its result
//!    is there, or the task was cancelled, or it was woken for nothing and waits on.
//!
//! Rules
//! - F1. A call is a cancellation point. A function that has ended gives its result even to a task that was
//!   cancelled meanwhile, like every operation that waits (C4); else the task gets `Cancelled`. Nobody can
//!   stop Rust code, so the function runs on, its result is dropped, and it occupies its helper until then.
//! - F2. The end of the program does not wait for a call, and a call in flight is no deadlock.
//! - F3. Where time is virtual because a schedule must be repeated (`deterministic`), the whole program waits
//!   for the function: when it ends decides nothing. What it gives is all that a replay needs to be the same.
//! - F4. A panic of a function is a panic of the VM, as one of a builtin.
//!
//! [`World::host_calls`]: crate::world::World::host_calls

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Exit, Native, NativeFn, NativeResult};
use crate::builtins::{self, Number, cancellation_point, describe};
use crate::ir::NativeId;
use crate::object::ObjectKind;
use crate::task::TaskId;
use crate::value::{Kind, Value};

/// What a blocking function gets and gives: a copy, which holds no reference.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// `nil`
    Nil,
    /// A bool.
    Bool(bool),
    /// An int.
    Int(i64),
    /// A float.
    Float(f64),
    /// A char.
    Char(char),
    /// A string.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What a blocking function throws: an `Error` of this kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its `kind`: a word such as `Io`.
    pub kind: String,
    /// Its `message`.
    pub message: String,
}

impl Failure {
    /// An error of this kind with this message.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure { kind: kind.into(), message: message.into() }
    }
}

/// What a blocking function gives.
pub type Given = Result<Data, Failure>;

type Blocking = Arc<dyn Fn(Vec<Data>) -> Given + Send + Sync>;

/// A call in flight: where its function leaves the result.
pub type Pending = Arc<Mutex<Option<Given>>>;

/// One function of the host.
#[derive(Clone)]
pub struct HostFunction {
    name: &'static str,
    min_args: u8,
    max_args: u8,
    run: Run,
}

#[derive(Clone)]
enum Run {
    Direct(NativeFn),
    Blocking(Blocking),
}

impl std::fmt::Debug for HostFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostFunction({})", self.name)
    }
}

impl HostFunction {
    /// Its name in the language.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// It takes at least this many arguments.
    pub fn min_args(&self) -> u8 {
        self.min_args
    }
    /// It takes at most this many; 255: any number.
    pub fn max_args(&self) -> u8 {
        self.max_args
    }
    /// A call, or the next step of one.
    ///
    /// # Errors
    /// What it throws, or what the task waits for.
    pub fn call(&self, cx: &mut Native<'_>) -> NativeResult {
        match &self.run {
            Run::Direct(run) => run(cx),
            Run::Blocking(run) => call_blocking(cx, self.name, run),
        }
    }
}

/// The functions of a host. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct HostFunctions(Arc<Vec<HostFunction>>);

// A program may be looked at after a run of it has panicked: the table itself never changes, and what a
// closure of the host has broken, its host knows.
impl UnwindSafe for HostFunctions {}
impl RefUnwindSafe for HostFunctions {}

impl HostFunctions {
    /// Adds one that runs on the worker, like a builtin, and never waits.
    ///
    /// # Panics
    /// When a builtin or another function has this name, or it begins with `%`.
    #[must_use]
    pub fn direct(self, name: &'static str, min_args: u8, max_args: u8, run: NativeFn) -> Self {
        self.add(HostFunction { name, min_args, max_args, run: Run::Direct(run) })
    }
    /// Adds one that may wait: it runs on a helper thread, from several at a time.
    ///
    /// # Panics
    /// As [`HostFunctions::direct`].
    #[must_use]
    pub fn blocking(
        self,
        name: &'static str,
        min_args: u8,
        max_args: u8,
        run: impl Fn(Vec<Data>) -> Given + Send + Sync + 'static,
    ) -> Self {
        self.add(HostFunction { name, min_args, max_args, run: Run::Blocking(Arc::new(run)) })
    }
    fn add(mut self, function: HostFunction) -> Self {
        let name = function.name;
        assert!(!name.starts_with('%'), "`{name}`: names with % are the compiler's own");
        assert!(
            builtins::function(name).is_none(),
            "there is a builtin `{name}`: take another name"
        );
        assert!(self.0.iter().all(|f| f.name != name), "there is a host function `{name}` already");
        Arc::make_mut(&mut self.0).push(function);
        self
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// All of them: their numbers follow those of the builtins.
    pub fn iter(&self) -> impl Iterator<Item = &HostFunction> {
        self.0.iter()
    }
    /// The one of this number.
    pub fn get(&self, native: NativeId) -> Option<&HostFunction> {
        self.0.get(native.index().checked_sub(builtins::FUNCTIONS.len())?)
    }
}

fn call_blocking(cx: &mut Native<'_>, name: &'static str, run: &Blocking) -> NativeResult {
    let called = called(cx);
    if let Called::Given(given) = called {
        return result(cx, given);
    }
    if let Err(cancelled) = cancellation_point(cx) {
        let task = task(cx).expect("only tasks are cancelled");
        cx.world().host_calls.remove(&task);
        return Err(cancelled);
    }
    if let Called::InFlight = called {
        return Err(cx.waits_for_call(name));
    }
    let arguments = (0..cx.arg_count()).map(|i| data(cx, name, i)).collect::<Result<_, _>>()?;
    let run = run.clone();
    Err(hand_over(cx, name, move || run(arguments)))
}

/// What the running task finds when it redoes an instruction that may have been handed over.
pub(crate) enum Called {
    /// It has not.
    Not,
    /// It has no result yet.
    InFlight,
    /// It is over.
    Given(Given),
}

/// The running task.
fn task(cx: &mut Native<'_>) -> Option<TaskId> {
    let handle = cx.task()?;
    Some(cx.critical().task_id(handle))
}

/// Step 3: the state of the running task's call. A result is given once.
pub(crate) fn called(cx: &mut Native<'_>) -> Called {
    if cx.world_ref().host_calls.is_empty() {
        return Called::Not;
    }
    let Some(task) = task(cx) else { return Called::Not };
    let Some(place) = cx.world_ref().host_calls.get(&task) else { return Called::Not };
    let Some(given) = lock(place).take() else { return Called::InFlight };
    cx.world().host_calls.remove(&task);
    Called::Given(given)
}

/// Steps 1 and 2: this is run on a helper.
pub(crate) fn hand_over(
    cx: &mut Native<'_>,
    what: &'static str,
    run: impl FnOnce() -> Given + Send + 'static,
) -> Exit {
    let task = task(cx).expect("only tasks call functions");
    let place = Pending::default();
    cx.world().host_calls.insert(task, place.clone());
    cx.call(what, move || {
        let given = run();
        *lock(&place) = Some(given);
    })
}

fn lock(place: &Pending) -> MutexGuard<'_, Option<Given>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A result, as the program sees it. A safepoint.
pub(crate) fn result(cx: &mut Native<'_>, given: Given) -> NativeResult {
    match given {
        Ok(data) => value(cx, &data),
        Err(Failure { kind, message }) => Err(cx.throw(&kind, &message)),
    }
}

/// Argument `i`, copied.
fn data(cx: &mut Native<'_>, name: &str, i: usize) -> Result<Data, Exit> {
    let argument = cx.arg(i);
    if let Some(text) = cx.text(argument) {
        return Ok(Data::Text(text.to_owned()));
    }
    if let Some(bytes) = argument.of_kind(ObjectKind::Bytes) {
        return Ok(Data::Bytes((0..bytes.len()).map(|i| bytes.byte(i)).collect()));
    }
    match builtins::number_of(argument.value()) {
        Some(Number::Int(i)) => return Ok(Data::Int(i)),
        Some(Number::Float(f)) => return Ok(Data::Float(f)),
        None => {}
    }
    match argument.value().kind() {
        Kind::Nil => Ok(Data::Nil),
        Kind::Bool(b) => Ok(Data::Bool(b)),
        Kind::Char(c) => Ok(Data::Char(c)),
        _ => {
            let found = describe(cx.world_ref(), argument.value());
            let message = format!(
                "`{name}` is called outside of the heap: it takes strings, bytes, numbers, bools, chars \
                 and nil, not {found}"
            );
            Err(cx.throw("TypeMismatch", &message))
        }
    }
}

/// The value of data. A safepoint.
fn value(cx: &mut Native<'_>, data: &Data) -> NativeResult {
    Ok(match data {
        Data::Nil => Value::NIL,
        Data::Bool(b) => Value::bool(*b),
        Data::Char(c) => Value::char(*c),
        Data::Int(i) => cx.new_int(*i)?.value(),
        Data::Float(f) => cx.new_float(*f)?.value(),
        Data::Text(text) => cx.new_str(text)?.value(),
        Data::Bytes(bytes) => {
            let new = cx.alloc(ObjectKind::Bytes, bytes.len())?;
            new.object().expect("just allocated").copy_bytes(0, bytes);
            new.value()
        }
    })
}
