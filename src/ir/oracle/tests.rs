use proptest::prelude::*;

use super::*;
use crate::builtins::{FUNCTIONS, function};
use crate::bytecode::emit::emit;
use crate::bytecode::verify::{Limits, verify};
use crate::check::property_cases;
use crate::check::test_heap::TestHeap;
use crate::event::NullSink;
use crate::interp::Engine;
use crate::ir::escape::{Mode, Options};
use crate::ir::{arbitrary, passes, text};
use crate::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo,
};
use crate::vm::{Vm, VmConfig};

/// First come, first served, until the task waits: what the oracle does.
struct Fifo;

impl Scheduler for Fifo {
    type Local = VecDeque<TaskId>;
    type Threads = crate::sync::OneThread;
    const INFO: SchedulerInfo = SchedulerInfo {
        name: "fifo",
        summary: "cooperative, first come, first served",
        parallel: false,
        virtual_time: false,
        parameters: &[],
    };
    fn new(_: &SchedulerConfig) -> Result<(Self, Vec<Self::Local>), SchedulerError> {
        Ok((Fifo, vec![VecDeque::new()]))
    }
    fn push(&self, local: Option<&mut Self::Local>, task: TaskId, _: Ready) -> Notify {
        local.expect("one worker pushes").push_back(task);
        Notify::No
    }
    fn next(&self, local: &mut Self::Local, _: Pick) -> Option<TaskId> {
        local.pop_front()
    }
    fn has_work(&self, local: &Self::Local) -> bool {
        !local.is_empty()
    }
    fn quantum(&self) -> u64 {
        u64::MAX
    }
    fn drain(&self, local: &mut Self::Local, f: &mut dyn FnMut(TaskId)) {
        local.drain(..).for_each(f);
    }
}

/// Runs a program on the VM: what it printed, and how it ended.
fn run_on_vm(program: &Program, oracle: &OracleConfig) -> (String, Ending) {
    let code = emit(program, false).unwrap_or_else(|errors| panic!("{errors:?}"));
    let code = verify(code, &Limits::of(program, FUNCTIONS.len()))
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    let output = Captured::default();
    let mut world = World::new(program.clone());
    world.output = Output::immediate(output.clone(), std::io::sink());
    world.params.clone_from(&oracle.params);
    let mut config = VmConfig { virtual_time: true, ..VmConfig::default() };
    // The other engine relies on an optimisation that a test build does not always make.
    config.engine = Engine::Loop;
    config.step_limit = oracle.step_limit;
    config.heap.limit_bytes = oracle.limit_bytes;
    let mut vm: Vm<TestHeap, Fifo> = Vm::new(&config, code, world, NullSink).expect("it fits");
    let ending = vm.run();
    (output.text(), ending)
}

fn natives() -> Vec<(u32, u32)> {
    let number = |name: &str| function(name).expect("there is such a builtin").0;
    let names = [("print", 1), ("print", 2), ("str", 1), ("len", 1), ("type_of", 1), ("list", 2)];
    let more = [("hash", 1), ("same", 2), ("compare", 2)];
    names.iter().chain(&more).map(|&(name, args)| (number(name), args)).collect()
}

/// The emitter may exchange operands (`a > b` is `b < a`, `1 + a` is `a + 1`, `a - 1` is `a + -1`),
/// and messages show it: this hides the parts that differ.
fn normalised(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive('"') {
        let hidden = ["cannot order", "needs two numbers", "needs two ints", "does not fit"];
        match hidden.iter().find(|words| part.contains(**words)) {
            Some(words) => out += words,
            None => out += part,
        }
    }
    out
}

const STEPS: u64 = 20_000;

fn run_limited(program: &Program) -> OracleRun {
    run(program, &OracleConfig { step_limit: Some(STEPS), ..OracleConfig::default() })
}

