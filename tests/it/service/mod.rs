//! Services, with real servers.

mod port;
