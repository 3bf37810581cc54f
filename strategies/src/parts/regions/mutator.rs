//! The mutator of a heap with regions: the buffer of the running task's innermost region before the
//! parent's mutator.

use std::cell::RefCell;
use std::rc::Rc;

use menagerie::heap::{Mutator, Region};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;

use super::entry::Entry;
use super::frames::{Frames, Limits};
use super::log::SlotLog;
use super::table::RegionTable;
use super::{CHUNK, NOBODY, Owner, Owners};
use crate::parts::bump::Bump;

/// A worker's view of a heap with regions.
#[derive(Debug)]
pub struct RegionMutator<M: Mutator> {
    pub(crate) bump: Bump,
    /// Whether the slow path may find room in the region.
    pub(crate) has_room: bool,
    /// Whether an object of a region may hold a counted reference.
    pub(crate) holds: bool,
    pub(crate) current: Owner,
    /// The region that is prepared, or open.
    pub(crate) entry: Entry,
    /// What may have to be remembered.
    pub(crate) log: SlotLog,
    pub(crate) start: usize,
    pub(crate) bytes: usize,
    pub(crate) parent: M,
    pub(crate) owners: Owners,
    /// What the last `leave` promoted.
    pub(crate) promoted: Vec<Obj>,
    pub(crate) table: Rc<RefCell<RegionTable>>,
    /// Local objects of the running task.
    pub(crate) frames: Frames,
    pub(crate) frame_limits: Limits,
    /// Regions entered on the fast path, and bytes in those that were left on it, since the last flush.
    pub(crate) enters: u64,
    pub(crate) region_bytes: u64,
    /// Bytes of local objects that have ended, since the last flush.
    pub(crate) frame_bytes: u64,
    /// Local objects that found no room in their frame, since the last flush.
    pub(crate) frame_fallbacks: u64,
    /// Whether freed memory is overwritten.
    pub(crate) poisons: bool,
}

/// Whether objects of a kind may be in a region (I6).
#[inline(always)]
pub(crate) fn may_be_local(kind: ObjectKind) -> bool {
    use ObjectKind::{Actor, Channel, Ephemerons, Mutex, Task, Waiter, Weak, WeakMap};
    !matches!(kind, Task | Channel | Mutex | Actor | Waiter | Weak | WeakMap | Ephemerons)
}

impl<M: Mutator> RegionMutator<M> {
    pub(crate) const COUNTS: bool = M::COUNTS;

