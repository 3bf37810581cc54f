//! Holds the compiler to what it says of lifetimes (rule R7): when a frame or a region ends, the
//! oracle destroys the objects that were said to end with it. Whoever uses one afterwards reads
//! undefined words, and the run breaks off.

use crate::ir::{Inst, Lifetime};
use crate::object::Obj;
use crate::value::Value;

/// The local objects of one frame.
#[derive(Debug, Default)]
pub(super) struct Locals {
    of_frame: Vec<Obj>,
    /// By open region, innermost last.
    of_regions: Vec<Vec<Obj>>,
}

impl Locals {
    /// The instruction has made `value`.
    pub(super) fn note(&mut self, inst: &Inst, value: Value) {
        if inst.lifetime == Lifetime::Heap {
            return;
        }
        let object = value.as_object().expect("an allocation gives an object (R7)");
        match inst.lifetime {
            Lifetime::Region => {
                self.of_regions.last_mut().expect("a region is open (R7)").push(object);
            }
            _ => self.of_frame.push(object),
        }
    }

    /// Opens a region; its token.
    pub(super) fn enter(&mut self) -> Value {
        self.of_regions.push(Vec::new());
        Value::small(self.of_regions.len() as i64 - 1)
    }

    /// Closes a region, and those that were opened in it and that an error has left.
    pub(super) fn leave(&mut self, region: Value) {
        let depth = region.as_int().expect("a region's token") as usize;
        self.of_regions.drain(depth..).flatten().for_each(destroy);
    }

    /// The frame is gone.
    pub(super) fn end_frame(&mut self) {
        self.of_regions.drain(..).flatten().for_each(destroy);
        self.of_frame.drain(..).for_each(destroy);
    }
}

fn destroy(object: Obj) {
    (0..object.traced_slots()).for_each(|slot| object.set_slot(slot, Value::UNDEFINED));
}
