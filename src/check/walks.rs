//! The graph before a collection and after it, and what the heap asks the world in between
//! ([`super::checked`]).

use std::ops::Range;

use super::shadow::*;
use crate::heap::*;
use crate::object::{Obj, ObjectKind, slots};
use crate::value::Value;

/// The graph before a collection.
#[derive(Default)]
pub(super) struct Snapshot {
    /// Places of the root slices in `words`.
    pub(super) slices: Vec<Range<usize>>,
    /// Immediates as they are, references as numbers.
    pub(super) words: Vec<u64>,
    pub(super) objects: Vec<Pictured>,
}

/// An object of a [`Snapshot`]; its number is its place.
pub(super) struct Pictured {
    pub(super) address: usize,
    pub(super) header: u64,
    /// Where its words begin.
    pub(super) body: usize,
}

pub(super) fn token(number: usize) -> u64 {
    (number as u64) << TAG_BITS | TAG_OBJECT
}

pub(super) fn number(token: u64) -> Option<usize> {
    Value::from_bits(token).is_object().then_some((token >> TAG_BITS) as usize)
}

/// The words of a raw body; what pads the last one counts as zero.
pub(super) fn raw_words(o: Obj) -> impl Iterator<Item = u64> {
    let len = if o.is_raw() { o.len() } else { 0 };
    (0..len.div_ceil(8)).map(move |i| {
        let bytes = (len - 8 * i).min(8);
        o.raw_word(i) & (u64::MAX >> (64 - 8 * bytes))
    })
}

pub(super) fn words_of(roots: &mut dyn Roots) -> Vec<Vec<Value>> {
    let mut words = Vec::new();
    roots.slices(&mut |slice, _| words.push(slice.to_vec()));
    words
}

/// The walk before a collection.
pub(super) struct Before<'a> {
    pub(super) shadow: &'a Shadow,
    pub(super) numbers: AddressMap<usize>,
    pub(super) snapshot: Snapshot,
}

impl Before<'_> {
    pub(super) fn walk(shadow: &Shadow, roots: &mut dyn Roots) -> Snapshot {
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
    pub(super) fn root_slice(&mut self, slice: &[Value]) {
        let (n, start) = (self.snapshot.slices.len(), self.snapshot.words.len());
        for (index, &v) in slice.iter().enumerate() {
            self.word(Edge::Root { slice: n, index }, v);
        }
        self.snapshot.slices.push(start..self.snapshot.words.len());
    }
    pub(super) fn body(&mut self, n: usize) {
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
    pub(super) fn word(&mut self, edge: Edge, v: Value) {
        if v.bits() == POISON {
            self.shadow.broken(edge, None, format_args!("was never initialised"));
        }
        let word = v.as_object().map_or(v.bits(), |o| token(self.number(edge, o)));
        self.snapshot.words.push(word);
    }
    pub(super) fn number(&mut self, edge: Edge, o: Obj) -> usize {
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
pub(super) struct After<'a> {
    pub(super) shadow: &'a Shadow,
    pub(super) before: &'a Snapshot,
    /// Where the object with this number is now.
    pub(super) places: Vec<Option<usize>>,
    /// What has been found: addresses and headers, the new `live`.
    pub(super) live: AddressMap<u64>,
    /// In the order of discovery, with the numbers of those that have one.
    pub(super) found: Vec<(Obj, Option<usize>)>,
    /// Objects below this are scanned.
    pub(super) scanned: usize,
}

impl<'a> After<'a> {
    pub(super) fn new(shadow: &'a Shadow, before: &'a Snapshot) -> Self {
        let places = vec![None; before.objects.len()];
        let live = AddressMap::default();
        After { shadow, before, places, live, found: Vec::new(), scanned: 0 }
    }
    /// First what was there before, compared; then what came to it, validated (K4).
    pub(super) fn walk(&mut self, now: &[Vec<Value>], slices: &[Option<usize>], survivors: &[Obj]) {
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
    pub(super) fn scan(&mut self) {
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
    pub(super) fn compare(&mut self, edge: Edge, v: Value, old: u64) {
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
    pub(super) fn pair(&mut self, edge: Edge, n: usize, o: Obj) {
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
    pub(super) fn admit(&mut self, edge: Edge, v: Value) {
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
    pub(super) fn weak_targets(&self, freed: bool) {
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
    pub(super) fn counts(&self, count_of: impl Fn(Obj) -> Option<u64>, now: &[Vec<Value>]) {
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
    pub(super) fn live_bytes(&self) -> usize {
        self.found.iter().map(|(o, _)| o.size()).sum()
    }
}

/// The roots as the heap under test sees them.
pub(super) struct Watched<'a> {
    pub(super) roots: &'a mut dyn Roots,
    /// Where the slices of the beginning are now (K4).
    pub(super) slices: Vec<Option<usize>>,
    pub(super) survivors: Vec<Obj>,
    /// Whether the heap asked what becomes of the dead (K3).
    pub(super) asked: bool,
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
pub(super) fn align(before: &[Vec<Value>], after: &[Vec<Value>]) -> Vec<Option<usize>> {
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
pub(super) struct WatchedLiveness<'a> {
    pub(super) live: &'a mut dyn Liveness,
    pub(super) survivors: &'a mut Vec<Obj>,
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
