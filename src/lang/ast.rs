//! The syntax tree. Nodes carry spans; nothing is resolved yet.
//!
//! Trees may be very deep (a 1 MB line of nested brackets is legal input), so the parser limits
//! nesting and no pass may rely on more host stack than that limit allows.

use crate::names::Name;

/// A half-open byte range of one source file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Span {
    /// Index into [`super::diagnostics::Sources`].
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both (of one file).
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A name with its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ident {
    /// The interned text.
    pub name: Name,
    /// Where it stands.
    pub span: Span,
}

/// `a`, `m::f`, `Shape::Circle`: one or more identifiers.
#[derive(Clone, PartialEq, Debug)]
pub struct Path {
    /// Never empty.
    pub parts: Vec<Ident>,
}

impl Path {
    /// The span of the whole path.
    pub fn span(&self) -> Span {
        self.parts[0].span.to(self.parts[self.parts.len() - 1].span)
    }
    /// The last identifier.
    pub fn last(&self) -> Ident {
        self.parts[self.parts.len() - 1]
    }
}

/// One source file or one `module { }` body.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Module {
    /// Items and top-level statements, in source order.
    pub items: Vec<Item>,
}

/// An item or a top-level statement.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// `fn f(a, b) { … }`
    Fn(FnDecl),
    /// `struct Point { x, y }`
    Struct { name: Ident, fields: Vec<Ident> },
    /// `enum Shape { Circle(r), Empty }`
    Enum { name: Ident, variants: Vec<VariantDecl> },
    /// `impl Point { … }`, `impl B : A { … }`
    Impl { target: Ident, base: Option<Ident>, methods: Vec<FnDecl> },
    /// `module m { … }`
    Module { name: Ident, body: Module },
    /// `import name`
    Import { name: Ident },
    /// `let`, `var` or an expression, evaluated at load.
    Stmt(Stmt),
}

/// One variant of an enum with the names of its arguments.
#[derive(Clone, PartialEq, Debug)]
pub struct VariantDecl {
    pub name: Ident,
    pub fields: Vec<Ident>,
}

/// A named function; a method when it stands in an `impl` and its first parameter is `self`.
#[derive(Clone, PartialEq, Debug)]
pub struct FnDecl {
    pub name: Ident,
    /// Plain parameter names (`self` included when it is a method).
    pub params: Vec<Ident>,
    pub body: Block,
    pub span: Span,
}

/// `{ … }`: the value is that of `tail`, or nil.
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    /// The last expression when no `;` follows it.
    pub tail: Option<Box<Expr>>,
    pub span: Span,
}

/// A statement inside a block.
#[derive(Clone, PartialEq, Debug)]
pub enum Stmt {
    /// `let pattern = value` (immutable)
    Let { pattern: Pattern, value: Expr },
    /// `var name = value`
    Var { name: Ident, value: Expr },
    /// A nested `fn`.
    Fn(FnDecl),
    /// An expression whose value is dropped.
    Expr(Expr),
}

/// An expression with its place.
#[derive(Clone, PartialEq, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

/// Binary operators that evaluate both sides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
    /// `>>>`
    ShrLogical,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Unary operators.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnaryOp {
    /// `-x`
    Neg,
    /// `!x`: truth
    Not,
    /// `~x`
    BitNot,
}

