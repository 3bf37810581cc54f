//! What host code holds of the heap: a result that it has rooted or pinned stays what it was, whatever the
//! program does meanwhile to the object that it came from. (That what it has neither rooted nor pinned cannot
//! outlive a safepoint is shown by the examples in `src/host.rs` that do not compile.)

mod common;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::{Capture, Compiled, How, collects, end_of_into, heaps};
use menagerie::compile::Compilation;
use menagerie::heap::Cause;
use menagerie::host::functions::HostFunctions;
use menagerie::host::{Exit, Native, NativeResult, Pin};
use menagerie::object::Obj;
use menagerie::report::Ending;
use menagerie::sched::SchedulerInfo;
use menagerie::value::Value;
use menagerie_strategies::{SCHEDULERS, flavour, hole};

fn compile(functions: HostFunctions, source: &str) -> Compiled {
    let mut compilation = Compilation::default();
    compilation.functions = functions;
    let program = compilation.program(Path::new("host.mena"), source.as_bytes());
    let program = program.unwrap_or_else(|_| panic!("{:?}", compilation.diagnostics));
    Compiled { code: compilation.code(&program).expect("it fits"), program }
}

#[track_caller]
fn check(compiled: &Compiled, how: &How, expected: &str) {
    let output = Capture::default();
    let (ending, _) = end_of_into(compiled, how, Box::new(output.clone())).expect("a VM");
    assert_eq!((output.text().as_str(), ending), (expected, Ending::Finished), "{how:?}");
}

/// Each heap as it is and under stress, on one worker; and as other workers use it.
fn ways() -> impl Iterator<Item = How> {
    let alone = heaps().flat_map(|heap| [How::on(heap), How::stressed(heap)]);
    alone.chain(parallel().map(|(heap, scheduler)| on(heap, scheduler)))
}
/// Every shared heap with every parallel scheduler.
fn parallel() -> impl Iterator<Item = (&'static str, &'static SchedulerInfo)> {
    let schedulers = SCHEDULERS.iter().map(|(info, _)| info).filter(|info| info.parallel);
    let pairs = schedulers.flat_map(|s| heaps().map(move |heap| (heap, s)));
    pairs.filter(|(heap, s)| hole(heap, s.name).is_none() && flavour(heap, s.name) == *heap)
}
fn on(heap: &'static str, scheduler: &SchedulerInfo) -> How {
    let scheduler = SCHEDULERS.iter().find(|(info, _)| info.name == scheduler.name);
    How { scheduler: scheduler.expect("it is one").0.name, workers: 2, ..How::on(heap) }
}

fn object(cx: &Native<'_>, argument: usize) -> Obj {
    cx.arg(argument).object().expect("the programs pass records")
}
/// The first field.
const VALUE: usize = 0;

/// Collects, and writes over what was freed.
fn disturb(cx: &mut Native<'_>) -> Result<(), Exit> {
    cx.collect(Cause::Explicit);
    for i in 0..100 {
        cx.new_str(&format!("filler {i}"))?;
    }
    cx.collect(Cause::Explicit);
    Ok(())
}

// ---- roots ----

/// `hold(box)`: takes what is in the box, empties it, collects.
fn hold(cx: &mut Native<'_>) -> NativeResult {
    let holder = object(cx, 0);
    let held = cx.root(cx.load(holder, VALUE));
    cx.store(holder, VALUE, Value::NIL);
    disturb(cx)?;
    Ok(cx.get(held).value())
}

/// `hold_while_emptied(box, go)`: takes what is in the box, says go, waits until another worker has emptied
/// the box, collects.
fn hold_while_emptied(cx: &mut Native<'_>) -> NativeResult {
    let held = cx.root(cx.load(object(cx, 0), VALUE));
    cx.store(object(cx, 1), VALUE, Value::TRUE);
    let start = Instant::now();
    while cx.load(object(cx, 0), VALUE).value() != Value::NIL {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(cx.throw("Lonely", "nobody has emptied the box"));
        }
        std::thread::yield_now();
    }
    disturb(cx)?;
    Ok(cx.get(held).value())
}

const BOX: &str = "struct Box { value }
fn fill(b) { b.value = (\"first {b.value}\", [1, (2, 3.5)]); weak(b.value) }
";

/// DE4: what a container gave was borrowed in some functions and owned in others.
#[test]
fn a_rooted_result_outlives_its_container_and_a_collection() {
    let functions = HostFunctions::default().direct("hold", 1, 1, hold);
    let source = format!(
        "{BOX}fn main() {{
            let b = Box {{ value: 0 }}
            let seen = fill(b)
            let held = hold(b)
            print(held, b.value, same(held, seen.get()))
        }}"
    );
    let compiled = compile(functions, &source);
    ways().for_each(|how| check(&compiled, &how, "(\"first 0\", [1, (2, 3.5)]) nil true\n"));
}

