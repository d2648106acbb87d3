//! Numbers of bytes, or of anything else, with units of 1024.

/// Parses `1000`, `64K`, `10M` or `2G`.
///
/// # Errors
///
/// What was expected.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['K', 'M', 'G', 'k', 'm', 'g']) {
        None => (text, 1),
        Some(number) => match text.as_bytes()[number.len()].to_ascii_uppercase() {
            b'K' => (number, 1 << 10),
            b'M' => (number, 1 << 20),
            _ => (number, 1 << 30),
        },
    };
    let only_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let value =
        number.parse::<u64>().ok().filter(|_| only_digits).and_then(|number| number.checked_mul(unit));
    value.ok_or_else(|| format!("expected a number, such as 1000, 64K, 10M or 2G, instead of '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_size_has_a_unit_or_none() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("1000"), Ok(1000));
        assert_eq!(parse("64k"), Ok(65_536));
        assert_eq!(parse("10M"), Ok(10_485_760));
        assert_eq!(parse("2G"), Ok(2_147_483_648));
    }

    #[test]
    fn anything_else_is_an_error() {
        for bad in ["", "K", "-1", "+1", "1.5M", "1KB", "99999999999G", "18446744073709551616", "x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
