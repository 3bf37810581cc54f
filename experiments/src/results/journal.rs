//! The files of a run, written as it goes, and their journal.
//!
//! Protocol: 1. the rows of an invocation are appended to their files; 2. (fsync) 3. one row with
//! the lengths of all files is appended to `journal.csv`: only now the invocation counts; 4. (fsync).
//! A run that was cut anywhere leaves at most a torn journal row, or rows beyond the lengths of the
//! last whole one: opening the folder again cuts both off. So nothing is lost but the invocation
//! that was running, and nothing is ever doubled.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::columns::Row;
use super::{InvocationRow, IterationRow, PauseRow, RequestRow, WorkerRow};
use crate::output::cannot;

/// A CSV file that only grows.
#[derive(Debug)]
pub(crate) struct AppendFile<R> {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// How much of it is known to be on the disk.
    synced: u64,
    row: PhantomData<R>,
}

fn header<R: Row>() -> Vec<u8> {
    let names: Vec<_> = R::SCHEMA.columns.iter().map(|c| c.name).collect();
    format!("{}\n", names.join(",")).into_bytes()
}

impl<R: Row> AppendFile<R> {
    /// Opens or makes the file in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join(R::SCHEMA.file);
        let file = OpenOptions::new().create(true).append(true).read(true).open(&path);
        let file = file.map_err(|e| cannot("open", &path, &e))?;
        let bytes = file.metadata().map_err(|e| cannot("read", &path, &e))?.len();
        let mut opened = AppendFile { path, file, bytes, synced: 0, row: PhantomData };
        let header = header::<R>();
        if bytes < header.len() as u64 {
            opened.cut(0)?;
            opened.write(&header)?;
        } else if opened.starts_with(&header)? {
            // What was written by an interrupted process ends at its last line.
        } else {
            return Err(format!(
                "{} has other columns than this version writes; name another folder with --results",
                opened.path.display()
            ));
        }
        Ok(opened)
    }

    fn starts_with(&self, header: &[u8]) -> Result<bool, String> {
        let file = File::open(&self.path).map_err(|e| cannot("read", &self.path, &e))?;
        let mut line = Vec::new();
        let read = BufReader::new(file).read_until(b'\n', &mut line);
        read.map_err(|e| cannot("read", &self.path, &e))?;
        Ok(line == header)
    }

    /// Cuts a torn last line off: for files without a journal, whose rows count by themselves.
    pub(crate) fn cut_torn_line(mut self) -> Result<Self, String> {
        let text = std::fs::read(&self.path).map_err(|e| cannot("read", &self.path, &e))?;
        let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        self.cut(whole as u64)?;
        Ok(self)
    }

    fn cut(&mut self, bytes: u64) -> Result<(), String> {
        if bytes != self.bytes {
            self.file.set_len(bytes).map_err(|e| cannot("shorten", &self.path, &e))?;
            self.bytes = bytes;
        }
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> Result<(), String> {
        self.file.write_all(text).map_err(|e| cannot("write", &self.path, &e))?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Appends rows.
    pub(crate) fn append(&mut self, rows: &[R]) -> Result<(), String> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        for row in rows {
            writer.serialize(row).map_err(|e| format!("{}: {e}", self.path.display()))?;
        }
        let text = writer.into_inner().map_err(|e| format!("{}: {e}", self.path.display()))?;
        self.write(&text)
    }

    /// Forces the rows to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), String> {
        if self.synced != self.bytes {
            self.file.sync_data().map_err(|e| cannot("write", &self.path, &e))?;
            self.synced = self.bytes;
        }
        Ok(())
    }
}

const JOURNAL: &str = "journal.csv";
const JOURNAL_HEADER: &str = "run_id,invocations,iterations,pauses,workers,requests\n";
/// How many files a run writes beside the journal.
const FILES: usize = 5;

/// The files of a run.
#[derive(Debug)]
pub(crate) struct Store {
    invocations: AppendFile<InvocationRow>,
    iterations: AppendFile<IterationRow>,
    pauses: AppendFile<PauseRow>,
    workers: AppendFile<WorkerRow>,
    requests: AppendFile<RequestRow>,
    journal: File,
    journal_path: PathBuf,
    done: HashSet<String>,
}

/// A row of the journal.
struct Mark {
    run_id: String,
    lengths: [u64; FILES],
}

impl Mark {
    fn parse(line: &str) -> Option<Mark> {
        let mut words = line.split(',');
        let run_id = words.next()?.to_owned();
        let mut lengths = [0; FILES];
        for length in &mut lengths {
            *length = words.next()?.parse().ok()?;
        }
        let whole = words.next().is_none() && run_id.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then_some(Mark { run_id, lengths })
    }
}

/// Locks the journal. A child of a run that was killed may hold the lock until it has started its
/// own program, so that a run which follows at once waits a moment.
fn lock(journal: &File, path: &Path) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let start = Instant::now();
    loop {
        match journal.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                let folder = path.parent().unwrap_or(path).display();
                return Err(format!(
                    "another run writes to {folder}: wait for it, or name another folder with \
                     --results"
                ));
            }
            Err(TryLockError::Error(e)) => return Err(cannot("lock", path, &e)),
        }
    }
}

