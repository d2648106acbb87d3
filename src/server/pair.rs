//! A server and a client, with both ends of their connection in hand.

use std::io;

use super::{CloseFuture, TidyServer, TidyServerBuilder, TidyStream};

/// A server with one client, and both ends of their connection, for the test of whatever reads and writes a stream.
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
    /// Listens, connects, and accepts.
    ///
    /// # Errors
    ///
    /// The system's; with a [`TidyError`](super::TidyError) inside if it cannot listen.
    #[track_caller]
    pub fn connect(builder: TidyServerBuilder) -> impl Future<Output = io::Result<Self>> + Send {
        let (give, accepted) = async_channel::bounded(1);
        let listening = builder.listen(async move |stream| {
            // Whoever comes after the pair is complete is not wanted.
            let _ = give.try_send(stream);
            Ok(())
        });
        // Not in a closure, which would be the line that is told.
        let opened = match listening {
            Ok(listening) => {
                let connecting = listening.connect();
                Ok((listening, connecting))
            }
            Err(error) => Err(error),
        };
        async move {
            let (listening, connecting) = opened?;
            let client = connecting.await?;
            loop {
                let server: TidyStream = accepted.recv().await.map_err(|_| listening.shared.closed())?;
                // A stranger may have been faster.
                if server.peer() == client.local() {
                    return Ok(Self { client, server, listening });
                }
            }
        }
    }

    /// Closes the server, and both ends; as [`TidyServer::close`].
    pub fn close(&self) -> CloseFuture {
        self.listening.close()
    }
}
