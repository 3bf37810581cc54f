//! The memory of local objects: one stack per task, popped when a frame ends.
//!
//! ```text
//!   start                                                              end
//!   [mark][obj][obj][mark][obj]░░░░░░░░░░░░ … ░░░░░░░░░░░░░░░░░░░░░░░░░░
//!    ▲     frame 1   ▲ frame 2 ▲           ▲
//!    └───────────────┘ mark    cursor      limit: frame 2's budget
//! ```
//!
//! The stack is the memory of a region that is never left: what is asked of regions (whose is this
//! object? who refers to it from outside? what is reachable?) is asked of it in the same way. Only a
//! frame's end differs: nothing outlives it (H11), so the cursor goes back to the mark, and that is all.
//!
//! Invariants
//! - F1. From the cursor to the end the stack is free. Below, objects lie back to back; a mark is one
//!   of them: raw bytes that hold the enclosing mark and the enclosing frame's limit.
//! - F2. `mark` is the innermost frame's; 0 = none. Frames that found no room for a mark are counted
//!   instead, and are the innermost ones.
//! - F3. A slot outside of the stack that refers into it is remembered, with the region that the
//!   stack is. When a frame ends, remembered slots that refer above its mark are set to nil: what they
//!   lie in is garbage (H11), but a collection may still look at it.
//! - F4. A slot in the stack that refers into a region is not remembered. When one is overwritten with
//!   such a reference, `holds` is set, and whoever moves a region's objects looks at the whole stack. What
//!   an object is made with does not count: the object is gone before the region is, unless that is
//!   shared, and then all of all stacks are looked at.
//! - F5. After a collection, objects of the stack that nothing reaches hold nothing.

use menagerie::heap::Mutator;
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;

use super::mutator::RegionMutator;
use super::table::size_of_local;
use super::{NOBODY, Owner};
use crate::parts::bump::Bump;
use crate::parts::memory::poison;

/// How much memory local objects may take.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Limits {
    /// Of one frame.
    pub(crate) frame_bytes: usize,
    /// Of a task's stack, in chunks.
    pub(crate) stack_chunks: usize,
}

/// The layout of a mark.
pub(crate) const MARK: ObjectLayout = ObjectLayout::new(ObjectKind::Bytes, 16);
/// Where a mark keeps the enclosing one.
const ENCLOSING: usize = 0;
/// Where a mark keeps the enclosing frame's limit.
const LIMIT: usize = 1;

/// The stack of the running task, as its mutator has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames {
    /// The region that the stack is; nobody: there is none yet.
    pub(crate) owner: Owner,
    /// Where the next local object goes, up to the innermost frame's limit.
    pub(crate) bump: Bump,
    start: usize,
    end: usize,
    mark: usize,
    /// Frames without a mark (F2).
    unmarked: usize,
    /// The highest object that a remembered slot refers to (F3).
    highest: usize,
    /// Frames whose mark is not above this end on the slow path.
    guard: usize,
    /// F4.
    pub(crate) holds: bool,
}

impl Frames {
    /// No stack.
    pub(crate) const NONE: Frames = Frames {
        owner: NOBODY,
        bump: Bump::EMPTY,
        start: 0,
        end: 0,
        mark: 0,
        unmarked: 0,
        highest: 0,
        guard: 0,
        holds: false,
    };

