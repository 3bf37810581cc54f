//! The IR as text: printed for people and golden tests, parsed back for tests.
//!
//! ```text
//! class c64 struct Error { kind, message }
//! global g0 counter
//! method c64 describe f1
//! entry f0
//!
//! fn f0 main(v0) captures 1 slots 1 {
//! b0:
//!   v1 = const 1
//!   slot_set s0, v1
//!   try b1, b2
//! b1 handler b2:
//!   v2 = call_direct f1(v0, v1)
//!   jump b3(v2)
//! b2(v3):
//!   jump b3(v3)
//! b3(v4):
//!   return v4
//! }
//! ```
//!
//! A name that is no plain identifier is written as a string. Floats are written so that every bit
//! comes back (`1.5`, `-0.0`, `inf`, `nan_7ff8000000000000`). Line ends mean nothing; `//`
//! starts a comment. `values n` after `slots n` gives [`Function::value_count`] when it is more (or
//! less) than the highest value needs. `@file:start:end` after a function's head, an instruction or
//! a terminator is its span; a `names "a" "b"` line fixes the numbers of names. With both
//! ([`Style::EXACT`]) a parsed program is equal to the printed one, without them up to those.

use std::fmt::Display;

use super::{BinaryOp, BlockId, FuncId, Function, GlobalId, NativeId, SlotId, UnaryOp, ValueId};

mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use parse::{ParseError, parse};
pub use print::{print, print_function};

/// What [`print`] writes besides the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// Spans, where they are not all zero.
    pub spans: bool,
    /// The name table, so that names keep their numbers.
    pub names: bool,
    /// Comments that say what the classes, functions and globals of a line are called.
    pub notes: bool,
}

impl Style {
    /// Everything that parsing needs to give the same program again.
    pub const EXACT: Style = Style { spans: true, names: true, notes: false };
    /// For reading.
    pub const READABLE: Style = Style { spans: false, names: false, notes: true };
}

const BINARY: [(BinaryOp, &str); 17] = [
    (BinaryOp::Add, "add"),
    (BinaryOp::Sub, "sub"),
    (BinaryOp::Mul, "mul"),
    (BinaryOp::Div, "div"),
    (BinaryOp::Rem, "rem"),
    (BinaryOp::BitAnd, "bit_and"),
    (BinaryOp::BitOr, "bit_or"),
    (BinaryOp::BitXor, "bit_xor"),
    (BinaryOp::Shl, "shl"),
    (BinaryOp::Shr, "shr"),
    (BinaryOp::ShrLogical, "shr_logical"),
    (BinaryOp::Eq, "eq"),
    (BinaryOp::Ne, "ne"),
    (BinaryOp::Lt, "lt"),
    (BinaryOp::Le, "le"),
    (BinaryOp::Gt, "gt"),
    (BinaryOp::Ge, "ge"),
];

const UNARY: [(UnaryOp, &str); 3] =
    [(UnaryOp::Neg, "neg"), (UnaryOp::Not, "not"), (UnaryOp::BitNot, "bit_not")];

macro_rules! display_with_prefix {
    ($($type:ident $prefix:literal;)*) => {
        $(impl Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        })*
    };
}
display_with_prefix! {
    FuncId "f";
    BlockId "b";
    ValueId "v";
    GlobalId "g";
    SlotId "s";
    NativeId "n";
}

/// One more than the highest value that `function` defines or reads.
fn values_needed(function: &Function) -> u32 {
    let inner = function.blocks.iter().flat_map(|block| {
        let insts = block.insts.iter();
        let used = insts.flat_map(|inst| inst.op.operands().chain(inst.result));
        used.chain(block.params.iter().copied()).chain(block.term.operands())
    });
    let all = inner.chain(function.params.iter().copied());
    all.map(|value| value.0.saturating_add(1)).max().unwrap_or(0)
}
