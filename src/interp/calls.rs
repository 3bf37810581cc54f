//! Calls that are not on the fast path, and the one unwinder.

use super::{Ctx, FuncInfo, Outcome, St};
use crate::builtins;
use crate::bytecode::HandlerRange;
use crate::class::ClassId;
use crate::heap::{Heap, Mutator};
use crate::host::{Exit, Host, new_error};
use crate::object::slots;
use crate::task::{Frame, Trace};
use crate::value::Value;

/// How many frames a stack trace keeps.
pub const TRACE_FRAMES: usize = 64;

impl<H: Heap> Ctx<H> {
    /// Pushes a frame for `f` with its window `at` registers above `base`; grows the stack.
    ///
    /// # Safety
    /// The state of a run of verified code; `return_to` is the word after the call.
    pub(super) unsafe fn push_frame(
        &mut self,
        f: FuncInfo,
        at: usize,
        return_to: *const u64,
        base: *mut Value,
    ) -> Result<(*const u64, *mut Value), Exit> {
        // SAFETY: T1–T2; `make_room` keeps them.
        unsafe {
            let base = self.make_room(at + f.registers as usize, base)?;
            let frame = self.frame_top.sub(1);
            *frame = Frame { pc: return_to, base };
            self.frame_top = frame;
            Ok((f.code, base.add(at)))
        }
    }

    /// Makes `registers` words from `base` on and one more frame fit (T2). The window may move.
    ///
    /// # Safety
    /// As [`Ctx::push_frame`].
    pub(super) unsafe fn make_room(
        &mut self,
        registers: usize,
        base: *mut Value,
    ) -> Result<*mut Value, Exit> {
        let registers = registers + self.red_zone;
        // SAFETY: addresses within or just above the block are compared, not read.
        let fits = unsafe { base.add(registers).cast::<Frame>() <= self.frame_top.sub(1) };
        if fits {
            return Ok(base);
        }
        let max_words = self.max_stack_words;
        let pc = self.task().pc;
        self.save(pc, base);
        let task = self.task();
        let top = (base as usize - task.low() as usize) / 8 + registers;
        if !task.grow(top, max_words) {
            return Err(Exit::Throw(self.world().stack_overflow));
        }
        self.frame_top = self.task().frame_top;
        let (task, driver) = (self.task, self.driver);
        // SAFETY: both are valid for the slice.
        if !unsafe { (*driver).charge(&mut *task) } {
            return Err(Exit::Throw(self.world().out_of_memory));
        }
        Ok(self.task().base)
    }

    /// A run-time error. A safepoint.
    pub(super) fn error(&mut self, kind: &str, message: &str) -> Exit {
        Exit::Throw(new_error(self as &mut dyn Host, kind, message))
    }

    pub(super) fn arity_error(&mut self, name: &str, expected: usize, given: usize) -> Exit {
        let s = if expected == 1 { "" } else { "s" };
        let message = format!("`{name}` takes {expected} argument{s}, not {given}");
        self.error("ArityMismatch", &message)
    }

