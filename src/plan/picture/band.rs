//! The band of steps along the top, and the marks of a failure.
//!
//! Most of the time of a run is usually spent in one or two steps, and the others are too narrow for a text,
//! or even for a number. Their numbers are above the band, and numbers that would collide are merged, as in
//! `3–9`. The number of the failed step is never merged.

use std::time::Duration;

use super::chart::{Chart, Step};
use crate::timeline::scale::{self, Scale};
use crate::timeline::shape::{Shape, at};
use crate::timeline::style::{LEFT, RIGHT};
use crate::timeline::text::{self, GAP, Row};

/// The height of the band.
pub(super) const HEIGHT: f64 = 26.0;

/// The height of the row of numbers above the band, if there is one.
const NUMBERS: f64 = 17.0;

/// The least width of a step, so that a step that takes no time can be seen and pointed at.
const NARROWEST: f64 = 1.6;

/// The least distance between two lines at the beginnings of steps.
const FAR: f64 = 12.0;

const SIZE: f64 = 11.0;
const PADDING: f64 = 6.0;

const CLEANING: &str = "cleaning up";

/// The steps that began, with their positions.
pub(super) struct Band {
    spans: Vec<Span>,
    labels: Vec<Label>,
    left: f64,
    /// The interval of the cleanup, from the failure to the end.
    cleaning: Option<(f64, f64)>,
}

struct Span {
    /// The index of the step.
    index: usize,
    left: f64,
    right: f64,
    has_failed: bool,
}

/// A number above the band, or a range of numbers.
struct Label {
    first: usize,
    last: usize,
    left: f64,
    right: f64,
    has_failed: bool,
    /// The right limit of its text.
    limit: f64,
}

impl Band {
    pub(super) fn new(chart: &Chart<'_>, scale: &Scale) -> Self {
        let spans = chart.steps.iter().enumerate().filter_map(|(index, step)| {
            let left = scale.x(step.began?).min(scale.right - NARROWEST);
            let right = scale.x(end(chart, step)).max(left + NARROWEST);
            Some(Span { index, left, right, has_failed: chart.has_failed_at(step.number) })
        });
        let spans: Vec<Span> = spans.collect();
        let labels = labels(&spans);
        let cleaning = chart.failure.as_ref().map(|failure| (scale.x(failure.at) + 1.0, scale.right));
        let is_free =
            |&(left, right): &(f64, f64)| right > left && spans.iter().all(|span| span.right <= left + 1.0);
        let cleaning = cleaning.filter(|place| !spans.is_empty() && is_free(place));
        Self { cleaning, spans, labels, left: scale.left }
    }

    /// Returns the height that the band needs above its top.
    pub(super) fn above(&self) -> f64 {
        if self.labels.is_empty() { 0.0 } else { NUMBERS }
    }

    /// Draws the band at `top`, and for each step a column through the lanes, which is visible while the
    /// pointer is on the step.
    pub(super) fn draw(&self, chart: &Chart<'_>, top: f64, lanes: (f64, f64), shapes: &mut Vec<Shape>) {
        shapes.push(Shape::text("muted", LEFT, top + 17.0, SIZE, "steps"));
        if self.spans.is_empty() {
            shapes.push(Shape::text("muted", self.left, top + 17.0, SIZE, "none was begun"));
        }
        self.begins(lanes, shapes);
        let mut row = Row::new(self.left, RIGHT);
        for span in &self.spans {
            shapes.push(span.shape(chart, top, lanes, &mut row));
        }
        if let Some((left, right)) = self.cleaning {
            let mut parts =
                vec![Shape::round("none edge dashed", left, top, right - left, HEIGHT - 2.0, 2.0)];
            let words = Shape::text("muted", left + PADDING, top + 16.0, SIZE, CLEANING);
            parts.extend((left + text::width(CLEANING, SIZE) + 2.0 * PADDING <= right).then_some(words));
            shapes.push(Shape::group("step", "cleaning up after the failure", parts));
        }
        for label in &self.labels {
            shapes.push(label.shape(chart, top - 6.0, lanes));
        }
    }

    /// Draws a faint line through the lanes where a step begins, unless another line is near.
    fn begins(&self, (top, bottom): (f64, f64), shapes: &mut Vec<Shape>) {
        let mut last = self.left;
        for span in self.spans.iter().filter(|span| span.right - span.left >= FAR) {
            if span.left - last >= FAR {
                shapes.push(Shape::line("edge dashed", at(span.left, top), at(span.left, bottom)));
                last = span.left;
            }
        }
    }
}

impl Span {
    fn shape(&self, chart: &Chart<'_>, top: f64, lanes: (f64, f64), row: &mut Row) -> Shape {
        let step = &chart.steps[self.index];
        let width = self.right - self.left;
        let class = match (self.has_failed, step.number % 2) {
            (true, _) => "span-red",
            (false, 0) => "span",
            (false, _) => "span-odd",
        };
        let mut shapes = vec![
            Shape::rect("column", self.left, lanes.0, width, lanes.1 - lanes.0),
            Shape::round(class, self.left, top, width, HEIGHT - 2.0, 2.0),
        ];
        if self.has_number() && row.claim(self.left, self.right - GAP) {
            self.write(step, top + 16.0, &mut shapes);
        }
        Shape::group("step", title(chart, step), shapes)
    }

