//! A running browser.

use std::path::Path;

use serde_json::Value;

use super::directory::PrivateDir;
use super::element::{Element, Locator};
use super::error::WebDriverError;
use super::remote::Method;
use super::session::{OpenSession, Session};
use crate::service::RunningService;

/// A running browser, from [`WebDriver::start`](crate::WebDriver::start). It is closed when this is dropped,
/// with its driver, all their processes, and its directory.
///
/// The commands block until their response arrives; [`session`](Self::session) has them for asynchronous
/// code. Each takes at most [`WebDriver::command_timeout`](crate::WebDriver::command_timeout).
///
/// The drop waits until everything is gone, also when a test panics: usually some 0.2 s, and at most half a
/// minute. [`close`](Self::close) does the same and returns errors.
///
/// ```no_run
/// use childminder::WebDriver;
/// use childminder::webdriver::Locator;
///
/// let browser = WebDriver::geckodriver().start()?;
/// browser.navigate("http://localhost:8000/")?;
/// let link = browser.find(Locator::LinkText("Log in".into()))?;
/// browser.click(&link)?;
/// browser.close()?;
/// # Ok::<(), childminder::webdriver::WebDriverError>(())
/// ```
#[derive(Debug)]
#[must_use = "the browser is closed when this is dropped"]
pub struct Browser {
    // The fields are dropped in this order.
    open: OpenSession,
    service: RunningService,
    dir: PrivateDir,
}

impl Browser {
    pub(super) fn new(open: OpenSession, service: RunningService, dir: PrivateDir) -> Self {
        Self { open, service, dir }
    }
}

/// Access for other clients.
impl Browser {
    /// Returns the commands for asynchronous code.
    pub fn session(&self) -> Session<'_> {
        Session { open: &self.open, service: &self.service }
    }

    /// Returns the address of the driver, such as `http://localhost:4444`, for another WebDriver client. It
    /// needs the [`session_id`](Self::session_id) as well.
    pub fn base_url(&self) -> String {
        self.open.remote.url()
    }

    /// Returns the id of the session.
    pub fn session_id(&self) -> &str {
        &self.open.id
    }

    /// Returns the capabilities that the driver has reported: name, version, timeouts, …
    pub fn capabilities(&self) -> &Value {
        &self.open.capabilities
    }

    /// Returns the private directory in which the browser writes. It is removed with the browser.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the driver as a service, with its process id, its output, …
    pub fn service(&self) -> &RunningService {
        &self.service
    }
}

/// Commands.
impl Browser {
    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], with the command, the problem, and the last output of the driver.
    pub fn navigate(&self, url: &str) -> Result<(), WebDriverError> {
        async_io::block_on(self.session().navigate(url))
    }

    /// Returns the title of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn title(&self) -> Result<String, WebDriverError> {
        async_io::block_on(self.session().title())
    }

    /// Returns the address of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn url(&self) -> Result<String, WebDriverError> {
        async_io::block_on(self.session().url())
    }

    /// Finds the first element that matches; a plain text is a CSS selector. To have the browser wait for the
    /// element, set the capability `timeouts` to `{"implicit": 5000}` (milliseconds).
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], for example if no element matches (`no such element`) or the selector is
    /// invalid.
    pub fn find(&self, locator: impl Into<Locator>) -> Result<Element, WebDriverError> {
        async_io::block_on(self.session().find(locator))
    }

    /// Scrolls to an element and clicks on it.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], for example if the element is gone or covered by another one.
    pub fn click(&self, element: &Element) -> Result<(), WebDriverError> {
        async_io::block_on(self.session().click(element))
    }

    /// Returns the visible text of an element.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], for example if the element is gone.
    pub fn text(&self, element: &Element) -> Result<String, WebDriverError> {
        async_io::block_on(self.session().text(element))
    }

    /// Returns a picture of the visible part of the page as a PNG file.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn screenshot(&self) -> Result<Vec<u8>, WebDriverError> {
        async_io::block_on(self.session().screenshot())
    }

    /// Sends any other command and returns its result. `path` is relative to the session, such as
    /// `execute/sync`. Only a POST has parameters; `Value::Null` stands for none.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn command(&self, method: Method, path: &str, body: Value) -> Result<Value, WebDriverError> {
        async_io::block_on(self.session().command(method, path, body))
    }
}

/// Closing.
impl Browser {
    /// Closes the browser, stops its driver, kills their remaining processes, and removes the directory. When
    /// this returns `Ok`, all of that is gone. It is not an error if the browser has died before.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Stop`] and [`WebDriverError::Left`] name processes that survived KILL;
    /// [`WebDriverError::Remove`] has the reason why the directory could not be removed.
    pub fn close(self) -> Result<(), WebDriverError> {
        async_io::block_on(self.close_async())
    }

    /// Closes the browser like [`close`](Self::close), for asynchronous code.
    ///
    /// # Errors
    ///
    /// Those of [`close`](Self::close).
    pub async fn close_async(self) -> Result<(), WebDriverError> {
        let Self { mut open, service, dir } = self;
        open.close().await;
        end(service, dir).await
    }
}

/// Stops the driver, kills the remaining processes, and removes the directory.
pub(super) async fn end(service: RunningService, mut dir: PrivateDir) -> Result<(), WebDriverError> {
    let stopped = service.stop_async().await;
    let cleared = dir.clear().await;
    stopped.map_err(WebDriverError::Stop)?;
    cleared
}
