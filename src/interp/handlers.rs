//! The fast bodies: one function per op, named in the op table.
//!
//! Each body is `unsafe fn(w, &mut St) -> R`, inlined into both engines. `T` says which engine: the
//! tail engine loads operands as bytes behind pc, the loop cuts them out of the word (each is the
//! faster one there). Contract of all of them (E1–E3): the state is that of verified code, no side
//! effect comes before the last check, and nothing here is a call that is not inlined.

#![allow(clippy::missing_safety_doc, reason = "one contract for all, stated above")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every block relies on E3 and T2 alone")]

use std::sync::atomic::Ordering::Relaxed;

use super::{FuncInfo, R, St};
use crate::class::ClassId;
use crate::heap::{Heap, LiveRegisters, Mutator, Region};
use crate::object::{Obj, ObjectKind, ObjectLayout, slots};
use crate::task::Frame;
use crate::value::Value;

macro_rules! operand {
    ($name:ident, $back:literal, $shift:literal) => {
        #[inline(always)]
        unsafe fn $name<H: Heap, const T: bool>(w: u64, s: &St<H>) -> usize {
            if T {
                unsafe { *s.pc.cast::<u8>().sub($back) as usize }
            } else {
                (w >> $shift) as u8 as usize
            }
        }
    };
}
operand!(a, 7, 8);
operand!(b, 6, 16);
operand!(c, 5, 24);

#[inline(always)]
unsafe fn d<H: Heap, const T: bool>(w: u64, s: &St<H>) -> i32 {
    if T { unsafe { *s.pc.cast::<i32>().sub(1) } } else { (w >> 32) as i32 }
}
/// `b` and `c` as one number. (A plain read: the checks that a debug build puts around
/// `read_unaligned` take the address of a local, and then LLVM makes no tail call.)
#[inline(always)]
unsafe fn wide<H: Heap, const T: bool>(w: u64, s: &St<H>) -> u16 {
    if T { unsafe { *s.pc.cast::<u16>().sub(3) } } else { (w >> 16) as u16 }
}
#[inline(always)]
unsafe fn reg<H: Heap>(s: &St<H>, i: usize) -> Value {
    unsafe { *s.base.add(i) }
}
#[inline(always)]
unsafe fn set<H: Heap>(s: &mut St<H>, i: usize, v: Value) -> R {
    unsafe { (*s.ctx).mutator.set(&mut *s.base.add(i), v) };
    R::Next
}
/// Overwrites a slot; the slow path does it when the heap needs more than a fast body may do (H5).
#[inline(always)]
unsafe fn store<H: Heap>(s: &mut St<H>, o: Obj, i: usize, v: Value) -> R {
    if unsafe { (*s.ctx).mutator.try_store(o, i, v) } { R::Next } else { R::Slow }
}
/// The object in a register if it is of this class.
#[inline(always)]
fn object_of(v: Value, class: ClassId) -> Option<Obj> {
    if v.is_object() {
        // SAFETY: just tested.
        let o = unsafe { v.object_unchecked() };
        (o.class() == class).then_some(o)
    } else {
        None
    }
}

/// The class of an object; that of nil for everything else.
#[inline(always)]
fn class_of_object(v: Value) -> ClassId {
    v.as_object().map_or(ClassId::NIL, Obj::class)
}

/// Counts a reduction; `true` when the slice's limit is used up (E4): answer `Slow`. A limit of 1 still
/// lets every slice get one poll further.
#[inline(always)]
unsafe fn poll<H: Heap>(s: &mut St<H>) -> bool {
    s.reds += 1;
    unsafe { (*s.ctx).limit.reached(s.reds) }
}

// ---- moves and constants ----

macro_rules! body {
    ($name:ident, $w:ident, $s:ident, $body:block) => {
        #[inline(always)]
        pub(super) unsafe fn $name<H: Heap, const T: bool>($w: u64, $s: &mut St<H>) -> R {
            unsafe { $body }
        }
    };
}
macro_rules! all_answer {
    ($answer:expr; $($name:ident)*) => { $(
        #[inline(always)]
        pub(super) unsafe fn $name<H: Heap, const T: bool>(_: u64, _: &mut St<H>) -> R {
            $answer
        }
    )* };
}
macro_rules! A {
    ($w:ident, $s:ident) => {
        a::<H, T>($w, $s)
    };
}
macro_rules! B {
    ($w:ident, $s:ident) => {
        b::<H, T>($w, $s)
    };
}
macro_rules! C {
    ($w:ident, $s:ident) => {
        c::<H, T>($w, $s)
    };
}
macro_rules! D {
    ($w:ident, $s:ident) => {
        d::<H, T>($w, $s)
    };
}

