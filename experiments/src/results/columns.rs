//! Every column of every file, once: the row types, `menagerie schema` and the test of the files
//! all come from here. Times are integer nanoseconds, sizes integer bytes; empty means not
//! measured, never zero.

use serde::{Deserialize, Serialize};

use crate::invoke::Status;

/// A column, for `menagerie schema`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) doc: &'static str,
}

/// A file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileSchema {
    pub(crate) file: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) columns: &'static [Column],
}

/// A row of one of the files.
pub(crate) trait Row: Serialize + for<'de> Deserialize<'de> {
    const SCHEMA: FileSchema;
}

/// Rows: a name, a file, the columns it begins with as others do, its own columns.
macro_rules! rows {
    ($($(#[doc = $doc:literal])+ $row:ident in $file:literal $(of $keys:ident)? { $($own:tt)* })*) => {
        $(row! { [$($keys)?] $(#[doc = $doc])+ $row in $file { $($own)* } })*
        /// All files of this module.
        pub(crate) const FILES: &[FileSchema] = &[$(<$row as Row>::SCHEMA),*];
    };
}

macro_rules! row {
    ([program] $(#[doc = $doc:literal])+ $row:ident in $file:literal { $($own:tt)* }) => {
        row! { [] $(#[doc = $doc])+ $row in $file {
            workload: String, "", "folder and name of the program";
            params: String, "", "the program's parameters, name=value, separated by blanks";
            heap: String, "", "the memory manager";
            heap_opts: String, "", "its parameters that differ from the defaults";
            $($own)*
        } }
    };
    ([cell] $(#[doc = $doc:literal])+ $row:ident in $file:literal { $($own:tt)* }) => {
        row! { [] $(#[doc = $doc])+ $row in $file {
            workload: String, "", "program and parameters, or the name of a mean over programs";
            heap: String, "", "the memory manager and its parameters";
            sched: String, "", "the scheduler and its parameters";
            workers: usize, "threads", "OS threads that run the program";
            heap_factor: Option<f64>, "1", "heap_bytes / the reference heap's minimum";
            $($own)*
        } }
    };
    ([sized_cell] $(#[doc = $doc:literal])+ $row:ident in $file:literal { $($own:tt)* }) => {
        row! { [cell] $(#[doc = $doc])+ $row in $file {
            heap_bytes: u64, "B", "the heap's limit";
            $($own)*
        } }
    };
    ([] $(#[doc = $doc:literal])+ $row:ident in $file:literal {
        $($column:ident: $type:ty, $unit:literal, $about:literal;)*
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        pub(crate) struct $row {
            $(#[doc = $about] pub(crate) $column: $type,)*
        }
        impl Row for $row {
            const SCHEMA: FileSchema = FileSchema {
                file: $file,
                doc: concat!($($doc),+),
                columns: &[$(Column {
                    name: stringify!($column), unit: $unit, doc: $about,
                }),*],
            };
        }
    };
}

pub(crate) use {row, rows};

rows! {
    /// One row per process, failed ones included.
    InvocationRow in "invocations.csv" {
        run_id: String, "", "names the invocation: hash of experiment, cell and invocation";
        exp: String, "", "the experiment's name";
        block: usize, "", "what shares a block is compared: same workload and size, same time window";
        order_idx: u64, "", "position in which it was started, from 0, per shard";
        host: String, "", "the machine, as a hash of its name";
        workload: String, "", "folder and name of the program";
        params: String, "", "the program's parameters, name=value, separated by blanks";
        heap: String, "", "the memory manager";
        heap_opts: String, "", "its parameters that differ from the defaults";
        sched: String, "", "the scheduler";
        sched_opts: String, "", "its parameters that differ from the defaults";
        workers: usize, "threads", "OS threads that run the program";
        heap_factor: Option<f64>, "1", "heap_bytes / the reference heap's minimum; empty when the size was given";
        heap_bytes: u64, "B", "the heap's limit";
        invocation: u32, "", "number of the replicate, from 0";
        start_utc: u64, "s", "when it was started, seconds since 1970-01-01 UTC";
        process_wall_ns: u64, "ns", "of the whole process, start-up and compilation included";
        user_ns: Option<u64>, "ns", "processor time in user mode, whole process";
        sys_ns: Option<u64>, "ns", "processor time in the kernel, whole process";
        maxrss_bytes: Option<u64>, "B", "largest resident set";
        minflt: Option<u64>, "", "page faults without input or output";
        majflt: Option<u64>, "", "page faults with input or output";
        nvcsw: Option<u64>, "", "voluntary context switches";
        nivcsw: Option<u64>, "", "involuntary context switches";
        load1_before: Option<f64>, "1", "the system's load average over one minute, before the start";
        status: Status, "", "ok, oom, thrash, timeout, crash or wrong";
        exit_code: Option<i32>, "", "of the process; empty when a signal or the time limit ended it";
        signal: Option<i32>, "", "that ended the process";
        message: String, "", "why it is not ok";
    }
    /// One row per run of the program within a process.
    IterationRow in "iterations.csv" {
        run_id: String, "", "the invocation";
        iteration: u32, "", "from 0";
        phase: String, "", "warmup or measured";
        wall_ns: u64, "ns", "from before the VM is built until the output is flushed";
        task_clock_ns: u64, "ns", "processor time of all threads meanwhile";
        gc_stw_ns: u64, "ns", "wall time of all pauses";
        gc_stw_task_clock_ns: u64, "ns", "processor time of all threads during pauses";
        gc_count: u64, "", "collections";
        alloc_bytes: u64, "B", "allocated";
        traced_objects: u64, "", "traced by all collections";
        copied_bytes: u64, "B", "copied by all collections";
        reserved_bytes_max: u64, "B", "the most that the heap was seen to have reserved";
        live_bytes: u64, "B", "live after the last collection";
        reductions: u64, "", "calls and back-edges";
        slices: u64, "", "slices of tasks";
        preemptions: u64, "", "slices that ended at the quantum";
        tasks_spawned: u64, "", "tasks made, the entry included";
        parks: u64, "", "times that a worker without work went to sleep";
        notifications: u64, "", "times that a push woke one";
        vain_wakes: u64, "", "times that one woke and found nothing";
    }
    /// One row per stop of the world, of measured iterations.
    PauseRow in "pauses.csv" {
        run_id: String, "", "the invocation";
        iteration: u32, "", "from 0";
        seq: u32, "", "from 0, within the iteration";
        kind: String, "", "why the collection happened";
        start_ns: u64, "ns", "since the start of the iteration";
        end_ns: u64, "ns", "since the start of the iteration";
        task_clock_ns: u64, "ns", "processor time of all threads meanwhile";
        ttsp_ns: u64, "ns", "before it, until every worker had stopped (time to safepoint)";
        heap_before_bytes: u64, "B", "used before";
        heap_after_bytes: u64, "B", "live after";
        copied_bytes: u64, "B", "copied";
    }
    /// One row per worker of every measured iteration. Sleeps, waits, collections and calls are always timed,
    /// the rest when the specification says `activity = true`.
    WorkerRow in "workers.csv" {
        run_id: String, "", "the invocation";
        iteration: u32, "", "from 0";
        worker: u32, "", "its number, from 0";
        run_ns: Option<u64>, "ns", "running tasks";
        search_ns: Option<u64>, "ns", "looking for work: ending slices, timers, the scheduler, stealing";
        park_ns: u64, "ns", "asleep because there was nothing to run";
        gate_wait_ns: u64, "ns", "waiting for the gate, which another worker held";
        safepoint_wait_ns: u64, "ns", "waiting while the world stopped or was stopped";
        collect_ns: u64, "ns", "collecting";
        native_ns: u64, "ns", "in calls that block, because no other thread could be had for them";
        reductions: Option<u64>, "", "calls and back-edges";
        slices: u64, "", "slices that it has run";
        preemptions: Option<u64>, "", "of those, such as ended at the quantum";
        yields: Option<u64>, "", "slices that ended with `yield`";
        join_waits: Option<u64>, "", "slices that ended because the task waits for another one's end";
        channel_waits: Option<u64>, "", "such as wait for one channel";
        select_waits: Option<u64>, "", "such as wait in a `select`";
        mutex_waits: Option<u64>, "", "such as wait for a mutex";
        actor_waits: Option<u64>, "", "such as wait for the reply of an actor";
        sleep_waits: Option<u64>, "", "such as sleep";
        call_waits: Option<u64>, "", "such as wait for a call that may block";
        output_waits: Option<u64>, "", "such as wait until what was printed is written";
        spawns: Option<u64>, "", "tasks that it has made";
        wakes_local: Option<u64>, "", "waiting tasks that it has made ready, having run them last itself";
        wakes_remote: Option<u64>, "", "waiting tasks that it has made ready, which another worker ran last";
        wakes_while_running: Option<u64>, "", "waits that ended as they began: the task had been woken while it still ran";
        timers_fired: Option<u64>, "", "timers that were due when it looked";
        notifications: Option<u64>, "", "times that it woke another worker for a task";
        notifications_suppressed: Option<u64>, "", "times that the scheduler asked for another worker, but none slept";
        parks: u64, "", "times that it went to sleep";
        vain_wakes: u64, "", "times that it was woken and found nothing";
        slot_hits: u64, "", "tasks that came from its own slot";
        slot_expiries: u64, "", "tasks that a newer one has pushed out of its slot";
        slot_steals: u64, "", "tasks that it has stolen from another's slot";
        deque_pops: u64, "", "tasks that came from its own deque";
        injector_pops: u64, "", "tasks that came from the injector";
        steal_attempts: u64, "", "times that it has looked at another's deque for work";
        steals: u64, "", "times that it found some there";
        stolen_tasks: u64, "", "tasks that these brought";
        steal_retries: Option<u64>, "", "times that another worker was faster at a deque or at the injector";
    }
    /// One row per request of a latency program, of measured iterations.
    RequestRow in "requests.csv" {
        run_id: String, "", "the invocation";
        iteration: u32, "", "from 0";
        req: u32, "", "from 0, by intended start";
        intended_ns: u64, "ns", "when it was to arrive, drawn before the run";
        start_ns: u64, "ns", "when its handling began";
        end_ns: u64, "ns", "when it was answered";
        deadline_ns: Option<u64>, "ns", "when it had to be answered";
    }
    /// The smallest heap in which a workload runs.
    MinheapRow in "minheap.csv" of program {
        min_bytes: Option<u64>, "B", "the smallest limit that passed; empty when none did";
        peak_live_bytes: Option<u64>, "B", "the largest live size seen when collecting every 256 KiB";
        trials: u32, "", "processes that were started";
        tolerance: f64, "1", "the relative distance of the largest limit that failed";
        message: String, "", "why no limit passed";
    }
    /// Every process that a search for a minimum started.
    TrialRow in "minheap_trials.csv" of program {
        step: String, "", "solo, double, bisect or confirm";
        heap_bytes: u64, "B", "the limit";
        status: Status, "", "ok, oom, thrash, timeout, crash or wrong";
        process_wall_ns: u64, "ns", "of the whole process";
    }
}
