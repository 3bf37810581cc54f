//! Progress on the terminal; nothing when the error output is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with the time that is left.
pub(crate) fn bar(length: u64, title: &'static str) -> ProgressBar {
    let style = "{prefix} [{bar:30}] {pos}/{len} {percent}%, {eta} left  {wide_msg}";
    let bar = ProgressBar::new(length).with_prefix(title);
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
