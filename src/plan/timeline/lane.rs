//! One process: its name, its runs, what it printed, and what was done to it.
//!
//! From top to bottom a lane has a strip for signals and their names, the bar, and a gap for what was given to it.
//! Output is drawn inside of the bar: stdout up from its middle, stderr down.

mod labels;
mod output;

use std::iter;

use super::chart::{Chart, Kind, Lane, Mark, Run};
use super::layout::{LEFT, RIGHT};
use super::scale::{self, Scale};
use super::shape::{Point, Shape, at};
use super::words::counted;
use super::{marks, text};

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
    output::draw(&sketch, shapes);
    sketch.crashes(shapes);
    sketch.ends(shapes);
    sketch.marks(shapes);
    labels::draw(&sketch, shapes);
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
        for mark in self.lane.marks.iter().filter(|mark| matches!(mark.kind, Kind::Crash)) {
            let star = marks::star(self.center(self.scale.x(mark.at)), (0.62 * self.measure.bar).max(6.0));
            let title = format!("{} is killed on purpose\nat {}", self.lane.name, scale::told(mark.at));
            shapes.push(Shape::group("mark", title, vec![star]));
        }
    }

    /// Behind the ends of the bars, so that the last words of a process are not hidden.
    fn ends(&self, shapes: &mut Vec<Shape>) {
        let radius = self.measure.mark();
        for (run, _, right) in self.ended_runs() {
            let mark = match run.exited {
                Some((_, exit)) => marks::end(exit, self.center(right + radius + 1.0), radius),
                None => marks::open_end(self.center(right), radius),
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
                    let arrow = marks::arrow(x, self.top + 1.0, self.bar + 1.0);
                    (format!("{name} is sent {signal}\nat {time}"), Vec::from(arrow))
                }
                Kind::Input(bytes) => {
                    let (tip, bottom) = (self.bar + self.measure.bar - 3.0, self.top + self.measure.height);
                    let given = counted(*bytes, "byte");
                    (format!("{name} is given {given}\nat {time}"), vec![marks::wedge(x, tip, bottom)])
                }
                Kind::NotStarted(error) => {
                    let cross = marks::cross(self.center(x), self.measure.mark());
                    (format!("{name} cannot be started\nat {time}\n{error}"), Vec::from(cross))
                }
                // It is drawn already.
                Kind::Crash => continue,
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
