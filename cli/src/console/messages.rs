//! Messages: log records as short lines on the standard error.
//!
//! ```text
//! 12:01:02 web#1 started, pid 4242
//! 12:01:09 WARN web#1 exited with code 1 after 7.0 s
//! ```
//!
//! The time of day is the local one. Levels below a warning are not shown.

use std::env;
use std::io::{self, IsTerminal, Write};

use childminder::output::Line;
use env_logger::fmt::Formatter;
use env_logger::{Env, Target, WriteStyle};
use jiff::Zoned;
use log::{Level, LevelFilter, Record};

use super::stderr::Stderr;

/// Not RUST_LOG, which may be meant for the program.
const VARIABLE: &str = "CHILDMINDER_LOG";

/// Logs to the standard error from now on: everything of `verbosity` and above, unless `CHILDMINDER_LOG` is
/// set.
pub(crate) fn start(verbosity: LevelFilter) {
    // Messages of the dependencies are shown only on request.
    let default = format!("off,childminder={verbosity}");
    let style = if is_colourful() { WriteStyle::Always } else { WriteStyle::Never };
    env_logger::Builder::new()
        .write_style(style)
        .target(Target::Pipe(Box::new(Stderr::new(io::stderr()))))
        .parse_env(Env::new().filter_or(VARIABLE, default))
        .format(line)
        .init();
}

fn line(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = Zoned::now().strftime("%H:%M:%S").to_string();
    let style = out.default_level_style(record.level());
    // A message may contain a path, or the first line of a script.
    let message = record.args().to_string();
    let message = Line::new(message.as_bytes());
    let message = message.text();
    match record.level() {
        level @ (Level::Error | Level::Warn) => writeln!(out, "{time} {style}{level}{style:#} {message}"),
        Level::Info | Level::Debug | Level::Trace => writeln!(out, "{time} {message}"),
    }
}

/// Escapes the control characters in each line of a text of several lines.
pub(crate) fn escape(text: &str) -> String {
    let lines = text.split('\n').map(|line| Line::new(line.as_bytes()).text());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether to use colours: <https://no-color.org>.
pub(crate) fn is_colourful() -> bool {
    let is = |name, value: &str| env::var_os(name).is_some_and(|it| it == value);
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !no_color && !is("TERM", "dumb")
}
