//! Makes values of frame slots: SSA construction for slots that were introduced after it.
//!
//! A slot becomes values, with block parameters where they meet (Cytron et al., "Efficiently
//! Computing Static Single Assignment Form", 1991; only where the slot is live), unless a handler
//! reads what was in it when the error was raised (rule R5): then it stays.

use super::super::dominance::{Cfg, Dominators};
use super::super::{Block, BlockId, Function, Op, SlotId, Terminator, ValueId};
use super::{Replacements, remove_unreachable};

/// Makes values of the slots from number `first` on, as far as they can be. Each of them must be
/// set before it is read, on every way.
pub(crate) fn promote(function: &mut Function, first: u32) {
    remove_unreachable(function);
    let plan = loop {
        let plan = Plan::new(function, first);
        let edges = plan.edges_to_split(function);
        if edges.is_empty() {
            break plan;
        }
        split(function, &edges);
    };
    plan.rename(function);
    plan.renumber(function);
}

/// A slot that becomes values.
struct Promoted {
    slot: SlotId,
    /// Blocks that get a parameter for it, ascending.
    meets: Vec<BlockId>,
}

struct Plan {
    cfg: Cfg,
    dominators: Dominators,
    promoted: Vec<Promoted>,
}

impl Plan {
    fn new(function: &Function, first: u32) -> Plan {
        let cfg = Cfg::new(function);
        let dominators = Dominators::new(&cfg);
        let frontiers = dominators.frontiers(&cfg);
        let mut promoted = Vec::new();
        for slot in (first..function.slot_count).map(SlotId) {
            let Some(live) = live_in(function, &cfg, slot) else { continue };
            let mut has_param = vec![false; function.blocks.len()];
            let blocks = || function.blocks.iter().zip((0..).map(BlockId));
            let mut work: Vec<BlockId> =
                blocks().filter(|(block, _)| sets(block, slot)).map(|(_, id)| id).collect();
            while let Some(block) = work.pop() {
                for &meet in &frontiers[block.index()] {
                    if live[meet.index()] && !std::mem::replace(&mut has_param[meet.index()], true)
                    {
                        work.push(meet);
                    }
                }
            }
            let meets = (0..).map(BlockId).zip(has_param).filter(|(_, has)| *has);
            promoted.push(Promoted { slot, meets: meets.map(|(id, _)| id).collect() });
        }
        Plan { cfg, dominators, promoted }
    }

