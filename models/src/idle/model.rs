//! Models of workers that have nothing to run. The loop around the protocol is that of `vm/worker.rs`,
//! with a queue of numbers for the scheduler.

use std::time::Duration;

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
    /// By worker: whether a task is ready that it alone can run.
    own: [bool; 2],
    /// By worker: whether it ends when it finds nothing to run.
    leaves: [bool; 2],
    /// The clock, and the time at which it makes a task ready.
    now: u64,
    timer: Option<u64>,
    /// The time after that.
    later: Option<u64>,
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
        let mut idle = Idle::default();
        queue.iter().for_each(|_| idle.task_queued());
        let shared = UnsafeCell::new(Shared { idle, queue, ..Shared::default() });
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
    /// Runs a task that spawns so many others.
    fn slice(&self, lane: &Lane, children: usize) {
        self.with(|shared| {
            shared.idle.slice_begins();
            if shared.timer.is_some() && shared.idle.lacks_watcher() {
                shared.idle.wake_one();
            }
        });
        // Meanwhile others get the gate.
        // SAFETY: this thread holds the gate, the lane is its own.
        unsafe { self.gate.enter(lane) };
        self.gate.leave(lane);
        self.with(|shared| {
            for _ in 0..children {
                shared.queue.push(0);
                shared.idle.task_queued();
                shared.idle.wake_one();
            }
            shared.idle.slice_ends();
            shared.ran += 1;
        });
    }
    fn fire_timer(&self) {
        self.with(|shared| {
            if shared.timer.is_some_and(|due| due <= shared.now) {
                shared.timer = shared.later.take();
                shared.queue.push(0);
                shared.idle.task_queued();
                shared.idle.wake_one();
            }
        });
    }
    fn work(&self, me: usize) {
        let lane = Lane::default();
        self.gate.lock();
        while self.with(|shared| shared.endings == 0) {
            self.fire_timer();
            let own = self.with(|shared| std::mem::take(&mut shared.own[me]));
            let next = if own { Some(0) } else { self.with(|shared| shared.queue.pop()) };
            if let Some(children) = next {
                self.slice(&lane, children);
            } else if self.with(|shared| shared.leaves[me] && shared.idle.may_leave()) {
                break;
            } else if self.with(|shared| shared.timer.is_none() && shared.idle.nothing_runs()) {
                self.with(|shared| {
                    shared.endings += 1;
                    shared.idle.wake_all();
                });
            } else {
                let watches = self.with(|shared| {
                    shared.timer.filter(|&due| shared.idle.watch(me, due)).is_some()
                });
                // Time passes while the watcher sleeps.
                let wait = watches.then_some(Duration::ZERO);
                self.with(|shared| shared.now += u64::from(watches));
                // SAFETY: this thread holds the gate and keeps no reference.
                unsafe { Idle::sleep(&self.gate, me, wait, || self.idle()) };
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
    world.with(|shared| {
        shared.idle.task_queued();
        shared.idle.slice_begins();
    });
    let outside = {
        let world = world.clone();
        thread::spawn(move || {
            world.gate.lock();
            world.with(|shared| {
                shared.queue.push(0);
                shared.idle.task_queued();
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

/// Two workers; the first one's task makes one ready that the second alone can run: nobody reports the end
/// while the second is on its way to it.
pub fn own_task() {
    let world = World::new(vec![]);
    world.with(|shared| {
        shared.idle.task_queued();
        shared.own[0] = true;
    });
    let second = {
        let world = world.clone();
        thread::spawn(move || world.work(1))
    };
    // The first worker: its task, and what that makes ready.
    world.gate.lock();
    world.with(|shared| {
        assert!(std::mem::take(&mut shared.own[0]));
        shared.idle.slice_begins();
        shared.own[1] = true;
        shared.idle.task_queued();
        shared.idle.wake(1);
        shared.idle.slice_ends();
        shared.ran += 1;
    });
    // SAFETY: taken above.
    unsafe { world.gate.unlock() };
    world.work(0);
    second.join().unwrap();
    world.with(|shared| {
        assert_eq!(shared.ran, 2, "the end was reported before all tasks had run");
        assert_eq!(shared.endings, 1, "the end was reported twice");
    });
}

/// Two workers, of which the second ends when it finds nothing to run: somebody is left to report the end.
pub fn leave() {
    let world = World::new(vec![0, 0]);
    world.with(|shared| shared.leaves[1] = true);
    World::run(&world, 2, 2);
}

/// Two workers and two timers, one after the other, for which one worker at a time is the watcher: both tasks
/// run, whoever is woken for what.
pub fn timer() {
    let world = World::new(vec![0]);
    world.with(|shared| (shared.timer, shared.later) = (Some(1), Some(2)));
    World::run(&world, 2, 3);
}
