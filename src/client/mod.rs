//! Client services: one connection, kept.
//!
//! It is built as the monitor is. Decisions are made by a pure [machine](fsm), which handle and driver share behind one
//! short lock; a call on the handle is applied at once, and the [driver](ClientDriver) carries out what follows. Code that
//! is not ours (connectors, preparations, pings, policies, wakers, the streams themselves) never runs under that lock
//! and never outside the fence: it may call the service, and it may panic.
//!
//! An attempt has three parts: the connector is awaited, the connection is prepared, and then whoever waits is given a
//! [link](Connection). From the moment there is a stream it is watched, so a connection that ends while it is being prepared
//! is a failed attempt, and one that ends while nobody uses it is noticed.

mod acts;
mod bell;
mod builder;
mod connect;
mod driver;
mod fsm;
pub(crate) mod handle;
mod job;
mod link;
mod message;
mod setback;
mod shared;
mod slot;
mod socket;
mod state;
mod tcp;
mod unix;
mod wire;

pub use builder::ClientBuilder;
pub use connect::Connector;
pub use driver::ClientDriver;
pub(crate) use handle::ClientService;
pub use link::Connection;
pub use setback::{ConnectError, ConnectWaitError, DisconnectReason};
pub use slot::WhenConnected;
pub use socket::Socket;
pub use state::{ClientState, ClientStates};
pub use tcp::TcpConnector;
pub use unix::{UnixConnector, UnixPathError};
