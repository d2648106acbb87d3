//! What a process printed: ticks inside of its bar, stdout up from its middle, stderr down.
//!
//! Bursts that nobody could tell apart are drawn as one. So a process that never stops printing does not make a picture
//! that never ends.

use std::time::Duration;

use super::Sketch;
use crate::machine::Stream;
use crate::plan::timeline::chart::Burst;
use crate::plan::timeline::scale;
use crate::plan::timeline::shape::Shape;
use crate::plan::timeline::words::counted;

/// Bursts that begin in one such piece of the bar are drawn as one.
const PIECE: f64 = 2.6;

/// The width of a tick, if the burst took no longer.
const TICK: f64 = 1.8;

pub(super) fn draw(sketch: &Sketch<'_>, shapes: &mut Vec<Shape>) {
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
