//! What builtins see of the VM: one `dyn` facade, so that they compile once, not per heap.
//!
//! A builtin is `fn(&mut Native<'_>) -> NativeResult`. Its arguments sit in the calling task's
//! registers, which are roots. References are held as [`Local`]s, which borrow the context;
//! allocating needs the context exclusively, so a reference that could go stale does not compile:
//!
//! ```compile_fail
//! # use menagerie::host::*;
//! fn stale(cx: &mut Native<'_>) -> NativeResult {
//!     let text = cx.arg(0);
//!     let copy = cx.new_str("a collection may happen here")?; // needs `cx` exclusively
//!     Ok(text.value()) // `text` is still borrowed: error[E0502]
//! }
//! ```
//!
//! What must survive an allocation is named by a [`Root`]: an argument, or a place that
//! [`Native::root`] made. There is one rule of ownership for whatever a function gives, an element of a
//! container as well as a new object: it is borrowed, until a root, or a pin, owns it. Not even an explicit
//! collection can come in between:
//!
//! ```compile_fail
//! # use menagerie::{heap::Cause, host::*};
//! fn stale(cx: &mut Native<'_>) -> NativeResult {
//!     let element = cx.load(cx.arg(0).object().unwrap(), 0);
//!     cx.collect(Cause::Explicit);
//!     Ok(element.value()) // another task may have emptied the container: error[E0502]
//! }
//! ```
//!
//! ```
//! # use menagerie::{heap::Cause, host::*};
//! fn kept(cx: &mut Native<'_>) -> NativeResult {
//!     let element = cx.root(cx.load(cx.arg(0).object().unwrap(), 0));
//!     cx.collect(Cause::Explicit);
//!     Ok(cx.get(element).value())
//! }
//! ```
//!
//! What a function outlives, a [`Pin`] holds; who has given it back cannot look any more:
//!
//! ```compile_fail
//! # use menagerie::host::*;
//! fn let_go(cx: &mut Native<'_>, pin: Pin) -> NativeResult {
//!     cx.unpin(pin);
//!     Ok(cx.pinned(&pin).slot(0)) // error[E0382]
//! }
//! ```
//!
//! The types end where a plain [`Obj`] or [`Value`] is taken out of a [`Local`]: from there on it is the rule
//! B1 of [`crate::builtins`].

pub mod functions;

use std::marker::PhantomData;

use crate::concurrency::Critical;
use crate::heap::{Cause, Usage, Watch};
use crate::names::Name;
use crate::object::{Obj, ObjectKind, ObjectLayout};
use crate::task::TaskId;
use crate::value::Value;
use crate::world::World;

