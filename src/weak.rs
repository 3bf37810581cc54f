//! Weak references, weak maps and finalizers: what becomes of them when a collector knows what is
//! reachable.
//!
//! An entry of a weak map is an *ephemeron*: its value is held as long as its map and its key are alive,
//! and what the value refers to does not count towards its own key. So a value may refer to its key, and
//! the pair still goes.
//!
//! ```text
//!   map ──► ephemerons [ len │ used │ key value │ key value │ … │ index: hash of key's address ► entry ]
//!                                      ┄┄ no collector traces this object ┄┄
//! ```
//!
//! Steps of [`World::process_weak`], which a collector calls, tracing in between, until it answers `false`
//! 1. The values of entries whose map and key are alive are brought to life. If there was one that was
//!    not alive before, trace and call again: it may lead to other keys. Each turn but the last brings a
//!    value to life, so there is an end; turns alternate in direction, so that a chain of entries in
//!    either order needs two of them.
//! 2. Entries with a dead key go, weak slots with a dead target become nil; also in holders that look dead
//!    (a finalizer may revive those), so that nobody sees a finalized object through one.
//! 3. Dead objects with finalizers are revived; if there were any, trace and call again.
//! 4. The tables forget dead holders and take the final addresses; indexes of keys that have moved are
//!    made anew.
//!
//! Invariants
//! - W1. Until step 4 every weak slot holds the address from before the collection: each turn may ask of
//!   it again.
//! - W2. An entry that has gone has the key `UNDEFINED` and the value nil. Entries keep their places, so that
//!   a heap may remember slots.
//! - W3. All that changes in a collection lies in the object that no collector traces; the map itself stays
//!   as it is.
//!
//! Counting heaps count the values, and cannot see by a count that only values lead to a key. They
//! subtract these counts before they look for cycles ([`World::weak_values`]), so that a value is as dead
//! as its key, and add those of the entries that are left afterwards.
//!
//! Costs: each collection, also a minor one, visits all weak references and all entries of weak maps.
//!
//! Source: Hayes: Ephemerons: A New Finalization Mechanism, OOPSLA 1997; the alternating directions as in
//! Lua 5.4's collector.

use crate::heap::Liveness;
use crate::object::{Obj, slots};
use crate::value::Value;
use crate::world::World;

