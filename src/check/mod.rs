//! Heaps that check other heaps, and the heap of core's own tests.
//!
//! The wrappers are heaps themselves and compose: [`Wrapped`] is what the command line's `--check`,
//! `--stress` and `--count` select. They wrap any heap behind `dyn` ([`erased::Erased`]), so that all
//! wrapped runs share one instantiation of the interpreter.

/// What tells a mutator of tasks, handed on.
macro_rules! forward_tasks {
    ($inner:ident) => {
        fn promoted(&self, f: &mut dyn FnMut(Obj)) {
            self.$inner.promoted(f);
        }
        fn escape(&mut self, v: Value) {
            self.$inner.escape(v);
        }
        fn suspend(&mut self) -> Region {
            self.$inner.suspend()
        }
        fn resume(&mut self, innermost: Region) {
            self.$inner.resume(innermost);
        }
        fn abandon(&mut self, innermost: Region) {
            self.$inner.abandon(innermost);
        }
    };
}
/// The fast ends and beginnings of regions, handed on.
macro_rules! forward_fast_regions {
    ($inner:ident) => {
        fn try_enter(&mut self) -> Option<Region> {
            self.$inner.try_enter()
        }
        fn try_leave(&mut self, region: Region, live: $crate::heap::LiveRegisters<'_>) -> bool {
            self.$inner.try_leave(region, live)
        }
    };
}
/// What tells a mutator of frames with local objects, handed on.
macro_rules! forward_frames {
    ($inner:ident) => {
        fn try_push_frame(&mut self) -> bool {
            self.$inner.try_push_frame()
        }
        fn push_frame(&mut self) {
            self.$inner.push_frame();
        }
        fn try_pop_frame(&mut self) -> bool {
            self.$inner.try_pop_frame()
        }
        fn pop_frame(&mut self) {
            self.$inner.pop_frame();
        }
    };
}
/// What a counting heap is asked, handed on.
macro_rules! forward_counting {
    ($inner:ident) => {
        fn pending(&self) -> bool {
            self.$inner.pending()
        }
        fn unsettled(&self) -> bool {
            self.$inner.unsettled()
        }
        fn relieve(&mut self) {
            self.$inner.relieve();
        }
        fn online(&mut self) {
            self.$inner.online();
        }
        fn wants_collection(&self) -> Option<Cause> {
            self.$inner.wants_collection()
        }
    };
}
/// The methods of a mutator that no wrapper looks at.
macro_rules! forward_cold {
    ($inner:ident) => {
        $crate::check::forward_counting!($inner);
        fn offline(&mut self) {
            self.$inner.offline();
        }
        fn drain(&mut self) {
            self.$inner.drain();
        }
        fn watch(&mut self, o: Obj, why: Watch) {
            self.$inner.watch(o, why);
        }
        fn enter(&mut self) -> Region {
            self.$inner.enter()
        }
        fn leave(
            &mut self,
            region: Region,
            result: &mut Value,
            live: &mut LiveWords<'_>,
            at: &mut Safepoint<'_>,
        ) {
            self.$inner.leave(region, result, live, at);
        }
        fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
            self.$inner.pin(o, at)
        }
        fn unpin(&mut self, o: Obj) {
            self.$inner.unpin(o);
        }
        $crate::check::forward_tasks!($inner);
        $crate::check::forward_fast_regions!($inner);
        $crate::check::forward_frames!($inner);
        fn flush(&mut self) {
            self.$inner.flush();
        }
    };
}
/// All methods but allocation, handed on.
macro_rules! forward_access {
    ($inner:ident) => {
        fn set(&mut self, register: &mut Value, v: Value) {
            self.$inner.set(register, v);
        }
        fn take(&mut self, register: &mut Value, dead: &mut Value) {
            self.$inner.take(register, dead);
        }
        fn clear(&mut self, registers: &mut [Value]) {
            self.$inner.clear(registers);
        }
        fn load(&mut self, o: Obj, i: usize) -> Value {
            self.$inner.load(o, i)
        }
        fn load_weak(&mut self, o: Obj, i: usize) -> Value {
            self.$inner.load_weak(o, i)
        }
        fn init(&mut self, o: Obj, i: usize, v: Value) {
            self.$inner.init(o, i, v);
        }
        fn store(&mut self, o: Obj, i: usize, v: Value) {
            self.$inner.store(o, i, v);
        }
        fn store_word(&mut self, word: &std::sync::atomic::AtomicU64, v: Value) {
            self.$inner.store_word(word, v);
        }
        fn load_word(&mut self, register: &mut Value, word: &std::sync::atomic::AtomicU64) {
            self.$inner.load_word(register, word);
        }
        $crate::check::forward_cold!($inner);
    };
}
use {
    forward_access, forward_cold, forward_counting, forward_fast_regions, forward_frames,
    forward_tasks,
};

use crate::sync::OneThread;

pub mod checked;
pub mod counted;
pub mod erased;
mod locals;
mod shadow;
pub mod stress;
pub mod test_heap;
mod walks;

/// All wrappers around any heap (with `ManyThreads`, any shared one); each is inactive unless its option is set.
pub type Wrapped<L = OneThread> =
    counted::Counted<checked::Checked<stress::Stress<erased::Erased<L>>>>;

/// How many cases a property test runs: `MENAGERIE_CASES` if it is set, else its own number.
///
/// # Panics
/// When `MENAGERIE_CASES` is no number.
pub fn property_cases(default: u32) -> u32 {
    std::env::var("MENAGERIE_CASES").map_or(default, |text| {
        text.parse().unwrap_or_else(|e| panic!("MENAGERIE_CASES={text}: {e}"))
    })
}
