//! Functions and methods of ints and floats.

use std::cmp::Ordering;

use super::compare::{not_ordered, number_order, order};
use super::operators::float_arg;
use super::{Number, as_number, int_arg, mismatch};
use crate::host::{Native, NativeResult};
use crate::value::{Kind, Value};

/// `int(v)`: floats truncate, strings parse, chars give their code.
pub(super) fn int(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    if let Kind::Char(c) = v.kind() {
        return Ok(Value::small(i64::from(u32::from(c))));
    }
    match as_number(v) {
        Some(Number::Int(_)) => return Ok(v),
        Some(Number::Float(f)) => return truncate(cx, f),
        None => {}
    }
    let Some(text) = cx.text(cx.arg(0)).map(str::to_owned) else {
        return Err(mismatch(cx, "`int` needs a number, a string or a char", v));
    };
    match text.parse::<i64>() {
        Ok(i) => Ok(cx.new_int(i)?.value()),
        Err(e) => {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let overflow = matches!(e.kind(), NegOverflow | PosOverflow);
            let kind = if overflow { "Overflow" } else { "InvalidArgument" };
            Err(cx.throw(kind, &format!("{text:?} is no int")))
        }
    }
}
fn truncate(cx: &mut Native<'_>, f: f64) -> NativeResult {
    let t = f.trunc();
    if t >= -9_223_372_036_854_775_808.0 && t < 9_223_372_036_854_775_808.0 {
        Ok(cx.new_int(t as i64)?.value())
    } else if t.is_nan() {
        Err(cx.throw("InvalidArgument", "NaN is no int"))
    } else {
        Err(cx.throw("Overflow", &format!("{f:?} needs more than 64 bits")))
    }
}
/// `float(v)`: ints convert, strings parse.
pub(super) fn float(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    if let Some(n) = as_number(v) {
        return Ok(cx.new_float(n.to_f64())?.value());
    }
    let Some(text) = cx.text(cx.arg(0)).map(str::to_owned) else {
        return Err(mismatch(cx, "`float` needs a number or a string", v));
    };
    match text.parse::<f64>() {
        Ok(f) => Ok(cx.new_float(f)?.value()),
        Err(_) => Err(cx.throw("InvalidArgument", &format!("{text:?} is no float"))),
    }
}
/// `abs(x)`
pub(super) fn abs(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    match as_number(v) {
        Some(Number::Int(i)) => match i.checked_abs() {
            Some(i) => Ok(cx.new_int(i)?.value()),
            None => Err(cx.throw("Overflow", "the result of `abs` needs more than 64 bits")),
        },
        Some(Number::Float(f)) => Ok(cx.new_float(f.abs())?.value()),
        None => Err(mismatch(cx, "`abs` needs a number", v)),
    }
}
fn pick(cx: &mut Native<'_>, first_if: Ordering) -> NativeResult {
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    if let (Some(x), Some(y)) = (as_number(a), as_number(b)) {
        // NaN loses, as in IEEE's minimumNumber.
        return Ok(match number_order(x, y) {
            Some(order) if order == first_if || order.is_eq() => a,
            None if !x.to_f64().is_nan() => a,
            _ => b,
        });
    }
    match order(cx, a, b) {
        Ok(order) => Ok(if order == first_if || order.is_eq() { a } else { b }),
        Err((a, b)) => Err(not_ordered(cx, a, b)),
    }
}
/// `min(a, b)`: of whatever `compare` orders.
pub(super) fn min(cx: &mut Native<'_>) -> NativeResult {
    pick(cx, Ordering::Less)
}
/// `max(a, b)`
pub(super) fn max(cx: &mut Native<'_>) -> NativeResult {
    pick(cx, Ordering::Greater)
}
/// `x.is_nan()`
pub(super) fn is_nan(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(float_arg(cx, 0, "the receiver")?.is_nan()))
}

macro_rules! float_functions {
    ($($name:ident $f:expr;)*) => { $(
        #[doc = concat!("`", stringify!($name), "(x)`: a float.")]
        pub(super) fn $name(cx: &mut Native<'_>) -> NativeResult {
            let what = concat!("the argument of `", stringify!($name), "`");
            let f: fn(f64) -> f64 = $f;
            let x = float_arg(cx, 0, what)?;
            Ok(cx.new_float(f(x))?.value())
        }
    )* };
}
float_functions! {
    floor f64::floor;
    ceil f64::ceil;
    round f64::round;
    sqrt f64::sqrt;
    sin f64::sin;
    cos f64::cos;
    tan f64::tan;
    exp f64::exp;
    log f64::ln;
}
/// `atan2(y, x)`
pub(super) fn atan2(cx: &mut Native<'_>) -> NativeResult {
    let (y, x) = (float_arg(cx, 0, "the y of `atan2`")?, float_arg(cx, 1, "the x of `atan2`")?);
    Ok(cx.new_float(y.atan2(x))?.value())
}
/// `pow(a, b)`: ints exact.
pub(super) fn pow(cx: &mut Native<'_>) -> NativeResult {
    if let (Some(Number::Int(base)), Some(Number::Int(exponent))) =
        (as_number(cx.arg(0).value()), as_number(cx.arg(1).value()))
        && exponent >= 0
    {
        return match int_pow(base, exponent) {
            Some(i) => Ok(cx.new_int(i)?.value()),
            None => Err(cx.throw("Overflow", "the result of `pow` needs more than 64 bits")),
        };
    }
    let (x, y) = (float_arg(cx, 0, "the base of `pow`")?, float_arg(cx, 1, "the exponent")?);
    Ok(cx.new_float(x.powf(y))?.value())
}
fn int_pow(base: i64, exponent: i64) -> Option<i64> {
    match base {
        0 | 1 => Some(if exponent == 0 { 1 } else { base }),
        -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        _ => base.checked_pow(u32::try_from(exponent).ok()?),
    }
}
fn wrapping(cx: &mut Native<'_>, f: fn(i64, i64) -> i64) -> NativeResult {
    let (a, b) = (int_arg(cx, 0, "an operand")?, int_arg(cx, 1, "an operand")?);
    Ok(cx.new_int(f(a, b))?.value())
}
/// `wrapping_add(a, b)`: modulo 2^64.
pub(super) fn wrapping_add(cx: &mut Native<'_>) -> NativeResult {
    wrapping(cx, i64::wrapping_add)
}
/// `wrapping_sub(a, b)`
pub(super) fn wrapping_sub(cx: &mut Native<'_>) -> NativeResult {
    wrapping(cx, i64::wrapping_sub)
}
/// `wrapping_mul(a, b)`
pub(super) fn wrapping_mul(cx: &mut Native<'_>) -> NativeResult {
    wrapping(cx, i64::wrapping_mul)
}
