//! A heap whose mutator has one mistake, planted on purpose: what checkers must notice.

use menagerie::heap::{
    Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, LiveWords, Mutator, Oom, Region,
    Roots, Safepoint, Usage, Watch,
};
use menagerie::object::{Obj, ObjectLayout};
use menagerie::value::Value;

/// What is wrong with the mutator.
pub(crate) mod bug {
    pub(crate) const NONE: u8 = 0;
    /// `store` writes the slot and tells nobody: no remembering, no counting.
    pub(crate) const NO_BARRIER: u8 = 1;
    /// `set` drops what the register held twice.
    pub(crate) const DROPPED_TWICE: u8 = 2;
    /// `set` does not drop what the register held.
    pub(crate) const NEVER_DROPPED: u8 = 3;
    /// A region's value is not promoted.
    pub(crate) const DANGLING_RESULT: u8 = 4;
    /// Live registers are not looked at when a region ends.
    pub(crate) const DANGLING_REGISTER: u8 = 5;
    /// What goes to a root of the world is not announced.
    pub(crate) const NOT_ANNOUNCED: u8 = 6;
    /// A frame with local objects is not marked, so its end ends the caller's.
    pub(crate) const LOST_FRAME: u8 = 7;
}

pub(crate) struct Broken<H, const BUG: u8>(H);
/// Its mutator, and how many frames have begun.
pub(crate) struct BrokenMutator<M, const BUG: u8>(M, usize);

// SAFETY: it is not; that is the point.
unsafe impl<H: Heap, const BUG: u8> Heap for Broken<H, BUG> {
    type Mutator = BrokenMutator<H::Mutator, BUG>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        H::new(config).map(Broken)
    }
    fn mutator(&self) -> Self::Mutator {
        BrokenMutator(self.0.mutator(), 0)
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.0.collect(roots, why)
    }
    fn usage(&self) -> Usage {
        self.0.usage()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.0.counters()
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        self.0.reference_count(o)
    }
}

// SAFETY: as the heap.
unsafe impl<M: Mutator, const BUG: u8> Mutator for BrokenMutator<M, BUG> {
    const COUNTS: bool = M::COUNTS;
    const REGIONS: bool = M::REGIONS;
    const FRAMES: bool = M::FRAMES;

    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.0.try_alloc(layout)
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.0.alloc_slow(layout, at)
    }
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.0.try_alloc_local(layout)
    }
    fn alloc_local_slow(
        &mut self,
        layout: ObjectLayout,
        at: &mut Safepoint<'_>,
    ) -> Result<Obj, Oom> {
        self.0.alloc_local_slow(layout, at)
    }
    fn try_push_frame(&mut self) -> bool {
        // The first one begins, so that there is one to end.
        (BUG == bug::LOST_FRAME && self.1 > 0) || self.0.try_push_frame()
    }
    fn push_frame(&mut self) {
        self.1 += 1;
        self.0.push_frame();
    }
    fn try_pop_frame(&mut self) -> bool {
        self.0.try_pop_frame()
    }
    fn pop_frame(&mut self) {
        self.0.pop_frame();
    }
    fn set(&mut self, register: &mut Value, v: Value) {
        let mut old = *register;
        if BUG == bug::NEVER_DROPPED {
            *register = Value::NIL;
        }
        self.0.set(register, v);
        if BUG == bug::DROPPED_TWICE {
            self.0.clear(std::slice::from_mut(&mut old));
        }
    }
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        self.0.take(register, dead);
    }
    fn clear(&mut self, registers: &mut [Value]) {
        self.0.clear(registers);
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.0.load(o, i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.0.load_weak(o, i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.0.init(o, i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        if BUG == bug::NO_BARRIER {
            o.set_slot(i, v);
        } else {
            self.0.store(o, i, v);
        }
    }
    fn pending(&self) -> bool {
        self.0.pending()
    }
    fn drain(&mut self) {
        self.0.drain();
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.0.wants_collection()
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        self.0.watch(o, why);
    }
    fn enter(&mut self) -> Region {
        self.0.enter()
    }
    fn leave(
        &mut self,
        region: Region,
        result: &mut Value,
        live: &mut LiveWords<'_>,
        at: &mut Safepoint<'_>,
    ) {
        match BUG {
            bug::DANGLING_RESULT => self.0.leave(region, &mut Value::small(0), live, at),
            bug::DANGLING_REGISTER => self.0.leave(region, result, &mut |_| {}, at),
            _ => self.0.leave(region, result, live, at),
        }
    }
    fn promoted(&self, f: &mut dyn FnMut(Obj)) {
        self.0.promoted(f);
    }
    fn escape(&mut self, v: Value) {
        if BUG != bug::NOT_ANNOUNCED {
            self.0.escape(v);
        }
    }
    fn suspend(&mut self) -> Region {
        self.0.suspend()
    }
    fn resume(&mut self, innermost: Region) {
        self.0.resume(innermost);
    }
    fn abandon(&mut self, innermost: Region) {
        self.0.abandon(innermost);
    }
    fn flush(&mut self) {
        self.0.flush();
    }
}
