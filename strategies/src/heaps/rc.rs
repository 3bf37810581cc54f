//! `rc`: immediate reference counting with trial deletion of garbage cycles.
//!
//! Every object's prefix word counts the references to it: from slots, registers and all other
//! roots. What falls to zero is freed between two instructions, and what only it referred to after
//! it, from a list, without recursion. An object whose count falls to something else may have been
//! the last way into a cycle: it becomes a *candidate*, and when there are enough of them, a
//! collection finds the garbage cycles among what they reach.
//!
//! ```text
//!   [count][header][slots]          dec to 0 ─► dead list ─► drain: children dec'ed, cell freed
//!    prefix                         dec to n ─► candidates ─► collection: gray, scan, white, free
//!                                                 │
//!          trial deletion:   subtract the references inside of what candidates reach (gray);
//!                            what is left above zero is held from outside: add again (black);
//!                            the rest is garbage (white)
//! ```
//!
//! Invariants
//! - I1. Between instructions an object's count is the number of words that refer to it: slots of
//!   objects that are not freed, registers, roots of the world. Fresh objects have zero until they
//!   are adopted (H6); so have those whose last word was just overwritten, until the next drain.
//! - I2. An object is in the dead list iff it is LISTED, among the candidates iff it is a CANDIDATE,
//!   in limbo iff it is in LIMBO. Its memory is freed when it is dead and in none of them.
//! - I3. Weak references do not count. The world's list of them names their holders; so a dead
//!   holder, or a target, stays in limbo until the world has been told. `load_weak` answers nil for a
//!   dead target at once.
//! - I4. A dead object with a finalizer keeps what it refers to until the next collection, which
//!   judges it as the root of a garbage cycle: the world revives it, and with it what it reaches.
//! - I5. The value of a weak map's entry is counted (H10). A collection takes these counts away, treats the
//!   values as candidates, and gives back those of the entries that the world has left. So an entry goes
//!   at the next collection after its key has died, whatever its value refers to.
//!
//! Costs: a register write that replaces a reference by another = two loads, two adds, two stores,
//! one compare; a death = a push, and about 10 ns for drain and cell. A cycle collection is
//! proportional to what the candidates reach, live or not. No pause otherwise.
//! Source: Collins 1960; trial deletion after Bacon, Rajan: Concurrent Cycle Collection in Reference
//! Counted Systems, 2001 (the synchronous variant); free lists as in mimalloc.
//! Parameters: `cycles`, `cycle-threshold`, `cycle-budget`.
//! It does not defer or coalesce counts, compact, or run on more than one worker.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc as Shared;

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Liveness, Mutator, Oom,
    Parameter, Roots, Safepoint, Usage, Watch,
};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::value::Value;

use crate::parts::cells::{CHARGE, CellSpace};
use crate::parts::counts::{
    CANDIDATE, DEAD, FINALIZER, GARBAGE, GRAY, LIMBO, LISTED, ObjectList, WEAK, WHITE, add, count,
    decrement, has, increment, may_be_cyclic, remove, set_count,
};
use crate::parts::memory::{Budget, Source, allocate, free, poison};
use crate::parts::phases::Phases;
use crate::parts::size_class::{COUNT, LARGEST, LARGEST_EXACT, cell_size, class_of};

/// Bytes in front of an object.
const PREFIX: usize = 8;
/// The smallest limit: one block for each of a few classes.
const MINIMUM: usize = 4 * CHARGE;

#[derive(Debug)]
struct State {
    budget: Budget,
    poison: bool,
    cells: CellSpace,
    /// Addresses of the objects that have no class.
    large: BTreeSet<usize>,
    dead: Vec<Obj>,
    candidates: Vec<Obj>,
    limbo: Vec<Obj>,
    /// Whether something in limbo has a finalizer.
    finalization_due: bool,
    cycles: Cycles,
    allocated_bytes: u64,
    freed_bytes: u64,
    freed_objects: u64,
    /// Of these, by trial deletion.
    cyclic_objects: u64,
    live_bytes: usize,
    collections: u64,
}

