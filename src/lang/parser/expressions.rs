//! Expressions. Blocks and what steers control are in `control`.
//!
//! Precedence, low to high: assignment · `.. ..=` · `||` · `&&` · comparison (does not chain) ·
//! `|` · `^` · `&` · `<< >> >>>` · `+ -` · `* / %` · prefix `- ! ~` · postfix.

use super::{Context, Failed, Parsed, Parser, is_capitalised};
use crate::lang::ast::{
    BinaryOp, Block, CatchArm, Expr, ExprKind, Ident, MatchArm, Path, Pattern, Span, Stmt, StrPart,
    UnaryOp,
};
use crate::lang::diagnostics::Diagnostic;
use crate::lang::lexer::{Kw, P, Tok};

mod control;

/// A binary operator as the operator stack holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Infix {
    Range { inclusive: bool },
    Or,
    And,
    Binary(BinaryOp),
}

const PRECEDENCE_RANGE: u8 = 1;
const PRECEDENCE_COMPARE: u8 = 4;

/// The infix operator `p` is, with its precedence.
fn infix(p: P) -> Option<(Infix, u8)> {
    use BinaryOp::{
        Add, BitAnd, BitOr, BitXor, Div, Eq, Ge, Gt, Le, Lt, Mul, Ne, Rem, Shl, Shr, ShrLogical,
        Sub,
    };
    let binary = |op, precedence| Some((Infix::Binary(op), precedence));
    match p {
        P::DotDot => Some((Infix::Range { inclusive: false }, PRECEDENCE_RANGE)),
        P::DotDotEq => Some((Infix::Range { inclusive: true }, PRECEDENCE_RANGE)),
        P::OrOr => Some((Infix::Or, 2)),
        P::AndAnd => Some((Infix::And, 3)),
        P::EqEq => binary(Eq, PRECEDENCE_COMPARE),
        P::NotEq => binary(Ne, PRECEDENCE_COMPARE),
        P::Lt => binary(Lt, PRECEDENCE_COMPARE),
        P::Le => binary(Le, PRECEDENCE_COMPARE),
        P::Gt => binary(Gt, PRECEDENCE_COMPARE),
        P::Ge => binary(Ge, PRECEDENCE_COMPARE),
        P::Or => binary(BitOr, 5),
        P::Caret => binary(BitXor, 6),
        P::And => binary(BitAnd, 7),
        P::Shl => binary(Shl, 8),
        P::Shr => binary(Shr, 8),
        P::UShr => binary(ShrLogical, 8),
        P::Plus => binary(Add, 9),
        P::Minus => binary(Sub, 9),
        P::Star => binary(Mul, 10),
        P::Slash => binary(Div, 10),
        P::Percent => binary(Rem, 10),
        _ => None,
    }
}

/// The assignment `p` is; the inner option is its operator.
fn assignment(p: P) -> Option<Option<BinaryOp>> {
    use BinaryOp::{Add, BitAnd, BitOr, BitXor, Div, Mul, Rem, Shl, Shr, ShrLogical, Sub};
    let op = match p {
        P::Assign => return Some(None),
        P::PlusAssign => Add,
        P::MinusAssign => Sub,
        P::StarAssign => Mul,
        P::SlashAssign => Div,
        P::PercentAssign => Rem,
        P::AndAssign => BitAnd,
        P::OrAssign => BitOr,
        P::CaretAssign => BitXor,
        P::ShlAssign => Shl,
        P::ShrAssign => Shr,
        P::UShrAssign => ShrLogical,
        _ => return None,
    };
    Some(Some(op))
}

/// Operands and pending operators of one expression; operands know their height.
#[derive(Default)]
struct Operators {
    operands: Vec<(Box<Expr>, u32)>,
    pending: Vec<(Infix, u8)>,
}

