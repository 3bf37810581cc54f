//! String and char methods. Strings are immutable UTF-8; positions are byte offsets.

use crate::host::{Exit, MAX_LEN, Native, NativeResult, Root};
use crate::object::ObjectKind;
use crate::value::Value;

use super::format::{DIGITS, Style, decimal, to_text};
use super::lists;
use super::support::*;

/// The receiver.
fn text<'c>(cx: &'c Native<'_>) -> &'c str {
    cx.text(cx.arg(0)).expect("methods are dispatched by the class of their receiver")
}
/// Argument `i`, which is known to be a string.
fn text_at<'c>(cx: &'c Native<'_>, i: usize) -> &'c str {
    cx.text(cx.arg(i)).expect("checked before")
}

/// A new string: `from..to` of the string that a root holds. A safepoint.
fn part(cx: &mut Native<'_>, of: Root, from: usize, to: usize) -> NativeResult {
    let new = cx.alloc(ObjectKind::Str, to - from)?.object().expect("an object");
    let text = cx.text(cx.get(of)).expect("a string");
    new.copy_bytes(0, &text.as_bytes()[from..to]);
    Ok(Value::object(new))
}

pub(super) fn len(cx: &mut Native<'_>) -> NativeResult {
    size_result(text(cx).len())
}
pub(super) fn is_empty(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(text(cx).is_empty()))
}
pub(super) fn chars(cx: &mut Native<'_>) -> NativeResult {
    size_result(text(cx).chars().count())
}
pub(super) fn byte(cx: &mut Native<'_>) -> NativeResult {
    let len = text(cx).len();
    let i = index_arg(cx, "`byte`", 1, len)?;
    size_result(text(cx).as_bytes()[i].into())
}

fn invalid_slice(cx: &mut Native<'_>, what: &str, at: usize) -> Exit {
    cx.throw("InvalidSlice", &format!("{what}: byte {at} is inside of a character"))
}

pub(super) fn char_at(cx: &mut Native<'_>) -> NativeResult {
    let len = text(cx).len();
    let at = index_arg(cx, "`char_at`", 1, len)?;
    match text(cx).get(at..).and_then(|rest| rest.chars().next()) {
        Some(c) => Ok(Value::char(c)),
        None => Err(invalid_slice(cx, "`char_at`", at)),
    }
}
/// Every way in which `a..b` is no part of the string is InvalidSlice.
pub(super) fn slice(cx: &mut Native<'_>) -> NativeResult {
    let (a, b) = (int_arg(cx, "`slice`", 1)?, int_arg(cx, "`slice`", 2)?);
    let len = text(cx).len();
    let (from, to) = match (usize::try_from(a), usize::try_from(b)) {
        (Ok(from), Ok(to)) if from <= to && to <= len => (from, to),
        _ => {
            let message = format!("`slice`: {a}..{b} is out of range, the length is {len}");
            return Err(cx.throw("InvalidSlice", &message));
        }
    };
    if let Some(at) = [from, to].into_iter().find(|&at| !text(cx).is_char_boundary(at)) {
        return Err(invalid_slice(cx, "`slice`", at));
    }
    let whole = cx.arg_root(0);
    part(cx, whole, from, to)
}

pub(super) fn find(cx: &mut Native<'_>) -> NativeResult {
    check_string(cx, "`find`", 1)?;
    Ok(text(cx).find(text_at(cx, 1)).map_or(Value::NIL, |at| Value::small(at as i64)))
}
fn test(cx: &mut Native<'_>, what: &str, test: fn(&str, &str) -> bool) -> NativeResult {
    check_string(cx, what, 1)?;
    Ok(Value::bool(test(text(cx), text_at(cx, 1))))
}
pub(super) fn contains(cx: &mut Native<'_>) -> NativeResult {
    test(cx, "`contains`", |text, part| text.contains(part))
}
pub(super) fn starts_with(cx: &mut Native<'_>) -> NativeResult {
    test(cx, "`starts_with`", |text, part| text.starts_with(part))
}
pub(super) fn ends_with(cx: &mut Native<'_>) -> NativeResult {
    test(cx, "`ends_with`", |text, part| text.ends_with(part))
}

/// The parts between separators. An empty separator gives the single characters.
pub(super) fn split(cx: &mut Native<'_>) -> NativeResult {
    check_string(cx, "`split`", 1)?;
    let parts = part_bounds(text(cx), text_at(cx, 1));
    let whole = cx.arg_root(0);
    let list = lists::new_list(cx, parts.len())?;
    let element = cx.root(Value::NIL);
    for (from, to) in parts {
        let v = part(cx, whole, from, to)?;
        cx.set(element, v);
        lists::push_root(cx, list, element)?;
    }
    Ok(cx.get(list).value())
}
fn part_bounds(text: &str, separator: &str) -> Vec<(usize, usize)> {
    if separator.is_empty() {
        return text.char_indices().map(|(at, c)| (at, at + c.len_utf8())).collect();
    }
    let mut from = 0;
    let mut parts = Vec::new();
    for (at, _) in text.match_indices(separator) {
        parts.push((from, at));
        from = at + separator.len();
    }
    parts.push((from, text.len()));
    parts
}

