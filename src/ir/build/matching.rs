//! Patterns and `match`.
//!
//! A pattern is a chain of tests that leave for a label when they fail and bind on the way. A run
//! of arms with dense int literals is one `Switch`.

use super::function::{Builder, Dest, LabelId, NO_VALUE, Storage};
use crate::class::ClassId;
use crate::ir::{BinaryOp, Const, Op, Terminator, ValueId};
use crate::lang::ast::Span;
use crate::lang::resolve::tree::{
    Arm, Expr, ExprKind, ListPattern, Match, Pattern, PatternKind, Target,
};

/// Fewer int literals are tested one after the other.
const SWITCH_LITERALS_MIN: usize = 4;
/// A `Switch` may have this many targets per literal.
const SWITCH_TARGETS_PER_LITERAL: usize = 4;

/// What a pattern is matched against.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Value(ValueId),
    /// A tuple literal that no pattern needs as one object.
    Tuple(Vec<ValueId>),
}

/// The literals of an arm, if int literals are all that it tests.
fn int_literals(arm: &Arm) -> Option<Vec<i64>> {
    if arm.guard.is_some() {
        return None;
    }
    let int = |pattern: &Pattern| match pattern.kind {
        PatternKind::Const(Const::Int(value)) => Some(value),
        _ => None,
    };
    match &arm.pattern.kind {
        PatternKind::Or(alternatives, _) => alternatives.iter().map(int).collect(),
        _ => int(&arm.pattern).map(|value| vec![value]),
    }
}

/// The literals of the arms, from the first on, that test nothing but int literals.
fn int_run(arms: &[Arm]) -> Vec<Vec<i64>> {
    arms.iter().map_while(int_literals).collect()
}

/// Whether one `Switch` should handle a run.
fn is_dense(run: &[Vec<i64>]) -> bool {
    let literals = || run.iter().flatten().copied();
    let (Some(min), Some(max)) = (literals().min(), literals().max()) else { return false };
    let count = literals().count();
    let targets = max.checked_sub(min).and_then(|span| usize::try_from(span).ok());
    let dense = |span| span < SWITCH_TARGETS_PER_LITERAL * count;
    count >= SWITCH_LITERALS_MIN && targets.is_some_and(dense)
}

