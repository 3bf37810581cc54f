//! The heap of docs/guide/your-own-heap.md, in the suite like any registered one: the page shows all
//! of it, and a test compares the two.

use std::cell::RefCell;
use std::rc::Rc;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Liveness, Mutator, Oom,
    Roots, Safepoint, Usage,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;
use menagerie_strategies::parts::memory::{Budget, Source};
use menagerie_strategies::parts::objects::{ObjectTable, is_marked, mark};
use menagerie_strategies::parts::phases::Phases;

#[derive(Debug)]
struct State {
    budget: Budget,
    objects: ObjectTable,
    poison: bool,
    live_bytes: usize,
    fresh_bytes: usize,
    allocated_before: u64,
    collections: u64,
}

/// Marks what is reachable.
#[derive(Default)]
struct Marker {
    stack: Vec<Obj>,
    objects: u64,
    bytes: usize,
}

impl Marker {
    fn push(&mut self, o: Obj) {
        if mark(o) {
            self.stack.push(o);
        }
    }
    fn drain(&mut self) {
        while let Some(o) = self.stack.pop() {
            self.objects += 1;
            self.bytes += o.size();
            (0..o.traced_slots()).filter_map(|i| o.slot(i).as_object()).for_each(|o| self.push(o));
        }
    }
}

/// What the world asks at the end of marking: weak references and finalizers.
impl Liveness for Marker {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        is_marked(o).then_some(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.push(o);
        o
    }
}

impl State {
    fn collect(&mut self, roots: &mut dyn Roots) -> Collection {
        let before_bytes = self.live_bytes + self.fresh_bytes;
        let mut phases = Phases::start();
        let mut marker = Marker::default();
        roots.slices(&mut |slice, _| {
            slice.iter().filter_map(|v| v.as_object()).for_each(|o| marker.push(o));
        });
        marker.drain();
        phases.end("mark");
        while roots.weak(&mut marker) {
            marker.drain();
        }
        phases.end("weak");
        self.objects.sweep(&self.budget, self.poison);
        phases.end("sweep");
        self.allocated_before += self.fresh_bytes as u64;
        (self.live_bytes, self.fresh_bytes) = (marker.bytes, 0);
        self.collections += 1;
        Collection {
            before_bytes,
            after_bytes: marker.bytes,
            traced_objects: marker.objects,
            copied_bytes: 0,
            phases: phases.finish(),
            minor: false,
        }
    }
    fn alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.objects.alloc(layout, &self.budget)?;
        self.fresh_bytes += layout.size();
        Some(o)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.objects.clear(&self.budget);
    }
}

/// The shared part.
#[derive(Debug)]
pub(crate) struct Own(Rc<RefCell<State>>);
/// A worker's part.
#[derive(Debug)]
pub(crate) struct OwnMutator(Rc<RefCell<State>>);

// SAFETY: the table's objects are disjoint; a sweep frees what no root reaches.
unsafe impl Heap for Own {
    type Mutator = OwnMutator;
    const INFO: HeapInfo = HeapInfo {
        name: "own",
        summary: "one malloc per object, marked and swept",
        moves: false,
        collects: true,
        prefix_words: 0,
        barrier: Barrier::None,
        parameters: &[],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        Ok(Own(Rc::new(RefCell::new(State {
            budget: Budget::new(config.limit_bytes),
            objects: ObjectTable::new(Source::System),
            poison: config.poison,
            live_bytes: 0,
            fresh_bytes: 0,
            allocated_before: 0,
            collections: 0,
        }))))
    }
    fn mutator(&self) -> OwnMutator {
        OwnMutator(self.0.clone())
    }
    fn collect(&self, roots: &mut dyn Roots, _: Cause) -> Collection {
        self.0.borrow_mut().collect(roots)
    }
    fn usage(&self) -> Usage {
        let state = self.0.borrow();
        Usage {
            limit_bytes: state.budget.limit(),
            reserved_bytes: state.budget.taken(),
            used_bytes: state.live_bytes + state.fresh_bytes,
            live_bytes: state.live_bytes,
            allocated_bytes: state.allocated_before + state.fresh_bytes as u64,
            collections: state.collections,
        }
    }
}

// SAFETY: as the heap.
unsafe impl Mutator for OwnMutator {
    #[inline(always)]
    fn try_alloc(&mut self, _: ObjectLayout) -> Option<Obj> {
        None
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        for why in [Cause::AllocationFailure, Cause::LastResort] {
            // The borrow ends with the statement: the collection borrows, too.
            let o = self.0.borrow_mut().alloc(layout);
            if let Some(o) = o {
                return Ok(o);
            }
            at.collect(why);
        }
        self.0.borrow_mut().alloc(layout).ok_or(Oom)
    }
    #[inline(always)]
    fn load(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    #[inline(always)]
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    #[inline(always)]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    #[inline(always)]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
}

#[cfg(test)]
mod page {
    /// The blocks of the page, one after the other.
    fn shown() -> String {
        let mut inside = false;
        let mut code = String::new();
        for line in include_str!("../../docs/guide/your-own-heap.md").lines() {
            match line {
                "```rust" => inside = true,
                "```" => inside = false,
                _ if inside => code.extend([line, "\n"]),
                _ => {}
            }
        }
        code
    }
    fn words(code: &str) -> Vec<&str> {
        code.split_whitespace().collect()
    }

    #[test]
    fn the_page_shows_the_whole_heap() {
        let file = include_str!("own_heap.rs");
        let start = file.find("use std::cell").expect("the heap");
        let end = file.find("#[cfg(test)]").expect("the tests");
        assert_eq!(
            words(&shown()),
            words(&file[start..end]),
            "docs/guide/your-own-heap.md is stale"
        );
    }
}
