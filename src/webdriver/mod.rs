//! A browser for a test: started with its driver, driven by WebDriver, gone with all its processes when you leave.
//!
//! WebDriver is the W3C's way to drive browsers: a program beside the browser, the *driver*, takes commands by HTTP. A
//! [`WebDriver`] says which program that is and how the browser is to be. Starting it takes these steps:
//!
//! 1. A port is reserved, and a private directory made, for the browser's profile and all that it and its driver write.
//! 2. The driver is started as a [`Service`](crate::Service); it is ready when it has said so and then listens (PJ-2).
//! 3. A session is opened, which starts the browser, with the capabilities that were asked for (PJ-4).
//!
//! The end takes the same steps backwards. The session is closed, and the browser with it; then the driver is stopped with
//! its whole group; then whatever of the browser has left that group is found and killed; then nobody writes to the
//! directory any more, and it is removed. That order is held by ownership: each part of a [`Browser`] ends itself when it
//! is dropped, and they are dropped in this order, also by a panic. Only what a part cannot do because the one before has
//! failed is left to the next, and at last to KILL.

mod browser;
mod directory;
mod element;
mod error;
mod family;
mod leftover;
mod problem;
pub(crate) mod program;
mod remote;
mod session;

pub use browser::Browser;
pub use element::{Element, Locator};
pub use error::WebDriverError;
pub use problem::CommandProblem;

pub use remote::Method;
pub use session::Session;
