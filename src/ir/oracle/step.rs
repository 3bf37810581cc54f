//! One instruction or terminator.

use super::*;
use crate::builtins::{self, operators};
use crate::class::RecordClass;
use crate::host::{Native, NativeFn, NativeResult};
use crate::ir::{BinaryOp, Const, Inst, Op, Terminator, UnaryOp};

impl<'p> Oracle<'p> {
    /// Runs one instruction or terminator. `Some`: the task's result.
    pub(super) fn step(&mut self, task: &mut Task<'p>) -> Result<Option<Value>, Exit> {
        let frame = task.top();
        let block = frame.block();
        let (step, is_term) = match block.insts.get(frame.inst) {
            Some(inst) => (self.inst(task, inst), false),
            None => (self.term(task, &block.term), true),
        };
        // A turn is over when the task runs again, and gave nil. Anything else is done again.
        let (step, wait) = match step {
            Err(Exit::Block(wait)) if !wait.is_redone() => {
                (Ok(Step::Value(Value::NIL)), Some(wait))
            }
            step => (step, None),
        };
        let ended = match step? {
            Step::Value(value) if is_term => self.return_from(task, value),
            Step::Value(value) => {
                task.top().finish(value);
                None
            }
            Step::Called | Step::Gone => None,
        };
        match (wait, ended) {
            (Some(wait), None) => Err(Exit::Block(wait)),
            (_, ended) => Ok(ended),
        }
    }

    /// The function at the top returns `value`.
    fn return_from(&mut self, task: &mut Task<'p>, value: Value) -> Option<Value> {
        task.top().locals.end_frame();
        task.frames.pop();
        match task.frames.last_mut() {
            Some(caller) => {
                caller.finish(value);
                None
            }
            None => Some(value),
        }
    }

    /// Counts a call or a jump backwards.
    fn count(&mut self) -> Result<(), Exit> {
        self.steps += 1;
        if self.step_limit.is_some_and(|limit| self.steps >= limit) {
            return Err(Exit::Fatal(Fatal::StepLimit));
        }
        Ok(())
    }

    fn term(&mut self, task: &mut Task<'p>, term: &'p Terminator) -> Result<Step, Exit> {
        let frame = task.top();
        match term {
            Terminator::Jump(target, args) => {
                let args = frame.list(args);
                self.jump(task, *target, &args)
            }
            Terminator::Branch { cond, then, otherwise } => {
                let target = if frame.get(*cond).truthy() { *then } else { *otherwise };
                self.jump(task, target, &[])
            }
            Terminator::Switch { value, min, targets, default } => {
                let number = int_of(frame.get(*value));
                let index = number.and_then(|number| number.checked_sub(*min));
                let index = index.and_then(|index| usize::try_from(index).ok());
                let target = index.and_then(|index| targets.get(index)).unwrap_or(default);
                self.jump(task, *target, &[])
            }
            Terminator::Try { body, .. } => self.jump(task, *body, &[]),
            Terminator::Return(value) => Ok(Step::Value(frame.get(*value))),
            Terminator::Throw(value) => Err(Exit::Throw(frame.get(*value))),
            Terminator::TailCall(callee, args) => {
                let (callee, args) = (frame.get(*callee), frame.list(args));
                self.count()?;
                let f = self.callable(callee, args.len())?;
                self.replace(task, f, args, callee)
            }
            Terminator::TailCallDirect(f, args) => {
                let args = frame.list(args);
                self.count()?;
                self.replace(task, *f, args, Value::NIL)
            }
            Terminator::TailCallMethod(receiver, name, args) => {
                let args = with_receiver(frame, *receiver, args);
                self.count()?;
                match self.method(*name, &args)? {
                    Method::Mena(f) => self.replace(task, f, args, Value::NIL),
                    Method::Native(f) => self.native(f, args),
                }
            }
            Terminator::Unreachable => panic!("an unreachable place is reached"),
        }
    }

    pub(super) fn jump(
        &mut self,
        task: &mut Task<'p>,
        to: BlockId,
        args: &[Value],
    ) -> Result<Step, Exit> {
        if to <= task.top().block {
            self.count()?;
        }
        task.top().go(to, args);
        Ok(Step::Gone)
    }

