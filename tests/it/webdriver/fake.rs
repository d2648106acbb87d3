//! A WebDriver server without a browser: this test binary, started again.
//!
//! It records its arguments and every request in a file, which the test reads.

use std::collections::HashMap;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use childminder::WebDriver;
use tempfile::TempDir;

const RECORD: &str = "FAKE_WEBDRIVER_RECORD";
const FAULTS: &str = "FAKE_WEBDRIVER_FAULTS";

/// A picture that passes for a PNG file in these tests.
pub(crate) const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The directory of a fake driver, with its record.
pub(crate) struct Fake {
    dir: TempDir,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().expect("a directory") }
    }

    /// Returns a driver that starts the fake. `faults` is a list of words for its deviations from a correct
    /// driver.
    pub(crate) fn driver(&self, faults: &str) -> WebDriver {
        self.play(WebDriver::custom("fake"), faults).marker("running on port").base_path("/wd/hub")
    }

    /// Returns a preset whose program is the fake.
    pub(crate) fn play(&self, preset: WebDriver, faults: &str) -> WebDriver {
        // The test harness takes arguments behind `--` for the names of other tests.
        ["--exact", "webdriver::fake::program", "--ignored", "--nocapture", "--"]
            .into_iter()
            .fold(preset, WebDriver::arg)
            .program(env::current_exe().expect("the test binary"))
            .env(RECORD, self.record_path())
            .env(FAULTS, faults)
    }

    fn record_path(&self) -> PathBuf {
        self.dir.path().join("record")
    }

    /// Returns the record so far.
    pub(crate) fn record(&self) -> Vec<String> {
        let text = fs::read_to_string(self.record_path()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the rest of the first recorded line that begins with `word`.
    pub(crate) fn noted(&self, word: &str) -> Option<String> {
        self.record().iter().find_map(|line| Some(line.strip_prefix(word)?.trim().to_owned()))
    }
}

#[test]
#[ignore = "no test, but a program that tests start"]
fn program() {
    let mut args = env::args().skip_while(|arg| arg != "--").skip(1);
    let port = args.next().expect("the port");
    let port: u16 = port.trim_start_matches("--port=").parse().expect("a number");
    let faults = env::var(FAULTS).expect("faults");
    let record = OpenOptions::new().create(true).append(true).open(env::var_os(RECORD).expect("a record"));
    Program { port, faults, record: record.expect("the record opens"), hung: Vec::new() }.run(args);
}

struct Program {
    port: u16,
    faults: String,
    record: fs::File,
    /// Connections that never get a response.
    hung: Vec<TcpStream>,
}

impl Program {
    fn run(mut self, args: impl Iterator<Item = String>) {
        let words: Vec<_> = args.collect();
        self.note(&format!("args {}", words.join(" ")));
        for variable in ["TMPDIR", "XDG_CONFIG_HOME"] {
            self.note(&format!("{variable} {}", env::var(variable).unwrap_or_default()));
        }
        if self.has("daemon") {
            // It leaves the group and the session, like a crash handler.
            let mut daemon = Command::new("setsid");
            let daemon = daemon.args(["sleep", "1000"]).stdout(Stdio::null()).stderr(Stdio::null());
            let pid = daemon.spawn().expect("setsid").id();
            self.note(&format!("daemon {pid}"));
        }
        if self.has("scribbles") {
            write_forever();
        }
        if self.has("mute") {
            thread::park();
        }
        let Self { port, .. } = self;
        if self.has("firefox") {
            println!("1763726400000\tgeckodriver\tINFO\tListening on 127.0.0.1:{port}");
        } else if !self.has("no-marker") {
            println!("[WARN  - 2026-11-21T12:34:56.789Z] GhostDriver - Main - running on port {port}");
        }
        if self.has("no-port") {
            thread::park();
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).expect("the port is free");
        for stream in listener.incoming() {
            self.serve(stream.expect("a connection"));
        }
    }

    fn has(&self, fault: &str) -> bool {
        self.faults.split(' ').any(|word| word == fault)
    }

    fn note(&mut self, line: &str) {
        writeln!(self.record, "{line}").expect("the record is written");
    }

    /// Reads one request; the connection of a probe has none.
    fn serve(&mut self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut fields = HashMap::new();
        for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").expect("a field");
            fields.insert(name.to_lowercase(), value.to_owned());
        }
        let length = fields.get("content-length").map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        let body = String::from_utf8(body).expect("text");
        let request = request.strip_suffix(" HTTP/1.1\r\n").expect("HTTP/1.1");
        self.note(format!("{request} {body}").trim_end());
        match self.answer(request) {
            Answer::Say(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
            Answer::Babble => drop(stream.write_all(b"220 smtp ready\r\n\r\n")),
            Answer::Hang => self.hung.push(stream),
        }
    }

    fn answer(&self, request: &str) -> Answer {
        let value = |value: &str| Answer::Say(200, format!("{{\"value\":{value}}}"));
        let refusal = |status, error: &str| {
            let value = format!(r#"{{"error":"{error}","message":"it said so","stacktrace":"here"}}"#);
            println!("refusing: {error}");
            Answer::Say(status, format!("{{\"value\":{value}}}"))
        };
        match request.replace("/wd/hub", "").as_str() {
            "POST /session" if self.has("no-session") => refusal(500, "session not created"),
            "POST /session" if self.has("no-id") => value("{}"),
            "POST /session" => value(r#"{"sessionId":"a/b","capabilities":{"browserName":"fake"}}"#),
            "DELETE /session/a%2Fb" if self.has("clings") => Answer::Hang,
            "DELETE /session/a%2Fb" => value("null"),
            request => match request.split_once("/session/a%2Fb/").expect("within the session").1 {
                "title" => value(r#""Fake \u00fc""#),
                "url" if request.starts_with("GET") => value(r#""http://localhost/""#),
                "element" => value(r#"{"element-6066-11e4-a52e-4f735466cecf":"e 1"}"#),
                "element/e%201/text" => value(r#""Press me""#),
                "screenshot" => value(r#""iVBORw0KGgo=""#),
                "nothing" => refusal(404, "unknown command"),
                "number" => value("7"),
                "prose" => Answer::Say(200, "<html>hello</html>".to_owned()),
                "babble" => Answer::Babble,
                "hang" => Answer::Hang,
                "die" => std::process::exit(3),
                _ => value("null"),
            },
        }
    }
}

enum Answer {
    Say(u16, String),
    Babble,
    Hang,
}

/// Writes temporary files without end, also while it is being killed.
fn write_forever() {
    let dir = env::temp_dir();
    fs::create_dir_all(dir.join("deep/er")).expect("a directory");
    thread::spawn(move || {
        for i in 0_u64.. {
            let _ = fs::write(dir.join(format!("deep/er/{}", i % 1000)), b"x");
        }
    });
}
