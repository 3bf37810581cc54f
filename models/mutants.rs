//! The protocols, their models, and the mutants that the models must kill. Read by the build script.
//!
//! An edit is a text that occurs exactly once in the source, and what stands in its place in the mutant.
//! When the build says that a text no longer occurs, the source has changed: write the same mistake into
//! the new text, do not drop the mutant.

/// A protocol's source.
pub(crate) struct Protocol {
    /// The name of its module here.
    pub(crate) name: &'static str,
    /// Its source, from the repository's root.
    pub(crate) source: &'static str,
    /// Functions of its `model.rs`.
    pub(crate) models: &'static [&'static str],
    /// What must be noticed.
    pub(crate) mutants: &'static [Mutant],
}

/// A mistake.
pub(crate) struct Mutant {
    /// What is wrong.
    pub(crate) name: &'static str,
    /// The model that notices.
    pub(crate) model: &'static str,
    /// What loom's report must say: a mutant that fails otherwise is not one.
    pub(crate) failure: &'static str,
    /// Text of the source, and what replaces it.
    pub(crate) edits: &'static [(&'static str, &'static str)],
}

/// Two threads use a cell, and nothing orders the one before the other.
const RACE: &str = "Causality violation";
/// Nobody can go on.
const DEADLOCK: &str = "deadlock";
/// A thread waits in a loop for what never comes.
const SPINS: &str = "Model exceeded maximum number of branches";

/// The models of deque and slot count what comes out.
const ONCE: &str = "came out exactly once";
/// A task waits for what has happened.
const LOST: &str = "a wake-up was lost";
/// Of two decrements that were both the last, or neither.
const FREED: &str = "not freed exactly once";
/// Two workers could run it.
const TWICE: &str = "the task is queued twice";
/// Marking ended too early.
const UNSCANNED: &str = "the end came before this object was scanned";
/// A worker gave up its time.
const EARLY: &str = "a slice has ended that had not used up its quantum";

