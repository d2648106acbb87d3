//! Parsed lines as records of the `log` crate: each line once, also after malformed ones.

use childminder::machine::{RunId, Stream};
use childminder::output::LoggingProtocol;
use childminder::output::log_format::{LogFormat, LogFormatSink};
use proptest::prelude::*;

use crate::support::recorded;

const FORMAT: &str = r"{Y}-{m}-{d}T{H}:{M}:{S}\.{msecs} {levelname} {name} {message}";

/// One run of a program with a log format.
struct Program {
    protocol: LoggingProtocol,
    sink: LogFormatSink,
}

impl Program {
    fn new(name: &str, format: &str) -> Self {
        let protocol = LoggingProtocol::new(name.parse().expect("a valid name"), RunId::unmanaged(7));
        Self {
            protocol: protocol.max_line(64),
            sink: LogFormatSink::new(LogFormat::new(format).expect("a valid format")),
        }
    }

    fn stdout(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.protocol.data_received(Stream::Stdout, bytes.as_ref(), &mut self.sink);
        self
    }

    fn stderr(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.protocol.data_received(Stream::Stderr, bytes.as_ref(), &mut self.sink);
        self
    }

    fn ended(&mut self) {
        self.protocol.process_ended(&mut self.sink);
    }
}

/// Returns the records of a program with this format that prints `bytes` and exits.
fn printed(format: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    recorded(|| Program::new("web", format).stdout(bytes).ended())
}

const PAIRS: &str = "service=web stream=stdout run=7";

#[test]
fn sv_26_every_line_is_one_record_even_if_empty_or_unterminated() {
    let records = printed("{levelname}: {message}", "info: one\n\nerror: two\r\n\rwarn: last");
    let expected = [
        format!("childminder::output INFO one {PAIRS}"),
        format!("childminder::output INFO  {PAIRS}"),
        format!("childminder::output ERROR two {PAIRS}"),
        format!(r"childminder::output INFO \rwarn: last {PAIRS}"),
    ];
    assert_eq!(records, expected);
}

#[test]
fn sv_27_28_a_record_has_the_fields_of_the_line_and_the_name_of_the_service() {
    let records = printed(FORMAT, "2016-11-07T11:39:35.678 WARNING my.app hello world!\nhello\n");
    let expected = [
        format!("my.app WARN hello world! {PAIRS} timestamp=2016-11-07T11:39:35.678Z"),
        format!("childminder::output INFO hello {PAIRS}"),
    ];
    assert_eq!(records, expected);
}

#[test]
fn sv_30_a_format_without_a_message() {
    assert_eq!(
        printed("{levelname}: .*", "error: x\n"),
        [format!("childminder::output ERROR error: x {PAIRS}")]
    );
}

#[test]
fn sv_31_an_unknown_level_is_info_and_its_word_is_kept() {
    let records = printed("{levelname}: {message}", "W: one\nLOUD: two\nE: three\n");
    let expected = [
        format!("childminder::output WARN one {PAIRS}"),
        format!("childminder::output INFO two {PAIRS} level=LOUD"),
        format!("childminder::output ERROR three {PAIRS}"),
    ];
    assert_eq!(records, expected);
}

#[test]
fn sv_32_lines_after_an_impossible_date_and_invalid_bytes_are_logged() {
    let lines =
        b"2016-02-30T11:39:35.678 ERROR web one\n\xff\n2016-02-29T11:39:35.678 ERROR web \xfftwo\nlast\n";
    let expected = [
        format!("web ERROR one {PAIRS}"),
        format!(r"childminder::output INFO b'\xff' {PAIRS}"),
        format!(r"web ERROR b'\xfftwo' {PAIRS} timestamp=2016-02-29T11:39:35.678Z"),
        format!("childminder::output INFO last {PAIRS}"),
    ];
    assert_eq!(printed(FORMAT, lines), expected);
    let byte_by_byte = recorded(|| {
        let mut web = Program::new("web", FORMAT);
        for byte in lines.chunks(1) {
            web.stdout(byte);
        }
    });
    assert_eq!(byte_by_byte, expected, "byte by byte");
}

