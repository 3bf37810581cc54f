//! Random programs for the tests of the IR tools: any instruction with any numbers, mostly nonsense.

use proptest::prelude::*;

use super::{
    BinaryOp, Block, BlockId, Const, FuncId, Function, GlobalId, Inst, NativeId, Op, Program,
    SlotId, Terminator, UnaryOp, ValueId,
};
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::lang::ast::Span;
use crate::names::Name;

/// Any program, well formed only by accident; names are in range, nothing else need be.
pub(super) fn program() -> impl Strategy<Value = Program> {
    proptest::collection::vec(any::<u32>(), 1..400)
        .prop_map(|numbers| Source { numbers, next: 0 }.program())
}

/// A program that a failing test shows as text.
#[derive(Clone)]
pub(super) struct Shown(pub(super) Program);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}", super::text::print(&self.0, super::text::Style::READABLE))
    }
}

/// A well-formed program that ends: functions call later ones only, and loops count down. Its calls
/// of builtins come from `natives` (number, how many arguments).
pub(super) fn well_formed(natives: Vec<(u32, u32)>) -> impl Strategy<Value = Shown> {
    proptest::collection::vec(any::<u32>(), 1..1200)
        .prop_map(move |numbers| Shown(well_formed_from(numbers, natives.clone())))
}

/// The program that these numbers make.
pub(super) fn well_formed_from(numbers: Vec<u32>, natives: Vec<(u32, u32)>) -> Program {
    let source = Source { numbers, next: 0 };
    Maker { source, natives, ..Maker::default() }.program()
}

const NAMES: [&str; 8] = ["x", "y", "a b", "", "<closure>", "v1", "nil", "naïve\n\"'"];

/// Random numbers, then zeros.
#[derive(Default)]
struct Source {
    numbers: Vec<u32>,
    next: usize,
}

impl Source {
    fn below(&mut self, limit: u32) -> u32 {
        self.next += 1;
        self.numbers.get(self.next - 1).map_or(0, |number| number % limit)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    fn many<T>(&mut self, limit: u32, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(limit)).map(|_| item(self)).collect()
    }

    fn name(&mut self) -> Name {
        Name(self.below(NAMES.len() as u32))
    }

    /// Mostly small; sometimes as large as it gets.
    fn number(&mut self) -> u32 {
        if self.below(50) == 49 { u32::MAX } else { self.below(6) }
    }

    fn value(&mut self) -> ValueId {
        ValueId(self.number())
    }

    fn values(&mut self) -> Vec<ValueId> {
        self.many(4, Self::value)
    }

    fn block_id(&mut self) -> BlockId {
        BlockId(self.number())
    }

    fn func(&mut self) -> FuncId {
        FuncId(self.number())
    }

    fn class(&mut self) -> ClassId {
        ClassId([2, 36, 64, 65, 66, u16::MAX][self.below(6) as usize])
    }

    fn span(&mut self) -> Span {
        Span { file: self.number(), start: self.number(), end: self.number() }
    }

    fn wide(&mut self) -> u64 {
        let small = u64::from(self.number());
        let wide = (u64::from(self.below(u32::MAX)) << 32) | u64::from(self.below(u32::MAX));
        if self.coin() { wide } else { small.wrapping_sub(3) }
    }

    fn constant(&mut self) -> Const {
        match self.below(10) {
            0 => Const::Nil,
            1 => Const::Bool(self.coin()),
            2 => Const::Int(self.wide() as i64),
            3 => Const::Float(f64::from_bits(self.wide())),
            4 => Const::Float(f64::from(self.number())),
            5 => {
                let odd = [f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE, 0.1];
                Const::Float(odd[self.below(5) as usize])
            }
            6 => Const::Char(char::from_u32(self.below(0x11_0000)).unwrap_or('\'')),
            7 => Const::Keyword(self.name()),
            8 => Const::Str(
                self.many(8, |s| char::from_u32(s.below(0x300)).unwrap_or('"'))
                    .into_iter()
                    .collect::<String>()
                    .into(),
            ),
            _ => Const::Func(self.func()),
        }
    }

