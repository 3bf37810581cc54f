//! Everything that can be wrong has its message, and harms nothing else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;

use super::bench::{BINARY, Bench, Ran};

const SMALL: &str = "invocations = 2\niterations = 2";

fn two_programs(heaps: &str) -> Bench {
    let bench = Bench::new();
    let matrix = format!("workloads = [\"@core\"]\nheaps = {heaps}\nheap_bytes = [\"2MiB\"]");
    bench.spec(&matrix, SMALL);
    bench
}

#[test]
fn a_missing_specification_is_named_with_the_known_ones() {
    let bench = two_programs("[\"mark-sweep\"]");
    bench.run(&["run", "nope"]).refused(&["unknown specification `nope`", "there are: test"]);
    bench.run(&["run", "no/where.toml"]).refused(&["cannot read no/where.toml", "No such file"]);
    bench.run(&["plan", "experiments/specs/test.toml"]).ok();
    bench.run(&["plan", "test"]).ok();
}

#[test]
fn what_is_wrong_with_a_specification_comes_with_its_line() {
    let bench = two_programs("[\"mark-sweep\", \"nope\"]");
    let said = ["test.toml:7: unknown heap `nope`", "there are: nogc, mark-sweep"];
    bench.run(&["run", "test"]).refused(&said);
    bench.spec("workloads = [\"memory/no\"]\nheaps = [\"mark-sweep\"]\nheap_factors = [2]", SMALL);
    bench.run(&["run", "test"]).refused(&["test.toml:6: unknown workload `memory/no`", "churn"]);
    let zero = "workloads = [\"@core\"]\nheaps = [\"mark-sweep\"]\nheap_bytes = [\"0\"]";
    bench.spec(zero, SMALL);
    bench.run(&["run", "test"]).refused(&["test.toml:8: a heap needs more than 0 bytes", "64MiB"]);
    bench.spec(&format!("{}\nheep = 1", zero.replace("\"0\"", "\"2MiB\"")), SMALL);
    bench.run(&["run", "test"]).refused(&["test.toml:9: unknown field `heep`"]);
}

#[test]
fn a_parameter_that_a_strategy_refuses_stops_the_run_before_it_starts() {
    let bench = two_programs("[{ name = \"mark-sweep\", params = { allocator = \"x\" } }]");
    let said = ["an empty program does not run on mark-sweep allocator=x", "blocks, mimalloc"];
    bench.run(&["run", "test"]).refused(&said);
    assert!(bench.rows("invocations.csv").is_empty());
}

