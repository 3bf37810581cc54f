//! Two machines that run IR and bytecode over made-up values, for differential tests of emission.
//!
//! Values are numbers. Arithmetic wraps; everything else is a hash of the operation and its
//! operands, and of how many effects came before if it reads memory. Calls and stores are effects,
//! which are logged. Now and then an operation raises, as decided by a hash too. Both machines
//! share [`World`], so equal logs mean that the bytecode did the same with the same values.

#![allow(dead_code, reason = "not every test runs both machines")]

use menagerie::bytecode::liveness::FunctionLiveness;
use menagerie::bytecode::ops::{Flow, Instruction, Op as B, Role};
use menagerie::bytecode::{Code, Constant};
use menagerie::ir::{BinaryOp, BlockId, Const, Function, Op, Terminator, UnaryOp, ValueId};
use menagerie::value::{Kind, Value};
use std::collections::HashMap;

type V = u64;

/// What a register that nobody may read holds.
const POISON: V = 0xdead_dead_dead_dead;
/// The running closure.
const CLOSURE: V = 0xc105;
/// Steps of either machine; blocks of the IR's count as one.
const STEPS_MAX: usize = 3000;
/// Effects after which both stop.
pub(crate) const EFFECTS_MAX: usize = 200;

/// How a run ended.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum End {
    Returned(V),
    Thrown(V),
    /// Out of steps or effects.
    Cut,
}

fn hash(parts: &[V]) -> V {
    let mut h = 0x9e37_79b9_7f4a_7c15u64;
    for &part in parts {
        h = (h ^ part).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h ^= h >> 32;
    }
    h & 0xffff
}

fn text_hash(text: &str) -> V {
    hash(&text.bytes().map(V::from).collect::<Vec<_>>())
}

/// What the machines have in common.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) log: Vec<V>,
    /// How rarely operations raise; 0: never.
    pub(crate) calm: u64,
    /// Whether to check that returning frames clear what they hold.
    pub(crate) counts: bool,
}

type Raised<T> = Result<T, V>;

impl World {
    fn raise(&self, parts: &[V]) -> Raised<()> {
        let h = hash(&[hash(parts), self.log.len() as V, 7]);
        if self.calm > 0 && h.is_multiple_of(self.calm) { Err(h) } else { Ok(()) }
    }
    /// An operation that reads memory and may raise.
    fn compute(&self, name: &str, parts: &[V]) -> Raised<V> {
        let h = self.read(name, parts);
        self.raise(&[h])?;
        Ok(h)
    }
    fn read(&self, name: &str, parts: &[V]) -> V {
        hash(&[text_hash(name), hash(parts), self.log.len() as V])
    }
    /// An effect that may raise, before or after it happened.
    fn effect(&mut self, name: &str, parts: &[V]) -> Raised<V> {
        let h = self.compute(name, parts)?;
        self.log.push(h);
        self.raise(&[h, 1])?;
        Ok(h)
    }
    fn add(&self, a: V, b: V) -> Raised<V> {
        self.number(a.wrapping_add(b))
    }
    fn sub(&self, a: V, b: V) -> Raised<V> {
        self.number(a.wrapping_sub(b))
    }
    fn mul(&self, a: V, b: V) -> Raised<V> {
        self.number(a.wrapping_mul(b))
    }
    fn number(&self, result: V) -> Raised<V> {
        self.raise(&[result, 3])?;
        Ok(result)
    }
    fn less(&self, a: V, b: V, or_equal: bool) -> Raised<bool> {
        self.raise(&[a ^ b, 4])?;
        let numbers = a % 16 != 9 && b % 16 != 9;
        let (a, b) = (a as i64, b as i64);
        Ok(numbers && (a < b || or_equal && a == b))
    }
    fn binary(&self, op: BinaryOp, a: V, b: V) -> Raised<V> {
        Ok(match op {
            BinaryOp::Add => self.add(a, b)?,
            BinaryOp::Sub => self.sub(a, b)?,
            BinaryOp::Mul => self.mul(a, b)?,
            BinaryOp::BitAnd => self.number(a & b)?,
            BinaryOp::Eq => bool_value(a == b),
            BinaryOp::Ne => bool_value(a != b),
            BinaryOp::Lt => bool_value(self.less(a, b, false)?),
            BinaryOp::Le => bool_value(self.less(a, b, true)?),
            BinaryOp::Gt => bool_value(self.less(b, a, false)?),
            BinaryOp::Ge => bool_value(self.less(b, a, true)?),
            BinaryOp::Div => self.compute("div", &[a, b])?,
            BinaryOp::Rem => self.compute("rem", &[a, b])?,
            BinaryOp::BitOr => self.compute("bit_or", &[a, b])?,
            BinaryOp::BitXor => self.compute("bit_xor", &[a, b])?,
            BinaryOp::Shl => self.compute("shl", &[a, b])?,
            BinaryOp::Shr => self.compute("shr", &[a, b])?,
            BinaryOp::ShrLogical => self.compute("shr_logical", &[a, b])?,
        })
    }
    fn is_class(&self, v: V, class: u64) -> bool {
        hash(&[v, class, 5]).is_multiple_of(3)
    }
    fn is_done(&self, source: V, position: V) -> bool {
        self.read("done", &[source, position]).is_multiple_of(3)
    }
}

