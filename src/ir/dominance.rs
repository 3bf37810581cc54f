//! Who comes before whom: the control-flow graph, dominators, dominance frontiers and loops.
//!
//! `Try` is an edge to its body and to its handler; [`Block::handler`](super::Block::handler) is
//! none (rule R2). Only loop membership counts it too: what runs in the body of a loop belongs to
//! the loop even when the only way on is an error.
//!
//! Dominators: Cooper, Harvey & Kennedy, "A Simple, Fast Dominance Algorithm" (2001). Departure:
//! predecessors are intersected from last to first in reverse postorder, which keeps the finger
//! walks linear for a block with very many predecessors (the end of a long `match`). Nothing here
//! recurses. Everything expects block numbers in range.

use super::{BlockId, Function};

/// Lists of blocks, one per block, in one allocation.
#[derive(Clone, Debug, Default)]
struct Lists {
    starts: Vec<u32>,
    items: Vec<BlockId>,
}

impl Lists {
    /// Groups `pairs` by their first part (a block below `count`), keeping their order.
    fn group(count: usize, pairs: &[(BlockId, BlockId)]) -> Lists {
        let mut starts = vec![0u32; count + 1];
        for (key, _) in pairs {
            starts[key.index() + 1] += 1;
        }
        for n in 0..count {
            starts[n + 1] += starts[n];
        }
        let mut next = starts.clone();
        let mut items = vec![BlockId(0); pairs.len()];
        for &(key, item) in pairs {
            items[next[key.index()] as usize] = item;
            next[key.index()] += 1;
        }
        Lists { starts, items }
    }

    fn of(&self, block: BlockId) -> &[BlockId] {
        let range = self.starts[block.index()] as usize..self.starts[block.index() + 1] as usize;
        &self.items[range]
    }
}

/// The control-flow graph of one function.
#[derive(Clone, Debug)]
pub struct Cfg {
    successors: Lists,
    predecessors: Lists,
    protected: Lists,
    reverse_postorder: Vec<BlockId>,
    position: Vec<Option<u32>>,
}

impl Cfg {
    /// Builds the graph. O(blocks + edges).
    pub fn new(function: &Function) -> Cfg {
        let count = function.blocks.len();
        let mut edges = Vec::new();
        let mut protected = Vec::new();
        let mut last_source = vec![None; count];
        for (block, from) in function.blocks.iter().zip((0..).map(BlockId)) {
            for to in block.term.successors() {
                if last_source[to.index()].replace(from) != Some(from) {
                    edges.push((from, to));
                }
            }
            protected.extend(block.handler.map(|handler| (handler, from)));
        }
        let successors = Lists::group(count, &edges);
        let reversed: Vec<_> = edges.iter().map(|&(from, to)| (to, from)).collect();
        let reverse_postorder = reverse_postorder(&successors, count);
        let mut position = vec![None; count];
        for (block, n) in reverse_postorder.iter().zip(0..) {
            position[block.index()] = Some(n);
        }
        Cfg {
            successors,
            predecessors: Lists::group(count, &reversed),
            protected: Lists::group(count, &protected),
            reverse_postorder,
            position,
        }
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.position.len()
    }

    /// Whether there are no blocks at all.
    pub fn is_empty(&self) -> bool {
        self.position.is_empty()
    }

    /// Where `block` goes, each block once.
    pub fn successors(&self, block: BlockId) -> &[BlockId] {
        self.successors.of(block)
    }

    /// Who goes to `block`, each block once, unreachable ones too.
    pub fn predecessors(&self, block: BlockId) -> &[BlockId] {
        self.predecessors.of(block)
    }

    /// The blocks that name `handler` as their handler.
    pub fn protected_by(&self, handler: BlockId) -> &[BlockId] {
        self.protected.of(handler)
    }

    /// The reachable blocks, every block before its successors except along back edges.
    pub fn reverse_postorder(&self) -> &[BlockId] {
        &self.reverse_postorder
    }

    /// Where `block` stands in [`Cfg::reverse_postorder`]; `None` when it is unreachable.
    pub fn position(&self, block: BlockId) -> Option<u32> {
        self.position[block.index()]
    }

    /// Whether `block` can be reached from the entry.
    pub fn is_reachable(&self, block: BlockId) -> bool {
        self.position(block).is_some()
    }
}

