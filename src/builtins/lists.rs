//! Lists: `[LEN | BUFFER]`, the buffer grows by doubling (by half from [`LARGE`] on) and is nil as
//! long as nothing was stored.

use crate::host::{Exit, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::equality::structural_eq;
use super::format::{Style, write_value};
use super::items::Items;
use super::support::*;

/// Slots of a list.
const LIST_LEN: usize = 2;
const MIN_CAPACITY: usize = 4;
/// From this capacity on buffers grow by half.
const LARGE: usize = 1 << 16;

/// What a buffer of `have` places grows to when `need` must fit.
pub(super) fn grown(have: usize, need: usize) -> usize {
    let more = if have < LARGE { have * 2 } else { have + have / 2 };
    more.max(need).max(MIN_CAPACITY)
}

/// A new, empty list with room for `capacity` elements. The buffer comes last, so the caller may
/// `init` it. A safepoint.
pub(super) fn new_list(cx: &mut Native<'_>, capacity: usize) -> Result<Root, Exit> {
    let list = cx.alloc(ObjectKind::List, LIST_LEN)?.object().expect("an object");
    cx.init(list, slots::LEN, Value::small(0));
    let list = cx.root(list);
    if capacity > 0 {
        let store = cx.alloc(ObjectKind::Buffer, capacity)?.object().expect("an object");
        cx.store(object_at(cx, list), slots::BUFFER, store);
    }
    Ok(list)
}

/// Makes room for `extra` more elements. A safepoint.
fn reserve(cx: &mut Native<'_>, list: Root, extra: usize) -> Result<(), Exit> {
    let o = object_at(cx, list);
    let have = buffer(cx, o).map_or(0, Obj::len);
    let need = Items::list(cx, o).len + extra;
    if need <= have {
        return Ok(());
    }
    let store = cx.alloc(ObjectKind::Buffer, grown(have, need))?.object().expect("an object");
    let o = object_at(cx, list);
    let items = Items::list(cx, o);
    (0..items.len.min(store.len())).for_each(|i| cx.init(store, i, items.get(cx, i)));
    cx.store(o, slots::BUFFER, store);
    Ok(())
}

/// Appends what a root holds. A safepoint.
pub(super) fn push_root(cx: &mut Native<'_>, list: Root, v: Root) -> Result<(), Exit> {
    if !push_in_place(cx, list, v) {
        reserve(cx, list, 1)?;
        // A race may have taken the room: then the element is lost, as racy updates may be.
        push_in_place(cx, list, v);
    }
    Ok(())
}
/// Appends if there is room.
fn push_in_place(cx: &Native<'_>, list: Root, v: Root) -> bool {
    let o = object_at(cx, list);
    let len = int_slot(cx, o, slots::LEN);
    let store = buffer(cx, o).filter(|b| len < b.len());
    if let Some(store) = store {
        cx.store(store, len, cx.get(v));
        set_int_slot(cx, o, slots::LEN, len + 1);
    }
    store.is_some()
}

/// A new list of elements `from..to` of what a root holds. A safepoint.
pub(super) fn part(cx: &mut Native<'_>, of: Root, from: usize, to: usize) -> NativeResult {
    let list = new_list(cx, to - from)?;
    let items = Items::of(cx, object_at(cx, of));
    let list = object_at(cx, list);
    let count = to.min(items.len).saturating_sub(from);
    if let Some(store) = buffer(cx, list) {
        (0..count).for_each(|i| cx.init(store, i, items.get(cx, from + i)));
    }
    set_int_slot(cx, list, slots::LEN, count);
    Ok(Value::object(list))
}

/// All elements of a list or deque, all slots of a tuple, as a new list.
pub(super) fn to_list(cx: &mut Native<'_>) -> NativeResult {
    let len = Items::of(cx, receiver(cx)).len;
    let source = cx.arg_root(0);
    part(cx, source, 0, len)
}

/// `list(n, init)`: n times the same value.
pub(super) fn list(cx: &mut Native<'_>) -> NativeResult {
    let count = size_arg(cx, "`list`", 0)?;
    let list = new_list(cx, count)?;
    let list = object_at(cx, list);
    if let Some(store) = buffer(cx, list) {
        (0..count).for_each(|i| cx.init(store, i, cx.arg(1)));
    }
    set_int_slot(cx, list, slots::LEN, count);
    Ok(Value::object(list))
}

fn items(cx: &Native<'_>) -> Items {
    Items::list(cx, receiver(cx))
}

pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    size_result(items(cx).len)
}
pub(super) fn is_empty(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(items(cx).len == 0))
}
pub(super) fn push(cx: &mut Native<'_>) -> NativeResult {
    let (list, v) = (cx.arg_root(0), cx.arg_root(1));
    push_root(cx, list, v)?;
    Ok(Value::NIL)
}

