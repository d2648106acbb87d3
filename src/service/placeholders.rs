//! Placeholders in the arguments, the environment and the files of a service.
//!
//! A placeholder is a lower-case word in braces, such as `{port}` or `{port:admin}`. Configuration files are
//! full of braces, so all others are left alone: those with blanks, quotes, digits or commas inside, and
//! `${name}`, which shells and nginx use. A word in braces that is no placeholder is an error, since it is
//! more likely a typing mistake; `{{word}}` stands for `{word}` itself.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A placeholder that cannot be filled in, with its position.
///
/// ```
/// use childminder::Service;
///
/// let error = Service::new("redis-server").free_port().args(["--port", "{prot}"]).start().unwrap_err();
/// assert!(error.to_string().contains("unknown placeholder `{prot}` in argument 2, line 1, column 1"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceholderError {
    place: String,
    line: usize,
    column: usize,
    placeholder: String,
    problem: PlaceholderProblem,
}

/// The reason why a placeholder cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaceholderProblem {
    /// There is no placeholder with this word.
    Unknown,
    /// `{dir}` is used without a scratch directory.
    NoDirectory,
    /// `{port}` is used without a port.
    NoPort,
    /// No port has this name. These are the names that there are.
    UnknownPort(Vec<String>),
    /// The environment variable is not set.
    NotSet,
}

impl PlaceholderError {
    /// Returns the text that contains the placeholder, such as `argument 2` or `the file nginx.conf`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns the line in that text, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in that line in bytes, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the placeholder with its braces.
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }

    /// Returns the reason.
    pub fn problem(&self) -> &PlaceholderProblem {
        &self.problem
    }
}

impl fmt::Display for PlaceholderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, line, column, placeholder, problem } = self;
        let position = format_args!("{place}, line {line}, column {column}");
        match problem {
            PlaceholderProblem::Unknown => write!(
                f,
                "unknown placeholder `{placeholder}` in {position}: there are {{port}}, {{port:NAME}}, {{dir}} and \
                 {{env:NAME}}; write `{{{placeholder}}}` for this text itself"
            ),
            PlaceholderProblem::NoDirectory => {
                write!(f, "cannot fill in `{placeholder}` in {position}: call `Service::scratch`")
            }
            PlaceholderProblem::NoPort => write!(
                f,
                "cannot fill in `{placeholder}` in {position}: call `Service::free_port` or `Service::port`"
            ),
            PlaceholderProblem::UnknownPort(known) if known.is_empty() => {
                write!(f, "cannot fill in `{placeholder}` in {position}: call `Service::named_port`")
            }
            PlaceholderProblem::UnknownPort(known) => write!(
                f,
                "cannot fill in `{placeholder}` in {position}: the named ports are {}",
                known.join(", ")
            ),
            PlaceholderProblem::NotSet => {
                write!(f, "cannot fill in `{placeholder}` in {position}: the variable is not set")
            }
        }
    }
}

impl std::error::Error for PlaceholderError {}

/// A placeholder as it was found: its word, and what follows a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placeholder<'a> {
    pub(super) word: &'a str,
    pub(super) name: Option<&'a str>,
}

/// Replaces the placeholders in `text`, which is named `place` in errors.
pub(super) fn expand(
    place: &dyn fmt::Display,
    text: &[u8],
    value: &dyn Fn(Placeholder<'_>) -> Result<OsString, PlaceholderProblem>,
) -> Result<Vec<u8>, PlaceholderError> {
    let mut expanded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'{', &text[at..]) {
        let open = at + offset;
        expanded.extend_from_slice(&text[at..open]);
        at = open;
        let is_shell = open > 0 && text[open - 1] == b'$';
        if let Some(inner) = text[open..].strip_prefix(b"{{")
            && let Some((_, length)) = parse(inner).filter(|(_, length)| inner.get(*length) == Some(&b'}'))
        {
            expanded.push(b'{');
            expanded.extend_from_slice(&inner[..length]);
            at += length + 3;
        } else if !is_shell && let Some((found, length)) = parse(&text[open + 1..]) {
            let filled = value(found).map_err(|problem| {
                let line_start = memchr::memrchr(b'\n', &text[..open]).map_or(0, |lf| lf + 1);
                PlaceholderError {
                    place: place.to_string(),
                    line: memchr::memchr_iter(b'\n', &text[..open]).count() + 1,
                    column: open - line_start + 1,
                    placeholder: String::from_utf8_lossy(&text[open..=open + length]).into_owned(),
                    problem,
                }
            })?;
            expanded.extend_from_slice(filled.as_bytes());
            at += length + 1;
        } else {
            expanded.push(b'{');
            at += 1;
        }
    }
    expanded.extend_from_slice(&text[at..]);
    Ok(expanded)
}

/// Replaces the placeholders in a text of the system.
pub(super) fn expand_os(
    place: &dyn fmt::Display,
    text: &OsStr,
    value: &dyn Fn(Placeholder<'_>) -> Result<OsString, PlaceholderProblem>,
) -> Result<OsString, PlaceholderError> {
    expand(place, text.as_bytes(), value).map(OsString::from_vec)
}

/// Parses a placeholder whose opening brace is just before `text`. Returns it with its length, including the
/// closing brace.
fn parse(text: &[u8]) -> Option<(Placeholder<'_>, usize)> {
    /// The longest placeholder, so that an open brace does not search a whole file.
    const LONGEST: usize = 128;
    let end = memchr::memchr(b'}', &text[..text.len().min(LONGEST)])?;
    let inner = std::str::from_utf8(&text[..end]).ok()?;
    let (word, name) = match inner.split_once(':') {
        Some((word, name)) => (word, Some(name)),
        None => (inner, None),
    };
    let is_word = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    (is_word && name.is_none_or(is_name)).then_some((Placeholder { word, name }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(placeholder: Placeholder<'_>) -> Result<OsString, PlaceholderProblem> {
        match (placeholder.word, placeholder.name) {
            ("port", None) => Ok("5432".into()),
            ("port", Some(name)) => Ok(format!("<{name}>").into()),
            _ => Err(PlaceholderProblem::Unknown),
        }
    }

    fn expanded(text: &str) -> Result<String, PlaceholderError> {
        expand(&"the file a.conf", text.as_bytes(), &fill).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn placeholders_are_replaced_and_all_other_braces_are_left_alone() {
        for (text, expected) in [
            ("{port}", "5432"),
            ("{port}{port:admin}", "5432<admin>"),
            ("listen 127.0.0.1:{port};", "listen 127.0.0.1:5432;"),
            ("events {} http { server { listen {port}; } }", "events {} http { server { listen 5432; } }"),
            (r#"{"port": {port}, "a": [{}]}"#, r#"{"port": 5432, "a": [{}]}"#),
            ("${port} $${port} {Port} {port", "${port} $${port} {Port} {port"),
            (r"\d{3} {1,2} {a b} {port:} {a,b}", r"\d{3} {1,2} {a b} {port:} {a,b}"),
            ("{{port}} {{dir}} {{port:a}}", "{port} {dir} {port:a}"),
            ("{{port} {{ x }}", "{5432 {{ x }}"),
            ("", ""),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn f_230_an_unknown_placeholder_is_an_error_with_its_position() {
        let error = expanded("a\nbc {prot} {port}").unwrap_err();
        assert_eq!((error.line(), error.column(), error.placeholder()), (2, 4, "{prot}"));
        assert_eq!(
            error.to_string(),
            "unknown placeholder `{prot}` in the file a.conf, line 2, column 4: there are {port}, {port:NAME}, \
             {dir} and {env:NAME}; write `{{prot}}` for this text itself"
        );
    }
}