    #[inline(always)]
    pub(crate) fn is_local_object(&self, o: Obj) -> bool {
        o.address().wrapping_sub(self.start) < self.bytes
    }
    #[inline(always)]
    pub(crate) fn is_local(&self, v: Value) -> bool {
        // The word of an object is its address and a tag. Hardly anything else lies in the range, so one
        // compare does for most words; a counting parent needs the tag anyway.
        (!Self::COUNTS || v.is_object())
            && v.bits().wrapping_sub(self.start as u64) < self.bytes as u64
            && v.is_object()
    }
    /// The region of a local object.
    #[inline(always)]
    pub(crate) fn owner(&self, o: Obj) -> Owner {
        debug_assert!(self.is_local_object(o));
        // SAFETY: there is an owner for each chunk of the range (R1).
        unsafe { self.owners.get_unchecked((o.address() - self.start) / CHUNK) }.get()
    }
    /// The region that a value lies in; nobody's, if in none.
    #[inline(always)]
    pub(crate) fn owner_of_value(&self, v: Value) -> Owner {
        if !self.is_local(v) {
            return NOBODY;
        }
        // SAFETY: just tested.
        self.owner(unsafe { v.object_unchecked() })
    }
    /// All that is known here alone is made known, and the buffer goes back to the region.
    pub(crate) fn flush_region(&mut self) {
        self.settle();
        self.drain_log();
        self.flush_frames();
        self.flush_bump();
    }
    pub(crate) fn flush_bump(&mut self) {
        if self.bump.limit() != 0 {
            let bump = std::mem::replace(&mut self.bump, Bump::EMPTY);
            self.table.borrow_mut().region(self.current).memory.suspend(bump);
        }
    }
    /// An object of the current region, if the pool has room.
    pub(crate) fn alloc_in_region(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.flush_region();
        let table = &mut *self.table.borrow_mut();
        let memory = &mut table.regions[self.current as usize - 1].memory;
        self.bump = memory.resume(&table.pool);
        if let Some(o) = self.bump.alloc(layout) {
            return Some(o);
        }
        if self.bump.limit() != 0 {
            memory.suspend(self.bump);
        }
        let o = memory.alloc(self.current, layout, &mut table.pool);
        self.bump = memory.resume(&table.pool);
        if o.is_none() {
            table.counters.region_fallbacks += 1;
            self.has_room = layout.size() > CHUNK;
        }
        o
    }
    pub(crate) fn enter_owner(&mut self, owner: Owner) {
        self.current = owner;
        self.has_room = owner != NOBODY;
    }
    /// Writes a word that may hold a reference into a region, and is no slot.
    #[inline(always)]
    pub(crate) fn set_word(&mut self, word: &mut Value, v: Value) {
        if !Self::COUNTS {
            return self.parent.set(word, v);
        }
        if self.is_local(*word) {
            *word = Value::NIL;
        }
        if self.is_local(v) {
            self.parent.clear(std::slice::from_mut(word));
            *word = v;
        } else {
            self.parent.set(word, v);
        }
    }
    /// The region has ended, its objects stay. It is not inside of others any more: its references to
    /// theirs have to be remembered from now on (I2).
    pub(crate) fn retire(&mut self, owner: Owner) {
        self.flush_region();
        let mut outward = Vec::new();
        {
            let table = &mut *self.table.borrow_mut();
            table.counters.region_retired += 1;
            let region = table.region(owner);
            (region.retired, region.outer) = (true, NOBODY);
            table.regions[owner as usize - 1].memory.objects(&table.pool, |o| {
                for i in 0..o.traced_slots() {
                    let target = o.slot(i).as_object();
                    let elsewhere = |&t: &Obj| ![NOBODY, owner].contains(&table.owner_of(t));
                    outward.extend(target.filter(elsewhere).map(|_| (o, i)));
                }
            });
        }
        let shared = self.table.clone();
        let table = &mut *shared.borrow_mut();
        for (o, i) in outward {
            self.remember(table, Value::object(o), i);
        }
    }
    #[cold]
    #[inline(never)]
    pub(crate) fn share(&mut self, v: Value) {
        self.settle();
        let owner = self.owner(v.as_object().expect("an object"));
        self.table.borrow_mut().region(owner).shared = true;
    }
    /// From here on other tasks may find what is remembered or watched (I3).
    #[cold]
    #[inline(never)]
    pub(crate) fn suspend_slow(&mut self) -> Region {
        self.flush_region();
        let frames = self.suspend_frames();
        let mut table = self.table.borrow_mut();
        let mut owner = self.current;
        if owner == NOBODY {
            return table.token(frames);
        }
        table.region(owner).stack = frames;
        let token = table.token(owner);
        while owner != NOBODY {
            let region = table.region(owner);
            region.shared |= !region.remembered.is_empty() || !region.watched.is_empty();
            owner = region.outer;
        }
        drop(table);
        self.enter_owner(NOBODY);
        token
    }
    #[cold]
    #[inline(never)]
    pub(crate) fn resume_slow(&mut self, innermost: Region) {
        let owner = self.table.borrow().of_token(innermost);
        let (innermost, frames) = self.table.borrow_mut().region_and_stack(owner);
        self.enter_owner(innermost);
        if frames != NOBODY {
            self.resume_frames(frames);
        }
    }
}
