//! `Checked<H>`: proves around every collection that the program cannot tell that it happened, and
//! watches every access.
//!
//! 1. Before a collection the graph that the roots reach is hashed: kinds, classes, lengths, raw
//!    bytes, immediates, and sharing (objects are numbered in the order of their discovery).
//! 2. After it the same is done again; the hashes must agree. When the collection revived objects
//!    for finalizers there are more roots than before: then the graph is only validated.
//! 3. Every reference must lead to an object that the heap has handed out and that was reachable at
//!    the last collection (or allocated since). The first edge that does not is printed.
//! 4. `init` may only touch objects allocated since the last safepoint, `load` and `store` live ones,
//!    within their length; what is stored or set in a register must be live.
//!
//! What it does not see: leaks, garbage that is kept too long, and the targets of weak references.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::heap::Dirty;
use crate::heap::{
    Cause, CheckOptions, Collection, Heap, HeapConfig, HeapError, HeapInfo, Liveness, Mutator, Oom,
    Region, Roots, Safepoint, Usage,
};
use crate::object::{Obj, ObjectKind, ObjectLayout};
use crate::value::Value;

/// What the checker knows of the heap's objects.
#[derive(Debug, Default)]
struct Shadow {
    /// Addresses that may be used.
    live: HashSet<usize>,
    /// Those allocated since the last safepoint.
    fresh: HashSet<usize>,
}

/// A heap whose every step is checked.
#[derive(Debug)]
pub struct Checked<H> {
    inner: H,
    options: CheckOptions,
    shadow: Rc<RefCell<Shadow>>,
}

/// Its mutator.
#[derive(Debug)]
pub struct CheckedMutator<M> {
    inner: M,
    options: CheckOptions,
    shadow: Rc<RefCell<Shadow>>,
}

/// Notices whether objects were revived.
struct WatchedRoots<'a> {
    inner: &'a mut dyn Roots,
    revived: bool,
}

impl Roots for WatchedRoots<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.inner.slices(f);
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        let revived = self.inner.weak(live);
        self.revived |= revived;
        revived
    }
}

/// A walk over everything that the roots reach.
struct Walk<'a> {
    live: &'a HashSet<usize>,
    /// After a moving collection nothing is known to be live yet: headers alone are checked.
    trust: bool,
    seed: u64,
    numbers: HashMap<usize, u64>,
    queue: Vec<Obj>,
    hash: u64,
}

impl Walk<'_> {
    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    fn word(&mut self, v: Value, from: &dyn Fn() -> String) {
        let Some(o) = v.as_object() else { return self.mix(v.bits()) };
        let next = self.numbers.len() as u64;
        let number = *self.numbers.entry(o.address()).or_insert_with(|| {
            let known = self.trust || self.live.contains(&o.address());
            assert!(
                known && ObjectKind::from_u8(o.header() as u8).is_some(),
                "broken heap: {} → {o:?} is no live object (seed {})",
                from(),
                self.seed
            );
            self.queue.push(o);
            next
        });
        self.mix(number);
    }
    fn objects(&mut self) {
        while let Some(o) = self.queue.pop() {
            self.mix(o.layout().header());
            if o.is_raw() {
                (0..o.len().div_ceil(8)).for_each(|i| self.mix(o.raw_word(i)));
            }
            for i in 0..o.traced_slots() {
                self.word(o.slot(i), &|| format!("{o:?}[{i}]"));
            }
        }
    }
}

impl<H: Heap> Checked<H> {
    /// Hashes and validates the graph; gives the reachable addresses too.
    fn walk(&self, roots: &mut dyn Roots, trust: bool) -> (u64, HashSet<usize>) {
        let shadow = self.shadow.borrow();
        let mut walk = Walk {
            live: &shadow.live,
            trust,
            seed: self.options.seed,
            numbers: HashMap::new(),
            queue: Vec::new(),
            hash: 0,
        };
        let mut slice_number = 0;
        roots.slices(&mut |slice, _| {
            for (i, &v) in slice.iter().enumerate() {
                walk.word(v, &|| format!("root slice {slice_number}[{i}]"));
            }
            slice_number += 1;
            walk.objects();
        });
        (walk.hash, walk.numbers.into_keys().collect())
    }
}

