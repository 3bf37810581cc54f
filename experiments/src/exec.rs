//! `menagerie exec`: one program on one heap and one scheduler.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use menagerie::compile::Compilation;
use menagerie::event::{Event, FnSink};
use menagerie::heap::{CheckOptions, HeapConfig, Sizer};
use menagerie::interp::{Engine, TRACE_FRAMES};
use menagerie::lang::diagnostics::{Diagnostic, RenderOptions, render, render_one};
use menagerie::names::Interner;
use menagerie::report::{Ending, Place};
use menagerie::sched::SchedulerConfig;
use menagerie::table::Stuck;
use menagerie::vm::VmConfig;
use menagerie::world::World;
use menagerie_strategies::SCHEDULERS;

use crate::catalogue;
use crate::cli::{EngineArg, ExecArgs};
use crate::dumps::OnSignal;
use crate::output::{self, say, say_error};
use crate::record::{self, Iteration, Record, Stopwatch};
use crate::summary::summary;

const USAGE: u8 = 2;

/// Prints to the error output what went wrong, and gives the status for it.
pub(crate) fn usage_error(message: &str) -> ExitCode {
    say_error(message);
    ExitCode::from(USAGE)
}

/// Prints a compilation's diagnostics.
pub(crate) fn print_diagnostics(compilation: &Compilation) {
    if !compilation.diagnostics.is_empty() {
        let options = RenderOptions::default();
        say(&render(&compilation.sources, &compilation.diagnostics, options));
    }
}

/// Reads a program's file, or finds a workload of this binary.
pub(crate) fn read(program: &Path) -> Result<Vec<u8>, ExitCode> {
    let embedded = program.to_str().and_then(catalogue::embedded_text);
    match (std::fs::read(program), embedded) {
        (Ok(bytes), _) => Ok(bytes),
        (Err(_), Some(text)) => Ok(text.as_bytes().to_vec()),
        (Err(e), None) => {
            let hint = match program.extension() {
                Some(_) => "",
                None => " (and no workload has this name: see `menagerie list workloads`)",
            };
            Err(usage_error(&format!("cannot read {}: {e}{hint}", program.display())))
        }
    }
}

/// The program's parameters: those of `--size`, then those of `--param`.
fn params(args: &ExecArgs, bytes: &[u8]) -> Result<BTreeMap<String, String>, ExitCode> {
    let mut params = BTreeMap::new();
    if let Some(size) = args.size {
        let text = String::from_utf8_lossy(bytes);
        let declared = catalogue::params(&text, size)
            .map_err(|e| usage_error(&format!("{}:{e}", args.program.display())))?;
        if declared.is_empty() {
            return Err(usage_error(&format!(
                "--size: {} declares no parameters; it would by a line at its head such as \
                 `// param n = 500 (small 2, large 1000)`",
                args.program.display()
            )));
        }
        params.extend(declared);
    }
    params.extend(args.param.iter().cloned());
    Ok(params)
}

/// Runs `menagerie exec`.
pub(crate) fn exec(args: &ExecArgs) -> ExitCode {
    run(args).unwrap_or_else(|code| code)
}

fn run(args: &ExecArgs) -> Result<ExitCode, ExitCode> {
    let config = config(args)?;
    let known = menagerie_strategies::check(&args.heap, &args.sched, &config);
    known.map_err(|e| usage_error(&e.0))?;
    if args.events.is_some() && !cfg!(feature = "events") {
        return Err(usage_error("this build has no events: build it with the feature `events`"));
    }
    check_workers(args)?;
    if args.record.is_some() {
        die_with_parent();
    }
    let bytes = read(&args.program)?;
    let params = params(args, &bytes)?;
    let events = args.events.as_deref().map(EventFile::create).transpose()?;
    let dumps = OnSignal::install();
    let mut record = Record { schema: record::SCHEMA, ..Record::default() };
    let mut status = 0;
    for iteration in 0..args.iterations {
        let first = iteration == 0;
        let input = Input { bytes: &bytes, params: &params, dumps: &dumps, first };
        status = iterate(args, &config, &input, events.as_ref(), &mut record)?;
        if status != 0 {
            break;
        }
    }
    record.process = record::Process::now();
    // A failed program's status says more than that of a file that could not be written.
    let recorded = args.record.as_deref().map_or(Ok(()), |path| write_record(&record, path));
    let written = events.map_or(Ok(()), EventFile::finish);
    match recorded.and(written) {
        Err(code) if status == 0 => Err(code),
        _ => Ok(ExitCode::from(status)),
    }
}

/// What an iteration runs.
struct Input<'a> {
    bytes: &'a [u8],
    params: &'a BTreeMap<String, String>,
    dumps: &'a OnSignal,
    /// Whether to say what the compiler has to say.
    first: bool,
}