    /// An empty stack in the buffer's memory.
    pub(crate) fn new(owner: Owner, memory: Bump) -> Frames {
        let (start, end) = (memory.cursor(), memory.limit());
        // SAFETY: an empty part of the buffer's memory.
        let bump = unsafe { Bump::new(start, start) };
        Frames { owner, bump, start, end, ..Frames::NONE }
    }
    /// Whether a frame has begun and not ended.
    pub(crate) fn are_open(&self) -> bool {
        self.mark != 0 || self.unmarked != 0
    }
    /// Whether one found no room for a mark.
    #[inline(always)]
    pub(super) fn has_unmarked(&self) -> bool {
        self.unmarked > 0
    }
    /// The innermost frame's mark; 0 = none.
    #[inline(always)]
    pub(super) fn mark(&self) -> usize {
        self.mark
    }
    /// The stack as it was when the innermost mark was this one, and the cursor and the limit these.
    pub(super) fn as_before(self, mark: usize, bump: Bump) -> Frames {
        Frames { mark, bump, unmarked: 0, ..self }
    }
    /// A region begins: what is local in it has a budget of its own.
    #[inline(always)]
    pub(super) fn begin_region(&mut self, budget: usize) {
        if self.mark != 0 {
            self.allow(budget);
        }
    }
    /// Whether a region may end with a `drop_to` this mark and cursor, and that is all: no frame is left
    /// open, no object refers to the region (F4), none that goes is remembered (F3).
    #[inline(always)]
    pub(super) fn may_drop_to(&self, mark: usize, cursor: usize) -> bool {
        self.mark == mark
            && self.unmarked == 0
            && !self.holds
            && (mark == 0 || self.bump.cursor() == cursor || self.guard < cursor)
    }
    /// What is local in a region ends with it; how many bytes that is.
    #[inline(always)]
    pub(super) fn drop_to(&mut self, mark: usize, before: Bump) -> usize {
        if mark == 0 {
            return 0;
        }
        let bytes = self.bump.cursor() - before.cursor();
        self.bump = before;
        bytes
    }
    /// A slot that is not remembered yet may refer to an object: frames end on the slow path.
    #[inline(always)]
    pub(super) fn guard_all(&mut self) {
        self.guard = usize::MAX;
    }
    /// Whether an object lies in the stack.
    #[inline(always)]
    pub(crate) fn contain(&self, o: Obj) -> bool {
        let address = o.address();
        self.start <= address && address < self.end
    }
    fn has_memory(&self) -> bool {
        self.end > self.start
    }
    /// The innermost frame may take `budget` bytes from the cursor on.
    #[inline(always)]
    fn allow(&mut self, budget: usize) {
        let cursor = self.bump.cursor();
        let limit = cursor + budget.min(self.end - cursor);
        // SAFETY: F1.
        self.bump = unsafe { Bump::new(cursor, limit) };
    }
    /// A frame begins; `false` when there is no room for its mark.
    #[inline(always)]
    fn push(&mut self, budget: usize) -> bool {
        let (enclosing, limit) = (self.mark, self.bump.limit());
        // SAFETY: F1.
        let mut rest = unsafe { Bump::new(self.bump.cursor(), self.end) };
        let Some(mark) = rest.alloc(MARK) else { return false };
        mark.set_raw_word(ENCLOSING, enclosing as u64);
        mark.set_raw_word(LIMIT, limit as u64);
        self.mark = mark.address();
        self.bump = rest;
        self.allow(budget);
        true
    }
    /// The frame of the innermost mark ends; how many bytes of objects it had.
    #[inline(always)]
    fn pop(&mut self) -> usize {
        // SAFETY: F2: there is a mark, by the callers.
        let mark = unsafe { Obj::from_address(self.mark) };
        let bytes = self.bump.cursor() - (mark.address() + MARK.size());
        let (enclosing, limit) = (mark.raw_word(ENCLOSING), mark.raw_word(LIMIT));
        // SAFETY: F1; what lies above the mark has ended (H11).
        self.bump = unsafe { Bump::new(mark.address(), limit as usize) };
        self.mark = enclosing as usize;
        bytes
    }
}

impl<M: Mutator> RegionMutator<M> {
    /// Local objects are not counted; so over a counting parent they are its own.
    pub(crate) const LOCALS: bool = !M::COUNTS;

