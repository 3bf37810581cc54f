//! `mark-sweep`: a non-moving collector over size-class blocks.
//!
//! Small objects (up to 8 KiB) live in 16 KiB blocks of one cell size each; the mutator bumps through
//! runs of free cells. A collection marks what is reachable, in a bitmap beside the objects, and ends
//! there: sweeping is lazy, a block's dead cells are found when the mutator next needs a hole of that
//! class. Large objects are allocated one by one and swept eagerly.
//!
//! ```text
//!  class 3 (24 B):   [o.o...oo....]  [oooooooo]        empty: [............] any class
//!                      └─┘ hole: bump range of the mutator
//!  bitmap:            101000110000    11111111
//!  large:  table ─►  [oooooooooooo]  [ooooooo]         their mark is in the header
//! ```
//!
//! Invariants
//! - I1. Between collections a cell is free iff it is unmarked and not yet handed out (blocks.rs,
//!   K2–K3).
//! - I2. A collection clears all marks, marks exactly what is reachable, and resets the holes; the
//!   mutator holds no hole meanwhile.
//! - I3. The budget is charged for blocks with their share of bitmap and lists, for what each large
//!   object really takes, and for their table; the mark stack lives only during a collection and is
//!   not.
//!
//! Phases: mark (clearing included), weak, sweep (sorting blocks, freeing large objects).
//! Costs: allocation = class lookup, one compare, header store, and about 25 ns per hole; `load`,
//! `store` = one move; marking is proportional to what lives, sweeping to what is allocated
//! afterwards.
//! Source: McCarthy 1960; lazy sweeping after Hughes 1982; side bitmaps as in Boehm's collector and
//! Go. Departs from both in having no free lists: holes are bump ranges. (Linking a block's holes
//! when it is swept was tried: 31 instead of 46 ns per object when 15 of 16 cells live, 4.3 instead
//! of 2.4 when one does.)
//! Parameter `allocator`: `blocks` (the above), or `mimalloc` / `system`: every object is a
//! malloc of its own, swept eagerly, so that allocators can be compared under one collector.
//! Parameters `sizer`: when to collect (sizing.rs); `gc-threads`: how many threads mark (mark.rs).
//! It does not compact: after fragmentation a class may hold blocks that are mostly empty.

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Mutator, Oom, Parameter,
    Roots, Safepoint, SharedHeap, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::sync::{ManyThreads, OneThread, Shared, Sharing};
use menagerie::value::Value;

use crate::parts::blocks::{BlockSpace, CHARGE};
use crate::parts::bump::Bump;
use crate::parts::crew::Crew;
use crate::parts::mark::{GC_THREADS, Marker, crew};
use crate::parts::memory::{Budget, Source};
use crate::parts::objects::ObjectTable;
use crate::parts::phases::Phases;
use crate::parts::size_class::{COUNT, LARGEST, LARGEST_EXACT, cell_size, class_of};
use crate::parts::sizing::{SIZER, Sizing};

/// The smallest limit with blocks: one block for each of a few classes.
const MINIMUM: usize = 4 * CHARGE;

/// What its mutators share.
#[derive(Debug)]
pub struct State {
    budget: Budget,
    sizer: Sizing,
    poison: bool,
    /// Whether small objects live in blocks.
    use_blocks: bool,
    blocks: BlockSpace,
    singles: ObjectTable,
    crew: Option<Crew>,
    live_bytes: usize,
    /// Handed out since the last collection, in cells.
    handed_bytes: usize,
    /// What of it is padding: cells larger than their objects.
    padding_bytes: usize,
    /// How many mutators hold ranges that `handed_bytes` counts in full.
    lent: usize,
    /// At how many handed-out bytes to collect.
    allowance: usize,
    /// Allocated up to the last collection.
    allocated_before: u64,
    collections: u64,
}

/// Marks and sweeps.
#[derive(Debug)]
pub struct MarkSweep<L: Sharing = OneThread>(L::Cell<State>);

/// Its mutator: a bump range per size class.
#[derive(Debug)]
pub struct MarkSweepMutator<L: Sharing = OneThread> {
    holes: [Bump; COUNT],
    /// Not yet in [`State::padding_bytes`].
    padding_bytes: usize,
    /// Whether [`State::lent`] counts this one.
    lent: bool,
    state: L::Cell<State>,
}

