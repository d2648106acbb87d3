//! Services: real servers for tests, ready when you get them and gone when you leave.

mod port;

pub use port::Port;
