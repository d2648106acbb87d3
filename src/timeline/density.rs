//! What of a lane can be seen at a scale: spans that are wide enough, columns for the others, and groups of
//! marks that would cover each other.
//!
//! So the size of a picture depends on its width and not on the number of events.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Lane, Mark, MarkKind, Span, SpanKind};
use super::scale::Scale;
use crate::machine::Exit;

/// The least width of a span that is drawn by itself.
const WIDE: f64 = 1.0;

/// The width of a column.
const COLUMN: f64 = 2.0;

/// A part of a lane that is mostly of one kind needs no shares.
const MOSTLY: f64 = 0.97;

/// A lane at a scale.
pub(super) struct Visible<'l> {
    /// The spans that are wide enough, with their left and right ends.
    pub(super) pieces: Vec<(&'l Span, f64, f64)>,
    /// Columns of spans that are not.
    pub(super) columns: Vec<Column>,
    pub(super) groups: Vec<Group<'l>>,
}

/// The part of a lane that has many short spans.
pub(super) struct Column {
    pub(super) left: f64,
    pub(super) right: f64,
    /// The kinds with their shares of the time, which are together 1.
    pub(super) shares: Vec<(SpanKind, f64)>,
}

/// Marks that are at the same place.
pub(super) struct Group<'l> {
    pub(super) x: f64,
    pub(super) marks: &'l [Mark],
}

/// Maps the times of a timeline to positions.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) scale: Scale,
    pub(super) from: Duration,
}

impl View {
    pub(super) fn x(&self, at: Duration) -> f64 {
        self.scale.x(at.saturating_sub(self.from))
    }
}

impl<'l> Visible<'l> {
    /// Returns what can be seen. Marks nearer than `near` are one group, and a group of several takes `wide`.
    pub(super) fn new(lane: &'l Lane, view: &View, near: f64, wide: f64) -> Self {
        let mut pieces = Vec::new();
        let mut bins: BTreeMap<u64, [f64; SpanKind::ALL.len()]> = BTreeMap::new();
        for span in &lane.spans {
            let (left, right) = (view.x(span.from), view.x(span.until));
            if right - left >= WIDE {
                pieces.push((span, left, right));
            } else {
                let bin = ((left + right) / 2.0 / COLUMN) as u64;
                bins.entry(bin).or_default()[span.kind as usize] += span.length().as_secs_f64();
            }
        }
        let columns = bins.into_iter().map(|(bin, times)| Column::new(bin, &times, &view.scale)).collect();
        Self { pieces, columns, groups: groups(&lane.marks, view, near, wide) }
    }
}

impl Column {
    fn new(bin: u64, times: &[f64], scale: &Scale) -> Self {
        let whole: f64 = times.iter().sum();
        let shares = SpanKind::ALL.into_iter().zip(times).filter(|(_, time)| **time > 0.0);
        let mut shares: Vec<(SpanKind, f64)> = shares.map(|(kind, time)| (kind, time / whole)).collect();
        if let Some(&(kind, _)) = shares.iter().find(|(_, share)| *share >= MOSTLY) {
            shares = vec![(kind, 1.0)];
        }
        let left = (bin as f64 * COLUMN).clamp(scale.left, scale.right);
        Self { left, right: (left + COLUMN).min(scale.right), shares }
    }
}

/// Returns groups of marks. Those nearer than `near` are one group, and a group of several takes `wide`.
pub(super) fn groups<'l>(marks: &'l [Mark], view: &View, near: f64, wide: f64) -> Vec<Group<'l>> {
    let mut groups = Vec::new();
    let mut rest = marks;
    while let [first, ..] = rest {
        let x = view.x(first.at);
        // The next marks that are too near. Once there are two, their number needs its place.
        let is_beside = |i: &usize| view.x(rest[*i].at) - x >= if *i > 1 { wide } else { near };
        let count = (1..rest.len()).find(is_beside).unwrap_or(rest.len());
        let (marks, later) = rest.split_at(count);
        groups.push(Group { x, marks });
        rest = later;
    }
    groups
}

impl Group<'_> {
    /// Returns the mark to be shown for all.
    pub(super) fn worst(&self) -> &Mark {
        self.marks.iter().max_by_key(|mark| severity(mark.kind)).expect("a group has a mark")
    }

    /// Returns whether one of the marks is a failure.
    pub(super) fn is_bad(&self) -> bool {
        severity(self.worst().kind) >= BAD
    }
}

/// The least severity of a failure.
pub(super) const BAD: u8 = 3;

/// The greatest severity of a failure after which there may be another run.
pub(super) const RECOVERS: u8 = 5;

/// Returns how much a mark deserves to be seen.
pub(super) fn severity(kind: MarkKind) -> u8 {
    match kind {
        MarkKind::GaveUp => 7,
        MarkKind::Survived => 6,
        MarkKind::SpawnFailed => 5,
        MarkKind::Killed | MarkKind::Unhealthy => 4,
        MarkKind::Exit(Exit::Code(0)) => 1,
        MarkKind::Exit(_) => BAD,
        MarkKind::Signal(_) => 2,
        MarkKind::Command => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A millisecond is a tenth of a unit.
    fn view() -> View {
        View { scale: Scale::new(0.0, 100.0, ms(1000)), from: ms(500) }
    }

    #[test]
    fn many_short_spans_are_shares_of_columns() {
        let mut lane = Lane::new("web");
        lane.spans.push(Span::new(ms(500), ms(700), SpanKind::Ready));
        for i in 0..25 {
            let from = 700 + 4 * i;
            lane.spans.push(Span::new(ms(from), ms(from + 1), SpanKind::Starting));
            lane.spans.push(Span::new(ms(from + 1), ms(from + 4), SpanKind::BackOff));
        }
        let visible = Visible::new(&lane, &view(), 5.0, 20.0);
        assert_eq!(visible.pieces.len(), 1);
        assert_eq!((visible.pieces[0].1, visible.pieces[0].2), (0.0, 20.0));
        assert_eq!(visible.columns.len(), 5);
        for column in &visible.columns {
            assert_eq!(
                column.shares.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
                [SpanKind::Starting, SpanKind::BackOff]
            );
            assert!((column.shares[0].1 - 0.25).abs() < 0.01, "{:?}", column.shares);
        }
    }

    #[test]
    fn marks_that_would_cover_each_other_are_counted() {
        let mut lane = Lane::new("web");
        let mark = |at, code| Mark::new(ms(at), MarkKind::Exit(Exit::Code(code)), "exited");
        // Alone; two near each other and one in the place of their number; alone.
        lane.marks = vec![mark(500, 0), mark(600, 0), mark(640, 9), mark(790, 0), mark(810, 0)];
        let visible = Visible::new(&lane, &view(), 5.0, 20.0);
        let groups: Vec<(f64, usize)> =
            visible.groups.iter().map(|group| (group.x.round(), group.marks.len())).collect();
        assert_eq!(groups, [(0.0, 1), (10.0, 3), (31.0, 1)]);
        assert_eq!(visible.groups[1].worst().at, ms(640));
        assert!(visible.groups[1].is_bad() && !visible.groups[0].is_bad());
    }
}
