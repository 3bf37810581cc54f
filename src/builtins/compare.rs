//! Equality, order and hashing of values: structural, iterative, also on cyclic data.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Number, as_int, as_number, maps, mismatch};
use crate::host::{Exit, Native, NativeResult};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::{Kind, Value};

/// `same(a, b)`: identity.
pub(super) fn same(cx: &mut Native<'_>) -> NativeResult {
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    let boxed = as_int(a).is_some() && as_int(a) == as_int(b);
    Ok(Value::bool(a == b || boxed))
}

/// `compare(a, b)`: -1, 0 or 1 by the total order that `sort` uses.
pub(super) fn compare(cx: &mut Native<'_>) -> NativeResult {
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    let order = order(cx, a, b).map_err(|(x, y)| not_ordered(cx, x, y))?;
    Ok(Value::small(order as i64))
}

/// `hash(v)`: structural, a non-negative int.
pub(super) fn hash(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    let hash = hash_any(cx, v);
    Ok(Value::small((hash >> 5) as i64))
}

pub(super) fn not_ordered(cx: &mut Native<'_>, a: Value, b: Value) -> Exit {
    let b_type = super::type_text(cx.world_ref(), b);
    mismatch(
        cx,
        &format!(
            "{} cannot be compared with it: needs an equal, ordered type",
            super::with_article(&b_type)
        ),
        a,
    )
}

/// How numbers are compared inside of structures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    /// `==`: 1 equals 1.0.
    ByValue,
    /// Keys of maps and sets: 1 and 1.0 differ.
    ByKind,
}

/// After so many pairs, pairs of objects are remembered, so that cyclic data ends.
const REMEMBER_AFTER: usize = 1 << 10;

/// Structural equality. Iterative; terminates on cyclic data (equal as far as it unfolds).
pub fn equal(cx: &Native<'_>, a: Value, b: Value, numbers: Numbers) -> bool {
    let mut work = vec![(a, b)];
    let mut seen = HashSet::new();
    let mut steps = 0;
    while let Some((a, b)) = work.pop() {
        steps += 1;
        if let (Some(x), Some(y)) = (as_number(a), as_number(b)) {
            if !numbers_equal(x, y, numbers) {
                return false;
            }
            continue;
        }
        if a == b {
            continue;
        }
        let (Some(x), Some(y)) = (a.as_object(), b.as_object()) else { return false };
        if x.class() != y.class() {
            return false;
        }
        if steps > REMEMBER_AFTER && !seen.insert((x, y)) {
            continue;
        }
        if !parts_equal(cx, x, y, &mut work) {
            return false;
        }
    }
    true
}

fn numbers_equal(x: Number, y: Number, numbers: Numbers) -> bool {
    match (x, y) {
        (Number::Int(i), Number::Int(j)) => i == j,
        (Number::Float(f), Number::Float(g)) => f == g,
        (Number::Int(i), Number::Float(f)) | (Number::Float(f), Number::Int(i)) => {
            numbers == Numbers::ByValue && int_float_order(i, f) == Some(Ordering::Equal)
        }
    }
}

/// Compares what two different objects of one class hold: decides, or adds pairs to `work`.
fn parts_equal(cx: &Native<'_>, x: Obj, y: Obj, work: &mut Vec<(Value, Value)>) -> bool {
    let load = |o: Obj, i: usize| cx.load(o, i).value();
    match x.kind() {
        // SAFETY: no safepoint in here, and strings are not written.
        ObjectKind::Str => unsafe { x.bytes() == y.bytes() },
        ObjectKind::Bytes => x.len() == y.len() && (0..x.len()).all(|i| x.byte(i) == y.byte(i)),
        ObjectKind::F64Array => {
            let float = |o: Obj, i| f64::from_bits(o.raw_word(i));
            x.len() == y.len() && (0..x.len() / 8).all(|i| float(x, i) == float(y, i))
        }
        ObjectKind::Record
        | ObjectKind::Tuple
        | ObjectKind::Cons
        | ObjectKind::Closure
        | ObjectKind::Cell
        | ObjectKind::Range => {
            work.extend((0..x.len().min(y.len())).rev().map(|i| (load(x, i), load(y, i))));
            x.len() == y.len()
        }
        ObjectKind::List | ObjectKind::Deque => {
            let (n, m) = (super::lists::len(cx, x), super::lists::len(cx, y));
            let element = |o, i| super::operators::element(cx, o, i);
            work.extend((0..n.min(m)).rev().map(|i| (element(x, i), element(y, i))));
            n == m
        }
        ObjectKind::Map | ObjectKind::Set => maps::equal_entries(cx, x, y, work),
        _ => false,
    }
}

/// The order of an int and a float, exact; `None` for NaN.
fn int_float_order(i: i64, f: f64) -> Option<Ordering> {
    if f.is_nan() {
        return None;
    }
    if f >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if f < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let fraction = f - f.trunc();
    Some(i.cmp(&(f as i64)).then(0.0.partial_cmp(&fraction).expect("not NaN")))
}

