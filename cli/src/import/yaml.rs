//! YAML documents with the lines of their values.

use std::path::Path;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::ImportError;
use super::draft::Place;

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Flag(bool),
    /// A text, or a number as it is written.
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    /// Returns a text, a number, or a flag as a text.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Flag(flag) => Some(flag.to_string()),
            Value::Null | Value::List(_) | Value::Table(_) => None,
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Flag(flag) => Some(*flag),
            Value::Text(text) => match &**text {
                "yes" | "on" => Some(true),
                "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    /// Returns the entries of a table; none for another value.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// Parses a file with one document.
///
/// # Errors
///
/// The first error of the syntax, with its line.
pub(super) fn parse(text: &str, path: &Path) -> Result<Node, ImportError> {
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| ImportError::new(path, error.marker().line(), error.info()))?;
    match documents.first() {
        Some(document) => convert(document, path),
        None => Ok(Node { place: Place::new(path, 1), value: Value::Null }),
    }
}

fn convert(yaml: &MarkedYaml<'_>, path: &Path) -> Result<Node, ImportError> {
    let line = yaml.span.start.line().max(1);
    let value = match &yaml.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(flag)) => Value::Flag(*flag),
        YamlData::Value(Scalar::Integer(number)) => Value::Text(number.to_string()),
        YamlData::Value(Scalar::FloatingPoint(number)) => Value::Text(number.to_string()),
        YamlData::Value(Scalar::String(text)) => Value::Text(text.to_string()),
        YamlData::Representation(text, ..) => Value::Text(text.to_string()),
        YamlData::Tagged(_, inner) => return convert(inner, path),
        YamlData::Sequence(items) => {
            Value::List(items.iter().map(|item| convert(item, path)).collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(map) => {
            let (mut entries, mut merged) = (Vec::new(), Vec::new());
            for (key, value) in map {
                let key = convert(key, path)?;
                let Some(name) = key.text() else {
                    return Err(ImportError::new(path, key.place.line, "this key is not a text"));
                };
                let value = convert(value, path)?;
                if name == "<<" {
                    merged.extend(value.entries().iter().cloned());
                    merged.extend(value.items().iter().flat_map(Node::entries).cloned());
                } else {
                    entries.push((name, value));
                }
            }
            for (name, value) in merged {
                if entries.iter().all(|(known, _)| *known != name) {
                    entries.push((name, value));
                }
            }
            Value::Table(entries)
        }
        YamlData::Alias(_) | YamlData::BadValue => {
            return Err(ImportError::new(path, line, "this value cannot be read"));
        }
    };
    Ok(Node { place: Place::new(path, line), value })
}
