//! Display and repr forms. Iterative: depth costs heap, not host stack; a cycle prints as `...`.

use std::collections::HashSet;
use std::fmt::Write;

use crate::class::{ClassId, RecordKind};
use crate::host::Native;
use crate::names::Name;
use crate::object::{Obj, ObjectKind, slots};
use crate::value::{Kind, Value};
use crate::world::World;

/// Appends what `print` shows: strings and chars as they are at the top, quoted inside.
pub fn display_into(cx: &Native<'_>, v: Value, out: &mut String) {
    let load = |o: Obj, i: usize| cx.load(o, i).value();
    Formatter { world: cx.world_ref(), load: &load }.run(v, false, out);
}
/// Appends the form with strings and chars quoted at the top, too.
pub fn repr_into(cx: &Native<'_>, v: Value, out: &mut String) {
    let load = |o: Obj, i: usize| cx.load(o, i).value();
    Formatter { world: cx.world_ref(), load: &load }.run(v, true, out);
}
/// The display form outside of a run (reports): reads slots as they are.
pub fn display_plain(world: &World, v: Value) -> String {
    let mut out = String::new();
    let load = |o: Obj, i: usize| o.slot(i);
    Formatter { world, load: &load }.run(v, false, &mut out);
    out
}

/// What is left to write; the last comes first.
enum Item {
    Value(Value, bool),
    Text(&'static str),
    Name(Name),
    /// The elements of an object's buffer from an index on, `step` words each.
    Elements {
        o: Obj,
        i: usize,
    },
    /// The object is complete.
    Leave(Obj),
}

struct Formatter<'a> {
    world: &'a World,
    load: &'a dyn Fn(Obj, usize) -> Value,
}

