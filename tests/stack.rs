//! Running a program takes a bounded amount of host stack: ten million instructions on 64 KiB, on every
//! heap and both engines. A handler that is not left by a jump would overflow at once: by even one word
//! per instruction it would need 80 MB.
//!
//! The dev profile's checks are a hard case: where one of them takes the address of a local, LLVM makes
//! no tail call. `scripts/check-dispatch` looks at the code of a release binary, where also no handler
//! may call anything.

mod common;

use std::path::Path;

use common::{How, compile, heaps, run_compiled};
use menagerie::interp::Engine;

const STACK_BYTES: usize = 64 << 10;

/// Every kind of instruction: calls of functions, closures and methods, records, fields, arithmetic,
/// comparisons with and without constants, jumps on classes and constants, handlers, lists, matches.
const PROGRAM: &str = "
    struct P { x, y }
    enum Shape { Circle(r), Empty }
    impl P { fn get(self) { self.x } }
    fn add(a, b) { a + b }
    fn kind(v) { match v { 0 => 1, :k => 2, Circle(r) => 3, Empty => 4, 'c' => 5, nil => 6, _ => 7 } }
    fn even(n) { if n == 0 { true } else { odd(n - 1) } }
    fn odd(n) { if n == 0 { false } else { even(n - 1) } }
    fn main() {
        let values = [0, :k, Circle(1), Empty, 'c', nil, 1.5]
        let xs = [1, 2, 3]
        let f = |x| x + 1
        var sum = 0
        var g = 0.5
        for i in 0..250000 {
            let p = P { x: i, y: i * 2 }
            try { sum = add(sum, f(p.get())) % 1000003 } catch e { sum = 0 }
            if i % 50000 == 0 { try { throw i } catch e { sum += e } }
            sum += kind(values[i % 7]) + xs[i % 3]
            g = if g < 1000.0 { g * 1.25 + 1 } else { 0.5 }
            xs[i % 3] = (sum & 7) | 1
            if p.y >= 10 && sum != 3 || g <= 2.0 { p.y = sum ^ i }
            if i % 1000 == 0 && even(100) { sum -= 1 }
        }
        print(sum, xs, g > 0.0)
    }";

/// Something that another thread may use while this one waits for it.
struct Lent<T>(T);
// SAFETY: the lending thread only waits until the other has ended, so there is one user at a time.
unsafe impl<T> Send for Lent<T> {}

impl<T> Lent<T> {
    fn get(self) -> T {
        self.0
    }
}

#[test]
fn ten_million_instructions_need_64_kib_of_host_stack() {
    let program = compile(Path::new("stack.mena"), PROGRAM).unwrap_or_else(|text| panic!("{text}"));
    let mut outcomes = Vec::new();
    for heap in heaps() {
        for &engine in Engine::ALL {
            let lent = Lent(&program);
            let run = move || run_compiled(lent.get(), &How { engine, ..How::on(heap) });
            let outcome = std::thread::scope(|scope| {
                let small = std::thread::Builder::new().stack_size(STACK_BYTES);
                let thread = small.spawn_scoped(scope, run).expect("a thread");
                thread.join().expect("no overflow").expect("it starts")
            });
            assert_eq!(outcome.error, None, "{heap}, {engine:?}");
            // Each iteration takes about fifty instructions, five of them calls and back-edges.
            assert!(outcome.reductions > 5 * 250_000, "{heap}: {}", outcome.reductions);
            outcomes.push(outcome);
        }
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
}