fn extend(start: V, elements: &[V]) -> V {
    elements.iter().fold(start, |h, &e| hash(&[h, e]))
}
const NIL: V = 0x10_0000;
const FALSE: V = 0x10_0001;
const TRUE: V = 0x10_0002;

fn bool_value(b: bool) -> V {
    if b { TRUE } else { FALSE }
}
fn truthy(v: V) -> bool {
    v != NIL && v != FALSE
}
fn float_value(f: f64) -> V {
    hash(&[f.to_bits(), 11])
}
fn word_value(v: Value) -> V {
    match v.kind() {
        Kind::Nil => NIL,
        Kind::Bool(b) => bool_value(b),
        Kind::Int(i) => i as V,
        Kind::Float(f) => float_value(f),
        Kind::Char(c) => hash(&[c as V, 12]),
        Kind::Keyword(name) => hash(&[name.0.into(), 13]),
        Kind::Symbol(name) => hash(&[name.0.into(), 15]),
        kind => panic!("no immediate: {kind:?}"),
    }
}
fn const_value(constant: &Const) -> V {
    match constant {
        Const::Nil => NIL,
        Const::Bool(b) => bool_value(*b),
        Const::Int(i) => *i as V,
        Const::Float(f) => float_value(*f),
        Const::Char(c) => hash(&[*c as V, 12]),
        Const::Keyword(name) => hash(&[name.0.into(), 13]),
        Const::Str(text) => text_hash(text),
        Const::Func(id) => hash(&[id.0.into(), 14]),
    }
}
fn constant_value(constant: &Constant) -> V {
    match constant {
        Constant::Int(i) => *i as V,
        Constant::Float(f) => float_value(*f),
        Constant::Word(v) => word_value(*v),
        Constant::Str(text) => text_hash(text),
        Constant::Func(id) => hash(&[id.0.into(), 14]),
    }
}
fn switch_index(v: V, min: i64, count: usize) -> Option<usize> {
    usize::try_from((v as i64).checked_sub(min)?).ok().filter(|&n| n < count)
}

// ---- the IR ----

struct IrRun<'a> {
    world: &'a mut World,
    values: Vec<V>,
    slots: Vec<V>,
    globals: HashMap<u32, V>,
}

