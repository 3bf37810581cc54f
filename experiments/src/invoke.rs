//! One invocation: a fresh process of `menagerie exec`, bounded in time, and what became of it.
//!
//! Failures are outcomes. Nothing is retried; the caller records whatever comes back.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wait_timeout::ChildExt as _;

use crate::cli::EscapeArg;
use crate::record::Record;

/// What became of an invocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It ended well and printed what it had to.
    Ok,
    /// The heap was exhausted.
    Oom,
    /// It took more than `timeout_factor` times the fastest run of its workload.
    Thrash,
    /// It took more than `timeout_s`.
    Timeout,
    /// It ended otherwise: a signal, an uncaught error, a deadlock, a broken contract.
    Crash,
    /// It ended well and printed something else.
    Wrong,
}

impl Status {
    /// All, in the order of tables.
    pub const ALL: [Status; 6] =
        [Status::Ok, Status::Oom, Status::Thrash, Status::Timeout, Status::Crash, Status::Wrong];
    /// Its word in the result files.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Oom => "oom",
            Status::Thrash => "thrash",
            Status::Timeout => "timeout",
            Status::Crash => "crash",
            Status::Wrong => "wrong",
        }
    }
}

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) params: BTreeMap<String, String>,
    /// The standard output of one iteration.
    pub(crate) expected: Vec<String>,
    pub(crate) heap: String,
    pub(crate) heap_params: BTreeMap<String, String>,
    pub(crate) escape: Option<EscapeArg>,
    pub(crate) scheduler: String,
    pub(crate) scheduler_params: BTreeMap<String, String>,
    pub(crate) workers: usize,
    pub(crate) heap_bytes: u64,
    pub(crate) sizing: Sizing,
    pub(crate) iterations: u32,
    /// Whether to time what workers do beside waiting.
    pub(crate) activity: bool,
    pub(crate) limits: Limits,
}

/// When the heap collects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sizing {
    /// At the limit only: what is measured.
    Fixed,
    /// After every so many bytes: the largest live size.
    Every(u64),
}

/// How long it may take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Limits {
    /// Longer is `thrash`.
    pub(crate) relative: Option<Duration>,
    /// Longer is `timeout`.
    pub(crate) absolute: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Invoked {
    pub(crate) status: Status,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Why it is not ok, on one line.
    pub(crate) message: String,
    /// Of the whole process.
    pub(crate) wall: Duration,
    pub(crate) record: Option<Record>,
    pub(crate) stderr: String,
    pub(crate) command_line: String,
}

/// The environment of measured processes: nothing else reaches them, and the manifest holds these.
pub(crate) const ENVIRONMENT: [&str; 4] = ["LANG", "LC_ALL", "TZ", "RUST_BACKTRACE"];

/// Starts invocations, one after the other.
#[derive(Debug)]
pub(crate) struct Invoker {
    binary: PathBuf,
    scratch: tempfile::TempDir,
}

/// Of each output, more than this is thrown away.
const OUTPUT_BYTES_MAX: usize = 1 << 24;

impl Invoker {
    /// One that starts `binary`.
    pub(crate) fn new(binary: &Path) -> Result<Invoker, String> {
        let scratch = tempfile::tempdir()
            .map_err(|e| format!("cannot make a temporary folder: {e}; set TMPDIR to one"))?;
        Ok(Invoker { binary: binary.to_owned(), scratch })
    }

    fn record_path(&self) -> PathBuf {
        self.scratch.path().join("record.json")
    }

