//! The documents agree with the code.

use super::layers::LAYERS;
use super::source::{files, read};

#[test]
fn every_example_has_a_description_and_a_link() {
    let guides = files("docs/guide", "md").into_iter().map(|path| read(&path));
    let documents: String = guides.chain([read("README.md")]).collect();
    for path in files("examples", "rs") {
        assert!(read(&path).starts_with("//! "), "`{path}` begins without a description");
        let name = path.trim_start_matches("examples/");
        assert!(documents.contains(&format!("examples/{name}")), "no document links to `{path}`");
    }
}

#[test]
fn every_guide_is_compiled_and_linked() {
    let (lib, readme) = (read("src/lib.rs"), read("README.md"));
    for path in files("docs/guide", "md") {
        assert!(
            lib.contains(&format!("include_str!(\"../{path}\")")),
            "src/lib.rs does not compile `{path}`"
        );
        assert!(readme.contains(&format!("]({path})")), "README.md does not link to `{path}`");
    }
}

#[test]
fn the_version_and_the_compiler_version_agree_everywhere() {
    let manifest = read("Cargo.toml");
    let field = |name: &str| {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let (version, msrv) = (field("version"), field("rust-version"));
    assert!(read("README.md").contains(&format!("Rust {msrv}")), "README.md does not require Rust {msrv}");
    let workflow = read(".github/workflows/ci.yml");
    assert!(workflow.contains(&format!("toolchain: \"{msrv}\"")), "the workflow does not test Rust {msrv}");
    let changelog = read("CHANGELOG.md");
    let headings = changelog.lines().filter(|line| *line == format!("## {version}")).count();
    assert_eq!(headings, 1, "CHANGELOG.md needs exactly one heading `## {version}`");
}

#[test]
fn the_design_describes_every_room() {
    let design = read("DESIGN.md");
    for (room, _) in LAYERS {
        assert!(design.contains(&format!("| `{room}` |")), "DESIGN.md does not describe `{room}`");
    }
}
