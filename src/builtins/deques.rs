//! Deques: ring buffers.

use super::lists::{grown, len, receiver, set_len};
use super::operators::element;
use crate::host::{Exit, Native, NativeResult};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

fn head(cx: &Native<'_>, o: Obj) -> usize {
    cx.load(o, slots::DEQUE_HEAD).value().as_int().unwrap_or(0) as usize
}
fn set_head(cx: &Native<'_>, o: Obj, head: usize) {
    cx.store(o, slots::DEQUE_HEAD, Value::small(head as i64));
}
fn capacity(cx: &Native<'_>, o: Obj) -> usize {
    cx.load(o, slots::BUFFER).object().map_or(0, Obj::len)
}
/// Where element `i` is in the buffer.
pub(super) fn place(cx: &Native<'_>, o: Obj, i: usize) -> usize {
    (head(cx, o) + i) % capacity(cx, o).max(1)
}

/// `deque()`
pub(super) fn deque(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.alloc(ObjectKind::Deque, 3)?.object().expect("a deque");
    set_len(cx, o, 0);
    set_head(cx, o, 0);
    Ok(Value::object(o))
}
/// Makes room for one more element.
fn reserve(cx: &mut Native<'_>) -> Result<(), Exit> {
    let (n, old_capacity) = (len(cx, receiver(cx)), capacity(cx, receiver(cx)));
    if n < old_capacity {
        return Ok(());
    }
    let new = cx.alloc(ObjectKind::Buffer, grown(old_capacity))?.object().expect("a buffer");
    let o = receiver(cx);
    (0..n).for_each(|i| cx.init(new, i, element(cx, o, i)));
    cx.store(o, slots::BUFFER, new);
    set_head(cx, o, 0);
    Ok(())
}
fn put(cx: &Native<'_>, o: Obj, at: usize, v: Value) {
    let buffer = cx.load(o, slots::BUFFER).object().expect("it has room");
    cx.store(buffer, at, v);
}
/// `d.push_back(x)`
pub(super) fn push_back(cx: &mut Native<'_>) -> NativeResult {
    reserve(cx)?;
    let o = receiver(cx);
    let n = len(cx, o);
    put(cx, o, place(cx, o, n), cx.arg(1).value());
    set_len(cx, o, n + 1);
    Ok(Value::NIL)
}
/// `d.push_front(x)`
pub(super) fn push_front(cx: &mut Native<'_>) -> NativeResult {
    reserve(cx)?;
    let o = receiver(cx);
    let at = place(cx, o, capacity(cx, o) - 1);
    put(cx, o, at, cx.arg(1).value());
    set_head(cx, o, at);
    set_len(cx, o, len(cx, o) + 1);
    Ok(Value::NIL)
}
fn take(cx: &mut Native<'_>, i: usize) -> Value {
    let o = receiver(cx);
    let v = element(cx, o, i);
    let at = place(cx, o, i);
    // The result stays rooted in the receiver's place while its slot is cleared.
    let root = cx.root(v);
    put(cx, o, at, Value::NIL);
    set_len(cx, o, len(cx, o) - 1);
    cx.get(root).value()
}
/// `d.pop_back()`: nil when empty.
pub(super) fn pop_back(cx: &mut Native<'_>) -> NativeResult {
    let n = len(cx, receiver(cx));
    Ok(if n == 0 { Value::NIL } else { take(cx, n - 1) })
}
/// `d.pop_front()`: nil when empty.
pub(super) fn pop_front(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    if len(cx, o) == 0 {
        return Ok(Value::NIL);
    }
    let next = place(cx, o, 1);
    let v = take(cx, 0);
    set_head(cx, receiver(cx), next);
    Ok(v)
}
/// `d.front()`: nil when empty.
pub(super) fn front(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    Ok(if len(cx, o) == 0 { Value::NIL } else { element(cx, o, 0) })
}
/// `d.back()`: nil when empty.
pub(super) fn back(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    Ok(len(cx, o).checked_sub(1).map_or(Value::NIL, |i| element(cx, o, i)))
}
/// `d.clear()`
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    set_len(cx, o, 0);
    set_head(cx, o, 0);
    cx.store(o, slots::BUFFER, Value::NIL);
    Ok(Value::NIL)
}
