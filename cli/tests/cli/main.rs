//! The command line as a user sees it: real processes, real signals, real terminals.

mod options;
mod signals;
mod streams;
mod supervisor;
mod terminal;
mod usage;
