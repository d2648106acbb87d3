//! The documentation of the file agrees with the parser.

use std::fs;
use std::path::Path;

use super::RESOURCES;
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

/// Changes a text at random places: removes, repeats and inserts bytes that matter to the parsers.
fn mutated(text: &str, seed: u64) -> String {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut random = |below: usize| {
        // A linear congruential generator, of which the upper bits are used.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random(6) {
        let at = random(chars.len() + 1);
        match random(4) {
            0 => drop(chars.drain(at..(at + random(20)).min(chars.len()))),
            1 => chars.insert(
                at,
                ['"', '\'', '[', ']', '{', '}', '=', '\n', '\0', 'ß', '\\', ':', '#'][random(13)],
            ),
            2 => {
                let piece: Vec<char> = chars[at..(at + random(30)).min(chars.len())].to_vec();
                chars.splice(at..at, piece);
            }
            _ => chars.truncate(at),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_file_makes_a_parser_panic_and_every_problem_can_be_shown() {
    let guide = guide();
    let toml = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dotenv = "# comment\nexport A=\"two\\nlines\" # rest\nB='x'\nC=1\n";
    let procfile = "web: serve -p $PORT\nworker: run\n";
    let path = Path::new("/no/such/dir/file");
    for seed in 0..3000 {
        let mut problems = Vec::new();
        let text = mutated(toml, seed);
        let entries = document::parse(&text, Path::new("/no/such/dir"), &mut problems);
        super::graph::check(&entries, &mut problems);
        super::ports::check_variables(&entries, &mut problems);
        let _ = Problems::new(path, &text, problems).to_string();
        let mut problems = Vec::new();
        let text = mutated(dotenv, seed);
        super::dotenv::parse(&text, &mut problems);
        let _ = Problems::new(path, &text, problems).to_string();
        let mut problems = Vec::new();
        let text = mutated(procfile, seed);
        super::procfile::parse(&text, Path::new("/no/such/dir"), &mut problems);
        let _ = Problems::new(path, &text, problems).to_string();
    }
}

#[test]
fn f_256_every_limit_of_a_file_is_one_of_the_library() {
    for name in RESOURCES {
        assert!(name.parse::<childminder::host::Resource>().is_ok(), "{name}");
    }
}
