//! A session: one browser, from its opening to its end, and what it is told to do.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::element::{Element, Locator};
use super::error::WebDriverError;
use super::family::Capabilities;
use super::problem::CommandProblem;
use super::remote::{Method, Remote, segment};
use crate::service::RunningService;

/// How long the browser may take to close, before it is stopped in a ruder way.
const FAREWELL: Duration = Duration::from_secs(5);

/// How many of the driver's last lines an error tells.
const LAST_WORDS: usize = 20;

/// A session that is open. Dropping it closes it, and with it the browser.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) remote: Remote,
    pub(super) id: String,
    pub(super) capabilities: Value,
    /// How long a command may take.
    limit: Duration,
    closed: bool,
}

impl Open {
    /// Opens one with a driver: starts the browser.
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
            write!(whole, "/{}", path.trim_start_matches('/')).expect("a string takes all that is written");
        }
        self.remote.send(method, &whole, body, self.limit).await
    }

    /// Closes it, within a bounded time. A browser that does not obey, or has died, is left to whoever stops the driver.
    pub(super) async fn close(&mut self) {
        self.closed = true;
        self.limit = self.limit.min(FAREWELL);
        if let Err(problem) = self.send(Method::Delete, "", &Value::Null).await {
            log::debug!("the browser was not closed by its driver: {problem}");
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.closed {
            async_io::block_on(self.close());
        }
    }
}

/// The commands of a [`Browser`](super::Browser), for asynchronous code on any executor.
///
/// Each takes at most the time that [`WebDriver::command_timeout`](super::WebDriver::command_timeout) says. Dropping the
/// future of a command closes its connection; what the browser has begun it may finish.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    pub(super) open: &'a Open,
    pub(super) service: &'a RunningService,
}

impl Session<'_> {
    /// Loads a page, and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], as for all commands.
    pub async fn navigate(self, url: &str) -> Result<(), WebDriverError> {
        self.command(Method::Post, "url", json!({ "url": url })).await.map(drop)
    }

    /// The title of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub async fn title(self) -> Result<String, WebDriverError> {
        self.text_of("title").await
    }

    /// The address of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub async fn url(self) -> Result<String, WebDriverError> {
        self.text_of("url").await
    }

    /// Finds the first such element; a plain text is a CSS selector.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`]: there is none (`no such element`), or the selector is none.
    pub async fn find(self, locator: impl Into<Locator>) -> Result<Element, WebDriverError> {
        let value = self.command(Method::Post, "element", Value::from(&locator.into())).await?;
        Element::from_answer(&value).ok_or_else(|| self.failed(Method::Post, "element", unexpected(&value)))
    }

    /// Clicks on an element, after it was scrolled to.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`]: it is not there any more, or something lies over it.
    pub async fn click(self, element: &Element) -> Result<(), WebDriverError> {
        let path = format!("element/{}/click", segment(element.id()));
        self.command(Method::Post, &path, Value::Null).await.map(drop)
    }

    /// The text of an element, as a reader sees it.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`]: it is not there any more.
    pub async fn text(self, element: &Element) -> Result<String, WebDriverError> {
        self.text_of(&format!("element/{}/text", segment(element.id()))).await
    }

    /// A picture of what is to be seen of the page, as a PNG file.
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

    /// Gives the window this size, in CSS pixels.
    pub(super) async fn resize(self, width: u32, height: u32) -> Result<(), WebDriverError> {
        let size = json!({ "width": width, "height": height });
        self.command(Method::Post, "window/rect", size).await.map(drop)
    }

    /// Any other command: its method, its path below the session, such as `execute/sync`, and its parameters. Only a POST
    /// has some; `Value::Null` stands for none. Returns its result.
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

/// The error of a command, with the last words of the driver.
pub(super) fn failed(command: String, problem: CommandProblem, service: &RunningService) -> WebDriverError {
    WebDriverError::Command { command, problem, tail: service.tail(LAST_WORDS) }
}

/// An answer that is not what the standard says.
fn unexpected(value: &Value) -> CommandProblem {
    CommandProblem::not_webdriver(200, value.to_string().as_bytes())
}