body!(move_, w, s, { set(s, A!(w, s), reg(s, B!(w, s))) });
body!(move_last, w, s, {
    let (to, from) = (A!(w, s), B!(w, s));
    (*s.ctx).mutator.take(&mut *s.base.add(to), &mut *s.base.add(from));
    R::Next
});
body!(load_k, w, s, { set(s, A!(w, s), *(*s.ctx).constants.add(D!(w, s) as usize)) });
body!(load_i, w, s, { set(s, A!(w, s), Value::small(i64::from(D!(w, s)))) });
body!(load_v, w, s, { set(s, A!(w, s), Value::from_bits(u64::from(D!(w, s) as u32))) });
body!(get_global, w, s, {
    let (to, global) = (A!(w, s), &*(*s.ctx).globals.add(D!(w, s) as usize));
    (*s.ctx).mutator.load_word(&mut *s.base.add(to), global);
    R::Next
});
body!(set_global, w, s, {
    let global = &*(*s.ctx).globals.add(D!(w, s) as usize);
    let v = reg(s, A!(w, s));
    if !(*s.ctx).mutator.try_escape(v) {
        return R::Slow;
    }
    (*s.ctx).mutator.store_word(global, v);
    R::Next
});
body!(get_capture, w, s, {
    // The register after the parameters holds the running closure (verified).
    let closure = reg(s, B!(w, s)).object_unchecked();
    let v = (*s.ctx).mutator.load(closure, slots::CAPTURES + C!(w, s));
    set(s, A!(w, s), v)
});
/// A new object, a local one or any.
#[inline(always)]
unsafe fn try_alloc<H: Heap, const LOCAL: bool>(
    s: &mut St<H>,
    layout: ObjectLayout,
) -> Option<Obj> {
    unsafe {
        let mutator = &mut (*s.ctx).mutator;
        if LOCAL { mutator.try_alloc_local(layout) } else { mutator.try_alloc(layout) }
    }
}
/// Fills slots of one.
#[inline(always)]
unsafe fn init_slots<H: Heap, const LOCAL: bool>(
    s: &mut St<H>,
    o: Obj,
    first: usize,
    values: &[Value],
) {
    let mutator = unsafe { &mut (*s.ctx).mutator };
    if LOCAL {
        mutator.init_local_slots(o, first, values);
    } else {
        mutator.init_slots(o, first, values);
    }
}
#[inline(always)]
unsafe fn new_cell<H: Heap, const LOCAL: bool>(s: &mut St<H>, to: usize, v: Value) -> R {
    unsafe {
        let layout = ObjectLayout::new(ObjectKind::Cell, 1);
        let Some(o) = try_alloc::<H, LOCAL>(s, layout) else { return R::Slow };
        (*s.ctx).mutator.init(o, slots::CELL, v);
        set(s, to, Value::object(o))
    }
}
body!(cell_new, w, s, { new_cell::<H, false>(s, A!(w, s), reg(s, B!(w, s))) });
body!(cell_new_local, w, s, { new_cell::<H, true>(s, A!(w, s), reg(s, B!(w, s))) });
// Only the compiler makes cells, and it never loses track of which values are: still checked.
body!(cell_get, w, s, {
    match object_of(reg(s, B!(w, s)), ClassId::CELL) {
        Some(o) => {
            let v = (*s.ctx).mutator.load(o, slots::CELL);
            set(s, A!(w, s), v)
        }
        None => R::Slow,
    }
});
body!(cell_set, w, s, {
    match object_of(reg(s, A!(w, s)), ClassId::CELL) {
        Some(o) => store(s, o, slots::CELL, reg(s, B!(w, s))),
        None => R::Slow,
    }
});
/// A new closure of function `f` over `count` registers from `window` on.
#[inline(always)]
unsafe fn new_closure<H: Heap, const LOCAL: bool>(
    s: &mut St<H>,
    to: usize,
    f: i32,
    window: usize,
    count: usize,
) -> R {
    unsafe {
        let layout = ObjectLayout::new(ObjectKind::Closure, count as u32 + 1);
        let Some(o) = try_alloc::<H, LOCAL>(s, layout) else { return R::Slow };
        (*s.ctx).mutator.init(o, slots::FUNC, Value::small(i64::from(f)));
        let captures = std::slice::from_raw_parts(s.base.add(window), count);
        init_slots::<H, LOCAL>(s, o, slots::CAPTURES, captures);
        set(s, to, Value::object(o))
    }
}
body!(closure, w, s, { new_closure::<H, false>(s, A!(w, s), D!(w, s), B!(w, s), C!(w, s)) });
body!(closure_local, w, s, { new_closure::<H, true>(s, A!(w, s), D!(w, s), B!(w, s), C!(w, s)) });

// ---- arithmetic ----

#[inline(always)]
fn both_float(x: Value, y: Value) -> bool {
    // The common case first: neither is a zero.
    let (t, u) = (x.bits().wrapping_add(1), y.bits().wrapping_add(1));
    (t & u & 4) | ((t | u) & 2) == 4 || (x.is_float() && y.is_float())
}
#[inline(always)]
unsafe fn set_float<H: Heap>(s: &mut St<H>, i: usize, f: f64) -> R {
    match Value::float(f) {
        Some(v) => unsafe { set(s, i, v) },
        None => R::Slow,
    }
}

