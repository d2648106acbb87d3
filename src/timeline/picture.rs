//! The picture of a timeline as SVG: the heading, the axis, the lanes, and the legend.

use std::collections::HashSet;

use super::clock::{Clock, Tick};
use super::density::View;
use super::lane::{Measure, Sketch};
use super::legend;
use super::model::{Arrow, Timeline};
use super::palette;
use super::scale::Scale;
use super::shape::{self, Picture, Shape, at};
use super::style::{AXIS, AXIS_SIZE, LEFT, MARGIN, NAMES, RIGHT, TALL, WIDTH};
use super::{svg, text};

/// The width at the right end of the axis that is reserved for marks.
const BESIDE: f64 = 36.0;

/// The greatest number of spans that have a title. Together with the width it limits the size of a picture.
const TITLES: usize = 3000;

/// The greatest number of arrows; more could not be followed.
const ARROWS: usize = 400;

impl Timeline {
    /// Returns a picture as SVG: an axis, a lane for each process, and a legend. It is self-contained,
    /// follows the light or dark mode of the browser, and shows details under the pointer.
    ///
    /// Where more happened than can be seen, there are shares and numbers, so the size is limited: a hundred
    /// thousand events take less than 5 MB. [`to_html`](Self::to_html) can be zoomed.
    pub fn to_svg(&self) -> String {
        svg::document(&picture(self), &palette::SHEET)
    }
}

/// Returns the picture of `timeline`.
pub(super) fn picture(timeline: &Timeline) -> Picture {
    let clock = Clock::new(timeline.began, timeline.utc_offset);
    let size = Measure::new(timeline.lanes.len()).name;
    let names = timeline.lanes.iter().map(|lane| text::width(&lane.name, size)).fold(40.0, f64::max);
    let scale = Scale::new(LEFT + names.min(NAMES) + 16.0, RIGHT - BESIDE, timeline.length());
    let view = View { scale, from: timeline.from };
    let ticks = clock.ticks(&scale, timeline.from);

    let mut shapes = Vec::new();
    let axis = legend::draw_heading(timeline, &clock, MARGIN, &mut shapes);
    let mut sketch = Sketch::new(&timeline.lanes, view, clock, timeline.length(), axis + AXIS);
    let (top, bottom) = (sketch.top, sketch.bottom());
    shape::stripes(timeline.lanes.len(), sketch.measure.height, top, &mut shapes);
    for Tick { x, is_day, .. } in &ticks {
        let class = if *is_day { "edge day" } else { "grid" };
        shapes.push(Shape::line(class, at(*x, top - 4.0), at(*x, bottom)));
    }
    times(&ticks, axis, &mut shapes);
    sketch.draw(TITLES);
    let (arrows, left_out) = seen_once(timeline, &view);
    let arrows = arrows.into_iter().map(|arrow| sketch.arrow(arrow)).collect();
    sketch.finish(arrows, &mut shapes);

    let mut y = bottom;
    if bottom - top > TALL {
        times(&ticks, y, &mut shapes);
        y += AXIS;
    }
    let mut notes = Vec::new();
    if sketch.has_columns {
        notes.push(
            "Where changes are too near to be seen, the heights of the colours are shares of the time."
                .to_owned(),
        );
    }
    if sketch.has_groups {
        notes.push("×12: twelve events that are too near to be seen by themselves.".to_owned());
    }
    if sketch.has_ticks {
        notes.push("Ticks below a bar: events that are too many to be drawn, failures in red.".to_owned());
    }
    if left_out > 0 {
        notes.push(format!("{} of dependencies are left out.", text::counted(left_out, "arrow")));
    }
    let notes: Vec<&str> = notes.iter().map(|note| &**note).collect();
    y = legend::draw_legend(timeline, &notes, y + 12.0, &mut shapes);

    let height = (y + MARGIN).ceil();
    shapes.insert(0, Shape::rect("surface", 0.0, 0.0, WIDTH, height));
    Picture { title: timeline.title.clone(), width: WIDTH, height, shapes }
}

/// Returns the arrows that do not cover each other, up to a number, and the number of the others that can be
/// seen.
fn seen_once<'t>(timeline: &'t Timeline, view: &View) -> (Vec<&'t Arrow>, usize) {
    let mut places = HashSet::new();
    let place = |arrow: &Arrow| (arrow.from, arrow.to, (view.x(arrow.start) / 6.0) as u64);
    let mut seen: Vec<&Arrow> = timeline.arrows.iter().filter(|arrow| places.insert(place(arrow))).collect();
    let left_out = seen.len().saturating_sub(ARROWS);
    seen.truncate(ARROWS);
    (seen, left_out)
}

/// Draws the times of the ticks.
fn times(ticks: &[Tick], top: f64, shapes: &mut Vec<Shape>) {
    let mut free = LEFT;
    for Tick { x, label, is_day } in ticks {
        let half = text::width(label, AXIS_SIZE) / 2.0;
        if x - half >= free && x + half <= RIGHT {
            let class = if *is_day { "ink bold" } else { "muted" };
            shapes.push(Shape::text_around(class, *x, top + 14.0, AXIS_SIZE, label));
            free = x + half + 8.0;
        }
    }
}
