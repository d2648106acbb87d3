//! The scale from times to positions: the axis, its ticks, and the text of a time.

use std::time::Duration;

/// The least distance between two ticks.
const APART: f64 = 88.0;

const MICRO: u128 = 1_000;
const MILLI: u128 = 1_000 * MICRO;
const SECOND: u128 = 1_000 * MILLI;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;

/// An interval of time on an interval of the picture.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(super) length: Duration,
}

impl Scale {
    pub(crate) fn new(left: f64, right: f64, length: Duration) -> Self {
        Self { left, right, length }
    }

    pub(crate) fn x(&self, at: Duration) -> f64 {
        if self.length.is_zero() {
            return self.left;
        }
        self.left + (self.right - self.left) * (at.as_secs_f64() / self.length.as_secs_f64()).min(1.0)
    }

    /// Returns round times at sufficient distances, with their labels.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        self.ticks_from(0)
    }

    /// Returns the same if the left end of the scale is `from`, in nanoseconds.
    pub(super) fn ticks_from(&self, from: u128) -> Vec<(f64, String)> {
        let (length, step) = (self.length.as_nanos(), self.step());
        let first = from.div_ceil(step);
        let times = (first..).map(|i| i * step).take_while(|&time| time - from <= length);
        let place = |time| match length {
            0 => self.left,
            _ => self.left + (self.right - self.left) * ((time - from) as f64 / length as f64),
        };
        times.map(|time| (place(time), label(time, from + length, step))).collect()
    }

    /// Returns the distance between two ticks.
    pub(super) fn step(&self) -> u128 {
        let room = (self.right - self.left) / APART;
        let length = self.length.as_nanos() as f64;
        steps().find(|&step| length / step as f64 <= room).expect("they have no end")
    }
}

/// Returns a time with three significant digits.
pub(crate) fn format_time(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0 => "0 s".to_owned(),
        1..MICRO => format!("{nanos} ns"),
        MICRO..MILLI => digits(nanos, MICRO, "µs"),
        MILLI..SECOND => digits(nanos, MILLI, "ms"),
        SECOND..MINUTE => digits(nanos, SECOND, "s"),
        MINUTE.. => parts(nanos / SECOND * SECOND),
    }
}

/// Returns the possible distances between ticks: 1, 2, 5, … below a minute, then divisions of a clock face,
/// then powers of two of a day.
fn steps() -> impl Iterator<Item = u128> {
    let decimal = (0..8).flat_map(|power| [1, 2, 5].map(|digit| digit * MICRO * 10_u128.pow(power)));
    let minutes = [1, 2, 5, 10, 15, 30].map(|count| count * MINUTE);
    let hours = [1, 2, 3, 6, 12].map(|count| count * HOUR);
    let days = (0..64).map(|power| DAY << power);
    let below_a_minute = decimal.take_while(|&step| step < 20 * SECOND).chain([15 * SECOND, 30 * SECOND]);
    below_a_minute.chain(minutes).chain(hours).chain(days)
}

/// Returns the label of a tick. All labels of an axis have the same unit, and as many digits as the step
/// requires.
fn label(time: u128, length: u128, step: u128) -> String {
    let (unit, name) = match length {
        _ if time == 0 => return "0".to_owned(),
        0..MILLI => (MICRO, "µs"),
        MILLI..SECOND => (MILLI, "ms"),
        SECOND..MINUTE => (SECOND, "s"),
        MINUTE.. if step < SECOND => {
            let whole = time / MINUTE * MINUTE;
            let rest = digits_of(time - whole, SECOND, step);
            return format!("{} {rest} s", parts(whole)).trim_start().to_owned();
        }
        MINUTE.. => return parts(time),
    };
    format!("{} {name}", digits_of(time, unit, step))
}

/// Returns a time in `unit` with as many digits as the step requires.
fn digits_of(time: u128, unit: u128, step: u128) -> String {
    let decimals = (0..9).find(|&count| (step * 10_u128.pow(count)).is_multiple_of(unit)).unwrap_or(9);
    format!("{:.*}", decimals as usize, time as f64 / unit as f64)
}

fn digits(nanos: u128, unit: u128, name: &str) -> String {
    let decimals = match nanos / unit {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let number = format!("{:.decimals$}", nanos as f64 / unit as f64);
    let number = if decimals == 0 { &*number } else { number.trim_end_matches('0').trim_end_matches('.') };
    format!("{number} {name}")
}

/// Returns the days, hours, minutes and seconds that are not zero.
fn parts(nanos: u128) -> String {
    let parts = [
        (nanos / DAY, "d"),
        (nanos % DAY / HOUR, "h"),
        (nanos % HOUR / MINUTE, "min"),
        (nanos % MINUTE / SECOND, "s"),
    ];
    let parts =
        parts.into_iter().filter(|&(count, _)| count > 0).map(|(count, unit)| format!("{count} {unit}"));
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(length: Duration) -> Vec<String> {
        Scale::new(0.0, 900.0, length).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_from_microseconds_to_days() {
        let ends = |length| {
            let labels = labels(length);
            (labels.len(), labels[1].clone(), labels[labels.len() - 1].clone())
        };
        let case = |count, first: &str, last: &str| (count, first.to_owned(), last.to_owned());
        assert_eq!(labels(Duration::ZERO), ["0"]);
        assert_eq!(ends(Duration::from_micros(3)), case(4, "1 µs", "3 µs"));
        assert_eq!(ends(Duration::from_millis(3)), case(7, "0.5 ms", "3.0 ms"));
        assert_eq!(ends(Duration::from_millis(740)), case(8, "100 ms", "700 ms"));
        assert_eq!(ends(Duration::from_millis(1240)), case(7, "0.2 s", "1.2 s"));
        assert_eq!(ends(Duration::from_secs(59)), case(6, "10 s", "50 s"));
        assert_eq!(ends(Duration::from_secs(130)), case(9, "15 s", "2 min"));
        assert_eq!(ends(Duration::from_secs(2 * 3600)), case(9, "15 min", "2 h"));
        assert_eq!(ends(Duration::from_secs(30 * 3600)), case(11, "3 h", "1 d 6 h"));
        assert!(labels(Duration::MAX).len() > 3);
    }

    #[test]
    fn times_have_three_significant_digits() {
        let format = |nanos| format_time(Duration::from_nanos(nanos));
        assert_eq!(format(0), "0 s");
        assert_eq!(format(800), "800 ns");
        assert_eq!(format(812_300), "812 µs");
        assert_eq!(format(1_204_000), "1.2 ms");
        assert_eq!(format(12_340_000), "12.3 ms");
        assert_eq!(format(100_000_000), "100 ms");
        assert_eq!(format(1_240_000_000), "1.24 s");
        assert_eq!(format(125_900_000_000), "2 min 5 s");
        assert_eq!(format(7_200_000_000_000), "2 h");
    }
}