macro_rules! arithmetic {
    ($name:ident, $x:ident, $y:ident, $int:expr, $float:expr) => {
        body!($name, w, s, {
            let ($x, $y) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
            if Value::both_int($x, $y) {
                match $int {
                    Some(v) => set(s, A!(w, s), v),
                    None => R::Slow,
                }
            } else if both_float($x, $y) {
                let ($x, $y) = ($x.float_unchecked(), $y.float_unchecked());
                set_float(s, A!(w, s), $float)
            } else {
                R::Slow
            }
        });
    };
}
arithmetic!(add, x, y, Value::add_ints(x, y), x + y);
arithmetic!(sub, x, y, Value::sub_ints(x, y), x - y);
arithmetic!(mul, x, y, Value::mul_ints(x, y), x * y);
arithmetic!(div, x, y, div_ints(x, y), x / y);

#[inline(always)]
fn div_ints(x: Value, y: Value) -> Option<Value> {
    let (i, j) = (x.int_unchecked(), y.int_unchecked());
    // Inline ints cannot overflow except for the minimum by -1, which then leaves 61 bits.
    if j == 0 { None } else { Value::int(i.wrapping_div(j)) }
}
#[inline(always)]
fn rem_ints(x: Value, y: Value) -> Option<Value> {
    let (i, j) = (x.int_unchecked(), y.int_unchecked());
    if j == 0 { None } else { Some(Value::small(i.wrapping_rem(j))) }
}
body!(rem, w, s, {
    let (x, y) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
    if Value::both_int(x, y) {
        match rem_ints(x, y) {
            Some(v) => set(s, A!(w, s), v),
            None => R::Slow,
        }
    } else {
        R::Slow
    }
});

macro_rules! bit_op {
    ($name:ident, $op:tt) => {
        body!($name, w, s, {
            let (x, y) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
            if Value::both_int(x, y) {
                set(s, A!(w, s), Value::small(x.int_unchecked() $op y.int_unchecked()))
            } else {
                R::Slow
            }
        });
    };
}
bit_op!(bit_and, &);
bit_op!(bit_or, |);
bit_op!(bit_xor, ^);
body!(shl, w, s, {
    let (x, y) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
    if Value::both_int(x, y) && (y.int_unchecked() as u64) < 64 {
        match Value::int(x.int_unchecked() << y.int_unchecked()) {
            Some(v) => set(s, A!(w, s), v),
            None => R::Slow,
        }
    } else {
        R::Slow
    }
});
body!(shr, w, s, {
    let (x, y) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
    if Value::both_int(x, y) && (y.int_unchecked() as u64) < 64 {
        set(s, A!(w, s), Value::small(x.int_unchecked() >> y.int_unchecked()))
    } else {
        R::Slow
    }
});
body!(shr_logical, w, s, {
    let (x, y) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
    if Value::both_int(x, y) && (y.int_unchecked() as u64) < 64 {
        match Value::int((x.int_unchecked() as u64 >> y.int_unchecked()) as i64) {
            Some(v) => set(s, A!(w, s), v),
            None => R::Slow,
        }
    } else {
        R::Slow
    }
});

body!(add_i, w, s, {
    let x = reg(s, B!(w, s));
    let imm = i64::from(D!(w, s));
    if x.is_int() {
        match Value::add_ints(x, Value::small(imm)) {
            Some(v) => set(s, A!(w, s), v),
            None => R::Slow,
        }
    } else if x.is_float() {
        set_float(s, A!(w, s), x.float_unchecked() + imm as f64)
    } else {
        R::Slow
    }
});
macro_rules! int_immediate {
    ($name:ident, $x:ident, $y:ident, $result:expr) => {
        body!($name, w, s, {
            let $x = reg(s, B!(w, s));
            if $x.is_int() {
                let $y = Value::small(i64::from(D!(w, s)));
                match $result {
                    Some(v) => set(s, A!(w, s), v),
                    None => R::Slow,
                }
            } else {
                R::Slow
            }
        });
    };
}
int_immediate!(mul_i, x, y, Value::mul_ints(x, y));
int_immediate!(div_i, x, y, div_ints(x, y));
int_immediate!(rem_i, x, y, rem_ints(x, y));
int_immediate!(bit_and_i, x, y, Some(Value::small(x.int_unchecked() & y.int_unchecked())));

