//! A monitor with other than the default settings.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::ProcessMonitor;
use super::driver::MonitorDriver;
use super::recording::{MakeRecorder, RecorderParts};
use super::shared::Shared;
use crate::drive::{Guard, WaitForDriver};
use crate::host::Host;
use crate::machine::{Notice, NoticeKind, Policy, PolicyError, RunId};
use crate::output::{InvalidUtf8, LineFormat, LogSink, OutputThread, Relay, Sink, TailSink, TestOutputSink};
use crate::panic_guard::catch_and_log;

/// The settings of a new [`ProcessMonitor`], from [`ProcessMonitor::builder`].
///
/// ```
/// use std::time::Duration;
///
/// use childminder::{Policy, ProcessMonitor, System};
///
/// let monitor = ProcessMonitor::builder()
///     .policy(Policy { kill_time: Duration::from_secs(30), ..Policy::default() })
///     .tail(100)
///     .background(System::new())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct MonitorBuilder {
    policy: Policy,
    sinks: Vec<Box<dyn Sink>>,
    tail: Option<TailSink>,
    format: LineFormat,
    inline: bool,
    recorder: Option<MakeRecorder>,
}

impl MonitorBuilder {
    /// Sets the policy for processes whose spec has none. Default: [`Policy::default`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Adds a sink for the output of the processes. Default, if none is added: the `log` crate ([`LogSink`]).
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Keeps the last `lines` lines of each process in memory, for [`ProcessMonitor::tail`]. Default: none.
    pub fn tail(mut self, lines: usize) -> Self {
        self.tail = Some(TailSink::new(lines));
        self
    }

    /// Sets the maximum length of a line, in bytes; a longer line is split. Default: 16 KiB.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.format.max_line = bytes.max(1);
        self
    }

    /// Sets how sinks show lines that are not valid UTF-8. Default: [`InvalidUtf8::Repr`].
    pub fn invalid_utf8(mut self, invalid_utf8: InvalidUtf8) -> Self {
        self.format.invalid_utf8 = invalid_utf8;
        self
    }

    /// Calls the sinks and the logger on the driver's thread instead of a thread of their own. Default: no.
    ///
    /// A sink that has [room](Sink::room) is called there anyway. This does so for all output, also for much,
    /// which takes longer than with two threads. A sink or logger that blocks then also blocks restarts and
    /// kills, so use it only with sinks that never block.
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// Sets what records the machine of the monitor.
    pub(crate) fn record(mut self, recorder: MakeRecorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Adds the sink for use in tests: the logger if there is one, otherwise the output of the test.
    pub(crate) fn for_tests(self) -> Self {
        if log::max_level() == log::LevelFilter::Off { self.sink(TestOutputSink) } else { self.sink(LogSink) }
    }

    /// Creates the monitor and its driver, to be run on an executor of your choice.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] if the policy is not valid.
    pub fn build(self, host: impl Host) -> Result<(ProcessMonitor, MonitorDriver), PolicyError> {
        self.policy.check()?;
        Ok(self.build_unchecked(Arc::new(host)))
    }

    /// Creates the monitor, with its driver on a thread of its own, named `childminder`. Dropping the last
    /// handle stops all processes and waits for that.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread; or an error of kind
    /// [`InvalidInput`](io::ErrorKind::InvalidInput), with a [`PolicyError`] inside, if the policy is not
    /// valid.
    pub fn background(self, host: impl Host) -> io::Result<ProcessMonitor> {
        self.policy.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let host: Arc<dyn Host> = Arc::new(host);
        let (shared, driver) = self.parts(Arc::clone(&host));
        Ok(ProcessMonitor(Arc::new(Guard::background(shared, host, "childminder", driver)?)))
    }

    /// Creates the monitor, and has `spawn` run its driver on a thread of this crate. The caller starts the
    /// output thread, so that what sinks print is captured with the output of the test that the caller
    /// belongs to. The policy is known to be valid.
    pub(crate) fn background_on(
        self,
        host: Arc<dyn Host>,
        spawn: impl FnOnce(MonitorDriver) -> WaitForDriver,
    ) -> (ProcessMonitor, Option<OutputThread>) {
        let (shared, mut driver) = self.parts(host);
        let output = driver.prepare_output_thread();
        (ProcessMonitor(Arc::new(Guard::waiting(shared, spawn(driver)))), output)
    }

    /// Creates the monitor and its driver. The policy is known to be valid.
    pub(crate) fn build_unchecked(self, host: Arc<dyn Host>) -> (ProcessMonitor, MonitorDriver) {
        let (shared, driver) = self.parts(host);
        (ProcessMonitor(Arc::new(Guard::new(shared))), driver)
    }

    fn parts(mut self, host: Arc<dyn Host>) -> (Arc<Shared>, MonitorDriver) {
        if self.sinks.is_empty() {
            self.sinks.push(Box::new(LogSink));
        }
        if let Some(tail) = &self.tail {
            self.sinks.push(Box::new(tail.clone()));
        }
        let threads = host.has_threads() && !self.inline;
        let recorder = self.recorder.take().map(|recorder| recorder(host.now()));
        let (recorder, mut observer) = match recorder {
            Some(RecorderParts { recorder, sink, notices }) => {
                self.sinks.push(sink);
                (Some(recorder), Some(notices))
            }
            None => (None, None),
        };
        let shared = Arc::new(Shared::new(host, self.policy, self.tail, recorder));
        let publish = {
            let shared = shared.clone();
            let mut logger_works = true;
            move |notice: Notice| {
                if let Some(observe) = &mut observer {
                    observe(&notice);
                }
                shared.notices.publish(&notice);
                shared.forget_removed(&notice);
                // Guarded on its own: the panic of a logger must not end the subscriptions.
                logger_works = logger_works && catch_and_log("the logger", || log_notice(&notice));
            }
        };
        let relay = Relay::new(self.sinks, Box::new(publish), self.format, threads).silent_if(is_silent);
        let driver = MonitorDriver::new(shared.clone(), relay);
        (shared, driver)
    }
}

