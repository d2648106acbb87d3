//! Parses the log lines of other programs into level, time, logger and message.
//!
//! A [`LogFormat`] describes the layout of a line; a [`LogFormatSink`] passes the parsed lines to the `log`
//! crate.

mod date;
mod parse;
mod sink;
mod syntax;

pub use date::UtcOffset;
pub use parse::{LogFormat, ParsedLine};
pub use sink::LogFormatSink;
pub use syntax::{LogFormatError, LogFormatErrorKind};
