//! Register allocation: greedy colouring of the SSA form in dominator-tree preorder.
//!
//! The interference graph of an SSA program is chordal, and this order colours it optimally as long
//! as nothing is fixed; what is fixed here are parameters at entry, results of calls (in the first
//! register of the call's window) and windows (above everything that is live across them).
//!
//! Copies are avoided by *wishes*: a block parameter and its arguments want one register, and what
//! dies as an argument of a call wants its place in the window. Where windows start is known only
//! after a first pass, so there are a few; each also learns who stood in whose way. The cheapest
//! result wins, copies counted by loop depth.

use rustc_hash::FxHashMap as HashMap;

use super::lir::{DEAD_RESULT, LInst, LTerm, Lir, NO_WINDOW, Source, VReg};
use super::live::Liveness;
use super::select::Shape;
use crate::bytecode::graph::RegSet;
use crate::bytecode::ops::Flow;
use crate::ir::BlockId;

/// The most registers that a function can have.
pub(super) const REGISTERS_MAX: usize = 255;
/// How many passes are tried: the gain is small after that.
const PASSES: usize = 4;
/// Functions with more instructions than this get only two.
const LARGE: usize = 20_000;
/// A result of a call is copied down when it stands so far above the lowest free register: else
/// windows would climb without end in long scripts.
const CLIMB_MAX: usize = 16;
/// What one copy counts for in wishes: more than the smaller dislikes.
const COPY: i64 = 4;
/// How many places for a window are compared.
const BASE_CHOICES: usize = 8;
/// No register.
pub(super) const NO_COLOUR: u8 = 255;

/// The result.
#[derive(Clone)]
pub(super) struct Colouring {
    /// By virtual register.
    pub(super) colour: Vec<u8>,
    /// By window: its first register.
    pub(super) bases: Vec<u8>,
    /// How many registers are used.
    pub(super) registers: usize,
    /// Copies, weighted.
    cost: u64,
    /// By virtual register: the lowest window of a call that it is live across.
    crossed: Vec<u8>,
    /// Who shall keep away from what whom wants next time.
    avoid: HashMap<VReg, Vec<VReg>>,
}

/// A wish of a virtual register.
#[derive(Clone, Copy)]
enum Wish {
    /// The register of another one.
    Same(VReg),
    /// A place in a window.
    Place { window: u32, position: u8 },
}

/// All wishes, by virtual register.
struct Wishes {
    starts: Vec<u32>,
    items: Vec<(Wish, u32)>,
    /// By block parameter: its block.
    block_of: HashMap<VReg, BlockId>,
}

impl Wishes {
    fn new(lir: &Lir, order: &[BlockId]) -> Wishes {
        let mut all: Vec<(VReg, Wish, u32)> = Vec::new();
        let mut block_of = HashMap::default();
        for &id in order {
            let block = &lir.blocks[id.index()];
            block_of.extend(block.params.iter().map(|&p| (p, id)));
            if let LTerm::Jump(to, args) = &block.term {
                let params = &lir.blocks[to.index()].params;
                let args = &lir.args[args.start as usize..args.end as usize];
                for (&p, arg) in params.iter().zip(args) {
                    if let Source::Reg(v) = arg.source
                        && v != p
                        && !lir.is_slot(v)
                    {
                        all.push((p, Wish::Same(v), block.weight));
                        all.push((v, Wish::Same(p), block.weight));
                    }
                }
            }
        }
        for (window, n) in lir.windows.iter().zip(0..) {
            let args = &lir.args[window.args.start as usize..window.args.end as usize];
            for (arg, position) in args.iter().zip(0..=255) {
                if let Source::Reg(v) = arg.source
                    && arg.last
                {
                    all.push((v, Wish::Place { window: n, position }, window.weight));
                }
            }
        }
        all.sort_by_key(|&(v, ..)| v);
        let mut starts = vec![0; lir.vregs as usize + 1];
        all.iter().for_each(|&(v, ..)| starts[v as usize + 1] += 1);
        for n in 0..lir.vregs as usize {
            starts[n + 1] += starts[n];
        }
        let items = all.into_iter().map(|(_, wish, weight)| (wish, weight)).collect();
        Wishes { starts, items, block_of }
    }
    fn of(&self, v: VReg) -> &[(Wish, u32)] {
        &self.items[self.starts[v as usize] as usize..self.starts[v as usize + 1] as usize]
    }
}

