//! What the programs in `experiments/workloads/language` cannot say of themselves: the words of
//! deadlock reports, any schedule and any failed allocation, two virtual machines in one process.

mod common;

use std::path::Path;

use common::{Compiled, How, Workload, collects, compile, end_of, heaps, run_compiled, workloads};
use menagerie::heap::CheckOptions;
use menagerie::ir::oracle::{self, OracleConfig};
use menagerie::report::Ending;
use menagerie::table::Stuck;

fn compiled(source: &str) -> Compiled {
    compile(Path::new("test.mena"), source).unwrap_or_else(|text| panic!("{text}"))
}

/// The programs about tasks.
fn programs() -> impl Iterator<Item = Workload> {
    const ABOUT: [&str; 14] = [
        "actors",
        "cancel",
        "channels",
        "error_actor",
        "error_cancelled",
        "error_closed",
        "error_deadlock",
        "erlang",
        "go_",
        "mailboxes",
        "mutexes",
        "par_map",
        "scope",
        "select",
    ];
    let name = |w: &Workload| w.path.file_name().unwrap().to_string_lossy().into_owned();
    workloads("language").into_iter().filter(move |w| {
        let name = name(w);
        ABOUT.iter().any(|about| name.starts_with(about)) || name.starts_with("regression")
    })
}

// ---- deadlock reports ----

/// `task 2 at 3: what it waits for`, `*` for members of a cycle; line 0: all frames
/// of the program are gone (tail calls into the prelude).
fn lines(source: &str, stuck: &[Stuck]) -> Vec<String> {
    let line = |stuck: &Stuck| {
        let at = stuck.at.filter(|at| at.span.file == 1);
        at.map_or(0, |at| source[..at.span.start as usize].matches('\n').count() + 1)
    };
    let cycle = |stuck: &Stuck| if stuck.in_cycle { "*" } else { "" };
    let text = |s: &Stuck| format!("{}task {} at {}: {}", cycle(s), s.task, line(s), s.waits_for);
    stuck.iter().map(text).collect()
}

/// The program ends with this report, on the VM and on the oracle.
#[track_caller]
fn check_deadlock(source: &str, expected: &[&str]) {
    let compiled = compiled(source);
    let oracle = oracle::run(&compiled.program, &OracleConfig::default());
    let mut endings = vec![("oracle", oracle.ending)];
    for heap in heaps() {
        endings.push((heap, end_of(&compiled, &How::on(heap)).unwrap().1));
    }
    for (on, ending) in endings {
        let Ending::Deadlock(stuck) = ending else { panic!("{on}: {ending:?}") };
        assert_eq!(lines(source, &stuck), expected, "{on}");
    }
}

#[test]
fn channels_are_named_with_their_capacity() {
    check_deadlock(
        "let ch = channel()\nspawn { channel().send(1) }\nspawn {\n\
         let c = channel(1)\n c.send(1)\n c.send(2) }\nch.recv()",
        &[
            "task 1 at 7: a message on channel 1 (capacity 0, no sender waits)",
            "task 2 at 2: a receiver on channel 2 (capacity 0, no receiver waits)",
            "task 3 at 6: room in channel 3 (capacity 1, full)",
        ],
    );
}

#[test]
fn a_loop_over_a_channel_stands_where_it_receives() {
    check_deadlock(
        "let ch = channel()\nfor x in ch {\n print(x)\n}",
        &["task 1 at 2: a message on channel 1 (capacity 0, no sender waits)"],
    );
}

#[test]
fn all_cases_of_a_select_are_named() {
    check_deadlock(
        "let (a, b) = (channel(), channel())\n\
         select {\n v = a.recv() => v\n b.send(1) => 2\n a.recv() => 3\n}",
        &["task 1 at 2: one of: a message on channel 1 (capacity 0, no sender waits); \
           a receiver on channel 2 (capacity 0, no receiver waits); \
           a message on channel 1 (capacity 0, no sender waits)"],
    );
}

