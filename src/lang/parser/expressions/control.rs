//! Blocks, branches, loops, jumps, `match` and `try`.

use super::*;

impl<'a> Parser<'a> {
    // ---- blocks ----

    pub(in crate::lang::parser) fn block(&mut self) -> Parsed<Block> {
        if !self.at(P::LBrace) {
            return Err(self.no_block());
        }
        self.enter()?;
        let result = self.block_inner();
        self.leave();
        result
    }

    #[cold]
    pub(in crate::lang::parser) fn no_block(&mut self) -> Failed {
        let hint = match self.kind() {
            Tok::P(P::Assign) if !self.at_line_end() => Some("to compare, write `==`"),
            Tok::P(P::Colon) => Some("a block is written `{ … }`"),
            Tok::Ident(_) if self.slice(self.span()) == "then" => Some("leave `then` out"),
            _ => self.foreign_word_hint(),
        };
        self.unexpected_hint("`{`", hint)
    }

    fn block_inner(&mut self) -> Parsed<Block> {
        let outer = std::mem::replace(&mut self.context, Context::BLOCK);
        let start = self.open();
        let (stmts, tail) = self.statements();
        self.close(P::RBrace, "")?;
        self.context = outer;
        Ok(Block { stmts, tail, span: self.span_from(start) })
    }

    pub(super) fn block_expr(&mut self) -> Parsed<Box<Expr>> {
        let block = self.block()?;
        let span = block.span;
        node(span, ExprKind::Block(block))
    }