/// Shortens to `len` elements; the places behind become nil.
fn shorten(cx: &Native<'_>, list: Obj, len: usize) {
    let items = Items::list(cx, list);
    set_int_slot(cx, list, slots::LEN, len.min(items.len));
    if let Some(store) = buffer(cx, list) {
        (len..items.len).for_each(|i| cx.store(store, i, Value::NIL));
    }
}

pub(super) fn pop(cx: &mut Native<'_>) -> NativeResult {
    let list = receiver(cx);
    let items = Items::list(cx, list);
    let Some(last) = items.len.checked_sub(1) else { return Ok(Value::NIL) };
    let (store, at) = items.place(last);
    let v = cx.load(store, at).value();
    cx.store(store, at, Value::NIL);
    set_int_slot(cx, list, slots::LEN, last);
    Ok(v)
}
pub(super) fn truncate(cx: &mut Native<'_>) -> NativeResult {
    let len = size_arg(cx, "`truncate`", 1)?;
    shorten(cx, receiver(cx), len);
    Ok(Value::NIL)
}
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    let list = receiver(cx);
    set_int_slot(cx, list, slots::LEN, 0);
    cx.store(list, slots::BUFFER, Value::NIL);
    Ok(Value::NIL)
}

pub(super) fn insert(cx: &mut Native<'_>) -> NativeResult {
    let len = items(cx).len;
    let at = index_arg(cx, "`insert`", 1, len + 1)?;
    let list = cx.arg_root(0);
    reserve(cx, list, 1)?;
    let o = receiver(cx);
    let len = Items::list(cx, o).len;
    if let Some(store) = buffer(cx, o).filter(|b| len < b.len()) {
        for i in (at..len).rev() {
            cx.store(store, i + 1, cx.load(store, i));
        }
        cx.store(store, at.min(len), cx.arg(2));
        set_int_slot(cx, o, slots::LEN, len + 1);
    }
    Ok(Value::NIL)
}
pub(super) fn remove(cx: &mut Native<'_>) -> NativeResult {
    let len = items(cx).len;
    let at = index_arg(cx, "`remove`", 1, len)?;
    let v = items(cx).get(cx, at);
    let list = receiver(cx);
    if let Some(store) = buffer(cx, list) {
        (at + 1..len).for_each(|i| cx.store(store, i - 1, cx.load(store, i)));
    }
    shorten(cx, list, len - 1);
    Ok(v)
}

pub(super) fn first(cx: &mut Native<'_>) -> NativeResult {
    let items = Items::of(cx, receiver(cx));
    Ok(if items.len == 0 { Value::NIL } else { items.get(cx, 0) })
}
pub(super) fn last(cx: &mut Native<'_>) -> NativeResult {
    let items = Items::of(cx, receiver(cx));
    Ok(if items.len == 0 { Value::NIL } else { items.get(cx, items.len - 1) })
}

