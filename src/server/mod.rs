//! A socket server for a test, which closes completely, every time.
//!
//! A server that is made in a test has to go with it: no socket, no task, no thread, no file may be left, or the next test
//! inherits them. That is easy as long as everybody behaves. A [`TidyServer`] does it when a client has gone before, hangs
//! up meanwhile, never reads, or when a handler does not listen. Closing it takes these steps, all of them bounded:
//!
//! 1. The door is shut: nobody is accepted any more, and the directory of a Unix socket goes.
//! 2. Every connection is asked to end: handlers read the end of their streams, clients cannot write any more.
//! 3. The handlers have their time to end. Those that do not are dropped, and named in a [`LeakError`].
//! 4. Every socket that is still open is closed, whoever holds it.
//!
//! * `builder`: where to listen;
//! * `socket`: TCP and Unix as one;
//! * `ledger`: the book of who is open and who is left, pure;
//! * `link`: one end of a connection, as its clones and the server share it;
//! * `shared`: what the handle, the thread and the connections share, and the sequence of the end;
//! * `keeper`: the thread, which accepts and runs the handlers.

mod bell;
mod builder;
mod closing;
mod connecting;
mod echo;
mod endpoint;
mod error;
pub(crate) mod handle;
mod keeper;
mod leak;
mod ledger;
mod link;
mod pair;
mod shared;
mod socket;
mod stream;

pub use builder::TidyServerBuilder;
pub use closing::CloseFuture;
pub use connecting::ConnectFuture;
pub use echo::line_echo;
pub use endpoint::Endpoint;
pub use error::TidyError;
pub(crate) use handle::TidyServer;
pub use leak::{LeakCause, LeakError, LeakedConnection};
pub use pair::TidyPair;
pub use stream::TidyStream;
