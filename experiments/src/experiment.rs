//! What `plan`, `run`, `minheap` and `status` have in common: the specification, the results
//! folder, the binary that is measured, and the minima known so far.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::catalogue::Catalogue;
use crate::invoke::{Invocation, Invoker, Limits, Sizing, Status};
use crate::matrix::{Cell, Minima, pairs};
use crate::results::{InvocationRow, MinheapRow};
use crate::spec::{self, HeapChoice, SchedulerChoice, Spec, WorkloadChoice};

/// Arguments of every subcommand that takes a specification.
#[derive(Args, Clone, Debug)]
pub struct ExperimentArgs {
    /// The specification: a file, or the name of one in experiments/specs, such as quick
    pub spec: PathBuf,
    /// The folder of all results
    #[arg(long, default_value = "results/local", value_name = "DIR")]
    pub results: PathBuf,
    /// The folder of the workloads (default: those that are part of the measured binary)
    #[arg(long, value_name = "DIR")]
    pub workloads: Option<PathBuf>,
    /// The `menagerie` to measure (default: this one)
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

/// The file as it was named, or the shipped one of that name.
fn specification(named: &Path) -> Result<PathBuf, String> {
    let is_name = named.components().count() == 1 && named.extension().is_none();
    if !is_name || named.exists() {
        return Ok(named.to_owned());
    }
    let here = std::env::current_dir().map_err(|e| format!("cannot find this folder: {e}"))?;
    let shipped = here.ancestors().map(|a| a.join("experiments").join("specs"));
    let Some(folder) = shipped.into_iter().find(|folder| folder.is_dir()) else {
        return Err(format!(
            "there is no file {} and no folder experiments/specs here or above: name a file",
            named.display()
        ));
    };
    let file = folder.join(named).with_extension("toml");
    if file.is_file() {
        return Ok(file);
    }
    let entries =
        std::fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut known: Vec<String> = entries
        .filter_map(|e| Some(e.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    known.sort();
    Err(format!(
        "unknown specification `{}`; there are: {} (or name a file)",
        named.display(),
        known.join(", ")
    ))
}

/// A specification with everything around it.
#[derive(Debug)]
pub(crate) struct Experiment {
    pub(crate) spec: Spec,
    pub(crate) folder: PathBuf,
    pub(crate) binary: PathBuf,
}

impl Experiment {
    pub(crate) fn open(args: &ExperimentArgs) -> Result<Experiment, String> {
        let catalogue = match &args.workloads {
            Some(root) => Catalogue::read(root)?,
            None => Catalogue::embedded(),
        };
        let spec = spec::read(&specification(&args.spec)?, &catalogue)?;
        let folder = args.results.join(&spec.name);
        let binary = match &args.binary {
            Some(binary) => binary.clone(),
            None => std::env::current_exe()
                .map_err(|e| format!("cannot find this program: {e}; name it with --binary"))?,
        };
        Ok(Experiment { spec, folder, binary })
    }

    /// The minima of the reference heap that are recorded, found or not.
    pub(crate) fn minima(&self) -> Result<Minima, String> {
        let rows: Vec<MinheapRow> = read_rows(&self.folder)?;
        let of_reference = rows.into_iter().filter(|r| {
            r.heap == self.spec.reference_heap && r.heap_opts == self.reference_heap_options()
        });
        Ok(of_reference
            .map(|r| {
                let key = format!("{} {}", r.workload, r.params).trim_end().to_owned();
                (key, r.min_bytes.ok_or(r.message))
            })
            .collect())
    }

    /// The first heap of that name is the reference.
    pub(crate) fn reference_heap(&self) -> &HeapChoice {
        let is_reference = |h: &&HeapChoice| h.name == self.spec.reference_heap;
        self.spec.heaps.iter().find(is_reference).expect("the specification was checked")
    }
    fn reference_heap_options(&self) -> String {
        self.reference_heap().options()
    }
    pub(crate) fn reference_scheduler(&self) -> &SchedulerChoice {
        let is_reference = |s: &&SchedulerChoice| s.name == self.spec.reference_scheduler;
        self.spec.schedulers.iter().find(is_reference).expect("the specification was checked")
    }

    /// The invocation of a workload on a configuration.
    pub(crate) fn invocation(
        &self,
        workload: &WorkloadChoice,
        heap: &HeapChoice,
        scheduler: &SchedulerChoice,
        (workers, heap_bytes): (usize, u64),
        fastest: Option<Duration>,
    ) -> Invocation {
        Invocation {
            program: workload.workload.program.clone(),
            params: workload.params.clone(),
            expected: workload.expected.clone(),
            heap: heap.name.clone(),
            heap_params: heap.params.clone(),
            escape: heap.escape,
            scheduler: scheduler.name.clone(),
            scheduler_params: scheduler.params.clone(),
            workers,
            heap_bytes,
            sizing: Sizing::Fixed,
            iterations: self.spec.iterations,
            activity: self.spec.activity,
            limits: self.limits(fastest),
        }
    }

    pub(crate) fn cell_invocation(&self, cell: &Cell, fastest: Option<Duration>) -> Invocation {
        let size = (cell.workers, cell.heap_bytes);
        self.invocation(&cell.workload, &cell.heap, &cell.scheduler, size, fastest)
    }

    /// The relative limit has a floor: start-up alone would break it for programs of milliseconds.
    fn limits(&self, fastest: Option<Duration>) -> Limits {
        const FLOOR: Duration = Duration::from_secs(2);
        let relative = fastest.map(|f| f.mul_f64(self.spec.timeout_factor).max(FLOOR));
        Limits { relative, absolute: Duration::from_secs_f64(self.spec.timeout_s) }
    }

    /// Runs an empty program on every strategy at a roomy limit: a parameter that a strategy
    /// refuses is the specification's mistake, and must not be mistaken for a small heap.
    pub(crate) fn probe(&self, invoker: &Invoker) -> Result<(), String> {
        const ROOMY: u64 = 256 << 20;
        let program = self.folder.join("probe.mena");
        std::fs::write(&program, "fn main(args) { print(\"probe\"); }\n")
            .map_err(|e| format!("cannot write {}: {e}", program.display()))?;
        let (heap, scheduler) = (self.reference_heap(), self.reference_scheduler());
        let heaps = self.spec.heaps.iter().map(|h| (h, scheduler));
        let schedulers = self.spec.schedulers.iter().map(|s| (heap, s));
        let goes = |(h, s): &(&HeapChoice, &SchedulerChoice)| {
            menagerie_strategies::hole(&h.name, &s.name).is_none()
        };
        for (heap, scheduler) in heaps.chain(schedulers).filter(goes) {
            let probe = Invocation {
                program: program.clone(),
                params: Default::default(),
                expected: vec!["probe".to_owned()],
                heap: heap.name.clone(),
                heap_params: heap.params.clone(),
                escape: heap.escape,
                scheduler: scheduler.name.clone(),
                scheduler_params: scheduler.params.clone(),
                workers: 1,
                heap_bytes: ROOMY,
                sizing: Sizing::Fixed,
                iterations: 1,
                activity: false,
                limits: self.limits(None),
            };
            let ran = invoker.invoke(&probe)?;
            if ran.status != Status::Ok {
                return Err(format!(
                    "an empty program does not run on {} {} × {} {}: {} {}\n{}",
                    heap.name,
                    heap.options(),
                    scheduler.name,
                    pairs(&scheduler.params),
                    ran.status.name(),
                    ran.message,
                    ran.stderr
                ));
            }
        }
        std::fs::remove_file(&program)
            .map_err(|e| format!("cannot remove {}: {e}", program.display()))
    }

    /// The fastest invocation of each workload so far.
    pub(crate) fn fastest(&self) -> Result<std::collections::BTreeMap<String, Duration>, String> {
        let mut fastest = std::collections::BTreeMap::new();
        for row in read_rows::<InvocationRow>(&self.folder)? {
            if row.status == Status::Ok {
                note_fastest(
                    &mut fastest,
                    format!("{} {}", row.workload, row.params).trim_end().to_owned(),
                    Duration::from_nanos(row.process_wall_ns),
                );
            }
        }
        Ok(fastest)
    }
}

/// Keeps the smaller.
pub(crate) fn note_fastest(
    fastest: &mut std::collections::BTreeMap<String, Duration>,
    workload: String,
    wall: Duration,
) {
    fastest.entry(workload).and_modify(|f| *f = wall.min(*f)).or_insert(wall);
}

/// The rows of a file; none when there is no such file.
pub(crate) fn read_rows<R: crate::results::columns::Row>(folder: &Path) -> Result<Vec<R>, String> {
    let path = folder.join(R::SCHEMA.file);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut reader = csv::Reader::from_path(&path)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    reader
        .deserialize()
        .collect::<Result<_, _>>()
        .map_err(|e| format!("cannot read {}: {e}", path.display()))
}
