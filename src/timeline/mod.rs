//! The picture of a run.
//!
//! A journal becomes a picture in three steps, and each can be tested without the next: [`chart`] sorts what happened by
//! step and by process; [`layout`] and the parts it calls give everything its place, in plain numbers; [`svg`] writes
//! it down. No text is ever printed over another, since each text has to ask its row for [room](room) first.

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
    /// A picture of the run, as SVG: the steps along the top, a lane for each process, and everything that happened
    /// at its time. It needs nothing besides itself, follows the browser's choice of light or dark, and tells more
    /// where the pointer is.
    ///
    /// It may stand in a file of its own or inside a page.
    pub fn timeline_svg(&self) -> String {
        svg::document(&layout::picture(&chart::Chart::new(self)))
    }
}

#[cfg(test)]
mod tests;
