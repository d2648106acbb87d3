use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::future::block_on;
use futures_lite::io::{AsyncRead, AsyncWrite};

use super::{HttpError, Request, Response, USER_AGENT, bytes, request, status};

const GET: Request<'static> = Request { method: "GET", host: "localhost:8080", path: "/health", body: None };

/// A server with a prepared response. Each read returns at most `piece` bytes of it.
struct CannedServer<'a> {
    response: &'a [u8],
    piece: usize,
    received: Vec<u8>,
    /// The error of a read after the response; `None`: end-of-file.
    end: Option<io::ErrorKind>,
}

impl<'a> CannedServer<'a> {
    fn new(response: &'a [u8]) -> Self {
        Self { response, piece: usize::MAX, received: Vec::new(), end: None }
    }
}

impl AsyncRead for CannedServer<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = buf.len().min(self.piece).min(self.response.len());
        if let (0, Some(kind)) = (length, self.end) {
            return Poll::Ready(Err(kind.into()));
        }
        let (now, later) = self.response.split_at(length);
        buf[..length].copy_from_slice(now);
        self.response = later;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for CannedServer<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.received.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Returns the result of reading this response, and checks that it does not depend on the size of the reads.
#[track_caller]
fn outcome(response: &[u8]) -> String {
    let read = |piece, sent: &Request<'_>| {
        let mut server = CannedServer { piece, ..CannedServer::new(response) };
        describe(block_on(request(&mut server, sent, 20)))
    };
    let whole = read(usize::MAX, &GET);
    for piece in 1..response.len().min(500) {
        assert_eq!(read(piece, &GET), whole, "read by {piece}");
    }
    whole
}

fn describe(result: Result<Response, HttpError>) -> String {
    match result {
        Ok(Response { status, body }) => format!("{status} {}", String::from_utf8_lossy(&body)),
        Err(HttpError::Io(error)) => format!("{:?}", error.kind()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_request_has_its_method_path_fields_and_body() {
    let mut server = CannedServer::new(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(describe(block_on(request(&mut server, &GET, 0))), "204 ");
    let expected = format!(
        "GET /health HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(String::from_utf8_lossy(&server.received), expected);

    let post = Request { method: "POST", host: "[::1]:9515", path: "/session", body: Some(b"{}") };
    let expected = format!(
        "POST /session HTTP/1.1\r\nHost: [::1]:9515\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    assert_eq!(String::from_utf8_lossy(&bytes(&post)), expected);
}

#[test]
fn a_path_cannot_add_a_header_field() {
    let malicious = Request { path: "/a b\r\nX: y/ü?q=%20#\x7f", ..GET };
    let sent = String::from_utf8(bytes(&malicious)).expect("ASCII");
    assert!(sent.starts_with("GET /a%20b%0D%0AX:%20y/%C3%BC?q=%20#%7F HTTP/1.1\r\nHost:"), "{sent}");
}

#[test]
fn a_body_ends_where_its_head_says_so() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", "200 hello"),
        ("HTTP/1.0 200 OK\r\ncontent-length:  5 \r\n\r\nhello", "200 hello"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "200 hi"),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 "),
        ("\r\nHTTP/1.1 503 Sorry\nX: y\n\nuntil the end", "503 until the end"),
        ("HTTP/1.1 200 OK\r\n\r\n", "200 "),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 "),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nraw", "200 raw"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n12345678901234567890", "200 12345678901234567890"),
    ] {
        assert_eq!(outcome(answer.as_bytes()), expected, "{answer}");
    }
}

#[test]
fn chunks_are_joined_and_trailer_fields_are_ignored() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
    for (body, expected) in [
        ("5\r\nhello\r\n1;name=value\r\n!\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n", "200 hello!"),
        ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "200 01234567890123456789"),
        ("0\r\n\r\n", "200 "),
        ("5\r\nhello\r\n0\r\n", "200 hello"),
        ("A\r\n0123456789\r\nb\r\n0123456789x\r\n0\r\n\r\n", "the response is too large"),
        ("ffffffffffffffff\r\n", "the response is too large"),
        ("5\r\nhelloX\r\n", "the response is not HTTP"),
        ("hello\r\n", "the response is not HTTP"),
        ("5\r\nhello", "UnexpectedEof"),
        ("5\r\nhel", "UnexpectedEof"),
        ("5", "UnexpectedEof"),
        ("", "UnexpectedEof"),
    ] {
        assert_eq!(outcome(format!("{head}{body}").as_bytes()), expected, "{body}");
    }
}

#[test]
fn interim_responses_are_skipped() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let proper = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(outcome(format!("{interim}{proper}").as_bytes()), "200 hi");
    assert_eq!(outcome(interim.as_bytes()), "UnexpectedEof");
    assert_eq!(outcome(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "101 ");
}

#[test]
fn a_response_that_is_not_http_differs_from_one_that_is_too_short() {
    for answer in [
        "SSH-2.0-OpenSSH_10.0\r\n",
        "-ERR unknown command\r\n",
        "<html></html>",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 two\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "\0",
    ] {
        assert_eq!(outcome(answer.as_bytes()), "the response is not HTTP", "{answer}");
    }
    for answer in ["", "HTTP", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"] {
        assert_eq!(outcome(answer.as_bytes()), "UnexpectedEof", "{answer}");
    }
}

#[test]
fn memory_is_bounded() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(21)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(257)),
    ] {
        assert_eq!(outcome(answer.as_bytes()), "the response is too large");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(1 << 20));
    let mut server = CannedServer::new(endless.as_bytes());
    assert_eq!(describe(block_on(request(&mut server, &GET, 20))), "the response is too large");
    assert!(server.response.len() > 900_000, "it read the whole response");
}

#[test]
fn a_broken_connection_is_an_error_unless_only_the_status_is_read() {
    let cut = || CannedServer {
        end: Some(io::ErrorKind::ConnectionReset),
        ..CannedServer::new(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    };
    assert_eq!(describe(block_on(request(cut(), &GET, 20))), "ConnectionReset");
    assert_eq!(block_on(status(cut(), &GET, 20, std::future::pending())).expect("the head is there"), 200);
    let head = Request { method: "HEAD", ..GET };
    assert_eq!(describe(block_on(request(cut(), &head, 20))), "200 ");
}
