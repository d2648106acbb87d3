//! The lane of a process: its name, its runs, its output, and what was done to it.
//!
//! From top to bottom a lane has a strip for signals and their names, the bar, and a gap for input. Output is
//! drawn inside the bar: stdout upwards from its middle, stderr downwards.

use std::iter;
use std::time::Duration;

use super::chart::{Burst, Kind, Lane, Mark, Run};
use crate::machine::{Exit, SpawnError, Stream};
use crate::timeline::scale::{self, Scale};
use crate::timeline::shape::{self, Point, Shape, at};
use crate::timeline::style::{LEFT, RIGHT};
use crate::timeline::text::{self, Row, counted, end};

/// The least width of a run.
const SHORTEST: f64 = 5.0;

/// The dimensions of a lane and its parts. The more lanes there are, the lower they are.
pub(super) struct Measure {
    pub(super) height: f64,
    /// The font size of the name.
    pub(super) name: f64,
    /// The font size of all other text.
    label: f64,
    strip: f64,
    bar: f64,
}

impl Measure {
    pub(super) fn new(lanes: usize) -> Self {
        let height = (720.0 / lanes.max(1) as f64).round().clamp(24.0, 38.0);
        let (name, label) = if height < 28.0 { (10.0, 8.5) } else { (12.0, 10.0) };
        let strip = label + 2.0;
        Self { height, name, label, strip, bar: (0.86 * height - strip).round() }
    }

    /// Returns the radius of a mark.
    fn mark(&self) -> f64 {
        (0.36 * self.bar).max(3.2)
    }

    /// Returns the radius of the star of a crash.
    fn star(&self) -> f64 {
        (0.55 * self.bar).max(6.0)
    }
}

/// Draws a lane at `top`.
pub(super) fn draw(lane: &Lane<'_>, measure: &Measure, scale: &Scale, top: f64, shapes: &mut Vec<Shape>) {
    let name = text::cut_middle(lane.name, measure.name, scale.left - LEFT - 12.0);
    let places = places(lane, measure, scale);
    let sketch = Sketch { lane, measure, scale, top, bar: top + measure.strip, places };
    let baseline = sketch.middle() + 0.35 * measure.name;
    let look = if lane.has_failed { "red bold" } else { "ink" };
    let name = Shape::text(look, LEFT, baseline, measure.name, &name);
    shapes.push(Shape::group("name", &**lane.name, vec![name]));
    sketch.runs(shapes);
    draw_output(&sketch, shapes);
    sketch.crashes(shapes);
    sketch.ends(shapes);
    sketch.marks(shapes);
    draw_labels(&sketch, shapes);
}

/// A lane with its position.
struct Sketch<'c> {
    lane: &'c Lane<'c>,
    measure: &'c Measure,
    scale: &'c Scale,
    top: f64,
    /// The top of the bar.
    bar: f64,
    /// The left and right end of each run.
    places: Vec<(f64, f64)>,
}

/// Returns the left and right end of each run. It ends at its exit, at the next start, or at the end of the
/// picture. A run that would be too short to see is widened, and then its successor is moved to the right.
fn places(lane: &Lane<'_>, measure: &Measure, scale: &Scale) -> Vec<(f64, f64)> {
    let next = lane.runs.iter().skip(1).map(|run| run.began).map(Some).chain(iter::once(None));
    let mut free = scale.left;
    let places = lane.runs.iter().zip(next).enumerate().map(|(i, (run, next))| {
        let left = scale.x(run.began).max(free).min(scale.right);
        let right = match (run.exited, next) {
            (Some((exited, _)), _) => scale.x(exited),
            (None, Some(next)) => scale.x(next),
            (None, None) => run.gone.map_or(scale.right, |gone| scale.x(gone)),
        };
        let right = right.max(left + SHORTEST);
        free = right + 2.0 * if lane.was_crashed(i) { measure.star() } else { measure.mark() } + 2.0;
        (left, right)
    });
    places.collect()
}