    pub(super) fn inst(&mut self, task: &mut Task<'p>, inst: &'p Inst) -> Result<Step, Exit> {
        let frame = task.top();
        let get = |value: &ValueId| frame.get(*value);
        let value = match &inst.op {
            Op::Const(constant) => self.constant(constant)?,
            Op::Unary(op, a) => return self.native(unary(*op), vec![get(a)]),
            Op::Binary(op, a, b) => {
                return self.native(binary(*op), vec![get(a), get(b)]);
            }
            Op::GlobalGet(global) => self.host.world.globals[global.index()],
            Op::GlobalSet(global, a) => {
                self.host.world.globals[global.index()] = get(a);
                Value::NIL
            }
            Op::SlotGet(slot) => frame.slots[slot.index()],
            Op::SlotSet(slot, a) => {
                frame.slots[slot.index()] = frame.get(*a);
                Value::NIL
            }
            Op::CellNew(a) => {
                let a = get(a);
                let cell = self.alloc(ObjectLayout::new(ObjectKind::Cell, 1))?;
                self.host.init(cell, slots::CELL, a);
                Value::object(cell)
            }
            Op::CellGet(cell) => self.host.load(cell_of(get(cell)), slots::CELL),
            Op::CellSet(cell, a) => {
                self.host.store(cell_of(get(cell)), slots::CELL, get(a));
                Value::NIL
            }
            Op::Closure(f, captures) => {
                let captures = frame.list(captures);
                self.closure(*f, &captures)?
            }
            Op::Capture(n) => {
                let closure = frame.closure.as_object().expect("a closure with captures runs");
                self.host.load(closure, slots::CAPTURES + *n as usize)
            }
            Op::Call(callee, args) => {
                let (callee, args) = (get(callee), frame.list(args));
                self.count()?;
                let f = self.callable(callee, args.len())?;
                return self.call(task, f, args, callee);
            }
            Op::CallDirect(f, args) => {
                let args = frame.list(args);
                self.count()?;
                return self.call(task, *f, args, Value::NIL);
            }
            Op::CallMethod(receiver, name, args) => {
                let args = with_receiver(frame, *receiver, args);
                self.count()?;
                return match self.method(*name, &args)? {
                    Method::Mena(f) => self.call(task, f, args, Value::NIL),
                    Method::Native(f) => self.native(f, args),
                };
            }
            Op::CallNative(native, args) => {
                let args = frame.list(args);
                return match builtins::FUNCTIONS.get(native.index()) {
                    Some(builtin) => self.native(builtin.run, args),
                    None => {
                        let function = self.program.functions.get(*native);
                        let function = function.expect("the program was compiled with it");
                        self.native(|cx| function.call(cx), args)
                    }
                };
            }
            Op::Field(a, name) => {
                let record = get(a);
                let slot = self.field_slot(record, *name)?;
                self.host.load(object_of(record), slot)
            }
            Op::SetField(a, name, b) => {
                let (record, b) = (get(a), get(b));
                let slot = self.field_slot(record, *name)?;
                self.host.store(object_of(record), slot, b);
                Value::NIL
            }
            Op::Index(a, b) => return self.native(operators::index, vec![get(a), get(b)]),
            Op::SetIndex(a, b, c) => {
                return self.native(operators::set_index, vec![get(a), get(b), get(c)]);
            }
            Op::TupleField(a, n) => {
                return self.native(operators::tuple_field, vec![get(a), number(*n)]);
            }
            Op::Elem(a, n) => self.host.load(object_of(get(a)), *n as usize),
            Op::MakeTuple(args) => return self.native(operators::make_tuple, frame.list(args)),
            Op::MakeList(args) => return self.native(operators::make_list, frame.list(args)),
            Op::MakeMap(args) => return self.native(operators::make_map, frame.list(args)),
            Op::MakeSet(args) => return self.native(operators::make_set, frame.list(args)),
            Op::MakeRecord(class, args) => {
                let args = frame.list(args);
                self.record(*class, &args)?
            }
            Op::UpdateRecord(class, base, updates) => {
                let base = get(base);
                let updates: Vec<_> = updates.iter().map(|(n, v)| (*n, get(v))).collect();
                self.update_record(*class, base, &updates)?
            }
            Op::MakeRange { start, end, inclusive } => {
                let args = vec![get(start), get(end), Value::bool(*inclusive)];
                return self.native(operators::make_range, args);
            }
            Op::Concat(args) => return self.native(operators::concat, frame.list(args)),
            Op::IsClass(a, class) => Value::bool(builtins::class_of(get(a)) == *class),
            Op::IsTuple(a, len) => {
                let tuple = of_kind(get(a), ObjectKind::Tuple);
                Value::bool(tuple.is_some_and(|tuple| tuple.len() == *len as usize))
            }
            Op::IsList { value, len, at_least } => {
                let wanted = i64::from(*len);
                let have = of_kind(get(value), ObjectKind::List)
                    .map(|list| self.host.load(list, slots::LEN).int_unchecked());
                let is = |have| if *at_least { have >= wanted } else { have == wanted };
                Value::bool(have.is_some_and(is))
            }
            Op::Matches(a, b) => return self.native(operators::matches, vec![get(a), get(b)]),
            Op::ListElem { list, index, from_end } => {
                let args = vec![get(list), number(*index), Value::bool(*from_end)];
                return self.native(operators::list_elem, args);
            }
            Op::ListRest { list, before, after } => {
                let args = vec![get(list), number(*before), number(*after)];
                return self.native(operators::list_rest, args);
            }
            Op::IterStart(a) => return self.native(operators::iter_start, vec![get(a)]),
            Op::IterDone(a, b) => return self.native(operators::iter_done, vec![get(a), get(b)]),
            Op::IterGet(a, b) => return self.native(operators::iter_get, vec![get(a), get(b)]),
            Op::IterNext(a, b) => return self.native(operators::iter_next, vec![get(a), get(b)]),
            Op::Spawn(callee, args) => {
                let (callee, args, at) = (get(callee), frame.list(args), frame.place());
                let f = self.callable(callee, args.len())?;
                self.spawn(f, args, callee, Some(at)).map_err(Exit::Throw)?
            }
            Op::Yield => return self.native(builtins::give_way, vec![]),
            // Nothing is freed, so nothing needs to be promoted.
            Op::RegionEnter => task.top().locals.enter(),
            Op::RegionLeave(region, a) => {
                let (region, value) = (get(region), get(a));
                task.top().locals.leave(region);
                value
            }
        };
        Ok(Step::Value(value))
    }

