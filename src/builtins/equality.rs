//! Structural equality, iterative and terminating also on cyclic data.
//!
//! Equality of cyclic data is the largest relation that the elements do not contradict. Pairs that
//! were met before are assumed equal; since equality is transitive the assumptions are kept as
//! classes (union-find, Hopcroft & Karp 1971), which makes the walk almost linear. Small data
//! never pays for that: the classes are kept only from the [`MEMO_AFTER`]th pair on.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::class::ClassId;
use crate::host::Native;
use crate::object::{Obj, slots};
use crate::value::Value;

use super::hash::FastHash;
use super::hashed;
use super::items::Items;
use super::support::{Number, number_of};

/// Pairs of objects that are compared before assumptions are remembered.
const MEMO_AFTER: u32 = 1 << 12;
/// Of the cells of a long cons list only every so-many-th is remembered.
const CONS_SAMPLE: u32 = 64;

/// `a == b`: structural on data, by identity on handles, numbers by their exact value. An object
/// equals itself, even when it holds a NaN.
pub fn structural_eq(cx: &Native<'_>, a: Value, b: Value) -> bool {
    same(cx, a, b, false)
}

/// Whether two values are the same key: as [`structural_eq`], but 1 and 1.0 differ.
pub fn same_key(cx: &Native<'_>, a: Value, b: Value) -> bool {
    same(cx, a, b, true)
}

/// Only containers need a walk: for numbers and strings its state would cost more than they do.
fn same(cx: &Native<'_>, a: Value, b: Value, strict: bool) -> bool {
    match look(cx, a, b, strict) {
        Look::Decided(equal) => equal,
        Look::Into(..) => Walk::new(cx, strict).equal(a, b),
    }
}

/// The exact order of an int and a float; `None` for NaN.
pub(super) fn compare_int_float(i: i64, f: f64) -> Option<Ordering> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if f.is_nan() {
        None
    } else if f >= TWO_63 {
        Some(Ordering::Less)
    } else if f < -TWO_63 {
        Some(Ordering::Greater)
    } else {
        // The whole part is exact as an i64; a remaining fraction decides a tie.
        let whole = f.trunc();
        let fraction = f - whole;
        Some(i.cmp(&(whole as i64)).then(0.0f64.partial_cmp(&fraction).expect("not NaN")))
    }
}

/// The exact order of two numbers; `None` when one is NaN.
pub(super) fn compare_numbers(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Int(a), Number::Float(b)) => compare_int_float(a, b),
        (Number::Float(a), Number::Int(b)) => compare_int_float(b, a).map(Ordering::reverse),
    }
}

fn numbers_equal(a: Number, b: Number, strict: bool) -> bool {
    let mixed = matches!((a, b), (Number::Int(_), Number::Float(_)))
        || matches!((a, b), (Number::Float(_), Number::Int(_)));
    !(strict && mixed) && compare_numbers(a, b) == Some(Ordering::Equal)
}

/// What two words say without looking into containers.
enum Look {
    Decided(bool),
    Into(Obj, Obj),
}

fn look(cx: &Native<'_>, a: Value, b: Value, strict: bool) -> Look {
    match (number_of(a), number_of(b)) {
        (Some(a), Some(b)) => return Look::Decided(numbers_equal(a, b, strict)),
        (None, None) => {}
        _ => return Look::Decided(false),
    }
    if a == b {
        return Look::Decided(true);
    }
    let (Some(x), Some(y)) = (a.as_object(), b.as_object()) else { return Look::Decided(false) };
    if x.class() != y.class() {
        return Look::Decided(false);
    }
    match x.class() {
        ClassId::STRING => Look::Decided(cx.text_of(x) == cx.text_of(y)),
        ClassId::BYTES => Look::Decided(bytes_equal(x, y)),
        ClassId::F64_ARRAY => Look::Decided(floats_equal(x, y)),
        ClassId::WEAK | ClassId::WEAK_MAP => Look::Decided(false),
        class if class.is_handle() => Look::Decided(false),
        _ => Look::Into(x, y),
    }
}

fn bytes_equal(x: Obj, y: Obj) -> bool {
    let len = x.len();
    let words = len / 8;
    len == y.len()
        && (0..words).all(|i| x.raw_word(i) == y.raw_word(i))
        && (words * 8..len).all(|i| x.byte(i) == y.byte(i))
}

fn floats_equal(x: Obj, y: Obj) -> bool {
    let float = |o: Obj, i| f64::from_bits(o.raw_word(i));
    x.len() == y.len() && (0..x.len() / 8).all(|i| float(x, i) == float(y, i))
}

