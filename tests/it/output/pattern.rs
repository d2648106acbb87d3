//! Log formats: parsing of lines, and errors in format strings.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use childminder::output::Line;
use childminder::output::log_format::{LogFormat, LogFormatError, LogFormatErrorKind, ParsedLine, UtcOffset};
use log::Level;
use proptest::prelude::*;

const FULL: &str = r"{Y}-{m}-{d}T{H}:{M}:{S}\.{msecs} {levelname} {name} {message}";

fn compiled(format: &str) -> LogFormat {
    LogFormat::new(format).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns all fields of a line except its date.
fn parts<'a>(record: &'a ParsedLine<'_>) -> (bool, Level, Option<&'a str>, Option<&'a str>, &'a str) {
    let (unknown, name) = (record.unknown_level.as_deref(), record.name.as_deref());
    (record.matched, record.level, unknown, name, &record.message)
}

fn unix_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

#[test]
fn sv_27_full_match() {
    let format = compiled(FULL);
    let record = format.parse(b"2016-11-07T11:39:35.678 CRITICAL my.app[web] hello world!");
    assert_eq!(parts(&record), (true, Level::Error, None, Some("my.app[web]"), "hello world!"));
    assert_eq!(record.timestamp, Some(unix_millis(1_478_518_775_678)), "in UTC, wherever this test runs");

    let helsinki = format.clone().zone(UtcOffset::hours(2));
    let record = helsinki.parse(b"2016-11-07T11:39:35.678 info web hello");
    assert_eq!(record.timestamp, Some(unix_millis(1_478_518_775_678 - 7_200_000)));
}

#[test]
fn sv_27_a_date_needs_all_its_fields() {
    let without_milliseconds = compiled("{Y}/{m}/{d} {H}:{M}:{S} {message}");
    let record = without_milliseconds.parse(b"1970/01/02 00:00:01 x");
    assert_eq!(record.timestamp, Some(unix_millis(86_401_000)));
    for format in ["{Y}-{m}-{d} {message}", "{H}:{M}:{S} {message}", "{Y}-{m}-{d}( {H}:{M}:{S})? {message}"] {
        for line in ["2016-11-07 x", "11:39:35 x"] {
            assert_eq!(compiled(format).parse(line.as_bytes()).timestamp, None, "{format}: {line}");
        }
    }
}

#[test]
fn sv_28_partial_match() {
    let format = compiled("(?:{levelname}: )?(?:<{name}> )?{message}");
    for (line, expected) in [
        ("error: <web> gone", (true, Level::Error, None, Some("web"), "gone")),
        ("error: gone", (true, Level::Error, None, None, "gone")),
        ("<web> gone", (true, Level::Info, None, Some("web"), "gone")),
        ("gone", (true, Level::Info, None, None, "gone")),
        ("", (true, Level::Info, None, None, "")),
    ] {
        assert_eq!(parts(&format.parse(line.as_bytes())), expected, "{line}");
    }
}

#[test]
fn sv_28_35_no_match() {
    let record = compiled(FULL);
    let record = record.parse(b"hello world!");
    assert_eq!(parts(&record), (false, Level::Info, None, None, "hello world!"));
    assert_eq!(record.timestamp, None);
}

#[test]
fn sv_29_a_format_matches_whole_lines_or_none() {
    let level_only = compiled("{levelname}");
    assert!(level_only.parse(b"ERROR").matched);
    assert!(!level_only.parse(b"ERROR at line 3").matched, "at the end");
    assert!(!level_only.parse(b"3 ERROR").matched, "at the beginning");
    let either = compiled("a{name}|{levelname}: b");
    assert!(!either.parse(b"info: b and more").matched, "each of the alternatives");
    assert!(!either.parse(b"more: a").matched, "each of the alternatives");
    assert!(either.parse(b"a info: b and more").matched);
}

/// Returns the position and kind of the mistake in `format`.
fn mistake(format: &str) -> (usize, LogFormatErrorKind) {
    let error = LogFormat::new(format).expect_err(format);
    assert_eq!(error.format(), format);
    (error.position(), error.kind().clone())
}