#[test]
fn a_cycle_of_mutexes_comes_first() {
    check_deadlock(
        "let (a, b) = (mutex(1), mutex(2))\nlet ch = channel()\n\
         let t = spawn { a.lock(|v| { ch.recv();\n b.lock(|w| w)\n 0 })\n 0 }\n\
         spawn { b.lock(|v| { ch.send(1);\n a.lock(|w| w)\n 0 })\n 0 }\nt.join()",
        &[
            "*task 2 at 4: mutex 2, which task 3 holds",
            "*task 3 at 8: mutex 1, which task 2 holds",
            "task 1 at 11: the end of task 2",
        ],
    );
}

#[test]
fn a_mutex_that_its_owner_locks_again() {
    check_deadlock(
        "let m = mutex(1)\nm.lock(|v| {\n m.get()\n 0\n})",
        &["*task 1 at 3: mutex 1, which task 1 holds"],
    );
}

#[test]
fn a_circle_of_actors() {
    check_deadlock(
        "var b = nil\nlet a = actor(0, |s, x| (s,\n b.ask(x)))\n\
         b = actor(0, |s, x| (s,\n a.ask(x)))\na.ask(1)",
        &[
            "*task 2 at 3: the reply of actor 2, which task 3 runs",
            "*task 3 at 5: the reply of actor 1, which task 2 runs",
            "task 1 at 6: the reply of actor 1, which task 2 runs",
        ],
    );
}

#[test]
fn a_cycle_over_different_waits() {
    // A join, a mutex and an actor.
    check_deadlock(
        "let m = mutex(0)\nlet ready = channel()\nvar t = nil\n\
         let a = actor(0, |s, x| {\n t.join() })\n\
         t = spawn { ready.recv();\n m.lock(|v| v)\n 0 }\n\
         m.lock(|v| { ready.send(1);\n a.ask(1) })",
        &[
            "*task 1 at 9: the reply of actor 3, which task 3 runs",
            "*task 2 at 7: mutex 1, which task 1 holds",
            "*task 3 at 5: the end of task 2",
        ],
    );
}

// ---- any schedule, any failure ----

#[test]
fn the_programs_do_the_same_at_any_quantum() {
    for workload in programs().filter(|w| w.says("deterministic")) {
        for quantum in ["1", "2", "3", "5", "8", "13", "max"] {
            for heap in ["semispace", "rc"] {
                workload.check(How { quantum, ..How::on(heap) });
            }
        }
    }
}

/// Whatever allocation fails, the program ends as it says, or because of that; nothing breaks.
#[test]
fn any_allocation_may_fail() {
    for workload in programs().filter(|w| !w.says("stress") && w.says("deterministic")) {
        let compiled = compile(&workload.path, &workload.source).unwrap();
        for heap in heaps().filter(|heap| collects(heap)) {
            // Primes, so that all kinds of allocations are hit over the programs.
            for nth in [1, 2, 3, 5, 7, 11, 23, 47, 97, 193, 389, 769] {
                let checks =
                    CheckOptions { check: true, fail_nth: Some(nth), ..CheckOptions::default() };
                // That the heap is too small to load the program is an answer, too.
                let _ = run_compiled(&compiled, &How { checks, ..How::on(heap) });
            }
        }
    }
}

// ---- two machines ----

/// Elsewhere the registry belonged to the process, while functions belonged to their program.
#[test]
fn a_name_is_known_in_its_own_machine_only() {
    let registers = compiled(
        "register(actor(0, |n, x| (n, \"first\")), \"name\")\nprint(lookup(\"name\").ask(1))",
    );
    let looks = compiled("print(registered(), lookup(\"name\"))");
    let how = How::on("mark-sweep");
    for _ in 0..2 {
        assert_eq!(end_of(&registers, &how).unwrap().0, "first\n");
        assert_eq!(end_of(&looks, &how).unwrap().0, "[] nil\n");
    }
}

/// Timers of waits that are over hold nothing up.
#[test]
fn the_clock_does_not_wait_for_what_nobody_waits_for() {
    let source = "let ch = channel(1)\nch.send(1)\nlet t = spawn { sleep(1_000_000_000) }\n\
                  yield\nt.cancel()\n\
                  spawn { ch.recv(); select { ch.recv() => 1, after 1_000_000_000 => 2 } }\n\
                  yield\nch.send(2)\nyield\nprint(clock_ns() < 1_000_000_000)";
    let (output, ending, _) = end_of(&compiled(source), &How::on("mark-sweep")).unwrap();
    assert_eq!((output.as_str(), ending), ("true\n", Ending::Finished));
}
