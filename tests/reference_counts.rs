//! Counting heaps free an object when its last reference goes, not at a collection.

mod common;

use std::path::Path;

use common::{How, run};
use menagerie::heap::Barrier;
use menagerie_strategies::HEAPS;

#[test]
fn n4_the_last_reference_frees_at_once() {
    let source = "
        struct Box { content }
        fn main() {
            var x = [1, 2]
            let w = weak(x)
            let alias = [x]
            x = nil
            print(w.get())
            alias[0] = nil
            print(w.get())
            var outer = Box { content: Box { content: [3] } }
            let inner = weak(outer.content.content)
            outer = nil
            print(inner.get(), heap_stats().collections)
        }";
    // `arc` keeps what a slot held until no other worker can be about to use it.
    let counting =
        HEAPS.iter().filter(|(info, _)| info.barrier == Barrier::Counting && info.name != "arc");
    let mut seen = 0;
    for (info, _) in counting {
        let outcome = run(Path::new("counts.mena"), source, &How::on(info.name));
        assert_eq!(outcome.output, "[1, 2]\nnil\nnil 0\n", "{}", info.name);
        seen += 1;
    }
    assert!(seen > 0, "no counting heap is registered");
}
