//! The command line as a user meets it: the built binary, its exit status and both outputs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, Command, Output, Stdio};

/// A directory of its own for one test; the binary runs in it, so places read `prog.mena:1:1`.
struct Bench {
    folder: PathBuf,
}

/// What a run gave.
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new(test: &str) -> Bench {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
        fs::create_dir_all(&folder).expect("a folder for the test");
        Bench { folder }
    }
    /// A bench whose `prog.mena` is `source`.
    fn with(test: &str, source: &str) -> Bench {
        Bench::new(test).file("prog.mena", source)
    }
    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Bench {
        fs::write(self.folder.join(name), content).expect("a file for the test");
        self
    }
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_menagerie"));
        command.args(words).current_dir(&self.folder).stdin(Stdio::null());
        command
    }
    fn run(&self, words: &[&str]) -> Ran {
        self.command(words).output().expect("the binary starts").into()
    }
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect("the run wrote the file")
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("outputs are UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Ran { status: output.status.code(), stdout, stderr }
    }
}

impl Ran {
    #[track_caller]
    fn check(self, status: i32, stdout: &str, said: &[&str]) -> Ran {
        let Ran { status: got, stdout: out, stderr } = &self;
        assert_eq!(*got, Some(status), "status; stderr:\n{stderr}");
        assert_eq!(out, stdout, "stdout; stderr:\n{stderr}");
        for part in said {
            assert!(stderr.contains(part), "stderr lacks {part:?}:\n{stderr}");
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(stderr.is_empty() || stderr.ends_with('\n'), "unfinished line:\n{stderr}");
        self
    }
    /// Bad usage: status 2, nothing on the standard output, an error that says these things.
    #[track_caller]
    fn refused(self, said: &[&str]) {
        let ran = self.check(2, "", said);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
}

/// Runs `source` and compares everything.
#[track_caller]
fn check(test: &str, source: &str, words: &[&str], status: i32, stdout: &str, said: &[&str]) {
    let words = [&["exec"], words, &["prog.mena"]].concat();
    Bench::with(test, source).run(&words).check(status, stdout, said);
}

/// `print("hi")` is refused with these words.
#[track_caller]
fn refuse(test: &str, words: &[&str], said: &[&str]) {
    let words = [&["exec"], words, &["prog.mena"]].concat();
    Bench::with(test, "print(\"hi\")").run(&words).refused(said);
}

// ---- endings ----

#[test]
fn success_is_silent() {
    let ran = Bench::with("success", "print(\"hi\")").run(&["exec", "prog.mena"]);
    let ran = ran.check(0, "hi\n", &[]);
    assert_eq!(ran.stderr, "");
}

#[test]
fn an_empty_program_succeeds() {
    check("empty", "", &[], 0, "", &[]);
}

const FAILS: &str = r#"
fn inner(n) {
    if n == 0 { throw "oh" }
    1 + inner(n - 1)
}
fn main() {
    print("before")
    eprint("to the error output")
    let x = inner(2)
    print(x)
}
"#;

#[test]
fn an_uncaught_error_has_a_place_and_a_trace() {
    let ran = Bench::with("uncaught", FAILS).run(&["exec", "prog.mena"]);
    let ran = ran.check(1, "before\n", &[]);
    let expected = "\
to the error output
error: Thrown: oh
 --> prog.mena:3:23
  |
3 |     if n == 0 { throw \"oh\" }
  |                       ^^^^
  in inner at prog.mena:3:23
  in inner at prog.mena:4:9 (2 times)
  in main at prog.mena:9:13
  in <entry> at prog.mena:6:1
";
    assert_eq!(ran.stderr, expected);
}

#[test]
fn a_run_time_error_names_its_kind() {
    let said = ["error: IndexOutOfRange: ", "--> prog.mena:2:7", "xs[3]"];
    check("kind", "let xs = [1]\nprint(xs[3])", &[], 1, "", &said);
}

#[test]
fn a_deep_trace_is_short() {
    let source = "fn depth(n) { 1 + depth(n + 1) }\ndepth(0)";
    let ran = Bench::with("deep_trace", source).run(&["exec", "prog.mena"]);
    let said = ["StackOverflow: ", "in depth at prog.mena:1:19 (64 times)", "there may be more"];
    let ran = ran.check(1, "", &said);
    assert!(ran.stderr.lines().count() < 12, "{}", ran.stderr);
}

#[test]
fn the_error_of_an_unjoined_task_is_reported() {
    let source = "spawn { throw \"lost\" }\nprint(\"end\")";
    check("unjoined", source, &[], 1, "end\n", &["error: Thrown: lost", "--> prog.mena:1:15"]);
}

#[test]
fn out_of_memory_is_status_3() {
    let source = "print(1)\nlet all = []\nloop { all.push([1, 2, 3]) }";
    for heap in ["nogc", "mark-sweep", "semispace"] {
        let words = ["--heap", heap, "--heap-bytes", "1MiB"];
        let said = ["error: OutOfMemory: the heap is exhausted", "--> prog.mena:3:"];
        check(&format!("oom_{heap}"), source, &words, 3, "1\n", &said);
    }
}

#[test]
fn the_step_limit_is_status_4() {
    let said = ["StepLimit: the step limit was reached", "--> prog.mena:2:1"];
    check("steps", "print(1)\nloop {}", &["--step-limit", "1000"], 4, "1\n", &said);
}

const DEADLOCK: &str = "\
let tasks = [nil, nil]
fn wait_for(i) {
    while tasks[i] == nil { yield }
    tasks[i].join()
}
fn main() {
    tasks[0] = spawn wait_for(1)
    tasks[1] = spawn wait_for(0)
    print(\"started\")
    tasks[0].join()
}
";

#[test]
fn a_deadlock_names_the_cycle_and_the_lines() {
    let ran = Bench::with("deadlock", DEADLOCK).run(&["exec", "prog.mena"]);
    let ran = ran.check(5, "started\n", &[]);
    let expected = "\
error: Deadlock: every task waits for another
  task 2 in wait_for at prog.mena:4:5 waits for the end of task 3 (in the cycle)
    spawned at prog.mena:7:16
  task 3 in wait_for at prog.mena:4:5 waits for the end of task 2 (in the cycle)
    spawned at prog.mena:8:16
  task 1 in main at prog.mena:10:5 waits for the end of task 2
";
    assert_eq!(ran.stderr, expected);
}

#[test]
fn help_documents_every_status() {
    let ran = Bench::new("help").run(&["--help"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    for status in ["0", "1", "2", "3", "4", "5", "101"] {
        let start = format!("  {status} ");
        assert!(lines.iter().any(|l| l.starts_with(&start)), "no {status} in {}", ran.stdout);
    }
}

// ---- bad usage ----

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    refuse("no_heap", &["--heap", "nope"], &["unknown heap `nope`", "nogc, mark-sweep"]);
    refuse("no_sched", &["--sched", "nope"], &["unknown scheduler `nope`", "green"]);
    refuse("no_option", &["--hep", "nogc"], &["--hep", "--help"]);
    refuse("no_engine", &["--engine", "x"], &["--engine", "default, tail, loop"]);
    Bench::new("no_command").run(&["exe"]).refused(&["'exe'", "'exec'"]);
}

#[test]
fn names_are_checked_before_the_program_is_read() {
    Bench::new("first").run(&["exec", "--heap", "nope", "no.mena"]).refused(&["heap `nope`"]);
}

#[test]
fn bad_parameters_are_refused() {
    refuse("p1", &["--heap-param", "foo=1"], &["no parameter `foo`", "allocator"]);
    refuse("p2", &["--heap-param", "allocator=x"], &["allocator=x", "blocks, mimalloc"]);
    refuse("p3", &["--heap-param", "allocator"], &["--heap-param", "NAME=VALUE"]);
    refuse("p4", &["--heap-param", "=x"], &["--heap-param", "NAME=VALUE"]);
    refuse("p5", &["--sched-param", "foo=1"], &["no parameter `foo`", "quantum"]);
    refuse("p6", &["--sched-param", "quantum=0"], &["quantum=0", "from 1 on"]);
    refuse("p7", &["--sched-param", "quantum=x"], &["quantum=x", "`max`"]);
    refuse("p8", &["--param", "n"], &["--param", "NAME=VALUE"]);
    refuse("p9", &["--step-limit", "0"], &["--step-limit"]);
    refuse("p10", &["--stress", "0"], &["--stress"]);
}

#[test]
fn bad_sizes_are_refused() {
    for size in ["0", "0MiB", "x", "", "-1", "nan", "1e30", "9999999999999GB"] {
        let word = format!("--heap-bytes={size}");
        let ran = Bench::with("sizes", "").run(&["exec", &word, "prog.mena"]);
        ran.refused(&["--heap-bytes", "64MiB"]);
    }
    for heap in ["nogc", "mark-sweep", "semispace"] {
        let ran = |size: &str| {
            let words = ["exec", "--heap", heap, "--heap-bytes", size, "prog.mena"];
            Bench::with("tiny", "print(\"hi\")").run(&words)
        };
        ran("1").refused(&["raise", "limit"]);
        ran("1024TiB").refused(&["the system refuses", "lower the limit"]);
        ran("1MiB").check(0, "hi\n", &[]);
    }
}

#[test]
fn unreadable_programs_are_refused() {
    let bench = Bench::new("unreadable").file("bad.mena", b"print(\"\xff\")\n");
    for command in [&["exec"][..], &["check"], &["dump", "--stage", "ast"]] {
        let run = |file| bench.run(&[command, &[file]].concat());
        run("no.mena").refused(&["cannot read no.mena", "No such file"]);
        run(".").refused(&["cannot read .", "directory"]);
        run("bad.mena").refused(&["not UTF-8", "0xff", "bad.mena:1:8", "UTF-8 encoding"]);
    }
}

// ---- compile errors ----

const WRONG: &str = "let x = 1\nx = 2\nprint(totl)\nfn add(a, b) { a + b }\nprint(add(1))\n";

#[test]
fn compile_errors_come_together_and_underlined() {
    let bench = Bench::with("wrong", WRONG);
    let expected = "\
error: cannot assign to `x`
 --> prog.mena:2:1
  |
2 | x = 2
  | ^ it is not declared with `var`
  |
  = help: declare it with `var x = …`

error: undefined name `totl`
 --> prog.mena:3:7
  |
3 | print(totl)
  |       ^^^^ not found here

error: `add` takes 2 arguments, but 1 is given
 --> prog.mena:5:7
  |
5 | print(add(1))
  |       ^^^^^^
";
    let dump = ["dump", "--stage", "bytecode", "prog.mena"];
    for words in [&["exec", "prog.mena"][..], &["check", "prog.mena"], &dump] {
        let ran = bench.run(words).check(2, "", &[]);
        assert_eq!(ran.stderr, expected);
    }
}

#[test]
fn many_errors_are_cut_off_with_their_number() {
    let source: String = (0..30).map(|i| format!("print(missing{i})\n")).collect();
    check("many_errors", &source, &[], 2, "", &["missing19", "… and 10 more"]);
}

#[test]
fn errors_in_imported_files_name_the_file() {
    let bench = Bench::with("imports", "import shapes\nprint(shapes::area(3))");
    let ran = bench.run(&["exec", "prog.mena"]);
    ran.refused(&["cannot import `shapes`", "prog.mena:1:8"]);
    let bench = Bench::with("imports2", "import shapes\nprint(shapes::area(3))");
    let bench = bench.file("shapes.mena", "fn area(x) {\n    x * y\n}");
    bench.run(&["exec", "prog.mena"]).refused(&["undefined name `y`", "shapes.mena:2:9"]);
    let bench = bench.file("shapes.mena", "fn area(x) { x * x }");
    bench.run(&["exec", "prog.mena"]).check(0, "9\n", &[]);
}

#[test]
fn check_is_silent_about_a_good_program_and_does_not_run_it() {
    let ran = Bench::with("check", "print(1)").run(&["check", "prog.mena"]).check(0, "", &[]);
    assert_eq!(ran.stderr, "");
}

// ---- what a program gets ----

#[test]
fn arguments_and_parameters_arrive() {
    let source = "fn main(given) {
    print(given, args(), param(\"n\", 1), param(\"s\", \"d\"), param(\"f\", 0.5), param(\"d\", 7))
}";
    let words =
        ["exec", "--param", "n=3", "--param", "s=a=b", "--param=f=2.5", "prog.mena", "x", "-y"];
    let ran = Bench::with("args", source).run(&words);
    ran.check(0, "[\"x\", \"-y\"] [\"x\", \"-y\"] 3 a=b 2.5 7\n", &[]);
}

#[test]
fn the_last_of_equal_parameters_counts() {
    let words = ["--param", "n=1", "--param", "n=2"];
    check("twice", "print(param(\"n\", 0))", &words, 0, "2\n", &[]);
}

#[test]
fn the_standard_input_is_read_line_by_line() {
    let source = "loop {
    let line = read_line()
    if line == nil { break }
    print(\"<{line}>\")
}
print(read_line())";
    for (input, expected) in
        [("", "nil\n"), ("a\n\nb", "<a>\n<>\n<b>\nnil\n"), ("é\r\nb\n", "<é>\n<b>\nnil\n")]
    {
        let bench = Bench::with("stdin", source).file("input", input);
        let mut command = bench.command(&["exec", "prog.mena"]);
        let input = File::open(bench.folder.join("input")).expect("just written");
        let ran: Ran = command.stdin(input).output().expect("the binary starts").into();
        ran.check(0, expected, &[]);
    }
}

#[test]
fn every_heap_engine_and_quantum_gives_the_same_output() {
    let source = "let tasks = (0..5).map(|i| spawn { yield; (0..100).map(|x| x * i).sum() })
print(tasks.map(|t| t.join()))";
    for heap in ["nogc", "mark-sweep", "semispace"] {
        for quantum in ["quantum=1", "quantum=max"] {
            for engine in ["default", "tail", "loop"] {
                let words =
                    ["--heap", heap, "--sched-param", quantum, "--engine", engine, "--fixed-heap"];
                check("same", source, &words, 0, "[0, 4950, 9900, 14850, 19800]\n", &[]);
            }
        }
    }
}

// ---- what the command says about a run ----

const CHURN: &str = "var kept = nil
for i in 0..200000 { kept = [i, [i]] }
gc()
print(kept)";

#[test]
fn statistics_go_to_the_error_output() {
    let said = ["reductions ", "allocated ", "collections ", "live after last gc", "pause, CPU"];
    check("stats", CHURN, &["--stats"], 0, "[199999, [199999]]\n", &said);
}

#[test]
fn counters_go_to_the_error_output() {
    check("count", CHURN, &["--count"], 0, "[199999, [199999]]\n", &["allocations ", "loads "]);
}

#[test]
fn checks_do_not_change_the_output() {
    let source = "let xs = (0..50).map(|i| [i])\nprint(xs.len(), xs[49])";
    for heap in ["nogc", "mark-sweep", "semispace"] {
        let words = ["--heap", heap, "--check", "--stress", "3", "--count"];
        check("checks", source, &words, 0, "50 [49]\n", &["allocations "]);
    }
}

#[test]
fn events_are_valid_csv() {
    let bench = Bench::with("events", CHURN);
    let words = ["exec", "--events", "events.csv", "prog.mena"];
    let ran = bench.run(&words).check(0, "[199999, [199999]]\n", &[]);
    assert_eq!(ran.stderr, "");
    let text = bench.read("events.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    assert_eq!(header, csv::StringRecord::from(vec!["time_ns", "event", "task", "detail"]));
    let rows: Result<Vec<csv::StringRecord>, _> = reader.records().collect();
    let rows = rows.expect("rows as wide as the header");
    let times: Vec<u64> = rows.iter().map(|r| r[0].parse().expect("nanoseconds")).collect();
    assert!(times.is_sorted(), "events are in order");
    let count = |name: &str| rows.iter().filter(|r| &r[1] == name).count();
    assert_eq!(&rows[0][1], "task_spawn");
    assert!(count("collection_begin") > 1);
    assert_eq!(count("collection_begin"), count("collection_end"));
    assert_eq!(count("slice_begin"), count("slice_end"));
    let of_worker = |r: &&csv::StringRecord| &r[1] == "slice_begin" && &r[3] == "worker=0";
    assert_eq!(rows.iter().filter(of_worker).count(), count("slice_begin"));
    assert_eq!(count("task_spawn"), count("task_end"));
    assert!(rows.iter().any(|r| r[3].contains("traced_objects=")));
}

#[test]
fn an_events_file_that_cannot_be_made_is_refused() {
    for (file, why) in [("no/such/folder.csv", "No such file"), (".", "directory")] {
        refuse("no_events", &["--events", file], &["cannot write events to", file, why]);
    }
}

// ---- broken outputs ----

#[cfg(target_os = "linux")]
fn full_disk() -> File {
    File::options().write(true).open("/dev/full").expect("Linux has /dev/full")
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_for_events_is_an_error_after_the_run() {
    let said = ["error: events in /dev/full are incomplete: No space left"];
    check("full_events", CHURN, &["--events", "/dev/full"], 1, "[199999, [199999]]\n", &said);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_for_the_output_is_an_error() {
    let bench = Bench::with("full_output", "print(1)");
    let bench = bench.file("long.mena", "for i in 0..100000 { print(i) }");
    for words in [
        &["exec", "prog.mena"][..],
        &["exec", "long.mena"],
        &["list"],
        &["dump", "--stage", "ssa", "prog.mena"],
    ] {
        let mut command = bench.command(words);
        let ran: Ran = command.stdout(full_disk()).output().expect("the binary starts").into();
        ran.check(1, "", &["error: ", "No space left"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_for_the_error_output_keeps_the_status() {
    let bench = Bench::with("full_errors", FAILS).file("wrong.mena", WRONG);
    for (words, status) in [
        (&["exec", "--stats", "prog.mena"][..], 1),
        (&["exec", "wrong.mena"], 2),
        (&["exec", "no.mena"], 2),
    ] {
        let mut command = bench.command(words);
        let ran = command.stderr(full_disk()).output().expect("the binary starts");
        assert_eq!(ran.status.code(), Some(status), "{words:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_panic() {
    let bench = Bench::with("pipe", "for i in 0..1000000 { print(i) }");
    for words in [&["exec", "prog.mena"][..], &["dump", "--stage", "ssa", "--prelude", "prog.mena"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = bench.command(words);
        let ran: Ran = command.stdout(writer).output().expect("the binary starts").into();
        ran.check(1, "", &["error: ", "Broken pipe"]);
    }
}

#[test]
fn a_writer_that_stays_silent_is_the_end_of_the_input() {
    let bench = Bench::with("silent", "print(read_line(), read_line())");
    let mut command = bench.command(&["exec", "prog.mena"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"one").expect("the program reads");
    drop(input);
    let ran: Ran = child.wait_with_output().expect("the binary ends").into();
    ran.check(0, "one nil\n", &[]);
}

// ---- list and dump ----

#[test]
fn list_shows_the_registry() {
    let ran = Bench::new("list").run(&["list"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    for (info, _) in menagerie_strategies::HEAPS {
        assert!(ran.stdout.contains(&format!("  {} ", info.name)), "{}", ran.stdout);
        assert!(ran.stdout.contains(info.summary), "{}", ran.stdout);
        for p in info.parameters {
            assert!(ran.stdout.contains(&format!("{}={}", p.name, p.default)), "{}", ran.stdout);
        }
    }
    for (info, _) in menagerie_strategies::SCHEDULERS {
        assert!(ran.stdout.contains(&format!("  {} ", info.name)), "{}", ran.stdout);
    }
}

#[test]
fn list_shows_workloads_as_text_and_as_json() {
    let bench = Bench::new("list_workloads");
    let ran = bench.run(&["list", "workloads"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("awfy/storage") && !ran.stdout.contains("mark-sweep"));
    let ran = bench.run(&["list", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let named = |kind: &str, key: &str, name: &str| {
        all[kind].as_array().expect("a list").iter().find(|x| x[key] == name).cloned()
    };
    let storage = named("workloads", "id", "awfy/storage").expect("a workload");
    assert_eq!(storage["params"][0]["values"]["small"], "2");
    assert_eq!(storage["expected"]["default"][0], "storage 5461");
    assert!(named("heaps", "name", "semispace").is_some());
    assert!(named("schedulers", "name", "green").is_some());
    let tagged = bench.run(&["list", "--tag", "floats"]).stdout;
    assert!(tagged.contains("awfy/nbody") && !tagged.contains("awfy/storage"), "{tagged}");
}

#[test]
fn a_workload_runs_by_its_name_at_each_size() {
    let bench = Bench::new("by_name");
    bench.run(&["exec", "awfy/mandelbrot", "--size", "small"]).check(0, "mandelbrot 128\n", &[]);
    let words = ["exec", "awfy/mandelbrot", "--size", "large", "--param", "n=1"];
    bench.run(&words).check(0, "mandelbrot 128\n", &[]);
    let ran = bench.run(&["dump", "--stage", "ast", "awfy/mandelbrot"]);
    assert!(ran.stdout.contains("fn main"), "{}", ran.stdout);
    bench.run(&["exec", "awfy/mandelbrod"]).refused(&["menagerie list workloads"]);
}

#[test]
fn a_size_needs_parameters_at_the_head() {
    let source = "// param n = 5 (small 2, large 9)\nprint(param(\"n\", 5))";
    check("size", source, &["--size", "large"], 0, "9\n", &[]);
    refuse(
        "size_none",
        &["--size", "small"],
        &["prog.mena declares no parameters", "// param n ="],
    );
    let ran = Bench::with("size_wrong", "// a\n// param n = 5\n").run(&[
        "exec",
        "--size",
        "small",
        "prog.mena",
    ]);
    ran.refused(&["prog.mena:2: `param n = 5` is not of the form"]);
}

#[test]
fn dump_shows_every_stage() {
    let bench = Bench::with("dump", "fn twice(x) { x * 2 }\nprint(twice(21))");
    for (stage, shown) in [("ast", "twice"), ("ssa", "// twice"), ("bytecode", "Return")] {
        let ran = bench.run(&["dump", "--stage", stage, "prog.mena"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{stage}");
        assert!(ran.stdout.contains(shown), "{stage}:\n{}", ran.stdout);
        assert!(ran.stdout.ends_with('\n'), "{stage}");
    }
    let dumped = |words: &[&str]| bench.run(&[&["dump", "--stage", "ssa"], words].concat()).stdout;
    assert!(dumped(&["--prelude", "prog.mena"]).len() > 2 * dumped(&["prog.mena"]).len());
    bench.run(&["dump", "prog.mena"]).refused(&["--stage"]);
    bench.run(&["dump", "--stage", "x", "prog.mena"]).refused(&["ast, ssa, bytecode"]);
}

// ---- schedulers ----

/// A process that is killed when its test fails or has seen enough.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().and_then(|()| child.wait()).expect("it can be killed");
        }
    }
}

/// A run in the background of a program that begins with `eprint("ready")`; its standard input, and what it
/// says on the error output, line by line.
fn background(
    bench: &Bench,
    words: &[&str],
) -> (Running, ChildStdin, Lines<BufReader<ChildStderr>>) {
    let mut command = bench.command(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let input = child.stdin.take().expect("piped");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    // Before that, the signal would end the process.
    assert_eq!(said.next().expect("the program runs").expect("UTF-8"), "ready");
    (Running(Some(child)), input, said)
}

/// Asks for a dump until there is one that says all of this; its lines.
fn dump(
    Running(child): &Running,
    said: &mut Lines<BufReader<ChildStderr>>,
    wanted: &[&str],
) -> Vec<String> {
    loop {
        let pid = child.as_ref().expect("it was not waited for").id().to_string();
        let killed = Command::new("kill").args(["-USR1", &pid]).status().expect("kill is there");
        assert!(killed.success(), "the process has ended");
        // What the last answer says of its last task is still to be read.
        let mut heads = said.by_ref().map(|line| line.expect("UTF-8"));
        let head = heads.find(|line| !line.starts_with(' ')).expect("an answer");
        let Some(count) = head.strip_prefix("tasks: ") else {
            assert_eq!(head, "no program is running");
            std::thread::sleep(std::time::Duration::from_millis(2));
            continue;
        };
        let mut tasks = Vec::new();
        while tasks.len() < count.parse().expect("a number") {
            let line = said.next().expect("a task").expect("UTF-8");
            if line.starts_with("  task ") {
                tasks.push(line);
            }
        }
        if wanted.iter().all(|wanted| tasks.iter().any(|task| task.contains(wanted))) {
            return tasks;
        }
    }
}

#[test]
fn a_signal_shows_every_task_while_the_program_goes_on() {
    let source = "eprint(\"ready\"); var line = nil
let c = channel(0)
spawn { c.recv() }
spawn { line = read_line() }
while line == nil {}
print(line)
c.send(1)";
    for words in [
        &["--sched", "green"][..],
        &["--sched", "work-stealing", "--workers", "2"],
        &["--sched", "threads"],
    ] {
        let bench = Bench::with("dump", source);
        let words = [&["exec"], words, &["prog.mena"]].concat();
        let (mut running, mut input, mut said) = background(&bench, &words);
        let tasks = dump(&running, &mut said, &["a line of the input", "a message on"]);
        assert_eq!(tasks.len(), 3, "{tasks:?}");
        // Which word of the loop it is at, the moment decides.
        assert!(tasks[0].starts_with("  task 1 in <entry> at prog.mena:5:"), "{tasks:?}");
        assert!(tasks[0].ends_with(" runs") || tasks[0].ends_with(" its turn"), "{tasks:?}");
        let channel =
            "prog.mena:3:9 waits for a message on channel 1 (capacity 0, no sender waits)";
        assert!(tasks[1].ends_with(channel), "{tasks:?}");
        assert!(tasks[2].ends_with("at prog.mena:4:16 waits for a line of the input"), "{tasks:?}");
        input.write_all(b"go on\n").expect("the program reads");
        let child = running.0.take().expect("it was not waited for");
        let output = child.wait_with_output().expect("the binary ends");
        assert_eq!((output.status.code(), output.stdout), (Some(0), b"go on\n".to_vec()));
    }
}

/// A pipe that nobody reads stops who prints into it: dumps are answered, tasks sleep, collect and end, and
/// nothing is lost when it is read at last.
#[test]
fn a_full_pipe_stops_nobody_but_who_prints() {
    let source = "eprint(\"ready\")
let others = spawn { for _ in 0..20 { sleep(1); gc() } }
let prints = spawn { for i in 0..100000 { print(i) } }
prints.join()
print(others.join())";
    let wanted: String = (0..100_000).map(|i| format!("{i}\n")).collect();
    for words in [
        &["--sched", "green"][..],
        &["--sched", "work-stealing", "--workers", "2"],
        &["--sched", "threads"],
    ] {
        let bench = Bench::with("full_pipe", source);
        let words = [&["exec", "--stats"], words, &["prog.mena"]].concat();
        let (mut running, _input, mut said) = background(&bench, &words);
        let waits = "waits for what was printed to be written";
        while dump(&running, &mut said, &[waits]).len() > 2 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let child = running.0.take().expect("it was not waited for");
        let output = child.wait_with_output().expect("the binary ends");
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == (wanted.clone() + "nil\n").into_bytes(), "all lines, in order");
        let mut reasons = said.map(|line| line.expect("UTF-8"));
        let reasons = reasons.find(|line| line.contains("slices ended by")).expect("statistics");
        assert!(["join ", "sleep 20", "output "].iter().all(|r| reasons.contains(r)), "{reasons}");
    }
}

#[test]
fn a_dump_comes_from_a_loop_that_never_gives_way_and_from_a_sleep() {
    for (source, wanted) in [
        ("eprint(\"ready\"); while true {}", " runs"),
        ("eprint(\"ready\"); sleep(1000000)", " waits for a point in time"),
    ] {
        for sched in ["green", "work-sharing", "threads"] {
            let bench = Bench::with("dump_busy", source);
            let quantum: &[&str] =
                if sched == "threads" { &[] } else { &["--sched-param", "quantum=max"] };
            let words = [&["exec", "--sched", sched], quantum, &["prog.mena"]].concat();
            let (running, _input, mut said) = background(&bench, &words);
            let tasks = dump(&running, &mut said, &[wanted]);
            assert_eq!(tasks.len(), 1, "{tasks:?}");
        }
    }
}

#[test]
fn a_failing_schedule_says_how_to_repeat_it() {
    let source = "var turn = 0
let tasks = (0..6).map(|i| spawn { yield; turn = turn * 7 + i })
tasks.map(|t| t.join())
throw \"ended with {turn}\"";
    let bench = Bench::with("repeat", source);
    for (flags, seed) in [(&[][..], "0"), (&["--sched-param", "seed=12"], "12")] {
        let words = [&["exec", "--sched", "deterministic"], flags, &["prog.mena"]].concat();
        let ran = bench.run(&words);
        assert_eq!(ran.status, Some(1));
        let note = format!("note: seed {seed}; this schedule again: ");
        let command = ran.stderr.lines().find_map(|line| line.strip_prefix(&note)).expect("a note");
        assert!(command.contains(&format!("seed={seed}")), "{command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&bench.folder);
        let again: Ran = shell.output().expect("a shell").into();
        let failure = |ran: &Ran| ran.stderr.lines().next().map(str::to_owned);
        assert_eq!((failure(&again), again.status), (failure(&ran), Some(1)));
    }
    // Where no seed decides, none is named.
    let flags = ["--sched-param", "oracle=round-robin", "prog.mena"];
    let ran = bench.run(&[&["exec", "--sched", "deterministic"], &flags[..]].concat());
    assert!(ran.stderr.contains("\nnote: this schedule again: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains("seed"), "{}", ran.stderr);
}

#[test]
fn statistics_tell_what_workers_did() {
    let source = "print((0..50).map(|i| spawn { yield; i }).map(|t| t.join()).sum())";
    let bench = Bench::with("activity", source);
    let ran =
        bench.run(&["exec", "--sched", "work-stealing", "--workers", "2", "--stats", "prog.mena"]);
    let said = [
        "slices ended by",
        "injector pops",
        "notifications suppressed ",
        "workers",
        "reductions ",
        "run delay",
        "run ",
        "join delay",
        "queue length",
    ];
    let ran = ran.check(0, "1225\n", &said);
    // Those of each worker, and those of all.
    let spawns = |line: &str| {
        let (_, rest) = line.split_once("spawns ")?;
        rest.split(',').next()?.trim().parse::<u64>().ok()
    };
    assert_eq!(ran.stderr.lines().filter_map(spawns).sum::<u64>(), 51, "{}", ran.stderr);
}
