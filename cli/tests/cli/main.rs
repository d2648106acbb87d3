//! The program as its users meet it: real processes, real signals, real terminals.

mod minder;
mod options;
mod signals;
mod streams;
mod terminal;
mod usage;
