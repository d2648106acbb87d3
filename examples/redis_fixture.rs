//! A database for a test: a real Redis with a port of its own, and a real outage, which no mock offers.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use childminder::{Port, Service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::process::Command::new("redis-server").arg("--version").output().is_err() {
        println!("skipped: redis-server is not installed");
        return Ok(());
    }

    let port = Port::reserve()?;
    let redis = Service::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
        .port(&port)
        .expect_output("Ready to accept connections")
        .min_uptime(Duration::ZERO) // Redis prints the message when it listens
        .start()?;
    println!("ready after {:.0?}: {}", redis.took(), ask(&port, "PING")?);

    // What does your program do while its database is down? Afterwards the database is up again, and empty.
    redis.stopped(|| println!("down: {}", ask(&port, "PING").expect_err("the server is stopped")))?;
    println!("up again: {}", ask(&port, "DBSIZE")?);

    // What does it do while the database accepts connections but does not answer?
    redis.paused(|| println!("paused: {}", ask(&port, "PING").expect_err("the server is paused")));
    println!("continued: {}", ask(&port, "PING")?);

    // The server is stopped when `redis` is dropped.
    Ok(())
}

/// Sends a command and returns the first line of the response.
fn ask(port: &Port, command: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number()))?;
    connection.set_read_timeout(Some(Duration::from_millis(200)))?;
    write!(connection, "{command}\r\n")?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}
