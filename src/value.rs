//! The value word: one 64-bit word whose low three bits are the tag.
//!
//! ```text
//! tag  meaning
//! 011  inline float, magnitudes up to about 2^1      word = bits of the double rotated left by 4,
//! 100  inline float, magnitudes from about 2^1       so the top exponent bits *are* the tag
//! 111  inline int, 61 bits                           word = i << 3 | 7
//! 010  heap object                                   word = address | 2
//! 000  specials: +0.0 (word 0), -0.0 (word 8), and kind << 3 | payload << 8 for the rest
//! ```
//!
//! Floats are "self-tagging" (Melançon, Serrano, Feeley: Float Self-Tagging, 2024) in the natural
//! form: no bias is added, so decoding is one rotate, and the two zeros need no special case. The
//! rare floats whose exponents lie outside of about 2^-255 … 2^257 are boxed, as are ints beyond
//! 61 bits. Nothing outside this file knows the encoding.

use crate::names::Name;
use crate::object::Obj;

/// One word of Mena data.
///
/// `PartialEq` is identity of words: equal for the same immediate or the same object.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value(u64);

const _: () = assert!(size_of::<Value>() == 8);

const TAG_MASK: u64 = 0b111;
const TAG_INT: u64 = 0b111;
const TAG_OBJECT: u64 = 0b010;
/// What the tag of the object word adds to the address; folds into displacements.
pub const OBJECT_BIAS: u64 = TAG_OBJECT;

const fn special(kind: u64, payload: u64) -> Value {
    Value(payload << 8 | kind << 3)
}
const SPECIAL_CHAR: u64 = 5;
const SPECIAL_KEYWORD: u64 = 6;
const SPECIAL_SYMBOL: u64 = 7;

/// What a word is, for a `match`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Nil,
    Bool(bool),
    /// An inline int (boxed ones are objects).
    Int(i64),
    /// An inline float (boxed ones are objects).
    Float(f64),
    Char(char),
    Keyword(Name),
    Symbol(Name),
    Object(Obj),
    /// The internal "no value" marker; never visible to programs.
    Undefined,
}

impl Value {
    /// nil
    pub const NIL: Value = special(2, 0);
    /// false
    pub const FALSE: Value = special(3, 0);
    /// true
    pub const TRUE: Value = special(4, 0);
    /// Internal marker: tombstones in tables, "not there yet". Never reaches a program.
    pub const UNDEFINED: Value = special(8, 0);
    /// The smallest inline int, -2^60.
    pub const INT_MIN: i64 = -(1 << 60);
    /// The largest inline int, 2^60 - 1.
    pub const INT_MAX: i64 = (1 << 60) - 1;

    /// The raw word.
    #[inline(always)]
    pub const fn bits(self) -> u64 {
        self.0
    }
    /// A value from a raw word that [`Value::bits`] gave.
    ///
    /// Safe, because the word alone is only data; whoever makes an object word answers for it at
    /// [`Obj::from_address`].
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Value {
        Value(bits)
    }

    /// An inline int, if it fits into 61 bits.
    #[inline(always)]
    pub const fn int(i: i64) -> Option<Value> {
        if i >= Self::INT_MIN && i <= Self::INT_MAX { Some(Self::small(i)) } else { None }
    }
    /// An int that is known to fit (lengths, indices, codes): debug-asserted.
    #[inline(always)]
    pub const fn small(i: i64) -> Value {
        debug_assert!(i >= Self::INT_MIN && i <= Self::INT_MAX);
        Value((i as u64) << 3 | TAG_INT)
    }
    /// An inline float, if its exponent fits; the rest is boxed by the caller.
    #[inline(always)]
    pub const fn float(f: f64) -> Option<Value> {
        let w = f.to_bits().rotate_left(4);
        if Self::is_float_word(w) { Some(Value(w)) } else { None }
    }
    /// true or false
    #[inline(always)]
    pub const fn bool(b: bool) -> Value {
        if b { Self::TRUE } else { Self::FALSE }
    }
    /// A Unicode scalar value.
    pub const fn char(c: char) -> Value {
        special(SPECIAL_CHAR, c as u64)
    }
    /// `:name`
    pub const fn keyword(name: Name) -> Value {
        special(SPECIAL_KEYWORD, name.0 as u64)
    }
    /// A symbol.
    pub const fn symbol(name: Name) -> Value {
        special(SPECIAL_SYMBOL, name.0 as u64)
    }
    /// A reference to an object.
    #[inline(always)]
    pub fn object(o: Obj) -> Value {
        Value(o.address() as u64 | TAG_OBJECT)
    }

