//! Experiments as a user runs them: the built binary, its files, and what survives when something
//! goes wrong.

mod bench;
mod failures;
mod files;
mod killed;
mod scale;
