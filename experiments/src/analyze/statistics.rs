//! Statistics of cells: intervals of means and of ratios, bootstrap, levels of variance.
//!
//! The replicate is the invocation: its iterations are reduced to one number before anything here
//! sees them. All intervals are 95 %.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// An estimate with its interval; no interval when there are too few values for one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
}

impl Estimate {
    pub(crate) fn low(&self) -> Option<f64> {
        self.interval.map(|(low, _)| low)
    }
    pub(crate) fn high(&self) -> Option<f64> {
        self.interval.map(|(_, high)| high)
    }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// With n - 1; 0 for one value.
pub(crate) fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let m = mean(values);
    let squares: f64 = values.iter().map(|x| (x - m) * (x - m)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The middle value, or the mean of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0
}

/// The 97.5 % quantile of Student's t.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64);
    t.expect("positive degrees of freedom").inverse_cdf(0.975)
}

/// Mean ± t·s/√n.
pub(crate) fn mean_interval(values: &[f64]) -> Estimate {
    let (value, n) = (mean(values), values.len());
    let half = |n: usize| t_quantile(n - 1) * standard_deviation(values) / (n as f64).sqrt();
    let interval = (n >= 2).then(|| (value - half(n), value + half(n)));
    Estimate { value, interval }
}

/// Fieller's interval of the ratio of means B/A of independent samples, with the t of the smaller
/// one. None when the mean of A is not significantly above zero: the ratio is then unbounded.
pub(crate) fn ratio(b: &[f64], a: &[f64]) -> Estimate {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let value = mean_b / mean_a;
    let n = a.len().min(b.len());
    if n < 2 {
        return Estimate { value, interval: None };
    }
    let t = t_quantile(n - 1);
    let h = |values: &[f64]| t * t * standard_deviation(values).powi(2) / values.len() as f64;
    let (h_a, h_b) = (h(a), h(b));
    let denominator = mean_a * mean_a - h_a;
    let product = mean_a * mean_b;
    let root = product * product - denominator * (mean_b * mean_b - h_b);
    let bounded = denominator > 0.0 && root >= 0.0;
    let bounds = || {
        let root = root.sqrt();
        ((product - root) / denominator, (product + root) / denominator)
    };
    Estimate { value, interval: bounded.then(bounds) }
}

/// By logarithms, so that nothing overflows.
pub(crate) fn geometric_mean(values: &[f64]) -> f64 {
    mean(&values.iter().map(|x| x.ln()).collect::<Vec<_>>()).exp()
}

/// How often a bootstrap resamples.
pub(crate) const RESAMPLES: usize = 1000;

/// Draws indices for resampling; the seed is fixed, so that an analysis repeats exactly.
#[derive(Debug)]
pub(crate) struct Resampler(ChaCha8Rng);

impl Resampler {
    pub(crate) fn new(seed: u64) -> Resampler {
        Resampler(ChaCha8Rng::seed_from_u64(seed))
    }
    /// An index below n (Lemire's multiplication; its bias is below n/2³²).
    pub(crate) fn index(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }
    /// The mean of as many values as there are, drawn with replacement.
    pub(crate) fn mean(&mut self, values: &[f64]) -> f64 {
        let n = values.len();
        (0..n).map(|_| values[self.index(n)]).sum::<f64>() / n as f64
    }
}

/// The percentile interval of resampled estimates: 2.5 % are cut off at either end.
pub(crate) fn percentile_interval(resampled: &mut [f64]) -> Option<(f64, f64)> {
    if resampled.is_empty() || resampled.iter().any(|x| !x.is_finite()) {
        return None;
    }
    resampled.sort_by(f64::total_cmp);
    let cut = (resampled.len() as f64 * 0.025).floor() as usize;
    Some((resampled[cut], resampled[resampled.len() - 1 - cut]))
}

/// The value at a share of sorted values: index n - 1 - ⌊n·(1 - share)⌋ (DaCapo).
pub(crate) fn percentile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let n = sorted.len();
    // 1 - 0.9 is above 0.1 in floating point: without the slack, n·0.1 could round up.
    let above = (n as f64 * (1.0 - share) + 1e-9).floor() as usize;
    sorted.get(n.checked_sub(1)?.saturating_sub(above)).copied()
}

/// Variance by level of repetition (Kalibera & Jones): `invocations` holds the iterations of each.
/// T² of the iterations, and T² of the invocations, which may be negative: then the invocations
/// add nothing to what iterations vary by. (T_i² = S_i² - S_{i-1}²/r_{i-1}, as corrected by the
/// authors after publication.)
pub(crate) fn variance_levels(invocations: &[&[f64]]) -> Option<(f64, f64)> {
    let r1 = invocations.first()?.len();
    if invocations.len() < 2 || r1 < 2 || invocations.iter().any(|i| i.len() != r1) {
        return None;
    }
    let within: Vec<_> = invocations.iter().map(|i| standard_deviation(i).powi(2)).collect();
    let means: Vec<_> = invocations.iter().map(|i| mean(i)).collect();
    let s1 = mean(&within);
    let s2 = standard_deviation(&means).powi(2);
    Some((s1, s2 - s1 / r1 as f64))
}

