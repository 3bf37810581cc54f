//! Menagerie core.

pub mod builtins;
pub mod bytecode;
pub mod class;
pub mod event;
pub mod heap;
pub mod host;
pub mod ir;
pub mod lang;
pub mod names;
pub mod object;
pub mod sched;
pub mod sync;
pub mod task;
pub mod value;
pub mod world;
