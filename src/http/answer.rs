//! The answer, as it comes in.

use std::io;

use futures_lite::io::{AsyncRead, AsyncReadExt};
use httparse::Status;

use super::HttpError;

/// So long may a head be, or the line before a chunk.
const HEAD_LIMIT: usize = 64 * 1024;

/// So many fields may be in a head.
const FIELD_LIMIT: usize = 256;

/// So much is asked of the stream at a time.
const PIECE: usize = 8 * 1024;

/// What has come of it and is not used up.
pub(super) struct Answer<S> {
    stream: S,
    unused: Vec<u8>,
}

/// The part before the body.
pub(super) struct Head {
    pub(super) status: u16,
    length: Length,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// After so many bytes.
    Known(u64),
    /// Each of its chunks says.
    Chunked,
    /// With the connection.
    UntilEnd,
}

impl Head {
    /// Where the body ends that answers a request of this method.
    pub(super) fn length(&self, method: &str) -> Length {
        match self.status {
            204 | 304 => Length::Known(0),
            _ if method == "HEAD" => Length::Known(0),
            _ => self.length,
        }
    }
}

impl<S: AsyncRead + Unpin> Answer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, unused: Vec::new() }
    }

    /// The head of the answer proper: those that only say "go on", or "soon", are skipped.
    pub(super) async fn head(&mut self) -> Result<Head, HttpError> {
        loop {
            match parse_head(&self.unused)? {
                Status::Complete((used, head)) => {
                    self.unused.drain(..used);
                    // 101 is no promise of another answer.
                    if !matches!(head.status, 100 | 102..200) {
                        return Ok(head);
                    }
                }
                Status::Partial => self.more_of_a_head().await?,
            }
        }
    }

    /// The body, of at most `limit` bytes.
    pub(super) async fn body(&mut self, length: Length, limit: usize) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        match length {
            Length::Known(length) => self.take(length, &mut body, limit).await?,
            // The fields after the last chunk do not matter, for nothing else comes over this connection.
            Length::Chunked => loop {
                match self.chunk_size().await? {
                    0 => break,
                    size => self.take(size, &mut body, limit).await?,
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

    /// Moves `size` bytes to `body`.
    async fn take(&mut self, size: u64, body: &mut Vec<u8>, limit: usize) -> Result<(), HttpError> {
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
            self.more().await?;
        }
    }

    async fn chunk_size(&mut self) -> Result<u64, HttpError> {
        loop {
            match httparse::parse_chunk_size(&self.unused).map_err(|_| HttpError::NotHttp)? {
                Status::Complete((used, size)) => {
                    self.unused.drain(..used);
                    return Ok(size);
                }
                Status::Partial => self.more_of_a_head().await?,
            }
        }
    }

    async fn end_of_chunk(&mut self) -> Result<(), HttpError> {
        while self.unused.len() < 2 {
            self.more().await?;
        }
        match self.unused.drain(..2).as_slice() {
            b"\r\n" => Ok(()),
            _ => Err(HttpError::NotHttp),
        }
    }

    async fn more_of_a_head(&mut self) -> Result<(), HttpError> {
        if self.unused.len() > HEAD_LIMIT {
            return Err(HttpError::TooLarge);
        }
        self.more().await
    }

    /// Reads something; the end is too early.
    async fn more(&mut self) -> Result<(), HttpError> {
        match self.read().await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        let before = self.unused.len();
        self.unused.resize(before + PIECE, 0);
        let read = self.stream.read(&mut self.unused[before..]).await;
        self.unused.truncate(before + read.as_ref().unwrap_or(&0));
        read
    }
}

/// The head at the beginning of `bytes`, and how long it is.
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

/// An encoding of the transfer counts more than a length; of several lengths all must say the same.
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
