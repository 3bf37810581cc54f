//! Figures over heap sizes: 1 (lower bound on overhead), 2 (time and space), 3 and 4 (one size),
//! 9 (minimum heaps).

use super::axis::{bytes, number, time};
use super::figure::{Axis, Figure, Look, Mark, Panel, Point, Scale, Width};
use super::select::{
    at_middle, factor_word, factors, failures, heap_legend, heaps, middle_factor, nudged,
    on_reference, point, short, small_print, workloads,
};
use crate::analyze::Analysis;
use crate::analyze::columns::LboRow;
use crate::analyze::lbo::GEOMEAN;
use crate::analyze::load::{CellData, Metric};
use crate::analyze::statistics::{mean, mean_interval, ratio};
use crate::results::MinheapRow;

/// 1: heap factor → LBO, the mean first, then each workload.
pub(crate) fn lbo(analysis: &Analysis, metric: Metric) -> Option<Figure> {
    let factors = factors(analysis);
    if factors.len() < 2 {
        return None;
    }
    let heaps = heaps(analysis);
    let mut panels = Vec::new();
    let names = std::iter::once(GEOMEAN.to_owned()).chain(workloads(analysis));
    for workload in names {
        panels.extend(lbo_panel(analysis, metric, &workload, &heaps, &factors));
    }
    let word = if metric == Metric::Wall { "wall time" } else { "task clock" };
    Some(Figure {
        id: format!("01-lbo-{}", metric.name().trim_end_matches("_ns").replace('_', "-")),
        caption: format!(
            "Lower bound on overhead by {word}: total / minimum distilled cost, over the heap's \
             size in multiples of {}'s minimum. The geometric mean over {} workloads is blank where \
             one of them failed.{}",
            analysis.manifest.reference_heap,
            workloads(analysis).len(),
            small_print(analysis, "bars: 95 % bootstrap, the minimum found anew in each resample")
        ),
        width: Width::Page,
        panel_height: 118.0,
        columns: 3.min(panels.len()),
        panels,
        legend: heap_legend(&heaps),
    })
}

fn lbo_panel(
    analysis: &Analysis,
    metric: Metric,
    workload: &str,
    heaps: &[String],
    factors: &[f64],
) -> Option<Panel> {
    let of = |r: &&LboRow, heap: &str| {
        r.scope == "heap"
            && r.metric == metric.name()
            && r.workload == workload
            && r.heap == heap
            && on_reference(analysis, &r.sched, r.workers)
    };
    let mut marks = Vec::new();
    for (n, heap) in heaps.iter().enumerate() {
        let x = |f: f64| nudged(f, n, heaps.len(), 0.008);
        let rows = analysis.lbo.iter().filter(|r| of(r, heap));
        let points: Vec<Point> =
            rows.filter_map(|r| point(x(r.heap_factor?), r.lbo, r.ci_lo, r.ci_hi)).collect();
        marks.push(Mark::Line { points, look: Look::heap(heap) });
    }
    let y = Axis::around("LBO", Scale::Log, &marks, &[1.0], number)?;
    let of_workload = |c: &&CellData| {
        c.key.workload == workload && on_reference(analysis, &c.key.scheduler, c.key.workers)
    };
    let cells = analysis.data.cells.iter().filter(of_workload);
    marks.extend(failures(cells, heaps, |c| c.key.heap_factor));
    marks.push(Mark::Rule { y: 1.0 });
    let title = match workload {
        GEOMEAN => "geometric mean".to_owned(),
        _ => short(analysis, workload),
    };
    let x = Axis::at("heap size / minimum", Scale::Log, factors, factor_word);
    Some(Panel { title, x, y, marks })
}

/// 2: heap bytes → time, each workload.
pub(crate) fn time_space(analysis: &Analysis) -> Option<Figure> {
    let heaps = heaps(analysis);
    let mut panels = Vec::new();
    for workload in workloads(analysis) {
        panels.extend(time_space_panel(analysis, &workload, &heaps));
    }
    (!panels.is_empty()).then(|| Figure {
        id: "02-time-space".to_owned(),
        caption: format!(
            "Time against space: wall time over the heap's limit in bytes; each point one size.{}",
            small_print(analysis, "bars: 95 %, Student's t")
        ),
        width: Width::Page,
        panel_height: 118.0,
        columns: 3.min(panels.len()),
        panels,
        legend: heap_legend(&heaps),
    })
}