/// The VM behind a builtin: implemented once per heap by the interpreter, and by the oracle.
pub trait Host {
    /// A new object, body initialised (nil or zero). May collect (a safepoint). The error is the
    /// OutOfMemory value.
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Value>;
    /// Reads a slot.
    fn load(&mut self, o: Obj, i: usize) -> Value;
    /// Whether `load` does nothing else, so that slots may be read without it.
    fn loads_plainly(&self) -> bool {
        false
    }
    /// Reads a weak slot.
    fn load_weak(&mut self, o: Obj, i: usize) -> Value;
    /// Writes a weak slot. It is a reference to no heap: no count, no barrier.
    fn store_weak(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    /// Fills a slot of an object that no safepoint has seen yet.
    fn init(&mut self, o: Obj, i: usize, v: Value);
    /// Overwrites a slot.
    fn store(&mut self, o: Obj, i: usize, v: Value);
    /// The object has got a weak reference or a finalizer.
    fn watch(&mut self, o: Obj, why: Watch);
    /// A table of the world is about to keep this value.
    fn escape(&mut self, _v: Value) {}
    /// The object, which is in a root, does not move from here on. A safepoint. The error is the
    /// OutOfMemory value.
    fn pin(&mut self, o: Obj) -> Result<(), Value>;
    /// Takes back one `pin`.
    fn unpin(&mut self, o: Obj);
    /// Writes a root word (argument register or temporary).
    fn set_root(&mut self, place: *mut Value, v: Value);
    /// Drops temporaries from index `from` on.
    fn clear_temporaries(&mut self, from: usize);
    /// The shared state.
    fn world(&mut self) -> &mut World;
    /// Collects now.
    fn collect(&mut self, why: Cause);
    /// The heap's use of memory (flushes the mutator first).
    fn usage(&mut self) -> Usage;
    /// The handle of the running task; `None` outside of tasks.
    fn task(&mut self) -> Option<Obj>;
    /// Makes a task ready that waits; without effect on one that is ready, runs or has ended.
    fn wake(&mut self, task: TaskId);
    /// Gives a task that waits in one queue the result of its operation, if that is the result of its
    /// instruction, and wakes it: it goes on behind the instruction. `false`: nothing has happened.
    fn give(&mut self, _task: TaskId, _result: Value) -> bool {
        false
    }
}

/// Why a builtin does not return a value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Exit {
    /// It throws this value. No safepoint may lie between its creation and the unwinder.
    Throw(Value),
    /// The task waits; see [`Wait`].
    Block(Wait),
    /// The program ends with this outcome; cannot be caught.
    Fatal(Fatal),
}

/// What a task waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Its turn: it yielded. The instruction's result is nil.
    Turn,
    /// The end of this task. The instruction is *redone* when it wakes, so spurious wake-ups are
    /// harmless; unless the driver has given it the result.
    Join(TaskId),
    /// What the handle's `wait` slot says ([`crate::concurrency`]), at the latest until this time
    /// (nanoseconds since the start). The instruction is redone.
    Event(On, Until),
    /// The end of a call that runs outside of the VM ([`crate::calls`]). The instruction is redone.
    Call(CallName),
    /// That what was printed is written ([`crate::output`]). The instruction is redone.
    Output,
}

const _: () = assert!(size_of::<Option<Wait>>() == 16, "every task has one");

/// When a wait ends at the latest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Until(u64);

impl Until {
    /// It may take for ever.
    pub const NEVER: Until = Until(u64::MAX);

    /// That time, nanoseconds since the start.
    pub fn ns(self) -> Option<u64> {
        (self != Self::NEVER).then_some(self.0)
    }
}
impl From<Option<u64>> for Until {
    fn from(ns: Option<u64>) -> Until {
        ns.map_or(Self::NEVER, Until)
    }
}
impl std::fmt::Debug for Until {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ns().fmt(f)
    }
}

/// What a call does, by its place in [`World::call_names`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallName(pub u32);

/// The kind of event that a task waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    /// A message on a channel, or room in it.
    Channel,
    /// One of several channels, or a deadline.
    Select,
    /// A mutex.
    Mutex,
    /// The reply of an actor.
    Actor,
    /// A point in time.
    Sleep,
}

impl Wait {
    /// Its one name, in events and counters.
    pub fn name(self) -> &'static str {
        match self {
            Wait::Turn => "yield",
            Wait::Join(_) => "join",
            Wait::Event(On::Channel, _) => "channel",
            Wait::Event(On::Select, _) => "select",
            Wait::Event(On::Mutex, _) => "mutex",
            Wait::Event(On::Actor, _) => "actor",
            Wait::Event(On::Sleep, _) => "sleep",
            Wait::Call(_) => "call",
            Wait::Output => "output",
        }
    }

    /// Whether the instruction that waits is executed again afterwards.
    pub fn is_redone(self) -> bool {
        self != Wait::Turn
    }
}

/// Ends that a program cannot catch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fatal {
    /// The step limit is used up.
    StepLimit,
    /// `exit(status)` (reserved for the host).
    Exit(u8),
}

/// What a builtin returns.
pub type NativeResult = Result<Value, Exit>;

