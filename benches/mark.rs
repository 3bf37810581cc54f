//! What marking costs per object, by the shape of the graph and its order in memory, against a minimal
//! loop over the same objects.
//!
//! ```text
//! cargo bench -p menagerie-strategies --bench mark                criterion's figures
//! cargo bench -p menagerie-strategies --bench mark -- --ratios    interleaved rounds, medians
//! ```
//! `MARK_OBJECTS` is how many objects (10 million). The minimal loops are the machine's limit: a stack, a
//! bitmap, every slot looked at; no kinds, no statistics, no second kind of object, and each for one
//! order: `plain` for neighbours, `prefetching` (32 under way) for objects anywhere. A marker does not know
//! which order it will find. A collection clears the bitmap and sorts the blocks, too. (The marker can be
//! faster than both: it has marks under way as well.)

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use menagerie::heap::{HeapConfig, Mutator};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;
use menagerie_strategies::heaps::mark_sweep::MarkSweep;
use menagerie_strategies::parts::memory::prefetch;

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod rig;
use rig::{Contender, Order, Rig, collect, compare, config, cpu, cpu_of_all, objects, tree, wall};

/// References of one array.
const ARRAY: usize = 1000;
/// Of the minimal loop, as many objects as the marker has.
const UNDER_WAY: usize = 32;

fn object_count() -> usize {
    std::env::var("MARK_OBJECTS").map_or(10_000_000, |text| {
        text.parse().unwrap_or_else(|e| panic!("MARK_OBJECTS={text}: {e}"))
    })
}
fn heap_config(n: usize, threads: usize) -> HeapConfig {
    let parameters = vec![("gc-threads".to_owned(), threads.to_string())];
    HeapConfig { parameters, ..config(64 * n + (64 << 20)) }
}

#[derive(Clone, Copy)]
enum Shape {
    Tree(Order),
    List(Order),
    /// Arrays of references to objects that refer to nothing.
    Arrays(Order),
}

const SHAPES: [(&str, Shape); 6] = [
    ("tree, depth-first order", Shape::Tree(Order::DepthFirst)),
    ("tree, random order", Shape::Tree(Order::Random)),
    ("list, in order", Shape::List(Order::DepthFirst)),
    ("list, random order", Shape::List(Order::Random)),
    ("arrays, in order", Shape::Arrays(Order::DepthFirst)),
    ("arrays, random order", Shape::Arrays(Order::Random)),
];

/// How many threads mark, in the second part.
const THREADS: [(&str, usize); 2] = [("1 thread", 1), ("2 threads", 2)];

impl Shape {
    /// About `n` objects of this shape; how many.
    fn build(self, config: &HeapConfig, n: usize) -> (Rig<MarkSweep>, usize) {
        match self {
            Shape::Tree(order) => (tree(config, n, order), n),
            Shape::List(order) => (list(config, n, order), n),
            Shape::Arrays(order) => arrays(config, n, order),
        }
    }
}

fn list(config: &HeapConfig, n: usize, order: Order) -> Rig<MarkSweep> {
    let mut rig = Rig::<MarkSweep>::new(config);
    let objects = objects(&mut rig, n, order);
    for pair in objects.windows(2) {
        rig.mutator.init(pair[0], 0, Value::object(pair[1]));
    }
    rig.mutator.flush();
    rig.roots.0.push(Value::object(objects[0]));
    rig
}

fn arrays(config: &HeapConfig, n: usize, order: Order) -> (Rig<MarkSweep>, usize) {
    let mut rig = Rig::<MarkSweep>::new(config);
    let objects = objects(&mut rig, n / ARRAY * ARRAY, order);
    for part in objects.chunks(ARRAY) {
        let array = rig.alloc_of(ObjectLayout::new(ObjectKind::Buffer, ARRAY as u32));
        for (i, &o) in part.iter().enumerate() {
            rig.mutator.init(array, i, Value::object(o));
        }
        rig.roots.0.push(Value::object(array));
    }
    rig.mutator.flush();
    let count = objects.len() + rig.roots.0.len();
    (rig, count)
}

/// The minimal loops.
struct Floor {
    base: usize,
    bits: Vec<u64>,
    stack: Vec<Obj>,
    roots: Vec<Obj>,
}

