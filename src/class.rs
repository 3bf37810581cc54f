//! Classes: what kind of thing a value is, as one 16-bit number.
//!
//! Every heap object carries its class in the header (`aux`), so a field access, a method call and
//! a kind test are each one compare. Numbers below [`ClassId::FIRST_RECORD`] are built in (the
//! object kinds and the immediates); from there on they are the program's structs, variants and
//! dynamic record shapes ("hidden classes": ordered field names, Self/V8).

use crate::names::Name;

/// The number of a class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ClassId(pub u16);

macro_rules! builtin_classes {
    ($($constant:ident = $number:literal, $type_name:literal, $source_name:literal;)*) => {
        impl ClassId {
            $(#[doc = concat!("The class of every `", $type_name, "`.")]
            pub const $constant: ClassId = ClassId($number);)*
            /// (class, what `type_of` says, what an `impl` in the prelude calls it)
            pub const BUILTIN: &'static [(ClassId, &'static str, &'static str)] =
                &[$((ClassId($number), $type_name, $source_name)),*];
        }
    };
}

// Object kinds first (the number equals the kind's number in object.rs), then the immediates.
builtin_classes! {
    TUPLE = 2, "tuple", "Tuple";
    CONS = 3, "cons", "Cons";
    LIST = 4, "list", "List";
    BUFFER = 5, "buffer", "Buffer";
    DEQUE = 6, "deque", "Deque";
    MAP = 7, "map", "Map";
    SET = 8, "set", "Set";
    CLOSURE = 9, "fn", "Fn";
    CELL = 10, "cell", "Cell";
    TASK = 11, "task", "Task";
    RANGE = 12, "range", "Range";
    WEAK_MAP = 13, "weak_map", "WeakMap";
    CHANNEL = 14, "channel", "Channel";
    MUTEX = 15, "mutex", "Mutex";
    ACTOR = 16, "actor", "Actor";
    WAITER = 17, "waiter", "Waiter";
    WEAK = 30, "weak", "Weak";
    EPHEMERONS = 31, "ephemerons", "Ephemerons";
    STRING = 32, "string", "String";
    BYTES = 33, "bytes", "Bytes";
    F64_ARRAY = 34, "f64array", "F64Array";
    INDEX = 35, "index", "Index";
    INT = 36, "int", "Int";
    FLOAT = 37, "float", "Float";
    NIL = 48, "nil", "Nil";
    BOOL = 49, "bool", "Bool";
    CHAR = 50, "char", "Char";
    KEYWORD = 51, "keyword", "Keyword";
    SYMBOL = 52, "symbol", "Symbol";
}

impl ClassId {
    /// The first class of records: always `Error { kind, message }`.
    pub const FIRST_RECORD: u16 = 64;
    /// `Error { kind, message }`, what run-time errors are.
    pub const ERROR: ClassId = ClassId(Self::FIRST_RECORD);
    /// The last usable number; one more is the inline caches' "never matches".
    pub const MAX: u16 = u16::MAX - 1;

    /// Whether objects of this class are equal only to themselves, and are known by their number.
    pub fn is_handle(self) -> bool {
        matches!(self, ClassId::TASK | ClassId::CHANNEL | ClassId::MUTEX | ClassId::ACTOR)
    }
    /// Whether this is a struct, a variant or a dynamic record.
    pub fn is_record(self) -> bool {
        self.0 >= Self::FIRST_RECORD
    }
}

/// What kind of record a class describes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordKind {
    /// `struct Point { x, y }`
    Struct,
    /// One variant of the enum with this name.
    Variant {
        /// The enum's name.
        of: Name,
    },
    /// `#{ x: 1 }`: identified by its ordered field names.
    Dynamic,
}

/// A record class (number = position in the table + [`ClassId::FIRST_RECORD`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordClass {
    /// Its name; for dynamic records the name `#`.
    pub name: Name,
    /// Struct, variant or dynamic.
    pub kind: RecordKind,
    /// Field names in slot order.
    pub fields: Vec<Name>,
}
