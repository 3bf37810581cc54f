//! What `exec --stats` prints: a run's time, allocation, pauses and the heap's own counters.

use std::fmt::Write as _;

use menagerie::metrics::{Activity, Histogram, WorkerCounts, WorkerStats};
use menagerie::stats::{Pause, Stats};

/// The shares at which distributions are shown.
const SHARES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];

fn bytes(n: u64) -> String {
    bytesize::ByteSize(n).to_string()
}

fn time(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".into() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}

/// Nearest ranks of one property of all pauses, and its sum.
fn distribution(pauses: &[Pause], property: impl Fn(&Pause) -> u64) -> String {
    let mut sorted: Vec<_> = pauses.iter().map(property).collect();
    sorted.sort_unstable();
    let mut out = String::new();
    for (name, share) in SHARES {
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let _ = write!(out, "{name} {}, ", time(sorted[rank.saturating_sub(1)]));
    }
    let _ = write!(out, "all {}", time(sorted.iter().sum()));
    out
}

/// The same of a histogram; nothing if it is empty.
fn quantiles(histogram: &Histogram<u64>, show: impl Fn(u64) -> String) -> Option<String> {
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
    let texts =
        quantiles.map(|(name, q)| format!("{name} {}", show(histogram.value_at_quantile(q))));
    (!histogram.is_empty()).then(|| format!("{} of {}", texts.join(", "), histogram.len()))
}

/// What a worker's time went to.
fn activity(worker: &WorkerStats) -> String {
    let parts = Activity::TABLE.iter().map(|&(what, name, _)| (name, worker.times.of(what)));
    let parts: Vec<_> = parts.filter(|part| part.1 > 0).collect();
    let all = parts.iter().map(|part| part.1).sum();
    let texts: Vec<_> = parts
        .iter()
        .map(|&(name, ns)| format!("{name} {} ({})", time(ns), percent(ns, all)))
        .collect();
    texts.join(", ")
}

/// What a worker has counted.
fn counts(counts: &WorkerCounts) -> String {
    let seen = counts.table().into_iter().filter(|&(_, n, _)| n > 0);
    let texts: Vec<_> =
        seen.map(|(name, n, _)| format!("{} {n}", name.replace('_', " "))).collect();
    texts.join(", ")
}

/// Counters of all workers together that other lines show.
const SHOWN_ELSEWHERE: [&str; 6] =
    ["reductions", "slices", "preemptions", "yields", "spawns", "notifications"];

/// Lines about tasks and workers.
fn scheduling(stats: &Stats, line: &mut dyn FnMut(&str, String)) {
    let all = stats.all_workers();
    let reasons = all.counts.suspensions_by_reason();
    let seen = reasons.iter().filter(|&&(_, n)| n > 0);
    let seen: Vec<_> = seen.map(|(reason, n)| format!("{reason} {n}")).collect();
    line("  slices ended by", if seen.is_empty() { "-".into() } else { seen.join(", ") });
    let (wakes, notifications) = (all.counts.wakes(), all.counts.notifications);
    line("  wakes", format!("{wakes}, workers woken {notifications}"));
    for (name, n, _) in all.counts.table() {
        if n > 0 && !SHOWN_ELSEWHERE.contains(&name) && !name.ends_with("_waits") {
            line(&format!("  {}", name.replace('_', " ")), n.to_string());
        }
    }
    if stats.scheduler.threads_refused > 0 {
        line("  threads refused", stats.scheduler.threads_refused.to_string());
    }
    line("workers", format!("at most {}", stats.scheduler.workers_max));
    line("  all", activity(&all));
    const SHOWN: usize = 16;
    if (2..=SHOWN).contains(&stats.workers.len()) {
        for (number, worker) in stats.workers.iter().enumerate() {
            // One that came too late has done nothing.
            let (times, counts) = (activity(worker), counts(&worker.counts));
            line(&format!("  {number}"), if times.is_empty() { "-".into() } else { times });
            if !counts.is_empty() {
                line("", counts);
            }
        }
    }
    let Some(delays) = &stats.delays else { return };
    for (name, histogram) in delays.table() {
        if let Some(text) = quantiles(histogram, time) {
            line(&name.replace('_', " "), text);
        }
    }
    if let Some(text) = quantiles(&delays.queue_length, |n| n.to_string()) {
        line("queue length", text);
    }
}

/// The summary of a run that took these wall and processor nanoseconds.
pub(crate) fn summary(stats: &Stats, (wall_ns, task_clock_ns): (u64, u64)) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<24} {value}");
    };
    let pauses = &stats.pauses;
    let sum = |property: fn(&Pause) -> u64| pauses.iter().map(property).sum::<u64>();
    let pause_ns = sum(|p| p.task_clock_ns);
    line("time", format!("wall {}, CPU {}", time(wall_ns), time(task_clock_ns)));
    line("  in pauses", format!("CPU {} ({})", time(pause_ns), percent(pause_ns, task_clock_ns)));
    line("reductions", stats.reductions.to_string());
    let (slices, preemptions) = (stats.slices, stats.preemptions);
    line("tasks", format!("{}, {slices} slices, {preemptions} preempted", stats.tasks_spawned));
    scheduling(stats, &mut line);
    let usage = stats.usage;
    let mutator_ns = task_clock_ns.saturating_sub(pause_ns).max(1);
    let rate = usage.allocated_bytes as f64 / (mutator_ns as f64 / 1e9);
    let per_second = bytes(rate as u64);
    line("allocated", format!("{} ({per_second} per CPU second)", bytes(usage.allocated_bytes)));
    line("reserved", format!("at most {}", bytes(stats.reserved_bytes_max as u64)));
    line("live after last gc", bytes(usage.live_bytes as u64));
    line("collections", pauses.len().to_string());
    for (cause, n) in &stats.collections {
        line(&format!("  {cause}"), n.to_string());
    }
    if !pauses.is_empty() {
        line("  pause, wall", distribution(pauses, |p| p.wall_ns));
        line("  pause, CPU", distribution(pauses, |p| p.task_clock_ns));
        line("  time to safepoint", distribution(pauses, |p| p.safepoint_ns));
        let (before, after) = (sum(|p| p.before_bytes as u64), sum(|p| p.after_bytes as u64));
        line("  survival", format!("{} of the bytes in use", percent(after, before)));
        line("  traced objects", stats.traced_objects.to_string());
        line("  copied", bytes(stats.copied_bytes));
    }
    for (name, n) in &stats.counters {
        line(name, n.to_string());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use menagerie::heap::Cause;

    #[test]
    fn a_run_without_collections_has_no_pauses() {
        let text = summary(&Stats::default(), (2_000_000, 0));
        assert!(text.contains("wall 2000.0 µs, CPU 0 ns") && !text.contains("pause,"), "{text}");
        assert!(text.contains("in pauses") && text.contains("(-)"), "{text}");
    }

    #[test]
    fn distributions_are_nearest_ranks() {
        let pause = |n: u64| Pause {
            cause: Cause::Threshold,
            start_ns: 0,
            wall_ns: n,
            task_clock_ns: 2 * n,
            safepoint_ns: 0,
            before_bytes: 100,
            after_bytes: 25,
            copied_bytes: 0,
        };
        let pauses: Vec<_> = (1..=100).map(pause).collect();
        let wall = distribution(&pauses, |p| p.wall_ns);
        assert_eq!(wall, "p50 50 ns, p90 90 ns, p99 99 ns, max 100 ns, all 5050 ns");
        let stats = Stats { pauses, ..Stats::default() };
        let text = summary(&stats, (0, 40_400));
        assert!(text.contains("survival               25.0 %"), "{text}");
        assert!(text.contains("(25.0 %)"), "pauses are a quarter of the CPU time: {text}");
    }
}
