//! From files to verified code: the pipeline in one place.
//!
//! text → `lang` (tokens, tree) → `ir::build` (resolved, SSA) → `ir::passes` → `bytecode::emit` →
//! `bytecode::verify`.

use std::path::{Path, PathBuf};

use crate::builtins::{FUNCTIONS, PRELUDE};
use crate::bytecode::emit::emit;
use crate::bytecode::verify::{Limits, Verified, verify};
use crate::host::functions::HostFunctions;
use crate::ir::build::{NativeSig, build};
use crate::ir::{Program, escape, passes};
use crate::lang::ast::{Module, Span};
use crate::lang::diagnostics::{Diagnostic, Sources, has_errors};
use crate::lang::parser::parse;
use crate::lang::resolve::load::Files;
use crate::names::Interner;

/// The file number of the prelude.
pub const PRELUDE_FILE: u32 = 0;

/// A program that is being compiled, with its sources.
#[derive(Debug, Default)]
pub struct Compilation {
    /// All files read so far; the prelude is the first.
    pub sources: Sources,
    /// What escape analysis is told.
    pub escape: escape::Options,
    /// Whether the code marks frames that make local objects ([`Mutator::FRAMES`]).
    ///
    /// [`Mutator::FRAMES`]: crate::heap::Mutator::FRAMES
    pub mark_frames: bool,
    /// What the host adds to the builtins.
    pub functions: HostFunctions,
    /// What there is to say; errors end the compilation.
    pub diagnostics: Vec<Diagnostic>,
    /// Paths of the files, by file number.
    paths: Vec<PathBuf>,
}

/// The compilation has failed: see [`Compilation::diagnostics`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

impl Compilation {
    /// One in which escape analysis is told this.
    pub fn new(escape: escape::Options) -> Compilation {
        Compilation { escape, ..Compilation::default() }
    }

    /// Parses one more file.
    fn parse(&mut self, path: &Path, bytes: &[u8], names: &mut Interner) -> (u32, Module) {
        self.paths.push(path.to_owned());
        let file = match self.sources.add_bytes(path.display().to_string(), bytes) {
            Ok(file) => file,
            Err(diagnostic) => {
                let file = diagnostic.span.file;
                self.diagnostics.push(diagnostic);
                return (file, Module::default());
            }
        };
        let (module, diagnostics) = parse(&self.sources, file, names);
        self.diagnostics.extend(diagnostics);
        (file, module)
    }

    fn ok<T>(&self, value: T) -> Result<T, Failed> {
        if has_errors(&self.diagnostics) { Err(Failed) } else { Ok(value) }
    }

    /// Parses a main file alone: its tree.
    pub fn tree(&mut self, path: &Path, bytes: &[u8]) -> Result<(Module, Interner), Failed> {
        let mut names = Interner::default();
        let (_, module) = self.parse(path, bytes, &mut names);
        self.ok((module, names))
    }

    /// Compiles a main file, and what it imports, to optimised IR.
    pub fn program(&mut self, path: &Path, bytes: &[u8]) -> Result<Program, Failed> {
        let mut names = Interner::default();
        let (_, prelude) = self.parse(Path::new("<prelude>"), PRELUDE.as_bytes(), &mut names);
        let (main_file, main) = self.parse(path, bytes, &mut names);
        let mut load = |name: &str, from: Span, names: &mut Interner| {
            let beside = self.paths[from.file as usize].with_file_name(format!("{name}.mena"));
            if let Some(known) = self.paths.iter().position(|p| *p == beside) {
                return Ok((known as u32, Module::default()));
            }
            match std::fs::read(&beside) {
                Ok(bytes) => Ok(self.parse(&beside, &bytes, names)),
                Err(e) => {
                    let message = format!("cannot import `{name}`: {}: {e}", beside.display());
                    Err(vec![Diagnostic::error(from, message)])
                }
            }
        };
        let files = Files::load(prelude, main_file, main, &mut names, &mut load);
        let builtins = FUNCTIONS.iter().map(|f| (f.name, f.min_args, f.max_args));
        let added = self.functions.iter().map(|f| (f.name(), f.min_args(), f.max_args()));
        let signature = |(name, min_args, max_args)| NativeSig { name, min_args, max_args };
        let signatures: Vec<_> = builtins.chain(added).map(signature).collect();
        // After a syntax error the tree has holes: names that it misses are no errors of their own.
        self.ok(())?;
        let built = files.and_then(|files| build(&files, names, &signatures));
        match built {
            Ok(mut program) => {
                program.functions = self.functions.clone();
                // What the prelude makes is its callers': there is nothing to find in it, and every
                // program has it.
                let ignored_file = Some(PRELUDE_FILE);
                passes::run_all(&mut program, escape::Options { ignored_file, ..self.escape });
                Ok(program)
            }
            Err(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                Err(Failed)
            }
        }
    }

    /// Compiles IR to verified bytecode.
    ///
    /// # Panics
    /// When the emitter's code does not verify: a broken contract inside the compiler.
    pub fn code(&mut self, program: &Program) -> Result<Verified, Failed> {
        let code = match emit(program, self.mark_frames) {
            Ok(code) => code,
            Err(errors) => {
                let diagnostics = errors.into_iter().map(|e| Diagnostic::error(e.span, e.message));
                self.diagnostics.extend(diagnostics);
                return Err(Failed);
            }
        };
        Ok(verify(code, &Limits::of(program, FUNCTIONS.len() + program.functions.len()))
            .unwrap_or_else(|errors| panic!("broken contract: emitted code: {errors:#?}")))
    }
}