// SAFETY: objects are the wrapped heap's.
unsafe impl<H: Heap> Heap for Checked<H> {
    type Mutator = CheckedMutator<H::Mutator>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        let inner = H::new(config)?;
        Ok(Checked { inner, options: config.checks, shadow: Rc::default() })
    }
    fn mutator(&self) -> Self::Mutator {
        CheckedMutator {
            inner: self.inner.mutator(),
            options: self.options,
            shadow: self.shadow.clone(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        if !self.options.check {
            return self.inner.collect(roots, why);
        }
        let (before, _) = self.walk(roots, false);
        let mut watched = WatchedRoots { inner: roots, revived: false };
        let collection = self.inner.collect(&mut watched, why);
        let revived = watched.revived;
        let (after, reachable) = self.walk(roots, true);
        assert!(
            revived || before == after,
            "broken heap: collection {why:?} changed the reachable graph (seed {})",
            self.options.seed
        );
        let mut shadow = self.shadow.borrow_mut();
        shadow.live = reachable;
        shadow.fresh.clear();
        collection
    }
    fn usage(&self) -> Usage {
        self.inner.usage()
    }
    fn info(&self) -> HeapInfo {
        self.inner.info()
    }
}

impl<M> CheckedMutator<M> {
    fn allocated(&self, o: Obj) {
        if self.options.check {
            let mut shadow = self.shadow.borrow_mut();
            let new = shadow.live.insert(o.address());
            // A collection between forgets what it freed; without one nothing is handed out twice.
            assert!(new, "broken heap: {o:?} handed out twice (seed {})", self.options.seed);
            shadow.fresh.insert(o.address());
        }
    }
    fn check_value(&self, v: Value, what: &dyn Fn() -> String) {
        if let Some(o) = v.as_object()
            && self.options.check
        {
            let live = self.shadow.borrow().live.contains(&o.address());
            assert!(
                live,
                "broken contract: {} → stale {:#x} (seed {})",
                what(),
                o.address(),
                self.options.seed
            );
        }
    }
    fn check_place(&self, o: Obj, i: usize, what: &str) {
        if self.options.check {
            self.check_value(Value::object(o), &|| format!("{what} of slot {i}"));
            assert!(
                !o.is_raw() && i < o.len(),
                "broken contract: {what} of {o:?}[{i}] (seed {})",
                self.options.seed
            );
        }
    }
}

// SAFETY: as the heap.
unsafe impl<M: Mutator> Mutator for CheckedMutator<M> {
    const COUNTS: bool = M::COUNTS;

    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.inner.try_alloc(layout)?;
        self.allocated(o);
        Some(o)
    }
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        let o = self.inner.alloc_slow(layout, at)?;
        self.allocated(o);
        Ok(o)
    }
    fn set(&mut self, register: &mut Value, v: Value) {
        self.check_value(v, &|| "a register".to_owned());
        self.inner.set(register, v);
    }
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        self.check_value(*dead, &|| "a register".to_owned());
        self.inner.take(register, dead);
    }
    fn clear(&mut self, registers: &mut [Value]) {
        self.inner.clear(registers);
    }
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.check_place(o, i, "load");
        let v = self.inner.load(o, i);
        self.check_value(v, &|| format!("{o:?}[{i}]"));
        v
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.check_place(o, i, "load_weak");
        let v = self.inner.load_weak(o, i);
        if self.options.check
            && let Some(target) = v.as_object()
        {
            // Reachable only weakly until now: from here on the program holds it.
            self.shadow.borrow_mut().live.insert(target.address());
        }
        v
    }
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.check_place(o, i, "init");
        self.check_value(v, &|| format!("{o:?}[{i}]"));
        assert!(
            !self.options.check || self.shadow.borrow().fresh.contains(&o.address()),
            "broken contract: init of {o:?} after a safepoint (seed {})",
            self.options.seed
        );
        self.inner.init(o, i, v);
    }
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.check_place(o, i, "store");
        self.check_value(v, &|| format!("{o:?}[{i}]"));
        self.inner.store(o, i, v);
    }
    super::forward_cold!(inner);
}
