//! The values of the machine as JSON, for journals and checkpoints.
//!
//! Every type is taken apart completely and written without an intermediate tree, since a journal is written
//! while processes are supervised. Reading checks every value, because a file may be damaged.

mod definitions;
pub(crate) mod events;
mod tape;
mod values;

use std::borrow::Borrow;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tape::Values;
pub(crate) use tape::{Problem, Tape, Value};

/// The latest time in a journal, two hundred years after its beginning. It keeps a damaged number from
/// overflowing the clock, and leaves room for the deadlines of a policy.
const LATEST: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);

/// A value that is written to a journal.
pub(crate) trait Json: Sized {
    /// Appends it.
    fn write(&self, out: &mut Text);

    /// Checks a value that was read. Times are relative to `begin`.
    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem>;
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
        self.text.push_str(digits(number, &mut [0; 20]));
    }

    /// Appends a text with quotes around it.
    pub(crate) fn quoted(&mut self, text: &str) {
        self.text.push('"');
        self.escaped(text);
        self.text.push('"');
    }

    /// Appends a part of a text.
    fn escaped(&mut self, text: &str) {
        // Most texts are plain from their beginning to their end.
        let is_plain = |byte: &u8| (b' '..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\');
        let plain = text.bytes().position(|byte| !is_plain(&byte)).unwrap_or(text.len());
        self.text.push_str(&text[..plain]);
        for c in text[plain..].chars() {
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
    }
}

/// Appends what is displayed as a part of a text.
struct EscapedText<'a>(&'a mut Text);

impl Write for EscapedText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escaped(text);
        Ok(())
    }
}

/// Returns the digits of a number, for which `buffer` has room. This is faster than the formatting machinery,
/// which is called for every number of every line otherwise.
pub(crate) fn digits(number: u64, buffer: &mut [u8; 20]) -> &str {
    let (mut rest, mut first) = (number, buffer.len());
    loop {
        first -= 1;
        buffer[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    std::str::from_utf8(&buffer[first..]).expect("digits are ASCII")
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

    /// Adds a text as it is displayed.
    pub(crate) fn displayed(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.name(name);
        self.out.text.push('"');
        write!(EscapedText(self.out), "{value}").expect("a string accepts all text");
        self.out.text.push('"');
        self
    }

    /// Adds a value that `write` appends.
    pub(crate) fn nested(mut self, name: &str, write: impl FnOnce(&mut Text)) -> Self {
        self.name(name);
        write(self.out);
        self
    }

    /// Adds a value that is behind a pointer, or null.
    pub(crate) fn optional<T: Json>(mut self, name: &str, value: Option<&T>) -> Self {
        self.name(name);
        self.out.optional(value);
        self
    }

    /// Adds a list of such values.
    pub(crate) fn options<T: Json, B: Borrow<T>>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = Option<B>>,
    ) -> Self {
        self.name(name);
        self.out.text.push('[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.out.text.push(',');
            }
            self.out.optional(value.as_ref().map(B::borrow));
        }
        self.out.text.push(']');
        self
    }

    pub(crate) fn end(self) {
        self.out.text.push('}');
    }
}

/// The maximum number of fields of an object: more than any object of the format has.
const MAX_FIELDS: usize = u64::BITS as usize;

/// The fields of an object that were not read yet.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    fields: Values<'t>,
    /// The fields that follow the one that was read last. Fields are read in the order in which they are
    /// written, so the next one is mostly the first of these.
    next: Values<'t>,
    /// The index of the first of these.
    next_index: usize,
    /// Which fields were read, by their indices.
    read: u64,
    pub(crate) begin: Instant,
}

impl<'t> Fields<'t> {
    pub(crate) fn new(value: Value<'t>, begin: Instant) -> Result<Self, Problem> {
        let fields = value.fields()?;
        Ok(Self { fields, next: fields, next_index: 0, read: 0, begin })
    }

    /// Whether a field was not read yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Reads a field.
    pub(crate) fn take<T: Json>(&mut self, name: &str) -> Result<T, Problem> {
        self.take_with(name, T::read)
    }

