//! Failures of a driver: each is reported in full and leaves nothing.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use childminder::WebDriver;
use childminder::webdriver::{CommandProblem, Method, WebDriverError};
use serde_json::json;

use super::fake::Fake;
use super::processes_of;
use crate::support::{eventually, is_alive};

#[test]
fn an_error_of_the_driver_is_reported_with_its_last_output() {
    let fake = Fake::new();
    let browser = fake.driver("").start().unwrap();
    // The output arrives on another channel than the responses.
    let marker = |line: &String| line.contains("running on port");
    eventually("the output arrives", || browser.service().tail(10).iter().any(marker));
    let error = browser.command(Method::Get, "nothing", json!(null)).unwrap_err();
    let text = error.to_string();
    let WebDriverError::Command { command, problem, tail } = &error else { panic!("{error}") };
    assert_eq!(command, "GET nothing");
    let CommandProblem::Refused { error, message, stacktrace } = problem else { panic!("{problem}") };
    assert_eq!([error, message, stacktrace], ["unknown command", "it said so", "here"]);
    assert!(tail.iter().any(marker), "{tail:?}");
    assert!(
        text.starts_with("GET nothing failed: unknown command: it said so\nthe driver's last lines:\n  "),
        "{text}"
    );
}

fn problem(browser: &childminder::webdriver::Browser, path: &str) -> String {
    match browser.command(Method::Get, path, json!(null)) {
        Err(WebDriverError::Command { problem, .. }) => problem.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn invalid_responses_are_reported() {
    let fake = Fake::new();
    let browser = fake.driver("").command_timeout(Duration::from_millis(300)).start().unwrap();
    assert_eq!(problem(&browser, "nothing"), "unknown command: it said so");
    assert_eq!(
        problem(&browser, "prose"),
        r#"the response is not WebDriver: status 200, "<html>hello</html>""#
    );
    assert_eq!(problem(&browser, "babble"), "the response is not HTTP");
    assert_eq!(problem(&browser, "hang"), "no response within 300ms");
    // The session still works.
    assert_eq!(browser.title().unwrap(), "Fake ü");
    assert_eq!(problem(&browser, "die"), "unexpected end of file");
    eventually("the driver is dead", || !browser.service().is_alive());
    let error = browser.title().unwrap_err();
    assert!(error.to_string().starts_with("GET title failed: Connection refused"), "{error}");
    // A browser that has died can still be closed.
    let dir = browser.dir().to_owned();
    browser.close().unwrap();
    assert!(!dir.exists());
}

#[test]
fn a_refused_session_leaves_nothing() {
    for (manners, problem) in [
        ("no-session daemon", "POST session failed: session not created: it said so"),
        ("no-id daemon", r#"POST session failed: the response is not WebDriver: status 200, "{}""#),
    ] {
        let fake = Fake::new();
        let error = fake.driver(manners).start().unwrap_err();
        assert!(error.to_string().starts_with(problem), "{error}");
        let dir = fake.noted("TMPDIR").unwrap();
        let daemon = fake.noted("daemon").unwrap().parse().unwrap();
        assert!(!is_alive(daemon) && !std::path::Path::new(&dir).exists());
        assert_eq!(processes_of(dir.as_ref()), [0; 0]);
    }
}

/// A close that hangs is bounded, and the other steps follow.
#[test]
fn pj_5_a_browser_that_does_not_close_is_killed() {
    let fake = Fake::new();
    let browser = fake.driver("clings").command_timeout(Duration::from_millis(300)).start().unwrap();
    let (dir, driver) = (browser.dir().to_owned(), browser.service().pid());
    browser.close().unwrap();
    assert!(!is_alive(driver) && !dir.exists());
}

/// A driver is ready when it has printed its marker and then listens; neither alone is enough.
#[test]
fn pj_2_ready_is_the_marker_and_then_the_port() {
    for manners in ["no-marker", "no-port"] {
        let fake = Fake::new();
        let error = fake.driver(manners).timeout(Duration::from_millis(500)).start().unwrap_err();
        assert!(matches!(error, WebDriverError::Start(_)), "{error}");
        let dir = fake.noted("TMPDIR").unwrap();
        assert_eq!((std::path::Path::new(&dir).exists(), processes_of(dir.as_ref())), (false, vec![]));
    }
}

#[test]
fn an_invalid_description_is_refused_before_the_start() {
    let error = |driver: WebDriver| driver.start().unwrap_err().to_string();
    let fake = Fake::new();
    assert_eq!(
        error(fake.driver("").capabilities(json!([1])).capability("ignored", 1)),
        "the capabilities must be a JSON object, not [1]"
    );
    assert_eq!(
        error(fake.driver("").port_flag("--port")),
        "the port flag \"--port\" must contain {} for the port"
    );
    assert_eq!(fake.record(), [""; 0]);
}

#[test]
#[ignore = "no test, but a program that tests start"]
fn never_drops() {
    let fake = Fake::new();
    let browser = fake.driver("daemon").start().unwrap();
    println!("dir {}", browser.dir().display());
    std::mem::forget(browser);
    if std::env::var_os(ABORTS).is_some() {
        std::process::abort();
    }
    std::process::exit(0);
}

const ABORTS: &str = "FORGETFUL_ABORTS";

/// Runs that program until it exits, and returns the directory of its browser.
fn run_never_drops(configure: impl FnOnce(&mut Command) -> &mut Command) -> PathBuf {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "webdriver::trouble::never_drops", "--ignored", "--nocapture"]);
    let output = configure(&mut program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let dir = text.lines().find_map(|line| line.split_once("dir ")).unwrap_or_else(|| panic!("{text}")).1;
    PathBuf::from(dir)
}

/// A browser in a static is closed when the process exits, although statics are never dropped.
#[test]
fn pj_5_a_browser_that_is_never_dropped_is_gone_when_the_process_has_exited() {
    let dir = run_never_drops(|program| program);
    assert_eq!((dir.exists(), processes_of(&dir)), (false, vec![]));
}

/// The guardian kills the browser of a process that aborts. The directory is left.
#[test]
fn f_45_pj_5_no_process_of_a_browser_outlives_one_that_aborts() {
    let dir = run_never_drops(|program| program.env(ABORTS, "1"));
    eventually("no process is left", || processes_of(&dir).is_empty());
    std::fs::remove_dir_all(dir).unwrap();
}
