//! `explore` runs models: all executions with a bounded number of preemptions.
//!
//! - `explore MODEL BOUND [MUTANT]` runs one, in this process. It prints `iterations seconds`; a failure
//!   ends it with loom's report. Mutants that deadlock abort, so they get a process of their own.
//! - `explore --all BOUND` runs every model and every mutant, each in a process of its own, and prints
//!   the table `results/loom.csv`.

use std::process::{Command, ExitCode, Output};

use menagerie_models::variants::{VARIANTS, Variant};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--all", bound] => all(bound),
        [model, bound] => one(model, None, bound),
        [model, bound, mutant] => one(model, Some(mutant), bound),
        _ => complain("usage: explore MODEL BOUND [MUTANT], or explore --all BOUND"),
    }
}

fn complain(what: &str) -> ExitCode {
    eprintln!("explore: {what}");
    ExitCode::from(2)
}

fn one(model: &str, mutant: Option<&str>, bound: &str) -> ExitCode {
    let Ok(bound) = bound.parse() else {
        return complain(&format!("BOUND is a number of preemptions, not `{bound}`"));
    };
    let Some(variant) = Variant::find(model, mutant) else {
        let names: Vec<_> =
            VARIANTS.iter().filter(|v| v.mutant.is_none()).map(|v| v.model).collect();
        return complain(&format!("no model `{model}` {mutant:?}; models: {}", names.join(", ")));
    };
    let explored = variant.explore(bound);
    println!("{} {:.2}", explored.iterations, explored.seconds);
    ExitCode::SUCCESS
}

fn all(bound: &str) -> ExitCode {
    println!("model,bound,iterations,seconds,mutants,mutants_killed");
    let mut good = true;
    for original in VARIANTS.iter().filter(|v| v.mutant.is_none()) {
        let run = child(original, bound);
        if !run.status.success() {
            eprintln!("{} fails:\n{}", original.model, String::from_utf8_lossy(&run.stderr));
            good = false;
            continue;
        }
        let mutants = VARIANTS.iter().filter(|v| v.mutant.is_some() && v.model == original.model);
        let (mut count, mut killed) = (0, 0);
        for mutant in mutants {
            count += 1;
            let run = child(mutant, bound);
            let dead = !run.status.success()
                && String::from_utf8_lossy(&run.stderr).contains(mutant.failure);
            if !dead {
                eprintln!("{}: the mutant {} lives", mutant.model, mutant.mutant.unwrap_or(""));
            }
            killed += u32::from(dead);
            good &= dead;
        }
        let explored = String::from_utf8_lossy(&run.stdout).trim().replace(' ', ",");
        println!("{},{bound},{explored},{count},{killed}", original.model);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a variant in a process of its own.
fn child(variant: &Variant, bound: &str) -> Output {
    let me = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(me);
    command.args([variant.model, bound]).args(variant.mutant);
    command.output().expect("this program can be started once more")
}
