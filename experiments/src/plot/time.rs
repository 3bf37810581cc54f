//! Figures over time: 5 (pauses), 6 (utilisation), 7 and 21 (latency), 8 (occupancy), 19 and 20
//! (run order, distributions).

use super::axis::{number, time};
use super::figure::{Axis, Figure, Look, Mark, Panel, Point, Scale, Width};
use super::select::{
    all_heaps, at_middle, heap_legend, heaps, middle_factor, short, small_print, workloads,
};
use crate::analyze::Analysis;
use crate::analyze::load::{CellData, CellKey, Metric};
use crate::analyze::statistics::{mean, median};
use crate::analyze::utilisation;
use crate::results::PauseRow;

/// The key's row of any derived table.
macro_rules! is_of {
    ($row:expr, $key:expr) => {
        $row.workload == $key.workload
            && $row.heap == $key.heap
            && $row.sched == $key.scheduler
            && $row.workers == $key.workers
            && $row.heap_factor == $key.heap_factor
            && $row.heap_bytes == $key.heap_bytes
    };
}

/// Panels for the workloads that have something, marks for the cells of single-size figures.
fn per_workload(
    analysis: &Analysis,
    marks_of: impl Fn(&CellKey) -> Vec<Mark>,
    axes: impl Fn(&[Mark]) -> Option<(Axis, Axis)>,
) -> Vec<Panel> {
    let mut panels = Vec::new();
    for workload in workloads(analysis) {
        let cells = at_middle(analysis, &workload);
        let mut marks: Vec<Mark> = cells.iter().flat_map(|c| marks_of(&c.key)).collect();
        let Some((x, y)) = axes(&marks) else { continue };
        for (row, cell) in cells.iter().filter(|c| c.failures() > 0).enumerate() {
            let word = format!("{}: {}", cell.key.heap, super::select::failure_word(cell));
            marks.push(Mark::Failure { x: x.range.0, row, word, look: Look::heap(&cell.key.heap) });
        }
        panels.push(Panel { title: short(analysis, &workload), x, y, marks });
    }
    panels
}

fn size_words(analysis: &Analysis) -> String {
    middle_factor(analysis).map_or("at the largest heap".to_owned(), |f| {
        format!("at {}× {}'s minimum heap", number(f), analysis.manifest.reference_heap)
    })
}

fn figure(
    id: &str,
    caption: String,
    panels: Vec<Panel>,
    legend: Vec<(String, Look)>,
) -> Option<Figure> {
    (!panels.is_empty()).then(|| Figure {
        id: id.to_owned(),
        caption,
        width: if panels.len() == 1 { Width::Column } else { Width::Page },
        panel_height: 118.0,
        columns: 3.min(panels.len()),
        panels,
        legend,
    })
}

/// 5: share of pauses → length.
pub(crate) fn pauses(analysis: &Analysis) -> Option<Figure> {
    let marks_of = |key: &CellKey| {
        let rows = analysis.pauses.iter().filter(|r| is_of!(r, key));
        let points: Vec<Point> = rows
            .map(|r| Point { x: r.share, y: r.pause_ns, interval: r.ci_lo.zip(r.ci_hi) })
            .collect();
        let look = Look::heap(&key.heap);
        if points.is_empty() { vec![] } else { vec![Mark::Line { points, look }] }
    };
    let axes = |marks: &[Mark]| {
        let y = Axis::around("pause", Scale::Log, marks, &[], time)?;
        Some((Axis::percentiles("percentile of pauses"), y))
    };
    let caption = format!(
        "Pauses by percentile, {}. Short pauses are not low latency: see the utilisation.{}",
        size_words(analysis),
        small_print(analysis, "percentiles per invocation, then mean and 95 %, Student's t")
    );
    figure(
        "05-pauses",
        caption,
        per_workload(analysis, marks_of, axes),
        heap_legend(&heaps(analysis)),
    )
}

