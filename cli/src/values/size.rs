//! Sizes, such as `10MB`.

use std::fmt;

/// The units with their numbers of bytes.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1_000),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("tib", 1 << 40),
];

/// Parses a number of bytes, with or without a unit. `MB` is a million; `M` and `MiB` are 1024 times 1024.
///
/// # Errors
///
/// [`SizeError`] if it is not a number with one of the units, or too large.
pub(crate) fn parse(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or(SizeError)?;
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(factor).ok_or(SizeError);
    }
    let size = number.parse::<f64>().map_err(|_| SizeError)? * factor as f64;
    // Beyond this a fraction of a unit is not exact.
    if size < (1u64 << 53) as f64 { Ok(size as u64) } else { Err(SizeError) }
}

/// The error returned for a text that is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeError;

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a number of bytes, such as 500kB, 10MB or 1GiB")
    }
}

impl std::error::Error for SizeError {}

impl From<SizeError> for String {
    fn from(error: SizeError) -> Self {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in
            [("0", 0), ("10MB", 10_000_000), ("10 MiB", 10 << 20), ("1.5k", 1536), ("2g", 2 << 30), ("7b", 7)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "1.2.3", "10 MBit", "99999999999999999999", "17179869184TiB"] {
            assert_eq!(parse(text), Err(SizeError), "{text}");
        }
    }
}