/// Passes may remove steps, so programs that the limit ends are no use.
fn is_cut_off(run: &OracleRun) -> bool {
    matches!(run.ending, Ending::StepLimit(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(property_cases(400)))]

    #[test]
    fn passes_change_nothing_that_a_program_shows(shown in arbitrary::well_formed(natives())) {
        let mut program = shown.0;
        let before = run_limited(&program);
        if !is_cut_off(&before) {
            for pass in passes::PASSES {
                (pass.run)(&mut program);
                let after = run_limited(&program);
                prop_assert_eq!(&before.output, &after.output, "{}", pass.name);
                prop_assert_eq!(&before.ending, &after.ending, "{}", pass.name);
            }
            // Twice: what was in dissolved objects has become visible to the passes.
            for _ in 0..2 {
                let options = Options { mode: Mode::FrameRegion, ..Options::default() };
                passes::run_all(&mut program, options);
                let after = run_limited(&program);
                prop_assert_eq!(&before.output, &after.output, "escape");
                prop_assert_eq!(&before.ending, &after.ending, "escape");
            }
        }
    }

    #[test]
    fn the_vm_does_what_the_oracle_does(shown in arbitrary::well_formed(natives())) {
        let mut program = shown.0;
        let expected = run_limited(&program);
        if !is_cut_off(&expected) {
            passes::run_all(&mut program, Options::default());
            let (output, ending) = run_on_vm(&program, &OracleConfig::default());
            prop_assert_eq!(normalised(&expected.output), normalised(&output));
            let (expected, ending) = (format!("{:?}", expected.ending), format!("{ending:?}"));
            prop_assert_eq!(normalised(&expected), normalised(&ending));
        }
    }
}

// ---- Small programs ---------------------------------------------------------------------------

/// Runs IR text; `%print` and the like stand for the numbers of builtins.
fn run_text(code: &str, config: &OracleConfig) -> OracleRun {
    let mut code = format!("class c64 struct Error {{kind, message}} entry f0 {code}");
    for name in ["print", "sleep", "gc", "same"] {
        let number = function(name).expect("there is such a builtin").0;
        code = code.replace(&format!("%{name}"), &format!("n{number}"));
    }
    let program = text::parse(&code).unwrap_or_else(|error| panic!("{error}"));
    crate::ir::verify::assert_well_formed(&program, FUNCTIONS.len());
    run(&program, config)
}

fn check(code: &str, output: &str, error: Option<&str>) -> OracleRun {
    let run = run_text(code, &OracleConfig::default());
    assert_eq!((run.output.as_str(), run.ending.error_kind()), (output, error), "{run:?}");
    run
}

#[test]
fn values_flow() {
    check(
        "fn f0 main() { b0: v0 = const 3 v1 = const 0 v2 = const 1 jump b1(v0, v1)
         b1(v3, v4): v5 = gt v3, v1 branch v5, b2, b3
         b2: v6 = add v4, v3 v7 = sub v3, v2 jump b1(v7, v6)
         b3: v8 = call_native %print(v4) return v8 }",
        "6\n",
        None,
    );
}

#[test]
fn a_swap_through_parameters_is_parallel() {
    check(
        "fn f0 main() { b0: v0 = const 1 v1 = const 2 v2 = const true jump b1(v0, v1, v2)
         b1(v3, v4, v5): v6 = not v5 branch v5, b2, b3 b2: jump b1(v4, v3, v6)
         b3: v7 = call_native %print(v3, v4) return v7 }",
        "2 1\n",
        None,
    );
}

/// f1 calls itself for ever, not as a tail call.
const ENDLESS: &str = "fn f1 down(v0) { b0: v1 = const 1 v2 = add v0, v1 v3 = call_direct f1(v2)
     v4 = add v3, v1 return v4 }";

#[test]
fn deep_recursion_overflows_the_mena_stack_not_the_host() {
    let config = OracleConfig { depth_max: 1_000_000, ..OracleConfig::default() };
    let uncaught = "fn f0 main() { b0: v0 = const 0 v1 = call_direct f1(v0) return v1 }";
    let run = run_text(&format!("{uncaught} {ENDLESS}"), &config);
    assert_eq!(run.ending.error_kind(), Some("StackOverflow"));
    assert_eq!(run.steps, 1_000_000);
    let Ending::Uncaught(error) = run.ending else { unreachable!() };
    assert_eq!(error.trace.len(), TRACE_FRAMES);
    let caught = "fn f0 main() { b0: v0 = const 0 try b1, b2
         b1 handler b2: v1 = call_direct f1(v0) return v1
         b2(v2): v3 = field v2.kind v4 = call_native %print(v3) return v4 }";
    let run = run_text(&format!("{caught} {ENDLESS}"), &config);
    assert_eq!((run.output.as_str(), run.ending), (":StackOverflow\n", Ending::Finished));
}

