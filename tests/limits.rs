//! Limits of a run, and what one run may not see of another.

mod common;

use std::path::Path;

use common::{Compiled, How, compile, heaps, run_compiled};
use menagerie::interp::Engine;

fn compiled(source: &str) -> Compiled {
    compile(Path::new("limits.mena"), source).unwrap_or_else(|text| panic!("{text}"))
}

/// Calls, tail calls, callbacks and loops.
const BUSY: &str = "
    fn down(n) { if n == 0 { 0 } else { down(n - 1) } }
    fn main() {
        var sum = 0
        for i in 0..50 { sum += [1, 2, 3].map(|x| x * i).sum() + down(i) }
        print(sum)
    }";

#[test]
fn dl15_the_step_limit_is_exact() {
    let program = compiled(BUSY);
    for heap in heaps() {
        for &engine in Engine::ALL {
            let run = |step_limit| {
                let how = How { engine, step_limit, ..How::on(heap) };
                run_compiled(&program, &how).expect("it starts")
            };
            let free = run(None);
            assert_eq!((free.error, free.output.as_str()), (None, "7350\n"));
            let steps = free.reductions;
            assert_eq!(run(Some(steps)).error, None, "{heap}, {engine:?}: {steps} steps suffice");
            for limit in [1, 2, 100, steps - 1] {
                let cut = run(Some(limit));
                assert_eq!(cut.error.as_deref(), Some("StepLimit"), "{heap}, {engine:?}, {limit}");
                assert_eq!(cut.reductions, limit, "{heap}, {engine:?}");
                assert_eq!(cut.output, "", "{heap}, {engine:?}, {limit}");
            }
        }
    }
}

#[test]
fn dl12_callbacks_count_as_calls_do() {
    let with = |body: &str| {
        let source = format!("fn f(x) {{ x }}\nfn main() {{ let xs = list(1000, 1)\n{body} }}");
        run_compiled(&compiled(&source), &How::on("nogc")).expect("it starts").reductions
    };
    let nothing = with("nil");
    for body in
        ["for x in xs { f(x) }", "xs.map(f)", "xs.fold(0, |a, x| f(x))", "xs.sort_by_key(f)"]
    {
        let steps = with(body) - nothing;
        assert!(steps >= 2000, "`{body}`: 1000 elements, a call and an iteration each: {steps}");
    }
}

/// Each machine runs in a thread of its own; names, classes and globals differ in order and number.
#[test]
fn dl18_machines_in_one_process_do_not_see_each_other() {
    let source = |n: usize| {
        let padding: String = (0..n).map(|i| format!("struct Pad{i} {{ a{i}, x }}\n")).collect();
        format!(
            "{padding} struct Point {{ x, y }}
             var global = {n}
             fn bump() {{ global += 1; global }}
             fn main() {{
                 let p = Point {{ x: bump(), y: symbol(\"s{n}\") }}
                 for i in 0..2000 {{ p.x = bump(); [p, i] }}
                 gc()
                 print(p, %{{:k: p.x}}, (spawn {{ bump() }}).join())
             }}"
        )
    };
    std::thread::scope(|scope| {
        for (n, heap) in (0..8).flat_map(|n| heaps().map(move |heap| (n, heap))) {
            let source = source(n);
            scope.spawn(move || {
                let program = compiled(&source);
                let outcome = run_compiled(&program, &How::on(heap)).expect("it starts");
                let (x, next) = (n + 2001, n + 2002);
                let want = format!("Point {{ x: {x}, y: s{n} }} %{{:k: {x}}} {next}\n");
                assert_eq!(outcome.output, want, "{heap}, {n}");
                assert_eq!(outcome.error, None, "{heap}, {n}");
            });
        }
    });
}

/// L37: the tasks of a `par_map` have one step limit together, which is that of the program.
#[test]
fn par_map_shares_the_step_limit() {
    let program = compiled(
        "fn main() { print(par_map([10, 20, 30, 40], |n| { var s = 0; for i in 0..n * 100 { s += i }; s })) }",
    );
    for (scheduler, workers) in
        [("green", 1), ("inline", 1), ("work-sharing", 2), ("work-stealing", 2), ("threads", 1)]
    {
        let run = |step_limit| {
            let how = How { scheduler, workers, step_limit, ..How::on("mark-sweep") };
            run_compiled(&program, &how).expect("it starts")
        };
        let free = run(None);
        assert_eq!(free.error, None, "{scheduler}");
        assert!(free.reductions > 10_000, "{scheduler}: each task counts: {}", free.reductions);
        // No task alone needs so many; all of them together do.
        let limit = 8_000;
        let cut = run(Some(limit));
        assert_eq!(cut.error.as_deref(), Some("StepLimit"), "{scheduler}");
        assert!(cut.reductions <= limit, "{scheduler}: {}", cut.reductions);
    }
}
