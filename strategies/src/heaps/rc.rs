//! `rc` and `arc`: immediate reference counting with trial deletion of garbage cycles; for one worker,
//! and for several.
//!
//! Every object's prefix word counts the references to it: from slots, registers and all other
//! roots. What falls to zero is freed between two instructions, and what only it referred to after
//! it, from a list, without recursion. An object whose count falls to something else may have been
//! the last way into a cycle: it becomes a *candidate*, and when there are enough of them, a
//! collection finds the garbage cycles among what they reach (trial_deletion.rs).
//!
//! ```text
//!   [count][header][slots]          dec to 0 ─► dead list ─► drain: children dec'ed, cell freed
//!    prefix                         dec to n ─► candidates ─► collection: gray, scan, white, free
//!
//!   arc:  slot overwritten ─► list of overwritten references ─► batch, ticket ─► grace period ─► dec
//! ```
//!
//! Invariants
//! - I1. Between instructions an object's count is the number of words that refer to it: slots of
//!   objects that are not freed, registers, roots of the world; `arc`: and overwritten references
//!   that await their grace period. Fresh objects have zero until they are adopted (H6); so have
//!   those whose last word was just overwritten, until the next drain.
//! - I2. An object is in the dead list iff it is LISTED, among the candidates iff it is a CANDIDATE,
//!   in limbo iff it is in LIMBO. Its memory is freed when it is dead and in none of them.
//! - I3. Weak references do not count. The world's list of them names their holders; so a dead
//!   holder, or a target, stays in limbo until the world has been told. `load_weak` answers nil for a
//!   dead target at once.
//! - I4. A dead object with a finalizer keeps what it refers to until the next collection, which
//!   judges it as the root of a garbage cycle: the world revives it, and with it what it reaches.
//!
//! Under a parallel scheduler (`arc`), with the rules A1–A5 of atomic_counts.rs and G1–G3 of grace.rs:
//! - I5. Slots of objects and globals are overwritten by a swap, so each old word is somebody's, once.
//!   Its reference is not dropped but kept, counted, in the list `overwritten`; batches of it are
//!   dropped after a grace period. Registers and other roots belong to one worker at a time (their
//!   task's, or the gate's holder): what they held is dropped at once.
//! - I6. While a worker uses a reference that it has read out of a slot and not counted, the object's
//!   count is not zero. For the slot counted it when it was read; if it was overwritten since, the
//!   reference waits until this worker has been quiescent (I5, G3), which it is between two
//!   instructions only; and if the slot's object died, then this worker could not have reached that
//!   either, by the same argument, up to a register of its own. So counting what was read is always
//!   in time (A1), and what dies is freed without a further grace period.
//! - I7. What has died by a worker's hand is that worker's (A3): it alone may still hold a reference,
//!   and adopt the object again, until the instruction ends. It drains before it gives up the gate, so
//!   no other worker meets an object that was adopted again and still is LISTED. (Fast bodies adopt
//!   nothing again. `flush` may: what it hands over waits for a collection.)
//! - I8. A weak load counts its target unless it is dead, and treats that reference as an overwritten
//!   one: then it is as safe as any other that was read.
//! - I9. A collection has the world stopped and all mutators flushed: it ends every grace period, and
//!   uses plain reads and writes.
//!
//! Both:
//! - I10. The value of a weak map's entry is counted (H10). A collection takes these counts away, treats the
//!   values as candidates, and gives back those of the entries that the world has left. So an entry goes
//!   at the next collection after its key has died, whatever its value refers to.
//!
//! Costs: a register write that replaces a reference by another = two loads, two adds, two stores,
//! one compare; a death = a push, and about 10 ns for drain and cell. A cycle collection is
//! proportional to what the candidates reach, live or not. No pause otherwise. `arc`: the two adds are
//! locked; a store to a slot is a swap, and a push if it overwrites a reference; drains take a lock,
//! every [`BATCH`] deaths or overwritten references, or at the next slow path.
//! Source: Collins 1960; free lists as in mimalloc; deferred decrements of shared slots after
//! Anderson, Blelloch, Wei: Concurrent Deferred Reference Counting with Constant-Time Overhead, 2021
//! (there with hazard pointers; here quiescent states, which the interpreter has anyway).
//! Parameters: `cycles`, `cycle-threshold`, `cycle-budget`, `freeing`.
//! It does not defer or coalesce the counts of registers, or compact. `arc` does not bias counts towards
//! a worker: an object that all use (a constant) is a word that all write to.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use menagerie::heap::{
    Barrier, Cause, Collection, Heap, HeapConfig, HeapError, HeapInfo, Liveness, Mutator, Oom,
    Parameter, Roots, Safepoint, SharedHeap, Usage, Watch,
};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::sync::{ManyThreads, OneThread, Shared, Sharing};
use menagerie::value::Value;

