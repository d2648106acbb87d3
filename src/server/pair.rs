//! A server with one client, and both ends of their connection.

use std::io;

use super::builder::TidyServerBuilder;
use super::handle::{CloseFuture, TidyServer};
use super::stream::TidyStream;

/// A server with one client, giving a test both ends of their connection.
///
/// Use it to test code that reads and writes a stream, without a listener of your own.
///
/// ```
/// use childminder::TidyServer;
/// use childminder::server::TidyPair;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # futures_lite::future::block_on(async {
/// let mut pair = TidyPair::connect(TidyServer::unix()).await?;
/// pair.client.write_all(b"ping").await?;
/// let mut ping = [0; 4];
/// pair.server.read_exact(&mut ping).await?;
/// assert_eq!(&ping, b"ping");
/// pair.close().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TidyPair {
    /// The client's end.
    pub client: TidyStream,
    /// The server's end.
    pub server: TidyStream,
    listening: TidyServer,
}

impl TidyPair {
    /// Starts a server, connects a client to it, and returns both when the connection is accepted.
    ///
    /// # Errors
    ///
    /// The future fails with the error of the system. If the server cannot listen, it contains a
    /// [`TidyError`](super::TidyError).
    #[track_caller]
    pub fn connect(builder: TidyServerBuilder) -> impl Future<Output = io::Result<Self>> + Send {
        // Other programs may connect as well, so there can be more streams than the one that is waited for.
        let (sender, accepted) = async_channel::unbounded();
        let listening = builder.listen(async move |stream| {
            // Fails once the pair is complete; the stream of a later client is dropped.
            let _ = sender.try_send(stream);
            Ok(())
        });
        // A `match`, because `connect` inside a closure would record the closure's line instead of the
        // caller's.
        let started = match listening {
            Ok(listening) => {
                let connecting = listening.connect();
                Ok((listening, connecting))
            }
            Err(error) => Err(error),
        };
        async move {
            let (listening, connecting) = started?;
            let client = connecting.await?;
            loop {
                let closed = |_| listening.shared.closed_error();
                let server: TidyStream = accepted.recv().await.map_err(closed)?;
                if server.peer() == client.local() {
                    return Ok(Self { client, server, listening });
                }
            }
        }
    }

    /// Closes the server and both ends of the connection, as [`TidyServer::close`] does.
    ///
    /// # Errors
    ///
    /// The future fails with a [`LeakError`](super::LeakError), as that of [`TidyServer::close`].
    pub fn close(&self) -> CloseFuture {
        self.listening.close()
    }
}
