//! `list.sort()`: stable, by `compare`, all or nothing.
//!
//! Nothing in it is a safepoint, so the elements are sorted in the host's memory. Lists of ints and
//! of strings, the usual ones, take a shortcut; the rest is a merge sort whose comparison may fail.

use std::cmp::Ordering;

use crate::class::ClassId;
use crate::host::{Native, NativeResult};
use crate::value::Value;

use super::class_of;
use super::items::Items;
use super::ordering::{NoOrder, compare};
use super::support::{int_of, receiver};

pub(super) fn sort(cx: &mut Native<'_>) -> NativeResult {
    let items = Items::list(cx, receiver(cx));
    let mut values: Vec<Value> = items.iter(cx).collect();
    match sort_values(cx, &mut values) {
        Ok(()) => {
            for (i, v) in values.into_iter().enumerate() {
                let (store, at) = items.place(i);
                cx.store(store, at, v);
            }
            Ok(Value::NIL)
        }
        Err(pair) => Err(super::numbers::no_order(cx, "`sort`", pair)),
    }
}

fn sort_values(cx: &Native<'_>, values: &mut [Value]) -> Result<(), NoOrder> {
    if values.iter().all(|v| v.is_int()) {
        values.sort_by_key(|v| v.int_unchecked());
    } else if values.iter().all(|&v| int_of(v).is_some()) {
        values.sort_by_key(|&v| int_of(v));
    } else if values.iter().all(|&v| class_of(v) == ClassId::STRING) {
        let text = |v: &Value| cx.text_of(v.as_object().expect("a string"));
        values.sort_by(|a, b| text(a).cmp(text(b)));
    } else {
        // One element has an order with itself, or none at all: `[nil].sort()` fails too.
        if let [single] = values {
            compare(cx, *single, *single)?;
        }
        merge_sort(values, &mut |a, b| compare(cx, a, b))?;
    }
    Ok(())
}

/// Runs of this length are sorted by insertion.
const RUN: usize = 8;

/// Bottom-up merge sort with a comparison that may fail (the standard library's may not).
fn merge_sort<E>(
    values: &mut [Value],
    compare: &mut impl FnMut(Value, Value) -> Result<Ordering, E>,
) -> Result<(), E> {
    for run in values.chunks_mut(RUN) {
        for i in 1..run.len() {
            let mut at = i;
            while at > 0 && compare(run[at - 1], run[at])?.is_gt() {
                run.swap(at - 1, at);
                at -= 1;
            }
        }
    }
    let mut from = values.to_vec();
    let mut to = from.clone();
    let mut width = RUN;
    while width < values.len() {
        for (a, b) in from.chunks(2 * width).zip(to.chunks_mut(2 * width)) {
            let (left, right) = a.split_at(width.min(a.len()));
            merge(left, right, b, compare)?;
        }
        std::mem::swap(&mut from, &mut to);
        width *= 2;
    }
    values.copy_from_slice(&from);
    Ok(())
}

fn merge<'v, E>(
    mut left: &'v [Value],
    mut right: &'v [Value],
    to: &mut [Value],
    compare: &mut impl FnMut(Value, Value) -> Result<Ordering, E>,
) -> Result<(), E> {
    for place in to {
        let take_right = match (left, right) {
            ([], _) => true,
            (_, []) => false,
            ([a, ..], [b, ..]) => compare(*a, *b)?.is_gt(),
        };
        let side = if take_right { &mut right } else { &mut left };
        *place = side[0];
        *side = &side[1..];
    }
    Ok(())
}
