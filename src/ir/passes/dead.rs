//! Removes what nobody can notice: unreachable blocks, unused results of removable instructions
//! ([`Op::is_removable`](super::super::Op::is_removable)), and block parameters that nothing needs.
//!
//! Mark and sweep: marked are the operands of everything that has to stay; a marked parameter marks
//! what the jumps pass for it. So a loop variable that only feeds itself goes too.

use super::super::{Function, Inst, Program, Terminator, ValueId};
use super::simplify::drop_parameters;
use super::{entered_by_try, remove_unreachable};

/// Removes dead code from every function.
pub fn run(program: &mut Program) {
    for function in &mut program.funcs {
        remove_unreachable(function);
        let needed = needed_values(function);
        let is_needed = |inst: &Inst| inst.result.is_some_and(|value| needed[value.index()]);
        for block in &mut function.blocks {
            block.insts.retain(|inst| !inst.op.is_removable() || is_needed(inst));
        }
        let (_, handlers) = entered_by_try(function);
        let mut of_handler = vec![false; needed.len()];
        for (block, _) in function.blocks.iter().zip(handlers).filter(|(_, handler)| *handler) {
            block.params.iter().for_each(|param| of_handler[param.index()] = true);
        }
        let stays = |param: ValueId| needed[param.index()] || of_handler[param.index()];
        drop_parameters(function, |param| !stays(param));
    }
}

fn needed_values(function: &Function) -> Vec<bool> {
    let mut needed = vec![false; function.value_count as usize];
    let mut work = Vec::new();
    for block in &function.blocks {
        let staying = block.insts.iter().filter(|inst| !inst.op.is_removable());
        work.extend(staying.flat_map(|inst| inst.op.operands()));
        if !matches!(block.term, Terminator::Jump(..)) {
            work.extend(block.term.operands());
        }
    }
    let sources = sources(function);
    while let Some(value) = work.pop() {
        if !std::mem::replace(&mut needed[value.index()], true) {
            let (first, last) = (sources.starts[value.index()], sources.starts[value.index() + 1]);
            work.extend_from_slice(&sources.values[first as usize..last as usize]);
        }
    }
    needed
}

/// What each value is made of, when it is a removable result or a parameter, in one allocation.
struct Sources {
    starts: Vec<u32>,
    values: Vec<ValueId>,
}

fn sources(function: &Function) -> Sources {
    let mut pairs: Vec<(ValueId, ValueId)> = Vec::new();
    for block in &function.blocks {
        for inst in block.insts.iter().filter(|inst| inst.op.is_removable()) {
            if let Some(result) = inst.result {
                pairs.extend(inst.op.operands().map(|operand| (result, operand)));
            }
        }
        if let Terminator::Jump(target, args) = &block.term {
            let params = &function.blocks[target.index()].params;
            pairs.extend(params.iter().copied().zip(args.iter().copied()));
        }
    }
    pairs.sort_unstable();
    let mut starts = vec![0; function.value_count as usize + 1];
    for (value, _) in &pairs {
        starts[value.index() + 1] += 1;
    }
    for n in 1..starts.len() {
        starts[n] += starts[n - 1];
    }
    Sources { starts, values: pairs.into_iter().map(|(_, source)| source).collect() }
}
