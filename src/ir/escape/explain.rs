//! The analysis for people: every site with its place, its verdict and the reason.

use std::fmt::Write as _;

use super::{Analysis, Site, Verdict};
use crate::compile::PRELUDE_FILE;
use crate::ir::{FuncId, Program};
use crate::lang::diagnostics::Sources;

/// A table of the sites in the program's own files, in the order of the text, then the totals.
pub fn explain(program: &Program, sources: &Sources) -> String {
    let analysis = Analysis::new(program);
    let functions = (0..program.funcs.len() as u32).map(FuncId);
    let mut sites: Vec<Site> = functions
        .flat_map(|f| analysis.sites(program, f))
        .filter(|site| site.span.file != PRELUDE_FILE)
        .collect();
    sites.sort_by_key(|site| (site.span.file, site.span.start, site.span.end));
    let rows = sites.iter().map(|site| row(program, sources, &analysis, site)).collect();
    let mut text = columns(rows);
    let frame = sites.iter().filter(|site| site.verdict == Verdict::Frame).count();
    let count = sites.len();
    let s = if count == 1 { "" } else { "s" };
    writeln!(text, "{count} site{s}: {frame} frame, {} heap", count - frame).expect("a string");
    text
}

fn row(program: &Program, sources: &Sources, analysis: &Analysis, site: &Site) -> [String; 4] {
    [
        sources.place(site.span),
        site.kind.text(program),
        site.verdict.name().to_owned(),
        analysis.reason_text(program, sources, site),
    ]
}

/// Aligns all columns but the last.
fn columns<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N - 1).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "{cell:<width$}  ").expect("a string");
        }
        text += &row[N - 1];
        text.push('\n');
    }
    text
}
