//! `Erased`: any heap behind `dyn`.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;

use crate::heap::{
    Barrier, Cause, Collection, Factory, Heap, HeapConfig, HeapError, HeapInfo, LiveRegisters,
    LiveWords, Mutator, Oom, Region, Roots, Safepoint, SharedHeap, Usage, Watch,
};
use crate::object::{Obj, ObjectLayout};
use crate::sync::{ManyThreads, OneThread, Sharing};
use crate::value::Value;

/// A heap, object-safe.
pub trait AnyHeap {
    /// As [`Heap::mutator`].
    fn mutator(&self) -> Box<dyn AnyMutator>;
    /// As [`Heap::collect`].
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection;
    /// As [`Heap::usage`].
    fn usage(&self) -> Usage;
    /// As [`Heap::info`].
    fn info(&self) -> HeapInfo;
    /// As [`Heap::counters`].
    fn counters(&self) -> Vec<(&'static str, u64)>;
    /// As [`Heap::reference_count`].
    fn reference_count(&self, o: Obj) -> Option<u64>;
}

/// A mutator, object-safe. Each method is as in [`Mutator`].
#[allow(missing_docs, reason = "see Mutator")]
pub trait AnyMutator {
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj>;
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom>;
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj>;
    fn alloc_local_slow(
        &mut self,
        layout: ObjectLayout,
        at: &mut Safepoint<'_>,
    ) -> Result<Obj, Oom>;
    fn try_push_frame(&mut self) -> bool;
    fn push_frame(&mut self);
    fn try_pop_frame(&mut self) -> bool;
    fn pop_frame(&mut self);
    fn set(&mut self, register: &mut Value, v: Value);
    fn take(&mut self, register: &mut Value, dead: &mut Value);
    fn clear(&mut self, registers: &mut [Value]);
    fn load(&mut self, o: Obj, i: usize) -> Value;
    fn load_weak(&mut self, o: Obj, i: usize) -> Value;
    fn init(&mut self, o: Obj, i: usize, v: Value);
    fn store(&mut self, o: Obj, i: usize, v: Value);
    fn store_word(&mut self, word: &AtomicU64, v: Value);
    fn load_word(&mut self, register: &mut Value, word: &AtomicU64);
    fn pending(&self) -> bool;
    fn unsettled(&self) -> bool;
    fn relieve(&mut self);
    fn online(&mut self);
    fn offline(&mut self);
    fn drain(&mut self);
    fn wants_collection(&self) -> Option<Cause>;
    fn watch(&mut self, o: Obj, why: Watch);
    fn try_enter(&mut self) -> Option<Region>;
    fn try_leave(&mut self, region: Region, live: LiveRegisters<'_>) -> bool;
    fn enter(&mut self) -> Region;
    fn leave(
        &mut self,
        region: Region,
        result: &mut Value,
        live: &mut LiveWords<'_>,
        at: &mut Safepoint<'_>,
    );
    fn promoted(&self, f: &mut dyn FnMut(Obj));
    fn escape(&mut self, v: Value);
    fn suspend(&mut self) -> Region;
    fn resume(&mut self, innermost: Region);
    fn abandon(&mut self, innermost: Region);
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom>;
    fn unpin(&mut self, o: Obj);
    fn flush(&mut self);
}

struct Whole<H>(H);
struct Part<M>(M);

impl<H: Heap> AnyHeap for Whole<H> {
    fn mutator(&self) -> Box<dyn AnyMutator> {
        Box::new(Part(self.0.mutator()))
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.0.collect(roots, why)
    }
    fn usage(&self) -> Usage {
        self.0.usage()
    }
    fn info(&self) -> HeapInfo {
        self.0.info()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.0.counters()
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        self.0.reference_count(o)
    }
}

/// Hands every method of a mutator on to the one it wraps: `$inner` is the path to that.
macro_rules! forward {
    ($($name:ident(&mut self $(, $arg:ident: $t:ty)*) $(-> $r:ty)?;)*) => { $(
        #[inline(always)]
        fn $name(&mut self $(, $arg: $t)*) $(-> $r)? {
            self.0.$name($($arg),*)
        }
    )* };
}

impl<M: Mutator> AnyMutator for Part<M> {
    forward! {
        try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj>;
        alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom>;
        try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj>;
        alloc_local_slow(
            &mut self, layout: ObjectLayout, at: &mut Safepoint<'_>
        ) -> Result<Obj, Oom>;
        try_push_frame(&mut self) -> bool;
        push_frame(&mut self);
        try_pop_frame(&mut self) -> bool;
        pop_frame(&mut self);
        set(&mut self, register: &mut Value, v: Value);
        take(&mut self, register: &mut Value, dead: &mut Value);
        clear(&mut self, registers: &mut [Value]);
        load(&mut self, o: Obj, i: usize) -> Value;
        load_weak(&mut self, o: Obj, i: usize) -> Value;
        init(&mut self, o: Obj, i: usize, v: Value);
        store(&mut self, o: Obj, i: usize, v: Value);
        store_word(&mut self, word: &AtomicU64, v: Value);
        load_word(&mut self, register: &mut Value, word: &AtomicU64);
        relieve(&mut self);
        online(&mut self);
        offline(&mut self);
        drain(&mut self);
        watch(&mut self, o: Obj, why: Watch);
        try_enter(&mut self) -> Option<Region>;
        try_leave(&mut self, region: Region, live: LiveRegisters<'_>) -> bool;
        enter(&mut self) -> Region;
        leave(
            &mut self, region: Region, result: &mut Value, live: &mut LiveWords<'_>,
            at: &mut Safepoint<'_>
        );
        escape(&mut self, v: Value);
        suspend(&mut self) -> Region;
        resume(&mut self, innermost: Region);
        abandon(&mut self, innermost: Region);
        pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom>;
        unpin(&mut self, o: Obj);
        flush(&mut self);
    }
    fn pending(&self) -> bool {
        self.0.pending()
    }
    fn unsettled(&self) -> bool {
        self.0.unsettled()
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.0.wants_collection()
    }
    fn promoted(&self, f: &mut dyn FnMut(Obj)) {
        self.0.promoted(f);
    }
}

/// Any heap; with [`ManyThreads`] any shared one.
pub struct Erased<L: Sharing = OneThread>(Box<dyn AnyHeap>, PhantomData<L>);

/// Any mutator.
pub struct ErasedMutator<L: Sharing = OneThread>(Box<dyn AnyMutator>, PhantomData<L>);

// SAFETY: `new` takes only heaps that a factory of shared heaps has made.
unsafe impl Send for Erased<ManyThreads> {}
// SAFETY: as above.
unsafe impl Sync for Erased<ManyThreads> {}
// SAFETY: as above: mutators of shared heaps may move between threads.
unsafe impl Send for ErasedMutator<ManyThreads> {}
// SAFETY: as above.
unsafe impl SharedHeap for Erased<ManyThreads> {}

impl<L: Sharing> fmt::Debug for Erased<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Erased({})", self.0.info().name)
    }
}
impl<L: Sharing> fmt::Debug for ErasedMutator<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasedMutator")
    }
}