fn time_space_panel(analysis: &Analysis, workload: &str, heaps: &[String]) -> Option<Panel> {
    let cells: Vec<&CellData> = analysis
        .data
        .cells
        .iter()
        .filter(|c| c.key.workload == workload)
        .filter(|c| on_reference(analysis, &c.key.scheduler, c.key.workers))
        .collect();
    // Heaps that ran at a size of their own, far away, are a line across instead of a point.
    let by_factors = middle_factor(analysis).is_some();
    let (apart, cells): (Vec<_>, Vec<_>) =
        cells.into_iter().partition(|c| by_factors && c.key.heap_factor.is_none());
    let mut marks = Vec::new();
    for heap in heaps {
        let mine = cells.iter().filter(|c| c.key.heap == *heap && c.complete());
        let points = mine
            .map(|c| {
                let e = mean_interval(&c.values(Metric::Wall));
                Point { x: c.key.heap_bytes as f64, y: e.value, interval: e.interval }
            })
            .collect();
        marks.push(Mark::Line { points, look: Look::heap(heap) });
    }
    let across: Vec<(f64, &str)> = apart
        .iter()
        .filter(|c| c.complete())
        .map(|c| (c.mean(Metric::Wall), c.key.heap.as_str()))
        .collect();
    let heights: Vec<f64> = across.iter().map(|a| a.0).collect();
    let y = Axis::around("wall time", Scale::Log, &marks, &heights, time)?;
    let sizes = cells.iter().map(|c| c.key.heap_bytes as f64);
    let range = (sizes.clone().fold(f64::INFINITY, f64::min), sizes.fold(0.0, f64::max));
    let x = Axis::log_bytes("heap limit", range);
    for (height, heap) in across {
        marks.push(Mark::Rule { y: height });
        marks.push(Mark::Word { x: x.range.1, y: height, word: heap.to_owned() });
    }
    marks.extend(failures(cells.iter().copied(), heaps, |c| Some(c.key.heap_bytes as f64)));
    Some(Panel { title: short(analysis, workload), x, y, marks })
}

/// The words for the size of single-size figures.
fn size_words(analysis: &Analysis) -> String {
    match middle_factor(analysis) {
        Some(f) => format!(
            "at {} the minimum heap of {} (heaps that never free: at their own size)",
            factor_word(f),
            analysis.manifest.reference_heap
        ),
        None => "at the largest heap".to_owned(),
    }
}

/// 3: normalised time of each workload and heap at one size, and the geometric mean.
pub(crate) fn bars(analysis: &Analysis) -> Option<Figure> {
    let (heaps, workloads) = (heaps(analysis), workloads(analysis));
    if heaps.len() < 2 {
        return None;
    }
    let mut names: Vec<String> = workloads.iter().map(|w| short(analysis, w)).collect();
    let mut marks = Vec::new();
    let mut logs: Vec<Vec<f64>> = vec![Vec::new(); heaps.len()];
    for (n, workload) in workloads.iter().enumerate() {
        let cells = at_middle(analysis, workload);
        let baseline =
            cells.iter().find(|c| c.key.heap == analysis.manifest.reference_heap && c.complete());
        let Some(baseline) = baseline else { continue };
        for cell in &cells {
            let Some(at) = heaps.iter().position(|h| *h == cell.key.heap) else { continue };
            let (x, look) = (slot(n, at, heaps.len()), Look::heap(&cell.key.heap));
            if cell.complete() {
                let mut e = ratio(&cell.values(Metric::Wall), &baseline.values(Metric::Wall));
                if std::ptr::eq(*cell, *baseline) {
                    e.interval = None;
                }
                logs[at].push(e.value.ln());
                let look = Look { marker: None, ..look };
                marks.push(Mark::Bar { x, y: (0.0, e.value), interval: e.interval, look });
            } else {
                let word = super::select::failure_word(cell);
                marks.push(Mark::Failure { x: f64::midpoint(x.0, x.1), row: at, word, look });
            }
        }
    }
    for (at, logs) in logs.iter().enumerate().filter(|(_, l)| l.len() == workloads.len()) {
        let look = Look { marker: None, ..Look::heap(&heaps[at]) };
        let y = (0.0, mean(logs).exp());
        marks.push(Mark::Bar { x: slot(names.len(), at, heaps.len()), y, interval: None, look });
    }
    names.push("geomean".to_owned());
    let y = Axis::around("time / reference", Scale::Linear, &marks, &[0.0, 1.0], number)?;
    marks.push(Mark::Rule { y: 1.0 });
    let panel = Panel { title: String::new(), x: Axis::names("", &names), y, marks };
    Some(Figure {
        id: "03-normalised-time".to_owned(),
        caption: format!(
            "Wall time over {}'s, {}. The mean is there for heaps that ran every workload.{}",
            analysis.manifest.reference_heap,
            size_words(analysis),
            small_print(
                analysis,
                "bars: 95 %, Fieller; the mean's interval is in the table of ratios"
            )
        ),
        width: Width::Page,
        panel_height: 150.0,
        columns: 1,
        panels: vec![panel],
        legend: area_legend(&heaps),
    })
}

