//! The last step of building a function: redundant and unused block parameters go, empty blocks
//! and straight-line seams go, unreachable blocks go, and everything is numbered in layout order.

use crate::ir::{Block, BlockId, Function, Terminator, ValueId};
use crate::lang::ast::Span;

/// Cleans up a function whose blocks are in order of creation; `layout` has the order wanted.
pub(super) fn finish(mut function: Function, layout: Vec<BlockId>) -> Function {
    drop_params(&mut function);
    skip_empty_blocks(&mut function.blocks);
    let mut layout = layout;
    keep_reachable(&function.blocks, &mut layout);
    let layout = merge_seams(&mut function.blocks, &layout);
    renumber(function, &layout)
}

/// Marks what can be reached from the entry.
fn reachable(blocks: &[Block]) -> Vec<bool> {
    let mut seen = vec![false; blocks.len()];
    let mut work = vec![BlockId(0)];
    seen[0] = true;
    while let Some(block) = work.pop() {
        for target in blocks[block.index()].term.successors() {
            if !std::mem::replace(&mut seen[target.index()], true) {
                work.push(target);
            }
        }
    }
    seen
}

fn keep_reachable(blocks: &[Block], layout: &mut Vec<BlockId>) {
    let seen = reachable(blocks);
    layout.retain(|block| seen[block.index()]);
    debug_assert_eq!(layout.len(), seen.iter().filter(|seen| **seen).count(), "all are laid out");
}

// Parameters.

/// Which value stands for which: a forest with path halving.
struct Aliases(Vec<ValueId>);

impl Aliases {
    fn find(&mut self, value: ValueId) -> ValueId {
        let mut at = value.index();
        while self.0[at].index() != at {
            self.0[at] = self.0[self.0[at].index()];
            at = self.0[at].index();
        }
        ValueId(at as u32)
    }
}

/// A block parameter while [`drop_params`] looks at it.
struct Param {
    value: ValueId,
    /// One argument per jump.
    args: Vec<ValueId>,
    /// Other parameters that get this one as an argument.
    users: Vec<usize>,
}

/// Removes block parameters that always equal one other value (Braun et al., section 3.1; minimal
/// because all loops are reducible), then those that nothing uses.
fn drop_params(function: &mut Function) {
    let (mut params, param_of) = gather_params(function);
    if params.is_empty() {
        return;
    }
    let mut aliases = Aliases((0..function.value_count).map(ValueId).collect());
    remove_trivial(&mut params, &param_of, &mut aliases);
    let used = used_params(function, &params, &param_of, &mut aliases);
    rewrite(function, &param_of, &used, &mut aliases);
}

const NO_PARAM: u32 = u32::MAX;

/// All parameters of jump targets with their arguments from reachable jumps, and by value which
/// parameter it is. Arguments from unreachable blocks are dropped with these.
fn gather_params(function: &mut Function) -> (Vec<Param>, Vec<u32>) {
    let seen = reachable(&function.blocks);
    let mut params = Vec::new();
    let mut param_of = vec![NO_PARAM; function.value_count as usize];
    let mut is_handler = vec![false; function.blocks.len()];
    for block in &function.blocks {
        if let Terminator::Try { handler, .. } = block.term {
            is_handler[handler.index()] = true;
        }
    }
    for (index, block) in function.blocks.iter().enumerate() {
        if !seen[index] || is_handler[index] {
            continue;
        }
        for &value in &block.params {
            param_of[value.index()] = params.len() as u32;
            params.push(Param { value, args: Vec::new(), users: Vec::new() });
        }
    }
    for (index, block) in function.blocks.iter().enumerate() {
        let Terminator::Jump(to, args) = &block.term else { continue };
        if !seen[index] {
            continue;
        }
        for (param, arg) in function.blocks[to.index()].params.iter().zip(args) {
            let this = param_of[param.index()] as usize;
            params[this].args.push(*arg);
            let source = param_of[arg.index()];
            if source != NO_PARAM && source as usize != this {
                params[source as usize].users.push(this);
            }
        }
    }
    (params, param_of)
}