macro_rules! fused {
    ($name:ident, $x:ident, $y:ident, $z:ident, $int:expr, $float:expr) => {
        body!($name, w, s, {
            let ($x, $y) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
            let $z = reg(s, D!(w, s) as u8 as usize);
            if both_float($x, $y) && $z.is_float() {
                let ($x, $y) = ($x.float_unchecked(), $y.float_unchecked());
                let $z = $z.float_unchecked();
                set_float(s, A!(w, s), $float)
            } else if Value::both_int($x, $y) && $z.is_int() {
                match $int {
                    Some(v) => set(s, A!(w, s), v),
                    None => R::Slow,
                }
            } else {
                R::Slow
            }
        });
    };
}
fused!(mul_add, x, y, z, Value::mul_ints(x, y).and_then(|p| Value::add_ints(p, z)), x * y + z);
fused!(mul_sub, x, y, z, Value::mul_ints(x, y).and_then(|p| Value::sub_ints(z, p)), z - x * y);

body!(neg, w, s, {
    let x = reg(s, B!(w, s));
    if x.is_float() {
        set_float(s, A!(w, s), -x.float_unchecked())
    } else if x.is_int() {
        match Value::int(-x.int_unchecked()) {
            Some(v) => set(s, A!(w, s), v),
            None => R::Slow,
        }
    } else {
        R::Slow
    }
});
body!(not, w, s, { set(s, A!(w, s), Value::bool(!reg(s, B!(w, s)).truthy())) });
body!(bit_not, w, s, {
    let x = reg(s, B!(w, s));
    if x.is_int() { set(s, A!(w, s), Value::small(!x.int_unchecked())) } else { R::Slow }
});

// ---- comparison ----

#[inline(always)]
fn lt(x: Value, y: Value) -> Option<bool> {
    if Value::both_int(x, y) {
        Some(Value::lt_ints(x, y))
    } else if both_float(x, y) {
        Some(x.float_unchecked() < y.float_unchecked())
    } else {
        None
    }
}
#[inline(always)]
fn le(x: Value, y: Value) -> Option<bool> {
    if Value::both_int(x, y) {
        Some(Value::le_ints(x, y))
    } else if both_float(x, y) {
        Some(x.float_unchecked() <= y.float_unchecked())
    } else {
        None
    }
}
/// Equality where one look at the words decides: ints, floats, other immediates, the same object
/// unless it may hold a NaN.
#[inline(always)]
fn eq(x: Value, y: Value) -> Option<bool> {
    if Value::both_int(x, y) {
        Some(x == y)
    } else if both_float(x, y) {
        Some(x.float_unchecked() == y.float_unchecked())
    } else if (x.is_object() && !is_nil_or_bool(y))
        || (y.is_object() && !is_nil_or_bool(x))
        || (x.is_int() && y.is_float())
        || (x.is_float() && y.is_int())
    {
        None
    } else {
        Some(x == y)
    }
}
#[inline(always)]
fn is_nil_or_bool(v: Value) -> bool {
    v.bits().wrapping_sub(Value::NIL.bits()) <= Value::TRUE.bits() - Value::NIL.bits()
        && v.bits() & 7 == 0
}
#[inline(always)]
fn lt_i(x: Value, i: i64) -> Option<bool> {
    if x.is_int() {
        Some(Value::lt_ints(x, Value::small(i)))
    } else if x.is_float() {
        Some(x.float_unchecked() < i as f64)
    } else {
        None
    }
}
#[inline(always)]
fn le_i(x: Value, i: i64) -> Option<bool> {
    if x.is_int() {
        Some(Value::le_ints(x, Value::small(i)))
    } else if x.is_float() {
        Some(x.float_unchecked() <= i as f64)
    } else {
        None
    }
}
#[inline(always)]
fn gt_i(x: Value, i: i64) -> Option<bool> {
    if x.is_int() {
        Some(Value::lt_ints(Value::small(i), x))
    } else if x.is_float() {
        Some(x.float_unchecked() > i as f64)
    } else {
        None
    }
}
#[inline(always)]
fn ge_i(x: Value, i: i64) -> Option<bool> {
    if x.is_int() {
        Some(Value::le_ints(Value::small(i), x))
    } else if x.is_float() {
        Some(x.float_unchecked() >= i as f64)
    } else {
        None
    }
}
#[inline(always)]
fn eq_i(x: Value, i: i64) -> Option<bool> {
    if x.is_int() {
        Some(x == Value::small(i))
    } else if x.is_float() {
        Some(x.float_unchecked() == i as f64)
    } else {
        // A boxed int is too large for a small immediate, other values are never equal to an int.
        Some(false)
    }
}

macro_rules! comparison {
    ($name:ident, $test:ident, $want:literal) => {
        body!($name, w, s, {
            match $test(reg(s, B!(w, s)), reg(s, C!(w, s))) {
                Some(t) => set(s, A!(w, s), Value::bool(t == $want)),
                None => R::Slow,
            }
        });
    };
}
comparison!(lt_op, lt, true);
comparison!(le_op, le, true);
comparison!(eq_op, eq, true);
comparison!(ne_op, eq, false);

// ---- jumps ----

