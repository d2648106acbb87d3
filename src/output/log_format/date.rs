//! Converts calendar dates to the time of the system, and back.
//!
//! Both directions count days from March 1 of the year 0, so that the leap day is the last day of its year,
//! and the lengths of the months follow a regular pattern: 153 days in each five months.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The number of days from 0000-03-01 to 1970-01-01.
const TO_1970: i64 = 719_468;
const DAY: i64 = 24 * 60 * 60;
/// The number of days in 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;

/// The offset of the clock of a program from UTC.
///
/// It is fixed and has no daylight saving time: configure a program whose clock changes to log in UTC.
///
/// ```
/// use childminder::output::log_format::UtcOffset;
///
/// assert_eq!(UtcOffset::hours(2), UtcOffset::minutes(120));
/// assert_eq!(UtcOffset::UTC, UtcOffset::hours(0));
/// assert_eq!(UtcOffset::default(), UtcOffset::UTC);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UtcOffset {
    /// Positive east of Greenwich.
    minutes: i16,
}

impl UtcOffset {
    /// No offset. The default.
    pub const UTC: Self = Self { minutes: 0 };

    /// Returns an offset of `hours` ahead of UTC; negative west of Greenwich.
    pub const fn hours(hours: i8) -> Self {
        Self { minutes: hours as i16 * 60 }
    }

    /// Returns an offset of `minutes` ahead of UTC, such as 330 for India.
    pub const fn minutes(minutes: i16) -> Self {
        Self { minutes }
    }
}

/// A date and time of day as written in a line, whether or not it exists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Date {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) millisecond: u32,
}

impl Date {
    /// Returns the time of this date in `zone`, or `None` if the date does not exist.
    ///
    /// Second 60 is the next second, as on all Unix systems. It exists only at the end of a day in UTC, where
    /// leap seconds are inserted.
    pub(super) fn in_zone(self, zone: UtcOffset) -> Option<SystemTime> {
        let Self { year, month, day, hour, minute, second, millisecond } = self;
        let exists = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_of(month, year)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60
            && millisecond < 1000;
        if !exists {
            return None;
        }
        let of_the_day = hour * 3600 + minute * 60 + second;
        let seconds = days_since_1970(self) * DAY + i64::from(of_the_day) - i64::from(zone.minutes) * 60;
        if second == 60 && seconds % DAY != 0 {
            return None;
        }
        let millis = seconds * 1000 + i64::from(millisecond);
        let distance = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }
}

