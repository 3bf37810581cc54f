//! From coloured instructions to words: copies, jumps, protected ranges, source places.
//!
//! Blocks come in IR order; those that nothing jumps to any more are left out. Jumps go straight to
//! where a chain of empty blocks ends. A jump to a block that only compares and branches does that
//! itself, so a loop is entered by one test, and its test at the bottom follows the body directly.
//! Every jump backward polls.

use super::alloc::{Colouring, NO_COLOUR, REGISTERS_MAX};
use super::copies::{self, Copy, From};
use super::lir::{Arg, LInst, LTerm, Lir, NO_WINDOW, Source, VReg};
use super::live::Liveness;
use crate::bytecode::ops::{Flow, Instruction, Op, Role};
use crate::bytecode::{Code, FunctionCode, HandlerRange, SwitchTable};
use crate::ir::{BlockId, Function};
use crate::lang::ast::Span;

/// Where a jump's `d` goes in.
struct Fixup {
    word: usize,
    target: BlockId,
}

/// The state of the translation of one function.
struct Layout<'a> {
    lir: &'a Lir,
    live: &'a Liveness,
    colouring: &'a Colouring,
    code: &'a mut Code,
    /// By block: where jumps to it really go.
    jump_target: Vec<BlockId>,
    /// The same for branches: they stop before a block that only branches, because the jump to it
    /// will do that itself.
    branch_target: Vec<BlockId>,
    /// By block: its place in the layout.
    place: Vec<Option<usize>>,
    labels: Vec<Option<u32>>,
    fixups: Vec<Fixup>,
    /// (switch table, entry or default) to fill in.
    switch_fixups: Vec<(usize, Option<usize>, BlockId)>,
    /// Words from here on are protected by this handler.
    handler: (u32, Option<BlockId>),
    ranges: Vec<(u32, u32, BlockId)>,
    /// The last word that something jumps to.
    last_label: u32,
    registers: usize,
}

/// Appends the function's words to `code`. The error is how many registers it needs.
pub(super) fn lay_out(
    function: &Function,
    lir: &Lir,
    live: &Liveness,
    colouring: &Colouring,
    code: &mut Code,
) -> Result<FunctionCode, usize> {
    let start = code.words.len() as u32;
    let switches = code.switches.len();
    let blocks = lir.blocks.len();
    let mut layout = Layout {
        lir,
        live,
        colouring,
        code,
        jump_target: resolve_chains(lir, |b| idle_jump(lir, &colouring.colour, b)),
        branch_target: resolve_chains(lir, |b| {
            idle_jump(lir, &colouring.colour, b).filter(|&to| !is_test(lir, to))
        }),
        place: vec![None; blocks],
        labels: vec![None; blocks],
        fixups: Vec::new(),
        switch_fixups: Vec::new(),
        handler: (start, None),
        ranges: Vec::new(),
        last_label: start,
        registers: colouring.registers,
    };
    if lir.marks_frame {
        layout.word(Op::FrameEnter, 0, 0, 0, 0);
    }
    let order = layout.needed_blocks();
    for (n, &block) in order.iter().enumerate() {
        layout.place[block.index()] = Some(n);
    }
    for (n, &block) in order.iter().enumerate() {
        layout.block(block, order.get(n + 1).copied());
    }
    layout.protect(None);
    layout.fix_jumps();
    if layout.registers > REGISTERS_MAX {
        let count = layout.registers;
        code.words.truncate(start as usize);
        code.switches.truncate(switches);
        code.spans.truncate(code.spans.partition_point(|&(at, _)| at < start));
        return Err(count);
    }
    let handlers = layout.handler_ranges();
    let registers = layout.registers as u16;
    let end = code.words.len() as u32;
    Ok(FunctionCode {
        name: function.name,
        start,
        end,
        params: function.params.len() as u8,
        captures: function.captures as u8,
        registers,
        handlers,
        span: function.span,
    })
}

