//! Figures about schedulers and their interaction with heaps: 11 (speed-up), 12 (where workers'
//! time goes), 13 (grain), 14 (tasks, sleeps, steals), 16 and 17 (heap × scheduler), 18 (Pareto).

use super::axis::{bytes, count, number, time};
use super::figure::{Axis, Figure, Look, Mark, Panel, Point, Scale, Width};
use super::select::{
    all_heaps, at_middle, heap_legend, heaps, middle_factor, nudged, point, scheduler_legend,
    schedulers, short, small_print, workloads,
};
use crate::analyze::Analysis;
use crate::analyze::columns::SpeedupRow;
use crate::analyze::lbo::GEOMEAN;
use crate::analyze::load::{Activities, CellData, Metric};
use crate::analyze::ratios::GEOMEAN_OF_SEVERAL;
use crate::analyze::statistics::{Estimate, geometric_mean, mean_interval, ratio};

/// 11: workers → speed-up and efficiency, on the reference heap.
pub(crate) fn speedup(analysis: &Analysis) -> Option<Figure> {
    let heap = &analysis.manifest.reference_heap;
    let middle = middle_factor(analysis);
    let rows: Vec<&SpeedupRow> =
        analysis.speedup.iter().filter(|r| r.heap == *heap && r.heap_factor == middle).collect();
    let mut workers: Vec<f64> = rows.iter().map(|r| r.workers as f64).collect();
    workers.sort_by(f64::total_cmp);
    workers.dedup();
    let most = *workers.last()?;
    let schedulers = schedulers(analysis);
    let mut panels = Vec::new();
    for workload in workloads(analysis) {
        for efficiency in [false, true] {
            let mut marks = Vec::new();
            for (n, scheduler) in schedulers.iter().enumerate() {
                let mine = rows.iter().filter(|r| r.workload == workload && r.sched == *scheduler);
                let points: Vec<Point> = mine
                    .filter_map(|r| {
                        let share = if efficiency { r.workers as f64 } else { 1.0 };
                        let x = nudged(r.workers as f64, n, schedulers.len(), 0.008);
                        let scaled = |v: Option<f64>| v.map(|v| v / share);
                        point(x, scaled(Some(r.speedup)), scaled(r.ci_lo), scaled(r.ci_hi))
                    })
                    .collect();
                marks.push(Mark::Line { points, look: Look::scheduler(scheduler) });
            }
            if super::figure::extent(&marks).is_none() {
                continue;
            }
            let top = if efficiency { 1.0 } else { most };
            let label = if efficiency { "efficiency" } else { "speed-up T₁/Tₚ" };
            let y = Axis::around(label, Scale::Linear, &marks, &[0.0, top], number)?;
            let to = if efficiency { (most, 1.0) } else { (most, most) };
            marks.push(Mark::Slope { from: (1.0, 1.0), to });
            let x = Axis::at("workers", Scale::Log, &workers, number);
            panels.push(Panel { title: short(analysis, &workload), x, y, marks });
        }
    }
    (!panels.is_empty()).then(|| Figure {
        id: "11-speedup".to_owned(),
        caption: format!(
            "Speed-up and efficiency over the same scheduler with one worker (self-relative), on \
             {heap}; dashed: ideal.{}",
            small_print(analysis, "bars: 95 %, Fieller")
        ),
        width: Width::Page,
        panel_height: 112.0,
        columns: 4,
        panels,
        legend: scheduler_legend(&schedulers),
    })
}

