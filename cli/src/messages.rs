//! What the monitor says: log records as short lines on standard error.
//!
//! ```text
//! 12:01:02 web#1 started, pid 4242
//! 12:01:09 WARN web#1 exited with code 1 after 7.0 s
//! ```
//!
//! The time of day is the local one. The level stands there only when it says something.

use std::io::{self, IsTerminal, Write};

use env_logger::fmt::Formatter;
use env_logger::{Env, Target, WriteStyle};
use jiff::Zoned;
use log::{Level, LevelFilter, Record};

use crate::stderr::Stderr;

/// Everything logged from now on goes to standard error, if it is as important as `verbosity` asks. The variable
/// `RUST_LOG` decides instead when it is set.
pub(crate) fn start(verbosity: LevelFilter) {
    // What libraries have to say is for those who set RUST_LOG.
    let ours = format!("off,childminder={verbosity}");
    let style = if is_colourful() { WriteStyle::Always } else { WriteStyle::Never };
    env_logger::Builder::new()
        .write_style(style)
        .target(Target::Pipe(Box::new(Stderr::new(io::stderr()))))
        .parse_env(Env::new().filter_or("RUST_LOG", ours))
        .format(line)
        .init();
}

fn line(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = Zoned::now().strftime("%H:%M:%S").to_string();
    let style = out.default_level_style(record.level());
    match record.level() {
        level @ (Level::Error | Level::Warn) => {
            writeln!(out, "{time} {style}{level}{style:#} {}", record.args())
        }
        Level::Info | Level::Debug | Level::Trace => writeln!(out, "{time} {}", record.args()),
    }
}

/// Whether there is somebody to enjoy colours: <https://no-color.org>.
fn is_colourful() -> bool {
    let is = |name, value: &str| std::env::var_os(name).is_some_and(|it| it == value);
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !no_color && !is("TERM", "dumb")
}
