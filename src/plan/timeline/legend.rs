//! What the marks mean: those that are in the picture, and no others.

use super::chart::{Burst, Chart, Kind, Lane, Run};
use super::layout::{LEFT, RIGHT};
use super::scale::Scale;
use super::shape::{Shape, at};
use super::{marks, text};
use crate::machine::{Exit, Signal, Stream};

const SIZE: f64 = 10.5;
const LINE: f64 = 20.0;

/// The width of a mark, and how far apart two entries are.
const MARK: f64 = 20.0;
const APART: f64 = 22.0;

/// From `top`, in as many lines as it takes.
pub(super) fn draw(chart: &Chart<'_>, scale: &Scale, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let (mut x, mut y) = (LEFT, top);
    for entry in ENTRIES.iter().filter(|entry| chart.lanes.iter().any(|lane| (entry.is_in)(lane, scale))) {
        let width = MARK + text::width(entry.meaning, SIZE);
        if x + width > RIGHT {
            (x, y) = (LEFT, y + LINE);
        }
        (entry.mark)(x + 7.0, y + 10.0, shapes);
        shapes.push(Shape::text("muted", x + MARK, y + 13.5, SIZE, entry.meaning));
        x += width + APART;
    }
    if x > LEFT { y + LINE } else { y }
}

struct Entry {
    meaning: &'static str,
    is_in: fn(&Lane<'_>, &Scale) -> bool,
    /// Draws it around this place.
    mark: fn(f64, f64, &mut Vec<Shape>),
}

const ENTRIES: [Entry; 12] = [
    Entry {
        meaning: "runs",
        is_in: |lane, _| !lane.runs.is_empty(),
        mark: |x, y, shapes| shapes.push(Shape::round("bar", x - 7.0, y - 4.0, 16.0, 8.0, 2.5)),
    },
    Entry {
        meaning: "its group is still there",
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
        mark: |x, y, shapes| shapes.push(marks::wedge(x, y - 4.0, y + 4.0)),
    },
    Entry {
        meaning: "signal",
        is_in: |lane, _| lane.marks.iter().any(|mark| matches!(mark.kind, Kind::Signal(_))),
        mark: |x, y, shapes| shapes.extend(marks::arrow(x, y - 6.0, y + 5.0)),
    },
    Entry {
        meaning: "killed on purpose",
        is_in: |lane, _| lane.marks.iter().any(|mark| matches!(mark.kind, Kind::Crash)),
        mark: |x, y, shapes| shapes.push(marks::star(at(x, y), 7.0)),
    },
    Entry {
        meaning: "exit 0",
        is_in: |lane, _| has_end(lane, |exit| exit == Exit::Code(0)),
        mark: |x, y, shapes| shapes.push(marks::end(Exit::Code(0), at(x, y), 5.0)),
    },
    Entry {
        meaning: "another exit code",
        is_in: |lane, _| has_end(lane, |exit| matches!(exit, Exit::Code(code) if code != 0)),
        mark: |x, y, shapes| shapes.push(marks::end(Exit::Code(1), at(x, y), 5.0)),
    },
    Entry {
        meaning: "ended by a signal",
        is_in: |lane, _| has_end(lane, |exit| matches!(exit, Exit::Signal { .. })),
        mark: |x, y, shapes| {
            let exit = Exit::Signal { signal: Signal::KILL, core: false };
            shapes.push(marks::end(exit, at(x, y), 5.0));
        },
    },
    Entry {
        meaning: "ended, nobody knows how",
        is_in: |lane, _| has_end(lane, |exit| exit == Exit::Lost),
        mark: |x, y, shapes| shapes.push(marks::end(Exit::Lost, at(x, y), 5.0)),
    },
    Entry {
        meaning: "no end was seen",
        is_in: |lane, _| lane.runs.iter().any(|run| run.exited.is_none()),
        mark: |x, y, shapes| shapes.push(marks::open_end(at(x - 2.0, y), 5.0)),
    },
];

fn has_output(lane: &Lane<'_>, wanted: Stream) -> bool {
    lane.bursts.iter().any(|Burst { stream, .. }| *stream == wanted)
}

fn has_end(lane: &Lane<'_>, wanted: fn(Exit) -> bool) -> bool {
    lane.runs.iter().any(|Run { exited, .. }| exited.is_some_and(|(_, exit)| wanted(exit)))
}

/// A few ticks of different height, to one side of the middle.
fn ticks(class: &'static str, x: f64, y: f64, side: f64, shapes: &mut Vec<Shape>) {
    for (i, height) in [4.0, 8.0, 3.0, 6.0].into_iter().enumerate() {
        let (left, top) = (x - 5.0 + 3.0 * i as f64, y - 4.0 * side);
        shapes.push(Shape::rect(class, left, if side < 0.0 { top - height } else { top }, 1.6, height));
    }
}
