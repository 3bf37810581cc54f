//! The operators' general cases: what the interpreter's fast paths leave, and all that the oracle
//! has. Each takes its operands as arguments.

use std::cmp::Ordering;

use super::compare::{self, Numbers, number_order};
use super::{Number, as_float, as_int, as_number, index_arg, mismatch, type_text, with_article};
use super::{deques, format, lists, maps, raw};
use crate::host::{Exit, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::{Kind, Value};

pub use super::lists::{make_list, push as list_push};
pub use super::maps::{add as set_add, make_map, make_set};

// ---- arithmetic ----

fn operands(cx: &Native<'_>) -> Option<(Number, Number)> {
    Some((as_number(cx.arg(0).value())?, as_number(cx.arg(1).value())?))
}
fn bad_operands(cx: &mut Native<'_>, op: &str) -> Exit {
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    let world = cx.world_ref();
    let (a, b) = (with_article(&type_text(world, a)), with_article(&type_text(world, b)));
    cx.throw("TypeMismatch", &format!("`{op}` cannot take {a} and {b}"))
}
fn overflow(cx: &mut Native<'_>, op: &str) -> Exit {
    cx.throw("Overflow", &format!("the result of `{op}` needs more than 64 bits"))
}

fn arithmetic(
    cx: &mut Native<'_>,
    op: &str,
    ints: fn(i64, i64) -> Option<i64>,
    floats: fn(f64, f64) -> f64,
) -> NativeResult {
    match operands(cx) {
        Some((Number::Int(i), Number::Int(j))) => match ints(i, j) {
            Some(i) => Ok(cx.new_int(i)?.value()),
            None => Err(overflow(cx, op)),
        },
        Some((x, y)) => Ok(cx.new_float(floats(x.to_f64(), y.to_f64()))?.value()),
        None => Err(bad_operands(cx, op)),
    }
}

/// `a + b`: numbers, or two strings.
pub fn add(cx: &mut Native<'_>) -> NativeResult {
    if let (Some(a), Some(b)) = (cx.text(cx.arg(0)), cx.text(cx.arg(1))) {
        let joined = [a, b].concat();
        return Ok(cx.new_str(&joined)?.value());
    }
    arithmetic(cx, "+", i64::checked_add, |x, y| x + y)
}
/// `a - b`
pub fn sub(cx: &mut Native<'_>) -> NativeResult {
    arithmetic(cx, "-", i64::checked_sub, |x, y| x - y)
}
/// `a * b`
pub fn mul(cx: &mut Native<'_>) -> NativeResult {
    arithmetic(cx, "*", i64::checked_mul, |x, y| x * y)
}
fn check_divisor(cx: &mut Native<'_>, op: &str) -> Result<(), Exit> {
    match operands(cx) {
        Some((Number::Int(_), Number::Int(0))) => {
            Err(cx.throw("DivisionByZero", &format!("`{op}` by zero")))
        }
        _ => Ok(()),
    }
}
/// `a / b`; ints truncate.
pub fn div(cx: &mut Native<'_>) -> NativeResult {
    check_divisor(cx, "/")?;
    arithmetic(cx, "/", i64::checked_div, |x, y| x / y)
}
/// `a % b`, with the sign of `a`.
pub fn rem(cx: &mut Native<'_>) -> NativeResult {
    check_divisor(cx, "%")?;
    arithmetic(cx, "%", |i, j| Some(i.wrapping_rem(j)), |x, y| x % y)
}

fn bits(cx: &mut Native<'_>, op: &str, f: fn(i64, i64) -> i64) -> NativeResult {
    match (as_int(cx.arg(0).value()), as_int(cx.arg(1).value())) {
        (Some(i), Some(j)) => Ok(cx.new_int(f(i, j))?.value()),
        _ => Err(bad_operands(cx, op)),
    }
}
/// `a & b`
pub fn bit_and(cx: &mut Native<'_>) -> NativeResult {
    bits(cx, "&", |i, j| i & j)
}
/// `a | b`
pub fn bit_or(cx: &mut Native<'_>) -> NativeResult {
    bits(cx, "|", |i, j| i | j)
}
/// `a ^ b`
pub fn bit_xor(cx: &mut Native<'_>) -> NativeResult {
    bits(cx, "^", |i, j| i ^ j)
}
fn shift(cx: &mut Native<'_>, op: &str, f: fn(i64, u32) -> i64) -> NativeResult {
    if let (Some(_), Some(j)) = (as_int(cx.arg(0).value()), as_int(cx.arg(1).value()))
        && !(0..64).contains(&j)
    {
        return Err(cx.throw("InvalidArgument", &format!("`{op}` by {j}: must be 0 to 63")));
    }
    match (as_int(cx.arg(0).value()), as_int(cx.arg(1).value())) {
        (Some(i), Some(j)) => Ok(cx.new_int(f(i, j as u32))?.value()),
        _ => Err(bad_operands(cx, op)),
    }
}
/// `a << b`: bits beyond 64 are dropped.
pub fn shl(cx: &mut Native<'_>) -> NativeResult {
    shift(cx, "<<", |i, j| i << j)
}
/// `a >> b`: keeps the sign.
pub fn shr(cx: &mut Native<'_>) -> NativeResult {
    shift(cx, ">>", |i, j| i >> j)
}
/// `a >>> b`: fills with zeros.
pub fn shr_logical(cx: &mut Native<'_>) -> NativeResult {
    shift(cx, ">>>", |i, j| (i as u64 >> j) as i64)
}
/// `-a`
pub fn neg(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    match as_number(v) {
        Some(Number::Int(i)) => match i.checked_neg() {
            Some(i) => Ok(cx.new_int(i)?.value()),
            None => Err(overflow(cx, "-")),
        },
        Some(Number::Float(f)) => Ok(cx.new_float(-f)?.value()),
        None => Err(mismatch(cx, "`-` needs a number", v)),
    }
}
/// `~a`
pub fn bit_not(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    match as_int(v) {
        Some(i) => Ok(cx.new_int(!i)?.value()),
        None => Err(mismatch(cx, "`~` needs an int", v)),
    }
}
/// `!a`, by truth.
pub fn not(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(!cx.arg(0).value().truthy()))
}

