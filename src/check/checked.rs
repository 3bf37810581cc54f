//! `Checked`: compares the heap's graph before and after every collection, and watches every
//! access in between. A violation panics with the offending edge and the seed.
//!
//! ```text
//!            before                                    after
//!   roots ─► 0 ─► 1 ─► 2       collect       roots ─► 0' ─► 1' ─► 2'     same shape, kinds,
//!             └───────►┘      ────────►                └────────►┘       classes, words, sharing
//! ```
//!
//! Before a collection the graph is walked from the roots, objects numbered in the order of
//! discovery, and their headers and words written down, references as numbers ([`Snapshot`]).
//! Afterwards a second walk pairs every number with the object that took its place: one number has
//! one object and the other way round, so that sharing must be the same, too.
//!
//! Invariants
//! - K1. `live` holds every address the program may use: what the heap handed out since the last
//!   collection, and what that collection left reachable. No other address is ever dereferenced,
//!   except after a collection of a moving heap, which may have put objects anywhere.
//! - K2. `fresh` holds what was allocated since the last safepoint: only that may be `init`ed. Its
//!   bodies are filled with [`POISON`], which no reachable slot may contain.
//! - K3. Weak slots are no part of the graph. After a collection the target of a reachable weak
//!   reference is nil or alive. A collection that does not ask the world about weak references has
//!   freed nothing: all that was in use remains so.
//! - K4. Weak processing may append to root slices and drop some (finalizers become ready).
//!   [`Watched`] follows which slice is which; words that were there before are compared, what was
//!   appended, and what the heap reported alive to the world, is validated only.
//! - K5. `pinned` has the places of pinned objects. No collection moves them; who unpins one finds it
//!   there.
//! - K6. A local object is not in use any more once its frame or region has ended (H11), whether or not
//!   the heap has its memory back by then. Slots that refer to one at its end are in garbage, or are
//!   written before the next collection.
//!
//! Between collections addresses may come back only after `drain` (a counting heap frees) or
//! `leave` (regions end). `poison` is forced on, so that what is freed looks freed. Costs: a hash
//! look-up per access, two walks of the graph per collection.
//!
//! Not checked: which unreachable objects are kept; uses of stale references by code that reads
//! slots without the mutator; when the poll is a safepoint that did not collect.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::locals::{Ended, Locals, Place};
use crate::heap::*;
use crate::object::{Obj, ObjectKind, ObjectLayout, slots};
use crate::value::Value;

/// What fresh bodies hold until they are initialised; heaps fill freed memory with the same byte.
pub const POISON: u64 = 0xdbdb_dbdb_dbdb_dbdb;

/// Kind and length of a header: they never change (O2).
const IDENTITY: u64 = 0xffff_ffff_0000_00ff;
/// All of a header but the heap's byte.
const WITHOUT_GC: u64 = !0xff00;
/// As [`Value`]'s: object words are free for numbers, because no immediate has this tag.
const TAG_BITS: u32 = 3;
const TAG_OBJECT: u64 = 0b010;

/// Addresses are spread by one multiplication (Fibonacci hashing).
#[derive(Clone, Copy, Default, Debug)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("addresses are hashed as usize");
    }
    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

type AddressMap<T> = HashMap<usize, T, BuildHasherDefault<AddressHasher>>;

/// Where a reference was found.
#[derive(Clone, Copy)]
enum Edge {
    Root {
        slice: usize,
        index: usize,
    },
    Slot {
        parent: Obj,
        slot: usize,
    },
    /// The heap told the world that it is alive: a weak target, a finalizable object.
    Survivor,
    Operation(&'static str),
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edge::Root { slice, index } => write!(f, "root slice {slice}[{index}]"),
            Edge::Slot { parent, slot } => write!(f, "{parent:?}[{slot}]"),
            Edge::Survivor => f.write_str("weak reference or finalizer"),
            Edge::Operation(name) => f.write_str(name),
        }
    }
}

/// The graph before a collection.
#[derive(Default)]
struct Snapshot {
    /// Places of the root slices in `words`.
    slices: Vec<Range<usize>>,
    /// Immediates as they are, references as numbers.
    words: Vec<u64>,
    objects: Vec<Pictured>,
}

/// An object of a [`Snapshot`]; its number is its place.
struct Pictured {
    address: usize,
    header: u64,
    /// Where its words begin.
    body: usize,
}

fn token(number: usize) -> u64 {
    (number as u64) << TAG_BITS | TAG_OBJECT
}

fn number(token: u64) -> Option<usize> {
    Value::from_bits(token).is_object().then_some((token >> TAG_BITS) as usize)
}