/// Elements of two containers that are still to be compared.
enum Frame {
    Items { a: Items, b: Items, next: usize },
    Map { a: Obj, b: Obj, next: usize },
}

struct Walk<'c, 'n> {
    cx: &'c Native<'n>,
    strict: bool,
    steps: u32,
    stack: Vec<Frame>,
    assumed: Option<Classes>,
}

impl<'c, 'n> Walk<'c, 'n> {
    fn new(cx: &'c Native<'n>, strict: bool) -> Self {
        Walk { cx, strict, steps: 0, stack: Vec::new(), assumed: None }
    }

    fn equal(mut self, a: Value, b: Value) -> bool {
        if !self.visit(a, b) {
            return false;
        }
        while let Some(frame) = self.stack.last_mut() {
            let pair = match frame {
                Frame::Items { a, b, next } => {
                    let i = *next;
                    *next += 1;
                    let pair = (a.get(self.cx, i), b.get(self.cx, i));
                    // The last element goes on in this frame's place: long chains stay flat.
                    if *next == a.len {
                        self.stack.pop();
                    }
                    pair
                }
                Frame::Map { a, b, next } => match map_step(self.cx, *a, *b, next) {
                    MapStep::Pair(a, b) => (a, b),
                    MapStep::Missing => return false,
                    MapStep::End => {
                        self.stack.pop();
                        continue;
                    }
                },
            };
            if !self.visit(pair.0, pair.1) {
                return false;
            }
        }
        true
    }

    /// Compares as far as the words go; containers are pushed. `false`: they differ.
    fn visit(&mut self, a: Value, b: Value) -> bool {
        let (x, y) = match look(self.cx, a, b, self.strict) {
            Look::Decided(equal) => return equal,
            Look::Into(x, y) => (x, y),
        };
        if self.assumed_equal(x, y) {
            return true;
        }
        if matches!(x.class(), ClassId::MAP | ClassId::SET) {
            let len = |o| self.cx.load(o, slots::LEN).value();
            let equal = len(x) == len(y);
            self.stack.push(Frame::Map { a: x, b: y, next: 0 });
            return equal;
        }
        let (a, b) = (Items::of(self.cx, x), Items::of(self.cx, y));
        if a.len == b.len && a.len > 0 {
            self.stack.push(Frame::Items { a, b, next: 0 });
        }
        a.len == b.len
    }

    /// Whether the pair is known or assumed to be equal; assumes it otherwise.
    fn assumed_equal(&mut self, x: Obj, y: Obj) -> bool {
        self.steps = self.steps.saturating_add(1);
        if self.steps <= MEMO_AFTER {
            return false;
        }
        let classes = self.assumed.get_or_insert_default();
        let chain = x.class() == ClassId::CONS
            && !self.cx.load(x, slots::HEAD).value().is_object()
            && !self.steps.is_multiple_of(CONS_SAMPLE);
        classes.same(x.address(), y.address(), !chain)
    }
}

enum MapStep {
    Pair(Value, Value),
    Missing,
    End,
}

/// The next entry of map or set `a` beside that of `b` (for sets a pair of equal words).
fn map_step(cx: &Native<'_>, a: Obj, b: Obj, next: &mut usize) -> MapStep {
    let Some(entry) = hashed::live(cx, a, *next) else { return MapStep::End };
    *next = entry + 1;
    let Some(other) = hashed::find(cx, b, hashed::key(cx, a, entry)) else {
        return MapStep::Missing;
    };
    if a.class() == ClassId::SET {
        return MapStep::Pair(Value::NIL, Value::NIL);
    }
    MapStep::Pair(hashed::value(cx, a, entry), hashed::value(cx, b, other))
}

/// Classes of addresses that are assumed to be equal (union-find with path halving).
#[derive(Default)]
struct Classes(HashMap<usize, usize, FastHash>);

impl Classes {
    fn root(&mut self, mut x: usize) -> usize {
        while let Some(&parent) = self.0.get(&x) {
            if let Some(&above) = self.0.get(&parent) {
                self.0.insert(x, above);
            }
            x = parent;
        }
        x
    }
    /// Whether both are in one class; joins their classes if `join`.
    fn same(&mut self, x: usize, y: usize, join: bool) -> bool {
        let (x, y) = (self.root(x), self.root(y));
        if x != y && join {
            self.0.insert(x, y);
        }
        x == y
    }
}
