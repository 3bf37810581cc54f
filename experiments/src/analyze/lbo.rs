//! The lower bound on overhead (Cai et al., ISPASS 2022): total / MDC, where MDC is the smallest
//! distilled cost (total minus what passed during pauses) of any configuration. 1 is ideal.
//!
//! Intervals: invocations are resampled within cells, and the minimum, which is noisy and biased
//! low, is found anew in every resample.

use std::collections::BTreeMap;

use super::columns::{LboRow, cell_row};
use super::load::{CellData, Data, Metric};
use super::statistics::{RESAMPLES, Resampler, geometric_mean, mean, percentile_interval};

/// The name of rows that hold a mean over workloads.
pub(crate) const GEOMEAN: &str = "(geomean)";

const METRICS: [Metric; 2] = [Metric::Wall, Metric::TaskClock];

/// Over which configurations the minimum is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    /// Heaps and sizes, within one scheduler and number of workers.
    Heap,
    /// Everything.
    Joint,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Scope::Heap => "heap",
            Scope::Joint => "joint",
        }
    }
    fn group(self, cell: &CellData) -> String {
        let key = &cell.key;
        match self {
            Scope::Heap => format!("{}\n{}\n{}", key.workload, key.scheduler, key.workers),
            Scope::Joint => key.workload.clone(),
        }
    }
}

/// Totals and stopped parts of the invocations of one configuration.
struct Member<'a> {
    cell: &'a CellData,
    total: Vec<f64>,
    distilled: Vec<f64>,
}

/// The configuration with the smallest distilled cost, and the cost.
fn minimum(means: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    means.enumerate().min_by(|a, b| a.1.total_cmp(&b.1))
}

/// What a mean over workloads collects.
#[derive(Default)]
struct Column {
    values: Vec<f64>,
    /// Sums of logarithms, by resample.
    logs: Vec<f64>,
    missing: Vec<String>,
}

/// All rows: every cell in both scopes and metrics, then the means.
pub(crate) fn lbo(data: &Data, seed: u64) -> Vec<LboRow> {
    let mut rows = Vec::new();
    let several_schedulers = data.cells.iter().any(|c| {
        let first = &data.cells[0].key;
        c.key.scheduler != first.scheduler || c.key.workers != first.workers
    });
    let scopes: &[Scope] =
        if several_schedulers { &[Scope::Heap, Scope::Joint] } else { &[Scope::Heap] };
    for &scope in scopes {
        for metric in METRICS {
            rows.extend(one(data, scope, metric, seed));
        }
    }
    rows
}

fn one(data: &Data, scope: Scope, metric: Metric, seed: u64) -> Vec<LboRow> {
    let mut groups: BTreeMap<String, Vec<&CellData>> = BTreeMap::new();
    for cell in &data.cells {
        groups.entry(scope.group(cell)).or_default().push(cell);
    }
    let mut rows = Vec::new();
    let mut columns: BTreeMap<String, (LboRow, Column)> = BTreeMap::new();
    let mut random = Resampler::new(seed);
    for cells in groups.values() {
        group(cells, scope, metric, &mut random, &mut rows, &mut columns);
    }
    rows.extend(columns.into_values().map(|(row, column)| finish_mean(row, column)));
    rows
}

fn blank(cell: &CellData, scope: Scope, metric: Metric) -> LboRow {
    cell_row!(LboRow of &cell.key, {
        scope: scope.name().to_owned(),
        metric: metric.name().to_owned(),
        heap_bytes: Some(cell.key.heap_bytes),
        n: cell.runs.len(),
        total: None,
        distilled: None,
        mdc: None,
        mdc_config: String::new(),
        lbo: None,
        ci_lo: None,
        ci_hi: None,
        missing: String::new(),
    })
}

fn configuration(cell: &CellData) -> String {
    let key = &cell.key;
    let size = key.heap_factor.map_or(format!("{} B", key.heap_bytes), |f| format!("{f}x"));
    format!("{} × {} × {} at {size}", key.heap, key.scheduler, key.workers)
}

fn group(
    cells: &[&CellData],
    scope: Scope,
    metric: Metric,
    random: &mut Resampler,
    rows: &mut Vec<LboRow>,
    columns: &mut BTreeMap<String, (LboRow, Column)>,
) {
    let stopped = metric.stopped().expect("metrics of LBO have a stopped part");
    let members: Vec<Member<'_>> = cells
        .iter()
        .filter(|c| c.complete())
        .map(|&cell| {
            let total = cell.values(metric);
            let distilled = total.iter().zip(cell.values(stopped)).map(|(t, s)| t - s).collect();
            Member { cell, total, distilled }
        })
        .collect();
    let resampled = resample(&members, random);
    let least = minimum(members.iter().map(|m| mean(&m.distilled)));
    let mut number = 0;
    for cell in cells {
        let mut row = blank(cell, scope, metric);
        if let (true, Some((at, mdc))) = (cell.complete(), least) {
            let member = &members[number];
            let total = mean(&member.total);
            row.total = Some(total);
            row.distilled = Some(mean(&member.distilled));
            row.mdc = Some(mdc);
            row.mdc_config = configuration(members[at].cell);
            row.lbo = Some(total / mdc);
            let interval = (member.total.len() >= 2)
                .then(|| percentile_interval(&mut resampled[number].clone()))
                .flatten();
            row.ci_lo = interval.map(|i| i.0);
            row.ci_hi = interval.map(|i| i.1);
            collect(columns, &row, Some(&resampled[number]));
            number += 1;
        } else {
            collect(columns, &row, None);
        }
        rows.push(row);
    }
}