impl Operators {
    /// Builds the nodes of all pending operators that bind at least as tightly as `precedence`;
    /// returns the height of the tallest.
    fn reduce(&mut self, precedence: u8) -> u32 {
        let mut height = 0;
        while let Some((op, _)) = self.pending.pop_if(|(_, pending)| *pending >= precedence) {
            let (right, right_height) = self.operands.pop().expect("an operator has operands");
            let (left, left_height) = self.operands.pop().expect("an operator has operands");
            height = left_height.max(right_height) + 1;
            self.operands.push((op.build(left, right), height));
        }
        height
    }
}

impl Infix {
    fn build(self, left: Box<Expr>, right: Box<Expr>) -> Box<Expr> {
        let span = left.span.to(right.span);
        let kind = match self {
            Infix::Range { inclusive } => ExprKind::Range { start: left, end: right, inclusive },
            Infix::Or => ExprKind::Or(left, right),
            Infix::And => ExprKind::And(left, right),
            Infix::Binary(op) => ExprKind::Binary(op, left, right),
        };
        Box::new(Expr { kind, span })
    }
}

/// A parsing function for one kind of expression.
type Rule<'a> = fn(&mut Parser<'a>) -> Parsed<Box<Expr>>;

impl<'a> Parser<'a> {
    // ---- whole expressions ----

    /// An expression whose value is used: an assignment is reported.
    pub(super) fn expr(&mut self) -> Parsed<Box<Expr>> {
        self.value("an assignment has no value", "assign in a statement of its own")
    }

    fn value(&mut self, message: &str, hint: &str) -> Parsed<Box<Expr>> {
        self.enter()?;
        let result = self.value_inner(message, hint);
        self.leave();
        result
    }

    fn value_inner(&mut self, message: &str, hint: &str) -> Parsed<Box<Expr>> {
        let left = self.operators(None)?;
        let Some(op) = self.at_assignment() else { return Ok(left) };
        let span = self.bump();
        let hint = if op.is_none() { hint } else { "assign in a statement of its own" };
        self.report(Diagnostic::error(span, message).hint(hint));
        let right = self.expr()?;
        node(left.span.to(right.span), ExprKind::Error)
    }

    /// An expression or an assignment: what stands as a statement.
    pub(super) fn expr_or_assignment(&mut self) -> Parsed<Box<Expr>> {
        self.enter()?;
        let result = self.operators(None).and_then(|left| self.assignment_rest(left));
        self.leave();
        result
    }

    fn at_assignment(&self) -> Option<Option<BinaryOp>> {
        match self.kind() {
            Tok::P(p) if !self.at_line_end() => assignment(p),
            _ => None,
        }
    }

    pub(super) fn assignment_rest(&mut self, place: Box<Expr>) -> Parsed<Box<Expr>> {
        let Some(op) = self.at_assignment() else { return Ok(place) };
        self.check_place(&place);
        self.bump();
        let value = self.expr()?;
        let span = place.span.to(value.span);
        self.grow()?;
        node(span, ExprKind::Assign { place, op, value })
    }

    fn check_place(&mut self, place: &Expr) {
        let hint = match place.kind {
            ExprKind::Path(_) | ExprKind::Field { .. } | ExprKind::Index { .. } => return,
            ExprKind::Error => return,
            ExprKind::TupleField { .. } => "tuples are immutable; build a new one",
            ExprKind::Tuple(_) | ExprKind::List(_) => "take it apart with `let (a, b) = …`",
            _ => "a variable, a field or an element can be assigned to; `==` compares",
        };
        let diagnostic = Diagnostic::error(place.span, "cannot assign to this");
        self.report(diagnostic.hint(hint));
    }

    /// The condition of `if`, `while` and a guard, the value of `match`, the iterable of `for`:
    /// a `{` after it begins the block.
    fn condition(&mut self) -> Parsed<Box<Expr>> {
        if self.at(P::LBrace) {
            return Err(self.unexpected("a condition"));
        }
        let outer = std::mem::replace(&mut self.context.structs, false);
        let result = self.value("`=` assigns and has no value", "to compare, write `==`");
        self.context.structs = outer;
        result
    }