    #[inline(always)]
    pub(crate) fn try_push(&mut self) -> bool {
        self.frames.push(self.frame_limits.frame_bytes) || self.has_no_stacks()
    }
    #[inline(always)]
    fn has_no_stacks(&self) -> bool {
        self.frame_limits.stack_chunks == 0
    }
    /// Opens the stack, or counts the frame instead of marking it.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_slow(&mut self) {
        if self.has_no_stacks() {
            return;
        }
        if self.frames.owner == NOBODY {
            let table = &mut *self.table.borrow_mut();
            let owner = table.open_stack();
            let region = &mut table.regions[owner as usize - 1];
            let memory =
                region.memory.reserve(owner, self.frame_limits.stack_chunks, &mut table.pool);
            self.frames = Frames::new(owner, memory);
        }
        if !self.frames.push(self.frame_limits.frame_bytes) {
            self.frames.unmarked += 1;
        }
        self.set_guard();
    }
    #[inline(always)]
    pub(crate) fn try_pop(&mut self) -> bool {
        if self.frames.mark <= self.frames.guard {
            return self.has_no_stacks();
        }
        self.frame_bytes += self.frames.pop() as u64;
        true
    }
    #[cold]
    #[inline(never)]
    pub(crate) fn pop_slow(&mut self) {
        if self.has_no_stacks() {
            return;
        }
        self.drain_log();
        if self.frames.unmarked > 0 {
            self.frames.unmarked -= 1;
        } else {
            assert_ne!(self.frames.mark, 0, "a frame is left that was not entered");
            let end = self.frames.bump.cursor();
            self.frame_bytes += self.frames.pop() as u64;
            self.end_locals(end);
        }
        self.set_guard();
        if !self.frames.are_open() && !self.frames.has_memory() {
            // Next time there may be some.
            self.close_frames();
        }
    }
    /// The stack ended at `end` and ends at its cursor now.
    fn end_locals(&mut self, end: usize) {
        let start = self.frames.bump.cursor();
        if self.frames.highest >= start {
            self.frames.highest = self.forget_locals(start);
        }
        if self.poisons {
            // SAFETY: free (F1).
            unsafe { poison(start, end) };
        }
    }
    /// F3; the highest object that is still referred to from outside, or 0.
    fn forget_locals(&mut self, end: usize) -> usize {
        let table = &mut *self.table.borrow_mut();
        let region = table.region(self.frames.owner);
        let holders = std::mem::take(&mut region.holders);
        let remembered = std::mem::take(&mut region.remembered);
        let mut highest = 0;
        for (holder, slot) in holders.into_iter().zip(remembered) {
            if !table.is_current(holder, &slot) {
                continue;
            }
            let (o, i) = (holder.as_object().expect("an object"), slot.slot as usize);
            let Some(local) = table.is_in(o.slot(i), self.frames.owner) else { continue };
            if local.address() >= end {
                o.set_slot(i, Value::NIL);
                continue;
            }
            highest = highest.max(local.address());
            let region = table.region(self.frames.owner);
            region.holders.push(holder);
            region.remembered.push(slot);
        }
        highest
    }
    /// A slot outside of the stack is going to refer to this object in it (F3).
    pub(crate) fn raise_guard(&mut self, local: Obj) {
        self.frames.highest = self.frames.highest.max(local.address());
        self.set_guard();
    }
    pub(super) fn set_guard(&mut self) {
        let always = self.frames.unmarked > 0 || self.poisons || !self.log.is_empty();
        self.frames.guard = if always { usize::MAX } else { self.frames.highest };
    }

    // ---- regions and tasks ----

    /// A region begins: its local objects end with it, and have a budget of their own.
    pub(crate) fn locals_at_enter(&mut self) -> Frames {
        let before = self.frames;
        self.frames.begin_region(self.frame_limits.frame_bytes);
        before
    }
    /// The region ends that has begun with the stack like this.
    pub(crate) fn end_locals_since(&mut self, before: Frames) {
        if self.frames.owner == NOBODY {
            return;
        }
        let end = self.frames.bump.cursor();
        let as_before = end == before.bump.cursor().max(self.frames.start);
        if as_before && (before.mark, before.unmarked) == (self.frames.mark, self.frames.unmarked) {
            // Nothing local was made.
            self.frames.bump = if before.are_open() { before.bump } else { self.frames.bump };
            return;
        }
        let now = self.frames;
        if before.are_open() {
            assert_eq!(before.owner, now.owner, "a task keeps its stack while a frame is open");
            let (highest, holds) = (now.highest, now.holds);
            self.frames = Frames { highest, holds, ..before };
        } else {
            // SAFETY: as in `Frames::new`.
            let bump = unsafe { Bump::new(now.start, now.start) };
            self.frames = Frames { bump, mark: 0, unmarked: 0, ..now };
        }
        self.frame_bytes += local_bytes(self.frames.bump.cursor(), end);
        self.end_locals(end);
        self.set_guard();
    }
    /// Makes known where the stack ends.
    pub(crate) fn flush_frames(&mut self) {
        if self.frames.owner != NOBODY {
            self.table.borrow_mut().region(self.frames.owner).memory.suspend(self.frames.bump);
        }
    }
    /// Publishes what has been counted.
    pub(crate) fn publish_frames(&mut self) {
        self.flush_frames();
        let table = &mut *self.table.borrow_mut();
        table.counters.frame_bytes += std::mem::take(&mut self.frame_bytes);
        table.counters.frame_fallbacks += std::mem::take(&mut self.frame_fallbacks);
        if self.frames.owner != NOBODY {
            table.count_locals(self.frames.owner);
        }
    }
    /// The running task gives way: its stack goes with it, unless it is empty.
    pub(crate) fn suspend_frames(&mut self) -> Owner {
        if !self.frames.are_open() {
            return NOBODY;
        }
        self.publish_frames();
        let frames = std::mem::replace(&mut self.frames, Frames::NONE);
        self.table.borrow_mut().region(frames.owner).frames = Some(frames);
        frames.owner
    }
    /// A task goes on that has this stack.
    pub(crate) fn resume_frames(&mut self, owner: Owner) {
        self.close_frames();
        let frames = self.table.borrow_mut().region(owner).frames.take();
        self.frames = frames.expect("the stack of a task that gave way");
    }
    fn close_frames(&mut self) {
        if self.frames.owner != NOBODY {
            debug_assert!(!self.frames.are_open());
            self.publish_frames();
            self.table.borrow_mut().close(self.frames.owner);
            self.frames = Frames::NONE;
        }
    }
}

/// Bytes of the objects between two places of a stack.
fn local_bytes(mut start: usize, end: usize) -> u64 {
    let mut bytes = 0;
    while start < end {
        // SAFETY: objects lie back to back (F1).
        let o = unsafe { Obj::from_address(start) };
        bytes += size_of_local(o);
        start += o.size();
    }
    bytes
}
