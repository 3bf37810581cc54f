//! Minimum and bounded mutator utilisation of a run with pauses.
//!
//! MMU(w) is the smallest share of any window of length w that was left to the program. The
//! smallest is attained by a window that starts where a pause starts or ends where one ends.
//! BMU(w) is the smallest MMU of all windows of w and longer (Sachindran, Moss & Berger).

/// A stop of the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stop {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// A run: disjoint stops in order, within [0, length).
#[derive(Debug)]
pub(crate) struct Trace {
    stops: Vec<Stop>,
    /// Paused time before each stop, and in all.
    before: Vec<u64>,
    length: u64,
}

/// With more stops than this the pairs are too many, and BMU is taken from the grid alone.
const EXACT_STOPS_MAX: usize = 512;

impl Trace {
    /// A trace; stops are clipped to the run.
    pub(crate) fn new(mut stops: Vec<Stop>, length: u64) -> Trace {
        stops.retain(|s| s.start < length && s.start < s.end);
        stops.sort_by_key(|s| s.start);
        for i in 0..stops.len() {
            let next = stops.get(i + 1).map_or(length, |s| s.start);
            stops[i].end = stops[i].end.min(next);
        }
        let mut before = vec![0];
        for s in &stops {
            before.push(before[before.len() - 1] + s.end - s.start);
        }
        Trace { stops, before, length }
    }

    /// Paused time before `t`.
    fn paused_until(&self, t: u64) -> u64 {
        let n = self.stops.partition_point(|s| s.end <= t);
        let partly = self.stops.get(n).map_or(0, |s| t.saturating_sub(s.start));
        self.before[n] + partly
    }

    /// The smallest utilisation of windows of length `w`; the run's own when `w` is longer.
    pub(crate) fn mmu(&self, w: u64) -> f64 {
        if w >= self.length {
            let paused = self.before[self.stops.len()];
            return share_left(paused, self.length);
        }
        if w == 0 {
            return if self.stops.is_empty() { 1.0 } else { 0.0 };
        }
        let latest = self.length - w;
        let starts = self.stops.iter().map(|s| s.start.min(latest));
        let ends = self.stops.iter().map(|s| s.end.saturating_sub(w).min(latest));
        let paused = |t: u64| self.paused_until(t + w) - self.paused_until(t);
        let worst = starts.chain(ends).map(paused).max().unwrap_or(0);
        share_left(worst, w)
    }

    /// MMU and BMU at each window of an ascending grid.
    pub(crate) fn curve(&self, windows: &[u64]) -> Vec<(f64, f64)> {
        let mmu: Vec<f64> = windows.iter().map(|&w| self.mmu(w)).collect();
        // bounded[i]: the smallest utilisation of windows that are as long as windows[i] but not
        // as long as the next; then the suffix minimum.
        let mut bounded = mmu.clone();
        if self.stops.len() <= EXACT_STOPS_MAX {
            self.pairs(windows, &mut bounded);
        }
        let mut least = self.mmu(self.length);
        for b in bounded.iter_mut().rev() {
            least = least.min(*b);
            *b = least;
        }
        mmu.into_iter().zip(bounded).collect()
    }

    /// Windows from the start of a stop to the end of another: a longer window whose utilisation
    /// is smallest is one of these, since at both ends it could only lose running time.
    fn pairs(&self, windows: &[u64], bounded: &mut [f64]) {
        for (i, first) in self.stops.iter().enumerate() {
            for (j, last) in self.stops.iter().enumerate().skip(i) {
                let length = last.end - first.start;
                let slot = windows.partition_point(|&w| w <= length);
                if slot > 0 {
                    let left = share_left(self.before[j + 1] - self.before[i], length);
                    bounded[slot - 1] = bounded[slot - 1].min(left);
                }
            }
        }
    }
}

fn share_left(paused: u64, length: u64) -> f64 {
    if length == 0 { 1.0 } else { (length - paused) as f64 / length as f64 }
}