    /// Operands with binary operators between them; `first` is the first operand when it has
    /// been parsed already.
    pub(super) fn operators(&mut self, first: Option<Box<Expr>>) -> Parsed<Box<Expr>> {
        let first = match first {
            Some(first) => (first, self.heights[self.heights.len() - 1]),
            None => self.operand()?,
        };
        if self.at_infix().is_none() {
            return Ok(first.0);
        }
        self.operators_rest(first)
    }

    fn at_infix(&self) -> Option<(Infix, u8)> {
        match self.kind() {
            Tok::P(p) if !self.at_line_end() => infix(p),
            _ => None,
        }
    }

    fn operators_rest(&mut self, first: (Box<Expr>, u32)) -> Parsed<Box<Expr>> {
        let mut stack = Operators { operands: vec![first], pending: Vec::new() };
        while let Some((op, precedence)) = self.at_infix() {
            if self.at_range_without_end(precedence) {
                return Err(self.unexpected("the end of the range"));
            }
            self.check_chaining(&stack, precedence);
            let height = stack.reduce(precedence);
            self.raise_checked(height)?;
            self.bump();
            stack.pending.push((op, precedence));
            let operand = self.operand()?;
            stack.operands.push(operand);
        }
        let height = stack.reduce(0);
        self.raise_checked(height)?;
        Ok(stack.operands.pop().expect("one operand is left").0)
    }

    fn at_range_without_end(&mut self, precedence: u8) -> bool {
        let next = self.ahead(1);
        let missing = precedence == PRECEDENCE_RANGE
            && (!starts_expression(next.kind) || (self.context.newlines && next.newline_before));
        if missing {
            self.bump();
        }
        missing
    }

    /// `a < b < c` and `a..b..c` mean nothing.
    fn check_chaining(&mut self, stack: &Operators, precedence: u8) {
        let chained = stack.pending.iter().any(|&(_, pending)| pending == precedence);
        let (message, hint) = match precedence {
            PRECEDENCE_COMPARE => ("comparisons do not chain", "write `a < b && b < c`"),
            PRECEDENCE_RANGE => ("ranges do not chain", "a range has one start and one end"),
            _ => return,
        };
        if chained {
            let span = self.span();
            self.report(Diagnostic::error(span, message).hint(hint));
        }
    }

    // ---- operands ----

    /// Prefix operators, a primary expression and what follows it, with the height of the whole.
    fn operand(&mut self) -> Parsed<(Box<Expr>, u32)> {
        self.heights.push(0);
        let result = self.prefixed();
        let height = self.heights.pop().unwrap_or(0);
        self.raise(height);
        result.map(|expr| (expr, height))
    }

    /// An operand of a word like `spawn`, which may itself begin with that word.
    fn nested_operand(&mut self) -> Parsed<Box<Expr>> {
        self.enter()?;
        let result = self.operand();
        self.leave();
        result.map(|(expr, _)| expr)
    }

    fn prefixed(&mut self) -> Parsed<Box<Expr>> {
        let mut prefixes = Vec::new();
        while let Some(op) = self.at_prefix() {
            if let Some(literal) = self.negative_literal(op) {
                return self.apply_prefixes(prefixes, literal);
            }
            prefixes.push((op, self.bump()));
            self.grow()?;
        }
        let expr = self.primary()?;
        let expr = self.postfix(expr)?;
        self.apply_prefixes(prefixes, expr)
    }

    fn at_prefix(&self) -> Option<UnaryOp> {
        match self.kind() {
            Tok::P(P::Minus) => Some(UnaryOp::Neg),
            Tok::P(P::Not) => Some(UnaryOp::Not),
            Tok::P(P::Tilde) => Some(UnaryOp::BitNot),
            _ => None,
        }
    }