impl Sketch<'_> {
    fn middle(&self) -> f64 {
        self.bar + self.measure.bar / 2.0
    }

    fn center(&self, x: f64) -> Point {
        at(x, self.middle())
    }

    /// Returns the baseline of text beside or on the bar.
    fn baseline(&self) -> f64 {
        self.middle() + 0.35 * self.measure.label
    }

    /// Returns each run with its left and right end.
    fn placed_runs(&self) -> impl Iterator<Item = (&Run, f64, f64)> {
        self.lane.runs.iter().zip(&self.places).map(|(run, &(left, right))| (run, left, right))
    }

    /// Returns the position of a time, not to the left of the run in progress, which may have been moved.
    fn x(&self, at: Duration) -> f64 {
        let left = self.lane.run_at(at).map_or(self.scale.left, |run| self.places[run].0);
        self.scale.x(at).max(left)
    }

    /// Returns the right end of everything that is drawn for a run.
    fn behind(&self, i: usize) -> f64 {
        let run = &self.lane.runs[i];
        let mark = 2.0 * self.end_mark(i) - self.places[i].1 - 1.0;
        run.gone.map_or(mark, |gone| self.scale.x(gone).max(mark))
    }

    /// Draws the bars, with a thin tail while descendants are left.
    fn runs(&self, shapes: &mut Vec<Shape>) {
        for (run, left, right) in self.placed_runs() {
            let mut parts = Vec::new();
            let tail = run.gone.map_or(right, |gone| self.scale.x(gone)).max(right);
            if tail - right >= 1.0 {
                parts.push(Shape::rect("tail", right, self.middle() - 1.5, tail - right, 3.0));
            }
            parts.push(Shape::round("bar", left, self.bar, right - left, self.measure.bar, 2.5));
            shapes.push(Shape::group("run", self.description(run), parts));
        }
    }

    /// Draws the crashes, below the ends, so that the end caused by a crash is visible on top.
    fn crashes(&self, shapes: &mut Vec<Shape>) {
        for mark in &self.lane.marks {
            let Kind::Crash(point) = mark.kind else { continue };
            let x = match self.lane.run_at(mark.at) {
                Some(run) if self.lane.runs[run].exited.is_some() => self.end_mark(run),
                Some(_) | None => self.x(mark.at),
            };
            let star = shape::star(self.center(x), self.measure.star());
            let (name, time) = (self.lane.name, scale::format_time(mark.at));
            let title = format!("{name} is killed on purpose, at the crash point {point}\nat {time}");
            shapes.push(Shape::group("mark", title, vec![star]));
        }
    }

    /// Returns the centre of the mark of the end of a run, behind its bar.
    fn end_mark(&self, run: usize) -> f64 {
        let radius = if self.lane.was_crashed(run) { self.measure.star() } else { self.measure.mark() };
        self.places[run].1 + radius + 1.0
    }

    /// Draws the ends, behind the bars, so that they do not hide the last output of a process.
    fn ends(&self, shapes: &mut Vec<Shape>) {
        let radius = self.measure.mark();
        for (i, (run, _, right)) in self.placed_runs().enumerate() {
            let mark = match run.exited {
                // Smaller than the star of a crash, which is below it.
                Some((_, exit)) if self.lane.was_crashed(i) => {
                    shape::end(exit, self.center(self.end_mark(i)), 0.5 * radius)
                }
                Some((_, exit)) => shape::end(exit, self.center(self.end_mark(i)), radius),
                None => shape::open_end(self.center(right), radius),
            };
            shapes.push(Shape::group("mark", self.description(run), vec![mark]));
        }
    }

    fn marks(&self, shapes: &mut Vec<Shape>) {
        let name = self.lane.name;
        for Mark { at, kind } in &self.lane.marks {
            let (x, time) = (self.x(*at), scale::format_time(*at));
            let (title, parts) = match kind {
                Kind::Signal(signal) => {
                    let arrow = shape::arrow(x, self.top + 1.0, self.bar + 1.0);
                    (format!("{name} is sent {signal}\nat {time}"), Vec::from(arrow))
                }
                Kind::Input(bytes) => {
                    let (tip, bottom) = (self.bar + self.measure.bar - 3.0, self.top + self.measure.height);
                    let given = counted(*bytes, "byte");
                    (
                        format!("{name} is sent {given}\nat {time}"),
                        vec![shape::wedge("input", x, tip, bottom)],
                    )
                }
                Kind::LostInput(bytes) => {
                    let (tip, bottom) = (self.bar + self.measure.bar - 3.0, self.top + self.measure.height);
                    let lost = counted(*bytes, "byte");
                    let title = format!("{name} does not get {lost}, because it is killed\nat {time}");
                    (title, vec![shape::wedge("surface open", x, tip, bottom)])
                }
                Kind::NotStarted(error) => {
                    let cross = shape::cross(self.center(x), self.measure.mark());
                    (format!("{name} cannot be started\nat {time}\n{error}"), Vec::from(cross))
                }
                // Drawn by `crashes`.
                Kind::Crash(_) => continue,
            };
            shapes.push(Shape::group("mark", title, parts));
        }
    }

    /// Returns the description of a run for the pointer.
    fn description(&self, run: &Run) -> String {
        let mut description = self.lane.name.to_string();
        if let Some(pid) = run.pid {
            description += &format!(", process {pid}");
        }
        description += &format!("\nstarted at {}", scale::format_time(run.began));
        match run.exited {
            Some((at, exit)) => {
                let lifetime = scale::format_time(at.saturating_sub(run.began));
                description += &format!("\nended after {lifetime}, at {}: {exit}", scale::format_time(at));
            }
            None => description += "\nno end was seen",
        }
        if let Some(gone) = run.gone {
            description += &format!("\ngone with its descendants at {}", scale::format_time(gone));
        }
        description
    }
}

