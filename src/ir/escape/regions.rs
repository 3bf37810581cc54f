//! Which region of its own function is open where.
//!
//! Only what the function's text shows: a region that a caller has opened is not seen here. A
//! function that keeps a region's token in a slot is not looked into: then nobody knows.

use crate::ir::dominance::Cfg;
use crate::ir::{BlockId, Function, Op, Terminator, ValueId};

/// The open regions of a place by their tokens, outermost first.
type Open = Vec<ValueId>;

/// The regions of a function.
#[derive(Debug)]
pub(super) struct Regions {
    /// At the start of each block; `None` when it is not reached or not known.
    at_start: Vec<Option<Open>>,
    /// Whether what is open is known everywhere.
    is_known: bool,
    /// All tokens.
    pub(super) tokens: Vec<ValueId>,
}

impl Regions {
    pub(super) fn new(function: &Function) -> Regions {
        let insts = function.blocks.iter().flat_map(|block| &block.insts);
        let enters = insts.filter(|inst| matches!(inst.op, Op::RegionEnter));
        let tokens: Vec<ValueId> = enters.filter_map(|inst| inst.result).collect();
        let at_start = vec![None; function.blocks.len()];
        let mut regions = Regions { at_start, is_known: true, tokens };
        if !regions.tokens.is_empty() {
            regions.follow(function);
        }
        regions
    }

    fn follow(&mut self, function: &Function) {
        let cfg = Cfg::new(function);
        self.at_start[0] = Some(Open::new());
        for &id in cfg.reverse_postorder() {
            let block = &function.blocks[id.index()];
            // Structured: whoever comes first knows as much as the others.
            let Some(mut open) = self.at_start[id.index()].clone() else {
                self.is_known = false;
                return;
            };
            for inst in &block.insts {
                self.step(&inst.op, inst.result, &mut open);
            }
            for target in block.term.successors() {
                match &self.at_start[target.index()] {
                    None => self.at_start[target.index()] = Some(open.clone()),
                    Some(known) => self.is_known &= *known == open,
                }
            }
            let leaves = !matches!(block.term, Terminator::Throw(_) | Terminator::Unreachable);
            self.is_known &= block.term.successors().next().is_some() || !leaves || open.is_empty();
        }
    }

    fn step(&mut self, op: &Op, result: Option<ValueId>, open: &mut Open) {
        match op {
            Op::RegionEnter => match result {
                Some(token) => open.push(token),
                None => self.is_known = false,
            },
            Op::RegionLeave(token, _) => match open.iter().position(|is| is == token) {
                Some(n) => open.truncate(n),
                None => self.is_known = false,
            },
            _ => {}
        }
    }

    /// Calls `visit` with every instruction's place (its number; the terminator's is one more than
    /// the last) and what is open before it.
    pub(super) fn places(
        &self,
        function: &Function,
        mut visit: impl FnMut(BlockId, usize, &[ValueId]),
    ) {
        for (block, id) in function.blocks.iter().zip((0..).map(BlockId)) {
            let mut open = self.at_start[id.index()].clone().unwrap_or_default();
            for (n, inst) in block.insts.iter().enumerate() {
                visit(id, n, &open);
                match inst.op {
                    Op::RegionEnter => open.extend(inst.result),
                    Op::RegionLeave(token, _) => {
                        let n = open.iter().position(|&is| is == token);
                        open.truncate(n.unwrap_or(open.len()));
                    }
                    _ => {}
                }
            }
            visit(id, block.insts.len(), &open);
        }
    }

    /// Whether the function has no regions, or is known to open and close them in order.
    pub(super) fn are_known(&self) -> bool {
        self.is_known
    }
}
