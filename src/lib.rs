//! Menagerie core.

pub mod lang;
pub mod names;
