//! Why a command failed.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::http::HttpError;

/// Why a command failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommandProblem {
    /// The program refused: the standard's answer to something that cannot be done.
    Refused {
        /// The standard's word, such as `no such element`.
        error: String,
        /// The program's own.
        message: String,
        /// Where in the program it was; often empty.
        stacktrace: String,
    },
    /// There was no answer within this time. The connection is closed; the program may still be at it.
    TimedOut(Duration),
    /// There was no connection, or it broke.
    Io(io::Error),
    /// What answered does not speak HTTP.
    NotHttp,
    /// The answer has more than 256 MiB.
    TooLarge,
    /// What answered does not speak WebDriver: the status, and the beginning of the answer.
    NotWebDriver {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
}

/// How much is told of an answer that cannot be understood.
const EXCERPT: usize = 200;

impl CommandProblem {
    /// An answer that is not what the standard says.
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
                // Some programs say their word twice.
                message if message.starts_with(error) => f.write_str(message),
                message => write!(f, "{error}: {message}"),
            },
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Self::Io(error) => error.fmt(f),
            Self::NotHttp => f.write_str("the answer is not HTTP"),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::NotWebDriver { status, body } => {
                write!(f, "the answer is not WebDriver: status {status}, {body:?}")
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
