//! From result files to cells: each invocation is reduced to one number per metric at once, so that
//! memory grows with invocations and not with pauses or requests.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::latency::{self, Kind, Request};
use super::statistics::{mean, percentile};
use super::utilisation::{self, Stop, Trace};
use crate::invoke::Status;
use crate::results::columns::Row;
use crate::results::{InvocationRow, IterationRow, PauseRow, RequestRow, WorkerRow};

/// What is measured of an invocation: the mean of its measured iterations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Metric {
    Wall,
    TaskClock,
    StoppedWall,
    StoppedTaskClock,
    Collections,
    AllocBytes,
    ReservedBytes,
    LiveBytes,
    MaxRss,
    TasksSpawned,
    Preemptions,
    Parks,
    VainWakes,
    GateWait,
    StealAttempts,
    Steals,
    StolenTasks,
}

impl Metric {
    pub(crate) const ALL: [Metric; 17] = [
        Metric::Wall,
        Metric::TaskClock,
        Metric::StoppedWall,
        Metric::StoppedTaskClock,
        Metric::Collections,
        Metric::AllocBytes,
        Metric::ReservedBytes,
        Metric::LiveBytes,
        Metric::MaxRss,
        Metric::TasksSpawned,
        Metric::Preemptions,
        Metric::Parks,
        Metric::VainWakes,
        Metric::GateWait,
        Metric::StealAttempts,
        Metric::Steals,
        Metric::StolenTasks,
    ];
    /// The column that it is the mean of; of `workers.csv` the sum over workers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Metric::Wall => "wall_ns",
            Metric::TaskClock => "task_clock_ns",
            Metric::StoppedWall => "gc_stw_ns",
            Metric::StoppedTaskClock => "gc_stw_task_clock_ns",
            Metric::Collections => "gc_count",
            Metric::AllocBytes => "alloc_bytes",
            Metric::ReservedBytes => "reserved_bytes_max",
            Metric::LiveBytes => "live_bytes",
            Metric::MaxRss => "maxrss_bytes",
            Metric::TasksSpawned => "tasks_spawned",
            Metric::Preemptions => "preemptions",
            Metric::Parks => "parks",
            Metric::VainWakes => "vain_wakes",
            Metric::GateWait => "gate_wait_ns",
            Metric::StealAttempts => "steal_attempts",
            Metric::Steals => "steals",
            Metric::StolenTasks => "stolen_tasks",
        }
    }
    /// What its pauses are a part of, for distilling.
    pub(crate) fn stopped(self) -> Option<Metric> {
        match self {
            Metric::Wall => Some(Metric::StoppedWall),
            Metric::TaskClock => Some(Metric::StoppedTaskClock),
            _ => None,
        }
    }
}

/// A heap or scheduler with its parameters, as one word for legends.
pub(crate) fn label(name: &str, options: &str) -> String {
    format!("{name} {options}").trim_end().to_owned()
}

/// The shares at which pause percentiles are given.
pub(crate) const PAUSE_SHARES: [f64; 7] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];
/// The number of windows of utilisation curves.
pub(crate) const WINDOWS: usize = 60;

/// What the time of a worker goes to, as figures show it: running and searching (zero unless the
/// specification asks for them), waiting for the gate, stopped for collections, asleep, in calls.
pub(crate) type Activities = [f64; 6];

/// One good invocation.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The number that its run_id is in hexadecimal.
    pub(crate) id: u64,
    pub(crate) order: u64,
    pub(crate) values: [f64; Metric::ALL.len()],
    /// Wall time of the measured iterations, for variance by level.
    pub(crate) iterations: Vec<f64>,
    /// Process time beyond the iterations: what one more invocation costs.
    pub(crate) overhead_ns: f64,
    /// At [`PAUSE_SHARES`]; None without pauses.
    pub(crate) pauses: Option<[f32; PAUSE_SHARES.len()]>,
    /// What each worker did in an iteration, nanoseconds, mean over measured iterations.
    pub(crate) workers: Vec<Activities>,
    /// MMU and BMU at the windows of the grid, the smaller of all measured iterations.
    pub(crate) utilisation: Option<Box<[(f32, f32); WINDOWS]>>,
    /// Latency curves by kind and window, and the share of missed deadlines.
    pub(crate) latencies: Vec<(&'static str, u64, [f64; latency::SHARES.len()])>,
    pub(crate) miss_ratio: Option<f64>,
}

