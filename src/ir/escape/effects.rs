//! What builtin functions and methods do with the references they get.
//!
//! Everything that is not listed keeps what it gets and gives what comes from elsewhere: a builtin
//! that is forgotten here costs precision, never soundness.

use crate::builtins::{Builtin, Method};
use crate::class::ClassId;

/// What a builtin does with its arguments. The receiver is the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// Looks at them; the result holds none of them.
    Reads,
    /// Puts them into a new object, its result.
    Contains,
    /// The result is one of them.
    Chooses,
    /// The result is what is in the first, or another argument (a default).
    Takes,
    /// Puts the others into the first; the result is what was in it.
    Adds,
    /// The result is a new object with what is in all of them; it may hold it in new objects.
    Copies,
    /// The result may be, or contain, any of them and of what is in them.
    Mixes,
    /// Looks at them; the result comes from elsewhere.
    Brings,
    /// Observes when they end.
    Watches,
    /// Unknown: keeps them, and the result comes from elsewhere.
    Keeps,
}

/// The effect of a builtin function.
pub(super) fn of_function(builtin: &Builtin) -> Effect {
    match builtin.name {
        "%match_failure" | "%check_range" | "print" | "eprint" | "write" | "str" | "repr"
        | "read_line" | "args" | "int" | "float" | "abs" | "floor" | "ceil" | "round" | "sqrt"
        | "sin" | "cos" | "tan" | "atan2" | "exp" | "log" | "pow" | "wrapping_add"
        | "wrapping_sub" | "wrapping_mul" | "len" | "hash" | "compare" | "same" | "type_of"
        | "bytes" | "f64array" | "deque" | "symbol" | "chr" | "assert" | "panic" | "gc"
        | "heap_stats" | "sleep" | "clock_ns" => Effect::Reads,
        "list" | "cons" => Effect::Contains,
        "min" | "max" | "param" => Effect::Chooses,
        "%iter_start" | "%iter_done" | "%iter_get" | "%iter_next" => Effect::Mixes,
        "channel" => Effect::Brings,
        "weak" | "finalizer" => Effect::Watches,
        _ => Effect::Keeps,
    }
}

/// The effect of a method of a builtin class.
pub(super) fn of_method(method: &Method) -> Effect {
    match method.class {
        ClassId::INT
        | ClassId::FLOAT
        | ClassId::NIL
        | ClassId::BOOL
        | ClassId::CHAR
        | ClassId::KEYWORD
        | ClassId::SYMBOL
        | ClassId::STRING
        | ClassId::BYTES
        | ClassId::F64_ARRAY
        | ClassId::RANGE
        | ClassId::CLOSURE => Effect::Reads,
        ClassId::LIST | ClassId::DEQUE | ClassId::MAP | ClassId::SET | ClassId::TUPLE => {
            of_collection_method(method.name)
        }
        // What is in a list of cells is at any depth.
        ClassId::CONS => match method.name {
            "len" => Effect::Reads,
            "head" | "tail" => Effect::Takes,
            _ => Effect::Mixes,
        },
        ClassId::WEAK | ClassId::TASK => Effect::Brings,
        ClassId::CHANNEL => match method.name {
            "len" | "capacity" | "close" | "is_closed" | "recv" | "try_recv" => Effect::Brings,
            _ => Effect::Keeps,
        },
        _ => Effect::Keeps,
    }
}

fn of_collection_method(name: &str) -> Effect {
    match name {
        "len" | "is_empty" | "clear" | "truncate" | "contains" | "index_of" | "swap" | "join"
        | "sum" | "sort" | "has" => Effect::Reads,
        "pop" | "first" | "last" | "pop_back" | "pop_front" | "front" | "back" | "get"
        | "get_or" => Effect::Takes,
        "push" | "push_back" | "push_front" | "insert" | "fill" | "set" | "add" | "remove" => {
            Effect::Adds
        }
        "slice" | "concat" | "reverse" | "copy" | "to_list" | "to_tuple" | "keys" | "values"
        | "entries" | "union" | "intersection" | "difference" => Effect::Copies,
        _ => Effect::Keeps,
    }
}
