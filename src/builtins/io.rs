//! Output, input, arguments and parameters of the program.

use std::io;

use crate::host::functions::{Called, Data, Failure, called, hand_over, result};
use crate::host::{Exit, Native, NativeResult, Wait};
use crate::value::Value;

use super::format::{Style, to_text, write_arg};
use super::lists;
use super::support::*;
use super::waiting::cancellation_point;

/// Any failure of a stream: an error that the program can catch.
fn io_error(cx: &mut Native<'_>, what: &str, e: &io::Error) -> Exit {
    cx.throw("Io", &format!("{what}: {e}"))
}

/// The arguments' display forms, joined by spaces, then `end`.
fn joined_args(cx: &mut Native<'_>, end: &str) -> Result<String, Exit> {
    let mut text = String::new();
    for i in 0..cx.arg_count() {
        if i > 0 {
            text.push(' ');
        }
        write_arg(cx, i, Style::Display, &mut text)?;
    }
    text.push_str(end);
    Ok(text)
}
/// Prints; waits while what was printed before has to be written.
fn print_args(cx: &mut Native<'_>, what: &str, end: &str) -> NativeResult {
    let text = joined_args(cx, end)?;
    match cx.world_ref().output.print(&text) {
        Ok(true) => Ok(Value::NIL),
        Ok(false) => Err(Exit::Block(Wait::Output)),
        Err(e) => Err(io_error(cx, what, &e)),
    }
}
pub(super) fn print(cx: &mut Native<'_>) -> NativeResult {
    print_args(cx, "`print`", "\n")
}
pub(super) fn write(cx: &mut Native<'_>) -> NativeResult {
    print_args(cx, "`write`", "")
}
/// `eprint(…)`: has been written when it returns.
pub(super) fn eprint(cx: &mut Native<'_>) -> NativeResult {
    const WHAT: &str = "its error to be written";
    match called(cx) {
        Called::Given(given) => return result(cx, given),
        Called::InFlight => return Err(cx.waits_for_call(WHAT)),
        Called::Not => {}
    }
    let text = joined_args(cx, "\n")?;
    match cx.world_ref().output.print_error(&text) {
        Some(Ok(())) => Ok(Value::NIL),
        Some(Err(e)) => Err(io_error(cx, "`eprint`", &e)),
        None => {
            let output = cx.world_ref().output.clone();
            Err(hand_over(cx, WHAT, move || match output.write_error(&text) {
                Ok(()) => Ok(Data::Nil),
                Err(e) => Err(Failure::new("Io", format!("`eprint`: {e}"))),
            }))
        }
    }
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
            let output = cx.world_ref().output.clone();
            Err(cx.call("a line of the input", move || {
                // What was printed should be seen before the program waits for an answer.
                output.write_for_another();
                input.fill();
            }))
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
