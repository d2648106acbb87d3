//! Format strings, compiled: a regular expression in which `{placeholders}` stand for the fields of a line.
//!
//! Compiling goes step by step, so that a mistake can be shown where it was made. First the placeholders are put in,
//! and for every byte of what comes out it is noted where in the format it is from. Then the expression is parsed by
//! itself: the parser says where it stopped, and the notes say what that was in the format. Only then it is anchored,
//! since the brackets which that takes would make a whole out of `a)(b`.

use std::fmt;

use regex::bytes::Regex;

/// The placeholders, and what each of them matches. What may be any text may be any bytes (SV-32); the shortest name
/// that does counts, or `{name} {message}` would take words of the message for a part of the name.
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

/// What `format` means, matching whole lines only (SV-29).
pub(super) fn compile(format: &str) -> Result<Regex, LogFormatError> {
    let error = |position, problem| LogFormatError { format: format.to_owned(), position, problem };
    if format.is_empty() {
        return Err(error(0, LogFormatErrorKind::Empty));
    }
    let expanded = Expanded::from(format).map_err(|(position, problem)| error(position, problem))?;
    parse(&expanded.regex).map_err(|(at, problem)| error(expanded.position(at, format), problem))?;
    let anchored = format!(r"\A(?:{})\z", expanded.regex);
    // If that is none, the format ends with a comment, in which the bracket is lost.
    parse(&anchored).map_err(|(_, problem)| error(format.len(), problem))?;
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

/// A mistake, and where in the text it is.
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

/// A format with its placeholders put in.
#[derive(Default)]
struct Expanded<'a> {
    regex: String,
    /// For each byte of `regex`, where in the format it is from.
    origins: Vec<usize>,
    /// Those that were put in, and where they stand in the format.
    placeholders: Vec<(&'a str, usize)>,
}

impl<'a> Expanded<'a> {
    fn from(format: &'a str) -> Result<Self, Mistake> {
        let mut expanded = Self::default();
        let mut at = 0;
        while let Some(first) = format[at..].chars().next() {
            at += expanded.take(first, &format[at..], at)?;
        }
        Ok(expanded)
    }

    /// Takes what `rest`, which stands at `at` of the format, begins with; returns how much of it that was.
    fn take(&mut self, first: char, rest: &'a str, at: usize) -> Result<usize, Mistake> {
        match first {
            '{' | '}' if rest[1..].starts_with(first) => {
                self.push(&rest[..1], at);
                Ok(2)
            }
            '{' => match rest[1..].find(['{', '}']) {
                Some(length) if rest[1 + length..].starts_with('}') => {
                    self.put_in(&rest[1..=length], at)?;
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
                // A brace may be doubled, and is looked at next.
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

    fn put_in(&mut self, name: &'a str, at: usize) -> Result<(), Mistake> {
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

/// A format string is not valid, and where.
///
/// ```
/// use childminder::output::log_format::LogFormat;
///
/// let error = LogFormat::new("{Y}-{m} {level}: {message}").expect_err("it is {levelname}");
/// assert_eq!(error.position, 8);
/// assert_eq!(
///     error.to_string(),
///     "output format is not valid: there is no placeholder {level}\n  \
///      {Y}-{m} {level}: {message}\n          ^"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFormatError {
    /// The format as it was given.
    pub format: String,
    /// Where in it the problem is, in bytes from its beginning.
    pub position: usize,
    /// What is wrong there.
    pub problem: LogFormatErrorKind,
}

/// What is wrong with a format string.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormatErrorKind {
    /// It is empty.
    Empty,
    /// There is no placeholder with this name.
    Unknown(String),
    /// This placeholder was there before.
    Twice(String),
    /// This placeholder cannot stand here: after a backslash, or in a class of characters.
    Misplaced(String),
    /// This brace has no partner. One that is meant for itself is written twice.
    Unbalanced(char),
    /// It is no regular expression. This is what the parser of these says.
    Regex(String),
    /// It is one, but it would take more than 10 MiB.
    TooLarge,
}

impl fmt::Display for LogFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, position, problem } = self;
        write!(f, "output format is not valid: {problem}")?;
        if format.is_empty() {
            return Ok(());
        }
        let (before, after) = format.split_at_checked(*position).unwrap_or((format, ""));
        let (before, after) = (shown(before), shown(after));
        write!(f, "\n  {before}{after}\n  {:width$}^", "", width = before.chars().count())
    }
}

/// The text in one line, so that the caret below it stands where it should.
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
            Self::Empty => write!(f, "it is empty"),
            Self::Unknown(name) if name.starts_with(|c: char| c.is_ascii_digit() || c == ',') => {
                write!(f, "there is no placeholder {{{name}}}, and a repetition is written {{{{{name}}}}}")
            }
            Self::Unknown(name) => write!(f, "there is no placeholder {{{name}}}"),
            Self::Twice(name) => write!(f, "{{{name}}} is in it twice"),
            Self::Misplaced(name) => {
                write!(f, "{{{name}}} cannot stand after a backslash or in a class of characters")
            }
            Self::Unbalanced(brace) => {
                write!(f, "this {brace} has no partner, and one for itself is written {brace}{brace}")
            }
            Self::Regex(reason) => write!(f, "it is no regular expression: {reason}"),
            Self::TooLarge => write!(f, "as a regular expression it is too large"),
        }
    }
}

impl std::error::Error for LogFormatError {}
