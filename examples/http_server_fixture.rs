//! The life of a service: a web server for a test, from its start to its stop, and the error of a failed
//! start.
//!
//! The server is that of Python. Its output goes to the `log` crate; without a logger, as here and in most
//! tests, to the standard error.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use childminder::{Condition, Port, Service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: python3 is not installed");
        return Ok(());
    }

    // A reserved number: no other test gets it, even if many run at the same time.
    let port = Port::reserve()?;
    let server = Service::new("python3")
        .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
        .port(&port)
        .expect(Condition::http(port.number(), "/"));

    let web = server.start()?;
    println!("process {} is ready:", web.pid());
    for progress in web.readiness() {
        println!("  {progress}");
    }

    // The test goes here.
    println!("{}", get(&port, "/")?.lines().next().unwrap_or_default());

    // Before the next test: is the server still alive? If not, the error has its exit and its last output.
    web.reset()?;

    // A drop stops the server as well, also during a panic. This returns how it has ended.
    if let Some(ended) = web.stop()? {
        println!("stopped: {}", ended.exit);
    }

    // A server that does not become ready is one error with the whole report.
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
