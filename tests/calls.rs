//! Calls that block the system's thread: the program goes on meanwhile, collections happen, and nobody
//! waits for them at the end.

mod common;

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use common::{Capture, How, compile, end_of_into};
use menagerie::input::Input;
use menagerie::report::Ending;
use menagerie_strategies::SCHEDULERS;

/// Input that comes when somebody sends it; the end when the sender is gone.
struct Sent(Receiver<&'static str>);

impl Read for Sent {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let text = self.0.recv().unwrap_or_default();
        to[..text.len()].copy_from_slice(text.as_bytes());
        Ok(text.len())
    }
}

/// Sends a line of input whenever the program prints the word.
struct Answers {
    to: Sender<&'static str>,
    word: &'static str,
    line: &'static str,
    seen: Capture,
}

impl Write for Answers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.windows(self.word.len()).any(|text| text == self.word.as_bytes()) {
            // A program that does not read does not want it.
            let _ = self.to.send(self.line);
        }
        self.seen.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All that do something else while a call blocks: in virtual time, nothing happens meanwhile.
fn schedulers() -> impl Iterator<Item = &'static str> {
    SCHEDULERS.iter().map(|(info, _)| info).filter(|info| !info.virtual_time).map(|info| info.name)
}

/// Runs a program whose input is `line` each time that it has printed `word`: what it printed, its end.
fn run(
    scheduler: &'static str,
    call_threads: Option<usize>,
    source: &str,
    (word, line): (&'static str, &'static str),
) -> (String, Ending) {
    let (to, from) = channel();
    let seen = Capture::default();
    let output = Answers { to, word, line, seen: seen.clone() };
    let compiled = compile(Path::new("calls.mena"), source).expect("it compiles");
    let parallel = !matches!(scheduler, "green" | "inline");
    let how = How {
        scheduler,
        workers: if parallel { 3 } else { 1 },
        input: Some(Input::new(Sent(from))),
        call_threads,
        real_time: true,
        ..How::on("mark-sweep")
    };
    let (ending, _) = end_of_into(&compiled, &how, Box::new(output)).expect("the VM can be built");
    (seen.text(), ending)
}

#[test]
fn a_program_goes_on_and_collects_while_it_reads() {
    let source = "let reads = spawn { read_line() }
for i in 0..3 { yield }
gc()
sleep(1)
print(\"collected\")
print(reads.join())";
    for scheduler in schedulers() {
        let (output, ending) = run(scheduler, None, source, ("collected", "answer\n"));
        assert_eq!(
            (output.as_str(), ending),
            ("collected\nanswer\n", Ending::Finished),
            "{scheduler}"
        );
    }
}

#[test]
fn calls_queue_at_the_cap() {
    let source = "let readers = (0..5).map(|i| spawn { read_line() })
sleep(1)
print(\"go\")
let lines = readers.map(|r| r.join())
lines.sort()
print(lines)";
    for scheduler in schedulers() {
        for call_threads in [1, 2, 64] {
            let input = ("go", "a\nb\nc\nd\ne\n");
            let (output, ending) = run(scheduler, Some(call_threads), source, input);
            let want = "go\n[\"a\", \"b\", \"c\", \"d\", \"e\"]\n";
            assert_eq!((output.as_str(), ending), (want, Ending::Finished), "{scheduler}");
        }
    }
}

#[test]
fn without_a_thread_the_worker_reads_itself() {
    for scheduler in schedulers() {
        let source = "print(\"go\")\nprint(read_line())";
        let (output, ending) = run(scheduler, Some(0), source, ("go", "x\n"));
        assert_eq!((output.as_str(), ending), ("go\nx\n", Ending::Finished), "{scheduler}");
    }
}

#[test]
fn what_is_in_flight_is_no_deadlock_until_it_ends() {
    let source = "let c = channel(0)
let stuck = spawn { c.recv() }
print(\"reading\")
print(read_line())
stuck.join()";
    for scheduler in schedulers() {
        let (output, ending) = run(scheduler, None, source, ("reading", "x\n"));
        assert_eq!(output, "reading\nx\n", "{scheduler}");
        assert!(matches!(&ending, Ending::Deadlock(stuck) if stuck.len() == 2), "{ending:?}");
    }
}

#[test]
fn nobody_waits_for_a_call_at_the_end() {
    // One fails beside the reader; the other has cancelled it.
    let failing = "spawn { read_line() }\nsleep(1)\nthrow \"over\"";
    let cancelling = "let reads = spawn { read_line() }
sleep(1)
reads.cancel()
let error = try { reads.join() } catch Error { kind } { kind }
print(error)";
    for scheduler in schedulers() {
        let (_, ending) = run(scheduler, None, failing, ("never", ""));
        assert_eq!(ending.error_kind(), Some("Thrown"), "{scheduler}: {ending:?}");
        let (output, ending) = run(scheduler, None, cancelling, ("never", ""));
        assert_eq!((output.as_str(), ending), (":Cancelled\n", Ending::Finished), "{scheduler}");
    }
}