    /// The function behind a callable value, if it takes `args` arguments.
    #[inline]
    pub(super) fn callable(&mut self, v: Value, args: usize) -> Result<&'static FuncInfo, Exit> {
        if let Some(closure) = v.as_object().filter(|o| o.class() == ClassId::CLOSURE) {
            let id = self.mutator.load(closure, slots::FUNC).int_unchecked() as usize;
            let f = &self.loaded().funcs()[id];
            if f.params as usize == args {
                return Ok(f);
            }
        }
        Err(self.not_callable(v, args))
    }
    #[cold]
    #[inline(never)]
    fn not_callable(&mut self, v: Value, args: usize) -> Exit {
        let Some(closure) = v.as_object().filter(|o| o.class() == ClassId::CLOSURE) else {
            let text = builtins::type_name(self, v);
            return self.error("TypeMismatch", &format!("a {text} cannot be called"));
        };
        let id = self.mutator.load(closure, slots::FUNC).int_unchecked() as usize;
        let f = self.loaded().funcs()[id];
        let name = self.loaded().code().functions[id].name;
        let name = self.world().program.names.text(name).to_owned();
        self.arity_error(&name, f.params as usize, args)
    }

    /// Takes an error to its handler: the innermost protected range around the failing word, then
    /// around each caller's call. Frames in between are dropped; `finally` is a handler like any.
    /// Without one the task fails.
    ///
    /// # Safety
    /// The task's state is saved at the failing instruction.
    pub(super) unsafe fn unwind(&mut self, error: Value, reds: u64) -> Result<St<H>, u64> {
        self.note_trace(error);
        let loaded = self.loaded();
        let mut base = self.task().base;
        let mut index = loaded.index_of(self.task().pc);
        loop {
            if let Some(h) = self.handler_at(index) {
                // SAFETY: the handler and its register belong to the function of this window.
                unsafe { self.mutator.set(&mut *base.add(h.register as usize), error) };
                let pc = loaded.word(h.target);
                // A handler may lie before its range: unwinding is a back-edge and polls (E4).
                if self.limit.reached(reds) {
                    self.save(pc, base);
                    self.outcome = Outcome::Preempted;
                    return Err(reds);
                }
                return Ok(St { pc, base, reds, ctx: self });
            }
            self.clear_window(index, base);
            if <H::Mutator as Mutator>::FRAMES && loaded.has_local_objects_at(index) {
                self.mutator.pop_frame();
            }
            // SAFETY: there is always the outermost frame (T4), and it ends the loop.
            let frame = unsafe { *self.frame_top };
            if frame.pc == loaded.halt() {
                self.outcome = Outcome::Failed(error);
                self.save(frame.pc, frame.base);
                return Err(reds);
            }
            // SAFETY: not the outermost frame.
            self.frame_top = unsafe { self.frame_top.add(1) };
            base = frame.base;
            // SAFETY: frames return behind their call.
            index = loaded.index_of(unsafe { frame.pc.sub(1) });
        }
    }

    /// A dropped frame's registers go out of use (counting heaps).
    fn clear_window(&mut self, index: u32, base: *mut Value) {
        if !<H::Mutator as Mutator>::COUNTS {
            return;
        }
        if let Some(f) = self.loaded().function_at(index) {
            let count = self.loaded().funcs()[f].registers as usize;
            // SAFETY: the window has `count` registers (T2).
            let window = unsafe { std::slice::from_raw_parts_mut(base, count) };
            self.mutator.clear(window);
        }
    }

    fn handler_at(&self, index: u32) -> Option<HandlerRange> {
        let function = self.loaded().function_at(index)?;
        let handlers = &self.loaded().code().functions[function].handlers;
        handlers.iter().find(|h| h.start <= index && index < h.end).copied()
    }

    /// Remembers where an error came from; a rethrow of the same value keeps its first place.
    fn note_trace(&mut self, error: Value) {
        let loaded = self.loaded();
        let frame_top = self.frame_top;
        let task = self.task();
        task.frame_top = frame_top;
        if task.trace.as_ref().is_some_and(|trace| trace.of == error) {
            return;
        }
        let callers = task.frames().filter(|f| f.pc != loaded.halt());
        // SAFETY: frames return behind their call.
        let callers = callers.map(|f| loaded.index_of(unsafe { f.pc.sub(1) }));
        let trace = [loaded.index_of(task.pc)].into_iter().chain(callers).take(TRACE_FRAMES);
        let frames = trace.collect();
        let noted =
            task.trace.get_or_insert_with(|| Trace { of: Value::NIL, frames: Vec::new() }.into());
        noted.frames = frames;
        let trace_of: *mut Value = &mut noted.of;
        // SAFETY: the task's own word; disjoint from the mutator.
        self.mutator.set(unsafe { &mut *trace_of }, error);
    }
}
