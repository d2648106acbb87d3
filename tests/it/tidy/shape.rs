//! The size of files, and what code may not contain.

use super::source;

const LONGEST_FILE: usize = 500;
const SHORTEST_FILE: usize = 60;

/// The files of `src` and `cli/src` that are short for a reason.
const SHORT_FILES: &[(&str, &str)] = &[
    ("cli/src/args/complete.rs", "words that are not known before they are typed"),
    ("cli/src/args/explore.rs", "options of one part of a command"),
    ("cli/src/args/verbosity.rs", "options that several commands have"),
    ("cli/src/export/shell.rs", "a language that several engines need"),
    ("cli/src/system/memory.rs", "one call of the C library"),
    ("cli/src/system/open_files.rs", "one limit"),
    ("cli/src/system/reaper.rs", "one duty of process 1"),
    ("cli/src/console/stdout.rs", "one writer"),
    ("src/host/descriptor.rs", "a public type of its own"),
    ("src/host/io_priority.rs", "a public type of its own"),
    ("src/host/terminal.rs", "a public type of its own"),
    ("src/http/error.rs", "the errors, below the files that return them"),
    ("src/journal/timeline.rs", "the one step from a journal to a picture"),
    ("src/machine/mutant.rs", "bugs that only tests plant"),
    ("src/machine/json/events.rs", "the one form that is part of a larger object"),
    ("src/monitor/families.rs", "one delay of the driver"),
    ("src/plan/picture/palette.rs", "the colours of one picture"),
    ("src/sys/environment.rs", "one step of a start"),
    ("src/sys/exit/alone.rs", "a test helper"),
    ("src/sys/guardian/groups.rs", "the one way that needs no `/proc`"),
    ("src/sys/linux/members.rs", "the counterpart of one function for other systems"),
    ("src/sys/platform.rs", "the choice between two systems"),
    ("src/sys/socket.rs", "below both the probe and the operating system's part"),
    ("src/testkit/answer.rs", "below both the processes and the world"),
    ("src/timeline/json.rs", "one escape, below the files that write JSON"),
];

/// The file that may print: its purpose is output that the test harness captures, and it captures the print
/// macros only.
const PRINTS: &str = "src/output/sink.rs";

/// The files that may select code by feature, on lines that declare or re-export a module.
const FEATURES: [&str; 5] =
    ["src/host/mod.rs", "src/lib.rs", "src/machine/mod.rs", "src/output/mod.rs", "src/search/mod.rs"];

#[test]
fn no_file_is_longer_than_500_lines() {
    let scripts = source::files("src", "js");
    assert!(!scripts.is_empty(), "the page of a timeline has scripts");
    let long: Vec<String> = source::rust_files()
        .into_iter()
        .chain(scripts)
        .map(|path| (source::read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn a_file_under_60_lines_has_a_reason() {
    // The root of a module declares and re-exports, however little that is.
    let is_root = |path: &String| path.ends_with("/mod.rs");
    let files = source::rust_files().into_iter().filter(|path| !source::is_test_file(path) && !is_root(path));
    let short: Vec<String> =
        files.filter(|path| source::read(path).lines().count() < SHORTEST_FILE).collect();
    let unexplained: Vec<&String> =
        short.iter().filter(|path| SHORT_FILES.iter().all(|(known, _)| known != path)).collect();
    assert!(unexplained.is_empty(), "short without a reason: {unexplained:#?}");
    let stale: Vec<_> =
        SHORT_FILES.iter().filter(|(known, _)| short.iter().all(|path| path != known)).collect();
    assert!(stale.is_empty(), "no longer short: {stale:#?}");
}

#[test]
fn features_select_modules_only() {
    let mut wrong = Vec::new();
    for path in source::files("src", "rs") {
        let text = source::read(&path);
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for (i, line) in code.iter().enumerate().filter(|(_, line)| line.contains("feature =")) {
            // An attribute may be broken over lines.
            let item = code[i..]
                .iter()
                .find(|line| !(line.is_empty() || line.starts_with(['#', ' ', ')'])))
                .copied();
            let is_module = item.is_some_and(|item| {
                ["mod ", "pub mod ", "pub(crate) mod ", "pub use ", "pub(crate) use "]
                    .iter()
                    .any(|start| item.starts_with(start))
            });
            if !(FEATURES.contains(&&*path) && is_module) {
                wrong.push(format!("{path}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "a feature selects more than a module:\n{}", wrong.join("\n"));
}

#[test]
fn src_neither_prints_nor_is_unfinished_nor_differs_in_a_release() {
    const BANNED: [&str; 8] = [
        "println!",
        "eprintln!",
        "print!(",
        "macro_rules!",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        // A release does not evaluate its condition, so a call in it is not made.
        "debug_assert!(",
    ];
    let mut wrong = Vec::new();
    for path in source::files("src", "rs") {
        for (i, line) in source::split(&source::read(&path)).code.lines().enumerate() {
            for word in BANNED.into_iter().filter(|word| line.contains(word)) {
                if !(word == "print!(" && path == PRINTS) {
                    wrong.push(format!("{path}:{}: {word}", i + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