    fn binary(&mut self) -> BinaryOp {
        use BinaryOp::*;
        let all = [
            Add, Sub, Mul, Div, Rem, BitAnd, BitOr, BitXor, Shl, Shr, ShrLogical, Eq, Ne, Lt, Le,
            Gt, Ge,
        ];
        all[self.below(17) as usize]
    }

    fn op(&mut self) -> Op {
        match self.below(46) {
            0 => Op::Const(self.constant()),
            1 => {
                let all = [UnaryOp::Neg, UnaryOp::Not, UnaryOp::BitNot];
                Op::Unary(all[self.below(3) as usize], self.value())
            }
            2 => Op::Binary(self.binary(), self.value(), self.value()),
            3 => Op::GlobalGet(GlobalId(self.number())),
            4 => Op::GlobalSet(GlobalId(self.number()), self.value()),
            5 => Op::SlotGet(SlotId(self.number())),
            6 => Op::SlotSet(SlotId(self.number()), self.value()),
            7 => Op::CellNew(self.value()),
            8 => Op::CellGet(self.value()),
            9 => Op::CellSet(self.value(), self.value()),
            10 => Op::Closure(self.func(), self.values()),
            11 => Op::Capture(self.number()),
            12 => Op::Call(self.value(), self.values()),
            13 => Op::CallDirect(self.func(), self.values()),
            14 => Op::CallMethod(self.value(), self.name(), self.values()),
            15 => Op::CallNative(NativeId(self.number()), self.values()),
            16 => Op::Field(self.value(), self.name()),
            17 => Op::SetField(self.value(), self.name(), self.value()),
            18 => Op::Index(self.value(), self.value()),
            19 => Op::SetIndex(self.value(), self.value(), self.value()),
            20 => Op::TupleField(self.value(), self.number()),
            21 => Op::MakeTuple(self.values()),
            22 => Op::MakeList(self.values()),
            23 => Op::MakeMap(self.values()),
            24 => Op::MakeSet(self.values()),
            25 => Op::MakeRecord(self.class(), self.values()),
            26 => {
                let (class, base) = (self.class(), self.value());
                Op::UpdateRecord(class, base, self.many(4, |s| (s.number(), s.value())))
            }
            27 => Op::MakeRange { start: self.value(), end: self.value(), inclusive: self.coin() },
            28 => Op::Concat(self.values()),
            29 => Op::IsClass(self.value(), self.class()),
            30 => Op::IsTuple(self.value(), self.number()),
            31 => Op::IsList { value: self.value(), len: self.number(), at_least: self.coin() },
            32 => Op::Matches(self.value(), self.value()),
            33 => Op::Elem(self.value(), self.number()),
            34 => Op::ListElem { list: self.value(), index: self.number(), from_end: self.coin() },
            35 => Op::ListRest { list: self.value(), before: self.number(), after: self.number() },
            36 => Op::IterStart(self.value()),
            37 => Op::IterDone(self.value(), self.value()),
            38 => Op::IterGet(self.value(), self.value()),
            39 => Op::IterNext(self.value(), self.value()),
            40 => Op::Spawn(self.value(), self.values()),
            41 => Op::Yield,
            42 => Op::RegionEnter,
            43 => Op::RegionLeave(self.value(), self.value()),
            44 => Op::Const(Const::Nil),
            _ => Op::Binary(BinaryOp::Add, self.value(), self.value()),
        }
    }