impl Run {
    pub(crate) fn value(&self, metric: Metric) -> f64 {
        self.values[metric as usize]
    }
}

/// What a cell is.
#[derive(Clone, PartialEq, PartialOrd, Debug)]
pub(crate) struct CellKey {
    pub(crate) workload: String,
    pub(crate) heap: String,
    pub(crate) scheduler: String,
    pub(crate) workers: usize,
    pub(crate) heap_factor: Option<f64>,
    pub(crate) heap_bytes: u64,
}

/// All invocations of a configuration of a workload.
#[derive(Clone, Debug)]
pub(crate) struct CellData {
    pub(crate) key: CellKey,
    pub(crate) runs: Vec<Run>,
    pub(crate) failed: BTreeMap<Status, usize>,
}

impl CellData {
    pub(crate) fn values(&self, metric: Metric) -> Vec<f64> {
        self.runs.iter().map(|r| r.value(metric)).collect()
    }
    pub(crate) fn failures(&self) -> usize {
        self.failed.values().sum()
    }
    /// Whether every invocation ended well.
    pub(crate) fn complete(&self) -> bool {
        self.failures() == 0 && !self.runs.is_empty()
    }
    pub(crate) fn mean(&self, metric: Metric) -> f64 {
        mean(&self.values(metric))
    }
}

/// All cells, ordered by workload, heap, scheduler, workers and size.
#[derive(Clone, Default, Debug)]
pub(crate) struct Data {
    pub(crate) cells: Vec<CellData>,
}

/// Where an invocation's numbers go.
struct Place {
    cell: usize,
    run: usize,
}

/// The most important sums while iterations are read.
#[derive(Default)]
struct Sums {
    n: u32,
    values: [f64; Metric::ALL.len()],
}

impl Data {
    /// Reads a results folder, or all shards in it.
    pub(crate) fn load(folder: &Path) -> Result<Data, String> {
        let mut folders = vec![folder.to_owned()];
        if let Ok(shards) = std::fs::read_dir(folder.join("shards")) {
            folders.extend(shards.filter_map(|s| Some(s.ok()?.path())));
        }
        let mut loader = Loader::default();
        for folder in &folders {
            loader.folder(folder)?;
        }
        if loader.cells.is_empty() {
            return Err(format!(
                "no invocations in {}: `menagerie run` makes them",
                folder.display()
            ));
        }
        Ok(loader.finish())
    }
}

#[derive(Default)]
struct Loader {
    cells: Vec<CellData>,
    index: HashMap<String, usize>,
    places: HashMap<u64, Place>,
    sums: HashMap<u64, Sums>,
    /// Length of each measured iteration.
    lengths: HashMap<(u64, u32), u64>,
}

