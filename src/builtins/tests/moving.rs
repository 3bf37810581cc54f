//! A host for tests that makes stale references fail: it moves every object at each allocation and
//! poisons the old places, and it can refuse the n-th allocation.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustc_hash::FxHashMap as HashMap;

use crate::heap::{Cause, Liveness, Usage, Watch};
use crate::host::{Exit, Host, Native, NativeFn};
use crate::object::{Obj, ObjectKind, ObjectLayout, slots};
use crate::task::TaskId;
use crate::value::Value;
use crate::world::World;

/// No kind, the largest class, length 0: every access to a poisoned object is refused.
const POISON: u64 = 0xffff_0000;
/// How many former homes of objects stay allocated, so that a stale access finds the poison.
const QUARANTINE: usize = 1 << 14;

type Block = Rc<[AtomicU64]>;

/// How hard the host makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Nothing moves.
    Still,
    /// Everything moves at every allocation.
    Moving,
    /// As `Moving`, and the n-th allocation fails.
    Failing(u64),
}

pub(super) struct MovingHost {
    pub(super) world: World,
    pub(super) mode: Mode,
    /// Whether an allocation has been refused.
    pub(super) failed: bool,
    allocations: u64,
    /// Roots of the test.
    pub(super) kept: Vec<Value>,
    args: Box<[Value]>,
    /// The handle of the task that calls the builtins: task 1.
    pub(super) running: Value,
    /// The tasks that they have woken.
    pub(super) woken: Vec<TaskId>,
    blocks: Vec<Block>,
    quarantine: Vec<Block>,
    usage: Usage,
}

impl MovingHost {
    pub(super) fn new(world: World, mode: Mode) -> MovingHost {
        let mut blocks = Vec::new();
        let running = new_object(&mut blocks, ObjectLayout::new(ObjectKind::Task, slots::TASK_LEN));
        running.set_slot(slots::TASK_ID, TaskId::new(1, 0).value());
        MovingHost {
            world,
            mode,
            running: Value::object(running),
            woken: Vec::new(),
            failed: false,
            allocations: 0,
            kept: Vec::new(),
            args: vec![Value::NIL; 256].into(),
            blocks,
            quarantine: Vec::new(),
            usage: Usage { limit_bytes: 1 << 26, ..Usage::default() },
        }
    }

    /// Calls a builtin; its temporaries must be gone afterwards.
    pub(super) fn call(&mut self, f: NativeFn, args: &[Value]) -> Result<Value, Exit> {
        self.args[..args.len()].copy_from_slice(args);
        let place = self.args.as_mut_ptr();
        // SAFETY: the block of arguments stays where it is and is a root (`collect_now`).
        let result = unsafe { Native::run(self, place, args.len(), f) };
        assert!(self.world.temporaries.is_empty());
        self.args.fill(Value::NIL);
        result
    }

    fn collect_now(&mut self) {
        let mut copier = Copier::default();
        self.world.root_slices(&mut |slice, _| copier.roots(slice));
        copier.roots(&mut self.kept);
        copier.roots(&mut self.args);
        copier.roots(std::slice::from_mut(&mut self.running));
        copier.trace();
        while self.world.process_weak(&mut copier) {
            copier.trace();
        }
        for block in &self.blocks {
            block.iter().for_each(|word| word.store(POISON, Relaxed));
        }
        self.quarantine.append(&mut self.blocks);
        let surplus = self.quarantine.len().saturating_sub(QUARANTINE);
        self.quarantine.drain(..surplus);
        self.blocks = copier.blocks;
        self.usage.used_bytes = self.blocks.iter().map(|b| b.len() * 8).sum();
        self.usage.collections += 1;
    }
}

fn new_object(blocks: &mut Vec<Block>, layout: ObjectLayout) -> Obj {
    let block: Block = (0..layout.size() / 8).map(|_| AtomicU64::new(0)).collect();
    let address = block.as_ptr() as usize;
    blocks.push(block);
    // SAFETY: `size` bytes, 8-aligned; kept until the object is found dead, and a while longer.
    unsafe { Obj::create(address, layout) }
}

impl Host for MovingHost {
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Value> {
        let n = self.allocations;
        self.allocations += 1;
        if self.mode != Mode::Still {
            self.collect_now();
        }
        let size = layout.size();
        let too_large = size > self.usage.limit_bytes - self.usage.used_bytes;
        if too_large || self.mode == Mode::Failing(n) {
            self.failed = true;
            return Err(self.world.out_of_memory);
        }
        self.usage.used_bytes += size;
        self.usage.allocated_bytes += size as u64;
        Ok(new_object(&mut self.blocks, layout))
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
    fn watch(&mut self, _: Obj, _: Watch) {}
    fn pin(&mut self, o: Obj) -> Result<(), Value> {
        panic!("no builtin pins {o:?}: this host would have to leave it where it is");
    }
    fn unpin(&mut self, _: Obj) {}
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
        self.collect_now();
    }
    fn usage(&mut self) -> Usage {
        self.usage
    }
    fn task(&mut self) -> Option<Obj> {
        self.running.as_object()
    }
    fn wake(&mut self, task: TaskId) {
        self.woken.push(task);
    }
}

/// One collection: copies what it reaches.
#[derive(Default)]
struct Copier {
    moved: HashMap<usize, Obj>,
    blocks: Vec<Block>,
    unscanned: Vec<Obj>,
}

impl Copier {
    fn roots(&mut self, slice: &mut [Value]) {
        for v in slice {
            if let Some(o) = v.as_object() {
                *v = Value::object(self.copy(o));
            }
        }
    }
    fn copy(&mut self, o: Obj) -> Obj {
        if let Some(&new) = self.moved.get(&o.address()) {
            return new;
        }
        let layout = o.layout();
        let new = new_object(&mut self.blocks, layout);
        for i in 0..layout.body_bytes() / 8 {
            if layout.kind.is_raw() {
                new.set_raw_word(i, o.raw_word(i));
            } else {
                new.set_slot(i, o.slot(i));
            }
        }
        self.moved.insert(o.address(), new);
        self.unscanned.push(new);
        new
    }
    fn trace(&mut self) {
        while let Some(o) = self.unscanned.pop() {
            for i in 0..o.traced_slots() {
                if let Some(target) = o.slot(i).as_object() {
                    let target = self.copy(target);
                    o.set_slot(i, Value::object(target));
                }
            }
        }
    }
}

impl Liveness for Copier {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        self.moved.get(&o.address()).copied()
    }
    fn keep(&mut self, o: Obj) -> Obj {
        self.copy(o)
    }
}
