//! Plans.

mod building;
mod mistakes;
mod sim;
