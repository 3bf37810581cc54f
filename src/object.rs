//! Heap objects: a header word and a body that is all values or all raw bytes.
//!
//! ```text
//!            [heap prefix, 0..n words][ header 8 B ][ len × Value | len raw bytes, padded to 8 ]
//!                                     ^ Obj points here
//! header:    kind:8 | gc:8 (the heap's) | class:16 | len:32          (low bits first)
//! ```
//!
//! Every heap can size, scan and copy any object from its header alone, without calling the VM.
//! Invariants:
//! - O1. An [`Obj`] points at the header of an initialised object of the running VM. It goes stale
//!   at the next safepoint unless its holder is a root; nobody uses it after that.
//! - O2. Kind and length of an object never change; the header's `gc` byte belongs to the heap.
//! - O3. Slots are read and written as relaxed atomic words: a racy program cannot tear a word.
//! - O4. Indices are checked against the object's own length (`debug_assert` where the interpreter
//!   has proven the bound), so no program reaches beyond an object.

use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicU8, AtomicU64,
    Ordering::{AcqRel, Relaxed, Release},
};

use crate::class::ClassId;
use crate::value::Value;

/// What an object is. The class (see [`ClassId`]) refines `Record`; for every other kind the class
/// number equals the kind number, except for the boxed numbers.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    /// Structs, variants and dynamic records: fields in class order.
    Record = 1,
    /// Elements.
    Tuple = 2,
    /// [`slots::HEAD`], [`slots::TAIL`].
    Cons = 3,
    /// [`slots::LEN`], [`slots::BUFFER`].
    List = 4,
    /// The element store of lists, deques, maps and sets; unused places hold nil.
    Buffer = 5,
    /// [`slots::LEN`], [`slots::BUFFER`], [`slots::DEQUE_HEAD`].
    Deque = 6,
    /// [`slots::LEN`], [`slots::BUFFER`] (key, value, key, …), [`slots::USED`], [`slots::INDEX`].
    Map = 7,
    /// As `Map`, with keys only.
    Set = 8,
    /// [`slots::FUNC`], then the captured values.
    Closure = 9,
    /// One captured variable.
    Cell = 10,
    /// A task's handle: see [`slots`].
    Task = 11,
    /// [`slots::START`], [`slots::END`], [`slots::INCLUSIVE`].
    Range = 12,
    /// A map with weak keys: [`slots::EPHEMERONS`], see [`crate::weak`].
    WeakMap = 13,
    /// A channel: see [`slots`] and [`crate::concurrency::channel`].
    Channel = 14,
    /// A mutex: see [`crate::concurrency::mutex`].
    Mutex = 15,
    /// An actor: see [`crate::concurrency::actor`].
    Actor = 16,
    /// One of several operations that one task waits for, or a message; never seen by programs: see
    /// [`crate::concurrency::waiter`].
    Waiter = 17,
    /// One *weak* slot: no collector traces it, the world clears it ([`crate::weak`]).
    Weak = 30,
    /// The entries of a weak map and their index: no collector traces them, the world looks after them
    /// ([`crate::weak`]).
    Ephemerons = 31,
    /// UTF-8 bytes.
    Str = 32,
    /// Bytes.
    Bytes = 33,
    /// Doubles in native byte order.
    F64Array = 34,
    /// The hash index of a map or set.
    Index = 35,
    /// An int beyond 61 bits.
    BoxedInt = 36,
    /// A float whose exponent does not fit the value word.
    BoxedFloat = 37,
}

/// Slot numbers of the built-in kinds.
#[allow(missing_docs, reason = "the names are the documentation of ObjectKind's variants")]
pub mod slots {
    pub const HEAD: usize = 0;
    pub const TAIL: usize = 1;
    pub const LEN: usize = 0;
    pub const BUFFER: usize = 1;
    pub const DEQUE_HEAD: usize = 2;
    pub const USED: usize = 2;
    pub const INDEX: usize = 3;
    pub const FUNC: usize = 0;
    pub const CAPTURES: usize = 1;
    pub const CELL: usize = 0;
    pub const START: usize = 0;
    pub const END: usize = 1;
    pub const INCLUSIVE: usize = 2;
    pub const TARGET: usize = 0;
    /// Weak map: nil, or its entries.
    pub const EPHEMERONS: usize = 0;
    /// Entries of a weak map: how many there are, how many places have been used, the first entry (key,
    /// value), after all of them the index.
    pub const ENTRIES_LEN: usize = 0;
    pub const ENTRIES_USED: usize = 1;
    pub const ENTRIES_FIRST: usize = 2;
    // What waits: a task's handle, or a waiter of it. The first slots of both are the same, so a
    // queue does not ask which of the two it holds.