/// When to look for garbage cycles.
#[derive(Debug)]
struct Cycles {
    enabled: bool,
    /// Candidates that make a collection worth while, as asked for.
    threshold: usize,
    /// The same, after what the last collections found.
    now: usize,
    /// How many candidates one collection looks at.
    budget: usize,
}

impl Cycles {
    fn new(config: &HeapConfig) -> Result<Cycles, HeapError> {
        let number = |name: &str| match config.parameter(&Rc::INFO, name) {
            "max" => Ok(usize::MAX),
            text => text.parse().ok().filter(|&n| n > 0).ok_or_else(|| {
                HeapError(format!("{name}={text}: expected a number from 1 on, or max"))
            }),
        };
        let enabled = match config.parameter(&Rc::INFO, "cycles") {
            "on" => true,
            "off" => false,
            other => return Err(HeapError(format!("cycles={other}: expected on or off"))),
        };
        let threshold = number("cycle-threshold")?;
        Ok(Cycles { enabled, threshold, now: threshold, budget: number("cycle-budget")? })
    }
    /// Looking at many objects to find little garbage becomes rarer: a candidate pays for the visit
    /// of at most four live objects, however large the structures are that candidates reach.
    fn adapt(&mut self, traced: u64, garbage: usize) {
        let live = traced - garbage as u64;
        self.now = self.threshold.max(usize::try_from(live / 4).unwrap_or(usize::MAX));
    }
}

/// Counts references.
#[derive(Debug)]
pub struct Rc(Shared<RefCell<State>>);

/// Its mutator: free cells by class, and what was found dead or suspicious since the last drain.
#[derive(Debug)]
pub struct RcMutator {
    dead: ObjectList,
    candidates: ObjectList,
    cycles: bool,
    /// After the last drain.
    wanted: Option<Cause>,
    free: [usize; COUNT],
    state: Shared<RefCell<State>>,
}

// ---- death ----

impl State {
    fn used_bytes(&self) -> usize {
        (self.allocated_bytes - self.freed_bytes) as usize
    }
    fn drop_reference(&mut self, o: Obj) {
        if decrement(o) == 0 {
            if !has(o, LISTED) {
                add(o, LISTED);
                self.dead.push(o);
            }
        } else if self.cycles.enabled && !has(o, CANDIDATE) && may_be_cyclic(o) {
            add(o, CANDIDATE);
            self.candidates.push(o);
        }
    }
    /// Frees the dead, and what dies with them.
    fn drain(&mut self) {
        while let Some(o) = self.dead.pop() {
            remove(o, LISTED);
            if count(o) != 0 {
                continue; // Adopted again meanwhile (I1).
            }
            if has(o, FINALIZER) {
                self.finalization_due = true;
                add(o, DEAD | LIMBO);
                self.limbo.push(o);
                continue;
            }
            for i in counted_slots(o) {
                if let Some(child) = o.slot(i).as_object() {
                    self.drop_reference(child);
                }
            }
            self.bury(o);
        }
    }
    /// Frees an object that refers to nothing any more, or leaves that to the lists it is in (I2).
    fn bury(&mut self, o: Obj) {
        let told = !has(o, WEAK) && !is_listed_by_the_world(o);
        if told && !has(o, CANDIDATE) {
            return self.free(o);
        }
        (0..o.traced_slots()).for_each(|i| o.set_slot(i, Value::NIL));
        add(o, DEAD);
        if !told {
            add(o, LIMBO);
            self.limbo.push(o);
        }
    }
    fn free(&mut self, o: Obj) {
        let size = o.size();
        self.freed_bytes += size as u64;
        self.freed_objects += 1;
        let start = o.address() - PREFIX;
        // SAFETY: the object's memory, from `alloc`; nobody refers to it (I1, I2).
        unsafe {
            if self.cells.covers(start) {
                return self.cells.free(start, &self.budget);
            }
            if self.poison {
                poison(start + PREFIX, start + PREFIX + size);
            }
            self.large.remove(&start);
            free(Source::System, start, size + PREFIX, &self.budget);
        }
    }
}

