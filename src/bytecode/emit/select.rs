//! Instruction selection: IR to bytecode ops over virtual registers, block by block.
//!
//! What two or more IR instructions do in one op is found here (`fuse`), before registers are
//! given out, because fused values need none. Rule: an instruction moves down to the one that
//! absorbs it only over instructions that neither raise nor change anything.

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::fuse::Fusions;
use super::hoist::hoist_constants;
use super::lir::{Arg, LBlock, LInst, LTerm, Lir, Load, NONE, Source, VReg, Window};
use super::pool::{Pool, half_word, word_of};
use super::{EmitError, literals};
use crate::bytecode::ops::{Op, Role};
use crate::bytecode::{MethodSite, UpdateTable};
use crate::class::ClassId;
use crate::ir::dominance::{Cfg, Dominators, Loops};
use crate::ir::{
    self, BinaryOp, Block, BlockId, Const, FuncId, Function, Inst, Lifetime, SlotId, Terminator,
    UnaryOp, ValueId,
};
use crate::lang::ast::Span;
use crate::names::Name;

/// The longest window: arguments or elements, without a callee.
pub(super) const WINDOW_MAX: usize = 250;
/// How far back a constant that was loaded in the same block is used again.
const REUSE_INSTS: usize = 24;

/// What the analyses say about a function.
pub(super) struct Shape {
    pub(super) cfg: Cfg,
    pub(super) dominators: Dominators,
    pub(super) loops: Loops,
    /// By block: whether only an error leads there.
    cold: Vec<bool>,
}

impl Shape {
    pub(super) fn new(function: &Function) -> Shape {
        let cfg = Cfg::new(function);
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        let mut cold = vec![false; function.blocks.len()];
        for block in &function.blocks {
            if let Terminator::Try { handler, .. } = block.term {
                cold[handler.index()] = true;
            }
        }
        for &id in cfg.reverse_postorder() {
            if let Some(above) = dominators.immediate(id) {
                cold[id.index()] |= cold[above.index()];
            }
        }
        Shape { cfg, dominators, loops, cold }
    }
    /// How often a block runs, as a guess: a factor of 8 for each loop around it (up to 5), and for
    /// not being in a handler.
    fn weight(&self, block: BlockId) -> u32 {
        let levels = self.loops.depth(block).min(5) + u32::from(!self.cold[block.index()]);
        8u32.pow(levels)
    }
}

/// Translates `function`. `hoist`: whether constants may be kept in registers around loops.
pub(super) fn select(
    id: FuncId,
    function: &Function,
    shape: &Shape,
    pool: &mut Pool,
    hoist: bool,
) -> Result<Lir, Vec<EmitError>> {
    let mut select = Select::new(id, function, shape, pool);
    select.hoist = hoist;
    for &block in shape.cfg.reverse_postorder() {
        select.block(block);
    }
    if !select.errors.is_empty() {
        return Err(select.errors);
    }
    if hoist {
        hoist_constants(&mut select.lir, shape);
    }
    Ok(select.lir)
}

/// The state of the translation of one function.
pub(super) struct Select<'a> {
    id: FuncId,
    function: &'a Function,
    shape: &'a Shape,
    pub(super) pool: &'a mut Pool,
    lir: Lir,
    errors: Vec<EmitError>,
    fusions: Fusions<'a>,
    /// By value: the register that holds it (a slot's, if it is read right there).
    registers: Vec<VReg>,
    closure: VReg,
    /// The literal being built, if its result has no name (literals do not overlap then).
    unnamed: VReg,
    /// Whether constants are going to be kept in registers around loops.
    hoist: bool,
    /// The block being translated.
    current: BlockId,
    insts: Vec<LInst>,
    weight: u32,
    /// Constants loaded in this block: register and position.
    loaded: HashMap<Load, (VReg, usize)>,
}

