//! Tasks: interpreter continuations. A task owns one block of memory that holds its registers and
//! its frames; no native stack is kept for it, and the host never recurses.
//!
//! ```text
//! low                                                                        high
//! [ registers: windows of nested calls, growing up → ]   free   [ ← frames ]
//! ^ stack.low()      ^ base (window of the running call)        ^ frame_top   ^ stack.high()
//! ```
//!
//! Invariants
//! - T1. Between slices all state of the run is here: `pc`, `base`, `frame_top` and the block.
//! - T2. `base + registers of the running function <= frame_top` (checked at every call, in one
//!   compare, because frames grow towards the registers).
//! - T3. Every register below the top held a valid value at or after the last collection: the
//!   collector sets dead registers and everything above the top to nil.
//! - T4. The outermost frame returns to the VM's `Halt` stub.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::num::NonZeroU64;

use crate::heap::Region;
use crate::host::Wait;
use crate::value::Value;

/// What a call leaves behind: where to go on and with which window.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The word after the call.
    pub pc: *const u64,
    /// The caller's window.
    pub base: *mut Value,
}

const FRAME_WORDS: usize = size_of::<Frame>() / 8;
const _: () = assert!(size_of::<Frame>() == 16);

/// The memory block of a task.
#[derive(Debug)]
struct Stack {
    low: *mut u64,
    words: u32,
    /// Of these, for how many words the driver has been asked.
    charged: u32,
}

impl Stack {
    fn layout(words: usize) -> Layout {
        Layout::array::<u64>(words).expect("stack limits are far below isize::MAX")
    }
    fn new(words: usize) -> Stack {
        let layout = Self::layout(words);
        // SAFETY: `words` is not zero.
        let low = unsafe { alloc(layout) }.cast::<u64>();
        if low.is_null() {
            handle_alloc_error(layout);
        }
        // The longest stack that can be asked for has fewer words.
        let mut stack = Stack { low, words: words as u32, charged: 0 };
        stack.clear();
        stack
    }
    /// Registers must hold valid values (T3): nil.
    fn clear(&mut self) {
        const NIL: u64 = Value::NIL.bits();
        if self.words() == MIN_WORDS {
            // Most are of this size, and a few wide stores do it.
            // SAFETY: the block has as many words.
            unsafe { self.low.cast::<[u64; MIN_WORDS]>().write([NIL; MIN_WORDS]) };
        } else {
            // SAFETY: the block has `words` words.
            unsafe { std::slice::from_raw_parts_mut(self.low, self.words()) }.fill(NIL);
        }
    }
    fn words(&self) -> usize {
        self.words as usize
    }
    fn high(&self) -> *mut u64 {
        // SAFETY: one past the end of the block.
        unsafe { self.low.add(self.words()) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.low.cast(), Self::layout(self.words())) }
    }
}

/// The smallest block, words: a task that sleeps in a small function needs no more.
const MIN_WORDS: usize = 12;

/// Which task: its number, which people see, and its place in the table of live tasks, which finds it.
///
/// Numbers count a VM's tasks from 1; a place is used again when its task has ended. The number tells the
/// later task from the earlier one, so an id stays valid for ever and names nothing once its task has
/// ended. (After 2^36 tasks numbers begin anew: an id as old as that could name another task.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(NonZeroU64);

const PLACE_BITS: u32 = 24;
const NUMBER_BITS: u32 = 36;

impl TaskId {
    /// How many tasks may be live at a time.
    pub const PLACES: usize = 1 << PLACE_BITS;
    /// The largest number.
    pub const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;