#[test]
fn sv_33_truncated() {
    // Lines are cut at 64 bytes here. The rest looks like a line of its own.
    let long = format!("2016-11-07T11:39:35.678 LOUD web {}error: x", "a".repeat(31));
    let date = "timestamp=2016-11-07T11:39:35.678Z level=LOUD";
    let expected = [
        format!("web INFO {} {PAIRS} {date}", "a".repeat(31)),
        format!("web INFO error: x {PAIRS} {date} continued=true"),
        format!("childminder::output INFO next {PAIRS}"),
    ];
    assert_eq!(printed(FORMAT, format!("{long}\nnext\n")), expected, "in one read");
    let byte_by_byte = recorded(|| {
        let mut web = Program::new("web", FORMAT);
        for byte in format!("{long}\nnext\n").bytes() {
            web.stdout([byte]);
        }
    });
    assert_eq!(byte_by_byte, expected, "in many");
    assert_eq!(printed(FORMAT, &long), expected[..2], "without an end");
}

#[test]
fn sv_33_the_rest_of_a_long_line_belongs_to_its_own_stream_and_run() {
    let format = "{levelname}: {message}";
    let long = |level: &str| format!("{level}: {}", "a".repeat(80));
    let records = recorded(|| {
        let mut web = Program::new("web", format);
        web.stdout(long("error")).stderr(long("debug")).stdout("\ninfo: x\n").stderr("\n");
        // A new run with the same number starts a new line.
        web.stdout(long("warn")).ended();
        web.stdout("info: y\n");
    });
    let levels: Vec<(&str, bool)> = records
        .iter()
        .map(|record| (record.split(' ').nth(1).unwrap(), record.ends_with("continued=true")))
        .collect();
    let expected = [
        ("ERROR", false),
        ("DEBUG", false),
        ("ERROR", true),
        ("INFO", false),
        ("DEBUG", true),
        ("WARN", false),
        ("WARN", true),
        ("INFO", false),
    ];
    assert_eq!(levels, expected);
}

#[test]
fn sv_33_a_rest_without_its_beginning_is_its_own_message() {
    let records = recorded(|| {
        let mut web = Program::new("web", "{levelname}: {message}");
        web.stdout(format!("error: {}", "a".repeat(80)));
        web.sink = LogFormatSink::new(LogFormat::new("{levelname}: {message}").expect("a valid format"));
        web.stdout("error: b\n");
    });
    let rest = format!("{}error: b", "a".repeat(80 + "error: ".len() - 64));
    assert_eq!(records[1..], [format!("childminder::output INFO {rest} {PAIRS} continued=true")]);
}

#[test]
fn sv_35_the_logger_filters_and_what_does_not_match_does_not_vanish() {
    let records = printed(
        "{levelname} {name}: {message}",
        "debug app: kept\ntrace app: beyond the level of the logger\nerror silent::app: a target that is off\n\
         no match\n",
    );
    assert_eq!(
        records,
        [format!("app DEBUG kept {PAIRS}"), format!("childminder::output INFO no match {PAIRS}")]
    );
}

proptest! {
    #[test]
    fn sv_26_32_33_one_record_for_every_line_of_any_bytes_in_any_reads(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>().prop_filter("a line feed", |byte| *byte != b'\n'), 0..150),
                "2016-[0-3][0-9]-[0-3][0-9]T11:39:35\\.678 (INFO|E|LOUD) web [a-zé\r]{0,100}"
                    .prop_map(String::into_bytes),
            ],
            0..8,
        ),
        cuts in prop::collection::vec(0..900_usize, 0..12),
    ) {
        let mut stream = lines.join(&b'\n');
        stream.extend_from_slice(b"\nerror: the last line\n");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunked = recorded(|| {
            let mut web = Program::new("web", FORMAT);
            for ends in cuts.windows(2) {
                web.stdout(&stream[ends[0]..ends[1]]);
            }
            web.ended();
        });
        prop_assert_eq!(&chunked, &printed(FORMAT, &stream), "the chunks do not matter");
        let whole = chunked.iter().filter(|record| !record.ends_with("continued=true")).count();
        // Without lines, the line feed before the last one is an empty line.
        prop_assert_eq!(whole, lines.len().max(1) + 1);
        let last = format!("childminder::output INFO error: the last line {PAIRS}");
        prop_assert_eq!(chunked.last(), Some(&last));
    }
}
