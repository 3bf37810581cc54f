//! Resolved trees to SSA.
//!
//! Control flow is structured, so SSA form is made in one walk as in Brandis & Mössenböck,
//! "Single-Pass Generation of Static Single-Assignment Form for Structured Languages" (1994): a
//! log of assignments tells at each join which variables need a parameter, and the resolver tells
//! for each loop which ones its header needs. `finish` then removes the parameters that turn out
//! redundant (Braun et al., "Simple and Efficient Construction of SSA Form", 2013) or unused, so
//! the result is the minimal, pruned form. The whole is near linear in the size of the program.
//!
//! Where variables live:
//! - never assigned after its declaration: the SSA value itself, constants at each use;
//! - captured and assigned, or assigned in an `arena` from outside of it: a cell;
//! - assigned inside a protected region from outside of it: a frame slot (rule R5);
//! - other `var`s: SSA values.
//!
//! Layout: loop tests stand at the bottom; what runs rarely (handlers, failed matches) at the end.

mod control;
mod exprs;
mod finish;
mod function;
mod matching;
mod protect;

use super::Program;
use crate::lang::diagnostics::Diagnostic;
use crate::lang::resolve::load::Files;
use crate::lang::resolve::resolve;
use crate::names::Interner;

/// A builtin function as the compiler sees it; its index in the table is its `NativeId`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NativeSig {
    /// Its name; names that begin with `%` are for the builder only.
    pub name: &'static str,
    /// It takes at least this many arguments.
    pub min_args: u8,
    /// It takes at most this many; 255: any number.
    pub max_args: u8,
}

/// The builtins that lowering itself calls; the table given to [`build`] has all of them.
pub const LOWERING_NATIVES: [NativeSig; 10] = [
    // Throws MatchFailure for the value that nothing matched.
    NativeSig { name: "%match_failure", min_args: 1, max_args: 1 },
    // Throws TypeMismatch: one of the two ends of a range is not an int.
    NativeSig { name: "%check_range", min_args: 2, max_args: 2 },
    // A new, empty task scope.
    NativeSig { name: "%scope_new", min_args: 0, max_args: 0 },
    // (scope, task): the task belongs to the scope.
    NativeSig { name: "%scope_add", min_args: 2, max_args: 2 },
    // Blocks until all tasks of the scope have ended.
    NativeSig { name: "%scope_join", min_args: 1, max_args: 1 },
    // Throws the error of the scope's first failed task, in spawn order.
    NativeSig { name: "%scope_check", min_args: 1, max_args: 1 },
    // (scope): an error leaves the body.
    NativeSig { name: "%scope_cancel", min_args: 1, max_args: 1 },
    // (scope, error): the error to throw after the tasks have ended.
    NativeSig { name: "%scope_error", min_args: 2, max_args: 2 },
    // (side, channel, value, …, otherwise, ms): the number of the case that happened.
    NativeSig { name: "%select", min_args: 2, max_args: u8::MAX },
    // What that case received.
    NativeSig { name: "%select_value", min_args: 0, max_args: 0 },
];

/// Compiles a program to IR. `natives` is the table of builtin functions, those of
/// [`LOWERING_NATIVES`] among them; `names` is the table that the trees were parsed with.
///
/// # Errors
/// Everything that is wrong with the program's names.
///
/// # Panics
/// When `natives` lacks one of [`LOWERING_NATIVES`].
pub fn build(
    files: &Files,
    names: Interner,
    natives: &[NativeSig],
) -> Result<Program, Vec<Diagnostic>> {
    let mut tree = resolve(files, names, natives)?;
    let funcs = function::lower_all(&tree, natives);
    let program = Program {
        funcs,
        entry: tree.entry,
        globals: tree.globals.iter().map(|global| global.name).collect(),
        classes: std::mem::take(&mut tree.classes),
        methods: std::mem::take(&mut tree.methods),
        names: std::mem::take(&mut tree.names),
        ..Program::default()
    };
    if cfg!(debug_assertions) {
        super::verify::assert_well_formed(&program, natives.len());
    }
    Ok(program)
}
