//! Size-class cells that are freed one by one: what counting heaps allocate from.
//!
//! ```text
//!  reservation:  [ class 3 │ class 7 │ free │ class 3 │ never used …      ]   16 KiB blocks
//!  a block:      [ cell │ cell ─► cell │ cell ─► … ]     free cells are linked through their first word
//! ```
//! A mutator *takes* a block's whole free list and pops from it without looking at the block
//! again; cells freed meanwhile gather on the block's own list (mimalloc's two lists). A block
//! whose cells are all free goes back to the pool, for any class. Which block it has taken for a
//! class, each mutator keeps itself ([`Taken`]).
//!
//! Invariants
//! - C1. Block `i` is the `i`-th 16 KiB of the reservation; each is of one class, or free, or was
//!   never used.
//! - C2. `used` counts a block's cells that are neither on its own list nor unformatted: objects,
//!   and what mutators have taken.
//! - C3. A block is `listed` iff its own list is not empty and it is not taken; then it is in its
//!   class's list. Entries of blocks that are not listed (any more) are skipped.
//! - C4. The budget is charged [`CHARGE`] for every block that has a class.
//!
//! Source: Leijen, Zorn, de Moura: Mimalloc: Free List Sharding in Action, 2019.

use super::memory::{Budget, Pages, Reservation, poison};
use super::size_class::{COUNT, cell_size};

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 16 << 10;
/// What a block costs: itself and its entry in the table, with the table's slack.
pub const CHARGE: usize = BLOCK_BYTES + 2 * size_of::<Block>() + 2 * size_of::<u32>();

#[derive(Clone, Debug, Default)]
struct Block {
    /// The block's own list of free cells; 0 = empty.
    free: usize,
    /// C2.
    used: u16,
    class: u8,
    taken: bool,
    listed: bool,
}

/// All blocks of a heap.
#[derive(Debug)]
pub struct CellSpace {
    memory: Reservation,
    capacity: u32,
    blocks: Vec<Block>,
    pool: Vec<u32>,
    /// C3.
    lists: [Vec<u32>; COUNT],
    poison: bool,
}

/// The block whose list a mutator has taken, for one class.
#[derive(Debug, Default)]
pub struct Taken(Option<u32>);

fn next_of(cell: usize) -> usize {
    // SAFETY: a free cell's first word is its link.
    unsafe { *(cell as *const usize) }
}
fn link(cell: usize, next: usize) {
    // SAFETY: a free cell belongs to its block.
    unsafe { *(cell as *mut usize) = next };
}

