//! One function under construction: blocks, values, the state of the variables, labels.

use rustc_hash::FxHashMap as HashMap;

use super::NativeSig;
use super::finish;
use crate::ir::{
    Block, BlockId, Const, FuncId, Function, Inst, NativeId, Op, SlotId, Terminator, ValueId,
};
use crate::lang::ast::Span;
use crate::lang::resolve::tree::{FuncBody, Tree, VarId};

/// What expressions in unreachable places "evaluate" to; it never gets into the result.
pub(super) const NO_VALUE: ValueId = ValueId(u32::MAX);
/// In [`Builder::logged_at`]: not in the log.
const NEVER: u32 = u32::MAX;

/// Lowers every function of the program.
pub(super) fn lower_all(tree: &Tree, natives: &[NativeSig]) -> Vec<Function> {
    let lowering = LoweringNatives::find(natives);
    let mut storage = vec![Storage::Unset; tree.vars.len()];
    let funcs = 0..tree.funcs.len();
    funcs
        .map(|func| Builder::new(tree, lowering, &mut storage, FuncId(func as u32)).run())
        .collect()
}

/// The numbers of [`super::LOWERING_NATIVES`].
#[derive(Clone, Copy, Debug)]
pub(super) struct LoweringNatives {
    pub(super) match_failure: NativeId,
    pub(super) check_range: NativeId,
    pub(super) scope_new: NativeId,
    pub(super) scope_add: NativeId,
    pub(super) scope_join: NativeId,
    pub(super) scope_check: NativeId,
    pub(super) scope_cancel: NativeId,
    pub(super) scope_error: NativeId,
}

impl LoweringNatives {
    fn find(natives: &[NativeSig]) -> LoweringNatives {
        let by_name: HashMap<&str, usize> =
            natives.iter().enumerate().map(|(index, native)| (native.name, index)).collect();
        let id = |name: &str| match by_name.get(name) {
            Some(&index) => NativeId(index as u32),
            None => panic!("the table of builtins has no `{name}`"),
        };
        LoweringNatives {
            match_failure: id("%match_failure"),
            check_range: id("%check_range"),
            scope_new: id("%scope_new"),
            scope_add: id("%scope_add"),
            scope_join: id("%scope_join"),
            scope_check: id("%scope_check"),
            scope_cancel: id("%scope_cancel"),
            scope_error: id("%scope_error"),
        }
    }
}

/// Where a variable of the function lives.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Storage {
    Unset,
    /// Never assigned.
    Value(ValueId),
    /// Never assigned, and known.
    Const(Const),
    /// An SSA variable: an index into [`Builder::state`].
    State(u32),
    Slot(SlotId),
    /// A cell.
    Cell(ValueId),
    /// A local function that is captured before it exists: a cell, and later the closure too.
    Fn {
        cell: ValueId,
        closure: Option<ValueId>,
    },
}

/// What happens to the value of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dest {
    /// It is used.
    Value,
    /// It is dropped: the result is [`NO_VALUE`] or anything else.
    Effect,
    /// It is what the function returns.
    Tail,
}

/// A place that forward jumps go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LabelId(u32);

#[derive(Debug)]
struct Label {
    block: BlockId,
    /// The length of the log when it was made.
    base: usize,
    /// How many SSA variables there were.
    vars: usize,
    params: usize,
    edges: Vec<Edge>,
}

/// A jump or one way of a branch to a label.
#[derive(Debug)]
struct Edge {
    from: BlockId,
    /// `from` ends in `Jump`, which can pass arguments.
    is_jump: bool,
    args: Vec<ValueId>,
    /// The variables that were assigned since the label was made.
    changes: Vec<(u32, ValueId)>,
}

#[derive(Clone, Copy, Debug)]
struct LogEntry {
    var: u32,
    old: ValueId,
    /// `logged_at[var]` before.
    previous: u32,
}

/// Something around the current place that a jump out of it must take care of.
#[derive(Debug)]
pub(super) enum Exit {
    Loop(LoopExit),
    /// A `finally` or the end of a `scope`.
    Finally {
        label: LabelId,
        completions: Vec<super::protect::Completion>,
    },
    Arena {
        token: ValueId,
        /// The handler outside of the arena.
        outer: Option<BlockId>,
    },
}