/// Compiles the program and runs it in a VM of its own; the exit status.
fn iterate(
    args: &ExecArgs,
    config: &VmConfig,
    &Input { bytes, params, dumps, first }: &Input<'_>,
    events: Option<&EventFile>,
    record: &mut Record,
) -> Result<u8, ExitCode> {
    let mut compilation = Compilation::new(args.escape.options());
    compilation.mark_frames = menagerie_strategies::has_frames(&args.heap);
    let program = compilation.program(&args.program, bytes);
    let code = program.and_then(|p| Ok((compilation.code(&p)?, p)));
    if first {
        print_diagnostics(&compilation);
    }
    let (code, program) = code.map_err(|_| ExitCode::from(USAGE))?;
    let names = program.names.clone();
    let stopwatch = Stopwatch::start();
    let mut world = World::new(program);
    world.args = args.args.clone();
    world.params = params.clone();
    output::runs(&world.output);
    let requests = world.requests.clone();
    let sink = events.map(EventFile::sink);
    let config = &VmConfig { dumps: Some(dumps.of(&compilation.sources)), ..config.clone() };
    let result = menagerie_strategies::run(&args.heap, &args.sched, config, code, world, sink);
    let times = stopwatch.stop();
    let (ending, stats) = match result {
        Ok(ran) => ran,
        Err(e) => {
            record.ending = "not_started".to_owned();
            record.message = e.0.clone();
            say_error(&e.0);
            return Ok(USAGE);
        }
    };
    record.iterations.push(Iteration::new(times, &stats, &requests.take()));
    record.ended(&ending);
    say(&ending_text(&compilation, &names, &ending));
    if ending.status() != 0 && args.sched == "deterministic" {
        say(&replay_text(args));
    }
    if args.stats {
        say(&summary(&stats, times));
    } else if args.count {
        let lines = stats.counters.iter().map(|(name, n)| format!("{name:<24} {n}\n"));
        say(&lines.collect::<String>());
    }
    Ok(ending.status())
}

/// A measured process must not outlive a runner that was killed: it would disturb the next one.
fn die_with_parent() {
    #[cfg(target_os = "linux")]
    if let Err(e) = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL) {
        say_error(&format!("cannot tie this process to the runner's life: {e}"));
    }
}

fn write_record(record: &Record, path: &Path) -> Result<(), ExitCode> {
    record.write(path).map_err(|e| {
        say_error(&format!("cannot write the result record to {}: {e}", path.display()));
        ExitCode::from(1)
    })
}

fn config(args: &ExecArgs) -> Result<VmConfig, ExitCode> {
    let limit_bytes = usize::try_from(args.heap_bytes)
        .map_err(|_| usage_error("--heap-bytes: more than this machine can address"))?;
    let engine = match args.engine {
        EngineArg::Default => Engine::default(),
        EngineArg::Loop => Engine::Loop,
        EngineArg::Tail => engine_tail()?,
    };
    Ok(VmConfig {
        heap: HeapConfig {
            limit_bytes,
            sizer: sizer(args),
            parameters: args.heap_param.clone(),
            checks: CheckOptions {
                check: args.check,
                stress: args.stress,
                count: args.count,
                ..CheckOptions::default()
            },
            ..HeapConfig::default()
        },
        scheduler: SchedulerConfig { workers: workers(args), parameters: args.sched_param.clone() },
        engine,
        step_limit: args.step_limit,
        max_stack_words: None,
        call_threads: args.call_threads,
        measure: args.stats || args.activity,
        dumps: None,
        virtual_time: false,
    })
}

/// As asked for; else one per processor for a parallel scheduler.
fn workers(args: &ExecArgs) -> usize {
    let parallel = SCHEDULERS.iter().any(|(info, _)| info.name == args.sched && info.parallel);
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    args.workers.map_or_else(|| if parallel { processors() } else { 1 }, usize::from)
}

fn check_workers(args: &ExecArgs) -> Result<(), ExitCode> {
    let parallel = SCHEDULERS.iter().any(|(info, _)| info.name == args.sched && info.parallel);
    if args.workers.is_some_and(|n| n > 1) && !parallel {
        let message = format!("scheduler `{}` runs on one worker: leave --workers out", args.sched);
        return Err(usage_error(&message));
    }
    Ok(())
}

fn sizer(args: &ExecArgs) -> Sizer {
    match args.collect_every {
        Some(bytes) => Sizer::Growable { min_bytes: bytes as usize, factor: 1.0 },
        None if args.fixed_heap => Sizer::Fixed,
        None => Sizer::default(),
    }
}

fn engine_tail() -> Result<Engine, ExitCode> {
    Engine::ALL
        .iter()
        .copied()
        .find(|e| *e != Engine::Loop)
        .ok_or_else(|| usage_error("this build has no tail-call engine (it needs opt-level >= 1)"))
}

// ---- events ----

