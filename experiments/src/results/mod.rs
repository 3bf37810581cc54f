//! Result files: one folder per experiment, tidy CSV written as it comes, and a journal that makes
//! every invocation all or nothing.

pub(crate) mod columns;
pub(crate) mod journal;

pub(crate) use columns::{
    InvocationRow, IterationRow, MinheapRow, PauseRow, RequestRow, TrialRow, WorkerRow,
};
pub(crate) use journal::{AppendFile, Store};
