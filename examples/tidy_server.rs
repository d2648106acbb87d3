//! A socket server in a test: it listens where nobody else does, closes completely, and when it cannot it says which
//! connection was to blame and which line of the test had opened it.

use std::error::Error;
use std::io;
use std::time::Duration;

use childminder::TidyServer;
use childminder::server::{TidyStream, line_echo};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, io::BufReader};

/// A handler is an async function. It reads the end of its stream when the server is closed, so it needs no other sign.
async fn greet(mut stream: TidyStream) -> io::Result<()> {
    let mut name = String::new();
    while BufReader::new(&stream).read_line(&mut name).await? > 0 {
        stream.write_all(format!("hello, {}\n", name.trim_end()).as_bytes()).await?;
        name.clear();
    }
    Ok(())
}

/// This one has not read the documentation.
async fn never_listen(mut stream: TidyStream) -> io::Result<()> {
    stream.write_all(b"wait a moment\n").await?;
    std::future::pending().await
}

#[async_std::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Clients of the server are closed with it, be they still in somebody's hand.
    let server = TidyServer::tcp().listen(greet)?;
    let clients = [server.connect().await?, server.connect().await?];
    for (mut client, name) in clients.iter().zip(["Ada", "Grace"]) {
        client.write_all(format!("{name}\n").as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(client).read_line(&mut answer).await?;
        print!("{answer}");
    }
    server.close().await?;
    println!("the server at port {} is gone", server.port().expect("it was TCP"));

    // A Unix socket has a directory of its own, which goes as well.
    let server = TidyServer::unix().listen(line_echo)?;
    let mut client = server.connect().await?;
    client.write_all(b"and back\n").await?;
    let mut answer = [0; 9];
    client.read_exact(&mut answer).await?;
    print!("{}", String::from_utf8_lossy(&answer));
    server.close().await?;
    println!(
        "its directory is gone: {}",
        !server.path().and_then(|path| path.parent()).is_some_and(|dir| dir.exists())
    );

    // A handler that does not end is dropped when its time is over, and the answer names it.
    let server = TidyServer::tcp().grace(Duration::from_millis(50)).listen(never_listen)?;
    let mut client = server.connect().await?;
    client.read_exact(&mut [0; 14]).await?;
    println!("{}", server.close().await.expect_err("it never listens"));
    Ok(())
}
