//! The roots of a stopped VM.

use crate::heap::{Dirty, Liveness, Roots};
use crate::interp::Loaded;
use crate::object::Obj;
use crate::report::Ending;
use crate::table::TaskTable;
use crate::task::Task;
use crate::value::Value;
use crate::world::World;

/// The roots of a stopped VM.
pub(super) struct VmRoots<'a> {
    pub(super) table: &'a mut TaskTable,
    /// The tasks in slices: of the collecting worker, and of the stopped ones.
    pub(super) running: Vec<&'a mut Task>,
    pub(super) world: &'a mut World,
    pub(super) failures: &'a mut Vec<(Value, Ending)>,
    pub(super) loaded: &'a Loaded,
    /// Whether the heap counts references in registers: then every register that is not nil holds
    /// a counted reference, and only the mutator may drop it.
    pub(super) counts: bool,
}

impl VmRoots<'_> {
    fn shared_slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.world.root_slices(f);
        for (handle, _) in self.failures.iter_mut() {
            f(std::slice::from_mut(handle), Dirty::Yes);
        }
    }
    fn task(
        (loaded, counts): (&Loaded, bool),
        task: &mut Task,
        f: &mut dyn FnMut(&mut [Value], Dirty),
    ) {
        // SAFETY: the world is stopped: every task's state is saved and nobody runs it. `top` is
        // within the task's block.
        let registers = unsafe {
            let top = if counts {
                task.frame_top.cast::<Value>()
            } else {
                loaded.clear_dead_registers(task)
            };
            task.registers_below(top)
        };
        // Lifetimes: the slice is used before the task is touched again.
        let registers: *mut [Value] = registers;
        let dirty = if task.dirty { Dirty::Yes } else { Dirty::No };
        // SAFETY: see above.
        f(unsafe { &mut *registers }, dirty);
        f(std::slice::from_mut(&mut task.handle), dirty);
        if let Some(trace) = &mut task.trace {
            f(std::slice::from_mut(&mut trace.of), dirty);
        }
    }
}

impl Roots for VmRoots<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.shared_slices(f);
        let how = (self.loaded, self.counts);
        for task in &mut self.running {
            Self::task(how, task, f);
        }
        for task in self.table.parked_mut() {
            Self::task(how, task, f);
        }
    }
    fn recent(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        let mut visit = |slice: &mut [Value], _| f(slice);
        self.shared_slices(&mut visit);
        let how = (self.loaded, self.counts);
        for task in &mut self.running {
            Self::task(how, task, &mut visit);
        }
        self.table.recent_mut(&mut |task| Self::task(how, task, &mut visit));
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.world.process_weak(live)
    }
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.world.weak_values(f);
    }
}