/// A builtin.
pub type NativeFn = fn(&mut Native<'_>) -> NativeResult;

/// A value that is valid until the next safepoint.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a>(Value, PhantomData<&'a ()>);

impl Local<'_> {
    /// The word: to return it, or to look at immediates.
    #[inline(always)]
    pub fn value(self) -> Value {
        self.0
    }
    /// The object, if it is one.
    pub fn object(self) -> Option<Obj> {
        self.0.as_object()
    }
    /// The object, if it is one of this kind.
    pub fn of_kind(self, kind: ObjectKind) -> Option<Obj> {
        self.0.as_object().filter(|o| o.kind() == kind)
    }
}

/// A named root word of the running builtin: an argument or a temporary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root(RootPlace);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RootPlace {
    Argument(usize),
    Temporary(usize),
}

/// A pinned object: made by [`Native::pin`], given back to [`Native::unpin`].
#[derive(Debug)]
#[must_use = "the object stays pinned until the pin is given back"]
pub struct Pin(usize);

/// The context of a running builtin.
pub struct Native<'a> {
    host: *mut (dyn Host + 'a),
    args: *mut Value,
    arg_count: usize,
    /// [`Host::loads_plainly`].
    loads_plainly: bool,
}

impl std::fmt::Debug for Native<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Native({} arguments)", self.arg_count)
    }
}

impl<'a> Native<'a> {
    /// Runs `f` on `arg_count` root words at `args`, then drops its temporaries.
    ///
    /// # Safety
    /// `args` points at `arg_count` words that are roots of `host` and stay where they are while
    /// `f` runs.
    #[inline]
    pub unsafe fn run<T: Host + 'a>(
        host: &'a mut T,
        args: *mut Value,
        arg_count: usize,
        f: impl FnOnce(&mut Native<'_>) -> NativeResult,
    ) -> NativeResult {
        let loads_plainly = host.loads_plainly();
        let host: *mut T = host;
        // SAFETY: exclusively borrowed for 'a, and used by one at a time.
        let temporaries = || unsafe { (*host).world().temporaries.len() };
        let first_temporary = temporaries();
        let result = f(&mut Native { host, args, arg_count, loads_plainly });
        if temporaries() > first_temporary {
            // SAFETY: as above.
            unsafe { (*host).clear_temporaries(first_temporary) };
        }
        result
    }

    /// The VM. Private: what could make a `Local` stale takes `&mut self` below.
    #[allow(clippy::mut_from_ref, reason = "one thread; borrows never overlap, see SAFETY")]
    fn host(&self) -> &mut (dyn Host + 'a) {
        // SAFETY: `run` borrowed the host exclusively for 'a; every method here uses the
        // reference for one call and lets none escape.
        unsafe { &mut *self.host }
    }

