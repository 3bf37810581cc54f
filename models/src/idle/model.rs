//! Models of workers that have nothing to run. The loop around the protocol is that of `vm/worker.rs`,
//! with a queue of numbers for the scheduler.

use loom::cell::UnsafeCell;
use loom::thread;

use super::protocol::Idle;
use crate::gate::protocol::{Gate, Lane};
use crate::sync::Arc;

/// What the gate guards.
#[derive(Default)]
struct Shared {
    idle: Idle,
    /// Ready tasks, each as the number of children it will spawn.
    queue: Vec<usize>,
    ran: usize,
    endings: usize,
}

struct World {
    gate: Gate,
    shared: UnsafeCell<Shared>,
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for World {}

impl World {
    fn new(queue: Vec<usize>) -> Arc<World> {
        let shared = UnsafeCell::new(Shared { queue, ..Shared::default() });
        Arc::new(World { gate: Gate::default(), shared })
    }
    /// The gate is held.
    fn with<T>(&self, f: impl FnOnce(&mut Shared) -> T) -> T {
        // SAFETY: loom fails the model when another thread accesses the cell meanwhile.
        self.shared.with_mut(|shared| f(unsafe { &mut *shared }))
    }
    #[allow(clippy::mut_from_ref, reason = "one thread at a time, by the gate")]
    fn idle(&self) -> &mut Idle {
        // SAFETY: as above; `Idle::sleep` uses the reference before it gives the gate up, and asks again.
        self.shared.with_mut(|shared| unsafe { &mut (*shared).idle })
    }
    fn work(&self, me: usize) {
        let lane = Lane::default();
        self.gate.lock();
        while self.with(|shared| shared.endings == 0) {
            if let Some(children) = self.with(|shared| shared.queue.pop()) {
                self.with(|shared| shared.idle.slice_begins());
                // Meanwhile others get the gate.
                // SAFETY: this thread holds the gate, the lane is its own.
                unsafe { self.gate.enter(&lane) };
                self.gate.leave(&lane);
                self.with(|shared| {
                    for _ in 0..children {
                        shared.queue.push(0);
                        shared.idle.wake_one();
                    }
                    shared.idle.slice_ends();
                    shared.ran += 1;
                });
            } else if self.with(|shared| shared.idle.nobody_runs()) {
                self.with(|shared| {
                    shared.endings += 1;
                    shared.idle.wake_all();
                });
            } else {
                // SAFETY: this thread holds the gate and keeps no reference.
                unsafe { Idle::sleep(&self.gate, me, None, || self.idle()) };
                let listed = self.with(|shared| shared.idle.wake(me));
                assert!(!listed, "a worker that is awake is on the list of sleepers");
            }
        }
        // SAFETY: this thread holds the gate.
        unsafe { self.gate.unlock() };
    }
    fn run(world: &Arc<World>, workers: usize, tasks: usize) {
        let others: Vec<_> = (1..workers)
            .map(|me| {
                let world = world.clone();
                thread::spawn(move || world.work(me))
            })
            .collect();
        world.work(0);
        for other in others {
            other.join().unwrap();
        }
        world.with(|shared| {
            assert_eq!(shared.ran, tasks, "the end was reported before all tasks had run");
            assert_eq!(shared.endings, 1, "the end was reported twice");
        });
    }
}

/// Two workers, a task that spawns another: the end is reported once, after both tasks, and nobody sleeps
/// through it.
pub fn end() {
    World::run(&World::new(vec![1]), 2, 2);
}

/// Two workers, and a third thread that makes a task ready from outside while they look for work: no
/// worker sleeps while the task is queued.
pub fn push_or_sleep() {
    let world = World::new(vec![]);
    // Stands for a slice that a thread of its own runs: nobody may report the end before it is over.
    world.with(|shared| shared.idle.slice_begins());
    let outside = {
        let world = world.clone();
        thread::spawn(move || {
            world.gate.lock();
            world.with(|shared| {
                shared.queue.push(0);
                shared.idle.wake_one();
                shared.idle.slice_ends();
            });
            // SAFETY: taken above.
            unsafe { world.gate.unlock() };
        })
    };
    World::run(&world, 2, 1);
    outside.join().unwrap();
}
