//! The lane of a process: what it was doing as bars and lines, and what happened as marks.
//!
//! A lane has the name of the process to the left of the axis. If there is room, a strip above the bars has
//! the labels of the marks.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use super::clock::Clock;
use super::density::{BAD, Column, Group, RECOVERS, View, Visible, groups, severity};
use super::model::{Arrow, Lane, MarkKind, Span, SpanKind};
use super::scale;
use super::shape::{self, Bounds, Shape, at};
use super::style::LEFT;
use super::text::{self, Row, counted};
use crate::machine::Exit;

/// The height of all lanes that a picture should not exceed, as far as they stay legible.
const ALL: f64 = 1200.0;

/// The width of the number of a group.
const PILL: f64 = 30.0;

/// The number of marks above which a low lane has ticks instead, so that they do not hide the bars.
const DENSE: usize = 40;

/// The height of the bar in such a lane, as a part of that in others.
const DENSE_BAR: f64 = 0.6;

/// The width of a part of a lane that has ticks, with a title.
const PART: f64 = 60.0;

/// The width of a tick.
const TICK: f64 = 1.2;

/// The dimensions of a lane and its parts. The more lanes there are, the lower they are.
pub(super) struct Measure {
    pub(super) height: f64,
    /// The font size of the name.
    pub(super) name: f64,
    label: f64,
    /// The height of the strip for labels above the bar.
    strip: f64,
    bar: f64,
}

impl Measure {
    pub(super) fn new(lanes: usize) -> Self {
        let height = (ALL / lanes.max(1) as f64).round().clamp(14.0, 40.0);
        let (name, label, strip) = match height {
            34.0.. => (12.0, 10.0, 13.0),
            20.0.. => (11.0, 9.0, 0.0),
            _ => (10.0, 8.5, 0.0),
        };
        Self { height, name, label, strip, bar: (0.84 * (height - strip)).round() - 1.0 }
    }

    fn mark(&self) -> f64 {
        (0.28 * self.bar).clamp(3.0, 5.5)
    }
}

/// The position of a lane.
struct Place {
    top: f64,
    /// The height of the bar, and its middle.
    bar: f64,
    middle: f64,
}

/// The shapes of all lanes by layer, and what else is needed to draw them.
pub(super) struct Sketch<'t> {
    pub(super) measure: Measure,
    pub(super) view: View,
    pub(super) clock: Clock,
    pub(super) length: Duration,
    /// The top of the first lane.
    pub(super) top: f64,
    /// Spans of at least this width have their own title.
    pub(super) titled: f64,
    columns: BTreeMap<SpanKind, Vec<Bounds>>,
    pieces: BTreeMap<SpanKind, Vec<Bounds>>,
    /// The ticks of events that are no failures, and of failures.
    ticks: [Vec<Bounds>; 2],
    titles: Vec<Shape>,
    marks: Vec<Shape>,
    texts: Vec<Shape>,
    lanes: &'t [Lane],
    /// Whether there are columns, groups of marks, and ticks.
    pub(super) has_columns: bool,
    pub(super) has_groups: bool,
    pub(super) has_ticks: bool,
}

impl<'t> Sketch<'t> {
    pub(super) fn new(lanes: &'t [Lane], view: View, clock: Clock, length: Duration, top: f64) -> Self {
        Self {
            measure: Measure::new(lanes.len()),
            view,
            clock,
            length,
            top,
            titled: 0.0,
            columns: BTreeMap::new(),
            pieces: BTreeMap::new(),
            ticks: [Vec::new(), Vec::new()],
            titles: Vec::new(),
            marks: Vec::new(),
            texts: Vec::new(),
            lanes,
            has_columns: false,
            has_groups: false,
            has_ticks: false,
        }
    }

    /// Returns the lower end of all lanes.
    pub(super) fn bottom(&self) -> f64 {
        self.top + self.measure.height * self.lanes.len() as f64
    }

    /// Draws all lanes, with at most this number of titles for spans.
    pub(super) fn draw(&mut self, titles: usize) {
        let near = (2.0 * self.measure.mark() + 2.0).max(if self.measure.strip > 0.0 { 0.0 } else { 14.0 });
        let view = self.view;
        let visible: Vec<Visible<'t>> =
            self.lanes.iter().map(|lane| Visible::new(lane, &view, near, PILL)).collect();
        self.titled = narrowest_titled(&visible, titles);
        for (i, (lane, visible)) in self.lanes.iter().zip(visible).enumerate() {
            self.lane(i, lane, &visible);
        }
    }