/// LBO of every member, by resample.
fn resample(members: &[Member<'_>], random: &mut Resampler) -> Vec<Vec<f64>> {
    let mut out = vec![Vec::with_capacity(RESAMPLES); members.len()];
    let mut totals = vec![0.0; members.len()];
    for _ in 0..RESAMPLES {
        let mut mdc = f64::INFINITY;
        for (member, total) in members.iter().zip(&mut totals) {
            let n = member.total.len();
            let (mut t, mut d) = (0.0, 0.0);
            for _ in 0..n {
                let i = random.index(n);
                t += member.total[i];
                d += member.distilled[i];
            }
            *total = t / n as f64;
            mdc = mdc.min(d / n as f64);
        }
        for (out, total) in out.iter_mut().zip(&totals) {
            out.push(total / mdc);
        }
    }
    out
}

/// Adds a workload's value to the mean of its configuration; sizes in bytes have no mean.
fn collect(
    columns: &mut BTreeMap<String, (LboRow, Column)>,
    row: &LboRow,
    resampled: Option<&Vec<f64>>,
) {
    let Some(factor) = row.heap_factor else { return };
    let key = format!("{}\n{}\n{:05}\n{factor:09.4}", row.heap, row.sched, row.workers);
    let (_, column) = columns.entry(key).or_insert_with(|| {
        let mean = LboRow {
            workload: GEOMEAN.to_owned(),
            heap_bytes: None,
            total: None,
            distilled: None,
            mdc: None,
            mdc_config: String::new(),
            lbo: None,
            ci_lo: None,
            ci_hi: None,
            ..row.clone()
        };
        (mean, Column { logs: vec![0.0; RESAMPLES], ..Column::default() })
    });
    match (row.lbo, resampled) {
        (Some(lbo), Some(resampled)) => {
            column.values.push(lbo);
            for (sum, x) in column.logs.iter_mut().zip(resampled) {
                *sum += x.ln();
            }
        }
        _ => column.missing.push(row.workload.clone()),
    }
}

/// A mean is left blank when a workload is missing: means over different workloads do not compare.
fn finish_mean(mut row: LboRow, column: Column) -> LboRow {
    row.n = column.values.len();
    row.missing = column.missing.join("; ");
    if column.missing.is_empty() && !column.values.is_empty() {
        row.lbo = Some(geometric_mean(&column.values));
        let n = column.values.len() as f64;
        let mut means: Vec<f64> = column.logs.iter().map(|sum| (sum / n).exp()).collect();
        let interval = percentile_interval(&mut means);
        row.ci_lo = interval.map(|i| i.0);
        row.ci_hi = interval.map(|i| i.1);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::load::testing::cell;

    /// Tables III and IV of the paper: totals 108.33, 108.12, 218.72, pauses 4.46, 2.75, 0.03.
    #[test]
    fn lbo_of_the_papers_tables() {
        let cells = [("a", 108.33, 4.46), ("b", 108.12, 2.75), ("c", 218.72, 0.03)].map(
            |(heap, total, stopped)| {
                cell("w", heap, Some(2.0), &[(total, stopped), (total, stopped)])
            },
        );
        let rows = lbo(&Data { cells: cells.to_vec() }, 1);
        let of = |heap: &str| {
            let row = rows.iter().find(|r| r.metric == "wall_ns" && r.heap == heap).unwrap();
            assert!((row.mdc.unwrap() - 103.87).abs() < 1e-9);
            assert_eq!(row.mdc_config, "a × green × 1 at 2x");
            format!("{:.3}", row.lbo.unwrap())
        };
        assert_eq!([of("a"), of("b"), of("c")], ["1.043", "1.041", "2.106"]);
    }

    #[test]
    fn a_mean_is_blank_when_a_workload_failed() {
        let good = [(10.0, 1.0), (11.0, 1.0)];
        let mut failed = cell("v", "b", Some(2.0), &good);
        failed.failed.insert(crate::invoke::Status::Oom, 1);
        let cells = vec![
            cell("v", "a", Some(2.0), &good),
            failed,
            cell("w", "a", Some(2.0), &good),
            cell("w", "b", Some(2.0), &good),
        ];
        let rows = lbo(&Data { cells }, 1);
        let mean_of = |heap: &str| {
            let is = |r: &&LboRow| r.workload == GEOMEAN && r.heap == heap && r.metric == "wall_ns";
            rows.iter().find(is).unwrap().clone()
        };
        assert_eq!((mean_of("b").lbo, mean_of("b").missing.as_str()), (None, "v"));
        let a = mean_of("a");
        assert!((a.lbo.unwrap() - 10.5 / 9.5).abs() < 1e-12);
        assert!(a.ci_lo.unwrap() <= a.lbo.unwrap() && a.lbo.unwrap() <= a.ci_hi.unwrap());
    }
}
