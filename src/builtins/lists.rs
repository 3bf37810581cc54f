//! Lists, and the cons lists of `cons` and `nil`.
//!
//! A list is an object of length and buffer; a buffer's unused places hold nil. An empty list may
//! have no buffer (nil).

use super::compare::{self, Numbers, not_ordered};
use super::operators::{self, element};
use super::{Number, as_number, index_arg, int_arg, mismatch};
use crate::host::{Exit, IntoValue, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

const FIRST_CAPACITY: usize = 4;

/// Elements of a list or deque, entries of a map or set.
pub(super) fn len(cx: &Native<'_>, o: Obj) -> usize {
    cx.load(o, slots::LEN).value().as_int().unwrap_or(0) as usize
}
pub(super) fn set_len(cx: &Native<'_>, o: Obj, len: usize) {
    cx.store(o, slots::LEN, Value::small(len as i64));
}
pub(super) fn receiver(cx: &Native<'_>) -> Obj {
    cx.arg(0).object().expect("dispatched by class")
}
fn buffer(cx: &Native<'_>, o: Obj) -> Option<Obj> {
    cx.load(o, slots::BUFFER).object()
}
/// The next capacity: doubling, later by half.
pub(super) fn grown(capacity: usize) -> usize {
    if capacity < 1024 { (capacity * 2).max(FIRST_CAPACITY) } else { capacity + capacity / 2 }
}

/// A new list with room for `capacity` elements, rooted; its length is 0.
pub(super) fn new_list(cx: &mut Native<'_>, capacity: usize) -> Result<Root, Exit> {
    let empty = cx.alloc(ObjectKind::List, 2)?.value();
    let list = cx.root(empty);
    set_len(cx, cx.get(list).object().expect("a list"), 0);
    if capacity > 0 {
        let buffer = cx.alloc(ObjectKind::Buffer, capacity)?.value();
        cx.store(cx.get(list).object().expect("a list"), slots::BUFFER, buffer);
    }
    Ok(list)
}
/// Appends to a rooted list.
pub(super) fn append(cx: &mut Native<'_>, list: Root, v: Root) -> Result<(), Exit> {
    let o = cx.get(list).object().expect("a list");
    let n = len(cx, o);
    let capacity = buffer(cx, o).map_or(0, Obj::len);
    if n == capacity {
        grow(cx, list, grown(capacity))?;
    }
    append_in_place(cx, list, cx.get(v).value());
    Ok(())
}
/// Appends to a rooted list that has room.
pub(super) fn append_in_place(cx: &Native<'_>, list: Root, v: impl IntoValue) {
    let o = cx.get(list).object().expect("a list");
    let n = len(cx, o);
    cx.store(buffer(cx, o).expect("it has room"), n, v);
    set_len(cx, o, n + 1);
}
fn grow(cx: &mut Native<'_>, list: Root, capacity: usize) -> Result<(), Exit> {
    let new = cx.alloc(ObjectKind::Buffer, capacity)?.object().expect("a buffer");
    let o = cx.get(list).object().expect("a list");
    if let Some(old) = buffer(cx, o) {
        (0..old.len().min(capacity)).for_each(|i| cx.init(new, i, cx.load(old, i)));
    }
    cx.store(o, slots::BUFFER, new);
    Ok(())
}

/// The list of the arguments.
pub fn make_list(cx: &mut Native<'_>) -> NativeResult {
    let list = new_list(cx, cx.arg_count())?;
    for i in 0..cx.arg_count() {
        append_in_place(cx, list, cx.arg(i));
    }
    Ok(cx.get(list).value())
}
/// `list(n, init)`
pub(super) fn list(cx: &mut Native<'_>) -> NativeResult {
    let n = int_arg(cx, 0, "a list's length")?;
    let Ok(n) = usize::try_from(n) else {
        return Err(cx.throw("InvalidArgument", &format!("a list of {n} elements")));
    };
    let list = new_list(cx, n)?;
    let o = cx.get(list).object().expect("a list");
    if let Some(buffer) = buffer(cx, o) {
        let v = cx.arg(1);
        (0..n).for_each(|i| cx.init(buffer, i, v));
    }
    set_len(cx, o, n);
    Ok(cx.get(list).value())
}
/// `l.push(x)`
pub fn push(cx: &mut Native<'_>) -> NativeResult {
    append(cx, cx.arg_root(0), cx.arg_root(1))?;
    Ok(Value::NIL)
}
/// `l.pop()`: nil when empty.
pub(super) fn pop(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let Some(last) = len(cx, o).checked_sub(1) else { return Ok(Value::NIL) };
    let v = element(cx, o, last);
    if let Some(buffer) = buffer(cx, o).filter(|b| last < b.len()) {
        // The result stays rooted in the argument's place: a counting heap may free what leaves.
        cx.set(cx.arg_root(0), v);
        cx.store(buffer, last, Value::NIL);
    }
    set_len(cx, o, last);
    Ok(v)
}
/// `l.insert(i, x)`: `i` may be the length.
pub(super) fn insert(cx: &mut Native<'_>) -> NativeResult {
    let i = index_arg(cx, 1, len(cx, receiver(cx)) + 1)?;
    append(cx, cx.arg_root(0), cx.arg_root(2))?;
    let o = receiver(cx);
    let buffer = buffer(cx, o).expect("not empty");
    for j in (i..len(cx, o) - 1).rev() {
        cx.store(buffer, j + 1, cx.load(buffer, j));
    }
    cx.store(buffer, i, cx.arg(2));
    Ok(Value::NIL)
}
/// `l.remove(i)` → the element.
pub(super) fn remove(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let n = len(cx, o);
    let i = index_arg(cx, 1, n)?;
    let v = element(cx, o, i);
    let buffer = buffer(cx, o).expect("not empty");
    cx.set(cx.arg_root(1), v);
    for j in i + 1..n {
        cx.store(buffer, j - 1, cx.load(buffer, j));
    }
    cx.store(buffer, n - 1, Value::NIL);
    set_len(cx, o, n - 1);
    Ok(v)
}
/// `l.clear()`
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    set_len(cx, o, 0);
    cx.store(o, slots::BUFFER, Value::NIL);
    Ok(Value::NIL)
}
/// `l.truncate(n)`
pub(super) fn truncate(cx: &mut Native<'_>) -> NativeResult {
    let n = int_arg(cx, 1, "a length")?;
    let o = receiver(cx);
    let Ok(n) = usize::try_from(n) else {
        return Err(cx.throw("InvalidArgument", &format!("a list of {n} elements")));
    };
    if let Some(buffer) = buffer(cx, o) {
        (n..len(cx, o)).for_each(|i| cx.store(buffer, i, Value::NIL));
    }
    set_len(cx, o, len(cx, o).min(n));
    Ok(Value::NIL)
}
/// `l.first()`: nil when empty.
pub(super) fn first(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    Ok(if len(cx, o) == 0 { Value::NIL } else { element(cx, o, 0) })
}
/// `l.last()`: nil when empty.
pub(super) fn last(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    Ok(len(cx, o).checked_sub(1).map_or(Value::NIL, |i| element(cx, o, i)))
}
/// A new list of the elements `from..to` of argument 0.
pub(super) fn copy_range(cx: &mut Native<'_>, from: usize, to: usize) -> NativeResult {
    let n = to.saturating_sub(from);
    let list = new_list(cx, n)?;
    let o = receiver(cx);
    for i in from..from + n {
        append_in_place(cx, list, element(cx, o, i));
    }
    Ok(cx.get(list).value())
}
/// `l.slice(a, b)`
pub(super) fn slice(cx: &mut Native<'_>) -> NativeResult {
    let n = len(cx, receiver(cx));
    let (from, to) = (index_arg(cx, 1, n + 1)?, index_arg(cx, 2, n + 1)?);
    if from > to {
        return Err(cx.throw("IndexOutOfRange", &format!("slice from {from} to {to}")));
    }
    copy_range(cx, from, to)
}
/// `l.copy()`
pub(super) fn copy(cx: &mut Native<'_>) -> NativeResult {
    let n = len(cx, receiver(cx));
    copy_range(cx, 0, n)
}
/// `l.concat(other)`
pub(super) fn concat(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(1).value();
    if cx.arg(1).of_kind(ObjectKind::List).is_none() {
        return Err(mismatch(cx, "`concat` needs a list", v));
    }
    let (n, m) = (len(cx, receiver(cx)), len(cx, cx.arg(1).object().expect("a list")));
    let list = new_list(cx, n + m)?;
    for (arg, count) in [(0, n), (1, m)] {
        let o = cx.arg(arg).object().expect("a list");
        (0..count).for_each(|i| append_in_place(cx, list, element(cx, o, i)));
    }
    Ok(cx.get(list).value())
}
/// `l.reverse()`: a new list.
pub(super) fn reverse(cx: &mut Native<'_>) -> NativeResult {
    let n = len(cx, receiver(cx));
    let list = new_list(cx, n)?;
    let o = receiver(cx);
    (0..n).rev().for_each(|i| append_in_place(cx, list, element(cx, o, i)));
    Ok(cx.get(list).value())
}
fn position(cx: &Native<'_>) -> Option<usize> {
    let (o, v) = (receiver(cx), cx.arg(1).value());
    (0..len(cx, o)).find(|&i| compare::equal(cx, element(cx, o, i), v, Numbers::ByValue))
}
/// `l.contains(x)`
pub(super) fn contains(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(position(cx).is_some()))
}
/// `l.index_of(x)`: nil when it is not there.
pub(super) fn index_of(cx: &mut Native<'_>) -> NativeResult {
    Ok(position(cx).map_or(Value::NIL, |i| Value::small(i as i64)))
}
/// `l.swap(i, j)`
pub(super) fn swap(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let n = len(cx, o);
    let (i, j) = (index_arg(cx, 1, n)?, index_arg(cx, 2, n)?);
    let buffer = buffer(cx, o).expect("not empty");
    // Both in root words while they change places (counting heaps).
    cx.set(cx.arg_root(1), element(cx, o, i));
    cx.set(cx.arg_root(2), element(cx, o, j));
    cx.store(buffer, i, cx.arg(2));
    cx.store(buffer, j, cx.arg(1));
    Ok(Value::NIL)
}
/// `l.fill(v)`
pub(super) fn fill(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    if let Some(buffer) = buffer(cx, o) {
        (0..len(cx, o)).for_each(|i| cx.store(buffer, i, cx.arg(1)));
    }
    Ok(Value::NIL)
}
/// `l.join(separator)`: display forms.
pub(super) fn join(cx: &mut Native<'_>) -> NativeResult {
    let separator = super::text_arg(cx, 1, "a separator")?;
    let o = receiver(cx);
    let mut text = String::new();
    for i in 0..len(cx, o) {
        if i > 0 {
            text.push_str(&separator);
        }
        super::format::display_into(cx, element(cx, o, i), &mut text);
    }
    Ok(cx.new_str(&text)?.value())
}
/// `l.sum()`: 0 when empty.
pub(super) fn sum(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let (mut ints, mut floats, mut any_float) = (0i64, 0.0, false);
    for i in 0..len(cx, o) {
        match as_number(element(cx, o, i)) {
            Some(Number::Int(i)) if !any_float => match ints.checked_add(i) {
                Some(sum) => ints = sum,
                None => {
                    return Err(cx.throw("Overflow", "the sum needs more than 64 bits"));
                }
            },
            Some(n) => {
                if !any_float {
                    floats = ints as f64;
                    any_float = true;
                }
                floats += n.to_f64();
            }
            None => {
                let v = element(cx, o, i);
                return Err(mismatch(cx, "`sum` needs numbers", v));
            }
        }
    }
    if any_float { Ok(cx.new_float(floats)?.value()) } else { Ok(cx.new_int(ints)?.value()) }
}
/// `l.to_tuple()`
pub(super) fn to_tuple(cx: &mut Native<'_>) -> NativeResult {
    let n = len(cx, receiver(cx));
    let tuple = cx.alloc(ObjectKind::Tuple, n)?.object().expect("a tuple");
    let o = receiver(cx);
    (0..n).for_each(|i| cx.init(tuple, i, element(cx, o, i)));
    Ok(Value::object(tuple))
}
/// `x.to_list()` of anything that can be iterated over.
pub(super) fn to_list(cx: &mut Native<'_>) -> NativeResult {
    let list = new_list(cx, 0)?;
    let source = cx.arg_root(0);
    let (at, item) = (cx.root(Value::NIL), cx.root(Value::NIL));
    let start = operators::iter_start_of(cx, source)?;
    cx.set(at, start);
    while !operators::iter_done_of(cx, source, at)?.truthy() {
        let v = operators::iter_get_of(cx, source, at)?;
        cx.set(item, v);
        append(cx, list, item)?;
        let next = operators::iter_next_of(cx, source, at)?;
        cx.set(at, next);
    }
    Ok(cx.get(list).value())
}

