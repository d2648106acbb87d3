//! How lines of output are shown: with a padded, coloured name, or as JSON.

use std::collections::HashMap;
use std::io::Write;

use childminder::Name;
use childminder::output::Batch;
use clap::ValueEnum;
use serde_json::json;

use crate::console::messages;

/// The format of lines and messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: `[name] text`.
    #[default]
    Text,
    /// For programs: one JSON object on each line.
    Json,
}

/// The colours of names, which are readable on light and dark backgrounds.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// The widest name that others are padded to.
const WIDEST: usize = 24;

/// Returns the width of the longest of these names with its brackets, as far as others are padded to it.
pub(crate) fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(str::len).max().unwrap_or(0).min(WIDEST) + "[]".len()
}

/// Returns `[name]` with the marks of its line, padded to a width, in the colour of the process `index`.
pub(crate) fn prefix(name: &str, mark: &str, index: Option<usize>, width: usize) -> String {
    let prefix = format!("[{name}{mark}]");
    let padding = width.saturating_sub(prefix.len());
    match index {
        Some(index) => format!("\x1b[{}m{prefix}\x1b[0m{:padding$}", COLOURS[index % COLOURS.len()], ""),
        None => format!("{prefix}{:padding$}", ""),
    }
}

/// Formats batches of lines.
#[derive(Debug)]
pub(crate) struct Screen {
    format: LogFormat,
    colourful: bool,
    width: usize,
    /// The numbers of the processes, for their colours.
    indices: HashMap<Name, usize>,
}

impl Screen {
    /// Creates a format for processes with these names.
    pub(crate) fn new<'a>(
        format: LogFormat,
        colourful: bool,
        names: impl Iterator<Item = &'a Name> + Clone,
    ) -> Self {
        let width = width(names.clone().map(Name::as_str));
        let indices = names.cloned().enumerate().map(|(index, name)| (name, index)).collect();
        Self { format, colourful, width, indices }
    }

    /// Appends the lines of a batch.
    pub(crate) fn render(&mut self, batch: &Batch<'_>, out: &mut Vec<u8>) {
        match self.format {
            LogFormat::Text => self.render_text(batch, out),
            LogFormat::Json => render_json(batch, out),
        }
    }

    fn render_text(&mut self, batch: &Batch<'_>, out: &mut Vec<u8>) {
        let name = batch.name();
        // A process that a reload has added.
        let next = self.indices.len();
        let index = *self.indices.entry(name.clone()).or_insert(next);
        for line in batch.lines() {
            let mark = match (line.continued, line.partial) {
                (false, false) => "",
                (true, false) => "+",
                (false, true) => "~",
                (true, true) => "+~",
            };
            let prefix = prefix(name, mark, self.colourful.then_some(index), self.width);
            out.extend_from_slice(prefix.as_bytes());
            out.push(b' ');
            line.push_text(out);
            out.push(b'\n');
        }
    }
}

fn render_json(batch: &Batch<'_>, out: &mut Vec<u8>) {
    for line in batch.lines() {
        let object = json!({
            "time": messages::timestamp(),
            "name": batch.name().as_str(),
            "run": batch.run().number(),
            "stream": batch.stream().to_string(),
            "text": line.text(),
            "continued": line.continued,
            "partial": line.partial,
        });
        let _ = writeln!(out, "{object}");
    }
}

#[cfg(test)]
mod tests {
    use childminder::Sink;
    use childminder::machine::{RunId, Stream};
    use childminder::output::LoggingProtocol;

    use super::*;

    struct Rendered(Screen, Vec<u8>);

    impl Sink for Rendered {
        fn lines(&mut self, batch: &Batch<'_>) {
            self.0.render(batch, &mut self.1);
        }
    }

    fn render(format: LogFormat, colourful: bool) -> String {
        let names: [Name; 2] = ["db", "worker"].map(|name| name.parse().unwrap());
        let mut rendered = Rendered(Screen::new(format, colourful, names.iter()), Vec::new());
        for (name, text) in [("db", "one\n"), ("worker", "two\n"), ("later", "\x1b[2J\n")] {
            let mut protocol = LoggingProtocol::new(name.parse().unwrap(), RunId::unmanaged(7));
            protocol.data_received(Stream::Stderr, text.as_bytes(), &mut rendered);
        }
        String::from_utf8(rendered.1).unwrap()
    }

    #[test]
    fn f_260_names_are_padded_coloured_and_escaped() {
        assert_eq!(render(LogFormat::Text, false), "[db]     one\n[worker] two\n[later]  \\x1b[2J\n");
        assert_eq!(
            render(LogFormat::Text, true),
            "\x1b[36m[db]\x1b[0m     one\n\x1b[33m[worker]\x1b[0m two\n\x1b[32m[later]\x1b[0m  \\x1b[2J\n"
        );
    }

    #[test]
    fn f_260_lines_are_objects_with_the_json_format() {
        let text = render(LogFormat::Json, true);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&first["name"], &first["text"], &first["run"]), (&json!("db"), &json!("one"), &json!(7)));
        assert_eq!((&first["stream"], &first["partial"]), (&json!("stderr"), &json!(false)));
    }
}
