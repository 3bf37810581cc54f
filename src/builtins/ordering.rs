//! Ordering of numbers, strings, chars and tuples of them; iterative.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::class::ClassId;
use crate::host::Native;
use crate::object::Obj;
use crate::value::Value;

use super::equality::compare_numbers;
use super::hash::FastHash;
use super::items::Items;
use super::support::{Number, char_of, number_of};

/// Two values that have no order: their types differ or have none.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NoOrder(pub Value, pub Value);

/// Pairs of tuples that are compared before they are remembered (shared parts are walked once).
const MEMO_AFTER: usize = 1 << 12;

/// The total order of `compare` and `sort`: NaN is above all other numbers and equal to itself.
pub fn compare(cx: &Native<'_>, a: Value, b: Value) -> Result<Ordering, NoOrder> {
    walk(cx, a, b, true).map(|order| order.expect("a total order"))
}

/// The order of `<` and its kin: `None` when a NaN decides.
pub fn partial_order(cx: &Native<'_>, a: Value, b: Value) -> Result<Option<Ordering>, NoOrder> {
    walk(cx, a, b, false)
}

/// What two values say: an order, or (`Err`) two tuples to look into.
type Look = Result<Option<Ordering>, (Obj, Obj)>;

fn look(cx: &Native<'_>, a: Value, b: Value, total: bool) -> Result<Look, NoOrder> {
    if let (Some(x), Some(y)) = (number_of(a), number_of(b)) {
        return Ok(Ok(if total { Some(total_numbers(x, y)) } else { compare_numbers(x, y) }));
    }
    if let (Some(x), Some(y)) = (char_of(a), char_of(b)) {
        return Ok(Ok(Some(x.cmp(&y))));
    }
    match (a.as_object(), b.as_object()) {
        (Some(x), Some(y)) if x.class() == y.class() => match x.class() {
            ClassId::STRING => Ok(Ok(Some(cx.text_of(x).cmp(cx.text_of(y))))),
            ClassId::TUPLE => Ok(Err((x, y))),
            _ => Err(NoOrder(a, b)),
        },
        _ => Err(NoOrder(a, b)),
    }
}

/// The order of numbers with NaN at the end.
pub(super) fn total_numbers(a: Number, b: Number) -> Ordering {
    let nan = |n| matches!(n, Number::Float(f) if f64::is_nan(f));
    compare_numbers(a, b).unwrap_or_else(|| nan(a).cmp(&nan(b)))
}

/// Tuples whose elements are being compared.
struct Frame {
    a: Items,
    b: Items,
    next: usize,
}

/// Compares everything but tuples within tuples, which are left to [`walk_deep`].
fn walk(cx: &Native<'_>, a: Value, b: Value, total: bool) -> Result<Option<Ordering>, NoOrder> {
    let (x, y) = match look(cx, a, b, total)? {
        Ok(order) => return Ok(order),
        Err(tuples) => tuples,
    };
    let (x, y) = (Items::of(cx, x), Items::of(cx, y));
    for i in 0..x.len.min(y.len) {
        match look(cx, x.get(cx, i), y.get(cx, i), total)? {
            Ok(Some(Ordering::Equal)) => {}
            Ok(order) => return Ok(order),
            Err(_) => return walk_deep(cx, a, b, total),
        }
    }
    Ok(Some(x.len.cmp(&y.len)))
}

fn walk_deep(
    cx: &Native<'_>,
    a: Value,
    b: Value,
    total: bool,
) -> Result<Option<Ordering>, NoOrder> {
    let mut stack: Vec<Frame> = Vec::new();
    // A pair met before has been found equal, or the walk would have ended.
    let mut seen: HashSet<(usize, usize), FastHash> = HashSet::default();
    let mut steps = 0;
    let (mut a, mut b) = (a, b);
    loop {
        match look(cx, a, b, total)? {
            Ok(Some(Ordering::Equal)) => {}
            Ok(order) => return Ok(order),
            Err((x, y)) => {
                steps += 1;
                let fresh = steps < MEMO_AFTER || seen.insert((x.address(), y.address()));
                if fresh {
                    let (a, b) = (Items::of(cx, x), Items::of(cx, y));
                    stack.push(Frame { a, b, next: 0 });
                }
            }
        }
        (a, b) = loop {
            let Some(frame) = stack.last_mut() else { return Ok(Some(Ordering::Equal)) };
            let i = frame.next;
            if i < frame.a.len && i < frame.b.len {
                frame.next += 1;
                break (frame.a.get(cx, i), frame.b.get(cx, i));
            }
            // A tuple that begins with all of another one comes after it.
            let lengths = frame.a.len.cmp(&frame.b.len);
            if lengths != Ordering::Equal {
                return Ok(Some(lengths));
            }
            stack.pop();
        };
    }
}
