//! The forms of the marks. Each kind has its own, so that none needs its colour to be known.

use std::f64::consts::TAU;

use super::shape::{Point, Shape, at};
use crate::machine::Exit;

/// How a run ended: a circle for code 0, a square for another code, a diamond for a signal, a ring for an end that
/// nobody knows.
pub(super) fn end(exit: Exit, center: Point, radius: f64) -> Shape {
    match exit {
        Exit::Code(0) => Shape::Circle { class: "good glow", center, radius },
        Exit::Code(_) => {
            let side = 1.8 * radius;
            Shape::round("end-code glow", center.x - side / 2.0, center.y - side / 2.0, side, side, 1.0)
        }
        Exit::Signal { .. } => polygon("signal glow", center, 4, |_| 1.25 * radius),
        Exit::Lost => Shape::Circle { class: "surface open", center, radius },
    }
}

/// A run that goes on: an arrowhead.
pub(super) fn open_end(center: Point, radius: f64) -> Shape {
    let Point { x, y } = center;
    let corners = vec![at(x, y - radius), at(x + 1.3 * radius, y), at(x, y + radius)];
    Shape::Polygon { class: "end-open", corners }
}

/// A signal: an arrow from above.
pub(super) fn arrow(x: f64, top: f64, tip: f64) -> [Shape; 2] {
    let corners = vec![at(x - 3.2, tip - 5.5), at(x + 3.2, tip - 5.5), at(x, tip)];
    [
        Shape::line("signal-line thick", at(x, top), at(x, tip - 5.0)),
        Shape::Polygon { class: "signal", corners },
    ]
}

/// Input: a small wedge from below.
pub(super) fn wedge(x: f64, tip: f64, bottom: f64) -> Shape {
    Shape::Polygon { class: "input", corners: vec![at(x, tip), at(x + 3.5, bottom), at(x - 3.5, bottom)] }
}

/// A crash on purpose: a star.
pub(super) fn star(center: Point, radius: f64) -> Shape {
    polygon("crash glow", center, 16, |i| if i % 2 == 0 { radius } else { 0.48 * radius })
}

/// A start that failed: a cross.
pub(super) fn cross(center: Point, radius: f64) -> [Shape; 2] {
    let Point { x, y } = center;
    [
        Shape::line("red-line thick", at(x - radius, y - radius), at(x + radius, y + radius)),
        Shape::line("red-line thick", at(x - radius, y + radius), at(x + radius, y - radius)),
    ]
}

fn polygon(class: &'static str, center: Point, corners: usize, radius: impl Fn(usize) -> f64) -> Shape {
    let corner = |i: usize| {
        let (sine, cosine) = (TAU * i as f64 / corners as f64).sin_cos();
        at(center.x + radius(i) * sine, center.y - radius(i) * cosine)
    };
    Shape::Polygon { class, corners: (0..corners).map(corner).collect() }
}
