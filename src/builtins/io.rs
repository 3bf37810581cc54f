//! Output, input, arguments and parameters of the program.

use std::io::{self, Write};

use crate::host::{Exit, Native, NativeResult};
use crate::value::Value;
use crate::world::World;

use super::format::{Style, to_text, write_arg};
use super::lists;
use super::support::*;
use super::waiting::cancellation_point;

/// Any failure of a stream: an error that the program can catch.
fn io_error(cx: &mut Native<'_>, what: &str, e: &io::Error) -> Exit {
    cx.throw("Io", &format!("{what}: {e}"))
}

/// Writes the arguments' display forms, joined by spaces, then `end`.
fn write_args(
    cx: &mut Native<'_>,
    what: &str,
    end: &str,
    stream: fn(&mut World) -> &mut Box<dyn Write + Send>,
) -> NativeResult {
    let mut text = String::new();
    for i in 0..cx.arg_count() {
        if i > 0 {
            text.push(' ');
        }
        write_arg(cx, i, Style::Display, &mut text)?;
    }
    text.push_str(end);
    let world = cx.world();
    // What was printed before comes first, whichever stream it went to.
    let flushed = if what == "`eprint`" { world.output.flush() } else { Ok(()) };
    match flushed.and_then(|()| stream(world).write_all(text.as_bytes())) {
        Ok(()) => Ok(Value::NIL),
        Err(e) => Err(io_error(cx, what, &e)),
    }
}
pub(super) fn print(cx: &mut Native<'_>) -> NativeResult {
    write_args(cx, "`print`", "\n", |world| &mut world.output)
}
pub(super) fn eprint(cx: &mut Native<'_>) -> NativeResult {
    write_args(cx, "`eprint`", "\n", |world| &mut world.error_output)
}
pub(super) fn write(cx: &mut Native<'_>) -> NativeResult {
    write_args(cx, "`write`", "", |world| &mut world.output)
}

/// `repr(v)`
pub(super) fn repr(cx: &mut Native<'_>) -> NativeResult {
    let text = to_text(cx, 0, Style::Repr)?;
    text_result(cx, &text)
}

/// `read_line()`: without the newline; nil at the end.
pub(super) fn read_line(cx: &mut Native<'_>) -> NativeResult {
    cancellation_point(cx)?;
    let input = cx.world().input.clone();
    match input.line() {
        None => {
            // What was printed should be seen before the program waits for an answer.
            let _ = cx.world().output.flush();
            Err(cx.call("a line of the input", move || input.fill()))
        }
        Some(Ok(None)) => Ok(Value::NIL),
        Some(Ok(Some(line))) => {
            let line = String::from_utf8_lossy(&line);
            text_result(cx, line.strip_suffix('\r').unwrap_or(&line))
        }
        Some(Err(e)) => Err(io_error(cx, "`read_line`", &e)),
    }
}

/// `args()`
pub(super) fn args(cx: &mut Native<'_>) -> NativeResult {
    let args = cx.world_ref().args.clone();
    let list = lists::new_list(cx, args.len())?;
    let element = cx.root(Value::NIL);
    for arg in args {
        let text = text_result(cx, &arg)?;
        cx.set(element, text);
        lists::push_root(cx, list, element)?;
    }
    Ok(cx.get(list).value())
}

/// `param(name, default)`: an int if it parses as one, else a float, else a string.
pub(super) fn param(cx: &mut Native<'_>) -> NativeResult {
    let name = string_arg(cx, "`param`", 0)?;
    let Some(text) = cx.world_ref().params.get(&name).cloned() else {
        return Ok(cx.arg(1).value());
    };
    if let Ok(i) = text.parse() {
        int_result(cx, i)
    } else if let Ok(f) = text.parse() {
        float_result(cx, f)
    } else {
        text_result(cx, &text)
    }
}