impl Floor {
    fn new(rig: &Rig<MarkSweep>, bytes: usize) -> Floor {
        let roots: Vec<Obj> = rig.roots.0.iter().filter_map(|v| v.as_object()).collect();
        let mut floor = Floor { base: 0, bits: Vec::new(), stack: Vec::new(), roots };
        let (low, high) = floor.range();
        assert!(high - low < bytes);
        (floor.base, floor.bits) = (low, vec![0; (high - low) / 512 + 1]);
        floor
    }
    /// The addresses of all objects, found by a walk with a set.
    fn range(&self) -> (usize, usize) {
        let mut seen = std::collections::HashSet::new();
        let mut stack = self.roots.clone();
        let (mut low, mut high) = (usize::MAX, 0);
        while let Some(o) = stack.pop() {
            if seen.insert(o.address()) {
                (low, high) = (low.min(o.address()), high.max(o.address()));
                stack.extend((0..o.len()).filter_map(|i| o.slot(i).as_object()));
            }
        }
        (low, high)
    }
    #[inline(always)]
    fn push(&mut self, o: Obj) {
        let granule = (o.address() - self.base) / 8;
        let (word, bit) = (&mut self.bits[granule / 64], 1 << (granule % 64));
        if *word & bit == 0 {
            *word |= bit;
            self.stack.push(o);
        }
    }
    #[inline(always)]
    fn scan(&mut self, o: Obj) {
        for i in (0..o.len()).rev() {
            if let Some(target) = o.slot(i).as_object() {
                self.push(target);
            }
        }
    }
    fn start(&mut self) {
        self.bits.fill(0);
        for i in 0..self.roots.len() {
            self.push(self.roots[i]);
        }
    }
    #[inline(never)]
    fn plain(&mut self) -> usize {
        self.start();
        let mut n = 0;
        while let Some(o) = self.stack.pop() {
            n += 1;
            self.scan(o);
        }
        n
    }
    #[inline(never)]
    fn prefetching(&mut self) -> usize {
        self.start();
        let mut queue = [None; UNDER_WAY];
        let (mut n, mut queued) = (0, 0);
        for step in 0.. {
            let next = self.stack.pop();
            if let Some(o) = next {
                prefetch(o.address());
                queued += 1;
            } else if queued == 0 {
                break;
            }
            if let Some(o) = std::mem::replace(&mut queue[step % UNDER_WAY], next) {
                (n, queued) = (n + 1, queued - 1);
                self.scan(o);
            }
        }
        n
    }
}

fn marking(c: &mut Criterion) {
    let n = object_count();
    for (name, shape) in SHAPES {
        let mut group = c.benchmark_group(format!("mark {n} objects: {name}"));
        group.sample_size(10);
        let config = heap_config(n, 1);
        let (mut rig, count) = shape.build(&config, n);
        group.throughput(Throughput::Elements(count as u64));
        let mut floor = Floor::new(&rig, config.limit_bytes);
        group.bench_function(BenchmarkId::new("mark-sweep", ""), |b| {
            b.iter(|| collect(&mut rig, count));
        });
        group.bench_function(BenchmarkId::new("plain loop", ""), |b| b.iter(|| floor.plain()));
        group.bench_function(BenchmarkId::new("prefetching loop", ""), |b| {
            b.iter(|| floor.prefetching());
        });
    }
}

fn interleaved() {
    let n = object_count();
    for (name, shape) in SHAPES {
        let config = heap_config(n, 1);
        let (mut rig, count) = shape.build(&config, n);
        let floors = [Floor::new(&rig, config.limit_bytes), Floor::new(&rig, config.limit_bytes)];
        let [mut plain, mut prefetching] = floors;
        let per = |t: f64| t / count as f64;
        let mut contenders: Vec<Contender<'_>> = vec![
            ("plain loop", Box::new(|| per(cpu(|| _ = black_box(plain.plain()))))),
            (
                "prefetching loop",
                Box::new(|| per(cpu(|| _ = black_box(prefetching.prefetching())))),
            ),
            ("mark-sweep", Box::new(|| per(cpu(|| collect(&mut rig, count))))),
        ];
        compare(&format!("mark {count} objects: {name}, processor time"), 9, &mut contenders);
    }
    type Clock = fn(&mut dyn FnMut()) -> f64;
    let clocks: [(&str, Clock); 2] = [
        ("wall time", |f| wall(f).as_nanos() as f64),
        ("processor time of all threads", |f| cpu_of_all(f)),
    ];
    for (name, shape) in SHAPES {
        let mut rigs = THREADS.map(|(_, threads)| shape.build(&heap_config(n, threads), n));
        for (clock_name, clock) in clocks {
            let mut contenders: Vec<Contender<'_>> = Vec::new();
            for ((threads, _), (rig, count)) in THREADS.iter().zip(&mut rigs) {
                let time = move || clock(&mut || collect(rig, *count)) / *count as f64;
                contenders.push((threads, Box::new(time)));
            }
            compare(&format!("mark {n} objects: {name}, {clock_name}"), 9, &mut contenders);
        }
    }
}

criterion_group!(benches, marking);

fn main() {
    if std::env::args().any(|arg| arg == "--ratios") {
        interleaved();
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
