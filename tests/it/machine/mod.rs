//! The bare machine: whole stories in virtual time.

mod add;
mod ending;
mod races;
mod restart;
mod stage;
mod start;
mod stop;
mod walk;