/// Depth-first search with an explicit stack of (block, how many successors were visited).
fn reverse_postorder(successors: &Lists, count: usize) -> Vec<BlockId> {
    let mut order = Vec::new();
    let mut seen = vec![false; count];
    let mut stack = Vec::new();
    if count > 0 {
        seen[0] = true;
        stack.push((BlockId(0), 0));
    }
    while let Some((block, next)) = stack.last_mut() {
        // The last successor first: so the first one comes first in the reversed order.
        let list = successors.of(*block);
        let Some(n) = list.len().checked_sub(*next + 1) else {
            order.push(*block);
            stack.pop();
            continue;
        };
        *next += 1;
        let target = list[n];
        if !seen[target.index()] {
            seen[target.index()] = true;
            stack.push((target, 0));
        }
    }
    order.reverse();
    order
}

/// The dominator tree of the reachable blocks.
#[derive(Clone, Debug)]
pub struct Dominators {
    immediate: Vec<Option<BlockId>>,
    children: Lists,
    /// Numbers at which a walk of the tree enters and leaves a block; (0, 0) when unreachable.
    interval: Vec<(u32, u32)>,
}

impl Dominators {
    /// Computes the tree.
    pub fn new(cfg: &Cfg) -> Dominators {
        let immediate = immediate_dominators(cfg);
        let pairs: Vec<_> = cfg
            .reverse_postorder()
            .iter()
            .filter_map(|&block| Some((immediate[block.index()]?, block)))
            .collect();
        let children = Lists::group(cfg.len(), &pairs);
        let interval = tree_intervals(&children, cfg.len());
        Dominators { immediate, children, interval }
    }

    /// The closest strict dominator; `None` for the entry and for unreachable blocks.
    pub fn immediate(&self, block: BlockId) -> Option<BlockId> {
        self.immediate[block.index()]
    }

    /// The blocks that `block` immediately dominates, in reverse postorder.
    pub fn children(&self, block: BlockId) -> &[BlockId] {
        self.children.of(block)
    }

    /// Whether every way from the entry to `below` passes through `above` (every block dominates
    /// itself). False when one of them is unreachable. O(1).
    pub fn dominates(&self, above: BlockId, below: BlockId) -> bool {
        let (enter, leave) = self.interval[above.index()];
        let (at, _) = self.interval[below.index()];
        enter != 0 && enter <= at && at <= leave
    }

    /// The dominance frontier of every block: the blocks that it does not strictly dominate
    /// although it dominates one of their predecessors. Sorted. Quadratic in size for odd graphs.
    pub fn frontiers(&self, cfg: &Cfg) -> Vec<Vec<BlockId>> {
        let mut frontiers = vec![Vec::new(); cfg.len()];
        for &block in cfg.reverse_postorder() {
            for &from in cfg.predecessors(block) {
                self.add_to_frontiers(cfg, &mut frontiers, block, from);
            }
        }
        for frontier in &mut frontiers {
            frontier.sort_unstable();
        }
        frontiers
    }

    /// `block` is in the frontier of all from its predecessor `from` up to its own dominator.
    fn add_to_frontiers(
        &self,
        cfg: &Cfg,
        frontiers: &mut [Vec<BlockId>],
        block: BlockId,
        from: BlockId,
    ) {
        let mut runner = Some(from).filter(|&from| cfg.is_reachable(from));
        while let Some(at) = runner.filter(|&at| Some(at) != self.immediate(block)) {
            // Whoever has it already got it, and all above too, from another predecessor.
            if frontiers[at.index()].last() == Some(&block) {
                return;
            }
            frontiers[at.index()].push(block);
            runner = self.immediate(at);
        }
    }
}

fn immediate_dominators(cfg: &Cfg) -> Vec<Option<BlockId>> {
    // In reverse postorder numbers; the entry is its own dominator until the end.
    let order = cfg.reverse_postorder();
    let predecessors: Vec<Vec<u32>> = order.iter().map(|&block| sorted(cfg, block)).collect();
    let mut up: Vec<Option<u32>> = vec![None; order.len()];
    if let Some(entry) = up.first_mut() {
        *entry = Some(0);
    }
    let mut changed = true;
    while changed {
        changed = false;
        for n in 1..order.len() {
            let known = predecessors[n].iter().copied().filter(|&from| up[from as usize].is_some());
            let meet = known.reduce(|a, b| intersect(&up, a, b));
            changed |= up[n] != meet;
            up[n] = meet;
        }
    }
    let mut immediate = vec![None; cfg.len()];
    for n in 1..order.len() {
        immediate[order[n].index()] = up[n].map(|n| order[n as usize]);
    }
    immediate
}

