//! Long list, map and set literals: built piece by piece, so that they need few registers.
//!
//! The collection is made as soon as its first [`CHUNK`] elements are there, and extended when the
//! next ones are. Making a list early cannot be observed; putting an unsuitable key into a map or
//! set raises an error, so only pieces with constant keys go in early.

use std::ops::Range;

use rustc_hash::FxHashMap as HashMap;

use super::fuse::Fusions;
use crate::ir::{Block, Op, ValueId};

/// How many elements go in at once.
pub(super) const CHUNK: usize = 32;

/// A piece of a literal.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// Position of the literal's instruction.
    pub(super) literal: usize,
    /// Which elements.
    pub(super) range: Range<usize>,
}

/// When the pieces of a block's literals are added.
#[derive(Default)]
pub(super) struct Plan {
    /// By position: pieces that go in right after the instruction there.
    early: HashMap<usize, Vec<Chunk>>,
    /// By position of the literal: pieces that go in there.
    late: HashMap<usize, Vec<Chunk>>,
}

impl Plan {
    pub(super) fn new(block: &Block, fusions: &Fusions<'_>) -> Plan {
        let mut plan = Plan::default();
        for (at, inst) in block.insts.iter().enumerate() {
            match &inst.op {
                Op::MakeList(list) => plan.literal(at, list, fusions, |_| true),
                Op::MakeMap(list) => {
                    let constant = |v: &ValueId| fusions.constant(*v).is_some();
                    plan.literal(at, list, fusions, |piece| piece.iter().step_by(2).all(constant));
                }
                Op::MakeSet(list) => {
                    let constant = |v: &ValueId| fusions.constant(*v).is_some();
                    plan.literal(at, list, fusions, |piece| piece.iter().all(constant));
                }
                _ => {}
            }
        }
        plan
    }

    fn literal(
        &mut self,
        at: usize,
        list: &[ValueId],
        fusions: &Fusions<'_>,
        may_be_early: impl Fn(&[ValueId]) -> bool,
    ) {
        let position = |v: &ValueId| fusions.position(*v);
        let mut ready = 0;
        let mut early = list.iter().any(|v| position(v).is_some());
        let mut start = 0;
        loop {
            let range = start..list.len().min(start + CHUNK);
            start = range.end;
            let done = start == list.len();
            ready = list[range.clone()].iter().filter_map(position).fold(ready, usize::max);
            early &= !done && ready < at && may_be_early(&list[range.clone()]);
            let chunk = Chunk { literal: at, range };
            let (map, key) = if early { (&mut self.early, ready) } else { (&mut self.late, at) };
            map.entry(key).or_default().push(chunk);
            if done {
                return;
            }
        }
    }

    /// Pieces to add right after the instruction at this position.
    pub(super) fn after(&self, at: usize) -> &[Chunk] {
        self.early.get(&at).map_or(&[], Vec::as_slice)
    }
    /// Pieces to add at the literal itself.
    pub(super) fn at(&self, at: usize) -> &[Chunk] {
        self.late.get(&at).map_or(&[], Vec::as_slice)
    }
}