impl<'a> Select<'a> {
    fn new(id: FuncId, function: &'a Function, shape: &'a Shape, pool: &'a mut Pool) -> Self {
        let values = function.value_count;
        let closure = values;
        let slots = values + 1..values + 1 + function.slot_count;
        let mut entry: Vec<VReg> = function.params.iter().map(|v| v.0).collect();
        if function.captures > 0 {
            entry.push(closure);
        }
        let empty = LBlock {
            params: Vec::new(),
            insts: Vec::new(),
            term: LTerm::Exit(LInst::new(Op::ReturnV, [0; 4], function.span)),
            term_span: function.span,
            handler: None,
            enters: None,
            weight: 1,
        };
        let lir = Lir {
            blocks: vec![empty; function.blocks.len()],
            args: Vec::new(),
            windows: Vec::new(),
            vregs: slots.end,
            entry,
            slots,
            marks_frame: false,
        };
        Select {
            id,
            function,
            shape,
            pool,
            lir,
            errors: Vec::new(),
            fusions: Fusions::new(function, &shape.cfg),
            registers: (0..values).collect(),
            closure,
            unnamed: NONE,
            hoist: false,
            current: BlockId(0),
            insts: Vec::new(),
            weight: 1,
            loaded: HashMap::default(),
        }
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        let message = message.into();
        self.errors.push(EmitError { function: self.id, span, message });
    }

    fn block(&mut self, id: BlockId) {
        let block = &self.function.blocks[id.index()];
        self.current = id;
        self.weight = self.shape.weight(id);
        self.loaded.clear();
        if id.0 == 0 {
            let set = set_first(block);
            for slot in self.lir.slots.clone() {
                if set.contains(&(slot - self.lir.slots.start)) {
                    continue;
                }
                let nil = self.pool.load(&Const::Nil);
                let x = [slot, 0, 0, nil.d as u32];
                self.insts.push(LInst::new(nil.op, x, self.function.span));
            }
        }
        self.fusions.enter(id, block);
        let plan = literals::Plan::new(block, &self.fusions);
        for (at, inst) in block.insts.iter().enumerate() {
            if !self.fusions.is_absorbed(inst) {
                self.inst(at, inst, &plan);
            }
            for chunk in plan.after(at) {
                self.literal_chunk(block, chunk);
            }
        }
        let (term, enters) = self.terminator(block);
        self.lir.blocks[id.index()] = LBlock {
            params: block.params.iter().map(|v| v.0).collect(),
            insts: std::mem::take(&mut self.insts),
            term,
            term_span: block.term_span,
            handler: block.handler,
            enters,
            weight: self.weight,
        };
    }

    // ---- operands ----

