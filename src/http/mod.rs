//! A minimal HTTP/1.1 client: one request over one new connection. It is used for readiness probes of local
//! servers and for the JSON protocol of web drivers.
//!
//! The caller provides the connection and the timeout. There are no persistent connections, redirects or
//! compression. Memory is bounded: the head of a response to 64 KiB, the body to a limit that the caller
//! sets.

mod error;
mod response;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use futures_lite::future::or;
use futures_lite::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

pub(crate) use self::error::HttpError;

use self::response::ResponseReader;

/// The value of the `User-Agent` field. Some servers and proxies refuse requests without one.
const USER_AGENT: &str = concat!("childminder/", env!("CARGO_PKG_VERSION"));

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The method, such as `GET`.
    pub(crate) method: &'a str,
    /// The value of the `Host` field, such as `localhost:8080`.
    pub(crate) host: &'a str,
    /// The path, which begins with a slash. Bytes that are not allowed in a path are sent percent-encoded.
    pub(crate) path: &'a str,
    /// The body, which must be JSON.
    pub(crate) body: Option<&'a [u8]>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// The status code, such as 200.
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads the whole response, with a body of at most `limit` bytes.
///
/// # Errors
///
/// Returns an [`HttpError`] if the connection fails, the peer does not speak HTTP, or the response is too
/// large.
pub(crate) async fn request(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    limit: usize,
) -> Result<Response, HttpError> {
    let mut response = send(stream, request).await?;
    let head = response.head().await?;
    let body = response.body(head.length(request.method), limit).await?;
    Ok(Response { status: head.status, body })
}

/// Sends a request and returns the status of the response. The body is read and discarded: up to `limit`
/// bytes, and until `timeout` resolves. An error in the body is ignored.
///
/// # Errors
///
/// Returns an [`HttpError`] if there is no complete head of a response.
pub(crate) async fn status(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    limit: usize,
    timeout: impl Future<Output = ()>,
) -> Result<u16, HttpError> {
    let mut response = send(stream, request).await?;
    let head = response.head().await?;
    let body = async {
        let _ = response.body(head.length(request.method), limit).await;
    };
    or(body, timeout).await;
    Ok(head.status)
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &Request<'_>,
) -> Result<ResponseReader<S>, HttpError> {
    stream.write_all(&bytes(request)).await?;
    stream.flush().await?;
    Ok(ResponseReader::new(stream))
}

/// Returns the bytes of the request. They are sent in one piece, because a simple server may read only once.
fn bytes(request: &Request<'_>) -> Vec<u8> {
    let mut text = format!("{} ", request.method);
    for byte in request.path.bytes() {
        match byte {
            b'!'..=b'~' => text.push(byte.into()),
            _ => write!(text, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    write!(text, " HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n", request.host)
        .expect("writing to a string cannot fail");
    if let Some(body) = request.body {
        write!(text, "Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n", body.len())
            .expect("writing to a string cannot fail");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(request.body.unwrap_or_default());
    bytes
}
