//! `docs/journal.md` agrees with the format.

use std::fs;
use std::path::Path;

use childminder::journal::Journal;

use super::night;

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/journal.md")).unwrap()
}

#[test]
fn f_316_the_journal_in_the_document_is_one() {
    let document = document();
    let example = document.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let journal = Journal::parse(example.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let verified = journal.verify().unwrap_or_else(|difference| panic!("{difference}"));
    assert_eq!((verified.inputs, verified.decisions), (4, 3));
    // What this version writes has the same fields in the same order.
    let plain = |text: &str| -> Vec<String> {
        let line = |line: &str| {
            let line = line.split(",\"sum\"").next().unwrap();
            format!("{}}}", line.split_once(',').map_or(line, |(_, line)| line))
        };
        text.lines().map(line).collect()
    };
    let expected: Vec<String> = example.lines().map(|line| line.trim_start_matches('{').to_owned()).collect();
    assert_eq!(plain(&journal.to_text()), expected);
}

#[test]
fn f_316_every_field_of_a_recorded_journal_is_in_the_document() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("night.journal");
    night(&path);
    let document = document();
    for line in fs::read_to_string(&path).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let object = line.as_object().unwrap();
        // The fields of events are those of `Event`.
        let fields = object.keys().filter(|_| !object.contains_key("event"));
        for field in fields.map(String::as_str).chain(object.get("event").and_then(|event| event.as_str())) {
            assert!(document.contains(&format!("`{field}`")), "{field}: {line}");
        }
    }
}