    /// Only jumps pass values (rule R3): the other edges to blocks that get parameters.
    fn edges_to_split(&self, function: &Function) -> Vec<(BlockId, BlockId)> {
        let mut edges = Vec::new();
        for &meet in self.promoted.iter().flat_map(|promoted| &promoted.meets) {
            for &from in self.cfg.predecessors(meet) {
                if !matches!(function.blocks[from.index()].term, Terminator::Jump(..)) {
                    edges.push((from, meet));
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    fn rename(&self, function: &mut Function) {
        let mut number = vec![None; function.slot_count as usize];
        for (promoted, n) in self.promoted.iter().zip(0..) {
            number[promoted.slot.index()] = Some(n);
        }
        let mut params: Vec<Vec<(usize, ValueId)>> = vec![Vec::new(); function.blocks.len()];
        for (n, promoted) in self.promoted.iter().enumerate() {
            for &meet in &promoted.meets {
                let param = ValueId(function.value_count);
                function.value_count += 1;
                params[meet.index()].push((n, param));
                function.blocks[meet.index()].params.push(param);
            }
        }
        let mut replacements = Replacements::none(function);
        let mut at_end: Vec<Vec<Option<ValueId>>> = vec![Vec::new(); function.blocks.len()];
        for &id in self.cfg.reverse_postorder() {
            // Dominators come first in this order.
            let mut now = match self.dominators.immediate(id) {
                Some(above) if above != id => at_end[above.index()].clone(),
                _ => vec![None; self.promoted.len()],
            };
            for &(n, param) in &params[id.index()] {
                now[n] = Some(param);
            }
            let block = &mut function.blocks[id.index()];
            block.insts.retain(|inst| match inst.op {
                Op::SlotGet(slot) => {
                    let Some(n) = number[slot.index()] else { return true };
                    if let Some(result) = inst.result {
                        let value: Option<ValueId> = now[n];
                        replacements.replace(result, value.expect("set before it is read"));
                    }
                    false
                }
                Op::SlotSet(slot, value) => {
                    let Some(n) = number[slot.index()] else { return true };
                    now[n] = Some(value);
                    false
                }
                _ => true,
            });
            if let Terminator::Jump(target, args) = &mut block.term {
                args.extend(
                    params[target.index()].iter().map(|&(n, _)| now[n].expect("live, so set")),
                );
            }
            at_end[id.index()] = now;
        }
        replacements.apply(function);
    }

    /// Closes the gaps in the numbers of the slots.
    fn renumber(&self, function: &mut Function) {
        let mut number: Vec<SlotId> = Vec::new();
        let mut next = 0;
        for slot in (0..function.slot_count).map(SlotId) {
            number.push(SlotId(next));
            next += u32::from(self.promoted.iter().all(|promoted| promoted.slot != slot));
        }
        function.slot_count = next;
        for inst in function.blocks.iter_mut().flat_map(|block| &mut block.insts) {
            if let Op::SlotGet(slot) | Op::SlotSet(slot, _) = &mut inst.op {
                *slot = number[slot.index()];
            }
        }
    }
}

fn sets(block: &Block, slot: SlotId) -> bool {
    block.insts.iter().any(|inst| matches!(inst.op, Op::SlotSet(to, _) if to == slot))
}

/// Whether the block reads the slot before it sets it.
fn reads_first(block: &Block, slot: SlotId) -> bool {
    let access = block.insts.iter().find_map(|inst| match inst.op {
        Op::SlotGet(of) if of == slot => Some(true),
        Op::SlotSet(of, _) if of == slot => Some(false),
        _ => None,
    });
    access == Some(true)
}

/// At the start of which blocks the slot's content is needed; `None` when a handler is one of them,
/// or the entry (nobody has set it).
fn live_in(function: &Function, cfg: &Cfg, slot: SlotId) -> Option<Vec<bool>> {
    let mut live = vec![false; function.blocks.len()];
    let blocks = (0..).map(BlockId).zip(&function.blocks);
    let mut work: Vec<BlockId> =
        blocks.filter(|(_, block)| reads_first(block, slot)).map(|(id, _)| id).collect();
    while let Some(id) = work.pop() {
        if std::mem::replace(&mut live[id.index()], true) {
            continue;
        }
        if id == BlockId(0) || !cfg.protected_by(id).is_empty() {
            return None;
        }
        let before = cfg.predecessors(id).iter().copied();
        work.extend(before.filter(|from| !sets(&function.blocks[from.index()], slot)));
    }
    Some(live)
}

/// Puts a block with a jump on each of these edges, behind the block that the edge comes from.
fn split(function: &mut Function, edges: &[(BlockId, BlockId)]) {
    let mut number = Vec::with_capacity(function.blocks.len());
    let mut next = 0;
    for id in (0..function.blocks.len() as u32).map(BlockId) {
        number.push(BlockId(next));
        next += 1 + edges.iter().filter(|&&(from, _)| from == id).count() as u32;
    }
    let of = |id: BlockId| number[id.index()];
    let mut blocks = Vec::with_capacity(next as usize);
    let handlers: Vec<_> = function.blocks.iter().map(|block| block.handler).collect();
    for (mut block, id) in std::mem::take(&mut function.blocks).into_iter().zip((0..).map(BlockId))
    {
        let targets: Vec<BlockId> =
            edges.iter().filter(|&&(from, _)| from == id).map(|&(_, to)| to).collect();
        let between = |to: BlockId| targets.iter().position(|&target| target == to);
        let enters_region = matches!(block.term, Terminator::Try { .. });
        let first = of(id).0 + 1;
        block.term.map_successors(|to| match between(to) {
            Some(n) => BlockId(first + n as u32),
            None => of(to),
        });
        block.handler = block.handler.map(of);
        let (handler, span) = (block.handler, block.term_span);
        blocks.push(block);
        for to in targets {
            let inside = if enters_region { handlers[to.index()].map(of) } else { handler };
            blocks.push(Block {
                params: Vec::new(),
                insts: Vec::new(),
                term: Terminator::Jump(of(to), Vec::new()),
                term_span: span,
                handler: inside,
            });
        }
    }
    function.blocks = blocks;
}