/// IEEE order of two numbers: `None` when one is NaN.
pub(super) fn number_order(x: Number, y: Number) -> Option<Ordering> {
    match (x, y) {
        (Number::Int(i), Number::Int(j)) => Some(i.cmp(&j)),
        (Number::Float(f), Number::Float(g)) => f.partial_cmp(&g),
        (Number::Int(i), Number::Float(f)) => int_float_order(i, f),
        (Number::Float(f), Number::Int(i)) => int_float_order(i, f).map(Ordering::reverse),
    }
}

/// The total order of `sort`: numbers (NaN last), strings, chars, tuples of them. The error is the
/// pair that has no order.
pub fn order(cx: &Native<'_>, a: Value, b: Value) -> Result<Ordering, (Value, Value)> {
    let mut work = vec![(a, b)];
    while let Some((a, b)) = work.pop() {
        let order = simple_order(cx, a, b, &mut work).ok_or((a, b))?;
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

fn simple_order(
    cx: &Native<'_>,
    a: Value,
    b: Value,
    work: &mut Vec<(Value, Value)>,
) -> Option<Ordering> {
    if let (Some(x), Some(y)) = (as_number(a), as_number(b)) {
        let is_nan = |n: Number| n.to_f64().is_nan();
        return Some(number_order(x, y).unwrap_or_else(|| is_nan(x).cmp(&is_nan(y))));
    }
    if let (Kind::Char(x), Kind::Char(y)) = (a.kind(), b.kind()) {
        return Some(x.cmp(&y));
    }
    let (x, y) = (a.as_object()?, b.as_object()?);
    match (x.kind(), y.kind()) {
        // SAFETY: no safepoint in here, and strings are not written.
        (ObjectKind::Str, ObjectKind::Str) => Some(unsafe { x.bytes().cmp(y.bytes()) }),
        (ObjectKind::Tuple, ObjectKind::Tuple) => {
            // The lengths decide last: a marker pair of ints below the elements.
            let len = |o: Obj| Value::small(o.len() as i64);
            work.push((len(x), len(y)));
            let both = x.len().min(y.len());
            let pair = |i| (cx.load(x, i).value(), cx.load(y, i).value());
            work.extend((0..both).rev().map(pair));
            Some(Ordering::Equal)
        }
        _ => None,
    }
}

// ---- hashing ----

/// A multiply-rotate hash (FxHash), finished so that all bits depend on all input.
#[derive(Clone, Copy)]
struct Hasher(u64);

impl Hasher {
    fn word(&mut self, w: u64) {
        self.0 = (self.0.rotate_left(5) ^ w).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("8 bytes")));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }
    fn finish(self) -> u64 {
        let mut h = self.0;
        h ^= h >> 32;
        h = h.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        h ^ h >> 29
    }
}

/// Large keys are hashed by their first parts only (equality looks at all of them).
const HASHED_PARTS: usize = 1 << 12;

/// The hash of a key; the error is the part that is not immutable.
pub fn hash_key(cx: &Native<'_>, v: Value) -> Result<u64, Value> {
    hash_value(cx, v, true)
}

fn hash_any(cx: &Native<'_>, v: Value) -> u64 {
    hash_value(cx, v, false).expect("every value can be hashed")
}

fn hash_value(cx: &Native<'_>, v: Value, key: bool) -> Result<u64, Value> {
    let mut hasher = Hasher(0);
    // The common keys need no worklist.
    if v.is_int() {
        hasher.word(v.bits());
        return Ok(hasher.finish());
    }
    let mut work = vec![v];
    let mut parts = 0;
    while let Some(v) = work.pop() {
        parts += 1;
        if parts > HASHED_PARTS {
            break;
        }
        let Some(o) = v.as_object() else {
            // +0.0 and -0.0 are equal keys.
            hasher.word(if v.as_float() == Some(0.0) { 0 } else { v.bits() });
            continue;
        };
        hasher.word(u64::from(o.class().0));
        match o.kind() {
            // SAFETY: no safepoint in here, and strings are not written.
            ObjectKind::Str => hasher.bytes(unsafe { o.bytes() }),
            ObjectKind::BoxedFloat if key && f64::from_bits(o.raw_word(0)).is_nan() => {
                return Err(v);
            }
            ObjectKind::BoxedInt | ObjectKind::BoxedFloat => hasher.word(o.raw_word(0)),
            ObjectKind::Record | ObjectKind::Tuple | ObjectKind::Cons | ObjectKind::Range => {
                hasher.word(o.len() as u64);
                work.extend((0..o.len()).rev().map(|i| cx.load(o, i).value()));
            }
            _ if key => return Err(v),
            ObjectKind::List | ObjectKind::Deque => {
                let len = super::lists::len(cx, o);
                hasher.word(len as u64);
                let parts = (0..len.min(HASHED_PARTS)).rev();
                work.extend(parts.map(|i| super::operators::element(cx, o, i)));
            }
            // Their order must not matter: only the number of entries counts.
            ObjectKind::Map | ObjectKind::Set => {
                hasher.word(cx.load(o, slots::LEN).value().bits());
            }
            ObjectKind::Closure => hasher.word(cx.load(o, slots::FUNC).value().bits()),
            ObjectKind::Bytes | ObjectKind::F64Array => hasher.word(o.len() as u64),
            // Handles: by identity they would depend on addresses; the class alone is the hash.
            _ => {}
        }
    }
    Ok(hasher.finish())
}
