//! What schedulers are measured by: what each worker did and how often, where its time went, and how long
//! tasks waited for their turn.
//!
//! Counters are always kept: an increment each, of words that nobody else writes. Times are of two kinds.
//! What is long anyway (sleeps, waits for the gate, collections, calls) is always timed; the rest (running
//! and searching, and the delays of tasks) only when [`VmConfig::measure`](crate::vm::VmConfig) says so,
//! because it takes two or three readings of a clock per slice.
//!
//! Source: the counters of tokio and Go, the time classes of the BEAM's `msacc`; delays are split as dial9
//! does (asked for, awake, first instruction).

use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::host::{On, Wait};
use crate::task::TaskId;

pub use hdrhistogram::Histogram;

/// The table of activities: enum, names and meanings.
macro_rules! activities {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal;)*) => {
        /// What a worker does.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Activity {
            $($(#[doc = $doc])+ $variant,)*
        }
        impl Activity {
            /// All of them, with their names and meanings.
            pub const TABLE: &[(Activity, &str, &str)] =
                &[$((Activity::$variant, $name, concat!($($doc),+))),*];
        }
    };
}
activities! {
    /// Runs slices.
    Run "run";
    /// Looks for work: ends slices, fires timers, asks the scheduler, steals.
    Search "search";
    /// Sleeps because there is nothing to run.
    Park "park";
    /// Waits for the gate, which another worker holds.
    GateWait "gate_wait";
    /// Waits while the world stops or is stopped.
    SafepointWait "safepoint_wait";
    /// Collects.
    Collect "collect";
    /// Is in a call that blocks, because no other thread could be had for it.
    Native "native";
}
const ACTIVITIES: usize = Activity::TABLE.len();

/// The nanoseconds that a worker has spent on each activity.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Times([u64; ACTIVITIES]);

impl Times {
    /// Of one activity.
    pub fn of(&self, what: Activity) -> u64 {
        self.0[what as usize]
    }
    fn add(&mut self, what: Activity, ns: u64) {
        self.0[what as usize] += ns;
    }
}

/// A worker's clock.
#[derive(Debug, Default)]
pub struct Clock {
    times: Times,
    /// When the last lap ended; `None`: laps are not taken.
    lap: Option<Instant>,
    /// What of this lap is counted already.
    counted_ns: u64,
}

impl Clock {
    /// A clock that takes laps or does not.
    pub fn new(laps: bool) -> Clock {
        Clock { lap: laps.then(Instant::now), ..Clock::default() }
    }
    /// The time since the last lap, as far as it was not counted, was spent on this. The lap's length,
    /// nanoseconds; 0 when laps are not taken.
    #[inline]
    pub fn lap(&mut self, what: Activity) -> u64 {
        if self.lap.is_some() { self.take_lap(what) } else { 0 }
    }
    #[cold]
    fn take_lap(&mut self, what: Activity) -> u64 {
        let now = Instant::now();
        let since = self.lap.replace(now).expect("the caller has looked");
        let ns = now.duration_since(since).as_nanos() as u64;
        let counted_ns = std::mem::take(&mut self.counted_ns);
        self.times.add(what, ns.saturating_sub(counted_ns));
        ns
    }
    /// So much of this lap was spent on this.
    pub fn add(&mut self, what: Activity, ns: u64) {
        self.times.add(what, ns);
        self.counted_ns += ns;
    }
    /// All so far.
    pub fn times(&self) -> Times {
        self.times
    }
}

