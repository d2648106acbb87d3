//! What a picture of processes over time shows, as plain data.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::machine::{Exit, Signal, Until};

/// The lives of several processes over time, to be drawn.
///
/// It is made by a [`TimelineBuilder`](super::TimelineBuilder) from what goes into a machine and comes out of
/// it, or by hand. [`to_svg`](Self::to_svg) and [`to_html`](Self::to_html) draw it.
///
/// ```
/// use std::time::Duration;
/// use childminder::timeline::{Lane, Span, SpanKind, Timeline};
///
/// let mut lane = Lane::new("web");
/// lane.spans.push(Span::new(Duration::ZERO, Duration::from_secs(2), SpanKind::Up));
/// lane.spans.push(Span::new(Duration::from_secs(2), Duration::from_secs(60), SpanKind::Ready));
/// let mut timeline = Timeline::new("one minute", Duration::from_secs(60));
/// timeline.lanes.push(lane);
/// assert!(timeline.to_svg().starts_with("<svg"));
/// assert!(timeline.to_html().starts_with("<!DOCTYPE html>"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timeline {
    /// The title of the picture.
    pub title: String,
    /// The time of day at the beginning of the record, which is time zero of all spans and marks. `None` if
    /// it is unknown, as in virtual time; then the axis has no time of day.
    pub began: Option<SystemTime>,
    /// The number of seconds by which the shown times of day are ahead of UTC; negative west of Greenwich.
    /// Zero by default.
    pub utc_offset: i32,
    /// The left end of the picture. Zero by default.
    pub from: Duration,
    /// The right end of the picture.
    pub until: Duration,
    /// A lane for each process, from top to bottom.
    pub lanes: Vec<Lane>,
    /// The starts that had to wait for another process.
    pub arrows: Vec<Arrow>,
}

/// The life of one process.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Lane {
    /// The name of the process.
    pub name: String,
    /// The lanes of the processes that it depends on, and what of them it waits for.
    pub after: Vec<(usize, Until)>,
    /// The spans of its life, in order and without overlaps. While it does not exist there is a gap.
    pub spans: Vec<Span>,
    /// The events of its life, in order.
    pub marks: Vec<Mark>,
}

/// A time in which a process was doing one thing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// The beginning.
    pub from: Duration,
    /// The end.
    pub until: Duration,
    /// The thing that it was doing.
    pub kind: SpanKind,
    /// The number of the run.
    pub run: Option<u64>,
    /// More about it, such as what it was waiting for. It may be empty.
    pub text: String,
}

/// The kinds of things that a process can be doing for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SpanKind {
    /// It waits for another process before it is started.
    Blocked,
    /// Its start was requested, and has not been answered.
    Starting,
    /// It runs and is not ready yet.
    Up,
    /// It runs and is ready.
    Ready,
    /// It runs and is no longer ready.
    Unhealthy,
    /// It is being stopped, or it is dead and its family or its output has not ended.
    Stopping,
    /// It was sent KILL, and its family or its output has not ended.
    Killed,
    /// It waits for its next start.
    BackOff,
    /// It is held by a command.
    Held,
    /// It was a success and is not restarted.
    Completed,
    /// It was a failure and is not restarted.
    Failed,
    /// It has failed too often and is not restarted.
    GaveUp,
    /// It does not run, because its service does not.
    Down,
}

/// Something that happened to a process at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Mark {
    /// The time.
    pub at: Duration,
    /// The kind of event.
    pub kind: MarkKind,
    /// The number of the run.
    pub run: Option<u64>,
    /// A sentence without its subject, such as `exited with code 1 after 250 ms`.
    pub text: String,
    /// The last lines of output before it.
    pub last_lines: Vec<String>,
}

/// The kinds of things that can happen to a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MarkKind {
    /// It exited.
    Exit(Exit),
    /// It could not be started.
    SpawnFailed,
    /// It was sent a signal by a command.
    Signal(Signal),
    /// It was sent KILL after the kill time, or because a kill was requested.
    Killed,
    /// It was reported as unhealthy, or did not become ready in time.
    Unhealthy,
    /// It was given up.
    GaveUp,
    /// It has outlived KILL.
    Survived,
    /// A command changed what is wanted of it: it was added, removed, held, released, or defined anew.
    Command,
}

