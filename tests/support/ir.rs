//! Programs for the tests of the IR: compiled without passes, run by the oracle, compared with
//! what their comments expect.

use std::path::{Path, PathBuf};

use menagerie::builtins::{FUNCTIONS, PRELUDE};
use menagerie::ir::Program;
use menagerie::ir::build::{NativeSig, build};
use menagerie::ir::oracle::{OracleConfig, OracleRun};
use menagerie::lang::ast::{Module, Span};
use menagerie::lang::diagnostics::{Diagnostic, RenderOptions, Sources, has_errors, render};
use menagerie::lang::parser::parse;
use menagerie::lang::resolve::load::Files;
use menagerie::names::Interner;

/// The workloads' folder.
pub(crate) fn workloads() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("experiments/workloads")
}

/// Every `.mena` file below a folder, in order.
pub(crate) fn programs_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
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

/// Compiles a text to IR as it is built, before any pass. Imports are files beside `path`.
pub(crate) fn compile_text(path: &Path, text: &str) -> Result<Program, String> {
    let mut sources = Sources::new();
    let result = compile_into(&mut sources, path, text);
    result.map_err(|errors| render(&sources, &errors, RenderOptions::default()))
}

fn compile_into(
    sources: &mut Sources,
    path: &Path,
    text: &str,
) -> Result<Program, Vec<Diagnostic>> {
    let mut names = Interner::default();
    let prelude_file = sources.add("<prelude>", PRELUDE);
    let main_file = sources.add(path.display().to_string(), text);
    let prelude = parse_file(sources, prelude_file, &mut names)?;
    let main = parse_file(sources, main_file, &mut names)?;
    let mut load = |name: &str, from: Span, names: &mut Interner| {
        let beside = path.with_file_name(format!("{name}.mena"));
        let known = sources.files().iter().position(|f| f.name() == beside.display().to_string());
        if let Some(file) = known {
            return Ok((file as u32, Module::default()));
        }
        let Ok(text) = std::fs::read_to_string(&beside) else {
            return Err(vec![Diagnostic::error(from, format!("there is no file {name}"))]);
        };
        let file = sources.add(beside.display().to_string(), text);
        Ok((file, parse_file(sources, file, names)?))
    };
    let files = Files::load(prelude, main_file, main, &mut names, &mut load)?;
    build(&files, names, &signatures())
}

fn parse_file(
    sources: &Sources,
    file: u32,
    names: &mut Interner,
) -> Result<Module, Vec<Diagnostic>> {
    let (module, diagnostics) = parse(sources, file, names);
    if has_errors(&diagnostics) { Err(diagnostics) } else { Ok(module) }
}

fn signatures() -> Vec<NativeSig> {
    let signature = |f: &menagerie::builtins::Builtin| NativeSig {
        name: f.name,
        min_args: f.min_args,
        max_args: f.max_args,
    };
    FUNCTIONS.iter().map(signature).collect()
}

/// What a program's comments say about its run.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) output: String,
    pub(crate) error: Option<String>,
    pub(crate) config: OracleConfig,
    /// It runs with parameters other than those that `output` belongs to.
    pub(crate) is_small: bool,
    /// Not a program of its own, or not for a heap that never collects.
    pub(crate) skipped: bool,
}

/// Reads the comments. Parameters get their small value.
pub(crate) fn expected(text: &str) -> Expected {
    let mut expected = Expected::default();
    for line in text.lines().map(str::trim) {
        let Some(comment) = line.strip_prefix("//").map(str::trim_start) else { continue };
        if let Some(line) = comment.strip_prefix("expect:") {
            expected.output += line.strip_prefix(' ').unwrap_or(line);
            expected.output.push('\n');
        } else if let Some(kind) = comment.strip_prefix("expect-error:") {
            expected.error = Some(kind.trim().to_owned());
        } else if let Some(parameter) = comment.strip_prefix("param ") {
            let (name, rest) = parameter.split_once('=').expect("a parameter has a default");
            let small = rest.split_once("(small ").map(|(_, small)| small);
            let value = small.and_then(|small| small.split([',', ')']).next());
            if let Some(value) = value {
                let value = value.trim().to_owned();
                expected.config.params.insert(name.trim().to_owned(), value);
                expected.is_small = true;
            }
        } else if let Some(limit) = comment.strip_prefix("step-limit:") {
            expected.config.step_limit = Some(limit.trim().parse().expect("a number"));
        } else if let Some(limit) = comment.strip_prefix("heap-bytes:") {
            expected.config.limit_bytes = bytes(limit.trim());
        } else if comment.starts_with("needs: collection") || comment.starts_with("helper:") {
            expected.skipped = true;
        }
    }
    expected
}

fn bytes(text: &str) -> usize {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().expect("a number of bytes");
    match text[digits..].trim() {
        "KiB" => number << 10,
        "MiB" => number << 20,
        "GiB" => number << 30,
        _ => number,
    }
}

/// What is wrong with a run, if anything is.
pub(crate) fn complaint(expected: &Expected, run: &OracleRun) -> Option<String> {
    let error = run.ending.error_kind();
    let same_output = expected.is_small || run.output == expected.output;
    if same_output && error == expected.error.as_deref() {
        return None;
    }
    Some(format!(
        "expected {:?} and\n{}got {:?} and\n{}",
        expected.error, expected.output, run.ending, run.output
    ))
}