/// A loop around the current place.
#[derive(Clone, Debug)]
pub(super) struct LoopExit {
    pub(super) header: BlockId,
    /// The SSA variables that are parameters of the header, after `extra`.
    pub(super) vars: Vec<u32>,
    /// The header's first arguments, when `continue` jumps to it.
    pub(super) extra: Vec<ValueId>,
    /// Where `continue` goes, if not to the header.
    pub(super) step: Option<LabelId>,
    pub(super) exit: LabelId,
    /// `break` passes a value to `exit`.
    pub(super) has_value: bool,
}

pub(super) struct Builder<'t> {
    pub(super) tree: &'t Tree,
    pub(super) natives: LoweringNatives,
    /// By variable of the program; a function touches only its own.
    pub(super) storage: &'t mut Vec<Storage>,
    pub(super) func: FuncId,
    /// What this closure captured: values, or cells.
    pub(super) captured: HashMap<VarId, ValueId>,
    pub(super) exits: Vec<Exit>,
    /// The task scopes around the current place.
    pub(super) scopes: Vec<ValueId>,
    /// The handler of new blocks.
    pub(super) handler: Option<BlockId>,

    pub(super) blocks: Vec<Block>,
    /// Blocks in the order in which they are laid out.
    pub(super) layout: Vec<BlockId>,
    /// Blocks that are laid out after all others.
    cold: Vec<BlockId>,
    current: BlockId,
    /// No code can reach the current place: nothing is emitted.
    dead: bool,
    /// By value: is it certainly an int?
    ints: Vec<bool>,
    slots: u32,

    /// The current values of the SSA variables.
    state: Vec<ValueId>,
    /// Old values, to go back to the state at a label.
    log: Vec<LogEntry>,
    /// By SSA variable: its newest entry in the log.
    logged_at: Vec<u32>,
    /// Entries below this do not serve the newest label.
    mark: usize,
    labels: Vec<Label>,
    /// Scratch by SSA variable: (when, which column) for [`Builder::bind`].
    seen: Vec<(u32, u32)>,
    now: u32,
}

