//! Deques: `[LEN | BUFFER | HEAD]`, a ring in the buffer that grows as lists do.

use crate::host::{Exit, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::items::Items;
use super::lists::grown;
use super::support::*;

/// Slots of a deque.
const DEQUE_LEN: usize = 3;

/// `deque()`: a new, empty one.
pub(super) fn deque(cx: &mut Native<'_>) -> NativeResult {
    let deque = cx.alloc(ObjectKind::Deque, DEQUE_LEN)?.object().expect("an object");
    cx.init(deque, slots::LEN, Value::small(0));
    cx.init(deque, slots::DEQUE_HEAD, Value::small(0));
    Ok(Value::object(deque))
}

fn items(cx: &Native<'_>) -> Items {
    Items::deque(cx, receiver(cx))
}

/// Makes room for one more element. A safepoint.
fn reserve(cx: &mut Native<'_>, deque: Root) -> Result<(), Exit> {
    let o = object_at(cx, deque);
    let have = buffer(cx, o).map_or(0, Obj::len);
    let len = Items::deque(cx, o).len;
    if len < have {
        return Ok(());
    }
    let store = cx.alloc(ObjectKind::Buffer, grown(have, len + 1))?.object().expect("an object");
    let o = object_at(cx, deque);
    let items = Items::deque(cx, o);
    (0..items.len.min(store.len())).for_each(|i| cx.init(store, i, items.get(cx, i)));
    set_int_slot(cx, o, slots::DEQUE_HEAD, 0);
    cx.store(o, slots::BUFFER, store);
    Ok(())
}

/// Puts argument 1 into the ring, `from_head` places behind its head (-1: in front of it).
fn push(cx: &mut Native<'_>, front: bool) -> NativeResult {
    let deque = cx.arg_root(0);
    reserve(cx, deque)?;
    let o = receiver(cx);
    let len = Items::deque(cx, o).len;
    if let Some(store) = buffer(cx, o).filter(|b| len < b.len()) {
        let capacity = store.len();
        let head = int_slot(cx, o, slots::DEQUE_HEAD) % capacity;
        let at = if front { head + capacity - 1 } else { head + len } % capacity;
        cx.store(store, at, cx.arg(1));
        if front {
            set_int_slot(cx, o, slots::DEQUE_HEAD, at);
        }
        set_int_slot(cx, o, slots::LEN, len + 1);
    }
    Ok(Value::NIL)
}
pub(super) fn push_back(cx: &mut Native<'_>) -> NativeResult {
    push(cx, false)
}
pub(super) fn push_front(cx: &mut Native<'_>) -> NativeResult {
    push(cx, true)
}

fn pop(cx: &mut Native<'_>, front: bool) -> NativeResult {
    let items = items(cx);
    let Some(last) = items.len.checked_sub(1) else { return Ok(Value::NIL) };
    let (store, at) = items.place(if front { 0 } else { last });
    let v = cx.load(store, at).value();
    cx.store(store, at, Value::NIL);
    let o = receiver(cx);
    if front {
        set_int_slot(cx, o, slots::DEQUE_HEAD, (at + 1) % store.len());
    }
    set_int_slot(cx, o, slots::LEN, last);
    Ok(v)
}
pub(super) fn pop_back(cx: &mut Native<'_>) -> NativeResult {
    pop(cx, false)
}
pub(super) fn pop_front(cx: &mut Native<'_>) -> NativeResult {
    pop(cx, true)
}

pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    size_result(items(cx).len)
}
pub(super) fn is_empty(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(items(cx).len == 0))
}
pub(super) fn get(cx: &mut Native<'_>) -> NativeResult {
    let items = items(cx);
    let i = index_arg(cx, "`get`", 1, items.len)?;
    Ok(items.get(cx, i))
}
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    let deque = receiver(cx);
    set_int_slot(cx, deque, slots::LEN, 0);
    set_int_slot(cx, deque, slots::DEQUE_HEAD, 0);
    cx.store(deque, slots::BUFFER, Value::NIL);
    Ok(Value::NIL)
}
