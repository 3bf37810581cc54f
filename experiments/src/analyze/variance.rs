//! How much of the variation of times is explained by workload, heap, scheduler and their
//! interactions: log T = μ + w + h + s + w:h + w:s + h:s + ε on a complete, balanced grid.

use super::statistics::mean;

/// The terms, in the order of [`shares`].
pub(crate) const TERMS: [&str; 8] = [
    "workload",
    "heap",
    "scheduler",
    "workload:heap",
    "workload:scheduler",
    "heap:scheduler",
    "workload:heap:scheduler",
    "residual",
];

/// Logarithms of times: `cell(w, h, s)` holds the replicates, as many in every cell.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) sizes: [usize; 3],
    pub(crate) cells: Vec<Vec<f64>>,
}

impl Grid {
    fn at(&self, [w, h, s]: [usize; 3]) -> usize {
        (w * self.sizes[1] + h) * self.sizes[2] + s
    }
    /// The mean of all cells that agree with the given coordinates.
    fn mean_of(&self, means: &[f64], fixed: [Option<usize>; 3]) -> f64 {
        let [ws, hs, ss] = [0, 1, 2].map(|axis| match fixed[axis] {
            Some(at) => at..at + 1,
            None => 0..self.sizes[axis],
        });
        let mut chosen = Vec::new();
        for w in ws {
            for h in hs.clone() {
                chosen.extend(ss.clone().map(|s| means[self.at([w, h, s])]));
            }
        }
        mean(&chosen)
    }

    /// η² of each of [`TERMS`]: its sum of squares over the total one. None when nothing varies.
    pub(crate) fn shares(&self) -> Option<[f64; 8]> {
        let [nw, nh, ns] = self.sizes;
        let replicates = self.cells.first()?.len() as f64;
        let means: Vec<f64> = self.cells.iter().map(|c| mean(c)).collect();
        let m = |w, h, s| self.mean_of(&means, [w, h, s]);
        let all = m(None, None, None);
        let of_w: Vec<f64> = (0..nw).map(|w| m(Some(w), None, None) - all).collect();
        let of_h: Vec<f64> = (0..nh).map(|h| m(None, Some(h), None) - all).collect();
        let of_s: Vec<f64> = (0..ns).map(|s| m(None, None, Some(s)) - all).collect();
        let mut sums = [0.0; 8];
        for w in 0..nw {
            for h in 0..nh {
                for s in 0..ns {
                    let wh = m(Some(w), Some(h), None) - all - of_w[w] - of_h[h];
                    let ws = m(Some(w), None, Some(s)) - all - of_w[w] - of_s[s];
                    let hs = m(None, Some(h), Some(s)) - all - of_h[h] - of_s[s];
                    let cell = &self.cells[self.at([w, h, s])];
                    let own = means[self.at([w, h, s])];
                    let whs = own - all - of_w[w] - of_h[h] - of_s[s] - wh - ws - hs;
                    let effects = [of_w[w], of_h[h], of_s[s], wh, ws, hs, whs];
                    for (sum, effect) in sums.iter_mut().zip(effects) {
                        *sum += replicates * effect * effect;
                    }
                    sums[7] += cell.iter().map(|x| (x - own) * (x - own)).sum::<f64>();
                }
            }
        }
        let total: f64 = sums.iter().sum();
        (total > 0.0).then(|| sums.map(|s| s / total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(sizes: [usize; 3], f: impl Fn([usize; 3], usize) -> f64) -> Grid {
        let mut cells = Vec::new();
        for w in 0..sizes[0] {
            for h in 0..sizes[1] {
                for s in 0..sizes[2] {
                    cells.push((0..4).map(|k| f([w, h, s], k)).collect());
                }
            }
        }
        Grid { sizes, cells }
    }

    /// Terms that were put in come out, alone.
    #[test]
    fn each_term_is_found_where_it_was_put() {
        let put: [fn([usize; 3], usize) -> f64; 8] = [
            |[w, _, _], _| w as f64,
            |[_, h, _], _| h as f64,
            |[_, _, s], _| s as f64,
            |[w, h, _], _| (w as f64 - 1.0) * (h as f64 - 1.0),
            |[w, _, s], _| (w as f64 - 1.0) * (s as f64 - 0.5),
            |[_, h, s], _| (h as f64 - 1.0) * (s as f64 - 0.5),
            |[w, h, s], _| (w as f64 - 1.0) * (h as f64 - 1.0) * (s as f64 - 0.5),
            |_, k| k as f64,
        ];
        for (term, f) in put.into_iter().enumerate() {
            let shares = grid([3, 3, 2], f).shares().unwrap();
            for (n, share) in shares.into_iter().enumerate() {
                let want = if n == term { 1.0 } else { 0.0 };
                assert!((share - want).abs() < 1e-12, "{} got {share}", TERMS[n]);
            }
        }
    }

    /// The sums of squares add up to the total one, computed directly.
    #[test]
    fn shares_are_of_the_total_sum_of_squares() {
        let f = |[w, h, s]: [usize; 3], k: usize| {
            ((w * 7 + h * 5 + s * 3 + k * 11) % 13) as f64 + (w * h) as f64
        };
        let grid = grid([4, 3, 2], f);
        let values: Vec<f64> = grid.cells.concat();
        let m = mean(&values);
        let total: f64 = values.iter().map(|x| (x - m) * (x - m)).sum();
        let residual: f64 = grid
            .cells
            .iter()
            .map(|c| c.iter().map(|x| (x - mean(c)) * (x - mean(c))).sum::<f64>())
            .sum();
        let shares = grid.shares().unwrap();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((shares[7] - residual / total).abs() < 1e-12);
    }
}
