//! What `Checked` knows of the heap that it watches ([`super::checked`]).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::locals::Place;
use crate::heap::*;
use crate::object::{Obj, ObjectKind, ObjectLayout};
use crate::value::Value;

/// What fresh bodies hold until they are initialised; heaps fill freed memory with the same byte.
pub const POISON: u64 = 0xdbdb_dbdb_dbdb_dbdb;

/// Kind and length of a header: they never change (O2).
pub(super) const IDENTITY: u64 = 0xffff_ffff_0000_00ff;
/// All of a header but the heap's byte.
pub(super) const WITHOUT_GC: u64 = !0xff00;
/// As [`Value`]'s: object words are free for numbers, because no immediate has this tag.
pub(super) const TAG_BITS: u32 = 3;
pub(super) const TAG_OBJECT: u64 = 0b010;

/// Addresses are spread by one multiplication (Fibonacci hashing).
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct AddressHasher(u64);

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

pub(super) type AddressMap<T> = HashMap<usize, T, BuildHasherDefault<AddressHasher>>;

/// Where a reference was found.
#[derive(Clone, Copy)]
pub(super) enum Edge {
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

/// What the checker knows of the heap (K1, K2).
#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) info: HeapInfo,
    pub(super) seed: u64,
    /// Address and header at birth or after the last collection.
    pub(super) live: AddressMap<u64>,
    /// By the number of the mutator that has it.
    pub(super) fresh: AddressMap<usize>,
    pub(super) mutators: usize,
    /// Whether memory may have been freed since the last collection.
    pub(super) may_reuse: bool,
    /// Pinned objects, and how often (K5).
    pub(super) pinned: AddressMap<usize>,
    /// Where the object is that is being pinned.
    pub(super) pinning: Option<usize>,
    /// Where local objects were whose frame or region has ended (K6).
    pub(super) ended: AddressMap<()>,
    /// Slots that referred to them, and have not been written since (K6).
    pub(super) left_behind: HashSet<Place>,
    /// What is going on, for the report.
    pub(super) doing: &'static str,
}

impl Shadow {
    #[cold]
    pub(super) fn broken(&self, edge: Edge, child: Option<usize>, why: fmt::Arguments<'_>) -> ! {
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
    pub(super) fn known(&self, edge: Edge, o: Obj) -> u64 {
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
    pub(super) fn known_value(&self, edge: Edge, v: Value) {
        if let Some(o) = v.as_object() {
            self.known(edge, o);
        }
    }
    pub(super) fn known_slot(&self, operation: &'static str, o: Obj, i: usize) {
        let header = self.known(Edge::Operation(operation), o);
        let raw = ObjectKind::from_u8(header as u8).is_some_and(ObjectKind::is_raw);
        let len = header >> 32;
        if raw || i as u64 >= len {
            let why = format_args!("slot {i} of {}{len}", if raw { "raw bytes, " } else { "" });
            self.broken(Edge::Operation(operation), Some(o.address()), why);
        }
    }
    /// The header makes sense: for objects that only the heap has seen so far.
    pub(super) fn sensible(&self, edge: Edge, o: Obj) -> u64 {
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
    pub(super) fn disjoint(&self, objects: impl Iterator<Item = Obj>) {
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
    pub(super) fn safepoint(&mut self, mutator: usize) {
        self.fresh.retain(|_, &mut owner| owner != mutator);
    }
    /// A new object: as asked for, not in use, filled with poison (K2).
    pub(super) fn admit(&mut self, o: Obj, layout: ObjectLayout, mutator: usize) {
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
    pub(super) fn unpinned(&mut self, o: Obj) {
        let edge = Edge::Operation("unpin");
        self.known(edge, o);
        match self.pinned.get_mut(&o.address()) {
            None => self.broken(edge, Some(o.address()), format_args!("nothing is pinned there")),
            Some(1) => drop(self.pinned.remove(&o.address())),
            Some(pins) => *pins -= 1,
        }
    }
    /// What a region's end has promoted is in use now (K1).
    pub(super) fn promoted(&mut self, o: Obj) {
        let header = self.sensible(Edge::Operation("leave"), o);
        self.ended.remove(&o.address());
        self.live.insert(o.address(), header);
    }
    /// The frame or region of local objects is over (K6).
    pub(super) fn end_locals(&mut self, objects: HashSet<usize>) {
        for address in objects {
            self.live.remove(&address);
            self.fresh.remove(&address);
            self.ended.insert(address, ());
        }
    }
}

pub(super) fn hint(header: u64) -> &'static str {
    // A collector may have written its own byte over the poison.
    if header & WITHOUT_GC == POISON & WITHOUT_GC { " (freed memory)" } else { "" }
}
/// A check that failed has panicked: what it left is not used for another verdict but may be looked at.
pub(super) fn held(shadow: &Mutex<Shadow>) -> MutexGuard<'_, Shadow> {
    shadow.lock().unwrap_or_else(PoisonError::into_inner)
}
