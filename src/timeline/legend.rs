//! The texts around the lanes: the heading above them, and the legend below.

use super::clock::Clock;
use super::lane::{is_same_mark, mark_shapes};
use super::model::{MarkKind, SpanKind, Timeline};
use super::scale;
use super::shape::{Shape, at};
use super::style::{LEFT, RIGHT};
use super::text::{self, counted};
use crate::machine::{Exit, Signal};

const TITLE_SIZE: f64 = 18.0;
const HEADING_SIZE: f64 = 12.0;
const LEGEND_SIZE: f64 = 10.5;
const LEGEND_LINE: f64 = 20.0;

/// The width of a mark in the legend, and the distance between two entries.
const MARK: f64 = 22.0;
const APART: f64 = 20.0;

/// Draws the title and the facts about the whole. Returns the lower end.
pub(super) fn draw_heading(timeline: &Timeline, clock: &Clock, top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let title = text::cut(&timeline.title, TITLE_SIZE, RIGHT - LEFT).unwrap_or_default();
    let title = Shape::text("ink bold", LEFT, top + 15.0, TITLE_SIZE, &title);
    shapes.push(Shape::group("name", &*timeline.title, vec![title]));
    let facts = text::cut(&facts(timeline, clock), HEADING_SIZE, RIGHT - LEFT).unwrap_or_default();
    shapes.push(Shape::text("muted", LEFT, top + 36.0, HEADING_SIZE, &facts));
    top + 50.0
}

/// Returns the period, the sizes, and how much went wrong, in one line.
pub(super) fn facts(timeline: &Timeline, clock: &Clock) -> String {
    let (from, until) = (clock.full(timeline.from), clock.full(timeline.until));
    let zone = clock.zone().map(|zone| format!(" {zone}")).unwrap_or_default();
    let marks = || timeline.lanes.iter().flat_map(|lane| &lane.marks);
    let exits = marks().filter(|mark| matches!(mark.kind, MarkKind::Exit(_))).count();
    let gave_up = marks().filter(|mark| mark.kind == MarkKind::GaveUp).count();
    let mut facts = format!(
        "{from} – {until}{zone} ({}), {}, {}",
        scale::format_time(timeline.length()),
        counted(timeline.lanes.len(), "process"),
        counted(exits, "exit"),
    );
    if gave_up > 0 {
        facts.push_str(&format!(", {gave_up} × gave up"));
    }
    facts
}

/// The marks of the legend, in its order.
const MARKS: [(MarkKind, &str); 11] = [
    (MarkKind::Exit(Exit::Code(0)), "exit 0"),
    (MarkKind::Exit(Exit::Code(1)), "another exit code"),
    (MarkKind::Exit(Exit::Signal { signal: Signal::KILL, core: false }), "ended by a signal"),
    (MarkKind::Exit(Exit::Lost), "ended with an unknown status"),
    (MarkKind::SpawnFailed, "not started"),
    (MarkKind::Killed, "KILL"),
    (MarkKind::Unhealthy, "unhealthy or not ready"),
    (MarkKind::GaveUp, "gave up"),
    (MarkKind::Survived, "survived KILL"),
    (MarkKind::Signal(Signal::HUP), "signal by a command"),
    (MarkKind::Command, "command"),
];

/// Draws what is in the picture, in as many lines as needed. Returns the lower end.
pub(super) fn draw_legend(timeline: &Timeline, notes: &[&str], top: f64, shapes: &mut Vec<Shape>) -> f64 {
    let has_kind = |kind| timeline.lanes.iter().any(|lane| lane.spans.iter().any(|span| span.kind == kind));
    let has_mark =
        |kind| timeline.lanes.iter().any(|lane| lane.marks.iter().any(|mark| is_same_mark(mark.kind, kind)));
    let (mut x, mut y) = (LEFT, top);
    let mut entry = |meaning: &str, draw: &dyn Fn(f64, f64) -> Vec<Shape>| {
        let width = MARK + text::width(meaning, LEGEND_SIZE);
        if x + width > RIGHT {
            (x, y) = (LEFT, y + LEGEND_LINE);
        }
        shapes.extend(draw(x + 7.0, y + 10.0));
        shapes.push(Shape::text("muted", x + MARK, y + 13.5, LEGEND_SIZE, meaning));
        x += width + APART;
    };
    for kind in SpanKind::ALL.into_iter().filter(|kind| has_kind(*kind)) {
        let look = kind.look();
        let height = 11.0 * look.share;
        entry(&kind.to_string(), &|x, y| {
            vec![Shape::round(look.class, x - 7.0, y - height / 2.0, 17.0, height, 1.5)]
        });
    }
    for (kind, meaning) in MARKS.into_iter().filter(|(kind, _)| has_mark(*kind)) {
        entry(meaning, &|x, y| mark_shapes(kind, x, y, 4.0));
    }
    if !timeline.arrows.is_empty() {
        entry("permitted the start", &|x, y| {
            vec![
                Shape::line("after-line", at(x, y - 8.0), at(x, y + 2.0)),
                Shape::Polygon {
                    class: "after",
                    corners: vec![at(x - 3.0, y + 1.0), at(x + 3.0, y + 1.0), at(x, y + 6.0)],
                },
            ]
        });
    }
    let mut bottom = if x > LEFT { y + LEGEND_LINE } else { y };
    for note in notes {
        shapes.push(Shape::text("muted", LEFT, bottom + 13.5, LEGEND_SIZE, note));
        bottom += LEGEND_LINE;
    }
    bottom
}
