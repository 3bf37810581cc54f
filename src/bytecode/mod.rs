//! Register bytecode: one 64-bit word per instruction, `op:8 a:8 b:8 c:8 d:32` (low bits first).
//!
//! [`ops`] is the one table that everything else derives from: encoder, decoder, verifier rules,
//! disassembler, register liveness and docs/bytecode.md. `emit` makes [`Code`] from the IR,
//! `verify` proves it safe to run (the interpreter checks nothing that it proves).
//!
//! Frames: a function's registers are a window of its task's stack. The arguments of a call are put
//! into the *top* of the caller's window, from register `a` on; the callee's window starts there,
//! so they are its first registers, and its result comes back in `a`. A callee that is a closure
//! finds itself in the register after its last parameter. Everything from `a` on is dead after the
//! call except for the result.

use crate::ir::{FuncId, GlobalId};
use crate::lang::ast::Span;
use crate::names::Name;
use std::rc::Rc;

pub mod disasm;
pub mod docs;
pub mod emit;
mod graph;
pub mod liveness;
pub mod ops;
pub mod verify;

/// The bytecode of a program.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// All functions, back to back. Jumps are relative to the next word.
    pub words: Vec<u64>,
    /// By [`FuncId`].
    pub functions: Vec<FunctionCode>,
    /// What the constant table is filled with at load.
    pub constants: Vec<Constant>,
    /// Tables of `Switch`.
    pub switches: Vec<SwitchTable>,
    /// Sites of `CallMethod` and `TailCallMethod`.
    pub method_sites: Vec<MethodSite>,
    /// Tables of `UpdateRecord`.
    pub updates: Vec<UpdateTable>,
    /// Source places: (index into `words`, span), ascending; each holds until the next.
    pub spans: Vec<(u32, Span)>,
    /// The function to run.
    pub entry: Option<FuncId>,
    /// How many globals there are.
    pub globals: u32,
}

/// One function's code.
#[derive(Clone, Debug)]
pub struct FunctionCode {
    /// For stack traces.
    pub name: Name,
    /// First word.
    pub start: u32,
    /// One past its last word.
    pub end: u32,
    /// Parameters: registers `0..params` at entry.
    pub params: u8,
    /// Captured values; when there are any, register `params` holds the closure at entry.
    pub captures: u8,
    /// Registers used, outgoing call windows included.
    pub registers: u16,
    /// Protected ranges, innermost first where they nest.
    pub handlers: Vec<HandlerRange>,
    /// The declaration.
    pub span: Span,
}

/// Errors raised by the words `start..end` go to `target`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandlerRange {
    /// First protected word.
    pub start: u32,
    /// One past the last protected word.
    pub end: u32,
    /// The handler's first word.
    pub target: u32,
    /// The register that receives the thrown value.
    pub register: u8,
}

/// A constant to be made at load.
#[derive(Clone, PartialEq, Debug)]
pub enum Constant {
    /// Nil, bool, char, keyword or an int or float of any size.
    Int(i64),
    /// By bits.
    Float(f64),
    /// An immediate word.
    Word(crate::value::Value),
    /// A string.
    Str(Rc<str>),
    /// A function without captures as a value.
    Func(FuncId),
}

/// `Switch`: word indices of the targets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchTable {
    /// The int that `targets[0]` is for.
    pub min: i64,
    /// Where to go on `min + index`.
    pub targets: Vec<u32>,
    /// Where to go on anything else.
    pub default: u32,
}

/// A method call in the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MethodSite {
    /// The method's name.
    pub name: Name,
    /// Arguments, the receiver included.
    pub args: u8,
}

/// `UpdateRecord`: the record's class and the slots to replace, in window order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateTable {
    /// The class that the base must have.
    pub class: crate::class::ClassId,
    /// Slot numbers.
    pub slots: Vec<u32>,
}

/// A global's index as an operand.
pub fn global_operand(g: GlobalId) -> i32 {
    g.0 as i32
}