impl<'t> Builder<'t> {
    fn new(
        tree: &'t Tree,
        natives: LoweringNatives,
        storage: &'t mut Vec<Storage>,
        func: FuncId,
    ) -> Builder<'t> {
        Builder {
            tree,
            natives,
            storage,
            func,
            captured: HashMap::default(),
            exits: Vec::new(),
            scopes: Vec::new(),
            handler: None,
            blocks: Vec::new(),
            layout: Vec::new(),
            cold: Vec::new(),
            current: BlockId(0),
            dead: true,
            ints: Vec::new(),
            slots: 0,
            state: Vec::new(),
            log: Vec::new(),
            logged_at: Vec::new(),
            mark: 0,
            labels: Vec::new(),
            seen: Vec::new(),
            now: 0,
        }
    }

    fn run(mut self) -> Function {
        let func = &self.tree.funcs[self.func.index()];
        let params: Vec<ValueId> = func.params.iter().map(|_| self.new_value()).collect();
        for (var, value) in func.params.iter().zip(&params) {
            self.storage[var.index()] = Storage::Value(*value);
        }
        let entry = self.new_block();
        self.start(entry);
        for (n, var) in (0..).zip(&func.captures) {
            let value = self.emit(Op::Capture(n), func.span);
            self.captured.insert(*var, value);
        }
        match &func.body {
            FuncBody::Expr(body) => {
                self.lower(body, Dest::Tail);
            }
            FuncBody::Native(native) => {
                let value = self.emit(Op::CallNative(*native, params.clone()), func.span);
                self.terminate(Terminator::Return(value), func.span);
            }
            FuncBody::Construct(class) => {
                let value = self.emit(Op::MakeRecord(*class, params.clone()), func.span);
                self.terminate(Terminator::Return(value), func.span);
            }
            FuncBody::Method(name) => {
                let call = Terminator::TailCallMethod(params[0], *name, params[1..].to_vec());
                self.terminate(call, func.span);
            }
        }
        debug_assert!(self.dead, "every path returns");
        let mut layout = self.layout;
        layout.append(&mut self.cold);
        let unfinished = Function {
            name: func.name,
            params,
            captures: func.captures.len() as u32,
            blocks: self.blocks,
            value_count: self.ints.len() as u32,
            slot_count: self.slots,
            span: func.span,
        };
        finish::finish(unfinished, layout)
    }

    // Values and instructions.

    pub(super) fn new_value(&mut self) -> ValueId {
        self.ints.push(false);
        ValueId(self.ints.len() as u32 - 1)
    }

    pub(super) fn is_int(&self, value: ValueId) -> bool {
        self.ints.get(value.index()).copied().unwrap_or(false)
    }

    pub(super) fn set_int(&mut self, value: ValueId) {
        if let Some(known) = self.ints.get_mut(value.index()) {
            *known = true;
        }
    }

    /// Appends an instruction with a result.
    pub(super) fn emit(&mut self, op: Op, span: Span) -> ValueId {
        if self.dead {
            return NO_VALUE;
        }
        debug_assert!(op.operands().all(|value| value != NO_VALUE), "a value from nowhere: {op:?}");
        let value = self.new_value();
        self.ints[value.index()] = self.gives_int(&op);
        let inst = Inst::new(Some(value), op, span);
        self.blocks[self.current.index()].insts.push(inst);
        value
    }

    /// Appends an instruction without a result.
    pub(super) fn emit_void(&mut self, op: Op, span: Span) {
        if !self.dead {
            debug_assert!(op.operands().all(|value| value != NO_VALUE), "from nowhere: {op:?}");
            self.blocks[self.current.index()].insts.push(Inst::new(None, op, span));
        }
    }

    pub(super) fn constant(&mut self, constant: Const, span: Span) -> ValueId {
        self.emit(Op::Const(constant), span)
    }

    fn gives_int(&self, op: &Op) -> bool {
        use crate::ir::{BinaryOp as B, UnaryOp as U};
        match op {
            Op::Const(Const::Int(_)) => true,
            Op::Unary(U::Neg | U::BitNot, value) => self.is_int(*value),
            // Int arithmetic gives an int or raises.
            Op::Binary(op, a, b) => {
                !matches!(op, B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge)
                    && self.is_int(*a)
                    && self.is_int(*b)
            }
            _ => false,
        }
    }

    pub(super) fn new_slot(&mut self) -> SlotId {
        self.slots += 1;
        SlotId(self.slots - 1)
    }

    // Blocks.

    /// A block within the current protected region.
    pub(super) fn new_block(&mut self) -> BlockId {
        self.blocks.push(Block {
            params: Vec::new(),
            insts: Vec::new(),
            term: Terminator::Unreachable,
            term_span: Span::default(),
            handler: self.handler,
        });
        BlockId(self.blocks.len() as u32 - 1)
    }

    pub(super) fn add_param(&mut self, block: BlockId) -> ValueId {
        let value = self.new_value();
        self.blocks[block.index()].params.push(value);
        value
    }

    /// Lays out a block here and goes on in it.
    pub(super) fn start(&mut self, block: BlockId) {
        debug_assert!(self.dead, "the block before has no end");
        self.layout.push(block);
        self.current = block;
        self.dead = false;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Ends the current block.
    pub(super) fn terminate(&mut self, term: Terminator, span: Span) {
        if self.dead {
            return;
        }
        debug_assert!(term.operands().all(|value| value != NO_VALUE), "from nowhere: {term:?}");
        let block = &mut self.blocks[self.current.index()];
        block.term = term;
        block.term_span = span;
        self.dead = true;
    }

    /// Lays out what `body` emits after everything else. The current place must be dead, and is
    /// dead afterwards.
    pub(super) fn in_cold(&mut self, body: impl FnOnce(&mut Self)) {
        debug_assert!(self.dead, "the block before has no end");
        // Inside cold code everything is cold already; keep its own order.
        let hot = std::mem::take(&mut self.layout);
        body(self);
        debug_assert!(self.dead, "cold code leaves");
        let cold = std::mem::replace(&mut self.layout, hot);
        self.cold.extend(cold);
    }

    /// Goes to `otherwise` unless `cond` is true.
    pub(super) fn branch_else(&mut self, cond: ValueId, otherwise: LabelId, span: Span) {
        if self.dead {
            return;
        }
        let then = self.new_block();
        let target = self.labels[otherwise.0 as usize].block;
        self.add_edge(otherwise, false, &[]);
        self.terminate(Terminator::Branch { cond, then, otherwise: target }, span);
        self.start(then);
    }

    /// Goes to one of two labels.
    pub(super) fn branch(&mut self, cond: ValueId, then: LabelId, otherwise: LabelId, span: Span) {
        if self.dead {
            return;
        }
        self.add_edge(then, false, &[]);
        self.add_edge(otherwise, false, &[]);
        let (then, otherwise) = (self.block_of(then), self.block_of(otherwise));
        self.terminate(Terminator::Branch { cond, then, otherwise }, span);
    }

    /// Dispatches on an int: `targets[value - min]` or `default`.
    pub(super) fn switch(
        &mut self,
        value: ValueId,
        min: i64,
        targets: &[LabelId],
        default: LabelId,
        span: Span,
    ) {
        if self.dead {
            return;
        }
        let mut distinct: Vec<LabelId> = targets.to_vec();
        distinct.push(default);
        distinct.sort_by_key(|label| label.0);
        distinct.dedup();
        for label in distinct {
            self.add_edge(label, false, &[]);
        }
        let targets = targets.iter().map(|label| self.block_of(*label)).collect();
        let default = self.block_of(default);
        self.terminate(Terminator::Switch { value, min, targets, default }, span);
    }

    // The state of the SSA variables.

    /// A new SSA variable.
    pub(super) fn new_state(&mut self, value: ValueId) -> u32 {
        self.state.push(value);
        self.logged_at.push(NEVER);
        self.seen.push((0, 0));
        self.state.len() as u32 - 1
    }

    pub(super) fn read_state(&self, var: u32) -> ValueId {
        self.state[var as usize]
    }

    pub(super) fn write_state(&mut self, var: u32, value: ValueId) {
        if self.dead {
            return;
        }
        let at = self.logged_at[var as usize];
        if at == NEVER || (at as usize) < self.mark {
            let old = self.state[var as usize];
            self.logged_at[var as usize] = self.log.len() as u32;
            self.log.push(LogEntry { var, old, previous: at });
        }
        self.state[var as usize] = value;
    }

    /// A point to come back to with [`Builder::rollback`].
    pub(super) fn checkpoint(&mut self) -> usize {
        self.mark = self.log.len();
        self.mark
    }

    /// Makes the state what it was when the log was this long.
    pub(super) fn rollback(&mut self, base: usize) {
        while self.log.len() > base {
            let Some(entry) = self.log.pop() else { break };
            self.state[entry.var as usize] = entry.old;
            self.logged_at[entry.var as usize] = entry.previous;
        }
        self.mark = base;
    }

    // Labels. They are bound in an order that suits the log: one that is made while another is
    // open is bound before it, or was made at the same point.

    /// A place for later that takes `params` values.
    pub(super) fn label(&mut self, params: usize) -> LabelId {
        let block = self.new_block();
        let (base, vars) = (self.checkpoint(), self.state.len());
        self.labels.push(Label { block, base, vars, params, edges: Vec::new() });
        LabelId(self.labels.len() as u32 - 1)
    }

    pub(super) fn block_of(&self, label: LabelId) -> BlockId {
        self.labels[label.0 as usize].block
    }

    /// Jumps to a label.
    pub(super) fn jump(&mut self, label: LabelId, args: &[ValueId], span: Span) {
        if self.dead {
            return;
        }
        self.add_edge(label, true, args);
        self.terminate(Terminator::Jump(self.block_of(label), args.to_vec()), span);
    }

    fn add_edge(&mut self, label: LabelId, is_jump: bool, args: &[ValueId]) {
        debug_assert!(!self.dead, "an edge from nowhere");
        self.now += 1;
        let target = &mut self.labels[label.0 as usize];
        let mut changes = Vec::new();
        for entry in &self.log[target.base..] {
            let var = entry.var as usize;
            if var < target.vars && self.seen[var].0 != self.now {
                self.seen[var].0 = self.now;
                changes.push((entry.var, self.state[var]));
            }
        }
        debug_assert!(args.len() == target.params, "as many arguments as parameters");
        target.edges.push(Edge { from: self.current, is_jump, args: args.to_vec(), changes });
    }

    /// Goes on at a label, with the state that its edges agree on; returns its parameters. When
    /// nothing jumps to it, the place is dead.
    pub(super) fn bind(&mut self, label: LabelId) -> Vec<ValueId> {
        debug_assert!(self.dead, "fall through is an explicit jump");
        let target = &mut self.labels[label.0 as usize];
        let (block, base, params) = (target.block, target.base, target.params);
        let edges = std::mem::take(&mut target.edges);
        self.rollback(base);
        if edges.is_empty() {
            return vec![NO_VALUE; params];
        }
        if let [edge] = edges.as_slice() {
            return self.bind_single(block, edge);
        }
        let changed = self.changed_by(&edges);
        if params == 0 && changed.is_empty() {
            self.start(block);
            return Vec::new();
        }
        let mut rows = self.argument_rows(&edges, &changed);
        // Variables on which all edges agree need no parameter.
        let joined: Vec<bool> = (0..changed.len())
            .map(|n| rows.iter().any(|row| row[params + n] != rows[0][params + n]))
            .collect();
        let agreed: Vec<ValueId> = rows[0][params..].to_vec();
        for row in &mut rows {
            let mut column = 0;
            row.retain(|_| {
                column += 1;
                column <= params || joined[column - 1 - params]
            });
        }
        let values = self.join_params(block, &rows);
        self.pass_arguments(block, &edges, rows);
        self.start(block);
        let mut next = params;
        for (n, &var) in changed.iter().enumerate() {
            if joined[n] {
                self.write_state(var, values[next]);
                next += 1;
            } else {
                self.write_state(var, agreed[n]);
            }
        }
        values[..params].to_vec()
    }

    fn bind_single(&mut self, block: BlockId, edge: &Edge) -> Vec<ValueId> {
        if edge.is_jump {
            self.blocks[edge.from.index()].term = Terminator::Jump(block, Vec::new());
        }
        self.start(block);
        for &(var, value) in &edge.changes {
            self.write_state(var, value);
        }
        edge.args.clone()
    }

    /// The variables that some edge changed; leaves their column in `seen`.
    fn changed_by(&mut self, edges: &[Edge]) -> Vec<u32> {
        self.now += 1;
        let mut changed = Vec::new();
        for &(var, _) in edges.iter().flat_map(|edge| &edge.changes) {
            if self.seen[var as usize].0 != self.now {
                self.seen[var as usize] = (self.now, changed.len() as u32);
                changed.push(var);
            }
        }
        changed
    }

    /// For each edge: its arguments, then the values of the changed variables.
    fn argument_rows(&self, edges: &[Edge], changed: &[u32]) -> Vec<Vec<ValueId>> {
        let before = changed.iter().map(|var| self.state[*var as usize]);
        let rows = edges.iter().map(|edge| {
            let mut row = edge.args.clone();
            row.extend(before.clone());
            for &(var, value) in &edge.changes {
                row[edge.args.len() + self.seen[var as usize].1 as usize] = value;
            }
            row
        });
        rows.collect()
    }

    fn join_params(&mut self, block: BlockId, rows: &[Vec<ValueId>]) -> Vec<ValueId> {
        let columns = 0..rows[0].len();
        let params = columns.map(|n| {
            let param = self.add_param(block);
            self.ints[param.index()] = rows.iter().all(|row| self.is_int(row[n]));
            param
        });
        params.collect()
    }

    /// Gives each edge its arguments; branches get a block of their own to pass them.
    fn pass_arguments(&mut self, block: BlockId, edges: &[Edge], rows: Vec<Vec<ValueId>>) {
        for (edge, row) in edges.iter().zip(rows) {
            if edge.is_jump {
                self.blocks[edge.from.index()].term = Terminator::Jump(block, row);
            } else if !row.is_empty() {
                self.split(edge.from, block, row);
            }
        }
    }

    fn split(&mut self, from: BlockId, to: BlockId, args: Vec<ValueId>) {
        let handler = std::mem::replace(&mut self.handler, self.blocks[to.index()].handler);
        let between = self.new_block();
        self.handler = handler;
        self.blocks[between.index()].term = Terminator::Jump(to, args);
        self.blocks[between.index()].term_span = self.blocks[from.index()].term_span;
        let term = &mut self.blocks[from.index()].term;
        term.map_successors(|target| if target == to { between } else { target });
        self.layout.push(between);
    }
}
