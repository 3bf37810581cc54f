//! The resolved tree: every name is a variable, global, function, native or class; `else if`
//! chains and `&&`/`||` chains are flat; capture analysis is done.
//!
//! Nodes are small (a test pins the size) because the passes over them recurse.

use crate::class::{ClassId, RecordClass};
use crate::ir::{BinaryOp, Const, FuncId, GlobalId, NativeId, UnaryOp};
use crate::lang::ast::Span;
use crate::names::{Interner, Name};

/// A local variable; numbered over the whole program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct VarId(pub u32);

impl VarId {
    /// As a table index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A whole program, resolved.
#[derive(Debug, Default)]
pub struct Tree {
    /// All functions; the numbers are those of the IR.
    pub funcs: Vec<Func>,
    /// All local variables.
    pub vars: Vec<Var>,
    /// Global variables.
    pub globals: Vec<Global>,
    /// Record classes, `Error` first.
    pub classes: Vec<RecordClass>,
    /// (class, method name, function), as the IR wants them.
    pub methods: Vec<(ClassId, Name, FuncId)>,
    /// The function that runs the top level and then `main`.
    pub entry: Option<FuncId>,
    /// All names.
    pub names: Interner,
}

/// What a function does.
#[derive(Debug)]
pub enum FuncBody {
    /// Evaluates to the function's result.
    Expr(Expr),
    /// Hands its parameters to a builtin: a builtin used as a value.
    Native(NativeId),
    /// Makes a record of its parameters: a variant used as a value.
    Construct(ClassId),
    /// Calls this method on its first parameter with the others: `spawn x.f(y)`.
    Method(Name),
}

/// A function.
#[derive(Debug)]
pub struct Func {
    /// Its name, `<closure>` for function literals.
    pub name: Name,
    /// The declaration.
    pub span: Span,
    /// Its parameters.
    pub params: Vec<VarId>,
    /// Its body.
    pub body: FuncBody,
    /// The variables of enclosing functions that a closure of it captures, in order. Local
    /// functions that capture nothing and `let`s of literals are not among them.
    pub captures: Vec<VarId>,
}

/// A local variable and what the analysis found out about it.
#[derive(Clone, Debug)]
pub struct Var {
    /// Its name.
    pub name: Name,
    /// The function whose frame it lives in.
    pub owner: FuncId,
    /// Declared with `var`.
    pub mutable: bool,
    /// The function, when declared by a nested `fn`.
    pub func: Option<FuncId>,
    /// The value, when declared by a `let` with a literal. Strings are left out: every use of the
    /// variable gives the same object.
    pub constant: Option<Const>,
    /// Assigned after its initialisation.
    pub assigned: bool,
    /// Used by a function other than its owner.
    pub captured: bool,
    /// Assigned by its owner inside a protected region that does not contain its declaration.
    pub assigned_in_region: bool,
    /// The same for an `arena`.
    pub assigned_in_arena: bool,
    /// A local function that another function (or itself) uses before its closure is made.
    pub captured_early: bool,
    /// A local function that captures nothing.
    pub plain: bool,
}

impl Var {
    /// Whether it lives in a cell: closures share it, or an arena's end could invalidate it
    /// (a cell is an outer object, so a store into it promotes).
    pub fn in_cell(&self) -> bool {
        self.captured_early || (self.assigned && (self.captured || self.assigned_in_arena))
    }
    /// Whether it lives in a frame slot (rule R5).
    pub fn in_slot(&self) -> bool {
        self.assigned && self.assigned_in_region && !self.in_cell()
    }
}

/// A global variable.
#[derive(Clone, Debug)]
pub struct Global {
    /// Its name.
    pub name: Name,
    /// Declared with `var`.
    pub mutable: bool,
    /// The value of an immutable one that is initialised by a literal.
    pub constant: Option<Const>,
}

/// An expression.
#[derive(Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The expression `nil`.
pub(crate) fn nil(span: Span) -> Expr {
    Expr { kind: ExprKind::Const(Const::Nil), span }
}

/// Every kind of resolved expression.
#[derive(Debug)]
pub enum ExprKind {
    Const(Const),
    /// String interpolation.
    Concat(Vec<Expr>),
    Var(VarId),
    Global(GlobalId),
    Tuple(Vec<Expr>),
    List(Vec<Expr>),
    Set(Vec<Expr>),
    /// Keys and values alternate.
    Map(Vec<Expr>),
    /// Every slot once, in evaluation order.
    Record(ClassId, Vec<(u32, Expr)>),
    Update(Box<Update>),
    Range(Box<RangeExpr>),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<(Expr, Expr)>),
    /// At least two operands.
    And(Vec<Expr>),
    /// At least two operands.
    Or(Vec<Expr>),
    Call(Box<Expr>, Vec<Expr>),
    CallFunc(FuncId, Vec<Expr>),
    CallNative(NativeId, Vec<Expr>),
    CallMethod(Box<Expr>, Name, Vec<Expr>),
    Field(Box<Expr>, Name),
    TupleField(Box<Expr>, u32),
    Index(Box<(Expr, Expr)>),
    /// A function literal.
    Closure(FuncId),
    Assign(Box<Assign>),
    Block(Box<Block>),
    If(Box<If>),
    While(Box<While>),
    Loop(Box<Loop>),
    For(Box<For>),
    Match(Box<Match>),
    Break(Option<Box<Expr>>),
    Continue,
    Return(Option<Box<Expr>>),
    Throw(Box<Expr>),
    Try(Box<Try>),
    Arena(Box<Block>),
    Scope(Box<Block>),
    /// A task that calls a value with arguments.
    Spawn(Box<Expr>, Vec<Expr>),
    Yield,
}