/// The reachable predecessors' numbers, the last in reverse postorder first.
fn sorted(cfg: &Cfg, block: BlockId) -> Vec<u32> {
    let mut numbers: Vec<u32> =
        cfg.predecessors(block).iter().filter_map(|&from| cfg.position(from)).collect();
    numbers.sort_unstable_by_key(|&n| std::cmp::Reverse(n));
    numbers
}

/// The closest common ancestor: whichever comes later in reverse postorder goes up.
fn intersect(up: &[Option<u32>], mut a: u32, mut b: u32) -> u32 {
    let step = |n: u32| up[n as usize].expect("an ancestor of a known block is known");
    while a != b {
        if a > b {
            a = step(a);
        } else {
            b = step(b);
        }
    }
    a
}

fn tree_intervals(children: &Lists, count: usize) -> Vec<(u32, u32)> {
    let mut interval = vec![(0, 0); count];
    let mut clock = 0;
    let mut stack: Vec<(BlockId, usize)> = Vec::new();
    if count > 0 {
        stack.push((BlockId(0), 0));
    }
    while let Some((block, next)) = stack.last_mut() {
        let block = *block;
        if *next == 0 {
            clock += 1;
            interval[block.index()].0 = clock;
        }
        let child = children.of(block).get(*next).copied();
        *next += 1;
        match child {
            Some(child) => stack.push((child, 0)),
            None => {
                interval[block.index()].1 = clock;
                stack.pop();
            }
        }
    }
    interval
}

/// The natural loops of a function.
#[derive(Clone, Debug)]
pub struct Loops {
    /// By block: the header of the innermost loop around it.
    innermost: Vec<Option<BlockId>>,
    /// By header: the header of the next loop outwards.
    outer: Vec<Option<BlockId>>,
    depth: Vec<u32>,
    headers: Vec<BlockId>,
}

impl Loops {
    /// Finds every loop: a header that dominates the source of an edge back to it, and the blocks
    /// from which that source is reached without passing the header.
    pub fn new(cfg: &Cfg, dominators: &Dominators) -> Loops {
        let count = cfg.len();
        let (innermost, outer) = (vec![None; count], vec![None; count]);
        let mut loops = Loops { innermost, outer, depth: vec![0; count], headers: Vec::new() };
        // Inner headers come later in reverse postorder, so they are done before outer ones.
        for &header in cfg.reverse_postorder().iter().rev() {
            let is_latch = |&from: &BlockId| dominators.dominates(header, from);
            let latches: Vec<_> =
                cfg.predecessors(header).iter().copied().filter(is_latch).collect();
            if !latches.is_empty() {
                loops.headers.push(header);
                loops.collect_body(cfg, dominators, header, latches);
            }
        }
        loops.headers.reverse();
        for &header in cfg.reverse_postorder() {
            if loops.innermost[header.index()] == Some(header) {
                let around = loops.outer[header.index()].map_or(0, |outer| loops.depth_of(outer));
                loops.depth[header.index()] = around + 1;
            }
        }
        loops
    }

    /// Walks back from the latches; a loop that is known already is entered at its header.
    fn collect_body(
        &mut self,
        cfg: &Cfg,
        dominators: &Dominators,
        header: BlockId,
        mut work: Vec<BlockId>,
    ) {
        while let Some(block) = work.pop() {
            let top = self.outermost(block);
            if top == Some(header) || !dominators.dominates(header, block) {
                continue;
            }
            let from = match top {
                Some(inner) => {
                    self.outer[inner.index()] = Some(header);
                    inner
                }
                None => {
                    self.innermost[block.index()] = Some(header);
                    block
                }
            };
            if from != header {
                work.extend_from_slice(cfg.predecessors(from));
                work.extend_from_slice(cfg.protected_by(from));
            }
        }
        self.innermost[header.index()] = Some(header);
    }

    /// The header of the outermost loop found so far around `block`.
    fn outermost(&self, block: BlockId) -> Option<BlockId> {
        let mut top = self.innermost[block.index()]?;
        while let Some(outer) = self.outer[top.index()] {
            top = outer;
        }
        Some(top)
    }

    fn depth_of(&self, header: BlockId) -> u32 {
        self.depth[header.index()]
    }

    /// The loops' headers, in reverse postorder.
    pub fn headers(&self) -> &[BlockId] {
        &self.headers
    }

    /// Whether `block` is the header of a loop.
    pub fn is_header(&self, block: BlockId) -> bool {
        self.innermost[block.index()] == Some(block)
    }

