//! What a picture is made of: a few kinds of shape, in numbers, before anything is written.

use std::f64::consts::TAU;

use super::text;
use crate::machine::Exit;

/// A picture and everything in it, from back to front.
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

/// One shape. Its class says how it looks; see `style`.
pub(super) enum Shape {
    /// Some shapes that belong together, and what a browser tells when the pointer is on one of them.
    Group { class: &'static str, title: String, shapes: Vec<Self> },
    /// A rectangle with round corners.
    Rect { class: &'static str, bounds: Bounds, radius: f64 },
    /// A straight line.
    Line { class: &'static str, from: Point, to: Point },
    /// An area between these corners.
    Polygon { class: &'static str, corners: Vec<Point> },
    /// A circle.
    Circle { class: &'static str, center: Point, radius: f64 },
    /// One line of text.
    Text(Text),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// A line of text at `x` on the line `baseline`.
pub(super) struct Text {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) anchor: Anchor,
    pub(super) baseline: f64,
    pub(super) size: f64,
    pub(super) text: String,
}

/// Which part of a text is at its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) fn at(x: f64, y: f64) -> Point {
    Point { x, y }
}

impl Bounds {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

impl Text {
    pub(super) fn new(
        class: &'static str,
        anchor: Anchor,
        x: f64,
        baseline: f64,
        size: f64,
        text: &str,
    ) -> Self {
        Self { class, x, anchor, baseline, size, text: text::visible(text) }
    }

    /// What it covers at most, with what goes below the line.
    pub(super) fn bounds(&self) -> Bounds {
        let width = text::width(&self.text, self.size);
        let left = match self.anchor {
            Anchor::Start => self.x,
            Anchor::Middle => self.x - width / 2.0,
            Anchor::End => self.x - width,
        };
        let (top, bottom) = (self.baseline - 0.8 * self.size, self.baseline + 0.24 * self.size);
        Bounds { left, top, right: left + width, bottom }
    }
}

impl Shape {
    pub(super) fn group(class: &'static str, title: impl Into<String>, shapes: Vec<Self>) -> Self {
        Self::Group { class, title: title.into(), shapes }
    }

    pub(super) fn rect(class: &'static str, left: f64, top: f64, width: f64, height: f64) -> Self {
        let bounds = Bounds { left, top, right: left + width, bottom: top + height };
        Self::Rect { class, bounds, radius: 0.0 }
    }

    pub(super) fn round(
        class: &'static str,
        left: f64,
        top: f64,
        width: f64,
        height: f64,
        radius: f64,
    ) -> Self {
        let bounds = Bounds { left, top, right: left + width, bottom: top + height };
        Self::Rect { class, bounds, radius: radius.min(width / 2.0).min(height / 2.0) }
    }

    pub(super) fn line(class: &'static str, from: Point, to: Point) -> Self {
        Self::Line { class, from, to }
    }

    /// Text that begins at `left`.
    pub(super) fn text(class: &'static str, left: f64, baseline: f64, size: f64, text: &str) -> Self {
        Self::Text(Text::new(class, Anchor::Start, left, baseline, size, text))
    }

    /// Text with its middle at `center`.
    pub(super) fn text_around(
        class: &'static str,
        center: f64,
        baseline: f64,
        size: f64,
        text: &str,
    ) -> Self {
        Self::Text(Text::new(class, Anchor::Middle, center, baseline, size, text))
    }

    /// Text that ends at `right`.
    pub(super) fn text_until(class: &'static str, right: f64, baseline: f64, size: f64, text: &str) -> Self {
        Self::Text(Text::new(class, Anchor::End, right, baseline, size, text))
    }
}

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
pub(super) fn wedge(class: &'static str, x: f64, tip: f64, bottom: f64) -> Shape {
    Shape::Polygon { class, corners: vec![at(x, tip), at(x + 3.5, bottom), at(x - 3.5, bottom)] }
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
