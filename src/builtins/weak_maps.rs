//! Weak map methods: keys by identity, held weakly; values held as long as their key is alive.
//!
//! The entries lie in an object that no collector traces, in order of insertion, and are found through an
//! index over the keys' addresses. What happens to them in a collection is in [`crate::weak`]; that also
//! makes the index anew when keys have moved. An entry that is gone keeps its place until the table grows.

use crate::class::ClassId;
use crate::host::{Exit, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;
use crate::weak::{add_to_index, address_hash};

use super::support::*;

const MIN_CAPACITY: usize = 4;
/// Slots of a weak map.
const LEN: usize = 4;

/// `weak_map()`
pub(super) fn weak_map(cx: &mut Native<'_>) -> NativeResult {
    let map = cx.alloc(ObjectKind::WeakMap, LEN)?.object().expect("an object");
    cx.init(map, slots::LEN, Value::small(0));
    cx.init(map, slots::USED, Value::small(0));
    cx.add_weak_map(map);
    Ok(Value::object(map))
}

fn capacity(cx: &Native<'_>, map: Obj) -> usize {
    buffer(cx, map).map_or(0, |store| store.len() / 2)
}
fn used(cx: &Native<'_>, map: Obj) -> usize {
    int_slot(cx, map, slots::USED).min(capacity(cx, map))
}

/// The key argument: an object that is more than its value, else TypeMismatch.
fn key_arg(cx: &mut Native<'_>) -> Result<Value, Exit> {
    let key = cx.arg(1).value();
    let has_identity = key
        .as_object()
        .is_some_and(|o| !matches!(o.class(), ClassId::STRING | ClassId::INT | ClassId::FLOAT));
    if has_identity { Ok(key) } else { Err(needs(cx, "a weak map", "an object as its key", 1)) }
}

/// The entry of a key.
fn find(cx: &Native<'_>, map: Obj, key: Value) -> Option<(Obj, usize)> {
    let store = buffer(cx, map)?;
    let index = cx.load(map, slots::INDEX).object()?;
    let (mask, hash, used) = (index.len() / 8 - 1, address_hash(key), used(cx, map));
    for probe in 0..=mask {
        let cell = index.raw_word((hash as usize + probe) & mask);
        if cell == 0 {
            return None;
        }
        let entry = (cell as u32) as usize - 1;
        if cell >> 32 == u64::from(hash)
            && entry < used
            && cx.load_weak(store, 2 * entry).value() == key
        {
            return Some((store, entry));
        }
    }
    None
}
fn find_arg(cx: &mut Native<'_>) -> Result<Option<(Obj, usize)>, Exit> {
    let key = key_arg(cx)?;
    Ok(find(cx, receiver(cx), key))
}

/// Entries that have not been found dead.
pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    size_result(int_slot(cx, receiver(cx), slots::LEN))
}
pub(super) fn get(cx: &mut Native<'_>) -> NativeResult {
    let found = find_arg(cx)?;
    Ok(found.map_or(Value::NIL, |(store, entry)| cx.load(store, 2 * entry + 1).value()))
}
pub(super) fn get_or(cx: &mut Native<'_>) -> NativeResult {
    let found = find_arg(cx)?;
    Ok(match found {
        Some((store, entry)) => cx.load(store, 2 * entry + 1).value(),
        None => cx.arg(2).value(),
    })
}
pub(super) fn has(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(find_arg(cx)?.is_some()))
}
pub(super) fn set(cx: &mut Native<'_>) -> NativeResult {
    if let Some((store, entry)) = find_arg(cx)? {
        cx.store(store, 2 * entry + 1, cx.arg(2));
        return Ok(Value::NIL);
    }
    let map = receiver(cx);
    if used(cx, map) == capacity(cx, map) {
        let map = cx.arg_root(0);
        grow(cx, map)?;
    }
    // No safepoint from here on.
    let (map, key) = (receiver(cx), cx.arg(1).value());
    let entry = used(cx, map);
    let store = buffer(cx, map).filter(|_| entry < capacity(cx, map));
    let index = cx.load(map, slots::INDEX).object();
    let (Some(store), Some(index)) = (store, index) else { return Ok(Value::NIL) };
    cx.store(store, 2 * entry + 1, cx.arg(2));
    cx.store_weak(store, 2 * entry, key);
    add_to_index(index, key, entry);
    set_int_slot(cx, map, slots::USED, entry + 1);
    set_int_slot(cx, map, slots::LEN, int_slot(cx, map, slots::LEN) + 1);
    Ok(Value::NIL)
}
/// The value that was there, or nil.
pub(super) fn remove(cx: &mut Native<'_>) -> NativeResult {
    let Some((store, entry)) = find_arg(cx)? else { return Ok(Value::NIL) };
    let map = receiver(cx);
    let value = cx.load(store, 2 * entry + 1).value();
    cx.store_weak(store, 2 * entry, Value::UNDEFINED);
    cx.store(store, 2 * entry + 1, Value::NIL);
    set_int_slot(cx, map, slots::LEN, int_slot(cx, map, slots::LEN).saturating_sub(1));
    Ok(value)
}
/// Takes all entries out and gives the memory back.
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    let map = receiver(cx);
    set_int_slot(cx, map, slots::LEN, 0);
    set_int_slot(cx, map, slots::USED, 0);
    cx.store(map, slots::INDEX, Value::NIL);
    cx.store(map, slots::BUFFER, Value::NIL);
    Ok(Value::NIL)
}

/// Moves the entries that are left to a larger table, or to one of the same size when a quarter of them has
/// gone. A safepoint; nothing has changed when it fails.
#[cold]
fn grow(cx: &mut Native<'_>, map: Root) -> Result<(), Exit> {
    let o = object_at(cx, map);
    let (len, used) = (int_slot(cx, o, slots::LEN), used(cx, o));
    let wanted = if len * 4 <= used * 3 { used } else { used * 2 };
    let wanted = wanted.max(MIN_CAPACITY);
    let bytes = wanted.next_power_of_two() * 2 * 8;
    let index = cx.alloc(ObjectKind::Index, bytes)?.object().expect("an object");
    let index = cx.root(index);
    let new = cx.alloc(ObjectKind::Ephemerons, 2 * wanted)?.object().expect("an object");
    // No safepoint from here on.
    let (o, index) = (object_at(cx, map), object_at(cx, index));
    let mut count = 0;
    if let Some(old) = buffer(cx, o) {
        for entry in 0..used {
            let key = cx.load_weak(old, 2 * entry).value();
            if key.is_object() && count < wanted {
                cx.init(new, 2 * count + 1, cx.load(old, 2 * entry + 1));
                cx.store_weak(new, 2 * count, key);
                add_to_index(index, key, count);
                count += 1;
            }
        }
    }
    cx.store(o, slots::BUFFER, new);
    cx.store(o, slots::INDEX, index);
    set_int_slot(cx, o, slots::LEN, count);
    set_int_slot(cx, o, slots::USED, count);
    Ok(())
}
