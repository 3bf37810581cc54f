//! The beginning and the end of a region that stays small and lets nothing out: no table, no call.
//!
//! ```text
//!   enter (slow)      try_enter                     try_leave: nothing refers into it
//!   ─────────► open ◄────────── prepared ◄──────────────┐
//!               │                   ▲                   │
//!               ├───────────────────│───────────────────┘
//!               ▼ a second chunk, a remembered slot, …  │ leave (slow): its first chunk stays
//!            settled ───────────────────────────────────┘
//! ```
//!
//! A region without one around it is *open*: its place in the table and its first chunk are its own, but
//! who entered it when is known to the mutator alone. Whatever else needs to know more of it *settles*
//! it: the table is told. When it ends, its place and chunk are kept for the next one.
//!
//! Invariants
//! - S1. While a region is open, nothing is remembered for it or of it, watched or pinned in it; it is not
//!   shared, and has at most the one chunk. So only words of its task can refer into it.
//! - S2. A prepared region is empty and nobody is in it. There is one at most, and none after a flush.

use menagerie::heap::{LiveRegisters, Mutator, Region};

use super::mutator::RegionMutator;
use super::table::{generation, next_token};
use super::{CHUNK, NOBODY, Owner};
use crate::parts::bump::Bump;

/// A region that is prepared, or open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Its number; nobody: there is none.
    pub(crate) owner: Owner,
    /// The token of whoever is in it, or will be.
    token: Region,
    /// What `try_leave` must be given; none: nobody is in it.
    entered: Region,
    /// Its chunk; 0 = it has none yet.
    start: usize,
    limit: usize,
    /// The stack of local objects when it began (frames.rs): the cursor, the limit, the innermost mark.
    locals: Bump,
    mark: usize,
}

impl Entry {
    pub(crate) const NONE: Entry = Entry {
        owner: NOBODY,
        token: Region::NONE,
        entered: Region::NONE,
        start: 0,
        limit: 0,
        locals: Bump::EMPTY,
        mark: 0,
    };
    /// A prepared region with the memory of a chunk, or with none.
    pub(crate) fn new(owner: Owner, token: Region, memory: Bump) -> Entry {
        Entry { owner, token, start: memory.cursor(), limit: memory.limit(), ..Entry::NONE }
    }
}

impl<M: Mutator> RegionMutator<M> {
    #[inline(always)]
    pub(crate) fn try_enter_prepared(&mut self) -> Option<Region> {
        let prepared = self.entry.owner != NOBODY && self.current == NOBODY;
        if !prepared || (Self::LOCALS && self.frames.has_unmarked()) {
            return None;
        }
        let entry = &mut self.entry;
        entry.entered = entry.token;
        // SAFETY: the chunk is the region's, and empty (S2).
        self.bump = unsafe { Bump::new(entry.start, entry.limit) };
        (self.current, self.has_room) = (entry.owner, true);
        self.enters += 1;
        if Self::LOCALS {
            (entry.locals, entry.mark) = (self.frames.bump, self.frames.mark());
            self.frames.begin_region(self.frame_limits.frame_bytes);
        }
        Some(self.entry.entered)
    }
    #[inline(always)]
    pub(crate) fn try_leave_open(&mut self, region: Region, live: LiveRegisters<'_>) -> bool {
        let entry = &self.entry;
        let start = entry.start;
        if entry.entered != region
            || !self.log.is_empty()
            || self.poisons
            || (Self::COUNTS && self.holds)
            || (Self::LOCALS && !self.frames.may_drop_to(entry.mark, entry.locals.cursor()))
        {
            return false;
        }
        // Other values look like addresses in there as well, but rarely.
        if start != 0 && live.any(|v| v.bits().wrapping_sub(start as u64) < CHUNK as u64) {
            return false;
        }
        if Self::LOCALS {
            self.frame_bytes += self.frames.drop_to(entry.mark, entry.locals) as u64;
        }
        self.region_bytes += (self.bump.cursor() - start) as u64;
        self.bump = Bump::EMPTY;
        (self.current, self.has_room) = (NOBODY, false);
        // S1: nobody has seen the number, so it may be used again, but for the checks of tokens.
        self.entry.entered = Region::NONE;
        self.entry.token = next_token(region);
        true
    }
    /// The table is told of the open region (S1).
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.entry.entered != Region::NONE {
            self.settle_slow();
        }
    }
    #[cold]
    #[inline(never)]
    fn settle_slow(&mut self) {
        let entry = std::mem::replace(&mut self.entry, Entry::NONE);
        let table = &mut *self.table.borrow_mut();
        let region = table.region(entry.owner);
        region.generation = generation(entry.entered);
        region.locals_before =
            Self::LOCALS.then(|| self.frames.as_before(entry.mark, entry.locals));
    }
    /// Nobody is in the prepared region, and nobody will be.
    pub(crate) fn put_prepared_away(&mut self) {
        debug_assert_eq!(self.entry.entered, Region::NONE, "settled before");
        let entry = std::mem::replace(&mut self.entry, Entry::NONE);
        if entry.owner != NOBODY {
            let table = &mut *self.table.borrow_mut();
            table.region(entry.owner).generation = generation(entry.token);
            table.close(entry.owner);
        }
    }
}
