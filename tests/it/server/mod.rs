//! `TidyServer`: real sockets, by TCP and by Unix socket. Every wait has a deadline.

mod census;
mod crowds;
mod endings;
mod leaks;
mod places;
mod races;
mod remote;
mod runtimes;
mod streams;
mod upstream;

use std::io;
use std::time::{Duration, Instant};

use childminder::TidyServer;
use childminder::server::{LeakError, TidyServerBuilder, TidyStream};
use futures_lite::future::{block_on, or};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::support::PATIENCE;

/// How long nothing takes but what waits for a grace that is longer than this.
const LONG: Duration = Duration::from_secs(30);

/// One of each kind that this machine has.
fn kinds() -> Vec<TidyServerBuilder> {
    let mut kinds = vec![TidyServer::tcp(), TidyServer::unix()];
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        kinds.push(TidyServer::tcp_v6());
    }
    kinds
}

/// What comes of it, which must be soon.
async fn within<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        async_io::Timer::after(PATIENCE).await;
        panic!("not done within {PATIENCE:?}")
    };
    // The deadline first: else what should have woken up before, and did not, would do so now.
    or(late, future).await
}

/// The same on this thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    block_on(within(future))
}

/// Sends a line, and reads as much.
async fn exchange(stream: &TidyStream, line: &str) -> io::Result<String> {
    let mut stream = stream;
    let mut answer = vec![0; line.len()];
    stream.write_all(line.as_bytes()).await?;
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).expect("text"))
}

/// Everything until the end.
async fn rest(stream: &TidyStream) -> io::Result<String> {
    let mut stream = stream;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await?;
    Ok(rest)
}

/// Waits until the server sees as many connections.
fn wait_for_connections(server: &TidyServer, count: usize) {
    wait(async {
        while server.connections() != count {
            futures_lite::future::yield_now().await;
        }
    });
}

/// What closing it comes to, and how long that takes.
fn closed(server: &TidyServer) -> (Result<(), LeakError>, Duration) {
    let begin = Instant::now();
    let answer = wait(server.close());
    (answer, begin.elapsed())
}

/// Closes a server whose handlers all end when they are asked.
fn assert_closes(server: &TidyServer) {
    let (answer, took) = closed(server);
    assert_eq!(answer, Ok(()));
    assert!(took < PATIENCE, "{took:?}");
}

/// A handler that reads all there is, and says nothing.
async fn listen_only(stream: TidyStream) -> io::Result<()> {
    rest(&stream).await.map(drop)
}

/// A handler that has no end.
async fn hang(stream: TidyStream) -> io::Result<()> {
    let _held = stream;
    std::future::pending().await
}