/// Constructors.
impl ProcessMonitor {
    /// Creates a monitor with default settings, and its driver.
    pub fn new(host: impl Host) -> (Self, MonitorDriver) {
        MonitorBuilder::default().build_unchecked(Arc::new(host))
    }

    /// Creates a monitor with default settings whose driver runs on a thread of its own, for programs and
    /// tests without an executor.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread.
    pub fn background(host: impl Host) -> io::Result<Self> {
        Self::builder().background(host)
    }

    /// Returns a builder for other settings: the policy, sinks, how many lines to keep.
    pub fn builder() -> MonitorBuilder {
        MonitorBuilder::default()
    }
}

impl fmt::Debug for MonitorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorBuilder")
            .field("policy", &self.policy)
            .field("sinks", &self.sinks.len())
            .field("tail", &self.tail)
            .field("format", &self.format)
            .field("inline", &self.inline)
            .finish()
    }
}

/// Returns whether a notice is not logged, because the logger wants no message of its level.
fn is_silent(notice: &Notice) -> bool {
    level(notice) > log::max_level()
}

/// Returns the level at which a notice is logged.
fn level(notice: &Notice) -> log::Level {
    match notice.kind {
        NoticeKind::Started { .. } | NoticeKind::Stopping { .. } | NoticeKind::Restarting { .. } => {
            log::Level::Info
        }
        NoticeKind::StopCommand { .. } => log::Level::Info,
        NoticeKind::StopCommandFailed { .. } => log::Level::Warn,
        NoticeKind::Exited { asked: true, .. } | NoticeKind::Exited { expected: true, .. } => {
            log::Level::Info
        }
        NoticeKind::Exited { .. } | NoticeKind::Killed => log::Level::Warn,
        NoticeKind::LeftBehind { .. } | NoticeKind::Leaked { .. } => log::Level::Warn,
        NoticeKind::SpawnFailed { .. } | NoticeKind::SignalFailed { .. } | NoticeKind::Survived { .. } => {
            log::Level::Error
        }
        NoticeKind::Ready | NoticeKind::Completed | NoticeKind::Held | NoticeKind::Blocked { .. } => {
            log::Level::Info
        }
        NoticeKind::Added
        | NoticeKind::Removed
        | NoticeKind::Released
        | NoticeKind::PolicyChanged
        | NoticeKind::Replaced => log::Level::Debug,
        NoticeKind::NotReady { .. } | NoticeKind::Unhealthy { .. } | NoticeKind::Failed => log::Level::Warn,
        NoticeKind::GaveUp { .. } => log::Level::Error,
    }
}

/// Writes a notice to the log.
fn log_notice(notice: &Notice) {
    log::log!(
        target: "childminder::monitor", level(notice), name = notice.name.as_str(),
        run = notice.run.map(RunId::number);
        "{notice}"
    );
}
