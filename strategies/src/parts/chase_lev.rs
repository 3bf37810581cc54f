//! The Chase–Lev deque: its owner pushes and pops at the bottom, thieves steal at the top.
//!
//! ```text
//!   top ──► [ t1 t3 t5 t8 ] ◄── bottom          elements top..bottom of a ring, by index modulo size
//!  steal: top + 1 by CAS         push, pop: the owner alone, a CAS only for the last element
//! ```
//!
//! Elements are words (task numbers), so a thief that reads one which the owner overwrites at that very
//! moment reads a wrong word, not a torn one, and its CAS on `top` then fails.
//!
//! Invariants
//! - C1. `top` only grows; who moves it past an element owns that element.
//! - C2. The owner takes the last element with the CAS that a thief would use, so one of them gets it.
//! - C3. A full ring is copied into one of twice the size. The old one stays allocated as long as the
//!   deque: a thief may still read it. (All old rings together are smaller than the current one.)
//!
//! Memory order after Lê, Pop, Cohen, Zappa Nardelli (PPoPP 2013): `pop` needs a sequentially
//! consistent fence between its store to `bottom` and its load of `top`, `steal` one between its loads
//! of `top` and `bottom`. The model of this file kills the variants without them.

use std::sync::PoisonError;

use crate::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, Ordering, fence};
use crate::sync::{Arc, Mutex};

/// What an attempt to steal gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stolen {
    /// An element.
    Success(u64),
    /// There was none.
    Empty,
    /// Somebody else took it.
    Retry,
}

#[derive(Debug)]
struct Ring {
    words: Box<[AtomicU64]>,
}

impl Ring {
    fn new(size: usize) -> Box<Ring> {
        Box::new(Ring { words: (0..size).map(|_| AtomicU64::new(0)).collect() })
    }
    fn at(&self, i: i64) -> &AtomicU64 {
        &self.words[i as usize & (self.words.len() - 1)]
    }
}

#[derive(Debug)]
struct Inner {
    top: AtomicI64,
    bottom: AtomicI64,
    /// The current ring: the last of `rings`.
    ring: AtomicPtr<Ring>,
    /// All rings so far (C3). Only the owner adds to it.
    #[allow(clippy::vec_box, reason = "thieves hold the rings' addresses")]
    rings: Mutex<Vec<Box<Ring>>>,
}

impl Inner {
    fn ring(&self, order: Ordering) -> &Ring {
        // SAFETY: `rings` owns it for as long as the deque lives (C3).
        unsafe { &*self.ring.load(order) }
    }
    fn add_ring(&self, ring: Box<Ring>) {
        let address = std::ptr::from_ref(&*ring).cast_mut();
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).push(ring);
        // Release: a thief that sees the ring sees the elements in it.
        self.ring.store(address, Ordering::Release);
    }
    fn len(&self) -> i64 {
        let (bottom, top) = (self.bottom.load(Ordering::Acquire), self.top.load(Ordering::Acquire));
        bottom - top
    }
}

/// The owner's end: one thread at a time.
#[derive(Debug)]
pub struct Owner(Arc<Inner>);

/// A thief's end: any number of threads.
#[derive(Clone, Debug)]
pub struct Thief(Arc<Inner>);

/// A new deque with room for `size` elements before it grows, a power of two.
pub fn deque(size: usize) -> (Owner, Thief) {
    assert!(size.is_power_of_two());
    let inner = Arc::new(Inner {
        top: AtomicI64::new(0),
        bottom: AtomicI64::new(0),
        ring: AtomicPtr::new(std::ptr::null_mut()),
        rings: Mutex::default(),
    });
    inner.add_ring(Ring::new(size));
    (Owner(inner.clone()), Thief(inner))
}

impl Owner {
    /// Adds an element at the bottom.
    pub fn push(&mut self, word: u64) {
        let inner = &*self.0;
        let bottom = inner.bottom.load(Ordering::Relaxed);
        let top = inner.top.load(Ordering::Acquire);
        let mut ring = inner.ring(Ordering::Relaxed);
        if bottom - top >= ring.words.len() as i64 {
            let larger = Ring::new(ring.words.len() * 2);
            for i in top..bottom {
                larger.at(i).store(ring.at(i).load(Ordering::Relaxed), Ordering::Relaxed);
            }
            inner.add_ring(larger);
            ring = inner.ring(Ordering::Relaxed);
        }
        ring.at(bottom).store(word, Ordering::Relaxed);
        // The element before the count: a thief that sees the one sees the other.
        inner.bottom.store(bottom + 1, Ordering::Release);
    }
    /// Takes the element at the bottom: the newest.
    pub fn pop(&mut self) -> Option<u64> {
        let inner = &*self.0;
        let bottom = inner.bottom.load(Ordering::Relaxed) - 1;
        // Release, as in `push`: a thief may learn of older elements from this store. (A store of the same
        // thread that is not a release does not carry on what an earlier one has released.)
        inner.bottom.store(bottom, Ordering::Release);
        // A thief that does not see the store above has read `top` before us (C2).
        fence(Ordering::SeqCst);
        let top = inner.top.load(Ordering::Relaxed);
        if top > bottom {
            inner.bottom.store(bottom + 1, Ordering::Relaxed);
            return None;
        }
        let word = inner.ring(Ordering::Relaxed).at(bottom).load(Ordering::Relaxed);
        if top < bottom {
            return Some(word);
        }
        let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
        let ours = inner.top.compare_exchange(top, top + 1, success, failure).is_ok();
        inner.bottom.store(bottom + 1, Ordering::Relaxed);
        ours.then_some(word)
    }
    /// How many elements there are; thieves may take some meanwhile.
    pub fn len(&self) -> usize {
        self.0.len().max(0) as usize
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Thief {
    /// Takes the element at the top: the oldest.
    pub fn steal(&self) -> Stolen {
        let inner = &*self.0;
        let top = inner.top.load(Ordering::Acquire);
        // Either the owner's `pop` sees this thief's CAS, or this load sees its store (C2).
        fence(Ordering::SeqCst);
        let bottom = inner.bottom.load(Ordering::Acquire);
        if top >= bottom {
            return Stolen::Empty;
        }
        let word = inner.ring(Ordering::Acquire).at(top).load(Ordering::Relaxed);
        let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
        match inner.top.compare_exchange(top, top + 1, success, failure) {
            Ok(_) => Stolen::Success(word),
            Err(_) => Stolen::Retry,
        }
    }
    /// How many elements there are, at some time during the call.
    pub fn len(&self) -> usize {
        self.0.len().max(0) as usize
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
