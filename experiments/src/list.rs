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
    /// Which heaps run on which schedulers, with the reason for each pair that does not
    #[arg(long, conflicts_with_all = ["what", "json", "tag"])]
    matrix: bool,
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

/// Heaps × schedulers; the reasons for the holes below.
fn matrix() -> String {
    let width = HEAPS.iter().map(|(heap, _)| heap.name.len()).max().unwrap_or(0);
    let mut out = " ".repeat(width);
    for (scheduler, _) in SCHEDULERS {
        let _ = write!(out, "  {}", scheduler.name);
    }
    out.push('\n');
    let mut holes: Vec<String> = Vec::new();
    for (heap, _) in HEAPS {
        let _ = write!(out, "{:width$}", heap.name);
        for (scheduler, _) in SCHEDULERS {
            let mark = match menagerie_strategies::hole(heap.name, scheduler.name) {
                None => match menagerie_strategies::flavour(heap.name, scheduler.name) {
                    same if same == heap.name => "yes".to_owned(),
                    flavour => flavour.to_owned(),
                },
                Some(why) => {
                    let known = holes.iter().position(|w| *w == why);
                    format!(
                        "[{}]",
                        1 + known.unwrap_or_else(|| {
                            holes.push(why);
                            holes.len() - 1
                        })
                    )
                }
            };
            let _ = write!(out, "  {mark:<w$}", w = scheduler.name.len());
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    for (n, why) in (1..).zip(&holes) {
        let _ = writeln!(out, "[{n}] {why}");
    }
    out
}

/// Prints what was asked for.
pub(crate) fn list(args: &ListArgs) -> ExitCode {
    if args.matrix {
        return show(&matrix());
    }
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
