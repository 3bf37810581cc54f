//! The table of regions: who is inside of whom, what each has and is remembered for.

use menagerie::heap::{Region, Watch};
use menagerie::object::Obj;
use menagerie::value::Value;

use super::{ChunkPool, NOBODY, Owner, RegionMemory};

/// How many remembered slots a region has before they are looked through for repetitions.
pub(super) const TIDY: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Remembered {
    pub(crate) slot: u32,
    /// The region that the object is in, by its serial number; 0 = the parent's.
    pub(crate) serial: u64,
    /// What the slot held, during a collection (I4).
    pub(crate) hidden: Value,
}

/// One region.
#[derive(Debug, Default)]
pub(crate) struct RegionEntry {
    /// 0 = not in use. Never the same for two regions.
    pub(crate) serial: u64,
    pub(crate) generation: u32,
    pub(crate) outer: u32,
    pub(crate) memory: RegionMemory,
    /// The objects of `remembered`: words, so that the parent can update them.
    pub(crate) holders: Vec<Value>,
    pub(crate) remembered: Vec<Remembered>,
    /// When to look for repetitions among them.
    pub(crate) tidy_at: usize,
    pub(crate) shared: bool,
    pub(crate) retired: bool,
    /// How many pins its objects have: then it is retired at its end, nothing moves.
    pub(crate) pins: usize,
    /// Weak references point at these, or they have finalizers: promoted whatever happens.
    pub(crate) watched: Vec<(Obj, Watch)>,
}

/// Counters, by the names that statistics show.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counters {
    pub(crate) region_enters: u64,
    pub(crate) region_escapes: u64,
    pub(crate) region_retired: u64,
    pub(crate) region_bytes: u64,
    pub(crate) region_fallbacks: u64,
    pub(crate) promoted_objects: u64,
    pub(crate) promoted_bytes: u64,
}

/// All regions of a heap.
#[derive(Debug)]
pub(crate) struct RegionTable {
    pub(crate) limit: usize,
    pub(crate) pool: ChunkPool,
    pub(crate) regions: Vec<RegionEntry>,
    pub(crate) free: Vec<Owner>,
    pub(crate) serial: u64,
    /// Fresh copies that a collection must keep, and the block's value before them.
    pub(crate) copies: Vec<Value>,
    /// Of the regions, after the last collection.
    pub(crate) live_bytes: usize,
    /// Retired regions that hold nothing alive any more.
    pub(crate) finished: Vec<Owner>,
    pub(crate) counters: Counters,
}

impl RegionTable {
    /// Whether there is no region.
    pub(crate) fn is_idle(&self) -> bool {
        self.free.len() == self.regions.len()
    }
    pub(crate) fn region(&mut self, owner: Owner) -> &mut RegionEntry {
        &mut self.regions[owner as usize - 1]
    }
    pub(crate) fn owner_of(&self, o: Obj) -> Owner {
        self.pool.owner_at(o.address())
    }
    pub(crate) fn is_in(&self, v: Value, owner: Owner) -> Option<Obj> {
        v.as_object().filter(|&o| self.owner_of(o) == owner)
    }
    pub(crate) fn is_local(&self, v: Value) -> bool {
        v.as_object().is_some_and(|o| self.owner_of(o) != NOBODY)
    }
    pub(crate) fn open(&mut self, outer: Owner) -> Owner {
        self.serial += 1;
        self.counters.region_enters += 1;
        let owner = self.free.pop().unwrap_or_else(|| {
            self.regions.push(RegionEntry::default());
            self.regions.len() as Owner
        });
        let serial = self.serial;
        let region = self.region(owner);
        (region.serial, region.outer, region.tidy_at) = (serial, outer, TIDY);
        owner
    }
    pub(crate) fn token(&self, owner: Owner) -> Region {
        match owner {
            NOBODY => Region::NONE,
            _ => {
                let generation = self.regions[owner as usize - 1].generation;
                Region(u64::from(owner) | u64::from(generation) << 32)
            }
        }
    }
    /// The region's number; a token of a region that has ended is an error of the interpreter.
    pub(crate) fn of_token(&self, token: Region) -> Owner {
        let owner = token.0 as Owner;
        assert_eq!(
            self.token(owner),
            token,
            "the region has ended: leave it once, innermost first"
        );
        owner
    }
    /// Whether region `inner` lies in region `outer`, or is it.
    pub(crate) fn is_inside(&self, mut inner: Owner, outer: Owner) -> bool {
        while inner != NOBODY && inner != outer {
            inner = self.regions[inner as usize - 1].outer;
        }
        inner == outer
    }
    pub(crate) fn used_bytes(&self) -> usize {
        self.regions.iter().map(|region| region.memory.bytes(&self.pool)).sum()
    }
    /// The chunks go back; the region's place is free for another.
    pub(crate) fn close(&mut self, owner: Owner) {
        let region = &mut self.regions[owner as usize - 1];
        self.counters.region_bytes += region.memory.bytes(&self.pool) as u64;
        region.memory.release(&mut self.pool);
        region.generation = region.generation.wrapping_add(1);
        region.holders.clear();
        region.remembered.clear();
        region.watched.clear();
        (region.serial, region.shared, region.retired) = (0, false, false);
        self.free.push(owner);
    }
    /// Whether the object of a remembered slot is still there.
    pub(crate) fn is_current(&self, holder: Value, remembered: &Remembered) -> bool {
        let o = holder.as_object().expect("holders are objects");
        match self.owner_of(o) {
            NOBODY => remembered.serial == 0,
            owner => self.regions[owner as usize - 1].serial == remembered.serial,
        }
    }
}
