//! The syntax tree as text: `menagerie dump --stage ast`, and what parser tests compare.
//!
//! One s-expression per item, without spans. A list that fits on a line stands on one, a longer
//! one has its parts on lines of their own. Neither step recurses: the tree becomes a flat
//! sequence of pieces through a work list, and the layout walks that sequence with a stack.

use super::ast::{
    BinaryOp, Block, Expr, ExprKind, FnDecl, Ident, Item, MatchArm, Module, Path, Pattern,
    PatternKind, SelectArm, SelectEvent, Stmt, StrPart, UnaryOp, VariantDecl,
};
use crate::names::Interner;

/// A list at most this wide stands on one line.
const WIDTH_MAX: usize = 88;
/// Deeper lines are not indented further, so that deep trees do not print mostly blanks.
const INDENT_MAX: usize = 60;

/// The tree of a module as text, one item after the other.
pub fn module_text(module: &Module, names: &Interner) -> String {
    let mut printer = Printer::new(names);
    printer.items(&module.items);
    printer.finish()
}

/// The tree of one expression as text.
pub fn expr_text(expr: &Expr, names: &Interner) -> String {
    let mut printer = Printer::new(names);
    printer.todo.push(Work::Expr(expr));
    printer.finish()
}

/// What is still to be printed; the last one comes first.
enum Work<'t> {
    Open(&'static str),
    Atom(String),
    Close,
    Item(&'t Item),
    Fn(&'t FnDecl),
    Stmt(&'t Stmt),
    Block(&'t Block),
    Expr(&'t Expr),
    Pattern(&'t Pattern),
}

/// A piece of the flat form.
enum Piece {
    Open(String),
    Atom(String),
    Close,
}

struct Printer<'t> {
    names: &'t Interner,
    todo: Vec<Work<'t>>,
    /// Work found while one node is expanded, in order.
    found: Vec<Work<'t>>,
    pieces: Vec<Piece>,
}

impl<'t> Printer<'t> {
    fn new(names: &'t Interner) -> Printer<'t> {
        Printer { names, todo: Vec::new(), found: Vec::new(), pieces: Vec::new() }
    }

    fn items(&mut self, items: &'t [Item]) {
        self.todo.extend(items.iter().rev().map(Work::Item));
    }

    fn finish(mut self) -> String {
        while let Some(work) = self.todo.pop() {
            self.step(work);
            self.todo.extend(self.found.drain(..).rev());
        }
        layout(&self.pieces)
    }

    fn step(&mut self, work: Work<'t>) {
        match work {
            Work::Open(head) => self.pieces.push(Piece::Open(head.to_owned())),
            Work::Atom(text) => self.pieces.push(Piece::Atom(text)),
            Work::Close => self.pieces.push(Piece::Close),
            Work::Item(item) => self.item(item),
            Work::Fn(decl) => self.function(decl),
            Work::Stmt(stmt) => self.stmt(stmt),
            Work::Block(block) => self.block(block),
            Work::Expr(expr) => self.expr(expr),
            Work::Pattern(pattern) => self.pattern(pattern),
        }
    }

    // ---- building work ----

    fn name(&self, ident: Ident) -> String {
        self.names.text(ident.name).to_owned()
    }

    fn path(&self, path: &Path) -> String {
        path.parts.iter().map(|&part| self.name(part)).collect::<Vec<_>>().join("::")
    }

    fn names(&self, idents: &[Ident]) -> String {
        let names: Vec<_> = idents.iter().map(|&ident| self.name(ident)).collect();
        format!("({})", names.join(" "))
    }

    fn open(&mut self, head: &'static str) {
        self.found.push(Work::Open(head));
    }

    fn close(&mut self) {
        self.found.push(Work::Close);
    }

    fn atom(&mut self, text: impl Into<String>) {
        self.found.push(Work::Atom(text.into()));
    }

    fn exprs(&mut self, exprs: impl IntoIterator<Item = &'t Expr>) {
        self.found.extend(exprs.into_iter().map(Work::Expr));
    }

    fn patterns(&mut self, patterns: &'t [Pattern]) {
        self.found.extend(patterns.iter().map(Work::Pattern));
    }

    /// `(head expr …)`
    fn list(&mut self, head: &'static str, exprs: impl IntoIterator<Item = &'t Expr>) {
        self.open(head);
        self.exprs(exprs);
        self.close();
    }

    /// `(head block)`
    fn with_block(&mut self, head: &'static str, block: &'t Block) {
        self.open(head);
        self.found.push(Work::Block(block));
        self.close();
    }

    // ---- items and statements ----

    fn item(&mut self, item: &'t Item) {
        match item {
            Item::Fn(decl) => self.function(decl),
            Item::Struct { name, fields } => {
                let (name, fields) = (self.name(*name), self.names(fields));
                self.atom(format!("(struct {name} {fields})"));
            }
            Item::Enum { name, variants } => self.enumeration(*name, variants),
            Item::Impl { target, base, methods } => {
                self.open("impl");
                self.atom(self.name(*target));
                if let Some(base) = base {
                    self.atom(format!(": {}", self.name(*base)));
                }
                self.found.extend(methods.iter().map(Work::Fn));
                self.close();
            }
            Item::Module { name, body } => {
                self.open("module");
                self.atom(self.name(*name));
                self.found.extend(body.items.iter().map(Work::Item));
                self.close();
            }
            Item::Import { name } => self.atom(format!("(import {})", self.name(*name))),
            Item::Stmt(stmt) => self.stmt(stmt),
        }
    }

    fn enumeration(&mut self, name: Ident, variants: &'t [VariantDecl]) {
        self.open("enum");
        self.atom(self.name(name));
        for variant in variants {
            let (name, fields) = (self.name(variant.name), self.names(&variant.fields));
            self.atom(format!("{name}{fields}"));
        }
        self.close();
    }

    fn function(&mut self, decl: &'t FnDecl) {
        self.open("fn");
        self.atom(self.name(decl.name));
        self.atom(self.names(&decl.params));
        self.found.push(Work::Block(&decl.body));
        self.close();
    }

    fn stmt(&mut self, stmt: &'t Stmt) {
        match stmt {
            Stmt::Let { pattern, value } => {
                self.open("let");
                self.found.push(Work::Pattern(pattern));
                self.exprs([value]);
                self.close();
            }
            Stmt::Var { name, value } => {
                self.open("var");
                self.atom(self.name(*name));
                self.exprs([value]);
                self.close();
            }
            Stmt::Fn(decl) => self.function(decl),
            Stmt::Expr(expr) => self.expr(expr),
        }
    }

    /// `{ … }` with `=> value` when the block has one.
    fn block(&mut self, block: &'t Block) {
        self.open("block");
        self.found.extend(block.stmts.iter().map(Work::Stmt));
        if let Some(tail) = &block.tail {
            self.list("=>", [&**tail]);
        }
        self.close();
    }

    // ---- expressions ----

    /// A table: one line per kind where possible.
    fn expr(&mut self, expr: &'t Expr) {
        match &expr.kind {
            ExprKind::Nil => self.atom("nil"),
            ExprKind::Bool(value) => self.atom(value.to_string()),
            ExprKind::Int(value) => self.atom(value.to_string()),
            ExprKind::Float(value) => self.atom(format!("{value:?}")),
            ExprKind::Char(value) => self.atom(format!("{value:?}")),
            ExprKind::Str(text) => self.atom(format!("{text:?}")),
            ExprKind::Keyword(name) => self.atom(format!(":{}", self.names.text(*name))),
            ExprKind::Path(path) => self.atom(self.path(path)),
            ExprKind::Yield => self.atom("yield"),
            ExprKind::Continue => self.atom("continue"),
            ExprKind::Error => self.atom("<error>"),
            ExprKind::Interpolate(parts) => self.interpolation(parts),
            ExprKind::List(items) => self.list("list", items),
            ExprKind::Tuple(items) => self.list("tuple", items),
            ExprKind::Set(items) => self.list("set", items),
            ExprKind::Map(entries) => {
                self.list("map", entries.iter().flat_map(|(key, value)| [key, value]));
            }
            ExprKind::Struct { path, base, fields } => {
                self.fields("struct", Some(path), base.as_deref(), fields);
            }
            ExprKind::Record(fields) => self.fields("record", None, None, fields),
            ExprKind::Range { start, end, inclusive } => {
                self.list(if *inclusive { "..=" } else { ".." }, [&**start, &**end]);
            }
            ExprKind::Unary(op, operand) => self.list(unary_text(*op), [&**operand]),
            ExprKind::Binary(op, left, right) => {
                self.list(binary_text(*op), [&**left, &**right]);
            }
            ExprKind::And(left, right) => self.list("&&", [&**left, &**right]),
            ExprKind::Or(left, right) => self.list("||", [&**left, &**right]),
            ExprKind::Call { callee, args } => {
                self.list("call", std::iter::once(&**callee).chain(args));
            }
            ExprKind::MethodCall { receiver, name, args } => {
                self.open("method");
                self.exprs([&**receiver]);
                self.atom(self.name(*name));
                self.exprs(args);
                self.close();
            }
            ExprKind::Field { object, name } => self.access(object, self.name(*name)),
            ExprKind::TupleField { object, index } => self.access(object, index.to_string()),
            ExprKind::Index { object, index } => self.list("index", [&**object, &**index]),
            ExprKind::Closure { params, body } => {
                self.open("closure");
                self.atom(self.names(params));
                self.exprs([&**body]);
                self.close();
            }
            ExprKind::Assign { place, op, value } => {
                self.open("assign");
                self.atom(format!("{}=", op.map_or("", binary_text)));
                self.exprs([&**place, &**value]);
                self.close();
            }
            _ => self.control(expr),
        }
    }

    /// Expressions with blocks and jumps.
    fn control(&mut self, expr: &'t Expr) {
        match &expr.kind {
            ExprKind::Block(block) => self.block(block),
            ExprKind::Arena(block) => self.with_block("arena", block),
            ExprKind::Scope(block) => self.with_block("scope", block),
            ExprKind::Loop { body } => self.with_block("loop", body),
            ExprKind::If { cond, then, otherwise } => {
                self.open("if");
                self.exprs([&**cond]);
                self.found.push(Work::Block(then));
                self.exprs(otherwise.as_deref());
                self.close();
            }
            ExprKind::While { cond, body } => {
                self.open("while");
                self.exprs([&**cond]);
                self.found.push(Work::Block(body));
                self.close();
            }
            ExprKind::For { pattern, iterable, body } => {
                self.open("for");
                self.found.push(Work::Pattern(pattern));
                self.exprs([&**iterable]);
                self.found.push(Work::Block(body));
                self.close();
            }
            ExprKind::Match { scrutinee, arms } => {
                self.open("match");
                self.exprs([&**scrutinee]);
                arms.iter().for_each(|arm| self.arm(arm));
                self.close();
            }
            ExprKind::Break(value) => self.list("break", value.as_deref()),
            ExprKind::Return(value) => self.list("return", value.as_deref()),
            ExprKind::Throw(value) => self.list("throw", [&**value]),
            ExprKind::Spawn(task) => self.list("spawn", [&**task]),
            ExprKind::Try { body, catches, finally } => {
                self.open("try");
                self.found.push(Work::Block(body));
                for catch in catches {
                    self.open("catch");
                    self.found.push(Work::Pattern(&catch.pattern));
                    self.found.push(Work::Block(&catch.body));
                    self.close();
                }
                if let Some(finally) = finally {
                    self.with_block("finally", finally);
                }
                self.close();
            }
            ExprKind::Select(arms) => {
                self.open("select");
                arms.iter().for_each(|arm| self.select_arm(arm));
                self.close();
            }
            _ => self.atom("<unknown>"),
        }
    }

    fn select_arm(&mut self, arm: &'t SelectArm) {
        match &arm.event {
            SelectEvent::Receive { pattern, channel } => {
                self.open("recv");
                self.found.extend(pattern.as_ref().map(Work::Pattern));
                self.exprs([channel]);
            }
            SelectEvent::Send { channel, value } => {
                self.open("send");
                self.exprs([channel, value]);
            }
            SelectEvent::After(ms) => {
                self.open("after");
                self.exprs([ms]);
            }
            SelectEvent::Else => self.open("else"),
        }
        self.exprs([&arm.body]);
        self.close();
    }

    fn arm(&mut self, arm: &'t MatchArm) {
        self.open("arm");
        self.found.push(Work::Pattern(&arm.pattern));
        if let Some(guard) = &arm.guard {
            self.list("if", [guard]);
        }
        self.exprs([&arm.body]);
        self.close();
    }

    fn access(&mut self, object: &'t Expr, member: String) {
        self.open("field");
        self.exprs([object]);
        self.atom(member);
        self.close();
    }

    fn interpolation(&mut self, parts: &'t [StrPart]) {
        self.open("string");
        for part in parts {
            match part {
                StrPart::Text(text) => self.atom(format!("{text:?}")),
                StrPart::Expr(expr) => self.exprs([expr]),
            }
        }
        self.close();
    }

    fn fields(
        &mut self,
        head: &'static str,
        path: Option<&'t Path>,
        base: Option<&'t Expr>,
        fields: &'t [(Ident, Expr)],
    ) {
        self.open(head);
        if let Some(path) = path {
            self.atom(self.path(path));
        }
        if let Some(base) = base {
            self.list("base", [base]);
        }
        for (name, value) in fields {
            self.atom(format!("{}:", self.name(*name)));
            self.exprs([value]);
        }
        self.close();
    }

    // ---- patterns ----

    /// A table: one line per kind where possible.
    fn pattern(&mut self, pattern: &'t Pattern) {
        match &pattern.kind {
            PatternKind::Wildcard => self.atom("_"),
            PatternKind::Bind(name) => self.atom(self.name(*name)),
            PatternKind::Nil => self.atom("nil"),
            PatternKind::Bool(value) => self.atom(value.to_string()),
            PatternKind::Int(value) => self.atom(value.to_string()),
            PatternKind::Float(value) => self.atom(format!("{value:?}")),
            PatternKind::Char(value) => self.atom(format!("{value:?}")),
            PatternKind::Str(text) => self.atom(format!("{text:?}")),
            PatternKind::Keyword(name) => self.atom(format!(":{}", self.names.text(*name))),
            PatternKind::Error => self.atom("<error>"),
            PatternKind::Range { start, end, inclusive } => {
                let dots = if *inclusive { "..=" } else { ".." };
                self.atom(format!("{start}{dots}{end}"));
            }
            PatternKind::Tuple(items) => self.pattern_list("tuple", None, items),
            PatternKind::Or(items) => self.pattern_list("|", None, items),
            PatternKind::Variant { path, args } => self.pattern_list("variant", Some(path), args),
            PatternKind::List { before, rest, after } => {
                self.open("list");
                self.patterns(before);
                if let Some(rest) = rest {
                    self.atom(format!("..{}", rest.map_or(String::new(), |name| self.name(name))));
                }
                self.patterns(after);
                self.close();
            }
            PatternKind::Struct { path, fields } => {
                self.open("struct");
                self.atom(self.path(path));
                for (name, pattern) in fields {
                    self.atom(format!("{}:", self.name(*name)));
                    self.found.push(Work::Pattern(pattern));
                }
                self.close();
            }
        }
    }

    fn pattern_list(&mut self, head: &'static str, path: Option<&Path>, items: &'t [Pattern]) {
        self.open(head);
        if let Some(path) = path {
            self.atom(self.path(path));
        }
        self.patterns(items);
        self.close();
    }
}

/// The operator as it is written.
pub fn binary_text(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
        BinaryOp::BitAnd => "&",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::Shl => "<<",
        BinaryOp::Shr => ">>",
        BinaryOp::ShrLogical => ">>>",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
    }
}

/// The operator as it is written.
pub fn unary_text(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "-",
        UnaryOp::Not => "!",
        UnaryOp::BitNot => "~",
    }
}

// ---- layout ----

/// How wide each list is on one line; indexed by the position of its `Open`.
fn widths(pieces: &[Piece]) -> Vec<usize> {
    let mut widths = vec![0; pieces.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let width = match piece {
            Piece::Open(head) => {
                widths[at] = head.chars().count() + 2;
                open.push(at);
                continue;
            }
            Piece::Atom(text) => text.chars().count(),
            Piece::Close => widths[open.pop().expect("a list was opened")],
        };
        if let Some(&list) = open.last() {
            widths[list] += width + 1;
        }
    }
    widths
}

/// How an open list is laid out.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// On one line.
    Flat,
    /// Broken, and only words have come so far: they stay on the line of the head.
    Head,
    /// Broken, each part on a line of its own.
    Broken,
}

fn layout(pieces: &[Piece]) -> String {
    let widths = widths(pieces);
    let mut out = String::new();
    let mut shapes: Vec<Shape> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Open(head) => {
                let outer = shapes.last_mut();
                let flat = outer.as_ref().is_some_and(|outer| **outer == Shape::Flat);
                if let Some(outer) = outer.filter(|outer| **outer == Shape::Head) {
                    *outer = Shape::Broken;
                }
                separate(&mut out, &shapes);
                out.push('(');
                out.push_str(head);
                let fits = indent(shapes.len()) + widths[at] <= WIDTH_MAX;
                shapes.push(if flat || fits { Shape::Flat } else { Shape::Head });
            }
            Piece::Atom(text) => {
                separate(&mut out, &shapes);
                out.push_str(text);
            }
            Piece::Close => {
                out.push(')');
                shapes.pop();
            }
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn indent(depth: usize) -> usize {
    (depth * 2).min(INDENT_MAX)
}

/// What stands before a part: nothing at the very start, a blank, or a new line.
fn separate(out: &mut String, shapes: &[Shape]) {
    match shapes.last() {
        Some(Shape::Flat | Shape::Head) => out.push(' '),
        None if out.is_empty() => {}
        _ => {
            out.push('\n');
            out.push_str(&" ".repeat(indent(shapes.len())));
        }
    }
}
