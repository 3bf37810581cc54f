//! Menagerie's core: one virtual machine for a small dynamic language, generic over its memory
//! manager and its scheduler. This page is the tour of the architecture.
//!
//! # Bird's eye
//!
//! A Mena program goes through four forms and then runs:
//!
//! ```text
//!  text ──lang──► tree ──ir::build──► SSA ──ir::passes──► SSA ──bytecode::emit──► words
//!                                      │                            │ bytecode::verify
//!                                      ▼                            ▼
//!                              ir::oracle (reference)       interp: run_slice::<H>
//!                                                                   ▲
//!            strategies: H: Heap, S: Scheduler ──► vm::Vm<H, S, E> ─┘  drives slices of tasks
//! ```
//!
//! The two contracts are what everything turns on: [`heap`] (read first) and [`sched`] (read
//! second). A strategy is one file in the `strategies` crate plus one line in its registry.
//!
//! # Code map
//!
//! | where | what |
//! |---|---|
//! | [`heap`] | the `Heap` and `Mutator` contracts, rules H1–H10 |
//! | [`sched`] | the `Scheduler` contract |
//! | [`gate`], [`limit`], [`idle`], [`task_word`] | the protocols among workers, each with its model |
//! | [`calls`], [`input`], [`output`] | what may block the system's thread, on helper threads; reading and printing |
//! | [`value`], [`object`], [`class`] | the value word; header, kinds, slots; classes as one number |
//! | [`lang`] | lexer, parser, tree, name resolution, diagnostics |
//! | [`ir`] | SSA: builder, verifier, dominance, liveness, passes, text form, oracle interpreter |
//! | [`bytecode`] | one op table → encoder, emitter, verifier, liveness, disassembler |
//! | [`interp`] | fast bodies, both dispatch engines, slow paths, calls and unwinding |
//! | [`builtins`] | builtin functions and methods, and the prelude in Mena |
//! | [`host`] | the facade that builtins see of the VM: `Native`, `Local`, `Root` |
//! | [`concurrency`] | channels, `select`, mutexes, cancellation: state machines over heap objects |
//! | [`weak`] | weak references, weak maps and finalizers when a collector asks |
//! | [`task`], [`table`], [`world`] | continuations; the task table; state shared by workers (roots) |
//! | [`vm`] | `Vm<H, S, E>`: the driver: slices, timers, joins, collections, deadlocks |
//! | [`event`], [`stats`], [`metrics`], [`requests`], [`report`] | what happened, how often, how late, how it ended |
//! | [`check`] | test heap and the checking wrappers |
//! | [`compile`] | the pipeline in one place |
//!
//! # Invariants
//!
//! - Invariant: a strategy never calls the interpreter; the interpreter never names a strategy.
//! - Invariant: objects move, and tracing heaps free, only inside [`heap::Heap::collect`].
//! - Invariant: the host never recurses on behalf of a program: calls are frames in the task's own
//!   block, callbacks are Mena code, traversals have worklists.
//! - Invariant: unverified bytecode cannot be run: the interpreter takes a
//!   [`bytecode::verify::Verified`], which only the verifier makes.
//! - Invariant: every root is found by [`heap::Roots`]; references outside of roots are stale after
//!   a safepoint, and builtins cannot keep one ([`host::Local`] borrows the context).
//! - Invariant: one event, one name: the same word is event, counter, CSV column and plot label.
//! - Invariant: with the null sink, events cost nothing.
//! - Invariant: no process-wide mutable state: two VMs in one process do not see each other.
//! - Invariant: a program's error is a value; exhaustion is an outcome; a broken contract is a panic.
//!
//! Deliberately absent: a native stack per task, conservative scanning, a lock around fast bodies (what
//! is cold has one, the [`gate`]), host callbacks into a running slice, a string interner at run time,
//! locale.

pub mod builtins;
pub mod bytecode;
pub mod calls;
pub mod check;
pub mod class;
pub mod compile;
pub mod concurrency;
pub mod event;
pub mod gate;
pub mod heap;
pub mod host;
pub mod idle;
pub mod input;
pub mod interp;
pub mod ir;
pub mod lang;
pub mod limit;
pub mod metrics;
pub mod names;
pub mod object;
pub mod output;
pub mod report;
pub mod requests;
pub mod sched;
pub mod stats;
pub mod sync;
pub mod table;
pub mod task;
pub mod task_word;
pub mod value;
pub mod vm;
pub mod weak;
pub mod world;
