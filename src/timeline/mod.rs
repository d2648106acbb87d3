//! What every picture over time is made of.
//!
//! A picture is plain numbers before it is text: [`scale`] maps times to positions and chooses the ticks of
//! the axis, [`shape`] has the shapes and the marks, [`text`] knows how wide a text is and where there is
//! room for it, and [`svg`] writes the result with the colours of [`style`]. What is drawn is decided in the
//! rooms that have something to show.

pub(crate) mod scale;
pub(crate) mod shape;
pub(crate) mod style;
pub(crate) mod svg;
pub(crate) mod text;
