//! The analysis for people: every site with its place, its verdict and the reason.

use std::fmt::Write as _;

use super::{Analysis, Options, Site, SiteKind, Verdict, functions_with};
use crate::compile::PRELUDE_FILE;
use crate::ir::{FuncId, Program};
use crate::lang::ast::Span;
use crate::lang::diagnostics::Sources;

/// A table of the sites in the program's own files, in the order of the text, then the totals. The
/// program is one on which the pass has not been run.
pub fn explain(program: &Program, sources: &Sources, options: Options) -> String {
    let functions = functions_with(program, Some(PRELUDE_FILE), |op| SiteKind::of(op).is_some());
    let analysis = Analysis::new(program, &functions);
    let mut dissolved = super::dissolve(&mut program.clone(), options);
    let mut sites: Vec<Site> =
        functions.into_iter().flat_map(|f| analysis.sites(program, f)).collect();
    sites.sort_by_key(|site| (site.span.file, site.span.start, site.span.end));
    for site in &mut sites {
        let same = |gone: &(FuncId, SiteKind, Span)| *gone == (site.function, site.kind, site.span);
        if let Some(n) = dissolved.sites.iter().position(same) {
            dissolved.sites.swap_remove(n);
            site.verdict = Verdict::Scalar;
        }
    }
    let rows = sites.iter().map(|site| row(program, sources, &analysis, site)).collect();
    columns(rows) + &totals(&sites, dissolved.over_budget)
}

fn totals(sites: &[Site], over_budget: u32) -> String {
    let s = if sites.len() == 1 { "" } else { "s" };
    let counts = Verdict::ALL.map(|verdict| {
        let count = sites.iter().filter(|site| site.verdict == verdict).count();
        format!("{count} {}", verdict.name())
    });
    let mut text = format!("{} site{s}: {}", sites.len(), counts.join(", "));
    if over_budget > 0 {
        write!(text, "; {over_budget} over the frame's budget").expect("a string");
    }
    text + "\n"
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
