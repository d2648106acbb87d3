//! A socket server for tests that releases everything when it is closed.
//!
//! A server that a test starts must end with that test: a leftover socket, task, thread or file would affect
//! the tests that follow. Closing a [`TidyServer`](crate::TidyServer) is bounded, also when a client
//! disconnects at the same moment, never reads, or when a handler ignores the request to end. The steps are:
//!
//! 1. The listener is closed, and the directory of a Unix socket is removed.
//! 2. Every connection is asked to end: handlers read end-of-file, and clients can no longer write.
//! 3. Handlers have the [grace period](TidyServerBuilder::grace) to return. A handler that does not is
//!    dropped, and its connection is listed in a [`LeakError`].
//! 4. Every socket that is still open is closed, even if a stream still refers to it.
//!
//! # Structure
//!
//! * `builder`: where to listen, and starting the server;
//! * `socket`: TCP and Unix sockets behind one type;
//! * `ledger`: which connections are open and which have leaked, without input, output or time;
//! * `link`: one end of a connection, shared by its streams and the server;
//! * `shared`: the state that the handle, the thread and the connections share, and the steps of a close;
//! * `accept`: the server's thread, which accepts connections and runs the handlers.

mod accept;
mod builder;
mod error;
pub(crate) mod handle;
mod ledger;
mod link;
mod pair;
mod shared;
mod socket;
mod stream;

pub use builder::TidyServerBuilder;
pub use error::{LeakCause, LeakError, LeakedConnection, TidyError};
pub use handle::{CloseFuture, ConnectFuture};
pub use pair::TidyPair;
pub use socket::Endpoint;
pub use stream::{TidyStream, line_echo};