    /// The header of the innermost loop around `block` (itself when it is one).
    pub fn innermost(&self, block: BlockId) -> Option<BlockId> {
        self.innermost[block.index()]
    }

    /// The header of the loop around the loop of `header`.
    pub fn outer(&self, header: BlockId) -> Option<BlockId> {
        self.outer[header.index()]
    }

    /// How many loops are around `block`.
    pub fn depth(&self, block: BlockId) -> u32 {
        self.innermost(block).map_or(0, |header| self.depth_of(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Block, Terminator, ValueId};
    use crate::lang::ast::Span;
    use crate::names::Name;
    use proptest::prelude::*;

    /// A function with one block per list; a list of two or more is a switch.
    fn graph(edges: &[&[u32]]) -> Function {
        let term = |targets: &[u32]| match targets {
            [] => Terminator::Return(ValueId(0)),
            [one] => Terminator::Jump(BlockId(*one), vec![]),
            [rest @ .., last] => Terminator::Switch {
                value: ValueId(0),
                min: 0,
                targets: rest.iter().copied().map(BlockId).collect(),
                default: BlockId(*last),
            },
        };
        function(edges.iter().map(|targets| term(targets)).collect())
    }

    fn function(terms: Vec<Terminator>) -> Function {
        let block = |term| Block {
            params: vec![],
            insts: vec![],
            term,
            term_span: Span::default(),
            handler: None,
        };
        Function {
            name: Name(0),
            params: vec![ValueId(0)],
            captures: 0,
            blocks: terms.into_iter().map(block).collect(),
            value_count: 1,
            slot_count: 0,
            span: Span::default(),
        }
    }

    fn analyse(function: &Function) -> (Cfg, Dominators, Loops) {
        let cfg = Cfg::new(function);
        let dominators = Dominators::new(&cfg);
        let loops = Loops::new(&cfg, &dominators);
        (cfg, dominators, loops)
    }

    fn check(edges: &[&[u32]], immediate: &[Option<u32>], frontiers: &[&[u32]], depth: &[u32]) {
        let (cfg, dominators, loops) = analyse(&graph(edges));
        let blocks: Vec<_> = (0..edges.len() as u32).map(BlockId).collect();
        let got: Vec<_> = blocks.iter().map(|&b| dominators.immediate(b).map(|b| b.0)).collect();
        assert_eq!(got, immediate);
        let got: Vec<Vec<u32>> = dominators
            .frontiers(&cfg)
            .iter()
            .map(|frontier| frontier.iter().map(|b| b.0).collect())
            .collect();
        assert_eq!(got, frontiers);
        let got: Vec<_> = blocks.iter().map(|&b| loops.depth(b)).collect();
        assert_eq!(got, depth);
    }

    #[test]
    fn diamond() {
        check(
            &[&[1, 2], &[3], &[3], &[]],
            &[None, Some(0), Some(0), Some(0)],
            &[&[], &[3], &[3], &[]],
            &[0, 0, 0, 0],
        );
    }

    /// The figure of "Crafting/Engineering a Compiler" (Cooper & Torczon, fig. 9.10).
    #[test]
    fn cooper_torczon() {
        check(
            &[&[1], &[2, 5], &[3], &[4, 1], &[], &[6, 8], &[7], &[3], &[7]],
            &[None, Some(0), Some(1), Some(1), Some(3), Some(1), Some(5), Some(5), Some(5)],
            &[&[], &[1], &[3], &[1], &[], &[3], &[7], &[3], &[7]],
            &[0, 1, 1, 1, 0, 1, 1, 1, 1],
        );
    }

    /// Cooper, Harvey & Kennedy, figure 4: irreducible, so more than one round is needed.
    #[test]
    fn irreducible() {
        check(
            &[&[1, 2], &[3], &[4, 5], &[4], &[3, 5], &[4]],
            &[None, Some(0), Some(0), Some(0), Some(0), Some(0)],
            &[&[], &[3], &[4, 5], &[4], &[3, 5], &[4]],
            &[0, 0, 0, 0, 0, 0],
        );
    }

    #[test]
    fn nested_loops() {
        // 1 outer header, 2 inner header with a self loop inside it (3), 5 after both.
        let edges: &[&[u32]] = &[&[1], &[2, 5], &[3, 4], &[3, 2], &[1], &[]];
        let (_, _, loops) = analyse(&graph(edges));
        let depth: Vec<_> = (0..6).map(|n| loops.depth(BlockId(n))).collect();
        assert_eq!(depth, [0, 1, 2, 3, 1, 0]);
        assert_eq!(loops.headers(), [BlockId(1), BlockId(2), BlockId(3)]);
        assert_eq!(loops.outer(BlockId(3)), Some(BlockId(2)));
        assert_eq!(loops.outer(BlockId(1)), None);
    }

    #[test]
    fn unreachable_blocks_are_nowhere() {
        let (cfg, dominators, _) = analyse(&graph(&[&[2], &[2], &[]]));
        assert_eq!(cfg.reverse_postorder(), [BlockId(0), BlockId(2)]);
        assert_eq!(cfg.predecessors(BlockId(2)), [BlockId(0), BlockId(1)]);
        assert_eq!(dominators.immediate(BlockId(2)), Some(BlockId(0)));
        assert!(!dominators.dominates(BlockId(1), BlockId(1)));
        assert!(!dominators.dominates(BlockId(1), BlockId(2)));
    }

    #[test]
    fn try_reaches_body_and_handler() {
        // loop { try { throw } catch { continue } }: the body has no way on but the handler.
        let mut f = function(vec![
            Terminator::Jump(BlockId(1), vec![]),
            Terminator::Try { body: BlockId(2), handler: BlockId(3) },
            Terminator::Throw(ValueId(0)),
            Terminator::Jump(BlockId(1), vec![]),
        ]);
        f.blocks[2].handler = Some(BlockId(3));
        let (cfg, dominators, loops) = analyse(&f);
        assert_eq!(cfg.successors(BlockId(1)), [BlockId(2), BlockId(3)]);
        assert_eq!(cfg.successors(BlockId(2)), []);
        assert_eq!(cfg.protected_by(BlockId(3)), [BlockId(2)]);
        assert_eq!(dominators.immediate(BlockId(3)), Some(BlockId(1)));
        assert_eq!([0, 1, 2, 3].map(|n| loops.depth(BlockId(n))), [0, 1, 1, 1]);
    }

    #[test]
    fn no_blocks_at_all() {
        let (cfg, _, loops) = analyse(&graph(&[]));
        assert!(cfg.is_empty() && loops.headers().is_empty());
    }

    #[test]
    fn a_hundred_thousand_blocks_to_one_exit_are_fast() {
        let count = 100_000;
        let edges: Vec<Vec<u32>> = (0..count)
            .map(|n| if n + 1 < count { vec![n + 1, count - 1] } else { vec![] })
            .collect();
        let edges: Vec<&[u32]> = edges.iter().map(Vec::as_slice).collect();
        let (_, dominators, _) = analyse(&graph(&edges));
        assert_eq!(dominators.immediate(BlockId(count - 1)), Some(BlockId(0)));
    }

    /// Reachable from the entry without `avoid`.
    fn reach(edges: &[Vec<u32>], avoid: Option<usize>) -> Vec<bool> {
        let mut seen = vec![false; edges.len()];
        let mut work = vec![0];
        while let Some(at) = work.pop() {
            if Some(at) != avoid && !std::mem::replace(&mut seen[at], true) {
                work.extend(edges[at].iter().map(|&to| to as usize));
            }
        }
        seen
    }

    fn any_graph() -> impl Strategy<Value = Vec<Vec<u32>>> {
        (1..12u32).prop_flat_map(|count| {
            proptest::collection::vec(
                proptest::collection::vec(0..count, 0..4),
                count as usize..=count as usize,
            )
        })
    }

    proptest! {
        /// Against the definition: removing a dominator cuts off what it dominates.
        #[test]
        fn dominance_is_what_its_definition_says(edges in any_graph()) {
            let slices: Vec<&[u32]> = edges.iter().map(Vec::as_slice).collect();
            let (cfg, dominators, _) = analyse(&graph(&slices));
            let reachable = reach(&edges, None);
            let frontiers = dominators.frontiers(&cfg);
            for above in 0..edges.len() {
                let without = reach(&edges, Some(above));
                let a = BlockId(above as u32);
                let dominated: Vec<bool> = (0..edges.len())
                    .map(|n| reachable[above] && reachable[n] && !without[n])
                    .collect();
                for (below, &expected) in dominated.iter().enumerate() {
                    let b = BlockId(below as u32);
                    prop_assert_eq!(dominators.dominates(a, b), expected);
                    let in_frontier = (0..edges.len()).any(|from| {
                        dominated[from] && edges[from].contains(&b.0)
                    }) && (a == b || !expected);
                    prop_assert_eq!(frontiers[above].contains(&b), in_frontier);
                }
            }
        }
    }
}
