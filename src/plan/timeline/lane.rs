//! One process: its name, its runs, what it printed, and what was done to it.
//!
//! From top to bottom a lane has a strip for signals and their names, the bar, and a gap for what was given to it.
//! Output is drawn inside of the bar: stdout up from its middle, stderr down.

use std::iter;

use super::chart::{Burst, Chart, Kind, Lane, Mark, Run};
use super::layout::{LEFT, RIGHT};
use super::room::Row;
use super::scale::{self, Scale};
use super::shape::{Shape, at};
use super::words::{counted, end};
use super::{marks, text};
use crate::machine::{Exit, Stream};

/// Bursts that begin in one such piece of the bar are drawn as one.
const PIECE: f64 = 2.6;

/// The width of a burst that took no time.
const TICK: f64 = 1.8;

/// Signals nearer than this share one label.
const NEAR: f64 = 14.0;

/// The heights of a lane and its parts; the more lanes, the lower.
pub(super) struct Measure {
    pub(super) height: f64,
    /// The size of a name.
    pub(super) name: f64,
    /// The size of all other text.
    label: f64,
    strip: f64,
    bar: f64,
}

impl Measure {
    pub(super) fn new(lanes: usize) -> Self {
        let height = (720.0 / lanes.max(1) as f64).round().clamp(22.0, 38.0);
        let (name, label) = if height < 28.0 { (10.0, 8.5) } else { (12.0, 10.0) };
        let strip = label + 2.0;
        Self { height, name, label, strip, bar: (0.86 * height - strip).round() }
    }

    fn mark(&self) -> f64 {
        (0.36 * self.bar).max(3.2)
    }
}

/// The background: every other lane is shaded.
pub(super) fn stripes(chart: &Chart<'_>, measure: &Measure, top: f64, shapes: &mut Vec<Shape>) {
    for i in (0..chart.lanes.len()).step_by(2) {
        let top = top + measure.height * i as f64;
        shapes.push(Shape::rect("stripe", LEFT - 8.0, top, RIGHT - LEFT + 16.0, measure.height));
    }
}

pub(super) fn draw(lane: &Lane<'_>, measure: &Measure, scale: &Scale, top: f64, shapes: &mut Vec<Shape>) {
    let name = text::cut_middle(lane.name, measure.name, scale.left - LEFT - 12.0);
    let sketch = Sketch { lane, measure, scale, top, bar: top + measure.strip };
    let baseline = sketch.middle() + 0.35 * measure.name;
    let name = Shape::text("ink", LEFT, baseline, measure.name, &name);
    shapes.push(Shape::group("name", &**lane.name, vec![name]));
    sketch.runs(shapes);
    sketch.output(shapes);
    sketch.marks(shapes);
    sketch.labels(shapes);
}

/// A lane at its place.
struct Sketch<'c> {
    lane: &'c Lane<'c>,
    measure: &'c Measure,
    scale: &'c Scale,
    top: f64,
    /// Where the bar begins.
    bar: f64,
}