    /// The task of this number (1 to [`Self::NUMBER_MAX`]) at this place (below [`Self::PLACES`]).
    ///
    /// # Panics
    /// For number 0.
    #[inline]
    pub const fn new(number: u64, place: usize) -> TaskId {
        debug_assert!(number <= Self::NUMBER_MAX && place < Self::PLACES);
        TaskId(NonZeroU64::new(number << PLACE_BITS | place as u64).expect("tasks count from 1"))
    }
    /// Its number.
    #[inline]
    pub const fn number(self) -> u64 {
        self.0.get() >> PLACE_BITS
    }
    /// Its place.
    #[inline]
    pub const fn place(self) -> usize {
        self.0.get() as usize & (Self::PLACES - 1)
    }
    /// As a word; never 0.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0.get()
    }
    /// The id of a word that [`Self::bits`] gave.
    #[inline]
    pub fn from_bits(bits: u64) -> Option<TaskId> {
        NonZeroU64::new(bits).map(TaskId)
    }
    /// As a slot of its handle holds it.
    #[inline]
    pub fn value(self) -> Value {
        Value::small(self.bits() as i64)
    }
    /// The id that [`Self::value`] gave; `None` for other values.
    #[inline]
    pub fn from_value(v: Value) -> Option<TaskId> {
        Self::from_bits(v.as_int()? as u64)
    }
}

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number().fmt(f)
    }
}
impl std::fmt::Debug for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {}", self.number())
    }
}

/// The stack trace of an error that nobody may catch.
#[derive(Debug)]
pub struct Trace {
    /// The thrown value: a root.
    pub of: Value,
    /// Word indices of the frames at the throw, innermost first.
    pub frames: Vec<u32>,
}

/// A task. A million of them may wait: what only few of them have is in boxes.
#[derive(Debug)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// The next instruction.
    pub pc: *const u64,
    /// The window of the running function.
    pub base: *mut Value,
    /// The innermost frame.
    pub frame_top: *mut Frame,
    stack: Stack,
    /// The task's handle object: what `spawn` gave, where the result goes.
    pub handle: Value,
    /// What it waits for, while it is blocked.
    pub wait: Option<Wait>,
    /// Whether it ran since the last collection.
    pub dirty: bool,
    /// The worker that ran it last, where there may be several: its number modulo 2^16.
    pub worker: u16,
    /// Where the last thrown value came from.
    pub trace: Option<Box<Trace>>,
    /// The innermost region that it is in, while it does not run.
    pub region: Region,
    /// Where it was spawned (index of the word), for reports.
    spawned_at: u32,
}

/// It was not spawned by the program.
const NOWHERE: u32 = u32::MAX;

const _: () = assert!(size_of::<Task>() == 96, "a size class of allocators");

// SAFETY: the raw pointers point into the task's own block and at the program's immutable code;
// whoever runs the task owns it (T1).
unsafe impl Send for Task {}

impl Task {
    /// A task that will run the function at `entry`, which uses `registers`.
    pub fn new(id: TaskId, entry: *const u64, halt: *const u64, registers: usize) -> Task {
        let mut task = Task {
            id,
            pc: entry,
            base: std::ptr::null_mut(),
            frame_top: std::ptr::null_mut(),
            stack: Stack::new(Self::words_for(registers)),
            handle: Value::NIL,
            wait: None,
            dirty: true,
            worker: 0,
            trace: None,
            region: Region::NONE,
            spawned_at: NOWHERE,
        };
        task.begin(halt);
        task
    }
    /// The outermost frame, on an empty block.
    fn begin(&mut self, halt: *const u64) {
        self.base = self.low();
        // SAFETY: the block has room for a frame (T2).
        unsafe {
            self.frame_top = self.stack.high().cast::<Frame>().sub(1);
            *self.frame_top = Frame { pc: halt, base: self.base };
        }
    }
    fn words_for(registers: usize) -> usize {
        (registers + FRAME_WORDS).max(MIN_WORDS)
    }
    /// Makes a task that has ended a new one, in the same memory; `false` when its block is too small.
    /// Nothing may be left that a heap counts.
    #[must_use]
    #[inline(always)]
    pub fn restart(
        &mut self,
        id: TaskId,
        entry: *const u64,
        halt: *const u64,
        registers: usize,
    ) -> bool {
        if self.stack_words() < Self::words_for(registers) {
            return false;
        }
        debug_assert!(self.handle == Value::NIL && self.trace.is_none());
        self.stack.clear();
        self.stack.charged = 0;
        self.begin(halt);
        (self.id, self.pc) = (id, entry);
        (self.wait, self.dirty) = (None, true);
        (self.region, self.spawned_at) = (Region::NONE, NOWHERE);
        true
    }