impl State {
    fn fresh_bytes(&self) -> usize {
        self.handed_bytes - self.padding_bytes
    }
    fn collect(&mut self, roots: &mut dyn Roots) -> Collection {
        assert_eq!(self.lent, 0, "collections begin with all mutators flushed");
        let before_bytes = self.live_bytes + self.fresh_bytes();
        self.sizer.begin(self.fresh_bytes());
        let mut phases = Phases::start();
        self.blocks.clear_marks();
        let mut marker = Marker::new(self.blocks.marks(), self.crew.as_mut());
        roots.slices(&mut |slice, _| marker.push_all(slice));
        marker.drain();
        phases.end("mark");
        while roots.weak(&mut marker) {
            marker.drain();
        }
        phases.end("weak");
        let (traced_objects, live_bytes) = (marker.objects(), marker.bytes());
        self.blocks.begin_sweep(self.poison);
        self.singles.sweep(&self.budget, self.poison);
        phases.end("sweep");
        self.allocated_before += self.fresh_bytes() as u64;
        (self.handed_bytes, self.padding_bytes) = (0, 0);
        self.live_bytes = live_bytes;
        self.sizer.end(live_bytes);
        self.allowance = self.sizer.allowance(live_bytes);
        self.collections += 1;
        Collection {
            before_bytes,
            after_bytes: live_bytes,
            traced_objects,
            copied_bytes: 0,
            phases: phases.finish(),
            minor: false,
        }
    }
    /// A hole for a class without collecting; `None` when the budget has no room for a block.
    fn hole(&mut self, class: usize) -> Option<Bump> {
        let found = self.blocks.next_hole(class);
        let (start, stop) = match found {
            Some(hole) => hole,
            None => self.blocks.fresh(class, &self.budget)?,
        };
        self.handed_bytes += stop - start;
        // SAFETY: a hole is handed out once (K3).
        Some(unsafe { Bump::new(start, stop) })
    }
    fn single(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = match self.singles.alloc(layout, &self.budget) {
            None if self.blocks.release_free(&self.budget) => {
                self.singles.alloc(layout, &self.budget)
            }
            o => o,
        }?;
        self.handed_bytes += layout.size();
        Some(o)
    }
}