/// Runs a function of the IR.
pub(crate) fn run_ir(function: &Function, args: &[V], world: &mut World) -> End {
    let mut run = IrRun {
        world,
        values: vec![POISON; function.value_count as usize],
        slots: vec![NIL; function.slot_count as usize],
        globals: HashMap::new(),
    };
    for (v, &arg) in function.params.iter().zip(args) {
        run.values[v.index()] = arg;
    }
    let mut at = BlockId(0);
    for _ in 0..STEPS_MAX {
        if run.world.log.len() >= EFFECTS_MAX {
            return End::Cut;
        }
        let block = &function.blocks[at.index()];
        match run.block(function, at) {
            Ok(Step::Go(to)) => at = to,
            Ok(Step::Return(v)) => return End::Returned(v),
            Err(error) => match block.handler {
                Some(handler) => {
                    let param = function.blocks[handler.index()].params[0];
                    run.values[param.index()] = error;
                    at = handler;
                }
                None => return End::Thrown(error),
            },
        }
    }
    End::Cut
}

enum Step {
    Go(BlockId),
    Return(V),
}

impl IrRun<'_> {
    fn get(&self, v: ValueId) -> V {
        let value = self.values[v.index()];
        assert_ne!(value, POISON, "the IR reads v{} before it is defined", v.0);
        value
    }
    fn list(&self, list: &[ValueId]) -> Vec<V> {
        list.iter().map(|&v| self.get(v)).collect()
    }
    fn block(&mut self, function: &Function, at: BlockId) -> Raised<Step> {
        let block = &function.blocks[at.index()];
        for inst in &block.insts {
            if self.world.log.len() >= EFFECTS_MAX {
                return Ok(Step::Go(at));
            }
            let v = self.op(&inst.op)?;
            if let Some(result) = inst.result {
                self.values[result.index()] = v;
            }
        }
        Ok(match &block.term {
            Terminator::Jump(to, args) => {
                let args = self.list(args);
                for (p, arg) in function.blocks[to.index()].params.iter().zip(args) {
                    self.values[p.index()] = arg;
                }
                Step::Go(*to)
            }
            Terminator::Branch { cond, then, otherwise } => {
                Step::Go(if truthy(self.get(*cond)) { *then } else { *otherwise })
            }
            Terminator::Switch { value, min, targets, default } => {
                let index = switch_index(self.get(*value), *min, targets.len());
                Step::Go(index.map_or(*default, |n| targets[n]))
            }
            Terminator::Try { body, .. } => Step::Go(*body),
            Terminator::Return(v) => Step::Return(self.get(*v)),
            Terminator::Throw(v) => return Err(self.get(*v)),
            Terminator::TailCall(f, args) => {
                let mut parts = self.list(args);
                parts.push(self.get(*f));
                Step::Return(self.world.effect("call", &parts)?)
            }
            Terminator::TailCallDirect(f, args) => {
                let mut parts = self.list(args);
                parts.push(f.0.into());
                Step::Return(self.world.effect("call_direct", &parts)?)
            }
            Terminator::TailCallMethod(receiver, name, args) => {
                let mut parts = vec![self.get(*receiver)];
                parts.extend(self.list(args));
                parts.push(name.0.into());
                Step::Return(self.world.effect("call_method", &parts)?)
            }
            Terminator::Unreachable => Step::Return(NIL),
        })
    }
    fn op(&mut self, op: &Op) -> Raised<V> {
        let operands: Vec<V> = op.operands().map(|v| self.get(v)).collect();
        let world = &mut *self.world;
        let with = |n: u32| {
            let mut parts = operands.clone();
            parts.push(n.into());
            parts
        };
        Ok(match op {
            Op::Const(constant) => const_value(constant),
            Op::Unary(UnaryOp::Not, _) => bool_value(!truthy(operands[0])),
            Op::Unary(UnaryOp::Neg, _) => world.compute("neg", &operands)?,
            Op::Unary(UnaryOp::BitNot, _) => world.compute("bit_not", &operands)?,
            Op::Binary(op, ..) => world.binary(*op, operands[0], operands[1])?,
            Op::GlobalGet(g) => *self.globals.get(&g.0).unwrap_or(&NIL),
            Op::GlobalSet(g, _) => {
                self.globals.insert(g.0, operands[0]);
                NIL
            }
            Op::SlotGet(slot) => self.slots[slot.index()],
            Op::SlotSet(slot, _) => {
                self.slots[slot.index()] = operands[0];
                NIL
            }
            Op::CellNew(_) => world.compute("cell_new", &operands)?,
            Op::CellGet(_) => world.read("cell_get", &operands),
            Op::CellSet(..) => {
                world.log.push(hash(&operands));
                NIL
            }
            Op::Closure(f, list) if list.is_empty() => const_value(&Const::Func(*f)),
            Op::Closure(f, _) => world.compute("closure", &with(f.0))?,
            Op::Capture(n) => hash(&[CLOSURE, (*n).into()]),
            Op::Call(f, args) => {
                let mut parts = self.list(args);
                parts.push(self.get(*f));
                self.world.effect("call", &parts)?
            }
            Op::Spawn(f, args) => {
                let mut parts = self.list(args);
                parts.push(self.get(*f));
                self.world.effect("spawn", &parts)?
            }
            Op::CallDirect(f, _) => world.effect("call_direct", &with(f.0))?,
            Op::CallMethod(_, name, _) => world.effect("call_method", &with(name.0))?,
            Op::CallNative(f, _) => world.effect("call_native", &with(f.0))?,
            Op::Field(_, name) => world.compute("field", &with(name.0))?,
            Op::SetField(_, name, _) => world.effect("set_field", &with(name.0))?,
            Op::Index(..) => world.compute("index", &operands)?,
            Op::SetIndex(..) => world.effect("set_index", &operands)?,
            Op::TupleField(_, n) => world.compute("tuple_field", &with(*n))?,
            Op::MakeTuple(_) => world.compute("tuple", &operands)?,
            Op::MakeList(_) => extend(21, &operands),
            Op::MakeMap(_) => extend(22, &operands),
            Op::MakeSet(_) => extend(23, &operands),
            Op::MakeRecord(class, _) => world.compute("record", &with(class.0.into()))?,
            Op::UpdateRecord(class, _, fields) => {
                let mut parts = with(class.0.into());
                parts.extend(fields.iter().map(|&(slot, _)| V::from(slot)));
                world.compute("update", &parts)?
            }
            Op::MakeRange { inclusive, .. } => {
                world.compute("range", &with(u32::from(*inclusive)))?
            }
            Op::Concat(_) => world.compute("concat", &operands)?,
            Op::IsClass(_, class) => bool_value(world.is_class(operands[0], class.0.into())),
            Op::IsTuple(_, len) => bool_value(hash(&with(*len)) & 1 != 0),
            Op::IsList { len, at_least, .. } => {
                bool_value(hash(&[operands[0], (*len).into(), u64::from(*at_least)]) & 1 != 0)
            }
            Op::Matches(..) => bool_value(operands[0] == operands[1]),
            Op::Elem(_, n) => world.read("elem", &with(*n)),
            Op::ListElem { index, from_end, .. } => {
                world.read("list_elem", &[operands[0], (*index).into(), u64::from(*from_end)])
            }
            Op::ListRest { before, after, .. } => {
                world.compute("rest", &[operands[0], (*before).into(), (*after).into()])?
            }
            Op::IterStart(_) => world.compute("iter_start", &operands)?,
            Op::IterDone(..) => bool_value(world.is_done(operands[0], operands[1])),
            Op::IterGet(..) => world.compute("iter_get", &operands)?,
            Op::IterNext(..) => world.read("iter_next", &operands),
            Op::Yield => world.effect("yield", &[])?,
            Op::RegionEnter => {
                let h = world.read("enter", &[]);
                world.log.push(h);
                h
            }
            Op::RegionLeave(..) => world.effect("leave", &operands)?,
        })
    }
}

