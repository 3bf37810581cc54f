//! What an invocation leaves in the result files.

use crate::experiment::Experiment;
use crate::invoke::{Invoked, Status};
use crate::matrix::{Cell, Planned, pairs};
use crate::record::{Request, Worker};
use crate::results::journal::Details;
use crate::results::{InvocationRow, IterationRow, PauseRow, RequestRow, WorkerRow};

/// What an invocation's row says besides its outcome.
pub(crate) struct Context<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) planned: &'a Planned,
    pub(crate) cell: &'a Cell,
    pub(crate) host: &'a str,
    pub(crate) load: Option<f64>,
    pub(crate) start_utc: u64,
    pub(crate) order_idx: u64,
}

impl Context<'_> {
    /// The row of an outcome.
    pub(crate) fn row(&self, invoked: &Invoked) -> InvocationRow {
        let Context { cell, planned, .. } = self;
        let process = invoked.record.as_ref().map(|r| &r.process);
        InvocationRow {
            run_id: planned.run_id.clone(),
            exp: self.experiment.spec.name.clone(),
            block: planned.block,
            order_idx: self.order_idx,
            host: self.host.to_owned(),
            workload: cell.workload.workload.id.clone(),
            params: pairs(&cell.workload.params),
            heap: cell.heap.name.clone(),
            heap_opts: cell.heap.options(),
            sched: cell.scheduler.name.clone(),
            sched_opts: pairs(&cell.scheduler.params),
            workers: cell.workers,
            heap_factor: cell.heap_factor,
            heap_bytes: cell.heap_bytes,
            invocation: planned.invocation,
            start_utc: self.start_utc,
            process_wall_ns: invoked.wall.as_nanos() as u64,
            user_ns: process.map(|p| p.user_ns),
            sys_ns: process.map(|p| p.sys_ns),
            maxrss_bytes: process.map(|p| p.maxrss_bytes),
            minflt: process.map(|p| p.minflt),
            majflt: process.map(|p| p.majflt),
            nvcsw: process.map(|p| p.nvcsw),
            nivcsw: process.map(|p| p.nivcsw),
            load1_before: self.load,
            status: invoked.status,
            exit_code: invoked.exit_code,
            signal: invoked.signal,
            message: invoked.message.clone(),
        }
    }
}

/// Iterations of any outcome; pauses of measured iterations of good ones.
pub(crate) fn details(experiment: &Experiment, run_id: &str, invoked: &Invoked) -> Details {
    let mut details = Details::default();
    let Some(record) = &invoked.record else { return details };
    for (n, i) in (0..).zip(&record.iterations) {
        let measured = n >= experiment.spec.warmup;
        let phase = if measured { "measured" } else { "warmup" };
        details.iterations.push(IterationRow {
            run_id: run_id.to_owned(),
            iteration: n,
            phase: phase.to_owned(),
            wall_ns: i.wall_ns,
            task_clock_ns: i.task_clock_ns,
            gc_stw_ns: i.pauses.iter().map(|p| p.end_ns - p.start_ns).sum(),
            gc_stw_task_clock_ns: i.pauses.iter().map(|p| p.task_clock_ns).sum(),
            gc_count: i.pauses.len() as u64,
            alloc_bytes: i.alloc_bytes,
            traced_objects: i.traced_objects,
            copied_bytes: i.copied_bytes,
            reserved_bytes_max: i.reserved_bytes_max,
            live_bytes: i.live_bytes,
            reductions: i.reductions,
            slices: i.slices,
            preemptions: i.preemptions,
            tasks_spawned: i.tasks_spawned,
            parks: i.parks,
            notifications: i.notifications,
            vain_wakes: i.vain_wakes,
        });
        if measured && invoked.status == Status::Ok {
            let pauses = (0..).zip(&i.pauses).map(|(seq, p)| PauseRow {
                run_id: run_id.to_owned(),
                iteration: n,
                seq,
                kind: p.kind.clone(),
                start_ns: p.start_ns,
                end_ns: p.end_ns,
                task_clock_ns: p.task_clock_ns,
                ttsp_ns: p.ttsp_ns,
                heap_before_bytes: p.heap_before_bytes,
                heap_after_bytes: p.heap_after_bytes,
                copied_bytes: p.copied_bytes,
            });
            details.pauses.extend(pauses);
            let activity = experiment.spec.activity;
            let workers = (0..).zip(&i.workers);
            details.workers.extend(workers.map(|(w, s)| worker(run_id, (n, w), s, activity)));
            details.requests.extend(requests(run_id, n, &i.requests));
        }
    }
    details
}

