//! Models of threads that mark a small graph together.

use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use loom::thread;

use super::protocol::WorkPool;
use crate::mark_word::protocol::set;
use crate::sync::Arc;

/// Objects by number, and what they refer to: two ways lead to the last one.
const GRAPH: [&[usize]; 5] = [&[1, 2], &[3], &[3, 4], &[], &[]];

struct World {
    pool: WorkPool<usize>,
    marks: AtomicU64,
    scanned: [AtomicU32; GRAPH.len()],
}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World {
            pool: WorkPool::new(vec![0]),
            marks: AtomicU64::new(1),
            scanned: std::array::from_fn(|_| AtomicU32::new(0)),
        })
    }
    /// What mark.rs does, object by object.
    fn work(&self) {
        let mut seat = self.pool.enter();
        let mut stack = Vec::new();
        while seat.take(&mut stack) {
            while let Some(object) = stack.pop() {
                self.scanned[object].fetch_add(1, Relaxed);
                let found = GRAPH[object].iter().filter(|&&o| set(&self.marks, 1 << o));
                stack.extend(found);
                if seat.is_wanted() {
                    seat.give(&mut stack);
                }
            }
        }
        // Whoever hears of the end may rely on it (the lock orders what was done before).
        let missing = self.scanned.iter().position(|n| n.load(Relaxed) == 0);
        assert_eq!(missing, None, "the end came before this object was scanned");
    }
    fn run(helpers: usize) {
        let world = World::new();
        let helper = |_| {
            let world = world.clone();
            thread::spawn(move || world.work())
        };
        let helpers: Vec<_> = (0..helpers).map(helper).collect();
        world.work();
        for helper in helpers {
            helper.join().unwrap();
        }
        assert!(world.scanned.iter().all(|n| n.load(Relaxed) == 1), "scanned twice");
    }
}

/// Two threads.
pub fn two_threads() {
    World::run(1);
}

/// Three threads: two of them can wait for the third.
pub fn three_threads() {
    World::run(2);
}

/// A thread that unwinds in the middle of its work does not keep the other from ending.
pub fn unwinding() {
    let pool = Arc::new(WorkPool::new(vec![1, 2]));
    let other = {
        let pool = pool.clone();
        thread::spawn(move || {
            let mut seat = pool.enter();
            let mut stack = Vec::new();
            // Dropped with its work, without having heard of the end.
            seat.take(&mut stack);
        })
    };
    let mut seat = pool.enter();
    let mut stack = Vec::new();
    while seat.take(&mut stack) {
        stack.clear();
    }
    other.join().unwrap();
}
