//! The description of an expected output.

use std::fmt;

use regex::bytes::Regex;

use crate::machine::Stream;

/// An expected output: a text or a regular expression, on which stream, and how often.
///
/// A match is found wherever it lies in the output: in a line without an end, split over several reads, or in
/// a line longer than the limit for log lines. The two streams are searched separately.
///
/// ```
/// use childminder::Condition;
/// use childminder::machine::Stream;
/// use childminder::ready::OutputMatch;
///
/// let workers = OutputMatch::regex(r"worker \d+ started").on(Stream::Stderr).times(4);
/// let ready = Condition::all([Condition::output("listening"), workers.into()]);
/// assert!(ready.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OutputMatch {
    pub(super) pattern: Pattern,
    pub(super) stream: Option<Stream>,
    pub(super) times: u32,
    pub(super) in_message: bool,
}

/// The pattern of an [`OutputMatch`].
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Text(String),
    Regex(Regex),
    /// A regular expression that does not compile, and the reason.
    Invalid(String),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) | (Self::Invalid(one), Self::Invalid(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            (Self::Text(_) | Self::Regex(_) | Self::Invalid(_), _) => false,
        }
    }
}

/// Why an [`OutputMatch`] can never match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InvalidOutputMatch {
    Empty,
    Regex(String),
    ZeroTimes,
}

impl OutputMatch {
    /// Matches this text literally.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Pattern::Text(text.into()))
    }

    /// Matches this regular expression within one line.
    ///
    /// An invalid expression is reported by [`Condition::check`](crate::Condition::check) and by the start. A
    /// line is searched while it grows, up to its last 64 KiB, and `$` matches the end of what has been read
    /// of it so far.
    pub fn regex(regex: &str) -> Self {
        Self::new(Regex::new(regex).map_or_else(|error| Pattern::Invalid(error.to_string()), Pattern::Regex))
    }

    fn new(pattern: Pattern) -> Self {
        Self { pattern, stream: None, times: 1, in_message: false }
    }

    /// Searches this stream only. Default: both streams, whose matches are added up.
    #[must_use]
    pub fn on(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Requires at least this number of matches. Default: one.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Searches only the message part of whole lines, as found by the output format of the service.
    ///
    /// In a line longer than 64 KiB only the beginning is searched. Without an output format the whole line
    /// is the message. Default: the whole output is searched.
    #[must_use]
    pub fn in_message(mut self) -> Self {
        self.in_message = true;
        self
    }

    /// Returns the number of matches required.
    pub(crate) fn required(&self) -> u32 {
        self.times
    }

    /// Returns whether `stream` is searched.
    pub(super) fn is_on(&self, stream: Stream) -> bool {
        self.stream.is_none_or(|on| on == stream)
    }

    /// Checks that the output can match at all.
    pub(crate) fn check(&self) -> Result<(), InvalidOutputMatch> {
        match &self.pattern {
            Pattern::Text(text) if text.is_empty() => Err(InvalidOutputMatch::Empty),
            Pattern::Regex(regex) if regex.as_str().is_empty() => Err(InvalidOutputMatch::Empty),
            Pattern::Invalid(reason) => Err(InvalidOutputMatch::Regex(reason.clone())),
            Pattern::Text(_) | Pattern::Regex(_) if self.times == 0 => Err(InvalidOutputMatch::ZeroTimes),
            Pattern::Text(_) | Pattern::Regex(_) => Ok(()),
        }
    }
}

/// Matches this text once, on either stream.
impl From<&str> for OutputMatch {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Display for OutputMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Text(text) => write!(f, "output {text:?}")?,
            Pattern::Regex(regex) => write!(f, "output matching /{regex}/")?,
            Pattern::Invalid(reason) => write!(f, "output matching an invalid regular expression: {reason}")?,
        }
        if let Some(stream) = self.stream {
            write!(f, " on {stream}")?;
        }
        if self.times > 1 {
            write!(f, ", {} times", self.times)?;
        }
        if self.in_message {
            write!(f, ", in the message")?;
        }
        Ok(())
    }
}
