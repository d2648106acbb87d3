//! The line through everything where the plan failed.

use super::chart::Chart;
use super::layout::RIGHT;
use super::scale::{self, Scale};
use super::shape::{Shape, at};
use super::text;

const SIZE: f64 = 11.0;

/// The time after the failure, when everything is taken down, has a background of its own.
pub(super) fn shade(chart: &Chart<'_>, scale: &Scale, top: f64, bottom: f64, shapes: &mut Vec<Shape>) {
    if let Some(failure) = &chart.failure {
        let left = scale.x(failure.at);
        shapes.push(Shape::rect("shade", left, top, scale.right - left, bottom - top));
    }
}

/// From `top` down to `bottom`, with a few words below it.
pub(super) fn draw(chart: &Chart<'_>, scale: &Scale, top: f64, bottom: f64, shapes: &mut Vec<Shape>) -> f64 {
    let Some(failure) = &chart.failure else { return bottom };
    let x = scale.x(failure.at);
    let words = format!("failed here, in step {}, after {}", failure.step, scale::told(failure.at));
    let half = text::width(&words, SIZE) / 2.0;
    let center = x.clamp(scale.left + half - 4.0, RIGHT - half);
    let title = format!("step {} failed after {}\n{}", failure.step, scale::told(failure.at), failure.reason);
    let line = Shape::line("red-line thick", at(x, top), at(x, bottom + 5.0));
    let words = Shape::text_around("red bold", center, bottom + 17.0, SIZE, &words);
    shapes.push(Shape::group("failure", title, vec![line, words]));
    bottom + 22.0
}
