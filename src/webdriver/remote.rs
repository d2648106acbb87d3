//! The program at the other end: one command, one connection, one answer.
//!
//! A command is an HTTP request with a JSON object as its body; an answer is a JSON object with the member `value`. What
//! is in there is the command's result, or `error`, `message` and `stacktrace` when the status is not 200.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use async_io::Async;
use futures_lite::future::or;
use futures_timer::Delay;
use serde_json::{Value, json};

use super::problem::CommandProblem;
use crate::http::{self, Request};

/// The largest answer. A screenshot of a large page has some megabytes.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// What is done to the thing that a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read it.
    Get,
    /// Change it, or do it.
    Post,
    /// End it.
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

/// A program that speaks WebDriver, on a port of this machine.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    port: u16,
    base: String,
}

impl Remote {
    /// The program on `port`, whose paths begin with `base`.
    pub(super) fn new(port: u16, base: &str) -> Self {
        let base = base.trim_matches('/');
        let base = if base.is_empty() { String::new() } else { format!("/{base}") };
        Self { port, base }
    }

    /// Where any other client finds it.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}{}", self.port, self.base)
    }

    /// Sends a command, and waits for its answer at most for `limit`. A POST without a body gets an empty object, as the
    /// standard wants it.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<Value, CommandProblem> {
        let late = async {
            Delay::new(limit).await;
            Err(CommandProblem::TimedOut(limit))
        };
        or(self.exchange(method, path, body), late).await
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
        let answer = http::request(stream, &request, LARGEST_ANSWER).await?;
        understand(answer.status, &answer.body)
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

/// The value of an answer, or what the program refused it with.
fn understand(status: u16, body: &[u8]) -> Result<Value, CommandProblem> {
    let foreign = || CommandProblem::not_webdriver(status, body);
    let mut answer: Value = serde_json::from_slice(body).map_err(|_| foreign())?;
    let value = answer.get_mut("value").map(Value::take).ok_or_else(foreign)?;
    if status == 200 {
        return Ok(value);
    }
    let text = |member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    Err(CommandProblem::Refused {
        error: text("error").ok_or_else(foreign)?,
        message: text("message").unwrap_or_default(),
        stacktrace: text("stacktrace").unwrap_or_default(),
    })
}

/// One part of a path, such as an id: nothing in it has a meaning.
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
    fn where_a_program_is_found_has_one_spelling() {
        for (base, url) in [("", ""), ("/", ""), ("wd/hub", "/wd/hub"), ("/wd/hub/", "/wd/hub")] {
            assert_eq!(Remote::new(4444, base).url(), format!("http://localhost:4444{url}"));
        }
    }

    #[test]
    fn an_id_cannot_break_out_of_its_part_of_the_path() {
        assert_eq!(segment("f.0A-1_~"), "f.0A-1_~");
        assert_eq!(segment("a/../b?c#d%\u{fc} \r\n"), "a%2F..%2Fb%3Fc%23d%25%C3%BC%20%0D%0A");
    }

    #[test]
    fn an_answer_is_a_value_or_a_refusal_or_not_webdriver() {
        let tell = |status, body: &str| match understand(status, body.as_bytes()) {
            Ok(value) => format!("value {value}"),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(tell(200, r#"{"value":null}"#), "value null");
        assert_eq!(
            tell(200, r#"{"value":{"error":"a page may say so"}}"#),
            r#"value {"error":"a page may say so"}"#
        );
        let said_twice =
            r#"{"value":{"error":"no such element","message":"no such element: #x\n","stacktrace":""}}"#;
        assert_eq!(tell(404, said_twice), "no such element: #x");
        assert_eq!(tell(408, r#"{"value":{"error":"timeout","message":"slow"}}"#), "timeout: slow");
        assert_eq!(tell(500, r#"{"value":{"error":"timeout"}}"#), "timeout");
        for (status, body) in
            [(200, "<html>"), (200, "{}"), (404, r#"{"value":null}"#), (502, ""), (200, "7")]
        {
            assert_eq!(tell(status, body), format!("the answer is not WebDriver: status {status}, {body:?}"));
        }
    }

    #[test]
    fn of_a_foreign_answer_only_the_beginning_is_told() {
        let told = understand(200, &[b'x'; 10_000]).unwrap_err().to_string();
        assert!(told.len() < 300, "{told}");
    }
}
