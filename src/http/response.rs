//! Reading a response from a stream.

use std::io;

use futures_lite::io::{AsyncRead, AsyncReadExt};
use httparse::Status;

use super::HttpError;

/// The longest response head, and the longest line before a chunk, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// The largest number of header fields.
const FIELD_LIMIT: usize = 256;

/// The number of bytes that one read asks for.
const READ_SIZE: usize = 8 * 1024;

/// A response that is being read.
pub(super) struct ResponseReader<S> {
    stream: S,
    /// Bytes that were read and not parsed yet.
    unused: Vec<u8>,
}

/// The status and the header fields that matter here.
pub(super) struct Head {
    pub(super) status: u16,
    length: Length,
}

/// The way to recognize the end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// After this number of bytes.
    Known(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection.
    UntilEnd,
}

impl Head {
    /// Returns how the body ends in a response to a request with this method.
    pub(super) fn length(&self, method: &str) -> Length {
        match self.status {
            204 | 304 => Length::Known(0),
            _ if method == "HEAD" => Length::Known(0),
            _ => self.length,
        }
    }
}

impl<S: AsyncRead + Unpin> ResponseReader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, unused: Vec::new() }
    }

    /// Reads the head of the final response, skipping interim responses such as 100 (Continue).
    pub(super) async fn head(&mut self) -> Result<Head, HttpError> {
        loop {
            match parse_head(&self.unused)? {
                Status::Complete((used, head)) => {
                    self.unused.drain(..used);
                    // No other response follows 101 (Switching Protocols).
                    if !matches!(head.status, 100 | 102..200) {
                        return Ok(head);
                    }
                }
                Status::Partial => self.read_more_of_head().await?,
            }
        }
    }

    /// Reads the body, of at most `limit` bytes.
    pub(super) async fn body(&mut self, length: Length, limit: usize) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        match length {
            Length::Known(length) => self.read_exact(length, &mut body, limit).await?,
            // The trailer fields are not read: the connection is not used again.
            Length::Chunked => loop {
                match self.chunk_size().await? {
                    0 => break,
                    size => self.read_exact(size, &mut body, limit).await?,
                }
                self.end_of_chunk().await?;
            },
            Length::UntilEnd => loop {
                body.append(&mut self.unused);
                if body.len() > limit {
                    return Err(HttpError::TooLarge);
                }
                if self.read().await? == 0 {
                    break;
                }
            },
        }
        Ok(body)
    }

    /// Reads `size` bytes and appends them to `body`.
    async fn read_exact(&mut self, size: u64, body: &mut Vec<u8>, limit: usize) -> Result<(), HttpError> {
        let room = limit.saturating_sub(body.len());
        let mut missing =
            usize::try_from(size).ok().filter(|size| *size <= room).ok_or(HttpError::TooLarge)?;
        loop {
            let here = missing.min(self.unused.len());
            body.extend(self.unused.drain(..here));
            missing -= here;
            if missing == 0 {
                return Ok(());
            }
            self.read_more().await?;
        }
    }

    async fn chunk_size(&mut self) -> Result<u64, HttpError> {
        loop {
            match httparse::parse_chunk_size(&self.unused).map_err(|_| HttpError::NotHttp)? {
                Status::Complete((used, size)) => {
                    self.unused.drain(..used);
                    return Ok(size);
                }
                Status::Partial => self.read_more_of_head().await?,
            }
        }
    }

    async fn end_of_chunk(&mut self) -> Result<(), HttpError> {
        while self.unused.len() < 2 {
            self.read_more().await?;
        }
        match self.unused.drain(..2).as_slice() {
            b"\r\n" => Ok(()),
            _ => Err(HttpError::NotHttp),
        }
    }

    async fn read_more_of_head(&mut self) -> Result<(), HttpError> {
        if self.unused.len() > HEAD_LIMIT {
            return Err(HttpError::TooLarge);
        }
        self.read_more().await
    }

    /// Reads at least one byte. The end of the stream is an error.
    async fn read_more(&mut self) -> Result<(), HttpError> {
        match self.read().await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        let before = self.unused.len();
        self.unused.resize(before + READ_SIZE, 0);
        let read = self.stream.read(&mut self.unused[before..]).await;
        self.unused.truncate(before + read.as_ref().unwrap_or(&0));
        read
    }
}

/// Parses the head at the beginning of `bytes`, and returns it with its length.
fn parse_head(bytes: &[u8]) -> Result<Status<(usize, Head)>, HttpError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELD_LIMIT];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(Status::Complete(used)) => {
            let status = response.code.expect("a complete head has a status");
            let length = length_of(response.headers)?;
            Ok(Status::Complete((used, Head { status, length })))
        }
        Ok(Status::Partial) => Ok(Status::Partial),
        Err(httparse::Error::TooManyHeaders) => Err(HttpError::TooLarge),
        Err(_) => Err(HttpError::NotHttp),
    }
}

/// Returns how the body ends. A transfer encoding takes precedence over a length; several lengths must be
/// equal.
fn length_of(fields: &[httparse::Header<'_>]) -> Result<Length, HttpError> {
    let mut known = None;
    for field in fields {
        let value = field.value.trim_ascii();
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
            let chunked = last.eq_ignore_ascii_case(b"chunked");
            return Ok(if chunked { Length::Chunked } else { Length::UntilEnd });
        }
        if field.name.eq_ignore_ascii_case("content-length") {
            let digits = value.iter().all(u8::is_ascii_digit);
            let length =
                std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
            match (known, length) {
                (None, Some(length)) => known = Some(length),
                (Some(before), Some(length)) if before == length => {}
                (_, _) => return Err(HttpError::NotHttp),
            }
        }
    }
    Ok(known.map_or(Length::UntilEnd, Length::Known))
}
