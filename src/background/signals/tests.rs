//! Real signals. Each test starts the test binary again as a victim, which reports events on its standard
//! output. The test sends the signals and checks the reports and how the victim ends.

use std::future::pending;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Background;
use crate::shutdown;
use crate::sys::restore_signals;

const MARK: &str = "CHILDMINDER_TEST_SIGNAL_VICTIM";

/// The prefix of a report. The test harness prints other lines.
const PREFIX: &str = "victim: ";

/// The timeout of calls that never return. No victim lives that long.
const FOREVER: Duration = Duration::from_secs(60);

fn report(what: &str) {
    // On any thread, and the harness may have written half a line.
    let _ = writeln!(std::io::stdout(), "\n{PREFIX}{what}");
}

struct SignalVictim {
    process: Child,
    reports: Lines<BufReader<ChildStdout>>,
}

impl SignalVictim {
    /// Starts the victim for `test`. Returns `None` in the victim itself.
    fn start(test: &str) -> Option<Self> {
        if std::env::var_os(MARK).is_some() {
            restore_signals();
            return None;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("background::signals::tests::{test}"), "--nocapture"]);
        command.env(MARK, "1").process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let reports = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { process, reports })
    }

    /// Returns the next report; `None` when the victim has ended.
    fn next(&mut self) -> Option<String> {
        let mut lines = (&mut self.reports).map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix(PREFIX).map(str::to_owned))
    }

    #[track_caller]
    fn expect(&mut self, what: &str) {
        assert_eq!(self.next().as_deref(), Some(what));
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Checks that the victim ends by `signal`, without further reports.
    #[track_caller]
    fn expect_end_by(mut self, signal: Signal) {
        assert_eq!(self.next(), None);
        assert_eq!(self.process.wait().unwrap().signal(), Some(signal.as_raw()));
    }
}

impl Drop for SignalVictim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn rx_3_sv_11_a_signal_stops_the_services_and_then_ends_the_process_by_convention() {
    for signal in [Signal::INT, Signal::TERM] {
        let name = "rx_3_sv_11_a_signal_stops_the_services_and_then_ends_the_process_by_convention";
        let Some(mut victim) = SignalVictim::start(name) else {
            let _service = shutdown::register(|| report("stopped"));
            let background = Background::start().unwrap();
            report("ready");
            let _ = background.call(FOREVER, pending::<()>());
            return report("still alive");
        };
        victim.expect("ready");
        victim.send(signal);
        victim.expect("stopped");
        victim.expect_end_by(signal);
    }
}

#[test]
fn rx_3_a_blocked_thread_does_not_delay_a_signal() {
    let Some(mut victim) = SignalVictim::start("rx_3_a_blocked_thread_does_not_delay_a_signal") else {
        let _service = shutdown::register(|| report("stopped"));
        let background = Background::start().unwrap();
        let (_hold, held) = mpsc::channel::<()>();
        let _ = background.call(FOREVER, async move {
            report("blocked");
            let _ = held.recv();
        });
        return report("still alive");
    };
    victim.expect("blocked");
    victim.send(Signal::TERM);
    victim.expect("stopped");
    victim.expect_end_by(Signal::TERM);
}

#[test]
fn rx_3_the_second_signal_does_not_wait_for_the_services() {
    let Some(mut victim) = SignalVictim::start("rx_3_the_second_signal_does_not_wait_for_the_services")
    else {
        let (_hold, held) = mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let _service = shutdown::register(move || {
            report("stopping");
            let _ = held.lock().unwrap().recv();
        });
        let background = Background::start().unwrap();
        report("ready");
        let _ = background.call(FOREVER, pending::<()>());
        return report("still alive");
    };
    victim.expect("ready");
    victim.send(Signal::INT);
    victim.expect("stopping");
    victim.send(Signal::INT);
    victim.expect_end_by(Signal::INT);
}

#[test]
fn rx_3_a_service_that_is_being_stopped_may_drop_its_background() {
    let Some(mut victim) =
        SignalVictim::start("rx_3_a_service_that_is_being_stopped_may_drop_its_background")
    else {
        let background = std::sync::Mutex::new(Some(Background::start().unwrap()));
        let _service = shutdown::register(move || {
            background.lock().unwrap().take();
            report("dropped");
        });
        report("ready");
        let (_hold, held) = mpsc::channel::<()>();
        let _ = held.recv_timeout(FOREVER);
        return report("still alive");
    };
    victim.expect("ready");
    victim.send(Signal::TERM);
    victim.expect("dropped");
    victim.expect_end_by(Signal::TERM);
}

#[test]
fn rx_12_after_the_stop_a_signal_ends_the_process_at_once() {
    let Some(mut victim) = SignalVictim::start("rx_12_after_the_stop_a_signal_ends_the_process_at_once")
    else {
        let _service = shutdown::register(|| report("stopped"));
        let background = Background::start().unwrap();
        background.stop().unwrap();
        report("ready");
        let (_hold, held) = mpsc::channel::<()>();
        let _ = held.recv_timeout(FOREVER);
        return report("still alive");
    };
    victim.expect("ready");
    victim.send(Signal::TERM);
    victim.expect_end_by(Signal::TERM);
}
