//! Services: in virtual time, and with real servers.

mod ending;
mod given;
mod invalid;
mod killed;
mod mongodb;
mod parallel;
mod port;
mod readiness;
mod real;
mod shared;
mod tiny;
