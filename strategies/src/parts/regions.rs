//! Regions. Here, their memory: a pool of chunks in one range of addresses, and what each region holds.
//!
//! ```text
//!   range:   [ 1 | 1 | 2 | - | 1 | 3 | 3 | 3 | - | … ]     owners: one number per chunk
//!              └───────────── spans of region 1: one chunk, or several for a large object
//!   span:    [object][object][object] … end                   back to back
//! ```
//!
//! One range, because "is it in a region?" is asked at every store: one subtraction and one compare.
//! Which region, is one more load.
//!
//! Invariants
//! - R1. A chunk belongs to the region that its owner word names, or is free (0).
//! - R2. From the start of a span to its end objects lie back to back. They have no prefix.
//! - R3. What the range does not hold, no region holds.

pub(crate) mod collection;
pub(crate) mod entry;
pub(crate) mod frames;
pub(crate) mod log;
pub mod mutator;
pub(crate) mod promotion;
mod remembered;
pub(crate) mod table;

use std::cell::Cell;
use std::rc::Rc;

use menagerie::object::{HEADER_BYTES, Obj, ObjectLayout};
use menagerie::value::Value;

use super::bump::Bump;
use super::copy::forwarded;
use super::memory::{Pages, Reservation, poison};

/// Bytes of a chunk.
pub const CHUNK: usize = 8 << 10;
/// A larger object gets a span of its own.
const LARGE: usize = CHUNK / 4;

/// A number of a region: its place in the heap's table, plus 1.
pub type Owner = u32;
/// The owner of free chunks.
pub const NOBODY: Owner = 0;

/// Whose chunk is whose; shared with mutators.
pub type Owners = Rc<[Cell<Owner>]>;

/// The chunks.
#[derive(Debug)]
pub struct ChunkPool {
    memory: Reservation,
    owners: Owners,
    /// Where to look first: low chunks are in the cache.
    next: usize,
    taken: usize,
    /// Checkers want freed memory to stay untouched for long, and overwritten.
    poison: bool,
}

impl ChunkPool {
    /// A pool of at most `bytes`; `None` when the system refuses.
    pub fn new(bytes: usize, poison: bool) -> Option<ChunkPool> {
        let memory = Reservation::new(bytes, Pages::Small)?;
        let owners = (0..bytes / CHUNK).map(|_| Cell::new(NOBODY)).collect();
        Some(ChunkPool { memory, owners, next: 0, taken: 0, poison })
    }
    /// The first address.
    pub fn start(&self) -> usize {
        self.memory.start()
    }
    /// Bytes of all chunks, taken or not.
    pub fn bytes(&self) -> usize {
        self.owners.len() * CHUNK
    }
    /// Whether freed memory is overwritten.
    pub fn poisons(&self) -> bool {
        self.poison
    }
    /// Bytes of the chunks that regions have.
    pub fn taken_bytes(&self) -> usize {
        self.taken * CHUNK
    }
    /// Whose chunk is whose.
    pub fn owners(&self) -> Owners {
        self.owners.clone()
    }
    /// Who has the chunk at an address; nobody, outside of the range.
    pub fn owner_at(&self, address: usize) -> Owner {
        let chunk = address.wrapping_sub(self.start()) / CHUNK;
        self.owners.get(chunk).map_or(NOBODY, Cell::get)
    }
    fn first_free(&self, count: usize) -> Option<usize> {
        let fits = |&first: &usize| {
            let run = self.owners.get(first..first + count);
            run.is_some_and(|run| run.iter().all(|owner| owner.get() == NOBODY))
        };
        let all = self.owners.len();
        (self.next..all).find(fits).or_else(|| (0..self.next.min(all)).find(fits))
    }
    fn take(&mut self, owner: Owner, count: usize) -> Option<usize> {
        if self.taken + count > self.owners.len() {
            return None;
        }
        let first = self.first_free(count)?;
        self.owners[first..first + count].iter().for_each(|chunk| chunk.set(owner));
        self.taken += count;
        self.next = first + count;
        Some(first)
    }
    fn give_back(&mut self, span: &Span) {
        let (first, count) = (span.first, span.count);
        self.owners[first..first + count].iter().for_each(|chunk| chunk.set(NOBODY));
        self.taken -= count;
        if self.poison {
            let start = self.address(first);
            // SAFETY: the span's region has ended (R1).
            unsafe { poison(start, start + count * CHUNK) };
        } else {
            self.next = self.next.min(first);
        }
    }
    fn address(&self, chunk: usize) -> usize {
        self.memory.start() + chunk * CHUNK
    }
}

