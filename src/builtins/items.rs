//! The elements of any object that holds values in order, seen as one slice.
//!
//! A racy program may show us a length that its buffer does not have yet (or any more): every view
//! is cut to the buffer's own length when it is made (object.rs, O4).

use crate::class::ClassId;
use crate::host::Native;
use crate::object::{Obj, slots};
use crate::value::Value;
use crate::world::World;

use super::support::{buffer, int_slot};

/// Where a walk over data reads from: a running builtin, or a world in which nothing runs.
pub(super) trait Read {
    /// Slot `i`.
    fn slot(&self, o: Obj, i: usize) -> Value;
    /// The text of a string object.
    fn text(&self, o: Obj) -> &str;
    /// Names and classes.
    fn world(&self) -> &World;
}

impl Read for Native<'_> {
    fn slot(&self, o: Obj, i: usize) -> Value {
        self.load(o, i).value()
    }
    fn text(&self, o: Obj) -> &str {
        self.text_of(o)
    }
    fn world(&self) -> &World {
        self.world_ref()
    }
}

/// A world in which nothing runs (reports): slots are read as they are.
pub(super) struct Still<'w>(pub &'w World);

impl Read for Still<'_> {
    fn slot(&self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    fn text(&self, o: Obj) -> &str {
        assert!(o.class() == ClassId::STRING);
        // SAFETY: strings are not written after construction, and nothing runs that could reach a
        // safepoint. Builtins construct strings from &str.
        unsafe { std::str::from_utf8_unchecked(o.bytes()) }
    }
    fn world(&self) -> &World {
        self.0
    }
}

/// A view of elements; valid until the next safepoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Items {
    store: Option<Obj>,
    start: usize,
    /// How many.
    pub len: usize,
}

impl Items {
    const EMPTY: Items = Items { store: None, start: 0, len: 0 };

    /// The elements of a list or deque; the slots of a record, tuple, cons cell, closure or range.
    /// Maps and sets have their own walk (see `hashed`); what holds no values is empty.
    pub(super) fn of(cx: &impl Read, o: Obj) -> Items {
        match o.class() {
            ClassId::LIST => Items::list(cx, o),
            ClassId::DEQUE => Items::deque(cx, o),
            ClassId::MAP | ClassId::SET | ClassId::WEAK | ClassId::WEAK_MAP => Items::EMPTY,
            class if class.is_handle() => Items::EMPTY,
            _ if o.is_raw() => Items::EMPTY,
            _ => Items { store: Some(o), start: 0, len: o.len() },
        }
    }
    /// The elements of a list.
    pub(super) fn list(cx: &impl Read, list: Obj) -> Items {
        let Some(store) = buffer(cx, list) else { return Items::EMPTY };
        let len = int_slot(cx, list, slots::LEN).min(store.len());
        Items { store: Some(store), start: 0, len }
    }
    /// The elements of a deque: a ring.
    pub(super) fn deque(cx: &impl Read, deque: Obj) -> Items {
        let store = buffer(cx, deque).filter(|b| !b.is_empty());
        let Some(store) = store else { return Items::EMPTY };
        let len = int_slot(cx, deque, slots::LEN).min(store.len());
        let start = int_slot(cx, deque, slots::DEQUE_HEAD) % store.len();
        Items { store: Some(store), start, len }
    }
    /// Where element `i` lives.
    pub(super) fn place(self, i: usize) -> (Obj, usize) {
        let store = self.store.expect("an element of something that is not empty");
        assert!(i < self.len);
        let at = self.start + i;
        (store, if at >= store.len() { at - store.len() } else { at })
    }
    /// Element `i`.
    pub(super) fn get(self, cx: &impl Read, i: usize) -> Value {
        let (store, at) = self.place(i);
        cx.slot(store, at)
    }
    /// All of them.
    pub(super) fn iter<'c>(self, cx: &'c impl Read) -> impl Iterator<Item = Value> + 'c {
        (0..self.len).map(move |i| self.get(cx, i))
    }
}
