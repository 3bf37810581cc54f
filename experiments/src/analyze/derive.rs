//! Rows that follow from one cell, or from cells beside each other.

use std::collections::BTreeSet;

use super::columns::{
    CellRow, LatencyRow, PausePercentileRow, RepetitionRow, SpeedupRow, UtilisationRow,
    VarianceRow, cell_row,
};
use super::load::{CellData, Data, Metric, PAUSE_SHARES, WINDOWS};
use super::statistics::{
    Resampler, mean, mean_interval, median, optimal_iterations, percentile_interval, ratio,
    standard_deviation, variance_levels,
};
use super::variance::{Grid, TERMS};
use super::{latency as curves, utilisation as mmu};

/// `2 oom, 1 timeout`.
pub(crate) fn failures(cell: &CellData) -> String {
    let words: Vec<_> = cell.failed.iter().map(|(s, n)| format!("{n} {}", s.name())).collect();
    words.join(", ")
}

pub(crate) fn cells(data: &Data) -> Vec<CellRow> {
    let mut rows = Vec::new();
    for cell in &data.cells {
        for metric in Metric::ALL {
            let values = cell.values(metric);
            let some = !values.is_empty();
            let estimate = some.then(|| mean_interval(&values));
            rows.push(cell_row!(CellRow of &cell.key, {
                heap_bytes: cell.key.heap_bytes,
                metric: metric.name().to_owned(),
                n: values.len(),
                n_failed: cell.failures(),
                failures: failures(cell),
                mean: estimate.map(|e| e.value),
                ci_lo: estimate.and_then(|e| e.low()),
                ci_hi: estimate.and_then(|e| e.high()),
                median: some.then(|| median(&values)),
                min: some.then(|| values.iter().copied().fold(f64::INFINITY, f64::min)),
                cov: estimate
                    .filter(|e| e.value != 0.0)
                    .map(|e| standard_deviation(&values) / e.value),
            }));
        }
    }
    rows
}

pub(crate) fn pauses(data: &Data) -> Vec<PausePercentileRow> {
    let mut rows = Vec::new();
    for cell in &data.cells {
        let with: Vec<_> = cell.runs.iter().filter_map(|r| r.pauses).collect();
        if with.is_empty() {
            continue;
        }
        for (n, share) in PAUSE_SHARES.into_iter().enumerate() {
            let values: Vec<f64> = with.iter().map(|p| f64::from(p[n])).collect();
            let estimate = mean_interval(&values);
            rows.push(cell_row!(PausePercentileRow of &cell.key, {
                heap_bytes: cell.key.heap_bytes,
                share,
                n: values.len(),
                pause_ns: estimate.value,
                ci_lo: estimate.low(),
                ci_hi: estimate.high(),
            }));
        }
    }
    rows
}

pub(crate) fn utilisation(data: &Data) -> Vec<UtilisationRow> {
    let windows = mmu::grid(WINDOWS);
    let mut rows = Vec::new();
    for cell in &data.cells {
        let with: Vec<_> = cell.runs.iter().filter_map(|r| r.utilisation.as_deref()).collect();
        if with.is_empty() {
            continue;
        }
        for (n, &window_ns) in windows.iter().enumerate() {
            let of = |pick: fn(&(f32, f32)) -> f32| {
                let values: Vec<f64> = with.iter().map(|u| f64::from(pick(&u[n]))).collect();
                mean_interval(&values)
            };
            let (least, bounded) = (of(|u| u.0), of(|u| u.1));
            rows.push(cell_row!(UtilisationRow of &cell.key, {
                heap_bytes: cell.key.heap_bytes,
                window_ns,
                n: with.len(),
                mmu: least.value,
                mmu_lo: least.low(),
                mmu_hi: least.high(),
                bmu: bounded.value,
                bmu_lo: bounded.low(),
                bmu_hi: bounded.high(),
            }));
        }
    }
    rows
}

pub(crate) fn latency(data: &Data) -> Vec<LatencyRow> {
    let mut rows = Vec::new();
    for cell in &data.cells {
        let Some(first) = cell.runs.iter().find(|r| !r.latencies.is_empty()) else { continue };
        let mut push = |kind: &str, window_ns: u64, share: Option<f64>, values: &[f64]| {
            let estimate = mean_interval(values);
            rows.push(cell_row!(LatencyRow of &cell.key, {
                heap_bytes: cell.key.heap_bytes,
                kind: kind.to_owned(),
                window_ns,
                share,
                n: values.len(),
                value: estimate.value,
                ci_lo: estimate.low(),
                ci_hi: estimate.high(),
            }));
        };
        for (at, &(kind, window, _)) in first.latencies.iter().enumerate() {
            for (n, share) in curves::SHARES.into_iter().enumerate() {
                let of_run = |r: &super::load::Run| Some(r.latencies.get(at)?.2[n]);
                let values: Vec<f64> = cell.runs.iter().filter_map(of_run).collect();
                push(kind, window, Some(share), &values);
            }
        }
        let misses: Vec<f64> = cell.runs.iter().filter_map(|r| r.miss_ratio).collect();
        if !misses.is_empty() {
            push("deadline_miss", 0, None, &misses);
        }
    }
    rows
}

