//! What the benchmarks of heaps share: a heap without an interpreter, graphs, interleaved rounds.

use std::time::{Duration, Instant};

use menagerie::heap::{Cause, Dirty, Heap, HeapConfig, Liveness, Mutator, Roots, Safepoint, Sizer};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;

/// 32 bytes: the header and three slots.
pub(crate) const LAYOUT: ObjectLayout = ObjectLayout::new(ObjectKind::Tuple, 3);

pub(crate) struct TestRoots(pub(crate) Vec<Value>);
impl Roots for TestRoots {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        f(&mut self.0, Dirty::Yes);
    }
    fn weak(&mut self, _: &mut dyn Liveness) -> bool {
        false
    }
}

/// A heap that collects only when asked, or full.
pub(crate) fn config(limit_bytes: usize) -> HeapConfig {
    HeapConfig { limit_bytes, sizer: Sizer::Fixed, ..HeapConfig::default() }
}

/// A heap with its mutator, and the roots `r`.
pub(crate) struct Rig<H: Heap> {
    pub(crate) mutator: H::Mutator,
    pub(crate) heap: H,
    pub(crate) roots: TestRoots,
}

impl<H: Heap> Rig<H> {
    pub(crate) fn new(config: &HeapConfig) -> Rig<H> {
        let heap = H::new(config).expect("the configuration is good");
        Rig { mutator: heap.mutator(), heap, roots: TestRoots(Vec::new()) }
    }
    #[inline(always)]
    pub(crate) fn alloc(&mut self) -> Obj {
        self.alloc_of(LAYOUT)
    }
    #[inline(always)]
    pub(crate) fn alloc_of(&mut self, layout: ObjectLayout) -> Obj {
        match self.mutator.try_alloc(layout) {
            Some(o) => o,
            None => self.alloc_slow(layout),
        }
    }
    #[cold]
    #[inline(never)]
    fn alloc_slow(&mut self, layout: ObjectLayout) -> Obj {
        let (heap, roots) = (&self.heap, &mut self.roots);
        let mut collect = |why| drop(heap.collect(roots, why));
        self.mutator.alloc_slow(layout, &mut Safepoint::new(&mut collect)).expect("memory")
    }
}

// ---- graphs to mark ----

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    /// Preorder: what a program that builds it depth first gets.
    DepthFirst,
    Random,
}

/// `n` objects that refer to nothing, in this order.
pub(crate) fn objects<H: Heap>(rig: &mut Rig<H>, n: usize, order: Order) -> Vec<Obj> {
    let mut objects: Vec<Obj> = Vec::with_capacity(n);
    for _ in 0..n {
        let o = rig.alloc();
        (0..3).for_each(|i| rig.mutator.init(o, i, Value::NIL));
        objects.push(o);
    }
    if order == Order::Random {
        let mut seed = 12_345u64;
        for i in (1..n).rev() {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            objects.swap(i, (seed % (i as u64 + 1)) as usize);
        }
    }
    objects
}

/// A binary tree of `n` nodes whose preorder lies in memory as `order` says.
pub(crate) fn tree<H: Heap>(config: &HeapConfig, n: usize, order: Order) -> Rig<H> {
    let mut rig = Rig::<H>::new(config);
    let objects = objects(&mut rig, n, order);
    // Node k's children are 2k + 1 and 2k + 2; the stack gives preorder.
    let (mut next, mut stack) = (0, vec![(0, None)]);
    while let Some((k, parent)) = stack.pop() {
        let o: Obj = objects[next];
        next += 1;
        if let Some((parent, slot)) = parent {
            rig.mutator.init(parent, slot, Value::object(o));
        }
        let children = [(2 * k + 2, 1), (2 * k + 1, 0)];
        stack.extend(children.iter().filter(|c| c.0 < n).map(|&(k, slot)| (k, Some((o, slot)))));
    }
    rig.mutator.flush();
    rig.roots.0.push(Value::object(objects[0]));
    rig
}

/// A collection, which must find everything alive.
pub(crate) fn collect<H: Heap>(rig: &mut Rig<H>, n: usize) {
    let collection = rig.heap.collect(&mut rig.roots, Cause::Explicit);
    assert_eq!(collection.traced_objects, n as u64);
}

pub(crate) fn wall(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

/// CPU nanoseconds of this thread.
pub(crate) fn cpu(f: impl FnOnce()) -> f64 {
    clocked(libc::CLOCK_THREAD_CPUTIME_ID, f)
}

/// CPU nanoseconds of all threads.
pub(crate) fn cpu_of_all(f: impl FnOnce()) -> f64 {
    clocked(libc::CLOCK_PROCESS_CPUTIME_ID, f)
}

fn clocked(clock: libc::clockid_t, f: impl FnOnce()) -> f64 {
    let now = || {
        let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes the time into `t`.
        unsafe { libc::clock_gettime(clock, &mut t) };
        t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
    };
    let start = now();
    f();
    now() - start
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) type Contender<'a> = (&'a str, Box<dyn FnMut() -> f64 + 'a>);

/// Runs the contenders in turn, `rounds` times; prints the median of each and its ratio to the first.
pub(crate) fn compare(what: &str, rounds: usize, contenders: &mut [Contender<'_>]) {
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (times, (_, run)) in times.iter_mut().zip(contenders.iter_mut()) {
            times.push(run());
        }
    }
    println!("{what}");
    let mut ratios: Vec<Vec<f64>> = Vec::new();
    for t in &times {
        ratios.push(t.iter().zip(&times[0]).map(|(a, b)| a / b).collect());
    }
    for (((name, _), times), ratios) in contenders.iter().zip(&mut times).zip(&mut ratios) {
        println!("  {name:<24} {:7.2} ns  {:5.2} ×", median(times), median(ratios));
    }
}
