//! Objects that are allocated one by one: large ones, or all of them when the backing allocator is
//! not our own blocks. Each is an entry of a table; their mark is a bit of the header's gc byte.
//!
//! Invariant L1: an object's gc byte has [`SINGLE`] set iff it is in such a table.

use std::alloc::{GlobalAlloc, Layout, System};

use super::memory::{Budget, POISON};
use menagerie::object::{Obj, ObjectLayout};

/// In the gc byte: allocated here.
pub const SINGLE: u8 = 2;
const MARKED: u8 = 1;

/// Where single objects come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The process's allocator.
    System,
    /// mimalloc.
    Mimalloc,
}

/// Bytes of the table per object.
const ENTRY_BYTES: usize = size_of::<Obj>();

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
    fn memory(size: usize) -> Layout {
        Layout::from_size_align(size, 8).expect("sizes are bounded")
    }
    /// A new object within the budget; the body is not initialised.
    pub fn alloc(&mut self, layout: ObjectLayout, budget: &Budget) -> Option<Obj> {
        let size = layout.size();
        if !budget.charge(size + ENTRY_BYTES) {
            return None;
        }
        let memory = Self::memory(size);
        // SAFETY: the size is at least a header.
        let address = unsafe {
            match self.source {
                Source::System => System.alloc(memory),
                Source::Mimalloc => mimalloc::MiMalloc.alloc(memory),
            }
        } as usize;
        if address == 0 {
            budget.refund(size + ENTRY_BYTES);
            return None;
        }
        // SAFETY: fresh memory of that size.
        let o = unsafe { Obj::create_header(address, layout) };
        o.set_gc_byte(SINGLE);
        self.objects.push(o);
        Some(o)
    }
    /// Frees every unmarked object and clears the marks.
    pub fn sweep(&mut self, budget: &Budget, poison: bool) {
        let source = self.source;
        self.objects.retain(|&o| {
            let live = o.gc_byte() & MARKED != 0;
            if live {
                o.set_gc_byte(SINGLE);
            } else {
                budget.refund(o.size() + ENTRY_BYTES);
                free(source, o, poison);
            }
            live
        });
    }
}

fn free(source: Source, o: Obj, poison: bool) {
    let memory = ObjectTable::memory(o.size());
    let address = o.address() as *mut u8;
    // SAFETY: allocated with this layout in `alloc`; nobody refers to it any more.
    unsafe {
        if poison {
            std::ptr::write_bytes(address, POISON, memory.size());
        }
        match source {
            Source::System => System.dealloc(address, memory),
            Source::Mimalloc => mimalloc::MiMalloc.dealloc(address, memory),
        }
    }
}

impl Drop for ObjectTable {
    fn drop(&mut self) {
        self.objects.drain(..).for_each(|o| free(self.source, o, false));
    }
}

/// Whether the object is a single one (L1).
#[inline(always)]
pub fn is_single(o: Obj) -> bool {
    o.gc_byte() & SINGLE != 0
}
/// Marks a single object; `true` if it was not marked before.
#[inline(always)]
pub fn mark(o: Obj) -> bool {
    let was = o.gc_byte();
    o.set_gc_byte(was | MARKED);
    was & MARKED == 0
}
/// Whether a single object is marked.
#[inline(always)]
pub fn is_marked(o: Obj) -> bool {
    o.gc_byte() & MARKED != 0
}