// ---- bytecode ----

struct CodeRun<'a> {
    world: &'a mut World,
    code: &'a Code,
    registers: Vec<V>,
    /// Which registers may hold a counted reference, as a counting heap sees it.
    held: Vec<bool>,
    globals: HashMap<u32, V>,
}

/// What comes after an instruction.
enum Next {
    Word,
    Jump,
    Target(u32),
    Return(V),
}

/// Runs a function of verified code. Registers that are not live are overwritten all the time.
pub(crate) fn run_code(code: &Code, function: usize, args: &[V], world: &mut World) -> End {
    let f = &code.functions[function];
    let live = FunctionLiveness::new(code, function);
    let mut registers = vec![POISON; 256];
    registers[..args.len()].copy_from_slice(args);
    if f.captures > 0 {
        registers[usize::from(f.params)] = CLOSURE;
    }
    let held = registers.iter().map(|&v| v != POISON).collect();
    let mut run = CodeRun { world, code, registers, held, globals: HashMap::new() };
    let mut at = f.start;
    for _ in 0..STEPS_MAX * 20 {
        if run.world.log.len() >= EFFECTS_MAX {
            return End::Cut;
        }
        assert!((f.start..f.end).contains(&at), "left the function");
        for r in 0..f.registers as u8 {
            if !live.live_at(at, r) {
                run.registers[usize::from(r)] = POISON;
            }
        }
        let i = Instruction::decode(code.words[at as usize]).expect("verified code decodes");
        let result = run.step(i);
        run.count_references(i, result.is_ok());
        if i.op.info().flow == Flow::Call {
            run.collect_after_call(&live, at, i.a, result.is_ok());
        }
        match result {
            Ok(Next::Word) => at += 1,
            Ok(Next::Jump) => at = (i64::from(at) + 1 + i64::from(i.d)) as u32,
            Ok(Next::Target(to)) => at = to,
            Ok(Next::Return(v)) => return End::Returned(v),
            Err(error) => {
                let handler = f.handlers.iter().find(|h| h.start <= at && at < h.end);
                let Some(h) = handler else { return End::Thrown(error) };
                run.registers[usize::from(h.register)] = error;
                at = h.target;
            }
        }
    }
    End::Cut
}