impl Store {
    /// Opens a folder for writing, cuts off what an interrupted run left, and locks it.
    pub(crate) fn open(folder: &Path) -> Result<Store, String> {
        std::fs::create_dir_all(folder).map_err(|e| cannot("make", folder, &e))?;
        let journal_path = folder.join(JOURNAL);
        let journal = OpenOptions::new().create(true).append(true).read(true).open(&journal_path);
        let journal = journal.map_err(|e| cannot("open", &journal_path, &e))?;
        lock(&journal, &journal_path)?;
        let mut store = Store {
            invocations: AppendFile::open(folder)?,
            iterations: AppendFile::open(folder)?,
            pauses: AppendFile::open(folder)?,
            workers: AppendFile::open(folder)?,
            requests: AppendFile::open(folder)?,
            journal,
            journal_path,
            done: HashSet::new(),
        };
        store.recover()?;
        Ok(store)
    }

    /// Cuts journal and files back to the last invocation that is whole in all of them.
    fn recover(&mut self) -> Result<(), String> {
        let text = std::fs::read(&self.journal_path)
            .map_err(|e| cannot("read", &self.journal_path, &e))?;
        let mut whole = JOURNAL_HEADER.len();
        if !text.starts_with(JOURNAL_HEADER.as_bytes()) {
            if !JOURNAL_HEADER.as_bytes().starts_with(&text) {
                let path = self.journal_path.display();
                return Err(format!("{path} is no journal of this version: name another folder"));
            }
            let cut = self.journal.set_len(0);
            let written = cut.and_then(|()| self.journal.write_all(JOURNAL_HEADER.as_bytes()));
            written.map_err(|e| cannot("write", &self.journal_path, &e))?;
        }
        let present = self.lengths();
        let mut lengths = self.header_lengths();
        let rows = text.get(whole..).unwrap_or_default();
        for line in rows.split_inclusive(|&b| b == b'\n') {
            let text = std::str::from_utf8(line).ok().and_then(|l| l.strip_suffix('\n'));
            let Some(mark) = text.and_then(Mark::parse) else { break };
            // Shorter than the journal says: the system lost what was not forced to the disk.
            if mark.lengths.iter().zip(present).any(|(&said, present)| said > present) {
                break;
            }
            whole += line.len();
            lengths = mark.lengths;
            self.done.insert(mark.run_id);
        }
        if text.len() > whole {
            let cut = self.journal.set_len(whole as u64);
            cut.map_err(|e| cannot("shorten", &self.journal_path, &e))?;
        }
        let [invocations, iterations, pauses, workers, requests] = lengths;
        self.invocations.cut(invocations)?;
        self.iterations.cut(iterations)?;
        self.pauses.cut(pauses)?;
        self.workers.cut(workers)?;
        self.requests.cut(requests)
    }

    fn lengths(&self) -> [u64; FILES] {
        [
            self.invocations.bytes,
            self.iterations.bytes,
            self.pauses.bytes,
            self.workers.bytes,
            self.requests.bytes,
        ]
    }
    fn header_lengths(&self) -> [u64; FILES] {
        let length = |h: Vec<u8>| h.len() as u64;
        [
            length(header::<InvocationRow>()),
            length(header::<IterationRow>()),
            length(header::<PauseRow>()),
            length(header::<WorkerRow>()),
            length(header::<RequestRow>()),
        ]
    }

    /// The invocations that are recorded.
    pub(crate) fn done(&self) -> &HashSet<String> {
        &self.done
    }

    /// Records one invocation: all of it, or nothing.
    pub(crate) fn commit(
        &mut self,
        invocation: InvocationRow,
        details: &Details,
        sync: bool,
    ) -> Result<(), String> {
        let run_id = invocation.run_id.clone();
        assert!(!self.done.contains(&run_id), "invocation {run_id} is recorded already");
        self.iterations.append(&details.iterations)?;
        self.pauses.append(&details.pauses)?;
        self.workers.append(&details.workers)?;
        self.requests.append(&details.requests)?;
        self.invocations.append(&[invocation])?;
        if sync {
            self.sync_files()?;
        }
        let lengths = self.lengths().map(|bytes| bytes.to_string()).join(",");
        let mark = format!("{run_id},{lengths}\n");
        let written = self.journal.write_all(mark.as_bytes());
        written.map_err(|e| cannot("write", &self.journal_path, &e))?;
        if sync {
            self.journal.sync_data().map_err(|e| cannot("write", &self.journal_path, &e))?;
        }
        self.done.insert(run_id);
        Ok(())
    }

    /// All at once: file systems join what is forced at the same time.
    fn sync_files(&mut self) -> Result<(), String> {
        let Store { invocations, iterations, pauses, workers, requests, .. } = self;
        std::thread::scope(|scope| {
            let others = [
                scope.spawn(|| iterations.sync()),
                scope.spawn(|| pauses.sync()),
                scope.spawn(|| workers.sync()),
                scope.spawn(|| requests.sync()),
            ];
            let own = invocations.sync();
            let joined = others.map(|t| t.join().expect("forcing a file does not panic"));
            joined.into_iter().fold(own, Result::and)
        })
    }
}

/// The rows of an invocation beside its own.
#[derive(Clone, Default, Debug)]
pub(crate) struct Details {
    pub(crate) iterations: Vec<IterationRow>,
    pub(crate) pauses: Vec<PauseRow>,
    pub(crate) workers: Vec<WorkerRow>,
    pub(crate) requests: Vec<RequestRow>,
}

/// The ids that a folder's journal holds, without opening it for writing.
pub(crate) fn recorded(folder: &Path) -> HashSet<String> {
    let text = std::fs::read_to_string(folder.join(JOURNAL)).unwrap_or_default();
    let rows = text.split_inclusive('\n').skip(1);
    rows.filter_map(|l| Mark::parse(l.strip_suffix('\n')?)).map(|m| m.run_id).collect()
}
