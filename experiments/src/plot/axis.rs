//! Axes: ranges and ticks that a reader expects.

use super::figure::{Axis, Mark, Scale, extent};

/// A number without needless digits.
pub(crate) fn number(x: f64) -> String {
    let text = if x.abs() >= 1000.0 || x == x.round() {
        format!("{x:.0}")
    } else if x.abs() >= 100.0 {
        format!("{x:.1}")
    } else if x.abs() >= 1.0 {
        format!("{x:.2}")
    } else {
        format!("{x:.3}")
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A number with thousands and millions as letters.
pub(crate) fn count(x: f64) -> String {
    match x {
        x if x.abs() >= 1e6 => format!("{} M", number(x / 1e6)),
        x if x.abs() >= 1e3 => format!("{} k", number(x / 1e3)),
        x => number(x),
    }
}

/// Nanoseconds in the unit that fits.
pub(crate) fn time(ns: f64) -> String {
    match ns {
        0.0 => "0".to_owned(),
        n if n >= 1e9 => format!("{} s", number(n / 1e9)),
        n if n >= 1e6 => format!("{} ms", number(n / 1e6)),
        n if n >= 1e3 => format!("{} µs", number(n / 1e3)),
        n => format!("{} ns", number(n)),
    }
}

/// Bytes in the unit that fits.
pub(crate) fn bytes(b: f64) -> String {
    let unit = |power: i32| 1024f64.powi(power);
    match b {
        0.0 => "0".to_owned(),
        n if n >= unit(3) => format!("{} GiB", number(n / unit(3))),
        n if n >= unit(2) => format!("{} MiB", number(n / unit(2))),
        n if n >= unit(1) => format!("{} KiB", number(n / unit(1))),
        n => format!("{} B", number(n)),
    }
}

/// A step of 1, 2 or 5 times a power of ten that gives about `n` steps.
fn step(span: f64, n: f64) -> f64 {
    let raw = span / n;
    let power = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= raw * 0.999);
    factor.unwrap_or(10.0) * power
}

fn linear_ticks(low: f64, high: f64, n: f64) -> Vec<f64> {
    let step = step(high - low, n);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// Powers of ten, and more between them when the range is short; linear ticks when it is shorter
/// than a factor of three.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    if high / low < 3.0 {
        return linear_ticks(low, high, 6.0);
    }
    let decades = (high / low).log10();
    let factors: &[f64] = match decades {
        d if d > 2.5 => &[1.0],
        d if d > 1.2 => &[1.0, 2.0, 5.0],
        _ => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
    };
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let every = if decades > 7.0 { 2 } else { 1 };
    let powers = (first..=last).filter(|p| p.rem_euclid(every) == 0);
    powers
        .flat_map(|p| factors.iter().map(move |f| f * 10f64.powi(p)))
        .filter(|t| (low * 0.999..=high * 1.001).contains(t))
        .collect()
}

impl Axis {
    /// An axis over a range, with a little room at the ends.
    pub(crate) fn over(
        label: &str,
        scale: Scale,
        (low, high): (f64, f64),
        format: fn(f64) -> String,
    ) -> Axis {
        let (low, high) = match scale {
            Scale::Log => {
                let low = low.max(1e-9);
                let room = (high.max(low) / low).powf(0.06).max(1.02);
                (low / room, high.max(low) * room)
            }
            Scale::Linear if high > low => {
                let room = (high - low) * 0.05;
                (if low == 0.0 { 0.0 } else { low - room }, high + room)
            }
            Scale::Linear if low == 0.0 => (0.0, 1.0),
            Scale::Linear => (low - 0.5, high + 0.5),
            Scale::Tail => (low, high),
        };
        let values = match scale {
            Scale::Log => log_ticks(low, high),
            _ => linear_ticks(low, high, 5.0),
        };
        let ticks = values.into_iter().map(|t| (t, format(t))).collect();
        Axis { label: label.to_owned(), scale, range: (low, high), ticks, names: false }
    }

    /// A linear axis of bytes from 0, with round numbers of KiB, MiB or GiB.
    pub(crate) fn bytes_to(label: &str, high: f64) -> Axis {
        let unit = 1024f64.powf(high.max(1.0).log(1024.0).floor());
        let mut axis = Axis::over(label, Scale::Linear, (0.0, high), bytes);
        let ticks = linear_ticks(0.0, axis.range.1 / unit, 4.0);
        axis.ticks = ticks.into_iter().map(|t| (t * unit, bytes(t * unit))).collect();
        axis
    }