/// The words of a raw body; what pads the last one counts as zero.
fn raw_words(o: Obj) -> impl Iterator<Item = u64> {
    let len = if o.is_raw() { o.len() } else { 0 };
    (0..len.div_ceil(8)).map(move |i| {
        let bytes = (len - 8 * i).min(8);
        o.raw_word(i) & (u64::MAX >> (64 - 8 * bytes))
    })
}

fn words_of(roots: &mut dyn Roots) -> Vec<Vec<Value>> {
    let mut words = Vec::new();
    roots.slices(&mut |slice, _| words.push(slice.to_vec()));
    words
}

/// What the checker knows of the heap (K1, K2).
#[derive(Debug)]
struct Shadow {
    info: HeapInfo,
    seed: u64,
    /// Address and header at birth or after the last collection.
    live: AddressMap<u64>,
    /// By the number of the mutator that has it.
    fresh: AddressMap<usize>,
    mutators: usize,
    /// Whether memory may have been freed since the last collection.
    may_reuse: bool,
    /// Pinned objects, and how often (K5).
    pinned: AddressMap<usize>,
    /// Where the object is that is being pinned.
    pinning: Option<usize>,
    /// Where local objects were whose frame or region has ended (K6).
    ended: AddressMap<()>,
    /// Slots that referred to them, and have not been written since (K6).
    left_behind: HashSet<Place>,
    /// What is going on, for the report.
    doing: &'static str,
}

impl Shadow {
    #[cold]
    fn broken(&self, edge: Edge, child: Option<usize>, why: fmt::Arguments<'_>) -> ! {
        let (heap, seed, doing) = (self.info.name, self.seed, self.doing);
        let child = match child.map(|a| (a, self.live.get(&a))) {
            None => String::new(),
            Some((address, None)) => format!(" → {address:#x}"),
            Some((address, Some(&header))) => {
                let (class, len) = (header >> 16 & 0xffff, header >> 32);
                match ObjectKind::from_u8(header as u8) {
                    Some(kind) => format!(" → {kind:?}/{class}[{len}]@{address:#x}"),
                    None => format!(" → {address:#x}"),
                }
            }
        };
        panic!("broken heap `{heap}` (seed {seed}), {doing}: {edge}{child}: {why}");
    }

    /// The object was handed out (K1) and is still what it was (O2).
    fn known(&self, edge: Edge, o: Obj) -> u64 {
        let Some(&born) = self.live.get(&o.address()) else {
            let local = self.ended.contains_key(&o.address());
            let why = if local { ": a local one, after its frame or region" } else { "" };
            let why = format_args!("not an object that is in use{why}");
            self.broken(edge, Some(o.address()), why);
        };
        let header = o.header();
        if (header ^ born) & IDENTITY != 0 {
            let why = format_args!("its header is now {header:#x}{}", hint(header));
            self.broken(edge, Some(o.address()), why);
        }
        header
    }
    fn known_value(&self, edge: Edge, v: Value) {
        if let Some(o) = v.as_object() {
            self.known(edge, o);
        }
    }
    fn known_slot(&self, operation: &'static str, o: Obj, i: usize) {
        let header = self.known(Edge::Operation(operation), o);
        let raw = ObjectKind::from_u8(header as u8).is_some_and(ObjectKind::is_raw);
        let len = header >> 32;
        if raw || i as u64 >= len {
            let why = format_args!("slot {i} of {}{len}", if raw { "raw bytes, " } else { "" });
            self.broken(Edge::Operation(operation), Some(o.address()), why);
        }
    }
    /// The header makes sense: for objects that only the heap has seen so far.
    fn sensible(&self, edge: Edge, o: Obj) -> u64 {
        let header = o.header();
        let class = o.class();
        let sensible = ObjectKind::from_u8(header as u8).is_some_and(|kind| match kind {
            ObjectKind::Record => class.is_record(),
            kind => class == kind.class(),
        });
        if !sensible {
            let why = format_args!("no object there, header {header:#x}{}", hint(header));
            self.broken(edge, Some(o.address()), why);
        }
        header
    }
    /// No two objects overlap, prefixes included.
    fn disjoint(&self, objects: impl Iterator<Item = Obj>) {
        let prefix = self.info.prefix_words * 8;
        let mut all: Vec<Obj> = objects.collect();
        all.sort_unstable_by_key(|o| o.address());
        for pair in all.windows(2) {
            let end = pair[0].address() + pair[0].size();
            if end + prefix > pair[1].address() {
                let edge = Edge::Operation("objects overlap");
                let why = format_args!("{:?} ends at {end:#x}", pair[0]);
                self.broken(edge, Some(pair[1].address()), why);
            }
        }
    }

