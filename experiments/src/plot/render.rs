//! Draws a [`Figure`] as SVG with plotters: the only file that knows it.
//!
//! Coordinates are integers there, so everything is drawn at ten units to the point, and the size
//! is rewritten to points at the end. The same figure always gives the same bytes.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figure::{Axis, Figure, Look, Mark, Panel, Point, Scale};

/// Units per point.
const UNIT: f64 = 10.0;
/// plotters-svg writes fonts smaller than asked for, by this factor.
const SVG_FONT: f64 = 1.24;
/// The margin at the right.
const RIGHT: f64 = 6.0;
const LABEL: f64 = 7.5;
const SMALL: f64 = 6.5;
const MARKER: f64 = 2.2;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Position, Position>>;
type Drawn = Result<(), String>;

fn units(points: f64) -> i32 {
    (points * UNIT).round() as i32
}
fn failed(e: impl std::fmt::Display) -> String {
    format!("cannot draw: {e}")
}
fn rgb((r, g, b): (u8, u8, u8)) -> RGBColor {
    RGBColor(r, g, b)
}
fn font(points: f64) -> TextStyle<'static> {
    ("sans-serif", points * UNIT * SVG_FONT).into_font().color(&BLACK)
}
fn stroke(colour: (u8, u8, u8), points: f64) -> ShapeStyle {
    rgb(colour).stroke_width(units(points) as u32)
}

/// An axis for plotters: positions by the scale, ticks as given.
struct Position(Axis);

impl Ranged for Position {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;
    fn map(&self, value: &f64, limits: (i32, i32)) -> i32 {
        let scale = self.0.scale;
        let (mut low, mut high) = (scale.of(self.0.range.0), scale.of(self.0.range.1));
        if scale == Scale::Tail {
            // Room for the markers of both ends.
            let room = (high - low) * 0.04;
            (low, high) = (low - room, high + room);
        }
        let share = ((scale.of(*value) - low) / (high - low)).clamp(0.0, 1.0);
        limits.0 + (f64::from(limits.1 - limits.0) * share).round() as i32
    }
    fn key_points<H: KeyPointHint>(&self, hint: H) -> Vec<f64> {
        // Light lines are off: only the bold ones are asked for.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.0.ticks.iter().map(|t| t.0).collect()
        }
    }
    fn range(&self) -> std::ops::Range<f64> {
        self.0.range.0..self.0.range.1
    }
}

impl Axis {
    /// The label of a tick.
    fn name_at(&self, value: f64) -> String {
        let tick = self.ticks.iter().find(|t| t.0 == value);
        tick.map(|t| t.1.clone()).unwrap_or_default()
    }
}

impl ValueFormatter<f64> for Position {
    fn format_ext(&self, value: &f64) -> String {
        self.0.name_at(*value)
    }
}

