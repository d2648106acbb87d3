//! Journals that are damaged, or none: an error with the position, and never a panic.

use std::fs;
use std::os::unix::fs::symlink;

use childminder::ProcessMonitor;
use childminder::journal::{Ending, Journal, JournalFile, JournalProblem};
use proptest::prelude::*;

use super::night;

/// Returns the text of a night.
fn text() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("night.journal");
    night(&path);
    fs::read(path).unwrap()
}

fn message(text: &[u8]) -> String {
    Journal::parse(text).expect_err("it cannot be read").to_string()
}

/// Returns the number of the line that contains a byte.
fn line_of(text: &[u8], index: usize) -> usize {
    1 + text[..index].iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn f_311_every_flipped_byte_is_found_in_its_line() {
    let text = text();
    // Every byte of the first lines, and a sample of the rest.
    let indices = (0..4000).chain((4000..text.len()).step_by(7)).filter(|index| *index < text.len());
    for index in indices {
        let mut flipped = text.clone();
        flipped[index] ^= 1 << (index % 8);
        let line = line_of(&text, index);
        match Journal::parse(&flipped) {
            Err(error) => {
                let (found, column) = error.position().unwrap_or_else(|| panic!("byte {index}: {error}"));
                // A line feed belongs to two lines, and a new one cuts a line in two.
                assert!(found == line || found == line + 1, "byte {index} of line {line}: {error}");
                assert!(column >= 1, "byte {index}: {error}");
            }
            // What was the last line feed ends a file that is cut.
            Ok(journal) => {
                assert_eq!(index, text.len() - 1, "a flip in line {line} is not found");
                assert!(matches!(journal.ending(), Ending::Truncated { .. }));
            }
        }
    }
}

#[test]
fn f_311_missing_and_repeated_lines_are_found() {
    let text = String::from_utf8(text()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for index in 1..lines.len() - 1 {
        let mut cut = lines.clone();
        cut.remove(index);
        let error = Journal::parse((cut.join("\n") + "\n").as_bytes()).expect_err("a line is missing");
        assert_eq!(error.position(), Some((index + 1, 1)));
        assert!(matches!(error.problem(), JournalProblem::Missing { entries: 1 }), "{error}");

        let mut repeated = lines.clone();
        repeated.insert(index, lines[index]);
        let error = Journal::parse((repeated.join("\n") + "\n").as_bytes()).expect_err("a line is repeated");
        assert_eq!(error.position(), Some((index + 2, 1)));
        assert!(matches!(error.problem(), JournalProblem::Repeated), "{error}");
    }
}

#[test]
fn f_311_a_file_that_is_cut_anywhere_is_read_up_to_its_last_complete_line() {
    let text = text();
    let first = text.iter().position(|byte| *byte == b'\n').unwrap();
    for length in (first + 1..text.len()).step_by(13) {
        let journal =
            Journal::parse(&text[..length]).unwrap_or_else(|error| panic!("{length} bytes: {error}"));
        let complete = text[..length].iter().filter(|byte| **byte == b'\n').count();
        let is_whole = text[length] == b'\n' || text[length - 1] == b'\n';
        assert!(journal.entries().len() + 1 >= complete);
        match journal.ending() {
            Ending::Truncated { line } => assert_eq!((line, is_whole), (complete + 1, false)),
            Ending::Open => assert!(is_whole, "{length} bytes"),
            other => panic!("{length} bytes: {other:?}"),
        }
        journal.verify().unwrap_or_else(|difference| panic!("{length} bytes: {difference}"));
    }
    assert!(Journal::parse(&text[..first / 2]).is_err(), "without a header");
}

#[test]
fn f_311_what_is_no_journal_is_named() {
    let empty = "cannot read the journal: it is empty; nothing was recorded, or the disk was full";
    assert_eq!(message(b""), empty);
    for other in ["[process.web]\n", "{}\n", "{\"plan\":\"x\"}\n", "\n", "{\"journal\":\"other\"}\n"] {
        let message = message(other.as_bytes());
        assert!(message.contains("line 1, column 1: the first line is not that of a journal"), "{message}");
    }
    let newer = r#"{"n":0,"journal":"childminder","version":2,"program":"childminder 9.0.0","more":true}"#;
    assert_eq!(
        message(format!("{newer}\n").as_bytes()),
        "cannot read the journal, line 1, column 32: it has format 2, written by \"childminder 9.0.0\"; this version \
         reads format 1: use the program that has written it, or a newer one"
    );
}

#[test]
fn f_311_a_wrong_value_is_named_with_its_column() {
    let header =
        r#"{"journal":"childminder","version":1,"program":"x","began_unix_ns":0,"seed":0,"segment":0}"#;
    for (line, expected) in [
        (
            r#"{"t":-1,"timeout":true}"#,
            "column 2: `t` is another number where a whole number from 0 to 2^64 is expected",
        ),
        (
            r#"{"t":9000000000000000000,"timeout":true}"#,
            "column 2: `t` is more than two hundred years after the beginning",
        ),
        (
            r#"{"t":0,"event":"exploded","run":[1,0]}"#,
            "column 8: `event` is \"exploded\", which is not known here",
        ),
        (r#"{"t":0,"event":"closed"}"#, "column 1: `run` is missing"),
        (r#"{"t":0,"event":"closed","run":[1]}"#, "column 25: `run` is not the number and the slot of a run"),
        (
            r#"{"t":0,"event":"closed","run":[1,4294967295]}"#,
            "column 25: `run` is not the number and the slot of a run",
        ),
        (
            r#"{"t":0,"remove":"a b"}"#,
            "column 8: `remove` is not valid: the name \"a b\" has ' ' in it; letters",
        ),
        (r#"{"t":0,"signal":"a","number":99}"#, "column 21: `number` is 99, which is no signal"),
        (r#"{"t":0,"hold":"a","why":"x"}"#, "column 19: `why` is not known here"),
        (r#"{"t":0}"#, "column 1: the line is of an unknown kind"),
        (r#"{"t":0,"hold":}"#, "column 15: expected value; the file was changed or damaged"),
        ("{\"t\":0,\"hold\":\"\u{e9}\"}", "column 8: `hold` is not valid"),
    ] {
        let message = message(format!("{header}\n{line}\n").as_bytes());
        assert!(message.contains(&format!("line 2, {expected}")), "{line}: {message}");
    }
    let bytes = [header.as_bytes(), b"\n{\"t\":0,\xff\n"].concat();
    assert!(message(&bytes).contains("line 2, column 8: it is not valid UTF-8"));
}

#[test]
fn f_311_a_journal_that_was_changed_by_hand_is_refuted_where_it_was_changed() {
    let text = String::from_utf8(text()).unwrap();
    // Without the sums a changed line is read, and the machine finds the lie.
    let lines: Vec<String> =
        text.lines().map(|line| format!("{}}}", line.split(",\"sum\"").next().unwrap())).collect();
    let changed = |from: &str, to: &str| {
        let index = lines.iter().position(|line| line.contains(from)).unwrap_or_else(|| panic!("no {from}"));
        let mut lines = lines.clone();
        lines[index] = lines[index].replacen(from, to, 1);
        let journal = Journal::parse((lines.join("\n") + "\n").as_bytes()).unwrap();
        (index + 1, journal.verify().expect_err("it was changed"))
    };
    let (line, difference) =
        changed("starts again in 2.0 s (2000000000 ns)", "starts again in 9.0 s (9000000000 ns)");
    assert_eq!(difference.line(), line);
    assert!(
        difference.recorded().unwrap().contains("9.0 s") && difference.decided().unwrap().contains("2.0 s")
    );
    assert_eq!(difference.process().unwrap(), "web");
    assert!(difference.state().unwrap().starts_with("web "), "{difference}");

    let (line, difference) = changed("\"exit\":{\"code\":7}", "\"exit\":{\"code\":8}");
    assert!(difference.line() > line, "{difference}");
    assert!(
        difference.to_string().contains("code 7") && difference.to_string().contains("code 8"),
        "{difference}"
    );

    let (_, difference) = changed("\"threshold\":1000000000", "\"threshold\":1000000");
    assert!(difference.to_string().contains("starts again"), "{difference}");
}

#[test]
fn f_311_a_file_that_cannot_be_created_or_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("no/such.journal");
    let error = ProcessMonitor::builder().journal(JournalFile::new(&missing)).expect_err("no directory");
    assert!(
        error.to_string().starts_with(&format!("cannot create the journal {missing:?}: No such file")),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
    let error = ProcessMonitor::builder().journal(JournalFile::new(dir.path())).expect_err("a directory");
    assert!(
        error.to_string().ends_with("there is something else than a regular file in its place"),
        "{error}"
    );
    let link = dir.path().join("null.journal");
    symlink("/dev/null", &link).unwrap();
    assert!(ProcessMonitor::builder().journal(JournalFile::new(&link)).is_err(), "a link is not replaced");
    assert_eq!(Journal::read(&missing).unwrap_err().path(), Some(&*missing));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without checksums, so that the damage reaches the machine.
    #[test]
    fn f_311_no_damage_is_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
    ) {
        static TEXT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let text = TEXT.get_or_init(text);
        let text = String::from_utf8_lossy(text);
        let mut lines: Vec<Vec<u8>> = text
            .lines()
            .map(|line| {
                let body = line.split(",\"sum\"").next().unwrap();
                let body = body.split_once(',').map_or(body, |(_, body)| body);
                format!("{{{body}}}").into_bytes()
            })
            .collect();
        for (one, other) in swaps {
            let (one, other) = (one.index(lines.len() - 1), other.index(lines.len() - 1));
            lines.swap(one + 1, other + 1);
        }
        let mut text = lines.join(&b"\n"[..]);
        for (index, byte) in changes {
            let index = index.index(text.len());
            // A digit stays a digit, so that most lines can still be read.
            text[index] = if text[index].is_ascii_digit() { b'0' + byte % 10 } else { text[index] };
        }
        if let Ok(journal) = Journal::parse(&text) {
            let _ = journal.verify();
        }
    }
}