    /// A safepoint of one mutator.
    fn safepoint(&mut self, mutator: usize) {
        self.fresh.retain(|_, &mut owner| owner != mutator);
    }
    /// A new object: as asked for, not in use, filled with poison (K2).
    fn admit(&mut self, o: Obj, layout: ObjectLayout, mutator: usize) {
        let edge = Edge::Operation("allocation");
        if (o.header() ^ layout.header()) & WITHOUT_GC != 0 {
            let why = format_args!("header {:#x} for {layout:?}", o.header());
            self.broken(edge, Some(o.address()), why);
        }
        let before = self.live.insert(o.address(), layout.header());
        if before.is_some() && !self.may_reuse {
            self.broken(edge, Some(o.address()), format_args!("handed out twice"));
        }
        self.ended.remove(&o.address());
        self.left_behind.retain(|&(holder, _)| holder != o.address());
        self.fresh.insert(o.address(), mutator);
        if layout.kind.is_raw() {
            (0..layout.body_bytes() / 8).for_each(|i| o.set_raw_word(i, POISON));
        } else {
            (0..o.len()).for_each(|i| o.set_slot(i, Value::from_bits(POISON)));
        }
    }
    /// One pin less; what was pinned must be where it was (K5).
    fn unpinned(&mut self, o: Obj) {
        let edge = Edge::Operation("unpin");
        self.known(edge, o);
        match self.pinned.get_mut(&o.address()) {
            None => self.broken(edge, Some(o.address()), format_args!("nothing is pinned there")),
            Some(1) => drop(self.pinned.remove(&o.address())),
            Some(pins) => *pins -= 1,
        }
    }
    /// What a region's end has promoted is in use now (K1).
    fn promoted(&mut self, o: Obj) {
        let header = self.sensible(Edge::Operation("leave"), o);
        self.ended.remove(&o.address());
        self.live.insert(o.address(), header);
    }
    /// The frame or region of local objects is over (K6).
    fn end_locals(&mut self, objects: HashSet<usize>) {
        for address in objects {
            self.live.remove(&address);
            self.fresh.remove(&address);
            self.ended.insert(address, ());
        }
    }
}

fn hint(header: u64) -> &'static str {
    // A collector may have written its own byte over the poison.
    if header & WITHOUT_GC == POISON & WITHOUT_GC { " (freed memory)" } else { "" }
}

/// The walk before a collection.
struct Before<'a> {
    shadow: &'a Shadow,
    numbers: AddressMap<usize>,
    snapshot: Snapshot,
}

impl Before<'_> {
    fn walk(shadow: &Shadow, roots: &mut dyn Roots) -> Snapshot {
        let snapshot = Snapshot::default();
        let mut walk = Before { shadow, numbers: AddressMap::default(), snapshot };
        roots.slices(&mut |slice, _| walk.root_slice(slice));
        let mut next = 0;
        while next < walk.snapshot.objects.len() {
            walk.body(next);
            next += 1;
        }
        shadow.disjoint(walk.snapshot.objects.iter().map(|p| {
            // SAFETY: `known` has found it in `live` (K1).
            unsafe { Obj::from_address(p.address) }
        }));
        walk.snapshot
    }
    fn root_slice(&mut self, slice: &[Value]) {
        let (n, start) = (self.snapshot.slices.len(), self.snapshot.words.len());
        for (index, &v) in slice.iter().enumerate() {
            self.word(Edge::Root { slice: n, index }, v);
        }
        self.snapshot.slices.push(start..self.snapshot.words.len());
    }
    fn body(&mut self, n: usize) {
        self.snapshot.objects[n].body = self.snapshot.words.len();
        // SAFETY: `known` has found it in `live` (K1).
        let o = unsafe { Obj::from_address(self.snapshot.objects[n].address) };
        for slot in 0..o.traced_slots() {
            let edge = Edge::Slot { parent: o, slot };
            if self.shadow.left_behind.contains(&(o.address(), slot)) {
                let why = "it held a local object at the end of its frame or region";
                self.shadow.broken(edge, None, format_args!("{why} (K6)"));
            }
            self.word(edge, o.slot(slot));
        }
        self.snapshot.words.extend(raw_words(o));
    }
    fn word(&mut self, edge: Edge, v: Value) {
        if v.bits() == POISON {
            self.shadow.broken(edge, None, format_args!("was never initialised"));
        }
        let word = v.as_object().map_or(v.bits(), |o| token(self.number(edge, o)));
        self.snapshot.words.push(word);
    }
    fn number(&mut self, edge: Edge, o: Obj) -> usize {
        if let Some(&n) = self.numbers.get(&o.address()) {
            return n;
        }
        let header = self.shadow.known(edge, o);
        let n = self.snapshot.objects.len();
        self.numbers.insert(o.address(), n);
        self.snapshot.objects.push(Pictured { address: o.address(), header, body: 0 });
        n
    }
}

