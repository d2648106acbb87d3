//! The output of a shared service appears with the test during which it was printed.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Instant;

use childminder::{Service, SharedService};

use crate::support::PATIENCE;

/// Set for the processes in which the users run and fail.
const MARK: &str = "CHILDMINDER_TEST_SHARED_OUTPUT";

/// Prints each line that is written to its pipe.
static SERVER: SharedService = SharedService::new(|| {
    let script =
        r#"mkfifo {dir}/in; exec 3<>{dir}/in; echo open; while read -r line <&3; do echo "got $line"; done"#;
    Service::new("sh").args(["-c", script]).name("server").scratch().expect_output("open\n")
});

/// Stands for a test that uses the server and fails, if it runs as a part of the test below.
fn user(number: u32) -> Result<(), String> {
    if env::var_os(MARK).is_none() {
        return Ok(());
    }
    let server = SERVER.get().map_err(|error| error.to_string())?;
    let pipe = server.dir().expect("it has a directory").join("in");
    fs::write(pipe, format!("message {number}.\n")).map_err(|error| error.to_string())?;
    let begin = Instant::now();
    while !server.tail(100).contains(&format!("got message {number}.")) {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(number.is_multiple_of(2), "every second user panics");
    Err("and the others return an error".to_owned())
}

#[test]
fn user_0() -> Result<(), String> {
    user(0)
}

#[test]
fn user_1() -> Result<(), String> {
    user(1)
}

#[test]
fn user_2() -> Result<(), String> {
    user(2)
}

#[test]
fn user_3() -> Result<(), String> {
    user(3)
}

#[test]
fn user_4() -> Result<(), String> {
    user(4)
}

#[test]
fn user_5() -> Result<(), String> {
    user(5)
}

#[test]
fn user_6() -> Result<(), String> {
    user(6)
}

#[test]
fn user_7() -> Result<(), String> {
    user(7)
}

#[test]
fn user_8() -> Result<(), String> {
    user(8)
}

#[test]
fn user_9() -> Result<(), String> {
    user(9)
}

#[test]
fn f_238_ten_tests_that_share_a_service_each_show_its_output_when_they_fail() {
    for threads in ["--test-threads=1", "--test-threads=4"] {
        let output = Command::new(env::current_exe().unwrap())
            .args(["service::shared_output::user_", threads])
            .env(MARK, "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("0 passed; 10 failed"), "{text}");
        for number in 0..10 {
            let head = format!("---- service::shared_output::user_{number} stdout ----");
            let section = text.split(&head).nth(1).unwrap_or_else(|| panic!("{number}: {text}"));
            let section = section.split("\n---- ").next().unwrap();
            let count = section.matches(&format!("[server] got message {number}.\n")).count();
            assert_eq!(count, 1, "{number}: {section}");
            if threads == "--test-threads=1" {
                assert_eq!(section.matches("got message").count(), 1, "only its own: {section}");
            }
        }
        assert!(text.matches("[server] open\n").count() >= 1, "{text}");
    }
}