#[derive(Debug)]
struct Span {
    first: usize,
    count: usize,
    /// Behind the last object.
    end: usize,
}

/// The objects of one region.
#[derive(Debug, Default)]
pub struct RegionMemory {
    spans: Vec<Span>,
    /// The span that small objects go to.
    open: Option<usize>,
}

impl RegionMemory {
    /// All of a new span of so many chunks, as the open one; nothing when the pool has not as many.
    pub fn reserve(&mut self, owner: Owner, count: usize, pool: &mut ChunkPool) -> Bump {
        let first = if count == 0 { None } else { pool.take(owner, count) };
        let Some(first) = first else { return Bump::EMPTY };
        self.spans.push(Span { first, count, end: pool.address(first) });
        self.open = Some(self.spans.len() - 1);
        self.resume(pool)
    }
    /// The rest of the open span.
    pub fn resume(&self, pool: &ChunkPool) -> Bump {
        let Some(open) = self.open else { return Bump::EMPTY };
        let span = &self.spans[open];
        // SAFETY: behind the last object of the span, which has one buffer (R2).
        unsafe { Bump::new(span.end, pool.address(span.first + span.count)) }
    }
    /// The buffer that `resume` or `alloc` gave comes back.
    pub fn suspend(&mut self, buffer: Bump) {
        if let Some(open) = self.open {
            self.spans[open].end = buffer.cursor();
        }
    }
    /// An object in a new span; the buffer goes on behind it, unless the object is large. `None`
    /// when the pool is used up. The buffer has been suspended.
    pub fn alloc(
        &mut self,
        owner: Owner,
        layout: ObjectLayout,
        pool: &mut ChunkPool,
    ) -> Option<Obj> {
        let size = layout.size();
        let count = size.div_ceil(CHUNK);
        let first = pool.take(owner, count)?;
        let start = pool.address(first);
        // SAFETY: chunks that nobody else has (R1).
        let mut buffer = unsafe { Bump::new(start, start + count * CHUNK) };
        let o = buffer.alloc(layout);
        self.spans.push(Span { first, count, end: buffer.cursor() });
        if size <= LARGE {
            self.open = Some(self.spans.len() - 1);
        }
        o
    }
    /// Bytes between the starts of spans and their ends.
    pub fn bytes(&self, pool: &ChunkPool) -> usize {
        self.spans.iter().map(|span| span.end - pool.address(span.first)).sum()
    }
    /// Every object, as long as none has been promoted.
    pub fn objects(&self, pool: &ChunkPool, mut f: impl FnMut(Obj)) {
        for span in &self.spans {
            let mut at = pool.address(span.first);
            while at < span.end {
                // SAFETY: objects lie back to back (R2).
                let o = unsafe { Obj::from_address(at) };
                f(o);
                at += o.size();
            }
        }
    }
    /// Every reference that an object holds, also of those that have been promoted: they keep their
    /// words, and have the address of their copy for a header.
    pub fn references(&self, pool: &ChunkPool, mut f: impl FnMut(Value)) {
        for span in &self.spans {
            let mut at = pool.address(span.first);
            while at < span.end {
                // SAFETY: objects lie back to back (R2).
                let o = unsafe { Obj::from_address(at) };
                let like = forwarded(o).unwrap_or(o);
                // SAFETY: the object's own body, as long as its copy's; it is not written.
                let slots = unsafe { body(o, like.traced_slots()) };
                slots.iter().filter(|v| v.is_object()).for_each(|&v| f(v));
                at += like.size();
            }
        }
    }
    /// All chunks go back to the pool.
    pub fn release(&mut self, pool: &mut ChunkPool) {
        self.spans.iter().for_each(|span| pool.give_back(span));
        self.spans.clear();
        self.open = None;
    }
    /// As `release`, but a first chunk stays, empty; its memory.
    pub fn release_but_first(&mut self, pool: &mut ChunkPool) -> Bump {
        let kept = usize::from(self.spans.first().is_some_and(|span| span.count == 1));
        self.spans.drain(kept..).for_each(|span| pool.give_back(&span));
        self.spans.iter_mut().for_each(|span| span.end = pool.address(span.first));
        self.open = self.spans.first().map(|_| 0);
        self.resume(pool)
    }
}