    /// How many arguments there are (methods: the receiver included).
    pub fn arg_count(&self) -> usize {
        self.arg_count
    }
    /// Argument `i`; nil when there are fewer.
    pub fn arg(&self, i: usize) -> Local<'_> {
        if i >= self.arg_count {
            return Local(Value::NIL, PhantomData);
        }
        // SAFETY: in bounds; `run`'s contract.
        Local(unsafe { *self.args.add(i) }, PhantomData)
    }
    /// Argument `i` as a root.
    pub fn arg_root(&self, i: usize) -> Root {
        assert!(i < self.arg_count);
        Root(RootPlace::Argument(i))
    }
    /// A new temporary root holding `v`.
    pub fn root(&self, v: impl IntoValue) -> Root {
        let world = self.host().world();
        world.temporaries.push(Value::NIL);
        let root = Root(RootPlace::Temporary(world.temporaries.len() - 1));
        self.set(root, v);
        root
    }
    fn place(&self, root: Root) -> *mut Value {
        match root.0 {
            // SAFETY: `arg_root` checked the bound.
            RootPlace::Argument(i) => unsafe { self.args.add(i) },
            RootPlace::Temporary(i) => &mut self.host().world().temporaries[i],
        }
    }
    /// What the root holds.
    pub fn get(&self, root: Root) -> Local<'_> {
        // SAFETY: `place` gives a valid word.
        Local(unsafe { *self.place(root) }, PhantomData)
    }
    /// Makes the root hold `v`.
    pub fn set(&self, root: Root, v: impl IntoValue) {
        self.host().set_root(self.place(root), v.into_value());
    }

    /// A new object with an initialised body (nil or zero). A safepoint.
    pub fn alloc(&mut self, kind: ObjectKind, len: usize) -> Result<Local<'_>, Exit> {
        self.alloc_layout(kind, len).map(|o| Local(Value::object(o), PhantomData))
    }
    fn alloc_layout(&mut self, kind: ObjectKind, len: usize) -> Result<Obj, Exit> {
        match u32::try_from(len) {
            Ok(len) if len <= MAX_LEN => {
                self.host().alloc(ObjectLayout::new(kind, len)).map_err(Exit::Throw)
            }
            _ => Err(self.throw("OutOfMemory", &format!("an object of {len} elements"))),
        }
    }
    /// A new record of `class`. A safepoint.
    pub fn alloc_record(
        &mut self,
        class: crate::class::ClassId,
        len: u32,
    ) -> Result<Local<'_>, Exit> {
        let o = self.host().alloc(ObjectLayout::record(class, len)).map_err(Exit::Throw)?;
        Ok(Local(Value::object(o), PhantomData))
    }
    /// A new string. A safepoint.
    pub fn new_str(&mut self, text: &str) -> Result<Local<'_>, Exit> {
        let o = self.alloc_layout(ObjectKind::Str, text.len())?;
        o.copy_bytes(0, text.as_bytes());
        Ok(Local(Value::object(o), PhantomData))
    }
    /// An int, boxed when it does not fit the word. A safepoint.
    pub fn new_int(&mut self, i: i64) -> Result<Local<'_>, Exit> {
        match Value::int(i) {
            Some(v) => Ok(Local(v, PhantomData)),
            None => self.new_boxed(ObjectKind::BoxedInt, i as u64),
        }
    }
    /// A float, boxed when it does not fit the word. A safepoint.
    pub fn new_float(&mut self, f: f64) -> Result<Local<'_>, Exit> {
        match Value::float(f) {
            Some(v) => Ok(Local(v, PhantomData)),
            None => self.new_boxed(ObjectKind::BoxedFloat, f.to_bits()),
        }
    }
    fn new_boxed(&mut self, kind: ObjectKind, word: u64) -> Result<Local<'_>, Exit> {
        let o = self.alloc_layout(kind, 8)?;
        o.set_raw_word(0, word);
        Ok(Local(Value::object(o), PhantomData))
    }

    /// Reads a slot.
    #[inline]
    pub fn load(&self, o: Obj, i: usize) -> Local<'_> {
        let v = if self.loads_plainly { o.slot(i) } else { self.host().load(o, i) };
        Local(v, PhantomData)
    }
    /// Reads the slot of a weak reference.
    pub fn load_weak(&self, o: Obj, i: usize) -> Local<'_> {
        Local(self.host().load_weak(o, i), PhantomData)
    }
    /// Overwrites a slot.
    pub fn store(&self, o: Obj, i: usize, v: impl IntoValue) {
        self.host().store(o, i, v.into_value());
    }
    /// Fills a slot of an object that was allocated after the last safepoint.
    pub fn init(&self, o: Obj, i: usize, v: impl IntoValue) {
        self.host().init(o, i, v.into_value());
    }
    /// The text of a string value.
    pub fn text<'b>(&'b self, v: Local<'b>) -> Option<&'b str> {
        let o = v.of_kind(ObjectKind::Str)?;
        // SAFETY: strings are not written after construction, and `self` is borrowed for as long
        // as the slice is used, so there is no safepoint. Builtins construct strings from &str.
        Some(unsafe { std::str::from_utf8_unchecked(o.bytes()) })
    }

    /// The text of a string object: as [`Native::text`], inside of walks that hold plain objects
    /// because they cannot reach a safepoint.
    pub fn text_of(&self, o: Obj) -> &str {
        assert!(o.kind() == ObjectKind::Str);
        // SAFETY: as in `text`.
        unsafe { std::str::from_utf8_unchecked(o.bytes()) }
    }

    /// The shared state (names, classes, output, clock…).
    pub fn world(&mut self) -> &mut World {
        self.host().world()
    }
    /// The shared state, to look at: nothing in it can make a `Local` stale.
    pub fn world_ref(&self) -> &World {
        self.host().world()
    }
    /// The text of a name.
    pub fn name(&self, name: Name) -> &str {
        self.host().world().program.names.text(name)
    }
    /// Remembers that `function` is to be called with `object` once nothing else reaches it. The
    /// pair holds the function strongly and the object not at all.
    pub fn add_finalizer(&mut self, object: Root, function: Root) {
        let (object, function) = (self.get(object).value(), self.get(function).value());
        if let Some(o) = object.as_object() {
            self.host().watch(o, Watch::Finalizer);
        }
        let finalizers = &mut self.host().world().finalizers;
        finalizers.push((object, Value::NIL));
        let place: *mut Value = finalizers.last_mut().map(|(_, f)| f).expect("just pushed");
        self.host().escape(function);
        self.host().set_root(place, function);
    }
    /// Makes a new weak reference object point at the target in `to`, which is an object.
    pub fn init_weak(&mut self, reference: Obj, to: Value) {
        self.store_weak(reference, crate::object::slots::TARGET, to);
        self.host().world().weak_references.push(Value::object(reference));
    }
    /// Writes a weak slot. Its holder is, or belongs to, something that the world knows of.
    pub fn store_weak(&self, o: Obj, i: usize, v: Value) {
        self.host().store_weak(o, i, v);
        if let Some(target) = v.as_object() {
            self.host().watch(target, Watch::Weak);
        }
    }
    /// The world looks after the entries of a new weak map from now on.
    pub fn add_weak_map(&mut self, map: Obj) {
        self.host().world().weak_maps.push(Value::object(map));
    }
    /// Keeps an object alive and in its place (H9) until [`Native::unpin`], also after this builtin has
    /// returned: for memory that somebody else reads or writes meanwhile. A safepoint.
    ///
    /// # Errors
    /// Throws OutOfMemory when the heap has no memory for a place where it could stay.
    ///
    /// # Panics
    /// When the root holds no object.
    pub fn pin(&mut self, root: Root) -> Result<Pin, Exit> {
        let v = self.get(root).value();
        let o = v.as_object().expect("only objects have a place");
        let place = self.world().pin_place();
        self.host().escape(v);
        let word: *mut Value = &mut self.world().pins[place];
        self.host().set_root(word, v);
        let pin = Pin(place);
        match self.host().pin(o) {
            Ok(()) => Ok(pin),
            Err(oom) => {
                self.forget_pin(pin);
                Err(Exit::Throw(oom))
            }
        }
    }
    /// The object of a pin: always at the same address.
    pub fn pinned(&self, pin: &Pin) -> Obj {
        self.world_ref().pins[pin.0].as_object().expect("pinned")
    }
    /// Lets a pinned object go.
    pub fn unpin(&mut self, pin: Pin) {
        let o = self.pinned(&pin);
        self.host().unpin(o);
        self.forget_pin(pin);
    }
    fn forget_pin(&mut self, pin: Pin) {
        let word: *mut Value = &mut self.world().pins[pin.0];
        self.host().set_root(word, Value::NIL);
    }
    /// Gives a name to an actor, or takes it away.
    pub fn set_registered(&mut self, name: String, actor: Option<Root>) {
        let actor = actor.map_or(Value::NIL, |actor| self.get(actor).value());
        let registry = &mut self.host().world().registry;
        let place: *mut Value = registry.entry(name.clone()).or_insert(Value::NIL);
        self.host().escape(actor);
        self.host().set_root(place, actor);
        if actor == Value::NIL {
            self.host().world().registry.remove(&name);
        }
    }
    /// For what may block the system's thread: `job` runs on another one while the task waits for `what`,
    /// then the instruction is redone, and finds what the job has prepared. The job may also run for
    /// nothing, if the task is cancelled meanwhile, or twice, if it is woken.
    pub fn call(&mut self, what: &'static str, job: impl FnOnce() + Send + 'static) -> Exit {
        self.host().world().call = Some(Box::new(job));
        self.waits_for_call(what)
    }
    /// The task goes on waiting for `what`, which [`Native::call`] has begun.
    pub fn waits_for_call(&mut self, what: &'static str) -> Exit {
        let names = &mut self.host().world().call_names;
        let place = names.iter().position(|&name| name == what).unwrap_or_else(|| {
            names.push(what);
            names.len() - 1
        });
        Exit::Block(Wait::Call(CallName(place as u32)))
    }
    /// Collects now.
    pub fn collect(&mut self, why: Cause) {
        self.host().collect(why);
    }
    /// The heap's use of memory.
    pub fn usage(&mut self) -> Usage {
        self.host().usage()
    }
    /// The handle of the running task, valid until the next safepoint; `None` outside of tasks.
    pub fn task(&self) -> Option<Obj> {
        self.host().task()
    }
    /// A section in which the task looks at and changes what it shares with waiting tasks.
    pub fn critical(&mut self) -> Critical<'_> {
        // SAFETY: as `host`; the section borrows this context exclusively.
        Critical::of(unsafe { &mut *self.host }, self.loads_plainly)
    }
    /// An `Error { kind, message }` to throw. A safepoint.
    pub fn throw(&mut self, kind: &str, message: &str) -> Exit {
        Exit::Throw(new_error(self.host(), kind, message))
    }
}

