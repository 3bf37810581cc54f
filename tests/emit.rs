//! The bytecode of small programs, compared with a committed file.
//!
//! `tests/support/emit.txt` holds the cases: `=== name`, the program, `--- output`, the listing of
//! its functions. `UPDATE_EXPECT=1 cargo test --test emit` rewrites the outputs.

#[path = "support/mod.rs"]
mod support;

use menagerie::bytecode::disasm::function_listing;
use menagerie::bytecode::emit::emit;
use menagerie::ir::build::build;
use menagerie::ir::text::{Style, print_function};
use menagerie::ir::{FuncId, Program};
use menagerie::lang::ast::{Module, Span};
use menagerie::lang::diagnostics::{Diagnostic, RenderOptions, Sources, render};
use menagerie::lang::parser::parse;
use menagerie::lang::resolve::load::Files;
use menagerie::names::Interner;
use std::fmt::Write as _;
use std::path::PathBuf;

const CASE: &str = "=== ";
const OUTPUT: &str = "--- output";

#[derive(Default)]
struct Case {
    name: String,
    program: String,
    output: String,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_output = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(CASE) {
            in_output = false;
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if line == OUTPUT {
            in_output = true;
            continue;
        }
        let part = if in_output { &mut case.output } else { &mut case.program };
        part.push_str(line);
        part.push('\n');
    }
    cases
}

fn compile(program: &str) -> Program {
    let mut sources = Sources::new();
    match compile_into(&mut sources, program) {
        Ok(program) => program,
        Err(errors) => panic!("{}", render(&sources, &errors, RenderOptions::default())),
    }
}

fn compile_into(sources: &mut Sources, program: &str) -> Result<Program, Vec<Diagnostic>> {
    let mut names = Interner::default();
    let prelude = sources.add("prelude.mena", "");
    let main = sources.add("main.mena", program);
    let (tree, errors) = parse(sources, main, &mut names);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut loader = |_: &str, _: Span, _: &mut Interner| Err(Vec::new());
    let files = Files::load((prelude, Module::default()).1, main, tree, &mut names, &mut loader)?;
    build(&files, names, &support::natives())
}

fn listing(case: &Case) -> String {
    let program = compile(&case.program);
    let code = match emit(&program) {
        Ok(code) => code,
        Err(errors) => return format!("{errors:?}\n"),
    };
    let mut out = String::new();
    for (index, func) in program.funcs.iter().enumerate() {
        let id = FuncId(index as u32);
        let boring_entry =
            program.entry == Some(id) && func.blocks.len() == 1 && func.blocks[0].insts.len() <= 3;
        if boring_entry {
            continue;
        }
        if std::env::var_os("SHOW_IR").is_some() {
            let style = Style { spans: false, names: false, notes: false };
            eprintln!("{}", print_function(&program, id, style));
        }
        out.push_str(&function_listing(&code, &program.names, id));
    }
    out
}

#[test]
fn listings_are_as_committed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/emit.txt");
    let cases = cases(&std::fs::read_to_string(&path).expect("the golden file"));
    let (mut out, mut wrong) = (String::new(), String::new());
    for case in &cases {
        let now = listing(case);
        let _ = write!(out, "{CASE}{}\n{}{OUTPUT}\n{now}", case.name, case.program);
        if now != case.output {
            let _ = write!(wrong, "{CASE}{}\nexpected:\n{}got:\n{now}", case.name, case.output);
        }
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, out).expect("the golden file is writable");
    } else {
        assert!(wrong.is_empty(), "{wrong}\nUPDATE_EXPECT=1 rewrites emit.txt");
    }
}
