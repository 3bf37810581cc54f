//! The result files: other tools can read them, and every column is documented.

use std::process::Command;

use super::bench::Bench;

/// Reads every file with Python's csv module and checks it against `menagerie schema`.
const READER: &str = r#"
import csv, json, pathlib, sys
columns, file = {}, None
for line in open("schema.txt", encoding="utf-8"):
    if line.startswith("  "):
        words = line.split()
        columns[file].append((words[0], line[25:34].strip()))
    elif ".csv:" in line:
        file = line.split(":")[0]
        columns[file] = []
seen = {}
for path in sorted(pathlib.Path("results/local/test").rglob("*.csv")):
    name = path.relative_to("results/local/test").as_posix()
    if name == "journal.csv":
        continue
    with open(path, newline="", encoding="utf-8") as f:
        reader = csv.DictReader(f, strict=True)
        rows = list(reader)
    assert reader.fieldnames == [c for c, _ in columns[name]], (name, reader.fieldnames)
    for row in rows:
        assert None not in row and None not in row.values(), (name, row)
        for column, unit in columns[name]:
            if row[column] and (unit in ("ns", "B") and not name.startswith("analysis/")):
                assert int(row[column]) >= 0, (name, column, row)
    seen[name] = len(rows)
json.dump(seen, sys.stdout)
"#;

/// Requests at fixed intended times, one of which misses its deadline.
const REQUESTS: &str = "\
fn main(args) {
    for i in 0..3 {
        let start = clock_ns();
        note_request(i * 1000, start, if i == 1 { 0 } else { start + 10_000_000_000 });
    }
    print(\"served 3\");
}
";

#[test]
fn python_reads_every_file_and_the_schema_names_every_column() {
    let bench = Bench::new();
    bench.workload("latency/served", "clock", "served 3", REQUESTS);
    let odd = "fn main(args) { print(\"b,\\\"c\"); }\n";
    bench.workload("memory/odd", "none", "a", odd);
    bench.spec(
        "workloads = [\"@core\"]\nheaps = [\"mark-sweep\", \"rc\"]\nheap_factors = [2, 4]",
        "invocations = 3\niterations = 2\nminimum_heaps = \"all\"",
    );
    let ran = bench.run(&["run", "test", "--report"]).ok();
    assert!(ran.stdout.contains("results/local/test/report.html"), "{}", ran.stdout);
    bench.write("schema.txt", &bench.run(&["schema"]).ok().stdout);
    bench.write("reader.py", READER);
    let mut python = Command::new("python3");
    let read = python.arg("reader.py").current_dir(bench.path("")).output();
    let read = read.expect("python3 is needed for this test: apt-get install python3");
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{said}");
    let seen: std::collections::BTreeMap<String, usize> =
        serde_json::from_slice(&read.stdout).expect("what the reader prints");
    // 4 programs, of which one has no minimum heap; 2 heaps, 2 sizes, 3 invocations, 2 iterations,
    // of which one is measured.
    assert_eq!(seen["invocations.csv"], 36);
    assert_eq!(seen["iterations.csv"], 72);
    assert_eq!(seen["requests.csv"], 12 * 3);
    assert_eq!(seen["minheap.csv"], 8);
    assert!(seen["pauses.csv"] > 0 && seen["minheap_trials.csv"] > 8);
    for derived in ["cells", "lbo", "ratios", "mmu", "pause_percentiles", "latency", "anova"] {
        assert!(seen.contains_key(&format!("analysis/{derived}.csv")), "{derived}: {seen:?}");
    }
    let missed: Vec<String> = bench
        .rows("analysis/latency.csv")
        .into_iter()
        .filter(|r| r["kind"] == "deadline_miss")
        .map(|r| format!("{:.3}", r["value"].parse::<f64>().expect("a number")))
        .collect();
    assert_eq!(missed, ["0.333"; 4], "one request in three has its deadline at 0");
}