// ---- comparison ----

/// `a == b`
pub fn eq(cx: &mut Native<'_>) -> NativeResult {
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    Ok(Value::bool(compare::equal(cx, a, b, Numbers::ByValue)))
}
/// `a != b`
pub fn ne(cx: &mut Native<'_>) -> NativeResult {
    eq(cx).map(|v| Value::bool(!v.truthy()))
}
/// A pattern's literal: as `==`.
pub fn matches(cx: &mut Native<'_>) -> NativeResult {
    eq(cx)
}
fn ordered(cx: &mut Native<'_>, op: &str, want: fn(Ordering) -> bool) -> NativeResult {
    if let Some((x, y)) = operands(cx) {
        return Ok(Value::bool(number_order(x, y).is_some_and(want)));
    }
    let (a, b) = (cx.arg(0).value(), cx.arg(1).value());
    match compare::order(cx, a, b) {
        Ok(order) => Ok(Value::bool(want(order))),
        Err(_) => Err(bad_operands(cx, op)),
    }
}
/// `a < b`
pub fn lt(cx: &mut Native<'_>) -> NativeResult {
    ordered(cx, "<", Ordering::is_lt)
}
/// `a <= b`
pub fn le(cx: &mut Native<'_>) -> NativeResult {
    ordered(cx, "<=", Ordering::is_le)
}
/// `a > b`
pub fn gt(cx: &mut Native<'_>) -> NativeResult {
    ordered(cx, ">", Ordering::is_gt)
}
/// `a >= b`
pub fn ge(cx: &mut Native<'_>) -> NativeResult {
    ordered(cx, ">=", Ordering::is_ge)
}

// ---- indexing ----

/// Element `i` of a list or deque, which has it.
pub(super) fn element(cx: &Native<'_>, o: Obj, i: usize) -> Value {
    let Some(buffer) = cx.load(o, slots::BUFFER).object() else { return Value::NIL };
    let at = if o.kind() == ObjectKind::Deque { deques::place(cx, o, i) } else { i };
    // A racy program may have shrunk the buffer meanwhile.
    if at < buffer.len() { cx.load(buffer, at).value() } else { Value::NIL }
}

