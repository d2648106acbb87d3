//! Parses the log format of a program: each line becomes a record of the `log` crate, with the level, the
//! name and the date of the line.
//!
//! The program is a shell that prints the log of a server in Helsinki. A small logger prints the fields of
//! the records.

use childminder::machine::NoticeKind;
use childminder::output::log_format::{LogFormat, LogFormatSink, UtcOffset};
use childminder::{ProcessMonitor, Spec, System};
use log::kv::Key;

const LINES: &str = "\
2026-11-21 14:00:00,250 INFO [http] listening on port 8080
2026-11-21 14:00:01,000 WARNING [store.disk] 93 % full
2026-11-21 14:00:01,500 ACCESS [http] GET /
Segmentation fault";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    log::set_logger(&Printer)?;
    log::set_max_level(log::LevelFilter::Debug);

    // A format is a regular expression with placeholders. Mistakes are reported here.
    let format = r"{Y}-{m}-{d} {H}:{M}:{S},{msecs} {levelname} \[{name}\] {message}";
    println!("{}\n", LogFormat::new("{levelname} {nmae}: {message}").expect_err("a misspelled placeholder"));
    let records = LogFormatSink::new(LogFormat::new(format)?.zone(UtcOffset::hours(2)));

    let monitor = ProcessMonitor::builder().sink(records).background(System::new())?;
    monitor.add_process("server", Spec::new("sh").args(["-c", "echo \"$0\"; exit 139", LINES]))?;
    let mut notices = monitor.notices();
    monitor.start_service()?;

    // The notice of the exit follows the last line.
    while let Some(heard) = notices.wait() {
        if matches!(heard, Ok(notice) if matches!(notice.kind, NoticeKind::Exited { .. })) {
            break;
        }
    }
    monitor.stop_service().wait()?;
    Ok(())
}

/// Prints the level, date, target and message of each record.
struct Printer;

impl log::Log for Printer {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() != "childminder::monitor"
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let value = |key| record.key_values().get(Key::from_str(key));
        let date = value("timestamp").map_or_else(|| "no date".to_owned(), |date| date.to_string());
        let word = value("level").map_or_else(String::new, |word| format!(" (its level: {word})"));
        println!("{:5} {date} {}: {}{word}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}
