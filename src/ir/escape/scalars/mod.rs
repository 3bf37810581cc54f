//! Scalar replacement: objects that a function sees whole become values, and are never allocated.
//!
//! It goes in rounds, because what is in a dissolved object may be dissolved in its turn. Each round
//! settles the tests of patterns that are known to succeed or fail (`settle`), finds the groups of
//! values that are one object (`groups`), dissolves them (`rewrite`), and makes values of the slots
//! that this took (`passes::slots`).
//!
//! What a program can notice of it: that it allocates less. Which errors are raised, where, and in
//! which order stays as it is, but for running out of memory; and a frame may need more registers,
//! so a stack may overflow at another depth.

mod groups;
mod rewrite;
mod settle;

use super::{Options, SiteKind, functions_with};
use crate::ir::dominance::Cfg;
use crate::ir::liveness::Liveness;
use crate::ir::passes::{remove_unreachable, slots};
use crate::ir::{FuncId, Function, Inst, Op, Program};
use crate::lang::ast::Span;

/// Objects within objects within objects: so deep.
const ROUNDS_MAX: u32 = 16;
/// With more values alive at a time a function is left as it is: registers are few (255).
const LIVE_MAX: usize = 128;

/// What was done.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dissolved {
    /// The allocations that are gone: function, kind, place.
    pub sites: Vec<(FuncId, SiteKind, Span)>,
    /// How many groups of values stayed objects because the budget of their frame was used up.
    pub over_budget: u32,
}

/// Dissolves what can be dissolved, as far as the budget of each frame goes.
pub(super) fn run(program: &mut Program, options: Options) -> Dissolved {
    let mut done = Dissolved::default();
    for id in functions_with(program, options.ignored_file, Op::may_be_local) {
        let mut function = program.funcs[id.index()].clone();
        let before = done.sites.len();
        dissolve(program, id, &mut function, options.frame_budget, &mut done);
        if done.sites.len() > before {
            program.funcs[id.index()] = function;
        }
    }
    done
}

fn dissolve(
    program: &Program,
    id: FuncId,
    function: &mut Function,
    budget: u32,
    done: &mut Dissolved,
) {
    remove_unreachable(function);
    let mut left = if live_max(function) > LIVE_MAX { 0 } else { budget };
    for _ in 0..ROUNDS_MAX {
        settle::settle(program, function);
        let mut groups = groups::find(program, function);
        let found = groups.len();
        groups.retain(|group| {
            let len = group.shape.len(program);
            let fits = len <= left;
            left -= if fits { len } else { 0 };
            fits
        });
        if groups.is_empty() {
            done.over_budget += found as u32;
            return;
        }
        let first_slot = function.slot_count;
        rewrite::dissolve(program, function, &groups, &mut |inst: &Inst| {
            let kind = SiteKind::of(&inst.op).expect("an allocation");
            done.sites.push((id, kind, inst.span));
        });
        slots::promote(function, first_slot);
    }
}

/// The most values that are alive at an end of a block.
fn live_max(function: &Function) -> usize {
    let cfg = Cfg::new(function);
    let liveness = Liveness::new(function, &cfg);
    let ends = |&block| liveness.live_in(block).len().max(liveness.live_out(block).len());
    let live = cfg.reverse_postorder().iter().map(ends).max().unwrap_or(0);
    live + function.slot_count as usize
}
