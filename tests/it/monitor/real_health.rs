//! Readiness and health of real processes in a monitor.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::machine::NoticeKind;
use childminder::{Condition, Host, Notice, Notices, Policy, ProcessMonitor, SpawnError, Spec, System};

use crate::support::required;

/// A policy whose restarts do not slow a test down.
fn fast() -> Policy {
    Policy { min_restart_delay: Duration::from_millis(10), ..Policy::default() }
}

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).policy(fast())
}

/// Waits for a notice. The timeouts in the specs bound this.
fn hear(notices: &mut Notices, wanted: impl Fn(&Notice) -> bool) -> Notice {
    loop {
        let notice = notices.wait().expect("the monitor goes on").expect("few notices");
        if wanted(&notice) {
            return notice;
        }
    }
}

#[test]
fn f_202_a_program_that_feeds_its_watchdog_no_longer_is_restarted() {
    const NAME: &str = "monitor::real_health::f_202_a_program_that_feeds_its_watchdog_no_longer_is_restarted";
    const SCRIPT: &str = "
import os, socket, time
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(os.environ['NOTIFY_SOCKET'])
pause = int(os.environ['WATCHDOG_USEC']) / 1e6 / 4
manager.send(b'READY=1')
for _ in range(8):
    time.sleep(pause)
    manager.send(b'WATCHDOG=1')
time.sleep(1000)
";
    if required(NAME, "python3").is_none() {
        return;
    }
    let timeout = Duration::from_secs(2);
    let program = Spec::new("python3").args(["-c", SCRIPT]).policy(fast());
    let monitor = ProcessMonitor::background(System::new()).unwrap();
    let mut notices = monitor.notices();
    monitor.add_process("daemon", program.ready(Condition::sd_notify()).watchdog(timeout)).unwrap();
    monitor.start_service().unwrap();
    let ready = hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Ready));
    let unhealthy = hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Unhealthy { .. }));
    assert_eq!(unhealthy.run, ready.run);
    assert!(unhealthy.to_string().ends_with("it has not sent WATCHDOG=1 for 2s"), "{unhealthy}");
    let healthy = unhealthy.at - ready.at;
    assert!(healthy >= 2 * timeout, "it was fed for four seconds, and was ended after {healthy:?}");
    let again = hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Ready));
    assert_ne!(again.run, ready.run, "the next run has a socket of its own");
    monitor.stop_service().wait().unwrap();
}

#[test]
fn f_84_each_run_has_notification_channels_of_its_own() {
    let monitor = ProcessMonitor::background(System::new()).unwrap();
    let mut notices = monitor.notices();
    monitor.add_process("server", sh("echo >&5; sleep 0.1").ready(Condition::notify(5))).unwrap();
    monitor.start_service().unwrap();
    for _ in 0..3 {
        hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Ready));
        hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Exited { .. }));
    }
    monitor.stop_service().wait().unwrap();
}

/// A host that records when each probe has ended.
#[derive(Clone, Debug)]
struct Timed {
    system: System,
    ends: Arc<Mutex<Vec<Instant>>>,
}

impl Host for Timed {
    fn now(&self) -> Instant {
        self.system.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.system.sleep_until(at)
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        self.system.spawn(spec)
    }

    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        self.system.locate(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        let probe = self.system.probe(target, owner);
        let host = self.clone();
        Box::pin(async move {
            let result = probe.await;
            host.ends.lock().unwrap().push(host.now());
            result
        })
    }

    fn listening(&self, owner: u32) -> Vec<SocketAddr> {
        self.system.listening(owner)
    }
}

#[test]
fn f_200_readiness_is_reported_within_a_millisecond_of_the_probe() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let host = Timed { system: System::new(), ends: ends.clone() };
    let monitor = ProcessMonitor::background(host).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let spec = sh("exec sleep 1000").listener(listener).ready(Condition::port(port));
    monitor.add_process("server", spec).unwrap();
    let mut notices = monitor.notices();
    let mut delay = || {
        monitor.start_process("server").unwrap();
        let ready = hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Ready));
        let heard = monitor.now();
        let probed = *ends.lock().unwrap().last().expect("a probe has ended");
        assert!(ready.at >= probed);
        monitor.stop_process("server").unwrap().wait().unwrap();
        heard - probed
    };
    // A busy machine delays some reports, for a while even most of them. An interval of polling would delay
    // nearly all, in every round.
    let rounds = [(); 5].map(|()| {
        let mut delays = [(); 20].map(|()| delay());
        delays.sort_unstable();
        delays[5]
    });
    assert!(rounds.iter().any(|quartile| *quartile < Duration::from_millis(1)), "{rounds:?}");
}
