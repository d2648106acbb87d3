//! Reads the values of a TOML document, and notes what is wrong with them.

use std::ops::Range;
use std::time::Duration;

use childminder::Signal;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;
use super::problems::{At, Problem};
use crate::values::{duration, size};

/// A value with its place.
pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

/// An entry of a table.
pub(crate) struct Item<'a> {
    pub(crate) key: &'a str,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: &'a Value<'a>,
}

/// Returns the entries of a table in the order of the file.
pub(crate) fn items<'a>(table: &'a DeTable<'a>) -> Vec<Item<'a>> {
    let item = |(key, value): (&'a Spanned<_>, &'a Value<'a>)| {
        let name: &'a std::borrow::Cow<'a, str> = key.get_ref();
        Item { key: name, key_span: key.span(), value }
    };
    let mut items: Vec<Item<'a>> = table.iter().map(item).collect();
    items.sort_by_key(|item| item.key_span.start);
    items
}

/// Parses a document, and notes what is no TOML.
pub(crate) fn parse<'a>(text: &'a str, problems: &mut Vec<Problem>) -> Spanned<DeTable<'a>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        problems.push(Problem::new(&span, error.message().trim_end()));
    }
    document
}

/// Collects the problems of a document while its values are read.
///
/// Every method returns `None` for a value that is wrong, and has noted why.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn note(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes that a value is of the wrong kind.
    pub(crate) fn expected<T>(&mut self, value: &Value<'_>, what: &str) -> Option<T> {
        let kind = match value.get_ref() {
            DeValue::String(_) => "this text",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.note(Problem::new(&value.span(), format!("expected {what}, not {kind}")));
        None
    }

    /// Notes that a key is unknown, and suggests another one.
    pub(crate) fn unknown_key<'n>(&mut self, item: &Item<'_>, names: impl IntoIterator<Item = &'n str>) {
        let names: Vec<&str> = names.into_iter().collect();
        let problem = Problem::new(&item.key_span, format!("unknown key `{}`", item.key));
        self.note(match keys::suggest(item.key, names.iter().copied()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None if names.len() <= 8 => problem.help(format!("the keys are {}", list(&names))),
            None => problem.help("`childminder schema` lists the keys"),
        });
    }

    pub(crate) fn flag(&mut self, value: &Value<'_>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.expected(value, "true or false"),
        }
    }

    /// Reads an integer in a range.
    pub(crate) fn integer(&mut self, value: &Value<'_>, min: i64, max: i64) -> Option<i64> {
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.expected(value, &format!("an integer from {min} to {max}"));
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.note(Problem::new(&value.span(), format!("expected an integer from {min} to {max}")));
        }
        number
    }

    /// Reads an integer in a range of a smaller type.
    pub(crate) fn small<T: TryFrom<i64>>(&mut self, value: &Value<'_>, min: i64, max: i64) -> Option<T> {
        self.integer(value, min, max).and_then(|number| T::try_from(number).ok())
    }

    pub(crate) fn number(&mut self, value: &Value<'_>, what: &str) -> Option<f64> {
        match value.get_ref() {
            DeValue::Integer(_) => Some(self.integer(value, i64::MIN, i64::MAX)? as f64),
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => self.expected(value, what),
        }
    }

    /// Reads a text that is not empty.
    pub(crate) fn text<'a>(&mut self, value: &'a Value<'a>, what: &str) -> Option<&'a str> {
        match value.get_ref() {
            DeValue::String(text) if text.is_empty() => {
                self.note(Problem::new(&value.span(), format!("expected {what}, but this is empty")));
                None
            }
            DeValue::String(text) if text.contains('\0') => {
                self.note(Problem::new(&value.span(), "a NUL character is not allowed"));
                None
            }
            DeValue::String(text) => Some(text),
            _ => self.expected(value, what),
        }
    }

    /// Reads one of the words.
    pub(crate) fn word(&mut self, value: &Value<'_>, words: &'static [&'static str]) -> Option<&'static str> {
        let text = self.text(value, &list(words))?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let problem = Problem::new(&value.span(), format!("expected {}", list(words)));
            self.note(match keys::suggest(text, words.iter().copied()) {
                Some(meant) => problem.help(format!("did you mean \"{meant}\"?")),
                None => problem,
            });
        }
        found
    }

    /// Reads one text or a list of texts.
    pub(crate) fn texts(&mut self, value: &Value<'_>, what: &str) -> Option<Vec<String>> {
        match value.get_ref() {
            DeValue::Array(list) => {
                let texts: Vec<_> = list.iter().map(|text| Some(self.text(text, what)?.to_owned())).collect();
                texts.into_iter().collect()
            }
            _ => Some(vec![self.text(value, &format!("{what}, or a list"))?.to_owned()]),
        }
    }

    /// Reads seconds, or a text with units.
    pub(crate) fn duration(&mut self, value: &Value<'_>) -> Option<Duration> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(_) | DeValue::Float(_) => self.number(value, "")?.to_string(),
            _ => return self.expected(value, "seconds, such as 0.5, or a text such as \"10s\""),
        };
        self.parsed(value, duration::parse(&text))
    }

    /// Reads a number of bytes, or a text with a unit.
    pub(crate) fn size(&mut self, value: &Value<'_>) -> Option<u64> {
        match value.get_ref() {
            DeValue::Integer(_) => self.small(value, 0, i64::MAX),
            DeValue::String(text) => self.parsed(value, size::parse(text)),
            _ => self.expected(value, "a number of bytes, such as \"10MB\""),
        }
    }

    pub(crate) fn signal(&mut self, value: &Value<'_>) -> Option<Signal> {
        match value.get_ref() {
            DeValue::Integer(number) => {
                let parsed = number.to_string().parse::<Signal>();
                self.parsed(value, parsed)
            }
            DeValue::String(text) => self.parsed(value, text.parse::<Signal>()),
            _ => self.expected(value, "a signal, such as \"INT\""),
        }
    }

    /// Reads a command line: a text that is split like a shell splits it, or a list of words.
    pub(crate) fn command(&mut self, value: &Value<'_>) -> Option<Vec<String>> {
        let words = match value.get_ref() {
            DeValue::String(text) => match shell_words::split(text) {
                Ok(words) => words,
                Err(_) => {
                    self.note(Problem::new(&value.span(), "a quote in this command is not closed"));
                    return None;
                }
            },
            DeValue::Array(list) => {
                let mut words = Vec::new();
                for word in list {
                    match word.get_ref() {
                        DeValue::String(word) => words.push(word.to_string()),
                        _ => return self.expected(word, "a word of the command as a text"),
                    }
                }
                words
            }
            _ => return self.expected(value, "a command: a text, or a list of words"),
        };
        if words.first().is_none_or(String::is_empty) {
            self.note(Problem::new(&value.span(), "the command is empty"));
            return None;
        }
        if words.iter().any(|word| word.contains('\0')) {
            self.note(Problem::new(&value.span(), "a NUL character is not allowed"));
            return None;
        }
        Some(words)
    }

    /// Returns the entries of a table.
    pub(crate) fn table<'a>(&mut self, value: &'a Value<'a>, what: &str) -> Option<Vec<Item<'a>>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(items(table)),
            _ => self.expected(value, what),
        }
    }

    /// Reads a text with its place.
    pub(crate) fn placed(&mut self, value: &Value<'_>, what: &str) -> Option<At<String>> {
        Some(At::new(value.span(), self.text(value, what)?.to_owned()))
    }

    /// Notes the error of a value that was parsed.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        value: &Value<'_>,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.note(Problem::new(&value.span(), error.to_string()))).ok()
    }
}

/// Joins quoted words as an English list.
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}
