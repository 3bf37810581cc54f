//! The SSA intermediate representation: functions of basic blocks with parameters.
//!
//! Mena's tree is lowered to this form by `build`; `verify` proves it well formed, `passes/`
//! improve it, `text` prints it and parses it back, `oracle` runs it directly (the reference of
//! every differential test) and `bytecode::emit` turns it into register code.
//! `dominance` (graph, dominators, loops) and `liveness` are the analyses that these share.
//!
//! Rules (the verifier's list):
//! - R1. A value is defined once: as a function or block parameter or as an instruction's result.
//! - R2. A definition dominates its uses. `Try { body, handler }` is an edge to both; the blocks of
//!   a protected region name their handler in [`Block::handler`], but that is *no* edge for
//!   dominance: a handler sees only what was defined before its `Try`. For liveness it is one: what
//!   is live into the handler is live throughout every block that names it.
//! - R3. A jump passes as many arguments as its target has parameters. The targets of `Branch`,
//!   `Switch` and `Try` (body) have no parameters; a handler has exactly one, the thrown value.
//! - R4. The block that `Try` enters as body names the `Try`'s handler; every other edge keeps
//!   within the region or leaves it. Blocks are *laid out* in `blocks` order (loop tests at the
//!   bottom); the entry is block 0 and has no predecessor.
//! - R5. A variable that is assigned inside a `try` body and declared outside of it is a frame slot
//!   ([`Op::SlotGet`]/[`Op::SlotSet`]): any instruction of the body may leave for the handler. A
//!   variable that is assigned after being captured lives in a cell ([`Op::CellNew`]).
//! - R6. Slots are numbered per function and hold nil at entry.
//! - R7. An instruction with a [`Lifetime`] other than `Heap` makes a cell, a closure, a tuple or a
//!   record ([`Op::may_be_local`]).

#[cfg(test)]
mod arbitrary;
pub mod build;
pub mod dominance;
pub mod escape;
pub mod liveness;
pub mod oracle;
pub mod passes;
pub mod text;
pub mod verify;

use std::rc::Rc;

use crate::class::{ClassId, RecordClass};
use crate::host::functions::HostFunctions;
use crate::lang::ast::Span;
use crate::names::{Interner, Name};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u32);
        impl $name {
            /// As a table index.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
id!(/// A function of the [`Program`].
    FuncId);
id!(/// A basic block of a function.
    BlockId);
id!(/// An SSA value of a function.
    ValueId);
id!(/// A global variable (top-level `let` or `var`) of the [`Program`].
    GlobalId);
id!(/// A frame slot of a function (rule R5).
    SlotId);
id!(/// A builtin function: an index into `builtins::FUNCTIONS`; beyond, a function of the host.
    NativeId);

/// Everything the compiler knows about one loaded program.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// All functions; closures' bodies too.
    pub funcs: Vec<Function>,
    /// Evaluates the top level of every module in order, then calls `main` if there is one.
    pub entry: Option<FuncId>,
    /// Record classes; the first is `Error`.
    pub classes: Vec<RecordClass>,
    /// Methods by class: (class, method name, function taking `self` first). The last wins.
    pub methods: Vec<(ClassId, Name, FuncId)>,
    /// Global variables' names.
    pub globals: Vec<Name>,
    /// All names.
    pub names: Interner,
    /// Functions of the host; their numbers follow those of the builtins.
    pub functions: HostFunctions,
}

/// One function.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Its name (`<closure>` for function literals).
    pub name: Name,
    /// Values of the parameters, in order (`self` first for methods).
    pub params: Vec<ValueId>,
    /// How many variables a closure of this function captures.
    pub captures: u32,
    /// Blocks in layout order; 0 is the entry.
    pub blocks: Vec<Block>,
    /// How many values there are: ids are `0..value_count`.
    pub value_count: u32,
    /// How many frame slots there are.
    pub slot_count: u32,
    /// The declaration.
    pub span: Span,
}

/// A basic block.
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    /// Values that jumps to this block pass.
    pub params: Vec<ValueId>,
    /// Straight-line code.
    pub insts: Vec<Inst>,
    /// What comes next.
    pub term: Terminator,
    /// Where the terminator stands in the source (the call of a tail call, the operand of throw).
    pub term_span: Span,
    /// The block that an error raised in this block goes to (within this function).
    pub handler: Option<BlockId>,
}

