//! Expressions, variables, statements, calls.

use super::function::{Builder, Dest, NO_VALUE, Storage};
use crate::ir::{BinaryOp, Const, FuncId, Op, Terminator, ValueId};
use crate::lang::ast::Span;
use crate::lang::resolve::tree::{
    Assign, Block, Expr, ExprKind, Pattern, PatternKind, Place, Stmt, Target, VarId,
};

/// The operand that is evaluated first, for nodes that form long chains.
fn first_operand(expr: &Expr) -> Option<&Expr> {
    match &expr.kind {
        ExprKind::Binary(_, operands) | ExprKind::Index(operands) => Some(&operands.0),
        ExprKind::Field(first, _)
        | ExprKind::TupleField(first, _)
        | ExprKind::CallMethod(first, ..)
        | ExprKind::Call(first, _) => Some(first),
        _ => None,
    }
}

impl Builder<'_> {
    /// Evaluates an expression for its value.
    pub(super) fn value(&mut self, expr: &Expr) -> ValueId {
        self.lower(expr, Dest::Value)
    }

    /// Evaluates an expression and drops its value.
    pub(super) fn effect(&mut self, expr: &Expr) {
        self.lower(expr, Dest::Effect);
    }

    pub(super) fn values(&mut self, exprs: &[Expr]) -> Vec<ValueId> {
        exprs.iter().map(|expr| self.value(expr)).collect()
    }

    /// Evaluates an expression. This is the only function that recurses over the tree in depth, so
    /// its frame and those of what it calls are kept small.
    pub(super) fn lower(&mut self, expr: &Expr, dest: Dest) -> ValueId {
        if self.is_dead() {
            return NO_VALUE;
        }
        if first_operand(expr).is_some() {
            return self.chain(expr, dest);
        }
        match &expr.kind {
            ExprKind::Block(block) => self.block(block, dest),
            ExprKind::If(node) => self.if_chain(node, dest, expr.span),
            ExprKind::And(operands) => self.and(operands, dest, expr.span),
            ExprKind::Or(operands) => self.or(operands, dest, expr.span),
            ExprKind::While(node) => self.while_loop(node, dest, expr.span),
            ExprKind::Loop(node) => self.endless_loop(node, dest, expr.span),
            ExprKind::For(node) => self.for_loop(node, dest, expr.span),
            ExprKind::Match(node) => self.match_expr(node, dest),
            ExprKind::Try(node) => self.try_expr(node, dest, expr.span),
            ExprKind::Arena(body) => self.arena(body, dest, expr.span),
            ExprKind::Scope(body) => self.task_scope(body, dest, expr.span),
            ExprKind::Break(value) => self.break_expr(value.as_deref(), expr.span),
            ExprKind::Continue => self.continue_expr(expr.span),
            ExprKind::Return(value) => self.return_expr(value.as_deref(), expr.span),
            ExprKind::Throw(value) => self.throw(value),
            ExprKind::CallFunc(func, args) => self.call_func(*func, args, dest, expr.span),
            _ => {
                let value = self.simple(expr, dest);
                self.deliver(value, dest, expr.span)
            }
        }
    }

    /// Does with a value what `dest` says.
    pub(super) fn deliver(&mut self, value: ValueId, dest: Dest, span: Span) -> ValueId {
        if dest == Dest::Tail {
            self.terminate(Terminator::Return(value), span);
        }
        value
    }

    /// Delivers nil.
    pub(super) fn deliver_nil(&mut self, dest: Dest, span: Span) -> ValueId {
        if dest == Dest::Effect {
            return NO_VALUE;
        }
        let nil = self.constant(Const::Nil, span);
        self.deliver(nil, dest, span)
    }

    /// Whether a call in tail position may replace the frame: not in a protected region.
    fn tail_calls(&self, dest: Dest) -> bool {
        dest == Dest::Tail && self.handler.is_none()
    }

    /// Expressions without control flow of their own.
    fn simple(&mut self, expr: &Expr, dest: Dest) -> ValueId {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Const(_) | ExprKind::Var(_) | ExprKind::Closure(_)
                if dest == Dest::Effect =>
            {
                NO_VALUE
            }
            ExprKind::Const(constant) => self.constant(constant.clone(), span),
            ExprKind::Var(var) => self.read(*var, span),
            ExprKind::Global(global) => self.emit(Op::GlobalGet(*global), span),
            ExprKind::Closure(func) => self.closure(*func, span),
            ExprKind::Unary(op, operand) => {
                let operand = self.value(operand);
                self.emit(Op::Unary(*op, operand), span)
            }
            ExprKind::Range(range) => {
                let (start, end) = (self.value(&range.start), self.value(&range.end));
                let inclusive = range.inclusive;
                self.emit(Op::MakeRange { start, end, inclusive }, span)
            }
            ExprKind::Assign(assign) => {
                self.assign(assign, span);
                self.deliver_nil(if dest == Dest::Effect { dest } else { Dest::Value }, span)
            }
            ExprKind::Yield => self.emit(Op::Yield, span),
            ExprKind::Spawn(callee, args) => self.spawn(callee, args, span),
            ExprKind::Record(..) | ExprKind::Update(_) => self.record(expr),
            _ => self.with_operands(expr),
        }
    }

    /// Expressions that evaluate a list of operands.
    fn with_operands(&mut self, expr: &Expr) -> ValueId {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Concat(parts) => {
                let parts = self.values(parts);
                self.emit(Op::Concat(parts), span)
            }
            ExprKind::Tuple(items) => {
                let items = self.values(items);
                self.emit(Op::MakeTuple(items), span)
            }
            ExprKind::List(items) => {
                let items = self.values(items);
                self.emit(Op::MakeList(items), span)
            }
            ExprKind::Set(items) => {
                let items = self.values(items);
                self.emit(Op::MakeSet(items), span)
            }
            ExprKind::Map(items) => {
                let items = self.values(items);
                self.emit(Op::MakeMap(items), span)
            }
            ExprKind::CallNative(native, args) => {
                let args = self.values(args);
                self.emit(Op::CallNative(*native, args), span)
            }
            _ => unreachable!("`lower` and `simple` handle the other kinds"),
        }
    }

    /// `a + b + c`, `x.f(y).z[i]`: a chain of first operands, without recursion.
    fn chain(&mut self, expr: &Expr, dest: Dest) -> ValueId {
        let mut nodes = Vec::new();
        let mut at = expr;
        while let Some(first) = first_operand(at) {
            nodes.push(at);
            at = first;
        }
        let innermost = nodes[nodes.len() - 1];
        let mut value = match self.direct_callee(innermost) {
            Some(_) => NO_VALUE,
            None => self.value(at),
        };
        for (n, node) in nodes.iter().enumerate().rev() {
            let dest = if n == 0 { dest } else { Dest::Value };
            value = self.chain_node(node, value, dest);
        }
        value
    }

    fn chain_node(&mut self, node: &Expr, first: ValueId, dest: Dest) -> ValueId {
        let span = node.span;
        let value = match &node.kind {
            ExprKind::Binary(op, operands) => {
                let second = self.value(&operands.1);
                self.emit(Op::Binary(*op, first, second), span)
            }
            ExprKind::Index(operands) => {
                let index = self.value(&operands.1);
                self.emit(Op::Index(first, index), span)
            }
            ExprKind::Field(_, name) => self.emit(Op::Field(first, *name), span),
            ExprKind::TupleField(_, index) => self.emit(Op::TupleField(first, *index), span),
            ExprKind::CallMethod(_, name, args) => {
                let args = self.values(args);
                if self.tail_calls(dest) {
                    self.terminate(Terminator::TailCallMethod(first, *name, args), span);
                    return NO_VALUE;
                }
                self.emit(Op::CallMethod(first, *name, args), span)
            }
            ExprKind::Call(_, args) => match self.direct_callee(node) {
                Some(func) => return self.call_func(func, args, dest, span),
                None => {
                    let args = self.values(args);
                    if self.tail_calls(dest) {
                        self.terminate(Terminator::TailCall(first, args), span);
                        return NO_VALUE;
                    }
                    self.emit(Op::Call(first, args), span)
                }
            },
            _ => unreachable!("`first_operand` names the nodes of chains"),
        };
        self.deliver(value, dest, span)
    }

    /// The function that a call certainly calls: a local one without captures.
    fn direct_callee(&self, call: &Expr) -> Option<FuncId> {
        let ExprKind::Call(callee, _) = &call.kind else { return None };
        let ExprKind::Var(var) = callee.kind else { return None };
        let var = &self.tree.vars[var.index()];
        var.func.filter(|_| var.plain)
    }

    fn call_func(&mut self, func: FuncId, args: &[Expr], dest: Dest, span: Span) -> ValueId {
        let args = self.values(args);
        if self.tail_calls(dest) {
            self.terminate(Terminator::TailCallDirect(func, args), span);
            return NO_VALUE;
        }
        let value = self.emit(Op::CallDirect(func, args), span);
        self.deliver(value, dest, span)
    }

    fn spawn(&mut self, callee: &Expr, args: &[Expr], span: Span) -> ValueId {
        let callee = self.value(callee);
        let args = self.values(args);
        let task = self.emit(Op::Spawn(callee, args), span);
        if let Some(&scope) = self.scopes.last() {
            let add = self.natives.scope_add;
            self.emit(Op::CallNative(add, vec![scope, task]), span);
        }
        task
    }

    fn record(&mut self, expr: &Expr) -> ValueId {
        match &expr.kind {
            ExprKind::Record(class, fields) => {
                let mut slots = vec![NO_VALUE; fields.len()];
                for (slot, value) in fields {
                    slots[*slot as usize] = self.value(value);
                }
                self.emit(Op::MakeRecord(*class, slots), expr.span)
            }
            ExprKind::Update(update) => {
                let base = self.value(&update.base);
                let fields = update.fields.iter();
                let fields = fields.map(|(slot, value)| (*slot, self.value(value))).collect();
                self.emit(Op::UpdateRecord(update.class, base, fields), expr.span)
            }
            _ => unreachable!("called for records"),
        }
    }

    fn throw(&mut self, value: &Expr) -> ValueId {
        let thrown = self.value(value);
        self.terminate(Terminator::Throw(thrown), value.span);
        NO_VALUE
    }

    // Variables.

    pub(super) fn read(&mut self, var: VarId, span: Span) -> ValueId {
        let this = &self.tree.vars[var.index()];
        if let Some(func) = this.func.filter(|_| this.plain) {
            return self.constant(Const::Func(func), span);
        }
        if let Some(constant) = &this.constant {
            return self.constant(constant.clone(), span);
        }
        if this.owner != self.func {
            let captured = self.captured[&var];
            return match this.in_cell() {
                true => self.emit(Op::CellGet(captured), span),
                false => captured,
            };
        }
        match self.storage[var.index()].clone() {
            Storage::Value(value) => value,
            Storage::Const(constant) => self.constant(constant, span),
            Storage::State(state) => self.read_state(state),
            Storage::Slot(slot) => self.emit(Op::SlotGet(slot), span),
            Storage::Cell(cell) => self.emit(Op::CellGet(cell), span),
            Storage::Fn { closure: Some(closure), .. } => closure,
            Storage::Fn { cell, closure: None } => self.emit(Op::CellGet(cell), span),
            // Declared in dead code.
            Storage::Unset => NO_VALUE,
        }
    }

    fn write(&mut self, var: VarId, value: ValueId, span: Span) {
        if self.tree.vars[var.index()].owner != self.func {
            let cell = self.captured[&var];
            return self.emit_void(Op::CellSet(cell, value), span);
        }
        match self.storage[var.index()] {
            Storage::State(state) => self.write_state(state, value),
            Storage::Slot(slot) => self.emit_void(Op::SlotSet(slot, value), span),
            Storage::Cell(cell) => self.emit_void(Op::CellSet(cell, value), span),
            Storage::Unset => {}
            _ => unreachable!("the resolver counted this assignment"),
        }
    }

    fn declare_var(&mut self, var: VarId, value: &Expr) {
        let this = &self.tree.vars[var.index()];
        if !this.assigned {
            return self.declare_const(var, value);
        }
        let first = self.value(value);
        let span = value.span;
        self.storage[var.index()] = if this.in_cell() {
            Storage::Cell(self.emit(Op::CellNew(first), span))
        } else if this.in_slot() {
            let slot = self.new_slot();
            self.emit_void(Op::SlotSet(slot, first), span);
            Storage::Slot(slot)
        } else {
            Storage::State(self.new_state(first))
        };
    }

    /// A variable that is never assigned. Constants are made again at each use, but strings: two
    /// uses give the same object.
    fn declare_const(&mut self, var: VarId, value: &Expr) {
        self.storage[var.index()] = match &value.kind {
            ExprKind::Const(constant) if !matches!(constant, Const::Str(_)) => {
                Storage::Const(constant.clone())
            }
            _ => Storage::Value(self.value(value)),
        };
    }

    /// Binds the target of a pattern.
    pub(super) fn bind_target(&mut self, target: Target, value: ValueId, span: Span) {
        match target {
            Target::Var(var) => self.storage[var.index()] = Storage::Value(value),
            Target::Global(global) => self.emit_void(Op::GlobalSet(global, value), span),
        }
    }

    pub(super) fn closure(&mut self, func: FuncId, span: Span) -> ValueId {
        let captures = &self.tree.funcs[func.index()].captures;
        if captures.is_empty() {
            return self.constant(Const::Func(func), span);
        }
        let captures = captures.iter().map(|var| self.capture(*var, span)).collect();
        self.emit(Op::Closure(func, captures), span)
    }

    /// What a closure keeps of a variable: its value or its cell.
    fn capture(&mut self, var: VarId, span: Span) -> ValueId {
        if self.tree.vars[var.index()].owner != self.func {
            return self.captured[&var];
        }
        match self.storage[var.index()] {
            Storage::Cell(cell) | Storage::Fn { cell, .. } => cell,
            _ => self.read(var, span),
        }
    }

    // Assignment.

    fn assign(&mut self, assign: &Assign, span: Span) {
        match &assign.place {
            Place::Var(var) => {
                let old = assign.op.map(|_| self.read(*var, span));
                let new = self.new_value_of(assign, old, span);
                self.write(*var, new, span);
            }
            Place::Global(global) => {
                let old = assign.op.map(|_| self.emit(Op::GlobalGet(*global), span));
                let new = self.new_value_of(assign, old, span);
                self.emit_void(Op::GlobalSet(*global, new), span);
            }
            Place::Field(object, name) => {
                let object = self.value(object);
                let old = assign.op.map(|_| self.emit(Op::Field(object, *name), span));
                let new = self.new_value_of(assign, old, span);
                self.emit_void(Op::SetField(object, *name, new), span);
            }
            Place::Index(object, index) => {
                let (object, index) = (self.value(object), self.value(index));
                let old = assign.op.map(|_| self.emit(Op::Index(object, index), span));
                let new = self.new_value_of(assign, old, span);
                self.emit_void(Op::SetIndex(object, index, new), span);
            }
        }
    }

    fn new_value_of(&mut self, assign: &Assign, old: Option<ValueId>, span: Span) -> ValueId {
        let value = self.value(&assign.value);
        match (assign.op, old) {
            (Some(op), Some(old)) => self.binary(op, old, value, span),
            _ => value,
        }
    }

    pub(super) fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId, span: Span) -> ValueId {
        self.emit(Op::Binary(op, a, b), span)
    }

    // Blocks and statements.

    pub(super) fn block(&mut self, block: &Block, dest: Dest) -> ValueId {
        self.statements(block);
        match &block.tail {
            Some(tail) => self.lower(tail, dest),
            None => {
                let at = block.span.end.saturating_sub(1);
                let span = Span { start: at.max(block.span.start), ..block.span };
                self.deliver_nil(dest, span)
            }
        }
    }

    /// The statements of a block without its tail.
    pub(super) fn statements(&mut self, block: &Block) {
        for &var in &block.fns {
            self.hoist(var, block.span);
        }
        for stmt in &block.stmts {
            if self.is_dead() {
                break;
            }
            self.statement(stmt);
        }
    }

    fn hoist(&mut self, var: VarId, span: Span) {
        let this = &self.tree.vars[var.index()];
        if this.plain || !this.in_cell() {
            return;
        }
        let nil = self.constant(Const::Nil, span);
        let cell = self.emit(Op::CellNew(nil), span);
        self.storage[var.index()] = Storage::Fn { cell, closure: None };
    }

    fn statement(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let(pattern, value) => self.let_statement(pattern, value),
            Stmt::Var(var, value) => self.declare_var(*var, value),
            Stmt::Global(global, value) => {
                let first = self.value(value);
                self.emit_void(Op::GlobalSet(*global, first), value.span);
            }
            Stmt::Fn(var, span) => self.local_fn(*var, *span),
            Stmt::Expr(expr) => self.effect(expr),
        }
    }

    fn let_statement(&mut self, pattern: &Pattern, value: &Expr) {
        match &pattern.kind {
            PatternKind::Any => self.effect(value),
            PatternKind::Bind(Target::Var(var)) => self.declare_const(*var, value),
            _ => {
                let subject = self.subject(value, std::iter::once(pattern));
                self.bind_pattern(&subject, pattern);
            }
        }
    }

    fn local_fn(&mut self, var: VarId, span: Span) {
        let this = &self.tree.vars[var.index()];
        let Some(func) = this.func.filter(|_| !this.plain) else { return };
        let value = self.closure(func, span);
        let storage = match self.storage[var.index()] {
            Storage::Fn { cell, .. } if this.in_cell() => {
                self.emit_void(Op::CellSet(cell, value), span);
                Storage::Fn { cell, closure: Some(value) }
            }
            _ => Storage::Value(value),
        };
        self.storage[var.index()] = storage;
    }
}
