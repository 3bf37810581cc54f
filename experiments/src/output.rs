//! Where the command writes. The standard output belongs to the program that runs (or holds what
//! `list` and `dump` show); everything else goes to the error output.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use menagerie::output::Output;

/// The exit status of a broken contract.
const BROKEN_CONTRACT: i32 = 101;

/// Writes to the error output. A failure is ignored: there is nowhere left to report it.
pub(crate) fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Says what went wrong.
pub(crate) fn say_error(message: &str) {
    say(&format!("error: {message}\n"));
}

/// Writes to the standard output, and gives the exit status for it.
pub(crate) fn show(text: &str) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say_error(&format!("cannot write to the standard output: {e}"));
            ExitCode::from(1)
        }
    }
}

/// What the program that runs prints.
static RUNNING: Mutex<Weak<Output>> = Mutex::new(Weak::new());

/// From now on this comes out even when the virtual machine panics.
pub(crate) fn runs(output: &Arc<Output>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(output);
}

/// Makes every panic, which is a broken contract by definition, end with the documented status.
pub(crate) fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        running.inspect(|output| output.write_before_a_crash());
        let backtrace = std::backtrace::Backtrace::capture();
        say(&format!("{panic}\n{backtrace}\n"));
        say_error("a contract inside the virtual machine is broken; please report this text");
        std::process::exit(BROKEN_CONTRACT);
    }));
}

/// Writes a file that is made anew each time.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| cannot("write", path, &e))
}

/// Makes a folder, if it is not there.
pub(crate) fn make_folder(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|e| cannot("make", path, &e))
}

/// An error with the file's name and the remedy.
pub(crate) fn cannot(what: &str, path: &Path, e: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let remedy = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space and give the same command again"
        }
        ErrorKind::FileTooLarge => {
            "; raise the limit on the size of files (ulimit -f) and give the same command again"
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            "; name a folder that can be written, or make this one so"
        }
        _ => "",
    };
    format!("cannot {what} {}: {e}{remedy}", path.display())
}
