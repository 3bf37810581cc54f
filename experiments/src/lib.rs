//! Running programs and experiments: the `menagerie` command's library.
//!
//! | where | what |
//! |---|---|
//! | [`catalogue`] | the measured programs, from their headers |
//! | `exec`, [`record`] | one program on one heap and scheduler; what a process reports |
//! | `spec`, `matrix` | what is to be run: specification → cells → blocks in order |
//! | `invoke`, `run`, `minheap` | fresh processes, bounded in time; every outcome a row |
//! | [`analyze`] | from files to estimates with intervals |
//! | [`plot`], [`tables`], [`report`] | figures; LaTeX; one page with everything |
//! | `results`, `manifest` | CSV files with a journal; where they came from |

pub mod analyze;
pub mod catalogue;
pub mod cli;
mod doctor;
mod dumps;
mod exec;
pub mod experiment;
pub mod invoke;
mod list;
mod manifest;
mod matrix;
mod minheap;
mod output;
pub mod plot;
mod progress;
pub mod record;
pub mod report;
mod results;
mod rows;
pub mod run;
mod schema;
mod show;
mod spec;
mod summary;
pub mod tables;