/// 6: window → share of the time that is left to the program.
pub(crate) fn utilisation(analysis: &Analysis) -> Option<Figure> {
    let windows = utilisation::grid(crate::analyze::load::WINDOWS);
    let range = (windows[0] as f64, windows[windows.len() - 1] as f64);
    let marks_of = |key: &CellKey| {
        let rows: Vec<_> = analysis.utilisation.iter().filter(|r| is_of!(r, key)).collect();
        let look = Look::heap(&key.heap);
        let curve = |pick: fn(&crate::analyze::columns::UtilisationRow) -> Point| {
            rows.iter().map(|r| pick(r)).collect::<Vec<_>>()
        };
        let least = curve(|r| Point {
            x: r.window_ns as f64,
            y: r.mmu,
            interval: share_interval(r.mmu_lo, r.mmu_hi),
        });
        let bounded = curve(|r| Point {
            x: r.window_ns as f64,
            y: r.bmu,
            interval: share_interval(r.bmu_lo, r.bmu_hi),
        });
        vec![
            Mark::Curve { points: bounded, look: Look { dashed: true, ..look } },
            Mark::Curve { points: least, look },
        ]
    };
    let axes = |marks: &[Mark]| {
        super::figure::extent(marks)?;
        let x = Axis::over("window", Scale::Log, range, time);
        Some((x, Axis::over("left to the program", Scale::Linear, (0.0, 1.0), number)))
    };
    let caption = format!(
        "Minimum mutator utilisation (solid) and bounded minimum mutator utilisation (dashed), {}. \
         Where a curve leaves zero is the longest pause; its right end is the overall share.{}",
        size_words(analysis),
        small_print(analysis, "mean over invocations, bands: 95 %, Student's t")
    );
    let legend = heap_legend(&heaps(analysis));
    figure("06-utilisation", caption, per_workload(analysis, marks_of, axes), legend)
}

/// A symmetric interval can reach beyond what a share can be.
fn share_interval(low: Option<f64>, high: Option<f64>) -> Option<(f64, f64)> {
    Some((low?.max(0.0), high?.min(1.0)))
}

/// 7: share of requests → latency, for each kind.
pub(crate) fn latency(analysis: &Analysis) -> Option<Figure> {
    let mut panels = Vec::new();
    for kind in ["open_loop", "simple", "metered"] {
        let marks_of = |key: &CellKey| {
            let rows = analysis.latency.iter().filter(|r| r.kind == kind && is_of!(r, key));
            let points: Vec<Point> = rows
                .filter_map(|r| {
                    Some(Point { x: r.share?, y: r.value, interval: r.ci_lo.zip(r.ci_hi) })
                })
                .collect();
            let look = Look::heap(&key.heap);
            if points.is_empty() { vec![] } else { vec![Mark::Line { points, look }] }
        };
        let axes = |marks: &[Mark]| {
            let y = Axis::around("latency", Scale::Log, marks, &[], time)?;
            Some((Axis::percentiles("percentile of requests"), y))
        };
        let mut of_kind = per_workload(analysis, marks_of, axes);
        for panel in &mut of_kind {
            panel.title = format!("{}, {}", panel.title, kind.replace('_', " "));
        }
        panels.extend(of_kind);
    }
    let caption = format!(
        "Latency of requests by percentile, {}: from the intended arrival (open loop), from the \
         actual start (simple), and metered over 100 ms.{}",
        size_words(analysis),
        small_print(analysis, "percentiles per invocation, then mean and 95 %, Student's t")
    );
    figure("07-latency", caption, panels, heap_legend(&heaps(analysis)))
}