/// 12: each worker's wall time, by what it did.
pub(crate) fn workers(analysis: &Analysis) -> Option<Figure> {
    let middle = middle_factor(analysis);
    let of = |c: &&CellData| {
        c.key.heap == analysis.manifest.reference_heap
            && c.key.heap_factor == middle
            && c.complete()
            && c.mean(Metric::TasksSpawned) > 1.0
    };
    let cells: Vec<&CellData> = analysis.data.cells.iter().filter(of).collect();
    let mut used = [false; ACTIVITIES.len()];
    let mut panels = Vec::new();
    for workload in workloads(analysis) {
        let (mut marks, mut names) = (Vec::new(), Vec::new());
        for cell in cells.iter().filter(|c| c.key.workload == workload) {
            if !names.is_empty() {
                names.push(String::new()); // A gap between schedulers.
            }
            let count = cell.runs.iter().map(|r| r.workers.len()).max().unwrap_or(0);
            for worker in 0..count {
                let at = names.len() as f64;
                let title = format!("{} {}", cell.key.scheduler, cell.key.workers);
                names.push(if worker == 0 { title } else { String::new() });
                let runs = cell.runs.iter().filter(|r| r.workers.len() > worker);
                let parts: Vec<_> =
                    runs.map(|r| activities(&r.workers[worker], r.value(Metric::Wall))).collect();
                let means = (0..ACTIVITIES.len()).map(|part| {
                    let values: Vec<f64> = parts.iter().map(|p| p[part]).collect();
                    (part, mean_interval(&values).value)
                });
                let shown: Vec<_> = means.filter(|&(_, mean)| mean > 0.0).collect();
                let mut from = 0.0;
                for (n, &(part, mean)) in shown.iter().enumerate() {
                    used[part] = true;
                    let top = n + 1 == shown.len();
                    let wall = top.then(|| mean_interval(&cell.values(Metric::Wall)));
                    let interval = wall.and_then(|e| e.interval);
                    let (x, y) = ((at - 0.42, at + 0.42), (from, from + mean));
                    marks.push(Mark::Bar { x, y, interval, look: activity_look(part) });
                    from += mean;
                }
            }
        }
        let Some(y) = Axis::around("wall time", Scale::Linear, &marks, &[0.0], time) else {
            continue;
        };
        let title = short(analysis, &workload);
        panels.push(Panel { title, x: Axis::names("", &names), y, marks });
    }
    let legend = ACTIVITIES.iter().enumerate().filter(|(n, _)| used[*n]);
    (!panels.is_empty()).then(|| Figure {
        id: "12-workers".to_owned(),
        caption: format!(
            "What each worker's time went to (a bar per worker), by scheduler and number of workers, \
             on {}. Sleeps, waits and collections are timed; the rest is the program, scheduling, and \
             what the system ran instead, told apart only when the specification says activity = \
             true.{}",
            analysis.manifest.reference_heap,
            small_print(analysis, "bars: 95 % of wall time, Student's t")
        ),
        width: if panels.len() == 1 { Width::Column } else { Width::Page },
        panel_height: 125.0,
        columns: 2.min(panels.len()),
        panels,
        legend: legend.map(|(n, w)| ((*w).to_owned(), activity_look(n))).collect(),
    })
}

/// What a worker's time goes to, from the bottom of a bar to its top.
const ACTIVITIES: [&str; 7] = [
    "program and scheduling",
    "program",
    "looking for work",
    "waiting for the gate",
    "stopped for collections",
    "asleep",
    "in blocking calls",
];

/// The first two are never together: they share a colour.
fn activity_look(part: usize) -> Look {
    Look::area(part.saturating_sub(1))
}

/// A worker's times as parts of a bar: what was not timed is what is left of the wall time.
fn activities(times: &Activities, wall: f64) -> [f64; ACTIVITIES.len()] {
    let [run, search, gate, stopped, park, native] = *times;
    let waits = gate + stopped + park + native;
    let rest = if run > 0.0 { 0.0 } else { (wall - waits).max(0.0) };
    [rest, run, search, gate, stopped, park, native]
}

/// A program that was run with several values of one numeric parameter, others alike.
struct Sweep {
    /// The program and its other parameters.
    family: String,
    parameter: String,
    /// Value and workload, by value.
    values: Vec<(f64, String)>,
}