/// The longest object, in values or raw bytes: keeps sizes far from 32 bits.
pub const MAX_LEN: u32 = 1 << 29;

/// An `Error { kind, message }`, or the preallocated OutOfMemory one. A safepoint.
pub fn new_error(host: &mut dyn Host, kind: &str, message: &str) -> Value {
    let layout = ObjectLayout::new(ObjectKind::Str, message.len() as u32);
    let text = match host.alloc(layout) {
        Ok(o) => o,
        Err(oom) => return oom,
    };
    text.copy_bytes(0, message.as_bytes());
    let place = host.world().temporaries.len();
    host.world().temporaries.push(Value::NIL);
    let word: *mut Value = &mut host.world().temporaries[place];
    host.set_root(word, Value::object(text));
    let error = match host.alloc(ObjectLayout::record(crate::class::ClassId::ERROR, 2)) {
        Ok(o) => {
            let text = host.world().temporaries[place];
            let kind = host.world().program.names.intern(kind);
            host.init(o, 0, Value::keyword(kind));
            host.init(o, 1, text);
            Value::object(o)
        }
        Err(oom) => oom,
    };
    host.clear_temporaries(place);
    error
}

/// What can be stored: a plain immediate, a `Local`, an object.
pub trait IntoValue {
    /// The word.
    fn into_value(self) -> Value;
}
impl IntoValue for Value {
    fn into_value(self) -> Value {
        self
    }
}
impl IntoValue for Local<'_> {
    fn into_value(self) -> Value {
        self.0
    }
}
impl IntoValue for Obj {
    fn into_value(self) -> Value {
        Value::object(self)
    }
}
