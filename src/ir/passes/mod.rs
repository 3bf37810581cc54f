//! What makes the IR smaller and straighter without changing what a program does.
//!
//! Every pass is one file with one idea and keeps the rules of [`super`], so that any order would
//! do; [`PASSES`] is the order that pays. What the passes keep beyond the program's results: every
//! allocation, every error with its place, and the order of effects. What they do not do: inlining,
//! code motion, number theory.

use super::dominance::Cfg;
use super::{BlockId, Function, Program, ValueId, escape};

pub mod dead;
pub mod fold;
pub mod jumps;
pub mod regions;
pub mod renumber;
pub mod simplify;
pub(crate) mod slots;
pub mod tails;

/// A pass over a whole program.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// What it is called in tests and messages.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&mut Program),
}

/// The passes, in order. What is no tail call comes first, once and for all. Folding a branch makes parameters trivial, which makes more constants, so
/// that pair comes twice; the jumps come late, when no more blocks empty out.
pub const PASSES: &[Pass] = &[
    Pass { name: "tails", run: tails::run },
    Pass { name: "dead", run: dead::run },
    Pass { name: "simplify", run: simplify::run },
    Pass { name: "fold", run: fold::run },
    Pass { name: "dead", run: dead::run },
    Pass { name: "simplify", run: simplify::run },
    Pass { name: "fold", run: fold::run },
    Pass { name: "dead", run: dead::run },
    Pass { name: "regions", run: regions::run },
    Pass { name: "jumps", run: jumps::run },
    Pass { name: "simplify", run: simplify::run },
    Pass { name: "dead", run: dead::run },
    Pass { name: "renumber", run: renumber::run },
];

/// How many of [`PASSES`] are not worth while again after escape analysis.
const FIRST_ONLY: usize = 5;

/// Runs every pass once, in the order of [`PASSES`], on a well-formed program; then escape
/// analysis, and what cleans up behind it.
pub fn run_all(program: &mut Program, options: escape::Options) {
    run(PASSES, program);
    if !escape::dissolve(program, options).sites.is_empty() {
        run(&PASSES[FIRST_ONLY..], program);
    }
    escape::note_lifetimes(program, options);
}

fn run(passes: &[Pass], program: &mut Program) {
    passes.iter().for_each(|pass| (pass.run)(program));
}

/// Which blocks an error or a `Try` may enter: edges to them do not come from jumps alone.
fn entered_by_try(function: &Function) -> (Vec<bool>, Vec<bool>) {
    let mut bodies = vec![false; function.blocks.len()];
    let mut handlers = vec![false; function.blocks.len()];
    for block in &function.blocks {
        if let super::Terminator::Try { body, handler } = block.term {
            bodies[body.index()] = true;
            handlers[handler.index()] = true;
        }
        if let Some(handler) = block.handler {
            handlers[handler.index()] = true;
        }
    }
    (bodies, handlers)
}

/// Values that stand for other values. Chains are followed when asked.
#[derive(Debug)]
pub(crate) struct Replacements(Vec<ValueId>);

impl Replacements {
    pub(crate) fn none(function: &Function) -> Replacements {
        Replacements((0..function.value_count).map(ValueId).collect())
    }

    /// A new value, which stands for itself.
    pub(crate) fn add(&mut self) -> ValueId {
        let value = ValueId(self.0.len() as u32);
        self.0.push(value);
        value
    }

    /// What `value` stands for in the end. Shortens the chain on the way.
    fn resolve(&mut self, value: ValueId) -> ValueId {
        let mut end = value;
        while self.0[end.index()] != end {
            end = self.0[end.index()];
        }
        let mut at = value;
        while at != end {
            at = std::mem::replace(&mut self.0[at.index()], end);
        }
        end
    }

    /// From now on `value` stands for `by`, which must not stand for `value`.
    pub(crate) fn replace(&mut self, value: ValueId, by: ValueId) {
        let by = self.resolve(by);
        assert_ne!(value, by, "a value cannot stand for itself");
        self.0[value.index()] = by;
    }

