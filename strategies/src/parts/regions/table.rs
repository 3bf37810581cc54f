//! The table of regions: who is inside of whom, what each has and is remembered for.

use menagerie::heap::{Region, Watch};
use menagerie::object::Obj;
use menagerie::value::Value;

use super::entry::Entry;
use super::frames::{Frames, MARK};
use super::{ChunkPool, NOBODY, Owner, RegionMemory};

/// How many remembered slots a region has before they are looked through for repetitions.
pub(super) const TIDY: usize = 1024;
/// Generations are numbers of 28 bits: a token is an int that fits a register.
const GENERATIONS: u32 = (1 << 28) - 1;

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
    /// The stack of local objects when the region began.
    pub(crate) locals_before: Option<Frames>,
    /// Of a region that its task has left by giving way: the task's stack of local objects.
    pub(crate) stack: Owner,
    /// Whether it is such a stack itself.
    pub(crate) is_stack: bool,
    /// Bytes of a stack's objects when they were counted last.
    pub(crate) local_bytes: u64,
    /// A stack whose task has given way.
    pub(crate) frames: Option<Frames>,
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
    pub(crate) frame_bytes: u64,
    pub(crate) frame_fallbacks: u64,
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
    /// Retired regions for whose copies the last collection has made room.
    pub(crate) retry: Vec<Owner>,
    /// Of the regions, after the last collection.
    pub(crate) live_bytes: usize,
    /// Retired regions that hold nothing alive any more.
    pub(crate) finished: Vec<Owner>,
    pub(crate) counters: Counters,
}

impl RegionTable {
    /// Whether no region holds anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.regions.iter().all(|region| region.memory.bytes(&self.pool) == 0)
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
        let owner = self.free.pop().unwrap_or_else(|| {
            self.regions.push(RegionEntry::default());
            self.regions.len() as Owner
        });
        let serial = self.serial;
        let region = self.region(owner);
        (region.serial, region.outer, region.tidy_at) = (serial, outer, TIDY);
        owner
    }
    /// A stack of local objects: a region that nobody leaves.
    pub(super) fn open_stack(&mut self) -> Owner {
        let owner = self.open(NOBODY);
        self.region(owner).is_stack = true;
        owner
    }
    pub(crate) fn token(&self, owner: Owner) -> Region {
        match owner {
            NOBODY => Region::NONE,
            _ => token(owner, self.regions[owner as usize - 1].generation),
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
    /// What a task had that gave way in this region, or with this stack: its innermost region, and its
    /// stack of local objects.
    pub(crate) fn region_and_stack(&mut self, owner: Owner) -> (Owner, Owner) {
        let region = self.region(owner);
        match region.is_stack {
            true => (NOBODY, owner),
            false => (owner, std::mem::take(&mut region.stack)),
        }
    }
    /// Bytes of regions and stacks.
    pub(crate) fn used_bytes(&self) -> usize {
        self.regions.iter().map(|region| region.memory.bytes(&self.pool)).sum()
    }
    /// Bytes of objects in regions.
    pub(crate) fn region_bytes(&self) -> u64 {
        let regions = self.regions.iter().filter(|region| !region.is_stack);
        regions.map(|region| region.memory.bytes(&self.pool) as u64).sum()
    }
    /// Bytes of local objects, as counted last.
    pub(crate) fn local_bytes(&self) -> u64 {
        self.regions.iter().map(|region| region.local_bytes).sum()
    }
    /// Counts the objects of a stack, whose end is known.
    pub(super) fn count_locals(&mut self, stack: Owner) {
        let region = &mut self.regions[stack as usize - 1];
        let mut bytes = 0;
        region.memory.objects(&self.pool, |o| bytes += size_of_local(o));
        region.local_bytes = bytes;
    }
    /// Every object in the task's stack, and if `all`, in those of the other tasks.
    pub(super) fn locals(&self, stack: Owner, all: bool, mut f: impl FnMut(Obj)) {
        for (region, owner) in self.regions.iter().zip(1..) {
            if region.is_stack && (all || owner == stack) {
                region.memory.objects(&self.pool, &mut f);
            }
        }
    }
    /// The chunks go back; the region's place is free for another.
    pub(crate) fn close(&mut self, owner: Owner) {
        self.end(owner);
        let region = &mut self.regions[owner as usize - 1];
        region.memory.release(&mut self.pool);
        region.serial = 0;
        self.free.push(owner);
    }
    /// As `close`, but the place and the first chunk are for the next region without one around it.
    pub(crate) fn renew(&mut self, owner: Owner) -> Entry {
        self.end(owner);
        self.serial += 1;
        let region = &mut self.regions[owner as usize - 1];
        (region.serial, region.outer, region.tidy_at) = (self.serial, NOBODY, TIDY);
        let memory = region.memory.release_but_first(&mut self.pool);
        Entry::new(owner, token(owner, region.generation), memory)
    }
    /// A region ends, but for its memory.
    fn end(&mut self, owner: Owner) {
        let region = &mut self.regions[owner as usize - 1];
        let bytes = region.memory.bytes(&self.pool) as u64;
        self.counters.region_bytes += if region.is_stack { 0 } else { bytes };
        self.counters.frame_bytes += std::mem::take(&mut region.local_bytes);
        region.generation = (region.generation + 1) & GENERATIONS;
        region.holders.clear();
        region.remembered.clear();
        region.watched.clear();
        (region.shared, region.retired) = (false, false);
        (region.stack, region.is_stack) = (NOBODY, false);
        (region.locals_before, region.frames) = (None, None);
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

fn token(owner: Owner, generation: u32) -> Region {
    Region(u64::from(owner) | u64::from(generation) << 32)
}
/// The generation of a region's token.
pub(super) fn generation(token: Region) -> u32 {
    (token.0 >> 32) as u32
}
/// The token of whoever comes next.
#[inline(always)]
pub(super) fn next_token(last: Region) -> Region {
    token(last.0 as Owner, (generation(last) + 1) & GENERATIONS)
}

/// What an object of a stack counts for: marks are no objects of the program.
pub(super) fn size_of_local(o: Obj) -> u64 {
    if o.kind() == MARK.kind { 0 } else { o.size() as u64 }
}
