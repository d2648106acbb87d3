//! Real signals. Each test starts the test binary again for a victim, which says on its standard output what happens to
//! it; the test sends the signals and looks at what is said and at how the victim ends.

use std::future::pending;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::background::Background;
use crate::shutdown;
use crate::sys::alone::heed_signals;

const MARK: &str = "CHILDMINDER_TEST_VICTIM";

/// What a victim says begins like this; the test harness talks, too.
const SAYS: &str = "victim: ";

/// How long a call may take that never ends. No victim lives that long.
const FOR_EVER: Duration = Duration::from_secs(60);

fn say(what: &str) {
    // It may be said on any thread, and the harness may just have begun a line.
    let _ = writeln!(std::io::stdout(), "\n{SAYS}{what}");
}

struct Victim {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    /// `None` in the victim itself.
    fn start(test: &str) -> Option<Self> {
        if std::env::var_os(MARK).is_some() {
            heed_signals();
            return None;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("background::watch::tests::{test}"), "--nocapture"]);
        command.env(MARK, "1").process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { process, said })
    }

    /// What it says next; `None` when it has ended.
    fn next(&mut self) -> Option<String> {
        let mut said = (&mut self.said).map(Result::unwrap);
        said.find_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
    }

    #[track_caller]
    fn expect(&mut self, what: &str) {
        assert_eq!(self.next().as_deref(), Some(what));
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// It must end by `signal`, and say no more.
    #[track_caller]
    fn expect_end_by(mut self, signal: Signal) {
        assert_eq!(self.next(), None);
        assert_eq!(self.process.wait().unwrap().signal(), Some(signal.as_raw()));
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn rx_3_sv_11_a_signal_stops_the_services_and_then_ends_the_process_by_convention() {
    for signal in [Signal::INT, Signal::TERM] {
        let name = "rx_3_sv_11_a_signal_stops_the_services_and_then_ends_the_process_by_convention";
        let Some(mut victim) = Victim::start(name) else {
            let _service = shutdown::register(|| say("stopped"));
            let background = Background::start().unwrap();
            say("ready");
            let _ = background.call(FOR_EVER, pending::<()>());
            return say("still alive");
        };
        victim.expect("ready");
        victim.send(signal);
        victim.expect("stopped");
        victim.expect_end_by(signal);
    }
}

#[test]
fn rx_3_a_thread_that_hangs_holds_up_no_signal() {
    let Some(mut victim) = Victim::start("rx_3_a_thread_that_hangs_holds_up_no_signal") else {
        let _service = shutdown::register(|| say("stopped"));
        let background = Background::start().unwrap();
        let (_hold, held) = mpsc::channel::<()>();
        let _ = background.call(FOR_EVER, async move {
            say("blocked");
            let _ = held.recv();
        });
        return say("still alive");
    };
    victim.expect("blocked");
    victim.send(Signal::TERM);
    victim.expect("stopped");
    victim.expect_end_by(Signal::TERM);
}

#[test]
fn rx_3_the_second_signal_does_not_wait_for_the_services() {
    let Some(mut victim) = Victim::start("rx_3_the_second_signal_does_not_wait_for_the_services") else {
        let (_hold, held) = mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let _service = shutdown::register(move || {
            say("stopping");
            let _ = held.lock().unwrap().recv();
        });
        let background = Background::start().unwrap();
        say("ready");
        let _ = background.call(FOR_EVER, pending::<()>());
        return say("still alive");
    };
    victim.expect("ready");
    victim.send(Signal::INT);
    victim.expect("stopping");
    victim.send(Signal::INT);
    victim.expect_end_by(Signal::INT);
}

#[test]
fn rx_3_a_background_may_be_dropped_by_what_is_being_stopped() {
    let Some(mut victim) = Victim::start("rx_3_a_background_may_be_dropped_by_what_is_being_stopped") else {
        let background = std::sync::Mutex::new(Some(Background::start().unwrap()));
        let _service = shutdown::register(move || {
            background.lock().unwrap().take();
            say("dropped");
        });
        say("ready");
        let (_hold, held) = mpsc::channel::<()>();
        let _ = held.recv_timeout(FOR_EVER);
        return say("still alive");
    };
    victim.expect("ready");
    victim.send(Signal::TERM);
    victim.expect("dropped");
    victim.expect_end_by(Signal::TERM);
}

#[test]
fn rx_12_after_the_stop_a_signal_ends_the_process_at_once() {
    let Some(mut victim) = Victim::start("rx_12_after_the_stop_a_signal_ends_the_process_at_once") else {
        let _service = shutdown::register(|| say("stopped"));
        let background = Background::start().unwrap();
        background.stop().unwrap();
        say("ready");
        let (_hold, held) = mpsc::channel::<()>();
        let _ = held.recv_timeout(FOR_EVER);
        return say("still alive");
    };
    victim.expect("ready");
    victim.send(Signal::TERM);
    victim.expect_end_by(Signal::TERM);
}
