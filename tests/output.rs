//! Printing to somebody who does not read: the task that prints waits, and nobody else.

mod common;

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Capture, Compiled, How, end_of_printing};
use menagerie::compile::Compilation;
use menagerie::host::functions::{Data, HostFunctions};
use menagerie::ir::escape;
use menagerie::output::{FULL, Output};
use menagerie::report::Ending;
use menagerie::sched::SchedulerInfo;
use menagerie_strategies::SCHEDULERS;

/// A reader that does not read before it is told to: until then, writing waits.
struct Slow {
    told: Receiver<()>,
    reads: bool,
    /// Whether it gave up waiting.
    lonely: Arc<Mutex<bool>>,
    seen: Capture,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.reads {
            // On any machine, longer than what it waits for.
            let told = self.told.recv_timeout(Duration::from_secs(60));
            *self.lonely.lock().unwrap() |= told.is_err();
            self.reads = true;
        }
        self.seen.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compiles a program that may call `read()`, which tells the reader to read.
fn compile(source: &str, tell: Sender<()>) -> Compiled {
    let tell = Mutex::new(tell);
    let functions = HostFunctions::default().blocking("read", 0, 0, move |_| {
        // A reader that reads already needs not be told.
        let _ = tell.lock().unwrap().send(());
        Ok(Data::Nil)
    });
    let mut compilation = Compilation::new(escape::Options::default());
    compilation.functions = functions;
    let program = compilation.program(Path::new("output.mena"), source.as_bytes());
    let program = program.expect("it compiles");
    Compiled { code: compilation.code(&program).expect("it verifies"), program }
}

fn on(scheduler: &SchedulerInfo, heap: &'static str) -> How {
    let workers = if scheduler.parallel { 3 } else { 1 };
    How { scheduler: scheduler.name, workers, real_time: true, ..How::on(heap) }
}

/// All that do something else while output is written.
fn schedulers() -> impl Iterator<Item = &'static SchedulerInfo> {
    SCHEDULERS.iter().map(|(info, _)| info).filter(|info| !info.virtual_time)
}

/// Runs it until its end; what the readers of output and errors got, after the program has told them.
fn run(source: &str, how: &How, errors_too: bool) -> (String, String, Ending) {
    let (tell, told) = channel();
    let (seen, errors, lonely) = (Capture::default(), Capture::default(), Arc::default());
    let compiled = compile(source, tell);
    let slow = |told, seen: &Capture| Slow {
        told,
        reads: false,
        lonely: Arc::clone(&lonely),
        seen: seen.clone(),
    };
    let output = match errors_too {
        false => Output::waiting(slow(told, &seen), errors.clone()),
        true => Output::waiting(seen.clone(), slow(told, &errors)),
    };
    let (ending, _) = end_of_printing(&compiled, how, output).expect("a VM");
    assert!(!*lonely.lock().unwrap(), "nobody called `read`: {how:?}\n{source}");
    (seen.text(), errors.text(), ending)
}

