//! One service for all tests of a binary, from the first that asks for it to the end of the process.

use std::env;
use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use childminder::machine::LastRun;
use childminder::service::SharedError;
use childminder::{Condition, Exit, Service, SharedService, Signal};

use crate::support::{PATIENCE, Scratch, is_alive};

/// In the environment of a process that uses a shared service and ends: the file for the last words of that.
const FILE: &str = "CHILDMINDER_TEST_FAREWELL";

/// It says farewell when it is asked to end, and tells its process id besides.
static POLITE: SharedService = SharedService::new(|| {
    let script = format!("trap 'echo farewell $$ >${FILE}; exit 0' TERM; echo >&3; sleep 1000 & wait");
    Service::new("sh").args(["-c", &script]).expect(Condition::notify(3)).min_uptime(Duration::ZERO)
});

/// Runs the calling test once more, in a process that gets the shared service and ends. Returns how that was.
fn is_stopped_politely(name: &str) -> ExitStatus {
    let scratch = Scratch::new();
    let file = scratch.path().join("farewell");
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FILE, &file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = process.wait().unwrap();
    let said = fs::read_to_string(file).expect("it has said farewell");
    let pid = said.strip_prefix("farewell ").expect("in these words").trim().parse().unwrap();
    assert!(!is_alive(pid), "it has said farewell, and is there");
    status
}

#[test]
fn f_50_a_shared_service_is_stopped_politely_when_main_returns() {
    const NAME: &str = "service::shared::f_50_a_shared_service_is_stopped_politely_when_main_returns";
    if env::var_os(FILE).is_some() {
        POLITE.get().unwrap();
        return;
    }
    assert!(is_stopped_politely(NAME).success());
}

#[test]
fn f_50_a_shared_service_is_stopped_politely_when_the_process_exits() {
    const NAME: &str = "service::shared::f_50_a_shared_service_is_stopped_politely_when_the_process_exits";
    if env::var_os(FILE).is_some() {
        let _service = POLITE.get().unwrap();
        std::process::exit(7);
    }
    assert_eq!(is_stopped_politely(NAME).code(), Some(7));
}

#[test]
fn all_who_ask_at_the_same_time_get_the_same_process() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    static SLEEPER: SharedService = SharedService::new(|| {
        MADE.fetch_add(1, Ordering::Relaxed);
        Service::new("sleep").arg("1000").min_uptime(Duration::from_millis(20))
    });
    const THREADS: usize = 8;
    let barrier = Barrier::new(THREADS);
    let services: Vec<_> = thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            SLEEPER.get().unwrap()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(services.iter().all(|service| Arc::ptr_eq(service, &services[0])));
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    assert!(services[0].is_alive());
}

#[test]
fn sv_7_one_that_dies_is_told_once_and_then_there_is_a_new_one() {
    static MORTAL: SharedService = SharedService::new(|| {
        let service = Service::new("sh").args(["-c", "echo I was here; exec sleep 1000"]);
        service.expect_output("here\n").min_uptime(Duration::ZERO)
    });
    let first = MORTAL.get().unwrap();
    let pid = first.pid();
    first.signal(Signal::KILL);
    let begin = Instant::now();
    while first.is_alive() {
        assert!(begin.elapsed() < PATIENCE);
        thread::yield_now();
    }
    let error = MORTAL.get().unwrap_err();
    let SharedError::ServiceDied(died) = &error else { panic!("{error}") };
    assert!(matches!(died.last, Some(LastRun::Exited(Exit::Signal { signal: Signal::KILL, .. }))), "{error}");
    assert_eq!(died.tail, ["I was here"]);
    let second = MORTAL.get().unwrap();
    assert_ne!(second.pid(), pid);
    assert!(second.is_alive() && Arc::ptr_eq(&second, &MORTAL.get().unwrap()));
}

#[test]
fn a_failed_start_is_told_to_all_without_another_try() {
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
