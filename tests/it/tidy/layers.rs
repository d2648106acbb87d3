//! The layers of the library.

use std::collections::BTreeMap;

use super::imports::Imports;

/// Each room with the rooms that it may import. A room that is not in the table may not exist, and a room may
/// only import rooms that stand above it in the table.
pub(super) const LAYERS: [(&str, &[&str]); 23] = [
    ("backoff", &[]),
    ("panic_guard", &[]),
    ("sync", &[]),
    ("machine", &["backoff"]),
    ("host", &["machine", "sync"]),
    ("drive", &["host", "machine", "panic_guard", "sync"]),
    ("output", &["machine", "panic_guard", "sync"]),
    ("http", &[]),
    ("sys", &["host", "http", "machine", "panic_guard", "sync"]),
    ("testkit", &["backoff", "host", "machine", "sync"]),
    ("search", &["machine"]),
    ("ready", &["drive", "host", "machine", "output", "search", "sync"]),
    ("timeline", &["machine"]),
    ("monitor", &["drive", "host", "machine", "output", "panic_guard", "sync"]),
    ("journal", &["host", "machine", "monitor", "output", "panic_guard", "sync", "testkit", "timeline"]),
    ("shutdown", &["panic_guard", "sync", "sys"]),
    ("background", &["panic_guard", "shutdown", "sync", "sys"]),
    ("server", &["backoff", "host", "panic_guard", "sync", "sys"]),
    (
        "service",
        &[
            "drive",
            "host",
            "machine",
            "monitor",
            "output",
            "panic_guard",
            "ready",
            "search",
            "shutdown",
            "sync",
            "sys",
        ],
    ),
    (
        "plan",
        &[
            "drive",
            "host",
            "machine",
            "monitor",
            "output",
            "panic_guard",
            "ready",
            "search",
            "sync",
            "sys",
            "timeline",
        ],
    ),
    ("servers", &["host", "machine", "monitor", "service"]),
    ("client", &["backoff", "drive", "host", "panic_guard", "sync", "sys"]),
    ("webdriver", &["host", "http", "machine", "monitor", "service", "shutdown", "sync", "sys"]),
];

#[test]
fn imports_point_one_way() {
    let layers = BTreeMap::from(LAYERS);
    let mut wrong = Vec::new();
    for (file, line, target) in Imports::of_src().between_rooms() {
        let room = room(&file);
        if room == "lib" {
            continue;
        }
        let allowed = layers.get(room).unwrap_or_else(|| panic!("{file}: `{room}` is not a known room"));
        if !allowed.contains(&&*target) {
            wrong.push(format!("{file}:{line}: `{room}` may not import `{target}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_layers_has_no_circle() {
    for (i, (room, allowed)) in LAYERS.iter().enumerate() {
        for target in *allowed {
            let above = LAYERS.iter().position(|(name, _)| name == target);
            assert!(
                above.is_some_and(|above| above < i),
                "`{room}` imports `{target}`, which is not above it"
            );
        }
    }
}

/// Returns the room of a file of `src`.
pub(super) fn room(file: &str) -> &str {
    file.trim_start_matches("src/").split('/').next().unwrap().trim_end_matches(".rs")
}
