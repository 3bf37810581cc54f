//! Model of marks that share a word.

use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use loom::thread;

use super::protocol::set;
use crate::sync::Arc;

/// Each of two threads marks an object of its own and one that both find: no mark is lost, and one of the
/// two is to scan the common one.
pub fn neighbours() {
    let word = Arc::new(AtomicU64::new(0));
    let mark = |own: u64| {
        let word = word.clone();
        move || (set(&word, own), set(&word, 0b001))
    };
    let other = thread::spawn(mark(0b010));
    let (own, common) = mark(0b100)();
    let (others_own, others_common) = other.join().unwrap();
    assert_eq!(word.load(Relaxed), 0b111, "a mark was lost");
    assert!(own && others_own, "an object is never scanned");
    assert!(common != others_common, "not exactly one thread scans the common object");
}
