//! The slow path: redoes one whole instruction from its word and pc (E1). May collect, call
//! builtins, grow the stack, rewrite inline caches, throw, and end the slice.
//!
//! One `match` over the ops that a fast body can refuse; each arm is one line or one helper.

use super::{Ctx, FuncInfo, Outcome, Resume, St};
use crate::builtins::{self, operators};
use crate::bytecode::ops::{Instruction, Op};
use crate::class::ClassId;
use crate::heap::{Heap, Mutator, Region, Safepoint};
use crate::host::{Exit, Native, NativeFn, NativeResult, Wait};
use crate::ir::NativeId;
use crate::names::Name;
use crate::object::{Obj, ObjectKind, ObjectLayout, slots};
use crate::value::Value;
use crate::world::SCRATCH;

use super::handlers::LIVE_KNOWN;
use super::loaded::Method;

/// Redoes the instruction at `pc`. `true`: the run goes on where [`Ctx::resume`] says; `false`: the
/// slice ends, and the reductions are there. (Not returned: what a caller keeps for a result on its
/// stack could keep LLVM from making the next dispatch a jump.)
///
/// # Safety
/// The state of a run of verified code, before the instruction.
#[cold]
#[inline(never)]
pub(super) unsafe fn slow<H: Heap>(
    word: u64,
    pc: *const u64,
    base: *mut Value,
    reds: u64,
    ctx: *mut Ctx<H>,
) -> bool {
    // SAFETY: the context is valid for the slice; nobody else uses it meanwhile.
    let ctx = unsafe { &mut *ctx };
    // SAFETY: by the caller.
    if word as u8 == Op::Yield as u8 && unsafe { ctx.gives_way(word, pc, base) } {
        ctx.resume.reds = reds;
        return false;
    }
    if word as u8 == Op::Spawn as u8 {
        // SAFETY: by the caller.
        match unsafe { ctx.spawn(word, pc, base) } {
            Ok(()) => {
                // SAFETY: a word follows the instruction.
                ctx.resume = Resume { pc: unsafe { pc.add(1) }, base, reds };
                return true;
            }
            // SAFETY: by the caller.
            Err(exit) => return unsafe { leave(word, pc, base, reds, ctx, exit) },
        }
    }
    // SAFETY: by the caller.
    let result = unsafe { redo(word, pc, base, reds, ctx) };
    ctx.keep(result, pc, base)
}

/// What an instruction that has been executed here throws, or the end of the program. As [`slow`].
#[cold]
#[inline(never)]
pub(super) unsafe fn leave<H: Heap>(
    word: u64,
    pc: *const u64,
    base: *mut Value,
    reds: u64,
    ctx: &mut Ctx<H>,
    exit: Exit,
) -> bool {
    let i = Instruction::decode(word).expect("verified code decodes");
    // SAFETY: as in `redo`.
    let next = unsafe { pc.add(1) };
    let result = Slow { ctx: &mut *ctx, i, pc, next, base, reds }.settle(Err(exit));
    ctx.keep(result, pc, base)
}

unsafe fn redo<H: Heap>(
    word: u64,
    pc: *const u64,
    base: *mut Value,
    reds: u64,
    ctx: &mut Ctx<H>,
) -> Result<St<H>, u64> {
    ctx.save(pc, base);
    ctx.leave_fast();
    let i = Instruction::decode(word).expect("verified code decodes");
    // SAFETY: the instruction is followed by another word (no fall-off, or the stub).
    let next = unsafe { pc.add(1) };
    let mut run = Slow { ctx, i, pc, next, base, reds };
    if polls(i.op) {
        run.reds += 1;
        if run.ctx.limit.reached(run.reds) && run.ctx.is_over(run.reds) {
            // Redone, and counted, in the next slice.
            run.ctx.outcome = Outcome::Preempted;
            return Err(run.reds - 1);
        }
    }
    // SAFETY: by the caller.
    let result = unsafe { run.execute() };
    run.settle(result)
}