#[test]
fn tail_calls_need_no_stack() {
    let config = OracleConfig { depth_max: 2, ..OracleConfig::default() };
    let run = run_text(
        "fn f0 main() { b0: v0 = const 100000 v1 = call_direct f1(v0)
         v2 = call_native %print(v1) return v2 }
         fn f1 down(v0) { b0: v1 = const 0 v2 = gt v0, v1 branch v2, b1, b2
         b1: v3 = const 1 v4 = sub v0, v3 tail_call_direct f1(v4) b2: return v0 }",
        &config,
    );
    assert_eq!((run.output.as_str(), run.ending), ("0\n", Ending::Finished));
}

#[test]
fn handlers_are_tried_from_the_inside_out() {
    check(
        "fn f0 main() { b0: try b1, b4
         b1 handler b4: v0 = const 1 try b2, b3
         b2 handler b3: v1 = call_direct f1(v0) return v1
         b3(v2) handler b4: v3 = call_native %print(v2) throw v0
         b4(v4): v5 = call_native %print(v4) return v5 }
         fn f1 thrower(v0) { b0: v1 = const :deep throw v1 }",
        ":deep\n1\n",
        None,
    );
}

#[test]
fn a_rethrown_error_keeps_its_first_place() {
    let run = check(
        "fn f0 main() { b0: try b1, b2 b1 handler b2: v0 = call_direct f1() @0:3:4 return v0
         b2(v1): throw v1 @0:5:6 }
         fn f1 thrower() { b0: v0 = const 1 v1 = const \"a\" v2 = add v0, v1 @0:7:8 return v2 }",
        "",
        Some("TypeMismatch"),
    );
    let Ending::Uncaught(error) = run.ending else { unreachable!() };
    let starts: Vec<_> = error.trace.iter().map(|place| place.span.start).collect();
    assert_eq!(starts, [7, 3]);
}

#[test]
fn captured_cells_are_shared() {
    check(
        "fn f0 main() { b0: v0 = const 1 v1 = cell_new v0 v2 = closure f1(v1) v3 = call v2()
         v4 = call v2() v5 = cell_get v1 v6 = call_native %print(v3, v4, v5) return v6 }
         fn f1 next() captures 1 { b0: v0 = capture 0 v1 = cell_get v0 v2 = add v1, v1
         cell_set v0, v2 return v1 }",
        "1 2 4\n",
        None,
    );
}

#[test]
fn slots_hold_nil_at_entry_and_survive_errors() {
    check(
        "fn f0 main() slots 2 { b0: v0 = slot_get s1 try b1, b2
         b1 handler b2: v1 = const 7 slot_set s0, v1 throw v1
         b2(v2): v3 = slot_get s0 v4 = call_native %print(v0, v3) return v4 }",
        "nil 7\n",
        None,
    );
}

#[test]
fn equal_constants_are_one_object() {
    check(
        "fn f0 main() { b0: v0 = const \"abc\" v1 = const \"abc\" v2 = call_native %same(v0, v1)
         v3 = call_native %print(v2) return v3 }",
        "true\n",
        None,
    );
}

#[test]
fn tasks_take_turns_in_order() {
    check(
        "fn f0 main() { b0: v0 = const f1 v1 = const :a v2 = const :b v3 = spawn v0(v1)
         v4 = spawn v0(v2) v5 = call_method v3.join() v6 = call_method v4.join()
         v7 = call_native %print(v5, v6) return v7 }
         fn f1 work(v0) { b0: v1 = call_native %print(v0) v2 = yield v3 = call_native %print(v0, v2)
         return v0 }",
        ":a\n:b\n:a nil\n:b nil\n:a :b\n",
        None,
    );
}

#[test]
fn sleepers_wake_in_time_and_time_is_virtual() {
    check(
        "fn f0 main() { b0: v0 = const f1 v1 = const 3600000 v2 = const 1800000 v3 = spawn v0(v1)
         v4 = spawn v0(v2) return v4 }
         fn f1 work(v0) { b0: v1 = call_native %sleep(v0) v2 = call_native %print(v0, v1)
         return v0 }",
        "1800000 nil\n3600000 nil\n",
        None,
    );
}

