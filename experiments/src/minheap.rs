//! The minimum heap of a workload on a heap, in bytes.
//!
//! 1. Start from the largest live size, seen by collecting after every 256 KiB.
//! 2. Double until a limit passes: 3 of 3 invocations end well, at the production number of
//!    iterations (leaks grow the minimum), within the relative time limit.
//! 3. Bisect until the relative distance is 1 % (`minimum_heap_tolerance`) or one page.
//! 4. Confirm by 5 of 5, else raise by 2 % and confirm again.
//!
//! A limit at which a program that ran well alone crashes is too small: out of memory in one task can
//! end others in other ways. Every trial is recorded with its outcome.

use std::time::Duration;

use crate::experiment::{Experiment, read_rows};
use crate::invoke::{Invoker, Sizing, Status};
use crate::matrix::pairs;
use crate::results::{AppendFile, MinheapRow, TrialRow};
use crate::spec::{HeapChoice, WorkloadChoice};

const PAGE: u64 = 4096;
/// Beyond this a workload is not meant for this testbed.
const LARGEST: u64 = 16 << 30;
const COLLECT_EVERY: u64 = 256 << 10;
const PASSES: u32 = 3;
const CONFIRMATIONS: u32 = 5;
const RAISE: f64 = 1.02;
/// The confirmed limit is at most this many raises above the bisected one.
const RAISES_MAX: u32 = 50;

/// What a trial at a limit says.
pub(crate) trait Trials {
    /// Whether `passes` invocations out of as many end well.
    fn passes(&mut self, step: &str, heap_bytes: u64, passes: u32) -> Result<bool, String>;
}

/// The procedure, apart from what a trial is.
///
/// # Errors
/// What a trial reports; `Ok(None)` when no limit up to [`LARGEST`] passes.
pub(crate) fn search(
    trials: &mut impl Trials,
    start: u64,
    tolerance: f64,
) -> Result<Option<u64>, String> {
    let mut low = 0;
    let mut high = start.max(PAGE).next_multiple_of(PAGE);
    while !trials.passes("double", high, PASSES)? {
        low = high;
        high *= 2;
        if high > LARGEST {
            return Ok(None);
        }
    }
    while high - low > PAGE && (high - low) as f64 / high as f64 > tolerance {
        let middle = low.midpoint(high).next_multiple_of(PAGE);
        if middle >= high {
            break;
        }
        match trials.passes("bisect", middle, PASSES)? {
            true => high = middle,
            false => low = middle,
        }
    }
    for _ in 0..=RAISES_MAX {
        if trials.passes("confirm", high, CONFIRMATIONS)? {
            return Ok(Some(high));
        }
        high = ((high as f64 * RAISE) as u64).next_multiple_of(PAGE);
    }
    Ok(None)
}

/// Trials that are processes.
struct Processes<'a> {
    experiment: &'a Experiment,
    invoker: &'a Invoker,
    workload: &'a WorkloadChoice,
    heap: &'a HeapChoice,
    solo: Duration,
    file: &'a mut AppendFile<TrialRow>,
    count: u32,
}

impl Processes<'_> {
    fn run(
        &mut self,
        step: &str,
        heap_bytes: u64,
        sizing: Sizing,
    ) -> Result<crate::invoke::Invoked, String> {
        let Processes { experiment, workload, heap, .. } = self;
        let scheduler = experiment.reference_scheduler();
        let fastest = (step != "solo").then_some(self.solo);
        let size = (1, heap_bytes);
        let mut invocation = experiment.invocation(workload, heap, scheduler, size, fastest);
        invocation.sizing = sizing;
        let invoked = self.invoker.invoke(&invocation)?;
        self.count += 1;
        self.file.append(&[TrialRow {
            workload: workload.workload.id.clone(),
            params: pairs(&workload.params),
            heap: heap.name.clone(),
            heap_opts: heap.options(),
            step: step.to_owned(),
            heap_bytes,
            status: invoked.status,
            process_wall_ns: invoked.wall.as_nanos() as u64,
        }])?;
        Ok(invoked)
    }
}

