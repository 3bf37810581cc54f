//! `docs/workloads.md`: the catalogue as a page. A test fails when it is not up to date.

use std::fmt::Write as _;

use super::{Catalogue, Size, TAGS, Workload};

/// What the families are about.
const INTRODUCTIONS: &[(&str, &str)] = &[
    (
        "awfy",
        "The fourteen programs of Are-We-Fast-Yet, which exist in many languages with the same \
         structure. They measure the interpreter more than the heap.",
    ),
    ("memory", "Kernels that each put one property of a heap under load."),
    ("forkjoin", "Trees of tasks that are forked and joined."),
    ("actors", "Programs of the Savina suite: actors, channels and what they wait for."),
    ("latency", "Programs in which it matters when something is done."),
];

/// The page.
pub fn page(catalogue: &Catalogue) -> String {
    let mut out = "# Workloads\n\n\
        Generated from the headers of the programs in `experiments/workloads`; refresh it with\n\
        `UPDATE_EXPECT=1 cargo test -p menagerie-experiments --test workloads`.\n\n\
        A program is named by its id, as in `menagerie exec awfy/richards --size small`. Each \
        verifies its\nown result and prints one line, which depends on no heap, scheduler, number \
        of workers or seed.\nParameters are given as small · **default** · large: milliseconds for \
        tests, about half a second for\nmeasurements, seconds.\n"
        .to_owned();
    for family in Catalogue::families() {
        section(&mut out, family, catalogue.of_family(family));
    }
    out.push_str(
        "\n## Tags\n\nA specification selects by `@tag`. The family is a tag, and so is \
         `sequential` (no tasks: it is not\nmultiplied by schedulers and workers) or \
         `concurrent`.\n\n| tag | meaning | programs |\n|---|---|---|\n",
    );
    for (tag, meaning) in TAGS {
        let names: Vec<_> = catalogue.tagged(tag).map(name).collect();
        let _ = writeln!(out, "| `{tag}` | {meaning} | {} |", names.join(", "));
    }
    out
}

fn section<'a>(out: &mut String, family: &str, workloads: impl Iterator<Item = &'a Workload>) {
    let introduction = INTRODUCTIONS.iter().find(|(name, _)| *name == family);
    let (_, introduction) = introduction.expect("every family has an introduction");
    let _ = writeln!(
        out,
        "\n## {family}\n\n{introduction}\n\n\
         | program | what it does | stresses | parameters | uses | source |\n|---|---|---|---|---|---|"
    );
    for w in workloads {
        let Workload { id, about, notes, stresses, source, .. } = w;
        let (name, params, uses) = (name(w), params(w), w.uses.join(", "));
        let link = format!("[{name}](../experiments/workloads/{id}.mena)");
        let _ = writeln!(
            out,
            "| {link} | {about} {notes} | {stresses} | {params} | {uses} | {source} |"
        );
    }
}

fn name(w: &Workload) -> &str {
    w.id.split_once('/').map_or(w.id.as_str(), |(_, name)| name)
}

fn params(w: &Workload) -> String {
    let one = |p: &super::Param| {
        let [small, default, large] =
            [Size::Small, Size::Default, Size::Large].map(|size| p.values.of(size));
        if small == default && default == large {
            format!("{} {default}", p.name)
        } else {
            format!("{} {small} · **{default}** · {large}", p.name)
        }
    };
    w.params.iter().map(one).collect::<Vec<_>>().join("; ")
}