#[test]
fn a_failure_that_nobody_joins_is_reported_at_the_end() {
    let spawn = "fn f0 main() { b0: v0 = const f1 v1 = spawn v0() REST v9 = call_native %print(v1)
         return v9 } fn f1 fail() { b0: v0 = const :bad throw v0 }";
    check(&spawn.replace("REST", ""), "<task>\n", Some("Thrown"));
    let joined = spawn.replace(
        "REST",
        "try b1, b2 b1 handler b2: v2 = call_method v1.join() jump b3 b2(v3): jump b3 b3:",
    );
    check(&joined, "<task>\n", None);
}

#[test]
fn tasks_that_wait_for_each_other_are_a_deadlock() {
    let run = check(
        "global g0 first global g1 second
         fn f0 main() { b0: v0 = const f1 v1 = const f2 v2 = spawn v0() v3 = spawn v1()
         global_set g0, v2 global_set g1, v3 v4 = call_method v2.join() return v4 }
         fn f1 one() { b0: v0 = global_get g1 v1 = call_method v0.join() return v1 }
         fn f2 two() { b0: v0 = global_get g0 tail_call_method v0.join() }",
        "",
        Some("Deadlock"),
    );
    let Ending::Deadlock(stuck) = run.ending else { unreachable!() };
    let waits: Vec<_> = stuck.iter().map(|s| (s.waits_for.as_str(), s.in_cycle)).collect();
    let expected =
        [("the end of task 3", true), ("the end of task 2", true), ("the end of task 2", false)];
    assert_eq!(waits, expected);
}

#[test]
fn the_step_limit_ends_the_program() {
    let config = OracleConfig { step_limit: Some(1000), ..OracleConfig::default() };
    let run = run_text("fn f0 main() { b0: jump b1 b1: jump b1 }", &config);
    assert_eq!((run.ending.error_kind(), run.steps), (Some("StepLimit"), 1000));
}

#[test]
fn memory_is_limited() {
    let config = OracleConfig { limit_bytes: 100_000, ..OracleConfig::default() };
    let run = run_text(
        "fn f0 main() { b0: v0 = const nil jump b1(v0) b1(v1): v2 = tuple(v1) jump b1(v2) }",
        &config,
    );
    assert_eq!(run.ending.error_kind(), Some("OutOfMemory"));
}

// ---- Workloads --------------------------------------------------------------------------------

fn programs_below(folder: std::path::PathBuf) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "mena" => found.push(path),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn workloads_give_the_same_on_the_vm() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/workloads");
    let (mut wrong, mut compared) = (String::new(), 0);
    for path in programs_below(folder) {
        let text = std::fs::read_to_string(&path).expect("a workload");
        // What takes long is left out, and so are limits: they are counted differently. Neither
        // side collects.
        let mut config = OracleConfig { step_limit: Some(300_000), ..OracleConfig::default() };
        for line in text.lines().filter(|line| line.starts_with("// param ")) {
            let (name, rest) = line["// param ".len()..].split_once('=').expect("a default");
            let small = rest.split_once("(small ").map(|(_, rest)| rest);
            let small = small.and_then(|rest| rest.split([',', ')']).next()).expect("a size");
            config.params.insert(name.trim().to_owned(), small.trim().to_owned());
        }
        let left_out = ["// step-limit", "// heap-bytes", "// needs: collection"];
        if left_out.iter().any(|header| text.contains(header)) {
            continue;
        }
        let mut compilation = crate::compile::Compilation::default();
        let program = compilation.program(&path, text.as_bytes()).expect("workloads compile");
        let expected = run(&program, &config);
        if is_cut_off(&expected) {
            continue;
        }
        compared += 1;
        config.step_limit = None;
        let (output, ending) = run_on_vm(&program, &config);
        let kinds = (expected.ending.error_kind(), ending.error_kind());
        let got = normalised(&format!("{output}{ending:?}"));
        let wanted = normalised(&format!("{}{:?}", expected.output, expected.ending));
        // A stack overflow's depth, and so its trace, differs.
        if got != wanted && kinds != (Some("StackOverflow"), Some("StackOverflow")) {
            wrong += &format!("{}: got\n{got}\ninstead of\n{wanted}\n", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 80, "only {compared} workloads");
}
