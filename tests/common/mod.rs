//! Runs Mena programs for the tests: compile, run on a heap, compare with what the program says.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries, each uses a part")]

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use menagerie::bytecode::verify::Verified;
use menagerie::compile::Compilation;
use menagerie::event::{Event, FnSink};
use menagerie::heap::{CheckOptions, HeapConfig, Sizer};
use menagerie::input::Input;
use menagerie::interp::Engine;
use menagerie::ir::oracle::{self, OracleConfig};
use menagerie::ir::{Program, escape};
use menagerie::lang::diagnostics::{RenderOptions, render};
use menagerie::output::Output;
use menagerie::report::Ending;
use menagerie::sched::SchedulerConfig;
use menagerie::stats::Stats;
use menagerie::vm::{VmConfig, VmError};
use menagerie::world::World;

/// Output that a test can look at.
#[derive(Clone, Default)]
pub struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// What has been written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).expect("UTF-8")
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How to run.
#[derive(Clone, Debug)]
pub struct How {
    pub heap: &'static str,
    pub limit_bytes: usize,
    /// Collect every so many bytes; `None` = the default sizer.
    pub nursery_bytes: Option<usize>,
    pub checks: CheckOptions,
    pub quantum: &'static str,
    pub scheduler: &'static str,
    pub workers: usize,
    /// Parameters of the scheduler beside the quantum.
    pub sched_params: Vec<(String, String)>,
    pub engine: Engine,
    pub params: Vec<(String, String)>,
    pub step_limit: Option<u64>,
    /// What `read_line` reads; `None` = nothing.
    pub input: Option<Arc<Input>>,
    /// The most threads for calls that may block.
    pub call_threads: Option<usize>,
    /// Whether the program sees the real clock.
    pub real_time: bool,
    /// Whether times and delays are measured.
    pub measure: bool,
    /// Of what is compiled for this run.
    pub escape: escape::Mode,
    pub max_stack_words: Option<usize>,
}

impl How {
    pub fn on(heap: &'static str) -> How {
        How {
            heap,
            limit_bytes: 1 << 30,
            nursery_bytes: None,
            checks: CheckOptions::default(),
            quantum: "4000",
            scheduler: "green",
            workers: 1,
            sched_params: Vec::new(),
            engine: Engine::default(),
            params: Vec::new(),
            step_limit: None,
            input: None,
            call_threads: None,
            real_time: false,
            measure: false,
            escape: escape::Mode::default(),
            max_stack_words: None,
        }
    }
    /// Every allocation collects, everything is checked. A check visits every register, so what fills
    /// the stack does that sooner.
    pub fn stressed(heap: &'static str) -> How {
        let checks = CheckOptions { check: true, stress: Some(1), ..CheckOptions::default() };
        How { checks, max_stack_words: Some(1 << 17), ..How::on(heap) }
    }
}

/// What a run gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    pub output: String,
    /// The error kind, if it ended with one.
    pub error: Option<String>,
    pub reductions: u64,
}

/// The heaps of the registry.
pub fn heaps() -> impl Iterator<Item = &'static str> {
    menagerie_strategies::HEAPS.iter().map(|(info, _)| info.name)
}

/// Whether a heap of the registry frees anything.
pub fn collects(heap: &str) -> bool {
    menagerie_strategies::HEAPS.iter().any(|(info, _)| info.name == heap && info.collects)
}

/// A compiled program: it can be run again and again.
pub struct Compiled {
    pub program: Program,
    pub code: Verified,
}

/// Compiles a program's text, or says what is wrong with it.
pub fn compile(path: &Path, source: &str) -> Result<Compiled, String> {
    compile_with(path, source, escape::Options::default(), false)
}

/// As [`compile`], with escape analysis as it is told, for a heap that wants frames marked or not.
pub fn compile_with(
    path: &Path,
    source: &str,
    escape: escape::Options,
    mark_frames: bool,
) -> Result<Compiled, String> {
    let mut compilation = Compilation::new(escape);
    compilation.mark_frames = mark_frames;
    let program = compilation.program(path, source.as_bytes());
    let code = program.and_then(|p| Ok((compilation.code(&p)?, p)));
    code.map(|(code, program)| Compiled { program, code }).map_err(|_| {
        render(&compilation.sources, &compilation.diagnostics, RenderOptions::default())
    })
}

/// Compiles a program that has no mistakes.
fn compile_correct(path: &Path, source: &str, mode: escape::Mode, mark_frames: bool) -> Compiled {
    let options = escape::Options { mode, ..escape::Options::default() };
    compile_with(path, source, options, mark_frames)
        .unwrap_or_else(|text| panic!("{} does not compile:\n{text}", path.display()))
}

