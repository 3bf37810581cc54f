//! `bytes` and `f64array`: raw data, no references inside.

use super::operators::float_arg;
use super::{index_arg, int_arg};
use crate::host::{Exit, Native, NativeResult};
use crate::object::{Obj, ObjectKind};
use crate::value::Value;

fn new(cx: &mut Native<'_>, kind: ObjectKind, element_bytes: usize) -> NativeResult {
    let n = int_arg(cx, 0, "a length")?;
    let bytes = usize::try_from(n).ok().and_then(|n| n.checked_mul(element_bytes));
    match bytes {
        Some(bytes) => Ok(cx.alloc(kind, bytes)?.value()),
        None => Err(cx.throw("InvalidArgument", &format!("an array of {n} elements"))),
    }
}
/// `bytes(n)`: zeros.
pub(super) fn bytes(cx: &mut Native<'_>) -> NativeResult {
    new(cx, ObjectKind::Bytes, 1)
}
/// `f64array(n)`: zeros.
pub(super) fn f64array(cx: &mut Native<'_>) -> NativeResult {
    new(cx, ObjectKind::F64Array, 8)
}
fn len(o: Obj) -> usize {
    if o.kind() == ObjectKind::Bytes { o.len() } else { o.len() / 8 }
}
/// Element `i`, which is there.
pub(super) fn element(cx: &mut Native<'_>, o: Obj, i: usize) -> NativeResult {
    if o.kind() == ObjectKind::Bytes {
        return Ok(Value::small(i64::from(o.byte(i))));
    }
    let f = f64::from_bits(o.raw_word(i));
    Ok(cx.new_float(f)?.value())
}
/// `x[i]`
pub(super) fn index(cx: &mut Native<'_>) -> NativeResult {
    let o = super::lists::receiver(cx);
    let i = index_arg(cx, 1, len(o))?;
    element(cx, o, i)
}
fn byte_arg(cx: &mut Native<'_>, i: usize) -> Result<u8, Exit> {
    let n = int_arg(cx, i, "a byte")?;
    u8::try_from(n).or_else(|_| Err(cx.throw("InvalidArgument", &format!("{n} is no byte"))))
}
/// `x[i] = v`
pub(super) fn set_index(cx: &mut Native<'_>) -> NativeResult {
    let o = super::lists::receiver(cx);
    let i = index_arg(cx, 1, len(o))?;
    if o.kind() == ObjectKind::Bytes {
        let byte = byte_arg(cx, 2)?;
        o.set_byte(i, byte);
    } else {
        let f = float_arg(cx, 2, "an element")?;
        o.set_raw_word(i, f.to_bits());
    }
    Ok(Value::NIL)
}
/// `x.fill(v)`
pub(super) fn fill(cx: &mut Native<'_>) -> NativeResult {
    let o = super::lists::receiver(cx);
    if o.kind() == ObjectKind::Bytes {
        let byte = byte_arg(cx, 1)?;
        (0..o.len()).for_each(|i| o.set_byte(i, byte));
    } else {
        let f = float_arg(cx, 1, "an element")?;
        (0..len(o)).for_each(|i| o.set_raw_word(i, f.to_bits()));
    }
    Ok(Value::NIL)
}
/// `b.to_string()`: must be UTF-8.
pub(super) fn to_string(cx: &mut Native<'_>) -> NativeResult {
    let o = super::lists::receiver(cx);
    let bytes: Vec<u8> = (0..o.len()).map(|i| o.byte(i)).collect();
    match String::from_utf8(bytes) {
        Ok(text) => Ok(cx.new_str(&text)?.value()),
        Err(e) => {
            let at = e.utf8_error().valid_up_to();
            Err(cx.throw("InvalidArgument", &format!("no UTF-8 at byte {at}")))
        }
    }
}