    pub(super) fn constant(&self, v: ValueId) -> Option<&'a Const> {
        self.fusions.constant(v)
    }
    fn int32(&self, v: ValueId) -> Option<i32> {
        match self.constant(v)? {
            Const::Int(i) => i32::try_from(*i).ok(),
            _ => None,
        }
    }
    fn int16(&self, v: ValueId) -> Option<i16> {
        i16::try_from(self.int32(v)?).ok()
    }
    fn fresh(&mut self) -> VReg {
        self.lir.vregs += 1;
        self.lir.vregs - 1
    }
    pub(super) fn result(&mut self, inst: &Inst) -> VReg {
        match inst.result {
            Some(v) => v.0,
            None => self.fresh(),
        }
    }
    /// The register that holds an operand; loads constants.
    fn reg(&mut self, v: ValueId) -> VReg {
        let Some(constant) = self.constant(v) else { return self.registers[v.index()] };
        let load = self.pool.load(constant);
        let in_loop = self.shape.loops.depth(self.current) > 0;
        if let Some(&(register, at)) = self.loaded.get(&load)
            && (in_loop || at + REUSE_INSTS > self.insts.len())
        {
            return register;
        }
        let register = self.fresh();
        let span = self.function.span;
        self.insts.push(LInst::new(load.op, [register, 0, 0, load.d as u32], span));
        self.loaded.insert(load, (register, self.insts.len()));
        register
    }
    fn source(&mut self, v: ValueId) -> Source {
        match self.constant(v) {
            Some(constant) => Source::Const(self.pool.load(constant)),
            None => Source::Reg(self.registers[v.index()]),
        }
    }
    fn args(&mut self, sources: impl Iterator<Item = Source>) -> std::ops::Range<u32> {
        let start = self.lir.args.len() as u32;
        self.lir.args.extend(sources.map(|source| Arg { source, last: false }));
        start..self.lir.args.len() as u32
    }

    // ---- instructions ----

    pub(super) fn push(&mut self, op: Op, x: [u32; 4], span: Span) {
        self.insts.push(LInst::new(op, x, span));
    }
    pub(super) fn sources(&mut self, values: &[ValueId]) -> Vec<Source> {
        values.iter().map(|&v| self.source(v)).collect()
    }
    /// An instruction that reads a window of these sources.
    pub(super) fn windowed(
        &mut self,
        op: Op,
        x: [u32; 4],
        sources: &[Source],
        span: Span,
    ) -> LInst {
        let callee = usize::from(op.info().roles[0] == Role::WindowCallee);
        if sources.len() > WINDOW_MAX + callee {
            self.error(span, too_many(op, sources.len()));
        }
        let args = self.args(sources.iter().copied());
        self.lir.windows.push(Window { args, weight: self.weight });
        let window = self.lir.windows.len() as u32 - 1;
        LInst { window, ..LInst::new(op, x, span) }
    }
    pub(super) fn push_windowed(&mut self, op: Op, x: [u32; 4], sources: &[Source], span: Span) {
        let inst = self.windowed(op, x, sources, span);
        self.insts.push(inst);
    }
    fn call(&mut self, op: Op, result: VReg, d: u32, values: &[ValueId], span: Span) -> LInst {
        let sources = self.sources(values);
        self.windowed(op, [result, 0, 0, d], &sources, span)
    }
    /// The callee comes after the arguments.
    fn call_value(
        &mut self,
        op: Op,
        result: VReg,
        f: ValueId,
        args: &[ValueId],
        span: Span,
    ) -> LInst {
        let mut sources = self.sources(args);
        sources.push(self.source(f));
        self.windowed(op, [result, 0, 0, 0], &sources, span)
    }
    fn call_method(
        &mut self,
        op: Op,
        result: VReg,
        (receiver, name): (ValueId, Name),
        args: &[ValueId],
        span: Span,
    ) -> LInst {
        let mut sources = vec![self.source(receiver)];
        sources.extend(self.sources(args));
        let count = sources.len().min(255) as u8;
        self.pool.sites.push(MethodSite { name, args: count });
        let site = self.pool.sites.len() as u32 - 1;
        self.windowed(op, [result, 0, 0, site], &sources, span)
    }

    /// An index that must fit a byte operand.
    fn byte(&mut self, n: u32, what: &str, span: Span) -> u32 {
        if n > 255 {
            self.error(span, format!("{what} {n}, the limit is 255"));
        }
        n & 255
    }

    /// The table of instructions: one arm each.
    fn inst(&mut self, at: usize, inst: &Inst, plan: &literals::Plan) {
        use ir::Op as I;
        let span = inst.span;
        match &inst.op {
            I::Const(_) => {}
            I::Unary(op, a) => {
                let op = match op {
                    UnaryOp::Neg => Op::Neg,
                    UnaryOp::Not => Op::Not,
                    UnaryOp::BitNot => Op::BitNot,
                };
                self.unary(op, inst, *a, 0);
            }
            I::Binary(op, a, b) => self.binary(*op, *a, *b, inst),
            I::GlobalGet(g) => {
                let r = self.result(inst);
                self.push(Op::GetGlobal, [r, 0, 0, g.0], span);
            }
            I::GlobalSet(g, v) => {
                let v = self.reg(*v);
                self.push(Op::SetGlobal, [v, 0, 0, g.0], span);
            }
            I::SlotGet(slot) => self.slot_get(at, *slot, inst),
            I::SlotSet(slot, v) => self.slot_set(*slot, *v, span),
            I::CellNew(v) => self.unary(local(inst, Op::CellNew), inst, *v, 0),
            I::CellGet(v) => self.unary(Op::CellGet, inst, *v, 0),
            I::CellSet(cell, v) => {
                let (cell, v) = (self.reg(*cell), self.reg(*v));
                self.push(Op::CellSet, [cell, v, 0, 0], span);
            }
            I::Closure(f, captures) if captures.is_empty() => {
                let d = self.pool.constant(&Const::Func(*f));
                let r = self.result(inst);
                self.push(Op::LoadK, [r, 0, 0, d], span);
            }
            I::Closure(f, captures) => self.make(local(inst, Op::Closure), inst, f.0, captures),
            I::Capture(n) => {
                let n = self.byte(*n, "captured variable number", span);
                let r = self.result(inst);
                self.push(Op::GetCapture, [r, self.closure, n, 0], span);
            }
            I::Call(..)
            | I::CallDirect(..)
            | I::CallMethod(..)
            | I::CallNative(..)
            | I::Spawn(..) => self.call_inst(inst),
            I::Field(object, name) => {
                let (op, d) = field(Op::GetField, *name);
                self.unary(op, inst, *object, d);
            }
            I::SetField(object, name, v) => {
                let (op, d) = field(Op::SetField, *name);
                let (object, v) = (self.reg(*object), self.reg(*v));
                self.push(op, [object, v, 0, d], span);
            }
            I::Index(a, b) => self.two(Op::Index, inst, *a, *b, 0),
            I::SetIndex(a, b, c) => {
                let (a, b, c) = (self.reg(*a), self.reg(*b), self.reg(*c));
                self.push(Op::SetIndex, [a, b, c, 0], span);
            }
            I::TupleField(v, n) => {
                let n = self.byte(*n, "tuple field number", span);
                self.unary_c(Op::TupleField, inst, *v, n, 0);
            }
            I::MakeTuple(list) => self.make(local(inst, Op::MakeTuple), inst, 0, list),
            I::MakeList(_) | I::MakeMap(_) | I::MakeSet(_) => {
                for chunk in plan.at(at) {
                    self.chunk(inst, chunk);
                }
            }
            I::MakeRecord(class, list) => {
                self.make(local(inst, Op::MakeRecord), inst, class.0.into(), list);
            }
            I::UpdateRecord(class, base, fields) => self.update(inst, *class, *base, fields),
            I::MakeRange { start, end, inclusive } => {
                self.two(Op::MakeRange, inst, *start, *end, u32::from(*inclusive));
            }
            I::Concat(parts) => self.concat(inst, parts),
            I::IsClass(v, class) => self.unary(Op::TestClass, inst, *v, class.0.into()),
            I::IsTuple(v, len) => self.unary(Op::TestTuple, inst, *v, *len),
            I::IsList { value, len, at_least } => {
                self.unary_c(Op::TestList, inst, *value, u32::from(*at_least), *len);
            }
            I::Matches(a, b) => self.two(Op::Matches, inst, *a, *b, 0),
            I::Elem(v, n) => {
                let n = self.byte(*n, "element number", span);
                self.unary_c(Op::GetElem, inst, *v, n, 0);
            }
            I::ListElem { list, index, from_end } => {
                self.unary_c(Op::ListElem, inst, *list, u32::from(*from_end), *index);
            }
            I::ListRest { list, before, after } => {
                let before = self.byte(*before, "pattern before `..` of length", span);
                self.unary_c(Op::ListRest, inst, *list, before, *after);
            }
            I::IterStart(v) => self.unary(Op::IterStart, inst, *v, 0),
            I::IterDone(a, b) => self.two(Op::IterDone, inst, *a, *b, 0),
            I::IterGet(a, b) => self.two(Op::IterGet, inst, *a, *b, 0),
            I::IterNext(a, b) => self.two(Op::IterNext, inst, *a, *b, 0),
            I::Yield | I::RegionEnter => {
                let op = if inst.op == I::Yield { Op::Yield } else { Op::RegionEnter };
                let r = self.result(inst);
                self.push(op, [r, 0, 0, 0], span);
            }
            I::RegionLeave(a, b) => self.two(Op::RegionLeave, inst, *a, *b, 0),
        }
    }

    fn call_inst(&mut self, inst: &Inst) {
        use ir::Op as I;
        let (r, span) = (self.result(inst), inst.span);
        let call = match &inst.op {
            I::Call(f, args) => self.call_value(Op::Call, r, *f, args, span),
            I::Spawn(f, args) => self.call_value(Op::Spawn, r, *f, args, span),
            I::CallDirect(f, args) => self.call(Op::CallDirect, r, f.0, args, span),
            I::CallNative(f, args) => self.call(Op::CallNative, r, f.0, args, span),
            I::CallMethod(receiver, name, args) => {
                self.call_method(Op::CallMethod, r, (*receiver, *name), args, span)
            }
            _ => unreachable!("not a call"),
        };
        self.insts.push(call);
    }

    fn unary(&mut self, op: Op, inst: &Inst, a: ValueId, d: u32) {
        self.unary_c(op, inst, a, 0, d);
    }
    fn unary_c(&mut self, op: Op, inst: &Inst, a: ValueId, c: u32, d: u32) {
        let a = self.reg(a);
        let r = self.result(inst);
        self.push(op, [r, a, c, d], inst.span);
    }
    fn two(&mut self, op: Op, inst: &Inst, a: ValueId, b: ValueId, d: u32) {
        let (a, b) = (self.reg(a), self.reg(b));
        let r = self.result(inst);
        self.push(op, [r, a, b, d], inst.span);
    }
    fn make(&mut self, op: Op, inst: &Inst, d: u32, values: &[ValueId]) {
        let sources = self.sources(values);
        let r = self.result(inst);
        self.push_windowed(op, [r, 0, 0, d], &sources, inst.span);
    }

    fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId, inst: &Inst) {
        if let Some((product, x, y)) = self.fusions.product_of(inst) {
            let (fused, addend) = match op {
                BinaryOp::Add => (Op::MulAdd, if product == a { b } else { a }),
                _ => (Op::MulSub, a),
            };
            let (x, y, addend) = (self.reg(x), self.reg(y), self.reg(addend));
            let r = self.result(inst);
            return self.push(fused, [r, x, y, addend], inst.span);
        }
        if let Some((fused, v, d)) = self.immediate(op, a, b) {
            return self.unary(fused, inst, v, d as u32);
        }
        let (op, a, b) = match op {
            BinaryOp::Add => (Op::Add, a, b),
            BinaryOp::Sub => (Op::Sub, a, b),
            BinaryOp::Mul => (Op::Mul, a, b),
            BinaryOp::Div => (Op::Div, a, b),
            BinaryOp::Rem => (Op::Rem, a, b),
            BinaryOp::BitAnd => (Op::BitAnd, a, b),
            BinaryOp::BitOr => (Op::BitOr, a, b),
            BinaryOp::BitXor => (Op::BitXor, a, b),
            BinaryOp::Shl => (Op::Shl, a, b),
            BinaryOp::Shr => (Op::Shr, a, b),
            BinaryOp::ShrLogical => (Op::ShrLogical, a, b),
            BinaryOp::Eq => (Op::Eq, a, b),
            BinaryOp::Ne => (Op::Ne, a, b),
            BinaryOp::Lt => (Op::Lt, a, b),
            BinaryOp::Le => (Op::Le, a, b),
            BinaryOp::Gt => (Op::Lt, b, a),
            BinaryOp::Ge => (Op::Le, b, a),
        };
        self.two(op, inst, a, b, 0);
    }

    /// The form with an int constant. `1 + x` is `x + 1`: numbers commute, and nothing else can be
    /// added to an int. `x - 0` stays: it keeps the sign of -0.0, which `x + 0` does not.
    fn immediate(&self, op: BinaryOp, a: ValueId, b: ValueId) -> Option<(Op, ValueId, i32)> {
        let right = self.int32(b).map(|d| (a, d));
        let either = right.or_else(|| self.int32(a).map(|d| (b, d)));
        let (op, (v, d)) = match op {
            BinaryOp::Add => (Op::AddI, either?),
            BinaryOp::Mul => (Op::MulI, either?),
            BinaryOp::BitAnd => (Op::BitAndI, either?),
            BinaryOp::Div => (Op::DivI, right?),
            BinaryOp::Rem => (Op::RemI, right?),
            BinaryOp::Sub => {
                let (v, d) = right.filter(|&(_, d)| d != 0)?;
                (Op::AddI, (v, d.checked_neg()?))
            }
            _ => return None,
        };
        Some((op, v, d))
    }

    /// A slot that is not written before the last use of the value is read in place.
    fn slot_get(&mut self, at: usize, slot: SlotId, inst: &Inst) {
        let register = self.lir.slots.start + slot.0;
        let Some(v) = inst.result else { return };
        if self.fusions.read_in_place(at) {
            self.registers[v.index()] = register;
        } else {
            self.push(Op::Move, [v.0, register, 0, 0], inst.span);
        }
    }
    /// A value that is made just before it is put into a slot is made there.
    fn slot_set(&mut self, slot: SlotId, v: ValueId, span: Span) {
        let register = self.lir.slots.start + slot.0;
        match self.source(v) {
            Source::Const(load) => self.push(load.op, [register, 0, 0, load.d as u32], span),
            Source::Reg(from) if from == register => {}
            Source::Reg(from) => {
                let uses = self.fusions.uses(v);
                match self.insts.last_mut() {
                    Some(last)
                        if uses == 1
                            && from == v.0
                            && last.op.info().roles[0] == Role::Write
                            && last.x[0] == from =>
                    {
                        last.x[0] = register;
                    }
                    _ => self.push(Op::Move, [register, from, 0, 0], span),
                }
            }
        }
    }

    fn update(&mut self, inst: &Inst, class: ClassId, base: ValueId, fields: &[(u32, ValueId)]) {
        let mut sources = vec![self.source(base)];
        for &(_, v) in fields {
            sources.push(self.source(v));
        }
        let slots = fields.iter().map(|&(slot, _)| slot).collect();
        self.pool.updates.push(UpdateTable { class, slots });
        let table = self.pool.updates.len() as u32 - 1;
        let r = self.result(inst);
        self.push_windowed(Op::UpdateRecord, [r, 0, 0, table], &sources, inst.span);
    }

    /// Joining is associative: long ones go piece by piece, the text so far first.
    fn concat(&mut self, inst: &Inst, parts: &[ValueId]) {
        let mut sources = self.sources(parts);
        while sources.len() > literals::CHUNK {
            let joined = self.fresh();
            let head: Vec<Source> = sources.drain(..literals::CHUNK).collect();
            self.push_windowed(Op::Concat, [joined, 0, 0, 0], &head, inst.span);
            sources.insert(0, Source::Reg(joined));
        }
        let r = self.result(inst);
        self.push_windowed(Op::Concat, [r, 0, 0, 0], &sources, inst.span);
    }

    fn literal_chunk(&mut self, block: &Block, chunk: &literals::Chunk) {
        self.chunk(&block.insts[chunk.literal], chunk);
    }
    /// The first chunk makes the collection, the others extend it.
    fn chunk(&mut self, inst: &Inst, chunk: &literals::Chunk) {
        let (make, extend, list) = match &inst.op {
            ir::Op::MakeList(list) => (Op::MakeList, Op::ListExtend, list),
            ir::Op::MakeMap(list) => (Op::MakeMap, Op::MapExtend, list),
            ir::Op::MakeSet(list) => (Op::MakeSet, Op::SetExtend, list),
            _ => unreachable!("not a literal"),
        };
        let sources = self.sources(&list[chunk.range.clone()]);
        let first = chunk.range.start == 0;
        let r = match inst.result {
            Some(v) => v.0,
            None if first => {
                self.unnamed = self.fresh();
                self.unnamed
            }
            None => self.unnamed,
        };
        self.push_windowed(if first { make } else { extend }, [r, 0, 0, 0], &sources, inst.span);
    }

    // ---- terminators ----

    fn terminator(&mut self, block: &Block) -> (LTerm, Option<BlockId>) {
        let span = block.term_span;
        let term = match &block.term {
            Terminator::Jump(to, args) => {
                let sources = self.sources(args);
                LTerm::Jump(*to, self.args(sources.into_iter()))
            }
            Terminator::Branch { cond, then, otherwise } => {
                self.branch(block, *cond, *then, *otherwise)
            }
            Terminator::Switch { value, min, targets, default } => LTerm::Switch {
                value: self.reg(*value),
                min: *min,
                targets: targets.clone(),
                default: *default,
                span,
            },
            Terminator::Try { body, handler } => {
                return (LTerm::Jump(*body, 0..0), Some(*handler));
            }
            Terminator::Return(v) => LTerm::Exit(self.return_(*v, span)),
            Terminator::TailCall(f, args) => {
                LTerm::Exit(self.call_value(Op::TailCall, NONE, *f, args, span))
            }
            Terminator::TailCallDirect(f, args) => {
                LTerm::Exit(self.call(Op::TailCallDirect, NONE, f.0, args, span))
            }
            Terminator::TailCallMethod(receiver, name, args) => {
                let target = (*receiver, *name);
                LTerm::Exit(self.call_method(Op::TailCallMethod, NONE, target, args, span))
            }
            Terminator::Throw(v) => {
                let v = self.reg(*v);
                LTerm::Exit(LInst::new(Op::Throw, [v, 0, 0, 0], span))
            }
            Terminator::Unreachable => {
                let d = half_word(&Const::Nil).expect("nil's word is short") as u32;
                LTerm::Exit(LInst::new(Op::ReturnV, [0, 0, 0, d], span))
            }
        };
        (term, None)
    }

    fn return_(&mut self, v: ValueId, span: Span) -> LInst {
        match self.constant(v).and_then(half_word) {
            Some(d) => LInst::new(Op::ReturnV, [0, 0, 0, d as u32], span),
            None => LInst::new(Op::Return, [self.reg(v), 0, 0, 0], span),
        }
    }

    fn branch(&mut self, block: &Block, cond: ValueId, then: BlockId, otherwise: BlockId) -> LTerm {
        if let Some(constant) = self.constant(cond) {
            let truth = !matches!(constant, Const::Nil | Const::Bool(false));
            return LTerm::Jump(if truth { then } else { otherwise }, 0..0);
        }
        let condition = self.fusions.condition(block, cond);
        let test = match condition.compare {
            Some(at) => self.compare(&block.insts[at]),
            None => None,
        };
        let test = test.unwrap_or_else(|| {
            let r = self.reg(condition.value);
            LInst::new(Op::JumpT, [r, 0, 0, 0], block.term_span)
        });
        let (then, otherwise) =
            if condition.negated { (otherwise, then) } else { (then, otherwise) };
        LTerm::Branch { test, then, otherwise }
    }

    /// The jump that does the work of a comparison.
    fn compare(&mut self, inst: &Inst) -> Option<LInst> {
        use ir::Op as I;
        let (op, x) = match &inst.op {
            I::Binary(op, a, b) => self.compare_binary(*op, *a, *b)?,
            I::Matches(a, b) => self.compare_binary(BinaryOp::Eq, *a, *b)?,
            I::IsClass(v, class) => {
                let [low, high] = class.0.to_le_bytes().map(u32::from);
                (Op::JumpClass, [self.reg(*v), low, high, 0])
            }
            I::IterDone(a, b) => (Op::JumpDone, [self.reg(*a), self.reg(*b), 0, 0]),
            _ => return None,
        };
        Some(LInst::new(op, x, inst.span))
    }
    fn compare_binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> Option<(Op, [u32; 4])> {
        let mirrored = match op {
            BinaryOp::Lt => BinaryOp::Gt,
            BinaryOp::Le => BinaryOp::Ge,
            BinaryOp::Gt => BinaryOp::Lt,
            BinaryOp::Ge => BinaryOp::Le,
            same => same,
        };
        if self.constant(b).is_some()
            && let Some(test) = self.compare_constant(op, a, b)
        {
            return Some(test);
        }
        if self.constant(a).is_some()
            && let Some(test) = self.compare_constant(mirrored, b, a)
        {
            return Some(test);
        }
        let (op, a, b) = match op {
            BinaryOp::Lt => (Op::JumpLt, a, b),
            BinaryOp::Le => (Op::JumpLe, a, b),
            BinaryOp::Gt => (Op::JumpLt, b, a),
            BinaryOp::Ge => (Op::JumpLe, b, a),
            BinaryOp::Eq => (Op::JumpEq, a, b),
            BinaryOp::Ne => (Op::JumpNe, a, b),
            _ => return None,
        };
        Some((op, [self.reg(a), self.reg(b), 0, 0]))
    }
    /// Whether `v` is a loop's variable that is increased right before this test, which goes back
    /// to the body: then the limit is wanted in a register, because `LoopLt` does both.
    fn is_counter(&self, v: ValueId) -> bool {
        let block = &self.function.blocks[self.current.index()];
        let Some(position) = block.params.iter().position(|&p| p == v) else { return false };
        self.hoist
            && block.term.successors().any(|to| to < self.current)
            && self.shape.loops.is_header(self.current)
            && self.shape.cfg.predecessors(self.current).iter().any(|from| {
                match &self.function.blocks[from.index()].term {
                    Terminator::Jump(_, args) => self.fusions.is_step(args[position], v),
                    _ => false,
                }
            })
    }
    /// Compares `v` with the constant `k`.
    fn compare_constant(&mut self, op: BinaryOp, v: ValueId, k: ValueId) -> Option<(Op, [u32; 4])> {
        let constant = self.constant(k)?;
        let counts = matches!(op, BinaryOp::Lt | BinaryOp::Le) && self.is_counter(v);
        if let Some(imm) = self.int16(k).filter(|_| !counts) {
            let op = match op {
                BinaryOp::Lt => Op::JumpLtI,
                BinaryOp::Le => Op::JumpLeI,
                BinaryOp::Gt => Op::JumpGtI,
                BinaryOp::Ge => Op::JumpGeI,
                BinaryOp::Eq => Op::JumpEqI,
                BinaryOp::Ne => Op::JumpNeI,
                _ => return None,
            };
            let [low, high] = imm.to_le_bytes().map(u32::from);
            return Some((op, [self.reg(v), low, high, 0]));
        }
        let op = match op {
            BinaryOp::Eq => Op::JumpIs,
            BinaryOp::Ne => Op::JumpIsNot,
            _ => return None,
        };
        word_of(constant)?;
        let index = self.pool.constant16(constant)?;
        let [low, high] = index.to_le_bytes().map(u32::from);
        Some((op, [self.reg(v), low, high, 0]))
    }
}