/// Prints three times what fits, while another task collects and then has the reader read.
#[test]
fn other_tasks_go_on_while_nobody_reads() {
    let lines = 3 * FULL / 10;
    let source = format!(
        "let prints = spawn {{ for i in 0..{lines} {{ print(100_000_000 + i) }}; clock_ns() }}
let others = (0..3).map(|n| spawn {{
    for i in 0..1000 {{ [i]; if i % 100 == 0 {{ gc(); yield }} }}
    sleep(1)
    print(\"task {{n}}\")
    n
}})
sleep(30)
let told = clock_ns()
read()
print(others.map(|t| t.join()).sum(), prints.join() > told)"
    );
    for scheduler in schedulers() {
        for heap in ["mark-sweep", "rc"] {
            let how = on(scheduler, heap);
            let (output, _, ending) = run(&source, &how, false);
            assert_eq!(ending, Ending::Finished, "{how:?}");
            // Each task's lines are in order and whole, whoever prints between them.
            let mut left: Vec<&str> = output.lines().collect();
            assert_eq!(left.pop(), Some("3 true"), "{how:?}");
            left.retain(|line| !line.starts_with("task "));
            let wanted: Vec<_> = (0..lines).map(|i| (100_000_000 + i).to_string()).collect();
            assert_eq!(left, wanted, "{how:?}");
            assert_eq!(output.matches("task ").count(), 3, "{how:?}");
        }
    }
}

#[test]
fn errors_wait_for_their_reader_and_come_last() {
    let source = "let complains = spawn { print(\"before\"); eprint(\"error\"); print(\"after\") }
for i in 0..100 { [i]; if i % 10 == 0 { gc(); yield } }
read()
complains.join()
eprint(\"last\")";
    for scheduler in schedulers() {
        let how = on(scheduler, "mark-sweep");
        let (output, errors, ending) = run(source, &how, true);
        assert_eq!(ending, Ending::Finished, "{how:?}");
        assert_eq!((output.as_str(), errors.as_str()), ("before\nafter\n", "error\nlast\n"));
    }
}

/// A program that sleeps shows what it has printed, and its timers do not wait for the reader.
#[test]
fn timers_fire_while_nobody_reads() {
    let source = "print(\"shown\")
sleep(5)
for _ in 0..5 { sleep(1) }
read()
print(\"end\")";
    for scheduler in schedulers() {
        let how = on(scheduler, "mark-sweep");
        let (output, _, ending) = run(source, &how, false);
        assert_eq!((output.as_str(), ending), ("shown\nend\n", Ending::Finished), "{how:?}");
    }
}

/// Many tasks that find no room; all schedulers, at the cap and without any helper.
#[test]
fn everybody_prints_in_the_end() {
    let source =
        "let tasks = (0..40).map(|t| spawn { for i in 0..500 { print(t, i, \"......\") } })
tasks.each(|t| t.join())";
    for scheduler in SCHEDULERS.iter().map(|(info, _)| info) {
        for call_threads in [0, 1, 64] {
            let how = How { call_threads: Some(call_threads), ..on(scheduler, "mark-sweep") };
            let (tell, _) = channel();
            let seen = Capture::default();
            let output = Output::waiting(seen.clone(), io::sink());
            let (ending, stats) =
                end_of_printing(&compile(source, tell), &how, output).expect("a VM");
            assert_eq!(ending, Ending::Finished, "{how:?}");
            let output = seen.text();
            for t in 0..40 {
                let start = format!("{t} ");
                let lines = output.lines().filter(|line| line.starts_with(&start));
                let wanted: Vec<_> = (0..500).map(|i| format!("{t} {i} ......")).collect();
                assert_eq!(lines.collect::<Vec<_>>(), wanted, "{how:?}");
            }
            // Among several workers, one that is idle may have written in time.
            let waits = stats.all_workers().counts.output_waits;
            assert!(how.workers > 1 || waits > 0, "{how:?}");
        }
    }
}

/// What a task that was cancelled had begun to print is printed; there is no deadlock when the last tasks
/// wait for their output; a failure ends the program with all that was printed before it.
#[test]
fn nothing_printed_is_lost_at_the_end() {
    let long = "x".repeat(FULL);
    let print_twice = format!("print(\"{long}\"); print(\"{long}\")");
    let cancelled =
        format!("let t = spawn {{ {print_twice} }}\nyield\nt.cancel()\nread()\nt.join()");
    let failing = format!("read()\n{print_twice}\nprint(1)\nthrow \"over\"");
    for scheduler in schedulers() {
        let how = on(scheduler, "mark-sweep");
        let (output, _, ending) = run(&cancelled, &how, false);
        assert_eq!((output, ending), (format!("{long}\n{long}\n"), Ending::Finished), "{how:?}");
        let (output, _, ending) = run(&failing, &how, false);
        assert_eq!(output, format!("{long}\n{long}\n1\n"), "{how:?}");
        assert_eq!(ending.error_kind(), Some("Thrown"), "{how:?}");
    }
}
