//! Menagerie core.

pub mod class;
pub mod ir;
pub mod lang;
pub mod names;
