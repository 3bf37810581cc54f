//! Structural hashing: deterministic, iterative, the same for everything that is the same key.
//!
//! The walk covers a value's unfolding in order, at most [`BUDGET`] nodes of it, so it also ends on
//! cyclic data, and two cyclic values that are equal (they have the same unfolding) hash alike.
//! The entries of maps and sets are hashed apart, each with the same share of the budget, and
//! added up, so their order does not matter.

use std::hash::{BuildHasherDefault, Hasher};

use crate::class::ClassId;
use crate::host::Native;
use crate::object::{Obj, slots};
use crate::value::{Kind, Value};

use super::hashed;
use super::items::Items;

/// Nodes of a value's unfolding that its hash depends on.
const BUDGET: u32 = 1 << 18;

const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0xd6e8_feb8_6659_fd93;
const K2: u64 = 0xa076_1d64_78bd_642f;

/// Folded multiplication (wyhash).
#[inline(always)]
const fn mix(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// The hash of some bytes.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = K2 ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        hash = mix(hash ^ word, K0);
    }
    let mut tail = [0; 8];
    let rest = chunks.remainder();
    tail[..rest.len()].copy_from_slice(rest);
    mix(hash ^ u64::from_le_bytes(tail), K1)
}

#[inline(always)]
fn hash_word(tag: u64, word: u64) -> u64 {
    mix(mix(word ^ K0, K1 ^ tag), K2)
}

/// Why a value cannot be a key.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum BadKey {
    /// It is, or holds, this mutable value.
    Mutable(Value),
    /// It is, or holds, a NaN, which could not be found again.
    Nan,
}

/// The hash of any value.
pub fn hash_value(cx: &Native<'_>, v: Value) -> u64 {
    hash(cx, v, false).expect("only keys are refused")
}

/// The hash of a key, if `v` can be one: the same number as [`hash_value`] gives.
#[inline]
pub(super) fn hash_key(cx: &Native<'_>, v: Value) -> Result<u64, BadKey> {
    hash(cx, v, true)
}

#[inline]
fn hash(cx: &Native<'_>, v: Value, key: bool) -> Result<u64, BadKey> {
    match look(cx, v, key) {
        Look::Leaf(hash) => Ok(hash),
        Look::Bad(why) => Err(why),
        Look::Into(_) => walk(cx, v, key),
    }
}

/// What a word says without looking into containers.
enum Look {
    Leaf(u64),
    Into(Obj),
    Bad(BadKey),
}

#[inline]
fn look(cx: &Native<'_>, v: Value, key: bool) -> Look {
    let o = match v.kind() {
        Kind::Object(o) => o,
        Kind::Int(i) => return Look::Leaf(hash_word(0, i as u64)),
        Kind::Float(f) => return Look::Leaf(hash_float(f)),
        _ => return Look::Leaf(hash_word(2, v.bits())),
    };
    match o.class() {
        ClassId::STRING => Look::Leaf(hash_bytes(cx.text_of(o).as_bytes())),
        ClassId::INT => Look::Leaf(hash_word(0, o.raw_word(0))),
        ClassId::FLOAT => {
            let f = f64::from_bits(o.raw_word(0));
            if key && f.is_nan() { Look::Bad(BadKey::Nan) } else { Look::Leaf(hash_float(f)) }
        }
        ClassId::TUPLE | ClassId::CONS | ClassId::RANGE => Look::Into(o),
        class if class.is_record() => Look::Into(o),
        _ if key => Look::Bad(BadKey::Mutable(v)),
        ClassId::BYTES | ClassId::F64_ARRAY => Look::Leaf(hash_raw(o)),
        // Addresses change when objects move, so handles hash by their kind or number only.
        class if class.is_handle() => {
            let number = cx.load(o, slots::HANDLE_NUMBER).value();
            Look::Leaf(hash_word(3, number.bits()))
        }
        ClassId::WEAK | ClassId::WEAK_MAP => {
            Look::Leaf(hash_word(4, u64::from(o.class() == ClassId::WEAK_MAP)))
        }
        _ => Look::Into(o),
    }
}

/// Both zeros are one key, and so, for `hash(v)`, are all NaNs.
fn hash_float(f: f64) -> u64 {
    let f = if f == 0.0 {
        0.0
    } else if f.is_nan() {
        f64::NAN
    } else {
        f
    };
    hash_word(1, f.to_bits())
}

