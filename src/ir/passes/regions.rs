//! Dissolves protected regions in which nothing can raise: `try { 1 } catch e { … }` is `1`.
//!
//! What a region's blocks name as their handler then is what the block with the `Try` names. Errors
//! of a region inside go to that region's own handler, so each is judged by its own blocks alone,
//! which are those that can be reached.

use super::super::{Function, Program, Terminator};
use super::remove_unreachable;

/// Dissolves such regions in every function.
pub fn run(program: &mut Program) {
    for function in &mut program.funcs {
        remove_unreachable(function);
        // A handler that can no longer be reached may have been all that raised in its own region.
        while dissolve(function) {
            remove_unreachable(function);
        }
    }
}

/// Whether anything has changed.
fn dissolve(function: &mut Function) -> bool {
    let mut raises = vec![false; function.blocks.len()];
    for block in &function.blocks {
        if let Some(handler) = block.handler {
            let throws = matches!(block.term, Terminator::Throw(_));
            raises[handler.index()] |= throws || block.insts.iter().any(|i| i.op.may_raise());
        }
    }
    // By handler: what is around the region, if it goes.
    let mut around = vec![None; function.blocks.len()];
    let mut changed = false;
    for block in &mut function.blocks {
        if let Terminator::Try { body, handler } = block.term
            && !raises[handler.index()]
        {
            around[handler.index()] = Some(block.handler);
            block.term = Terminator::Jump(body, vec![]);
            changed = true;
        }
    }
    for block in &mut function.blocks {
        // What is around may go as well.
        while let Some(outer) = block.handler.and_then(|handler| around[handler.index()]) {
            block.handler = outer;
        }
    }
    changed
}
