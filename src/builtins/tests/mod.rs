//! Tests of the builtins. Every check runs on a host that never moves, on one that moves everything
//! at each allocation, and with each allocation failing in turn (then the error is OutOfMemory and
//! nothing else has happened).

mod channels;
mod collections;
mod laws;
mod moving;
mod scalars;
mod values;

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex};

use crate::class::{ClassId, RecordClass, RecordKind};
use crate::host::{Exit, Native, NativeFn, NativeResult, Wait};
use crate::ir::{FuncId, Function, Program};
use crate::lang::ast::Span;
use crate::names::Name;
use crate::object::{ObjectKind, ObjectLayout, TaskState, slots};
use crate::output::Output;
use crate::task::TaskId;
use crate::value::{Kind, Value};
use crate::world::World;

use super::*;
use moving::{Mode, MovingHost};

/// A value that the test holds: a number of a root, so that it survives moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct H(usize);

/// A result: a value, or what was thrown as text (`Kind: message`).
type R = Result<H, String>;

/// What the program wrote.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);
impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A host with shorthands.
struct T {
    host: MovingHost,
    output: Sink,
}

const POINT: u16 = ClassId::FIRST_RECORD + 1;
const CIRCLE: u16 = ClassId::FIRST_RECORD + 2;
const EMPTY: u16 = ClassId::FIRST_RECORD + 3;
const PAIR: u16 = ClassId::FIRST_RECORD + 4;

/// Error, `struct Point { x, y }`, `enum Shape { Circle(r), Empty }`, `#{ a, b }`; functions
/// `named` with two parameters and `<closure>` with one.
fn program() -> Program {
    let mut p = Program::default();
    let class = |name: &str, kind: RecordKind, fields: &[&str], p: &mut Program| {
        let fields = fields.iter().map(|f| p.names.intern(f)).collect();
        let name = p.names.intern(name);
        p.classes.push(RecordClass { name, kind, fields });
    };
    let of = p.names.intern("Shape");
    class("Error", RecordKind::Struct, &["kind", "message"], &mut p);
    class("Point", RecordKind::Struct, &["x", "y"], &mut p);
    class("Circle", RecordKind::Variant { of }, &["r"], &mut p);
    class("Empty", RecordKind::Variant { of }, &[], &mut p);
    class("#", RecordKind::Dynamic, &["a", "b"], &mut p);
    for (name, params) in [("named", 2), ("<closure>", 1)] {
        let name = p.names.intern(name);
        p.funcs.push(Function {
            name,
            params: (0..params).map(crate::ir::ValueId).collect(),
            captures: 0,
            blocks: Vec::new(),
            value_count: params,
            slot_count: 0,
            span: Span::default(),
        });
    }
    p
}

impl T {
    fn new(mode: Mode) -> T {
        let output = Sink::default();
        let mut world = World::new(program());
        world.virtual_ns = Some(0);
        world.output = Output::immediate(output.clone(), output.clone());
        world.input = crate::input::Input::new(io::Cursor::new("first\r\nsecond"));
        world.args = vec!["one".into(), "two".into()];
        let params = [("n", "5"), ("f", "0.5"), ("s", "text")];
        world.params = params.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        world.out_of_memory = Value::keyword(world.program.names.intern("OutOfMemory"));
        T { host: MovingHost::new(world, mode), output }
    }

    fn keep(&mut self, v: Value) -> H {
        self.host.kept.push(v);
        H(self.host.kept.len() - 1)
    }
    fn value(&self, h: H) -> Value {
        self.host.kept[h.0]
    }

    /// Runs a builtin.
    fn run(&mut self, f: NativeFn, handles: &[H]) -> R {
        let args: Vec<Value> = handles.iter().map(|&h| self.value(h)).collect();
        match self.host.call(f, &args) {
            Ok(v) => Ok(self.keep(v)),
            Err(Exit::Throw(error)) => Err(self.thrown(error)),
            Err(Exit::Block(Wait::Call(_))) => {
                let job = self.host.world.call.take().expect("set with the wait");
                job();
                self.run(f, handles)
            }
            Err(exit) => Err(format!("{exit:?}")),
        }
    }
    fn thrown(&self, error: Value) -> String {
        let name = |name: Name| self.host.world.program.names.text(name).to_owned();
        if let Kind::Keyword(kind) = error.kind() {
            return name(kind);
        }
        let world = &self.host.world;
        match error.as_object().filter(|o| o.class() == ClassId::ERROR) {
            Some(o) => match o.slot(0).kind() {
                Kind::Keyword(kind) => {
                    format!("{}: {}", name(kind), format::display_plain(world, o.slot(1)))
                }
                _ => panic!("the kind of an error is a keyword"),
            },
            None => format!("thrown {}", format::display_plain(world, error)),
        }
    }
    /// Calls a function by name, with the arity check of the compiler.
    fn f(&mut self, name: &str, args: &[H]) -> R {
        let id = function(name).unwrap_or_else(|| panic!("no function {name}"));
        let f = &FUNCTIONS[id.index()];
        let count = args.len();
        assert!(count >= f.min_args.into() && (count <= f.max_args.into() || f.max_args == 255));
        self.run(f.run, args)
    }
    /// Calls a method by name, as the interpreter does.
    fn m(&mut self, receiver: H, name: &str, args: &[H]) -> R {
        let class = class_of(self.value(receiver));
        let m = method(class, name).unwrap_or_else(|| panic!("no method {name} of {class:?}"));
        let all: Vec<H> = [receiver].into_iter().chain(args.iter().copied()).collect();
        assert_eq!(all.len(), m.min_args as usize, "{name}");
        self.run(m.run, &all)
    }

