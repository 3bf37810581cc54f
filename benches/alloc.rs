//! What an object costs: to allocate it, on each heap, against a bare bump pointer; to mark or copy
//! it, in two orders of memory.
//!
//! ```text
//! cargo bench --bench alloc                   criterion's figures, ns per object
//! cargo bench --bench alloc -- --ratios       interleaved rounds A B A B …, CPU time, medians
//! ```
//! The bare bump pointer is the machine's limit: the same bytes at the same addresses (header, three
//! slots), no heap. It starts anew at the end of its nursery; a heap collects there, with nothing
//! alive. The nurseries stand for first-level cache, second-level cache, and memory.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use menagerie::heap::{Cause, Heap, HeapConfig, Mutator, Safepoint};
use menagerie::object::Obj;
use menagerie::value::Value;
use menagerie_strategies::heaps::arena::Arena;
use menagerie_strategies::heaps::generational::Generational;
use menagerie_strategies::heaps::mark_sweep::MarkSweep;
use menagerie_strategies::heaps::nogc::NoGc;
use menagerie_strategies::heaps::rc::Rc as Counting;
use menagerie_strategies::heaps::semispace::SemiSpace;
use menagerie_strategies::parts::memory::{Pages, Reservation};

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod rig;
use rig::{LAYOUT, Order, Rig, collect, compare, config, cpu, tree, wall};

fn system_config(limit_bytes: usize) -> HeapConfig {
    let parameters = vec![("allocator".to_owned(), "system".to_owned())];
    HeapConfig { parameters, ..config(limit_bytes) }
}
fn mimalloc_config(limit_bytes: usize) -> HeapConfig {
    let parameters = vec![("allocator".to_owned(), "mimalloc".to_owned())];
    HeapConfig { parameters, ..config(limit_bytes) }
}

/// A nursery, or all regions together, of so many bytes.
fn part_config(parameter: &str, bytes: usize) -> HeapConfig {
    let parameters = vec![(parameter.to_owned(), bytes.to_string())];
    HeapConfig { parameters, ..config(16 * bytes) }
}

/// Objects that die at once.
impl<H: Heap> Rig<H> {
    /// Allocates and fills them.
    #[inline(never)]
    fn churn(&mut self, n: u64) {
        for _ in 0..n {
            let o = self.alloc();
            for i in 0..3 {
                self.mutator.init(o, i, Value::NIL);
            }
            black_box(o);
        }
    }
}

impl<H: Heap> Rig<H> {
    /// As `churn`, but each object goes to a register, where it replaces the one before: what a
    /// counting heap sees of it, death included.
    #[inline(never)]
    fn churn_held(&mut self, n: u64) {
        let mut register = Value::NIL;
        for _ in 0..n {
            let o = self.alloc();
            for i in 0..3 {
                self.mutator.init(o, i, Value::NIL);
            }
            self.mutator.set(&mut register, Value::object(o));
            if H::Mutator::COUNTS && self.mutator.pending() {
                self.mutator.drain();
            }
        }
        self.mutator.clear(std::slice::from_mut(&mut register));
        if self.mutator.pending() {
            self.mutator.drain();
        }
    }
    /// As `churn`, in regions of `size` objects, of which none escapes.
    #[inline(never)]
    fn churn_in_regions(&mut self, n: u64, size: u64) {
        let mut left = n;
        while left > 0 {
            let region = self.mutator.enter();
            self.churn(size.min(left));
            left -= size.min(left);
            let mut collect = no_collection;
            let (at, mut result) = (&mut Safepoint::new(&mut collect), Value::NIL);
            self.mutator.leave(region, &mut result, &mut |_| {}, at);
        }
    }
}

fn no_collection(_: Cause) {
    unreachable!("nothing escapes")
}

/// Objects of a region, as a request may make.
const REGION: u64 = 200;

/// The limit: a bump pointer that starts anew at the end of its nursery.
struct Bare {
    memory: Reservation,
    cursor: usize,
    end: usize,
}

