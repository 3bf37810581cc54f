//! The builtin functions and methods, against the facade of [`crate::host`]: compiled once, used by
//! the interpreter on every heap and by the oracle.
//!
//! What takes callbacks (`map`, `sort_by`, …) is written in Mena, in `prelude.mena`: a builtin never
//! calls Mena code, so the host never recurses.

use crate::class::{ClassId, RecordKind};
use crate::host::{Exit, Host, Native, NativeFn};
use crate::object::Obj;
use crate::value::{Kind, Value};
use crate::world::World;

pub mod compare;
pub mod deques;
pub mod format;
pub mod lists;
pub mod maps;
pub mod memory;
pub mod numbers;
pub mod operators;
pub mod raw;
pub mod strings;
pub mod system;
pub mod tasks;

/// Higher-order functions and methods, in Mena.
pub const PRELUDE: &str = include_str!("prelude.mena");

/// A builtin function.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name; those that start with `%` are the compiler's.
    pub name: &'static str,
    /// Least number of arguments.
    pub min_args: u8,
    /// Greatest number; 255 = any.
    pub max_args: u8,
    /// The code.
    pub run: NativeFn,
}

/// A builtin method.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinMethod {
    /// The receiver's class.
    pub class: ClassId,
    /// Its name.
    pub name: &'static str,
    /// Least number of arguments, the receiver included.
    pub min_args: u8,
    /// Greatest number; 255 = any.
    pub max_args: u8,
    /// The code.
    pub run: NativeFn,
}

/// Any number of arguments.
const ANY: u8 = 255;

macro_rules! functions {
    ($($name:literal $min:literal $max:tt $run:path;)*) => {
        /// All builtin functions; the position is the [`crate::ir::NativeId`].
        pub static FUNCTIONS: &[Builtin] =
            &[$(Builtin { name: $name, min_args: $min, max_args: $max, run: $run }),*];
    };
}
macro_rules! methods {
    ($($class:ident { $($name:literal $min:literal $max:tt $run:path;)* })*) => {
        /// All builtin methods. Argument counts include the receiver.
        pub static METHODS: &[BuiltinMethod] = &[$($(BuiltinMethod {
            class: ClassId::$class, name: $name, min_args: $min, max_args: $max, run: $run,
        }),*),*];
    };
}

functions! {
    "%match_failure" 1 1 system::match_failure;
    "%scope_new" 0 0 tasks::scope_new;
    "%scope_add" 2 2 tasks::scope_add;
    "%scope_join" 1 1 tasks::scope_join;
    "%scope_check" 1 1 tasks::scope_check;
    "%check_range" 2 2 operators::check_range;
    "print" 0 ANY system::print;
    "eprint" 0 ANY system::eprint;
    "write" 1 1 system::write;
    "read_line" 0 0 system::read_line;
    "args" 0 0 system::args;
    "param" 2 2 system::param;
    "clock_ns" 0 0 system::clock_ns;
    "assert" 1 2 system::assert;
    "panic" 1 1 system::panic;
    "str" 1 1 strings::str;
    "repr" 1 1 strings::repr;
    "chr" 1 1 strings::chr;
    "symbol" 1 1 strings::symbol;
    "int" 1 1 numbers::int;
    "float" 1 1 numbers::float;
    "abs" 1 1 numbers::abs;
    "min" 2 2 numbers::min;
    "max" 2 2 numbers::max;
    "floor" 1 1 numbers::floor;
    "ceil" 1 1 numbers::ceil;
    "round" 1 1 numbers::round;
    "sqrt" 1 1 numbers::sqrt;
    "sin" 1 1 numbers::sin;
    "cos" 1 1 numbers::cos;
    "tan" 1 1 numbers::tan;
    "atan2" 2 2 numbers::atan2;
    "exp" 1 1 numbers::exp;
    "log" 1 1 numbers::log;
    "pow" 2 2 numbers::pow;
    "wrapping_add" 2 2 numbers::wrapping_add;
    "wrapping_sub" 2 2 numbers::wrapping_sub;
    "wrapping_mul" 2 2 numbers::wrapping_mul;
    "len" 1 1 operators::len;
    "hash" 1 1 compare::hash;
    "compare" 2 2 compare::compare;
    "same" 2 2 compare::same;
    "type_of" 1 1 system::type_of;
    "list" 2 2 lists::list;
    "deque" 0 0 deques::deque;
    "bytes" 1 1 raw::bytes;
    "f64array" 1 1 raw::f64array;
    "cons" 2 2 lists::cons;
    "gc" 0 0 memory::gc;
    "heap_stats" 0 0 memory::heap_stats;
    "finalizer" 2 2 memory::finalizer;
    "weak" 1 1 memory::weak;
    "sleep" 1 1 tasks::sleep;
}

