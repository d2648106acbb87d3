//! `TidyServer` with real sockets, by TCP and by Unix socket. Every wait has a deadline.

mod census;
mod crowds;
mod endings;
mod leaks;
mod places;
mod races;
mod remote;
mod runtimes;
mod streams;
mod time;
mod upstream;

use std::io;
use std::time::{Duration, Instant};

use childminder::TidyServer;
use childminder::server::{LeakError, TidyServerBuilder, TidyStream};
use futures_lite::future::{block_on, or};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::support::PATIENCE;

/// A grace period that no test waits for.
const LONG: Duration = Duration::from_secs(30);

/// Returns a builder for each kind of server that this machine supports.
fn kinds() -> Vec<TidyServerBuilder> {
    let mut kinds = vec![TidyServer::tcp(), TidyServer::unix()];
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        kinds.push(TidyServer::tcp_v6());
    }
    kinds
}

/// Awaits `future`, with a deadline.
async fn within<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        async_io::Timer::after(PATIENCE).await;
        panic!("not done within {PATIENCE:?}")
    };
    // The deadline first: if a wake-up is lost, the timer would otherwise wake `future` and hide that.
    or(late, future).await
}

/// Waits for `future` on this thread, with a deadline.
fn wait<T>(future: impl Future<Output = T>) -> T {
    block_on(within(future))
}

/// Sends a line and reads a line of the same length.
async fn exchange(stream: &TidyStream, line: &str) -> io::Result<String> {
    let mut stream = stream;
    let mut answer = vec![0; line.len()];
    stream.write_all(line.as_bytes()).await?;
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).expect("text"))
}

/// Reads until end-of-file.
async fn rest(stream: &TidyStream) -> io::Result<String> {
    let mut stream = stream;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await?;
    Ok(rest)
}

/// Waits until the server has this number of connections.
fn wait_for_connections(server: &TidyServer, count: usize) {
    wait(async {
        while server.connections() != count {
            futures_lite::future::yield_now().await;
        }
    });
}

/// Closes the server, and returns the result and the time that it took.
fn closed(server: &TidyServer) -> (Result<(), LeakError>, Duration) {
    let begin = Instant::now();
    let answer = wait(server.close());
    (answer, begin.elapsed())
}

/// Closes a server whose handlers all end on request.
fn assert_closes(server: &TidyServer) {
    let (answer, took) = closed(server);
    assert_eq!(answer, Ok(()));
    assert!(took < PATIENCE, "{took:?}");
}

/// A handler that reads until end-of-file and sends nothing.
async fn read_only(stream: TidyStream) -> io::Result<()> {
    rest(&stream).await.map(drop)
}

/// A handler that never ends.
async fn hang(stream: TidyStream) -> io::Result<()> {
    let _held = stream;
    std::future::pending().await
}
