//! The elements of any object that holds values in order, seen as one slice.
//!
//! A racy program may show us a length that its buffer does not have yet (or any more): every view
//! is cut to the buffer's own length when it is made (object.rs, O4).

use crate::class::ClassId;
use crate::host::Native;
use crate::object::{Obj, slots};
use crate::value::Value;

use super::support::{buffer, int_slot};

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
    pub(super) fn of(cx: &Native<'_>, o: Obj) -> Items {
        match o.class() {
            ClassId::LIST => Items::list(cx, o),
            ClassId::DEQUE => Items::deque(cx, o),
            ClassId::MAP | ClassId::SET | ClassId::WEAK | ClassId::TASK => Items::EMPTY,
            _ if o.is_raw() => Items::EMPTY,
            _ => Items { store: Some(o), start: 0, len: o.len() },
        }
    }
    /// The elements of a list.
    pub(super) fn list(cx: &Native<'_>, list: Obj) -> Items {
        let Some(store) = buffer(cx, list) else { return Items::EMPTY };
        let len = int_slot(cx, list, slots::LEN).min(store.len());
        Items { store: Some(store), start: 0, len }
    }
    /// The elements of a deque: a ring.
    pub(super) fn deque(cx: &Native<'_>, deque: Obj) -> Items {
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
    pub(super) fn get(self, cx: &Native<'_>, i: usize) -> Value {
        let (store, at) = self.place(i);
        cx.load(store, at).value()
    }
    /// All of them.
    pub(super) fn iter<'c>(self, cx: &'c Native<'_>) -> impl Iterator<Item = Value> + 'c {
        (0..self.len).map(move |i| self.get(cx, i))
    }
}
