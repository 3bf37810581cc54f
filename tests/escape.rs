//! Escape analysis: what it says about small programs, compared with a committed file
//! (`tests/support/escape.txt`; `UPDATE_EXPECT=1 cargo test --test escape` rewrites the outputs).

#[path = "support/cases.rs"]
mod cases;

use std::path::Path;

use menagerie::compile::Compilation;
use menagerie::ir::escape;
use menagerie::lang::diagnostics::{RenderOptions, render};

#[test]
fn verdicts_and_reasons() {
    cases::check("escape.txt", |case| {
        let off = escape::Options { mode: escape::Mode::Off, ..escape::Options::default() };
        let mut compilation = Compilation::new(off);
        let program = compilation.program(Path::new("main.mena"), case.program.as_bytes());
        let program = program.unwrap_or_else(|_| {
            let (sources, diagnostics) = (&compilation.sources, &compilation.diagnostics);
            panic!("{}: {}", case.name, render(sources, diagnostics, RenderOptions::default()))
        });
        escape::explain(&program, &compilation.sources, escape::Options::default())
    });
}