#[test]
fn sv_29_a_mistake_is_reported_by_new() {
    use LogFormatErrorKind::*;
    let (none, text) = (String::new, str::to_owned);
    for (format, expected) in [
        ("", (0, Empty)),
        ("{Y}-{M}-{foo} {message}", (8, Unknown(text("foo")))),
        ("{y}", (0, Unknown(text("y")))),
        ("é{}", (2, Unknown(none()))),
        ("{Y:04}", (0, Unknown(text("Y:04")))),
        ("[0-9]{2} {message}", (5, Unknown(text("2")))),
        ("{Y} {message} {Y}", (14, Twice(text("Y")))),
        ("{message", (0, Unbalanced('{'))),
        ("x {a{b} {message}", (2, Unbalanced('{'))),
        ("{message}}", (9, Unbalanced('}'))),
        ("{{{message}", (0, Regex(text("repetition operator missing expression")))),
        (r"\{message}", (0, Misplaced(text("message")))),
        ("[^{name}]+ {message}", (2, Misplaced(text("name")))),
        ("{Y} ({name} {message}", (4, Regex(text("unclosed group")))),
        ("{name})({message}", (6, Regex(text("unopened group")))),
        ("{Y} [{message}", (4, Regex(text("unclosed character class")))),
        (
            "{levelname}{{2,1}} {message}",
            (11, Regex(text("invalid repetition count range, the start must be <= the end"))),
        ),
        ("{message} *?+ (?<Y>x) {Y}", (22, Regex(text("duplicate capture group name")))),
        (r"{message} \p{{Nonsense}}", (10, Regex(text("Unicode property not found")))),
        ("(?x) {message} # the message", (28, Regex(text("unclosed group")))),
        ("(?:{message}{{1000}}){{1000}}", (0, TooLarge)),
    ] {
        assert_eq!(mistake(format), expected, "{format}");
    }
}

#[test]
fn sv_29_the_error_shows_the_position() {
    let text = |format: &str| LogFormat::new(format).expect_err(format).to_string();
    assert_eq!(text(""), "invalid log format: the format is empty");
    assert_eq!(
        text("é {Y}-[0-9]{2} {message}"),
        "invalid log format: unknown placeholder `{2}`; a repetition is written `{{2}}`\n  \
         é {Y}-[0-9]{2} {message}\n             ^"
    );
    assert_eq!(
        text("a\tb {message"),
        "invalid log format: unbalanced `{`; a literal brace is written `{{`\n  \
         a\\tb {message\n       ^"
    );
    let error: LogFormatError = LogFormat::new("({message}").expect_err("not closed");
    assert_eq!(
        error.to_string(),
        "invalid log format: invalid regular expression: unclosed group\n  ({message}\n  ^"
    );
}

#[test]
fn sv_29_braces_of_the_expression_are_doubled() {
    let braces = compiled(r"\{{{levelname}\}} [0-9]{{2,3}} \\{message}");
    let record = braces.parse(br"{warn} 123 \over");
    assert_eq!(parts(&record), (true, Level::Warn, None, None, "over"));
    assert!(!braces.parse(br"{warn} 1 \over").matched);
}

#[test]
fn sv_30_without_a_message_the_whole_line_is_the_message() {
    let format = compiled(r"\[{levelname}\] .*");
    let record = format.parse(b"[error] all of it");
    assert_eq!(parts(&record), (true, Level::Error, None, None, "[error] all of it"));
    assert_eq!(format.message(b"[error] all of it"), b"[error] all of it");
}

#[test]
fn sv_31_levels() {
    let format = compiled("{levelname}: {message}");
    for (level, words) in [
        (Level::Error, "CRITICAL critical Fatal ERROR err C E emerg alert crit PANIC"),
        (Level::Warn, "WARNING Warn W w"),
        (Level::Info, "INFO info NOTICE I"),
        (Level::Debug, "DEBUG D"),
        (Level::Trace, "TRACE"),
    ] {
        for word in words.split(' ') {
            let line = format!("{word}: x");
            assert_eq!(parts(&format.parse(line.as_bytes())), (true, level, None, None, "x"), "{word}");
        }
    }
    for word in ["FOO", "X", "warnings"] {
        let line = format!("{word}: x");
        assert_eq!(
            parts(&format.parse(line.as_bytes())),
            (true, Level::Info, Some(word), None, "x"),
            "{word}"
        );
    }
}

#[test]
fn sv_31_words_for_levels_can_be_added() {
    let format = compiled(r"(?<levelname>[A-Z]+[0-9]?): {message}")
        .level("DEBUG2", Level::Trace)
        .level("NOTICE", Level::Trace)
        .level("notice", Level::Debug);
    for (line, level, unknown) in [
        ("DEBUG2: x", Level::Trace, None),
        ("NOTICE: x", Level::Debug, None),
        ("ERROR: x", Level::Error, None),
        ("DEBUG3: x", Level::Info, Some("DEBUG3")),
    ] {
        assert_eq!(parts(&format.parse(line.as_bytes())), (true, level, unknown, None, "x"), "{line}");
    }
}

