//! The end of a region: what outlives it is copied into the parent, and every reference to it leads
//! to the copy. The steps are those of arena.rs.

use menagerie::heap::{Cause, LiveWords, Liveness, Mutator, Oom, Roots, Safepoint, Stop};
use menagerie::object::Obj;
use menagerie::value::Value;

use super::mutator::RegionMutator;
use super::{NOBODY, Owner};
use crate::parts::copy::{forwarded, leave_forwarding};

/// In an object's gc byte: to be promoted.
const LEAVING: u8 = 2;

/// What `leave` works on.
pub(crate) struct Leaving<'a, 'b> {
    pub(crate) owner: Owner,
    pub(crate) live: &'a mut LiveWords<'b>,
}

impl<M: Mutator> RegionMutator<M> {
    /// Step 1.
    pub(crate) fn sources(
        &mut self,
        leaving: &mut Leaving<'_, '_>,
        result: Value,
        at: &mut Safepoint<'_>,
    ) -> Vec<Obj> {
        let table = self.table.borrow();
        let region = &table.regions[leaving.owner as usize - 1];
        let mut sources = Vec::new();
        let mut visit = |v: Value| sources.extend(table.is_in(v, leaving.owner));
        visit(result);
        (leaving.live)(&mut |word| visit(*word));
        for (&holder, remembered) in region.holders.iter().zip(&region.remembered) {
            if table.is_current(holder, remembered) {
                let o = holder.as_object().expect("an object");
                visit(o.slot(remembered.slot as usize));
            }
        }
        region.watched.iter().for_each(|&(o, _)| visit(Value::object(o)));
        if self.frames.holds || region.shared {
            table.locals(self.frames.owner, region.shared, |local| {
                (0..local.traced_slots()).for_each(|i| visit(local.slot(i)));
            });
        }
        if region.shared {
            at.roots(&mut |roots| {
                roots.slices(&mut |slice, _| slice.iter().for_each(|&v| visit(v)));
            });
        }
        sources
    }
    /// Step 2: the originals. Their copies are in [`RegionTable::copies`], behind the result.
    fn make_copies(
        &mut self,
        owner: Owner,
        sources: Vec<Obj>,
        result: Value,
        at: &mut Safepoint<'_>,
    ) -> Result<Vec<Obj>, Vec<Obj>> {
        let mut originals = Vec::new();
        let mut stack = sources;
        {
            let mut table = self.table.borrow_mut();
            while let Some(o) = stack.pop() {
                if o.gc_byte() & LEAVING == 0 {
                    o.set_gc_byte(o.gc_byte() | LEAVING);
                    originals.push(o);
                    stack.extend(
                        (0..o.traced_slots()).filter_map(|i| table.is_in(o.slot(i), owner)),
                    );
                }
            }
            let other = result.as_object().is_some_and(|o| table.owner_of(o) == NOBODY);
            table.copies.push(if other { result } else { Value::NIL });
        }
        for o in &originals {
            let layout = o.layout();
            let copy = match self.parent.try_alloc(layout) {
                Some(copy) => copy,
                None => match self.parent.alloc_slow(layout, at) {
                    Ok(copy) => copy,
                    Err(Oom) => return Err(originals),
                },
            };
            if layout.kind.is_raw() {
                (0..layout.body_bytes() / 8).for_each(|i| copy.set_raw_word(i, o.raw_word(i)));
            } else {
                (0..copy.len()).for_each(|i| self.parent.init(copy, i, Value::NIL));
            }
            self.table.borrow_mut().copies.push(Value::object(copy));
        }
        Ok(originals)
    }
    /// Steps 3 and 4.
    fn fill_copies(&mut self, originals: &[Obj], copies: &[Obj]) {
        for (o, copy) in originals.iter().zip(copies) {
            (0..o.traced_slots()).for_each(|i| copy.set_slot(i, o.slot(i)));
            leave_forwarding(*o, *copy);
        }
        for &copy in copies {
            for i in 0..copy.traced_slots() {
                let v = copy.slot(i);
                if v.is_object() {
                    copy.set_slot(i, Value::NIL);
                    self.store(copy, i, self.resolve(v));
                }
            }
        }
    }
    /// A word's new value after promotion.
    fn resolve(&self, v: Value) -> Value {
        if !self.is_local(v) {
            return v;
        }
        v.as_object().and_then(forwarded).map_or(v, Value::object)
    }
    fn fix_word(&mut self, word: &mut Value) {
        let now = self.resolve(*word);
        if now != *word {
            self.set_word(word, now);
        }
    }
    /// Step 5, but for the result.
    fn fix(&mut self, leaving: &mut Leaving<'_, '_>, at: &mut Safepoint<'_>) {
        (leaving.live)(&mut |word| self.fix_word(word));
        let (holders, remembered, watched, shared) = {
            let mut table = self.table.borrow_mut();
            let region = table.region(leaving.owner);
            (
                std::mem::take(&mut region.holders),
                std::mem::take(&mut region.remembered),
                std::mem::take(&mut region.watched),
                region.shared,
            )
        };
        for (mut holder, slot) in holders.into_iter().zip(remembered) {
            if self.table.borrow().is_current(holder, &slot) {
                let (o, i) = (holder.as_object().expect("an object"), slot.slot as usize);
                let now = self.resolve(o.slot(i));
                if now != o.slot(i) {
                    o.set_slot(i, Value::NIL);
                    self.store(o, i, now);
                }
            }
            self.forget(&mut holder, slot);
        }
        if self.frames.holds || shared {
            self.table.borrow().locals(self.frames.owner, shared, |local| {
                (0..local.traced_slots())
                    .for_each(|i| local.set_slot(i, self.resolve(local.slot(i))));
            });
        }
        if shared || !watched.is_empty() {
            at.roots(&mut |roots| {
                roots.slices(&mut |slice, _| slice.iter_mut().for_each(|v| self.fix_word(v)));
                let revived = roots.weak(&mut Forwarded { start: self.start, bytes: self.bytes });
                debug_assert!(!revived, "nothing has died");
            });
        }
        for (o, why) in watched {
            self.parent.watch(forwarded(o).expect("watched objects are promoted"), why);
        }
    }
    /// Steps 2 to 5; `false`: no memory.
    pub(crate) fn promote(
        &mut self,
        leaving: &mut Leaving<'_, '_>,
        sources: Vec<Obj>,
        result: &mut Value,
        at: &mut Safepoint<'_>,
    ) -> bool {
        let made = self.make_copies(leaving.owner, sources, *result, at);
        let copies = std::mem::take(&mut self.table.borrow_mut().copies);
        let objects = copies[1..].iter().filter_map(|v| v.as_object());
        let mut all_promoted = std::mem::take(&mut self.promoted);
        let first = all_promoted.len();
        all_promoted.extend(objects);
        let promoted = &all_promoted[first..];
        if copies[0] != Value::NIL {
            *result = copies[0];
        }
        match &made {
            Ok(originals) => {
                self.fill_copies(originals, promoted);
                *result = self.resolve(*result);
                self.fix(leaving, at);
                let counters = &mut self.table.borrow_mut().counters;
                counters.region_escapes += 1;
                counters.promoted_objects += promoted.len() as u64;
            }
            Err(originals) => originals.iter().for_each(|o| o.set_gc_byte(o.gc_byte() & !LEAVING)),
        }
        let bytes: usize = promoted.iter().map(|o| o.size()).sum();
        self.table.borrow_mut().counters.promoted_bytes += bytes as u64;
        // A copy that nothing refers to (a watched object) dies like any.
        for &copy in promoted.iter().filter(|_| Self::COUNTS) {
            let mut word = Value::NIL;
            self.parent.set(&mut word, Value::object(copy));
            self.parent.clear(std::slice::from_mut(&mut word));
        }
        self.promoted = all_promoted;
        made.is_ok()
    }
    /// Step 6.
    pub(crate) fn release(&mut self, owner: Owner) {
        self.drop_held(owner);
        let table = &mut *self.table.borrow_mut();
        table.close(owner);
        self.holds &= !table.is_idle();
    }
    /// As `release`, for the next region that has none around it.
    pub(crate) fn renew(&mut self, owner: Owner) {
        self.drop_held(owner);
        let table = &mut *self.table.borrow_mut();
        self.entry = table.renew(owner);
        self.holds &= !table.is_idle();
    }
    /// What a region's objects hold, and what is remembered for them.
    fn drop_held(&mut self, owner: Owner) {
        let shared = self.table.clone();
        let table = &mut *shared.borrow_mut();
        if Self::COUNTS && self.holds {
            let region = &table.regions[owner as usize - 1];
            region.memory.references(&table.pool, |mut v| {
                if !self.is_local(v) {
                    self.parent.clear(std::slice::from_mut(&mut v));
                }
            });
        }
        let region = table.region(owner);
        let holders = std::mem::take(&mut region.holders);
        for (mut holder, slot) in holders.into_iter().zip(std::mem::take(&mut region.remembered)) {
            self.forget(&mut holder, slot);
        }
    }
    /// Step 2 has failed before: once more, for those that a collection has made room for. Copies that
    /// do not fit now have to wait for the next one.
    pub(crate) fn retry_retired(&mut self, at: &mut Safepoint<'_>) {
        self.flush_region();
        while let Some(owner) = self.next_retry() {
            let mut leaving = Leaving { owner, live: &mut |_| {} };
            let mut stop = NoCollection(at);
            let at = &mut Safepoint::new(&mut stop);
            let mut nothing = Value::NIL;
            let sources = self.sources(&mut leaving, nothing, at);
            if sources.is_empty() || self.promote(&mut leaving, sources, &mut nothing, at) {
                self.release(owner);
            } else {
                self.table.borrow_mut().region(owner).retired = true;
            }
        }
    }
    /// All roots may refer to it by now.
    fn next_retry(&self) -> Option<Owner> {
        let mut table = self.table.borrow_mut();
        let owner = table.retry.pop()?;
        let region = table.region(owner);
        (region.shared, region.retired) = (true, false);
        Some(owner)
    }
    /// Retired regions that a collection found empty.
    pub(crate) fn release_finished(&mut self) {
        loop {
            let Some(owner) = self.table.borrow_mut().finished.pop() else { return };
            self.release(owner);
        }
    }
}

/// A safepoint at which the parent gets no collection: somebody has an object that is no root yet.
struct NoCollection<'a, 'b>(&'a mut Safepoint<'b>);

impl Stop for NoCollection<'_, '_> {
    fn collect(&mut self, _: Cause) {}
    fn roots(&mut self, f: &mut dyn FnMut(&mut dyn Roots)) {
        self.0.roots(f);
    }
}

/// The world's tables, after promotion.
struct Forwarded {
    start: usize,
    bytes: usize,
}

impl Liveness for Forwarded {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        let local = o.address().wrapping_sub(self.start) < self.bytes;
        Some(if local { forwarded(o).unwrap_or(o) } else { o })
    }
    fn keep(&mut self, o: Obj) -> Obj {
        unreachable!("{o:?} is alive")
    }
}
