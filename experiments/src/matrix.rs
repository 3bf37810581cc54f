//! From a specification to cells and to the order in which they run.
//!
//! A *cell* is one configuration of one workload; an *invocation* is one process that runs it; a
//! *block* holds one invocation of every configuration of one workload at one size, so that what is
//! compared shares the time window and the host. Blocks are ordered coarse to fine: a sweep that is
//! cut short already shows the trend. Within a level, blocks are shuffled, and cells within a block.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::spec::{HeapChoice, SchedulerChoice, Sizes, Spec, WorkloadChoice};

/// One configuration of one workload.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Cell {
    pub(crate) workload: WorkloadChoice,
    pub(crate) heap: HeapChoice,
    pub(crate) scheduler: SchedulerChoice,
    pub(crate) workers: usize,
    /// Empty when the size was given in bytes.
    pub(crate) heap_factor: Option<f64>,
    pub(crate) heap_bytes: u64,
}

/// One process to start.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Planned {
    /// Names this invocation for ever: a hash of the experiment's cell and the invocation.
    pub(crate) run_id: String,
    pub(crate) cell: usize,
    pub(crate) block: usize,
    pub(crate) invocation: u32,
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) cells: Vec<Cell>,
    /// In order.
    pub(crate) invocations: Vec<Planned>,
    /// What was left out, and why; each once.
    pub(crate) excluded: Vec<String>,
    /// Of all ids in order: shards and merges compare it.
    pub(crate) hash: String,
}

/// The minimum of the reference heap, or why there is none, by workload and parameters
/// ([`WorkloadChoice::key`]).
pub(crate) type Minima = BTreeMap<String, Result<u64, String>>;

/// `a=1 b=2`.
pub(crate) fn pairs(params: &BTreeMap<String, String>) -> String {
    params.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
}

impl WorkloadChoice {
    /// Workload and parameters, as one word.
    pub(crate) fn key(&self) -> String {
        format!("{} {}", self.workload.id, pairs(&self.params)).trim_end().to_owned()
    }
}