/// The figure as an SVG document, with its caption as description.
pub(crate) fn svg(figure: &Figure) -> Result<String, String> {
    let entries = figure.used_legend();
    let rows = figure.panels.len().div_ceil(figure.columns).max(1);
    let legend = legend_rows(&entries, figure.width.points()) as f64 * 10.0 + 3.0;
    let (width, height) = (figure.width.points(), legend + rows as f64 * figure.panel_height + 2.0);
    let mut text = String::new();
    {
        let backend =
            SVGBackend::with_string(&mut text, (units(width) as u32, units(height) as u32));
        let root = backend.into_drawing_area();
        let (top, panels) = root.split_vertically(units(legend));
        draw_legend(&top, &entries, figure.width.points())?;
        for (area, panel) in panels.split_evenly((rows, figure.columns)).iter().zip(&figure.panels)
        {
            draw_panel(area, panel)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(in_points(&text, (width, height), &figure.caption))
}

/// Sizes in points, and what a screen reader says.
fn in_points(svg: &str, (width, height): (f64, f64), caption: &str) -> String {
    let units_size = format!("width=\"{}\" height=\"{}\"", units(width), units(height));
    let points_size = format!("role=\"img\" width=\"{width}pt\" height=\"{height}pt\"");
    let svg = svg.replacen(&units_size, &points_size, 1);
    let escaped = caption.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    match svg.find('>') {
        Some(at) => format!("{}<desc>{escaped}</desc>{}\n", &svg[..=at], &svg[at + 1..]),
        None => svg,
    }
}

/// Letters are about this wide, as a share of their height.
const LETTER: f64 = 0.6;
const SWATCH: f64 = 14.0;

fn entry_width(name: &str) -> f64 {
    SWATCH + 3.0 + name.chars().count() as f64 * LABEL * LETTER + 8.0
}

fn legend_rows(entries: &[(String, Look)], width: f64) -> usize {
    let (mut rows, mut x) = (usize::from(!entries.is_empty()), 0.0);
    for (name, _) in entries {
        if x > 0.0 && x + entry_width(name) > width - 4.0 {
            rows += 1;
            x = 0.0;
        }
        x += entry_width(name);
    }
    rows
}

fn draw_legend(area: &Area<'_>, entries: &[(String, Look)], width: f64) -> Drawn {
    let (mut x, mut y) = (4.0, 7.0);
    for (name, look) in entries {
        if x > 4.0 && x + entry_width(name) > width {
            x = 4.0;
            y += 10.0;
        }
        let (from, to, middle) = (units(x), units(x + SWATCH), units(y));
        if let Some(marker) = look.marker {
            draw_line(area, &[(from, middle), (to, middle)], *look)?;
            draw_marker(area, (i32::midpoint(from, to), middle), marker, look.colour)?;
        } else {
            let corners = [(from, middle - 30), (to, middle + 30)];
            area.draw(&Rectangle::new(corners, rgb(look.colour).filled())).map_err(failed)?;
        }
        let style = font(LABEL).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(name.clone(), (to + 30, middle), style)).map_err(failed)?;
        x += entry_width(name);
    }
    Ok(())
}

fn draw_line(area: &Area<'_>, path: &[(i32, i32)], look: Look) -> Drawn {
    let style = stroke(look.colour, 0.9);
    match look.dashed {
        false => area.draw(&PathElement::new(path.to_vec(), style)).map_err(failed),
        true => {
            let dashed = DashedPathElement::new(path.to_vec(), units(2.5), units(1.5), style);
            area.draw(&dashed).map_err(failed)
        }
    }
}

/// A marker at a place of the area, filled, with a white edge so that overlaps can be told apart.
fn draw_marker(area: &Area<'_>, (x, y): (i32, i32), marker: &str, colour: (u8, u8, u8)) -> Drawn {
    let r = units(MARKER);
    let polygon: Vec<(i32, i32)> = match marker {
        "triangle" => vec![(0, -r), (r, r * 4 / 5), (-r, r * 4 / 5)],
        "down-triangle" => vec![(0, r), (r, -r * 4 / 5), (-r, -r * 4 / 5)],
        "square" => vec![(-r, -r), (r, -r), (r, r), (-r, r)]
            .into_iter()
            .map(|(a, b)| (a * 9 / 10, b * 9 / 10))
            .collect(),
        "diamond" => vec![(0, -r), (r, 0), (0, r), (-r, 0)],
        "pentagon" | "star" => {
            let corner = |k: i32| {
                let angle = std::f64::consts::TAU * f64::from(k) / 5.0;
                ((f64::from(r) * angle.sin()) as i32, -(f64::from(r) * angle.cos()) as i32)
            };
            let order: [i32; 5] = if marker == "star" { [0, 2, 4, 1, 3] } else { [0, 1, 2, 3, 4] };
            order.map(corner).to_vec()
        }
        "none" => return Ok(()),
        "cross" | "plus" => {
            let arms = if marker == "cross" { [(r, r), (r, -r)] } else { [(r, 0), (0, r)] };
            for (dx, dy) in arms {
                let path = vec![(x - dx, y - dy), (x + dx, y + dy)];
                area.draw(&PathElement::new(path, stroke(colour, 1.0))).map_err(failed)?;
            }
            return Ok(());
        }
        _ => {
            return area
                .draw(&Circle::new((x, y), r * 9 / 10, rgb(colour).filled()))
                .map_err(failed);
        }
    };
    let path: Vec<_> = polygon.into_iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    area.draw(&Polygon::new(path, rgb(colour).filled())).map_err(failed)
}

fn draw_panel(area: &Area<'_>, panel: &Panel) -> Drawn {
    let longest = panel.y.ticks.iter().map(|t| t.1.chars().count()).max().unwrap_or(0);
    let left = longest as f64 * SMALL * LETTER + 4.0 + LABEL + 4.0;
    let title = if panel.title.is_empty() { 4.0 } else { 12.0 };
    let width = f64::from(area.dim_in_pixel().0) / UNIT - left - RIGHT;
    let x_axis = if panel.x.names { panel.x.clone() } else { thinned(&panel.x, width) };
    let levels = if panel.x.names { levels(&panel.x, width) } else { 1 };
    let below = 9.0 + (levels - 1) as f64 * LEVEL;
    let label = if panel.x.label.is_empty() { 2.0 } else { LABEL + 3.0 };
    let mut chart = ChartBuilder::on(area)
        .margin_top(units(title))
        .margin_right(units(RIGHT))
        .margin_left(units(LABEL + 4.0))
        .margin_bottom(units(label))
        .x_label_area_size(units(below))
        .y_label_area_size(units(left - LABEL - 4.0))
        .build_cartesian_2d(Position(x_axis.clone()), Position(panel.y.clone()))
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(stroke((0xe2, 0xe2, 0xe2), 0.4))
        .axis_style(stroke((0x44, 0x44, 0x44), 0.6))
        .set_all_tick_mark_size(units(2.0))
        .x_labels(x_axis.ticks.len().max(1))
        .y_labels(panel.y.ticks.len().max(1))
        .x_label_style(font(SMALL))
        .x_label_formatter(&|x| if levels > 1 { String::new() } else { x_axis.name_at(*x) })
        .y_label_style(font(SMALL))
        .draw()
        .map_err(failed)?;
    if levels > 1 {
        labels_on_levels(area, &chart, panel, levels)?;
    }
    for mark in &panel.marks {
        draw_mark(area, &chart, mark)?;
    }
    words(area, &chart, panel)
}

/// Height of a level of labels.
const LEVEL: f64 = 7.5;
const LEVELS_MAX: usize = 5;

/// Where each label stands along an axis of this width, and how wide it is, in points.
fn label_places(axis: &Axis, width: f64) -> Vec<(f64, f64)> {
    let (low, high) = (axis.scale.of(axis.range.0), axis.scale.of(axis.range.1));
    let place = |(at, word): &(f64, String)| {
        let x = (axis.scale.of(*at) - low) / (high - low) * width;
        (x, (word.chars().count() + 1) as f64 * SMALL * LETTER)
    };
    axis.ticks.iter().map(place).collect()
}

/// Whether every `step`-th label has room.
fn room_for(places: &[(f64, f64)], step: usize) -> bool {
    let apart = |w: &[(f64, f64)]| w[1].0 - w[0].0 >= (w[0].1 + w[1].1) / 2.0;
    (0..step).all(|first| {
        let some: Vec<_> = places.iter().skip(first).step_by(step).copied().collect();
        some.windows(2).all(apart)
    })
}

/// On how many levels the names must be written.
fn levels(axis: &Axis, width: f64) -> usize {
    let places = label_places(axis, width);
    (1..=LEVELS_MAX).find(|&step| room_for(&places, step)).unwrap_or(LEVELS_MAX)
}

/// The axis with so few ticks that their labels have room.
fn thinned(axis: &Axis, width: f64) -> Axis {
    let mut axis = axis.clone();
    let mut step = 1;
    while step < axis.ticks.len() {
        let places = label_places(&axis, width);
        let some: Vec<_> = places.into_iter().step_by(step).collect();
        if room_for(&some, 1) {
            break;
        }
        step += 1;
    }
    // The last label may reach into the margin, not beyond it.
    let places = label_places(&axis, width);
    let ticks = axis.ticks.into_iter().zip(places).step_by(step);
    let whole = |(_, (at, wide)): &(_, (f64, f64))| at + wide / 2.0 <= width + RIGHT;
    axis.ticks = ticks.filter(whole).map(|(tick, _)| tick).collect();
    axis
}

/// Names that would run into each other are written below one another in turn.
fn labels_on_levels(area: &Area<'_>, chart: &Chart<'_, '_>, panel: &Panel, levels: usize) -> Drawn {
    let (_, ys) = chart.plotting_area().get_pixel_range();
    let (base_x, base_y) = area.get_base_pixel();
    for (n, (at, name)) in panel.x.ticks.iter().enumerate() {
        // Those at the ends stay within the figure.
        let half = units((name.chars().count() as f64 * SMALL * LETTER + 2.0) / 2.0);
        let x = chart.backend_coord(&(*at, panel.y.range.0)).0 - base_x;
        let x = x.min(area.dim_in_pixel().0 as i32 - half).max(half);
        let y = ys.end - base_y + units(3.5 + LEVEL * (n % levels) as f64);
        let style = font(SMALL).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(name.clone(), (x, y), style)).map_err(failed)?;
    }
    Ok(())
}

