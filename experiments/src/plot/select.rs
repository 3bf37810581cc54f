//! What figures have in common: which rows belong in them, and the pieces they are built of.

use std::collections::BTreeSet;

use super::axis::number;
use super::figure::{Look, Mark, Point};
use crate::analyze::Analysis;
use crate::analyze::load::{CellData, CellKey};

/// A workload's name without its folder; of its parameters, those that the same program is there
/// with other values of.
pub(crate) fn short(analysis: &Analysis, workload: &str) -> String {
    let mut words = workload.split(' ');
    let program = words.next().unwrap_or(workload);
    let name = program.rsplit('/').next().unwrap_or(program);
    let all = workloads(analysis);
    let variants: Vec<BTreeSet<&str>> = all
        .iter()
        .filter(|w| w.split(' ').next() == Some(program))
        .map(|w| w.split(' ').skip(1).collect())
        .collect();
    let differs = |p: &&str| variants.iter().any(|v| !v.contains(p));
    std::iter::once(name).chain(words.filter(differs)).collect::<Vec<_>>().join(" ")
}

/// Distinct values in order of the cells, which is that of the alphabet.
pub(crate) fn distinct(analysis: &Analysis, pick: fn(&CellKey) -> &String) -> Vec<String> {
    let all: BTreeSet<&String> = analysis.data.cells.iter().map(|c| pick(&c.key)).collect();
    all.into_iter().cloned().collect()
}

/// Programs by name, variants of one by the values of their parameters, numbers as numbers.
pub(crate) fn workloads(analysis: &Analysis) -> Vec<String> {
    let mut all = distinct(analysis, |k| &k.workload);
    let key = |w: &String| {
        let word = |word: &str| {
            let number = word.split_once('=').and_then(|(_, v)| v.parse::<f64>().ok());
            let name = if number.is_some() { word.split('=').next() } else { Some(word) };
            (name.unwrap_or_default().to_owned(), number.unwrap_or(0.0))
        };
        w.split(' ').map(word).collect::<Vec<_>>()
    };
    all.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal));
    all
}

/// Heaps in the registry's order, those with parameters after the plain one.
pub(crate) fn all_heaps(analysis: &Analysis) -> Vec<String> {
    let order: Vec<_> = menagerie_strategies::HEAPS.iter().map(|(info, _)| info.name).collect();
    ordered(distinct(analysis, |k| &k.heap), &order)
}

/// Those of them that figures about heaps show: some run on other schedulers only.
pub(crate) fn heaps(analysis: &Analysis) -> Vec<String> {
    let shown = |heap: &String| {
        let mut cells = analysis.data.cells.iter().map(|c| &c.key);
        cells.any(|k| k.heap == *heap && on_reference(analysis, &k.scheduler, k.workers))
    };
    all_heaps(analysis).into_iter().filter(shown).collect()
}

/// Schedulers in the registry's order.
pub(crate) fn schedulers(analysis: &Analysis) -> Vec<String> {
    let order: Vec<_> =
        menagerie_strategies::SCHEDULERS.iter().map(|(info, _)| info.name).collect();
    ordered(distinct(analysis, |k| &k.scheduler), &order)
}

fn ordered(mut names: Vec<String>, order: &[&str]) -> Vec<String> {
    let rank = |label: &String| {
        let name = label.split(' ').next().unwrap_or(label);
        order.iter().position(|o| *o == name).unwrap_or(order.len())
    };
    names.sort_by_key(|label| (rank(label), label.clone()));
    names
}