/// Cells with more than one worker against their own with one.
pub(crate) fn speedup(data: &Data) -> Vec<SpeedupRow> {
    let mut rows = Vec::new();
    for cell in data.cells.iter().filter(|c| c.complete()) {
        let key = &cell.key;
        let alone = data.cells.iter().find(|c| {
            let one = super::load::CellKey { workers: 1, ..key.clone() };
            c.key == one && c.complete()
        });
        let Some(alone) = alone else { continue };
        let scales = data.cells.iter().any(|c| {
            c.key.workers > 1
                && super::load::CellKey { workers: key.workers, ..c.key.clone() } == *key
        });
        if !scales {
            continue;
        }
        let mut speedup = ratio(&alone.values(Metric::Wall), &cell.values(Metric::Wall));
        let mut work = ratio(&cell.values(Metric::TaskClock), &alone.values(Metric::TaskClock));
        if std::ptr::eq(alone, cell) {
            // 1 by definition.
            (speedup.interval, work.interval) = (None, None);
        }
        let p = key.workers as f64;
        rows.push(cell_row!(SpeedupRow of key, {
            n: cell.runs.len(),
            speedup: speedup.value,
            ci_lo: speedup.low(),
            ci_hi: speedup.high(),
            efficiency: speedup.value / p,
            karp_flatt: karp_flatt(speedup.value, p),
            work_inflation: work.value,
            inflation_lo: work.low(),
            inflation_hi: work.high(),
        }));
    }
    rows
}

/// The serial share that explains a speed-up (Karp & Flatt); None for one worker.
fn karp_flatt(speedup: f64, workers: f64) -> Option<f64> {
    (workers > 1.0).then(|| (1.0 / speedup - 1.0 / workers) / (1.0 - 1.0 / workers))
}

pub(crate) fn repetition(data: &Data) -> Vec<RepetitionRow> {
    let mut rows = Vec::new();
    for cell in &data.cells {
        let iterations: Vec<&[f64]> = cell.runs.iter().map(|r| r.iterations.as_slice()).collect();
        let Some((t1, t2)) = variance_levels(&iterations) else { continue };
        let overheads: Vec<f64> = cell.runs.iter().map(|r| r.overhead_ns).collect();
        rows.push(cell_row!(RepetitionRow of &cell.key, {
            iteration_variance: t1,
            invocation_variance: t2,
            iterations_best: optimal_iterations(
                (t1, t2),
                mean(&overheads),
                cell.mean(Metric::Wall),
            ),
        }));
    }
    rows
}

const VARIANCE_RESAMPLES: usize = 200;

/// One table per size and number of workers, over the workloads that ran on every combination.
pub(crate) fn variance(data: &Data, seed: u64) -> Vec<VarianceRow> {
    let mut slices: Vec<(Option<f64>, usize)> = Vec::new();
    for cell in &data.cells {
        let slice = (cell.key.heap_factor, cell.key.workers);
        if slice.0.is_some() && !slices.contains(&slice) {
            slices.push(slice);
        }
    }
    slices.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    slices.into_iter().flat_map(|(factor, workers)| slice(data, factor, workers, seed)).collect()
}

/// Cells of a slice: at this size, with so many workers, or, of a scheduler that has one, with one.
fn of_slice(data: &Data, factor: Option<f64>, workers: usize) -> Vec<&CellData> {
    let most = |scheduler: &str| {
        let of = data.cells.iter().filter(|c| c.key.scheduler == scheduler);
        of.map(|c| c.key.workers).max().unwrap_or(1)
    };
    let of = |c: &&CellData| {
        c.key.heap_factor == factor && c.key.workers == workers.min(most(&c.key.scheduler))
    };
    data.cells.iter().filter(of).collect()
}

/// Not every heap runs on every scheduler: the heaps and schedulers of the largest full grid, the
/// one with more schedulers among equals. There are few schedulers: all sets of them are tried.
fn fullest(cells: &[&CellData]) -> (Vec<String>, Vec<String>) {
    let names = |pick: fn(&CellData) -> &String| {
        cells.iter().map(|c| pick(c).clone()).collect::<BTreeSet<_>>()
    };
    let pairs: BTreeSet<(&str, &str)> =
        cells.iter().map(|c| (c.key.heap.as_str(), c.key.scheduler.as_str())).collect();
    let (heaps, schedulers) = (names(|c| &c.key.heap), names(|c| &c.key.scheduler));
    let grid = |set: u32| {
        let at = schedulers.iter().enumerate().filter(|(n, _)| set & (1 << n) != 0);
        let chosen: Vec<String> = at.map(|(_, s)| s.clone()).collect();
        let on_all = |h: &&String| chosen.iter().all(|s| pairs.contains(&(h.as_str(), s.as_str())));
        (heaps.iter().filter(on_all).cloned().collect::<Vec<_>>(), chosen)
    };
    let sets = 1u32..1 << schedulers.len().min(16);
    let size = |(h, s): &(Vec<String>, Vec<String>)| (h.len() >= 2, h.len() * s.len(), s.len());
    sets.map(grid).max_by_key(size).unwrap_or_default()
}

