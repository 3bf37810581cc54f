//! Scopes, functions, blocks and statements.

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::tree::{self, Block, Expr, ExprKind, FuncBody, PatternKind, Stmt, Target, VarId};
use super::{Frame, LoopFrame, Place, Resolver, Value, capture};
use crate::ir::{Const, FuncId};
use crate::lang::ast::{self, Ident, Span};
use crate::lang::diagnostics::Diagnostic;
use crate::names::Name;

impl Resolver<'_> {
    /// Resolves all top-level statements, then all functions, then finds the captures.
    pub(super) fn resolve_bodies(&mut self) {
        self.resolve_entry();
        for (module, func, decl) in std::mem::take(&mut self.fn_bodies) {
            self.module = module;
            self.function(func, &decl.params, |this| this.block_expr(&decl.body));
        }
        capture::analyse(&mut self.tree, &self.free);
        self.check_early_uses();
    }

    fn resolve_entry(&mut self) {
        let Some(entry) = self.tree.entry else { return };
        self.enter_frame(entry);
        let mut stmts = Vec::new();
        for (module, stmt) in std::mem::take(&mut self.statements) {
            self.module = module;
            stmts.push(self.top_statement(stmt));
        }
        stmts.extend(self.call_main());
        let span = stmts.first().map_or(Span::default(), stmt_span);
        let block = Block { stmts, tail: None, span, fns: Vec::new() };
        let body = Expr { kind: ExprKind::Block(Box::new(block)), span };
        self.leave_frame(FuncBody::Expr(body));
    }

    fn top_statement(&mut self, stmt: &ast::Stmt) -> Stmt {
        match stmt {
            ast::Stmt::Let { pattern, value } => {
                let value = self.expr(value);
                let (pattern, globals) = self.global_pattern(pattern);
                for global in globals {
                    self.global_places[global.index()].declared = true;
                }
                Stmt::Let(pattern, value)
            }
            ast::Stmt::Var { name, value } => {
                let value = self.expr(value);
                let global = self.global_at[&name.span];
                self.global_places[global.index()].declared = true;
                Stmt::Global(global, value)
            }
            ast::Stmt::Expr(expr) => Stmt::Expr(self.expr(expr)),
            ast::Stmt::Fn(decl) => Stmt::Expr(tree::nil(decl.span)),
        }
    }

    /// `main(args())`, `main()` or nothing.
    fn call_main(&mut self) -> Option<Stmt> {
        let main = self.tree.names.intern("main");
        let module = *self.file_modules.get(&0)?;
        let Some(&(Value::Fn(func), _)) = self.modules[module].values.get(&main) else {
            return None;
        };
        let span = self.tree.funcs[func.index()].span;
        let args = match self.tree.funcs[func.index()].params.len() {
            0 => Vec::new(),
            1 => vec![Expr { kind: self.args_call(span), span }],
            _ => {
                let message = "`main` takes no argument or one";
                self.error(Diagnostic::error(span, message).hint("write `fn main(args)`"));
                return None;
            }
        };
        Some(Stmt::Expr(Expr { kind: ExprKind::CallFunc(func, args), span }))
    }

    fn args_call(&mut self, span: Span) -> ExprKind {
        let args = self.tree.names.intern("args");
        match self.native_ids.get(&args) {
            Some(&native) => ExprKind::CallNative(native, Vec::new()),
            None => {
                self.error(Diagnostic::error(span, "there is no builtin `args`"));
                tree::nil(span).kind
            }
        }
    }

    fn check_early_uses(&mut self) {
        for (var, span) in std::mem::take(&mut self.early_uses) {
            let this = &self.tree.vars[var.index()];
            if this.plain {
                continue;
            }
            let place = self.places[var.index()].span;
            let message = format!("`{}` is used before its declaration", self.text(this.name));
            self.error(
                Diagnostic::error(span, message)
                    .note_at(place, "it captures variables, so it exists from here on")
                    .hint("move the function up"),
            );
        }
    }

    // Frames and scopes.

    fn enter_frame(&mut self, func: FuncId) {
        let (free, free_seen, loops) = (Vec::new(), HashSet::default(), Vec::new());
        self.frames.push(Frame { func, free, free_seen, loops, regions: 0, arenas: 0 });
    }

    fn leave_frame(&mut self, body: FuncBody) {
        let frame = self.frames.pop().expect("a frame was entered");
        self.free[frame.func.index()] = frame.free;
        self.tree.funcs[frame.func.index()].body = body;
    }

    pub(super) fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("inside a function")
    }

    /// Resolves the body of a function whose parameters have been declared.
    pub(super) fn function(
        &mut self,
        func: FuncId,
        params: &[Ident],
        body: impl FnOnce(&mut Self) -> Expr,
    ) {
        self.enter_frame(func);
        let scope = self.open_scope();
        for (index, param) in params.iter().enumerate() {
            self.bind(param.name, self.tree.funcs[func.index()].params[index]);
        }
        let body = body(self);
        self.close_scope(scope);
        self.leave_frame(FuncBody::Expr(body));
    }

    pub(super) fn open_scope(&self) -> usize {
        self.scope_names.len()
    }

    pub(super) fn close_scope(&mut self, scope: usize) {
        for name in self.scope_names.drain(scope..) {
            self.bindings.get_mut(&name).expect("it was bound").pop();
        }
    }

    /// Makes `name` mean `var` until the scope ends.
    pub(super) fn bind(&mut self, name: Name, var: VarId) {
        if name != self.underscore {
            self.bindings.entry(name).or_default().push(var);
            self.scope_names.push(name);
        }
    }

    /// A new variable of the current function; not visible yet.
    pub(super) fn new_var(&mut self, name: Ident) -> VarId {
        let frame = self.frame();
        let (owner, loops) = (frame.func, frame.loops.len());
        let (regions, arenas) = (frame.regions, frame.arenas);
        let place = Place { span: name.span, is_param: false, loops, regions, arenas };
        self.push_var(owner, name.name, place)
    }

    /// A use of a variable at the current place.
    pub(super) fn note_use(&mut self, var: VarId, span: Span) {
        let owner = self.tree.vars[var.index()].owner;
        let current = self.frame().func;
        let early = self.tree.vars[var.index()].func.is_some() && !self.fns_declared.contains(&var);
        if owner == current {
            if early {
                self.early_uses.push((var, span));
            }
            return;
        }
        let this = &mut self.tree.vars[var.index()];
        this.captured = true;
        this.captured_early |= early;
        for frame in self.frames.iter_mut().rev().take_while(|frame| frame.func != owner) {
            if !frame.free_seen.insert(var) {
                break;
            }
            frame.free.push(var);
        }
    }

    /// An assignment to a `var` at the current place.
    pub(super) fn note_assignment(&mut self, var: VarId) {
        let place = self.places[var.index()];
        let this = &mut self.tree.vars[var.index()];
        this.assigned = true;
        let frame = self.frames.last_mut().expect("inside a function");
        if frame.func != this.owner {
            return;
        }
        this.assigned_in_region |= frame.regions > place.regions;
        this.assigned_in_arena |= frame.arenas > place.arenas;
        for around in &mut frame.loops[place.loops..] {
            if around.seen.insert(var) {
                around.assigned.push(var);
            }
        }
    }

    /// Resolves the inside of a loop and returns it with the variables that it assigns.
    pub(super) fn in_loop<T>(
        &mut self,
        takes_value: bool,
        body: impl FnOnce(&mut Self) -> T,
    ) -> (T, Vec<VarId>) {
        self.frame().loops.push(LoopFrame { takes_value, ..LoopFrame::default() });
        let body = body(self);
        let frame = self.frame().loops.pop().expect("the loop that was entered");
        (body, frame.assigned)
    }

    /// Resolves the inside of a protected region.
    pub(super) fn in_region<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.frame().regions += 1;
        let body = body(self);
        self.frame().regions -= 1;
        body
    }

    // Blocks and statements.

    pub(super) fn block_expr(&mut self, block: &ast::Block) -> Expr {
        let span = block.span;
        Expr { kind: ExprKind::Block(Box::new(self.block(block))), span }
    }

    pub(super) fn block(&mut self, block: &ast::Block) -> Block {
        let scope = self.open_scope();
        let fns = self.hoist(block);
        let mut stmts = Vec::with_capacity(block.stmts.len());
        let mut next_fn = 0;
        for stmt in &block.stmts {
            if let ast::Stmt::Fn(decl) = stmt {
                stmts.push(self.local_fn(fns[next_fn], decl));
                next_fn += 1;
            } else {
                stmts.push(self.statement(stmt));
            }
        }
        let tail = block.tail.as_ref().map(|tail| self.expr(tail));
        self.close_scope(scope);
        Block { stmts, tail, span: block.span, fns }
    }

    /// Declares the functions of a block before its statements.
    fn hoist(&mut self, block: &ast::Block) -> Vec<VarId> {
        let mut fns = Vec::new();
        let mut seen: HashMap<Name, Span> = HashMap::default();
        for stmt in &block.stmts {
            let ast::Stmt::Fn(decl) = stmt else { continue };
            if let Some(first) = seen.insert(decl.name.name, decl.name.span) {
                let message = format!("two functions are called `{}`", self.text(decl.name.name));
                let error = Diagnostic::error(decl.name.span, message);
                self.error(error.note_at(first, "the first one"));
            }
            let func = self.declare_func(decl);
            let var = self.new_var(decl.name);
            self.tree.vars[var.index()].func = Some(func);
            self.bind(decl.name.name, var);
            fns.push(var);
        }
        fns
    }

    fn local_fn(&mut self, var: VarId, decl: &ast::FnDecl) -> Stmt {
        let name = decl.name.name;
        if self.bindings.get(&name).and_then(|vars| vars.last()) != Some(&var) {
            self.bind(name, var);
        }
        let func = self.tree.vars[var.index()].func.expect("declared by `hoist`");
        self.function(func, &decl.params, |this| this.block_expr(&decl.body));
        self.fns_declared.insert(var);
        Stmt::Fn(var, decl.name.span)
    }

    fn statement(&mut self, stmt: &ast::Stmt) -> Stmt {
        match stmt {
            ast::Stmt::Let { pattern, value } => {
                let value = self.expr(value);
                let pattern = self.local_pattern(pattern);
                if let PatternKind::Bind(Target::Var(var)) = pattern.kind {
                    self.tree.vars[var.index()].constant = shared_constant(&value);
                }
                Stmt::Let(pattern, value)
            }
            ast::Stmt::Var { name, value } => {
                let value = self.expr(value);
                let var = self.new_var(*name);
                self.tree.vars[var.index()].mutable = true;
                self.bind(name.name, var);
                Stmt::Var(var, value)
            }
            ast::Stmt::Expr(expr) => Stmt::Expr(self.expr(expr)),
            ast::Stmt::Fn(decl) => Stmt::Expr(tree::nil(decl.span)),
        }
    }
}

/// The constant that an expression is, unless it is a string.
fn shared_constant(value: &Expr) -> Option<Const> {
    match &value.kind {
        ExprKind::Const(Const::Str(_)) => None,
        ExprKind::Const(constant) => Some(constant.clone()),
        _ => None,
    }
}

fn stmt_span(stmt: &Stmt) -> Span {
    match stmt {
        Stmt::Let(_, value) | Stmt::Var(_, value) | Stmt::Global(_, value) => value.span,
        Stmt::Fn(_, span) => *span,
        Stmt::Expr(expr) => expr.span,
    }
}