/// Factors, ascending.
pub(crate) fn factors(analysis: &Analysis) -> Vec<f64> {
    let mut all: Vec<f64> = analysis.data.cells.iter().filter_map(|c| c.key.heap_factor).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

/// The factor that single-size figures show: the nearest to 2.
pub(crate) fn middle_factor(analysis: &Analysis) -> Option<f64> {
    let distance = |f: &f64| (f - 2.0).abs();
    factors(analysis).into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Whether a cell is on the reference scheduler with the fewest workers that were run: figures
/// about heaps show these.
pub(crate) fn on_reference(analysis: &Analysis, scheduler: &str, workers: usize) -> bool {
    scheduler == analysis.manifest.reference_scheduler && workers == 1
}

/// Cells of single-size figures: at the middle factor, or, for heaps that ran at a size of their
/// own, at that; the largest size when sizes were given in bytes.
pub(crate) fn at_middle<'a>(analysis: &'a Analysis, workload: &str) -> Vec<&'a CellData> {
    let of = |c: &&CellData| {
        c.key.workload == workload && on_reference(analysis, &c.key.scheduler, c.key.workers)
    };
    let cells: Vec<&CellData> = analysis.data.cells.iter().filter(of).collect();
    let middle = middle_factor(analysis);
    heaps(analysis)
        .iter()
        .filter_map(|heap| {
            let mine = cells.iter().filter(|c| c.key.heap == *heap);
            let exact = mine.clone().find(|c| middle.is_some() && c.key.heap_factor == middle);
            exact.or_else(|| {
                mine.filter(|c| c.key.heap_factor.is_none()).max_by_key(|c| c.key.heap_bytes)
            })
        })
        .copied()
        .collect()
}

/// `2 oom` as `oom`, for a mark.
pub(crate) fn failure_word(cell: &CellData) -> String {
    let words: Vec<_> = cell.failed.keys().map(|s| s.name()).collect();
    words.join(", ")
}

/// A legend of heaps.
pub(crate) fn heap_legend(heaps: &[String]) -> Vec<(String, Look)> {
    heaps.iter().map(|h| (h.clone(), Look::heap(h))).collect()
}

/// A legend of schedulers.
pub(crate) fn scheduler_legend(schedulers: &[String]) -> Vec<(String, Look)> {
    schedulers.iter().map(|s| (s.clone(), Look::scheduler(s))).collect()
}

/// A point of a row, if the row has a value.
pub(crate) fn point(x: f64, y: Option<f64>, low: Option<f64>, high: Option<f64>) -> Option<Point> {
    Some(Point { x, y: y?, interval: low.zip(high) })
}

/// Lines drawn beside each other instead of over each other: the n-th of `of` at a logarithmic or
/// categorical place.
pub(crate) fn nudged(x: f64, n: usize, of: usize, by: f64) -> f64 {
    x * (1.0 + by * (n as f64 - (of as f64 - 1.0) / 2.0))
}

/// `2x`.
pub(crate) fn factor_word(f: f64) -> String {
    format!("{}×", number(f))
}

/// What every caption ends with: replicates, interval, failures, exclusions.
pub(crate) fn small_print(analysis: &Analysis, interval: &str) -> String {
    let m = &analysis.manifest;
    let mut out = format!(
        " n = {} invocations per configuration, each the mean of {} iterations after {} of \
         warm-up; {interval}, cut where they leave the axis.",
        m.invocations_per_cell,
        m.iterations - m.warmup,
        m.warmup
    );
    let failed: usize = analysis.data.cells.iter().map(CellData::failures).sum();
    if failed > 0 {
        out += &format!(" {failed} invocations failed; they are drawn as crosses or left blank.");
    }
    if !m.excluded.is_empty() {
        let reasons: BTreeSet<&str> =
            m.excluded.iter().filter_map(|e| Some(e.split_once(": ")?.1)).collect();
        let reasons: Vec<_> = reasons.into_iter().collect();
        out += &format!(" Excluded: {}.", reasons.join("; "));
    }
    out
}

/// Crosses for cells that failed, each heap in a row of its own; the last of those that failed alike has the
/// word.
pub(crate) fn failures<'a>(
    cells: impl Iterator<Item = &'a CellData>,
    heaps: &[String],
    x: impl Fn(&CellData) -> Option<f64>,
) -> Vec<Mark> {
    let failed: Vec<(usize, f64, String, Look)> = cells
        .filter(|c| c.failures() > 0)
        .filter_map(|c| {
            let row = heaps.iter().position(|h| *h == c.key.heap)?;
            Some((row, x(c)?, failure_word(c), Look::heap(&c.key.heap)))
        })
        .collect();
    let is_last = |(row, x, word): (usize, f64, &str)| {
        !failed.iter().any(|(r, other, w, _)| (*r, w.as_str()) == (row, word) && *other > x)
    };
    let mark = |(row, x, word, look): &(usize, f64, String, Look)| {
        let (row, x) = (*row, *x);
        let word = if is_last((row, x, word)) { word.clone() } else { String::new() };
        Mark::Failure { x, row, word, look: *look }
    };
    failed.iter().map(mark).collect()
}
