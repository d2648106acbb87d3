//! The whole script, below the picture: every step with its text, when it began, and how long it took.

use super::chart::{Chart, Step};
use super::layout::{LEFT, RIGHT};
use super::shape::Shape;
use super::{scale, text};

const SIZE: f64 = 11.0;
const LINE: f64 = 18.0;

/// More steps than this are told in two columns.
const ONE_COLUMN: usize = 6;

/// The gap between columns.
const GUTTER: f64 = 40.0;

pub(super) fn draw(chart: &Chart<'_>, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let columns = if chart.steps.len() > ONE_COLUMN { 2 } else { 1 };
    let rows = chart.steps.len().div_ceil(columns);
    let width = (RIGHT - LEFT - GUTTER * (columns - 1) as f64) / columns as f64;
    for (i, step) in chart.steps.iter().enumerate() {
        let left = LEFT + (width + GUTTER) * (i / rows) as f64;
        line(chart, step, left, left + width, top + LINE * (i % rows) as f64, shapes);
    }
    top + LINE * rows as f64
}

fn line(chart: &Chart<'_>, step: &Step<'_>, left: f64, right: f64, top: f64, shapes: &mut Vec<Shape>) {
    let (number, baseline) = (step.number.to_string(), top + 13.0);
    let digits = chart.steps.len().to_string();
    let behind = left + text::width(&digits, SIZE) + 10.0;
    let (strong, faint, time) = match (step.began, step.ended) {
        _ if chart.has_failed_at(step.number) => ("red bold", "red bold", "failed".to_owned()),
        (Some(began), Some(ended)) => ("ink bold", "ink", scale::told(ended.saturating_sub(began))),
        (Some(_), None) => ("ink bold", "ink", "not ended".to_owned()),
        (None, _) => ("muted", "muted", "not begun".to_owned()),
    };
    let told =
        text::cut(step.text, SIZE, right - behind - text::width(&time, SIZE) - 12.0).unwrap_or_default();
    let line = vec![
        Shape::rect("none", left, top, right - left, LINE),
        Shape::text_until(strong, behind - 10.0, baseline, SIZE, &number),
        Shape::text(faint, behind, baseline, SIZE, &told),
        Shape::text_until("muted", right, baseline, SIZE, &time),
    ];
    shapes.push(Shape::group("line", step.text, line));
}