/// What a worker did in an iteration; `activity` says whether running and searching were timed.
fn worker(run_id: &str, (iteration, number): (u32, u32), of: &Worker, activity: bool) -> WorkerRow {
    let ns = |name: &str| of.times_ns.get(name).copied().unwrap_or(0);
    let known = |name: &str| of.counts.get(name).copied();
    let count = |name: &str| known(name).unwrap_or(0);
    WorkerRow {
        run_id: run_id.to_owned(),
        iteration,
        worker: number,
        run_ns: activity.then(|| ns("run")),
        search_ns: activity.then(|| ns("search")),
        park_ns: ns("park"),
        gate_wait_ns: ns("gate_wait"),
        safepoint_wait_ns: ns("safepoint_wait"),
        collect_ns: ns("collect"),
        native_ns: ns("native"),
        reductions: known("reductions"),
        slices: count("slices"),
        preemptions: known("preemptions"),
        yields: known("yields"),
        join_waits: known("join_waits"),
        channel_waits: known("channel_waits"),
        select_waits: known("select_waits"),
        mutex_waits: known("mutex_waits"),
        actor_waits: known("actor_waits"),
        sleep_waits: known("sleep_waits"),
        call_waits: known("call_waits"),
        output_waits: known("output_waits"),
        spawns: known("spawns"),
        wakes_local: known("wakes_local"),
        wakes_remote: known("wakes_remote"),
        wakes_while_running: known("wakes_while_running"),
        timers_fired: known("timers_fired"),
        notifications: known("notifications"),
        notifications_suppressed: known("notifications_suppressed"),
        parks: count("parks"),
        vain_wakes: count("vain_wakes"),
        slot_hits: count("slot_hits"),
        slot_expiries: count("slot_expiries"),
        slot_steals: count("slot_steals"),
        deque_pops: count("deque_pops"),
        injector_pops: count("injector_pops"),
        steal_attempts: count("steal_attempts"),
        steals: count("steals"),
        stolen_tasks: count("stolen_tasks"),
        steal_retries: known("steal_retries"),
    }
}

/// Requests by intended arrival, numbered.
fn requests<'a>(
    run_id: &'a str,
    iteration: u32,
    all: &[Request],
) -> impl Iterator<Item = RequestRow> + use<'a> {
    let mut all = all.to_vec();
    all.sort_by_key(|r| r.intended_ns);
    (0..).zip(all).map(move |(req, r)| RequestRow {
        run_id: run_id.to_owned(),
        iteration,
        req,
        intended_ns: r.intended_ns,
        start_ns: r.start_ns,
        end_ns: r.end_ns,
        deadline_ns: r.deadline_ns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::columns::Row as _;
    use menagerie::metrics::{Activity, WorkerCounts};

    /// A name that is misspelt, or new, would be a column of zeros, or none.
    #[test]
    fn whatever_a_worker_counts_is_a_column() {
        let times = Activity::TABLE.iter().map(|&(_, name, _)| format!("{name}_ns"));
        let counts = WorkerCounts::default().table();
        let counts = counts.iter().map(|&(name, ..)| name.to_owned());
        let columns: Vec<_> = WorkerRow::SCHEMA.columns.iter().map(|c| c.name.to_owned()).collect();
        assert_eq!(columns[3..], times.chain(counts).collect::<Vec<_>>());
        let one = Worker {
            counts: columns[10..].iter().map(|c| (c.clone(), 1)).collect(),
            times_ns: columns[3..10].iter().map(|c| (c.replace("_ns", ""), 1)).collect(),
        };
        let row = serde_json::to_value(worker("", (0, 0), &one, true)).unwrap();
        assert!(columns[3..].iter().all(|c| row[c] == 1), "{row}");
    }
}
