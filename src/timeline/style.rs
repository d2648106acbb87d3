//! The parts of a style that all pictures have: the size, the text, and the colours of the ground.
//!
//! No information is in a colour alone: each kind of mark has its own form or its own place. Two kinds side
//! by side differ in lightness or are blue and orange, which most people can distinguish. Red is reserved for
//! failures.
//!
//! The colours are written out for both kinds of pages, since many viewers do not support CSS variables. Each
//! rule begins with the class of the whole picture, so that it does not affect the page that contains the
//! picture.

use std::fmt::Write;

/// The width of a picture.
pub(crate) const WIDTH: f64 = 1200.0;

/// The margin on each side.
pub(crate) const MARGIN: f64 = 24.0;

/// The left and right limits of everything except the stripes of the lanes.
pub(crate) const LEFT: f64 = MARGIN;
pub(crate) const RIGHT: f64 = WIDTH - MARGIN;

/// The greatest width of names; longer ones lose their middle.
pub(crate) const NAMES: f64 = 230.0;

/// The height of all lanes above which the times are repeated below them.
pub(crate) const TALL: f64 = 640.0;

/// The height of the axis, and its font size.
pub(crate) const AXIS: f64 = 20.0;
pub(crate) const AXIS_SIZE: f64 = 11.0;

/// A rule that is the same on light and dark pages: selector and declarations.
pub(crate) type Form = (&'static str, &'static str);

/// A colour: selector, property, colour on a light page, colour on a dark page.
pub(crate) type Color = (&'static str, &'static str, &'static str, &'static str);

/// The style of a kind of pictures.
pub(crate) struct Sheet {
    /// The class of the whole picture.
    pub(crate) root: &'static str,
    /// The rules besides those of every picture.
    pub(crate) forms: &'static [Form],
    /// The colours besides those of every picture.
    pub(crate) colors: &'static [Color],
}

/// The rules of every picture.
const FORMS: &[Form] = &[
    (
        "text",
        "font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace; white-space: pre; text-rendering: geometricPrecision",
    ),
    (".bold", "font-weight: 600"),
    (".over", "paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; pointer-events: none"),
];

/// The colours of every picture.
pub(crate) const COLORS: &[Color] = &[
    (".surface", "fill", "#ffffff", "#0f141b"),
    (".ink", "fill", "#1b2430", "#e6ebf2"),
    (".muted", "fill", "#5c6878", "#93a0b2"),
    (".over", "stroke", "#ffffff", "#0f141b"),
    (".grid", "stroke", "#e2e7ee", "#242d39"),
    (".edge", "stroke", "#c3ccd8", "#3a4656"),
    (".stripe", "fill", "#f5f7fa", "#151c25"),
];

impl Sheet {
    /// Returns the text of the style sheet.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (selector, rule) in FORMS.iter().chain(self.forms) {
            self.push(&mut out, selector, rule);
        }
        let colors = || COLORS.iter().chain(self.colors);
        for (selector, property, light, _) in colors() {
            self.push(&mut out, selector, &format!("{property}: {light}"));
        }
        out.push_str("@media (prefers-color-scheme: dark) {\n");
        for (selector, property, _, dark) in colors() {
            self.push(&mut out, selector, &format!("{property}: {dark}"));
        }
        out.push_str("}\n");
        out
    }

    fn push(&self, out: &mut String, selector: &str, rule: &str) {
        writeln!(out, ".{} {selector} {{ {rule} }}", self.root).expect("a string accepts all text");
    }
}
