//! `menagerie schema`: every column of every file.

use std::process::ExitCode;

use crate::analyze::columns as analysis;
use crate::output::show;
use crate::results::columns as results;

/// Prints files and columns, with units.
pub(crate) fn schema() -> ExitCode {
    let mut out = "Times are integer nanoseconds, sizes integer bytes; empty means not measured.\n"
        .to_owned();
    let of_runs = results::FILES.iter().map(|f| ("", f));
    let of_analyses = analysis::FILES.iter().map(|f| ("analysis/", f));
    for (folder, file) in of_runs.chain(of_analyses) {
        out += &format!("\n{folder}{}: {}\n", file.file, file.doc.trim());
        for column in file.columns {
            out += &format!("  {:<22} {:<8} {}\n", column.name, column.unit, column.doc);
        }
    }
    show(&out)
}