/// 21: missed deadlines by workload and heap.
pub(crate) fn deadlines(analysis: &Analysis) -> Option<Figure> {
    let heaps = heaps(analysis);
    let missed: Vec<_> = analysis.latency.iter().filter(|r| r.kind == "deadline_miss").collect();
    let mut names: Vec<String> = missed.iter().map(|r| r.workload.clone()).collect();
    names.dedup();
    let mut marks = Vec::new();
    for (n, name) in names.iter().enumerate() {
        for cell in at_middle(analysis, name) {
            let Some(row) = missed.iter().find(|r| is_of!(r, cell.key)) else { continue };
            let at = heaps.iter().position(|h| *h == row.heap)? as f64;
            let x = n as f64 + (at - (heaps.len() as f64 - 1.0) / 2.0) * 0.1;
            let interval = row.ci_lo.zip(row.ci_hi).map(|(low, high)| (low.max(0.0), high));
            let points = vec![Point { x, y: row.value, interval }];
            marks.push(Mark::Points { points, look: Look::heap(&row.heap) });
        }
    }
    let y = Axis::around("share of deadlines missed", Scale::Linear, &marks, &[0.0], number)?;
    let names: Vec<String> = names.iter().map(|w| short(analysis, w)).collect();
    let panel = Panel { title: String::new(), x: Axis::names("", &names), y, marks };
    let caption = format!(
        "Deadlines missed, {}.{}",
        size_words(analysis),
        small_print(analysis, "bars: 95 %, Student's t")
    );
    figure("21-deadlines", caption, vec![panel], heap_legend(&heaps))
}

/// 8: time → bytes in the heap, of one invocation per heap.
pub(crate) fn occupancy(analysis: &Analysis, pauses: &[PauseRow]) -> Option<Figure> {
    let workload = well_collected(analysis)?;
    let mut panels = Vec::new();
    for cell in at_middle(analysis, &workload) {
        let Some(run) = cell.runs.first() else { continue };
        let id = format!("{:016x}", run.id);
        let mine: Vec<&PauseRow> = pauses.iter().filter(|p| p.run_id == id).collect();
        let Some(first) = mine.first().map(|p| p.iteration) else { continue };
        let mut points = Vec::new();
        for p in mine.iter().filter(|p| p.iteration == first) {
            let at = |x: u64, y: u64| Point { x: x as f64, y: y as f64, interval: None };
            points.push(at(p.start_ns, p.heap_before_bytes));
            points.push(at(p.end_ns, p.heap_after_bytes));
        }
        let end = points.last().map_or(1.0, |p| p.x);
        let limit = cell.key.heap_bytes as f64;
        let marks = vec![
            Mark::Curve { points, look: Look { dashed: false, ..Look::heap(&cell.key.heap) } },
            Mark::Rule { y: limit },
        ];
        let x = Axis::over("time since the start", Scale::Linear, (0.0, end), time);
        let y = Axis::bytes_to("in the heap", limit);
        panels.push(Panel { title: cell.key.heap.clone(), x, y, marks });
    }
    let caption = format!(
        "Bytes in the heap over time in the first measured iteration of one invocation (n = 1, no \
         interval) of {}, {}: a line rises while the program allocates and falls during a pause, \
         as wide as the pause is long. Dashed: the limit.",
        short(analysis, &workload),
        size_words(analysis)
    );
    figure("08-occupancy", caption, panels, Vec::new())
}

/// The workload whose reference cell collects about as often as can be told apart.
fn well_collected(analysis: &Analysis) -> Option<String> {
    const TELLING: f64 = 15.0;
    let counted = workloads(analysis).into_iter().filter_map(|w| {
        let cells = at_middle(analysis, &w);
        let reference = cells.iter().find(|c| c.key.heap == analysis.manifest.reference_heap)?;
        let some = !reference.runs.is_empty() && reference.mean(Metric::Collections) > 0.0;
        some.then(|| ((reference.mean(Metric::Collections) / TELLING).ln().abs(), w))
    });
    counted.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, w)| w)
}

