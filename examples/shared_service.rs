//! One server for many tests: the first that asks starts it, the others find it there, and the end of the process stops
//! it. So a server that takes its time to start costs that time once.
//!
//! The server here is a shell, for there is one everywhere; the tests are threads, as they are with `cargo test`.

use std::thread;

use childminder::service::SharedError;
use childminder::{Service, SharedService, Signal};

/// It is made when it is first asked for, and again after it has died. A server that listens takes a `Port` in here.
static SERVER: SharedService = SharedService::new(|| {
    let script = "trap 'echo closing the books; exit 0' TERM; echo open; sleep 1000 & wait";
    Service::new("sh").args(["-c", script]).name("server").expect_output("open\n")
});

/// What would be a `#[test]`. It fails with the whole story if the server is not there.
fn a_test(name: &str) -> Result<(), SharedError> {
    let server = SERVER.get()?;
    println!("{name} uses process {}", server.pid());
    Ok(())
}

fn main() -> Result<(), SharedError> {
    // All three at once: one of them starts the server, and the others wait for that.
    thread::scope(|scope| {
        let tests = ["first", "second", "third"].map(|name| scope.spawn(move || a_test(name)));
        tests.into_iter().try_for_each(|test| test.join().expect("no panic"))
    })?;

    // A test that breaks the server is not blamed on the next one that passes by: it is told, once.
    let server = SERVER.get()?;
    server.signal(Signal::KILL);
    while server.is_alive() {
        thread::yield_now();
    }
    println!("{}", a_test("fourth").expect_err("the server is dead"));

    // Then there is a new one.
    a_test("fifth")

    // It is stopped when the process ends: politely, with all it has started.
}
