//! One file per heap.

pub mod arc;
pub mod arena;
pub mod generational;
pub mod hybrid;
pub mod mark_sweep;
pub mod nogc;
pub mod rc;
pub mod semispace;
