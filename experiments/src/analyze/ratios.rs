//! Ratios to the reference configuration at the same size and number of workers.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::RatioRow;
use super::lbo::GEOMEAN;
use super::load::{CellData, Data, Metric};
use super::statistics::{
    Estimate, RESAMPLES, Resampler, geometric_mean, percentile_interval, ratio,
};

/// The mean over the workloads that ran on several schedulers, when others ran on one only.
pub(crate) const GEOMEAN_OF_SEVERAL: &str = "(geomean of several schedulers)";

const METRICS: [Metric; 3] = [Metric::Wall, Metric::TaskClock, Metric::ReservedBytes];
/// Ratios whose interval lies within are declared equivalent.
const EQUIVALENT: (f64, f64) = (0.99, 1.01);

fn verdict(e: &Estimate) -> &'static str {
    match e.interval {
        Some((low, high)) if EQUIVALENT.0 <= low && high <= EQUIVALENT.1 => "equivalent",
        Some((low, _)) if low > 1.0 => "slower",
        Some((_, high)) if high < 1.0 => "faster",
        _ => "undecided",
    }
}

/// The reference's cell for another cell; a parallel scheduler is compared with one worker's
/// reference when that has no more.
fn reference_of<'a>(
    data: &'a Data,
    cell: &CellData,
    reference: (&str, &str),
) -> Option<&'a CellData> {
    let mut candidates = data.cells.iter().filter(|c| {
        c.key.workload == cell.key.workload
            && c.key.heap_factor == cell.key.heap_factor
            && (c.key.heap_factor.is_some() || c.key.heap_bytes == cell.key.heap_bytes)
            && c.key.heap == reference.0
            && c.key.scheduler == reference.1
    });
    let mut found = candidates.next()?;
    for candidate in candidates {
        if candidate.key.workers == cell.key.workers && found.key.workers != cell.key.workers {
            found = candidate;
        }
    }
    Some(found)
}

fn row(cell: &CellData, metric: Metric, workload: &str) -> RatioRow {
    RatioRow {
        metric: metric.name().to_owned(),
        workload: workload.to_owned(),
        heap: cell.key.heap.clone(),
        sched: cell.key.scheduler.clone(),
        workers: cell.key.workers,
        heap_factor: cell.key.heap_factor,
        n: cell.runs.len(),
        ratio: None,
        ci_lo: None,
        ci_hi: None,
        verdict: String::new(),
        missing: String::new(),
    }
}

fn fill(row: &mut RatioRow, e: &Estimate) {
    row.ratio = Some(e.value);
    row.ci_lo = e.low();
    row.ci_hi = e.high();
    row.verdict = verdict(e).to_owned();
}

fn compare(row: &mut RatioRow, cell: &CellData, baseline: &CellData, metric: Metric) {
    if std::ptr::eq(cell, baseline) {
        row.ratio = Some(1.0);
        row.verdict = "reference".to_owned();
    } else {
        fill(row, &ratio(&cell.values(metric), &baseline.values(metric)));
    }
}

/// Every cell, then geometric means over workloads.
pub(crate) fn ratios(data: &Data, reference: (&str, &str), seed: u64) -> Vec<RatioRow> {
    let mut rows = Vec::new();
    let mut random = Resampler::new(seed);
    let pairs: Vec<_> = data.cells.iter().map(|c| (c, reference_of(data, c, reference))).collect();
    let several = on_several_schedulers(data);
    for metric in METRICS {
        for &(cell, baseline) in &pairs {
            let mut row = row(cell, metric, &cell.key.workload);
            if let Some(baseline) = baseline.filter(|b| b.complete() && cell.complete()) {
                compare(&mut row, cell, baseline, metric);
            }
            rows.push(row);
        }
        rows.extend(means(&pairs, metric, GEOMEAN, &mut random));
        // Programs without tasks run on one scheduler: means that schedulers are compared by must
        // leave them out.
        let mut tasks = pairs.clone();
        tasks.retain(|(cell, _)| several.contains(cell.key.workload.as_str()));
        if tasks.len() < pairs.len() {
            rows.extend(means(&tasks, metric, GEOMEAN_OF_SEVERAL, &mut random));
        }
    }
    rows
}

/// The workloads that ran on more than one scheduler; all of them when none did.
fn on_several_schedulers(data: &Data) -> BTreeSet<&str> {
    let mut schedulers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for cell in &data.cells {
        schedulers.entry(&cell.key.workload).or_default().insert(&cell.key.scheduler);
    }
    let several = schedulers.values().any(|s| s.len() > 1);
    schedulers.retain(|_, s| !several || s.len() > 1);
    schedulers.into_keys().collect()
}

type Pair<'a> = (&'a CellData, Option<&'a CellData>);