fn remove_trivial(params: &mut [Param], param_of: &[u32], aliases: &mut Aliases) {
    let mut work: Vec<usize> = (0..params.len()).rev().collect();
    while let Some(index) = work.pop() {
        let value = params[index].value;
        if aliases.find(value) != value {
            continue;
        }
        let Some(same) = only_argument(&params[index], aliases) else { continue };
        aliases.0[value.index()] = same;
        let users = std::mem::take(&mut params[index].users);
        work.extend(&users);
        if let Some(heir) = params.get_mut(param_of[same.index()] as usize) {
            heir.users.extend(users);
        }
    }
}

/// The one value that all arguments are, not counting the parameter itself.
fn only_argument(param: &Param, aliases: &mut Aliases) -> Option<ValueId> {
    let mut same = None;
    for &arg in &param.args {
        let arg = aliases.find(arg);
        if arg != param.value && same.is_some_and(|same| same != arg) {
            return None;
        }
        if arg != param.value {
            same = Some(arg);
        }
    }
    same
}

/// By parameter: does an instruction need it, or a parameter that one needs?
fn used_params(
    function: &Function,
    params: &[Param],
    param_of: &[u32],
    aliases: &mut Aliases,
) -> Vec<bool> {
    let mut used = vec![false; params.len()];
    let mut work = Vec::new();
    let mut mark = |value: ValueId, aliases: &mut Aliases, work: &mut Vec<usize>| {
        let param = param_of[aliases.find(value).index()] as usize;
        if param < used.len() && !std::mem::replace(&mut used[param], true) {
            work.push(param);
        }
    };
    let seen = reachable(&function.blocks);
    for (index, block) in function.blocks.iter().enumerate() {
        if !seen[index] {
            continue;
        }
        for value in block.insts.iter().flat_map(|inst| inst.op.operands()) {
            mark(value, aliases, &mut work);
        }
        if !matches!(block.term, Terminator::Jump(..)) {
            block.term.operands().for_each(|value| mark(value, aliases, &mut work));
        }
    }
    while let Some(param) = work.pop() {
        for &arg in &params[param].args {
            mark(arg, aliases, &mut work);
        }
    }
    used
}

fn rewrite(function: &mut Function, param_of: &[u32], used: &[bool], aliases: &mut Aliases) {
    let mut keeps = |value: ValueId| match param_of[value.index()] {
        NO_PARAM => true,
        param => used[param as usize] && aliases.find(value) == value,
    };
    let kept: Vec<Vec<bool>> = function
        .blocks
        .iter()
        .map(|block| block.params.iter().map(|param| keeps(*param)).collect())
        .collect();
    let seen = reachable(&function.blocks);
    for (index, block) in function.blocks.iter_mut().enumerate() {
        retain(&mut block.params, &kept[index]);
        if !seen[index] {
            continue;
        }
        for inst in &mut block.insts {
            inst.op.map_operands(|value| aliases.find(value));
        }
        if let Terminator::Jump(to, args) = &mut block.term {
            retain(args, &kept[to.index()]);
        }
        block.term.map_operands(|value| aliases.find(value));
    }
}

fn retain(values: &mut Vec<ValueId>, keep: &[bool]) {
    let mut keep = keep.iter();
    values.retain(|_| keep.next().copied().unwrap_or(true));
}

// Blocks.

