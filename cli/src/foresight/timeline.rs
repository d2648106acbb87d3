//! `childminder timeline`: a journal as a picture.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use childminder::journal::Journal;
use childminder::timeline::Timeline;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::{OpenError, open_journal};
use crate::args;
use crate::values::duration;
use crate::values::moment::{Moment, Period};

/// The error returned when no picture can be drawn.
#[derive(Debug)]
pub(crate) enum PictureError {
    Open(OpenError),
    /// The name of the file to write has another ending.
    Format(PathBuf),
    /// The journal has no time of day.
    NoTimeOfDay {
        option: &'static str,
    },
    /// The range is empty.
    Empty {
        from: Duration,
        to: Duration,
        period: String,
    },
    Write {
        path: PathBuf,
        error: io::Error,
    },
}

impl PictureError {
    /// Returns the exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Write { .. } => crate::FAILED,
            _ => crate::USAGE,
        }
    }
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Format(path) => {
                write!(f, "--output {}: the name of a picture ends with .html or .svg", path.display())
            }
            Self::NoTimeOfDay { option } => write!(
                f,
                "{option}: the journal has no time of day; use a time since its beginning, such as 10m, or before its \
                 end, such as -1h"
            ),
            Self::Empty { from, to, period } => {
                let (from, to) = (duration::text(*from), duration::text(*to));
                write!(
                    f,
                    "nothing is between --from and --to, which are {from} and {to} after the beginning; the journal \
                     is {period}"
                )
            }
            Self::Write { path, error } => write!(f, "cannot write {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for PictureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(error) => Some(error),
            Self::Write { error, .. } => Some(error),
            Self::Format(_) | Self::NoTimeOfDay { .. } | Self::Empty { .. } => None,
        }
    }
}

/// `childminder timeline`. Returns the exit status.
pub(crate) fn timeline(args: &args::Timeline) -> ExitCode {
    match draw(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::report_error(error.status(), &error),
    }
}

fn draw(args: &args::Timeline) -> Result<(), PictureError> {
    let picture = Picture::at(&args.output)?;
    let journal = open_journal(&args.journal).map_err(PictureError::Open)?;
    let mut timeline = of_journal(&journal, &args.journal);
    let whole = (timeline.from, timeline.until);
    let period = Period { began: timeline.began, length: timeline.until };
    let since = |moment: Option<Moment>, option, earliest, default| match moment {
        Some(moment) => moment.since_beginning(period, earliest).ok_or(PictureError::NoTimeOfDay { option }),
        None => Ok(default),
    };
    let from = since(args.from, "--from", whole.0, whole.0)?;
    let to = since(args.to, "--to", from, whole.1)?;
    let is_limited = args.from.is_some() || args.to.is_some();
    if is_limited && (from.max(whole.0) >= to.min(whole.1)) {
        return Err(PictureError::Empty { from, to, period: period_of(&timeline) });
    }
    timeline.cut(from.max(whole.0), to.min(whole.1));
    picture.write(&timeline)
}

/// Returns the timeline of a journal, with the name of its file and times of day of this system.
pub(super) fn of_journal(journal: &Journal, path: &Path) -> Timeline {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let mut timeline = journal.timeline(name.to_string_lossy());
    timeline.utc_offset = timeline.began.map_or(0, utc_offset);
    timeline
}

/// Returns by how many seconds this system was ahead of UTC.
fn utc_offset(at: SystemTime) -> i32 {
    Timestamp::try_from(at).map_or(0, |at| TimeZone::system().to_offset(at).seconds())
}

/// Returns the beginning and the end as text.
fn period_of(timeline: &Timeline) -> String {
    let length =
        duration::text(Duration::from_millis(u64::try_from(timeline.until.as_millis()).unwrap_or(u64::MAX)));
    let time = |at: Duration| {
        let at = Timestamp::try_from(timeline.began? + at).ok()?.to_zoned(TimeZone::system());
        strtime::format("%F %T", &at).ok()
    };
    match (time(timeline.from), time(timeline.until)) {
        (Some(from), Some(until)) => format!("from {from} to {until}, {length} long"),
        _ => format!("{length} long"),
    }
}

/// A picture to be written.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    path: &'a Path,
    format: Format,
}

/// The format of a picture.
#[derive(Debug)]
enum Format {
    Html,
    Svg,
}

impl<'a> Picture<'a> {
    /// Returns the picture in the format that the name of its file asks for.
    ///
    /// # Errors
    ///
    /// [`PictureError::Format`].
    pub(super) fn at(path: &'a Path) -> Result<Self, PictureError> {
        let format = match path.extension().map(|extension| extension.to_ascii_lowercase()) {
            Some(extension) if extension == "html" || extension == "htm" => Format::Html,
            Some(extension) if extension == "svg" => Format::Svg,
            _ => return Err(PictureError::Format(path.to_owned())),
        };
        Ok(Self { path, format })
    }

    /// Writes the picture.
    ///
    /// # Errors
    ///
    /// [`PictureError::Write`].
    pub(super) fn write(&self, timeline: &Timeline) -> Result<(), PictureError> {
        let text = match self.format {
            Format::Html => timeline.to_html(),
            Format::Svg => timeline.to_svg(),
        };
        fs::write(self.path, text).map_err(|error| PictureError::Write { path: self.path.to_owned(), error })
    }
}