fn hash_raw(o: Obj) -> u64 {
    let mut hash = K1 ^ o.len() as u64;
    let floats = o.class() == ClassId::F64_ARRAY;
    for i in 0..o.len() / 8 {
        let word = o.raw_word(i);
        let word = if floats { hash_float(f64::from_bits(word)) } else { word };
        hash = mix(hash ^ word, K0);
    }
    (o.len() & !7..o.len()).fold(hash, |h, i| mix(h ^ u64::from(o.byte(i)), K1))
}

/// The state of one ordered walk.
#[derive(Clone, Copy)]
struct Run {
    hash: u64,
    budget: u32,
}

impl Run {
    const fn new(budget: u32) -> Run {
        Run { hash: K0, budget }
    }
    fn absorb(&mut self, word: u64) {
        self.hash = mix(self.hash ^ word, K1);
    }
}

/// Elements that are still to be hashed.
enum Frame {
    Items {
        items: Items,
        next: usize,
    },
    /// A map or set: `outer` is the walk around it, `share` each entry's budget, `sum` the entries'
    /// hashes so far and `used` what they used up.
    Map {
        map: Obj,
        next: usize,
        outer: Run,
        share: u32,
        sum: u64,
        used: u32,
    },
    /// The value of a map entry whose key is being hashed.
    Value(Value),
}

fn walk(cx: &Native<'_>, v: Value, key: bool) -> Result<u64, BadKey> {
    let mut run = Run::new(BUDGET);
    let mut stack = Vec::new();
    visit(cx, v, key, &mut run, &mut stack)?;
    while let Some(frame) = stack.last_mut() {
        match frame {
            Frame::Value(value) => {
                let value = *value;
                stack.pop();
                visit(cx, value, key, &mut run, &mut stack)?;
            }
            Frame::Items { items, next } => {
                let v = items.get(cx, *next);
                *next += 1;
                // The last element goes on in this frame's place: long chains stay flat.
                if *next == items.len || run.budget == 0 {
                    stack.pop();
                }
                visit(cx, v, key, &mut run, &mut stack)?;
            }
            Frame::Map { map, next, outer, share, sum, used } => {
                if *next > 0 {
                    *sum = sum.wrapping_add(mix(run.hash, K2));
                    *used += *share - run.budget;
                }
                let (map, share) = (*map, *share);
                if let Some(entry) = hashed::live(cx, map, *next) {
                    *next = entry + 1;
                    run = Run::new(share);
                    let k = hashed::key(cx, map, entry);
                    if map.class() == ClassId::MAP {
                        stack.push(Frame::Value(hashed::value(cx, map, entry)));
                    }
                    visit(cx, k, key, &mut run, &mut stack)?;
                } else {
                    let (sum, used) = (*sum, *used);
                    run = *outer;
                    run.budget -= used.min(run.budget);
                    run.absorb(sum);
                    stack.pop();
                }
            }
        }
    }
    Ok(mix(run.hash, K2))
}

fn visit(
    cx: &Native<'_>,
    v: Value,
    key: bool,
    run: &mut Run,
    stack: &mut Vec<Frame>,
) -> Result<(), BadKey> {
    if run.budget == 0 {
        return Ok(());
    }
    run.budget -= 1;
    let o = match look(cx, v, key) {
        Look::Leaf(hash) => {
            run.absorb(hash);
            return Ok(());
        }
        Look::Bad(why) => return Err(why),
        Look::Into(o) => o,
    };
    run.absorb(hash_word(5, u64::from(o.class().0)));
    if matches!(o.class(), ClassId::MAP | ClassId::SET) {
        let len = super::support::int_slot(cx, o, slots::LEN);
        run.absorb(len as u64);
        let share = run.budget / (len.max(1) as u32);
        if share > 0 {
            stack.push(Frame::Map { map: o, next: 0, outer: *run, share, sum: 0, used: 0 });
        }
        return Ok(());
    }
    let items = Items::of(cx, o);
    run.absorb(items.len as u64);
    if items.len > 0 {
        stack.push(Frame::Items { items, next: 0 });
    }
    Ok(())
}

/// A fast, deterministic hasher for the host's own tables of addresses.
pub(super) type FastHash = BuildHasherDefault<AddressHasher>;

/// See [`FastHash`].
#[derive(Default)]
pub(super) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0 ^ hash_bytes(bytes), K0);
    }
    fn write_usize(&mut self, word: usize) {
        self.0 = mix(self.0 ^ word as u64 ^ K1, K0);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