/// One instruction.
#[derive(Clone, PartialEq, Debug)]
pub struct Inst {
    /// The value it defines; `None` for instructions without one.
    pub result: Option<ValueId>,
    /// What it does.
    pub op: Op,
    /// Where errors that it raises point to.
    pub span: Span,
    /// (allocations) How long the object lives at most.
    pub lifetime: Lifetime,
}

impl Inst {
    /// An instruction of which no more is known than what it does.
    pub fn new(result: Option<ValueId>, op: Op, span: Span) -> Inst {
        Inst { result, op, span, lifetime: Lifetime::Heap }
    }
}

/// How long the object of an allocation lives at most, as far as escape analysis knows (rule R7).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Lifetime {
    /// As long as anything refers to it.
    #[default]
    Heap,
    /// Nothing uses it once its function's frame has ended.
    Frame,
    /// Nothing uses it once the innermost region of its function that is open has been left.
    Region,
}

/// A constant.
#[derive(Clone, Debug)]
pub enum Const {
    Nil,
    Bool(bool),
    Int(i64),
    /// Compared and printed by bits, so NaN and -0.0 survive.
    Float(f64),
    Char(char),
    Keyword(Name),
    Str(Rc<str>),
    /// A function without captures as a value.
    Func(FuncId),
}

impl PartialEq for Const {
    fn eq(&self, other: &Const) -> bool {
        match (self, other) {
            (Const::Nil, Const::Nil) => true,
            (Const::Bool(a), Const::Bool(b)) => a == b,
            (Const::Int(a), Const::Int(b)) => a == b,
            (Const::Float(a), Const::Float(b)) => a.to_bits() == b.to_bits(),
            (Const::Char(a), Const::Char(b)) => a == b,
            (Const::Keyword(a), Const::Keyword(b)) => a == b,
            (Const::Str(a), Const::Str(b)) => a == b,
            (Const::Func(a), Const::Func(b)) => a == b,
            _ => false,
        }
    }
}

pub use crate::lang::ast::{BinaryOp, UnaryOp};

/// What an instruction does. Operands are evaluated already; order of effects = order of insts.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    Const(Const),
    /// `UnaryOp::Not` gives a bool by truth; the others raise TypeMismatch or Overflow.
    Unary(UnaryOp, ValueId),
    Binary(BinaryOp, ValueId, ValueId),
    GlobalGet(GlobalId),
    GlobalSet(GlobalId, ValueId),
    SlotGet(SlotId),
    SlotSet(SlotId, ValueId),
    /// A new cell holding the value (captured, assigned variables).
    CellNew(ValueId),
    CellGet(ValueId),
    CellSet(ValueId, ValueId),
    /// A closure over the given values (cells for assigned variables).
    Closure(FuncId, Vec<ValueId>),
    /// The n-th captured value of the running closure.
    Capture(u32),
    /// Calls any callable value.
    Call(ValueId, Vec<ValueId>),
    /// Calls a known function without captures; the number of arguments is right.
    CallDirect(FuncId, Vec<ValueId>),
    /// `receiver.name(args)`.
    CallMethod(ValueId, Name, Vec<ValueId>),
    /// A builtin function; the number of arguments is within its arity. Some block the task.
    CallNative(NativeId, Vec<ValueId>),
    /// `object.name`
    Field(ValueId, Name),
    /// `object.name = value`
    SetField(ValueId, Name, ValueId),
    /// `object[index]`
    Index(ValueId, ValueId),
    /// `object[index] = value`
    SetIndex(ValueId, ValueId, ValueId),
    /// `tuple.0`
    TupleField(ValueId, u32),
    MakeTuple(Vec<ValueId>),
    MakeList(Vec<ValueId>),
    /// Alternating keys and values.
    MakeMap(Vec<ValueId>),
    MakeSet(Vec<ValueId>),
    /// A record with all its fields, in slot order.
    MakeRecord(ClassId, Vec<ValueId>),
    /// A copy of `base` (which must be of the class, else TypeMismatch) with some slots replaced.
    UpdateRecord(ClassId, ValueId, Vec<(u32, ValueId)>),
    /// `start..end` as a value.
    MakeRange {
        start: ValueId,
        end: ValueId,
        inclusive: bool,
    },
    /// Display forms of the parts, joined: string interpolation.
    Concat(Vec<ValueId>),
    /// Is the value of this class? (bool, never raises; class tests of patterns)
    IsClass(ValueId, ClassId),
    /// Is it a tuple of this length? (bool)
    IsTuple(ValueId, u32),
    /// Is it a list of this length (or at least this length)? (bool)
    IsList {
        value: ValueId,
        len: u32,
        at_least: bool,
    },
    /// Pattern equality: `value == constant`, false instead of an error for other types. (bool)
    Matches(ValueId, ValueId),
    /// Slot `n` of a record or tuple that a test has proven to have it.
    Elem(ValueId, u32),
    /// Element `n` of a list from the front, or from the back (`0` = last) in a list pattern.
    ListElem {
        list: ValueId,
        index: u32,
        from_end: bool,
    },
    /// A new list without the first `before` and the last `after` elements: `..rest`.
    ListRest {
        list: ValueId,
        before: u32,
        after: u32,
    },
    /// Iteration protocol of `for`: a position before the first element; TypeMismatch when the
    /// value cannot be iterated.
    IterStart(ValueId),
    /// (source, position) → is there no element here? (bool)
    IterDone(ValueId, ValueId),
    /// (source, position) → the element (a (key, value) tuple for maps).
    IterGet(ValueId, ValueId),
    /// (source, position) → the next position.
    IterNext(ValueId, ValueId),
    /// A new task that will call the value with the arguments; gives the task handle.
    Spawn(ValueId, Vec<ValueId>),
    /// Lets other tasks run; gives nil.
    Yield,
    /// `arena {`: gives an opaque token.
    RegionEnter,
    /// `}` of an arena, on every way out: (token, value that escapes) → that value, promoted.
    RegionLeave(ValueId, ValueId),
}

