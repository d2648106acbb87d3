//! A test of the repository: what the compiler cannot see.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom. A room that is not in the list may not exist; one that imports upwards does not pass.
const LAYERS: [(&str, &[&str]); 17] = [
    ("backoff", &[]),
    ("fence", &[]),
    ("machine", &["backoff"]),
    ("host", &["machine"]),
    ("output", &["fence", "machine"]),
    ("http", &[]),
    ("sys", &["host", "http", "machine"]),
    ("testkit", &["host", "machine"]),
    ("ready", &["backoff", "host", "machine", "output"]),
    ("monitor", &["fence", "host", "machine", "output"]),
    ("shutdown", &["fence", "sys"]),
    ("background", &["fence", "shutdown", "sys"]),
    ("server", &["fence", "host", "sys"]),
    ("service", &["host", "machine", "monitor", "output", "ready", "shutdown", "sys"]),
    ("plan", &["fence", "host", "machine", "monitor", "output", "ready", "sys"]),
    ("client", &["backoff", "fence", "host", "sys"]),
    ("webdriver", &["http", "machine", "monitor", "service", "shutdown"]),
];

const LONGEST_FILE: usize = 500;

/// The one file that prints: what it is for is to be found by the test harness, which looks at nothing but what the
/// print macros write.
const PRINTS: &str = "src/output/test_output.rs";

#[test]
fn imports_point_one_way() {
    let layers = BTreeMap::from(LAYERS);
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let relative = path.strip_prefix(root().join("src")).unwrap().to_owned();
        let room = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        // Tests look at the whole house.
        let is_test = relative.iter().any(|part| part == "tests" || part == "tests.rs");
        if room == "lib" || is_test {
            continue;
        }
        let may =
            layers.get(&*room).unwrap_or_else(|| panic!("{room} is no known layer: {}", path.display()));
        for (number, line) in code_lines(&path) {
            for import in line.split("crate::").skip(1) {
                let target: String =
                    import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if target != room && !may.contains(&&*target) {
                    wrong.push(format!("src/{}:{number}: {room} may not use {target}", relative.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_layers_has_no_circle() {
    for (i, (room, may)) in LAYERS.iter().enumerate() {
        for target in *may {
            let below = LAYERS.iter().position(|(name, _)| name == target).unwrap();
            assert!(below < i, "{room} uses {target}, which is not below it");
        }
    }
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    let long: Vec<String> = ["src", "tests", "examples", "benches", "cli"]
        .into_iter()
        .flat_map(rust_files)
        .map(|path| (fs::read_to_string(&path).unwrap(), path))
        .filter(|(text, _)| text.lines().count() > LONGEST_FILE && !is_generated(text))
        .map(|(text, path)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_in_src_prints_sleeps_or_is_left_undone() {
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        for (number, line) in code_lines(&path) {
            for word in
                ["println!", "eprintln!", "print!(", "macro_rules!", "todo!(", "unimplemented!(", "dbg!("]
            {
                if line.contains(word) && !(word == "print!(" && path.ends_with(PRINTS)) {
                    wrong.push(format!("{}:{number}: {word}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_tells_its_story_and_is_in_the_readme() {
    let readme = read("README.md");
    for path in rust_files("examples") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} begins without a story", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(readme.contains(name), "README.md does not mention the example {name}");
    }
}

#[test]
fn the_documents_are_in_step_with_the_code() {
    let manifest = read("Cargo.toml");
    let field = |name: &str| {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let (version, msrv) = (field("version"), field("rust-version"));
    assert!(read("README.md").contains(&format!("Rust {msrv}")), "README.md does not say Rust {msrv}");
    let workflow = read(".github/workflows/ci.yml");
    assert!(workflow.contains(&format!("toolchain: \"{msrv}\"")), "the workflow does not test Rust {msrv}");
    let changelog = read("CHANGELOG.md");
    let headings = changelog.lines().filter(|line| *line == format!("## {version}")).count();
    assert_eq!(headings, 1, "CHANGELOG.md needs one heading `## {version}`");
    let design = read("DESIGN.md");
    for (room, _) in LAYERS {
        assert!(design.contains(&format!("`{room}`")), "DESIGN.md does not say what `{room}` is");
    }
}

/// Whether a program wrote it, and nobody is to read it: what it was made of is the text to read. It says so itself.
fn is_generated(text: &str) -> bool {
    text.starts_with("// @generated")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a file that are no comments, with their numbers.
fn code_lines(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.starts_with("//")).collect()
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