/// `a[i]`
pub fn index(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    let Some(o) = v.as_object() else { return Err(mismatch(cx, "`[]` needs a collection", v)) };
    match o.kind() {
        ObjectKind::List | ObjectKind::Deque => {
            let i = index_arg(cx, 1, lists::len(cx, o))?;
            Ok(element(cx, o, i))
        }
        ObjectKind::Tuple => {
            let i = index_arg(cx, 1, o.len())?;
            Ok(cx.load(o, i).value())
        }
        ObjectKind::Map => maps::index(cx),
        ObjectKind::Bytes | ObjectKind::F64Array => raw::index(cx),
        _ => Err(mismatch(cx, "`[]` needs a collection", v)),
    }
}
/// `a[i] = v`
pub fn set_index(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    let needs = "`[] =` needs a list, deque, map, bytes or f64array";
    let Some(o) = v.as_object() else { return Err(mismatch(cx, needs, v)) };
    match o.kind() {
        ObjectKind::List | ObjectKind::Deque => {
            let i = index_arg(cx, 1, lists::len(cx, o))?;
            let buffer = cx.load(o, slots::BUFFER).object();
            let at = if o.kind() == ObjectKind::Deque { deques::place(cx, o, i) } else { i };
            if let Some(buffer) = buffer.filter(|b| at < b.len()) {
                cx.store(buffer, at, cx.arg(2));
            }
            Ok(Value::NIL)
        }
        ObjectKind::Map => maps::set(cx),
        ObjectKind::Bytes | ObjectKind::F64Array => raw::set_index(cx),
        _ => Err(mismatch(cx, needs, v)),
    }
}
/// `t.0`
pub fn tuple_field(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    let Some(o) = cx.arg(0).of_kind(ObjectKind::Tuple) else {
        return Err(mismatch(cx, "`.` with a number needs a tuple", v));
    };
    let i = index_arg(cx, 1, o.len())?;
    Ok(cx.load(o, i).value())
}
/// `len(v)`: elements; bytes of a string.
pub fn len(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    let len = match v.kind() {
        Kind::Nil => Some(0),
        Kind::Object(o) => length_of(cx, o),
        _ => None,
    };
    match len {
        Some(len) => Ok(Value::small(len)),
        None => Err(mismatch(cx, "`len` needs a string or a collection", v)),
    }
}
fn length_of(cx: &Native<'_>, o: Obj) -> Option<i64> {
    match o.kind() {
        ObjectKind::Str | ObjectKind::Bytes | ObjectKind::Tuple => Some(o.len() as i64),
        ObjectKind::F64Array => Some(o.len() as i64 / 8),
        ObjectKind::List | ObjectKind::Deque | ObjectKind::Map | ObjectKind::Set => {
            Some(lists::len(cx, o) as i64)
        }
        ObjectKind::Range => Some(range(cx, o).map_or(0, |(start, last)| {
            i64::try_from(i128::from(last) - i128::from(start) + 1).unwrap_or(i64::MAX >> 3)
        })),
        ObjectKind::Cons => {
            let mut count = 0;
            let mut at = Some(o);
            while let Some(cell) = at {
                count += 1;
                at = cx.load(cell, slots::TAIL).of_kind(ObjectKind::Cons);
            }
            Some(count)
        }
        _ => None,
    }
}
/// `v.is_empty()`
pub fn is_empty(cx: &mut Native<'_>) -> NativeResult {
    len(cx).map(|n| Value::bool(n == Value::small(0)))
}

// ---- constructors ----

