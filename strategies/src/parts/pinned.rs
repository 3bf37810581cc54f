//! Objects of a moving heap that stay where they are for a while.
//!
//! ```text
//!   pin:     from-space [ . o . ] ──► one by one [o]      at a collection, once
//!   pinned:  its slots are roots; its header says "moved to here", so that references find it
//!   unpin:   the next collection takes it for one more object of from-space: copied back, or dead
//! ```
//!
//! The copier needs no test for any of this: it asks each object whether it has been forwarded anyway.
//!
//! Invariants
//! - P1. An object is here iff it is pinned, or was and no collection has happened since.
//! - P2. It keeps its place in the heap that it came from: so many bytes of the copy reserve stay empty
//!   that all of them can come back at once. That is also what it costs by itself.

use menagerie::heap::Liveness;
use menagerie::object::{HEADER_BYTES, Obj};

use super::copy::{ToSpace, forward, leave_forwarding};
use super::memory::{Budget, Source, allocate, free, poison};
use super::regions::slots_mut;

#[derive(Debug)]
struct Pinned {
    object: Obj,
    /// How often it is pinned; 0: until the next collection.
    pins: usize,
    /// Its header, during a collection.
    header: u64,
}

/// The pinned objects of a heap.
#[derive(Debug)]
pub struct PinnedSpace {
    budget: Budget,
    objects: Vec<Pinned>,
    /// To be pinned at the next collection.
    wanted: Option<Obj>,
    /// Whether there was no memory for it.
    refused: bool,
}

/// Bytes that an object of this size keeps in its heap (P2): two of them pay for itself.
pub fn place_bytes(size: usize) -> usize {
    size.max(4 * HEADER_BYTES)
}

impl PinnedSpace {
    /// None, at most so many bytes.
    pub fn new(limit: usize) -> PinnedSpace {
        PinnedSpace {
            budget: Budget::new(limit),
            objects: Vec::new(),
            wanted: None,
            refused: false,
        }
    }
    /// How many there are.
    pub fn objects(&self) -> u64 {
        self.objects.len() as u64
    }
    /// Bytes of the objects.
    pub fn bytes(&self) -> usize {
        self.objects.iter().map(|p| p.object.size()).sum()
    }
    /// Bytes that they keep in their heap (P2).
    pub fn kept_bytes(&self) -> usize {
        self.objects.iter().map(|p| place_bytes(p.object.size())).sum()
    }
    /// Bytes that they take.
    pub fn taken_bytes(&self) -> usize {
        self.budget.taken()
    }
    /// Pins an object that is here already.
    pub fn pin_again(&mut self, o: Obj) -> bool {
        let found = self.objects.iter_mut().find(|p| p.object == o);
        found.map(|p| p.pins += 1).is_some()
    }
    /// Pins an object at the next collection.
    pub fn pin_next(&mut self, o: Obj) {
        self.wanted = Some(o);
    }
    /// Whether that collection had no memory for it.
    pub fn was_refused(&self) -> bool {
        self.refused
    }
    /// Takes one pin away.
    ///
    /// # Panics
    /// When the object is not pinned.
    pub fn unpin(&mut self, o: Obj) {
        let found = self.objects.iter_mut().find(|p| p.object == o && p.pins > 0);
        found.unwrap_or_else(|| panic!("{o:?} is not pinned")).pins -= 1;
    }
    /// The start of a collection: what is pinned has been moved to where it is, and its slots are roots.
    pub fn evacuate_slots(&mut self, space: &mut ToSpace) {
        if let Some(o) = self.wanted.take() {
            let address = allocate(Source::System, o.size(), &self.budget);
            self.refused = address.is_none();
            self.objects.extend(address.map(|address| {
                // SAFETY: fresh memory of the object's size, 8-aligned.
                let object = unsafe {
                    let object = Obj::from_address(address);
                    forward(o, object);
                    object
                };
                Pinned { object, pins: 1, header: 0 }
            }));
        }
        let mut slots = Vec::new();
        for p in self.objects.iter_mut().filter(|p| p.pins > 0) {
            // SAFETY: alive; the world is stopped, and nobody else visits the slots of what is pinned.
            slots.push(unsafe { slots_mut(p.object) });
            p.header = p.object.header();
            leave_forwarding(p.object, p.object);
        }
        slots.into_iter().for_each(|slots| space.evacuate_all(slots));
    }
    fn is_pinned(&self, o: Obj) -> bool {
        self.objects.iter().any(|p| p.object == o && p.pins > 0)
    }
    /// Lets `look` have a look at objects, which have their own headers meanwhile, and keep some of them.
    pub fn show<R>(&mut self, space: &mut ToSpace, look: impl FnOnce(&mut dyn Liveness) -> R) -> R {
        for p in self.objects.iter().filter(|p| p.pins > 0) {
            p.object.set_header(p.header);
        }
        let answer = look(&mut Shown { pinned: self, space });
        for p in self.objects.iter().filter(|p| p.pins > 0) {
            leave_forwarding(p.object, p.object);
        }
        answer
    }
    /// The end of a collection: what is not pinned has been copied back or is dead.
    pub fn finish(&mut self, overwrite: bool) {
        let budget = &self.budget;
        self.objects.retain(|p| {
            if p.pins > 0 {
                p.object.set_header(p.header);
            } else {
                release(p.object, budget, overwrite);
            }
            p.pins > 0
        });
    }
}

/// What lives in to-space, and what is pinned.
struct Shown<'a> {
    pinned: &'a PinnedSpace,
    space: &'a mut ToSpace,
}

impl Liveness for Shown<'_> {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        if self.pinned.is_pinned(o) { Some(o) } else { self.space.current(o) }
    }
    fn keep(&mut self, o: Obj) -> Obj {
        if self.pinned.is_pinned(o) { o } else { self.space.keep(o) }
    }
}

/// An unpinned object's header may say where it has gone: its copy has the size.
fn release(o: Obj, budget: &Budget, overwrite: bool) {
    let size = super::copy::forwarded(o).unwrap_or(o).size();
    // SAFETY: allocated with this size in `evacuate_slots`; nobody refers to it any more.
    unsafe {
        if overwrite {
            poison(o.address(), o.address() + size);
        }
        free(Source::System, o.address(), size, budget);
    }
}

impl Drop for PinnedSpace {
    fn drop(&mut self) {
        self.objects.iter().for_each(|p| release(p.object, &self.budget, false));
    }
}
