//! The hash table under maps and sets: entries in insertion order, and an index over them.
//!
//! ```text
//! map    [ LEN live | BUFFER | USED entries | INDEX ]
//! buffer [ key value | key value | UNDEFINED nil | … ]   (sets: keys only) in insertion order
//! index  [ hash32 << 32 | entry + 1 | 0 | … ]            open addressing, linear probing
//! ```
//!
//! - A removed entry's key becomes UNDEFINED (a tombstone); its index cell stays until the next
//!   rebuild. Cells never outnumber used entries, and entries are at most half of the cells.
//! - A full buffer is rebuilt: twice as large, or at the same size when a quarter of it is
//!   tombstones. Hashes are kept in the index, so keys are not hashed again.
//! - Up to [`LINEAR`] entries there is no index: a scan is as fast, and small maps stay small.
//! - All sizes come from the buffers themselves, so a racy program cannot reach beyond them.

use std::num::NonZeroU32;

use crate::class::ClassId;
use crate::host::{Exit, Local, Native, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

use super::equality::same_key;
use super::format::brief;
use super::hash::{BadKey, hash_key, hash_value};
use super::items::Read;
use super::support::{buffer, int_slot, object_at, set_int_slot};

/// Entries that are searched without an index.
const LINEAR: usize = 8;
const MIN_CAPACITY: usize = 4;
/// Slots of a map or set object.
const TABLE_LEN: usize = 4;

/// Values per entry.
fn width(table: Obj) -> usize {
    if table.class() == ClassId::MAP { 2 } else { 1 }
}

/// How many entries there are.
pub(super) fn len(cx: &impl Read, table: Obj) -> usize {
    int_slot(cx, table, slots::LEN)
}

fn capacity(cx: &impl Read, table: Obj) -> usize {
    buffer(cx, table).map_or(0, |b| b.len() / width(table))
}

fn used(cx: &impl Read, table: Obj) -> usize {
    int_slot(cx, table, slots::USED).min(capacity(cx, table))
}

/// The first entry from `entry` on that is no tombstone.
pub(super) fn live(cx: &impl Read, table: Obj, entry: usize) -> Option<usize> {
    let store = buffer(cx, table)?;
    let width = width(table);
    (entry..used(cx, table)).find(|e| cx.slot(store, e * width) != Value::UNDEFINED)
}

/// The key of an entry.
pub(super) fn key(cx: &impl Read, table: Obj, entry: usize) -> Value {
    entry_word(cx, table, entry, 0)
}

/// The value of a map's entry.
pub(super) fn value(cx: &impl Read, table: Obj, entry: usize) -> Value {
    entry_word(cx, table, entry, 1)
}

fn entry_word(cx: &impl Read, table: Obj, entry: usize, word: usize) -> Value {
    let at = entry * width(table) + word;
    match buffer(cx, table).filter(|b| at < b.len()) {
        Some(store) => cx.slot(store, at),
        None => Value::NIL,
    }
}

/// Overwrites the value of a map's entry.
pub(super) fn set_value(cx: &Native<'_>, map: Obj, entry: usize, v: Value) {
    if let Some(store) = buffer(cx, map).filter(|b| entry * 2 + 1 < b.len()) {
        cx.store(store, entry * 2 + 1, v);
    }
}

/// The entry with this key; none too when the value cannot be a key.
pub(super) fn find(cx: &Native<'_>, table: Obj, key: Value) -> Option<usize> {
    let hash = hash_key(cx, key).ok()?;
    lookup(cx, table, key, hash)
}

fn lookup(cx: &Native<'_>, table: Obj, key: Value, hash: u64) -> Option<usize> {
    let store = buffer(cx, table)?;
    let width = width(table);
    let is_key = |entry: usize| {
        let at = entry * width;
        at < store.len() && {
            let k = cx.load(store, at).value();
            k == key || may_be_same(k, key) && same_key(cx, k, key)
        }
    };
    let Some(index) = cx.load(table, slots::INDEX).object() else {
        return (0..used(cx, table)).find(|&e| is_key(e));
    };
    let mask = index.len() / 8 - 1;
    let hash32 = (hash >> 32) as usize;
    for probe in 0..=mask {
        let cell = index.raw_word((hash32 + probe) & mask);
        if cell == 0 {
            return None;
        }
        let entry = (cell as u32) as usize - 1;
        if cell >> 32 == hash32 as u64 && is_key(entry) {
            return Some(entry);
        }
    }
    None
}

/// Words that differ may yet be the same key if both are objects, or floats (-0.0 and 0.0).
fn may_be_same(a: Value, b: Value) -> bool {
    a.is_object() && b.is_object() || a.is_float() && b.is_float()
}

/// Why there is no key: TypeMismatch.
fn bad_key(cx: &mut Native<'_>, why: BadKey) -> Exit {
    let message = match why {
        BadKey::Nan => "keys are immutable values that equal themselves, not NaN".to_owned(),
        BadKey::Mutable(v) => {
            let found = super::describe(cx.world_ref(), v);
            format!("keys are immutable values, not {found}")
        }
    };
    cx.throw("TypeMismatch", &message)
}

/// The hash of a key argument, else TypeMismatch.
pub(super) fn key_hash(cx: &mut Native<'_>, key: Root) -> Result<u64, Exit> {
    let hash = hash_key(cx, cx.get(key).value());
    hash.map_err(|why| bad_key(cx, why))
}

/// The entry of a key argument, else TypeMismatch for what cannot be a key.
pub(super) fn find_arg(cx: &mut Native<'_>, table: Obj, i: usize) -> Result<Option<usize>, Exit> {
    match hash_key(cx, cx.arg(i).value()) {
        Ok(hash) => Ok(lookup(cx, table, cx.arg(i).value(), hash)),
        Err(why) => Err(bad_key(cx, why)),
    }
}

/// KeyNotFound for argument `i`.
pub(super) fn key_not_found(cx: &mut Native<'_>, i: usize) -> Exit {
    let key = brief(cx, cx.arg(i).value());
    cx.throw("KeyNotFound", &format!("the map has no key {key}"))
}

/// A new, empty map or set with room for `entries`. A safepoint.
pub(super) fn new_table(
    cx: &mut Native<'_>,
    kind: ObjectKind,
    entries: usize,
) -> Result<Root, Exit> {
    let table = cx.alloc(kind, TABLE_LEN)?.object().expect("an object");
    cx.init(table, slots::LEN, Value::small(0));
    cx.init(table, slots::USED, Value::small(0));
    let table = cx.root(table);
    if entries > 0 {
        rebuild(cx, table, table, entries.max(MIN_CAPACITY))?;
    }
    Ok(table)
}

/// Adds a key (and, in maps, its value), or overwrites the value of a key that is there. `true`:
/// the key is new. A safepoint.
pub(super) fn insert(
    cx: &mut Native<'_>,
    table: Root,
    key: Root,
    value: Option<Root>,
) -> Result<bool, Exit> {
    let hash = key_hash(cx, key)?;
    let o = object_at(cx, table);
    if let Some(entry) = lookup(cx, o, cx.get(key).value(), hash) {
        if let Some(value) = value {
            set_value(cx, o, entry, cx.get(value).value());
        }
        return Ok(false);
    }
    if used(cx, o) == capacity(cx, o) {
        grow(cx, table)?;
    }
    let o = object_at(cx, table);
    append(cx, o, hash, cx.get(key), value.map(|v| cx.get(v)));
    Ok(true)
}

/// Appends an entry: the key is not there and there is room (if a race took it, it is dropped).
fn append(cx: &Native<'_>, table: Obj, hash: u64, key: Local<'_>, value: Option<Local<'_>>) {
    let entry = used(cx, table);
    let Some(store) = buffer(cx, table).filter(|_| entry < capacity(cx, table)) else { return };
    if let Some(value) = value {
        cx.store(store, entry * 2 + 1, value);
    }
    cx.store(store, entry * width(table), key);
    if let Some(index) = cx.load(table, slots::INDEX).object() {
        add_cell(index, (hash >> 32) as u32, entry);
    }
    set_int_slot(cx, table, slots::USED, entry + 1);
    set_int_slot(cx, table, slots::LEN, len(cx, table) + 1);
}

fn add_cell(index: Obj, hash32: u32, entry: usize) {
    let mask = index.len() / 8 - 1;
    let free = (0..=mask).map(|probe| (hash32 as usize + probe) & mask);
    if let Some(at) = free.into_iter().find(|&at| index.raw_word(at) == 0) {
        index.set_raw_word(at, u64::from(hash32) << 32 | (entry as u64 + 1));
    }
}

#[cold]
fn grow(cx: &mut Native<'_>, table: Root) -> Result<(), Exit> {
    let o = object_at(cx, table);
    let (len, used) = (len(cx, o), used(cx, o));
    let wanted = if len * 4 <= used * 3 { used } else { used * 2 };
    rebuild(cx, table, table, wanted.max(MIN_CAPACITY))
}

/// Fills `into` with the live entries of `from` (the same table, or an empty one of its kind), with
/// room for `entries`. A safepoint; nothing has changed when it fails.
fn rebuild(cx: &mut Native<'_>, from: Root, into: Root, entries: usize) -> Result<(), Exit> {
    let width = width(object_at(cx, into));
    let entries = if entries > LINEAR { entries.next_power_of_two() } else { entries };
    let new_index = if entries > LINEAR {
        let index = cx.alloc(ObjectKind::Index, entries * 2 * 8)?.object().expect("an object");
        Some(cx.root(index))
    } else {
        None
    };
    let store = cx.alloc(ObjectKind::Buffer, entries * width)?.object().expect("an object");
    // No safepoint from here on.
    let old = object_at(cx, from);
    let index = new_index.map(|i| object_at(cx, i));
    if let Some(index) = index {
        fill_index(cx, old, index);
    }
    let (mut count, mut at) = (0, 0);
    while let Some(entry) = live(cx, old, at).filter(|_| count < entries) {
        at = entry + 1;
        (0..width).for_each(|w| {
            cx.init(store, count * width + w, entry_word(cx, old, entry, w));
        });
        count += 1;
    }
    let into = object_at(cx, into);
    cx.store(into, slots::BUFFER, store);
    match index {
        Some(index) => cx.store(into, slots::INDEX, index),
        None => cx.store(into, slots::INDEX, Value::NIL),
    }
    set_int_slot(cx, into, slots::LEN, count);
    set_int_slot(cx, into, slots::USED, count);
    Ok(())
}

/// Fills a new index with the cells of a table's live entries, numbered without the tombstones.
///
/// The old cells are read in order; a larger mask sends neighbours to two places, so both indexes
/// are walked through nearly in order too, and large tables grow at the speed of memory.
fn fill_index(cx: &Native<'_>, old: Obj, new: Obj) {
    let Some(index) = cx.load(old, slots::INDEX).object() else {
        let mut at = 0;
        for count in 0.. {
            let Some(entry) = live(cx, old, at) else { return };
            add_cell(new, (hash_value(cx, key(cx, old, entry)) >> 32) as u32, count);
            at = entry + 1;
        }
        return;
    };
    let numbers = (len(cx, old) != used(cx, old)).then(|| live_numbers(cx, old));
    for cell in (0..index.len() / 8).map(|i| index.raw_word(i)).filter(|&cell| cell != 0) {
        let entry = (cell as u32) as usize - 1;
        let number = match &numbers {
            None => Some(entry),
            Some(numbers) => numbers.get(entry).copied().flatten().map(|n| n.get() as usize - 1),
        };
        if let Some(number) = number {
            add_cell(new, (cell >> 32) as u32, number);
        }
    }
}

/// For every entry its number, counted from 1, among the live ones.
fn live_numbers(cx: &Native<'_>, table: Obj) -> Vec<Option<NonZeroU32>> {
    let mut numbers = vec![None; used(cx, table)];
    let (mut at, mut count) = (0, 0);
    while let Some(entry) = live(cx, table, at) {
        count += 1;
        numbers[entry] = NonZeroU32::new(count);
        at = entry + 1;
    }
    numbers
}

/// Takes an entry out.
pub(super) fn remove(cx: &Native<'_>, table: Obj, entry: usize) {
    let width = width(table);
    let Some(store) = buffer(cx, table).filter(|b| (entry + 1) * width <= b.len()) else { return };
    if width == 2 {
        cx.store(store, entry * 2 + 1, Value::NIL);
    }
    cx.store(store, entry * width, Value::UNDEFINED);
    let len = len(cx, table).saturating_sub(1);
    set_int_slot(cx, table, slots::LEN, len);
    if len == 0 {
        forget_tombstones(cx, table, store);
    }
}

/// An empty table starts again from its first entry: queues that run empty never grow.
fn forget_tombstones(cx: &Native<'_>, table: Obj, store: Obj) {
    let words = used(cx, table) * width(table);
    (0..words).for_each(|at| cx.store(store, at, Value::NIL));
    if let Some(index) = cx.load(table, slots::INDEX).object() {
        (0..index.len() / 8).for_each(|at| index.set_raw_word(at, 0));
    }
    set_int_slot(cx, table, slots::USED, 0);
}

/// Takes all entries out and gives the memory back.
pub(super) fn clear(cx: &Native<'_>, table: Obj) {
    set_int_slot(cx, table, slots::LEN, 0);
    set_int_slot(cx, table, slots::USED, 0);
    cx.store(table, slots::INDEX, Value::NIL);
    cx.store(table, slots::BUFFER, Value::NIL);
}

/// A copy with the same entries in the same order. A safepoint.
pub(super) fn copy(cx: &mut Native<'_>, table: Root) -> Result<Root, Exit> {
    let o = object_at(cx, table);
    let (kind, entries) = (o.kind(), len(cx, o));
    let new = new_table(cx, kind, 0)?;
    if entries > 0 {
        rebuild(cx, table, new, entries.max(MIN_CAPACITY))?;
    }
    Ok(new)
}
