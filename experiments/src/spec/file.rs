//! The shape of a specification's text. Unknown keys are errors; what can be wrong in its meaning
//! carries its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::cli::EscapeArg;

use crate::catalogue::Size;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpecFile {
    /// The version of this shape: 1.
    pub(crate) schema: Spanned<u32>,
    /// The experiment's name: its folder among the results.
    pub(crate) name: Spanned<String>,
    /// What it is for, in one line.
    #[serde(default)]
    pub(crate) about: String,
    pub(crate) matrix: Matrix,
    pub(crate) reference: Reference,
    #[serde(default)]
    pub(crate) exclude: Vec<Spanned<Exclude>>,
    pub(crate) run: Run,
}

/// What is multiplied with what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Matrix {
    pub(crate) workloads: Vec<Spanned<WorkloadEntry>>,
    pub(crate) heaps: Vec<Spanned<StrategyEntry>>,
    pub(crate) schedulers: Vec<Spanned<StrategyEntry>>,
    #[serde(default = "one_worker")]
    pub(crate) workers: Vec<Spanned<usize>>,
    /// Multiples of the reference heap's minimum.
    #[serde(default)]
    pub(crate) heap_factors: Option<Spanned<Factors>>,
    /// Sizes for all workloads, such as `64MiB`.
    #[serde(default)]
    pub(crate) heap_bytes: Option<Vec<Spanned<String>>>,
}

fn one_worker() -> Vec<Spanned<usize>> {
    vec![Spanned::new(0..0, 1)]
}

/// A list, or the spread of running-ng.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Factors {
    List(Vec<f64>),
    Spread(Spread),
}

/// `f(k) = 1 + (range - 1)·g(k)/g(n)`, `g(k) = k + spread/(n - 1)·k(k - 1)/2`, for k = 0…n.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spread {
    pub(crate) n: usize,
    pub(crate) range: f64,
    #[serde(default = "unit")]
    pub(crate) spread: f64,
}

fn unit() -> f64 {
    1.0
}

/// `"awfy/storage"`, `"@tag"`, or a table.
#[derive(Debug)]
pub(crate) struct WorkloadEntry {
    pub(crate) id: String,
    /// Which parameters it begins from.
    pub(crate) size: Size,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) expect: Option<String>,
}

/// `"mark-sweep"`, or a table.
#[derive(Debug)]
pub(crate) struct StrategyEntry {
    pub(crate) name: String,
    pub(crate) params: BTreeMap<String, String>,
    /// Of heaps: what the compiler makes of escape analysis, as `exec --escape`.
    pub(crate) escape: Option<EscapeArg>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(String),
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Scalar::Integer(n) => n.to_string(),
            Scalar::Float(x) => x.to_string(),
            Scalar::Boolean(b) => b.to_string(),
            Scalar::Text(text) => text,
        }
    }
}

fn texts(params: BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    params.into_iter().map(|(name, value)| (name, value.text())).collect()
}

impl<'de> Deserialize<'de> for WorkloadEntry {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a workload: \"folder/name\", \"@tag\", or \
            { id = \"folder/name\", size = \"small\", params = { … }, expect = \"line\" }, where size is \
            small, default or large"
        )]
        enum Shape {
            Id(String),
            #[serde(rename_all = "snake_case")]
            Table {
                id: String,
                #[serde(default)]
                size: Size,
                #[serde(default)]
                params: BTreeMap<String, Scalar>,
                #[serde(default)]
                expect: Option<String>,
            },
        }
        Ok(match Shape::deserialize(d)? {
            Shape::Id(id) => {
                WorkloadEntry { id, size: Size::Default, params: BTreeMap::new(), expect: None }
            }
            Shape::Table { id, size, params, expect } => {
                WorkloadEntry { id, size, params: texts(params), expect }
            }
        })
    }
}

impl<'de> Deserialize<'de> for StrategyEntry {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a strategy: \"name\" or { name = \"name\", params = { … } }; of a heap, \
            escape = \"off\", \"frame\" or \"frame+region\" too"
        )]
        enum Shape {
            Name(String),
            Table {
                name: String,
                #[serde(default)]
                params: BTreeMap<String, Scalar>,
                #[serde(default)]
                escape: Option<EscapeArg>,
            },
        }
        Ok(match Shape::deserialize(d)? {
            Shape::Name(name) => StrategyEntry { name, params: BTreeMap::new(), escape: None },
            Shape::Table { name, params, escape } => {
                StrategyEntry { name, params: texts(params), escape }
            }
        })
    }
}

/// What others are compared with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    /// Its minimum heap is what factors multiply, so that a factor means the same bytes for all;
    /// and the baseline of ratios.
    pub(crate) heap: Spanned<String>,
    /// What programs without tasks run on; and the baseline of ratios.
    pub(crate) scheduler: Spanned<String>,
}

/// What is left out, or runs at a size of its own. Empty selectors match everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exclude {
    pub(crate) workload: Option<String>,
    pub(crate) heap: Option<String>,
    pub(crate) scheduler: Option<String>,
    pub(crate) workers: Option<usize>,
    /// Runs once, at this size, instead of at every factor.
    pub(crate) use_heap_bytes: Option<String>,
    /// Shown in the manifest and in captions.
    pub(crate) reason: String,
}

/// How it is run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// Processes per cell: the replicates.
    pub(crate) invocations: Spanned<u32>,
    /// Runs of the program in each process.
    #[serde(default = "three")]
    pub(crate) iterations: Spanned<u32>,
    /// How many of them are not measured.
    #[serde(default = "one")]
    pub(crate) warmup: Spanned<u32>,
    /// Of the order.
    pub(crate) seed: u64,
    /// An invocation that takes longer than this multiple of the fastest one of its workload ends
    /// as `thrash`.
    #[serde(default = "twenty")]
    pub(crate) timeout_factor: Spanned<f64>,
    /// An invocation that takes longer than this ends as `timeout`.
    #[serde(default = "two_minutes")]
    pub(crate) timeout_s: Spanned<f64>,
    /// Whether to time what workers do beside waiting: some clock readings per slice, which the measured
    /// times include.
    #[serde(default)]
    pub(crate) activity: bool,
    /// When rows are forced to the disk.
    #[serde(default)]
    pub(crate) fsync: Fsync,
    /// Of which heaps the minimum is searched before the run.
    #[serde(default)]
    pub(crate) minimum_heaps: MinimumHeaps,
    /// How near to the minimum the search goes, as a share of it.
    #[serde(default = "hundredth")]
    pub(crate) minimum_heap_tolerance: Spanned<f64>,
}

/// Of which heaps the minimum is searched before the run; `menagerie minheap` searches all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MinimumHeaps {
    /// The reference heap's, which factors multiply.
    #[default]
    Reference,
    /// All: they are a result.
    All,
}

/// When rows are forced to the disk. Rows are complete or dropped either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fsync {
    /// After every invocation: a power loss costs the running one.
    #[default]
    Invocation,
    /// After every block: a power loss costs a block.
    Block,
    /// Left to the system.
    Never,
}

fn hundredth() -> Spanned<f64> {
    Spanned::new(0..0, 0.01)
}
fn three() -> Spanned<u32> {
    Spanned::new(0..0, 3)
}
fn one() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}
fn twenty() -> Spanned<f64> {
    Spanned::new(0..0, 20.0)
}
fn two_minutes() -> Spanned<f64> {
    Spanned::new(0..0, 120.0)
}
