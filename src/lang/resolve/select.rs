//! `select` becomes a call and a `match` on the number of the case that happened:
//!
//! ```text
//! select {                             match %select(0, a, nil, 1, b, x, 2, ms) {
//!     v = a.recv() => f(v)                 0 => { let v = %select_value(); f(v) }
//!     b.send(x) => g()                     1 => g()
//!     after ms => h()                      _ => h()
//! }                                    }
//! ```
//!
//! Channels and values are evaluated in source order before anything is tried.

use super::Resolver;
use super::tree::{self, Arm, Block, Expr, ExprKind, Match, Pattern, PatternKind, Stmt};
use crate::builtins::channels::{Otherwise, Side};
use crate::ir::Const;
use crate::lang::ast::{SelectArm, SelectEvent, Span};

fn int(value: i64, span: Span) -> Expr {
    Expr { kind: ExprKind::Const(Const::Int(value)), span }
}

impl Resolver<'_> {
    pub(super) fn select(&mut self, arms: &[SelectArm], span: Span) -> ExprKind {
        let mut otherwise = (Otherwise::Wait, tree::nil(span));
        let mut cases = Vec::new();
        for arm in arms {
            match &arm.event {
                SelectEvent::Receive { channel, .. } => {
                    let channel = self.expr(channel);
                    cases.extend([int(Side::Receive as i64, span), channel, tree::nil(span)]);
                }
                SelectEvent::Send { channel, value } => {
                    let (channel, value) = (self.expr(channel), self.expr(value));
                    cases.extend([int(Side::Send as i64, span), channel, value]);
                }
                SelectEvent::After(ms) => otherwise = (Otherwise::After, self.expr(ms)),
                SelectEvent::Else => otherwise.0 = Otherwise::Else,
            }
        }
        cases.extend([int(otherwise.0 as i64, span), otherwise.1]);
        let scrutinee = self.own_native("%select", cases, span);
        let arms = (0..).zip(arms).map(|(n, arm)| self.select_arm(n, n + 1 == arms.len(), arm));
        let arms = arms.collect();
        ExprKind::Match(Box::new(Match { scrutinee, arms }))
    }

    /// The last arm is taken by whatever is left, so that the `match` is complete.
    fn select_arm(&mut self, n: usize, last: bool, arm: &SelectArm) -> Arm {
        let span = arm.body.span;
        let kind = match last {
            true => PatternKind::Any,
            false => PatternKind::Const(Const::Int(n as i64)),
        };
        let SelectEvent::Receive { pattern, .. } = &arm.event else {
            let body = self.expr(&arm.body);
            return Arm { pattern: Pattern { kind, span }, guard: None, body };
        };
        let scope = self.open_scope();
        let value = self.own_native("%select_value", Vec::new(), span);
        let received = match pattern {
            Some(pattern) => Stmt::Let(self.local_pattern(pattern), value),
            None => Stmt::Expr(value),
        };
        let tail = Some(self.expr(&arm.body));
        self.close_scope(scope);
        let block = Block { stmts: vec![received], tail, span, fns: Vec::new() };
        let body = Expr { kind: ExprKind::Block(Box::new(block)), span };
        Arm { pattern: Pattern { kind, span }, guard: None, body }
    }

    /// A call of one of the compiler's own builtins.
    fn own_native(&mut self, name: &str, args: Vec<Expr>, span: Span) -> Expr {
        let name = self.tree.names.intern(name);
        let native = self.native_ids[&name];
        Expr { kind: ExprKind::CallNative(native, args), span }
    }
}
