//! Random programs: whatever is built is well formed (rules R1–R6), and equal when built twice.

#[path = "support/mod.rs"]
mod support;

use menagerie::ir::build::build;
use menagerie::ir::verify::assert_well_formed;
use menagerie::lang::ast::Module;
use menagerie::lang::diagnostics::{RenderOptions, Sources, render};
use menagerie::lang::parser::parse;
use menagerie::lang::resolve::load::Files;
use menagerie::names::Interner;

const PROGRAMS: u64 = if cfg!(debug_assertions) { 400 } else { 4000 };

/// Writes random programs that resolve without errors.
struct Writer {
    seed: u64,
    out: String,
    /// Names that can be read, and whether they can be assigned.
    vars: Vec<(String, bool)>,
    next: usize,
    loops: u32,
    /// Expressions and statements that may still be written.
    budget: u32,
}

impl Writer {
    fn new(seed: u64) -> Writer {
        let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Writer { seed, out: String::new(), vars: Vec::new(), next: 0, loops: 0, budget: 120 }
    }

    fn below(&mut self, n: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 33) as usize % n
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn fresh(&mut self) -> String {
        self.next += 1;
        format!("v{}", self.next)
    }

    fn declare(&mut self, mutable: bool) -> String {
        let name = self.fresh();
        self.vars.push((name.clone(), mutable));
        name
    }

    fn program(mut self) -> String {
        self.push("struct P { a, b }\nenum E { One(x), Two(x, y), Zero }\nfn g(x) { x }\n");
        for name in ["f", "h"] {
            self.push(&format!("fn {name}(p, q) "));
            self.vars = vec![("p".to_owned(), false), ("q".to_owned(), false)];
            self.loops = 0;
            self.budget = 120;
            self.block(0);
            self.push("\n");
        }
        self.out
    }

    fn block(&mut self, depth: u32) {
        let vars = self.vars.len();
        self.push("{\n");
        for _ in 0..self.below(5) {
            self.statement(depth + 1);
            self.push("\n");
        }
        if self.below(2) == 0 {
            self.expr(depth + 1);
        }
        self.push("\n}");
        self.vars.truncate(vars);
    }

    fn statement(&mut self, depth: u32) {
        match self.below(12) {
            0..=2 => {
                self.push("var ");
                let name = self.fresh();
                self.push(&format!("{name} = "));
                self.expr(depth);
                self.vars.push((name, true));
            }
            3 => {
                let name = self.fresh();
                self.push(&format!("let {name} = "));
                self.expr(depth);
                self.vars.push((name, false));
            }
            4 => {
                self.push("let ");
                let mut names = Vec::new();
                self.pattern(2, true, &mut names);
                self.push(" = ");
                self.expr(depth);
                self.vars.extend(names.into_iter().map(|name| (name, false)));
            }
            5 if depth < 4 => {
                let name = self.declare(false);
                let vars = self.vars.clone();
                let loops = std::mem::take(&mut self.loops);
                self.push(&format!("fn {name}(z) "));
                self.vars.push(("z".to_owned(), false));
                self.block(depth + 2);
                self.vars = vars;
                self.loops = loops;
            }
            _ => self.assign_or(depth),
        }
    }

    fn assign_or(&mut self, depth: u32) {
        let mutable: Vec<String> =
            self.vars.iter().filter(|var| var.1).map(|var| var.0.clone()).collect();
        if mutable.is_empty() || self.below(2) == 0 {
            return self.expr(depth);
        }
        let name = mutable[self.below(mutable.len())].clone();
        let op = self.pick(&["=", "+=", "*="]);
        self.push(&format!("{name} {op} "));
        self.expr(depth);
    }

    fn leaf(&mut self) {
        let index = self.below(self.vars.len());
        let var = self.vars[index].0.clone();
        let text = match self.below(8) {
            0 => "1".to_owned(),
            1 => "nil".to_owned(),
            2 => "Zero".to_owned(),
            3 => "\"s\"".to_owned(),
            _ => var,
        };
        self.push(&text);
    }

