//! The output room through its public API: the tests of Twisted's `LoggingProtocol`, its listed behaviours,
//! and each sink.

mod file;
mod order;
mod pattern;
mod records;
mod sinks;
mod test_output;
mod text;

use childminder::Sink;
use childminder::machine::{RunId, Stream};
use childminder::output::{Batch, InvalidUtf8, LoggingProtocol, WriterSink};

/// A protocol, and a sink that collects what it renders.
struct Rendered {
    protocol: LoggingProtocol,
    sink: WriterSink<Vec<u8>>,
}

impl Rendered {
    fn of(name: &str) -> Self {
        let protocol = LoggingProtocol::new(name.parse().expect("a valid name"), RunId::unmanaged(1));
        Self { protocol, sink: WriterSink::new(Vec::new()) }
    }

    fn stdout(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.protocol.data_received(Stream::Stdout, bytes.as_ref(), &mut self.sink);
        self
    }

    fn stderr(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.protocol.data_received(Stream::Stderr, bytes.as_ref(), &mut self.sink);
        self
    }

    fn ended(&mut self) -> &mut Self {
        self.protocol.process_ended(&mut self.sink);
        self
    }

    /// Shows the unfinished line of the standard output, as after a pause.
    fn paused(&mut self) -> &mut Self {
        self.protocol.show_partial(Stream::Stdout, &mut self.sink);
        self
    }

    /// Returns what was rendered since the last call.
    fn text(&mut self) -> String {
        let sink = std::mem::replace(&mut self.sink, WriterSink::new(Vec::new()));
        String::from_utf8(sink.into_inner()).expect("rendered lines are text")
    }
}

#[test]
fn output_received_complete_line() {
    assert_eq!(Rendered::of("foo").stdout("hello world!\n").text(), "[foo] hello world!\n");
}

#[test]
fn output_received_complete_err_line() {
    assert_eq!(Rendered::of("foo").stderr("hello world!\n").text(), "[foo] hello world!\n");
}

#[test]
fn output_received_complete_line_invalid_utf8() {
    assert_eq!(Rendered::of("foo").stdout(b"\xffhello world!\n").text(), "[foo] b'\\xffhello world!'\n");
}

#[test]
fn output_received_partial_line() {
    let mut foo = Rendered::of("foo");
    assert_eq!(foo.stderr("hello world!").text(), "");
    assert_eq!(foo.ended().text(), "[foo] hello world!\n");
}

#[test]
fn lp_1_10_every_line_has_name_run_and_stream() {
    struct Seen(Vec<String>);
    impl Sink for Seen {
        fn lines(&mut self, batch: &Batch<'_>) {
            self.0.extend(
                batch.lines().map(|line| {
                    format!("{}{} {} {}", batch.name(), batch.run(), batch.stream(), line.text())
                }),
            );
        }
    }
    let mut protocol = LoggingProtocol::new("web".parse().unwrap(), RunId::unmanaged(7));
    let mut seen = Seen(Vec::new());
    protocol.data_received(Stream::Stdout, b"one\ntwo\n", &mut seen);
    protocol.data_received(Stream::Stderr, b"three\n", &mut seen);
    assert_eq!(seen.0, ["web#7 stdout one", "web#7 stdout two", "web#7 stderr three"]);
}

#[test]
fn lp_2_lines_of_the_two_streams_are_not_joined() {
    let mut web = Rendered::of("web");
    web.stdout("one ").stderr("fish ").stdout("two\n").stderr("bones\n");
    assert_eq!(web.text(), "[web] one two\n[web] fish bones\n");
}

#[test]
fn lp_3_4_an_unfinished_line_is_kept_and_flushed_once() {
    let mut web = Rendered::of("web");
    assert_eq!(web.stdout("log").stdout("in").stdout(": ").text(), "");
    assert_eq!(web.stderr("err").ended().text(), "[web] login: \n[web] err\n");
    assert_eq!(web.ended().text(), "", "once");
    assert_eq!(web.stdout("again\n").text(), "[web] again\n", "nothing is kept");
}

#[test]
fn f_56_lp_5_no_empty_line_is_invented() {
    for (output, expected) in
        [("", ""), ("a", "[w] a\n"), ("a\n", "[w] a\n"), ("\n", "[w] \n"), ("\n\n", "[w] \n[w] \n")]
    {
        assert_eq!(Rendered::of("w").stdout(output).stderr("").ended().text(), expected, "{output:?}");
    }
}