fn make<H: Heap>(config: &HeapConfig) -> Result<Box<dyn AnyHeap>, HeapError> {
    config.check(&H::INFO)?;
    Ok(Box::new(Whole(H::new(config)?)))
}

impl Factory {
    /// Makes an `H`, for one thread.
    pub fn of<H: Heap>() -> Factory {
        Factory { make: make::<H>, shared: false }
    }
    /// Makes an `H` that several threads may use.
    pub fn shared<H: SharedHeap>() -> Factory {
        Factory { make: make::<H>, shared: true }
    }
}

// SAFETY: everything is handed on to a heap that keeps the contract.
unsafe impl<L: Sharing> Heap for Erased<L> {
    type Mutator = ErasedMutator<L>;
    const INFO: HeapInfo = HeapInfo {
        name: "erased",
        summary: "any heap, behind dyn",
        moves: true,
        collects: true,
        prefix_words: 0,
        barrier: Barrier::None,
        parameters: &[],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let no_heap = || HeapError("HeapConfig::wrapped names no heap to wrap".into());
        let factory = config.wrapped.ok_or_else(no_heap)?;
        if L::PARALLEL && !factory.shared {
            return Err(HeapError("the wrapped heap is not shared between threads".into()));
        }
        Ok(Erased((factory.make)(config)?, PhantomData))
    }
    fn mutator(&self) -> ErasedMutator<L> {
        ErasedMutator(self.0.mutator(), PhantomData)
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.0.collect(roots, why)
    }
    fn usage(&self) -> Usage {
        self.0.usage()
    }
    fn info(&self) -> HeapInfo {
        self.0.info()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.0.counters()
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        self.0.reference_count(o)
    }
}

// SAFETY: as the heap.
unsafe impl<L: Sharing> Mutator for ErasedMutator<L> {
    /// The wrapped heap may count.
    const COUNTS: bool = true;
    const INLINE: bool = false;
    const PARALLEL: bool = L::PARALLEL;
    /// And have regions, and memory for local objects.
    const REGIONS: bool = true;
    const FRAMES: bool = true;

    forward! {
        try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj>;
        alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom>;
        try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj>;
        alloc_local_slow(
            &mut self, layout: ObjectLayout, at: &mut Safepoint<'_>
        ) -> Result<Obj, Oom>;
        try_push_frame(&mut self) -> bool;
        push_frame(&mut self);
        try_pop_frame(&mut self) -> bool;
        pop_frame(&mut self);
        set(&mut self, register: &mut Value, v: Value);
        take(&mut self, register: &mut Value, dead: &mut Value);
        clear(&mut self, registers: &mut [Value]);
        load(&mut self, o: Obj, i: usize) -> Value;
        load_weak(&mut self, o: Obj, i: usize) -> Value;
        init(&mut self, o: Obj, i: usize, v: Value);
        store(&mut self, o: Obj, i: usize, v: Value);
        store_word(&mut self, word: &AtomicU64, v: Value);
        load_word(&mut self, register: &mut Value, word: &AtomicU64);
        relieve(&mut self);
        online(&mut self);
        offline(&mut self);
        drain(&mut self);
        watch(&mut self, o: Obj, why: Watch);
        try_enter(&mut self) -> Option<Region>;
        try_leave(&mut self, region: Region, live: LiveRegisters<'_>) -> bool;
        enter(&mut self) -> Region;
        leave(
            &mut self, region: Region, result: &mut Value, live: &mut LiveWords<'_>,
            at: &mut Safepoint<'_>
        );
        escape(&mut self, v: Value);
        suspend(&mut self) -> Region;
        resume(&mut self, innermost: Region);
        abandon(&mut self, innermost: Region);
        pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom>;
        unpin(&mut self, o: Obj);
        flush(&mut self);
    }
    fn pending(&self) -> bool {
        self.0.pending()
    }
    fn unsettled(&self) -> bool {
        self.0.unsettled()
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.0.wants_collection()
    }
    fn promoted(&self, f: &mut dyn FnMut(Obj)) {
        self.0.promoted(f);
    }
}