// ---- cycles ----

/// Slots that hold counted references: the traced ones, and the values of a weak map's entries (every
/// other slot; what else is in there are numbers).
fn counted_slots(o: Obj) -> std::iter::StepBy<std::ops::Range<usize>> {
    if o.header() as u8 == ObjectKind::Ephemerons as u8 {
        (1..o.len()).step_by(2)
    } else {
        (0..o.traced_slots()).step_by(1)
    }
}
/// The world has lists of weak references and weak maps (I3).
fn is_listed_by_the_world(o: Obj) -> bool {
    let kind = o.header() as u8;
    kind == ObjectKind::Weak as u8 || kind == ObjectKind::WeakMap as u8
}

/// What the collector tells the world.
struct Judgement {
    /// Revived, and what they reach not yet.
    kept: Vec<Obj>,
}

impl Liveness for Judgement {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        let garbage = o.gc_byte() & GARBAGE == GARBAGE;
        (!garbage && !has(o, DEAD)).then_some(o)
    }
    fn keep(&mut self, o: Obj) -> Obj {
        increment(o);
        self.hold(o)
    }
    fn hold(&mut self, o: Obj) -> Obj {
        remove(o, GARBAGE);
        self.kept.push(o);
        o
    }
}

fn children(o: Obj) -> impl Iterator<Item = Obj> {
    (0..o.traced_slots()).filter_map(move |i| o.slot(i).as_object())
}