/// Runs a program's text on the VM.
pub fn run(path: &Path, source: &str, how: &How) -> Outcome {
    let mark_frames = menagerie_strategies::has_frames(how.heap);
    let compiled = compile_once(path, source, how.escape, mark_frames);
    run_compiled(&compiled, how).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Tests run one program in many ways before they go on to the next: the last one is kept.
fn compile_once(path: &Path, source: &str, mode: escape::Mode, mark_frames: bool) -> Rc<Compiled> {
    type Kept = ((PathBuf, String, escape::Mode, bool), Rc<Compiled>);
    thread_local!(static LAST: RefCell<Option<Kept>> = const { RefCell::new(None) });
    let key = (path.to_owned(), source.to_owned(), mode, mark_frames);
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(kept, _)| *kept != key) {
            *last = Some((key, Rc::new(compile_correct(path, source, mode, mark_frames))));
        }
        last.as_ref().expect("just set").1.clone()
    })
}

/// Runs a program on the VM.
///
/// # Errors
/// The heap or the VM cannot be built: a limit too small, an unknown parameter.
pub fn run_compiled(compiled: &Compiled, how: &How) -> Result<Outcome, VmError> {
    let (output, ending, reductions) = end_of(compiled, how)?;
    Ok(Outcome { output, error: ending.error_kind().map(str::to_owned), reductions })
}

fn sched_parameters(how: &How) -> Vec<(String, String)> {
    let mut all = how.sched_params.clone();
    let schedulers = menagerie_strategies::SCHEDULERS.iter();
    let info = schedulers.map(|(info, _)| info).find(|info| info.name == how.scheduler);
    if info.is_some_and(|info| info.parameters.iter().any(|p| p.name == "quantum")) {
        all.push(("quantum".into(), how.quantum.into()));
    }
    all
}

/// Runs a program that ends well: its output, and what the heap has counted.
pub fn run_for_counters(compiled: &Compiled, how: &How) -> (String, Vec<(&'static str, u64)>) {
    let (output, ending, stats) = stats_of(compiled, how).expect("a heap");
    assert_eq!(ending.error_kind(), None, "{ending:?}");
    (output, stats.counters)
}

/// Runs a program on the VM: its output, its ending, its reductions.
///
/// # Errors
/// As [`run_compiled`].
pub fn end_of(compiled: &Compiled, how: &How) -> Result<(String, Ending, u64), VmError> {
    let (output, ending, stats) = stats_of(compiled, how)?;
    Ok((output, ending, stats.reductions))
}

fn stats_of(compiled: &Compiled, how: &How) -> Result<(String, Ending, Stats), VmError> {
    let capture = Capture::default();
    let (ending, stats) = end_of_into(compiled, how, Box::new(capture.clone()))?;
    Ok((capture.text(), ending, stats))
}

/// Runs a program on the VM, printing into `output`: its ending, and what the VM has counted.
///
/// # Errors
/// As [`run_compiled`].
pub fn end_of_into(
    compiled: &Compiled,
    how: &How,
    output: Box<dyn Write + Send>,
) -> Result<(Ending, Stats), VmError> {
    end_of_printing(compiled, how, Output::immediate(output, std::io::sink()))
}

/// As [`end_of_into`], with streams that may wait.
///
/// # Errors
/// As [`run_compiled`].
pub fn end_of_printing(
    compiled: &Compiled,
    how: &How,
    output: Arc<Output>,
) -> Result<(Ending, Stats), VmError> {
    end_of_told(compiled, how, output, None)
}

/// Runs a program that prints into the void and ends well: what has happened, and what the VM has counted.
pub fn events_of(compiled: &Compiled, how: &How) -> (Vec<Event>, Stats) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let events = events.clone();
        FnSink(Box::new(move |_, event| events.lock().unwrap().push(event.clone())))
    };
    let output = Output::immediate(std::io::sink(), std::io::sink());
    let (ending, stats) = end_of_told(compiled, how, output, Some(sink)).expect("a heap");
    assert_eq!(ending, Ending::Finished);
    let events = std::mem::take(&mut *events.lock().unwrap());
    (events, stats)
}

