//! Map methods; the table is in `hashed`.

use crate::host::{Exit, Native, NativeResult};
use crate::object::{ObjectKind, slots};
use crate::value::Value;

use super::support::*;
use super::{hashed, lists};

pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    size_result(hashed::len(cx, receiver(cx)))
}
pub(super) fn is_empty(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(hashed::len(cx, receiver(cx)) == 0))
}
fn get_or_value(cx: &mut Native<'_>, default: Option<usize>) -> NativeResult {
    let map = receiver(cx);
    Ok(match (hashed::find_arg(cx, map, 1)?, default) {
        (Some(entry), _) => hashed::value(cx, map, entry),
        (None, Some(i)) => cx.arg(i).value(),
        (None, None) => Value::NIL,
    })
}
pub(super) fn get(cx: &mut Native<'_>) -> NativeResult {
    get_or_value(cx, None)
}
pub(super) fn get_or(cx: &mut Native<'_>) -> NativeResult {
    get_or_value(cx, Some(2))
}
pub(super) fn set(cx: &mut Native<'_>) -> NativeResult {
    let (map, key, value) = (cx.arg_root(0), cx.arg_root(1), cx.arg_root(2));
    hashed::insert(cx, map, key, Some(value))?;
    Ok(Value::NIL)
}
pub(super) fn has(cx: &mut Native<'_>) -> NativeResult {
    let table = receiver(cx);
    Ok(Value::bool(hashed::find_arg(cx, table, 1)?.is_some()))
}
pub(super) fn remove(cx: &mut Native<'_>) -> NativeResult {
    let map = receiver(cx);
    let Some(entry) = hashed::find_arg(cx, map, 1)? else { return Ok(Value::NIL) };
    let value = hashed::value(cx, map, entry);
    hashed::remove(cx, map, entry);
    Ok(value)
}
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    hashed::clear(cx, receiver(cx));
    Ok(Value::NIL)
}
pub(super) fn copy(cx: &mut Native<'_>) -> NativeResult {
    let table = cx.arg_root(0);
    let copy = hashed::copy(cx, table)?;
    Ok(cx.get(copy).value())
}

/// A new list of one word of every entry.
fn words(
    cx: &mut Native<'_>,
    word: fn(&Native<'_>, crate::object::Obj, usize) -> Value,
) -> NativeResult {
    let count = hashed::len(cx, receiver(cx));
    let list = lists::new_list(cx, count)?;
    let (table, list) = (receiver(cx), object_at(cx, list));
    let (mut n, mut at) = (0, 0);
    if let Some(store) = buffer(cx, list) {
        while let Some(entry) = hashed::live(cx, table, at).filter(|_| n < count) {
            cx.init(store, n, word(cx, table, entry));
            (n, at) = (n + 1, entry + 1);
        }
    }
    set_int_slot(cx, list, slots::LEN, n);
    Ok(Value::object(list))
}
pub(super) fn keys(cx: &mut Native<'_>) -> NativeResult {
    words(cx, |cx, map, entry| hashed::key(cx, map, entry))
}
pub(super) fn values(cx: &mut Native<'_>) -> NativeResult {
    words(cx, |cx, map, entry| hashed::value(cx, map, entry))
}

/// A new list of (key, value) tuples.
pub(super) fn entries(cx: &mut Native<'_>) -> NativeResult {
    let count = hashed::len(cx, receiver(cx));
    let list = lists::new_list(cx, count)?;
    let pair = cx.root(Value::NIL);
    let mut at = 0;
    while let Some(entry) = hashed::live(cx, receiver(cx), at) {
        at = entry + 1;
        entry_tuple(cx, entry).map(|tuple| cx.set(pair, tuple))?;
        lists::push_root(cx, list, pair)?;
    }
    Ok(cx.get(list).value())
}
fn entry_tuple(cx: &mut Native<'_>, entry: usize) -> Result<Value, Exit> {
    let tuple = cx.alloc(ObjectKind::Tuple, 2)?.object().expect("an object");
    let map = receiver(cx);
    cx.init(tuple, 0, hashed::key(cx, map, entry));
    cx.init(tuple, 1, hashed::value(cx, map, entry));
    Ok(Value::object(tuple))
}
