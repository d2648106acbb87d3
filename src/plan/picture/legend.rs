//! The texts around the lanes: the heading above them, the legend and the script below.

use super::chart::{Burst, Chart, Failure, Kind, Lane, Run, Step};
use crate::machine::{Exit, Signal, Stream};
use crate::timeline::scale::{self, Scale};
use crate::timeline::shape::{self, Shape, at};
use crate::timeline::style::{LEFT, RIGHT};
use crate::timeline::text::{self, counted};

const NAME_SIZE: f64 = 20.0;
const VERDICT_SIZE: f64 = 13.0;
const HEADING_SIZE: f64 = 12.0;
const HEADING_LINE: f64 = 17.0;

pub(super) fn draw_heading(chart: &Chart<'_>, top: f64, shapes: &mut Vec<Shape>) -> f64 {
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
    let sizes = format!("{processes}, {steps}, {}", scale::format_time(chart.length));
    shapes.push(Shape::text("muted", LEFT, top + 37.0, HEADING_SIZE, &sizes));
    if let Some(crash) = crash(chart) {
        let left = LEFT + text::width(&sizes, HEADING_SIZE) + 24.0;
        let fitting = text::cut(&crash, HEADING_SIZE, RIGHT - left).unwrap_or_default();
        shapes.push(Shape::text("crash bold", left, top + 37.0, HEADING_SIZE, &fitting));
    }
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

/// Returns a sentence about the first crash on purpose, if there was one.
fn crash(chart: &Chart<'_>) -> Option<String> {
    let marks = chart.lanes.iter().flat_map(|lane| lane.marks.iter().map(move |mark| (lane.name, mark)));
    let mut crashes = marks.filter_map(|(name, mark)| match mark.kind {
        Kind::Crash(point) => Some((mark.at, name, point)),
        Kind::Signal(_) | Kind::Input(_) | Kind::LostInput(_) | Kind::NotStarted(_) => None,
    });
    let (at, name, point) = crashes.next()?;
    Some(format!("{name} was killed on purpose at {point}, after {}", scale::format_time(at)))
}

/// Draws a box with the failed step and the whole reason.
fn reason(chart: &Chart<'_>, failure: &Failure<'_>, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let room = RIGHT - LEFT - 32.0;
    let step = failure.step.checked_sub(1).and_then(|index| chart.steps.get(index));
    let step = step.map_or_else(String::new, |step| format!(": {}", step.text));
    let step = text::wrap(&format!("step {}{step}", failure.step), HEADING_SIZE, room);
    let step = step.into_iter().map(|line| ("red bold", line));
    let reason = text::wrap(failure.reason, HEADING_SIZE, room).into_iter().map(|line| ("ink", line));
    let lines: Vec<_> = step.chain(reason).collect();

    let height = 16.0 + HEADING_LINE * lines.len() as f64;
    shapes.push(Shape::round("wash", LEFT, top, RIGHT - LEFT, height, 3.0));
    shapes.push(Shape::rect("red", LEFT, top, 4.0, height));
    for (i, (class, line)) in lines.iter().enumerate() {
        shapes.push(Shape::text(
            class,
            LEFT + 16.0,
            top + 20.0 + HEADING_LINE * i as f64,
            HEADING_SIZE,
            line,
        ));
    }
    top + height
}

const LEGEND_SIZE: f64 = 10.5;
const LEGEND_LINE: f64 = 20.0;

/// The width of a mark in the legend, and the distance between two entries.
const MARK: f64 = 20.0;
const APART: f64 = 22.0;

/// Draws the legend from `top`, in as many lines as needed. Returns the lower end.
pub(super) fn draw_legend(chart: &Chart<'_>, scale: &Scale, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let (mut x, mut y) = (LEFT, top);
    for entry in ENTRIES.iter().filter(|entry| chart.lanes.iter().any(|lane| (entry.is_in)(lane, scale))) {
        let width = MARK + text::width(entry.meaning, LEGEND_SIZE);
        if x + width > RIGHT {
            (x, y) = (LEFT, y + LEGEND_LINE);
        }
        (entry.mark)(x + 7.0, y + 10.0, shapes);
        shapes.push(Shape::text("muted", x + MARK, y + 13.5, LEGEND_SIZE, entry.meaning));
        x += width + APART;
    }
    if x > LEFT { y + LEGEND_LINE } else { y }
}

struct Entry {
    meaning: &'static str,
    is_in: fn(&Lane<'_>, &Scale) -> bool,
    /// Draws the mark around a position.
    mark: fn(f64, f64, &mut Vec<Shape>),
}

const ENTRIES: [Entry; 13] = [
    Entry {
        meaning: "runs",
        is_in: |lane, _| !lane.runs.is_empty(),
        mark: |x, y, shapes| shapes.push(Shape::round("bar", x - 7.0, y - 4.0, 16.0, 8.0, 2.5)),
    },
    Entry {
        meaning: "its descendants are still there",
        is_in: |lane, scale| {
            let tail = |run: &Run| Some(scale.x(run.gone?) - scale.x(run.exited?.0));
            lane.runs.iter().filter_map(tail).any(|tail| tail >= 1.0)
        },
        mark: |x, y, shapes| shapes.push(Shape::rect("tail", x - 7.0, y - 1.5, 16.0, 3.0)),
    },
    Entry {
        meaning: "stdout",
        is_in: |lane, _| has_output(lane, Stream::Stdout),
        mark: |x, y, shapes| ticks("stdout", x, y, -1.0, shapes),
    },
    Entry {
        meaning: "stderr",
        is_in: |lane, _| has_output(lane, Stream::Stderr),
        mark: |x, y, shapes| ticks("stderr", x, y, 1.0, shapes),
    },
    Entry {
        meaning: "input",
        is_in: |lane, _| lane.marks.iter().any(|mark| matches!(mark.kind, Kind::Input(_))),
        mark: |x, y, shapes| shapes.push(shape::wedge("input", x, y - 4.0, y + 4.0)),
    },
    Entry {
        meaning: "input lost in a crash",
        is_in: |lane, _| lane.marks.iter().any(|mark| matches!(mark.kind, Kind::LostInput(_))),
        mark: |x, y, shapes| shapes.push(shape::wedge("surface open", x, y - 4.0, y + 4.0)),
    },
    Entry {
        meaning: "signal",
        is_in: |lane, _| lane.marks.iter().any(|mark| matches!(mark.kind, Kind::Signal(_))),
        mark: |x, y, shapes| shapes.extend(shape::arrow(x, y - 6.0, y + 5.0)),
    },
    Entry {
        meaning: "killed on purpose",
        is_in: |lane, _| lane.marks.iter().any(|mark| matches!(mark.kind, Kind::Crash(_))),
        mark: |x, y, shapes| shapes.push(shape::star(at(x, y), 7.0)),
    },
    Entry {
        meaning: "exit 0",
        is_in: |lane, _| has_end(lane, |exit| exit == Exit::Code(0)),
        mark: |x, y, shapes| shapes.push(shape::end(Exit::Code(0), at(x, y), 5.0)),
    },
    Entry {
        meaning: "another exit code",
        is_in: |lane, _| has_end(lane, |exit| matches!(exit, Exit::Code(code) if code != 0)),
        mark: |x, y, shapes| shapes.push(shape::end(Exit::Code(1), at(x, y), 5.0)),
    },
    Entry {
        meaning: "ended by a signal",
        is_in: |lane, _| has_end(lane, |exit| matches!(exit, Exit::Signal { .. })),
        mark: |x, y, shapes| {
            let exit = Exit::Signal { signal: Signal::KILL, core: false };
            shapes.push(shape::end(exit, at(x, y), 5.0));
        },
    },
    Entry {
        meaning: "ended with an unknown status",
        is_in: |lane, _| has_end(lane, |exit| exit == Exit::Lost),
        mark: |x, y, shapes| shapes.push(shape::end(Exit::Lost, at(x, y), 5.0)),
    },
    Entry {
        meaning: "no end was seen",
        is_in: |lane, _| lane.runs.iter().any(|run| run.exited.is_none()),
        mark: |x, y, shapes| shapes.push(shape::open_end(at(x - 2.0, y), 5.0)),
    },
];

fn has_output(lane: &Lane<'_>, wanted: Stream) -> bool {
    lane.bursts.iter().any(|Burst { stream, .. }| *stream == wanted)
}

fn has_end(lane: &Lane<'_>, wanted: fn(Exit) -> bool) -> bool {
    lane.runs.iter().any(|Run { exited, .. }| exited.is_some_and(|(_, exit)| wanted(exit)))
}

/// Draws a few ticks of different height, to one side of the middle.
fn ticks(class: &'static str, x: f64, y: f64, side: f64, shapes: &mut Vec<Shape>) {
    for (i, height) in [4.0, 8.0, 3.0, 6.0].into_iter().enumerate() {
        let (left, top) = (x - 5.0 + 3.0 * i as f64, y - 4.0 * side);
        shapes.push(Shape::rect(class, left, if side < 0.0 { top - height } else { top }, 1.6, height));
    }
}

const SCRIPT_SIZE: f64 = 11.0;
const SCRIPT_LINE: f64 = 18.0;

/// The greatest number of steps that are written in one column.
const ONE_COLUMN: usize = 6;

/// The distance between columns.
const GUTTER: f64 = 40.0;

pub(super) fn draw_script(chart: &Chart<'_>, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let columns = if chart.steps.len() > ONE_COLUMN { 2 } else { 1 };
    let rows = chart.steps.len().div_ceil(columns);
    let width = (RIGHT - LEFT - GUTTER * (columns - 1) as f64) / columns as f64;
    for (i, step) in chart.steps.iter().enumerate() {
        let left = LEFT + (width + GUTTER) * (i / rows) as f64;
        script_line(chart, step, left, left + width, top + SCRIPT_LINE * (i % rows) as f64, shapes);
    }
    top + SCRIPT_LINE * rows as f64
}

fn script_line(chart: &Chart<'_>, step: &Step<'_>, left: f64, right: f64, top: f64, shapes: &mut Vec<Shape>) {
    let (number, baseline) = (step.number.to_string(), top + 13.0);
    let digits = chart.steps.len().to_string();
    let behind = left + text::width(&digits, SCRIPT_SIZE) + 10.0;
    let (strong, faint, time) = match (step.began, step.ended) {
        _ if chart.has_failed_at(step.number) => ("red bold", "red bold", "failed".to_owned()),
        (Some(began), Some(ended)) => ("ink bold", "ink", scale::format_time(ended.saturating_sub(began))),
        (Some(_), None) => ("ink bold", "ink", "not ended".to_owned()),
        (None, _) => ("muted", "muted", "not begun".to_owned()),
    };
    let text = text::cut(step.text, SCRIPT_SIZE, right - behind - text::width(&time, SCRIPT_SIZE) - 12.0)
        .unwrap_or_default();
    let line = vec![
        Shape::rect("none", left, top, right - left, SCRIPT_LINE),
        Shape::text_until(strong, behind - 10.0, baseline, SCRIPT_SIZE, &number),
        Shape::text(faint, behind, baseline, SCRIPT_SIZE, &text),
        Shape::text_until("muted", right, baseline, SCRIPT_SIZE, &time),
    ];
    shapes.push(Shape::group("line", step.text, line));
}
