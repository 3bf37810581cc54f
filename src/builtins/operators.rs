//! The general form of every operator and constructor: what the interpreter does when a fast path
//! does not apply, and what the oracle always does. Arguments are the operands in order.

use std::cmp::Ordering;

use crate::class::ClassId;
use crate::host::{Exit, Native, NativeFn, NativeResult};
use crate::ir::{BinaryOp, UnaryOp};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::{Kind, Value};

use super::format::{self, Style};
use super::items::Items;
use super::ordering::partial_order;
use super::support::*;
use super::{describe, equality, hashed, lists, raw};

pub use super::iteration::{iter_done, iter_get, iter_next, iter_start};

/// The function of a binary operator.
pub fn binary(op: BinaryOp) -> NativeFn {
    match op {
        BinaryOp::Add => add,
        BinaryOp::Sub => sub,
        BinaryOp::Mul => mul,
        BinaryOp::Div => div,
        BinaryOp::Rem => rem,
        BinaryOp::BitAnd => bit_and,
        BinaryOp::BitOr => bit_or,
        BinaryOp::BitXor => bit_xor,
        BinaryOp::Shl => shl,
        BinaryOp::Shr => shr,
        BinaryOp::ShrLogical => shr_logical,
        BinaryOp::Eq => eq,
        BinaryOp::Ne => ne,
        BinaryOp::Lt => lt,
        BinaryOp::Le => le,
        BinaryOp::Gt => gt,
        BinaryOp::Ge => ge,
    }
}

/// The function of a unary operator.
pub fn unary(op: UnaryOp) -> NativeFn {
    match op {
        UnaryOp::Neg => neg,
        UnaryOp::Not => not,
        UnaryOp::BitNot => bit_not,
    }
}

// ---- arithmetic ----

/// TypeMismatch: the operator found these two.
fn mismatch(cx: &mut Native<'_>, what: &str) -> Exit {
    let world = cx.world_ref();
    let (a, b) = (describe(world, cx.arg(0).value()), describe(world, cx.arg(1).value()));
    cx.throw("TypeMismatch", &format!("{what}, not {a} and {b}"))
}

/// Overflow of `a op b`.
pub(super) fn overflow(cx: &mut Native<'_>, a: i64, op: &str, b: i64) -> Exit {
    cx.throw("Overflow", &format!("{a} {op} {b} does not fit 64 bits"))
}

/// `a op b` of two numbers: exact for two ints, in floats otherwise.
fn arithmetic(
    cx: &mut Native<'_>,
    op: &str,
    ints: fn(i64, i64) -> Option<i64>,
    floats: fn(f64, f64) -> f64,
) -> NativeResult {
    match (number_of(cx.arg(0).value()), number_of(cx.arg(1).value())) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => match ints(a, b) {
            Some(i) => int_result(cx, i),
            None if b == 0 => Err(cx.throw("DivisionByZero", &format!("{a} {op} 0"))),
            None => Err(overflow(cx, a, op, b)),
        },
        (Some(a), Some(b)) => float_result(cx, floats(a.to_float(), b.to_float())),
        _ => Err(mismatch(cx, &format!("`{op}` needs two numbers"))),
    }
}

