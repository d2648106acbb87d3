//! An integration test as a script of processes, where every exit must be expected.

mod expected;
mod journal;
mod json_lines;
mod planned;
mod timeline;

pub use expected::Expected;
pub use journal::{Entry, Happened, Journal};
pub use planned::Planned;
