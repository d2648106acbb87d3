//! The style of the picture of processes: a colour and a height for each thing that a process can do.
//!
//! A process that runs is a full bar, one that is ending a lower one, and one that does not run a line. So
//! the colours only distinguish kinds of the same height.

use super::model::SpanKind;
use super::style::{Color, Form, Sheet};

/// The style of the picture.
pub(super) const SHEET: Sheet = Sheet { root: "timeline", forms: FORMS, colors: COLORS };

const FORMS: &[Form] = &[
    (".thick", "stroke-width: 1.6px"),
    (".none", "fill: none; pointer-events: all"),
    (".mark:hover .glow", "stroke-width: 3px"),
    (".piece:hover .b", "stroke: currentColor; stroke-width: 1.5px"),
    (".after-line", "stroke-width: 1.1px; stroke-dasharray: 3 2"),
    (".day", "stroke-width: 1.6px"),
];

/// The colours. Those of the marks are the same as on the picture of a plan.
const COLORS: &[Color] = &[
    (".piece", "color", "#1b2430", "#e6ebf2"),
    (".k-blocked", "fill", "#8a63c9", "#a98be0"),
    (".k-starting", "fill", "#f0d264", "#8f7a1f"),
    (".k-up", "fill", "#b4d7f3", "#2b557a"),
    (".k-ready", "fill", "#4f94cd", "#3f87c4"),
    (".k-unhealthy", "fill", "#f08a24", "#e07d1b"),
    (".k-stopping", "fill", "#9fadbd", "#66778a"),
    (".k-killed", "fill", "#b3126f", "#ff7cc4"),
    (".k-back-off", "fill", "#c77700", "#ffb14a"),
    (".k-held", "fill", "#3d4855", "#b9c4d2"),
    (".k-completed", "fill", "#1f8a5b", "#45c98f"),
    (".k-failed", "fill", "#c5172d", "#ff7385"),
    (".k-gave-up", "fill", "#c5172d", "#ff5c72"),
    (".k-down", "fill", "#b7c1cd", "#465362"),
    (".on-light", "fill", "#14304a", "#e8f2fb"),
    (".on-dark", "fill", "#ffffff", "#ffffff"),
    (".after", "fill", "#5b3fa0", "#b9a2f2"),
    (".after-line", "stroke", "#5b3fa0", "#b9a2f2"),
    (".pill", "fill", "#1b2430", "#e6ebf2"),
    (".pill-bad", "fill", "#a3122a", "#ff8b9b"),
    (".on-pill", "fill", "#ffffff", "#0f141b"),
    (".red-line", "stroke", "#c5172d", "#ff5c72"),
    (".red", "fill", "#c5172d", "#ff7385"),
    (".good", "fill", "#0b62a8", "#6cb8f5"),
    (".open", "stroke", "#5b93c7", "#3f78ad"),
    (".signal", "fill", "#7a2fa3", "#cf9bf5"),
    (".signal-line", "stroke", "#7a2fa3", "#cf9bf5"),
    (".warning", "fill", "#f08a24", "#ffa23a"),
    (".command", "fill", "#3d4855", "#b9c4d2"),
    (".glow", "stroke", "#ffffff", "#0f141b"),
    (".end-code", "fill", "#b45300", "#ffa23a"),
];

/// The look of a kind of span.
pub(super) struct Look {
    /// The classes of its rectangle: its own, and one for the pointer.
    pub(super) class: &'static str,
    /// The class of its text, if it is high enough for one.
    pub(super) text: Option<&'static str>,
    /// Its height as a part of that of a bar.
    pub(super) share: f64,
}

impl SpanKind {
    pub(super) fn look(self) -> Look {
        let (class, text, share) = match self {
            Self::Blocked => ("b k-blocked", None, 0.2),
            Self::Starting => ("b k-starting", Some("on-light"), 1.0),
            Self::Up => ("b k-up", Some("on-light"), 1.0),
            Self::Ready => ("b k-ready", Some("on-dark"), 1.0),
            Self::Unhealthy => ("b k-unhealthy", Some("on-light"), 1.0),
            Self::Stopping => ("b k-stopping", Some("on-light"), 0.6),
            Self::Killed => ("b k-killed", Some("on-pill"), 0.6),
            Self::BackOff => ("b k-back-off", None, 0.2),
            Self::Held => ("b k-held", None, 0.12),
            Self::Completed => ("b k-completed", None, 0.2),
            Self::Failed => ("b k-failed", None, 0.2),
            Self::GaveUp => ("b k-gave-up", Some("on-pill"), 0.55),
            Self::Down => ("b k-down", None, 0.08),
        };
        Look { class, text, share }
    }

    /// Returns the name of its class alone.
    pub(super) fn class(self) -> &'static str {
        self.look().class.trim_start_matches("b ")
    }
}

/// Returns the colours of all kinds, for light and dark pages.
pub(super) fn of_kinds() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    SpanKind::ALL.into_iter().map(|kind| {
        let (_, _, light, dark) = COLORS
            .iter()
            .find(|(selector, ..)| selector.strip_prefix('.') == Some(kind.class()))
            .expect("each kind has a colour");
        (kind.class(), *light, *dark)
    })
}
