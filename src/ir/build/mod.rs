//! The builder.

/// A builtin function as the compiler sees it; its index in the table is its `NativeId`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NativeSig {
    /// Its name; names that begin with `%` are for the builder only.
    pub name: &'static str,
    /// It takes at least this many arguments.
    pub min_args: u8,
    /// It takes at most this many; 255: any number.
    pub max_args: u8,
}
