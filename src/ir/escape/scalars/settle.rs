//! Settles the tests of patterns on objects of which it is known what they are: `let (a, b) = pair`
//! passes `pair` to whoever reports a failed match only where it is no tuple, and that is nowhere.

use super::groups::{Shape, known_shapes};
use crate::class::ClassId;
use crate::ir::passes::remove_unreachable;
use crate::ir::{Const, Function, Op, Program, Terminator};

/// Settles what can be settled; drops what can no longer be reached.
pub(super) fn settle(program: &Program, function: &mut Function) {
    let shapes = known_shapes(program, function);
    let mut settled = vec![None; function.value_count as usize];
    for inst in function.blocks.iter_mut().flat_map(|block| &mut block.insts) {
        let (Some(result), Some(is)) = (inst.result, answer(&inst.op, &shapes)) else { continue };
        inst.op = Op::Const(Const::Bool(is));
        settled[result.index()] = Some(is);
    }
    let mut changed = false;
    for block in &mut function.blocks {
        if let Terminator::Branch { cond, then, otherwise } = block.term
            && let Some(is) = settled[cond.index()]
        {
            block.term = Terminator::Jump(if is { then } else { otherwise }, Vec::new());
            changed = true;
        }
    }
    if changed {
        remove_unreachable(function);
    }
}

fn answer(op: &Op, shapes: &[Option<Shape>]) -> Option<bool> {
    match op {
        Op::IsClass(value, class) => Some(match shapes[value.index()]? {
            Shape::Record(of) => of == *class,
            Shape::Tuple(_) => *class == ClassId::TUPLE,
            Shape::Cell => return None,
        }),
        Op::IsTuple(value, len) => Some(shapes[value.index()]? == Shape::Tuple(*len)),
        Op::IsList { value, .. } => shapes[value.index()].map(|_| false),
        _ => None,
    }
}
