//! `menagerie analyze`: from result files to estimates with intervals (`analysis/*.csv`).

pub(crate) mod columns;
pub(crate) mod derive;
pub(crate) mod latency;
pub(crate) mod lbo;
pub(crate) mod load;
pub(crate) mod ratios;
pub(crate) mod statistics;
pub(crate) mod utilisation;
pub(crate) mod variance;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::manifest::Manifest;
use crate::output::show;
use crate::results::columns::Row;
use columns::{
    CellRow, LatencyRow, LboRow, PausePercentileRow, RatioRow, RepetitionRow, SpeedupRow,
    UtilisationRow, VarianceRow,
};
use load::Data;

/// `menagerie analyze`
#[derive(Args, Debug)]
pub struct AnalyzeArgs {
    /// The experiment's results folder, such as results/local/quick
    pub folder: PathBuf,
}

/// Everything that an analysis gives; figures, tables and the report are drawn from it.
#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) manifest: Manifest,
    pub(crate) data: Data,
    pub(crate) cells: Vec<CellRow>,
    pub(crate) lbo: Vec<LboRow>,
    pub(crate) ratios: Vec<RatioRow>,
    pub(crate) utilisation: Vec<UtilisationRow>,
    pub(crate) pauses: Vec<PausePercentileRow>,
    pub(crate) latency: Vec<LatencyRow>,
    pub(crate) speedup: Vec<SpeedupRow>,
    pub(crate) variance: Vec<VarianceRow>,
    pub(crate) repetition: Vec<RepetitionRow>,
}

impl Analysis {
    /// Reads and analyses a results folder.
    pub(crate) fn of(folder: &Path) -> Result<Analysis, String> {
        let manifest = Manifest::read(folder)?.ok_or_else(|| {
            format!("{} has no manifest.json: name an experiment's results", folder.display())
        })?;
        let data = Data::load(folder)?;
        let reference = (manifest.reference_heap.as_str(), manifest.reference_scheduler.as_str());
        Ok(Analysis {
            cells: derive::cells(&data),
            lbo: lbo::lbo(&data, manifest.seed),
            ratios: ratios::ratios(&data, reference, manifest.seed),
            utilisation: derive::utilisation(&data),
            pauses: derive::pauses(&data),
            latency: derive::latency(&data),
            speedup: derive::speedup(&data),
            variance: derive::variance(&data, manifest.seed),
            repetition: derive::repetition(&data),
            data,
            manifest,
        })
    }

    /// Writes every derived table.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        crate::output::make_folder(folder)?;
        write(folder, &self.cells)?;
        write(folder, &self.lbo)?;
        write(folder, &self.ratios)?;
        write(folder, &self.utilisation)?;
        write(folder, &self.pauses)?;
        write(folder, &self.latency)?;
        write(folder, &self.speedup)?;
        write(folder, &self.variance)?;
        write(folder, &self.repetition)
    }
}

/// Writes a whole file, header included even when there are no rows.
fn write<R: Row>(folder: &Path, rows: &[R]) -> Result<(), String> {
    let path = folder.join(R::SCHEMA.file);
    let cannot = |e: &dyn std::fmt::Display| format!("cannot write {}: {e}", path.display());
    let mut writer =
        csv::WriterBuilder::new().has_headers(false).from_path(&path).map_err(|e| cannot(&e))?;
    let names = R::SCHEMA.columns.iter().map(|c| c.name);
    writer.write_record(names).map_err(|e| cannot(&e))?;
    for row in rows {
        writer.serialize(row).map_err(|e| cannot(&e))?;
    }
    writer.flush().map_err(|e| cannot(&e))
}

/// Runs `menagerie analyze`.
pub(crate) fn analyze(args: &AnalyzeArgs) -> Result<ExitCode, String> {
    let analysis = Analysis::of(&args.folder)?;
    let folder = args.folder.join("analysis");
    analysis.write(&folder)?;
    let text = format!(
        "{}: {} cells, {} invocations analysed\n",
        folder.display(),
        analysis.data.cells.len(),
        analysis.data.cells.iter().map(|c| c.runs.len() + c.failures()).sum::<usize>(),
    );
    Ok(show(&text))
}