/// Every kind of expression.
#[derive(Clone, PartialEq, Debug)]
pub enum ExprKind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Char(char),
    /// A string without interpolation.
    Str(String),
    /// `"a{x}b"`: at least one expression.
    Interpolate(Vec<StrPart>),
    /// `:name`
    Keyword(Name),
    /// A variable, function, unit variant or module member.
    Path(Path),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `(a, b)`, `(a,)`, `()`
    Tuple(Vec<Expr>),
    /// `%{k: v}`
    Map(Vec<(Expr, Expr)>),
    /// `%[a, b]`
    Set(Vec<Expr>),
    /// `Point { x: 1 }`, with `..base` an update.
    Struct {
        path: Path,
        base: Option<Box<Expr>>,
        fields: Vec<(Ident, Expr)>,
    },
    /// `#{ x: 1 }`
    Record(Vec<(Ident, Expr)>),
    /// `a..b`, `a..=b`
    Range {
        start: Box<Expr>,
        end: Box<Expr>,
        inclusive: bool,
    },
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a && b`: the last value evaluated.
    And(Box<Expr>, Box<Expr>),
    /// `a || b`: the last value evaluated.
    Or(Box<Expr>, Box<Expr>),
    /// `f(a, b)`; also variant construction `Circle(1)`.
    Call {
        callee: Box<Expr>,
        args: Vec<Expr>,
    },
    /// `x.name(a, b)`
    MethodCall {
        receiver: Box<Expr>,
        name: Ident,
        args: Vec<Expr>,
    },
    /// `x.name`
    Field {
        object: Box<Expr>,
        name: Ident,
    },
    /// `t.0`
    TupleField {
        object: Box<Expr>,
        index: u32,
    },
    /// `x[i]`
    Index {
        object: Box<Expr>,
        index: Box<Expr>,
    },
    /// `|a, b| body`
    Closure {
        params: Vec<Ident>,
        body: Box<Expr>,
    },
    /// `place = value` (`op` None) or `place op= value`. The place is Path, Field or Index (the
    /// parser reports anything else). The value of an assignment is nil.
    Assign {
        place: Box<Expr>,
        op: Option<BinaryOp>,
        value: Box<Expr>,
    },
    Block(Block),
    If {
        cond: Box<Expr>,
        then: Block,
        otherwise: Option<Box<Expr>>,
    },
    While {
        cond: Box<Expr>,
        body: Block,
    },
    Loop {
        body: Block,
    },
    For {
        pattern: Pattern,
        iterable: Box<Expr>,
        body: Block,
    },
    Match {
        scrutinee: Box<Expr>,
        arms: Vec<MatchArm>,
    },
    Break(Option<Box<Expr>>),
    Continue,
    Return(Option<Box<Expr>>),
    Throw(Box<Expr>),
    Try {
        body: Block,
        catches: Vec<CatchArm>,
        finally: Option<Block>,
    },
    /// `arena { … }`
    Arena(Block),
    /// `scope { … }`
    Scope(Block),
    /// `spawn f(x)` (a Call or MethodCall) or `spawn { … }` (a Block).
    Spawn(Box<Expr>),
    /// `yield`
    Yield,
    /// `select { v = ch.recv() => …, ch.send(x) => …, after ms => … }`: at least one arm.
    Select(Vec<SelectArm>),
    /// What the parser puts where it reported an error.
    Error,
}

/// A piece of an interpolated string.
#[derive(Clone, PartialEq, Debug)]
pub enum StrPart {
    Text(String),
    Expr(Expr),
}

/// `pattern if guard => body`
#[derive(Clone, PartialEq, Debug)]
pub struct MatchArm {
    pub pattern: Pattern,
    pub guard: Option<Expr>,
    pub body: Expr,
}

/// An arm of `select`.
#[derive(Clone, PartialEq, Debug)]
pub struct SelectArm {
    pub event: SelectEvent,
    pub body: Expr,
}

/// What an arm of `select` waits for.
#[derive(Clone, PartialEq, Debug)]
pub enum SelectEvent {
    /// `pattern = channel.recv()`; without a pattern the value is dropped.
    Receive { pattern: Option<Pattern>, channel: Expr },
    /// `channel.send(value)`
    Send { channel: Expr, value: Expr },
    /// `after ms`: at most one, and the last arm.
    After(Expr),
    /// `else`: likewise.
    Else,
}

/// `catch pattern { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct CatchArm {
    pub pattern: Pattern,
    pub body: Block,
}

/// A pattern with its place.
#[derive(Clone, PartialEq, Debug)]
pub struct Pattern {
    pub kind: PatternKind,
    pub span: Span,
}

/// Every kind of pattern.
#[derive(Clone, PartialEq, Debug)]
pub enum PatternKind {
    /// `_`
    Wildcard,
    /// A lower-case name.
    Bind(Ident),
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Char(char),
    Str(String),
    Keyword(Name),
    /// `a..b`, `a..=b` of ints.
    Range {
        start: i64,
        end: i64,
        inclusive: bool,
    },
    Tuple(Vec<Pattern>),
    /// `[a, b]`, `[a, ..rest]`, `[a, .., z]`: `rest` is the position of the `..` and its binding.
    List {
        before: Vec<Pattern>,
        rest: Option<Option<Ident>>,
        after: Vec<Pattern>,
    },
    /// `Circle(r)`, `Empty`, `Shape::Circle(r)`.
    Variant {
        path: Path,
        args: Vec<Pattern>,
    },
    /// `Point { x, y: 0, .. }`: fields left out match anything.
    Struct {
        path: Path,
        fields: Vec<(Ident, Pattern)>,
    },
    /// `a | b`
    Or(Vec<Pattern>),
    /// What the parser puts where it reported an error.
    Error,
}
