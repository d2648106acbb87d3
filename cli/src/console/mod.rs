//! The standard output and the standard error: lines of programs, and messages.

pub(crate) mod messages;
pub(crate) mod stderr;
pub(crate) mod stdout;
