//! One server for many tests: the first test that uses it starts it, and it is stopped when the process
//! exits. So a server that is slow to start costs that time only once.
//!
//! The server of this example is a shell, which every system has; the tests are threads, as with `cargo
//! test`.

use std::thread;

use childminder::service::SharedError;
use childminder::{Service, SharedService, Signal};

/// Created for its first use, and again after it has died. A server that listens would get a `Port` here.
static SERVER: SharedService = SharedService::new(|| {
    let script = "trap 'echo closing the books; exit 0' TERM; echo open; sleep 1000 & wait";
    Service::new("sh").args(["-c", script]).name("server").expect_output("open\n")
});

/// Stands for a `#[test]`. It fails with the whole report if the server is not ready.
fn a_test(name: &str) -> Result<(), SharedError> {
    let server = SERVER.get()?;
    println!("{name} uses process {}", server.pid());
    Ok(())
}

fn main() -> Result<(), SharedError> {
    // Three at once: one of them starts the server, and the others wait for it.
    thread::scope(|scope| {
        let tests = ["first", "second", "third"].map(|name| scope.spawn(move || a_test(name)));
        tests.into_iter().try_for_each(|test| test.join().expect("no panic"))
    })?;

    // A test kills the server. The next use reports that, once.
    let server = SERVER.get()?;
    server.signal(Signal::KILL);
    while server.is_alive() {
        thread::yield_now();
    }
    println!("{}", a_test("fourth").expect_err("the server is dead"));

    // The use after that starts a new server.
    a_test("fifth")

    // It is stopped gracefully when the process exits, with everything that it has started.
}
