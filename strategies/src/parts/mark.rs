//! The marker: one explicit stack, no recursion, each object pushed once.
//!
//! How to walk depends on how the graph lies in memory. Where references lead to neighbours, the
//! processor's own prefetcher is the best one, and a plain stack follows the order of memory. Where
//! they lead anywhere, every object is a cache miss of 100 ns, and only having many of them under
//! way helps: a short queue between the stack and the scan (Cher, Hosking, Vitek: Software
//! Prefetching for Mark-Sweep Garbage Collection, 2004). The marker looks which it is:
//!
//! ```text
//!            ┌──────────── near ───────────┐
//!            ▼                             │
//!   Plain: a few objects, how many lay next to the one before?
//!            ▲                             │
//!            │ after `stretch` objects     ▼ far
//!            └──── Prefetching: stack ─► [ 32 under way ] ─► scan      stretch × 2
//! ```
//!
//! Measured, ns per object, 10 M objects of 32 bytes (plain / prefetching / adaptive): in order of
//! memory 4.3 / 6.9 / 4.4, in random order 97 / 24 / 24.
//!
//! With more than one thread (`gc-threads`) each has a stack of its own and walks in the same way. Parts
//! of stacks change hands when somebody has nothing ([`WorkPool`]); the helpers sleep between collections
//! ([`Crew`]), and are not woken for less than [`ALONE`] objects. One thread pays for none of it.
//!
//! Invariants
//! - T1. An object on a stack, in a queue or in a batch is marked and not yet scanned.
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

/// How many objects are under way.
const QUEUE: usize = 32;
/// How many objects a look takes.
const LOOK: usize = 256;
/// The first and the longest stretch before looking again.
const STRETCH: usize = 16 * LOOK;
const STRETCH_MAX: usize = 256 * STRETCH;
/// Objects closer than this to the one before count as near, bytes.
const NEAR: usize = 512;
/// The longest stretch while others may wait for work: about 100 µs.
const STRETCH_TOGETHER: usize = STRETCH;
/// So many objects one thread marks before it wakes others: about what waking costs.
const ALONE: usize = 4096;

/// How an object gets its mark: in the bitmap where that covers it, else in its header.
trait Marks {
    /// Marks it; whether it was not marked before.
    fn mark(&mut self, o: Obj) -> bool;
}

/// One thread marks.
#[derive(Debug)]
struct Alone<'a>(&'a mut MarkBits);

impl Marks for Alone<'_> {
    #[inline(always)]
    fn mark(&mut self, o: Obj) -> bool {
        if self.0.covers(o.address()) { self.0.mark(o) } else { objects::mark(o) }
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
}

/// A thread's part of the marking.
#[derive(Debug)]
struct Tracer<M> {
    marks: M,
    stack: Vec<Obj>,
    stretch: usize,
    stretch_max: usize,
    objects: u64,
    bytes: usize,
}

impl<M: Marks> Tracer<M> {
    fn new(marks: M, stretch_max: usize) -> Tracer<M> {
        Tracer { marks, stack: Vec::new(), stretch: STRETCH, stretch_max, objects: 0, bytes: 0 }
    }
    /// Marks an object and queues it for scanning.
    #[inline(always)]
    fn push(&mut self, o: Obj) {
        if self.marks.mark(o) {
            self.stack.push(o);
        }
    }
    /// Marks what an object refers to: the last slot first, so that a plain stack goes on with the
    /// first, whose object was most likely allocated next.
    #[inline(always)]
    fn scan(&mut self, o: Obj) {
        self.objects += 1;
        self.bytes += o.size();
        for i in (0..o.traced_slots()).rev() {
            if let Some(target) = o.slot(i).as_object() {
                self.push(target);
            }
        }
    }
    /// Scans some objects of the stack, in the way that suits them.
    fn step(&mut self) {
        let near = self.plain();
        if near >= LOOK / 2 {
            self.stretch = STRETCH;
        } else {
            self.prefetching();
            self.stretch = (self.stretch * 2).min(self.stretch_max);
        }
    }
    /// Scans up to [`LOOK`] objects straight from the stack; how many lay near the one before.
    fn plain(&mut self) -> usize {
        let (mut near, mut last) = (0, 0);
        for _ in 0..LOOK {
            let Some(o) = self.stack.pop() else { break };
            near += usize::from(o.address().wrapping_sub(last).wrapping_add(NEAR) < 2 * NEAR);
            last = o.address();
            self.scan(o);
        }
        near
    }
    /// Scans about `stretch` objects, each [`QUEUE`] steps after its prefetch.
    fn prefetching(&mut self) {
        let mut queue: [Option<Obj>; QUEUE] = [None; QUEUE];
        let mut queued = 0;
        for step in 0.. {
            let next = if step < self.stretch { self.stack.pop() } else { None };
            if let Some(o) = next {
                prefetch(o.address());
                queued += 1;
            } else if queued == 0 {
                break;
            }
            if let Some(o) = std::mem::replace(&mut queue[step % QUEUE], next) {
                queued -= 1;
                self.scan(o);
            }
        }
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
        let mut tracer = Tracer::new(marks, STRETCH_TOGETHER);
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
