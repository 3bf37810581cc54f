//! Models of Menagerie's concurrent protocols, for loom.
//!
//! Each module below includes a protocol's *real* source by its path, and beside it a file of models: a
//! few threads, a few steps, and what must hold in every execution that the memory model of C++20
//! allows. The protocols name atomics, locks and threads as `crate::sync` only, and here that is
//! [`sync`]: loom's types.
//!
//! A model that cannot fail proves nothing. So `mutants.rs` lists patches of the sources: a fence left
//! out, an order relaxed, two steps swapped. The build script applies each to its source, and
//! [`variants`] knows the results as well as the originals. Tests require that loom finds nothing in the
//! originals and finds, in each mutant, the failure that the patch names.

pub mod sync;

/// `src/gate.rs`.
pub mod gate {
    pub mod model;
    #[path = "../../../src/gate.rs"]
    pub mod protocol;
    // Other protocols name it so.
    pub use protocol::Gate;
}
/// `src/limit.rs`.
pub mod limit {
    pub mod model;
    #[path = "../../../src/limit.rs"]
    pub mod protocol;
}
/// `src/idle.rs`.
pub mod idle {
    pub mod model;
    #[path = "../../../src/idle.rs"]
    pub mod protocol;
}
/// `src/calls.rs`.
pub mod calls {
    pub mod model;
    #[path = "../../../src/calls.rs"]
    pub mod protocol;
}
/// `src/task_word.rs`.
pub mod task_word {
    pub mod model;
    #[path = "../../../src/task_word.rs"]
    pub mod protocol;
}
/// `strategies/src/parts/chase_lev.rs`.
pub mod chase_lev {
    pub mod model;
    #[path = "../../../strategies/src/parts/chase_lev.rs"]
    pub mod protocol;
}
/// `strategies/src/parts/atomic_counts.rs`.
pub mod atomic_counts {
    pub mod model;
    #[path = "../../../strategies/src/parts/atomic_counts.rs"]
    pub mod protocol;
}
/// `strategies/src/parts/grace.rs`.
pub mod grace {
    pub mod model;
    #[path = "../../../strategies/src/parts/grace.rs"]
    pub mod protocol;
}
/// `strategies/src/parts/slot.rs`.
pub mod slot {
    pub mod model;
    #[path = "../../../strategies/src/parts/slot.rs"]
    pub mod protocol;
}
/// `strategies/src/parts/mark_word.rs`.
pub mod mark_word {
    pub mod model;
    #[path = "../../../strategies/src/parts/mark_word.rs"]
    pub mod protocol;
}
/// `strategies/src/parts/work_pool.rs`.
pub mod work_pool {
    pub mod model;
    #[path = "../../../strategies/src/parts/work_pool.rs"]
    pub mod protocol;
}
/// `strategies/src/parts/crew.rs`.
pub mod crew {
    pub mod model;
    #[path = "../../../strategies/src/parts/crew.rs"]
    pub mod protocol;
}

pub mod variants;
