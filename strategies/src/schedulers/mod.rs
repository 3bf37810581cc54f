//! One file per scheduler.

pub mod green;