methods! {
    INT {
        "abs" 1 1 numbers::abs;
        "to_float" 1 1 numbers::float;
        "to_char" 1 1 strings::chr;
        "to_string" 1 1 strings::str;
    }
    FLOAT {
        "abs" 1 1 numbers::abs;
        "sqrt" 1 1 numbers::sqrt;
        "floor" 1 1 numbers::floor;
        "ceil" 1 1 numbers::ceil;
        "round" 1 1 numbers::round;
        "to_int" 1 1 numbers::int;
        "is_nan" 1 1 numbers::is_nan;
        "to_string" 1 1 strings::str;
    }
    CHAR {
        "code" 1 1 numbers::int;
        "to_string" 1 1 strings::str;
        "is_digit" 1 1 strings::char_is_digit;
        "is_alpha" 1 1 strings::char_is_alpha;
        "is_space" 1 1 strings::char_is_space;
    }
    STRING {
        "len" 1 1 operators::len;
        "is_empty" 1 1 operators::is_empty;
        "chars" 1 1 strings::chars;
        "byte" 2 2 strings::byte;
        "char_at" 2 2 strings::char_at;
        "slice" 3 3 strings::slice;
        "find" 2 2 strings::find;
        "contains" 2 2 strings::contains;
        "starts_with" 2 2 strings::starts_with;
        "ends_with" 2 2 strings::ends_with;
        "split" 2 2 strings::split;
        "trim" 1 1 strings::trim;
        "lower" 1 1 strings::lower;
        "upper" 1 1 strings::upper;
        "repeat" 2 2 strings::repeat;
        "replace" 3 3 strings::replace;
        "to_int" 1 1 strings::to_int;
        "to_float" 1 1 strings::to_float;
        "to_list" 1 1 lists::to_list;
        "bytes" 1 1 strings::to_bytes;
        "to_string" 1 1 strings::str;
    }
    KEYWORD { "to_string" 1 1 strings::str; }
    SYMBOL { "to_string" 1 1 strings::str; }
    BYTES {
        "len" 1 1 operators::len;
        "is_empty" 1 1 operators::is_empty;
        "get" 2 2 operators::index;
        "set" 3 3 operators::set_index;
        "fill" 2 2 raw::fill;
        "to_string" 1 1 raw::to_string;
        "to_list" 1 1 lists::to_list;
    }
    F64_ARRAY {
        "len" 1 1 operators::len;
        "is_empty" 1 1 operators::is_empty;
        "get" 2 2 operators::index;
        "set" 3 3 operators::set_index;
        "fill" 2 2 raw::fill;
        "to_list" 1 1 lists::to_list;
    }
    LIST {
        "len" 1 1 operators::len;
        "is_empty" 1 1 operators::is_empty;
        "push" 2 2 lists::push;
        "pop" 1 1 lists::pop;
        "insert" 3 3 lists::insert;
        "remove" 2 2 lists::remove;
        "clear" 1 1 lists::clear;
        "first" 1 1 lists::first;
        "last" 1 1 lists::last;
        "slice" 3 3 lists::slice;
        "concat" 2 2 lists::concat;
        "reverse" 1 1 lists::reverse;
        "contains" 2 2 lists::contains;
        "index_of" 2 2 lists::index_of;
        "swap" 3 3 lists::swap;
        "fill" 2 2 lists::fill;
        "join" 2 2 lists::join;
        "sum" 1 1 lists::sum;
        "copy" 1 1 lists::copy;
        "truncate" 2 2 lists::truncate;
        "to_tuple" 1 1 lists::to_tuple;
        "to_list" 1 1 lists::copy;
        "sort" 1 1 lists::sort;
    }
    TUPLE {
        "len" 1 1 operators::len;
        "to_list" 1 1 lists::to_list;
    }
    RANGE {
        "len" 1 1 operators::len;
        "contains" 2 2 operators::range_contains;
        "to_list" 1 1 lists::to_list;
    }
    CONS {
        "len" 1 1 operators::len;
        "head" 1 1 lists::head;
        "tail" 1 1 lists::tail;
        "reverse" 1 1 lists::cons_reverse;
        "to_list" 1 1 lists::to_list;
    }
    NIL {
        "len" 1 1 operators::len;
        "head" 1 1 lists::head;
        "tail" 1 1 lists::tail;
        "reverse" 1 1 lists::cons_reverse;
        "to_list" 1 1 lists::to_list;
        "to_string" 1 1 strings::str;
    }
    DEQUE {
        "len" 1 1 operators::len;
        "is_empty" 1 1 operators::is_empty;
        "push_back" 2 2 deques::push_back;
        "push_front" 2 2 deques::push_front;
        "pop_back" 1 1 deques::pop_back;
        "pop_front" 1 1 deques::pop_front;
        "front" 1 1 deques::front;
        "back" 1 1 deques::back;
        "get" 2 2 operators::index;
        "clear" 1 1 deques::clear;
        "to_list" 1 1 lists::to_list;
    }
    MAP {
        "len" 1 1 operators::len;
        "is_empty" 1 1 operators::is_empty;
        "get" 2 2 maps::get;
        "get_or" 3 3 maps::get_or;
        "set" 3 3 maps::set;
        "has" 2 2 maps::has;
        "remove" 2 2 maps::remove;
        "keys" 1 1 maps::keys;
        "values" 1 1 maps::values;
        "entries" 1 1 lists::to_list;
        "to_list" 1 1 lists::to_list;
        "clear" 1 1 maps::clear;
        "copy" 1 1 maps::copy;
    }
    SET {
        "len" 1 1 operators::len;
        "is_empty" 1 1 operators::is_empty;
        "add" 2 2 maps::add;
        "has" 2 2 maps::has;
        "remove" 2 2 maps::remove_element;
        "to_list" 1 1 lists::to_list;
        "union" 2 2 maps::union;
        "intersection" 2 2 maps::intersection;
        "difference" 2 2 maps::difference;
        "clear" 1 1 maps::clear;
        "copy" 1 1 maps::copy;
    }
    CLOSURE { "arity" 1 1 system::arity; }
    TASK {
        "join" 1 1 tasks::join;
        "is_done" 1 1 tasks::is_done;
    }
    WEAK { "get" 1 1 memory::weak_get; }
}

