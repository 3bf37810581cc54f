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

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

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
    /// The experiment's results folder, such as results/local/quick
    pub folder: PathBuf,
    /// Only figures whose name contains this
    #[arg(long, value_name = "WORD")]
    pub only: Option<String>,
    /// As PDF too, for papers (by rsvg-convert)
    #[arg(long)]
    pub pdf: bool,
}

/// All figures that the results have something for, in order of their numbers.
pub(crate) fn figures(analysis: &Analysis, folder: &Path) -> Result<Vec<Figure>, String> {
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

/// Writes figures as SVG and gives their paths.
pub(crate) fn write(figures: &[Figure], folder: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = folder.join("figures");
    crate::output::make_folder(&folder)?;
    let mut written = Vec::new();
    for figure in figures {
        let path = folder.join(format!("{}.svg", figure.id));
        crate::output::write_file(&path, &svg(figure)?)?;
        written.push(path);
    }
    Ok(written)
}

/// Converts an SVG beside it to PDF, of the same size and with its fonts embedded.
///
/// librsvg's program does it: the crate that could (svg2pdf) would bring 88 others, and ninety
/// seconds to every build, for what only a paper needs.
fn to_pdf(svg: &Path) -> Result<PathBuf, String> {
    let pdf = svg.with_extension("pdf");
    let mut command = Command::new("rsvg-convert");
    command.args(["--format", "pdf", "--output"]).arg(&pdf).arg(svg);
    let ran = command.output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            "PDF needs rsvg-convert: apt-get install librsvg2-bin".to_owned()
        }
        _ => format!("cannot start rsvg-convert: {e}"),
    })?;
    match ran.status.success() {
        true => Ok(pdf),
        false => Err(format!(
            "rsvg-convert cannot convert {}: {}",
            svg.display(),
            String::from_utf8_lossy(&ran.stderr).trim()
        )),
    }
}

/// Runs `menagerie plot`.
pub(crate) fn plot(args: &PlotArgs) -> Result<ExitCode, String> {
    let analysis = Analysis::of(&args.folder)?;
    let mut chosen = figures(&analysis, &args.folder)?;
    if let Some(word) = &args.only {
        let known: Vec<_> = chosen.iter().map(|f| f.id.clone()).collect();
        chosen.retain(|f| f.id.contains(word));
        if chosen.is_empty() {
            return Err(format!("no figure's name contains `{word}`: {}", known.join(", ")));
        }
    }
    let mut written = write(&chosen, &args.folder)?;
    if args.pdf {
        let pdfs: Vec<_> = written.iter().map(|svg| to_pdf(svg)).collect::<Result<_, _>>()?;
        written.extend(pdfs);
    }
    let lines = written.iter().map(|path| format!("{}\n", path.display()));
    Ok(show(&lines.collect::<String>()))
}
