//! Every column of the files that an analysis writes.

use serde::{Deserialize, Serialize};

use crate::results::columns::{Column, FileSchema, Row, row, rows};

rows! {
    /// Every cell and metric: the mean over invocations and its interval.
    CellRow in "cells.csv" of sized_cell {
        metric: String, "", "the column that is summarised, with its unit";
        n: usize, "", "good invocations";
        n_failed: usize, "", "others";
        failures: String, "", "their number by status";
        mean: Option<f64>, "metric", "over invocations";
        ci_lo: Option<f64>, "metric", "95 % interval: mean - t s / sqrt n";
        ci_hi: Option<f64>, "metric", "95 % interval: mean + t s / sqrt n";
        median: Option<f64>, "metric", "over invocations";
        min: Option<f64>, "metric", "over invocations";
        cov: Option<f64>, "1", "standard deviation / mean";
    }
    /// The lower bound on overhead: total / minimum distilled cost.
    LboRow in "lbo.csv" of cell {
        scope: String, "", "heap: the minimum is over heaps and sizes of one scheduler; joint: over schedulers too";
        metric: String, "", "wall_ns or task_clock_ns";
        heap_bytes: Option<u64>, "B", "the heap's limit; empty for means";
        n: usize, "", "good invocations, or workloads of a mean";
        total: Option<f64>, "ns", "mean of the metric";
        distilled: Option<f64>, "ns", "total - what passed during pauses";
        mdc: Option<f64>, "ns", "the smallest distilled cost";
        mdc_config: String, "", "where it was found";
        lbo: Option<f64>, "1", "total / mdc; empty when an invocation failed";
        ci_lo: Option<f64>, "1", "95 % bootstrap interval; the minimum is found anew in every resample";
        ci_hi: Option<f64>, "1", "95 % bootstrap interval";
        missing: String, "", "workloads without a value, which leave a mean blank";
    }
    /// Ratios to the reference heap and scheduler at the same size and workers.
    RatioRow in "ratios.csv" of cell {
        metric: String, "", "wall_ns, task_clock_ns or reserved_bytes_max";
        n: usize, "", "good invocations, or workloads of a mean";
        ratio: Option<f64>, "1", "mean / the reference's mean";
        ci_lo: Option<f64>, "1", "95 %: Fieller for workloads, bootstrap for means";
        ci_hi: Option<f64>, "1", "95 %: Fieller for workloads, bootstrap for means";
        verdict: String, "", "slower, faster, equivalent (interval within 0.99 and 1.01), undecided, or reference";
        missing: String, "", "workloads without a value, which are not in the mean";
    }
    /// Minimum and bounded mutator utilisation.
    UtilisationRow in "mmu.csv" of sized_cell {
        window_ns: u64, "ns", "length of the window";
        n: usize, "", "invocations";
        mmu: f64, "1", "smallest utilisation of windows of this length, mean over invocations";
        mmu_lo: Option<f64>, "1", "95 % interval";
        mmu_hi: Option<f64>, "1", "95 % interval";
        bmu: f64, "1", "smallest utilisation of windows of this length and longer";
        bmu_lo: Option<f64>, "1", "95 % interval";
        bmu_hi: Option<f64>, "1", "95 % interval";
    }
    /// Percentiles of pauses.
    PausePercentileRow in "pause_percentiles.csv" of sized_cell {
        share: f64, "1", "the share of pauses that are not longer";
        n: usize, "", "invocations with pauses";
        pause_ns: f64, "ns", "percentile of each invocation, mean over invocations";
        ci_lo: Option<f64>, "ns", "95 % interval";
        ci_hi: Option<f64>, "ns", "95 % interval";
    }
    /// Percentiles of request latency, and missed deadlines.
    LatencyRow in "latency.csv" of sized_cell {
        kind: String, "", "open_loop, simple, metered, or deadline_miss";
        window_ns: u64, "ns", "smoothing window of metered latency";
        share: Option<f64>, "1", "the share of requests that are not slower";
        n: usize, "", "invocations";
        value: f64, "ns or 1", "percentile of each invocation (or miss ratio), mean over invocations";
        ci_lo: Option<f64>, "ns or 1", "95 % interval";
        ci_hi: Option<f64>, "ns or 1", "95 % interval";
    }
    /// Speed-up over one worker of the same heap and scheduler.
    SpeedupRow in "speedup.csv" of cell {
        n: usize, "", "good invocations";
        speedup: f64, "1", "T_1 / T_P, self-relative";
        ci_lo: Option<f64>, "1", "95 % Fieller interval";
        ci_hi: Option<f64>, "1", "95 % Fieller interval";
        efficiency: f64, "1", "speed-up / P";
        karp_flatt: Option<f64>, "1", "(1/S - 1/P) / (1 - 1/P): the serial share";
        work_inflation: f64, "1", "processor time with P workers / with one";
        inflation_lo: Option<f64>, "1", "95 % Fieller interval";
        inflation_hi: Option<f64>, "1", "95 % Fieller interval";
    }
    /// Share of the variation of log wall time by workload, heap, scheduler and interactions.
    VarianceRow in "anova.csv" {
        heap_factor: Option<f64>, "1", "the size at which it was computed";
        workers: usize, "threads", "OS threads that run the programs";
        term: String, "", "workload, heap, scheduler, their interactions, residual";
        workloads: usize, "", "in the grid: those that ran on every combination";
        n: usize, "", "invocations per cell";
        eta_squared: f64, "1", "sum of squares of the term / total";
        ci_lo: Option<f64>, "1", "95 % bootstrap interval";
        ci_hi: Option<f64>, "1", "95 % bootstrap interval";
        heaps: String, "", "in the grid";
        scheds: String, "", "in the grid: the largest one of pairs that go together";
        left_out: String, "", "workloads that are not in the grid";
    }
    /// Where variation comes from, and how many iterations use the time best.
    RepetitionRow in "repetition.csv" of cell {
        iteration_variance: f64, "ns^2", "T1 squared (Kalibera & Jones)";
        invocation_variance: f64, "ns^2", "T2 squared; negative: invocations add nothing";
        iterations_best: Option<u32>, "", "measured iterations per invocation that use the time best";
    }
}

/// A row of a cell: the columns that all begin with, then its own.
macro_rules! cell_row {
    ($row:ident of $key:expr, { $($own:tt)* }) => {{
        let key: &crate::analyze::load::CellKey = $key;
        $row {
            workload: key.workload.clone(),
            heap: key.heap.clone(),
            sched: key.scheduler.clone(),
            workers: key.workers,
            heap_factor: key.heap_factor,
            $($own)*
        }
    }};
}

pub(crate) use cell_row;
