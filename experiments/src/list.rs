//! `menagerie list`: what the registry and the catalogue hold.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use menagerie::heap::Parameter;
use menagerie_strategies::{HEAPS, SCHEDULERS};
use serde::Serialize;

use crate::catalogue::{Catalogue, Size, Workload};
use crate::output::show;

/// `menagerie list`
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// What to list (default: all)
    #[arg(value_enum)]
    what: Option<What>,
    /// As JSON, with everything that is known
    #[arg(long)]
    json: bool,
    /// Only workloads with this tag, such as core
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

/// What can be listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum What {
    /// Memory managers
    Heaps,
    /// Task schedulers
    Schedulers,
    /// Measured programs
    Workloads,
}

/// Everything, in the form of `--json`; what was not asked for is left out.
#[derive(Default, Serialize)]
struct Listing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    heaps: Option<Vec<Strategy>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedulers: Option<Vec<Strategy>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workloads: Option<Vec<&'a Workload>>,
}

#[derive(Serialize)]
struct Strategy {
    name: &'static str,
    summary: &'static str,
    parameters: Vec<StrategyParameter>,
}

#[derive(Serialize)]
struct StrategyParameter {
    name: &'static str,
    default: &'static str,
    doc: &'static str,
}

impl Strategy {
    fn new(name: &'static str, summary: &'static str, parameters: &[Parameter]) -> Strategy {
        let parameters = parameters
            .iter()
            .map(|&Parameter { name, default, doc }| StrategyParameter { name, default, doc });
        Strategy { name, summary, parameters: parameters.collect() }
    }
}

/// Prints what was asked for.
pub(crate) fn list(args: &ListArgs) -> ExitCode {
    let catalogue = Catalogue::embedded();
    let wanted = |what| args.what.is_none_or(|w| w == what) && args.tag.is_none();
    let workloads = args.tag.is_some() || wanted(What::Workloads);
    let tagged = |w: &&Workload| args.tag.as_ref().is_none_or(|tag| w.is_tagged(tag));
    let heaps = HEAPS.iter().map(|(i, _)| Strategy::new(i.name, i.summary, i.parameters));
    let schedulers = SCHEDULERS.iter().map(|(i, _)| Strategy::new(i.name, i.summary, i.parameters));
    let listing = Listing {
        heaps: wanted(What::Heaps).then(|| heaps.collect()),
        schedulers: wanted(What::Schedulers).then(|| schedulers.collect()),
        workloads: workloads.then(|| catalogue.iter().filter(tagged).collect()),
    };
    show(&if args.json { json(&listing) } else { text(&listing) })
}

fn json(listing: &Listing<'_>) -> String {
    let text = serde_json::to_string_pretty(listing);
    text.expect("texts and lists can always be written") + "\n"
}

fn text(listing: &Listing<'_>) -> String {
    let mut out = String::new();
    if let Some(heaps) = &listing.heaps {
        out.push_str("heaps (--heap, parameters with --heap-param):\n");
        strategies(&mut out, heaps);
    }
    if let Some(schedulers) = &listing.schedulers {
        out.push_str("schedulers (--sched, parameters with --sched-param):\n");
        strategies(&mut out, schedulers);
    }
    if let Some(workloads) = &listing.workloads {
        out.push_str("workloads (parameters with --param and --size):\n");
        for w in workloads {
            let _ = writeln!(out, "  {:<20} {}", w.id, w.about);
            let params =
                w.params.iter().map(|p| format!("{}={}", p.name, p.values.of(Size::Default)));
            let params = params.collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "      {params}  [{}]", w.tags.join(", "));
        }
    }
    out
}

fn strategies(out: &mut String, strategies: &[Strategy]) {
    for Strategy { name, summary, parameters } in strategies {
        let _ = writeln!(out, "  {name:<12} {summary}");
        for StrategyParameter { name, default, doc } in parameters {
            let _ = writeln!(out, "      {name}={default}  {doc}");
        }
    }
}
