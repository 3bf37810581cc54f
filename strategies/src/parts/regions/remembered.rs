//! The remembered set: slots that refer into a region from outside of it.

use menagerie::heap::Mutator;
use menagerie::object::Obj;
use menagerie::value::Value;

use super::mutator::RegionMutator;
use super::table::{RegionTable, Remembered, TIDY};
use super::{NOBODY, Owner};

impl<M: Mutator> RegionMutator<M> {
    /// The slot is going to refer into a region; must that be remembered (I2)?
    #[inline(always)]
    pub(crate) fn note(&mut self, o: Obj, i: usize, v: Value) {
        if self.is_local(v) {
            // SAFETY: just tested.
            let object = unsafe { v.object_unchecked() };
            let target = self.owner(object);
            if self.is_local_object(o) {
                let owner = self.owner(o);
                if owner == target {
                    return;
                }
                if Self::LOCALS && owner == self.frames.owner {
                    self.frames.holds = true;
                    return;
                }
            }
            self.remember(o, i, object, target);
        } else if Self::COUNTS && v.is_object() {
            self.holds = true;
        }
    }
    #[cold]
    #[inline(never)]
    pub(super) fn remember(&mut self, o: Obj, i: usize, object: Obj, target: Owner) {
        let shared = self.table.clone();
        let table = &mut *shared.borrow_mut();
        let owner = table.owner_of(o);
        if owner != NOBODY && table.is_inside(owner, target) {
            return;
        }
        let serial = if owner == NOBODY { 0 } else { table.region(owner).serial };
        let mut holder = Value::object(o);
        if table.region(target).remembered.len() >= table.region(target).tidy_at {
            self.tidy(table, target);
        }
        if Self::COUNTS && owner == NOBODY {
            holder = Value::NIL;
            self.parent.set(&mut holder, Value::object(o));
        }
        let region = table.region(target);
        region.holders.push(holder);
        region.remembered.push(Remembered { slot: i as u32, serial, hidden: Value::NIL });
        if target == self.frames.owner {
            self.raise_guard(object);
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
