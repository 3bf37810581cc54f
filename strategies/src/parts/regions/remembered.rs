//! The remembered set: slots that refer into a region from outside of it. Fast paths write slots to a log
//! (log.rs); here, which ones, and what becomes of them.

use menagerie::heap::Mutator;
use menagerie::object::Obj;
use menagerie::value::Value;

use super::mutator::RegionMutator;
use super::table::{RegionTable, Remembered, TIDY};
use super::{NOBODY, Owner};

impl<M: Mutator> RegionMutator<M> {
    /// The slot is going to be overwritten with this: if it must be remembered (I2), it is in the log
    /// then. `false`: the log is full, and nothing has happened.
    #[inline(always)]
    pub(crate) fn note_store(&mut self, o: Obj, i: usize, v: Value) -> bool {
        let target = self.owner_of_value(v);
        if target == NOBODY {
            self.note_held(o, v);
            return true;
        }
        if self.is_local_object(o) {
            let owner = self.owner(o);
            if owner == target {
                return true;
            }
            if Self::LOCALS && owner == self.frames.owner {
                self.frames.holds = true;
                return true;
            }
        }
        // A slot that refers there already is remembered, or in the log.
        if self.owner_of_value(o.slot(i)) != target {
            if self.log.is_full() {
                return false;
            }
            self.note_place(o, i, target);
        }
        true
    }
    /// As `note_store` for a slot of a fresh object.
    #[inline(always)]
    pub(crate) fn note_init(&mut self, o: Obj, i: usize, v: Value) {
        let target = self.owner_of_value(v);
        if target == NOBODY {
            return self.note_held(o, v);
        }
        if self.is_local_object(o) {
            let owner = self.owner(o);
            // F4.
            if owner == target || (Self::LOCALS && owner == self.frames.owner) {
                return;
            }
        }
        self.note_place(o, i, target);
    }
    /// What the parent's objects are to a region's object.
    #[inline(always)]
    fn note_held(&mut self, o: Obj, v: Value) {
        if Self::COUNTS && v.is_object() && self.is_local_object(o) {
            self.holds = true;
        }
    }
    #[inline(always)]
    fn note_place(&mut self, o: Obj, i: usize, target: Owner) {
        let mut holder = Value::object(o);
        if Self::COUNTS && !self.is_local_object(o) {
            holder = Value::NIL;
            self.parent.set(&mut holder, Value::object(o));
        }
        self.log.push((holder, i));
        if Self::LOCALS && target == self.frames.owner {
            self.frames.guard_all();
        }
        if self.log.is_full() {
            // The next allocation takes the slow path, which drains the log (G2).
            self.bump = self.bump.without_room();
            self.has_room = true;
        }
    }
    /// What is in the log is remembered, if it has to be.
    #[inline]
    pub(crate) fn drain_log(&mut self) {
        if !self.log.is_empty() {
            self.drain_log_slow();
        }
    }
    #[cold]
    #[inline(never)]
    fn drain_log_slow(&mut self) {
        self.settle();
        let shared = self.table.clone();
        let table = &mut *shared.borrow_mut();
        while let Some((holder, slot)) = self.log.pop() {
            self.remember(table, holder, slot);
        }
        if Self::LOCALS {
            self.set_guard();
        }
    }
    /// Remembers a slot that refers into a region by now; the holder is counted, if it is the parent's.
    pub(super) fn remember(&mut self, table: &mut RegionTable, mut holder: Value, slot: usize) {
        let o = holder.as_object().expect("holders are objects");
        let (owner, object) = (table.owner_of(o), o.slot(slot));
        let target = object.as_object().map_or(NOBODY, |object| table.owner_of(object));
        let inside = owner != NOBODY && table.is_inside(owner, target);
        let serial = if owner == NOBODY { 0 } else { table.region(owner).serial };
        let remembered = Remembered { slot: slot as u32, serial, hidden: Value::NIL };
        if target == NOBODY || inside {
            return self.forget(&mut holder, remembered);
        }
        if table.region(target).remembered.len() >= table.region(target).tidy_at {
            self.tidy(table, target);
        }
        let region = table.region(target);
        region.holders.push(holder);
        region.remembered.push(remembered);
        if Self::LOCALS && target == self.frames.owner {
            self.raise_guard(object.as_object().expect("just seen"));
        }
    }
    /// Forgets repetitions among remembered slots, and slots that refer elsewhere by now.
    pub(crate) fn tidy(&mut self, table: &mut RegionTable, owner: Owner) {
        let region = table.region(owner);
        let holders = std::mem::take(&mut region.holders);
        let remembered = std::mem::take(&mut region.remembered);
        let mut seen = std::collections::HashSet::new();
        for (mut holder, slot) in holders.into_iter().zip(remembered) {
            let needed = table.is_current(holder, &slot) && {
                let o = holder.as_object().expect("an object");
                table.is_in(o.slot(slot.slot as usize), owner).is_some()
                    && seen.insert((holder, slot.slot))
            };
            if needed {
                let region = table.region(owner);
                region.holders.push(holder);
                region.remembered.push(slot);
            } else {
                self.forget(&mut holder, slot);
            }
        }
        let region = table.region(owner);
        region.tidy_at = TIDY.max(2 * region.remembered.len());
    }
    /// A holder goes out of use.
    pub(crate) fn forget(&mut self, holder: &mut Value, remembered: Remembered) {
        if Self::COUNTS && remembered.serial == 0 {
            self.parent.clear(std::slice::from_mut(holder));
        }
    }
}