#[test]
fn f_55_lp_6_invalid_utf8_is_decided_per_line_and_not_per_read() {
    let mut web = Rendered::of("web");
    web.stdout(b"gr\xc3").stdout(b"\xbc\xc3\x9fe\n\xc3\nfine\n");
    assert_eq!(web.text(), "[web] grüße\n[web] b'\\xc3'\n[web] fine\n");
}

#[test]
fn f_55_lp_7_carriage_returns_and_control_characters() {
    let mut web = Rendered::of("web");
    web.stdout("dos\r\nbar 10%\rbar 20%\n\0\x1b[2J\x0c\u{feff}\n");
    assert_eq!(web.text(), "[web] dos\n[web] bar 10%\\rbar 20%\n[web] \\0\\x1b[2J\\x0c\u{feff}\n");
}

#[test]
fn f_54_lp_8_9_a_long_line_comes_in_marked_pieces_and_the_next_line_is_intact() {
    let mut web = Rendered::of("web");
    let long = format!("{}[db] an imitated line\nnext\n", "x".repeat(16_384));
    web.stdout(format!("before\n{long}")).stdout("later\n");
    let expected = format!(
        "[web] before\n[web] {}\n[web+] [db] an imitated line\n[web] next\n[web] later\n",
        "x".repeat(16_384)
    );
    assert_eq!(web.text(), expected);

    let megabyte = "y".repeat(1024 * 1024);
    web.stdout(&megabyte).stdout("\nnext\n");
    let pieces: Vec<String> = web.text().lines().map(str::to_owned).collect();
    assert_eq!(pieces.len(), 65);
    assert_eq!(pieces.iter().filter(|piece| piece.starts_with("[web+] y")).count(), 63);
    assert_eq!(pieces[64], "[web] next");
}

#[test]
fn lp_8_the_limit_can_be_set_but_not_to_zero() {
    let mut web = Rendered::of("web");
    web.protocol = LoggingProtocol::new("web".parse().unwrap(), RunId::unmanaged(1)).max_line(0);
    assert_eq!(web.stdout("0123456789abcdefg\n").text(), "[web] 0123456789abcdef\n[web+] g\n");
}

#[test]
fn lp_11_braces_and_percent_signs_are_not_interpreted() {
    assert_eq!(Rendered::of("web").stdout("{name} {} %s %(x)d {{\n").text(), "[web] {name} {} %s %(x)d {{\n");
}

#[test]
fn lp_12_an_empty_read_does_no_harm() {
    let mut web = Rendered::of("web");
    assert_eq!(web.stdout("").text(), "");
    assert_eq!(web.stdout("a").stdout("").stdout("b\n").stdout("").ended().text(), "[web] ab\n");
}

#[test]
fn f_140_a_prompt_is_marked_as_partial_and_its_answer_as_continued() {
    let mut web = Rendered::of("web");
    assert_eq!(web.paused().text(), "");
    assert_eq!(web.stdout("ready\nlogin: ").paused().text(), "[web] ready\n[web~] login: \n");
    assert_eq!(
        web.paused().stderr("no\n").text(),
        "[web] no\n",
        "it is shown once, and stderr is not affected"
    );
    assert_eq!(web.stdout("joe").paused().stdout("\n").text(), "[web+~] joe\n");
    assert_eq!(web.stdout("50 %\r99 %\r").paused().stdout("100 %\n").text(), "[web~] 99 %\n[web+] 100 %\n");
    assert_eq!(web.stdout("bye").paused().ended().text(), "[web~] bye\n");
}

#[test]
fn invalid_utf8_can_be_escaped_byte_by_byte() {
    let mut web = Rendered::of("web");
    web.protocol =
        LoggingProtocol::new("web".parse().unwrap(), RunId::unmanaged(1)).invalid_utf8(InvalidUtf8::Escape);
    web.stdout(b"caf\xe9 \xc3\xa4 \x1b[31mred \xff\x07\nfine\n");
    assert_eq!(web.text(), "[web] caf\\xe9 ä \x1b[31mred \\xff\\x07\x1b[0m\n[web] fine\n");
}
