//! The style of the picture of a plan: what it adds to that of every picture.

use crate::timeline::style::{Color, Form, Sheet};

/// The style of the picture of a plan.
pub(super) const SHEET: Sheet = Sheet { root: "plan-timeline", forms: FORMS, colors: COLORS };

const FORMS: &[Form] = &[
    (".column", "opacity: 0; pointer-events: none"),
    (".step:hover .column", "opacity: 1"),
    (".dashed", "stroke-dasharray: 3 3"),
    (".thick", "stroke-width: 1.6px"),
    (".none", "fill: none; pointer-events: all"),
    (".mark:hover .glow", "stroke-width: 3px"),
    (".run:hover .bar", "stroke-width: 2.5px"),
];

/// Two kinds side by side are blue and orange.
pub(super) const COLORS: &[Color] = &[
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