/// `n` windows from 10 µs to 10 s, evenly spaced by logarithm.
pub(crate) fn grid(n: usize) -> Vec<u64> {
    let (low, high) = (10_000f64.ln(), 10_000_000_000f64.ln());
    (0..n).map(|i| (low + (high - low) * i as f64 / (n - 1) as f64).exp().round() as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const S: u64 = 1000 * MS;

    fn go_trace() -> Trace {
        Trace::new(vec![Stop { start: S, end: 2 * S }, Stop { start: 3 * S, end: 4 * S }], 5 * S)
    }

    /// The vectors of Go's gc_test.go: pauses [1, 2) and [3, 4) in 5 s.
    #[test]
    fn mmu_of_gos_test() {
        let trace = go_trace();
        let want = [
            (MS, 0.0),
            (S, 0.0),
            (2 * S, 0.5),
            (3 * S, 1.0 / 3.0),
            (4 * S, 0.5),
            (5 * S, 0.6),
            (6 * S, 0.6),
        ];
        for (w, mmu) in want {
            assert!((trace.mmu(w) - mmu).abs() < 1e-9, "{w}: {}", trace.mmu(w));
        }
    }

    /// methodology: BMU(2 s) = 1/3, BMU(3.5 s) = 0.4286.
    #[test]
    fn bmu_of_gos_test() {
        let curve = go_trace().curve(&[2 * S, 3500 * MS]);
        assert!((curve[0].1 - 1.0 / 3.0).abs() < 1e-9, "{curve:?}");
        assert!((curve[1].1 - 0.428_571).abs() < 1e-6, "{curve:?}");
    }

    fn random_trace(random: &mut crate::analyze::statistics::Resampler) -> Trace {
        let mut stops = Vec::new();
        let mut at = 0;
        for _ in 0..random.index(6) {
            let start = at + random.index(30) as u64;
            let end = start + 1 + random.index(15) as u64;
            stops.push(Stop { start, end });
            at = end;
        }
        Trace::new(stops, at + 1 + random.index(20) as u64)
    }

    /// All windows of whole numbers: the breakpoints are whole, so nothing lies between.
    fn brute_mmu(trace: &Trace, w: u64) -> f64 {
        let paused = |t: u64| {
            (t..t + w).filter(|&x| trace.stops.iter().any(|s| s.start <= x && x < s.end)).count()
        };
        let worst = (0..=trace.length - w).map(paused).max().unwrap();
        share_left(worst as u64, w)
    }

    #[test]
    fn curves_agree_with_brute_force() {
        let mut random = crate::analyze::statistics::Resampler::new(1);
        for round in 0..200 {
            let trace = random_trace(&mut random);
            let windows: Vec<u64> = (1..=trace.length).collect();
            let brute: Vec<f64> = windows.iter().map(|&w| brute_mmu(&trace, w)).collect();
            for (n, (mmu, bmu)) in trace.curve(&windows).into_iter().enumerate() {
                let bounded = brute[n..].iter().copied().fold(1.0, f64::min);
                assert!((mmu - brute[n]).abs() < 1e-12, "round {round}, window {}", n + 1);
                assert!((bmu - bounded).abs() < 1e-12, "round {round}, window {}", n + 1);
            }
        }
    }

    /// On a coarse grid the pairs find what lies between its windows.
    #[test]
    fn bmu_looks_between_the_windows_of_the_grid() {
        let mut random = crate::analyze::statistics::Resampler::new(2);
        for _ in 0..200 {
            let trace = random_trace(&mut random);
            let coarse: Vec<u64> = (1..=trace.length).step_by(7).collect();
            for (&w, (_, bmu)) in coarse.iter().zip(trace.curve(&coarse)) {
                let brute = (w..=trace.length).map(|w| brute_mmu(&trace, w));
                assert!((bmu - brute.fold(1.0, f64::min)).abs() < 1e-12, "window {w}");
            }
        }
    }

    #[test]
    fn a_run_without_pauses_is_all_the_programs() {
        let trace = Trace::new(Vec::new(), 10);
        assert_eq!(trace.curve(&[1, 5, 10, 20]), [(1.0, 1.0); 4]);
    }
}