/// The greatest distance between signals that share a label.
const NEAR: f64 = 14.0;

/// The class of the label of a crash.
const CRASH: &str = "crash over";

/// The distance between a label and its mark.
const BESIDE: f64 = 5.0;

fn draw_labels(sketch: &Sketch<'_>, shapes: &mut Vec<Shape>) {
    let mut beside = Row::new(sketch.scale.left, RIGHT);
    for (i, (left, _)) in sketch.places.iter().enumerate() {
        beside.block(*left, sketch.behind(i) - 1.0);
    }
    ends(sketch, &mut beside, shapes);
    for mark in &sketch.lane.marks {
        if let Kind::NotStarted(error) = mark.kind {
            not_started(sketch, sketch.x(mark.at), error, &mut beside, shapes);
        }
    }
    if sketch.lane.runs.is_empty() && sketch.lane.marks.is_empty() {
        let left = sketch.scale.left + BESIDE;
        shapes.push(sketch.label("muted", left, "never started"));
    }
    calls(sketch, shapes);
}

impl Sketch<'_> {
    fn label(&self, class: &'static str, left: f64, label: &str) -> Shape {
        Shape::text(class, left, self.baseline(), self.measure.label, label)
    }
}

/// Draws the label of each end, behind the bar, or on it if there is no room behind.
fn ends(sketch: &Sketch<'_>, beside: &mut Row, shapes: &mut Vec<Shape>) {
    let mut inside = Row::new(sketch.scale.left, sketch.scale.right);
    for (i, (run, left, right)) in sketch.placed_runs().enumerate() {
        let (class, label) = words(run);
        let width = text::width(&label, sketch.measure.label);
        let behind = sketch.behind(i) + BESIDE;
        let before = right - BESIDE - width;
        if beside.claim(behind, behind + width) {
            shapes.push(sketch.label(class, behind, &label));
        } else if before >= left + 2.0 && inside.claim(before, before + width) {
            shapes.push(sketch.label(class, before, &label));
        }
    }
}

fn words(run: &Run) -> (&'static str, String) {
    match run.exited {
        Some((_, exit @ Exit::Code(0))) => ("muted over", end(exit)),
        Some((_, exit @ Exit::Code(_))) => ("end-code bold over", end(exit)),
        Some((_, exit @ (Exit::Signal { .. } | Exit::Lost))) => ("ink over", end(exit)),
        None => ("muted over", "still there".to_owned()),
    }
}

/// Draws the reason of a failed start, to the right of its mark, or to the left if there is more room.
fn not_started(sketch: &Sketch<'_>, x: f64, error: &SpawnError, beside: &mut Row, shapes: &mut Vec<Shape>) {
    let size = sketch.measure.label;
    let away = sketch.measure.mark() + BESIDE;
    let (on_left, on_right) = (beside.room_left_of(x - away), beside.room_right_of(x + away));
    let Some(label) = text::cut(&format!("not started: {error}"), size, on_left.max(on_right)) else {
        return;
    };
    let width = text::width(&label, size);
    let left = if width <= on_right { x + away } else { x - away - width };
    if beside.claim(left, left + width) {
        shapes.push(sketch.label("red over", left, &label));
    }
}

/// Draws the names of signals: the last one to the right of its arrow, the others to the left.
fn calls(sketch: &Sketch<'_>, shapes: &mut Vec<Shape>) {
    let size = sketch.measure.label;
    let calls = Call::all(sketch);
    let mut strip = Row::new(sketch.scale.left, RIGHT);
    for call in &calls {
        strip.block(call.first - 1.0, call.last + 1.0);
    }
    for (i, call) in calls.iter().enumerate() {
        let label = call.label();
        let width = text::width(&label, size);
        let (before, behind) = (call.first - BESIDE - 1.0 - width, call.last + BESIDE + 1.0);
        // What follows the last signal, and a crash, is rarely crowded.
        let is_last = i + 1 == calls.len() || call.class == CRASH;
        let sides = if is_last { [behind, before] } else { [before, behind] };
        if let Some(left) = sides.into_iter().find(|&left| strip.claim(left, left + width)) {
            shapes.push(Shape::text(call.class, left, sketch.bar - 2.5, size, &label));
        }
    }
}