/// Title and axis labels, where nothing clips them.
fn words(area: &Area<'_>, chart: &Chart<'_, '_>, panel: &Panel) -> Drawn {
    let (xs, ys) = chart.plotting_area().get_pixel_range();
    let (base_x, base_y) = area.get_base_pixel();
    let height = area.dim_in_pixel().1;
    let middle_x = i32::midpoint(xs.start, xs.end) - base_x;
    let middle_y = i32::midpoint(ys.start, ys.end) - base_y;
    let title = font(LABEL).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(panel.title.clone(), (middle_x, units(1.5)), title)).map_err(failed)?;
    let below = font(LABEL).pos(Pos::new(HPos::Center, VPos::Bottom));
    let place = (middle_x, height as i32 - units(1.0));
    area.draw(&Text::new(panel.x.label.clone(), place, below)).map_err(failed)?;
    let beside =
        font(LABEL).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(panel.y.label.clone(), (units(1.0), middle_y), beside)).map_err(failed)
}

/// Draws in coordinates of the area: the chart only computes them.
struct Pen<'c, 'a, 'b> {
    area: &'c Area<'a>,
    chart: &'c Chart<'a, 'b>,
    base: (i32, i32),
}

impl Pen<'_, '_, '_> {
    fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let (px, py) = self.chart.backend_coord(&(x, y));
        (px - self.base.0, py - self.base.1)
    }
    fn interval(&self, x: f64, interval: Option<(f64, f64)>, colour: (u8, u8, u8)) -> Drawn {
        let Some((low, high)) = interval else { return Ok(()) };
        let ((x, bottom), (_, top)) = (self.at(x, low), self.at(x, high));
        let cap = units(1.4);
        for path in [
            vec![(x, bottom), (x, top)],
            vec![(x - cap, bottom), (x + cap, bottom)],
            vec![(x - cap, top), (x + cap, top)],
        ] {
            self.area.draw(&PathElement::new(path, stroke(colour, 0.6))).map_err(failed)?;
        }
        Ok(())
    }
    fn path(&self, points: &[Point], look: Look) -> Drawn {
        let path: Vec<_> = points.iter().map(|p| self.at(p.x, p.y)).collect();
        if path.len() > 1 { draw_line(self.area, &path, look) } else { Ok(()) }
    }
    fn points(&self, points: &[Point], look: Look) -> Drawn {
        for p in points {
            self.interval(p.x, p.interval, look.colour)?;
            draw_marker(
                self.area,
                self.at(p.x, p.y),
                look.marker.unwrap_or("circle"),
                look.colour,
            )?;
        }
        Ok(())
    }
    fn band(&self, points: &[Point], look: Look) -> Drawn {
        let with: Vec<_> = points.iter().filter_map(|p| Some((p.x, p.interval?))).collect();
        let upper = with.iter().map(|&(x, (_, high))| self.at(x, high));
        let lower = with.iter().rev().map(|&(x, (low, _))| self.at(x, low));
        let path: Vec<_> = upper.chain(lower).collect();
        if path.len() < 3 {
            return Ok(());
        }
        self.area.draw(&Polygon::new(path, rgb(look.colour).mix(0.18).filled())).map_err(failed)
    }
    fn dashes(&self, from: (i32, i32), to: (i32, i32)) -> Drawn {
        let grey = stroke((0x55, 0x55, 0x55), 0.6);
        let path = DashedPathElement::new(vec![from, to], units(2.0), units(2.0), grey);
        self.area.draw(&path).map_err(failed)
    }
    fn word(&self, at: (i32, i32), word: &str, style: TextStyle<'_>) -> Drawn {
        self.area.draw(&Text::new(word.to_owned(), at, style)).map_err(failed)
    }
}

