//! The output format of a program: what in a line is the date, the level, the name and the message.

use std::borrow::Cow;
use std::str;
use std::time::SystemTime;

use log::Level;
use regex::bytes::{Captures, Regex};

use super::date::{Date, UtcOffset};
use super::level::Levels;
use super::syntax::{LogFormatError, compile};
use crate::output::text::text;

/// How a program formats its lines, compiled from one of txfixtures' format strings.
///
/// A format is a regular expression (of the crate `regex`) that matches the whole of a line (SV-29), with placeholders
/// in it:
///
/// | placeholder | what it matches |
/// | --- | --- |
/// | `{Y}` | the year: four digits |
/// | `{m}` `{d}` `{H}` `{M}` `{S}` | month, day, hour, minute, second: two digits each |
/// | `{msecs}` | milliseconds: three digits |
/// | `{levelname}` | letters |
/// | `{name}` | any text, as short as possible |
/// | `{message}` | any text, the empty one included |
///
/// All of them are optional, and each may be there once. Braces of the expression itself are doubled: `[0-9]{{2}}` is a
/// repetition, `\{{` a brace to be found in the line. Characters with a meaning want a backslash: `\[{levelname}\]`.
/// What is not in every line is put into a group: `(?:{levelname} )?{message}`. And a field of another shape is a group
/// with its name: `(?<levelname>[A-Z]+[0-9]?)`.
///
/// ```
/// use childminder::output::log_format::LogFormat;
/// use log::Level;
///
/// let pattern = LogFormat::new(r"{Y}-{m}-{d}T{H}:{M}:{S}\.{msecs} {levelname} {name} {message}")?;
/// let record = pattern.parse(b"2026-11-21T14:05:59.250 WARNING store.disk 93 % full");
/// assert_eq!(record.level, Level::Warn);
/// assert_eq!(record.name.as_deref(), Some("store.disk"));
/// assert_eq!(record.message, "93 % full");
/// assert!(record.timestamp.is_some());
///
/// let record = pattern.parse(b"Segmentation fault");
/// assert!(!record.matched);
/// assert_eq!((record.level, &*record.message), (Level::Info, "Segmentation fault"));
/// # Ok::<(), childminder::output::log_format::LogFormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogFormat {
    regex: Regex,
    zone: UtcOffset,
    levels: Levels,
}

impl LogFormat {
    /// Compiles a format. A mistake in it is found here, not when the first line comes (SV-29).
    ///
    /// # Errors
    ///
    /// [`LogFormatError`], with the place of the mistake: a placeholder that is unknown, there twice, or where none can
    /// be; a brace without a partner; a broken regular expression; an empty format.
    pub fn new(format: &str) -> Result<Self, LogFormatError> {
        Ok(Self { regex: compile(format)?, zone: UtcOffset::UTC, levels: Levels::default() })
    }

    /// The zone of the dates. Default: [`UtcOffset::UTC`], wherever this program runs; the original took the local zone
    /// (SV-27).
    #[must_use]
    pub fn zone(self, zone: UtcOffset) -> Self {
        Self { zone, ..self }
    }

    /// Adds a word for a level, in any case; it comes before the known ones.
    ///
    /// Known are `critical`, `crit`, `fatal`, `panic`, `alert`, `emerg`, `error` and `err` (all [`Level::Error`]),
    /// `warning` and `warn`, `notice` and `info` (both [`Level::Info`]), `debug`, `trace`, and the letters `C`, `E`,
    /// `W`, `I` and `D`. Any other word is [`Level::Info`], and kept (SV-31).
    #[must_use]
    pub fn level(mut self, word: impl Into<String>, level: Level) -> Self {
        self.levels.add(word.into(), level);
        self
    }

    /// Takes a line apart. There is a record for every line: one that the format does not match is its own message, at
    /// [`Level::Info`] (SV-28, SV-35).
    pub fn parse<'a>(&self, line: &'a [u8]) -> ParsedLine<'a> {
        let Some(fields) = self.regex.captures(line) else { return ParsedLine::unmatched(line) };
        let field = |name| fields.name(name).map(|found| found.as_bytes()).filter(|found| !found.is_empty());
        let word = field("levelname").map(text);
        let level = word.as_deref().map_or(Some(Level::Info), |word| self.levels.find(word));
        ParsedLine {
            matched: true,
            level: level.unwrap_or(Level::Info),
            unknown_level: word.filter(|_| level.is_none()),
            name: field("name").map(text),
            message: text(message(&fields, line)),
            timestamp: date(&fields).and_then(|date| date.in_zone(self.zone)),
        }
    }

    /// The message of a line, byte by byte: what [`ParsedLine::message`] shows. The whole line if the format does not
    /// match, or has no `{message}` (SV-30).
    pub fn message<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        self.regex.captures(line).map_or(line, |fields| message(&fields, line))
    }
}

fn message<'a>(fields: &Captures<'a>, line: &'a [u8]) -> &'a [u8] {
    fields.name("message").map_or(line, |found| found.as_bytes())
}

/// The date, if all of it is there; it need not be possible. Without milliseconds, they are 0.
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

/// What a line says, by its format.
///
/// Text is shown as [`Line::text`](crate::output::Line::text) shows it: control characters are escaped, and a field that is not
/// valid UTF-8 is in Python's notation for bytes (SV-32).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParsedLine<'a> {
    /// Whether the format matches the line. If not, the line is its own message.
    pub matched: bool,
    /// How urgent it is; [`Level::Info`] if the line does not say, or not in a word that is known.
    pub level: Level,
    /// The word for the level, if it is not known (SV-31).
    pub unknown_level: Option<Cow<'a, str>>,
    /// Who says it: `{name}`.
    pub name: Option<Cow<'a, str>>,
    /// What it says: `{message}`, or the whole line if the format has none (SV-30).
    pub message: Cow<'a, str>,
    /// When, if year, month, day, hour, minute and second are there and there is such a date (SV-32). Second 60, at the
    /// end of a day in UTC, is the next second.
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

    /// The same without its message, to be kept for the rest of the line.
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
