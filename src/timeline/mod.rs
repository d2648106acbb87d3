//! The picture of a run.
//!
//! A journal becomes a picture in three stages, which can be tested separately: [`chart`] sorts the events by
//! step and by process; [`layout`] and the parts it calls compute all positions, in plain numbers; [`svg`]
//! writes the text. Labels do not overlap, because each one has to claim its place in a [`text::Row`] first.

mod band;
mod chart;
mod lane;
mod layout;
mod legend;
mod scale;
mod shape;
mod style;
mod svg;
mod text;

use crate::journal::Journal;

impl Journal {
    /// Returns a picture of the run as SVG: the steps along the top, a lane for each process, and every event
    /// at its time. It is self-contained, follows the light or dark mode of the browser, and shows details
    /// under the pointer.
    ///
    /// It can be a file of its own or part of a page.
    pub fn timeline_svg(&self) -> String {
        svg::document(&layout::picture(&chart::Chart::new(self)))
    }
}

#[cfg(test)]
mod tests;