/// The tuple of the arguments.
pub fn make_tuple(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.alloc(ObjectKind::Tuple, cx.arg_count())?.object().expect("a tuple");
    (0..cx.arg_count()).for_each(|i| cx.init(o, i, cx.arg(i)));
    Ok(Value::object(o))
}
/// (start, end, inclusive) as a range value.
pub fn make_range(cx: &mut Native<'_>) -> NativeResult {
    for i in 0..2 {
        super::int_arg(cx, i, "a range's bound")?;
    }
    let o = cx.alloc(ObjectKind::Range, 3)?.object().expect("a range");
    (0..3).for_each(|i| cx.init(o, i, cx.arg(i)));
    Ok(Value::object(o))
}
/// Both bounds of a `for` over a range must be ints.
pub fn check_range(cx: &mut Native<'_>) -> NativeResult {
    for i in 0..2 {
        super::int_arg(cx, i, "a range's bound")?;
    }
    Ok(Value::NIL)
}
/// First and last element of a range; `None` when it is empty.
pub(super) fn range(cx: &Native<'_>, o: Obj) -> Option<(i64, i64)> {
    let start = as_int(cx.load(o, slots::START).value())?;
    let end = as_int(cx.load(o, slots::END).value())?;
    let inclusive = cx.load(o, slots::INCLUSIVE).value().truthy();
    let last = if inclusive { end } else { end.checked_sub(1)? };
    (start <= last).then_some((start, last))
}
/// `r.contains(x)`
pub fn range_contains(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.arg(0).object().expect("dispatched by class");
    let inside = match (range(cx, o), as_int(cx.arg(1).value())) {
        (Some((start, last)), Some(x)) => start <= x && x <= last,
        _ => false,
    };
    Ok(Value::bool(inside))
}
/// The display forms of the arguments, joined.
pub fn concat(cx: &mut Native<'_>) -> NativeResult {
    let mut text = String::new();
    for i in 0..cx.arg_count() {
        format::display_into(cx, cx.arg(i).value(), &mut text);
    }
    Ok(cx.new_str(&text)?.value())
}

// ---- patterns ----

/// (list, index, from the end?) → the element, which a test has found to exist.
pub fn list_elem(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.arg(0).object().expect("tested to be a list");
    let len = lists::len(cx, o);
    let i = index_arg(cx, 1, len)?;
    Ok(element(cx, o, if cx.arg(2).value().truthy() { len - 1 - i } else { i }))
}
/// (list, before, after) → a new list without the first `before` and last `after` elements.
pub fn list_rest(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.arg(0).object().expect("tested to be a list");
    let len = lists::len(cx, o);
    let before = super::int_arg(cx, 1, "a count")? as usize;
    let after = super::int_arg(cx, 2, "a count")? as usize;
    lists::copy_range(cx, before.min(len), len.saturating_sub(after))
}

// ---- iteration ----
//
// Positions: an int for everything that is indexed (entry numbers of maps and sets, byte offsets of
// strings), the int itself for ranges, the rest of the list for cons lists.

