//! `menagerie dump` and `menagerie check`.

use std::path::Path;
use std::process::ExitCode;

use menagerie::compile::{Compilation, Failed};
use menagerie::lang::pretty;

use crate::cli::{DumpArgs, Stage};
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
    let mut compilation = Compilation::default();
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
        return Ok(menagerie::ir::text::print(&program, Default::default()));
    }
    let code = compilation.code(&program)?;
    Ok(menagerie::bytecode::disasm::listing(code.code(), &program.names))
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
