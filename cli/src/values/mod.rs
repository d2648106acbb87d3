//! Values that the command line and a file have in common.

pub(crate) mod duration;
pub(crate) mod moment;
pub(crate) mod size;
