//! The bytecode of small programs, compared with a committed file.
//!
//! `tests/support/emit.txt` holds the cases: `=== name`, the program, `--- output`, the listing of
//! its functions. `UPDATE_EXPECT=1 cargo test --test emit` rewrites the outputs.

#[path = "support/mod.rs"]
mod support;

use menagerie::bytecode::disasm::{function_listing, listing};
use menagerie::bytecode::emit::emit;
use menagerie::bytecode::verify::{Limits, Verified, verify};
use menagerie::compile::Compilation;
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
use std::time::{Duration, Instant};

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

/// Compiles a program that must be correct; `imports` are files: name and text.
fn compile(program: &str, imports: &[(String, String)]) -> Program {
    let mut sources = Sources::new();
    match compile_into(&mut sources, program, imports) {
        Ok(program) => program,
        Err(errors) => panic!("{}", render(&sources, &errors, RenderOptions::default())),
    }
}

fn compile_into(
    sources: &mut Sources,
    program: &str,
    imports: &[(String, String)],
) -> Result<Program, Vec<Diagnostic>> {
    let mut names = Interner::default();
    let main = sources.add("main.mena", program);
    let tree = parse_file(sources, main, &mut names)?;
    let mut loader = |name: &str, import: Span, names: &mut Interner| {
        let path = format!("{name}.mena");
        let known = sources.files().iter().position(|file| file.name() == path);
        if let Some(file) = known {
            return Ok((file as u32, Module::default()));
        }
        let Some((_, text)) = imports.iter().find(|(file, _)| *file == path) else {
            return Err(vec![Diagnostic::error(import, format!("there is no file {path}"))]);
        };
        let file = sources.add(path, text.as_str());
        Ok((file, parse_file(sources, file, names)?))
    };
    let files = Files::load(Module::default(), main, tree, &mut names, &mut loader)?;
    build(&files, names, &support::natives())
}

fn parse_file(
    sources: &Sources,
    file: u32,
    names: &mut Interner,
) -> Result<Module, Vec<Diagnostic>> {
    let (module, diagnostics) = parse(sources, file, names);
    if diagnostics.is_empty() { Ok(module) } else { Err(diagnostics) }
}

/// Emits code that must verify.
fn emit_verified(program: &Program) -> Verified {
    let code = match emit(program, false) {
        Ok(code) => code,
        Err(errors) => panic!("{errors:?}"),
    };
    let text = listing(&code, &program.names);
    match verify(code, &Limits::of(program, support::natives().len())) {
        Ok(verified) => verified,
        Err(errors) => panic!("{errors:#?}\nin\n{text}"),
    }
}

fn output(case: &Case) -> String {
    let program = compile(&case.program, &[]);
    let verified = emit_verified(&program);
    let code = verified.code();
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
        out.push_str(&function_listing(code, &program.names, id));
    }
    out
}

#[test]
fn listings_are_as_committed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/emit.txt");
    let cases = cases(&std::fs::read_to_string(&path).expect("the golden file"));
    let (mut out, mut wrong) = (String::new(), String::new());
    for case in &cases {
        let now = output(case);
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

/// Every `.mena` file below a folder.
fn programs(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "mena") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn workloads_verify() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("experiments/workloads");
    for path in programs(root) {
        let bytes = std::fs::read(&path).expect("a workload");
        let mut compilation = Compilation::default();
        let program = compilation.program(&path, &bytes);
        if program.and_then(|program| compilation.code(&program)).is_err() {
            let style = RenderOptions::default();
            panic!("{}", render(&compilation.sources, &compilation.diagnostics, style));
        }
    }
}

