//! The tables of the program that functions share: constants (each once), method sites, update
//! tables.

use std::rc::Rc;

use rustc_hash::FxHashMap as HashMap;

use super::lir::Load;
use crate::bytecode::ops::Op;
use crate::bytecode::{Constant, MethodSite, UpdateTable};
use crate::ir::{Const, FuncId};
use crate::value::Value;

/// What makes two constants the same one.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Int(i64),
    Float(u64),
    Word(u64),
    Str(Rc<str>),
    Func(FuncId),
}

/// The tables.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) constants: Vec<Constant>,
    index: HashMap<Key, u32>,
    pub(super) sites: Vec<MethodSite>,
    pub(super) updates: Vec<UpdateTable>,
}

/// The immediate value of a constant that is no number.
pub(super) fn word_of(constant: &Const) -> Option<Value> {
    match *constant {
        Const::Nil => Some(Value::NIL),
        Const::Bool(b) => Some(Value::bool(b)),
        Const::Char(c) => Some(Value::char(c)),
        Const::Keyword(name) => Some(Value::keyword(name)),
        Const::Int(_) | Const::Float(_) | Const::Str(_) | Const::Func(_) => None,
    }
}

/// The low half of an immediate value's word, when the high half is zero.
pub(super) fn half_word(constant: &Const) -> Option<i32> {
    let value = match *constant {
        Const::Int(i) => Value::int(i)?,
        Const::Float(f) => Value::float(f)?,
        _ => word_of(constant)?,
    };
    u32::try_from(value.bits()).ok().map(|word| word as i32)
}

impl Pool {
    /// The cheapest way to load a constant.
    pub(super) fn load(&mut self, constant: &Const) -> Load {
        if let Const::Int(i) = *constant
            && let Ok(d) = i32::try_from(i)
        {
            return Load { op: Op::LoadI, d };
        }
        match half_word(constant) {
            Some(d) => Load { op: Op::LoadV, d },
            None => Load { op: Op::LoadK, d: self.constant(constant) as i32 },
        }
    }

    /// The index of a constant in the table.
    pub(super) fn constant(&mut self, constant: &Const) -> u32 {
        let (key, value) = match constant {
            Const::Int(i) => (Key::Int(*i), Constant::Int(*i)),
            Const::Float(f) => (Key::Float(f.to_bits()), Constant::Float(*f)),
            Const::Str(text) => (Key::Str(text.clone()), Constant::Str(text.clone())),
            Const::Func(id) => (Key::Func(*id), Constant::Func(*id)),
            Const::Nil | Const::Bool(_) | Const::Char(_) | Const::Keyword(_) => {
                let word = word_of(constant).expect("an immediate that is no number");
                (Key::Word(word.bits()), Constant::Word(word))
            }
        };
        let next = self.constants.len() as u32;
        let index = *self.index.entry(key).or_insert(next);
        if index == next {
            self.constants.push(value);
        }
        index
    }

    /// The index of an immediate that is no number, if it fits 16 bits.
    pub(super) fn constant16(&mut self, constant: &Const) -> Option<u16> {
        word_of(constant)?;
        u16::try_from(self.constant(constant)).ok()
    }
}
