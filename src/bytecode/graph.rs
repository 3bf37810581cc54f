//! What every analysis of words needs: sets of registers, and the blocks of a function's words.

use super::ops::{Flow, Instruction, Op, Role};
use super::{Code, FunctionCode};

/// A set of registers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct RegSet([u64; 4]);

impl RegSet {
    /// All registers.
    pub(super) const ALL: RegSet = RegSet([u64::MAX; 4]);

    pub(super) fn has(&self, r: u8) -> bool {
        self.0[r as usize / 64] >> (r % 64) & 1 != 0
    }
    pub(super) fn add(&mut self, r: u8) {
        self.0[r as usize / 64] |= 1 << (r % 64);
    }
    pub(super) fn remove(&mut self, r: u8) {
        self.0[r as usize / 64] &= !(1 << (r % 64));
    }
    /// Registers below `end`.
    pub(super) fn below(end: usize) -> RegSet {
        RegSet([0, 1, 2, 3].map(|n| match end.saturating_sub(64 * n) {
            0 => 0,
            rest @ 1..64 => (1 << rest) - 1,
            _ => u64::MAX,
        }))
    }
    /// `count` registers from `start` on, as far as there are.
    pub(super) fn run(start: usize, count: usize) -> RegSet {
        Self::below(start + count).without(Self::below(start))
    }
    pub(super) fn union(self, other: RegSet) -> RegSet {
        RegSet([0, 1, 2, 3].map(|n| self.0[n] | other.0[n]))
    }
    pub(super) fn intersection(self, other: RegSet) -> RegSet {
        RegSet([0, 1, 2, 3].map(|n| self.0[n] & other.0[n]))
    }
    pub(super) fn without(self, other: RegSet) -> RegSet {
        RegSet([0, 1, 2, 3].map(|n| self.0[n] & !other.0[n]))
    }
    /// One more than the highest.
    pub(super) fn end(&self) -> usize {
        let word = (0..4).rev().find(|&n| self.0[n] != 0);
        word.map_or(0, |n| 64 * n + 64 - self.0[n].leading_zeros() as usize)
    }
    /// The lowest register that is missing; 255 may be missing or not.
    pub(super) fn lowest_missing(&self) -> u8 {
        let word = (0..4).find(|&n| self.0[n] != u64::MAX);
        word.map_or(255, |n| (64 * n + self.0[n].trailing_ones() as usize) as u8)
    }
    /// The bits, 64 registers each.
    pub(super) fn words(&self) -> &[u64; 4] {
        &self.0
    }
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..self.end()).map(|r| r as u8).filter(move |&r| self.has(r))
    }
}

/// What an instruction does to registers.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Effects {
    pub(super) reads: RegSet,
    pub(super) writes: RegSet,
    /// Undefined afterwards, unless written: what a call's window may have been used for, the
    /// source of a `MoveLast`.
    pub(super) clobbers: RegSet,
}

impl Effects {
    pub(super) fn of(i: Instruction) -> Effects {
        let info = i.op.info();
        let mut effects = Effects::default();
        let bytes = [i.a, i.b, i.c];
        for (n, role) in info.roles.into_iter().enumerate() {
            let byte = bytes.get(n).copied().unwrap_or(0);
            match role {
                Role::Read => effects.reads.add(byte),
                Role::Write => effects.writes.add(byte),
                Role::ReadWrite => {
                    effects.reads.add(byte);
                    effects.writes.add(byte);
                }
                Role::ReadD => effects.reads.add(i.d as u8),
                Role::Window | Role::WindowCallee => {
                    let count = window_len(i, n);
                    effects.reads = effects.reads.union(RegSet::run(byte.into(), count));
                }
                _ => {}
            }
        }
        if info.flow == Flow::Call {
            effects.clobbers = RegSet::ALL.without(RegSet::below(i.a.into()));
            effects.writes.add(i.a);
        }
        if i.op == Op::MoveLast {
            effects.clobbers.add(i.b);
        }
        effects
    }
}

/// How many registers the window in operand `n` has, the callee included.
pub(super) fn window_len(i: Instruction, n: usize) -> usize {
    let count = [i.b, i.c].get(n).copied().unwrap_or(0);
    usize::from(count) + usize::from(i.op.info().roles[n] == Role::WindowCallee)
}

/// A function's words in basic blocks. Blocks begin and end where protected ranges do, so all words
/// of a block have the same handler. Expects decodable words and jumps within the function.
#[derive(Debug)]
pub(super) struct Graph {
    /// First words, ascending; then the function's end.
    pub(super) starts: Vec<u32>,
    /// By block: its handler, as an index into the function's ranges.
    pub(super) handlers: Vec<Option<u32>>,
}

impl Graph {
    pub(super) fn new(code: &Code, f: &FunctionCode) -> Graph {
        let len = (f.end - f.start) as usize;
        let mut first = vec![false; len + 1];
        let mut mark = |at: u32| first[(at - f.start) as usize] = true;
        mark(f.start);
        mark(f.end);
        for at in f.start..f.end {
            let i = instruction(code, at);
            let ends = matches!(i.op.info().flow, Flow::Branch | Flow::Stop);
            for_each_target(code, at, i, &mut mark);
            if ends {
                mark(at + 1);
            }
        }
        for h in &f.handlers {
            mark(h.start);
            mark(h.end);
            mark(h.target);
        }
        let starts: Vec<u32> =
            (f.start..=f.end).filter(|at| first[(at - f.start) as usize]).collect();
        let mut graph = Graph { handlers: vec![None; starts.len() - 1], starts };
        // Innermost ranges come first, so they are painted last.
        for (n, h) in f.handlers.iter().enumerate().rev() {
            let (from, to) = (graph.block_at(h.start), graph.block_at(h.end));
            graph.handlers[from..to].fill(Some(n as u32));
        }
        graph
    }
    pub(super) fn len(&self) -> usize {
        self.handlers.len()
    }
    /// The block that a word is in (the number of blocks for the function's end).
    pub(super) fn block_at(&self, word: u32) -> usize {
        self.starts.partition_point(|&start| start <= word) - 1
    }
    pub(super) fn words(&self, block: usize) -> std::ops::Range<u32> {
        self.starts[block]..self.starts[block + 1]
    }
    /// Calls `visit` with the blocks that follow.
    pub(super) fn successors(&self, code: &Code, block: usize, mut visit: impl FnMut(usize)) {
        let last = self.starts[block + 1] - 1;
        let i = instruction(code, last);
        for_each_target(code, last, i, &mut |at| visit(self.block_at(at)));
        if i.op.info().flow != Flow::Stop && block + 1 < self.len() {
            visit(block + 1);
        }
    }
}

/// The instruction at a word of checked code.
pub(super) fn instruction(code: &Code, at: u32) -> Instruction {
    Instruction::decode(code.words[at as usize]).expect("checked code decodes")
}

/// Where the instruction at `at` jumps to.
pub(super) fn for_each_target(code: &Code, at: u32, i: Instruction, visit: &mut dyn FnMut(u32)) {
    match i.op.info().roles[3] {
        Role::Jump | Role::Back => visit((i64::from(at) + 1 + i64::from(i.d)) as u32),
        Role::Switch => {
            let table = &code.switches[i.d as usize];
            table.targets.iter().copied().chain([table.default]).for_each(visit);
        }
        _ => {}
    }
}