fn sweeps(analysis: &Analysis) -> Vec<Sweep> {
    let mut out: Vec<Sweep> = Vec::new();
    for workload in workloads(analysis) {
        let mut words = workload.split(' ');
        let program = words.next().unwrap_or_default().to_owned();
        let params: Vec<(String, f64)> = words
            .filter_map(|p| p.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        for (name, value) in &params {
            let others: Vec<_> = params.iter().filter(|(n, _)| n != name).collect();
            let family = format!("{program} {others:?}");
            let one = (*value, workload.clone());
            match out.iter_mut().find(|s| s.family == family && s.parameter == *name) {
                Some(sweep) => sweep.values.push(one),
                None => out.push(Sweep { family, parameter: name.clone(), values: vec![one] }),
            }
        }
    }
    out.retain(|s| s.values.len() >= 3);
    out.iter_mut().for_each(|s| s.values.sort_by(|a, b| a.0.total_cmp(&b.0)));
    out
}

/// 13: grain of tasks → efficiency over the best.
pub(crate) fn grain(analysis: &Analysis) -> Option<Figure> {
    let mut panels = Vec::new();
    let schedulers = schedulers(analysis);
    for Sweep { family, parameter, values } in sweeps(analysis) {
        let spawned = |c: &CellData| c.complete() && c.mean(Metric::TasksSpawned) > 1.0;
        let middle = middle_factor(analysis);
        let of = |w: &str, s: &str| {
            let mine = analysis.data.cells.iter().filter(|c| {
                c.key.workload == w
                    && c.key.scheduler == s
                    && c.key.heap == analysis.manifest.reference_heap
                    && c.key.heap_factor == middle
            });
            mine.filter(|c| spawned(c)).max_by_key(|c| c.key.workers)
        };
        let cells: Vec<_> = schedulers
            .iter()
            .flat_map(|s| values.iter().filter_map(move |(_, w)| of(w, s)))
            .collect();
        let cost = |c: &&CellData| c.mean(Metric::Wall);
        let Some(best) = cells.iter().copied().min_by(|a, b| cost(a).total_cmp(&cost(b))) else {
            continue;
        };
        let mut marks = Vec::new();
        for scheduler in &schedulers {
            let points = values
                .iter()
                .filter_map(|(_, w)| of(w, scheduler))
                .map(|c| {
                    let e = ratio(&best.values(Metric::Wall), &c.values(Metric::Wall));
                    let interval = if std::ptr::eq(best, c) { None } else { e.interval };
                    let tasks = c.mean(Metric::TasksSpawned);
                    let grain = c.mean(Metric::TaskClock) / tasks;
                    Point { x: grain, y: e.value, interval }
                })
                .collect();
            marks.push(Mark::Line { points, look: Look::scheduler(scheduler) });
        }
        let y = Axis::around("efficiency", Scale::Linear, &marks, &[0.0, 1.0], number)?;
        let grains = marks.iter().flat_map(|m| match m {
            Mark::Line { points, .. } => points.iter().map(|p| p.x).collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let range = grains.fold((f64::INFINITY, 0.0f64), |(l, h), g| (l.min(g), h.max(g)));
        // Where efficiency falls below one half is METG(50 %).
        marks.push(Mark::Rule { y: 0.5 });
        let x = Axis::over("processor time per task", Scale::Log, range, time);
        let program = family.split(' ').next().unwrap_or(&family);
        let title = format!("{program}, by {parameter}");
        panels.push(Panel { title, x, y, marks });
    }
    (!panels.is_empty()).then(|| Figure {
        id: "13-grain".to_owned(),
        caption: format!(
            "Efficiency over the fastest grain of the same program: the mean length of tasks \
             against time. Where a line crosses 0.5 is the minimum effective task granularity.{}",
            small_print(analysis, "bars: 95 %, Fieller")
        ),
        width: if panels.len() == 1 { Width::Column } else { Width::Page },
        panel_height: 125.0,
        columns: 2.min(panels.len()),
        panels,
        legend: scheduler_legend(&schedulers),
    })
}

/// 14: what schedulers did: tasks, preemptions, sleeps and steals per second.
pub(crate) fn activity(analysis: &Analysis) -> Option<Figure> {
    let middle = middle_factor(analysis);
    let mut panels = Vec::new();
    let schedulers = schedulers(analysis);
    for (metric, label) in [
        (Metric::TasksSpawned, "tasks made per second"),
        (Metric::Preemptions, "preemptions per second"),
        (Metric::Parks, "parks per second"),
        (Metric::StealAttempts, "steals tried per second"),
        (Metric::StolenTasks, "tasks stolen per second"),
    ] {
        let (mut marks, mut names) = (Vec::new(), Vec::new());
        for workload in workloads(analysis) {
            let of = |c: &&CellData| {
                c.key.workload == workload
                    && c.key.heap == analysis.manifest.reference_heap
                    && c.key.heap_factor == middle
                    && c.complete()
                    && c.mean(Metric::TasksSpawned) > 1.0
            };
            let mine = schedulers.iter().filter_map(|s| {
                let on = analysis.data.cells.iter().filter(of).filter(|c| c.key.scheduler == *s);
                on.max_by_key(|c| c.key.workers)
            });
            let mine: Vec<&CellData> = mine.collect();
            if mine.is_empty() {
                continue;
            }
            let at = names.len() as f64;
            names.push(short(analysis, &workload));
            for (n, cell) in mine.iter().enumerate() {
                let rates: Vec<f64> = cell
                    .runs
                    .iter()
                    .map(|r| r.value(metric) * 1e9 / r.value(Metric::Wall))
                    .collect();
                let e = mean_interval(&rates);
                let x = at + (n as f64 - (mine.len() as f64 - 1.0) / 2.0) * 0.12;
                let points = vec![Point { x, y: e.value, interval: e.interval }];
                marks.push(Mark::Points { points, look: Look::scheduler(&cell.key.scheduler) });
            }
        }
        let Some(y) = Axis::around(label, Scale::Linear, &marks, &[0.0], count) else { continue };
        panels.push(Panel { title: String::new(), x: Axis::names("", &names), y, marks });
    }
    (!panels.is_empty()).then(|| Figure {
        id: "14-activity".to_owned(),
        caption: format!(
            "Tasks made, slices that were ended at the quantum, times that a worker without work went to \
             sleep, looks at other workers' deques, and tasks found there, per second of wall time and \
             of all workers together, on {}, each scheduler with the most workers it has.{}",
            analysis.manifest.reference_heap,
            small_print(analysis, "bars: 95 %, Student's t")
        ),
        width: Width::Page,
        panel_height: 125.0,
        columns: 3.min(panels.len()),
        panels,
        legend: scheduler_legend(&schedulers),
    })
}

/// The geometric mean over workloads of wall time over the reference's, at the middle size and the
/// most workers.
fn joint_ratio(analysis: &Analysis, heap: &str, scheduler: &str) -> Option<Estimate> {
    let middle = middle_factor(analysis);
    let means = |name: &str| analysis.ratios.iter().any(|r| r.workload == name);
    let mean = if means(GEOMEAN_OF_SEVERAL) { GEOMEAN_OF_SEVERAL } else { GEOMEAN };
    let rows = analysis.ratios.iter().filter(|r| {
        r.workload == mean
            && r.missing.is_empty()
            && r.metric == "wall_ns"
            && r.heap == heap
            && r.sched == scheduler
            && r.heap_factor == middle
    });
    let row = rows.max_by_key(|r| r.workers)?;
    Some(Estimate { value: row.ratio?, interval: row.ci_lo.zip(row.ci_hi) })
}

/// 16: heap × scheduler, as a map and as lines.
pub(crate) fn interaction(analysis: &Analysis) -> Option<Figure> {
    let (mut heaps, schedulers) = (all_heaps(analysis), schedulers(analysis));
    heaps.retain(|h| schedulers.iter().any(|s| joint_ratio(analysis, h, s).is_some()));
    if heaps.len() < 2 || schedulers.len() < 2 {
        return None;
    }
    let mut values = Vec::new();
    for (y, scheduler) in schedulers.iter().enumerate() {
        for (x, heap) in heaps.iter().enumerate() {
            if let Some(e) = joint_ratio(analysis, heap, scheduler) {
                values.push((x, y, e));
            }
        }
    }
    let best = values.iter().map(|v| v.2.value).fold(f64::INFINITY, f64::min);
    let worst = values.iter().map(|v| v.2.value).fold(0.0, f64::max);
    if values.len() < 2 {
        return None;
    }
    let span = (worst / best).ln().max(1e-9);
    let tiles = values.iter().map(|&(x, y, e)| {
        let share = (e.value / best).ln() / span;
        let fade =
            |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))) as u8;
        // One hue from light to dark: readable in grey.
        let colour = (fade(0xf2, 0x00), fade(0xf6, 0x4c), fade(0xfa, 0x7a));
        // Narrow tiles have room for the value; the lines beside them show all intervals.
        let interval = e.interval.filter(|_| heaps.len() <= 4);
        let half =
            interval.map_or(String::new(), |(l, h)| format!(" ±{:.2}", (h - l) / 2.0 / best));
        let (x, y) = (x as f64, y as f64);
        Mark::Tile {
            x: (x - 0.48, x + 0.48),
            y: (y - 0.46, y + 0.46),
            colour,
            word: format!("{:.2}{half}", e.value / best),
        }
    });
    let missing = (0..heaps.len()).flat_map(|x| (0..schedulers.len()).map(move |y| (x, y)));
    let missing = missing.filter(|&(x, y)| !values.iter().any(|v| (v.0, v.1) == (x, y)));
    let holes =
        missing.map(|(x, y)| Mark::Word { x: x as f64, y: y as f64, word: "–".to_owned() });
    let lines = schedulers.iter().enumerate().map(|(row, scheduler)| Mark::Line {
        points: values
            .iter()
            .filter(|v| v.1 == row)
            .map(|&(x, _, e)| Point {
                x: x as f64,
                y: e.value / best,
                interval: e.interval.map(|(l, h)| (l / best, h / best)),
            })
            .collect(),
        look: Look::scheduler(scheduler),
    });
    let lines: Vec<Mark> = lines.collect();
    let y = Axis::around("time / best", Scale::Log, &lines, &[1.0], number)?;
    let map = Panel {
        title: "time / best".to_owned(),
        x: Axis::names("", &heaps),
        y: Axis::names("", &schedulers),
        marks: tiles.chain(holes).collect(),
    };
    let interaction = Panel {
        title: "parallel lines: no interaction".to_owned(),
        x: Axis::names("", &heaps),
        y,
        marks: lines,
    };
    Some(Figure {
        id: "16-heap-x-scheduler".to_owned(),
        caption: format!(
            "Heap × scheduler, each with the most workers it has: geometric mean over the workloads \
             that ran on several schedulers, wall time over the best pair; –: they do not go \
             together, or a workload failed.{}",
            small_print(analysis, "± and bars: 95 % bootstrap")
        ),
        width: Width::Page,
        panel_height: 140.0,
        columns: 2,
        panels: vec![map, interaction],
        legend: scheduler_legend(&schedulers),
    })
}

