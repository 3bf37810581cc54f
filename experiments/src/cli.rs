//! The command line. Parsing is clap's; every subcommand is one function of its own module.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use menagerie::ir::escape;
use serde::Deserialize;

use crate::catalogue::Size;
use crate::{analyze, doctor, exec, list, output, plot, report, run, schema, show, tables};

const EXIT_HELP: &str = "\
Exit status of `exec`:
  0    the program ended normally
  1    an error that nobody caught, or output that could not be written
  2    bad usage, or the program does not compile
  3    out of memory (not caught)
  4    the step limit was reached
  5    deadlock: every task waits for another
  101  a broken contract inside the VM (please report it)";

#[derive(Parser, Debug)]
#[command(name = "menagerie", version, about, after_help = EXIT_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Memory managers and schedulers, side by side, on the same programs.
#[derive(Subcommand, Debug)]
enum Command {
    /// Run a Mena program on a heap and a scheduler
    Exec(Box<ExecArgs>),
    /// List heaps, schedulers and workloads
    List(list::ListArgs),
    /// Print a program in one of its forms
    Dump(DumpArgs),
    /// Explain what the compiler found out about a program
    Explain(ExplainArgs),
    /// Show what an experiment would run
    Plan(run::PlanArgs),
    /// Run an experiment, or what is left of it
    Run(run::RunArgs),
    /// Find the minimum heaps of an experiment's workloads
    Minheap(run::MinheapArgs),
    /// Show how far an experiment has come
    Status(run::StatusArgs),
    /// Report what on this machine disturbs measurements
    Doctor,
    /// Compute estimates with intervals from an experiment's results
    Analyze(analyze::AnalyzeArgs),
    /// Draw figures from an experiment's results
    Plot(plot::PlotArgs),
    /// Write LaTeX tables from an experiment's results
    Table(tables::TableArgs),
    /// Write one page with figures, tables and provenance
    Report(report::ReportArgs),
    /// Explain every column of the result files
    Schema,
    /// Compile a program and report its errors, without running it
    Check {
        /// The program: a file or a workload
        program: PathBuf,
    },
}

/// `menagerie exec`
#[derive(Args, Debug)]
pub struct ExecArgs {
    /// The program: a file, or a workload such as awfy/richards (see `menagerie list workloads`)
    pub program: PathBuf,
    /// The memory manager (see `menagerie list`)
    #[arg(long, default_value = "mark-sweep", value_name = "NAME")]
    pub heap: String,
    /// The scheduler (see `menagerie list`)
    #[arg(long, default_value = "green", value_name = "NAME")]
    pub sched: String,
    /// Heap limit; every byte that the heap takes counts, such as 64MiB, 2GB, 100000
    #[arg(long, default_value = "4GiB", value_name = "SIZE", value_parser = parse_bytes)]
    pub heap_bytes: u64,
    /// Collect only when the limit is reached, instead of growing with the live data
    #[arg(long)]
    pub fixed_heap: bool,
    /// Collect whenever this much has been allocated: the largest live size is then known within it
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, conflicts_with = "fixed_heap")]
    pub collect_every: Option<u64>,
    /// A parameter of the heap
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub heap_param: Vec<(String, String)>,
    /// A parameter of the scheduler
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub sched_param: Vec<(String, String)>,
    /// A parameter of the program: `param("n", …)` gives it
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub param: Vec<(String, String)>,
    /// The parameters of this size, as the program's header declares them; --param goes before
    #[arg(long, value_enum, value_name = "SIZE")]
    pub size: Option<Size>,
    /// Verify the heap after every collection (slow)
    #[arg(long)]
    pub check: bool,
    /// Collect at every N-th allocation (slow)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub stress: Option<u64>,
    /// Count heap operations exactly and print them
    #[arg(long)]
    pub count: bool,
    /// Print statistics of the run; implies --activity
    #[arg(long)]
    pub stats: bool,
    /// Measure what workers do and how long tasks wait for their turn (some clock readings per slice)
    #[arg(long)]
    pub activity: bool,
    /// Threads for calls that block, such as reading a line, at most
    #[arg(long, value_name = "N")]
    pub call_threads: Option<usize>,
    /// Write every event to this file, as CSV
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// OS threads that run the program, for schedulers that use more than one; otherwise as many as
    /// there are processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
    /// Run the program N times in this process, each time in a new VM
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: u32,
    /// Write the result record to this file, as JSON: what `menagerie run` reads
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// End the program after N calls and loop rounds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub step_limit: Option<u64>,
    /// The dispatch engine (--check, --stress and --count always take the loop)
    #[arg(long, value_enum, default_value = "default")]
    pub engine: EngineArg,
    #[command(flatten)]
    pub escape: EscapeArgs,
    /// Arguments of the program: `args()` gives them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// What escape analysis is told.
