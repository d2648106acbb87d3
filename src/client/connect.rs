//! How a connection comes about: the seam between the service and whatever it connects to.

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::setback::ConnectError;

/// Something that connects: once each time it is asked, and nothing is retried.
///
/// [`TcpConnector`](super::TcpConnector) and [`UnixConnector`](super::UnixConnector) are ready-made. Any closure that returns a future is one as well, so a
/// TLS or WebSocket handshake fits without further ado:
///
/// ```no_run
/// use std::net::TcpStream;
///
/// use async_io::Async;
/// use childminder::client::Socket;
/// use childminder::{ClientService, System};
///
/// let connect = || async {
///     let stream = Async::<TcpStream>::connect(([127, 0, 0, 1], 6379)).await?;
///     // … a handshake, which returns a stream around the stream …
///     Ok::<_, std::io::Error>(Socket::from(stream))
/// };
/// let service = ClientService::background(System::new(), connect)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Connector: Send + Sync + 'static {
    /// What a connection is read and written through. Its [`poll_close`](AsyncWrite::poll_close) should tell the peer that
    /// the connection is to end, or a stop takes all of its grace; see [`Socket`](super::Socket).
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects. The service drops the future when it is stopped, or the attempt takes too long: whatever was open by
    /// then is to be closed by that.
    fn connect(&self) -> impl Future<Output = Result<Self::Stream, ConnectError>> + Send;

    /// What is connected to, for the log. Default: `the server`.
    fn target(&self) -> String {
        "the server".to_owned()
    }
}

impl<F, A, S, E> Connector for F
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output = Result<S, E>> + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<ConnectError>,
{
    type Stream = S;

    async fn connect(&self) -> Result<S, ConnectError> {
        self().await.map_err(Into::into)
    }
}
