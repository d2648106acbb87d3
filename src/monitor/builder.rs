//! A monitor with other than the default settings.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::ProcessMonitor;
use super::driver::MonitorDriver;
use super::shared::Shared;
use crate::drive::Guard;
use crate::host::Host;
use crate::machine::{Notice, NoticeKind, Policy, PolicyError};
use crate::output::{LineFormat, LogSink, MAX_LINE, Relay, Sink, TailSink, TestOutputSink};
use crate::panic_guard::catch_and_log;

/// Settings of a [`ProcessMonitor`]; see [`ProcessMonitor::builder`].
#[must_use]
pub struct MonitorBuilder {
    policy: Policy,
    sinks: Vec<Box<dyn Sink>>,
    tail: Option<TailSink>,
    max_line: usize,
    inline: bool,
}

impl Default for MonitorBuilder {
    fn default() -> Self {
        Self { policy: Policy::default(), sinks: Vec::new(), tail: None, max_line: MAX_LINE, inline: false }
    }
}

impl MonitorBuilder {
    /// Sets the policy for all processes that bring none of their own. Default: [`Policy::default`].
    ///
    /// # Errors
    ///
    /// [`PolicyError`] naming the field that is not valid.
    pub fn policy(mut self, policy: Policy) -> Result<Self, PolicyError> {
        policy.check()?;
        self.policy = policy;
        Ok(self)
    }

    /// Adds a sink for the output of the processes. Default, when none is added: the `log` crate ([`LogSink`]).
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Keeps the last `lines` lines of each process in memory, for [`ProcessMonitor::tail`]. Default: none.
    pub fn tail(mut self, lines: usize) -> Self {
        self.tail = Some(TailSink::new(lines));
        self
    }

    /// Sets the longest line, in bytes; a longer one is split (LP-8). Default: 16 KiB.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes.max(1);
        self
    }

    /// Calls the sinks and the logger on the driver's thread instead of one of their own. That saves the way to another
    /// thread, some 50 µs for a line that comes alone; in return whatever blocks them blocks restarts and kills, too. For
    /// those who know that nothing does: a [`TailSink`], a regular file. Default: no.
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// Adds the sink for whatever runs in a test: the logger if there is one, else the output of the test.
    pub(crate) fn for_tests(self) -> Self {
        if log::max_level() == log::LevelFilter::Off { self.sink(TestOutputSink) } else { self.sink(LogSink) }
    }

    /// A handle, and the driver that does the work: run it on an executor of your choice.
    pub fn build(self, host: impl Host) -> (ProcessMonitor, MonitorDriver) {
        let (shared, driver) = self.parts(Arc::new(host));
        (ProcessMonitor(Arc::new(Guard::new(shared))), driver)
    }

    /// A handle whose driver runs on a thread of its own, named `childminder`. Dropping the last handle stops all
    /// processes and waits for that.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread to give.
    pub fn background(self, host: impl Host) -> io::Result<ProcessMonitor> {
        let (shared, driver) = self.parts(Arc::new(host));
        Ok(ProcessMonitor(Arc::new(Guard::background(shared, "childminder", driver)?)))
    }

    fn parts(mut self, host: Arc<dyn Host>) -> (Arc<Shared>, MonitorDriver) {
        if self.sinks.is_empty() {
            self.sinks.push(Box::new(LogSink));
        }
        if let Some(tail) = &self.tail {
            self.sinks.push(Box::new(tail.clone()));
        }
        let threads = host.has_threads() && !self.inline;
        let shared = Arc::new(Shared::new(host, self.policy, self.tail));
        let tell = {
            let shared = shared.clone();
            let mut logger_lives = true;
            move |notice: Notice| {
                shared.notices.publish(&notice);
                shared.forget_tail(&notice);
                // A fence of its own: a logger that panics must not take the subscribers with it (F-48).
                logger_lives = logger_lives && catch_and_log("the logger", || log_notice(&notice));
            }
        };
        let relay = Relay::new(
            self.sinks,
            Box::new(tell),
            LineFormat { max_line: self.max_line, ..LineFormat::default() },
            threads,
        );
        let driver = MonitorDriver::new(shared.clone(), relay);
        (shared, driver)
    }
}

impl fmt::Debug for MonitorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("policy", &self.policy)
            .field("sinks", &self.sinks.len())
            .field("tail", &self.tail)
            .field("max_line", &self.max_line)
            .field("inline", &self.inline)
            .finish()
    }
}

/// A notice as a log record (PM-31).
fn log_notice(notice: &Notice) {
    let level = match notice.kind {
        NoticeKind::Started { .. } | NoticeKind::Stopping { .. } | NoticeKind::Restarting { .. } => {
            log::Level::Info
        }
        NoticeKind::Exited { asked: true, .. } => log::Level::Info,
        NoticeKind::Exited { asked: false, .. } | NoticeKind::Killed => log::Level::Warn,
        NoticeKind::LeftBehind { .. } | NoticeKind::Leaked { .. } => log::Level::Warn,
        NoticeKind::SpawnFailed { .. } | NoticeKind::SignalFailed { .. } | NoticeKind::Survived { .. } => {
            log::Level::Error
        }
    };
    log::log!(
        target: "childminder::monitor", level, name = &*notice.name, run = notice.run.number(); "{notice}"
    );
}