/// How a block ends.
#[derive(Clone, PartialEq, Debug)]
pub enum Terminator {
    Jump(BlockId, Vec<ValueId>),
    /// By truth of the value.
    Branch {
        cond: ValueId,
        then: BlockId,
        otherwise: BlockId,
    },
    /// Dense dispatch on an int: `targets[value - min]`, anything else (other types too) `default`.
    Switch {
        value: ValueId,
        min: i64,
        targets: Vec<BlockId>,
        default: BlockId,
    },
    /// Enters a protected region (rules R2, R4).
    Try {
        body: BlockId,
        handler: BlockId,
    },
    Return(ValueId),
    TailCall(ValueId, Vec<ValueId>),
    TailCallDirect(FuncId, Vec<ValueId>),
    TailCallMethod(ValueId, Name, Vec<ValueId>),
    Throw(ValueId),
    /// Never reached (after a call that cannot return, such as an exhausted match's throw).
    Unreachable,
}

/// The operands of an instruction or terminator, in the order in which they are written. Made by
/// [`Op::operands`] and [`Terminator::operands`].
#[derive(Clone, Debug)]
pub struct Operands<'a> {
    fixed: [Option<ValueId>; 3],
    list: &'a [ValueId],
    updates: &'a [(u32, ValueId)],
}

impl<'a> Operands<'a> {
    fn new(fixed: &[ValueId], list: &'a [ValueId]) -> Operands<'a> {
        Operands { fixed: [0, 1, 2].map(|n| fixed.get(n).copied()), list, updates: &[] }
    }
}

impl Iterator for Operands<'_> {
    type Item = ValueId;

    fn next(&mut self) -> Option<ValueId> {
        if let Some(value) = self.fixed.iter_mut().find_map(Option::take) {
            return Some(value);
        }
        if let Some((&value, rest)) = self.list.split_first() {
            self.list = rest;
            return Some(value);
        }
        let (&(_, value), rest) = self.updates.split_first()?;
        self.updates = rest;
        Some(value)
    }
}