    /// Reads a field with this function.
    pub(crate) fn take_with<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value<'t>, Instant) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.take_any_with(name, read)?.ok_or_else(|| Problem::of(name, "is missing"))
    }

    /// Reads a field if there is one.
    pub(crate) fn take_any<T: Json>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        self.take_any_with(name, T::read)
    }

    /// Reads a field with this function if there is one.
    pub(crate) fn take_any_with<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value<'t>, Instant) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        let Some((index, value, next)) = self.find(name) else { return Ok(None) };
        self.read |= 1 << index;
        (self.next, self.next_index) = (next, index + 1);
        read(value, self.begin).map(Some).map_err(|problem| problem.within(name))
    }

    /// Checks that every field was read.
    pub(crate) fn end(self) -> Result<(), Problem> {
        let mut fields = self.fields;
        for index in 0.. {
            let (Some(name), Some(_)) = (fields.next(), fields.next()) else { break };
            if !self.was_read(index) {
                return Err(Problem::of(name.as_text().unwrap_or_default(), "is not known here"));
            }
        }
        Ok(())
    }

    /// Returns the index and the value of a field that was not read, and the fields after it.
    fn find(&self, name: &str) -> Option<(usize, Value<'t>, Values<'t>)> {
        let search = |mut fields: Values<'t>, first: usize| {
            for index in first..MAX_FIELDS {
                let (known, value) = (fields.next()?, fields.next()?);
                if !self.was_read(index) && known.as_text() == Some(name) {
                    return Some((index, value, fields));
                }
            }
            None
        };
        search(self.next, self.next_index).or_else(|| search(self.fields, 0))
    }

    fn was_read(&self, index: usize) -> bool {
        index < MAX_FIELDS && self.read & (1 << index) != 0
    }
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

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        let word = value.as_text().ok_or_else(|| value.expected("a word"))?;
        let found = Self::ALL.iter().find(|choice| choice.word() == word);
        found.copied().ok_or_else(|| Problem::new(format!("is {word:?}, which is not known here")))
    }
}

impl Json for u64 {
    fn write(&self, out: &mut Text) {
        out.number(*self);
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        value.as_u64().ok_or_else(|| value.expected("a whole number from 0 to 2^64"))
    }
}

impl Json for u32 {
    fn write(&self, out: &mut Text) {
        out.number((*self).into());
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        let number = value.as_u64().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| value.expected("a whole number from 0 to 2^32"))
    }
}

impl Json for usize {
    fn write(&self, out: &mut Text) {
        out.number(*self as u64);
    }

    /// Larger numbers are no indices or counts of anything that fits into memory.
    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        u32::read(value, begin).map(|number| number as Self)
    }
}

impl Json for i32 {
    fn write(&self, out: &mut Text) {
        write!(out.text, "{self}").expect("a string accepts all text");
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        let number = value.as_i64().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| value.expected("a whole number of 32 bits"))
    }
}

impl Json for bool {
    fn write(&self, out: &mut Text) {
        out.text.push_str(if *self { "true" } else { "false" });
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        value.as_bool().ok_or_else(|| value.expected("true or false"))
    }
}

impl Json for String {
    fn write(&self, out: &mut Text) {
        out.quoted(self);
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        value.text().map(Self::from)
    }
}

impl Json for Box<str> {
    fn write(&self, out: &mut Text) {
        out.quoted(self);
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        value.text().map(Self::from)
    }
}

impl Json for Arc<str> {
    fn write(&self, out: &mut Text) {
        out.quoted(self);
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        value.text().map(Self::from)
    }
}

/// Whole nanoseconds.
impl Json for Duration {
    fn write(&self, out: &mut Text) {
        out.number(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX));
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        u64::read(value, begin).map(Self::from_nanos)
    }
}

/// Whole nanoseconds since the beginning.
impl Json for Instant {
    fn write(&self, out: &mut Text) {
        self.saturating_duration_since(out.begin).write(out);
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let since = Duration::read(value, begin)?;
        let at = begin.checked_add(since).filter(|_| since <= LATEST);
        at.ok_or_else(|| Problem::new("is more than two hundred years after the beginning"))
    }
}

impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut Text) {
        out.optional(self.as_ref());
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        if value.is_null() { Ok(None) } else { T::read(value, begin).map(Some) }
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, out: &mut Text) {
        out.list(self);
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        value.items()?.map(|item| T::read(item, begin)).collect()
    }
}
