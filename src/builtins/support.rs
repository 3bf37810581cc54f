//! Small helpers that all builtins share: arguments, numbers, errors.

use crate::class::ClassId;
use crate::host::{Exit, Local, Native, NativeResult, Root};
use crate::object::{Obj, ObjectKind, slots};
use crate::value::{Kind, Value};

use super::describe;
use super::items::Read;

/// A number, unboxed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// An int.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Number {
    /// As a float: what mixed arithmetic does.
    pub fn to_float(self) -> f64 {
        match self {
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        }
    }
}

/// The int of an inline or boxed int.
#[inline]
pub fn int_of(v: Value) -> Option<i64> {
    if v.is_int() {
        return Some(v.int_unchecked());
    }
    let o = v.as_object()?;
    (o.class() == ClassId::INT).then(|| o.raw_word(0) as i64)
}

/// The number of an inline or boxed int or float.
#[inline]
pub fn number_of(v: Value) -> Option<Number> {
    if v.is_int() {
        return Some(Number::Int(v.int_unchecked()));
    }
    if let Some(f) = v.as_float() {
        return Some(Number::Float(f));
    }
    let o = v.as_object()?;
    match o.class() {
        ClassId::INT => Some(Number::Int(o.raw_word(0) as i64)),
        ClassId::FLOAT => Some(Number::Float(f64::from_bits(o.raw_word(0)))),
        _ => None,
    }
}

/// The object of a root that is known to hold one (a receiver, a collection under construction).
pub(super) fn object_at(cx: &Native<'_>, root: Root) -> Obj {
    cx.get(root).object().expect("this root holds an object")
}

/// The receiver of a method: dispatch by class has proven its kind.
pub(super) fn receiver(cx: &Native<'_>) -> Obj {
    cx.arg(0).object().expect("methods are dispatched by the class of their receiver")
}

/// A slot that always holds a small int (lengths, positions).
pub(super) fn int_slot(cx: &impl Read, o: Obj, slot: usize) -> usize {
    cx.slot(o, slot).as_int().map_or(0, |i| i as usize)
}

/// Writes a slot that holds a small int.
pub(super) fn set_int_slot(cx: &Native<'_>, o: Obj, slot: usize, i: usize) {
    cx.store(o, slot, Value::small(i as i64));
}

/// The element store of a list, deque, map or set.
pub(super) fn buffer(cx: &impl Read, o: Obj) -> Option<Obj> {
    cx.slot(o, slots::BUFFER).as_object()
}

/// TypeMismatch: `what` needs something else than argument `i`.
pub(super) fn needs(cx: &mut Native<'_>, what: &str, needs: &str, i: usize) -> Exit {
    let found = describe(cx.world_ref(), cx.arg(i).value());
    cx.throw("TypeMismatch", &format!("{what} needs {needs}, not {found}"))
}

/// Argument `i` as an int, else TypeMismatch.
pub(super) fn int_arg(cx: &mut Native<'_>, what: &str, i: usize) -> Result<i64, Exit> {
    match int_of(cx.arg(i).value()) {
        Some(n) => Ok(n),
        None => Err(needs(cx, what, "an int", i)),
    }
}

/// Argument `i` as a number, else TypeMismatch.
pub(super) fn number_arg(cx: &mut Native<'_>, what: &str, i: usize) -> Result<Number, Exit> {
    match number_of(cx.arg(i).value()) {
        Some(n) => Ok(n),
        None => Err(needs(cx, what, "a number", i)),
    }
}

/// Argument `i` as an object of this kind, else TypeMismatch.
pub(super) fn kind_arg(
    cx: &mut Native<'_>,
    what: &str,
    i: usize,
    kind: ObjectKind,
    name: &str,
) -> Result<Obj, Exit> {
    match cx.arg(i).of_kind(kind) {
        Some(o) => Ok(o),
        None => Err(needs(cx, what, name, i)),
    }
}

/// A string argument: it is checked, and copied, since what follows allocates.
pub(super) fn string_arg(cx: &mut Native<'_>, what: &str, i: usize) -> Result<String, Exit> {
    match cx.text(cx.arg(i)) {
        Some(text) => Ok(text.to_owned()),
        None => Err(needs(cx, what, "a string", i)),
    }
}

/// Checks that argument `i` is a string.
pub(super) fn check_string(cx: &mut Native<'_>, what: &str, i: usize) -> Result<(), Exit> {
    kind_arg(cx, what, i, ObjectKind::Str, "a string").map(drop)
}

/// An index into something with `len` elements. `insert` allows `len` itself.
pub(super) fn index_arg(
    cx: &mut Native<'_>,
    what: &str,
    i: usize,
    len: usize,
) -> Result<usize, Exit> {
    let Some(index) = int_of(cx.arg(i).value()) else {
        return Err(needs(cx, what, "an int as its index", i));
    };
    match usize::try_from(index) {
        Ok(n) if n < len => Ok(n),
        _ => Err(out_of_range(cx, what, index, len)),
    }
}

/// IndexOutOfRange.
pub(super) fn out_of_range(cx: &mut Native<'_>, what: &str, index: i64, len: usize) -> Exit {
    let message = format!("{what}: index {index} is out of range, the length is {len}");
    cx.throw("IndexOutOfRange", &message)
}

/// Arguments `i` and `i + 1` as a part `a..b` of something with `len` elements.
pub(super) fn part_args(
    cx: &mut Native<'_>,
    what: &str,
    i: usize,
    len: usize,
) -> Result<(usize, usize), Exit> {
    let (a, b) = (int_arg(cx, what, i)?, int_arg(cx, what, i + 1)?);
    match (usize::try_from(a), usize::try_from(b)) {
        (Ok(from), Ok(to)) if from <= to && to <= len => Ok((from, to)),
        _ => {
            let message = format!("{what}: {a}..{b} is out of range, the length is {len}");
            Err(cx.throw("IndexOutOfRange", &message))
        }
    }
}

/// An argument that is a size: an int of at least 0, else InvalidArgument.
pub(super) fn size_arg(cx: &mut Native<'_>, what: &str, i: usize) -> Result<usize, Exit> {
    let n = int_arg(cx, what, i)?;
    usize::try_from(n)
        .map_err(|_| cx.throw("InvalidArgument", &format!("{what} needs at least 0, not {n}")))
}

/// The char of an immediate.
pub(super) fn char_of(v: Value) -> Option<char> {
    match v.kind() {
        Kind::Char(c) => Some(c),
        _ => None,
    }
}

/// An int as a result.
pub(super) fn int_result(cx: &mut Native<'_>, i: i64) -> NativeResult {
    cx.new_int(i).map(Local::value)
}

/// A float as a result.
pub(super) fn float_result(cx: &mut Native<'_>, f: f64) -> NativeResult {
    cx.new_float(f).map(Local::value)
}

/// A string as a result.
pub(super) fn text_result(cx: &mut Native<'_>, text: &str) -> NativeResult {
    cx.new_str(text).map(Local::value)
}

/// A length or position as a result.
pub(super) fn size_result(n: usize) -> NativeResult {
    Ok(Value::small(n as i64))
}

/// The keyword with this text.
pub(super) fn keyword(cx: &mut Native<'_>, text: &str) -> Value {
    Value::keyword(cx.world().program.names.intern(text))
}
