//! The catalogue of measured programs, derived from the comments at their head: what each is for,
//! its parameters at three sizes, and the output that a right run has at each.
//!
//! The programs are part of the binary, so a results folder's binary digest covers them and an
//! installed `menagerie` needs no checkout. `--workloads DIR` takes others.
//!
//! Invariant: the output of a program depends on its parameters alone, never on heap, scheduler,
//! number of workers or seed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

mod header;
mod page;

pub use header::{TAGS, USES, params};
pub use page::page;

include!(concat!(env!("OUT_DIR"), "/workloads.rs"));

/// A set of parameters that every program declares.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Milliseconds: for tests
    Small,
    /// About half a second: what is measured
    #[default]
    Default,
    /// Seconds
    Large,
}

/// One value for each [`Size`].
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Sizes<T> {
    small: T,
    default: T,
    large: T,
}

impl<T> Sizes<T> {
    /// The value of a size.
    pub fn of(&self, size: Size) -> &T {
        match size {
            Size::Small => &self.small,
            Size::Default => &self.default,
            Size::Large => &self.large,
        }
    }
    fn of_mut(&mut self, size: Size) -> &mut T {
        match size {
            Size::Small => &mut self.small,
            Size::Default => &mut self.default,
            Size::Large => &mut self.large,
        }
    }
}

/// A parameter, which the program reads by `param("name", default)`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its values, as written.
    pub values: Sizes<String>,
}

/// A measured program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Workload {
    /// Folder and name, such as `awfy/storage`.
    pub id: String,
    /// What `menagerie exec` is given: the id, or a file of `--workloads`.
    pub program: PathBuf,
    /// What the program does, in a sentence.
    pub about: String,
    /// What else there is to say.
    pub notes: String,
    /// What it is meant to put under load.
    pub stresses: String,
    /// Where it comes from.
    pub source: String,
    /// Words that specifications select by, as `@tag`: the family, `sequential` or `concurrent`,
    /// and those of [`TAGS`] that the header names.
    pub tags: Vec<String>,
    /// What of the language it needs, in the words of [`USES`].
    pub uses: Vec<String>,
    /// In the order of the header.
    pub params: Vec<Param>,
    /// Those of them on which the output does not depend: a specification may choose any value.
    pub sweeps: Vec<String>,
    /// The standard output, line by line.
    pub expected: Sizes<Vec<String>>,
    /// The program.
    #[serde(skip)]
    pub text: String,
}

impl Workload {
    /// The folder: `awfy`, `memory`, `forkjoin`, `actors` or `latency`.
    pub fn family(&self) -> &str {
        self.id.split_once('/').map_or("", |(family, _)| family)
    }
    /// Whether it makes tasks: only then do schedulers and workers make a difference.
    pub fn is_concurrent(&self) -> bool {
        header::needs_tasks(&self.uses)
    }
    /// Whether a specification that says `@tag` means it.
    pub fn is_tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }
    /// The parameters at a size.
    pub fn params_at(&self, size: Size) -> BTreeMap<String, String> {
        self.params.iter().map(|p| (p.name.clone(), p.values.of(size).clone())).collect()
    }
    /// The output with these parameters, if they are those of a size, apart from what may be swept.
    pub fn expected_with(&self, params: &BTreeMap<String, String>) -> Option<&[String]> {
        let sizes = [Size::Default, Size::Small, Size::Large];
        let matches = |size: &Size| {
            let at = self.params_at(*size);
            at.len() == params.len()
                && at.iter().all(|(name, value)| {
                    params
                        .get(name)
                        .is_some_and(|given| given == value || self.sweeps.contains(name))
                })
        };
        let size = sizes.into_iter().find(matches)?;
        Some(self.expected.of(size))
    }
}

/// All measured programs, family by family, then by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalogue {
    all: Vec<Workload>,
}

impl Catalogue {
    /// The programs that are part of this binary.
    ///
    /// # Panics
    /// A header is wrong (a test reads them all).
    pub fn embedded() -> Catalogue {
        let programs = EMBEDDED.iter().map(|&(id, text)| Source {
            id: id.to_owned(),
            program: PathBuf::from(id),
            shown: format!("experiments/workloads/{id}.mena"),
            text: text.to_owned(),
        });
        Catalogue::parse(programs).unwrap_or_else(|complaints| panic!("{complaints}"))
    }

    /// The programs below a folder, each in the folder of its family.
    ///
    /// # Errors
    /// A file cannot be read, a header is wrong (all complaints, a line each, with file, line and
    /// remedy), or there are no programs.
    pub fn read(root: &Path) -> Result<Catalogue, String> {
        let mut programs = Vec::new();
        for family in FAMILIES.iter().filter(|family| root.join(family).is_dir()) {
            for path in files(&root.join(family))? {
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let (id, shown) = (format!("{family}/{stem}"), path.display().to_string());
                programs.push(Source { id, program: path, shown, text });
            }
        }
        if programs.is_empty() {
            return Err(format!(
                "no workloads in {}: it needs one of the folders {} with .mena files in it",
                root.display(),
                FAMILIES.join(", ")
            ));
        }
        Catalogue::parse(programs.into_iter())
    }

    fn parse(programs: impl Iterator<Item = Source>) -> Result<Catalogue, String> {
        let (mut all, mut complaints) = (Vec::new(), Vec::new());
        for program in programs {
            match header::parse(program) {
                Ok(workload) => all.push(workload),
                Err(lines) => complaints.extend(lines),
            }
        }
        if complaints.is_empty() { Ok(Catalogue { all }) } else { Err(complaints.join("\n")) }
    }

    /// The program of an id such as `awfy/storage`.
    pub fn get(&self, id: &str) -> Option<&Workload> {
        self.all.iter().find(|w| w.id == id)
    }
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Workload> {
        self.all.iter()
    }
    /// Those with a tag.
    pub fn tagged<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Workload> {
        self.all.iter().filter(move |w| w.is_tagged(tag))
    }
    /// Those of a family.
    pub fn of_family<'a>(&'a self, family: &'a str) -> impl Iterator<Item = &'a Workload> {
        self.all.iter().filter(move |w| w.family() == family)
    }
    /// The folders, in order.
    pub fn families() -> &'static [&'static str] {
        FAMILIES
    }
}

/// The text of a program of this binary.
pub fn embedded_text(id: &str) -> Option<&'static str> {
    EMBEDDED.iter().find(|(known, _)| *known == id).map(|(_, text)| *text)
}

/// The programs of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |e: std::io::Error| format!("cannot read {}: {e}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(cannot)?;
    let paths = entries.map(|entry| entry.map(|e| e.path()).map_err(cannot));
    let mut found: Vec<_> = paths.collect::<Result<_, _>>()?;
    found.retain(|path| path.extension().is_some_and(|e| e == "mena"));
    found.sort();
    Ok(found)
}

/// A program whose header is still to be read.
struct Source {
    id: String,
    program: PathBuf,
    /// Its name in complaints.
    shown: String,
    text: String,
}