    fn apply_prefixes(
        &mut self,
        prefixes: Vec<(UnaryOp, Span)>,
        mut expr: Box<Expr>,
    ) -> Parsed<Box<Expr>> {
        for (op, span) in prefixes.into_iter().rev() {
            self.grow()?;
            let span = span.to(expr.span);
            expr = Box::new(Expr { kind: ExprKind::Unary(op, expr), span });
        }
        Ok(expr)
    }

    /// `-1`, `-1.5` and `-9223372036854775808` are literals, unless a call or field follows:
    /// `-1.abs()` is `-(1.abs())`.
    fn negative_literal(&mut self, op: UnaryOp) -> Option<Box<Expr>> {
        let (literal, after) = (self.ahead(1), self.ahead(2));
        let line_end = self.context.newlines && after.newline_before;
        let postfix = match after.kind {
            Tok::P(P::Dot) => true,
            Tok::P(P::LParen | P::LBracket) => !line_end,
            _ => false,
        };
        if op != UnaryOp::Neg || postfix {
            return None;
        }
        let kind = match literal.kind {
            Tok::Int(n) if n <= i64::MIN.unsigned_abs() => ExprKind::Int((n as i64).wrapping_neg()),
            Tok::Float(x) => ExprKind::Float(-x),
            _ => return None,
        };
        let minus = self.bump();
        let span = minus.to(self.bump());
        Some(Box::new(Expr { kind, span }))
    }

    /// Calls, methods, fields and indices. A `.` may stand at the start of the next line.
    pub(super) fn postfix(&mut self, mut expr: Box<Expr>) -> Parsed<Box<Expr>> {
        loop {
            expr = match self.kind() {
                Tok::P(P::Dot) => self.member(expr)?,
                Tok::P(P::LParen) if !self.at_line_end() => self.call(expr)?,
                Tok::P(P::LBracket) if !self.at_line_end() => self.index(expr)?,
                _ => return Ok(expr),
            };
            self.grow()?;
        }
    }

    fn call(&mut self, callee: Box<Expr>) -> Parsed<Box<Expr>> {
        let args = self.arguments()?;
        let span = self.span_from(callee.span);
        node(span, ExprKind::Call { callee, args })
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.list(P::RParen, Self::argument)
    }

    fn argument(&mut self) -> Parsed<Expr> {
        self.value("arguments have no names", "pass the values in order; `==` compares")
            .map(|value| *value)
    }

    fn index(&mut self, object: Box<Expr>) -> Parsed<Box<Expr>> {
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.open();
        let index = self.expr()?;
        self.close(P::RBracket, "")?;
        self.context = outer;
        let span = self.span_from(object.span);
        node(span, ExprKind::Index { object, index })
    }

    fn member(&mut self, object: Box<Expr>) -> Parsed<Box<Expr>> {
        self.bump();
        if let Tok::Int(index) = self.kind() {
            return self.tuple_field(object, index);
        }
        let name = self.name("a field or method name")?;
        if self.at_same_line(P::LParen) {
            let args = self.arguments()?;
            let span = self.span_from(object.span);
            return node(span, ExprKind::MethodCall { receiver: object, name, args });
        }
        let span = object.span.to(name.span);
        node(span, ExprKind::Field { object, name })
    }

    fn tuple_field(&mut self, object: Box<Expr>, index: u64) -> Parsed<Box<Expr>> {
        let span = object.span.to(self.bump());
        let Ok(index) = u32::try_from(index) else {
            self.report(Diagnostic::error(span, "no tuple has that many fields"));
            return node(span, ExprKind::Error);
        };
        node(span, ExprKind::TupleField { object, index })
    }

    // ---- primary expressions ----

