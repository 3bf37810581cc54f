//! The only place that names `std::sync`'s atomics and locks for concurrent protocols: `cfg(loom)`
//! and `cfg(shuttle)` builds replace them by model-checked ones.

#[cfg(loom)]
pub use loom::sync::atomic;
#[cfg(not(loom))]
pub use std::sync::atomic;
