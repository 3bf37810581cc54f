//! A bump range: the allocation buffer of a worker.
//!
//! Invariant B1: `cursor <= limit`, and the bytes between them belong to this buffer alone.

use menagerie::object::{Obj, ObjectLayout};

/// Where the next object goes, and where the memory ends.
#[derive(Clone, Copy, Debug)]
pub struct Bump {
    cursor: usize,
    limit: usize,
}

impl Bump {
    /// No memory.
    pub const EMPTY: Bump = Bump { cursor: 0, limit: 0 };

    /// A buffer over `start..limit`.
    ///
    /// # Safety
    /// The range is 8-aligned and handed over to this buffer alone (B1).
    pub unsafe fn new(start: usize, limit: usize) -> Bump {
        debug_assert!(start <= limit && start.is_multiple_of(8));
        Bump { cursor: start, limit }
    }
    /// The next object's address.
    pub fn cursor(self) -> usize {
        self.cursor
    }
    /// The end.
    pub fn limit(self) -> usize {
        self.limit
    }
    /// Bytes left.
    pub fn left(self) -> usize {
        self.limit - self.cursor
    }
    /// The same place, without the memory behind it.
    pub fn without_room(self) -> Bump {
        Bump { limit: self.cursor, ..self }
    }
    /// A new object: the header is written, the body is not. One subtraction, one compare, one
    /// addition, two stores.
    #[inline(always)]
    pub fn alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.alloc_cell(layout, layout.size())
    }
    /// As [`Bump::alloc`] in a cell of `size` bytes, at least the layout's.
    #[inline(always)]
    pub fn alloc_cell(&mut self, layout: ObjectLayout, size: usize) -> Option<Obj> {
        debug_assert!(size >= layout.size());
        // Not `cursor + size <= limit`: that could wrap.
        if size > self.limit - self.cursor {
            return None;
        }
        let address = self.cursor;
        self.cursor += size;
        // SAFETY: `size` bytes at `address` are ours (B1) and nobody else's any more.
        Some(unsafe { Obj::create_header(address, layout) })
    }
}