/// `Point { ..base, x: 1 }`
#[derive(Debug)]
pub struct Update {
    pub class: ClassId,
    pub base: Expr,
    pub fields: Vec<(u32, Expr)>,
}

/// `start..end`
#[derive(Debug)]
pub struct RangeExpr {
    pub start: Expr,
    pub end: Expr,
    pub inclusive: bool,
}

/// `place op= value`
#[derive(Debug)]
pub struct Assign {
    pub place: Place,
    pub op: Option<BinaryOp>,
    pub value: Expr,
}

/// What can be assigned.
#[derive(Debug)]
pub enum Place {
    Var(VarId),
    Global(GlobalId),
    Field(Expr, Name),
    Index(Expr, Expr),
}

/// `{ … }`
#[derive(Debug)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub tail: Option<Expr>,
    pub span: Span,
    /// The local functions it declares.
    pub fns: Vec<VarId>,
}

/// A statement.
#[derive(Debug)]
pub enum Stmt {
    Let(Pattern, Expr),
    Var(VarId, Expr),
    /// A top-level `var`.
    Global(GlobalId, Expr),
    /// Here the closure of a local function is made.
    Fn(VarId, Span),
    Expr(Expr),
}

/// `if a { … } else if b { … } else { … }`
#[derive(Debug)]
pub struct If {
    /// Never empty.
    pub arms: Vec<(Expr, Block)>,
    pub otherwise: Option<Expr>,
}

/// `while`
#[derive(Debug)]
pub struct While {
    pub cond: Expr,
    pub body: Block,
    /// Variables declared outside of the loop and assigned in it.
    pub assigned: Vec<VarId>,
}

/// `loop`
#[derive(Debug)]
pub struct Loop {
    pub body: Block,
    /// As in [`While`].
    pub assigned: Vec<VarId>,
}

/// `for`
#[derive(Debug)]
pub struct For {
    pub pattern: Pattern,
    pub iterable: Expr,
    pub body: Block,
    /// As in [`While`].
    pub assigned: Vec<VarId>,
}

/// `match`
#[derive(Debug)]
pub struct Match {
    pub scrutinee: Expr,
    pub arms: Vec<Arm>,
}

/// An arm of `match` or `catch`.
#[derive(Debug)]
pub struct Arm {
    pub pattern: Pattern,
    pub guard: Option<Expr>,
    pub body: Expr,
}

/// `try`
#[derive(Debug)]
pub struct Try {
    pub body: Block,
    pub catches: Vec<Arm>,
    pub finally: Option<Block>,
}

/// What a pattern binds to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    Var(VarId),
    Global(GlobalId),
}

/// A pattern.
#[derive(Debug)]
pub struct Pattern {
    pub kind: PatternKind,
    pub span: Span,
}

/// Every kind of resolved pattern.
#[derive(Debug)]
pub enum PatternKind {
    Any,
    Bind(Target),
    Const(Const),
    /// Ints from `start` to `end`, both included.
    Range {
        start: i64,
        end: i64,
    },
    Tuple(Vec<Pattern>),
    List(Box<ListPattern>),
    /// Slots with patterns.
    Record(ClassId, Vec<(u32, Pattern)>),
    /// Alternatives that bind the same targets.
    Or(Vec<Pattern>, Vec<Target>),
}

/// `[a, ..rest, z]`
#[derive(Debug)]
pub struct ListPattern {
    pub before: Vec<Pattern>,
    /// `None`: no `..`; `Some(None)`: a `..` without a name.
    pub rest: Option<Option<Target>>,
    pub after: Vec<Pattern>,
}