    /// A logarithmic axis of bytes, with powers of two, and quarters between them when there are
    /// few.
    pub(crate) fn log_bytes(label: &str, range: (f64, f64)) -> Axis {
        let mut axis = Axis::over(label, Scale::Log, range, bytes);
        let shown = axis.range.0..=axis.range.1;
        let steps: [&[f64]; 3] = [&[1.0], &[1.0, 1.5], &[1.0, 1.25, 1.5, 1.75]];
        let ticks = steps.map(|steps| {
            let all = (0..50).flat_map(|p| steps.iter().map(move |s| s * 2f64.powi(p)));
            all.filter(|b| shown.contains(b)).collect::<Vec<f64>>()
        });
        let enough = ticks.iter().find(|t| t.len() >= 2);
        if let Some(ticks) = enough {
            let every = ticks.len().div_ceil(4);
            axis.ticks = ticks.iter().step_by(every).map(|&b| (b, bytes(b))).collect();
        }
        axis
    }

    /// The y axis that shows all estimates, their intervals as far as is useful, and `also`.
    pub(crate) fn around(
        label: &str,
        scale: Scale,
        marks: &[Mark],
        also: &[f64],
        format: fn(f64) -> String,
    ) -> Option<Axis> {
        let (mut low, mut high) = useful(scale, marks)?;
        for &value in also {
            (low, high) = (low.min(value), high.max(value));
        }
        Some(Axis::over(label, scale, (low, high), format))
    }

    /// Ticks at given values: heap factors, workers.
    pub(crate) fn at(label: &str, scale: Scale, values: &[f64], format: fn(f64) -> String) -> Axis {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut axis = Axis::over(label, scale, (low, high), format);
        axis.ticks = values.iter().map(|&v| (v, format(v))).collect();
        axis
    }

    /// A place for each name: 0, 1, 2, …
    pub(crate) fn names(label: &str, names: &[String]) -> Axis {
        let named = names.iter().enumerate().filter(|(_, name)| !name.is_empty());
        Axis {
            label: label.to_owned(),
            scale: Scale::Linear,
            range: (-0.6, names.len() as f64 - 0.4),
            ticks: named.map(|(n, name)| (n as f64, name.clone())).collect(),
            names: true,
        }
    }

    /// Shares of pauses or requests.
    pub(crate) fn percentiles(label: &str) -> Axis {
        let ticks = [(0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (1.0, "max")];
        Axis {
            label: label.to_owned(),
            scale: Scale::Tail,
            range: (0.45, 1.0),
            ticks: ticks.map(|(t, word)| (t, word.to_owned())).to_vec(),
            names: false,
        }
    }
}

/// An interval that reaches far beyond the estimates does not make an axis useless: it is cut. On a
/// logarithmic axis at a third and the triple of all estimates, on a linear one at the double and,
/// where no estimate is negative, at zero.
fn useful(scale: Scale, marks: &[Mark]) -> Option<(f64, f64)> {
    let (low, high) = extent(marks)?;
    let estimates = marks.iter().flat_map(Mark::estimates);
    let seen = estimates.filter(|y| scale != Scale::Log || *y > 0.0);
    let (least, most) =
        seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), y| (l.min(y), h.max(y)));
    if least > most {
        return (scale != Scale::Log || low > 0.0).then_some((low, high));
    }
    Some(match scale {
        Scale::Log => (low.max(least / 3.0), high.min(most * 3.0)),
        _ if least >= 0.0 => (low.max(0.0), high.min(most * 2.0).max(most)),
        _ => (low, high),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_needless_digits() {
        let shown = [1.5, 2.0, 0.25, 1234.0, 10.0].map(number);
        assert_eq!(shown, ["1.5", "2", "0.25", "1234", "10"]);
        assert_eq!(time(1_500_000.0), "1.5 ms");
        assert_eq!(bytes(1536.0), "1.5 KiB");
    }

    /// What Fieller gives for two noisy samples must not flatten the bars beside it.
    #[test]
    fn a_wide_interval_does_not_set_the_axis() {
        let look = super::super::figure::Look::area(0);
        let bar = |y: f64, interval| Mark::Bar { x: (0.0, 1.0), y: (0.0, y), interval, look };
        let marks = [bar(1.0, None), bar(2.0, Some((-40.0, 50.0)))];
        assert_eq!(useful(Scale::Linear, &marks), Some((0.0, 4.0)));
        let point = |y, interval| super::super::figure::Point { x: 0.0, y, interval };
        let points = vec![point(3.0, Some((0.001, 90.0))), point(6.0, None)];
        let marks = [Mark::Points { points, look }];
        assert_eq!(useful(Scale::Log, &marks), Some((1.0, 18.0)));
    }

    /// Short logarithmic ranges get enough ticks to be read (they get two from plotters).
    #[test]
    fn every_range_has_ticks() {
        for (low, high) in [(1.0, 1.05), (1.0, 1.4), (1.25, 6.0), (1e3, 1e9), (0.5, 80.0)] {
            let ticks = log_ticks(low, high);
            assert!((3..=12).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
            assert!(ticks.iter().all(|t| (low * 0.999..=high * 1.001).contains(t)));
        }
        assert_eq!(linear_ticks(0.0, 1.0, 5.0).len(), 6);
    }
}
