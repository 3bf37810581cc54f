//! The result record of `menagerie exec --record`: one JSON document per process, which the runner
//! turns into rows of its CSV files. One event, one name: fields are called like the columns.

use std::collections::BTreeMap;
use std::path::Path;

use menagerie::metrics::{Activity, Histogram, WorkerStats};
use menagerie::report::Ending;
use menagerie::stats::{Stats, task_clock_ns};
use serde::{Deserialize, Serialize};

/// The version of this record; a reader refuses any other.
pub const SCHEMA: u32 = 1;

/// What one process did.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// How the last iteration ended: `finished`, `exit`, an error kind such as `OutOfMemory`, or
    /// `not_started` when the VM could not be built.
    pub ending: String,
    /// What there is to say about it, on one line.
    pub message: String,
    /// One entry per iteration that was begun.
    pub iterations: Vec<Iteration>,
    /// The process's use of the system.
    pub process: Process,
}

/// One run of the program in a VM of its own.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Iteration {
    /// From before the VM is built until the program's output is flushed.
    pub wall_ns: u64,
    /// Processor time of all threads meanwhile.
    pub task_clock_ns: u64,
    /// Calls and back-edges.
    pub reductions: u64,
    /// Slices run.
    pub slices: u64,
    /// Slices that ended at the quantum.
    pub preemptions: u64,
    /// Tasks made, the entry included.
    pub tasks_spawned: u64,
    /// Times that a worker without work went to sleep.
    pub parks: u64,
    /// Times that a push woke one.
    pub notifications: u64,
    /// Times that one woke and found nothing.
    pub vain_wakes: u64,
    /// What each worker did, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<Worker>,
    /// How long tasks waited and ran, with `--activity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delays: Vec<Delay>,
    /// How many other tasks were ready when slices began, with `--activity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_length: Option<QueueLength>,
    /// Bytes allocated.
    pub alloc_bytes: u64,
    /// Objects traced by all collections.
    pub traced_objects: u64,
    /// Bytes copied by all collections.
    pub copied_bytes: u64,
    /// The most that the heap was seen to have reserved.
    pub reserved_bytes_max: u64,
    /// Live after the last collection.
    pub live_bytes: u64,
    /// In order.
    pub pauses: Vec<Pause>,
    /// In the order in which they were answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
}

/// One worker, in the words of [`menagerie::metrics`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Worker {
    /// How often it did what.
    pub counts: BTreeMap<String, u64>,
    /// What its time went to, nanoseconds; running and searching with `--activity` alone.
    pub times_ns: BTreeMap<String, u64>,
}

impl Worker {
    fn new(stats: &WorkerStats) -> Worker {
        let counts = stats.counts.table().into_iter();
        let times = Activity::TABLE.iter();
        Worker {
            counts: counts.map(|(name, n, _)| (name.to_owned(), n)).collect(),
            times_ns: times.map(|&(a, name, _)| (name.to_owned(), stats.times.of(a))).collect(),
        }
    }
}

/// The distribution of a delay, nanoseconds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Delay {
    /// Which, in the words of [`menagerie::metrics::Delays`].
    pub name: String,
    /// How many there were.
    pub count: u64,
    /// The median.
    pub p50_ns: u64,
    /// Nine in ten are shorter.
    pub p90_ns: u64,
    /// 99 in 100 are shorter.
    pub p99_ns: u64,
    /// 999 in 1000 are shorter.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Delay {
    fn new((name, histogram): (&'static str, &Histogram<u64>)) -> Delay {
        Delay {
            name: name.to_owned(),
            count: histogram.len(),
            p50_ns: histogram.value_at_quantile(0.5),
            p90_ns: histogram.value_at_quantile(0.9),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
        }
    }
}

/// The distribution of how many tasks were ready.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct QueueLength {
    /// How often they were counted.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// Nine in ten are smaller.
    pub p90: u64,
    /// 99 in 100 are smaller.
    pub p99: u64,
    /// 999 in 1000 are smaller.
    pub p999: u64,
    /// The largest.
    pub max: u64,
}

impl QueueLength {
    fn new(histogram: &Histogram<u64>) -> QueueLength {
        QueueLength {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

/// One stop of the world.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Pause {
    /// Why, in the words of `Cause::name`.
    pub kind: String,
    /// When it began, after the start of the iteration.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Processor time of all threads meanwhile.
    pub task_clock_ns: u64,
    /// How long it took before until every worker had stopped.
    pub ttsp_ns: u64,
    /// Used before.
    pub heap_before_bytes: u64,
    /// Live after.
    pub heap_after_bytes: u64,
    /// Copied.
    pub copied_bytes: u64,
}

/// One request that the program says it has served (`note_request`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Request {
    /// When it was to arrive, after the start of the iteration.
    pub intended_ns: u64,
    /// When its handling began.
    pub start_ns: u64,
    /// When it was answered.
    pub end_ns: u64,
    /// When it had to be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ns: Option<u64>,
}

/// What the system counted for the process (`getrusage`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// Processor time in user mode.
    pub user_ns: u64,
    /// Processor time in the kernel.
    pub sys_ns: u64,
    /// Largest resident set.
    pub maxrss_bytes: u64,
    /// Page faults without input or output.
    pub minflt: u64,
    /// Page faults with.
    pub majflt: u64,
    /// Times that the process gave up the processor.
    pub nvcsw: u64,
    /// Times that it was taken away.
    pub nivcsw: u64,
}

