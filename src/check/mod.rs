//! Heaps that check other heaps, and the heap of core's own tests.
//!
//! The wrappers are heaps themselves and compose: [`Wrapped`] is what the command line's `--check`,
//! `--stress` and `--count` select. They wrap any heap behind `dyn` ([`erased::Erased`]), so that all
//! wrapped runs share one instantiation of the interpreter.

/// The methods of a mutator that no wrapper looks at.
macro_rules! forward_cold {
    ($inner:ident) => {
        fn pending(&self) -> bool {
            self.$inner.pending()
        }
        fn drain(&mut self) {
            self.$inner.drain();
        }
        fn wants_collection(&self) -> Option<Cause> {
            self.$inner.wants_collection()
        }
        fn watch(&mut self, o: Obj, why: Watch) {
            self.$inner.watch(o, why);
        }
        fn enter(&mut self) -> Region {
            self.$inner.enter()
        }
        fn leave(&mut self, region: Region, result: &mut Value) {
            self.$inner.leave(region, result);
        }
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
        $crate::check::forward_cold!($inner);
    };
}
use {forward_access, forward_cold};

pub mod checked;
pub mod counted;
pub mod erased;
pub mod stress;
pub mod test_heap;

/// All wrappers around any heap; each is inactive unless its option is set.
pub type Wrapped = counted::Counted<checked::Checked<stress::Stress<erased::Erased>>>;
