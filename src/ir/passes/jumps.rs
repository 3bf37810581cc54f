//! Straightens control flow: jumps over empty blocks go where those lead; a block with a single way
//! in, by a jump, is glued to where it is jumped from.
//!
//! An empty block has no instructions and ends with a jump, or with a branch on its own parameter
//! for which the jump passes a constant. Its parameters may be used by its own end only: once a
//! jump goes past the block, the block no longer dominates what comes after. Everything else that
//! its end reads is defined above it, hence above the jump as well. Leaving a region in two steps
//! or in one is the same (R4); the two edges of `Try` stay as they are.

use super::super::dominance::Cfg;
use super::super::{Block, BlockId, Function, Op, Program, Terminator, ValueId};
use super::fold::truth;
use super::{Replacements, entered_by_try, remove_unreachable};

/// Straightens every function.
pub fn run(program: &mut Program) {
    for function in &mut program.funcs {
        skip_empty_blocks(function);
        remove_unreachable(function);
        merge_chains(function);
        remove_unreachable(function);
    }
}

/// How many empty blocks one edge skips at most; a ring of them has no end.
const HOPS_MAX: u32 = 64;

struct Skipper {
    /// By block: what it was before any change.
    shape: Vec<Shape>,
    /// By value: its truth, for constants.
    truth: Vec<Option<bool>>,
}

/// What jumps can skip.
#[derive(Clone)]
enum Shape {
    /// `b(params): jump target(args)`
    Jump { params: Vec<ValueId>, target: BlockId, args: Vec<ValueId> },
    /// `b(params): branch param, then, otherwise`
    Branch { params: Vec<ValueId>, cond: ValueId, then: BlockId, otherwise: BlockId },
    /// Anything else.
    Other,
}

fn skip_empty_blocks(function: &mut Function) {
    let uses = use_counts(function);
    let mut truths = vec![None; function.value_count as usize];
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let (Some(result), Op::Const(constant)) = (inst.result, &inst.op) {
            truths[result.index()] = Some(truth(constant));
        }
    }
    let shape = function.blocks.iter().map(|block| shape(block, &uses)).collect();
    let skipper = Skipper { shape, truth: truths };
    for block in &mut function.blocks {
        skipper.skip(&mut block.term);
    }
}

fn use_counts(function: &Function) -> Vec<u32> {
    let mut uses = vec![0; function.value_count as usize];
    for block in &function.blocks {
        let operands = block.insts.iter().flat_map(|inst| inst.op.operands());
        operands.chain(block.term.operands()).for_each(|value| uses[value.index()] += 1);
    }
    uses
}

fn shape(block: &Block, uses: &[u32]) -> Shape {
    let uses_here = |param: ValueId| block.term.operands().filter(|&v| v == param).count();
    let is_local = |&param: &ValueId| uses[param.index()] as usize == uses_here(param);
    if !block.insts.is_empty() || !block.params.iter().all(is_local) {
        return Shape::Other;
    }
    let params = block.params.clone();
    match &block.term {
        Terminator::Jump(target, args) => {
            Shape::Jump { params, target: *target, args: args.clone() }
        }
        Terminator::Branch { cond, then, otherwise } if params.contains(cond) => {
            Shape::Branch { params, cond: *cond, then: *then, otherwise: *otherwise }
        }
        _ => Shape::Other,
    }
}

/// What `value` is when `args` are passed for `params`.
fn passed(value: ValueId, params: &[ValueId], args: &[ValueId]) -> ValueId {
    params.iter().position(|&param| param == value).map_or(value, |n| args[n])
}

impl Skipper {
    /// Moves the edges of `term` past empty blocks.
    fn skip(&self, term: &mut Terminator) {
        match term {
            Terminator::Jump(target, args) => {
                for _ in 0..HOPS_MAX {
                    let Some((next, next_args)) = self.step(*target, args) else { break };
                    (*target, *args) = (next, next_args);
                }
            }
            Terminator::Branch { .. } | Terminator::Switch { .. } => {
                term.map_successors(|target| self.end_of_plain_jumps(target));
            }
            _ => {}
        }
    }

    /// Where a jump to `target` goes on to.
    fn step(&self, target: BlockId, args: &[ValueId]) -> Option<(BlockId, Vec<ValueId>)> {
        match &self.shape[target.index()] {
            Shape::Jump { params, target, args: next } => {
                Some((*target, next.iter().map(|&value| passed(value, params, args)).collect()))
            }
            Shape::Branch { params, cond, then, otherwise } => {
                let cond = self.truth[passed(*cond, params, args).index()]?;
                Some((if cond { *then } else { *otherwise }, vec![]))
            }
            Shape::Other => None,
        }
    }

    /// A branch passes no arguments, so its edges stop before a jump that does.
    fn end_of_plain_jumps(&self, mut target: BlockId) -> BlockId {
        for _ in 0..HOPS_MAX {
            match &self.shape[target.index()] {
                Shape::Jump { target: next, args, .. } if args.is_empty() => target = *next,
                _ => break,
            }
        }
        target
    }
}

fn merge_chains(function: &mut Function) {
    let cfg = Cfg::new(function);
    let (bodies, handlers) = entered_by_try(function);
    let mut replacements = Replacements::none(function);
    for &block in cfg.reverse_postorder() {
        // What was glued to its predecessor already is an empty shell without a way on.
        while let Terminator::Jump(target, args) = &function.blocks[block.index()].term {
            let (target, args) = (*target, args.clone());
            let is_single = matches!(cfg.predecessors(target), [_]);
            let next = &function.blocks[target.index()];
            let same_region = next.handler == function.blocks[block.index()].handler;
            let by_jump_only = !bodies[target.index()] && !handlers[target.index()];
            if !is_single || !same_region || !by_jump_only || target == block {
                break;
            }
            for (&param, &arg) in next.params.iter().zip(&args) {
                replacements.replace(param, arg);
            }
            glue(function, block, target);
        }
    }
    replacements.apply(function);
}

/// Appends `next` to `block`; what is left of `next` is unreachable.
fn glue(function: &mut Function, block: BlockId, next: BlockId) {
    let next = &mut function.blocks[next.index()];
    next.params.clear();
    let mut insts = std::mem::take(&mut next.insts);
    let term = std::mem::replace(&mut next.term, Terminator::Unreachable);
    let term_span = next.term_span;
    let block = &mut function.blocks[block.index()];
    block.insts.append(&mut insts);
    block.term = term;
    block.term_span = term_span;
}