/// The walk after a collection.
struct After<'a> {
    shadow: &'a Shadow,
    before: &'a Snapshot,
    /// Where the object with this number is now.
    places: Vec<Option<usize>>,
    /// What has been found: addresses and headers, the new `live`.
    live: AddressMap<u64>,
    /// In the order of discovery, with the numbers of those that have one.
    found: Vec<(Obj, Option<usize>)>,
    /// Objects below this are scanned.
    scanned: usize,
}

impl<'a> After<'a> {
    fn new(shadow: &'a Shadow, before: &'a Snapshot) -> Self {
        let places = vec![None; before.objects.len()];
        let live = AddressMap::default();
        After { shadow, before, places, live, found: Vec::new(), scanned: 0 }
    }
    /// First what was there before, compared; then what came to it, validated (K4).
    fn walk(&mut self, now: &[Vec<Value>], slices: &[Option<usize>], survivors: &[Obj]) {
        for (range, place) in self.before.slices.iter().zip(slices) {
            let Some(slice) = *place else { continue };
            let old = &self.before.words[range.clone()];
            for (index, (&v, &word)) in now[slice].iter().zip(old).enumerate() {
                self.compare(Edge::Root { slice, index }, v, word);
            }
        }
        self.scan();
        for (slice, words) in now.iter().enumerate() {
            for (index, &v) in words.iter().enumerate() {
                self.admit(Edge::Root { slice, index }, v);
            }
        }
        for &o in survivors {
            self.admit(Edge::Survivor, Value::object(o));
        }
        self.scan();
        self.shadow.disjoint(self.found.iter().map(|&(o, _)| o));
    }
    fn scan(&mut self) {
        while self.scanned < self.found.len() {
            let (o, number) = self.found[self.scanned];
            self.scanned += 1;
            let old = number.map(|n| &self.before.words[self.before.objects[n].body..]);
            for slot in 0..o.traced_slots() {
                let edge = Edge::Slot { parent: o, slot };
                match old {
                    Some(old) => self.compare(edge, o.slot(slot), old[slot]),
                    None => self.admit(edge, o.slot(slot)),
                }
            }
            for (slot, (word, &old)) in raw_words(o).zip(old.into_iter().flatten()).enumerate() {
                if word != old {
                    let why = format_args!("raw word was {old:#x}, is {word:#x}");
                    self.shadow.broken(Edge::Slot { parent: o, slot }, None, why);
                }
            }
        }
    }
    /// A word that was there before must be the same immediate or the same object.
    fn compare(&mut self, edge: Edge, v: Value, old: u64) {
        let child = v.as_object().map(Obj::address);
        match (number(old), v.as_object()) {
            (None, None) if v.bits() == old => {}
            (Some(n), Some(o)) if self.places[n] == Some(o.address()) => {}
            (Some(n), Some(o)) if self.places[n].is_none() => self.pair(edge, n, o),
            (Some(n), Some(_)) => {
                let place = self.places[n].unwrap_or_default();
                let why = format_args!("other references find this object at {place:#x}");
                self.shadow.broken(edge, child, why);
            }
            (Some(n), None) => {
                let old = self.before.objects[n].address;
                let why = format_args!("was an object at {old:#x}, is {v:?}");
                self.shadow.broken(edge, child, why);
            }
            (None, _) => {
                let why = format_args!("was {:?}", Value::from_bits(old));
                self.shadow.broken(edge, child, why);
            }
        }
    }
    /// The object with number `n` is first found.
    fn pair(&mut self, edge: Edge, n: usize, o: Obj) {
        let old = &self.before.objects[n];
        if self.live.contains_key(&o.address()) {
            let why = format_args!("two objects have become one; this was at {:#x}", old.address);
            self.shadow.broken(edge, Some(o.address()), why);
        }
        if !self.shadow.info.moves && o.address() != old.address {
            let why = format_args!("moved from {:#x}, but the heap does not move", old.address);
            self.shadow.broken(edge, Some(o.address()), why);
        }
        let header = self.shadow.sensible(edge, o);
        if o.address() != old.address && self.shadow.pinned.contains_key(&old.address) {
            let why = format_args!("moved from {:#x}, where it is pinned", old.address);
            self.shadow.broken(edge, Some(o.address()), why);
        }
        if (header ^ old.header) & WITHOUT_GC != 0 {
            let why = format_args!("header was {:#x}, is {header:#x}", old.header);
            self.shadow.broken(edge, Some(o.address()), why);
        }
        self.places[n] = Some(o.address());
        self.live.insert(o.address(), header);
        self.found.push((o, Some(n)));
    }
    /// A reference that was not reachable before, or is known already.
    fn admit(&mut self, edge: Edge, v: Value) {
        let Some(o) = v.as_object() else { return };
        if self.live.contains_key(&o.address()) {
            return;
        }
        if !self.shadow.info.moves {
            self.shadow.known(edge, o);
        }
        let header = self.shadow.sensible(edge, o);
        self.live.insert(o.address(), header);
        self.found.push((o, None));
    }
    fn weak_targets(&self, freed: bool) {
        for &(o, _) in self.found.iter().filter(|(o, _)| o.kind() == ObjectKind::Weak) {
            let Some(target) = o.slot(slots::TARGET).as_object() else { continue };
            let edge = Edge::Slot { parent: o, slot: slots::TARGET };
            if self.live.contains_key(&target.address()) {
                continue;
            } else if freed {
                let why = format_args!("the weak target is dead (K3)");
                self.shadow.broken(edge, Some(target.address()), why);
            }
            self.shadow.known(edge, target);
        }
    }
    /// A counting heap has counted every reference to what is reachable. (More, if garbage that it
    /// has not found yet refers there, too.)
    fn counts(&self, count_of: impl Fn(Obj) -> Option<u64>, now: &[Vec<Value>]) {
        let mut references = AddressMap::<u64>::default();
        let slots = |o: Obj| (0..o.traced_slots()).map(move |i| o.slot(i));
        let words = now.iter().flatten().copied();
        for v in words.chain(self.found.iter().flat_map(|&(o, _)| slots(o))) {
            if let Some(o) = v.as_object() {
                *references.entry(o.address()).or_default() += 1;
            }
        }
        for &(o, _) in &self.found {
            let found = references.get(&o.address()).copied().unwrap_or(0);
            if count_of(o).is_some_and(|counted| counted < found) {
                let why = format_args!("{found} references, {:?} counted", count_of(o));
                self.shadow.broken(Edge::Operation("counts"), Some(o.address()), why);
            }
        }
    }
    fn live_bytes(&self) -> usize {
        self.found.iter().map(|(o, _)| o.size()).sum()
    }
}