/// Ids are 16 hexadecimal digits.
fn id(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

fn reader<R: Row>(folder: &Path) -> Result<Option<csv::Reader<std::fs::File>>, String> {
    let path = folder.join(R::SCHEMA.file);
    if !path.exists() {
        return Ok(None);
    }
    let reader = csv::ReaderBuilder::new().buffer_capacity(1 << 18).from_path(&path);
    reader.map(Some).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

fn broken<R: Row>(folder: &Path, e: impl std::fmt::Display) -> String {
    format!("{}: {e}", folder.join(R::SCHEMA.file).display())
}

impl Loader {
    fn folder(&mut self, folder: &Path) -> Result<(), String> {
        // Rows that a killed run left without their journal entry do not count.
        let recorded = crate::results::journal::recorded(folder);
        if let Some(mut reader) = reader::<InvocationRow>(folder)? {
            for row in reader.deserialize::<InvocationRow>() {
                let row = row.map_err(|e| broken::<InvocationRow>(folder, e))?;
                if recorded.contains(&row.run_id) {
                    self.invocation(row).map_err(|e| broken::<InvocationRow>(folder, e))?;
                }
            }
        }
        if let Some(mut reader) = reader::<IterationRow>(folder)? {
            for row in reader.deserialize::<IterationRow>() {
                self.iteration(&row.map_err(|e| broken::<IterationRow>(folder, e))?);
            }
        }
        self.pauses(folder)?;
        self.workers(folder)?;
        self.requests(folder)
    }

    fn invocation(&mut self, row: InvocationRow) -> Result<(), String> {
        let id = id(row.run_id.as_bytes()).ok_or_else(|| format!("bad run_id {}", row.run_id))?;
        let key = CellKey {
            workload: label(&row.workload, &row.params),
            heap: label(&row.heap, &row.heap_opts),
            scheduler: label(&row.sched, &row.sched_opts),
            workers: row.workers,
            heap_factor: row.heap_factor,
            heap_bytes: row.heap_bytes,
        };
        let word = format!("{key:?}");
        let next = self.cells.len();
        let cell = *self.index.entry(word).or_insert(next);
        if cell == next {
            self.cells.push(CellData { key, runs: Vec::new(), failed: BTreeMap::new() });
        }
        let cell_data = &mut self.cells[cell];
        if row.status != Status::Ok {
            *cell_data.failed.entry(row.status).or_default() += 1;
            return Ok(());
        }
        let place = Place { cell, run: cell_data.runs.len() };
        if self.places.insert(id, place).is_some() {
            return Err(format!("{} is there twice: were shards merged twice?", row.run_id));
        }
        let mut values = [0.0; Metric::ALL.len()];
        values[Metric::MaxRss as usize] = row.maxrss_bytes.unwrap_or(0) as f64;
        cell_data.runs.push(Run {
            id,
            order: row.order_idx,
            values,
            iterations: Vec::new(),
            overhead_ns: row.process_wall_ns as f64,
            pauses: None,
            workers: Vec::new(),
            utilisation: None,
            latencies: Vec::new(),
            miss_ratio: None,
        });
        Ok(())
    }

    fn iteration(&mut self, row: &IterationRow) {
        let Some(id) = id(row.run_id.as_bytes()) else { return };
        let Some(place) = self.places.get(&id) else { return };
        let run = &mut self.cells[place.cell].runs[place.run];
        run.overhead_ns -= row.wall_ns as f64;
        if row.phase != "measured" {
            return;
        }
        run.iterations.push(row.wall_ns as f64);
        self.lengths.insert((id, row.iteration), row.wall_ns);
        let sums = self.sums.entry(id).or_default();
        sums.n += 1;
        for (metric, value) in [
            (Metric::Wall, row.wall_ns),
            (Metric::TaskClock, row.task_clock_ns),
            (Metric::StoppedWall, row.gc_stw_ns),
            (Metric::StoppedTaskClock, row.gc_stw_task_clock_ns),
            (Metric::Collections, row.gc_count),
            (Metric::AllocBytes, row.alloc_bytes),
            (Metric::ReservedBytes, row.reserved_bytes_max),
            (Metric::LiveBytes, row.live_bytes),
            (Metric::TasksSpawned, row.tasks_spawned),
            (Metric::Preemptions, row.preemptions),
            (Metric::Parks, row.parks),
            (Metric::VainWakes, row.vain_wakes),
        ] {
            sums.values[metric as usize] += value as f64;
        }
    }

    /// Pauses are read field by field: there are many.
    fn pauses(&mut self, folder: &Path) -> Result<(), String> {
        let Some(mut reader) = reader::<PauseRow>(folder)? else { return Ok(()) };
        let column = |name: &str| PauseRow::SCHEMA.columns.iter().position(|c| c.name == name);
        let columns = ["iteration", "start_ns", "end_ns"].map(column);
        let [Some(iteration), Some(start), Some(end)] = columns else {
            unreachable!("PauseRow has these columns")
        };
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<u64>().ok();
        let mut row = csv::ByteRecord::new();
        let mut group = PauseGroup::default();
        while reader.read_byte_record(&mut row).map_err(|e| broken::<PauseRow>(folder, e))? {
            let parsed =
                (id(&row[0]), number(&row[iteration]), number(&row[start]), number(&row[end]));
            let (Some(id), Some(iteration), Some(start), Some(end)) = parsed else {
                let line = row.position().map_or(0, csv::Position::line);
                return Err(broken::<PauseRow>(
                    folder,
                    format!("line {line}: a number is missing"),
                ));
            };
            if id != group.id {
                self.pause_group(std::mem::take(&mut group));
                group.id = id;
            }
            group.stops.push((iteration as u32, Stop { start, end }));
        }
        self.pause_group(group);
        Ok(())
    }

    fn pause_group(&mut self, group: PauseGroup) {
        let Some(place) = self.places.get(&group.id) else { return };
        let mut lengths: Vec<u64> =
            group.stops.iter().map(|(_, s)| s.end.saturating_sub(s.start)).collect();
        lengths.sort_unstable();
        let at = |share| percentile(&lengths, share).unwrap_or(0) as f32;
        let run = &mut self.cells[place.cell].runs[place.run];
        run.pauses = Some(PAUSE_SHARES.map(at));
        let windows = utilisation::grid(WINDOWS);
        let mut least = Box::new([(1.0f32, 1.0f32); WINDOWS]);
        for stops in group.stops.chunk_by(|a, b| a.0 == b.0) {
            let Some(&length) = self.lengths.get(&(group.id, stops[0].0)) else { continue };
            let trace = Trace::new(stops.iter().map(|(_, s)| *s).collect(), length);
            for (least, (mmu, bmu)) in least.iter_mut().zip(trace.curve(&windows)) {
                *least = (least.0.min(mmu as f32), least.1.min(bmu as f32));
            }
        }
        run.utilisation = Some(least);
    }

    fn workers(&mut self, folder: &Path) -> Result<(), String> {
        let Some(mut reader) = reader::<WorkerRow>(folder)? else { return Ok(()) };
        for row in reader.deserialize::<WorkerRow>() {
            let row = row.map_err(|e| broken::<WorkerRow>(folder, e))?;
            let id = id(row.run_id.as_bytes())
                .ok_or_else(|| broken::<WorkerRow>(folder, "bad run_id"))?;
            let (Some(place), Some(sums)) = (self.places.get(&id), self.sums.get_mut(&id)) else {
                continue;
            };
            for (metric, value) in [
                (Metric::GateWait, row.gate_wait_ns),
                (Metric::StealAttempts, row.steal_attempts),
                (Metric::Steals, row.steals),
                (Metric::StolenTasks, row.stolen_tasks),
            ] {
                sums.values[metric as usize] += value as f64;
            }
            let workers = &mut self.cells[place.cell].runs[place.run].workers;
            let number = row.worker as usize;
            if workers.len() <= number {
                workers.resize(number + 1, Activities::default());
            }
            let times = [
                row.run_ns.unwrap_or(0),
                row.search_ns.unwrap_or(0),
                row.gate_wait_ns,
                row.safepoint_wait_ns + row.collect_ns,
                row.park_ns,
                row.native_ns,
            ];
            for (sum, ns) in workers[number].iter_mut().zip(times) {
                *sum += ns as f64 / f64::from(sums.n);
            }
        }
        Ok(())
    }

    fn requests(&mut self, folder: &Path) -> Result<(), String> {
        let Some(mut reader) = reader::<RequestRow>(folder)? else { return Ok(()) };
        let mut group: (u64, Vec<Request>) = (0, Vec::new());
        for row in reader.deserialize::<RequestRow>() {
            let row = row.map_err(|e| broken::<RequestRow>(folder, e))?;
            let id = id(row.run_id.as_bytes())
                .ok_or_else(|| broken::<RequestRow>(folder, "bad run_id"))?;
            if id != group.0 {
                self.request_group(std::mem::replace(&mut group, (id, Vec::new())));
            }
            // Iterations follow one another: far apart, so that no window spans two.
            let shift = u64::from(row.iteration) * (1 << 42);
            group.1.push(Request {
                intended: row.intended_ns + shift,
                start: row.start_ns + shift,
                end: row.end_ns + shift,
                deadline: row.deadline_ns.map(|d| d + shift),
            });
        }
        self.request_group(group);
        Ok(())
    }

    fn request_group(&mut self, (id, mut requests): (u64, Vec<Request>)) {
        let Some(place) = self.places.get(&id) else { return };
        let run = &mut self.cells[place.cell].runs[place.run];
        run.miss_ratio = latency::miss_ratio(&requests);
        const DACAPO_WINDOW: u64 = 100_000_000;
        for kind in [Kind::OpenLoop, Kind::Simple, Kind::Metered(DACAPO_WINDOW)] {
            let sorted = latency::latencies(&mut requests, kind);
            let window = if let Kind::Metered(w) = kind { w } else { 0 };
            if let Some(curve) = latency::curve(&sorted) {
                run.latencies.push((kind.name(), window, curve));
            }
        }
    }

    fn finish(mut self) -> Data {
        for (id, sums) in &self.sums {
            let place = &self.places[id];
            let run = &mut self.cells[place.cell].runs[place.run];
            for (n, sum) in sums.values.iter().enumerate() {
                if Metric::ALL[n] != Metric::MaxRss {
                    run.values[n] = sum / f64::from(sums.n);
                }
            }
        }
        // A run that never stopped left everything to the program.
        for run in self.cells.iter_mut().flat_map(|c| &mut c.runs) {
            run.utilisation.get_or_insert_with(|| Box::new([(1.0, 1.0); WINDOWS]));
        }
        let order = |a: &CellData, b: &CellData| {
            a.key.partial_cmp(&b.key).unwrap_or(std::cmp::Ordering::Equal)
        };
        self.cells.sort_by(order);
        Data { cells: self.cells }
    }
}

#[derive(Default)]
struct PauseGroup {
    id: u64,
    stops: Vec<(u32, Stop)>,
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A cell whose invocations took (total, stopped) on both clocks.
    pub(crate) fn cell(
        workload: &str,
        heap: &str,
        heap_factor: Option<f64>,
        times: &[(f64, f64)],
    ) -> CellData {
        let run = |&(total, stopped): &(f64, f64)| {
            let mut values = [0.0; Metric::ALL.len()];
            values[Metric::Wall as usize] = total;
            values[Metric::TaskClock as usize] = total;
            values[Metric::StoppedWall as usize] = stopped;
            values[Metric::StoppedTaskClock as usize] = stopped;
            Run {
                id: 0,
                order: 0,
                values,
                iterations: vec![total],
                overhead_ns: 0.0,
                pauses: None,
                workers: Vec::new(),
                utilisation: None,
                latencies: Vec::new(),
                miss_ratio: None,
            }
        };
        let key = CellKey {
            workload: workload.to_owned(),
            heap: heap.to_owned(),
            scheduler: "green".to_owned(),
            workers: 1,
            heap_factor,
            heap_bytes: 1 << 20,
        };
        CellData { key, runs: times.iter().map(run).collect(), failed: BTreeMap::new() }
    }
}
