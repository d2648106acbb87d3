//! A connection to a server that is killed repeatedly.
//!
//! A `ProcessMonitor` keeps an echo server alive, and a `ClientService` keeps a connection to it. The server
//! is killed twenty times. Each request is answered or fails, none hangs, and each outage ends:
//!
//! ```text
//! outage  1: 19.3 ms
//! …
//! outage 20: 17.9 ms
//! 60 requests answered, 20 failed, 0 timed out
//! ```
//!
//! The server is this program, started with the arguments `serve` and a port.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use async_io::Timer;
use childminder::backoff::BackoffPolicy;
use childminder::client::{ClientState, ClientStates, Connection, TcpConnector};
use childminder::{ClientService, Policy, Port, ProcessMonitor, Signal, Spec, System};
use futures_lite::future::{block_on, or};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const KILLS: u32 = 20;

/// The timeout of a request.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [word, port] if word == "serve" => Ok(serve(port.parse()?)?),
        _ => survive(),
    }
}

fn survive() -> Result<(), Box<dyn Error>> {
    let port = Port::reserve()?;
    let no_delay = Policy { threshold: Duration::ZERO, ..Policy::default() };
    let monitor = ProcessMonitor::builder().policy(no_delay).background(System::new())?;
    monitor.add_process("echo", Spec::new(std::env::current_exe()?).args(["serve", &port.to_string()]))?;
    monitor.start_service()?;

    let short_delays = BackoffPolicy {
        initial_delay: Duration::from_millis(5),
        max_delay: Duration::from_millis(50),
        jitter: Duration::from_millis(2),
        ..BackoffPolicy::default()
    };
    let client = ClientService::builder(TcpConnector::new("127.0.0.1", port.number()))
        .policy(short_delays)
        .background(System::new())?;
    client.start_service();

    let (mut answered, mut failed, mut timed_out) = (0, 0, 0);
    let mut count = |result: io::Result<()>| match result {
        Ok(()) => answered += 1,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => timed_out += 1,
        Err(_) => failed += 1,
    };
    let mut connection = client.when_connected(None).wait()?;
    for kill in 1..=KILLS {
        count(block_on(request(&connection)));
        let states = client.states();
        monitor.signal_process("echo", Signal::KILL)?;
        while connection.is_up() {
            count(block_on(request(&connection)));
        }
        let outage = outage(states).ok_or("the service has ended")?;
        println!("outage {kill:2}: {:.1} ms", outage.as_secs_f64() * 1e3);
        // A request on the lost connection fails at once.
        count(block_on(request(&connection)));
        connection = client.when_connected(None).wait()?;
    }
    count(block_on(request(&connection)));
    println!("{answered} requests answered, {failed} failed, {timed_out} timed out");

    client.stop_service().wait()?;
    monitor.stop_service().wait()?;
    Ok(())
}

/// Sends a line and waits until it is echoed.
async fn request<S: AsyncRead + AsyncWrite + Unpin>(mut connection: &Connection<S>) -> io::Result<()> {
    let exchange = async {
        connection.write_all(b"hello\n").await?;
        let mut answer = [0; 6];
        connection.read_exact(&mut answer).await
    };
    let late = async {
        Timer::after(PATIENCE).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    or(exchange, late).await
}

/// Returns the duration of the next outage, from the loss of the connection to the next one.
fn outage(mut states: ClientStates) -> Option<Duration> {
    let mut lost: Option<Instant> = None;
    loop {
        match states.wait()?.ok()? {
            ClientState::Waiting { since, .. } => lost = lost.or(Some(since)),
            ClientState::Connected { since } => {
                if let Some(lost) = lost {
                    return Some(since - lost);
                }
            }
            _ => {}
        }
    }
}

/// Runs the server, which echoes everything.
fn serve(port: u16) -> io::Result<()> {
    for stream in TcpListener::bind(("127.0.0.1", port))?.incoming() {
        let mut stream = stream?;
        let mut buf = [0; 1024];
        std::thread::spawn(move || -> io::Result<()> {
            loop {
                match stream.read(&mut buf)? {
                    0 => return Ok(()),
                    length => stream.write_all(&buf[..length])?,
                }
            }
        });
    }
    Ok(())
}
