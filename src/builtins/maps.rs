//! Maps and sets: insertion-ordered hash tables.
//!
//! ```text
//! map [len, buffer, used, index]      buffer: key value key value …   (sets: key key …)
//!                                     index:  one word per place: hash (high 32) | entry + 1, 0 = free
//! ```
//! Entries stand in insertion order; a removed one leaves `UNDEFINED` as its key until the next
//! growth or compaction. Up to [`LINEAR`] entries there is no index and keys are compared in order.
//! Otherwise places are probed linearly; the index is at most half full.

use super::compare::{self, Numbers, equal};
use super::lists::{append_in_place, len, new_list, receiver, set_len};
use super::mismatch;
use crate::host::{Exit, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

const LINEAR: usize = 8;

fn width(o: Obj) -> usize {
    if o.kind() == ObjectKind::Map { 2 } else { 1 }
}
fn buffer(cx: &Native<'_>, o: Obj) -> Option<Obj> {
    cx.load(o, slots::BUFFER).object()
}
/// Entries that were ever used, removed ones included.
pub(super) fn used(cx: &Native<'_>, o: Obj) -> usize {
    cx.load(o, slots::USED).value().as_int().unwrap_or(0) as usize
}
fn set_used(cx: &Native<'_>, o: Obj, used: usize) {
    cx.store(o, slots::USED, Value::small(used as i64));
}
/// The key of an entry; `UNDEFINED` when it was removed.
pub(super) fn key_at(cx: &Native<'_>, o: Obj, entry: usize) -> Value {
    let at = entry * width(o);
    match buffer(cx, o) {
        // A racy program may have replaced the buffer meanwhile.
        Some(buffer) if at < buffer.len() => cx.load(buffer, at).value(),
        _ => Value::UNDEFINED,
    }
}
fn value_at(cx: &Native<'_>, o: Obj, entry: usize) -> Value {
    match buffer(cx, o) {
        Some(buffer) if entry * 2 + 1 < buffer.len() => cx.load(buffer, entry * 2 + 1).value(),
        _ => Value::NIL,
    }
}
/// The first entry that is there, from `entry` on.
pub(super) fn next_entry(cx: &Native<'_>, o: Obj, entry: usize) -> usize {
    let used = used(cx, o);
    (entry..used).find(|&e| key_at(cx, o, e) != Value::UNDEFINED).unwrap_or(used)
}
fn entries<'a>(cx: &'a Native<'_>, o: Obj) -> impl Iterator<Item = usize> + 'a {
    (0..used(cx, o)).filter(move |&e| key_at(cx, o, e) != Value::UNDEFINED)
}

fn keys_equal(cx: &Native<'_>, a: Value, b: Value) -> bool {
    a == b && a.is_int() || b != Value::UNDEFINED && equal(cx, a, b, Numbers::ByKind)
}

/// The entry of a key.
fn find(cx: &Native<'_>, o: Obj, key: Value, hash: u64) -> Option<usize> {
    let Some(index) = cx.load(o, slots::INDEX).object() else {
        return (0..used(cx, o)).find(|&e| keys_equal(cx, key, key_at(cx, o, e)));
    };
    let mask = index.len() / 8 - 1;
    let mut at = hash as usize & mask;
    // The count of probes bounds what a racing writer could make endless.
    for _ in 0..=mask {
        let word = index.raw_word(at);
        if word == 0 {
            return None;
        }
        let entry = (word as u32 - 1) as usize;
        if word >> 32 == hash & 0xffff_ffff && keys_equal(cx, key, key_at(cx, o, entry)) {
            return Some(entry);
        }
        at = (at + 1) & mask;
    }
    None
}
fn add_to_index(index: Obj, hash: u64, entry: usize) {
    let mask = index.len() / 8 - 1;
    let mut at = hash as usize & mask;
    while index.raw_word(at) != 0 {
        at = (at + 1) & mask;
    }
    index.set_raw_word(at, hash << 32 | (entry as u64 + 1));
}

/// The hash of a key that may be used as one.
fn hash_of(cx: &mut Native<'_>, key: Root) -> Result<u64, Exit> {
    let v = cx.get(key).value();
    match compare::hash_key(cx, v) {
        Ok(hash) => Ok(hash & 0xffff_ffff),
        Err(part) if super::as_float(part).is_some() => {
            Err(cx.throw("InvalidArgument", "NaN cannot be a key"))
        }
        Err(part) => Err(mismatch(cx, "keys are immutable values", part)),
    }
}

/// Room for one more entry: doubles, or compacts when half of the entries are removed ones.
fn reserve(cx: &mut Native<'_>, map: Root) -> Result<(), Exit> {
    let object = |cx: &Native<'_>| cx.get(map).object().expect("a map or set");
    let o = object(cx);
    let w = width(o);
    let capacity = buffer(cx, o).map_or(0, |b| b.len() / w);
    if used(cx, o) < capacity {
        return Ok(());
    }
    let live = len(cx, o);
    let sparse = capacity > 0 && live * 2 <= capacity;
    let new_capacity = if sparse { capacity } else { (capacity * 2).max(4) };
    let new_buffer = cx.alloc(ObjectKind::Buffer, new_capacity * w)?.value();
    let new_buffer = cx.root(new_buffer);
    let new_index = if new_capacity > LINEAR {
        let places = (new_capacity * 2).next_power_of_two();
        cx.alloc(ObjectKind::Index, places * 8)?.value()
    } else {
        Value::NIL
    };
    // No safepoint from here on.
    let (o, to) = (object(cx), cx.get(new_buffer).object().expect("a buffer"));
    let old: Vec<usize> = entries(cx, o).collect();
    for (new, &e) in old.iter().enumerate() {
        let key = key_at(cx, o, e);
        cx.init(to, new * w, key);
        if w == 2 {
            cx.init(to, new * 2 + 1, value_at(cx, o, e));
        }
        if let Some(index) = new_index.as_object() {
            let hash = compare::hash_key(cx, key).unwrap_or(0) & 0xffff_ffff;
            add_to_index(index, hash, new);
        }
    }
    cx.store(o, slots::BUFFER, to);
    cx.store(o, slots::INDEX, new_index);
    set_used(cx, o, old.len());
    Ok(())
}

/// Sets or adds an entry; `true` when it is new.
fn put(cx: &mut Native<'_>, map: Root, key: Root, value: Option<Root>) -> Result<bool, Exit> {
    let hash = hash_of(cx, key)?;
    let o = cx.get(map).object().expect("a map or set");
    if let Some(entry) = find(cx, o, cx.get(key).value(), hash) {
        if let (Some(value), Some(buffer)) = (value, buffer(cx, o)) {
            cx.store(buffer, entry * 2 + 1, cx.get(value));
        }
        return Ok(false);
    }
    reserve(cx, map)?;
    let o = cx.get(map).object().expect("a map or set");
    let (entry, buffer) = (used(cx, o), buffer(cx, o).expect("it has room"));
    cx.store(buffer, entry * width(o), cx.get(key));
    if let Some(value) = value {
        cx.store(buffer, entry * 2 + 1, cx.get(value));
    }
    if let Some(index) = cx.load(o, slots::INDEX).object() {
        add_to_index(index, hash, entry);
    }
    set_used(cx, o, entry + 1);
    set_len(cx, o, len(cx, o) + 1);
    Ok(true)
}
/// Removes an entry; its value (or true for sets) is rooted in the argument's place.
fn take(cx: &mut Native<'_>) -> Result<Option<Value>, Exit> {
    let hash = hash_of(cx, cx.arg_root(1))?;
    let o = receiver(cx);
    let Some(entry) = find(cx, o, cx.arg(1).value(), hash) else { return Ok(None) };
    let buffer = buffer(cx, o).expect("it has an entry");
    let w = width(o);
    let v = if w == 2 { value_at(cx, o, entry) } else { Value::TRUE };
    cx.set(cx.arg_root(1), v);
    cx.store(buffer, entry * w, Value::UNDEFINED);
    if w == 2 {
        cx.store(buffer, entry * 2 + 1, Value::NIL);
    }
    let left = len(cx, o) - 1;
    set_len(cx, o, left);
    if left == 0 {
        forget_all(cx, o);
    }
    Ok(Some(v))
}
fn forget_all(cx: &Native<'_>, o: Obj) {
    set_len(cx, o, 0);
    set_used(cx, o, 0);
    cx.store(o, slots::BUFFER, Value::NIL);
    cx.store(o, slots::INDEX, Value::NIL);
}

fn new(cx: &mut Native<'_>, kind: ObjectKind) -> Result<Root, Exit> {
    let o = cx.alloc(kind, 4)?.object().expect("a map or set");
    set_len(cx, o, 0);
    set_used(cx, o, 0);
    Ok(cx.root(o))
}
/// The map of the arguments: key, value, … ; the last of equal keys wins.
pub fn make_map(cx: &mut Native<'_>) -> NativeResult {
    let map = new(cx, ObjectKind::Map)?;
    for i in (0..cx.arg_count()).step_by(2) {
        put(cx, map, cx.arg_root(i), Some(cx.arg_root(i + 1)))?;
    }
    Ok(cx.get(map).value())
}
/// The set of the arguments.
pub fn make_set(cx: &mut Native<'_>) -> NativeResult {
    let set = new(cx, ObjectKind::Set)?;
    for i in 0..cx.arg_count() {
        put(cx, set, cx.arg_root(i), None)?;
    }
    Ok(cx.get(set).value())
}
fn lookup(cx: &mut Native<'_>) -> Result<Option<Value>, Exit> {
    let hash = hash_of(cx, cx.arg_root(1))?;
    let o = receiver(cx);
    Ok(find(cx, o, cx.arg(1).value(), hash).map(|entry| value_at(cx, o, entry)))
}
/// `m.get(k)`: nil when absent.
pub(super) fn get(cx: &mut Native<'_>) -> NativeResult {
    Ok(lookup(cx)?.unwrap_or(Value::NIL))
}
/// `m.get_or(k, default)`
pub(super) fn get_or(cx: &mut Native<'_>) -> NativeResult {
    let found = lookup(cx)?;
    Ok(found.unwrap_or_else(|| cx.arg(2).value()))
}
/// `m[k]`
pub(super) fn index(cx: &mut Native<'_>) -> NativeResult {
    match lookup(cx)? {
        Some(v) => Ok(v),
        None => {
            let mut key = String::new();
            super::format::repr_into(cx, cx.arg(1).value(), &mut key);
            Err(cx.throw("KeyNotFound", &format!("no key {key}")))
        }
    }
}
/// `m[k] = v`, `m.set(k, v)`
pub(super) fn set(cx: &mut Native<'_>) -> NativeResult {
    put(cx, cx.arg_root(0), cx.arg_root(1), Some(cx.arg_root(2)))?;
    Ok(Value::NIL)
}
/// `s.add(x)`: true when it is new.
pub fn add(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(put(cx, cx.arg_root(0), cx.arg_root(1), None)?))
}
/// `m.has(k)`, `s.has(x)`
pub(super) fn has(cx: &mut Native<'_>) -> NativeResult {
    let hash = hash_of(cx, cx.arg_root(1))?;
    Ok(Value::bool(find(cx, receiver(cx), cx.arg(1).value(), hash).is_some()))
}
/// `m.remove(k)`: the value or nil.
pub(super) fn remove(cx: &mut Native<'_>) -> NativeResult {
    Ok(take(cx)?.unwrap_or(Value::NIL))
}
/// `s.remove(x)`: whether it was there.
pub(super) fn remove_element(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(take(cx)?.is_some()))
}
/// `m.keys()`
pub(super) fn keys(cx: &mut Native<'_>) -> NativeResult {
    let list = new_list(cx, len(cx, receiver(cx)))?;
    let o = receiver(cx);
    entries(cx, o).for_each(|e| append_in_place(cx, list, key_at(cx, o, e)));
    Ok(cx.get(list).value())
}
/// `m.values()`
pub(super) fn values(cx: &mut Native<'_>) -> NativeResult {
    let list = new_list(cx, len(cx, receiver(cx)))?;
    let o = receiver(cx);
    entries(cx, o).for_each(|e| append_in_place(cx, list, value_at(cx, o, e)));
    Ok(cx.get(list).value())
}
/// The (key, value) tuple of an entry.
pub(super) fn entry_tuple(cx: &mut Native<'_>, map: Root, entry: usize) -> NativeResult {
    let tuple = cx.alloc(ObjectKind::Tuple, 2)?.object().expect("a tuple");
    let o = cx.get(map).object().expect("a map");
    cx.init(tuple, 0, key_at(cx, o, entry));
    cx.init(tuple, 1, value_at(cx, o, entry));
    Ok(Value::object(tuple))
}
/// `m.clear()`, `s.clear()`
pub(super) fn clear(cx: &mut Native<'_>) -> NativeResult {
    forget_all(cx, receiver(cx));
    Ok(Value::NIL)
}
/// Adds the entries of argument `from` for whose keys `keep` holds to a new map or set.
fn copy_into(
    cx: &mut Native<'_>,
    to: Root,
    from: usize,
    keep: fn(&Native<'_>, Value, u64) -> bool,
) -> Result<(), Exit> {
    let (key, value) = (cx.root(Value::NIL), cx.root(Value::NIL));
    let source = |cx: &Native<'_>| cx.arg(from).object().expect("a map or set");
    let mut entry = next_entry(cx, source(cx), 0);
    while entry < used(cx, source(cx)) {
        let o = source(cx);
        cx.set(key, key_at(cx, o, entry));
        let is_map = width(o) == 2;
        if is_map {
            cx.set(value, value_at(cx, o, entry));
        }
        let hash = hash_of(cx, key)?;
        if keep(cx, cx.get(key).value(), hash) {
            put(cx, to, key, is_map.then_some(value))?;
        }
        entry = next_entry(cx, source(cx), entry + 1);
    }
    Ok(())
}
/// `m.copy()`, `s.copy()`
pub(super) fn copy(cx: &mut Native<'_>) -> NativeResult {
    let to = new(cx, receiver(cx).kind())?;
    copy_into(cx, to, 0, |_, _, _| true)?;
    Ok(cx.get(to).value())
}
fn other_set(cx: &mut Native<'_>) -> Result<(), Exit> {
    let v = cx.arg(1).value();
    match cx.arg(1).of_kind(ObjectKind::Set) {
        Some(_) => Ok(()),
        None => Err(mismatch(cx, "a set operation needs a set", v)),
    }
}
fn in_other(cx: &Native<'_>, key: Value, hash: u64) -> bool {
    find(cx, cx.arg(1).object().expect("a set"), key, hash).is_some()
}
/// `s.union(other)`
pub(super) fn union(cx: &mut Native<'_>) -> NativeResult {
    other_set(cx)?;
    let to = new(cx, ObjectKind::Set)?;
    copy_into(cx, to, 0, |_, _, _| true)?;
    copy_into(cx, to, 1, |_, _, _| true)?;
    Ok(cx.get(to).value())
}
/// `s.intersection(other)`
pub(super) fn intersection(cx: &mut Native<'_>) -> NativeResult {
    other_set(cx)?;
    let to = new(cx, ObjectKind::Set)?;
    copy_into(cx, to, 0, in_other)?;
    Ok(cx.get(to).value())
}
/// `s.difference(other)`
pub(super) fn difference(cx: &mut Native<'_>) -> NativeResult {
    other_set(cx)?;
    let to = new(cx, ObjectKind::Set)?;
    copy_into(cx, to, 0, |cx, key, hash| !in_other(cx, key, hash))?;
    Ok(cx.get(to).value())
}

/// Whether two maps or sets have the same keys; pairs of values are left to the caller. Order does
/// not matter, and keys are compared as keys.
pub(super) fn equal_entries(
    cx: &Native<'_>,
    x: Obj,
    y: Obj,
    work: &mut Vec<(Value, Value)>,
) -> bool {
    if len(cx, x) != len(cx, y) {
        return false;
    }
    for entry in entries(cx, x) {
        let key = key_at(cx, x, entry);
        let hash = compare::hash_key(cx, key).unwrap_or(0) & 0xffff_ffff;
        let Some(other) = find(cx, y, key, hash) else { return false };
        if width(x) == 2 {
            work.push((value_at(cx, x, entry), value_at(cx, y, other)));
        }
    }
    true
}
