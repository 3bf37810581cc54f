//! Numbers: conversions and mathematics.

use std::cmp::Ordering;

use crate::host::{Exit, Native, NativeResult};
use crate::object::ObjectKind;
use crate::value::{Kind, Value};

use super::operators::overflow;
use super::ordering::{self, NoOrder};
use super::support::*;
use super::{describe, format};

/// TypeMismatch: two values have no order.
pub(super) fn no_order(cx: &mut Native<'_>, what: &str, NoOrder(a, b): NoOrder) -> Exit {
    let (a, b) = (describe(cx.world_ref(), a), describe(cx.world_ref(), b));
    cx.throw("TypeMismatch", &format!("{what} cannot order {a} and {b}"))
}

/// `int(v)`
pub(super) fn int(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    match number_of(v) {
        Some(Number::Int(_)) => return Ok(v),
        Some(Number::Float(f)) => return truncate(cx, f),
        None => {}
    }
    if let Some(c) = char_of(v) {
        return size_result(u32::from(c) as usize);
    }
    let Some(text) = cx.text(cx.arg(0)) else {
        return Err(needs(cx, "`int`", "a number, a string or a char", 0));
    };
    match text.parse::<i64>() {
        Ok(i) => int_result(cx, i),
        Err(e) => {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let too_large = matches!(e.kind(), PosOverflow | NegOverflow);
            let text = format::brief(cx, v);
            Err(if too_large {
                cx.throw("Overflow", &format!("{text} does not fit 64 bits"))
            } else {
                cx.throw("InvalidArgument", &format!("{text} is no int"))
            })
        }
    }
}
fn truncate(cx: &mut Native<'_>, f: f64) -> NativeResult {
    if f.is_nan() {
        return Err(cx.throw("InvalidArgument", "NaN is no int"));
    }
    // Both bounds are exact: the smallest i64, and one more than the largest.
    if f.trunc() >= i64::MIN as f64 && f < -(i64::MIN as f64) {
        int_result(cx, f as i64)
    } else {
        Err(cx.throw("Overflow", &format!("{f:?} does not fit 64 bits")))
    }
}
/// `float(v)`
pub(super) fn float(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    match number_of(v) {
        Some(Number::Int(i)) => return float_result(cx, i as f64),
        Some(Number::Float(_)) => return Ok(v),
        None => {}
    }
    let Some(text) = cx.text(cx.arg(0)) else {
        return Err(needs(cx, "`float`", "a number or a string", 0));
    };
    match text.parse() {
        Ok(f) => float_result(cx, f),
        Err(_) => {
            let text = format::brief(cx, v);
            Err(cx.throw("InvalidArgument", &format!("{text} is no float")))
        }
    }
}

/// `abs(x)`
pub(super) fn abs(cx: &mut Native<'_>) -> NativeResult {
    match number_arg(cx, "`abs`", 0)? {
        Number::Float(f) => float_result(cx, f.abs()),
        Number::Int(i) => match i.checked_abs() {
            Some(i) => int_result(cx, i),
            None => Err(cx.throw("Overflow", &format!("abs({i}) does not fit 64 bits"))),
        },
    }
}

fn extreme(cx: &mut Native<'_>, what: &str, wanted: Ordering) -> NativeResult {
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    match ordering::compare(cx, b, a) {
        Ok(order) => Ok(if order == wanted { b } else { a }),
        Err(NoOrder(b, a)) => Err(no_order(cx, what, NoOrder(a, b))),
    }
}
/// `min(a, b)`; the first of equals
pub(super) fn min(cx: &mut Native<'_>) -> NativeResult {
    extreme(cx, "`min`", Ordering::Less)
}
/// `max(a, b)`; the first of equals
pub(super) fn max(cx: &mut Native<'_>) -> NativeResult {
    extreme(cx, "`max`", Ordering::Greater)
}
/// `compare(a, b)`: -1, 0 or 1
pub(super) fn compare(cx: &mut Native<'_>) -> NativeResult {
    match ordering::compare(cx, cx.arg(0).value(), cx.arg(1).value()) {
        Ok(order) => Ok(Value::small(order as i64)),
        Err(pair) => Err(no_order(cx, "`compare`", pair)),
    }
}

/// Ints are whole already; floats stay floats.
fn rounded(cx: &mut Native<'_>, what: &str, f: fn(f64) -> f64) -> NativeResult {
    match number_arg(cx, what, 0)? {
        Number::Int(_) => Ok(cx.arg(0).value()),
        Number::Float(x) => float_result(cx, f(x)),
    }
}
pub(super) fn floor(cx: &mut Native<'_>) -> NativeResult {
    rounded(cx, "`floor`", f64::floor)
}
pub(super) fn ceil(cx: &mut Native<'_>) -> NativeResult {
    rounded(cx, "`ceil`", f64::ceil)
}
/// Halves go away from zero.
pub(super) fn round(cx: &mut Native<'_>) -> NativeResult {
    rounded(cx, "`round`", f64::round)
}

