//! A folder with workloads and a specification, and the command run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_menagerie");

/// A folder of its own for one test, removed at its end.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// A row of a CSV file by column.
pub(crate) type Row = BTreeMap<String, String>;

/// Keeps a list of lists alive and makes garbage: it collects in small heaps.
const CHURN: &str = "\
let keep = list(64, nil);
fn main(args) {
    var sum = 0;
    for i in 0..20000 {
        keep[i % 64] = [i, i + 1, i + 2, i + 3];
        sum += keep[i % 64][0];
    }
    print(\"churn\", sum);
}
";

const TASKS: &str = "\
fn main(args) {
    let tasks = [];
    for i in 0..100 { tasks.push(spawn { i }); }
    var sum = 0;
    for t in tasks { sum += t.join(); }
    print(\"tasks\", sum);
}
";

impl Bench {
    /// With the two programs above, as memory/churn and forkjoin/tasks.
    pub(crate) fn new() -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bench = Bench { folder };
        bench.workload("memory/churn", "alloc", "churn 199990000", CHURN);
        bench.workload("forkjoin/tasks", "tasks", "tasks 4950", TASKS);
        bench
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder for the test");
        fs::write(path, text).expect("a file for the test");
    }
    /// A workload with the tag `core` and this output.
    pub(crate) fn workload(&self, id: &str, uses: &str, output: &str, body: &str) {
        let name = id.split('/').next_back().expect("an id has a name");
        let text = format!(
            "// {name}: for a test.\n// stresses: the harness\n// source: this test\n\
             // param n = 2 (small 1, large 3)\n// tags: core\n// uses: {uses}\n\
             // expect: {output}\n// expect-small: {output}\n// expect-large: {output}\n\n{body}"
        );
        self.write(&format!("workloads/{id}.mena"), &text);
    }
    /// A specification `test`: `matrix` and `run` are added to what all need.
    pub(crate) fn spec(&self, matrix: &str, run: &str) {
        let text = format!(
            "schema = 1\nname = \"test\"\n\n[matrix]\nschedulers = [\"green\"]\n{matrix}\n\n\
             [reference]\nheap = \"mark-sweep\"\nscheduler = \"green\"\n\n\
             [run]\nseed = 1\n{run}\n"
        );
        self.write("experiments/specs/test.toml", &text);
    }
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        if ["plan", "run", "status", "minheap"].contains(&words[0]) {
            command.args(["--workloads", "workloads"]);
        }
        command
    }
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.command(words).output().expect("the binary starts").into()
    }
    /// The rows of a result file.
    pub(crate) fn rows(&self, file: &str) -> Vec<Row> {
        rows(&self.path("results/local/test").join(file))
    }
    /// Status by program and heap, each of which must have had one outcome.
    pub(crate) fn outcomes(&self) -> BTreeMap<(String, String), String> {
        let mut outcomes = BTreeMap::new();
        for row in self.rows("invocations.csv") {
            let cell = (row["workload"].clone(), row["heap"].clone());
            let before = outcomes.insert(cell, row["status"].clone());
            assert!(before.is_none_or(|b| b == row["status"]), "two outcomes of a cell: {row:?}");
        }
        outcomes
    }
}

/// The rows of a CSV file.
pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).expect("the file is there");
    reader.deserialize().map(|row| row.expect("a whole row")).collect()
}

/// What a run gave.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("outputs are UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Ran { status: output.status.code(), stdout, stderr }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Ran {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }
    /// Ends with status 2, and says all of these.
    #[track_caller]
    pub(crate) fn refused(self, said: &[&str]) {
        let Ran { status, stderr, .. } = &self;
        assert_eq!(*status, Some(2), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        for part in said {
            assert!(stderr.contains(part), "it does not say {part:?}:\n{stderr}");
        }
    }
}