/// The slots that the entry block sets before it reads them: nobody sees their nil.
fn set_first(entry: &Block) -> HashSet<u32> {
    let mut set = HashSet::default();
    let mut read = HashSet::default();
    if entry.handler.is_some() {
        return set;
    }
    for inst in &entry.insts {
        match inst.op {
            ir::Op::SlotGet(slot) => _ = read.insert(slot.0),
            ir::Op::SlotSet(slot, _) if !read.contains(&slot.0) => _ = set.insert(slot.0),
            _ => {}
        }
    }
    set
}

/// The message for a window that is too long.
fn too_many(op: Op, count: usize) -> String {
    match op.info().roles[0] {
        Role::Window => format!("{count} arguments, the limit is {WINDOW_MAX}: pass a list"),
        Role::WindowCallee => {
            format!("{} arguments, the limit is {WINDOW_MAX}: pass a list", count - 1)
        }
        _ => format!("{count} values at once, the limit is {WINDOW_MAX}: build it in parts"),
    }
}

/// The cached form for names that fit 16 bits (the class part is empty: 0xffff).
fn field(cached: Op, name: Name) -> (Op, u32) {
    let any = if cached == Op::GetField { Op::GetFieldAny } else { Op::SetFieldAny };
    match u16::try_from(name.0) {
        Ok(name) => (cached, 0xffff << 16 | u32::from(name)),
        Err(_) => (any, name.0),
    }
}

/// The op that makes the object of `inst`: a local one if it may be local.
fn local(inst: &Inst, op: Op) -> Op {
    match op {
        _ if inst.lifetime == Lifetime::Heap => op,
        Op::CellNew => Op::CellNewLocal,
        Op::Closure => Op::ClosureLocal,
        Op::MakeTuple => Op::MakeTupleLocal,
        Op::MakeRecord => Op::MakeRecordLocal,
        _ => op,
    }
}
