//! Size-class blocks with side mark bits, allocated into hole by hole.
//!
//! ```text
//!  reservation:  [ class 3 │ class 7 │ class 3 │  free   │ class 1 │ never used …          ]
//!  a block:      [ cell cell cell cell … ]                           (16 KiB, no header)
//!  mark bits:      1    0    0    1
//!                       └hole ┘
//! ```
//! A cell is free when its mark bit is clear. Sweeping is finding the next run of free cells (a
//! *hole*), lazily, when the mutator asks; nothing is written to free memory, there is no free list.
//!
//! Invariants
//! - K1. Block `i` is the `i`-th 16 KiB of the reservation; below `fresh` each is in one class's
//!   list, or free, or released; from there on none was ever used.
//! - K2. A class's blocks before `next` (and the current one up to `at`) have been handed out since
//!   the last collection: cells there may be live without a mark.
//! - K3. A hole is handed out once between two collections; what is given back of it may be handed
//!   out again.
//! - K4. The budget is charged [`CHARGE`] for every block that is in a class or free.

use super::mark_bits::{COVERED, MarkBits};
use super::memory::{Budget, Pages, Reservation, poison};
use super::size_class::{COUNT, LARGEST, cell_size};

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 16 << 10;
/// What a block costs: itself, its mark bits, its places in the lists (two, up to half empty).
pub const CHARGE: usize = BLOCK_BYTES + BLOCK_BYTES / COVERED + 4 * size_of::<u32>();
const _: () = assert!(LARGEST <= BLOCK_BYTES / 2);

#[derive(Debug, Default)]
struct Class {
    blocks: Vec<u32>,
    /// The first block that has not been looked at since the last collection.
    next: usize,
    /// Where to look on in block `next`; 0 = at its start.
    at: usize,
    /// Rests of holes that were given back while others were out.
    returned: Vec<(usize, usize)>,
}

/// All blocks of a heap.
#[derive(Debug)]
pub struct BlockSpace {
    memory: Reservation,
    marks: MarkBits,
    capacity: u32,
    /// The first block that was never used (K1).
    fresh: u32,
    classes: [Class; COUNT],
    /// Empty blocks that are charged, the lowest last.
    free: Vec<u32>,
    /// Empty blocks that are not.
    released: Vec<u32>,
}

/// The end of the last whole cell of a block.
fn cells_end(block: usize, cell: usize) -> usize {
    block + BLOCK_BYTES / cell * cell
}

impl BlockSpace {
    /// Room for as many blocks as `limit` bytes pay for; `None` when the system has no memory.
    pub fn new(limit: usize) -> Option<BlockSpace> {
        let capacity = u32::try_from(limit / CHARGE).ok()?;
        let bytes = capacity as usize * BLOCK_BYTES;
        let memory = Reservation::new(bytes, Pages::Large)?;
        let marks = MarkBits::new(memory.start(), bytes)?;
        Some(BlockSpace {
            memory,
            marks,
            capacity,
            fresh: 0,
            classes: std::array::from_fn(|_| Class::default()),
            free: Vec::new(),
            released: Vec::new(),
        })
    }
    /// The mark bits of everything in here.
    pub fn marks(&mut self) -> &mut MarkBits {
        &mut self.marks
    }
    fn start(&self, block: u32) -> usize {
        self.memory.start() + block as usize * BLOCK_BYTES
    }
    /// The next hole of a block at or after `from`.
    fn hole(&self, block: u32, from: usize, cell: usize) -> Option<(usize, usize)> {
        let end = cells_end(self.start(block), cell);
        let mut start = from;
        while start < end && self.marks.is_marked(start) {
            start += cell;
        }
        (start < end).then(|| (start, self.marks.next_marked(start, end)))
    }
    /// The next hole of a class in the blocks that it has: lazy sweeping.
    pub fn next_hole(&mut self, class: usize) -> Option<(usize, usize)> {
        let cell = cell_size(class);
        if let Some(rest) = self.classes[class].returned.pop() {
            return Some(rest);
        }
        loop {
            let c = &self.classes[class];
            let block = *c.blocks.get(c.next)?;
            let from = if c.at == 0 { self.start(block) } else { c.at };
            let hole = self.hole(block, from, cell);
            let c = &mut self.classes[class];
            if let Some((start, stop)) = hole {
                c.at = stop;
                return Some((start, stop));
            }
            c.next += 1;
            c.at = 0;
        }
    }
    /// Gives back the unused rest of a hole (K3).
    pub fn give_back(&mut self, class: usize, from: usize, stop: usize) {
        let c = &mut self.classes[class];
        if c.at == stop {
            // The one that was handed out last: looking on from there finds it.
            c.at = from;
        } else if from < stop {
            c.returned.push((from, stop));
        }
    }
    /// A whole block for a class, within the budget.
    pub fn fresh(&mut self, class: usize, budget: &Budget) -> Option<(usize, usize)> {
        let block = self.free.pop().or_else(|| self.unused(budget))?;
        let cell = cell_size(class);
        let start = self.start(block);
        let stop = cells_end(start, cell);
        let c = &mut self.classes[class];
        debug_assert_eq!(c.next, c.blocks.len(), "holes first");
        c.blocks.push(block);
        c.at = stop;
        Some((start, stop))
    }
    fn unused(&mut self, budget: &Budget) -> Option<u32> {
        if (self.released.is_empty() && self.fresh == self.capacity) || !budget.charge(CHARGE) {
            return None;
        }
        self.released.pop().or_else(|| {
            self.fresh += 1;
            Some(self.fresh - 1)
        })
    }
    /// Clears all marks: the start of a collection.
    pub fn clear_marks(&mut self) {
        self.marks.clear(self.fresh as usize * BLOCK_BYTES);
    }
    /// After marking: empty blocks become free for any class, the rest is to be swept lazily. With
    /// `poison`, free cells are overwritten at once.
    pub fn begin_sweep(&mut self, poison: bool) {
        for class in 0..COUNT {
            let mut blocks = std::mem::take(&mut self.classes[class].blocks);
            if poison {
                blocks.iter().for_each(|&b| self.poison_holes(b, cell_size(class)));
            }
            blocks.retain(|&block| {
                let (start, end) = (self.start(block), self.start(block) + BLOCK_BYTES);
                let any = self.marks.next_marked(start, end) < end;
                if !any {
                    self.free.push(block);
                }
                any
            });
            self.classes[class] = Class { blocks, ..Class::default() };
        }
        self.free.sort_unstable_by(|a, b| b.cmp(a));
    }
    fn poison_holes(&mut self, block: u32, cell: usize) {
        let mut from = self.start(block);
        while let Some((start, stop)) = self.hole(block, from, cell) {
            // SAFETY: a hole holds no live object.
            unsafe { poison(start, stop) };
            from = stop;
        }
    }
    /// Gives all free blocks back to the system and the budget; whether there were any.
    pub fn release_free(&mut self, budget: &Budget) -> bool {
        let any = !self.free.is_empty();
        while let Some(block) = self.free.pop() {
            let start = self.start(block);
            self.memory.release(start, start + BLOCK_BYTES);
            budget.refund(CHARGE);
            self.released.push(block);
        }
        any
    }
}
