//! `menagerie plan`, `run`, `minheap` and `status`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::experiment::{Experiment, ExperimentArgs, note_fastest, read_rows};
use crate::invoke::{Invoked, Invoker, Status};
use crate::manifest::{Manifest, host_hash, load1, now_utc};
use crate::matrix::{Cell, Plan, Planned};
use crate::minheap;
use crate::output::{say, show};
use crate::results::journal::recorded;
use crate::results::{InvocationRow, Store};
use crate::rows::{Context, details};
use crate::spec::file::{Fsync, MinimumHeaps};

/// `menagerie run`
#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Run only part K of N (from 0): complete blocks, into a folder of their own
    #[arg(long, value_name = "K/N", value_parser = parse_shard)]
    shard: Option<(usize, usize)>,
    /// Run only what matches, such as heap=semispace,workload=awfy/json
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = parse_selector)]
    only: Vec<(String, String)>,
    /// Go on although the measured binary is not the one that the results so far came from
    #[arg(long)]
    allow_other_binary: bool,
    /// Then write analysis, figures, tables and report.html
    #[arg(long, conflicts_with = "shard")]
    report: bool,
}

/// `menagerie plan`
#[derive(Args, Debug)]
pub struct PlanArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Every invocation in order, as JSON lines
    #[arg(long)]
    json: bool,
}

/// `menagerie status`
#[derive(Args, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// `menagerie minheap`
#[derive(Args, Debug)]
pub struct MinheapArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Only the reference heap, whose minima are what heap factors multiply
    #[arg(long)]
    reference_only: bool,
}

fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if k < n => Ok((k, n)),
        _ => Err("expected K/N with K from 0 to N - 1".to_owned()),
    }
}

const SELECTORS: [&str; 4] = ["workload", "heap", "sched", "workers"];

fn parse_selector(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if SELECTORS.contains(&key) => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("expected KEY=VALUE with KEY one of {}", SELECTORS.join(", "))),
    }
}

/// Runs `menagerie minheap`.
pub(crate) fn minheap(args: &MinheapArgs) -> Result<ExitCode, String> {
    let experiment = Experiment::open(&args.experiment)?;
    let _lock = Store::open(&experiment.folder)?;
    let invoker = Invoker::new(&experiment.binary)?;
    experiment.probe(&invoker)?;
    minheap::find(&experiment, &invoker, !args.reference_only)?;
    let rows: Vec<crate::results::MinheapRow> = read_rows(&experiment.folder)?;
    let mut out = String::new();
    for row in rows {
        let found = row.min_bytes.map_or(row.message, |b| bytesize::ByteSize(b).to_string());
        out += &format!("{:<28} {:<14} {found}\n", row.workload, row.heap);
    }
    Ok(show(&out))
}

/// Runs `menagerie plan`.
pub(crate) fn plan(args: &PlanArgs) -> Result<ExitCode, String> {
    let experiment = Experiment::open(&args.experiment)?;
    let plan = experiment.spec.plan(&experiment.minima()?)?;
    if args.json {
        let lines = plan.invocations.iter().map(|p| plan_line(&plan, p));
        return Ok(show(&lines.collect::<String>()));
    }
    let done = recorded(&experiment.folder);
    let left = plan.invocations.iter().filter(|p| !done.contains(&p.run_id)).count();
    let fastest = experiment.fastest()?;
    let seconds: f64 = plan
        .invocations
        .iter()
        .filter(|p| !done.contains(&p.run_id))
        .filter_map(|p| fastest.get(&plan.cells[p.cell].workload.key()))
        .map(Duration::as_secs_f64)
        .sum();
    let mut out = format!("{}: {}\n", experiment.spec.name, experiment.spec.about);
    out += &format!(
        "{} workloads, {} heaps, {} schedulers: {} cells x {} invocations = {}, {left} left\n",
        experiment.spec.workloads.len(),
        experiment.spec.heaps.len(),
        experiment.spec.schedulers.len(),
        plan.cells.len(),
        experiment.spec.invocations,
        plan.invocations.len(),
    );
    if seconds > 0.0 {
        out += &format!("at least {seconds:.0} s left, judging by the fastest so far\n");
    }
    for note in &plan.excluded {
        out += &format!("excluded: {note}\n");
    }
    Ok(show(&out))
}