pub(super) fn trim(cx: &mut Native<'_>) -> NativeResult {
    let whole = text(cx);
    let from = whole.len() - whole.trim_start().len();
    let to = from + whole.trim().len();
    let whole = cx.arg_root(0);
    part(cx, whole, from, to)
}
pub(super) fn lower(cx: &mut Native<'_>) -> NativeResult {
    let lower = text(cx).to_lowercase();
    text_result(cx, &lower)
}
pub(super) fn upper(cx: &mut Native<'_>) -> NativeResult {
    let upper = text(cx).to_uppercase();
    text_result(cx, &upper)
}

/// OutOfMemory before the host's memory is used for what no string can be.
fn check_length(cx: &mut Native<'_>, what: &str, len: Option<usize>) -> Result<usize, Exit> {
    match len.filter(|&len| len <= MAX_LEN as usize) {
        Some(len) => Ok(len),
        None => Err(cx.throw("OutOfMemory", &format!("{what}: the string would be too long"))),
    }
}
pub(super) fn repeat(cx: &mut Native<'_>) -> NativeResult {
    let count = size_arg(cx, "`repeat`", 1)?;
    let width = text(cx).len();
    let len = check_length(cx, "`repeat`", width.checked_mul(count))?;
    let new = cx.alloc(ObjectKind::Str, len)?.object().expect("an object");
    let unit = text(cx).as_bytes();
    (0..len.checked_div(width).unwrap_or(0)).for_each(|i| new.copy_bytes(i * width, unit));
    Ok(Value::object(new))
}
pub(super) fn replace(cx: &mut Native<'_>) -> NativeResult {
    check_string(cx, "`replace`", 1)?;
    check_string(cx, "`replace`", 2)?;
    let (old, new) = (text_at(cx, 1), text_at(cx, 2));
    let count = text(cx).matches(old).count();
    let grown = count.checked_mul(new.len()).and_then(|n| n.checked_add(text(cx).len()));
    check_length(cx, "`replace`", grown)?;
    let result = text(cx).replace(text_at(cx, 1), text_at(cx, 2));
    text_result(cx, &result)
}

/// nil when it is no number.
pub(super) fn to_int(cx: &mut Native<'_>) -> NativeResult {
    match text(cx).parse() {
        Ok(i) => int_result(cx, i),
        Err(_) => Ok(Value::NIL),
    }
}
/// nil when it is no number.
pub(super) fn to_float(cx: &mut Native<'_>) -> NativeResult {
    match text(cx).parse() {
        Ok(f) => float_result(cx, f),
        Err(_) => Ok(Value::NIL),
    }
}
pub(super) fn to_list(cx: &mut Native<'_>) -> NativeResult {
    let count = text(cx).chars().count();
    let list = lists::new_list(cx, count)?;
    let list = object_at(cx, list);
    if let Some(store) = buffer(cx, list) {
        text(cx).chars().enumerate().for_each(|(i, c)| cx.init(store, i, Value::char(c)));
    }
    set_int_slot(cx, list, crate::object::slots::LEN, count);
    Ok(Value::object(list))
}
pub(super) fn bytes(cx: &mut Native<'_>) -> NativeResult {
    let len = text(cx).len();
    let bytes = cx.alloc(ObjectKind::Bytes, len)?.object().expect("an object");
    bytes.copy_bytes(0, text(cx).as_bytes());
    Ok(Value::object(bytes))
}
/// The display form of anything (`to_string`, `str`).
pub(super) fn to_string(cx: &mut Native<'_>) -> NativeResult {
    if cx.arg(0).of_kind(ObjectKind::Str).is_some() {
        return Ok(cx.arg(0).value());
    }
    if let Some(i) = int_of(cx.arg(0).value()) {
        return text_result(cx, decimal(i, &mut [0; DIGITS]));
    }
    let text = to_text(cx, 0, Style::Display)?;
    text_result(cx, &text)
}

// ---- chars ----

fn char_receiver(cx: &Native<'_>) -> char {
    char_of(cx.arg(0).value()).unwrap_or('\u{fffd}')
}
pub(super) fn code(cx: &mut Native<'_>) -> NativeResult {
    size_result(u32::from(char_receiver(cx)) as usize)
}
pub(super) fn is_digit(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(char_receiver(cx).is_ascii_digit()))
}
pub(super) fn is_alpha(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(char_receiver(cx).is_alphabetic()))
}
pub(super) fn is_space(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(char_receiver(cx).is_whitespace()))
}
/// `chr(i)`, `i.to_char()`: InvalidArgument when there is no such character.
pub(super) fn chr(cx: &mut Native<'_>) -> NativeResult {
    let code = int_arg(cx, "`chr`", 0)?;
    match u32::try_from(code).ok().and_then(char::from_u32) {
        Some(c) => Ok(Value::char(c)),
        None => Err(cx.throw("InvalidArgument", &format!("there is no character {code}"))),
    }
}