impl Builder<'_> {
    /// Evaluates what patterns are matched against.
    pub(super) fn subject<'p>(
        &mut self,
        expr: &Expr,
        mut patterns: impl Iterator<Item = &'p Pattern>,
    ) -> Subject {
        let by_parts =
            |pattern: &Pattern| matches!(pattern.kind, PatternKind::Tuple(_) | PatternKind::Any);
        match &expr.kind {
            ExprKind::Tuple(items) if patterns.all(by_parts) => Subject::Tuple(self.values(items)),
            _ => Subject::Value(self.value(expr)),
        }
    }

    /// The subject as one value.
    fn subject_value(&mut self, subject: &Subject, span: Span) -> ValueId {
        match subject {
            Subject::Value(value) => *value,
            Subject::Tuple(items) => self.emit(Op::MakeTuple(items.clone()), span),
        }
    }

    /// Binds a pattern that should match; throws MatchFailure when it does not.
    pub(super) fn bind_pattern(&mut self, subject: &Subject, pattern: &Pattern) {
        if self.is_dead() {
            return;
        }
        if let (Subject::Value(value), PatternKind::Any | PatternKind::Bind(_)) =
            (subject, &pattern.kind)
        {
            if let PatternKind::Bind(target) = pattern.kind {
                self.bind_target(target, *value, pattern.span);
            }
            return;
        }
        let fail = self.label(0);
        self.test_subject(subject, pattern, fail);
        let good = self.label(0);
        self.jump(good, &[], pattern.span);
        self.in_cold(|this| this.match_failure(fail, subject, pattern.span));
        self.bind(good);
    }

    /// At `fail`: throws MatchFailure.
    fn match_failure(&mut self, fail: LabelId, subject: &Subject, span: Span) {
        self.bind(fail);
        let value = self.subject_value(subject, span);
        let native = self.natives.match_failure;
        self.emit(Op::CallNative(native, vec![value]), span);
        self.terminate(Terminator::Unreachable, span);
    }

    fn test_subject(&mut self, subject: &Subject, pattern: &Pattern, fail: LabelId) {
        match (subject, &pattern.kind) {
            (Subject::Value(value), _) => self.test(*value, pattern, fail),
            (Subject::Tuple(items), PatternKind::Tuple(parts)) if items.len() == parts.len() => {
                for (item, part) in items.iter().zip(parts) {
                    self.test(*item, part, fail);
                }
            }
            (Subject::Tuple(_), PatternKind::Any) => {}
            (Subject::Tuple(_), _) => self.jump(fail, &[], pattern.span),
        }
    }

    /// Goes to `fail` unless the value matches; binds on the way.
    fn test(&mut self, value: ValueId, pattern: &Pattern, fail: LabelId) {
        if self.is_dead() {
            return;
        }
        let span = pattern.span;
        match &pattern.kind {
            PatternKind::Any => {}
            PatternKind::Bind(target) => self.bind_target(*target, value, span),
            PatternKind::Const(constant) => {
                let constant = self.constant(constant.clone(), span);
                self.require(Op::Matches(value, constant), fail, span);
            }
            PatternKind::Range { start, end } => self.test_range(value, *start, *end, fail, span),
            PatternKind::Tuple(parts) => {
                self.require(Op::IsTuple(value, parts.len() as u32), fail, span);
                self.test_elements(value, (0..).zip(parts), fail);
            }
            PatternKind::Record(class, fields) => {
                self.require(Op::IsClass(value, *class), fail, span);
                let fields = fields.iter().map(|(slot, part)| (*slot, part));
                self.test_elements(value, fields, fail);
            }
            PatternKind::List(list) => self.test_list(value, list, fail, span),
            PatternKind::Or(alternatives, targets) => {
                self.test_alternatives(value, alternatives, targets, fail, span);
            }
        }
    }

    /// Goes to `fail` unless the test gives true.
    fn require(&mut self, test: Op, fail: LabelId, span: Span) {
        let ok = self.emit(test, span);
        self.branch_else(ok, fail, span);
    }

    fn test_elements<'p>(
        &mut self,
        value: ValueId,
        parts: impl Iterator<Item = (u32, &'p Pattern)>,
        fail: LabelId,
    ) {
        for (slot, part) in parts {
            if !matches!(part.kind, PatternKind::Any) {
                let element = self.emit(Op::Elem(value, slot), part.span);
                self.test(element, part, fail);
            }
        }
    }

    fn test_range(&mut self, value: ValueId, start: i64, end: i64, fail: LabelId, span: Span) {
        if start > end {
            return self.jump(fail, &[], span);
        }
        if !self.is_int(value) {
            self.require(Op::IsClass(value, ClassId::INT), fail, span);
        }
        let start = self.constant(Const::Int(start), span);
        self.require(Op::Binary(BinaryOp::Ge, value, start), fail, span);
        let end = self.constant(Const::Int(end), span);
        self.require(Op::Binary(BinaryOp::Le, value, end), fail, span);
    }

    fn test_list(&mut self, value: ValueId, list: &ListPattern, fail: LabelId, span: Span) {
        let (before, after) = (list.before.len() as u32, list.after.len() as u32);
        let at_least = list.rest.is_some();
        self.require(Op::IsList { value, len: before + after, at_least }, fail, span);
        for (index, part) in (0..).zip(&list.before) {
            self.test_item(value, index, false, part, fail);
        }
        for (index, part) in (0..after).rev().zip(&list.after) {
            self.test_item(value, index, true, part, fail);
        }
        if let Some(Some(target)) = list.rest {
            let rest = self.emit(Op::ListRest { list: value, before, after }, span);
            self.bind_target(target, rest, span);
        }
    }

    fn test_item(
        &mut self,
        list: ValueId,
        index: u32,
        from_end: bool,
        part: &Pattern,
        fail: LabelId,
    ) {
        if !matches!(part.kind, PatternKind::Any) {
            let item = self.emit(Op::ListElem { list, index, from_end }, part.span);
            self.test(item, part, fail);
        }
    }

    fn test_alternatives(
        &mut self,
        value: ValueId,
        alternatives: &[Pattern],
        targets: &[Target],
        fail: LabelId,
        span: Span,
    ) {
        let vars = targets.iter().filter(|target| matches!(target, Target::Var(_)));
        let vars: Vec<Target> = vars.copied().collect();
        let ok = self.label(vars.len());
        let Some((last, first)) = alternatives.split_last() else { return };
        for alternative in first {
            let next = self.label(0);
            self.test(value, alternative, next);
            self.matched(ok, &vars, span);
            self.bind(next);
        }
        self.test(value, last, fail);
        self.matched(ok, &vars, span);
        let values = self.bind(ok);
        for (target, value) in vars.iter().zip(values) {
            self.bind_target(*target, value, span);
        }
    }

    /// Jumps to `ok` with what an alternative has bound.
    fn matched(&mut self, ok: LabelId, vars: &[Target], span: Span) {
        if self.is_dead() {
            return;
        }
        let bound = vars.iter().map(|target| match target {
            Target::Var(var) => match self.storage[var.index()] {
                Storage::Value(value) => value,
                _ => NO_VALUE,
            },
            Target::Global(_) => NO_VALUE,
        });
        let bound: Vec<ValueId> = bound.collect();
        self.jump(ok, &bound, span);
    }

    pub(super) fn match_expr(&mut self, node: &Match, dest: Dest) -> ValueId {
        let patterns = node.arms.iter().map(|arm| &arm.pattern);
        let subject = self.subject(&node.scrutinee, patterns);
        if self.is_dead() {
            return NO_VALUE;
        }
        let end = self.join(dest);
        let fail = self.arms(&subject, &node.arms, end, dest);
        let scrutinee = node.scrutinee.span;
        self.in_cold(|this| this.match_failure(fail, &subject, scrutinee));
        self.bind_join(end)
    }

    /// Tries the arms in order; each goes to `end`. Returns where to go when none matches; the
    /// place is dead.
    pub(super) fn arms(
        &mut self,
        subject: &Subject,
        arms: &[Arm],
        end: LabelId,
        dest: Dest,
    ) -> LabelId {
        let mut fail = self.label(0);
        self.jump(fail, &[], Span::default());
        let mut rest = arms;
        // Where the run of arms that has been looked at last ends: it is looked at once.
        let mut run_end = arms.len();
        while let Some((arm, others)) = rest.split_first() {
            self.bind(fail);
            if self.is_dead() {
                // Nothing gets past the arms before: the label stays without edges.
                break;
            }
            if let (Subject::Value(value), true) = (subject, rest.len() <= run_end) {
                let run = int_run(rest);
                run_end = rest.len() - run.len().max(1);
                if is_dense(&run) {
                    let (now, later) = rest.split_at(run.len());
                    fail = self.switch_arms(*value, now, &run, end, dest);
                    rest = later;
                    continue;
                }
            }
            fail = self.label(0);
            self.arm(subject, arm, fail, end, dest);
            rest = others;
        }
        fail
    }

    fn arm(&mut self, subject: &Subject, arm: &Arm, fail: LabelId, end: LabelId, dest: Dest) {
        self.test_subject(subject, &arm.pattern, fail);
        if let Some(guard) = &arm.guard {
            let ok = self.label(0);
            self.cond(guard, ok, fail);
            self.bind(ok);
        }
        self.arm_body(arm, end, dest);
    }

    fn arm_body(&mut self, arm: &Arm, end: LabelId, dest: Dest) {
        let value = self.lower(&arm.body, dest);
        self.leave_to(end, value, dest, arm.body.span);
    }

    /// A run of arms with int literals as one `Switch`.
    fn switch_arms(
        &mut self,
        value: ValueId,
        arms: &[Arm],
        run: &[Vec<i64>],
        end: LabelId,
        dest: Dest,
    ) -> LabelId {
        let span = arms[0].pattern.span;
        let fail = self.label(0);
        let labels: Vec<LabelId> = arms.iter().map(|_| self.label(0)).collect();
        let literals = || {
            let arms = labels.iter().zip(run);
            arms.flat_map(|(label, literals)| literals.iter().map(|literal| (*literal, *label)))
        };
        let min = literals().map(|(literal, _)| literal).min().unwrap_or(0);
        let max = literals().map(|(literal, _)| literal).max().unwrap_or(0);
        let mut targets = vec![None; (max - min) as usize + 1];
        for (literal, label) in literals() {
            targets[(literal - min) as usize].get_or_insert(label);
        }
        let targets: Vec<LabelId> = targets.iter().map(|label| label.unwrap_or(fail)).collect();
        if self.is_int(value) {
            self.switch(value, min, &targets, fail, span);
        } else {
            let odd = self.label(0);
            self.switch(value, min, &targets, odd, span);
            let literals: Vec<(i64, LabelId)> = literals().collect();
            self.in_cold(|this| this.switch_float(value, odd, &literals, fail, span));
        }
        for (label, arm) in labels.iter().zip(arms) {
            self.bind(*label);
            self.arm_body(arm, end, dest);
        }
        fail
    }

    /// `Switch` knows only ints, but 1.0 matches the literal 1.
    fn switch_float(
        &mut self,
        value: ValueId,
        odd: LabelId,
        literals: &[(i64, LabelId)],
        fail: LabelId,
        span: Span,
    ) {
        self.bind(odd);
        self.require(Op::IsClass(value, ClassId::FLOAT), fail, span);
        for (literal, arm) in literals {
            let literal = self.constant(Const::Int(*literal), span);
            let equal = self.emit(Op::Matches(value, literal), span);
            let next = self.label(0);
            self.branch(equal, *arm, next, span);
            self.bind(next);
        }
        self.jump(fail, &[], span);
    }
}