/// 17: how much of the variation each factor explains.
pub(crate) fn variance(analysis: &Analysis) -> Option<Figure> {
    let middle = middle_factor(analysis);
    let of_middle = analysis.variance.iter().filter(|r| r.heap_factor == middle);
    let workers = of_middle.clone().map(|r| r.workers).max()?;
    // What is no factor (a single scheduler) explains nothing by definition, and is not shown.
    let rows: Vec<_> = of_middle.filter(|r| r.workers == workers && r.eta_squared > 0.0).collect();
    let names: Vec<String> = rows.iter().map(|r| r.term.replace(':', " × ")).collect();
    let marks: Vec<Mark> = rows
        .iter()
        .enumerate()
        .map(|(n, r)| Mark::Bar {
            x: (n as f64 - 0.35, n as f64 + 0.35),
            y: (0.0, r.eta_squared),
            interval: r.ci_lo.zip(r.ci_hi),
            look: Look::area(0),
        })
        .collect();
    let y = Axis::around("η²", Scale::Linear, &marks, &[0.0], number)?;
    let (n, count) = (rows.first()?.n, rows.first()?.workloads);
    Some(Figure {
        id: "17-variance".to_owned(),
        caption: format!(
            "Share of the variation of log wall time explained by each factor (η²), over the {count} \
             workloads that ran on every combination, {n} invocations per cell. Bars: 95 % \
             bootstrap."
        ),
        width: Width::Column,
        panel_height: 130.0,
        columns: 1,
        panels: vec![Panel { title: String::new(), x: Axis::names("", &names), y, marks }],
        legend: Vec::new(),
    })
}

