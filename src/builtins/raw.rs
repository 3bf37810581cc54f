//! Bytes and f64 arrays: raw data without references.

use crate::class::ClassId;
use crate::host::{Exit, Native, NativeResult};
use crate::object::{Obj, ObjectKind};
use crate::value::Value;

use super::support::*;

/// How many elements.
pub(super) fn count(o: Obj) -> usize {
    if o.class() == ClassId::F64_ARRAY { o.len() / 8 } else { o.len() }
}

/// `bytes(n)`: n zeros.
pub(super) fn bytes(cx: &mut Native<'_>) -> NativeResult {
    let n = size_arg(cx, "`bytes`", 0)?;
    Ok(cx.alloc(ObjectKind::Bytes, n)?.value())
}
/// `f64array(n)`: n zeros.
pub(super) fn f64array(cx: &mut Native<'_>) -> NativeResult {
    let n = size_arg(cx, "`f64array`", 0)?;
    Ok(cx.alloc(ObjectKind::F64Array, n.saturating_mul(8))?.value())
}

pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    size_result(count(receiver(cx)))
}

/// Element `i`.
pub(super) fn get(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let floats = o.class() == ClassId::F64_ARRAY;
    let i = index_arg(cx, if floats { "f64array" } else { "bytes" }, 1, count(o))?;
    if floats {
        float_result(cx, f64::from_bits(o.raw_word(i)))
    } else {
        size_result(o.byte(i).into())
    }
}

/// The element that argument `i` is, as a word of the array or a byte.
fn element(cx: &mut Native<'_>, o: Obj, i: usize) -> Result<u64, Exit> {
    if o.class() == ClassId::F64_ARRAY {
        return number_arg(cx, "an f64array", i).map(|n| n.to_float().to_bits());
    }
    let n = int_arg(cx, "a byte", i)?;
    match u8::try_from(n) {
        Ok(byte) => Ok(byte.into()),
        Err(_) => Err(cx.throw("InvalidArgument", &format!("a byte is 0 to 255, not {n}"))),
    }
}
fn write(o: Obj, at: usize, element: u64) {
    if o.class() == ClassId::F64_ARRAY {
        o.set_raw_word(at, element);
    } else {
        o.set_byte(at, element as u8);
    }
}

/// Assigns element `i`; gives nil.
pub(super) fn set(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let i = index_arg(cx, "`set`", 1, count(o))?;
    let element = element(cx, o, 2)?;
    write(o, i, element);
    Ok(Value::NIL)
}
pub(super) fn fill(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let element = element(cx, o, 1)?;
    (0..count(o)).for_each(|i| write(o, i, element));
    Ok(Value::NIL)
}

/// Bytes as text: InvalidArgument when they are no UTF-8.
pub(super) fn bytes_to_string(cx: &mut Native<'_>) -> NativeResult {
    let o = receiver(cx);
    let bytes: Vec<u8> = (0..o.len()).map(|i| o.byte(i)).collect();
    match String::from_utf8(bytes) {
        Ok(text) => text_result(cx, &text),
        Err(e) => {
            let at = e.utf8_error().valid_up_to();
            Err(cx.throw("InvalidArgument", &format!("no UTF-8: byte {at} begins no character")))
        }
    }
}