fn slice(data: &Data, factor: Option<f64>, workers: usize, seed: u64) -> Vec<VarianceRow> {
    let cells = of_slice(data, factor, workers);
    let names = |pick: fn(&CellData) -> &String| {
        cells.iter().map(|c| pick(c).clone()).collect::<BTreeSet<_>>()
    };
    let (heaps, schedulers) = fullest(&cells);
    let find = |w: &String, h: &String, s: &String| {
        let is = |c: &&&CellData| {
            c.key.workload == *w && c.key.heap == *h && c.key.scheduler == *s && c.complete()
        };
        cells.iter().find(is).copied()
    };
    let everywhere =
        |w: &String| heaps.iter().all(|h| schedulers.iter().all(|s| find(w, h, s).is_some()));
    let (complete, left_out): (Vec<_>, Vec<_>) =
        names(|c| &c.key.workload).into_iter().partition(everywhere);
    if complete.len() < 2 || heaps.len() < 2 {
        return Vec::new();
    }
    let mut logs = Vec::new();
    for w in &complete {
        for h in &heaps {
            for s in &schedulers {
                let cell = find(w, h, s).expect("complete workloads have all cells");
                logs.push(cell.values(Metric::Wall).iter().map(|x| x.ln()).collect::<Vec<_>>());
            }
        }
    }
    let n = logs.iter().map(Vec::len).min().unwrap_or(0);
    logs.iter_mut().for_each(|cell| cell.truncate(n));
    let grid = Grid { sizes: [complete.len(), heaps.len(), schedulers.len()], cells: logs };
    let Some(shares) = grid.shares() else { return Vec::new() };
    let mut resampled = resample(&grid, seed);
    let rows = TERMS.into_iter().enumerate().map(|(term, name)| {
        let interval = (n >= 2).then(|| percentile_interval(&mut resampled[term])).flatten();
        VarianceRow {
            heap_factor: factor,
            workers,
            term: name.to_owned(),
            workloads: complete.len(),
            n,
            eta_squared: shares[term],
            ci_lo: interval.map(|i| i.0),
            ci_hi: interval.map(|i| i.1),
            heaps: heaps.join("; "),
            scheds: schedulers.join("; "),
            left_out: left_out.join("; "),
        }
    });
    rows.collect()
}

/// Shares of every term, by resample.
fn resample(grid: &Grid, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Resampler::new(seed);
    let mut out = vec![Vec::new(); TERMS.len()];
    for _ in 0..VARIANCE_RESAMPLES {
        let mut cells = grid.cells.clone();
        for (drawn, cell) in cells.iter_mut().zip(&grid.cells) {
            drawn.iter_mut().for_each(|x| *x = cell[random.index(cell.len())]);
        }
        if let Some(shares) = (Grid { sizes: grid.sizes, cells }).shares() {
            out.iter_mut().zip(shares).for_each(|(out, share)| out.push(share));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::load::testing::cell;

    /// Amdahl with a serial share of 0.1 on 4 workers: S = 1 / (0.1 + 0.9/4).
    #[test]
    fn karp_flatt_finds_amdahls_serial_share() {
        let speedup = 1.0 / (0.1 + 0.9 / 4.0);
        assert!((karp_flatt(speedup, 4.0).unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(karp_flatt(1.0, 1.0), None);
    }

    /// `alone` has one mutator: with it there are 2 heaps on 1 scheduler, without it 2 on 2.
    #[test]
    fn the_largest_full_grid_is_found() {
        let good = [(8.0, 0.0), (8.0, 0.0)];
        let on = |heap: &str, scheduler: &str| {
            let mut cell = cell("w", heap, Some(2.0), &good);
            cell.key.scheduler = scheduler.to_owned();
            cell
        };
        let cells = [("a", "one"), ("b", "one"), ("alone", "one"), ("a", "many"), ("b", "many")]
            .map(|(h, s)| on(h, s));
        let (heaps, schedulers) = fullest(&cells.iter().collect::<Vec<_>>());
        assert_eq!((heaps.join(" "), schedulers.join(" ")), ("a b".into(), "many one".into()));
        let (heaps, _) = fullest(&cells[..4].iter().collect::<Vec<_>>());
        assert_eq!(heaps, ["a", "alone", "b"], "one heap alone is no factor");
    }

    #[test]
    fn speedup_efficiency_and_inflation() {
        let one = cell("w", "a", Some(2.0), &[(8.0, 0.0), (8.0, 0.0)]);
        let mut four = cell("w", "a", Some(2.0), &[(4.0, 0.0), (4.0, 0.0)]);
        four.key.workers = 4;
        for run in &mut four.runs {
            run.values[Metric::TaskClock as usize] = 12.0;
        }
        let rows = speedup(&Data { cells: vec![one, four] });
        let four = rows.iter().find(|r| r.workers == 4).unwrap();
        assert_eq!((four.speedup, four.efficiency, four.work_inflation), (2.0, 0.5, 1.5));
        assert_eq!(rows.iter().find(|r| r.workers == 1).unwrap().speedup, 1.0);
    }
}