    fn term(&mut self) -> Terminator {
        match self.below(10) {
            0 => Terminator::Unreachable,
            1 => Terminator::Jump(self.block_id(), self.values()),
            2 => Terminator::Branch {
                cond: self.value(),
                then: self.block_id(),
                otherwise: self.block_id(),
            },
            3 => Terminator::Switch {
                value: self.value(),
                min: self.wide() as i64,
                targets: self.many(4, Self::block_id),
                default: self.block_id(),
            },
            4 => Terminator::Try { body: self.block_id(), handler: self.block_id() },
            5 => Terminator::Return(self.value()),
            6 => Terminator::TailCall(self.value(), self.values()),
            7 => Terminator::TailCallDirect(self.func(), self.values()),
            8 => Terminator::TailCallMethod(self.value(), self.name(), self.values()),
            _ => Terminator::Throw(self.value()),
        }
    }

    fn inst(&mut self) -> Inst {
        let result = if self.coin() { Some(self.value()) } else { None };
        Inst { result, op: self.op(), span: self.span() }
    }

    fn block(&mut self) -> Block {
        Block {
            params: self.values(),
            insts: self.many(6, Self::inst),
            term: self.term(),
            term_span: self.span(),
            handler: if self.below(4) == 0 { Some(self.block_id()) } else { None },
        }
    }

    fn function(&mut self) -> Function {
        Function {
            name: self.name(),
            params: self.values(),
            captures: self.number(),
            blocks: self.many(5, Self::block),
            value_count: self.number(),
            slot_count: self.number(),
            span: self.span(),
        }
    }

    fn record_class(&mut self) -> RecordClass {
        let kind = match self.below(3) {
            0 => RecordKind::Struct,
            1 => RecordKind::Variant { of: self.name() },
            _ => RecordKind::Dynamic,
        };
        RecordClass { name: self.name(), kind, fields: self.many(4, Self::name) }
    }

    fn program(mut self) -> Program {
        let mut program = Program::default();
        for text in NAMES {
            program.names.intern(text);
        }
        program.classes = self.many(4, Self::record_class);
        program.globals = self.many(4, Self::name);
        program.methods = self.many(4, |s| (s.class(), s.name(), s.func()));
        program.entry = if self.coin() { Some(self.func()) } else { None };
        program.funcs = self.many(4, Self::function);
        program
    }
}

/// Makes well-formed functions the way a compiler does: construct by construct, with the values
/// that may be read at hand.
#[derive(Default)]
struct Maker {
    source: Source,
    natives: Vec<(u32, u32)>,
    /// By function: parameters and captures.
    signatures: Vec<(u32, u32)>,
    function: u32,
    blocks: Vec<Block>,
    current: usize,
    handler: Option<BlockId>,
    value_count: u32,
    values: Vec<ValueId>,
    cells: Vec<ValueId>,
    /// Where `break` goes: loop exits and what may be read there is left to their makers.
    exits: Vec<BlockId>,
    /// How many more instructions the function may have.
    budget: u32,
}

const SLOTS: u32 = 2;

impl Maker {
    fn program(mut self) -> Program {
        let mut program = Program::default();
        let [error, kind, message, x, y] =
            ["Error", "kind", "message", "x", "y"].map(|text| program.names.intern(text));
        let class = |name, fields| RecordClass { name, kind: RecordKind::Struct, fields };
        program.classes = vec![class(error, vec![kind, message]), class(x, vec![x, y])];
        program.globals = vec![x, y];
        let count = 1 + self.source.below(4);
        self.signatures =
            (0..count).map(|_| (self.source.below(3), self.source.below(3))).collect();
        self.signatures[0] = (0, 0);
        for n in 0..count {
            if self.signatures[n as usize] == (1, 0) {
                program.methods.push((ClassId(65), y, FuncId(n)));
            }
            let function = self.function(n);
            program.funcs.push(Function { name: x, ..function });
        }
        program.entry = Some(FuncId(0));
        program
    }

