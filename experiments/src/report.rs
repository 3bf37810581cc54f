//! `menagerie report`: one HTML page with every figure, its caption, sortable tables, and the
//! manifest. It needs no network and no other file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::analyze::Analysis;
use crate::experiment::read_rows;
use crate::manifest::Manifest;
use crate::output::show;
use crate::plot::{self, figures, svg};
use crate::tables::{self, Table, tables};

/// `menagerie report`
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// The experiment's results folder, such as results/local/quick
    pub folder: PathBuf,
}

const STYLE: &str = include_str!("report.css");
/// Sorts a table by a column that is clicked, or chosen by keyboard: numbers by number.
const SCRIPT: &str = include_str!("report.js");

/// Runs `menagerie report`.
pub(crate) fn report(args: &ReportArgs) -> Result<ExitCode, String> {
    Ok(show(&format!("{}\n", write(&args.folder)?.display())))
}

/// Analyses a results folder and writes all that is made from it: `analysis/`, `figures/`,
/// `tables/`, and the page, whose path it gives.
pub(crate) fn write(folder: &Path) -> Result<PathBuf, String> {
    let analysis = Analysis::of(folder)?;
    analysis.write(&folder.join("analysis"))?;
    let figures = figures(&analysis, folder)?;
    plot::write(&figures, folder)?;
    let tables = tables(&analysis, &read_rows(folder)?);
    tables::write(&tables, folder)?;
    let drawn: Vec<_> = figures
        .iter()
        .map(|f| Ok((f.id.as_str(), svg(f)?, f.caption.as_str())))
        .collect::<Result<_, String>>()?;
    let path = folder.join("report.html");
    let page = page(&analysis.manifest, &drawn, &tables);
    crate::output::write_file(&path, &page.into_string())?;
    Ok(path)
}

fn page(manifest: &Manifest, drawn: &[(&str, String, &str)], tables: &[Table]) -> Markup {
    let counts: Vec<_> =
        manifest.recorded.iter().map(|(status, n)| format!("{n} {status}")).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Menagerie: " (manifest.experiment) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (manifest.experiment) }
                p { (manifest.about) }
                p {
                    (manifest.planned) " invocations planned; recorded: " (counts.join(", ")) "."
                    @if manifest.profile == "debug" {
                        strong { " Measured with a debug build: the times mean nothing." }
                    }
                }
                @if !manifest.excluded.is_empty() {
                    h2 { "Excluded" }
                    ul { @for note in &manifest.excluded { li { (note) } } }
                }
                h2 { "Figures" }
                @for (id, drawing, caption) in drawn {
                    figure id=(id) {
                        (PreEscaped(drawing))
                        figcaption { b { (id) ". " } (caption) }
                    }
                }
                h2 { "Tables" }
                @for table in tables { (sortable(table)) }
                h2 { "Where this came from" }
                (provenance(manifest))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn sortable(table: &Table) -> Markup {
    html! {
        figure id=(table.id) {
            figcaption { b { (table.id) ". " } (table.caption) }
            table {
                thead { tr { @for name in &table.head {
                    th aria-sort="none" { button type="button" { (name) } }
                } } }
                tbody { @for row in &table.rows { tr { @for cell in row {
                    @match cell.key {
                        Some(key) => td.number data-key=(key) { (cell.text) },
                        None => td { (cell.text) },
                    }
                } } } }
            }
        }
    }
}

fn provenance(manifest: &Manifest) -> Markup {
    let facts = [
        ("binary sha256", manifest.binary_sha256.clone()),
        ("profile", manifest.profile.clone()),
        ("version", manifest.menagerie_version.clone()),
        ("plan sha256", manifest.plan_sha256.clone()),
        ("specification sha256", manifest.spec_sha256.clone()),
        ("seed", manifest.seed.to_string()),
        ("first start (s since 1970)", manifest.first_start_utc.to_string()),
        ("last end (s since 1970)", manifest.last_end_utc.to_string()),
    ];
    html! {
        table {
            tbody {
                @for (name, value) in &facts { tr { th { (name) } td { (value) } } }
                @for (name, value) in &manifest.host { tr { th { (name) } td { (value) } } }
                @for (name, value) in &manifest.environment { tr { th { (name) } td { (value) } } }
            }
        }
        h3 { "Commands" }
        ul { @for command in &manifest.commands { li { code { (command.join(" ")) } } } }
        h3 { "Specification" }
        pre { (manifest.spec) }
    }
}
