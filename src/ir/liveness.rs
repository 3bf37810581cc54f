//! Which values are still needed where.
//!
//! One value at a time, upwards from each use to the definition (Boissinot et al., "Computing
//! Liveness Sets for SSA-Form Programs", 2011, section "per variable"): the sets are sorted lists,
//! and the cost is the sum of their sizes, so a function of 100 000 blocks with few values alive in
//! each is as cheap per block as a small one. Departure: handler edges. What is live into a handler
//! is live *throughout* every block that names it (rule R2), at its start and at its end.
//!
//! Conventions: a block's parameters are defined at its start, so they are not live in; the
//! arguments of a jump are used by the jump, at the end of the block that it ends.
//!
//! The function must be well formed (`verify`).

use super::dominance::Cfg;
use super::{BlockId, Function, ValueId};

/// Lists of values, one per block.
type Sets = Vec<Vec<ValueId>>;

/// The live sets of one function.
#[derive(Clone, Debug)]
pub struct Liveness {
    live_in: Sets,
    live_out: Sets,
}

impl Liveness {
    /// Computes the sets.
    pub fn new(function: &Function, cfg: &Cfg) -> Liveness {
        let count = function.blocks.len();
        let mut liveness =
            Liveness { live_in: vec![Vec::new(); count], live_out: vec![Vec::new(); count] };
        let definition = definitions(function);
        let mut work = Vec::new();
        for (value, block) in upward_uses(function, &definition) {
            let home = definition[value.index()];
            work.push(block);
            while let Some(block) = work.pop() {
                liveness.make_live_in(cfg, value, home, block, &mut work);
            }
        }
        liveness
    }

    /// `value` is needed at the start of `block`; pushes the blocks at whose start it then is, too.
    fn make_live_in(
        &mut self,
        cfg: &Cfg,
        value: ValueId,
        home: Option<BlockId>,
        block: BlockId,
        work: &mut Vec<BlockId>,
    ) {
        if home == Some(block) || !add(&mut self.live_in, block, value) {
            return;
        }
        for &before in cfg.predecessors(block).iter().chain(cfg.protected_by(block)) {
            if add(&mut self.live_out, before, value) {
                work.push(before);
            }
        }
    }

    /// The values live at the start of `block` without its own parameters, ascending.
    pub fn live_in(&self, block: BlockId) -> &[ValueId] {
        &self.live_in[block.index()]
    }

    /// The values live at the end of `block`, after its terminator, ascending.
    pub fn live_out(&self, block: BlockId) -> &[ValueId] {
        &self.live_out[block.index()]
    }

    /// Whether `value` is live at the start of `block`.
    pub fn is_live_in(&self, value: ValueId, block: BlockId) -> bool {
        self.live_in(block).binary_search(&value).is_ok()
    }

    /// Whether `value` is live at the end of `block`.
    pub fn is_live_out(&self, value: ValueId, block: BlockId) -> bool {
        self.live_out(block).binary_search(&value).is_ok()
    }
}

/// Adds `value` to the list of `block`. Values come in ascending order, so it is there already
/// exactly if it is the last.
fn add(sets: &mut Sets, block: BlockId, value: ValueId) -> bool {
    let set = &mut sets[block.index()];
    let new = set.last() != Some(&value);
    if new {
        set.push(value);
    }
    new
}

/// The block that defines each value.
fn definitions(function: &Function) -> Vec<Option<BlockId>> {
    let mut definition = vec![None; function.value_count as usize];
    for &param in &function.params {
        definition[param.index()] = Some(BlockId(0));
    }
    for (block, id) in function.blocks.iter().zip((0..).map(BlockId)) {
        let results = block.insts.iter().filter_map(|inst| inst.result);
        for value in block.params.iter().copied().chain(results) {
            definition[value.index()] = Some(id);
        }
    }
    definition
}

/// Every use outside of the defining block, grouped by value, ascending.
fn upward_uses(function: &Function, definition: &[Option<BlockId>]) -> Vec<(ValueId, BlockId)> {
    let mut uses = Vec::new();
    for (block, id) in function.blocks.iter().zip((0..).map(BlockId)) {
        let operands = block.insts.iter().flat_map(|inst| inst.op.operands());
        let elsewhere = |value: &ValueId| definition[value.index()] != Some(id);
        uses.extend(
            operands.chain(block.term.operands()).filter(elsewhere).map(|value| (value, id)),
        );
    }
    uses.sort_unstable();
    uses.dedup();
    uses
}

/// Where values die in one block. Made by [`LastUses::of_block`]; reuse it for the next block.
///
/// Positions: instruction `n` of the block is `n`, the terminator is one past the last.
#[derive(Clone, Debug)]
pub struct LastUses {
    /// Set for a value that is needed further down, by the number of the block at hand.
    needed: Vec<u32>,
    round: u32,
    /// (position, value), in ascending order of position.
    deaths: Vec<(u32, ValueId)>,
    unused: Vec<ValueId>,
}

