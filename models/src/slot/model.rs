//! Models of the slot.

use loom::cell::UnsafeCell;
use loom::thread;

use super::protocol::Slot;
use crate::sync::Arc;

const TASKS: usize = 2;

struct World {
    slot: Slot,
    /// The tasks' memory: how often each has run.
    runs: [UnsafeCell<u32>; TASKS],
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for World {}

impl World {
    /// Uses the memory of a task, before it is put in or after it came out.
    fn touch(&self, task: u64) {
        // SAFETY: loom fails the model when another thread accesses the cell meanwhile.
        self.runs[task as usize - 1].with_mut(|runs| unsafe { *runs += 1 });
    }
}

/// The owner puts two tasks in and takes one back while a thief takes one: each comes out once, with its
/// memory.
pub fn put_or_take() {
    let world =
        Arc::new(World { slot: Slot::default(), runs: [UnsafeCell::new(0), UnsafeCell::new(0)] });
    let thief = {
        let world = world.clone();
        thread::spawn(move || {
            let task = world.slot.take();
            task.inspect(|&task| world.touch(task))
        })
    };
    let mut taken = Vec::new();
    for task in 1..=TASKS as u64 {
        world.touch(task);
        taken.extend(world.slot.put(task).inspect(|&task| world.touch(task)));
    }
    taken.extend(world.slot.take().inspect(|&task| world.touch(task)));
    taken.extend(thief.join().unwrap());
    taken.sort_unstable();
    assert_eq!(taken, [1, 2], "not every task came out exactly once");
    assert!(world.slot.is_empty());
}
