//! The strategies: one file per heap, one per scheduler, and the registry.

pub mod heaps;
pub mod parts;
pub mod schedulers;
