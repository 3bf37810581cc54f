//! The protocol of `for`: (source, position) → done, element, next position.
//!
//! ```text
//! source                  position
//! list deque tuple        index
//! bytes f64array          index
//! string                  byte offset of a char
//! map set                 number of a live entry
//! range                   the int itself; nil behind the last one
//! cons, nil               the cell, or nil at the end
//! channel                 a place for the element: `done` receives it, and waits for it
//! ```
//!
//! A program may change what it iterates over: positions are checked again at every step.

use crate::class::ClassId;
use crate::host::{Exit, Native, NativeResult};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::items::Items;
use super::support::*;
use super::{channels, class_of, describe, hashed, raw};

fn not_iterable(cx: &mut Native<'_>) -> Exit {
    let found = describe(cx.world_ref(), cx.arg(0).value());
    cx.throw("TypeMismatch", &format!("{found} cannot be iterated"))
}

fn source(cx: &Native<'_>) -> Option<Obj> {
    cx.arg(0).object()
}
fn index(cx: &Native<'_>) -> usize {
    cx.arg(1).value().as_int().map_or(0, |i| i as usize)
}

/// (source) → the position of its first element.
pub fn iter_start(cx: &mut Native<'_>) -> NativeResult {
    use ClassId as C;
    match (class_of(cx.arg(0).value()), source(cx)) {
        (C::LIST | C::DEQUE | C::TUPLE | C::BYTES | C::F64_ARRAY | C::STRING, _) => size_result(0),
        (C::MAP | C::SET, Some(table)) => size_result(entry_from(cx, table, 0)),
        (C::RANGE, Some(range)) => Ok(cx.load(range, slots::START).value()),
        (C::CONS | C::NIL, _) => Ok(cx.arg(0).value()),
        (C::CHANNEL, _) => Ok(cx.alloc(ObjectKind::Buffer, 1)?.value()),
        _ => Err(not_iterable(cx)),
    }
}

/// The first live entry from `entry` on, or a number beyond all of them.
fn entry_from(cx: &Native<'_>, table: Obj, entry: usize) -> usize {
    hashed::live(cx, table, entry).unwrap_or(u32::MAX as usize)
}

/// (source, position) → is there no element?
pub fn iter_done(cx: &mut Native<'_>) -> NativeResult {
    let Some(o) = source(cx) else { return Ok(Value::TRUE) };
    if o.class() == ClassId::CHANNEL {
        return channels::iter_done(cx);
    }
    let done = match o.class() {
        ClassId::MAP | ClassId::SET => hashed::live(cx, o, index(cx)).is_none(),
        ClassId::RANGE => !range_has(cx, o),
        ClassId::CONS => cx.arg(1).of_kind(ObjectKind::Cons).is_none(),
        ClassId::STRING => index(cx) >= o.len(),
        ClassId::BYTES | ClassId::F64_ARRAY => index(cx) >= raw::count(o),
        _ => index(cx) >= Items::of(cx, o).len,
    };
    Ok(Value::bool(done))
}

fn range_has(cx: &Native<'_>, range: Obj) -> bool {
    let end = int_of(cx.load(range, slots::END).value());
    match (int_of(cx.arg(1).value()), end) {
        (Some(at), Some(end)) => at < end || at == end && inclusive(cx, range),
        _ => false,
    }
}
fn inclusive(cx: &Native<'_>, range: Obj) -> bool {
    cx.load(range, slots::INCLUSIVE).value().truthy()
}

/// (source, position) → the element. A safepoint (map entries are new tuples).
pub fn iter_get(cx: &mut Native<'_>) -> NativeResult {
    let Some(o) = source(cx) else { return Err(not_iterable(cx)) };
    match o.class() {
        ClassId::MAP => map_entry(cx, o),
        ClassId::SET => match hashed::live(cx, o, index(cx)) {
            Some(entry) => Ok(hashed::key(cx, o, entry)),
            None => Err(gone(cx)),
        },
        ClassId::RANGE => Ok(cx.arg(1).value()),
        ClassId::CONS => match cx.arg(1).of_kind(ObjectKind::Cons) {
            Some(cell) => Ok(cx.load(cell, slots::HEAD).value()),
            None => Err(gone(cx)),
        },
        ClassId::STRING => match char_at(cx, o) {
            Some(c) => Ok(Value::char(c)),
            None => Err(gone(cx)),
        },
        ClassId::BYTES | ClassId::F64_ARRAY => raw::get(cx),
        ClassId::CHANNEL => match cx.arg(1).of_kind(ObjectKind::Buffer) {
            Some(place) => Ok(cx.load(place, 0).value()),
            None => Err(gone(cx)),
        },
        _ => {
            let items = Items::of(cx, o);
            let i = index(cx);
            if i < items.len { Ok(items.get(cx, i)) } else { Err(gone(cx)) }
        }
    }
}

/// The element that was there at the test is not there any more (another task took it).
#[cold]
fn gone(cx: &mut Native<'_>) -> Exit {
    cx.throw("IndexOutOfRange", "the collection shrank while it was being iterated")
}

fn map_entry(cx: &mut Native<'_>, map: Obj) -> NativeResult {
    if hashed::live(cx, map, index(cx)).is_none() {
        return Err(gone(cx));
    }
    let pair = cx.alloc(ObjectKind::Tuple, 2)?.object().expect("an object");
    let map = receiver(cx);
    if let Some(entry) = hashed::live(cx, map, index(cx)) {
        cx.init(pair, 0, hashed::key(cx, map, entry));
        cx.init(pair, 1, hashed::value(cx, map, entry));
    }
    Ok(Value::object(pair))
}

fn char_at(cx: &Native<'_>, text: Obj) -> Option<char> {
    cx.text_of(text).get(index(cx)..)?.chars().next()
}

/// (source, position) → the next position.
pub fn iter_next(cx: &mut Native<'_>) -> NativeResult {
    let Some(o) = source(cx) else { return Ok(Value::NIL) };
    match o.class() {
        ClassId::MAP | ClassId::SET => {
            // The position may be a tombstone by now: then its successor was the element.
            let at = entry_from(cx, o, index(cx));
            size_result(entry_from(cx, o, at + 1))
        }
        ClassId::RANGE => match int_of(cx.arg(1).value()).and_then(|at| at.checked_add(1)) {
            Some(next) => int_result(cx, next),
            None => Ok(Value::NIL),
        },
        ClassId::CONS => match cx.arg(1).of_kind(ObjectKind::Cons) {
            Some(cell) => Ok(cx.load(cell, slots::TAIL).value()),
            None => Ok(Value::NIL),
        },
        ClassId::CHANNEL => Ok(cx.arg(1).value()),
        ClassId::STRING => {
            let width = char_at(cx, o).map_or(1, char::len_utf8);
            size_result(index(cx) + width)
        }
        _ => size_result(index(cx) + 1),
    }
}
