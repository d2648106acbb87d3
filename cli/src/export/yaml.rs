//! Writes YAML. Every text is quoted, so that none is read as a number, a flag or a date.

use std::fmt::Write;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Yaml {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Self>),
    /// The entries in their order; the keys are texts of the program or of its variables.
    Table(Vec<(String, Self)>),
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Yaml {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Returns a list of texts.
pub(super) fn texts<T: AsRef<str>>(list: impl IntoIterator<Item = T>) -> Yaml {
    Yaml::List(list.into_iter().map(|text| Yaml::from(text.as_ref())).collect())
}

/// Returns a table.
pub(super) fn table<const N: usize>(entries: [(&str, Yaml); N]) -> Yaml {
    Yaml::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Yaml {
    /// Adds an entry to a table.
    pub(super) fn push(&mut self, key: &str, value: impl Into<Self>) {
        match self {
            Self::Table(entries) => entries.push((key.to_owned(), value.into())),
            _ => debug_assert!(false, "{key} is added to a value that is no table"),
        }
    }

    /// Returns the document.
    pub(super) fn document(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text.trim_start_matches('\n').to_owned()
    }

    fn write(&self, text: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        let _ = match self {
            Self::Text(value) => writeln!(text, " {}", quoted(value)),
            Self::Number(number) => writeln!(text, " {number}"),
            Self::Flag(flag) => writeln!(text, " {flag}"),
            Self::List(items) if items.is_empty() => writeln!(text, " []"),
            Self::Table(entries) if entries.is_empty() => writeln!(text, " {{}}"),
            Self::List(items) => {
                text.push('\n');
                for item in items {
                    let mut inner = String::new();
                    item.write(&mut inner, depth + 1);
                    // The first line of a table continues that of the dash.
                    let inner = inner.trim_start();
                    let _ = write!(text, "{indent}- {inner}");
                }
                Ok(())
            }
            Self::Table(entries) => {
                text.push('\n');
                for (key, value) in entries {
                    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
                    let is_word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
                        .contains(&&*key.to_ascii_lowercase());
                    let key = if is_bare && !is_word { key.clone() } else { quoted(key) };
                    let _ = write!(text, "{indent}{key}:");
                    value.write(text, depth + 1);
                }
                Ok(())
            }
        };
    }
}

/// Returns a text in double quotes. A JSON string is one of YAML.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_276_every_text_is_quoted() {
        let inner = table([("a", Yaml::from("no")), ("on", Yaml::Flag(true))]);
        let empty = Yaml::List(Vec::new());
        let document = table([("list", Yaml::List(vec![inner, Yaml::from("1")])), ("x y", empty)]).document();
        assert_eq!(document, "list:\n  - a: \"no\"\n    \"on\": true\n  - \"1\"\n\"x y\": []\n");
    }
}
