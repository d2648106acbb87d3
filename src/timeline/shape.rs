//! The elements of a picture: a few kinds of shapes and the marks built from them, in plain numbers.

use std::f64::consts::TAU;

use super::style::{LEFT, RIGHT};
use super::text;
use crate::machine::Exit;

/// A picture with its shapes, from back to front.
pub(crate) struct Picture {
    pub(crate) title: String,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

/// A shape. Its class determines its style.
pub(crate) enum Shape {
    /// Shapes that belong together, with the text that a browser shows under the pointer.
    Group { class: &'static str, title: String, shapes: Vec<Self> },
    /// A rectangle with rounded corners.
    Rect { class: &'static str, bounds: Bounds, radius: f64 },
    /// A straight line.
    Line { class: &'static str, from: Point, to: Point },
    /// The area between these corners.
    Polygon { class: &'static str, corners: Vec<Point> },
    /// Many rectangles of the same class.
    Tiles { class: &'static str, tiles: Vec<Bounds> },
    /// A circle.
    Circle { class: &'static str, center: Point, radius: f64 },
    /// A line of text.
    Text(Text),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// A line of text at `x` on the line `baseline`.
pub(crate) struct Text {
    pub(crate) class: &'static str,
    pub(crate) x: f64,
    pub(crate) anchor: Anchor,
    pub(crate) baseline: f64,
    pub(crate) size: f64,
    pub(crate) text: String,
}

/// The part of a text that is at its position.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

pub(crate) fn at(x: f64, y: f64) -> Point {
    Point { x, y }
}

impl Bounds {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

impl Text {
    pub(crate) fn new(
        class: &'static str,
        anchor: Anchor,
        x: f64,
        baseline: f64,
        size: f64,
        text: &str,
    ) -> Self {
        Self { class, x, anchor, baseline, size, text: text::visible(text) }
    }

    /// Returns the greatest area that the text can cover, including descenders.
    pub(crate) fn bounds(&self) -> Bounds {
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

/// Shades every other lane of a picture.
pub(crate) fn stripes(lanes: usize, height: f64, top: f64, shapes: &mut Vec<Shape>) {
    for i in (0..lanes).step_by(2) {
        let top = top + height * i as f64;
        shapes.push(Shape::rect("stripe", LEFT - 8.0, top, RIGHT - LEFT + 16.0, height));
    }
}

impl Shape {
    pub(crate) fn group(class: &'static str, title: impl Into<String>, shapes: Vec<Self>) -> Self {
        Self::Group { class, title: title.into(), shapes }
    }

    pub(crate) fn rect(class: &'static str, left: f64, top: f64, width: f64, height: f64) -> Self {
        let bounds = Bounds { left, top, right: left + width, bottom: top + height };
        Self::Rect { class, bounds, radius: 0.0 }
    }

    pub(crate) fn round(
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

    pub(crate) fn line(class: &'static str, from: Point, to: Point) -> Self {
        Self::Line { class, from, to }
    }

    /// Returns text that begins at `left`.
    pub(crate) fn text(class: &'static str, left: f64, baseline: f64, size: f64, text: &str) -> Self {
        Self::Text(Text::new(class, Anchor::Start, left, baseline, size, text))
    }

    /// Returns text whose middle is at `center`.
    pub(crate) fn text_around(
        class: &'static str,
        center: f64,
        baseline: f64,
        size: f64,
        text: &str,
    ) -> Self {
        Self::Text(Text::new(class, Anchor::Middle, center, baseline, size, text))
    }

    /// Returns text that ends at `right`.
    pub(crate) fn text_until(class: &'static str, right: f64, baseline: f64, size: f64, text: &str) -> Self {
        Self::Text(Text::new(class, Anchor::End, right, baseline, size, text))
    }
}

/// Returns the mark of an exit: a circle for code 0, a square for another code, a diamond for a signal, a
/// ring for a lost status. Each kind of mark has its own form, so that none depends on its colour.
pub(crate) fn end(exit: Exit, center: Point, radius: f64) -> Shape {
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

/// Returns the mark of a run without an end: an arrowhead.
pub(crate) fn open_end(center: Point, radius: f64) -> Shape {
    let Point { x, y } = center;
    let corners = vec![at(x, y - radius), at(x + 1.3 * radius, y), at(x, y + radius)];
    Shape::Polygon { class: "end-open", corners }
}

/// Returns the mark of a signal: an arrow from above.
pub(crate) fn arrow(x: f64, top: f64, tip: f64) -> [Shape; 2] {
    let corners = vec![at(x - 3.2, tip - 5.5), at(x + 3.2, tip - 5.5), at(x, tip)];
    [
        Shape::line("signal-line thick", at(x, top), at(x, tip - 5.0)),
        Shape::Polygon { class: "signal", corners },
    ]
}

/// Returns the mark of input: a small wedge from below.
pub(crate) fn wedge(class: &'static str, x: f64, tip: f64, bottom: f64) -> Shape {
    Shape::Polygon { class, corners: vec![at(x, tip), at(x + 3.5, bottom), at(x - 3.5, bottom)] }
}

/// Returns the mark of a crash on purpose: a star.
pub(crate) fn star(center: Point, radius: f64) -> Shape {
    polygon("crash glow", center, 16, |i| if i % 2 == 0 { radius } else { 0.48 * radius })
}

/// Returns the mark of a failed start: a cross.
pub(crate) fn cross(center: Point, radius: f64) -> [Shape; 2] {
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
