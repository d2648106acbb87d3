//! Compiles format strings: regular expressions in which `{placeholders}` stand for the fields of a line.
//!
//! There are three steps, so that a mistake can be reported at its position in the format. First the
//! placeholders are expanded, and for every byte of the result its position in the format is recorded. Then
//! the expression is parsed by itself, and the position of a syntax error is mapped back. Only then is it
//! anchored: the parentheses needed for that would turn an invalid `a)(b` into a valid expression.

use std::fmt;

use regex::bytes::Regex;

/// The placeholders and their expressions. Texts may contain any bytes. A name is as short as possible, or
/// `{name} {message}` would match words of the message as a part of the name.
const PLACEHOLDERS: [(&str, &str); 10] = [
    ("Y", "[0-9]{4}"),
    ("m", "[0-9]{2}"),
    ("d", "[0-9]{2}"),
    ("H", "[0-9]{2}"),
    ("M", "[0-9]{2}"),
    ("S", "[0-9]{2}"),
    ("msecs", "[0-9]{3}"),
    ("levelname", "[A-Za-z]+"),
    ("name", "(?s-u:.+?)"),
    ("message", "(?s-u:.*)"),
];

/// Compiles `format` to an expression that matches whole lines only.
pub(super) fn compile(format: &str) -> Result<Regex, LogFormatError> {
    let error = |position, kind| LogFormatError { format: format.to_owned(), position, kind };
    if format.is_empty() {
        return Err(error(0, LogFormatErrorKind::Empty));
    }
    let expanded = Expanded::from(format).map_err(|(position, kind)| error(position, kind))?;
    parse(&expanded.regex).map_err(|(at, kind)| error(expanded.position(at, format), kind))?;
    let anchored = format!(r"\A(?:{})\z", expanded.regex);
    // Parsing fails if the format ends with a comment, which then contains the parenthesis.
    parse(&anchored).map_err(|(_, kind)| error(format.len(), kind))?;
    let regex = Regex::new(&anchored).map_err(|cause| match cause {
        regex::Error::CompiledTooBig(_) => error(0, LogFormatErrorKind::TooLarge),
        other => error(0, LogFormatErrorKind::Regex(other.to_string())),
    })?;
    for (name, position) in expanded.placeholders {
        if !regex.capture_names().flatten().any(|known| known == name) {
            return Err(error(position, LogFormatErrorKind::Misplaced(name.to_owned())));
        }
    }
    Ok(regex)
}

/// The position of a mistake, and its kind.
type Mistake = (usize, LogFormatErrorKind);

fn parse(regex: &str) -> Result<(), Mistake> {
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
    let Err(error) = parser.parse(regex) else { return Ok(()) };
    let (at, reason) = match &error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
        other => (0, other.to_string()),
    };
    Err((at, LogFormatErrorKind::Regex(reason)))
}

/// A format with its placeholders expanded.
#[derive(Default)]
struct Expanded<'a> {
    regex: String,
    /// For each byte of `regex`, its position in the format.
    origins: Vec<usize>,
    /// The placeholders that were expanded, and their positions in the format.
    placeholders: Vec<(&'a str, usize)>,
}

impl<'a> Expanded<'a> {
    fn from(format: &'a str) -> Result<Self, Mistake> {
        let mut expanded = Self::default();
        let mut at = 0;
        while let Some(first) = format[at..].chars().next() {
            at += expanded.expand(first, &format[at..], at)?;
        }
        Ok(expanded)
    }

    /// Expands the beginning of `rest`, which is at position `at` of the format. Returns its length.
    fn expand(&mut self, first: char, rest: &'a str, at: usize) -> Result<usize, Mistake> {
        match first {
            '{' | '}' if rest[1..].starts_with(first) => {
                self.push(&rest[..1], at);
                Ok(2)
            }
            '{' => match rest[1..].find(['{', '}']) {
                Some(length) if rest[1 + length..].starts_with('}') => {
                    self.push_placeholder(&rest[1..=length], at)?;
                    Ok(length + 2)
                }
                _ => Err((at, LogFormatErrorKind::Unbalanced('{'))),
            },
            '}' => Err((at, LogFormatErrorKind::Unbalanced('}'))),
            '\\' => {
                let escaped = rest[1..].chars().next();
                if escaped == Some('{') && !rest[1..].starts_with("{{") {
                    let name = rest[2..].split('}').next().unwrap_or_default();
                    return Err((at, LogFormatErrorKind::Misplaced(name.to_owned())));
                }
                // A brace may be doubled, and is expanded next.
                let length = 1 + escaped.filter(|c| !matches!(c, '{' | '}')).map_or(0, char::len_utf8);
                self.push(&rest[..length], at);
                Ok(length)
            }
            other => {
                self.push(&rest[..other.len_utf8()], at);
                Ok(other.len_utf8())
            }
        }
    }