/// A jump: `$test` gives `Some(taken?)` or `None` for the slow path. The backward twin polls first.
macro_rules! jump_pair {
    ($forward:ident, $backward:ident, $w:ident, $s:ident, $test:expr, $want:literal) => {
        body!($forward, $w, $s, {
            match $test {
                Some(t) => {
                    if t == $want {
                        $s.pc = $s.pc.offset(D!($w, $s) as isize);
                    }
                    R::Next
                }
                None => R::Slow,
            }
        });
        body!($backward, $w, $s, {
            match $test {
                Some(t) => {
                    if poll($s) {
                        return R::Slow;
                    }
                    if t == $want {
                        $s.pc = $s.pc.offset(D!($w, $s) as isize);
                    }
                    R::Next
                }
                None => R::Slow,
            }
        });
    };
}
macro_rules! compare_jumps {
    ($($test:ident $on:ident $on_back:ident $off:ident $off_back:ident;)*) => { $(
        jump_pair!($on, $on_back, w, s, $test(reg(s, A!(w, s)), reg(s, B!(w, s))), true);
        jump_pair!($off, $off_back, w, s, $test(reg(s, A!(w, s)), reg(s, B!(w, s))), false);
    )* };
}
macro_rules! immediate_jumps {
    ($($test:ident $on:ident $on_back:ident $off:ident $off_back:ident;)*) => { $(
        jump_pair!($on, $on_back, w, s,
            $test(reg(s, A!(w, s)), i64::from(wide::<H, T>(w, s) as i16)), true);
        jump_pair!($off, $off_back, w, s,
            $test(reg(s, A!(w, s)), i64::from(wide::<H, T>(w, s) as i16)), false);
    )* };
}
jump_pair!(jump, jump_back, w, s, Some(true), true);
jump_pair!(jump_t, jump_t_back, w, s, Some(reg(s, A!(w, s)).truthy()), true);
jump_pair!(jump_f, jump_f_back, w, s, Some(reg(s, A!(w, s)).truthy()), false);
compare_jumps! {
    lt jump_lt jump_lt_back jump_not_lt jump_not_lt_back;
    le jump_le jump_le_back jump_not_le jump_not_le_back;
    eq jump_eq jump_eq_back jump_ne jump_ne_back;
}
immediate_jumps! {
    lt_i jump_lt_i jump_lt_i_back jump_not_lt_i jump_not_lt_i_back;
    le_i jump_le_i jump_le_i_back jump_not_le_i jump_not_le_i_back;
    gt_i jump_gt_i jump_gt_i_back jump_not_gt_i jump_not_gt_i_back;
    ge_i jump_ge_i jump_ge_i_back jump_not_ge_i jump_not_ge_i_back;
    eq_i jump_eq_i jump_eq_i_back jump_ne_i jump_ne_i_back;
}
#[inline(always)]
unsafe fn is_constant<H: Heap>(s: &St<H>, v: Value, constant: u16) -> Option<bool> {
    Some(v == unsafe { *(*s.ctx).constants.add(constant as usize) })
}
jump_pair!(jump_is, jump_is_back, w, s, is_constant(s, reg(s, A!(w, s)), wide::<H, T>(w, s)), true);
jump_pair!(
    jump_is_not,
    jump_is_not_back,
    w,
    s,
    is_constant(s, reg(s, A!(w, s)), wide::<H, T>(w, s)),
    false
);

#[inline(always)]
fn is_class(v: Value, class: u16) -> Option<bool> {
    if v.is_object() {
        // SAFETY: just tested.
        Some(unsafe { v.object_unchecked() }.class() == ClassId(class))
    } else if class >= ClassId::FIRST_RECORD {
        Some(false)
    } else {
        None
    }
}
macro_rules! class_jump {
    ($name:ident, $want:literal) => {
        body!($name, w, s, {
            match is_class(reg(s, A!(w, s)), wide::<H, T>(w, s)) {
                Some(t) => {
                    if t == $want {
                        s.pc = s.pc.offset(D!(w, s) as isize);
                    }
                    R::Next
                }
                None => R::Slow,
            }
        });
    };
}
class_jump!(jump_class, true);
class_jump!(jump_not_class, false);

/// Whether there is no element at a position of a list or of a chain of cons cells.
#[inline(always)]
unsafe fn done<H: Heap>(s: &mut St<H>, source: Value, at: Value) -> Option<bool> {
    let Some(list) = object_of(source, ClassId::LIST) else {
        let cons = class_of_object(source) == ClassId::CONS;
        return cons.then(|| class_of_object(at) != ClassId::CONS);
    };
    let len = unsafe { (*s.ctx).mutator.load(list, slots::LEN) };
    Value::both_int(at, len).then(|| Value::le_ints(len, at))
}
jump_pair!(jump_done, jump_done_back, w, s, done(s, reg(s, A!(w, s)), reg(s, B!(w, s))), true);
jump_pair!(
    jump_not_done,
    jump_not_done_back,
    w,
    s,
    done(s, reg(s, A!(w, s)), reg(s, B!(w, s))),
    false
);