/// The roots as the heap under test sees them.
struct Watched<'a> {
    roots: &'a mut dyn Roots,
    /// Where the slices of the beginning are now (K4).
    slices: Vec<Option<usize>>,
    survivors: Vec<Obj>,
    /// Whether the heap asked what becomes of the dead (K3).
    asked: bool,
}

impl Roots for Watched<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        self.roots.slices(f);
    }
    fn recent(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        self.roots.recent(f);
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.asked = true;
        // Each call asks about all; what an earlier one heard may have moved since.
        self.survivors.clear();
        let before = words_of(self.roots);
        let survivors = &mut self.survivors;
        let revived = self.roots.weak(&mut WatchedLiveness { live, survivors });
        let after = words_of(self.roots);
        let lengths = |slices: &[Vec<Value>]| slices.iter().map(Vec::len).collect::<Vec<_>>();
        if lengths(&before) != lengths(&after) {
            let places = align(&before, &after);
            for slice in &mut self.slices {
                *slice = slice.and_then(|n| places[n]);
            }
        }
        revived
    }
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.roots.weak_values(f);
    }
}

/// Which slice is where after weak processing (K4). Nothing moves there, so a slice is recognised
/// by its words: equal ones from the end, then equal or longer ones from the start, then in the
/// gap between, where slices were dropped, equal ones in order.
fn align(before: &[Vec<Value>], after: &[Vec<Value>]) -> Vec<Option<usize>> {
    let mut places = vec![None; before.len()];
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(b, a)| b == a).count();
    for k in 1..=tail {
        places[before.len() - k] = Some(after.len() - k);
    }
    let (olds, news) = (&before[..before.len() - tail], &after[..after.len() - tail]);
    let head = olds.iter().zip(news).take_while(|(b, a)| a.starts_with(b)).count();
    (0..head).for_each(|k| places[k] = Some(k));
    let mut next = head;
    for (k, old) in olds.iter().enumerate().skip(head) {
        if next < news.len() && *old == news[next] {
            places[k] = Some(next);
            next += 1;
        }
    }
    places
}

/// Writes down what the world hears of the living.
struct WatchedLiveness<'a> {
    live: &'a mut dyn Liveness,
    survivors: &'a mut Vec<Obj>,
}

impl Liveness for WatchedLiveness<'_> {
    fn current(&mut self, o: Obj) -> Option<Obj> {
        let now = self.live.current(o);
        self.survivors.extend(now);
        now
    }
    fn keep(&mut self, o: Obj) -> Obj {
        let now = self.live.keep(o);
        self.survivors.push(now);
        now
    }
    fn hold(&mut self, o: Obj) -> Obj {
        let now = self.live.hold(o);
        self.survivors.push(now);
        now
    }
}

/// A check that failed has panicked: what it left is not used for another verdict but may be looked at.
fn held(shadow: &Mutex<Shadow>) -> MutexGuard<'_, Shadow> {
    shadow.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A heap under observation.