impl Bare {
    fn new(bytes: usize) -> Bare {
        let memory = Reservation::new(bytes, Pages::Large).expect("memory");
        let (cursor, end) = (memory.start(), memory.start() + bytes);
        Bare { memory, cursor, end }
    }
    #[inline(never)]
    fn churn(&mut self, n: u64) {
        for _ in 0..n {
            if self.end - self.cursor < LAYOUT.size() {
                self.cursor = self.memory.start();
            }
            // SAFETY: the nursery has room for the object at the cursor.
            let o = unsafe { Obj::create_header(self.cursor, LAYOUT) };
            self.cursor += LAYOUT.size();
            for i in 0..3 {
                o.set_slot(i, Value::NIL);
            }
            black_box(o);
        }
    }
}

const NURSERIES: [(&str, usize); 3] =
    [("128 KiB", 128 << 10), ("1 MiB", 1 << 20), ("16 MiB", 16 << 20)];

// ---- criterion ----

fn allocation(c: &mut Criterion) {
    for (name, bytes) in NURSERIES {
        let mut group = c.benchmark_group(format!("allocate 32 bytes, nursery {name}"));
        group.throughput(Throughput::Elements(1));
        let mut bare = Bare::new(bytes);
        group.bench_function("bare bump pointer", |b| b.iter_custom(|n| wall(|| bare.churn(n))));
        let mut semispace = Rig::<SemiSpace>::new(&config(2 * bytes));
        group.bench_function("semispace", |b| b.iter_custom(|n| wall(|| semispace.churn(n))));
        let mut mark_sweep = Rig::<MarkSweep>::new(&config(bytes));
        group.bench_function("mark-sweep", |b| b.iter_custom(|n| wall(|| mark_sweep.churn(n))));
        let mut generational = Rig::<Generational>::new(&part_config("nursery", bytes));
        group.bench_function("generational", |b| {
            b.iter_custom(|n| wall(|| generational.churn(n)));
        });
        let mut arena = Rig::<Arena<MarkSweep>>::new(&part_config("regions", bytes));
        group.bench_function("arena, in regions", |b| {
            b.iter_custom(|n| wall(|| arena.churn_in_regions(n, REGION)));
        });
        let mut rc = Rig::<Counting>::new(&config(bytes));
        group.bench_function("rc, freed at once", |b| {
            b.iter_custom(|n| wall(|| rc.churn_held(n)));
        });
        let mut mark_sweep = Rig::<MarkSweep>::new(&mimalloc_config(bytes));
        group.bench_function("mark-sweep mimalloc", |b| {
            b.iter_custom(|n| wall(|| mark_sweep.churn(n)))
        });
        let mut mark_sweep = Rig::<MarkSweep>::new(&system_config(bytes));
        group.bench_function("mark-sweep system", |b| {
            b.iter_custom(|n| wall(|| mark_sweep.churn(n)))
        });
    }
    let mut group = c.benchmark_group("allocate 32 bytes, fresh memory");
    group.throughput(Throughput::Elements(1));
    const CHUNK: u64 = 1 << 20;
    let chunks = |n: u64, f: &mut dyn FnMut(u64) -> Duration| {
        let whole: Duration = (0..n / CHUNK).map(|_| f(CHUNK)).sum();
        whole + f(n % CHUNK)
    };
    group.bench_function("bare bump pointer", |b| {
        b.iter_custom(|n| chunks(n, &mut |n| fresh_bare(n)));
    });
    group.bench_function("nogc", |b| b.iter_custom(|n| chunks(n, &mut |n| fresh_nogc(n))));
}

const FRESH_BYTES: usize = 64 << 20;

fn fresh_bare(n: u64) -> Duration {
    let mut bare = Bare::new(FRESH_BYTES);
    wall(|| bare.churn(n))
}
fn fresh_nogc(n: u64) -> Duration {
    let mut rig = Rig::<NoGc>::new(&config(FRESH_BYTES));
    wall(|| rig.churn(n))
}

