//! Expressions.
//!
//! Chains that lean to the left (`a + b + c`, `x.f().g()`, `a && b && c`) and `else if` chains are
//! walked in loops, everything else by recursion.

use rustc_hash::FxHashMap as HashMap;

use super::paths::Found;
use super::tree::{
    Arm, Assign, Expr, ExprKind, For, FuncBody, If, Loop, Match, Place, RangeExpr, Try, Update,
    While,
};
use super::{Resolver, tree};
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::ir::{BinaryOp, Const, FuncId, NativeId, UnaryOp};
use crate::lang::ast::{self, Ident, Path, Span, StrPart};
use crate::lang::diagnostics::Diagnostic;
use crate::names::Name;

/// [`crate::ir::build::NativeSig::max_args`] of a builtin that takes any number.
const VARIADIC: u8 = u8::MAX;

/// The operand that is evaluated first, for nodes that form long chains.
fn first_operand(expr: &ast::Expr) -> Option<&ast::Expr> {
    use ast::ExprKind as K;
    match &expr.kind {
        K::Binary(_, first, _)
        | K::Field { object: first, .. }
        | K::TupleField { object: first, .. }
        | K::Index { object: first, .. }
        | K::MethodCall { receiver: first, .. } => Some(first),
        K::Call { callee, .. } if !matches!(callee.kind, K::Path(_)) => Some(callee),
        _ => None,
    }
}

