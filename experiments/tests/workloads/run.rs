//! Compiles and runs a program of the catalogue in this process.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use menagerie::bytecode::verify::Verified;
use menagerie::compile::Compilation;
use menagerie::ir::Program;
use menagerie::lang::diagnostics::{RenderOptions, render};
use menagerie::output::Output;
use menagerie::report::Ending;
use menagerie::stats::Stats;
use menagerie::vm::VmConfig;
use menagerie::world::World;
use menagerie_experiments::catalogue::Workload;

/// Output that a test can look at.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A compiled program: it can be run again and again.
pub(crate) struct Compiled<'a> {
    pub(crate) workload: &'a Workload,
    program: Program,
    code: Verified,
}

/// What a run gave.
pub(crate) struct Ran {
    pub(crate) output: Vec<String>,
    pub(crate) ending: Ending,
    pub(crate) stats: Stats,
}

pub(crate) fn compile(workload: &Workload) -> Compiled<'_> {
    let mut compilation = Compilation::default();
    let program = compilation.program(&workload.program, workload.text.as_bytes());
    let code = program.and_then(|p| Ok((compilation.code(&p)?, p)));
    let (code, program) = code.unwrap_or_else(|_| {
        let options = RenderOptions::default();
        panic!("{}", render(&compilation.sources, &compilation.diagnostics, options))
    });
    Compiled { workload, program, code }
}

impl Compiled<'_> {
    pub(crate) fn run(
        &self,
        (heap, scheduler): (&str, &str),
        config: &VmConfig,
        params: BTreeMap<String, String>,
    ) -> Ran {
        let output = Capture::default();
        let mut world = World::new(self.program.clone());
        world.output = Output::immediate(output.clone(), std::io::sink());
        world.params = params;
        let code = self.code.clone();
        let ran = menagerie_strategies::run(heap, scheduler, config, code, world, None);
        let id = &self.workload.id;
        let (ending, stats) = ran.unwrap_or_else(|e| panic!("{id}, {heap} × {scheduler}: {}", e.0));
        let text = String::from_utf8(output.0.lock().unwrap().clone()).expect("UTF-8");
        Ran { output: text.lines().map(str::to_owned).collect(), ending, stats }
    }
}
