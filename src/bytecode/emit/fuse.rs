//! Which IR instructions disappear into others: comparisons into the branch at the end of their
//! block, products into the sum that follows, slot reads into their uses, unused ones altogether.

use rustc_hash::FxHashMap as HashMap;

use crate::ir::dominance::Cfg;
use crate::ir::{
    BinaryOp, Block, BlockId, Const, Function, Inst, Op, SlotId, Terminator, UnaryOp, ValueId,
};

/// What the fusion pass knows about a function, and about the block being translated.
pub(super) struct Fusions<'a> {
    /// By value: block, position and instruction that define it; `None` for parameters.
    definitions: Vec<Option<(BlockId, usize, &'a Inst)>>,
    uses: Vec<u32>,
    /// By value: its instruction is done by another one.
    absorbed: Vec<bool>,
    /// By sum: the product in it.
    products: HashMap<ValueId, ValueId>,
    current: BlockId,
    /// By position: a slot read that needs no copy.
    in_place: Vec<bool>,
    /// By position: the last instruction before it (or it itself) that must stay where it is.
    last_effect: Vec<Option<usize>>,
}

/// What a branch depends on.
pub(super) struct Condition {
    pub(super) value: ValueId,
    /// Whether the targets change places.
    pub(super) negated: bool,
    /// The position of the comparison that the branch does itself.
    pub(super) compare: Option<usize>,
}

impl<'a> Fusions<'a> {
    pub(super) fn new(function: &'a Function, cfg: &Cfg) -> Fusions<'a> {
        let count = function.value_count as usize;
        let mut fusions = Fusions {
            definitions: vec![None; count],
            uses: vec![0; count],
            absorbed: vec![false; count],
            products: HashMap::default(),
            current: BlockId(0),
            in_place: Vec::new(),
            last_effect: Vec::new(),
        };
        for &id in cfg.reverse_postorder() {
            let block = &function.blocks[id.index()];
            for (at, inst) in block.insts.iter().enumerate() {
                if let Some(v) = inst.result {
                    fusions.definitions[v.index()] = Some((id, at, inst));
                }
                inst.op.operands().for_each(|v| fusions.uses[v.index()] += 1);
            }
            block.term.operands().for_each(|v| fusions.uses[v.index()] += 1);
        }
        fusions
    }

    /// The constant that a value is.
    pub(super) fn constant(&self, v: ValueId) -> Option<&'a Const> {
        match self.definitions[v.index()] {
            Some((_, _, Inst { op: Op::Const(constant), .. })) => Some(constant),
            _ => None,
        }
    }
    /// How often a value is read.
    pub(super) fn uses(&self, v: ValueId) -> u32 {
        self.uses[v.index()]
    }
    /// Whether another instruction does the work of this one.
    pub(super) fn is_absorbed(&self, inst: &Inst) -> bool {
        match inst.result {
            Some(v) => self.absorbed[v.index()] || self.uses(v) == 0 && inst.op.is_removable(),
            None => inst.op.is_removable(),
        }
    }
    /// The product (and its factors) that a sum or difference does as well.
    pub(super) fn product_of(&self, sum: &Inst) -> Option<(ValueId, ValueId, ValueId)> {
        let product = *self.products.get(&sum.result?)?;
        match self.definitions[product.index()]?.2.op {
            Op::Binary(BinaryOp::Mul, x, y) => Some((product, x, y)),
            _ => None,
        }
    }
    /// Whether the slot read at this position needs no copy.
    pub(super) fn read_in_place(&self, at: usize) -> bool {
        self.in_place[at]
    }

    /// Looks at a block that is about to be translated.
    pub(super) fn enter(&mut self, id: BlockId, block: &Block) {
        self.current = id;
        let mut last = None;
        self.last_effect.clear();
        for (at, inst) in block.insts.iter().enumerate() {
            if !inst.op.is_removable() {
                last = Some(at);
            }
            self.last_effect.push(last);
        }
        for inst in &block.insts {
            self.absorb_product(inst);
        }
        if let Terminator::Branch { cond, .. } = block.term {
            self.absorb_condition(block, cond);
        }
        self.find_reads_in_place(block);
    }

    fn here(&self, v: ValueId) -> Option<(usize, &'a Inst)> {
        let (block, at, inst) = self.definitions[v.index()]?;
        (block == self.current).then_some((at, inst))
    }

    /// Where the block defines a value; `None` for constants and what comes from elsewhere.
    pub(super) fn position(&self, v: ValueId) -> Option<usize> {
        self.here(v).filter(|(_, inst)| !matches!(inst.op, Op::Const(_))).map(|(at, _)| at)
    }

    // ---- products ----