/// A start that had to wait for another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrow {
    /// The lane of the process that was waited for.
    pub from: usize,
    /// The time at which that process became what was waited for.
    pub at: Duration,
    /// The lane of the process that was started.
    pub to: usize,
    /// The time of the start.
    pub start: Duration,
}

impl Timeline {
    /// Returns an empty picture of this length.
    pub fn new(title: impl Into<String>, length: Duration) -> Self {
        Self {
            title: title.into(),
            began: None,
            utc_offset: 0,
            from: Duration::ZERO,
            until: length,
            lanes: Vec::new(),
            arrows: Vec::new(),
        }
    }

    /// Returns the length of the part that is shown.
    pub fn length(&self) -> Duration {
        self.until.saturating_sub(self.from)
    }

    /// Limits the picture to the part between two times since the beginning of the record. Spans are cut, and
    /// marks and arrows outside are removed.
    pub fn cut(&mut self, from: Duration, until: Duration) {
        self.from = from;
        self.until = until.max(from);
        let (from, until) = (self.from, self.until);
        for lane in &mut self.lanes {
            lane.spans.retain_mut(|span| {
                let is_inside = span.from < until && span.until > from;
                (span.from, span.until) = (span.from.max(from), span.until.min(until));
                is_inside
            });
            lane.marks.retain(|mark| (from..=until).contains(&mark.at));
        }
        self.arrows.retain(|arrow| arrow.start >= from && arrow.start <= until && arrow.at >= from);
    }

    /// Returns one picture of two records, with the lanes of the same process above each other. Both begin at
    /// the left end, even if their times of day differ. The names get the labels in brackets.
    #[must_use]
    pub fn beside(self, other: Self, title: impl Into<String>, labels: [&str; 2]) -> Self {
        let length = self.until.max(other.until);
        let mut both = Self::new(title, length);
        let mut others: Vec<Option<Lane>> = other.lanes.into_iter().map(Some).collect();
        let (mut of_self, mut of_other) = (Vec::new(), vec![0; others.len()]);
        let by_name: HashMap<String, usize> =
            others.iter().flatten().enumerate().map(|(i, lane)| (lane.name.clone(), i)).collect();
        let mut put = |lane: Lane, label: &str| {
            both.lanes.push(Lane { name: format!("{} ({label})", lane.name), ..lane });
            both.lanes.len() - 1
        };
        for lane in self.lanes {
            let twin = by_name.get(&lane.name).copied();
            of_self.push(put(lane, labels[0]));
            if let Some((i, twin)) = twin.and_then(|i| Some((i, others[i].take()?))) {
                of_other[i] = put(twin, labels[1]);
            }
        }
        for (i, lane) in others.into_iter().enumerate() {
            if let Some(lane) = lane {
                of_other[i] = put(lane, labels[1]);
            }
        }
        let sides = [(&of_self, self.arrows), (&of_other, other.arrows)];
        for (places, arrows) in sides {
            both.arrows.extend(arrows.into_iter().map(|arrow| Arrow {
                from: places[arrow.from],
                to: places[arrow.to],
                ..arrow
            }));
        }
        let (first, second): (Vec<usize>, Vec<usize>) = (of_self, of_other);
        for places in [&first, &second] {
            for &place in places {
                both.lanes[place].after.iter_mut().for_each(|(on, _)| *on = places[*on]);
            }
        }
        both
    }
}

impl Lane {
    /// Returns an empty lane.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Returns the number of starts that this lane shows.
    pub fn starts(&self) -> usize {
        let mut last = None;
        self.spans
            .iter()
            .filter(|span| span.run.is_some() && std::mem::replace(&mut last, span.run) != span.run)
            .count()
    }

