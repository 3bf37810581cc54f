//! Values as text: the display form (strings bare) and the quoted form of `repr`, which is also
//! that of what stands inside of containers. Iterative; a container inside of itself is `...`.

use std::collections::HashSet;
use std::fmt::Write;

use crate::class::{ClassId, RecordClass, RecordKind};
use crate::host::{Exit, MAX_LEN, Native};
use crate::names::Name;
use crate::object::{Obj, slots};
use crate::value::{Kind, Value};
use crate::world::World;

use super::hash::FastHash;
use super::hashed;
use super::items::{Items, Read, Still};
use super::raw;
use super::support::{int_of, int_slot};

/// How strings and chars look at the top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// As they are.
    Display,
    /// Quoted.
    Repr,
}

/// The text is longer than a string can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooLong;

impl TooLong {
    /// OutOfMemory.
    pub(super) fn into_exit(self, cx: &mut Native<'_>) -> Exit {
        cx.throw("OutOfMemory", "the text of the value is longer than a string can be")
    }
}

/// Bytes of a value's text in an error message.
const BRIEF_BYTES: usize = 60;
/// Bytes of a thrown value's text in a report.
const REPORT_BYTES: usize = 1 << 16;

/// Appends the text of a value.
pub(super) fn write_value(
    cx: &impl Read,
    v: Value,
    style: Style,
    out: &mut String,
) -> Result<(), TooLong> {
    Printer::new(cx, out, MAX_LEN as usize).print(v, style)
}

/// The display form outside of a run (reports), cut when it is very long.
pub fn display_plain(world: &World, v: Value) -> String {
    cut(&Still(world), v, Style::Display, REPORT_BYTES)
}

/// The quoted form, cut when it is long: for messages.
pub(super) fn brief(cx: &Native<'_>, v: Value) -> String {
    cut(cx, v, Style::Repr, BRIEF_BYTES)
}

fn cut(cx: &impl Read, v: Value, style: Style, limit: usize) -> String {
    let mut out = String::new();
    if Printer::new(cx, &mut out, limit).print(v, style).is_err() {
        let boundary = (0..=limit).rev().find(|&at| out.is_char_boundary(at));
        out.truncate(boundary.unwrap_or(0));
        out.push('…');
    }
    out
}

/// Appends the text of argument `i`.
pub(super) fn write_arg(
    cx: &mut Native<'_>,
    i: usize,
    style: Style,
    out: &mut String,
) -> Result<(), Exit> {
    write_value(cx, cx.arg(i).value(), style, out).map_err(|e| e.into_exit(cx))
}

/// The text of argument `i`.
pub(super) fn to_text(cx: &mut Native<'_>, i: usize, style: Style) -> Result<String, Exit> {
    let mut out = String::new();
    write_arg(cx, i, style, &mut out)?;
    Ok(out)
}

/// Bytes of the longest int.
pub(super) const DIGITS: usize = 20;

/// An int as text; without the standard formatter's machinery, which takes longer than the digits.
pub(super) fn decimal(i: i64, out: &mut [u8; DIGITS]) -> &str {
    let mut rest = i.unsigned_abs();
    let mut at = DIGITS;
    loop {
        at -= 1;
        out[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if i < 0 {
        at -= 1;
        out[at] = b'-';
    }
    std::str::from_utf8(&out[at..]).expect("digits")
}

/// A container whose elements are being printed.
enum Frame<'c> {
    Items {
        of: Obj,
        items: Items,
        next: usize,
        names: Option<&'c RecordClass>,
        close: &'static str,
    },
    /// `next` is the entry; `value` says that its key is printed.
    Table {
        of: Obj,
        next: usize,
        first: bool,
        value: Option<usize>,
    },
    Cons {
        of: Obj,
        at: Option<Obj>,
        first: bool,
    },
}

struct Printer<'c, R> {
    cx: &'c R,
    out: &'c mut String,
    limit: usize,
    stack: Vec<Frame<'c>>,
    /// Addresses of the containers on the stack.
    open: HashSet<usize, FastHash>,
}

impl<'c, R: Read> Printer<'c, R> {
    fn new(cx: &'c R, out: &'c mut String, limit: usize) -> Self {
        Printer { cx, out, limit, stack: Vec::new(), open: HashSet::default() }
    }
    fn print(mut self, v: Value, style: Style) -> Result<(), TooLong> {
        match (style, v.kind()) {
            (Style::Display, Kind::Char(c)) => self.out.push(c),
            (Style::Display, Kind::Object(o)) if o.class() == ClassId::STRING => {
                self.out.push_str(self.cx.text(o));
            }
            _ => self.value(v)?,
        }
        while !self.stack.is_empty() {
            self.step()?;
            self.check()?;
        }
        self.check()
    }
    fn check(&self) -> Result<(), TooLong> {
        if self.out.len() > self.limit { Err(TooLong) } else { Ok(()) }
    }
    fn write(&mut self, args: std::fmt::Arguments<'_>) {
        self.out.write_fmt(args).expect("strings take everything");
    }

