//! The marker: one explicit stack, no recursion, each object pushed once.
//!
//! An object is marked when it is pushed. Pushing prefetches it, so that by the time it is popped
//! its header is likely there: on graphs whose order is not that of memory this hides part of the
//! misses, on the others it costs next to nothing.

use menagerie::heap::Liveness;
use menagerie::object::Obj;
use menagerie::value::Value;

use super::{blocks, objects};

/// Marks what is reachable.
#[derive(Debug, Default)]
pub struct Marker {
    stack: Vec<Obj>,
    objects: u64,
    bytes: usize,
}

#[inline(always)]
fn prefetch(o: Obj) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect on memory, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(o.address() as *const i8);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = o;
}

impl Marker {
    /// How many objects were marked.
    pub fn objects(&self) -> u64 {
        self.objects
    }
    /// Bytes that the marked objects take, rounded up to their cells.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// Marks an object and queues it for scanning.
    #[inline(always)]
    pub fn push(&mut self, o: Obj) {
        // Single objects carry their mark in the header; looking there first also tells them apart.
        if objects::is_single(o) {
            if objects::mark(o) {
                self.bytes += o.size();
                self.queue(o);
            }
        } else if blocks::mark(o) {
            self.bytes += blocks::cell_bytes(o);
            self.queue(o);
        }
    }
    #[inline(always)]
    fn queue(&mut self, o: Obj) {
        self.objects += 1;
        prefetch(o);
        self.stack.push(o);
    }
    /// Marks what the words refer to.
    pub fn push_all(&mut self, words: &[Value]) {
        words.iter().filter_map(|v| v.as_object()).for_each(|o| self.push(o));
    }
    /// Scans until nothing is left.
    pub fn drain(&mut self) {
        while let Some(o) = self.stack.pop() {
            for i in 0..o.traced_slots() {
                if let Some(target) = o.slot(i).as_object() {
                    self.push(target);
                }
            }
        }
    }
}

fn is_marked(o: Obj) -> bool {
    if objects::is_single(o) { objects::is_marked(o) } else { blocks::is_marked(o) }
}

impl Liveness for Marker {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        is_marked(o).then_some(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.push(o);
        o
    }
}
