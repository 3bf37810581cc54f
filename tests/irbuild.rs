//! The IR that is built for small programs, and the messages of name resolution, compared with
//! committed files.
//!
//! `tests/support/irbuild.txt` and `irbuild_errors.txt` hold the cases: `=== name`, the program,
//! `--- output`, the IR or the messages. `--- file name` starts another file that the program can
//! import. `UPDATE_EXPECT=1 cargo test --test irbuild` rewrites the outputs.

#[path = "support/mod.rs"]
mod support;

use menagerie::builtins;
use menagerie::ir::build::{NativeSig, build};
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
const FILE: &str = "--- file ";

/// The prelude of these tests.
const PRELUDE: &str = "impl List { fn twice(self) { [self, self] } }\nfn id(x) { x }\n";

#[derive(Default)]
struct Case {
    name: String,
    program: String,
    /// Further files: name and text.
    files: Vec<(String, String)>,
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
        } else if let Some(name) = line.strip_prefix(FILE) {
            case.files.push((name.to_owned(), String::new()));
        } else {
            let part = match (in_output, case.files.last_mut()) {
                (true, _) => &mut case.output,
                (false, Some((_, text))) => text,
                (false, None) => &mut case.program,
            };
            part.push_str(line);
            part.push('\n');
        }
    }
    cases
}

/// A compiler run: its sources, for messages, and what came out.
struct Compiled {
    sources: Sources,
    result: Result<Program, Vec<Diagnostic>>,
}

fn compile(program: &str, files: &[(String, String)]) -> Compiled {
    compile_with(PRELUDE, &support::natives(), program, files)
}

fn compile_with(
    prelude: &str,
    natives: &[NativeSig],
    program: &str,
    files: &[(String, String)],
) -> Compiled {
    let mut sources = Sources::new();
    let result = compile_into(&mut sources, prelude, natives, program, files);
    Compiled { sources, result }
}

fn compile_into(
    sources: &mut Sources,
    prelude: &str,
    natives: &[NativeSig],
    program: &str,
    files: &[(String, String)],
) -> Result<Program, Vec<Diagnostic>> {
    let mut names = Interner::default();
    let prelude = sources.add("prelude.mena", prelude);
    let main = sources.add("main.mena", program);
    let prelude = parse_file(sources, prelude, &mut names)?;
    let tree = parse_file(sources, main, &mut names)?;
    let mut loader = |name: &str, import: Span, names: &mut Interner| {
        let path = format!("{name}.mena");
        let known = sources.files().iter().position(|file| file.name() == path);
        if let Some(file) = known {
            return Ok((file as u32, Module::default()));
        }
        let Some((_, text)) = files.iter().find(|(file, _)| *file == path) else {
            return Err(vec![Diagnostic::error(import, format!("there is no file {path}"))]);
        };
        let file = sources.add(path, text.as_str());
        Ok((file, parse_file(sources, file, names)?))
    };
    let files = Files::load(prelude, main, tree, &mut names, &mut loader)?;
    build(&files, names, natives)
}

fn parse_file(
    sources: &Sources,
    file: u32,
    names: &mut Interner,
) -> Result<Module, Vec<Diagnostic>> {
    let (module, diagnostics) = parse(sources, file, names);
    if diagnostics.is_empty() { Ok(module) } else { Err(diagnostics) }
}

/// The IR of the case's functions, without the prelude's.
fn ir(case: &Case) -> String {
    let compiled = compile(&case.program, &case.files);
    let program = match compiled.result {
        Ok(program) => program,
        Err(errors) => return render(&compiled.sources, &errors, RenderOptions::default()),
    };
    let mut out = String::new();
    for (index, func) in program.funcs.iter().enumerate() {
        let of_prelude = func.span.file == 0 && func.span != Span::default();
        let is_entry = program.entry == Some(FuncId(index as u32));
        let boring_entry = is_entry && func.blocks.len() == 1 && func.blocks[0].insts.len() <= 3;
        if of_prelude || boring_entry {
            continue;
        }
        let style = Style { spans: false, names: false, notes: false };
        out.push_str(&print_function(&program, FuncId(index as u32), style));
    }
    out
}

fn messages(case: &Case) -> String {
    let compiled = compile(&case.program, &case.files);
    match compiled.result {
        Ok(_) => "no errors\n".to_owned(),
        Err(errors) => render(&compiled.sources, &errors, RenderOptions::default()),
    }
}

