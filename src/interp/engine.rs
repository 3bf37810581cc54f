//! The two dispatch engines: tail calls between handlers, and one loop with a `match`.
//!
//! Both are generated from the op table over the same fast bodies. Tail calls are what makes the
//! interpreter fast (one indirect jump per op, state in registers), but they need an optimised
//! build: `build.rs` sets `cfg(tail_calls)`. A test pins that no handler grows the host stack, and
//! a script checks that every handler of a release binary ends in a jump.

use super::handlers as h;
use super::shortcuts::{Next, call_builtin};
use super::slow::slow;
use super::{Ctx, Outcome, R, Resume, St};
use crate::bytecode::ops::Op;
use crate::for_each_op;
use crate::heap::{Heap, Mutator};
use crate::value::Value;

/// Which engine runs the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Handlers call one another in tail position.
    #[cfg(tail_calls)]
    Tail,
    /// One loop, one `match`.
    Loop,
}

impl Default for Engine {
    fn default() -> Self {
        #[cfg(tail_calls)]
        return Engine::Tail;
        #[cfg(not(tail_calls))]
        Engine::Loop
    }
}

impl Engine {
    /// The engines of this build.
    pub const ALL: &'static [Engine] = &[
        #[cfg(tail_calls)]
        Engine::Tail,
        Engine::Loop,
    ];
}

/// Runs from `s` until the slice ends; the outcome is in the context. Returns the reductions.
///
/// # Safety
/// `s` is the state of a task of verified code (E3).
pub(super) unsafe fn run<H: Heap>(engine: Engine, s: St<H>) -> u64 {
    // A constant: heaps behind wrappers do not even instantiate the other engine's handlers.
    #[cfg(tail_calls)]
    if <H::Mutator as Mutator>::INLINE && engine == Engine::Tail {
        // SAFETY: by the caller.
        return unsafe { tail::go(s) };
    }
    let _ = engine;
    // SAFETY: by the caller.
    unsafe { run_loop(s.pc, s.base, s.reds, s.ctx) }
}

/// What a call of a builtin adds to the reductions: methods are polled, because a class of the program
/// may have one of that name.
#[inline(always)]
fn counts_reduction(w: u64) -> u64 {
    u64::from(w as u8 == Op::CallMethod as u8)
}

#[cfg(tail_calls)]
mod tail {
    use super::*;

    type Handler<H> =
        unsafe extern "sysv64" fn(u64, *const u64, *mut Value, u64, *mut Ctx<H>) -> u64;

    struct Table<H: Heap>(std::marker::PhantomData<H>);

    /// Fetches and jumps.
    #[inline(always)]
    pub(super) unsafe fn go<H: Heap>(s: St<H>) -> u64 {
        // SAFETY: verified code ends in a stopping op, so pc is at a word whose op is in the table.
        unsafe {
            let w = *s.pc;
            Table::<H>::T.get_unchecked(w as u8 as usize)(w, s.pc.add(1), s.base, s.reds, s.ctx)
        }
    }

    /// Redoes an instruction in the slow path and goes on.
    #[cold]
    #[inline(never)]
    unsafe extern "sysv64" fn redo<H: Heap>(
        w: u64,
        pc: *const u64,
        base: *mut Value,
        reds: u64,
        ctx: *mut Ctx<H>,
    ) -> u64 {
        // SAFETY: the state is the handler's.
        unsafe {
            if !slow::<H>(w, pc.sub(1), base, reds, ctx) {
                return (*ctx).resume.reds;
            }
            let Resume { pc, base, reds } = (*ctx).resume;
            go(St { pc, base, reds, ctx })
        }
    }

    /// Calls a builtin and goes on.
    #[inline(never)]
    unsafe extern "sysv64" fn builtin<H: Heap>(
        w: u64,
        pc: *const u64,
        base: *mut Value,
        reds: u64,
        ctx: *mut Ctx<H>,
    ) -> u64 {
        // SAFETY: the state is the handler's.
        unsafe {
            match call_builtin::<H>(w, pc.sub(1), base, reds, ctx) {
                Next::Behind => go(St { pc, base, reds: reds + counts_reduction(w), ctx }),
                Next::Resume => {
                    let Resume { pc, base, reds } = (*ctx).resume;
                    go(St { pc, base, reds, ctx })
                }
                Next::Over => (*ctx).resume.reds,
            }
        }
    }

