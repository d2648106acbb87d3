//! The machine without a driver, in virtual time.

mod add;
mod dependencies;
mod ending;
pub(crate) mod explore;
mod findings;
mod give_up;
mod groups;
mod harness;
mod order;
mod outcomes;
mod presets;
mod races;
mod readiness;
mod replace;
mod restart;
mod start;
mod stop;
mod stop_command;
mod walk;
mod why;
