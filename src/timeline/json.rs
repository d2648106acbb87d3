//! JSON text without a serializer: the few kinds of values that are written need none.

use std::fmt::{self, Write};

/// A text as a JSON string: quotes, backslashes and control characters are escaped.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                // The last two end a line for programs that follow Unicode, and DEL and C1 codes control
                // terminals.
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    write!(f, "\\u{:04x}", u32::from(c))?
                }
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Returns JSON so that it can be part of an HTML page: no end of a script is in it.
pub(super) fn for_page(json: &str) -> String {
    // Outside of strings there is none.
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_string_ends_it_or_the_page() {
        let nasty = "a\"b\\c\n\t\u{1b}\u{2028}é</script><!--";
        let json = for_page(&Quoted(nasty).to_string());
        assert_eq!(json, r#""a\"b\\c\n\t\u001b\u2028é\u003c/script>\u003c!--""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), nasty);
    }
}
