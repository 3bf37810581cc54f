//! The heap contract. Read this first.
//!
//! A memory manager is a [`Heap`] (the shared part: spaces, marks, policy) and one [`Mutator`] per
//! worker thread (its allocation buffer and barriers). The VM is generic over the pair, so a hook
//! that a heap does not use costs nothing.
//!
//! Rules
//! - H1. Only [`Mutator::alloc_slow`], `leave`, `pin`, the poll and an explicit collection are safepoints. `load`,
//!   `store`, `set`, `take`, `clear` and what is called `try_…` never collect and never move.
//! - H2. Objects move, and tracing heaps free, only inside [`Heap::collect`], with the world
//!   stopped, and inside [`Mutator::leave`], which moves and frees what its region held; if it had no
//!   memory for that, a later `alloc_slow` does it. After each of them every object reference outside
//!   of the roots is stale.
//! - H3. Every byte counts against the limit: copy reserve, prefixes, mark tables, buffers.
//! - H4. Exhaustion is [`Oom`], after a last full collection; never an abort.
//! - H5. `set`, `take`, `clear`, `init` and what is called `try_…` contain no call. A counting heap links the
//!   dead into a list, says so through [`Mutator::pending`], and frees in [`Mutator::drain`]; a store that
//!   needs more than a list has room for fails, and is done again by the slow path.
//! - H6. Objects are born unreferenced; the first `set`, `init` or `store` adopts them.
//! - H7. A strategy never calls the interpreter.
//! - H8. A region belongs to one task, which leaves its regions in the reverse order of entering. A
//!   value that another task, or a root outside of the running task, is given is announced by
//!   `escape`, unless it goes through `store`.
//! - H9. Between [`Mutator::pin`] and the matching [`Mutator::unpin`] an object does not move, neither in a
//!   collection nor at the end of its region. Whoever pins keeps it in a root.
//! - H10. The value of a weak map's entry is alive if the map and the key are, or if it is reachable
//!   otherwise; not because of the entry alone. The slots of [`Ephemerons`] hold what `store` was given
//!   (values, counted) and what no hook has seen (keys); `weak` sets both to what they become.
//! - H11. A local object is used neither after its frame has ended (`pop_frame`, if the heap has
//!   [`Mutator::FRAMES`]) nor after the innermost region has ended that was open when it was made.
//!
//! [`Ephemerons`]: crate::object::ObjectKind::Ephemerons

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::check::erased::AnyHeap;
use crate::object::{Obj, ObjectLayout};
use crate::value::Value;

macro_rules! causes {
    ($(#[doc = $doc:literal] $variant:ident $name:literal;)*) => {
        /// Why a collection happens. The names are the CSV's and the plots'.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Cause {
            $(#[doc = $doc] $variant,)*
        }
        impl Cause {
            /// All of them, with their meaning.
            pub const TABLE: &'static [(Cause, &'static str)] = &[$((Cause::$variant, $doc)),*];
            /// Its one name, in statistics, result files and plots.
            pub fn name(self) -> &'static str {
                match self {
                    $(Cause::$variant => $name,)*
                }
            }
        }
    };
}
causes! {
    /// The allocator has no room left.
    AllocationFailure "allocation_failure";
    /// The sizer's soft limit has been reached.
    Threshold "threshold";
    /// The program called `gc()`.
    Explicit "explicit";
    /// The stress wrapper asked.
    Stress "stress";
    /// The last full collection before giving up (H4).
    LastResort "last_resort";
    /// The nursery is full: a minor collection.
    NurseryFull "nursery_full";
    /// A counting heap has gathered enough possible roots of garbage cycles.
    Candidates "candidates";
    /// A counting heap found an object dead that has a finalizer.
    Finalization "finalization";
    /// An object is to be pinned that can still move.
    Pin "pin";
}

/// How a heap reaches its limit: kept apart from collectors, so that they can be compared at
/// equal policy.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Sizer {
    /// Collect only when the limit is reached: what experiments use.
    Fixed,
    /// Collect when allocation since the last collection exceeds the larger of `min_bytes` and
    /// `(factor - 1) × live bytes`, within the limit.
    Growable {
        /// Floor of the allowance, bytes.
        min_bytes: usize,
        /// Heap size aimed at, as a multiple of the live bytes; above 1.
        factor: f64,
    },
}

