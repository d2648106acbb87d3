//! The log format of a program: finds the date, the level, the logger and the message in a line.

use std::borrow::Cow;
use std::str;
use std::time::SystemTime;

use log::Level;
use regex::bytes::{Captures, Regex};

use super::date::{Date, UtcOffset};
use super::syntax::{LogFormatError, compile};
use crate::output::text::{self, InvalidUtf8};

/// The words for levels that are known in every format, in any case: those of Python with their first
/// letters, those of syslog, and those of common servers.
const LEVELS: [(&str, Level); 19] = [
    ("emerg", Level::Error),
    ("alert", Level::Error),
    ("panic", Level::Error),
    ("fatal", Level::Error),
    ("critical", Level::Error),
    ("crit", Level::Error),
    ("c", Level::Error),
    ("error", Level::Error),
    ("err", Level::Error),
    ("e", Level::Error),
    ("warning", Level::Warn),
    ("warn", Level::Warn),
    ("w", Level::Warn),
    ("notice", Level::Info),
    ("info", Level::Info),
    ("i", Level::Info),
    ("debug", Level::Debug),
    ("d", Level::Debug),
    ("trace", Level::Trace),
];

/// The log format of a program, compiled from a format string of txfixtures.
///
/// A format is a regular expression (in the syntax of the crate `regex`) that matches a whole line, with
/// placeholders:
///
/// | placeholder | matches |
/// | --- | --- |
/// | `{Y}` | the year: four digits |
/// | `{m}` `{d}` `{H}` `{M}` `{S}` | month, day, hour, minute, second: two digits each |
/// | `{msecs}` | milliseconds: three digits |
/// | `{levelname}` | letters |
/// | `{name}` | any text, as short as possible |
/// | `{message}` | any text, possibly empty |
///
/// All placeholders are optional, and each may occur once. Braces of the expression itself are doubled:
/// `[0-9]{{2}}` is a repetition, and `\{{` matches a brace. Special characters need a backslash:
/// `\[{levelname}\]`. A part that is not in every line is an optional group: `(?:{levelname} )?{message}`.
/// For a field of another form, use a group with its name: `(?<levelname>[A-Z]+[0-9]?)`.
///
/// ```
/// use childminder::output::log_format::LogFormat;
/// use log::Level;
///
/// let format = LogFormat::new(r"{Y}-{m}-{d}T{H}:{M}:{S}\.{msecs} {levelname} {name} {message}")?;
/// let line = format.parse(b"2026-11-21T14:05:59.250 WARNING store.disk 93 % full");
/// assert_eq!(line.level, Level::Warn);
/// assert_eq!(line.name.as_deref(), Some("store.disk"));
/// assert_eq!(line.message, "93 % full");
/// assert!(line.timestamp.is_some());
///
/// let line = format.parse(b"Segmentation fault");
/// assert!(!line.matched);
/// assert_eq!((line.level, &*line.message), (Level::Info, "Segmentation fault"));
/// # Ok::<(), childminder::output::log_format::LogFormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogFormat {
    regex: Regex,
    zone: UtcOffset,
    /// The words that were added, the last one first.
    levels: Vec<(String, Level)>,
}

impl LogFormat {
    /// Compiles a format string.
    ///
    /// # Errors
    ///
    /// [`LogFormatError`] with the position of the mistake: a placeholder that is unknown, repeated, or
    /// misplaced; an unbalanced brace; an invalid regular expression; an empty format.
    pub fn new(format: &str) -> Result<Self, LogFormatError> {
        Ok(Self { regex: compile(format)?, zone: UtcOffset::UTC, levels: Vec::new() })
    }

    /// Sets the time zone of the dates. Default: [`UtcOffset::UTC`], independent of the local time zone.
    #[must_use]
    pub fn zone(self, zone: UtcOffset) -> Self {
        Self { zone, ..self }
    }

    /// Adds a word for a level, in any case. It takes precedence over the known words.
    ///
    /// Known are `critical`, `crit`, `fatal`, `panic`, `alert`, `emerg`, `error` and `err` (all
    /// [`Level::Error`]), `warning` and `warn`, `notice` and `info` (both [`Level::Info`]), `debug`, `trace`,
    /// and the letters `C`, `E`, `W`, `I` and `D`. A line with any other word has the level [`Level::Info`]
    /// and keeps the word as [`unknown_level`](ParsedLine::unknown_level).
    #[must_use]
    pub fn level(mut self, word: impl Into<String>, level: Level) -> Self {
        self.levels.insert(0, (word.into(), level));
        self
    }