    fn command(&self, invocation: &Invocation) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("exec").arg(&invocation.program);
        command.args(["--heap", &invocation.heap, "--sched", &invocation.scheduler]);
        command.args(["--heap-bytes", &invocation.heap_bytes.to_string()]);
        match invocation.sizing {
            Sizing::Fixed => command.arg("--fixed-heap"),
            Sizing::Every(bytes) => command.args(["--collect-every", &bytes.to_string()]),
        };
        command.args(["--workers", &invocation.workers.to_string()]);
        command.args(["--iterations", &invocation.iterations.to_string()]);
        for (flag, params) in [
            ("--heap-param", &invocation.heap_params),
            ("--sched-param", &invocation.scheduler_params),
            ("--param", &invocation.params),
        ] {
            command.args(params.iter().flat_map(|(n, v)| [flag.to_owned(), format!("{n}={v}")]));
        }
        if let Some(escape) = invocation.escape {
            command.args(["--escape", escape.name()]);
        }
        if invocation.activity {
            command.arg("--activity");
        }
        command.arg("--record").arg(self.record_path());
        command.env_clear();
        let kept = ENVIRONMENT.iter().filter_map(|&name| Some((name, std::env::var_os(name)?)));
        command.envs(kept);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end, or to the end of its time.
    ///
    /// # Errors
    /// The process could not be started or waited for: nothing was measured.
    pub(crate) fn invoke(&self, invocation: &Invocation) -> Result<Invoked, String> {
        let record_path = self.record_path();
        let removed = std::fs::remove_file(&record_path);
        if let Err(e) = removed
            && e.kind() != std::io::ErrorKind::NotFound
        {
            return Err(format!("cannot remove {}: {e}", record_path.display()));
        }
        let mut command = self.command(invocation);
        let command_line = format!("{command:?}");
        let start = Instant::now();
        let mut child =
            command.spawn().map_err(|e| format!("cannot start {}: {e}", self.binary.display()))?;
        let outputs = Outputs::of(&mut child);
        let Limits { relative, absolute } = invocation.limits;
        let limit = relative.map_or(absolute, |r| r.min(absolute));
        let ended = child.wait_timeout(limit).map_err(|e| format!("cannot wait: {e}"))?;
        let wall = start.elapsed();
        if ended.is_none() {
            // It may have ended by itself meanwhile; either way it is gone after the wait.
            let _ = child.kill();
            child.wait().map_err(|e| format!("cannot wait: {e}"))?;
        }
        let (stdout, stderr) = outputs.join();
        let record = Record::read(&record_path);
        let (status, message) = match &ended {
            None if relative.is_some_and(|r| r < absolute) => {
                (Status::Thrash, format!("more than {limit:.1?}"))
            }
            None => (Status::Timeout, format!("more than {limit:.1?}")),
            Some(exit) => judge(invocation, *exit, &record, &stdout, &stderr),
        };
        let exit_code = ended.and_then(|e| e.code());
        let signal = ended.and_then(|e| e.signal());
        let record = record.ok();
        Ok(Invoked { status, exit_code, signal, message, wall, record, stderr, command_line })
    }
}

/// Both outputs, read by threads so that the process never waits for us.
struct Outputs(Option<JoinHandle<String>>, Option<JoinHandle<String>>);

impl Outputs {
    fn of(child: &mut Child) -> Outputs {
        fn reader(from: impl Read + Send + 'static) -> JoinHandle<String> {
            std::thread::spawn(move || {
                let mut from = from;
                let mut kept = Vec::new();
                // An error ends the output where it happened: the comparison will tell.
                let _ = from.by_ref().take(OUTPUT_BYTES_MAX as u64).read_to_end(&mut kept);
                let _ = std::io::copy(&mut from, &mut std::io::sink());
                String::from_utf8_lossy(&kept).into_owned()
            })
        }
        Outputs(child.stdout.take().map(reader), child.stderr.take().map(reader))
    }
    fn join(self) -> (String, String) {
        let text =
            |t: Option<JoinHandle<String>>| t.and_then(|t| t.join().ok()).unwrap_or_default();
        (text(self.0), text(self.1))
    }
}

/// What the end of a process means.
fn judge(
    invocation: &Invocation,
    exit: ExitStatus,
    record: &Result<Record, String>,
    stdout: &str,
    stderr: &str,
) -> (Status, String) {
    let last_words = || {
        let said = stderr.lines().find(|l| !l.trim().is_empty()).unwrap_or("it said nothing");
        said.to_owned()
    };
    if let Some(signal) = exit.signal() {
        return (Status::Crash, format!("signal {signal}: {}", last_words()));
    }
    let record = match record {
        Ok(record) => record,
        Err(message) => return (Status::Crash, format!("{message}; {}", last_words())),
    };
    match record.ending.as_str() {
        // The strategies' parameters were tried before at a roomy limit (`Invoker::probe`): what a
        // VM can still refuse is the limit.
        "OutOfMemory" | "not_started" => (Status::Oom, record.message.clone()),
        "finished" if exit.success() => compare(invocation, stdout),
        other => (Status::Crash, format!("{other}: {}", last_words())),
    }
}

fn compare(invocation: &Invocation, stdout: &str) -> (Status, String) {
    let per_iteration = invocation.expected.iter().map(String::as_str);
    let mut expected = std::iter::repeat_n(per_iteration, invocation.iterations as usize).flatten();
    let mut got = stdout.lines();
    loop {
        match (expected.next(), got.next()) {
            (None, None) => return (Status::Ok, String::new()),
            (e, g) if e == g => {}
            (e, g) => {
                let show = |line: Option<&str>| match line {
                    Some(line) => format!("{:?}", line.chars().take(80).collect::<String>()),
                    None => "the end".to_owned(),
                };
                return (Status::Wrong, format!("printed {} instead of {}", show(g), show(e)));
            }
        }
    }
}
