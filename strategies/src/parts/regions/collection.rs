//! What a collection of the parent sees of the regions.
//!
//! Before: what the program can reach in regions is marked, and references into regions are taken
//! out of the parent's objects. During: the parent finds its references in the living objects of
//! regions. Afterwards: references are put back, and retired regions without a living object end.

use std::cell::RefCell;

use menagerie::heap::{Dirty, Liveness, Roots};
use menagerie::object::Obj;
use menagerie::value::Value;

use super::table::RegionTable;
use super::{NOBODY, Owner, slots_mut};

/// In an object's gc byte: reached from outside of the regions.
pub(crate) const LIVE: u8 = 1;

/// Every object of a region that the program can reach, marked `LIVE`.
pub(crate) fn mark_live(table: &RegionTable, sources: Vec<Obj>) -> Vec<Obj> {
    let mut stack = sources;
    let mut live = Vec::new();
    while let Some(o) = stack.pop() {
        if o.gc_byte() & LIVE == 0 {
            o.set_gc_byte(o.gc_byte() | LIVE);
            live.push(o);
            let children = (0..o.traced_slots()).filter_map(|i| o.slot(i).as_object());
            stack.extend(children.filter(|&child| table.owner_of(child) != NOBODY));
        }
    }
    live
}

/// The roots as the parent sees them (I4, I5).
pub(crate) struct ParentRoots<'a> {
    pub(crate) roots: &'a mut dyn Roots,
    pub(crate) table: &'a RefCell<RegionTable>,
    pub(crate) live: &'a [Obj],
    /// Remembered objects and fresh copies.
    pub(crate) held: &'a mut [Value],
}

/// Calls `f` on the runs of words between references into regions.
fn runs(table: &RegionTable, mut words: &mut [Value], f: &mut dyn FnMut(&mut [Value])) {
    while !words.is_empty() {
        let end = words.iter().position(|&v| table.is_local(v)).unwrap_or(words.len());
        let (run, rest) = words.split_at_mut(end);
        if !run.is_empty() {
            f(run);
        }
        words = rest.get_mut(1..).unwrap_or_default();
    }
}

impl ParentRoots<'_> {
    fn own(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        let table = self.table.borrow();
        for &o in self.live {
            if o.traced_slots() > 0 {
                // SAFETY: alive; the world is stopped.
                runs(&table, unsafe { slots_mut(o) }, f);
            }
        }
        runs(&table, self.held, f);
    }
}

impl Roots for ParentRoots<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        let table = self.table.borrow();
        self.roots.slices(&mut |slice, dirty| runs(&table, slice, &mut |run| f(run, dirty)));
        drop(table);
        self.own(&mut |run| f(run, Dirty::Yes));
    }
    fn recent(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        let table = self.table.borrow();
        self.roots.recent(&mut |slice| runs(&table, slice, f));
        drop(table);
        self.own(f);
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.roots.weak(&mut RegionsLive { parent: live, table: self.table })
    }
    /// Values in regions are hidden (I4).
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.roots.weak_values(f);
    }
}

/// What the world asks of is alive in a region: it is watched, so it was a source.
struct RegionsLive<'a> {
    parent: &'a mut dyn Liveness,
    table: &'a RefCell<RegionTable>,
}

impl Liveness for RegionsLive<'_> {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        if self.table.borrow().owner_of(o) != NOBODY {
            return Some(o);
        }
        self.parent.current(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.parent.keep(o)
    }
    fn hold(&mut self, o: Obj) -> Obj {
        self.parent.hold(o)
    }
}

impl RegionTable {
    /// What outside words hold in regions; remembered slots that lead nowhere any more are ignored.
    pub(crate) fn sources(&mut self, roots: &mut dyn Roots) -> Vec<Obj> {
        let mut sources = Vec::new();
        let mut visit = |v: Value| sources.extend(v.as_object().filter(|_| self.is_local(v)));
        roots.slices(&mut |slice, _| slice.iter().for_each(|&v| visit(v)));
        for region in &self.regions {
            region.watched.iter().for_each(|&(o, _)| visit(Value::object(o)));
            for (&holder, remembered) in region.holders.iter().zip(&region.remembered) {
                if remembered.serial == 0 {
                    let holder = holder.as_object().expect("holders are objects");
                    visit(holder.slot(remembered.slot as usize));
                }
            }
        }
        sources
    }
    /// Forgets slots of objects that have gone with their region: what is there now is none of theirs.
    fn forget_ended(&mut self) {
        for n in 0..self.regions.len() {
            let holders = std::mem::take(&mut self.regions[n].holders);
            let remembered = std::mem::take(&mut self.regions[n].remembered);
            let all = holders.into_iter().zip(remembered);
            let current = all.filter(|(holder, slot)| self.is_current(*holder, slot)).unzip();
            (self.regions[n].holders, self.regions[n].remembered) = current;
        }
    }
    /// Takes references into regions out of the parent's objects (I4).
    pub(crate) fn hide(&mut self) -> Vec<Value> {
        self.forget_ended();
        let mut held = std::mem::take(&mut self.copies);
        let mut regions = std::mem::take(&mut self.regions);
        for region in &mut regions {
            for (&holder, remembered) in region.holders.iter().zip(&mut region.remembered) {
                if remembered.serial == 0 {
                    let (o, slot) =
                        (holder.as_object().expect("an object"), remembered.slot as usize);
                    // A slot that is remembered twice is hidden once: nil stays nil.
                    remembered.hidden = o.slot(slot);
                    if self.is_local(remembered.hidden) {
                        o.set_slot(slot, Value::NIL);
                    }
                }
            }
            held.extend(&region.holders);
        }
        self.regions = regions;
        held
    }
    pub(crate) fn unhide(&mut self, held: Vec<Value>, copies: usize) {
        let mut rest = held[copies..].iter();
        let mut regions = std::mem::take(&mut self.regions);
        for region in &mut regions {
            for (holder, remembered) in region.holders.iter_mut().zip(&mut region.remembered) {
                *holder = *rest.next().expect("as many as before");
                let hidden = std::mem::replace(&mut remembered.hidden, Value::NIL);
                if self.is_local(hidden) {
                    let o = holder.as_object().expect("an object");
                    o.set_slot(remembered.slot as usize, hidden);
                }
            }
        }
        self.regions = regions;
        self.copies = held;
        self.copies.truncate(copies);
    }
    /// What nothing reaches in stacks of local objects forgets what it held: that may be gone, and the
    /// ends of regions look at all of a stack.
    pub(crate) fn clear_dead_locals(&self) {
        self.locals(NOBODY, true, |o| {
            if o.gc_byte() & LIVE == 0 {
                (0..o.traced_slots()).for_each(|i| o.set_slot(i, Value::NIL));
            }
        });
    }
    /// Retired regions without a live object have ended; others are tried again if the parent has so
    /// much room that copies fit.
    pub(crate) fn finish_retired(&mut self, live: &[Obj], mut room_bytes: usize) {
        self.retry.clear();
        let alive: Vec<Owner> = live.iter().map(|&o| self.owner_of(o)).collect();
        for owner in 1..=self.regions.len() as Owner {
            let region = &self.regions[owner as usize - 1];
            if !region.retired || region.pins > 0 {
                continue;
            }
            let bytes = region.memory.bytes(&self.pool);
            if !alive.contains(&owner) {
                self.region(owner).retired = false;
                self.finished.push(owner);
            } else if bytes <= room_bytes {
                room_bytes -= bytes;
                self.retry.push(owner);
            }
        }
    }
}
