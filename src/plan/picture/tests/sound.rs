//! What must hold for every picture of a plan.

use crate::plan::journal::Journal;
use crate::plan::picture::chart::Chart;
use crate::plan::picture::palette::SHEET;
use crate::timeline::shape::{Picture, Shape};
use crate::timeline::sound;

/// Checks that the picture is sound, and that it has everything.
pub(super) fn check(journal: &Journal) -> Result<(), String> {
    let picture = crate::plan::picture::picture(&Chart::new(journal));
    sound::check(&picture, &SHEET)?;
    complete(journal, &picture)
}

/// Checks that the text of every step and the name of every process is in the title of a group.
fn complete(journal: &Journal, picture: &Picture) -> Result<(), String> {
    let titles: Vec<&str> = picture
        .shapes
        .iter()
        .filter_map(|shape| match shape {
            Shape::Group { title, .. } => Some(&**title),
            Shape::Rect { .. }
            | Shape::Line { .. }
            | Shape::Polygon { .. }
            | Shape::Circle { .. }
            | Shape::Tiles { .. }
            | Shape::Text(_) => None,
        })
        .collect();
    let steps = journal.steps().iter().map(|step| &**step);
    let mut all = steps.chain(journal.processes().iter().map(|name| &**name));
    match all.find(|text| !titles.contains(text)) {
        Some(text) => Err(format!("{text:?} is in no title")),
        None => Ok(()),
    }
}
