//! What the plan is called, how it ended, and if it failed, why.

use super::chart::{Chart, Failure};
use super::layout::{LEFT, RIGHT};
use super::shape::Shape;
use super::words::counted;
use super::{scale, text};

const NAME_SIZE: f64 = 20.0;
const VERDICT_SIZE: f64 = 13.0;
const SIZE: f64 = 12.0;
const LINE: f64 = 17.0;

pub(super) fn draw(chart: &Chart<'_>, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let (class, verdict) = verdict(chart);
    let width = text::width(&verdict, VERDICT_SIZE) + 28.0;
    let room = RIGHT - LEFT - width - 24.0;
    let name = text::cut(chart.plan, NAME_SIZE, room).unwrap_or_default();
    let title = Shape::text("ink bold", LEFT, top + 16.0, NAME_SIZE, &name);
    shapes.push(Shape::group("name", chart.plan, vec![title]));
    let left = RIGHT - width;
    shapes.push(Shape::round(class, left, top - 3.0, width, 27.0, 13.5));
    shapes.push(Shape::text_around("on-pill bold", left + width / 2.0, top + 15.0, VERDICT_SIZE, &verdict));

    let (processes, steps) = (counted(chart.lanes.len(), "process"), counted(chart.steps.len(), "step"));
    let sizes = format!("{processes}, {steps}, {}", scale::told(chart.length));
    shapes.push(Shape::text("muted", LEFT, top + 37.0, SIZE, &sizes));
    match &chart.failure {
        Some(failure) => reason(chart, failure, top + 50.0, shapes) + 20.0,
        None => top + 60.0,
    }
}

fn verdict(chart: &Chart<'_>) -> (&'static str, String) {
    let steps = chart.steps.len();
    if let Some(failure) = &chart.failure {
        return ("red", format!("failed at step {} of {steps}", failure.step));
    }
    if chart.has_passed() {
        return ("good", "passed".to_owned());
    }
    match chart.steps.iter().rfind(|step| step.began.is_some()) {
        Some(step) => ("muted", format!("cut off at step {} of {steps}", step.number)),
        None => ("muted", "nothing was run".to_owned()),
    }
}

/// A box with the failed step and the whole reason.
fn reason(chart: &Chart<'_>, failure: &Failure<'_>, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let room = RIGHT - LEFT - 32.0;
    let step = failure.step.checked_sub(1).and_then(|index| chart.steps.get(index));
    let step = step.map_or_else(String::new, |step| format!(": {}", step.text));
    let step = text::wrap(&format!("step {}{step}", failure.step), SIZE, room);
    let step = step.into_iter().map(|line| ("red bold", line));
    let reason = text::wrap(failure.reason, SIZE, room).into_iter().map(|line| ("ink", line));
    let lines: Vec<_> = step.chain(reason).collect();

    let height = 16.0 + LINE * lines.len() as f64;
    shapes.push(Shape::round("wash", LEFT, top, RIGHT - LEFT, height, 3.0));
    shapes.push(Shape::rect("red", LEFT, top, 4.0, height));
    for (i, (class, line)) in lines.iter().enumerate() {
        shapes.push(Shape::text(class, LEFT + 16.0, top + 20.0 + LINE * i as f64, SIZE, line));
    }
    top + height
}
