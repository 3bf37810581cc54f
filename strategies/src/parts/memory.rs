//! Memory from the system: the only place that calls an allocator for heap memory, so that every
//! byte is counted against the limit (H3) and checkers can see all of it.
//!
//! Invariants
//! - M1. A [`Block`] owns `bytes` bytes from `start` on, 16-aligned; nobody else has them.
//! - M2. The [`Budget`] of a heap is the sum of the blocks it was charged for.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;

/// What a heap may still take from the system.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    taken: Cell<usize>,
}

impl Budget {
    /// A budget of `limit` bytes, all free.
    pub fn new(limit: usize) -> Budget {
        Budget { limit, taken: Cell::new(0) }
    }
    /// The limit, bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }
    /// Bytes taken.
    pub fn taken(&self) -> usize {
        self.taken.get()
    }
    /// Bytes left.
    pub fn left(&self) -> usize {
        self.limit - self.taken.get()
    }
    /// Charges bytes that do not come from [`Block::new`] (tables, other allocators); `false`
    /// when they do not fit.
    #[must_use]
    pub fn charge(&self, bytes: usize) -> bool {
        let fits = bytes <= self.left();
        if fits {
            self.taken.set(self.taken.get() + bytes);
        }
        fits
    }
    /// Gives charged bytes back.
    pub fn refund(&self, bytes: usize) {
        debug_assert!(bytes <= self.taken.get());
        self.taken.set(self.taken.get() - bytes);
    }
}

/// A piece of memory (M1).
#[derive(Debug)]
pub struct Block {
    start: usize,
    layout: Layout,
}

const ALIGN: usize = 16;

impl Block {
    /// Takes `bytes` from the system within the budget. The content is undefined.
    pub fn new(budget: &Budget, bytes: usize) -> Option<Block> {
        Self::aligned(budget, bytes, ALIGN)
    }
    /// As [`Block::new`], at a multiple of `align` (a power of two).
    pub fn aligned(budget: &Budget, bytes: usize, align: usize) -> Option<Block> {
        debug_assert!(bytes > 0);
        let layout = Layout::from_size_align(bytes, align).ok()?;
        if !budget.charge(bytes) {
            return None;
        }
        // SAFETY: the size is not zero.
        let start = unsafe { alloc(layout) } as usize;
        if start == 0 {
            budget.refund(bytes);
            return None;
        }
        Some(Block { start, layout })
    }
    /// Gives the memory back to the system and the budget.
    pub fn free(self, budget: &Budget) {
        budget.refund(self.bytes());
    }
    /// Its first address.
    pub fn start(&self) -> usize {
        self.start
    }
    /// One past its last address.
    pub fn end(&self) -> usize {
        self.start + self.bytes()
    }
    /// Its size.
    pub fn bytes(&self) -> usize {
        self.layout.size()
    }
    /// Whether the address lies in it.
    pub fn contains(&self, address: usize) -> bool {
        (self.start..self.end()).contains(&address)
    }
    /// Overwrites a part with a pattern that is no header, so that stale use fails fast.
    pub fn poison(&mut self, from: usize, to: usize) {
        debug_assert!(self.start <= from && from <= to && to <= self.end());
        // SAFETY: within the block, which is ours (M1).
        unsafe { std::ptr::write_bytes(from as *mut u8, POISON, to - from) };
    }
}

/// The byte that freed memory is filled with.
pub const POISON: u8 = 0xdb;

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `aligned` with this layout (M1).
        unsafe { dealloc(self.start as *mut u8, self.layout) };
    }
}
