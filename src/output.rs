//! What a program prints: collected here, and written by whoever may wait.
//!
//! Writing to a pipe that nobody reads, or to a terminal that is held, waits for as long as its reader likes.
//! So nobody writes with the gate held, unless the stream says that it has room:
//! - `print` adds to what is [`printed`](Output::print). When that is [`FULL`], its task waits
//!   ([`Wait::Output`](crate::host::Wait)) while a helper writes ([`crate::calls`]), and prints then. Other
//!   tasks go on, and may print as much again.
//! - when nobody runs, the driver has written what was printed, so that it is seen;
//! - `eprint` writes at once what was printed before and then its text, if both streams have room; else a
//!   helper does, and its task waits for that.
//!
//! Rules
//! - P1. What was printed comes out in the order in which it was printed: bytes are taken under the lock of
//!   the streams, which whoever writes holds until they are written.
//! - P2. What could not be written because of an error stays in front of what was printed: the next attempt
//!   begins there, and the end of the program reports the failure.
//! - P3. At most [`FULL`] bytes and one text wait to be taken.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// So many bytes are written before more is printed. With as much that is being written, it is what one
/// buffer of a pipe holds: no more gets lost when a process is killed.
pub const FULL: usize = 32 << 10;

/// A pipe that is ready has room for so many bytes: POSIX's `PIPE_BUF` on Linux.
const READY: usize = 4096;

/// Where text goes.
pub trait Stream: Send {
    /// Writes some of it.
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes what was written visible.
    ///
    /// # Errors
    /// The system's.
    fn flush(&mut self) -> io::Result<()>;
    /// How many bytes can be written now without waiting; `usize::MAX`: any number, at any time.
    fn room(&self) -> usize;
}

/// A stream that never waits.
struct Immediate<W>(W);

impl<W: Write + Send> Stream for Immediate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
    fn room(&self) -> usize {
        usize::MAX
    }
}

/// A stream that may wait whenever it is written to.
struct Waits<W>(W);

impl<W: Write + Send> Stream for Waits<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
    fn room(&self) -> usize {
        0
    }
}

/// A stream of the process.
struct OfProcess {
    file: File,
    never_waits: bool,
}

impl OfProcess {
    fn new(stream: impl AsFd) -> io::Result<OfProcess> {
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        // Devices that are no terminals: `/dev/null`.
        let never_waits = kind.is_file() || kind.is_char_device() && !file.is_terminal();
        Ok(OfProcess { file, never_waits })
    }
}

impl Stream for OfProcess {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn room(&self) -> usize {
        if self.never_waits {
            return usize::MAX;
        }
        let mut asked = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        let ready = poll(&mut asked, PollTimeout::ZERO).is_ok_and(|n| n > 0);
        // An error is no reason to wait, either.
        if ready { READY } else { 0 }
    }
}

/// A program's two streams, and what is on its way to them.
pub struct Output {
    printed: Mutex<Vec<u8>>,
    streams: Mutex<Streams>,
    /// Whether printing never waits.
    immediate: bool,
}

struct Streams {
    out: Box<dyn Stream>,
    error: Box<dyn Stream>,
    /// Why the last attempt has failed, until somebody is told.
    failed: Option<io::Error>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Who panicked while it wrote has left what can be written again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    /// To these streams.
    pub fn new(out: impl Stream + 'static, error: impl Stream + 'static) -> Arc<Output> {
        Self::of(Box::new(out), Box::new(error))
    }
    fn of(out: Box<dyn Stream>, error: Box<dyn Stream>) -> Arc<Output> {
        let immediate = out.room() == usize::MAX;
        let streams = Mutex::new(Streams { out, error, failed: None });
        Arc::new(Output { printed: Mutex::default(), streams, immediate })
    }
    /// To writers that never wait: files, memory.
    pub fn immediate(
        out: impl Write + Send + 'static,
        error: impl Write + Send + 'static,
    ) -> Arc<Output> {
        Self::new(Immediate(out), Immediate(error))
    }
    /// To writers that may wait for somebody.
    pub fn waiting(
        out: impl Write + Send + 'static,
        error: impl Write + Send + 'static,
    ) -> Arc<Output> {
        Self::new(Waits(out), Waits(error))
    }
    /// To the process's own streams.
    pub fn of_process() -> Arc<Output> {
        let boxed = |stream: OfProcess| Box::new(stream) as Box<dyn Stream>;
        let out = OfProcess::new(io::stdout()).map(boxed);
        let error = OfProcess::new(io::stderr()).map(boxed);
        // Without a descriptor to spare.
        Self::of(
            out.unwrap_or_else(|_| Box::new(Waits(io::stdout()))),
            error.unwrap_or_else(|_| Box::new(Waits(io::stderr()))),
        )
    }