/// Whether the block only branches.
fn is_test(lir: &Lir, b: BlockId) -> bool {
    let block = &lir.blocks[b.index()];
    block.insts.is_empty() && matches!(block.term, LTerm::Branch { .. })
}

/// Where a block goes that does nothing but jump.
fn idle_jump(lir: &Lir, colour: &[u8], b: BlockId) -> Option<BlockId> {
    let block = &lir.blocks[b.index()];
    let LTerm::Jump(to, args) = &block.term else { return None };
    let args = &lir.args[args.start as usize..args.end as usize];
    let params = &lir.blocks[to.index()].params;
    let no_copies = params.iter().zip(args).all(|(&p, arg)| match arg.source {
        _ if colour[p as usize] == NO_COLOUR => true,
        Source::Reg(v) => colour[v as usize] == colour[p as usize],
        Source::Const(_) => false,
    });
    (no_copies && block.insts.is_empty()).then_some(*to)
}

/// By block: the end of the chain that begins there.
fn resolve_chains(lir: &Lir, next: impl Fn(BlockId) -> Option<BlockId>) -> Vec<BlockId> {
    let mut resolved: Vec<Option<BlockId>> = vec![None; lir.blocks.len()];
    for b in (0..lir.blocks.len() as u32).map(BlockId) {
        let mut chain = Vec::new();
        let mut at = b;
        // A cycle of empty blocks ends where the walk meets itself.
        let end = loop {
            if let Some(end) = resolved[at.index()] {
                break end;
            }
            resolved[at.index()] = Some(at);
            chain.push(at);
            match next(at) {
                Some(to) => at = to,
                None => break at,
            }
        };
        for block in chain {
            resolved[block.index()] = Some(end);
        }
    }
    resolved.into_iter().flatten().collect()
}