    fn expr(&mut self, depth: u32) {
        if depth > 7 || self.budget == 0 {
            return self.leaf();
        }
        self.budget -= 1;
        match self.below(26) {
            0..=3 => self.leaf(),
            4 | 5 => {
                self.push("(");
                self.expr(depth + 1);
                let op = self.pick(&[" + ", " < ", " == ", " && ", " || ", " - "]);
                self.push(op);
                self.expr(depth + 1);
                self.push(")");
            }
            6 => {
                let callee = self.pick(&["g", "print", "One", "p"]);
                self.push(&format!("{callee}("));
                self.expr(depth + 1);
                self.push(")");
            }
            7 => {
                self.push("[");
                self.expr(depth + 1);
                self.push(", ");
                self.expr(depth + 1);
                self.push("]");
            }
            8 | 9 => {
                self.push("if ");
                self.cond(depth + 1);
                self.push(" ");
                self.block(depth);
                if self.below(2) == 0 {
                    self.push(" else ");
                    self.block(depth);
                }
            }
            10 => {
                self.push("while ");
                self.cond(depth + 1);
                self.push(" ");
                self.looped(depth);
            }
            11 => {
                self.push("loop ");
                self.looped(depth);
            }
            12 | 13 => self.for_loop(depth),
            14 | 15 => self.match_expr(depth),
            16 | 17 => self.try_expr(depth),
            18 => {
                self.push("arena ");
                self.block(depth);
            }
            19 => {
                self.push("scope ");
                self.block(depth);
            }
            20 => {
                self.push("spawn g(");
                self.expr(depth + 1);
                self.push(")");
            }
            21 => {
                let vars = self.vars.clone();
                let loops = std::mem::take(&mut self.loops);
                self.push("(|y| ");
                self.vars.push(("y".to_owned(), false));
                self.block(depth + 1);
                self.push(")");
                self.vars = vars;
                self.loops = loops;
            }
            22 => {
                self.push("(if p { return ");
                self.expr(depth + 1);
                self.push(" })");
            }
            23 if self.loops > 0 => {
                let jump = self.pick(&[
                    "if q { break }",
                    "if q { continue }",
                    "({ break })",
                    "({ continue })",
                ]);
                self.push(jump);
            }
            24 => {
                self.push("(if q { throw ");
                self.expr(depth + 1);
                self.push(" })");
            }
            _ => {
                self.push("\"a{");
                self.leaf_name();
                self.push("}b\"");
            }
        }
    }

    fn leaf_name(&mut self) {
        let index = self.below(self.vars.len());
        let var = self.vars[index].0.clone();
        self.push(&var);
    }

    fn cond(&mut self, depth: u32) {
        match self.below(4) {
            0 => {
                self.push("!(");
                self.cond(depth);
                self.push(")");
            }
            1 => {
                self.push("(");
                self.cond(depth + 1);
                let op = self.pick(&[" && ", " || "]);
                self.push(op);
                self.cond(depth + 1);
                self.push(")");
            }
            2 => {
                self.push("({ ");
                self.assign_or(depth + 2);
                self.push("; p })");
            }
            _ => self.leaf_name(),
        }
    }

    fn looped(&mut self, depth: u32) {
        self.loops += 1;
        self.block(depth);
        self.loops -= 1;
    }

    fn for_loop(&mut self, depth: u32) {
        let vars = self.vars.len();
        let source = self.pick(&["p", "0..p", "1..=q", "0..10", "p + 1..=7"]);
        let mut names = Vec::new();
        self.push("for ");
        if source == "p" {
            self.pattern(1, true, &mut names)
        } else {
            names.push(self.fresh())
        }
        if source != "p" {
            let name = names[0].clone();
            self.push(&name);
        }
        self.push(&format!(" in {source} "));
        self.vars.extend(names.into_iter().map(|name| (name, false)));
        self.looped(depth);
        self.vars.truncate(vars);
    }

