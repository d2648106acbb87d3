//! A service that keeps one outgoing connection.
//!
//! Decisions are made by a pure state machine (`fsm`), which handles and driver share behind one lock. A
//! command on a handle takes effect at once, and the [driver](ClientDriver) executes what follows from it.
//! The user's code (connectors, callbacks, policies, wakers, and the streams themselves) never runs under
//! that lock, and its panics are caught, so it may call the service and it may panic.
//!
//! An attempt has three steps: the connector makes a stream, the connection is prepared, and then the tasks
//! that wait receive the [`Connection`]. The stream is watched from the beginning. So a connection that ends
//! while it is being prepared is a failed attempt, and the end of a connection that is not in use is noticed.
//!
//! # Structure
//!
//! * `builder`, `handle`, `state`, `error`, `connector`, `tcp`: the public types;
//! * `message`, `fsm`: the state machine;
//! * `shared`, `driver`, `callbacks`: what surrounds it;
//! * `connection`, `stream`, `shared_waker`: a stream that its users share with the driver.

mod builder;
mod callbacks;
mod connection;
mod connector;
mod driver;
mod error;
mod fsm;
pub(crate) mod handle;
mod message;
mod shared;
mod shared_waker;
mod state;
mod stream;
mod tcp;

pub use builder::ClientBuilder;
pub use connection::Connection;
pub use connector::{Connector, Socket, UnixConnector, UnixPathError};
pub use driver::ClientDriver;
pub use error::{ConnectError, ConnectWaitError, DisconnectReason};
pub use handle::{WeakClient, WhenConnected};
pub use state::{ClientState, ClientStates};
pub use tcp::TcpConnector;