impl Default for Sizer {
    fn default() -> Self {
        Sizer::Growable { min_bytes: 4 << 20, factor: 2.0 }
    }
}

impl Sizer {
    /// Bytes that may be allocated before the next collection.
    pub fn allowance(self, live_bytes: usize, limit_bytes: usize) -> usize {
        let room = limit_bytes.saturating_sub(live_bytes);
        match self {
            Sizer::Fixed => room,
            Sizer::Growable { min_bytes, factor } => {
                room.min(min_bytes.max((live_bytes as f64 * (factor - 1.0)) as usize))
            }
        }
    }
}

/// A parameter of a strategy, for the command line, the docs and the runner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// `name` in `--heap-param name=value`.
    pub name: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// What it means, with its unit and allowed values.
    pub doc: &'static str,
}

/// What to build a heap from.
#[derive(Clone, Debug)]
pub struct HeapConfig {
    /// The limit in bytes; everything counts (H3).
    pub limit_bytes: usize,
    /// When to collect before the limit.
    pub sizer: Sizer,
    /// Values for the heap's [`HeapInfo::parameters`]; unknown names are an error.
    pub parameters: Vec<(String, String)>,
    /// Overwrite freed memory, so that stale use fails fast (slow; for checkers).
    pub poison: bool,
    /// What the wrappers of [`crate::check`] do.
    pub checks: CheckOptions,
    /// The heap that [`crate::check::erased::Erased`] wraps.
    pub wrapped: Option<Factory>,
}

/// Makes a heap behind `dyn`: [`Factory::of`], [`Factory::shared`].
#[derive(Clone, Copy, Debug)]
pub struct Factory {
    pub(crate) make: fn(&HeapConfig) -> Result<Box<dyn AnyHeap>, HeapError>,
    pub(crate) shared: bool,
}

/// What the checking wrappers do; all off by default.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CheckOptions {
    /// Verify the heap around every collection, and every access.
    pub check: bool,
    /// Collect at every n-th allocation, n >= 1.
    pub stress: Option<u64>,
    /// The n-th allocation fails (once), counting from 1.
    pub fail_nth: Option<u64>,
    /// Count every operation.
    pub count: bool,
    /// Printed when a check fails, so that the run can be repeated.
    pub seed: u64,
}

impl CheckOptions {
    /// Whether any wrapper has something to do.
    pub fn any(&self) -> bool {
        self.check || self.stress.is_some() || self.fail_nth.is_some() || self.count
    }
}

impl Default for HeapConfig {
    fn default() -> Self {
        HeapConfig {
            limit_bytes: 1 << 30,
            sizer: Sizer::default(),
            parameters: Vec::new(),
            poison: false,
            checks: CheckOptions::default(),
            wrapped: None,
        }
    }
}

impl HeapConfig {
    /// The text of a parameter: as given, else its default.
    ///
    /// # Panics
    /// When `info` declares no such parameter: a mistake in the strategy.
    pub fn parameter<'a>(&'a self, info: &HeapInfo, name: &str) -> &'a str {
        let given = self.parameters.iter().rev().find(|(n, _)| n == name);
        given.map(|(_, v)| v.as_str()).unwrap_or_else(|| {
            let declared = info.parameters.iter().find(|p| p.name == name);
            declared.unwrap_or_else(|| panic!("{} declares no parameter {name}", info.name)).default
        })
    }

    /// Checks that every given parameter is declared.
    pub fn check(&self, info: &HeapInfo) -> Result<(), HeapError> {
        for (name, _) in &self.parameters {
            if !info.parameters.iter().any(|p| p.name == name) {
                let known: Vec<_> = info.parameters.iter().map(|p| p.name).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(HeapError(format!(
                    "heap `{}` has no parameter `{name}` (it has: {known})",
                    info.name
                )));
            }
        }
        Ok(())
    }
}

/// Why a heap cannot be built: a bad parameter, a limit too small. Shown to the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeapError(pub String);

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for HeapError {}

/// Out of memory, after a last full collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oom;

/// What [`Mutator::store`] does beyond the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Barrier {
    /// Nothing.
    None,
    /// Counts references.
    Counting,
    /// Remembers old-to-young stores.
    Remembering,
    /// Logs overwritten values (snapshot at the beginning).
    Snapshot,
}