    fn function(&mut self, number: u32) -> Function {
        let (params, captures) = self.signatures[number as usize];
        self.function = number;
        self.value_count = 0;
        self.blocks.clear();
        self.values.clear();
        self.cells.clear();
        self.handler = None;
        self.budget = 60;
        let params: Vec<_> = (0..params).map(|_| self.new_value()).collect();
        self.values.extend_from_slice(&params);
        self.current = self.new_block(&[]).index();
        for _ in 0..2 {
            let number = i64::from(self.source.below(5));
            self.emit(Op::Const(Const::Int(number)));
        }
        self.block(4);
        let value = self.pick();
        self.end(Terminator::Return(value));
        Function {
            name: Name(0),
            params,
            captures,
            blocks: std::mem::take(&mut self.blocks),
            value_count: self.value_count,
            slot_count: SLOTS,
            span: Span::default(),
        }
    }

    fn new_value(&mut self) -> ValueId {
        self.value_count += 1;
        ValueId(self.value_count - 1)
    }

    fn new_block(&mut self, params: &[ValueId]) -> BlockId {
        self.blocks.push(Block {
            params: params.to_vec(),
            insts: vec![],
            term: Terminator::Unreachable,
            term_span: Span::default(),
            handler: self.handler,
        });
        BlockId(self.blocks.len() as u32 - 1)
    }

    fn push(&mut self, result: Option<ValueId>, op: Op) {
        let at = self.value_count + self.function * 1000;
        let span = Span { file: 0, start: at, end: at + 1 };
        self.blocks[self.current].insts.push(Inst { result, op, span });
    }

    /// An instruction whose result may be read from now on.
    fn emit(&mut self, op: Op) -> ValueId {
        let value = self.new_value();
        self.push(Some(value), op);
        self.values.push(value);
        value
    }

    fn end(&mut self, term: Terminator) {
        self.blocks[self.current].term = term;
    }

    fn enter(&mut self, block: BlockId) {
        self.current = block.index();
    }

    /// Recent values are the likelier ones.
    fn pick(&mut self) -> ValueId {
        let count = self.values.len() as u32;
        let near = if self.source.coin() { 4 } else { count };
        let back = self.source.below(count.min(near));
        self.values[(count - 1 - back) as usize]
    }

    fn picks(&mut self, count: u32) -> Vec<ValueId> {
        (0..count).map(|_| self.pick()).collect()
    }

    /// Statements with their own scope; gives a value that may be read at its end.
    fn block(&mut self, depth: u32) -> ValueId {
        let (values, cells) = (self.values.len(), self.cells.len());
        for _ in 0..self.source.below(7) {
            self.statement(depth);
        }
        let value = self.pick();
        self.values.truncate(values);
        self.cells.truncate(cells);
        value
    }

    fn statement(&mut self, depth: u32) {
        if self.budget == 0 {
            return;
        }
        self.budget -= 1;
        match self.source.below(if depth == 0 { 20 } else { 32 }) {
            // Zeros are what failing programs shrink to.
            0 => {}
            1..=17 => self.simple(),
            18 => self.leave(),
            19 | 20 => self.constant(),
            21..=23 => self.conditional(depth - 1),
            24 | 25 => self.repeat(depth - 1),
            26..=28 => self.protect(depth - 1),
            29 => self.switch(depth - 1),
            _ => self.short_circuit(),
        }
    }

    fn constant(&mut self) {
        let constant = match self.source.constant() {
            Const::Keyword(_) | Const::Func(_) => Const::Bool(true),
            other => other,
        };
        self.emit(Op::Const(constant));
    }

    fn conditional(&mut self, depth: u32) {
        let result = self.new_value();
        let cond = self.pick();
        let cond = if self.source.coin() { self.emit(Op::Unary(UnaryOp::Not, cond)) } else { cond };
        let (then, otherwise) = (self.new_block(&[]), self.new_block(&[]));
        let join = self.new_block(&[result]);
        self.end(Terminator::Branch { cond, then, otherwise });
        for block in [then, otherwise] {
            self.enter(block);
            let value = self.block(depth);
            self.end(Terminator::Jump(join, vec![value]));
        }
        self.enter(join);
        self.values.push(result);
    }