impl CellSpace {
    /// Room for as many blocks as `limit` bytes pay for; `None` when the system has no memory.
    pub fn new(limit: usize, poison: bool) -> Option<CellSpace> {
        let capacity = u32::try_from(limit / CHARGE).ok()?;
        Some(CellSpace {
            memory: Reservation::new(capacity as usize * BLOCK_BYTES, Pages::Large)?,
            capacity,
            blocks: Vec::new(),
            pool: Vec::new(),
            lists: std::array::from_fn(|_| Vec::new()),
            poison,
        })
    }
    /// Whether an address lies in here.
    #[inline(always)]
    pub fn covers(&self, address: usize) -> bool {
        address.wrapping_sub(self.memory.start()) < self.memory.bytes()
    }
    fn block_of(&self, cell: usize) -> u32 {
        ((cell - self.memory.start()) / BLOCK_BYTES) as u32
    }
    fn start(&self, block: u32) -> usize {
        self.memory.start() + block as usize * BLOCK_BYTES
    }
    /// Takes a list of free cells of a class, linked through their first words, for a mutator,
    /// which has used up the one it took before. `None` when the budget has no room.
    pub fn take(&mut self, class: usize, taken: &mut Taken, budget: &Budget) -> Option<usize> {
        if let Some(block) = taken.0 {
            let b = &mut self.blocks[block as usize];
            if b.free != 0 {
                return Some(self.hand_out(block));
            }
            b.taken = false;
            taken.0 = None;
        }
        let block = match self.listed(class) {
            Some(block) => block,
            None => self.fresh(class, budget)?,
        };
        self.blocks[block as usize].taken = true;
        taken.0 = Some(block);
        Some(self.hand_out(block))
    }
    /// A listed block of a class; entries that are out of date go.
    fn listed(&mut self, class: usize) -> Option<u32> {
        while let Some(block) = self.lists[class].pop() {
            let b = &mut self.blocks[block as usize];
            if b.listed && b.class as usize == class {
                b.listed = false;
                return Some(block);
            }
        }
        None
    }
    fn hand_out(&mut self, block: u32) -> usize {
        let b = &mut self.blocks[block as usize];
        let head = std::mem::take(&mut b.free);
        b.used = (BLOCK_BYTES / cell_size(b.class as usize)) as u16;
        head
    }
    fn fresh(&mut self, class: usize, budget: &Budget) -> Option<u32> {
        let unused = self.blocks.len() < self.capacity as usize;
        if (self.pool.is_empty() && !unused) || !budget.charge(CHARGE) {
            return None;
        }
        let block = self.pool.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            self.blocks.len() as u32 - 1
        });
        let (start, cell) = (self.start(block), cell_size(class));
        let count = BLOCK_BYTES / cell;
        for i in 0..count {
            let next = if i + 1 < count { start + (i + 1) * cell } else { 0 };
            link(start + i * cell, next);
        }
        let b = &mut self.blocks[block as usize];
        *b = Block { free: start, class: class as u8, ..Block::default() };
        Some(block)
    }
    /// Gives a list that was taken back: the rest that the mutator has not used.
    pub fn give_back(&mut self, head: usize, taken: &mut Taken, budget: &Budget) {
        let mut cell = head;
        while cell != 0 {
            let next = next_of(cell);
            self.put(cell);
            cell = next;
        }
        if let Some(block) = taken.0.take() {
            self.blocks[block as usize].taken = false;
            self.settle(block, budget);
        }
    }
    /// How many cells a taken list holds.
    pub fn length(head: usize) -> usize {
        let (mut cell, mut count) = (head, 0);
        while cell != 0 {
            cell = next_of(cell);
            count += 1;
        }
        count
    }
    /// Frees a cell.
    ///
    /// # Safety
    /// It was handed out, and nobody uses it any more.
    pub unsafe fn free(&mut self, cell: usize, budget: &Budget) {
        let block = self.block_of(cell);
        if self.poison {
            let size = cell_size(self.blocks[block as usize].class as usize);
            // SAFETY: the cell is the caller's, by contract.
            unsafe { poison(cell, cell + size) };
        }
        self.put(cell);
        self.settle(block, budget);
    }
    fn put(&mut self, cell: usize) {
        let block = self.block_of(cell);
        let b = &mut self.blocks[block as usize];
        link(cell, b.free);
        b.free = cell;
        b.used -= 1;
    }
    /// A block with free cells is listed (C3), an empty one goes to the pool.
    fn settle(&mut self, block: u32, budget: &Budget) {
        let b = &mut self.blocks[block as usize];
        if b.taken {
            return;
        }
        if b.used == 0 {
            *b = Block::default();
            self.pool.push(block);
            budget.refund(CHARGE);
        } else if !b.listed && b.free != 0 {
            b.listed = true;
            self.lists[b.class as usize].push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::size_class::class_of;
    use super::*;

    #[test]
    fn every_cell_comes_once_and_comes_back() {
        let budget = Budget::new(4 * CHARGE);
        let mut space = CellSpace::new(4 * CHARGE, true).unwrap();
        let (class, mut taken) = (class_of(48), Taken::default());
        let mut cells = std::collections::HashSet::new();
        for round in 0..3 {
            while let Some(mut cell) = space.take(class, &mut taken, &budget) {
                while cell != 0 {
                    let next = next_of(cell);
                    assert!(cells.insert(cell), "handed out twice");
                    cell = next;
                }
            }
            assert_eq!(cells.len(), 4 * (BLOCK_BYTES / 48), "round {round}");
            assert_eq!(budget.taken(), 4 * CHARGE);
            space.give_back(0, &mut taken, &budget);
            for cell in cells.drain() {
                // SAFETY: handed out above.
                unsafe { space.free(cell, &budget) };
            }
            assert_eq!(budget.taken(), 0, "empty blocks are given back");
        }
    }

    #[test]
    fn an_empty_block_serves_another_class() {
        let budget = Budget::new(CHARGE);
        let mut space = CellSpace::new(CHARGE, false).unwrap();
        let (mut small, mut large) = (Taken::default(), Taken::default());
        let head = space.take(class_of(64), &mut small, &budget).unwrap();
        assert_eq!(CellSpace::length(head), BLOCK_BYTES / 64);
        assert!(space.take(class_of(128), &mut large, &budget).is_none());
        let (first, rest) = (head, next_of(head));
        space.give_back(rest, &mut small, &budget);
        assert!(space.take(class_of(128), &mut large, &budget).is_none());
        // SAFETY: handed out above.
        unsafe { space.free(first, &budget) };
        assert!(space.take(class_of(128), &mut large, &budget).is_some());
    }

    #[test]
    fn two_mutators_take_different_blocks_of_a_class() {
        let budget = Budget::new(2 * CHARGE);
        let mut space = CellSpace::new(2 * CHARGE, true).unwrap();
        let (class, mut one, mut two) = (class_of(48), Taken::default(), Taken::default());
        let first = space.take(class, &mut one, &budget).unwrap();
        let second = space.take(class, &mut two, &budget).unwrap();
        assert_ne!(space.block_of(first), space.block_of(second));
        let rest = next_of(first);
        // A cell that is freed meanwhile is there when its block is asked again.
        // SAFETY: handed out above.
        unsafe { space.free(first, &budget) };
        assert_eq!(space.take(class, &mut one, &budget), Some(first));
        space.give_back(rest, &mut one, &budget);
        space.give_back(second, &mut two, &budget);
        assert_eq!(budget.taken(), CHARGE, "one cell is still handed out");
        // SAFETY: handed out above.
        unsafe { space.free(first, &budget) };
        assert_eq!(budget.taken(), 0);
    }
}