impl Trials for Processes<'_> {
    fn passes(&mut self, step: &str, heap_bytes: u64, passes: u32) -> Result<bool, String> {
        for _ in 0..passes {
            match self.run(step, heap_bytes, Sizing::Fixed)? {
                ran if ran.status == Status::Ok => {}
                // No heap may change what a program prints, however small it is.
                ran if ran.status == Status::Wrong => {
                    return Err(format!(
                        "{} with {heap_bytes} bytes: {}; {}",
                        ran.status.name(),
                        ran.message,
                        ran.command_line
                    ));
                }
                // A crash may be how a program ends whose memory is exhausted: where an actor dies
                // of it, others wait for its answer for ever.
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Finds the minima that are not yet recorded, of all heaps of the specification that collect or
/// of the reference heap alone.
pub(crate) fn find(
    experiment: &Experiment,
    invoker: &Invoker,
    all_heaps: bool,
) -> Result<(), String> {
    let recorded: Vec<MinheapRow> = read_rows(&experiment.folder)?;
    let heaps: Vec<&HeapChoice> = match all_heaps {
        true => experiment.spec.heaps.iter().filter(|h| collects(h)).collect(),
        false => vec![experiment.reference_heap()],
    };
    let mut wanted = Vec::new();
    for workload in &experiment.spec.workloads {
        for &heap in &heaps {
            let known = recorded.iter().any(|r| {
                r.workload == workload.workload.id
                    && r.params == pairs(&workload.params)
                    && r.heap == heap.name
                    && r.heap_opts == heap.options()
            });
            if !known {
                wanted.push((workload, heap));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let mut minima = AppendFile::open(&experiment.folder)?.cut_torn_line()?;
    let mut trials = AppendFile::open(&experiment.folder)?.cut_torn_line()?;
    let bar = crate::progress::bar(wanted.len() as u64, "minimum heaps");
    for (workload, heap) in wanted {
        bar.set_message(format!("{} on {}", workload.key(), heap.name));
        let row = minimum(experiment, invoker, workload, heap, &mut trials)?;
        minima.append(&[row])?;
        minima.sync()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn collects(heap: &HeapChoice) -> bool {
    menagerie_strategies::HEAPS.iter().any(|(info, _)| info.name == heap.name && info.collects)
}

fn minimum(
    experiment: &Experiment,
    invoker: &Invoker,
    workload: &WorkloadChoice,
    heap: &HeapChoice,
    file: &mut AppendFile<TrialRow>,
) -> Result<MinheapRow, String> {
    let solo = Duration::ZERO;
    let mut trials = Processes { experiment, invoker, workload, heap, solo, file, count: 0 };
    // Roomy but not absurd: heaps reserve their limit.
    let ran = trials.run("solo", LARGEST / 4, Sizing::Every(COLLECT_EVERY))?;
    let mut row = MinheapRow {
        workload: workload.workload.id.clone(),
        params: pairs(&workload.params),
        heap: heap.name.clone(),
        heap_opts: heap.options(),
        min_bytes: None,
        peak_live_bytes: None,
        trials: 1,
        tolerance: experiment.spec.minimum_heap_tolerance,
        message: String::new(),
    };
    if ran.status != Status::Ok {
        row.message = format!("alone: {} {}", ran.status.name(), ran.message);
        return Ok(row);
    }
    let record = ran.record.unwrap_or_default();
    let pauses = record.iterations.iter().flat_map(|i| &i.pauses);
    let peak = pauses.map(|p| p.heap_after_bytes).max().unwrap_or(0);
    row.peak_live_bytes = Some(peak);
    trials.solo = ran.wall;
    match search(&mut trials, peak, row.tolerance) {
        Ok(found) => row.min_bytes = found,
        Err(message) => row.message = message,
    }
    if row.min_bytes.is_none() && row.message.is_empty() {
        row.message = format!("no limit up to {LARGEST} bytes passes");
    }
    row.trials = trials.count;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::{PAGE, Trials, search};

    /// Passes from `minimum` on; flaky limits fail at the confirmation.
    struct Model {
        minimum: u64,
        confirmed: u64,
    }
    impl Trials for Model {
        fn passes(&mut self, step: &str, heap_bytes: u64, _: u32) -> Result<bool, String> {
            let needed = if step == "confirm" { self.confirmed } else { self.minimum };
            Ok(heap_bytes >= needed)
        }
    }

    #[test]
    fn a_minimum_is_found_within_a_hundredth_or_a_page() {
        for minimum in [1, PAGE, 100_000, 1_234_567, 23 << 20, 3_000_000_001] {
            for start in [0, 50_000, minimum, 4 * minimum] {
                let mut model = Model { minimum, confirmed: minimum };
                let found = search(&mut model, start, 0.01).unwrap().unwrap();
                let slack = (found - minimum.min(found)) as f64;
                assert!(found >= minimum, "{found} < {minimum}");
                assert!(slack <= (0.0101 * found as f64).max(PAGE as f64), "{found} {minimum}");
            }
        }
    }

    #[test]
    fn a_flaky_limit_is_raised_until_it_is_confirmed() {
        let mut model = Model { minimum: 1_000_000, confirmed: 1_100_000 };
        let found = search(&mut model, 900_000, 0.01).unwrap().unwrap();
        assert!((1_100_000..1_130_000).contains(&found), "{found}");
    }

    #[test]
    fn what_never_fits_has_no_minimum() {
        let mut model = Model { minimum: u64::MAX, confirmed: u64::MAX };
        assert_eq!(search(&mut model, 1 << 20, 0.01), Ok(None));
    }
}