/// A row for each configuration and size.
fn means(pairs: &[Pair<'_>], metric: Metric, name: &str, random: &mut Resampler) -> Vec<RatioRow> {
    let mut means: BTreeMap<String, Vec<Pair<'_>>> = BTreeMap::new();
    for &(cell, baseline) in pairs {
        let baseline = baseline.filter(|b| b.complete() && cell.complete());
        if let Some(factor) = cell.key.heap_factor {
            let (heap, scheduler) = (&cell.key.heap, &cell.key.scheduler);
            let key = format!("{heap}\n{scheduler}\n{:05}\n{factor:09.4}", cell.key.workers);
            means.entry(key).or_default().push((cell, baseline));
        }
    }
    means.into_values().map(|m| mean_row(&m, metric, name, random)).collect()
}

fn mean_row(pairs: &[Pair<'_>], metric: Metric, name: &str, random: &mut Resampler) -> RatioRow {
    let mut out = row(pairs[0].0, metric, name);
    let missing = pairs.iter().filter(|(_, baseline)| baseline.is_none());
    out.missing = missing.map(|(c, _)| c.key.workload.clone()).collect::<Vec<_>>().join("; ");
    let known: Vec<(Vec<f64>, Vec<f64>)> = pairs
        .iter()
        .filter_map(|(c, baseline)| Some((c.values(metric), (*baseline)?.values(metric))))
        .collect();
    out.n = known.len();
    // A metric such as reserved bytes can be zero throughout; it has no ratio then.
    let value = geometric_mean(&known.iter().map(|(b, a)| ratio(b, a).value).collect::<Vec<_>>());
    if known.is_empty() || !value.is_finite() {
        return out;
    }
    if pairs.iter().all(|(cell, baseline)| baseline.is_some_and(|b| std::ptr::eq(*cell, b))) {
        out.ratio = Some(1.0);
        out.verdict = "reference".to_owned();
        return out;
    }
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let logs = known.iter().map(|(b, a)| (random.mean(b) / random.mean(a)).ln());
            (logs.sum::<f64>() / known.len() as f64).exp()
        })
        .collect();
    let several = known.iter().all(|(b, a)| b.len() >= 2 && a.len() >= 2);
    let interval = several.then(|| percentile_interval(&mut resampled)).flatten();
    fill(&mut out, &Estimate { value, interval });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::load::testing::cell;

    #[test]
    fn ratios_are_to_the_reference_at_the_same_size() {
        let slow = [(30.0, 0.0), (31.0, 0.0), (29.0, 0.0)];
        let fast = [(10.0, 0.0), (10.1, 0.0), (9.9, 0.0)];
        let cells = vec![
            cell("w", "other", Some(2.0), &slow),
            cell("w", "reference", Some(2.0), &fast),
            cell("w", "reference", Some(3.0), &slow),
        ];
        let rows = ratios(&Data { cells }, ("reference", "green"), 1);
        let of = |workload: &str, heap: &str| {
            let is = |r: &&RatioRow| {
                r.workload == workload
                    && r.heap == heap
                    && r.metric == "wall_ns"
                    && r.heap_factor == Some(2.0)
            };
            rows.iter().find(is).unwrap().clone()
        };
        for workload in ["w", GEOMEAN] {
            let row = of(workload, "other");
            assert!((row.ratio.unwrap() - 3.0).abs() < 1e-12);
            assert_eq!(row.verdict, "slower");
        }
        assert_eq!(of("w", "reference").ratio, Some(1.0));
    }

    /// A program without tasks is in the mean of all, not in the one that compares schedulers.
    #[test]
    fn schedulers_are_compared_by_what_ran_on_several() {
        let (slow, fast) = ([(30.0, 0.0), (30.0, 0.0)], [(10.0, 0.0), (10.0, 0.0)]);
        let mut other = cell("tasks", "reference", Some(2.0), &slow);
        other.key.scheduler = "other".to_owned();
        let cells = vec![
            other,
            cell("tasks", "reference", Some(2.0), &fast),
            cell("tasks", "heap", Some(2.0), &slow),
            cell("alone", "reference", Some(2.0), &fast),
            cell("alone", "heap", Some(2.0), &fast),
        ];
        let rows = ratios(&Data { cells }, ("reference", "green"), 1);
        let of = |workload: &str| {
            let is =
                |r: &&RatioRow| r.workload == workload && r.heap == "heap" && r.metric == "wall_ns";
            let row = rows.iter().find(is).unwrap();
            (row.n, row.ratio.unwrap())
        };
        for (name, n, ratio) in [(GEOMEAN_OF_SEVERAL, 1, 3.0), (GEOMEAN, 2, 3f64.sqrt())] {
            assert_eq!(of(name).0, n, "{name}");
            assert!((of(name).1 - ratio).abs() < 1e-12, "{name}");
        }
    }

    #[test]
    fn what_failed_has_no_ratio_and_is_named() {
        let good = [(10.0, 0.0), (11.0, 0.0)];
        let mut failed = cell("w", "other", Some(2.0), &good);
        failed.failed.insert(crate::invoke::Status::Timeout, 1);
        let cells = vec![failed, cell("w", "reference", Some(2.0), &good)];
        let rows = ratios(&Data { cells }, ("reference", "green"), 1);
        let mean = rows.iter().find(|r| r.workload == GEOMEAN && r.heap == "other").unwrap();
        assert_eq!((mean.ratio, mean.missing.as_str()), (None, "w"));
    }
}
