//! Bytecode emission: SSA to register code.
//!
//! ```text
//! IR ─ select (fuse, literals, hoist) ─► lir ─ live, alloc ─► colours ─ layout (copies) ─► words
//! ```
//!
//! Per function: instructions are selected over virtual registers, fused where one op does the
//! work of several; constants are loaded where they are used, or once before an outermost loop;
//! registers are given out by colouring; blocks are laid out in IR order. All in near-linear time,
//! because top-level scripts are single functions of any length.

use crate::bytecode::{Code, FunctionCode};
use crate::ir::{FuncId, Function, Lifetime, Program};
use crate::lang::ast::Span;

mod alloc;
mod copies;
mod frames;
mod fuse;
mod hoist;
mod layout;
mod lir;
mod literals;
mod live;
mod pool;
mod select;

/// Why a function cannot be emitted: it goes beyond a limit of the bytecode.
#[derive(Clone, PartialEq, Debug)]
pub struct EmitError {
    /// The function.
    pub function: FuncId,
    /// The place in it, or its declaration.
    pub span: Span,
    /// What is wrong and what to do.
    pub message: String,
}

/// Translates a program whose IR is well formed (rules R1–R7). `mark_frames`: frames that make local
/// objects say so, for heaps that give these memory of their own.
pub fn emit(program: &Program, mark_frames: bool) -> Result<Code, Vec<EmitError>> {
    let mut code =
        Code { globals: program.globals.len() as u32, entry: program.entry, ..Code::default() };
    let mut pool = pool::Pool::default();
    let mut errors = Vec::new();
    for (function, id) in program.funcs.iter().zip((0..).map(FuncId)) {
        let marks_frame = mark_frames && makes_local_objects(function);
        match function_code(id, function, marks_frame, &mut pool, &mut code) {
            Ok(f) => code.functions.push(f),
            Err(more) => errors.extend(more),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    code.constants = pool.constants;
    code.method_sites = pool.sites;
    code.updates = pool.updates;
    Ok(code)
}

fn makes_local_objects(function: &Function) -> bool {
    let mut insts = function.blocks.iter().flat_map(|block| &block.insts);
    insts.any(|inst| inst.lifetime != Lifetime::Heap)
}

fn function_code(
    id: FuncId,
    function: &Function,
    marks_frame: bool,
    pool: &mut pool::Pool,
    code: &mut Code,
) -> Result<FunctionCode, Vec<EmitError>> {
    let error = |message| vec![EmitError { function: id, span: function.span, message }];
    for (count, what) in
        [(function.params.len(), "parameters"), (function.captures as usize, "captured variables")]
    {
        if count > select::WINDOW_MAX {
            let limit = select::WINDOW_MAX;
            return Err(error(format!("{count} {what}, the limit is {limit}")));
        }
    }
    let shape = select::Shape::new(function);
    let mut needed = 0;
    // Constants kept in registers may be what makes a function not fit.
    for hoist in [true, false] {
        let mut lir = select::select(id, function, &shape, pool, hoist)?;
        lir.marks_frame = marks_frame;
        match registers_and_words(function, &mut lir, &shape, code) {
            Ok(f) => return Ok(f),
            Err(count) => needed = count,
        }
    }
    let limit = alloc::REGISTERS_MAX;
    Err(error(format!(
        "needs {needed} registers at once, the limit is {limit}: split the function"
    )))
}

fn registers_and_words(
    function: &Function,
    lir: &mut lir::Lir,
    shape: &select::Shape,
    code: &mut Code,
) -> Result<FunctionCode, usize> {
    let live = live::Liveness::new(lir, shape)?;
    let colouring = alloc::allocate(lir, &live, shape)?;
    let f = layout::lay_out(function, lir, &live, &colouring, code)?;
    frames::fill_in(code, &f, lir.entry.len());
    Ok(f)
}