impl Formatter<'_> {
    fn run(&self, v: Value, quoted: bool, out: &mut String) {
        let mut work = vec![Item::Value(v, quoted)];
        // Objects that are being written: seeing one again is a cycle.
        let mut open = HashSet::new();
        while let Some(item) = work.pop() {
            match item {
                Item::Text(text) => out.push_str(text),
                Item::Name(name) => out.push_str(self.world.program.names.text(name)),
                Item::Leave(o) => {
                    open.remove(&o);
                }
                Item::Elements { o, i } => self.elements(o, i, &mut work),
                Item::Value(v, quoted) => match v.kind() {
                    Kind::Object(o) => self.object(o, quoted, out, &mut work, &mut open),
                    _ => self.immediate(v, quoted, out),
                },
            }
        }
    }
    fn immediate(&self, v: Value, quoted: bool, out: &mut String) {
        let name = |n| self.world.program.names.text(n);
        let _ = match v.kind() {
            Kind::Nil | Kind::Undefined => write!(out, "nil"),
            Kind::Bool(b) => write!(out, "{b}"),
            Kind::Int(i) => write!(out, "{i}"),
            Kind::Float(f) => write!(out, "{f:?}"),
            Kind::Char(c) if quoted => write!(out, "{c:?}"),
            Kind::Char(c) => write!(out, "{c}"),
            Kind::Keyword(n) => write!(out, ":{}", name(n)),
            Kind::Symbol(n) => write!(out, "{}", name(n)),
            Kind::Object(_) => unreachable!("not an immediate"),
        };
    }
    fn object(
        &self,
        o: Obj,
        quoted: bool,
        out: &mut String,
        work: &mut Vec<Item>,
        open: &mut HashSet<Obj>,
    ) {
        match o.kind() {
            ObjectKind::Str => {
                // SAFETY: strings are not written, and there is no safepoint in here; builtins make
                // them of valid UTF-8.
                let text = unsafe { std::str::from_utf8_unchecked(o.bytes()) };
                if quoted {
                    let _ = write!(out, "{text:?}");
                } else {
                    out.push_str(text);
                }
            }
            ObjectKind::BoxedInt => {
                let _ = write!(out, "{}", o.raw_word(0) as i64);
            }
            ObjectKind::BoxedFloat => {
                let _ = write!(out, "{:?}", f64::from_bits(o.raw_word(0)));
            }
            ObjectKind::Bytes => self.raw(out, "bytes[", o.len(), |i| o.byte(i).to_string()),
            ObjectKind::F64Array => self.raw(out, "f64array[", o.len() / 8, |i| {
                format!("{:?}", f64::from_bits(o.raw_word(i)))
            }),
            ObjectKind::Closure => self.function(o, out),
            ObjectKind::Task => out.push_str("<task>"),
            ObjectKind::Weak => out.push_str("<weak>"),
            ObjectKind::Cell => work.push(Item::Value((self.load)(o, slots::CELL), true)),
            ObjectKind::Index | ObjectKind::Buffer => out.push_str("<internal>"),
            ObjectKind::Range => {
                let dots = if (self.load)(o, slots::INCLUSIVE).truthy() { "..=" } else { ".." };
                work.push(Item::Value((self.load)(o, slots::END), true));
                work.push(Item::Text(dots));
                work.push(Item::Value((self.load)(o, slots::START), true));
            }
            _ if !open.insert(o) => out.push_str("..."),
            _ => {
                work.push(Item::Leave(o));
                self.collection(o, out, work);
            }
        }
    }
    fn raw(&self, out: &mut String, open: &str, n: usize, element: impl Fn(usize) -> String) {
        out.push_str(open);
        for i in 0..n {
            if i > 0 {
                out.push_str(", ");
            }
            out.push_str(&element(i));
        }
        out.push(']');
    }
    fn function(&self, o: Obj, out: &mut String) {
        let id = (self.load)(o, slots::FUNC).as_int().unwrap_or(0) as usize;
        let name = self.world.program.funcs.get(id).map(|f| f.name);
        let name = name.map_or("", |n| self.world.program.names.text(n));
        let _ = match name {
            "" | "<closure>" => write!(out, "<fn>"),
            name => write!(out, "<fn {name}>"),
        };
    }
    fn collection(&self, o: Obj, out: &mut String, work: &mut Vec<Item>) {
        let (open, close) = match o.kind() {
            ObjectKind::List => ("[", "]"),
            ObjectKind::Deque => ("deque[", "]"),
            ObjectKind::Set => ("%[", "]"),
            ObjectKind::Map => ("%{", "}"),
            ObjectKind::Cons => ("cons[", "]"),
            ObjectKind::Tuple if o.len() == 1 => ("(", ",)"),
            ObjectKind::Tuple => ("(", ")"),
            _ => return self.record(o, out, work),
        };
        out.push_str(open);
        work.push(Item::Text(close));
        work.push(Item::Elements { o, i: 0 });
    }
    /// Writes element `i` and leaves the rest for later, so that nothing large is queued.
    fn elements(&self, o: Obj, i: usize, work: &mut Vec<Item>) {
        let load = self.load;
        let len = |o: Obj| load(o, slots::LEN).as_int().unwrap_or(0) as usize;
        let buffer = |o: Obj| load(o, slots::BUFFER).as_object();
        let at = |o: Obj, i: usize| match buffer(o) {
            Some(b) if i < b.len() => load(b, i),
            _ => Value::UNDEFINED,
        };
        let separator = if i > 0 { ", " } else { "" };
        let mut next = |rest: Option<Item>, items: Vec<Item>| {
            work.extend(rest);
            work.extend(items.into_iter().rev());
            work.push(Item::Text(separator));
        };
        match o.kind() {
            ObjectKind::Tuple if i < o.len() => {
                next(Some(Item::Elements { o, i: i + 1 }), vec![Item::Value(load(o, i), true)])
            }
            ObjectKind::List if i < len(o) => {
                next(Some(Item::Elements { o, i: i + 1 }), vec![Item::Value(at(o, i), true)])
            }
            ObjectKind::Deque if i < len(o) => {
                let head = load(o, slots::DEQUE_HEAD).as_int().unwrap_or(0) as usize;
                let capacity = buffer(o).map_or(1, Obj::len);
                let v = at(o, (head + i) % capacity);
                next(Some(Item::Elements { o, i: i + 1 }), vec![Item::Value(v, true)]);
            }
            ObjectKind::Map | ObjectKind::Set => {
                let w = if o.kind() == ObjectKind::Map { 2 } else { 1 };
                let used = load(o, slots::USED).as_int().unwrap_or(0) as usize;
                let entry = (i..used).find(|&e| at(o, e * w) != Value::UNDEFINED);
                let Some(e) = entry else { return };
                // The separator depends on whether an entry came before, not on its number.
                let first = (0..e).all(|e| at(o, e * w) == Value::UNDEFINED);
                work.push(Item::Elements { o, i: e + 1 });
                if w == 2 {
                    work.push(Item::Value(at(o, e * 2 + 1), true));
                    work.push(Item::Text(": "));
                }
                work.push(Item::Value(at(o, e * w), true));
                work.push(Item::Text(if first { "" } else { ", " }));
            }
            ObjectKind::Cons => {
                // `o` is the current cell.
                let tail = load(o, slots::TAIL).as_object().filter(|t| t.kind() == o.kind());
                let rest = tail.map(|o| Item::Elements { o, i: 1 });
                next(rest, vec![Item::Value(load(o, slots::HEAD), true)]);
            }
            _ => {}
        }
    }
    fn record(&self, o: Obj, out: &mut String, work: &mut Vec<Item>) {
        let class = o.class().0.checked_sub(ClassId::FIRST_RECORD);
        let class = class.and_then(|c| self.world.program.classes.get(c as usize));
        let Some(class) = class else { return out.push_str("<internal>") };
        let name = self.world.program.names.text(class.name);
        let named = |i: usize| {
            vec![
                Item::Name(class.fields[i]),
                Item::Text(": "),
                Item::Value((self.load)(o, i), true),
            ]
        };
        let positional = |i: usize| vec![Item::Value((self.load)(o, i), true)];
        let (open, close, fields): (_, _, &dyn Fn(usize) -> Vec<Item>) = match class.kind {
            RecordKind::Struct => (" { ", " }", &named),
            RecordKind::Dynamic => ("{ ", " }", &named),
            RecordKind::Variant { .. } => ("(", ")", &positional),
        };
        out.push_str(if class.kind == RecordKind::Dynamic { "#" } else { name });
        if o.is_empty() {
            out.push_str(match class.kind {
                RecordKind::Variant { .. } => "",
                RecordKind::Struct => " {}",
                RecordKind::Dynamic => "{}",
            });
            return;
        }
        out.push_str(open);
        work.push(Item::Text(close));
        for i in (0..o.len()).rev() {
            work.extend(fields(i).into_iter().rev());
            if i > 0 {
                work.push(Item::Text(", "));
            }
        }
    }
}