impl Sketch<'_> {
    fn middle(&self) -> f64 {
        self.bar + self.measure.bar / 2.0
    }

    fn baseline(&self) -> f64 {
        self.middle() + 0.35 * self.measure.label
    }

    /// Each run with the place where it ends: at its exit, at the next start, or at the end of the picture.
    fn ended_runs(&self) -> impl Iterator<Item = (&Run, f64, f64)> {
        let next = self.lane.runs.iter().skip(1).map(|run| run.began).map(Some).chain(iter::once(None));
        self.lane.runs.iter().zip(next).map(|(run, next)| {
            let left = self.scale.x(run.began);
            let right = match (run.exited, next) {
                (Some((exited, _)), _) => self.scale.x(exited),
                (None, Some(next)) => self.scale.x(next),
                (None, None) => run.gone.map_or(self.scale.right, |gone| self.scale.x(gone)),
            };
            (run, left, right.max(left))
        })
    }

    /// Where nothing of a run is drawn any more.
    fn behind(&self, run: &Run, right: f64) -> f64 {
        let mark = right + 2.0 * self.measure.mark() + 1.0;
        run.gone.map_or(mark, |gone| self.scale.x(gone).max(mark))
    }

    fn runs(&self, shapes: &mut Vec<Shape>) {
        let Measure { bar, .. } = *self.measure;
        for (run, left, right) in self.ended_runs() {
            let mut parts = Vec::new();
            let tail = run.gone.map_or(right, |gone| self.scale.x(gone)).max(right);
            if tail - right >= 1.0 {
                parts.push(Shape::rect("tail", right, self.middle() - 1.5, tail - right, 3.0));
            }
            parts.push(Shape::round("bar", left, self.bar, (right - left).max(1.0), bar, 2.5));
            shapes.push(Shape::group("run", self.story(run), parts));
        }
    }

    fn output(&self, shapes: &mut Vec<Shape>) {
        for stream in Stream::BOTH {
            let mut pieces: Vec<Piece> = Vec::new();
            for burst in self.lane.bursts.iter().filter(|burst| burst.stream == stream) {
                let left = self.scale.x(burst.from).min(self.scale.right - TICK);
                let column = ((left - self.scale.left) / PIECE).floor();
                match pieces.last_mut() {
                    Some(piece) if piece.column == column => piece.add(burst),
                    _ => pieces.push(Piece::new(column, left, burst)),
                }
            }
            shapes.extend(pieces.iter().map(|piece| self.tick(piece)));
        }
    }

    /// A tick is the higher, the more was printed: ten thousand bytes are twice as high as a hundred, and as high as
    /// the bar has room.
    fn tick(&self, piece: &Piece) -> Shape {
        let Burst { stream, from, until, bytes, lines } = piece.burst;
        let half = self.measure.bar / 2.0 - 1.0;
        let height = half * ((bytes as f64 + 1.0).log10() / 4.0).clamp(0.3, 1.0);
        let width = (self.scale.x(until) - piece.left).max(TICK);
        let shape = match stream {
            Stream::Stdout => Shape::rect("stdout", piece.left, self.middle() - height, width, height),
            Stream::Stderr => Shape::rect("stderr", piece.left, self.middle(), width, height),
        };
        let (bytes, lines) = (counted(bytes, "byte"), counted(lines, "line"));
        let bursts =
            if piece.count > 1 { format!(" in {}", counted(piece.count, "burst")) } else { String::new() };
        let name = self.lane.name;
        let title = format!("{name}, {stream}: {bytes}, {lines}{bursts}\n{}", span(from, until));
        Shape::group("mark", title, vec![shape])
    }

    fn marks(&self, shapes: &mut Vec<Shape>) {
        let Measure { bar, height, .. } = *self.measure;
        let (name, radius) = (self.lane.name, self.measure.mark());
        for Mark { at: time, .. } in self.lane.marks.iter().filter(|mark| matches!(mark.kind, Kind::Crash)) {
            let star = marks::star(at(self.scale.x(*time), self.middle()), (0.62 * bar).max(6.0));
            let title = format!("{name} is killed on purpose\nat {}", scale::told(*time));
            shapes.push(Shape::group("mark", title, vec![star]));
        }
        for (run, _, right) in self.ended_runs() {
            let mark = match run.exited {
                // Behind the end of the bar, so that the last words of a process are not hidden.
                Some((_, exit)) => marks::end(exit, at(right + radius + 1.0, self.middle()), radius),
                None => marks::open_end(at(right, self.middle()), radius),
            };
            shapes.push(Shape::group("mark", self.story(run), vec![mark]));
        }
        for Mark { at: time, kind } in &self.lane.marks {
            let (x, time) = (self.scale.x(*time), scale::told(*time));
            let (title, parts) = match kind {
                Kind::Signal(signal) => {
                    let arrow = marks::arrow(x, self.top + 1.0, self.bar + 1.0);
                    (format!("{name} is sent {signal}\nat {time}"), Vec::from(arrow))
                }
                Kind::Input(bytes) => {
                    let wedge = marks::wedge(x, self.bar + bar - 3.0, self.top + height);
                    (format!("{name} is given {}\nat {time}", counted(*bytes, "byte")), vec![wedge])
                }
                // Drawn before, so that the end it leads to is seen on it.
                Kind::Crash => continue,
                Kind::NotStarted(error) => {
                    let cross = marks::cross(at(x, self.middle()), radius);
                    (format!("{name} cannot be started\nat {time}\n{error}"), Vec::from(cross))
                }
            };
            shapes.push(Shape::group("mark", title, parts));
        }
    }

    fn labels(&self, shapes: &mut Vec<Shape>) {
        self.labels_beside(shapes);
        self.labels_above(shapes);
    }

    /// How each run ended, behind its bar, or else on it.
    fn labels_beside(&self, shapes: &mut Vec<Shape>) {
        let (size, radius) = (self.measure.label, self.measure.mark());
        let mut beside = Row::new(self.scale.left, RIGHT);
        let mut inside = Row::new(self.scale.left, self.scale.right);
        for (run, left, right) in self.ended_runs() {
            beside.block(left, self.behind(run, right) - 1.0);
        }
        for (run, left, right) in self.ended_runs() {
            let (class, label) = match run.exited {
                Some((_, Exit::Code(0))) => ("muted over", end(Exit::Code(0))),
                Some((_, exit @ Exit::Code(_))) => ("end-code bold over", end(exit)),
                Some((_, exit)) => ("ink over", end(exit)),
                None => ("muted over", "still there".to_owned()),
            };
            let (behind, width) = (self.behind(run, right) + 5.0, text::width(&label, size));
            let before = right - 5.0 - width;
            if beside.claim(behind, behind + width) {
                shapes.push(Shape::text(class, behind, self.baseline(), size, &label));
            } else if before >= left + 2.0 && inside.claim(before, before + width) {
                shapes.push(Shape::text(class, before, self.baseline(), size, &label));
            }
        }
        for mark in &self.lane.marks {
            let Kind::NotStarted(error) = mark.kind else { continue };
            let x = self.scale.x(mark.at);
            let (before, behind) = (x - radius - 5.0, x + radius + 5.0);
            let (left_room, right_room) = (beside.room_left_of(before), beside.room_right_of(behind));
            let room = left_room.max(right_room);
            let Some(label) = text::cut(&format!("not started: {error}"), size, room) else { continue };
            let width = text::width(&label, size);
            let left = if width <= right_room { behind } else { before - width };
            if beside.claim(left, left + width) {
                shapes.push(Shape::text("red over", left, self.baseline(), size, &label));
            }
        }
        if self.lane.runs.is_empty() && self.lane.marks.is_empty() {
            let label = "never started";
            shapes.push(Shape::text("muted", self.scale.left + 6.0, self.baseline(), size, label));
        }
    }

    /// What the signals are called, in the strip: the last one to the right of its arrow, the others to the left.
    fn labels_above(&self, shapes: &mut Vec<Shape>) {
        let size = self.measure.label;
        let calls = self.calls();
        let mut strip = Row::new(self.scale.left, RIGHT);
        for call in &calls {
            strip.block(call.first - 1.0, call.last + 1.0);
        }
        for (i, call) in calls.iter().enumerate() {
            let label = call.label();
            let width = text::width(&label, size);
            let (before, behind) = (call.first - 6.0 - width, call.last + 6.0);
            let sides = if i + 1 == calls.len() { [behind, before] } else { [before, behind] };
            if let Some(left) = sides.into_iter().find(|&left| strip.claim(left, left + width)) {
                shapes.push(Shape::text(call.class, left, self.bar - 2.5, size, &label));
            }
        }
    }

    /// What is to be called by its name above the bar, in order.
    fn calls(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        for mark in &self.lane.marks {
            let x = self.scale.x(mark.at);
            let (class, word) = match mark.kind {
                Kind::Signal(signal) => ("signal over", signal.to_string()),
                Kind::Crash => ("crash over", "crash".to_owned()),
                Kind::Input(_) | Kind::NotStarted(_) => continue,
            };
            match calls.last_mut() {
                Some(call) if (x - call.last).abs() < NEAR && call.class == class => call.add(x, word),
                _ => calls.push(Call { class, first: x, last: x, words: vec![(word, 1)] }),
            }
        }
        calls
    }

    /// What is told of a run when the pointer is on it.
    fn story(&self, run: &Run) -> String {
        let mut story = self.lane.name.to_string();
        if let Some(pid) = run.pid {
            story += &format!(", process {pid}");
        }
        story += &format!("\nstarted at {}", scale::told(run.began));
        match run.exited {
            Some((at, exit)) => {
                let lived = scale::told(at.saturating_sub(run.began));
                story += &format!("\nended after {lived}, at {}: {exit}", scale::told(at));
            }
            None => story += "\nno end was seen",
        }
        if let Some(gone) = run.gone {
            story += &format!("\ngone with its group at {}", scale::told(gone));
        }
        story
    }
}

