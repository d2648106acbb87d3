//! One process: its name, its runs, what it printed, and what was done to it.
//!
//! From top to bottom a lane has a strip for signals and their names, the bar, and a gap for what was given to it.
//! Output is drawn inside of the bar: stdout up from its middle, stderr down.

use std::iter;
use std::time::Duration;

use super::chart::{Burst, Chart, Kind, Lane, Mark, Run};
use super::scale::{self, Scale};
use super::shape::{self, Point, Shape, at};
use super::style::{LEFT, RIGHT};
use super::text::{self, Row, counted, end};
use crate::machine::{Exit, SpawnError, Stream};

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
        let height = (720.0 / lanes.max(1) as f64).round().clamp(24.0, 38.0);
        let (name, label) = if height < 28.0 { (10.0, 8.5) } else { (12.0, 10.0) };
        let strip = label + 2.0;
        Self { height, name, label, strip, bar: (0.86 * height - strip).round() }
    }

    /// The radius of a mark.
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

/// The lane that begins at `top`.
pub(super) fn draw(lane: &Lane<'_>, measure: &Measure, scale: &Scale, top: f64, shapes: &mut Vec<Shape>) {
    let name = text::cut_middle(lane.name, measure.name, scale.left - LEFT - 12.0);
    let sketch = Sketch { lane, measure, scale, top, bar: top + measure.strip };
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

    fn center(&self, x: f64) -> Point {
        at(x, self.middle())
    }

    /// The line on which text beside or on the bar stands.
    fn baseline(&self) -> f64 {
        self.middle() + 0.35 * self.measure.label
    }

    /// Each run with the places where it begins and ends: at its exit, at the next start, or at the end of the picture.
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

    /// The bars, with a thin tail as long as something of the group is left.
    fn runs(&self, shapes: &mut Vec<Shape>) {
        for (run, left, right) in self.ended_runs() {
            let mut parts = Vec::new();
            let tail = run.gone.map_or(right, |gone| self.scale.x(gone)).max(right);
            if tail - right >= 1.0 {
                parts.push(Shape::rect("tail", right, self.middle() - 1.5, tail - right, 3.0));
            }
            parts.push(Shape::round("bar", left, self.bar, (right - left).max(1.0), self.measure.bar, 2.5));
            shapes.push(Shape::group("run", self.story(run), parts));
        }
    }

    /// Below the ends, so that the end that a crash leads to is seen on it.
    fn crashes(&self, shapes: &mut Vec<Shape>) {
        for mark in self.lane.marks.iter().filter(|mark| matches!(mark.kind, Kind::Crash(_))) {
            let star = shape::star(self.center(self.scale.x(mark.at)), (0.62 * self.measure.bar).max(6.0));
            let title = format!("{} is killed on purpose\nat {}", self.lane.name, scale::told(mark.at));
            shapes.push(Shape::group("mark", title, vec![star]));
        }
    }

    /// Behind the ends of the bars, so that the last words of a process are not hidden.
    fn ends(&self, shapes: &mut Vec<Shape>) {
        let radius = self.measure.mark();
        for (run, _, right) in self.ended_runs() {
            let mark = match run.exited {
                Some((_, exit)) => shape::end(exit, self.center(right + radius + 1.0), radius),
                None => shape::open_end(self.center(right), radius),
            };
            shapes.push(Shape::group("mark", self.story(run), vec![mark]));
        }
    }

    fn marks(&self, shapes: &mut Vec<Shape>) {
        let name = self.lane.name;
        for Mark { at, kind } in &self.lane.marks {
            let (x, time) = (self.scale.x(*at), scale::told(*at));
            let (title, parts) = match kind {
                Kind::Signal(signal) => {
                    let arrow = shape::arrow(x, self.top + 1.0, self.bar + 1.0);
                    (format!("{name} is sent {signal}\nat {time}"), Vec::from(arrow))
                }
                Kind::Input(bytes) => {
                    let (tip, bottom) = (self.bar + self.measure.bar - 3.0, self.top + self.measure.height);
                    let given = counted(*bytes, "byte");
                    (
                        format!("{name} is given {given}\nat {time}"),
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
                // It is drawn already.
                Kind::Crash(_) => continue,
            };
            shapes.push(Shape::group("mark", title, parts));
        }
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

/// Signals nearer than this share one label.
const NEAR: f64 = 14.0;

/// How far a label is from its mark.
const BESIDE: f64 = 5.0;

fn draw_labels(sketch: &Sketch<'_>, shapes: &mut Vec<Shape>) {
    let mut beside = Row::new(sketch.scale.left, RIGHT);
    for (run, left, right) in sketch.ended_runs() {
        beside.block(left, sketch.behind(run, right) - 1.0);
    }
    ends(sketch, &mut beside, shapes);
    for mark in &sketch.lane.marks {
        if let Kind::NotStarted(error) = mark.kind {
            not_started(sketch, sketch.scale.x(mark.at), error, &mut beside, shapes);
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

/// How each run ended, behind its bar, or else on it.
fn ends(sketch: &Sketch<'_>, beside: &mut Row, shapes: &mut Vec<Shape>) {
    let mut inside = Row::new(sketch.scale.left, sketch.scale.right);
    for (run, left, right) in sketch.ended_runs() {
        let (class, label) = words(run);
        let width = text::width(&label, sketch.measure.label);
        let behind = sketch.behind(run, right) + BESIDE;
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

/// Why a start failed, to the right of its mark, or to the left if there is more room.
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

/// What the signals are called: the last one to the right of its arrow, the others to the left.
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
        let sides = if i + 1 == calls.len() { [behind, before] } else { [before, behind] };
        if let Some(left) = sides.into_iter().find(|&left| strip.claim(left, left + width)) {
            shapes.push(Shape::text(call.class, left, sketch.bar - 2.5, size, &label));
        }
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
    /// All that is to be called by its name in a lane, in order.
    fn all(sketch: &Sketch<'_>) -> Vec<Self> {
        let mut calls: Vec<Self> = Vec::new();
        for mark in &sketch.lane.marks {
            let x = sketch.scale.x(mark.at);
            let (class, word) = match mark.kind {
                Kind::Signal(signal) => ("signal over", signal.to_string()),
                Kind::Crash(_) => ("crash over", "crash".to_owned()),
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

    /// Three words at most. CONT goes along with every polite end, and is told only when it comes by itself.
    fn label(&self) -> String {
        let is_told = |(word, _): &&(String, usize)| word != "CONT" || self.words.len() == 1;
        let mut told = self.words.iter().filter(is_told).map(|(word, count)| match count {
            1 => word.clone(),
            _ => format!("{word}×{count}"),
        });
        let label = told.by_ref().take(3).collect::<Vec<_>>().join(" ");
        if told.next().is_some() { label + " …" } else { label }
    }
}

/// Bursts that begin in one such piece of the bar are drawn as one.
const PIECE: f64 = 2.6;

/// The width of a tick, if the burst took no longer.
const TICK: f64 = 1.8;

fn draw_output(sketch: &Sketch<'_>, shapes: &mut Vec<Shape>) {
    for stream in Stream::BOTH {
        let mut ticks: Vec<Tick> = Vec::new();
        for burst in sketch.lane.bursts.iter().filter(|burst| burst.stream == stream) {
            let left = sketch.scale.x(burst.from).min(sketch.scale.right - TICK);
            let piece = ((left - sketch.scale.left) / PIECE).floor();
            match ticks.last_mut() {
                Some(tick) if tick.piece == piece => tick.add(burst),
                _ => ticks.push(Tick { piece, left, burst: *burst, count: 1 }),
            }
        }
        shapes.extend(ticks.iter().map(|tick| tick.shape(sketch)));
    }
}

/// The bursts that are drawn as one.
struct Tick {
    /// Which piece of the bar it is in.
    piece: f64,
    left: f64,
    /// All of them together.
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

    /// It is the higher, the more was printed: ten thousand bytes are twice as high as a hundred, and as high as the
    /// bar has room.
    fn shape(&self, sketch: &Sketch<'_>) -> Shape {
        let Burst { stream, until, bytes, .. } = self.burst;
        let half = sketch.measure.bar / 2.0 - 1.0;
        let height = half * ((bytes as f64 + 1.0).log10() / 4.0).clamp(0.3, 1.0);
        let width = (sketch.scale.x(until) - self.left).max(TICK);
        let shape = match stream {
            Stream::Stdout => Shape::rect("stdout", self.left, sketch.middle() - height, width, height),
            Stream::Stderr => Shape::rect("stderr", self.left, sketch.middle(), width, height),
        };
        Shape::group("mark", format!("{} on {}", sketch.lane.name, self.story()), vec![shape])
    }

    fn story(&self) -> String {
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
    match (scale::told(from), scale::told(until)) {
        (from, until) if from == until => format!("at {from}"),
        (from, until) => format!("from {from} to {until}"),
    }
}
