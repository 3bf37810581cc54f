//! Block parameters that always get the same value are that value; a branch on `not x` is a branch
//! on `x` the other way round.
//!
//! A parameter is trivial when all jumps to its block pass one value or the parameter itself
//! (Braun et al., "Simple and Efficient Construction of SSA Form", 2013). That value's definition
//! dominates the block: whoever comes there first passes it. A handler's parameter comes from the
//! unwinder and is never trivial.

use super::super::dominance::Cfg;
use super::super::{BlockId, Function, Op, Program, Terminator, UnaryOp, ValueId};
use super::{Replacements, entered_by_try, remove_unreachable};

/// Simplifies every function.
pub fn run(program: &mut Program) {
    for function in &mut program.funcs {
        // Jumps that never happen would pass values that do not count.
        remove_unreachable(function);
        trivial_parameters(function);
        negated_branches(function);
    }
}

fn trivial_parameters(function: &mut Function) {
    let cfg = Cfg::new(function);
    let (_, handlers) = entered_by_try(function);
    let mut replacements = Replacements::none(function);
    let mut trivial = vec![false; function.value_count as usize];
    let mut changed = true;
    while changed {
        changed = false;
        for &block in cfg.reverse_postorder().iter().filter(|block| !handlers[block.index()]) {
            for n in 0..function.blocks[block.index()].params.len() {
                let param = function.blocks[block.index()].params[n];
                if trivial[param.index()] {
                    continue;
                }
                if let Some(value) = only_argument(function, &cfg, &mut replacements, block, n) {
                    replacements.replace(param, value);
                    trivial[param.index()] = true;
                    changed = true;
                }
            }
        }
    }
    drop_parameters(function, |param| trivial[param.index()]);
    replacements.apply(function);
}

/// The one value besides itself that the jumps to `block` pass for parameter `n`.
fn only_argument(
    function: &Function,
    cfg: &Cfg,
    replacements: &mut Replacements,
    block: BlockId,
    n: usize,
) -> Option<ValueId> {
    let param = function.blocks[block.index()].params[n];
    let mut only = None;
    for &from in cfg.predecessors(block) {
        let Terminator::Jump(_, args) = &function.blocks[from.index()].term else {
            return None;
        };
        let arg = replacements.resolve(args[n]);
        if arg != param && only.replace(arg).is_some_and(|before| before != arg) {
            return None;
        }
    }
    only
}

/// Removes the parameters that `is_dropped` names and the arguments that were passed for them.
pub(super) fn drop_parameters(function: &mut Function, is_dropped: impl Fn(ValueId) -> bool) {
    let keep: Vec<Vec<bool>> = function
        .blocks
        .iter()
        .map(|block| block.params.iter().map(|&param| !is_dropped(param)).collect())
        .collect();
    for block in &mut function.blocks {
        block.params.retain(|&param| !is_dropped(param));
        if let Terminator::Jump(target, args) = &mut block.term {
            let mut kept = keep[target.index()].iter();
            args.retain(|_| *kept.next().expect("as many arguments as parameters (R3)"));
        }
    }
}

fn negated_branches(function: &mut Function) {
    let mut negated = vec![None; function.value_count as usize];
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let (Some(result), Op::Unary(UnaryOp::Not, value)) = (inst.result, &inst.op) {
            negated[result.index()] = Some(*value);
        }
    }
    for block in &mut function.blocks {
        if let Terminator::Branch { cond, then, otherwise } = &mut block.term {
            while let Some(value) = negated[cond.index()] {
                *cond = value;
                std::mem::swap(then, otherwise);
            }
        }
    }
}