/// 18: time, longest pause and memory of each heap against each other.
pub(crate) fn pareto(analysis: &Analysis) -> Option<Figure> {
    let heaps = heaps(analysis);
    let all = workloads(analysis);
    let mut places = Vec::new();
    for heap in &heaps {
        let cells: Vec<&CellData> = all
            .iter()
            .filter_map(|w| at_middle(analysis, w).into_iter().find(|c| c.key.heap == *heap))
            .filter(|c| c.complete())
            .collect();
        if cells.len() < all.len() {
            continue;
        }
        let lbo: Vec<f64> = cells.iter().filter_map(|c| lbo_of(analysis, c)).collect();
        // The last share is the longest pause.
        let longest: Vec<f64> = cells
            .iter()
            .map(|c| {
                let rows = analysis.pauses.iter().filter(|r| {
                    r.share == 1.0
                        && r.workload == c.key.workload
                        && r.heap == c.key.heap
                        && r.heap_bytes == c.key.heap_bytes
                        && r.sched == c.key.scheduler
                });
                rows.map(|r| r.pause_ns).next().unwrap_or(0.0).max(1_000.0)
            })
            .collect();
        let memory: Vec<f64> =
            cells.iter().map(|c| c.mean(Metric::ReservedBytes).max(1.0)).collect();
        if lbo.len() == cells.len() {
            let place = [geometric_mean(&lbo), geometric_mean(&longest), geometric_mean(&memory)];
            places.push((heap.clone(), place));
        }
    }
    if places.len() < 2 {
        return None;
    }
    let panel = |y: usize, label: &str, format: fn(f64) -> String| {
        let marks: Vec<Mark> = places
            .iter()
            .map(|(heap, place)| Mark::Points {
                points: vec![Point { x: place[0], y: place[y], interval: None }],
                look: Look::heap(heap),
            })
            .collect();
        let x: Vec<f64> = places.iter().map(|p| p.1[0]).collect();
        let range = (1.0, x.iter().copied().fold(1.0, f64::max));
        let mut axis = Axis::around(label, Scale::Log, &marks, &[], format)?;
        if y == 2 {
            axis = Axis::log_bytes(label, axis.range);
        }
        let x = Axis::over("LBO (wall time)", Scale::Log, range, number);
        Some(Panel { title: String::new(), x, y: axis, marks })
    };
    Some(Figure {
        id: "18-pareto".to_owned(),
        caption: format!(
            "Time against the longest pause (below 1 µs shown as 1 µs) and against reserved memory: \
             geometric means over {} workloads; nearer to the lower left is better. Heaps that \
             failed a workload are left out. n = {} invocations per configuration; intervals are in \
             the tables of LBO and pauses.",
            all.len(),
            analysis.manifest.invocations_per_cell
        ),
        width: Width::Page,
        panel_height: 150.0,
        columns: 2,
        panels: vec![panel(1, "longest pause", time)?, panel(2, "reserved", bytes)?],
        legend: heap_legend(&heaps),
    })
}

fn lbo_of(analysis: &Analysis, cell: &CellData) -> Option<f64> {
    let is = |r: &&crate::analyze::columns::LboRow| {
        r.scope == "heap"
            && r.metric == "wall_ns"
            && r.workload == cell.key.workload
            && r.heap == cell.key.heap
            && r.sched == cell.key.scheduler
            && r.workers == cell.key.workers
            && r.heap_bytes == Some(cell.key.heap_bytes)
    };
    analysis.lbo.iter().find(is)?.lbo
}
