//! `menagerie plot`: figures at the size of the paper, from an analysis.
//!
//! [`figure`] says what a figure is, [`render`] draws it; [`space`], [`time`] and [`schedule`] make
//! them. Colours and markers are the registry's, so that a strategy looks the same everywhere.

mod axis;
pub(crate) mod figure;
mod render;
mod schedule;
mod select;
mod space;
mod time;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::analyze::Analysis;
use crate::analyze::load::Metric;
use crate::experiment::read_rows;
use crate::output::show;
pub(crate) use figure::Figure;
pub(crate) use render::svg;
pub(crate) use select::{factor_word, heaps, middle_factor, short, small_print, workloads};

/// `menagerie plot`
#[derive(Args, Debug)]
pub struct PlotArgs {
    /// The experiment's results folder, such as results/quick
    pub folder: PathBuf,
    /// Only figures whose name contains this
    #[arg(long, value_name = "WORD")]
    pub only: Option<String>,
}

/// All figures that the results have something for, in order of their numbers.
pub(crate) fn figures(
    analysis: &Analysis,
    folder: &std::path::Path,
) -> Result<Vec<Figure>, String> {
    let minima = read_rows(folder)?;
    let pauses = read_rows(folder)?;
    let all = [
        space::lbo(analysis, Metric::Wall),
        space::lbo(analysis, Metric::TaskClock),
        space::time_space(analysis),
        space::bars(analysis),
        space::stacked(analysis),
        time::pauses(analysis),
        time::utilisation(analysis),
        time::latency(analysis),
        time::occupancy(analysis, &pauses),
        space::minimum_heaps(analysis, &minima),
        schedule::speedup(analysis),
        schedule::workers(analysis),
        schedule::grain(analysis),
        schedule::activity(analysis),
        schedule::interaction(analysis),
        schedule::variance(analysis),
        schedule::pareto(analysis),
        time::run_order(analysis),
        time::distributions(analysis),
        time::deadlines(analysis),
    ];
    Ok(all.into_iter().flatten().collect())
}

/// Runs `menagerie plot`.
pub(crate) fn plot(args: &PlotArgs) -> Result<ExitCode, String> {
    let analysis = Analysis::of(&args.folder)?;
    let folder = args.folder.join("figures");
    std::fs::create_dir_all(&folder)
        .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let mut out = String::new();
    for figure in figures(&analysis, &args.folder)? {
        if args.only.as_ref().is_some_and(|word| !figure.id.contains(word)) {
            continue;
        }
        let path = folder.join(format!("{}.svg", figure.id));
        std::fs::write(&path, svg(&figure)?)
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        out += &format!("{}\n", path.display());
    }
    Ok(show(&out))
}
