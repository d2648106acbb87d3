//! The picture of a run.
//!
//! A journal becomes a picture in three stages, which can be tested separately: [`chart`] sorts the events by
//! step and by process; [`picture`] and the parts it calls compute all positions, in plain numbers; [`svg`]
//! writes the text. Labels do not overlap, because each one has to claim its place in a [`text::Row`] first.
//!
//! From top to bottom the picture has the name of the plan and its result; the reason of a failure; the
//! steps; the axis; a lane for each process; the legend; and the whole script, because a picture in a
//! document cannot be pointed at. The width is fixed, and the height follows from the content. Each part
//! draws itself downwards from a given line and returns where it ends.

mod band;
mod chart;
mod lane;
mod legend;
mod palette;

use chart::Chart;
use lane::Measure;

use crate::plan::journal::Journal;
use crate::timeline::scale::Scale;
use crate::timeline::shape::{self, Picture, Shape, at};
use crate::timeline::style::{AXIS, AXIS_SIZE, LEFT, MARGIN, NAMES, RIGHT, TALL, WIDTH};
use crate::timeline::{svg, text};

/// The width at the right end of the axis that is reserved for the labels of ends.
const BESIDE: f64 = 92.0;

impl Journal {
    /// Returns a picture of the run as SVG: the steps along the top, a lane for each process, and every event
    /// at its time. It is self-contained, follows the light or dark mode of the browser, and shows details
    /// under the pointer.
    ///
    /// It can be a file of its own or part of a page.
    pub fn timeline_svg(&self) -> String {
        svg::document(&picture(&Chart::new(self)), &palette::SHEET)
    }
}

/// Returns the picture of `chart`.
fn picture(chart: &Chart<'_>) -> Picture {
    let measure = Measure::new(chart.lanes.len());
    let names = chart.lanes.iter().map(|lane| text::width(lane.name, measure.name)).fold(40.0, f64::max);
    let scale = Scale::new(LEFT + names.min(NAMES) + 16.0, RIGHT - BESIDE, chart.length);

    let mut head = Vec::new();
    let below_heading = legend::draw_heading(chart, MARGIN, &mut head);
    let band = band::Band::new(chart, &scale);
    let band_top = below_heading + band.above();
    let axis = band_top + band::HEIGHT;
    let lanes_top = axis + AXIS;
    let lanes_bottom = lanes_top + measure.height * chart.lanes.len() as f64;

    let mut shapes = Vec::new();
    shape::stripes(chart.lanes.len(), measure.height, lanes_top, &mut shapes);
    band::shade(chart, &scale, lanes_top, lanes_bottom, &mut shapes);
    band.draw(chart, band_top, (lanes_top, lanes_bottom), &mut shapes);
    grid(chart, &scale, axis, lanes_bottom, &mut shapes);
    for (i, lane) in chart.lanes.iter().enumerate() {
        let top = lanes_top + measure.height * i as f64;
        lane::draw(lane, &measure, &scale, top, &mut shapes);
    }
    let mut y = band::draw_failure(chart, &scale, band_top, lanes_bottom, &mut shapes);
    if lanes_bottom - lanes_top > TALL {
        times(&scale, None, y, &mut shapes);
        y += AXIS;
    }
    y = legend::draw_legend(chart, &scale, y + 12.0, &mut shapes);
    y = legend::draw_script(chart, y + 16.0, &mut shapes);

    let height = (y + MARGIN).ceil();
    let surface = Shape::rect("surface", 0.0, 0.0, WIDTH, height);
    let shapes = [surface].into_iter().chain(head).chain(shapes).collect();
    Picture { title: format!("plan {}", chart.plan), width: WIDTH, height, shapes }
}

/// Draws a line through the lanes at each tick, and the times above.
fn grid(chart: &Chart<'_>, scale: &Scale, top: f64, bottom: f64, shapes: &mut Vec<Shape>) {
    for (x, _) in scale.ticks() {
        shapes.push(Shape::line("grid", at(x, top + AXIS - 4.0), at(x, bottom)));
    }
    let line = chart.failure.as_ref().map(|failure| scale.x(failure.at));
    times(scale, line, top, shapes);
}

/// Draws the times of the ticks, except where the line of a failure passes.
fn times(scale: &Scale, line: Option<f64>, top: f64, shapes: &mut Vec<Shape>) {
    let mut free = LEFT;
    for (x, label) in scale.ticks() {
        let text = Shape::text_around("muted", x, top + 14.0, AXIS_SIZE, &label);
        let half = text::width(&label, AXIS_SIZE) / 2.0;
        let is_crossed = line.is_some_and(|line| (line - x).abs() < half + 3.0);
        if x - half >= free && x + half <= RIGHT && !is_crossed {
            shapes.push(text);
            free = x + half + 8.0;
        }
    }
}

#[cfg(test)]
mod tests;
