//! The command line as a user sees it: real processes, real signals, real terminals.

mod check;
mod conformance;
mod eventually;
mod explore;
mod export;
mod findings;
mod foresight;
mod help;
mod import;
mod keys;
mod killed;
mod options;
mod rehearse;
mod rehearsed;
mod requests;
mod signals;
#[path = "../../../tests/it/support/skip.rs"]
#[expect(dead_code, reason = "no test of the command line runs again in an inner process")]
mod skip;
mod streams;
mod supervisor;
mod terminal;
mod timeline;
mod up;
mod usage;
mod what_if;