/// Both clocks, read together.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    wall: std::time::Instant,
    task_clock_ns: u64,
}

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch { task_clock_ns: task_clock_ns(), wall: std::time::Instant::now() }
    }
    /// Wall and processor nanoseconds since the start.
    pub(crate) fn stop(&self) -> (u64, u64) {
        let wall_ns = self.wall.elapsed().as_nanos() as u64;
        (wall_ns, task_clock_ns() - self.task_clock_ns)
    }
}

impl Iteration {
    pub(crate) fn new(
        (wall_ns, task_clock_ns): (u64, u64),
        stats: &Stats,
        requests: &[menagerie::requests::Request],
    ) -> Iteration {
        let request = |r: &menagerie::requests::Request| {
            let menagerie::requests::Request { intended_ns, start_ns, end_ns, deadline_ns } = *r;
            Request { intended_ns, start_ns, end_ns, deadline_ns }
        };
        let pause = |p: &menagerie::stats::Pause| Pause {
            kind: p.cause.name().to_owned(),
            start_ns: p.start_ns,
            end_ns: p.start_ns + p.wall_ns,
            task_clock_ns: p.task_clock_ns,
            ttsp_ns: p.safepoint_ns,
            heap_before_bytes: p.before_bytes as u64,
            heap_after_bytes: p.after_bytes as u64,
            copied_bytes: p.copied_bytes as u64,
        };
        let all = stats.all_workers();
        Iteration {
            wall_ns,
            task_clock_ns,
            reductions: stats.reductions,
            slices: stats.slices,
            preemptions: stats.preemptions,
            tasks_spawned: stats.tasks_spawned,
            parks: all.counts.parks,
            notifications: all.counts.notifications,
            vain_wakes: all.counts.vain_wakes,
            workers: stats.workers.iter().map(Worker::new).collect(),
            delays: stats.delays.iter().flat_map(|delays| delays.table()).map(Delay::new).collect(),
            queue_length: stats.delays.as_ref().map(|d| QueueLength::new(&d.queue_length)),
            alloc_bytes: stats.usage.allocated_bytes,
            traced_objects: stats.traced_objects,
            copied_bytes: stats.copied_bytes,
            reserved_bytes_max: stats.reserved_bytes_max as u64,
            live_bytes: stats.usage.live_bytes as u64,
            pauses: stats.pauses.iter().map(pause).collect(),
            requests: requests.iter().map(request).collect(),
        }
    }
}

impl Process {
    /// Of this process, so far.
    pub(crate) fn now() -> Process {
        use nix::sys::resource::{UsageWho, getrusage};
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Process::default() };
        let ns = |t: nix::sys::time::TimeVal| {
            t.tv_sec() as u64 * 1_000_000_000 + t.tv_usec() as u64 * 1_000
        };
        Process {
            user_ns: ns(usage.user_time()),
            sys_ns: ns(usage.system_time()),
            maxrss_bytes: usage.max_rss() as u64 * 1024,
            minflt: usage.minor_page_faults() as u64,
            majflt: usage.major_page_faults() as u64,
            nvcsw: usage.voluntary_context_switches() as u64,
            nivcsw: usage.involuntary_context_switches() as u64,
        }
    }
}

impl Record {
    /// Sets the ending from how a program ended.
    pub(crate) fn ended(&mut self, ending: &Ending) {
        let name = match ending {
            Ending::Finished => "finished",
            Ending::Exit(_) => "exit",
            other => other.error_kind().unwrap_or("unknown"),
        };
        self.ending = name.to_owned();
        if let Ending::Uncaught(u) = ending {
            self.message = u.message.lines().next().unwrap_or_default().to_owned();
        }
    }
    /// Writes the record.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?)
    }
    /// Reads a record; what is wrong with it otherwise.
    pub(crate) fn read(path: &Path) -> Result<Record, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("no result record: {e}"))?;
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|e| format!("a broken result record: {e}"))?;
        match record.schema {
            SCHEMA => Ok(record),
            other => Err(format!("a result record of version {other}, not {SCHEMA}")),
        }
    }
}
