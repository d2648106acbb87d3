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
use log::kv::{self, Key, VisitSource};
use log::{Level, LevelFilter, Record};
use serde_json::json;

/// Not RUST_LOG, which may be meant for the program.
const VARIABLE: &str = "CHILDMINDER_LOG";

/// Logs to the standard error from now on: everything of `verbosity` and above, unless `CHILDMINDER_LOG` is
/// set.
pub(crate) fn start(verbosity: LevelFilter, to: Box<dyn Write + Send>, format: Format) {
    // Messages of the dependencies are shown only on request.
    let default = format!("off,childminder={verbosity}");
    let style = if is_colourful() { WriteStyle::Always } else { WriteStyle::Never };
    env_logger::Builder::new()
        .write_style(style)
        .target(Target::Pipe(to))
        .parse_env(Env::new().filter_or(VARIABLE, default))
        .format(match format {
            Format::Text => line,
            Format::Json => json_line,
        })
        .init();
}

/// The form of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A line for people.
    Text,
    /// A JSON object.
    Json,
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

fn json_line(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let level = record.level().as_str().to_ascii_lowercase();
    let mut object = json!({ "time": timestamp(), "level": level, "message": record.args().to_string() });
    let mut fields = Fields(&mut object);
    // The visitor does not fail.
    let _ = record.key_values().visit(&mut fields);
    writeln!(out, "{object}")
}

/// Collects the fields of a record: the name of the process, and the number of its run.
struct Fields<'a>(&'a mut serde_json::Value);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        self.0[key.as_str()] = value.to_u64().map_or_else(|| value.to_string().into(), Into::into);
        Ok(())
    }
}

/// Returns the time with date and zone, in the form of RFC 3339.
pub(crate) fn timestamp() -> String {
    Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// Escapes the control characters in each line of a text of several lines.
pub(crate) fn escape(text: &str) -> String {
    let lines = text.split('\n').map(|line| Line::new(line.as_bytes()).text());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether to use colours for messages: <https://no-color.org>.
pub(crate) fn is_colourful() -> bool {
    has_colours(&io::stderr())
}

/// Whether to use colours on this stream.
pub(crate) fn has_colours(stream: &impl IsTerminal) -> bool {
    let is = |name, value: &str| env::var_os(name).is_some_and(|it| it == value);
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !no_color && !is("TERM", "dumb")
}
