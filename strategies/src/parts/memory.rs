//! Memory from the system: the only place that asks for it, so that every byte is counted against
//! the limit (H3) and checkers can see all of it.
//!
//! Two kinds: a [`Reservation`] is a range of addresses whose pages cost nothing until they are
//! touched (spaces, bitmaps), so whoever puts them to use charges the [`Budget`]; [`allocate`] gives
//! one object by itself and charges what it really takes.
//!
//! Invariants
//! - M1. A [`Reservation`] owns its range, page-aligned; nobody else has it. It reads as zero until
//!   it is written.
//! - M2. The [`Budget`] of a heap is the sum of what it was charged for, never above its limit.

use std::alloc::{GlobalAlloc, Layout, System};
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
    /// Charges bytes that are put to use; `false`, and nothing charged, when they do not fit.
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

/// The byte that freed memory is filled with: no object kind, so stale use fails fast.
pub const POISON: u8 = 0xdb;

/// Overwrites free memory.
///
/// # Safety
/// The range belongs to the caller and holds nothing that is still needed.
pub unsafe fn poison(from: usize, to: usize) {
    debug_assert!(from <= to);
    // SAFETY: by the caller.
    unsafe { std::ptr::write_bytes(from as *mut u8, POISON, to - from) };
}

// ---- ranges of addresses ----

/// A range of addresses (M1).
#[derive(Debug)]
pub struct Reservation {
    start: usize,
    bytes: usize,
    /// What was mapped: larger than the range where that had to be aligned.
    mapped: (usize, usize),
}

/// How the pages of a reservation should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pages {
    /// The system's ordinary ones: for what is used sparsely.
    Small,
    /// Large ones where the system has them (2 MiB): half the cost of fresh memory and far fewer
    /// misses in the address translation. For what is filled from start to end.
    Large,
}

const SMALL_PAGE: usize = 4 << 10;
const LARGE_PAGE: usize = 2 << 20;

impl Reservation {
    /// Reserves at least `bytes`; `None` when the system refuses.
    pub fn new(bytes: usize, pages: Pages) -> Option<Reservation> {
        let bytes = bytes.max(1).checked_next_multiple_of(SMALL_PAGE)?;
        let large = pages == Pages::Large && bytes >= 2 * LARGE_PAGE;
        let align = if large { LARGE_PAGE } else { SMALL_PAGE };
        let mapped_bytes = if large { bytes.checked_add(LARGE_PAGE)? } else { bytes };
        let mapped = system::map(mapped_bytes)?;
        let start = mapped.next_multiple_of(align);
        if large {
            system::prefer_large_pages(start, bytes);
        }
        Some(Reservation { start, bytes, mapped: (mapped, mapped_bytes) })
    }
    /// Its first address.
    pub fn start(&self) -> usize {
        self.start
    }
    /// One past its last address.
    pub fn end(&self) -> usize {
        self.start + self.bytes
    }
    /// Its size.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// Gives the pages that lie wholly within the range back to the system. They may be used again;
    /// their content is then undefined.
    pub fn release(&mut self, from: usize, to: usize) {
        debug_assert!(self.start <= from && from <= to && to <= self.end());
        let (from, to) = (from.next_multiple_of(SMALL_PAGE), to & !(SMALL_PAGE - 1));
        if from < to {
            system::release(from, to - from);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let (start, bytes) = self.mapped;
        // SAFETY: mapped in `new`, unmapped once; whoever hands out addresses of the range keeps
        // the reservation (M1).
        unsafe { system::unmap(start, bytes) };
    }
}

#[cfg(all(unix, not(miri)))]
mod system {
    pub(super) fn map(bytes: usize) -> Option<usize> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, flags());
        // SAFETY: a fresh anonymous mapping at an address of the system's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0) };
        (start != libc::MAP_FAILED).then_some(start as usize)
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn flags() -> libc::c_int {
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn flags() -> libc::c_int {
        libc::MAP_PRIVATE | libc::MAP_ANON
    }
    pub(super) unsafe fn unmap(start: usize, bytes: usize) {
        // SAFETY: by the caller.
        let failed = unsafe { libc::munmap(start as *mut libc::c_void, bytes) } != 0;
        debug_assert!(!failed);
    }
    pub(super) fn prefer_large_pages(start: usize, bytes: usize) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        // SAFETY: advice about our own mapping; that it may be refused does not matter.
        unsafe {
            libc::madvise(start as *mut libc::c_void, bytes, libc::MADV_HUGEPAGE);
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = (start, bytes);
    }
    pub(super) fn release(start: usize, bytes: usize) {
        // SAFETY: whole pages of our own mapping whose content nobody needs.
        unsafe {
            libc::madvise(start as *mut libc::c_void, bytes, libc::MADV_DONTNEED);
        }
    }
}

/// Where there is no `mmap`: zeroed memory of the global allocator, which most systems also give
/// page by page.
#[cfg(not(all(unix, not(miri))))]
mod system {
    use super::SMALL_PAGE;
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, SMALL_PAGE).ok()
    }
    pub(super) fn map(bytes: usize) -> Option<usize> {
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout(bytes)?) }.expose_provenance();
        (start != 0).then_some(start)
    }
    pub(super) unsafe fn unmap(start: usize, bytes: usize) {
        let layout = layout(bytes).expect("as in `map`");
        // SAFETY: by the caller.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(start), layout) };
    }
    pub(super) fn prefer_large_pages(_: usize, _: usize) {}
    pub(super) fn release(_: usize, _: usize) {}
}