impl LastUses {
    /// An empty one, for any block of `function`.
    pub fn new(function: &Function) -> LastUses {
        let needed = vec![0; function.value_count as usize];
        LastUses { needed, round: 0, deaths: Vec::new(), unused: Vec::new() }
    }

    /// Walks `block` backwards. Allocation-free after a few calls; O(size of the block and of its
    /// live-out set).
    pub fn of_block(&mut self, function: &Function, liveness: &Liveness, block: BlockId) {
        self.round += 1;
        self.deaths.clear();
        self.unused.clear();
        for &value in liveness.live_out(block) {
            self.needed[value.index()] = self.round;
        }
        let body = &function.blocks[block.index()];
        self.read(body.insts.len(), body.term.operands());
        for (position, inst) in body.insts.iter().enumerate().rev() {
            if let Some(result) = inst.result {
                self.define(result);
            }
            self.read(position, inst.op.operands());
        }
        body.params.iter().for_each(|&param| self.define(param));
        if block.index() == 0 {
            function.params.iter().for_each(|&param| self.define(param));
        }
        self.deaths.reverse();
    }

    fn read(&mut self, position: usize, operands: impl Iterator<Item = ValueId>) {
        for value in operands {
            if self.needed[value.index()] != self.round {
                self.needed[value.index()] = self.round;
                self.deaths.push((position as u32, value));
            }
        }
    }

    fn define(&mut self, value: ValueId) {
        if self.needed[value.index()] != self.round {
            self.unused.push(value);
        }
    }