macro_rules! loop_op {
    ($name:ident, $test:ident) => {
        body!($name, w, s, {
            let (i, n) = (reg(s, A!(w, s)), reg(s, B!(w, s)));
            if !Value::both_int(i, n) {
                return R::Slow;
            }
            let step = Value::small(i64::from(C!(w, s) as u8 as i8));
            let Some(i) = Value::add_ints(i, step) else { return R::Slow };
            if poll(s) {
                return R::Slow;
            }
            set(s, A!(w, s), i);
            if Value::$test(i, n) {
                s.pc = s.pc.offset(D!(w, s) as isize);
            }
            R::Next
        });
    };
}
body!(switch, w, s, {
    let switches = &(*(*s.ctx).loaded).switches;
    let table = switches.get_unchecked(D!(w, s) as usize);
    let v = reg(s, A!(w, s));
    // Not an int: a number that no table has.
    let i =
        if v.is_int() { v.int_unchecked().wrapping_sub(table.min) as usize } else { usize::MAX };
    s.pc = if i < table.targets.len() { *table.targets.get_unchecked(i) } else { table.default };
    R::Next
});
loop_op!(loop_lt, lt_ints);
loop_op!(loop_le, le_ints);

// ---- calls ----

/// Enters `f` with the window at `base`: pushes a frame that returns to the current pc. The poll
/// and the one check that keeps T2 are the only ways out.
#[inline(always)]
unsafe fn enter<H: Heap>(s: &mut St<H>, f: FuncInfo, base: *mut Value) -> R {
    unsafe {
        let frame = (*s.ctx).frame_top.sub(1);
        let mut room = f.registers as usize;
        if <H::Mutator as Mutator>::COUNTS {
            room += (*s.ctx).red_zone;
        }
        if base.add(room).cast::<Frame>() > frame || poll(s) {
            return R::Slow;
        }
        *frame = Frame { pc: s.pc, base: s.base };
        (*s.ctx).frame_top = frame;
        s.pc = f.code;
        s.base = base;
        R::Next
    }
}
/// Replaces the running frame by `f`; its `count` window words start at `from`. The frame's first
/// `held` registers may hold references.
#[inline(always)]
unsafe fn replace<H: Heap>(
    s: &mut St<H>,
    f: FuncInfo,
    from: *mut Value,
    count: usize,
    held: usize,
) -> R {
    unsafe {
        if s.base.add(f.registers as usize).cast::<Frame>() > (*s.ctx).frame_top || poll(s) {
            return R::Slow;
        }
        // The window of most tail calls is the frame's start already.
        if from != s.base {
            for i in 0..count {
                (*s.ctx).mutator.take(&mut *s.base.add(i), &mut *from.add(i));
            }
        }
        if <H::Mutator as Mutator>::COUNTS && held > count {
            let rest = std::slice::from_raw_parts_mut(s.base.add(count), held - count);
            (*s.ctx).mutator.clear(rest);
        }
        s.pc = f.code;
        R::Next
    }
}
/// The function that a callable value stands for, if it takes this many arguments.
#[inline(always)]
unsafe fn callee<H: Heap>(s: &mut St<H>, v: Value, args: usize) -> Option<FuncInfo> {
    unsafe {
        let closure = object_of(v, ClassId::CLOSURE)?;
        let id = (*s.ctx).mutator.load(closure, slots::FUNC);
        let f = *(*s.ctx).funcs.add(id.int_unchecked() as usize);
        (f.params as usize == args).then_some(f)
    }
}
/// The Mena method that a site's cache holds for the class of its receiver.
#[inline(always)]
unsafe fn cached_method<H: Heap>(s: &St<H>, receiver: Value, site: i32) -> Option<FuncInfo> {
    unsafe {
        if !receiver.is_object() {
            return None;
        }
        let entry = (*(*s.ctx).sites.add(site as usize)).load(Relaxed);
        let class = u64::from(receiver.object_unchecked().class().0);
        // Bit 0 marks a builtin.
        if (entry >> 48 ^ class) | (entry & 1) != 0 {
            return None;
        }
        Some(*((entry << 16 >> 16) as *const FuncInfo))
    }
}

