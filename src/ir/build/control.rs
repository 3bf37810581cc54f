//! Conditions, `if`, loops and the jumps out of them.

use super::function::{Builder, Dest, Exit, LabelId, LoopExit, NO_VALUE, Storage};
use super::protect::Completion;
use crate::class::ClassId;
use crate::ir::{BinaryOp, BlockId, Const, Op, Terminator, UnaryOp, ValueId};
use crate::lang::ast::Span;
use crate::lang::resolve::tree::{Expr, ExprKind, For, If, Loop, Pattern, RangeExpr, VarId, While};

/// The truth of a constant.
fn truth(constant: &Const) -> bool {
    !matches!(constant, Const::Nil | Const::Bool(false))
}

impl Builder<'_> {
    // Conditions.

    /// Goes to `then` if the expression is true, else to `otherwise`.
    pub(super) fn cond(&mut self, expr: &Expr, then: LabelId, otherwise: LabelId) {
        if self.is_dead() {
            return;
        }
        match &expr.kind {
            ExprKind::Const(constant) => {
                let target = if truth(constant) { then } else { otherwise };
                self.jump(target, &[], expr.span);
            }
            ExprKind::Unary(UnaryOp::Not, operand) => self.cond(operand, otherwise, then),
            ExprKind::And(operands) => {
                let (last, first) = operands.split_last().expect("at least two operands");
                for operand in first {
                    let next = self.label(0);
                    self.cond(operand, next, otherwise);
                    self.bind(next);
                }
                self.cond(last, then, otherwise);
            }
            ExprKind::Or(operands) => {
                let (last, first) = operands.split_last().expect("at least two operands");
                for operand in first {
                    let next = self.label(0);
                    self.cond(operand, then, next);
                    self.bind(next);
                }
                self.cond(last, then, otherwise);
            }
            ExprKind::Block(block) => {
                self.statements(block);
                match &block.tail {
                    Some(tail) => self.cond(tail, then, otherwise),
                    None => self.jump(otherwise, &[], expr.span),
                }
            }
            _ => {
                let value = self.value(expr);
                self.branch(value, then, otherwise, expr.span);
            }
        }
    }

    pub(super) fn and(&mut self, operands: &[Expr], dest: Dest, span: Span) -> ValueId {
        self.short_circuit(operands, dest, span, true)
    }

    pub(super) fn or(&mut self, operands: &[Expr], dest: Dest, span: Span) -> ValueId {
        self.short_circuit(operands, dest, span, false)
    }

    /// `a && b` (`go_on`: when true) or `a || b`: the last value evaluated.
    fn short_circuit(&mut self, operands: &[Expr], dest: Dest, span: Span, go_on: bool) -> ValueId {
        let (last, first) = operands.split_last().expect("at least two operands");
        let wants_value = usize::from(dest != Dest::Effect);
        let end = self.label(wants_value);
        for operand in first {
            let next = self.label(0);
            if dest == Dest::Effect {
                let (then, otherwise) = if go_on { (next, end) } else { (end, next) };
                self.cond(operand, then, otherwise);
            } else {
                let value = self.value(operand);
                let done = self.label(0);
                let (then, otherwise) = if go_on { (next, done) } else { (done, next) };
                self.branch(value, then, otherwise, operand.span);
                self.bind(done);
                self.jump(end, &[value], span);
            }
            self.bind(next);
        }
        let value = self.lower(last, dest);
        match dest {
            Dest::Effect => self.jump(end, &[], span),
            _ => self.jump(end, &[value], span),
        }
        let result = self.bind(end);
        match result.first() {
            Some(&value) => self.deliver(value, dest, span),
            None => NO_VALUE,
        }
    }

    pub(super) fn if_chain(&mut self, node: &If, dest: Dest, span: Span) -> ValueId {
        let end = self.join(dest);
        for (cond, body) in &node.arms {
            let (then, next) = (self.label(0), self.label(0));
            self.cond(cond, then, next);
            self.bind(then);
            if !self.is_dead() {
                let value = self.block(body, dest);
                self.leave_to(end, value, dest, span);
            }
            self.bind(next);
        }
        if !self.is_dead() {
            let value = match &node.otherwise {
                Some(otherwise) => self.lower(otherwise, dest),
                None => self.deliver_nil(dest, span),
            };
            self.leave_to(end, value, dest, span);
        }
        self.bind_join(end)
    }

    /// A label for the end of several ways: it takes the value if that is used.
    pub(super) fn join(&mut self, dest: Dest) -> LabelId {
        self.label(usize::from(dest == Dest::Value))
    }

    pub(super) fn leave_to(&mut self, end: LabelId, value: ValueId, dest: Dest, span: Span) {
        match dest {
            Dest::Value => self.jump(end, &[value], span),
            Dest::Effect => self.jump(end, &[], span),
            Dest::Tail => debug_assert!(self.is_dead(), "tail position returns"),
        }
    }

    pub(super) fn bind_join(&mut self, end: LabelId) -> ValueId {
        self.bind(end).first().copied().unwrap_or(NO_VALUE)
    }

    // Loops.

    /// The SSA variables among those that a loop assigns.
    fn loop_vars(&self, assigned: &[VarId]) -> Vec<u32> {
        let states = assigned.iter().filter_map(|var| match self.storage[var.index()] {
            Storage::State(state) => Some(state),
            _ => None,
        });
        states.collect()
    }

    /// Jumps to a new loop header (not laid out yet) with these arguments and the variables.
    fn enter_loop(&mut self, extra: &[ValueId], vars: &[u32], span: Span) -> BlockId {
        let header = self.new_block();
        self.jump_to_header(header, extra, vars, span);
        header
    }

    fn jump_to_header(&mut self, header: BlockId, extra: &[ValueId], vars: &[u32], span: Span) {
        let mut args = extra.to_vec();
        args.extend(vars.iter().map(|var| self.read_state(*var)));
        self.terminate(Terminator::Jump(header, args), span);
    }

    /// Starts a loop header; returns its first `extra` parameters.
    fn start_header(&mut self, header: BlockId, extra: usize, vars: &[u32]) -> Vec<ValueId> {
        self.start(header);
        let params = (0..extra).map(|_| self.add_param(header)).collect();
        for &var in vars {
            let param = self.add_param(header);
            self.write_state(var, param);
        }
        params
    }

    /// Lowers the inside of a loop with its exits known.
    fn in_loop(&mut self, exit: LoopExit, body: impl FnOnce(&mut Self)) {
        self.exits.push(Exit::Loop(exit));
        body(self);
        self.exits.pop();
    }

    pub(super) fn while_loop(&mut self, node: &While, dest: Dest, span: Span) -> ValueId {
        let exit = self.label(0);
        let vars = self.loop_vars(&node.assigned);
        let header = self.enter_loop(&[], &vars, span);
        let endless = matches!(&node.cond.kind, ExprKind::Const(constant) if truth(constant));
        let first = self.layout.len();
        self.start_header(header, 0, &vars);
        let around = LoopExit {
            header,
            vars: vars.clone(),
            extra: Vec::new(),
            step: None,
            exit,
            has_value: false,
        };
        self.in_loop(around, |this| {
            let body = this.label(0);
            this.cond(&node.cond, body, exit);
            let test_end = this.layout.len();
            this.bind(body);
            this.block(&node.body, Dest::Effect);
            this.jump_to_header(header, &[], &vars, span);
            if !endless {
                this.layout[first..].rotate_left(test_end - first);
            }
        });
        self.bind(exit);
        self.deliver_nil(dest, span)
    }

    pub(super) fn endless_loop(&mut self, node: &Loop, dest: Dest, span: Span) -> ValueId {
        let wants_value = dest != Dest::Effect;
        let exit = self.label(usize::from(wants_value));
        let vars = self.loop_vars(&node.assigned);
        let header = self.enter_loop(&[], &vars, span);
        self.start_header(header, 0, &vars);
        let around = LoopExit {
            header,
            vars: vars.clone(),
            extra: Vec::new(),
            step: None,
            exit,
            has_value: wants_value,
        };
        self.in_loop(around, |this| {
            this.block(&node.body, Dest::Effect);
            this.jump_to_header(header, &[], &vars, span);
        });
        match self.bind(exit).first() {
            Some(&value) => self.deliver(value, dest, span),
            None => NO_VALUE,
        }
    }

    pub(super) fn for_loop(&mut self, node: &For, dest: Dest, span: Span) -> ValueId {
        match &node.iterable.kind {
            ExprKind::Range(range) => self.for_range(node, range),
            _ => self.for_each(node),
        }
        self.deliver_nil(dest, span)
    }

    /// `for x in a..b`: int arithmetic.
    fn for_range(&mut self, node: &For, range: &RangeExpr) {
        let start = self.value(&range.start);
        let bound = match (&range.end.kind, range.inclusive) {
            (ExprKind::Const(Const::Int(end)), false) => Bound::Known(*end),
            (ExprKind::Const(Const::Int(end)), true) if *end < i64::MAX => Bound::Known(*end + 1),
            _ => Bound::Value(self.value(&range.end)),
        };
        let span = node.iterable.span;
        self.check_ints(start, bound, range, span);
        if self.is_dead() {
            return;
        }
        match bound {
            Bound::Value(last) if range.inclusive => self.count_through(node, start, last, span),
            _ => self.count_below(node, start, bound, span),
        }
    }

    /// Raises TypeMismatch unless both ends of a range are ints.
    fn check_ints(&mut self, start: ValueId, bound: Bound, range: &RangeExpr, span: Span) {
        let end = match bound {
            Bound::Value(end) => Some(end),
            Bound::Known(_) => None,
        };
        let unsure: Vec<ValueId> =
            std::iter::once(start).chain(end).filter(|value| !self.is_int(*value)).collect();
        for value in unsure {
            let ok = self.emit(Op::IsClass(value, ClassId::INT), span);
            let bad = self.label(0);
            self.branch_else(ok, bad, span);
            if self.is_dead() {
                return;
            }
            let good = self.label(0);
            self.jump(good, &[], span);
            self.in_cold(|this| {
                this.bind(bad);
                let end = match end {
                    Some(end) => end,
                    None => this.value(&range.end),
                };
                let native = this.natives.check_range;
                this.emit(Op::CallNative(native, vec![start, end]), span);
                this.terminate(Terminator::Unreachable, span);
            });
            self.bind(good);
        }
    }

    /// From `start` while less than `bound`: the test, at the bottom, is the header.
    fn count_below(&mut self, node: &For, start: ValueId, bound: Bound, span: Span) {
        let exit = self.label(0);
        let vars = self.loop_vars(&node.assigned);
        let header = self.enter_loop(&[start], &vars, span);
        let first = self.layout.len();
        let i = self.start_header(header, 1, &vars)[0];
        self.set_int(i);
        let bound = match bound {
            Bound::Known(end) => self.constant(Const::Int(end), span),
            Bound::Value(end) => end,
        };
        let go_on = self.binary(BinaryOp::Lt, i, bound, span);
        let body = self.label(0);
        self.branch(go_on, body, exit, span);
        let test_end = self.layout.len();
        self.bind(body);
        self.counted_body(node, header, i, &vars, exit);
        let one = self.constant(Const::Int(1), span);
        let next = self.binary(BinaryOp::Add, i, one, span);
        self.jump_to_header(header, &[next], &vars, span);
        self.layout[first..].rotate_left(test_end - first);
        self.bind(exit);
    }

    /// From `start` through `last`, which may be the greatest int: the body is the header, the test
    /// at the bottom goes to the step, which is laid out above the body and falls into it.
    fn count_through(&mut self, node: &For, start: ValueId, last: ValueId, span: Span) {
        let exit = self.label(0);
        let vars = self.loop_vars(&node.assigned);
        let any = self.binary(BinaryOp::Le, start, last, span);
        self.branch_else(any, exit, span);
        let header = self.enter_loop(&[start], &vars, span);
        let first = self.layout.len();
        let i = self.start_header(header, 1, &vars)[0];
        self.set_int(i);
        self.counted_body(node, header, i, &vars, exit);
        let go_on = self.binary(BinaryOp::Lt, i, last, span);
        let step = self.label(0);
        self.branch(go_on, step, exit, span);
        let body_end = self.layout.len();
        self.bind(step);
        let one = self.constant(Const::Int(1), span);
        let next = self.binary(BinaryOp::Add, i, one, span);
        self.jump_to_header(header, &[next], &vars, span);
        self.layout[first..].rotate_left(body_end - first);
        self.bind(exit);
    }

    /// The body of a counting loop, up to where it steps.
    fn counted_body(
        &mut self,
        node: &For,
        header: BlockId,
        i: ValueId,
        vars: &[u32],
        exit: LabelId,
    ) {
        let step = self.label(0);
        let around = LoopExit {
            header,
            vars: vars.to_vec(),
            extra: Vec::new(),
            step: Some(step),
            exit,
            has_value: false,
        };
        self.in_loop(around, |this| {
            this.loop_body(&node.pattern, i, node);
            this.jump(step, &[], node.body.span);
        });
        self.bind(step);
    }

    fn loop_body(&mut self, pattern: &Pattern, element: ValueId, node: &For) {
        self.bind_pattern(&super::matching::Subject::Value(element), pattern);
        self.block(&node.body, Dest::Effect);
    }

    /// `for x in source`: the iteration protocol.
    fn for_each(&mut self, node: &For) {
        let span = node.iterable.span;
        let source = self.value(&node.iterable);
        let position = self.emit(Op::IterStart(source), span);
        if self.is_dead() {
            return;
        }
        let exit = self.label(0);
        let vars = self.loop_vars(&node.assigned);
        let header = self.enter_loop(&[position], &vars, span);
        let first = self.layout.len();
        let position = self.start_header(header, 1, &vars)[0];
        let done = self.emit(Op::IterDone(source, position), span);
        let body = self.label(0);
        self.branch(done, exit, body, span);
        let test_end = self.layout.len();
        self.bind(body);
        let element = self.emit(Op::IterGet(source, position), span);
        let next = self.emit(Op::IterNext(source, position), span);
        let around = LoopExit {
            header,
            vars: vars.clone(),
            extra: vec![next],
            step: None,
            exit,
            has_value: false,
        };
        self.in_loop(around, |this| {
            this.loop_body(&node.pattern, element, node);
            this.jump_to_header(header, &[next], &vars, span);
        });
        self.layout[first..].rotate_left(test_end - first);
        self.bind(exit);
    }

    // Jumps out.

    pub(super) fn break_expr(&mut self, value: Option<&Expr>, span: Span) -> ValueId {
        let has_value = self.exits.iter().rev().find_map(|exit| match exit {
            Exit::Loop(around) => Some(around.has_value),
            _ => None,
        });
        let value = match (value, has_value) {
            (Some(value), Some(true)) => self.value(value),
            (None, Some(true)) => self.constant(Const::Nil, span),
            (Some(value), _) => {
                self.effect(value);
                NO_VALUE
            }
            (None, _) => NO_VALUE,
        };
        self.complete(Completion::Break, value, span);
        NO_VALUE
    }

    pub(super) fn continue_expr(&mut self, span: Span) -> ValueId {
        self.complete(Completion::Continue, NO_VALUE, span);
        NO_VALUE
    }

    pub(super) fn return_expr(&mut self, value: Option<&Expr>, span: Span) -> ValueId {
        let intercepted = self.exits.iter().any(|exit| !matches!(exit, Exit::Loop(_)));
        match value {
            Some(value) if !intercepted => {
                self.lower(value, Dest::Tail);
            }
            Some(value) => {
                let result = self.value(value);
                self.complete(Completion::Return, result, value.span);
            }
            None => {
                let nil = self.constant(Const::Nil, span);
                self.complete(Completion::Return, nil, span);
            }
        }
        NO_VALUE
    }

    /// Leaves the innermost loop by `break` (with a value if it wants one).
    pub(super) fn leave_loop(&mut self, around: &LoopExit, value: ValueId, span: Span) {
        match around.has_value {
            true => self.jump(around.exit, &[value], span),
            false => self.jump(around.exit, &[], span),
        }
    }

    /// Goes on with the innermost loop's next iteration.
    pub(super) fn continue_loop(&mut self, around: &LoopExit, span: Span) {
        match around.step {
            Some(step) => self.jump(step, &[], span),
            None => self.jump_to_header(around.header, &around.extra, &around.vars, span),
        }
    }
}

/// The end of a counting loop.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// An int, one past the last.
    Known(i64),
    Value(ValueId),
}
