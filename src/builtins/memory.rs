//! `gc`, `heap_stats`, `finalizer`, `weak`, `type_of`: the program's view of its memory.

use crate::class::{ClassId, RecordClass, RecordKind};
use crate::heap::{Cause, Usage};
use crate::host::{Native, NativeResult};
use crate::ir::Program;
use crate::object::{ObjectKind, slots};
use crate::requests::Request;
use crate::value::Value;

use super::support::*;
use super::{class_of, class_word};

/// `gc()`
pub(super) fn gc(cx: &mut Native<'_>) -> NativeResult {
    cx.collect(Cause::Explicit);
    Ok(Value::NIL)
}

/// A field and where its value comes from.
type Counter = (&'static str, fn(&Usage) -> u64);

/// Fields of the record that `heap_stats()` gives.
const STATS: [Counter; 6] = [
    ("collections", |u| u.collections),
    ("live_bytes", |u| u.live_bytes as u64),
    ("used_bytes", |u| u.used_bytes as u64),
    ("reserved_bytes", |u| u.reserved_bytes as u64),
    ("limit_bytes", |u| u.limit_bytes as u64),
    ("allocated_bytes", |u| u.allocated_bytes),
];

/// The class of `#{ collections, … }`: the prelude mentions it, so that the compiler has made it;
/// made here otherwise. `None` when there is no class number left.
fn stats_class(program: &mut Program) -> Option<ClassId> {
    let fields: Vec<_> = STATS.iter().map(|(name, _)| program.names.intern(name)).collect();
    let same = |c: &RecordClass| c.kind == RecordKind::Dynamic && c.fields == fields;
    let at = program.classes.iter().position(same).unwrap_or_else(|| {
        let name = program.names.intern("#");
        program.classes.push(RecordClass { name, kind: RecordKind::Dynamic, fields });
        program.classes.len() - 1
    });
    let number = u16::try_from(at).ok()?.checked_add(ClassId::FIRST_RECORD)?;
    (number <= ClassId::MAX).then_some(ClassId(number))
}

/// `heap_stats()`
pub(super) fn heap_stats(cx: &mut Native<'_>) -> NativeResult {
    let usage = cx.usage();
    let Some(class) = stats_class(&mut cx.world().program) else {
        return Err(cx.throw("OutOfMemory", "there are too many record classes"));
    };
    let record = cx.alloc_record(class, STATS.len() as u32)?.object().expect("an object");
    for (slot, (_, counter)) in STATS.iter().enumerate() {
        let clamped = counter(&usage).min(Value::INT_MAX as u64);
        cx.init(record, slot, Value::small(clamped as i64));
    }
    Ok(Value::object(record))
}

/// `finalizer(x, f)`: calls `f(x)` once, after nothing else reaches `x`.
pub(super) fn finalizer(cx: &mut Native<'_>) -> NativeResult {
    if cx.arg(0).object().is_none() {
        return Err(needs(cx, "`finalizer`", "an object on the heap", 0));
    }
    let function = kind_arg(cx, "`finalizer`", 1, ObjectKind::Closure, "a function")?;
    let params = super::conses::params(cx, function);
    if params != 1 {
        let message = format!("a finalizer takes 1 argument, not {params}");
        return Err(cx.throw("ArityMismatch", &message));
    }
    let (object, function) = (cx.arg_root(0), cx.arg_root(1));
    cx.add_finalizer(object, function);
    Ok(Value::NIL)
}

/// `weak(x)`: immediates are held as they are.
pub(super) fn weak(cx: &mut Native<'_>) -> NativeResult {
    let weak = cx.alloc(ObjectKind::Weak, 1)?.object().expect("an object");
    let target = cx.arg(0).value();
    if target.is_object() {
        cx.init_weak(weak, target);
    } else {
        cx.init(weak, slots::TARGET, target);
    }
    Ok(Value::object(weak))
}
/// `w.get()`: the value, or nil when it is gone.
pub(super) fn weak_get(cx: &mut Native<'_>) -> NativeResult {
    Ok(cx.load_weak(receiver(cx), slots::TARGET).value())
}

/// `type_of(v)`
pub(super) fn type_of(cx: &mut Native<'_>) -> NativeResult {
    let class = class_of(cx.arg(0).value());
    let record = class.0.checked_sub(ClassId::FIRST_RECORD);
    let record = record.and_then(|i| cx.world_ref().program.classes.get(i as usize));
    Ok(match record.map(|c| (&c.kind, c.name)) {
        Some((RecordKind::Variant { of }, _)) => Value::keyword(*of),
        Some((RecordKind::Struct, name)) => Value::keyword(name),
        _ => {
            let word = class_word(cx.world_ref(), class);
            keyword(cx, &word)
        }
    })
}

/// `assert(cond[, message])`
pub(super) fn assert(cx: &mut Native<'_>) -> NativeResult {
    if cx.arg(0).value().truthy() {
        return Ok(Value::NIL);
    }
    let message = match cx.arg_count() {
        1 => "assertion failed".to_owned(),
        _ => super::format::to_text(cx, 1, super::Style::Display)?,
    };
    Err(cx.throw("AssertionFailed", &message))
}
/// `panic(message)`
pub(super) fn panic(cx: &mut Native<'_>) -> NativeResult {
    let message = super::format::to_text(cx, 0, super::Style::Display)?;
    Err(cx.throw("Panic", &message))
}

/// `note_request(intended_ns, start_ns)`, `note_request(intended_ns, start_ns, deadline_ns)`: one
/// that was to arrive, was begun, had to be answered at these times of the clock; it ends now.
pub(super) fn note_request(cx: &mut Native<'_>) -> NativeResult {
    let mut times = [0; 3];
    for (i, time) in times.iter_mut().enumerate().take(cx.arg_count()) {
        let given = int_arg(cx, "`note_request`", i)?;
        let Ok(ns) = u64::try_from(given) else {
            let message = format!("`note_request` needs times from 0 on, not {given}");
            return Err(cx.throw("InvalidArgument", &message));
        };
        *time = ns;
    }
    let [intended_ns, start_ns, deadline_ns] = times;
    let deadline_ns = (cx.arg_count() == 3).then_some(deadline_ns);
    let world = cx.world_ref();
    let end_ns = world.now_ns();
    world.requests.note(Request { intended_ns, start_ns, end_ns, deadline_ns });
    Ok(Value::NIL)
}

/// `clock_ns()`
pub(super) fn clock_ns(cx: &mut Native<'_>) -> NativeResult {
    let now = cx.world_ref().now_ns();
    int_result(cx, i64::try_from(now).unwrap_or(i64::MAX))
}