/// A heap's attributes: constants, so that fast paths specialise (Whippet's `*-attrs.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapInfo {
    /// Its name on the command line, in tables and plots.
    pub name: &'static str,
    /// One line for `menagerie list`.
    pub summary: &'static str,
    /// Whether collections move objects.
    pub moves: bool,
    /// Whether unreachable objects are ever freed.
    pub collects: bool,
    /// Words before the header of every object.
    pub prefix_words: usize,
    /// What a store does.
    pub barrier: Barrier,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

/// A heap's use of memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// The configured limit.
    pub limit_bytes: usize,
    /// Taken from the system; counts against the limit.
    pub reserved_bytes: usize,
    /// In objects, live or not yet found dead.
    pub used_bytes: usize,
    /// In objects after the last collection.
    pub live_bytes: usize,
    /// Allocated since the start. Exact after [`Mutator::flush`].
    pub allocated_bytes: u64,
    /// Collections so far.
    pub collections: u64,
}

/// What a collection did, for statistics and events.
#[derive(Clone, PartialEq, Debug)]
pub struct Collection {
    /// Used before, bytes.
    pub before_bytes: usize,
    /// Live after, bytes.
    pub after_bytes: usize,
    /// Objects traced (marked or copied).
    pub traced_objects: u64,
    /// Bytes copied.
    pub copied_bytes: usize,
    /// Phases in order, with wall nanoseconds.
    pub phases: Vec<(&'static str, u64)>,
    /// Whether only some objects were looked at (the young; some of the candidates): other garbage
    /// may remain.
    pub minor: bool,
}

/// A memory manager.
///
/// # Safety
/// Implementations hand out valid, disjoint objects (object.rs, O1–O2) and keep every object that
/// is reachable from the roots intact, rules H1–H10.
pub unsafe trait Heap: Sized + 'static {
    /// The per-worker part.
    type Mutator: Mutator;
    /// Attributes.
    const INFO: HeapInfo;

    /// An empty heap.
    fn new(config: &HeapConfig) -> Result<Self, HeapError>;
    /// A mutator for one *worker* thread (never one per task).
    fn mutator(&self) -> Self::Mutator;
    /// Collects. The world is stopped and every mutator is flushed.
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection;
    /// Current use.
    fn usage(&self) -> Usage;
    /// The attributes of this instance: wrappers answer for the heap they wrap.
    fn info(&self) -> HeapInfo {
        Self::INFO
    }
    /// Lines for a wrapper's report (`--count`): counters by name.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
    /// How many references the heap has counted for an object; `None` when it does not count.
    /// Checkers compare it with what they find.
    fn reference_count(&self, _o: Obj) -> Option<u64> {
        None
    }
}

/// A heap whose mutators may run in parallel; parallel schedulers require it, so an invalid pair
/// does not compile.
///
/// # Safety
/// Mutators synchronise with one another (what is inlined; everything cold runs under the gate), and
/// say so by [`Mutator::PARALLEL`]. `store` and `init` order what was written before against whoever
/// reads the reference.
pub unsafe trait SharedHeap: Heap<Mutator: Send> + Send + Sync {}

/// Why the world wants to hear of an object's death. A tracing heap finds out by itself; one that
/// frees between collections must be told to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watch {
    /// A weak reference points at it.
    Weak,
    /// It has a finalizer.
    Finalizer,
}

/// A region (`arena { }`) that a task has entered: its place in the heap's table, and a generation, so
/// that a token of a region that has ended is recognised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region(pub u64);

impl Region {
    /// What heaps without regions answer.
    pub const NONE: Region = Region(0);
}

/// One worker's view of the heap.
///
/// # Safety
/// As [`Heap`]. Everything on the fast path must be `#[inline(always)]`.
pub unsafe trait Mutator: Sized {
    /// Whether the heap counts references in registers: then `set`, `take`, `clear` do work.
    const COUNTS: bool = false;
    /// Whether the fast path is inlined into the handlers without a call (H5). Wrappers say no: a
    /// handler that calls could not leave by a jump, so their runs take the loop engine.
    const INLINE: bool = true;
    /// Whether other workers' mutators may run at the same time: true for those of a
    /// [`SharedHeap`]. The interpreter then runs everything cold under the gate.
    const PARALLEL: bool = false;
    /// Whether `load` reads the slot and does nothing else: then who has no mutator at hand may read slots
    /// without it.
    const PLAIN_LOADS: bool = false;

