//! Services: in virtual time, and with real servers.

mod ending;
mod invalid;
mod mongodb;
mod port;
mod readiness;