    /// Draws the number of the step, and the part of its text that fits.
    fn write(&self, step: &Step<'_>, baseline: f64, shapes: &mut Vec<Shape>) {
        let (faint, strong) = if self.has_failed { ("on-red", "on-red bold") } else { ("ink", "ink bold") };
        let number = step.number.to_string();
        let behind = self.left + PADDING + text::width(&number, SIZE) + PADDING;
        match text::cut(step.text, SIZE, self.right - PADDING - behind).filter(|text| !text.is_empty()) {
            Some(fitting) => {
                shapes.push(Shape::text(strong, self.left + PADDING, baseline, SIZE, &number));
                shapes.push(Shape::text(faint, behind, baseline, SIZE, &fitting));
            }
            None => {
                let center = f64::midpoint(self.left, self.right);
                shapes.push(Shape::text_around(strong, center, baseline, SIZE, &number));
            }
        }
    }

    /// Returns whether the number of the step fits into it.
    fn has_number(&self) -> bool {
        text::width(&(self.index + 1).to_string(), SIZE) + 4.0 <= self.right - self.left
    }
}

impl Label {
    fn new(span: &Span) -> Self {
        let &Span { index, left, right, has_failed } = span;
        Self { first: index, last: index, left, right, has_failed, limit: RIGHT }
    }

    fn text(&self) -> String {
        let (first, last) = (self.first + 1, self.last + 1);
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    }

    /// Returns the left and right end of the text, which must not go beyond `limit`.
    fn place(&self, limit: f64) -> (f64, f64) {
        let half = text::width(&self.text(), SIZE) / 2.0;
        let center = f64::midpoint(self.left, self.right).min(limit - half);
        (center - half, center + half)
    }

    fn shape(&self, chart: &Chart<'_>, baseline: f64, lanes: (f64, f64)) -> Shape {
        let (from, _) = self.place(self.limit);
        let class = if self.has_failed { "red bold" } else { "muted" };
        let line = if self.has_failed { "red-line" } else { "edge" };
        let steps = &chart.steps[self.first..=self.last];
        let title = steps.iter().map(|step| title(chart, step)).collect::<Vec<_>>().join("\n");
        let column = Shape::rect("column", self.left, lanes.0, self.right - self.left, lanes.1 - lanes.0);
        let bracket = Shape::line(line, at(self.left, baseline + 4.0), at(self.right, baseline + 4.0));
        let text = Shape::text(class, from, baseline, SIZE, &self.text());
        Shape::group("step", title, vec![column, bracket, text])
    }
}

/// Returns the labels of the spans that have no room for their number. From left to right, a label that would
/// collide with the previous one is merged with it.
fn labels(spans: &[Span]) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for span in spans.iter().filter(|span| !span.has_number()) {
        let mut label = Label::new(span);
        while let Some(last) = labels.last_mut() {
            let is_next = last.last + 1 == label.first && !last.has_failed && !label.has_failed;
            if last.place(RIGHT).1 + PADDING <= label.place(RIGHT).0 || !is_next {
                break;
            }
            label = Label { first: last.first, left: last.left.min(label.left), ..label };
            labels.pop();
        }
        labels.push(label);
    }
    // The failed step gets its place first, and earlier labels make room for it.
    labels.sort_by_key(|label| !label.has_failed);
    let failed =
        labels.first().filter(|label| label.has_failed).map(|label| (label.first, label.place(RIGHT).0));
    let mut row = Row::new(LEFT, RIGHT);
    labels.retain_mut(|label| {
        if let Some((_, left)) = failed.filter(|&(failed, _)| label.last < failed) {
            label.limit = left - PADDING;
        }
        let (left, right) = label.place(label.limit);
        row.claim(left, right)
    });
    labels
}

/// Returns the end of a step. A step that has not ended lasts until the failure, or until the end of the
/// picture.
fn end(chart: &Chart<'_>, step: &Step<'_>) -> Duration {
    let failed =
        chart.failure.as_ref().filter(|failure| failure.step == step.number).map(|failure| failure.at);
    step.ended.or(failed).unwrap_or(chart.length)
}

fn title(chart: &Chart<'_>, step: &Step<'_>) -> String {
    let Step { number, text, began, ended } = step;
    let time = match (began, ended) {
        (Some(began), Some(ended)) => format!("{} long", scale::format_time(ended.saturating_sub(*began))),
        (Some(began), None) if chart.has_failed_at(*number) => {
            format!("failed after {}", scale::format_time(end(chart, step).saturating_sub(*began)))
        }
        (Some(_), None) => "not ended".to_owned(),
        (None, _) => "not begun".to_owned(),
    };
    format!("{number}  {text} ({time})")
}

/// Draws the background of the time after the failure.
pub(super) fn shade(chart: &Chart<'_>, scale: &Scale, top: f64, bottom: f64, shapes: &mut Vec<Shape>) {
    if let Some(failure) = &chart.failure {
        let left = scale.x(failure.at);
        shapes.push(Shape::rect("shade", left, top, scale.right - left, bottom - top));
    }
}

/// Draws the line of the failure from `top` to `bottom`, with a label below it. Returns the lower end.
pub(super) fn draw_failure(
    chart: &Chart<'_>,
    scale: &Scale,
    top: f64,
    bottom: f64,
    shapes: &mut Vec<Shape>,
) -> f64 {
    let Some(failure) = &chart.failure else { return bottom };
    let x = scale.x(failure.at);
    let words = format!("failed here, in step {}, after {}", failure.step, scale::format_time(failure.at));
    let half = text::width(&words, SIZE) / 2.0;
    let center = x.clamp(scale.left + half - 4.0, RIGHT - half);
    let title =
        format!("step {} failed after {}\n{}", failure.step, scale::format_time(failure.at), failure.reason);
    let line = Shape::line("red-line thick", at(x, top), at(x, bottom + 5.0));
    let words = Shape::text_around("red bold", center, bottom + 17.0, SIZE, &words);
    shapes.push(Shape::group("failure", title, vec![line, words]));
    bottom + 22.0
}