    /// Appends the shapes of all lanes, from back to front, with `arrows` between the bars and the marks.
    pub(super) fn finish(&mut self, arrows: Vec<Shape>, shapes: &mut Vec<Shape>) {
        let layers = [mem::take(&mut self.columns), mem::take(&mut self.pieces)];
        for (kind, tiles) in layers.into_iter().flatten() {
            shapes.push(Shape::Tiles { class: kind.class(), tiles });
        }
        shapes.append(&mut self.titles);
        for (class, tiles) in ["pill", "pill-bad"].into_iter().zip(mem::take(&mut self.ticks)) {
            if !tiles.is_empty() {
                shapes.push(Shape::Tiles { class, tiles });
            }
        }
        shapes.extend(arrows);
        shapes.append(&mut self.marks);
        shapes.append(&mut self.texts);
    }

    fn lane(&mut self, i: usize, lane: &Lane, visible: &Visible<'_>) {
        let marks: usize = visible.groups.iter().map(|group| group.marks.len()).sum();
        let is_dense = self.measure.strip == 0.0 && marks > DENSE;
        let place = self.place(i, is_dense);
        let name = text::cut_middle(&lane.name, self.measure.name, self.view.scale.left - LEFT - 12.0);
        let baseline = self.place(i, false).middle + 0.35 * self.measure.name;
        let name = Shape::text("ink", LEFT, baseline, self.measure.name, &name);
        self.texts.push(Shape::group("name", self.about(lane), vec![name]));

        for column in &visible.columns {
            self.column(column, &place);
        }
        let mut inside = Row::new(self.view.scale.left, self.view.scale.right);
        for group in visible.groups.iter().filter(|_| !is_dense) {
            let half = if group.marks.len() > 1 { PILL / 2.0 } else { self.measure.mark() };
            inside.block(group.x - half, group.x + half + if group.marks.len() > 1 { half } else { 0.0 });
        }
        for &(span, left, right) in &visible.pieces {
            self.piece(lane, span, (left, right), &place, &mut inside);
        }
        if is_dense {
            self.ticks(lane, &place);
            return;
        }
        let mut strip = Row::new(self.view.scale.left, super::style::RIGHT);
        for group in &visible.groups {
            self.group(lane, group, &place, &mut strip);
        }
    }

    fn place(&self, i: usize, is_dense: bool) -> Place {
        let top = self.top + self.measure.height * i as f64;
        let bar = self.measure.bar * if is_dense { DENSE_BAR } else { 1.0 };
        Place { top, bar, middle: top + self.measure.strip + 1.0 + bar / 2.0 }
    }

    /// Draws a column: of one kind like a span, of several as a stack.
    fn column(&mut self, column: &Column, place: &Place) {
        let is_stack = column.shares.len() > 1;
        self.has_columns |= is_stack;
        let height =
            |kind: SpanKind, share: f64| place.bar * if is_stack { share } else { kind.look().share };
        let whole: f64 = column.shares.iter().map(|&(kind, share)| height(kind, share)).sum();
        let mut top = place.middle - whole / 2.0;
        for &(kind, share) in &column.shares {
            let bottom = top + height(kind, share);
            let tile = Bounds { left: column.left, top, right: column.right, bottom };
            self.columns.entry(kind).or_default().push(tile);
            top = bottom;
        }
    }

    fn piece(
        &mut self,
        lane: &Lane,
        span: &Span,
        (left, right): (f64, f64),
        place: &Place,
        inside: &mut Row,
    ) {
        let &Place { middle, bar, .. } = place;
        let look = span.kind.look();
        let height = bar * look.share;
        let (top, bottom) = (middle - height / 2.0, middle + height / 2.0);
        if right - left < self.titled {
            self.pieces.entry(span.kind).or_default().push(Bounds { left, top, right, bottom });
            return;
        }
        let mut parts = vec![Shape::round(look.class, left, top, right - left, height, 1.5)];
        if look.share < 0.5 {
            // A line is hard to hit with a pointer.
            parts.insert(0, Shape::rect("none", left, middle - bar / 2.0, right - left, bar));
        }
        self.titles.push(Shape::group("piece", self.about_span(lane, span), parts));
        let label = span.kind.to_string();
        let size = self.measure.label;
        let width = text::width(&label, size);
        let (class, baseline) = match look.text {
            Some(class) if height > size + 2.0 => (class, middle + 0.35 * size),
            // Below the strip, above the line.
            None if bar >= 20.0 => ("muted", top - 2.0),
            _ => return,
        };
        if width + 12.0 <= right - left && inside.claim(left + 6.0, left + 6.0 + width) {
            self.texts.push(Shape::text(class, left + 6.0, baseline, size, &label));
        }
    }