    // ---- Parts of instructions --------------------------------------------------------------

    fn native(
        &mut self,
        f: impl FnOnce(&mut Native<'_>) -> NativeResult,
        args: Vec<Value>,
    ) -> Result<Step, Exit> {
        let result = self.host.call(f, &args);
        self.wake_all();
        result.map(Step::Value)
    }

    pub(super) fn alloc(&mut self, layout: ObjectLayout) -> Result<Obj, Exit> {
        self.host.alloc(layout).map_err(Exit::Throw)
    }

    pub(super) fn constant(&mut self, constant: &Const) -> Result<Value, Exit> {
        let key = match constant {
            Const::Nil => return Ok(Value::NIL),
            Const::Bool(value) => return Ok(Value::bool(*value)),
            Const::Char(value) => return Ok(Value::char(*value)),
            Const::Keyword(name) => return Ok(Value::keyword(*name)),
            Const::Int(value) => match Value::int(*value) {
                Some(word) => return Ok(word),
                None => ConstKey::Int(*value),
            },
            Const::Float(value) => match Value::float(*value) {
                Some(word) => return Ok(word),
                None => ConstKey::Float(value.to_bits()),
            },
            Const::Str(text) => ConstKey::Str(text.clone()),
            Const::Func(f) => ConstKey::Func(*f),
        };
        if let Some(&value) = self.constants.get(&key) {
            return Ok(value);
        }
        let value = match &key {
            ConstKey::Int(value) => self.boxed(ObjectKind::BoxedInt, *value as u64)?,
            ConstKey::Float(bits) => self.boxed(ObjectKind::BoxedFloat, *bits)?,
            ConstKey::Str(text) => {
                let o = self.alloc(ObjectLayout::new(ObjectKind::Str, text.len() as u32))?;
                o.copy_bytes(0, text.as_bytes());
                Value::object(o)
            }
            ConstKey::Func(f) => self.closure(*f, &[])?,
        };
        self.constants.insert(key, value);
        Ok(value)
    }

    fn boxed(&mut self, kind: ObjectKind, word: u64) -> Result<Value, Exit> {
        let o = self.alloc(ObjectLayout::new(kind, 8))?;
        o.set_raw_word(0, word);
        Ok(Value::object(o))
    }

    pub(super) fn closure(&mut self, f: FuncId, captures: &[Value]) -> Result<Value, Exit> {
        let len = captures.len() + slots::CAPTURES;
        let o = self.alloc(ObjectLayout::new(ObjectKind::Closure, len as u32))?;
        self.host.init(o, slots::FUNC, number(f.0));
        for (n, &capture) in captures.iter().enumerate() {
            self.host.init(o, slots::CAPTURES + n, capture);
        }
        Ok(Value::object(o))
    }

    fn record(&mut self, class: ClassId, fields: &[Value]) -> Result<Value, Exit> {
        let record = self.alloc(ObjectLayout::record(class, fields.len() as u32))?;
        for (n, &field) in fields.iter().enumerate() {
            self.host.init(record, n, field);
        }
        Ok(Value::object(record))
    }

    /// The declaration of the class, if it is a record's.
    fn record_class(&self, class: ClassId) -> Option<&'p RecordClass> {
        let index = class.0.checked_sub(ClassId::FIRST_RECORD)?;
        self.program.classes.get(usize::from(index))
    }

