//! `select { … }`: waiting for several channels.

use super::expressions::node;
use super::{Context, Parsed, Parser};
use crate::lang::ast::{Expr, ExprKind, Pattern, SelectArm, SelectEvent};
use crate::lang::diagnostics::Diagnostic;
use crate::lang::lexer::{Kw, P, Tok};

const FORMS: &str = "an arm begins with `v = ch.recv()`, `ch.send(x)`, `after ms` or `else`";

impl Parser<'_> {
    /// The word is a name elsewhere: here a `{` follows that cannot be the block of a condition.
    pub(super) fn at_select(&self) -> bool {
        let next = self.ahead(1);
        let same_line = !(self.context.newlines && next.newline_before);
        self.slice(self.span()) == "select"
            && next.kind == Tok::P(P::LBrace)
            && same_line
            && self.context.structs
    }

    pub(super) fn select_expr(&mut self) -> Parsed<Box<Expr>> {
        let start = self.bump();
        let reported = self.diagnostics.len();
        let outer = std::mem::replace(&mut self.context, Context::BLOCK);
        self.open();
        let mut arms: Vec<SelectArm> = Vec::new();
        while !self.at(P::RBrace) && !self.at_end() {
            if let Some(arm) = self.recovering(Self::select_arm) {
                self.check_last(arms.last());
                arms.push(arm);
            }
        }
        self.close(P::RBrace, "")?;
        self.context = outer;
        let span = self.span_from(start);
        if arms.is_empty() && self.diagnostics.len() == reported {
            let diagnostic = Diagnostic::error(span, "this `select` waits for nothing");
            self.report(diagnostic.hint(FORMS));
        }
        if arms.is_empty() {
            return node(span, ExprKind::Error);
        }
        node(span, ExprKind::Select(arms))
    }

    /// `after` and `else` say what happens when nothing else does, so nothing follows them.
    fn check_last(&mut self, before: Option<&SelectArm>) {
        let Some(before) = before else { return };
        if matches!(before.event, SelectEvent::After(_) | SelectEvent::Else) {
            let message = "an arm after the last one of this `select`";
            let diagnostic = Diagnostic::error(before.body.span, message);
            self.report(diagnostic.hint("there is one `after` or `else`, and it comes last"));
        }
    }

    fn select_arm(&mut self) -> Parsed<SelectArm> {
        self.context = Context::BRACKETS;
        let event = self.select_event()?;
        if !self.at(P::FatArrow) {
            return Err(self.no_arrow());
        }
        Ok(SelectArm { event, body: self.arm_body()? })
    }

    fn select_event(&mut self) -> Parsed<SelectEvent> {
        if self.eat_kw(Kw::Else) {
            return Ok(SelectEvent::Else);
        }
        if self.at_after() {
            self.bump();
            return Ok(SelectEvent::After(*self.expr()?));
        }
        let pattern = match self.at_receiving_pattern() {
            true => {
                let pattern = self.irrefutable_pattern()?;
                self.bump();
                Some(pattern)
            }
            false => None,
        };
        let operation = self.expr()?;
        self.channel_event(pattern, *operation)
    }

    /// `after` with the beginning of an expression behind it; a channel may have that name too.
    fn at_after(&self) -> bool {
        self.slice(self.span()) == "after"
            && !matches!(self.ahead(1).kind, Tok::P(P::Dot | P::Assign | P::LBracket | P::PathSep))
    }

    /// Whether a `=` stands before the arrow, outside of brackets.
    fn at_receiving_pattern(&self) -> bool {
        let mut depth = 0;
        for token in &self.tokens.tokens[self.position..] {
            match token.kind {
                Tok::P(P::Assign) if depth == 0 => return true,
                Tok::P(P::FatArrow | P::Dot) if depth == 0 => return false,
                Tok::Eof => return false,
                kind if super::is_opener(kind) => depth += 1,
                kind if super::is_closer(kind) => depth -= 1,
                _ => {}
            }
            if depth < 0 {
                return false;
            }
        }
        false
    }

    fn channel_event(&mut self, pattern: Option<Pattern>, operation: Expr) -> Parsed<SelectEvent> {
        let span = operation.span;
        if let ExprKind::MethodCall { receiver, name, mut args } = operation.kind {
            match (self.text_of(name.name), args.len()) {
                ("recv", 0) => return Ok(SelectEvent::Receive { pattern, channel: *receiver }),
                ("send", 1) if pattern.is_none() => {
                    let value = args.remove(0);
                    return Ok(SelectEvent::Send { channel: *receiver, value });
                }
                _ => {}
            }
        }
        self.report(Diagnostic::error(span, "`select` cannot wait for this").hint(FORMS));
        let channel = Expr { kind: ExprKind::Error, span };
        Ok(SelectEvent::Receive { pattern, channel })
    }
}
