//! The marker: one explicit stack, no recursion, each object pushed once.
//!
//! How to walk depends on how the graph lies in memory. Where references lead to neighbours, the
//! processor's own prefetcher is the best one, and a plain stack follows the order of memory. Where
//! they lead anywhere, every object is a cache miss of 100 ns, and so, in a large heap, is its mark;
//! only having many of them under way helps: a short queue between the stack and the scan (Cher,
//! Hosking, Vitek: Software Prefetching for Mark-Sweep Garbage Collection, 2004), and another one
//! between the scan and the stack. The marker looks which it is:
//!
//! ```text
//!            ┌──────────── near ───────────┐
//!            ▼                             │
//!   Plain: a few objects, how many lay next to the one before?
//!            ▲                             │
//!            │ after `stretch` objects     ▼ far
//!            └──── Prefetching: stack ─► [ 32 objects ] ─► scan ─► [ 16 marks ] ─┐     stretch × 2
//!                                 ▲            under way            under way    │
//!                                 └──────────────── newly marked ◄───────────────┘
//! ```
//!
//! The queue of marks keeps what Cher and others have: an object is on the stack once. (Garner, Blackburn,
//! Frampton: Effective Prefetch for Mark-Sweep Garbage Collection, 2007, put every reference on the stack and
//! mark behind the queue. Tried: a little faster on trees, slower as soon as objects are referred to twice.)
//!
//! With more than one thread (`gc-threads`) each has a stack of its own and walks in the same way. Parts
//! of stacks change hands when somebody has nothing ([`WorkPool`]); the helpers sleep between collections
//! ([`Crew`]), and are not woken for less than [`ALONE`] objects. One thread pays for none of it.
//!
//! Invariants
//! - T1. An object on a stack, in a queue of objects or in a batch is marked and not yet scanned; one in a
//!   queue of marks may be marked or not. Queues are empty between steps.
//! - T2. When `drain` returns, everything that a marked object refers to is marked.
//! - T3. Each object is scanned once, whatever the number of threads (mark_word.rs, W2).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use menagerie::heap::{HeapConfig, HeapError, HeapInfo, Liveness, Parameter};
use menagerie::object::Obj;
use menagerie::value::Value;

use super::crew::Crew;
use super::mark_bits::MarkBits;
use super::memory::prefetch;
use super::objects;
use super::work_pool::WorkPool;

/// The parameter by which heaps offer helpers.
pub const GC_THREADS: Parameter = Parameter {
    name: "gc-threads",
    default: "1",
    doc: "threads that mark, the collecting one included: 1 to 64",
};

/// The helpers that the parameter asks for; `None` for one thread.
///
/// # Errors
/// No number from 1 to 64.
pub fn crew(config: &HeapConfig, info: &HeapInfo) -> Result<Option<Crew>, HeapError> {
    let text = config.parameter(info, GC_THREADS.name);
    match text.parse() {
        Ok(1) => Ok(None),
        Ok(threads @ 2..=64) => Ok(Some(Crew::new(threads - 1))),
        _ => Err(HeapError(format!("gc-threads={text}: expected a number from 1 to 64"))),
    }
}

/// How many objects are under way, and how many marks.
const OBJECTS: usize = 32;
const MARKS: usize = 16;
/// How many objects a look takes.
const LOOK: usize = 256;
/// The first and the longest stretch before looking again.
const STRETCH: usize = 16 * LOOK;
const STRETCH_MAX: usize = 256 * STRETCH;
/// Objects closer than this to the one before count as near, bytes.
const NEAR: usize = 512;
/// How many objects a step takes while others may wait for work: less than 100 µs.
const STEP_TOGETHER: usize = STRETCH;
/// So many objects one thread marks before it wakes others: about what waking costs.
const ALONE: usize = 4096;

/// How an object gets its mark: in the bitmap where that covers it, else in its header.
trait Marks {
    /// Marks it; whether it was not marked before.
    fn mark(&mut self, o: Obj) -> bool;
    /// The bitmap.
    fn bits(&self) -> &MarkBits;
    /// Asks the processor to bring the mark.
    #[inline(always)]
    fn prefetch(&self, o: Obj) {
        let bits = self.bits();
        if bits.covers(o.address()) { bits.prefetch(o.address()) } else { prefetch(o.address()) }
    }
}

