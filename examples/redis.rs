//! A database for a test: a real Redis in one line, and a real outage, which no mock offers.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use childminder::NotReady;
use childminder::servers::Redis;
use childminder::service::NotReadyReason;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let redis = match Redis::new().start() {
        Err(error) if is_missing(&error) => {
            println!("skipped: {error}");
            return Ok(());
        }
        started => started?,
    };
    let port = redis.port().expect("it is not an existing server");
    let service = redis.service().expect("it is not an existing server");
    println!("{} is ready after {:.0?}: {}", redis.url(), service.took(), ask(port, "PING")?);

    // What does your program do while its database is down? Afterwards the database is up again, and empty.
    service.stopped(|| println!("down: {}", ask(port, "PING").expect_err("the server is stopped")))?;
    println!("up again: {}", ask(port, "DBSIZE")?);

    // What does it do while the database accepts connections but does not answer?
    service.paused(|| println!("paused: {}", ask(port, "PING").expect_err("the server is paused")));
    println!("continued: {}", ask(port, "PING")?);

    // The server is stopped when `redis` is dropped.
    Ok(())
}

/// Returns whether the server is not installed; the error names the package.
fn is_missing(error: &NotReady) -> bool {
    matches!(error.reason(), NotReadyReason::MissingProgram(_))
}

/// Sends a command and returns the first line of the response.
fn ask(port: u16, command: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(Duration::from_millis(200)))?;
    write!(connection, "{command}\r\n")?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}
