//! The schema and the parser accept the same files.

use std::fs;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use toml::de::{DeTable, DeValue};

use super::*;
use crate::file::problems::Problems;
use crate::file::setting::Entry;
use crate::file::{document, is_policy_key, keys};

/// Parses a file as far as it does not depend on other processes.
fn parse(text: &str) -> Result<Vec<Entry>, Problems> {
    let mut problems = Vec::new();
    let entries = document::parse(text, Path::new("/"), &mut problems);
    if problems.is_empty() { Ok(entries) } else { Err(Problems::new(Path::new("f"), text, problems)) }
}

/// The file with one key of a process.
fn file(key: &str, value: &str) -> String {
    let command = if key == "command" { "" } else { "command = \"x\"\n" };
    format!("[process.web]\n{command}{key} = {value}\n")
}

struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema()).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn accepts(&self, text: &str) -> bool {
        let document = DeTable::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let document = json_of(&DeValue::Table(document.into_inner()));
        self.schemas.validate(&document, self.index).is_ok()
    }
}

fn json_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(flag) => json!(flag),
        // JSON has no dates, and no key has one.
        DeValue::Datetime(_) => Value::Null,
        DeValue::Array(list) => list.iter().map(|item| json_of(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let item = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                (key.to_string(), json_of(value.get_ref()))
            };
            Value::Object(table.iter().map(item).collect())
        }
    }
}

#[test]
fn f_256_the_example_of_every_key_is_accepted_and_has_an_effect() {
    let validator = Validator::new();
    let plain = parse("[process.web]\ncommand = \"x\"\n").unwrap();
    for key in KEYS {
        let text = file(key.name, key.example);
        let entries = parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(entries[0].changes(&plain[0]), [key.name], "{text}");
        assert!(validator.accepts(&text), "{text}");
        // Every key is one of `[defaults]` as well.
        let text = format!("[defaults]\n{} = {}\n[process.web]\ncommand = \"x\"\n", key.name, key.example);
        let entries = parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let expected: &[&str] = if key.name == "command" { &[] } else { &[key.name] };
        assert_eq!(entries[0].changes(&plain[0]), expected, "{text}");
        assert!(validator.accepts(&text), "{text}");
    }
}

#[test]
fn f_256_the_schema_and_the_parser_agree_on_every_kind_of_value() {
    const VALUES: [&str; 34] = [
        "true",
        "false",
        "0",
        "1",
        "-1",
        "3",
        "70000",
        "5000000000",
        "0.5",
        "1.5",
        "-0.5",
        "1979-05-27",
        "[]",
        "[1]",
        "[-1]",
        "[true]",
        "[1.5]",
        "{}",
        "{ x = 1 }",
        "{ name = 1 }",
        "{ failures = 0 }",
        "{ factor = 0 }",
        "{ factor = 1, steps = 2 }",
        "{ port = 8000, colour = 1 }",
        "{ all = [{}, 1] }",
        "{ any = [] }",
        "{ all = [{ uptime = 1 }] }",
        "{ output = { times = 0, text = \"x\" } }",
        "{ nofile = true }",
        "{ nofile = { soft = 1, hard = 2 } }",
        "{ class = \"x\" }",
        "{ rows = 0 }",
        "{ A = true }",
        "{ file = \"x\", max-size = -1 }",
    ];
    // The schema accepts a condition without a probe, since it cannot count keys that have no effect.
    let exempt = |key: Kind, value: &str| match key {
        Kind::Condition | Kind::Liveness => ["{}", "{ failures = 0 }"].contains(&value),
        // The name of a descriptor or a process is checked by the parser alone.
        Kind::Descriptors => value.starts_with("{ ") && !value.ends_with("= 1 }"),
        Kind::Limits => value == "{}",
        // JSON does not know whether a number was written in octal.
        Kind::Umask => ["1", "3"].contains(&value),
        _ => false,
    };
    let validator = Validator::new();
    for key in KEYS {
        for value in VALUES.into_iter().filter(|value| !exempt(key.kind, value)) {
            let text = file(key.name, value);
            let parsed = parse(&text);
            let reason = parsed.as_ref().err().map(ToString::to_string);
            assert_eq!(validator.accepts(&text), parsed.is_ok(), "{text}{reason:?}");
        }
        let unknown = file(&format!("{}x", key.name), key.example);
        assert!(!validator.accepts(&unknown) && parse(&unknown).is_err(), "{unknown}");
    }
}

#[test]
fn f_256_every_field_of_a_spec_and_a_policy_has_a_key() {
    // Fields whose keys have other names.
    let key_of = |field: &str| match field {
        "program" | "args" => "command".to_owned(),
        "stop_target" => "stop-to".to_owned(),
        "spared" => "spare".to_owned(),
        // The problem of a name of `after`.
        "after_error" => "after".to_owned(),
        // Set by `ready`, `ready-timeout`, `alive` and `watchdog`.
        "requirement" => "ready".to_owned(),
        _ => field.replace('_', "-"),
    };
    for (file, marker, count) in
        [("host/spec.rs", "pub struct Spec {", 20), ("machine/policy.rs", "pub struct Policy {", 11)]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src").join(file);
        let source = fs::read_to_string(&path).unwrap();
        let (_, fields) = source.split_once(marker).unwrap();
        let (fields, _) = fields.split_once("\n}").unwrap();
        let fields = fields.lines().map(str::trim).filter(|line| line.starts_with("pub"));
        let fields: Vec<&str> =
            fields.filter_map(|line| line.split_once(": ")?.0.rsplit(' ').next()).collect();
        assert!(fields.len() >= count, "{file}: {fields:?}");
        for field in fields {
            let key = key_of(field);
            assert!(keys::find(&key).is_some(), "{file}: the field `{field}` has no key");
            assert_eq!(is_policy_key(&key), file == "machine/policy.rs" || key == "policy", "{key}");
        }
    }
}
