//! Strings, chars and symbols.

use super::lists::{append_in_place, new_list};
use super::{format, index_arg, int_arg, mismatch, text_arg};
use crate::host::{Exit, MAX_LEN, Native, NativeResult};
use crate::object::ObjectKind;
use crate::value::{Kind, Value};

fn new(cx: &mut Native<'_>, text: &str) -> NativeResult {
    Ok(cx.new_str(text)?.value())
}
fn receiver(cx: &mut Native<'_>) -> Result<String, Exit> {
    text_arg(cx, 0, "the receiver")
}
/// `str(v)`: the display form.
pub(super) fn str(cx: &mut Native<'_>) -> NativeResult {
    if cx.text(cx.arg(0)).is_some() {
        return Ok(cx.arg(0).value());
    }
    let mut text = String::new();
    format::display_into(cx, cx.arg(0).value(), &mut text);
    new(cx, &text)
}
/// `repr(v)`: the display form with strings and chars quoted.
pub(super) fn repr(cx: &mut Native<'_>) -> NativeResult {
    let mut text = String::new();
    format::repr_into(cx, cx.arg(0).value(), &mut text);
    new(cx, &text)
}
/// `chr(i)`
pub(super) fn chr(cx: &mut Native<'_>) -> NativeResult {
    let i = int_arg(cx, 0, "a char's code")?;
    match u32::try_from(i).ok().and_then(char::from_u32) {
        Some(c) => Ok(Value::char(c)),
        None => Err(cx.throw("InvalidArgument", &format!("{i} is no Unicode scalar value"))),
    }
}
/// `symbol("s")`
pub(super) fn symbol(cx: &mut Native<'_>) -> NativeResult {
    let text = text_arg(cx, 0, "a symbol's name")?;
    Ok(Value::symbol(cx.world().program.names.intern(&text)))
}
fn char_test(cx: &mut Native<'_>, test: fn(char) -> bool) -> NativeResult {
    match cx.arg(0).value().kind() {
        Kind::Char(c) => Ok(Value::bool(test(c))),
        _ => {
            let v = cx.arg(0).value();
            Err(mismatch(cx, "the receiver must be a char", v))
        }
    }
}
/// `c.is_digit()`: ASCII.
pub(super) fn char_is_digit(cx: &mut Native<'_>) -> NativeResult {
    char_test(cx, |c| c.is_ascii_digit())
}
/// `c.is_alpha()`
pub(super) fn char_is_alpha(cx: &mut Native<'_>) -> NativeResult {
    char_test(cx, char::is_alphabetic)
}
/// `c.is_space()`
pub(super) fn char_is_space(cx: &mut Native<'_>) -> NativeResult {
    char_test(cx, char::is_whitespace)
}
/// `s.chars()`: how many code points.
pub(super) fn chars(cx: &mut Native<'_>) -> NativeResult {
    let count = cx.text(cx.arg(0)).map_or(0, |t| t.chars().count());
    Ok(Value::small(count as i64))
}
/// `s.byte(i)`
pub(super) fn byte(cx: &mut Native<'_>) -> NativeResult {
    let len = cx.text(cx.arg(0)).map_or(0, str::len);
    let i = index_arg(cx, 1, len)?;
    let byte = cx.text(cx.arg(0)).expect("a string").as_bytes()[i];
    Ok(Value::small(i64::from(byte)))
}
fn cuts(cx: &mut Native<'_>, at: usize) -> Exit {
    cx.throw("InvalidSlice", &format!("byte {at} is inside of a code point"))
}
/// `s.char_at(i)`: at a byte offset.
pub(super) fn char_at(cx: &mut Native<'_>) -> NativeResult {
    let len = cx.text(cx.arg(0)).map_or(0, str::len);
    let i = index_arg(cx, 1, len)?;
    let c = cx.text(cx.arg(0)).expect("a string").get(i..).and_then(|t| t.chars().next());
    c.map(Value::char).ok_or(()).or_else(|()| Err(cuts(cx, i)))
}
/// `s.slice(a, b)`: byte offsets.
pub(super) fn slice(cx: &mut Native<'_>) -> NativeResult {
    let (from, to) = (int_arg(cx, 1, "an offset")?, int_arg(cx, 2, "an offset")?);
    let text = receiver(cx)?;
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match range.filter(|&(from, to)| from <= to && to <= text.len()) {
        None => {
            let message = format!("slice from {from} to {to} of {} bytes", text.len());
            Err(cx.throw("InvalidSlice", &message))
        }
        Some((from, to)) => match text.get(from..to) {
            Some(part) => new(cx, part),
            None => {
                let at = if text.is_char_boundary(from) { to } else { from };
                Err(cuts(cx, at))
            }
        },
    }
}
fn two(cx: &mut Native<'_>) -> Result<(String, String), Exit> {
    Ok((receiver(cx)?, text_arg(cx, 1, "the argument")?))
}
/// `s.find(t)`: byte offset or nil.
pub(super) fn find(cx: &mut Native<'_>) -> NativeResult {
    let (text, part) = two(cx)?;
    Ok(text.find(&part).map_or(Value::NIL, |i| Value::small(i as i64)))
}
/// `s.contains(t)`
pub(super) fn contains(cx: &mut Native<'_>) -> NativeResult {
    let (text, part) = two(cx)?;
    Ok(Value::bool(text.contains(&part)))
}
/// `s.starts_with(t)`
pub(super) fn starts_with(cx: &mut Native<'_>) -> NativeResult {
    let (text, part) = two(cx)?;
    Ok(Value::bool(text.starts_with(&part)))
}
/// `s.ends_with(t)`
pub(super) fn ends_with(cx: &mut Native<'_>) -> NativeResult {
    let (text, part) = two(cx)?;
    Ok(Value::bool(text.ends_with(&part)))
}
/// `s.split(separator)`: a list; an empty separator gives the chars as strings.
pub(super) fn split(cx: &mut Native<'_>) -> NativeResult {
    let (text, separator) = two(cx)?;
    let parts: Vec<String> = if separator.is_empty() {
        text.chars().map(String::from).collect()
    } else {
        text.split(&separator).map(str::to_owned).collect()
    };
    let list = new_list(cx, parts.len())?;
    for part in parts {
        let part = cx.new_str(&part)?.value();
        append_in_place(cx, list, part);
    }
    Ok(cx.get(list).value())
}
/// `s.trim()`: Unicode white space.
pub(super) fn trim(cx: &mut Native<'_>) -> NativeResult {
    let text = receiver(cx)?;
    new(cx, text.trim())
}
/// `s.lower()`: Unicode.
pub(super) fn lower(cx: &mut Native<'_>) -> NativeResult {
    let text = receiver(cx)?;
    new(cx, &text.to_lowercase())
}
/// `s.upper()`: Unicode.
pub(super) fn upper(cx: &mut Native<'_>) -> NativeResult {
    let text = receiver(cx)?;
    new(cx, &text.to_uppercase())
}
/// `s.repeat(n)`: the size is checked before anything is built.
pub(super) fn repeat(cx: &mut Native<'_>) -> NativeResult {
    let n = int_arg(cx, 1, "a count")?;
    let text = receiver(cx)?;
    let Ok(n) = usize::try_from(n) else {
        return Err(cx.throw("InvalidArgument", &format!("repeat {n} times")));
    };
    match text.len().checked_mul(n) {
        Some(bytes) if bytes <= MAX_LEN as usize => {
            // The object first: a heap without room says so before the host builds the text.
            let o = cx.alloc(ObjectKind::Str, bytes)?.object().expect("a string");
            (0..n).for_each(|i| o.copy_bytes(i * text.len(), text.as_bytes()));
            Ok(Value::object(o))
        }
        _ => Err(cx.throw("OutOfMemory", &format!("a string of {} × {n} bytes", text.len()))),
    }
}
/// `s.replace(from, to)`: all occurrences.
pub(super) fn replace(cx: &mut Native<'_>) -> NativeResult {
    let (text, from) = two(cx)?;
    let to = text_arg(cx, 2, "the replacement")?;
    new(cx, &text.replace(&from, &to))
}
/// `s.to_int()`: nil when it is none.
pub(super) fn to_int(cx: &mut Native<'_>) -> NativeResult {
    match receiver(cx)?.parse::<i64>() {
        Ok(i) => Ok(cx.new_int(i)?.value()),
        Err(_) => Ok(Value::NIL),
    }
}
/// `s.to_float()`: nil when it is none.
pub(super) fn to_float(cx: &mut Native<'_>) -> NativeResult {
    match receiver(cx)?.parse::<f64>() {
        Ok(f) => Ok(cx.new_float(f)?.value()),
        Err(_) => Ok(Value::NIL),
    }
}
/// `s.bytes()`
pub(super) fn to_bytes(cx: &mut Native<'_>) -> NativeResult {
    let text = receiver(cx)?;
    let o = cx.alloc(ObjectKind::Bytes, text.len())?.object().expect("bytes");
    o.copy_bytes(0, text.as_bytes());
    Ok(Value::object(o))
}
