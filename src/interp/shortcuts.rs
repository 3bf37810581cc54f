//! Instructions that leave fast code by ways of their own, without what other slow ones need: calls of
//! builtins, which are most of what is slow, `spawn` and `yield`.

use super::Ctx;
use super::slow::{Step, leave, slow};
use crate::builtins;
use crate::bytecode::ops::Op;
use crate::heap::{Heap, Mutator};
use crate::host::{Exit, Native, Wait};
use crate::object::{ObjectKind, ObjectLayout, TaskState, slots};
use crate::value::Value;

/// How a run goes on after a builtin.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// With the next instruction, in the same window.
    Behind,
    /// Where [`Ctx::resume`] says.
    Resume,
    /// The slice ends; the reductions are in [`Ctx::resume`].
    Over,
}

impl Next {
    /// What [`slow`] answers.
    fn of(goes_on: bool) -> Next {
        if goes_on { Next::Resume } else { Next::Over }
    }
}

/// The slow path of `CallNative`, and of `CallMethod` where the site holds a builtin, without what other
/// instructions need: most slow paths are these.
///
/// # Safety
/// As [`slow`].
#[inline(never)]
pub(super) unsafe fn call_builtin<H: Heap>(
    word: u64,
    pc: *const u64,
    base: *mut Value,
    reds: u64,
    ctx: *mut Ctx<H>,
) -> Next {
    // SAFETY: as `slow`.
    let run = unsafe { &mut *ctx };
    let [_, a, b, ..] = word.to_le_bytes();
    let d = (word >> 32) as usize;
    let is_method = word as u8 == Op::CallMethod as u8;
    // SAFETY: the window is verified to lie in the frame (E3).
    let args = unsafe { base.add(a as usize) };
    let f = match is_method {
        // SAFETY: as above: a method has a receiver.
        true => run.loaded().cached_builtin(builtins::class_of(unsafe { *args }), d),
        // Beyond the builtins are the functions of the host.
        false => builtins::FUNCTIONS.get(d).map(|builtin| builtin.run),
    };
    let over = is_method && run.limit.reached(reds + 1);
    let Some(f) = f.filter(|_| !over) else {
        // SAFETY: by the caller.
        return Next::of(unsafe { slow(word, pc, base, reds, ctx) });
    };
    run.save(pc, base);
    run.leave_fast();
    // SAFETY: as `Slow::native_window`.
    match unsafe { Native::run(run, args, b as usize, f) } {
        Ok(v) => {
            // SAFETY: as above.
            run.mutator.set(unsafe { &mut *args }, v);
            if <H::Mutator as Mutator>::COUNTS && run.mutator.unsettled() {
                // SAFETY: a word follows the instruction.
                run.drain(unsafe { pc.add(1) }, base);
            }
            run.enter_fast();
            Next::Behind
        }
        Err(Exit::Block(wait)) => {
            // SAFETY: by the caller.
            unsafe { run.block(wait, pc, base, a) };
            run.resume.reds = reds + u64::from(is_method);
            Next::Over
        }
        Err(exit) => {
            let reds = reds + u64::from(is_method);
            // SAFETY: by the caller.
            Next::of(unsafe { leave(word, pc, base, reds, run, exit) })
        }
    }
}

impl<H: Heap> Ctx<H> {
    /// A `Yield` of a task that was not cancelled, which is almost every one, without a call of the builtin:
    /// a fifth of a switch's instructions less. `false`: nothing has happened.
    pub(super) unsafe fn gives_way(&mut self, word: u64, pc: *const u64, base: *mut Value) -> bool {
        self.save(pc, base);
        self.leave_fast();
        let task = self.task().handle.as_object();
        if task.is_none_or(|task| self.mutator.load(task, slots::TASK_CANCEL) != Value::NIL) {
            self.enter_fast();
            return false;
        }
        let [_, a, ..] = word.to_le_bytes();
        // SAFETY: by the caller.
        unsafe { self.block(Wait::Turn, pc, base, a) };
        true
    }
    /// A `Spawn`: the new task's handle goes into `a`. Programs that have many tasks make one every few
    /// instructions, so it has a way of its own.
    pub(super) unsafe fn spawn(&mut self, word: u64, pc: *const u64, base: *mut Value) -> Step {
        self.save(pc, base);
        self.leave_fast();
        let [_, a, args, ..] = word.to_le_bytes();
        // SAFETY: verified code: arguments and callee lie in the frame.
        let window = unsafe { base.add(a as usize) };
        // SAFETY: as above.
        let f = self.callable(unsafe { *window.add(args as usize) }, args as usize)?;
        let layout = ObjectLayout::new(ObjectKind::Task, slots::TASK_LEN);
        let handle = self.alloc(layout).map_err(Exit::Throw)?;
        let driver = self.driver;
        // SAFETY: the driver is valid for the slice.
        let Some(mut task) = (unsafe { (*driver).new_task(f) }) else {
            (0..layout.len as usize).for_each(|slot| self.mutator.init(handle, slot, Value::NIL));
            return Err(Exit::Throw(self.world().out_of_memory));
        };
        for slot in 0..slots::TASK_LEN as usize {
            let v = match slot {
                slots::TASK_ID => task.id.value(),
                slots::TASK_STATE => Value::small(TaskState::Pending as i64),
                slots::TASK_OBSERVED => Value::FALSE,
                _ => Value::NIL,
            };
            self.mutator.init(handle, slot, v);
        }
        // A closure finds itself behind its arguments; others leave the callee word out.
        for n in 0..args as usize + usize::from(f.captures > 0) {
            // SAFETY: as above; the new task has as many registers, parameters and closure among them.
            let (v, register) = unsafe { (*window.add(n), &mut *task.base.add(n)) };
            self.mutator.escape(v);
            self.mutator.set(register, v);
        }
        self.mutator.set(&mut task.handle, Value::object(handle));
        task.set_spawned_at(self.loaded().index_of(pc));
        // SAFETY: as above.
        if unsafe { (*driver).spawned(task) } {
            self.limit.end();
        }
        // SAFETY: as above.
        self.mutator.set(unsafe { &mut *window }, Value::object(handle));
        if <H::Mutator as Mutator>::COUNTS && self.mutator.unsettled() {
            // SAFETY: a word follows the instruction.
            self.drain(unsafe { pc.add(1) }, base);
        }
        self.enter_fast();
        Ok(())
    }
}