    /// Prints; `false`: what was printed before has to be written first.
    ///
    /// # Errors
    /// What was printed before could not be written, and nobody was told yet.
    pub fn print(&self, text: &str) -> io::Result<bool> {
        let mut printed = lock(&self.printed);
        if printed.len() >= FULL {
            drop(printed);
            if !self.make_room()? {
                return Ok(false);
            }
            printed = lock(&self.printed);
        }
        printed.extend_from_slice(text.as_bytes());
        Ok(true)
    }
    /// Whether there is room now.
    #[cold]
    fn make_room(&self) -> io::Result<bool> {
        if self.immediate {
            self.write()?;
        } else if let Some(failed) = self.failure() {
            return Err(failed);
        }
        Ok(lock(&self.printed).len() < FULL)
    }
    fn failure(&self) -> Option<io::Error> {
        // Somebody writes: there is no result yet.
        self.streams.try_lock().ok().and_then(|mut streams| streams.failed.take())
    }
    /// Prints an error, after what was printed before; `None`: that has to be written by somebody who may
    /// wait, with [`Output::write_error`].
    pub fn print_error(&self, text: &str) -> Option<io::Result<()>> {
        let mut streams = self.streams.try_lock().ok()?;
        let fits =
            lock(&self.printed).len() <= streams.out.room() && text.len() <= streams.error.room();
        fits.then(|| self.write_both(&mut streams, text))
    }
    /// Writes what was printed, and then this error. May wait.
    ///
    /// # Errors
    /// The system's.
    pub fn write_error(&self, text: &str) -> io::Result<()> {
        self.write_both(&mut lock(&self.streams), text)
    }
    fn write_both(&self, streams: &mut Streams, text: &str) -> io::Result<()> {
        self.write_printed(streams)?;
        write_all(&mut *streams.error, text.as_bytes()).map_err(|(_, e)| e)?;
        streams.error.flush()
    }
    /// Writes what was printed. May wait.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self) -> io::Result<()> {
        self.write_printed(&mut lock(&self.streams))
    }
    /// As [`Output::write`], for somebody else to be told of the failure.
    pub fn write_for_another(&self) {
        let mut streams = lock(&self.streams);
        streams.failed = self.write_printed(&mut streams).err();
    }
    /// Shows what was printed, if that needs no waiting; whether nobody has to do it who may wait. After a
    /// failure nobody has, until somebody is told.
    pub fn try_write(&self) -> bool {
        let Ok(mut streams) = self.streams.try_lock() else { return false };
        if streams.failed.is_some() {
            return true;
        }
        let len = lock(&self.printed).len();
        let fits = len == 0 || len <= streams.out.room();
        // A failing write shows again at the end of the run, where it is reported.
        let _ = fits.then(|| self.write_printed(&mut streams));
        fits
    }
    /// Writes what was printed because the process is about to crash: not if somebody else is at it, who
    /// may be the one that has crashed, or wait for a reader.
    pub fn write_before_a_crash(&self) {
        if let Ok(mut streams) = self.streams.try_lock() {
            let _ = self.write_printed(&mut streams);
        }
    }
    /// P1, P2.
    fn write_printed(&self, streams: &mut Streams) -> io::Result<()> {
        let text = std::mem::take(&mut *lock(&self.printed));
        if text.is_empty() {
            return Ok(());
        }
        let written = write_all(&mut *streams.out, &text);
        let written = written.and_then(|()| streams.out.flush().map_err(|e| (text.len(), e)));
        written.map_err(|(n, e)| {
            lock(&self.printed).splice(..0, text[n..].iter().copied());
            e
        })
    }
}

