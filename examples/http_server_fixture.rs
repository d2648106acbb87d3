//! The life of a service: a web server for a test, from the start to the end, and what is said when it does not come up.
//!
//! The server is Python's. What it prints goes to the `log` crate; here, where nobody has installed a logger, to the
//! standard error, as in a test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use childminder::{Condition, Port, Service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        println!("python3 is missing, so there is nothing to see");
        return Ok(());
    }

    // A number that nobody else is given, however many tests run at the same time.
    let port = Port::reserve()?;
    let server = Service::new("python3")
        .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
        .port(&port)
        .expect(Condition::http(port.number(), "/"))
        .min_uptime(Duration::ZERO); // whoever answers is up

    let web = server.start()?;
    println!("process {} is ready:", web.pid());
    for progress in web.readiness() {
        println!("  {progress}");
    }

    // Here is your test.
    println!("{}", get(&port, "/")?.lines().next().unwrap_or_default());

    // Before the next one: is it still there? If not, this says how it ended and what it said last.
    web.reset()?;

    // Dropping it stops it as well, also when a test panics; this tells how it went.
    if let Some(ended) = web.stop()? {
        println!("asked to end, it ended by {}", ended.exit);
    }

    // And a server that does not come up: one error, with all there is to know.
    let error = server.arg("--directroy=site").start().expect_err("a typing error");
    println!("\n{error}");
    Ok(())
}

fn get(port: &Port, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number()))?;
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