    const fn is_float_word(w: u64) -> bool {
        w.wrapping_add(1) & 0b110 == 0b100 || w & !8 == 0
    }

    /// Whether this is an inline int.
    #[inline(always)]
    pub const fn is_int(self) -> bool {
        self.0 & TAG_MASK == TAG_INT
    }
    /// Whether both are inline ints: one test.
    #[inline(always)]
    pub const fn both_int(a: Value, b: Value) -> bool {
        !(a.0 & b.0) & TAG_MASK == 0
    }
    /// Whether this is an inline float.
    #[inline(always)]
    pub const fn is_float(self) -> bool {
        Self::is_float_word(self.0)
    }
    /// Whether this refers to an object.
    #[inline(always)]
    pub const fn is_object(self) -> bool {
        self.0 & TAG_MASK == TAG_OBJECT
    }
    /// nil and false are false, all else is true.
    #[inline(always)]
    pub const fn truthy(self) -> bool {
        self.0 & !8 != Self::NIL.0
    }
    /// The inline int.
    #[inline(always)]
    pub const fn as_int(self) -> Option<i64> {
        if self.is_int() { Some(self.0 as i64 >> 3) } else { None }
    }
    /// The int of a word that [`Value::is_int`]; anything else gives a meaningless number.
    #[inline(always)]
    pub const fn int_unchecked(self) -> i64 {
        self.0 as i64 >> 3
    }
    /// The inline float.
    #[inline(always)]
    pub const fn as_float(self) -> Option<f64> {
        if self.is_float() { Some(self.float_unchecked()) } else { None }
    }
    /// The float of a word that [`Value::is_float`]; anything else gives a meaningless number.
    #[inline(always)]
    pub const fn float_unchecked(self) -> f64 {
        f64::from_bits(self.0.rotate_right(4))
    }
    /// The object referred to.
    #[inline(always)]
    pub fn as_object(self) -> Option<Obj> {
        // SAFETY: an object word was made by `Value::object` from a valid `Obj` (invariant O1).
        self.is_object().then(|| unsafe { Obj::from_address((self.0 & !TAG_MASK) as usize) })
    }
    /// The object of a word that [`Value::is_object`].
    ///
    /// # Safety
    /// The word must be an object word.
    #[inline(always)]
    pub unsafe fn object_unchecked(self) -> Obj {
        debug_assert!(self.is_object());
        // SAFETY: by the caller; subtracting the tag folds into the access.
        unsafe { Obj::from_address((self.0 - TAG_OBJECT) as usize) }
    }

    /// Sum of two inline ints; `None` when it leaves 61 bits. Call only when [`Value::both_int`].
    #[inline(always)]
    pub const fn add_ints(a: Value, b: Value) -> Option<Value> {
        match (a.0 as i64).checked_add((b.0 - TAG_INT) as i64) {
            Some(w) => Some(Value(w as u64)),
            None => None,
        }
    }
    /// Difference of two inline ints; `None` when it leaves 61 bits.
    #[inline(always)]
    pub const fn sub_ints(a: Value, b: Value) -> Option<Value> {
        match (a.0 as i64).checked_sub((b.0 - TAG_INT) as i64) {
            Some(w) => Some(Value(w as u64)),
            None => None,
        }
    }
    /// Product of two inline ints; `None` when it leaves 61 bits.
    #[inline(always)]
    pub const fn mul_ints(a: Value, b: Value) -> Option<Value> {
        match ((a.0 - TAG_INT) as i64).checked_mul(b.0 as i64 >> 3) {
            Some(w) => Some(Value(w as u64 | TAG_INT)),
            None => None,
        }
    }
    /// `a < b` of two inline ints: the words compare like the numbers.
    #[inline(always)]
    pub const fn lt_ints(a: Value, b: Value) -> bool {
        (a.0 as i64) < b.0 as i64
    }
    /// `a <= b` of two inline ints.
    #[inline(always)]
    pub const fn le_ints(a: Value, b: Value) -> bool {
        a.0 as i64 <= b.0 as i64
    }

