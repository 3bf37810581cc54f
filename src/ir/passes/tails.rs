//! Makes plain calls of the tail calls that can only end up in a builtin: `list.len()` at the end of a
//! function is a call, and a return.
//!
//! A tail call gives its frame away before the callee looks at its arguments, so they outlive the frame
//! ([`escape`](super::super::escape)). That is the price of recursion without a stack; but builtins call no
//! Mena code, so behind them there is no recursion to pay for. A call that no method in Mena can answer, by
//! name and number of arguments, ends in a builtin or in an error.

use rustc_hash::FxHashSet as HashSet;

use super::super::{Function, Inst, Op, Program, Terminator, ValueId};
use crate::names::Name;

/// Changes such calls in every function.
pub fn run(program: &mut Program) {
    let count = |function: &Function| function.params.len();
    let methods =
        program.methods.iter().map(|&(_, name, f)| (name, count(&program.funcs[f.index()])));
    let in_mena: HashSet<(Name, usize)> = methods.collect();
    for function in &mut program.funcs {
        for block in &mut function.blocks {
            let Terminator::TailCallMethod(receiver, name, args) = &mut block.term else {
                continue;
            };
            if in_mena.contains(&(*name, args.len() + 1)) {
                continue;
            }
            let result = ValueId(function.value_count);
            function.value_count += 1;
            let call = Op::CallMethod(*receiver, *name, std::mem::take(args));
            block.insts.push(Inst::new(Some(result), call, block.term_span));
            block.term = Terminator::Return(result);
        }
    }
}
