//! Why there is no answer.

use std::fmt;
use std::io;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// The connection broke, or ended too early.
    Io(io::Error),
    /// What came is not HTTP/1.
    NotHttp,
    /// It is HTTP, but more of it than there is room for.
    TooLarge,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotHttp => f.write_str("the answer is not HTTP"),
            Self::TooLarge => f.write_str("the answer is too large"),
        }
    }
}

impl std::error::Error for HttpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NotHttp | Self::TooLarge => None,
        }
    }
}

impl From<io::Error> for HttpError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