/// Ops whose fast body counts a reduction.
fn polls(op: Op) -> bool {
    use crate::bytecode::ops::Role;
    const POLLS: [bool; Op::ALL.len()] = {
        let mut polls = [false; Op::ALL.len()];
        let mut i = 0;
        while i < polls.len() {
            let op = Op::ALL[i];
            let calls = matches!(
                op,
                Op::Call
                    | Op::CallDirect
                    | Op::CallMethod
                    | Op::TailCall
                    | Op::TailCallDirect
                    | Op::TailCallMethod
            );
            polls[i] = calls || matches!(op.info().roles[3], Role::Back);
            i += 1;
        }
        polls
    };
    POLLS[op as usize]
}

impl<H: Heap> Ctx<H> {
    /// Ends the slice: the task waits. The instruction at `pc` is redone when it wakes, unless it is given its
    /// result meanwhile; a turn goes on behind it and has nil as its result, in register `a` (of every op
    /// that can wait).
    pub(super) unsafe fn block(&mut self, wait: Wait, pc: *const u64, base: *mut Value, a: u8) {
        if !wait.is_redone() {
            // SAFETY: verified code: a register of the window, and a word follows (E3).
            unsafe {
                self.mutator.set(&mut *base.add(a as usize), Value::NIL);
                self.save(pc.add(1), base);
            }
        }
        self.outcome = Outcome::Blocked(wait);
    }
    /// Keeps where the run goes on, or the reductions of the slice that ends: whether it goes on.
    fn keep(&mut self, result: Result<St<H>, u64>, pc: *const u64, base: *mut Value) -> bool {
        let (resume, goes_on) = match result {
            Ok(s) => (Resume { pc: s.pc, base: s.base, reds: s.reds }, true),
            Err(reds) => (Resume { pc, base, reds }, false),
        };
        self.resume = resume;
        goes_on
    }
}

/// An instruction being redone.
struct Slow<'a, H: Heap> {
    ctx: &'a mut Ctx<H>,
    i: Instruction,
    /// Its own place.
    pc: *const u64,
    /// Where to go on: the next word, unless a jump or call changes it.
    next: *const u64,
    base: *mut Value,
    reds: u64,
}

pub(super) type Step = Result<(), Exit>;