// SAFETY: cells and single objects are disjoint; a collection frees only what is unreachable (I2).
unsafe impl<L: Sharing> Heap for MarkSweep<L> {
    type Mutator = MarkSweepMutator<L>;
    const INFO: HeapInfo = HeapInfo {
        name: "mark-sweep",
        summary: "non-moving, size-class blocks, side mark bitmaps, lazy sweeping",
        moves: false,
        collects: true,
        prefix_words: 0,
        barrier: Barrier::None,
        parameters: &[
            Parameter {
                name: "allocator",
                default: "blocks",
                doc: "where objects come from: blocks (own size-class blocks), mimalloc, system",
            },
            SIZER,
            GC_THREADS,
        ],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let (use_blocks, source) = match config.parameter(&Self::INFO, "allocator") {
            "blocks" => (true, Source::System),
            "mimalloc" => (false, Source::Mimalloc),
            "system" => (false, Source::System),
            other => {
                return Err(HeapError(format!(
                    "allocator={other}: expected blocks, mimalloc or system"
                )));
            }
        };
        if use_blocks && config.limit_bytes < MINIMUM {
            return Err(HeapError(format!(
                "mark-sweep needs at least {MINIMUM} bytes (a few blocks), not {}: raise the limit \
                 or take allocator=system",
                config.limit_bytes
            )));
        }
        let blocks = BlockSpace::new(if use_blocks { config.limit_bytes } else { 0 });
        let refused = || {
            format!("the system refuses to reserve {} bytes: lower the limit", config.limit_bytes)
        };
        let sizer = Sizing::new(config, &Self::INFO, config.limit_bytes)?;
        Ok(MarkSweep(Shared::new(State {
            budget: Budget::new(config.limit_bytes),
            allowance: sizer.allowance(0),
            sizer,
            poison: config.poison,
            use_blocks,
            blocks: blocks.ok_or_else(|| HeapError(refused()))?,
            singles: ObjectTable::new(source),
            crew: crew(config, &Self::INFO)?,
            live_bytes: 0,
            handed_bytes: 0,
            padding_bytes: 0,
            lent: 0,
            allocated_before: 0,
            collections: 0,
        })))
    }
    fn mutator(&self) -> MarkSweepMutator<L> {
        assert!(L::PARALLEL || self.0.holders() == 1, "one worker, one mutator");
        MarkSweepMutator {
            holes: [Bump::EMPTY; COUNT],
            padding_bytes: 0,
            lent: false,
            state: self.0.clone(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, _: Cause) -> Collection {
        self.0.lock().collect(roots)
    }
    fn usage(&self) -> Usage {
        let state = self.0.lock();
        Usage {
            limit_bytes: state.budget.limit(),
            reserved_bytes: state.budget.taken(),
            used_bytes: state.live_bytes + state.fresh_bytes(),
            live_bytes: state.live_bytes,
            allocated_bytes: state.allocated_before + state.fresh_bytes() as u64,
            collections: state.collections,
        }
    }
}

impl<L: Sharing> MarkSweepMutator<L> {
    fn alloc_in_hole(&mut self, class: usize, layout: ObjectLayout) -> Option<Obj> {
        let cell = cell_size(class);
        let o = self.holes[class].alloc_cell(layout, cell)?;
        self.padding_bytes += cell - layout.size();
        Some(o)
    }
    /// Allocates without collecting.
    fn try_slow(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let size = layout.size();
        let mut state = self.state.lock();
        if size > LARGEST || !state.use_blocks {
            return state.single(layout);
        }
        let class = class_of(size);
        let hole = state.hole(class)?;
        state.lent += usize::from(!self.lent);
        drop(state);
        self.lent = true;
        self.holes[class] = hole;
        self.alloc_in_hole(class, layout)
    }
    fn over_allowance(&self, layout: ObjectLayout) -> bool {
        let state = self.state.lock();
        state.handed_bytes + layout.size() > state.allowance
    }
}

// SAFETY: mutators own disjoint holes; everything else they share is behind one lock.
unsafe impl SharedHeap for MarkSweep<ManyThreads> {}

// SAFETY: as the heap.
unsafe impl<L: Sharing> Mutator for MarkSweepMutator<L> {
    const PARALLEL: bool = L::PARALLEL;
    const PLAIN_LOADS: bool = true;

    #[inline(always)]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let size = layout.size();
        if size > LARGEST_EXACT {
            return None;
        }
        // The cells of exact classes are as large as the object: a plain bump range.
        // SAFETY: size / 8 <= 32 < COUNT.
        unsafe { self.holes.get_unchecked_mut(size / 8) }.alloc(layout)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        let size = layout.size();
        if (LARGEST_EXACT + 1..=LARGEST).contains(&size)
            && let Some(o) = self.alloc_in_hole(class_of(size), layout)
        {
            return Ok(o);
        }
        if self.over_allowance(layout) {
            self.flush();
            at.collect(Cause::Threshold);
        }
        for why in [Cause::AllocationFailure, Cause::LastResort] {
            if let Some(o) = self.try_slow(layout) {
                return Ok(o);
            }
            self.flush();
            at.collect(why);
        }
        self.try_slow(layout).ok_or(Oom)
    }
    #[inline(always)]
    fn load(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    #[inline(always)]
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    #[inline(always)]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    #[inline(always)]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        if L::PARALLEL { o.publish_slot(i, v) } else { o.set_slot(i, v) }
    }
    /// Gives the unused rests of the holes back, so that the byte counts are exact.
    fn flush(&mut self) {
        let mut state = self.state.lock();
        state.lent -= usize::from(std::mem::take(&mut self.lent));
        state.padding_bytes += std::mem::take(&mut self.padding_bytes);
        for (class, hole) in self.holes.iter_mut().enumerate() {
            if hole.limit() != 0 {
                state.handed_bytes -= hole.left();
                state.blocks.give_back(class, hole.cursor(), hole.limit());
                *hole = Bump::EMPTY;
            }
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.singles.clear(&self.budget);
    }
}

impl<L: Sharing> Drop for MarkSweepMutator<L> {
    fn drop(&mut self) {
        self.flush();
    }
}
