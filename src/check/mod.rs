//! What proves heaps and schedulers right, and what tests need to run without them.

pub mod test_heap;
