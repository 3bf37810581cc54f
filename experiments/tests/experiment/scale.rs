//! What the harness itself costs.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use super::bench::{Bench, Row};

/// Beyond the process itself, an invocation costs less than 10 ms: its row, its record, its journal
/// entry. Without forcing rows to the disk, which costs what the disk costs; the best of three
/// attempts, since other tests run beside this one.
#[test]
fn an_invocation_costs_the_harness_less_than_10_ms() {
    const INVOCATIONS: u32 = 100;
    let bench = Bench::new();
    bench.spec(
        "workloads = [\"forkjoin/tasks\"]\nheaps = [\"mark-sweep\"]\nheap_bytes = [\"2MiB\"]",
        &format!("invocations = {INVOCATIONS}\niterations = 1\nwarmup = 0\nfsync = \"never\""),
    );
    let attempt = |n: u32| {
        let folder = format!("attempt{n}");
        let start = Instant::now();
        bench.run(&["run", "test", "--results", &folder]).ok();
        let all = start.elapsed();
        let rows = super::bench::rows(&bench.path(&folder).join("test/invocations.csv"));
        let processes = rows.iter().map(|r| r["process_wall_ns"].parse::<u64>().expect("a number"));
        all.saturating_sub(Duration::from_nanos(processes.sum())) / INVOCATIONS
    };
    let overhead = (0..3).map(attempt).min().expect("three attempts");
    println!("{overhead:?} per invocation");
    assert!(overhead < Duration::from_millis(10), "{overhead:?}");
}

const WORKLOADS: usize = 20;
const HEAPS: [&str; 5] = ["mark-sweep", "semispace", "generational", "rc", "nogc"];
const FACTORS: usize = 5;
const CELLS: usize = WORKLOADS * HEAPS.len() * FACTORS;

/// How many invocations each of [`CELLS`] has: 200 make the 100,000 of docs/experiments.md.
fn per_cell() -> usize {
    let asked = std::env::var("MENAGERIE_INVOCATIONS_PER_CELL").ok();
    asked.map_or(20, |n| n.parse().expect("a number"))
}

/// Invocations with the iterations and pauses of a real one are analysed in less than 10 s of
/// processor time, or 5 s, and less than 500 MB, or 100 MB, when there are only 10,000 of them.
#[test]
fn many_invocations_are_analysed_in_seconds() {
    let per_cell = per_cell();
    let all = CELLS * per_cell;
    let (seconds, most_megabytes) = if all > 10_000 { (10, 500) } else { (5, 100) };
    let bench = Bench::new();
    bench.spec(
        "workloads = [\"memory/churn\"]\nheaps = [\"mark-sweep\"]\nheap_bytes = [\"256KiB\"]",
        "invocations = 1\niterations = 3",
    );
    bench.run(&["run", "test"]).ok();
    multiply(&bench, per_cell);
    let before = children();
    let ran = bench.run(&["analyze", "results/local/test"]).ok();
    let after = children();
    let took = after.0 - before.0;
    let said = format!("{CELLS} cells, {all} invocations");
    assert!(ran.stdout.contains(&said), "{}", ran.stdout);
    let megabytes = after.1;
    println!("{took:?}, {megabytes} MB");
    assert!(took < Duration::from_secs(seconds), "{took:?}");
    assert!(megabytes < most_megabytes, "{megabytes} MB");
}

/// Processor time, which other processes on this machine do not change, and the largest resident
/// set in megabytes, of all children so far.
fn children() -> (Duration, u64) {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system counts");
    let time = |t: nix::sys::time::TimeVal| {
        Duration::from_micros(t.tv_sec() as u64 * 1_000_000 + t.tv_usec() as u64)
    };
    let megabytes = usage.max_rss() as u64 * 1024 / 1_000_000;
    (time(usage.user_time()) + time(usage.system_time()), megabytes)
}

/// Replaces the one invocation by `per_cell` of each cell, with other times.
fn multiply(bench: &Bench, per_cell: usize) {
    let change = |file: &str, n: usize, row: &mut Row| {
        row.insert("run_id".to_owned(), format!("{n:016x}"));
        match file {
            "invocations.csv" => {
                let cell = n / per_cell;
                let factor = (cell / HEAPS.len()) % FACTORS + 1;
                row.insert("order_idx".to_owned(), n.to_string());
                row.insert("workload".to_owned(), format!("memory/w{}", cell % WORKLOADS));
                row.insert("heap".to_owned(), HEAPS[cell / WORKLOADS % HEAPS.len()].to_owned());
                row.insert("heap_factor".to_owned(), (cell / 100 + 1).to_string());
                row.insert("heap_bytes".to_owned(), (1_000_000 * factor).to_string());
            }
            "iterations.csv" => {
                let noise = (n * 7919) % 100_003;
                row.insert("wall_ns".to_owned(), (20_000_000 + noise).to_string());
            }
            _ => {}
        }
    };
    for file in ["invocations.csv", "iterations.csv", "pauses.csv", "workers.csv"] {
        let path = bench.path("results/local/test").join(file);
        let mut reader = csv::Reader::from_path(&path).expect("the file is there");
        let header = reader.headers().expect("a header").clone();
        let rows = bench.rows(file);
        let mut writer = csv::Writer::from_path(&path).expect("the file can be written");
        writer.write_record(&header).expect("space");
        for n in 0..CELLS * per_cell {
            for row in &rows {
                let mut row = row.clone();
                change(file, n, &mut row);
                writer.write_record(header.iter().map(|c| &row[c])).expect("space");
            }
        }
        writer.flush().expect("space");
    }
    let journal = bench.path("results/local/test/journal.csv");
    let text = fs::read_to_string(&journal).expect("a journal");
    let mut rows = text.split_inclusive('\n').next().expect("a header").to_owned();
    let lengths = ",0".repeat(rows.matches(',').count());
    for n in 0..CELLS * per_cell {
        writeln!(rows, "{n:016x}{lengths}").expect("a string takes all");
    }
    fs::write(&journal, rows).expect("space");
}