    fn match_expr(&mut self, depth: u32) {
        let subject = self.pick(&["p", "(p, q)", "g(q)"]);
        self.push(&format!("match {subject} {{\n"));
        let dense = self.below(3) == 0;
        for n in 0..=self.below(6) {
            let vars = self.vars.len();
            if dense {
                self.push(&n.to_string());
            } else {
                let mut names = Vec::new();
                self.pattern(2, false, &mut names);
                self.vars.extend(names.into_iter().map(|name| (name, false)));
                if self.below(3) == 0 {
                    self.push(" if ");
                    self.cond(depth + 1);
                }
            }
            self.push(" => ");
            self.block(depth + 1);
            self.push(",\n");
            self.vars.truncate(vars);
        }
        self.push("}");
    }

    fn try_expr(&mut self, depth: u32) {
        self.push("try ");
        self.block(depth);
        let finally = self.below(2) == 0;
        if !finally || self.below(2) == 0 {
            let vars = self.vars.len();
            let mut names = Vec::new();
            self.push(" catch ");
            self.pattern(1, false, &mut names);
            self.push(" ");
            self.vars.extend(names.into_iter().map(|name| (name, false)));
            self.block(depth);
            self.vars.truncate(vars);
        }
        if finally {
            self.push(" finally ");
            self.block(depth);
        }
    }

    /// `sure`: of a shape that `let` and `for` allow.
    fn pattern(&mut self, depth: u32, sure: bool, names: &mut Vec<String>) {
        let kinds = match (depth, sure) {
            (0, _) => 3,
            (_, true) => 6,
            (_, false) => 9,
        };
        match self.below(kinds) {
            0 | 1 => {
                let name = self.fresh();
                self.push(&name);
                names.push(name);
            }
            2 => self.push("_"),
            3 => {
                self.push("(");
                self.pattern(depth - 1, sure, names);
                self.push(", ");
                self.pattern(depth - 1, sure, names);
                self.push(")");
            }
            4 => {
                self.push("[");
                self.pattern(depth - 1, sure, names);
                let rest = self.fresh();
                self.push(&format!(", ..{rest}]"));
                names.push(rest);
            }
            6 => {
                self.push("Two(");
                self.pattern(depth - 1, sure, names);
                self.push(", 3)");
            }
            5 => {
                let name = self.fresh();
                self.push(&format!("P {{ a: {name} }}"));
                names.push(name);
            }
            7 => {
                let name = self.fresh();
                self.push(&format!("(One({name}) | Two(_, {name}))"));
                names.push(name);
            }
            _ => {
                let literal = self.pick(&["1", "\"s\"", ":k", "nil", "2..=5"]);
                self.push(literal);
            }
        }
    }
}

#[test]
fn random_programs_are_well_formed() {
    let natives = support::natives();
    for seed in 0..PROGRAMS {
        let text = Writer::new(seed).program();
        let mut sources = Sources::new();
        let file = sources.add("main.mena", text.as_str());
        let mut names = Interner::default();
        let (module, diagnostics) = parse(&sources, file, &mut names);
        let shown = |diagnostics: &[_]| render(&sources, diagnostics, RenderOptions::default());
        assert!(diagnostics.is_empty(), "seed {seed}:\n{}\n{text}", shown(&diagnostics));
        let files = Files::single(Module::default(), module);
        let program = build(&files, names.clone(), &natives);
        let program = program.unwrap_or_else(|e| panic!("seed {seed}:\n{}\n{text}", shown(&e)));
        assert_well_formed(&program, natives.len());
        let again = build(&files, names, &natives).expect("as before");
        assert!(program.funcs == again.funcs, "seed {seed}: built differently");
    }
}
