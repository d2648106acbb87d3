//! A database for a test: a real Redis with a port of its own, and what no mock can offer, a real outage.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use childminder::{Port, Service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::process::Command::new("redis-server").arg("--version").output().is_err() {
        println!("redis-server is missing, so there is nothing to see");
        return Ok(());
    }

    let port = Port::reserve()?;
    let redis = Service::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
        .port(&port)
        .expect_output("Ready to accept connections")
        .min_uptime(Duration::ZERO) // when it has said that, it is up
        .start()?;
    println!("ready after {:.0?}: {}", redis.took(), ask(&port, "PING")?);

    // What does your program do while its database is down? Afterwards it is up again, and empty.
    redis.stopped(|| println!("down: {}", ask(&port, "PING").expect_err("nobody is there")))?;
    println!("up again: {}", ask(&port, "DBSIZE")?);

    // And while it is there, and does not answer?
    redis.paused(|| println!("paused: {}", ask(&port, "PING").expect_err("nobody answers")));
    println!("awake again: {}", ask(&port, "PING")?);

    // Where `redis` ends, the server ends.
    Ok(())
}

/// Sends a command, and returns the first line of the answer.
fn ask(port: &Port, command: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number()))?;
    connection.set_read_timeout(Some(Duration::from_millis(200)))?;
    write!(connection, "{command}\r\n")?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}