impl State {
    /// Trial deletion: the garbage among what the candidates reach, all of it coloured [`GARBAGE`], and
    /// how many objects were looked at.
    fn find_cycles(&mut self, budget: usize, weak_values: &[Obj]) -> (Vec<Obj>, u64) {
        let rest = self.candidates.len().saturating_sub(budget);
        let mut roots = self.candidates.split_off(rest);
        roots.retain(|&o| {
            remove(o, CANDIDATE);
            let dead = has(o, DEAD);
            if dead && !has(o, LIMBO) {
                self.free(o);
            }
            !dead
        });
        // What only an object with a finalizer keeps is as dead as that (I4).
        self.limbo.retain(|&o| {
            let finalizable = has(o, FINALIZER);
            if finalizable {
                remove(o, DEAD | LIMBO);
                roots.push(o);
            }
            !finalizable
        });
        roots.extend_from_slice(weak_values);
        let mut traced = 0;
        let mut stack = Vec::new();
        let visit = |o: Obj, stack: &mut Vec<Obj>| {
            if !has(o, GRAY) {
                add(o, GRAY);
                stack.push(o);
            }
        };
        for &root in &roots {
            visit(root, &mut stack);
            while let Some(o) = stack.pop() {
                traced += 1;
                for child in children(o) {
                    decrement(child);
                    visit(child, &mut stack);
                }
            }
        }
        for &root in &roots {
            self.scan(root);
        }
        let mut garbage = Vec::new();
        for &root in &roots {
            let mut gather = |o: Obj, stack: &mut Vec<Obj>| {
                if o.gc_byte() & GARBAGE == WHITE {
                    add(o, GARBAGE);
                    garbage.push(o);
                    stack.push(o);
                }
            };
            gather(root, &mut stack);
            while let Some(o) = stack.pop() {
                children(o).for_each(|child| gather(child, &mut stack));
            }
        }
        (garbage, traced)
    }
    /// Of gray objects: held from outside, and with them what they reach, or white.
    fn scan(&mut self, root: Obj) {
        let mut stack = vec![root];
        while let Some(o) = stack.pop() {
            if !has(o, GRAY) {
                continue;
            }
            if count(o) > 0 {
                self.blacken(o);
            } else {
                remove(o, GRAY);
                add(o, WHITE);
                stack.extend(children(o));
            }
        }
    }
    /// The object is live, and so is what it reaches: counts are as they were.
    fn blacken(&mut self, o: Obj) {
        remove(o, GARBAGE);
        let mut stack = vec![o];
        while let Some(o) = stack.pop() {
            for child in children(o) {
                increment(child);
                if has(child, GARBAGE) {
                    remove(child, GARBAGE);
                    stack.push(child);
                }
            }
        }
    }
    fn collect(&mut self, roots: &mut dyn Roots, why: Cause) -> Collection {
        let before_bytes = self.used_bytes();
        let mut phases = Phases::start();
        self.drain();
        phases.end("release");
        let budget = match why {
            Cause::Candidates | Cause::Finalization => self.cycles.budget,
            _ => usize::MAX,
        };
        let mut weak_values = Vec::new();
        roots.weak_values(&mut |value| {
            decrement(value);
            weak_values.push(value);
        });
        let (garbage, traced_objects) = self.find_cycles(budget, &weak_values);
        self.cycles.adapt(traced_objects, garbage.len());
        phases.end("cycles");
        if !garbage.is_empty() || !self.limbo.is_empty() {
            let mut judgement = Judgement { kept: Vec::new() };
            while roots.weak(&mut judgement) {
                judgement.kept.drain(..).for_each(|o| self.blacken(o));
            }
        }
        roots.weak_values(&mut increment);
        self.finalization_due = false;
        phases.end("weak");
        for o in garbage {
            if o.gc_byte() & GARBAGE != GARBAGE {
                continue; // Revived for its finalizer, or by one that was.
            }
            self.cyclic_objects += 1;
            // What it held was subtracted by the trial.
            if has(o, CANDIDATE) {
                (0..o.traced_slots()).for_each(|i| o.set_slot(i, Value::NIL));
                remove(o, GARBAGE);
                add(o, DEAD);
            } else {
                self.free(o);
            }
        }
        for o in std::mem::take(&mut self.limbo) {
            if has(o, LIMBO) {
                remove(o, LIMBO);
                if !has(o, CANDIDATE) {
                    self.free(o);
                }
            }
        }
        phases.end("free");
        self.collections += 1;
        self.live_bytes = self.used_bytes();
        Collection {
            before_bytes,
            after_bytes: self.live_bytes,
            traced_objects,
            copied_bytes: 0,
            phases: phases.finish(),
            minor: !self.candidates.is_empty(),
        }
    }
    fn wanted(&self) -> Option<Cause> {
        if self.finalization_due {
            Some(Cause::Finalization)
        } else if self.candidates.len() >= self.cycles.now {
            Some(Cause::Candidates)
        } else {
            None
        }
    }
    /// An object that has no class.
    fn alloc_large(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let start = allocate(Source::System, layout.size() + PREFIX, &self.budget)?;
        self.large.insert(start);
        // SAFETY: fresh memory of that size, 8-aligned.
        let o = unsafe { Obj::create_header(start + PREFIX, layout) };
        set_count(o, 0);
        self.allocated_bytes += layout.size() as u64;
        Some(o)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for start in std::mem::take(&mut self.large) {
            // SAFETY: from `alloc_large`; the heap ends.
            unsafe {
                let size = Obj::from_address(start + PREFIX).size();
                free(Source::System, start, size + PREFIX, &self.budget);
            }
        }
    }
}