    /// The inlined fast path: never collects, never moves. The header is written, the body is
    /// *not* initialised: the caller does that before the next safepoint.
    fn try_alloc(&mut self, layout: ObjectLayout) -> Option<Obj>;
    /// The cold path: may collect through `at`, after flushing this mutator; everything outside of
    /// the roots is stale after it. The body is not initialised.
    fn alloc_slow(&mut self, layout: ObjectLayout, at: &mut Safepoint<'_>) -> Result<Obj, Oom>;
    /// For objects that the compiler has proven not to outlive their frame or region (H11).
    #[inline(always)]
    fn try_alloc_local(&mut self, layout: ObjectLayout) -> Option<Obj> {
        self.try_alloc(layout)
    }
    /// As `alloc_slow`, after `try_alloc_local` has failed.
    #[cold]
    fn alloc_local_slow(
        &mut self,
        layout: ObjectLayout,
        at: &mut Safepoint<'_>,
    ) -> Result<Obj, Oom> {
        self.alloc_slow(layout, at)
    }

    /// Whether local objects have memory of their own, which goes with their frame: then the code marks
    /// the frames that make some (`FrameEnter`, `FrameLeave`), and `suspend` answers for them, too.
    const FRAMES: bool = false;
    /// A frame begins that makes local objects. `false`: nothing has happened, `push_frame` does it.
    #[inline(always)]
    fn try_push_frame(&mut self) -> bool {
        true
    }
    /// As `try_push_frame`, when that has failed.
    #[cold]
    fn push_frame(&mut self) {}
    /// The innermost frame that makes local objects ends. `false`: nothing has happened, `pop_frame`
    /// does it.
    #[inline(always)]
    fn try_pop_frame(&mut self) -> bool {
        true
    }
    /// As `try_pop_frame`, when that has failed, or when an error ends the frame.
    #[cold]
    fn pop_frame(&mut self) {}

    /// Writes a register.
    #[inline(always)]
    fn set(&mut self, register: &mut Value, v: Value) {
        *register = v;
    }
    /// Moves a register whose value is dead afterwards: no count traffic.
    #[inline(always)]
    fn take(&mut self, register: &mut Value, dead: &mut Value) {
        *register = *dead;
    }
    /// Registers that go out of use (a returning frame). A counting heap drops what they hold and
    /// sets them to nil.
    #[inline(always)]
    fn clear(&mut self, _registers: &mut [Value]) {}

    /// Reads a slot (read barrier).
    fn load(&mut self, o: Obj, i: usize) -> Value;
    /// Reads a weak slot; a concurrent marker shades here.
    fn load_weak(&mut self, o: Obj, i: usize) -> Value;
    /// Fills a slot of a fresh object before the next safepoint: no barrier.
    fn init(&mut self, o: Obj, i: usize, v: Value);
    /// As `init`, for as many slots from `first` on.
    #[inline(always)]
    fn init_slots(&mut self, o: Obj, first: usize, values: &[Value]) {
        // Counted in this way, it is as good as a loop over registers in the handlers.
        let mut n = 0;
        while n < values.len() {
            self.init(o, first + n, values[n]);
            n += 1;
        }
    }
    /// As `init_slots`, of an object of which `try_alloc_local` has been asked.
    #[inline(always)]
    fn init_local_slots(&mut self, o: Obj, first: usize, values: &[Value]) {
        self.init_slots(o, first, values);
    }
    /// Overwrites a slot: sees the old and the new word.
    fn store(&mut self, o: Obj, i: usize, v: Value);
    /// As `store`, on the fast path (H5). `false`: nothing has happened, `store` does it.
    #[inline(always)]
    fn try_store(&mut self, o: Obj, i: usize, v: Value) -> bool {
        self.store(o, i, v);
        true
    }

    /// Overwrites a root word that other workers read (a global).
    #[inline(always)]
    fn store_word(&mut self, word: &AtomicU64, v: Value) {
        if Self::COUNTS {
            let mut register = Value::from_bits(word.load(Ordering::Relaxed));
            self.set(&mut register, v);
            word.store(register.bits(), Ordering::Relaxed);
        } else {
            word.store(v.bits(), Ordering::Release);
        }
    }
    /// Reads such a word into a register.
    #[inline(always)]
    fn load_word(&mut self, register: &mut Value, word: &AtomicU64) {
        self.set(register, Value::from_bits(word.load(Ordering::Relaxed)));
    }

    /// Whether the dead await [`Mutator::drain`] (counting heaps, H5).
    #[inline(always)]
    fn pending(&self) -> bool {
        false
    }
    /// Frees the pending dead, iteratively.
    #[cold]
    fn drain(&mut self) {}
    /// Whether anything awaits `drain`: asked before the gate is given up, where a heap that drains
    /// in batches may want to begin early.
    #[inline(always)]
    fn unsettled(&self) -> bool {
        self.pending()
    }
    /// A builtin has filled or overwritten slots, perhaps many of them: a heap that lists them, or what it
    /// must drop later, makes room in its list. No safepoint.
    #[inline(always)]
    fn relieve(&mut self) {}
    /// From now on this worker may hold references that no root holds, in machine registers
    /// (quiescent-state reclamation: `rcu_thread_online`). Always with the gate held.
    #[inline(always)]
    fn online(&mut self) {}
    /// It holds none until the next `online`: it is about to wait for the gate, or to sleep.
    #[inline(always)]
    fn offline(&mut self) {}
    /// Whether a collection is due although nothing was allocated: asked after `drain`.
    fn wants_collection(&self) -> Option<Cause> {
        None
    }
    /// The object has got a weak reference or a finalizer.
    fn watch(&mut self, _o: Obj, _why: Watch) {}

    /// Whether the heap has regions: then it needs to know which task runs (`suspend`, `resume`) and
    /// what of it is alive (`leave`).
    const REGIONS: bool = false;
    /// `arena {` in the running task, on the fast path. `None`: nothing has happened, `enter` does it.
    #[inline(always)]
    fn try_enter(&mut self) -> Option<Region> {
        if Self::REGIONS { None } else { Some(Region::NONE) }
    }
    /// `}` of a region that nothing outlives, on the fast path: neither `live`, which is what `leave` would
    /// be shown, and the block's value among it, nor anything else refers into the region. `false`: nothing
    /// has happened, `leave` does it.
    #[inline(always)]
    fn try_leave(&mut self, _region: Region, _live: LiveRegisters<'_>) -> bool {
        !Self::REGIONS
    }
    /// `arena {` in the running task.
    fn enter(&mut self) -> Region {
        Region::NONE
    }
    /// `}`: what outlives the region is promoted, every reference to it included; the rest is
    /// released. `live` visits the words of the running task that are used afterwards and can refer
    /// to the region's objects. A safepoint: promotion allocates.
    fn leave(
        &mut self,
        _region: Region,
        _result: &mut Value,
        _live: &mut LiveWords<'_>,
        _at: &mut Safepoint<'_>,
    ) {
    }
    /// What `leave`, or an `alloc_slow` that has found memory, has promoted, where it is now, until the
    /// next of them or `flush`: for checkers.
    fn promoted(&self, _f: &mut dyn FnMut(Obj)) {}
    /// The value is about to be kept by a root that is no register of the running task: a global,
    /// another task's register, a table of the world.
    #[inline(always)]
    fn escape(&mut self, _v: Value) {}
    /// As `escape`, on the fast path (H5). `false`: nothing has happened, `escape` does it.
    #[inline(always)]
    fn try_escape(&mut self, v: Value) -> bool {
        self.escape(v);
        true
    }
    /// The running task gives way; its innermost region, or a token for its frames' local objects.
    #[inline(always)]
    fn suspend(&mut self) -> Region {
        Region::NONE
    }
    /// A task goes on (or ends its regions by `abandon`) that was in this region.
    #[inline(always)]
    fn resume(&mut self, _innermost: Region) {}
    /// A task that is in this region will never run again: its regions and frames end, nothing is
    /// promoted.
    fn abandon(&mut self, _innermost: Region) {}
    /// The object does not move from here on (H9), until `unpin` has been called as often. A safepoint: a
    /// heap may have to move it one last time. Whoever pins finds it where its root says afterwards.
    ///
    /// # Errors
    /// No memory for where it would stay; then it is not pinned.
    fn pin(&mut self, _o: Obj, _at: &mut Safepoint<'_>) -> Result<(), Oom> {
        Ok(())
    }
    /// Takes back one `pin`. No safepoint.
    fn unpin(&mut self, _o: Obj) {}
    /// Gives back the allocation buffer and publishes counters and barrier buffers.
    fn flush(&mut self) {}
}

/// Some registers of the running task, and one more word.
#[derive(Clone, Copy, Debug)]
pub struct LiveRegisters<'a> {
    /// The first registers of the window.
    pub window: &'a [Value],
    /// Which of them: a bit for each.
    pub live: u32,
    /// What else the task holds.
    pub other: Value,
}

