//! The values of the machine as JSON, for journals and checkpoints.
//!
//! Every type is taken apart completely and written without an intermediate tree, since a journal is written
//! while processes are supervised. Reading checks every value, because a file may be damaged.

mod definitions;
pub(crate) mod events;
mod values;

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// The latest time in a journal, two hundred years after its beginning. It keeps a damaged number from
/// overflowing the clock, and leaves room for the deadlines of a policy.
const LATEST: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);

/// A value that is written to a journal.
pub(crate) trait Json: Sized {
    /// Appends it.
    fn write(&self, out: &mut Text);

    /// Checks a value that was read. Times are relative to `begin`.
    fn read(value: Value, begin: Instant) -> Result<Self, Problem>;
}

/// JSON text under construction.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// The time to which times are relative.
    pub(crate) begin: Instant,
}

impl Text {
    pub(crate) fn new(begin: Instant) -> Self {
        Self { text: String::new(), begin }
    }

    /// Begins an object.
    pub(crate) fn object(&mut self) -> Object<'_> {
        self.text.push('{');
        Object { out: self, is_empty: true }
    }

    /// Appends a list.
    pub(crate) fn list<'a, T: Json + 'a>(&mut self, items: impl IntoIterator<Item = &'a T>) {
        self.text.push('[');
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            item.write(self);
        }
        self.text.push(']');
    }

    fn optional<T: Json>(&mut self, value: Option<&T>) {
        match value {
            Some(value) => value.write(self),
            None => self.text.push_str("null"),
        }
    }

    pub(crate) fn number(&mut self, number: u64) {
        // Faster than the formatting machinery, which a number of one digit hardly needs.
        let mut digits = [0; 20];
        let (mut rest, mut first) = (number, digits.len());
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.text.push_str(std::str::from_utf8(&digits[first..]).expect("digits are ASCII"));
    }

    /// Appends a text with quotes around it.
    pub(crate) fn quoted(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\t' => self.text.push_str("\\t"),
                // The last two end a line for programs that follow Unicode, and DEL and C1 codes control
                // terminals.
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    write!(self.text, "\\u{:04x}", u32::from(c)).expect("a string accepts all text");
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}

/// A JSON object under construction, whose fields keep the order in which they are added.
#[derive(Debug)]
#[must_use]
pub(crate) struct Object<'a> {
    out: &'a mut Text,
    is_empty: bool,
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.text.push(',');
        }
        self.out.text.push('"');
        self.out.text.push_str(name);
        self.out.text.push_str("\":");
    }

    /// Adds a field, whose name needs no escapes.
    pub(crate) fn with<T: Json>(mut self, name: &str, value: &T) -> Self {
        self.name(name);
        value.write(self.out);
        self
    }

    /// Adds a text.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.out.quoted(value);
        self
    }

    /// Adds JSON text.
    pub(crate) fn raw(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.out.text.push_str(json);
        self
    }

    /// Adds a value that is behind a pointer, or null.
    pub(crate) fn optional<T: Json>(mut self, name: &str, value: Option<&T>) -> Self {
        self.name(name);
        self.out.optional(value);
        self
    }

    /// Adds a list of such values.
    pub(crate) fn options<'a, T: Json + 'a>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = Option<&'a T>>,
    ) -> Self {
        self.name(name);
        self.out.text.push('[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.out.text.push(',');
            }
            self.out.optional(value);
        }
        self.out.text.push(']');
        self
    }

    pub(crate) fn end(self) {
        self.out.text.push('}');
    }
}

/// The reason why a value is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The field; empty if the value is not in a field.
    pub(crate) field: String,
    /// The problem, as a fragment that follows the name of the field.
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { field: String::new(), message: message.into() }
    }

    pub(crate) fn of(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into() }
    }

    /// Adds the field, unless a field inside it is known.
    fn within(self, field: &str) -> Self {
        if self.field.is_empty() { Self { field: field.to_owned(), ..self } } else { self }
    }
}

/// The fields of an object that were not read yet.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
    pub(crate) begin: Instant,
}

impl Fields {
    pub(crate) fn new(value: Value, begin: Instant) -> Result<Self, Problem> {
        match value {
            Value::Object(map) => Ok(Self { map, begin }),
            other => Err(expected("an object", &other)),
        }
    }

    /// Whether a field was not read yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Reads a field.
    pub(crate) fn take<T: Json>(&mut self, name: &str) -> Result<T, Problem> {
        let value = self.map.remove(name).ok_or_else(|| Problem::of(name, "is missing"))?;
        T::read(value, self.begin).map_err(|problem| problem.within(name))
    }