    pub(super) fn arena_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let block = self.block()?;
        node(start.to(block.span), ExprKind::Arena(block))
    }

    pub(super) fn scope_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let block = self.block()?;
        node(start.to(block.span), ExprKind::Scope(block))
    }

    /// `spawn { … }`, or `spawn` with a call; the call takes everything that follows it.
    pub(super) fn spawn_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let body = match self.kind() {
            Tok::P(P::LBrace) => self.block_expr()?,
            _ => self.nested_operand()?,
        };
        let span = start.to(body.span);
        let spawnable = matches!(
            body.kind,
            ExprKind::Call { .. } | ExprKind::MethodCall { .. } | ExprKind::Block(_)
        );
        if !spawnable && body.kind != ExprKind::Error {
            let diagnostic = Diagnostic::error(body.span, "`spawn` takes a call or a block");
            self.report(diagnostic.hint("write `spawn f(x)` or `spawn { … }`"));
            return node(span, ExprKind::Error);
        }
        node(span, ExprKind::Spawn(body))
    }

    // ---- control flow ----

    /// `if … else if … else …`, without recursion along the chain.
    pub(super) fn if_expr(&mut self) -> Parsed<Box<Expr>> {
        let mut arms = Vec::new();
        let mut otherwise = None;
        loop {
            let start = self.bump();
            let cond = self.condition()?;
            let then = self.block()?;
            arms.push((start, cond, then));
            self.grow()?;
            if !self.eat_kw(Kw::Else) {
                break;
            }
            if !self.at_kw(Kw::If) {
                otherwise = Some(self.else_block()?);
                break;
            }
        }
        let end = self.previous_span();
        let chain = arms.into_iter().rev().fold(otherwise, |otherwise, (start, cond, then)| {
            let kind = ExprKind::If { cond, then, otherwise };
            Some(Box::new(Expr { kind, span: start.to(end) }))
        });
        Ok(chain.expect("an `if` has an arm"))
    }

    fn else_block(&mut self) -> Parsed<Box<Expr>> {
        match self.at(P::LBrace) {
            true => self.block_expr(),
            false => Err(self.unexpected("`{` or `if` after `else`")),
        }
    }

    pub(super) fn while_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let cond = self.condition()?;
        let body = self.block()?;
        node(start.to(body.span), ExprKind::While { cond, body })
    }

    pub(super) fn loop_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let body = self.block()?;
        node(start.to(body.span), ExprKind::Loop { body })
    }

    pub(super) fn for_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let pattern = self.irrefutable_pattern()?;
        if !self.eat_kw(Kw::In) {
            let hint = "a loop over values is written `for x in values { … }`";
            return Err(self.unexpected_hint("`in`", Some(hint)));
        }
        let iterable = self.condition()?;
        let body = self.block()?;
        node(start.to(body.span), ExprKind::For { pattern, iterable, body })
    }

    pub(super) fn throw_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let value = self.expr()?;
        node(start.to(value.span), ExprKind::Throw(value))
    }

    pub(super) fn return_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let value = self.optional_value()?;
        node(self.span_from(start), ExprKind::Return(value))
    }

    pub(super) fn break_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let value = self.optional_value()?;
        node(self.span_from(start), ExprKind::Break(value))
    }

    /// The value of `return` and `break`: on the same line only.
    fn optional_value(&mut self) -> Parsed<Option<Box<Expr>>> {
        let block_of_condition = self.at(P::LBrace) && !self.context.structs;
        if !starts_expression(self.kind()) || self.at_line_end() || block_of_condition {
            return Ok(None);
        }
        Ok(Some(self.expr()?))
    }

    // ---- match ----

    pub(super) fn match_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let scrutinee = self.condition()?;
        if !self.at(P::LBrace) {
            return Err(self.no_block());
        }
        let outer = std::mem::replace(&mut self.context, Context::BLOCK);
        self.open();
        let mut arms = Vec::new();
        while !self.at(P::RBrace) && !self.at_end() {
            if let Some(arm) = self.recovering(Self::arm) {
                arms.push(arm);
            }
        }
        self.close(P::RBrace, "")?;
        self.context = outer;
        let span = self.span_from(start);
        node(span, ExprKind::Match { scrutinee, arms })
    }

    /// `pattern if guard => body`, with the comma or line end after it.
    fn arm(&mut self) -> Parsed<MatchArm> {
        self.context = Context::BRACKETS;
        let pattern = self.pattern()?;
        let guard = match self.eat_kw(Kw::If) {
            true => Some(self.guard()?),
            false => None,
        };
        if !self.at(P::FatArrow) {
            return Err(self.no_arrow());
        }
        Ok(MatchArm { pattern, guard, body: self.arm_body()? })
    }

    /// The `=>` of an arm and what follows it.
    pub(in crate::lang::parser) fn arm_body(&mut self) -> Parsed<Expr> {
        self.bump();
        self.context = Context::BLOCK;
        let (body, block_like) = self.statement_expr()?;
        let ended = self.eat(P::Comma) || block_like || self.at(P::RBrace) || self.at_line_end();
        if !ended && !self.at_end() {
            return Err(self.unexpected("`,` or a line end after the arm"));
        }
        Ok(*body)
    }

    pub(super) fn guard(&mut self) -> Parsed<Expr> {
        self.value("`=` assigns and has no value", "to compare, write `==`").map(|value| *value)
    }

    #[cold]
    pub(in crate::lang::parser) fn no_arrow(&mut self) -> Failed {
        let hint = match self.kind() {
            Tok::P(P::Arrow | P::Colon | P::LBrace) => Some("an arm is written `pattern => value`"),
            _ => None,
        };
        self.unexpected_hint("`=>`", hint)
    }

    // ---- errors ----

    pub(super) fn try_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let body = self.block()?;
        let mut catches = Vec::new();
        while self.at_kw(Kw::Catch) {
            catches.push(self.catch_arm()?);
        }
        let finally = match self.eat_kw(Kw::Finally) {
            true => Some(self.block()?),
            false => None,
        };
        let span = self.span_from(start);
        if catches.is_empty() && finally.is_none() {
            let diagnostic = Diagnostic::error(start, "this `try` has no `catch` and no `finally`");
            self.report(diagnostic.hint("write `try { … } catch e { … }`"));
        }
        node(span, ExprKind::Try { body, catches, finally })
    }

    fn catch_arm(&mut self) -> Parsed<CatchArm> {
        self.bump();
        if self.at(P::LBrace) {
            let hint = "`catch _ { … }` takes every error";
            return Err(self.unexpected_hint("a pattern after `catch`", Some(hint)));
        }
        let pattern = self.catch_pattern()?;
        if self.at_kw(Kw::If) {
            let diagnostic = Diagnostic::error(self.span(), "a `catch` has no guard");
            self.report(diagnostic.hint("test inside and `throw` the error again"));
            self.bump();
            self.condition()?;
        }
        let body = self.block()?;
        Ok(CatchArm { pattern, body })
    }

    /// `catch Empty { … }` is a variant and the block, `catch Error { kind: k } { … }` a struct
    /// pattern and the block.
    fn catch_pattern(&mut self) -> Parsed<Pattern> {
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.context.structs = false;
        let pattern = self.pattern();
        self.context = outer;
        pattern
    }
}
