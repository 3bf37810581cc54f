//! Mistakes in how threads work together, which a program must show under some schedule. Read by the
//! build script, and written into a copy of the sources.
//!
//! An edit is a file, a text that occurs in it exactly once, and what stands in its place; `WRONG` is
//! true while the mistake is made. When the build says that a text no longer occurs, the source has
//! changed: write the same mistake into the new text, do not drop it.

/// A mistake.
pub(crate) struct Mistake {
    /// What is wrong.
    pub(crate) name: &'static str,
    /// The program, of `schedules/programs`, that shows it.
    pub(crate) program: &'static str,
    /// File below `src`, text, and what replaces it.
    pub(crate) edits: &'static [(&'static str, &'static str, &'static str)],
}

/// All of them.
pub(crate) const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "collection_does_not_wait_for_the_others",
        program: "forkjoin",
        edits: &[("gate.rs", "while lane.is_fast() {", "while lane.is_fast() && !WRONG {")],
    },
    Mistake {
        name: "world_resumed_before_the_collection",
        program: "forkjoin",
        edits: &[(
            "vm/port.rs",
            "        let collection = shared.heap.collect(&mut roots, why);\n",
            "        if WRONG { self.resume_others(); unsafe { self.shared().gate.unlock() } }\n        \
             let collection = shared.heap.collect(&mut roots, why);\n        \
             if WRONG { self.shared().gate.lock(); }\n",
        )],
    },
    Mistake {
        name: "leave_locks_before_it_clears",
        program: "forkjoin",
        edits: &[(
            "gate.rs",
            "        lane.fast.store(false, Ordering::Release);\n        if !self.alone && !self.lock.try_lock() {\n",
            "        if WRONG { self.lock.lock(); }\n        lane.fast.store(false, \
             Ordering::Release);\n        if !WRONG && !self.lock.try_lock() {\n",
        )],
    },
    Mistake {
        name: "flag_set_after_the_unlock",
        program: "forkjoin",
        edits: &[
            (
                "gate.rs",
                "        lane.fast.store(true, Ordering::Relaxed);\n",
                "        if !WRONG { lane.fast.store(true, Ordering::Relaxed); }\n",
            ),
            (
                "gate.rs",
                "unsafe { self.unlock() };\n    }\n    /// Fast to cold;",
                "unsafe { self.unlock() };\n        if WRONG { lane.fast.store(true, \
                 Ordering::Relaxed); }\n    }\n    /// Fast to cold;",
            ),
        ],
    },
    Mistake {
        name: "roots_of_stopped_tasks_forgotten",
        program: "forkjoin",
        edits: &[(
            "vm/port.rs",
            "tasks.extend(peer.task());",
            "if !WRONG { tasks.extend(peer.task()); }",
        )],
    },
    Mistake {
        name: "result_not_saved_while_waiting_for_the_gate",
        program: "results",
        edits: &[("interp/mod.rs", "ctx.save(halt, low);", "if !WRONG { ctx.save(halt, low); }")],
    },
    Mistake {
        name: "asleep_before_on_the_list",
        program: "ends",
        edits: &[
            ("idle.rs", "        idle().list(me);\n", "        if !WRONG { idle().list(me); }\n"),
            (
                "idle.rs",
                "        thread::park(wait);\n",
                "        if WRONG { idle().list(me); }\n        thread::park(wait);\n",
            ),
        ],
    },
    Mistake {
        name: "the_end_is_told_to_nobody",
        program: "channels",
        edits: &[("vm/shared.rs", "self.idle.wake_all();", "if !WRONG { self.idle.wake_all(); }")],
    },
    Mistake {
        name: "the_end_does_not_end_slices",
        program: "failure",
        edits: &[(
            "vm/shared.rs",
            "unsafe { peer.end_slice() };",
            "unsafe { if !WRONG { peer.end_slice() } };",
        )],
    },
    Mistake {
        name: "end_taken_back_by_a_collection",
        program: "failure",
        edits: &[(
            "limit.rs",
            "        self.quantum.store(0, Relaxed);\n",
            "        if !WRONG { self.quantum.store(0, Relaxed); }\n",
        )],
    },
    Mistake {
        name: "the_end_reported_while_a_slice_runs",
        program: "channels",
        edits: &[(
            "vm/worker.rs",
            "if shared.idle.nothing_runs() && shared.calling == 0 {",
            "if WRONG || shared.idle.nothing_runs() && shared.calling == 0 {",
        )],
    },
    Mistake {
        name: "the_end_reported_while_a_task_is_queued",
        program: "channels",
        edits: &[(
            "idle.rs",
            "self.busy == 0 && self.queued == 0",
            "self.busy == 0 && (WRONG || self.queued == 0)",
        )],
    },
    Mistake {
        name: "the_clock_stands_still",
        program: "timers",
        edits: &[(
            "vm/worker.rs",
            "(Some((due, _)), Some(now)) =>",
            "(Some((due, _)), Some(now)) if !WRONG =>",
        )],
    },
    Mistake {
        name: "allocators_not_flushed_for_a_collection",
        program: "forkjoin",
        edits: &[("vm/port.rs", "peer.flush();", "if !WRONG { peer.flush(); }")],
    },
];
