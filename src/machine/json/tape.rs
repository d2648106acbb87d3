//! JSON text taken apart, without an allocation for each part of it.
//!
//! A journal has millions of lines. So the parts of one are put into a flat list, which is used again for the
//! next line, and texts stay where they are unless they have escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The name of the only field of the object as which `serde_json` shows a number if another crate has enabled
/// its feature `arbitrary_precision`.
const PRECISE_NUMBER: &str = "$serde_json::private::Number";

/// The parts of a text, in order.
#[derive(Debug, Default)]
pub(crate) struct Tape<'a>(Vec<Token<'a>>);

/// A part of a text.
#[derive(Debug)]
enum Token<'a> {
    Null,
    Bool(bool),
    Natural(u64),
    Negative(i64),
    /// Any other number. No value of a machine is one.
    Fraction,
    Text(Cow<'a, str>),
    /// A list. The parts of its items follow, this number in all.
    List(usize),
    /// An object. The parts of its names and values follow in turn, this number in all.
    Object(usize),
}

/// A value: a token, and those that follow it and belong to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'t>(&'t [Token<'t>]);

/// Several values, one after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'t>(&'t [Token<'t>]);

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
    pub(super) fn within(self, field: &str) -> Self {
        if self.field.is_empty() { Self { field: field.to_owned(), ..self } } else { self }
    }
}

impl<'a> Tape<'a> {
    /// Takes a text apart.
    pub(crate) fn fill(&mut self, text: &'a str) -> Result<Value<'_>, serde_json::Error> {
        self.0.clear();
        let mut parser = serde_json::Deserializer::from_str(text);
        parser.deserialize_any(Parts(&mut self.0))?;
        parser.end()?;
        Ok(Value(&self.0))
    }
}

/// Puts the parts of a value at the end of a list.
struct Parts<'l, 'a>(&'l mut Vec<Token<'a>>);

impl<'a> DeserializeSeed<'a> for Parts<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Parts<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(Token::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push(Token::Bool(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.push(Token::Natural(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.push(Token::Negative(value));
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.0.push(Token::Fraction);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.0.push(Token::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(Token::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        let begin = self.0.len();
        self.0.push(Token::List(0));
        while items.next_element_seed(Parts(self.0))?.is_some() {}
        self.0[begin] = Token::List(self.0.len() - begin - 1);
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut fields: A) -> Result<(), A::Error> {
        let begin = self.0.len();
        self.0.push(Token::Object(0));
        while fields.next_key_seed(Parts(self.0))?.is_some() {
            fields.next_value_seed(Parts(self.0))?;
        }
        self.0[begin] = Token::Object(self.0.len() - begin - 1);
        if let [Token::Text(name), Token::Text(number)] = &self.0[begin + 1..]
            && name == PRECISE_NUMBER
        {
            let natural = number.parse().map(Token::Natural);
            let number = natural.or_else(|_| number.parse().map(Token::Negative));
            self.0.truncate(begin);
            self.0.push(number.unwrap_or(Token::Fraction));
        }
        Ok(())
    }
}

impl<'t> Value<'t> {
    /// Returns the names and the values of an object, in turn.
    pub(super) fn fields(self) -> Result<Values<'t>, Problem> {
        match self.0 {
            [Token::Object(_), fields @ ..] => Ok(Values(fields)),
            _ => Err(self.expected("an object")),
        }
    }

    /// Returns the items of a list.
    pub(crate) fn items(self) -> Result<Values<'t>, Problem> {
        match self.0 {
            [Token::List(_), items @ ..] => Ok(Values(items)),
            _ => Err(self.expected("a list")),
        }
    }

    /// Returns a text.
    pub(crate) fn text(self) -> Result<&'t str, Problem> {
        self.as_text().ok_or_else(|| self.expected("a text"))
    }

    /// Returns a text; `None` if it is none.
    pub(crate) fn as_text(self) -> Option<&'t str> {
        if let [Token::Text(text)] = self.0 { Some(text) } else { None }
    }

    pub(super) fn as_u64(self) -> Option<u64> {
        if let [Token::Natural(number)] = self.0 { Some(*number) } else { None }
    }

    pub(super) fn as_i64(self) -> Option<i64> {
        match self.0 {
            [Token::Natural(number)] => i64::try_from(*number).ok(),
            [Token::Negative(number)] => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_bool(self) -> Option<bool> {
        if let [Token::Bool(value)] = self.0 { Some(*value) } else { None }
    }

    pub(super) fn is_null(self) -> bool {
        matches!(self.0, [Token::Null])
    }

    /// Returns the problem of a value of another type.
    pub(crate) fn expected(self, what: &str) -> Problem {
        let found = match self.0.first() {
            Some(Token::Null) | None => "null",
            Some(Token::Bool(_)) => "true or false",
            Some(Token::Natural(_) | Token::Negative(_) | Token::Fraction) => "another number",
            Some(Token::Text(_)) => "a text",
            Some(Token::List(_)) => "a list",
            Some(Token::Object(_)) => "an object",
        };
        Problem::new(format!("is {found} where {what} is expected"))
    }
}

impl<'t> Iterator for Values<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Value<'t>> {
        let length = match self.0.first()? {
            Token::List(parts) | Token::Object(parts) => 1 + parts,
            _ => 1,
        };
        let (value, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(Value(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_and_the_tape_is_used_again() {
        let mut tape = Tape::default();
        for _ in 0..2 {
            let value = tape.fill(r#"{"a":[1,[],{"b":null}],"c\n":-7,"d":1.5,"e":true}"#).unwrap();
            let parts: Vec<Value<'_>> = value.fields().unwrap().collect();
            assert_eq!(parts.len(), 8);
            assert_eq!(
                [parts[0], parts[2], parts[4]].map(Value::as_text),
                [Some("a"), Some("c\n"), Some("d")]
            );
            let items: Vec<Value<'_>> = parts[1].items().unwrap().collect();
            assert_eq!((items.len(), items[0].as_u64()), (3, Some(1)));
            assert_eq!(items[1].items().unwrap().count(), 0);
            assert!(items[2].fields().unwrap().nth(1).is_some_and(Value::is_null));
            assert_eq!(
                (parts[3].as_i64(), parts[3].as_u64(), parts[7].as_bool()),
                (Some(-7), None, Some(true))
            );
            assert_eq!(parts[5].expected("a text").message, "is another number where a text is expected");
        }
        for wrong in ["", "{", "1 2", "{\"a\"}", "[1,]", "\"\u{1}\""] {
            assert!(tape.fill(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_is_one_also_with_arbitrary_precision() {
        let mut tape = Tape::default();
        let text = |number: &str| format!("[{{\"{PRECISE_NUMBER}\":\"{number}\"}}]");
        let (natural, negative, fraction) = (text("18446744073709551615"), text("-3"), text("0.5"));
        let first = |value: Value<'_>| {
            value.items().ok().and_then(|mut items| items.next()).map(|item| item.as_i64())
        };
        assert_eq!(tape.fill(&natural).unwrap().items().unwrap().next().unwrap().as_u64(), Some(u64::MAX));
        assert_eq!(first(tape.fill(&negative).unwrap()), Some(Some(-3)));
        assert_eq!(first(tape.fill(&fraction).unwrap()), Some(None));
    }
}