/// Lets jumps and branches to blocks that only jump on go to where these go.
fn skip_empty_blocks(blocks: &mut [Block]) {
    let next: Vec<Option<BlockId>> = (0..blocks.len()).map(|n| forwards(blocks, n)).collect();
    let mut last: Vec<Option<BlockId>> = vec![None; blocks.len()];
    for start in 0..blocks.len() {
        // Follow the chain, then note its end for all on it. A cycle ends anywhere on it.
        let (mut at, mut chain) = (BlockId(start as u32), Vec::new());
        while last[at.index()].is_none() {
            last[at.index()] = Some(at);
            chain.push(at);
            match next[at.index()] {
                Some(to) => at = to,
                None => break,
            }
        }
        let end = last[at.index()].unwrap_or(at);
        for block in chain {
            last[block.index()] = Some(end);
        }
    }
    for block in blocks {
        if matches!(block.term, Terminator::Try { .. }) {
            continue;
        }
        block.term.map_successors(|target| last[target.index()].unwrap_or(target));
        if let Terminator::Branch { then, otherwise, .. } = block.term
            && then == otherwise
        {
            block.term = Terminator::Jump(then, Vec::new());
        }
    }
}

/// Where an empty block jumps to, if that is all it does.
fn forwards(blocks: &[Block], index: usize) -> Option<BlockId> {
    let block = &blocks[index];
    match &block.term {
        Terminator::Jump(to, args)
            if index != 0
                && block.insts.is_empty()
                && args.is_empty()
                && block.params.is_empty() =>
        {
            Some(*to)
        }
        _ => None,
    }
}

/// Joins a block to the one laid out before it when that is its only way in. Returns the layout
/// without the joined ones.
fn merge_seams(blocks: &mut [Block], layout: &[BlockId]) -> Vec<BlockId> {
    let mut ways_in = vec![0u32; blocks.len()];
    for block in layout {
        blocks[block.index()].term.successors().for_each(|target| ways_in[target.index()] += 1);
    }
    let mut kept: Vec<BlockId> = Vec::with_capacity(layout.len());
    for &block in layout {
        if let Some(&before) = kept.last() {
            let (a, b) = (&blocks[before.index()], &blocks[block.index()]);
            let falls = matches!(&a.term, Terminator::Jump(to, _) if *to == block);
            if falls && ways_in[block.index()] == 1 && a.handler == b.handler && b.params.is_empty()
            {
                let tail = std::mem::replace(&mut blocks[block.index()], empty_block());
                let a = &mut blocks[before.index()];
                a.insts.extend(tail.insts);
                a.term = tail.term;
                a.term_span = tail.term_span;
                continue;
            }
        }
        kept.push(block);
    }
    kept
}

fn empty_block() -> Block {
    let (params, insts, term) = (Vec::new(), Vec::new(), Terminator::Unreachable);
    Block { params, insts, term, term_span: Span::default(), handler: None }
}

/// Numbers blocks and values in layout order and drops everything else.
fn renumber(mut function: Function, layout: &[BlockId]) -> Function {
    const UNSEEN: u32 = u32::MAX;
    let mut block_numbers = vec![UNSEEN; function.blocks.len()];
    for (number, block) in layout.iter().enumerate() {
        block_numbers[block.index()] = number as u32;
    }
    let mut numbers = vec![UNSEEN; function.value_count as usize];
    let mut count = 0;
    let mut define = |value: ValueId| {
        numbers[value.index()] = count;
        count += 1;
    };
    function.params.iter().for_each(|param| define(*param));
    for block in layout {
        let block = &function.blocks[block.index()];
        block.params.iter().for_each(|param| define(*param));
        block.insts.iter().filter_map(|inst| inst.result).for_each(&mut define);
    }
    let value = |value: ValueId| ValueId(numbers[value.index()]);
    let block_number = |block: BlockId| BlockId(block_numbers[block.index()]);
    let renumber_all = |values: &mut Vec<ValueId>| values.iter_mut().for_each(|v| *v = value(*v));
    renumber_all(&mut function.params);
    let mut blocks = Vec::with_capacity(layout.len());
    for block in layout {
        let mut block = std::mem::replace(&mut function.blocks[block.index()], empty_block());
        renumber_all(&mut block.params);
        for inst in &mut block.insts {
            inst.result = inst.result.map(value);
            inst.op.map_operands(value);
        }
        block.term.map_operands(value);
        block.term.map_successors(block_number);
        block.handler = block.handler.map(block_number);
        blocks.push(block);
    }
    Function { blocks, value_count: count, ..function }
}