fn check_file(file: &str, cases_min: usize, output: fn(&Case) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(file);
    let text = std::fs::read_to_string(&path).expect("the golden file");
    let cases = cases(&text);
    assert!(cases.len() >= cases_min, "only {} cases", cases.len());
    let trimmed = |text: String| -> String {
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    };
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let mut out = String::new();
        for case in &cases {
            let _ = write!(out, "{CASE}{}\n{}", case.name, case.program);
            for (name, text) in &case.files {
                let _ = write!(out, "{FILE}{name}\n{text}");
            }
            let _ = write!(out, "{OUTPUT}\n{}", trimmed(output(case)));
        }
        std::fs::write(&path, out).expect("the golden file is writable");
        return;
    }
    let mut wrong = String::new();
    for case in &cases {
        let now = trimmed(output(case));
        if now != case.output {
            let _ = write!(wrong, "{CASE}{}\nexpected:\n{}got:\n{now}", case.name, case.output);
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nUPDATE_EXPECT=1 rewrites {file}");
}

#[test]
fn the_ir_is_as_committed() {
    check_file("irbuild.txt", 1, ir);
}

#[test]
fn messages_are_as_committed() {
    check_file("irbuild_errors.txt", 1, messages);
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
fn workloads_compile() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("experiments/workloads");
    let natives = builtins::FUNCTIONS.iter().map(|builtin| NativeSig {
        name: builtin.name,
        min_args: builtin.min_args,
        max_args: builtin.max_args,
    });
    let natives: Vec<NativeSig> = natives.collect();
    let mut wrong = String::new();
    for path in programs(root) {
        let text = std::fs::read_to_string(&path).expect("a workload");
        let folder = path.parent().expect("a file is in a folder");
        let siblings = programs(folder.to_owned()).into_iter().map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a workload"))
        });
        let siblings: Vec<(String, String)> = siblings.collect();
        let compiled = compile_with(builtins::PRELUDE, &natives, &text, &siblings);
        if let Err(errors) = compiled.result {
            let messages = render(&compiled.sources, &errors, RenderOptions::default());
            let _ = writeln!(wrong, "{}:\n{messages}", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Compiles a program that must be correct.
fn compile_ok(program: &str) -> Program {
    let compiled = compile(program, &[]);
    match compiled.result {
        Ok(program) => program,
        Err(errors) => {
            panic!("{}", render(&compiled.sources, &errors, RenderOptions::default()))
        }
    }
}

/// The nested constructs that may be deepest, each as (before, innermost, after).
const NESTS: [(&str, &str, &str); 12] = [
    ("if x { ", "x", " } else { x }"),
    ("while x { ", "x", " }"),
    ("for y in x { ", "x", " }"),
    ("for y in 0..x { ", "x", " }"),
    ("loop { ", "break x", " }"),
    ("try { ", "x", " } finally { x }"),
    ("try { ", "x", " } catch :a { 1 }"),
    ("arena { ", "x", " }"),
    ("match x { 1 => ", "x", ", _ => 2 }"),
    ("[(", "x", ", 1)]"),
    ("x && (x || ", "x", ")"),
    ("(|x| ", "x", ")"),
];

#[test]
fn nesting_as_deep_as_the_parser_allows_fits_a_small_stack() {
    for (before, innermost, after) in NESTS {
        // Levels are counted by the parser in its own way: find the deepest that it accepts.
        let program = |levels: usize| {
            let (before, after) = (before.repeat(levels), after.repeat(levels));
            format!("fn f(x) {{ let r = {before}{innermost}{after}; r }}")
        };
        let accepted = |levels: usize| {
            let mut sources = Sources::new();
            let file = sources.add("main.mena", program(levels));
            parse(&sources, file, &mut Interner::default()).1.is_empty()
        };
        let deepest = (1..600).rev().find(|levels| accepted(*levels)).expect("one level");
        assert!(deepest >= 20, "only {deepest} levels of `{before}`");
        let text = program(deepest);
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let thread = small.spawn(move || drop(compile_ok(&text))).expect("a thread");
        thread.join().expect("it compiles");
    }
}

#[test]
fn long_chains_compile() {
    let chain = |part: &str| format!("fn f(x) {{ var y = x; x{} }}", part.repeat(450));
    for part in [" + x", ".f()", ".x", "[x]", " && x", "(x)"] {
        compile_ok(&chain(part));
    }
    let arms = " else if x { 1 }".repeat(400);
    compile_ok(&format!("fn f(x) {{ if x {{ 0 }}{arms} }}"));
}

/// Programs whose size grows with `n` in one dimension.
fn large(shape: usize, n: usize) -> String {
    let lines = |line: fn(usize) -> String| (0..n).map(line).collect::<String>();
    let body = match shape {
        0 => lines(|i| format!("let v{i} = x + {i}\n")),
        1 => format!("var y = 0\n{}y", lines(|i| format!("if x == {i} {{ y += {i} }}\n"))),
        2 => {
            let declared = lines(|i| format!("var v{i} = {i}\n"));
            let ifs = lines(|i| format!("if x {{ v{i} += 1 }}\n"));
            let sums = lines(|i| format!("s += v{i}\n"));
            format!("{declared}{ifs}var s = 0\n{sums}s")
        }
        3 => {
            let arms = lines(|i| format!("{i} => {{ y = {i}; y }}\n"));
            format!("var y = 0\nlet z = match x {{ {arms} _ => 0 }}\ny + z")
        }
        4 => format!(
            "var y = 0\nloop {{ y += 1\n{} }}",
            lines(|i| format!("if y == {i} {{ break }}\n"))
        ),
        5 => format!(
            "var y = 0\ntry {{ {} }} catch e {{ y }}",
            lines(|i| format!("y += g(y, {i})\n"))
        ),
        6 => format!("var y = 0\n{}", lines(|i| format!("for i in x {{ y += {i} }}\n"))),
        7 => {
            format!("var y = 0\n{}", lines(|i| format!("try {{ y = {i} }} catch e {{ y = -1 }}\n")))
        }
        8 => lines(|i| format!("let v{i} = |a| a + x\n")),
        9 => format!("{}f0()", lines(|i| format!("fn f{i}() {{ f{}() + x }}\n", i.div_ceil(2)))),
        _ => lines(|i| {
            format!("let s{i} = \"a{{x}}b\"; match x {{ (a, {i}) | (_, a) => g(a, 1), _ => x }}\n")
        }),
    };
    format!("fn g(x, y) {{ x }}\nfn f(x) {{\n{body}\n}}\n")
}

#[test]
fn building_is_near_linear() {
    for shape in 0..=11 {
        let time = |n: usize| {
            let text = large(shape, n);
            let started = std::time::Instant::now();
            compile_ok(&text);
            started.elapsed()
        };
        let (small, big) = (time(2_000), time(16_000));
        // Linear is 8 times, quadratic 64 times.
        let limit = small * 40 + std::time::Duration::from_millis(200);
        assert!(big < limit, "shape {shape}: {small:?} for 2000, {big:?} for 16000");
    }
}
