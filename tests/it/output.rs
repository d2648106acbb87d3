//! The output path as a user of the public API sees it: what Twisted's tests of its logging protocol ask for, the
//! behaviours of its list, and each sink.

mod pattern;
mod records;
mod sinks;
mod test_output;
mod text;

use childminder::Sink;
use childminder::machine::{RunId, Stream};
use childminder::output::{Batch, LoggingProtocol, WriterSink};

/// A protocol for `name`, and a sink that renders.
struct OutputMatch {
    protocol: LoggingProtocol,
    sink: WriterSink<Vec<u8>>,
}

impl OutputMatch {
    fn by(name: &str) -> Self {
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

    /// All that was handed over since the last time.
    fn text(&mut self) -> String {
        let sink = std::mem::replace(&mut self.sink, WriterSink::new(Vec::new()));
        String::from_utf8(sink.into_inner()).expect("rendered lines are text")
    }
}

#[test]
fn output_received_complete_line() {
    assert_eq!(OutputMatch::by("foo").stdout("hello world!\n").text(), "[foo] hello world!\n");
}

#[test]
fn output_received_complete_err_line() {
    assert_eq!(OutputMatch::by("foo").stderr("hello world!\n").text(), "[foo] hello world!\n");
}

#[test]
fn output_received_complete_line_invalid_utf8() {
    assert_eq!(OutputMatch::by("foo").stdout(b"\xffhello world!\n").text(), "[foo] b'\\xffhello world!'\n");
}

#[test]
fn output_received_partial_line() {
    let mut foo = OutputMatch::by("foo");
    assert_eq!(foo.stderr("hello world!").text(), "");
    assert_eq!(foo.ended().text(), "[foo] hello world!\n");
}

#[test]
fn lp_1_10_every_line_tells_whose_it_is_and_both_streams_alike() {
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
fn lp_2_the_streams_are_never_glued_together() {
    let mut web = OutputMatch::by("web");
    web.stdout("one ").stderr("fish ").stdout("two\n").stderr("bones\n");
    assert_eq!(web.text(), "[web] one two\n[web] fish bones\n");
}

#[test]
fn lp_3_4_a_partial_line_is_held_and_flushed_once() {
    let mut web = OutputMatch::by("web");
    assert_eq!(web.stdout("log").stdout("in").stdout(": ").text(), "");
    assert_eq!(web.stderr("err").ended().text(), "[web] login: \n[web] err\n");
    assert_eq!(web.ended().text(), "", "once");
    assert_eq!(web.stdout("again\n").text(), "[web] again\n", "nothing is left over");
}

#[test]
fn f_56_lp_5_no_empty_line_is_invented() {
    for (output, expected) in
        [("", ""), ("a", "[w] a\n"), ("a\n", "[w] a\n"), ("\n", "[w] \n"), ("\n\n", "[w] \n[w] \n")]
    {
        assert_eq!(OutputMatch::by("w").stdout(output).stderr("").ended().text(), expected, "{output:?}");
    }
}

#[test]
fn f_55_lp_6_invalid_utf8_is_a_matter_of_the_line_and_not_of_the_read() {
    let mut web = OutputMatch::by("web");
    web.stdout(b"gr\xc3").stdout(b"\xbc\xc3\x9fe\n\xc3\nfine\n");
    assert_eq!(web.text(), "[web] grüße\n[web] b'\\xc3'\n[web] fine\n");
}

#[test]
fn f_55_lp_7_carriage_returns_and_control_characters() {
    let mut web = OutputMatch::by("web");
    web.stdout("dos\r\nbar 10%\rbar 20%\n\0\x1b[2J\x0c\u{feff}\n");
    assert_eq!(web.text(), "[web] dos\n[web] bar 10%\\rbar 20%\n[web] \\0\\x1b[2J\\x0c\u{feff}\n");
}

#[test]
fn f_54_lp_8_9_a_long_line_comes_in_marked_pieces_and_the_next_line_is_intact() {
    let mut web = OutputMatch::by("web");
    let long = format!("{}[db] I am somebody else\nnext\n", "x".repeat(16_384));
    web.stdout(format!("before\n{long}")).stdout("later\n");
    let expected = format!(
        "[web] before\n[web] {}\n[web+] [db] I am somebody else\n[web] next\n[web] later\n",
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
fn lp_8_the_limit_can_be_set_but_not_to_nothing() {
    let mut web = OutputMatch::by("web");
    web.protocol = LoggingProtocol::new("web".parse().unwrap(), RunId::unmanaged(1)).max_line(0);
    assert_eq!(web.stdout("0123456789abcdefg\n").text(), "[web] 0123456789abcdef\n[web+] g\n");
}

#[test]
fn lp_11_braces_and_percent_signs_mean_nothing() {
    assert_eq!(
        OutputMatch::by("web").stdout("{name} {} %s %(x)d {{\n").text(),
        "[web] {name} {} %s %(x)d {{\n"
    );
}

#[test]
fn lp_12_an_empty_read_does_no_harm() {
    let mut web = OutputMatch::by("web");
    assert_eq!(web.stdout("").text(), "");
    assert_eq!(web.stdout("a").stdout("").stdout("b\n").stdout("").ended().text(), "[web] ab\n");
}