    /// `a && b` in a condition: a block that only tests its parameter.
    fn short_circuit(&mut self) {
        let result = self.new_value();
        let (a, b, outcome) = (self.pick(), self.pick(), self.new_value());
        let (more, test) = (self.new_block(&[]), self.new_block(&[result]));
        let (no, yes) = (self.new_block(&[]), self.new_block(&[]));
        let join = self.new_block(&[outcome]);
        let known = self.new_value();
        let truth = self.source.coin();
        self.push(Some(known), Op::Const(Const::Bool(truth)));
        let cut = self.new_block(&[]);
        self.end(Terminator::Branch { cond: a, then: more, otherwise: cut });
        self.enter(cut);
        self.end(Terminator::Jump(test, vec![known]));
        self.enter(more);
        self.end(Terminator::Jump(test, vec![b]));
        self.enter(test);
        self.end(Terminator::Branch { cond: result, then: yes, otherwise: no });
        for (block, value) in [(yes, a), (no, b)] {
            self.enter(block);
            self.end(Terminator::Jump(join, vec![value]));
        }
        self.enter(join);
        self.values.push(outcome);
    }

    fn repeat(&mut self, depth: u32) {
        let (index, state) = (self.new_value(), self.new_value());
        let [zero, one, rounds] = [0, 1, i64::from(self.source.below(4))]
            .map(|number| self.emit(Op::Const(Const::Int(number))));
        let first = self.pick();
        let (header, body) = (self.new_block(&[index, state]), self.new_block(&[]));
        let exit = self.new_block(&[]);
        self.end(Terminator::Jump(header, vec![rounds, first]));
        self.enter(header);
        self.values.extend([index, state]);
        let values = self.values.len();
        let more = self.emit(Op::Binary(BinaryOp::Gt, index, zero));
        self.end(Terminator::Branch { cond: more, then: body, otherwise: exit });
        self.enter(body);
        self.exits.push(exit);
        let value = self.block(depth);
        self.exits.pop();
        let next = self.new_value();
        self.push(Some(next), Op::Binary(BinaryOp::Sub, index, one));
        self.end(Terminator::Jump(header, vec![next, value]));
        self.enter(exit);
        self.values.truncate(values);
    }

    fn protect(&mut self, depth: u32) {
        let (thrown, result) = (self.new_value(), self.new_value());
        let handler = self.new_block(&[thrown]);
        let join = self.new_block(&[result]);
        let outer = self.handler.replace(handler);
        let body = self.new_block(&[]);
        self.end(Terminator::Try { body, handler });
        self.enter(body);
        let value = self.block(depth);
        self.end(Terminator::Jump(join, vec![value]));
        self.handler = outer;
        self.enter(handler);
        let values = self.values.len();
        self.values.push(thrown);
        let value = self.block(depth);
        self.end(Terminator::Jump(join, vec![value]));
        self.values.truncate(values);
        self.enter(join);
        self.values.push(result);
    }

    fn switch(&mut self, depth: u32) {
        let value = self.pick();
        let cases: Vec<_> = (0..3).map(|_| self.new_block(&[])).collect();
        let join = self.new_block(&[]);
        let targets = vec![cases[0], cases[1], cases[0]];
        let min = i64::from(self.source.below(3)) - 1;
        self.end(Terminator::Switch { value, min, targets, default: cases[2] });
        for case in cases {
            self.enter(case);
            self.block(depth);
            self.end(Terminator::Jump(join, vec![]));
        }
        self.enter(join);
    }

    /// Leaves for good; what follows is unreachable.
    fn leave(&mut self) {
        let value = self.pick();
        let exit = self.exits.last().copied();
        match (self.source.below(4), exit) {
            (0, _) => self.end(Terminator::Throw(value)),
            (1, None) if self.handler.is_none() => {
                let args = self.picks(1);
                self.end(Terminator::TailCall(value, args));
            }
            (1 | 2, Some(exit)) => self.end(Terminator::Jump(exit, vec![])),
            _ => self.end(Terminator::Return(value)),
        }
        let rest = self.new_block(&[]);
        self.enter(rest);
    }

