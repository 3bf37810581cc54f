//! Set methods; the table is in `hashed`, what sets share with maps in `maps`.

use crate::host::{Exit, Native, NativeResult, Root};
use crate::object::ObjectKind;
use crate::value::Value;

use super::hashed;
use super::support::*;

/// `true` when the element is new.
pub(super) fn add(cx: &mut Native<'_>) -> NativeResult {
    let (set, v) = (cx.arg_root(0), cx.arg_root(1));
    hashed::insert(cx, set, v, None).map(Value::bool)
}
/// `true` when the element was there.
pub(super) fn remove(cx: &mut Native<'_>) -> NativeResult {
    let set = receiver(cx);
    let entry = hashed::find_arg(cx, set, 1)?;
    if let Some(entry) = entry {
        hashed::remove(cx, set, entry);
    }
    Ok(Value::bool(entry.is_some()))
}

/// Adds the elements of set argument `from` to `into`: those that are in the other argument, or
/// are not, or all.
fn add_all(
    cx: &mut Native<'_>,
    into: Root,
    from: usize,
    in_other: Option<(usize, bool)>,
) -> Result<(), Exit> {
    let element = cx.root(Value::NIL);
    let mut at = 0;
    loop {
        let set = cx.arg(from).object().expect("checked by the caller");
        let Some(entry) = hashed::live(cx, set, at) else { return Ok(()) };
        at = entry + 1;
        let v = hashed::key(cx, set, entry);
        let wanted = in_other.is_none_or(|(i, want)| {
            let other = cx.arg(i).object().expect("checked by the caller");
            hashed::find(cx, other, v).is_some() == want
        });
        if wanted {
            cx.set(element, v);
            hashed::insert(cx, into, element, None)?;
        }
    }
}
fn check_other(cx: &mut Native<'_>, what: &str) -> Result<(), Exit> {
    kind_arg(cx, what, 1, ObjectKind::Set, "a set").map(drop)
}
fn selection(cx: &mut Native<'_>, want: bool) -> NativeResult {
    let new = hashed::new_table(cx, ObjectKind::Set, 0)?;
    add_all(cx, new, 0, Some((1, want)))?;
    Ok(cx.get(new).value())
}

pub(super) fn union(cx: &mut Native<'_>) -> NativeResult {
    check_other(cx, "`union`")?;
    let set = cx.arg_root(0);
    let new = hashed::copy(cx, set)?;
    add_all(cx, new, 1, None)?;
    Ok(cx.get(new).value())
}
pub(super) fn intersection(cx: &mut Native<'_>) -> NativeResult {
    check_other(cx, "`intersection`")?;
    selection(cx, true)
}
pub(super) fn difference(cx: &mut Native<'_>) -> NativeResult {
    check_other(cx, "`difference`")?;
    selection(cx, false)
}
