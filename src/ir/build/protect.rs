//! Protected regions: `try`, `arena`, `scope`.
//!
//! A `finally` is compiled once, as a block with two parameters: how the protected code ended (an
//! index into the list of completions that occur) and the value that goes with it. Every way out
//! jumps there; after it a `Switch` goes on with what was interrupted. What a protected region
//! assigns outside of itself lives in slots and cells (rule R5), so all these ways agree on the
//! SSA variables.

use super::function::{Builder, Dest, Exit, LabelId, NO_VALUE};
use super::matching::Subject;
use crate::ir::{BlockId, Const, Op, Terminator, ValueId};
use crate::lang::ast::Span;
use crate::lang::resolve::tree::{Arm, Block, Try};

/// How protected code can end. `break` and `continue` mean the innermost loop around.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Completion {
    Normal,
    Error,
    Return,
    Break,
    Continue,
}

/// Code that [`Builder::protect`] calls back.
type Part<'p, 't> = &'p mut dyn FnMut(&mut Builder<'t>) -> ValueId;

impl<'t> Builder<'t> {
    /// Leaves what is around the current place: ends arenas, runs `finally`s, then returns or goes
    /// to the loop.
    pub(super) fn complete(&mut self, completion: Completion, value: ValueId, span: Span) {
        if self.is_dead() {
            return;
        }
        let mut value = value;
        for index in (0..self.exits.len()).rev() {
            match &self.exits[index] {
                Exit::Loop(around) => match completion {
                    Completion::Break => {
                        let around = around.clone();
                        return self.leave_loop(&around, value, span);
                    }
                    Completion::Continue => {
                        let around = around.clone();
                        return self.continue_loop(&around, span);
                    }
                    _ => {}
                },
                Exit::Finally { .. } => {
                    return self.enter_finally(index, completion, value, span);
                }
                Exit::Arena { token, outer } => {
                    value = self.leave_arena(*token, *outer, value, span);
                }
            }
        }
        debug_assert_eq!(completion, Completion::Return);
        self.terminate(Terminator::Return(value), span);
    }

    fn enter_finally(&mut self, index: usize, completion: Completion, value: ValueId, span: Span) {
        if self.is_dead() {
            return;
        }
        let Exit::Finally { label, completions } = &mut self.exits[index] else { return };
        let label = *label;
        let kind = completions.iter().position(|known| *known == completion);
        let kind = kind.unwrap_or_else(|| {
            completions.push(completion);
            completions.len() - 1
        });
        let value = if value == NO_VALUE { self.constant(Const::Nil, span) } else { value };
        let kind = self.constant(Const::Int(kind as i64), span);
        self.jump(label, &[kind, value], span);
    }

    /// `RegionLeave`, outside of the arena's own protection.
    fn leave_arena(
        &mut self,
        token: ValueId,
        outer: Option<BlockId>,
        value: ValueId,
        span: Span,
    ) -> ValueId {
        let inner = std::mem::replace(&mut self.handler, outer);
        let outside = self.new_block();
        self.handler = inner;
        self.terminate(Terminator::Jump(outside, Vec::new()), span);
        self.start(outside);
        let value = if value == NO_VALUE { self.constant(Const::Nil, span) } else { value };
        self.emit(Op::RegionLeave(token, value), span)
    }

    /// Enters a protected region; returns its handler and the thrown value there.
    fn enter_region(&mut self, span: Span) -> (BlockId, ValueId) {
        let handler = self.new_block();
        let thrown = self.add_param(handler);
        self.handler = Some(handler);
        let body = self.new_block();
        self.terminate(Terminator::Try { body, handler }, span);
        self.start(body);
        (handler, thrown)
    }

