//! Pictures over time.
//!
//! A [`Timeline`] has the lives of several processes as plain data. A [`TimelineBuilder`] makes one of what
//! goes into a machine and comes out of it, and [`Timeline::to_svg`] and [`Timeline::to_html`] draw it.
//!
//! A picture is plain numbers before it is text: `scale` maps times to positions and chooses the ticks of
//! the axis, `clock` writes times, `shape` has the shapes and the marks, `text` knows how wide a text is and
//! where there is room for it, and `svg` writes the result with the colours of `style`. The picture of a plan
//! is made of the same parts.

mod builder;
mod clock;
mod density;
pub(crate) mod json;
mod lane;
mod legend;
mod model;
mod page;
mod palette;
mod picture;
pub(crate) mod scale;
pub(crate) mod shape;
#[cfg(test)]
pub(crate) mod sound;
pub(crate) mod style;
pub(crate) mod svg;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod text;

pub use builder::TimelineBuilder;
pub use model::{Arrow, Lane, Mark, MarkKind, Span, SpanKind, Timeline};
