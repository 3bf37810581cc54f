//! `menagerie dump`, `menagerie explain` and `menagerie check`.

use std::path::Path;
use std::process::ExitCode;

use menagerie::bytecode::disasm;
use menagerie::compile::{Compilation, Failed};
use menagerie::ir::{FuncId, Program, escape, text};
use menagerie::lang::ast::Span;
use menagerie::lang::pretty;

use crate::cli::{DumpArgs, ExplainArgs, Stage, Topic};
use crate::exec::{print_diagnostics, read};
use crate::output::show;

fn shown(compilation: &Compilation, text: Result<String, Failed>) -> ExitCode {
    print_diagnostics(compilation);
    match text {
        Ok(text) => show(&text),
        Err(Failed) => ExitCode::from(2),
    }
}

/// Prints a program in one of its forms.
pub(crate) fn dump(args: &DumpArgs) -> ExitCode {
    let bytes = match read(&args.program) {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    let mut compilation = Compilation::new(args.escape.options());
    let text = form(&mut compilation, args, &bytes);
    shown(&compilation, text)
}

fn form(compilation: &mut Compilation, args: &DumpArgs, bytes: &[u8]) -> Result<String, Failed> {
    if args.stage == Stage::Ast {
        let (module, names) = compilation.tree(&args.program, bytes)?;
        return Ok(pretty::module_text(&module, &names));
    }
    let program = compilation.program(&args.program, bytes)?;
    if args.stage == Stage::Ssa {
        return Ok(ssa(&program, args.prelude));
    }
    let code = compilation.code(&program)?;
    let (code, names) = (code.code(), &program.names);
    if args.prelude {
        return Ok(disasm::listing(code, names));
    }
    let own = own_functions(code.entry, code.functions.iter().map(|f| f.span));
    Ok(own.map(|f| disasm::function_listing(code, names, f)).collect::<Vec<_>>().join("\n"))
}

fn ssa(program: &Program, prelude: bool) -> String {
    let style = text::Style::READABLE;
    if prelude {
        return text::print(program, style);
    }
    let own = own_functions(program.entry, program.funcs.iter().map(|f| f.span));
    own.map(|f| text::print_function(program, f, style)).collect::<Vec<_>>().join("\n")
}

/// The functions that are not the prelude's, which is the first file. (The entry calls what the
/// files have at their top level, so it has a place in none of them.)
fn own_functions(
    entry: Option<FuncId>,
    spans: impl Iterator<Item = Span>,
) -> impl Iterator<Item = FuncId> {
    let own = move |&(f, span): &(FuncId, Span)| span.file > 0 || Some(f) == entry;
    (0..).map(FuncId).zip(spans).filter(own).map(|(f, _)| f)
}

/// Explains what the compiler found out about a program.
pub(crate) fn explain(args: &ExplainArgs) -> ExitCode {
    let bytes = match read(&args.program) {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    let options = args.escape.options();
    // What the pass would do is explained of a program on which it was not run.
    let off = escape::Options { mode: escape::Mode::Off, ..options };
    let mut compilation = Compilation::new(off);
    let program = compilation.program(&args.program, &bytes);
    let text = program.map(|program| match args.topic {
        Topic::Escape => escape::explain(&program, &compilation.sources, options),
    });
    shown(&compilation, text)
}

/// Compiles a program and reports what is wrong with it.
pub(crate) fn check(program: &Path) -> ExitCode {
    let bytes = match read(program) {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    let mut compilation = Compilation::default();
    let checked = compilation
        .program(program, &bytes)
        .and_then(|p| compilation.code(&p))
        .map(|_| String::new());
    shown(&compilation, checked)
}
