//! Models of the deque.

use loom::thread;

use super::protocol::{Owner, Stolen, Thief, deque};

/// Steals, as often as given; a race lost counts as a try.
fn steal(thief: &Thief, tries: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    for _ in 0..tries {
        if let Stolen::Success(word) = thief.steal() {
            taken.push(word);
        }
    }
    taken
}

/// The owner pushes 1 to `count` and pops, as often as given, while the thieves steal; what is left then
/// is popped. Everything must come out once.
fn exactly_once(size: usize, count: u64, pops: usize, thieves: usize, tries: usize) {
    let (mut owner, thief) = deque(size);
    let thieves: Vec<_> = (0..thieves)
        .map(|_| {
            let thief = thief.clone();
            thread::spawn(move || steal(&thief, tries))
        })
        .collect();
    drop(thief);
    (1..=count).for_each(|word| owner.push(word));
    let mut taken: Vec<u64> = (0..pops).filter_map(|_| owner.pop()).collect();
    for thief in thieves {
        taken.extend(thief.join().unwrap());
    }
    taken.extend(rest(&mut owner));
    taken.sort_unstable();
    let all: Vec<u64> = (1..=count).collect();
    assert_eq!(taken, all, "not every element came out exactly once");
}

fn rest(owner: &mut Owner) -> Vec<u64> {
    std::iter::from_fn(|| owner.pop()).collect()
}

/// One element, two thieves and the owner's pop: one of the three gets it.
pub fn last_element() {
    exactly_once(2, 1, 1, 2, 1);
}

/// Two elements, one thief that steals twice, two pops.
pub fn two_elements() {
    exactly_once(2, 2, 2, 1, 2);
}

/// Two elements, one pop, one steal: from the store of a pop, too, a thief learns of older elements.
pub fn pop_and_steal() {
    exactly_once(2, 2, 1, 1, 1);
}

/// Two elements, two thieves, one pop.
pub fn two_thieves() {
    exactly_once(2, 2, 1, 2, 1);
}

/// A ring of one element grows twice while a thief steals: it may read an old ring, never a wrong
/// element.
pub fn growth() {
    exactly_once(1, 3, 1, 1, 2);
}