impl LiveRegisters<'_> {
    /// Whether one of the words is like this.
    #[inline(always)]
    pub fn any(self, mut is: impl FnMut(Value) -> bool) -> bool {
        let mut left = self.live;
        while left != 0 {
            if self.window.get(left.trailing_zeros() as usize).is_some_and(|&v| is(v)) {
                return true;
            }
            left &= left - 1;
        }
        is(self.other)
    }
}

/// Visits words that hold values; called as often as needed.
pub type LiveWords<'a> = dyn FnMut(&mut dyn FnMut(&mut Value)) + 'a;

/// Who stops the world.
pub trait Stop {
    /// Stops the world, collects through the outermost heap, resumes.
    fn collect(&mut self, why: Cause);
    /// Stops the world and shows its roots, without a collection. Only heaps with regions ask.
    fn roots(&mut self, f: &mut dyn FnMut(&mut dyn Roots));
}

/// A function that collects, for heaps without regions.
impl<F: FnMut(Cause)> Stop for F {
    fn collect(&mut self, why: Cause) {
        self(why);
    }
    fn roots(&mut self, _: &mut dyn FnMut(&mut dyn Roots)) {
        panic!("a heap with regions needs a `Stop` that can show the roots");
    }
}

/// A place where a collection may happen. The collection goes through the outermost heap, so
/// wrappers see all of them.
pub struct Safepoint<'a> {
    stop: &'a mut dyn Stop,
}