impl Cell {
    fn id(&self, experiment: &str, invocation: u32) -> String {
        let mut hash = Sha256::new();
        let Cell { workload, heap, scheduler, workers, heap_factor, heap_bytes } = self;
        // A size that is a factor of a minimum is named by the factor: measuring the minimum again
        // must not make other cells of it.
        let size = heap_factor.map_or(format!("{heap_bytes}B"), |f| format!("{f}x"));
        hash.update(format!(
            "{experiment}\n{}\n{} {}\n{} {}\n{workers}\n{size}\n{invocation}",
            workload.key(),
            heap.name,
            heap.options(),
            scheduler.name,
            pairs(&scheduler.params),
        ));
        hex(&hash.finalize()[..8])
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Spec {
    /// Whether this combination is left out or moved to a size of its own, and why.
    fn exclusion(&self, cell: &Cell) -> Option<&crate::spec::Exclusion> {
        let is =
            |selector: &Option<String>, word: &str| selector.as_deref().is_none_or(|s| s == word);
        self.exclusions.iter().find(|e| {
            is(&e.workload, &cell.workload.workload.id)
                && is(&e.heap, &cell.heap.name)
                && is(&e.scheduler, &cell.scheduler.name)
                && e.workers.is_none_or(|n| n == cell.workers)
        })
    }

    /// Other workloads go on without one whose sizes are not known.
    fn without_minimum(&self, workload: &str, reason: &str) -> String {
        format!(
            "{workload}: it has no minimum heap on {} ({reason}); remove its row from \
             minheap.csv to have it searched again",
            self.reference_heap
        )
    }

    /// Multiplies out and orders.
    ///
    /// # Errors
    /// Sizes are factors and a workload's minimum is not in `minima`: it names the workloads.
    pub(crate) fn plan(&self, minima: &Minima) -> Result<Plan, String> {
        let mut builder = Builder { spec: self, cells: Vec::new(), excluded: Vec::new() };
        let mut missing = Vec::new();
        let mut levels: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
        for workload in &self.workloads {
            let by_factors = matches!(self.sizes, Sizes::Factors(_));
            let minimum = match minima.get(&workload.key()) {
                Some(Ok(bytes)) => Some(*bytes),
                Some(Err(reason)) if by_factors => {
                    builder.excluded.push(self.without_minimum(&workload.key(), reason));
                    continue;
                }
                None if by_factors => {
                    missing.push(workload.key());
                    continue;
                }
                _ => None,
            };
            for (level, block) in builder.workload(workload, minimum) {
                levels.entry(level).or_default().push(block);
            }
        }
        if !missing.is_empty() {
            return Err(format!(
                "no minimum heap is known for: {}; run `menagerie minheap` with this specification",
                missing.join(", ")
            ));
        }
        let Builder { cells, excluded, .. } = builder;
        let invocations = self.order(&cells, levels);
        let mut hash = Sha256::new();
        for planned in &invocations {
            hash.update(&planned.run_id);
        }
        let hash = hex(&hash.finalize());
        Ok(Plan { cells, invocations, excluded, hash })
    }

    fn order(&self, cells: &[Cell], levels: BTreeMap<usize, Vec<Vec<usize>>>) -> Vec<Planned> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut out = Vec::new();
        let mut number = 0;
        for blocks in levels.into_values() {
            let mut level: Vec<(u32, &Vec<usize>)> = (0..self.invocations)
                .flat_map(|invocation| blocks.iter().map(move |block| (invocation, block)))
                .collect();
            level.shuffle(&mut random);
            for (invocation, block) in level {
                let mut block = block.clone();
                block.shuffle(&mut random);
                out.extend(block.into_iter().map(|cell| Planned {
                    run_id: cells[cell].id(&self.name, invocation),
                    cell,
                    block: number,
                    invocation,
                }));
                number += 1;
            }
        }
        out
    }
}

struct Builder<'a> {
    spec: &'a Spec,
    cells: Vec<Cell>,
    excluded: Vec<String>,
}

impl Builder<'_> {
    /// The blocks of one workload, each with its level.
    fn workload(
        &mut self,
        workload: &WorkloadChoice,
        minimum: Option<u64>,
    ) -> Vec<(usize, Vec<usize>)> {
        let sizes: Vec<(Option<f64>, u64)> = match (&self.spec.sizes, minimum) {
            (Sizes::Factors(factors), Some(minimum)) => {
                factors.iter().map(|&f| (Some(f), (f * minimum as f64).ceil() as u64)).collect()
            }
            (Sizes::Factors(_), None) => Vec::new(),
            (Sizes::Bytes(bytes), _) => bytes.iter().map(|&b| (None, b)).collect(),
        };
        let level = coarse_to_fine(sizes.len());
        let mut blocks = Vec::new();
        for (n, &(heap_factor, heap_bytes)) in sizes.iter().enumerate() {
            let mut block = Vec::new();
            for (heap, scheduler, workers) in self.configurations(workload) {
                let workload = workload.clone();
                let cell = Cell { workload, heap, scheduler, workers, heap_factor, heap_bytes };
                if let Some(mut cell) = self.admit(cell, n == 0) {
                    // What runs is what the results name: `rc` is `arc` where several workers run.
                    let flavour =
                        menagerie_strategies::flavour(&cell.heap.name, &cell.scheduler.name);
                    cell.heap.name = flavour.to_owned();
                    // A specification may name both: then they are one cell.
                    if !block.iter().any(|&n: &usize| self.cells[n] == cell) {
                        block.push(self.cells.len());
                        self.cells.push(cell);
                    }
                }
            }
            blocks.push((level[n], block));
        }
        blocks
    }

    /// Heaps × schedulers × workers, without combinations that make no sense: programs without
    /// tasks run on the reference scheduler alone, and one worker is all that others can use.
    fn configurations(
        &self,
        workload: &WorkloadChoice,
    ) -> Vec<(HeapChoice, SchedulerChoice, usize)> {
        let spec = self.spec;
        let mut out = Vec::new();
        for heap in &spec.heaps {
            for scheduler in &spec.schedulers {
                let reference = scheduler.name == spec.reference_scheduler;
                if !workload.workload.is_concurrent() && !reference {
                    continue;
                }
                let parallel = scheduler.parallel && workload.workload.is_concurrent();
                let workers = if parallel { spec.workers.as_slice() } else { &[1] };
                out.extend(workers.iter().map(|&n| (heap.clone(), scheduler.clone(), n)));
            }
        }
        out
    }

    /// The cell, unless it is excluded; at its own size when the specification says so.
    fn admit(&mut self, mut cell: Cell, first_size: bool) -> Option<Cell> {
        if let Some(reason) = menagerie_strategies::hole(&cell.heap.name, &cell.scheduler.name) {
            let note = format!("{} × {}: {reason}", cell.heap.name, cell.scheduler.name);
            if !self.excluded.contains(&note) {
                self.excluded.push(note);
            }
            return None;
        }
        let Some(exclusion) = self.spec.exclusion(&cell) else { return Some(cell) };
        let note = format!(
            "{} on {} × {} × {}: {}",
            cell.workload.workload.id,
            cell.heap.name,
            cell.scheduler.name,
            cell.workers,
            exclusion.reason
        );
        if !self.excluded.contains(&note) {
            self.excluded.push(note);
        }
        let bytes = exclusion.use_heap_bytes.filter(|_| first_size)?;
        cell.heap_factor = None;
        cell.heap_bytes = bytes;
        Some(cell)
    }
}