impl CodeRun<'_> {
    /// The callee may have done anything from the window on, and a collection elsewhere.
    fn collect_after_call(&mut self, live: &FunctionLiveness, at: u32, a: u8, returned: bool) {
        for r in 0..=255 {
            let kept = if r < a { live.live_across_call(at, r) } else { r == a && returned };
            if !kept {
                self.registers[usize::from(r)] = POISON;
            }
        }
    }
    /// Follows the references; a returning frame must clear all that it holds.
    fn count_references(&mut self, i: Instruction, done: bool) {
        let held = &mut self.held;
        if self.world.counts && matches!(i.op, B::Return | B::ReturnV) {
            let last = held.iter().rposition(|&held| held);
            assert!(last.is_none_or(|r| r < usize::from(i.b)), "r{last:?} is not cleared");
        }
        if !done {
            return;
        }
        match i.op {
            // The callee has dropped its arguments.
            B::Call | B::CallDirect => held[usize::from(i.a)..][..usize::from(i.b)].fill(false),
            B::MoveLast => held[usize::from(i.b)] = false,
            _ => {}
        }
        if i.op.info().flow == Flow::Call || i.op.info().roles[0] == Role::Write {
            // Results that are immediates whatever happens.
            const IMMEDIATE: [B; 14] = [
                B::LoadI,
                B::LoadV,
                B::Not,
                B::Eq,
                B::Ne,
                B::Lt,
                B::Le,
                B::TestClass,
                B::TestTuple,
                B::TestList,
                B::Matches,
                B::IterDone,
                B::Yield,
                B::RegionEnter,
            ];
            held[usize::from(i.a)] = !IMMEDIATE.contains(&i.op);
        }
    }
    fn reg(&self, r: u8) -> V {
        let v = self.registers[usize::from(r)];
        assert_ne!(v, POISON, "r{r} is read, but nothing live is in it");
        v
    }
    fn window(&self, first: u8, count: usize) -> Vec<V> {
        (0..count).map(|n| self.reg(first + n as u8)).collect()
    }
    fn step(&mut self, i: Instruction) -> Raised<Next> {
        let jump = |taken: bool| if taken { Next::Jump } else { Next::Word };
        let roles = i.op.info().roles;
        if roles[0] == Role::Write {
            let v = self.value(i)?;
            self.registers[usize::from(i.a)] = v;
            return Ok(Next::Word);
        }
        Ok(match i.op {
            B::SetGlobal => {
                self.globals.insert(i.d as u32, self.reg(i.a));
                Next::Word
            }
            B::CellSet => {
                let h = hash(&[self.reg(i.a), self.reg(i.b)]);
                self.world.log.push(h);
                Next::Word
            }
            B::SetField | B::SetFieldAny => {
                let name = if i.op == B::SetField { i.d as u32 & 0xffff } else { i.d as u32 };
                let parts = [self.reg(i.a), self.reg(i.b), name.into()];
                self.world.effect("set_field", &parts)?;
                Next::Word
            }
            B::SetIndex => {
                let parts = [self.reg(i.a), self.reg(i.b), self.reg(i.c)];
                self.world.effect("set_index", &parts)?;
                Next::Word
            }
            B::ListExtend | B::MapExtend | B::SetExtend => {
                let v = extend(self.reg(i.a), &self.window(i.b, i.c.into()));
                self.registers[usize::from(i.a)] = v;
                Next::Word
            }
            B::Call | B::CallDirect | B::CallMethod | B::CallNative | B::Spawn => {
                let v = self.call(i)?;
                self.registers[usize::from(i.a)] = v;
                Next::Word
            }
            B::TailCall | B::TailCallDirect | B::TailCallMethod => Next::Return(self.call(i)?),
            B::Return => Next::Return(self.reg(i.a)),
            B::ReturnV => Next::Return(word_value(Value::from_bits(i.d as u32 as u64))),
            B::Throw => return Err(self.reg(i.a)),
            B::Switch => {
                let table = &self.code.switches[i.d as usize];
                let index = switch_index(self.reg(i.a), table.min, table.targets.len());
                Next::Target(index.map_or(table.default, |n| table.targets[n]))
            }
            B::LoopLt | B::LoopLe => {
                let v = self.world.add(self.reg(i.a), i.c as i8 as i64 as V)?;
                self.registers[usize::from(i.a)] = v;
                jump(self.world.less(v, self.reg(i.b), i.op == B::LoopLe)?)
            }
            _ => jump(self.test(i)?),
        })
    }
    /// Jumps, by the name of their forward form.
    fn test(&mut self, i: Instruction) -> Raised<bool> {
        let name = i.op.info().name;
        let name = name.strip_suffix("Back").unwrap_or(name);
        let imm = i.imm16() as i64 as V;
        let class = u64::from(i.wide());
        Ok(match name {
            "Jump" => true,
            "JumpT" => truthy(self.reg(i.a)),
            "JumpF" => !truthy(self.reg(i.a)),
            "JumpLt" => self.world.less(self.reg(i.a), self.reg(i.b), false)?,
            "JumpNotLt" => !self.world.less(self.reg(i.a), self.reg(i.b), false)?,
            "JumpLe" => self.world.less(self.reg(i.a), self.reg(i.b), true)?,
            "JumpNotLe" => !self.world.less(self.reg(i.a), self.reg(i.b), true)?,
            "JumpEq" => self.reg(i.a) == self.reg(i.b),
            "JumpNe" => self.reg(i.a) != self.reg(i.b),
            "JumpLtI" => self.world.less(self.reg(i.a), imm, false)?,
            "JumpNotLtI" => !self.world.less(self.reg(i.a), imm, false)?,
            "JumpLeI" => self.world.less(self.reg(i.a), imm, true)?,
            "JumpNotLeI" => !self.world.less(self.reg(i.a), imm, true)?,
            "JumpGtI" => self.world.less(imm, self.reg(i.a), false)?,
            "JumpNotGtI" => !self.world.less(imm, self.reg(i.a), false)?,
            "JumpGeI" => self.world.less(imm, self.reg(i.a), true)?,
            "JumpNotGeI" => !self.world.less(imm, self.reg(i.a), true)?,
            "JumpEqI" => self.reg(i.a) == imm,
            "JumpNeI" => self.reg(i.a) != imm,
            "JumpIs" => self.reg(i.a) == constant_value(&self.code.constants[class as usize]),
            "JumpIsNot" => self.reg(i.a) != constant_value(&self.code.constants[class as usize]),
            "JumpClass" => self.world.is_class(self.reg(i.a), class),
            "JumpNotClass" => !self.world.is_class(self.reg(i.a), class),
            "JumpDone" => self.world.is_done(self.reg(i.a), self.reg(i.b)),
            "JumpNotDone" => !self.world.is_done(self.reg(i.a), self.reg(i.b)),
            other => panic!("{other} is not known here"),
        })
    }
    fn call(&mut self, i: Instruction) -> Raised<V> {
        let callee = matches!(i.op, B::Call | B::TailCall | B::Spawn);
        let mut parts = self.window(i.a, usize::from(i.b) + usize::from(callee));
        let name = match i.op {
            B::Call | B::TailCall => "call",
            B::Spawn => "spawn",
            B::CallNative => "call_native",
            B::CallDirect | B::TailCallDirect => "call_direct",
            _ => "call_method",
        };
        match i.op {
            B::CallMethod | B::TailCallMethod => {
                parts.push(self.code.method_sites[i.d as usize].name.0.into());
            }
            _ if callee => {}
            _ => parts.push((i.d as u32).into()),
        }
        self.world.effect(name, &parts)
    }
    /// The results of the ops that write `a` and go on.
    fn value(&mut self, i: Instruction) -> Raised<V> {
        let d = i.d as u32;
        let imm = i64::from(i.d) as V;
        let binary =
            |op: BinaryOp| move |run: &Self| run.world.binary(op, run.reg(i.b), run.reg(i.c));
        let list = matches!(i.op.info().roles[1], Role::Window)
            .then(|| self.window(i.b, i.c.into()))
            .unwrap_or_default();
        let with = |list: Vec<V>, n: u32| {
            let mut parts = list;
            parts.push(n.into());
            parts
        };
        Ok(match i.op {
            B::Move => self.reg(i.b),
            B::MoveLast => std::mem::replace(&mut self.registers[usize::from(i.b)], POISON),
            B::LoadK => constant_value(&self.code.constants[d as usize]),
            B::LoadI => imm,
            B::LoadV => word_value(Value::from_bits(d.into())),
            B::GetGlobal => *self.globals.get(&d).unwrap_or(&NIL),
            B::GetCapture => hash(&[self.reg(i.b), i.c.into()]),
            B::CellNew | B::CellNewLocal => self.world.compute("cell_new", &[self.reg(i.b)])?,
            B::CellGet => self.world.read("cell_get", &[self.reg(i.b)]),
            B::Closure | B::ClosureLocal => self.world.compute("closure", &with(list, d))?,
            B::Add => binary(BinaryOp::Add)(self)?,
            B::Sub => binary(BinaryOp::Sub)(self)?,
            B::Mul => binary(BinaryOp::Mul)(self)?,
            B::Div => binary(BinaryOp::Div)(self)?,
            B::Rem => binary(BinaryOp::Rem)(self)?,
            B::BitAnd => binary(BinaryOp::BitAnd)(self)?,
            B::BitOr => binary(BinaryOp::BitOr)(self)?,
            B::BitXor => binary(BinaryOp::BitXor)(self)?,
            B::Shl => binary(BinaryOp::Shl)(self)?,
            B::Shr => binary(BinaryOp::Shr)(self)?,
            B::ShrLogical => binary(BinaryOp::ShrLogical)(self)?,
            B::Eq => binary(BinaryOp::Eq)(self)?,
            B::Ne => binary(BinaryOp::Ne)(self)?,
            B::Lt => binary(BinaryOp::Lt)(self)?,
            B::Le => binary(BinaryOp::Le)(self)?,
            B::AddI => self.world.add(self.reg(i.b), imm)?,
            B::MulI => self.world.mul(self.reg(i.b), imm)?,
            B::DivI => self.world.binary(BinaryOp::Div, self.reg(i.b), imm)?,
            B::RemI => self.world.binary(BinaryOp::Rem, self.reg(i.b), imm)?,
            B::BitAndI => self.world.binary(BinaryOp::BitAnd, self.reg(i.b), imm)?,
            B::MulAdd | B::MulSub => {
                let product = self.world.mul(self.reg(i.b), self.reg(i.c))?;
                let other = self.reg(d as u8);
                match i.op {
                    B::MulAdd => self.world.add(product, other)?,
                    _ => self.world.sub(other, product)?,
                }
            }
            B::Neg => self.world.compute("neg", &[self.reg(i.b)])?,
            B::Not => bool_value(!truthy(self.reg(i.b))),
            B::BitNot => self.world.compute("bit_not", &[self.reg(i.b)])?,
            B::Yield => self.world.effect("yield", &[])?,
            B::GetField => self.world.compute("field", &[self.reg(i.b), u64::from(d & 0xffff)])?,
            B::GetFieldAny => self.world.compute("field", &[self.reg(i.b), d.into()])?,
            B::GetElem => self.world.read("elem", &[self.reg(i.b), i.c.into()]),
            B::TupleField => self.world.compute("tuple_field", &[self.reg(i.b), i.c.into()])?,
            B::Index => self.world.compute("index", &[self.reg(i.b), self.reg(i.c)])?,
            B::MakeTuple | B::MakeTupleLocal => self.world.compute("tuple", &list)?,
            B::MakeList => extend(21, &list),
            B::MakeMap => extend(22, &list),
            B::MakeSet => extend(23, &list),
            B::MakeRecord | B::MakeRecordLocal => self.world.compute("record", &with(list, d))?,
            B::UpdateRecord => {
                let table = &self.code.updates[d as usize];
                let mut parts = with(list, table.class.0.into());
                parts.extend(table.slots.iter().map(|&slot| V::from(slot)));
                self.world.compute("update", &parts)?
            }
            B::MakeRange => {
                self.world.compute("range", &[self.reg(i.b), self.reg(i.c), d.into()])?
            }
            B::Concat => self.world.compute("concat", &list)?,
            B::TestClass => bool_value(self.world.is_class(self.reg(i.b), d.into())),
            B::TestTuple => bool_value(hash(&[self.reg(i.b), d.into()]) & 1 != 0),
            B::TestList => bool_value(hash(&[self.reg(i.b), d.into(), i.c.into()]) & 1 != 0),
            B::Matches => bool_value(self.reg(i.b) == self.reg(i.c)),
            B::ListElem => self.world.read("list_elem", &[self.reg(i.b), d.into(), i.c.into()]),
            B::ListRest => self.world.compute("rest", &[self.reg(i.b), i.c.into(), d.into()])?,
            B::IterStart => self.world.compute("iter_start", &[self.reg(i.b)])?,
            B::IterDone => bool_value(self.world.is_done(self.reg(i.b), self.reg(i.c))),
            B::IterGet => self.world.compute("iter_get", &[self.reg(i.b), self.reg(i.c)])?,
            B::IterNext => self.world.read("iter_next", &[self.reg(i.b), self.reg(i.c)]),
            B::RegionEnter => {
                let h = self.world.read("enter", &[]);
                self.world.log.push(h);
                h
            }
            B::RegionLeave => self.world.effect("leave", &[self.reg(i.b), self.reg(i.c)])?,
            other => panic!("{other:?} writes no register"),
        })
    }
}
