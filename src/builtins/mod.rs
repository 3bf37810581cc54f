//! Builtin functions and methods.
//!
//! A builtin is a [`NativeFn`]: it reads its arguments from the calling task's registers, never
//! calls Mena code (what takes functions is written in Mena itself, see [`PRELUDE`]) and waits by
//! returning [`Exit::Block`]. The two tables of `registry` say what there is.
//!
//! Rules
//! - B1. Every allocation is a safepoint: an `Obj` or `Value` that was read before it is not used
//!   after it; what must survive is a [`Root`](crate::host::Root). Tests run every builtin on a
//!   host that moves all objects at each allocation.
//! - B2. A builtin that fails has changed nothing that the program can see.
//! - B3. Nothing recurses on the host stack along the program's data.
//! - B4. Lengths are cut to the buffers' own lengths whenever a buffer is read (`items`, `hashed`),
//!   so a racy program sees stale elements at worst.

mod actors;
pub(crate) mod channels;
mod conses;
mod deques;
mod equality;
pub mod format;
mod hash;
mod hashed;
mod io;
mod items;
mod iteration;
mod lists;
mod maps;
mod memory;
mod mutexes;
mod numbers;
pub mod operators;
mod ordering;
mod raw;
mod registry;
mod sets;
mod sort;
mod strings;
mod support;
mod tasks;
#[cfg(test)]
mod tests;
mod waiting;
mod weak_maps;

use std::sync::LazyLock;

use rustc_hash::FxHashMap as HashMap;

use crate::class::{ClassId, RecordKind};
use crate::host::{Exit, Host, Native, NativeFn};
use crate::ir::NativeId;
use crate::value::{Kind, Value};
use crate::world::World;

pub use equality::{same_key, structural_eq};
pub use format::Style;
pub use hash::{hash_bytes, hash_value};
pub use ordering::{NoOrder, compare, partial_order};
pub use registry::{FUNCTIONS, METHODS};
pub use support::{Number, int_of, number_of};
pub(crate) use waiting::cancellation_point;
pub use waiting::give_way;

/// The methods that take functions, in Mena: compiled in front of every program.
pub const PRELUDE: &str = include_str!("prelude.mena");

/// A free function. Names that begin with `%` are the compiler's own.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// It takes at least this many arguments.
    pub min_args: u8,
    /// It takes at most this many; 255: any number.
    pub max_args: u8,
    /// What it does.
    pub run: NativeFn,
}

/// A method of a builtin class.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Whose.
    pub class: ClassId,
    /// Its name.
    pub name: &'static str,
    /// It takes at least this many arguments, the receiver included.
    pub min_args: u8,
    /// It takes at most this many; 255: any number.
    pub max_args: u8,
    /// What it does.
    pub run: NativeFn,
}

/// The function with this name.
pub fn function(name: &str) -> Option<NativeId> {
    static IDS: LazyLock<HashMap<&'static str, NativeId>> =
        LazyLock::new(|| FUNCTIONS.iter().zip(0..).map(|(f, i)| (f.name, NativeId(i))).collect());
    IDS.get(name).copied()
}

/// The method of a class with this name.
pub fn method(class: ClassId, name: &str) -> Option<&'static Method> {
    static BY_NAME: LazyLock<HashMap<(ClassId, &'static str), &'static Method>> =
        LazyLock::new(|| METHODS.iter().map(|m| ((m.class, m.name), m)).collect());
    BY_NAME.get(&(class, name)).copied()
}

/// ArityMismatch, unless the method takes as many arguments as there are.
pub fn check_arity(cx: &mut Native<'_>, m: &Method) -> Result<(), Exit> {
    let given = cx.arg_count();
    let expected = given.clamp(m.min_args as usize, m.max_args as usize);
    if given == expected || m.max_args == u8::MAX && given > expected {
        return Ok(());
    }
    let (given, expected) = (given.saturating_sub(1), expected.saturating_sub(1));
    let s = if expected == 1 { "" } else { "s" };
    let message = format!("`{}` takes {expected} argument{s}, not {given}", m.name);
    Err(cx.throw("ArityMismatch", &message))
}

/// The class of any value.
#[inline]
pub fn class_of(v: Value) -> ClassId {
    if let Some(o) = v.as_object() {
        return o.class();
    }
    match v.kind() {
        Kind::Int(_) => ClassId::INT,
        Kind::Float(_) => ClassId::FLOAT,
        Kind::Bool(_) => ClassId::BOOL,
        Kind::Char(_) => ClassId::CHAR,
        Kind::Keyword(_) => ClassId::KEYWORD,
        Kind::Symbol(_) => ClassId::SYMBOL,
        Kind::Nil | Kind::Undefined | Kind::Object(_) => ClassId::NIL,
    }
}

/// What a value is, in a word: `int`, `list`, `Point`, `Circle`, `record`.
pub fn type_name(host: &mut dyn Host, v: Value) -> String {
    type_word(host.world(), v)
}

fn type_word(world: &World, v: Value) -> String {
    class_word(world, class_of(v))
}

fn class_word(world: &World, class: ClassId) -> String {
    if let Some((_, name, _)) = ClassId::BUILTIN.iter().find(|(c, ..)| *c == class) {
        return (*name).to_owned();
    }
    let record = class.0.checked_sub(ClassId::FIRST_RECORD);
    let record = record.and_then(|i| world.program.classes.get(i as usize));
    match record {
        Some(c) if c.kind == RecordKind::Dynamic => "record".to_owned(),
        Some(c) => world.program.names.text(c.name).to_owned(),
        None => "record".to_owned(),
    }
}

/// What a value is, with its article: `an int`, `a list`, `nil`.
pub(crate) fn describe(world: &World, v: Value) -> String {
    match type_word(world, v) {
        nil if nil == "nil" => nil,
        function if function == "fn" => "a function".to_owned(),
        word if word.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) => format!("an {word}"),
        word => format!("a {word}"),
    }
}