    fn name(&self, name: Name) -> &'c str {
        self.cx.world().program.names.text(name)
    }

    /// Prints the next element of the innermost container, or closes it.
    fn step(&mut self) -> Result<(), TooLong> {
        let cx = self.cx;
        let separator = |first| if first { "" } else { ", " };
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        let v = match frame {
            Frame::Items { items, next, names, .. } if *next < items.len => {
                let i = *next;
                *next += 1;
                self.out.push_str(separator(i == 0));
                if let Some(&field) = names.and_then(|c| c.fields.get(i)) {
                    self.out.push_str(cx.world().program.names.text(field));
                    self.out.push_str(": ");
                }
                items.get(cx, i)
            }
            Frame::Table { of, value, .. } if value.is_some() => {
                self.out.push_str(": ");
                hashed::value(cx, *of, value.take().expect("just tested"))
            }
            Frame::Table { of, next, first, value } => match hashed::live(cx, *of, *next) {
                Some(entry) => {
                    *next = entry + 1;
                    self.out.push_str(separator(std::mem::take(first)));
                    *value = (of.class() == ClassId::MAP).then_some(entry);
                    hashed::key(cx, *of, entry)
                }
                None => return self.close(),
            },
            Frame::Cons { at, first, .. } => match at.take() {
                Some(cell) => {
                    *at = cx.slot(cell, slots::TAIL).as_object();
                    self.out.push_str(separator(std::mem::take(first)));
                    cx.slot(cell, slots::HEAD)
                }
                None => return self.close(),
            },
            Frame::Items { .. } => return self.close(),
        };
        self.value(v)
    }
    fn close(&mut self) -> Result<(), TooLong> {
        let (of, close) = match self.stack.pop() {
            Some(Frame::Items { of, close, .. }) => (of, close),
            Some(Frame::Table { of, .. }) if of.class() == ClassId::MAP => (of, "}"),
            Some(Frame::Table { of, .. } | Frame::Cons { of, .. }) => (of, "]"),
            None => return Ok(()),
        };
        self.open.remove(&of.address());
        self.out.push_str(close);
        Ok(())
    }

    /// Prints a value in its quoted form, or opens it.
    fn value(&mut self, v: Value) -> Result<(), TooLong> {
        match v.kind() {
            Kind::Nil => self.out.push_str("nil"),
            Kind::Bool(b) => self.write(format_args!("{b}")),
            Kind::Int(i) => self.out.push_str(decimal(i, &mut [0; DIGITS])),
            Kind::Float(f) => self.write(format_args!("{f:?}")),
            Kind::Char(c) => self.quote_char(c),
            Kind::Keyword(name) => {
                self.out.push(':');
                self.out.push_str(self.name(name));
            }
            Kind::Symbol(name) => self.out.push_str(self.name(name)),
            Kind::Undefined => self.out.push_str("<undefined>"),
            Kind::Object(o) => return self.object(o),
        }
        Ok(())
    }
    fn object(&mut self, o: Obj) -> Result<(), TooLong> {
        match o.class() {
            ClassId::INT => {
                self.out.push_str(decimal(o.raw_word(0) as i64, &mut [0; DIGITS]));
            }
            ClassId::FLOAT => self.write(format_args!("{:?}", f64::from_bits(o.raw_word(0)))),
            ClassId::STRING => self.quote(self.cx.text(o)),
            ClassId::BYTES | ClassId::F64_ARRAY => return self.raw(o),
            ClassId::CLOSURE => self.function(o),
            ClassId::RANGE => self.range(o),
            ClassId::TASK => self.out.push_str("<task>"),
            ClassId::CHANNEL => self.out.push_str("<channel>"),
            ClassId::ACTOR => self.out.push_str("<actor>"),
            ClassId::MUTEX => self.out.push_str("<mutex>"),
            ClassId::WEAK => self.out.push_str("<weak>"),
            ClassId::WEAK_MAP => self.out.push_str("<weak map>"),
            ClassId::CELL => self.out.push_str("<cell>"),
            ClassId::BUFFER | ClassId::INDEX | ClassId::WAITER | ClassId::EPHEMERONS => {
                self.out.push_str("<internal>");
            }
            _ => self.container(o),
        }
        Ok(())
    }

    fn container(&mut self, o: Obj) {
        if !self.open.insert(o.address()) {
            return self.out.push_str("...");
        }
        match o.class() {
            ClassId::LIST => self.items(o, "[", None, "]"),
            ClassId::DEQUE => self.items(o, "deque[", None, "]"),
            ClassId::TUPLE => self.items(o, "(", None, if o.len() == 1 { ",)" } else { ")" }),
            ClassId::MAP => self.table(o, "%{"),
            ClassId::SET => self.table(o, "%["),
            ClassId::CONS => {
                self.out.push_str("cons[");
                self.stack.push(Frame::Cons { of: o, at: Some(o), first: true });
            }
            _ => self.record(o),
        }
    }
    fn items(&mut self, of: Obj, open: &str, names: Option<&'c RecordClass>, close: &'static str) {
        self.out.push_str(open);
        let items = Items::of(self.cx, of);
        self.stack.push(Frame::Items { of, items, next: 0, names, close });
    }
    fn table(&mut self, of: Obj, open: &str) {
        self.out.push_str(open);
        self.stack.push(Frame::Table { of, next: 0, first: true, value: None });
    }
    fn record(&mut self, o: Obj) {
        let at = o.class().0.wrapping_sub(ClassId::FIRST_RECORD) as usize;
        let Some(class) = self.cx.world().program.classes.get(at) else {
            return self.items(o, "#{ ", None, " }");
        };
        let name = self.name(class.name);
        match (&class.kind, o.is_empty()) {
            (RecordKind::Variant { .. }, true) => {
                self.out.push_str(name);
                self.open.remove(&o.address());
            }
            (RecordKind::Variant { .. }, false) => {
                self.out.push_str(name);
                self.items(o, "(", None, ")");
            }
            (RecordKind::Struct, true) => {
                self.out.push_str(name);
                self.items(o, " {", None, "}");
            }
            (RecordKind::Struct, false) => {
                self.out.push_str(name);
                self.items(o, " { ", Some(class), " }");
            }
            (RecordKind::Dynamic, true) => self.items(o, "#{", None, "}"),
            (RecordKind::Dynamic, false) => self.items(o, "#{ ", Some(class), " }"),
        }
    }

    fn function(&mut self, closure: Obj) {
        let func = int_slot(self.cx, closure, slots::FUNC);
        let name = self.cx.world().program.funcs.get(func).map(|f| self.name(f.name));
        match name.filter(|name| !name.starts_with('<')) {
            Some(name) => self.write(format_args!("<fn {name}>")),
            None => self.out.push_str("<fn>"),
        }
    }
    fn range(&mut self, range: Obj) {
        let end = |slot| int_of(self.cx.slot(range, slot)).unwrap_or_default();
        let (from, to) = (end(slots::START), end(slots::END));
        let inclusive = self.cx.slot(range, slots::INCLUSIVE).truthy();
        let dots = if inclusive { "..=" } else { ".." };
        self.write(format_args!("{from}{dots}{to}"));
    }
    fn raw(&mut self, o: Obj) -> Result<(), TooLong> {
        let floats = o.class() == ClassId::F64_ARRAY;
        self.out.push_str(if floats { "f64array[" } else { "bytes[" });
        for i in 0..raw::count(o) {
            self.out.push_str(if i > 0 { ", " } else { "" });
            if floats {
                self.write(format_args!("{:?}", f64::from_bits(o.raw_word(i))));
            } else {
                self.write(format_args!("{}", o.byte(i)));
            }
            self.check()?;
        }
        self.out.push(']');
        Ok(())
    }

    fn quote(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            self.escape(c, '"');
        }
        self.out.push('"');
    }
    fn quote_char(&mut self, c: char) {
        self.out.push('\'');
        self.escape(c, '\'');
        self.out.push('\'');
    }
    fn escape(&mut self, c: char, quote: char) {
        match c {
            '\n' => self.out.push_str("\\n"),
            '\t' => self.out.push_str("\\t"),
            '\r' => self.out.push_str("\\r"),
            '\0' => self.out.push_str("\\0"),
            '\\' => self.out.push_str("\\\\"),
            c if c == quote => {
                self.out.push('\\');
                self.out.push(c);
            }
            c if c.is_control() => self.write(format_args!("\\u{{{:x}}}", u32::from(c))),
            c => self.out.push(c),
        }
    }
}
