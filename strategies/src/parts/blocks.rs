//! Size-class blocks with side mark bitmaps, allocated into hole by hole.
//!
//! ```text
//!  block (32 KiB, aligned):  [ class, cell size │ mark bits, one per 8 bytes │ cell cell cell … ]
//!  marks of the cells:                                                         1    0    0    1
//!                                                                                   └hole ┘
//! ```
//! A cell is free when its mark bit is clear. Sweeping is finding the next run of free cells (a
//! *hole*), lazily, when the mutator asks; nothing is written to free memory, there is no free list.
//!
//! Invariants
//! - K1. Blocks are aligned to their size, so an object's block is its address with the low bits
//!   cleared.
//! - K2. A class's blocks before `next` (and the current one up to `at`) have been handed out since
//!   the last collection: cells there may be live without a mark.
//! - K3. A hole is handed out once between two collections.

use super::memory::{Block, Budget, POISON};
use super::size_class::{COUNT, cell_size};
use menagerie::object::Obj;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 32 << 10;
const GRANULE: usize = 8;
const MARK_WORDS: usize = BLOCK_BYTES / GRANULE / 64;

#[repr(C)]
struct Header {
    cell_bytes: usize,
    _pad: usize,
    marks: [u64; MARK_WORDS],
}

const HEADER_BYTES: usize = size_of::<Header>();
const _: () = assert!(HEADER_BYTES % 16 == 0);

#[derive(Debug, Default)]
struct Class {
    blocks: Vec<Block>,
    /// The first block that has not been looked at since the last collection.
    next: usize,
    /// Where to look on in block `next`; 0 = at its start.
    at: usize,
}

/// All blocks of a heap.
#[derive(Debug)]
pub struct BlockSpace {
    classes: [Class; COUNT],
    free: Vec<Block>,
}

impl Default for BlockSpace {
    fn default() -> Self {
        BlockSpace { classes: std::array::from_fn(|_| Class::default()), free: Vec::new() }
    }
}

fn header(block: &mut Block) -> &mut Header {
    // SAFETY: every block of a space starts with an initialised header (`BlockSpace::fresh`).
    unsafe { &mut *(block.start() as *mut Header) }
}

#[inline(always)]
fn mark_place(o: Obj) -> (*mut u64, u64) {
    let address = o.address();
    let granule = (address & (BLOCK_BYTES - 1)) / GRANULE;
    let header = (address & !(BLOCK_BYTES - 1)) as *mut Header;
    // SAFETY: K1: the object lies in a block, whose header is at the aligned address; only the
    // place is computed here.
    let words = unsafe { &raw mut (*header).marks }.cast::<u64>();
    // SAFETY: the granule's word is one of the bitmap's.
    (unsafe { words.add(granule / 64) }, 1 << (granule % 64))
}

/// Marks an object of a block; `true` if it was not marked before.
#[inline(always)]
pub fn mark(o: Obj) -> bool {
    let (word, bit) = mark_place(o);
    // SAFETY: `mark_place` gives a word of the bitmap; one collector thread.
    unsafe {
        let was = *word;
        *word = was | bit;
        was & bit == 0
    }
}
/// Whether an object of a block is marked.
#[inline(always)]
pub fn is_marked(o: Obj) -> bool {
    let (word, bit) = mark_place(o);
    // SAFETY: as `mark`.
    unsafe { *word & bit != 0 }
}
/// The cell size of an object of a block, bytes.
#[inline(always)]
pub fn cell_bytes(o: Obj) -> usize {
    let header = (o.address() & !(BLOCK_BYTES - 1)) as *const Header;
    // SAFETY: K1.
    unsafe { (*header).cell_bytes }
}

fn is_cell_marked(header: &Header, address: usize) -> bool {
    let granule = (address & (BLOCK_BYTES - 1)) / GRANULE;
    header.marks[granule / 64] & 1 << (granule % 64) != 0
}

/// The end of the last whole cell of a block.
fn cells_end(block: &Block, cell: usize) -> usize {
    let first = block.start() + HEADER_BYTES;
    first + (block.end() - first) / cell * cell
}

/// The next hole of a block at or after `from`.
fn hole(block: &mut Block, from: usize, cell: usize) -> Option<(usize, usize)> {
    let end = cells_end(block, cell);
    let header = header(block);
    let mut start = from;
    while start < end && is_cell_marked(header, start) {
        start += cell;
    }
    let mut stop = start;
    while stop < end && !is_cell_marked(header, stop) {
        stop += cell;
    }
    (start < stop).then_some((start, stop))
}

impl BlockSpace {
    /// The next hole of a class in the blocks that it has: lazy sweeping.
    pub fn next_hole(&mut self, class: usize) -> Option<(usize, usize)> {
        let cell = cell_size(class);
        let c = &mut self.classes[class];
        while let Some(block) = c.blocks.get_mut(c.next) {
            let from = if c.at == 0 { block.start() + HEADER_BYTES } else { c.at };
            if let Some((start, stop)) = hole(block, from, cell) {
                c.at = stop;
                return Some((start, stop));
            }
            c.next += 1;
            c.at = 0;
        }
        None
    }
    /// Gives back the unused rest of the hole that was handed out last in this class (K3).
    pub fn give_back(&mut self, class: usize, from: usize) {
        self.classes[class].at = from;
    }
    /// A whole block for a class: a free one, or a new one within the budget.
    pub fn fresh(&mut self, class: usize, budget: &Budget) -> Option<(usize, usize)> {
        let recycled = self.free.pop();
        let block = recycled.or_else(|| Block::aligned(budget, BLOCK_BYTES, BLOCK_BYTES))?;
        let cell = cell_size(class);
        let place = block.start() as *mut Header;
        // SAFETY: the block is ours and aligned (K1).
        unsafe { place.write(Header { cell_bytes: cell, _pad: 0, marks: [0; MARK_WORDS] }) };
        let (start, stop) = (block.start() + HEADER_BYTES, cells_end(&block, cell));
        let c = &mut self.classes[class];
        debug_assert_eq!(c.next, c.blocks.len(), "holes first");
        c.blocks.push(block);
        c.at = stop;
        Some((start, stop))
    }
    /// Clears all marks: the start of a collection.
    pub fn clear_marks(&mut self) {
        for block in self.classes.iter_mut().flat_map(|c| &mut c.blocks) {
            header(block).marks.fill(0);
        }
    }
    /// After marking: empty blocks become free for any class, the rest is to be swept lazily. With
    /// `poison`, free cells are overwritten at once.
    pub fn begin_sweep(&mut self, poison: bool) {
        for (class, c) in self.classes.iter_mut().enumerate() {
            c.next = 0;
            c.at = 0;
            let mut kept = Vec::with_capacity(c.blocks.len());
            for mut block in c.blocks.drain(..) {
                if poison {
                    poison_holes(&mut block, cell_size(class));
                }
                if header(&mut block).marks.iter().all(|&word| word == 0) {
                    self.free.push(block);
                } else {
                    kept.push(block);
                }
            }
            c.blocks = kept;
        }
    }
    /// Gives all free blocks back to the system; whether there were any.
    pub fn release_free(&mut self, budget: &Budget) -> bool {
        let any = !self.free.is_empty();
        self.free.drain(..).for_each(|block| block.free(budget));
        any
    }
}

fn poison_holes(block: &mut Block, cell: usize) {
    let mut from = block.start() + HEADER_BYTES;
    while let Some((start, stop)) = hole(block, from, cell) {
        // SAFETY: a hole holds no live object.
        unsafe { std::ptr::write_bytes(start as *mut u8, POISON, stop - start) };
        from = stop;
    }
}