fn plan_line(plan: &Plan, planned: &Planned) -> String {
    let cell = &plan.cells[planned.cell];
    let line = serde_json::json!({
        "run_id": planned.run_id,
        "block": planned.block,
        "invocation": planned.invocation,
        "workload": cell.workload.workload.id,
        "params": cell.workload.params,
        "heap": cell.heap.name,
        "heap_opts": cell.heap.options(),
        "sched": cell.scheduler.name,
        "sched_opts": cell.scheduler.params,
        "workers": cell.workers,
        "heap_factor": cell.heap_factor,
        "heap_bytes": cell.heap_bytes,
    });
    format!("{line}\n")
}

/// Runs `menagerie status`.
pub(crate) fn status(args: &StatusArgs) -> Result<ExitCode, String> {
    let experiment = Experiment::open(&args.experiment)?;
    let plan = experiment.spec.plan(&experiment.minima()?)?;
    let done = recorded(&experiment.folder);
    let left = plan.invocations.iter().filter(|p| !done.contains(&p.run_id)).count();
    let counts = count(&experiment)?;
    if args.json {
        let planned = plan.invocations.len();
        let text = serde_json::json!({ "planned": planned, "left": left, "recorded": counts });
        return Ok(show(&format!("{text}\n")));
    }
    let mut out = format!("{}: {left} of {} left\n", experiment.spec.name, plan.invocations.len());
    for (status, n) in counts {
        out += &format!("  {status:<8} {n}\n");
    }
    Ok(show(&out))
}

fn count(experiment: &Experiment) -> Result<BTreeMap<String, usize>, String> {
    let mut counts = BTreeMap::new();
    for row in read_rows::<InvocationRow>(&experiment.folder)? {
        *counts.entry(row.status.name().to_owned()).or_default() += 1;
    }
    Ok(counts)
}

fn selected(cell: &Cell, only: &[(String, String)]) -> bool {
    only.iter().all(|(key, value)| match key.as_str() {
        "workload" => cell.workload.workload.id == *value,
        "heap" => cell.heap.name == *value,
        "sched" => cell.scheduler.name == *value,
        "workers" => cell.workers.to_string() == *value,
        _ => unreachable!("parse_selector knows no other"),
    })
}

/// Runs `menagerie run`: whatever of the plan is not recorded yet.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, String> {
    let mut experiment = Experiment::open(&args.experiment)?;
    let invoker = Invoker::new(&experiment.binary)?;
    // Minima belong to the experiment, rows to the shard: all shards take the same bytes.
    std::fs::create_dir_all(&experiment.folder).map_err(|e| {
        format!("cannot make {}: {e}; name another with --results", experiment.folder.display())
    })?;
    let minima = prepare(&experiment, &invoker, args.shard.is_some())?;
    let plan = experiment.spec.plan(&minima)?;
    if let Some((k, n)) = args.shard {
        experiment.folder = experiment.folder.join("shards").join(format!("{k}-of-{n}"));
    }
    let mut store = Store::open(&experiment.folder)?;
    let mut manifest = opened_manifest(&experiment, &plan, args.allow_other_binary)?;
    manifest.write(&experiment.folder)?;
    let in_shard = |p: &&Planned| args.shard.is_none_or(|(k, n)| p.block % n == k);
    let left: Vec<&Planned> = plan
        .invocations
        .iter()
        .filter(in_shard)
        .filter(|p| selected(&plan.cells[p.cell], &args.only) && !store.done().contains(&p.run_id))
        .collect();
    run_all(&experiment, &invoker, &plan, &left, &mut store)?;
    manifest.recorded = count(&experiment)?;
    manifest.last_end_utc = now_utc();
    manifest.write(&experiment.folder)?;
    let counts: Vec<_> = manifest.recorded.iter().map(|(s, n)| format!("{n} {s}")).collect();
    say(&format!("{}: {}\n", experiment.folder.display(), counts.join(", ")));
    if args.report {
        return Ok(show(&format!("{}\n", crate::report::write(&experiment.folder)?.display())));
    }
    Ok(ExitCode::SUCCESS)
}