    fn find_level(&self, word: &str) -> Option<Level> {
        let added = self.levels.iter().map(|(word, level)| (&**word, *level));
        added.chain(LEVELS).find_map(|(known, level)| known.eq_ignore_ascii_case(word).then_some(level))
    }

    /// Parses a line. A line that the format does not match becomes its own message, with the level
    /// [`Level::Info`].
    pub fn parse<'a>(&self, line: &'a [u8]) -> ParsedLine<'a> {
        let Some(fields) = self.regex.captures(line) else { return ParsedLine::unmatched(line) };
        let field = |name| fields.name(name).map(|found| found.as_bytes()).filter(|found| !found.is_empty());
        let word = field("levelname").map(text);
        let level = word.as_deref().map_or(Some(Level::Info), |word| self.find_level(word));
        ParsedLine {
            matched: true,
            level: level.unwrap_or(Level::Info),
            unknown_level: word.filter(|_| level.is_none()),
            name: field("name").map(text),
            message: text(message(&fields, line)),
            timestamp: date(&fields).and_then(|date| date.in_zone(self.zone)),
        }
    }

    /// Returns the bytes of the message of a line. This is the whole line if the format does not match or has
    /// no `{message}`.
    pub fn message<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        self.regex.captures(line).map_or(line, |fields| message(&fields, line))
    }
}

fn message<'a>(fields: &Captures<'a>, line: &'a [u8]) -> &'a [u8] {
    fields.name("message").map_or(line, |found| found.as_bytes())
}

/// Returns the date if all its fields were found, whether or not it exists. Missing milliseconds are 0.
fn date(fields: &Captures<'_>) -> Option<Date> {
    let number = |name| str::from_utf8(fields.name(name)?.as_bytes()).ok()?.parse().ok();
    Some(Date {
        year: number("Y")?,
        month: number("m")?,
        day: number("d")?,
        hour: number("H")?,
        minute: number("M")?,
        second: number("S")?,
        millisecond: number("msecs").unwrap_or(0),
    })
}

/// The fields of a line, found by a [`LogFormat`].
///
/// Texts are escaped as by [`Line::text`](crate::output::Line::text): control characters are escaped, and a
/// field that is not valid UTF-8 is in Python's notation for bytes.
///
/// ```
/// use childminder::output::log_format::LogFormat;
///
/// let format = LogFormat::new("{levelname}: {message}")?;
/// let line = format.parse(b"LOUD: hello");
/// assert_eq!(line.unknown_level.as_deref(), Some("LOUD"));
/// assert_eq!(line.message, "hello");
/// # Ok::<(), childminder::output::log_format::LogFormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParsedLine<'a> {
    /// Whether the format matches the line. If not, the whole line is the message.
    pub matched: bool,
    /// The level; [`Level::Info`] if the line has none, or an unknown one.
    pub level: Level,
    /// The word for the level, if it is unknown.
    pub unknown_level: Option<Cow<'a, str>>,
    /// The name of the logger: `{name}`.
    pub name: Option<Cow<'a, str>>,
    /// The message: `{message}`, or the whole line if the format has none.
    pub message: Cow<'a, str>,
    /// The time, if the line has year, month, day, hour, minute and second and the date exists. Second 60, at
    /// the end of a day in UTC, is the next second.
    pub timestamp: Option<SystemTime>,
}

impl<'a> ParsedLine<'a> {
    pub(super) fn unmatched(line: &'a [u8]) -> Self {
        Self {
            matched: false,
            level: Level::Info,
            unknown_level: None,
            name: None,
            message: text(line),
            timestamp: None,
        }
    }

    /// Drops the message, so that the other fields can be kept for the rest of the line.
    pub(super) fn into_head(self) -> ParsedLine<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        ParsedLine {
            matched: self.matched,
            level: self.level,
            unknown_level: self.unknown_level.map(owned),
            name: self.name.map(owned),
            message: Cow::Borrowed(""),
            timestamp: self.timestamp,
        }
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    text::text(bytes, InvalidUtf8::Repr)
}