    /// Waiter: the handle of the task that waits; nil when none does (any more). In a handle, which
    /// waits for itself, an int is here: [`TASK_ID`].
    pub const WAITER_TASK: usize = 0;
    /// The next one in the queue.
    pub const WAITER_NEXT: usize = 1;
    /// The one before it in the queue; the first one's is the last one, unless it is alone.
    pub const WAITER_PREVIOUS: usize = 2;
    /// What it waits for.
    pub const WAITER_OF: usize = 3;
    /// A [`crate::concurrency::waiter::Word`]; nil in the handle of a task that does not wait.
    pub const WAITER_WORD: usize = 4;
    /// What it offers to send; the message of an actor, then its reply.
    pub const WAITER_VALUE: usize = 5;
    /// Waiter: that of the next case of the same `select`.
    pub const WAITER_SIBLING: usize = 6;
    /// First waiter of a task: when the wait ends (an int), or nil.
    pub const WAITER_DEADLINE: usize = 7;
    pub const WAITER_LEN: u32 = 8;

    /// Task handle: the id in the task table (an int).
    pub const TASK_ID: usize = 0;
    /// Task handle: what it waits for, or its first waiter, or the deadline (an int) of a wait for time
    /// alone; then the result of the wait. Without meaning, but no reference, while it does not wait.
    pub const TASK_WAIT: usize = WAITER_OF;
    /// Task handle: the result or the error; until it ends, the value that it offers.
    pub const TASK_RESULT: usize = WAITER_VALUE;
    /// Task handle: false while it runs, then `:done` or `:failed` as [`super::TaskState`] ints.
    pub const TASK_STATE: usize = 6;
    /// Task handle: true once somebody has joined (an unobserved failure is reported at the end).
    pub const TASK_OBSERVED: usize = 7;
    /// Task handle: true when it was cancelled and has not been told yet; a scope, when that
    /// interrupts it because one of its tasks has failed; else nil.
    pub const TASK_CANCEL: usize = 8;
    /// Task handle: the scope that it belongs to, until it ends; else nil.
    pub const TASK_SCOPE: usize = 9;
    /// Slots of a task handle.
    pub const TASK_LEN: u32 = 10;

    /// Tasks, channels, mutexes, actors: a number for reports and hashes, unique among its kind.
    pub const HANDLE_NUMBER: usize = 0;

    pub const CAPACITY: usize = 1;
    /// The ring; nil when the capacity is 0.
    pub const CHANNEL_BUFFER: usize = 2;
    /// How many values are in the ring.
    pub const BUFFERED: usize = 3;
    /// Where the oldest of them is.
    pub const BUFFER_START: usize = 4;
    pub const CLOSED: usize = 5;
    /// Queue: the first of those that want to receive.
    pub const RECEIVERS: usize = 6;
    /// Queue: the first of those that want to send.
    pub const SENDERS: usize = 7;
    pub const CHANNEL_LEN: u32 = 8;

    pub const MUTEX_VALUE: usize = 1;
    /// The handle of the task that holds it, or nil.
    pub const MUTEX_OWNER: usize = 2;
    /// Queue: the first waiter.
    pub const MUTEX_WAITERS: usize = 3;
    pub const MUTEX_LEN: u32 = 4;

    pub const ACTOR_STATE: usize = 1;
    pub const ACTOR_HANDLER: usize = 2;
    /// nil when it is idle; true when a task has been asked to run it; then the handle of that task.
    pub const ACTOR_RUNNER: usize = 3;
    pub const ACTOR_FAILED: usize = 4;
    /// What its handler threw.
    pub const ACTOR_ERROR: usize = 5;
    /// Queue: the first message.
    pub const ACTOR_MAILBOX: usize = 6;
    pub const ACTOR_LEN: u32 = 7;
}

/// [`slots::TASK_STATE`] of a task handle, as a small int.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskState {
    Pending = 0,
    Done = 1,
    Failed = 2,
}

