//! The problem of a failed command.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::http::HttpError;

/// The problem of a failed WebDriver command.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandProblem {
    /// The driver has returned an error.
    Refused {
        /// The error code of the standard, such as `no such element`.
        error: String,
        /// The message of the driver.
        message: String,
        /// The stack trace of the driver; often empty.
        stacktrace: String,
    },
    /// There was no response within this time. The connection is closed; the driver may still execute the
    /// command.
    TimedOut(Duration),
    /// The connection failed or broke.
    Io(io::Error),
    /// The response is not HTTP.
    NotHttp,
    /// The response has more than 256 MiB.
    TooLarge,
    /// The response is not WebDriver.
    NotWebDriver {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
}

/// The number of bytes quoted of an invalid response.
const EXCERPT: usize = 200;

impl CommandProblem {
    /// Creates the problem for a response that does not follow the standard.
    pub(super) fn not_webdriver(status: u16, body: &[u8]) -> Self {
        let excerpt = &body[..body.len().min(EXCERPT)];
        Self::NotWebDriver { status, body: String::from_utf8_lossy(excerpt).into_owned() }
    }
}

impl fmt::Display for CommandProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { error, message, .. } => match message.trim_end() {
                "" => f.write_str(error),
                // Some drivers repeat the error code in the message.
                message if message.starts_with(error) => f.write_str(message),
                message => write!(f, "{error}: {message}"),
            },
            Self::TimedOut(limit) => write!(f, "no response within {limit:?}"),
            Self::Io(error) => error.fmt(f),
            Self::NotHttp => f.write_str("the response is not HTTP"),
            Self::TooLarge => f.write_str("the response is too large"),
            Self::NotWebDriver { status, body } => {
                write!(f, "the response is not WebDriver: status {status}, {body:?}")
            }
        }
    }
}

impl std::error::Error for CommandProblem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Refused { .. }
            | Self::TimedOut(_)
            | Self::NotHttp
            | Self::TooLarge
            | Self::NotWebDriver { .. } => None,
        }
    }
}

impl From<HttpError> for CommandProblem {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Io(error) => Self::Io(error),
            HttpError::NotHttp => Self::NotHttp,
            HttpError::TooLarge => Self::TooLarge,
        }
    }
}
