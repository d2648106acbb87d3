//! The output of a shared service, for the tests that use it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::output::{Batch, Sink};
use crate::sync::Lock;

/// The output that a shared service keeps for the tests that use it, in bytes.
const KEPT: usize = 1024 * 1024;

/// Records the output of a service. Clones are the same recorder.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Lock<Record>>);

#[derive(Default)]
struct Record {
    /// The rendered batches, each with the position of its first byte in the whole output.
    batches: VecDeque<(u64, Vec<u8>)>,
    /// The number of bytes recorded so far.
    end: u64,
    size: usize,
}

impl Recorder {
    /// Returns the position behind everything that was recorded.
    pub(super) fn position(&self) -> u64 {
        self.0.lock().end
    }

    /// Returns what was recorded from `begin` on, as far as it was kept; `None` if it is nothing.
    pub(super) fn since(&self, begin: u64) -> Option<String> {
        let record = self.0.lock();
        let dropped = record.batches.front().map_or(0, |(first, _)| first.saturating_sub(begin));
        let kept = record.batches.iter().filter(|(first, _)| *first >= begin);
        let bytes: Vec<u8> = kept.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        if bytes.is_empty() {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        Some(match dropped {
            0 => text.into_owned(),
            dropped => format!("({dropped} bytes before this were dropped)\n{text}"),
        })
    }

    /// Returns the sink for the monitor.
    pub(super) fn sink(&self) -> impl Sink + use<> {
        RecorderSink(self.clone())
    }
}

struct RecorderSink(Recorder);

impl Sink for RecorderSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut bytes = Vec::new();
        batch.render(&mut bytes);
        let mut record = self.0.0.lock();
        let first = record.end;
        record.end += bytes.len() as u64;
        record.size += bytes.len();
        record.batches.push_back((first, bytes));
        while record.size > KEPT
            && let Some((_, oldest)) = record.batches.pop_front()
        {
            record.size -= oldest.len();
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.position()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{RunId, Stream};
    use crate::output::LoggingProtocol;

    #[test]
    fn each_user_gets_the_output_of_its_own_time_and_the_amount_that_was_dropped() {
        let recorder = Recorder::default();
        let mut sink = recorder.sink();
        let mut server = LoggingProtocol::new("db".parse().unwrap(), RunId::unmanaged(1));
        server.data_received(Stream::Stdout, b"open\n", &mut sink);
        let first = recorder.position();
        server.data_received(Stream::Stdout, b"one\n", &mut sink);
        let second = recorder.position();
        assert_eq!(recorder.since(second), None);
        server.data_received(Stream::Stderr, b"two\n", &mut sink);
        assert_eq!(recorder.since(0).as_deref(), Some("[db] open\n[db] one\n[db] two\n"));
        assert_eq!(recorder.since(first).as_deref(), Some("[db] one\n[db] two\n"));
        assert_eq!(recorder.since(second).as_deref(), Some("[db] two\n"));
        // Lines that fill the record exactly, so that only the short ones are dropped.
        const LINE: usize = 1024;
        for _ in 0..KEPT / LINE {
            let line = [[b'x'; LINE - "[db] \n".len()].as_slice(), b"\n"].concat();
            server.data_received(Stream::Stdout, &line, &mut sink);
        }
        let rest = recorder.since(first).unwrap();
        assert!(rest.starts_with("(18 bytes before this were dropped)\n[db] x"), "{}", &rest[..60]);
    }
}
