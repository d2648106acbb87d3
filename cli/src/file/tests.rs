//! The documentation of the file agrees with the parser.

use std::fs;
use std::path::Path;

use super::document;
use super::keys::KEYS;
use super::problems::Problems;

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/from-a-file.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_files_in_the_guide_are_valid() {
    let guide = guide();
    let blocks: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let mut problems = Vec::new();
        document::parse(block, Path::new("/"), &mut problems);
        assert!(problems.is_empty(), "{}", Problems::new(Path::new("guide"), block, problems));
    }
}

#[test]
fn the_guide_has_a_row_for_every_key() {
    let guide = guide();
    let row = |key: &super::keys::Key| {
        let example = key.example.replace('|', "\\|");
        format!("| `{}` | `{example}` | {} |\n", key.name, key.meaning)
    };
    let table: String = KEYS.iter().map(row).collect();
    assert!(guide.contains(&table), "the guide needs this table:\n{table}");
}