    fn push(&mut self, text: &str, at: usize) {
        self.regex += text;
        self.origins.extend(at..at + text.len());
    }

    fn push_placeholder(&mut self, name: &'a str, at: usize) -> Result<(), Mistake> {
        let Some((_, shape)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) else {
            return Err((at, LogFormatErrorKind::Unknown(name.to_owned())));
        };
        if self.placeholders.iter().any(|(other, _)| *other == name) {
            return Err((at, LogFormatErrorKind::Twice(name.to_owned())));
        }
        self.placeholders.push((name, at));
        self.regex += &format!("(?P<{name}>{shape})");
        self.origins.resize(self.regex.len(), at);
        Ok(())
    }

    fn position(&self, in_regex: usize, format: &str) -> usize {
        self.origins.get(in_regex).copied().unwrap_or(format.len())
    }
}

/// The error returned for an invalid format string.
///
/// ```
/// use childminder::output::log_format::{LogFormat, LogFormatErrorKind};
///
/// let error = LogFormat::new("{Y}-{m} {level}: {message}").expect_err("it is {levelname}");
/// assert_eq!(error.position(), 8);
/// assert_eq!(error.kind(), &LogFormatErrorKind::Unknown("level".to_owned()));
/// assert_eq!(
///     error.to_string(),
///     "invalid log format: unknown placeholder `{level}`\n  \
///      {Y}-{m} {level}: {message}\n          ^"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormatError {
    format: String,
    position: usize,
    kind: LogFormatErrorKind,
}

impl LogFormatError {
    /// Returns the format as it was given.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// Returns the position of the mistake in the format, in bytes.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the kind of the mistake.
    pub fn kind(&self) -> &LogFormatErrorKind {
        &self.kind
    }
}

/// The kind of mistake in a format string, returned by [`LogFormatError::kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormatErrorKind {
    /// The format is empty.
    Empty,
    /// There is no placeholder with this name.
    Unknown(String),
    /// This placeholder occurs more than once.
    Twice(String),
    /// This placeholder is behind a backslash or in a character class, where it has no meaning.
    Misplaced(String),
    /// This brace has no counterpart. A literal brace is doubled.
    Unbalanced(char),
    /// The regular expression is invalid, for this reason.
    Regex(String),
    /// The compiled expression would be larger than 10 MiB.
    TooLarge,
}

impl fmt::Display for LogFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, position, kind } = self;
        write!(f, "invalid log format: {kind}")?;
        if format.is_empty() {
            return Ok(());
        }
        let (before, after) = format.split_at_checked(*position).unwrap_or((format, ""));
        let (before, after) = (shown(before), shown(after));
        write!(f, "\n  {before}{after}\n  {:width$}^", "", width = before.chars().count())
    }
}

/// Escapes line breaks and other control characters, so that the caret is below the right character.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

impl fmt::Display for LogFormatErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the format is empty"),
            Self::Unknown(name) if name.starts_with(|c: char| c.is_ascii_digit() || c == ',') => {
                write!(f, "unknown placeholder `{{{name}}}`; a repetition is written `{{{{{name}}}}}`")
            }
            Self::Unknown(name) => write!(f, "unknown placeholder `{{{name}}}`"),
            Self::Twice(name) => write!(f, "the placeholder `{{{name}}}` occurs twice"),
            Self::Misplaced(name) => {
                write!(f, "the placeholder `{{{name}}}` is behind a backslash or in a character class")
            }
            Self::Unbalanced(brace) => {
                write!(f, "unbalanced `{brace}`; a literal brace is written `{brace}{brace}`")
            }
            Self::Regex(reason) => write!(f, "invalid regular expression: {reason}"),
            Self::TooLarge => write!(f, "the regular expression is too large"),
        }
    }
}

impl std::error::Error for LogFormatError {}
