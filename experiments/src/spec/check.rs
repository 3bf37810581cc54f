//! What must hold of a specification beyond its shape, and the checked form that the matrix is made
//! from. All complaints are collected; each names its line and the remedy.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use menagerie::heap::Parameter;
use menagerie_strategies::{HEAPS, SCHEDULERS};

use super::file::{Exclude, Factors, Fsync, MinimumHeaps, SpecFile, StrategyEntry};
use super::line_of;
use crate::catalogue::{Catalogue, Workload};
use crate::cli::EscapeArg;
use crate::matrix::pairs;

/// A value, or everything that is wrong.
pub(crate) type Checked<T> = Result<T, String>;

/// A specification that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) about: String,
    /// The file, verbatim: it goes into the manifest.
    pub(crate) text: String,
    pub(crate) workloads: Vec<WorkloadChoice>,
    pub(crate) heaps: Vec<HeapChoice>,
    pub(crate) schedulers: Vec<SchedulerChoice>,
    pub(crate) workers: Vec<usize>,
    pub(crate) sizes: Sizes,
    pub(crate) reference_heap: String,
    pub(crate) reference_scheduler: String,
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) invocations: u32,
    pub(crate) iterations: u32,
    pub(crate) warmup: u32,
    pub(crate) seed: u64,
    pub(crate) timeout_factor: f64,
    pub(crate) timeout_s: f64,
    pub(crate) activity: bool,
    pub(crate) fsync: Fsync,
    pub(crate) minimum_heaps: MinimumHeaps,
    pub(crate) minimum_heap_tolerance: f64,
}

/// A workload with its parameters, and the output of a right run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WorkloadChoice {
    pub(crate) workload: Workload,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) expected: Vec<String>,
}

/// A heap with its parameters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct HeapChoice {
    pub(crate) name: String,
    pub(crate) params: BTreeMap<String, String>,
    /// The compiler's part of memory management; its default when absent.
    pub(crate) escape: Option<EscapeArg>,
}

impl HeapChoice {
    /// What differs from the defaults, as in result files.
    pub(crate) fn options(&self) -> String {
        let escape = self.escape.map_or(String::new(), |e| format!("escape={}", e.name()));
        format!("{} {escape}", pairs(&self.params)).trim().to_owned()
    }
}

/// A scheduler with its parameters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SchedulerChoice {
    pub(crate) name: String,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) parallel: bool,
}

/// Heap limits.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Sizes {
    /// Multiples of the reference heap's minimum, ascending.
    Factors(Vec<f64>),
    /// Bytes, ascending.
    Bytes(Vec<u64>),
}

/// What is left out, or runs at a size of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Exclusion {
    pub(crate) workload: Option<String>,
    pub(crate) heap: Option<String>,
    pub(crate) scheduler: Option<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) use_heap_bytes: Option<u64>,
    pub(crate) reason: String,
}

/// Collects complaints.
struct Complaints<'a> {
    text: &'a str,
    name: &'a str,
    said: Vec<String>,
}

impl Complaints<'_> {
    fn add(&mut self, span: Range<usize>, message: impl std::fmt::Display) {
        self.said.push(format!("{}:{}: {message}", self.name, line_of(self.text, span.start)));
    }
    fn require(&mut self, ok: bool, span: Range<usize>, message: impl std::fmt::Display) {
        if !ok {
            self.add(span, message);
        }
    }
}

/// The largest limit that a heap can be given.
const HEAP_BYTES_MAX: u64 = 1 << 46;

fn heap_bytes(text: &str) -> Result<u64, String> {
    let size: bytesize::ByteSize = text
        .parse()
        .map_err(|_| format!("`{text}` is no size; write one such as \"64MiB\" or \"100000\""))?;
    match size.as_u64() {
        0 => Err("a heap needs more than 0 bytes; try \"64MiB\"".to_owned()),
        bytes if bytes > HEAP_BYTES_MAX => Err("more than a process can address".to_owned()),
        bytes => Ok(bytes),
    }
}

