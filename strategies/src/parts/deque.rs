//! The deques and the injector of work stealing behind one interface, so that ours and crossbeam's
//! can be compared in the same scheduler.

use std::cell::RefCell;

use crossbeam_deque as crossbeam;
use menagerie::task::TaskId;

use super::chase_lev::{self, Stolen};

/// Which deque.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DequeKind {
    /// [`chase_lev`](super::chase_lev).
    ChaseLev,
    /// `crossbeam_deque::Worker`, last in, first out.
    Crossbeam,
}

/// A stolen task, none, or a race that was lost.
pub type Steal = crossbeam::Steal<TaskId>;

/// Room before a deque grows for the first time.
const FIRST_SIZE: usize = 64;
/// The most that a batch takes at once.
const BATCH: usize = 32;

/// The owner's end.
#[derive(Debug)]
pub struct Deque(OwnerEnd);
#[derive(Debug)]
enum OwnerEnd {
    /// In a cell: pushing changes it, and thieves push what they steal into their own.
    ChaseLev(RefCell<chase_lev::Owner>),
    Crossbeam(crossbeam::Worker<TaskId>),
}

/// A thief's end.
#[derive(Debug)]
pub struct Stealer(ThiefEnd);
#[derive(Debug)]
enum ThiefEnd {
    ChaseLev(chase_lev::Thief),
    Crossbeam(crossbeam::Stealer<TaskId>),
}

impl DequeKind {
    /// A new deque.
    pub fn deque(self) -> (Deque, Stealer) {
        match self {
            DequeKind::ChaseLev => {
                let (owner, thief) = chase_lev::deque(FIRST_SIZE);
                let owner = OwnerEnd::ChaseLev(RefCell::new(owner));
                (Deque(owner), Stealer(ThiefEnd::ChaseLev(thief)))
            }
            DequeKind::Crossbeam => {
                let owner = crossbeam::Worker::new_lifo();
                let thief = ThiefEnd::Crossbeam(owner.stealer());
                (Deque(OwnerEnd::Crossbeam(owner)), Stealer(thief))
            }
        }
    }
}

impl Deque {
    /// Adds a task at the bottom.
    pub fn push(&self, task: TaskId) {
        match &self.0 {
            OwnerEnd::ChaseLev(owner) => owner.borrow_mut().push(task.bits()),
            OwnerEnd::Crossbeam(owner) => owner.push(task),
        }
    }
    /// How many tasks there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            OwnerEnd::ChaseLev(owner) => owner.borrow().len(),
            OwnerEnd::Crossbeam(owner) => owner.len(),
        }
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Takes the newest.
    pub fn pop(&self) -> Option<TaskId> {
        match &self.0 {
            OwnerEnd::ChaseLev(owner) => owner.borrow_mut().pop().map(task_of),
            OwnerEnd::Crossbeam(owner) => owner.pop(),
        }
    }
}

impl Stealer {
    /// Takes the oldest; with `batch` about half of all, of which the rest goes into `into`.
    pub fn steal(&self, into: &Deque, batch: bool) -> Steal {
        match (&self.0, &into.0) {
            (ThiefEnd::Crossbeam(thief), OwnerEnd::Crossbeam(into)) if batch => {
                thief.steal_batch_and_pop(into)
            }
            (ThiefEnd::Crossbeam(thief), _) => thief.steal(),
            (ThiefEnd::ChaseLev(thief), _) => {
                let first = outcome(thief.steal());
                if batch && first.is_success() {
                    for _ in 0..(thief.len() / 2).min(BATCH) {
                        let Stolen::Success(task) = thief.steal() else { break };
                        into.push(task_of(task));
                    }
                }
                first
            }
        }
    }
    /// Whether there is nothing to steal.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            ThiefEnd::ChaseLev(thief) => thief.is_empty(),
            ThiefEnd::Crossbeam(thief) => thief.is_empty(),
        }
    }
}

/// The deque is one of words.
fn task_of(word: u64) -> TaskId {
    TaskId::from_bits(word).expect("it was a task's")
}

fn outcome(stolen: Stolen) -> Steal {
    match stolen {
        Stolen::Success(task) => Steal::Success(task_of(task)),
        Stolen::Empty => Steal::Empty,
        Stolen::Retry => Steal::Retry,
    }
}

/// Where tasks from outside wait, first in, first out.
pub type Injector = crossbeam::Injector<TaskId>;
