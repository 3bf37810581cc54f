//! Models of the task word.

use loom::cell::UnsafeCell;
use loom::thread;

use super::protocol::{TaskWord, Workers};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};

const WAKERS: usize = 2;

/// One task, which waits for one event of each waker.
struct World {
    word: TaskWord,
    happened: [AtomicBool; WAKERS],
    /// How often the task stands in the queue.
    queued: Mutex<u32>,
    /// The task's memory: how many slices it had.
    slices: UnsafeCell<u32>,
    done: AtomicBool,
    /// How many of the first slices end with a yield, not with a wait.
    yields: u32,
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for World {}

impl World {
    fn push(&self) {
        let mut queued = self.queued.lock().unwrap();
        *queued += 1;
        assert_eq!(*queued, 1, "the task is queued twice");
    }
    fn pop(&self) -> bool {
        let mut queued = self.queued.lock().unwrap();
        let some = *queued > 0;
        *queued -= u32::from(some);
        some
    }
    fn wake(&self, event: usize) {
        self.happened[event].store(true, Ordering::Relaxed);
        if self.word.wake(Workers::Several) {
            self.push();
        }
    }
    /// One slice: the task ends when all has happened, and waits otherwise.
    fn run_slice(&self) {
        self.word.start(Workers::Several);
        // SAFETY: loom fails the model when another thread accesses the cell meanwhile.
        let slices = self.slices.with_mut(|slices| unsafe {
            *slices += 1;
            *slices
        });
        if self.happened.iter().all(|event| event.load(Ordering::Relaxed)) {
            assert!(!self.done.swap(true, Ordering::Relaxed), "the task has ended twice");
        } else if slices <= self.yields {
            self.word.requeue(Workers::Several);
            self.push();
        } else if !self.word.suspend(Workers::Several) {
            self.push();
        }
    }
}

/// Two wakers, two workers, a task that waits at the end of each slice: it is queued once at a time and
/// runs on one worker at a time, and after both events it gets a slice in which it sees them.
pub fn wake_or_suspend() {
    two_wakers_two_workers(0);
}

/// The task yields at the end of its first slice, and waits after that: the same holds.
pub fn wake_or_yield() {
    two_wakers_two_workers(1);
}

fn two_wakers_two_workers(yields: u32) {
    let world = Arc::new(World {
        word: TaskWord::queued(),
        happened: [AtomicBool::new(false), AtomicBool::new(false)],
        queued: Mutex::new(1),
        slices: UnsafeCell::new(0),
        done: AtomicBool::new(false),
        yields,
    });
    let mut threads: Vec<_> = (0..WAKERS)
        .map(|event| {
            let world = world.clone();
            thread::spawn(move || world.wake(event))
        })
        .collect();
    let worker = world.clone();
    threads.push(thread::spawn(move || {
        if worker.pop() {
            worker.run_slice();
        }
    }));
    if world.pop() {
        world.run_slice();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    // What is queued now is run to its end: a wake-up that was lost shows as a task that is not done.
    while world.pop() {
        world.run_slice();
    }
    assert!(world.done.load(Ordering::Relaxed), "a wake-up was lost");
}
