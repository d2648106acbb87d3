//! Tidy servers: the cost of tracking every connection, and the time to close a thousand.
//!
//! Both sides run one handler on one thread with an executor. The bare listener tracks nothing and cannot be
//! closed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use async_executor::LocalExecutor;
use async_io::Async;
use childminder::TidyServer;
use childminder::server::{Endpoint, TidyStream, line_echo};
use futures_lite::future::block_on;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::figures::{median, pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const CHUNK: usize = 64 * 1024;

const CROWD: usize = 1_000;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let rounds = bench.sample(15, 5);
    let chunks = bench.sample(4_096, 512);
    let trips = bench.sample(20_000, 2_000);
    let server = TidyServer::tcp().listen(echo)?;
    let Endpoint::Tcp(ours) = *server.address() else { return Err("the server must listen by TCP".into()) };
    let bare = listen_bare()?;
    let streamed = take_turns(rounds, || stream(ours, chunks), || stream(bare, chunks))?;
    let travelled = take_turns(rounds, || travel(ours, trips), || travel(bare, trips))?;
    server.close().wait()?;
    let closes = (0..rounds).map(|_| close_crowd()).collect::<Outcome<Vec<f64>>>()?;
    Ok(vec![
        Row::ratio("echo, bytes", Unit::Rate, &pairs(&streamed, |rate| *rate), Target::AtLeast(0.9)),
        Row::ratio("echo, round trips", Unit::Rate, &pairs(&travelled, |rate| *rate), Target::AtLeast(0.9)),
        Row::alone("close 1,000 connections", Unit::Time, median(&closes), Target::AtMost(0.1)),
    ])
}

/// The handler that both sides run.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut buf = vec![0; CHUNK];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(()),
            count => stream.write_all(&buf[..count]).await?,
        }
    }
}

/// Starts the smallest server for any number of clients. It ends with this process.
fn listen_bare() -> Outcome<SocketAddr> {
    let listener = Async::new(TcpListener::bind("127.0.0.1:0")?)?;
    let address = listener.get_ref().local_addr()?;
    thread::spawn(move || {
        let executor = LocalExecutor::new();
        async_io::block_on(executor.run(async {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.get_ref().set_nodelay(true);
                executor.spawn(echo(stream)).detach();
            }
        }));
    });
    Ok(address)
}

/// Returns the number of bytes per second that come back.
fn stream(address: SocketAddr, chunks: usize) -> Outcome<f64> {
    let mut stream = TcpStream::connect(address)?;
    let mut writer = stream.try_clone()?;
    let before = clock::nanoseconds();
    let sender = thread::spawn(move || (0..chunks).try_for_each(|_| writer.write_all(&[0; CHUNK])));
    let mut buf = vec![0; CHUNK];
    (0..chunks).try_for_each(|_| stream.read_exact(&mut buf))?;
    let seconds = (clock::nanoseconds() - before) as f64 / 1e9;
    sender.join().map_err(|_| "the sender panicked")??;
    Ok((chunks * CHUNK) as f64 / seconds)
}

/// Returns the number of round trips per second.
fn travel(address: SocketAddr, trips: usize) -> Outcome<f64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buf = [0; 64];
    let before = clock::nanoseconds();
    for _ in 0..trips {
        stream.write_all(&buf)?;
        stream.read_exact(&mut buf)?;
    }
    Ok(trips as f64 / ((clock::nanoseconds() - before) as f64 / 1e9))
}

/// Returns the time to close a server with many connected clients.
fn close_crowd() -> Outcome<f64> {
    let server = TidyServer::tcp().listen(line_echo)?;
    let clients = (0..CROWD).map(|_| block_on(server.connect())).collect::<io::Result<Vec<TidyStream>>>()?;
    while server.connections() < CROWD {
        thread::yield_now();
    }
    let before = clock::nanoseconds();
    server.close().wait()?;
    let seconds = (clock::nanoseconds() - before) as f64 / 1e9;
    drop(clients);
    Ok(seconds)
}