    /// Returns the time in which the process was wanted and did not run: blocked, starting, waiting for a
    /// restart, failed for good or given up.
    pub fn downtime(&self) -> Duration {
        self.spans.iter().filter(|span| span.kind.is_outage()).map(Span::length).sum()
    }
}

impl Span {
    /// Returns a span without a run and a text.
    pub fn new(from: Duration, until: Duration, kind: SpanKind) -> Self {
        Self { from, until, kind, run: None, text: String::new() }
    }

    /// Returns the time from its beginning to its end.
    pub fn length(&self) -> Duration {
        self.until.saturating_sub(self.from)
    }
}

impl SpanKind {
    /// All kinds, in the order of the legend.
    pub(crate) const ALL: [Self; 13] = [
        Self::Blocked,
        Self::Starting,
        Self::Up,
        Self::Ready,
        Self::Unhealthy,
        Self::Stopping,
        Self::Killed,
        Self::BackOff,
        Self::Held,
        Self::Completed,
        Self::Failed,
        Self::GaveUp,
        Self::Down,
    ];

    /// Returns whether the process is wanted and does not run.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Blocked | Self::Starting | Self::BackOff | Self::Failed | Self::GaveUp)
    }
}

impl fmt::Display for SpanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Blocked => "blocked",
            Self::Starting => "starting",
            Self::Up => "up, not ready yet",
            Self::Ready => "ready",
            Self::Unhealthy => "no longer ready",
            Self::Stopping => "stopping",
            Self::Killed => "killed",
            Self::BackOff => "back-off",
            Self::Held => "held",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::GaveUp => "gave up",
            Self::Down => "down",
        })
    }
}

impl Mark {
    /// Returns a mark without a run and lines.
    pub fn new(at: Duration, kind: MarkKind, text: impl Into<String>) -> Self {
        Self { at, kind, run: None, text: text.into(), last_lines: Vec::new() }
    }
}

impl Arrow {
    /// Returns an arrow from a lane at a time to the start in another lane.
    pub fn new(from: usize, at: Duration, to: usize, start: Duration) -> Self {
        Self { from, at, to, start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn sample(name: &str) -> Timeline {
        let mut db = Lane::new("db");
        db.spans.push(Span { run: Some(1), ..Span::new(s(0), s(10), SpanKind::Ready) });
        db.marks.push(Mark::new(s(10), MarkKind::Exit(Exit::Code(1)), "exited"));
        db.spans.push(Span::new(s(10), s(15), SpanKind::BackOff));
        db.spans.push(Span { run: Some(3), ..Span::new(s(15), s(20), SpanKind::Ready) });
        let mut other = Lane::new(name);
        other.after.push((0, Until::Ready));
        let mut timeline = Timeline::new("sample", s(20));
        timeline.lanes = vec![db, other];
        timeline.arrows.push(Arrow::new(0, s(0), 1, s(2)));
        timeline
    }

    #[test]
    fn a_part_has_only_what_is_in_it() {
        let mut timeline = sample("web");
        timeline.cut(s(12), s(17));
        let db = &timeline.lanes[0];
        assert_eq!(
            db.spans,
            [
                Span::new(s(12), s(15), SpanKind::BackOff),
                Span { run: Some(3), ..Span::new(s(15), s(17), SpanKind::Ready) },
            ]
        );
        assert!(db.marks.is_empty() && timeline.arrows.is_empty());
        assert_eq!((timeline.length(), db.starts(), db.downtime()), (s(5), 1, s(3)));
    }

    #[test]
    fn two_records_have_the_lanes_of_a_process_above_each_other() {
        let both = sample("web").beside(sample("job"), "two", ["A", "B"]);
        let names: Vec<&str> = both.lanes.iter().map(|lane| &*lane.name).collect();
        assert_eq!(names, ["db (A)", "db (B)", "web (A)", "job (B)"]);
        assert_eq!(both.arrows, [Arrow::new(0, s(0), 2, s(2)), Arrow::new(1, s(0), 3, s(2))]);
        assert_eq!(both.lanes[2].after, [(0, Until::Ready)]);
        assert_eq!(both.lanes[3].after, [(1, Until::Ready)]);
    }
}