impl ObjectKind {
    const ALL: [ObjectKind; 25] = {
        use ObjectKind::*;
        [
            Record, Tuple, Cons, List, Buffer, Deque, Map, Set, Closure, Cell, Task, Range,
            WeakMap, Channel, Mutex, Actor, Waiter, Weak, Ephemerons, Str, Bytes, F64Array, Index,
            BoxedInt, BoxedFloat,
        ]
    };
    /// From here on no slots are traced: weak ones, then raw bodies. One compare tells.
    const FIRST_UNTRACED: u8 = ObjectKind::Weak as u8;
    const FIRST_RAW: u8 = ObjectKind::Str as u8;

    /// The kind with this number.
    pub fn from_u8(number: u8) -> Option<ObjectKind> {
        Self::ALL.into_iter().find(|&k| k as u8 == number)
    }
    /// Whether the body is raw bytes.
    pub const fn is_raw(self) -> bool {
        self as u8 >= Self::FIRST_RAW
    }
    /// Whether collectors trace the slots.
    pub const fn is_traced(self) -> bool {
        (self as u8) < Self::FIRST_UNTRACED
    }
    /// The class of objects of a built-in kind.
    pub const fn class(self) -> ClassId {
        ClassId(self as u8 as u16)
    }
}

/// What the allocator needs to know of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectLayout {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its class.
    pub class: ClassId,
    /// Values, or raw bytes.
    pub len: u32,
}

/// Bytes of the header.
pub const HEADER_BYTES: usize = 8;

impl ObjectLayout {
    /// An object of a built-in kind.
    #[inline(always)]
    pub const fn new(kind: ObjectKind, len: u32) -> ObjectLayout {
        ObjectLayout { kind, class: kind.class(), len }
    }
    /// A record of a class with `len` fields.
    #[inline(always)]
    pub const fn record(class: ClassId, len: u32) -> ObjectLayout {
        ObjectLayout { kind: ObjectKind::Record, class, len }
    }
    /// Bytes of the body, padded to words.
    #[inline(always)]
    pub const fn body_bytes(self) -> usize {
        if self.kind.is_raw() { (self.len as usize + 7) & !7 } else { self.len as usize * 8 }
    }
    /// Bytes of header and body (without the heap's prefix).
    #[inline(always)]
    pub const fn size(self) -> usize {
        HEADER_BYTES + self.body_bytes()
    }
    /// The header word, with gc byte 0.
    #[inline(always)]
    pub const fn header(self) -> u64 {
        self.kind as u64 | (self.class.0 as u64) << 16 | (self.len as u64) << 32
    }
}

/// A reference to a heap object (invariant O1).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Obj(NonNull<AtomicU64>);

// SAFETY: an `Obj` is an address; all access through it is atomic (O3). Which worker may use it
// when is the heap contract's business.
unsafe impl Send for Obj {}

impl Obj {
    /// An object at this address.
    ///
    /// # Safety
    /// The address is non-null, 8-aligned, and holds a header and body as [`ObjectLayout`] says for
    /// as long as the result is used (O1).
    #[inline(always)]
    pub unsafe fn from_address(address: usize) -> Obj {
        debug_assert!(address != 0 && address.is_multiple_of(8));
        // SAFETY: not null, by the caller.
        Obj(unsafe { NonNull::new_unchecked(address as *mut AtomicU64) })
    }

    /// Makes an object out of free memory: writes the header; value slots become nil and raw bytes
    /// zero.
    ///
    /// # Safety
    /// `address` is 8-aligned and `layout.size()` bytes from it belong to the caller.
    #[inline(always)]
    pub unsafe fn create(address: usize, layout: ObjectLayout) -> Obj {
        // SAFETY: by the caller.
        let object = unsafe { Obj::from_address(address) };
        object.word(0).store(layout.header(), Relaxed);
        let fill = if layout.kind.is_raw() { 0 } else { Value::NIL.bits() };
        for i in 1..=layout.body_bytes() / 8 {
            object.word(i).store(fill, Relaxed);
        }
        object
    }

    /// As [`Obj::create`], but leaves the body as it is: the caller initialises every slot before
    /// the next safepoint (constructors in the interpreter).
    ///
    /// # Safety
    /// As [`Obj::create`], and the body is initialised before anyone else sees the object.
    #[inline(always)]
    pub unsafe fn create_header(address: usize, layout: ObjectLayout) -> Obj {
        // SAFETY: by the caller.
        let object = unsafe { Obj::from_address(address) };
        object.word(0).store(layout.header(), Relaxed);
        object
    }

