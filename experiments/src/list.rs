//! `menagerie list`: what the registry holds.

use std::fmt::Write as _;
use std::process::ExitCode;

use menagerie::heap::Parameter;
use menagerie_strategies::{HEAPS, SCHEDULERS};

use crate::output::show;

fn strategy(out: &mut String, name: &str, summary: &str, parameters: &[Parameter]) {
    let _ = writeln!(out, "  {name:<12} {summary}");
    for p in parameters {
        let _ = writeln!(out, "      {}={}  {}", p.name, p.default, p.doc);
    }
}

/// Prints heaps and schedulers.
pub(crate) fn list() -> ExitCode {
    let mut out = "heaps (--heap, parameters with --heap-param):\n".to_owned();
    for (info, _) in HEAPS {
        strategy(&mut out, info.name, info.summary, info.parameters);
    }
    out.push_str("schedulers (--sched, parameters with --sched-param):\n");
    for (info, _) in SCHEDULERS {
        strategy(&mut out, info.name, info.summary, info.parameters);
    }
    show(&out)
}
