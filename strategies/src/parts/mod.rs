//! Shared parts that heaps compose: the raw memory lives here.

pub mod blocks;
pub mod bump;
pub mod copy;
pub mod mark;
pub mod mark_bits;
pub mod memory;
pub mod objects;
pub mod phases;
pub mod size_class;