#[test]
fn sv_32_a_line_with_an_impossible_date_has_no_date() {
    let format = compiled(FULL);
    for date in ["2016-02-30T11:39:35.678", "2016-00-07T11:39:35.678", "2016-11-07T25:39:35.678"] {
        let line = format!("{date} ERROR web hello");
        let record = format.parse(line.as_bytes());
        assert_eq!(parts(&record), (true, Level::Error, None, Some("web"), "hello"), "{line}");
        assert_eq!(record.timestamp, None, "{line}");
    }
}

#[test]
fn sv_32_invalid_utf8_is_decided_per_field() {
    let format = compiled("{levelname} <{name}> {message}");
    let record = format.parse(b"warn <gr\xc3\xbc\xc3\x9fe> \xffhello\x07");
    assert_eq!(parts(&record), (true, Level::Warn, None, Some("grüße"), r"b'\xffhello\x07'"));
    let record = format.parse(b"warn <\xc3> a\x07\nb");
    assert_eq!(parts(&record), (true, Level::Warn, None, Some(r"b'\xc3'"), r"a\x07\nb"));
    assert_eq!(format.message(b"warn <\xc3> a\x07\xff"), b"a\x07\xff", "as it was written");
}

#[test]
fn sv_34_the_message_excludes_the_text_before_it() {
    let format = compiled(r"\[{levelname} - {name}\] {message}");
    assert_eq!(format.message(b"[info - ready] steady"), b"steady");
    assert_eq!(format.message(b"[info - ready] "), b"");
    assert_eq!(format.message(b"[info ready"), b"[info ready");
}

#[test]
fn a_name_is_as_short_as_it_can_be_and_a_message_as_long() {
    let record = compiled("{name} {message}");
    assert_eq!(parts(&record.parse(b"a b c")), (true, Level::Info, None, Some("a"), "b c"));
    let record = compiled(r"{message} \({name}\)");
    assert_eq!(parts(&record.parse(b"a (b) (c)")), (true, Level::Info, None, Some("c"), "a (b)"));
}

#[test]
fn pj_3_the_formats_of_real_servers() {
    for (format, line, expected) in [
        (
            r"\[{levelname} *- {Y}-{m}-{d}T{H}:{M}:{S}\.{msecs}Z\] {name} - {message}",
            "[INFO  - 2016-11-07T11:39:35.678Z] GhostDriver - Main - running on port 8910",
            (true, Level::Info, None, Some("GhostDriver"), "Main - running on port 8910"),
        ),
        (
            r"{Y}-{m}-{d} {H}:{M}:{S}\.{msecs} UTC \[[0-9]+\] {levelname}:  {message}",
            "2016-11-07 11:39:35.678 UTC [4711] FATAL:  the database system is starting up",
            (true, Level::Error, None, None, "the database system is starting up"),
        ),
        (
            r"{Y}/{m}/{d} {H}:{M}:{S} \[{levelname}\] {name}: {message}",
            "2016/11/07 11:39:35 [emerg] 12#12: bind() to 0.0.0.0:80 failed (98: Address in use)",
            (true, Level::Error, None, Some("12#12"), "bind() to 0.0.0.0:80 failed (98: Address in use)"),
        ),
    ] {
        let format = compiled(format);
        let record = format.parse(line.as_bytes());
        assert_eq!(parts(&record), expected);
        assert!(record.timestamp.is_some(), "{line}");
    }
}

proptest! {
    #[test]
    fn sv_29_every_format_compiles_or_fails_at_a_position_in_it(
        format in r"(\{(Y|m|name|message|levelname|x)\}|[\{\}\[\]()?*+|\\^$a.#<>é-]|\{\{2\}\}){0,10}",
    ) {
        if let Err(error) = LogFormat::new(&format) {
            prop_assert!(format.is_char_boundary(error.position()), "{:?}", error);
            let text = error.to_string();
            let caret = text.lines().nth(2).map_or(0, |line| line.chars().count() - 3);
            prop_assert_eq!(caret, format[..error.position()].chars().count(), "{}", text);
        }
    }

    #[test]
    fn sv_32_every_line_can_be_parsed(line in prop::collection::vec(any::<u8>(), 0..60)) {
        for format in [FULL, "{name}:{message}", "{message}{levelname}", "(?s-u:.)+"] {
            let format = compiled(format);
            let record = format.parse(&line);
            let shown = Line::new(&line).text();
            prop_assert!(record.matched || record.message == shown, "{:?}", record);
            prop_assert!(!record.message.contains('\n'));
        }
    }
}
