//! The requests that a driver receives, and their order, with the fake driver.

use std::path::Path;
use std::sync::{Mutex, mpsc};

use childminder::WebDriver;
use childminder::service::NotReadyReason;
use childminder::webdriver::{Locator, Method, WebDriverError};
use futures_lite::future::block_on;
use serde_json::json;

use super::fake::{Fake, PICTURE};
use super::processes_of;
use crate::support::{PATIENCE, alone, eventually, is_alive};

/// The test `test_setup` of the original.
#[test]
fn pj_1_setup_a_port_and_a_private_directory_are_passed_to_the_driver() {
    let fake = Fake::new();
    let driver = fake.driver("").dir_flag("--cookies-file={}/phantomjs.cookies");
    let (first, second) = (driver.start().unwrap(), driver.start().unwrap());
    assert_ne!(first.dir(), second.dir());
    assert_ne!(first.service().port(), second.service().port());
    let dir = first.dir().display();
    assert_eq!(
        fake.record()[..3],
        [
            format!("args --cookies-file={dir}/phantomjs.cookies"),
            format!("TMPDIR {dir}"),
            format!("XDG_CONFIG_HOME {dir}/config"),
        ]
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&first.dir().metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(first.base_url(), format!("http://localhost:{}/wd/hub", first.service().port().unwrap()));
}

#[test]
fn pj_4_a_session_is_opened_with_the_completed_capabilities() {
    let fake = Fake::new();
    let driver = fake
        .driver("")
        .capabilities(json!({ "browserName": "phantomjs", "acceptInsecureCerts": false }))
        .capability("acceptInsecureCerts", true)
        .capability("timeouts", json!({ "implicit": 50 }))
        .window(800, 600);
    let browser = driver.start().unwrap();
    assert_eq!((browser.session_id(), browser.capabilities()), ("a/b", &json!({ "browserName": "fake" })));
    browser.close().unwrap();
    assert_eq!(
        fake.record()[3..],
        [
            concat!(
                r#"POST /wd/hub/session {"capabilities":{"alwaysMatch":{"acceptInsecureCerts":true,"#,
                r#""browserName":"phantomjs","timeouts":{"implicit":50}}}}"#
            ),
            r#"POST /wd/hub/session/a%2Fb/window/rect {"height":600,"width":800}"#,
            "DELETE /wd/hub/session/a%2Fb",
        ]
    );
}

#[test]
fn every_command_follows_the_standard() {
    let fake = Fake::new();
    let browser = fake.driver("").start().unwrap();
    browser.navigate("http://localhost/\"ü\"").unwrap();
    assert_eq!(browser.title().unwrap(), "Fake ü");
    assert_eq!(browser.url().unwrap(), "http://localhost/");
    let element = browser.find("#b").unwrap();
    assert_eq!(browser.find(Locator::XPath("//b".to_owned())).unwrap(), element);
    browser.click(&element).unwrap();
    assert_eq!(browser.text(&element).unwrap(), "Press me");
    assert_eq!(browser.screenshot().unwrap(), PICTURE);
    let script = json!({ "script": "return 7", "args": [serde_json::Value::from(&element)] });
    assert_eq!(browser.command(Method::Post, "/execute/sync", script).unwrap(), json!(null));
    browser.command(Method::Post, "back", json!(null)).unwrap();
    assert_eq!(browser.command(Method::Delete, "cookie", json!({ "not": "sent" })).unwrap(), json!(null));
    drop(browser);
    let session = "/wd/hub/session/a%2Fb";
    assert_eq!(
        fake.record()[4..],
        [
            format!(r#"POST {session}/url {{"url":"http://localhost/\"ü\""}}"#),
            format!("GET {session}/title"),
            format!("GET {session}/url"),
            format!(r##"POST {session}/element {{"using":"css selector","value":"#b"}}"##),
            format!(r#"POST {session}/element {{"using":"xpath","value":"//b"}}"#),
            format!("POST {session}/element/e%201/click {{}}"),
            format!("GET {session}/element/e%201/text"),
            format!("GET {session}/screenshot"),
            format!(
                r#"POST {session}/execute/sync {{"args":[{{"element-6066-11e4-a52e-4f735466cecf":"e 1"}}],"script":"return 7"}}"#
            ),
            format!("POST {session}/back {{}}"),
            format!("DELETE {session}/cookie"),
            format!("DELETE {session}"),
        ]
    );
}

#[test]
fn asynchronous_code_has_the_same_commands() {
    let fake = Fake::new();
    let driver = fake.driver("");
    // An executor with threads requires futures that are `Send`.
    block_on(smol::spawn(async move {
        let browser = driver.start_async().await.unwrap();
        let session = browser.session();
        session.navigate("http://localhost/").await.unwrap();
        assert_eq!(session.title().await.unwrap(), "Fake ü");
        assert_eq!(session.url().await.unwrap(), "http://localhost/");
        let element = session.find("b").await.unwrap();
        session.click(&element).await.unwrap();
        assert_eq!(session.text(&element).await.unwrap(), "Press me");
        assert_eq!(session.screenshot().await.unwrap(), PICTURE);
        browser.close_async().await.unwrap();
    }));
    assert_eq!(fake.record().last().unwrap(), "DELETE /wd/hub/session/a%2Fb");
}

/// The original did not close the session, and processes outside the leader's group lived on.
#[test]
fn pj_5_the_session_the_processes_and_the_directory_are_gone() {
    let fake = Fake::new();
    let browser = fake.driver("daemon scribbles").start().unwrap();
    let (dir, driver) = (browser.dir().to_owned(), browser.service().pid());
    let daemon = fake.noted("daemon").unwrap().parse().unwrap();
    assert!(is_alive(driver) && is_alive(daemon) && dir.join("deep/er").exists());
    // A process that is executing another program has no environment for a moment.
    eventually("both are marked", || processes_of(&dir) == [driver, daemon]);
    browser.close().unwrap();
    assert_eq!(fake.record().last().unwrap(), "DELETE /wd/hub/session/a%2Fb");
    assert!(!is_alive(driver) && !is_alive(daemon) && !dir.exists());
}

#[test]
fn pj_5_a_drop_does_the_same_also_during_a_panic() {
    let fake = Fake::new();
    let mut seen = None;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let browser = fake.driver("daemon").start().unwrap();
        seen = Some((browser.dir().to_owned(), browser.service().pid()));
        panic!("the test fails");
    }));
    assert!(panicked.is_err());
    let (dir, driver) = seen.unwrap();
    let daemon = fake.noted("daemon").unwrap().parse().unwrap();
    assert_eq!(fake.record().last().unwrap(), "DELETE /wd/hub/session/a%2Fb");
    assert!(!is_alive(driver) && !is_alive(daemon) && !dir.exists());
}

/// Compares the command line of each preset, with placeholders for the port and the directory.
#[test]
fn pj_1_each_preset_has_its_own_arguments_for_port_and_directory() {
    let command = |driver: WebDriver| {
        let error = driver.program("/nonexistent/driver").arg("-v").start().unwrap_err();
        let WebDriverError::Start(not_ready) = error else { panic!("{error}") };
        assert!(matches!(not_ready.reason(), NotReadyReason::Spawn(_)), "{not_ready}");
        let words = not_ready.command().split([' ', '=']).map(|word| match Path::new(word) {
            _ if word.parse::<u16>().is_ok() => "PORT",
            path if path.starts_with(std::env::temp_dir()) => {
                assert!(!path.exists(), "{word} still exists");
                "DIR"
            }
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(command(WebDriver::chromedriver()), "/nonexistent/driver -v --port PORT");
    assert_eq!(command(WebDriver::geckodriver()), "/nonexistent/driver -v --port PORT --profile-root DIR");
    assert_eq!(command(WebDriver::custom("x").port_flag("-p {}")), "/nonexistent/driver -v -p PORT");
}

#[test]
fn pj_2_4_geckodriver_prints_that_it_listens_and_runs_firefox_without_a_window() {
    let fake = Fake::new();
    let browser = fake.play(WebDriver::geckodriver(), "firefox").start().unwrap();
    let dir = browser.dir().display().to_string();
    browser.close().unwrap();
    let story = fake.record();
    assert_eq!(story[0], format!("args --profile-root={dir}"));
    assert_eq!(
        story[3..],
        [
            concat!(
                r#"POST /session {"capabilities":{"alwaysMatch":"#,
                r#"{"moz:firefoxOptions":{"args":["-headless"]}}}}"#
            ),
            "DELETE /session/a%2Fb",
        ]
    );
}

/// The output format of PhantomJS is parsed.
#[test]
fn pj_3_log_lines_of_the_driver_reach_the_log_with_level_name_and_time() {
    alone("webdriver::fixture::pj_3_log_lines_of_the_driver_reach_the_log_with_level_name_and_time", || {
        let (sender, lines) = mpsc::channel();
        log::set_boxed_logger(Box::new(ChannelLogger(Mutex::new(sender))))
            .expect("the only logger of this process");
        log::set_max_level(log::LevelFilter::Info);
        let fake = Fake::new();
        let format = r"\[{levelname} +- {Y}-{m}-{d}T{H}:{M}:{S}\.{msecs}Z\] {name} - {message}";
        let browser = fake.driver("").output_format(format).start().unwrap();
        let port = browser.service().port().unwrap();
        let received = std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok());
        let line = received.into_iter().find(|line| line.contains("running on port")).unwrap();
        assert_eq!(
            line,
            format!("GhostDriver WARN Main - running on port {port} at 2026-11-21T12:34:56.789Z")
        );
    });
}

/// Sends each record to a channel: target, level, message and time.
struct ChannelLogger(Mutex<mpsc::Sender<String>>);

impl log::Log for ChannelLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let time = record.key_values().get("timestamp".into());
        let time = time.map(|time| format!(" at {time}")).unwrap_or_default();
        let line = format!("{} {} {}{time}", record.target(), record.level(), record.args());
        self.0.lock().expect("the lock is not poisoned").send(line).expect("the test receives");
    }

    fn flush(&self) {}
}