impl Op {
    /// The values that the instruction reads.
    pub fn operands(&self) -> Operands<'_> {
        match self {
            Op::Const(_)
            | Op::GlobalGet(_)
            | Op::SlotGet(_)
            | Op::Capture(_)
            | Op::Yield
            | Op::RegionEnter => Operands::new(&[], &[]),
            Op::Unary(_, a)
            | Op::GlobalSet(_, a)
            | Op::SlotSet(_, a)
            | Op::CellNew(a)
            | Op::CellGet(a)
            | Op::Field(a, _)
            | Op::TupleField(a, _)
            | Op::IsClass(a, _)
            | Op::IsTuple(a, _)
            | Op::IsList { value: a, .. }
            | Op::Elem(a, _)
            | Op::ListElem { list: a, .. }
            | Op::ListRest { list: a, .. }
            | Op::IterStart(a) => Operands::new(&[*a], &[]),
            Op::Binary(_, a, b)
            | Op::CellSet(a, b)
            | Op::SetField(a, _, b)
            | Op::Index(a, b)
            | Op::MakeRange { start: a, end: b, .. }
            | Op::Matches(a, b)
            | Op::IterDone(a, b)
            | Op::IterGet(a, b)
            | Op::IterNext(a, b)
            | Op::RegionLeave(a, b) => Operands::new(&[*a, *b], &[]),
            Op::SetIndex(a, b, c) => Operands::new(&[*a, *b, *c], &[]),
            Op::Closure(_, list)
            | Op::CallDirect(_, list)
            | Op::CallNative(_, list)
            | Op::MakeTuple(list)
            | Op::MakeList(list)
            | Op::MakeMap(list)
            | Op::MakeSet(list)
            | Op::MakeRecord(_, list)
            | Op::Concat(list) => Operands::new(&[], list),
            Op::Call(a, list) | Op::CallMethod(a, _, list) | Op::Spawn(a, list) => {
                Operands::new(&[*a], list)
            }
            Op::UpdateRecord(_, base, updates) => {
                Operands { updates, ..Operands::new(&[*base], &[]) }
            }
        }
    }

    /// Replaces every operand by what `map` says, in the order of [`Op::operands`].
    pub fn map_operands(&mut self, mut map: impl FnMut(ValueId) -> ValueId) {
        self.for_operands_mut(&mut |value| *value = map(*value));
    }

    fn for_operands_mut(&mut self, visit: &mut dyn FnMut(&mut ValueId)) {
        match self {
            Op::Const(_)
            | Op::GlobalGet(_)
            | Op::SlotGet(_)
            | Op::Capture(_)
            | Op::Yield
            | Op::RegionEnter => {}
            Op::Unary(_, a)
            | Op::GlobalSet(_, a)
            | Op::SlotSet(_, a)
            | Op::CellNew(a)
            | Op::CellGet(a)
            | Op::Field(a, _)
            | Op::TupleField(a, _)
            | Op::IsClass(a, _)
            | Op::IsTuple(a, _)
            | Op::IsList { value: a, .. }
            | Op::Elem(a, _)
            | Op::ListElem { list: a, .. }
            | Op::ListRest { list: a, .. }
            | Op::IterStart(a) => visit(a),
            Op::Binary(_, a, b)
            | Op::CellSet(a, b)
            | Op::SetField(a, _, b)
            | Op::Index(a, b)
            | Op::MakeRange { start: a, end: b, .. }
            | Op::Matches(a, b)
            | Op::IterDone(a, b)
            | Op::IterGet(a, b)
            | Op::IterNext(a, b)
            | Op::RegionLeave(a, b) => [a, b].into_iter().for_each(visit),
            Op::SetIndex(a, b, c) => [a, b, c].into_iter().for_each(visit),
            Op::Closure(_, list)
            | Op::CallDirect(_, list)
            | Op::CallNative(_, list)
            | Op::MakeTuple(list)
            | Op::MakeList(list)
            | Op::MakeMap(list)
            | Op::MakeSet(list)
            | Op::MakeRecord(_, list)
            | Op::Concat(list) => list.iter_mut().for_each(visit),
            Op::Call(a, list) | Op::CallMethod(a, _, list) | Op::Spawn(a, list) => {
                visit(a);
                list.iter_mut().for_each(visit);
            }
            Op::UpdateRecord(_, base, updates) => {
                visit(base);
                updates.iter_mut().for_each(|(_, value)| visit(value));
            }
        }
    }

    /// Whether the instruction may be dropped when nothing uses its result: it cannot raise,
    /// changes nothing, and allocates nothing (allocating is what Mena programs are for, so the
    /// passes keep every allocation of the source).
    pub fn is_removable(&self) -> bool {
        match self {
            Op::Binary(op, ..) => matches!(op, BinaryOp::Eq | BinaryOp::Ne),
            Op::Unary(op, _) => *op == UnaryOp::Not,
            Op::Const(_)
            | Op::GlobalGet(_)
            | Op::SlotGet(_)
            | Op::CellGet(_)
            | Op::Capture(_)
            | Op::IsClass(..)
            | Op::IsTuple(..)
            | Op::IsList { .. }
            | Op::Matches(..)
            | Op::Elem(..)
            | Op::ListElem { .. }
            | Op::IterDone(..)
            | Op::IterNext(..) => true,
            _ => false,
        }
    }

    /// Whether the instruction makes an object of a fixed size, which escape analysis may find to be
    /// local.
    pub fn may_be_local(&self) -> bool {
        matches!(
            self,
            Op::CellNew(_)
                | Op::Closure(..)
                | Op::MakeTuple(_)
                | Op::MakeRecord(..)
                | Op::UpdateRecord(..)
        )
    }

    /// Whether control may leave for the handler here. Running out of memory counts, so everything
    /// that allocates may raise.
    pub fn may_raise(&self) -> bool {
        let silent_effect =
            matches!(self, Op::GlobalSet(..) | Op::SlotSet(..) | Op::CellSet(..) | Op::RegionEnter);
        !self.is_removable() && !silent_effect
    }

    /// Whether the instruction defines a value. The others give nothing: their
    /// [`Inst::result`] must be `None`. (A result that is there may be left unused, so an
    /// instruction of the first sort may have `None` too when it is kept for its effect.)
    pub fn has_result(&self) -> bool {
        !matches!(
            self,
            Op::GlobalSet(..)
                | Op::SlotSet(..)
                | Op::CellSet(..)
                | Op::SetField(..)
                | Op::SetIndex(..)
        )
    }
}