fn function(cx: &mut Native<'_>, what: &str, f: fn(f64) -> f64) -> NativeResult {
    let x = number_arg(cx, what, 0)?.to_float();
    float_result(cx, f(x))
}
pub(super) fn sqrt(cx: &mut Native<'_>) -> NativeResult {
    function(cx, "`sqrt`", f64::sqrt)
}
pub(super) fn sin(cx: &mut Native<'_>) -> NativeResult {
    function(cx, "`sin`", f64::sin)
}
pub(super) fn cos(cx: &mut Native<'_>) -> NativeResult {
    function(cx, "`cos`", f64::cos)
}
pub(super) fn tan(cx: &mut Native<'_>) -> NativeResult {
    function(cx, "`tan`", f64::tan)
}
pub(super) fn exp(cx: &mut Native<'_>) -> NativeResult {
    function(cx, "`exp`", f64::exp)
}
/// The natural logarithm.
pub(super) fn log(cx: &mut Native<'_>) -> NativeResult {
    function(cx, "`log`", f64::ln)
}
/// `atan2(y, x)`
pub(super) fn atan2(cx: &mut Native<'_>) -> NativeResult {
    let y = number_arg(cx, "`atan2`", 0)?.to_float();
    let x = number_arg(cx, "`atan2`", 1)?.to_float();
    float_result(cx, y.atan2(x))
}

/// `pow(a, b)`: exact for ints, unless `b` is negative; in floats otherwise.
pub(super) fn pow(cx: &mut Native<'_>) -> NativeResult {
    let a = number_arg(cx, "`pow`", 0)?;
    let b = number_arg(cx, "`pow`", 1)?;
    match (a, b) {
        (Number::Int(a), Number::Int(b @ 0..)) => match power(a, b) {
            Some(i) => int_result(cx, i),
            None => Err(overflow(cx, a, "to the power of", b)),
        },
        _ => float_result(cx, a.to_float().powf(b.to_float())),
    }
}
fn power(a: i64, b: i64) -> Option<i64> {
    match a {
        0 | 1 if b > 0 => Some(a),
        -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
        _ => a.checked_pow(u32::try_from(b).ok()?),
    }
}

fn wrapping(cx: &mut Native<'_>, what: &str, f: fn(i64, i64) -> i64) -> NativeResult {
    let (a, b) = (int_arg(cx, what, 0)?, int_arg(cx, what, 1)?);
    int_result(cx, f(a, b))
}
pub(super) fn wrapping_add(cx: &mut Native<'_>) -> NativeResult {
    wrapping(cx, "`wrapping_add`", i64::wrapping_add)
}
pub(super) fn wrapping_sub(cx: &mut Native<'_>) -> NativeResult {
    wrapping(cx, "`wrapping_sub`", i64::wrapping_sub)
}
pub(super) fn wrapping_mul(cx: &mut Native<'_>) -> NativeResult {
    wrapping(cx, "`wrapping_mul`", i64::wrapping_mul)
}

/// `f.is_nan()`
pub(super) fn is_nan(cx: &mut Native<'_>) -> NativeResult {
    let nan = matches!(number_of(cx.arg(0).value()), Some(Number::Float(f)) if f.is_nan());
    Ok(Value::bool(nan))
}

/// `hash(v)`: an int of 60 bits, so it is never boxed.
pub(super) fn hash(cx: &mut Native<'_>) -> NativeResult {
    let hash = super::hash_value(cx, cx.arg(0).value());
    Ok(Value::small((hash >> 4) as i64))
}

/// `same(a, b)`: identity; boxed numbers have none of their own and are compared by their bits.
pub(super) fn same(cx: &mut Native<'_>) -> NativeResult {
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    let boxed = |v: Value| {
        v.as_object()
            .filter(|o| matches!(o.kind(), ObjectKind::BoxedInt | ObjectKind::BoxedFloat))
            .map(|o| (o.class(), o.raw_word(0)))
    };
    Ok(Value::bool(a == b || boxed(a).is_some_and(|a| Some(a) == boxed(b))))
}

/// `symbol("s")`
pub(super) fn symbol(cx: &mut Native<'_>) -> NativeResult {
    if let Kind::Symbol(_) = cx.arg(0).value().kind() {
        return Ok(cx.arg(0).value());
    }
    let text = string_arg(cx, "`symbol`", 0)?;
    Ok(Value::symbol(cx.world().program.names.intern(&text)))
}