impl Layout<'_> {
    fn here(&self) -> u32 {
        self.code.words.len() as u32
    }

    // ---- which blocks ----

    fn resolve(&self, b: BlockId) -> BlockId {
        self.branch_target[b.index()]
    }
    /// The blocks that are jumped to, in order. Handlers always are: the jump out of an empty one
    /// may be what polls.
    fn needed_blocks(&self) -> Vec<BlockId> {
        let mut needed = vec![false; self.lir.blocks.len()];
        let mut work = vec![BlockId(0)];
        while let Some(b) = work.pop() {
            if std::mem::replace(&mut needed[b.index()], true) {
                continue;
            }
            let block = &self.lir.blocks[b.index()];
            work.extend(block.handler);
            if let LTerm::Jump(to, _) = &block.term {
                // The jump counts as that block's, even if nothing else of it is left.
                work.extend(self.lir.blocks[to.index()].handler);
                let to = self.jump_target[to.index()];
                if !is_test(self.lir, to) {
                    work.push(to);
                    continue;
                }
                let test = &self.lir.blocks[to.index()];
                work.extend(test.handler);
                work.extend(test.successors().map(|b| self.resolve(b)));
            } else {
                work.extend(block.successors().map(|b| self.resolve(b)));
            }
        }
        (0..needed.len() as u32).map(BlockId).filter(|b| needed[b.index()]).collect()
    }

    // ---- words ----

    fn word(&mut self, op: Op, a: u8, b: u8, c: u8, d: i32) {
        self.code.words.push(Instruction { op, a, b, c, d }.encode());
    }
    /// Notes the place of the next word.
    fn span(&mut self, span: Span) {
        let here = self.here();
        if self.code.spans.last().is_none_or(|&(_, last)| last != span) {
            self.code.spans.push((here, span));
        }
    }
    fn colour(&self, v: VReg) -> u8 {
        self.colouring.colour[v as usize]
    }
    fn source(&self, arg: &Arg) -> From {
        match arg.source {
            Source::Reg(v) => From::Register(self.colour(v)),
            Source::Const(load) => From::Constant(load),
        }
    }
    fn protect(&mut self, handler: Option<BlockId>) {
        let here = self.here();
        let (start, current) = self.handler;
        if current == handler {
            return;
        }
        if let Some(current) = current
            && start < here
        {
            self.ranges.push((start, here, current));
        }
        self.handler = (here, handler);
    }

    fn block(&mut self, b: BlockId, next: Option<BlockId>) {
        let lir = self.lir;
        let block = &lir.blocks[b.index()];
        self.drop_jump_to(b);
        self.labels[b.index()] = Some(self.here());
        self.last_label = self.here();
        self.protect(block.handler);
        for inst in &block.insts {
            self.inst(inst);
        }
        match &block.term {
            LTerm::Exit(inst) => self.inst(inst),
            LTerm::Jump(to, args) => {
                let args = &lir.args[args.start as usize..args.end as usize];
                self.jump(b, *to, args, block.term_span, next);
            }
            LTerm::Branch { test, then, otherwise } => {
                self.branch(b, test, *then, *otherwise, next);
            }
            LTerm::Switch { value, min, targets, default, span } => {
                self.span(*span);
                self.switch(b, *value, *min, targets, *default);
            }
        }
    }

    /// Removes the last word if it jumps to what comes next: block `b`, with nothing in between but
    /// blocks without words.
    fn drop_jump_to(&mut self, b: BlockId) {
        let here = self.here();
        let Some(fixup) = self.fixups.last() else { return };
        let jumps = fixup.target == b && fixup.word as u32 + 1 == here;
        if !jumps || Op::of(self.code.words[fixup.word]) != Some(Op::Jump) {
            return;
        }
        self.fixups.pop();
        self.code.words.pop();
        let back = |at: &mut u32| *at = (*at).min(here - 1);
        back(&mut self.last_label);
        back(&mut self.handler.0);
        if let Some((start, end, _)) = self.ranges.last_mut() {
            back(start);
            back(end);
        }
        self.ranges.retain(|&(start, end, _)| start < end);
        for label in self.labels.iter_mut().flatten() {
            back(label);
        }
    }

    fn inst(&mut self, inst: &LInst) {
        let info = inst.op.info();
        let window = (inst.window != NO_WINDOW).then(|| self.fill_window(inst));
        if needs_span(inst.op) {
            self.span(inst.span);
        }
        let mut x = [0; 4];
        for (n, role) in info.roles.into_iter().enumerate() {
            x[n] = match role {
                Role::Read | Role::Write | Role::ReadWrite | Role::ReadD => {
                    u32::from(self.colour(inst.x[n]))
                }
                _ => inst.x[n],
            };
        }
        if let Some((base, count)) = window {
            let at = if info.roles[0] == Role::Window || info.roles[0] == Role::WindowCallee {
                0
            } else {
                1
            };
            x[at] = u32::from(base);
            x[at + 1] = count as u32;
        }
        if inst.op == Op::Move && x[0] == x[1] {
            return;
        }
        if self.lir.marks_frame && inst.op.leaves_frame() {
            self.word(Op::FrameLeave, 0, 0, 0, 0);
        }
        let last = inst.op == Op::Move && inst.last & 1 << 1 != 0;
        let op = if last { Op::MoveLast } else { inst.op };
        self.word(op, x[0] as u8, x[1] as u8, x[2] as u8, x[3] as i32);
        if let (Flow::Call, Some((base, _))) = (info.flow, window) {
            let result = self.colour(inst.x[0]);
            if result != base {
                self.word(Op::MoveLast, result, base, 0, 0);
            }
        }
    }

    /// Copies the arguments into the window; its first register and length, the callee aside.
    fn fill_window(&mut self, inst: &LInst) -> (u8, usize) {
        let window = &self.lir.windows[inst.window as usize];
        let base = self.colouring.bases[inst.window as usize];
        let args = &self.lir.args[window.args.start as usize..window.args.end as usize];
        let copies: Vec<Copy> = args
            .iter()
            .zip(base..)
            .map(|(arg, to)| Copy { to, from: self.source(arg), last: arg.last })
            .collect();
        let above = copies.iter().map(spare_above).max().unwrap_or(0).max(usize::from(base));
        self.copy(&copies, above);
        let callee = inst.op.info().roles[0] == Role::WindowCallee;
        (base, args.len() - usize::from(callee))
    }

    /// Emits copies; `spare` is a register that is free here.
    fn copy(&mut self, copies: &[Copy], spare: usize) {
        let mut steps = Vec::new();
        let mut spare_used = false;
        let spare_of = || {
            spare_used = true;
            spare.min(REGISTERS_MAX) as u8
        };
        copies::sequence(copies, spare_of, |step| steps.push(step));
        if spare_used {
            self.registers = self.registers.max(spare + 1);
        }
        for (op, a, b, d) in steps {
            self.word(op, a, b, 0, d);
        }
    }

    // ---- jumps ----

    fn jump(&mut self, b: BlockId, to: BlockId, args: &[Arg], span: Span, next: Option<BlockId>) {
        let lir = self.lir;
        let params = &lir.blocks[to.index()].params;
        // The copies and the jump count as the target's: what lives into the old handler may be
        // overwritten by them.
        let outside = lir.blocks[to.index()].handler;
        let target = self.jump_target[to.index()];
        let copies: Vec<Copy> = params
            .iter()
            .zip(args)
            .filter(|&(&p, _)| self.colour(p) != NO_COLOUR)
            .map(|(&p, arg)| Copy { to: self.colour(p), from: self.source(arg), last: arg.last })
            .collect();
        if !copies.is_empty() {
            self.protect(outside);
            let spare = self.spare_for_jump(to, &copies);
            self.copy(&copies, spare);
        }
        if is_test(lir, target)
            && let LTerm::Branch { test, then, otherwise } = &lir.blocks[target.index()].term
        {
            self.protect(lir.blocks[target.index()].handler);
            return self.branch(b, test, *then, *otherwise, next);
        }
        if next != Some(target) {
            self.protect(outside);
            self.jump_to(b, target, span);
        }
    }
    /// The lowest register that neither the copies nor the target use.
    fn spare_for_jump(&self, to: BlockId, copies: &[Copy]) -> usize {
        let mut taken = [false; 256];
        let live = self.live.into[to.index()].iter().copied().chain(self.lir.slots.clone());
        live.for_each(|v| taken[self.colour(v) as usize] = true);
        for copy in copies {
            taken[copy.to as usize] = true;
            if let From::Register(r) = copy.from {
                taken[r as usize] = true;
            }
        }
        taken.iter().position(|&t| !t).unwrap_or(REGISTERS_MAX)
    }

    fn is_backward(&self, from: BlockId, to: BlockId) -> bool {
        self.place[to.index()] <= self.place[from.index()]
    }
    fn jump_to(&mut self, from: BlockId, target: BlockId, span: Span) {
        if self.is_backward(from, target) {
            self.span(span);
            self.jump_word(Op::JumpBack, [0; 3], target);
        } else {
            self.jump_word(Op::Jump, [0; 3], target);
        }
    }
    fn jump_word(&mut self, op: Op, [a, b, c]: [u8; 3], target: BlockId) {
        self.fixups.push(Fixup { word: self.code.words.len(), target });
        self.word(op, a, b, c, 0);
    }

    fn branch(
        &mut self,
        from: BlockId,
        test: &LInst,
        then: BlockId,
        otherwise: BlockId,
        next: Option<BlockId>,
    ) {
        let (then, otherwise) = (self.resolve(then), self.resolve(otherwise));
        let negated = inverse(test.op);
        let backward = |b| self.is_backward(from, b);
        // The test goes to the loop, or else to where the next block is not.
        let swap =
            next == Some(then) || next != Some(otherwise) && !backward(then) && backward(otherwise);
        let (op, target, rest) =
            if swap { (negated, otherwise, then) } else { (test.op, then, otherwise) };
        self.test_to(from, test, op, target);
        if next != Some(rest) {
            self.jump_to(from, rest, test.span);
        }
    }

    fn test_to(&mut self, from: BlockId, test: &LInst, op: Op, target: BlockId) {
        let operand = |n: usize| match test.op.info().roles[n] {
            Role::Read => self.colour(test.x[n]),
            _ => test.x[n] as u8,
        };
        let x = [operand(0), operand(1), operand(2)];
        if !self.is_backward(from, target) {
            self.span(test.span);
            return self.jump_word(op, x, target);
        }
        let Some(back) = backward(op) else {
            // No such jump backward: jump over one.
            self.span(test.span);
            self.word(inverse(op), x[0], x[1], x[2], 1);
            self.last_label = self.here() + 1;
            return self.jump_word(Op::JumpBack, [0; 3], target);
        };
        let (op, x) = match self.take_step(back, x) {
            Some((looping, step)) => (looping, [x[0], x[1], step as u8]),
            None => (back, x),
        };
        self.span(test.span);
        self.jump_word(op, x, target);
    }

    /// Removes the `a = a + step` before a test of `a < b` that ends a loop; moves of other
    /// registers may stand in between.
    fn take_step(&mut self, back: Op, [a, b, _]: [u8; 3]) -> Option<(Op, i8)> {
        let looping = match back {
            Op::JumpLtBack => Op::LoopLt,
            Op::JumpLeBack => Op::LoopLe,
            _ => return None,
        };
        if a == b {
            return None;
        }
        let first = self.last_label.max(self.handler.0) as usize;
        for at in (first..self.code.words.len()).rev() {
            let i = Instruction::decode(self.code.words[at])?;
            match i.op {
                Op::AddI if i.a == a && i.b == a => {
                    let step = i8::try_from(i.d).ok()?;
                    self.code.words.remove(at);
                    // Its place in the source goes, too; nothing behind it has one.
                    if self.code.spans.last().is_some_and(|&(word, _)| word as usize == at) {
                        self.code.spans.pop();
                    }
                    return Some((looping, step));
                }
                Op::Move | Op::MoveLast if i.a != a && i.b != a => {}
                Op::LoadI | Op::LoadV | Op::LoadK if i.a != a => {}
                _ => return None,
            }
        }
        None
    }

    fn switch(&mut self, b: BlockId, value: VReg, min: i64, targets: &[BlockId], default: BlockId) {
        let table = self.code.switches.len();
        let word = self.here() + 1;
        self.word(Op::Switch, self.colour(value), 0, 0, table as i32);
        self.code.switches.push(SwitchTable { min, targets: vec![0; targets.len()], default: 0 });
        // Switches do not poll: they go backward over a jump that does.
        let mut trampolines: Vec<(BlockId, u32)> = Vec::new();
        let entries = targets.iter().copied().zip((0..).map(Some)).chain([(default, None)]);
        for (target, entry) in entries {
            let target = self.resolve(target);
            if !self.is_backward(b, target) {
                self.switch_fixups.push((table, entry, target));
                continue;
            }
            let known = trampolines.iter().find(|&&(block, _)| block == target);
            let at = match known {
                Some(&(_, at)) => at,
                None => {
                    let at = word + trampolines.len() as u32;
                    trampolines.push((target, at));
                    at
                }
            };
            self.set_switch(table, entry, at);
        }
        for (target, _) in trampolines {
            self.last_label = self.here();
            self.jump_word(Op::JumpBack, [0; 3], target);
        }
    }
    fn set_switch(&mut self, table: usize, entry: Option<usize>, at: u32) {
        let table = &mut self.code.switches[table];
        match entry {
            Some(n) => table.targets[n] = at,
            None => table.default = at,
        }
    }

    fn fix_jumps(&mut self) {
        let label = |labels: &[Option<u32>], b: BlockId| {
            labels[b.index()].expect("every block that is jumped to was laid out")
        };
        for Fixup { word, target } in std::mem::take(&mut self.fixups) {
            let d = i64::from(label(&self.labels, target)) - (word as i64 + 1);
            self.code.words[word] |= u64::from(d as i32 as u32) << 32;
        }
        for (table, entry, target) in std::mem::take(&mut self.switch_fixups) {
            let at = label(&self.labels, target);
            self.set_switch(table, entry, at);
        }
    }

    /// The ranges are disjoint: every block names one handler, which is protected by the next.
    fn handler_ranges(&self) -> Vec<HandlerRange> {
        let mut ranges: Vec<HandlerRange> = Vec::new();
        for &(start, end, handler) in &self.ranges {
            let block = &self.lir.blocks[handler.index()];
            let target = self.labels[handler.index()].expect("handlers are laid out");
            let register = block.params.first().map_or(0, |&p| self.colour(p));
            let joins = |last: &HandlerRange| {
                (last.end, last.target, last.register) == (start, target, register)
            };
            match ranges.last_mut() {
                Some(last) if joins(last) => last.end = end,
                _ => ranges.push(HandlerRange { start, end, target, register }),
            }
        }
        ranges
    }
}

