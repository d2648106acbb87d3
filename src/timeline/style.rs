//! The style of the shapes: the colours for light and dark pages, and the few rules that are the same on
//! both.
//!
//! No information is in the colour alone: each kind of mark has its own form or its own place. Two kinds side
//! by side are blue and orange, which most people can distinguish. Red is reserved for the failure.
//!
//! The colours are written out for both kinds of pages, since many viewers do not support CSS variables. Each
//! rule begins with the class of the whole picture, so that it does not affect the page that contains the
//! picture.

use std::fmt::Write;

/// The width of the picture.
pub(crate) const WIDTH: f64 = 1200.0;

/// The margin on each side.
pub(crate) const MARGIN: f64 = 24.0;

/// The left and right limits of everything except the stripes of the lanes.
pub(crate) const LEFT: f64 = MARGIN;
pub(crate) const RIGHT: f64 = WIDTH - MARGIN;

/// The class of the whole picture.
pub(crate) const ROOT: &str = "plan-timeline";

/// The style that is the same on light and dark pages.
const FORM: &[(&str, &str)] = &[
    (
        "text",
        "font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace; white-space: pre; text-rendering: geometricPrecision",
    ),
    (".bold", "font-weight: 600"),
    (".over", "paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; pointer-events: none"),
    (".column", "opacity: 0; pointer-events: none"),
    (".step:hover .column", "opacity: 1"),
    (".dashed", "stroke-dasharray: 3 3"),
    (".thick", "stroke-width: 1.6px"),
    (".none", "fill: none; pointer-events: all"),
    (".mark:hover .glow", "stroke-width: 3px"),
    (".run:hover .bar", "stroke-width: 2.5px"),
];

/// The colours: class, property, colour on a light page, colour on a dark page.
pub(crate) const COLORS: &[(&str, &str, &str, &str)] = &[
    (".surface", "fill", "#ffffff", "#0f141b"),
    (".ink", "fill", "#1b2430", "#e6ebf2"),
    (".muted", "fill", "#5c6878", "#93a0b2"),
    (".over", "stroke", "#ffffff", "#0f141b"),
    (".grid", "stroke", "#e2e7ee", "#242d39"),
    (".edge", "stroke", "#c3ccd8", "#3a4656"),
    (".stripe", "fill", "#f5f7fa", "#151c25"),
    (".span", "fill", "#e4eaf3", "#233041"),
    (".span-odd", "fill", "#d3dcea", "#2d3d52"),
    (".span-red", "fill", "#c5172d", "#d0334a"),
    (".on-red", "fill", "#ffffff", "#ffffff"),
    (".on-pill", "fill", "#ffffff", "#0f141b"),
    (".column", "fill", "#fdf3cd", "#33301c"),
    (".wash", "fill", "#fdeef0", "#2c161b"),
    (".shade", "fill", "#fef5f6", "#1d161c"),
    (".red", "fill", "#c5172d", "#ff7385"),
    (".red-line", "stroke", "#c5172d", "#ff5c72"),
    (".good", "fill", "#0b62a8", "#6cb8f5"),
    (".bar", "fill", "#cfe2f5", "#1d3f60"),
    (".bar", "stroke", "#5b93c7", "#3f78ad"),
    (".tail", "fill", "#8fa3b8", "#5d7085"),
    (".open", "stroke", "#5b93c7", "#3f78ad"),
    (".stdout", "fill", "#0b5ea8", "#7cc0fa"),
    (".stderr", "fill", "#c86a00", "#ffb14a"),
    (".signal", "fill", "#7a2fa3", "#cf9bf5"),
    (".signal-line", "stroke", "#7a2fa3", "#cf9bf5"),
    (".input", "fill", "#00806b", "#3fd0b6"),
    (".crash", "fill", "#b3126f", "#ff7cc4"),
    (".glow", "stroke", "#ffffff", "#0f141b"),
    (".end-code", "fill", "#b45300", "#ffa23a"),
    (".end-open", "fill", "#5b93c7", "#3f78ad"),
];

/// Returns the style sheet.
pub(crate) fn sheet() -> String {
    let mut out = String::new();
    for (selector, rule) in FORM {
        push(&mut out, selector, rule);
    }
    for (selector, property, light, _) in COLORS {
        push(&mut out, selector, &format!("{property}: {light}"));
    }
    out.push_str("@media (prefers-color-scheme: dark) {\n");
    for (selector, property, _, dark) in COLORS {
        push(&mut out, selector, &format!("{property}: {dark}"));
    }
    out.push_str("}\n");
    out
}

fn push(out: &mut String, selector: &str, rule: &str) {
    writeln!(out, ".{ROOT} {selector} {{ {rule} }}").expect("a string accepts all text");
}
