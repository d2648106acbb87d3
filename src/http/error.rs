//! The errors of a request.

use std::fmt;
use std::io;

/// The reason why a request has no response.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// The connection failed, or ended before the response was complete.
    Io(io::Error),
    /// The peer does not speak HTTP/1.
    NotHttp,
    /// The response exceeds a limit.
    TooLarge,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotHttp => f.write_str("the response is not HTTP"),
            Self::TooLarge => f.write_str("the response is too large"),
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
