//! Random programs for the tests of the IR tools: any instruction with any numbers, mostly nonsense.

use proptest::prelude::*;

use super::text::Style;
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

const NAMES: [&str; 8] = ["x", "y", "a b", "", "<closure>", "v1", "nil", "naïve\n\"'"];

/// Random numbers, then zeros.
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

#[test]
fn every_mnemonic_is_made() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let text: String = (0..400)
        .map(|_| program().new_tree(&mut runner).unwrap().current())
        .map(|program| super::text::print(&program, Style::default()))
        .collect();
    for part in ["region_leave", "range_inclusive", "list_elem_from_end", "shr_logical", "switch"] {
        assert!(text.contains(part), "{part}");
    }
}
