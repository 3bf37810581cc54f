//! Functions of the host: what they get and give, and that a blocking one stops nobody but the task that
//! called it.

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Capture, Compiled, How, end_of_into};
use menagerie::compile::Compilation;
use menagerie::host::functions::{Data, Failure, HostFunctions};
use menagerie::host::{Native, NativeResult};
use menagerie::ir::escape;
use menagerie::ir::oracle::{self, OracleConfig};
use menagerie::report::Ending;
use menagerie::sched::SchedulerInfo;
use menagerie::value::Value;
use menagerie_strategies::SCHEDULERS;

fn compile(functions: &HostFunctions, source: &str) -> Result<Compiled, String> {
    let mut compilation = Compilation::new(escape::Options::default());
    compilation.functions = functions.clone();
    let program = compilation.program(Path::new("host.mena"), source.as_bytes());
    let code = program.and_then(|p| Ok((compilation.code(&p)?, p)));
    code.map(|(code, program)| Compiled { program, code })
        .map_err(|_| compilation.diagnostics[0].message.clone())
}

fn on(scheduler: &SchedulerInfo) -> How {
    How {
        scheduler: scheduler.name,
        workers: if scheduler.parallel { 3 } else { 1 },
        real_time: true,
        ..How::on("mark-sweep")
    }
}

fn run(functions: &HostFunctions, source: &str, how: &How) -> (String, Ending) {
    let compiled = compile(functions, source).expect("it compiles");
    let output = Capture::default();
    let (ending, _) = end_of_into(&compiled, how, Box::new(output.clone())).expect("a VM");
    (output.text(), ending)
}

fn schedulers() -> impl Iterator<Item = &'static SchedulerInfo> {
    SCHEDULERS.iter().map(|(info, _)| info)
}
/// All that do something else while a function waits.
fn concurrent() -> impl Iterator<Item = &'static SchedulerInfo> {
    schedulers().filter(|info| !info.virtual_time)
}

/// How long a function waits for what another task does: on any machine, longer than that takes.
const LONG: Duration = Duration::from_secs(60);

/// `wait()` until somebody calls `signal(text)`: the text. It counts its calls.
fn signals() -> (HostFunctions, Arc<AtomicU64>) {
    let (to, from): (Sender<String>, Receiver<String>) = channel();
    let (to, from) = (Mutex::new(to), Arc::new(Mutex::new(from)));
    let calls = Arc::new(AtomicU64::new(0));
    let counted = calls.clone();
    let functions = HostFunctions::default()
        .blocking("wait", 0, 0, move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            let from = from.lock().expect("no panics");
            match from.recv_timeout(LONG) {
                Ok(text) => Ok(Data::Text(text)),
                Err(_) => Err(Failure::new("Lonely", "nobody has called `signal`")),
            }
        })
        .blocking("signal", 1, 1, move |mut arguments| {
            let Some(Data::Text(text)) = arguments.pop() else { unreachable!("see the programs") };
            to.lock().expect("no panics").send(text).expect("`wait` is registered");
            Ok(Data::Nil)
        });
    (functions, calls)
}

/// A direct function, written like a builtin.
fn twice(cx: &mut Native<'_>) -> NativeResult {
    match cx.arg(0).value().as_int() {
        Some(i) => Ok(cx.new_int(2 * i)?.value()),
        None => Err(cx.throw("TypeMismatch", "`twice` needs an int")),
    }
}

fn plain() -> HostFunctions {
    HostFunctions::default()
        .direct("twice", 1, 1, twice)
        .direct("nothing", 0, 255, |_| Ok(Value::NIL))
        .blocking("echo", 1, 1, |mut arguments| Ok(arguments.remove(0)))
        .blocking("count", 0, 255, |arguments| Ok(Data::Int(arguments.len() as i64)))
        .blocking("fail", 2, 2, |arguments| match &arguments[..] {
            [Data::Text(kind), Data::Text(message)] => Err(Failure::new(kind, message)),
            other => panic!("{other:?}"),
        })
}

const PLAIN: &str =
    "let values = [nil, true, 7, -1_000_000_000_000_000_000, 0.5, 1.0e300, 'é', \"text\", \"\"]
