//! The facade that builtins see ([`Host`]), implemented by the interpreter's context.

use super::Ctx;
use crate::heap::{Cause, Heap, Mutator, Safepoint, Usage, Watch};
use crate::host::Host;
use crate::object::{Obj, ObjectLayout};
use crate::task::TaskId;
use crate::value::Value;
use crate::world::World;

impl<H: Heap> Host for Ctx<H> {
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Value> {
        let o = Ctx::alloc(self, layout)?;
        if layout.kind.is_raw() {
            (0..layout.body_bytes() / 8).for_each(|i| o.set_raw_word(i, 0));
        } else {
            (0..layout.len as usize).for_each(|i| self.mutator.init(o, i, Value::NIL));
        }
        Ok(o)
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.mutator.load(o, i)
    }
    fn loads_plainly(&self) -> bool {
        H::Mutator::PLAIN_LOADS
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        let v = self.mutator.load_weak(o, i);
        self.mutator.relieve();
        v
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.mutator.init(o, i, v);
        self.mutator.relieve();
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.mutator.store(o, i, v);
        self.mutator.relieve();
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        self.mutator.watch(o, why);
    }
    fn escape(&mut self, v: Value) {
        self.mutator.escape(v);
    }
    fn pin(&mut self, o: Obj) -> Result<(), Value> {
        let mut stop = self.stop();
        let done = self.mutator.pin(o, &mut Safepoint::new(&mut stop));
        self.end_slice_for_finalizers();
        done.map_err(|_| self.world().out_of_memory)
    }
    fn unpin(&mut self, o: Obj) {
        self.mutator.unpin(o);
    }
    fn set_root(&mut self, place: *mut Value, v: Value) {
        // SAFETY: `Native` and the loader pass places of registers, temporaries and constants.
        self.mutator.set(unsafe { &mut *place }, v);
    }
    fn clear_temporaries(&mut self, from: usize) {
        let world = self.world;
        // SAFETY: valid for the slice (see `Ctx::world`); disjoint from the mutator.
        let temporaries = unsafe { &mut (*world).temporaries };
        self.mutator.clear(&mut temporaries[from..]);
        temporaries.truncate(from);
    }
    fn world(&mut self) -> &mut World {
        Ctx::world(self)
    }
    fn collect(&mut self, why: Cause) {
        self.mutator.flush();
        let (task, driver) = (self.task, self.driver);
        // SAFETY: valid for the slice; disjoint from the mutator.
        unsafe { (*driver).collect(&mut *task, why) };
        self.end_slice_for_finalizers();
    }
    fn usage(&mut self) -> Usage {
        self.mutator.flush();
        // SAFETY: valid for the slice.
        unsafe { (*self.driver).usage() }
    }
    fn task(&mut self) -> Option<Obj> {
        Ctx::task(self).handle.as_object()
    }
    fn wake(&mut self, task: TaskId) {
        // SAFETY: valid for the slice.
        unsafe { (*self.driver).wake(task) };
    }
    fn give(&mut self, task: TaskId, result: Value) -> bool {
        // SAFETY: valid for the slice.
        let Some(mut place) = (unsafe { (*self.driver).result_place(task, None) }) else {
            return false;
        };
        self.mutator.escape(result);
        // SAFETY: by the driver's contract.
        self.mutator.set(unsafe { place.as_mut() }, result);
        Host::wake(self, task);
        true
    }
}
