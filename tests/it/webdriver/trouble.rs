//! Whatever goes wrong is told in full, and leaves nothing.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use childminder::WebDriver;
use childminder::webdriver::{CommandProblem, Method, WebDriverError};
use serde_json::json;

use super::fake::Fake;
use super::{processes_of, wait_until};
use crate::support::is_alive;

#[test]
fn what_the_driver_refuses_is_told_with_its_last_words() {
    let fake = Fake::new();
    let browser = fake.driver("").start().unwrap();
    // Its output comes by another way than its answers.
    let marker = |line: &String| line.contains("running on port");
    wait_until(|| browser.service().tail(10).iter().any(marker));
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
fn answers_that_are_none_are_told() {
    let fake = Fake::new();
    let browser = fake.driver("").command_timeout(Duration::from_millis(300)).start().unwrap();
    assert_eq!(problem(&browser, "nothing"), "unknown command: it said so");
    assert_eq!(
        problem(&browser, "prose"),
        r#"the answer is not WebDriver: status 200, "<html>hello</html>""#
    );
    assert_eq!(problem(&browser, "babble"), "the answer is not HTTP");
    assert_eq!(problem(&browser, "hang"), "no answer within 300ms");
    // None of that has harmed it.
    assert_eq!(browser.title().unwrap(), "Fake ü");
    assert_eq!(problem(&browser, "die"), "unexpected end of file");
    wait_until(|| !browser.service().is_alive());
    let error = browser.title().unwrap_err();
    assert!(error.to_string().starts_with("GET title failed: Connection refused"), "{error}");
    // A browser that has died can be closed.
    let dir = browser.dir().to_owned();
    browser.close().unwrap();
    assert!(!dir.exists());
}

#[test]
fn a_session_that_is_refused_leaves_nothing() {
    for (manners, problem) in [
        ("no-session daemon", "POST session failed: session not created: it said so"),
        ("no-id daemon", r#"POST session failed: the answer is not WebDriver: status 200, "{}""#),
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

/// A close that hangs is bounded, and the rest is done all the same.
#[test]
fn pj_5_a_browser_that_does_not_close_is_killed() {
    let fake = Fake::new();
    let browser = fake.driver("clings").command_timeout(Duration::from_millis(300)).start().unwrap();
    let (dir, driver) = (browser.dir().to_owned(), browser.service().pid());
    browser.close().unwrap();
    assert!(!is_alive(driver) && !dir.exists());
}

/// The marker, then the port: neither alone is enough.
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
fn what_cannot_work_is_refused_before_anything_is_started() {
    let error = |driver: WebDriver| driver.start().unwrap_err().to_string();
    let fake = Fake::new();
    assert_eq!(
        error(fake.driver("").capabilities(json!([1])).capability("ignored", 1)),
        "the capabilities are no JSON object: [1]"
    );
    assert_eq!(
        error(fake.driver("").port_flag("--port")),
        "the port flag has no {} for the port: \"--port\""
    );
    assert_eq!(fake.story(), [""; 0]);
}

#[test]
#[ignore = "no test, but a program that tests start"]
fn forgetful() {
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

/// Runs that program to its end: the directory of its browser.
fn run_forgetful(configure: impl FnOnce(&mut Command) -> &mut Command) -> PathBuf {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "webdriver::trouble::forgetful", "--ignored", "--nocapture"]);
    let output = configure(&mut program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let dir = text.lines().find_map(|line| line.split_once("dir ")).unwrap_or_else(|| panic!("{text}")).1;
    PathBuf::from(dir)
}

/// Statics are never dropped.
#[test]
fn pj_5_a_browser_that_nobody_drops_is_gone_when_the_process_has_exited() {
    let dir = run_forgetful(|program| program);
    assert_eq!((dir.exists(), processes_of(&dir)), (false, vec![]));
}

/// A process that is killed does nothing any more; the guardian of its services does, except for the directory.
#[test]
fn f_45_pj_5_no_process_of_a_browser_outlives_one_that_aborts() {
    let dir = run_forgetful(|program| program.env(ABORTS, "1"));
    wait_until(|| processes_of(&dir).is_empty());
    std::fs::remove_dir_all(dir).unwrap();
}
