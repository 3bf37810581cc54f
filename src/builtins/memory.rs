//! `gc`, `heap_stats`, weak references, finalizers.

use super::mismatch;
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::heap::Cause;
use crate::host::{Native, NativeResult};
use crate::object::{ObjectKind, slots};
use crate::value::Value;

/// `gc()`: collects now.
pub(super) fn gc(cx: &mut Native<'_>) -> NativeResult {
    cx.collect(Cause::Explicit);
    Ok(Value::NIL)
}
/// `heap_stats()`: a record of the heap's counters.
pub(super) fn heap_stats(cx: &mut Native<'_>) -> NativeResult {
    let usage = cx.usage();
    let fields = [
        ("collections", usage.collections as i64),
        ("live_bytes", usage.live_bytes as i64),
        ("used_bytes", usage.used_bytes as i64),
        ("reserved_bytes", usage.reserved_bytes as i64),
        ("limit_bytes", usage.limit_bytes as i64),
        ("allocated_bytes", usage.allocated_bytes as i64),
    ];
    let class = dynamic_class(cx, &fields.map(|(name, _)| name));
    let o = cx.alloc_record(class, fields.len() as u32)?.object().expect("a record");
    for (i, (_, n)) in fields.into_iter().enumerate() {
        cx.init(o, i, Value::small(n));
    }
    Ok(Value::object(o))
}
/// The class of a dynamic record with these fields. The compiler has made it, because the prelude
/// mentions it; another one could not be looked up by inline caches.
fn dynamic_class(cx: &mut Native<'_>, fields: &[&str]) -> ClassId {
    let program = &mut cx.world().program;
    let fields: Vec<_> = fields.iter().map(|f| program.names.intern(f)).collect();
    let same = |c: &RecordClass| c.kind == RecordKind::Dynamic && c.fields == fields;
    let found = program.classes.iter().position(same);
    let i = found.expect("prelude.mena names the record of heap_stats");
    ClassId(ClassId::FIRST_RECORD + i as u16)
}
/// `weak(x)`: does not keep `x` alive.
pub(super) fn weak(cx: &mut Native<'_>) -> NativeResult {
    let o = cx.alloc(ObjectKind::Weak, 1)?.object().expect("a weak reference");
    cx.init(o, slots::TARGET, cx.arg(0));
    cx.world().weak_references.push(Value::object(o));
    Ok(Value::object(o))
}
/// `w.get()`: the value, or nil when it is gone.
pub(super) fn weak_get(cx: &mut Native<'_>) -> NativeResult {
    let o = super::lists::receiver(cx);
    Ok(cx.load_weak(o, slots::TARGET).value())
}
/// `finalizer(x, f)`: `f(x)` runs once, in a task of its own, after `x` was found unreachable.
pub(super) fn finalizer(cx: &mut Native<'_>) -> NativeResult {
    let (x, f) = (cx.arg(0).value(), cx.arg(1).value());
    if !x.is_object() {
        return Err(mismatch(cx, "a finalizer needs an object", x));
    }
    let Some(closure) = cx.arg(1).of_kind(ObjectKind::Closure) else {
        return Err(mismatch(cx, "a finalizer must be a function", f));
    };
    let id = cx.load(closure, slots::FUNC).value().as_int().unwrap_or(0) as usize;
    let params = cx.world_ref().program.funcs[id].params.len();
    if params != 1 {
        let message = format!("a finalizer takes 1 argument, not {params}");
        return Err(cx.throw("ArityMismatch", &message));
    }
    cx.world().finalizers.push((x, f));
    Ok(Value::NIL)
}
