//! Models of the limit word, with the gate as it is.

use loom::cell::UnsafeCell;
use loom::thread;

use super::protocol::Limit;
use crate::gate::protocol::{Gate, Lane};
use crate::sync::Arc;

/// A worker's interpreter, as others see it, and what the gate guards.
struct World {
    gate: Gate,
    lane: Lane,
    limit: Limit,
    /// The task's registers: the worker's in fast code.
    registers: UnsafeCell<u32>,
    ending: UnsafeCell<bool>,
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for World {}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World {
            gate: Gate::default(),
            lane: Lane::default(),
            limit: Limit::default(),
            registers: UnsafeCell::new(0),
            ending: UnsafeCell::new(false),
        })
    }
    fn touch_registers(&self) {
        // SAFETY: loom fails the model when another thread accesses the cell meanwhile.
        self.registers.with_mut(|value| unsafe { *value += 1 });
    }
    fn ends(&self) -> bool {
        // SAFETY: as above.
        self.ending.with(|ending| unsafe { *ending })
    }
    /// Holds the gate.
    fn cold(&self, f: impl FnOnce()) {
        self.gate.lock();
        f();
        // SAFETY: taken above.
        unsafe { self.gate.unlock() };
    }
    /// A worker whose task never ends by itself, under a scheduler without quantum: only the end of the
    /// program stops it.
    fn work(&self) {
        self.cold(|| {
            while !self.ends() {
                self.limit.start(u64::MAX);
                while !self.limit.reached(1) {
                    // SAFETY: this thread holds the gate, the lane is its own.
                    unsafe { self.gate.enter(&self.lane) };
                    while !self.limit.reached(1) {
                        thread::yield_now();
                    }
                    self.touch_registers();
                    self.gate.leave(&self.lane);
                }
                assert!(self.ends(), "a slice has ended that had not used up its quantum");
            }
        });
    }
    /// Stops the world for a moment: a collection, or figures of memory.
    fn stop(&self) {
        self.cold(|| {
            self.limit.request();
            self.gate.await_stopped(&self.lane);
            self.touch_registers();
            self.limit.resume();
        });
    }
    /// The program ends.
    fn finish(&self) {
        self.cold(|| {
            // SAFETY: as above.
            self.ending.with_mut(|ending| unsafe { *ending = true });
            self.limit.end();
        });
    }
}

/// One worker in a slice without end, one that stops the world, one that ends the program, in any order:
/// the stopper is alone with the registers, a stop does not end the slice, and the end is not lost.
pub fn end_and_stop() {
    let world = World::new();
    let threads = [World::work, World::stop].map(|role| {
        let world = world.clone();
        thread::spawn(move || role(&world))
    });
    world.finish();
    for thread in threads {
        thread.join().unwrap();
    }
}