/// `a + b`: numbers, or two strings.
pub fn add(cx: &mut Native<'_>) -> NativeResult {
    let strings = [0, 1].map(|i| cx.arg(i).of_kind(ObjectKind::Str).map(Obj::len));
    match strings {
        [Some(a), Some(b)] => {
            let sum = cx.alloc(ObjectKind::Str, a + b)?.object().expect("an object");
            for (i, at) in [(0, 0), (1, a)] {
                let text = cx.text(cx.arg(i)).expect("checked above");
                sum.copy_bytes(at, text.as_bytes());
            }
            Ok(Value::object(sum))
        }
        [None, None] => arithmetic(cx, "+", i64::checked_add, |a, b| a + b),
        _ => Err(mismatch(cx, "`+` needs two numbers or two strings")),
    }
}
/// `a - b`
pub fn sub(cx: &mut Native<'_>) -> NativeResult {
    arithmetic(cx, "-", i64::checked_sub, |a, b| a - b)
}
/// `a * b`
pub fn mul(cx: &mut Native<'_>) -> NativeResult {
    arithmetic(cx, "*", i64::checked_mul, |a, b| a * b)
}
/// `a / b`, truncating
pub fn div(cx: &mut Native<'_>) -> NativeResult {
    arithmetic(cx, "/", i64::checked_div, |a, b| a / b)
}
/// `a % b`, with the sign of `a`
pub fn rem(cx: &mut Native<'_>) -> NativeResult {
    // The smallest int % -1 is 0 and fits; `checked_rem` refuses it.
    let ints = |a: i64, b: i64| (b != 0).then(|| a.wrapping_rem(b));
    arithmetic(cx, "%", ints, |a, b| a % b)
}
/// `-a`
pub fn neg(cx: &mut Native<'_>) -> NativeResult {
    match number_arg(cx, "`-`", 0)? {
        Number::Int(i) => match i.checked_neg() {
            Some(i) => int_result(cx, i),
            None => Err(cx.throw("Overflow", &format!("-({i}) does not fit 64 bits"))),
        },
        Number::Float(f) => float_result(cx, -f),
    }
}
/// `!a`: by truth
pub fn not(cx: &mut Native<'_>) -> NativeResult {
    Ok(Value::bool(!cx.arg(0).value().truthy()))
}

// ---- bits ----

fn bits(cx: &mut Native<'_>, op: &str, f: fn(i64, i64) -> i64) -> NativeResult {
    match (int_of(cx.arg(0).value()), int_of(cx.arg(1).value())) {
        (Some(a), Some(b)) => int_result(cx, f(a, b)),
        _ => Err(mismatch(cx, &format!("`{op}` needs two ints"))),
    }
}
fn shift(cx: &mut Native<'_>, op: &str, f: fn(i64, u32) -> i64) -> NativeResult {
    match (int_of(cx.arg(0).value()), int_of(cx.arg(1).value())) {
        (Some(a), Some(b @ 0..64)) => int_result(cx, f(a, b as u32)),
        (Some(_), Some(b)) => {
            let message = format!("`{op}` shifts by 0 to 63 bits, not by {b}");
            Err(cx.throw("InvalidArgument", &message))
        }
        _ => Err(mismatch(cx, &format!("`{op}` needs two ints"))),
    }
}
/// `a & b`
pub fn bit_and(cx: &mut Native<'_>) -> NativeResult {
    bits(cx, "&", |a, b| a & b)
}
/// `a | b`
pub fn bit_or(cx: &mut Native<'_>) -> NativeResult {
    bits(cx, "|", |a, b| a | b)
}
/// `a ^ b`
pub fn bit_xor(cx: &mut Native<'_>) -> NativeResult {
    bits(cx, "^", |a, b| a ^ b)
}
/// `a << b`: bits beyond the 64th are dropped
pub fn shl(cx: &mut Native<'_>) -> NativeResult {
    shift(cx, "<<", |a, b| a << b)
}
/// `a >> b`, keeping the sign
pub fn shr(cx: &mut Native<'_>) -> NativeResult {
    shift(cx, ">>", |a, b| a >> b)
}
/// `a >>> b`, filling with zeros
pub fn shr_logical(cx: &mut Native<'_>) -> NativeResult {
    shift(cx, ">>>", |a, b| ((a as u64) >> b) as i64)
}
/// `~a`
pub fn bit_not(cx: &mut Native<'_>) -> NativeResult {
    let i = int_arg(cx, "`~`", 0)?;
    int_result(cx, !i)
}

// ---- comparison ----

/// `a == b`
pub fn eq(cx: &mut Native<'_>) -> NativeResult {
    let equal = equality::structural_eq(cx, cx.arg(0).value(), cx.arg(1).value());
    Ok(Value::bool(equal))
}
/// `a != b`
pub fn ne(cx: &mut Native<'_>) -> NativeResult {
    let equal = equality::structural_eq(cx, cx.arg(0).value(), cx.arg(1).value());
    Ok(Value::bool(!equal))
}
/// Pattern equality: never an error, values of other types just differ.
pub fn matches(cx: &mut Native<'_>) -> NativeResult {
    eq(cx)
}

