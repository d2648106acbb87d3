//! The JSON schema of `childminder.toml`, for editors (`childminder schema`).
//!
//! It is generated from the list of keys that the parser reads. What only the parser can check, such as the
//! name of a signal, is a text in the schema.

use serde_json::{Map, Value, json};

use super::conditions;
use super::keys::{KEYS, Kind};
use super::structures;

/// Returns the schema.
pub(crate) fn schema() -> Value {
    let keys = KEYS.iter().map(|key| {
        let mut schema = of(key.kind);
        if let Some(schema) = schema.as_object_mut() {
            let meaning = format!("{}. Example: {} = {}", key.meaning, key.name, key.example);
            schema.insert("description".to_owned(), meaning.into());
        }
        (key.name.to_owned(), schema)
    });
    let process = table(keys.collect());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "childminder.toml",
        "description": "The processes that `childminder up` keeps alive",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "defaults": { "$ref": "#/$defs/process", "description": "Settings of all processes" },
            "process": {
                "description": "The processes by their names",
                "type": "object",
                "propertyNames": { "pattern": "^[A-Za-z0-9_@:][A-Za-z0-9._@:-]{0,63}$" },
                "additionalProperties": { "$ref": "#/$defs/process" },
            },
        },
        "$defs": {
            "process": process,
            "condition": condition(&[]),
        },
    })
}

/// Returns the schema of a table that has no other keys.
fn table(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// Returns the schema of a table with these keys, of which the `required` ones may not be missing.
fn object(properties: &[(&str, Value)], required: &[&str]) -> Value {
    let properties = properties.iter().map(|(key, schema)| ((*key).to_owned(), schema.clone()));
    let mut schema = table(properties.collect());
    schema["required"] = json!(required);
    schema
}

fn either(schemas: impl IntoIterator<Item = Value>) -> Value {
    json!({ "anyOf": schemas.into_iter().collect::<Vec<_>>() })
}

fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn integer(min: i64, max: i64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

fn texts() -> Value {
    either([text(), list(&text())])
}

fn duration() -> Value {
    either([json!({ "type": "number", "minimum": 0, "maximum": 3_153_600_000_i64 }), text()])
}

fn size() -> Value {
    either([integer(0, i64::MAX), text()])
}

fn command() -> Value {
    let words = json!({
        "type": "array", "minItems": 1, "items": { "type": "string" }, "prefixItems": [text()]
    });
    either([text(), words])
}

fn of(kind: Kind) -> Value {
    let flag = || json!({ "type": "boolean" });
    let exit = || either([integer(0, 255), text()]);
    match kind {
        Kind::Flag => flag(),
        Kind::Duration => duration(),
        Kind::Integer(min, max) => integer(min, max),
        Kind::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Text | Kind::Stdin => text(),
        Kind::Texts | Kind::VariableFiles | Kind::Listeners => texts(),
        Kind::Word(list) => words(list),
        Kind::Command => command(),
        Kind::Account => either([integer(0, 4_294_967_294), text()]),
        Kind::Ids => list(&integer(0, 4_294_967_294)),
        Kind::Signal => either([integer(1, 64), text()]),
        Kind::Exits => list(&exit()),
        Kind::Umask => {
            let octal = json!({ "type": "string", "pattern": "^[0-7]+$" });
            either([integer(0, 0o777), octal])
        }
        Kind::Port => either([integer(1, 65_535), words(&["auto"])]),
        Kind::Variables => {
            let value = either([json!({ "type": ["string", "number"] }), json!({ "const": false })]);
            json!({ "type": "object", "additionalProperties": value })
        }
        Kind::Dependencies => {
            let until = words(structures::UNTIL);
            let on_end = words(&["stay", "restart"]);
            let long = object(&[("until", until.clone()), ("on-end", on_end)], &[]);
            let table = json!({ "type": "object", "additionalProperties": either([until, long]) });
            either([texts(), table])
        }
        Kind::Condition => json!({ "$ref": "#/$defs/condition" }),
        Kind::Liveness => {
            condition(&[("every", duration()), ("failures", integer(1, 1_000_000)), ("grace", duration())])
        }
        Kind::Growth => either([
            words(structures::GROWTHS),
            object(&[("factor", json!({ "type": "number", "minimum": 1, "maximum": 1000 }))], &["factor"]),
            object(&[("linear", duration())], &["linear"]),
            object(&[("steps", integer(1, 1000))], &["steps"]),
        ]),
        Kind::GiveUp => object(&[("failures", integer(1, 10_000)), ("within", duration())], &["failures"]),
        Kind::Group => object(&[("name", text()), ("strategy", words(structures::STRATEGIES))], &["name"]),
        Kind::Limits => {
            let both = object(&[("soft", size()), ("hard", size())], &["soft"]);
            let limits = structures::RESOURCES.iter().map(|name| (*name, either([size(), both.clone()])));
            object(&limits.collect::<Vec<_>>(), &[])
        }
        Kind::IoPriority => {
            object(&[("class", words(structures::IO_CLASSES)), ("level", integer(0, 7))], &["class"])
        }
        Kind::Log => either([
            text(),
            object(
                &[
                    ("file", text()),
                    ("max-size", either([size(), json!({ "const": "unlimited" })])),
                    ("keep", integer(0, 10_000)),
                ],
                &["file"],
            ),
        ]),
        Kind::Descriptors => json!({ "type": "object", "additionalProperties": text() }),
        Kind::Terminal => {
            let rows_and_columns = [("rows", integer(1, 10_000)), ("columns", integer(1, 10_000))];
            either([flag(), object(&rows_and_columns, &[])])
        }
    }
}

/// Returns the schema of a condition that has some other keys too.
fn condition(others: &[(&str, Value)]) -> Value {
    let inner = json!({ "$ref": "#/$defs/condition" });
    let http = object(&[("url", text()), ("status", either([integer(100, 599), text()]))], &["url"]);
    let output = object(
        &[
            ("text", text()),
            ("regex", text()),
            ("stream", words(conditions::STREAMS)),
            ("times", integer(1, 1_000_000)),
        ],
        &[],
    );
    let probes = [
        ("port", either([integer(1, 65_535), text()])),
        ("http", either([text(), http])),
        ("output", either([text(), output])),
        ("unix", text()),
        ("exec", command()),
        ("notify", either([integer(3, 255), words(&["systemd"])])),
        ("uptime", duration()),
        ("all", list(&inner)),
        ("any", json!({ "type": "array", "items": inner, "minItems": 1 })),
        ("by-any-process", json!({ "type": "boolean" })),
    ];
    let all: Vec<_> = probes.into_iter().chain(others.iter().cloned()).collect();
    object(&all, &[])
}

#[cfg(test)]
mod tests;
