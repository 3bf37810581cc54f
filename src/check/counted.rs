//! `Counted<H>`: exact counts of what a program does to its heap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, LiveWords, Mutator, Oom,
    Region, Roots, Safepoint, SharedHeap, Usage, Watch,
};
use crate::object::{Obj, ObjectLayout};
use crate::value::Value;

macro_rules! counts {
    ($($name:ident: $doc:literal,)*) => {
        #[derive(Debug, Default)]
        struct Counts { $(#[doc = $doc] $name: AtomicU64,)* }
        impl Counts {
            fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)*]
            }
        }
    };
}
counts! {
    allocations: "objects",
    allocated_bytes: "of objects, headers included",
    local_allocations: "of them local ones (H11)",
    loads: "slots read",
    stores: "slots overwritten",
    inits: "slots of fresh objects filled",
    sets: "registers written",
    takes: "registers moved at their last use",
    clears: "registers that went out of use (counting heaps)",
    increments: "references counted (counting heaps)",
    decrements: "references overwritten or cleared (counting heaps); what dies drops its own",
}

fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Relaxed);
}

/// A heap that counts.
#[derive(Debug)]
pub struct Counted<H> {
    inner: H,
    counts: Option<Arc<Counts>>,
}

/// Its mutator. The counts are there also when nobody asked; then nobody looks at them.
#[derive(Debug)]
pub struct CountedMutator<M> {
    inner: M,
    counts: Arc<Counts>,
    /// Whether the heap counts references.
    counting: bool,
}

// SAFETY: objects are the wrapped heap's.
unsafe impl<H: Heap> Heap for Counted<H> {
    type Mutator = CountedMutator<H::Mutator>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let counts = config.checks.count.then(Arc::default);
        Ok(Counted { inner: H::new(config)?, counts })
    }
    fn mutator(&self) -> Self::Mutator {
        let counts = self.counts.clone().unwrap_or_default();
        let counting = self.inner.info().barrier == Barrier::Counting;
        CountedMutator { inner: self.inner.mutator(), counts, counting }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.inner.collect(roots, why)
    }
    fn usage(&self) -> Usage {
        self.inner.usage()
    }
    fn info(&self) -> HeapInfo {
        self.inner.info()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut counters = self.counts.as_ref().map_or_else(Vec::new, |counts| counts.named());
        counters.extend(self.inner.counters());
        counters
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        self.inner.reference_count(o)
    }
}

// SAFETY: the wrapped heap is shared, and what the wrapper adds is atomic or behind a lock.
unsafe impl<H: SharedHeap> SharedHeap for Counted<H> {}

impl<M> CountedMutator<M> {
    fn allocated(&self, layout: ObjectLayout) {
        add(&self.counts.allocations, 1);
        add(&self.counts.allocated_bytes, layout.size());
    }
    /// A word is written over another one.
    fn replaced(&self, old: Value, new: Value) {
        if self.counting {
            add(&self.counts.increments, usize::from(new.is_object()));
            add(&self.counts.decrements, usize::from(old.is_object()));
        }
    }
}

// SAFETY: as the heap.
unsafe impl<M: Mutator> Mutator for CountedMutator<M> {
    const COUNTS: bool = M::COUNTS;
    const PARALLEL: bool = M::PARALLEL;
    const INLINE: bool = false;
    const REGIONS: bool = M::REGIONS;
    const FRAMES: bool = M::FRAMES;

    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.inner.try_alloc(layout)?;
        self.allocated(layout);
        Some(o)
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        let o = self.inner.alloc_slow(layout, at)?;
        self.allocated(layout);
        Ok(o)
    }
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.inner.try_alloc_local(layout)?;
        self.allocated(layout);
        add(&self.counts.local_allocations, 1);
        Some(o)
    }
    fn alloc_local_slow(
        &mut self,
        layout: ObjectLayout,
        at: &mut Safepoint<'_>,
    ) -> Result<Obj, Oom> {
        let o = self.inner.alloc_local_slow(layout, at)?;
        self.allocated(layout);
        add(&self.counts.local_allocations, 1);
        Ok(o)
    }
    fn set(&mut self, register: &mut Value, v: Value) {
        add(&self.counts.sets, 1);
        self.replaced(*register, v);
        self.inner.set(register, v);
    }
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        add(&self.counts.takes, 1);
        self.replaced(*register, Value::NIL);
        self.inner.take(register, dead);
    }
    fn clear(&mut self, registers: &mut [Value]) {
        add(&self.counts.clears, registers.len());
        registers.iter().for_each(|&old| self.replaced(old, Value::NIL));
        self.inner.clear(registers);
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        add(&self.counts.loads, 1);
        self.inner.load(o, i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        add(&self.counts.loads, 1);
        self.inner.load_weak(o, i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        add(&self.counts.inits, 1);
        self.replaced(Value::NIL, v);
        self.inner.init(o, i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        add(&self.counts.stores, 1);
        if self.counting {
            // The wrapper inside says it when there is no such slot.
            let old = if i < o.traced_slots() { o.slot(i) } else { Value::NIL };
            self.replaced(old, v);
        }
        self.inner.store(o, i, v);
    }
    fn store_word(&mut self, word: &AtomicU64, v: Value) {
        self.replaced(Value::from_bits(word.load(Relaxed)), v);
        self.inner.store_word(word, v);
    }
    fn load_word(&mut self, register: &mut Value, word: &AtomicU64) {
        let old = *register;
        self.inner.load_word(register, word);
        self.replaced(old, *register);
    }
    super::forward_cold!(inner);
}
