//! Weak references, weak maps and finalizers: what becomes of them when a collector knows what is
//! reachable.
//!
//! An entry of a weak map is an *ephemeron*: its value is held as long as its map and its key are alive,
//! and what the value refers to does not count towards its own key. So a value may refer to its key, and
//! the pair still goes.
//!
//! ```text
//!   map ──► ephemerons [ key ┄┄ value ┄┄ │ key ┄┄ value ┄┄ │ … ]      ┄┄ no collector traces these
//!     └───► index: hash of a key's address ► number of its entry
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

/// Adds the number of an entry to an index, which has room.
pub(crate) fn add_to_index(index: Obj, key: Value, entry: usize) {
    let (mask, hash) = (index.len() / 8 - 1, address_hash(key));
    let mut places = (0..=mask).map(|probe| (hash as usize + probe) & mask);
    if let Some(at) = places.find(|&at| index.raw_word(at) == 0) {
        index.set_raw_word(at, u64::from(hash) << 32 | (entry as u64 + 1));
    }
}

/// The entries of a weak map as a collector sees them.
struct Entries {
    map: Obj,
    store: Obj,
    used: usize,
}

impl Entries {
    fn of(map: Obj) -> Option<Entries> {
        let store = map.slot(slots::BUFFER).as_object()?;
        let used = map.slot(slots::USED).as_int().map_or(0, |n| n as usize).min(store.len() / 2);
        Some(Entries { map, store, used })
    }
    fn key(&self, entry: usize) -> Option<Obj> {
        self.store.slot(2 * entry).as_object()
    }
    fn value(&self, entry: usize) -> Option<Obj> {
        self.store.slot(2 * entry + 1).as_object()
    }
    /// W2.
    fn forget(&self, entry: usize) {
        if self.key(entry).is_some() {
            let len = self.map.slot(slots::LEN).as_int().unwrap_or(0);
            self.map.set_slot(slots::LEN, Value::small(len - 1));
            self.store.set_slot(2 * entry, Value::UNDEFINED);
        }
        self.store.set_slot(2 * entry + 1, Value::NIL);
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
        for slot in 0..2 * self.used {
            if let Some(old) = self.store.slot(slot).as_object() {
                let now = live.current(old).expect("step 1 holds values, step 2 forgets dead keys");
                moved |= now != old && slot % 2 == 0;
                self.store.set_slot(slot, Value::object(now));
            }
        }
        if let Some(index) = self.map.slot(slots::INDEX).as_object().filter(|_| moved) {
            (0..index.len() / 8).for_each(|at| index.set_raw_word(at, 0));
            for entry in 0..self.used {
                if let Some(key) = self.key(entry) {
                    add_to_index(index, Value::object(key), entry);
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