/// One thread marks.
#[derive(Debug)]
struct Alone<'a>(&'a mut MarkBits);

impl Marks for Alone<'_> {
    #[inline(always)]
    fn mark(&mut self, o: Obj) -> bool {
        if self.0.covers(o.address()) { self.0.mark(o) } else { objects::mark(o) }
    }
    #[inline(always)]
    fn bits(&self) -> &MarkBits {
        self.0
    }
}

/// Others mark at the same time.
#[derive(Clone, Copy, Debug)]
struct Together<'a>(&'a MarkBits);

impl Marks for Together<'_> {
    #[inline(always)]
    fn mark(&mut self, o: Obj) -> bool {
        if self.0.covers(o.address()) { self.0.mark_shared(o) } else { objects::mark_shared(o) }
    }
    #[inline(always)]
    fn bits(&self) -> &MarkBits {
        self.0
    }
}

/// What is under way: first in, first out.
#[derive(Debug)]
struct Queue<const N: usize> {
    objects: [Option<Obj>; N],
    /// How many have been put, and taken.
    put: usize,
    taken: usize,
}

impl<const N: usize> Queue<N> {
    const EMPTY: Queue<N> = Queue { objects: [None; N], put: 0, taken: 0 };

    /// Puts an object; the oldest one, if there was no room left.
    #[inline(always)]
    fn exchange(&mut self, o: Obj) -> Option<Obj> {
        let oldest = self.objects[self.put % N].replace(o);
        self.put += 1;
        self.taken += usize::from(oldest.is_some());
        oldest
    }
    /// The oldest one.
    #[inline(always)]
    fn take(&mut self) -> Option<Obj> {
        let oldest = self.objects[self.taken % N].take();
        self.taken += usize::from(oldest.is_some());
        oldest
    }
}

/// A thread's part of the marking.
#[derive(Debug)]
struct Tracer<M> {
    marks: M,
    stack: Vec<Obj>,
    /// The next stretch, and what is left of the last one.
    stretch: usize,
    far: usize,
    /// How many objects one step takes at most.
    step_max: usize,
    objects: u64,
    bytes: usize,
}

impl<M: Marks> Tracer<M> {
    fn new(marks: M, step_max: usize) -> Tracer<M> {
        let stack = Vec::new();
        Tracer { marks, stack, stretch: STRETCH, far: 0, step_max, objects: 0, bytes: 0 }
    }
    /// Marks an object and queues it for scanning.
    #[inline(always)]
    fn push(&mut self, o: Obj) {
        if self.marks.mark(o) {
            self.stack.push(o);
        }
    }
    /// As [`Tracer::push`], of one that lies near: its line is asked for at once. That costs nothing where
    /// it is scanned next, and of an array's thousand elements most are scanned much later.
    #[inline(always)]
    fn push_near(&mut self, o: Obj) {
        if self.marks.mark(o) {
            prefetch(o.address());
            self.stack.push(o);
        }
    }
    /// Shows what an object refers to: the last slot first, so that a plain stack goes on with the
    /// first, whose object was most likely allocated next.
    #[inline(always)]
    fn scan(&mut self, o: Obj, mut reference: impl FnMut(&mut Self, Obj)) {
        let (bytes, slots) = o.extent();
        self.objects += 1;
        self.bytes += bytes;
        for i in (0..slots).rev() {
            if let Some(target) = o.slot(i).as_object() {
                reference(self, target);
            }
        }
    }
    /// Scans some objects of the stack, in the way that suits them.
    fn step(&mut self) {
        if self.far == 0 {
            if self.plain() >= LOOK / 2 {
                self.stretch = STRETCH;
                return;
            }
            self.far = self.stretch;
            self.stretch = (self.stretch * 2).min(STRETCH_MAX);
        }
        let now = self.far.min(self.step_max);
        self.far -= now;
        self.prefetching(now);
    }
    /// Scans up to [`LOOK`] objects straight from the stack; how many lay near the one before.
    fn plain(&mut self) -> usize {
        let (mut near, mut last) = (0, 0);
        for _ in 0..LOOK {
            let Some(o) = self.stack.pop() else { break };
            near += usize::from(o.address().wrapping_sub(last).wrapping_add(NEAR) < 2 * NEAR);
            last = o.address();
            self.scan(o, Self::push_near);
        }
        near
    }
    /// Scans up to `left` objects, each [`OBJECTS`] steps after its prefetch.
    fn prefetching(&mut self, mut left: usize) {
        let mut objects = Queue::<OBJECTS>::EMPTY;
        let mut marks = Queue::<MARKS>::EMPTY;
        loop {
            let next = if left > 0 { self.next(&mut marks) } else { None };
            let due = if let Some(o) = next {
                left -= 1;
                prefetch(o.address());
                objects.exchange(o)
            } else {
                let Some(o) = objects.take() else { break };
                Some(o)
            };
            let Some(o) = due else { continue };
            self.scan(o, |tracer, target| {
                tracer.marks.prefetch(target);
                if let Some(o) = marks.exchange(target) {
                    tracer.push(o);
                }
            });
        }
        while let Some(o) = marks.take() {
            self.push(o);
        }
    }
    /// A marked object: from the stack, else one whose mark is under way.
    #[inline(always)]
    fn next(&mut self, marks: &mut Queue<MARKS>) -> Option<Obj> {
        self.stack.pop().or_else(|| {
            loop {
                let o = marks.take()?;
                if self.marks.mark(o) {
                    break Some(o);
                }
            }
        })
    }
}

