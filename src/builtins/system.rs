//! Output, input, arguments, time, assertions, types.

use super::{format, mismatch, text_arg, type_text};
use crate::host::{Exit, Native, NativeResult};
use crate::object::slots;
use crate::value::Value;
use std::io::Write;

fn line(cx: &Native<'_>) -> String {
    let mut text = String::new();
    for i in 0..cx.arg_count() {
        if i > 0 {
            text.push(' ');
        }
        format::display_into(cx, cx.arg(i).value(), &mut text);
    }
    text
}
fn written(cx: &mut Native<'_>, result: std::io::Result<()>) -> NativeResult {
    match result {
        Ok(()) => Ok(Value::NIL),
        Err(e) => Err(cx.throw("Io", &format!("cannot write: {e}"))),
    }
}
/// `print(a, b, …)`: display forms with spaces between, and a newline.
pub(super) fn print(cx: &mut Native<'_>) -> NativeResult {
    let mut text = line(cx);
    text.push('\n');
    let result = cx.world().output.write_all(text.as_bytes());
    written(cx, result)
}
/// `eprint(a, b, …)`: to the error output.
pub(super) fn eprint(cx: &mut Native<'_>) -> NativeResult {
    let mut text = line(cx);
    text.push('\n');
    let world = cx.world();
    let result = world.output.flush().and_then(|()| world.error_output.write_all(text.as_bytes()));
    written(cx, result)
}
/// `write(s)`: no newline.
pub(super) fn write(cx: &mut Native<'_>) -> NativeResult {
    let text = line(cx);
    let result = cx.world().output.write_all(text.as_bytes());
    written(cx, result)
}
/// `read_line()`: without its newline; nil at the end.
pub(super) fn read_line(cx: &mut Native<'_>) -> NativeResult {
    let world = cx.world();
    let mut bytes = Vec::new();
    let read = world.output.flush().and_then(|()| world.input.read_until(b'\n', &mut bytes));
    match read {
        Ok(0) => Ok(Value::NIL),
        Ok(_) => {
            let text = String::from_utf8_lossy(&bytes);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
            Ok(cx.new_str(&text)?.value())
        }
        Err(e) => Err(cx.throw("Io", &format!("cannot read: {e}"))),
    }
}
/// `args()`: the program's arguments.
pub(super) fn args(cx: &mut Native<'_>) -> NativeResult {
    let args = cx.world().args.clone();
    let list = super::lists::new_list(cx, args.len())?;
    for arg in args {
        let arg = cx.new_str(&arg)?.value();
        super::lists::append_in_place(cx, list, arg);
    }
    Ok(cx.get(list).value())
}
/// `param(name, default)`: from `--param`, as an int or float if it is one.
pub(super) fn param(cx: &mut Native<'_>) -> NativeResult {
    let name = text_arg(cx, 0, "a parameter's name")?;
    let Some(text) = cx.world().params.get(&name).cloned() else {
        return Ok(cx.arg(1).value());
    };
    if let Ok(i) = text.parse::<i64>() {
        return Ok(cx.new_int(i)?.value());
    }
    match text.parse::<f64>() {
        Ok(f) => Ok(cx.new_float(f)?.value()),
        Err(_) => Ok(cx.new_str(&text)?.value()),
    }
}
/// `clock_ns()`: monotonic, from the start of the VM.
pub(super) fn clock_ns(cx: &mut Native<'_>) -> NativeResult {
    let now = cx.world().now_ns();
    Ok(cx.new_int(now as i64)?.value())
}
/// `assert(condition, message)`
pub(super) fn assert(cx: &mut Native<'_>) -> NativeResult {
    if cx.arg(0).value().truthy() {
        return Ok(Value::NIL);
    }
    let mut message = String::new();
    if cx.arg_count() > 1 {
        format::display_into(cx, cx.arg(1).value(), &mut message);
    } else {
        message.push_str("assertion failed");
    }
    Err(cx.throw("AssertionFailed", &message))
}
/// `panic(message)`
pub(super) fn panic(cx: &mut Native<'_>) -> NativeResult {
    let mut message = String::new();
    format::display_into(cx, cx.arg(0).value(), &mut message);
    Err(cx.throw("Panic", &message))
}
/// No arm of a `match` (or no `let` pattern) takes the value.
pub(super) fn match_failure(cx: &mut Native<'_>) -> NativeResult {
    let mut value = String::new();
    format::repr_into(cx, cx.arg(0).value(), &mut value);
    let end = value.char_indices().map(|(i, _)| i).nth(80);
    if let Some(end) = end {
        value.truncate(end);
        value.push('…');
    }
    Err(cx.throw("MatchFailure", &format!("no pattern matches {value}")))
}
/// `type_of(v)`
pub(super) fn type_of(cx: &mut Native<'_>) -> NativeResult {
    let text = type_text(cx.world_ref(), cx.arg(0).value());
    Ok(Value::keyword(cx.world().program.names.intern(&text)))
}
/// `f.arity()`
pub(super) fn arity(cx: &mut Native<'_>) -> NativeResult {
    let v = cx.arg(0).value();
    let Some(o) = v.as_object() else { return Err::<_, Exit>(mismatch(cx, "needs a function", v)) };
    let id = cx.load(o, slots::FUNC).value().as_int().unwrap_or(0) as usize;
    Ok(Value::small(cx.world_ref().program.funcs[id].params.len() as i64))
}
