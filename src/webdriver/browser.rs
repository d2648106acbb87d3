//! A browser that is up.

use std::path::Path;

use serde_json::Value;

use super::directory::PrivateDir;
use super::element::{Element, Locator};
use super::error::WebDriverError;
use super::remote::Method;
use super::session::{Open, Session};
use crate::service::RunningService;

/// A browser that is up, and goes when this goes, with its driver, all their processes, and its directory.
///
/// The commands wait for their answers, as synchronous tests want it; [`session`](Self::session) has the same for
/// asynchronous code. Each takes at most the time that
/// [`WebDriver::command_timeout`](super::WebDriver::command_timeout) says.
///
/// Dropping it closes it and waits for that, also when a test panics: usually some 0.2 s, and never more than half a
/// minute, however stubborn the browser is. [`close`](Self::close) does the same and says how it went.
#[derive(Debug)]
#[must_use = "the browser is closed when this is dropped"]
pub struct Browser {
    // What comes first ends first.
    open: Open,
    service: RunningService,
    dir: PrivateDir,
}

impl Browser {
    pub(super) fn new(open: Open, service: RunningService, dir: PrivateDir) -> Self {
        Self { open, service, dir }
    }
}

/// Where it is.
impl Browser {
    /// The commands, for asynchronous code.
    pub fn session(&self) -> Session<'_> {
        Session { open: &self.open, service: &self.service }
    }

    /// Where the driver takes commands, such as `http://localhost:4444`: for any other client of WebDriver, together
    /// with the [`session_id`](Self::session_id).
    pub fn base_url(&self) -> String {
        self.open.remote.url()
    }

    /// The id of the session.
    pub fn session_id(&self) -> &str {
        &self.open.id
    }

    /// What the browser can do, as its driver says: name, version, time-outs, …
    pub fn capabilities(&self) -> &Value {
        &self.open.capabilities
    }

    /// The private directory, where the browser writes. It is removed at the end.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The driver: its process id, its output, …
    pub fn service(&self) -> &RunningService {
        &self.service
    }
}

/// Commands.
impl Browser {
    /// Loads a page, and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`], as for all commands: which one, why, and what the driver said last.
    pub fn navigate(&self, url: &str) -> Result<(), WebDriverError> {
        async_io::block_on(self.session().navigate(url))
    }

    /// The title of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn title(&self) -> Result<String, WebDriverError> {
        async_io::block_on(self.session().title())
    }

    /// The address of the page.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn url(&self) -> Result<String, WebDriverError> {
        async_io::block_on(self.session().url())
    }

    /// Finds the first such element; a plain text is a CSS selector. It must be there: to have the browser wait for it,
    /// set the capability `timeouts` to `{"implicit": 5000}` (milliseconds).
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`]: there is none (`no such element`), or the selector is none.
    pub fn find(&self, locator: impl Into<Locator>) -> Result<Element, WebDriverError> {
        async_io::block_on(self.session().find(locator))
    }

    /// Clicks on an element, after it was scrolled to.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`]: it is not there any more, or something lies over it.
    pub fn click(&self, element: &Element) -> Result<(), WebDriverError> {
        async_io::block_on(self.session().click(element))
    }

    /// The text of an element, as a reader sees it.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`]: it is not there any more.
    pub fn text(&self, element: &Element) -> Result<String, WebDriverError> {
        async_io::block_on(self.session().text(element))
    }

    /// A picture of what is to be seen of the page, as a PNG file.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn screenshot(&self) -> Result<Vec<u8>, WebDriverError> {
        async_io::block_on(self.session().screenshot())
    }

    /// Any other command: its method, its path below the session, such as `execute/sync`, and its parameters. Only a POST
    /// has some; `Value::Null` stands for none. Returns its result.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Command`].
    pub fn command(&self, method: Method, path: &str, body: Value) -> Result<Value, WebDriverError> {
        async_io::block_on(self.session().command(method, path, body))
    }
}

/// The end.
impl Browser {
    /// Closes the browser, stops its driver, kills what is left of them, and removes the directory (PJ-5). When this
    /// returns `Ok`, all of that is gone. A browser that had died before is no error.
    ///
    /// # Errors
    ///
    /// [`WebDriverError::Stop`] and [`WebDriverError::Left`] name who has outlived KILL; [`WebDriverError::Remove`] says
    /// why the directory is still there.
    pub fn close(self) -> Result<(), WebDriverError> {
        async_io::block_on(self.close_async())
    }

    /// The same for asynchronous code.
    ///
    /// # Errors
    ///
    /// As for [`close`](Self::close).
    pub async fn close_async(self) -> Result<(), WebDriverError> {
        let Self { mut open, service, dir } = self;
        open.close().await;
        end(service, dir).await
    }
}

/// Stops the driver, and takes along whatever it leaves.
pub(super) async fn end(service: RunningService, mut dir: PrivateDir) -> Result<(), WebDriverError> {
    let stopped = service.stop_async().await;
    let cleared = dir.clear().await;
    stopped.map_err(WebDriverError::Stop)?;
    cleared
}
