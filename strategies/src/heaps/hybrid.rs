//! `hybrid`: the regions of arena.rs over reference counting.
//!
//! What a task allocates inside of `arena { }` is not counted and goes at once; what lives longer is
//! counted and goes at its last reference, cycles by trial deletion. With escape analysis before it, a
//! run has all four: objects that are no objects, regions, counts, and the search for cycles.
//!
//! ```text
//!   region:  [x]──►[y]                 not counted, freed together
//!             │
//!             ▼ counted once
//!   rc heap: [count 1][header][slots]  freed at the last reference
//! ```
//!
//! Invariants: those of arena.rs and rc.rs, and
//! - I1. A word that refers into a region is never counted, wherever it is; a word in a region that
//!   refers to a counted object is, until the region ends.
//!
//! Costs: arena.rs's, rc.rs's, and one compare for each register or slot that is overwritten. Leaving a
//! region visits its objects if one of them may hold a counted reference.
//! Source: the policy of the Nevermind runtime: count, collect cycles, analyse escapes, and use arenas,
//! in one manager. Departs from it in that a region's objects may escape.

use menagerie::heap::{Heap, HeapInfo};

use super::arena::{Arena, Parent, REGIONS};
use super::rc::Rc;

impl Parent for Rc {
    const ARENA: HeapInfo = HeapInfo {
        name: "hybrid",
        summary: "regions for arena blocks over reference counting, promotion of what escapes",
        parameters: &[
            REGIONS,
            <Rc>::INFO.parameters[0],
            <Rc>::INFO.parameters[1],
            <Rc>::INFO.parameters[2],
            <Rc>::INFO.parameters[3],
        ],
        // Region objects are not counted.
        prefix_words: 0,
        ..<Rc>::INFO
    };
}

/// Regions over reference counting.
pub type Hybrid = Arena<Rc>;