    pub(super) fn primary(&mut self) -> Parsed<Box<Expr>> {
        // One call through a pointer keeps this frame small; it is on every recursion cycle.
        let rule: Rule<'a> = match self.kind() {
            Tok::Ident(_) => Self::name_expr,
            Tok::Kw(keyword) => Self::keyword_rule(keyword),
            Tok::P(p) => Self::punctuation_rule(p),
            Tok::StrStart => Self::interpolation,
            Tok::Unknown => Self::skip_unknown,
            _ => Self::literal,
        };
        rule(self)
    }

    fn keyword_rule(keyword: Kw) -> Rule<'a> {
        match keyword {
            Kw::If => Self::if_expr,
            Kw::While => Self::while_expr,
            Kw::Loop => Self::loop_expr,
            Kw::For => Self::for_expr,
            Kw::Match => Self::match_expr,
            Kw::Try => Self::try_expr,
            Kw::Arena => Self::arena_expr,
            Kw::Scope => Self::scope_expr,
            Kw::Spawn => Self::spawn_expr,
            Kw::Throw => Self::throw_expr,
            Kw::Return => Self::return_expr,
            Kw::Break => Self::break_expr,
            Kw::Continue | Kw::Yield | Kw::Nil | Kw::True | Kw::False => Self::literal,
            _ => Self::no_expression,
        }
    }

    fn punctuation_rule(p: P) -> Rule<'a> {
        match p {
            P::LParen => Self::parenthesised,
            P::LBracket => Self::list_expr,
            P::SetOpen => Self::set_expr,
            P::MapOpen => Self::map_expr,
            P::RecordOpen => Self::record_expr,
            P::LBrace => Self::block_expr,
            P::Or | P::OrOr => Self::closure,
            _ => Self::no_expression,
        }
    }

    /// Something that was reported by the lexer stands for an expression.
    fn skip_unknown(&mut self) -> Parsed<Box<Expr>> {
        let span = self.bump();
        node(span, ExprKind::Error)
    }

    fn literal(&mut self) -> Parsed<Box<Expr>> {
        let kind = match self.kind() {
            Tok::Int(n) => self.int(n),
            Tok::Bits(n) => ExprKind::Int(n),
            Tok::Float(x) => ExprKind::Float(x),
            Tok::Char(c) => ExprKind::Char(c),
            Tok::Keyword(name) => ExprKind::Keyword(name),
            Tok::Str(text) => ExprKind::Str(self.tokens.string(text).to_owned()),
            Tok::Kw(Kw::Nil) => ExprKind::Nil,
            Tok::Kw(Kw::True) => ExprKind::Bool(true),
            Tok::Kw(Kw::False) => ExprKind::Bool(false),
            Tok::Kw(Kw::Yield) => ExprKind::Yield,
            Tok::Kw(Kw::Continue) => ExprKind::Continue,
            _ => return Err(self.unexpected("an expression")),
        };
        let span = self.bump();
        node(span, kind)
    }

    fn int(&mut self, n: u64) -> ExprKind {
        if let Ok(n) = i64::try_from(n) {
            return ExprKind::Int(n);
        }
        let span = self.span();
        self.report_large_int(span);
        ExprKind::Error
    }

    #[cold]
    pub(super) fn report_large_int(&mut self, span: Span) {
        let diagnostic = Diagnostic::error(span, "this number is too large for an int");
        self.report(diagnostic.hint("the largest int is 9223372036854775807"));
    }

    #[cold]
    fn no_expression(&mut self) -> Parsed<Box<Expr>> {
        let hint = self.expression_hint();
        Err(self.unexpected_hint("an expression", hint))
    }

    fn expression_hint(&self) -> Option<&'static str> {
        let previous = match self.position {
            0 => None,
            n => Some(self.tokens.tokens[n - 1]),
        };
        let twice = previous
            .is_some_and(|token| token.kind == self.kind() && token.end == self.token().start);
        match self.kind() {
            Tok::P(P::Plus) if twice => Some("there is no `++`: write `x += 1`"),
            Tok::P(P::Star) if twice => Some("there is no `**`: write `pow(a, b)`"),
            Tok::P(P::DotDot | P::DotDotEq) => Some("a range needs a start: write `0..n`"),
            Tok::P(P::And | P::Star) => Some("there are no references to take or follow"),
            Tok::P(p) if self.token().newline_before && infix(p).is_some() => {
                Some("a line goes on when it ends with an operator, not when it begins with one")
            }
            Tok::Kw(Kw::Fn) => Some("a closure is written `|a, b| expression`"),
            Tok::Kw(Kw::Else) => Some("`else` follows the `}` of an `if`"),
            Tok::Kw(Kw::Catch | Kw::Finally) => Some("it follows the `}` of a `try`"),
            Tok::Kw(Kw::Let | Kw::Var) => Some("a declaration is a statement of its own"),
            _ => None,
        }
    }

    // ---- names ----

    fn name_expr(&mut self) -> Parsed<Box<Expr>> {
        if self.at_select() {
            return self.select_expr();
        }
        if let Some(reserved) = self.reserved_expr() {
            return reserved;
        }
        let path = self.path()?;
        let span = path.span();
        if self.at_struct_literal(&path) {
            return self.struct_literal(path);
        }
        if path.parts.len() == 1 && self.text_of(path.parts[0].name) == "_" {
            let diagnostic = Diagnostic::error(span, "`_` has no value");
            self.report(diagnostic.hint("it stands for a value that is not needed, in a pattern"));
        }
        node(span, ExprKind::Path(path))
    }

    /// `a::b::c`
    pub(super) fn path(&mut self) -> Parsed<Path> {
        let mut parts = vec![self.name("a name")?];
        while self.eat(P::PathSep) {
            parts.push(self.name("a name after `::`")?);
        }
        Ok(Path { parts })
    }

    /// Constructs to come, recognised by their first word and what follows it.
    fn reserved_expr(&mut self) -> Option<Parsed<Box<Expr>>> {
        let (word, next) = (self.span(), self.ahead(1));
        let same_line = !(self.context.newlines && next.newline_before);
        let text = self.slice(word).to_owned();
        let reserved = match (text.as_str(), next.kind) {
            ("perform", Tok::Ident(_)) => true,
            ("quote" | "eval" | "splice" | "ns" | "delay" | "mem", Tok::P(P::LParen)) => {
                !self.is_declared(self.kind())
            }
            _ => false,
        };
        if !reserved || !same_line {
            return None;
        }
        self.not_supported(word, &text);
        Some(self.skip_reserved(&text))
    }

    /// Whether the file itself gives this name to something: then it means that. Costs a pass
    /// over the tokens at most once per word, or an error.
    fn is_declared(&mut self, word: Tok) -> bool {
        if self.declared.contains(&word) {
            return true;
        }
        let found = self.tokens.tokens.windows(3).any(|window| {
            let [before, token, after] = window else { return false };
            let declared = matches!(before.kind, Tok::Kw(Kw::Fn | Kw::Let | Kw::Var));
            let used_as_value = before.kind != Tok::P(P::Dot) && after.kind != Tok::P(P::LParen);
            token.kind == word && (declared || used_as_value)
        });
        if found {
            self.declared.push(word);
        }
        found
    }

    fn skip_reserved(&mut self, word: &str) -> Parsed<Box<Expr>> {
        let start = self.bump();
        if word == "perform" {
            let operand = self.nested_operand()?;
            return node(start.to(operand.span), ExprKind::Error);
        }
        self.skip_balanced();
        node(self.span_from(start), ExprKind::Error)
    }

    /// Skips a bracket with all that is in it.
    pub(super) fn skip_balanced(&mut self) {
        let base = self.open.len();
        loop {
            let kind = self.kind();
            if super::is_opener(kind) {
                self.open.push(self.position);
                self.bump();
            } else if super::is_closer(kind) {
                if self.skip_closer(base) {
                    break;
                }
            } else if self.at_end() {
                break;
            } else {
                self.bump();
            }
            if self.open.len() <= base {
                break;
            }
        }
        self.open.truncate(base);
    }

    // ---- struct literals and records ----

    /// A capitalised name with a `{` behind it, where that cannot be the block of a condition.
    fn at_struct_literal(&mut self, path: &Path) -> bool {
        if !self.at_same_line(P::LBrace) || !is_capitalised(self.text_of(path.last().name)) {
            return false;
        }
        if self.context.structs {
            return true;
        }
        let looks_like_fields = match (self.ahead(1).kind, self.ahead(2).kind) {
            (Tok::Ident(_), Tok::P(P::Colon) | Tok::Keyword(_)) => true,
            (first, _) => first == Tok::P(P::DotDot),
        };
        if looks_like_fields {
            let message = "a struct literal in a condition needs parentheses";
            let hint = "write `if x == (Point { x: 1 }) { … }`";
            self.report(Diagnostic::error(path.span(), message).hint(hint));
        }
        looks_like_fields
    }

    fn struct_literal(&mut self, path: Path) -> Parsed<Box<Expr>> {
        let start = path.span();
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.open();
        let mut base = None;
        let mut fields = Vec::new();
        while !self.at(P::RBrace) {
            if self.at(P::DotDot) {
                self.update_base(&mut base)?;
            } else {
                fields.push(self.field_value()?);
            }
            if !self.eat(P::Comma) {
                break;
            }
        }
        self.close(P::RBrace, "`,` or ")?;
        self.context = outer;
        let span = self.span_from(start);
        node(span, ExprKind::Struct { path, base, fields })
    }

    fn update_base(&mut self, base: &mut Option<Box<Expr>>) -> Parsed<()> {
        let dots = self.bump();
        let value = self.expr()?;
        if base.replace(value).is_some() {
            self.report(Diagnostic::error(dots, "a struct literal has one `..base` at most"));
        }
        Ok(())
    }

    /// `name: value`, or `name` for `name: name`.
    fn field_value(&mut self) -> Parsed<(Ident, Expr)> {
        let name = self.name("a field name")?;
        if matches!(self.kind(), Tok::P(P::Comma | P::RBrace)) {
            let path = Path { parts: vec![name] };
            return Ok((name, Expr { kind: ExprKind::Path(path), span: name.span }));
        }
        if self.at(P::Assign) {
            return Err(self.unexpected_hint("`:`", Some("a field is written `name: value`")));
        }
        self.expect_colon()?;
        Ok((name, self.element()?))
    }

    fn record_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.span();
        let fields = self.list(P::RBrace, Self::field_value)?;
        node(self.span_from(start), ExprKind::Record(fields))
    }

    // ---- collections ----

    fn element(&mut self) -> Parsed<Expr> {
        self.expr().map(|value| *value)
    }

    fn list_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.span();
        let items = self.list(P::RBracket, Self::element)?;
        node(self.span_from(start), ExprKind::List(items))
    }

    fn set_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.span();
        let items = self.list(P::RBracket, Self::element)?;
        node(self.span_from(start), ExprKind::Set(items))
    }

    fn map_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.span();
        let entries = self.list(P::RBrace, Self::map_entry)?;
        node(self.span_from(start), ExprKind::Map(entries))
    }

    fn map_entry(&mut self) -> Parsed<(Expr, Expr)> {
        let key = self.element()?;
        self.expect_colon()?;
        Ok((key, self.element()?))
    }

    /// `(a)`, `(a,)`, `(a, b)`, `()`; an assignment may stand in parentheses.
    fn parenthesised(&mut self) -> Parsed<Box<Expr>> {
        let start = self.span();
        let (mut items, comma) = self.list_and_comma(P::RParen, Self::parenthesised_item)?;
        let span = self.span_from(start);
        if items.len() == 1 && !comma {
            let inner = items.remove(0);
            return node(span, inner.kind);
        }
        node(span, ExprKind::Tuple(items))
    }

    fn parenthesised_item(&mut self) -> Parsed<Expr> {
        self.expr_or_assignment().map(|value| *value)
    }

    fn interpolation(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let mut parts = Vec::new();
        while !matches!(self.kind(), Tok::StrEnd | Tok::Eof) {
            let part = match self.kind() {
                Tok::StrText(text) => {
                    let text = self.tokens.string(text).to_owned();
                    self.bump();
                    StrPart::Text(text)
                }
                _ => StrPart::Expr(*self.interpolated()?),
            };
            parts.push(part);
        }
        self.bump();
        node(self.span_from(start), ExprKind::Interpolate(parts))
    }

    /// `{expr}` in a string.
    fn interpolated(&mut self) -> Parsed<Box<Expr>> {
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        let open = self.open();
        if self.kind() == Tok::InterpClose {
            let message = "there is nothing to put into the string here";
            let hint = "write an expression between the braces; `{{}}` is a plain `{}`";
            self.report(Diagnostic::error(open.to(self.span()), message).hint(hint));
            self.open.pop();
            self.bump();
            self.context = outer;
            return node(self.span_from(open), ExprKind::Error);
        }
        let value = self.expr()?;
        if self.kind() != Tok::InterpClose {
            return Err(self.unclosed_interpolation());
        }
        self.open.pop();
        self.bump();
        self.context = outer;
        Ok(value)
    }

    #[cold]
    fn unclosed_interpolation(&mut self) -> Failed {
        let hint = match self.kind() {
            Tok::P(P::Colon) | Tok::Keyword(_) => Some("a string has no format after the value"),
            _ => None,
        };
        self.unexpected_hint("the `}` of this part of the string", hint)
    }

    // ---- closures ----

    fn closure(&mut self) -> Parsed<Box<Expr>> {
        let start = self.span();
        let (params, destructured) = self.closure_params()?;
        let body = self.expr_or_assignment()?;
        let span = start.to(body.span);
        let body = destructuring_body(destructured, body);
        node(span, ExprKind::Closure { params, body })
    }

    /// `||` or `|a, b|`.
    fn closure_params(&mut self) -> Parsed<(Vec<Ident>, Vec<Stmt>)> {
        if self.eat(P::OrOr) {
            return Ok((Vec::new(), Vec::new()));
        }
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.bump();
        let mut params = Vec::new();
        let mut destructured = Vec::new();
        while !self.at(P::Or) {
            let index = params.len();
            params.push(self.param(index, false, &mut destructured)?);
            if !self.eat(P::Comma) {
                break;
            }
        }
        self.expect(P::Or, "`,` or `|`")?;
        self.context = outer;
        Ok((params, destructured))
    }
}

