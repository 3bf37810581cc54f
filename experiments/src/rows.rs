//! What an invocation leaves in the result files.

use crate::experiment::Experiment;
use crate::invoke::{Invoked, Status};
use crate::matrix::{Cell, Planned, pairs};
use crate::results::journal::Details;
use crate::results::{InvocationRow, IterationRow, PauseRow, RequestRow};

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
            details.requests.extend(requests(run_id, n, &i.requests));
        }
    }
    details
}

/// Requests by intended arrival, numbered.
fn requests<'a>(
    run_id: &'a str,
    iteration: u32,
    all: &[crate::record::Request],
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