/// The same, where the last reference but the host's is another worker's to drop. That worker has run each
/// of its instructions before, and has no quantum: it does not wait for the gate, which the host has.
#[test]
fn a_rooted_result_outlives_its_release_by_another_worker() {
    let functions = HostFunctions::default().direct("hold_while_emptied", 2, 2, hold_while_emptied);
    let source = format!(
        "{BOX}fn empty(b) {{ b.value = nil }}
        fn wait(go, runs) {{
            while !go.value {{ runs.value = true }}
        }}
        fn main() {{
            let (b, go, runs) = (Box {{ value: 0 }}, Box {{ value: true }}, Box {{ value: false }})
            let seen = fill(b)
            let other = spawn {{
                let rehearsal = Box {{ value: false }}
                wait(rehearsal, rehearsal)
                empty(rehearsal)
                go.value = false
                wait(go, runs)
                empty(b)
            }}
            while !runs.value {{ yield }}
            let held = hold_while_emptied(b, go)
            other.join()
            print(held, b.value, same(held, seen.get()))
        }}"
    );
    let compiled = compile(functions, &source);
    for (heap, scheduler) in parallel() {
        for _ in 0..5 {
            let how = How { quantum: "max", ..on(heap, scheduler) };
            check(&compiled, &how, "(\"first 0\", [1, (2, 3.5)]) nil true\n");
        }
    }
}

// ---- pins ----

/// What the host keeps from call to call, with the address at which it was first.
static KEPT: Mutex<Option<(Pin, usize)>> = Mutex::new(None);

fn kept<R>(f: impl FnOnce(&mut Option<(Pin, usize)>) -> R) -> R {
    f(&mut KEPT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// `keep(box)`: pins what is in the box.
fn keep(cx: &mut Native<'_>) -> NativeResult {
    let value = cx.root(cx.load(object(cx, 0), VALUE));
    let pin = cx.pin(value)?;
    let address = cx.pinned(&pin).address();
    assert_eq!(cx.get(value).object().map(Obj::address), Some(address));
    kept(|kept| *kept = Some((pin, address)));
    Ok(Value::NIL)
}
/// `kept()`: what is pinned. Its address must be the one that it had.
fn get_kept(cx: &mut Native<'_>) -> NativeResult {
    kept(|kept| {
        let (pin, address) = kept.as_ref().expect("`keep` comes first");
        let o = cx.pinned(pin);
        assert_eq!(o.address(), *address, "a pinned object has moved");
        Ok(Value::object(o))
    })
}
/// `let_go()`: unpins it.
fn let_go(cx: &mut Native<'_>) -> NativeResult {
    let (pin, _) = kept(Option::take).expect("`keep` comes first");
    cx.unpin(pin);
    Ok(Value::NIL)
}
/// `moves(x)`: whether a collection moves this object.
fn moves(cx: &mut Native<'_>) -> NativeResult {
    let before = object(cx, 0).address();
    cx.collect(Cause::Explicit);
    Ok(Value::bool(object(cx, 0).address() != before))
}

/// The program that owned the object lets it go while the host has it pinned, from another task.
#[test]
fn pinned_results_keep_their_address_until_they_are_let_go() {
    let functions = HostFunctions::default()
        .direct("keep", 1, 1, keep)
        .direct("kept", 0, 0, get_kept)
        .direct("let_go", 0, 0, let_go)
        .direct("moves", 1, 1, moves);
    // What is seen of the object stays in frames of its own: no register of `main` holds it.
    let source = format!(
        "{BOX}fn churn() {{ gc(); (0..50).map(|i| [i, \"{{i}}\"]); gc() }}
        fn show() {{ print(kept()); nil }}
        fn main() {{
            let b = Box {{ value: 0 }}
            let seen = fill(b)
            keep(b)
            spawn {{ b.value = nil; churn() }}.join()
            let other = Box {{ value: 5 }}
            print(moves(other), other.value)
            churn()
            show()
            spawn {{ let_go(); churn() }}.join()
            churn()
            print(seen.get() == nil)
        }}"
    );
    let compiled = compile(functions, &source);
    for how in ways() {
        // Both copy what is new and not pinned: without the pin, this test would fail there.
        let moves = matches!(how.heap, "semispace" | "generational");
        let forgets = collects(how.heap);
        let text = format!("{moves} 5\n(\"first 0\", [1, (2, 3.5)])\n{forgets}\n");
        check(&compiled, &how, &text);
    }
}
