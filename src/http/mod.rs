//! One HTTP/1.1 request over one fresh connection: enough to ask a server of this machine whether it is well, and to
//! speak to one that takes commands.
//!
//! The connection is the caller's, and so is the time limit. Nothing is kept alive, nothing redirected, nothing
//! decompressed. What is bounded here is memory: the head of an answer to 64 KiB, the body to what the caller says.

mod answer;
mod error;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use futures_lite::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

pub(crate) use self::error::HttpError;

use self::answer::Answer;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Such as `GET`.
    pub(crate) method: &'a str,
    /// Whom the server is to take itself for, such as `localhost:8080`.
    pub(crate) host: &'a str,
    /// Begins with a slash. What may not be in a path is sent percent-encoded.
    pub(crate) path: &'a str,
    /// JSON, if anything.
    pub(crate) body: Option<&'a [u8]>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// Such as 200.
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Asks, and reads the whole answer, of which the body may have `limit` bytes.
///
/// # Errors
///
/// [`HttpError`]: the connection broke, or what came is not HTTP, or too much.
pub(crate) async fn request(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    limit: usize,
) -> Result<Response, HttpError> {
    let mut answer = ask(stream, request).await?;
    let head = answer.head().await?;
    let body = answer.body(head.length(request.method), limit).await?;
    Ok(Response { status: head.status, body })
}

/// Asks, and reads only as far as the status.
///
/// # Errors
///
/// As [`request`].
pub(crate) async fn status(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
) -> Result<u16, HttpError> {
    Ok(ask(stream, request).await?.head().await?.status)
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &Request<'_>,
) -> Result<Answer<S>, HttpError> {
    stream.write_all(&bytes(request)).await?;
    stream.flush().await?;
    Ok(Answer::new(stream))
}

/// The request as it is sent, in one piece: a server may not wait for the second one.
fn bytes(request: &Request<'_>) -> Vec<u8> {
    let mut text = format!("{} ", request.method);
    for byte in request.path.bytes() {
        match byte {
            b'!'..=b'~' => text.push(byte.into()),
            _ => write!(text, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    write!(text, " HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", request.host)
        .expect("a string takes everything");
    if let Some(body) = request.body {
        write!(text, "Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n", body.len())
            .expect("a string takes everything");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(request.body.unwrap_or_default());
    bytes
}