#[derive(Args, Clone, Copy, Debug)]
pub struct EscapeArgs {
    /// What is made of escape analysis
    #[arg(long, value_enum, default_value = "frame")]
    pub escape: EscapeArg,
    /// How many fields of objects a frame may hold as values of its own
    #[arg(long, value_name = "N", default_value_t = escape::Options::default().frame_budget)]
    pub frame_budget: u32,
}

impl EscapeArgs {
    /// As the compiler takes it.
    pub fn options(self) -> escape::Options {
        let mode = match self.escape {
            EscapeArg::Off => escape::Mode::Off,
            EscapeArg::Frame => escape::Mode::Frame,
            EscapeArg::FrameRegion => escape::Mode::FrameRegion,
        };
        escape::Options { mode, frame_budget: self.frame_budget, ..escape::Options::default() }
    }
}

/// What is made of escape analysis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EscapeArg {
    /// Nothing: every object is allocated on the heap
    Off,
    /// What does not outlive its frame becomes values, or is allocated as local
    Frame,
    /// As frame; what does not outlive its arena is allocated in its region
    #[value(name = "frame+region")]
    #[serde(rename = "frame+region")]
    FrameRegion,
}

impl EscapeArg {
    /// Its word on the command line and in result files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            EscapeArg::Off => "off",
            EscapeArg::Frame => "frame",
            EscapeArg::FrameRegion => "frame+region",
        }
    }
}

/// A dispatch engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum EngineArg {
    /// The fastest of this build
    Default,
    /// Handlers that tail-call one another
    Tail,
    /// One loop
    Loop,
}

/// `menagerie dump`
#[derive(Args, Debug)]
pub struct DumpArgs {
    /// The program: a file or a workload
    pub program: PathBuf,
    /// Which form
    #[arg(long, value_enum)]
    pub stage: Stage,
    #[command(flatten)]
    pub escape: EscapeArgs,
    /// All of it: classes, globals and the functions of the prelude too
    #[arg(long)]
    pub prelude: bool,
}

/// `menagerie explain`
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// What to explain
    #[arg(value_enum)]
    pub topic: Topic,
    /// The program
    pub program: PathBuf,
    #[command(flatten)]
    pub escape: EscapeArgs,
}

/// What can be explained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Topic {
    /// For every allocation site: whether its objects outlive their frame, and why
    Escape,
}

/// The forms of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Stage {
    /// The syntax tree
    Ast,
    /// The SSA intermediate representation
    Ssa,
    /// The register bytecode
    Bytecode,
}

/// What no process can address (today's processors give it 47 or 56 bits).
const ADDRESSABLE: u64 = 1 << 60;

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let size: bytesize::ByteSize =
        text.parse().map_err(|_| "expected a size such as 64MiB, 2GB or 100000".to_owned())?;
    match size.as_u64() {
        0 => Err("a heap needs more than 0 bytes; try 64MiB".to_owned()),
        bytes if bytes >= ADDRESSABLE => {
            Err("more than a process can address; try 64MiB".to_owned())
        }
        bytes => Ok(bytes),
    }
}

/// Runs the command line and gives the exit status.
pub fn main() -> ExitCode {
    output::exit_on_panic();
    match Cli::parse().command {
        Command::Exec(args) => exec::exec(&args),
        Command::List(args) => list::list(&args),
        Command::Dump(args) => show::dump(&args),
        Command::Explain(args) => show::explain(&args),
        Command::Check { program } => show::check(&program),
        Command::Plan(args) => or_say(run::plan(&args)),
        Command::Run(args) => or_say(run::run(&args)),
        Command::Minheap(args) => or_say(run::minheap(&args)),
        Command::Status(args) => or_say(run::status(&args)),
        Command::Analyze(args) => or_say(analyze::analyze(&args)),
        Command::Plot(args) => or_say(plot::plot(&args)),
        Command::Table(args) => or_say(tables::table(&args)),
        Command::Report(args) => or_say(report::report(&args)),
        Command::Doctor => doctor::doctor(),
        Command::Schema => schema::schema(),
    }
}

/// The status, or that of an error after saying it.
fn or_say(result: Result<ExitCode, String>) -> ExitCode {
    result.unwrap_or_else(|message| exec::usage_error(&message))
}
