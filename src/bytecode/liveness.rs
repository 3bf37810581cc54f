//! Which registers are live at a word: what a collection must keep.
//!
//! From the op table alone, by backward dataflow over the function's words. One row of bits per
//! word (as many bytes as the code itself for up to 64 registers), computed when a collection first
//! meets the function; queries are one load. What is live into a handler is live wherever the
//! handler's range can raise, which is everywhere in it.

use super::graph::{Effects, Graph, RegSet, instruction};
use super::{Code, FunctionCode};

/// The liveness of one function's registers.
#[derive(Clone, Debug)]
pub struct FunctionLiveness {
    start: u32,
    /// 64-bit words per row.
    stride: usize,
    rows: Box<[u64]>,
}

impl FunctionLiveness {
    /// Analyses function number `function` of verified code.
    pub fn new(code: &Code, function: usize) -> FunctionLiveness {
        let f = &code.functions[function];
        let graph = Graph::new(code, f);
        let into = live_into_blocks(code, f, &graph);
        let stride = usize::from(f.registers).div_ceil(64).max(1);
        let mut rows = vec![0; stride * (f.end - f.start) as usize];
        for block in 0..graph.len() {
            let mut live = live_out(code, &graph, &into, block);
            let handler = live_into_handler(f, &graph, &into, block);
            for at in graph.words(block).rev() {
                live = before(code, at, live, handler);
                let row = stride * (at - f.start) as usize;
                rows[row..row + stride].copy_from_slice(&live.words()[..stride]);
            }
        }
        FunctionLiveness { start: f.start, stride, rows: rows.into() }
    }

    /// Whether register `r` is live before the instruction at `word`, which is going to be done (or
    /// done again), so its operands are live.
    #[inline]
    pub fn live_at(&self, word: u32, r: u8) -> bool {
        let row = self.stride * (word - self.start) as usize;
        self.rows[row + usize::from(r) / 64] >> (r % 64) & 1 != 0
    }

    /// The registers that are live before the instruction at `word`.
    pub fn live(&self, word: u32) -> impl Iterator<Item = usize> + '_ {
        let row = self.stride * (word - self.start) as usize;
        self.rows[row..row + self.stride].iter().enumerate().flat_map(|(n, &bits)| {
            let next = |&left: &u64| Some(left & (left - 1)).filter(|&left| left != 0);
            let first = Some(bits).filter(|&bits| bits != 0);
            std::iter::successors(first, next)
                .map(move |left| 64 * n + left.trailing_zeros() as usize)
        })
    }

    /// Whether register `r`, which lies below the window of the call at `word`, is live while that
    /// call runs. (The window and what lies above belong to the callee.)
    #[inline]
    pub fn live_across_call(&self, word: u32, r: u8) -> bool {
        // A call reads and writes nothing below its window: what is live after it, or in its
        // handler, is live before it.
        self.live_at(word, r)
    }
}

/// What is live before the instruction at `at`.
fn before(code: &Code, at: u32, after: RegSet, handler: RegSet) -> RegSet {
    let effects = Effects::of(instruction(code, at));
    after.without(effects.writes).without(effects.clobbers).union(effects.reads).union(handler)
}

fn live_out(code: &Code, graph: &Graph, into: &[RegSet], block: usize) -> RegSet {
    let mut live = RegSet::default();
    graph.successors(code, block, |to| live = live.union(into[to]));
    live
}

fn live_into_handler(f: &FunctionCode, graph: &Graph, into: &[RegSet], block: usize) -> RegSet {
    let Some(handler) = graph.handlers[block] else { return RegSet::default() };
    let h = f.handlers[handler as usize];
    let mut live = into[graph.block_at(h.target)];
    live.remove(h.register);
    live
}

/// Sweeps from the last block to the first until nothing changes: as often as loops nest.
fn live_into_blocks(code: &Code, f: &FunctionCode, graph: &Graph) -> Vec<RegSet> {
    // What a block reads before it writes it, and what it lets through.
    let summaries: Vec<(RegSet, RegSet)> = (0..graph.len())
        .map(|block| {
            let (mut reads, mut lets) = (RegSet::default(), RegSet::ALL);
            for at in graph.words(block).rev() {
                let effects = Effects::of(instruction(code, at));
                let gone = effects.writes.union(effects.clobbers);
                reads = reads.without(gone).union(effects.reads);
                lets = lets.without(gone);
            }
            (reads, lets)
        })
        .collect();
    let mut into = vec![RegSet::default(); graph.len()];
    loop {
        let mut changed = false;
        for block in (0..graph.len()).rev() {
            let (reads, lets) = summaries[block];
            let out = live_out(code, graph, &into, block).intersection(lets);
            let handler = live_into_handler(f, graph, &into, block);
            let live = out.union(reads).union(handler);
            changed |= live != into[block];
            into[block] = live;
        }
        if !changed {
            return into;
        }
    }
}