/// The bursts that are drawn as one.
struct Piece {
    column: f64,
    left: f64,
    burst: Burst,
    count: usize,
}

impl Piece {
    fn new(column: f64, left: f64, burst: &Burst) -> Self {
        Self { column, left, burst: Burst { ..*burst }, count: 1 }
    }

    fn add(&mut self, other: &Burst) {
        self.burst.bytes = self.burst.bytes.saturating_add(other.bytes);
        self.burst.lines = self.burst.lines.saturating_add(other.lines);
        self.burst.until = self.burst.until.max(other.until);
        self.count += 1;
    }
}

/// Some signals at nearly one place.
struct Call {
    class: &'static str,
    first: f64,
    last: f64,
    /// Each word, with how often it is said in a row.
    words: Vec<(String, usize)>,
}

impl Call {
    fn add(&mut self, x: f64, word: String) {
        self.first = self.first.min(x);
        self.last = self.last.max(x);
        match self.words.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => self.words.push((word, 1)),
        }
    }

    /// Three words at most. CONT goes along with every polite end, and is told only when it comes by itself.
    fn label(&self) -> String {
        let word = |(word, count): &(String, usize)| match count {
            1 => word.clone(),
            _ => format!("{word}×{count}"),
        };
        let is_told = |(word, _): &&(String, usize)| word != "CONT" || self.words.len() == 1;
        let told: Vec<String> = self.words.iter().filter(is_told).map(word).collect();
        let mut label = told.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
        if told.len() > 3 {
            label += " …";
        }
        label
    }
}

fn span(from: std::time::Duration, until: std::time::Duration) -> String {
    match (scale::told(from), scale::told(until)) {
        (from, until) if from == until => format!("at {from}"),
        (from, until) => format!("from {from} to {until}"),
    }
}
