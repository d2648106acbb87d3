//! Moments of a record on the command line: times of day, and times since its beginning or before its end.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::duration::{self, DurationError};

/// A moment of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    /// A date and a time of day, in the time zone of this system.
    Date(DateTime),
    /// A time of day: its first one in the record.
    TimeOfDay(Time),
    /// A time since the beginning.
    SinceBeginning(Duration),
    /// A time before the end.
    BeforeEnd(Duration),
}

/// The error returned for a text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MomentError(DurationError);

impl fmt::Display for MomentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            DurationError::NotADuration => f.write_str(
                "expected a time of day, such as 03:00 or 2026-11-30T03:00, a time since the beginning, such as \
                 10m, or before the end, such as -1h",
            ),
            error => error.fmt(f),
        }
    }
}

impl std::error::Error for MomentError {}

/// Parses `2026-11-30T03:00`, `03:00:30`, `10m` or `-1h`.
///
/// # Errors
///
/// [`MomentError`], without the text, which clap adds.
pub(crate) fn parse(text: &str) -> Result<Moment, MomentError> {
    if text.contains(':') {
        let date = text.parse().map(Moment::Date);
        let time = || text.parse().map(Moment::TimeOfDay);
        // A time of day alone is no date, but jiff finds the time in a date.
        let is_date = text.contains(['T', ' ']) || text.matches('-').count() == 2;
        let moment = if is_date { date } else { time() };
        return moment.map_err(|_| MomentError(DurationError::NotADuration));
    }
    match text.strip_prefix('-') {
        Some(before) => duration::parse(before).map(Moment::BeforeEnd),
        None => duration::parse(text).map(Moment::SinceBeginning),
    }
    .map_err(MomentError)
}

/// A record with a beginning that is a time of day, if it is known, and a length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) began: Option<SystemTime>,
    pub(crate) length: Duration,
}

impl Moment {
    /// Returns the time since the beginning of the record; the first one not before `earliest`, of a time of
    /// day. `None` if the record has no time of day. A time before the beginning is the beginning.
    pub(crate) fn since_beginning(self, period: Period, earliest: Duration) -> Option<Duration> {
        let since = match self {
            Self::SinceBeginning(since) => return Some(since),
            Self::BeforeEnd(before) => return Some(period.length.saturating_sub(before)),
            Self::Date(date) => self.zoned(date)?.duration_since(began(period)?),
            Self::TimeOfDay(time) => {
                let began = began(period)?;
                let first = began.checked_add(jiff::SignedDuration::try_from(earliest).ok()?).ok()?;
                let day = first.to_zoned(TimeZone::system()).date();
                let at = self.zoned(day.to_datetime(time))?;
                let at = if at < first {
                    self.zoned(day.checked_add(1.day()).ok()?.to_datetime(time))?
                } else {
                    at
                };
                at.duration_since(began)
            }
        };
        Some(Duration::try_from(since).unwrap_or_default())
    }

    fn zoned(self, date: DateTime) -> Option<Timestamp> {
        Some(date.to_zoned(TimeZone::system()).ok()?.timestamp())
    }
}

fn began(period: Period) -> Option<Timestamp> {
    Timestamp::try_from(period.began?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn date(text: &str) -> SystemTime {
        let date: DateTime = text.parse().unwrap();
        date.to_zoned(TimeZone::system()).unwrap().timestamp().into()
    }

    #[test]
    fn moments_are_times_of_day_or_relative_to_the_record() {
        let period = Period { began: Some(date("2026-11-29T22:30")), length: 30 * HOUR };
        let since = |text: &str| parse(text).unwrap().since_beginning(period, Duration::ZERO);
        assert_eq!(since("10m"), Some(HOUR / 6));
        assert_eq!(since("-1h"), Some(29 * HOUR));
        assert_eq!(since("2026-11-30T03:00"), Some(HOUR * 9 / 2));
        assert_eq!(since("2026-11-30 03:00:30"), Some(HOUR * 9 / 2 + Duration::from_secs(30)));
        assert_eq!(since("23:00"), Some(HOUR / 2));
        assert_eq!(since("03:00"), Some(HOUR * 9 / 2), "of the next day");
        assert_eq!(since("2020-01-01T00:00"), Some(Duration::ZERO));
        // The next one after another moment.
        let later = parse("23:00").unwrap().since_beginning(period, HOUR);
        assert_eq!(later, Some(HOUR * 49 / 2));
        let unknown = Period { began: None, ..period };
        assert_eq!(parse("03:00").unwrap().since_beginning(unknown, Duration::ZERO), None);
        assert_eq!(parse("-1h").unwrap().since_beginning(unknown, Duration::ZERO), Some(29 * HOUR));
    }

    #[test]
    fn what_is_no_moment_is_an_error_with_examples() {
        for text in ["", "noon", "25:00", "03:61", "2026-13-01T00:00", "--1h", "1h ago"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let error = parse("noon").unwrap_err().to_string();
        assert!(error.contains("03:00") && error.contains("-1h"), "{error}");
    }
}