/// Signals at almost the same position.
struct Call {
    class: &'static str,
    first: f64,
    last: f64,
    /// The names of the signals in order, each with its number of repetitions in a row.
    words: Vec<(String, usize)>,
}

impl Call {
    /// Returns the groups of labelled marks of a lane, in order.
    fn all(sketch: &Sketch<'_>) -> Vec<Self> {
        let mut calls: Vec<Self> = Vec::new();
        for mark in &sketch.lane.marks {
            let x = sketch.x(mark.at);
            let (class, word) = match mark.kind {
                Kind::Signal(signal) => ("signal over", signal.to_string()),
                Kind::Crash(point) => (CRASH, format!("killed on purpose at {point}")),
                Kind::Input(_) | Kind::LostInput(_) | Kind::NotStarted(_) => continue,
            };
            match calls.last_mut() {
                Some(call) if (x - call.last).abs() < NEAR && call.class == class => call.add(x, word),
                _ => calls.push(Self { class, first: x, last: x, words: vec![(word, 1)] }),
            }
        }
        calls
    }

    fn add(&mut self, x: f64, word: String) {
        self.first = self.first.min(x);
        self.last = self.last.max(x);
        match self.words.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => self.words.push((word, 1)),
        }
    }

    /// Returns up to three names. CONT accompanies every stop, and is omitted unless it is alone.
    fn label(&self) -> String {
        let is_shown = |(word, _): &&(String, usize)| word != "CONT" || self.words.len() == 1;
        let mut names = self.words.iter().filter(is_shown).map(|(word, count)| match count {
            1 => word.clone(),
            _ => format!("{word}×{count}"),
        });
        let label = names.by_ref().take(3).collect::<Vec<_>>().join(" ");
        if names.next().is_some() { label + " …" } else { label }
    }
}

/// The width of a piece of the bar within which bursts are merged.
const PIECE: f64 = 2.6;

/// The least width of a tick.
const TICK: f64 = 1.8;

fn draw_output(sketch: &Sketch<'_>, shapes: &mut Vec<Shape>) {
    for stream in Stream::BOTH {
        let mut ticks: Vec<Tick> = Vec::new();
        for burst in sketch.lane.bursts.iter().filter(|burst| burst.stream == stream) {
            let left = sketch.x(burst.from).min(sketch.scale.right - TICK);
            let piece = ((left - sketch.scale.left) / PIECE).floor();
            match ticks.last_mut() {
                Some(tick) if tick.piece == piece => tick.add(burst),
                _ => ticks.push(Tick { piece, left, burst: *burst, count: 1 }),
            }
        }
        shapes.extend(ticks.iter().map(|tick| tick.shape(sketch)));
    }
}

/// Bursts that are drawn as one.
struct Tick {
    /// The index of the piece of the bar.
    piece: f64,
    left: f64,
    /// The sum of the bursts.
    burst: Burst,
    count: usize,
}

impl Tick {
    fn add(&mut self, other: &Burst) {
        self.burst.bytes = self.burst.bytes.saturating_add(other.bytes);
        self.burst.lines = self.burst.lines.saturating_add(other.lines);
        self.burst.until = self.burst.until.max(other.until);
        self.count += 1;
    }

    /// Draws the tick. Its height grows with the logarithm of the bytes: ten thousand bytes are twice as high
    /// as a hundred, up to the height of the bar.
    fn shape(&self, sketch: &Sketch<'_>) -> Shape {
        let Burst { stream, until, bytes, .. } = self.burst;
        let half = sketch.measure.bar / 2.0 - 1.0;
        let height = half * ((bytes as f64 + 1.0).log10() / 4.0).clamp(0.3, 1.0);
        let width = (sketch.scale.x(until) - self.left).max(TICK);
        let shape = match stream {
            Stream::Stdout => Shape::rect("stdout", self.left, sketch.middle() - height, width, height),
            Stream::Stderr => Shape::rect("stderr", self.left, sketch.middle(), width, height),
        };
        Shape::group("mark", format!("{} on {}", sketch.lane.name, self.description()), vec![shape])
    }

    fn description(&self) -> String {
        let Burst { stream, from, until, bytes, lines } = self.burst;
        let (bytes, lines) = (counted(bytes, "byte"), counted(lines, "line"));
        let bursts = match self.count {
            1 => String::new(),
            count => format!(" in {}", counted(count, "burst")),
        };
        format!("{stream}: {bytes}, {lines}{bursts}\n{}", span(from, until))
    }
}

fn span(from: Duration, until: Duration) -> String {
    match (scale::format_time(from), scale::format_time(until)) {
        (from, until) if from == until => format!("at {from}"),
        (from, until) => format!("from {from} to {until}"),
    }
}
