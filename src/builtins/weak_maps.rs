//! Weak map methods: keys by identity, held weakly; values held as long as their key is alive.
//!
//! The entries lie in an object that no collector traces, in order of insertion, with an index over the
//! keys' addresses. What happens to them in a collection is in [`crate::weak`]; that also makes the index
//! anew when keys have moved. An entry that is gone keeps its place until the store grows.

use crate::class::ClassId;
use crate::host::{Exit, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;
use crate::weak::{
    address_hash, capacity, index_slots, index_word, indexed_entry, key_slot, store_len,
};

use super::support::*;

const MIN_CAPACITY: usize = 4;

/// `weak_map()`
pub(super) fn weak_map(cx: &mut Native<'_>) -> NativeResult {
    let map = cx.alloc(ObjectKind::WeakMap, 1)?.object().expect("an object");
    cx.add_weak_map(map);
    Ok(Value::object(map))
}

fn store_of(cx: &Native<'_>, map: Obj) -> Option<Obj> {
    cx.load(map, slots::EPHEMERONS).object()
}
fn used(cx: &Native<'_>, store: Obj) -> usize {
    int_slot(cx, store, slots::ENTRIES_USED).min(capacity(store))
}
fn add_len(cx: &Native<'_>, store: Obj, by: isize) {
    let len = int_slot(cx, store, slots::ENTRIES_LEN).saturating_add_signed(by);
    set_int_slot(cx, store, slots::ENTRIES_LEN, len);
}

/// The key argument: an object that is more than its value, else TypeMismatch.
fn key_arg(cx: &mut Native<'_>) -> Result<Value, Exit> {
    let key = cx.arg(1).value();
    let has_identity = key
        .as_object()
        .is_some_and(|o| !matches!(o.class(), ClassId::STRING | ClassId::INT | ClassId::FLOAT));
    if has_identity { Ok(key) } else { Err(needs(cx, "a weak map", "an object as its key", 1)) }
}

/// The store and the entry of a key.
fn find(cx: &Native<'_>, map: Obj, key: Value) -> Option<(Obj, usize)> {
    let store = store_of(cx, map)?;
    let (hash, used) = (address_hash(key), used(cx, store));
    let words = index_slots(store, hash).map(|at| cx.load_weak(store, at).value().as_int());
    let mut entries = words.map_while(|word| word).filter_map(|word| indexed_entry(word, hash));
    let same =
        |entry: &usize| *entry < used && cx.load_weak(store, key_slot(*entry)).value() == key;
    Some((store, entries.find(same)?))
}
fn find_arg(cx: &mut Native<'_>) -> Result<Option<(Obj, usize)>, Exit> {
    let key = key_arg(cx)?;
    Ok(find(cx, receiver(cx), key))
}
fn value(cx: &Native<'_>, (store, entry): (Obj, usize)) -> Value {
    cx.load(store, key_slot(entry) + 1).value()
}

/// Entries that have not been found dead.
pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    let store = store_of(cx, receiver(cx));
    size_result(store.map_or(0, |store| int_slot(cx, store, slots::ENTRIES_LEN)))
}
pub(super) fn get(cx: &mut Native<'_>) -> NativeResult {
    Ok(find_arg(cx)?.map_or(Value::NIL, |found| value(cx, found)))
}
pub(super) fn get_or(cx: &mut Native<'_>) -> NativeResult {
    let found = find_arg(cx)?;
    Ok(found.map_or(cx.arg(2).value(), |found| value(cx, found)))
}
pub(super) fn has(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(find_arg(cx)?.is_some()))
}
pub(super) fn set(cx: &mut Native<'_>) -> NativeResult {
    if let Some((store, entry)) = find_arg(cx)? {
        cx.store(store, key_slot(entry) + 1, cx.arg(2));
        return Ok(Value::NIL);
    }
    let store = store_of(cx, receiver(cx));
    if store.is_none_or(|store| used(cx, store) == capacity(store)) {
        let map = cx.arg_root(0);
        grow(cx, map)?;
    }
    // No safepoint from here on. (If a race took the room, the entry is dropped.)
    let Some(store) = store_of(cx, receiver(cx)) else { return Ok(Value::NIL) };
    append(cx, store, cx.arg(1).value(), cx.arg(2).value());
    Ok(Value::NIL)
}
/// The value that was there, or nil.
pub(super) fn remove(cx: &mut Native<'_>) -> NativeResult {
    let Some(found) = find_arg(cx)? else { return Ok(Value::NIL) };
    let (store, entry) = found;
    let value = value(cx, found);
    cx.store_weak(store, key_slot(entry), Value::UNDEFINED);
    cx.store(store, key_slot(entry) + 1, Value::NIL);
    add_len(cx, store, -1);
    Ok(value)
}
/// Takes all entries out and gives the memory back.
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    cx.store(receiver(cx), slots::EPHEMERONS, Value::NIL);
    Ok(Value::NIL)
}

/// Appends an entry if there is room.
fn append(cx: &Native<'_>, store: Obj, key: Value, value: Value) {
    let entry = used(cx, store);
    let hash = address_hash(key);
    let is_free = |&at: &usize| cx.load_weak(store, at).value() == Value::NIL;
    let Some(at) = index_slots(store, hash).find(is_free).filter(|_| entry < capacity(store))
    else {
        return;
    };
    cx.store(store, key_slot(entry) + 1, value);
    cx.store_weak(store, key_slot(entry), key);
    cx.store_weak(store, at, index_word(hash, entry));
    set_int_slot(cx, store, slots::ENTRIES_USED, entry + 1);
    add_len(cx, store, 1);
}

/// Moves the entries that are left to a store of twice the size, or of the same when a quarter of them has
/// gone. A safepoint; nothing has changed when it fails.
#[cold]
fn grow(cx: &mut Native<'_>, map: Root) -> Result<(), Exit> {
    let old = store_of(cx, object_at(cx, map));
    let wanted = old.map_or(MIN_CAPACITY, |old| {
        let (len, used) = (int_slot(cx, old, slots::ENTRIES_LEN), used(cx, old));
        capacity(old) * if len * 4 <= used * 3 { 1 } else { 2 }
    });
    let new = cx.alloc(ObjectKind::Ephemerons, store_len(wanted))?.object().expect("an object");
    // No safepoint from here on.
    set_int_slot(cx, new, slots::ENTRIES_LEN, 0);
    set_int_slot(cx, new, slots::ENTRIES_USED, 0);
    let map = object_at(cx, map);
    if let Some(old) = store_of(cx, map) {
        for entry in 0..used(cx, old) {
            let key = cx.load_weak(old, key_slot(entry)).value();
            if key.is_object() {
                append(cx, new, key, value(cx, (old, entry)));
            }
        }
    }
    cx.store(map, slots::EPHEMERONS, new);
    Ok(())
}
