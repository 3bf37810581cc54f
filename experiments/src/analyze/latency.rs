//! Latency of requests: from the intended arrival (open loop), from the actual start (simple), and
//! metered as in DaCapo.

use super::statistics::percentile;

/// One request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) intended: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) deadline: Option<u64>,
}

/// The shares at which curves are given.
pub(crate) const SHARES: [f64; 7] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];

/// Which latency.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    /// End minus intended arrival: no coordinated omission.
    OpenLoop,
    /// End minus actual start.
    Simple,
    /// As if requests had started evenly spread over a window of this length.
    Metered(u64),
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::OpenLoop => "open_loop",
            Kind::Simple => "simple",
            Kind::Metered(_) => "metered",
        }
    }
}

/// The latencies, ascending.
pub(crate) fn latencies(requests: &mut [Request], kind: Kind) -> Vec<u64> {
    requests.sort_by_key(|r| r.start);
    let mut all: Vec<u64> = match kind {
        Kind::OpenLoop => requests.iter().map(|r| r.end.saturating_sub(r.intended)).collect(),
        Kind::Simple => requests.iter().map(simple).collect(),
        Kind::Metered(window) => metered(requests, window),
    };
    all.sort_unstable();
    all
}

fn simple(r: &Request) -> u64 {
    r.end.saturating_sub(r.start)
}

/// max(simple, end - s̃), with s̃ on the line from the first request of the window around this one
/// to the first beyond it. Both ends only move forward.
fn metered(sorted: &[Request], window: u64) -> Vec<u64> {
    let (mut a, mut b) = (0, 0);
    let last = sorted.len().saturating_sub(1);
    let mut out = Vec::with_capacity(sorted.len());
    for (i, request) in sorted.iter().enumerate() {
        let (low, high) = (request.start.saturating_sub(window / 2), request.start + window / 2);
        while sorted[a].start < low {
            a += 1;
        }
        while b < last && sorted[b].start < high {
            b += 1;
        }
        let own = simple(request);
        if a == b {
            out.push(own);
            continue;
        }
        let (from, to) = (sorted[a].start as f64, sorted[b].start as f64);
        let smooth = from + (i - a) as f64 * (to - from) / (b - a) as f64;
        out.push(own.max((request.end as f64 - smooth).max(0.0).round() as u64));
    }
    out
}

/// The latency at each of [`SHARES`].
pub(crate) fn curve(sorted: &[u64]) -> Option<[f64; SHARES.len()]> {
    let mut out = [0.0; SHARES.len()];
    for (value, share) in out.iter_mut().zip(SHARES) {
        *value = percentile(sorted, share)? as f64;
    }
    Some(out)
}

/// The share of requests that were answered after their deadline; None without deadlines.
pub(crate) fn miss_ratio(requests: &[Request]) -> Option<f64> {
    let with: Vec<_> = requests.iter().filter_map(|r| Some((r.end, r.deadline?))).collect();
    let missed = with.iter().filter(|(end, deadline)| end > deadline).count();
    (!with.is_empty()).then(|| missed as f64 / with.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(intended: u64, start: u64, end: u64) -> Request {
        Request { intended, start, end, deadline: None }
    }

    #[test]
    fn evenly_spread_requests_are_not_changed_by_metering() {
        let mut even: Vec<_> = (0..100).map(|i| request(i * 10, i * 10, i * 10 + 3)).collect();
        for window in [1, 20, 100, 100_000] {
            assert_eq!(latencies(&mut even, Kind::Metered(window)), [3; 100], "{window}");
        }
    }

    /// Requests at 0, 10, then a stall, then a burst at 100, 101, 102, each of 1. Over the whole
    /// run the smooth starts are 0, 25.5, 51, 76.5, 102, so the burst has waited.
    #[test]
    fn metered_latency_of_a_stall_by_hand() {
        let starts = [0, 10, 100, 101, 102];
        let mut stall: Vec<_> = starts.iter().map(|&s| request(s, s, s + 1)).collect();
        assert_eq!(metered(&stall, 10_000), [1, 1, 50, 26, 1]);
        assert_eq!(latencies(&mut stall, Kind::Simple), [1; 5]);
        // A window of 4 sees the burst alone, which is evenly spread in itself.
        assert_eq!(metered(&stall, 4), [1, 1, 1, 1, 1]);
    }

    #[test]
    fn open_loop_latency_counts_the_wait() {
        // One stall of 50 delays three arrivals; their simple latencies look harmless.
        let mut queued =
            vec![request(0, 0, 50), request(10, 50, 51), request(20, 51, 52), request(30, 52, 53)];
        assert_eq!(latencies(&mut queued, Kind::Simple), [1, 1, 1, 50]);
        assert_eq!(latencies(&mut queued, Kind::OpenLoop), [23, 32, 41, 50]);
    }

    #[test]
    fn misses_are_counted_over_requests_with_deadlines() {
        let with = |end, deadline| Request { intended: 0, start: 0, end, deadline };
        let requests = [with(5, Some(5)), with(6, Some(5)), with(9, None), with(1, Some(5))];
        assert_eq!(miss_ratio(&requests), Some(1.0 / 3.0));
        assert_eq!(miss_ratio(&[with(9, None)]), None);
    }
}