body!(call_direct, w, s, {
    let f = *(*s.ctx).funcs.add(D!(w, s) as usize);
    enter(s, f, s.base.add(A!(w, s)))
});
body!(call, w, s, {
    let (at, args) = (A!(w, s), B!(w, s));
    match callee(s, reg(s, at + args), args) {
        Some(f) => enter(s, f, s.base.add(at)),
        None => R::Slow,
    }
});
body!(call_method, w, s, {
    let at = A!(w, s);
    match cached_method(s, reg(s, at), D!(w, s)) {
        Some(f) => enter(s, f, s.base.add(at)),
        None => R::Builtin,
    }
});
body!(tail_call_direct, w, s, {
    let f = *(*s.ctx).funcs.add(D!(w, s) as usize);
    replace(s, f, s.base.add(A!(w, s)), B!(w, s), C!(w, s))
});
body!(tail_call, w, s, {
    let (at, args) = (A!(w, s), B!(w, s));
    match callee(s, reg(s, at + args), args) {
        // The closure moves down with its arguments.
        Some(f) => replace(s, f, s.base.add(at), args + 1, C!(w, s)),
        None => R::Slow,
    }
});
body!(tail_call_method, w, s, {
    let at = A!(w, s);
    match cached_method(s, reg(s, at), D!(w, s)) {
        Some(f) => replace(s, f, s.base.add(at), B!(w, s), C!(w, s)),
        None => R::Slow,
    }
});
#[inline(always)]
unsafe fn leave<H: Heap>(s: &mut St<H>, registers: usize) -> R {
    unsafe {
        if <H::Mutator as Mutator>::COUNTS && registers > 1 {
            let frame = std::slice::from_raw_parts_mut(s.base.add(1), registers - 1);
            (*s.ctx).mutator.clear(frame);
        }
        let frame = *(*s.ctx).frame_top;
        (*s.ctx).frame_top = (*s.ctx).frame_top.add(1);
        s.pc = frame.pc;
        s.base = frame.base;
        R::Next
    }
}
body!(return_, w, s, {
    set(s, 0, reg(s, A!(w, s)));
    leave(s, B!(w, s))
});
body!(return_v, w, s, {
    set(s, 0, Value::from_bits(u64::from(D!(w, s) as u32)));
    leave(s, B!(w, s))
});
body!(halt, _w, s, {
    super::engine::finish(&mut *s.ctx, reg(s, 0));
    R::Halt
});

// ---- objects ----

body!(get_field, w, s, {
    let v = reg(s, B!(w, s));
    if !v.is_object() {
        return R::Slow;
    }
    let o = v.object_unchecked();
    if u32::from(o.class().0) != D!(w, s) as u32 >> 16 {
        return R::Slow;
    }
    let v = (*s.ctx).mutator.load(o, C!(w, s));
    set(s, A!(w, s), v)
});
body!(set_field, w, s, {
    let v = reg(s, A!(w, s));
    if !v.is_object() {
        return R::Slow;
    }
    let o = v.object_unchecked();
    if u32::from(o.class().0) != D!(w, s) as u32 >> 16 {
        return R::Slow;
    }
    store(s, o, C!(w, s), reg(s, B!(w, s)))
});
body!(get_elem, w, s, {
    let v = reg(s, B!(w, s));
    let i = C!(w, s);
    if !v.is_object() {
        return R::Slow;
    }
    let o = v.object_unchecked();
    if o.is_raw() || i >= o.len() {
        return R::Slow;
    }
    let v = (*s.ctx).mutator.load(o, i);
    set(s, A!(w, s), v)
});
body!(tuple_field, w, s, {
    let i = C!(w, s);
    match object_of(reg(s, B!(w, s)), ClassId::TUPLE) {
        Some(o) if i < o.len() => {
            let v = (*s.ctx).mutator.load(o, i);
            set(s, A!(w, s), v)
        }
        _ => R::Slow,
    }
});
/// The element store of a list and the place in it, if the index is in bounds. The second compare
/// keeps racy programs inside the buffer (O4).
#[inline(always)]
unsafe fn list_place<H: Heap>(s: &mut St<H>, list: Value, i: Value) -> Option<(Obj, usize)> {
    unsafe {
        let list = object_of(list, ClassId::LIST)?;
        let len = (*s.ctx).mutator.load(list, slots::LEN);
        if !i.is_int() || i.bits() >= len.bits() {
            return None;
        }
        let buffer = (*s.ctx).mutator.load(list, slots::BUFFER);
        if !buffer.is_object() {
            return None;
        }
        let (buffer, i) = (buffer.object_unchecked(), i.int_unchecked() as usize);
        (i < buffer.len()).then_some((buffer, i))
    }
}
body!(index, w, s, {
    match list_place(s, reg(s, B!(w, s)), reg(s, C!(w, s))) {
        Some((buffer, i)) => {
            let v = (*s.ctx).mutator.load(buffer, i);
            set(s, A!(w, s), v)
        }
        None => R::Slow,
    }
});
body!(set_index, w, s, {
    match list_place(s, reg(s, A!(w, s)), reg(s, B!(w, s))) {
        Some((buffer, i)) => store(s, buffer, i, reg(s, C!(w, s))),
        None => R::Slow,
    }
});
/// A new object of values out of a window.
#[inline(always)]
unsafe fn construct<H: Heap, const LOCAL: bool>(
    s: &mut St<H>,
    to: usize,
    layout: ObjectLayout,
    window: usize,
) -> R {
    unsafe {
        let Some(o) = try_alloc::<H, LOCAL>(s, layout) else { return R::Slow };
        let values = std::slice::from_raw_parts(s.base.add(window), layout.len as usize);
        init_slots::<H, LOCAL>(s, o, 0, values);
        set(s, to, Value::object(o))
    }
}
body!(make_record, w, s, {
    let layout = ObjectLayout::record(ClassId(D!(w, s) as u16), C!(w, s) as u32);
    construct::<H, false>(s, A!(w, s), layout, B!(w, s))
});
body!(make_record_local, w, s, {
    let layout = ObjectLayout::record(ClassId(D!(w, s) as u16), C!(w, s) as u32);
    construct::<H, true>(s, A!(w, s), layout, B!(w, s))
});
body!(make_tuple, w, s, {
    let layout = ObjectLayout::new(ObjectKind::Tuple, C!(w, s) as u32);
    construct::<H, false>(s, A!(w, s), layout, B!(w, s))
});
body!(make_tuple_local, w, s, {
    let layout = ObjectLayout::new(ObjectKind::Tuple, C!(w, s) as u32);
    construct::<H, true>(s, A!(w, s), layout, B!(w, s))
});

