//! A sink that hands parsed lines to the `log` crate.

use std::collections::HashMap;

use log::kv::Value;

use super::date::rfc3339;
use super::{LogFormat, ParsedLine};
use crate::machine::{Name, RunId, Stream};
use crate::output::{Batch, LogSink, Sink};

/// Logs every line as what it says it is: with its own level, under its own name (SV-27).
///
/// Each line is one record. Its target is the `{name}` that the format finds, or `childminder::output`; its message is
/// the `{message}`, without `[name]` before it. The key-values are
///
/// * `service`, the name of the process, `stream` (`stdout` or `stderr`), and `run`, its number;
/// * `timestamp`, if the line has a date: by RFC 3339, in UTC, with milliseconds;
/// * `level`, if the line has a word for its level that is not known (SV-31);
/// * `continued`, which is `true`, if it is the rest of a line that was too long.
///
/// The rest of such a line is logged piece by piece, with level, target and timestamp of its first piece: the format is
/// only matched where the line begins (SV-33).
///
/// The logger filters as it does for every record, by level and target (SV-35). A line that the format does not match
/// is logged at info, so that it does not vanish.
///
/// ```
/// use childminder::machine::{RunId, Stream};
/// use childminder::output::LoggingProtocol;
/// use childminder::output::log_format::{LogFormat, LogFormatSink};
///
/// let pattern = LogFormat::new(r"\[{levelname} {name}\] {message}")?;
/// let mut sink = LogFormatSink::new(pattern);
/// let mut protocol = LoggingProtocol::new("web".parse()?, RunId::unmanaged(1));
/// // A record at warn: target "disk", message "nearly full".
/// protocol.data_received(Stream::Stdout, b"[WARNING disk] nearly full\n", &mut sink);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogFormatSink {
    pattern: LogFormat,
    /// What the lines that are not at their end began with. An entry lives as long as its line; most are whole when
    /// they come and never have one.
    heads: HashMap<(Name, RunId, Stream), ParsedLine<'static>>,
}

impl LogFormatSink {
    /// For a program that formats its lines like this.
    pub fn new(pattern: LogFormat) -> Self {
        Self { pattern, heads: HashMap::new() }
    }
}

impl Sink for LogFormatSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        let source = (batch.name().clone(), batch.run(), batch.stream());
        let mut last: Option<ParsedLine<'_>> = self.heads.remove(&source);
        for line in batch.lines() {
            let record = match last {
                Some(head) if line.continued => ParsedLine { message: line.text(), ..head },
                // A rest whose beginning was never seen here has no format either.
                None if line.continued => ParsedLine::unmatched(line.bytes),
                Some(_) | None => self.pattern.parse(line.bytes),
            };
            log_record(batch, &record, line.continued);
            last = Some(record);
        }
        if batch.goes_on()
            && let Some(head) = last
        {
            self.heads.insert(source, head.into_head());
        }
    }

    fn flush(&mut self) {
        log::logger().flush();
    }
}

/// What the macros of `log` do, for key-values that are not always there. The logger is asked first, so that no text is
/// made of a date that it does not want.
fn log_record(batch: &Batch<'_>, record: &ParsedLine<'_>, continued: bool) {
    let target = record.name.as_deref().unwrap_or(LogSink::TARGET);
    let metadata = log::Metadata::builder().level(record.level).target(target).build();
    let logger = log::logger();
    if record.level > log::STATIC_MAX_LEVEL || record.level > log::max_level() || !logger.enabled(&metadata) {
        return;
    }
    let (stream, timestamp) = (batch.stream(), record.timestamp.map(rfc3339));
    let pairs = [
        Some(("service", Value::from(&**batch.name()))),
        Some(("stream", Value::from_display(&stream))),
        Some(("run", Value::from(batch.run().number()))),
        timestamp.as_deref().map(|timestamp| ("timestamp", Value::from(timestamp))),
        record.unknown_level.as_deref().map(|word| ("level", Value::from(word))),
        continued.then(|| ("continued", Value::from(true))),
    ];
    let mut builder = log::Record::builder();
    builder.metadata(metadata).key_values(&pairs);
    logger.log(&builder.args(format_args!("{}", record.message)).build());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::LoggingProtocol;

    #[test]
    fn sv_33_nothing_is_kept_of_a_line_that_is_at_its_end() {
        let mut sink = LogFormatSink::new(LogFormat::new("{levelname}: {message}").expect("a valid format"));
        for number in 1..=50 {
            let name = format!("web-{number}").parse().expect("a valid name");
            let mut protocol = LoggingProtocol::new(name, RunId::unmanaged(number)).max_line(16);
            protocol.data_received(Stream::Stdout, b"error: whole\nerror: this is more than a", &mut sink);
            assert_eq!(sink.heads.len(), 1, "the line that is not at its end");
            match number % 3 {
                0 => protocol.data_received(Stream::Stdout, b" line\n", &mut sink),
                1 => protocol.data_received(Stream::Stdout, b" line\nwhole\npart", &mut sink),
                _ => protocol.process_ended(&mut sink),
            }
            assert_eq!(sink.heads.len(), 0);
        }
    }
}
