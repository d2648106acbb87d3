//! The machine without a driver, in virtual time.

mod add;
mod ending;
mod harness;
mod races;
mod restart;
mod start;
mod stop;
mod stop_command;
mod walk;
