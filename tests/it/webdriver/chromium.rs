//! chromedriver with a real Chromium.

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use childminder::webdriver::{Browser, Locator, Method};
use childminder::{Port, RunningService, Service, WebDriver};
use serde_json::json;
use tempfile::TempDir;

use super::processes_of;
use crate::support::{alone, skip};

const PAGE: &str = "<!DOCTYPE html><title>A page</title><h1>Hello</h1>
<button onclick=\"document.querySelector('h1').textContent = 'Pressed'\">Press <b>me</b></button>
<a href=second.html>next page</a>";

/// Returns whether these programs are installed. In CI a missing one fails the test.
pub(super) fn have(programs: &[&str], test: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| env::split_paths(&path).any(|dir| dir.join(program).exists());
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "{test} needs {missing:?}, and CI must have it");
    skip(test, &format!("{missing:?} is missing"));
    false
}

/// Starts a web server with the test pages; returns it, its address and its directory.
fn website() -> (RunningService, String, TempDir) {
    let files = TempDir::new().unwrap();
    fs::write(files.path().join("index.html"), PAGE).unwrap();
    fs::write(files.path().join("second.html"), "<title>Second</title>").unwrap();
    let port = Port::reserve().unwrap();
    let server = Service::new("python3")
        .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
        .cwd(files.path())
        .port(&port)
        .start()
        .unwrap();
    (server, format!("http://127.0.0.1:{port}/"), files)
}

fn tour(browser: &Browser, url: &str) {
    browser.navigate(url).unwrap();
    assert_eq!(browser.title().unwrap(), "A page");
    assert_eq!(browser.url().unwrap(), url);
    let (heading, button) = (browser.find("h1").unwrap(), browser.find("button").unwrap());
    assert_eq!(browser.text(&button).unwrap(), "Press me");
    browser.click(&button).unwrap();
    assert_eq!(browser.text(&heading).unwrap(), "Pressed");
    let picture = browser.screenshot().unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n") && picture.len() > 1000, "{} bytes", picture.len());
    browser.click(&browser.find(Locator::LinkText("next page".to_owned())).unwrap()).unwrap();
    assert_eq!(browser.title().unwrap(), "Second");
    let error = browser.text(&heading).unwrap_err().to_string();
    assert!(error.contains("stale element reference"), "{error}");
}

/// Returns the directory of a browser, after checking that its processes are found.
fn directory(browser: &Browser) -> PathBuf {
    let dir = browser.dir().to_owned();
    let count = processes_of(&dir).len();
    assert!(count > 3, "a browser and its driver have at least four processes, not {count}");
    assert!(dir.join("profile").exists());
    dir
}

fn assert_gone(dir: &Path) {
    assert_eq!(processes_of(dir), [0; 0]);
    assert!(!dir.exists());
}

/// The test `test_webdriver` of the original, with a check for processes and files that are left.
#[test]
fn pj_4_5_webdriver_loads_a_page_and_leaves_nothing() {
    let name = "webdriver::chromium::pj_4_5_webdriver_loads_a_page_and_leaves_nothing";
    if !have(&["chromedriver", "chromium", "python3"], name) {
        return;
    }
    alone(name, || {
        let (server, url, _files) = website();
        let driver = WebDriver::chromedriver().window(800, 600);
        for _ in 0..3 {
            let browser = driver.start().unwrap();
            tour(&browser, &url);
            let size = browser.command(Method::Get, "window/rect", json!(null)).unwrap();
            assert_eq!((&size["width"], &size["height"]), (&json!(800), &json!(600)));
            let dir = directory(&browser);
            browser.close().unwrap();
            assert_gone(&dir);
        }
        server.stop().unwrap();
    });
}

#[test]
fn pj_5_a_panic_leaves_nothing() {
    let name = "webdriver::chromium::pj_5_a_panic_leaves_nothing";
    if !have(&["chromedriver", "chromium"], name) {
        return;
    }
    alone(name, || {
        let mut dir = None;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let browser = WebDriver::chromedriver().start().unwrap();
            browser.navigate("data:text/html,<title>x</title>").unwrap();
            dir = Some(directory(&browser));
            let _missing = browser.find("#missing").unwrap();
        }));
        let message = *panicked.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("POST element failed: no such element"), "{message}");
        assert!(message.contains("was started successfully"), "{message}");
        assert_gone(&dir.unwrap());
    });
}