fn tracing(c: &mut Criterion) {
    const N: usize = 1_000_000;
    for (name, order) in [("depth-first", Order::DepthFirst), ("random", Order::Random)] {
        let mut group = c.benchmark_group(format!("trace 1 M objects, {name} order"));
        group.throughput(Throughput::Elements(N as u64));
        group.sample_size(10);
        let mut rig = tree::<MarkSweep>(&config(256 << 20), N, order);
        group.bench_function(BenchmarkId::new("mark-sweep", ""), |b| {
            b.iter(|| collect(&mut rig, N));
        });
        // The first collection only: afterwards the copies lie in Cheney's own order.
        group.bench_function(BenchmarkId::new("semispace", ""), |b| {
            b.iter_custom(|n| {
                let first = |_| {
                    let mut rig = tree::<SemiSpace>(&config(256 << 20), N, order);
                    wall(|| collect(&mut rig, N))
                };
                (0..n).map(first).sum()
            });
        });
    }
}

// ---- interleaved ratios ----

fn interleaved() {
    const N: u64 = 4_000_000;
    let per = |n: u64, t: f64| t / n as f64;
    for (name, bytes) in NURSERIES {
        let mut bare = Bare::new(bytes);
        let mut semispace = Rig::<SemiSpace>::new(&config(2 * bytes));
        let mut blocks = Rig::<MarkSweep>::new(&config(bytes));
        let mut generational = Rig::<Generational>::new(&part_config("nursery", bytes));
        let mut arena = Rig::<Arena<MarkSweep>>::new(&part_config("regions", bytes));
        let mut rc = Rig::<Counting>::new(&config(bytes));
        let mut mimalloc = Rig::<MarkSweep>::new(&mimalloc_config(bytes));
        let mut system = Rig::<MarkSweep>::new(&system_config(bytes));
        compare(
            &format!("allocate 32 bytes, nursery {name}"),
            15,
            &mut [
                ("bare bump pointer", Box::new(|| per(N, cpu(|| bare.churn(N))))),
                ("semispace", Box::new(|| per(N, cpu(|| semispace.churn(N))))),
                ("mark-sweep", Box::new(|| per(N, cpu(|| blocks.churn(N))))),
                ("generational", Box::new(|| per(N, cpu(|| generational.churn(N))))),
                (
                    "arena, in regions",
                    Box::new(|| per(N, cpu(|| arena.churn_in_regions(N, REGION)))),
                ),
                ("rc, freed at once", Box::new(|| per(N, cpu(|| rc.churn_held(N))))),
                ("mark-sweep mimalloc", Box::new(|| per(N, cpu(|| mimalloc.churn(N))))),
                ("mark-sweep system", Box::new(|| per(N, cpu(|| system.churn(N))))),
            ],
        );
    }
    let fresh = FRESH_BYTES as u64 / 32 - 1;
    compare(
        "allocate 32 bytes, fresh memory",
        15,
        &mut [
            (
                "bare bump pointer",
                Box::new(|| {
                    let mut bare = Bare::new(FRESH_BYTES);
                    per(fresh, cpu(|| bare.churn(fresh)))
                }),
            ),
            (
                "nogc",
                Box::new(|| {
                    let mut rig = Rig::<NoGc>::new(&config(FRESH_BYTES));
                    per(fresh, cpu(|| rig.churn(fresh)))
                }),
            ),
        ],
    );
    for n in [100_000, 4_000_000] {
        for (name, order) in [("depth-first", Order::DepthFirst), ("random", Order::Random)] {
            let marks = |config: HeapConfig| {
                let mut rig = tree::<MarkSweep>(&config, n, order);
                collect(&mut rig, n);
                move || per(n as u64, cpu(|| collect(&mut rig, n)))
            };
            compare(
                &format!("trace {n} objects, {name} order"),
                7,
                &mut [
                    ("mark-sweep", Box::new(marks(config(1 << 30)))),
                    ("mark-sweep system", Box::new(marks(system_config(1 << 30)))),
                    (
                        "semispace",
                        Box::new(|| {
                            let mut rig = tree::<SemiSpace>(&config(1 << 30), n, order);
                            per(n as u64, cpu(|| collect(&mut rig, n)))
                        }),
                    ),
                ],
            );
        }
    }
}

criterion_group!(benches, allocation, tracing);

fn main() {
    if std::env::args().any(|arg| arg == "--ratios") {
        interleaved();
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
