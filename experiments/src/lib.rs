//! Running programs and experiments: the `menagerie` command's library.

pub mod cli;
mod exec;
mod list;
mod output;
mod show;