    /// A later function, if there is one.
    fn callee(&mut self) -> Option<(FuncId, u32, u32)> {
        let later = self.function + 1..self.signatures.len() as u32;
        if later.is_empty() {
            return None;
        }
        let number = later.start + self.source.below(later.len() as u32);
        let (params, captures) = self.signatures[number as usize];
        Some((FuncId(number), params, captures))
    }

    fn simple(&mut self) {
        let (a, b, c) = (self.pick(), self.pick(), self.pick());
        let source = &mut self.source;
        let op = match source.below(34) {
            0 => Op::Unary(
                [UnaryOp::Neg, UnaryOp::Not, UnaryOp::BitNot][source.below(3) as usize],
                a,
            ),
            1..=7 => Op::Binary(source.binary(), a, b),
            8 => Op::GlobalGet(GlobalId(source.below(2))),
            9 => return self.push(None, Op::GlobalSet(GlobalId(0), a)),
            10 => Op::SlotGet(SlotId(source.below(SLOTS))),
            11 => {
                let slot = SlotId(source.below(SLOTS));
                return self.push(None, Op::SlotSet(slot, a));
            }
            12 => {
                let cell = self.new_value();
                self.push(Some(cell), Op::CellNew(a));
                return self.cells.push(cell);
            }
            13 | 14 => match (self.cells.last().copied(), source.coin()) {
                (Some(cell), true) => return self.push(None, Op::CellSet(cell, a)),
                (Some(cell), false) => Op::CellGet(cell),
                _ => Op::MakeTuple(vec![a, b]),
            },
            15 => match self.signatures[self.function as usize] {
                (_, 0) => Op::MakeList(vec![a]),
                (_, captures) => Op::Capture(source.below(captures)),
            },
            16..=18 => match self.callee() {
                Some((function, params, 0)) => Op::CallDirect(function, self.picks(params)),
                Some((function, _, captures)) => Op::Closure(function, self.picks(captures)),
                None => Op::MakeList(vec![a, b]),
            },
            19 => match self.callee() {
                Some((function, _, 0)) => Op::Const(Const::Func(function)),
                _ => Op::MakeRange { start: a, end: b, inclusive: true },
            },
            20 => {
                let count = source.below(3);
                Op::Call(a, self.picks(count))
            }
            21 => Op::CallMethod(a, Name(4), vec![]),
            22 | 23 if !self.natives.is_empty() => {
                let (native, count) =
                    self.natives[source.below(self.natives.len() as u32) as usize];
                Op::CallNative(NativeId(native), self.picks(count))
            }
            24 => Op::Field(a, Name(3 + source.below(2))),
            25 => return self.push(None, Op::SetField(a, Name(3), b)),
            26 => Op::Index(a, b),
            27 => return self.push(None, Op::SetIndex(a, b, c)),
            28 => Op::TupleField(a, source.below(3)),
            29 => Op::MakeRecord(ClassId(65), vec![a, b]),
            30 => Op::UpdateRecord(ClassId(65), a, vec![(source.below(2), b)]),
            31 => Op::MakeMap(vec![a, b]),
            32 => Op::IsClass(a, ClassId([36, 37, 65, 2, 34, 32][source.below(6) as usize])),
            _ => Op::Matches(a, b),
        };
        self.emit(op);
    }
}

#[test]
fn every_mnemonic_is_made() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let text: String = (0..400)
        .map(|_| program().new_tree(&mut runner).unwrap().current())
        .map(|program| super::text::print(&program, Default::default()))
        .collect();
    for part in ["region_leave", "range_inclusive", "list_elem_from_end", "shr_logical", "switch"] {
        assert!(text.contains(part), "{part}");
    }
}

proptest! {
    #[test]
    fn well_formed_programs_are(program in well_formed(vec![(0, 1)])) {
        super::verify::assert_well_formed(&program.0, 1);
    }
}