/// The table of what one worker counts: fields, names, meanings, and how two are added.
macro_rules! worker_counts {
    ($($(#[doc = $doc:literal])+ $field:ident;)*) => {
        /// What one worker has counted.
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct WorkerCounts {
            $($(#[doc = $doc])+ pub $field: u64,)*
        }
        impl WorkerCounts {
            /// All fields, with their names and meanings.
            pub fn table(&self) -> Vec<(&'static str, u64, &'static str)> {
                vec![$((stringify!($field), self.$field, concat!($($doc),+))),*]
            }
            /// Adds another's.
            pub fn add(&mut self, other: &WorkerCounts) {
                $(self.$field += other.$field;)*
            }
        }
    };
}
worker_counts! {
    /// Calls and back-edges.
    reductions;
    /// Slices that it has run.
    slices;
    /// Of those, such as ended at the quantum.
    preemptions;
    /// Slices that ended with `yield`.
    yields;
    /// Slices that ended because the task waits for another one's end.
    join_waits;
    /// Slices that ended because the task waits for one channel.
    channel_waits;
    /// Slices that ended because the task waits in a `select`.
    select_waits;
    /// Slices that ended because the task waits for a mutex.
    mutex_waits;
    /// Slices that ended because the task waits for the reply of an actor.
    actor_waits;
    /// Slices that ended because the task sleeps.
    sleep_waits;
    /// Slices that ended because the task waits for a call that may block.
    call_waits;
    /// Slices that ended because the task waits until what was printed is written.
    output_waits;
    /// Tasks that it has made.
    spawns;
    /// Waiting tasks that it has made ready, having run them last itself.
    wakes_local;
    /// Waiting tasks that it has made ready, which another worker ran last.
    wakes_remote;
    /// Waits that ended as they began: the task had been woken while it still ran.
    wakes_while_running;
    /// Timers that were due when it looked.
    timers_fired;
    /// Times that it woke another worker for a task.
    notifications;
    /// Times that the scheduler asked for another worker, but none slept.
    notifications_suppressed;
    /// Times that it went to sleep.
    parks;
    /// Times that it was woken and found nothing.
    vain_wakes;
    /// Tasks that came from its own slot.
    slot_hits;
    /// Tasks that a newer one has pushed out of its slot.
    slot_expiries;
    /// Tasks that it has stolen from another's slot.
    slot_steals;
    /// Tasks that came from its own deque.
    deque_pops;
    /// Tasks that came from the injector.
    injector_pops;
    /// Times that it has looked at another's deque for work.
    steal_attempts;
    /// Times that it found some there.
    steals;
    /// Tasks that these brought.
    stolen_tasks;
    /// Times that another worker was faster at a deque or at the injector.
    steal_retries;
}

impl WorkerCounts {
    /// A slice has ended with this.
    pub fn suspended(&mut self, wait: Wait) {
        let count = match wait {
            Wait::Turn => &mut self.yields,
            Wait::Join(_) => &mut self.join_waits,
            Wait::Event(On::Channel, _) => &mut self.channel_waits,
            Wait::Event(On::Select, _) => &mut self.select_waits,
            Wait::Event(On::Mutex, _) => &mut self.mutex_waits,
            Wait::Event(On::Actor, _) => &mut self.actor_waits,
            Wait::Event(On::Sleep, _) => &mut self.sleep_waits,
            Wait::Call(_) => &mut self.call_waits,
            Wait::Output => &mut self.output_waits,
        };
        *count += 1;
    }
    /// How many waiting tasks it has made ready.
    pub fn wakes(&self) -> u64 {
        self.wakes_local + self.wakes_remote
    }
    /// How many slices have ended because their task waits, or gave way.
    pub fn suspensions(&self) -> u64 {
        self.suspensions_by_reason().iter().map(|&(_, n)| n).sum()
    }
    /// The same, by what the task waits for.
    pub fn suspensions_by_reason(&self) -> [(&'static str, u64); 9] {
        [
            ("yield", self.yields),
            ("join", self.join_waits),
            ("channel", self.channel_waits),
            ("select", self.select_waits),
            ("mutex", self.mutex_waits),
            ("actor", self.actor_waits),
            ("sleep", self.sleep_waits),
            ("call", self.call_waits),
            ("output", self.output_waits),
        ]
    }
}

/// What one worker has done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WorkerStats {
    /// How often.
    pub counts: WorkerCounts,
    /// How long.
    pub times: Times,
}

impl WorkerStats {
    /// Adds another's: of a worker that had the same number before.
    pub fn add(&mut self, other: &WorkerStats) {
        self.counts.add(&other.counts);
        for (ns, more) in self.times.0.iter_mut().zip(other.times.0) {
            *ns += more;
        }
    }
}

/// How long tasks waited and ran, and what else has a distribution: nanoseconds of wall time, but for the
/// queue.
#[derive(Clone, Debug)]
pub struct Delays {
    /// From when a task was made ready to its first instruction.
    pub run_delay: Histogram<u64>,
    /// The first part of that, where a worker had to be woken for it: until that was awake.
    pub wake_delay: Histogram<u64>,
    /// The rest: until its first instruction.
    pub dispatch_delay: Histogram<u64>,
    /// Lengths of slices.
    pub slice: Histogram<u64>,
    /// From the end of a task to the first instruction of one that has waited for it.
    pub join_delay: Histogram<u64>,
    /// How long workers slept at a time.
    pub park: Histogram<u64>,
    /// How long a worker looked for work until it stole some.
    pub steal: Histogram<u64>,
    /// How long after its time a timer fired, in the time that the program sees.
    pub timer_lateness: Histogram<u64>,
    /// How long a stop of the world took until every worker had stopped.
    pub safepoint: Histogram<u64>,
    /// How many other tasks were ready when a slice began.
    pub queue_length: Histogram<u64>,
    /// Since when those are ready that are, nanoseconds since the start.
    ready: FxHashMap<TaskId, u64>,
    /// Those that were woken by the end of another, and when that was.
    joiners: FxHashMap<TaskId, u64>,
}

/// Two significant digits: errors below 1 %.
const DIGITS: u8 = 2;

impl Default for Delays {
    fn default() -> Self {
        let new = || Histogram::new(DIGITS).expect("a valid number of digits");
        Delays {
            run_delay: new(),
            wake_delay: new(),
            dispatch_delay: new(),
            slice: new(),
            join_delay: new(),
            park: new(),
            steal: new(),
            timer_lateness: new(),
            safepoint: new(),
            queue_length: new(),
            ready: FxHashMap::default(),
            joiners: FxHashMap::default(),
        }
    }
}

impl Delays {
    /// All that are times, with their names.
    pub fn table(&self) -> [(&'static str, &Histogram<u64>); 9] {
        [
            ("run_delay", &self.run_delay),
            ("wake_delay", &self.wake_delay),
            ("dispatch_delay", &self.dispatch_delay),
            ("slice", &self.slice),
            ("join_delay", &self.join_delay),
            ("park", &self.park),
            ("steal", &self.steal),
            ("timer_lateness", &self.timer_lateness),
            ("safepoint", &self.safepoint),
        ]
    }
    /// A task is ready from now on.
    pub fn is_ready(&mut self, task: TaskId, now_ns: u64) {
        self.ready.insert(task, now_ns);
    }
    /// A task that it waits for has ended; it is about to be woken.
    pub fn joins(&mut self, task: TaskId, ended_ns: u64) {
        self.joiners.insert(task, ended_ns);
    }
    /// It begins its slice now, on a worker that was last woken at `woken_ns`.
    pub fn begins(&mut self, task: TaskId, woken_ns: u64, now_ns: u64) {
        let ready_ns = self.ready.remove(&task).unwrap_or(now_ns);
        self.run_delay += now_ns - ready_ns;
        if woken_ns > ready_ns {
            self.wake_delay += woken_ns - ready_ns;
        }
        self.dispatch_delay += now_ns - ready_ns.max(woken_ns);
        self.queue_length += self.ready.len() as u64;
        if let Some(ended_ns) = self.joiners.remove(&task) {
            self.join_delay += now_ns - ended_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lap_is_what_was_not_counted_otherwise() {
        let mut clock = Clock::new(true);
        std::thread::sleep(std::time::Duration::from_millis(2));
        clock.add(Activity::Collect, 1_500_000);
        let lap = clock.lap(Activity::Run);
        let times = clock.times();
        assert_eq!(times.of(Activity::Collect), 1_500_000);
        assert_eq!(times.of(Activity::Run) + 1_500_000, lap);
        let mut off = Clock::new(false);
        off.add(Activity::Park, 7);
        assert_eq!((off.lap(Activity::Run), off.times().of(Activity::Run)), (0, 0));
        assert_eq!(off.times().of(Activity::Park), 7);
    }

    #[test]
    fn a_run_delay_is_split_where_a_worker_had_to_wake() {
        let mut delays = Delays::default();
        let task = TaskId::new(1, 0);
        for (ready_ns, woken_ns, now_ns) in [(100, 150, 160), (200, 150, 230)] {
            delays.is_ready(task, ready_ns);
            delays.begins(task, woken_ns, now_ns);
        }
        let all = |h: &Histogram<u64>| h.iter_recorded().map(|v| v.value_iterated_to()).collect();
        let [run, wake, dispatch]: [Vec<u64>; 3] =
            [&delays.run_delay, &delays.wake_delay, &delays.dispatch_delay].map(all);
        assert_eq!((run, wake, dispatch), (vec![30, 60], vec![50], vec![10, 30]));
    }

    #[test]
    fn a_slice_begins_with_others_ready_and_long_after_the_end_of_what_was_joined() {
        let mut delays = Delays::default();
        let [joiner, other] = [1, 2].map(|number| TaskId::new(number, number as usize));
        delays.joins(joiner, 50);
        delays.is_ready(joiner, 60);
        delays.is_ready(other, 60);
        delays.begins(joiner, 0, 90);
        delays.begins(other, 0, 100);
        let seen = [&delays.join_delay, &delays.queue_length].map(|h| (h.len(), h.max()));
        assert_eq!(seen, [(1, 40), (2, 1)]);
    }
}