// ---- single objects ----

/// Where single objects come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The system's `malloc`, whatever the process's global allocator is.
    System,
    /// mimalloc.
    Mimalloc,
}

fn layout_of(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, align_of::<u64>()).ok()
}

/// `bytes` bytes of memory, 8-aligned, within the budget.
pub fn allocate(source: Source, bytes: usize, budget: &Budget) -> Option<usize> {
    debug_assert!(bytes > 0);
    let layout = layout_of(bytes)?;
    if bytes > budget.left() {
        return None;
    }
    // SAFETY: the size is not zero.
    let start = unsafe {
        match source {
            Source::System => System.alloc(layout),
            Source::Mimalloc => mimalloc::MiMalloc.alloc(layout),
        }
    };
    if start.is_null() {
        return None;
    }
    // SAFETY: just allocated; freed without use if its true size does not fit.
    unsafe {
        if !budget.charge(footprint(source, start, layout)) {
            release(source, start, layout);
            return None;
        }
    }
    Some(start.expose_provenance())
}

/// Gives back what [`allocate`] gave.
///
/// # Safety
/// `start` came from `allocate` with the same arguments, and nobody uses it any more.
pub unsafe fn free(source: Source, start: usize, bytes: usize, budget: &Budget) {
    let layout = layout_of(bytes).expect("as in `allocate`");
    let start = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: by the caller.
    unsafe {
        budget.refund(footprint(source, start, layout));
        release(source, start, layout);
    }
}

unsafe fn release(source: Source, start: *mut u8, layout: Layout) {
    // SAFETY: by the caller.
    unsafe {
        match source {
            Source::System => System.dealloc(start, layout),
            Source::Mimalloc => mimalloc::MiMalloc.dealloc(start, layout),
        }
    }
}

/// What an allocation really takes: what is charged for it. glibc's chunks are multiples of 16 bytes
/// with a header of 8, at least 32 bytes; mimalloc says it itself (its own headers, one per 64 KiB,
/// are below 1 %).
unsafe fn footprint(source: Source, start: *mut u8, layout: Layout) -> usize {
    match source {
        Source::System => (layout.size() + 8).next_multiple_of(16).max(32),
        // SAFETY: by the caller, a live allocation of mimalloc.
        Source::Mimalloc => unsafe { mimalloc::MiMalloc.usable_size(start) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_are_zero_and_reusable() {
        for pages in [Pages::Small, Pages::Large] {
            let mut r = Reservation::new((5 << 20) + 1, pages).unwrap();
            assert!(r.bytes() > 5 << 20 && r.start().is_multiple_of(SMALL_PAGE));
            let last = (r.end() - 8) as *mut u64;
            // SAFETY: within the reservation.
            unsafe {
                assert_eq!(*last, 0);
                *last = 1;
                poison(r.start(), r.start() + 9000);
            }
            r.release(r.start(), r.end());
            // SAFETY: as above.
            unsafe { *last = 2 };
        }
    }

    #[test]
    fn the_impossible_is_refused() {
        assert!(Reservation::new(usize::MAX - 5, Pages::Large).is_none());
        assert!(Reservation::new(usize::MAX / 2, Pages::Small).is_none());
        let budget = Budget::new(usize::MAX);
        let start = std::hint::black_box(allocate(Source::System, usize::MAX / 4, &budget));
        assert_eq!((start, budget.taken()), (None, 0));
    }

    #[test]
    fn a_budget_is_exact() {
        let budget = Budget::new(100);
        assert!(budget.charge(60) && !budget.charge(41) && budget.charge(40));
        assert_eq!((budget.taken(), budget.left()), (100, 0));
        budget.refund(100);
        assert_eq!(budget.left(), 100);
    }

    #[test]
    fn single_objects_are_charged_and_refunded() {
        let sources: &[Source] =
            if cfg!(miri) { &[Source::System] } else { &[Source::System, Source::Mimalloc] };
        for &source in sources {
            for bytes in (200..20_000).step_by(296) {
                let budget = Budget::new(bytes * 5 / 4 + 32);
                let start = allocate(source, bytes, &budget).unwrap();
                assert!(budget.taken() >= bytes && start.is_multiple_of(8));
                assert!(allocate(source, bytes, &budget).is_none());
                // SAFETY: just allocated.
                unsafe { free(source, start, bytes, &budget) };
                assert_eq!(budget.taken(), 0);
            }
        }
    }
}
