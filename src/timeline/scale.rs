//! From times to places: the axis, its ticks, and how a time is said.

use std::time::Duration;

/// How far apart two ticks are at least.
const APART: f64 = 88.0;

const MICRO: u128 = 1_000;
const MILLI: u128 = 1_000 * MICRO;
const SECOND: u128 = 1_000 * MILLI;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;

/// A span of time on a span of the picture.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) left: f64,
    pub(super) right: f64,
    length: Duration,
}

impl Scale {
    pub(super) fn new(left: f64, right: f64, length: Duration) -> Self {
        Self { left, right, length }
    }

    pub(super) fn x(&self, at: Duration) -> f64 {
        if self.length.is_zero() {
            return self.left;
        }
        self.left + (self.right - self.left) * (at.as_secs_f64() / self.length.as_secs_f64()).min(1.0)
    }

    /// Round times that are far enough apart, with what to write at them.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let length = self.length.as_nanos();
        let room = (self.right - self.left) / APART;
        let step = steps().find(|&step| length as f64 / step as f64 <= room).expect("they have no end");
        let times = (0..).map(|i| i * step).take_while(|&time| time <= length);
        let place = |time| match length {
            0 => self.left,
            _ => self.left + (self.right - self.left) * (time as f64 / length as f64),
        };
        times.map(|time| (place(time), label(time, length, step))).collect()
    }
}

/// A time as one would say it, with three digits that count.
pub(super) fn told(time: Duration) -> String {
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

/// 1, 2, 5 and so on below a minute; what a clock face has above; doubled days in the end.
fn steps() -> impl Iterator<Item = u128> {
    let decimal = (0..8).flat_map(|power| [1, 2, 5].map(|digit| digit * MICRO * 10_u128.pow(power)));
    let minutes = [1, 2, 5, 10, 15, 30].map(|count| count * MINUTE);
    let hours = [1, 2, 3, 6, 12].map(|count| count * HOUR);
    let days = (0..64).map(|power| DAY << power);
    let below_a_minute = decimal.take_while(|&step| step < 20 * SECOND).chain([15 * SECOND, 30 * SECOND]);
    below_a_minute.chain(minutes).chain(hours).chain(days)
}

/// All labels of an axis are in one unit, as fine as the step asks for.
fn label(time: u128, length: u128, step: u128) -> String {
    let (unit, name) = match length {
        _ if time == 0 => return "0".to_owned(),
        0..MILLI => (MICRO, "µs"),
        MILLI..SECOND => (MILLI, "ms"),
        SECOND..MINUTE => (SECOND, "s"),
        MINUTE.. => return parts(time),
    };
    let decimals = (0..9).find(|&count| (step * 10_u128.pow(count)).is_multiple_of(unit)).unwrap_or(9);
    format!("{:.*} {name}", decimals as usize, time as f64 / unit as f64)
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

/// Days, hours, minutes and seconds, those that are not zero.
fn parts(nanos: u128) -> String {
    let parts = [
        (nanos / DAY, "d"),
        (nanos % DAY / HOUR, "h"),
        (nanos % HOUR / MINUTE, "min"),
        (nanos % MINUTE / SECOND, "s"),
    ];
    let told =
        parts.into_iter().filter(|&(count, _)| count > 0).map(|(count, unit)| format!("{count} {unit}"));
    told.collect::<Vec<_>>().join(" ")
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
    fn a_time_is_told_in_three_digits() {
        let told = |nanos| told(Duration::from_nanos(nanos));
        assert_eq!(told(0), "0 s");
        assert_eq!(told(800), "800 ns");
        assert_eq!(told(812_300), "812 µs");
        assert_eq!(told(1_204_000), "1.2 ms");
        assert_eq!(told(12_340_000), "12.3 ms");
        assert_eq!(told(100_000_000), "100 ms");
        assert_eq!(told(1_240_000_000), "1.24 s");
        assert_eq!(told(125_900_000_000), "2 min 5 s");
        assert_eq!(told(7_200_000_000_000), "2 h");
    }
}
