//! Log lines of other programs, parsed into level, time, logger and message.
//!
//! A [`LogFormat`] describes the layout of a line; a [`LogFormatSink`] passes the parsed lines on to the `log` crate.

mod date;
mod level;
mod parse;
mod sink;
mod syntax;

pub use date::UtcOffset;
pub use parse::{LogFormat, ParsedLine};
pub use sink::LogFormatSink;
pub use syntax::{LogFormatError, LogFormatErrorKind};
