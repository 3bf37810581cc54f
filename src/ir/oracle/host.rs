//! The oracle's VM behind the builtins: a heap that never collects, and the shared state.
//!
//! Objects are blocks of their own that live until the run ends. Nothing moves and nothing is freed,
//! so every reference is good at any time; that is what makes the oracle a reference. The contracts
//! of `object` and `host` are `unsafe`, hence the three blocks here; the interpreter beside this
//! file has none.

use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use crate::heap::{Cause, Usage};
use crate::host::{Host, Native, NativeFn, NativeResult};
use crate::object::{Obj, ObjectLayout};
use crate::value::Value;
use crate::world::World;

/// A never-collecting heap with the world.
pub(super) struct LeakingHost {
    pub(super) world: World,
    /// Shared boxes, because objects are accessed through pointers into them.
    blocks: Vec<Rc<[AtomicU64]>>,
    usage: Usage,
}

impl LeakingHost {
    pub(super) fn new(world: World, limit_bytes: usize) -> LeakingHost {
        let usage = Usage { limit_bytes, ..Usage::default() };
        LeakingHost { world, blocks: Vec::new(), usage }
    }

    /// Calls a builtin.
    pub(super) fn native(&mut self, f: NativeFn, args: &mut [Value]) -> NativeResult {
        // SAFETY: the arguments stay where they are while `f` runs; nothing needs roots in a heap
        // that never collects.
        unsafe { Native::run(self, args.as_mut_ptr(), args.len(), f) }
    }
}

impl Host for LeakingHost {
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Value> {
        let size = layout.size();
        if size > self.usage.limit_bytes - self.usage.used_bytes {
            return Err(self.world.out_of_memory);
        }
        self.usage.used_bytes += size;
        self.usage.allocated_bytes += size as u64;
        let block: Rc<[AtomicU64]> = (0..size / 8).map(|_| AtomicU64::new(0)).collect();
        let address = block.as_ptr() as usize;
        self.blocks.push(block);
        // SAFETY: `size` bytes, 8-aligned, kept until the host is dropped with all its values.
        Ok(unsafe { Obj::create(address, layout) })
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        o.set_slot(i, v);
    }
    fn set_root(&mut self, place: *mut Value, v: Value) {
        // SAFETY: `Native` passes places of arguments and temporaries.
        unsafe { *place = v };
    }
    fn clear_temporaries(&mut self, from: usize) {
        self.world.temporaries.truncate(from);
    }
    fn world(&mut self) -> &mut World {
        &mut self.world
    }
    fn collect(&mut self, _why: Cause) {
        self.usage.collections += 1;
    }
    fn usage(&mut self) -> Usage {
        let Usage { used_bytes, .. } = self.usage;
        Usage { live_bytes: used_bytes, reserved_bytes: used_bytes, ..self.usage }
    }
}
