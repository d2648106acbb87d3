//! A sink that passes parsed lines to the `log` crate.

use std::collections::HashMap;

use log::kv::Value;

use super::date::rfc3339;
use super::parse::{LogFormat, ParsedLine};
use crate::machine::{Name, RunId, Stream};
use crate::output::batch::Batch;
use crate::output::sink::{LogSink, Sink};

/// Logs every line with its own level and logger name.
///
/// Each line becomes one record. Its target is the `{name}` that the format finds, or `childminder::output`;
/// its message is the `{message}`, without the name of the process. The key-values are
///
/// * `service`, the name of the process, `stream` (`stdout` or `stderr`), and `run`, its number;
/// * `timestamp`, if the line has a date: by RFC 3339, in UTC, with milliseconds;
/// * `level`, if the line has a word for its level that is not known;
/// * `continued`, which is `true`, for the rest of a line that was handed over in pieces.
///
/// Each piece of such a line is one record, with the level, target and timestamp of the first piece: the
/// format is matched only at the beginning of the line.
///
/// The logger filters by level and target, as it does for every record. A line that the format does not match
/// is logged at info, so that it is not lost.
///
/// ```
/// use childminder::machine::{RunId, Stream};
/// use childminder::output::LoggingProtocol;
/// use childminder::output::log_format::{LogFormat, LogFormatSink};
///
/// let format = LogFormat::new(r"\[{levelname} {name}\] {message}")?;
/// let mut sink = LogFormatSink::new(format);
/// let mut protocol = LoggingProtocol::new("web".parse()?, RunId::unmanaged(1));
/// // Logs a record at warn, with the target "disk" and the message "nearly full".
/// protocol.data_received(Stream::Stdout, b"[WARNING disk] nearly full\n", &mut sink);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogFormatSink {
    format: LogFormat,
    /// The fields of the lines of which a further piece will follow. An entry lives as long as its line;
    /// whole lines have none.
    heads: HashMap<(Name, RunId, Stream), ParsedLine<'static>>,
}

impl LogFormatSink {
    /// Creates a sink for a program with this log format.
    pub fn new(format: LogFormat) -> Self {
        Self { format, heads: HashMap::new() }
    }
}

impl Sink for LogFormatSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        let source = (batch.name().clone(), batch.run(), batch.stream());
        let mut last: Option<ParsedLine<'_>> = self.heads.remove(&source);
        for line in batch.lines() {
            let record = match last {
                Some(head) if line.continued => ParsedLine { message: line.text(), ..head },
                // The beginning of this line was not passed to this sink.
                None if line.continued => ParsedLine::unmatched(line.bytes),
                Some(_) | None => self.format.parse(line.bytes),
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

/// Logs one record, as the macros of `log` do, with optional key-values. The logger is asked first, so that
/// dates are not formatted in vain.
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
    fn sv_33_nothing_is_kept_of_a_finished_line() {
        let mut sink = LogFormatSink::new(LogFormat::new("{levelname}: {message}").expect("a valid format"));
        for number in 1..=50 {
            let name = format!("web-{number}").parse().expect("a valid name");
            let mut protocol = LoggingProtocol::new(name, RunId::unmanaged(number)).max_line(16);
            protocol.data_received(Stream::Stdout, b"error: whole\nerror: this is more than a", &mut sink);
            assert_eq!(sink.heads.len(), 1, "the unfinished line");
            match number % 3 {
                0 => protocol.data_received(Stream::Stdout, b" line\n", &mut sink),
                1 => protocol.data_received(Stream::Stdout, b" line\nwhole\npart", &mut sink),
                _ => protocol.process_ended(&mut sink),
            }
            assert_eq!(sink.heads.len(), 0);
        }
    }
}
