//! Services: in virtual time, and with real servers.

mod across;
mod captured;
mod dropped;
mod ending;
mod families;
mod files;
mod given;
mod invalid;
mod killed;
mod mongodb;
mod notify;
mod parallel;
mod port;
mod probes;
mod readiness;
mod real;
mod shared;
mod shared_output;
mod steps;
mod tiny;