/// Colours `lir`; the error is how many registers it needs.
pub(super) fn allocate(lir: &Lir, live: &Liveness, shape: &Shape) -> Result<Colouring, usize> {
    let order = preorder(shape);
    let wishes = Wishes::new(lir, &order);
    let size: usize = lir.blocks.iter().map(|b| b.insts.len() + 1).sum();
    let passes = if size > LARGE { 2 } else { PASSES };
    let mut previous: Option<Colouring> = None;
    let mut best: Option<Colouring> = None;
    for _ in 0..passes {
        let pass = Pass::new(lir, live, &wishes, previous.as_ref());
        let Some(colouring) = pass.run(&order) else { break };
        let better = best
            .as_ref()
            .is_none_or(|b| (colouring.cost, colouring.registers) < (b.cost, b.registers));
        if better {
            best = Some(colouring.clone());
        }
        if colouring.cost == 0 {
            break;
        }
        previous = Some(colouring);
    }
    best.ok_or(live.pressure.max(REGISTERS_MAX + 1))
}

/// The dominator tree, parents first.
fn preorder(shape: &Shape) -> Vec<BlockId> {
    let mut order = Vec::new();
    let mut stack = vec![BlockId(0)];
    while let Some(block) = stack.pop() {
        order.push(block);
        stack.extend(shape.dominators.children(block).iter().rev());
    }
    order
}

/// One pass over the function.
struct Pass<'a> {
    lir: &'a Lir,
    live: &'a Liveness,
    wishes: &'a Wishes,
    previous: Option<&'a Colouring>,
    result: Colouring,
    /// What is live here.
    taken: RegSet,
    owner: [VReg; 256],
    /// Wishes of the register being coloured, added up by colour; the colours that have any.
    score: [i64; 256],
    wanted: Vec<u8>,
}