fn ordered(cx: &mut Native<'_>, op: &str, test: fn(Ordering) -> bool) -> NativeResult {
    match partial_order(cx, cx.arg(0).value(), cx.arg(1).value()) {
        Ok(order) => Ok(Value::bool(order.is_some_and(test))),
        Err(pair) => Err(super::numbers::no_order(cx, &format!("`{op}`"), pair)),
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

// ---- elements ----

/// `object[index]`
pub fn index(cx: &mut Native<'_>) -> NativeResult {
    let Some(o) = cx.arg(0).object() else { return Err(not_indexed(cx)) };
    match o.class() {
        ClassId::LIST | ClassId::TUPLE | ClassId::DEQUE => {
            let items = Items::of(cx, o);
            let i = index_arg(cx, class_word(o), 1, items.len)?;
            Ok(items.get(cx, i))
        }
        ClassId::MAP => match hashed::find_arg(cx, o, 1)? {
            Some(entry) => Ok(hashed::value(cx, o, entry)),
            None => Err(hashed::key_not_found(cx, 1)),
        },
        ClassId::BYTES | ClassId::F64_ARRAY => raw::get(cx),
        _ => Err(not_indexed(cx)),
    }
}

fn class_word(o: Obj) -> &'static str {
    let class = ClassId::BUILTIN.iter().find(|(class, ..)| *class == o.class());
    class.map_or("record", |(_, name, _)| name)
}

#[cold]
fn not_indexed(cx: &mut Native<'_>) -> Exit {
    let found = describe(cx.world_ref(), cx.arg(0).value());
    let hint = if cx.arg(0).of_kind(ObjectKind::Str).is_some() {
        " (use byte(i), char_at(i) or slice(a, b))"
    } else {
        ""
    };
    cx.throw("TypeMismatch", &format!("{found} has no elements to index{hint}"))
}

/// `object[index] = value`; gives nil.
pub fn set_index(cx: &mut Native<'_>) -> NativeResult {
    let Some(o) = cx.arg(0).object() else { return Err(not_assigned(cx)) };
    match o.class() {
        ClassId::LIST | ClassId::DEQUE => {
            let items = Items::of(cx, o);
            let i = index_arg(cx, class_word(o), 1, items.len)?;
            let (store, at) = items.place(i);
            cx.store(store, at, cx.arg(2));
        }
        ClassId::MAP => {
            let (map, key, value) = (cx.arg_root(0), cx.arg_root(1), cx.arg_root(2));
            hashed::insert(cx, map, key, Some(value))?;
        }
        ClassId::BYTES | ClassId::F64_ARRAY => return raw::set(cx),
        _ => return Err(not_assigned(cx)),
    }
    Ok(Value::NIL)
}

#[cold]
fn not_assigned(cx: &mut Native<'_>) -> Exit {
    let found = describe(cx.world_ref(), cx.arg(0).value());
    cx.throw("TypeMismatch", &format!("elements of {found} cannot be assigned"))
}

/// (tuple or record, n): its n-th element or slot.
pub fn tuple_field(cx: &mut Native<'_>) -> NativeResult {
    let n = int_of(cx.arg(1).value()).unwrap_or(-1);
    match cx.arg(0).object() {
        Some(o) if o.class() == ClassId::TUPLE || o.class().is_record() => {
            match usize::try_from(n).ok().filter(|&n| n < o.len()) {
                Some(n) => Ok(cx.load(o, n).value()),
                None => Err(out_of_range(cx, "tuple", n, o.len())),
            }
        }
        _ => Err(needs(cx, &format!("`.{n}`"), "a tuple", 0)),
    }
}

/// (value, len) → is it a tuple of this length?
pub fn is_tuple(cx: &mut Native<'_>) -> NativeResult {
    let len = int_of(cx.arg(1).value());
    let tuple = cx.arg(0).of_kind(ObjectKind::Tuple);
    Ok(Value::bool(tuple.is_some_and(|t| Some(t.len() as i64) == len)))
}

/// (value, len, at_least) → is it a list of this length, or at least this length?
pub fn is_list(cx: &mut Native<'_>) -> NativeResult {
    let len = int_of(cx.arg(1).value()).unwrap_or(0);
    let at_least = cx.arg(2).value().truthy();
    let list = cx.arg(0).of_kind(ObjectKind::List);
    Ok(Value::bool(list.is_some_and(|list| {
        let have = Items::list(cx, list).len as i64;
        if at_least { have >= len } else { have == len }
    })))
}

/// (list, index, from_end) → the element, in a list pattern whose length was tested.
pub fn list_elem(cx: &mut Native<'_>) -> NativeResult {
    let list = kind_arg(cx, "a list pattern", 0, ObjectKind::List, "a list")?;
    let items = Items::list(cx, list);
    let i = int_arg(cx, "a list pattern", 1)?;
    let from_end = cx.arg(2).value().truthy();
    let at = if from_end { items.len as i64 - 1 - i } else { i };
    match usize::try_from(at).ok().filter(|&at| at < items.len) {
        Some(at) => Ok(items.get(cx, at)),
        // The list changed between the test and here (another task, a guard).
        None => Err(out_of_range(cx, "a list pattern", at, items.len)),
    }
}

/// (list, before, after) → a new list without that many elements at its ends: `..rest`.
pub fn list_rest(cx: &mut Native<'_>) -> NativeResult {
    let list = kind_arg(cx, "a list pattern", 0, ObjectKind::List, "a list")?;
    let len = Items::list(cx, list).len;
    let before = size_arg(cx, "a list pattern", 1)?.min(len);
    let after = size_arg(cx, "a list pattern", 2)?;
    let list = cx.arg_root(0);
    lists::part(cx, list, before, len.saturating_sub(after).max(before))
}

// ---- constructors ----

/// The tuple of the arguments.
pub fn make_tuple(cx: &mut Native<'_>) -> NativeResult {
    let count = cx.arg_count();
    let tuple = cx.alloc(ObjectKind::Tuple, count)?.object().expect("an object");
    (0..count).for_each(|i| cx.init(tuple, i, cx.arg(i)));
    Ok(Value::object(tuple))
}

/// The list of the arguments.
pub fn make_list(cx: &mut Native<'_>) -> NativeResult {
    let count = cx.arg_count();
    let list = lists::new_list(cx, count)?;
    let list = object_at(cx, list);
    if let Some(store) = buffer(cx, list) {
        (0..count).for_each(|i| cx.init(store, i, cx.arg(i)));
    }
    set_int_slot(cx, list, slots::LEN, count);
    Ok(Value::object(list))
}

/// The map of the arguments: key, value, key, … The last of equal keys wins, in the first place.
pub fn make_map(cx: &mut Native<'_>) -> NativeResult {
    let count = cx.arg_count();
    let map = hashed::new_table(cx, ObjectKind::Map, count / 2)?;
    for i in (0..count).step_by(2) {
        let (key, value) = (cx.arg_root(i), cx.arg_root(i + 1));
        hashed::insert(cx, map, key, Some(value))?;
    }
    Ok(cx.get(map).value())
}

/// The set of the arguments.
pub fn make_set(cx: &mut Native<'_>) -> NativeResult {
    let count = cx.arg_count();
    let set = hashed::new_table(cx, ObjectKind::Set, count)?;
    for i in 0..count {
        let key = cx.arg_root(i);
        hashed::insert(cx, set, key, None)?;
    }
    Ok(cx.get(set).value())
}

/// (start, end, inclusive) → a range of ints.
pub fn make_range(cx: &mut Native<'_>) -> NativeResult {
    super::tasks::check_range(cx)?;
    let range = cx.alloc(ObjectKind::Range, 3)?.object().expect("an object");
    cx.init(range, slots::START, cx.arg(0));
    cx.init(range, slots::END, cx.arg(1));
    cx.init(range, slots::INCLUSIVE, Value::bool(cx.arg(2).value().truthy()));
    Ok(Value::object(range))
}

/// Most texts fit in, so that the buffer does not grow piece by piece.
const CONCAT_BYTES: usize = 64;

/// The arguments' display forms, joined: string interpolation.
pub fn concat(cx: &mut Native<'_>) -> NativeResult {
    let mut text = String::with_capacity(CONCAT_BYTES);
    for i in 0..cx.arg_count() {
        format::write_arg(cx, i, Style::Display, &mut text)?;
    }
    text_result(cx, &text)
}

/// Appends to a list (long literals); gives nil.
pub fn list_push(cx: &mut Native<'_>) -> NativeResult {
    lists::push(cx)
}

/// Adds to a set (long literals); gives whether it is new.
pub fn set_add(cx: &mut Native<'_>) -> NativeResult {
    super::sets::add(cx)
}

// ---- records ----

/// Slot of a record's field; TypeMismatch when there is none.
fn field_slot(cx: &mut Native<'_>) -> Result<(Obj, usize), Exit> {
    let Kind::Keyword(name) = cx.arg(1).value().kind() else {
        return Err(needs(cx, "a field access", "a field name", 1));
    };
    if let Some(o) = cx.arg(0).object().filter(|o| o.class().is_record()) {
        let class = (o.class().0 - ClassId::FIRST_RECORD) as usize;
        let fields = cx.world_ref().program.classes.get(class).map(|c| &c.fields);
        let slot = fields.and_then(|f| f.iter().position(|&field| field == name));
        if let Some(slot) = slot.filter(|&slot| slot < o.len()) {
            return Ok((o, slot));
        }
    }
    let found = super::type_word(cx.world_ref(), cx.arg(0).value());
    let name = cx.name(name).to_owned();
    Err(cx.throw("TypeMismatch", &format!("no field `{name}` on {found}")))
}

/// (record, name as a keyword) → the field.
pub fn field(cx: &mut Native<'_>) -> NativeResult {
    let (o, slot) = field_slot(cx)?;
    Ok(cx.load(o, slot).value())
}

/// (record, name as a keyword, value): assigns the field; gives nil.
pub fn set_field(cx: &mut Native<'_>) -> NativeResult {
    let (o, slot) = field_slot(cx)?;
    cx.store(o, slot, cx.arg(2));
    Ok(Value::NIL)
}

/// (class number, base, slot, value, slot, value, …) → a copy of `base`, which must be of the
/// class, with these slots replaced.
pub fn update_record(cx: &mut Native<'_>) -> NativeResult {
    let class = int_of(cx.arg(0).value()).and_then(|c| u16::try_from(c).ok()).map(ClassId);
    let base = cx.arg(1).object().filter(|o| Some(o.class()) == class);
    let Some(base) = base else { return Err(wrong_base(cx, class)) };
    let len = base.len();
    let copy = cx.alloc_record(base.class(), len as u32)?.object().expect("an object");
    let base = cx.arg(1).object().expect("checked above");
    for slot in 0..len {
        let is_slot = |&i: &usize| int_of(cx.arg(i).value()) == Some(slot as i64);
        match (2..cx.arg_count()).step_by(2).find(is_slot) {
            Some(i) => cx.init(copy, slot, cx.arg(i + 1)),
            None => cx.init(copy, slot, cx.load(base, slot)),
        }
    }
    Ok(Value::object(copy))
}

#[cold]
fn wrong_base(cx: &mut Native<'_>, class: Option<ClassId>) -> Exit {
    let world = cx.world_ref();
    let wanted = class.map_or("record".to_owned(), |c| super::class_word(world, c));
    let found = describe(world, cx.arg(1).value());
    let message = format!("`..` of a {wanted} literal needs a {wanted}, not {found}");
    cx.throw("TypeMismatch", &message)
}