    /// Removes a field, which is to be read by the caller.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    /// Checks that every field was read.
    pub(crate) fn end(self) -> Result<(), Problem> {
        match self.map.into_iter().next() {
            Some((name, _)) => Err(Problem::of(&name, "is not known here")),
            None => Ok(()),
        }
    }
}

/// Returns the problem of a value of another type.
pub(crate) fn expected(what: &str, value: &Value) -> Problem {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "another number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Problem::new(format!("is {found} where {what} is expected"))
}

/// A choice between words.
pub(crate) trait Words: Copy + 'static {
    /// All choices.
    const ALL: &'static [Self];

    /// Returns the word of a choice.
    fn word(self) -> &'static str;
}

impl<T: Words> Json for T {
    fn write(&self, out: &mut Text) {
        out.quoted(self.word());
    }

    fn read(value: Value, _: Instant) -> Result<Self, Problem> {
        let Value::String(word) = &value else { return Err(expected("a word", &value)) };
        let found = Self::ALL.iter().find(|choice| choice.word() == word);
        found.copied().ok_or_else(|| Problem::new(format!("is {word:?}, which is not known here")))
    }
}

impl Json for u64 {
    fn write(&self, out: &mut Text) {
        out.number(*self);
    }

    fn read(value: Value, _: Instant) -> Result<Self, Problem> {
        value.as_u64().ok_or_else(|| expected("a whole number from 0 to 2^64", &value))
    }
}

impl Json for u32 {
    fn write(&self, out: &mut Text) {
        out.number((*self).into());
    }

    fn read(value: Value, _: Instant) -> Result<Self, Problem> {
        let number = value.as_u64().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| expected("a whole number from 0 to 2^32", &value))
    }
}

impl Json for usize {
    fn write(&self, out: &mut Text) {
        out.number(*self as u64);
    }

    /// Larger numbers are no indices or counts of anything that fits into memory.
    fn read(value: Value, begin: Instant) -> Result<Self, Problem> {
        u32::read(value, begin).map(|number| number as Self)
    }
}

impl Json for i32 {
    fn write(&self, out: &mut Text) {
        write!(out.text, "{self}").expect("a string accepts all text");
    }

    fn read(value: Value, _: Instant) -> Result<Self, Problem> {
        let number = value.as_i64().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| expected("a whole number of 32 bits", &value))
    }
}

impl Json for bool {
    fn write(&self, out: &mut Text) {
        out.text.push_str(if *self { "true" } else { "false" });
    }

    fn read(value: Value, _: Instant) -> Result<Self, Problem> {
        value.as_bool().ok_or_else(|| expected("true or false", &value))
    }
}

impl Json for String {
    fn write(&self, out: &mut Text) {
        out.quoted(self);
    }

    fn read(value: Value, _: Instant) -> Result<Self, Problem> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(expected("a text", &other)),
        }
    }
}

impl Json for Arc<str> {
    fn write(&self, out: &mut Text) {
        out.quoted(self);
    }

    fn read(value: Value, begin: Instant) -> Result<Self, Problem> {
        String::read(value, begin).map(Self::from)
    }
}

/// Whole nanoseconds.
impl Json for Duration {
    fn write(&self, out: &mut Text) {
        out.number(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX));
    }

    fn read(value: Value, begin: Instant) -> Result<Self, Problem> {
        u64::read(value, begin).map(Self::from_nanos)
    }
}

/// Whole nanoseconds since the beginning.
impl Json for Instant {
    fn write(&self, out: &mut Text) {
        self.saturating_duration_since(out.begin).write(out);
    }

    fn read(value: Value, begin: Instant) -> Result<Self, Problem> {
        let since = Duration::read(value, begin)?;
        let at = begin.checked_add(since).filter(|_| since <= LATEST);
        at.ok_or_else(|| Problem::new("is more than two hundred years after the beginning"))
    }
}

impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut Text) {
        out.optional(self.as_ref());
    }

    fn read(value: Value, begin: Instant) -> Result<Self, Problem> {
        if value.is_null() { Ok(None) } else { T::read(value, begin).map(Some) }
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, out: &mut Text) {
        out.list(self);
    }

    fn read(value: Value, begin: Instant) -> Result<Self, Problem> {
        match value {
            Value::Array(items) => items.into_iter().map(|item| T::read(item, begin)).collect(),
            other => Err(expected("a list", &other)),
        }
    }
}
