//! What a store's fast path leaves behind: slots that may have to be remembered.
//!
//! Invariants
//! - G1. A slot that has been given a reference into a region from outside of it is in the log, or it is
//!   remembered (arena.rs, I2), or need not be. Whoever looks at what is remembered, or ends a region or a
//!   frame, drains the log before.
//! - G2. Stores fail while the log is full. What fills slots of new objects cannot fail, so there is room
//!   for one instruction's more; before the next one allocates, the slow path drains the log.

use menagerie::value::Value;

/// From here on stores fail.
const FULL: usize = 1024;
/// Slots that one instruction may fill, and some more.
const SPARE: usize = 512;

/// A slot: the object, as the parent may have counted it, and the slot's number.
pub(super) type Place = (Value, usize);

/// The log of a mutator.
#[derive(Debug)]
pub(crate) struct SlotLog {
    places: Box<[Place]>,
    len: usize,
    /// Whether there was no room for one (G2 is broken).
    lost: bool,
}

impl SlotLog {
    pub(crate) fn new() -> SlotLog {
        let places = vec![(Value::NIL, 0); FULL + SPARE].into_boxed_slice();
        SlotLog { places, len: 0, lost: false }
    }
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.len >= FULL
    }
    #[inline(always)]
    pub(super) fn push(&mut self, place: Place) {
        match self.places.get_mut(self.len) {
            Some(free) => {
                *free = place;
                self.len += 1;
            }
            None => self.lost = true,
        }
    }
    /// Takes one out.
    ///
    /// # Panics
    /// When one was lost.
    pub(super) fn pop(&mut self) -> Option<Place> {
        assert!(!self.lost, "the log of stores has overflowed: `relieve` was not called");
        self.len = self.len.checked_sub(1)?;
        Some(self.places[self.len])
    }
}