    fn group(&mut self, lane: &Lane, group: &Group<'_>, place: &Place, strip: &mut Row) {
        let &Place { top, middle, .. } = place;
        let size = self.measure.label;
        if let [mark] = group.marks {
            let title = format!("{} {}\n{}", subject(lane, mark.run), mark.text, self.time(mark.at));
            let shapes = mark_shapes(mark.kind, group.x, middle, self.measure.mark());
            self.marks.push(Shape::group("mark", title, shapes));
            let label = label(mark.kind);
            let width = text::width(&label, size);
            let right = (group.x + width / 2.0).min(super::style::RIGHT);
            if self.measure.strip > 0.0 && !label.is_empty() && strip.claim(right - width, right) {
                let class = if group.is_bad() { "red over" } else { "muted over" };
                self.texts.push(Shape::text_until(class, right, top + 0.9 * size, size, &label));
            }
            return;
        }
        self.has_groups = true;
        let text = format!("×{}", short(group.marks.len()));
        let size = size - 0.5;
        let width = text::width(&text, size) + 6.0;
        let (left, height) = ((group.x - 2.0).max(LEFT), (size + 2.5).min(self.measure.bar));
        let class = if group.is_bad() { "pill-bad" } else { "pill" };
        let parts = vec![
            Shape::round(class, left, middle - height / 2.0, width, height, height / 2.0),
            Shape::text("on-pill", left + 3.0, middle + 0.35 * size, size, &text),
        ];
        self.marks.push(Shape::group("mark", self.about_group(lane, group), parts));
    }

    /// Draws a tick for each event below the bar. What ends a process for good has its mark.
    fn ticks(&mut self, lane: &Lane, place: &Place) {
        self.has_ticks = true;
        let (top, bottom) = (place.middle + place.bar / 2.0 + 1.0, place.top + self.measure.height - 1.0);
        for part in groups(&lane.marks, &self.view, PART, PART) {
            let right = (part.x + PART).min(self.view.scale.right + TICK);
            let target = Shape::rect("none", part.x, top, right - part.x, bottom - top);
            self.marks.push(Shape::group("mark", self.about_group(lane, &part), vec![target]));
        }
        let mut free = [0.0; 2];
        for mark in &lane.marks {
            let (x, severity) = (self.view.x(mark.at), severity(mark.kind));
            let is_bad = usize::from(severity >= BAD);
            if x >= free[is_bad] {
                free[is_bad] = x + TICK;
                self.ticks[is_bad].push(Bounds { left: x, top, right: x + TICK, bottom });
            }
            if severity > RECOVERS {
                let title = format!("{} {}\n{}", subject(lane, mark.run), mark.text, self.time(mark.at));
                let shapes = mark_shapes(mark.kind, x, place.middle, self.measure.mark());
                self.marks.push(Shape::group("mark", title, shapes));
            }
        }
    }

    fn time(&self, at: Duration) -> String {
        self.clock.time(at, self.length)
    }

    fn about(&self, lane: &Lane) -> String {
        let mut about = format!("{}\n{}", lane.name, counted(lane.starts(), "start"));
        let downtime = lane.downtime();
        if downtime > Duration::ZERO {
            about.push_str(&format!(", wanted and not running for {}", scale::format_time(downtime)));
        }
        for &(on, until) in &lane.after {
            about.push_str(&format!("\nafter {} ({until})", self.lanes[on].name));
        }
        about
    }

    fn about_span(&self, lane: &Lane, span: &Span) -> String {
        let (from, until) = (self.time(span.from), self.time(span.until));
        let length = scale::format_time(span.length());
        let mut about = format!("{}: {}\n{from} – {until}, {length}", subject(lane, span.run), span.kind);
        if !span.text.is_empty() {
            about.push('\n');
            about.push_str(&span.text);
        }
        about
    }

