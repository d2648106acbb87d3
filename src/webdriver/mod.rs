//! Browsers for tests: started with their driver, controlled by WebDriver, and gone with all their processes
//! when the test ends.
//!
//! WebDriver is the W3C protocol for controlling browsers: a program beside the browser, the *driver*, takes
//! commands by HTTP. A [`WebDriver`](crate::WebDriver) describes that program and the browser. Its start
//! takes these steps:
//!
//! 1. A port is reserved, and a private directory is created for the profile and all other files of browser
//!    and driver.
//! 2. The driver is started as a [`Service`](crate::Service). It is ready when it has printed its message and
//!    listens.
//! 3. A session with the requested capabilities is opened, which starts the browser.
//!
//! The end takes these steps in reverse order. The session is closed, and the browser with it; then the
//! driver is stopped with all its processes; then processes of the browser that have left them are found and
//! killed; then no process writes to the directory any more, and it is removed. The order is enforced by
//! ownership: each part of a [`Browser`] ends itself when it is dropped, and they are dropped in this order,
//! also during a panic. What one part cannot do because it has failed is left to the next one.

mod browser;
mod directory;
mod element;
mod error;
mod kind;
mod leftover;
mod problem;
pub(crate) mod program;
mod remote;
mod session;

use std::sync::LazyLock;
use std::time::Duration;

use crate::host::{Host, SleepFuture};
use crate::machine::Policy;
use crate::sys::System;

pub use browser::Browser;
pub use element::{Element, Locator};
pub use error::WebDriverError;
pub use problem::CommandProblem;
pub use remote::Method;
pub use session::Session;

/// Sleeps on the clock of the system, as the driver's service does.
fn sleep(duration: Duration) -> SleepFuture {
    static SYSTEM: LazyLock<System> = LazyLock::new(System::new);
    SYSTEM.sleep_until(SYSTEM.now() + duration.min(Policy::LONGEST))
}