    /// The address of the header.
    #[inline(always)]
    pub fn address(self) -> usize {
        self.0.as_ptr() as usize
    }

    #[inline(always)]
    fn word(self, i: usize) -> &'static AtomicU64 {
        // SAFETY: O1; callers stay within header and body (O4).
        unsafe { &*self.0.as_ptr().add(i) }
    }

    /// The header word.
    #[inline(always)]
    pub fn header(self) -> u64 {
        self.word(0).load(Relaxed)
    }
    /// Replaces the header word: heaps only (forwarding, poisoning).
    #[inline(always)]
    pub fn set_header(self, header: u64) {
        self.word(0).store(header, Relaxed);
    }
    /// The header word as an atomic: heaps that race for it (forwarding, marking in the header).
    #[inline(always)]
    pub fn header_atomic(&self) -> &AtomicU64 {
        self.word(0)
    }
    /// The heap's byte of the header.
    #[inline(always)]
    pub fn gc_byte(self) -> u8 {
        (self.header() >> 8) as u8
    }
    /// Sets the heap's byte of the header (not atomic against other writers of the header).
    #[inline(always)]
    pub fn set_gc_byte(self, byte: u8) {
        // SAFETY: byte 1 of the header word (little endian), which O1 makes valid.
        let gc = unsafe { &*self.0.as_ptr().cast::<AtomicU8>().add(1) };
        gc.store(byte, Relaxed);
    }
    /// The kind.
    ///
    /// # Panics
    /// When the header is not one: a broken contract (stale reference, overwritten memory).
    #[inline]
    pub fn kind(self) -> ObjectKind {
        ObjectKind::from_u8(self.header() as u8).unwrap_or_else(|| {
            panic!("broken heap: no object at {self:p}, header {:#x}", self.header())
        })
    }
    /// The class.
    #[inline(always)]
    pub fn class(self) -> ClassId {
        ClassId((self.header() >> 16) as u16)
    }
    /// Values, or raw bytes.
    #[inline(always)]
    pub fn len(self) -> usize {
        (self.header() >> 32) as usize
    }
    /// Whether the body is empty.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
    /// Whether the body is raw bytes.
    #[inline(always)]
    pub fn is_raw(self) -> bool {
        self.header() as u8 >= ObjectKind::FIRST_RAW
    }
    /// What it was allocated as.
    #[inline]
    pub fn layout(self) -> ObjectLayout {
        ObjectLayout { kind: self.kind(), class: self.class(), len: self.len() as u32 }
    }
    /// Bytes of header and body, without decoding the kind (for walking memory).
    #[inline(always)]
    pub fn size(self) -> usize {
        self.extent().0
    }
    /// [`Obj::size`] and [`Obj::traced_slots`] by one look at the header, for collectors.
    #[inline(always)]
    pub fn extent(self) -> (usize, usize) {
        let header = self.header();
        let (kind, len) = (header as u8, (header >> 32) as usize);
        if kind < ObjectKind::FIRST_UNTRACED {
            (HEADER_BYTES + len * 8, len)
        } else if kind < ObjectKind::FIRST_RAW {
            (HEADER_BYTES + len * 8, 0)
        } else {
            (HEADER_BYTES + ((len + 7) & !7), 0)
        }
    }

    /// Slot `i` as a raw word: what heaps' `load` builds on; programs read through the mutator.
    #[inline(always)]
    pub fn slot(self, i: usize) -> Value {
        debug_assert!(!self.is_raw() && i < self.len(), "slot {i} of {self:?}");
        Value::from_bits(self.word(1 + i).load(Relaxed))
    }
    /// Writes slot `i` without any barrier: what heaps' `init` and `store` build on.
    #[inline(always)]
    pub fn set_slot(self, i: usize, v: Value) {
        debug_assert!(!self.is_raw() && i < self.len(), "slot {i} of {self:?}");
        self.word(1 + i).store(v.bits(), Relaxed);
    }
    /// As [`Obj::set_slot`], where other workers read: whoever sees the reference sees what was
    /// written to its object before (release; readers follow an address dependency).
    #[inline(always)]
    pub fn publish_slot(self, i: usize, v: Value) {
        debug_assert!(!self.is_raw() && i < self.len(), "slot {i} of {self:?}");
        self.word(1 + i).store(v.bits(), Release);
    }
    /// Puts a word into slot `i` and gives what was there: of several workers that overwrite it each
    /// gets another word. Releases what was written to the new object, acquires the old one.
    #[inline(always)]
    pub fn swap_slot(self, i: usize, v: Value) -> Value {
        debug_assert!(!self.is_raw() && i < self.len(), "slot {i} of {self:?}");
        Value::from_bits(self.word(1 + i).swap(v.bits(), AcqRel))
    }
    /// The slots that a collector must trace: none for raw bodies, weak references and entries of weak
    /// maps.
    #[inline(always)]
    pub fn traced_slots(self) -> usize {
        let header = self.header();
        if header as u8 >= ObjectKind::FIRST_UNTRACED { 0 } else { (header >> 32) as usize }
    }

    /// Raw word `i` of the body: an element of an f64 array or a hash index, a boxed number.
    #[inline(always)]
    pub fn raw_word(self, i: usize) -> u64 {
        debug_assert!(self.is_raw() && i < self.len().div_ceil(8));
        self.word(1 + i).load(Relaxed)
    }
    /// Writes raw word `i` of the body.
    #[inline(always)]
    pub fn set_raw_word(self, i: usize, word: u64) {
        debug_assert!(self.is_raw() && i < self.len().div_ceil(8));
        self.word(1 + i).store(word, Relaxed);
    }
    /// Byte `i` of a raw body.
    #[inline(always)]
    pub fn byte(self, i: usize) -> u8 {
        assert!(self.is_raw() && i < self.len());
        // SAFETY: within the body (O1, checked above).
        unsafe { &*self.0.as_ptr().add(1).cast::<AtomicU8>().add(i) }.load(Relaxed)
    }
    /// Writes byte `i` of a raw body.
    #[inline(always)]
    pub fn set_byte(self, i: usize, byte: u8) {
        assert!(self.is_raw() && i < self.len());
        // SAFETY: within the body (O1, checked above).
        unsafe { &*self.0.as_ptr().add(1).cast::<AtomicU8>().add(i) }.store(byte, Relaxed);
    }
    /// The bytes of a raw body that nobody writes any more (strings after construction).
    ///
    /// # Safety
    /// No safepoint and no write to the body happens while the slice is in use.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        assert!(self.is_raw());
        // SAFETY: within the body (O1); not written, by the caller.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(1).cast::<u8>(), self.len()) }
    }
    /// Fills a raw body from its start: construction.
    pub fn copy_bytes(self, at: usize, bytes: &[u8]) {
        assert!(self.is_raw() && at + bytes.len() <= self.len());
        // SAFETY: within the body (checked above); the object is under construction, so nobody
        // else accesses these bytes.
        unsafe {
            let body = self.0.as_ptr().add(1).cast::<u8>().add(at);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), body, bytes.len());
        }
    }
}