/// The position of a builtin function.
pub fn function_index(name: &str) -> Option<usize> {
    FUNCTIONS.iter().position(|f| f.name == name)
}

/// The class of any value; boxed numbers are ints and floats.
#[inline]
pub fn class_of(v: Value) -> ClassId {
    match v.kind() {
        Kind::Object(o) => o.class(),
        Kind::Int(_) => ClassId::INT,
        Kind::Float(_) => ClassId::FLOAT,
        Kind::Nil | Kind::Undefined => ClassId::NIL,
        Kind::Bool(_) => ClassId::BOOL,
        Kind::Char(_) => ClassId::CHAR,
        Kind::Keyword(_) => ClassId::KEYWORD,
        Kind::Symbol(_) => ClassId::SYMBOL,
    }
}

/// What `type_of` says, without the colon.
pub fn type_text(world: &World, v: Value) -> String {
    let class = class_of(v);
    let Some(record) = class.0.checked_sub(ClassId::FIRST_RECORD) else {
        let found = ClassId::BUILTIN.iter().find(|(c, ..)| *c == class);
        return found.map_or("unknown", |&(_, name, _)| name).to_owned();
    };
    let class = &world.program.classes[record as usize];
    let name = match class.kind {
        RecordKind::Dynamic => return "record".to_owned(),
        RecordKind::Struct => class.name,
        RecordKind::Variant { of } => of,
    };
    world.program.names.text(name).to_owned()
}

/// The type of a value for error messages.
pub fn type_name(host: &mut dyn Host, v: Value) -> String {
    type_text(host.world(), v)
}

/// An int, inline or boxed.
#[inline]
pub(crate) fn as_int(v: Value) -> Option<i64> {
    match v.as_int() {
        Some(i) => Some(i),
        None => boxed(v, ClassId::INT).map(|o| o.raw_word(0) as i64),
    }
}
/// A float, inline or boxed; not an int.
#[inline]
pub(crate) fn as_float(v: Value) -> Option<f64> {
    match v.as_float() {
        Some(f) => Some(f),
        None => boxed(v, ClassId::FLOAT).map(|o| f64::from_bits(o.raw_word(0))),
    }
}
fn boxed(v: Value, class: ClassId) -> Option<Obj> {
    v.as_object().filter(|o| o.class() == class)
}

/// A number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}
impl Number {
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        }
    }
}
pub(crate) fn as_number(v: Value) -> Option<Number> {
    as_int(v).map(Number::Int).or_else(|| as_float(v).map(Number::Float))
}

/// `TypeMismatch`: what was expected, what was found.
pub(crate) fn mismatch(cx: &mut Native<'_>, what: &str, found: Value) -> Exit {
    let found = type_text(cx.world_ref(), found);
    cx.throw("TypeMismatch", &format!("{what}, not {}", with_article(&found)))
}
pub(crate) fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    match noun {
        "nil" => noun.to_owned(),
        _ if vowel => format!("an {noun}"),
        _ => format!("a {noun}"),
    }
}
/// Argument `i` as an int.
pub(crate) fn int_arg(cx: &mut Native<'_>, i: usize, what: &str) -> Result<i64, Exit> {
    let v = cx.arg(i).value();
    as_int(v).ok_or(()).or_else(|()| Err(mismatch(cx, &format!("{what} must be an int"), v)))
}
/// Argument `i` as a place in something of `len` elements.
pub(crate) fn index_arg(cx: &mut Native<'_>, i: usize, len: usize) -> Result<usize, Exit> {
    let index = int_arg(cx, i, "an index")?;
    match usize::try_from(index) {
        Ok(index) if index < len => Ok(index),
        _ => Err(cx.throw("IndexOutOfRange", &format!("index {index} of {len} elements"))),
    }
}
/// Argument `i` as text. Copied: the borrow would forbid allocating.
pub(crate) fn text_arg(cx: &mut Native<'_>, i: usize, what: &str) -> Result<String, Exit> {
    if let Some(text) = cx.text(cx.arg(i)) {
        return Ok(text.to_owned());
    }
    let v = cx.arg(i).value();
    Err(mismatch(cx, &format!("{what} must be a string"), v))
}
