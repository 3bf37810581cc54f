//! What a program reads, line by line, and whether that needs waiting: only what has been read already is
//! given at once. Reading may block the system's thread, so it is the job of a call
//! ([`crate::calls`]) that puts at least one line here, for whoever comes first.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Bytes that are asked for at a time.
const CHUNK: usize = 64 << 10;

/// The program's input.
pub struct Input(Mutex<Reader>);

struct Reader {
    from: Box<dyn Read + Send>,
    /// Read, but not given out.
    bytes: Vec<u8>,
    /// Those before are given out.
    start: usize,
    /// Those before are known to hold no end of a line.
    searched: usize,
    /// What the last reading has met instead of a line.
    stopped: Option<io::Result<()>>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Input")
    }
}

impl Input {
    /// Reads from here.
    pub fn new(from: impl Read + Send + 'static) -> Arc<Input> {
        let reader = Reader {
            from: Box::new(from),
            bytes: Vec::new(),
            start: 0,
            searched: 0,
            stopped: None,
        };
        Arc::new(Input(Mutex::new(reader)))
    }
    /// The next line, without what ends it; `None` at the end of the input. Nothing at all when it has to
    /// be read first.
    pub fn line(&self) -> Option<io::Result<Option<Vec<u8>>>> {
        match self.0.try_lock() {
            Ok(mut reader) => reader.line(),
            // Somebody reads.
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(reader)) => reader.into_inner().line(),
        }
    }
    /// Reads until there is something for [`Input::line`]: a line, the end, or an error.
    pub fn fill(&self) {
        let mut reader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !reader.has_line() && reader.stopped.is_none() {
            reader.read();
        }
    }
}

impl Reader {
    fn has_line(&mut self) -> bool {
        match self.bytes[self.searched..].iter().position(|&b| b == b'\n') {
            Some(i) => self.searched += i,
            None => self.searched = self.bytes.len(),
        }
        self.searched < self.bytes.len()
    }
    fn line(&mut self) -> Option<io::Result<Option<Vec<u8>>>> {
        if self.has_line() {
            let line = self.bytes[self.start..self.searched].to_vec();
            self.searched += 1;
            self.start = self.searched;
            return Some(Ok(Some(line)));
        }
        match self.stopped.take()? {
            Err(e) => Some(Err(e)),
            Ok(()) if self.start == self.bytes.len() => Some(Ok(None)),
            Ok(()) => {
                let rest = self.bytes.split_off(self.start);
                (self.start, self.searched) = (self.bytes.len(), self.bytes.len());
                Some(Ok(Some(rest)))
            }
        }
    }
    fn read(&mut self) {
        // What was given out makes room.
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let end = self.bytes.len();
        self.bytes.resize(end + CHUNK, 0);
        let read = self.from.read(&mut self.bytes[end..]);
        self.bytes.truncate(end + read.as_ref().map_or(0, |&n| n));
        match read {
            Ok(0) => self.stopped = Some(Ok(())),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => self.stopped = Some(Err(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, in pieces; then an error.
    struct Pieces(Vec<&'static [u8]>);
    impl Read for Pieces {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let piece = self.0.remove(0);
            to[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn next(input: &Input) -> String {
        assert!(input.line().is_none(), "nothing was read yet");
        input.fill();
        show(input.line())
    }
    fn show(line: Option<io::Result<Option<Vec<u8>>>>) -> String {
        match line.expect("there is something") {
            Ok(line) => line.map_or("end".into(), |line| String::from_utf8(line).unwrap()),
            Err(e) => e.kind().to_string(),
        }
    }

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let input = Input::new(Pieces(vec![b"a", b"b\nc\n", b"d", b"", b"e\n", b""]));
        assert_eq!(next(&input), "ab");
        assert_eq!(show(input.line()), "c", "without reading");
        assert_eq!(next(&input), "d", "an end of the input ends a line");
        assert_eq!(next(&input), "e", "a terminal's input goes on");
        assert_eq!([(); 2].map(|()| next(&input)), ["end", "broken pipe"]);
    }

    #[test]
    fn nobody_waits_for_one_who_reads() {
        struct Never;
        impl Read for Never {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::park();
                Ok(0)
            }
        }
        let input = Input::new(Never);
        let reads = input.clone();
        std::thread::spawn(move || reads.fill());
        while input.0.try_lock().is_ok() {
            std::thread::yield_now();
        }
        assert!(input.line().is_none());
    }
}