    /// What this word is.
    pub fn kind(self) -> Kind {
        match self.0 & TAG_MASK {
            TAG_INT => Kind::Int(self.int_unchecked()),
            TAG_OBJECT => Kind::Object(self.as_object().expect("tag checked")),
            _ if self.is_float() => Kind::Float(self.float_unchecked()),
            _ => self.special_kind(),
        }
    }
    fn special_kind(self) -> Kind {
        let payload = (self.0 >> 8) as u32;
        match self.0 >> 3 & 0x1f {
            2 => Kind::Nil,
            3 => Kind::Bool(false),
            4 => Kind::Bool(true),
            SPECIAL_CHAR => Kind::Char(char::from_u32(payload).unwrap_or('\u{fffd}')),
            SPECIAL_KEYWORD => Kind::Keyword(Name(payload)),
            SPECIAL_SYMBOL => Kind::Symbol(Name(payload)),
            _ => Kind::Undefined,
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind() {
            Kind::Object(o) => write!(f, "{o:?}"),
            kind => write!(f, "{kind:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOATS: [f64; 14] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.0,
        -2.0,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1e77,
        1e-76,
    ];

    fn float_round_trips(f: f64) {
        if let Some(v) = Value::float(f) {
            assert_eq!(v.as_float().map(f64::to_bits), Some(f.to_bits()));
            assert!(!v.is_int() && !v.is_object() && v.truthy());
        } else {
            let e = f.abs().log2();
            assert!(!(-254.0..256.0).contains(&e), "{f:e} should be inline");
        }
    }

    #[test]
    fn boundary_values_round_trip() {
        FLOATS.into_iter().for_each(float_round_trips);
        for i in [0, 1, -1, Value::INT_MIN, Value::INT_MAX] {
            assert_eq!(Value::int(i).and_then(Value::as_int), Some(i));
        }
        for i in [Value::INT_MIN - 1, Value::INT_MAX + 1, i64::MIN, i64::MAX] {
            assert_eq!(Value::int(i), None);
        }
        for c in ['\0', 'a', '\u{d7ff}', '\u{e000}', char::MAX] {
            assert_eq!(Value::char(c).kind(), Kind::Char(c));
        }
        assert_eq!(Value::keyword(Name(u32::MAX)).kind(), Kind::Keyword(Name(u32::MAX)));
        assert_eq!(Value::symbol(Name(7)).kind(), Kind::Symbol(Name(7)));
        assert_eq!(Value::NIL.kind(), Kind::Nil);
        assert_eq!(Value::UNDEFINED.kind(), Kind::Undefined);
    }

    #[test]
    fn only_nil_and_false_are_false() {
        let all = [Value::NIL, Value::FALSE, Value::TRUE, Value::UNDEFINED, Value::char('\0')];
        assert_eq!(all.map(Value::truthy), [false, false, true, true, true]);
        assert!(Value::float(0.0).unwrap().truthy() && Value::small(0).truthy());
    }

    proptest! {
        #[test]
        fn every_float_is_exact_or_refused(bits: u64) { float_round_trips(f64::from_bits(bits)); }

        #[test]
        fn int_arithmetic_is_exact_or_refused(
            a in Value::INT_MIN..=Value::INT_MAX, b in Value::INT_MIN..=Value::INT_MAX, s in 0..60u32
        ) {
            let (a, b) = (a >> s, b >> s);
            let (x, y) = (Value::small(a), Value::small(b));
            prop_assert!(Value::both_int(x, y));
            prop_assert_eq!(Value::add_ints(x, y), Value::int(a + b));
            prop_assert_eq!(Value::sub_ints(x, y), Value::int(a - b));
            let product = i64::try_from(i128::from(a) * i128::from(b)).ok().and_then(Value::int);
            prop_assert_eq!(Value::mul_ints(x, y), product);
            prop_assert_eq!(Value::lt_ints(x, y), a < b);
            prop_assert_eq!(Value::le_ints(x, y), a <= b);
        }
    }
}