fn area_legend(heaps: &[String]) -> Vec<(String, Look)> {
    let area = |h: &String| (h.clone(), Look { marker: None, ..Look::heap(h) });
    heaps.iter().map(area).collect()
}

/// The place of bar `n` of `of` in a group.
fn slot(group: usize, n: usize, of: usize) -> (f64, f64) {
    let width = 0.8 / of as f64;
    let left = group as f64 - 0.4 + width * n as f64;
    (left, left + width * 0.9)
}

/// 4: where processor time goes: the program (with barriers and allocation) or pauses.
pub(crate) fn stacked(analysis: &Analysis) -> Option<Figure> {
    let heaps = heaps(analysis);
    let mut panels = Vec::new();
    for workload in workloads(analysis) {
        let cells = at_middle(analysis, &workload);
        let mut marks = Vec::new();
        for cell in &cells {
            let at = heaps.iter().position(|h| *h == cell.key.heap)? as f64;
            if !cell.complete() {
                let word = super::select::failure_word(cell);
                marks.push(Mark::Failure { x: at, row: 0, word, look: Look::heap(&cell.key.heap) });
                continue;
            }
            let total = mean_interval(&cell.values(Metric::TaskClock));
            let program = total.value - cell.mean(Metric::StoppedTaskClock);
            let x = (at - 0.35, at + 0.35);
            let parts = [((0.0, program), None), ((program, total.value), total.interval)];
            for (n, (y, interval)) in parts.into_iter().enumerate() {
                marks.push(Mark::Bar { x, y, interval, look: Look::area(n) });
            }
        }
        let Some(y) = Axis::around("task clock", Scale::Linear, &marks, &[0.0], time) else {
            continue;
        };
        let title = short(analysis, &workload);
        panels.push(Panel { title, x: Axis::names("", &heaps), y, marks });
    }
    (!panels.is_empty()).then(|| Figure {
        id: "04-where-time-goes".to_owned(),
        caption: format!(
            "Processor time of all threads, {}: the program, its barriers, counts and allocation \
             included, and pauses.{}",
            size_words(analysis),
            small_print(analysis, "bars: 95 % of the total, Student's t")
        ),
        width: Width::Page,
        panel_height: 125.0,
        columns: 3.min(panels.len()),
        panels,
        legend: vec![("program".to_owned(), Look::area(0)), ("pauses".to_owned(), Look::area(1))],
    })
}

/// 9: the minimum heap of each workload and heap over the best.
pub(crate) fn minimum_heaps(analysis: &Analysis, minima: &[MinheapRow]) -> Option<Figure> {
    let workloads: Vec<String> = workloads(analysis);
    let label = |name: &str, options: &str| format!("{name} {options}").trim_end().to_owned();
    let (mut marks, mut names) = (Vec::new(), Vec::new());
    let mut heaps: Vec<String> = Vec::new();
    for workload in &workloads {
        let mine: Vec<(String, &MinheapRow)> = minima
            .iter()
            .filter(|r| label(&r.workload, &r.params) == *workload)
            .map(|r| (label(&r.heap, &r.heap_opts), r))
            .collect();
        let Some(best) = mine.iter().filter_map(|(_, r)| r.min_bytes).min() else { continue };
        let at = names.len() as f64;
        names.push(format!("{} ({})", short(analysis, workload), bytes(best as f64)));
        for (heap, row) in mine {
            let look = Look::heap(&heap);
            let row_number = heaps.iter().position(|h| *h == heap).unwrap_or_else(|| {
                heaps.push(heap);
                heaps.len() - 1
            });
            match row.min_bytes {
                Some(b) => {
                    let y = b as f64 / best as f64;
                    // The last trial that failed was this much smaller.
                    let interval = Some((y * (1.0 - row.tolerance), y));
                    marks.push(Mark::Points { points: vec![Point { x: at, y, interval }], look });
                }
                None => {
                    let word = "none".to_owned();
                    marks.push(Mark::Failure { x: at, row: row_number, word, look });
                }
            }
        }
    }
    if heaps.len() < 2 {
        return None;
    }
    let y = Axis::around("minimum heap / best", Scale::Log, &marks, &[1.0], number)?;
    marks.push(Mark::Rule { y: 1.0 });
    Some(Figure {
        id: "09-minimum-heaps".to_owned(),
        caption: format!(
            "The smallest heap in which each workload runs, over the best heap's (whose bytes \
            are beside the name). Each was found by bisection in bytes and confirmed by 5 of 5 \
            invocations; the bar below a point reaches to the largest limit that may have failed \
            ({} %).",
            number(minima.iter().map(|r| r.tolerance).fold(0.0, f64::max) * 100.0)
        ),
        width: Width::Page,
        panel_height: 150.0,
        columns: 1,
        panels: vec![Panel { title: String::new(), x: Axis::names("", &names), y, marks }],
        legend: heap_legend(&heaps),
    })
}