    /// Bytes that this task takes outside of the heap.
    pub fn bytes(&self) -> usize {
        size_of::<Task>() + self.stack_words() * 8
    }
    /// Of these, how many the driver has not been asked for.
    pub fn uncharged(&self) -> usize {
        self.bytes() - self.charged()
    }
    /// The others.
    pub fn charged(&self) -> usize {
        let charged = self.stack.charged as usize;
        if charged == 0 { 0 } else { size_of::<Task>() + charged * 8 }
    }
    /// The driver has been asked for all.
    pub fn set_charged(&mut self) {
        self.stack.charged = self.stack.words;
    }
    /// Words of the block.
    pub fn stack_words(&self) -> usize {
        self.stack.words()
    }
    /// Where it was spawned (index of the word).
    pub fn spawned_at(&self) -> Option<u32> {
        (self.spawned_at != NOWHERE).then_some(self.spawned_at)
    }
    /// Notes where it was spawned.
    pub fn set_spawned_at(&mut self, index: u32) {
        self.spawned_at = index;
    }
    /// The lowest register.
    pub fn low(&self) -> *mut Value {
        self.stack.low.cast()
    }
    /// The frames, innermost first; the last one returns to the `Halt` stub.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        let count = (self.stack.high() as usize - self.frame_top as usize) / size_of::<Frame>();
        // SAFETY: frames fill the block from `frame_top` to its end.
        (0..count).map(|i| unsafe { *self.frame_top.add(i) })
    }
    /// How deep the calls are nested.
    pub fn depth(&self) -> usize {
        self.frames().count()
    }

    /// Makes room so that `top` (in words from the bottom) and one more frame fit; `false` when
    /// that would exceed `max_words`. Registers and frames move: pointers into the block go stale.
    #[cold]
    pub fn grow(&mut self, top: usize, max_words: usize) -> bool {
        let frame_words = (self.stack.high() as usize - self.frame_top as usize) / 8;
        let needed = top + frame_words + FRAME_WORDS;
        if needed > max_words {
            return false;
        }
        let words = needed.max(self.stack_words() * 2).min(max_words);
        let mut new = Stack::new(words);
        new.charged = self.stack.charged;
        let used = (self.frame_top as usize - self.stack.low as usize) / 8;
        // SAFETY: both blocks are large enough; they do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(self.stack.low, new.low, used);
            let frames = new.high().sub(frame_words);
            std::ptr::copy_nonoverlapping(self.frame_top.cast(), frames, frame_words);
            self.frame_top = frames.cast();
        }
        let moved = |p: *mut Value| {
            let offset = (p as usize - self.stack.low as usize) / 8;
            // SAFETY: the same offset lies within the larger block.
            unsafe { new.low.add(offset) }.cast::<Value>()
        };
        for i in 0..frame_words / FRAME_WORDS {
            // SAFETY: the frames were copied to here.
            let frame = unsafe { &mut *self.frame_top.add(i) };
            frame.base = moved(frame.base);
        }
        self.base = moved(self.base);
        self.stack = new;
        true
    }

    /// Registers from the bottom up to (not including) `top`.
    ///
    /// # Safety
    /// `top` lies between `low()` and `frame_top`, and nobody else uses the registers.
    pub unsafe fn registers_below(&mut self, top: *mut Value) -> &mut [Value] {
        let count = (top as usize - self.stack.low as usize) / 8;
        // SAFETY: by the caller; every word of the block is a value (T3).
        unsafe { std::slice::from_raw_parts_mut(self.low(), count) }
    }
    /// Sets everything between `top` and the frames to nil (T3).
    ///
    /// # Safety
    /// As [`Task::registers_below`].
    pub unsafe fn clear_above(&mut self, top: *mut Value) {
        let count = (self.frame_top as usize - top as usize) / 8;
        // SAFETY: by the caller.
        unsafe { std::slice::from_raw_parts_mut(top, count) }.fill(Value::NIL);
    }
}
