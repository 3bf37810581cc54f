//! Models of the gate.

use loom::cell::UnsafeCell;
use loom::thread;

use super::protocol::{Gate, Lane};
use crate::sync::Arc;

const WORKERS: usize = 2;

/// A gate, and what it guards.
struct World {
    gate: Gate,
    lanes: [Lane; WORKERS],
    /// What a worker changes in fast code: its registers. Whoever stops the world may change them too.
    registers: [UnsafeCell<u32>; WORKERS],
    /// What is touched in cold only.
    shared: UnsafeCell<u32>,
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for World {}

fn add(cell: &UnsafeCell<u32>) {
    // SAFETY: loom fails the model when another thread accesses the cell meanwhile.
    cell.with_mut(|value| unsafe { *value += 1 });
}

/// A worker: waiting to cold to fast and back, and two slow paths on the way.
fn work(world: &World, me: usize, slow_paths: usize) {
    world.gate.lock();
    for _ in 0..slow_paths {
        add(&world.shared);
        // SAFETY: this thread holds the gate, the lane is its own.
        unsafe { world.gate.enter(&world.lanes[me]) };
        add(&world.registers[me]);
        world.gate.leave(&world.lanes[me]);
    }
    add(&world.shared);
    // SAFETY: this thread holds the gate.
    unsafe { world.gate.unlock() };
}

/// Two workers go in and out of fast code while a third thread stops the world: it is alone with
/// everybody's registers, no two threads are in cold, and nothing anybody wrote is lost.
pub fn stop() {
    let world = Arc::new(World {
        gate: Gate::default(),
        lanes: Default::default(),
        registers: [UnsafeCell::new(0), UnsafeCell::new(0)],
        shared: UnsafeCell::new(0),
    });
    let workers: Vec<_> = (0..WORKERS)
        .map(|me| {
            let world = world.clone();
            thread::spawn(move || work(&world, me, 1))
        })
        .collect();
    world.gate.lock();
    for lane in &world.lanes {
        world.gate.await_stopped(lane);
    }
    world.registers.iter().for_each(add);
    add(&world.shared);
    // SAFETY: this thread holds the gate.
    unsafe { world.gate.unlock() };
    for worker in workers {
        worker.join().unwrap();
    }
    // SAFETY: as in `add`.
    let read = |cell: &UnsafeCell<u32>| cell.with(|value| unsafe { *value });
    assert!(world.registers.iter().all(|cell| read(cell) == 2), "a write to a register is lost");
    assert_eq!(read(&world.shared), 5, "a write in cold is lost");
}