    /// Returns how often what happened in a group.
    fn about_group(&self, lane: &Lane, group: &Group<'_>) -> String {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for mark in group.marks {
            let label = match mark.kind {
                MarkKind::Command => "command".to_owned(),
                MarkKind::Signal(signal) => format!("{signal} by a command"),
                kind => label(kind),
            };
            match counts.iter_mut().find(|(known, _)| *known == label) {
                Some((_, count)) => *count += 1,
                None => counts.push((label, 1)),
            }
        }
        let counts: Vec<String> =
            counts.into_iter().map(|(label, count)| format!("{count} × {label}")).collect();
        let [.., last] = group.marks else { return String::new() };
        let (from, until) = (self.time(group.marks[0].at), self.time(last.at));
        format!("{}: {}\n{from} – {until}", lane.name, counts.join(", "))
    }

    /// Returns an arrow from a process to the start that it permitted.
    pub(super) fn arrow(&self, arrow: &Arrow) -> Shape {
        let y = |lane| self.place(lane, false).middle;
        let (from, to) =
            (at(self.view.x(arrow.at), y(arrow.from)), at(self.view.x(arrow.start), y(arrow.to)));
        let down = if arrow.to > arrow.from { 1.0 } else { -1.0 };
        let tip = to.y - down * self.measure.bar / 2.0;
        let corners = vec![at(to.x - 3.0, tip - down * 5.0), at(to.x + 3.0, tip - down * 5.0), at(to.x, tip)];
        let title = format!(
            "{} starts after {}\n{}",
            self.lanes[arrow.to].name,
            self.lanes[arrow.from].name,
            self.time(arrow.start)
        );
        let parts = vec![
            Shape::line("after-line", from, at(to.x, tip - down * 4.0)),
            Shape::Polygon { class: "after", corners },
        ];
        Shape::group("mark", title, parts)
    }
}

/// Returns the least width of a span such that at most `titles` spans have it.
fn narrowest_titled(visible: &[Visible<'_>], titles: usize) -> f64 {
    let mut widths: Vec<f64> =
        visible.iter().flat_map(|lane| lane.pieces.iter().map(|(_, left, right)| right - left)).collect();
    if widths.len() <= titles {
        return 0.0;
    }
    widths.sort_by(|one, other| other.total_cmp(one));
    widths[titles] + f64::EPSILON * widths[titles] + 1e-9
}

fn subject(lane: &Lane, run: Option<u64>) -> String {
    run.map_or_else(|| lane.name.clone(), |run| format!("{}#{run}", lane.name))
}

/// Returns a number in at most four characters.
fn short(count: usize) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// Returns the text beside a mark.
pub(super) fn label(kind: MarkKind) -> String {
    match kind {
        MarkKind::Exit(exit) => text::end(exit),
        MarkKind::SpawnFailed => "not started".to_owned(),
        MarkKind::Signal(signal) => signal.to_string(),
        MarkKind::Killed => "KILL".to_owned(),
        MarkKind::Unhealthy => "unhealthy".to_owned(),
        MarkKind::GaveUp => "gave up".to_owned(),
        MarkKind::Survived => "survived KILL".to_owned(),
        MarkKind::Command => String::new(),
    }
}

/// Draws a mark. Each kind has its own form.
pub(super) fn mark_shapes(kind: MarkKind, x: f64, y: f64, radius: f64) -> Vec<Shape> {
    match kind {
        MarkKind::Exit(exit) => vec![shape::end(exit, at(x, y), radius)],
        MarkKind::SpawnFailed => shape::cross(at(x, y), radius).into(),
        MarkKind::Signal(_) | MarkKind::Killed => shape::arrow(x, y - 2.0 * radius, y + radius).into(),
        MarkKind::Unhealthy => {
            let corners = vec![
                at(x, y - 1.2 * radius),
                at(x + 1.2 * radius, y + radius),
                at(x - 1.2 * radius, y + radius),
            ];
            vec![Shape::Polygon { class: "warning glow", corners }]
        }
        MarkKind::GaveUp => {
            let side = 2.2 * radius;
            let mut shapes = vec![Shape::round("red glow", x - side / 2.0, y - side / 2.0, side, side, 1.0)];
            let inner =
                Shape::rect("on-pill", x - 0.7 * radius, y - 0.2 * radius, 1.4 * radius, 0.4 * radius);
            shapes.push(inner);
            shapes
        }
        MarkKind::Survived => vec![shape::end(Exit::Lost, at(x, y), radius * 1.2)],
        MarkKind::Command => {
            let corners =
                vec![at(x, y - radius), at(x + 0.7 * radius, y), at(x, y + radius), at(x - 0.7 * radius, y)];
            vec![Shape::Polygon { class: "command glow", corners }]
        }
    }
}

/// Returns whether the mark is drawn by the same function with the same result, for the legend.
pub(super) fn is_same_mark(one: MarkKind, other: MarkKind) -> bool {
    match (one, other) {
        (MarkKind::Exit(Exit::Code(one)), MarkKind::Exit(Exit::Code(other))) => (one == 0) == (other == 0),
        (MarkKind::Exit(one), MarkKind::Exit(other)) => mem::discriminant(&one) == mem::discriminant(&other),
        _ => mem::discriminant(&one) == mem::discriminant(&other),
    }
}