impl Terminator {
    /// The values that the terminator reads.
    pub fn operands(&self) -> Operands<'_> {
        match self {
            Terminator::Try { .. } | Terminator::Unreachable => Operands::new(&[], &[]),
            Terminator::Branch { cond: a, .. }
            | Terminator::Switch { value: a, .. }
            | Terminator::Return(a)
            | Terminator::Throw(a) => Operands::new(&[*a], &[]),
            Terminator::Jump(_, list) | Terminator::TailCallDirect(_, list) => {
                Operands::new(&[], list)
            }
            Terminator::TailCall(a, list) | Terminator::TailCallMethod(a, _, list) => {
                Operands::new(&[*a], list)
            }
        }
    }

    /// Replaces every operand by what `map` says, in the order of [`Terminator::operands`].
    pub fn map_operands(&mut self, mut map: impl FnMut(ValueId) -> ValueId) {
        match self {
            Terminator::Try { .. } | Terminator::Unreachable => {}
            Terminator::Branch { cond: a, .. }
            | Terminator::Switch { value: a, .. }
            | Terminator::Return(a)
            | Terminator::Throw(a) => *a = map(*a),
            Terminator::Jump(_, list) | Terminator::TailCallDirect(_, list) => {
                list.iter_mut().for_each(|value| *value = map(*value));
            }
            Terminator::TailCall(a, list) | Terminator::TailCallMethod(a, _, list) => {
                *a = map(*a);
                list.iter_mut().for_each(|value| *value = map(*value));
            }
        }
    }

    /// Where control goes next, in order; a block that is named twice comes twice.
    pub fn successors(&self) -> impl Iterator<Item = BlockId> + '_ {
        let (list, fixed): (&[BlockId], [Option<BlockId>; 2]) = match self {
            Terminator::Jump(target, _) => (&[], [Some(*target), None]),
            Terminator::Branch { then, otherwise, .. } => (&[], [Some(*then), Some(*otherwise)]),
            Terminator::Switch { targets, default, .. } => (targets, [Some(*default), None]),
            Terminator::Try { body, handler } => (&[], [Some(*body), Some(*handler)]),
            _ => (&[], [None; 2]),
        };
        list.iter().copied().chain(fixed.into_iter().flatten())
    }

    /// Replaces every successor by what `map` says, in the order of [`Terminator::successors`].
    pub fn map_successors(&mut self, mut map: impl FnMut(BlockId) -> BlockId) {
        match self {
            Terminator::Jump(target, _) => *target = map(*target),
            Terminator::Branch { then, otherwise, .. } => {
                *then = map(*then);
                *otherwise = map(*otherwise);
            }
            Terminator::Switch { targets, default, .. } => {
                targets.iter_mut().for_each(|target| *target = map(*target));
                *default = map(*default);
            }
            Terminator::Try { body, handler } => {
                *body = map(*body);
                *handler = map(*handler);
            }
            _ => {}
        }
    }
}
