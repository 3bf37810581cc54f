//! Random well-formed IR programs: structured control flow, loops that shuffle their variables,
//! protected regions, frame slots, calls, and everything that is fused.

use menagerie::class::{ClassId, RecordClass, RecordKind};
use menagerie::ir::{
    BinaryOp, Block, BlockId, Const, FuncId, Function, GlobalId, Inst, NativeId, Op, Program,
    SlotId, Terminator, UnaryOp, ValueId,
};
use menagerie::lang::ast::Span;
use menagerie::names::{Interner, Name};

/// How many builtins the programs may call.
pub(crate) const NATIVES: usize = 4;

/// Writes one random function with structured control flow.
struct Writer {
    seed: u64,
    function: Function,
    current: BlockId,
    handler: Option<BlockId>,
    /// Values that can be read here; innermost last.
    values: Vec<ValueId>,
    /// Blocks to jump to with `break` and the values visible there, by loop.
    exits: Vec<(BlockId, usize)>,
    budget: u32,
    ended: bool,
}

impl Writer {
    fn new(seed: u64) -> Writer {
        let function = Function {
            name: Name(0),
            params: Vec::new(),
            captures: 0,
            blocks: Vec::new(),
            value_count: 0,
            slot_count: 0,
            span: Span::default(),
        };
        let mut writer = Writer {
            seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            function,
            current: BlockId(0),
            handler: None,
            values: Vec::new(),
            exits: Vec::new(),
            budget: 0,
            ended: false,
        };
        writer.budget = 5 + writer.below(70);
        writer
    }
    fn below(&mut self, n: u32) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 33) as u32 % n
    }
    fn value(&mut self) -> ValueId {
        self.function.value_count += 1;
        ValueId(self.function.value_count - 1)
    }
    /// Mostly a recent value.
    fn read(&mut self) -> ValueId {
        let count = self.values.len() as u32;
        let back = if self.below(3) == 0 { self.below(count) } else { self.below(count.min(4)) };
        self.values[(count - 1 - back) as usize]
    }
    fn reads(&mut self, limit: u32) -> Vec<ValueId> {
        (0..self.below(limit)).map(|_| self.read()).collect()
    }
    fn new_block(&mut self) -> BlockId {
        self.function.blocks.push(Block {
            params: Vec::new(),
            insts: Vec::new(),
            term: Terminator::Unreachable,
            term_span: Span::default(),
            handler: self.handler,
        });
        BlockId(self.function.blocks.len() as u32 - 1)
    }
    fn block(&mut self) -> &mut Block {
        &mut self.function.blocks[self.current.index()]
    }
    fn end(&mut self, term: Terminator) {
        self.block().term = term;
    }
    fn go_on_in(&mut self, block: BlockId) {
        self.current = block;
        self.ended = false;
    }
    fn params(&mut self, block: BlockId, count: u32) {
        let params: Vec<ValueId> = (0..count).map(|_| self.value()).collect();
        self.function.blocks[block.index()].params = params;
    }
    fn jump(&mut self, to: BlockId) {
        let count = self.function.blocks[to.index()].params.len();
        let args = (0..count).map(|_| self.read()).collect();
        self.end(Terminator::Jump(to, args));
    }

    fn function(mut self) -> Function {
        self.function.captures = self.below(3);
        self.function.slot_count = self.below(3);
        for _ in 0..1 + self.below(4) {
            let v = self.value();
            self.function.params.push(v);
            self.values.push(v);
        }
        self.current = self.new_block();
        self.statements(0);
        if !self.ended {
            self.leave();
        }
        self.function
    }

    fn statements(&mut self, depth: u32) {
        for _ in 0..2 + self.below(6) {
            if self.ended || self.budget == 0 {
                return;
            }
            self.budget -= 1;
            match self.below(if depth < 5 { 14 } else { 9 }) {
                9 | 10 => self.conditional(depth),
                11 => self.looping(depth),
                12 => self.protected(depth),
                13 => self.switch(depth),
                _ => self.instruction(),
            }
        }
        if self.below(12) == 0 && !self.ended {
            match self.exits.last().copied() {
                Some((exit, _)) if self.handler.is_none() => {
                    self.jump(exit);
                    self.ended = true;
                }
                _ => self.leave(),
            }
        }
    }

    /// Runs `body`, then forgets the values that it defined.
    fn scoped(&mut self, body: impl FnOnce(&mut Self)) {
        let count = self.values.len();
        body(self);
        self.values.truncate(count);
    }

    fn leave(&mut self) {
        let v = self.read();
        let tail = self.handler.is_none();
        let term = match self.below(8) {
            0 if tail => Terminator::TailCall(v, self.reads(4)),
            1 if tail => Terminator::TailCallMethod(v, Name(1), self.reads(4)),
            2 if tail => Terminator::TailCallDirect(FuncId(1), vec![v, self.read()]),
            3 => Terminator::Throw(v),
            _ => Terminator::Return(v),
        };
        self.end(term);
        self.ended = true;
    }

    fn join(&mut self, open: Vec<BlockId>, join: BlockId, values: usize) {
        // `open`: blocks that end here and still need their jump (values by `jump`).
        debug_assert!(self.values.len() >= values);
        self.ended = open.is_empty();
        if open.is_empty() {
            // Nobody comes here: end it somehow.
            self.current = join;
            self.function.blocks[join.index()].params.clear();
            self.values.truncate(values);
            self.end(Terminator::Unreachable);
            return;
        }
        self.go_on_in(join);
        let params = self.function.blocks[join.index()].params.clone();
        self.values.extend(params);
    }

    /// A part that goes to `join` unless it ends otherwise.
    fn part(&mut self, block: BlockId, join: BlockId, depth: u32, open: &mut Vec<BlockId>) {
        self.go_on_in(block);
        self.scoped(|w| {
            let params = w.function.blocks[block.index()].params.clone();
            w.values.extend(params);
            w.statements(depth + 1);
            if !w.ended {
                open.push(w.current);
                w.jump(join);
            }
        });
    }

    /// Mostly made right before the branch.
    fn condition(&mut self) -> ValueId {
        let v = self.make_condition();
        if self.below(4) == 0 {
            self.instruction();
        }
        v
    }
    fn make_condition(&mut self) -> ValueId {
        match self.below(5) {
            0 => self.read(),
            1 => {
                let v = self.read();
                let class = ClassId(64 + self.below(2) as u16);
                self.inst(Op::IsClass(v, class))
            }
            2 => {
                let (a, b) = (self.read(), self.read());
                let v = self.inst(Op::IterDone(a, b));
                self.inst(Op::Unary(UnaryOp::Not, v))
            }
            _ => {
                let op = self.comparison();
                let (a, b) = (self.operand(), self.operand());
                self.inst(Op::Binary(op, a, b))
            }
        }
    }
    fn comparison(&mut self) -> BinaryOp {
        use BinaryOp::*;
        [Eq, Ne, Lt, Le, Gt, Ge][self.below(6) as usize]
    }

    fn conditional(&mut self, depth: u32) {
        let cond = self.condition();
        let (then, otherwise) = (self.new_block(), self.new_block());
        let join = self.new_block();
        let count = self.below(4);
        self.params(join, count);
        let otherwise = if self.below(4) == 0 && count == 0 { join } else { otherwise };
        self.end(Terminator::Branch { cond, then, otherwise });
        let before = self.current;
        let values = self.values.len();
        let mut open = Vec::new();
        if otherwise == join {
            open.push(before);
        }
        self.part(then, join, depth, &mut open);
        if otherwise != join {
            self.part(otherwise, join, depth, &mut open);
        }
        self.join(open, join, values);
    }

    fn switch(&mut self, depth: u32) {
        let value = self.read();
        let parts: Vec<BlockId> = (0..1 + self.below(4)).map(|_| self.new_block()).collect();
        let join = self.new_block();
        let count = self.below(3);
        self.params(join, count);
        let targets = (0..self.below(5)).map(|_| parts[self.below(parts.len() as u32) as usize]);
        let targets: Vec<BlockId> = targets.collect();
        let min = i64::from(self.below(5)) - 2;
        self.end(Terminator::Switch { value, min, targets, default: parts[0] });
        let values = self.values.len();
        let mut open = Vec::new();
        for part in parts {
            self.part(part, join, depth, &mut open);
        }
        self.join(open, join, values);
    }

    /// Test at the top or at the bottom; the loop's variables are shuffled by every turn.
    fn looping(&mut self, depth: u32) {
        let bottom = self.below(2) == 0;
        let (body, header) = if bottom {
            let body = self.new_block();
            (body, self.new_block())
        } else {
            let header = self.new_block();
            (self.new_block(), header)
        };
        let exit = self.new_block();
        let (count, results) = (self.below(5), self.below(3));
        self.params(header, count);
        self.params(exit, results);
        self.jump(header);
        let values = self.values.len();
        self.scoped(|w| {
            w.go_on_in(header);
            let params = w.function.blocks[header.index()].params.clone();
            w.values.extend(params);
            if w.below(4) == 0 {
                w.instruction();
            }
            let cond = w.condition();
            let leave = w.new_block();
            w.end(Terminator::Branch { cond, then: body, otherwise: leave });
            w.scoped(|w| {
                w.go_on_in(leave);
                w.jump(exit);
            });
            w.exits.push((exit, values));
            w.go_on_in(body);
            w.statements(depth + 1);
            if !w.ended {
                if w.below(2) == 0 {
                    // A counter.
                    let v = w.read();
                    let one = w.constant_of(Const::Int(1));
                    w.inst(Op::Binary(BinaryOp::Add, v, one));
                }
                w.jump(header);
            }
            w.exits.pop();
        });
        self.go_on_in(exit);
        let params = self.function.blocks[exit.index()].params.clone();
        self.values.extend(params);
    }

    fn protected(&mut self, depth: u32) {
        let outer = self.handler;
        let exits = std::mem::take(&mut self.exits);
        let handler = self.new_block();
        let join = self.new_block();
        self.params(handler, 1);
        let count = self.below(3);
        self.params(join, count);
        self.handler = Some(handler);
        let body = self.new_block();
        self.end(Terminator::Try { body, handler });
        let values = self.values.len();
        let mut open = Vec::new();
        self.part(body, join, depth, &mut open);
        self.handler = outer;
        self.part(handler, join, depth, &mut open);
        self.exits = exits;
        self.join(open, join, values);
    }

    fn inst(&mut self, op: Op) -> ValueId {
        let v = self.value();
        let result = Some(v).filter(|_| op.has_result());
        self.block().insts.push(Inst::new(result, op, Span::default()));
        if result.is_some() {
            self.values.push(v);
        }
        v
    }
    fn constant_of(&mut self, constant: Const) -> ValueId {
        let v = self.value();
        let op = Op::Const(constant);
        self.block().insts.push(Inst::new(Some(v), op, Span::default()));
        v
    }
    fn operand(&mut self) -> ValueId {
        if self.below(3) > 0 {
            return self.read();
        }
        let constant = match self.below(8) {
            0 => Const::Nil,
            1 => Const::Bool(true),
            2 => Const::Float(1.5),
            3 => Const::Int(100_000),
            4 => Const::Str("text".into()),
            5 => Const::Int(1 << 40),
            6 => Const::Keyword(Name(2)),
            _ => Const::Int(i64::from(self.below(7)) - 3),
        };
        let v = self.constant_of(constant);
        if self.below(2) == 0 {
            self.values.push(v);
        }
        v
    }
    fn operands(&mut self, limit: u32) -> Vec<ValueId> {
        (0..self.below(limit)).map(|_| self.operand()).collect()
    }

    fn instruction(&mut self) {
        use BinaryOp::*;
        const ARITHMETIC: [BinaryOp; 8] = [Add, Sub, Mul, Add, Mul, Div, BitAnd, Shl];
        let (a, b) = (self.operand(), self.operand());
        let op = match self.below(26) {
            0..=6 => Op::Binary(ARITHMETIC[self.below(8) as usize], a, b),
            7 => Op::Binary(self.comparison(), a, b),
            8 => {
                let product = self.inst(Op::Binary(Mul, a, b));
                if self.below(3) == 0 {
                    self.instruction();
                }
                let c = self.operand();
                match self.below(3) {
                    0 => Op::Binary(Add, product, c),
                    1 => Op::Binary(Add, c, product),
                    _ => Op::Binary(Sub, c, product),
                }
            }
            9 | 10 => Op::Call(a, self.operands(5)),
            11 => Op::CallMethod(a, Name(1), self.operands(4)),
            12 => Op::CallNative(NativeId(self.below(4)), self.operands(4)),
            13 => Op::CallDirect(FuncId(1), vec![a, b]),
            14 => Op::Field(a, Name(1)),
            15 => Op::SetField(a, Name(1), b),
            16 => Op::SetIndex(a, b, self.operand()),
            17 if self.function.slot_count > 0 => {
                Op::SlotGet(SlotId(self.below(self.function.slot_count)))
            }
            18 | 19 if self.function.slot_count > 0 => {
                Op::SlotSet(SlotId(self.below(self.function.slot_count)), a)
            }
            20 if self.function.captures > 0 => Op::Capture(self.below(self.function.captures)),
            21 => match self.below(5) {
                0 => Op::MakeTuple(self.operands(5)),
                1 => {
                    let limit = if self.below(4) == 0 { 90 } else { 6 };
                    Op::MakeList(self.operands(limit))
                }
                2 => Op::MakeMap(vec![a, b, a, b]),
                3 => Op::MakeRecord(ClassId(65), vec![a, b]),
                _ => Op::UpdateRecord(ClassId(65), a, vec![(1, b)]),
            },
            22 => Op::GlobalSet(GlobalId(0), a),
            23 => Op::GlobalGet(GlobalId(0)),
            24 => Op::IterGet(a, b),
            _ => Op::Concat(self.operands(4)),
        };
        self.inst(op);
    }
}

/// Function 0 is random, function 1 is what it calls.
pub(crate) fn program(seed: u64) -> Program {
    let mut names = Interner::default();
    for name in ["f", "x", "key"] {
        names.intern(name);
    }
    let function = Writer::new(seed).function();
    let v = [ValueId(0), ValueId(1)];
    let callee = Function {
        name: Name(1),
        params: v.to_vec(),
        captures: 0,
        blocks: vec![Block {
            params: vec![],
            insts: vec![],
            term: Terminator::Return(v[1]),
            term_span: Span::default(),
            handler: None,
        }],
        value_count: 2,
        slot_count: 0,
        span: Span::default(),
    };
    let error: Vec<Name> =
        ["Error", "kind", "message"].iter().map(|name| names.intern(name)).collect();
    let class = |name, fields: &[Name]| RecordClass {
        name,
        kind: RecordKind::Struct,
        fields: fields.to_vec(),
    };
    Program {
        funcs: vec![function, callee],
        entry: None,
        classes: vec![class(error[0], &error[1..]), class(Name(0), &[Name(0), Name(1)])],
        methods: vec![],
        globals: vec![Name(0)],
        names,
        ..Program::default()
    }
}