impl<'a> Pass<'a> {
    fn new(
        lir: &'a Lir,
        live: &'a Liveness,
        wishes: &'a Wishes,
        previous: Option<&'a Colouring>,
    ) -> Pass<'a> {
        let mut colour = vec![NO_COLOUR; lir.vregs as usize];
        for (slot, register) in lir.slots.clone().zip(lir.first_slot()..) {
            colour[slot as usize] = register.min(255) as u8;
        }
        let result = Colouring {
            colour,
            bases: vec![0; lir.windows.len()],
            registers: lir.first_slot() + lir.slots.len(),
            cost: 0,
            crossed: vec![255; lir.vregs as usize],
            avoid: HashMap::default(),
        };
        Pass {
            lir,
            live,
            wishes,
            previous,
            result,
            taken: RegSet::default(),
            owner: [super::lir::NONE; 256],
            score: [0; 256],
            wanted: Vec::new(),
        }
    }

    /// `None`: out of registers.
    fn run(mut self, order: &[BlockId]) -> Option<Colouring> {
        if self.result.registers > REGISTERS_MAX {
            return None;
        }
        let handlers: rustc_hash::FxHashSet<BlockId> =
            order.iter().filter_map(|b| self.lir.blocks[b.index()].enters).collect();
        for &id in order {
            self.start_block(id, handlers.contains(&id))?;
            let lir = self.lir;
            for inst in &lir.blocks[id.index()].insts {
                self.inst(inst)?;
            }
            if let LTerm::Exit(inst) = &lir.blocks[id.index()].term
                && inst.window != NO_WINDOW
            {
                // Nothing outlives a tail call.
                self.place_window(inst, 0)?;
            }
        }
        self.count_copies(order);
        (self.result.registers <= REGISTERS_MAX).then_some(self.result)
    }

    fn start_block(&mut self, id: BlockId, is_handler: bool) -> Option<()> {
        self.taken = RegSet::default();
        for slot in self.lir.slots.clone() {
            self.occupy(slot);
        }
        for &v in &self.live.into[id.index()] {
            self.occupy(v);
        }
        if id.0 == 0 {
            for (&v, register) in self.lir.entry.iter().zip(0..) {
                self.result.colour[v as usize] = register;
                if self.live.used[v as usize] {
                    self.occupy(v);
                }
            }
        }
        let lir = self.lir;
        for &p in &lir.blocks[id.index()].params {
            let used = self.live.used[p as usize];
            if used || is_handler {
                self.choose(p)?;
            }
            if used {
                self.occupy(p);
            }
        }
        Some(())
    }

    fn occupy(&mut self, v: VReg) {
        let register = self.result.colour[v as usize];
        self.taken.add(register);
        self.owner[register as usize] = v;
    }
    fn free(&mut self, v: VReg) {
        self.taken.remove(self.result.colour[v as usize]);
    }

    fn inst(&mut self, inst: &LInst) -> Option<()> {
        let calls = inst.op.info().flow == Flow::Call;
        if inst.window != NO_WINDOW {
            self.free_args(inst);
            let base = match self.in_place(inst) {
                Some(base) if !calls => base,
                _ => self.best_base(inst),
            };
            self.place_window(inst, base)?;
            if calls {
                self.note_crossed(base as u8);
            }
        }
        for n in inst.reads() {
            if inst.last & 1 << n != 0 {
                self.free(inst.x[n]);
            }
        }
        let Some(v) = inst.result().filter(|&v| !self.lir.is_slot(v)) else { return Some(()) };
        let dead = inst.last & DEAD_RESULT != 0;
        let base = if calls { self.result.bases[inst.window as usize] } else { NO_COLOUR };
        if calls && (dead || usize::from(base) <= self.taken.lowest_missing() as usize + CLIMB_MAX)
        {
            self.result.colour[v as usize] = base;
        } else {
            self.choose(v)?;
        }
        if !dead {
            self.occupy(v);
        }
        Some(())
    }

    fn args(&self, inst: &LInst) -> &'a [super::lir::Arg] {
        let range = &self.lir.windows[inst.window as usize].args;
        &self.lir.args[range.start as usize..range.end as usize]
    }
    fn free_args(&mut self, inst: &LInst) {
        for arg in self.args(inst) {
            if let (Source::Reg(v), true) = (arg.source, arg.last) {
                self.free(v);
            }
        }
    }
    /// The first register, if the window's values stand in a row already.
    fn in_place(&self, inst: &LInst) -> Option<usize> {
        let args = self.args(inst);
        let colour = |n: usize| match args[n].source {
            Source::Reg(v) => Some(self.result.colour[v as usize] as usize),
            Source::Const(_) => None,
        };
        if args.is_empty() {
            return Some(0);
        }
        let base = colour(0)?;
        (1..args.len()).all(|n| colour(n) == Some(base + n)).then_some(base)
    }
    /// Where above everything live the window saves most copies of arguments, and of the result of
    /// a call; the lowest such register.
    fn best_base(&mut self, inst: &LInst) -> usize {
        let lowest = self.taken.end();
        let mut saved = [0i64; BASE_CHOICES];
        let weight = COPY * i64::from(self.lir.windows[inst.window as usize].weight);
        for (arg, position) in self.args(inst).iter().zip(0..) {
            if let Source::Reg(v) = arg.source {
                let register = usize::from(self.result.colour[v as usize]);
                let choice = register.checked_sub(lowest + position);
                if let Some(saved) = choice.and_then(|n| saved.get_mut(n)) {
                    *saved += weight;
                }
            }
        }
        if inst.op.info().flow == Flow::Call && inst.last & DEAD_RESULT == 0 {
            self.add_up_wishes(inst.x[0]);
            for (saved, register) in saved.iter_mut().zip(lowest..REGISTERS_MAX) {
                *saved += self.score[register].max(0);
            }
            self.forget_wishes();
        }
        let best = (0..BASE_CHOICES).rev().max_by_key(|&n| saved[n]);
        lowest + best.unwrap_or(0)
    }
    fn place_window(&mut self, inst: &LInst, base: usize) -> Option<()> {
        let needs_result = inst.op.info().flow == Flow::Call;
        let end = base + self.args(inst).len().max(usize::from(needs_result));
        if end > REGISTERS_MAX {
            return None;
        }
        self.result.registers = self.result.registers.max(end);
        self.result.bases[inst.window as usize] = base as u8;
        Some(())
    }
    fn note_crossed(&mut self, base: u8) {
        for r in 0..base {
            if self.taken.has(r) {
                let lowest = &mut self.result.crossed[self.owner[r as usize] as usize];
                *lowest = (*lowest).min(base);
            }
        }
    }

    /// Gives `v` the free register that it wants most, else the lowest one that nobody minds.
    fn choose(&mut self, v: VReg) -> Option<()> {
        self.add_up_wishes(v);
        let by_score = |r: &&u8| (self.score[**r as usize], u8::MAX - **r);
        let first = self.wanted.iter().max_by_key(by_score).copied();
        let first = first.filter(|&r| self.score[r as usize] > 0);
        if let Some(r) = first
            && self.taken.has(r)
        {
            let holder = self.owner[r as usize];
            if !self.lir.is_slot(holder) {
                self.result.avoid.entry(holder).or_default().push(v);
            }
        }
        let granted = self.wanted.iter().filter(|&&r| !self.taken.has(r)).max_by_key(by_score);
        let granted = granted.copied().filter(|&r| self.score[r as usize] > 0);
        let register = granted.unwrap_or_else(|| self.least_disliked());
        self.forget_wishes();
        if usize::from(register) >= REGISTERS_MAX {
            return None;
        }
        self.result.colour[v as usize] = register;
        self.result.registers = self.result.registers.max(register as usize + 1);
        Some(())
    }
    fn least_disliked(&self) -> u8 {
        let lowest = self.taken.lowest_missing();
        if self.score[lowest as usize] == 0 {
            return lowest;
        }
        let end = self.taken.end().max(lowest as usize) + 2;
        let free = (lowest..end.min(REGISTERS_MAX) as u8).filter(|&r| !self.taken.has(r));
        free.max_by_key(|&r| (self.score[r as usize].min(0), u8::MAX - r)).unwrap_or(lowest)
    }

    fn forget_wishes(&mut self) {
        for r in self.wanted.drain(..) {
            self.score[r as usize] = 0;
        }
    }
    fn add_up_wishes(&mut self, v: VReg) {
        let wishes = self.wishes;
        for &(wish, weight) in wishes.of(v) {
            if let Some((r, score)) = self.wished(v, wish, weight) {
                self.wish(r, score);
            }
            if let Wish::Same(other) = wish {
                self.keep_off_siblings(v, other);
            }
        }
        let Some(avoid) = self.previous.and_then(|p| p.avoid.get(&v)) else { return };
        for &other in avoid {
            for &(wish, weight) in wishes.of(other).iter().take(16) {
                if let Some((r, score)) = self.wished(other, wish, weight) {
                    self.wish(r, -score);
                }
            }
        }
    }
    /// The register that a wish of `v` means, and how much it counts.
    fn wished(&self, v: VReg, wish: Wish, weight: u32) -> Option<(u8, i64)> {
        let score = i64::from(weight) * COPY;
        match wish {
            Wish::Same(other) => match self.result.colour[other as usize] {
                NO_COLOUR => Some((self.previous?.colour[other as usize], score)),
                known => Some((known, 2 * score)),
            },
            Wish::Place { window, position } => {
                let previous = self.previous?;
                let place = previous.bases[window as usize].saturating_add(position);
                (place <= previous.crossed[v as usize]).then_some((place, score))
            }
        }
    }
    /// An argument of a jump that cannot have its parameter's register should not take that of
    /// another parameter of the same block: that would make a cycle of copies.
    fn keep_off_siblings(&mut self, v: VReg, parameter: VReg) {
        let wishes = self.wishes;
        let Some(block) = wishes.block_of.get(&parameter) else { return };
        let lir = self.lir;
        for &sibling in lir.blocks[block.index()].params.iter().take(16) {
            if sibling != parameter && sibling != v {
                self.wish(self.result.colour[sibling as usize], -1);
            }
        }
    }
    fn wish(&mut self, r: u8, weight: i64) {
        if r != NO_COLOUR {
            self.score[r as usize] += weight;
            self.wanted.push(r);
        }
    }

    fn count_copies(&mut self, order: &[BlockId]) {
        let (lir, colour) = (self.lir, &self.result.colour);
        let mut cost = 0;
        for &id in order {
            let block = &lir.blocks[id.index()];
            let LTerm::Jump(to, args) = &block.term else { continue };
            let args = &lir.args[args.start as usize..args.end as usize];
            for (&p, arg) in lir.blocks[to.index()].params.iter().zip(args) {
                if let Source::Reg(v) = arg.source
                    && colour[v as usize] != colour[p as usize]
                {
                    cost += u64::from(block.weight);
                }
            }
        }
        for (window, &base) in lir.windows.iter().zip(&self.result.bases) {
            let args = &lir.args[window.args.start as usize..window.args.end as usize];
            for (arg, place) in args.iter().zip(usize::from(base)..) {
                if let Source::Reg(v) = arg.source
                    && usize::from(colour[v as usize]) != place
                {
                    cost += u64::from(window.weight);
                }
            }
        }
        self.result.cost = cost;
    }
}