/// Writes all of it; or how much of it, and what happened then.
fn write_all(to: &mut dyn Stream, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err((written, e)),
        }
    }
    Ok(())
}

impl Drop for Output {
    fn drop(&mut self) {
        // A run that has ended has reported its failure; one that panicked has more to say.
        let _ = self.write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and fails when it is told to.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<(Vec<u8>, bool)>>);
    impl Log {
        fn text(&self) -> String {
            String::from_utf8(lock(&self.0).0.clone()).unwrap()
        }
        fn fail(&self, fails: bool) {
            lock(&self.0).1 = fails;
        }
    }
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let log = &mut *lock(&self.0);
            if log.1 {
                return Err(ErrorKind::StorageFull.into());
            }
            let n = bytes.len().min(5);
            log.0.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line() -> String {
        "x".repeat(999) + "\n"
    }

    #[test]
    fn print_asks_for_room_and_finds_it() {
        let log = Log::default();
        let output = Output::waiting(log.clone(), Log::default());
        let mut printed = 0;
        while output.print(&line()).unwrap() {
            printed += 1;
        }
        assert_eq!((printed, log.text().len()), (FULL.div_ceil(1000), 0));
        assert!(!output.try_write(), "it may wait");
        output.write_for_another();
        assert!(output.print("last").unwrap());
        output.write().unwrap();
        assert_eq!(log.text(), line().repeat(printed) + "last");
    }

    #[test]
    fn what_could_not_be_written_stays_in_front() {
        let (log, errors) = (Log::default(), Log::default());
        let output = Output::waiting(log.clone(), errors.clone());
        output.print("first, ").unwrap();
        log.fail(true);
        output.write_for_another();
        assert!(output.print("second, ").unwrap(), "there is room");
        assert!(output.write_error("third").is_err());
        assert_eq!((log.text(), errors.text()), (String::new(), String::new()));
        log.fail(false);
        output.write_error("third").unwrap();
        assert_eq!((log.text().as_str(), errors.text().as_str()), ("first, second, ", "third"));
    }

    #[test]
    fn whoever_needs_room_hears_of_a_failure_once() {
        let log = Log::default();
        let output = Output::waiting(log.clone(), Log::default());
        output.print(&line().repeat(FULL / 1000 + 1)).unwrap();
        log.fail(true);
        output.write_for_another();
        assert!(output.try_write(), "no second attempt before somebody is told");
        assert_eq!(output.print("more").unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(!output.print("more").unwrap(), "it may be tried again");
        log.fail(false);
        output.write_for_another();
        assert!(output.print("more").unwrap());
    }

    #[test]
    fn errors_come_after_what_was_printed_before() {
        let log = Log::default();
        let output = Output::immediate(log.clone(), log.clone());
        output.print("a").unwrap();
        output.print_error("b").expect("it never waits").unwrap();
        output.print("c").unwrap();
        drop(output);
        assert_eq!(log.text(), "abc");
        let output = Output::waiting(log.clone(), log);
        assert!(output.print_error("d").is_none());
    }

    #[test]
    fn a_crash_waits_for_nobody() {
        let log = Log::default();
        let output = Output::waiting(log.clone(), Log::default());
        output.print("lost").unwrap();
        let writing = output.streams.lock().unwrap();
        output.write_before_a_crash();
        assert_eq!(log.text(), "");
        drop(writing);
        output.write_before_a_crash();
        assert_eq!(log.text(), "lost");
    }

    #[test]
    fn a_pipe_has_room_until_it_is_full() {
        let (reader, writer) = io::pipe().unwrap();
        let mut pipe = OfProcess::new(writer).unwrap();
        let mut written = 0;
        while pipe.room() > 0 {
            assert_eq!(pipe.room(), READY);
            written += pipe.write(&[b'x'; READY]).unwrap();
        }
        assert!(written >= READY);
        drop(reader);
        assert!(pipe.room() > 0, "an error does not wait");
        assert_eq!(pipe.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