fn end_of_told(
    compiled: &Compiled,
    how: &How,
    output: Arc<Output>,
    sink: Option<FnSink>,
) -> Result<(Ending, Stats), VmError> {
    let mut world = World::new(compiled.program.clone());
    world.output = output;
    world.input = how.input.clone().unwrap_or_else(|| Input::new(std::io::empty()));
    world.params = how.params.iter().cloned().collect();
    let sizer = match how.nursery_bytes {
        Some(min_bytes) => Sizer::Growable { min_bytes, factor: 1.1 },
        None => Sizer::default(),
    };
    let config = VmConfig {
        heap: HeapConfig {
            limit_bytes: how.limit_bytes,
            sizer,
            checks: how.checks,
            ..HeapConfig::default()
        },
        scheduler: SchedulerConfig { workers: how.workers, parameters: sched_parameters(how) },
        engine: how.engine,
        step_limit: how.step_limit,
        max_stack_words: how.max_stack_words,
        call_threads: how.call_threads,
        measure: how.measure,
        dumps: None,
        virtual_time: !how.real_time,
    };
    let code = compiled.code.clone();
    menagerie_strategies::run(how.heap, how.scheduler, &config, code, world, sink)
}

/// Runs a program's text on the oracle.
pub fn run_oracle(path: &Path, source: &str, how: &How) -> Outcome {
    run_oracle_compiled(&compile_correct(path, source, how.escape, false), how)
}

/// Runs a program on the oracle.
pub fn run_oracle_compiled(compiled: &Compiled, how: &How) -> Outcome {
    let config = OracleConfig {
        params: how.params.iter().cloned().collect(),
        step_limit: how.step_limit,
        limit_bytes: how.limit_bytes,
        ..OracleConfig::default()
    };
    let run = oracle::run(&compiled.program, &config);
    let error = run.ending.error_kind().map(str::to_owned);
    Outcome { output: run.output, error, reductions: 0 }
}

/// A program file and what its header says.
#[derive(Clone, Debug)]
pub struct Workload {
    pub path: PathBuf,
    pub source: String,
}

impl Workload {
    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.source.lines().map(str::trim_start);
        lines.filter_map(move |l| l.strip_prefix("// ")?.strip_prefix(name)?.strip_prefix(':'))
    }
    pub fn expected(&self) -> Vec<&str> {
        self.header("expect").map(|t| t.strip_prefix(' ').unwrap_or(t)).collect()
    }
    pub fn expected_error(&self) -> Option<&str> {
        self.header("expect-error").map(str::trim).next()
    }
    pub fn says(&self, name: &str) -> bool {
        self.header(name).next().is_some()
    }
    /// Whether its output is what one queue, first in, first out, on one worker gives.
    pub fn says_first_in_first_out(&self) -> bool {
        self.header("schedule").any(|t| t.trim() == "first in, first out")
    }
    pub fn says_needs_collection(&self) -> bool {
        self.header("needs").any(|t| t.contains("collection"))
    }
    /// The heap limit and step limit that the header asks for.
    pub fn adjust(&self, how: &mut How) {
        if let Some(text) = self.header("heap-bytes").next() {
            let mib: usize = text.trim().trim_end_matches("MiB").parse().expect("heap-bytes: nMiB");
            how.limit_bytes = mib << 20;
        }
        how.step_limit = self.header("step-limit").next().map(|t| t.trim().parse().unwrap());
    }
    /// The `small` value of every parameter.
    pub fn small_params(&self) -> Vec<(String, String)> {
        let params = self.source.lines().filter_map(|l| l.strip_prefix("// param "));
        params
            .filter_map(|p| {
                let (name, rest) = p.split_once(" = ")?;
                let small = rest.split_once("small ")?.1;
                let small = small.split([',', ')']).next()?;
                Some((name.trim().to_owned(), small.trim().to_owned()))
            })
            .collect()
    }
    /// Runs it and compares with its expectations.
    pub fn check(&self, mut how: How) -> Outcome {
        self.adjust(&mut how);
        let outcome = run(&self.path, &self.source, &how);
        self.compare(&outcome, &format!("{how:?}"));
        outcome
    }
    pub fn compare(&self, outcome: &Outcome, how: &str) {
        let name = self.path.display();
        let lines: Vec<&str> = outcome.output.lines().collect();
        assert_eq!(lines, self.expected(), "{name}: output, {how}");
        assert_eq!(outcome.error.as_deref(), self.expected_error(), "{name}: ending, {how}");
    }
}

/// The programs of a folder below `experiments/workloads`, by name; helpers left out.
pub fn workloads(folder: &str) -> Vec<Workload> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/workloads").join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "mena") {
                let source = std::fs::read_to_string(&path).expect("UTF-8");
                found.push(Workload { path, source });
            }
        }
    }
    found.retain(|w| !w.says("helper"));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no programs in {folder}");
    found
}
