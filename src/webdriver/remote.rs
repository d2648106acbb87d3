//! The connection to a driver: one command per connection.
//!
//! A command is an HTTP request with a JSON object as its body. The response is a JSON object whose member
//! `value` holds the result, or `error`, `message` and `stacktrace` if the status is not 200.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use async_io::Async;
use futures_lite::future::or;
use serde_json::{Value, json};

use super::problem::CommandProblem;
use super::sleep;
use crate::http::{self, Request};

/// The limit for the size of a response. A screenshot of a large page has some megabytes.
const LARGEST_RESPONSE: usize = 256 * 1024 * 1024;

/// The HTTP method of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads a property.
    Get,
    /// Changes a property, or performs an action.
    Post,
    /// Deletes an object.
    Delete,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A driver on a port of this machine.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    port: u16,
    base: String,
}

impl Remote {
    /// Describes the driver on `port` whose paths begin with `base`.
    pub(super) fn new(port: u16, base: &str) -> Self {
        let base = base.trim_matches('/');
        let base = if base.is_empty() { String::new() } else { format!("/{base}") };
        Self { port, base }
    }

    /// Returns the address of the driver for other clients.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}{}", self.port, self.base)
    }

    /// Sends a command and waits for its response for at most `limit`. A POST without a body gets an empty
    /// object, which the standard requires.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<Value, CommandProblem> {
        let timeout = async {
            sleep(limit).await;
            Err(CommandProblem::TimedOut(limit))
        };
        or(self.exchange(method, path, body), timeout).await
    }

    async fn exchange(&self, method: Method, path: &str, body: &Value) -> Result<Value, CommandProblem> {
        let body = match (method, body) {
            (Method::Get | Method::Delete, _) => None,
            (Method::Post, Value::Null) => Some(json!({}).to_string()),
            (Method::Post, body) => Some(body.to_string()),
        };
        let request = Request {
            method: method.as_str(),
            host: &format!("localhost:{}", self.port),
            path: &format!("{}/{path}", self.base),
            body: body.as_deref().map(str::as_bytes),
        };
        let stream = self.connect().await.map_err(CommandProblem::Io)?;
        let answer = http::request(stream, &request, LARGEST_RESPONSE).await?;
        parse_response(answer.status, &answer.body)
    }

    async fn connect(&self) -> io::Result<Async<TcpStream>> {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, self.port));
        match Async::<TcpStream>::connect(v4).await {
            Ok(stream) => Ok(stream),
            Err(error) => Async::<TcpStream>::connect(v6).await.map_err(|_| error),
        }
    }
}

/// Returns the value of a response, or the error of the driver.
fn parse_response(status: u16, body: &[u8]) -> Result<Value, CommandProblem> {
    let invalid = || CommandProblem::not_webdriver(status, body);
    let mut answer: Value = serde_json::from_slice(body).map_err(|_| invalid())?;
    let value = answer.get_mut("value").map(Value::take).ok_or_else(invalid)?;
    if status == 200 {
        return Ok(value);
    }
    let text = |member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    Err(CommandProblem::Refused {
        error: text("error").ok_or_else(invalid)?,
        message: text("message").unwrap_or_default(),
        stacktrace: text("stacktrace").unwrap_or_default(),
    })
}

/// Encodes one segment of a path, such as an id, so that it has no special characters.
pub(super) fn segment(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_normalized() {
        for (base, url) in [("", ""), ("/", ""), ("wd/hub", "/wd/hub"), ("/wd/hub/", "/wd/hub")] {
            assert_eq!(Remote::new(4444, base).url(), format!("http://localhost:4444{url}"));
        }
    }

    #[test]
    fn an_id_is_encoded_as_one_path_segment() {
        assert_eq!(segment("f.0A-1_~"), "f.0A-1_~");
        assert_eq!(segment("a/../b?c#d%\u{fc} \r\n"), "a%2F..%2Fb%3Fc%23d%25%C3%BC%20%0D%0A");
    }

    #[test]
    fn a_response_is_a_value_or_an_error_or_not_webdriver() {
        let describe = |status, body: &str| match parse_response(status, body.as_bytes()) {
            Ok(value) => format!("value {value}"),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(describe(200, r#"{"value":null}"#), "value null");
        assert_eq!(
            describe(200, r#"{"value":{"error":"a value of the page"}}"#),
            r#"value {"error":"a value of the page"}"#
        );
        let repeated =
            r#"{"value":{"error":"no such element","message":"no such element: #x\n","stacktrace":""}}"#;
        assert_eq!(describe(404, repeated), "no such element: #x");
        assert_eq!(describe(408, r#"{"value":{"error":"timeout","message":"slow"}}"#), "timeout: slow");
        assert_eq!(describe(500, r#"{"value":{"error":"timeout"}}"#), "timeout");
        for (status, body) in
            [(200, "<html>"), (200, "{}"), (404, r#"{"value":null}"#), (502, ""), (200, "7")]
        {
            assert_eq!(
                describe(status, body),
                format!("the response is not WebDriver: status {status}, {body:?}")
            );
        }
    }

    #[test]
    fn an_invalid_response_is_quoted_only_in_part() {
        let text = parse_response(200, &[b'x'; 10_000]).unwrap_err().to_string();
        assert!(text.len() < 300, "{text}");
    }
}
