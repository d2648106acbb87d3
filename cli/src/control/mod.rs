//! Control from another terminal: the socket of an `up`, its protocol, and the commands that use it.
//!
//! `home` finds the private directory of a file, with the socket and the lock. `protocol` has the requests
//! and replies; `server` and `actions` belong to `up`, `client`, `commands` and `table` to the other
//! terminal.

mod actions;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod home;
pub(crate) mod protocol;
mod server;
mod table;

pub(crate) use actions::Controlled;
pub(crate) use server::serve;
