//! A socket server for a test: it listens on a free address and closes completely. If a connection does not
//! end, the error names it and the source line that opened it.

use std::error::Error;
use std::io;
use std::time::Duration;

use childminder::TidyServer;
use childminder::server::{TidyStream, line_echo};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, io::BufReader};

/// A handler is an async function. It reads end-of-file when the server is closed, so it needs no other
/// signal.
async fn greet(mut stream: TidyStream) -> io::Result<()> {
    let mut name = String::new();
    while BufReader::new(&stream).read_line(&mut name).await? > 0 {
        stream.write_all(format!("hello, {}\n", name.trim_end()).as_bytes()).await?;
        name.clear();
    }
    Ok(())
}

/// A handler that does not react to the close.
async fn never_end(mut stream: TidyStream) -> io::Result<()> {
    stream.write_all(b"wait a moment\n").await?;
    std::future::pending().await
}

#[async_std::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Clients are closed together with the server, although they are still in use here.
    let server = TidyServer::tcp().listen(greet)?;
    let clients = [server.connect().await?, server.connect().await?];
    for (mut client, name) in clients.iter().zip(["Ada", "Grace"]) {
        client.write_all(format!("{name}\n").as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(client).read_line(&mut answer).await?;
        print!("{answer}");
    }
    server.close().await?;
    println!("the server on port {} is closed", server.port().expect("it was TCP"));

    // A Unix socket has a private directory, which is removed as well.
    let server = TidyServer::unix().listen(line_echo)?;
    let mut client = server.connect().await?;
    client.write_all(b"and back\n").await?;
    let mut answer = [0; 9];
    client.read_exact(&mut answer).await?;
    print!("{}", String::from_utf8_lossy(&answer));
    server.close().await?;
    println!(
        "its directory is removed: {}",
        !server.path().and_then(|path| path.parent()).is_some_and(|dir| dir.exists())
    );

    // A handler that does not end is dropped at the end of the grace period, and the error names its
    // connection.
    let server = TidyServer::tcp().grace(Duration::from_millis(50)).listen(never_end)?;
    let mut client = server.connect().await?;
    client.read_exact(&mut [0; 14]).await?;
    println!("{}", server.close().await.expect_err("the handler never ends"));
    Ok(())
}