/// Tries the strategies, and finds the minima that are missing.
fn prepare(
    experiment: &Experiment,
    invoker: &Invoker,
    sharded: bool,
) -> Result<crate::matrix::Minima, String> {
    let minima = experiment.minima()?;
    let planned = experiment.spec.plan(&minima);
    if sharded && let Err(missing) = planned {
        return Err(format!("{missing} first"));
    }
    let _lock = Store::open(&experiment.folder)?;
    experiment.probe(invoker)?;
    match experiment.spec.minimum_heaps {
        _ if sharded => {}
        MinimumHeaps::All => minheap::find(experiment, invoker, true)?,
        MinimumHeaps::Reference if planned.is_err() => minheap::find(experiment, invoker, false)?,
        MinimumHeaps::Reference => {}
    }
    experiment.minima()
}

/// The folder's manifest, continued; refused when other code was measured before.
fn opened_manifest(
    experiment: &Experiment,
    plan: &Plan,
    allow_other_binary: bool,
) -> Result<Manifest, String> {
    let mut manifest = Manifest::new(experiment, plan)?;
    if let Some(before) = Manifest::read(&experiment.folder)? {
        if before.binary_sha256 != manifest.binary_sha256 && !allow_other_binary {
            return Err(format!(
                "the results in {} came from another build of menagerie: move them away, name \
                 another folder with --results, or mix them with --allow-other-binary",
                experiment.folder.display()
            ));
        }
        manifest.first_start_utc = before.first_start_utc;
        manifest.commands = before.commands;
    }
    manifest.commands.push(std::env::args().collect());
    Ok(manifest)
}

fn run_all(
    experiment: &Experiment,
    invoker: &Invoker,
    plan: &Plan,
    left: &[&Planned],
    store: &mut Store,
) -> Result<(), String> {
    let mut fastest = experiment.fastest()?;
    let bar = crate::progress::bar(left.len() as u64, "invocations");
    let host = host_hash();
    for (n, planned) in left.iter().enumerate() {
        let cell = &plan.cells[planned.cell];
        let key = cell.workload.key();
        bar.set_message(format!("{key} on {} x {}", cell.heap.name, cell.scheduler.name));
        let (load, start_utc) = (load1(), now_utc());
        let invocation = experiment.cell_invocation(cell, fastest.get(&key).copied());
        let invoked = invoker.invoke(&invocation)?;
        if invoked.status == Status::Ok {
            note_fastest(&mut fastest, key, invoked.wall);
        } else {
            keep_words(experiment, planned, &invoked)?;
        }
        let order_idx = store.done().len() as u64;
        let row = Context { experiment, planned, cell, host: &host, load, start_utc, order_idx }
            .row(&invoked);
        let details = details(experiment, &planned.run_id, &invoked);
        let block_ends = left.get(n + 1).is_none_or(|next| next.block != planned.block);
        let sync = match experiment.spec.fsync {
            Fsync::Invocation => true,
            Fsync::Block => block_ends,
            Fsync::Never => false,
        };
        store.commit(row, &details, sync)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// What a failed invocation said, and how to repeat it.
fn keep_words(experiment: &Experiment, planned: &Planned, invoked: &Invoked) -> Result<(), String> {
    let folder = experiment.folder.join("failures");
    let path = folder.join(format!("{}.txt", planned.run_id));
    let Invoked { status, message, command_line, stderr, .. } = invoked;
    let text = format!("{}: {message}\n{command_line}\n\n{stderr}", status.name());
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text));
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))
}