#[derive(Debug)]
pub struct Checked<H> {
    inner: H,
    /// `None`: the option is off.
    shadow: Option<Arc<Mutex<Shadow>>>,
}

/// Its mutator.
#[derive(Debug)]
pub struct CheckedMutator<M> {
    inner: M,
    number: usize,
    shadow: Option<Arc<Mutex<Shadow>>>,
    /// Of the running task.
    locals: Locals,
    /// Of tasks that have given way, by their tokens.
    suspended: HashMap<u64, Locals>,
}

// SAFETY: everything is the wrapped heap's work; bodies of fresh objects, which nobody has
// initialised yet, are filled.
unsafe impl<H: Heap> Heap for Checked<H> {
    type Mutator = CheckedMutator<H::Mutator>;
    const INFO: HeapInfo = H::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        if !config.checks.check {
            return Ok(Checked { inner: H::new(config)?, shadow: None });
        }
        let inner = H::new(&HeapConfig { poison: true, ..config.clone() })?;
        let shadow = Shadow {
            info: inner.info(),
            seed: config.checks.seed,
            live: AddressMap::default(),
            fresh: AddressMap::default(),
            mutators: 0,
            may_reuse: false,
            ended: AddressMap::default(),
            left_behind: HashSet::new(),
            pinned: AddressMap::default(),
            pinning: None,
            doing: "between collections",
        };
        Ok(Checked { inner, shadow: Some(Arc::new(Mutex::new(shadow))) })
    }
    fn mutator(&self) -> Self::Mutator {
        let number = self.shadow.as_deref().map_or(0, |shadow| {
            let mut shadow = held(shadow);
            shadow.mutators += 1;
            shadow.mutators
        });
        CheckedMutator {
            inner: self.inner.mutator(),
            number,
            shadow: self.shadow.clone(),
            locals: Locals::default(),
            suspended: HashMap::new(),
        }
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        let Some(shadow) = &self.shadow else { return self.inner.collect(roots, why) };
        let mut shadow = held(shadow);
        shadow.doing = "before a collection";
        let before = Before::walk(&shadow, roots);
        shadow.left_behind.clear();
        let slices = (0..before.slices.len()).map(Some).collect();
        let mut watched = Watched { roots, slices, survivors: Vec::new(), asked: false };
        let collection = self.inner.collect(&mut watched, why);
        shadow.doing = match why {
            Cause::AllocationFailure => "after a collection (allocation failure)",
            Cause::Threshold => "after a collection (threshold)",
            Cause::Explicit => "after a collection (explicit)",
            Cause::Stress => "after a collection (stress)",
            Cause::LastResort => "after a collection (last resort)",
            Cause::NurseryFull => "after a collection (nursery full)",
            Cause::Candidates => "after a collection (candidates)",
            Cause::Finalization => "after a collection (finalization)",
            Cause::Pin => "after a collection (pin)",
        };
        let now = words_of(watched.roots);
        let mut after = After::new(&shadow, &before);
        after.walk(&now, &watched.slices, &watched.survivors);
        after.weak_targets(watched.asked);
        if shadow.info.barrier == Barrier::Counting {
            after.counts(|o| self.inner.reference_count(o), &now);
        }
        let pinning = shadow.pinning.and_then(|place| {
            let number = before.objects.iter().position(|p| p.address == place)?;
            after.places[number]
        });
        let (reported, reached) = (collection.after_bytes, after.live_bytes());
        if reported < reached {
            let why = format_args!("{reported} live bytes reported, {reached} reachable");
            shadow.broken(Edge::Operation("usage"), None, why);
        }
        let live = after.live;
        shadow.pinning = pinning;
        if watched.asked {
            shadow.live = live;
            shadow.may_reuse = false;
        } else {
            shadow.live.extend(live);
            // A counting heap frees without asking the world what it does not know of.
            shadow.may_reuse |= shadow.info.barrier == Barrier::Counting;
        }
        shadow.fresh.clear();
        shadow.doing = "between collections";
        collection
    }
    fn usage(&self) -> Usage {
        self.inner.usage()
    }
    fn info(&self) -> HeapInfo {
        self.inner.info()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.inner.counters()
    }
    fn reference_count(&self, o: Obj) -> Option<u64> {
        self.inner.reference_count(o)
    }
}

// SAFETY: the wrapped heap is shared, and what the wrapper adds is atomic or behind a lock.
unsafe impl<H: SharedHeap> SharedHeap for Checked<H> {}