/// `l.sort()`: in place, stable; nothing changes when two elements have no order.
pub(super) fn sort(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    // No safepoint from here on.
    let mut values: Vec<Value> = (0..len(cx, o)).map(|i| element(cx, o, i)).collect();
    let mut no_order = None;
    values.sort_by(|&a, &b| {
        compare::order(cx, a, b).unwrap_or_else(|pair| {
            no_order = Some(pair);
            std::cmp::Ordering::Equal
        })
    });
    if let Some((a, b)) = no_order {
        return Err(not_ordered(cx, a, b));
    }
    if let Some(buffer) = buffer(cx, o) {
        sort_into(cx, buffer, &values);
    }
    Ok(Value::NIL)
}
/// Stores a permutation of a buffer's elements. All are rooted first: a counting heap would free an
/// element that is overwritten before its new place is written.
fn sort_into(cx: &mut Native<'_>, buffer: Obj, values: &[Value]) {
    let keep: Vec<Root> = values.iter().map(|&v| cx.root(v)).collect();
    for (i, root) in keep.into_iter().enumerate() {
        cx.store(buffer, i, cx.get(root));
    }
}

// ---- cons lists ----

/// `cons(head, tail)`; the tail is a cons list or nil.
pub(super) fn cons(cx: &mut Native<'_>) -> NativeResult {
    let tail = cx.arg(1).value();
    if tail != Value::NIL && cx.arg(1).of_kind(ObjectKind::Cons).is_none() {
        return Err(mismatch(cx, "the tail must be a cons list or nil", tail));
    }
    let o = cx.alloc(ObjectKind::Cons, 2)?.object().expect("a cons cell");
    cx.init(o, slots::HEAD, cx.arg(0));
    cx.init(o, slots::TAIL, cx.arg(1));
    Ok(Value::object(o))
}
/// `c.head()`; nil of the empty list.
pub(super) fn head(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.arg(0).object();
    Ok(o.map_or(Value::NIL, |o| cx.load(o, slots::HEAD).value()))
}
/// `c.tail()`; nil of the empty list.
pub(super) fn tail(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.arg(0).object();
    Ok(o.map_or(Value::NIL, |o| cx.load(o, slots::TAIL).value()))
}
/// `c.reverse()`
pub(super) fn cons_reverse(cx: &mut Native<'_>) -> NativeResult {
    let at = cx.arg_root(0);
    let result = cx.root(Value::NIL);
    while cx.get(at).object().is_some() {
        let new = cx.alloc(ObjectKind::Cons, 2)?.object().expect("a cons cell");
        let old = cx.get(at).object().expect("just tested");
        cx.init(new, slots::HEAD, cx.load(old, slots::HEAD));
        cx.init(new, slots::TAIL, cx.get(result));
        cx.set(result, new);
        let rest = cx.load(cx.get(at).object().expect("just tested"), slots::TAIL).value();
        cx.set(at, rest);
    }
    Ok(cx.get(result).value())
}