    pub(super) fn try_expr(&mut self, node: &Try, dest: Dest, span: Span) -> ValueId {
        let Some(finally) = &node.finally else {
            return self.try_catch(&node.body, &node.catches, dest, span);
        };
        let inner = inner_dest(dest);
        let mut body = |this: &mut Builder<'t>| match node.catches.as_slice() {
            [] => this.block(&node.body, inner),
            catches => this.try_catch(&node.body, catches, inner, span),
        };
        let mut last = |this: &mut Builder<'t>| this.block(finally, Dest::Effect);
        self.protect(&mut body, &mut last, None, dest, span)
    }

    fn try_catch(&mut self, body: &Block, catches: &[Arm], dest: Dest, span: Span) -> ValueId {
        let end = self.join(dest);
        let point = self.checkpoint();
        let outer = self.handler;
        let (handler, thrown) = self.enter_region(span);
        let value = self.block(body, dest);
        self.leave_to(end, value, dest, span);
        self.handler = outer;
        self.in_cold(|this| {
            this.rollback(point);
            this.start(handler);
            let fail = this.arms(&Subject::Value(thrown), catches, end, dest);
            this.bind(fail);
            this.terminate(Terminator::Throw(thrown), span);
        });
        self.bind_join(end)
    }

    /// Runs `last` on every way out of `body`. A task `scope` hears of an error before that, and has
    /// the last word after it.
    fn protect(
        &mut self,
        body: Part<'_, 't>,
        last: Part<'_, 't>,
        scope: Option<ValueId>,
        dest: Dest,
        span: Span,
    ) -> ValueId {
        let label = self.label(2);
        let point = self.checkpoint();
        let outer = self.handler;
        let (handler, thrown) = self.enter_region(span);
        self.exits.push(Exit::Finally { label, completions: Vec::new() });
        let own = self.exits.len() - 1;
        let value = body(self);
        let value = if dest == Dest::Effect { NO_VALUE } else { value };
        self.enter_finally(own, Completion::Normal, value, span);
        self.handler = outer;
        self.in_cold(|this| {
            this.rollback(point);
            this.start(handler);
            if let Some(scope) = scope {
                let cancel = this.natives.scope_cancel;
                this.emit(Op::CallNative(cancel, vec![scope]), span);
            }
            this.enter_finally(own, Completion::Error, thrown, span);
        });
        let Some(Exit::Finally { completions, .. }) = self.exits.pop() else {
            unreachable!("the exits are nested")
        };
        let params = self.bind(label);
        last(self);
        if self.is_dead() {
            return NO_VALUE;
        }
        self.dispatch(&completions, (params[0], params[1]), scope, dest, span)
    }

    /// Goes on with what a `finally` interrupted.
    fn dispatch(
        &mut self,
        completions: &[Completion],
        (kind, value): (ValueId, ValueId),
        scope: Option<ValueId>,
        dest: Dest,
        span: Span,
    ) -> ValueId {
        let labels: Vec<LabelId> = completions.iter().map(|_| self.label(0)).collect();
        match labels.as_slice() {
            [only] => self.jump(*only, &[], span),
            // The error is the last one, so anything else cannot happen.
            [first @ .., last] => self.switch(kind, 0, first, *last, span),
            [] => return NO_VALUE,
        }
        let mut normal = None;
        for (completion, label) in completions.iter().zip(labels) {
            if *completion == Completion::Normal {
                normal = Some(label);
                continue;
            }
            self.bind(label);
            if *completion == Completion::Error {
                let error = self.scope_error(scope, value, span);
                self.terminate(Terminator::Throw(error), span);
                continue;
            }
            self.scope_check(scope, span);
            self.complete(*completion, value, span);
        }
        let Some(normal) = normal else { return NO_VALUE };
        self.bind(normal);
        self.scope_check(scope, span);
        self.deliver(value, dest, span)
    }

    fn scope_check(&mut self, scope: Option<ValueId>, span: Span) {
        if let Some(scope) = scope {
            let check = self.natives.scope_check;
            self.emit(Op::CallNative(check, vec![scope]), span);
        }
    }

    fn scope_error(&mut self, scope: Option<ValueId>, error: ValueId, span: Span) -> ValueId {
        let Some(scope) = scope else { return error };
        let rethrow = self.natives.scope_error;
        self.emit(Op::CallNative(rethrow, vec![scope, error]), span)
    }

    pub(super) fn arena(&mut self, body: &Block, dest: Dest, span: Span) -> ValueId {
        let token = self.emit(Op::RegionEnter, span);
        let end = self.label(1);
        let point = self.checkpoint();
        let outer = self.handler;
        let (handler, thrown) = self.enter_region(span);
        self.exits.push(Exit::Arena { token, outer });
        let value = self.block(body, inner_dest(dest));
        let value = if dest == Dest::Effect { self.constant(Const::Nil, span) } else { value };
        self.jump(end, &[value], span);
        self.exits.pop();
        self.handler = outer;
        self.in_cold(|this| {
            this.rollback(point);
            this.start(handler);
            let thrown = this.emit(Op::RegionLeave(token, thrown), span);
            this.terminate(Terminator::Throw(thrown), span);
        });
        let value = self.bind(end)[0];
        let value = self.emit(Op::RegionLeave(token, value), span);
        self.deliver(value, dest, span)
    }

    pub(super) fn task_scope(&mut self, body: &Block, dest: Dest, span: Span) -> ValueId {
        let natives = self.natives;
        let scope = self.emit(Op::CallNative(natives.scope_new, Vec::new()), span);
        let mut inside = |this: &mut Builder<'t>| {
            this.scopes.push(scope);
            let value = this.block(body, inner_dest(dest));
            this.scopes.pop();
            value
        };
        let mut join = |this: &mut Builder<'t>| {
            this.emit(Op::CallNative(natives.scope_join, vec![scope]), span)
        };
        self.protect(&mut inside, &mut join, Some(scope), dest, span)
    }
}

/// The destination of a body whose value passes through the end of its region.
fn inner_dest(dest: Dest) -> Dest {
    match dest {
        Dest::Effect => Dest::Effect,
        Dest::Value | Dest::Tail => Dest::Value,
    }
}
