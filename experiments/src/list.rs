//! `menagerie list`: what the registry holds.

use std::process::ExitCode;

use menagerie::heap::Parameter;
use menagerie_strategies::{HEAPS, SCHEDULERS};

fn parameters(list: &[Parameter]) {
    for p in list {
        println!("      {}={}  {}", p.name, p.default, p.doc);
    }
}

/// Prints heaps and schedulers.
pub(crate) fn list() -> ExitCode {
    println!("heaps (--heap, parameters with --heap-param):");
    for (info, _) in HEAPS {
        println!("  {:<12} {}", info.name, info.summary);
        parameters(info.parameters);
    }
    println!("schedulers (--sched, parameters with --sched-param):");
    for (info, _) in SCHEDULERS {
        println!("  {:<12} {}", info.name, info.summary);
        parameters(info.parameters);
    }
    ExitCode::SUCCESS
}