/// 19: order of the run → time over the cell's mean: drift of the machine shows.
pub(crate) fn run_order(analysis: &Analysis) -> Option<Figure> {
    let mut marks = Vec::new();
    let mut last = 0.0f64;
    for heap in all_heaps(analysis) {
        let cells = analysis.data.cells.iter().filter(|c| c.key.heap == heap && c.runs.len() > 1);
        let mut points = Vec::new();
        for cell in cells {
            let average = cell.mean(Metric::Wall);
            for run in &cell.runs {
                last = last.max(run.order as f64);
                let (x, y) = (run.order as f64, run.value(Metric::Wall) / average);
                points.push(Point { x, y, interval: None });
            }
        }
        marks.push(Mark::Points { points, look: Look { dashed: false, ..Look::heap(&heap) } });
    }
    let y = Axis::around("time / mean of its cell", Scale::Log, &marks, &[1.0], number)?;
    marks.push(Mark::Rule { y: 1.0 });
    let x = Axis::over("position in the run", Scale::Linear, (0.0, last), number);
    let panel = Panel { title: String::new(), x, y, marks };
    let caption = format!(
        "Every invocation over the mean of its configuration, in the order in which they ran: a \
         slope or a step is drift of the machine, not of the program. No intervals: these are the \
         values.{}",
        small_print(analysis, "no invocation is left out")
    );
    figure("19-run-order", caption, vec![panel], heap_legend(&all_heaps(analysis)))
}

/// 20: every invocation, with quartiles.
pub(crate) fn distributions(analysis: &Analysis) -> Option<Figure> {
    let heaps = heaps(analysis);
    let mut panels = Vec::new();
    for workload in workloads(analysis) {
        let mut marks = Vec::new();
        for cell in at_middle(analysis, &workload) {
            let at = heaps.iter().position(|h| *h == cell.key.heap)? as f64;
            marks.extend(distribution(cell, at));
        }
        let Some(y) = Axis::around("wall time", Scale::Linear, &marks, &[], time) else { continue };
        panels.push(Panel {
            title: short(analysis, &workload),
            x: Axis::names("", &heaps),
            y,
            marks,
        });
    }
    let caption = format!(
        "Wall time of every invocation, {}; box: quartiles and median, bar: mean of the box's \
         invocations.{}",
        size_words(analysis),
        small_print(analysis, "bars at the box: 95 %, Student's t")
    );
    figure("20-distributions", caption, panels, Vec::new())
}

fn distribution(cell: &CellData, at: f64) -> Vec<Mark> {
    let look = Look { dashed: false, ..Look::heap(&cell.key.heap) };
    let mut values = cell.values(Metric::Wall);
    if values.is_empty() {
        let word = super::select::failure_word(cell);
        return vec![Mark::Failure { x: at, row: 0, word, look }];
    }
    values.sort_by(f64::total_cmp);
    let half = values.len().div_ceil(2);
    let (low, high) = (median(&values[..half]), median(&values[values.len() - half..]));
    let pale = |c: u8| c / 4 + 190;
    let (r, g, b) = look.colour;
    let box_look = Look { colour: (pale(r), pale(g), pale(b)), marker: None, dashed: false };
    let bar =
        |y: (f64, f64)| Mark::Bar { x: (at - 0.28, at + 0.28), y, interval: None, look: box_look };
    let estimate = crate::analyze::statistics::mean_interval(&values);
    let n = values.len();
    let spread = |k: usize| at - 0.2 + 0.4 * (k as f64 + 0.5) / n as f64;
    let points = values.iter().enumerate().map(|(k, &y)| Point { x: spread(k), y, interval: None });
    vec![
        bar((low, median(&values))),
        bar((median(&values), high)),
        Mark::Line {
            points: vec![
                Point { x: at - 0.28, y: median(&values), interval: None },
                Point { x: at + 0.28, y: median(&values), interval: None },
            ],
            look: Look { marker: Some("none"), ..look },
        },
        Mark::Points { points: points.collect(), look },
        Mark::Points {
            points: vec![Point { x: at + 0.36, y: mean(&values), interval: estimate.interval }],
            look,
        },
    ]
}