/// The level of each of `n` sizes: ends and middle first, then the middles between, and so on.
fn coarse_to_fine(n: usize) -> Vec<usize> {
    let mut level = vec![0; n];
    let mut spans = vec![(0, n.saturating_sub(1))];
    let mut depth = 0;
    while !spans.is_empty() {
        let mut next = Vec::new();
        for (low, high) in spans {
            if high - low < 2 {
                continue;
            }
            let middle = low.midpoint(high);
            level[middle] = depth;
            next.extend([(low, middle), (middle, high)]);
        }
        depth += 1;
        spans = next;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::spec;

    /// `rc` under a parallel scheduler is `arc`: with both in a specification that cell exists once.
    #[test]
    fn a_heap_and_its_shared_flavour_make_no_cell_twice() {
        let text = "schema = 1\nname = \"x\"\nabout = \"x\"\n[matrix]\nworkloads = [\"forkjoin/fib\"]\n\
            heaps = [\"mark-sweep\", \"rc\", \"arc\"]\nschedulers = [\"green\", \"work-stealing\"]\n\
            workers = [1, 2]\nheap_bytes = [\"64MiB\"]\n[reference]\nheap = \"mark-sweep\"\n\
            scheduler = \"green\"\n[run]\ninvocations = 2\niterations = 2\nseed = 1\n";
        let spec = spec::parse(text, "x.toml", &Catalogue::embedded()).expect("a specification");
        let plan = spec.plan(&Minima::new()).expect("sizes in bytes need no minimum");
        let cells = plan.cells.iter().filter(|c| c.scheduler.name == "work-stealing");
        let names: Vec<_> = cells.map(|c| (c.heap.name.as_str(), c.workers)).collect();
        assert_eq!(names, [("mark-sweep", 1), ("mark-sweep", 2), ("arc", 1), ("arc", 2)]);
        assert_eq!(plan.invocations.len(), 2 * plan.cells.len());
    }

    /// methodology: 0, 4, 8 | 2, 6 | 1, 3, 5, 7.
    #[test]
    fn ends_and_middle_come_first() {
        assert_eq!(coarse_to_fine(9), [0, 2, 1, 2, 0, 2, 1, 2, 0]);
        assert_eq!(coarse_to_fine(1), [0]);
        assert_eq!(coarse_to_fine(2), [0, 0]);
        assert_eq!(coarse_to_fine(0), [0usize; 0]);
    }
}