use crate::parts::cells::{CHARGE, CellSpace, Taken};
use crate::parts::counts::{
    CANDIDATE, DEAD, FINALIZER, GARBAGE, LIMBO, LISTED, ObjectList, WEAK, add, add_shared, count,
    decrement, has, increment, increment_shared, increment_unless_dead, may_be_cyclic,
    release_shared, remove, remove_shared, set_count,
};
use crate::parts::grace::{Grace, Member};
use crate::parts::memory::{Budget, Source, allocate, free, poison};
use crate::parts::phases::Phases;
use crate::parts::size_class::{COUNT, LARGEST, LARGEST_EXACT, cell_size, class_of};
use crate::parts::trial_deletion::{blacken, find_garbage, is_garbage};

/// Bytes in front of an object.
const PREFIX: usize = 8;
/// The smallest limit: one block for each of a few classes.
const MINIMUM: usize = 4 * CHARGE;
/// `arc`: how many deaths, or overwritten references, are worth a drain.
const BATCH: usize = 128;
/// `arc`: how many overwritten references a mutator's list has room for. Builtins make room
/// ([`Mutator::relieve`]) from the half on; everybody else overwrites a few between two drains.
const ROOM: usize = 1 << 16;

/// What its mutators share.
#[derive(Debug)]
pub struct State {
    budget: Budget,
    poison: bool,
    /// Whether the dead are freed: off to measure counting alone.
    frees: bool,
    cells: CellSpace,
    /// Addresses of the objects that have no class.
    large: BTreeSet<usize>,
    dead: Vec<Obj>,
    /// Dead or adopted again, for the next collection to find out (I7).
    left: Vec<Obj>,
    candidates: Vec<Obj>,
    limbo: Vec<Obj>,
    overwritten: Overwritten,
    /// Whether something in limbo has a finalizer.
    finalization_due: bool,
    cycles: Cycles,
    allocated_bytes: u64,
    freed_bytes: u64,
    freed_objects: u64,
    /// Of these, by trial deletion.
    cyclic_objects: u64,
    /// Objects that became candidates.
    suspected_objects: u64,
    /// Objects that were adopted again after their count had been zero.
    readopted_objects: u64,
    live_bytes: usize,
    collections: u64,
}

/// References out of shared slots, by the ticket of their grace period (I5). Empty in `rc`.
#[derive(Debug, Default)]
struct Overwritten {
    grace: Grace,
    batches: VecDeque<(u64, Vec<Obj>)>,
    /// The last ticket.
    issued: u64,
    /// The last one that was announced.
    announced: u64,
    references: u64,
}