impl<M> CheckedMutator<M> {
    /// Asks the shadow, if the option is on.
    #[inline(always)]
    fn check(&self, f: impl FnOnce(&Shadow)) {
        if let Some(shadow) = &self.shadow {
            f(&held(shadow));
        }
    }
    /// Tells the shadow.
    #[inline(always)]
    fn tell(&self, f: impl FnOnce(&mut Shadow)) {
        if let Some(shadow) = &self.shadow {
            f(&mut held(shadow));
        }
    }
    /// A new local object: it ends with the innermost scope.
    fn local(&mut self, o: Obj, layout: ObjectLayout) -> Obj {
        let number = self.number;
        self.tell(|shadow| shadow.admit(o, layout, number));
        if self.shadow.is_some() {
            self.locals.add(o);
        }
        o
    }
    fn begin_scope(&mut self) {
        if self.shadow.is_some() {
            self.locals.begin();
        }
    }
    /// Before the heap has ended them: a scope's local objects.
    fn end_scope(&mut self, end: impl FnOnce(&mut Locals, &dyn Fn(Obj) -> bool) -> Ended) {
        if let Some(shadow) = &self.shadow {
            let mut shadow = held(shadow);
            let ended = end(&mut self.locals, &|o| shadow.live.contains_key(&o.address()));
            shadow.end_locals(ended.objects);
            shadow.left_behind.extend(ended.places);
        }
    }
    /// The slot is about to hold this value.
    fn note_local(&mut self, o: Obj, slot: usize, v: Value) {
        if !self.locals.is_empty() {
            self.locals.note(o, slot, v);
        }
        self.tell(|shadow| {
            shadow.left_behind.remove(&(o.address(), slot));
        });
    }
}

// SAFETY: as the wrapped mutator. No lock on the shadow is held while the wrapped mutator runs:
// it may collect, and the collection comes back to this wrapper.
unsafe impl<M: Mutator> Mutator for CheckedMutator<M> {
    const COUNTS: bool = M::COUNTS;
    const PARALLEL: bool = M::PARALLEL;
    const INLINE: bool = false;
    const REGIONS: bool = M::REGIONS;
    const FRAMES: bool = M::FRAMES;