/// Long functions of many kinds, of `n` parts each.
fn long_functions(n: usize) -> Vec<(&'static str, String)> {
    let parts = |part: &dyn Fn(usize) -> String| (0..n).map(part).collect::<String>();
    let function = |body: String| format!("fn f(x, y) {{\nvar v = x; var w = y\n{body}\nv + w }}");
    let live = || (0..200).map(|i| format!("v{i}"));
    vec![
        ("script", parts(&|i| format!("let a{i} = g({i}, \"s{i}\")\n")) + "fn g(x, y) { x }"),
        ("calls", function(parts(&|i| format!("x.m{}(y, {i}, x)\n", i % 50)))),
        (
            "locals",
            function(parts(&|i| format!("let a{i} = x.g({i}); y.h(a{i}, a{})\n", i - i.min(20)))),
        ),
        ("ifs", function(parts(&|i| format!("if x.p < {i} {{ v = y }} else {{ w = w + v }}\n")))),
        ("loops", function(parts(&|i| format!("for i in 0..{i} {{ x[i] = i * 2.5 + {i}.5 }}\n")))),
        (
            "arms",
            function(format!(
                "v = match x {{ {} _ => y }}",
                parts(&|i| format!(":k{i} => x.f({i}),\n"))
            )),
        ),
        (
            "tries",
            function(parts(&|i| format!("try {{ v = v + x.f({i}) }} catch :e {{ v = {i} }}\n"))),
        ),
        (
            "nested loops",
            function(parts(&|i| {
                let ends = if i % 20 == 19 || i == n - 1 { i % 20 + 1 } else { 0 };
                format!("while v < {i} {{ v = v + x.f({i})\n{}", "}".repeat(ends))
            })),
        ),
        (
            "live values",
            function(
                live().map(|v| format!("var {v} = x.f()\n")).collect::<String>()
                    + &parts(&|i| format!("if x.p {{ v{} = y.q }}\n", i * 7 % 200))
                    + &live().map(|v| format!("x.h({v})\n")).collect::<String>(),
            ),
        ),
        ("list", function(format!("v = [{}]", parts(&|i| format!("x.f({i}), "))))),
        ("constants", function(format!("v = %{{{}}}", parts(&|i| format!("{i}: nil, "))))),
        ("text", function(format!("v = \"{}\"", parts(&|i| format!("a{{{i}}}"))))),
    ]
}

/// Four times as long takes four times as long, more or less.
#[test]
fn long_functions_take_linear_time() {
    let time = |text: &str| {
        let program = compile(text, &[]);
        let runs = (0..3).map(|_| {
            let start = Instant::now();
            emit_verified(&program);
            start.elapsed()
        });
        runs.min().expect("three runs")
    };
    for ((name, short), (_, long)) in long_functions(1000).iter().zip(long_functions(4000)) {
        let (once, four) = (time(short), time(&long));
        // Quadratic time would be 16 times as much.
        assert!(four < once * 12 + Duration::from_millis(20), "{name}: {once:?}, {four:?}");
    }
}

/// The one error of a program that cannot be emitted.
fn error(program: &str) -> String {
    let errors = emit(&compile(program, &[]), false).expect_err("too much for one function");
    assert_eq!(errors.len(), 1);
    errors[0].message.clone()
}

#[test]
fn limits_are_errors() {
    let list = |n: usize, part: &dyn Fn(usize) -> String| {
        (0..n).map(part).collect::<Vec<String>>().join(", ")
    };
    assert_eq!(
        error(&format!("fn f(x) {{ ({}) }}", list(260, &|_| "x.f()".into()))),
        "260 values at once, the limit is 250: build it in parts"
    );
    assert_eq!(
        error(&format!("fn f(x) {{ x({}) }}", list(251, &|i| i.to_string()))),
        "251 arguments, the limit is 250: pass a list"
    );
    let lets: String = (0..300).map(|i| format!("let v{i} = x.f()\n")).collect();
    let uses: String = (0..300).map(|i| format!("x.g(v{i})\n")).collect();
    assert_eq!(
        error(&format!("fn f(x) {{ {lets}{uses} }}")),
        "needs 302 registers at once, the limit is 255: split the function"
    );
    assert_eq!(
        error(&format!("fn f({}) {{ nil }}", list(251, &|i| format!("p{i}")))),
        "251 parameters, the limit is 250"
    );
}

#[test]
fn what_just_fits_is_emitted() {
    let lets: String = (0..250).map(|i| format!("let v{i} = x.f()\n")).collect();
    let uses: String = (0..250).map(|i| format!("x.g(v{i})\n")).collect();
    emit_verified(&compile(&format!("fn f(x) {{ {lets}{uses} }}"), &[]));
    let args = vec!["x"; 250].join(", ");
    emit_verified(&compile(&format!("fn f(x) {{ x.g()({args}); ({args}) }}"), &[]));
}
