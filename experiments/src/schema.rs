//! `menagerie schema`: every column of every file.

use std::process::ExitCode;

use crate::output::show;
use crate::results::columns::FILES;

/// Prints files and columns, with units.
pub(crate) fn schema() -> ExitCode {
    let mut out = "Times are integer nanoseconds, sizes integer bytes; empty means not measured.\n"
        .to_owned();
    for file in FILES {
        out += &format!("\n{}: {}\n", file.file, file.doc.trim());
        for column in file.columns {
            out += &format!("  {:<22} {:<8} {}\n", column.name, column.unit, column.doc);
        }
    }
    show(&out)
}