fn days_of(month: u32, year: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(date: Date) -> i64 {
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let (year, months_since_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + days_before(months_since_march) + day - 1 - TO_1970
}

/// Returns the days before a month in a year that begins in March.
fn days_before(months_since_march: i64) -> i64 {
    (153 * months_since_march + 2) / 5
}

/// Formats a time by RFC 3339, in UTC with milliseconds: `2026-11-21T14:05:59.250Z`.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let millis = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    };
    let (seconds, millisecond) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    let (days, second) = (seconds.div_euclid(DAY) + TO_1970, seconds.rem_euclid(DAY));
    let (cycle, day) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    // Without the leap days, except those at the end of a century and of the cycle, every year has 365 days.
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let months_since_march = (5 * day + 2) / 153;
    let day = day - days_before(months_since_march) + 1;
    let (year, month) = match months_since_march {
        0..=9 => (year, months_since_march + 3),
        _ => (year + 1, months_since_march - 9),
    };
    let (year, hour, minute, second) = (cycle * 400 + year, second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: u32, month: u32, day: u32) -> Date {
        Date { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 }
    }

    /// Returns the seconds since 1970; negative before.
    fn unix(date: Date, zone: UtcOffset) -> Option<i64> {
        let time = date.in_zone(zone)?;
        Some(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_secs() as i64,
            Err(before) => -(before.duration().as_secs() as i64),
        })
    }

    #[test]
    fn known_dates() {
        for (date, expected) in [
            (date(1970, 1, 1), 0),
            (date(1969, 12, 31), -86_400),
            (date(2000, 2, 29), 951_782_400),
            (date(2000, 3, 1), 951_868_800),
            (date(2001, 9, 9), 999_993_600),
            (date(2038, 1, 19), 2_147_472_000),
            (date(1, 1, 1), -62_135_596_800),
            (date(9999, 12, 31), 253_402_214_400),
        ] {
            assert_eq!(unix(date, UtcOffset::UTC), Some(expected), "{date:?}");
        }
        let last_32_bit = Date { hour: 3, minute: 14, second: 7, ..date(2038, 1, 19) };
        assert_eq!(unix(last_32_bit, UtcOffset::UTC), Some(i64::from(i32::MAX)));
    }

    #[test]
    fn consecutive_days_are_consecutive_and_round_trip() {
        let mut expected = unix(date(1, 1, 1), UtcOffset::UTC).unwrap();
        for year in 1..=2800 {
            for month in 1..=12 {
                for day in 1..=days_of(month, year) {
                    let date = date(year, month, day);
                    assert_eq!(unix(date, UtcOffset::UTC), Some(expected), "{date:?}");
                    let text = rfc3339(date.in_zone(UtcOffset::UTC).unwrap());
                    assert_eq!(text, format!("{year:04}-{month:02}-{day:02}T00:00:00.000Z"));
                    expected += DAY;
                }
            }
        }
    }

    #[test]
    fn sv_32_an_impossible_date_is_none() {
        for date in [
            date(2026, 2, 29),
            date(1900, 2, 29),
            date(2026, 4, 31),
            date(2026, 0, 1),
            date(2026, 13, 1),
            date(2026, 1, 0),
            date(2026, 1, 32),
            date(0, 1, 1),
            date(10_000, 1, 1),
            date(u32::MAX, u32::MAX, u32::MAX),
            Date { hour: 24, ..date(2026, 1, 1) },
            Date { minute: 60, ..date(2026, 1, 1) },
            Date { second: 61, ..date(2026, 1, 1) },
            Date { millisecond: 1000, ..date(2026, 1, 1) },
        ] {
            assert_eq!(date.in_zone(UtcOffset::UTC), None, "{date:?}");
        }
    }

    #[test]
    fn a_leap_second_is_the_next_second_and_only_at_the_end_of_a_day_in_utc() {
        let leap = |hour, minute| Date { hour, minute, second: 60, ..date(2016, 12, 31) };
        let new_year = unix(date(2017, 1, 1), UtcOffset::UTC);
        assert_eq!(unix(leap(23, 59), UtcOffset::UTC), new_year);
        assert_eq!(unix(leap(18, 59), UtcOffset::hours(-5)), new_year);
        assert_eq!(unix(leap(18, 29), UtcOffset::minutes(-330)), new_year);
        assert_eq!(unix(leap(12, 59), UtcOffset::UTC), None);
        assert_eq!(unix(leap(23, 59), UtcOffset::hours(1)), None);
    }

    #[test]
    fn sv_27_the_offset_is_ahead_of_utc() {
        let noon = Date { hour: 12, millisecond: 7, ..date(2026, 11, 21) };
        for (zone, expected) in [
            (UtcOffset::UTC, "2026-11-21T12:00:00.007Z"),
            (UtcOffset::hours(2), "2026-11-21T10:00:00.007Z"),
            (UtcOffset::hours(14), "2026-11-20T22:00:00.007Z"),
            (UtcOffset::minutes(330), "2026-11-21T06:30:00.007Z"),
            (UtcOffset::hours(-12), "2026-11-22T00:00:00.007Z"),
        ] {
            assert_eq!(rfc3339(noon.in_zone(zone).unwrap()), expected);
        }
    }

    #[test]
    fn a_time_before_1970_keeps_its_milliseconds() {
        let late = Date { hour: 23, minute: 59, second: 59, millisecond: 999, ..date(1969, 12, 31) };
        assert_eq!(rfc3339(late.in_zone(UtcOffset::UTC).unwrap()), "1969-12-31T23:59:59.999Z");
    }
}
