//! Tables as data, written as LaTeX (`menagerie table`) and into the report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::analyze::Analysis;
use crate::analyze::lbo::GEOMEAN;
use crate::experiment::read_rows;
use crate::output::show;
use crate::plot::{factor_word, heaps, middle_factor, short, small_print, workloads};
use crate::results::MinheapRow;

/// `menagerie table`
#[derive(Args, Debug)]
pub struct TableArgs {
    /// The experiment's results folder, such as results/local/quick
    pub folder: PathBuf,
}

/// A table with its caption. Cells that are numbers carry the number that they are sorted by.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) id: &'static str,
    pub(crate) caption: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) key: Option<f64>,
}

impl Cell {
    fn word(text: &str) -> Cell {
        Cell { text: text.to_owned(), key: None }
    }
    fn number(text: String, key: f64) -> Cell {
        Cell { text, key: Some(key) }
    }
    fn estimate(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> Cell {
        match (value, low.zip(high)) {
            (Some(v), Some((low, high))) => {
                Cell::number(format!("{v:.3} [{low:.3}, {high:.3}]"), v)
            }
            (Some(v), None) => Cell::number(format!("{v:.3}"), v),
            (None, _) => Cell::word("–"),
        }
    }
}

/// All tables that the results have something for.
pub(crate) fn tables(analysis: &Analysis, minima: &[MinheapRow]) -> Vec<Table> {
    let all = [
        lbo(analysis),
        ratios(analysis),
        minimum_heaps(analysis, minima),
        failures(analysis),
        repetition(analysis),
    ];
    all.into_iter().filter(|t| !t.rows.is_empty()).collect()
}

/// LBO of each workload and heap at the middle size.
fn lbo(analysis: &Analysis) -> Table {
    let middle = middle_factor(analysis);
    let heaps = heaps(analysis);
    let mut head = vec!["workload".to_owned()];
    head.extend(heaps.iter().cloned());
    let names = workloads(analysis).into_iter().chain([GEOMEAN.to_owned()]);
    let rows = names.map(|workload| {
        let mut row = vec![Cell::word(&short(analysis, &workload))];
        for heap in &heaps {
            let found = analysis.lbo.iter().find(|r| {
                r.scope == "heap"
                    && r.metric == "wall_ns"
                    && r.workload == workload
                    && r.heap == *heap
                    && r.workers == 1
                    && r.sched == analysis.manifest.reference_scheduler
                    && (r.heap_factor == middle || (r.heap_factor.is_none() && r.lbo.is_some()))
            });
            row.push(found.map_or(Cell::word("–"), |r| Cell::estimate(r.lbo, r.ci_lo, r.ci_hi)));
        }
        row
    });
    Table {
        id: "lbo",
        caption: format!(
            "Lower bound on overhead (wall time){}.{}",
            middle.map_or(String::new(), |f| format!(" at {} the minimum heap", factor_word(f))),
            small_print(analysis, "95 % bootstrap intervals")
        ),
        head,
        rows: rows.collect(),
    }
}

/// Ratios of means over workloads.
fn ratios(analysis: &Analysis) -> Table {
    let words =
        ["over", "metric", "heap", "scheduler", "workers", "size", "ratio", "verdict", "workloads"];
    let rows = analysis.ratios.iter().filter(|r| r.workload.starts_with("(geomean")).map(|r| {
        vec![
            Cell::word(if r.workload == GEOMEAN { "all" } else { "with tasks" }),
            Cell::word(&r.metric),
            Cell::word(&r.heap),
            Cell::word(&r.sched),
            Cell::number(r.workers.to_string(), r.workers as f64),
            r.heap_factor.map_or(Cell::word("–"), |f| Cell::number(factor_word(f), f)),
            Cell::estimate(r.ratio, r.ci_lo, r.ci_hi),
            Cell::word(&r.verdict),
            Cell::number(r.n.to_string(), r.n as f64),
        ]
    });
    Table {
        id: "ratios",
        caption: format!(
            "Geometric means over workloads of ratios to {} on {} at the same size.{}",
            analysis.manifest.reference_heap,
            analysis.manifest.reference_scheduler,
            small_print(analysis, "95 % bootstrap intervals; equivalent: within 0.99 and 1.01")
        ),
        head: words.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

fn minimum_heaps(analysis: &Analysis, minima: &[MinheapRow]) -> Table {
    let words = ["workload", "heap", "minimum (bytes)", "largest live size (bytes)", "processes"];
    let size =
        |b: Option<u64>| b.map_or(Cell::word("none"), |b| Cell::number(b.to_string(), b as f64));
    let rows = minima.iter().map(|r| {
        vec![
            Cell::word(format!("{} {}", r.workload, r.params).trim_end()),
            Cell::word(format!("{} {}", r.heap, r.heap_opts).trim_end()),
            size(r.min_bytes),
            size(r.peak_live_bytes),
            Cell::number(r.trials.to_string(), f64::from(r.trials)),
        ]
    });
    Table {
        id: "minimum-heaps",
        caption: format!(
            "Minimum heaps, found by bisection in bytes to {} % and confirmed by 5 of 5 \
             invocations; sizes of the experiment are multiples of {}'s.",
            minima.iter().map(|r| r.tolerance).fold(0.0, f64::max) * 100.0,
            analysis.manifest.reference_heap
        ),
        head: words.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

fn failures(analysis: &Analysis) -> Table {
    let words = ["workload", "heap", "scheduler", "workers", "heap (bytes)", "ok", "failed"];
    let rows = analysis.data.cells.iter().filter(|c| c.failures() > 0).map(|c| {
        vec![
            Cell::word(&c.key.workload),
            Cell::word(&c.key.heap),
            Cell::word(&c.key.scheduler),
            Cell::number(c.key.workers.to_string(), c.key.workers as f64),
            Cell::number(c.key.heap_bytes.to_string(), c.key.heap_bytes as f64),
            Cell::number(c.runs.len().to_string(), c.runs.len() as f64),
            Cell::number(crate::analyze::derive::failures(c), c.failures() as f64),
        ]
    });
    Table {
        id: "failures",
        caption: "Configurations with invocations that did not end well; none was repeated."
            .to_owned(),
        head: words.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// The worst cells by variance: where more invocations or iterations would pay.
fn repetition(analysis: &Analysis) -> Table {
    const SHOWN: usize = 10;
    let words =
        ["workload", "heap", "scheduler", "between iterations", "between invocations", "best"];
    let mut rows: Vec<_> = analysis.repetition.iter().collect();
    let total = |r: &crate::analyze::columns::RepetitionRow| {
        r.iteration_variance + r.invocation_variance.max(0.0)
    };
    rows.sort_by(|a, b| total(b).total_cmp(&total(a)));
    let deviation = |variance: f64| {
        let ms = variance.max(0.0).sqrt() / 1e6;
        Cell::number(format!("{ms:.2} ms"), ms)
    };
    let rows = rows.into_iter().take(SHOWN).map(|r| {
        vec![
            Cell::word(&short(analysis, &r.workload)),
            Cell::word(&r.heap),
            Cell::word(&r.sched),
            deviation(r.iteration_variance),
            deviation(r.invocation_variance),
            r.iterations_best
                .map_or(Cell::word("–"), |n| Cell::number(n.to_string(), f64::from(n))),
        ]
    });
    Table {
        id: "repetition",
        caption: format!(
            "The {SHOWN} configurations that vary most: standard deviation between iterations and \
             between invocations (Kalibera and Jones), and the iterations per invocation that use \
             the time best."
        ),
        head: words.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// Characters that LaTeX would take for its own.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '×' => out += "$\\times$",
            '–' => out += "--",
            c => out.push(c),
        }
    }
    out
}

/// A table for `booktabs`.
pub(crate) fn latex(table: &Table) -> String {
    let numeric = |n: usize| table.rows.iter().any(|r| r[n].key.is_some());
    let columns: String =
        (0..table.head.len()).map(|n| if numeric(n) { 'r' } else { 'l' }).collect();
    let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let mut out = format!(
        "\\begin{{table*}}\n\\caption{{{}}}\n\\label{{tab:{}}}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n",
        escaped(&table.caption),
        table.id
    );
    out += &line(table.head.iter().map(|h| escaped(h)).collect());
    out += "\\midrule\n";
    for row in &table.rows {
        out += &line(row.iter().map(|c| escaped(&c.text)).collect());
    }
    out += "\\bottomrule\n\\end{tabular}\n\\end{table*}\n";
    out
}

/// Writes tables as LaTeX and gives their paths.
pub(crate) fn write(tables: &[Table], folder: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = folder.join("tables");
    crate::output::make_folder(&folder)?;
    let mut written = Vec::new();
    for table in tables {
        let path = folder.join(format!("{}.tex", table.id));
        crate::output::write_file(&path, &latex(table))?;
        written.push(path);
    }
    Ok(written)
}

/// Runs `menagerie table`.
pub(crate) fn table(args: &TableArgs) -> Result<ExitCode, String> {
    let analysis = Analysis::of(&args.folder)?;
    let written = write(&tables(&analysis, &read_rows(&args.folder)?), &args.folder)?;
    let lines = written.iter().map(|path| format!("{}\n", path.display()));
    Ok(show(&lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_latex_takes_for_its_own_is_escaped() {
        let table = Table {
            id: "t",
            caption: "50 % of a_b".to_owned(),
            head: vec!["x & y".to_owned(), "n".to_owned()],
            rows: vec![vec![Cell::word("2×"), Cell::number("7".to_owned(), 7.0)]],
        };
        let text = latex(&table);
        for part in ["50 \\% of a\\_b", "x \\& y & n \\\\", "2$\\times$ & 7 \\\\", "{tabular}{lr}"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