print(values.map(echo) == values, values.map(|v| echo(v)))
let b = bytes(3)
b[1] = 255
print(echo(b), same(echo(b), b))
print(twice(21), count(), count(1, nil, \"x\"), nothing(1, 2))
print(try { fail(\"Io\", \"no such file\") } catch Error { kind, message } { (kind, message) })
print(try { echo([1]) } catch Error { kind, message } { (kind, message) })
print(try { twice(\"a\") } catch Error { kind } { kind })
print((0..20).map(|i| spawn { gc(); echo(\"task {i}\") }).map(|t| t.join()).len())";
const PLAIN_OUTPUT: &str =
    "true [nil, true, 7, -1000000000000000000, 0.5, 1e300, 'é', \"text\", \"\"]
bytes[0, 255, 0] false
42 0 3 nil
(:Io, \"no such file\")
(:TypeMismatch, \"`echo` is called outside of the heap: it takes strings, bytes, numbers, bools, \
chars and nil, not a list\")
:TypeMismatch
20
";

#[test]
fn data_goes_in_and_out_on_every_scheduler() {
    let functions = plain();
    for scheduler in schedulers() {
        for heap in ["mark-sweep", "rc"] {
            for call_threads in [None, Some(1), Some(0)] {
                let how = How { heap, call_threads, ..on(scheduler) };
                let ran = run(&functions, PLAIN, &how);
                assert_eq!(ran, (PLAIN_OUTPUT.to_owned(), Ending::Finished), "{how:?}");
            }
        }
    }
    for heap in common::heaps().filter(|heap| common::collects(heap)) {
        let ran = run(&functions, PLAIN, &How::stressed(heap));
        assert_eq!(ran, (PLAIN_OUTPUT.to_owned(), Ending::Finished), "{heap}");
    }
    let compiled = compile(&functions, PLAIN).expect("it compiles");
    let oracle = oracle::run(&compiled.program, &OracleConfig::default());
    assert_eq!((oracle.output.as_str(), oracle.ending), (PLAIN_OUTPUT, Ending::Finished));
}

/// Here `wait` ends because another task goes on; without a helper it would wait for ever.
#[test]
fn other_tasks_and_collections_go_on_meanwhile() {
    let source = "let waits = spawn { wait() }
yield
for i in 0..100 { [i]; if i % 10 == 0 { gc(); yield } }
signal(\"others went on\")
print(waits.join())";
    for scheduler in concurrent() {
        let ran = run(&signals().0, source, &on(scheduler));
        assert_eq!(ran, ("others went on\n".to_owned(), Ending::Finished), "{}", scheduler.name);
    }
}

/// An actor whose handler is a function of the host: what it is told goes into a channel of the host's, and
/// while one waits, others are asked and answer.
#[test]
fn an_actor_of_the_host_bridges_to_a_channel() {
    let source = "fn native(f) { actor(nil, |state, message| (state, f(message))) }
let bridge = native(deliver)
let waits = native(|_| wait())
bridge.tell(\"told\")
let asked = spawn { waits.ask(nil) }
print(bridge.ask(\"asked\"))
signal(\"an answer\")
print(asked.join())";
    for scheduler in concurrent() {
        let (to, from) = channel();
        let to = Mutex::new(to);
        let functions = signals().0.blocking("deliver", 1, 1, move |arguments| {
            let to = to.lock().expect("no panics");
            to.send(arguments[0].clone()).expect("the test listens");
            Ok(Data::Int(arguments.len() as i64))
        });
        let (output, ending) = run(&functions, source, &on(scheduler));
        assert_eq!(
            (output.as_str(), ending),
            ("1\nan answer\n", Ending::Finished),
            "{}",
            scheduler.name
        );
        let delivered = ["told", "asked"].map(|text| Data::Text(text.to_owned()));
        assert_eq!(from.try_iter().collect::<Vec<_>>(), delivered, "{}", scheduler.name);
    }
}

#[test]
fn a_cancelled_task_does_not_wait_for_its_function() {
    // The first `wait` runs on and takes the first signal: its end must not end the second.
    let source = "let t = spawn {
    let first = try { wait() } catch Error { kind } { kind }
    (first, wait())
}
sleep(20)
t.cancel()
sleep(20)
signal(\"for nobody\")
sleep(20)
signal(\"for the second\")
print(t.join())";
    for scheduler in concurrent() {
        let (functions, calls) = signals();
        let (output, ending) = run(&functions, source, &on(scheduler));
        assert_eq!(ending, Ending::Finished, "{}", scheduler.name);
        assert_eq!(output, "(:Cancelled, \"for the second\")\n", "{}", scheduler.name);
        assert_eq!(calls.load(Ordering::SeqCst), 2, "{}", scheduler.name);
    }
}

#[test]
fn a_function_that_has_ended_gives_its_result_to_a_cancelled_task() {
    // One worker, which `hold` keeps from looking before the task is cancelled, too.
    let (done, wait_for) = channel();
    let (done, wait_for) = (Mutex::new(done), Mutex::new(wait_for));
    static ENDED: Mutex<Option<Receiver<()>>> = Mutex::new(None);
    *ENDED.lock().unwrap() = Some(wait_for.into_inner().unwrap());
    let functions = HostFunctions::default()
        .blocking("work", 0, 0, move |_| {
            done.lock().expect("no panics").send(()).expect("`hold` listens");
            Ok(Data::Int(42))
        })
        .direct("hold", 0, 0, |_| {
            let ended = ENDED.lock().unwrap();
            ended.as_ref().expect("set above").recv_timeout(LONG).expect("`work` runs");
            // From the send to the place of the result.
            std::thread::sleep(Duration::from_millis(50));
            Ok(Value::NIL)
        });
    let source = "let t = spawn {
    let result = work()
    (result, try { yield; \"not cancelled\" } catch Error { kind } { kind })
}
yield
hold()
t.cancel()
print(t.join())";
    let green = concurrent().find(|info| info.name == "green").expect("registered");
    let ran = run(&functions, source, &on(green));
    assert_eq!(ran, ("(42, :Cancelled)\n".to_owned(), Ending::Finished));
}

#[test]
fn calls_queue_at_the_cap() {
    let functions = HostFunctions::default().blocking("slow", 1, 1, |mut arguments| {
        std::thread::sleep(Duration::from_millis(2));
        Ok(arguments.remove(0))
    });
    let source = "let tasks = (0..20).map(|i| spawn { slow(i) })
print(tasks.map(|t| t.join()).sum())";
    for scheduler in schedulers() {
        for call_threads in [0, 1, 3] {
            let how = How { call_threads: Some(call_threads), ..on(scheduler) };
            let ran = run(&functions, source, &how);
            assert_eq!(ran, ("190\n".to_owned(), Ending::Finished), "{how:?}");
        }
    }
}

#[test]
fn the_end_does_not_wait_for_a_function() {
    let source = "spawn { wait() }\nsleep(5)\nthrow \"over\"";
    for scheduler in concurrent() {
        let (_, ending) = run(&signals().0, source, &on(scheduler));
        assert_eq!(ending.error_kind(), Some("Thrown"), "{}", scheduler.name);
    }
}

/// Functions take their time; schedules are decided by the seed alone.
#[test]
fn a_schedule_with_calls_can_be_repeated() {
    let random = Arc::new(AtomicU64::new(1));
    let functions = HostFunctions::default().blocking("dawdle", 0, 0, move |_| {
        let n = random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros((n >> 50) % 300));
        Ok(Data::Nil)
    });
    let source = "let order = []
let tasks = (0..6).map(|i| spawn { for _ in 0..4 { dawdle(); order.push(i); yield } })
tasks.each(|t| t.join())
print(order)";
    let run_with = |seed: &str| {
        let params = vec![("seed".to_owned(), seed.to_owned())];
        let how = How { sched_params: params, scheduler: "deterministic", ..How::on("rc") };
        run(&functions, source, &how)
    };
    let orders = ["1", "2", "3"].map(|seed| {
        let (first, again) = (run_with(seed), run_with(seed));
        assert_eq!(first, again, "seed {seed}");
        first.0
    });
    assert!(orders[0] != orders[1] || orders[1] != orders[2], "seeds decide: {orders:?}");
}

#[test]
fn arguments_are_counted_when_the_program_is_compiled() {
    let message = compile(&plain(), "echo()").map(drop).expect_err("it takes one");
    assert!(message.contains("echo"), "{message}");
    let unknown = compile(&HostFunctions::default(), "echo(1)").map(drop);
    assert!(unknown.expect_err("nobody has registered it").contains("echo"));
}

#[test]
#[should_panic(expected = "there is a builtin `print`")]
fn builtins_keep_their_names() {
    let _ = HostFunctions::default().direct("print", 0, 0, |_| Ok(Value::NIL));
}
