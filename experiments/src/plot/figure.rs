//! A figure as data: panels with axes and marks. What draws it ([`super::render`]) can be swapped
//! without touching a figure.

use menagerie_strategies::{HEAPS, SCHEDULERS, Style};

/// Of the paper's page (acmart), in big points: a column, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    Column,
    Page,
}

impl Width {
    pub(crate) fn points(self) -> f64 {
        match self {
            Width::Column => 240.25,
            Width::Page => 504.4,
        }
    }
}

/// A figure with its caption, which says what is shown, n, the interval and what is missing.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Names the file.
    pub(crate) id: String,
    pub(crate) caption: String,
    pub(crate) width: Width,
    pub(crate) panel_height: f64,
    /// Panels beside each other.
    pub(crate) columns: usize,
    pub(crate) panels: Vec<Panel>,
    pub(crate) legend: Vec<(String, Look)>,
}

/// One coordinate system.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) marks: Vec<Mark>,
}

/// How positions are computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scale {
    Linear,
    Log,
    /// Of shares near 1: -log(1 - share); 1 itself is drawn at the end.
    Tail,
}

/// Where [`Scale::Tail`] draws the share 1.
const TAIL_END: f64 = 0.9999;

impl Scale {
    pub(crate) fn of(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).ln(),
            Scale::Tail => -(1.0 - value.min(TAIL_END)).ln(),
        }
    }
}

/// An axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
    pub(crate) range: (f64, f64),
    pub(crate) ticks: Vec<(f64, String)>,
    /// Ticks are names: all of them are written, on several levels if need be; of crowded numbers
    /// only some are.
    pub(crate) names: bool,
}

/// How a strategy or a category is drawn, in every figure alike.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Look {
    pub(crate) colour: (u8, u8, u8),
    /// None: an area.
    pub(crate) marker: Option<&'static str>,
    pub(crate) dashed: bool,
}

/// Okabe & Ito, without black and the yellow that thin lines disappear in.
pub(crate) const CATEGORIES: [(u8, u8, u8); 6] = [
    (0x00, 0x72, 0xb2),
    (0xe6, 0x9f, 0x00),
    (0x00, 0x9e, 0x73),
    (0xd5, 0x5e, 0x00),
    (0xcc, 0x79, 0xa7),
    (0x56, 0xb4, 0xe9),
];

impl Look {
    pub(crate) fn area(n: usize) -> Look {
        Look { colour: CATEGORIES[n % CATEGORIES.len()], marker: None, dashed: false }
    }
    fn of(style: Option<&Style>, with_parameters: bool) -> Look {
        let style =
            style.copied().unwrap_or(Style { colour: (0x55, 0x55, 0x55), marker: "circle" });
        Look { colour: style.colour, marker: Some(style.marker), dashed: with_parameters }
    }
    /// Of a heap as it is written in result files: a name, then parameters.
    pub(crate) fn heap(label: &str) -> Look {
        let name = label.split(' ').next().unwrap_or(label);
        let style = HEAPS.iter().find(|(info, _)| info.name == name).map(|(_, style)| style);
        Look::of(style, name != label)
    }
    /// Of a scheduler as it is written in result files.
    pub(crate) fn scheduler(label: &str) -> Look {
        let name = label.split(' ').next().unwrap_or(label);
        let style = SCHEDULERS.iter().find(|(info, _)| info.name == name).map(|(_, style)| style);
        Look::of(style, name != label)
    }
}

/// An estimate at a place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) interval: Option<(f64, f64)>,
}

/// What is drawn in a panel.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// Estimates joined by a line, with markers and intervals.
    Line { points: Vec<Point>, look: Look },
    /// A curve with many points: a line and a band.
    Curve { points: Vec<Point>, look: Look },
    /// Estimates alone.
    Points { points: Vec<Point>, look: Look },
    /// A bar from y0 to y1, with the interval of y1.
    Bar { x: (f64, f64), y: (f64, f64), interval: Option<(f64, f64)>, look: Look },
    /// What did not run, drawn at the top in its own row.
    Failure { x: f64, row: usize, word: String, look: Look },
    /// A dashed line across.
    Rule { y: f64 },
    /// A dashed line from corner to corner of these coordinates.
    Slope { from: (f64, f64), to: (f64, f64) },
    /// A filled rectangle with a word in it.
    Tile { x: (f64, f64), y: (f64, f64), colour: (u8, u8, u8), word: String },
    /// A word beside a place.
    Word { x: f64, y: f64, word: String },
}

impl Mark {
    /// How it looks, if that is what a legend explains.
    fn look(&self) -> Option<Look> {
        match self {
            Mark::Line { look, .. }
            | Mark::Curve { look, .. }
            | Mark::Points { look, .. }
            | Mark::Bar { look, .. }
            | Mark::Failure { look, .. } => Some(*look),
            _ => None,
        }
    }
    fn is_empty(&self) -> bool {
        match self {
            Mark::Line { points, .. }
            | Mark::Curve { points, .. }
            | Mark::Points { points, .. } => points.is_empty(),
            _ => false,
        }
    }
    /// The values on the y axis that are estimates, without their intervals.
    pub(crate) fn estimates(&self) -> Vec<f64> {
        match self {
            Mark::Line { points, .. }
            | Mark::Curve { points, .. }
            | Mark::Points { points, .. } => points.iter().map(|p| p.y).collect(),
            Mark::Bar { y, .. } => vec![y.0, y.1],
            _ => Vec::new(),
        }
    }
    /// The values on the y axis that must be visible.
    fn extent(&self) -> Vec<f64> {
        let of = |points: &[Point]| {
            let all = points.iter().flat_map(|p| {
                let (low, high) = p.interval.unwrap_or((p.y, p.y));
                [p.y, low, high]
            });
            all.collect()
        };
        match self {
            Mark::Line { points, .. }
            | Mark::Curve { points, .. }
            | Mark::Points { points, .. } => of(points),
            Mark::Bar { y, interval, .. } => {
                let (low, high) = interval.unwrap_or(*y);
                vec![y.0, y.1, low, high]
            }
            Mark::Rule { y } => vec![*y],
            Mark::Slope { from, to } => vec![from.1, to.1],
            Mark::Tile { y, .. } => vec![y.0, y.1],
            Mark::Word { y, .. } => vec![*y],
            Mark::Failure { .. } => Vec::new(),
        }
    }
}

impl Figure {
    /// The entries of the legend that something is drawn of.
    pub(crate) fn used_legend(&self) -> Vec<(String, Look)> {
        let looks: Vec<Look> = self
            .panels
            .iter()
            .flat_map(|p| &p.marks)
            .filter(|m| !m.is_empty())
            .filter_map(Mark::look)
            .collect();
        let used = |l: &Look| looks.iter().any(|u| u.colour == l.colour && u.dashed == l.dashed);
        self.legend.iter().filter(|(_, look)| used(look)).cloned().collect()
    }
}

/// The smallest and largest visible value of marks; None when there is none.
pub(crate) fn extent(marks: &[Mark]) -> Option<(f64, f64)> {
    let values = marks.iter().flat_map(Mark::extent).filter(|v| v.is_finite());
    values.fold(None, |acc, v| match acc {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}
