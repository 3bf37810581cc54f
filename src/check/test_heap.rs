//! A heap that never collects, for tests inside of this crate (strategies live in another one), and
//! a [`Host`] over it, so that builtins run without an interpreter.
//!
//! Every object is a block of its own, kept until the heap is dropped; the limit counts bodies and
//! headers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use crate::heap::*;
use crate::host::{Host, Native, NativeResult};
use crate::object::{Obj, ObjectLayout};
use crate::task::TaskId;
use crate::value::Value;
use crate::world::World;

#[derive(Debug, Default)]
struct Blocks {
    /// Shared boxes, because objects are accessed through pointers into them.
    objects: Vec<Rc<[AtomicU64]>>,
    usage: Usage,
}

/// The heap that never collects.
#[derive(Debug)]
pub struct TestHeap(Rc<RefCell<Blocks>>);

/// Its mutator.
#[derive(Debug)]
pub struct TestMutator(Rc<RefCell<Blocks>>);

// SAFETY: every object is a fresh block of the right size that lives as long as the heap or any of
// its mutators, and nothing is ever freed or moved (H1, H2).
unsafe impl Heap for TestHeap {
    type Mutator = TestMutator;
    const INFO: HeapInfo = HeapInfo {
        name: "test",
        summary: "never collects; one block per object",
        moves: false,
        collects: false,
        prefix_words: 0,
        barrier: Barrier::None,
        parameters: &[],
    };
    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        config.check(&Self::INFO)?;
        let usage = Usage { limit_bytes: config.limit_bytes, ..Usage::default() };
        Ok(TestHeap(Rc::new(RefCell::new(Blocks { objects: Vec::new(), usage }))))
    }
    fn mutator(&self) -> TestMutator {
        TestMutator(self.0.clone())
    }
    fn collect(&self, _roots: &mut dyn Roots, _why: Cause) -> Collection {
        self.0.borrow_mut().usage.collections += 1;
        let used = self.0.borrow().usage.used_bytes;
        Collection {
            before_bytes: used,
            after_bytes: used,
            traced_objects: 0,
            copied_bytes: 0,
            phases: Vec::new(),
            minor: false,
        }
    }
    fn usage(&self) -> Usage {
        self.0.borrow().usage
    }
}

// SAFETY: as above.
unsafe impl Mutator for TestMutator {
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let mut blocks = self.0.borrow_mut();
        let size = layout.size();
        if size > blocks.usage.limit_bytes - blocks.usage.used_bytes {
            return None;
        }
        blocks.usage.used_bytes += size;
        blocks.usage.live_bytes = blocks.usage.used_bytes;
        blocks.usage.reserved_bytes = blocks.usage.used_bytes;
        blocks.usage.allocated_bytes += size as u64;
        let block: Rc<[AtomicU64]> = (0..size / 8).map(|_| AtomicU64::new(0)).collect();
        let address = block.as_ptr() as usize;
        blocks.objects.push(block);
        // SAFETY: the block has `size` bytes and is 8-aligned.
        Some(unsafe { Obj::create(address, layout) })
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, _at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        self.try_alloc(layout).ok_or(Oom)
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
}

/// A [`Host`] over the heap that never collects.
#[derive(Debug)]
pub struct TestHost {
    /// The shared state.
    pub world: World,
    /// The handle of the running task, if its driver has tasks.
    pub task: Option<Obj>,
    /// Tasks that builtins have woken; the driver takes them.
    pub woken: Vec<TaskId>,
    mutator: TestMutator,
}

impl TestHost {
    /// A host with an empty heap of this size.
    ///
    /// # Panics
    /// Never: the configuration has no parameters.
    pub fn new(world: World, limit_bytes: usize) -> TestHost {
        let config = HeapConfig { limit_bytes, ..HeapConfig::default() };
        let heap = TestHeap::new(&config).expect("no parameters");
        TestHost { world, task: None, woken: Vec::new(), mutator: heap.mutator() }
    }
    /// Calls a builtin.
    pub fn call(
        &mut self,
        f: impl FnOnce(&mut Native<'_>) -> NativeResult,
        args: &[Value],
    ) -> NativeResult {
        let mut args = args.to_vec();
        // SAFETY: the words stay where they are; a heap that never collects needs no roots.
        unsafe { Native::run(self, args.as_mut_ptr(), args.len(), f) }
    }
}

impl Host for TestHost {
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Value> {
        self.mutator.try_alloc(layout).ok_or(self.world.out_of_memory)
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.mutator.load(o, i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.mutator.load_weak(o, i)
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.mutator.init(o, i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.mutator.store(o, i, v);
    }
    fn watch(&mut self, _: Obj, _: Watch) {}
    /// Nothing moves.
    fn pin(&mut self, _: Obj) -> Result<(), Value> {
        Ok(())
    }
    fn unpin(&mut self, _: Obj) {}
    #[expect(clippy::not_unsafe_ptr_arg_deref, reason = "the trait's contract says what it gets")]
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
    fn collect(&mut self, _why: Cause) {}
    fn usage(&mut self) -> Usage {
        self.mutator.0.borrow().usage
    }
    fn task(&mut self) -> Option<Obj> {
        self.task
    }
    fn wake(&mut self, task: TaskId) {
        self.woken.push(task);
    }
}