/// The first slots of an object.
///
/// # Safety
/// The object has as many, and nobody writes them meanwhile.
unsafe fn body<'a>(o: Obj, slots: usize) -> &'a [Value] {
    // SAFETY: by the caller; the body follows the header (O1).
    unsafe { std::slice::from_raw_parts((o.address() + HEADER_BYTES) as *const Value, slots) }
}

/// The slots of a region's object as words that a collector may update.
///
/// # Safety
/// The object is alive, and nobody else uses its slots meanwhile.
pub unsafe fn slots_mut<'a>(o: Obj) -> &'a mut [Value] {
    let start = (o.address() + HEADER_BYTES) as *mut Value;
    // SAFETY: by the caller; the body follows the header (O1).
    unsafe { std::slice::from_raw_parts_mut(start, o.traced_slots()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::copy::leave_forwarding;
    use menagerie::object::ObjectKind;

    fn cell(n: i64, memory: &mut RegionMemory, pool: &mut ChunkPool) -> Obj {
        let layout = ObjectLayout::new(ObjectKind::Cell, 1);
        let mut buffer = memory.resume(pool);
        let o = match buffer.alloc(layout) {
            Some(o) => {
                memory.suspend(buffer);
                o
            }
            None => memory.alloc(1, layout, pool).unwrap(),
        };
        // Whatever object: only its address is looked at.
        o.set_slot(0, if n % 3 == 0 { Value::object(o) } else { Value::small(n) });
        o
    }

    #[test]
    fn objects_are_found_in_order_and_chunks_come_back() {
        let mut pool = ChunkPool::new(4 * CHUNK, false).unwrap();
        for _ in 0..3 {
            let mut memory = RegionMemory::default();
            let made: Vec<_> = (0..1500).map(|n| cell(n, &mut memory, &mut pool)).collect();
            leave_forwarding(made[3], made[4]);
            let mut found = Vec::new();
            memory.references(&pool, |v| found.push(v));
            assert_eq!(found, made.into_iter().step_by(3).map(Value::object).collect::<Vec<_>>());
            assert_eq!((pool.taken_bytes(), memory.bytes(&pool)), (3 * CHUNK, 1500 * 16));
            memory.release(&mut pool);
            assert_eq!((pool.taken_bytes(), memory.bytes(&pool)), (0, 0));
        }
    }

    #[test]
    fn large_objects_take_whole_chunks_and_leave_the_open_span_open() {
        let mut pool = ChunkPool::new(5 * CHUNK, true).unwrap();
        let mut memory = RegionMemory::default();
        let small = cell(1, &mut memory, &mut pool);
        let large = ObjectLayout::new(ObjectKind::Bytes, 2 * CHUNK as u32);
        assert!(memory.alloc(1, large, &mut pool).is_some());
        let next = cell(2, &mut memory, &mut pool);
        assert_eq!(next.address(), small.address() + 16);
        assert!(memory.alloc(1, large, &mut pool).is_none(), "one chunk is left");
        memory.release(&mut pool);
        assert_eq!(small.header() as u8, crate::parts::memory::POISON);
    }
}