impl Overwritten {
    fn retire(&mut self, list: &mut ObjectList) {
        if !list.is_empty() {
            self.references += list.len() as u64;
            let mut batch = Vec::with_capacity(list.len());
            list.move_to(&mut batch);
            self.issued += 1;
            self.batches.push_back((self.issued, batch));
        }
    }
    /// Begins grace periods, and lets go on those that have begun.
    fn announce(&mut self, member: &mut Member) {
        if self.announced < self.issued {
            self.announced = self.issued;
            member.announce(self.issued);
        } else if !self.batches.is_empty() {
            member.advance();
        }
    }
    /// A batch whose grace period is over.
    fn next(&mut self) -> Option<Vec<Obj>> {
        let &(ticket, _) = self.batches.front()?;
        let over = ticket <= self.grace.over();
        over.then(|| self.batches.pop_front().expect("looked at above").1)
    }
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

/// A parameter that is on or off.
fn switch(config: &HeapConfig, name: &str) -> Result<bool, HeapError> {
    match config.parameter(&<Rc>::INFO, name) {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(HeapError(format!("{name}={other}: expected on or off"))),
    }
}

impl Cycles {
    fn new(config: &HeapConfig) -> Result<Cycles, HeapError> {
        let number = |name: &str| match config.parameter(&<Rc>::INFO, name) {
            "max" => Ok(usize::MAX),
            text => text.parse().ok().filter(|&n| n > 0).ok_or_else(|| {
                HeapError(format!("{name}={text}: expected a number from 1 on, or max"))
            }),
        };
        let enabled = switch(config, "cycles")? && switch(config, "freeing")?;
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
pub struct Rc<L: Sharing = OneThread>(L::Cell<State>);

/// Its mutator: free cells by class, and what was found dead or suspicious since the last drain.
#[derive(Debug)]
#[repr(C)] // Hot fields first: the interpreter's state holds it by value.
pub struct RcMutator<L: Sharing = OneThread> {
    dead: ObjectList,
    candidates: ObjectList,
    /// Still counted references out of shared slots (I5).
    overwritten: ObjectList,
    cycles: bool,
    free: [usize; COUNT],
    state: L::Cell<State>,
    /// After the last drain.
    wanted: Option<Cause>,
    /// `arc` only.
    member: Option<Member>,
    taken: [Taken; COUNT],
}

// ---- death ----

impl State {
    fn used_bytes(&self) -> usize {
        (self.allocated_bytes - self.freed_bytes) as usize
    }
    fn drop_reference<L: Sharing>(&mut self, o: Obj) {
        let State { dead, candidates, suspected_objects, cycles, .. } = self;
        let suspect = |o| {
            *suspected_objects += 1;
            candidates.push(o);
        };
        give_up::<L>(o, &cycles.enabled, |o| dead.push(o), suspect);
    }
    fn take_candidates(&mut self, list: &mut ObjectList) {
        self.suspected_objects += list.len() as u64;
        list.move_to(&mut self.candidates);
    }
    /// Frees the dead, and what dies with them.
    fn drain<L: Sharing>(&mut self) {
        if !self.frees {
            self.dead.clear();
        }
        while let Some(o) = self.dead.pop() {
            if L::PARALLEL {
                remove_shared(o, LISTED)
            } else {
                remove(o, LISTED)
            }
            if count(o) != 0 {
                self.readopted_objects += 1;
                continue; // Adopted again meanwhile (I1, I7).
            }
            if has(o, FINALIZER) {
                self.finalization_due = true;
                add(o, DEAD | LIMBO);
                self.limbo.push(o);
                continue;
            }
            let slots = o.traced_slots();
            self.drop_slots::<L>(o, 0..slots);
            if slots == 0 && o.header() as u8 == ObjectKind::Ephemerons as u8 {
                self.drop_values::<L>(o);
            }
            self.bury(o);
        }
    }
    #[inline(always)]
    fn drop_slots<L: Sharing>(&mut self, o: Obj, slots: impl Iterator<Item = usize>) {
        for i in slots {
            if let Some(child) = o.slot(i).as_object() {
                self.drop_reference::<L>(child);
            }
        }
    }
    /// Drops the values of a weak map's entries (I10): every other slot; what else is in there are numbers.
    #[cold]
    fn drop_values<L: Sharing>(&mut self, o: Obj) {
        self.drop_slots::<L>(o, (1..o.len()).step_by(2));
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
        (!is_garbage(o) && !has(o, DEAD)).then_some(o)
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
        find_garbage(&roots)
    }
    fn collect(&mut self, roots: &mut dyn Roots, why: Cause) -> Collection {
        let before_bytes = self.used_bytes();
        let mut phases = Phases::start();
        self.dead.append(&mut self.left);
        for (_, batch) in std::mem::take(&mut self.overwritten.batches) {
            batch.into_iter().for_each(|o| self.drop_reference::<OneThread>(o));
        }
        self.drain::<OneThread>();
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
                judgement.kept.drain(..).for_each(blacken);
            }
        }
        roots.weak_values(&mut increment);
        self.finalization_due = false;
        phases.end("weak");
        for o in garbage {
            if !is_garbage(o) {
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
unsafe impl<L: Sharing> Heap for Rc<L> {
    type Mutator = RcMutator<L>;
    const INFO: HeapInfo = HeapInfo {
        name: if L::PARALLEL { "arc" } else { "rc" },
        summary: if L::PARALLEL {
            "rc with atomic counts, grace periods for what is overwritten: for several workers"
        } else {
            "immediate reference counting, trial deletion of garbage cycles"
        },
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
            Parameter {
                name: "freeing",
                default: "on",
                doc: "whether the dead are freed: on, off (they stay, cycles too: what counting alone \
                      costs)",
            },
        ],
    };

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        if config.limit_bytes < MINIMUM {
            return Err(HeapError(format!(
                "{} needs at least {MINIMUM} bytes (a few blocks), not {}: raise the limit",
                Self::INFO.name,
                config.limit_bytes
            )));
        }
        let cells = CellSpace::new(config.limit_bytes, config.poison);
        let frees = switch(config, "freeing")?;
        Ok(Rc(Shared::new(State {
            budget: Budget::new(config.limit_bytes),
            poison: config.poison,
            frees,
            cells: cells.ok_or_else(|| refused(config.limit_bytes))?,
            large: BTreeSet::new(),
            dead: Vec::new(),
            left: Vec::new(),
            candidates: Vec::new(),
            limbo: Vec::new(),
            overwritten: Overwritten::default(),
            finalization_due: false,
            cycles: Cycles::new(config)?,
            allocated_bytes: 0,
            freed_bytes: 0,
            freed_objects: 0,
            cyclic_objects: 0,
            suspected_objects: 0,
            readopted_objects: 0,
            live_bytes: 0,
            collections: 0,
        })))
    }
    fn mutator(&self) -> RcMutator<L> {
        assert!(L::PARALLEL || self.0.holders() == 1, "one worker, one mutator");
        let state = self.0.lock();
        let list = || ObjectList::new(state.budget.limit()).expect("an address range");
        let room = if L::PARALLEL { ROOM } else { 0 };
        RcMutator {
            dead: list(),
            candidates: list(),
            cycles: state.cycles.enabled,
            wanted: None,
            free: [0; COUNT],
            state: self.0.clone(),
            taken: std::array::from_fn(|_| Taken::default()),
            overwritten: ObjectList::with_room(room).expect("an address range"),
            member: L::PARALLEL.then(|| state.overwritten.grace.member()),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        self.0.lock().collect(roots, why)
    }
    fn usage(&self) -> Usage {
        let state = self.0.lock();
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
        let state = self.0.lock();
        let mut counters = vec![
            ("freed_objects", state.freed_objects),
            ("freed_cyclic_objects", state.cyclic_objects),
            ("suspected_objects", state.suspected_objects),
            ("readopted_objects", state.readopted_objects),
        ];
        if L::PARALLEL {
            counters.push(("overwritten_references", state.overwritten.references));
        }
        counters
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        Some(count(o))
    }
}

// SAFETY: counts, and the flags that change while others look, are atomic; slots are swapped (I5);
// everything else that mutators share is behind one lock. A swap releases.
unsafe impl SharedHeap for Rc<ManyThreads> {}

fn refused(limit: usize) -> HeapError {
    HeapError(format!("the system refuses to reserve {limit} bytes: lower the limit"))
}

/// Drops a reference. When it was the last, the object becomes LISTED and goes to `dead`; else it may
/// become a CANDIDATE and go to `suspect`.
#[inline(always)]
fn give_up<L: Sharing>(
    o: Obj,
    // By reference: read only where it is needed.
    cycles: &bool,
    dead: impl FnOnce(Obj),
    suspect: impl FnOnce(Obj),
) {
    if L::PARALLEL {
        let released = release_shared(o, *cycles);
        if released.candidate {
            suspect(o);
        }
        if released.last && !has(o, LISTED) {
            add(o, LISTED); // It is ours alone (A3).
            dead(o);
        }
    } else if decrement(o) == 0 {
        if !has(o, LISTED) {
            add(o, LISTED);
            dead(o);
        }
    } else if *cycles && !has(o, CANDIDATE) && may_be_cyclic(o) {
        add(o, CANDIDATE);
        suspect(o);
    }
}

impl<L: Sharing> RcMutator<L> {
    #[inline(always)]
    fn drop_reference(&mut self, v: Value) {
        if !v.is_object() {
            return;
        }
        // SAFETY: just tested; counted words refer to objects that are not freed (I1).
        let o = unsafe { v.object_unchecked() };
        let RcMutator { dead, candidates, cycles, .. } = self;
        give_up::<L>(o, cycles, |o| dead.push(o), |o| candidates.push(o));
    }
    /// What a shared slot held is dropped after a grace period (I5).
    #[inline(always)]
    fn drop_later(&mut self, old: Value) {
        if old.is_object() {
            // SAFETY: just tested; counted words refer to objects that are not freed (I1).
            self.overwritten.push(unsafe { old.object_unchecked() });
        }
    }
    #[inline(always)]
    fn count_reference(v: Value) {
        if v.is_object() {
            // SAFETY: just tested; a value that the program holds refers to an object.
            let o = unsafe { v.object_unchecked() };
            if L::PARALLEL { increment_shared(o) } else { increment(o) }
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
    /// Allocates without collecting.
    fn try_slow(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let size = layout.size() + PREFIX;
        let mut state = self.state.lock();
        let State { cells, budget, allocated_bytes, .. } = &mut *state;
        if size > LARGEST {
            return state.alloc_large(layout);
        }
        let class = class_of(size);
        if self.free[class] == 0 {
            let list = cells.take(class, &mut self.taken[class], budget)?;
            if size <= LARGEST_EXACT {
                // The fast path does not count.
                let bytes = CellSpace::length(list) * (cell_size(class) - PREFIX);
                *allocated_bytes += bytes as u64;
            }
            self.free[class] = list;
        }
        if size > LARGEST_EXACT {
            *allocated_bytes += layout.size() as u64;
        }
        drop(state);
        self.pop(class, layout)
    }
    /// Begins a grace period for all that was overwritten.
    #[cold]
    fn retire(&mut self) {
        self.state.lock().overwritten.retire(&mut self.overwritten);
    }
}

// SAFETY: as the heap.
unsafe impl<L: Sharing> Mutator for RcMutator<L> {
    const COUNTS: bool = true;
    const PARALLEL: bool = L::PARALLEL;
    const PLAIN_LOADS: bool = true;

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
        let enough = self.state.lock().cycles.now;
        if self.candidates.len() >= enough {
            self.flush();
            at.collect(Cause::Candidates);
        }
        if L::PARALLEL {
            if let Some(o) = self.try_slow(layout) {
                return Ok(o);
            }
            // What waits for its batch to be full may be room enough. (This is a safepoint.)
            self.retire();
            self.drain();
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
        let Some(target) = v.as_object() else { return v };
        if L::PARALLEL {
            if increment_unless_dead(target) {
                self.drop_later(v); // I8.
                return v;
            }
        } else if !has(target, DEAD) {
            return v;
        }
        Value::NIL
    }
    #[inline(always)]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        Self::count_reference(v);
        o.set_slot(i, v);
    }
    #[inline(always)]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        Self::count_reference(v);
        if L::PARALLEL {
            let old = o.swap_slot(i, v);
            self.drop_later(old);
        } else {
            let old = o.slot(i);
            o.set_slot(i, v);
            self.drop_reference(old);
        }
    }
    #[inline(always)]
    fn store_word(&mut self, word: &AtomicU64, v: Value) {
        Self::count_reference(v);
        if L::PARALLEL {
            let old = word.swap(v.bits(), Ordering::AcqRel);
            self.drop_later(Value::from_bits(old));
        } else {
            let old = word.load(Ordering::Relaxed);
            word.store(v.bits(), Ordering::Relaxed);
            self.drop_reference(Value::from_bits(old));
        }
    }
    #[inline(always)]
    fn pending(&self) -> bool {
        if L::PARALLEL {
            self.dead.len() >= BATCH || self.overwritten.len() >= BATCH
        } else {
            !self.dead.is_empty()
        }
    }
    #[inline(always)]
    fn unsettled(&self) -> bool {
        !self.dead.is_empty() || self.pending()
    }
    #[inline(always)]
    fn relieve(&mut self) {
        if L::PARALLEL && self.overwritten.len() >= ROOM / 2 {
            self.retire();
        }
    }
    #[inline(always)]
    fn online(&mut self) {
        if let Some(member) = &mut self.member {
            member.online();
        }
    }
    #[inline(always)]
    fn offline(&mut self) {
        if L::PARALLEL && self.unsettled() {
            self.drain(); // I7.
        }
        if let Some(member) = &mut self.member {
            member.offline();
        }
    }
    /// Between two instructions, or at a safepoint: this worker holds no uncounted references.
    fn drain(&mut self) {
        let state = &mut *self.state.lock();
        self.dead.move_to(&mut state.dead);
        state.take_candidates(&mut self.candidates);
        if L::PARALLEL
            && let Some(member) = &mut self.member
        {
            if self.overwritten.len() >= BATCH {
                state.overwritten.retire(&mut self.overwritten);
            }
            state.overwritten.announce(member);
            member.quiescent();
            while let Some(batch) = state.overwritten.next() {
                batch.into_iter().for_each(|o| state.drop_reference::<L>(o));
            }
        }
        state.drain::<L>();
        self.wanted = state.wanted();
    }
    fn wants_collection(&self) -> Option<Cause> {
        self.wanted
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        let flag = match why {
            Watch::Weak => WEAK,
            Watch::Finalizer => FINALIZER,
        };
        if L::PARALLEL { add_shared(o, flag) } else { add(o, flag) }
    }
    /// Gives the free cells back, so that the byte counts are exact, and publishes the lists.
    fn flush(&mut self) {
        let state = &mut *self.state.lock();
        // Within an instruction (`heap_stats()`) the dead may be adopted again (I7).
        self.dead.move_to(if L::PARALLEL { &mut state.left } else { &mut state.dead });
        state.take_candidates(&mut self.candidates);
        state.overwritten.retire(&mut self.overwritten);
        self.wanted = None;
        for (class, head) in self.free.iter_mut().enumerate() {
            let list = std::mem::take(head);
            if class <= LARGEST_EXACT / 8 && list != 0 {
                let bytes = CellSpace::length(list) * (cell_size(class) - PREFIX);
                state.allocated_bytes -= bytes as u64;
            }
            state.cells.give_back(list, &mut self.taken[class], &state.budget);
        }
    }
}

impl<L: Sharing> Drop for RcMutator<L> {
    fn drop(&mut self) {
        self.flush();
    }
}