impl std::fmt::Pointer for Obj {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.address())
    }
}

impl std::fmt::Debug for Obj {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = self.header();
        match ObjectKind::from_u8(header as u8) {
            Some(kind) => write!(f, "{kind:?}/{}[{}]@{self:p}", self.class().0, self.len()),
            None => write!(f, "<no object, header {header:#x}>@{self:p}"),
        }
    }
}

const _: () = assert!(size_of::<Obj>() == 8 && size_of::<Option<Obj>>() == 8);
const _: () = assert!(ObjectLayout::new(ObjectKind::Str, 9).size() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_describe_their_objects() {
        for kind in ObjectKind::ALL {
            let layout = ObjectLayout::new(kind, 3);
            let mut memory = vec![u64::MAX; layout.size() / 8];
            // SAFETY: the memory is `layout.size()` bytes and 8-aligned.
            let o = unsafe { Obj::create(memory.as_mut_ptr() as usize, layout) };
            assert_eq!((o.kind(), o.len(), o.size()), (kind, 3, layout.size()));
            assert_eq!(o.layout(), layout);
            o.set_gc_byte(0xab);
            assert_eq!((o.gc_byte(), o.kind(), o.len()), (0xab, kind, 3));
            assert_eq!(ObjectKind::from_u8(kind as u8), Some(kind));
        }
    }

    #[test]
    #[should_panic(expected = "broken heap")]
    fn a_header_that_is_none_is_reported() {
        let mut memory = [0u64; 1];
        // SAFETY: one word, 8-aligned.
        unsafe { Obj::from_address(memory.as_mut_ptr() as usize) }.kind();
    }
}