    /// Frees what a counting heap found dead, then goes on.
    #[cold]
    #[inline(never)]
    unsafe extern "sysv64" fn drain<H: Heap>(
        _: u64,
        pc: *const u64,
        base: *mut Value,
        reds: u64,
        ctx: *mut Ctx<H>,
    ) -> u64 {
        // SAFETY: as `redo`.
        unsafe {
            (*ctx).drain(pc, base);
            go(St { pc, base, reds, ctx })
        }
    }

    macro_rules! define {
        ($($name:ident $handler:ident ($($role:ident)*) $flow:ident $doc:literal;)*) => {
            $(unsafe extern "sysv64" fn $handler<H: Heap>(
                w: u64, pc: *const u64, base: *mut Value, reds: u64, ctx: *mut Ctx<H>,
            ) -> u64 {
                let mut s = St { pc, base, reds, ctx };
                // SAFETY: called by `go` with the state of verified code.
                unsafe {
                    match h::$handler::<H, true>(w, &mut s) {
                        R::Next if <H::Mutator as Mutator>::COUNTS && (*ctx).mutator.pending() =>
                            drain::<H>(w, s.pc, s.base, s.reds, ctx),
                        R::Next => go(s),
                        // The ORIGINAL arguments: becomes one conditional jump.
                        R::Slow => redo::<H>(w, pc, base, reds, ctx),
                        R::Builtin => builtin::<H>(w, pc, base, reds, ctx),
                        R::Halt => s.reds,
                    }
                }
            })*

            impl<H: Heap> Table<H> {
                const T: &'static [Handler<H>; 256] = &{
                    let mut table = [halt as Handler<H>; 256];
                    $(table[Op::$name as usize] = $handler::<H>;)*
                    table
                };
            }
        };
    }
    for_each_op!(define);
}

macro_rules! define_loop {
    ($($name:ident $handler:ident ($($role:ident)*) $flow:ident $doc:literal;)*) => {
        unsafe fn run_loop<H: Heap>(
            mut pc: *const u64, mut base: *mut Value, mut reds: u64, ctx: *mut Ctx<H>,
        ) -> u64 {
            // SAFETY: as `tail::go`. Scalars, not a state, live across iterations (E2).
            unsafe { loop {
                let w = *pc;
                let mut s = St { pc: pc.add(1), base, reds, ctx };
                let r = match w as u8 {
                    $(x if x == Op::$name as u8 => h::$handler::<H, false>(w, &mut s),)*
                    _ => std::hint::unreachable_unchecked(),
                };
                match r {
                    R::Next => {
                        pc = s.pc;
                        base = s.base;
                        reds = s.reds;
                        if <H::Mutator as Mutator>::COUNTS && (*ctx).mutator.pending() {
                            (*ctx).drain(pc, base);
                        }
                    }
                    R::Slow => {
                        if !slow::<H>(w, pc, base, reds, ctx) {
                            return (*ctx).resume.reds;
                        }
                        Resume { pc, base, reds } = (*ctx).resume;
                    }
                    R::Builtin => match call_builtin::<H>(w, pc, base, reds, ctx) {
                        Next::Behind => {
                            pc = pc.add(1);
                            reds += counts_reduction(w);
                        }
                        Next::Resume => Resume { pc, base, reds } = (*ctx).resume,
                        Next::Over => return (*ctx).resume.reds,
                    },
                    R::Halt => return s.reds,
                }
            } }
        }
    };
}
for_each_op!(define_loop);

/// Ends the slice: the `Halt` op.
pub(super) fn finish<H: Heap>(ctx: &mut Ctx<H>, result: Value) {
    ctx.outcome = Outcome::Done(result);
}