/// Programs that crash, hang, print something else, and exhaust the heap are outcomes; those beside
/// them run as if alone.
#[test]
fn failing_workloads_are_outcomes_and_harm_no_other() {
    let bench = two_programs("[\"mark-sweep\", \"semispace\"]");
    let program = |name: &str, body: &str| {
        let body = format!("fn main(args) {{ {body} }}\n");
        bench.workload(&format!("memory/{name}"), "alloc", "right", &body);
    };
    program("crash", "print(\"right\"); panic(\"on purpose\")");
    program("hang", "loop {}");
    program("wrong", "print(\"left\")");
    program("greedy", "let all = []; loop { all.push([1, 2, 3]) }");
    let matrix = "workloads = [\"@core\"]\nheaps = [\"mark-sweep\", \"semispace\"]\n\
                  heap_bytes = [\"2MiB\"]";
    bench.spec(matrix, &format!("{SMALL}\ntimeout_s = 1"));
    let ran = bench.run(&["run", "test"]).ok();
    for part in ["8 ok", "4 oom", "4 timeout", "4 crash", "4 wrong"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let outcomes = bench.outcomes();
    for heap in ["mark-sweep", "semispace"] {
        for (workload, status) in [
            ("memory/churn", "ok"),
            ("forkjoin/tasks", "ok"),
            ("memory/crash", "crash"),
            ("memory/hang", "timeout"),
            ("memory/wrong", "wrong"),
            ("memory/greedy", "oom"),
        ] {
            assert_eq!(outcomes[&(workload.to_owned(), heap.to_owned())], status, "{workload}");
        }
    }
    for row in bench.rows("invocations.csv") {
        let said = match row["status"].as_str() {
            "ok" => "",
            "crash" => "Panic",
            "wrong" => "printed \"left\" instead of \"right\"",
            "timeout" => "more than 1",
            "oom" => "heap",
            other => panic!("{other}"),
        };
        assert!(row["message"].contains(said), "{row:?}");
        let words = bench.path(&format!("results/local/test/failures/{}.txt", row["run_id"]));
        assert_eq!(words.exists(), row["status"] != "ok", "{row:?}");
    }
    // Nothing is tried again: the same command has nothing left to do.
    let again = bench.run(&["run", "test"]).ok();
    assert!(again.stderr.contains("4 crash"), "{}", again.stderr);
    bench.run(&["report", "results/local/test"]).ok();
    let page = fs::read_to_string(bench.path("results/local/test/report.html")).expect("the page");
    assert!(page.contains("id=\"failures\"") && page.contains("16 invocations failed"));
}

/// A workload without a minimum heap is left out with its reason; others have their sizes.
#[test]
fn a_workload_without_a_minimum_heap_is_left_out() {
    let bench = Bench::new();
    let crash = "fn main(args) { panic(\"on purpose\") }\n";
    bench.workload("memory/crash", "alloc", "x", crash);
    let matrix = "workloads = [\"@core\"]\nheaps = [\"mark-sweep\"]\nheap_factors = [2, 4]";
    bench.spec(matrix, SMALL);
    let ran = bench.run(&["run", "test"]).ok();
    assert!(ran.stderr.contains("8 ok"), "{}", ran.stderr);
    let plan = bench.run(&["plan", "test"]).ok();
    let said = "excluded: memory/crash n=2: it has no minimum heap on mark-sweep (alone: crash";
    assert!(plan.stdout.contains(said), "{}", plan.stdout);
}

#[test]
fn a_full_disk_stops_the_run_and_more_space_continues_it() {
    for file in ["invocations.csv", "iterations.csv", "pauses.csv"] {
        let bench = two_programs("[\"mark-sweep\"]");
        let results = bench.path("results/local/test");
        fs::create_dir_all(&results).expect("a folder");
        symlink("/dev/full", results.join(file)).expect("a link");
        let said = [file, "No space left on device", "free some space", "again"];
        bench.run(&["run", "test"]).refused(&said);
        fs::remove_file(results.join(file)).expect("the link");
        let ran = bench.run(&["run", "test"]).ok();
        assert!(ran.stderr.contains("4 ok"), "{}", ran.stderr);
    }
}

/// The system cuts a write short in the middle of a row: it is cut off, and the rest is run.
#[test]
fn a_write_that_is_cut_short_leaves_no_torn_row() {
    let bench = two_programs("[\"mark-sweep\", \"semispace\"]");
    bench.spec(
        "workloads = [\"@core\"]\nheaps = [\"mark-sweep\", \"semispace\"]\nheap_bytes = [\"2MiB\"]",
        "invocations = 20\niterations = 2",
    );
    let limited =
        format!("trap '' XFSZ; ulimit -f 8; exec {BINARY} run test --workloads workloads");
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &limited]).current_dir(bench.path(""));
    let ran: Ran = command.output().expect("bash starts").into();
    ran.refused(&["cannot write", "File too large", "ulimit -f"]);
    let written = fs::metadata(bench.path("results/local/test/invocations.csv")).expect("the file");
    assert!(written.len() > 4000, "it was cut before anything was written");
    let ran = bench.run(&["run", "test"]).ok();
    assert!(ran.stderr.contains("80 ok"), "{}", ran.stderr);
    assert_eq!(bench.rows("invocations.csv").len(), 80);
    assert_eq!(bench.rows("iterations.csv").len(), 160);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_the_remedy() {
    let bench = two_programs("[\"mark-sweep\"]");
    fs::create_dir(bench.path("results")).expect("a folder");
    let readable = fs::Permissions::from_mode(0o555);
    fs::set_permissions(bench.path("results"), readable).expect("permissions");
    // The superuser may write anywhere: as somebody else, with the binary where all can reach it.
    let binary = bench.path("menagerie");
    fs::copy(BINARY, &binary).expect("a copy of the binary");
    fs::set_permissions(bench.path(""), fs::Permissions::from_mode(0o755)).expect("permissions");
    let mut command = std::process::Command::new(&binary);
    command.args(["run", "test", "--workloads", "workloads"]).current_dir(bench.path(""));
    if fs::metadata("/proc/self").expect("this process").uid() == 0 {
        const NOBODY: u32 = 65534;
        command.uid(NOBODY).gid(NOBODY);
    }
    let ran: Ran = command.output().expect("the binary starts").into();
    ran.refused(&["cannot make results/local/test", "Permission denied", "--results"]);
}

#[test]
fn two_runs_of_one_experiment_do_not_mix() {
    let bench = two_programs("[\"mark-sweep\"]");
    let slow = "fn main(args) { sleep(3000); print(\"slow\"); }\n";
    bench.workload("memory/slow", "clock", "slow", slow);
    bench.spec(
        "workloads = [\"memory/slow\"]\nheaps = [\"mark-sweep\"]\nheap_bytes = [\"2MiB\"]",
        "invocations = 1\niterations = 1\nwarmup = 0",
    );
    let mut first = bench.command(&["run", "test"]).spawn().expect("the binary starts");
    let lock = bench.path("results/local/test/journal.csv");
    while !lock.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    bench.run(&["run", "test"]).refused(&["another run writes to results/local/test"]);
    assert!(first.wait().expect("it ends").success());
}

#[test]
fn results_of_another_binary_are_not_added_to() {
    let bench = two_programs("[\"mark-sweep\"]");
    bench.run(&["run", "test", "--only", "workload=memory/churn"]).ok();
    let other = bench.path("other");
    let mut bytes = fs::read(BINARY).expect("the binary");
    bytes.extend(b"another build");
    fs::write(&other, bytes).expect("another binary");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).expect("permissions");
    let other = other.to_string_lossy().into_owned();
    let words = ["run", "test", "--binary", &other];
    bench.run(&words).refused(&["came from another build", "--allow-other-binary"]);
    let ran = bench.run(&[&words[..], &["--allow-other-binary"]].concat()).ok();
    assert!(ran.stderr.contains("4 ok"), "{}", ran.stderr);
}

#[test]
fn a_folder_without_results_says_what_makes_them() {
    let bench = two_programs("[\"mark-sweep\"]");
    for command in ["analyze", "plot", "table", "report"] {
        bench
            .run(&[command, "results/local/test"])
            .refused(&["results/local/test has no manifest.json"]);
    }
}
