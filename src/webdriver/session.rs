//! The session of a browser, and its commands.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::element::{Element, Locator};
use super::error::WebDriverError;
use super::kind::Capabilities;
use super::problem::CommandProblem;
use super::remote::{Method, Remote, segment};
use crate::service::RunningService;

/// The time that the browser may take to close before it is stopped by signals.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of output lines of the driver that an error shows.
const ERROR_TAIL: usize = 20;

/// An open session. Dropping it closes the session and the browser.
#[derive(Debug)]
pub(super) struct OpenSession {
    pub(super) remote: Remote,
    pub(super) id: String,
    pub(super) capabilities: Value,
    /// The timeout of a command.
    limit: Duration,
    closed: bool,
}

impl OpenSession {
    /// Opens a session, which starts the browser.
    pub(super) async fn new(
        remote: Remote,
        wanted: Capabilities,
        limit: Duration,
    ) -> Result<Self, CommandProblem> {
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let mut answer = remote.send(Method::Post, "session", &body, limit).await?;
        let id = answer.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        let id = id.ok_or_else(|| unexpected(&answer))?;
        let capabilities = answer.get_mut("capabilities").map(Value::take).unwrap_or_default();
        Ok(Self { remote, id, capabilities, limit, closed: false })
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, CommandProblem> {
        let mut whole = format!("session/{}", segment(&self.id));
        if !path.is_empty() {
            write!(whole, "/{}", path.trim_start_matches('/')).expect("writing to a string succeeds");
        }
        self.remote.send(method, &whole, body, self.limit).await
    }

    /// Closes the session, within a bounded time. If that fails, the stop of the driver ends the browser.
    pub(super) async fn close(&mut self) {
        self.closed = true;
        self.limit = self.limit.min(CLOSE_TIMEOUT);
        if let Err(problem) = self.send(Method::Delete, "", &Value::Null).await {
            log::debug!("the driver failed to close the browser: {problem}");
        }
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        if !self.closed {
            async_io::block_on(self.close());
        }
    }
}

/// The commands of a [`Browser`](super::Browser) for asynchronous code on any executor.
///
/// Each takes at most [`WebDriver::command_timeout`](crate::WebDriver::command_timeout). Dropping the future
/// of a command closes its connection; the browser may still finish the command.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    pub(super) open: &'a OpenSession,
    pub(super) service: &'a RunningService,
}

impl Session<'_> {
    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub async fn navigate(self, url: &str) -> Result<(), WebDriverError> {
        self.command(Method::Post, "url", json!({ "url": url })).await.map(drop)
    }

    /// Returns the title of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub async fn title(self) -> Result<String, WebDriverError> {
        self.text_of("title").await
    }

    /// Returns the address of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub async fn url(self) -> Result<String, WebDriverError> {
        self.text_of("url").await
    }

    /// Finds the first element that matches; a plain text is a CSS selector.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], for example if no element matches (`no such element`) or the selector is
    /// invalid.
    pub async fn find(self, locator: impl Into<Locator>) -> Result<Element, WebDriverError> {
        let value = self.command(Method::Post, "element", Value::from(&locator.into())).await?;
        Element::from_answer(&value).ok_or_else(|| self.failed(Method::Post, "element", unexpected(&value)))
    }

    /// Scrolls to an element and clicks on it.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], for example if the element is gone or covered by another one.
    pub async fn click(self, element: &Element) -> Result<(), WebDriverError> {
        let path = format!("element/{}/click", segment(element.id()));
        self.command(Method::Post, &path, Value::Null).await.map(drop)
    }

    /// Returns the visible text of an element.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], for example if the element is gone.
    pub async fn text(self, element: &Element) -> Result<String, WebDriverError> {
        self.text_of(&format!("element/{}/text", segment(element.id()))).await
    }

    /// Returns a picture of the visible part of the page as a PNG file.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub async fn screenshot(self) -> Result<Vec<u8>, WebDriverError> {
        let text = self.text_of("screenshot").await?;
        BASE64_STANDARD
            .decode(&text)
            .map_err(|_| self.failed(Method::Get, "screenshot", unexpected(&Value::String(text))))
    }

    /// Sets the size of the window in CSS pixels.
    pub(super) async fn resize(self, width: u32, height: u32) -> Result<(), WebDriverError> {
        let size = json!({ "width": width, "height": height });
        self.command(Method::Post, "window/rect", size).await.map(drop)
    }

    /// Sends any other command and returns its result. `path` is relative to the session, such as
    /// `execute/sync`. Only a POST has parameters; `Value::Null` stands for none.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub async fn command(self, method: Method, path: &str, body: Value) -> Result<Value, WebDriverError> {
        self.open.send(method, path, &body).await.map_err(|problem| self.failed(method, path, problem))
    }

    async fn text_of(self, path: &str) -> Result<String, WebDriverError> {
        match self.command(Method::Get, path, Value::Null).await? {
            Value::String(text) => Ok(text),
            other => Err(self.failed(Method::Get, path, unexpected(&other))),
        }
    }

    fn failed(self, method: Method, path: &str, problem: CommandProblem) -> WebDriverError {
        failed(format!("{method} {path}"), problem, self.service)
    }
}

/// Creates the error of a command, with the last output of the driver.
pub(super) fn failed(command: String, problem: CommandProblem, service: &RunningService) -> WebDriverError {
    WebDriverError::Command { command, problem, tail: service.tail(ERROR_TAIL) }
}

/// Creates the problem for a response that does not follow the standard.
fn unexpected(value: &Value) -> CommandProblem {
    CommandProblem::not_webdriver(200, value.to_string().as_bytes())
}
