//! Persistent lists, tuples, ranges, functions and weak references: what has few methods.

use crate::class::ClassId;
use crate::host::{Exit, Native, NativeResult};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::support::*;
use super::{class_of, describe, hashed, lists, raw};

/// `cons(h, t)`: the tail is a cons list, or nil.
pub(super) fn cons(cx: &mut Native<'_>) -> NativeResult {
    if !matches!(class_of(cx.arg(1).value()), ClassId::CONS | ClassId::NIL) {
        return Err(needs(cx, "`cons`", "a cons list or nil as the tail", 1));
    }
    let cell = cx.alloc(ObjectKind::Cons, 2)?.object().expect("an object");
    cx.init(cell, slots::HEAD, cx.arg(0));
    cx.init(cell, slots::TAIL, cx.arg(1));
    Ok(Value::object(cell))
}

fn tail(cx: &Native<'_>, cell: Obj) -> Option<Obj> {
    cx.load(cell, slots::TAIL).of_kind(ObjectKind::Cons)
}

pub(super) fn head(cx: &mut Native<'_>) -> NativeResult {
    Ok(cx.load(receiver(cx), slots::HEAD).value())
}
pub(super) fn rest(cx: &mut Native<'_>) -> NativeResult {
    Ok(cx.load(receiver(cx), slots::TAIL).value())
}
/// Also of nil.
pub(super) fn cons_len(cx: &mut Native<'_>) -> NativeResult {
    size_result(std::iter::successors(cx.arg(0).object(), |&cell| tail(cx, cell)).count())
}
/// Also of nil.
pub(super) fn reverse(cx: &mut Native<'_>) -> NativeResult {
    let (rest, reversed) = (cx.root(cx.arg(0)), cx.root(Value::NIL));
    while cx.get(rest).object().is_some() {
        let cell = cx.alloc(ObjectKind::Cons, 2)?.object().expect("an object");
        let from = object_at(cx, rest);
        cx.init(cell, slots::HEAD, cx.load(from, slots::HEAD));
        cx.init(cell, slots::TAIL, cx.get(reversed));
        cx.set(reversed, cell);
        cx.set(rest, cx.load(from, slots::TAIL));
    }
    Ok(cx.get(reversed).value())
}
/// Also of nil.
pub(super) fn cons_to_list(cx: &mut Native<'_>) -> NativeResult {
    let count = cons_len(cx)?.int_unchecked() as usize;
    let list = lists::new_list(cx, count)?;
    let list = object_at(cx, list);
    if let Some(store) = buffer(cx, list) {
        let cells = std::iter::successors(cx.arg(0).object(), |&cell| tail(cx, cell));
        cells.enumerate().for_each(|(i, c)| cx.init(store, i, cx.load(c, slots::HEAD)));
    }
    set_int_slot(cx, list, slots::LEN, count);
    Ok(Value::object(list))
}

pub(super) fn tuple_len(cx: &mut Native<'_>) -> NativeResult {
    size_result(receiver(cx).len())
}

// ---- ranges ----

/// First and last int; `None` when the range is empty.
fn bounds(cx: &Native<'_>, range: Obj) -> Option<(i64, i64)> {
    let start = int_of(cx.load(range, slots::START).value())?;
    let end = int_of(cx.load(range, slots::END).value())?;
    let inclusive = cx.load(range, slots::INCLUSIVE).value().truthy();
    let last = if inclusive { end } else { end.checked_sub(1)? };
    (start <= last).then_some((start, last))
}
/// How many ints a range has; it can have 2^64 of them.
fn range_count(cx: &Native<'_>, range: Obj) -> i128 {
    bounds(cx, range).map_or(0, |(start, last)| i128::from(last) - i128::from(start) + 1)
}
pub(super) fn range_len(cx: &mut Native<'_>) -> NativeResult {
    match i64::try_from(range_count(cx, receiver(cx))) {
        Ok(count) => int_result(cx, count),
        Err(_) => Err(cx.throw("Overflow", "the length of the range does not fit 64 bits")),
    }
}
/// The first int; nil when there is none.
pub(super) fn range_first(cx: &mut Native<'_>) -> NativeResult {
    match bounds(cx, receiver(cx)) {
        Some((first, _)) => int_result(cx, first),
        None => Ok(Value::NIL),
    }
}
/// The last int; nil when there is none.
pub(super) fn range_last(cx: &mut Native<'_>) -> NativeResult {
    match bounds(cx, receiver(cx)) {
        Some((_, last)) => int_result(cx, last),
        None => Ok(Value::NIL),
    }
}
pub(super) fn range_contains(cx: &mut Native<'_>) -> NativeResult {
    let i = int_of(cx.arg(1).value());
    let bounds = bounds(cx, receiver(cx));
    Ok(Value::bool(bounds.zip(i).is_some_and(|((start, last), i)| start <= i && i <= last)))
}
pub(super) fn range_to_list(cx: &mut Native<'_>) -> NativeResult {
    let count = usize::try_from(range_count(cx, receiver(cx))).unwrap_or(usize::MAX);
    let start = bounds(cx, receiver(cx)).map_or(0, |(start, _)| start);
    let list = lists::new_list(cx, count)?;
    let element = cx.root(Value::NIL);
    for i in 0..count {
        let v = cx.new_int(start + i as i64)?.value();
        cx.set(element, v);
        lists::push_root(cx, list, element)?;
    }
    Ok(cx.get(list).value())
}

// ---- the rest ----

/// How many parameters a function has.
pub(super) fn arity(cx: &mut Native<'_>) -> NativeResult {
    size_result(params(cx, receiver(cx)))
}
pub(super) fn params(cx: &Native<'_>, closure: Obj) -> usize {
    let func = int_slot(cx, closure, slots::FUNC);
    cx.world_ref().program.funcs.get(func).map_or(0, |f| f.params.len())
}

/// `len(x)` of anything that has a length.
pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    let Some(o) = v.as_object() else {
        return if v == Value::NIL { size_result(0) } else { Err(no_len(cx)) };
    };
    match o.class() {
        ClassId::STRING | ClassId::TUPLE => size_result(o.len()),
        ClassId::BYTES | ClassId::F64_ARRAY => size_result(raw::count(o)),
        ClassId::LIST => lists::len(cx),
        ClassId::DEQUE => super::deques::len(cx),
        ClassId::MAP | ClassId::SET => size_result(hashed::len(cx, o)),
        ClassId::CONS => cons_len(cx),
        ClassId::RANGE => range_len(cx),
        _ => Err(no_len(cx)),
    }
}
fn no_len(cx: &mut Native<'_>) -> Exit {
    let found = describe(cx.world_ref(), cx.arg(0).value());
    cx.throw("TypeMismatch", &format!("{found} has no length"))
}
