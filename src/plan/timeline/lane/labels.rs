//! The words in a lane: how each run ended, beside the bar, and what the signals are called, above it.
//!
//! A word for which there is no room is left out. The mark is there, and tells it where the pointer is.

use super::Sketch;
use crate::machine::{Exit, SpawnError};
use crate::plan::timeline::chart::{Kind, Run};
use crate::plan::timeline::layout::RIGHT;
use crate::plan::timeline::room::Row;
use crate::plan::timeline::shape::Shape;
use crate::plan::timeline::text;
use crate::plan::timeline::words::end;

/// Signals nearer than this share one label.
const NEAR: f64 = 14.0;

/// How far a label is from its mark.
const GAP: f64 = 5.0;

pub(super) fn draw(sketch: &Sketch<'_>, shapes: &mut Vec<Shape>) {
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
        let left = sketch.scale.left + GAP;
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
        let behind = sketch.behind(run, right) + GAP;
        let before = right - GAP - width;
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
    let away = sketch.measure.mark() + GAP;
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
        let (before, behind) = (call.first - GAP - 1.0 - width, call.last + GAP + 1.0);
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
                Kind::Crash => ("crash over", "crash".to_owned()),
                Kind::Input(_) | Kind::NotStarted(_) => continue,
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
