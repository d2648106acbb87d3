//! Lines as text: control characters are escaped, and everything else is unchanged.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use childminder::output::Line;
use proptest::prelude::*;

use crate::support::skip;

fn text(bytes: &[u8]) -> String {
    let line = Line::new(bytes);
    let mut pushed = b"> ".to_vec();
    line.push_text(&mut pushed);
    assert_eq!(&pushed[2..], line.text().as_bytes(), "both methods agree");
    line.text().into_owned()
}

#[test]
fn f_63_control_sequences_and_line_breaks_are_escaped() {
    for (line, expected) in [
        ("[db] an imitated line", "[db] an imitated line"),
        ("a\nb\r\nc", r"a\nb\r\nc"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\u{9b}31m\u{85}\x7f", r"\u{9b}31m\u{85}\x7f"),
        ("user\u{202e}txt.exe\u{2066}", r"user\u{202e}txt.exe\u{2066}"),
        ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
        ("tab\there", "tab\there"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[38:5:1mred\x1b[m", "\x1b[38:5:1mred\x1b[m"),
        ("\x1b[8mhides what follows", "\x1b[8mhides what follows\x1b[0m"),
        ("\x1b[31", r"\x1b[31"),
        ("\x1b[2J\x1b[31;1H\x1b", r"\x1b[2J\x1b[31;1H\x1b"),
        (r"C:\x1b", r"C:\x1b"),
    ] {
        assert_eq!(text(line.as_bytes()), expected, "{line:?}");
    }
}

#[test]
fn lp_6_bytes_are_written_as_python_writes_them() {
    for (line, expected) in [
        (&b"\xffhello world!"[..], r"b'\xffhello world!'"),
        (b"it's \xff", r#"b"it's \xff""#),
        (b"\"it's\" \xff", r#"b'"it\'s" \xff'"#),
        (b"\"\xff\"", r#"b'"\xff"'"#),
        (b"\xff\t\n\r\\\0\x1b\x7f~ ", r"b'\xff\t\n\r\\\x00\x1b\x7f~ '"),
        (b"\xc3\xa4\xc3", r"b'\xc3\xa4\xc3'"),
        (b"\xed\xa0\x80", r"b'\xed\xa0\x80'"),
    ] {
        assert_eq!(text(line), expected);
    }
}

/// Compares with Python itself, if it is installed.
#[test]
fn lp_6_bytes_are_written_as_by_the_installed_python() {
    const SCRIPT: &str = "import sys\nfor line in sys.stdin: print(repr(bytes.fromhex(line)))";
    let python =
        Command::new("python3").args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        return skip("lp_6_bytes_are_written_as_by_the_installed_python", "python3 is not installed");
    };
    let mut random = fastrand::Rng::with_seed(42);
    let lines: Vec<Vec<u8>> = (0..2000)
        .map(|_| {
            let mut line: Vec<u8> = (0..random.usize(..20)).map(|_| random.u8(..)).collect();
            line.extend((0..random.usize(..6)).map(|_| *random.choice(b"'\"\\\t \r\n").expect("not empty")));
            random.shuffle(&mut line);
            line.push(0xff);
            line
        })
        .collect();
    let hex = lines.iter().fold(String::new(), |mut hex, line| {
        line.iter().for_each(|byte| write!(hex, "{byte:02x}").expect("writing to a string"));
        hex + "\n"
    });
    let mut stdin = python.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || stdin.write_all(hex.as_bytes()));
    let output = python.wait_with_output().expect("cannot wait for python3");
    writer.join().expect("no panic").expect("python3 reads everything");
    let expected = String::from_utf8(output.stdout).expect("ASCII");
    assert_eq!(expected.lines().count(), lines.len());
    for (line, expected) in lines.iter().zip(expected.lines()) {
        assert_eq!(text(line), expected);
    }
}

proptest! {
    #[test]
    fn f_63_all_control_characters_but_tab_and_colours_are_escaped(
        line in "([a\t\0-\x1f\x7f-\u{9f}\u{2028}-\u{202e}\u{2066}-\u{2069}äm\\[;]|\x1b\\[[0-9;]{0,4}m?){0,30}",
    ) {
        let mut shown = text(line.as_bytes());
        while let Some(start) = shown.find("\x1b[") {
            let end = start + 2 + shown[start + 2..].find(|c: char| !c.is_ascii_digit() && c != ';').expect("an end");
            prop_assert_eq!(&shown[end..=end], "m");
            shown.replace_range(start..=end, "");
        }
        prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\t'), "{:?}", shown);
        let separates_or_reverses = shown.contains(['\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}']);
        prop_assert!(!separates_or_reverses);
    }

    #[test]
    fn f_55_any_bytes_are_one_line_of_text(line in prop::collection::vec(any::<u8>(), 0..60)) {
        let shown = text(&line);
        prop_assert!(!shown.contains(['\n', '\r', '\0']));
        if std::str::from_utf8(&line).is_err() {
            prop_assert!(shown.starts_with('b') && shown.is_ascii());
        }
    }

    #[test]
    fn printable_text_is_unchanged(line in "[ -~\tà-ÿ€日😀]{0,80}") {
        let shown = Line::new(line.as_bytes()).text();
        prop_assert!(matches!(shown, Cow::Borrowed(_)), "nothing is copied");
        prop_assert_eq!(text(line.as_bytes()), line);
    }
}