/// An expression node on the heap: parsing functions pass it on as one word, which keeps their
/// stack frames small.
pub(super) fn node(span: Span, kind: ExprKind) -> Parsed<Box<Expr>> {
    Ok(Box::new(Expr { kind, span }))
}

/// Wraps the body of a closure that takes parameters apart.
fn destructuring_body(stmts: Vec<Stmt>, body: Box<Expr>) -> Box<Expr> {
    if stmts.is_empty() {
        return body;
    }
    let span = body.span;
    let block = Block { stmts, tail: Some(body), span };
    Box::new(Expr { kind: ExprKind::Block(block), span })
}

/// Whether an expression can begin with this token.
fn starts_expression(kind: Tok) -> bool {
    match kind {
        Tok::Ident(_) | Tok::Unknown | Tok::StrStart => true,
        Tok::Int(_) | Tok::Bits(_) | Tok::Float(_) | Tok::Char(_) => true,
        Tok::Keyword(_) | Tok::Str(_) => true,
        Tok::Kw(keyword) => !matches!(
            keyword,
            Kw::Let
                | Kw::Var
                | Kw::Fn
                | Kw::Struct
                | Kw::Enum
                | Kw::Impl
                | Kw::Module
                | Kw::Import
                | Kw::Else
                | Kw::In
                | Kw::Catch
                | Kw::Finally
        ),
        Tok::P(p) => matches!(
            p,
            P::LParen
                | P::LBracket
                | P::LBrace
                | P::MapOpen
                | P::SetOpen
                | P::RecordOpen
                | P::Minus
                | P::Not
                | P::Tilde
                | P::Or
                | P::OrOr
        ),
        _ => false,
    }
}