    /// The values whose last use is at `position`, each once: nothing after it, in this block or
    /// later, reads them. What a handler of the block needs never dies in the block.
    pub fn at(&self, position: usize) -> impl Iterator<Item = ValueId> + '_ {
        let first = self.deaths.partition_point(|&(at, _)| (at as usize) < position);
        let here = move |&&(at, _): &&(u32, ValueId)| at as usize == position;
        self.deaths[first..].iter().take_while(here).map(|&(_, value)| value)
    }

    /// The values that the block defines (its parameters, the results; in the entry the function's
    /// parameters) and that nothing reads.
    pub fn unused(&self) -> &[ValueId] {
        &self.unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{BinaryOp, Block, Const, Inst, Op, Terminator};
    use crate::lang::ast::Span;
    use crate::names::Name;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn constant(result: u32) -> Inst {
        inst(result, Op::Const(Const::Nil))
    }

    fn add(result: u32, a: u32, b: u32) -> Inst {
        inst(result, Op::Binary(BinaryOp::Add, ValueId(a), ValueId(b)))
    }

    fn inst(result: u32, op: Op) -> Inst {
        Inst::new(Some(ValueId(result)), op, Span::default())
    }

    fn block(params: &[u32], insts: Vec<Inst>, term: Terminator) -> Block {
        let params = params.iter().copied().map(ValueId).collect();
        Block { params, insts, term, term_span: Span::default(), handler: None }
    }

    fn jump(to: u32, args: &[u32]) -> Terminator {
        Terminator::Jump(BlockId(to), args.iter().copied().map(ValueId).collect())
    }

    fn branch(cond: u32, then: u32, otherwise: u32) -> Terminator {
        let (then, otherwise) = (BlockId(then), BlockId(otherwise));
        Terminator::Branch { cond: ValueId(cond), then, otherwise }
    }

    fn function(value_count: u32, blocks: Vec<Block>) -> Function {
        Function {
            name: Name(0),
            params: vec![],
            captures: 0,
            blocks,
            value_count,
            slot_count: 0,
            span: Span::default(),
        }
    }

    fn live(function: &Function) -> Liveness {
        Liveness::new(function, &Cfg::new(function))
    }

    fn ids(values: &[ValueId]) -> Vec<u32> {
        values.iter().map(|value| value.0).collect()
    }

    #[test]
    fn a_loop_keeps_what_it_reads() {
        // v0 = limit; loop(v1) { if v1 { v2 = v1 + v0; again(v2) } else { return v1 } }
        let f = function(
            3,
            vec![
                block(&[], vec![constant(0)], jump(1, &[0])),
                block(&[1], vec![], branch(1, 2, 3)),
                block(&[], vec![add(2, 1, 0)], jump(1, &[2])),
                block(&[], vec![], Terminator::Return(ValueId(1))),
            ],
        );
        let liveness = live(&f);
        assert_eq!(ids(liveness.live_in(BlockId(1))), [0]);
        assert_eq!(ids(liveness.live_out(BlockId(1))), [0, 1]);
        assert_eq!(ids(liveness.live_in(BlockId(3))), [1]);
        assert_eq!(ids(liveness.live_out(BlockId(2))), [0]);
        assert!(liveness.is_live_in(ValueId(0), BlockId(2)));
        assert!(!liveness.is_live_out(ValueId(1), BlockId(2)));
    }

    #[test]
    fn a_handler_keeps_its_values_alive_in_its_whole_region() {
        // v0 is read by the handler only: alive from the try on, in blocks 1 and 2, not in 4.
        let mut f = function(
            4,
            vec![
                block(
                    &[],
                    vec![constant(0)],
                    Terminator::Try { body: BlockId(1), handler: BlockId(3) },
                ),
                block(&[], vec![constant(1)], jump(2, &[])),
                block(&[], vec![constant(2)], jump(4, &[])),
                block(&[3], vec![], Terminator::Return(ValueId(0))),
                block(&[], vec![], Terminator::Unreachable),
            ],
        );
        f.blocks[1].handler = Some(BlockId(3));
        f.blocks[2].handler = Some(BlockId(3));
        let liveness = live(&f);
        for n in [1, 2] {
            assert_eq!(ids(liveness.live_in(BlockId(n))), [0]);
            assert_eq!(ids(liveness.live_out(BlockId(n))), [0]);
        }
        assert_eq!(ids(liveness.live_in(BlockId(4))), []);
        let mut last = LastUses::new(&f);
        last.of_block(&f, &liveness, BlockId(3));
        assert_eq!(ids(&last.at(0).collect::<Vec<_>>()), [0]);
        assert_eq!(ids(last.unused()), [3]);
    }

    #[test]
    fn last_uses_are_the_last() {
        let f = function(
            4,
            vec![block(
                &[0],
                vec![constant(1), add(2, 0, 1), add(3, 1, 1)],
                Terminator::Return(ValueId(2)),
            )],
        );
        let mut last = LastUses::new(&f);
        last.of_block(&f, &live(&f), BlockId(0));
        let at: Vec<_> = (0..4).map(|n| ids(&last.at(n).collect::<Vec<_>>())).collect();
        assert_eq!(at, [vec![], vec![0], vec![1], vec![2]]);
        assert_eq!(ids(last.unused()), [3]);
    }

    #[test]
    fn a_hundred_thousand_blocks_are_fast() {
        // Every block defines one value, reads the one before, and may leave for the end.
        let count = 100_000;
        let mut blocks: Vec<_> = (1..count)
            .map(|n| block(&[], vec![add(n, n - 1, 0)], branch(n, n, count - 1)))
            .collect();
        blocks[0].insts.insert(0, constant(0));
        blocks.push(block(&[], vec![], Terminator::Return(ValueId(0))));
        let f = function(count, blocks);
        let liveness = live(&f);
        assert_eq!(ids(liveness.live_in(BlockId(count - 2))), [0, count - 2]);
        let mut last = LastUses::new(&f);
        for n in 0..count {
            last.of_block(&f, &liveness, BlockId(n));
        }
    }

    /// The equations, round after round until nothing changes.
    fn naive(f: &Function) -> (Vec<BTreeSet<u32>>, Vec<BTreeSet<u32>>) {
        let definition = definitions(f);
        let count = f.blocks.len();
        let (mut live_in, mut live_out) =
            (vec![BTreeSet::new(); count], vec![BTreeSet::new(); count]);
        for _ in 0..=count {
            for (n, block) in f.blocks.iter().enumerate() {
                let here = Some(BlockId(n as u32));
                for next in block.term.successors().chain(block.handler) {
                    let more: Vec<u32> = live_in[next.index()].iter().copied().collect();
                    live_out[n].extend(more);
                }
                let operands = block.insts.iter().flat_map(|inst| inst.op.operands());
                let used = operands.chain(block.term.operands()).map(|value| value.0);
                let needed: Vec<u32> = used.chain(live_out[n].iter().copied()).collect();
                live_in[n]
                    .extend(needed.into_iter().filter(|&value| definition[value as usize] != here));
            }
        }
        (live_in, live_out)
    }

    fn any_function() -> impl Strategy<Value = Function> {
        (1..9u32).prop_flat_map(|count| {
            let values = 0..2 * count;
            let one = [values.clone(), values.clone(), values, 0..count, 0..count, 0..4u32];
            let one = (one, proptest::option::weighted(0.3, 0..count));
            let all = proptest::collection::vec(one, count as usize);
            all.prop_map(move |blocks| {
                let make = |(n, (parts, handler)): (u32, ([u32; 6], Option<u32>))| {
                    let [a, b, c, t, u, kind] = parts;
                    let term = match kind {
                        0 => Terminator::Return(ValueId(c)),
                        1 => jump(t, &[c]),
                        2 => Terminator::Try { body: BlockId(t), handler: BlockId(u) },
                        _ => branch(c, t, u),
                    };
                    let mut made = block(&[], vec![add(2 * n, a, b), constant(2 * n + 1)], term);
                    made.handler = handler.map(BlockId);
                    made
                };
                function(2 * count, (0..).zip(blocks).map(make).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn the_equations_hold(f in any_function()) {
            let liveness = live(&f);
            let (live_in, live_out) = naive(&f);
            for n in 0..f.blocks.len() {
                let block = BlockId(n as u32);
                let expected: Vec<u32> = live_in[n].iter().copied().collect();
                prop_assert_eq!(ids(liveness.live_in(block)), expected);
                let expected: Vec<u32> = live_out[n].iter().copied().collect();
                prop_assert_eq!(ids(liveness.live_out(block)), expected);
            }
        }
    }
}