// SAFETY: cells and large objects are disjoint; only what no counted word refers to is freed (I1),
// and the world is asked before anything that it knows of goes (I3).
unsafe impl Heap for Rc {
    type Mutator = RcMutator;
    const INFO: HeapInfo = HeapInfo {
        name: "rc",
        summary: "immediate reference counting, trial deletion of garbage cycles",
        moves: false,
        collects: true,
        prefix_words: PREFIX / 8,
        barrier: Barrier::Counting,
        parameters: &[
            Parameter {
                name: "cycles",
                default: "on",
                doc: "whether garbage cycles are looked for: on, off (they leak)",
            },
            Parameter {
                name: "cycle-threshold",
                default: "10000",
                doc: "candidates that start a cycle collection, at least 1; a quarter of the live objects \
                      that the last one visited, if that is more; `max` = only when memory runs out",
            },
            Parameter {
                name: "cycle-budget",
                default: "max",
                doc: "candidates that a collection looks at which they started, at least 1",
            },
        ],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        if config.limit_bytes < MINIMUM {
            return Err(HeapError(format!(
                "rc needs at least {MINIMUM} bytes (a few blocks), not {}: raise the limit",
                config.limit_bytes
            )));
        }
        let cells = CellSpace::new(config.limit_bytes, config.poison);
        Ok(Rc(Shared::new(RefCell::new(State {
            budget: Budget::new(config.limit_bytes),
            poison: config.poison,
            cells: cells.ok_or_else(|| refused(config.limit_bytes))?,
            large: BTreeSet::new(),
            dead: Vec::new(),
            candidates: Vec::new(),
            limbo: Vec::new(),
            finalization_due: false,
            cycles: Cycles::new(config)?,
            allocated_bytes: 0,
            freed_bytes: 0,
            freed_objects: 0,
            cyclic_objects: 0,
            live_bytes: 0,
            collections: 0,
        }))))
    }
    fn mutator(&self) -> RcMutator {
        assert_eq!(Shared::strong_count(&self.0), 1, "one worker, one mutator");
        let state = self.0.borrow();
        let list = || ObjectList::new(state.budget.limit()).expect("an address range");
        RcMutator {
            dead: list(),
            candidates: list(),
            cycles: state.cycles.enabled,
            wanted: None,
            free: [0; COUNT],
            state: self.0.clone(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.0.borrow_mut().collect(roots, why)
    }
    fn usage(&self) -> Usage {
        let state = self.0.borrow();
        Usage {
            limit_bytes: state.budget.limit(),
            reserved_bytes: state.budget.taken(),
            used_bytes: state.used_bytes(),
            live_bytes: state.live_bytes.min(state.used_bytes()),
            allocated_bytes: state.allocated_bytes,
            collections: state.collections,
        }
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let state = self.0.borrow();
        vec![("freed_objects", state.freed_objects), ("freed_cyclic_objects", state.cyclic_objects)]
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        Some(count(o))
    }
}

fn refused(limit: usize) -> HeapError {
    HeapError(format!("the system refuses to reserve {limit} bytes: lower the limit"))
}

impl RcMutator {
    #[inline(always)]
    fn drop_reference(&mut self, v: Value) {
        if !v.is_object() {
            return;
        }
        // SAFETY: just tested; counted words refer to objects that are not freed (I1).
        let o = unsafe { v.object_unchecked() };
        if decrement(o) == 0 {
            if !has(o, LISTED) {
                add(o, LISTED);
                self.dead.push(o);
            }
        } else if self.cycles && !has(o, CANDIDATE) && may_be_cyclic(o) {
            add(o, CANDIDATE);
            self.candidates.push(o);
        }
    }
    #[inline(always)]
    fn count_reference(v: Value) {
        if v.is_object() {
            // SAFETY: just tested; a value that the program holds refers to an object.
            increment(unsafe { v.object_unchecked() });
        }
    }
    /// Pops a free cell of a class.
    #[inline(always)]
    fn pop(&mut self, class: usize, layout: ObjectLayout) -> Option<Obj> {
        // SAFETY: classes are below `COUNT`.
        let head = unsafe { self.free.get_unchecked_mut(class) };
        let cell = *head;
        if cell == 0 {
            return None;
        }
        // SAFETY: a free cell of this class, linked through its first word, ours alone.
        let o = unsafe {
            *head = *(cell as *const usize);
            Obj::create_header(cell + PREFIX, layout)
        };
        set_count(o, 0);
        Some(o)
    }
    /// Hands what was found since the last time over to the shared lists.
    fn publish(&mut self, state: &mut State) {
        self.dead.move_to(&mut state.dead);
        self.candidates.move_to(&mut state.candidates);
    }
    /// Allocates without collecting.
    fn try_slow(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let size = layout.size() + PREFIX;
        let shared = self.state.clone();
        let state = &mut *shared.borrow_mut();
        if size > LARGEST {
            return state.alloc_large(layout);
        }
        let class = class_of(size);
        if self.free[class] == 0 {
            let list = state.cells.take(class, &state.budget)?;
            if size <= LARGEST_EXACT {
                // The fast path does not count.
                let bytes = CellSpace::length(list) * (cell_size(class) - PREFIX);
                state.allocated_bytes += bytes as u64;
            }
            self.free[class] = list;
        }
        if size > LARGEST_EXACT {
            state.allocated_bytes += layout.size() as u64;
        }
        self.pop(class, layout)
    }
}

// SAFETY: as the heap.
unsafe impl Mutator for RcMutator {
    const COUNTS: bool = true;

    #[inline(always)]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let size = layout.size() + PREFIX;
        if size > LARGEST_EXACT {
            return None;
        }
        self.pop(size / 8, layout)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        let enough = self.state.borrow().cycles.now;
        if self.candidates.len() >= enough {
            self.flush();
            at.collect(Cause::Candidates);
        }
        for why in [Cause::AllocationFailure, Cause::LastResort] {
            if let Some(o) = self.try_slow(layout) {
                return Ok(o);
            }
            self.flush();
            at.collect(why);
        }
        self.try_slow(layout).ok_or(Oom)
    }
    #[inline(always)]
    fn set(&mut self, register: &mut Value, v: Value) {
        Self::count_reference(v);
        let old = std::mem::replace(register, v);
        self.drop_reference(old);
    }
    #[inline(always)]
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        let v = std::mem::replace(dead, Value::NIL);
        let old = std::mem::replace(register, v);
        self.drop_reference(old);
    }
    #[inline(always)]
    fn clear(&mut self, registers: &mut [Value]) {
        for register in registers {
            let old = std::mem::replace(register, Value::NIL);
            self.drop_reference(old);
        }
    }
    #[inline(always)]
    fn load(&mut self, o: Obj, i: usize) -> Value {
        o.slot(i)
    }
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        let v = o.slot(i);
        match v.as_object() {
            Some(target) if has(target, DEAD) => Value::NIL,
            _ => v,
        }
    }
    #[inline(always)]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        Self::count_reference(v);
        o.set_slot(i, v);
    }
    #[inline(always)]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        Self::count_reference(v);
        let old = o.slot(i);
        o.set_slot(i, v);
        self.drop_reference(old);
    }
    #[inline(always)]
    fn pending(&self) -> bool {
        !self.dead.is_empty()
    }
    fn drain(&mut self) {
        let shared = self.state.clone();
        let state = &mut *shared.borrow_mut();
        self.publish(state);
        state.drain();
        self.wanted = state.wanted();
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.wanted
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        add(
            o,
            match why {
                Watch::Weak => WEAK,
                Watch::Finalizer => FINALIZER,
            },
        );
    }
    /// Gives the free cells back, so that the byte counts are exact, and publishes the lists.
    fn flush(&mut self) {
        let shared = self.state.clone();
        let state = &mut *shared.borrow_mut();
        self.publish(state);
        self.wanted = None;
        for (class, head) in self.free.iter_mut().enumerate() {
            let list = std::mem::take(head);
            if class <= LARGEST_EXACT / 8 && list != 0 {
                let bytes = CellSpace::length(list) * (cell_size(class) - PREFIX);
                state.allocated_bytes -= bytes as u64;
            }
            state.cells.give_back(class, list, &state.budget);
        }
    }
}

impl Drop for RcMutator {
    fn drop(&mut self) {
        self.flush();
    }
}
