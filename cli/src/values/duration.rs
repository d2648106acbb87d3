//! Durations on the command line: plain seconds, as in Twisted, or with units.

use std::fmt;
use std::time::Duration;

use childminder::Policy;
use childminder::machine::PolicyError;
use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Parses `5`, `0.5`, `500ms` or `1m 30s`.
///
/// # Errors
///
/// [`DurationError`], without the text, which clap adds.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    if let Ok(number) = text.parse::<f64>() {
        return Policy::parse_seconds("duration", number).map_err(DurationError::Number);
    }
    let signed = text.parse::<SignedDuration>().or_else(|_| days(text));
    let Ok(signed) = signed else { return Err(DurationError::NotADuration) };
    match Duration::try_from(signed) {
        Ok(duration) if duration > Policy::LONGEST => Err(DurationError::TooLong),
        Ok(duration) => Ok(duration),
        Err(_) => Err(DurationError::Negative),
    }
}

/// Parses a duration with days, each of which has 24 hours.
fn days(text: &str) -> Result<SignedDuration, jiff::Error> {
    text.parse::<Span>()?.to_duration(SpanRelativeTo::days_are_24_hours())
}

/// Returns a duration as people write it, such as `1h`, `1m 30s`, `2.5s` or `100ms`, to the millisecond.
/// [`parse`] reads it.
pub(crate) fn text(duration: Duration) -> String {
    let millis = (duration.as_nanos() + 500_000) / 1_000_000;
    if (1..1000).contains(&millis) && duration.subsec_nanos().is_multiple_of(1_000_000) {
        return format!("{millis}ms");
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let seconds = Duration::from_millis(u64::try_from(millis % 60_000).unwrap_or(0)).as_secs_f64();
    let mut parts = Vec::new();
    parts.extend((hours > 0).then(|| format!("{hours}h")));
    parts.extend((minutes > 0).then(|| format!("{minutes}m")));
    if seconds > 0.0 || parts.is_empty() {
        parts.push(format!("{seconds}s"));
    }
    parts.join(" ")
}

/// The error returned for an invalid duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DurationError {
    /// Neither a number nor a duration with units.
    NotADuration,
    /// A number that is not a duration.
    Number(PolicyError),
    /// A negative duration.
    Negative,
    /// A duration above [`Policy::LONGEST`].
    TooLong,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADuration => {
                f.write_str("expected seconds, such as 0.5, or units, such as 500ms or '1m 30s'")
            }
            Self::Number(error) => write!(f, "this {error}"),
            Self::Negative => f.write_str("this duration is negative"),
            Self::TooLong => f.write_str("this duration is longer than a hundred years"),
        }
    }
}

impl std::error::Error for DurationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Number(error) => Some(error),
            Self::NotADuration | Self::Negative | Self::TooLong => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for (millis, expected) in [
            (0, "0s"),
            (100, "100ms"),
            (2_500, "2.5s"),
            (60_000, "1m"),
            (90_000, "1m 30s"),
            (3_600_000, "1h"),
            (86_401_000, "24h 1s"),
            (61_234, "1m 1.234s"),
            (28_800_001, "8h 0.001s"),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(text(duration), expected);
            assert_eq!(parse(expected), Ok(duration));
        }
    }

    #[test]
    fn pmt_2_seconds_and_units_are_parsed() {
        for (text, millis) in [
            ("0", 0),
            ("5", 5_000),
            ("5.0", 5_000),
            (".5", 500),
            ("1e3", 1_000_000),
            ("500ms", 500),
            ("1m 30s", 90_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("2 hours", 7_200_000),
            ("PT3S", 3_000),
            ("1d", 86_400_000),
            ("1d 2h", 93_600_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn pmt_6_other_texts_are_errors() {
        for (text, reason) in [
            ("nan", "this duration is not a number"),
            ("NaN", "this duration is not a number"),
            ("-1", "this duration is negative"),
            ("-1s", "this duration is negative"),
            ("inf", "this duration is longer than a hundred years"),
            ("-inf", "this duration is negative"),
            ("1e300", "this duration is longer than a hundred years"),
            ("9000000 hours", "this duration is longer than a hundred years"),
            ("", "expected seconds, such as 0.5, or units, such as 500ms or '1m 30s'"),
            ("-1d", "this duration is negative"),
            ("1 month", "expected seconds, such as 0.5, or units, such as 500ms or '1m 30s'"),
            ("soon", "expected seconds, such as 0.5, or units, such as 500ms or '1m 30s'"),
            ("5 s s", "expected seconds, such as 0.5, or units, such as 500ms or '1m 30s'"),
        ] {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(reason.to_owned()), "{text:?}");
        }
    }
}
