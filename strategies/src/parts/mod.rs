//! Shared parts that heaps compose: the raw memory lives here.

pub mod atomic_counts;
pub mod blocks;
pub mod bump;
pub mod bytes;
pub mod cells;
pub mod chase_lev;
pub mod copy;
pub mod counts;
pub mod crew;
pub mod deque;
pub mod grace;
pub mod mark;
pub mod mark_bits;
pub mod mark_word;
pub mod memory;
pub mod objects;
pub mod phases;
pub mod pinned;
pub mod regions;
pub mod size_class;
pub mod sizing;
pub mod slot;
pub mod trial_deletion;
pub mod work_pool;
