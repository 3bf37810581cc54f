//! How many registers a frame that goes away has to clear: `b` of `Return` and `ReturnV`, `c` of
//! tail calls.
//!
//! A counting heap drops what the registers of a returning frame hold, so the number should be no
//! larger than needed: one more than the highest register that may hold a reference there. A
//! callee drops its own arguments; those of builtins (so perhaps of methods), and the callee
//! itself, are left to the caller, as is what an earlier window has left behind.

use crate::bytecode::graph::{Graph, RegSet, instruction};
use crate::bytecode::ops::{Instruction, Op, Role};
use crate::bytecode::{Code, FunctionCode};

/// Fills in the counts of `f`, whose first `entry` registers hold something at entry.
pub(super) fn fill_in(code: &mut Code, f: &FunctionCode, entry: usize) {
    let graph = Graph::new(code, f);
    let mut into: Vec<Option<RegSet>> = vec![None; graph.len()];
    into[0] = Some(RegSet::below(entry));
    let mut work = vec![0];
    while let Some(block) = work.pop() {
        let mut held = into[block].expect("blocks are entered with a state");
        let mut raised = held;
        for at in graph.words(block) {
            held = after(held, instruction(code, at));
            raised = raised.union(held);
        }
        let mut flow = |to: usize, state: RegSet| {
            let before = into[to];
            let joined = before.map_or(state, |s| s.union(state));
            if before != Some(joined) {
                into[to] = Some(joined);
                work.push(to);
            }
        };
        if let Some(handler) = graph.handlers[block] {
            let h = f.handlers[handler as usize];
            let mut state = raised;
            state.add(h.register);
            flow(graph.block_at(h.target), state);
        }
        graph.successors(code, block, |to| flow(to, held));
    }
    for (block, into) in into.iter().enumerate() {
        let Some(mut held) = *into else { continue };
        for at in graph.words(block) {
            let i = instruction(code, at);
            if matches!(i.op, Op::Return | Op::ReturnV) {
                // Register 0 gets the result.
                let b = held.end().max(1) as u8;
                code.words[at as usize] = Instruction { b, ..i }.encode();
            } else if matches!(i.op, Op::TailCall | Op::TailCallDirect | Op::TailCallMethod) {
                let c = held.end().max(1) as u8;
                code.words[at as usize] = Instruction { c, ..i }.encode();
            }
            held = after(held, i);
        }
    }
}

/// What may hold references after an instruction.
fn after(mut held: RegSet, i: Instruction) -> RegSet {
    match i.op {
        Op::Call | Op::CallDirect => {
            held = held.without(RegSet::run(i.a.into(), i.b.into()));
            held.add(i.a);
        }
        Op::CallMethod | Op::CallNative | Op::Spawn => held.add(i.a),
        Op::MoveLast => {
            held.remove(i.b);
            held.add(i.a);
        }
        _ if i.op.info().roles[0] == Role::Write => {
            if gives_immediate(i.op) {
                held.remove(i.a);
            } else {
                held.add(i.a);
            }
        }
        Op::LoopLt | Op::LoopLe => held.add(i.a),
        _ => {}
    }
    held
}

/// Whether the result is never a reference.
fn gives_immediate(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        LoadI
            | LoadV
            | Not
            | Eq
            | Ne
            | Lt
            | Le
            | TestClass
            | TestTuple
            | TestList
            | Matches
            | IterDone
            | Yield
            | RegionEnter
    )
}