/// The hash by which the index of a weak map finds a key.
pub(crate) fn address_hash(key: Value) -> u32 {
    // Fibonacci hashing: the upper half of the product depends on all bits.
    (key.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Slots of a store for so many entries, a power of two: the index has twice as many places.
pub(crate) const fn store_len(capacity: usize) -> usize {
    slots::ENTRIES_FIRST + 4 * capacity
}
/// How many entries a store has room for.
pub(crate) fn capacity(store: Obj) -> usize {
    (store.len() - slots::ENTRIES_FIRST) / 4
}
/// The slot of an entry's key; the next one is its value's.
pub(crate) fn key_slot(entry: usize) -> usize {
    slots::ENTRIES_FIRST + 2 * entry
}
/// Bits of an entry's number in the index; above them is the hash.
const ENTRY_BITS: u32 = 28;
const _: () = assert!(crate::host::MAX_LEN as usize / 4 < 1 << ENTRY_BITS);

/// The slots of a store's index where a key may be, and what they hold for an entry.
pub(crate) fn index_slots(store: Obj, hash: u32) -> impl Iterator<Item = usize> {
    let (first, mask) = (key_slot(capacity(store)), 2 * capacity(store) - 1);
    (0..=mask).map(move |probe| first + ((hash as usize + probe) & mask))
}
pub(crate) fn index_word(hash: u32, entry: usize) -> Value {
    Value::small(i64::from(hash) << ENTRY_BITS | entry as i64)
}
/// The entry that a word of the index leads to, if the hash is the same; the word is an int.
pub(crate) fn indexed_entry(word: i64, hash: u32) -> Option<usize> {
    let entry = (word & ((1 << ENTRY_BITS) - 1)) as usize;
    (word >> ENTRY_BITS == i64::from(hash)).then_some(entry)
}

/// Adds an entry to the index.
fn add_to_index(store: Obj, key: Value, entry: usize) {
    let hash = address_hash(key);
    let free = index_slots(store, hash).find(|&at| store.slot(at) == Value::NIL);
    if let Some(at) = free {
        store.set_slot(at, index_word(hash, entry));
    }
}

/// The entries of a weak map as a collector sees them.
struct Entries {
    store: Obj,
    used: usize,
}

impl Entries {
    fn of(map: Obj) -> Option<Entries> {
        let store = map.slot(slots::EPHEMERONS).as_object()?;
        let used = store.slot(slots::ENTRIES_USED).as_int().map_or(0, |n| n as usize);
        Some(Entries { store, used: used.min(capacity(store)) })
    }
    fn key(&self, entry: usize) -> Option<Obj> {
        self.store.slot(key_slot(entry)).as_object()
    }
    fn value(&self, entry: usize) -> Option<Obj> {
        self.store.slot(key_slot(entry) + 1).as_object()
    }
    /// W2.
    fn forget(&self, entry: usize) {
        if self.key(entry).is_some() {
            let len = self.store.slot(slots::ENTRIES_LEN).as_int().unwrap_or(0);
            self.store.set_slot(slots::ENTRIES_LEN, Value::small(len - 1));
            self.store.set_slot(key_slot(entry), Value::UNDEFINED);
        }
        self.store.set_slot(key_slot(entry) + 1, Value::NIL);
    }
    /// Step 1 for one map that is alive; whether something was brought to life.
    fn hold_values(&self, live: &mut dyn Liveness, backwards: bool) -> bool {
        let mut any = false;
        for n in 0..self.used {
            let entry = if backwards { self.used - 1 - n } else { n };
            let alive = self.key(entry).is_some_and(|key| live.current(key).is_some());
            if let Some(value) = self.value(entry).filter(|_| alive)
                && live.current(value).is_none()
            {
                live.hold(value);
                any = true;
            }
        }
        any
    }
    /// Step 2.
    fn forget_dead_keys(&self, live: &mut dyn Liveness) {
        for entry in 0..self.used {
            if self.key(entry).is_none_or(|key| live.current(key).is_none()) {
                self.forget(entry);
            }
        }
    }
    /// Step 4.
    fn update(&self, live: &mut dyn Liveness) {
        let mut moved = false;
        for entry in 0..self.used {
            for slot in [key_slot(entry), key_slot(entry) + 1] {
                if let Some(old) = self.store.slot(slot).as_object() {
                    let now = live.current(old);
                    let now = now.expect("step 1 holds values, step 2 forgets dead keys");
                    moved |= now != old;
                    self.store.set_slot(slot, Value::object(now));
                }
            }
        }
        if moved {
            let index = key_slot(capacity(self.store))..self.store.len();
            index.for_each(|at| self.store.set_slot(at, Value::NIL));
            for entry in 0..self.used {
                if let Some(key) = self.key(entry) {
                    add_to_index(self.store, Value::object(key), entry);
                }
            }
        }
    }
}

fn holder(reference: Value) -> Obj {
    reference.as_object().expect("holders are objects")
}

impl World {
    /// What [`crate::heap::Roots::weak`] does: the steps above.
    pub fn process_weak(&mut self, live: &mut dyn Liveness) -> bool {
        if self.hold_values(live) {
            return true;
        }
        self.forget_dead(live);
        if self.revive_finalizable(live) {
            return true;
        }
        self.update_weak(live);
        false
    }
    /// Shows the values of all weak maps, entries with dead keys included, each as often as it is held.
    pub fn weak_values(&self, f: &mut dyn FnMut(Obj)) {
        for entries in self.weak_maps.iter().filter_map(|&map| Entries::of(holder(map))) {
            (0..entries.used).filter_map(|entry| entries.value(entry)).for_each(&mut *f);
        }
    }

    /// Step 1.
    fn hold_values(&mut self, live: &mut dyn Liveness) -> bool {
        let mut any = false;
        self.weak_backwards = !self.weak_backwards;
        let (backwards, count) = (self.weak_backwards, self.weak_maps.len());
        for n in 0..count {
            let map = self.weak_maps[if backwards { count - 1 - n } else { n }];
            if let Some(entries) = live.current(holder(map)).and_then(Entries::of) {
                any |= entries.hold_values(live, backwards);
            }
        }
        any
    }
    /// Step 2.
    fn forget_dead(&mut self, live: &mut dyn Liveness) {
        for &map in &self.weak_maps {
            let old = holder(map);
            if let Some(entries) = Entries::of(live.current(old).unwrap_or(old)) {
                entries.forget_dead_keys(live);
            }
        }
        for &reference in &self.weak_references {
            let old = holder(reference);
            let holder = live.current(old).unwrap_or(old);
            let target = holder.slot(slots::TARGET).as_object();
            if target.is_some_and(|t| live.current(t).is_none()) {
                holder.set_slot(slots::TARGET, Value::NIL);
            }
        }
    }
    /// Step 3.
    fn revive_finalizable(&mut self, live: &mut dyn Liveness) -> bool {
        let before = self.finalizers.len();
        let ready = &mut self.ready_finalizers;
        self.finalizers.retain(|(object, function)| {
            let o = object.as_object().expect("finalizer() checks its argument");
            let dead = live.current(o).is_none();
            if dead {
                ready.push(Value::object(live.keep(o)));
                ready.push(*function);
            }
            !dead
        });
        self.finalizers.len() < before
    }
    /// Step 4.
    fn update_weak(&mut self, live: &mut dyn Liveness) {
        self.weak_maps.retain_mut(|map| {
            let now = live.current(holder(*map));
            if let Some(now) = now {
                *map = Value::object(now);
                if let Some(entries) = Entries::of(now) {
                    entries.update(live);
                }
            }
            now.is_some()
        });
        self.weak_references.retain_mut(|reference| {
            let now = live.current(holder(*reference));
            if let Some(now) = now {
                *reference = Value::object(now);
                let target = now.slot(slots::TARGET).as_object();
                if let Some(target) = target.and_then(|t| live.current(t)) {
                    now.set_slot(slots::TARGET, Value::object(target));
                }
            }
            now.is_some()
        });
        for (object, _) in &mut self.finalizers {
            let now = object.as_object().and_then(|o| live.current(o));
            *object = Value::object(now.expect("the dead ones were revived in step 3"));
        }
    }
}