/// All of them.
pub(crate) const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "gate",
        source: "src/gate.rs",
        models: &["stop"],
        mutants: &[
            Mutant {
                name: "flag_set_after_the_unlock",
                model: "stop",
                failure: RACE,
                edits: &[
                    ("        lane.fast.store(true, Ordering::Relaxed);\n", ""),
                    (
                        "unsafe { self.unlock() };\n    }\n    /// Fast to cold;",
                        "unsafe { self.unlock() };\n        \
                         lane.fast.store(true, Ordering::Relaxed);\n    }\n    /// Fast to cold;",
                    ),
                ],
            },
            Mutant {
                name: "leave_locks_before_it_clears",
                model: "stop",
                failure: SPINS,
                edits: &[(
                    "        lane.fast.store(false, Ordering::Release);\n        \
                     if !self.alone && !self.lock.try_lock() {\n            self.wait(lane);\n        }\n",
                    "        self.lock.lock();\n        lane.fast.store(false, Ordering::Release);\n",
                )],
            },
            Mutant {
                name: "stopper_does_not_wait",
                model: "stop",
                failure: RACE,
                edits: &[("while lane.is_fast() {", "while false {")],
            },
            Mutant {
                name: "leave_does_not_release",
                model: "stop",
                failure: RACE,
                edits: &[("store(false, Ordering::Release)", "store(false, Ordering::Relaxed)")],
            },
            Mutant {
                name: "stopper_does_not_acquire",
                model: "stop",
                failure: RACE,
                edits: &[("load(Ordering::Acquire)", "load(Ordering::Relaxed)")],
            },
        ],
    },
    Protocol {
        name: "limit",
        source: "src/limit.rs",
        models: &["end_and_stop"],
        mutants: &[
            Mutant {
                name: "end_is_taken_back_by_resume",
                model: "end_and_stop",
                failure: SPINS,
                edits: &[("        self.quantum.store(0, Relaxed);\n", "")],
            },
            Mutant {
                name: "request_is_not_seen",
                model: "end_and_stop",
                failure: SPINS,
                edits: &[(
                    "pub fn request(&self) {\n        self.word.store(0, Relaxed);",
                    "pub fn request(&self) {\n        self.word.store(u64::MAX, Relaxed);",
                )],
            },
            Mutant {
                name: "stop_ends_the_slice",
                model: "end_and_stop",
                failure: EARLY,
                edits: &[("self.word.store(self.quantum.load(Relaxed), Relaxed);", "")],
            },
            Mutant {
                name: "start_keeps_the_old_word",
                model: "end_and_stop",
                failure: EARLY,
                edits: &[("        self.word.store(quantum, Relaxed);\n", "")],
            },
        ],
    },
    Protocol {
        name: "idle",
        source: "src/idle.rs",
        models: &["end", "push_or_sleep", "own_task", "leave", "timer"],
        mutants: &[
            Mutant {
                name: "gate_given_up_between_look_and_list",
                model: "push_or_sleep",
                failure: DEADLOCK,
                edits: &[(
                    "        idle().list(me);\n",
                    "        // SAFETY: by the caller.\n        unsafe { gate.unlock() };\n        \
                     gate.lock();\n        idle().list(me);\n",
                )],
            },
            Mutant {
                name: "list_after_the_gate",
                model: "push_or_sleep",
                failure: RACE,
                edits: &[
                    ("        idle().list(me);\n", ""),
                    (
                        "        thread::park(wait);",
                        "        idle().list(me);\n        thread::park(wait);",
                    ),
                ],
            },
            Mutant {
                name: "taken_off_the_list_but_not_woken",
                model: "push_or_sleep",
                failure: DEADLOCK,
                edits: &[(
                    "        place.inspect(|&i| self.take(i).unpark()).is_some()\n    }\n    /// Wakes this",
                    "        place.inspect(|&i| drop(self.take(i))).is_some()\n    }\n    /// Wakes this",
                )],
            },
            Mutant {
                name: "end_wakes_nobody",
                model: "end",
                failure: DEADLOCK,
                edits: &[(
                    "            self.take(last).unpark();\n",
                    "            drop(self.take(last));\n",
                )],
            },
            Mutant {
                name: "a_slice_is_not_counted",
                model: "push_or_sleep",
                failure: "the end was reported before all tasks had run",
                edits: &[("        self.busy += 1;\n", ""), ("        self.busy -= 1;\n", "")],
            },
            Mutant {
                name: "a_queued_task_is_not_counted",
                model: "own_task",
                failure: "the end was reported before all tasks had run",
                edits: &[("self.busy == 0 && self.queued == 0", "self.busy == 0")],
            },
            Mutant {
                name: "last_one_leaves",
                model: "leave",
                failure: DEADLOCK,
                edits: &[("        !self.nothing_runs()\n", "        true\n")],
            },
            Mutant {
                name: "sleepers_stay_on_the_list",
                model: "push_or_sleep",
                failure: "a worker that is awake is on the list of sleepers",
                edits: &[(
                    "        place.inspect(|&i| drop(self.take(i))).is_none()\n",
                    "        place.is_none()\n",
                )],
            },
            Mutant {
                name: "moved_sleeper_is_not_found",
                model: "own_task",
                failure: DEADLOCK,
                edits: &[("        self.places[me] = Some(self.sleepers.len());\n", "")],
            },
            Mutant {
                name: "watcher_keeps_its_part_when_it_wakes",
                model: "timer",
                failure: DEADLOCK,
                edits: &[(
                    "        self.watcher = self.watcher.filter(|&(watcher, _)| watcher != number);\n",
                    "",
                )],
            },
        ],
    },
    Protocol {
        name: "calls",
        source: "src/calls.rs",
        models: &["cap_of_one", "two_helpers", "no_thread", "no_second_thread", "end"],
        mutants: &[
            Mutant {
                name: "listener_does_not_look",
                model: "cap_of_one",
                failure: DEADLOCK,
                edits: &[("let nothing = state.done.is_empty();", "let nothing = true;")],
            },
            Mutant {
                name: "helper_wakes_nobody",
                model: "cap_of_one",
                failure: DEADLOCK,
                edits: &[(
                    "                listener.unpark();\n",
                    "                drop(listener);\n",
                )],
            },
            Mutant {
                name: "two_jobs_count_on_one_helper",
                model: "two_helpers",
                failure: DEADLOCK,
                edits: &[("state.queue.len() <= state.waiting", "state.waiting > 0")],
            },
            Mutant {
                name: "job_is_queued_but_nobody_told",
                model: "cap_of_one",
                failure: DEADLOCK,
                edits: &[("            calls.work.notify_one();\n", "")],
            },
            Mutant {
                name: "job_is_left_to_nobody",
                model: "no_thread",
                failure: DEADLOCK,
                edits: &[("if state.helpers == 0 {", "if false {")],
            },
            Mutant {
                name: "thread_counted_that_was_not_given",
                model: "no_thread",
                failure: DEADLOCK,
                edits: &[("state.helpers += usize::from(started);", "state.helpers += 1;")],
            },
            Mutant {
                name: "waiting_helpers_do_not_hear_of_the_end",
                model: "end",
                failure: DEADLOCK,
                edits: &[("        self.work.notify_all();\n", "")],
            },
        ],
    },
    Protocol {
        name: "task_word",
        source: "src/task_word.rs",
        models: &["wake_or_suspend", "wake_or_yield"],
        mutants: &[
            Mutant {
                name: "suspend_does_not_look",
                model: "wake_or_suspend",
                failure: LOST,
                edits: &[(
                    "self.0.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()",
                    "self.0.swap(0, Ordering::AcqRel);\n                true",
                )],
            },
            Mutant {
                name: "wake_queues_a_running_task",
                model: "wake_or_suspend",
                failure: TWICE,
                edits: &[("& (RUNNING | NOTIFIED) == 0", "& NOTIFIED == 0")],
            },
            Mutant {
                name: "wake_queues_a_queued_task",
                model: "wake_or_suspend",
                failure: TWICE,
                edits: &[("& (RUNNING | NOTIFIED) == 0", "& RUNNING == 0")],
            },
            Mutant {
                name: "wake_does_not_release",
                model: "wake_or_suspend",
                failure: LOST,
                edits: &[(
                    "fetch_or(NOTIFIED, Ordering::AcqRel)",
                    "fetch_or(NOTIFIED, Ordering::Acquire)",
                )],
            },
            Mutant {
                name: "start_does_not_acquire",
                model: "wake_or_suspend",
                failure: LOST,
                edits: &[("swap(RUNNING, Ordering::AcqRel)", "swap(RUNNING, Ordering::Release)")],
            },
            Mutant {
                name: "suspend_does_not_release",
                model: "wake_or_suspend",
                failure: RACE,
                edits: &[("(RUNNING, 0, Ordering::AcqRel,", "(RUNNING, 0, Ordering::Acquire,")],
            },
            Mutant {
                name: "requeue_does_not_acquire",
                model: "wake_or_yield",
                failure: LOST,
                edits: &[
                    (
                        "self.0.swap(NOTIFIED, Ordering::AcqRel);",
                        "self.0.store(NOTIFIED, Ordering::Release);",
                    ),
                    // Loom's swaps may read what such a store has covered up, C++'s may not: without
                    // this assertion the failure is one that C++ allows, too.
                    (
                        "debug_assert_eq!(was, NOTIFIED, \"started a task that was not queued\");",
                        "",
                    ),
                ],
            },
            Mutant {
                name: "suspend_by_load_and_store",
                model: "wake_or_suspend",
                failure: LOST,
                edits: &[(
                    "self.0.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()",
                    "let idle = self.0.load(Ordering::Acquire) == RUNNING;\n                \
                     if idle {\n self.0.store(0, Ordering::Release);\n }\n idle",
                )],
            },
        ],
    },
    Protocol {
        name: "chase_lev",
        source: "strategies/src/parts/chase_lev.rs",
        models: &["last_element", "pop_and_steal", "two_elements", "two_thieves", "growth"],
        mutants: &[
            Mutant {
                name: "pop_without_its_fence",
                model: "two_elements",
                failure: ONCE,
                edits: &[("        fence(Ordering::SeqCst);\n        let top", "        let top")],
            },
            Mutant {
                name: "steal_without_its_fence",
                model: "two_elements",
                failure: ONCE,
                edits: &[(
                    "        fence(Ordering::SeqCst);\n        let bottom",
                    "        let bottom",
                )],
            },
            Mutant {
                name: "last_element_without_compare_and_swap",
                model: "last_element",
                failure: ONCE,
                edits: &[(
                    "let ours = inner.top.compare_exchange(top, top + 1, success, failure).is_ok();",
                    "let _ = (success, failure);\n        \
                     inner.top.store(top + 1, Ordering::SeqCst);\n        let ours = true;",
                )],
            },
            Mutant {
                name: "push_does_not_release",
                model: "last_element",
                failure: ONCE,
                edits: &[(
                    "inner.bottom.store(bottom + 1, Ordering::Release);",
                    "inner.bottom.store(bottom + 1, Ordering::Relaxed);",
                )],
            },
            Mutant {
                name: "pop_does_not_release",
                model: "pop_and_steal",
                failure: ONCE,
                edits: &[(
                    "inner.bottom.store(bottom, Ordering::Release);",
                    "inner.bottom.store(bottom, Ordering::Relaxed);",
                )],
            },
            Mutant {
                name: "steal_by_load_and_store",
                model: "two_thieves",
                failure: ONCE,
                edits: &[(
                    "        match inner.top.compare_exchange(top, top + 1, success, failure) {\n            \
                     Ok(_) => Stolen::Success(word),\n            Err(_) => Stolen::Retry,\n        }\n",
                    "        let _ = (success, failure);\n        \
                     inner.top.store(top + 1, Ordering::SeqCst);\n        Stolen::Success(word)\n",
                )],
            },
            Mutant {
                // What freed memory holds is anybody's guess: here it is overwritten.
                name: "old_ring_is_used_for_something_else",
                model: "growth",
                failure: ONCE,
                edits: &[(
                    "        self.rings.lock().unwrap_or_else(PoisonError::into_inner).push(ring);\n",
                    "        let mut rings = self.rings.lock().unwrap();\n        \
                     for old in rings.iter().flat_map(|ring| &ring.words) {\n            \
                     old.store(u64::MAX, Ordering::Relaxed);\n        }\n        \
                     rings.push(ring);\n        drop(rings);\n",
                )],
            },
            Mutant {
                name: "new_ring_is_not_released",
                model: "growth",
                failure: RACE,
                edits: &[(
                    "self.ring.store(address, Ordering::Release);",
                    "self.ring.store(address, Ordering::Relaxed);",
                )],
            },
        ],
    },
    Protocol {
        name: "slot",
        source: "strategies/src/parts/slot.rs",
        models: &["put_or_take"],
        mutants: &[
            Mutant {
                name: "put_by_load_and_store",
                model: "put_or_take",
                failure: RACE,
                edits: &[(
                    "let displaced = self.0.swap(task, Ordering::AcqRel);",
                    "let displaced = self.0.load(Ordering::Acquire);\n        \
                     self.0.store(task, Ordering::Release);",
                )],
            },
            Mutant {
                name: "take_by_load_and_store",
                model: "put_or_take",
                failure: RACE,
                edits: &[(
                    "let task = self.0.swap(NO_TASK, Ordering::AcqRel);",
                    "let task = self.0.load(Ordering::Acquire);\n        \
                     self.0.store(NO_TASK, Ordering::Release);",
                )],
            },
            Mutant {
                name: "put_does_not_release",
                model: "put_or_take",
                failure: RACE,
                edits: &[("swap(task, Ordering::AcqRel)", "swap(task, Ordering::Acquire)")],
            },
            Mutant {
                name: "take_does_not_acquire",
                model: "put_or_take",
                failure: RACE,
                edits: &[("swap(NO_TASK, Ordering::AcqRel)", "swap(NO_TASK, Ordering::Release)")],
            },
        ],
    },
    Protocol {
        name: "mark_word",
        source: "strategies/src/parts/mark_word.rs",
        models: &["neighbours"],
        mutants: &[
            Mutant {
                name: "mark_by_load_and_store",
                model: "neighbours",
                failure: "a mark was lost",
                edits: &[(
                    "    word.load(Relaxed) & bit == 0 && word.fetch_or(bit, Relaxed) & bit == 0\n",
                    "    let was = word.load(Relaxed);\n    \
                     word.store(was | bit, Relaxed);\n    was & bit == 0\n",
                )],
            },
            Mutant {
                name: "who_looked_first_scans",
                model: "neighbours",
                failure: "not exactly one thread scans the common object",
                edits: &[(
                    "word.load(Relaxed) & bit == 0 && word.fetch_or(bit, Relaxed) & bit == 0",
                    "word.load(Relaxed) & bit == 0 && { word.fetch_or(bit, Relaxed); true }",
                )],
            },
        ],
    },
    Protocol {
        name: "work_pool",
        source: "strategies/src/parts/work_pool.rs",
        models: &["two_threads", "three_threads", "unwinding"],
        mutants: &[
            Mutant {
                name: "ends_while_another_works",
                model: "two_threads",
                failure: UNSCANNED,
                edits: &[("if state.waiting == state.threads {", "if state.waiting > 0 {")],
            },
            Mutant {
                name: "end_wakes_nobody",
                model: "two_threads",
                failure: DEADLOCK,
                edits: &[(
                    "                self.left = true;\n                pool.changed.notify_all();\n",
                    "                self.left = true;\n",
                )],
            },
            Mutant {
                name: "who_takes_still_waits",
                model: "two_threads",
                failure: DEADLOCK,
                edits: &[(
                    "state.batches.pop() {\n                state.waiting -= 1;\n",
                    "state.batches.pop() {\n",
                )],
            },
            Mutant {
                name: "looks_for_the_end_before_batches",
                model: "two_threads",
                failure: UNSCANNED,
                edits: &[(
                    "            if let Some(batch) = state.batches.pop() {\n",
                    "            if state.waiting == state.threads {\n                \
                         state.waiting -= 1;\n                state.threads -= 1;\n                \
                         self.left = true;\n                pool.changed.notify_all();\n                \
                         return false;\n            }\n            \
                         if let Some(batch) = state.batches.pop() {\n",
                )],
            },
            Mutant {
                name: "who_leaves_is_still_counted",
                model: "two_threads",
                failure: DEADLOCK,
                edits: &[("                state.threads -= 1;\n", "")],
            },
            Mutant {
                name: "who_enters_is_not_counted",
                model: "three_threads",
                failure: DEADLOCK,
                edits: &[(
                    "self.lock().threads += 1;",
                    "{ let mut state = self.lock(); state.threads = state.threads.max(1); }",
                )],
            },
            Mutant {
                name: "sleeps_without_the_lock",
                model: "two_threads",
                failure: DEADLOCK,
                edits: &[(
                    "            state = pool.changed.wait(state).unwrap_or_else(PoisonError::into_inner);\n",
                    "            drop(state);\n            state = pool.lock();\n            \
                     state = pool.changed.wait(state).unwrap_or_else(PoisonError::into_inner);\n",
                )],
            },
            Mutant {
                name: "who_unwinds_does_not_leave",
                model: "unwinding",
                failure: DEADLOCK,
                edits: &[(
                    "            self.pool.lock().threads -= 1;\n            \
                     self.pool.changed.notify_all();\n",
                    "",
                )],
            },
        ],
    },
    Protocol {
        name: "crew",
        source: "strategies/src/parts/crew.rs",
        models: &["two_jobs"],
        mutants: &[
            Mutant {
                name: "collector_does_not_wait",
                model: "two_jobs",
                failure: RACE,
                edits: &[("while state.inside > 0 {", "while false {")],
            },
            Mutant {
                name: "job_is_not_withdrawn",
                model: "two_jobs",
                failure: RACE,
                edits: &[("        state.job = None;\n", "")],
            },
            Mutant {
                name: "helper_goes_inside_uncounted",
                model: "two_jobs",
                failure: RACE,
                edits: &[
                    ("                    state.inside += 1;\n", ""),
                    ("        state.inside -= 1;\n", ""),
                ],
            },
            Mutant {
                name: "last_one_out_wakes_nobody",
                model: "two_jobs",
                failure: DEADLOCK,
                edits: &[("            self.shared.end.notify_one();\n", "")],
            },
            Mutant {
                name: "quit_wakes_nobody",
                model: "two_jobs",
                failure: DEADLOCK,
                edits: &[(
                    "        self.shared.lock().quit = true;\n        self.shared.begin.notify_all();\n",
                    "        self.shared.lock().quit = true;\n",
                )],
            },
            Mutant {
                name: "helper_forgets_what_it_has_done",
                model: "two_jobs",
                failure: SPINS,
                edits: &[("                    seen = state.round;\n", "")],
            },
        ],
    },
    Protocol {
        name: "atomic_counts",
        source: "strategies/src/parts/atomic_counts.rs",
        models: &["count_or_free", "candidate_or_last", "weak_or_last"],
        mutants: &[
            Mutant {
                name: "increment_by_load_and_store",
                model: "count_or_free",
                failure: "a reference was dropped twice",
                edits: &[(
                    "self.0.fetch_add(1, Relaxed);",
                    "self.0.store(self.0.load(Relaxed) + 1, Relaxed);",
                )],
            },
            Mutant {
                name: "decrement_by_load_and_store",
                model: "count_or_free",
                failure: FREED,
                edits: &[(
                    "let before = self.0.fetch_sub(1, Release);",
                    "let before = self.0.load(Acquire);\n        self.0.store(before - 1, Release);",
                )],
            },
            Mutant {
                name: "decrement_does_not_release",
                model: "count_or_free",
                failure: RACE,
                edits: &[("self.0.fetch_sub(1, Release)", "self.0.fetch_sub(1, Relaxed)")],
            },
            Mutant {
                name: "last_one_does_not_acquire",
                model: "count_or_free",
                failure: RACE,
                edits: &[("            fence(Acquire);\n", "")],
            },
            Mutant {
                name: "marked_after_the_release",
                model: "candidate_or_last",
                failure: "a candidate's memory was freed",
                edits: &[
                    (
                        "        // Of several that mark it at once, one has done it.\n",
                        "        let last = self.decrement();\n",
                    ),
                    ("last: self.decrement(), candidate", "last, candidate"),
                ],
            },
            Mutant {
                name: "marked_by_load_and_store",
                model: "candidate_or_last",
                failure: "a candidate is in two lists",
                edits: &[(
                    "marks && flags.fetch_or(candidate, Relaxed) & candidate == 0;",
                    "marks && {\n            let old = flags.load(Relaxed);\n            \
                     flags.store(old | candidate, Relaxed);\n            old & candidate == 0\n        };",
                )],
            },
            Mutant {
                name: "last_one_misses_the_mark",
                model: "candidate_or_last",
                failure: RACE,
                edits: &[
                    ("self.0.fetch_sub(1, Release)", "self.0.fetch_sub(1, Relaxed)"),
                    ("            fence(Acquire);\n", ""),
                ],
            },
            Mutant {
                name: "weak_load_revives_the_dead",
                model: "weak_or_last",
                failure: RACE,
                edits: &[("(count != 0).then_some(count + 1)", "Some(count + 1)")],
            },
        ],
    },
    Protocol {
        name: "grace",
        source: "strategies/src/parts/grace.rs",
        models: &["load_and_count", "load_and_look", "two_tickets"],
        mutants: &[
            Mutant {
                name: "no_grace_period",
                model: "load_and_count",
                failure: RACE,
                edits: &[(
                    "        guard.defer(move || {\n            over.fetch_max(ticket, Release);\n        });\n",
                    "        over.fetch_max(ticket, Release);\n",
                )],
            },
            Mutant {
                name: "reader_is_not_a_member",
                model: "load_and_count",
                failure: RACE,
                edits: &[("self.guard = Some(self.handle.pin());", "")],
            },
            Mutant {
                name: "end_is_not_acquired",
                model: "load_and_look",
                failure: RACE,
                edits: &[(
                    "self.over.load(Acquire)",
                    "self.over.load(std::sync::atomic::Ordering::Relaxed)",
                )],
            },
            Mutant {
                name: "end_is_not_released",
                model: "load_and_look",
                failure: RACE,
                edits: &[(
                    "over.fetch_max(ticket, Release);",
                    "over.fetch_max(ticket, std::sync::atomic::Ordering::Relaxed);",
                )],
            },
            Mutant {
                name: "earlier_ticket_covers_later",
                model: "two_tickets",
                failure: SPINS,
                edits: &[("over.fetch_max(ticket, Release);", "over.store(ticket, Release);")],
            },
            Mutant {
                name: "running_workers_are_never_quiescent",
                model: "two_tickets",
                failure: SPINS,
                edits: &[("            guard.repin();\n", "            let _ = guard;\n")],
            },
            Mutant {
                name: "offline_workers_hold_everyone_up",
                model: "load_and_look",
                failure: SPINS,
                edits: &[(
                    "        self.guard = None;\n    }\n    /// It holds none at this moment.",
                    "    }\n    /// It holds none at this moment.",
                )],
            },
        ],
    },
];
