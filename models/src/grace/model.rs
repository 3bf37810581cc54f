//! Models of grace periods: what a slot held is freed when no reader can be about to use it.

use loom::cell::UnsafeCell;
use loom::thread;

use super::protocol::{Grace, Member};
use crate::atomic_counts::protocol::AtomicCount;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};
use crate::sync::{Arc, pause};

/// What a slot holds: nothing, or the object.
const NIL: u64 = 0;
const OBJECT: u64 = 1;

/// A slot, and the one object.
struct World {
    grace: Grace,
    slot: AtomicU64,
    count: AtomicCount,
    freed: UnsafeCell<u32>,
}

// SAFETY: loom's cells check every access.
unsafe impl Sync for World {}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World {
            grace: Grace::default(),
            slot: AtomicU64::new(OBJECT),
            count: AtomicCount::new(1),
            freed: UnsafeCell::new(0),
        })
    }
    fn read(&self) {
        // SAFETY: loom fails the model when another thread writes the cell meanwhile.
        let freed = self.freed.with(|freed| unsafe { *freed });
        assert_eq!(freed, 0, "an object is used after it was freed");
    }
    fn drop_reference(&self) {
        if self.count.decrement() {
            self.free();
        }
    }
    fn free(&self) {
        // SAFETY: loom fails the model when another thread accesses the cell meanwhile.
        self.freed.with_mut(|freed| unsafe { *freed += 1 });
    }
    /// Waits for a ticket's grace period, as a worker that goes on running.
    fn wait(&self, member: &mut Member, ticket: u64) {
        let mut turns = 0;
        while self.grace.over() < ticket {
            member.quiescent();
            member.advance();
            pause(&mut turns);
        }
    }
    fn assert_freed(&self) {
        // SAFETY: as in `read`.
        let freed = self.freed.with(|freed| unsafe { *freed });
        assert_eq!(freed, 1, "not freed exactly once");
    }
}

/// A reader takes the object out of the slot and counts it if it is asked to; else it only looks. A
/// writer overwrites the slot meanwhile, and drops the reference when the grace period is over; or
/// frees at once what nobody counts.
fn load_or_free(counts: bool) {
    let world = World::new();
    let (mut reader, mut writer) = (world.grace.member(), world.grace.member());
    let other = {
        let world = world.clone();
        thread::spawn(move || {
            reader.online();
            let found = world.slot.load(Acquire) == OBJECT;
            if found {
                world.read();
                if counts {
                    world.count.increment();
                }
            }
            reader.offline();
            if found && counts {
                world.read();
                world.drop_reference();
            }
            // Offline, but still a member.
            reader
        })
    };
    writer.online();
    assert_eq!(world.slot.swap(NIL, AcqRel), OBJECT);
    writer.announce(1);
    world.wait(&mut writer, 1);
    if counts {
        world.drop_reference();
    } else {
        world.free();
    }
    writer.offline();
    other.join().unwrap();
    world.assert_freed();
}

/// The reader counts what it found, and drops it later.
pub fn load_and_count() {
    load_or_free(true);
}
/// The reader looks at what it found, and forgets it.
pub fn load_and_look() {
    load_or_free(false);
}

/// A later ticket stands for an earlier one, in whatever order they are noted.
pub fn two_tickets() {
    let world = World::new();
    let (mut reader, mut writer) = (world.grace.member(), world.grace.member());
    reader.online();
    let other = thread::spawn(move || {
        reader.quiescent();
        reader.offline();
    });
    writer.online();
    writer.announce(1);
    writer.quiescent();
    writer.announce(2);
    world.wait(&mut writer, 2);
    other.join().unwrap();
    assert_eq!(world.grace.over(), 2, "an earlier ticket covers a later one up");
}