/// How many iterations per invocation use the time best, when an invocation costs `invocation_ns`
/// on top of `iteration_ns` per iteration; at least 1.
pub(crate) fn optimal_iterations(
    (t1, t2): (f64, f64),
    invocation_ns: f64,
    iteration_ns: f64,
) -> Option<u32> {
    let enough = t1 > 0.0 && t2 > 0.0 && iteration_ns > 0.0;
    enough.then(|| ((invocation_ns / iteration_ns * t1 / t2).sqrt().ceil() as u32).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64, within: f64) {
        assert!((got - want).abs() <= within, "{got} instead of {want}");
    }

    /// libkalibera's worked example with two levels.
    #[test]
    fn variance_levels_of_the_worked_example() {
        let data: [&[f64]; 3] =
            [&[9.0, 5.0, 8.0, 3.0], &[10.0, 6.0, 7.0, 11.0], &[1.0, 12.0, 2.0, 4.0]];
        let (t1, t2) = variance_levels(&data).unwrap();
        near(t1, 12.7, 0.05);
        near(t2, 0.4, 0.05);
    }

    /// libkalibera's case of optimal repetitions: T₁² = 0.72667, T₂² = 0.26278, costs 20 and 3.
    #[test]
    fn optimal_iterations_of_the_worked_example() {
        assert_eq!(optimal_iterations((0.726_667, 0.262_778), 20.0, 3.0), Some(5));
        assert_eq!(optimal_iterations((1.0, -1.0), 20.0, 3.0), None);
    }

    /// libkalibera: 0…999 gives the slice 25…974.
    #[test]
    fn percentile_interval_cuts_like_libkalibera() {
        let mut values: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(percentile_interval(&mut values), Some((25.0, 974.0)));
        assert_eq!(percentile_interval(&mut []), None);
    }

    #[test]
    fn geometric_mean_neither_overflows_nor_underflows() {
        near(geometric_mean(&[10.0, 0.1]), 1.0, 1e-12);
        near(geometric_mean(&[1e300, 1e300, 1e300]) / 1e300, 1.0, 1e-9);
        near(geometric_mean(&[1e-300; 5]) / 1e-300, 1.0, 1e-9);
    }

    /// Table values of Student's t.
    #[test]
    fn t_quantiles_are_the_tables() {
        near(t_quantile(1), 12.706, 1e-3);
        near(t_quantile(9), 2.262, 1e-3);
        near(t_quantile(29), 2.045, 1e-3);
    }

    #[test]
    fn mean_interval_of_known_numbers() {
        let e = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        near(e.value, 3.0, 1e-12);
        // s = 1.5811, t(4) = 2.7764: 3 ± 1.9632.
        near(e.low().unwrap(), 1.0368, 1e-4);
        near(e.high().unwrap(), 4.9632, 1e-4);
        assert_eq!(mean_interval(&[7.0]).interval, None);
    }

    /// Fieller's bounds are the roots of (B̄ - θĀ)² = t²(s_B² + θ²s_A²)/n.
    #[test]
    fn ratio_bounds_solve_fiellers_equation() {
        let a = [10.0, 11.0, 9.5, 10.2, 10.4];
        let b = [20.0, 23.0, 18.5, 21.2, 20.4];
        let e = ratio(&b, &a);
        let n = 5.0;
        let t = t_quantile(4);
        for theta in [e.low().unwrap(), e.high().unwrap()] {
            let left = (mean(&b) - theta * mean(&a)).powi(2);
            let variance =
                standard_deviation(&b).powi(2) + theta * theta * standard_deviation(&a).powi(2);
            near(left, t * t * variance / n, 1e-9);
        }
        assert!(e.low().unwrap() < e.value && e.value < e.high().unwrap());
    }

    #[test]
    fn ratio_to_what_may_be_zero_has_no_interval() {
        assert_eq!(ratio(&[1.0, 2.0], &[-5.0, 6.0]).interval, None);
    }

    /// The nominal coverage of Fieller's interval at n = 10: 94…96 % (methodology). Normal
    /// samples by Box and Muller, ratio 2.
    #[test]
    fn ratio_intervals_cover_as_often_as_they_say() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut uniform = move || (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
        let mut normal = |mean: f64, deviation: f64| {
            let (u, v) = (uniform(), uniform());
            mean + deviation * (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        let (mut covered, rounds) = (0, 4000);
        for _ in 0..rounds {
            let a: Vec<_> = (0..10).map(|_| normal(10.0, 1.0)).collect();
            let b: Vec<_> = (0..10).map(|_| normal(20.0, 1.5)).collect();
            let (low, high) = ratio(&b, &a).interval.unwrap();
            covered += i32::from(low <= 2.0 && 2.0 <= high);
        }
        near(f64::from(covered) / f64::from(rounds), 0.95, 0.015);
    }

    #[test]
    fn percentiles_by_dacapos_index() {
        let sorted: Vec<u32> = (0..1000).collect();
        assert_eq!(percentile(&sorted, 0.99), Some(989));
        assert_eq!(percentile(&sorted, 0.9), Some(899));
        assert_eq!(percentile(&sorted, 0.5), Some(499));
        assert_eq!(percentile(&sorted, 1.0), Some(999));
        assert_eq!(percentile(&[5], 0.5), Some(5));
        assert_eq!(percentile::<u32>(&[], 0.5), None);
    }
}