    #[inline]
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.inner.try_alloc(layout)?;
        let number = self.number;
        self.tell(|shadow| shadow.admit(o, layout, number));
        Some(o)
    }
    #[cold]
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom> {
        // A safepoint, whether it collects or not (H1).
        let number = self.number;
        self.tell(|shadow| {
            shadow.safepoint(number);
            // A counting heap drains before it gives up.
            shadow.may_reuse |= M::PARALLEL && shadow.info.barrier == Barrier::Counting;
        });
        let o = self.inner.alloc_slow(layout, at)?;
        self.inner.promoted(&mut |o| self.tell(|shadow| shadow.promoted(o)));
        self.tell(|shadow| shadow.admit(o, layout, number));
        Ok(o)
    }
    #[inline]
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj> {
        let o = self.inner.try_alloc_local(layout)?;
        Some(self.local(o, layout))
    }
    #[cold]
    fn alloc_local_slow(
        &mut self,
        layout: ObjectLayout,
        at: &mut Safepoint<'_>,
    ) -> Result<Obj, Oom> {
        let number = self.number;
        self.tell(|shadow| shadow.safepoint(number));
        let o = self.inner.alloc_local_slow(layout, at)?;
        self.inner.promoted(&mut |o| self.tell(|shadow| shadow.promoted(o)));
        Ok(self.local(o, layout))
    }
    #[inline]
    fn try_push_frame(&mut self) -> bool {
        let done = self.inner.try_push_frame();
        if done {
            self.begin_scope();
        }
        done
    }
    fn push_frame(&mut self) {
        self.inner.push_frame();
        self.begin_scope();
    }
    #[inline]
    fn try_pop_frame(&mut self) -> bool {
        // Checked heaps poison, so they need the other way, which comes after the look at slots.
        self.shadow.is_none() && self.inner.try_pop_frame()
    }
    fn pop_frame(&mut self) {
        self.end_scope(|locals, is_used| locals.end(is_used));
        self.inner.pop_frame();
    }
    #[inline]
    fn set(&mut self, register: &mut Value, v: Value) {
        self.check(|shadow| shadow.known_value(Edge::Operation("set"), v));
        self.inner.set(register, v);
    }
    #[inline]
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        self.check(|shadow| shadow.known_value(Edge::Operation("take"), *dead));
        self.inner.take(register, dead);
    }
    #[inline]
    fn clear(&mut self, registers: &mut [Value]) {
        self.inner.clear(registers);
    }
    #[inline]
    fn load(&mut self, o: Obj, i: usize) -> Value {
        self.check(|shadow| shadow.known_slot("load", o, i));
        let v = self.inner.load(o, i);
        self.check(|shadow| shadow.known_value(Edge::Slot { parent: o, slot: i }, v));
        v
    }
    #[inline]
    fn load_weak(&mut self, o: Obj, i: usize) -> Value {
        self.check(|shadow| shadow.known_slot("load_weak", o, i));
        let v = self.inner.load_weak(o, i);
        self.check(|shadow| shadow.known_value(Edge::Slot { parent: o, slot: i }, v));
        v
    }
    #[inline]
    fn init(&mut self, o: Obj, i: usize, v: Value) {
        self.check(|shadow| {
            shadow.known_slot("init", o, i);
            shadow.known_value(Edge::Operation("init"), v);
            if !shadow.fresh.contains_key(&o.address()) {
                let why = format_args!("not allocated since the last safepoint");
                shadow.broken(Edge::Operation("init"), Some(o.address()), why);
            }
        });
        self.note_local(o, i, v);
        self.inner.init(o, i, v);
    }
    #[inline]
    fn store(&mut self, o: Obj, i: usize, v: Value) {
        self.check(|shadow| {
            shadow.known_slot("store", o, i);
            shadow.known_value(Edge::Operation("store"), v);
        });
        self.note_local(o, i, v);
        self.inner.store(o, i, v);
    }
    fn store_word(&mut self, word: &AtomicU64, v: Value) {
        self.check(|shadow| shadow.known_value(Edge::Operation("store_word"), v));
        self.inner.store_word(word, v);
    }
    fn load_word(&mut self, register: &mut Value, word: &AtomicU64) {
        self.inner.load_word(register, word);
        self.check(|shadow| shadow.known_value(Edge::Operation("load_word"), *register));
    }
    super::forward_counting!(inner);
    fn drain(&mut self) {
        // Before: another worker may be given what this frees at once.
        self.tell(|shadow| shadow.may_reuse = true);
        self.inner.drain();
    }
    fn offline(&mut self) {
        if self.inner.unsettled() {
            self.drain();
        }
        self.inner.offline();
    }
    fn watch(&mut self, o: Obj, why: Watch) {
        self.check(|shadow| {
            shadow.known(Edge::Operation("watch"), o);
        });
        self.inner.watch(o, why);
    }
    fn try_enter(&mut self) -> Option<Region> {
        let region = self.inner.try_enter()?;
        if self.shadow.is_some() {
            self.locals.enter(region);
        }
        Some(region)
    }
    #[inline]
    fn try_leave(&mut self, region: Region, live: LiveRegisters<'_>) -> bool {
        // Checked heaps poison, so they need the other way, which comes after the look at slots.
        self.shadow.is_none() && self.inner.try_leave(region, live)
    }
    fn enter(&mut self) -> Region {
        let region = self.inner.enter();
        if self.shadow.is_some() {
            self.locals.enter(region);
        }
        region
    }
    fn leave(
        &mut self,
        region: Region,
        result: &mut Value,
        live: &mut LiveWords<'_>,
        at: &mut Safepoint<'_>,
    ) {
        let number = self.number;
        self.tell(|shadow| shadow.safepoint(number));
        self.end_scope(|locals, is_used| locals.leave(region, is_used));
        self.inner.leave(region, result, live, at);
        self.tell(|shadow| shadow.may_reuse = true);
        self.inner.promoted(&mut |o| self.tell(|shadow| shadow.promoted(o)));
        self.check(|shadow| shadow.known_value(Edge::Operation("leave"), *result));
    }
    fn promoted(&self, f: &mut dyn FnMut(Obj)) {
        self.inner.promoted(f);
    }
    fn escape(&mut self, v: Value) {
        self.inner.escape(v);
    }
    fn suspend(&mut self) -> Region {
        let innermost = self.inner.suspend();
        let locals = std::mem::take(&mut self.locals);
        if !locals.is_empty() && innermost != Region::NONE {
            self.suspended.insert(innermost.0, locals);
        }
        innermost
    }
    fn resume(&mut self, innermost: Region) {
        self.inner.resume(innermost);
        self.locals = self.suspended.remove(&innermost.0).unwrap_or_default();
    }
    fn abandon(&mut self, innermost: Region) {
        self.inner.abandon(innermost);
        let gone = self.suspended.remove(&innermost.0).unwrap_or_default().abandon();
        self.tell(|shadow| shadow.end_locals(gone));
    }
    fn pin(&mut self, o: Obj, at: &mut Safepoint<'_>) -> Result<(), Oom> {
        let number = self.number;
        self.tell(|shadow| {
            shadow.known(Edge::Operation("pin"), o);
            shadow.safepoint(number);
            shadow.pinning = Some(o.address());
        });
        let done = self.inner.pin(o, at);
        self.tell(|shadow| {
            let place = shadow.pinning.take().expect("set above");
            if done.is_ok() {
                *shadow.pinned.entry(place).or_default() += 1;
            }
        });
        done
    }
    fn unpin(&mut self, o: Obj) {
        self.tell(|shadow| shadow.unpinned(o));
        self.inner.unpin(o);
    }
    fn flush(&mut self) {
        self.inner.flush();
    }
}
