use proptest::prelude::*;

use super::*;
use crate::builtins::{FUNCTIONS, function};
use crate::bytecode::emit::emit;
use crate::bytecode::verify::{Limits, verify};
use crate::check::test_heap::TestHeap;
use crate::event::NullSink;
use crate::ir::{arbitrary, passes};
use crate::sched::{
    Notify, Pick, Ready, Scheduler, SchedulerConfig, SchedulerError, SchedulerInfo,
};
use crate::vm::{Vm, VmConfig};

/// First come, first served, until the task waits: what the oracle does.
struct Fifo;

impl Scheduler for Fifo {
    type Local = VecDeque<TaskId>;
    const INFO: SchedulerInfo = SchedulerInfo {
        name: "fifo",
        summary: "cooperative, first come, first served",
        parallel: false,
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
fn run_on_vm(program: &Program, step_limit: u64) -> (String, Ending) {
    let code = emit(program).unwrap_or_else(|errors| panic!("{errors:?}"));
    let code = verify(code, &Limits::of(program, FUNCTIONS.len()))
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    let output = Captured::default();
    let mut world = World::new(program.clone());
    world.output = Box::new(output.clone());
    let step_limit = Some(step_limit);
    let config = VmConfig { step_limit, virtual_time: true, ..VmConfig::default() };
    let mut vm: Vm<TestHeap, Fifo> = Vm::new(&config, code, world, NullSink).expect("it fits");
    let ending = vm.run();
    (output.text(), ending)
}

fn natives() -> Vec<(u32, u32)> {
    let number = |name: &str| function(name).expect("there is such a builtin").0;
    let names = [("print", 1), ("print", 2), ("str", 1), ("len", 1), ("type_of", 1), ("list", 2)];
    let more = [("hash", 1), ("same", 2), ("compare", 2), ("sleep", 1)];
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
    #![proptest_config(ProptestConfig::with_cases(400))]

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
        }
    }

    #[test]
    fn the_vm_does_what_the_oracle_does(shown in arbitrary::well_formed(natives())) {
        let mut program = shown.0;
        let expected = run_limited(&program);
        if !is_cut_off(&expected) {
            passes::run_all(&mut program);
            let (output, ending) = run_on_vm(&program, u64::MAX);
            prop_assert_eq!(normalised(&expected.output), normalised(&output));
            let (expected, ending) = (format!("{:?}", expected.ending), format!("{ending:?}"));
            prop_assert_eq!(normalised(&expected), normalised(&ending));
        }
    }
}

/// What differs between oracle and VM, in one line.
fn difference(numbers: &[u32]) -> Option<String> {
    let mut program = arbitrary::well_formed_from(numbers.to_vec(), natives());
    let expected = run_limited(&program);
    if is_cut_off(&expected) {
        return None;
    }
    passes::run_all(&mut program);
    [program].iter().find_map(|program| {
        let run = std::panic::catch_unwind(|| run_on_vm(program, u64::MAX));
        match run {
            Err(payload) => Some(match payload.downcast::<String>() {
                Ok(text) => format!("panic: {text}"),
                Err(_) => "panic".to_owned(),
            }),
            Ok((output, ending)) => {
                let got = normalised(&format!("{output}{ending:?}"));
                let wanted = normalised(&format!("{}{:?}", expected.output, expected.ending));
                (got != wanted).then(|| format!("{got}\ninstead of\n{wanted}"))
            }
        }
    })
}

/// Digits and names hidden: one kind of difference.
fn kind_of(difference: &str) -> String {
    difference.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).take(110).collect()
}

/// `cargo test --release hunt -- --ignored --nocapture`: looks for differences, makes them small.
#[test]
#[ignore = "a search, not a test"]
fn hunt() {
    std::panic::set_hook(Box::new(|_| {}));
    let rounds = std::env::var("HUNT_ROUNDS").map_or(2_000, |text| text.parse().expect("a number"));
    let mut seed = std::env::var("HUNT_SEED").map_or(1u64, |text| text.parse().expect("a number"));
    let mut random = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as u32
    };
    let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for _ in 0..rounds {
        let len = random() % 1200 + 1;
        let mut numbers: Vec<u32> = (0..len).map(|_| random()).collect();
        let Some(kind) = difference(&numbers).map(|text| kind_of(&text)) else { continue };
        if found.contains_key(&kind) {
            continue;
        }
        let is_same = |numbers: &[u32]| difference(numbers).is_some_and(|d| kind_of(&d) == kind);
        for size in [400, 200, 100, 50, 20, 10, 5, 3, 2, 1, 1] {
            let mut at = 0;
            while at < numbers.len() {
                let end = (at + size).min(numbers.len());
                let removed: Vec<u32> =
                    numbers[..at].iter().chain(&numbers[end..]).copied().collect();
                let mut zeroed = numbers.clone();
                zeroed[at..end].fill(0);
                if is_same(&removed) {
                    numbers = removed;
                } else {
                    if zeroed != numbers && is_same(&zeroed) {
                        numbers = zeroed;
                    }
                    at += size;
                }
            }
        }
        let difference = difference(&numbers).expect("it was kept");
        let program = arbitrary::well_formed_from(numbers.clone(), natives());
        println!("==== {difference}\n{:?}", arbitrary::Shown(program));
        found.insert(kind, numbers);
    }
    println!("{} kinds", found.len());
}
