//! Random programs for the tests of the IR tools: any instruction with any numbers, mostly
//! nonsense ([`program`]), and well-formed ones that run to an end ([`well_formed`]).

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
        let (op, span) = (self.op(), self.span());
        Inst::new(result, op, span)
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
    values: Vec<(ValueId, Sort)>,
    cells: Vec<ValueId>,
    /// Where `break` goes: loop exits and what may be read there is left to their makers.
    exits: Vec<BlockId>,
    /// How many more instructions the function may have.
    budget: u32,
}

const SLOTS: u32 = 2;

/// What a value certainly is, so that most operations find operands that fit.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Sort {
    Any,
    Int,
    List,
    /// Of two elements.
    Tuple,
    /// Of class 65, with two fields.
    Record,
    /// A callable with this number of parameters.
    Callable(u32),
    Task,
}

/// Names of the programs, by number.
const WELL_FORMED_NAMES: [&str; 10] =
    ["Error", "kind", "message", "x", "y", "join", "push", "len", "pop", "is_done"];
const NAME_X: u32 = 3;
const NAME_Y: u32 = 4;
const RECORD: ClassId = ClassId(65);

impl Maker {
    fn program(mut self) -> Program {
        let mut program = Program::default();
        let [error, kind, message, x, y, ..] =
            WELL_FORMED_NAMES.map(|text| program.names.intern(text));
        let class = |name, fields| RecordClass { name, kind: RecordKind::Struct, fields };
        program.classes = vec![class(error, vec![kind, message]), class(x, vec![x, y])];
        program.globals = vec![x, y];
        let count = 1 + self.source.below(4);
        self.signatures =
            (0..count).map(|_| (self.source.below(3), self.source.below(3))).collect();
        self.signatures[0] = (0, 0);
        for n in 0..count {
            if self.signatures[n as usize] == (1, 0) {
                program.methods.push((RECORD, y, FuncId(n)));
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
        self.budget = 80;
        let params: Vec<_> = (0..params).map(|_| self.new_value()).collect();
        self.values.extend(params.iter().map(|&param| (param, Sort::Any)));
        self.current = self.new_block(&[]).index();
        for _ in 0..2 {
            let number = i64::from(self.source.below(5));
            self.emit(Sort::Int, Op::Const(Const::Int(number)));
        }
        self.one_of_each();
        for _ in 0..6 + self.source.below(12) {
            self.statement(4);
        }
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

    /// So that operations find operands that fit.
    fn one_of_each(&mut self) {
        let (a, b) = (self.pick(), self.pick());
        self.emit(Sort::List, Op::MakeList(vec![a, b, a]));
        self.emit(Sort::Tuple, Op::MakeTuple(vec![b, a]));
        self.emit(Sort::Record, Op::MakeRecord(RECORD, vec![a, b]));
        if let Some((function, params, captures)) = self.callee() {
            let captures = self.picks(captures);
            let callee = self.emit(Sort::Callable(params), Op::Closure(function, captures));
            let args = self.picks(params);
            self.emit(Sort::Task, Op::Spawn(callee, args));
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
        self.blocks[self.current].insts.push(Inst::new(result, op, span));
    }

    /// An instruction whose result may be read from now on.
    fn emit(&mut self, sort: Sort, op: Op) -> ValueId {
        let value = self.new_value();
        self.push(Some(value), op);
        self.values.push((value, sort));
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
        self.values[(count - 1 - back) as usize].0
    }

    /// Mostly a value of this sort, if there is one.
    fn pick_sort(&mut self, wanted: impl Fn(Sort) -> bool) -> ValueId {
        let fitting: Vec<_> = self.values.iter().filter(|(_, sort)| wanted(*sort)).collect();
        let count = fitting.len() as u32;
        if count == 0 || self.source.below(64) == 63 {
            return self.pick();
        }
        let near = if self.source.coin() { 3 } else { count };
        let back = self.source.below(count.min(near));
        fitting[(count - 1 - back) as usize].0
    }

    fn pick_int(&mut self) -> ValueId {
        self.pick_sort(|sort| sort == Sort::Int)
    }

    /// Something to call, and how many arguments it takes.
    fn pick_callable(&mut self) -> (ValueId, u32) {
        let callee = self.pick_sort(|sort| matches!(sort, Sort::Callable(_)));
        let sort = self.values.iter().find(|(value, _)| *value == callee).map(|(_, sort)| *sort);
        match sort {
            Some(Sort::Callable(params)) => (callee, params),
            _ => (callee, self.source.below(3)),
        }
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
        match self.source.below(if depth == 0 { 20 } else { 38 }) {
            // Zeros are what failing programs shrink to.
            0 => {}
            1..=17 => self.simple(),
            18 => self.leave(),
            19 | 20 => self.constant(),
            21..=23 => self.conditional(depth - 1),
            24 | 25 => self.repeat(depth - 1),
            26..=28 => self.protect(depth - 1),
            29 | 30 => self.switch(depth - 1),
            31..=33 => self.for_loop(depth - 1),
            34 => self.list_pattern(),
            35 => self.arena(depth - 1),
            _ => self.short_circuit(),
        }
    }

    fn constant(&mut self) {
        let constant = match self.source.constant() {
            Const::Keyword(_) | Const::Func(_) => Const::Bool(true),
            other => other,
        };
        self.emit(Sort::Any, Op::Const(constant));
    }

    fn conditional(&mut self, depth: u32) {
        let result = self.new_value();
        let cond = self.pick();
        let negated = Op::Unary(UnaryOp::Not, cond);
        let cond = if self.source.coin() { self.emit(Sort::Any, negated) } else { cond };
        let (then, otherwise) = (self.new_block(&[]), self.new_block(&[]));
        let join = self.new_block(&[result]);
        self.end(Terminator::Branch { cond, then, otherwise });
        for block in [then, otherwise] {
            self.enter(block);
            let value = self.block(depth);
            self.end(Terminator::Jump(join, vec![value]));
        }
        self.enter(join);
        self.values.push((result, Sort::Any));
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
        self.values.push((outcome, Sort::Any));
    }

    fn repeat(&mut self, depth: u32) {
        let (index, state) = (self.new_value(), self.new_value());
        let [zero, one, rounds] = [0, 1, i64::from(self.source.below(4))]
            .map(|number| self.emit(Sort::Int, Op::Const(Const::Int(number))));
        let first = self.pick();
        let (header, body) = (self.new_block(&[index, state]), self.new_block(&[]));
        let exit = self.new_block(&[]);
        self.end(Terminator::Jump(header, vec![rounds, first]));
        self.enter(header);
        self.values.extend([(index, Sort::Int), (state, Sort::Any)]);
        let values = self.values.len();
        let more = self.emit(Sort::Any, Op::Binary(BinaryOp::Gt, index, zero));
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
        self.values.push((thrown, Sort::Any));
        let value = self.block(depth);
        self.end(Terminator::Jump(join, vec![value]));
        self.values.truncate(values);
        self.enter(join);
        self.values.push((result, Sort::Any));
    }

    /// `for element in list`
    fn for_loop(&mut self, depth: u32) {
        let values = self.values.len();
        let source = self.pick_sort(|sort| matches!(sort, Sort::List | Sort::Tuple));
        let start = self.emit(Sort::Any, Op::IterStart(source));
        let (at, next) = (self.new_value(), self.new_value());
        let header = self.new_block(&[at]);
        let (body, exit) = (self.new_block(&[]), self.new_block(&[]));
        self.end(Terminator::Jump(header, vec![start]));
        self.enter(header);
        let done = self.emit(Sort::Any, Op::IterDone(source, at));
        self.end(Terminator::Branch { cond: done, then: exit, otherwise: body });
        self.enter(body);
        self.emit(Sort::Any, Op::IterGet(source, at));
        self.exits.push(exit);
        self.block(depth);
        self.exits.pop();
        self.push(Some(next), Op::IterNext(source, at));
        self.end(Terminator::Jump(header, vec![next]));
        self.enter(exit);
        self.values.truncate(values);
    }

    /// `match list { [a, ..rest] => …, _ => … }`
    fn list_pattern(&mut self) {
        let value = self.pick_sort(|sort| sort == Sort::List);
        let len = self.source.below(3);
        let (yes, join) = (self.new_block(&[]), self.new_block(&[]));
        let at_least = self.source.coin();
        let is = self.emit(Sort::Any, Op::IsList { value, len, at_least });
        self.end(Terminator::Branch { cond: is, then: yes, otherwise: join });
        self.enter(yes);
        let values = self.values.len();
        if len > 0 {
            let (index, from_end) = (self.source.below(len), self.source.coin());
            self.emit(Sort::Any, Op::ListElem { list: value, index, from_end });
        }
        let before = self.source.below(len + 1);
        self.emit(Sort::List, Op::ListRest { list: value, before, after: len - before });
        let (global, result) = (GlobalId(self.source.below(2)), self.pick());
        self.push(None, Op::GlobalSet(global, result));
        self.values.truncate(values);
        self.end(Terminator::Jump(join, vec![]));
        self.enter(join);
    }

    /// `arena { … }`, as it is compiled.
    fn arena(&mut self, depth: u32) {
        let (thrown, inside) = (self.new_value(), self.new_value());
        let token = self.new_value();
        self.push(Some(token), Op::RegionEnter);
        let (handler, end) = (self.new_block(&[thrown]), self.new_block(&[inside]));
        let outer = self.handler.replace(handler);
        let exits = std::mem::take(&mut self.exits);
        let body = self.new_block(&[]);
        self.end(Terminator::Try { body, handler });
        self.enter(body);
        let value = self.block(depth);
        self.end(Terminator::Jump(end, vec![value]));
        self.exits = exits;
        self.handler = outer;
        self.enter(handler);
        let promoted = self.new_value();
        self.push(Some(promoted), Op::RegionLeave(token, thrown));
        self.end(Terminator::Throw(promoted));
        self.enter(end);
        self.emit(Sort::Any, Op::RegionLeave(token, inside));
    }

    fn switch(&mut self, depth: u32) {
        let value = self.pick_int();
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
        let (a, b) = (self.pick(), self.pick());
        match self.source.below(42) {
            0..=6 => self.arithmetic(),
            7 => {
                let op = [UnaryOp::Not, UnaryOp::Neg, UnaryOp::BitNot];
                let op = op[self.source.below(3) as usize];
                let a = if op == UnaryOp::Not { a } else { self.pick_int() };
                let sort = if op == UnaryOp::Not { Sort::Any } else { Sort::Int };
                self.emit(sort, Op::Unary(op, a));
            }
            8..=13 => self.variables(a),
            14..=20 => self.calls(),
            21..=24 => self.records_and_tuples(a, b),
            25..=29 => self.lists(a),
            30 | 31 => self.tasks(),
            32..=36 => self.builtin_call(),
            37 => self.any(Op::Matches(a, b)),
            38 => {
                let class = ClassId([36, 37, 65, 2, 34, 32, 4][self.source.below(7) as usize]);
                self.any(Op::IsClass(a, class));
            }
            39 => self.any(Op::Concat(vec![a, b])),
            40 => {
                let (key, more) = (self.pick_int(), self.source.coin());
                self.any(if more { Op::MakeMap(vec![key, b]) } else { Op::MakeSet(vec![key]) });
            }
            _ => {
                let (start, end) = (self.pick_int(), self.pick_int());
                self.any(Op::MakeRange { start, end, inclusive: true });
            }
        }
    }

    /// An instruction whose result may be anything.
    fn any(&mut self, op: Op) {
        self.emit(Sort::Any, op);
    }

    fn arithmetic(&mut self) {
        let op = if self.source.below(8) == 0 {
            self.source.binary()
        } else {
            let quiet =
                [BinaryOp::Add, BinaryOp::Sub, BinaryOp::BitXor, BinaryOp::Lt, BinaryOp::Ge];
            quiet[self.source.below(5) as usize]
        };
        let (a, b) = (self.pick_int(), self.pick_int());
        let gives_bool = matches!(
            op,
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge
        );
        self.emit(if gives_bool { Sort::Any } else { Sort::Int }, Op::Binary(op, a, b));
    }

    /// Globals, slots, cells, captures.
    fn variables(&mut self, a: ValueId) {
        let captures = self.signatures[self.function as usize].1;
        let (global, slot) = (GlobalId(self.source.below(2)), SlotId(self.source.below(SLOTS)));
        match (self.source.below(8), self.cells.last().copied()) {
            (0, _) => self.any(Op::GlobalGet(global)),
            (1, _) => self.push(None, Op::GlobalSet(global, a)),
            (2, _) => self.any(Op::SlotGet(slot)),
            (3, _) => self.push(None, Op::SlotSet(slot, a)),
            (4 | 5, Some(cell)) => self.any(Op::CellGet(cell)),
            (6, Some(cell)) => self.push(None, Op::CellSet(cell, a)),
            (7, _) if captures > 0 => {
                let capture = self.source.below(captures);
                self.any(Op::Capture(capture));
            }
            _ => {
                let cell = self.new_value();
                self.push(Some(cell), Op::CellNew(a));
                self.cells.push(cell);
            }
        }
    }

    fn calls(&mut self) {
        match (self.source.below(5), self.callee()) {
            (0 | 1, Some((function, params, 0))) => {
                let args = self.picks(params);
                self.any(Op::CallDirect(function, args));
            }
            (2, Some((function, params, 0))) => {
                self.emit(Sort::Callable(params), Op::Const(Const::Func(function)));
            }
            (0..=2, Some((function, params, captures))) => {
                let captures = self.picks(captures);
                self.emit(Sort::Callable(params), Op::Closure(function, captures));
            }
            (3, _) => {
                let record = self.pick_sort(|sort| sort == Sort::Record);
                self.any(Op::CallMethod(record, Name(NAME_Y), vec![]));
            }
            _ => {
                let (callee, params) = self.pick_callable();
                let args = self.picks(params);
                self.any(Op::Call(callee, args));
            }
        }
    }

    fn records_and_tuples(&mut self, a: ValueId, b: ValueId) {
        let record = self.pick_sort(|sort| sort == Sort::Record);
        let is_record = self.values.contains(&(record, Sort::Record));
        let slot = self.source.below(2);
        match self.source.below(8) {
            0 => self.any(Op::Field(record, Name(NAME_X + slot))),
            1 => self.push(None, Op::SetField(record, Name(NAME_X + slot), b)),
            2 => {
                let op = Op::UpdateRecord(RECORD, record, vec![(slot, b)]);
                self.emit(Sort::Record, op);
            }
            3 if is_record => self.any(Op::Elem(record, slot)),
            4 => {
                let tuple = self.pick_sort(|sort| sort == Sort::Tuple);
                self.any(Op::TupleField(tuple, slot));
            }
            5 => self.any(Op::IsTuple(a, 2)),
            6 => {
                self.emit(Sort::Tuple, Op::MakeTuple(vec![a, b]));
            }
            _ => {
                self.emit(Sort::Record, Op::MakeRecord(RECORD, vec![a, b]));
            }
        }
    }

    fn lists(&mut self, a: ValueId) {
        let list = self.pick_sort(|sort| sort == Sort::List);
        let index = if self.source.below(8) == 0 {
            self.pick_int()
        } else {
            let number = i64::from(self.source.below(3));
            self.emit(Sort::Int, Op::Const(Const::Int(number)))
        };
        match self.source.below(7) {
            0 => self.any(Op::Index(list, index)),
            1 => self.push(None, Op::SetIndex(list, index, a)),
            2 => self.any(Op::CallMethod(list, Name(6), vec![a])),
            3 => {
                self.emit(Sort::Int, Op::CallMethod(list, Name(7), vec![]));
            }
            4 => self.any(Op::CallMethod(list, Name(8), vec![])),
            _ => {
                let count = self.source.below(4);
                let elements = self.picks(count);
                self.emit(Sort::List, Op::MakeList(elements));
            }
        }
    }

    fn tasks(&mut self) {
        let task = self.pick_sort(|sort| sort == Sort::Task);
        match self.source.below(4) {
            0 => self.any(Op::Yield),
            1 => {
                let name = Name(if self.source.coin() { 5 } else { 9 });
                self.any(Op::CallMethod(task, name, vec![]));
            }
            _ => {
                let (callee, params) = self.pick_callable();
                let args = self.picks(params);
                self.emit(Sort::Task, Op::Spawn(callee, args));
            }
        }
    }

    fn builtin_call(&mut self) {
        if !self.natives.is_empty() {
            let index = self.source.below(self.natives.len() as u32) as usize;
            let (native, count) = self.natives[index];
            let args = self.picks(count);
            self.any(Op::CallNative(NativeId(native), args));
        }
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