    fn int(&mut self, i: i64) -> R {
        fn make(cx: &mut Native<'_>) -> NativeResult {
            // The number arrives in two halves, since it may not fit a word.
            let half = |i| cx.arg(i).value().as_int().expect("a half");
            let i = half(0) << 32 | half(1);
            support::int_result(cx, i)
        }
        let (high, low) =
            (self.keep(Value::small(i >> 32)), self.keep(Value::small(i & 0xffff_ffff)));
        self.run(make, &[high, low])
    }
    fn ints<const N: usize>(&mut self, ints: [i64; N]) -> Result<[H; N], String> {
        let mut all = [H(0); N];
        for (h, i) in all.iter_mut().zip(ints) {
            *h = self.int(i)?;
        }
        Ok(all)
    }
    fn float(&mut self, f: f64) -> R {
        let text = self.text(&format!("{f:?}"))?;
        self.f("float", &[text])
    }
    fn text(&mut self, text: &str) -> R {
        thread_local!(static TEXT: RefCell<String> = const { RefCell::new(String::new()) });
        fn make(cx: &mut Native<'_>) -> NativeResult {
            let text = TEXT.with_borrow(String::clone);
            support::text_result(cx, &text)
        }
        TEXT.set(text.to_owned());
        self.run(make, &[])
    }
    fn char(&mut self, c: char) -> H {
        self.keep(Value::char(c))
    }
    fn keyword(&mut self, name: &str) -> H {
        let name = self.host.world.program.names.intern(name);
        self.keep(Value::keyword(name))
    }
    fn nil(&mut self) -> H {
        self.keep(Value::NIL)
    }
    fn bool(&mut self, b: bool) -> H {
        self.keep(Value::bool(b))
    }
    fn list(&mut self, elements: &[H]) -> R {
        self.run(operators::make_list, elements)
    }
    fn int_list<const N: usize>(&mut self, ints: [i64; N]) -> R {
        let ints = self.ints(ints)?;
        self.list(&ints)
    }
    fn tuple(&mut self, elements: &[H]) -> R {
        self.run(operators::make_tuple, elements)
    }
    fn map(&mut self, words: &[H]) -> R {
        self.run(operators::make_map, words)
    }
    fn set(&mut self, elements: &[H]) -> R {
        self.run(operators::make_set, elements)
    }
    fn range(&mut self, from: i64, to: i64, inclusive: bool) -> R {
        let [from, to] = self.ints([from, to])?;
        let inclusive = self.bool(inclusive);
        self.run(operators::make_range, &[from, to, inclusive])
    }
    /// A cons list.
    fn cons(&mut self, elements: &[H]) -> R {
        let mut list = self.nil();
        for &h in elements.iter().rev() {
            list = self.f("cons", &[h, list])?;
        }
        Ok(list)
    }
    fn object(&mut self, layout: ObjectLayout, slots: &[H]) -> R {
        let o = crate::host::Host::alloc(&mut self.host, layout).map_err(|e| self.thrown(e))?;
        slots.iter().enumerate().for_each(|(i, &h)| o.set_slot(i, self.value(h)));
        Ok(self.keep(Value::object(o)))
    }
    fn record(&mut self, class: u16, fields: &[H]) -> R {
        self.object(ObjectLayout::record(ClassId(class), fields.len() as u32), fields)
    }
    fn closure(&mut self, func: FuncId, captures: &[H]) -> R {
        let func = self.keep(Value::small(func.0.into()));
        let slots: Vec<H> = [func].into_iter().chain(captures.iter().copied()).collect();
        self.object(ObjectLayout::new(ObjectKind::Closure, slots.len() as u32), &slots)
    }
    fn task(&mut self, number: u64, state: TaskState, result: H) -> R {
        let task = self.object(ObjectLayout::new(ObjectKind::Task, slots::TASK_LEN), &[])?;
        let o = self.value(task).as_object().expect("just made");
        o.set_slot(slots::TASK_ID, TaskId::new(number, 0).value());
        o.set_slot(slots::TASK_STATE, Value::small(state as i64));
        o.set_slot(slots::TASK_RESULT, self.value(result));
        o.set_slot(slots::TASK_OBSERVED, Value::FALSE);
        Ok(task)
    }

    /// The quoted form.
    fn show(&self, h: H) -> String {
        let mut text = String::new();
        let still = items::Still(&self.host.world);
        format::write_value(&still, self.value(h), Style::Repr, &mut text).expect("short");
        text
    }
    fn show_all(&mut self, all: &[H]) -> R {
        let texts: Vec<String> = all.iter().map(|&h| self.show(h)).collect();
        self.text(&texts.join(" "))
    }
}

/// What a body must give: its value in display form, or its error (any message that begins so).
#[track_caller]
fn check(body: impl Fn(&mut T) -> R, expected: &str) {
    let outcome = |mode| {
        let mut t = T::new(mode);
        let result = body(&mut t);
        let text = match result {
            Ok(h) => format::display_plain(&t.host.world, t.value(h)),
            Err(e) => e,
        };
        (text, t.host.failed)
    };
    let matches = |text: &str| {
        text == expected
            || expected.contains(": ") && text.starts_with(expected)
            || expected.strip_suffix(':').is_some_and(|kind| text.split(':').next() == Some(kind))
    };
    for mode in [Mode::Still, Mode::Moving] {
        let (text, _) = outcome(mode);
        assert!(matches(&text), "{mode:?}: {text:?} instead of {expected:?}");
    }
    for n in 0..300 {
        let (text, failed) = outcome(Mode::Failing(n));
        if !failed {
            assert!(matches(&text), "{text:?} instead of {expected:?}");
            return;
        }
        // Some bodies look at an error and go on.
        let refused = text.contains("OutOfMemory") || matches(&text);
        assert!(refused, "allocation {n} failed: {text:?}");
    }
}