    fn absorb_product(&mut self, sum: &Inst) {
        let Some(result) = sum.result else { return };
        let candidates = match sum.op {
            Op::Binary(BinaryOp::Add, a, b) => [Some((b, a)), Some((a, b))],
            Op::Binary(BinaryOp::Sub, a, b) => [Some((b, a)), None],
            _ => return,
        };
        for (product, other) in candidates.into_iter().flatten() {
            if self.product_fits(product, other, result) {
                self.absorbed[product.index()] = true;
                self.products.insert(result, product);
                return;
            }
        }
    }
    fn product_fits(&self, product: ValueId, other: ValueId, sum: ValueId) -> bool {
        let Some((at, inst)) = self.here(product) else { return false };
        let Some((sum_at, _)) = self.here(sum) else { return false };
        let Op::Binary(BinaryOp::Mul, x, y) = inst.op else { return false };
        let has_short_form = [x, y, other].iter().any(|&v| self.is_int32(v));
        let alone = self.uses(product) == 1 && !self.absorbed[product.index()];
        alone && !has_short_form && self.last_effect[sum_at - 1] == Some(at)
    }
    /// Whether `next` is `v` plus a small constant.
    pub(super) fn is_step(&self, next: ValueId, v: ValueId) -> bool {
        let Some((_, _, Inst { op, .. })) = self.definitions[next.index()] else { return false };
        let Op::Binary(op, a, b) = *op else { return false };
        let step = match self.constant(b) {
            Some(Const::Int(i)) if a == v => *i,
            _ => return false,
        };
        match op {
            BinaryOp::Add => i8::try_from(step).is_ok(),
            BinaryOp::Sub => {
                step != 0 && step.checked_neg().is_some_and(|s| i8::try_from(s).is_ok())
            }
            _ => false,
        }
    }
    fn is_int32(&self, v: ValueId) -> bool {
        matches!(self.constant(v), Some(Const::Int(i)) if i32::try_from(*i).is_ok())
    }

    // ---- conditions ----

    /// What a branch at the end of the block depends on: negations are followed, and a comparison
    /// that nobody else reads and that can move down to the branch becomes part of it.
    pub(super) fn condition(&self, block: &Block, cond: ValueId) -> Condition {
        let mut condition = Condition { value: cond, negated: false, compare: None };
        while self.uses(condition.value) == 1
            && let Some((at, inst)) = self.here(condition.value)
        {
            match inst.op {
                Op::Unary(UnaryOp::Not, v) => {
                    condition.value = v;
                    condition.negated = !condition.negated;
                }
                _ if self.is_test(&inst.op)
                    && self.last_effect[block.insts.len() - 1].is_none_or(|last| last <= at) =>
                {
                    condition.compare = Some(at);
                    break;
                }
                _ => break,
            }
        }
        condition
    }
    fn absorb_condition(&mut self, block: &Block, cond: ValueId) {
        let condition = self.condition(block, cond);
        let mut v = cond;
        while v != condition.value {
            self.absorbed[v.index()] = true;
            match self.here(v) {
                Some((_, Inst { op: Op::Unary(UnaryOp::Not, operand), .. })) => v = *operand,
                _ => unreachable!("only negations are followed"),
            }
        }
        if condition.compare.is_some() {
            self.absorbed[v.index()] = true;
        }
    }
    /// Whether a jump can do this. Patterns only against constants with a jump of their own: the
    /// others are compared by `Matches`, which takes values that `==` does not.
    fn is_test(&self, op: &Op) -> bool {
        match op {
            Op::Binary(op, ..) => matches!(
                op,
                BinaryOp::Eq
                    | BinaryOp::Ne
                    | BinaryOp::Lt
                    | BinaryOp::Le
                    | BinaryOp::Gt
                    | BinaryOp::Ge
            ),
            Op::Matches(_, constant) => match self.constant(*constant) {
                Some(Const::Int(i)) => i16::try_from(*i).is_ok(),
                Some(constant) => super::pool::word_of(constant).is_some(),
                None => false,
            },
            Op::IsClass(..) | Op::IterDone(..) => true,
            _ => false,
        }
    }

    // ---- slots ----

    /// A slot may be read where its value is used if all uses come in the block, before the slot is
    /// written. (What is absorbed moves down, but never over a write.)
    fn find_reads_in_place(&mut self, block: &Block) {
        self.in_place.clear();
        self.in_place.resize(block.insts.len(), false);
        let is_read = |inst: &Inst| matches!(inst.op, Op::SlotGet(_));
        if !block.insts.iter().any(is_read) {
            return;
        }
        // By value: position of the read, the slot, uses still to come.
        let mut open: HashMap<ValueId, (usize, SlotId, u32)> = HashMap::default();
        let mut seen = |open: &mut HashMap<ValueId, (usize, SlotId, u32)>, v: ValueId| {
            if let Some((at, _, left)) = open.get_mut(&v) {
                *left -= 1;
                if *left == 0 {
                    self.in_place[*at] = true;
                    open.remove(&v);
                }
            }
        };
        for (at, inst) in block.insts.iter().enumerate() {
            inst.op.operands().for_each(|v| seen(&mut open, v));
            match (&inst.op, inst.result) {
                (Op::SlotGet(slot), Some(v)) => {
                    open.insert(v, (at, *slot, self.uses[v.index()]));
                }
                (Op::SlotSet(slot, _), _) => open.retain(|_, (_, read, _)| read != slot),
                _ => {}
            }
        }
        block.term.operands().for_each(|v| seen(&mut open, v));
    }
}
