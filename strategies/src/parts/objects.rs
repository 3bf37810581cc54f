//! Objects that are allocated one by one: large ones, or all of them when the backing allocator is
//! not our own blocks. Each is an entry of a table; their mark is a bit of the header's gc byte.
//!
//! Invariants
//! - L1. The table holds every single object of the heap, and nothing else; marks are clear outside
//!   of collections.
//! - L2. The budget is charged for what each object really takes and for the table's capacity.

use super::mark_word;
use super::memory::{Budget, Source, allocate, free, poison};
use menagerie::object::{Obj, ObjectLayout};

const MARKED: u8 = 1;

/// A table of single objects.
#[derive(Debug)]
pub struct ObjectTable {
    source: Source,
    objects: Vec<Obj>,
}

impl ObjectTable {
    /// An empty table.
    pub fn new(source: Source) -> ObjectTable {
        ObjectTable { source, objects: Vec::new() }
    }
    /// A new object within the budget; the body is not initialised.
    pub fn alloc(&mut self, layout: ObjectLayout, budget: &Budget) -> Option<Obj> {
        if !self.make_room(budget) {
            return None;
        }
        let address = allocate(self.source, layout.size(), budget)?;
        // SAFETY: fresh memory of that size, 8-aligned.
        let o = unsafe { Obj::create_header(address, layout) };
        self.objects.push(o);
        Some(o)
    }
    /// Makes room for one more entry, by half of the table; `false` when the budget has none.
    fn make_room(&mut self, budget: &Budget) -> bool {
        let (len, capacity) = (self.objects.len(), self.objects.capacity());
        if len < capacity {
            return true;
        }
        let more = (capacity / 2).max(16);
        let fits = budget.charge(more * size_of::<Obj>());
        if fits {
            self.objects.reserve_exact(more);
            debug_assert_eq!(self.objects.capacity(), capacity + more);
        }
        fits
    }
    /// Frees every unmarked object and clears the marks.
    pub fn sweep(&mut self, budget: &Budget, poison: bool) {
        let source = self.source;
        self.objects.retain(|&o| {
            let live = is_marked(o);
            if live {
                o.set_gc_byte(0);
            } else {
                release(source, o, budget, poison);
            }
            live
        });
    }
    /// Frees everything: the end of the heap.
    pub fn clear(&mut self, budget: &Budget) {
        self.objects.drain(..).for_each(|o| release(self.source, o, budget, false));
    }
}

fn release(source: Source, o: Obj, budget: &Budget, overwrite: bool) {
    let (start, size) = (o.address(), o.size());
    // SAFETY: allocated with this size in `alloc`; nobody refers to it any more.
    unsafe {
        if overwrite {
            poison(start, start + size);
        }
        free(source, start, size, budget);
    }
}

/// Marks a single object; `true` if it was not marked before.
#[inline(always)]
pub fn mark(o: Obj) -> bool {
    let was = o.gc_byte();
    o.set_gc_byte(was | MARKED);
    was & MARKED == 0
}
/// As [`mark`], while other threads do the same: on the whole header, so that all accesses to it are of
/// one size.
#[inline(always)]
pub fn mark_shared(o: Obj) -> bool {
    mark_word::set(o.header_atomic(), u64::from(MARKED) << 8)
}
/// Whether a single object is marked.
#[inline(always)]
pub fn is_marked(o: Obj) -> bool {
    o.gc_byte() & MARKED != 0
}