    /// Writes the replacements into every operand, and counts the new values.
    pub(crate) fn apply(&mut self, function: &mut Function) {
        function.value_count = self.0.len() as u32;
        for block in &mut function.blocks {
            for inst in &mut block.insts {
                inst.op.map_operands(|value| self.resolve(value));
            }
            block.term.map_operands(|value| self.resolve(value));
        }
    }
}

/// Drops the blocks that `keep` refuses (no kept block may name them) and numbers the others anew.
fn retain_blocks(function: &mut Function, keep: impl Fn(BlockId) -> bool) {
    let mut number = Vec::with_capacity(function.blocks.len());
    let mut next = 0;
    for id in (0..function.blocks.len() as u32).map(BlockId) {
        number.push(BlockId(next));
        next += u32::from(keep(id));
    }
    if next as usize == function.blocks.len() {
        return;
    }
    let mut id = 0;
    function.blocks.retain(|_| {
        id += 1;
        keep(BlockId(id - 1))
    });
    for block in &mut function.blocks {
        block.term.map_successors(|target| number[target.index()]);
        block.handler = block.handler.map(|handler| number[handler.index()]);
    }
}

/// Drops the blocks that cannot be reached.
pub(crate) fn remove_unreachable(function: &mut Function) {
    let cfg = Cfg::new(function);
    retain_blocks(function, |block| cfg.is_reachable(block));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{arbitrary, text, verify};
    use proptest::prelude::*;

    const HEAD: &str = "class c64 struct Error { kind, message }\n";

    /// Runs one pass, then numbers the values in order, and compares the text.
    fn check(name: &str, before: &str, after: &str) {
        let pass = PASSES.iter().find(|pass| pass.name == name).expect("a pass of that name");
        check_passes(&[*pass], before, after);
    }

    fn check_passes(passes: &[Pass], before: &str, after: &str) {
        let parse = |body: &str| {
            let text = format!("{HEAD} fn f0 main() {{ {body} }} fn f1 g(v0) {{ b0: return v0 }}");
            let program = text::parse(&text).unwrap_or_else(|e| panic!("{e}"));
            verify::assert_well_formed(&program, 1);
            program
        };
        let mut program = parse(before);
        for pass in passes {
            (pass.run)(&mut program);
            verify::assert_well_formed(&program, 1);
        }
        renumber::run(&mut program);
        let print = |program| text::print(program, text::Style::default());
        assert_eq!(print(&program), print(&parse(after)));
    }

    /// What an operation on two constants becomes.
    fn folds(op: &str, a: &str, b: &str, result: &str) {
        check(
            "fold",
            &format!("b0: v0 = const {a} v1 = const {b} v2 = {op} v0, v1 return v2"),
            &format!("b0: v0 = const {a} v1 = const {b} v2 = const {result} return v2"),
        );
    }

    fn stays(op: &str, a: &str, b: &str) {
        let code = format!("b0: v0 = const {a} v1 = const {b} v2 = {op} v0, v1 return v2");
        check("fold", &code, &code);
    }

    #[test]
    fn arithmetic_folds() {
        folds("add", "2", "3", "5");
        folds("add", "2", "0.5", "2.5");
        folds("sub", "-9223372036854775807", "1", "-9223372036854775808");
        folds("div", "-7", "2", "-3");
        folds("rem", "-7", "2", "-1");
        folds("div", "1.0", "0.0", "inf");
        folds("rem", "7.5", "2", "1.5");
        folds("shl", "3", "63", "-9223372036854775808");
        folds("shr", "-8", "1", "-4");
        folds("shr_logical", "-1", "63", "1");
        folds("bit_xor", "6", "3", "5");
    }

    #[test]
    fn what_raises_or_depends_on_the_machine_stays() {
        stays("add", "9223372036854775807", "1");
        stays("mul", "4611686018427387904", "2");
        stays("div", "1", "0");
        stays("rem", "1", "0");
        stays("div", "-9223372036854775808", "-1");
        stays("rem", "-9223372036854775808", "-1");
        stays("shl", "1", "64");
        stays("shr", "1", "-1");
        stays("div", "0.0", "0.0");
        stays("add", "\"a\"", "\"b\"");
        stays("add", "true", "1");
        stays("lt", "nil", "nil");
        stays("lt", "1", "1.5");
        stays("lt", "nan_7ff8000000000000", "1.0");
        stays("eq", "1", "1.0");
        stays("eq", "f1", "f1");
        let negate = "b0: v0 = const -9223372036854775808 v1 = neg v0 return v1";
        check("fold", negate, negate);
    }

    #[test]
    fn comparisons_fold() {
        folds("eq", "1", "1", "true");
        folds("eq", "1", "\"1\"", "false");
        folds("eq", "nan_7ff8000000000000", "nan_7ff8000000000000", "false");
        folds("ne", "0.0", "-0.0", "false");
        folds("lt", "\"a\"", "\"ab\"", "true");
        folds("ge", "'a'", "'b'", "false");
        folds("matches", ":x", ":x", "true");
        folds("matches", "nil", "false", "false");
    }

    #[test]
    fn tests_of_constants_fold() {
        check(
            "fold",
            "b0: v0 = const 1 v1 = is_class v0, c36 v2 = is_class v0, c37 v3 = is_tuple v0, 2
             v4 = is_list v0, 0 v5 = not v0 v6 = neg v0 v7 = bit_not v0 return v7",
            "b0: v0 = const 1 v1 = const true v2 = const false v3 = const false
             v4 = const false v5 = const false v6 = const -1 v7 = const -2 return v7",
        );
    }

    #[test]
    fn tail_calls_that_end_in_builtins_are_calls() {
        let program = |main: &str| {
            let text = format!(
                "{HEAD} method c64 len f1
                 fn f0 main(v0) {{ {main} }} fn f1 len(v0) {{ b0: return v0 }}"
            );
            text::parse(&text).unwrap_or_else(|e| panic!("{e}"))
        };
        let changes = |before: &str, after: &str| {
            let mut program_after = program(before);
            tails::run(&mut program_after);
            verify::assert_well_formed(&program_after, 1);
            let print = |program| text::print(program, text::Style::default());
            assert_eq!(print(&program_after), print(&program(after)));
        };
        changes("b0: tail_call_method v0.push(v0)", "b0: v1 = call_method v0.push(v0) return v1");
        // By name and number of arguments: this may be the one of the program.
        changes("b0: tail_call_method v0.len()", "b0: tail_call_method v0.len()");
        changes("b0: tail_call_method v0.len(v0)", "b0: v1 = call_method v0.len(v0) return v1");
    }

    #[test]
    fn branches_on_constants_become_jumps() {
        check(
            "fold",
            "b0: v0 = const nil branch v0, b1, b2 b1: return v0 b2: return v0",
            "b0: v0 = const nil jump b2 b1: return v0 b2: return v0",
        );
        let switch = |value: &str, target: &str| {
            let rest = "b1: return v0 b2: return v0 b3: return v0";
            check(
                "fold",
                &format!("b0: v0 = const {value} switch v0, -1, [b1, b2], b3 {rest}"),
                &format!("b0: v0 = const {value} jump {target} {rest}"),
            );
        };
        switch("-1", "b1");
        switch("0", "b2");
        switch("1", "b3");
        switch("-2", "b3");
        switch("-9223372036854775808", "b3");
        switch("0.0", "b3");
    }

    #[test]
    fn calls_of_known_functions_become_direct() {
        check(
            "fold",
            "b0: v0 = const f1 v1 = call v0(v0) v2 = call v0() tail_call v0(v2)",
            "b0: v0 = const f1 v1 = call_direct f1(v0) v2 = call v0() tail_call_direct f1(v2)",
        );
    }

    #[test]
    fn trivial_parameters_go() {
        check(
            "simplify",
            "b0: v0 = const 1 v1 = const 2 jump b1(v0, v1)
             b1(v2, v3): branch v3, b2, b3
             b2: v4 = sub v3, v2 jump b1(v2, v4)
             b3: return v2",
            "b0: v0 = const 1 v1 = const 2 jump b1(v1)
             b1(v2): branch v2, b2, b3
             b2: v3 = sub v2, v0 jump b1(v3)
             b3: return v0",
        );
    }

    #[test]
    fn a_chain_of_trivial_parameters_goes_at_once() {
        check(
            "simplify",
            "b0: v0 = const 1 jump b1(v0) b1(v1): jump b2(v1) b2(v2): branch v2, b3, b4
             b3: jump b2(v2) b4: return v2",
            "b0: v0 = const 1 jump b1 b1: jump b2 b2: branch v0, b3, b4 b3: jump b2
             b4: return v0",
        );
    }

    #[test]
    fn a_thrown_value_is_never_trivial() {
        let code = "b0: v0 = const 1 branch v0, b1, b2 b1: try b3, b4 b2: jump b4(v0)
             b3 handler b4: throw v0 b4(v1): return v1";
        check("simplify", code, code);
    }

    #[test]
    fn a_negated_branch_turns_round() {
        check(
            "simplify",
            "b0: v0 = const 1 v1 = not v0 v2 = not v1 v3 = not v2 branch v3, b1, b2
             b1: return v0 b2: return v1",
            "b0: v0 = const 1 v1 = not v0 v2 = not v1 v3 = not v2 branch v0, b2, b1
             b1: return v0 b2: return v1",
        );
    }

    #[test]
    fn dead_code_goes_and_what_may_raise_stays() {
        check(
            "dead",
            "b0: v0 = const 1 v1 = const 2 v2 = add v0, v0 v3 = eq v1, v1 v4 = tuple(v0)
             v5 = field v0.x return v0
             b1: return v1",
            "b0: v0 = const 1 v1 = add v0, v0 v2 = tuple(v0) v3 = field v0.x return v0",
        );
    }

    #[test]
    fn a_loop_variable_that_feeds_only_itself_goes() {
        check(
            "dead",
            "b0: v0 = const 1 jump b1(v0, v0) b1(v1, v2): v3 = not v2 branch v1, b2, b3
             b2: v4 = call_native n0() jump b1(v4, v3) b3: return v1",
            "b0: v0 = const 1 jump b1(v0) b1(v1): branch v1, b2, b3
             b2: v2 = call_native n0() jump b1(v2) b3: return v1",
        );
    }

    #[test]
    fn a_handler_keeps_its_parameter() {
        let code = "b0: v0 = const 1 try b1, b2 b1 handler b2: throw v0 b2(v1): return v0";
        check("dead", code, code);
    }

    #[test]
    fn regions_in_which_nothing_raises_dissolve() {
        check(
            "regions",
            "b0: v0 = const 1 try b1, b4
             b1 handler b4: try b2, b3
             b2 handler b3: v1 = not v0 jump b5
             b3(v2) handler b4: throw v2
             b4(v3): return v3
             b5 handler b4: v4 = neg v1 try b6, b7
             b6 handler b7: throw v4
             b7(v5) handler b4: return v5",
            "b0: v0 = const 1 try b1, b3
             b1 handler b3: jump b2
             b2 handler b3: v1 = not v0 jump b4
             b3(v2): return v2
             b4 handler b3: v3 = neg v1 try b5, b6
             b5 handler b6: throw v3
             b6(v4) handler b3: return v4",
        );
        // Without the inner handler nothing raises in the outer region either.
        check(
            "regions",
            "b0: v0 = const 1 try b1, b4 b1 handler b4: try b2, b3 b2 handler b3: return v0
             b3(v1) handler b4: throw v1 b4(v2): return v2",
            "b0: v0 = const 1 jump b1 b1: jump b2 b2: return v0",
        );
    }

    #[test]
    fn empty_blocks_are_skipped() {
        check(
            "jumps",
            "b0: v0 = const 1 branch v0, b1, b2 b1: jump b3(v0) b2: jump b4 b3(v1): jump b6(v1)
             b4: jump b5 b5: v2 = call_native n0() jump b6(v2) b6(v3): return v3",
            "b0: v0 = const 1 branch v0, b1, b2 b1: jump b3(v0)
             b2: v1 = call_native n0() jump b3(v1) b3(v2): return v2",
        );
    }

    #[test]
    fn a_test_of_a_passed_constant_is_skipped() {
        check(
            "jumps",
            "b0: v0 = call_native n0() branch v0, b1, b2 b1: v1 = call_native n0() jump b3(v1)
             b2: v2 = const false jump b3(v2) b3(v3): branch v3, b4, b5
             b4: return v0 b5: throw v0",
            "b0: v0 = call_native n0() branch v0, b1, b2
             b1: v1 = call_native n0() branch v1, b3, b4
             b2: v2 = const false jump b4 b3: return v0 b4: throw v0",
        );
    }

    #[test]
    fn a_parameter_that_is_used_elsewhere_keeps_its_block() {
        let code = "b0: v0 = call_native n0() branch v0, b1, b2 b1: jump b3(v0)
             b2: v1 = const 1 jump b3(v1) b3(v2): branch v2, b4, b5
             b4: return v2 b5: throw v0";
        check("jumps", code, code);
    }

    #[test]
    fn single_ways_are_glued_within_a_region() {
        check(
            "jumps",
            "b0: v0 = const 1 jump b1(v0) b1(v1): v2 = neg v1 try b2, b4
             b2 handler b4: v3 = neg v2 jump b3(v3) b3(v4) handler b4: v5 = neg v4 jump b5
             b4(v6): throw v6 b5: v7 = neg v5 return v7",
            "b0: v0 = const 1 v1 = neg v0 try b1, b2
             b1 handler b2: v2 = neg v1 v3 = neg v2 jump b3
             b2(v4): throw v4 b3: v5 = neg v3 return v5",
        );
    }

    #[test]
    fn endless_rings_stay_endless() {
        check("jumps", "b0: jump b1 b1: jump b2 b2: jump b1", "b0: jump b1 b1: jump b1");
    }

    #[test]
    fn everything_together() {
        check_passes(
            PASSES,
            "b0: v0 = const true jump b1(v0) b1(v1): v2 = not v1 branch v2, b2, b3
             b2: v3 = const 1 jump b4(v3) b3: v4 = const 2 jump b4(v4)
             b4(v5): v6 = const 2 v7 = eq v5, v6 branch v7, b5, b6
             b5: v8 = call_native n0() return v8 b6: return v5",
            "b0: v0 = call_native n0() return v0",
        );
    }

    #[test]
    fn a_hundred_thousand_blocks_are_fast() {
        let count = 100_000;
        let mut text = format!("{HEAD} fn f0 main() {{ b0: v0 = call_native n0() jump b1(v0)\n");
        for n in 1..count {
            // A chain of blocks of which some are empty, some test, all pass a value on.
            match n % 3 {
                0 => text += &format!("b{n}(v{n}): jump b{}(v{n})\n", n + 1),
                1 => text += &format!("b{n}(v{n}): branch v{n}, b{}, b{count}\n", n + 1),
                _ => text += &format!("b{n}: jump b{}(v{})\n", n + 1, n - 1),
            }
        }
        text += &format!("b{count}: v{count} = const 1 return v{count} }}");
        let mut program = text::parse(&text).unwrap();
        program.funcs[0].blocks[count - 1].term = crate::ir::Terminator::Unreachable;
        run_all(&mut program, escape::Options::default());
        verify::assert_well_formed(&program, 1);
    }

    proptest! {
        #[test]
        fn every_pass_keeps_the_rules(program in arbitrary::well_formed(vec![(0, 1)])) {
            let mut program = program.0;
            for pass in PASSES {
                (pass.run)(&mut program);
                let errors = verify::verify(&program, 1);
                prop_assert!(errors.is_empty(), "{} broke {:?}", pass.name, errors);
            }
            let options = escape::Options { mode: escape::Mode::FrameRegion, ..escape::Options::default() };
            escape::dissolve(&mut program, options);
            escape::note_lifetimes(&mut program, options);
            let errors = verify::verify(&program, 1);
            prop_assert!(errors.is_empty(), "escape broke {:?}", errors);
        }
    }
}
