//! What the runner must know of a workload: its file, its parameters, and the output that a right
//! run has. Read from the head of the program (see `experiments/workloads/README.md`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A measured program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Workload {
    /// Folder and name, such as `awfy/storage`.
    pub(crate) id: String,
    /// The program.
    pub(crate) path: PathBuf,
    /// Parameters with their defaults.
    pub(crate) params: BTreeMap<String, String>,
    /// The standard output with the default parameters, line by line.
    pub(crate) expected: Vec<String>,
    /// Words that specs select by, as `@tag`.
    pub(crate) tags: Vec<String>,
    /// Whether it makes tasks: others are not multiplied by schedulers and workers.
    pub(crate) uses_tasks: bool,
}

/// All measured programs.
#[derive(Clone, Default, Debug)]
pub(crate) struct Workloads {
    all: Vec<Workload>,
}

/// The folders that hold measured programs (`language/` holds tests of the language).
const FOLDERS: [&str; 5] = ["awfy", "memory", "forkjoin", "actors", "latency"];

impl Workloads {
    /// Reads the heads of all programs below `root`.
    pub(crate) fn read(root: &Path) -> Result<Workloads, String> {
        let mut all = Vec::new();
        for folder in FOLDERS {
            let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
            for entry in entries {
                let path = entry.map_err(|e| format!("{}: {e}", root.display()))?.path();
                if path.extension().is_some_and(|e| e == "mena") {
                    all.push(Workload::read(folder, path)?);
                }
            }
        }
        if all.is_empty() {
            return Err(format!(
                "no workloads in {}: name their folder with --workloads DIR",
                root.display()
            ));
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Workloads { all })
    }

    /// The folder of a checkout: the nearest `experiments/workloads` at or above `from`.
    pub(crate) fn find(from: &Path) -> Option<PathBuf> {
        let from = from.canonicalize().ok()?;
        let candidates = from.ancestors().map(|a| a.join("experiments").join("workloads"));
        candidates.into_iter().find(|folder| folder.is_dir())
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Workload> {
        self.all.iter().find(|w| w.id == id)
    }
    pub(crate) fn tagged<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Workload> {
        self.all.iter().filter(move |w| w.tags.iter().any(|t| t == tag))
    }
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|w| w.id.as_str())
    }
}

impl Workload {
    fn read(folder: &str, path: PathBuf) -> Result<Workload, String> {
        let at = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
        let text = std::fs::read_to_string(&path).map_err(at)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut workload = Workload {
            id: format!("{folder}/{stem}"),
            path: path.clone(),
            params: BTreeMap::new(),
            expected: Vec::new(),
            tags: Vec::new(),
            uses_tasks: false,
        };
        for line in text.lines() {
            let Some(line) = line.trim_start().strip_prefix("// ") else { continue };
            workload.header(line);
        }
        Ok(workload)
    }

    fn header(&mut self, line: &str) {
        let words = |list: &str| list.split(',').map(|w| w.trim().to_owned()).collect::<Vec<_>>();
        if let Some(expected) = line.strip_prefix("expect: ") {
            self.expected.push(expected.to_owned());
        } else if let Some(tags) = line.strip_prefix("tags: ") {
            self.tags = words(tags);
        } else if let Some(uses) = line.strip_prefix("uses: ") {
            self.uses_tasks = words(uses).iter().any(|u| u == "tasks");
        } else if let Some((name, value)) =
            line.strip_prefix("param ").and_then(|p| p.split_once(" = "))
        {
            let value = value.split(" (").next().unwrap_or(value).trim();
            self.params.insert(name.trim().to_owned(), value.to_owned());
        }
    }
}
