//! A side bitmap: one mark bit per 8 bytes of an address range.
//!
//! It lies apart from the objects and in one piece, so testing a mark neither touches the object
//! nor collides in the cache with the bitmaps of other blocks; 64 MiB of heap have 1 MiB of marks.
//!
//! Invariants
//! - B1. Bit `(address - base) / 8` of the bitmap belongs to the object at `address`.
//! - B2. With a shared reference the bitmap is read and written by atomic operations only.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use menagerie::object::Obj;

use super::mark_word;
use super::memory::{Pages, Reservation, prefetch};

const GRANULE: usize = 8;
/// Bytes of the covered range per byte of the bitmap.
pub const COVERED: usize = GRANULE * 8;

/// Mark bits of a range.
#[derive(Debug)]
pub struct MarkBits {
    base: usize,
    bytes: usize,
    words: *mut u64,
    _memory: Reservation,
}

// SAFETY: the pointer is into the reservation that the structure owns.
unsafe impl Send for MarkBits {}
// SAFETY: B2.
unsafe impl Sync for MarkBits {}

impl MarkBits {
    /// Clear bits for `bytes` bytes from `base` on; `None` when the system has no memory.
    pub fn new(base: usize, bytes: usize) -> Option<MarkBits> {
        let memory = Reservation::new(bytes.div_ceil(COVERED) + size_of::<u64>(), Pages::Small)?;
        Some(MarkBits { base, bytes, words: memory.start() as *mut u64, _memory: memory })
    }
    /// Whether the address lies in the covered range.
    #[inline(always)]
    pub fn covers(&self, address: usize) -> bool {
        address.wrapping_sub(self.base) < self.bytes
    }
    /// The bitmap's word and bit of an address.
    #[inline(always)]
    fn place(&self, address: usize) -> (*mut u64, u64) {
        debug_assert!(self.covers(address));
        let granule = (address - self.base) / GRANULE;
        // SAFETY: the bitmap has a bit for every granule of the range (B1).
        (unsafe { self.words.add(granule / 64) }, 1 << (granule % 64))
    }
    /// Sets the mark of a covered object; `true` if it was clear.
    #[inline(always)]
    pub fn mark(&mut self, o: Obj) -> bool {
        let (word, bit) = self.place(o.address());
        // SAFETY: `place` gives a word of our bitmap.
        unsafe {
            let was = *word;
            *word = was | bit;
            was & bit == 0
        }
    }
    /// A word of the bitmap, for shared use (B2).
    #[inline(always)]
    fn word(&self, word: *mut u64) -> &AtomicU64 {
        // SAFETY: a word of our bitmap, 8-aligned; plain accesses need `&mut self`.
        unsafe { AtomicU64::from_ptr(word) }
    }
    /// As [`MarkBits::mark`], while other threads do the same.
    #[inline(always)]
    pub fn mark_shared(&self, o: Obj) -> bool {
        let (word, bit) = self.place(o.address());
        mark_word::set(self.word(word), bit)
    }
    /// Asks the processor to bring the mark of a covered address.
    #[inline(always)]
    pub fn prefetch(&self, address: usize) {
        prefetch(self.place(address).0 as usize);
    }
    /// Whether the covered address is marked.
    #[inline(always)]
    pub fn is_marked(&self, address: usize) -> bool {
        let (word, bit) = self.place(address);
        self.word(word).load(Relaxed) & bit != 0
    }
    /// The first marked address in `from..to`, or `to`.
    pub fn next_marked(&self, from: usize, to: usize) -> usize {
        let mut granule = (from - self.base) / GRANULE;
        let end = (to - self.base) / GRANULE;
        while granule < end {
            // SAFETY: below `end`, which the bitmap covers.
            let word = self.word(unsafe { self.words.add(granule / 64) });
            let word = word.load(Relaxed) >> (granule % 64);
            if word != 0 {
                granule += word.trailing_zeros() as usize;
                break;
            }
            granule = (granule / 64 + 1) * 64;
        }
        self.base + granule.min(end) * GRANULE
    }
    /// Clears the marks of the first `bytes` bytes (a multiple of [`COVERED`]).
    pub fn clear(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.bytes && bytes.is_multiple_of(COVERED));
        // SAFETY: within the bitmap.
        unsafe { std::ptr::write_bytes(self.words, 0, bytes / COVERED / size_of::<u64>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_in_order() {
        let base = 0x10_0000;
        let mut bits = MarkBits::new(base, 64 << 10).unwrap();
        let places = [0, 8, 504, 512, 4096, (64 << 10) - 8].map(|n| base + n);
        for p in places {
            // SAFETY: never dereferenced: marks lie beside the objects.
            let o = unsafe { Obj::from_address(p) };
            assert!(bits.mark(o) && !bits.mark(o));
        }
        let (mut from, end, mut found) = (base, base + (64 << 10), Vec::new());
        loop {
            let at = bits.next_marked(from, end);
            if at == end {
                break;
            }
            assert!(bits.is_marked(at));
            found.push(at);
            from = at + 8;
        }
        assert_eq!(found, places);
        assert_eq!(bits.next_marked(base + 16, base + 64), base + 64);
        bits.clear(64 << 10);
        assert_eq!(bits.next_marked(base, end), end);
    }
}