/// The file of `--events`: tidy CSV, written as it comes.
struct EventFile {
    path: std::path::PathBuf,
    log: Arc<Mutex<Log>>,
}

struct Log {
    writer: csv::Writer<std::fs::File>,
    error: Option<csv::Error>,
}

impl EventFile {
    fn create(path: &Path) -> Result<EventFile, ExitCode> {
        let cannot = |e: &dyn std::fmt::Display| {
            usage_error(&format!("cannot write events to {}: {e}", path.display()))
        };
        let mut writer = csv::Writer::from_path(path).map_err(|e| cannot(&e))?;
        writer.write_record(["time_ns", "event", "task", "detail"]).map_err(|e| cannot(&e))?;
        let log = Arc::new(Mutex::new(Log { writer, error: None }));
        Ok(EventFile { path: path.to_owned(), log })
    }
    fn sink(&self) -> FnSink {
        let log = self.log.clone();
        FnSink(Box::new(move |at_ns: u64, event: &Event| {
            let task = event.task().map_or_else(String::new, |t| t.to_string());
            let record = [&at_ns.to_string(), event.name(), &task, &event.detail()];
            let log = &mut *log.lock().expect("writing does not panic");
            if let Err(e) = log.writer.write_record(record) {
                log.error.get_or_insert(e);
            }
        }))
    }
    fn finish(self) -> Result<(), ExitCode> {
        let log = &mut *self.log.lock().expect("writing does not panic");
        let flushed = log.writer.flush().map_err(csv::Error::from);
        match log.error.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(e) => {
                say_error(&format!("events in {} are incomplete: {e}", self.path.display()));
                Err(ExitCode::from(1))
            }
        }
    }
}

// ---- reports ----

/// What there is to say about how a program ended; nothing when it ended well.
fn ending_text(compilation: &Compilation, names: &Interner, ending: &Ending) -> String {
    let error = |message: &str, trace: &[Place]| error_text(compilation, names, message, trace);
    match ending {
        Ending::Finished | Ending::Exit(_) => String::new(),
        Ending::Uncaught(u) => error(&format!("{}: {}", u.kind, u.message), &u.trace),
        Ending::StepLimit(trace) => error("StepLimit: the step limit was reached", trace),
        Ending::OutputFailed(e) => error(&format!("cannot write the program's output: {e}"), &[]),
        Ending::Deadlock(stuck) => deadlock_text(compilation, stuck),
    }
}

/// How to run the same schedule again: the command, with the seed if one decided it.
fn replay_text(args: &ExecArgs) -> String {
    let mut words: Vec<String> = std::env::args().collect();
    let given = |wanted: &str| {
        let mut params = args.sched_param.iter().rev();
        params.find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let draws = !matches!(given("oracle"), Some("round-robin" | "replay"));
    let seed = given("seed").unwrap_or("0");
    if draws
        && given("seed").is_none()
        && let Some(exec) = words.iter().position(|word| word == "exec")
    {
        let flag = ["--sched-param".to_owned(), format!("seed={seed}")];
        words.splice(exec + 1..exec + 1, flag);
    }
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    let seed = if draws { format!("seed {seed}; ") } else { String::new() };
    format!("note: {seed}this schedule again: {}\n", words.join(" "))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The message, the innermost place underlined, and the callers, equal neighbours on one line.
fn error_text(c: &Compilation, names: &Interner, message: &str, trace: &[Place]) -> String {
    let Some(first) = trace.first() else { return format!("error: {message}\n") };
    let mut out = render_one(&c.sources, &Diagnostic::error(first.span, message), false);
    out.push('\n');
    for frames in trace.chunk_by(|a, b| a == b) {
        let (function, place) = (names.text(frames[0].function), c.sources.place(frames[0].span));
        let _ = write!(out, "  in {function} at {place}");
        let _ = match frames.len() {
            1 => writeln!(out),
            n => writeln!(out, " ({n} times)"),
        };
    }
    if trace.len() == TRACE_FRAMES {
        let _ = writeln!(out, "  (the innermost {TRACE_FRAMES} calls; there may be more)");
    }
    out
}

/// Every task that waits: where, for what, and where it comes from.
fn deadlock_text(compilation: &Compilation, stuck: &[Stuck]) -> String {
    let at = |place: &Option<Place>| {
        place.map_or_else(|| "?".to_owned(), |place| compilation.sources.place(place.span))
    };
    let mut out = "error: Deadlock: every task waits for another\n".to_owned();
    for Stuck { task, function, at: here, spawned_at, waits_for, in_cycle } in stuck {
        let cycle = if *in_cycle { " (in the cycle)" } else { "" };
        let here = at(here);
        let _ = writeln!(out, "  task {task} in {function} at {here} waits for {waits_for}{cycle}");
        if spawned_at.is_some() {
            let _ = writeln!(out, "    spawned at {}", at(spawned_at));
        }
    }
    out
}
