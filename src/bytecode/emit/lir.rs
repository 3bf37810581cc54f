//! Bytecode instructions over virtual registers: what [`select`](super::select) makes of the IR,
//! and what [`alloc`](super::alloc) and [`layout`](super::layout) read.
//!
//! A virtual register has one definition that dominates its uses, as in the IR (the ids of SSA
//! values are kept). The exceptions are frame slots, which have a register of their own throughout
//! the function and are ordinary variables. Constants are loaded where they are used.

use crate::bytecode::ops::{Flow, Op, Role};
use crate::ir::BlockId;
use crate::lang::ast::Span;
use std::ops::Range;

/// A virtual register.
pub(super) type VReg = u32;

/// No virtual register.
pub(super) const NONE: VReg = VReg::MAX;

/// How to load a constant: the op and its `d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Load {
    pub(super) op: Op,
    pub(super) d: i32,
}

/// What goes into a place of a window or a block parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Source {
    Reg(VReg),
    Const(Load),
}

/// An argument of a window or a jump.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arg {
    pub(super) source: Source,
    /// Whether the register is dead afterwards (filled in by `Liveness`).
    pub(super) last: bool,
}

/// An instruction.
#[derive(Clone, Debug)]
pub(super) struct LInst {
    pub(super) op: Op,
    /// By role of the op table: a virtual register, or the operand itself. Calls have their result
    /// in `x[0]`.
    pub(super) x: [u32; 4],
    /// Index into [`Lir::windows`], or [`NO_WINDOW`].
    pub(super) window: u32,
    /// Bit n: the register in `x[n]` is dead afterwards; [`DEAD_RESULT`]: nobody reads the result.
    /// Filled in by `Liveness`.
    pub(super) last: u8,
    pub(super) span: Span,
}

pub(super) const NO_WINDOW: u32 = u32::MAX;
/// Flag of [`LInst::last`].
pub(super) const DEAD_RESULT: u8 = 0x80;

impl LInst {
    pub(super) fn new(op: Op, x: [u32; 4], span: Span) -> LInst {
        LInst { op, x, window: NO_WINDOW, last: 0, span }
    }
    /// The register that it defines.
    pub(super) fn result(&self) -> Option<VReg> {
        let info = self.op.info();
        (info.flow == Flow::Call || info.roles[0] == Role::Write).then_some(self.x[0])
    }
    /// The places of `x` that are registers which it reads, the window aside.
    pub(super) fn reads(&self) -> impl Iterator<Item = usize> + use<> {
        let roles = self.op.info().roles;
        (0..4).filter(move |&n| matches!(roles[n], Role::Read | Role::ReadD))
    }
}

/// A run of registers that an instruction reads.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Into [`Lir::args`]; a callee comes last.
    pub(super) args: Range<u32>,
    /// How often it is used, as a guess: what a move costs here.
    pub(super) weight: u32,
}

/// How a block ends.
#[derive(Clone, Debug)]
pub(super) enum LTerm {
    /// The arguments are in [`Lir::args`].
    Jump(BlockId, Range<u32>),
    /// The test is a jump forward that is taken to `then`.
    Branch {
        test: LInst,
        then: BlockId,
        otherwise: BlockId,
    },
    Switch {
        value: VReg,
        min: i64,
        targets: Vec<BlockId>,
        default: BlockId,
        span: Span,
    },
    /// Leaves the function.
    Exit(LInst),
}

/// A basic block.
#[derive(Clone, Debug)]
pub(super) struct LBlock {
    pub(super) params: Vec<VReg>,
    pub(super) insts: Vec<LInst>,
    pub(super) term: LTerm,
    pub(super) term_span: Span,
    /// The handler of errors raised here.
    pub(super) handler: Option<BlockId>,
    /// The handler of the region that the jump at the end enters (an edge for liveness).
    pub(super) enters: Option<BlockId>,
    /// As in [`Window::weight`].
    pub(super) weight: u32,
}

impl LBlock {
    /// The blocks that it can go to, handlers of entered regions included.
    pub(super) fn successors(&self) -> impl Iterator<Item = BlockId> + '_ {
        let (pair, many): ([Option<BlockId>; 2], &[BlockId]) = match &self.term {
            LTerm::Jump(to, _) => ([Some(*to), None], &[]),
            LTerm::Branch { then, otherwise, .. } => ([Some(*then), Some(*otherwise)], &[]),
            LTerm::Switch { targets, default, .. } => ([Some(*default), None], targets),
            LTerm::Exit(_) => ([None, None], &[]),
        };
        pair.into_iter().chain([self.enters]).flatten().chain(many.iter().copied())
    }
}

/// A function.
#[derive(Clone, Debug)]
pub(super) struct Lir {
    /// By [`BlockId`]; unreachable blocks are empty.
    pub(super) blocks: Vec<LBlock>,
    pub(super) args: Vec<Arg>,
    pub(super) windows: Vec<Window>,
    /// How many virtual registers there are.
    pub(super) vregs: u32,
    /// Registers `0..` at entry: the parameters, and the closure if there are captures.
    pub(super) entry: Vec<VReg>,
    /// The virtual registers of the frame slots: `slots.start + n` is slot n.
    pub(super) slots: Range<VReg>,
    /// Whether the frame is marked as one that makes local objects.
    pub(super) marks_frame: bool,
}

impl Lir {
    /// Whether this is a frame slot: it keeps its register and is never dead.
    pub(super) fn is_slot(&self, v: VReg) -> bool {
        self.slots.contains(&v)
    }
    /// The real register of the first slot.
    pub(super) fn first_slot(&self) -> usize {
        self.entry.len()
    }
}