/// A register above everything that the copy touches.
fn spare_above(copy: &Copy) -> usize {
    let from = match copy.from {
        From::Register(r) => usize::from(r),
        From::Constant(_) => 0,
    };
    from.max(usize::from(copy.to)) + 1
}

/// Whether errors, stack traces or collections may want to know where the op stands.
fn needs_span(op: Op) -> bool {
    use Op::*;
    !matches!(
        op,
        Move | MoveLast
            | LoadK
            | LoadI
            | LoadV
            | GetCapture
            | Not
            | TestClass
            | TestTuple
            | TestList
            | Return
            | ReturnV
    )
}

/// The test that is true when this one is false.
pub(super) fn inverse(op: Op) -> Op {
    const PAIRS: [(Op, Op); 13] = [
        (Op::JumpT, Op::JumpF),
        (Op::JumpLt, Op::JumpNotLt),
        (Op::JumpLe, Op::JumpNotLe),
        (Op::JumpEq, Op::JumpNe),
        (Op::JumpLtI, Op::JumpNotLtI),
        (Op::JumpLeI, Op::JumpNotLeI),
        (Op::JumpGtI, Op::JumpNotGtI),
        (Op::JumpGeI, Op::JumpNotGeI),
        (Op::JumpEqI, Op::JumpNeI),
        (Op::JumpIs, Op::JumpIsNot),
        (Op::JumpClass, Op::JumpNotClass),
        (Op::JumpDone, Op::JumpNotDone),
        (Op::Jump, Op::Jump),
    ];
    let pair = PAIRS.iter().find(|&&(a, b)| a == op || b == op);
    let &(a, b) = pair.expect("a conditional jump forward");
    if a == op { b } else { a }
}