/// The position before the first element.
pub fn iter_start(cx: &mut Native<'_>) -> NativeResult {
    iter_start_of(cx, cx.arg_root(0))
}
pub(super) fn iter_start_of(cx: &mut Native<'_>, source: Root) -> NativeResult {
    let v = cx.get(source).value();
    let o = match v.kind() {
        Kind::Nil => return Ok(Value::NIL),
        Kind::Object(o) => o,
        _ => return Err(mismatch(cx, "`for` needs something to iterate over", v)),
    };
    match o.kind() {
        ObjectKind::List
        | ObjectKind::Deque
        | ObjectKind::Tuple
        | ObjectKind::Str
        | ObjectKind::Bytes
        | ObjectKind::F64Array => Ok(Value::small(0)),
        ObjectKind::Map | ObjectKind::Set => Ok(Value::small(maps::next_entry(cx, o, 0) as i64)),
        // An empty range starts beyond everything.
        ObjectKind::Range => match range(cx, o) {
            Some((start, _)) => Ok(cx.new_int(start)?.value()),
            None => Ok(Value::NIL),
        },
        ObjectKind::Cons => Ok(v),
        _ => Err(mismatch(cx, "`for` needs something to iterate over", v)),
    }
}
/// (source, position) → is there no element here?
pub fn iter_done(cx: &mut Native<'_>) -> NativeResult {
    iter_done_of(cx, cx.arg_root(0), cx.arg_root(1))
}
pub(super) fn iter_done_of(cx: &mut Native<'_>, source: Root, at: Root) -> NativeResult {
    let at_value = cx.get(at).value();
    let Some(o) = cx.get(source).object() else { return Ok(Value::TRUE) };
    let i = at_value.as_int().unwrap_or(i64::MAX);
    let done = match o.kind() {
        ObjectKind::Cons | ObjectKind::Range => at_value == Value::NIL,
        ObjectKind::Map | ObjectKind::Set => i >= maps::used(cx, o) as i64,
        _ => i >= length_of(cx, o).unwrap_or(0),
    };
    Ok(Value::bool(done))
}
/// (source, position) → the element.
pub fn iter_get(cx: &mut Native<'_>) -> NativeResult {
    iter_get_of(cx, cx.arg_root(0), cx.arg_root(1))
}
pub(super) fn iter_get_of(cx: &mut Native<'_>, source: Root, at: Root) -> NativeResult {
    let at_value = cx.get(at).value();
    let Some(o) = cx.get(source).object() else { return Ok(Value::NIL) };
    let i = at_value.as_int().and_then(|i| usize::try_from(i).ok()).unwrap_or(0);
    match o.kind() {
        ObjectKind::Range => Ok(at_value),
        ObjectKind::Cons => {
            let cell = at_value.as_object().expect("a position in a cons list");
            Ok(cx.load(cell, slots::HEAD).value())
        }
        ObjectKind::List | ObjectKind::Deque => Ok(element(cx, o, i)),
        ObjectKind::Tuple => Ok(cx.load(o, i).value()),
        ObjectKind::Map => maps::entry_tuple(cx, source, i),
        ObjectKind::Set => Ok(maps::key_at(cx, o, i)),
        ObjectKind::Str => {
            let text = cx.text(cx.get(source)).expect("a string");
            let c = text.get(i..).and_then(|rest| rest.chars().next());
            Ok(c.map_or(Value::NIL, Value::char))
        }
        _ => raw::element(cx, o, i),
    }
}
/// (source, position) → the next position.
pub fn iter_next(cx: &mut Native<'_>) -> NativeResult {
    iter_next_of(cx, cx.arg_root(0), cx.arg_root(1))
}
pub(super) fn iter_next_of(cx: &mut Native<'_>, source: Root, at: Root) -> NativeResult {
    let at_value = cx.get(at).value();
    let Some(o) = cx.get(source).object() else { return Ok(Value::NIL) };
    match o.kind() {
        ObjectKind::Cons => {
            let cell = at_value.as_object().expect("a position in a cons list");
            let rest = cx.load(cell, slots::TAIL);
            Ok(rest.of_kind(ObjectKind::Cons).map_or(Value::NIL, Value::object))
        }
        ObjectKind::Range => {
            let (_, last) = range(cx, o).expect("it had an element");
            let i = as_int(at_value).expect("a position in a range");
            if i == last { Ok(Value::NIL) } else { Ok(cx.new_int(i + 1)?.value()) }
        }
        ObjectKind::Map | ObjectKind::Set => {
            let i = at_value.as_int().expect("a position in a map") as usize;
            Ok(Value::small(maps::next_entry(cx, o, i + 1) as i64))
        }
        ObjectKind::Str => {
            let i = at_value.as_int().expect("a position in a string") as usize;
            let text = cx.text(cx.get(source)).expect("a string");
            let c = text.get(i..).and_then(|rest| rest.chars().next());
            Ok(Value::small((i + c.map_or(1, char::len_utf8)) as i64))
        }
        _ => Ok(Value::small(at_value.as_int().expect("an index") + 1)),
    }
}

/// A float argument, ints converted.
pub(super) fn float_arg(cx: &mut Native<'_>, i: usize, what: &str) -> Result<f64, Exit> {
    let v = cx.arg(i).value();
    match as_float(v).or_else(|| as_int(v).map(|i| i as f64)) {
        Some(f) => Ok(f),
        None => Err(mismatch(cx, &format!("{what} must be a number"), v)),
    }
}