fn draw_mark<'a>(area: &Area<'a>, chart: &Chart<'a, '_>, mark: &Mark) -> Drawn {
    let pen = Pen { area, chart, base: area.get_base_pixel() };
    let (xs, ys) = chart.plotting_area().get_pixel_range();
    let (left, right) = (xs.start - pen.base.0, xs.end - pen.base.0);
    match mark {
        Mark::Line { points, look } => {
            pen.path(points, *look)?;
            pen.points(points, *look)
        }
        Mark::Curve { points, look } => {
            pen.band(points, *look)?;
            pen.path(points, *look)
        }
        Mark::Points { points, look } => pen.points(points, *look),
        Mark::Bar { x, y, interval, look } => {
            let corners = [pen.at(x.0, y.0), pen.at(x.1, y.1)];
            let bar = Rectangle::new(corners, rgb(look.colour).filled());
            area.draw(&bar).map_err(failed)?;
            pen.interval(f64::midpoint(x.0, x.1), *interval, (0x22, 0x22, 0x22))
        }
        Mark::Failure { x, row, word, look } => {
            let px = pen.at(*x, 1.0).0;
            let py = ys.start - pen.base.1 + units(3.5 + 7.5 * *row as f64);
            draw_marker(area, (px, py), "cross", look.colour)?;
            let ink = rgb(look.colour);
            let style = font(5.5).color(&ink).pos(Pos::new(HPos::Left, VPos::Center));
            let fits = px + units(4.0 + word.len() as f64 * 3.2) < right;
            let style = if fits { style } else { style.pos(Pos::new(HPos::Right, VPos::Center)) };
            let beside = if fits { px + units(3.5) } else { px - units(3.5) };
            pen.word((beside, py), word, style)
        }
        Mark::Rule { y } => {
            let height = pen.at(0.0, *y).1;
            pen.dashes((left, height), (right, height))
        }
        Mark::Slope { from, to } => pen.dashes(pen.at(from.0, from.1), pen.at(to.0, to.1)),
        Mark::Tile { x, y, colour, word } => {
            let corners = [pen.at(x.0, y.0), pen.at(x.1, y.1)];
            area.draw(&Rectangle::new(corners, rgb(*colour).filled())).map_err(failed)?;
            let middle = pen.at(f64::midpoint(x.0, x.1), f64::midpoint(y.0, y.1));
            let light = u32::from(colour.0) + u32::from(colour.1) + u32::from(colour.2) > 380;
            let ink = if light { BLACK } else { WHITE };
            let style = font(SMALL).color(&ink).pos(Pos::new(HPos::Center, VPos::Center));
            pen.word(middle, word, style)
        }
        Mark::Word { x, y, word } => {
            let (px, py) = pen.at(*x, *y);
            let style = font(SMALL).pos(Pos::new(HPos::Left, VPos::Center));
            let beside = word.chars().count() as f64 * SMALL * LETTER + 4.0;
            let fits = px + units(beside) < right;
            let at = if fits { (px + units(4.0), py) } else { (px - units(beside), py) };
            pen.word(at, word, style)
        }
    }
}
