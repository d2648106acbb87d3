//! The times of a picture as text: times of day if they are known, otherwise times since the beginning.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::scale::{self, Scale};

const NANOS: i128 = 1_000_000_000;
const MINUTE: i128 = 60 * NANOS;
const DAY: i128 = 24 * 60 * MINUTE;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Writes times.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Time zero on the clock of the place, in nanoseconds since 1970.
    zero: Option<i128>,
    utc_offset: i32,
}

/// A time on an axis.
#[derive(Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) x: f64,
    pub(crate) label: String,
    /// Whether a day begins here.
    pub(crate) is_day: bool,
}

impl Clock {
    pub(crate) fn new(began: Option<SystemTime>, utc_offset: i32) -> Self {
        let nanos = |length: Duration| i128::try_from(length.as_nanos()).unwrap_or(i128::MAX / 4);
        let zero = began.map(|began| match began.duration_since(UNIX_EPOCH) {
            Ok(after) => nanos(after),
            Err(before) => -nanos(before.duration()),
        });
        Self { zero: zero.map(|zero| zero + i128::from(utc_offset) * NANOS), utc_offset }
    }

    /// Returns time zero on the clock of the place, in milliseconds since 1970.
    pub(crate) fn zero_millis(&self) -> Option<i128> {
        self.zero.map(|zero| zero.div_euclid(NANOS / 1000))
    }

    /// Returns a time, as exact as a picture of this length needs it.
    pub(crate) fn time(&self, at: Duration, length: Duration) -> String {
        let Some(now) = self.at(at) else { return scale::format_time(at) };
        let of_day = time_of_day(now, if length < Duration::from_secs(600) { 3 } else { 0 });
        if length < Duration::from_secs(12 * 3600) { of_day } else { format!("{} {of_day}", day(now)) }
    }

    /// Returns the date and time of a time, or the time since the beginning.
    pub(crate) fn full(&self, at: Duration) -> String {
        let Some(now) = self.at(at) else { return scale::format_time(at) };
        let (year, month, day) = date(now.div_euclid(DAY));
        format!("{year:04}-{month:02}-{day:02} {}", time_of_day(now, 0))
    }

    /// Returns the name of the place's offset, such as `UTC+1`.
    pub(crate) fn zone(&self) -> Option<String> {
        self.zero?;
        let minutes = self.utc_offset.abs() / 60;
        let sign = if self.utc_offset < 0 { '-' } else { '+' };
        Some(match (minutes / 60, minutes % 60) {
            (0, 0) => "UTC".to_owned(),
            (hours, 0) => format!("UTC{sign}{hours}"),
            (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
        })
    }

    /// Returns round times between `from` and the end of the scale.
    pub(crate) fn ticks(&self, scale: &Scale, from: Duration) -> Vec<Tick> {
        let Some(first) = self.at(from) else {
            let from = from.as_nanos();
            let ticks = scale.ticks_from(from).into_iter();
            return ticks.map(|(x, label)| Tick { x, label, is_day: false }).collect();
        };
        let step = i128::try_from(scale.step()).unwrap_or(i128::MAX / 4);
        let length = i128::try_from(scale.length.as_nanos()).unwrap_or(i128::MAX / 4);
        let round = first.div_euclid(step) * step + if first.rem_euclid(step) == 0 { 0 } else { step };
        let times = (0..).map(|i| round + i * step).take_while(|time| time - first <= length);
        let tick = |time: i128| {
            let since = u64::try_from(time - first).unwrap_or(u64::MAX);
            let is_day = time.rem_euclid(DAY) == 0;
            let label = match step {
                _ if is_day => day(time),
                MINUTE.. => time_of_day(time, 0)[..5].to_owned(),
                NANOS.. => time_of_day(time, 0),
                _ => time_of_day(time, 3),
            };
            Tick { x: scale.x(Duration::from_nanos(since)), label, is_day }
        };
        times.map(tick).collect()
    }

    fn at(&self, at: Duration) -> Option<i128> {
        Some(self.zero? + i128::try_from(at.as_nanos()).ok()?)
    }
}

fn time_of_day(now: i128, decimals: usize) -> String {
    let nanos = now.rem_euclid(DAY);
    let seconds = nanos / NANOS;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match decimals {
        0 => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", nanos % NANOS / 1_000_000),
    }
}

fn day(now: i128) -> String {
    let (_, month, day) = date(now.div_euclid(DAY));
    format!("{} {day}", MONTHS[month as usize - 1])
}

/// Returns the year, month and day of a number of days since 1970. Years are counted from March, so that the
/// leap day is the last one.
fn date(days: i128) -> (i128, u8, u8) {
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + later, month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30 02:58:30 UTC.
    const NIGHT: u64 = 1_796_007_510;

    fn labels(clock: &Clock, from: u64, length: Duration) -> Vec<String> {
        let scale = Scale::new(0.0, 900.0, length);
        clock.ticks(&scale, Duration::from_secs(from)).into_iter().map(|tick| tick.label).collect()
    }

    fn night(utc_offset: i32) -> Clock {
        Clock::new(Some(UNIX_EPOCH + Duration::from_secs(NIGHT)), utc_offset)
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(-1), (1969, 12, 31));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_787), (2026, 11, 30));
        assert_eq!(date(-25_509), (1900, 2, 28));
        assert_eq!(date(-25_508), (1900, 3, 1));
    }

    #[test]
    fn ticks_are_round_on_the_clock_on_the_wall() {
        assert_eq!(labels(&night(0), 0, Duration::from_secs(600))[..3], ["02:59", "03:00", "03:01"]);
        let week = labels(&night(0), 0, Duration::from_secs(7 * 86_400));
        assert_eq!(week, ["Dec 1", "Dec 2", "Dec 3", "Dec 4", "Dec 5", "Dec 6", "Dec 7"]);
        let night = night(5 * 3600 + 1800);
        assert_eq!(labels(&night, 0, Duration::from_secs(3))[..2], ["08:28:30.000", "08:28:30.500"]);
        assert_eq!(night.zone().as_deref(), Some("UTC+5:30"));
        assert_eq!(night.full(Duration::from_secs(90)), "2026-11-30 08:30:00");
        let day = labels(&night, 0, Duration::from_secs(86_400));
        assert!(day.contains(&"Dec 1".to_owned()) && day.contains(&"21:00".to_owned()), "{day:?}");
    }

    #[test]
    fn a_time_is_as_exact_as_the_picture_needs_it() {
        let time = |length| night(-3600).time(Duration::from_millis(1500), Duration::from_secs(length));
        assert_eq!(time(3), "01:58:31.500");
        assert_eq!(time(3600), "01:58:31");
        assert_eq!(time(86_400), "Nov 30 01:58:31");
        let unknown = Clock::new(None, 0);
        assert_eq!(unknown.time(Duration::from_secs(90), Duration::from_secs(100)), "1 min 30 s");
        assert_eq!(unknown.zone(), None);
        assert_eq!(labels(&unknown, 95, Duration::from_secs(60))[..2], ["1 min 40 s", "1 min 50 s"]);
    }
}