    /// Where the field is, if the value is a record that has it.
    fn field_slot(&mut self, record: Value, name: Name) -> Result<usize, Exit> {
        let class = self.record_class(builtins::class_of(record));
        let slot = class.and_then(|class| class.fields.iter().position(|&field| field == name));
        slot.ok_or_else(|| {
            let on = builtins::type_name(&mut self.host, record);
            let name = self.program.names.text(name);
            self.error("TypeMismatch", &format!("no field `{name}` on {on}"))
        })
    }

    fn update_record(
        &mut self,
        class: ClassId,
        base: Value,
        updates: &[(u32, Value)],
    ) -> Result<Value, Exit> {
        let record = self.record_class(class).expect("an update is of a record class");
        if builtins::class_of(base) != class {
            let found = builtins::type_name(&mut self.host, base);
            let name = self.program.names.text(record.name);
            let message = format!("`..` of a {name} literal needs a {name}, not a {found}");
            return Err(self.error("TypeMismatch", &message));
        }
        let mut fields: Vec<Value> =
            (0..record.fields.len()).map(|n| self.host.load(object_of(base), n)).collect();
        // Of one slot given twice, the first counts.
        for &(slot, value) in updates.iter().rev() {
            fields[slot as usize] = value;
        }
        self.record(class, &fields)
    }

    // ---- Calls ------------------------------------------------------------------------------