// ---- iteration ----

body!(iter_start, w, s, {
    match object_of(reg(s, B!(w, s)), ClassId::LIST) {
        Some(_) => set(s, A!(w, s), Value::small(0)),
        None => R::Slow,
    }
});
body!(iter_done, w, s, {
    match done(s, reg(s, B!(w, s)), reg(s, C!(w, s))) {
        Some(t) => set(s, A!(w, s), Value::bool(t)),
        None => R::Slow,
    }
});
body!(iter_get, w, s, {
    let (source, at) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
    let (holder, i) = match list_place(s, source, at) {
        Some(place) => place,
        None => match (class_of_object(source), at.as_object()) {
            // Where `done` has put what it received.
            (ClassId::CHANNEL, Some(place)) if place.class() == ClassId::BUFFER => (place, 0),
            (ClassId::CONS, Some(cell)) if cell.class() == ClassId::CONS => (cell, slots::HEAD),
            _ => return R::Slow,
        },
    };
    let v = (*s.ctx).mutator.load(holder, i);
    set(s, A!(w, s), v)
});
body!(iter_next, w, s, {
    let (source, at) = (reg(s, B!(w, s)), reg(s, C!(w, s)));
    let next = match (class_of_object(source), at.as_object()) {
        (ClassId::LIST, None) if at.is_int() => Value::small(at.int_unchecked() + 1),
        (ClassId::CHANNEL, _) => at,
        (ClassId::CONS, Some(cell)) if cell.class() == ClassId::CONS => {
            (*s.ctx).mutator.load(cell, slots::TAIL)
        }
        _ => return R::Slow,
    };
    set(s, A!(w, s), next)
});

// ---- regions and frames ----

/// In `d` of a `RegionLeave` that the slow path has been at: the bits below say which registers live on.
pub(super) const LIVE_KNOWN: u32 = 1 << 31;

body!(region_enter, w, s, {
    match (*s.ctx).mutator.try_enter() {
        Some(region) => set(s, A!(w, s), Value::small(region.0 as i64)),
        None => R::Slow,
    }
});
body!(region_leave, w, s, {
    if <H::Mutator as Mutator>::REGIONS {
        let live = D!(w, s) as u32;
        if live & LIVE_KNOWN == 0 {
            return R::Slow;
        }
        let live = live & !LIVE_KNOWN;
        let window = std::slice::from_raw_parts(s.base, 32 - live.leading_zeros() as usize);
        let other = (*(*s.ctx).task).trace.as_ref().map_or(Value::NIL, |trace| trace.of);
        let live = LiveRegisters { window, live, other };
        let region = Region(reg(s, B!(w, s)).int_unchecked() as u64);
        if !(*s.ctx).mutator.try_leave(region, live) {
            return R::Slow;
        }
    }
    set(s, A!(w, s), reg(s, C!(w, s)))
});

body!(frame_enter, _w, s, {
    let frames = <H::Mutator as Mutator>::FRAMES;
    if frames && !(*s.ctx).mutator.try_push_frame() { R::Slow } else { R::Next }
});
body!(frame_leave, _w, s, {
    let frames = <H::Mutator as Mutator>::FRAMES;
    if frames && !(*s.ctx).mutator.try_pop_frame() { R::Slow } else { R::Next }
});

// ---- everything that is cold, or allocates in more than one step ----

all_answer! { R::Builtin; call_native }
all_answer! {
    R::Slow;
    throw spawn yield_
    get_field_any set_field_any make_list list_extend make_map map_extend make_set set_extend
    update_record make_range concat
    test_class test_tuple test_list matches list_elem list_rest
}