/// Marks what is reachable.
#[derive(Debug)]
pub struct Marker<'a> {
    tracer: Tracer<Alone<'a>>,
    crew: Option<&'a mut Crew>,
}

impl<'a> Marker<'a> {
    /// A marker over clear marks, and its helpers.
    pub fn new(marks: &'a mut MarkBits, crew: Option<&'a mut Crew>) -> Marker<'a> {
        Marker { tracer: Tracer::new(Alone(marks), STRETCH_MAX), crew }
    }
    /// How many objects were marked and scanned.
    pub fn objects(&self) -> u64 {
        self.tracer.objects
    }
    /// Bytes of these objects.
    pub fn bytes(&self) -> usize {
        self.tracer.bytes
    }
    /// Marks what the words refer to.
    pub fn push_all(&mut self, words: &[Value]) {
        words.iter().filter_map(|v| v.as_object()).for_each(|o| self.tracer.push(o));
    }
    /// Scans until nothing is left (T2).
    pub fn drain(&mut self) {
        let tracer = &mut self.tracer;
        let alone = match self.crew {
            Some(_) => tracer.objects + ALONE as u64,
            None => u64::MAX,
        };
        while !tracer.stack.is_empty() && tracer.objects < alone {
            tracer.step();
        }
        if let Some(crew) = self.crew.as_mut().filter(|_| !tracer.stack.is_empty()) {
            drain_together(crew, tracer);
        }
    }
}

/// Scans until nothing is left, with all who come in time.
fn drain_together(crew: &mut Crew, tracer: &mut Tracer<Alone<'_>>) {
    let pool = WorkPool::new(std::mem::take(&mut tracer.stack));
    let marks = Together(&*tracer.marks.0);
    let (objects, bytes) = (AtomicU64::new(0), AtomicUsize::new(0));
    crew.run(&|| {
        let mut tracer = Tracer::new(marks, STEP_TOGETHER);
        let mut seat = pool.enter();
        while seat.take(&mut tracer.stack) {
            while !tracer.stack.is_empty() {
                tracer.step();
                if seat.is_wanted() {
                    seat.give(&mut tracer.stack);
                }
            }
        }
        objects.fetch_add(tracer.objects, Relaxed);
        bytes.fetch_add(tracer.bytes, Relaxed);
    });
    tracer.objects += objects.into_inner();
    tracer.bytes += bytes.into_inner();
}

impl Liveness for Marker<'_> {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        let marks = &self.tracer.marks.0;
        let covered = marks.covers(o.address());
        let live = if covered { marks.is_marked(o.address()) } else { objects::is_marked(o) };
        live.then_some(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.tracer.push(o);
        o
    }
}