    pub(super) fn frame(&self, f: FuncId, args: Vec<Value>, closure: Value) -> Frame<'p> {
        let function = &self.program.funcs[f.index()];
        assert_eq!(function.params.len(), args.len(), "a call passes what its function takes");
        let mut values = vec![Value::UNDEFINED; function.value_count as usize];
        for (param, arg) in function.params.iter().zip(args) {
            values[param.index()] = arg;
        }
        let slots = vec![Value::NIL; function.slot_count as usize];
        let locals = Locals::default();
        Frame { function, block: BlockId(0), inst: 0, values, slots, closure, locals }
    }

    pub(super) fn call(
        &mut self,
        task: &mut Task<'p>,
        f: FuncId,
        args: Vec<Value>,
        closure: Value,
    ) -> Result<Step, Exit> {
        if task.frames.len() >= self.depth_max {
            return Err(Exit::Throw(self.host.world.stack_overflow));
        }
        task.frames.push(self.frame(f, args, closure));
        Ok(Step::Called)
    }

    /// A tail call: the new frame takes the place of the caller's.
    fn replace(
        &mut self,
        task: &mut Task<'p>,
        f: FuncId,
        args: Vec<Value>,
        closure: Value,
    ) -> Result<Step, Exit> {
        task.top().locals.end_frame();
        *task.top() = self.frame(f, args, closure);
        Ok(Step::Called)
    }

    /// The function of a callable value, if it takes that many arguments.
    fn callable(&mut self, callee: Value, given: usize) -> Result<FuncId, Exit> {
        let closure = callee.as_object().filter(|o| o.kind() == ObjectKind::Closure);
        let Some(closure) = closure else {
            let found = builtins::type_name(&mut self.host, callee);
            return Err(self.error("TypeMismatch", &format!("a {found} cannot be called")));
        };
        let f = FuncId(self.host.load(closure, slots::FUNC).int_unchecked() as u32);
        let function = &self.program.funcs[f.index()];
        if function.params.len() == given {
            return Ok(f);
        }
        Err(self.arity_error(function.name, function.params.len(), given))
    }

    fn arity_error(&mut self, name: Name, expected: usize, given: usize) -> Exit {
        let name = self.program.names.text(name);
        let s = if expected == 1 { "" } else { "s" };
        let message = format!("`{name}` takes {expected} argument{s}, not {given}");
        self.error("ArityMismatch", &message)
    }

    /// The method `name` of the first argument, if it takes that many arguments.
    fn method(&mut self, name: Name, args: &[Value]) -> Result<Method, Exit> {
        let class = builtins::class_of(args[0]);
        let given = args.len();
        if let Some(&f) = self.methods.get(&(class, name)) {
            let expected = self.program.funcs[f.index()].params.len();
            if expected != given {
                return Err(self.arity_error(name, expected - 1, given - 1));
            }
            return Ok(Method::Mena(f));
        }
        let text = self.program.names.text(name);
        let native = builtins::METHODS.iter().rfind(|m| m.class == class && m.name == text);
        let Some(native) = native else {
            let on = builtins::type_name(&mut self.host, args[0]);
            return Err(self.error("TypeMismatch", &format!("no method `{text}` on {on}")));
        };
        let (min, max) = (usize::from(native.min_args), usize::from(native.max_args));
        if given < min || (given > max && native.max_args != u8::MAX) {
            let expected = if given < min { min } else { max };
            return Err(self.arity_error(name, expected - 1, given - 1));
        }
        Ok(Method::Native(native.run))
    }
}

/// What a method call ends up in.
enum Method {
    Mena(FuncId),
    Native(NativeFn),
}

fn with_receiver(frame: &Frame<'_>, receiver: ValueId, args: &[ValueId]) -> Vec<Value> {
    [receiver].iter().chain(args).map(|&value| frame.get(value)).collect()
}

fn number(n: u32) -> Value {
    Value::small(i64::from(n))
}

fn object_of(v: Value) -> Obj {
    v.as_object().expect("a test has shown that it is an object")
}

fn of_kind(v: Value, kind: ObjectKind) -> Option<Obj> {
    v.as_object().filter(|o| o.kind() == kind)
}

fn cell_of(v: Value) -> Obj {
    of_kind(v, ObjectKind::Cell).expect("a cell (R5)")
}

/// The int, inline or boxed.
fn int_of(v: Value) -> Option<i64> {
    v.as_int().or_else(|| of_kind(v, ObjectKind::BoxedInt).map(|o| o.raw_word(0) as i64))
}

fn unary(op: UnaryOp) -> NativeFn {
    match op {
        UnaryOp::Neg => operators::neg,
        UnaryOp::Not => operators::not,
        UnaryOp::BitNot => operators::bit_not,
    }
}

fn binary(op: BinaryOp) -> NativeFn {
    match op {
        BinaryOp::Add => operators::add,
        BinaryOp::Sub => operators::sub,
        BinaryOp::Mul => operators::mul,
        BinaryOp::Div => operators::div,
        BinaryOp::Rem => operators::rem,
        BinaryOp::BitAnd => operators::bit_and,
        BinaryOp::BitOr => operators::bit_or,
        BinaryOp::BitXor => operators::bit_xor,
        BinaryOp::Shl => operators::shl,
        BinaryOp::Shr => operators::shr,
        BinaryOp::ShrLogical => operators::shr_logical,
        BinaryOp::Eq => operators::eq,
        BinaryOp::Ne => operators::ne,
        BinaryOp::Lt => operators::lt,
        BinaryOp::Le => operators::le,
        BinaryOp::Gt => operators::gt,
        BinaryOp::Ge => operators::ge,
    }
}

pub(super) fn is_observed(handle: Obj) -> bool {
    handle.slot(slots::TASK_OBSERVED).truthy()
}