impl Resolver<'_> {
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Expr {
        if first_operand(expr).is_some() {
            return self.chain(expr);
        }
        Expr { kind: self.expr_kind(expr), span: expr.span }
    }

    fn boxed(&mut self, expr: &ast::Expr) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    pub(super) fn exprs(&mut self, exprs: &[ast::Expr]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn chain(&mut self, expr: &ast::Expr) -> Expr {
        let mut nodes = Vec::new();
        let mut at = expr;
        while let Some(first) = first_operand(at) {
            nodes.push(at);
            at = first;
        }
        let mut value = self.expr(at);
        for node in nodes.into_iter().rev() {
            value = Expr { kind: self.chain_node(node, value), span: node.span };
        }
        value
    }

    fn chain_node(&mut self, node: &ast::Expr, first: Expr) -> ExprKind {
        match &node.kind {
            ast::ExprKind::Binary(op, _, second) => {
                ExprKind::Binary(*op, Box::new((first, self.expr(second))))
            }
            ast::ExprKind::Field { name, .. } => ExprKind::Field(Box::new(first), name.name),
            ast::ExprKind::TupleField { index, .. } => {
                ExprKind::TupleField(Box::new(first), *index)
            }
            ast::ExprKind::Index { index, .. } => {
                ExprKind::Index(Box::new((first, self.expr(index))))
            }
            ast::ExprKind::MethodCall { name, args, .. } => {
                ExprKind::CallMethod(Box::new(first), name.name, self.exprs(args))
            }
            ast::ExprKind::Call { args, .. } => ExprKind::Call(Box::new(first), self.exprs(args)),
            _ => unreachable!("`first_operand` names the nodes of chains"),
        }
    }

    fn expr_kind(&mut self, expr: &ast::Expr) -> ExprKind {
        use ast::ExprKind as K;
        match &expr.kind {
            K::Nil | K::Error => ExprKind::Const(Const::Nil),
            K::Bool(value) => ExprKind::Const(Const::Bool(*value)),
            K::Int(value) => ExprKind::Const(Const::Int(*value)),
            K::Float(value) => ExprKind::Const(Const::Float(*value)),
            K::Char(value) => ExprKind::Const(Const::Char(*value)),
            K::Str(text) => ExprKind::Const(Const::Str(text.as_str().into())),
            K::Keyword(name) => ExprKind::Const(Const::Keyword(*name)),
            K::Interpolate(parts) => self.interpolate(parts, expr.span),
            K::Path(path) => self.path_value(path),
            K::List(items) => ExprKind::List(self.exprs(items)),
            K::Tuple(items) => ExprKind::Tuple(self.exprs(items)),
            K::Set(items) => ExprKind::Set(self.exprs(items)),
            K::Map(entries) => self.map(entries),
            K::Struct { path, base, fields } => {
                self.struct_literal(path, base.as_deref(), fields, expr.span)
            }
            K::Record(fields) => self.record(fields, expr.span),
            K::Range { start, end, inclusive } => self.range(start, end, *inclusive),
            K::Unary(op, operand) => self.unary(*op, operand),
            K::And(..) => self.and(expr),
            K::Or(..) => self.or(expr),
            K::Call { callee, args } => self.call(callee, args, expr.span),
            K::Closure { params, body } => self.closure(params, body, expr.span),
            K::Assign { place, op, value } => self.assign(place, *op, value),
            K::Block(block) => ExprKind::Block(Box::new(self.block(block))),
            K::If { .. } => self.if_chain(expr),
            K::While { cond, body } => self.while_loop(cond, body),
            K::Loop { body } => self.endless_loop(body),
            K::For { pattern, iterable, body } => self.for_loop(pattern, iterable, body),
            K::Match { scrutinee, arms } => self.match_expr(scrutinee, arms),
            K::Break(value) => self.break_expr(value.as_deref(), expr.span),
            K::Continue => self.continue_expr(expr.span),
            K::Return(value) => self.return_expr(value.as_deref(), expr.span),
            K::Throw(value) => ExprKind::Throw(self.boxed(value)),
            K::Try { body, catches, finally } => self.try_expr(body, catches, finally.as_ref()),
            K::Arena(body) => self.arena(body),
            K::Scope(body) => self.task_scope(body),
            K::Spawn(task) => self.spawn(task, expr.span),
            K::Yield => ExprKind::Yield,
            K::Select(arms) => self.select(arms, expr.span),
            K::Binary(..)
            | K::Field { .. }
            | K::TupleField { .. }
            | K::Index { .. }
            | K::MethodCall { .. } => self.chain(expr).kind,
        }
    }

    fn interpolate(&mut self, parts: &[StrPart], span: Span) -> ExprKind {
        let parts = parts.iter().map(|part| match part {
            StrPart::Text(text) => {
                Expr { kind: ExprKind::Const(Const::Str(text.as_str().into())), span }
            }
            StrPart::Expr(expr) => self.expr(expr),
        });
        ExprKind::Concat(parts.collect())
    }

    fn map(&mut self, entries: &[(ast::Expr, ast::Expr)]) -> ExprKind {
        let mut parts = Vec::with_capacity(2 * entries.len());
        for (key, value) in entries {
            parts.push(self.expr(key));
            parts.push(self.expr(value));
        }
        ExprKind::Map(parts)
    }

    fn range(&mut self, start: &ast::Expr, end: &ast::Expr, inclusive: bool) -> ExprKind {
        let (start, end) = (self.expr(start), self.expr(end));
        ExprKind::Range(Box::new(RangeExpr { start, end, inclusive }))
    }

    fn unary(&mut self, op: UnaryOp, operand: &ast::Expr) -> ExprKind {
        let operand = self.expr(operand);
        match (op, &operand.kind) {
            (UnaryOp::Neg, ExprKind::Const(Const::Int(value))) => match value.checked_neg() {
                Some(value) => ExprKind::Const(Const::Int(value)),
                None => ExprKind::Unary(op, Box::new(operand)),
            },
            (UnaryOp::Neg, ExprKind::Const(Const::Float(value))) => {
                ExprKind::Const(Const::Float(-value))
            }
            _ => ExprKind::Unary(op, Box::new(operand)),
        }
    }

    fn and(&mut self, expr: &ast::Expr) -> ExprKind {
        let (mut at, mut operands) = (expr, Vec::new());
        while let ast::ExprKind::And(first, second) = &at.kind {
            operands.push(&**second);
            at = first;
        }
        operands.push(at);
        ExprKind::And(operands.into_iter().rev().map(|operand| self.expr(operand)).collect())
    }

    fn or(&mut self, expr: &ast::Expr) -> ExprKind {
        let (mut at, mut operands) = (expr, Vec::new());
        while let ast::ExprKind::Or(first, second) = &at.kind {
            operands.push(&**second);
            at = first;
        }
        operands.push(at);
        ExprKind::Or(operands.into_iter().rev().map(|operand| self.expr(operand)).collect())
    }

    // Names and calls.

    fn path_value(&mut self, path: &Path) -> ExprKind {
        match self.find(path) {
            Some(found) => self.found_value(found, path.span()),
            None => ExprKind::Const(Const::Nil),
        }
    }

    fn found_value(&mut self, found: Found, span: Span) -> ExprKind {
        match found {
            Found::Local(var) => ExprKind::Var(var),
            Found::Global(global) => match &self.tree.globals[global.index()].constant {
                Some(constant) => ExprKind::Const(constant.clone()),
                None => ExprKind::Global(global),
            },
            Found::Fn(func) => ExprKind::Const(Const::Func(func)),
            Found::Variant(class) if self.class(class).fields.is_empty() => {
                ExprKind::Record(class, Vec::new())
            }
            Found::Variant(class) => ExprKind::Const(Const::Func(self.constructor(class, span))),
            Found::Native(native) => {
                let sig = self.natives[native.index()];
                let params = if sig.max_args == VARIADIC { 1 } else { usize::from(sig.min_args) };
                ExprKind::Const(Const::Func(self.native_wrapper(native, params, span)))
            }
        }
    }

    fn native_wrapper(&mut self, native: NativeId, params: usize, span: Span) -> FuncId {
        if let Some(&func) = self.native_wrappers.get(&(native, params)) {
            return func;
        }
        let name = self.tree.names.intern(self.natives[native.index()].name);
        let func = self.make_func(name, span, params, FuncBody::Native(native));
        self.native_wrappers.insert((native, params), func);
        func
    }

    fn constructor(&mut self, class: ClassId, span: Span) -> FuncId {
        if let Some(&func) = self.constructors.get(&class) {
            return func;
        }
        let (name, params) = (self.class(class).name, self.class(class).fields.len());
        let func = self.make_func(name, span, params, FuncBody::Construct(class));
        self.constructors.insert(class, func);
        func
    }

    fn method_wrapper(&mut self, method: Name, params: usize, span: Span) -> FuncId {
        if let Some(&func) = self.method_wrappers.get(&(method, params)) {
            return func;
        }
        let func = self.make_func(method, span, params, FuncBody::Method(method));
        self.method_wrappers.insert((method, params), func);
        func
    }

    fn call(&mut self, callee: &ast::Expr, args: &[ast::Expr], span: Span) -> ExprKind {
        let ast::ExprKind::Path(path) = &callee.kind else {
            let callee = self.boxed(callee);
            return ExprKind::Call(callee, self.exprs(args));
        };
        let found = self.find(path);
        let args = self.exprs(args);
        let Some(found) = found else { return ExprKind::Const(Const::Nil) };
        if !self.check_call(found, path, args.len(), span) {
            return ExprKind::Const(Const::Nil);
        }
        match found {
            Found::Fn(func) => ExprKind::CallFunc(func, args),
            Found::Native(native) => ExprKind::CallNative(native, args),
            Found::Variant(class) => ExprKind::Record(class, (0..).zip(args).collect()),
            Found::Local(_) | Found::Global(_) => {
                let callee = Expr { kind: self.found_value(found, callee.span), span: callee.span };
                ExprKind::Call(Box::new(callee), args)
            }
        }
    }

    /// Checks the number of arguments where the callee is known.
    fn check_call(&mut self, found: Found, path: &Path, given: usize, span: Span) -> bool {
        let exactly = |n: usize| (n, n);
        let expected = match found {
            Found::Fn(func) => exactly(self.tree.funcs[func.index()].params.len()),
            Found::Variant(class) => exactly(self.class(class).fields.len()),
            Found::Native(native) => {
                let sig = self.natives[native.index()];
                let variadic = sig.max_args == VARIADIC;
                let max = if variadic { usize::MAX } else { usize::from(sig.max_args) };
                (usize::from(sig.min_args), max)
            }
            Found::Local(var) => match self.tree.vars[var.index()].func {
                Some(func) => exactly(self.tree.funcs[func.index()].params.len()),
                None => return true,
            },
            Found::Global(_) => return true,
        };
        let before = self.errors.len();
        let what = format!("`{}` takes", self.text(path.last().name));
        self.check_arity(&what, expected, given, span);
        self.errors.len() == before
    }

    fn closure(&mut self, params: &[Ident], body: &ast::Expr, span: Span) -> ExprKind {
        let nil = FuncBody::Expr(tree::nil(span));
        let func = self.new_func(self.closure_name, span, nil);
        self.declare_params(func, params);
        self.function(func, params, |this| this.expr(body));
        ExprKind::Closure(func)
    }

    fn spawn(&mut self, task: &ast::Expr, span: Span) -> ExprKind {
        let func_expr = |func| Box::new(Expr { kind: ExprKind::Const(Const::Func(func)), span });
        match &task.kind {
            ast::ExprKind::Call { callee, args } => self.spawn_call(callee, args, task.span),
            ast::ExprKind::MethodCall { receiver, name, args } => {
                let mut values = vec![self.expr(receiver)];
                values.extend(args.iter().map(|arg| self.expr(arg)));
                let func = self.method_wrapper(name.name, values.len(), span);
                ExprKind::Spawn(func_expr(func), values)
            }
            _ => {
                let name = self.tree.names.intern("<spawn>");
                let func = self.new_func(name, span, FuncBody::Expr(tree::nil(span)));
                self.function(func, &[], |this| this.expr(task));
                let closure = Expr { kind: ExprKind::Closure(func), span };
                ExprKind::Spawn(Box::new(closure), Vec::new())
            }
        }
    }

    fn spawn_call(&mut self, callee: &ast::Expr, args: &[ast::Expr], span: Span) -> ExprKind {
        let ast::ExprKind::Path(path) = &callee.kind else {
            let callee = self.boxed(callee);
            return ExprKind::Spawn(callee, self.exprs(args));
        };
        let found = self.find(path);
        let args = self.exprs(args);
        let Some(found) = found else { return ExprKind::Const(Const::Nil) };
        if !self.check_call(found, path, args.len(), span) {
            return ExprKind::Const(Const::Nil);
        }
        let kind = match found {
            Found::Native(native) => {
                ExprKind::Const(Const::Func(self.native_wrapper(native, args.len(), span)))
            }
            Found::Variant(class) => ExprKind::Const(Const::Func(self.constructor(class, span))),
            found => self.found_value(found, callee.span),
        };
        ExprKind::Spawn(Box::new(Expr { kind, span: callee.span }), args)
    }

    // Records.

    fn struct_literal(
        &mut self,
        path: &Path,
        base: Option<&ast::Expr>,
        fields: &[(Ident, ast::Expr)],
        span: Span,
    ) -> ExprKind {
        let class = self.find_record(path);
        let base_value = base.map(|base| self.expr(base));
        let mut slots = Vec::with_capacity(fields.len());
        let mut seen: HashMap<Name, Span> = HashMap::default();
        let before = self.errors.len();
        for (name, value) in fields {
            let value = self.expr(value);
            let Some(class) = class else { continue };
            self.check_field_once(*name, &mut seen);
            slots.extend(self.slot(class, *name).map(|slot| (slot, value)));
        }
        let Some(class) = class else { return ExprKind::Const(Const::Nil) };
        if let Some(base) = base_value {
            return ExprKind::Update(Box::new(Update { class, base, fields: slots }));
        }
        let names = &self.class(class).fields;
        let missing: Vec<&str> = names
            .iter()
            .filter(|name| !seen.contains_key(*name))
            .map(|name| self.text(*name))
            .collect();
        if !missing.is_empty() && self.errors.len() == before {
            let list = missing.join("`, `");
            let message = format!("`{}` also has `{list}`", self.text(path.last().name));
            let error = Diagnostic::error(span, message).label("fields are missing");
            self.error(error.hint("give every field a value, or take the rest `..from` another"));
        }
        ExprKind::Record(class, slots)
    }

    fn record(&mut self, fields: &[(Ident, ast::Expr)], span: Span) -> ExprKind {
        let mut seen: HashMap<Name, Span> = HashMap::default();
        let mut names = Vec::with_capacity(fields.len());
        let mut values = Vec::with_capacity(fields.len());
        for (slot, (name, value)) in (0..).zip(fields) {
            self.check_field_once(*name, &mut seen);
            names.push(name.name);
            values.push((slot, self.expr(value)));
        }
        ExprKind::Record(self.record_class(names, span), values)
    }

    fn record_class(&mut self, fields: Vec<Name>, span: Span) -> ClassId {
        if let Some(&class) = self.record_classes.get(&fields) {
            return class;
        }
        let name = self.tree.names.intern("#");
        let shape = RecordClass { name, kind: RecordKind::Dynamic, fields: fields.clone() };
        let class = self.push_class(shape, span);
        self.record_classes.insert(fields, class);
        class
    }

    // Assignment.

    fn assign(&mut self, place: &ast::Expr, op: Option<BinaryOp>, value: &ast::Expr) -> ExprKind {
        let place = match &place.kind {
            ast::ExprKind::Path(path) => self.place(path),
            ast::ExprKind::Field { object, name } => {
                Some(Place::Field(self.expr(object), name.name))
            }
            ast::ExprKind::Index { object, index } => {
                Some(Place::Index(self.expr(object), self.expr(index)))
            }
            _ => {
                self.error(Diagnostic::error(place.span, "this cannot be assigned"));
                None
            }
        };
        let value = self.expr(value);
        match place {
            Some(place) => ExprKind::Assign(Box::new(Assign { place, op, value })),
            None => ExprKind::Const(Const::Nil),
        }
    }

    fn place(&mut self, path: &Path) -> Option<Place> {
        let found = self.find(path)?;
        let text = self.text(path.last().name).to_owned();
        let error = Diagnostic::error(path.span(), format!("cannot assign to `{text}`"));
        match found {
            Found::Local(var) if self.tree.vars[var.index()].mutable => {
                self.note_assignment(var);
                return Some(Place::Var(var));
            }
            Found::Global(global) if self.tree.globals[global.index()].mutable => {
                return Some(Place::Global(global));
            }
            Found::Local(var) => {
                let place = self.places[var.index()];
                let (note, hint) = if self.tree.vars[var.index()].func.is_some() {
                    ("it is a function", None)
                } else if place.is_param {
                    ("it is a parameter", Some(format!("copy it first: `var {text} = {text}`")))
                } else {
                    ("it is not declared with `var`", Some(format!("write `var {text} = …`")))
                };
                let error = error.note_at(place.span, note);
                self.error(match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                });
            }
            Found::Global(_) => {
                let hint = format!("declare it with `var {text} = …`");
                self.error(error.label("it is not declared with `var`").hint(hint));
            }
            Found::Fn(_) | Found::Native(_) => self.error(error.label("it is a function")),
            Found::Variant(_) => self.error(error.label("it is a variant")),
        }
        None
    }

    // Control flow.

    fn if_chain(&mut self, expr: &ast::Expr) -> ExprKind {
        let mut arms = Vec::new();
        let mut at = Some(expr);
        while let Some(ast::Expr { kind: ast::ExprKind::If { cond, then, otherwise }, .. }) = at {
            let cond = self.expr(cond);
            arms.push((cond, self.block(then)));
            at = otherwise.as_deref();
        }
        let otherwise = at.map(|otherwise| self.expr(otherwise));
        ExprKind::If(Box::new(If { arms, otherwise }))
    }

    fn while_loop(&mut self, cond: &ast::Expr, body: &ast::Block) -> ExprKind {
        let ((cond, body), assigned) =
            self.in_loop(false, |this| (this.expr(cond), this.block(body)));
        ExprKind::While(Box::new(While { cond, body, assigned }))
    }

    fn endless_loop(&mut self, body: &ast::Block) -> ExprKind {
        let (body, assigned) = self.in_loop(true, |this| this.block(body));
        ExprKind::Loop(Box::new(Loop { body, assigned }))
    }

    fn for_loop(
        &mut self,
        pattern: &ast::Pattern,
        iterable: &ast::Expr,
        body: &ast::Block,
    ) -> ExprKind {
        let iterable = self.expr(iterable);
        let ((pattern, body), assigned) = self.in_loop(false, |this| {
            let scope = this.open_scope();
            let pattern = this.local_pattern(pattern);
            let body = this.block(body);
            this.close_scope(scope);
            (pattern, body)
        });
        ExprKind::For(Box::new(For { pattern, iterable, body, assigned }))
    }

    fn match_expr(&mut self, scrutinee: &ast::Expr, arms: &[ast::MatchArm]) -> ExprKind {
        let scrutinee = self.expr(scrutinee);
        let arms = arms.iter().map(|arm| {
            let scope = self.open_scope();
            let pattern = self.local_pattern(&arm.pattern);
            let guard = arm.guard.as_ref().map(|guard| self.expr(guard));
            let body = self.expr(&arm.body);
            self.close_scope(scope);
            Arm { pattern, guard, body }
        });
        let arms = arms.collect();
        ExprKind::Match(Box::new(Match { scrutinee, arms }))
    }

    fn break_expr(&mut self, value: Option<&ast::Expr>, span: Span) -> ExprKind {
        let value = value.map(|value| self.boxed(value));
        let innermost = self.frame().loops.last().map(|around| around.takes_value);
        match innermost {
            None => self.outside_loop("break", span),
            Some(false) if value.is_some() => {
                let message = "only `loop` has a value that `break` can give";
                self.error(Diagnostic::error(span, message));
            }
            Some(_) => {}
        }
        ExprKind::Break(value)
    }

    fn continue_expr(&mut self, span: Span) -> ExprKind {
        if self.frame().loops.is_empty() {
            self.outside_loop("continue", span);
        }
        ExprKind::Continue
    }

    fn outside_loop(&mut self, what: &str, span: Span) {
        let error = Diagnostic::error(span, format!("`{what}` outside of a loop"));
        let crosses = self.frames.iter().any(|frame| !frame.loops.is_empty());
        self.error(match crosses {
            true => error.hint("a function cannot leave a loop of the function around it"),
            false => error,
        });
    }

    fn return_expr(&mut self, value: Option<&ast::Expr>, span: Span) -> ExprKind {
        let value = value.map(|value| self.boxed(value));
        if self.at_top_level() {
            self.error(Diagnostic::error(span, "`return` outside of a function"));
        }
        ExprKind::Return(value)
    }

    fn try_expr(
        &mut self,
        body: &ast::Block,
        catches: &[ast::CatchArm],
        finally: Option<&ast::Block>,
    ) -> ExprKind {
        let body = self.in_region(|this| this.block(body));
        let catches = match finally {
            // `finally` protects the catch bodies too.
            Some(_) => self.in_region(|this| this.catches(catches)),
            None => self.catches(catches),
        };
        let finally = finally.map(|finally| self.block(finally));
        ExprKind::Try(Box::new(Try { body, catches, finally }))
    }

    fn catches(&mut self, catches: &[ast::CatchArm]) -> Vec<Arm> {
        let arms = catches.iter().map(|arm| {
            let scope = self.open_scope();
            let pattern = self.local_pattern(&arm.pattern);
            let body = self.block_expr(&arm.body);
            self.close_scope(scope);
            Arm { pattern, guard: None, body }
        });
        arms.collect()
    }

    fn arena(&mut self, body: &ast::Block) -> ExprKind {
        self.frame().arenas += 1;
        let body = self.in_region(|this| this.block(body));
        self.frame().arenas -= 1;
        ExprKind::Arena(Box::new(body))
    }

    fn task_scope(&mut self, body: &ast::Block) -> ExprKind {
        ExprKind::Scope(Box::new(self.in_region(|this| this.block(body))))
    }
}