impl<H: Heap> Slow<'_, H> {
    /// How the run goes on; `Err`: the slice ends, with these reductions. The task's state is saved.
    #[inline]
    fn settle(self, result: Step) -> Result<St<H>, u64> {
        match result {
            Ok(()) => {
                let (pc, base) = (self.next, self.base);
                if <H::Mutator as Mutator>::COUNTS && self.ctx.mutator.unsettled() {
                    self.ctx.drain(pc, base);
                }
                self.ctx.enter_fast();
                Ok(St { pc, base, reds: self.reds, ctx: self.ctx })
            }
            Err(Exit::Throw(error)) => {
                // SAFETY: the task's state is saved; helpers that move the stack save again.
                let s = unsafe { self.ctx.unwind(error, self.reds + 1) }?;
                self.ctx.enter_fast();
                Ok(s)
            }
            Err(Exit::Block(wait)) => {
                // SAFETY: the state of a run of verified code.
                unsafe { self.ctx.block(wait, self.pc, self.base, self.i.a) };
                Err(self.reds)
            }
            Err(Exit::Fatal(fatal)) => {
                self.ctx.outcome = Outcome::Fatal(fatal);
                Err(self.reds)
            }
        }
    }
    fn reg(&self, r: u8) -> Value {
        // SAFETY: operands of verified code lie within the window (E3).
        unsafe { *self.base.add(r as usize) }
    }
    fn set(&mut self, r: u8, v: Value) -> Step {
        // SAFETY: as `reg`.
        self.ctx.mutator.set(unsafe { &mut *self.base.add(r as usize) }, v);
        Ok(())
    }
    fn a(&self) -> Value {
        self.reg(self.i.a)
    }
    fn b(&self) -> Value {
        self.reg(self.i.b)
    }
    fn c(&self) -> Value {
        self.reg(self.i.c)
    }
    fn jump_if(&mut self, taken: bool) -> Step {
        if taken {
            // SAFETY: jumps of verified code stay within the function.
            self.next = unsafe { self.pc.add(1).offset(self.i.d as isize) };
        }
        Ok(())
    }

    /// Calls a builtin on words of the window.
    fn native_window(
        &mut self,
        f: impl FnOnce(&mut Native<'_>) -> NativeResult,
        from: u8,
        count: u8,
    ) -> NativeResult {
        // SAFETY: the window is verified to lie in the frame; the stack does not move, because
        // builtins never call Mena code.
        unsafe {
            let args = self.base.add(from as usize);
            Native::run(&mut *self.ctx, args, count as usize, f)
        }
    }
    /// Calls a function of the host.
    #[cold]
    fn host_function(&mut self, id: NativeId) -> NativeResult {
        let functions = self.ctx.world().program.functions.clone();
        let function = functions.get(id).expect("verified against the program's functions");
        self.native_window(|cx| function.call(cx), self.i.a, self.i.b)
    }
    /// Calls a builtin on these values.
    fn native(&mut self, f: NativeFn, args: &[Value]) -> Result<Value, Exit> {
        assert!(args.len() <= SCRATCH);
        let scratch = self.ctx.scratch;
        // SAFETY: the scratch block has `SCRATCH` words, which are roots.
        unsafe {
            for (i, &v) in args.iter().enumerate() {
                self.ctx.mutator.set(&mut *scratch.add(i), v);
            }
            let result = Native::run(&mut *self.ctx, scratch, args.len(), f);
            let used = std::slice::from_raw_parts_mut(scratch, args.len());
            self.ctx.mutator.clear(used);
            used.fill(Value::NIL);
            result
        }
    }
    fn binary(&mut self, f: NativeFn) -> Step {
        let v = self.native(f, &[self.b(), self.c()])?;
        self.set(self.i.a, v)
    }
    fn immediate(&mut self, f: NativeFn) -> Step {
        let v = self.native(f, &[self.b(), Value::small(i64::from(self.i.d))])?;
        self.set(self.i.a, v)
    }
    fn unary(&mut self, f: NativeFn) -> Step {
        let v = self.native(f, &[self.b()])?;
        self.set(self.i.a, v)
    }
    /// Jumps if the comparison of `a` and `b` comes out as wanted.
    fn compare_jump(&mut self, f: NativeFn, want: bool) -> Step {
        let v = self.native(f, &[self.a(), self.b()])?;
        self.jump_if(v.truthy() == want)
    }
    fn compare_immediate(&mut self, f: NativeFn, want: bool) -> Step {
        let imm = Value::small(i64::from(self.i.imm16()));
        let v = self.native(f, &[self.a(), imm])?;
        self.jump_if(v.truthy() == want)
    }
    /// The object of an op of which there is a local kind.
    fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Exit> {
        use Op::{CellNewLocal, ClosureLocal, MakeRecordLocal, MakeTupleLocal};
        let local =
            matches!(self.i.op, CellNewLocal | ClosureLocal | MakeRecordLocal | MakeTupleLocal);
        let o = if local { self.ctx.alloc_local(layout) } else { self.ctx.alloc(layout) };
        o.map_err(Exit::Throw)
    }
    /// A new object of values, out of the window at `b`, into `a`.
    fn construct(&mut self, layout: ObjectLayout) -> Step {
        let o = self.alloc(layout)?;
        for n in 0..layout.len as usize {
            let v = self.reg(self.i.b + n as u8);
            self.ctx.mutator.init(o, n, v);
        }
        self.set(self.i.a, Value::object(o))
    }
    /// Calls a builtin on the window at `b`, into `a`.
    fn construct_native(&mut self, f: NativeFn) -> Step {
        let v = self.native_window(f, self.i.b, self.i.c)?;
        self.set(self.i.a, v)
    }
    /// Adds each of the window's elements (or pairs) to the collection in `a`.
    fn extend(&mut self, f: NativeFn, step: u8) -> Step {
        for n in (0..self.i.c).step_by(step as usize) {
            let at = self.i.b + n;
            let mut args = [self.a(), self.reg(at), Value::NIL];
            if step == 2 {
                args[2] = self.reg(at + 1);
            }
            self.native(f, &args[..=step as usize])?;
        }
        Ok(())
    }

    unsafe fn execute(&mut self) -> Step {
        use operators as o;
        let i = self.i;
        match i.op {
            Op::CellNew | Op::CellNewLocal => {
                let cell = self.alloc(ObjectLayout::new(ObjectKind::Cell, 1))?;
                let v = self.b();
                self.ctx.mutator.init(cell, slots::CELL, v);
                self.set(i.a, Value::object(cell))
            }
            Op::Closure | Op::ClosureLocal => self.closure(),
            Op::Add => self.binary(o::add),
            Op::Sub => self.binary(o::sub),
            Op::Mul => self.binary(o::mul),
            Op::Div => self.binary(o::div),
            Op::Rem => self.binary(o::rem),
            Op::BitAnd => self.binary(o::bit_and),
            Op::BitOr => self.binary(o::bit_or),
            Op::BitXor => self.binary(o::bit_xor),
            Op::Shl => self.binary(o::shl),
            Op::Shr => self.binary(o::shr),
            Op::ShrLogical => self.binary(o::shr_logical),
            Op::AddI => self.immediate(o::add),
            Op::MulI => self.immediate(o::mul),
            Op::DivI => self.immediate(o::div),
            Op::RemI => self.immediate(o::rem),
            Op::BitAndI => self.immediate(o::bit_and),
            Op::MulAdd => self.mul_then(o::add, false),
            Op::MulSub => self.mul_then(o::sub, true),
            Op::Neg => self.unary(o::neg),
            Op::BitNot => self.unary(o::bit_not),
            Op::Eq => self.binary(o::eq),
            Op::Ne => self.binary(o::ne),
            Op::Lt => self.binary(o::lt),
            Op::Le => self.binary(o::le),
            Op::Jump | Op::JumpBack => self.jump_if(true),
            Op::JumpT | Op::JumpTBack => self.jump_if(self.a().truthy()),
            Op::JumpF | Op::JumpFBack => self.jump_if(!self.a().truthy()),
            Op::JumpLt | Op::JumpLtBack => self.compare_jump(o::lt, true),
            Op::JumpNotLt | Op::JumpNotLtBack => self.compare_jump(o::lt, false),
            Op::JumpLe | Op::JumpLeBack => self.compare_jump(o::le, true),
            Op::JumpNotLe | Op::JumpNotLeBack => self.compare_jump(o::le, false),
            Op::JumpEq | Op::JumpEqBack => self.compare_jump(o::eq, true),
            Op::JumpNe | Op::JumpNeBack => self.compare_jump(o::eq, false),
            Op::JumpLtI | Op::JumpLtIBack => self.compare_immediate(o::lt, true),
            Op::JumpNotLtI | Op::JumpNotLtIBack => self.compare_immediate(o::lt, false),
            Op::JumpLeI | Op::JumpLeIBack => self.compare_immediate(o::le, true),
            Op::JumpNotLeI | Op::JumpNotLeIBack => self.compare_immediate(o::le, false),
            Op::JumpGtI | Op::JumpGtIBack => self.compare_immediate(o::gt, true),
            Op::JumpNotGtI | Op::JumpNotGtIBack => self.compare_immediate(o::gt, false),
            Op::JumpGeI | Op::JumpGeIBack => self.compare_immediate(o::ge, true),
            Op::JumpNotGeI | Op::JumpNotGeIBack => self.compare_immediate(o::ge, false),
            Op::JumpEqI | Op::JumpEqIBack => self.compare_immediate(o::eq, true),
            Op::JumpNeI | Op::JumpNeIBack => self.compare_immediate(o::eq, false),
            Op::JumpIs | Op::JumpIsBack => self.jump_if(self.is_constant()),
            Op::JumpIsNot | Op::JumpIsNotBack => self.jump_if(!self.is_constant()),
            Op::JumpClass => self.jump_if(builtins::class_of(self.a()).0 == i.wide()),
            Op::JumpNotClass => self.jump_if(builtins::class_of(self.a()).0 != i.wide()),
            Op::JumpDone | Op::JumpDoneBack => self.compare_jump(o::iter_done, true),
            Op::JumpNotDone | Op::JumpNotDoneBack => self.compare_jump(o::iter_done, false),
            Op::LoopLt => self.loop_step(o::lt),
            Op::LoopLe => self.loop_step(o::le),
            // SAFETY: verified code, state as saved.
            Op::Call | Op::TailCall => unsafe { self.call_value() },
            // SAFETY: as above.
            Op::CallDirect | Op::TailCallDirect => unsafe {
                let f = self.ctx.loaded().funcs()[i.d as usize];
                self.enter(f, i.b as usize)
            },
            // SAFETY: as above.
            Op::CallMethod | Op::TailCallMethod => unsafe { self.call_method() },
            Op::CallNative => {
                // `call_builtin` has called what is no function of the host.
                let v = self.host_function(NativeId(i.d as u32))?;
                self.set(i.a, v)
            }
            Op::Throw => Err(Exit::Throw(self.a())),
            Op::Yield => self.native_window(builtins::give_way, 0, 0).map(drop),
            Op::GetField => self.get_field(Name(i.d as u32 & 0xffff), true),
            Op::GetFieldAny => self.get_field(Name(i.d as u32), false),
            Op::SetField => self.set_field(Name(i.d as u32 & 0xffff), true),
            Op::SetFieldAny => self.set_field(Name(i.d as u32), false),
            Op::GetElem | Op::TupleField => {
                let v = self.native(o::tuple_field, &[self.b(), Value::small(i64::from(i.c))])?;
                self.set(i.a, v)
            }
            Op::Index => self.binary(o::index),
            Op::SetIndex => self.native(o::set_index, &[self.a(), self.b(), self.c()]).map(drop),
            Op::MakeTuple | Op::MakeTupleLocal => {
                self.construct(ObjectLayout::new(ObjectKind::Tuple, i.c.into()))
            }
            Op::MakeRecord | Op::MakeRecordLocal => {
                self.construct(ObjectLayout::record(ClassId(i.d as u16), i.c.into()))
            }
            Op::MakeList => self.construct_native(o::make_list),
            Op::MakeMap => self.construct_native(o::make_map),
            Op::MakeSet => self.construct_native(o::make_set),
            Op::ListExtend => self.extend(o::list_push, 1),
            Op::MapExtend => self.extend(o::set_index, 2),
            Op::SetExtend => self.extend(o::set_add, 1),
            Op::UpdateRecord => self.update_record(),
            Op::MakeRange => {
                let inclusive = Value::bool(i.d != 0);
                let v = self.native(o::make_range, &[self.b(), self.c(), inclusive])?;
                self.set(i.a, v)
            }
            Op::Concat => self.construct_native(o::concat),
            Op::TestClass => {
                let is = builtins::class_of(self.b()).0 == i.d as u16;
                self.set(i.a, Value::bool(is))
            }
            Op::TestTuple => {
                let is = self
                    .b()
                    .as_object()
                    .is_some_and(|o| o.kind() == ObjectKind::Tuple && o.len() == i.d as usize);
                self.set(i.a, Value::bool(is))
            }
            Op::TestList => {
                let is = self.is_list(i.c != 0, i64::from(i.d));
                self.set(i.a, Value::bool(is))
            }
            Op::Matches => self.binary(o::matches),
            Op::ListElem => {
                let args = [self.b(), Value::small(i64::from(i.d)), Value::bool(i.c != 0)];
                let v = self.native(o::list_elem, &args)?;
                self.set(i.a, v)
            }
            Op::ListRest => {
                let (before, after) = (i64::from(i.c), i64::from(i.d));
                let args = [self.b(), Value::small(before), Value::small(after)];
                let v = self.native(o::list_rest, &args)?;
                self.set(i.a, v)
            }
            Op::IterStart => self.unary(o::iter_start),
            Op::IterDone => self.binary(o::iter_done),
            Op::IterGet => self.binary(o::iter_get),
            Op::IterNext => self.binary(o::iter_next),
            Op::RegionEnter => {
                let region = self.ctx.mutator.enter();
                self.set(i.a, Value::small(region.0 as i64))
            }
            Op::FrameEnter => {
                self.ctx.mutator.push_frame();
                Ok(())
            }
            Op::FrameLeave => {
                self.ctx.mutator.pop_frame();
                Ok(())
            }
            // SAFETY: verified code, state as saved.
            Op::RegionLeave => unsafe { self.leave_region() },
            Op::SetGlobal => {
                let v = self.a();
                self.ctx.mutator.escape(v);
                // SAFETY: a verified index of the globals, which do not move during a slice.
                let global = unsafe { &*self.ctx.globals.add(i.d as usize) };
                self.ctx.mutator.store_word(global, v);
                Ok(())
            }
            Op::CellSet if builtins::class_of(self.a()) == ClassId::CELL => {
                let (cell, v) = (self.a().as_object().expect("a cell"), self.b());
                self.ctx.mutator.store(cell, slots::CELL, v);
                Ok(())
            }
            Op::CellGet | Op::CellSet => panic!("broken contract: {:?} on no cell", i.op),
            Op::Move
            | Op::MoveLast
            | Op::LoadK
            | Op::LoadI
            | Op::LoadV
            | Op::GetGlobal
            | Op::GetCapture
            | Op::Not
            | Op::Switch
            | Op::Return
            | Op::ReturnV
            | Op::Spawn
            | Op::Halt => unreachable!("{:?} has no slow path", i.op),
        }
    }

    fn is_constant(&self) -> bool {
        // SAFETY: a verified index of the constant table.
        self.a() == unsafe { *self.ctx.constants.add(self.i.wide() as usize) }
    }
    fn closure(&mut self) -> Step {
        let i = self.i;
        let layout = ObjectLayout::new(ObjectKind::Closure, u32::from(i.c) + 1);
        let o = self.alloc(layout)?;
        self.ctx.mutator.init(o, slots::FUNC, Value::small(i64::from(i.d)));
        for n in 0..i.c {
            let v = self.reg(i.b + n);
            self.ctx.mutator.init(o, slots::CAPTURES + n as usize, v);
        }
        self.set(i.a, Value::object(o))
    }
    /// `a = b * c`, then `a + d`, or `d - a` when `reversed`.
    fn mul_then(&mut self, f: NativeFn, reversed: bool) -> Step {
        let product = self.native(operators::mul, &[self.b(), self.c()])?;
        let z = self.reg(self.i.d as u8);
        let args = if reversed { [z, product] } else { [product, z] };
        let v = self.native(f, &args)?;
        self.set(self.i.a, v)
    }
    fn loop_step(&mut self, compare: NativeFn) -> Step {
        let step = Value::small(i64::from(self.i.c as i8));
        let v = self.native(operators::add, &[self.a(), step])?;
        self.set(self.i.a, v)?;
        self.compare_jump(compare, true)
    }
    fn is_list(&mut self, at_least: bool, len: i64) -> bool {
        let Some(o) = self.b().as_object().filter(|o| o.kind() == ObjectKind::List) else {
            return false;
        };
        let have = self.ctx.mutator.load(o, slots::LEN).int_unchecked();
        if at_least { have >= len } else { have == len }
    }

    // ---- calls ----

    /// Goes on in `f`, whose `args` window words are in place at `a`.
    unsafe fn enter(&mut self, f: FuncInfo, args: usize) -> Step {
        let tail = matches!(self.i.op, Op::TailCall | Op::TailCallDirect | Op::TailCallMethod);
        // SAFETY: state as saved; the window is verified.
        unsafe {
            if !tail {
                let at = self.i.a as usize;
                let (pc, base) = self.ctx.push_frame(f, at, self.next, self.base)?;
                self.next = pc;
                self.base = base;
                return Ok(());
            }
            self.base = self.ctx.make_room(f.registers as usize, self.base)?;
            let from = self.base.add(self.i.a as usize);
            let moved = if from == self.base { 0 } else { args };
            for n in 0..moved {
                self.ctx.mutator.take(&mut *self.base.add(n), &mut *from.add(n));
            }
            let held = self.i.c as usize;
            if <H::Mutator as Mutator>::COUNTS && held > args {
                let rest = std::slice::from_raw_parts_mut(self.base.add(args), held - args);
                self.ctx.mutator.clear(rest);
            }
            self.next = f.code;
        }
        Ok(())
    }
    unsafe fn call_value(&mut self) -> Step {
        let args = self.i.b as usize;
        let f = *self.ctx.callable(self.reg(self.i.a + self.i.b), args)?;
        // SAFETY: as `enter`; the callee word moves with its arguments.
        unsafe { self.enter(f, args + 1) }
    }
    unsafe fn call_method(&mut self) -> Step {
        let i = self.i;
        let site = i.d as usize;
        let receiver = self.a();
        let name = self.ctx.loaded().code().method_sites[site].name;
        let class = builtins::class_of(receiver);
        let Some(method) = self.ctx.loaded().method(class, name, site) else {
            return Err(self.no_method(receiver, name));
        };
        match method {
            Method::Mena(f) if f.params == i.b => {
                // SAFETY: as `enter`.
                unsafe { self.enter(f, i.b as usize) }
            }
            Method::Mena(f) => {
                let text = self.ctx.world().program.names.text(name).to_owned();
                let (expected, given) = (f.params as usize - 1, i.b as usize - 1);
                Err(self.ctx.arity_error(&text, expected, given))
            }
            Method::Native(m) => {
                if i.b < m.min_args || i.b > m.max_args {
                    let text = self.ctx.world().program.names.text(name).to_owned();
                    let expected = if i.b < m.min_args { m.min_args } else { m.max_args };
                    let (expected, given) = (expected as usize - 1, i.b as usize - 1);
                    return Err(self.ctx.arity_error(&text, expected, given));
                }
                let v = self.native_window(m.run, i.a, i.b)?;
                self.set(i.a, v)?;
                if i.op == Op::TailCallMethod { self.return_from(i.a) } else { Ok(()) }
            }
        }
    }
    fn no_method(&mut self, receiver: Value, name: Name) -> Exit {
        let on = builtins::type_name(self.ctx, receiver);
        let name = self.ctx.world().program.names.text(name).to_owned();
        self.ctx.error("TypeMismatch", &format!("no method `{name}` on {on}"))
    }
    /// Returns register `r`: a tail call that ended in a builtin.
    fn return_from(&mut self, r: u8) -> Step {
        let v = self.reg(r);
        self.set(0, v)?;
        let function = self.ctx.loaded().function_at(self.ctx.loaded().index_of(self.pc));
        if <H::Mutator as Mutator>::COUNTS
            && let Some(f) = function
        {
            let count = self.ctx.loaded().funcs()[f].registers as usize;
            // SAFETY: the running window has `count` registers (T2).
            let rest = unsafe { std::slice::from_raw_parts_mut(self.base.add(1), count - 1) };
            self.ctx.mutator.clear(rest);
        }
        // SAFETY: a function is running, so there is a frame (T4).
        let frame = unsafe { *self.ctx.frame_top };
        // SAFETY: as above.
        self.ctx.frame_top = unsafe { self.ctx.frame_top.add(1) };
        self.next = frame.pc;
        self.base = frame.base;
        Ok(())
    }

    /// Ends the region in `b`; the result in `c` goes to `a`, promoted if it has to be.
    unsafe fn leave_region(&mut self) -> Step {
        let region = Region(self.b().int_unchecked() as u64);
        let mut result = self.c();
        if <H::Mutator as Mutator>::REGIONS {
            let (loaded, next, base) = (self.ctx.loaded(), self.next, self.base);
            let (target, kept) = (self.i.a.into(), self.i.c.into());
            if <H::Mutator as Mutator>::COUNTS {
                // SAFETY: by the caller.
                unsafe { self.clear_dead_after() };
                // A dead register must not keep a reference that nothing counts.
                self.know_live(loaded.registers_at(next));
            } else {
                self.know_live(loaded.live_registers(next).filter(|&r| r != target).chain([kept]));
            }
            let task = self.ctx.task;
            let mut stop = self.ctx.stop();
            let mut live = |f: &mut dyn FnMut(&mut Value)| {
                // SAFETY: the running task's own words, registers of its window (T2) among them;
                // borrowed for this visit alone.
                let mut visit = |r: usize| f(unsafe { &mut *base.add(r) });
                if <H::Mutator as Mutator>::COUNTS {
                    loaded.registers_at(next).for_each(&mut visit);
                } else {
                    loaded.live_registers(next).filter(|&r| r != target).for_each(&mut visit);
                }
                // SAFETY: as above.
                if let Some(trace) = unsafe { &mut (*task).trace } {
                    f(&mut trace.of);
                }
            };
            let at = &mut Safepoint::new(&mut stop);
            self.ctx.mutator.leave(region, &mut result, &mut live, at);
        }
        self.set(self.i.a, result)
    }
    /// Notes in the instruction which registers its fast body has to look at, if that many have a bit.
    fn know_live(&self, registers: impl Iterator<Item = usize>) {
        if self.i.d != 0 {
            return;
        }
        let mut live = LIVE_KNOWN;
        for r in registers {
            if r >= LIVE_KNOWN.trailing_zeros() as usize {
                return;
            }
            live |= 1 << r;
        }
        self.ctx.loaded().patch(self.pc, Instruction { d: live as i32, ..self.i }.encode());
    }
    /// Clears the registers that are dead behind this instruction, but for the result's, in a counting
    /// heap.
    unsafe fn clear_dead_after(&mut self) {
        let loaded = self.ctx.loaded();
        let (target, result) = (self.i.a.into(), self.i.c.into());
        for r in loaded.dead_registers(self.next).chain([target]).filter(|&r| r != result) {
            // SAFETY: within the window.
            let register = unsafe { &mut *self.base.add(r) };
            self.ctx.mutator.clear(std::slice::from_mut(register));
            *register = Value::NIL;
        }
    }

    // ---- fields ----

    fn get_field(&mut self, name: Name, cached: bool) -> Step {
        let (o, slot) = self.field_place(self.b(), name)?;
        if cached {
            self.fill_cache(o.class(), slot);
        }
        let v = self.ctx.mutator.load(o, slot);
        self.set(self.i.a, v)
    }
    fn set_field(&mut self, name: Name, cached: bool) -> Step {
        let (o, slot) = self.field_place(self.a(), name)?;
        if cached {
            self.fill_cache(o.class(), slot);
        }
        let v = self.b();
        self.ctx.mutator.store(o, slot, v);
        Ok(())
    }
    fn field_place(&mut self, v: Value, name: Name) -> Result<(Obj, usize), Exit> {
        if let Some(o) = v.as_object()
            && let Some(slot) = self.ctx.loaded().field_slot(o.class(), name)
        {
            return Ok((o, slot));
        }
        let on = builtins::type_name(self.ctx, v);
        let name = self.ctx.world().program.names.text(name).to_owned();
        Err(self.ctx.error("TypeMismatch", &format!("no field `{name}` on {on}")))
    }
    /// Rewrites the instruction: class and slot of the last object seen here.
    fn fill_cache(&mut self, class: ClassId, slot: usize) {
        if let Ok(slot) = u8::try_from(slot) {
            let kept = self.i.encode() & 0x0000_ffff_00ff_ffff;
            let word = kept | u64::from(slot) << 24 | u64::from(class.0) << 48;
            self.ctx.loaded().patch(self.pc, word);
        }
    }
    fn update_record(&mut self) -> Step {
        let i = self.i;
        let table = &self.ctx.loaded().code().updates[i.d as usize];
        let base = self.b();
        let Some(old) = base.as_object().filter(|o| o.class() == table.class) else {
            let found = builtins::type_name(self.ctx, base);
            let record = table.class.0 - ClassId::FIRST_RECORD;
            let world = self.ctx.world();
            let name = world.program.classes[record as usize].name;
            let name = world.program.names.text(name).to_owned();
            let message = format!("`..` of a {name} literal needs a {name}, not a {found}");
            return Err(self.ctx.error("TypeMismatch", &message));
        };
        let layout = old.layout();
        let new = self.ctx.alloc(layout).map_err(Exit::Throw)?;
        // The allocation may have moved it: the register has its new place.
        let old = self.b().as_object().expect("checked above");
        for n in 0..layout.len as usize {
            let replaced = table.slots.iter().position(|&slot| slot as usize == n);
            let v = match replaced {
                Some(k) => self.reg(i.b + 1 + k as u8),
                None => self.ctx.mutator.load(old, n),
            };
            self.ctx.mutator.init(new, n, v);
        }
        self.set(i.a, Value::object(new))
    }
}
