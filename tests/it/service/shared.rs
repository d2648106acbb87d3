//! Services shared by all tests of a binary, from their first use to the end of the process.

use std::env;
use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use childminder::machine::LastRun;
use childminder::service::SharedError;
use childminder::{Condition, Exit, Service, SharedService, Signal};

use crate::support::{Scratch, eventually, is_alive};

/// The environment variable of a child that uses a shared service: the file that the service writes when it
/// stops.
const FILE: &str = "CHILDMINDER_TEST_STOPPED";

/// Writes its process id to the file when it is stopped gracefully.
static GRACEFUL: SharedService = SharedService::new(|| {
    let script = format!("trap 'echo stopped $$ >${FILE}; exit 0' TERM; echo >&3; sleep 1000 & wait");
    Service::new("sh").args(["-c", &script]).expect(Condition::notify(3)).min_uptime(Duration::ZERO)
});

/// Runs the calling test again in a child process that uses the shared service and exits. Returns its exit
/// status.
fn run_and_check_stop(name: &str) -> ExitStatus {
    let scratch = Scratch::new();
    let file = scratch.path().join("stopped");
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FILE, &file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = process.wait().unwrap();
    let text = fs::read_to_string(file).expect("the service was stopped gracefully");
    let pid = text.strip_prefix("stopped ").expect("the file holds the process id").trim().parse().unwrap();
    assert!(!is_alive(pid), "the service is still alive");
    status
}

#[test]
fn f_50_a_shared_service_is_stopped_gracefully_when_main_returns() {
    const NAME: &str = "service::shared::f_50_a_shared_service_is_stopped_gracefully_when_main_returns";
    if env::var_os(FILE).is_some() {
        let _service = GRACEFUL.get().unwrap();
        return;
    }
    assert!(run_and_check_stop(NAME).success());
}

#[test]
fn f_50_a_shared_service_is_stopped_gracefully_when_the_process_exits() {
    const NAME: &str = "service::shared::f_50_a_shared_service_is_stopped_gracefully_when_the_process_exits";
    if env::var_os(FILE).is_some() {
        let _service = GRACEFUL.get().unwrap();
        std::process::exit(7);
    }
    assert_eq!(run_and_check_stop(NAME).code(), Some(7));
}

#[test]
fn simultaneous_users_get_one_process() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    static SLEEPER: SharedService = SharedService::new(|| {
        MADE.fetch_add(1, Ordering::Relaxed);
        Service::new("sleep").arg("1000").min_uptime(Duration::from_millis(20))
    });
    const THREADS: usize = 8;
    let barrier = Barrier::new(THREADS);
    let services: Vec<_> = thread::scope(|scope| {
        let get = || {
            barrier.wait();
            SLEEPER.get().unwrap()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(get)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(services.iter().all(|service| service.pid() == services[0].pid()));
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    assert!(services[0].is_alive());
}

#[test]
fn sv_7_a_death_is_reported_once_and_followed_by_a_new_process() {
    static MORTAL: SharedService = SharedService::new(|| {
        let service = Service::new("sh").args(["-c", "echo I was here; exec sleep 1000"]);
        service.expect_output("here\n").min_uptime(Duration::ZERO)
    });
    let first = MORTAL.get().unwrap();
    let pid = first.pid();
    first.signal(Signal::KILL);
    eventually("the service is dead", || !first.is_alive());
    let error = MORTAL.get().unwrap_err();
    let SharedError::ServiceDied(died) = &error else { panic!("{error}") };
    assert!(matches!(died.last, Some(LastRun::Exited(Exit::Signal { signal: Signal::KILL, .. }))), "{error}");
    assert_eq!(died.tail, ["I was here"]);
    let second = MORTAL.get().unwrap();
    assert_ne!(second.pid(), pid);
    assert!(second.is_alive() && second.pid() == MORTAL.get().unwrap().pid());
}

#[test]
fn a_failed_start_is_returned_to_all_users_without_a_retry() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    static MISSING: SharedService = SharedService::new(|| {
        MADE.fetch_add(1, Ordering::Relaxed);
        Service::new("sh").args(["-c", "echo no such database >&2; exit 1"])
    });
    let texts: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| MISSING.get().unwrap_err().to_string())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(texts[0].ends_with("\n    no such database"), "{}", texts[0]);
    assert!(texts.iter().all(|text| *text == texts[0]));
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
}