pub(super) fn check(
    file: &SpecFile,
    text: &str,
    name: &str,
    catalogue: &Catalogue,
) -> Checked<Spec> {
    let mut c = Complaints { text, name, said: Vec::new() };
    let schema = &file.schema;
    c.require(*schema.get_ref() == 1, schema.span(), "schema must be 1");
    let plain = |n: &str| {
        !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let message = "a name is a folder: letters, digits, - and _";
    c.require(plain(file.name.get_ref()), file.name.span(), message);
    let spec = Spec {
        name: file.name.get_ref().clone(),
        about: file.about.clone(),
        text: text.to_owned(),
        workloads: choose_workloads(&mut c, file, catalogue),
        heaps: choose_heaps(&mut c, file),
        schedulers: choose_schedulers(&mut c, file),
        workers: choose_workers(&mut c, file),
        sizes: choose_sizes(&mut c, file),
        reference_heap: file.reference.heap.get_ref().clone(),
        reference_scheduler: file.reference.scheduler.get_ref().clone(),
        exclusions: exclusions(&mut c, file),
        invocations: *file.run.invocations.get_ref(),
        iterations: *file.run.iterations.get_ref(),
        warmup: *file.run.warmup.get_ref(),
        seed: file.run.seed,
        timeout_factor: *file.run.timeout_factor.get_ref(),
        timeout_s: *file.run.timeout_s.get_ref(),
        activity: file.run.activity,
        fsync: file.run.fsync,
        minimum_heaps: file.run.minimum_heaps,
        minimum_heap_tolerance: *file.run.minimum_heap_tolerance.get_ref(),
    };
    check_run(&mut c, file);
    check_reference(&mut c, file, &spec);
    if c.said.is_empty() { Ok(spec) } else { Err(c.said.join("\n")) }
}

fn check_run(c: &mut Complaints<'_>, file: &SpecFile) {
    let run = &file.run;
    let (invocations, iterations) = (*run.invocations.get_ref(), *run.iterations.get_ref());
    c.require(invocations > 0, run.invocations.span(), "invocations must be at least 1");
    c.require(iterations > 0, run.iterations.span(), "iterations must be at least 1");
    let measured = *run.warmup.get_ref() < iterations;
    c.require(measured, run.warmup.span(), "warmup leaves no iteration to measure: lower it");
    let tolerance = &run.minimum_heap_tolerance;
    let message = "minimum_heap_tolerance must be from 0.001 to 0.5";
    c.require((0.001..=0.5).contains(tolerance.get_ref()), tolerance.span(), message);
    let positive = |x: f64| x.is_finite() && x > 0.0;
    let factor = *run.timeout_factor.get_ref();
    c.require(factor > 1.0, run.timeout_factor.span(), "timeout_factor must be above 1");
    let seconds = positive(*run.timeout_s.get_ref());
    c.require(seconds, run.timeout_s.span(), "timeout_s must be above 0");
}

fn check_reference(c: &mut Complaints<'_>, file: &SpecFile, spec: &Spec) {
    let (heap, scheduler) = (&file.reference.heap, &file.reference.scheduler);
    let known = spec.heaps.iter().any(|h| h.name == *heap.get_ref());
    c.require(known, heap.span(), "the reference heap must be one of matrix.heaps");
    let collects = HEAPS.iter().any(|(info, _)| info.name == heap.get_ref() && info.collects);
    let message = "the reference heap must collect: its minimum is what factors multiply";
    c.require(!known || collects, heap.span(), message);
    let known = spec.schedulers.iter().any(|s| s.name == *scheduler.get_ref());
    let message = "the reference scheduler must be one of matrix.schedulers";
    c.require(known, scheduler.span(), message);
}

fn choose_workloads(
    c: &mut Complaints<'_>,
    file: &SpecFile,
    catalogue: &Catalogue,
) -> Vec<WorkloadChoice> {
    let mut chosen: Vec<WorkloadChoice> = Vec::new();
    for entry in &file.matrix.workloads {
        let (span, entry) = (entry.span(), entry.get_ref());
        let found: Vec<&Workload> = match entry.id.strip_prefix('@') {
            Some(tag) => catalogue.tagged(tag).collect(),
            None => catalogue.get(&entry.id).into_iter().collect(),
        };
        if found.is_empty() {
            let known: Vec<_> = catalogue.iter().map(|w| w.id.as_str()).collect();
            let message =
                format!("unknown workload `{}`; there are: {}", entry.id, known.join(", "));
            c.add(span.clone(), message);
        }
        for workload in found {
            if let Some(choice) = workload_choice(c, span.clone(), workload, entry) {
                let same = |w: &WorkloadChoice| {
                    w.workload.id == choice.workload.id && w.params == choice.params
                };
                match chosen.iter().any(same) {
                    true if entry.id.starts_with('@') => {}
                    true => c.add(span.clone(), format!("`{}` is listed twice", entry.id)),
                    false => chosen.push(choice),
                }
            }
        }
    }
    c.require(!file.matrix.workloads.is_empty(), 0..0, "matrix.workloads is empty: name some");
    chosen
}

fn workload_choice(
    c: &mut Complaints<'_>,
    span: Range<usize>,
    workload: &Workload,
    entry: &super::file::WorkloadEntry,
) -> Option<WorkloadChoice> {
    let mut params = workload.params_at(entry.size);
    for (name, value) in &entry.params {
        if params.insert(name.clone(), value.clone()).is_none() {
            let known: Vec<_> = workload.params.iter().map(|p| p.name.as_str()).collect();
            let message =
                format!("{} has no parameter `{name}` (it has: {})", workload.id, known.join(", "));
            c.add(span.clone(), message);
            return None;
        }
    }
    let known = workload.expected_with(&params);
    let expected = match &entry.expect {
        Some(line) => line.lines().map(str::to_owned).collect(),
        None if known.is_none() => {
            let message = format!(
                "the output of {} with these parameters is not known, so that a wrong run could \
                 not be told: add expect = \"its line\"",
                workload.id
            );
            c.add(span, message);
            return None;
        }
        None => known.map(<[_]>::to_vec).unwrap_or_default(),
    };
    Some(WorkloadChoice { workload: workload.clone(), params, expected })
}

fn strategy_params(
    c: &mut Complaints<'_>,
    span: Range<usize>,
    entry: &StrategyEntry,
    declared: &[Parameter],
) {
    for name in entry.params.keys() {
        if !declared.iter().any(|p| p.name == name) {
            let known: Vec<_> = declared.iter().map(|p| p.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("`{}` has no parameter `{name}` (it has: {known})", entry.name);
            c.add(span.clone(), message);
        }
    }
}

fn choose_heaps(c: &mut Complaints<'_>, file: &SpecFile) -> Vec<HeapChoice> {
    let mut chosen = Vec::new();
    for entry in &file.matrix.heaps {
        let (span, entry) = (entry.span(), entry.get_ref());
        match HEAPS.iter().find(|(info, _)| info.name == entry.name) {
            Some((info, _)) => strategy_params(c, span.clone(), entry, info.parameters),
            None => {
                let known: Vec<_> = HEAPS.iter().map(|(info, _)| info.name).collect();
                let known = known.join(", ");
                c.add(span.clone(), format!("unknown heap `{}`; there are: {known}", entry.name));
            }
        }
        let (name, params) = (entry.name.clone(), entry.params.clone());
        let choice = HeapChoice { name, params, escape: entry.escape };
        c.require(!chosen.contains(&choice), span, format!("`{}` is listed twice", entry.name));
        chosen.push(choice);
    }
    c.require(!chosen.is_empty(), 0..0, "matrix.heaps is empty: name some");
    chosen
}

fn choose_schedulers(c: &mut Complaints<'_>, file: &SpecFile) -> Vec<SchedulerChoice> {
    let mut chosen = Vec::new();
    for entry in &file.matrix.schedulers {
        let (span, entry) = (entry.span(), entry.get_ref());
        let found = SCHEDULERS.iter().find(|(info, _)| info.name == entry.name);
        let Some((info, _)) = found else {
            let known: Vec<_> = SCHEDULERS.iter().map(|(info, _)| info.name).collect();
            let known = known.join(", ");
            c.add(span, format!("unknown scheduler `{}`; there are: {known}", entry.name));
            continue;
        };
        strategy_params(c, span.clone(), entry, info.parameters);
        let message = "escape is an option of heaps: a scheduler has none";
        c.require(entry.escape.is_none(), span.clone(), message);
        let (name, params) = (entry.name.clone(), entry.params.clone());
        let choice = SchedulerChoice { name, params, parallel: info.parallel };
        c.require(!chosen.contains(&choice), span, format!("`{}` is listed twice", entry.name));
        chosen.push(choice);
    }
    c.require(!file.matrix.schedulers.is_empty(), 0..0, "matrix.schedulers is empty: name some");
    chosen
}

fn choose_workers(c: &mut Complaints<'_>, file: &SpecFile) -> Vec<usize> {
    let mut workers = BTreeSet::new();
    for entry in &file.matrix.workers {
        let n = *entry.get_ref();
        c.require((1..=1024).contains(&n), entry.span(), "workers must be from 1 to 1024");
        workers.insert(n);
    }
    c.require(!workers.is_empty(), 0..0, "matrix.workers is empty: leave it out for 1");
    workers.into_iter().collect()
}

fn choose_sizes(c: &mut Complaints<'_>, file: &SpecFile) -> Sizes {
    match (&file.matrix.heap_factors, &file.matrix.heap_bytes) {
        (Some(factors), None) => Sizes::Factors(choose_factors(c, factors)),
        (None, Some(bytes)) => {
            let mut sizes = BTreeSet::new();
            for entry in bytes {
                match heap_bytes(entry.get_ref()) {
                    Ok(bytes) => {
                        sizes.insert(bytes);
                    }
                    Err(message) => c.add(entry.span(), message),
                }
            }
            c.require(!bytes.is_empty(), 0..0, "matrix.heap_bytes is empty: name a size");
            Sizes::Bytes(sizes.into_iter().collect())
        }
        (Some(factors), Some(_)) => {
            c.add(factors.span(), "heap_factors and heap_bytes exclude each other: remove one");
            Sizes::Bytes(Vec::new())
        }
        (None, None) => {
            c.add(0..0, "matrix needs heap_factors or heap_bytes");
            Sizes::Bytes(Vec::new())
        }
    }
}

fn choose_factors(c: &mut Complaints<'_>, factors: &toml::Spanned<Factors>) -> Vec<f64> {
    let mut list = match factors.get_ref() {
        Factors::List(list) => list.clone(),
        Factors::Spread(s) if (1..=64).contains(&s.n) && s.range > 1.0 && s.spread >= 0.0 => {
            spread(s.n, s.range, s.spread)
        }
        Factors::Spread(_) => {
            c.add(factors.span(), "a spread needs n from 1 to 64, range above 1 and spread >= 0");
            return Vec::new();
        }
    };
    let sane = |f: &f64| f.is_finite() && (1.0..=1000.0).contains(f);
    let message = "heap_factors must be from 1 (the reference heap's minimum) to 1000";
    c.require(!list.is_empty() && list.iter().all(sane), factors.span(), message);
    list.sort_by(f64::total_cmp);
    list.dedup();
    list
}

/// running-ng's `spread`: heap factors that lie closer together where the heap is tight.
pub(crate) fn spread(n: usize, range: f64, spread: f64) -> Vec<f64> {
    let g = |k: usize| {
        let k = k as f64;
        let step = if n > 1 { spread / (n as f64 - 1.0) } else { 0.0 };
        k + step * k * (k - 1.0) / 2.0
    };
    (0..=n).map(|k| 1.0 + (range - 1.0) * g(k) / g(n)).collect()
}

fn exclusions(c: &mut Complaints<'_>, file: &SpecFile) -> Vec<Exclusion> {
    let mut out = Vec::new();
    for entry in &file.exclude {
        let (span, e): (_, &Exclude) = (entry.span(), entry.get_ref());
        let message = "an exclusion needs a reason: it is shown in captions";
        c.require(!e.reason.trim().is_empty(), span.clone(), message);
        let selective = e.workload.is_some()
            || e.heap.is_some()
            || e.scheduler.is_some()
            || e.workers.is_some();
        let message =
            "this exclusion matches everything: name a workload, heap, scheduler or workers";
        c.require(selective, span.clone(), message);
        let bytes = e.use_heap_bytes.as_deref().map(heap_bytes).transpose();
        let use_heap_bytes = bytes.unwrap_or_else(|message| {
            c.add(span, message);
            None
        });
        out.push(Exclusion {
            workload: e.workload.clone(),
            heap: e.heap.clone(),
            scheduler: e.scheduler.clone(),
            workers: e.workers,
            use_heap_bytes,
            reason: e.reason.clone(),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::spread;

    /// methodology: N = 8, R = 6, s = 1 gives the factors of the LBO paper's tables.
    #[test]
    fn spread_gives_the_published_factors() {
        let got: Vec<_> = spread(8, 6.0, 1.0).iter().map(|f| format!("{f:.3}")).collect();
        let want =
            ["1.000", "1.417", "1.893", "2.429", "3.024", "3.679", "4.393", "5.167", "6.000"];
        assert_eq!(got, want);
    }
}