impl<'a> Safepoint<'a> {
    /// A safepoint that stops the world through `stop`.
    pub fn new(stop: &'a mut dyn Stop) -> Self {
        Safepoint { stop }
    }
    /// Stops the world, collects, resumes. The calling mutator must have flushed itself.
    pub fn collect(&mut self, why: Cause) {
        self.stop.collect(why);
    }
    /// Stops the world and shows its roots: to fix references to what has been promoted.
    pub fn roots(&mut self, f: &mut dyn FnMut(&mut dyn Roots)) {
        self.stop.roots(f);
    }
}

impl fmt::Debug for Safepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Safepoint")
    }
}

/// Whether a slice of roots can have changed since the last collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dirty {
    /// It may have: scan it.
    Yes,
    /// Its task did not run: minor collections skip it.
    No,
}

/// How a collector finds everything.
pub trait Roots {
    /// Calls `f` on every slice of root words. Moving heaps update them in place.
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty));
    /// As `slices`, but only what can have changed since the last collection: what a minor one needs,
    /// at a cost that does not depend on the number of tasks that wait.
    fn recent(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        self.slices(&mut |slice, dirty| {
            if dirty == Dirty::Yes {
                f(slice);
            }
        });
    }
    /// Called when everything strongly reachable is known: clears weak references and entries of weak
    /// maps, hands finalizers over. `true` means that something was revived through [`Liveness::keep`] or
    /// [`Liveness::hold`]: trace it and call again.
    fn weak(&mut self, live: &mut dyn Liveness) -> bool;
    /// The values that weak maps hold, each as often as it is held. Heaps that find out by tracing from
    /// the roots need not ask; one that counts them must not take these counts for references from
    /// outside (H10).
    fn weak_values(&mut self, _f: &mut dyn FnMut(Obj)) {}
}

/// What a collector knows at the end of tracing.
pub trait Liveness {
    /// Where the object is now, or `None` if nothing reaches it.
    fn current(&mut self, o: Obj) -> Option<Obj>;
    /// Makes the object live again (finalization); the collector traces from it afterwards. The
    /// caller keeps the result in one root word: a counting heap has counted that.
    fn keep(&mut self, o: Obj) -> Obj;
    /// Makes the value of a weak map's entry live; the collector traces from it afterwards. No root word
    /// refers to it.
    fn hold(&mut self, o: Obj) -> Obj {
        self.keep(o)
    }
}