/// The same test as a jump backward; there is none for classes.
fn backward(op: Op) -> Option<Op> {
    Some(match op {
        Op::Jump => Op::JumpBack,
        Op::JumpT => Op::JumpTBack,
        Op::JumpF => Op::JumpFBack,
        Op::JumpLt => Op::JumpLtBack,
        Op::JumpNotLt => Op::JumpNotLtBack,
        Op::JumpLe => Op::JumpLeBack,
        Op::JumpNotLe => Op::JumpNotLeBack,
        Op::JumpEq => Op::JumpEqBack,
        Op::JumpNe => Op::JumpNeBack,
        Op::JumpLtI => Op::JumpLtIBack,
        Op::JumpNotLtI => Op::JumpNotLtIBack,
        Op::JumpLeI => Op::JumpLeIBack,
        Op::JumpNotLeI => Op::JumpNotLeIBack,
        Op::JumpGtI => Op::JumpGtIBack,
        Op::JumpNotGtI => Op::JumpNotGtIBack,
        Op::JumpGeI => Op::JumpGeIBack,
        Op::JumpNotGeI => Op::JumpNotGeIBack,
        Op::JumpEqI => Op::JumpEqIBack,
        Op::JumpNeI => Op::JumpNeIBack,
        Op::JumpIs => Op::JumpIsBack,
        Op::JumpIsNot => Op::JumpIsNotBack,
        Op::JumpDone => Op::JumpDoneBack,
        Op::JumpNotDone => Op::JumpNotDoneBack,
        _ => return None,
    })
}