pub(super) fn slice(cx: &mut Native<'_>) -> NativeResult {
    let len = items(cx).len;
    let (from, to) = part_args(cx, "`slice`", 1, len)?;
    let list = cx.arg_root(0);
    part(cx, list, from, to)
}
pub(super) fn concat(cx: &mut Native<'_>) -> NativeResult {
    let other = kind_arg(cx, "`concat`", 1, ObjectKind::List, "a list")?;
    let total = items(cx).len + Items::list(cx, other).len;
    let list = new_list(cx, total)?;
    let other = cx.arg(1).object().expect("checked above");
    let (a, b) = (items(cx), Items::list(cx, other));
    let list = object_at(cx, list);
    if let Some(store) = buffer(cx, list) {
        let both = a.iter(cx).chain(b.iter(cx)).take(total).enumerate();
        both.for_each(|(i, v)| cx.init(store, i, v));
    }
    set_int_slot(cx, list, slots::LEN, total);
    Ok(Value::object(list))
}
pub(super) fn reverse(cx: &mut Native<'_>) -> NativeResult {
    let len = items(cx).len;
    let list = new_list(cx, len)?;
    let (items, list) = (items(cx), object_at(cx, list));
    if let Some(store) = buffer(cx, list) {
        (0..items.len.min(len)).for_each(|i| cx.init(store, len - 1 - i, items.get(cx, i)));
    }
    set_int_slot(cx, list, slots::LEN, len);
    Ok(Value::object(list))
}
pub(super) fn to_tuple(cx: &mut Native<'_>) -> NativeResult {
    let len = items(cx).len;
    let tuple = cx.alloc(ObjectKind::Tuple, len)?.object().expect("an object");
    let items = items(cx);
    (0..items.len.min(len)).for_each(|i| cx.init(tuple, i, items.get(cx, i)));
    Ok(Value::object(tuple))
}

fn position(cx: &Native<'_>) -> Option<usize> {
    let wanted = cx.arg(1).value();
    items(cx).iter(cx).position(|v| structural_eq(cx, v, wanted))
}
pub(super) fn contains(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(position(cx).is_some()))
}
pub(super) fn index_of(cx: &mut Native<'_>) -> NativeResult {
    Ok(position(cx).map_or(Value::NIL, |i| Value::small(i as i64)))
}

pub(super) fn swap(cx: &mut Native<'_>) -> NativeResult {
    let items = items(cx);
    let i = index_arg(cx, "`swap`", 1, items.len)?;
    let j = index_arg(cx, "`swap`", 2, items.len)?;
    let (a, b) = (items.get(cx, i), items.get(cx, j));
    let ((store, i), (_, j)) = (items.place(i), items.place(j));
    cx.store(store, i, b);
    cx.store(store, j, a);
    Ok(Value::NIL)
}
pub(super) fn fill(cx: &mut Native<'_>) -> NativeResult {
    let items = items(cx);
    for i in 0..items.len {
        let (store, at) = items.place(i);
        cx.store(store, at, cx.arg(1));
    }
    Ok(Value::NIL)
}

/// The display forms of the elements, with a separator between them.
pub(super) fn join(cx: &mut Native<'_>) -> NativeResult {
    let separator = string_arg(cx, "`join`", 1)?;
    let mut text = String::new();
    for i in 0..items(cx).len {
        if i > 0 {
            text.push_str(&separator);
        }
        let v = items(cx).get(cx, i);
        let fits = write_value(cx, v, Style::Display, &mut text);
        fits.map_err(|e| e.into_exit(cx))?;
    }
    text_result(cx, &text)
}

/// Ints as long as they last, floats from the first one on. The empty sum is 0.
pub(super) fn sum(cx: &mut Native<'_>) -> NativeResult {
    let items = items(cx);
    let mut sum = Number::Int(0);
    for i in 0..items.len {
        let v = items.get(cx, i);
        sum = match (sum, number_of(v)) {
            (Number::Int(a), Some(Number::Int(b))) => match a.checked_add(b) {
                Some(c) => Number::Int(c),
                None => return Err(super::operators::overflow(cx, a, "+", b)),
            },
            (a, Some(b)) => Number::Float(a.to_float() + b.to_float()),
            (_, None) => {
                let found = super::describe(cx.world_ref(), v);
                let message = format!("`sum` needs numbers, not {found}");
                return Err(cx.throw("TypeMismatch", &message));
            }
        };
    }
    match sum {
        Number::Int(i) => int_result(cx, i),
        Number::Float(f) => float_result(cx, f),
    }
}
